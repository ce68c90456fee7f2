//! Storage in one file, by redb: the default engine.
//!
//! ```text
//!   table     key                                  value
//!   annals    "layout"                             the version of these tables
//!             "slots"                              the sum of the marks of all slots' keys
//!   slots     (sequence kind, database, number)    frame
//!   segments  (database, epoch, job, ordinal)      frame
//!   hints     (database, name)                     bytes
//! ```
//!
//! Every write is a redb transaction of its own, on disk when the call returns. redb locks the file, so there is one
//! process; a slot is filled under redb's single writer, which makes filling atomic. redb may panic on a file that
//! was damaged outside of it: every call into it is caught, reported as corruption, and ends the use of the handle.
//! That is the one place where unwinding is caught in this crate, and nothing of redb's is used after it.

mod file;
#[cfg(all(test, feature = "testing"))]
mod proofs;

use std::fmt;
use std::ops::Bound::{Excluded, Included};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use redb::{
    AccessGuard, Database, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition, TableHandle,
    WriteTransaction,
};

use super::{DatabaseId, Failure, Filled, Limits, MAX_VALUE_BYTES, SegmentId, Sequence, Storage};
use crate::error::{Error, Result};
use xxhash_rust::xxh3::xxh3_64;

type SlotKey = (u8, u128, u64);
type SegmentKey = (u128, u64, u64, u64);

const META: TableDefinition<'_, &str, u64> = TableDefinition::new("annals");
const SLOTS: TableDefinition<'_, SlotKey, &[u8]> = TableDefinition::new("slots");
const SEGMENTS: TableDefinition<'_, SegmentKey, &[u8]> = TableDefinition::new("segments");
const HINTS: TableDefinition<'_, (u128, &str), &[u8]> = TableDefinition::new("hints");

/// How many slots are deleted in one transaction of redb, which holds what it changes in memory.
const DELETED_AT_ONCE: usize = if cfg!(test) { 64 } else { 4096 };

const LAYOUT_KEY: &str = "layout";
const LAYOUT: u64 = 1;
/// Where the marks of all slots' keys are summed up. A slot whose key was damaged would be a slot that never was: the
/// last of a log would be missed by nobody. A file without the sum gets one with its next slot.
const SLOTS_KEY: &str = "slots";

/// redb itself uses so many pages in a file without a table, whose creation was cut short. More were ours.
const MOST_PAGES_WITHOUT_TABLES: u64 = 4;

/// How a file is opened.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Create the storage if there is none.
    pub create: bool,
    /// The size of redb's page cache, bytes. Small, for segments are cached decoded elsewhere.
    pub cache_bytes: usize,
    /// Read and check the whole file first.
    pub verify: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options { create: true, cache_bytes: 16 << 20, verify: false }
    }
}

/// The size of a file, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compacted {
    /// Before it was compacted.
    pub before: u64,
    /// And after.
    pub after: u64,
}

/// A storage engine in one file.
pub struct RedbStorage {
    path: PathBuf,
    /// Taken when the handle is dropped, never before.
    database: Option<Database>,
    broken: AtomicBool,
}

impl RedbStorage {
    /// Opens the storage in this file, and creates it if there is none.
    pub fn open(path: impl AsRef<Path>) -> Result<RedbStorage> {
        RedbStorage::open_with(path, &Options::default())
    }

    /// Opens the storage in this file, which must be there.
    pub fn open_existing(path: impl AsRef<Path>) -> Result<RedbStorage> {
        RedbStorage::open_with(path, &Options { create: false, ..Options::default() })
    }

    /// Opens the storage in this file as `options` say.
    pub fn open_with(path: impl AsRef<Path>, options: &Options) -> Result<RedbStorage> {
        let path = path.as_ref();
        file::look_at(path, options)?;
        let database = caught(path, || file::open(path, options))??;
        let storage =
            RedbStorage { path: path.to_owned(), database: Some(database), broken: AtomicBool::new(false) };
        let new = storage.call(|database| storage.prepare(database, options).map_err(Failure::Refused))?;
        if new {
            file::sync_folder(path);
        }
        Ok(storage)
    }

