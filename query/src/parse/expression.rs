//! Expressions of `:find`, `:having` and `:order-by`: functions over aggregates, variables and constants.
//!
//! A list that begins with the name of an aggregate is one if a variable stands last in it and no list stands in it:
//! `(max 3 ?a)`. Four names are functions too, and mean the function otherwise: `(max (sum ?a) 0)`. What is aggregated
//! is a variable, never a call. Whether any other name is a function is `check`'s part.

use super::{clause, invalid, plain_name, show, source, variable};
use crate::aggregate;
use crate::ast::{Arg, Call, Expr};
use crate::edn::{Edn, Form, FormKind};
use crate::error::{Error, Result};
use crate::functions;

pub(super) fn expression(form: &Form) -> Result<Expr> {
    if let Some(var) = variable(form) {
        return Ok(Expr::Var(var, form.span));
    }
    if source(form).is_some() {
        return Err(invalid(form, format!("the source {} cannot stand in an expression", show(form)))
            .hint("ask a source in :where and name the result here"));
    }
    match &form.kind {
        FormKind::List(parts) => list(form, parts),
        FormKind::Atom(Edn::Symbol(symbol)) if matches!(symbol.as_str(), "_" | "." | "..." | "?") => {
            Err(invalid(form, format!("{} is not an argument", show(form))))
        }
        _ => Ok(Expr::Const(form.to_edn())),
    }
}

fn list(form: &Form, parts: &[Form]) -> Result<Expr> {
    let Some((head, args)) = parts.split_first() else { return Err(no_name(form)) };
    let name = plain_name(head).ok_or_else(|| no_name(form))?.clone();
    if name.as_str() == "pull" {
        return Err(invalid(form, format!("the pull {} stands inside of an expression", show(form)))
            .hint("a pull is an element of :find of its own"));
    }
    let nested = args.iter().any(|arg| matches!(arg.kind, FormKind::List(_)));
    if aggregate::is_name(&name) {
        let variable_last = args.last().and_then(variable).is_some();
        if variable_last && !nested {
            return Ok(Expr::Aggregate(Call {
                name,
                query: None,
                args: clause::args(args)?,
                span: form.span,
            }));
        }
        if functions::find(&name).is_none() {
            return Err(not_aggregated(form, args, nested));
        }
    }
    let args = args.iter().map(expression).collect::<Result<_>>()?;
    Ok(Expr::Call { name, args, span: form.span })
}

fn no_name(form: &Form) -> Error {
    invalid(form, format!("{} does not begin with the name of an aggregate or function", show(form)))
        .hint("as in (count ?e)")
}

/// An aggregate whose last argument is no variable.
fn not_aggregated(form: &Form, args: &[Form], nested: bool) -> Error {
    if nested {
        return invalid(form, format!("{} aggregates a call; an aggregate takes a variable", show(form)))
            .hint("bind the call in :where: [(* ?a ?b) ?c], and aggregate ?c");
    }
    if args.iter().any(|arg| variable(arg).is_some()) {
        return invalid(
            form,
            format!("the last argument of {} is not the variable to aggregate", show(form)),
        )
        .hint("as in (max 3 ?e)");
    }
    invalid(form, format!("{} aggregates no variable", show(form))).hint("as in (count ?e)")
}

/// A number or text of a section, or the variable that an input gives.
pub(super) fn given(form: &Form) -> Option<Arg> {
    match variable(form) {
        Some(var) => Some(Arg::Var(var)),
        None => form.as_atom().cloned().map(Arg::Const),
    }
}
