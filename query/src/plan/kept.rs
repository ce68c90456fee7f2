//! The plans of one query that are kept, each for the calls that have one key.
//!
//! A few for each query: the newest, and of those the ones that are asked for. What is found here is what would be made
//! anew, up to counts that are nearly equal; so nothing of it is ever out of date, and nothing has to be dropped when facts
//! or schema change.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::arrangement::Arrangement;
use super::key::Key;

/// The most plans that are kept of a query.
const PLANS_MAX: usize = 4;

/// A plan without the goals.
#[derive(Debug)]
pub struct Kept {
    /// The order of the goals.
    pub arrangement: Arrangement,
    /// True if the answer's order leads.
    pub leads: bool,
}

/// Plans by key.
#[derive(Debug, Default)]
pub struct Plans {
    /// The one asked for last comes first.
    kept: Mutex<Vec<(Key, Arc<Kept>)>>,
    counts: Arc<PlanCounts>,
}

/// How often plans of some queries were made and found.
#[derive(Debug, Default)]
pub struct PlanCounts {
    made: AtomicU64,
    found: AtomicU64,
}

impl PlanCounts {
    /// How many plans were made.
    pub fn made(&self) -> u64 {
        self.made.load(Ordering::Relaxed)
    }

    /// How many times a plan was there.
    pub fn found(&self) -> u64 {
        self.found.load(Ordering::Relaxed)
    }
}

impl Plans {
    /// No plans yet; what becomes of them is counted here.
    pub fn counted(counts: Arc<PlanCounts>) -> Plans {
        Plans { counts, ..Plans::default() }
    }

    /// What is counted.
    pub fn counts(&self) -> &PlanCounts {
        &self.counts
    }

    pub(super) fn find(&self, key: &Key) -> Option<Arc<Kept>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|(known, _)| known == key)?;
        kept[..=at].rotate_right(1);
        self.counts.found.fetch_add(1, Ordering::Relaxed);
        Some(Arc::clone(&kept[0].1))
    }

    /// Notes that a plan was made, and keeps it if it has a key.
    pub(super) fn note(&self, key: Option<Key>, plan: &Arc<Kept>) {
        self.counts.made.fetch_add(1, Ordering::Relaxed);
        let Some(key) = key else { return };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.truncate(PLANS_MAX - 1);
        kept.insert(0, (key, Arc::clone(plan)));
    }
}
