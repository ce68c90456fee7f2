//! A transaction as a pure function: the state before, data and an instant in; a report or a refusal out.
//!
//! ```text
//!   Request ── expect: does the state before bear out what is taken for granted?
//!
//!   Form ── expand ──> Draft ── resolve ──> Vec<Fact> ── check ──> net datoms ── report ──> Outcome
//!           shapes,     facts    tempids     facts with   conflicts,   what the   evolve:
//!           names,      with     become      ids only     uniqueness,  log gets   is the new
//!           types,      tempids  ids                      predicates,             schema sound
//!           calls                                         redundancy
//!
//!   Outcome ── ensure, constrain: does the state after satisfy entity specs and constraints?
//! ```
//!
//! The data is a set: every part of it is judged by the state before, none sees another's effect, and their order
//! never matters. Each stage collects all it has to object to, so that a refusal names every problem at once. Nothing
//! here reads a clock, waits, or changes anything; a refused transaction leaves no trace.

pub(crate) mod ahead;
mod call;
mod check;
pub(crate) mod command;
mod compose;
mod constrain;
mod ensure;
mod evolve;
mod excision;
mod expand;
mod expect;
pub(crate) mod fill;
pub(crate) mod key;
mod members;
mod partition;
mod problem;
pub(crate) mod rehearse;
mod repeats;
pub(crate) mod report;
mod resolve;
pub(crate) mod value;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use annals_query::edn::Span;
use annals_storage::datom::{AttrId, EntityId, Value};
use annals_storage::log::LoggedTx;

use crate::basis::Basis;
use crate::code::{Allowance, Context};
use crate::database::Db;
use crate::error::Result;
use crate::input::Request;

pub(crate) use problem::wrong_type;
pub use report::TxReport;

/// What a transaction would do.
pub(crate) struct Outcome {
    /// The state after it.
    pub(crate) after: Arc<Basis>,
    /// What the log gets.
    pub(crate) tx: LoggedTx,
    /// What every tempid became.
    pub(crate) tempids: BTreeMap<String, EntityId>,
}

/// Judges a transaction against the state before it. `now` is the time, in microseconds since 1970.
pub(crate) fn run(before: &Arc<Basis>, request: &Request, now: i64) -> Result<Outcome> {
    let db = Db::new(Arc::clone(before));
    expect::check(&db, request)?;
    let allowance = Allowance::new(&before.home.options.code);
    let draft = expand::expand(before, &request.data, now.max(before.instant), &allowance)?;
    let mut resolved = resolve::resolve(before, draft)?;
    if let Some(key) = &request.key {
        key::stamp(&db, key, &mut resolved)?;
    }
    let instant = check::instant(before, &resolved.facts, now)?;
    excision::check(before, &resolved.facts)?;
    let context = Context::before(&db, instant, &allowance);
    let net = check::net(&context, resolved.facts, &resolved.holders)?;
    let outcome = report::outcome(before, net, instant, resolved.next, resolved.tempids, &request.ahead)?;
    let after = Db::new(Arc::clone(&outcome.after));
    let context = Context::after(&after, &allowance);
    ensure::check(before, &context, &resolved.ensures)?;
    command::check(&context, &resolved.commands)?;
    constrain::check(before, &after, &outcome.tx)?;
    Ok(outcome)
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
enum Deferred {
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
