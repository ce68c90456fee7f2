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

/// What was strict when it was looked at, each with the newest transaction then.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ahead(Vec<(Wish, T)>);

/// What data wants of the schema.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Wish {
    /// No two entities share a value of an attribute.
    Unique(AttrId),
    /// No entity has several values.
    Single(AttrId),
    /// No two entities have the same values of all these attributes, members of a composite to come.
    Composed(Box<[AttrId]>),
}

impl Ahead {
    /// Looks at everything that the data names and wants to be stricter.
    pub(crate) fn look(basis: &Basis, data: &Form) -> Result<Ahead> {
        let FormKind::Vector(forms) = &data.kind else { return Ok(Ahead::default()) };
        let mut wishes: Vec<Wish> = forms.iter().flat_map(|form| wishes(basis, form)).collect();
        wishes.sort_unstable();
        wishes.dedup();
        let mut granted = Vec::new();
        for wish in wishes {
            if wish.is_granted(basis)? {
                granted.push((wish, basis.t));
            }
        }
        Ok(Ahead(granted))
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The same, found out in the state after another transaction.
    #[cfg(test)]
    pub(super) fn moved_to(mut self, t: T) -> Ahead {
        self.0.iter_mut().for_each(|(_, at)| *at = t);
        self
    }

    /// The transaction up to which the values of an attribute are known to be distinct.
    pub(super) fn distinct(&self, attr: &Attr) -> Option<T> {
        self.until(&Wish::Unique(attr.id()))
    }

    /// The transaction up to which entities are known to have one value of an attribute.
    pub(super) fn single(&self, attr: &Attr) -> Option<T> {
        self.until(&Wish::Single(attr.id()))
    }

    /// The transaction up to which no two entities had the same members of a composite.
    pub(super) fn composed(&self, attr: &Attr) -> Option<T> {
        match &attr.tuple {
            Tuple::Composite(members) => self.until(&Wish::Composed(members.to_vec().into())),
            _ => None,
        }
    }

    fn until(&self, wish: &Wish) -> Option<T> {
        self.0.iter().find(|(known, _)| known == wish).map(|(_, t)| *t)
    }
}

impl Wish {
    /// True if nothing stored stands in its way; false if it is granted already, or cannot be told yet.
    fn is_granted(&self, basis: &Basis) -> Result<bool> {
        let attr = |id: &AttrId| basis.schema.attr(*id).filter(|attr| !attr.filling);
        match self {
            Wish::Unique(id) => match attr(id).filter(|attr| attr.unique().is_none()) {
                Some(attr) => Ok(repeats::shared(basis, attr, None)?.is_empty()),
                None => Ok(false),
            },
            Wish::Single(id) => match attr(id).filter(|attr| attr.is_many()) {
                Some(attr) => Ok(repeats::several(basis, attr, None)?.is_empty()),
                None => Ok(false),
            },
            Wish::Composed(members) => fill::are_distinct(basis, members),
        }
    }
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
