//! Builds a tree from rows in order: cuts leaves by their encoded bytes.
//!
//! Rows are held until they are worth about two leaves, then one is cut off: its size is guessed from how the last
//! ones packed, encoded, and guessed again if it came out too large or too small. A leaf of an older tree that nothing
//! touched is taken over as it is, by name, unless it or what is held before it is so small that both should be one.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

pub(crate) use super::writer::Writer;

use crate::datom::Order;
use crate::datom::columns::heap_word;
use crate::error::Result;
use crate::frame;
use crate::run::{Columns, Run};
use crate::tree::leaf::{self, LEAF_VERSION};
use crate::tree::nodes::Nodes;
use crate::tree::spine::Spine;
use crate::tree::walk::Stop;
use crate::tree::{Entry, Shape, Tree, Zone, key};

/// The most rows a leaf has.
pub(crate) const MAX_LEAF_ROWS: usize = 8192;
/// How full a leaf is meant to get, and from where on it is full enough.
const MEANT: f64 = 0.96;
const ENOUGH: f64 = 0.88;
/// How often a size is guessed for the sake of fullness alone.
const GUESSES: usize = 4;
/// What a row weighs beside the bytes its value has in the heap, in a guess.
const ROW_WEIGHT: usize = 8;
/// Values of so many bytes are held once, however many rows have them.
const LONG_BYTES: usize = 64;

/// A tree in the making.
#[derive(Debug)]
pub(crate) struct Builder {
    order: Order,
    shape: Shape,
    leaf_bytes: usize,
    /// Encoded bytes a unit of weight takes, by the last leaf.
    ratio: f64,
    /// Rows not in a leaf yet.
    held: Held,
    /// The old leaf whose rows are what is held, and nothing else is.
    taken: Option<Stop>,
    before: Before,
    spine: Spine,
    /// See [`Builder::anew`].
    anew: bool,
}

/// What is known of the keys before the next leaf.
#[derive(Debug)]
enum Before {
    /// There are none.
    Nothing,
    /// The last of them.
    Last(Vec<u8>),
    /// They are below this.
    Below(Vec<u8>),
    /// Nothing.
    Unknown,
}

/// Rows of several runs, with a heap of their own.
#[derive(Debug, Default)]
struct Held {
    columns: Columns,
    heap: Vec<u8>,
    weight: usize,
    /// Where long values went that may be met again: rows of one run share them. By the number of the run's heap.
    moved: HashMap<(usize, i64), i64>,
    heaps: Vec<Arc<Vec<u8>>>,
}

/// Some rows: how many, and what they weigh.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    rows: usize,
    weight: usize,
}

impl Builder {
    /// Leaves are cut so that their frames have at most `leaf_bytes`, unless one row alone has more.
    pub(crate) fn new(order: Order, shape: Shape, leaf_bytes: usize) -> Builder {
        Builder {
            order,
            shape,
            leaf_bytes,
            ratio: 0.75,
            held: Held::default(),
            taken: None,
            before: Before::Nothing,
            spine: Spine::new(leaf_bytes),
            anew: false,
        }
    }

    /// Makes all separators anew, of the rows on both sides: old ones may tell of rows that are to be gone for ever.
    /// Every leaf that is taken over is loaded for it.
    pub(crate) fn anew(self) -> Builder {
        Builder { anew: true, ..self }
    }

    /// Directories of this older tree are named again, instead of written, where they come out the same. Reads all
    /// of them.
    pub(crate) fn remember(&mut self, nodes: &Nodes, tree: &Tree) -> Result<()> {
        self.spine.remember(nodes, tree)
    }

