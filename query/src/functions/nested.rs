//! `q`: a query inside the query.
//!
//! ```text
//!   [(q [:find (min ?year) . :where [_ :film/year ?year]] $) ?first]
//! ```
//!
//! The first argument is the query, as it is or in a variable; the others are its inputs, by position: values, sources,
//! and `%` for the rules of the query around. Nothing else of that is seen inside. The answer has the shape that the inner
//! `:find` asks for; rows come as a vector, the least
//! first if it does not order them, so that one question has one answer.

use std::sync::Arc;

use crate::answer::Answer;
use crate::ast::{Input, Query};
use crate::checked;
use crate::edn::{Edn, Form, read_one};
use crate::error::{Error, Result};
use crate::inputs::Given;
use crate::parse;

use super::callee::{Context, Handed};
use super::total;

/// The function's name.
pub const NAME: &str = "q";

/// How many queries may be asked inside each other.
pub const DEPTH_MAX: usize = 8;

/// Refuses a call without a query.
pub fn check_count(count: usize) -> Result<()> {
    if count > 0 {
        return Ok(());
    }
    let message = format!("`{NAME}` takes a query and its inputs, not 0 arguments");
    Err(Error::incorrect("db.error/function-arity", message))
}

/// The error for queries too deep inside each other.
pub(crate) fn too_deep() -> Error {
    let message = format!("more than {DEPTH_MAX} queries are asked inside each other");
    Error::incorrect("db.error/query-too-complex", message)
        .hint("ask the inner ones first, and give what they find")
}

/// True if an argument stands for the rules of the query around.
pub(crate) fn means_rules(input: &Input, arg: &Edn) -> bool {
    *input == Input::Rules && matches!(arg, Edn::Symbol(name) if name.as_str() == "%")
}

pub(super) fn call(context: &Context<'_>, handed: &[Option<Handed<'_>>], values: &[Edn]) -> Result<Edn> {
    check_count(handed.len())?;
    let outer = context.inputs;
    if outer.depth() >= DEPTH_MAX {
        return Err(too_deep());
    }
    let (mut handed, mut values) = (handed.iter(), values.iter());
    let query = match (handed.next(), &mut values) {
        (Some(Some(Handed::Query(query))), _) => Arc::clone(query),
        (Some(None), values) => Arc::new(held(values.next().unwrap_or(&Edn::Nil))?),
        _ => return Err(no_query("a source")),
    };
    let inputs = query.inputs.iter().map(Some).chain(std::iter::repeat(None));
    let given: Vec<Given<'_>> = handed
        .zip(inputs)
        .map(|(handed, input)| match handed {
            Some(Handed::Source(_, source)) => Ok(Given::Source((*source).clone())),
            Some(Handed::Query(_)) => Err(no_query("a second query")),
            None => Ok(match values.next().unwrap_or(&Edn::Nil) {
                value if input.is_some_and(|input| means_rules(input, value)) => {
                    Given::Rules(outer.shared_rules())
                }
                value => Given::Value(value),
            }),
        })
        .collect::<Result<_>>()?;
    let inputs = outer.inside(&query, given)?;
    if inputs.levels() > parse::clause::LEVELS_MAX {
        return Err(parse::clause::too_deep());
    }
    let query = checked(&query, &inputs)?;
    let answer = (context.answer)(&query, &inputs)?;
    Ok(if query.page.order_by.is_empty() { in_order(answer) } else { answer.into_edn() })
}

/// The query that a value is: data, or text.
fn held(value: &Edn) -> Result<Query> {
    // Places in a text that came as a value mean nothing in the text of the query around.
    match value {
        Edn::String(text) => {
            let form = read_one(text).map_err(|error| Error { span: None, ..error })?;
            parse::query(&Form::from(form.to_edn()))
        }
        Edn::Vector(_) | Edn::List(_) | Edn::Map(_) => parse::query(&Form::from(value.clone())),
        other => Err(no_query(&format!("a {}", other.type_name()))),
    }
}

fn no_query(found: &str) -> Error {
    Error::incorrect("db.error/type-in-function", format!("`{NAME}` is given {found} where it takes a query"))
        .hint(format!("as in [({NAME} [:find (min ?y) . :where [_ :film/year ?y]] $) ?first]"))
}

/// An answer as one value, its rows in one order.
fn in_order(answer: Answer) -> Edn {
    let has_rows = matches!(answer, Answer::Relation(_) | Answer::Collection(_));
    match answer.into_edn() {
        Edn::Vector(mut rows) if has_rows => {
            rows.sort_by(total);
            Edn::Vector(rows)
        }
        other => other,
    }
}
