//! An intermediate result: one column for each variable.
//!
//! A table with no column has rows all the same: one row says "true so far", none says "false".

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::budget::{Meter, STRIDE};
use super::column::{Cell, Column, ColumnBuilder};
use crate::error::Result;
use crate::plan::VarId;

/// Rows of cells under variables.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// The variable of each column.
    pub vars: Vec<VarId>,
    /// The columns, each with `rows` cells.
    pub columns: Vec<Column>,
    /// How many rows.
    pub rows: usize,
    /// True if no two rows are known to be the same.
    pub distinct: bool,
}

impl Table {
    /// One row without columns: where every conjunction starts.
    pub fn unit() -> Table {
        Table { rows: 1, distinct: true, ..Table::default() }
    }

    /// No rows, with columns for these variables.
    pub fn empty(vars: &[VarId]) -> Table {
        let columns = vars.iter().map(|_| ColumnBuilder::default().finish()).collect();
        Table { vars: vars.to_vec(), columns, rows: 0, distinct: true }
    }

    /// True if every column is of one of these variables.
    pub fn is_within(&self, vars: &[VarId]) -> bool {
        self.vars.iter().all(|var| vars.contains(var))
    }

    /// Where the column of a variable is.
    pub fn position(&self, var: VarId) -> Option<usize> {
        self.vars.iter().position(|v| *v == var)
    }

    /// The column of a variable that the planner knows to be bound.
    pub fn column(&self, var: VarId) -> &Column {
        &self.columns[self.position(var).expect("a planned step reads bound variables only")]
    }

    /// These rows, in this order.
    #[must_use]
    pub fn gather(&self, rows: &[u32]) -> Table {
        let columns = self.columns.iter().map(|column| column.gather(rows)).collect();
        Table { vars: self.vars.clone(), columns, rows: rows.len(), distinct: false }
    }

    /// Only these variables' columns. Rows stay distinct if no column is lost.
    #[must_use]
    pub fn keep(mut self, vars: &[VarId]) -> Table {
        let mut at = 0;
        while at < self.vars.len() {
            if vars.contains(&self.vars[at]) {
                at += 1;
            } else {
                self.vars.remove(at);
                self.columns.remove(at);
                self.distinct = false;
            }
        }
        self
    }

    /// A copy with those columns only that are of these variables.
    #[must_use]
    pub fn narrowed(&self, vars: &[VarId]) -> Table {
        let kept: Vec<VarId> = self.vars.iter().copied().filter(|var| vars.contains(var)).collect();
        self.project(&kept)
    }

    /// A copy with exactly these columns, in this order.
    #[must_use]
    pub fn project(&self, vars: &[VarId]) -> Table {
        let columns = vars.iter().map(|var| self.column(*var).clone()).collect();
        let whole = self.vars.iter().all(|var| vars.contains(var));
        Table { vars: vars.to_vec(), columns, rows: self.rows, distinct: self.distinct && whole }
    }

    /// As [`Table::project`], of a table that nobody else needs.
    #[must_use]
    pub fn arranged(self, vars: &[VarId]) -> Table {
        if self.vars == vars {
            return self;
        }
        let distinct = self.distinct && self.is_within(vars);
        let mut left: Vec<Option<Column>> = self.columns.into_iter().map(Some).collect();
        let mut columns: Vec<Column> = Vec::with_capacity(vars.len());
        for var in vars {
            let known = self.vars.iter().position(|v| v == var);
            let at = known.expect("a planned step reads bound variables only");
            // A variable that is wanted twice was moved already.
            let moved = || vars.iter().position(|v| v == var).map(|first| columns[first].clone());
            let column = left[at].take().or_else(moved).expect("one of the two has it");
            columns.push(column);
        }
        Table { vars: vars.to_vec(), columns, rows: self.rows, distinct }
    }

    /// The rows of this table, then those of another with the same variables. Distinct only if no row is in both.
    #[must_use]
    pub fn appended(self, more: Table) -> Table {
        if self.rows == 0 {
            return more;
        }
        let distinct = self.distinct && more.distinct;
        let columns = self.vars.iter().zip(self.columns).map(|(var, column)| {
            let mut builder = ColumnBuilder::default();
            builder.append(&column, self.rows);
            builder.append(more.column(*var), more.rows);
            builder.finish()
        });
        Table { columns: columns.collect(), vars: self.vars, rows: self.rows + more.rows, distinct }
    }

    /// As [`Table::gather`], looking at the budget column by column.
    pub fn gathered(&self, rows: &[u32], meter: &Meter) -> Result<Table> {
        let columns =
            self.columns.iter().map(|column| column.gathered(rows, meter)).collect::<Result<_>>()?;
        Ok(Table { vars: self.vars.clone(), columns, rows: rows.len(), distinct: false })
    }

