//! Facts as columns: what a scan hands on.
//!
//! A [`Batch`] borrows the columns of whatever holds the rows (a run, a decoded leaf, a merge buffer) and lives only
//! while it is looked at. A column where every row has one value is [`Col::Const`].

use super::Datom;
use super::id::{AttrId, EntityId, T};
use super::value::{Tag, ValueRef};

/// One column of a batch.
#[derive(Clone, Copy, Debug)]
pub enum Col<'a, V: Copy> {
    /// Every row has this value.
    Const(V),
    /// One value a row.
    Each(&'a [V]),
}

impl<V: Copy> Col<'_, V> {
    /// The value of a row.
    pub fn get(&self, row: usize) -> V {
        match self {
            Col::Const(v) => *v,
            Col::Each(vs) => vs[row],
        }
    }

    /// The rows from `start` up to `end`.
    pub fn slice(&self, start: usize, end: usize) -> Self {
        match self {
            Col::Const(v) => Col::Const(*v),
            Col::Each(vs) => Col::Each(&vs[start..end]),
        }
    }
}

/// The values of a batch: type, word, and the heap that the words of variable types point into.
///
/// The word of a fixed type is the value ([`super::code::fixed`]); that of a variable type is where its code lies in
/// the heap: `start << 32 | length`.
#[derive(Clone, Copy, Debug)]
pub struct ValueCol<'a> {
    /// The type of each row.
    pub tags: Col<'a, Tag>,
    /// The word of each row.
    pub words: Col<'a, i64>,
    /// The codes of the variable types.
    pub heap: &'a [u8],
}

impl<'a> ValueCol<'a> {
    /// The value of a row.
    pub fn get(&self, row: usize) -> ValueRef<'a> {
        value_at(self.tags.get(row), self.words.get(row), self.heap)
    }
}

/// The value that a type and a word stand for, in a heap.
pub fn value_at(tag: Tag, word: i64, heap: &[u8]) -> ValueRef<'_> {
    if tag.is_fixed() {
        ValueRef::Fixed(tag, word)
    } else {
        let (start, length) = ((word as u64 >> 32) as usize, word as u32 as usize);
        ValueRef::Variable(tag, &heap[start..start + length])
    }
}

/// The word that points at `length` bytes from `start` on in a heap.
pub fn heap_word(start: usize, length: usize) -> i64 {
    debug_assert!(start <= u32::MAX as usize && length <= u32::MAX as usize);
    (((start as u64) << 32) | length as u64) as i64
}

/// Some facts, as columns. `t` is the number of the transaction that added the datom.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// How many rows.
    pub len: usize,
    /// The entities.
    pub e: Col<'a, u64>,
    /// The attributes.
    pub a: Col<'a, u32>,
    /// The values.
    pub v: ValueCol<'a>,
    /// The transactions' numbers.
    pub t: Col<'a, T>,
    /// Assertions and retractions.
    pub added: Col<'a, bool>,
}

impl Batch<'_> {
    /// The most rows a scan hands on at once.
    pub const MAX_ROWS: usize = 4096;

    /// The rows from `start` up to `end`.
    #[must_use]
    pub fn slice(&self, start: usize, end: usize) -> Self {
        Batch {
            len: end - start,
            e: self.e.slice(start, end),
            a: self.a.slice(start, end),
            v: ValueCol {
                tags: self.v.tags.slice(start, end),
                words: self.v.words.slice(start, end),
                ..self.v
            },
            t: self.t.slice(start, end),
            added: self.added.slice(start, end),
        }
    }

    /// A row as a datom of its own.
    pub fn datom(&self, row: usize) -> Datom {
        Datom {
            e: EntityId(self.e.get(row)),
            a: AttrId(self.a.get(row)),
            v: self.v.get(row).to_value(),
            tx: EntityId::of_t(self.t.get(row)),
            added: self.added.get(row),
        }
    }
}