    /// Moves what is stored to the front of the file and cuts off the rest. Pages of what was deleted stay in a file
    /// for what comes next; this gives them back. Needs the room of what it moves, and is safe to be killed in.
    pub fn compact(&mut self) -> Result<Compacted> {
        let before = self.stored_bytes()?;
        let mut database = self.database.take().expect("it is there until the handle is dropped");
        let done = caught(&self.path, || {
            // A round moves what the round before made room for.
            while database.compact()? {}
            Ok(())
        });
        self.database = Some(database);
        match done {
            Ok(moved) => self.known::<(), redb::CompactionError>(moved)?,
            Err(error) => {
                self.broken.store(true, Ordering::Release);
                return Err(error);
            }
        }
        Ok(Compacted { before, after: self.stored_bytes()? })
    }

    /// Opens a storage whose file is given as bytes; what is written to it is forgotten. For tests of damaged files.
    #[cfg(feature = "testing")]
    pub fn from_image(image: &[u8], options: &Options) -> Result<RedbStorage> {
        use redb::StorageBackend;
        let path = Path::new("image");
        let backend = redb::backends::InMemoryBackend::new();
        let filled = backend.set_len(image.len() as u64).and_then(|()| backend.write(0, image));
        filled.map_err(|error| Error::Unavailable(format!("the image: {error}")))?;
        if image.is_empty() && !options.create {
            return Err(Error::NotADatabase { path: shown(path), found: "the file is empty".into() });
        }
        let database = caught(path, || {
            let mut builder = Database::builder();
            builder.set_cache_size(options.cache_bytes).set_check_integrity_on_open(options.verify);
            builder
                .create_with_backend(backend)
                .map_err(|error| Error::corrupt("file image", error.to_string()))
        })??;
        let storage =
            RedbStorage { path: path.to_owned(), database: Some(database), broken: AtomicBool::new(false) };
        storage.call(|database| storage.prepare(database, options).map_err(Failure::Refused))?;
        Ok(storage)
    }

    /// Finds the tables, or makes them in a file that is still empty; true if it did.
    fn prepare(&self, database: &Database, options: &Options) -> Result<bool> {
        let read = self.known(database.begin_read())?;
        let tables: Vec<String> =
            self.known(read.list_tables())?.map(|table| table.name().to_owned()).collect();
        if tables.is_empty() && options.create {
            drop(read);
            return self.create_tables(database).map(|()| true);
        }
        let foreign = |found: String| Error::NotADatabase { path: shown(&self.path), found };
        if tables.is_empty() {
            return Err(foreign("the file is empty".into()));
        }
        if !tables.iter().any(|name| name == META.name()) {
            return Err(foreign(format!("it is a redb file of another program, with tables {tables:?}")));
        }
        let meta = self.known(read.open_table(META))?;
        let layout = self.known(meta.get(LAYOUT_KEY))?.map_or(0, |layout| layout.value());
        if layout != LAYOUT {
            let found = u32::try_from(layout).unwrap_or(u32::MAX);
            let place = format!("file {}", shown(&self.path));
            return Err(Error::UnknownVersion { place, what: "layout", found, known: LAYOUT.to_string() });
        }
        let slots = self.known(read.open_table(SLOTS))?;
        if let Some(sum) = self.known(meta.get(SLOTS_KEY))? {
            self.compare_slots(&slots, sum.value())?;
        }
        self.known(read.open_table(SEGMENTS))?;
        self.known(read.open_table(HINTS))?;
        Ok(false)
    }

    /// Refuses a file in which a slot's key is not what it was.
    fn compare_slots(&self, slots: &impl ReadableTable<SlotKey, &'static [u8]>, sum: u64) -> Result<()> {
        let (mut found, mut count) = (0u64, 0);
        for entry in self.known(slots.iter())? {
            found = found.wrapping_add(slot_mark(self.known(entry)?.0.value()));
            count += 1;
        }
        if found == sum {
            return Ok(());
        }
        let what =
            format!("the {count} slots in it are not those that were filled, or one has a damaged name");
        Err(Error::corrupt(self.place(), what))
    }

