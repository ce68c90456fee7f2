//! What a root says beside its rows: what it is about, how much it holds, what it left behind.

use super::{Inner, Rest};
use crate::backend::settle;
use crate::datom::{Order, Partition, T};
use crate::error::Result;
use crate::root::{Excision, Root};
use crate::tree::Tree;

/// How much lies in some trees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Open rows, or closed ones; datoms of the log.
    pub rows: u64,
    /// Tombstones.
    pub tombstones: u64,
    /// Leaves.
    pub leaves: u64,
    /// Bytes of all frames.
    pub bytes: u64,
    /// The first and last transaction they are of: that opened the rows, or that closed them.
    pub first: T,
    /// See `first`.
    pub last: T,
}

/// How much is at rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestStats {
    /// Tiers by [`Order`], oldest first.
    pub tiers: [Vec<Extent>; 3],
    /// Generations by [`Order`], oldest first.
    pub generations: [Vec<Extent>; 3],
    /// The packed log.
    pub log: Extent,
    /// The first batch of the log that is not packed.
    pub log_end: u64,
    /// Segments that no root needs and that are still there, and their bytes.
    pub garbage: Extent,
}

impl Rest {
    fn root(&self) -> Option<&Root> {
        self.inner.as_deref().map(|inner: &Inner| &inner.root)
    }

    /// The number of the root; none if nothing is at rest.
    pub fn revision(&self) -> Option<u64> {
        self.root().map(|root| root.revision)
    }

    /// The instant of the newest transaction at rest; 0 if there is none.
    pub fn instant(&self) -> i64 {
        self.root().map_or(0, |root| root.instant)
    }

    /// The next free counter of each partition, after the newest transaction at rest or later.
    pub fn next(&self) -> &[(Partition, u64)] {
        self.root().map_or(&[], |root| &root.next)
    }

    /// The epoch of the writer that made the root, or a higher one in the packed log: who writes next takes a higher one.
    pub fn epoch(&self) -> u64 {
        self.root().map_or(0, |root| root.epoch.max(root.log_epoch))
    }

    /// What was removed for ever, by the transactions that asked for it.
    pub fn excisions(&self) -> &[Excision] {
        self.root().map_or(&[], |root| &root.excisions)
    }

    /// True if everything up to `t` is at rest.
    pub fn has(&self, t: T) -> bool {
        self.basis().is_some_and(|basis| basis >= t)
    }

    /// True if more of the log is packed than is at rest: of a fork, until its first job.
    pub fn is_behind_log(&self) -> bool {
        let is_behind =
            |root: &Root| root.log_end.t.is_some_and(|end| root.basis.is_none_or(|basis| basis + 1 < end));
        self.root().is_some_and(is_behind)
    }

    /// How much is at rest. Looks into the storage for what was collected.
    pub fn stats(&self) -> Result<RestStats> {
        let Some(inner) = &self.inner else { return Ok(RestStats::default()) };
        let root = &inner.root;
        let tiers = |order: Order| {
            let tiers = root.tiers[order as usize].iter();
            tiers.map(|tier| extent(&tier.open, &tier.dead, tier.first, tier.last)).collect()
        };
        let generations = |order: Order| {
            let closed =
                root.generations.iter().map(|generation| (generation, &generation.closed[order as usize]));
            let extents = closed
                .map(|(generation, tree)| extent(tree, &Tree::default(), generation.first, generation.last));
            extents.collect()
        };
        Ok(RestStats {
            tiers: Order::ALL.map(tiers),
            generations: Order::ALL.map(generations),
            log: extent(&root.log, &Tree::default(), 0, root.log_end.t.unwrap_or(0)),
            log_end: root.log_end.seq,
            garbage: garbage(inner)?,
        })
    }
}

fn extent(rows: &Tree, dead: &Tree, first: T, last: T) -> Extent {
    Extent {
        rows: rows.rows,
        tombstones: dead.rows,
        leaves: rows.leaves + dead.leaves,
        bytes: rows.bytes + dead.bytes,
        first,
        last,
    }
}

/// What the lists name whose segments are still there: a list goes after all it names.
fn garbage(inner: &Inner) -> Result<Extent> {
    let (nodes, freed) = (&inner.nodes, &inner.root.freed);
    if freed.is_empty() {
        return Ok(Extent::default());
    }
    let ids: Vec<_> = freed.iter().map(|freed| freed.list.of(nodes.lineage.database())).collect();
    let found = settle::repeat(|| nodes.storage.read_segments(&ids))?;
    let mut garbage = Extent::default();
    for (freed, _) in freed.iter().zip(found).filter(|(_, found)| found.is_some()) {
        garbage.leaves += freed.segments;
        garbage.bytes += freed.bytes;
    }
    Ok(garbage)
}
