//! Functions that read the log: `tx-ids`, `tx-data`.
//!
//! The first argument is the log. A transaction is named by its number t, its entity, or an instant, which stands for
//! the first transaction that is not older. What is read is what is given: a range of numbers costs nothing but its
//! result, and of the log itself only one transaction at a time is looked at.

use std::ops::ControlFlow;

use annals_storage::datom::{Datom, EntityId, Symbol, T};

use crate::edn::Edn;
use crate::error::{Error, Result};
use crate::source::TxLog;

/// The names of these functions.
pub const NAMES: [&str; 2] = ["tx-ids", "tx-data"];

/// A function that reads the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfLog {
    /// `(tx-ids ?log start end)`: the transactions from the start, included, to the end, excluded. Nil for the start
    /// is the first transaction after the schema every database is born with, nil for the end leaves none out.
    TxIds,
    /// `(tx-data ?log tx)`: what the transaction asserted and retracted, as `[e a v tx added]`.
    TxData,
}

impl OfLog {
    /// The function with this name.
    pub fn find(name: &Symbol) -> Option<OfLog> {
        match name.as_str() {
            "tx-ids" => Some(OfLog::TxIds),
            "tx-data" => Some(OfLog::TxData),
            _ => None,
        }
    }

    /// The function's name.
    pub fn name(self) -> &'static str {
        match self {
            OfLog::TxIds => "tx-ids",
            OfLog::TxData => "tx-data",
        }
    }

    /// Refuses a wrong number of arguments, the log counted.
    pub fn check_count(self, count: usize) -> Result<()> {
        let (fits, wants) = match self {
            OfLog::TxIds => (count == 3, "a log, a start and an end"),
            OfLog::TxData => (count == 2, "a log and a transaction"),
        };
        let message = || format!("`{}` takes {wants}, not {count} arguments", self.name());
        if fits { Ok(()) } else { Err(Error::incorrect("db.error/function-arity", message())) }
    }

    /// Calls the function; `args` are the arguments after the log.
    pub fn call(self, log: &dyn TxLog, args: &[Edn], allow: &dyn Fn(usize) -> Result<()>) -> Result<Edn> {
        self.check_count(args.len() + 1)?;
        match self {
            OfLog::TxIds => {
                let start = if args[0] == Edn::Nil { 1 } else { self.t(log, &args[0])? };
                let end = if args[1] == Edn::Nil { T::MAX } else { self.t(log, &args[1])? };
                let end = end.min(log.end_t());
                allow(usize::try_from(end.saturating_sub(start)).unwrap_or(usize::MAX))?;
                Ok(Edn::Vector((start..end).map(|t| EntityId::of_t(t).into()).collect()))
            }
            OfLog::TxData => {
                let t = self.t(log, &args[0])?;
                let mut rows = Vec::new();
                log.read(t..t.saturating_add(1), &mut |_, datoms| {
                    rows.extend(datoms.iter().map(datom_edn));
                    ControlFlow::Continue(())
                })?;
                allow(rows.len())?;
                Ok(Edn::Vector(rows))
            }
        }
    }

    /// The number of the transaction that a value names.
    fn t(self, log: &dyn TxLog, named: &Edn) -> Result<T> {
        let t = match named {
            Edn::Inst(micros) => return log.t_from(*micros),
            Edn::Int(n) => u64::try_from(*n).ok().and_then(|n| {
                let is_number = EntityId::of_t(n).counter() == n;
                EntityId(n).t().or(is_number.then_some(n))
            }),
            _ => None,
        };
        t.ok_or_else(|| {
            let message = format!("`{}`: {named} names no transaction", self.name());
            Error::incorrect("db.error/invalid-time-point", message)
                .hint("a transaction is named by its number t, its entity id or an instant")
        })
    }
}

/// A datom as the tuple `[e a v tx added]`.
pub fn datom_edn(datom: &Datom) -> Edn {
    Edn::Vector(vec![
        datom.e.into(),
        datom.a.entity().into(),
        datom.v.clone().into(),
        datom.tx.into(),
        datom.added.into(),
    ])
}
