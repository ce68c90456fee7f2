//! A storage, opened by its address, and the databases in it.
//!
//! Connections of one store to one database share one transactor, which lives as long as any of them. The last handle
//! to go stops the threads and lets go of the file.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use annals_storage::anomaly::Category;
use annals_storage::backend::{Catalog, DatabaseId, MemoryStorage, RedbStorage, Storage, redb};
use annals_storage::log::{Appended, Log, LogBatch};
use annals_storage::novelty::Novelty;

use crate::basis::{Basis, Counters};
use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::schema::bootstrap;
use crate::time::{Chance, Clock, SystemChance, SystemClock};
use crate::transactor::Transactor;

/// How a storage is opened.
#[derive(Clone)]
pub struct Options {
    /// What tells the time.
    pub clock: Arc<dyn Clock>,
    /// What gives ids that nobody else has.
    pub chance: Arc<dyn Chance>,
    /// How many requests may wait for the transactor; more are refused as busy.
    pub queue: usize,
    /// redb page cache, bytes.
    pub cache_bytes: usize,
    /// Refuse to create the file.
    pub must_exist: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            clock: Arc::new(SystemClock),
            chance: Arc::new(SystemChance),
            queue: 1024,
            cache_bytes: 64 << 20,
            must_exist: false,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("queue", &self.queue)
            .field("cache_bytes", &self.cache_bytes)
            .field("must_exist", &self.must_exist)
            .finish_non_exhaustive()
    }
}

/// Opens a storage: `mem:`, `redb:PATH`, or a bare path. Other addresses are not served yet.
///
/// ```
/// let store = annals::connect("mem:")?;
/// assert!(store.create_database("main")?);
/// assert_eq!(store.databases()?, ["main"]);
/// # Ok::<(), annals::Error>(())
/// ```
pub fn connect(address: &str) -> Result<Store> {
    connect_with(address, Options::default())
}

/// As [`connect`], with options.
pub fn connect_with(address: &str, options: Options) -> Result<Store> {
    let storage: Arc<dyn Storage> = match Address::parse(address)? {
        Address::Memory => Arc::new(MemoryStorage::new()),
        Address::File(path) => {
            let redb = redb::Options {
                create: !options.must_exist,
                cache_bytes: options.cache_bytes,
                ..redb::Options::default()
            };
            Arc::new(RedbStorage::open_with(path, &redb)?)
        }
    };
    Store::over(address, storage, options)
}

#[derive(Debug, PartialEq, Eq)]
enum Address<'a> {
    Memory,
    File(&'a str),
}

impl<'a> Address<'a> {
    fn parse(address: &'a str) -> Result<Address<'a>> {
        let invalid = |why: &str| {
            let message = format!("{address:?} is no storage address: {why}");
            Err(Error::incorrect("db.error/invalid-db-uri", message)
                .with_hint("write mem:, redb:PATH, or the path of a file"))
        };
        let is_scheme =
            |scheme: &str| scheme.len() > 1 && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric());
        match address.split_once(':') {
            Some(("mem", "")) => Ok(Address::Memory),
            Some(("mem", _)) => invalid("a storage in memory has no name"),
            Some(("redb", "")) => invalid("the path is missing"),
            Some(("redb", path)) => Ok(Address::File(path)),
            Some((scheme, _)) if is_scheme(scheme) => {
                let message = format!("storage addresses that begin with {scheme}: are not supported");
                Err(Error::new(Category::Unsupported, "db.error/unsupported-protocol", message)
                    .with_hint("mem: and redb:PATH are; a path with a colon is written redb:PATH"))
            }
            _ if address.is_empty() => invalid("it is empty"),
            _ => Ok(Address::File(address)),
        }
    }
}

/// An opened storage: holds databases. Clone shares it.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    address: String,
    storage: Arc<dyn Storage>,
    options: Options,
    catalog: Mutex<Catalog>,
    open: Mutex<HashMap<DatabaseId, Weak<Transactor>>>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({})", self.0.address)
    }
}

impl Store {
    /// A store over a storage engine of the caller's: for tests, and for engines of one's own.
    pub fn over(address: &str, storage: Arc<dyn Storage>, options: Options) -> Result<Store> {
        let catalog = Mutex::new(Catalog::open(Arc::clone(&storage))?);
        let (address, open) = (address.to_owned(), Mutex::new(HashMap::new()));
        Ok(Store(Arc::new(Inner { address, storage, options, catalog, open })))
    }

    /// The address it was opened by.
    pub fn address(&self) -> &str {
        &self.0.address
    }

    /// The names of its databases, sorted.
    pub fn databases(&self) -> Result<Vec<String>> {
        Ok(self.catalog().list()?.into_iter().map(|(name, _)| name).collect())
    }

    /// Creates a database: true if it was created now, false if it was there.
    pub fn create_database(&self, name: &str) -> Result<bool> {
        let id = DatabaseId(self.0.options.chance.next_id()?);
        let created = self.catalog().create(name, id)?;
        if created.new {
            self.replay(name, created.id)?;
        }
        Ok(created.new)
    }

    /// Drops a database: true if it was there. Connections to it fail from then on.
    pub fn drop_database(&self, name: &str) -> Result<bool> {
        let mut catalog = self.catalog();
        if let Some(id) = catalog.find(name)? {
            let open = self.open().remove(&id).and_then(|transactor| transactor.upgrade());
            if let Some(transactor) = open {
                transactor.close(not_found(name).with_message(format!("the database {name:?} was dropped")));
            }
        }
        Ok(Catalog::drop(&mut catalog, name)?.is_some())
    }

