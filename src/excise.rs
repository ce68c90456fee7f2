//! What transactions want removed for ever.
//!
//! A request is facts of an entity made by one transaction: `:db/excise` with its target, perhaps `:db.excise/attrs`, and
//! at most one of `:db.excise/before` and `:db.excise/beforeT`. Nothing but these facts says so: whoever opens a database
//! finds the requests that no root has carried out, and the next job does. What is meant is settled by the moment of the
//! request: its target's components are those of the state before it, and only older facts go.
//!
//! What a database cannot do without stays: facts of the schema partition, instants of transactions, and requests.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use annals_storage::datom::{AttrId, EntityId, Partition, Pattern, T, Value};
use annals_storage::log::{LoggedTx, Op};
use annals_storage::root::Excision;
use annals_storage::snapshot::View;

use crate::basis::Basis;
use crate::error::Result;
use crate::schema::{Attr, Schema, bootstrap as at};

/// True if the transaction wants something removed.
pub(crate) fn is_request(tx: &LoggedTx) -> bool {
    tx.datoms.iter().any(|datom| datom.a == at::EXCISE && datom.op == Op::Assert)
}

/// The first transaction above what is at rest that wants something removed.
pub(crate) fn first_request(basis: &Basis) -> Result<Option<T>> {
    let targets = targets(basis, basis.snapshot.rest().basis())?;
    Ok(targets.into_iter().map(|(t, ..)| t).min())
}

/// What transactions after `after` want removed, oldest first; requests that can have no effect are left out.
pub(crate) fn requests(basis: &Basis, after: Option<T>) -> Result<Vec<Excision>> {
    let mut found = Vec::new();
    for (t, record, target) in targets(basis, after)? {
        found.extend(Request::read(basis, t, record, target)?.excision(basis)?);
    }
    found.sort_by_key(|excision| excision.t);
    Ok(found)
}

/// Requests: the transaction, the entity that makes it, and its target.
fn targets(basis: &Basis, after: Option<T>) -> Result<Vec<(T, EntityId, EntityId)>> {
    let view = View { since: after, history: true, as_of: None };
    let pattern = Pattern { a: Some(at::EXCISE), added: Some(true), ..Pattern::default() };
    let mut found = Vec::new();
    basis.each_in(&view, &pattern, &mut |record, _, v, t| {
        if let Value::Ref(target) = v.to_value() {
            found.push((t, record, target));
        }
        ControlFlow::Continue(())
    })?;
    // A fork without trees of its own has taken over what was removed before.
    let done = basis.snapshot.rest().excisions();
    found.retain(|(t, ..)| done.iter().all(|excision| excision.t != *t));
    found.sort_unstable();
    Ok(found)
}

/// A request as its facts say it.
struct Request {
    t: T,
    target: EntityId,
    attributes: BTreeSet<AttrId>,
    /// Only facts asserted before this go.
    before: T,
}

impl Request {
    fn read(basis: &Basis, t: T, record: EntityId, target: EntityId) -> Result<Request> {
        let view = View { history: true, ..View::default() };
        let pattern = Pattern { t: Some(t), added: Some(true), ..Pattern::entity(record) };
        let (mut attributes, mut before, mut instant) = (BTreeSet::new(), t, None);
        basis.each_in(&view, &pattern, &mut |_, a, v, _| {
            match (a, v.to_value()) {
                (at::EXCISE_ATTRS, Value::Ref(e)) => attributes.extend(AttrId::of_entity(e)),
                (at::EXCISE_BEFORE_T, Value::Long(bound)) => before = t.min(before_t(bound)),
                (at::EXCISE_BEFORE, Value::Instant(bound)) => instant = Some(bound),
                _ => {}
            }
            ControlFlow::Continue(())
        })?;
        if let Some(instant) = instant {
            before = before.min(basis.t_from(instant)?);
        }
        Ok(Request { t, target, attributes, before })
    }

    /// What goes; none if nothing can.
    fn excision(self, basis: &Basis) -> Result<Option<Excision>> {
        let schema = &basis.schema;
        let attribute = AttrId::of_entity(self.target).and_then(|id| schema.attr(id));
        let (entities, attributes) = match attribute {
            Some(_) if at::is_system(self.target) => return Ok(None),
            Some(attr) => (Vec::new(), with_composites(schema, [attr.id()])),
            None if self.attributes.is_empty() => {
                (self.with_components(basis)?, schema.attrs().map(Attr::id).filter(may_go).collect())
            }
            None => (self.alone(basis)?, with_composites(schema, self.attributes.iter().copied())),
        };
        if attributes.is_empty() || (attribute.is_none() && entities.is_empty()) {
            return Ok(None);
        }
        let references = attribute.is_none() && self.attributes.is_empty();
        Ok(Some(Excision { t: self.t, entities, attributes, references, before: self.before }))
    }

    fn alone(&self, basis: &Basis) -> Result<Vec<EntityId>> {
        Ok(if self.is_kept(basis, self.target)? { Vec::new() } else { vec![self.target] })
    }

    /// The target and its components, theirs too, as they were before the request.
    fn with_components(&self, basis: &Basis) -> Result<Vec<EntityId>> {
        let view = View { as_of: Some(self.t.saturating_sub(1)), ..View::default() };
        let (mut found, mut waiting) = (BTreeSet::new(), vec![self.target]);
        while let Some(e) = waiting.pop() {
            if found.contains(&e) || self.is_kept(basis, e)? {
                continue;
            }
            found.insert(e);
            basis.each_in(&view, &Pattern::entity(e), &mut |_, a, v, _| {
                let is_part = basis.schema.attr(a).is_some_and(|attr| attr.public.component);
                if is_part && let Value::Ref(part) = v.to_value() {
                    waiting.push(part);
                }
                ControlFlow::Continue(())
            })?;
        }
        Ok(found.into_iter().collect())
    }

    /// True if nothing about the entity can go: it belongs to the schema, or it is a request.
    fn is_kept(&self, basis: &Basis, e: EntityId) -> Result<bool> {
        if e.partition() == Partition::DB {
            return Ok(true);
        }
        let mut is_request = false;
        let view = View { history: true, ..View::default() };
        basis.each_in(&view, &Pattern::values(e, at::EXCISE), &mut |_, _, _, _| {
            is_request = true;
            ControlFlow::Break(())
        })?;
        Ok(is_request)
    }
}

/// `:db.excise/beforeT`: the number of a transaction, or its entity.
fn before_t(bound: i64) -> T {
    let number = u64::try_from(bound).unwrap_or(0);
    EntityId(number).t().unwrap_or(number)
}

/// True if facts of this attribute may go at all: what users defined, and names and notes of their entities.
fn may_go(a: &AttrId) -> bool {
    !at::is_system(a.entity()) || matches!(*a, at::IDENT | at::DOC)
}

/// Those of the attributes whose facts may go, and the tuples that hold copies of their values; sorted.
fn with_composites(schema: &Schema, attributes: impl IntoIterator<Item = AttrId>) -> Vec<AttrId> {
    let mut found = BTreeSet::new();
    for a in attributes.into_iter().filter(may_go) {
        found.insert(a);
        found.extend(schema.attr(a).into_iter().flat_map(|attr| attr.composites.iter().copied()));
    }
    found.into_iter().collect()
}
