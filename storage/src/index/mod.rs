//! The index job: sealed novelty becomes a tier and a generation, the log is packed, the next root is published.
//!
//! ```text
//!   sealed novelty ──> open rows, tombstones ──> tiers    (merged while the rewriting stays within its bound)
//!                  └─> closed rows ───────────> generations
//!   log slots ──────> log segments ──┬─> freed list ──> root slot
//! ```
//!
//! Everything a job writes has names of its own, and nothing there is changed; filling the next root slot makes all of
//! it the database's at once. A job that ends before, however it ends, leaves only segments that no root names
//! ([`sweep_orphans`] takes them away).

mod excise;
mod fork;
pub(crate) mod garbage;
mod log;
mod merge;
mod notes;
mod past;
mod rebuild;
mod rule;
#[cfg(test)]
mod tests;
mod threads;
mod tiers;
mod verify;

use std::sync::Arc;

pub use self::fork::Fork;
pub use self::garbage::{Collected, Revisions, Shared, collect, sweep_dropped, sweep_orphans};
pub use self::rebuild::Rebuild;
pub use self::verify::{Problem, Progress, Report, Verify};

use self::excise::Filter;
use crate::backend::{DatabaseId, Filled, Lineage, Sequence, Storage, settle};
use crate::cache::Cache;
use crate::datom::{Order, T};
use crate::error::{Error, Result};
use crate::log::LogReader;
use crate::novelty::{Generation, Layer, Novelty};
use crate::rest::{ROOT_HINT, Rest};
use crate::root::{Excision, Root};
use crate::tree::builder::Writer;
use crate::tree::nodes::Nodes;

/// How trees are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Tiers are merged while at most so many rows are rewritten per row merged.
    pub rewrite_bound: u64,
    /// And whenever there are more tiers than this.
    pub most_tiers: usize,
    /// A generation has at most this many rows, or a sixteenth of all closed rows if that is more.
    pub generation_rows: u64,
    /// The size leaves are cut to; the storage's preference if none.
    pub leaf_bytes: Option<usize>,
    /// A job that puts at least so many rows to rest, over all orders, does its parts in several threads.
    pub threads_from: u64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            rewrite_bound: 8,
            most_tiers: 8,
            generation_rows: 1 << 16,
            leaf_bytes: None,
            threads_from: 1 << 16,
        }
    }
}

/// What a job needs.
#[derive(Debug)]
pub struct Job<'j> {
    /// Where it writes.
    pub storage: &'j Arc<dyn Storage>,
    /// Of which database.
    pub lineage: Lineage,
    /// What the new root's reads go through.
    pub cache: &'j Arc<Cache>,
    /// The newest root.
    pub rest: &'j Rest,
    /// Novelty whose seal says how far the job goes; what is newer is left alone.
    pub novelty: &'j Novelty,
    /// The log, to be packed as far as its batches end by the seal.
    pub log: &'j LogReader,
    /// The writer's epoch.
    pub epoch: u64,
    /// The job's number: random.
    pub job: u64,
    /// The time, microseconds since 1970.
    pub now: i64,
    /// How trees are kept.
    pub settings: Settings,
    /// Facts to be removed for ever, not in the root yet; the seal is not below their transactions.
    pub excise: &'j [Excision],
}

/// What a job did.
#[derive(Clone, Debug)]
pub struct Done {
    /// The new root.
    pub rest: Rest,
    /// Rows of the novelty that was put to rest, over all orders, history included.
    pub rows_new: u64,
    /// Rows written to leaves, over all orders, history included.
    pub rows_written: u64,
    /// Segments and bytes written.
    pub segments: u64,
    /// Bytes written.
    pub bytes: u64,
}

/// What the parts of a job share.
struct Work<'j> {
    nodes: Nodes,
    out: Writer<'j>,
    settings: Settings,
    leaf_bytes: usize,
    filter: Filter<'j>,
}