    /// The sum of the marks of the slots that are there.
    fn slots_sum(
        &self,
        transaction: &WriteTransaction,
        slots: &impl ReadableTable<SlotKey, &'static [u8]>,
    ) -> Result<u64> {
        let meta = self.known(transaction.open_table(META))?;
        if let Some(sum) = self.known(meta.get(SLOTS_KEY))? {
            return Ok(sum.value());
        }
        let mut sum = 0u64;
        for entry in self.known(slots.iter())? {
            sum = sum.wrapping_add(slot_mark(self.known(entry)?.0.value()));
        }
        Ok(sum)
    }

    fn set_slots_sum(&self, transaction: &WriteTransaction, sum: u64) -> Result<()> {
        let mut meta = self.known(transaction.open_table(META))?;
        self.known(meta.insert(SLOTS_KEY, sum))?;
        Ok(())
    }

    fn create_tables(&self, database: &Database) -> Result<()> {
        let write = self.known(database.begin_write())?;
        let pages = self.known(write.stats())?.allocated_pages();
        if pages > MOST_PAGES_WITHOUT_TABLES {
            let what = format!("{pages} pages are in use, and no table is there");
            return Err(Error::corrupt(self.place(), what));
        }
        self.known(write.open_table(SLOTS))?;
        self.known(write.open_table(SEGMENTS))?;
        self.known(write.open_table(HINTS))?;
        let mut meta = self.known(write.open_table(META))?;
        self.known(meta.insert(LAYOUT_KEY, LAYOUT))?;
        drop(meta);
        self.known(write.commit())
    }

    /// Calls redb, which may panic on a damaged file.
    fn call<V>(&self, call: impl FnOnce(&Database) -> Result<V, Failure>) -> Result<V, Failure> {
        if self.broken.load(Ordering::Acquire) {
            return Err(Error::corrupt(self.place(), "redb failed on it before; open it again").into());
        }
        let database = self.database.as_ref().expect("it is there until the handle is dropped");
        caught(&self.path, || call(database)).unwrap_or_else(|error| {
            self.broken.store(true, Ordering::Release);
            Err(error.into())
        })
    }

    fn read<V>(&self, read: impl FnOnce(&ReadTransaction) -> Result<V>) -> Result<V, Failure> {
        self.call(|database| {
            let transaction = self.known(database.begin_read())?;
            Ok(read(&transaction)?)
        })
    }

    /// Writes and commits. A commit that fails may be on disk all the same.
    fn write<V>(&self, write: impl FnOnce(&WriteTransaction) -> Result<V>) -> Result<V, Failure> {
        let mut committing = false;
        let end = self.call(|database| {
            let transaction = self.known(database.begin_write())?;
            let value = write(&transaction)?;
            committing = true;
            self.known(transaction.commit())?;
            Ok(value)
        });
        end.map_err(|failure| if committing { Failure::Unknown(failure.to_string()) } else { failure })
    }

    /// Turns an error of redb into one of ours.
    fn known<V, E: Into<redb::Error>>(&self, result: Result<V, E>) -> Result<V> {
        result.map_err(|error| match error.into() {
            redb::Error::Io(error) => Error::Unavailable(format!("{}: {error}", self.place())),
            redb::Error::PreviousIo => Error::Unavailable(format!(
                "{}: a write failed before; close it and open it again",
                self.place()
            )),
            error @ (redb::Error::DatabaseClosed | redb::Error::LockPoisoned(_)) => {
                Error::Unavailable(format!("{}: {error}", self.place()))
            }
            error => Error::corrupt(self.place(), error.to_string()),
        })
    }

    /// The last filled slot of a sequence.
    fn last_slot(
        &self,
        slots: &impl ReadableTable<SlotKey, &'static [u8]>,
        sequence: Sequence,
    ) -> Result<Option<u64>> {
        let mut all = self.known(slots.range(slot_key(sequence, 0)..=slot_key(sequence, u64::MAX)))?;
        let last = all.next_back().map(|entry| self.known(entry)).transpose()?;
        Ok(last.map(|(key, _)| key.value().2))
    }

