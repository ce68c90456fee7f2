//! Rows numbered by their keys: rows with the same key have the same number, and numbers are given as keys appear.

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use crate::error::Result;
use crate::run::batch::hash_row;
use crate::run::budget::{Meter, STRIDE};
use crate::run::column::{Cell, Column};

/// Which group a row is of.
#[derive(Debug, Default)]
pub(super) struct Numbering {
    /// By row, the number of its group; none if all rows are of one.
    pub(super) of: Option<Vec<u32>>,
    /// By group, the first of its rows.
    pub(super) firsts: Vec<u32>,
    /// By group, how many rows it has.
    pub(super) counts: Vec<u64>,
}

/// The bytes of a group while groups are sought.
const GROUP_BYTES: usize = 24;

/// A table of groups by word may have so many places beside four for every row.
const DENSE: usize = 1 << 12;

impl Numbering {
    /// The groups of so many rows by these columns.
    pub(super) fn of(columns: &[&Column], rows: usize, meter: &Meter) -> Result<Numbering> {
        let columns: Vec<&Column> =
            columns.iter().copied().filter(|column| column.as_constant().is_none()).collect();
        if rows == 0 {
            return Ok(Numbering::default());
        }
        let [column] = columns.as_slice() else {
            if columns.is_empty() {
                return Ok(Numbering { of: None, firsts: vec![0], counts: vec![rows as u64] });
            }
            return Numbering::hashed(&columns, rows, meter);
        };
        match column.as_words().and_then(|(_, words)| Some((words, dense(words)?))) {
            Some((words, (least, span))) => Ok(Numbering::by_word(words, least, span)),
            None => Numbering::hashed(&columns, rows, meter),
        }
    }

    /// By words that are close to each other: `span` words from the least on.
    fn by_word(words: &[i64], least: i64, span: usize) -> Numbering {
        const NONE: u32 = u32::MAX;
        let mut numbers: Vec<u32> = vec![NONE; span];
        let mut found = Numbering::default();
        let mut of = Vec::with_capacity(words.len());
        for (row, word) in words.iter().enumerate() {
            let slot = &mut numbers[word.wrapping_sub(least) as usize];
            if *slot == NONE {
                *slot = found.begin(row);
            }
            let number = *slot;
            found.counts[number as usize] += 1;
            of.push(number);
        }
        found.of = Some(of);
        found
    }

    fn hashed(columns: &[&Column], rows: usize, meter: &Meter) -> Result<Numbering> {
        let hasher = FixedState::default();
        let mut numbers: HashTable<(u32, u32)> = HashTable::new();
        let mut found = Numbering::default();
        let mut of = Vec::with_capacity(rows);
        for row in 0..rows {
            if row.is_multiple_of(STRIDE) {
                meter.room(found.firsts.len(), GROUP_BYTES)?;
            }
            let cell = |column: &&Column, row: usize| -> Cell { column.get(row) };
            let is_same = |(first, _): &(u32, u32)| {
                columns.iter().all(|column| cell(column, row) == cell(column, *first as usize))
            };
            let hash = hash_row(&hasher, columns, row);
            let number = match numbers.find(hash, is_same) {
                Some((_, number)) => *number,
                None => {
                    let number = found.begin(row);
                    let again = |(first, _): &(u32, u32)| hash_row(&hasher, columns, *first as usize);
                    numbers.insert_unique(hash, (row as u32, number), again);
                    number
                }
            };
            found.counts[number as usize] += 1;
            of.push(number);
        }
        found.of = Some(of);
        Ok(found)
    }

    /// The number of a new group.
    fn begin(&mut self, row: usize) -> u32 {
        self.firsts.push(row as u32);
        self.counts.push(0);
        self.firsts.len() as u32 - 1
    }
}

/// The least of some words and how many there are from it to the greatest, if a table has room for all between.
fn dense(words: &[i64]) -> Option<(i64, usize)> {
    let (mut least, mut most) = (i64::MAX, i64::MIN);
    for word in words {
        least = least.min(*word);
        most = most.max(*word);
    }
    let room = 4 * words.len() + DENSE;
    let apart = usize::try_from(most.checked_sub(least)?).ok()?;
    (apart < room).then_some((least, apart + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::column::{ColumnBuilder, Kind};

    fn check(columns: &[Column], expected: &[u32]) {
        let columns: Vec<&Column> = columns.iter().collect();
        let found = Numbering::of(&columns, expected.len(), &Meter::default()).unwrap();
        let groups = found.firsts.len();
        assert_eq!(found.of.unwrap_or_else(|| vec![0; expected.len()]), expected);
        for group in 0..groups {
            let rows: Vec<usize> = (0..expected.len()).filter(|row| expected[*row] == group as u32).collect();
            assert_eq!(found.firsts[group] as usize, rows[0]);
            assert_eq!(found.counts[group], rows.len() as u64);
        }
    }

    #[test]
    fn groups_are_numbered_as_they_appear() {
        let longs = |words: &[i64]| Column::of(Kind::LONG, words.to_vec());
        check(&[], &[0, 0, 0]);
        check(&[Column::constant(Cell::long(7))], &[0, 0]);
        check(&[longs(&[5, -3, 5, 9, -3])], &[0, 1, 0, 2, 1]);
        check(&[longs(&[i64::MAX, i64::MIN, i64::MAX, 0, i64::MIN])], &[0, 1, 0, 2, 1]);
        check(&[longs(&[1, 1, 2, 1, 1]), longs(&[1, 2, 1, 1, 2])], &[0, 1, 2, 0, 1]);
        check(&[], &[]);
    }

    #[test]
    fn values_of_two_kinds_are_two_even_if_their_words_are_one() {
        let mut mixed = ColumnBuilder::default();
        for cell in [Cell::long(1), Cell::boolean(true), Cell::long(1)] {
            mixed.push(cell);
        }
        check(&[mixed.finish()], &[0, 1, 0]);
    }
}
