//! From logged transactions to a layer and a generation: gather, annihilate, sort once.

use std::cmp::Ordering;
use std::sync::Arc;

use super::layer::{self, Generation, Layer};
use crate::datom::columns::{heap_word, value_at};
use crate::datom::{Order, T, Value, ValueRef, code};
use crate::log::{LogDatom, Op};
use crate::run::{Columns, Run, sort};

// Tests have low limits, so that short histories cross them.

/// Rows in the making are sorted after the transaction with which there are this many.
const FULL_ROWS: usize = if cfg!(test) { 1 << 13 } else { 1 << 20 };
/// Or with which their values take this many bytes.
const FULL_BYTES: usize = 1 << 30;
/// Inside a transaction they are sorted before their values take more bytes than this. What else than text and bytes
/// a value can be is short beside what is then left to the reach of an offset.
const MOST_BYTES: usize = if cfg!(test) { 2_000 } else { u32::MAX as usize - FULL_BYTES };

/// Bytes of a row, and of one with its closing time.
const OPEN_BYTES: usize = 29;
const CLOSED_BYTES: usize = 37;

/// What some transactions opened, and what they closed, in the order of the log.
#[derive(Debug, Default)]
pub(super) struct Intake {
    opened: Columns,
    closed: Columns,
    /// The closed rows of which no history is kept: each leaves a tombstone only.
    forgotten: Vec<u32>,
    heap: Vec<u8>,
    first: Option<T>,
    last: T,
}

impl Intake {
    /// False if the heap's offsets could not reach this datom's value.
    pub(super) fn has_room_for(&self, datom: &LogDatom) -> bool {
        let length = match &datom.v {
            Value::String(text) | Value::Uri(text) => text.len(),
            Value::Bytes(bytes) => bytes.len(),
            _ => 0,
        };
        self.heap.len() + length < MOST_BYTES || self.heap.is_empty()
    }

    pub(super) fn rows(&self) -> usize {
        self.opened.len() + self.closed.len()
    }

    /// Bytes of memory once it is sorted, nearly: three orders, and of a closing two rows.
    pub(super) fn bytes(&self) -> usize {
        3 * (self.opened.len() * OPEN_BYTES + self.closed.len() * (OPEN_BYTES + CLOSED_BYTES))
            + self.heap.len()
    }

    /// True if it is time to sort.
    pub(super) fn is_full(&self) -> bool {
        self.rows() >= FULL_ROWS || self.heap.len() >= FULL_BYTES
    }

    /// Makes room for the rows of a transaction.
    pub(super) fn expect(&mut self, rows: usize) {
        let opened = &mut self.opened;
        opened.e.reserve(rows);
        opened.a.reserve(rows);
        opened.tag.reserve(rows);
        opened.word.reserve(rows);
        opened.from.reserve(rows);
    }

    pub(super) fn push(&mut self, t: T, datom: &LogDatom) {
        let word = code::fixed(&datom.v).unwrap_or_else(|| {
            let start = self.heap.len();
            code::variable(&datom.v, &mut self.heap);
            heap_word(start, self.heap.len() - start)
        });
        let (rows, from) = match datom.op {
            Op::Assert => (&mut self.opened, t),
            Op::Retract { from, .. } => (&mut self.closed, from),
        };
        rows.e.push(datom.e.0);
        rows.a.push(datom.a.0);
        rows.tag.push(datom.v.tag());
        rows.word.push(word);
        rows.from.push(from);
        if let Op::Retract { forget, .. } = datom.op {
            rows.to.push(t);
            if forget {
                self.forgotten.push(rows.to.len() as u32 - 1);
            }
        }
        self.first.get_or_insert(t);
        self.last = t;
    }

    /// The closed rows of which history is kept, if those are not all.
    fn remembered(&self) -> Option<Vec<u32>> {
        let mut forgotten = self.forgotten.iter().peekable();
        let is_remembered = |row: &u32| forgotten.next_if_eq(&row).is_none();
        (!self.forgotten.is_empty()).then(|| (0..self.closed.len() as u32).filter(is_remembered).collect())
    }

