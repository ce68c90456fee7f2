//! Facts that a pattern has found become columns.
//!
//! An [`Emitter`] knows which places of the pattern become columns, which must agree with each other or with a
//! constant that could not be asked for, and which row of the table each fact belongs to.

use annals_storage::datom::{AttrId, Batch, Col, EntityId, Tag};

use super::batch::Table;
use super::budget::{Meter, STRIDE};
use super::column::{CELL_BYTES, Cell, Column, ColumnBuilder, Kind};
use super::pool::Pool;
use crate::error::{Error, Result};
use crate::plan::{Match, Place, VarId};
use crate::source::Flow;

/// What a place of a pattern is, once it is known which variables have values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Slot {
    /// A constant.
    Const(Cell),
    /// The column of the table so far.
    Bound(usize),
    /// A variable that gets its value here.
    New(VarId),
    /// The same variable as an earlier place.
    Same(usize),
    /// Anything.
    Free,
}

/// The slots of a pattern beside a table.
pub fn slots(goal: &Match, table: &Table) -> [Slot; 5] {
    let mut slots = [Slot::Free; 5];
    for (at, slot) in slots.iter_mut().enumerate() {
        *slot = match goal.places[at] {
            Place::Const(cell) => Slot::Const(cell),
            Place::Blank => Slot::Free,
            Place::Var(var) => match table.position(var) {
                Some(column) => Slot::Bound(column),
                None => match (0..at).find(|before| goal.places[*before] == Place::Var(var)) {
                    Some(before) => Slot::Same(before),
                    None => Slot::New(var),
                },
            },
        };
    }
    slots
}

/// The cell of a place of a fact, if the query has met its value.
pub fn cell(batch: &Batch<'_>, place: usize, row: usize, pool: &Pool) -> Option<Cell> {
    Some(match place {
        0 => Cell::long(batch.e.get(row) as i64),
        1 => Cell::long(attribute_word(batch.a.get(row))),
        2 => return pool.find(batch.v.get(row)),
        3 => Cell::long(transaction_word(batch.t.get(row))),
        _ => Cell::boolean(batch.added.get(row)),
    })
}

fn attribute_word(a: u32) -> i64 {
    AttrId(a).entity().0 as i64
}

fn transaction_word(t: u64) -> i64 {
    EntityId::of_t(t).0 as i64
}

/// What a fact takes beside its cells: the number of the row it belongs to.
const ROW_BYTES: usize = 4;

/// For so many facts room is made beforehand, at most.
const MOST_EXPECTED: usize = 1 << 22;

/// How many words of a batch are remembered with their cells.
const KNOWN: usize = 64;

/// Collects facts as columns beside the rows they belong to.
pub struct Emitter<'b> {
    meter: &'b Meter,
    outputs: Vec<(usize, VarId, ColumnBuilder)>,
    /// Places that must be equal to an earlier one or to a constant.
    checks: Vec<(usize, Slot)>,
    /// For each fact, the row of the table it belongs to.
    pub left: Vec<u32>,
    hits: Vec<u32>,
    /// How many facts there are when the budget is next asked for room.
    next: usize,
    /// How many facts were handed on already.
    passed: usize,
    failed: Option<Error>,
}

