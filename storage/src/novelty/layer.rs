//! Layers and generations: the same rows in every order, sharing one heap, and when two neighbours become one.

use std::sync::Arc;

use super::intake;
use crate::datom::order::AVET_MAX_BYTES;
use crate::datom::{AttrId, EntityId, Order, T};
use crate::root::Excision;
use crate::run::merge::{join_heaps, settle, weave};
use crate::run::{Columns, Run};

/// Closed rows in a generation, up to which it may always be merged. Few in tests, so that there are many generations.
const SMALL_GENERATION: usize = if cfg!(test) { 16 } else { 1 << 16 };
/// A generation is at most this part of all closed rows, so that as-of t skips what closed before t.
const GENERATIONS: usize = 16;

/// How many rows a generation may have where there are so many closed rows in all.
pub(super) fn generation_limit(closed_rows: usize) -> usize {
    SMALL_GENERATION.max(closed_rows / GENERATIONS)
}

/// What neighbouring transactions opened and left open, and the tombstones of older facts they closed.
#[derive(Debug)]
pub(crate) struct Layer {
    open: [Run; 3],
    dead: [Run; 3],
    /// The first and the last transaction of which there is anything here.
    pub(crate) first: T,
    pub(crate) last: T,
    /// The attributes that have values too long for AVET, sorted; may name some that had.
    pub(crate) long: Vec<u32>,
    /// True if some tombstones may be of forgotten facts: those are gone from every moment, also before this layer.
    pub(crate) forgets: bool,
    /// Bytes of the heap that belong to a row.
    used: usize,
}

impl Layer {
    pub(super) fn new(open: [Run; 3], dead: [Run; 3], first: T, last: T, forgets: bool) -> Layer {
        let used = used_bytes(&open[0].rows) + used_bytes(&dead[0].rows);
        let long = long_attributes(&open[1].rows);
        let forgets = forgets && dead[0].len() > 0;
        Layer { open, dead, first, last, long, forgets, used }
    }

    /// The open rows in an order.
    pub(crate) fn open(&self, order: Order) -> &Run {
        &self.open[order as usize]
    }

    /// The tombstones in an order: the keys of older rows that do not hold any more.
    pub(crate) fn dead(&self, order: Order) -> &Run {
        &self.dead[order as usize]
    }

    pub(crate) fn open_rows(&self) -> usize {
        self.open[0].len()
    }

    pub(crate) fn tombstones(&self) -> usize {
        self.dead[0].len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.open.iter().chain(&self.dead).map(Run::bytes).sum::<usize>() + self.heap().len()
    }

    fn rows(&self) -> usize {
        self.open_rows() + self.tombstones()
    }

    fn heap(&self) -> &Arc<Vec<u8>> {
        &self.open[0].heap
    }

    /// True if a newer neighbour should be merged into this.
    pub(super) fn is_due(&self, newer: &Layer) -> bool {
        self.rows() <= newer.rows() && are_in_reach(self.heap(), newer.heap())
    }

    /// This and its newer neighbour as one: what the newer closed is gone.
    pub(super) fn merge(&self, newer: &Layer) -> Layer {
        assert!(are_in_reach(self.heap(), newer.heap()), "values of 4 GiB: novelty is bounded far below");
        let (heap, shift) = join_heaps(self.heap(), newer.heap());
        let parts = [0, 1, 2].map(|i| {
            let (open, unmet) = settle(&self.open[i], &newer.open[i], &newer.dead[i], shift, &heap);
            let dead = weave(&self.dead[i], &newer.dead[i].pick(&unmet), shift, &heap);
            (open, dead)
        });
        let [(e, d), (a, b), (v, c)] = parts;
        let met = newer.tombstones() + self.tombstones() - d.len();
        let (open, dead) = ([e, a, v], [d, b, c]);
        let merged = Layer {
            used: if met > 0 {
                used_bytes(&open[0].rows) + used_bytes(&dead[0].rows)
            } else {
                self.used + newer.used
            },
            long: union(&self.long, &newer.long),
            forgets: (self.forgets || newer.forgets) && dead[0].len() > 0,
            open,
            dead,
            first: self.first,
            last: newer.last,
        };
        merged.trimmed()
    }

    /// Without the facts that were removed for ever; none if nothing is left.
    pub(super) fn without(self: &Arc<Layer>, excisions: &[Excision]) -> Option<Arc<Layer>> {
        let (open, dead) = (left_in(&self.open[0], excisions), left_in(&self.dead[0], excisions));
        if open.len() + dead.len() == self.rows() {
            return Some(Arc::clone(self));
        }
        let [open, dead] = intake::repack(&open, &dead);
        let layer = Layer::new(open, dead, self.first, self.last, self.forgets);
        (layer.rows() > 0).then(|| Arc::new(layer))
    }