    /// Deletes the first [`DELETED_AT_ONCE`] slots below a number; true if there may be more.
    fn delete_some_slots(&self, sequence: Sequence, below: u64) -> Result<bool, Failure> {
        self.write(|transaction| {
            let mut slots = self.known(transaction.open_table(SLOTS))?;
            let Some(last) = self.last_slot(&slots, sequence)? else { return Ok(false) };
            let gone = slot_key(sequence, 0)..slot_key(sequence, below.min(last));
            let (mut count, mut sum) = (0, self.slots_sum(transaction, &slots)?);
            for entry in self.known(slots.extract_from_if(gone, |_, _| true))?.take(DELETED_AT_ONCE) {
                sum = sum.wrapping_sub(slot_mark(self.known(entry)?.0.value()));
                count += 1;
            }
            self.set_slots_sum(transaction, sum)?;
            Ok(count == DELETED_AT_ONCE)
        })
    }

    fn place(&self) -> String {
        format!("file {}", shown(&self.path))
    }
}

impl Drop for RedbStorage {
    fn drop(&mut self) {
        let database = self.database.take();
        // Closing writes to the file; on a damaged one redb may panic, and there is nobody left to tell.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(database)));
    }
}

impl fmt::Debug for RedbStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "redb storage {}", shown(&self.path))
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn caught<V>(path: &Path, call: impl FnOnce() -> V) -> Result<V> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let why = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given");
        Error::corrupt(format!("file {}", shown(path)), format!("redb gave up on it: {why}"))
    })
}

fn slot_key(sequence: Sequence, number: u64) -> SlotKey {
    let kind = match sequence {
        Sequence::Catalog => 0,
        Sequence::Log(_) => 1,
        Sequence::Root(_) => 2,
    };
    (kind, sequence.database().0, number)
}

/// What a slot's key adds to the sum of all.
fn slot_mark((kind, database, number): SlotKey) -> u64 {
    let mut bytes = [kind; 25];
    bytes[1..17].copy_from_slice(&database.to_be_bytes());
    bytes[17..].copy_from_slice(&number.to_be_bytes());
    xxh3_64(&bytes)
}

fn segment_key(id: SegmentId) -> SegmentKey {
    (id.database.0, id.epoch, id.job, id.ordinal)
}

impl Storage for RedbStorage {
    fn fill_slot(&self, sequence: Sequence, number: u64, bytes: &[u8]) -> Result<Filled, Failure> {
        super::within_limits(bytes.len(), self.limits(), || sequence.slot(number))?;
        if let Some(there) = self.read_slots(sequence, number, 1)?.pop() {
            return Ok(Filled::Taken(there));
        }
        let mut taken = None;
        self.write(|transaction| {
            let mut slots = self.known(transaction.open_table(SLOTS))?;
            taken = self.known(slots.get(slot_key(sequence, number)))?.map(|there| there.value().to_vec());
            if taken.is_some() {
                return Ok(());
            }
            if self.last_slot(&slots, sequence)?.map_or(0, |last| last + 1) != number {
                return Err(super::gap(sequence, number));
            }
            let sum = self.slots_sum(transaction, &slots)?;
            self.known(slots.insert(slot_key(sequence, number), bytes))?;
            self.set_slots_sum(transaction, sum.wrapping_add(slot_mark(slot_key(sequence, number))))?;
            Ok(())
        })?;
        Ok(taken.map_or(Filled::Done, Filled::Taken))
    }

    fn read_slots(&self, sequence: Sequence, from: u64, limit: usize) -> Result<Vec<Vec<u8>>, Failure> {
        self.read(|transaction| {
            let slots = self.known(transaction.open_table(SLOTS))?;
            let range = self.known(slots.range(slot_key(sequence, from)..=slot_key(sequence, u64::MAX)))?;
            let mut found = Vec::new();
            for (entry, number) in range.zip(from..).take(limit) {
                let (key, bytes) = self.known(entry)?;
                if key.value() != slot_key(sequence, number) {
                    break;
                }
                found.push(bytes.value().to_vec());
            }
            Ok(found)
        })
    }

    fn write_segments(&self, segments: &[(SegmentId, &[u8])]) -> Result<(), Failure> {
        for (id, bytes) in segments {
            super::within_limits(bytes.len(), self.limits(), || id.to_string())?;
        }
        self.write(|transaction| {
            let mut table = self.known(transaction.open_table(SEGMENTS))?;
            for (id, bytes) in segments {
                if self.known(table.get(segment_key(*id)))?.is_none() {
                    self.known(table.insert(segment_key(*id), *bytes))?;
                }
            }
            Ok(())
        })
    }

