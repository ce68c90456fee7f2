//! Tuples for entities that are older than their composite.
//!
//! A composite over attributes that have values already is installed with `:db.attr/filling true`. From then on the
//! database itself transacts the missing tuples, some entities at a time and between the transactions of others, and
//! retracts the mark with the last of them. Meanwhile who is looked up by a tuple is found by its members, so that
//! uniqueness holds from the first moment.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use annals_query::edn::Edn;
use annals_storage::datom::{AttrId, EntityId, Keyword, Order, Pattern, T, Value};
use annals_storage::log::{LogDatom, Op};
use annals_storage::snapshot::View;

use super::ahead::Ahead;
use super::{Outcome, compose, repeats, report};
use crate::basis::Basis;
use crate::error::Result;
use crate::schema::{Attr, Tuple, bootstrap as at};

/// For how many entities tuples are made in one transaction.
const CHUNK: usize = 1000;

/// Marks every composite that the transaction installs over attributes with values, its own included.
pub(super) fn announce(before: &Basis, net: &mut Vec<LogDatom>) -> Result<()> {
    let mut marks = Vec::new();
    for datom in net.iter().filter(|datom| datom.a == at::TUPLE_ATTRS && datom.op == Op::Assert) {
        let Value::Tuple(slots) = &datom.v else { continue };
        let mut has_values = false;
        for slot in slots.iter().flatten() {
            has_values |= match slot {
                Value::Keyword(name) => has_any(before, net, name)?,
                _ => false,
            };
        }
        if has_values {
            marks.push(LogDatom { e: datom.e, a: at::FILLING, v: Value::Boolean(true), op: Op::Assert });
        }
    }
    if !marks.is_empty() {
        net.append(&mut marks);
        net.sort_by_key(|datom| (datom.e, datom.a));
    }
    Ok(())
}

fn has_any(before: &Basis, net: &[LogDatom], name: &Keyword) -> Result<bool> {
    let Some(attr) = before.schema.attr_named(name) else { return Ok(false) };
    let mut found = net.iter().any(|datom| datom.a == attr.id() && datom.op == Op::Assert);
    if found {
        return Ok(true);
    }
    before.each_in(&View::default(), &Pattern::attribute(attr.id()), &mut |_, _, _, _| {
        found = true;
        ControlFlow::Break(())
    })?;
    Ok(found)
}

/// The transaction that makes tuples of a composite for the next entities, from this one on; `None` if it is not to be
/// filled any more.
pub(crate) fn chunk(
    before: &Arc<Basis>,
    composite: AttrId,
    from: EntityId,
    now: i64,
) -> Result<Option<Outcome>> {
    let Some(attr) = before.schema.attr(composite).filter(|attr| attr.filling) else { return Ok(None) };
    let mut from = Some(from);
    let mut net = Vec::new();
    while let Some(first) = from
        && net.is_empty()
    {
        let (entities, next) = entities(before, attr, first)?;
        compose::compose(before, entities.into_iter().map(|e| (e, composite)).collect(), &mut net)?;
        from = next;
    }
    if from.is_none() {
        let (e, a, v) = (composite.entity(), at::FILLING, Value::Boolean(true));
        let asserted = before.value(e, a)?.map_or(0, |(_, t)| t);
        net.push(LogDatom { e, a, v, op: Op::Retract { from: asserted, forget: false } });
    }
    let instant = now.max(before.instant);
    let tx = EntityId::of_t(before.t + 1);
    net.push(LogDatom { e: tx, a: at::TX_INSTANT, v: Value::Instant(instant), op: Op::Assert });
    report::outcome(before, net, instant, before.next.clone(), BTreeMap::new(), &Ahead::default()).map(Some)
}

/// Where a chunk ended: the entity after the last for which it made a tuple.
pub(crate) fn after(outcome: &[LogDatom], composite: AttrId) -> Option<EntityId> {
    let made = outcome.iter().filter(|datom| datom.a == composite);
    made.map(|datom| EntityId(datom.e.0 + 1)).max()
}

/// The next entities that have a member, and where to go on; none if these are the last.
fn entities(before: &Basis, composite: &Attr, from: EntityId) -> Result<(Vec<EntityId>, Option<EntityId>)> {
    let Tuple::Composite(members) = &composite.tuple else { return Ok((Vec::new(), None)) };
    let mut found: Vec<EntityId> = Vec::new();
    for member in members.iter() {
        let (start, mut count) = (found.len(), 0);
        let pattern = Pattern { e: Some(from), a: Some(*member), ..Pattern::default() };
        before.snapshot.scan_from(&View::default(), Order::Aevt, &pattern, &mut |batch| {
            for row in 0..batch.len {
                if AttrId(batch.a.get(row)) != *member || count > CHUNK {
                    return ControlFlow::Break(());
                }
                found.push(EntityId(batch.e.get(row)));
                count += 1;
            }
            ControlFlow::Continue(())
        })?;
        found[start..].sort_unstable();
    }
    found.sort_unstable();
    found.dedup();
    let next = found.get(CHUNK).copied();
    found.truncate(CHUNK);
    Ok((found, next))
}

/// Facts of entities whose members make the same tuple; none did up to `known`.
pub(super) fn shared(basis: &Basis, composite: &Attr, known: Option<T>) -> Result<Vec<Edn>> {
    let Tuple::Composite(members) = &composite.tuple else { return Ok(Vec::new()) };
    let tuples = match known {
        Some(t) => tuples_since(basis, members, t)?,
        None => tuples(basis, members)?,
    };
    Ok(repeats::repeated(basis, composite, tuples))
}

/// True if no two entities have the same members.
pub(super) fn are_distinct(basis: &Basis, members: &[AttrId]) -> Result<bool> {
    let mut tuples = tuples(basis, members)?;
    tuples.sort();
    Ok(tuples.windows(2).all(|two| two[0].0 != two[1].0))
}

/// The tuple of every entity that has a member.
fn tuples(basis: &Basis, members: &[AttrId]) -> Result<Vec<(Value, EntityId)>> {
    let mut slots: BTreeMap<EntityId, Vec<Option<Value>>> = BTreeMap::new();
    for (at, member) in members.iter().enumerate() {
        basis.each_in(&View::default(), &Pattern::attribute(*member), &mut |e, _, v, _| {
            slots.entry(e).or_insert_with(|| vec![None; members.len()])[at] = Some(v.to_value());
            ControlFlow::Continue(())
        })?;
    }
    Ok(slots.into_iter().map(|(e, slots)| (Value::Tuple(slots.into()), e)).collect())
}

/// The tuple of every entity whose members changed after `t`, and of those that have the same.
fn tuples_since(basis: &Basis, members: &[AttrId], t: T) -> Result<Vec<(Value, EntityId)>> {
    let mut changed = BTreeSet::new();
    // A member that is gone leaves a tuple that another may have.
    let view = View { since: Some(t), history: true, ..View::default() };
    for member in members {
        basis.each_in(&view, &Pattern::attribute(*member), &mut |e, _, _, _| {
            changed.insert(e);
            ControlFlow::Continue(())
        })?;
    }
    let mut tuples = BTreeSet::new();
    for e in changed {
        let slots = basis.members_of(e, members)?;
        for e in basis.with_members(members, &slots)? {
            tuples.insert((Value::Tuple(slots.clone().into()), e));
        }
    }
    Ok(tuples.into_iter().collect())
}