    /// Appends rows, which are above all before.
    pub(crate) fn rows(&mut self, out: &mut Writer<'_>, run: &Run, rows: Range<usize>) -> Result<()> {
        debug_assert!(
            run.order == self.order && (run.is_closed() == (self.shape == Shape::Closed) || rows.is_empty())
        );
        if rows.is_empty() {
            return Ok(());
        }
        self.taken = None;
        let mut start = rows.start;
        if self.held.columns.len() == 0 {
            // Leaves are cut from the run as it lies.
            start = self.cut(out, run, rows.clone(), Tail::Held)?;
        }
        while start < rows.end {
            // No more at once than makes some leaves: what is held stays small.
            let end = start + self.ahead(run, start..rows.end).rows;
            self.held.append(run, start..end);
            start = end;
            self.cut_held(out, Tail::Held)?;
        }
        Ok(())
    }

    /// Takes a leaf of an older tree over as it is; its keys are above all before. A small one, or one after few rows,
    /// is read and joined with its neighbours instead: `load` gives its rows.
    pub(crate) fn reuse(
        &mut self,
        out: &mut Writer<'_>,
        stop: &Stop,
        load: &mut dyn FnMut() -> Result<Run>,
    ) -> Result<()> {
        let held = self.held.columns.len();
        let few_held = held > 0 && self.fullness(self.held.all()) < 0.5;
        if few_held || self.is_small(&stop.entry) {
            let run = load()?;
            self.rows(out, &run, 0..run.len())?;
            self.taken = (held == 0 && self.held.columns.len() == run.len()).then(|| stop.clone());
            return Ok(());
        }
        self.cut_held(out, Tail::Even)?;
        self.place(out, stop, load)
    }

    /// Appends a leaf that is no run of rows: a tree of something else has only such.
    pub(crate) fn entry(&mut self, out: &mut Writer<'_>, entry: Entry, key: &[u8]) -> Result<()> {
        self.spine.push(out, entry, key)
    }

    /// Cuts what is left, and writes the directories. Nothing is durable before [`Writer::flush`].
    pub(crate) fn finish(mut self, out: &mut Writer<'_>) -> Result<Tree> {
        self.cut_held(out, Tail::Rest)?;
        self.spine.finish(out)
    }

    /// How many leaves these rows are worth, nearly.
    fn fullness(&self, stretch: Stretch) -> f64 {
        let by_bytes = stretch.weight as f64 * self.ratio / self.leaf_bytes as f64;
        by_bytes.max(stretch.rows as f64 / MAX_LEAF_ROWS as f64)
    }

    fn is_small(&self, leaf: &Entry) -> bool {
        leaf.bytes < self.leaf_bytes as u64 / 2 && leaf.rows < MAX_LEAF_ROWS as u64 / 2
    }

    /// Takes an old leaf over.
    fn place(
        &mut self,
        out: &mut Writer<'_>,
        stop: &Stop,
        load: &mut dyn FnMut() -> Result<Run>,
    ) -> Result<()> {
        if self.anew {
            let run = load()?;
            let lower = self.lower_key(out, &run, 0)?;
            self.before = Before::Last(self.key_of(&run, run.len() - 1));
            return self.spine.push(out, stop.entry, &lower);
        }
        let lower = stop.lower();
        let parts = match &self.before {
            Before::Nothing => false,
            Before::Last(last) => last.as_slice() < lower,
            Before::Below(bound) => bound.as_slice() <= lower,
            Before::Unknown => false,
        };
        if parts {
            self.spine.push(out, stop.entry, lower)?;
        } else if matches!(self.before, Before::Nothing) {
            self.spine.push(out, stop.entry, &[])?;
        } else {
            // Rows came in below the leaf's first and above its old lower key.
            let lower = self.lower_key(out, &load()?, 0)?;
            self.spine.push(out, stop.entry, &lower)?;
        }
        self.before = stop.upper().map_or(Before::Unknown, |upper| Before::Below(upper.to_vec()));
        Ok(())
    }

    /// A short key that parts a row from all before it.
    fn lower_key(&self, out: &Writer<'_>, run: &Run, row: usize) -> Result<Vec<u8>> {
        let first = self.key_of(run, row);
        match &self.before {
            Before::Nothing => return Ok(Vec::new()),
            Before::Last(last) if *last >= first => return Err(out.refused("its rows are not in order")),
            Before::Last(last) => return Ok(key::separator(last, &first).to_vec()),
            Before::Below(bound) if *bound <= first => return Ok(bound.clone()),
            Before::Below(_) | Before::Unknown => {}
        }
        Ok(first)
    }

