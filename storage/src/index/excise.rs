//! Facts removed for ever: which rows a job leaves out.
//!
//! What is removed is told by the row alone (entity, attribute, value and the transaction that asserted it), so a fact
//! goes together with its tombstone, its closed row and its retraction in the log. Every leaf is read for it; those
//! without such a row stay as they are, under separators that are made anew.

use super::merge::Held;
use crate::datom::{AttrId, EntityId};
use crate::root::Excision;
use crate::run::Run;

/// Which rows are left out.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Filter<'f> {
    excisions: &'f [Excision],
}

impl<'f> Filter<'f> {
    pub(super) fn new(excisions: &'f [Excision]) -> Filter<'f> {
        Filter { excisions }
    }

    /// True if nothing is left out.
    pub(super) fn is_empty(&self) -> bool {
        self.excisions.is_empty()
    }

    fn takes(&self, run: &Run, row: usize) -> bool {
        let (e, a) = (EntityId(run.rows.e[row]), AttrId(run.rows.a[row]));
        let (v, from) = (run.value(row), run.rows.from[row]);
        self.excisions.iter().any(|excision| excision.takes(e, a, v, from))
    }

    /// The rows that stay; none if all do.
    pub(super) fn kept(&self, run: &Run) -> Option<Run> {
        if self.is_empty() {
            return None;
        }
        let kept: Vec<u32> =
            (0..run.len()).filter(|row| !self.takes(run, *row)).map(|row| row as u32).collect();
        (kept.len() < run.len()).then(|| run.pick(&kept))
    }

    /// A run, or its rows that stay.
    pub(super) fn of_run<'m>(&self, run: Held<'m>) -> Held<'m> {
        self.kept(&run).map_or(run, Held::Loaded)
    }
}
