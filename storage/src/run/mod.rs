//! A run: rows as columns, sorted in one order, never changed.
//!
//! An *open* run is sorted by its order's three places, then `from`. A *closed* run, which has a `to` column, is
//! sorted by the order's first two places, then `to`, the third place and `from`: for one entity and attribute the
//! facts that held at t are then found by a seek to the first row with `to > t`.
//!
//! The words of variable values point into a heap that all runs of a layer or generation share.

pub(crate) mod lanes;
pub(crate) mod merge;
pub(crate) mod seek;
pub(crate) mod sort;

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

pub(crate) use self::seek::Lead;

use crate::datom::columns::{heap_word, value_at};
use crate::datom::{Order, T, Tag, ValueRef};

/// Rows as columns, in no particular order. `to` is empty unless the rows are closed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Columns {
    pub(crate) e: Vec<u64>,
    pub(crate) a: Vec<u32>,
    pub(crate) tag: Vec<Tag>,
    pub(crate) word: Vec<i64>,
    pub(crate) from: Vec<T>,
    pub(crate) to: Vec<T>,
}

impl Columns {
    pub(crate) fn with_capacity(rows: usize, closed: bool) -> Columns {
        Columns {
            e: Vec::with_capacity(rows),
            a: Vec::with_capacity(rows),
            tag: Vec::with_capacity(rows),
            word: Vec::with_capacity(rows),
            from: Vec::with_capacity(rows),
            to: Vec::with_capacity(if closed { rows } else { 0 }),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.e.len()
    }

    /// The rows that `rows` names, in that order.
    pub(crate) fn gather(&self, rows: &[u32]) -> Columns {
        fn pick<V: Copy>(column: &[V], rows: &[u32]) -> Vec<V> {
            rows.iter().map(|row| column[*row as usize]).collect()
        }
        Columns {
            e: pick(&self.e, rows),
            a: pick(&self.a, rows),
            tag: pick(&self.tag, rows),
            word: pick(&self.word, rows),
            from: pick(&self.from, rows),
            to: if self.to.is_empty() { Vec::new() } else { pick(&self.to, rows) },
        }
    }

    /// Appends rows of another run, whose heap now starts at `shift` of ours.
    pub(crate) fn extend(&mut self, source: &Columns, rows: Range<usize>, shift: usize) {
        let start = self.word.len();
        self.e.extend_from_slice(&source.e[rows.clone()]);
        self.a.extend_from_slice(&source.a[rows.clone()]);
        self.tag.extend_from_slice(&source.tag[rows.clone()]);
        self.word.extend_from_slice(&source.word[rows.clone()]);
        self.from.extend_from_slice(&source.from[rows.clone()]);
        if !source.to.is_empty() {
            self.to.extend_from_slice(&source.to[rows]);
        }
        if shift > 0 {
            let moved = heap_word(shift, 0);
            for (word, tag) in self.word[start..].iter_mut().zip(&self.tag[start..]) {
                *word = if tag.is_fixed() { *word } else { *word + moved };
            }
        }
    }

    /// How many bytes of a heap a row's value takes.
    pub(crate) fn heap_bytes(&self, row: usize) -> usize {
        if self.tag[row].is_fixed() { 0 } else { self.word[row] as u32 as usize }
    }

    fn bytes(&self) -> usize {
        self.len() * (8 + 4 + 1 + 8 + 8) + self.to.len() * 8
    }
}

/// Rows sorted in one order.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) order: Order,
    pub(crate) rows: Columns,
    pub(crate) heap: Arc<Vec<u8>>,
    /// In the orders that start with the attribute: each attribute and its first row.
    attributes: Vec<(u32, u32)>,
    /// See [`seek::fence`].
    pub(crate) fence: Vec<u64>,
}

impl Run {
    /// From rows that are sorted already.
    pub(crate) fn new(order: Order, rows: Columns, heap: Arc<Vec<u8>>) -> Run {
        let attributes = if order == Order::Eavt { Vec::new() } else { first_rows(&rows.a) };
        let mut run = Run { order, rows, heap, attributes, fence: Vec::new() };
        run.fence = seek::fence(&run);
        debug_assert!((1..run.len()).all(|row| run.compare(row - 1, &run, row).is_lt()), "a run is sorted");
        run
    }