impl<'b> Emitter<'b> {
    /// For a pattern with these slots whose variables in `live` are wanted.
    pub fn new(slots: &[Slot; 5], live: &[VarId], meter: &'b Meter) -> Emitter<'b> {
        let mut outputs = Vec::new();
        let mut checks = Vec::new();
        for (at, slot) in slots.iter().enumerate() {
            match slot {
                Slot::New(var) if live.contains(var) => outputs.push((at, *var, ColumnBuilder::default())),
                Slot::Same(_) => checks.push((at, *slot)),
                // Entity, attribute, transaction and added are always asked for; a value only if its type is known.
                Slot::Const(_) if at == 2 => checks.push((at, *slot)),
                _ => {}
            }
        }
        Emitter {
            meter,
            outputs,
            checks,
            left: Vec::new(),
            hits: Vec::new(),
            next: 0,
            passed: 0,
            failed: None,
        }
    }

    /// Makes room for so many facts, if all that are found are taken.
    pub fn expect(&mut self, facts: u64) {
        let facts = usize::try_from(facts).unwrap_or(usize::MAX).min(MOST_EXPECTED);
        if self.checks.is_empty() {
            self.left.reserve(facts);
            self.outputs.iter_mut().for_each(|(_, _, builder)| builder.reserve(facts));
        }
    }

    /// Says that the scan answers for the constant value, so that it need not be compared.
    pub fn value_is_asked_for(&mut self) {
        self.checks.retain(|(at, slot)| *at != 2 || !matches!(slot, Slot::Const(_)));
    }

    /// Compares the value with this cell too, or no longer.
    pub fn check_value(&mut self, cell: Option<Cell>) {
        self.checks.retain(|(at, slot)| *at != 2 || !matches!(slot, Slot::Const(_)));
        self.checks.extend(cell.map(|cell| (2, Slot::Const(cell))));
    }

    /// True if this fact agrees with what was not asked of the scan.
    pub fn admits(&self, batch: &Batch<'_>, row: usize, pool: &Pool) -> bool {
        self.checks.iter().all(|(at, slot)| {
            let Some(found) = cell(batch, *at, row, pool) else { return false };
            match slot {
                Slot::Const(want) => found == *want,
                // The first place may hold a value that is met here for the first time.
                Slot::Same(before) if *at == 2 || *before == 2 => same_value(batch, *before, *at, row, pool),
                Slot::Same(before) => cell(batch, *before, row, pool) == Some(found),
                _ => true,
            }
        })
    }

    /// Takes every admitted fact of a batch, for one row of the table.
    pub fn take_all(&mut self, batch: &Batch<'_>, left: u32, pool: &mut Pool) -> Flow {
        if self.checks.is_empty() {
            self.left.resize(self.left.len() + batch.len, left);
            return self.append(batch, Hits::All(batch.len), pool);
        }
        let mut hits = std::mem::take(&mut self.hits);
        hits.clear();
        hits.extend((0..batch.len as u32).filter(|row| self.admits(batch, *row as usize, pool)));
        self.left.resize(self.left.len() + hits.len(), left);
        let flow = self.take(batch, &hits, pool);
        self.hits = hits;
        flow
    }

    /// Takes these facts of a batch; the caller has noted the rows they belong to in `left`.
    pub fn take(&mut self, batch: &Batch<'_>, hits: &[u32], pool: &mut Pool) -> Flow {
        // Hits mostly ascend without repeats; then as many as there are rows are all of them, if the ends are.
        let all = hits.len() == batch.len && hits.iter().enumerate().all(|(at, row)| at == *row as usize);
        self.append(batch, if all { Hits::All(batch.len) } else { Hits::Some(hits) }, pool)
    }

    /// Takes those of the facts that were found for rows from `start` of `left` on which agree with what was not asked.
    pub fn take_admitted(
        &mut self,
        batch: &Batch<'_>,
        hits: &mut Vec<u32>,
        start: usize,
        pool: &mut Pool,
    ) -> Flow {
        if !self.checks.is_empty() {
            let mut kept = 0;
            for at in 0..hits.len() {
                if self.admits(batch, hits[at] as usize, pool) {
                    hits[kept] = hits[at];
                    self.left[start + kept] = self.left[start + at];
                    kept += 1;
                }
            }
            hits.truncate(kept);
            self.left.truncate(start + kept);
        }
        self.take(batch, hits, pool)
    }

    /// Takes those facts of a batch which agree with what was not asked; they are of the rows from `first` on, one each.
    pub fn take_in_step(&mut self, batch: &Batch<'_>, first: usize, pool: &mut Pool) -> Flow {
        let (start, first) = (self.left.len(), first as u32);
        self.left.extend(first..first + batch.len as u32);
        if self.checks.is_empty() {
            return self.append(batch, Hits::All(batch.len), pool);
        }
        let mut hits = std::mem::take(&mut self.hits);
        hits.clear();
        hits.extend(0..batch.len as u32);
        let flow = self.take_admitted(batch, &mut hits, start, pool);
        self.hits = hits;
        flow
    }

    /// Nothing more is taken, because of this.
    pub fn fail(&mut self, error: Error) -> Flow {
        self.failed = Some(error);
        Flow::Break(())
    }

    fn append(&mut self, batch: &Batch<'_>, hits: Hits<'_>, pool: &mut Pool) -> Flow {
        for (place, _, builder) in &mut self.outputs {
            append(builder, *place, batch, hits, pool);
        }
        let outcome = if self.left.len() >= self.next {
            self.next = self.left.len() + STRIDE;
            let bytes = ROW_BYTES + self.outputs.len() * CELL_BYTES;
            let all = self.meter.check(self.passed + self.left.len());
            all.and_then(|()| self.meter.room_and(self.left.len(), bytes, pool.new_bytes()))
        } else {
            self.meter.ticks(batch.len)
        };
        match outcome {
            Ok(()) => Flow::Continue(()),
            Err(error) => self.fail(error),
        }
    }

    /// What was collected so far, as [`Emitter::finish`] gives it; what follows is collected anew, with room for so
    /// many facts.
    pub fn part(&mut self, room: usize) -> (Vec<u32>, Vec<VarId>, Vec<Column>) {
        self.passed += self.left.len();
        self.next = 0;
        let part = |(_, var, builder): &mut (usize, VarId, ColumnBuilder)| {
            let mut next = ColumnBuilder::default();
            next.reserve(room);
            (*var, std::mem::replace(builder, next).finish())
        };
        let (vars, columns) = self.outputs.iter_mut().map(part).unzip();
        (std::mem::replace(&mut self.left, Vec::with_capacity(room)), vars, columns)
    }

    /// What was collected, as columns, and the rows they belong to.
    pub fn finish(self) -> Result<(Vec<u32>, Vec<VarId>, Vec<Column>)> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let (vars, columns) =
            self.outputs.into_iter().map(|(_, var, builder)| (var, builder.finish())).unzip();
        Ok((self.left, vars, columns))
    }