    /// Without repeated rows.
    pub fn deduplicated(self, meter: &Meter) -> Result<Table> {
        if self.distinct || self.rows <= 1 {
            return Ok(Table { distinct: true, ..self });
        }
        let kept = distinct_rows(&self.columns, self.rows, meter)?;
        if kept.len() == self.rows {
            return Ok(Table { distinct: true, ..self });
        }
        Ok(Table { distinct: true, ..self.gathered(&kept, meter)? })
    }

    /// The bytes of its columns.
    pub fn bytes(&self) -> usize {
        self.columns.iter().map(Column::bytes).sum()
    }

    /// One row's cells.
    pub fn row(&self, row: usize) -> impl Iterator<Item = Cell> + '_ {
        self.columns.iter().map(move |column| column.get(row))
    }
}

/// What a distinct row takes while its like is sought: its number twice, in a table with room.
const SEEN_BYTES: usize = 12;

/// The first row of each group of equal rows.
fn distinct_rows(columns: &[Column], rows: usize, meter: &Meter) -> Result<Vec<u32>> {
    let columns: Vec<&Column> = columns.iter().filter(|column| column.as_constant().is_none()).collect();
    if columns.is_empty() {
        return Ok(vec![0]);
    }
    let hasher = FixedState::default();
    let hash = |row: u32| hash_row(&hasher, &columns, row as usize);
    let mut seen: HashTable<u32> = HashTable::with_capacity(rows.min(1 << 16));
    let mut kept = Vec::new();
    for row in 0..rows as u32 {
        if (row as usize).is_multiple_of(STRIDE) {
            meter.room(kept.len(), SEEN_BYTES)?;
        }
        let same = |other: &u32| {
            columns.iter().all(|column| column.get(row as usize) == column.get(*other as usize))
        };
        let code = hash(row);
        if seen.find(code, same).is_none() {
            seen.insert_unique(code, row, |other| hash(*other));
            kept.push(row);
        }
    }
    Ok(kept)
}

/// The hash of one row of these columns; agrees with [`hash_cells`].
pub fn hash_row(hasher: &FixedState, columns: &[&Column], row: usize) -> u64 {
    hash_cells(hasher, columns.iter().map(|column| column.get(row)))
}

/// The hash of some cells.
pub fn hash_cells(hasher: &FixedState, cells: impl Iterator<Item = Cell>) -> u64 {
    let mut state = hasher.build_hasher();
    cells.for_each(|cell| std::hash::Hash::hash(&cell, &mut state));
    std::hash::Hasher::finish(&state)
}

#[cfg(test)]
mod tests {
    use super::super::column::Kind;
    use super::*;

    #[test]
    fn deduplication_looks_at_all_columns_and_at_kinds() {
        let (x, y) = (VarId(0), VarId(1));
        let columns =
            vec![Column::of(Kind::LONG, vec![1, 1, 1, 2]), Column::of(Kind::LONG, vec![5, 5, 6, 5])];
        let table = Table { vars: vec![x, y], columns, rows: 4, distinct: false };
        assert_eq!(table.clone().deduplicated(&Meter::default()).unwrap().rows, 3);
        assert_eq!(table.keep(&[x]).deduplicated(&Meter::default()).unwrap().rows, 2);
        let mut mixed = ColumnBuilder::default();
        mixed.push(Cell::long(1));
        mixed.push(Cell::boolean(true));
        let table = Table { vars: vec![x], columns: vec![mixed.finish()], rows: 2, distinct: false };
        assert_eq!(table.deduplicated(&Meter::default()).unwrap().rows, 2);
    }

    #[test]
    fn columns_are_moved_into_order_also_twice() {
        let (x, y, z) = (VarId(0), VarId(1), VarId(2));
        let columns = [7, 8, 9].map(|word| Column::of(Kind::LONG, vec![word; 2])).to_vec();
        let table = Table { vars: vec![x, y, z], columns, rows: 2, distinct: true };
        for wanted in [vec![z, x], vec![y, y, x, y], vec![x, y, z], vec![]] {
            let (moved, copied) = (table.clone().arranged(&wanted), table.project(&wanted));
            assert_eq!((&moved.vars, moved.rows, moved.distinct), (&wanted, 2, copied.distinct));
            let words = |table: &Table| table.columns.iter().map(|column| column.word(1)).collect::<Vec<_>>();
            assert_eq!(words(&moved), words(&copied));
        }
    }

    #[test]
    fn rows_without_columns_are_one() {
        let table = Table { rows: 5, ..Table::default() };
        assert_eq!(table.deduplicated(&Meter::default()).unwrap().rows, 1);
    }
}