    fn read_segments(&self, ids: &[SegmentId]) -> Result<Vec<Option<Vec<u8>>>, Failure> {
        self.read(|transaction| {
            let table = self.known(transaction.open_table(SEGMENTS))?;
            let read =
                |id: &SegmentId| Ok(self.known(table.get(segment_key(*id)))?.map(|b| b.value().to_vec()));
            ids.iter().map(read).collect()
        })
    }

    fn list_segments(
        &self,
        database: DatabaseId,
        after: Option<SegmentId>,
        limit: usize,
    ) -> Result<Vec<SegmentId>, Failure> {
        self.read(|transaction| {
            let table = self.known(transaction.open_table(SEGMENTS))?;
            let from = after.map_or_else(|| Included(SegmentId::first_of(database)), Excluded);
            let from = from.map(segment_key);
            let last = (database.0, u64::MAX, u64::MAX, u64::MAX);
            let range = self.known(table.range((from, Included(last))))?;
            let named = |entry| {
                let (_, epoch, job, ordinal) =
                    self.known::<(AccessGuard<'_, SegmentKey>, _), _>(entry)?.0.value();
                Ok(SegmentId { database, epoch, job, ordinal })
            };
            range.take(limit).map(named).collect()
        })
    }

    fn delete_slots(&self, sequence: Sequence, below: u64) -> Result<(), Failure> {
        while self.delete_some_slots(sequence, below)? {}
        Ok(())
    }

    fn stored_bytes(&self) -> Result<u64, Failure> {
        let file = std::fs::metadata(&self.path);
        let file = file.map_err(|error| Error::Unavailable(format!("{}: {error}", self.place())))?;
        Ok(file.len())
    }

    fn delete_segments(&self, ids: &[SegmentId]) -> Result<(), Failure> {
        self.write(|transaction| {
            let mut table = self.known(transaction.open_table(SEGMENTS))?;
            for id in ids {
                self.known(table.remove(segment_key(*id)))?;
            }
            Ok(())
        })
    }

    fn delete_database(&self, database: DatabaseId) -> Result<(), Failure> {
        super::never_the_catalog(database);
        self.write(|transaction| {
            let mut slots = self.known(transaction.open_table(SLOTS))?;
            let mut sum = self.slots_sum(transaction, &slots)?;
            for sequence in [Sequence::Log(database), Sequence::Root(database)] {
                let all = slot_key(sequence, 0)..=slot_key(sequence, u64::MAX);
                for entry in self.known(slots.extract_from_if(all, |_, _| true))? {
                    sum = sum.wrapping_sub(slot_mark(self.known(entry)?.0.value()));
                }
            }
            self.set_slots_sum(transaction, sum)?;
            let mut segments = self.known(transaction.open_table(SEGMENTS))?;
            let all = (database.0, 0, 0, 0)..=(database.0, u64::MAX, u64::MAX, u64::MAX);
            self.known(segments.retain_in(all, |_, _| false))?;
            let mut hints = self.known(transaction.open_table(HINTS))?;
            self.known(hints.retain(|(owner, _), _| owner != database.0))
        })
    }

    fn set_hint(&self, database: DatabaseId, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        self.write(|transaction| {
            let mut hints = self.known(transaction.open_table(HINTS))?;
            self.known(hints.insert((database.0, name), bytes))?;
            Ok(())
        })
    }

    fn hint(&self, database: DatabaseId, name: &str) -> Result<Option<Vec<u8>>, Failure> {
        self.read(|transaction| {
            let hints = self.known(transaction.open_table(HINTS))?;
            Ok(self.known(hints.get((database.0, name)))?.map(|bytes| bytes.value().to_vec()))
        })
    }

    fn limits(&self) -> Limits {
        // A value that does not share its pages takes a power of two of 4 KiB: 31.5 KiB and redb's overhead fill 32.
        Limits { max_value_bytes: MAX_VALUE_BYTES, segment_bytes: 32_256, exclusive: true }
    }
}