    /// True if the budget is used up and nothing more should be scanned.
    pub fn has_failed(&self) -> bool {
        self.failed.is_some()
    }
}

/// True if two places of a fact, one of them the value, hold one value.
fn same_value(batch: &Batch<'_>, one: usize, other: usize, row: usize, pool: &Pool) -> bool {
    let fixed = |place: usize| match place {
        2 if !batch.v.tags.get(row).is_fixed() => None,
        place => cell(batch, place, row, pool),
    };
    matches!((fixed(one), fixed(other)), (Some(x), Some(y)) if x == y)
}

/// Which rows of a batch are taken.
#[derive(Clone, Copy)]
enum Hits<'h> {
    /// All of so many.
    All(usize),
    /// These.
    Some(&'h [u32]),
}

impl Hits<'_> {
    fn len(self) -> usize {
        match self {
            Hits::All(rows) => rows,
            Hits::Some(rows) => rows.len(),
        }
    }

    fn for_each(self, mut take: impl FnMut(usize)) {
        match self {
            Hits::All(rows) => (0..rows).for_each(take),
            Hits::Some(rows) => rows.iter().for_each(|row| take(*row as usize)),
        }
    }
}

fn append(builder: &mut ColumnBuilder, place: usize, batch: &Batch<'_>, hits: Hits<'_>, pool: &mut Pool) {
    match place {
        0 => extend(builder, Kind::LONG, &batch.e, hits, |e| e as i64),
        1 => extend(builder, Kind::LONG, &batch.a, hits, attribute_word),
        3 => extend(builder, Kind::LONG, &batch.t, hits, transaction_word),
        4 => extend(builder, Kind::BOOLEAN, &batch.added, hits, i64::from),
        _ => match batch.v.tags {
            Col::Const(tag) if tag.is_fixed() => {
                extend(builder, Kind::of(tag), &batch.v.words, hits, |word| word)
            }
            // A tuple may be a value of more than one kind.
            Col::Const(tag) if tag != Tag::Tuple => {
                // Equal texts of a leaf are mostly one piece of its memory: the same word is the same value.
                let mut known: [Option<(i64, i64)>; KNOWN] = [None; KNOWN];
                let mut word = |row: usize| {
                    let word = batch.v.words.get(row);
                    let slot = &mut known[(word as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) as usize >> 58];
                    match slot {
                        Some((same, cell)) if *same == word => *cell,
                        _ => slot.insert((word, pool.intern(batch.v.get(row)).word)).1,
                    }
                };
                match hits {
                    Hits::All(rows) => builder.extend(Kind::of(tag), (0..rows).map(word)),
                    Hits::Some(rows) => {
                        builder.extend(Kind::of(tag), rows.iter().map(|row| word(*row as usize)));
                    }
                }
            }
            _ => hits.for_each(|row| builder.push(pool.intern(batch.v.get(row)))),
        },
    }
}

fn extend<V: Copy>(
    builder: &mut ColumnBuilder,
    kind: Kind,
    column: &Col<'_, V>,
    hits: Hits<'_>,
    word: impl Fn(V) -> i64,
) {
    match (column, hits) {
        (Col::Const(v), _) => builder.extend(kind, std::iter::repeat_n(word(*v), hits.len())),
        (Col::Each(vs), Hits::All(rows)) => builder.extend(kind, vs[..rows].iter().map(|v| word(*v))),
        (Col::Each(vs), Hits::Some(rows)) => {
            builder.extend(kind, rows.iter().map(|row| word(vs[*row as usize])));
        }
    }
}
