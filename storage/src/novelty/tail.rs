//! The newest small transactions, not sorted yet: a transaction of one fact must not cost nine sorted runs.
//!
//! ```text
//!   lists  [ layers, generations ]   tail  [ 3 facts ][ 3 facts ]     with one more: copied, until it is full
//! ```
//!
//! Who asks about facts of which none is in the tail is answered by the lists alone. For anybody else the tail is sorted,
//! once, and stands behind the lists as a layer and a generation of its own.
//!
//! Invariant: what is in the tail is newer than the lists and above the seal, and it is shorter than [`FULL`].

use std::sync::{Arc, OnceLock};

use super::Lists;
use super::intake::Intake;
use crate::datom::{Pattern, T, Value, ValueBound};
use crate::log::{LogDatom, LoggedTx};

/// A tail of so many facts is sorted into the lists. Few in tests, so that short histories do it often.
const FULL: usize = if cfg!(test) { 4 } else { 96 };

/// Bytes of a fact that is sorted in three orders, open or closed, without its value's text.
const SORTED: usize = 100;

#[derive(Debug, Default)]
pub(super) struct Tail {
    facts: Arc<Vec<(T, LogDatom)>>,
    /// The lists under this tail with these facts behind them.
    whole: OnceLock<Arc<Lists>>,
}

impl Tail {
    /// With the facts of a transaction behind; none if it would be full.
    pub(super) fn with(&self, tx: &LoggedTx) -> Option<Tail> {
        let count = self.facts.len() + tx.datoms.len();
        if count >= FULL {
            return None;
        }
        let mut facts = Vec::with_capacity(count);
        facts.extend_from_slice(&self.facts);
        facts.extend(tx.datoms.iter().map(|datom| (tx.t, datom.clone())));
        Some(Tail { facts: Arc::new(facts), whole: OnceLock::new() })
    }

    /// The same facts behind other lists.
    pub(super) fn moved(&self) -> Tail {
        Tail { facts: Arc::clone(&self.facts), whole: OnceLock::new() }
    }

    pub(super) fn facts(&self) -> &[(T, LogDatom)] {
        &self.facts
    }

    /// The lists with these facts behind them. They must be the same at every call.
    pub(super) fn behind<'n>(&'n self, lists: &'n Arc<Lists>) -> &'n Lists {
        if self.facts.is_empty() {
            return lists;
        }
        self.whole.get_or_init(|| {
            let (layer, generations) = self.taken().finish(lists.closed_rows());
            let mut whole = Lists::clone(lists);
            whole.layers.extend(layer.map(Arc::new));
            whole.generations.extend(generations.into_iter().map(Arc::new));
            Arc::new(whole)
        })
    }

    /// Bytes of memory, nearly: as they will be when they are sorted.
    pub(super) fn bytes(&self) -> usize {
        let heap = |v: &Value| match v {
            Value::String(text) | Value::Uri(text) => text.len(),
            Value::Bytes(bytes) => bytes.len(),
            _ => 0,
        };
        self.facts.iter().map(|(_, datom)| SORTED + heap(&datom.v)).sum()
    }

    /// The facts as what is to be sorted.
    pub(super) fn taken(&self) -> Intake {
        let mut intake = Intake::default();
        intake.expect(self.facts.len());
        self.facts.iter().for_each(|(t, datom)| intake.push(*t, datom));
        intake
    }

    /// False if no fact here can be asked for, at any time.
    pub(super) fn touches(&self, pattern: &Pattern<'_>) -> bool {
        let mut scratch = Vec::new();
        let mut admits = |v: &Value| {
            pattern.v == ValueBound::Any || {
                scratch.clear();
                v.with_ref(&mut scratch, |v| pattern.v.admits(v))
            }
        };
        self.facts.iter().any(|(_, datom)| {
            pattern.e.is_none_or(|e| e == datom.e)
                && pattern.a.is_none_or(|a| a == datom.a)
                && admits(&datom.v)
        })
    }
}
