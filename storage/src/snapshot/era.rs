//! What a view of time shows of which rows.
//!
//! Layers that began after `as_of` are left out whole, tombstones and all: what they closed still held. The last
//! layer left in may reach beyond `as_of`; its tombstones hide what held at `as_of`, and the closed rows with
//! `as_of < to <= cut` show it again, `cut` being where that layer ends. So supersession is settled first, for every
//! moment alike, and each fact has one row.

use std::collections::BTreeSet;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use super::access::Path;
use super::emit::Emit;
use super::{View, lanes};
use crate::datom::{AttrId, Order, Pattern, T, Tag};
use crate::novelty::{Generation, Layer, Novelty, Run, bisect};

/// The rows under a view.
#[derive(Debug)]
pub(super) struct Era<'n> {
    /// The layers that began by `as_of`.
    pub(super) layers: &'n [Arc<Layer>],
    generations: &'n [Arc<Generation>],
    /// The first and last transaction whose datoms are shown.
    pub(super) low: T,
    pub(super) high: T,
    as_of: T,
    /// What closed after this is still open in the layers.
    cut: T,
    pub(super) history: bool,
    /// Whether assertions, and whether retractions are shown.
    pub(super) assertions: bool,
    retractions: bool,
}

impl<'n> Era<'n> {
    /// What `view` shows; `None` if nothing can match the pattern's transaction and operation.
    pub(super) fn of(novelty: &'n Novelty, view: &View, pattern: &Pattern<'_>) -> Option<Era<'n>> {
        let as_of = view.as_of.unwrap_or(T::MAX);
        let oldest = view.since.map_or(Some(0), |since| since.checked_add(1))?;
        let low = pattern.t.map_or(oldest, |t| t.max(oldest));
        let high = pattern.t.map_or(as_of, |t| t.min(as_of));
        let (layers, cut) = layers_by(novelty.layers(), as_of);
        let era = Era {
            layers,
            generations: novelty.generations(),
            low,
            high,
            as_of,
            cut,
            history: view.history,
            assertions: pattern.added != Some(false),
            retractions: view.history && pattern.added != Some(true),
        };
        (low <= high && (era.assertions || era.retractions)).then_some(era)
    }

    /// The generations with a row that is shown.
    pub(super) fn generations(&self) -> impl Iterator<Item = &'n Generation> + use<'n> {
        let Era { low, high, as_of, cut, history, .. } = *self;
        let past = history || as_of < cut;
        let shown = move |generation: &&Generation| {
            let newest = if history { low } else { as_of.saturating_add(1) };
            past && generation.last >= newest && generation.first <= cut && generation.first_from <= high
        };
        self.generations.iter().map(|generation| &**generation).filter(shown)
    }

    /// The rows of a closed run that a path leads to, and that closed in time to be looked at.
    pub(super) fn closed_rows(&self, run: &Run, path: &Path<'_>) -> Range<usize> {
        let rows = run.seek(&path.lead);
        if !path.is_group() {
            return rows;
        }
        let earliest = if self.history { self.low } else { self.as_of.saturating_add(1) };
        let to = &run.rows.to;
        let start = bisect(rows.clone(), |row| to[row] < earliest);
        start..bisect(start..rows.end, |row| to[row] <= self.cut)
    }

    /// True if an open row, or the assertion of a closed one, is in the window.
    pub(super) fn shows(&self, t: T) -> bool {
        (self.low <= t) & (t <= self.high)
    }

    /// What is shown of a row that closed: its assertion, its retraction.
    pub(super) fn shows_closed(&self, from: T, to: T) -> (bool, bool) {
        // Without branches: every closed row passes here.
        let settled = to <= self.cut;
        let asserted = self.assertions & settled & self.shows(from) & (self.history | (to > self.as_of));
        (asserted, self.retractions & settled & self.shows(to))
    }

    /// True if all open rows of a layer are in the window.
    pub(super) fn shows_all(&self, layer: &Layer) -> bool {
        self.low <= layer.first && layer.last <= self.high
    }

    /// True if the attribute may have a value too long for AVET.
    pub(super) fn has_long(&self, a: AttrId) -> bool {
        let named = |long: &[u32]| long.binary_search(&a.0).is_ok();
        self.layers.iter().any(|layer| named(&layer.long)) || self.generations().any(|past| named(&past.long))
    }

    /// The attributes that may have values of a type: short ones, long ones.
    pub(super) fn attributes_with(&self, tag: Tag, short: bool, long: bool) -> BTreeSet<AttrId> {
        let mut found = BTreeSet::new();
        let open = self.layers.iter().map(|layer| (layer.open(Order::Avet), &layer.long));
        for (avet, longs) in open.chain(self.generations().map(|past| (past.closed(Order::Avet), &past.long)))
        {
            if short {
                found.extend(avet.attributes_with(tag).map(AttrId));
            }
            if long {
                found.extend(longs.iter().copied().map(AttrId));
            }
        }
        found
    }
}

/// The layers that began by `t`, and the last moment they speak of.
fn layers_by(layers: &[Arc<Layer>], t: T) -> (&[Arc<Layer>], T) {
    let mut count = layers.partition_point(|layer| layer.first <= t);
    // A transaction too large for one layer goes over several.
    while count > 0 && layers.get(count).is_some_and(|next| next.first == layers[count - 1].last) {
        count += 1;
    }
    let cut = layers[..count].last().map_or(t, |last| last.last.max(t));
    (&layers[..count], cut)
}

/// Hands on the closed rows that the view shows.
pub(super) fn past<'n>(era: &Era<'n>, path: &Path<'_>, emit: &mut Emit<'_, 'n>) -> ControlFlow<()> {
    for generation in era.generations() {
        let run = generation.closed(path.order);
        emit.closed(run, era.closed_rows(run, path), &path.closed, era)?;
    }
    ControlFlow::Continue(())
}

/// An upper bound of the facts on a path, and whether it is exact.
pub(super) fn count(era: &Era<'_>, path: &Path<'_>) -> (u64, bool) {
    let (open, settled) = if era.assertions { lanes::count(era, path) } else { (0, true) };
    let mut closed = 0;
    for generation in era.generations() {
        closed += era.closed_rows(generation.closed(path.order), path).len() as u64;
    }
    let datoms = u64::from(era.assertions) + u64::from(era.retractions);
    let unbounded = era.low == 0 && era.high == T::MAX;
    let exact = settled && unbounded && path.open.is_open() && (closed == 0 || path.closed.is_open());
    (open + closed * datoms, exact)
}
