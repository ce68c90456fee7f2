//! The log: append-only transactions, the durable point.
//!
//! ```text
//!   slot      0            1            2
//!         [ frame ] <--[ frame ] <--[ frame ]     each names the checksum of the one before it
//!           t 0..4       (fence)      t 5..9      t is dense, a fence holds no transaction
//! ```
//!
//! The log is the truth; everything else is derived from it. What holds at any moment: the slots have no gap, the
//! chain is whole, `t` is dense, and a batch that was acknowledged is there once. [`batch`] gives a batch its bytes,
//! [`chain`] says what may come next, [`Log`] reads what is not packed and appends, [`LogReader`] reads by `t` beside
//! it. Jobs move batches from slots into segments (`packed`), frame by frame as they are; facts that are removed for
//! ever are taken out of frames by `excise`. Nothing here knows what the facts mean.

pub mod batch;
pub mod chain;
mod excise;
pub(crate) mod packed;
mod reader;
mod writer;

#[cfg(test)]
mod example;
#[cfg(test)]
mod proofs;

pub use chain::Chain;
pub use reader::LogReader;
pub use writer::Log;

use crate::datom::{AttrId, EntityId, Partition, T, Value};

/// One fact as the log holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct LogDatom {
    /// The entity.
    pub e: EntityId,
    /// The attribute.
    pub a: AttrId,
    /// The value.
    pub v: Value,
    /// Assertion or retraction.
    pub op: Op,
}

/// What a logged datom does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// The fact holds from this transaction on.
    Assert,
    /// The fact, asserted by transaction `from`, ceases to hold.
    Retract {
        /// The transaction that asserted what is retracted: whoever applies the log needs no index to close the row.
        from: T,
        /// True if no history is kept of the fact: of an attribute with `:db/noHistory`. Whoever applies the log drops
        /// the closed row at once, so that no background job decides when the past is forgotten.
        forget: bool,
    },
}

/// One committed transaction.
#[derive(Clone, Debug, PartialEq)]
pub struct LoggedTx {
    /// Its number.
    pub t: T,
    /// Its `:db/txInstant`, microseconds since 1970.
    pub instant: i64,
    /// What it asserted and retracted.
    pub datoms: Vec<LogDatom>,
}

/// What one append writes: transactions that become durable together.
#[derive(Clone, Debug, PartialEq)]
pub struct LogBatch {
    /// The batch's number, which is its slot.
    pub seq: u64,
    /// The writer's epoch.
    pub epoch: u64,
    /// Random, to know one's own batch when it is read back.
    pub id: u128,
    /// The next free counter of each partition, after this batch.
    pub next: Vec<(Partition, u64)>,
    /// The transactions, by `t`; none in a fence.
    pub txs: Vec<LoggedTx>,
}

/// How an append ended.
#[derive(Debug)]
pub enum Appended {
    /// The batch is durable.
    Done,
    /// Another writer had filled the slot: here is what stands there. Apply it, resolve again, append to the next.
    Taken(LogBatch),
}
