//! The end of a run: cells become EDN values, a row at a time.
//!
//! Only here are numbers of the pool made values again. A text that stands in many rows is made once.

use super::batch::Table;
use super::column::{Cell, Kind};
use super::pool::Pool;
use crate::edn::Edn;
use crate::plan::Place;

/// The rows of a table over these places.
pub fn rows(table: &Table, places: &[Place], pool: &Pool) -> Vec<Vec<Edn>> {
    let mut rows: Vec<Vec<Edn>> = (0..table.rows).map(|_| Vec::with_capacity(places.len())).collect();
    for place in places {
        match place {
            Place::Var(var) => {
                let column = table.column(*var);
                match column.as_words() {
                    Some((Kind::LONG, words)) => {
                        rows.iter_mut().zip(words).for_each(|(row, word)| row.push(Edn::Int(*word)));
                    }
                    _ => {
                        let mut values = Values { pool, made: Vec::new() };
                        rows.iter_mut()
                            .enumerate()
                            .for_each(|(at, row)| row.push(values.get(column.get(at))));
                    }
                }
            }
            Place::Const(cell) => {
                let value = pool.edn(*cell);
                rows.iter_mut().for_each(|row| row.push(value.clone()));
            }
            Place::Blank => rows.iter_mut().for_each(|row| row.push(Edn::Nil)),
        }
    }
    rows
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
