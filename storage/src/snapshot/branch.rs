//! A past that goes on otherwise: a snapshot as of a moment, and novelty of its own after it.
//!
//! ```text
//!   past   |------------------ t |          what came later is not there
//!   own                          | t+1 … |  a tombstone for every fact of the past that it closed
//! ```
//!
//! Every question is asked of both, and the rows of the past that meet a tombstone are left out: what became of those is
//! told by the closed rows of the own novelty, as it is of facts at rest. Own rows are few, a transaction or some; where
//! order counts they are gathered first, and the past streams by them.

use std::cmp::Ordering;
use std::iter::Peekable;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::access::Path;
use super::era::Era;
use super::{COUNTED_BY_SCAN, Down, Sink, Snapshot, View};
use crate::datom::columns::heap_word;
use crate::datom::{AttrId, Batch, Col, Datom, EntityId, Order, Pattern, T, ValueCol, ValueRef, code};
use crate::error::Result;
use crate::novelty::{Layer, Novelty};

/// What a branch goes on from.
#[derive(Debug)]
pub(super) struct Past {
    snapshot: Snapshot,
    /// The newest transaction of it that is seen.
    t: T,
}

/// The two sides of a branch, under one view.
pub(super) struct Branch<'n> {
    past: &'n Past,
    own: Snapshot,
    view: View,
}

impl Snapshot {
    /// The same facts up to a transaction, to go on from there by [`Snapshot::with`]. It costs nothing; whoever reads it
    /// reads this snapshot as of `t`.
    #[must_use]
    pub fn branch(&self, t: T) -> Snapshot {
        let past = Past { snapshot: self.clone(), t };
        Snapshot { rest: self.rest.clone(), novelty: Novelty::above(t), past: Some(Arc::new(past)) }
    }

    /// True if it goes on from a past of another.
    pub fn is_branch(&self) -> bool {
        self.past.is_some()
    }

    /// The branch that this is.
    pub(super) fn branched(&self, view: &View) -> Option<Branch<'_>> {
        let past = self.past.as_deref()?;
        Some(Branch { past, own: Snapshot::new(self.novelty.clone()), view: *view })
    }
}

impl Branch<'_> {
    /// What of the past is looked at.
    fn before(&self) -> View {
        let t = self.past.t;
        View { as_of: Some(self.view.as_of.map_or(t, |bound| bound.min(t))), ..self.view }
    }

    /// Hands on the rows of the past that still are as they were, by a way to scan.
    fn past(
        &self,
        scan: impl FnOnce(&Snapshot, &View, Sink<'_>) -> Result<()>,
        sink: Sink<'_>,
    ) -> Result<()> {
        let closed = Closed::of(&self.own, &self.view);
        scan(&self.past.snapshot, &self.before(), &mut |batch| {
            if closed.is_empty() {
                return sink(batch);
            }
            let mut row = 0;
            while row < batch.len {
                let start = row;
                while row < batch.len && !closed.has_row(batch, row) {
                    row += 1;
                }
                if row > start {
                    sink(&batch.slice(start, row))?;
                }
                row += 1;
            }
            ControlFlow::Continue(())
        })
    }

    /// All rows, those of the past first.
    pub(super) fn scan(&self, pattern: &Pattern<'_>, sink: Sink<'_>) -> Result<()> {
        let mut flow = ControlFlow::Continue(());
        let mut noting = |batch: &Batch<'_>| {
            flow = sink(batch);
            flow
        };
        self.past(|past, view, sink| past.scan(view, pattern, sink), &mut noting)?;
        if flow.is_break() { Ok(()) } else { self.own.scan(&self.view, pattern, sink) }
    }

    /// All rows in an order, by a way to scan that keeps it.
    pub(super) fn ordered(
        &self,
        order: Order,
        scan: impl Fn(&Snapshot, &View, Sink<'_>) -> Result<()>,
        sink: Sink<'_>,
    ) -> Result<()> {
        let mut own = Vec::new();
        scan(&self.own, &self.view, &mut |batch| {
            own.extend((0..batch.len).map(|row| batch.datom(row)));
            ControlFlow::Continue(())
        })?;
        if own.is_empty() {
            return self.past(scan, sink);
        }
        let mut own = own.into_iter().peekable();
        let mut flow = ControlFlow::Continue(());
        let mut merging = |batch: &Batch<'_>| {
            flow = (0..batch.len).try_for_each(|row| {
                let datom = batch.datom(row);
                before(&mut own, |next| by(order, next, &datom).is_lt(), &mut |next| {
                    lone(&next, &mut *sink)
                })?;
                sink(&batch.slice(row, row + 1))
            });
            flow
        };
        self.past(scan, &mut merging)?;
        if flow.is_continue() {
            let _ = own.try_for_each(|datom| lone(&datom, &mut *sink));
        }
        Ok(())
    }

    /// All rows of an order from the last down, by a way to scan so.
    pub(super) fn back(
        &self,
        order: Order,
        scan: impl Fn(&Snapshot, &View, Down<'_>) -> Result<()>,
        sink: Down<'_>,
    ) -> Result<()> {
        let mut own = Vec::new();
        scan(&self.own, &self.view, &mut |datom| {
            own.push(datom);
            ControlFlow::Continue(())
        })?;
        let mut own = own.into_iter().peekable();
        let closed = Closed::of(&self.own, &self.view);
        let mut flow = ControlFlow::Continue(());
        scan(&self.past.snapshot, &self.before(), &mut |datom| {
            if closed.has(&datom) {
                return ControlFlow::Continue(());
            }
            flow = before(&mut own, |next| by(order, next, &datom).is_gt(), &mut *sink);
            if flow.is_continue() {
                flow = sink(datom);
            }
            flow
        })?;
        if flow.is_continue() {
            let _ = own.try_for_each(sink);
        }
        Ok(())
    }

    /// How many rows: exact if they are few, else an upper bound.
    pub(super) fn count(&self, pattern: &Pattern<'_>) -> Result<u64> {
        Ok(self.count_both(pattern)?.0)
    }

    /// How many rows, and how many of them are own. Those are counted one by one: their layers have tombstones of rows
    /// that are not there, which a count by numbers would take off.
    fn count_both(&self, pattern: &Pattern<'_>) -> Result<(u64, u64)> {
        let own = counted(|sink| self.own.scan(&self.view, pattern, sink))?;
        let bound = self.past.snapshot.count(&self.before(), pattern)? + own;
        if bound > COUNTED_BY_SCAN {
            return Ok((bound, own));
        }
        Ok((counted(|sink| self.scan(pattern, sink))?, own))
    }

    /// About `wanted` rows of both sides, and the number of all; the first ones if every row that was drawn is closed.
    pub(super) fn sample(&self, pattern: &Pattern<'_>, wanted: usize, sink: Sink<'_>) -> Result<u64> {
        let (count, own) = self.count_both(pattern)?;
        if count <= wanted as u64 {
            self.scan(pattern, sink)?;
            return Ok(count);
        }
        let share = (wanted as u64 * own).div_ceil(count);
        let (mut found, mut rank) = (0, 0);
        let mut counting = |batch: &Batch<'_>| {
            found += batch.len;
            sink(batch)
        };
        self.own.scan(&self.view, pattern, &mut |batch| {
            (0..batch.len).try_for_each(|row| {
                rank += 1;
                let is_drawn = rank * share / own > (rank - 1) * share / own;
                if is_drawn { counting(&batch.slice(row, row + 1)) } else { ControlFlow::Continue(()) }
            })
        })?;
        let rest = wanted - wanted.min(share as usize);
        if rest > 0 {
            let drawn = |past: &Snapshot, view: &View, sink: Sink<'_>| {
                past.sample(view, pattern, rest, sink).map(drop)
            };
            self.past(drawn, &mut counting)?;
        }
        if found == 0 && wanted > 0 {
            self.scan(pattern, &mut |batch| {
                let rows = batch.len.min(wanted - found);
                found += rows;
                sink(&batch.slice(0, rows))?;
                if found < wanted { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })?;
        }
        Ok(count)
    }
}

