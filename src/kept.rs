//! What of an opened storage outlives its store: database values that are still held read from it.
//!
//! A file can be opened again as soon as nobody writes to it through this process, held values or not: the same open
//! file then serves both. Other processes can open it when the last value is gone.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use annals_storage::backend::{DatabaseId, RedbStorage, ServedStorage, Storage, redb};
use annals_storage::index::Revisions;

use crate::error::Result;

/// An open storage, as values keep it.
pub(crate) struct Kept {
    pub(crate) storage: Arc<dyn Storage>,
    /// Which roots are read in this process, by values of connections that are gone too.
    revisions: Mutex<HashMap<DatabaseId, Revisions>>,
    owner: Mutex<Weak<Owner>>,
    /// Held by who forks a database, and by who deletes what forks may read.
    family: Mutex<()>,
}

/// Held by a store and by its transactors: while there is one, nobody else may write.
pub(crate) struct Owner;

/// What tells a file from all others that are open, whatever it is called.
type FileId = (u64, u64);

/// The files that are open in this process.
static FILES: Mutex<Vec<(FileId, Weak<Kept>)>> = Mutex::new(Vec::new());

impl Kept {
    /// A storage that only this store can know.
    pub(crate) fn new(storage: Arc<dyn Storage>) -> (Arc<Kept>, Arc<Owner>) {
        let owner = Arc::new(Owner);
        let (revisions, family) = Default::default();
        let kept = Kept { storage, revisions, owner: Mutex::new(Arc::downgrade(&owner)), family };
        (Arc::new(kept), owner)
    }

    /// A file: opened, or taken over from a store that is gone while values of it are still held. It is served to others
    /// or not for as long as it is open.
    pub(crate) fn of_file(
        path: &str,
        options: &redb::Options,
        is_served: bool,
    ) -> Result<(Arc<Kept>, Arc<Owner>)> {
        let mut files = lock(&FILES);
        files.retain(|(_, kept)| kept.strong_count() > 0);
        let known = |id: FileId| files.iter().find(|(known, _)| *known == id)?.1.upgrade();
        if let Some(kept) = identity(Path::new(path)).and_then(known)
            && kept.storage.limits().exclusive != is_served
            && let Some(owner) = kept.take_over()
        {
            return Ok((kept, owner));
        }
        let file: Arc<dyn Storage> = Arc::new(RedbStorage::open_with(path, options)?);
        let (kept, owner) = Kept::new(if is_served { Arc::new(ServedStorage::new(file)) } else { file });
        files.extend(identity(Path::new(path)).map(|id| (id, Arc::downgrade(&kept))));
        Ok((kept, owner))
    }

    /// A new owner, if there is none.
    fn take_over(&self) -> Option<Arc<Owner>> {
        let mut known = lock(&self.owner);
        if known.strong_count() > 0 {
            return None;
        }
        let owner = Arc::new(Owner);
        *known = Arc::downgrade(&owner);
        Some(owner)
    }

    /// Keeps others from forking and deleting meanwhile. Whoever holds it asks for no other lock but those of caches.
    pub(crate) fn family(&self) -> MutexGuard<'_, ()> {
        lock(&self.family)
    }

    /// Which roots of a database are read in this process.
    pub(crate) fn revisions(&self, database: DatabaseId) -> Revisions {
        lock(&self.revisions).entry(database).or_default().clone()
    }
}

fn lock<V>(mutex: &Mutex<V>) -> MutexGuard<'_, V> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(unix)]
fn identity(path: &Path) -> Option<FileId> {
    use std::os::unix::fs::MetadataExt;
    let file = std::fs::metadata(path).ok()?;
    Some((file.dev(), file.ino()))
}

/// Where files cannot be told apart, a file is open until the last value is gone.
#[cfg(not(unix))]
fn identity(_: &Path) -> Option<FileId> {
    None
}