    /// From rows that are sorted if those who wrote them did right: none if they are not.
    pub(crate) fn checked(order: Order, rows: Columns, heap: Arc<Vec<u8>>) -> Option<Run> {
        let unsearchable = Run { order, rows, heap, attributes: Vec::new(), fence: Vec::new() };
        let sorted =
            (1..unsearchable.len()).all(|row| unsearchable.compare(row - 1, &unsearchable, row).is_lt());
        sorted.then(|| Run::new(order, unsearchable.rows, unsearchable.heap))
    }

    /// Some of the rows, by number, ascending.
    pub(crate) fn pick(&self, rows: &[u32]) -> Run {
        Run::new(self.order, self.rows.gather(rows), Arc::clone(&self.heap))
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.rows.bytes() + self.attributes.len() * 8 + self.fence.len() * 8
    }

    pub(crate) fn is_closed(&self) -> bool {
        !self.rows.to.is_empty()
    }

    /// The rows of each attribute in turn, in the orders that start with it.
    pub(crate) fn attribute_ranges(&self) -> impl Iterator<Item = Range<usize>> {
        let ends = self.attributes.iter().skip(1).map(|(_, start)| *start as usize).chain([self.len()]);
        self.attributes.iter().zip(ends).map(|((_, start), end)| *start as usize..end)
    }

    /// The attributes that may have values of a type, where rows are sorted by attribute, then value.
    pub(crate) fn attributes_with(&self, tag: Tag) -> impl Iterator<Item = u32> {
        debug_assert!(self.order == Order::Avet);
        let tags = &self.rows.tag;
        let fits = move |rows: &Range<usize>| (tags[rows.start]..=tags[rows.end - 1]).contains(&tag);
        let named = self.attributes.iter().zip(self.attribute_ranges());
        named.filter(move |(_, rows)| fits(rows)).map(|((a, _), _)| *a)
    }

    /// The rows of one attribute, in the orders that start with it.
    pub(crate) fn attribute(&self, a: u32) -> Range<usize> {
        debug_assert!(self.order != Order::Eavt);
        match self.attributes.binary_search_by_key(&a, |(a, _)| *a) {
            Ok(found) => {
                let end = self.attributes.get(found + 1).map_or(self.len(), |(_, start)| *start as usize);
                self.attributes[found].1 as usize..end
            }
            Err(_) => 0..0,
        }
    }

    #[inline]
    pub(crate) fn value(&self, row: usize) -> ValueRef<'_> {
        value_at(self.rows.tag[row], self.rows.word[row], &self.heap)
    }

    #[inline]
    fn compare_values(&self, row: usize, other: &Run, theirs: usize) -> Ordering {
        let (x, y) = (self.rows.tag[row], other.rows.tag[theirs]);
        if x == y && x.is_fixed() {
            return self.rows.word[row].cmp(&other.rows.word[theirs]);
        }
        self.value(row).compare(other.value(theirs))
    }

    /// Compares the first two places of the order.
    #[inline]
    pub(crate) fn compare_prefix(&self, row: usize, other: &Run, theirs: usize) -> Ordering {
        let (x, y) = (&self.rows, &other.rows);
        match self.order {
            Order::Eavt => x.e[row].cmp(&y.e[theirs]).then_with(|| x.a[row].cmp(&y.a[theirs])),
            Order::Aevt => x.a[row].cmp(&y.a[theirs]).then_with(|| x.e[row].cmp(&y.e[theirs])),
            Order::Avet => x.a[row].cmp(&y.a[theirs]).then_with(|| self.compare_values(row, other, theirs)),
        }
    }

    /// Compares all three places of the order.
    pub(crate) fn compare_facts(&self, row: usize, other: &Run, theirs: usize) -> Ordering {
        self.compare_prefix(row, other, theirs).then_with(|| self.compare_last(row, other, theirs))
    }

    /// Compares the third place of the order.
    #[inline]
    fn compare_last(&self, row: usize, other: &Run, theirs: usize) -> Ordering {
        match self.order {
            Order::Eavt | Order::Aevt => self.compare_values(row, other, theirs),
            Order::Avet => self.rows.e[row].cmp(&other.rows.e[theirs]),
        }
    }

    /// Compares whole keys; both runs are open, or both are closed.
    #[inline]
    pub(crate) fn compare(&self, row: usize, other: &Run, theirs: usize) -> Ordering {
        let (x, y) = (&self.rows, &other.rows);
        self.compare_prefix(row, other, theirs)
            .then_with(|| if self.is_closed() { x.to[row].cmp(&y.to[theirs]) } else { Ordering::Equal })
            .then_with(|| self.compare_last(row, other, theirs))
            .then_with(|| x.from[row].cmp(&y.from[theirs]))
    }

    /// A word that never sorts rows otherwise than their keys do, and tells most of them apart.
    #[inline]
    pub(crate) fn head(&self, row: usize) -> u128 {
        let (e, a) = (u128::from(self.rows.e[row]), u128::from(self.rows.a[row]));
        match self.order {
            Order::Eavt => e << 64 | a,
            Order::Aevt => a << 64 | e,
            Order::Avet => {
                let tag = self.rows.tag[row] as u128;
                a << 96 | tag << 64 | u128::from(seek::head(self.value(row), 0))
            }
        }
    }

    /// The first row of `rows` whose key is not below that of another run's row. Costs the logarithm of the distance.
    pub(crate) fn gallop(&self, rows: Range<usize>, other: &Run, theirs: usize) -> usize {
        let (ours, wanted) = (&self.rows, &other.rows);
        // One column tells most rows apart, and is searched quicker than whole keys are compared.
        let end = rows.end;
        let near = match self.order {
            _ if rows.is_empty() => end,
            Order::Eavt => first_from(&ours.e, rows, wanted.e[theirs]),
            _ if !all_are(&ours.a, &rows, wanted.a[theirs]) => rows.start,
            Order::Aevt => first_from(&ours.e, rows, wanted.e[theirs]),
            Order::Avet if wanted.tag[theirs].is_fixed() && all_are(&ours.tag, &rows, wanted.tag[theirs]) => {
                first_from(&ours.word, rows, wanted.word[theirs])
            }
            Order::Avet => rows.start,
        };
        gallop(near..end, |row| self.compare(row, other, theirs).is_lt())
    }
}

