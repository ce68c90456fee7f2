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

use super::{fill, repeats};
use crate::basis::Basis;
use crate::error::Result;
use crate::names;
use crate::schema::{Attr, Tuple};

/// Attributes that were strict when they were looked at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ahead {
    /// No two entities shared a value in the state after this transaction.
    distinct: Vec<(AttrId, T)>,
    /// No entity had several values.
    single: Vec<(AttrId, T)>,
    /// No two entities had the same values of all these attributes, members of a composite to come.
    composed: Vec<(Box<[AttrId]>, T)>,
}

/// What data wants of the schema.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Wish {
    Unique(AttrId),
    Single(AttrId),
    Composed(Box<[AttrId]>),
}

impl Ahead {
    /// Looks at everything that the data names and wants to be stricter.
    pub(crate) fn look(basis: &Basis, data: &Form) -> Result<Ahead> {
        let mut ahead = Ahead::default();
        let FormKind::Vector(forms) = &data.kind else { return Ok(ahead) };
        let mut wishes: Vec<Wish> = forms.iter().flat_map(|form| wishes(basis, form)).collect();
        wishes.sort_unstable();
        wishes.dedup();
        let attr = |id| basis.schema.attr(id).filter(|attr| !attr.filling);
        for wish in wishes {
            match wish {
                Wish::Unique(id) => match attr(id).filter(|attr| attr.unique().is_none()) {
                    Some(attr) if repeats::shared(basis, attr, None)?.is_empty() => {
                        ahead.distinct.push((id, basis.t));
                    }
                    _ => {}
                },
                Wish::Single(id) => match attr(id).filter(|attr| attr.is_many()) {
                    Some(attr) if repeats::several(basis, attr, None)?.is_empty() => {
                        ahead.single.push((id, basis.t));
                    }
                    _ => {}
                },
                Wish::Composed(members) => {
                    if fill::are_distinct(basis, &members)? {
                        ahead.composed.push((members, basis.t));
                    }
                }
            }
        }
        Ok(ahead)
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.distinct.is_empty() && self.single.is_empty() && self.composed.is_empty()
    }

    /// The same, found out in the state after another transaction.
    #[cfg(test)]
    pub(super) fn moved_to(mut self, t: T) -> Ahead {
        self.distinct.iter_mut().chain(&mut self.single).for_each(|(_, at)| *at = t);
        self.composed.iter_mut().for_each(|(_, at)| *at = t);
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

    /// The transaction up to which no two entities had the same members of a composite.
    pub(super) fn composed(&self, attr: &Attr) -> Option<T> {
        let Tuple::Composite(members) = &attr.tuple else { return None };
        self.composed.iter().find(|(known, _)| known[..] == members[..]).map(|(_, t)| *t)
    }
}

fn known(list: &[(AttrId, T)], attr: &Attr) -> Option<T> {
    list.iter().find(|(id, _)| *id == attr.id()).map(|(_, t)| *t)
}

/// What one form wants. A name that is wrong is told of in the transaction's turn.
fn wishes(basis: &Basis, form: &Form) -> Vec<Wish> {
    let attribute = |name: &Form| {
        let e = names::entity(&basis.schema, name, &|a, v| basis.holder(a, v)).ok()??;
        AttrId::of_entity(e).filter(|id| basis.schema.attr(*id).is_some())
    };
    match &form.kind {
        FormKind::Map(pairs) => {
            let of = |ident: &str| pairs.iter().find(|(key, _)| is(key, ident)).map(|(_, v)| v);
            if let (Some(members), true) =
                (of("db/tupleAttrs").and_then(Form::as_seq), of("db/unique").is_some())
            {
                let found: Option<Box<[AttrId]>> = members.iter().map(attribute).collect();
                return found.into_iter().map(Wish::Composed).collect();
            }
            let mut wishes: Vec<Wish> = Vec::new();
            if pairs.iter().any(|(key, _)| is_strict(key))
                && let Some(id) = of("db/id").or(of("db/ident")).and_then(attribute)
            {
                wishes.extend(pairs.iter().filter_map(|(key, _)| wish(key, id)));
            }
            wishes
        }
        FormKind::Vector(parts) | FormKind::List(parts) => match parts.as_slice() {
            [add, name, a, _] if is(add, "db/add") && is_strict(a) => {
                attribute(name).and_then(|id| wish(a, id)).into_iter().collect()
            }
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

/// True of properties that make an attribute stricter.
fn is_strict(key: &Form) -> bool {
    is(key, "db/unique") || is(key, "db/cardinality")
}

fn wish(key: &Form, id: AttrId) -> Option<Wish> {
    if is(key, "db/unique") {
        Some(Wish::Unique(id))
    } else {
        is(key, "db/cardinality").then_some(Wish::Single(id))
    }
}

fn is(form: &Form, ident: &str) -> bool {
    matches!(&form.kind, FormKind::Atom(Edn::Keyword(keyword)) if keyword.as_str() == ident)
}
