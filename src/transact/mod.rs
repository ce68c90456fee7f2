//! A transaction as a pure function: the state before, data and an instant in; a report or a refusal out.
//!
//! ```text
//!   Form ── expand ──> Draft ── resolve ──> Vec<Fact> ── check ──> net datoms ── report ──> Outcome
//!           shapes,     facts    tempids     facts with   conflicts,   what the   evolve:
//!           names,      with     become      ids only     uniqueness,  log gets   is the new
//!           types       tempids  ids                      redundancy              schema sound
//! ```
//!
//! The data is a set: every part of it is judged by the state before, none sees another's effect, and their order
//! never matters. Each stage collects all it has to object to, so that a refusal names every problem at once. Nothing
//! here reads a clock, waits, or changes anything; a refused transaction leaves no trace.

mod check;
mod compose;
mod evolve;
mod excision;
mod expand;
mod problem;
pub(crate) mod report;
mod resolve;
pub(crate) mod value;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use annals_query::edn::{Form, Span};
use annals_storage::datom::{AttrId, EntityId, Value};
use annals_storage::log::LoggedTx;

use crate::basis::Basis;
use crate::error::Result;

pub(crate) use problem::wrong_type;
pub use report::TxReport;

/// What a transaction would do.
pub(crate) struct Outcome {
    /// The state after it.
    pub(crate) after: Basis,
    /// What the log gets.
    pub(crate) tx: LoggedTx,
    /// What every tempid became.
    pub(crate) tempids: BTreeMap<String, EntityId>,
}

/// Judges a transaction against the state before it. `now` is the time, in microseconds since 1970.
pub(crate) fn run(before: &Basis, data: &Form, now: i64) -> Result<Outcome> {
    let draft = expand::expand(before, data)?;
    let resolved = resolve::resolve(before, draft)?;
    let instant = check::instant(before, &resolved.facts, now)?;
    excision::check(before, &resolved.facts)?;
    let net = check::net(before, resolved.facts, instant, &resolved.holders)?;
    report::outcome(before, net, instant, resolved.next, resolved.tempids)
}

/// A tempid of one transaction, by the order of its first appearance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Temp(u32);

/// An entity as a transaction names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ent {
    Known(EntityId),
    Temp(Temp),
}

/// A value as a transaction gives it: tempids may stand where entities are meant.
#[derive(Clone, Debug)]
enum Val {
    Is(Value),
    Temp(Temp),
    Tuple(Vec<Option<Val>>),
}

/// A fact to be asserted or retracted whose entities may still be tempids.
#[derive(Clone, Debug)]
struct DraftFact {
    added: bool,
    e: Ent,
    a: AttrId,
    v: Val,
    span: Option<Span>,
}

/// What has to look at the state before, once tempids are known.
#[derive(Clone, Debug)]
enum Request {
    /// `[:db/retract e a]`
    RetractAll { e: Ent, a: AttrId, span: Option<Span> },
    /// `[:db/retractEntity e]`
    RetractEntity { e: Ent },
    /// `[:db/cas e a old new]`
    Swap { e: Ent, a: AttrId, old: Option<Val>, new: Val, span: Option<Span> },
}

/// A fact to be asserted or retracted.
#[derive(Clone, Debug)]
struct Fact {
    added: bool,
    e: EntityId,
    a: AttrId,
    v: Value,
    span: Option<Span>,
}
