//! Trees at rest: sorted rows in immutable leaves under directories that count them.
//!
//! ```text
//!   Tree ── top ──> directory ──> directory ──> leaf       a leaf is a Run of a few thousand rows
//!                     counts, separators, zones
//! ```
//!
//! A leaf read back is a [`Run`](crate::run::Run), the type novelty is made of. A directory knows of each child how
//! many rows it has, from which key on ([`key`]), and the limits of its times ([`Zone`]), so that counts, ranks and
//! skips need no leaf. Everything here is written once and never changed; which trees there are is told by a
//! [`root`](crate::root).
//!
//! Writing: [`builder`] cuts rows into leaves, [`spine`] puts directories over them, [`writer`] names the segments and
//! hands them on. Reading: [`nodes`] fetches through the cache and checks each node against what its parent says of
//! it, [`walk`] goes along the leaves, and answers counts and ranks.

#[cfg(test)]
pub(crate) mod arbitrary;
pub(crate) mod builder;
pub(crate) mod directory;
pub(crate) mod key;
pub(crate) mod leaf;
pub(crate) mod nodes;
pub(crate) mod pack;
#[cfg(test)]
mod proofs;
mod spine;
pub(crate) mod walk;
pub(crate) mod writer;

use std::ops::Range;

use crate::backend::{DatabaseId, SegmentId};
use crate::datom::T;
use crate::run::Run;

/// A segment's name inside its database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Name {
    /// The writer's epoch.
    pub(crate) epoch: u64,
    /// The job that wrote it: random, so that no two jobs share names.
    pub(crate) job: u64,
    /// Its number in the job.
    pub(crate) ordinal: u64,
}

impl Name {
    pub(crate) fn of(self, database: DatabaseId) -> SegmentId {
        SegmentId { database, epoch: self.epoch, job: self.job, ordinal: self.ordinal }
    }
}

/// Which rows a tree holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Shape {
    /// Open rows, or tombstones: no `to`. Frames of kind leaf.
    Open,
    /// Closed rows, with `to`. Frames of kind history leaf.
    Closed,
}

/// A sorted tree, as a root names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tree {
    /// The top directory; none if there is no row.
    pub(crate) top: Option<Name>,
    /// Levels of directories: 0 without rows, 1 if the top's children are leaves.
    pub(crate) height: u8,
    /// Rows in all leaves.
    pub(crate) rows: u64,
    /// Leaves.
    pub(crate) leaves: u64,
    /// Bytes of all frames, directories included.
    pub(crate) bytes: u64,
}

/// A node as whoever names it describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) name: Name,
    /// 0 for a leaf, 1 for a directory of leaves, and so on.
    pub(crate) level: u8,
    pub(crate) rows: u64,
    pub(crate) leaves: u64,
    /// Bytes of the frames under it, its own included.
    pub(crate) bytes: u64,
}

impl Tree {
    /// The top directory.
    pub(crate) fn node(&self) -> Option<Node> {
        let Tree { top, height, rows, leaves, bytes } = *self;
        top.map(|name| Node { name, level: height, rows, leaves, bytes })
    }
}

impl Entry {
    /// The child, if it is of this level.
    pub(crate) fn node(&self, level: u8) -> Node {
        let Entry { name, rows, leaves, bytes, .. } = *self;
        Node { name, level, rows, leaves, bytes }
    }
}

/// The limits of times in some rows: computed on decoded rows, only ever widened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Zone {
    /// The least and greatest `from`.
    pub(crate) from: (T, T),
    /// The least and greatest `to`; of open rows `(T::MAX, T::MAX)`.
    pub(crate) to: (T, T),
}

impl Zone {
    /// Wide enough for both.
    pub(crate) fn widened(self, other: Zone) -> Zone {
        let wide = |x: (T, T), y: (T, T)| (x.0.min(y.0), x.1.max(y.1));
        Zone { from: wide(self.from, other.from), to: wide(self.to, other.to) }
    }

    /// Of some rows, which are not none.
    pub(crate) fn of(run: &Run, rows: Range<usize>) -> Zone {
        let limits =
            |times: &[T]| times.iter().fold((T::MAX, T::MIN), |(low, high), t| (low.min(*t), high.max(*t)));
        let to = if run.is_closed() { limits(&run.rows.to[rows.clone()]) } else { (T::MAX, T::MAX) };
        Zone { from: limits(&run.rows.from[rows]), to }
    }
}

/// A child of a directory, as its parent describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its segment.
    pub(crate) name: Name,
    /// Rows under it.
    pub(crate) rows: u64,
    /// Leaves under it: 1 for a leaf.
    pub(crate) leaves: u64,
    /// Limits of the times of its rows.
    pub(crate) zone: Zone,
    /// Bytes of the frames under it, its own included.
    pub(crate) bytes: u64,
}