    /// Opens a database, creating it if absent. Connections of one store to one database share one transactor.
    pub fn database(&self, name: &str) -> Result<Connection> {
        let mut catalog = self.catalog();
        let id = match catalog.find(name)? {
            Some(id) => id,
            None => catalog.create(name, DatabaseId(self.0.options.chance.next_id()?))?.id,
        };
        self.connection(name, id)
    }

    /// Opens a database that must be there (`db.error/db-not-found` otherwise).
    pub fn open_database(&self, name: &str) -> Result<Connection> {
        let mut catalog = self.catalog();
        let id = catalog.find(name)?.ok_or_else(|| not_found(name))?;
        self.connection(name, id)
    }

    /// The catalog is held meanwhile, so that nobody drops the database.
    fn connection(&self, name: &str, id: DatabaseId) -> Result<Connection> {
        let mut open = self.open();
        if let Some(transactor) = open.get(&id).and_then(Weak::upgrade) {
            return Ok(Connection::new(name, transactor));
        }
        let (basis, log, epoch) = self.replay(name, id)?;
        let transactor = Arc::new(Transactor::start(basis, log, epoch + 1, &self.0.options)?);
        open.retain(|_, transactor| transactor.strong_count() > 0);
        open.insert(id, Arc::downgrade(&transactor));
        Ok(Connection::new(name, transactor))
    }

    /// Reads a database's log from its first transaction, which is written if it is missing: its state, the log, and
    /// the newest epoch in it.
    fn replay(&self, name: &str, id: DatabaseId) -> Result<(Basis, Log, u64)> {
        let mut replay = Replay::new();
        let mut log = Log::open(Arc::clone(&self.0.storage), id, &mut |batch| {
            replay.take(&batch);
            Ok(())
        })?;
        while log.next_t() == 0 {
            let batch = LogBatch {
                seq: log.next_seq(),
                epoch: 0,
                id: self.0.options.chance.next_id()?,
                next: Counters::fresh().to_log(0),
                txs: vec![bootstrap::transaction()],
            };
            match log.append(&batch)? {
                Appended::Done => replay.take(&batch),
                Appended::Taken(other) => replay.take(&other),
            }
        }
        let (clock, epoch) = (Arc::clone(&self.0.options.clock), replay.epoch);
        Ok((Basis::of(name, clock, replay.facts.finish(), replay.instant, replay.next)?, log, epoch))
    }

    fn catalog(&self) -> MutexGuard<'_, Catalog> {
        self.0.catalog.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> MutexGuard<'_, HashMap<DatabaseId, Weak<Transactor>>> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A log on its way to become a state.
struct Replay {
    facts: annals_storage::novelty::Bulk,
    instant: i64,
    next: Counters,
    epoch: u64,
}

impl Replay {
    fn new() -> Replay {
        Replay { facts: Novelty::new().bulk(), instant: 0, next: Counters::fresh(), epoch: 0 }
    }

    fn take(&mut self, batch: &LogBatch) {
        for tx in &batch.txs {
            self.facts.push(tx);
            self.instant = tx.instant;
        }
        self.next.catch_up(&batch.next);
        self.epoch = self.epoch.max(batch.epoch);
    }
}

fn not_found(name: &str) -> Error {
    Error::new(Category::NotFound, "db.error/db-not-found", format!("there is no database {name:?}"))
        .with_hint("list the databases of the storage, or create it first")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        assert_eq!(Address::parse("mem:").unwrap(), Address::Memory);
        assert_eq!(Address::parse("redb:a/b.annals").unwrap(), Address::File("a/b.annals"));
        assert_eq!(Address::parse("./a.annals").unwrap(), Address::File("./a.annals"));
        assert_eq!(Address::parse("C:\\data\\a").unwrap(), Address::File("C:\\data\\a"));
        for (address, keyword) in [
            ("", "db.error/invalid-db-uri"),
            ("redb:", "db.error/invalid-db-uri"),
            ("mem:x", "db.error/invalid-db-uri"),
            ("postgres://me@host/db", "db.error/unsupported-protocol"),
            ("s3://bucket/prefix", "db.error/unsupported-protocol"),
        ] {
            let error = Address::parse(address).unwrap_err();
            assert_eq!(error.keyword(), keyword, "{address}");
            assert!(error.hint().is_some());
        }
    }

    #[test]
    fn databases_come_and_go() {
        let store = connect("mem:").unwrap();
        assert_eq!(store.open_database("a").unwrap_err().keyword(), "db.error/db-not-found");
        assert!(store.create_database("a").unwrap() && !store.create_database("a").unwrap());
        let a = store.database("a").unwrap();
        store.database("b").unwrap();
        assert_eq!(store.databases().unwrap(), ["a", "b"]);
        a.transact("[{:db/ident :my/name}]").unwrap();

        assert!(store.drop_database("a").unwrap() && !store.drop_database("a").unwrap());
        let error = a.transact("[]").unwrap_err();
        assert_eq!((error.category(), error.keyword()), (Category::NotFound, "db.error/db-not-found"));
        let anew = store.database("a").unwrap();
        assert_eq!((anew.db().basis_t(), a.db().basis_t()), (0, 1));
    }
}
