//! What may come next in a log.
//!
//! A [`Chain`] is the end of a log as someone knows it: the next slot, the next `t`, the checksum of the last frame.
//! Everyone who follows a log (the writer, a reader of storage, a receiver of frames over the network) holds one and
//! takes a frame only if it continues it. A database that lost its tail, or two histories mixed, are found here. A frame
//! from which facts were removed for ever stands for the frame it replaces, so that the chain stays whole.

use crate::backend::{DatabaseId, Lineage};
use crate::datom::T;
use crate::error::{Error, Result};
use crate::frame::{self, Expected, Kind};
use crate::root::LogEnd;

use super::LogBatch;
use super::batch::{self, BATCH_VERSION, Stored};

/// The end of a log: what the next batch must continue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    lineage: Lineage,
    seq: u64,
    /// Unknown before the first transaction, which is 0 (the bootstrap schema) or 1.
    t: Option<T>,
    /// The checksum of the last frame. Before the first: the database's id, so that no two logs begin alike but those
    /// of a database and its forks.
    last: u128,
}

impl Chain {
    /// The empty log of a database.
    pub fn new(database: impl Into<Lineage>) -> Chain {
        let lineage = database.into();
        let last = lineage.origin().0;
        Chain { lineage, seq: 0, t: None, last }
    }

    /// The log of a database after what is packed.
    pub(crate) fn after(database: impl Into<Lineage>, end: &LogEnd) -> Chain {
        Chain { lineage: database.into(), seq: end.seq, t: end.t, last: end.previous }
    }

    /// The end, as a root keeps it.
    pub(crate) fn end(&self) -> LogEnd {
        LogEnd { seq: self.seq, t: self.t, previous: self.last }
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
        batch::encode(batch, self.last, None, &mut payload)?;
        frame::seal(Kind::LogBatch, BATCH_VERSION, self.lineage.writer_of(batch.seq), &payload)
    }

    /// Goes on past a frame that continues this log, and gives its batch.
    pub fn accept(&mut self, bytes: &[u8]) -> Result<LogBatch> {
        let place = self.place();
        let writer = self.lineage.writer_of(self.seq);
        let Opened { stored: Stored { batch, previous, .. }, link } = open(writer, bytes, &place)?;
        if previous != self.last {
            let what =
                format!("it continues frame {previous:032x}, expected {:032x}: not one history", self.last);
            return Err(Error::corrupt(place, what));
        }
        self.fits(&batch).map_err(|what| Error::corrupt(place, what))?;
        self.pass(&batch, link);
        Ok(batch)
    }

    /// Goes on past a batch, which the next one names by `link`: the checksum of its frame, or of the frame that its
    /// frame stands for.
    pub(super) fn pass(&mut self, batch: &LogBatch, link: u128) {
        self.seq += 1;
        self.last = link;
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
        self.lineage.place(self.seq)
    }
}

/// A log frame that was opened by itself, without the log before it.
pub(super) struct Opened {
    pub(super) stored: Stored,
    /// What the next batch names it by.
    pub(super) link: u128,
}

/// Opens a log frame by itself.
pub(super) fn open(database: DatabaseId, bytes: &[u8], place: &str) -> Result<Opened> {
    let opened = frame::open(bytes, &expected(database, place))?;
    let stored = batch::decode(&opened.payload, opened.kind_version);
    let stored = stored.map_err(|malformed| Error::corrupt(place, malformed.to_string()))?;
    let link = stored.stands_for.unwrap_or(opened.checksum);
    Ok(Opened { stored, link })
}

/// What the next frame has to name as the one before it, if it goes on from this one. The frame is whole; its transactions
/// are not read.
pub(super) fn link(database: DatabaseId, bytes: &[u8], place: &str) -> Result<u128> {
    let opened = frame::open(bytes, &expected(database, place))?;
    let stands_for = batch::stands_for(&opened.payload, opened.kind_version);
    let stands_for = stands_for.map_err(|malformed| Error::corrupt(place, malformed.to_string()))?;
    Ok(stands_for.unwrap_or(opened.checksum))
}

fn expected(database: DatabaseId, place: &str) -> Expected<'_> {
    Expected { kind: Kind::LogBatch, kind_version: BATCH_VERSION, database, place }
}
