//! What at rest is newer than a moment, out of the packed log: taken in like novelty, and kept for the next to ask.

use std::sync::{Mutex, PoisonError};

use super::Inner;
use crate::datom::T;
use crate::error::Result;
use crate::log::packed;
use crate::novelty::Novelty;

/// So many are kept.
const KEPT: usize = 4;

/// What was taken in from the packed log of one root, newest last.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    kept: Mutex<Vec<Window>>,
}

/// All transactions at rest after a moment.
#[derive(Clone, Debug)]
struct Window {
    since: T,
    datoms: u64,
    facts: Novelty,
}

impl Recent {
    /// The smallest window that begins by `since`.
    fn get(&self, since: T, most_datoms: u64) -> Option<Novelty> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = kept.iter().filter(|window| window.since <= since && window.datoms <= most_datoms);
        fits.min_by_key(|window| window.datoms).map(|window| window.facts.clone())
    }

    fn keep(&self, window: Window) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT {
            kept.remove(0);
        }
        kept.push(window);
    }
}

impl Inner {
    /// How many datoms the transactions at rest after a moment have, up to a segment of the log more. None if there
    /// are no such transactions, or if not all of them are packed.
    pub(crate) fn datoms_after(&self, since: T) -> Result<Option<u64>> {
        let basis = self.root.basis;
        if basis <= Some(since) || self.root.log_end.t <= basis {
            return Ok(None);
        }
        packed::datoms_after(&self.nodes, &self.root, since).map(Some)
    }

    /// The transactions at rest after a moment, and maybe some before, if they have at most so many datoms.
    pub(crate) fn recent(&self, since: T, most_datoms: u64) -> Result<Option<Novelty>> {
        let Some(datoms) = self.datoms_after(since)?.filter(|datoms| *datoms <= most_datoms) else {
            return Ok(None);
        };
        if let Some(facts) = self.recent.get(since, most_datoms) {
            return Ok(Some(facts));
        }
        let mut bulk = Novelty::new().bulk();
        // A fork has packed what is not at rest yet.
        let end = self.root.basis.map_or(0, |basis| basis + 1);
        packed::read(&self.nodes, &self.root, since + 1..end, &mut |tx| {
            bulk.push(&tx);
            true
        })?;
        let facts = bulk.finish();
        self.recent.keep(Window { since, datoms, facts: facts.clone() });
        Ok(Some(facts))
    }
}
