//! Everything a database holds at one transaction, and the few reads that the write side needs.
//!
//! A [`Basis`] never changes. Transactions make the next one from it; database values put a view of time over it. All
//! reads here are of the present: whatever view a value shows, a transaction is judged by what holds at the basis.

use std::ops::ControlFlow;
use std::sync::Arc;

use annals_storage::datom::{
    AttrId, EntityId, Partition, Pattern, T, Tag, Value, ValueBound, ValueRef, code,
};
use annals_storage::log::{LogBatch, LoggedTx};
use annals_storage::novelty::Novelty;
use annals_storage::rest::Rest;
use annals_storage::snapshot::{Snapshot, View};

use crate::error::Result;
use crate::home::Home;
use crate::schema::{Attr, Schema, Tuple, bootstrap};

/// The state of a database after transaction `t`.
#[derive(Clone)]
pub(crate) struct Basis {
    /// The database, apart from its facts.
    pub(crate) home: Arc<Home>,
    /// All facts.
    pub(crate) snapshot: Snapshot,
    /// Attributes and idents, derived from the facts.
    pub(crate) schema: Schema,
    /// The newest transaction.
    pub(crate) t: T,
    /// Its instant.
    pub(crate) instant: i64,
    /// Where new entity ids come from.
    pub(crate) next: Counters,
}

/// The next free counter of each partition but that of transactions, which counts by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Counters(Vec<(Partition, u64)>);

impl Counters {
    /// Those of a database with nothing but the bootstrap schema.
    pub(crate) fn fresh() -> Counters {
        Counters(vec![(Partition::DB, bootstrap::FIRST_FREE), (Partition::USER, bootstrap::FIRST_USER)])
    }

    /// The next id of a partition.
    pub(crate) fn allocate(&mut self, partition: Partition) -> EntityId {
        let at = self.0.iter().position(|(known, _)| *known == partition).unwrap_or_else(|| {
            self.0.push((partition, 0));
            self.0.len() - 1
        });
        let counter = self.0[at].1;
        self.0[at].1 += 1;
        EntityId::new(partition, counter)
    }

    /// The first counter of a partition that is not given yet.
    pub(crate) fn of(&self, partition: Partition) -> u64 {
        self.0.iter().find(|(known, _)| *known == partition).map_or(0, |(_, next)| *next)
    }

    /// What a log batch carries: these, and that of the transaction partition.
    pub(crate) fn to_log(&self, t: T) -> Vec<(Partition, u64)> {
        let mut next = self.0.clone();
        next.push((Partition::TX, t + 1));
        next
    }

    /// Takes over what a log batch carries.
    pub(crate) fn catch_up(&mut self, next: &[(Partition, u64)]) {
        for (partition, counter) in next.iter().filter(|(partition, _)| *partition != Partition::TX) {
            match self.0.iter_mut().find(|(known, _)| known == partition) {
                Some((_, known)) => *known = (*known).max(*counter),
                None => self.0.push((*partition, *counter)),
            }
        }
    }
}

impl Basis {
    /// The state of a database with nothing but the bootstrap schema.
    #[cfg(test)]
    pub(crate) fn born(name: &str, clock: Arc<dyn crate::time::Clock>) -> Result<Basis> {
        let novelty = Novelty::new().with(&bootstrap::transaction());
        Basis::over(&Home::of_test(name, clock), Rest::none(), novelty, 0, Counters::fresh())
    }

    /// The state that trees and a log above them amount to: their facts, the instant of the newest transaction, the
    /// counters.
    pub(crate) fn over(
        home: &Arc<Home>,
        rest: Rest,
        novelty: Novelty,
        instant: i64,
        next: Counters,
    ) -> Result<Basis> {
        let t = novelty.basis().or(rest.basis()).unwrap_or(0);
        let snapshot = Snapshot::over(rest, novelty);
        let schema = Schema::derive(&snapshot)?;
        Ok(Basis { home: Arc::clone(home), snapshot, schema, t, instant, next })
    }

    /// The state after one more transaction.
    pub(crate) fn after(&self, tx: &LoggedTx, next: Counters) -> Result<Basis> {
        let snapshot = Snapshot::over(self.snapshot.rest().clone(), self.snapshot.novelty().with(tx));
        let schema = self.schema.after(tx, &snapshot)?;
        Ok(Basis { home: Arc::clone(&self.home), snapshot, schema, t: tx.t, instant: tx.instant, next })
    }

