//! The bytes of a leaf: some thousand sorted rows, column by column.
//!
//! ```text
//!   rows  shape:1  e  attributes  [which]  from  [to]  then for each attribute its values  then codes
//!
//!   attributes   how many, the first, then steps to the next; which: the attribute of each row, if there are several
//!   values       kind:1, then by kind
//!     fixed        type number             words
//!     variable     type number             lengths  [kept]
//!       shared       + 16                  how many different, their lengths  [kept], which: the value of each row
//!       abridged     + 32                  kept: how many bytes are those of the value before
//!     mixed        0                       types, words and lengths
//!   codes        the bytes of variable values in the order of their lengths, without those kept
//! ```
//!
//! Columns are [packed](super::pack). Values stand together by attribute, because those of one attribute are alike.
//! A value that many rows have stands there once, on disk and in memory; values that begin like the one before, as
//! sorted ones do, say so. Decoding trusts nothing: what comes out is sorted, each value is one, and neither time nor
//! memory exceeds what [`MAX_ROWS`] and the payload's size allow.

mod decode;
mod encode;
#[cfg(test)]
mod example;
#[cfg(test)]
mod proofs;

pub(crate) use self::decode::decode;
pub(crate) use self::encode::encode;

use crate::datom::Order;
use crate::tree::Shape;

/// The version of the payload written here.
pub(crate) const LEAF_VERSION: u8 = 1;
/// The most rows a leaf has: one value in all rows takes next to no bytes, so their size does not bound them.
pub(crate) const MAX_ROWS: usize = 1 << 16;

const CLOSED: u8 = 4;
/// The kind of values of several types.
const MIXED: u8 = 0;
/// Rows share values.
const SHARED: u8 = 16;
/// Values are without the bytes kept of the value before.
const ABRIDGED: u8 = 32;
/// Every so many values, one keeps nothing: so the whole is at most this many times as large as what is stored.
const WHOLE_EVERY: usize = 16;

/// The byte that says which order and shape the rows have.
fn shape_byte(order: Order, shape: Shape) -> u8 {
    order as u8 | if shape == Shape::Closed { CLOSED } else { 0 }
}

/// Where each group starts, from how many each has.
fn starts(counts: &[usize]) -> Vec<usize> {
    let next = |sum: &mut usize, count: &usize| {
        *sum += count;
        Some(*sum - count)
    };
    counts.iter().scan(0, next).collect()
}

/// How many bytes the word of a variable value says it has.
fn length_of(word: i64) -> usize {
    word as u32 as usize
}

/// Where in the heap the word of a variable value says it starts.
fn start_of(word: i64) -> usize {
    (word as u64 >> 32) as usize
}
