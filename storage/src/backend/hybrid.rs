//! Two engines as one: what is small and must be quick in the one, segments in the other.
//!
//! Log, roots, catalog and hints are the first engine's, so its promises are the whole's; the second is only asked to keep
//! what it was given under names nobody uses twice. Whoever opens it names the same two.

use std::sync::Arc;

use super::{DatabaseId, Failure, Filled, Limits, SegmentId, Sequence, Storage};

/// A storage engine made of two.
#[derive(Debug)]
pub struct HybridStorage {
    log: Arc<dyn Storage>,
    segments: Arc<dyn Storage>,
    warnings: Vec<String>,
}

impl HybridStorage {
    /// Slots and hints in `log`, segments in `segments`.
    pub fn new(log: Arc<dyn Storage>, segments: Arc<dyn Storage>) -> HybridStorage {
        let warnings = [log.warnings(), segments.warnings()].concat();
        HybridStorage { log, segments, warnings }
    }
}

impl Storage for HybridStorage {
    fn fill_slot(&self, sequence: Sequence, number: u64, bytes: &[u8]) -> Result<Filled, Failure> {
        self.log.fill_slot(sequence, number, bytes)
    }

    fn read_slots(&self, sequence: Sequence, from: u64, limit: usize) -> Result<Vec<Vec<u8>>, Failure> {
        self.log.read_slots(sequence, from, limit)
    }

    fn write_segments(&self, segments: &[(SegmentId, &[u8])]) -> Result<(), Failure> {
        self.segments.write_segments(segments)
    }

    fn read_segments(&self, ids: &[SegmentId]) -> Result<Vec<Option<Vec<u8>>>, Failure> {
        self.segments.read_segments(ids)
    }

    fn delete_segments(&self, ids: &[SegmentId]) -> Result<(), Failure> {
        self.segments.delete_segments(ids)
    }

    fn list_segments(
        &self,
        database: DatabaseId,
        after: Option<SegmentId>,
        limit: usize,
    ) -> Result<Vec<SegmentId>, Failure> {
        self.segments.list_segments(database, after, limit)
    }

    fn delete_slots(&self, sequence: Sequence, below: u64) -> Result<(), Failure> {
        self.log.delete_slots(sequence, below)
    }

    fn stored_bytes(&self) -> Result<u64, Failure> {
        Ok(self.log.stored_bytes()? + self.segments.stored_bytes()?)
    }

    fn delete_database(&self, database: DatabaseId) -> Result<(), Failure> {
        self.segments.delete_database(database)?;
        self.log.delete_database(database)
    }

    fn set_hint(&self, database: DatabaseId, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        self.log.set_hint(database, name, bytes)
    }

    fn hint(&self, database: DatabaseId, name: &str) -> Result<Option<Vec<u8>>, Failure> {
        self.log.hint(database, name)
    }

    fn limits(&self) -> Limits {
        let (log, segments) = (self.log.limits(), self.segments.limits());
        Limits {
            max_value_bytes: log.max_value_bytes.min(segments.max_value_bytes),
            segment_bytes: segments.segment_bytes,
            exclusive: log.exclusive && segments.exclusive,
        }
    }

    fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use super::super::emulator::{Emulator, Place};
    use super::super::postgres::server::Server;
    use super::super::{MemoryStorage, ObjectStorage, PostgresStorage, object, suite};
    use super::*;

    #[test]
    fn memory_and_memory_conform() {
        suite::conform(&|| {
            let [log, segments] = [MemoryStorage::new(), MemoryStorage::new()];
            Arc::new(HybridStorage::new(Arc::new(log), Arc::new(segments)))
        });
    }

    #[test]
    fn a_log_in_postgres_and_segments_in_azure_conform_and_survive() {
        let place = || (Server::shared().fresh(), Emulator::azurite().fresh());
        let open = |(log, (segments, settings)): &(String, Place)| {
            let options = object::Options { settings: settings.clone(), ..object::Options::default() };
            let segments = ObjectStorage::open_with(segments, &options).expect("Azurite is there");
            let log = PostgresStorage::open(log).expect("PostgreSQL is there");
            HybridStorage::new(Arc::new(log), Arc::new(segments))
        };
        suite::conform(&|| Arc::new(open(&place())));
        let kept = place();
        suite::survives_reopening(&|| Arc::new(open(&kept)));
    }

    #[test]
    fn each_keeps_its_own() {
        let [log, segments] = [MemoryStorage::new(), MemoryStorage::new()];
        let both = HybridStorage::new(Arc::new(log.clone()), Arc::new(segments.clone()));
        let database = DatabaseId(1);
        let id = SegmentId::first_of(database);
        both.fill_slot(Sequence::Log(database), 0, b"slot").expect("filled");
        both.write_segments(&[(id, b"segment")]).expect("written");
        assert_eq!(log.read_slots(Sequence::Log(database), 0, 9).expect("memory").len(), 1);
        assert_eq!(log.read_segments(&[id]).expect("memory"), [None]);
        assert_eq!(segments.read_segments(&[id]).expect("memory"), [Some(b"segment".to_vec())]);
        assert!(segments.read_slots(Sequence::Log(database), 0, 9).expect("memory").is_empty());
    }
}