    /// The same state, its novelty sealed: a job can take it, whatever comes after.
    pub(crate) fn sealed(&self) -> Basis {
        let snapshot = Snapshot::over(self.snapshot.rest().clone(), self.snapshot.novelty().sealed());
        Basis { snapshot, ..self.clone() }
    }

    /// The same state over newer trees, which took the novelty up to its seal. What was removed for ever meanwhile is
    /// gone from facts and names.
    pub(crate) fn rebased(&self, rest: &Rest) -> Result<Basis> {
        let mut novelty = rest.basis().map_or_else(Novelty::new, |t| self.snapshot.novelty().after(t));
        let excised = rest.excisions().len() > self.snapshot.rest().excisions().len();
        if excised {
            novelty = novelty.without(rest.excisions());
        }
        let snapshot = Snapshot::over(rest.clone(), novelty);
        let schema = if excised { Schema::derive(&snapshot)? } else { self.schema.clone() };
        Ok(Basis { snapshot, schema, ..self.clone() })
    }

    /// The state after a batch that another writer appended.
    pub(crate) fn after_batch(&self, batch: &LogBatch) -> Result<Basis> {
        let mut basis = self.clone();
        for tx in &batch.txs {
            basis = basis.after(tx, basis.next.clone())?;
        }
        basis.next.catch_up(&batch.next);
        Ok(basis)
    }

    /// True if the id was given out: to something a transaction made, to a transaction, or at the database's birth.
    pub(crate) fn is_allocated(&self, e: EntityId) -> bool {
        match e.partition() {
            Partition::TX => e.counter() <= self.t,
            _ if bootstrap::is_system(e) => self.schema.ident(e).is_some(),
            partition => {
                e.counter() < self.next.of(partition) && (e.counter() > 0 || partition != Partition::USER)
            }
        }
    }

