//! The few primitives a storage engine must offer.
//!
//! One of them carries all safety: *insert if absent on a numbered slot*. Who fills the next slot of a sequence has
//! written. The log of a database is such a sequence, so are its index roots, so is the catalog of databases. Beside
//! slots there are immutable segments, and hints, which may be lost or stale and are never trusted.
//!
//! A reply can be lost. [`settle`] turns a slot's unknown outcome into a known one, for all callers in the same way:
//! read back, repeat the same bytes to the same slot. [`catalog`] keeps the databases of a storage, [`Lineage`]
//! says whose past a fork shares. Engines know nothing of frames, logs or facts: they keep bytes.

pub mod catalog;
#[cfg(feature = "dynamodb")]
pub mod dynamo;
#[cfg(all(feature = "testing", feature = "objects", feature = "dynamodb"))]
pub mod emulator;
#[cfg(feature = "testing")]
pub mod fault;
#[cfg(all(feature = "testing", any(feature = "postgres", feature = "wire")))]
mod guard;
pub mod hybrid;
mod lineage;
pub mod memory;
#[cfg(feature = "objects")]
pub mod object;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod redb;
#[cfg(any(feature = "postgres", feature = "wire"))]
mod remote;
mod served;
pub mod settle;
#[cfg(feature = "testing")]
pub mod suite;

use std::fmt;

pub use catalog::Catalog;
#[cfg(feature = "dynamodb")]
pub use dynamo::DynamoStorage;
pub use hybrid::HybridStorage;
pub use lineage::Lineage;
pub use memory::MemoryStorage;
#[cfg(feature = "objects")]
pub use object::ObjectStorage;
#[cfg(feature = "postgres")]
pub use postgres::PostgresStorage;
pub use redb::RedbStorage;
pub use served::ServedStorage;

/// The largest value the engines here take: a frame with the largest payload.
pub(crate) const MAX_VALUE_BYTES: usize = crate::frame::MAX_PAYLOAD_BYTES + crate::frame::HEADER_BYTES;

/// Which database, inside a storage. Random when created; zero is the catalog's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DatabaseId(pub u128);

impl fmt::Display for DatabaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// A sequence of slots, filled from 0 on without a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sequence {
    /// The databases of this storage: created, dropped.
    Catalog,
    /// The log of a database.
    Log(DatabaseId),
    /// The index roots of a database.
    Root(DatabaseId),
}

impl Sequence {
    /// The database the sequence belongs to; the catalog's is zero.
    pub fn database(self) -> DatabaseId {
        match self {
            Sequence::Catalog => DatabaseId(0),
            Sequence::Log(database) | Sequence::Root(database) => database,
        }
    }

    /// A slot of the sequence as messages name it.
    pub fn slot(self, number: u64) -> String {
        format!("{self} slot {number}")
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Sequence::Catalog => f.write_str("catalog"),
            Sequence::Log(database) => write!(f, "log of database {database}"),
            Sequence::Root(database) => write!(f, "roots of database {database}"),
        }
    }
}

/// The name of an immutable segment: never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SegmentId {
    /// The database it belongs to.
    pub database: DatabaseId,
    /// The writer's epoch.
    pub epoch: u64,
    /// The job of that writer.
    pub job: u64,
    /// The segment's number in the job.
    pub ordinal: u64,
}

impl SegmentId {
    /// No segment of the database has a lower name.
    pub fn first_of(database: DatabaseId) -> SegmentId {
        SegmentId { database, epoch: 0, job: 0, ordinal: 0 }
    }

    /// Its name within the database, as text: `epoch-job-ordinal`.
    pub fn name(&self) -> String {
        format!("{}-{}-{}", self.epoch, self.job, self.ordinal)
    }

    /// The segment of a database that a text names.
    pub fn named(database: DatabaseId, name: &str) -> Option<SegmentId> {
        let mut numbers = name.split('-').map(|number| number.parse::<u64>().ok());
        let (epoch, job, ordinal) = (numbers.next()??, numbers.next()??, numbers.next()??);
        numbers.next().is_none().then_some(SegmentId { database, epoch, job, ordinal })
    }
}

impl fmt::Display for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "segment {} of database {}", self.name(), self.database)
    }
}

/// How filling a slot ended, where the storage answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filled {
    /// The bytes are there, durably.
    Done,
    /// Other bytes were there before; nothing was changed.
    Taken(Vec<u8>),
}

