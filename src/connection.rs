//! The way in to one database.

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use annals_storage::datom::T;
use annals_storage::index::{Collected, Progress as VerifyProgress, Report as VerifyReport};

use crate::database::Db;
use crate::error::Result;
use crate::fork;
use crate::input::{Request, TxRequest};
use crate::log::Log;
use crate::requests::RequestStatus;
use crate::store::Store;
use crate::transact::{TxReport, rehearse};
use crate::transactor::{Pending, Transactor};

/// How long what only who leads may do waits for that.
const LEADS_WITHIN: Duration = Duration::from_secs(10);

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
    store: Store,
    pub(crate) transactor: Arc<Transactor>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connection({}@{})", self.name, self.db().basis_t())
    }
}

impl Connection {
    pub(crate) fn new(name: &str, store: Store, transactor: Arc<Transactor>) -> Connection {
        Connection { name: name.into(), store, transactor }
    }

    /// The database's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The newest value; no waiting, no I/O.
    pub fn db(&self) -> Db {
        self.transactor.db()
    }

    /// Carries a transaction out: durable on return. If nobody else has one under way, this thread does it all.
    pub fn transact(&self, tx: impl Into<TxRequest>) -> Result<TxReport> {
        self.transactor.transact(self.looked_at(tx.into().read()?)?)
    }

    /// Hands the transaction over and returns at once; `busy` if the queue is full. The order of calls is the order of
    /// t. On the caller's thread, so that nobody else waits for that, text is read, what calls scripts is rehearsed, and what
    /// stands in the way of an attribute that is to become stricter is looked for.
    pub fn submit(&self, tx: impl Into<TxRequest>) -> Result<Pending> {
        self.transactor.submit(self.looked_at(tx.into().read()?)?)
    }

    /// Takes a request in, durably, and returns before it is carried out: it will be, once, also after a crash. What came
    /// of it is told by its key ([`Connection::request`]), from now on and for ever. Gives the transaction that took it in.
    ///
    /// ```
    /// # use std::time::Duration;
    /// use annals::{RequestState, TxRequest};
    /// let conn = annals::connect("mem:")?.database("main")?;
    /// conn.accept(TxRequest::from("[{:db/ident :rank/mate}]").key("k1"))?;
    /// let status = conn.request("k1", Duration::from_secs(10))?.expect("it was taken in");
    /// assert!(matches!(status.state, RequestState::Committed { t: 2 }));
    /// # Ok::<(), annals::Error>(())
    /// ```
    pub fn accept(&self, request: impl Into<TxRequest>) -> Result<TxReport> {
        self.transactor.submit(self.looked_at(request.into().read_for_later()?)?)?.wait()
    }

    fn looked_at(&self, request: Request) -> Result<Request> {
        let db = self.db();
        let request = request.looked_ahead(db.basis())?;
        rehearse::rehearse(db.basis(), &request)?;
        Ok(request)
    }

    /// What became of the request with this key; waits so long at most if it is still to be carried out, and not at all
    /// when nothing is written any more. None if no request had this key.
    pub fn request(&self, key: &str, wait: Duration) -> Result<Option<RequestStatus>> {
        let is_settled = |db: &Db| match db.request(key) {
            Ok(Some(status)) => status.state.is_final(),
            Ok(None) | Err(_) => true,
        };
        self.transactor.wait(wait, is_settled).0.request(key)
    }

    /// Waits until the basis is at least `t`, and the tuples of all composites are there (see `:db.attr/filling`).
    pub fn sync_schema(&self, t: T, timeout: Duration) -> Result<Db> {
        self.transactor.sync_schema(t, timeout)
    }

    /// Waits until the basis is at least `t`.
    pub fn sync(&self, t: T, timeout: Duration) -> Result<Db> {
        self.transactor.sync(t, timeout)
    }

    /// The newest value of all, whoever writes: of a moment after this was called. A storage of one's own is not asked; one
    /// that others write to is.
    ///
    /// ```
    /// # use std::time::Duration;
    /// let conn = annals::connect("mem:")?.database("main")?;
    /// assert_eq!(conn.sync_head(Duration::from_secs(1))?.basis_t(), 0);
    /// # Ok::<(), annals::Error>(())
    /// ```
    pub fn sync_head(&self, timeout: Duration) -> Result<Db> {
        self.transactor.sync_head(timeout)
    }

    /// The log as it is stored, from this batch on: some frames, which [`Chain`](annals_storage::log::Chain) reads. If there
    /// are none yet, waits so long at most. This is what other processes are fed.
    ///
    /// ```
    /// # use std::time::Duration;
    /// let conn = annals::connect("mem:")?.database("main")?;
    /// conn.transact("[{:db/ident :rank/mate}]")?;
    /// assert!(!conn.feed(0, Duration::ZERO)?.is_empty());
    /// assert_eq!(conn.feed(2, Duration::ZERO)?.len(), 0);
    /// # Ok::<(), annals::Error>(())
    /// ```
    pub fn feed(&self, from: u64, wait: Duration) -> Result<Vec<Vec<u8>>> {
        let frames = || self.transactor.log().frames(from..u64::MAX);
        let found = frames()?;
        if !found.is_empty() || wait.is_zero() {
            return Ok(found);
        }
        self.transactor.wait_here(wait, |db| db.basis().home.gauges().batches > from);
        Ok(frames()?)
    }