    /// Hands every fact of a pattern that holds now to `each`: entity, attribute, value, transaction's number.
    fn each(
        &self,
        pattern: &Pattern<'_>,
        each: &mut dyn FnMut(EntityId, AttrId, ValueRef<'_>, T) -> ControlFlow<()>,
    ) -> Result<()> {
        self.each_in(&View::default(), pattern, each)
    }

    /// The same of any view.
    pub(crate) fn each_in(
        &self,
        view: &View,
        pattern: &Pattern<'_>,
        each: &mut dyn FnMut(EntityId, AttrId, ValueRef<'_>, T) -> ControlFlow<()>,
    ) -> Result<()> {
        self.snapshot.scan(view, pattern, &mut |batch| {
            for row in 0..batch.len {
                let (e, a) = (EntityId(batch.e.get(row)), AttrId(batch.a.get(row)));
                each(e, a, batch.v.get(row), batch.t.get(row))?;
            }
            ControlFlow::Continue(())
        })?;
        Ok(())
    }

    /// The values an entity has of an attribute, each with the transaction that asserted it.
    pub(crate) fn values(&self, e: EntityId, a: AttrId) -> Result<Vec<(Value, T)>> {
        let mut values = Vec::new();
        self.each(&Pattern::values(e, a), &mut |_, _, v, t| {
            values.push((v.to_value(), t));
            ControlFlow::Continue(())
        })?;
        Ok(values)
    }

    /// One value an entity has of an attribute.
    pub(crate) fn value(&self, e: EntityId, a: AttrId) -> Result<Option<(Value, T)>> {
        let mut value = None;
        self.each(&Pattern::values(e, a), &mut |_, _, v, t| {
            value = Some((v.to_value(), t));
            ControlFlow::Break(())
        })?;
        Ok(value)
    }

    /// The transaction that asserted a fact, if the fact holds.
    pub(crate) fn asserted(&self, e: EntityId, a: AttrId, v: &Value) -> Result<Option<T>> {
        let mut found = None;
        with_ref(v, |v| {
            self.each(&Pattern::fact(e, a, v), &mut |_, _, _, t| {
                found = Some(t);
                ControlFlow::Break(())
            })
        })?;
        Ok(found)
    }

    /// An entity that has this value of an attribute.
    pub(crate) fn holder(&self, a: AttrId, v: &Value) -> Result<Option<EntityId>> {
        let mut found = None;
        with_ref(v, |v| {
            self.each(&Pattern::value(a, v), &mut |e, _, _, _| {
                found = Some(e);
                ControlFlow::Break(())
            })
        })?;
        match (found, v, self.schema.attr(a)) {
            (None, Value::Tuple(slots), Some(attr)) if attr.filling => self.holder_by_members(attr, slots),
            _ => Ok(found),
        }
    }

    /// The entity whose members make this tuple, of a composite whose older entities have no tuples yet.
    fn holder_by_members(&self, composite: &Attr, slots: &[Option<Value>]) -> Result<Option<EntityId>> {
        let Tuple::Composite(members) = &composite.tuple else { return Ok(None) };
        Ok(self.with_members(members, slots)?.first().copied())
    }

    /// Every entity that has these values of these attributes of one value, none where none is given.
    pub(crate) fn with_members(&self, members: &[AttrId], slots: &[Option<Value>]) -> Result<Vec<EntityId>> {
        let mut given =
            members.iter().zip(slots).filter_map(|(member, slot)| Some((*member, slot.as_ref()?)));
        let Some((first, v)) = given.next() else { return Ok(Vec::new()) };
        let mut candidates = Vec::new();
        with_ref(v, |v| {
            self.each(&Pattern::value(first, v), &mut |e, _, _, _| {
                candidates.push(e);
                ControlFlow::Continue(())
            })
        })?;
        let mut found = Vec::new();
        for e in candidates {
            if self.members_of(e, members)? == slots {
                found.push(e);
            }
        }
        Ok(found)
    }

    /// The values an entity has of attributes of one value.
    pub(crate) fn members_of(&self, e: EntityId, members: &[AttrId]) -> Result<Vec<Option<Value>>> {
        members.iter().map(|member| Ok(self.value(e, *member)?.map(|(v, _)| v))).collect()
    }

    /// Everything that holds about an entity.
    pub(crate) fn facts_of(&self, e: EntityId) -> Result<Vec<(AttrId, Value)>> {
        let mut facts = Vec::new();
        self.each(&Pattern::entity(e), &mut |_, a, v, _| {
            facts.push((a, v.to_value()));
            ControlFlow::Continue(())
        })?;
        Ok(facts)
    }

    /// Every reference to an entity: who, by which attribute.
    pub(crate) fn referrers(&self, e: EntityId) -> Result<Vec<(EntityId, AttrId)>> {
        let mut found = Vec::new();
        for a in self.schema.refs() {
            with_ref(&Value::Ref(e), |v| {
                self.each(&Pattern::value(*a, v), &mut |from, a, _, _| {
                    found.push((from, a));
                    ControlFlow::Continue(())
                })
            })?;
        }
        Ok(found)
    }

    /// The newest transaction not younger than an instant; 0 if all are.
    pub(crate) fn t_at(&self, instant: i64) -> Result<T> {
        Ok(self.count_until(instant, true)?.saturating_sub(1))
    }

    /// The first transaction that is not older than an instant, or the next one.
    pub(crate) fn t_from(&self, instant: i64) -> Result<T> {
        self.count_until(instant, false)
    }

    /// How many transactions are older than an instant, or `inclusive`ly as old. Numbers are dense and instants never
    /// go back, so the transactions counted are those with the smallest numbers.
    fn count_until(&self, instant: i64, inclusive: bool) -> Result<u64> {
        let end = ValueRef::Fixed(Tag::Instant, instant);
        let v = ValueBound::Range(Tag::Instant, None, Some((end, inclusive)));
        let pattern = Pattern { a: Some(bootstrap::TX_INSTANT), v, ..Pattern::default() };
        Ok(self.snapshot.count(&View::default(), &pattern)?)
    }
}

/// Calls `f` with a value as the indexes hold it, without an allocation for values of one word.
pub(crate) fn with_ref<R>(value: &Value, f: impl FnOnce(ValueRef<'_>) -> R) -> R {
    match code::fixed(value) {
        Some(word) => f(ValueRef::Fixed(value.tag(), word)),
        None => value.with_ref(&mut Vec::new(), f),
    }
}
