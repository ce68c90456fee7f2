//! A fork, from the moment that the catalog names it until it has a root: then it is a database like any other.
//!
//! Its root names the segments of the parent's packed log that lie before the parting, and writes only the end of the
//! shared past anew. The parent's trees are shared as they are if nothing in them is newer than the parting; else the
//! fork begins without trees, and they are made from its log. Filling root slot 0 makes it whole; what was cut short
//! before is done again.

use std::sync::Arc;

use super::{Settings, Work};
use crate::backend::{Filled, Lineage, Sequence, Storage, settle};
use crate::cache::Cache;
use crate::datom::T;
use crate::error::{Error, Result};
use crate::log::packed;
use crate::rest::Rest;
use crate::root::{Excision, Root};
use crate::tree::nodes::Nodes;

/// What making a fork whole needs; the fields are those of a [`Job`](super::Job).
#[derive(Debug)]
pub struct Fork<'f> {
    /// Where it is.
    pub storage: &'f Arc<dyn Storage>,
    /// The fork.
    pub lineage: Lineage,
    /// What its reads go through.
    pub cache: &'f Arc<Cache>,
    /// The job's number: random.
    pub job: u64,
    /// The time, microseconds since 1970.
    pub now: i64,
    /// How trees are kept.
    pub settings: Settings,
}

impl Fork<'_> {
    /// Gives the fork its root if it has none; nothing is done for what is no fork. The parent must neither publish nor
    /// collect meanwhile.
    pub fn run(&self) -> Result<()> {
        let Some(parent) = self.lineage.parent() else { return Ok(()) };
        let root = Sequence::Root(self.lineage.database());
        if !settle::repeat(|| self.storage.read_slots(root, 0, 1))?.is_empty() {
            return Ok(());
        }
        let (storage, cache) = (Arc::clone(self.storage), Arc::clone(self.cache));
        let rest = Rest::open(Arc::clone(&storage), parent.clone(), Arc::clone(&cache))?;
        let old = rest.inner.as_ref().map(|inner| inner.root.clone());
        let old = old.unwrap_or_else(|| Root::empty(parent.origin()));
        let mut work = Work::new(self.storage, &self.lineage, self.cache, (0, self.job), self.settings);
        let nodes = Nodes { storage, lineage: parent, cache };
        let leaf_bytes = work.leaf_bytes;
        let (packed, first) = packed::fork(&nodes, &old, &self.lineage, leaf_bytes, &mut work.out)?;
        work.out.flush()?;
        self.fill_first(&first)?;
        let mut new = self.trees(&old, leaf_bytes as u64);
        packed.describe(&mut new);
        (new.revision, new.job, new.at) = (0, self.job, self.now);
        work.publish(&new)
    }

    /// The trees that can be shared, if any.
    fn trees(&self, old: &Root, leaf_bytes: u64) -> Root {
        let excisions = self.excisions(old);
        if old.basis > self.lineage.parted() {
            return Root { excisions, leaf_bytes, ..Root::default() };
        }
        Root {
            basis: old.basis,
            instant: old.instant,
            tiers: old.tiers.clone(),
            generations: old.generations.clone(),
            attributes: old.attributes.clone(),
            leaf_bytes: old.leaf_bytes.max(leaf_bytes),
            excisions,
            ..Root::default()
        }
    }

    /// What the parent removed for ever of the shared past. The numbers of its later transactions mean others here, and
    /// so do facts asserted by them.
    fn excisions(&self, old: &Root) -> Vec<Excision> {
        let parted = self.lineage.parted().unwrap_or(T::MAX);
        let shared = |excision: &Excision| Excision {
            t: excision.t.min(parted),
            before: excision.before.min(parted.saturating_add(1)),
            ..excision.clone()
        };
        old.excisions.iter().map(shared).collect()
    }

    /// The slot before the first that the fork will fill: who opens the log finds its end there.
    fn fill_first(&self, frame: &[u8]) -> Result<()> {
        let sequence = Sequence::Log(self.lineage.database());
        match settle::fill(&**self.storage, sequence, 0, frame)? {
            Filled::Done => Ok(()),
            Filled::Taken(_) => Err(Error::corrupt(sequence.slot(0), "it is not where the fork parts")),
        }
    }
}
