//! A storage of one process that others read through it: the same, but for the promise that nobody else is there.
//!
//! Packed slots stay where they are, and what a newer root does not need stays for the grace period, because others may
//! still read it.

use std::sync::Arc;

use super::{DatabaseId, Failure, Filled, Limits, SegmentId, Sequence, Storage};

/// A storage that is served to others.
#[derive(Debug)]
pub struct ServedStorage(Arc<dyn Storage>);

impl ServedStorage {
    /// The same storage, served.
    pub fn new(storage: Arc<dyn Storage>) -> ServedStorage {
        ServedStorage(storage)
    }
}

impl Storage for ServedStorage {
    fn fill_slot(&self, sequence: Sequence, number: u64, bytes: &[u8]) -> Result<Filled, Failure> {
        self.0.fill_slot(sequence, number, bytes)
    }

    fn read_slots(&self, sequence: Sequence, from: u64, limit: usize) -> Result<Vec<Vec<u8>>, Failure> {
        self.0.read_slots(sequence, from, limit)
    }

    fn write_segments(&self, segments: &[(SegmentId, &[u8])]) -> Result<(), Failure> {
        self.0.write_segments(segments)
    }

    fn read_segments(&self, ids: &[SegmentId]) -> Result<Vec<Option<Vec<u8>>>, Failure> {
        self.0.read_segments(ids)
    }

    fn delete_segments(&self, ids: &[SegmentId]) -> Result<(), Failure> {
        self.0.delete_segments(ids)
    }

    fn list_segments(
        &self,
        database: DatabaseId,
        after: Option<SegmentId>,
        limit: usize,
    ) -> Result<Vec<SegmentId>, Failure> {
        self.0.list_segments(database, after, limit)
    }

    fn delete_slots(&self, sequence: Sequence, below: u64) -> Result<(), Failure> {
        self.0.delete_slots(sequence, below)
    }

    fn stored_bytes(&self) -> Result<u64, Failure> {
        self.0.stored_bytes()
    }

    fn delete_database(&self, database: DatabaseId) -> Result<(), Failure> {
        self.0.delete_database(database)
    }

    fn set_hint(&self, database: DatabaseId, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        self.0.set_hint(database, name, bytes)
    }

    fn hint(&self, database: DatabaseId, name: &str) -> Result<Option<Vec<u8>>, Failure> {
        self.0.hint(database, name)
    }

    fn limits(&self) -> Limits {
        Limits { exclusive: false, ..self.0.limits() }
    }

    fn warnings(&self) -> &[String] {
        self.0.warnings()
    }
}
