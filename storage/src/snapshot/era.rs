//! What a view of time shows of which rows.
//!
//! What is at rest is the oldest layer, left in whole. Layers that began after `as_of` are left out whole, tombstones
//! and all: what they closed still held. The last layer left in may reach beyond `as_of`; its tombstones hide what held
//! at `as_of`, and the closed rows with `as_of < to <= cut` show it again, `cut` being where that layer ends. So
//! supersession is settled first, for every moment alike, and each fact has one row.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use super::access::Path;
use super::{Snapshot, View};
use crate::datom::{AttrId, Order, Pattern, T, Tag};
use crate::novelty::{Generation, Layer};
use crate::rest::{Inner, Wanted, When};
use crate::run::{Run, bisect};

/// The rows under a view.
#[derive(Debug)]
pub(super) struct Era<'n> {
    /// What is at rest, if anything.
    pub(super) rest: Option<&'n Inner>,
    /// The layers that began by `as_of`.
    pub(super) layers: &'n [Arc<Layer>],
    generations: &'n [Arc<Generation>],
    /// The first and last transaction whose datoms are shown.
    pub(super) low: T,
    pub(super) high: T,
    as_of: T,
    /// What closed after this is still open in the layers.
    cut: T,
    /// The newest transaction at rest.
    settled: T,
    pub(super) history: bool,
    /// Whether assertions, and whether retractions are shown.
    pub(super) assertions: bool,
    pub(super) retractions: bool,
}

impl<'n> Era<'n> {
    /// What `view` shows; `None` if nothing can match the pattern's transaction and operation.
    pub(super) fn of(snapshot: &'n Snapshot, view: &View, pattern: &Pattern<'_>) -> Option<Era<'n>> {
        let as_of = view.as_of.unwrap_or(T::MAX);
        let oldest = view.since.map_or(Some(0), |since| since.checked_add(1))?;
        let low = pattern.t.map_or(oldest, |t| t.max(oldest));
        let high = pattern.t.map_or(as_of, |t| t.min(as_of));
        let rest = snapshot.rest.inner.as_deref().filter(|inner| inner.root.basis.is_some());
        let settled = snapshot.rest.basis().unwrap_or(0);
        let (layers, generations) = snapshot.novelty.facing(pattern);
        let (layers, cut) = layers_by(layers, as_of, settled);
        let era = Era {
            rest,
            layers,
            generations,
            low,
            high,
            as_of,
            cut,
            settled,
            history: view.history,
            assertions: pattern.added != Some(false),
            retractions: view.history && pattern.added != Some(true),
        };
        (low <= high && (era.assertions || era.retractions)).then_some(era)
    }

    /// Which open rows at rest are wanted: as of a moment, if it is older than what is at rest.
    pub(super) fn when(&self) -> When {
        let moment = (!self.history && self.as_of < self.settled).then_some(self.as_of);
        When { moment, low: self.low, high: self.high }
    }

    /// Which closed rows are wanted.
    pub(super) fn wanted(&self) -> Wanted {
        match self.history {
            true => Wanted { from: (0, self.high), to: (self.low, T::MAX) },
            false => Wanted { from: (self.low, self.high), to: (self.as_of.saturating_add(1), T::MAX) },
        }
    }

    /// The generations of novelty with a row that is shown.
    pub(super) fn generations(&self) -> impl Iterator<Item = &'n Generation> + use<'n> {
        let (wanted, cut) = (self.wanted(), self.cut);
        let past = self.history || self.as_of < cut;
        let shown = move |generation: &&Generation| {
            past && generation.last >= wanted.to.0
                && generation.first <= cut
                && generation.first_from <= wanted.from.1
        };
        self.generations.iter().map(|generation| &**generation).filter(shown)
    }

    /// The rows of a closed run that a path leads to, and that closed in time to be looked at.
    pub(super) fn closed_rows(&self, run: &Run, path: &Path<'_>) -> Range<usize> {
        let rows = run.seek(&path.lead);
        if !path.is_group() {
            return rows;
        }
        let earliest = self.wanted().to.0;
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
        self.rest.is_some_and(|rest| rest.root.note(a.0).is_some_and(|note| note.long != 0))
            || self.layers.iter().any(|layer| named(&layer.long))
            || self.generations().any(|past| named(&past.long))
    }

    /// The attributes that may have values of a type: short ones, long ones.
    pub(super) fn attributes_with(&self, tag: Tag, short: bool, long: bool) -> BTreeSet<AttrId> {
        let mut found = BTreeSet::new();
        let noted = |note: &&crate::root::AttributeNote| {
            let tags = if short { note.tags } else { 0 } | if long { note.long } else { 0 };
            tags >> tag as u16 & 1 == 1
        };
        if let Some(rest) = self.rest {
            found.extend(rest.root.attributes.iter().filter(noted).map(|note| AttrId(note.a)));
        }
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

/// The layers of novelty that began by `t`, and the last moment they or what is at rest speak of. A layer that forgets
/// is among them with all before it, whenever it began: what it forgot never was.
fn layers_by(layers: &[Arc<Layer>], t: T, settled: T) -> (&[Arc<Layer>], T) {
    let mut count = layers.partition_point(|layer| layer.first <= t);
    // A transaction too large for one layer goes over several.
    while count > 0 && layers.get(count).is_some_and(|next| next.first == layers[count - 1].last) {
        count += 1;
    }
    let forgets = layers.iter().rposition(|layer| layer.forgets).map_or(0, |last| last + 1);
    let count = count.max(forgets);
    let cut = layers[..count].last().map_or(t, |last| last.last.max(t));
    (&layers[..count], cut.max(settled))
}