    /// The same; without the values of rows that are gone, if they are the greater part of the heap.
    pub(super) fn trimmed(self) -> Layer {
        if self.heap().len() <= 2 * self.used + (1 << 16) {
            return self;
        }
        let [open, dead] = intake::repack(&self.open[0], &self.dead[0]);
        Layer::new(open, dead, self.first, self.last, self.forgets)
    }
}

/// Facts that ceased to hold, with both ends of the time they held.
#[derive(Debug)]
pub(crate) struct Generation {
    closed: [Run; 3],
    /// The first and the last closing time.
    pub(crate) first: T,
    pub(crate) last: T,
    /// The first opening time.
    pub(crate) first_from: T,
    /// The attributes that have values too long for AVET, sorted.
    pub(crate) long: Vec<u32>,
}

impl Generation {
    pub(super) fn new(closed: [Run; 3], first: T, last: T) -> Generation {
        let first_from = closed[0].rows.from.iter().copied().min().unwrap_or(0);
        let long = long_attributes(&closed[1].rows);
        Generation { closed, first, last, first_from, long }
    }

    /// The closed rows in an order.
    pub(crate) fn closed(&self, order: Order) -> &Run {
        &self.closed[order as usize]
    }

    pub(crate) fn rows(&self) -> usize {
        self.closed[0].len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.closed.iter().map(Run::bytes).sum::<usize>() + self.heap().len()
    }

    fn heap(&self) -> &Arc<Vec<u8>> {
        &self.closed[0].heap
    }

    /// Without the facts that were removed for ever; none if nothing is left. The closing times stay those of all.
    pub(super) fn without(self: &Arc<Generation>, excisions: &[Excision]) -> Option<Arc<Generation>> {
        let left = left_in(&self.closed[0], excisions);
        if left.len() == self.rows() {
            return Some(Arc::clone(self));
        }
        let generation = |left| Arc::new(Generation::new(intake::repack_closed(left), self.first, self.last));
        (left.len() > 0).then(|| generation(&left))
    }

    /// True if a newer neighbour should be merged into this.
    pub(super) fn is_due(&self, newer: &Generation, limit: usize) -> bool {
        self.rows() <= newer.rows()
            && self.rows() + newer.rows() <= limit
            && are_in_reach(self.heap(), newer.heap())
    }

    /// This and its newer neighbour as one.
    pub(super) fn merge(&self, newer: &Generation) -> Generation {
        assert!(are_in_reach(self.heap(), newer.heap()), "values of 4 GiB: novelty is bounded far below");
        let (heap, shift) = join_heaps(self.heap(), newer.heap());
        Generation {
            closed: [0, 1, 2].map(|i| weave(&self.closed[i], &newer.closed[i], shift, &heap)),
            first: self.first,
            last: newer.last,
            first_from: self.first_from.min(newer.first_from),
            long: union(&self.long, &newer.long),
        }
    }
}

/// True if offsets reach all of two heaps in one.
fn are_in_reach(older: &[u8], newer: &[u8]) -> bool {
    older.len() + newer.len() <= u32::MAX as usize
}

/// The rows of a run in EAVT that no excision takes.
fn left_in(run: &Run, excisions: &[Excision]) -> Run {
    let rows = &run.rows;
    let is_left = |row: usize| {
        let (e, a, v) = (EntityId(rows.e[row]), AttrId(rows.a[row]), run.value(row));
        !excisions.iter().any(|excision| excision.takes(e, a, v, rows.from[row]))
    };
    let left: Vec<u32> = (0..run.len()).filter(|row| is_left(*row)).map(|row| row as u32).collect();
    run.pick(&left)
}

fn used_bytes(rows: &Columns) -> usize {
    (0..rows.len()).map(|row| rows.heap_bytes(row)).sum()
}

/// The attributes, in rows that are sorted by attribute, that have a value too long for AVET.
fn long_attributes(rows: &Columns) -> Vec<u32> {
    let long = (0..rows.len()).filter(|row| rows.heap_bytes(*row) > AVET_MAX_BYTES);
    let mut attributes: Vec<u32> = long.map(|row| rows.a[row]).collect();
    attributes.dedup();
    attributes
}

fn union(x: &[u32], y: &[u32]) -> Vec<u32> {
    let mut both = [x, y].concat();
    both.sort_unstable();
    both.dedup();
    both
}
