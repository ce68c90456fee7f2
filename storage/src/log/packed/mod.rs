//! The packed log: batches that slots held, as a stream of their frames cut into segments.
//!
//! ```text
//!   frames     [ batch 7        ][ batch 8 ][ batch 9                      ][ batch 10 ]
//!   segments   [ from 7, byte 0        ][ from 8, byte 90    ][ from 9, byte 700       ]
//!   tree       a key for each: number of the batch its first byte belongs to, and how many of its bytes came before
//! ```
//!
//! Frames are kept as they were: what a feed sends and what a chain names does not change by packing. The tree over the
//! segments is one like those of facts: its rows are datoms (counted where their batch begins), its zones the numbers
//! of the transactions of all batches that begin or go on in a segment. So both a batch and a transaction are found by
//! directories alone, and then one segment is read.
//!
//! Only removing facts for ever rewrites what is packed: then all of it, as a new *log generation* whose number each
//! segment carries, so that it can be told from the older one though every root is lost ([`recover()`]).

mod fork;
mod pack;
mod read;
mod recover;
pub(crate) mod segment;
#[cfg(test)]
mod tests;

pub(crate) use fork::fork;
pub(crate) use pack::{Packed, pack};
pub(crate) use read::{batch_of, datoms_after, frames, read};
pub(crate) use recover::recover;
