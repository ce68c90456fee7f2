//! From stretches of rows to batches for the sink.
//!
//! Long stretches are handed on as slices of the run's own columns. Short and sifted ones are copied together until
//! a batch is full. Copied rows keep pointing into the heap of the run they came from, as long as all come from one;
//! only when rows of a second heap join them are the values themselves copied.
//!
//! Nothing here borrows the rows that were handed in, so that they may come from leaves that live for a moment.

use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use super::Sink;
use super::access::Sieve;
use super::era::Era;
use crate::datom::columns::{heap_word, value_at};
use crate::datom::{Batch, Col, Pattern, T, Tag, ValueCol, ValueRef};
use crate::error::{Error, Result};
use crate::run::Run;
use crate::run::lanes::Lane;

/// From this many rows on, a stretch is a batch of its own.
const LONG_STRETCH: usize = 512;
/// A scan of so few rows is handed on as it lies.
const FEW_ROWS: usize = 16;

/// Why a scan ends before its rows do.
#[derive(Debug)]
pub(super) enum Halt {
    /// The sink has enough.
    Enough,
    /// Rows could not be read.
    Failed(Error),
}

/// Whether to go on.
pub(super) type Flow = Result<(), Halt>;

impl From<Error> for Halt {
    fn from(error: Error) -> Halt {
        Halt::Failed(error)
    }
}

/// How a scan ended, for whoever asked for it: that the sink had enough is no failure.
pub(super) fn outcome(flow: Flow) -> Result<()> {
    match flow {
        Ok(()) | Err(Halt::Enough) => Ok(()),
        Err(Halt::Failed(error)) => Err(error),
    }
}

/// Hands rows to a sink.
pub(super) struct Emit<'s> {
    sink: Sink<'s>,
    /// What the pattern says all rows have.
    e: Option<u64>,
    a: Option<u32>,
    gathered: Gathered,
    picked: Vec<u32>,
    few: bool,
    /// Rows that are gathered before they are handed on.
    most: usize,
}

