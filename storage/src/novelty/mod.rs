//! Facts newer than any tree: immutable sorted runs, merged like the digits of a binary counter.
//!
//! ```text
//!   layers        [ t 0 ............... 900 ][ 901 .. 990 ][ 991 ]     open rows and tombstones
//!   generations   [ to 1 ... 412 ][ 413 ......... 870 ][ 871 .. 991 ]  closed rows
//! ```
//!
//! A *layer* holds what its transactions opened and still hold at its end, and a tombstone for every fact of an older
//! layer that they closed. A *generation* holds the closed rows of a range of closing times. Both lists cover
//! neighbouring ranges of transactions, oldest first, and grow geometrically, so there are few of each and a fact is
//! moved a logarithmic number of times. The newest small transactions wait in a [`tail`] before they become a layer.
//!
//! Invariants: a fact (e, a, v, from) is open in at most one layer; a tombstone has one target, in an older layer or at
//! rest; a fact closed inside a layer is absent from it; every closed row of which history is kept is in exactly one
//! generation; nothing is merged across a [seal](Novelty::sealed). Nothing here is ever changed: a clone is a snapshot.

mod intake;
mod layer;
#[cfg(test)]
mod proofs;
mod seal;
mod tail;

use std::sync::Arc;

pub(crate) use self::layer::{Generation, Layer};

use self::intake::Intake;
use self::tail::Tail;
use crate::datom::{Pattern, T};
use crate::log::{LoggedTx, Op};

/// The facts of some transactions, in every order, shared and never changed. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Novelty {
    lists: Arc<Lists>,
    tail: Arc<Tail>,
    basis: Option<T>,
}

#[derive(Clone, Debug, Default)]
struct Lists {
    layers: Vec<Arc<Layer>>,
    generations: Vec<Arc<Generation>>,
    /// What is up to here is not merged with what is newer.
    seal: Option<T>,
}

impl Novelty {
    /// No facts.
    pub fn new() -> Novelty {
        Novelty::default()
    }

    /// These facts and those of one more transaction, which must be newer than all here.
    #[must_use]
    pub fn with(&self, tx: &LoggedTx) -> Novelty {
        if let Some(tail) = self.tail.with(tx) {
            return Novelty { lists: Arc::clone(&self.lists), tail: Arc::new(tail), basis: Some(tx.t) };
        }
        let mut bulk = self.bulk();
        bulk.push(tx);
        bulk.finish()
    }

    /// Takes many transactions on top of these: sorted once, not once a transaction.
    pub fn bulk(&self) -> Bulk {
        Bulk { lists: Lists::clone(&self.lists), intake: self.tail.taken(), basis: self.basis }
    }

    /// The facts of a whole log, oldest transaction first.
    pub fn from_log<'t>(txs: impl IntoIterator<Item = &'t LoggedTx>) -> Novelty {
        let mut bulk = Novelty::new().bulk();
        txs.into_iter().for_each(|tx| bulk.push(tx));
        bulk.finish()
    }

    /// These facts and newer ones, side by side.
    pub(crate) fn joined(&self, newer: &Novelty) -> Novelty {
        let (ours, theirs) = (self.whole(), newer.whole());
        debug_assert!(
            theirs.layers.first().is_none_or(|layer| Some(layer.first) > self.basis),
            "newer facts"
        );
        let lists = Lists {
            layers: [&ours.layers[..], &theirs.layers].concat(),
            generations: [&ours.generations[..], &theirs.generations].concat(),
            seal: theirs.seal,
        };
        Novelty { basis: newer.basis.or(self.basis), ..Novelty::of(lists) }
    }

    fn of(lists: Lists) -> Novelty {
        Novelty { lists: Arc::new(lists), tail: Arc::default(), basis: None }
    }

    /// All that is here, sorted.
    fn whole(&self) -> &Lists {
        self.tail.behind(&self.lists)
    }

    /// The newest transaction here; if there is none, the one that this begins above.
    pub fn basis(&self) -> Option<T> {
        self.basis
    }

    /// How much is held. Costs a few additions a layer.
    pub fn size(&self) -> NoveltySize {
        let Lists { layers, generations, .. } = &*self.lists;
        let (mut size, newest) = (NoveltySize::default(), self.tail.facts());
        for (_, datom) in newest {
            match datom.op {
                Op::Assert => size.open += 1,
                Op::Retract { forget, .. } => {
                    size.tombstones += 1;
                    size.closed += usize::from(!forget);
                }
            }
        }
        NoveltySize {
            layers: layers.len() + usize::from(!newest.is_empty()),
            generations: generations.len() + usize::from(size.closed > 0),
            open: size.open + layers.iter().map(|layer| layer.open_rows()).sum::<usize>(),
            tombstones: size.tombstones + layers.iter().map(|layer| layer.tombstones()).sum::<usize>(),
            closed: size.closed + self.lists.closed_rows(),
            bytes: self.lists.bytes() + self.tail.bytes(),
        }
    }

    /// What matters to who asks for a pattern, and maybe more: layers (open rows and tombstones) and generations (closed
    /// rows), oldest first.
    pub(crate) fn facing(&self, pattern: &Pattern<'_>) -> (&[Arc<Layer>], &[Arc<Generation>]) {
        let lists = if self.tail.touches(pattern) { self.whole() } else { &self.lists };
        (&lists.layers, &lists.generations)
    }
}