/// A failed call.
#[derive(Debug)]
pub enum Failure {
    /// The call may or may not have taken effect: read the slot back, or repeat the same bytes to the same slot.
    Unknown(String),
    /// The call had no effect and will have none.
    Refused(crate::Error),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Unknown(why) => write!(f, "the outcome is unknown: {why}"),
            Failure::Refused(error) => error.fmt(f),
        }
    }
}

impl From<Failure> for crate::Error {
    /// For calls whose effect does not matter or that were repeated in vain.
    fn from(failure: Failure) -> crate::Error {
        match failure {
            Failure::Unknown(why) => crate::Error::Unavailable(why),
            Failure::Refused(error) => error,
        }
    }
}

impl From<crate::Error> for Failure {
    fn from(error: crate::Error) -> Failure {
        Failure::Refused(error)
    }
}

/// What an engine prefers and allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest value a slot or segment may have, in bytes.
    pub max_value_bytes: usize,
    /// The size leaves are cut to, in bytes.
    pub segment_bytes: usize,
    /// True if no other process can use the storage while it is open here: then nobody else holds an old root, and
    /// log slots that were packed may be deleted.
    pub exclusive: bool,
}

/// A storage engine. Calls block; an engine that works asynchronously keeps its runtime inside.
pub trait Storage: Send + Sync + fmt::Debug {
    /// Fills a slot if it is empty: durable on return, linearisable per slot. All slots below it must be filled;
    /// an engine that can see that they are not refuses.
    fn fill_slot(&self, sequence: Sequence, number: u64, bytes: &[u8]) -> Result<Filled, Failure>;

    /// The slots from `from` on, at most `limit`, up to the first empty one. Strongly consistent.
    fn read_slots(&self, sequence: Sequence, from: u64, limit: usize) -> Result<Vec<Vec<u8>>, Failure>;

    /// Writes immutable segments; idempotent, durable on return. A segment that is there already stays as it is.
    fn write_segments(&self, segments: &[(SegmentId, &[u8])]) -> Result<(), Failure>;

    /// Reads segments, each its bytes or missing.
    fn read_segments(&self, ids: &[SegmentId]) -> Result<Vec<Option<Vec<u8>>>, Failure>;

    /// Deletes segments; those not there are no error.
    fn delete_segments(&self, ids: &[SegmentId]) -> Result<(), Failure>;

    /// Some segments of a database that are there, ascending by name, after `after`, at most `limit`. May be slow, and
    /// may miss what was written a moment ago: for the sweeping of orphans and for verification.
    fn list_segments(
        &self,
        database: DatabaseId,
        after: Option<SegmentId>,
        limit: usize,
    ) -> Result<Vec<SegmentId>, Failure>;

    /// Deletes the slots of a sequence below a number; those not there are no error. The slot right below the first
    /// empty one is never deleted, so that engines which refuse gaps can still tell.
    fn delete_slots(&self, sequence: Sequence, below: u64) -> Result<(), Failure>;

    /// About how many bytes the storage takes, in all.
    fn stored_bytes(&self) -> Result<u64, Failure>;

    /// Deletes everything of a dropped database.
    fn delete_database(&self, database: DatabaseId) -> Result<(), Failure>;

    /// Sets a hint: last writer wins, may be lost.
    fn set_hint(&self, database: DatabaseId, name: &str, bytes: &[u8]) -> Result<(), Failure>;

    /// A hint, if it is there.
    fn hint(&self, database: DatabaseId, name: &str) -> Result<Option<Vec<u8>>, Failure>;

    /// The engine's limits.
    fn limits(&self) -> Limits;

    /// What whoever runs the engine should know: settings by which it keeps less than it says.
    fn warnings(&self) -> &[String] {
        &[]
    }
}

/// Refuses a value the engine does not take.
pub(crate) fn within_limits(size: usize, limits: Limits, what: impl FnOnce() -> String) -> crate::Result<()> {
    let limit = limits.max_value_bytes;
    if size > limit { Err(crate::Error::TooLarge { what: what(), size, limit }) } else { Ok(()) }
}

/// Filling a slot above an empty one, or one that was deleted, is a caller's mistake: who may fill a slot has read all
/// below it.
fn gap(sequence: Sequence, number: u64) -> crate::Error {
    let what = "it is not the first empty slot; a sequence has no gaps, and what was deleted stays so".into();
    crate::Error::OutOfOrder { place: sequence.slot(number), what }
}

/// Database zero is the catalog: it is nobody's to delete.
fn never_the_catalog(database: DatabaseId) {
    assert_ne!(database.0, 0, "the catalog cannot be deleted");
}
