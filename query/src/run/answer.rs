//! The end of a run: cells become EDN values, a row at a time.
//!
//! Only here are numbers of the pool made values again. A text that stands in many rows is made once.

use super::batch::Table;
use super::budget::{Meter, STRIDE};
use super::column::{Cell, Column, Kind};
use super::pool::Pool;
use crate::edn::Edn;
use crate::error::Result;
use crate::plan::Place;

/// The values of a table over these places, row by row, one after the other.
pub fn values(table: &Table, places: &[Place], pool: &Pool, meter: &Meter) -> Result<Vec<Edn>> {
    let mut readers: Vec<Reader<'_>> = places.iter().map(|place| Reader::of(*place, table, pool)).collect();
    let mut all: Vec<Edn> = Vec::with_capacity(table.rows * places.len());
    for from in (0..table.rows).step_by(STRIDE) {
        meter.check(0)?;
        let range = from..table.rows.min(from + STRIDE);
        match readers.as_mut_slice() {
            [Reader::Longs(words)] => all.extend(words[range].iter().map(|word| Edn::Int(*word))),
            readers => {
                for row in range {
                    all.extend(readers.iter_mut().map(|reader| reader.value(row)));
                }
            }
        }
    }
    Ok(all)
}

/// Where the values of a place come from.
enum Reader<'t> {
    /// Integers.
    Longs(&'t [i64]),
    /// Cells of any kinds.
    Cells(&'t Column, Values<'t>),
    /// One value in every row.
    Same(Edn),
}

impl<'t> Reader<'t> {
    fn of(place: Place, table: &'t Table, pool: &'t Pool) -> Reader<'t> {
        match place {
            Place::Var(var) => match table.column(var).as_words() {
                Some((Kind::LONG, words)) => Reader::Longs(words),
                _ => Reader::Cells(table.column(var), Values::new(pool)),
            },
            Place::Const(cell) => Reader::Same(pool.edn(cell)),
            Place::Blank => Reader::Same(Edn::Nil),
        }
    }

    #[inline]
    fn value(&mut self, row: usize) -> Edn {
        match self {
            Reader::Longs(words) => Edn::Int(words[row]),
            Reader::Cells(column, values) => values.get(column.get(row)),
            Reader::Same(value) => value.clone(),
        }
    }
}

/// The rows of a table over these places.
pub fn rows(table: &Table, places: &[Place], pool: &Pool, meter: &Meter) -> Result<Vec<Vec<Edn>>> {
    let mut readers: Vec<Reader<'_>> = places.iter().map(|place| Reader::of(*place, table, pool)).collect();
    let mut rows: Vec<Vec<Edn>> = Vec::with_capacity(table.rows);
    for from in (0..table.rows).step_by(STRIDE) {
        meter.check(0)?;
        let range = from..table.rows.min(from + STRIDE);
        rows.extend(range.map(|row| readers.iter_mut().map(|reader| reader.value(row)).collect::<Vec<_>>()));
    }
    Ok(rows)
}

/// What a row of so many values takes.
pub fn row_bytes(width: usize) -> usize {
    size_of::<Vec<Edn>>() + width * size_of::<Edn>()
}

/// Values of the pool, each made at most once.
pub(crate) struct Values<'p> {
    pool: &'p Pool,
    made: Vec<Option<Edn>>,
}

impl<'p> Values<'p> {
    pub(crate) fn new(pool: &'p Pool) -> Values<'p> {
        Values { pool, made: Vec::new() }
    }

    pub(crate) fn get(&mut self, cell: Cell) -> Edn {
        if cell.kind == Kind::EDN || cell.kind.tag().is_some_and(|tag| tag.is_fixed()) {
            return self.pool.edn(cell);
        }
        let at = cell.word as usize;
        if self.made.len() <= at {
            self.made.resize(at + 1, None);
        }
        self.made[at].get_or_insert_with(|| self.pool.edn(cell)).clone()
    }
}
