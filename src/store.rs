//! A storage, opened by its address, and the databases in it.
//!
//! Connections of one store to one database share one transactor, which lives as long as any of them. The last handle
//! to go stops the threads; the file is let go when no value reads it any more ([`crate::kept`]).

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use annals_storage::anomaly::Category;
use annals_storage::backend::redb::Compacted;
use annals_storage::backend::{
    Catalog, DatabaseId, Lineage, MemoryStorage, RedbStorage, ServedStorage, Storage, redb,
};
use annals_storage::cache::Cache;
use annals_storage::index::{Progress as VerifyProgress, Report as VerifyReport};

#[cfg(not(feature = "remote"))]
use crate::address;
use crate::address::Address;
use crate::code::ReadCode;
use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::fork;
use crate::home::Home;
use crate::kept::{Kept, Owner};
use crate::leadership::{Beats, Leader, Leadership, Role};
use crate::options::Options;
use crate::question::Question;
use crate::read_queries::{QueryCacheStats, ReadQueries};
#[cfg(feature = "remote")]
use crate::remote::HttpStorage;
use crate::replay;
use crate::transactor::Transactor;

/// Opens a storage: `mem:`, `redb:PATH` or a bare path; with the feature `postgres` `postgres://USER@HOST/DATABASE`; with the
/// feature `objects` `s3://BUCKET/PREFIX`, `az://CONTAINER/PREFIX` or `gs://BUCKET/PREFIX`; with the feature `dynamodb`
/// `dynamodb://TABLE`; with the feature `remote` `http://HOST:PORT`, a server: it is read from there, and has everything
/// written there. `LOG+SEGMENTS`, of two of those that others run, keeps segments in the second and all else in the first.
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
    let is_served = options.role == Role::Transactor;
    let kept = match Address::parse(address)? {
        Address::Memory if is_served => {
            Kept::new(Arc::new(ServedStorage::new(Arc::new(MemoryStorage::new()))))
        }
        Address::Memory => Kept::new(Arc::new(MemoryStorage::new())),
        Address::File(path) => {
            let redb = redb::Options {
                create: !options.must_exist,
                cache_bytes: options.page_cache_bytes,
                ..redb::Options::default()
            };
            Kept::of_file(path, &redb, is_served)?
        }
        #[cfg(feature = "remote")]
        Address::Server(address) => return Store::at(address, options),
        #[cfg(not(feature = "remote"))]
        Address::Server(_) => return Err(address::unbuilt("remote")),
        Address::Remote(remote) => Kept::new(remote.open(options.must_exist)?),
    };
    Store::on(address, kept, options)
}

/// Gives back the room in a file that what was deleted has left: its size before and after. Nobody may have the file
/// open meanwhile. A storage in memory has nothing to give back; a server sees to its room itself.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("boats.annals");
/// # let path = path.to_str().expect("text");
/// let conn = annals::connect(path)?.database("main")?;
/// conn.transact("[{:db/ident :rank/mate}]")?;
/// drop(conn);
/// let compacted = annals::compact(path)?;
/// assert!(compacted.after <= compacted.before);
/// assert_eq!(annals::connect(path)?.database("main")?.db().basis_t(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn compact(address: &str) -> Result<Compacted> {
    match Address::parse(address)? {
        Address::Memory => Ok(Compacted { before: 0, after: 0 }),
        Address::File(path) => Ok(RedbStorage::open_existing(path)?.compact()?),
        Address::Server(_) | Address::Remote(_) => Err(not_a_file()),
    }
}

fn not_a_file() -> Error {
    let message = "only files are compacted; an engine that others run gives room back itself";
    Error::new(Category::Unsupported, "db.error/unsupported-protocol", message)
        .with_hint("see what its own tools do, as PostgreSQL's vacuum")
}

/// An opened storage: holds databases. Clone shares it.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    address: String,
    kept: Arc<Kept>,
    owner: Arc<Owner>,
    /// Decoded nodes of all its databases.
    cache: Arc<Cache>,
    /// Queries that were read, by text.
    queries: Arc<ReadQueries>,
    /// Stored code that was read, by text.
    code: Arc<ReadCode>,
    options: Options,
    catalog: Mutex<Catalog>,
    open: Mutex<HashMap<DatabaseId, Weak<Transactor>>>,
    leadership: Arc<Leadership>,
    /// Let go with the last connection.
    _beats: Option<Beats>,
    /// The process that owns the storage, if this one only reads it from there.
    #[cfg(feature = "remote")]
    server: Option<Arc<HttpStorage>>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({})", self.0.address)
    }
}