impl<'j> Work<'j> {
    fn new(
        storage: &'j Arc<dyn Storage>,
        lineage: &Lineage,
        cache: &Arc<Cache>,
        (epoch, job): (u64, u64),
        settings: Settings,
    ) -> Work<'j> {
        Work {
            nodes: Nodes { storage: Arc::clone(storage), lineage: lineage.clone(), cache: Arc::clone(cache) },
            out: Writer::new(&**storage, lineage.database(), epoch, job),
            settings,
            leaf_bytes: settings.leaf_bytes.unwrap_or(storage.limits().segment_bytes),
            filter: Filter::default(),
        }
    }

    /// The same work, for a part of it on a thread of its own.
    fn beside(&self) -> Work<'j> {
        let Work { nodes, out, settings, leaf_bytes, filter } = self;
        Work {
            nodes: nodes.clone(),
            out: out.beside(),
            settings: *settings,
            leaf_bytes: *leaf_bytes,
            filter: *filter,
        }
    }

    /// The next root's trees and notes; the trees may not be written yet.
    fn put_to_rest(
        &mut self,
        old: &Root,
        layer: Option<&Layer>,
        generation: Option<&Generation>,
    ) -> Result<Root> {
        let mut new = old.clone();
        let threads = sealed_rows(layer, generation) >= self.settings.threads_from;
        let tiers = |order: Order| {
            move |work: &mut Work<'_>| tiers::next(work, order, &old.tiers[order as usize], layer)
        };
        let ((eavt, aevt), avet) = threads::both(
            self,
            threads,
            |work| threads::both(work, threads, tiers(Order::Eavt), tiers(Order::Aevt)),
            tiers(Order::Avet),
        )?;
        new.tiers = [eavt, aevt, avet];
        new.generations = past::next(self, &old.generations, generation)?;
        new.attributes = notes::next(&old.attributes, layer, generation);
        // Leaves that stay may have been cut to another size.
        new.leaf_bytes = old.leaf_bytes.max(self.leaf_bytes as u64);
        Ok(new)
    }

    /// Fills the root's slot.
    fn publish(&self, root: &Root) -> Result<()> {
        let (storage, database) = (self.out.storage, self.database());
        let frame = root.seal(database)?;
        match settle::fill(storage, Sequence::Root(database), root.revision, &frame)? {
            Filled::Done => {}
            Filled::Taken(_) => return Err(Error::Superseded { revision: root.revision }),
        }
        // Only a place to start looking from: it may be lost.
        let _ = storage.set_hint(database, ROOT_HINT, &root.revision.to_be_bytes());
        log::drop_packed_slots(storage, &self.nodes.lineage, root);
        Ok(())
    }

    fn database(&self) -> DatabaseId {
        self.nodes.lineage.database()
    }

    fn done(self, root: Root, rows_new: u64) -> Done {
        let Work { nodes, out: Writer { segments, bytes, rows: rows_written, .. }, .. } = self;
        Done { rest: Rest::of(root, nodes), rows_new, rows_written, segments, bytes }
    }
}

/// Publishes the newest root once more, as of this epoch, whatever epoch it has: no job that was made from it can publish
/// any more, and what such jobs wrote may then be swept. Refused if a writer of a higher epoch has published; without a
/// root there is nothing to publish.
pub fn fence(storage: &Arc<dyn Storage>, rest: &Rest, epoch: u64, now: i64) -> Result<Rest> {
    let Some(inner) = &rest.inner else { return Ok(rest.clone()) };
    let mut root = inner.root.clone();
    if root.epoch > epoch {
        return Err(Error::Superseded { revision: root.revision });
    }
    let Nodes { lineage, cache, .. } = &inner.nodes;
    (root.revision, root.epoch, root.at) = (root.revision + 1, epoch, now);
    let work = Work::new(storage, lineage, cache, (epoch, root.job), Settings::default());
    work.publish(&root)?;
    Ok(work.done(root, 0).rest)
}