impl<'s> Emit<'s> {
    /// To a sink, rows of a pattern.
    pub(super) fn new(sink: Sink<'s>, pattern: &Pattern<'_>) -> Emit<'s> {
        let (e, a) = (pattern.e.map(|e| e.0), pattern.a.map(|a| a.0));
        let gathered = Gathered { no_e: e.is_some(), no_a: a.is_some(), ..Gathered::default() };
        Emit { sink, e, a, gathered, picked: Vec::new(), few: false, most: Batch::MAX_ROWS }
    }

    /// The same, handing rows on when some are gathered: for sinks that mostly break soon.
    pub(super) fn in_batches_of(self, rows: usize) -> Emit<'s> {
        Emit { most: rows.min(Batch::MAX_ROWS), ..self }
    }

    /// Says whether the stretches to come are so few that none is worth copying.
    pub(super) fn expect_few(&mut self, few: bool) {
        self.few = few;
    }

    /// Open rows, as far as they pass the sieve and the window of time.
    pub(super) fn open(
        &mut self,
        lane: &Lane<'_>,
        rows: Range<usize>,
        sieve: &Sieve<'_>,
        era: &Era<'_>,
    ) -> Flow {
        let run = lane.run;
        if lane.in_time && sieve.is_open() {
            return self.stretch(run, rows);
        }
        let passes = |row: usize| {
            (lane.in_time || era.shows(run.rows.from[row])) && (sieve.is_open() || sieve.admits(run, row))
        };
        for part in parts(rows) {
            self.sift(run, part, &passes)?;
        }
        Ok(())
    }

    /// Closed rows: what of each the view shows.
    pub(super) fn closed(&mut self, run: &Run, rows: Range<usize>, sieve: &Sieve<'_>, era: &Era<'_>) -> Flow {
        let open = sieve.is_open();
        for part in parts(rows) {
            if !era.history {
                let columns = &run.rows;
                let passes = |row: usize| {
                    era.shows_closed(columns.from[row], columns.to[row]).0 && (open || sieve.admits(run, row))
                };
                self.sift(run, part, &passes)?;
                continue;
            }
            for row in part.filter(|row| open || sieve.admits(run, *row)) {
                let (from, to) = (run.rows.from[row], run.rows.to[row]);
                let (asserted, retracted) = era.shows_closed(from, to);
                if asserted {
                    self.datom(run, row, from, true)?;
                }
                if retracted {
                    self.datom(run, row, to, false)?;
                }
            }
        }
        Ok(())
    }

    /// One datom, at a time and of an operation that the row itself does not tell.
    pub(super) fn datom(&mut self, run: &Run, row: usize, t: T, added: bool) -> Flow {
        self.room_for(1)?;
        self.gathered.push(run, row, t, added);
        Ok(())
    }

    /// The rows of at most a batch that pass.
    fn sift(&mut self, run: &Run, rows: Range<usize>, passes: &impl Fn(usize) -> bool) -> Flow {
        if rows.len() <= FEW_ROWS && self.gathered.len() == 0 {
            return rows.filter(|row| passes(*row)).try_for_each(|row| self.slice(run, row..row + 1));
        }
        // Without branches: a row is written in any case, and kept if it passes.
        self.picked.clear();
        self.picked.resize(rows.len(), 0);
        let mut kept = 0;
        for row in rows.clone() {
            self.picked[kept] = row as u32;
            kept += usize::from(passes(row));
        }
        if kept == rows.len() {
            return self.stretch(run, rows);
        }
        self.room_for(kept)?;
        self.gathered.pick(run, &self.picked[..kept]);
        Ok(())
    }

    /// Rows as they are.
    fn stretch(&mut self, run: &Run, rows: Range<usize>) -> Flow {
        if rows.len() >= LONG_STRETCH || self.few {
            self.flush()?;
            return parts(rows).try_for_each(|part| self.slice(run, part));
        }
        self.room_for(rows.len())?;
        self.gathered.extend(run, rows);
        Ok(())
    }

    fn slice(&mut self, run: &Run, rows: Range<usize>) -> Flow {
        let columns = &run.rows;
        let flow = (self.sink)(&Batch {
            len: rows.len(),
            e: self.e.map_or(Col::Each(&columns.e[rows.clone()]), Col::Const),
            a: self.a.map_or_else(|| constant(&columns.a[rows.clone()]), Col::Const),
            v: ValueCol {
                tags: constant(&columns.tag[rows.clone()]),
                words: Col::Each(&columns.word[rows.clone()]),
                heap: &run.heap,
            },
            t: Col::Each(&columns.from[rows]),
            added: Col::Const(true),
        });
        go_on(flow)
    }

    /// Flushes if there is no room for so many more rows, at most a batch.
    fn room_for(&mut self, rows: usize) -> Flow {
        if self.gathered.len() + rows > self.most { self.flush() } else { Ok(()) }
    }

    /// Hands on what was gathered.
    pub(super) fn flush(&mut self) -> Flow {
        if self.gathered.len() == 0 {
            return Ok(());
        }
        let rows = &self.gathered;
        let flow = (self.sink)(&Batch {
            len: rows.len(),
            e: self.e.map_or(Col::Each(&rows.e), Col::Const),
            a: self.a.map_or_else(|| constant(&rows.a), Col::Const),
            v: ValueCol { tags: constant(&rows.tag), words: Col::Each(&rows.word), heap: rows.heap() },
            t: Col::Each(&rows.t),
            added: constant(&rows.added),
        });
        self.gathered.clear();
        go_on(flow)
    }
}

fn go_on(flow: ControlFlow<()>) -> Flow {
    if flow.is_continue() { Ok(()) } else { Err(Halt::Enough) }
}

/// Rows in pieces of at most a batch.
fn parts(rows: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let end = rows.end;
    rows.step_by(Batch::MAX_ROWS).map(move |start| start..(start + Batch::MAX_ROWS).min(end))
}

/// A column, by its one value if it has only one. Rows are never none.
fn constant<V: Copy + PartialEq>(column: &[V]) -> Col<'_, V> {
    let first = column[0];
    let ends = first == column[column.len() - 1];
    // No early way out, so that the compiler compares many at once.
    if ends && column.iter().fold(true, |same, v| same & (*v == first)) {
        Col::Const(first)
    } else {
        Col::Each(column)
    }
}