impl Store {
    /// A store over a storage engine of the caller's: for tests, and for engines of one's own.
    pub fn over(address: &str, storage: Arc<dyn Storage>, options: Options) -> Result<Store> {
        Store::on(address, Kept::new(storage), options)
    }

    /// A store over what the process at this address owns: it reads from there, and has everything written there.
    #[cfg(feature = "remote")]
    fn at(address: &str, options: Options) -> Result<Store> {
        if options.role == Role::Transactor {
            let message = format!("{address} is a server, and who writes needs the storage itself");
            return Err(Error::incorrect("db.error/invalid-db-uri", message)
                .with_hint("give the address of the storage that the server uses"));
        }
        let server = Arc::new(HttpStorage::open(address)?);
        let feed = options.feed.clone().or_else(|| Some(address.to_owned()));
        let options = Options { role: Role::Peer, feed, ..options };
        let kept = Kept::new(Arc::clone(&server) as Arc<dyn Storage>);
        Ok(Store(Arc::new(Inner { server: Some(server), ..Store::inner(address, kept, options)? })))
    }

    fn on(address: &str, kept: (Arc<Kept>, Arc<Owner>), options: Options) -> Result<Store> {
        Ok(Store(Arc::new(Store::inner(address, kept, options)?)))
    }

    fn inner(address: &str, (kept, owner): (Arc<Kept>, Arc<Owner>), options: Options) -> Result<Inner> {
        let catalog = Mutex::new(Catalog::open(Arc::clone(&kept.storage))?);
        let leadership = Leadership::new(&kept.storage, &options)?;
        let beats = Beats::start(&leadership)?;
        let (address, open) = (address.to_owned(), Mutex::new(HashMap::new()));
        let cache = Arc::new(Cache::new(options.cache_bytes));
        let (queries, code) = (Arc::default(), Arc::default());
        Ok(Inner {
            address,
            kept,
            owner,
            cache,
            queries,
            code,
            options,
            catalog,
            open,
            leadership,
            _beats: beats,
            #[cfg(feature = "remote")]
            server: None,
        })
    }

    /// The address it was opened by.
    pub fn address(&self) -> &str {
        &self.0.address
    }

    /// What whoever runs the storage engine should know: settings by which it keeps less than it says.
    pub fn warnings(&self) -> &[String] {
        self.0.kept.storage.warnings()
    }

    /// Others reach this process at `http://HOST:PORT` from now on: that is what [`Role::Transactor`] tells them.
    pub fn advertise(&self, address: &str) {
        self.0.leadership.advertise(address);
    }

    /// Who writes to the storage, as far as is known here; none if nobody says so.
    pub fn leader(&self) -> Option<Leader> {
        self.0.leadership.leader()
    }

    /// A query from text, as [`q`](crate::q) makes it; but a text that was read before is not read and checked again, and
    /// not planned again for inputs like those of before.
    ///
    /// ```
    /// let store = annals::connect("mem:")?;
    /// let db = store.database("main")?.db();
    /// let types = "[:find (count ?type) . :where [_ :db.install/valueType ?type]]";
    /// for _ in 0..3 {
    ///     assert_eq!(store.q(types)?.over(&db).run()?.into_edn(), annals::Edn::from(15));
    /// }
    /// let told = store.query_cache();
    /// assert_eq!((told.hits, told.misses), (2, 1));
    /// assert_eq!((told.plans_reused, told.plans_made), (2, 1));
    /// # Ok::<(), annals::Error>(())
    /// ```
    pub fn q(&self, text: &str) -> Result<Question> {
        Ok(Question::of(self.0.queries.read(text)?))
    }

    /// How often [`Store::q`] and [`Db::q`](crate::Db::q) found a query that was read before, and a plan that was made
    /// before, and how often not.
    pub fn query_cache(&self) -> QueryCacheStats {
        self.0.queries.counts()
    }

    /// The storage engine itself, to serve it to others; none unless others may read it: see [`Role::Transactor`].
    pub fn shared_storage(&self) -> Option<&Arc<dyn Storage>> {
        Some(&self.0.kept.storage).filter(|storage| !storage.limits().exclusive)
    }

    /// The names of its databases, sorted.
    pub fn databases(&self) -> Result<Vec<String>> {
        Ok(self.catalog().list()?.into_iter().map(|(name, _)| name).collect())
    }

    /// Creates a database: true if it was created now, false if it was there.
    pub fn create_database(&self, name: &str) -> Result<bool> {
        #[cfg(feature = "remote")]
        if let Some(server) = &self.0.server {
            return server.create_database(name);
        }
        let id = DatabaseId(self.0.options.chance.next_id()?);
        let created = self.catalog().create(name, id)?;
        if created.new {
            replay::open(&self.home(name, created.id.into()))?;
        }
        Ok(created.new)
    }