/// How much a [`Novelty`] holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoveltySize {
    /// Sorted runs of open rows (each in every order).
    pub layers: usize,
    /// Sorted runs of closed rows (each in every order).
    pub generations: usize,
    /// Rows that were open at the end of their layer.
    pub open: usize,
    /// Closings whose target is in an older layer or tree.
    pub tombstones: usize,
    /// Closed rows.
    pub closed: usize,
    /// Bytes of memory, nearly.
    pub bytes: usize,
}

/// A novelty in the making, of many transactions at once (reopening, import).
#[derive(Debug)]
pub struct Bulk {
    lists: Lists,
    intake: Intake,
    basis: Option<T>,
}

impl Bulk {
    /// Adds a transaction, which must be newer than all before.
    pub fn push(&mut self, tx: &LoggedTx) {
        debug_assert!(self.basis.is_none_or(|basis| basis < tx.t), "transactions come in order");
        self.basis = Some(tx.t);
        self.intake.expect(tx.datoms.len());
        for datom in &tx.datoms {
            if !self.intake.has_room_for(datom) {
                self.seal();
            }
            self.intake.push(tx.t, datom);
        }
        if self.intake.is_full() {
            self.seal();
        }
    }

    /// Rows held so far: what was opened and what was closed, those of the novelty under it included.
    pub fn rows(&self) -> usize {
        let layers = self.lists.layers.iter().map(|layer| layer.open_rows() + layer.tombstones());
        layers.sum::<usize>() + self.lists.closed_rows() + self.intake.rows()
    }

    /// Bytes of memory that what is held will have when it is finished, or a little more: whoever replays a long log
    /// cuts it by this. Costs a few additions a layer.
    pub fn bytes(&self) -> usize {
        self.lists.bytes() + self.intake.bytes()
    }

    /// All facts taken, as a value.
    pub fn finish(mut self) -> Novelty {
        self.seal();
        Novelty { basis: self.basis, ..Novelty::of(self.lists) }
    }

    fn seal(&mut self) {
        let (layer, generations) = std::mem::take(&mut self.intake).finish(self.lists.closed_rows());
        if let Some(layer) = layer {
            self.lists.add_layer(layer);
        }
        for generation in generations {
            self.lists.add_generation(generation);
        }
    }
}

impl Lists {
    /// True if what ends with `last` may be merged with what is newer.
    fn is_above_seal(&self, last: T) -> bool {
        self.seal.is_none_or(|seal| last > seal)
    }

    fn bytes(&self) -> usize {
        self.layers.iter().map(|layer| layer.bytes()).sum::<usize>()
            + self.generations.iter().map(|generation| generation.bytes()).sum::<usize>()
    }

    fn add_layer(&mut self, mut newest: Layer) {
        while let Some(older) = self.layers.last()
            && self.is_above_seal(older.last)
            && older.is_due(&newest)
        {
            newest = older.merge(&newest);
            self.layers.pop();
        }
        self.layers.push(Arc::new(newest));
    }

    fn closed_rows(&self) -> usize {
        self.generations.iter().map(|generation| generation.rows()).sum()
    }

    fn add_generation(&mut self, mut newest: Generation) {
        let limit = layer::generation_limit(self.closed_rows());
        while let Some(older) = self.generations.last()
            && self.is_above_seal(older.last)
            && older.is_due(&newest, limit)
        {
            newest = older.merge(&newest);
            self.generations.pop();
        }
        self.generations.push(Arc::new(newest));
    }
}
