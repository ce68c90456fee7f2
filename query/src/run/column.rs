//! One column of an intermediate result: cells, each a kind and a word.
//!
//! A cell is equal to another exactly if kind and word are. Fixed types are their own word; every other value is a
//! number that the query's [`Pool`](super::pool::Pool) gave it. A reference is the same cell as the number of its
//! entity, so that references join with numbers. Almost every column has one kind; then it is stored once.

use std::ops::Range;

use annals_storage::datom::Tag;

use super::budget::Meter;
use crate::error::Result;

/// The type of a cell: a stored type, or any other EDN value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kind(u8);

impl Kind {
    /// A value that no fact can hold: nil, a character, a list, a map …
    pub const EDN: Kind = Kind(0);
    /// An integer, or an entity.
    pub const LONG: Kind = Kind(Tag::Long as u8);
    /// True or false.
    pub const BOOLEAN: Kind = Kind(Tag::Boolean as u8);

    /// The kind of a stored type. References are integers here.
    pub fn of(tag: Tag) -> Kind {
        if tag == Tag::Ref { Kind::LONG } else { Kind(tag as u8) }
    }

    /// The stored type; none for other EDN values.
    pub fn tag(self) -> Option<Tag> {
        Tag::from_number(self.0)
    }
}

/// One value of an intermediate result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cell {
    /// Its type.
    pub kind: Kind,
    /// The value, or its number in the pool.
    pub word: i64,
}

impl Cell {
    /// An integer or an entity.
    pub fn long(word: i64) -> Cell {
        Cell { kind: Kind::LONG, word }
    }

    /// True or false.
    pub fn boolean(b: bool) -> Cell {
        Cell { kind: Kind::BOOLEAN, word: i64::from(b) }
    }
}

#[derive(Clone, Debug)]
enum Words {
    Const(i64),
    Each(Vec<i64>),
}

#[derive(Clone, Debug)]
enum Kinds {
    Const(Kind),
    Each(Vec<Kind>),
}

/// What a cell of a column takes: its word; kinds are stored once in almost every column.
pub const CELL_BYTES: usize = 8;

/// How many cells are copied between two looks at the budget: about a millisecond's worth.
const GATHERED: usize = 1 << 17;

/// The cells of one variable.
#[derive(Clone, Debug)]
pub struct Column {
    kinds: Kinds,
    words: Words,
}

impl Column {
    /// A column where every row has this cell.
    pub fn constant(cell: Cell) -> Column {
        Column { kinds: Kinds::Const(cell.kind), words: Words::Const(cell.word) }
    }

    /// A column of one kind.
    pub fn of(kind: Kind, words: Vec<i64>) -> Column {
        Column { kinds: Kinds::Const(kind), words: Words::Each(words) }
    }

    /// The cell of a row.
    pub fn get(&self, row: usize) -> Cell {
        let kind = match &self.kinds {
            Kinds::Const(kind) => *kind,
            Kinds::Each(kinds) => kinds[row],
        };
        Cell { kind, word: self.word(row) }
    }

    /// The word of a row.
    pub fn word(&self, row: usize) -> i64 {
        match &self.words {
            Words::Const(word) => *word,
            Words::Each(words) => words[row],
        }
    }

    /// The kind, if all cells have one.
    pub fn kind(&self) -> Option<Kind> {
        match &self.kinds {
            Kinds::Const(kind) => Some(*kind),
            Kinds::Each(_) => None,
        }
    }

    /// The cell, if every row has the same.
    pub fn as_constant(&self) -> Option<Cell> {
        match (&self.kinds, &self.words) {
            (Kinds::Const(kind), Words::Const(word)) => Some(Cell { kind: *kind, word: *word }),
            _ => None,
        }
    }

    /// The words, if all cells have one kind and their words are stored one by one.
    pub fn as_words(&self) -> Option<(Kind, &[i64])> {
        match (&self.kinds, &self.words) {
            (Kinds::Const(kind), Words::Each(words)) => Some((*kind, words)),
            _ => None,
        }
    }

    /// As [`Column::gather`], looking at the budget now and then.
    pub fn gathered(&self, rows: &[u32], meter: &Meter) -> Result<Column> {
        if rows.len() <= GATHERED || self.as_constant().is_some() {
            return Ok(self.gather(rows));
        }
        meter.room(rows.len(), CELL_BYTES)?;
        let mut builder = ColumnBuilder::default();
        for rows in rows.chunks(GATHERED) {
            meter.check(0)?;
            builder.append(&self.gather(rows), rows.len());
        }
        Ok(builder.finish())
    }

