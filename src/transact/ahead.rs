//! What is looked at before a transaction's turn comes, by the thread of whoever submits it.
//!
//! An attribute may become strict, unique or of one value, if nothing stored stands in the way. That takes a pass over
//! all its facts, and the writer would serve nobody meanwhile. So the pass is made here, over the newest durable state,
//! and the writer looks only at what was asserted after it ([`super::repeats`]).
//!
//! It is an aid and decides nothing: an attribute that is not found in the data (a tempid, a function's work) is judged
//! in the transaction's turn as a whole, and so is one that is not strict yet, for transactions before may mend it.

use annals_query::edn::{Edn, Form, FormKind};
use annals_storage::datom::{AttrId, T};

use super::repeats;
use crate::basis::Basis;
use crate::error::Result;
use crate::names;
use crate::schema::{Attr, bootstrap as at};

/// Attributes that were strict when they were looked at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ahead {
    /// No two entities shared a value in the state after this transaction.
    distinct: Vec<(AttrId, T)>,
    /// No entity had several values.
    single: Vec<(AttrId, T)>,
}

impl Ahead {
    /// Looks at every attribute that the data names and wants to be stricter.
    pub(crate) fn look(basis: &Basis, data: &Form) -> Result<Ahead> {
        let mut ahead = Ahead::default();
        let FormKind::Vector(forms) = &data.kind else { return Ok(ahead) };
        let mut wanted: Vec<(AttrId, AttrId)> =
            forms.iter().filter_map(|form| wished(basis, form)).flatten().collect();
        wanted.sort_unstable();
        wanted.dedup();
        for (id, property) in wanted {
            let Some(attr) = basis.schema.attr(id).filter(|attr| !attr.filling) else { continue };
            if property == at::UNIQUE && attr.unique().is_none() {
                if repeats::shared(basis, attr, None)?.is_empty() {
                    ahead.distinct.push((id, basis.t));
                }
            } else if property == at::CARDINALITY
                && attr.is_many()
                && repeats::several(basis, attr, None)?.is_empty()
            {
                ahead.single.push((id, basis.t));
            }
        }
        Ok(ahead)
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.distinct.is_empty() && self.single.is_empty()
    }

    /// The same, found out in the state after another transaction.
    #[cfg(test)]
    pub(super) fn moved_to(mut self, t: T) -> Ahead {
        self.distinct.iter_mut().chain(&mut self.single).for_each(|(_, at)| *at = t);
        self
    }

    /// The transaction up to which the values of an attribute are known to be distinct.
    pub(super) fn distinct(&self, attr: &Attr) -> Option<T> {
        known(&self.distinct, attr)
    }

    /// The transaction up to which entities are known to have one value of an attribute.
    pub(super) fn single(&self, attr: &Attr) -> Option<T> {
        known(&self.single, attr)
    }
}

fn known(list: &[(AttrId, T)], attr: &Attr) -> Option<T> {
    list.iter().find(|(id, _)| *id == attr.id()).map(|(_, t)| *t)
}

/// The entity that a form is about, with each property of attributes that it gives a value and that may make it stricter.
fn wished(basis: &Basis, form: &Form) -> Option<Vec<(AttrId, AttrId)>> {
    let (name, properties): (&Form, Vec<AttrId>) = match &form.kind {
        FormKind::Map(pairs) => {
            let of = |ident: &str| pairs.iter().find(|(key, _)| is(key, ident)).map(|(_, v)| v);
            (of("db/id").or(of("db/ident"))?, pairs.iter().filter_map(|(key, _)| property(key)).collect())
        }
        FormKind::Vector(parts) | FormKind::List(parts) => match parts.as_slice() {
            [add, name, a, _] if is(add, "db/add") => (name, property(a).into_iter().collect()),
            _ => return None,
        },
        _ => return None,
    };
    if properties.is_empty() {
        return None;
    }
    // A name that is wrong is told of in the transaction's turn.
    let e = names::entity(&basis.schema, name, &|a, v| basis.holder(a, v)).ok()??;
    let id = AttrId::of_entity(e)?;
    Some(properties.into_iter().map(|property| (id, property)).collect())
}

fn property(key: &Form) -> Option<AttrId> {
    if is(key, "db/unique") { Some(at::UNIQUE) } else { is(key, "db/cardinality").then_some(at::CARDINALITY) }
}

fn is(form: &Form, ident: &str) -> bool {
    matches!(&form.kind, FormKind::Atom(Edn::Keyword(keyword)) if keyword.as_str() == ident)
}
