//! A database and those whose past it shares: where its batches and segments stand.
//!
//! ```text
//!   parent   batches 0 1 2 3 4 5 6 ...          its slots 0 1 2 3 4 5 6 ...
//!   fork             └────── 3' 4' 5' ...       its slots 0 1 2 ...      3' is batch 3 as far as the fork shares it
//! ```
//!
//! A fork shares batches and segments of its ancestors, which stay where they are: batches below its first one and
//! segments it has not written are read under the names of the ancestors. Nobody ever writes there but their owner. A
//! segment's job is random, so under one name there is one segment in a lineage at most.

use std::sync::Arc;

use super::{DatabaseId, Sequence, Storage, settle};
use crate::datom::T;
use crate::error::{Error, Result};

/// A database, its parent, and so on. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lineage(Arc<[Member]>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Member {
    database: DatabaseId,
    /// The first batch that it wrote.
    first: u64,
    /// The newest transaction it shares with its parent; 0 if it has none.
    parted: T,
}

impl From<DatabaseId> for Lineage {
    /// A database that is no fork.
    fn from(database: DatabaseId) -> Lineage {
        Lineage([Member { database, first: 0, parted: 0 }].into())
    }
}

impl Lineage {
    /// A fork of this database, which shares transactions up to `parted`; `first` is the batch that holds that one.
    pub fn forked(&self, database: DatabaseId, first: u64, parted: T) -> Lineage {
        Lineage([Member { database, first, parted }].into_iter().chain(self.0.iter().copied()).collect())
    }

    /// The database itself.
    pub fn database(&self) -> DatabaseId {
        self.0[0].database
    }

    /// The database it is a fork of.
    pub fn parent(&self) -> Option<Lineage> {
        self.0.get(1..).filter(|older| !older.is_empty()).map(|older| Lineage(older.into()))
    }

    /// The oldest of its ancestors, with which its log began.
    pub(crate) fn origin(&self) -> DatabaseId {
        self.0[self.0.len() - 1].database
    }

    /// The first batch of its own.
    pub fn first(&self) -> u64 {
        self.0[0].first
    }

    /// The newest transaction shared with its parent.
    pub fn parted(&self) -> Option<T> {
        (self.0.len() > 1).then(|| self.0[0].parted)
    }

    /// The database and its ancestors, each with the batch from which on what it wrote is another's business.
    pub(crate) fn members(&self) -> impl Iterator<Item = (DatabaseId, u64)> + '_ {
        let mut end = u64::MAX;
        self.0.iter().map(move |member| {
            let ends = end;
            end = end.min(member.first);
            (member.database, ends)
        })
    }

    /// Who wrote a batch.
    pub(crate) fn writer_of(&self, seq: u64) -> DatabaseId {
        let writer = self.0.iter().find(|member| member.first <= seq);
        writer.map_or(self.origin(), |member| member.database)
    }

    /// The newest transaction that two databases share; `T::MAX` if they are one, none if they share nothing.
    pub fn shared_with(&self, other: &Lineage) -> Option<T> {
        let mut mine = T::MAX;
        for member in self.0.iter() {
            let mut theirs = T::MAX;
            for candidate in other.0.iter() {
                if candidate.database == member.database {
                    return Some(mine.min(theirs));
                }
                theirs = theirs.min(candidate.parted);
            }
            mine = mine.min(member.parted);
        }
        None
    }

    /// The slot of a batch of its own; an error for batches of the shared past.
    pub(crate) fn slot(&self, seq: u64) -> Result<u64> {
        seq.checked_sub(self.first()).ok_or_else(|| {
            let place = format!("packed {}", Sequence::Log(self.database()));
            Error::corrupt(place, format!("batch {seq} is missing, of the past that it shares with another"))
        })
    }

    /// Batches from `seq` on, as they stand in slots of the database itself; at most `limit`.
    pub(crate) fn slots(&self, storage: &dyn Storage, seq: u64, limit: usize) -> Result<Vec<Vec<u8>>> {
        let slot = self.slot(seq)?;
        settle::repeat(|| storage.read_slots(Sequence::Log(self.database()), slot, limit))
    }

    /// A batch as messages name it, by the slot that its writer filled.
    pub(crate) fn place(&self, seq: u64) -> String {
        let writer = self.0.iter().find(|member| member.first <= seq);
        let (database, first) = writer.map_or((self.origin(), 0), |member| (member.database, member.first));
        Sequence::Log(database).slot(seq - first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn family() -> [Lineage; 4] {
        let [a, b, c, d] = [1, 2, 3, 4].map(DatabaseId);
        let a = Lineage::from(a);
        let b = a.forked(b, 10, 20);
        let (c, d) = (b.forked(c, 15, 29), a.forked(d, 4, 6));
        [a, b, c, d]
    }

    #[test]
    fn each_batch_has_one_writer() {
        let [a, b, c, _] = family();
        let writers = |lineage: &Lineage| [0, 9, 10, 14, 15, 99].map(|seq| lineage.writer_of(seq).0);
        assert_eq!(writers(&a), [1, 1, 1, 1, 1, 1]);
        assert_eq!(writers(&b), [1, 1, 2, 2, 2, 2]);
        assert_eq!(writers(&c), [1, 1, 2, 2, 3, 3]);
        assert_eq!((c.slot(15).unwrap(), c.slot(17).unwrap()), (0, 2));
        assert!(c.slot(14).unwrap_err().to_string().contains("batch 14 is missing"));
        assert!(c.place(12).ends_with("slot 2") && c.place(9).ends_with("slot 9"));
        let members = |lineage: &Lineage| lineage.members().map(|(id, end)| (id.0, end)).collect::<Vec<_>>();
        assert_eq!(members(&c), [(3, u64::MAX), (2, 15), (1, 10)]);
        let early = b.forked(DatabaseId(5), 3, 5);
        assert_eq!(members(&early), [(5, u64::MAX), (2, 3), (1, 3)]);
        assert_eq!((early.writer_of(2).0, early.writer_of(12).0), (1, 5));
    }

    #[test]
    fn what_is_shared_ends_where_the_first_of_them_parted() {
        let [a, b, c, d] = family();
        assert_eq!(a.shared_with(&a), Some(T::MAX));
        assert_eq!((a.shared_with(&b), b.shared_with(&a)), (Some(20), Some(20)));
        assert_eq!((a.shared_with(&c), c.shared_with(&b)), (Some(20), Some(29)));
        assert_eq!((c.shared_with(&d), d.shared_with(&b)), (Some(6), Some(6)));
        assert_eq!(c.shared_with(&Lineage::from(DatabaseId(9))), None);
        assert_eq!((a.parent(), b.parent(), c.parent()), (None, Some(a.clone()), Some(b)));
        assert_eq!((a.parted(), c.parted(), c.origin()), (None, Some(29), a.database()));
    }
}
