//! The sections that choose and order rows: `:having`, `:order-by`, `:limit`, `:offset`, `:after`; and `:timeout` and
//! `:verify`, which read like them.
//!
//! Each may stand as it is or in a vector, so that the map form and the vector form read alike. Whether a key is an
//! element of `:find`, and a variable an input, is `check`'s part.

use super::expression::{expression, given};
use super::query::Section;
use super::{invalid, is_symbol, show};
use crate::ast::{Arg, Expr, Given, OrderKey, Page};
use crate::edn::{Edn, Form, FormKind};
use crate::error::{Error, Result};

pub(super) fn page(sections: &[Section<'_>]) -> Result<Page> {
    let section = |name: &str| sections.iter().find(|section| section.name == name);
    Ok(Page {
        order_by: section("order-by").map_or(Ok(Vec::new()), order_by)?,
        limit: section("limit").map(count).transpose()?,
        offset: section("offset").map(count).transpose()?,
        after: section("after").map(cursor).transpose()?.flatten(),
    })
}

/// `[(> (count ?e) 3)]`, one call or several in a vector, or calls one after the other.
pub(super) fn having(section: &Section<'_>) -> Result<Vec<Expr>> {
    let calls = section.forms.iter().flat_map(|form| match &form.kind {
        FormKind::Vector(calls) => calls.as_slice(),
        _ => std::slice::from_ref(form),
    });
    let having: Vec<Expr> = calls.map(predicate).collect::<Result<_>>()?;
    if having.is_empty() {
        return Err(invalid(section.key, ":having says nothing").hint("as in :having [(> (count ?e) 3)]"));
    }
    Ok(having)
}

fn predicate(form: &Form) -> Result<Expr> {
    match expression(form)? {
        call @ Expr::Call { .. } => Ok(call),
        _ => Err(invalid(form, format!("{} in :having is not a predicate", show(form)))
            .hint("as in :having [(> (count ?e) 3)]")),
    }
}

fn order_by(section: &Section<'_>) -> Result<Vec<OrderKey>> {
    let keys = match section.forms {
        [] => {
            return Err(
                invalid(section.key, ":order-by names nothing").hint("as in :order-by [?a (desc ?b)]")
            );
        }
        // In the map form the vector of `[?a :desc]` is the section itself.
        [by, direction] if is_keyword(direction) => return Ok(vec![directed(by, direction)?]),
        [Form { kind: FormKind::Vector(keys), .. }] if !is_pair(keys) => keys.as_slice(),
        keys => keys,
    };
    keys.iter().map(order_key).collect()
}

fn is_keyword(form: &Form) -> bool {
    matches!(form.as_atom(), Some(Edn::Keyword(_)))
}

fn is_pair(forms: &[Form]) -> bool {
    forms.len() == 2 && is_keyword(&forms[1])
}

fn order_key(form: &Form) -> Result<OrderKey> {
    match &form.kind {
        FormKind::Vector(pair) if is_pair(pair) => {
            Ok(OrderKey { span: form.span, ..directed(&pair[0], &pair[1])? })
        }
        FormKind::List(parts) => match parts.as_slice() {
            [head, by] if is_symbol(head, "desc") || is_symbol(head, "asc") => {
                Ok(OrderKey { by: key(by)?, descending: is_symbol(head, "desc"), span: form.span })
            }
            _ => Ok(OrderKey { by: key(form)?, descending: false, span: form.span }),
        },
        _ => Ok(OrderKey { by: key(form)?, descending: false, span: form.span }),
    }
}

fn directed(by: &Form, direction: &Form) -> Result<OrderKey> {
    let descending = match direction.as_atom() {
        Some(Edn::Keyword(name)) if name.as_str() == "desc" => true,
        Some(Edn::Keyword(name)) if name.as_str() == "asc" => false,
        _ => {
            return Err(invalid(direction, format!("{} is no direction", show(direction)))
                .hint("the directions are :asc and :desc"));
        }
    };
    Ok(OrderKey { by: key(by)?, descending, span: by.span })
}

fn key(form: &Form) -> Result<Expr> {
    match expression(form) {
        Ok(Expr::Const(_)) => {
            let error = invalid(form, format!("rows cannot be ordered by {}", show(form)));
            Err(match form.as_atom() {
                Some(Edn::Int(_)) => error.hint("columns have no numbers here: write the element of :find"),
                _ => error.hint("as in :order-by [?a (desc ?b)]"),
            })
        }
        other => other,
    }
}

/// The one form of a section.
fn single<'f>(section: &Section<'f>, needs: &str) -> Result<&'f Form> {
    match section.forms {
        [one] => Ok(one),
        _ => Err(refused(section.key, section, needs)),
    }
}

fn refused(form: &Form, section: &Section<'_>, needs: &str) -> Error {
    let message = match section.forms {
        [one] => format!(":{} is {needs}, not {}", section.name, show(one)),
        forms => format!(":{} is {needs}, not {} forms", section.name, forms.len()),
    };
    invalid(form, message)
}

/// `:verify`
pub(super) fn flag(section: &Section<'_>) -> Result<bool> {
    const NEEDS: &str = "true or false";
    let form = single(section, NEEDS)?;
    match form.as_atom() {
        Some(Edn::Bool(flag)) => Ok(*flag),
        _ => Err(refused(form, section, NEEDS)),
    }
}

/// `:limit`, `:offset`, `:timeout`
pub(super) fn count(section: &Section<'_>) -> Result<Given> {
    const NEEDS: &str = "a whole number from 0, or the variable of an input";
    let form = single(section, NEEDS)?;
    match given(form) {
        Some(arg) if matches!(arg, Arg::Var(_) | Arg::Const(Edn::Int(0..))) => {
            Ok(Given { arg, span: form.span })
        }
        _ => Err(refused(form, section, NEEDS)),
    }
}

/// `:after`; nil stands before the first row.
fn cursor(section: &Section<'_>) -> Result<Option<Given>> {
    const NEEDS: &str = "the text of a cursor, or the variable of an input";
    let form = single(section, NEEDS)?;
    match given(form) {
        Some(Arg::Const(Edn::Nil)) => Ok(None),
        Some(arg) if matches!(arg, Arg::Var(_) | Arg::Const(Edn::String(_))) => {
            Ok(Some(Given { arg, span: form.span }))
        }
        _ => Err(refused(form, section, NEEDS)),
    }
}
