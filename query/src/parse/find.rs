//! `:find`: the shape of the answer and its elements.

use super::{expression, invalid, is_symbol, plain_name, pull, show, source, split_source, variable};
use crate::ast::{Element, Expr, Find, PullArg};
use crate::edn::{Edn, Form, FormKind, read_one};
use crate::error::{Error, Result};

pub(super) fn find(key: &Form, forms: &[Form]) -> Result<Find> {
    match forms {
        [] => Err(invalid(key, ":find asks for nothing").hint("name a variable: :find ?e")),
        [one, dot] if is_symbol(dot, ".") => Ok(Find::Scalar(element(one)?)),
        [Form { kind: FormKind::Vector(inner), span }] => match inner.as_slice() {
            [] => Err(Error { span: *span, ..invalid(key, ":find asks for nothing") }),
            [one, dots] if is_symbol(dots, "...") => Ok(Find::Collection(element(one)?)),
            elements => Ok(Find::Tuple(elements.iter().map(element).collect::<Result<_>>()?)),
        },
        elements => Ok(Find::Relation(elements.iter().map(element).collect::<Result<_>>()?)),
    }
}

fn element(form: &Form) -> Result<Element> {
    match &form.kind {
        FormKind::List(parts) if parts.first().is_some_and(|head| is_symbol(head, "pull")) => {
            return pull_element(form, &parts[1..]);
        }
        FormKind::List(_) => {
            let expr = expression::expression(form)?;
            if expr.vars().is_empty() {
                let message = format!("{} aggregates no variable", show(form));
                return Err(invalid(form, message).hint("as in (count ?e)"));
            }
            return Ok(Element::Expr(expr));
        }
        _ => {}
    }
    if let Some(var) = variable(form) {
        return Ok(Element::Expr(Expr::Var(var, form.span)));
    }
    let error = invalid(form, format!("{} cannot be asked for", show(form)));
    Err(if is_symbol(form, ".") || is_symbol(form, "...") {
        error.hint("the shapes are `?a ?b`, `[?a ...]`, `[?a ?b]` and `?a .`")
    } else {
        error.hint("ask for a variable, an aggregate such as (count ?e), or (pull ?e [*])")
    })
}

fn pull_element(form: &Form, args: &[Form]) -> Result<Element> {
    let (source, args) = split_source(args);
    let [entity, pattern] = args else {
        return Err(invalid(form, format!("{} is not (pull ?e pattern)", show(form)))
            .hint("as in (pull ?e [:person/name]), or (pull $src ?e [:person/name])"));
    };
    let var = variable(entity).ok_or_else(|| {
        invalid(entity, format!("a pull needs a variable for the entity, not {}", show(entity)))
    })?;
    Ok(Element::Pull { source, var, pattern: pull_arg(pattern)?, span: form.span })
}

fn pull_arg(form: &Form) -> Result<PullArg> {
    if let Some(name) = plain_name(form) {
        return Ok(PullArg::Input(name.clone()));
    }
    if variable(form).is_some() || source(form).is_some() {
        return Err(invalid(form, format!("{} does not name a pull pattern", show(form)))
            .hint("name the pattern without mark, in :in too: (pull ?e pattern) … :in $ pattern"));
    }
    let pattern = match form.as_atom() {
        // Places inside of the string mean nothing in the query's text.
        Some(Edn::String(text)) => read_one(text)
            .and_then(|inner| pull::pattern(&inner))
            .map_err(|error| Error { span: form.span, ..error })?,
        _ => pull::pattern(form)?,
    };
    Ok(PullArg::Pattern(pattern))
}
