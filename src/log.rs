//! The log as users read it: transactions by number, in order.

use std::fmt;
use std::ops::{Bound, ControlFlow, Range, RangeBounds};

use annals_query::source::{Flow, TxLog};
use annals_storage::datom::{Datom, EntityId, T};
use annals_storage::log::{LogReader, LoggedTx};

use crate::database::Db;
use crate::error::Result;
use crate::time::TimePoint;
use crate::transact::report;

/// The log, as of the value that was newest when it was taken.
#[derive(Clone)]
pub struct Log {
    reader: LogReader,
    db: Db,
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Log({}@{})", self.db.name(), self.db.basis_t())
    }
}

/// One transaction of the log.
#[derive(Clone, Debug)]
pub struct Tx {
    /// Its number.
    pub t: T,
    /// Its entity.
    pub tx: EntityId,
    /// Its `:db/txInstant`, microseconds since 1970.
    pub instant: i64,
    /// What it asserted and retracted.
    pub datoms: Vec<Datom>,
}

impl From<LoggedTx> for Tx {
    fn from(tx: LoggedTx) -> Tx {
        Tx { t: tx.t, tx: EntityId::of_t(tx.t), instant: tx.instant, datoms: report::datoms(&tx) }
    }
}

impl Log {
    pub(crate) fn new(reader: LogReader, db: Db) -> Log {
        Log { reader, db }
    }

    /// The newest transaction it reaches.
    pub fn basis_t(&self) -> T {
        self.db.basis_t()
    }

    /// Transactions from `from` (included) to `to` (excluded), in order, until the sink returns false.
    ///
    /// Without `from` it begins with transaction 1; transaction 0, the bootstrap schema, comes if it is asked for. An
    /// instant stands for the first transaction that is not older.
    pub fn each(
        &self,
        from: Option<TimePoint>,
        to: Option<TimePoint>,
        sink: &mut dyn FnMut(Tx) -> bool,
    ) -> Result<()> {
        let t = |point| match point {
            TimePoint::T(t) => Ok(t),
            TimePoint::Instant(instant) => self.db.basis().t_from(instant),
        };
        let from = from.map_or(Ok(1), t)?;
        let to = to.map_or(Ok(T::MAX), t)?;
        self.read(from..to, sink)
    }

    /// The transactions of a range of numbers, all at once. An open start means transaction 1.
    ///
    /// ```
    /// let conn = annals::connect("mem:")?.database("main")?;
    /// conn.transact("[{:db/ident :rank/mate}]")?;
    /// conn.transact("[{:db/ident :rank/cook}]")?;
    /// assert_eq!(conn.log().range(..)?.len(), 2);
    /// assert_eq!(conn.log().range(2..)?[0].t, 2);
    /// # Ok::<(), annals::Error>(())
    /// ```
    pub fn range(&self, range: impl RangeBounds<T>) -> Result<Vec<Tx>> {
        let start = match range.start_bound() {
            Bound::Included(t) => *t,
            Bound::Excluded(t) => t.saturating_add(1),
            Bound::Unbounded => 1,
        };
        let end = match range.end_bound() {
            Bound::Included(t) => t.saturating_add(1),
            Bound::Excluded(t) => *t,
            Bound::Unbounded => T::MAX,
        };
        let mut txs = Vec::new();
        self.read(start..end, &mut |tx| {
            txs.push(tx);
            true
        })?;
        Ok(txs)
    }

    /// The transactions from a point in time (included; none: the first) to another (excluded; none: the newest), all at
    /// once. A transaction is in it if `from <= t < to`; an instant stands for the first transaction not older than it.
    ///
    /// ```
    /// # let conn = annals::connect("mem:")?.database("main")?;
    /// let report = conn.transact("[{:db/id \"datomic.tx\" :db/txInstant #inst \"2020-01-01\"}]")?;
    /// let log = conn.log();
    /// assert_eq!(log.between(Some(annals::TimePoint::parse("2020-01-01")?), None)?.len(), 1);
    /// assert_eq!(log.between(None, Some(report.tx.into()))?.len(), 0);
    /// # Ok::<(), annals::Error>(())
    /// ```
    pub fn between(&self, from: Option<TimePoint>, to: Option<TimePoint>) -> Result<Vec<Tx>> {
        let mut txs = Vec::new();
        self.each(from, to, &mut |tx| {
            txs.push(tx);
            true
        })?;
        Ok(txs)
    }

    fn read(&self, range: Range<T>, sink: &mut dyn FnMut(Tx) -> bool) -> Result<()> {
        let end = range.end.min(self.db.basis_t() + 1);
        Ok(self.reader.read(range.start..end, &mut |tx| sink(Tx::from(tx)))?)
    }
}

/// For `tx-ids` and `tx-data`: the log as an input of a query.
impl TxLog for Log {
    fn end_t(&self) -> T {
        self.basis_t() + 1
    }

    fn t_from(&self, instant: i64) -> annals_query::Result<T> {
        Ok(self.db.basis().t_from(instant)?)
    }

    fn read(&self, range: Range<T>, sink: &mut dyn FnMut(T, &[Datom]) -> Flow) -> annals_query::Result<()> {
        let mut hand_on = |tx: Tx| sink(tx.t, &tx.datoms) == ControlFlow::Continue(());
        Ok(Log::read(self, range, &mut hand_on)?)
    }
}
