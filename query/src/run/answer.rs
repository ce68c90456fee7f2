//! The end of a run: cells become EDN values, a row at a time.
//!
//! Only here are numbers of the pool made values again. A text that stands in many rows is made once.

use std::ops::Range;

use super::batch::Table;
use super::budget::{Meter, STRIDE};
use super::column::{Cell, Kind};
use super::pool::Pool;
use crate::edn::Edn;
use crate::error::Result;
use crate::plan::Place;

/// The rows of a table over these places.
pub fn rows(table: &Table, places: &[Place], pool: &Pool, meter: &Meter) -> Result<Vec<Vec<Edn>>> {
    let mut made: Vec<Values> = places.iter().map(|_| Values { pool, made: Vec::new() }).collect();
    let mut rows: Vec<Vec<Edn>> = Vec::with_capacity(table.rows);
    for from in (0..table.rows).step_by(STRIDE) {
        meter.check(0)?;
        let range = from..table.rows.min(from + STRIDE);
        rows.extend(range.clone().map(|_| Vec::with_capacity(places.len())));
        fill(&mut rows[range.clone()], range, table, places, &mut made);
    }
    Ok(rows)
}

/// What a row of so many values takes.
pub fn row_bytes(width: usize) -> usize {
    size_of::<Vec<Edn>>() + width * size_of::<Edn>()
}

/// Adds the values of a range of the table's rows to rows that are empty.
fn fill(
    rows: &mut [Vec<Edn>],
    range: Range<usize>,
    table: &Table,
    places: &[Place],
    made: &mut [Values<'_>],
) {
    for (place, values) in places.iter().zip(made) {
        match place {
            Place::Var(var) => {
                let column = table.column(*var);
                match column.as_words() {
                    Some((Kind::LONG, words)) => {
                        rows.iter_mut()
                            .zip(&words[range.clone()])
                            .for_each(|(row, word)| row.push(Edn::Int(*word)));
                    }
                    _ => {
                        rows.iter_mut()
                            .zip(range.clone())
                            .for_each(|(row, at)| row.push(values.get(column.get(at))));
                    }
                }
            }
            Place::Const(cell) => {
                let value = values.pool.edn(*cell);
                rows.iter_mut().for_each(|row| row.push(value.clone()));
            }
            Place::Blank => rows.iter_mut().for_each(|row| row.push(Edn::Nil)),
        }
    }
}

/// Values of the pool, each made at most once.
struct Values<'p> {
    pool: &'p Pool,
    made: Vec<Option<Edn>>,
}

impl Values<'_> {
    fn get(&mut self, cell: Cell) -> Edn {
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
