//! Reads a log by transaction number, beside the one who appends.
//!
//! In memory there is one number a batch: where its transactions end. The writer adds to it once a batch is durable,
//! so a reader never sees what is not. Bytes are read from storage each time, a few slots at once.

use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock};

use super::{LogBatch, LoggedTx, chain};
use crate::backend::{DatabaseId, Sequence, Storage, settle};
use crate::datom::T;
use crate::error::{Error, Result};

/// How many slots are read at once.
pub(super) const READ_AHEAD: usize = 64;

/// For each batch, the `t` after its last transaction. Shared between the writer and its readers.
#[derive(Clone, Debug, Default)]
pub(super) struct Ends(Arc<RwLock<Vec<T>>>);

impl Ends {
    pub(super) fn push(&self, end: T) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).push(end);
    }

    /// The first batch that ends after `t`, and how many batches there are.
    fn first_after(&self, t: T) -> Range<u64> {
        let ends = self.0.read().unwrap_or_else(PoisonError::into_inner);
        ends.partition_point(|end| *end <= t) as u64..ends.len() as u64
    }
}

/// Reads a log by transaction number. Cheap to clone.
#[derive(Clone, Debug)]
pub struct LogReader {
    storage: Arc<dyn Storage>,
    database: DatabaseId,
    ends: Ends,
}

impl LogReader {
    pub(super) fn new(storage: Arc<dyn Storage>, database: DatabaseId, ends: Ends) -> LogReader {
        LogReader { storage, database, ends }
    }

    /// Hands the transactions of `range` to `sink` in order, until it returns false.
    pub fn read(&self, range: Range<T>, sink: &mut dyn FnMut(LoggedTx) -> bool) -> Result<()> {
        if range.is_empty() {
            return Ok(());
        }
        let mut batches = self.ends.first_after(range.start);
        while !batches.is_empty() {
            for bytes in self.frames(batches.clone())? {
                for tx in self.open(batches.start, &bytes)?.txs {
                    if tx.t >= range.end || (tx.t >= range.start && !sink(tx)) {
                        return Ok(());
                    }
                }
                batches.start += 1;
            }
        }
        Ok(())
    }

    /// The batch that holds a transaction, or would if it is the next; the number of batches if it is yet to come.
    pub fn batch_of(&self, t: T) -> u64 {
        self.ends.first_after(t).start
    }

    /// The frames of some batches as they are stored, at least one if the range holds a batch that is durable: what
    /// a feed sends. Whoever receives them checks them with a [`Chain`](super::Chain).
    pub fn frames(&self, batches: Range<u64>) -> Result<Vec<Vec<u8>>> {
        let known = batches.start..batches.end.min(self.ends.first_after(0).end);
        if known.is_empty() {
            return Ok(Vec::new());
        }
        let sequence = Sequence::Log(self.database);
        let limit =
            usize::try_from(known.end - known.start).map_or(READ_AHEAD, |count| count.min(READ_AHEAD));
        let frames = settle::repeat(|| self.storage.read_slots(sequence, known.start, limit))?;
        if frames.is_empty() {
            return Err(Error::corrupt(
                sequence.slot(known.start),
                "it is empty, expected a batch that was there",
            ));
        }
        Ok(frames)
    }

    fn open(&self, seq: u64, bytes: &[u8]) -> Result<LogBatch> {
        let place = Sequence::Log(self.database).slot(seq);
        let batch = chain::open(self.database, bytes, &place)?.batch;
        if batch.seq != seq {
            return Err(Error::corrupt(place, format!("batch number {}, expected {seq}", batch.seq)));
        }
        Ok(batch)
    }
}