/// Whose heap the gathered rows point into.
#[derive(Default)]
enum Heap {
    #[default]
    Nobodys,
    Shared(Arc<Vec<u8>>),
    Own(Vec<u8>),
}

/// Rows copied together. Of an entity or attribute that all rows have there is no column.
#[derive(Default)]
struct Gathered {
    no_e: bool,
    no_a: bool,
    e: Vec<u64>,
    a: Vec<u32>,
    tag: Vec<Tag>,
    word: Vec<i64>,
    t: Vec<T>,
    added: Vec<bool>,
    heap: Heap,
}

impl Gathered {
    fn len(&self) -> usize {
        self.t.len()
    }

    fn heap(&self) -> &[u8] {
        match &self.heap {
            Heap::Nobodys => &[],
            Heap::Shared(heap) => heap,
            Heap::Own(heap) => heap,
        }
    }

    fn clear(&mut self) {
        self.e.clear();
        self.a.clear();
        self.tag.clear();
        self.word.clear();
        self.t.clear();
        self.added.clear();
        self.heap = Heap::Nobodys;
    }

    fn push(&mut self, run: &Run, row: usize, t: T, added: bool) {
        let rows = &run.rows;
        if !self.no_e {
            self.e.push(rows.e[row]);
        }
        if !self.no_a {
            self.a.push(rows.a[row]);
        }
        self.tag.push(rows.tag[row]);
        self.word.push(rows.word[row]);
        self.t.push(t);
        self.added.push(added);
        self.adopt(&run.heap, self.len() - 1);
    }

    fn extend(&mut self, run: &Run, range: Range<usize>) {
        if range.len() == 1 {
            return self.push(run, range.start, run.rows.from[range.start], true);
        }
        let (rows, start) = (&run.rows, self.len());
        if !self.no_e {
            self.e.extend_from_slice(&rows.e[range.clone()]);
        }
        if !self.no_a {
            self.a.extend_from_slice(&rows.a[range.clone()]);
        }
        self.tag.extend_from_slice(&rows.tag[range.clone()]);
        self.word.extend_from_slice(&rows.word[range.clone()]);
        self.t.extend_from_slice(&rows.from[range]);
        self.added.resize(self.len(), true);
        self.adopt(&run.heap, start);
    }

    fn pick(&mut self, run: &Run, picked: &[u32]) {
        fn copy<V: Copy>(into: &mut Vec<V>, column: &[V], picked: &[u32]) {
            into.extend(picked.iter().map(|row| column[*row as usize]));
        }
        let (rows, start) = (&run.rows, self.len());
        if !self.no_e {
            copy(&mut self.e, &rows.e, picked);
        }
        if !self.no_a {
            copy(&mut self.a, &rows.a, picked);
        }
        copy(&mut self.tag, &rows.tag, picked);
        copy(&mut self.word, &rows.word, picked);
        copy(&mut self.t, &rows.from, picked);
        self.added.resize(self.len(), true);
        self.adopt(&run.heap, start);
    }

    /// Makes the variable values from row `start` on, which point into `theirs`, point into our heap.
    fn adopt(&mut self, theirs: &Arc<Vec<u8>>, start: usize) {
        if let Heap::Shared(ours) = &self.heap
            && Arc::ptr_eq(ours, theirs)
        {
            return;
        }
        if self.tag[start..].iter().all(|tag| tag.is_fixed()) {
            return;
        }
        match &mut self.heap {
            Heap::Nobodys => self.heap = Heap::Shared(Arc::clone(theirs)),
            Heap::Shared(ours) => {
                let mut heap = Vec::new();
                copy_values(&self.tag[..start], &mut self.word[..start], ours, &mut heap);
                copy_values(&self.tag[start..], &mut self.word[start..], theirs, &mut heap);
                self.heap = Heap::Own(heap);
            }
            Heap::Own(heap) => copy_values(&self.tag[start..], &mut self.word[start..], theirs, heap),
        }
    }
}

fn copy_values(tags: &[Tag], words: &mut [i64], source: &[u8], heap: &mut Vec<u8>) {
    for (tag, word) in tags.iter().zip(words) {
        if let ValueRef::Variable(_, code) = value_at(*tag, *word, source) {
            *word = heap_word(heap.len(), code.len());
            heap.extend_from_slice(code);
        }
    }
}
