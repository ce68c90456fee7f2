//! Trees anew from the log alone, for a database whose trees are damaged.
//!
//! The log is read twice: first whole, so that nothing is written if it is damaged too; then by pieces, each of which
//! becomes a tier as novelty does, under a root that stays unpublished until the last piece. The old trees are not
//! looked at. What they were made of becomes orphans.

use std::sync::Arc;

use super::{Done, Settings, Work, garbage, log};
use crate::backend::{Lineage, Sequence, Storage, settle};
use crate::cache::Cache;
use crate::datom::T;
use crate::error::Result;
use crate::log::{LoggedTx, packed};
use crate::novelty::{Bulk, Novelty};
use crate::root::Root;

/// How many datoms are put to rest at once.
const PIECE_DATOMS: usize = if cfg!(test) { 64 } else { 1 << 20 };
/// How many root slots are read by one call.
const ROOTS_AT_ONCE: usize = 64;

/// What a rebuild needs; the fields are those of a [`Job`](super::Job).
#[derive(Debug)]
pub struct Rebuild<'r> {
    /// Where it writes.
    pub storage: &'r Arc<dyn Storage>,
    /// Of which database.
    pub lineage: Lineage,
    /// What the new root's reads go through.
    pub cache: &'r Arc<Cache>,
    /// The writer's epoch.
    pub epoch: u64,
    /// The job's number: random.
    pub job: u64,
    /// The time, microseconds since 1970.
    pub now: i64,
    /// How trees are kept.
    pub settings: Settings,
}

impl Rebuild<'_> {
    /// Does it, and publishes the root with the new trees. If the log is damaged, an error names the place and nothing
    /// is changed.
    pub fn run(&self) -> Result<Done> {
        let mut work =
            Work::new(self.storage, &self.lineage, self.cache, (self.epoch, self.job), self.settings);
        let base = self.base(&mut work)?;
        let nodes = work.nodes.clone();
        let mut piece = Piece::new();
        let mut root = base.clone();
        let mut rows_new = 0;
        log::each_batch(&nodes, &base, &mut |batch| {
            for tx in &batch.txs {
                piece.push(tx);
                if piece.datoms >= PIECE_DATOMS {
                    rows_new += piece.put_to_rest(&mut work, &mut root)?;
                }
            }
            Ok(())
        })?;
        rows_new += piece.put_to_rest(&mut work, &mut root)?;
        log::pack(&mut work, &base, root.basis, &[])?.describe(&mut root);
        work.out.flush()?;
        (root.epoch, root.job, root.at) = (self.epoch, self.job, self.now);
        work.publish(&root)?;
        Ok(work.done(root, rows_new))
    }

    /// A root without trees, for the next free slot, over a log that was read whole.
    fn base(&self, work: &mut Work<'_>) -> Result<Root> {
        let Found { newest, readable, next } = self.roots()?;
        let known = readable.unwrap_or_else(|| Root::empty(self.lineage.origin()));
        let base = Root {
            revision: next,
            log: known.log,
            log_end: known.log_end,
            log_epoch: known.log_epoch,
            next: known.next.clone(),
            freed: garbage::uncollected(&**self.storage, self.lineage.database(), &known)?,
            excisions: known.excisions,
            leaf_bytes: work.leaf_bytes as u64,
            ..Root::empty(self.lineage.origin())
        };
        let why = match newest {
            Ok(()) => match log::each_batch(&work.nodes, &base, &mut |_| Ok(())) {
                Ok(()) => return Ok(base),
                Err(why) => why,
            },
            Err(why) => why,
        };
        self.over_segments(work, base).map_err(|_| why)
    }

    /// The same, over the packed log as its segments tell it, whatever any root says.
    fn over_segments(&self, work: &mut Work<'_>, mut base: Root) -> Result<Root> {
        let packed = packed::recover(&work.nodes, work.leaf_bytes, &mut work.out)?;
        work.out.flush()?;
        packed.describe(&mut base);
        log::refuse_nothing(&work.nodes, &base)?;
        log::each_batch(&work.nodes, &base, &mut |_| Ok(()))?;
        Ok(base)
    }

    fn roots(&self) -> Result<Found> {
        let database = self.lineage.database();
        let sequence = Sequence::Root(database);
        let mut found = Found { newest: Ok(()), readable: None, next: 0 };
        loop {
            let slots = settle::repeat(|| self.storage.read_slots(sequence, found.next, ROOTS_AT_ONCE))?;
            if slots.is_empty() {
                return Ok(found);
            }
            for bytes in &slots {
                found.newest = match Root::open(database, found.next, bytes) {
                    Ok(root) => {
                        found.readable = Some(root);
                        Ok(())
                    }
                    Err(why) => Err(why),
                };
                found.next += 1;
            }
        }
    }
}

/// What the root slots hold.
struct Found {
    /// Why the newest root cannot be read, if it cannot.
    newest: Result<()>,
    /// The newest that can.
    readable: Option<Root>,
    /// The next free slot.
    next: u64,
}

/// Transactions on their way into the trees.
struct Piece {
    bulk: Bulk,
    instant: i64,
    last: Option<T>,
    datoms: usize,
}

impl Piece {
    fn new() -> Piece {
        Piece { bulk: Novelty::new().bulk(), instant: 0, last: None, datoms: 0 }
    }

    fn push(&mut self, tx: &LoggedTx) {
        self.bulk.push(tx);
        (self.instant, self.last) = (tx.instant, Some(tx.t));
        self.datoms += tx.datoms.len();
    }

    /// Makes a tier and a generation of what was pushed; gives how many rows that were.
    fn put_to_rest(&mut self, work: &mut Work<'_>, root: &mut Root) -> Result<u64> {
        let bulk = std::mem::replace(&mut self.bulk, Novelty::new().bulk());
        let novelty = bulk.finish().sealed();
        self.datoms = 0;
        let (layer, generation) = novelty.under_seal();
        let (layer, generation) = (layer.as_deref(), generation.as_deref());
        *root = work.put_to_rest(root, layer, generation)?;
        (root.basis, root.instant) = (self.last, self.instant);
        // The next piece reads what this one wrote.
        work.out.flush()?;
        Ok(super::sealed_rows(layer, generation))
    }
}
