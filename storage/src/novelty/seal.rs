//! Handing novelty over to the trees: what an index job takes, and what is left once its root is published.
//!
//! ```text
//!   layers   [ 1 .. 700 ][ 701 .. 900 ] | seal at 900 | [ 901 .. 990 ][ 991 ]
//!             `--- under_seal() -------'                 `--- after(900) ----'
//! ```
//!
//! Nothing merges across a seal, so that dropping what a job put to rest is dropping whole layers and generations. A
//! seal that moves on leaves what lies under the old one apart: every transaction that was ever a seal stays a
//! boundary.

use std::sync::Arc;

use super::{Generation, Layer, Lists, Novelty};
use crate::datom::T;
use crate::root::Excision;

impl Novelty {
    /// No facts, above a root whose newest transaction is `t`.
    pub fn above(t: T) -> Novelty {
        Novelty { basis: Some(t), ..Novelty::default() }
    }

    /// The same facts, sealed at their basis: what is added later is never merged with them, so that an index job
    /// can take them and [`Novelty::after`] can drop them. A seal that is there already moves.
    #[must_use]
    pub fn sealed(&self) -> Novelty {
        let sorted = self.bulk().finish();
        let lists = Lists { seal: self.basis, ..Lists::clone(&sorted.lists) };
        Novelty { lists: Arc::new(lists), ..sorted }
    }

    /// The newest transaction under the seal, if there is one.
    pub fn seal(&self) -> Option<T> {
        self.lists.seal
    }

    /// Only what is newer than `t`, which a seal of these facts or of ones they came from named.
    #[must_use]
    pub fn after(&self, t: T) -> Novelty {
        let Lists { layers, generations, seal } = &*self.lists;
        let above = |first: T, last: T| {
            debug_assert!(first > t || last <= t, "{t} was never a seal: {first} to {last} lies across it");
            last > t
        };
        let lists = Lists {
            layers: kept(layers, |layer| above(layer.first, layer.last)),
            generations: kept(generations, |generation| above(generation.first, generation.last)),
            seal: seal.filter(|seal| *seal > t),
        };
        let basis = Some(self.basis.map_or(t, |basis| basis.max(t)));
        // What is newer than the lists is above every seal.
        Novelty { lists: Arc::new(lists), tail: Arc::new(self.tail.moved()), basis }
    }

    /// Without the rows and tombstones of facts that were removed for ever (for the novelty above the root that removed
    /// them).
    #[must_use]
    pub fn without(&self, excisions: &[Excision]) -> Novelty {
        if excisions.is_empty() {
            return self.clone();
        }
        let Lists { layers, generations, seal } = self.whole();
        let layers = layers.iter().filter_map(|layer| layer.without(excisions));
        let generations = generations.iter().filter_map(|generation| generation.without(excisions));
        let lists = Lists { layers: layers.collect(), generations: generations.collect(), seal: *seal };
        Novelty { basis: self.basis, ..Novelty::of(lists) }
    }

    /// What is under the seal as one layer (open rows and tombstones) and one generation, for an index job.
    ///
    /// # Panics
    /// If the values under the seal take 4 GiB or more, which offsets into them cannot reach: whoever lets novelty
    /// grow bounds it far below.
    pub(crate) fn under_seal(&self) -> (Option<Arc<Layer>>, Option<Arc<Generation>>) {
        let Some(seal) = self.lists.seal else { return (None, None) };
        let layers = kept(&self.lists.layers, |layer| layer.last <= seal);
        let generations = kept(&self.lists.generations, |generation| generation.last <= seal);
        (joined(layers, Layer::merge), joined(generations, Generation::merge))
    }
}

fn kept<P>(parts: &[Arc<P>], keep: impl Fn(&P) -> bool) -> Vec<Arc<P>> {
    parts.iter().filter(|part| keep(part)).cloned().collect()
}

/// Neighbours as one: by pairs, so that a row is moved once for each doubling.
fn joined<P>(mut parts: Vec<Arc<P>>, merge: impl Fn(&P, &P) -> P) -> Option<Arc<P>> {
    while parts.len() > 1 {
        let pairs = parts.chunks(2).map(|pair| match pair {
            [older, newer] => Arc::new(merge(older, newer)),
            alone => Arc::clone(&alone[0]),
        });
        parts = pairs.collect();
    }
    parts.pop()
}
