//! Writes the segments of one job: gives them names, and hands them to the storage in groups.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::backend::{DatabaseId, SegmentId, Storage, settle};
use crate::error::{Error, Result};
use crate::tree::Name;

/// Frames are handed on when so many bytes are held.
const GROUP_BYTES: usize = 8 << 20;

/// The segments of one job, or of a part of it. What it wrote is durable after [`Writer::flush`]; before that nobody may name it.
#[derive(Debug)]
pub(crate) struct Writer<'s> {
    pub(crate) storage: &'s dyn Storage,
    pub(crate) database: DatabaseId,
    pub(crate) epoch: u64,
    pub(crate) job: u64,
    /// The next ordinal, for this writer and those beside it.
    next: Arc<AtomicU64>,
    /// Segments taken so far.
    pub(crate) segments: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
    /// Rows in the leaves among them.
    pub(crate) rows: u64,
    held: Vec<(SegmentId, Vec<u8>)>,
    held_bytes: usize,
}

impl<'s> Writer<'s> {
    pub(crate) fn new(storage: &'s dyn Storage, database: DatabaseId, epoch: u64, job: u64) -> Writer<'s> {
        Writer::of(storage, database, (epoch, job), Arc::default())
    }

    fn of(
        storage: &'s dyn Storage,
        database: DatabaseId,
        (epoch, job): (u64, u64),
        next: Arc<AtomicU64>,
    ) -> Writer<'s> {
        let (segments, bytes, rows) = (0, 0, 0);
        let (held, held_bytes) = (Vec::new(), 0);
        Writer { storage, database, epoch, job, next, segments, bytes, rows, held, held_bytes }
    }

    /// Another writer of the same job, for a thread of its own; to be [joined](Writer::join).
    pub(crate) fn beside(&self) -> Writer<'s> {
        Writer::of(self.storage, self.database, (self.epoch, self.job), Arc::clone(&self.next))
    }

    /// Takes over what a writer beside this one has taken and not written yet, and its counts.
    pub(crate) fn join(&mut self, other: Writer<'s>) {
        self.segments += other.segments;
        self.bytes += other.bytes;
        self.rows += other.rows;
        self.held.extend(other.held);
        self.held_bytes += other.held_bytes;
    }

    /// Takes a frame; it is written by [`Writer::flush`] at the latest.
    pub(crate) fn add(&mut self, frame: Vec<u8>) -> Result<Name> {
        let name =
            Name { epoch: self.epoch, job: self.job, ordinal: self.next.fetch_add(1, Ordering::Relaxed) };
        self.segments += 1;
        self.bytes += frame.len() as u64;
        self.held_bytes += frame.len();
        self.held.push((name.of(self.database), frame));
        if self.held_bytes >= GROUP_BYTES {
            self.flush()?;
        }
        Ok(name)
    }

    /// The complaint that what a tree is to be made of cannot be sound: what it was read from is not.
    pub(crate) fn refused(&self, what: &str) -> Error {
        Error::corrupt(format!("tree of job {} of database {}", self.job, self.database), what)
    }

    /// Writes what is still held: durable on return.
    pub(crate) fn flush(&mut self) -> Result<()> {
        if self.held.is_empty() {
            return Ok(());
        }
        let group: Vec<_> = self.held.iter().map(|(id, frame)| (*id, frame.as_slice())).collect();
        settle::repeat(|| self.storage.write_segments(&group))?;
        self.held.clear();
        self.held_bytes = 0;
        Ok(())
    }
}
