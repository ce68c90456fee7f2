//! Storage in memory: the reference every other engine is compared with, and `mem:`.
//!
//! A clone shares the bytes, so that tests close and reopen what stands on it. Nothing survives the process.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{DatabaseId, Failure, Filled, Limits, MAX_VALUE_BYTES, SegmentId, Sequence, Storage};

#[derive(Default)]
struct Tables {
    slots: HashMap<Sequence, Vec<Vec<u8>>>,
    segments: BTreeMap<SegmentId, Vec<u8>>,
    hints: HashMap<(DatabaseId, String), Vec<u8>>,
}

/// A storage engine in memory. Cheap to clone; clones share everything.
#[derive(Clone, Default)]
pub struct MemoryStorage {
    tables: Arc<Mutex<Tables>>,
}

impl MemoryStorage {
    /// An empty storage.
    pub fn new() -> MemoryStorage {
        MemoryStorage::default()
    }

    /// Every call leaves the tables whole, so a thread that panicked elsewhere spoils nothing.
    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the bytes of a filled slot: what a failing disk does, for tests of those who must notice.
    #[cfg(feature = "testing")]
    pub fn damage_slot(&self, sequence: Sequence, number: u64, change: impl FnOnce(&mut Vec<u8>)) {
        let mut tables = self.tables();
        let slot = tables.slots.get_mut(&sequence).and_then(|slots| slots.get_mut(number as usize));
        change(slot.expect("a filled slot"));
    }

    /// Takes away a sequence's slots from `number` on: what a restored old copy does.
    #[cfg(feature = "testing")]
    pub fn lose_slots(&self, sequence: Sequence, number: u64) {
        if let Some(slots) = self.tables().slots.get_mut(&sequence) {
            slots.truncate(number as usize);
        }
    }
}

impl std::fmt::Debug for MemoryStorage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("memory storage")
    }
}

impl Storage for MemoryStorage {
    fn fill_slot(&self, sequence: Sequence, number: u64, bytes: &[u8]) -> Result<Filled, Failure> {
        super::within_limits(bytes.len(), self.limits(), || sequence.slot(number))?;
        let mut tables = self.tables();
        let slots = tables.slots.entry(sequence).or_default();
        match slots.get(number as usize) {
            Some(there) => Ok(Filled::Taken(there.clone())),
            None if number as usize == slots.len() => {
                slots.push(bytes.to_vec());
                Ok(Filled::Done)
            }
            None => Err(super::gap(sequence, number).into()),
        }
    }

    fn read_slots(&self, sequence: Sequence, from: u64, limit: usize) -> Result<Vec<Vec<u8>>, Failure> {
        let tables = self.tables();
        let slots = tables.slots.get(&sequence).map_or(&[][..], Vec::as_slice);
        let from = usize::try_from(from).unwrap_or(usize::MAX).min(slots.len());
        Ok(slots[from..].iter().take(limit).cloned().collect())
    }

    fn write_segments(&self, segments: &[(SegmentId, &[u8])]) -> Result<(), Failure> {
        for (id, bytes) in segments {
            super::within_limits(bytes.len(), self.limits(), || id.to_string())?;
        }
        let mut tables = self.tables();
        for (id, bytes) in segments {
            tables.segments.entry(*id).or_insert_with(|| bytes.to_vec());
        }
        Ok(())
    }

    fn read_segments(&self, ids: &[SegmentId]) -> Result<Vec<Option<Vec<u8>>>, Failure> {
        let tables = self.tables();
        Ok(ids.iter().map(|id| tables.segments.get(id).cloned()).collect())
    }

    fn delete_segments(&self, ids: &[SegmentId]) -> Result<(), Failure> {
        let mut tables = self.tables();
        for id in ids {
            tables.segments.remove(id);
        }
        Ok(())
    }

    fn delete_database(&self, database: DatabaseId) -> Result<(), Failure> {
        super::never_the_catalog(database);
        let mut tables = self.tables();
        tables.slots.retain(|sequence, _| sequence.database() != database);
        tables.segments.retain(|id, _| id.database != database);
        tables.hints.retain(|(owner, _), _| *owner != database);
        Ok(())
    }

    fn set_hint(&self, database: DatabaseId, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        self.tables().hints.insert((database, name.to_owned()), bytes.to_vec());
        Ok(())
    }

    fn hint(&self, database: DatabaseId, name: &str) -> Result<Option<Vec<u8>>, Failure> {
        Ok(self.tables().hints.get(&(database, name.to_owned())).cloned())
    }

    fn limits(&self) -> Limits {
        Limits { max_value_bytes: MAX_VALUE_BYTES, segment_bytes: 32_256 }
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use super::super::suite;
    use super::*;

    #[test]
    fn conforms() {
        suite::conform(&|| Arc::new(MemoryStorage::new()));
    }

    #[test]
    fn clones_share_the_bytes() {
        let storage = MemoryStorage::new();
        suite::survives_reopening(&|| Arc::new(storage.clone()));
    }
}
