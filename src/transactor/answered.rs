//! What a request is answered.
//!
//! The first answer is a report made by the writer. To a request that is sent again the writer only says which transaction
//! it was: whoever waits reads from the log what that did, so that no other writer waits for it.

use annals_storage::anomaly::Category;
use annals_storage::datom::T;
use annals_storage::log::LogReader;

use crate::database::Db;
use crate::error::{Error, Result};
use crate::remote::Told;
use crate::transact::{TxReport, key};

/// What came of a request.
pub(super) enum Answered {
    /// It was carried out, or taken in.
    Now(Box<TxReport>),
    /// It was before.
    Again(Again),
}

/// A durable transaction, to be told again.
pub(super) struct Again {
    pub(super) t: T,
    /// A value that knows it.
    pub(super) now: Db,
    pub(super) log: LogReader,
    /// What was told about it where it was written, if that is another process.
    pub(super) told: Option<Told>,
}

impl Answered {
    pub(super) fn report(self) -> Result<TxReport> {
        match self {
            Answered::Now(report) => Ok(*report),
            Answered::Again(again) => again.report(),
        }
    }
}

impl Again {
    /// The report that was given first; that it was given before is said.
    fn report(&self) -> Result<TxReport> {
        let Again { t, now, log, told } = self;
        let mut found = None;
        log.read(*t..t + 1, &mut |tx| {
            found = Some(tx);
            false
        })?;
        let tx = found.ok_or_else(|| {
            let message = format!("transaction {t} is not in the log, and its request was sent again");
            Error::new(Category::Fault, "db.error/fault", message).with_hint("verify the database")
        })?;
        let (before, after) = (now.as_of(t.saturating_sub(1)).grounded()?, now.as_of(*t).grounded()?);
        let (tempids, replayed) = match told {
            Some(told) if !told.replayed => (told.tempids.clone(), false),
            _ => (key::tempids(now.basis(), *t)?, true),
        };
        Ok(TxReport { replayed, ..TxReport::new(before, after, &tx, tempids) })
    }
}
