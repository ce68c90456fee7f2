//! The conditions of `:where`, of rules, and inside of `not` and `or`.

use std::sync::Arc;

use super::{
    binding, invalid, is_symbol, join_variables, nested_call, plain_name, query, show, source, split_source,
    symbol, term, text, variable, variables,
};
use crate::ast::{Arg, Call, Clause, ClauseKind, Query, SourceName, Term};
use annals_storage::datom::Symbol;

use crate::edn::{Edn, Form, FormKind};
use crate::error::{Error, Result};
use crate::functions::nested;

/// Comparisons take exactly two arguments.
const COMPARISONS: [&str; 6] = ["=", "!=", "<", "<=", ">", ">="];

/// The words of the grammar that no rule can have as its name.
pub(super) const RESERVED: [&str; 5] = ["and", "or", "or-join", "not", "not-join"];

/// How deep clauses may stand inside each other, those of queries inside queries included. Whoever walks clauses may
/// recurse, so this bounds the stack of all that comes after.
pub(crate) const LEVELS_MAX: usize = 100;

/// The error for clauses too deep inside each other.
pub(crate) fn too_deep() -> Error {
    Error::incorrect(
        "db.error/query-too-complex",
        format!("clauses stand inside each other more than {LEVELS_MAX} levels deep"),
    )
    .hint("name the inner ones by a rule")
}

/// Clauses that stand inside of `level` others.
pub(super) fn clauses(forms: &[Form], level: usize) -> Result<Vec<Clause>> {
    forms.iter().map(|form| clause(form, level)).collect()
}

fn clause(form: &Form, level: usize) -> Result<Clause> {
    if level > LEVELS_MAX {
        return Err(too_deep().at(form.span));
    }
    let kind = match &form.kind {
        FormKind::Vector(parts) => match parts.split_first() {
            Some((Form { kind: FormKind::List(call), .. }, rest)) => {
                expression(form, &parts[0], call, rest, level)?
            }
            _ => pattern(form, parts)?,
        },
        FormKind::List(parts) => compound(form, parts, level)?,
        _ => {
            return Err(invalid(form, format!("{} is not a clause", show(form))).hint(
                "a clause is a pattern [?e :a ?v], an expression [(f ?a) ?b], or a list such as (not …)",
            ));
        }
    };
    Ok(Clause { kind, span: form.span })
}

fn pattern(form: &Form, parts: &[Form]) -> Result<ClauseKind> {
    let (source, places) = split_source(parts);
    if places.is_empty() {
        return Err(invalid(form, "a pattern needs at least one place").hint("as in [?e :person/name ?name]"));
    }
    Ok(ClauseKind::Pattern { source, terms: places.iter().map(term).collect::<Result<_>>()? })
}

/// `[(f …)]` or `[(f …) binding]`
fn expression(form: &Form, head: &Form, parts: &[Form], rest: &[Form], level: usize) -> Result<ClauseKind> {
    let call = call(head, parts, level)?;
    match rest {
        [] => Ok(ClauseKind::Predicate(call)),
        [one] => Ok(ClauseKind::Function(call, binding::binding(one)?)),
        _ => Err(invalid(form, format!("{} has more than one binding", show(form)))
            .hint("several results are bound by one vector: [(f ?a) [?b ?c]]")),
    }
}

fn call(form: &Form, parts: &[Form], level: usize) -> Result<Call> {
    let Some((head, rest)) = parts.split_first() else {
        return Err(invalid(form, "an empty list calls nothing").hint("as in [(< ?a 10)]"));
    };
    let name = match symbol(head) {
        Some(name) if variable(head).is_some() || plain_name(head).is_some() => name.clone(),
        _ => return Err(invalid(head, format!("{} is not the name of a function", show(head)))),
    };
    let (query, rest) = inner_query(&name, rest, level)?;
    let args = args(rest)?;
    if COMPARISONS.contains(&name.as_str()) && args.len() != 2 {
        let message = format!("`{name}` takes exactly two arguments, not {}", args.len());
        return Err(invalid(form, message).hint("compare in several clauses: [(< ?a ?b)] [(< ?b ?c)]"));
    }
    Ok(Call { name, query, args, span: form.span })
}

/// The query that is written in a call of `q`, quoted or not, and the arguments behind it.
fn inner_query<'f>(
    name: &Symbol,
    args: &'f [Form],
    level: usize,
) -> Result<(Option<Arc<Query>>, &'f [Form])> {
    match args.split_first() {
        Some((form, rest)) if name.as_str() == nested::NAME => {
            let form = match &form.kind {
                FormKind::List(parts) => match parts.as_slice() {
                    [quote, inner] if is_symbol(quote, "quote") => inner,
                    _ => form,
                },
                _ => form,
            };
            Ok(match &form.kind {
                FormKind::Vector(_) | FormKind::List(_) | FormKind::Map(_) => {
                    (Some(Arc::new(query::inside(form, level + 1)?)), rest)
                }
                FormKind::Atom(Edn::String(_)) => (Some(Arc::new(query_in_text(form, level + 1)?)), rest),
                _ => (None, args),
            })
        }
        _ => Ok((None, args)),
    }
}