    /// Drops a database: true if it was there. Connections to it fail from then on; forks of it stay as they are.
    pub fn drop_database(&self, name: &str) -> Result<bool> {
        #[cfg(feature = "remote")]
        if let Some(server) = &self.0.server {
            return server.drop_database(name);
        }
        let mut catalog = self.catalog();
        if let Some(id) = catalog.find(name)? {
            let open = self.open().remove(&id).and_then(|transactor| transactor.upgrade());
            if let Some(transactor) = open {
                transactor.close(not_found(name).with_message(format!("the database {name:?} was dropped")));
            }
        }
        fork::drop_database(&mut catalog, name, &self.0.kept, &self.0.cache)
    }

    /// Opens a database, creating it if absent. Connections of one store to one database share one transactor.
    pub fn database(&self, name: &str) -> Result<Connection> {
        let mut catalog = self.catalog();
        let id = match catalog.find(name)? {
            Some(id) => id,
            None => {
                drop(catalog);
                self.create_database(name)?;
                return self.open_database(name);
            }
        };
        self.connection(name, id, &catalog)
    }

    /// Opens a database that must be there (`db.error/db-not-found` otherwise).
    pub fn open_database(&self, name: &str) -> Result<Connection> {
        let mut catalog = self.catalog();
        let id = catalog.find(name)?.ok_or_else(|| not_found(name))?;
        self.connection(name, id, &catalog)
    }

    /// As [`Connection::verify`], for a database that may be too damaged to be opened. While it is not open here, nobody
    /// can open a database of this storage before this ends.
    pub fn verify(&self, name: &str, progress: &mut dyn FnMut(VerifyProgress)) -> Result<VerifyReport> {
        let mut catalog = self.catalog();
        let id = catalog.find(name)?.ok_or_else(|| not_found(name))?;
        match self.transactor(id) {
            Some(transactor) => {
                drop(catalog);
                Connection::new(name, self.clone(), transactor).verify(progress)
            }
            None => self.home(name, catalog.lineage(id)).verify(progress),
        }
    }

    /// Makes a database's trees anew from its log, and publishes them; the old ones are left for [`Connection::gc`].
    ///
    /// Refused while the database is open here, and if the log is damaged: then nothing is changed.
    pub fn repair(&self, name: &str) -> Result<()> {
        let mut catalog = self.catalog();
        let id = catalog.find(name)?.ok_or_else(|| not_found(name))?;
        if self.transactor(id).is_some() {
            let message =
                format!("the database {name:?} is open, and its trees cannot be made anew meanwhile");
            return Err(Error::new(Category::Conflict, "db.error/database-open", message)
                .with_hint("drop all connections to it first"));
        }
        self.home(name, catalog.lineage(id)).rebuild()?;
        Ok(())
    }

    fn transactor(&self, id: DatabaseId) -> Option<Arc<Transactor>> {
        self.open().get(&id).and_then(Weak::upgrade)
    }

    /// The catalog is held meanwhile, so that nobody drops the database.
    fn connection(&self, name: &str, id: DatabaseId, catalog: &Catalog) -> Result<Connection> {
        let mut open = self.open();
        if let Some(transactor) = open.get(&id).and_then(Weak::upgrade) {
            return Ok(Connection::new(name, self.clone(), transactor));
        }
        let home = self.home(name, catalog.lineage(id));
        for fork in catalog.forks_of(id) {
            // While the parent stands still. Should it fail, who opens the fork tries again, and is told why.
            let _ = fork::complete(&home, &fork);
        }
        let transactor =
            Arc::new(Transactor::start(replay::open(&home)?, &self.0.owner, &self.0.leadership)?);
        open.retain(|_, transactor| transactor.strong_count() > 0);
        open.insert(id, Arc::downgrade(&transactor));
        Ok(Connection::new(name, self.clone(), transactor))
    }

    fn home(&self, name: &str, lineage: Lineage) -> Arc<Home> {
        let Inner { kept, cache, queries, code, options, .. } = &*self.0;
        let read = (Arc::clone(queries), Arc::clone(code));
        Home::new(name, lineage, Arc::clone(kept), Arc::clone(cache), read, options.clone())
    }

    fn catalog(&self) -> MutexGuard<'_, Catalog> {
        self.0.catalog.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> MutexGuard<'_, HashMap<DatabaseId, Weak<Transactor>>> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn not_found(name: &str) -> Error {
    Error::new(Category::NotFound, "db.error/db-not-found", format!("there is no database {name:?}"))
        .with_hint("list the databases of the storage, or create it first")
}

#[cfg(test)]
mod tests {
    use super::*;

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
