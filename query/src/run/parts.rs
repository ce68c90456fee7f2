//! The last step of a query whose rows are grouped: its rows are handed on in parts, and never are all there at once.
//!
//! ```text
//!   scan ──batches──> emitter ──when there are enough──> part: a table ──> groups
//! ```
//!
//! A part fits into the processor's cache where the whole would not, and a sum over all facts needs no room for them. Rows
//! must be different from each other without being looked at, and come from a scan; else they are one part.

use super::batch::Table;
use super::budget::Meter;
use super::column::Column;
use super::emit::Emitter;
use super::pool::Pool;
use crate::error::{Error, Result};
use crate::plan::VarId;
use crate::source::Flow;

/// How many rows make a part, if nobody says.
pub const ROWS: usize = 1 << 15;

/// Who takes the parts. The cells are of the pool.
pub type Take<'t> = &'t mut dyn FnMut(Table, &mut Pool) -> Result<()>;

/// Parts on their way to who takes them.
pub struct Parts<'t> {
    take: Take<'t>,
    rows: usize,
    failed: Option<Error>,
}

impl<'t> Parts<'t> {
    /// Of about so many rows each.
    pub fn new(take: Take<'t>, rows: Option<usize>) -> Parts<'t> {
        Parts { take, rows: rows.unwrap_or(ROWS), failed: None }
    }

    /// Makes room for a part of so many facts.
    pub fn expect(&self, emitter: &mut Emitter<'_>, facts: u64) {
        // What ends a part comes with a batch of its own.
        emitter.expect(facts.min(2 * self.rows as u64));
    }

    /// Hands on what an emitter has, if it is enough; the facts belong to rows of `table`, of which the live columns stay.
    pub fn offer(
        &mut self,
        emitter: &mut Emitter<'_>,
        table: &Table,
        live: &[VarId],
        (pool, meter): (&mut Pool, &Meter),
    ) -> Flow {
        if emitter.left.len() < self.rows {
            return Flow::Continue(());
        }
        let (left, vars, columns) = emitter.part(2 * self.rows);
        let part = beside(table, &left, vars, columns, live, meter);
        match part.and_then(|part| (self.take)(part, pool)) {
            Ok(()) => Flow::Continue(()),
            Err(error) => {
                self.failed = Some(error);
                Flow::Break(())
            }
        }
    }

    /// Hands on the rest.
    pub fn end(
        self,
        emitter: Emitter<'_>,
        table: &Table,
        live: &[VarId],
        (pool, meter): (&mut Pool, &Meter),
    ) -> Result<()> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let (left, vars, columns) = emitter.finish()?;
        (self.take)(beside(table, &left, vars, columns, live, meter)?, pool)
    }

    /// Hands on all there is, as one part.
    pub fn whole(self, table: Table, pool: &mut Pool) -> Result<()> {
        (self.take)(table, pool)
    }
}

/// The live columns of the rows that `left` names, and new ones beside them.
fn beside(
    table: &Table,
    left: &[u32],
    mut vars: Vec<VarId>,
    mut columns: Vec<Column>,
    live: &[VarId],
    meter: &Meter,
) -> Result<Table> {
    for (var, column) in table.vars.iter().zip(&table.columns).filter(|(var, _)| live.contains(var)) {
        vars.push(*var);
        columns.push(match table.rows {
            1 => Column::constant(column.get(0)),
            _ => column.gathered(left, meter)?,
        });
    }
    Ok(Table { vars, columns, rows: left.len(), distinct: true })
}