/// A query written as a string inside another. Places inside of the string mean nothing in the text around.
fn query_in_text(form: &Form, level: usize) -> Result<Query> {
    let placed = |error| Error { span: form.span, ..error };
    let inner = text(form).map_err(placed)?.unwrap_or_else(|| form.clone());
    query::inside(&Form::from(inner.to_edn()), level).map_err(placed)
}

/// The arguments of a function or aggregate.
pub(super) fn args(forms: &[Form]) -> Result<Vec<Arg>> {
    forms.iter().map(arg).collect()
}

fn arg(form: &Form) -> Result<Arg> {
    if let Some(var) = variable(form) {
        return Ok(Arg::Var(var));
    }
    if let Some(source) = source(form) {
        return Ok(Arg::Source(source));
    }
    match &form.kind {
        FormKind::List(_) => Err(nested_call(form)),
        FormKind::Atom(Edn::Symbol(symbol)) if matches!(symbol.as_str(), "_" | "." | "..." | "?") => {
            Err(invalid(form, format!("{} is not an argument", show(form))))
        }
        _ => Ok(Arg::Const(form.to_edn())),
    }
}

/// A list: `not`, `or` and their joins, `and`, or a rule, each with or without a source in front.
fn compound(form: &Form, parts: &[Form], level: usize) -> Result<ClauseKind> {
    let (source, inner) = split_source(parts);
    let Some((head, rest)) = inner.split_first() else {
        return Err(invalid(form, format!("{} is not a clause", show(form))));
    };
    let Some(name) = plain_name(head) else {
        return Err(invalid(head, format!("{} is not the name of a rule", show(head))).hint(
            "a list begins with not, or, not-join, or-join, and, or a rule's name; a pattern is a vector",
        ));
    };
    match name.as_str() {
        "and" if inner.len() < parts.len() => {
            Err(invalid(form, "`and` takes no source").hint("give the source to each of its clauses"))
        }
        "and" => Ok(ClauseKind::And(some_clauses(form, rest, level + 1)?)),
        "not" => Ok(ClauseKind::Not { source, join: None, clauses: some_clauses(form, rest, level + 1)? }),
        "not-join" => {
            let (vars, rest) = join_vector(form, rest)?;
            let join = Some(variables(vars, "`not-join`")?);
            Ok(ClauseKind::Not { source, join, clauses: some_clauses(form, rest, level + 1)? })
        }
        "or" => Ok(ClauseKind::Or {
            source,
            required: Vec::new(),
            join: None,
            branches: branches(form, rest, level + 1)?,
        }),
        "or-join" => {
            let (vars, rest) = join_vector(form, rest)?;
            let (required, vars) = join_variables(vars, "`or-join`")?;
            let required = vars[..required].to_vec();
            Ok(ClauseKind::Or {
                source,
                required,
                join: Some(vars),
                branches: branches(form, rest, level + 1)?,
            })
        }
        _ => rule_call(form, source, head, rest),
    }
}

fn rule_call(form: &Form, source: SourceName, head: &Form, rest: &[Form]) -> Result<ClauseKind> {
    let name = plain_name(head).expect("the caller looked").clone();
    let args: Vec<Term> = rest.iter().map(term).collect::<Result<_>>().map_err(|error| {
        if COMPARISONS.contains(&name.as_str()) { error.hint(in_brackets(form)) } else { error }
    })?;
    Ok(ClauseKind::Rule { source, name, args })
}

/// How a call that stands without brackets is meant.
fn in_brackets(form: &Form) -> String {
    format!("a predicate is written in a vector: [{}]", form.to_edn())
}

fn join_vector<'f>(form: &Form, rest: &'f [Form]) -> Result<(&'f [Form], &'f [Form])> {
    match rest.split_first() {
        Some((Form { kind: FormKind::Vector(vars), .. }, rest)) => Ok((vars, rest)),
        _ => Err(invalid(form, format!("{} does not say which variables it shares", show(form)))
            .hint("a vector of variables comes first: (not-join [?e] …)")),
    }
}

fn some_clauses(form: &Form, forms: &[Form], level: usize) -> Result<Vec<Clause>> {
    if forms.is_empty() {
        return Err(invalid(form, format!("{} has no clauses", show(form))));
    }
    clauses(forms, level)
}

/// The branches of an `or`: a clause each, or several in an `and`.
fn branches(form: &Form, forms: &[Form], level: usize) -> Result<Vec<Vec<Clause>>> {
    if forms.is_empty() {
        return Err(invalid(form, format!("{} has no branches", show(form))));
    }
    let branch = |form: &Form| match &form.kind {
        FormKind::List(parts) if parts.first().is_some_and(|head| is_symbol(head, "and")) => {
            some_clauses(form, &parts[1..], level)
        }
        _ => Ok(vec![clause(form, level)?]),
    };
    forms.iter().map(branch).collect()
}