    /// The bytes of what is stored.
    pub fn bytes(&self) -> usize {
        let kinds = if let Kinds::Each(kinds) = &self.kinds { kinds.len() } else { 0 };
        let words = if let Words::Each(words) = &self.words { words.len() } else { 0 };
        kinds + words * CELL_BYTES
    }

    /// The cells of these rows, in this order.
    #[must_use]
    pub fn gather(&self, rows: &[u32]) -> Column {
        if let (Some(rows), Some((kind, words))) = (stretch(rows), self.as_words()) {
            return Column::of(kind, words[rows].to_vec());
        }
        let kinds = match &self.kinds {
            Kinds::Const(kind) => Kinds::Const(*kind),
            Kinds::Each(kinds) => Kinds::Each(rows.iter().map(|row| kinds[*row as usize]).collect()),
        };
        let words = match &self.words {
            Words::Const(word) => Words::Const(*word),
            Words::Each(words) => Words::Each(rows.iter().map(|row| words[*row as usize]).collect()),
        };
        Column { kinds, words }
    }
}

/// The rows as a range, if each is the one after the one before it.
fn stretch(rows: &[u32]) -> Option<Range<usize>> {
    let (first, last) = (*rows.first()? as usize, *rows.last()? as usize);
    let follows = |(at, row): (usize, &u32)| *row as usize == first + at;
    let is_one =
        first + rows.len() == last + 1 && rows.iter().enumerate().fold(true, |one, row| one & follows(row));
    is_one.then_some(first..last + 1)
}

/// A column that grows.
#[derive(Clone, Debug)]
pub struct ColumnBuilder {
    kind: Kind,
    kinds: Option<Vec<Kind>>,
    words: Vec<i64>,
}

impl Default for ColumnBuilder {
    fn default() -> ColumnBuilder {
        ColumnBuilder { kind: Kind::LONG, kinds: None, words: Vec::new() }
    }
}

impl ColumnBuilder {
    /// Makes room for so many cells more.
    pub fn reserve(&mut self, more: usize) {
        self.words.reserve(more);
    }

    /// One more cell.
    pub fn push(&mut self, cell: Cell) {
        self.grow(cell.kind, 1);
        self.words.push(cell.word);
    }

    /// More cells of one kind.
    pub fn extend(&mut self, kind: Kind, words: impl ExactSizeIterator<Item = i64>) {
        self.grow(kind, words.len());
        self.words.extend(words);
    }

    /// More cells, all of another column of so many rows.
    pub fn append(&mut self, column: &Column, rows: usize) {
        match column.as_words() {
            Some((kind, words)) => {
                self.grow(kind, words.len());
                self.words.extend_from_slice(words);
            }
            None => (0..rows).for_each(|row| self.push(column.get(row))),
        }
    }

    /// The finished column.
    pub fn finish(self) -> Column {
        let kinds = self.kinds.map_or(Kinds::Const(self.kind), Kinds::Each);
        Column { kinds, words: Words::Each(self.words) }
    }

    /// Makes room in `kinds` for `more` cells of this kind.
    fn grow(&mut self, kind: Kind, more: usize) {
        if self.words.is_empty() && self.kinds.is_none() {
            self.kind = kind;
        }
        match &mut self.kinds {
            Some(kinds) => kinds.resize(kinds.len() + more, kind),
            None if kind == self.kind => {}
            None => {
                let mut kinds = vec![self.kind; self.words.len()];
                kinds.resize(kinds.len() + more, kind);
                self.kinds = Some(kinds);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_of_one_kind_stores_it_once_and_a_mixed_one_each() {
        let mut builder = ColumnBuilder::default();
        builder.extend(Kind::BOOLEAN, [0, 1].into_iter());
        assert_eq!(builder.clone().finish().kind(), Some(Kind::BOOLEAN));
        builder.push(Cell::long(7));
        let column = builder.finish();
        assert_eq!(column.kind(), None);
        let cells: Vec<Cell> = (0..3).map(|row| column.get(row)).collect();
        assert_eq!(cells, [Cell::boolean(false), Cell::boolean(true), Cell::long(7)]);
        assert_eq!(column.gather(&[2, 0]).get(1), Cell::boolean(false));
        let column = Column::of(Kind::LONG, vec![10, 11, 12, 13]);
        for rows in [&[1, 2, 3][..], &[1, 3], &[1, 1, 3], &[2], &[], &[3, 2], &[0, 2, 1, 3]] {
            let words: Vec<i64> = rows.iter().map(|row| 10 + i64::from(*row)).collect();
            assert_eq!(column.gather(rows).as_words(), Some((Kind::LONG, &words[..])));
        }
    }
}
