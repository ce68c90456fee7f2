//! The way in to one database.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use annals_storage::datom::T;

use crate::database::Db;
use crate::error::Result;
use crate::input::TxData;
use crate::log::Log;
use crate::transact::TxReport;
use crate::transactor::{Pending, Transactor};

/// The way in to one database: gives values, takes transactions. Clone + Send + Sync.
///
/// ```
/// let conn = annals::connect("mem:")?.database("main")?;
/// let before = conn.db();
/// let report = conn.transact("[{:db/ident :rank/mate} {:db/ident :rank/cook}]")?;
/// assert_eq!(conn.db().basis_t(), report.t);
/// assert_eq!(before.entid(":rank/mate")?, None);
/// # Ok::<(), annals::Error>(())
/// ```
#[derive(Clone)]
pub struct Connection {
    name: Arc<str>,
    pub(crate) transactor: Arc<Transactor>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connection({}@{})", self.name, self.db().basis_t())
    }
}

impl Connection {
    pub(crate) fn new(name: &str, transactor: Arc<Transactor>) -> Connection {
        Connection { name: name.into(), transactor }
    }

    /// The database's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The newest value; no waiting, no I/O.
    pub fn db(&self) -> Db {
        self.transactor.db()
    }

    /// Carries a transaction out: durable on return.
    pub fn transact(&self, tx: impl Into<TxData>) -> Result<TxReport> {
        self.submit(tx)?.wait()
    }

    /// Hands the transaction over and returns at once; `busy` if the queue is full. The order of calls is the order of
    /// t. Text is read here, by the caller's thread.
    pub fn submit(&self, tx: impl Into<TxData>) -> Result<Pending> {
        self.transactor.submit(tx.into().form()?)
    }

    /// Waits until the basis is at least `t`.
    pub fn sync(&self, t: T, timeout: Duration) -> Result<Db> {
        self.transactor.sync(t, timeout)
    }

    /// The log, as far as the newest value goes.
    pub fn log(&self) -> Log {
        Log::new(self.transactor.log().clone(), self.db())
    }
}