    fn key_of(&self, run: &Run, row: usize) -> Vec<u8> {
        let mut key = Vec::new();
        key::of_row(run, row, self.shape, &mut key);
        key
    }

    fn cut_held(&mut self, out: &mut Writer<'_>, tail: Tail) -> Result<()> {
        if let Some(stop) = self.taken.take_if(|_| tail != Tail::Held) {
            let run = std::mem::take(&mut self.held).into_run(self.order);
            let mut run = Some(run);
            return self.place(out, &stop, &mut || Ok(run.take().expect("a leaf is looked at once")));
        }
        let all = self.held.all();
        if all.rows == 0 || (tail == Tail::Held && self.fullness(all) < 2.0) {
            return Ok(());
        }
        let run = std::mem::take(&mut self.held).into_run(self.order);
        let start = self.cut(out, &run, 0..run.len(), tail)?;
        self.held.append(&run, start..run.len());
        Ok(())
    }

    /// Cuts leaves off the front of some rows; gives the first row that is in none.
    fn cut(&mut self, out: &mut Writer<'_>, run: &Run, rows: Range<usize>, tail: Tail) -> Result<usize> {
        let mut start = rows.start;
        while start < rows.end {
            let leaves = self.fullness(self.ahead(run, start..rows.end));
            let wanted = match tail {
                Tail::Held if leaves < 2.0 => break,
                Tail::Even if (1.0..2.0).contains(&leaves) => leaves / 2.0,
                Tail::Even if leaves < 1.0 => 1.0,
                Tail::Rest if leaves < 1.0 => 1.0,
                _ => MEANT,
            };
            start = self.cut_one(out, run, start..rows.end, wanted, tail)?;
        }
        Ok(start)
    }

    /// The first rows, as far as they have to be looked at to know that they are worth more than two leaves.
    fn ahead(&self, run: &Run, rows: Range<usize>) -> Stretch {
        let enough = self.weight_of(3.0);
        let mut stretch = Stretch { rows: 0, weight: 0 };
        for row in rows.take(3 * MAX_LEAF_ROWS) {
            stretch = Stretch { rows: stretch.rows + 1, weight: stretch.weight + weight(run, row) };
            if stretch.weight >= enough {
                break;
            }
        }
        stretch
    }

    /// The weight of so many leaves.
    fn weight_of(&self, leaves: f64) -> usize {
        ((leaves * self.leaf_bytes as f64 / self.ratio) as usize).max(1)
    }

    /// Cuts one leaf off the front of some rows, as full as is wanted or nearly; gives the row after it. If all rows
    /// turn out to make no full leaf and may wait for more, they do.
    fn cut_one(
        &mut self,
        out: &mut Writer<'_>,
        run: &Run,
        rows: Range<usize>,
        wanted: f64,
        tail: Tail,
    ) -> Result<usize> {
        let most = rows.end.min(rows.start + MAX_LEAF_ROWS);
        let (mut fits, mut too_many) = (None::<(usize, Vec<u8>)>, most + 1 - rows.start);
        for guess in 0.. {
            let least = fits.as_ref().map_or(1, |(count, _)| count + 1);
            if least >= too_many || (fits.is_some() && guess >= GUESSES) {
                break;
            }
            let weighed = fitting(run, rows.start..most, self.weight_of(wanted));
            // A guess that does not get better is halved instead.
            let count = if guess < GUESSES { weighed.clamp(least, too_many - 1) } else { too_many / 2 };
            let frame = self.seal(out, run, rows.start..rows.start + count)?;
            let weight: usize = (rows.start..rows.start + count).map(|row| weight(run, row)).sum();
            self.ratio = frame.len() as f64 / weight as f64;
            let filled = frame.len() as f64 / self.leaf_bytes as f64;
            if filled <= 1.0 || count == 1 {
                fits = Some((count, frame));
                if filled >= ENOUGH * wanted.min(1.0) {
                    break;
                }
            } else {
                too_many = count;
            }
        }
        let (count, frame) = fits.expect("one row is a leaf of any size");
        let is_full = count == MAX_LEAF_ROWS || frame.len() as f64 >= ENOUGH * self.leaf_bytes as f64;
        if tail == Tail::Held && count == rows.len() && !is_full {
            return Ok(rows.start);
        }
        let rows = rows.start..rows.start + count;
        self.put(out, run, rows.clone(), frame)?;
        Ok(rows.end)
    }

