//! Forms to questions: what a query, a rule set or a pull pattern says, or why it says nothing.
//!
//! The grammar only: a name is a name, wherever it stands, and the order of clauses means nothing. Whether the names
//! fit together is `check`'s part. Every refusal names the thing and, if it came from text, its place. Nesting is
//! bounded: of brackets by the reader, of clauses here.
//!
//! One file for each part of the grammar: `query` (the sections), `find`, `expression`, `page`, `binding`, `clause`,
//! `rule`, `pull`.

mod binding;
pub(crate) mod clause;
mod expression;
mod find;
mod page;
mod pull;
mod query;
mod rule;

#[cfg(test)]
mod tests;

use std::collections::HashSet;

use annals_storage::datom::Symbol;

use crate::ast::{PullPattern, Query, Rule, SourceName, Term, Var};
use crate::edn::{Edn, Form, FormKind, read_one};
use crate::error::{Error, Result};

/// A query, in vector, map or text form.
pub fn query(form: &Form) -> Result<Query> {
    match text(form)? {
        Some(inner) => query::query(&inner),
        None => query::query(form),
    }
}

/// A query, from its text.
pub fn query_text(text: &str) -> Result<Query> {
    query::query(&read_one(text)?)
}

/// A rule set, as a list of rules or as text.
pub fn rules(form: &Form) -> Result<Vec<Rule>> {
    match text(form)? {
        Some(inner) => rule::rules(&inner),
        None => rule::rules(form),
    }
}

/// A pull pattern, as a vector or as text.
pub fn pull(form: &Form) -> Result<PullPattern> {
    match text(form)? {
        Some(inner) => pull::pattern(&inner),
        None => pull::pattern(form),
    }
}

/// The form written in a string. Its places are those inside the string.
fn text(form: &Form) -> Result<Option<Form>> {
    match form.as_atom() {
        Some(Edn::String(text)) => read_one(text).map(Some),
        _ => Ok(None),
    }
}

/// A query of the wrong shape.
fn invalid(form: &Form, message: impl Into<String>) -> Error {
    Error::incorrect("db.error/invalid-query", message).at(form.span)
}

/// A form as it stands in a message: cut if it is long.
fn show(form: &Form) -> String {
    let text = form.to_edn().to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("`{}…`", &text[..end]),
        None => format!("`{text}`"),
    }
}

fn symbol(form: &Form) -> Option<&Symbol> {
    match &form.kind {
        FormKind::Atom(Edn::Symbol(symbol)) => Some(symbol),
        _ => None,
    }
}

fn is_symbol(form: &Form, name: &str) -> bool {
    symbol(form).is_some_and(|symbol| symbol.as_str() == name)
}

/// `?name`
fn variable(form: &Form) -> Option<Var> {
    symbol(form)
        .filter(|symbol| symbol.as_str().starts_with('?') && symbol.as_str().len() > 1)
        .cloned()
        .map(Var)
}

/// `$` or `$name`
fn source(form: &Form) -> Option<SourceName> {
    symbol(form).filter(|symbol| symbol.as_str().starts_with('$')).cloned().map(SourceName)
}

/// A symbol that can name a function, rule or input: no variable, source or mark of the grammar.
fn plain_name(form: &Form) -> Option<&Symbol> {
    symbol(form).filter(|symbol| {
        let text = symbol.as_str();
        !text.starts_with(['?', '$']) && !matches!(text, "%" | "_" | "." | "...")
    })
}

/// A source in front of forms, and the forms behind it; the default source if there is none.
fn split_source(forms: &[Form]) -> (SourceName, &[Form]) {
    match forms.split_first().and_then(|(first, rest)| Some((source(first)?, rest))) {
        Some(split) => split,
        None => (SourceName::default_source(), forms),
    }
}

/// A place of a pattern or rule call.
fn term(form: &Form) -> Result<Term> {
    if let Some(var) = variable(form) {
        return Ok(Term::Var(var));
    }
    match &form.kind {
        FormKind::List(_) => Err(nested_call(form)),
        FormKind::Atom(Edn::Symbol(symbol)) => match symbol.as_str() {
            "_" => Ok(Term::Blank),
            "." | "..." | "%" | "?" => Err(invalid(form, format!("{} cannot stand here", show(form)))),
            text if text.starts_with('$') => {
                Err(invalid(form, format!("the source {} cannot stand here", show(form)))
                    .hint("a source stands first in its clause"))
            }
            _ => Ok(Term::Const(form.to_edn())),
        },
        _ => Ok(Term::Const(form.to_edn())),
    }
}

/// Distinct variables.
fn variables(forms: &[Form], place: &str) -> Result<Vec<Var>> {
    let mut vars = Vec::with_capacity(forms.len());
    let mut seen = HashSet::with_capacity(forms.len());
    for form in forms {
        let var = variable(form).ok_or_else(|| {
            invalid(form, format!("{} in {place} is not a variable", show(form)))
                .hint("variables begin with `?`")
        })?;
        if !seen.insert(var.clone()) {
            return Err(invalid(form, format!("{} stands twice in {place}", show(form))));
        }
        vars.push(var);
    }
    Ok(vars)
}

/// Variables of which some must be bound before: `[?a ?b]`, or `[[?a] ?b]` where `?a` must. Gives their number too.
fn join_variables(forms: &[Form], place: &str) -> Result<(usize, Vec<Var>)> {
    let Some((FormKind::Vector(required), rest)) =
        forms.split_first().map(|(first, rest)| (&first.kind, rest))
    else {
        return Ok((0, variables(forms, place)?));
    };
    let all: Vec<Form> = required.iter().chain(rest).cloned().collect();
    Ok((required.len(), variables(&all, place)?))
}

fn nested_call(form: &Form) -> Error {
    invalid(form, format!("{} stands where a value is needed; calls do not nest", show(form))).hint(
        "bind the inner call first: [(inner ?a) ?b] [(outer ?b) ?c]; a list of values is written as a vector",
    )
}
