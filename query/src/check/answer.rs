//! What is made of the rows: do functions of expressions exist, is what is compared in a group one value, are rows
//! ordered by what they have, and are there rows where a page of them is asked for?

use super::listed;
use crate::aggregate;
use crate::ast::{Arg, Binding, Expr, Find, Given, Input, Query, Var};
use crate::edn::Span;
use crate::error::Error;
use crate::find::{grouping_vars, order};
use crate::functions::{self, of_facts::OfFacts};

pub(super) fn check(query: &Query, problems: &mut Vec<Error>) {
    for expr in query.find.exprs().chain(&query.having) {
        expr.walk(&mut |part| problems.extend(call(part)));
    }
    having(query, problems);
    problems.extend(query.page.order_by.iter().filter_map(|key| order::column(query, key).err()));
    page(query, problems);
}

/// What is wrong with a call of a function.
fn call(expr: &Expr) -> Option<Error> {
    let Expr::Call { name, args, span } = expr else { return None };
    if let Some(function) = functions::find(name) {
        return function.check_count(args.len()).err().map(|error| error.at(*span));
    }
    // A name with a namespace may be one of the program, which is known when the query is asked.
    name.namespace().is_none().then(|| unknown(name, *span))
}

/// The error for a name that no expression can call.
fn unknown(name: &annals_storage::datom::Symbol, span: Option<Span>) -> Error {
    if OfFacts::find(name).is_some() {
        return invalid(format!("`{name}` asks facts, which an expression cannot"), span)
            .hint(format!("call it in :where, [({name} …) ?a], and name ?a here"));
    }
    aggregate::unknown(name).at(span)
}

/// A predicate over a group compares what has one value in it.
fn having(query: &Query, problems: &mut Vec<Error>) {
    let grouping = grouping_vars(query);
    for expr in &query.having {
        let loose: Vec<&Var> =
            expr.grouping_vars().into_iter().filter(|var| !grouping.contains(var)).collect();
        if !loose.is_empty() {
            let message = format!("{} in :having has no one value in a row of the answer", listed(loose));
            problems.push(
                invalid(message, expr.span()).hint("put it in :find, or aggregate it, as in (count ?e)"),
            );
        }
    }
}

/// Pages are of rows, cursors of relations, and numbers come from the text or from an input.
fn page(query: &Query, problems: &mut Vec<Error>) {
    let page = &query.page;
    let one_row = matches!(query.find, Find::Tuple(_) | Find::Scalar(_));
    for (name, given) in [("limit", &page.limit), ("offset", &page.offset), ("after", &page.after)] {
        let Some(Given { arg, span }) = given else { continue };
        if one_row {
            let message = format!(":{name} needs rows; :find asks for one");
            problems.push(invalid(message, *span).hint("ask for rows, :find ?a ?b, or for values, [?a ...]"));
        } else if name == "after" && !matches!(query.find, Find::Relation(_)) {
            let message = ":after needs a relation; a collection has no cursor".to_owned();
            problems.push(invalid(message, *span).hint("ask for rows: :find ?a"));
        }
        problems.extend(not_given(query, name, arg, *span));
    }
    let timeout = query.timeout.iter();
    problems.extend(timeout.filter_map(|Given { arg, span }| not_given(query, "timeout", arg, *span)));
}

fn not_given(query: &Query, name: &str, arg: &Arg, span: Option<Span>) -> Option<Error> {
    let Arg::Var(var) = arg else { return None };
    if query.inputs.contains(&Input::Binding(Binding::Var(var.clone()))) {
        return None;
    }
    let message = format!("{} in :{name} is not an input of one value", var.0);
    Some(invalid(message, span).hint(format!("name it in :in: `:in $ {}`", var.0)))
}

fn invalid(message: String, span: Option<Span>) -> Error {
    Error::incorrect("db.error/invalid-query", message).at(span)
}
