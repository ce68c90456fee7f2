//! Rows of a table found by the cells of some columns.

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::batch::{hash_cells, hash_row};
use super::budget::{Hold, Meter, STRIDE};
use super::column::{Cell, Column};
use crate::error::Result;
use crate::plan::VarId;

/// What a row takes: its link, and in the table of heads a number with room beside it.
const ROW_BYTES: usize = 12;

const END: u32 = u32::MAX;

/// A chained hash index: for each distinct key its last row, for each row the one before with the same key.
pub struct KeyIndex {
    /// The variables whose cells are the key.
    pub vars: Vec<VarId>,
    hasher: FixedState,
    heads: HashTable<u32>,
    next: Vec<u32>,
    keys: Vec<Column>,
    _held: Hold,
}

impl KeyIndex {
    /// An index over the first `rows` rows of these columns.
    pub fn build(vars: Vec<VarId>, keys: Vec<Column>, rows: usize, meter: &Meter) -> Result<KeyIndex> {
        let held = meter.hold(rows.saturating_mul(ROW_BYTES))?;
        let hasher = FixedState::default();
        let mut heads: HashTable<u32> = HashTable::with_capacity(rows);
        let mut next = vec![END; rows];
        let columns: Vec<&Column> = keys.iter().collect();
        for (row, before) in next.iter_mut().enumerate() {
            if row.is_multiple_of(STRIDE) {
                meter.check(0)?;
            }
            let same =
                |other: &u32| columns.iter().all(|column| column.get(row) == column.get(*other as usize));
            let hash = hash_row(&hasher, &columns, row);
            match heads.find_mut(hash, same) {
                Some(head) => *before = std::mem::replace(head, row as u32),
                None => {
                    heads.insert_unique(hash, row as u32, |other| {
                        hash_row(&hasher, &columns, *other as usize)
                    });
                }
            }
        }
        Ok(KeyIndex { vars, hasher, heads, next, keys, _held: held })
    }

    /// The rows with this key.
    pub fn rows<'a>(&'a self, key: &[Cell]) -> impl Iterator<Item = u32> + use<'a> {
        let hash = hash_cells(&self.hasher, key.iter().copied());
        let same =
            |row: &u32| self.keys.iter().zip(key).all(|(column, cell)| column.get(*row as usize) == *cell);
        let mut at = self.heads.find(hash, same).copied().unwrap_or(END);
        std::iter::from_fn(move || {
            let row = (at != END).then_some(at)?;
            at = self.next[row as usize];
            Some(row)
        })
    }

    /// True if some row has this key.
    pub fn contains(&self, key: &[Cell]) -> bool {
        self.rows(key).next().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::super::column::Kind;
    use super::*;

    #[test]
    fn every_row_of_a_key_is_found_once() {
        let keys = vec![Column::of(Kind::LONG, vec![1, 2, 1, 1]), Column::of(Kind::LONG, vec![7, 7, 7, 8])];
        let index = KeyIndex::build(vec![VarId(0), VarId(1)], keys, 4, &Meter::default()).unwrap();
        let mut rows: Vec<u32> = index.rows(&[Cell::long(1), Cell::long(7)]).collect();
        rows.sort_unstable();
        assert_eq!(rows, [0, 2]);
        assert!(!index.contains(&[Cell::boolean(true), Cell::long(7)]));
    }
}
