//! Facts at rest: one root, read as sorted pages under a moment.
//!
//! ```text
//!   few      a handful of rows: the leaves they lie in, tier by tier           Held
//!   pages    stretch by stretch of the keys, every tier settled                Page
//!   closed   the leaves of closed rows, generation by generation               ClosedLeaves
//!   recent   what is newer than a moment, out of the packed log                Novelty
//! ```
//!
//! All tiers are settled before anything else: a page is a stretch of keys (mostly that of one leaf of the oldest tier)
//! with the rows of every tier in it, tombstones met. As of a moment, a page also holds the closed rows that held then
//! and not the open ones that came later. Settled pages are cached under a name made of all that went into them.

mod ahead;
#[cfg(test)]
pub(crate) mod by_hand;
mod closed;
mod few;
mod known;
mod pages;
mod recent;
mod settle;

use std::sync::Arc;

pub(crate) use self::closed::{ClosedLeaves, Wanted};
pub(crate) use self::few::Held;
pub use self::known::{Extent, RestStats};
pub(crate) use self::pages::{Page, Pages};

use self::recent::Recent;
use crate::backend::settle as outcome;
use crate::backend::{DatabaseId, Lineage, Sequence, Storage};
use crate::cache::Cache;
use crate::datom::{Order, T};
use crate::error::Result;
use crate::root::Root;
use crate::run::Lead;
use crate::tree::nodes::Nodes;
use crate::tree::{Shape, Zone};

/// The hint that names a root to start looking from: its revision, eight bytes, the highest first.
pub(crate) const ROOT_HINT: &str = "root";
/// Roots are looked for by so many slots at once.
const SLOTS_AT_ONCE: usize = 16;

/// The trees of one database at one revision. Cheap to clone; holds its revision against collection while it lives.
#[derive(Clone, Debug, Default)]
pub struct Rest {
    /// None: nothing at rest.
    pub(crate) inner: Option<Arc<Inner>>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) root: Root,
    pub(crate) nodes: Nodes,
    /// What was taken in from the packed log.
    recent: Recent,
}

/// Which open rows are wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct When {
    /// What held at this moment, older than what is at rest; none: what is open at rest.
    pub(crate) moment: Option<T>,
    /// The first and last opening time that is looked at: rows outside may be handed on, or not.
    pub(crate) low: T,
    pub(crate) high: T,
}

impl When {
    /// True if some row of a zone may be wanted.
    fn meets(&self, zone: &Zone) -> bool {
        zone.from.1 >= self.low && zone.from.0 <= self.newest()
    }

    /// True if no row of a zone has to be held against the window.
    fn covers(&self, zone: &Zone) -> bool {
        zone.from.0 >= self.low && zone.from.1 <= self.newest()
    }

    fn newest(&self) -> T {
        self.moment.map_or(self.high, |moment| moment.min(self.high))
    }
}

impl Rest {
    /// Nothing at rest.
    pub fn none() -> Rest {
        Rest::default()
    }

    /// The newest root of a database; nothing at rest if there is none.
    pub fn open(storage: Arc<dyn Storage>, database: impl Into<Lineage>, cache: Arc<Cache>) -> Result<Rest> {
        let lineage = database.into();
        let database = lineage.database();
        let Some((revision, bytes)) = newest_root(&*storage, database)? else { return Ok(Rest::none()) };
        let root = Root::open(database, revision, &bytes)?;
        Ok(Rest::of(root, Nodes { storage, lineage, cache }))
    }

    /// What a root names.
    pub(crate) fn of(root: Root, nodes: Nodes) -> Rest {
        Rest { inner: Some(Arc::new(Inner { root, nodes, recent: Recent::default() })) }
    }

    /// The newest transaction at rest.
    pub fn basis(&self) -> Option<T> {
        self.inner.as_ref().and_then(|inner| inner.root.basis)
    }
}

/// The last slot of the unbroken run of roots. The hint only saves reading those before it.
fn newest_root(storage: &dyn Storage, database: DatabaseId) -> Result<Option<(u64, Vec<u8>)>> {
    let hint = storage.hint(database, ROOT_HINT).ok().flatten();
    let hinted = hint.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes);
    match last_slot_from(storage, database, hinted)? {
        None if hinted > 0 => last_slot_from(storage, database, 0),
        found => Ok(found),
    }
}

fn last_slot_from(storage: &dyn Storage, database: DatabaseId, from: u64) -> Result<Option<(u64, Vec<u8>)>> {
    let (mut next, mut last) = (from, None);
    loop {
        let slots = outcome::repeat(|| storage.read_slots(Sequence::Root(database), next, SLOTS_AT_ONCE))?;
        let full = slots.len() == SLOTS_AT_ONCE;
        next += slots.len() as u64;
        last = slots.into_iter().next_back().map(|bytes| (next - 1, bytes)).or(last);
        if !full {
            return Ok(last);
        }
    }
}

impl Inner {
    /// How many open rows a lead leads to in all tiers, and how many tombstones: each meets one of those rows.
    pub(crate) fn count_open(&self, order: Order, lead: &Lead<'_>) -> Result<(u64, u64)> {
        let (mut open, mut dead) = (0, 0);
        for tier in &self.root.tiers[order as usize] {
            open += tier.open.count(&self.nodes, lead, order, Shape::Open)?;
            dead += tier.dead.count(&self.nodes, lead, order, Shape::Open)?;
        }
        Ok((open, dead))
    }

    /// How many closed rows a lead leads to in the generations that may have wanted ones.
    pub(crate) fn count_closed(&self, order: Order, lead: &Lead<'_>, wanted: Wanted) -> Result<u64> {
        let mut rows = 0;
        for generation in
            self.root.generations.iter().filter(|generation| wanted.meets_generation(generation))
        {
            rows += generation.closed[order as usize].count(&self.nodes, lead, order, Shape::Closed)?;
        }
        Ok(rows)
    }
}