/// How many rows a job puts to rest, over all orders.
fn sealed_rows(layer: Option<&Layer>, generation: Option<&Generation>) -> u64 {
    let open = |order| layer.map_or(0, |layer| layer.open(order).len() + layer.dead(order).len());
    let closed = |order| generation.map_or(0, |generation| generation.closed(order).len());
    Order::ALL.map(|order| (open(order) + closed(order)) as u64).iter().sum()
}

impl Job<'_> {
    /// Does it. [`Error::Superseded`] if another job published first: then nothing changed.
    pub fn run(&self) -> Result<Done> {
        let old = self.rest.inner.as_ref().map(|inner| inner.root.clone());
        let old = old.unwrap_or_else(|| Root::empty(self.lineage.origin()));
        let mut work =
            Work::new(self.storage, &self.lineage, self.cache, (self.epoch, self.job), self.settings);
        work.filter = Filter::new(self.excise);
        let basis = old.basis.max(self.novelty.seal());
        let threads = self.most_rows() >= self.settings.threads_from;
        let (packed, (mut new, rows_new)) = threads::both(
            &mut work,
            threads,
            |work| log::pack(work, &old, basis, self.excise),
            |work| self.trees(work, &old),
        )?;
        packed.describe(&mut new);
        self.describe(&old, basis, &mut new)?;
        work.out.flush()?;
        let gone = garbage::unreachable(&work.nodes, &old, &new)?;
        new.freed.extend(garbage::list(&mut work.out, &gone, new.revision, self.now)?);
        work.out.flush()?;
        work.publish(&new)?;
        Ok(work.done(new, rows_new))
    }

    /// The rows that it puts to rest, over all orders, or a few more: they are not sorted out yet.
    fn most_rows(&self) -> u64 {
        let size = self.novelty.size();
        ((size.open + size.tombstones + size.closed) * Order::ALL.len()) as u64
    }

    /// A root with the next trees, and how many rows were put to rest in them.
    fn trees(&self, work: &mut Work<'_>, old: &Root) -> Result<(Root, u64)> {
        let (layer, generation) = self.novelty.under_seal();
        let (layer, generation) = (layer.as_deref(), generation.as_deref());
        self.check(old, layer)?;
        let new = work.put_to_rest(old, layer, generation)?;
        Ok((new, sealed_rows(layer, generation)))
    }

    /// What is under the seal must lie above what is at rest.
    fn check(&self, old: &Root, layer: Option<&Layer>) -> Result<()> {
        match (old.basis, layer) {
            (Some(basis), Some(layer)) if layer.first <= basis => {
                let place = format!("trees of database {}", self.lineage.database());
                let what = format!("novelty from transaction {} on, {basis} is at rest already", layer.first);
                Err(Error::OutOfOrder { place, what })
            }
            _ => Ok(()),
        }
    }

    /// What a root says beside its trees and its log.
    fn describe(&self, old: &Root, basis: Option<T>, new: &mut Root) -> Result<()> {
        new.revision = old.revision.wrapping_add(1);
        (new.epoch, new.job, new.at) = (self.epoch, self.job, self.now);
        new.basis = basis;
        if new.basis != old.basis {
            new.instant = self.instant_of(new.basis)?;
        }
        new.freed = garbage::uncollected(&**self.storage, self.lineage.database(), old)?;
        new.excisions.extend_from_slice(self.excise);
        Ok(())
    }

    fn instant_of(&self, basis: Option<T>) -> Result<i64> {
        let Some(t) = basis else { return Ok(0) };
        let mut instant = None;
        self.log.read(t..t + 1, &mut |tx| {
            instant = Some(tx.instant);
            true
        })?;
        let place = format!("log of database {}", self.lineage.database());
        instant.ok_or_else(|| Error::corrupt(place, format!("transaction {t} is not there, its facts are")))
    }
}