/// The first of `rows`, which a column sorts, that is not below a value.
fn first_from<V: Copy + Ord>(column: &[V], rows: Range<usize>, wanted: V) -> usize {
    gallop(rows, |row| column[row] < wanted)
}

/// True if all of `rows`, which a column sorts, have this value.
fn all_are<V: Copy + PartialEq>(column: &[V], rows: &Range<usize>, wanted: V) -> bool {
    column[rows.start] == wanted && column[rows.end - 1] == wanted
}

/// The first of `rows` for which `below` is false; `below` is true up to some row and false from there on.
/// Costs the logarithm of the distance.
pub(crate) fn gallop(rows: Range<usize>, mut below: impl FnMut(usize) -> bool) -> usize {
    let (mut low, mut step) = (rows.start, 1);
    while low < rows.end && below(low + step - 1) {
        low += step;
        step = (step * 2).min(rows.end - low).max(1);
    }
    let high = (low + step - 1).min(rows.end);
    bisect(low..high, below)
}

/// As [`gallop`], at the cost of the logarithm of all rows.
pub(crate) fn bisect(rows: Range<usize>, mut below: impl FnMut(usize) -> bool) -> usize {
    let (mut low, mut length) = (rows.start, rows.len());
    while length > 0 {
        let half = length / 2;
        if below(low + half) {
            low += half + 1;
            length -= half + 1;
        } else {
            length = half;
        }
    }
    low
}

fn first_rows(attributes: &[u32]) -> Vec<(u32, u32)> {
    let mut firsts = Vec::new();
    let mut row = 0;
    while let Some(a) = attributes.get(row) {
        firsts.push((*a, row as u32));
        row = gallop(row..attributes.len(), |row| attributes[row] == *a);
    }
    firsts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn galloping_finds_what_bisecting_finds() {
        for length in 0..40_usize {
            for edge in 0..=length {
                assert_eq!(gallop(0..length, |row| row < edge), edge, "{edge} of {length}");
                assert_eq!(bisect(0..length, |row| row < edge), edge, "{edge} of {length}");
            }
        }
    }

    #[test]
    fn attributes_know_their_first_rows() {
        assert_eq!(first_rows(&[3, 3, 5, 9, 9, 9]), [(3, 0), (5, 2), (9, 3)]);
        assert_eq!(first_rows(&[]), []);
    }
}