    /// False once nothing can be written any more: the database was dropped, or its storage failed. What is known can still
    /// be read.
    ///
    /// ```
    /// let store = annals::connect("mem:")?;
    /// let conn = store.database("main")?;
    /// assert!(conn.is_open());
    /// store.drop_database("main")?;
    /// assert!(!conn.is_open());
    /// # Ok::<(), annals::Error>(())
    /// ```
    pub fn is_open(&self) -> bool {
        self.transactor.is_open()
    }

    /// True if this process is the one that writes, as far as it knows.
    pub fn is_leading(&self) -> bool {
        self.transactor.is_leading()
    }

    /// How long ago it was last known that nobody had written anything newer than [`Connection::db`] shows; zero where
    /// nobody else can.
    pub fn staleness(&self) -> Duration {
        self.transactor.staleness()
    }

    /// Asks for all that is durable now to be put to rest, whatever it weighs, and returns at once; gives the
    /// transaction up to which it will be ([`Connection::sync_index`] waits for that).
    ///
    /// ```
    /// # use std::time::Duration;
    /// let conn = annals::connect("mem:")?.database("main")?;
    /// conn.transact("[{:db/ident :rank/mate}]")?;
    /// let t = conn.request_index()?;
    /// let db = conn.sync_index(t, Duration::from_secs(10))?;
    /// assert!(db.entid(":rank/mate")?.is_some());
    /// # Ok::<(), annals::Error>(())
    /// ```
    pub fn request_index(&self) -> Result<T> {
        self.transactor.request_index()
    }

    /// Waits until all transactions up to `t` are at rest. It asks for nothing by itself.
    pub fn sync_index(&self, t: T, timeout: Duration) -> Result<Db> {
        self.transactor.sync_index(t, timeout)
    }

    /// Waits until everything that transactions up to `t` want removed (`:db/excise`) is gone from what is read here.
    ///
    /// Values taken before keep showing it; its bytes leave the storage when nobody reads them any more
    /// ([`Connection::gc`]).
    pub fn sync_excise(&self, t: T, timeout: Duration) -> Result<Db> {
        self.transactor.sync_excise(t, timeout)
    }

    /// Deletes what the newest root does not need: lists that roots left, as far as nobody reads them, and segments of
    /// jobs that never published. What forks of this database read stays.
    ///
    /// With a `grace`, what was freed longer ago goes even if a value still reads it; that value then fails with
    /// `db.error/value-expired`.
    pub fn gc(&self, grace: Option<Duration>) -> Result<Collected> {
        let transactor = &self.transactor;
        let epoch = transactor.lead(LEADS_WITHIN)?;
        let home = Arc::clone(&transactor.db().basis().home);
        transactor.begin(move || home.clean(grace, epoch))?.wait()
    }

    /// Makes a database that shares the past of this one, as [`Store::fork`] does, and opens it. Writing goes on
    /// meanwhile.
    pub fn fork(&self, to: &str, at: Option<T>) -> Result<Connection> {
        let db = self.db();
        let t = at.unwrap_or(db.basis_t());
        fork::check(&self.name, t, db.basis_t())?;
        let (home, log) = (Arc::clone(&db.basis().home), self.transactor.log().clone());
        let name = to.to_owned();
        self.transactor.begin(move || fork::make(&home, &log, &name, t))?.wait()?;
        self.store.open_database(to)
    }

    /// Reads everything that is stored and holds it against itself: the log, every node of the trees, and the trees
    /// against the log. Writing goes on meanwhile, but nothing is put to rest.
    ///
    /// ```
    /// let conn = annals::connect("mem:")?.database("main")?;
    /// let report = conn.verify(&mut |_| {})?;
    /// assert!(report.is_clean());
    /// # Ok::<(), annals::Error>(())
    /// ```
    pub fn verify(&self, progress: &mut dyn FnMut(VerifyProgress)) -> Result<VerifyReport> {
        let home = Arc::clone(&self.transactor.db().basis().home);
        let (sender, steps) = channel();
        let report = self.transactor.begin(move || {
            // Nobody has to look on.
            home.verify(&mut |step| {
                let _ = sender.send(step);
            })
        })?;
        steps.into_iter().for_each(progress);
        report.wait()
    }

    /// How many requests wait for the transactor now.
    pub fn queued(&self) -> usize {
        self.transactor.queued()
    }

    /// The log, as far as the newest value goes.
    pub fn log(&self) -> Log {
        Log::new(self.transactor.log().clone(), self.db())
    }
}
