//! What may come next in a log.
//!
//! A [`Chain`] is the end of a log as someone knows it: the next slot, the next `t`, the checksum of the last frame.
//! Everyone who follows a log (the writer, a reader of storage, a receiver of frames over the network) holds one and
//! takes a frame only if it continues it. A database that lost its tail, or two histories mixed, are found here.

use crate::backend::{DatabaseId, Sequence};
use crate::datom::T;
use crate::error::{Error, Result};
use crate::frame::{self, Expected, Kind};

use super::LogBatch;
use super::batch::{self, BATCH_VERSION, Stored};

/// The end of a log: what the next batch must continue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    database: DatabaseId,
    seq: u64,
    /// Unknown before the first transaction, which is 0 (the bootstrap schema) or 1.
    t: Option<T>,
    /// The checksum of the last frame. Before the first: the database's id, so that no two logs begin alike.
    last: u128,
}

impl Chain {
    /// The empty log of a database.
    pub fn new(database: DatabaseId) -> Chain {
        Chain { database, seq: 0, t: None, last: database.0 }
    }

    /// The slot of the next batch.
    pub fn next_seq(&self) -> u64 {
        self.seq
    }

    /// The number of the next transaction; 0 while there is none.
    pub fn next_t(&self) -> T {
        self.t.unwrap_or(0)
    }

    /// The frame of a batch that continues this log; the log stays as it is.
    pub fn seal(&self, batch: &LogBatch) -> Result<Vec<u8>> {
        self.fits(batch).map_err(|what| Error::OutOfOrder { place: self.place(), what })?;
        let mut payload = Vec::new();
        batch::encode(batch, self.last, &mut payload)?;
        frame::seal(Kind::LogBatch, BATCH_VERSION, self.database, &payload)
    }

    /// Goes on past a frame that continues this log, and gives its batch.
    pub fn accept(&mut self, bytes: &[u8]) -> Result<LogBatch> {
        let place = self.place();
        let Stored { batch, previous } = open(self.database, bytes, &place)?;
        if previous != self.last {
            let what =
                format!("it continues frame {previous:032x}, expected {:032x}: not one history", self.last);
            return Err(Error::corrupt(place, what));
        }
        self.fits(&batch).map_err(|what| Error::corrupt(place, what))?;
        self.pass(&batch, bytes);
        Ok(batch)
    }

    /// Goes on past the sealed frame of a batch.
    pub(super) fn pass(&mut self, batch: &LogBatch, frame: &[u8]) {
        self.seq += 1;
        self.last = frame::checksum(frame);
        self.t = batch.txs.last().map(|tx| tx.t + 1).or(self.t);
    }

    /// Says what is wrong if the batch's numbers do not continue this log.
    fn fits(&self, batch: &LogBatch) -> Result<(), String> {
        if batch.seq != self.seq {
            return Err(format!("batch number {}, expected {}", batch.seq, self.seq));
        }
        let Some(first) = batch.txs.first() else { return Ok(()) };
        let expected = self.t.unwrap_or(first.t.min(1))..;
        match batch.txs.iter().zip(expected).find(|(tx, expected)| tx.t != *expected) {
            Some((tx, expected)) => Err(format!("transaction {}, expected {expected}", tx.t)),
            None => Ok(()),
        }
    }

    fn place(&self) -> String {
        Sequence::Log(self.database).slot(self.seq)
    }
}

/// Opens a log frame by itself, without the log before it.
pub(super) fn open(database: DatabaseId, bytes: &[u8], place: &str) -> Result<Stored> {
    let expected = Expected { kind: Kind::LogBatch, kind_version: BATCH_VERSION, database, place };
    let opened = frame::open(bytes, &expected)?;
    batch::decode(&opened.payload).map_err(|malformed| Error::corrupt(place, malformed.to_string()))
}
