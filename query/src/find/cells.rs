//! What a run found, still as cells: a column for every variable that decides the answer.
//!
//! Values are made of cells as late as can be, for only few of them are handed out where rows are grouped.

use crate::edn::Edn;
use crate::error::Result;
use crate::plan::Place;
use crate::run::answer::{self, row_bytes};
use crate::run::batch::Table;
use crate::run::budget::Meter;
use crate::run::column::Column;
use crate::run::pool::Pool;

/// Distinct rows over the variables that decide an answer ([`basis`](super::basis)).
pub struct Cells<'p> {
    table: Table,
    places: &'p [Place],
    /// A column for every place that is no variable of the table.
    constants: Vec<Option<Column>>,
    pool: &'p Pool,
}

impl<'p> Cells<'p> {
    /// The rows of a table over these places; the values are those of the pool.
    pub fn new(table: Table, places: &'p [Place], pool: &'p mut Pool) -> Cells<'p> {
        let constant = |place: &Place| match place {
            Place::Var(_) => None,
            Place::Const(cell) => Some(Column::constant(*cell)),
            Place::Blank => Some(Column::constant(pool.intern_edn(&Edn::Nil))),
        };
        let constants = places.iter().map(constant).collect();
        Cells { table, places, constants, pool }
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.table.rows
    }

    /// True if there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The cells of a variable, by its number.
    pub fn column(&self, at: usize) -> &Column {
        match (&self.constants[at], self.places[at]) {
            (None, Place::Var(var)) => self.table.column(var),
            (constant, _) => constant.as_ref().expect("a place that is no variable has a column of its own"),
        }
    }

    /// The values of the cells.
    pub fn pool(&self) -> &Pool {
        self.pool
    }

    /// All rows, as values.
    pub fn rows(&self, meter: &Meter) -> Result<Vec<Vec<Edn>>> {
        let _held = meter.hold(self.table.bytes())?;
        meter.room(self.table.rows, row_bytes(self.places.len()))?;
        answer::rows(&self.table, self.places, self.pool, meter)
    }

    /// The values of all rows, row by row, one after the other.
    pub fn values(&self, meter: &Meter) -> Result<Vec<Edn>> {
        let _held = meter.hold(self.table.bytes())?;
        meter.room(self.table.rows, self.places.len() * size_of::<Edn>())?;
        answer::values(&self.table, self.places, self.pool, meter)
    }

    /// Some of the rows, as values.
    pub fn some(&self, rows: &[u32], meter: &Meter) -> Result<Vec<Vec<Edn>>> {
        answer::rows(&self.table.gathered(rows, meter)?, self.places, self.pool, meter)
    }
}
