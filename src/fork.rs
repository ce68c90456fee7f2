//! Forks: databases that share the past of another up to a transaction, and then go their own way.
//!
//! The entry in the catalog is the fork: from then on it is there, whole, though the process may die before its first
//! root is written. Whoever opens it, or its parent, writes what is missing. What forks read is never deleted: who
//! deletes looks first, under a lock that who forks holds too, at what the forks of a database name. A dropped
//! database is kept as far as its forks read it. A fork that was dropped frees what it alone kept.

use std::sync::Arc;

use annals_storage::anomaly::Category;
use annals_storage::backend::catalog::{Forked, Parting};
use annals_storage::backend::{Catalog, DatabaseId, Lineage};
use annals_storage::cache::Cache;
use annals_storage::datom::T;
use annals_storage::index::{self, Collected, Fork, Shared};
use annals_storage::log::LogReader;

use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::home::Home;
use crate::kept::Kept;
use crate::store::{Store, not_found};

impl Store {
    /// Makes a database that shares the past of another up to `at` (included; none: the newest transaction), and opens
    /// it. Up to there it has the same transactions, instants and ids; its next transaction is the one after. From then
    /// on neither knows of the other. Durable on return; what is shared is not copied.
    ///
    /// ```
    /// let store = annals::connect("mem:")?;
    /// let main = store.database("main")?;
    /// let mate = main.transact("[{:db/ident :rank/mate}]")?;
    /// main.transact("[{:db/ident :rank/cook}]")?;
    /// let trial = store.fork("main", "trial", Some(mate.t))?;
    /// assert_eq!(trial.transact("[{:db/ident :rank/pilot}]")?.t, mate.t + 1);
    /// assert_eq!((trial.db().entid(":rank/cook")?, main.db().entid(":rank/pilot")?), (None, None));
    /// assert!(trial.db().entid(":rank/mate")?.is_some());
    /// # Ok::<(), annals::Error>(())
    /// ```
    ///
    /// # Errors
    /// `db.error/db-not-found` if there is nothing to fork, `db.error/db-exists` if the name is taken,
    /// `db.error/fork-beyond-basis` if `at` has not come yet.
    pub fn fork(&self, from: &str, to: &str, at: Option<T>) -> Result<Connection> {
        self.open_database(from)?.fork(to, at)
    }
}

/// Refuses a moment that has not come yet.
pub(crate) fn check(name: &str, at: T, newest: T) -> Result<()> {
    if at <= newest {
        return Ok(());
    }
    let message = format!("{name:?} cannot be forked at transaction {at}: its newest is {newest}");
    Err(Error::incorrect("db.error/fork-beyond-basis", message)
        .with_hint("name a transaction that is there, or none for the newest"))
}

/// Makes the fork, of a database that is open here: neither a job nor a collection of it runs meanwhile.
pub(crate) fn make(home: &Home, log: &LogReader, to: &str, t: T) -> Result<()> {
    let batch = log.batch_of(t)?;
    let id = DatabaseId(home.options.chance.next_id()?);
    let _family = home.kept.family();
    let mut catalog = Catalog::open(Arc::clone(&home.storage))?;
    match catalog.fork(to, id, Parting { parent: home.database, batch, t })? {
        Forked::Done => {}
        Forked::NameTaken => {
            let message = format!("there is a database {to:?} already");
            return Err(Error::new(Category::Conflict, "db.error/db-exists", message)
                .with_hint("give the fork another name, or drop that database first"));
        }
        Forked::NoParent => return Err(not_found(&home.name)),
    }
    let made = write_root(home, catalog.lineage(id));
    if made.is_err() {
        // What cannot be made whole is better not there; should this fail too, the next to open it tries again.
        let _ = catalog.drop(to);
    }
    made
}

/// Gives a fork its first root, if the process ended before that was done.
pub(crate) fn complete(home: &Home, lineage: &Lineage) -> Result<()> {
    if lineage.parted().is_none() {
        return Ok(());
    }
    let _family = home.kept.family();
    write_root(home, lineage.clone())
}

fn write_root(home: &Home, lineage: Lineage) -> Result<()> {
    let fork = Fork {
        storage: &home.storage,
        lineage,
        cache: &home.cache,
        job: home.options.chance.next_id()? as u64,
        now: home.now(),
        settings: home.options.index,
    };
    Ok(fork.run()?)
}

/// Deletes something of a database while nobody forks: `delete` is told what has to stay. Nothing is deleted while a
/// fork is not whole.
pub(crate) fn sparing<V: Default>(
    home: &Home,
    database: DatabaseId,
    delete: impl FnOnce(&Shared) -> Result<V>,
) -> Result<V> {
    let _family = home.kept.family();
    let catalog = Catalog::open(Arc::clone(&home.storage))?;
    match Shared::by(&home.storage, &home.cache, &catalog.forks_of(database))? {
        Some(shared) => delete(&shared),
        None => Ok(V::default()),
    }
}

/// Deletes what the forks of dropped ancestors of a database do not read any more.
pub(crate) fn sweep_ancestors(home: &Home) -> Result<Collected> {
    let catalog = Catalog::open(Arc::clone(&home.storage))?;
    let mut collected = Collected::default();
    for ancestor in catalog.dropped_ancestors(home.database) {
        let swept =
            sparing(home, ancestor, |shared| Ok(index::sweep_dropped(&*home.storage, shared, ancestor)?))?;
        collected.segments += swept.segments;
        collected.bytes += swept.bytes;
    }
    Ok(collected)
}

/// Drops a database; true if it was there. What it shares with forks stays for them, the rest is deleted.
pub(crate) fn drop_database(
    catalog: &mut Catalog,
    name: &str,
    kept: &Kept,
    cache: &Arc<Cache>,
) -> Result<bool> {
    let _family = kept.family();
    let Some(id) = catalog.drop(name)? else { return Ok(false) };
    for dropped in [id].into_iter().chain(catalog.dropped_ancestors(id)) {
        let forks = catalog.forks_of(dropped);
        if forks.is_empty() {
            continue;
        }
        // It is dropped either way; what is left over now is left to the next collection of a fork.
        if let Ok(Some(shared)) = Shared::by(&kept.storage, cache, &forks) {
            let _ = index::sweep_dropped(&*kept.storage, &shared, dropped);
        }
    }
    Ok(true)
}
