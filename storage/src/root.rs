//! A root: which trees a database has at rest, up to which transaction, and what became garbage by it.
//!
//! Roots fill the slots of their own sequence one after another; the newest is the last of the unbroken run. Filling
//! the next slot publishes a job's work, all of it at once.

mod bytes;
#[cfg(test)]
mod example;
#[cfg(test)]
mod proofs;

use self::bytes::Refused;
use crate::backend::{DatabaseId, Sequence};
use crate::datom::{AttrId, EntityId, Partition, T, Tag, ValueRef};
use crate::error::{Error, Result};
use crate::frame::{self, Expected, Kind};
use crate::tree::{Name, Tree};

/// The version of the payload written here.
pub(crate) const ROOT_VERSION: u8 = 1;

/// Open rows of neighbouring transactions, and tombstones of older rows they closed, in one order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tier {
    pub(crate) first: T,
    pub(crate) last: T,
    pub(crate) open: Tree,
    /// Empty in the oldest tier.
    pub(crate) dead: Tree,
}

/// Closed rows of a range of closing times, in every order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Generation {
    /// The first and last closing time.
    pub(crate) first: T,
    pub(crate) last: T,
    /// The first opening time.
    pub(crate) first_from: T,
    /// By [`Order`](crate::datom::Order).
    pub(crate) closed: [Tree; 3],
}

/// What is known of an attribute's values, now and ever: may name what is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AttributeNote {
    pub(crate) a: u32,
    /// Bit n: values of type number n that are in AVET.
    pub(crate) tags: u16,
    /// Bit n: values of type number n that are too long for AVET.
    pub(crate) long: u16,
}

/// Where the log goes on after what is packed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LogEnd {
    /// The first batch that is not packed.
    pub(crate) seq: u64,
    /// The number of its first transaction; none if no transaction is packed.
    pub(crate) t: Option<T>,
    /// The checksum that it continues.
    pub(crate) previous: u128,
}

/// Segments that a root made unreachable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Freed {
    /// The root that made them so.
    pub(crate) revision: u64,
    /// When it was published, microseconds since 1970.
    pub(crate) at: i64,
    /// The segment that lists their names.
    pub(crate) list: Name,
    /// How many.
    pub(crate) segments: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
}

/// Facts removed for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excision {
    /// The transaction that asked for it.
    pub t: T,
    /// Entities all of whose facts go: the target and its components. Sorted; empty for an attribute target.
    pub entities: Vec<EntityId>,
    /// Only facts of these attributes, sorted; empty for all.
    pub attributes: Vec<AttrId>,
    /// True if references to the entities go too.
    pub references: bool,
    /// Only facts asserted before this transaction.
    pub before: T,
}

/// Everything at rest of one database at one revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Root {
    /// Its slot.
    pub(crate) revision: u64,
    /// The job that made it.
    pub(crate) epoch: u64,
    pub(crate) job: u64,
    /// When, microseconds since 1970.
    pub(crate) at: i64,
    /// The newest transaction in the trees; none if they are empty.
    pub(crate) basis: Option<T>,
    /// Its instant.
    pub(crate) instant: i64,
    /// The next free counters, after it or later.
    pub(crate) next: Vec<(Partition, u64)>,
    /// The highest epoch in the packed log.
    pub(crate) log_epoch: u64,
    /// Open rows by [`Order`](crate::datom::Order), oldest tier first.
    pub(crate) tiers: [Vec<Tier>; 3],
    /// Closed rows, oldest generation first.
    pub(crate) generations: Vec<Generation>,
    /// By attribute, ascending.
    pub(crate) attributes: Vec<AttributeNote>,
    /// The packed log: its leaves are log segments, its keys `seq:8 offset:8`, its rows datoms, its zones `t`.
    pub(crate) log: Tree,
    pub(crate) log_end: LogEnd,
    /// Not collected yet, oldest first.
    pub(crate) freed: Vec<Freed>,
    /// By request, oldest first.
    pub(crate) excisions: Vec<Excision>,
    /// Leaves were cut to this many bytes.
    pub(crate) leaf_bytes: u64,
}

impl Root {
    /// The root before the first: nothing is at rest. Its revision is [`Root::NONE`].
    pub(crate) fn empty(database: DatabaseId) -> Root {
        let log_end = LogEnd { seq: 0, t: None, previous: database.0 };
        Root { revision: Root::NONE, log_end, ..Root::default() }
    }

    /// The revision of [`Root::empty`].
    pub(crate) const NONE: u64 = u64::MAX;

    /// The root's frame.
    pub(crate) fn seal(&self, database: DatabaseId) -> Result<Vec<u8>> {
        let mut payload = Vec::new();
        bytes::encode(self, &mut payload);
        frame::seal(Kind::Root, ROOT_VERSION, database, &payload)
    }

    /// Reads a root from its slot. Any bytes give a root or an error that names the slot.
    pub(crate) fn open(database: DatabaseId, revision: u64, bytes: &[u8]) -> Result<Root> {
        let place = Sequence::Root(database).slot(revision);
        let expected = Expected { kind: Kind::Root, kind_version: ROOT_VERSION, database, place: &place };
        let opened = frame::open(bytes, &expected)?;
        match bytes::decode(&opened.payload) {
            Ok(root) if root.revision == revision => Ok(root),
            Ok(root) => {
                Err(Error::corrupt(place, format!("revision {}, expected {revision}", root.revision)))
            }
            Err(Refused::Malformed(malformed)) => Err(Error::corrupt(place, malformed.to_string())),
            Err(Refused::Features(features)) => Err(unknown_features(place, &features)),
        }
    }

    /// The note of an attribute.
    pub(crate) fn note(&self, a: u32) -> Option<&AttributeNote> {
        self.attributes.binary_search_by_key(&a, |note| note.a).ok().map(|at| &self.attributes[at])
    }
}

/// The root of a newer build.
fn unknown_features(place: String, features: &[u32]) -> Error {
    let all: Vec<String> = features.iter().map(u32::to_string).collect();
    Error::UnknownVersion {
        place,
        what: "required feature",
        found: features[0],
        known: format!("none of {}", all.join(", ")),
    }
}

impl Excision {
    /// True if a fact that was asserted at `from` goes.
    pub fn takes(&self, e: EntityId, a: AttrId, v: ValueRef<'_>, from: T) -> bool {
        let names = |e: EntityId| self.entities.binary_search(&e).is_ok();
        let refers = |v| matches!(v, ValueRef::Fixed(Tag::Ref, word) if names(EntityId(word as u64)));
        // One that names nothing takes nothing.
        let by_attribute = if self.attributes.is_empty() {
            !self.entities.is_empty()
        } else {
            self.attributes.binary_search(&a).is_ok()
        };
        let by_entity = self.entities.is_empty() || names(e) || (self.references && refers(v));
        from < self.before && by_attribute && by_entity
    }
}
