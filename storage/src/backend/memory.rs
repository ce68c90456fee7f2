//! Storage in memory: the reference every other engine is compared with, and `mem:`.
//!
//! A clone shares the bytes, so that tests close and reopen what stands on it. Nothing survives the process.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Bound::{Excluded, Included, Unbounded};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{DatabaseId, Failure, Filled, Limits, MAX_VALUE_BYTES, SegmentId, Sequence, Storage};

/// The slots of a sequence: those from `first` on, without a gap.
#[derive(Default)]
struct Slots {
    first: u64,
    filled: VecDeque<Vec<u8>>,
}

impl Slots {
    /// The first empty slot.
    fn end(&self) -> u64 {
        self.first + self.filled.len() as u64
    }

    /// Where a slot is kept; none if it was deleted.
    fn at(&self, number: u64) -> Option<usize> {
        number.checked_sub(self.first).and_then(|at| usize::try_from(at).ok())
    }
}

#[derive(Default)]
struct Tables {
    slots: HashMap<Sequence, Slots>,
    segments: BTreeMap<SegmentId, Vec<u8>>,
    hints: HashMap<(DatabaseId, String), Vec<u8>>,
}

/// A storage engine in memory. Cheap to clone; clones share everything.
#[derive(Clone, Default)]
pub struct MemoryStorage {
    tables: Arc<Mutex<Tables>>,
    is_shared: bool,
}

impl MemoryStorage {
    /// An empty storage.
    pub fn new() -> MemoryStorage {
        MemoryStorage::default()
    }

    /// An empty storage that says others may write to it too: each of its clones stands for a process.
    pub fn shared() -> MemoryStorage {
        MemoryStorage { is_shared: true, ..MemoryStorage::default() }
    }

    /// Every call leaves the tables whole, so a thread that panicked elsewhere spoils nothing.
    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the bytes of a filled slot: what a failing disk does, for tests of those who must notice.
    #[cfg(feature = "testing")]
    pub fn damage_slot(&self, sequence: Sequence, number: u64, change: impl FnOnce(&mut Vec<u8>)) {
        let mut tables = self.tables();
        let slots = tables.slots.get_mut(&sequence);
        let slot = slots.and_then(|slots| slots.at(number).and_then(|at| slots.filled.get_mut(at)));
        change(slot.expect("a filled slot"));
    }

    /// Changes the bytes of a segment, likewise.
    #[cfg(feature = "testing")]
    pub fn damage_segment(&self, id: SegmentId, change: impl FnOnce(&mut Vec<u8>)) {
        let mut tables = self.tables();
        change(tables.segments.get_mut(&id).expect("a segment that is there"));
    }

    /// Takes away a sequence's slots from `number` on: what a restored old copy does.
    #[cfg(feature = "testing")]
    pub fn lose_slots(&self, sequence: Sequence, number: u64) {
        if let Some(slots) = self.tables().slots.get_mut(&sequence) {
            slots.filled.truncate(slots.at(number).unwrap_or(0));
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
        match slots.at(number).and_then(|at| slots.filled.get(at)) {
            Some(there) => Ok(Filled::Taken(there.clone())),
            None if number == slots.end() => {
                slots.filled.push_back(bytes.to_vec());
                Ok(Filled::Done)
            }
            None => Err(super::gap(sequence, number).into()),
        }
    }

    fn read_slots(&self, sequence: Sequence, from: u64, limit: usize) -> Result<Vec<Vec<u8>>, Failure> {
        let tables = self.tables();
        let Some(slots) = tables.slots.get(&sequence) else { return Ok(Vec::new()) };
        let Some(from) = slots.at(from) else { return Ok(Vec::new()) };
        Ok(slots.filled.iter().skip(from).take(limit).cloned().collect())
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

    fn list_segments(
        &self,
        database: DatabaseId,
        after: Option<SegmentId>,
        limit: usize,
    ) -> Result<Vec<SegmentId>, Failure> {
        let tables = self.tables();
        let from = after.map_or_else(|| Included(SegmentId::first_of(database)), Excluded);
        let names = tables.segments.range((from, Unbounded)).map(|(id, _)| *id);
        Ok(names.take_while(|id| id.database == database).take(limit).collect())
    }

    fn delete_slots(&self, sequence: Sequence, below: u64) -> Result<(), Failure> {
        let mut tables = self.tables();
        let Some(slots) = tables.slots.get_mut(&sequence) else { return Ok(()) };
        let below = below.min(slots.end().saturating_sub(1));
        if let Some(count) = slots.at(below) {
            slots.filled.drain(..count);
            slots.first = below;
        }
        Ok(())
    }

    fn stored_bytes(&self) -> Result<u64, Failure> {
        let tables = self.tables();
        let slots = tables.slots.values().flat_map(|slots| &slots.filled);
        let values = slots.chain(tables.segments.values()).chain(tables.hints.values());
        Ok(values.map(|bytes| bytes.len() as u64).sum())
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
        Limits { max_value_bytes: MAX_VALUE_BYTES, segment_bytes: 32_256, exclusive: !self.is_shared }
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
