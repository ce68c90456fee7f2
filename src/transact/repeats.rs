//! What stands in the way of a stricter attribute: entities with several values, values with several entities.
//!
//! Both are found in one pass along an index, where what repeats stands side by side; nothing is sorted but values too
//! long for the index by value. Where no facts stood in the way in an earlier state, only those asserted since are looked
//! at ([`super::ahead`]): a fact that was there can repeat only another that came after it.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use annals_query::edn::Edn;
use annals_storage::datom::{AVET_MAX_BYTES, AttrId, EntityId, Order, Pattern, T, Tag, Value, ValueRef};
use annals_storage::snapshot::View;

use super::problem;
use crate::basis::{Basis, with_ref};
use crate::error::Result;
use crate::schema::Attr;

/// The most offending facts that are listed.
pub(super) const LISTED: usize = 20;

/// Facts of entities that have several values of an attribute; none had up to `known`.
pub(super) fn several(basis: &Basis, attr: &Attr, known: Option<T>) -> Result<Vec<Edn>> {
    let entities = match known {
        Some(t) => doubled_since(basis, attr, t)?,
        None => doubled(basis, attr)?,
    };
    let mut told = Vec::new();
    for e in entities {
        let values = basis.values(e, attr.id())?;
        told.extend(values.iter().map(|(v, _)| problem::datom(&basis.schema, e, attr.id(), v, true)));
    }
    told.truncate(LISTED);
    Ok(told)
}

/// Entities with several values.
fn doubled(basis: &Basis, attr: &Attr) -> Result<Vec<EntityId>> {
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
    Ok(entities)
}

/// Entities with several values, one of them asserted after `t`.
fn doubled_since(basis: &Basis, attr: &Attr, t: T) -> Result<Vec<EntityId>> {
    let mut entities = BTreeSet::new();
    for (e, _) in asserted_since(basis, attr, t)? {
        if entities.len() < LISTED && basis.values(e, attr.id())?.len() > 1 {
            entities.insert(e);
        }
    }
    Ok(entities.into_iter().collect())
}

/// What holds of an attribute and was asserted after `t`.
fn asserted_since(basis: &Basis, attr: &Attr, t: T) -> Result<Vec<(EntityId, Value)>> {
    let (since, mut facts) = (View { since: Some(t), ..View::default() }, Vec::new());
    basis.each_in(&since, &Pattern::attribute(attr.id()), &mut |e, _, v, _| {
        facts.push((e, v.to_value()));
        ControlFlow::Continue(())
    })?;
    Ok(facts)
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

/// Facts of entities that share a value of an attribute; none did up to `known`.
pub(super) fn shared(basis: &Basis, attr: &Attr, known: Option<T>) -> Result<Vec<Edn>> {
    let (values, has_long) = match known {
        Some(t) => met_since(basis, attr, t)?,
        None => (met_twice(basis, attr)?, true),
    };
    let mut told = Vec::new();
    for v in &values {
        let holders = holders(basis, attr.id(), v)?;
        if holders.len() > 1 {
            told.extend(holders.into_iter().map(|e| problem::datom(&basis.schema, e, attr.id(), v, true)));
        }
    }
    if has_long {
        told.extend(shared_long(basis, attr)?);
    }
    told.truncate(LISTED);
    Ok(told)
}

/// Values that stand twice in the index by value.
fn met_twice(basis: &Basis, attr: &Attr) -> Result<Vec<Value>> {
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
    Ok(values)
}

/// Values that were asserted after `t`, and whether some are too long for the index by value, which are not among them.
fn met_since(basis: &Basis, attr: &Attr, t: T) -> Result<(Vec<Value>, bool)> {
    let facts = asserted_since(basis, attr, t)?;
    let mut values: Vec<Value> = facts.into_iter().map(|(_, v)| v).collect();
    let met = values.len();
    values.retain(|v| !with_ref(v, is_long));
    let has_long = values.len() < met;
    values.sort();
    values.dedup();
    Ok((values, has_long))
}

/// True of values that the index by value does not hold.
fn is_long(v: ValueRef<'_>) -> bool {
    matches!(v, ValueRef::Variable(_, code) if code.len() > AVET_MAX_BYTES)
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
        ValueRef::Variable(..) if is_long(v) => {
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