/// How many rows a scan hands on.
fn counted(scan: impl FnOnce(Sink<'_>) -> Result<()>) -> Result<u64> {
    let mut found = 0;
    scan(&mut |batch| {
        found += batch.len as u64;
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

/// The facts of the past that do not hold any more in a view of the own novelty.
struct Closed<'n>(Vec<&'n Layer>);

impl<'n> Closed<'n> {
    fn of(own: &'n Snapshot, view: &View) -> Closed<'n> {
        let layers = Era::of(own, view, &Pattern::ALL).map_or(&[][..], |era| era.layers);
        Closed(layers.iter().map(|layer| &**layer).filter(|layer| layer.tombstones() > 0).collect())
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn has_row(&self, batch: &Batch<'_>, row: usize) -> bool {
        let (e, a) = (EntityId(batch.e.get(row)), AttrId(batch.a.get(row)));
        batch.added.get(row) && self.has_fact(e, a, batch.v.get(row), batch.t.get(row))
    }

    fn has(&self, datom: &Datom) -> bool {
        let from = datom.tx.t().unwrap_or_default();
        let mut scratch = Vec::new();
        !self.is_empty()
            && datom.added
            && datom.v.with_ref(&mut scratch, |v| self.has_fact(datom.e, datom.a, v, from))
    }

    fn has_fact(&self, e: EntityId, a: AttrId, v: ValueRef<'_>, from: T) -> bool {
        let pattern = Pattern::fact(e, a, v);
        let lead = Path::new(Order::Eavt, &pattern).lead;
        self.0.iter().map(|layer| layer.dead(Order::Eavt)).any(|run| {
            run.seek(&lead).any(|row| run.rows.from[row] == from && run.value(row).compare(v).is_eq())
        })
    }
}

/// Hands on the rows that come before another.
fn before(
    rows: &mut Peekable<impl Iterator<Item = Datom>>,
    is_before: impl Fn(&Datom) -> bool,
    sink: &mut dyn FnMut(Datom) -> ControlFlow<()>,
) -> ControlFlow<()> {
    while let Some(datom) = rows.next_if(&is_before) {
        sink(datom)?;
    }
    ControlFlow::Continue(())
}

/// The order of the index, then that of time.
fn by(order: Order, x: &Datom, y: &Datom) -> Ordering {
    let (e, a, v) = (|| x.e.cmp(&y.e), || x.a.cmp(&y.a), || x.v.cmp(&y.v));
    let facts = match order {
        Order::Eavt => e().then_with(a).then_with(v),
        Order::Aevt => a().then_with(e).then_with(v),
        Order::Avet => a().then_with(v).then_with(e),
    };
    facts.then_with(|| x.tx.cmp(&y.tx))
}

/// Hands on one row.
fn lone(datom: &Datom, sink: Sink<'_>) -> ControlFlow<()> {
    let mut heap = Vec::new();
    let word = code::fixed(&datom.v).unwrap_or_else(|| {
        code::variable(&datom.v, &mut heap);
        heap_word(0, heap.len())
    });
    sink(&Batch {
        len: 1,
        e: Col::Const(datom.e.0),
        a: Col::Const(datom.a.0),
        v: ValueCol { tags: Col::Const(datom.v.tag()), words: Col::Const(word), heap: &heap },
        t: Col::Const(datom.tx.t().unwrap_or_default()),
        added: Col::Const(datom.added),
    })
}
