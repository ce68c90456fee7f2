//! What stands in the way of a stricter attribute: entities with several values, values with several entities.
//!
//! Both are found in one pass along an index, where what repeats stands side by side; nothing is sorted but values too
//! long for the index by value. So strictness is judged at once, in the transaction that asks for it.

use std::ops::ControlFlow;

use annals_query::edn::Edn;
use annals_storage::datom::{AVET_MAX_BYTES, AttrId, EntityId, Order, Pattern, Tag, Value, ValueRef};
use annals_storage::snapshot::View;

use super::problem;
use crate::basis::{Basis, with_ref};
use crate::error::Result;
use crate::schema::Attr;

/// The most offending facts that are listed.
pub(super) const LISTED: usize = 20;

/// Facts of entities that have several values of an attribute.
pub(super) fn several(basis: &Basis, attr: &Attr) -> Result<Vec<Edn>> {
    let (mut last, mut entities) = (None, Vec::new());
    let pattern = Pattern::attribute(attr.id());
    basis.snapshot.scan_ordered(&View::default(), Order::Aevt, &pattern, &mut |batch| {
        for row in 0..batch.len {
            let e = EntityId(batch.e.get(row));
            if last == Some(e) && entities.last() != Some(&e) {
                entities.push(e);
            }
            last = Some(e);
        }
        if entities.len() < LISTED { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    let mut told = Vec::new();
    for e in entities {
        let values = basis.values(e, attr.id())?;
        told.extend(values.iter().map(|(v, _)| problem::datom(&basis.schema, e, attr.id(), v, true)));
    }
    told.truncate(LISTED);
    Ok(told)
}

/// A value that was met last.
#[derive(Default)]
struct Last {
    tag: Option<Tag>,
    word: i64,
    code: Vec<u8>,
}

impl Last {
    /// Keeps the value; true if it was the one kept before.
    fn meet(&mut self, v: ValueRef<'_>) -> bool {
        let known = self.tag == Some(v.tag());
        self.tag = Some(v.tag());
        match v {
            ValueRef::Fixed(_, word) => std::mem::replace(&mut self.word, word) == word && known,
            ValueRef::Variable(_, code) => {
                let same = known && self.code == code;
                if !same {
                    self.code.clear();
                    self.code.extend_from_slice(code);
                }
                same
            }
        }
    }
}

/// Facts of entities that share a value of an attribute.
pub(super) fn shared(basis: &Basis, attr: &Attr) -> Result<Vec<Edn>> {
    let (mut last, mut values) = (Last::default(), Vec::<Value>::new());
    let pattern = Pattern::attribute(attr.id());
    basis.snapshot.scan_ordered(&View::default(), Order::Avet, &pattern, &mut |batch| {
        for row in 0..batch.len {
            let v = batch.v.get(row);
            if last.meet(v) {
                let v = v.to_value();
                if values.last() != Some(&v) {
                    values.push(v);
                }
            }
        }
        if values.len() < LISTED { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    let mut told = Vec::new();
    for v in &values {
        for e in holders(basis, attr.id(), v)? {
            told.push(problem::datom(&basis.schema, e, attr.id(), v, true));
        }
    }
    told.extend(shared_long(basis, attr)?);
    told.truncate(LISTED);
    Ok(told)
}

fn holders(basis: &Basis, a: AttrId, v: &Value) -> Result<Vec<EntityId>> {
    let mut found = Vec::new();
    with_ref(v, |v| {
        basis.each_in(&View::default(), &Pattern::value(a, v), &mut |e, _, _, _| {
            found.push(e);
            if found.len() < LISTED { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })
    })?;
    Ok(found)
}

/// The same of values that are too long for the index by value.
fn shared_long(basis: &Basis, attr: &Attr) -> Result<Vec<Edn>> {
    let mut long: Vec<(Value, EntityId)> = Vec::new();
    basis.each_in(&View::default(), &Pattern::attribute(attr.id()), &mut |e, _, v, _| match v {
        ValueRef::Variable(_, code) if code.len() > AVET_MAX_BYTES => {
            long.push((v.to_value(), e));
            ControlFlow::Continue(())
        }
        ValueRef::Variable(..) => ControlFlow::Continue(()),
        // All values of an attribute have one type.
        ValueRef::Fixed(..) => ControlFlow::Break(()),
    })?;
    Ok(repeated(basis, attr, long))
}

/// Facts of the entities that share a value, of these.
pub(super) fn repeated(basis: &Basis, attr: &Attr, mut values: Vec<(Value, EntityId)>) -> Vec<Edn> {
    values.sort();
    let groups = values.chunk_by(|x, y| x.0 == y.0).filter(|group| group.len() > 1).flatten();
    let told = |(v, e): &(Value, EntityId)| problem::datom(&basis.schema, *e, attr.id(), v, true);
    groups.take(LISTED).map(told).collect()
}