    fn seal(&self, out: &Writer<'_>, run: &Run, rows: Range<usize>) -> Result<Vec<u8>> {
        let mut payload = Vec::with_capacity(2 * self.leaf_bytes);
        leaf::encode(run, rows, self.shape, &mut payload);
        frame::seal(self.shape.kind(), LEAF_VERSION, out.database, &payload)
    }

    fn put(&mut self, out: &mut Writer<'_>, run: &Run, rows: Range<usize>, frame: Vec<u8>) -> Result<()> {
        let lower = self.lower_key(out, run, rows.start)?;
        self.before = Before::Last(self.key_of(run, rows.end - 1));
        let (bytes, zone, count) = (frame.len() as u64, Zone::of(run, rows.clone()), rows.len() as u64);
        out.rows += count;
        let entry = Entry { name: out.add(frame)?, rows: count, leaves: 1, zone, bytes };
        self.spine.push(out, entry, &lower)
    }
}

/// What becomes of the rows after the last full leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tail {
    /// They wait for more.
    Held,
    /// They share the last leaves evenly: what follows them stays as it is.
    Even,
    /// They are the last leaf: more may follow some day.
    Rest,
}

/// What a row adds to the bytes of a leaf, in a guess.
fn weight(run: &Run, row: usize) -> usize {
    ROW_WEIGHT + run.rows.heap_bytes(row)
}

/// How many rows weigh no more than this.
fn fitting(run: &Run, rows: Range<usize>, most: usize) -> usize {
    let mut sum = 0;
    rows.take_while(|row| {
        sum += weight(run, *row);
        sum <= most
    })
    .count()
}

impl Held {
    fn append(&mut self, run: &Run, rows: Range<usize>) {
        self.weight += rows.clone().map(|row| weight(run, row)).sum::<usize>();
        let start = self.columns.len();
        self.columns.extend(&run.rows, rows.clone(), 0);
        for row in rows.clone().filter(|row| !run.rows.tag[*row].is_fixed()) {
            self.columns.word[start + row - rows.start] = self.value(run, run.rows.word[row]);
        }
    }

    /// Takes over the value a word of a run points at; gives the word that points at it here.
    fn value(&mut self, run: &Run, word: i64) -> i64 {
        let (start, length) = ((word as u64 >> 32) as usize, word as u32 as usize);
        let is_new = |here: &mut Held| {
            here.heap.extend_from_slice(&run.heap[start..start + length]);
            heap_word(here.heap.len() - length, length)
        };
        if length < LONG_BYTES {
            return is_new(self);
        }
        let known = self.heaps.iter().rposition(|heap| Arc::ptr_eq(heap, &run.heap));
        let heap = known.unwrap_or_else(|| {
            self.heaps.push(Arc::clone(&run.heap));
            self.heaps.len() - 1
        });
        if let Some(moved) = self.moved.get(&(heap, word)) {
            return *moved;
        }
        let moved = is_new(self);
        self.moved.insert((heap, word), moved);
        moved
    }

    fn all(&self) -> Stretch {
        Stretch { rows: self.columns.len(), weight: self.weight }
    }

    fn into_run(self, order: Order) -> Run {
        Run::new(order, self.columns, Arc::new(self.heap))
    }
}