    /// Sorts. What was opened and closed here is left out of the layer. `older` is how many rows closed before.
    pub(super) fn finish(self, older: usize) -> (Option<Layer>, Vec<Generation>) {
        let Some(first) = self.first else { return (None, Vec::new()) };
        let (remembered, forgets) = (self.remembered(), !self.forgotten.is_empty());
        let heap = Arc::new(self.heap);
        let limit = layer::generation_limit(older + self.closed.len());
        let generations = match remembered {
            Some(rows) => generations(&self.closed.gather(&rows), &heap, limit),
            None => generations(&self.closed, &heap, limit),
        };
        let mut open = sort::open_orders(&self.opened, &heap);
        let mut dead = sort::open_orders(&self.closed, &heap);
        annihilate(&self.opened, &mut open, &self.closed, &mut dead, &heap);
        let tombstones = Columns { to: Vec::new(), ..self.closed };
        let (open, dead) = (runs(&self.opened, &open, &heap), runs(&tombstones, &dead, &heap));
        let layer = Layer::new(open, dead, first, self.last, forgets);
        (Some(layer.trimmed()), generations)
    }
}

/// Closed rows, which come by closing time, in generations of at most `limit` rows.
fn generations(closed: &Columns, heap: &Arc<Vec<u8>>, limit: usize) -> Vec<Generation> {
    let part = |start: usize| {
        let mut rows = Columns::with_capacity(limit.min(closed.len()), true);
        rows.extend(closed, start..closed.len().min(start + limit), 0);
        // A heap of its own, so that the layer's is not kept for a few values in it.
        let heap = Arc::new(copy_values(&mut rows, heap));
        let orders = sort::closed_orders(&rows, &heap);
        Generation::new(runs(&rows, &orders, &heap), rows.to[0], rows.to[rows.len() - 1])
    };
    (0..closed.len()).step_by(limit).map(part).collect()
}

/// A heap with the rows' values only; the rows point into it afterwards.
fn copy_values(rows: &mut Columns, source: &[u8]) -> Vec<u8> {
    let mut heap = Vec::new();
    for (tag, word) in rows.tag.iter().zip(&mut rows.word) {
        if let ValueRef::Variable(_, code) = value_at(*tag, *word, source) {
            *word = heap_word(heap.len(), code.len());
            heap.extend_from_slice(code);
        }
    }
    heap
}

fn runs(rows: &Columns, orders: &[Vec<u32>; 3], heap: &Arc<Vec<u8>>) -> [Run; 3] {
    [0, 1, 2].map(|i| Run::new(Order::ALL[i], rows.gather(&orders[i]), Arc::clone(heap)))
}

/// Removes each closing together with the row it closes, where both are here.
fn annihilate(
    opened: &Columns,
    open: &mut [Vec<u32>; 3],
    closed: &Columns,
    dead: &mut [Vec<u32>; 3],
    heap: &[u8],
) {
    if opened.len() == 0 || closed.len() == 0 {
        return;
    }
    let key = |rows: &Columns, row: usize| {
        (rows.e[row], rows.a[row], value_at(rows.tag[row], rows.word[row], heap), rows.from[row])
    };
    let (mut gone_open, mut gone_dead) = (vec![false; opened.len()], vec![false; closed.len()]);
    let (mut i, mut j) = (0, 0);
    while let (Some(x), Some(y)) = (open[0].get(i), dead[0].get(j)) {
        let (x, y) = (*x as usize, *y as usize);
        let ((e, a, v, from), (their_e, their_a, their_v, their_from)) = (key(opened, x), key(closed, y));
        let side =
            (e, a).cmp(&(their_e, their_a)).then_with(|| v.compare(their_v)).then(from.cmp(&their_from));
        if side.is_eq() {
            (gone_open[x], gone_dead[y]) = (true, true);
        }
        i += usize::from(side != Ordering::Greater);
        j += usize::from(side != Ordering::Less);
    }
    open.iter_mut().for_each(|order| order.retain(|row| !gone_open[*row as usize]));
    dead.iter_mut().for_each(|order| order.retain(|row| !gone_dead[*row as usize]));
}

/// The rows of a generation's first run taken in again, so that the heap holds nothing else.
pub(super) fn repack_closed(closed: &Run) -> [Run; 3] {
    let mut rows = closed.rows.clone();
    let heap = Arc::new(copy_values(&mut rows, &closed.heap));
    runs(&rows, &sort::closed_orders(&rows, &heap), &heap)
}

/// The rows of a layer's first runs taken in again, so that the heap holds nothing else.
pub(super) fn repack(open: &Run, dead: &Run) -> [[Run; 3]; 2] {
    let (mut opened, mut closed) = (open.rows.clone(), dead.rows.clone());
    let mut heap = copy_values(&mut opened, &open.heap);
    let shift = heap.len();
    heap.extend(copy_values(&mut closed, &dead.heap));
    let mut moved = Columns::with_capacity(closed.len(), false);
    moved.extend(&closed, 0..closed.len(), shift);
    let heap = Arc::new(heap);
    [opened, moved].map(|rows| runs(&rows, &sort::open_orders(&rows, &heap), &heap))
}
