//! Inputs, and the forms that take a value apart: `?a`, `[?a ?b]`, `[?a ...]`, `[[?a ?b]]`, `_`.

use std::collections::HashSet;

use super::{invalid, is_symbol, plain_name, show, source, symbol, variable};
use crate::ast::{Binding, Input};
use crate::edn::{Form, FormKind};
use crate::error::Result;

/// What `:in` names.
pub(super) fn inputs(forms: &[Form]) -> Result<Vec<Input>> {
    let mut inputs = Vec::with_capacity(forms.len());
    let mut seen = HashSet::new();
    for form in forms {
        let input = input(form)?;
        // What is no binding is a symbol.
        if !matches!(input, Input::Binding(_)) && !seen.insert(symbol(form)) {
            return Err(invalid(form, format!("{} stands twice in :in", show(form))));
        }
        inputs.push(input);
    }
    Ok(inputs)
}

fn input(form: &Form) -> Result<Input> {
    if let Some(source) = source(form) {
        Ok(Input::Source(source))
    } else if is_symbol(form, "%") {
        Ok(Input::Rules)
    } else if let Some(name) = plain_name(form) {
        Ok(Input::Pattern(name.clone()))
    } else {
        binding(form).map(Input::Binding)
    }
}

/// How a value is bound.
pub(super) fn binding(form: &Form) -> Result<Binding> {
    if let Some(var) = variable(form) {
        return Ok(Binding::Var(var));
    }
    if is_symbol(form, "_") {
        return Ok(Binding::Ignore);
    }
    let FormKind::Vector(parts) = &form.kind else { return Err(not_a_binding(form)) };
    match parts.as_slice() {
        [] => Err(not_a_binding(form)),
        [one, dots] if is_symbol(dots, "...") => Ok(Binding::Collection(Box::new(binding(one)?))),
        [one @ Form { kind: FormKind::Vector(_), .. }] => Ok(Binding::Collection(Box::new(binding(one)?))),
        parts => Ok(Binding::Tuple(parts.iter().map(binding).collect::<Result<_>>()?)),
    }
}

fn not_a_binding(form: &Form) -> crate::Error {
    crate::Error::incorrect("db.error/not-a-binding-form", format!("{} binds nothing", show(form)))
        .hint("a value is bound by ?a, [?a ?b], [?a ...], [[?a ?b]] or _")
        .at(form.span)
}
