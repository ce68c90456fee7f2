//! Objects by key: got, created, overwritten, deleted, listed, each until the store has said how it ended.
//!
//! Getting and creating is one request; creating what is there is two, for it is read before it is believed: some stores say
//! "exists" of a conflict that left nothing, and a client may find there what it had put itself. No call but those that say
//! so lists. Many objects go in parallel, within bounds.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{Error as StoreError, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode};

use super::keys;
use crate::backend::remote::{Patience, Setback, chain, wire};
use crate::backend::{DatabaseId, Failure, Filled, SegmentId};
use crate::error::Error;

/// How many requests of one call are under way.
pub(super) const AT_ONCE: usize = 16;
/// How often what a database has is listed and deleted, until nothing is listed.
const SWEEPS: usize = 8;
/// What stores say of a bucket that is not there; of an object they say it otherwise.
const NO_BUCKET: [&str; 3] = ["NoSuchBucket", "ContainerNotFound", "bucket does not exist"];

/// A place in a store.
pub(super) struct Bucket {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) prefix: Path,
    /// As messages name it.
    pub(super) shown: String,
    pub(super) patience: Patience,
}

impl Bucket {
    /// What an object holds, if it is there.
    pub(super) async fn get(&self, key: &Path) -> Result<Option<Bytes>, Failure> {
        self.patience.wait(|| self.get_once(key)).await
    }

    /// As [`Bucket::get`], for the bridge.
    pub(super) async fn get_owned(self: Arc<Self>, key: Path) -> Result<Option<Vec<u8>>, Failure> {
        Ok(self.get(&key).await?.map(Vec::from))
    }

    pub(super) async fn get_all(self: Arc<Self>, keys: Vec<Path>) -> Result<Vec<Option<Vec<u8>>>, Failure> {
        let gets = keys.into_iter().map(|key| Arc::clone(&self).get_owned(key));
        stream::iter(gets).buffered(AT_ONCE).try_collect().await
    }

    /// Creates an object, unless it is there.
    pub(super) async fn create(&self, key: &Path, bytes: &Bytes) -> Result<Filled, Failure> {
        let attempt = || async {
            match self.store.put_opts(key, bytes.clone().into(), PutMode::Create.into()).await {
                Ok(_) => Ok(Filled::Done),
                Err(StoreError::AlreadyExists { .. } | StoreError::Precondition { .. }) => {
                    let there = self.get_once(key).await?.map(|there| Filled::Taken(there.into()));
                    there.ok_or_else(|| {
                        Setback::Doubtful(format!("{}: {key} is said to be there, and is not", self.shown))
                    })
                }
                Err(error) => match self.setback(error) {
                    Setback::Doubtful(why) => {
                        let there = self.get_once(key).await?.map(|there| Filled::Taken(there.into()));
                        there.ok_or(Setback::Doubtful(why))
                    }
                    known => Err(known),
                },
            }
        };
        self.patience.wait(attempt).await
    }

    /// As [`Bucket::create`], for the bridge.
    pub(super) async fn create_owned(self: Arc<Self>, key: Path, bytes: Bytes) -> Result<Filled, Failure> {
        self.create(&key, &bytes).await
    }

    pub(super) async fn create_all(self: Arc<Self>, objects: Vec<(Path, Bytes)>) -> Result<(), Failure> {
        let creates = objects.into_iter().map(|(key, bytes)| Arc::clone(&self).create_owned(key, bytes));
        stream::iter(creates).buffer_unordered(AT_ONCE).try_for_each(async |_| Ok(())).await
    }

    /// Puts an object, whatever is there.
    pub(super) async fn overwrite(&self, key: &Path, bytes: Bytes) -> Result<(), Failure> {
        let attempt = || async {
            self.store.put(key, bytes.clone().into()).await.map(drop).map_err(|error| self.setback(error))
        };
        self.patience.wait(attempt).await
    }

    /// As [`Bucket::overwrite`], for the bridge. Some stores want one object to be overwritten once a second at most.
    pub(super) async fn set_hint(self: Arc<Self>, key: Path, bytes: Bytes) -> Result<(), Failure> {
        self.overwrite(&key, bytes).await
    }

    /// Deletes objects, if they are there.
    pub(super) async fn delete_owned(self: Arc<Self>, keys: Vec<Path>) -> Result<(), Failure> {
        let attempt = || async {
            let mut deleted = self.store.delete_stream(stream::iter(keys.clone()).map(Ok).boxed());
            while let Some(end) = deleted.next().await {
                match end {
                    Ok(_) | Err(StoreError::NotFound { .. }) => {}
                    Err(error) => return Err(self.setback(error)),
                }
            }
            Ok(())
        };
        self.patience.wait(attempt).await
    }

    /// Lists.
    pub(super) async fn list_segments(
        self: Arc<Self>,
        database: DatabaseId,
        after: Option<SegmentId>,
        limit: usize,
    ) -> Result<Vec<SegmentId>, Failure> {
        let (prefix, offset) = (self.segments(database), after.map(|after| self.segment(after)));
        let attempt = || async {
            let mut listed = match &offset {
                Some(offset) => self.store.list_with_offset(Some(&prefix), offset),
                None => self.store.list(Some(&prefix)),
            };
            let mut found: Vec<SegmentId> = Vec::new();
            // Stores list by name, but for some; those are heard to the end.
            while found.len() < limit || !found.is_sorted() {
                let Some(meta) = listed.next().await else { break };
                let key = meta.map_err(|error| self.setback(error))?.location;
                found.extend(keys::segment_of(database, &key).filter(|id| Some(*id) > after));
            }
            found.sort_unstable();
            found.truncate(limit);
            Ok(found)
        };
        self.patience.wait(attempt).await
    }

    /// Lists everything.
    pub(super) async fn stored_bytes(self: Arc<Self>) -> Result<u64, Failure> {
        Ok(self.list(&self.prefix).await?.iter().map(|meta| meta.size).sum())
    }

    /// Lists until nothing is listed any more: a listing may be late.
    pub(super) async fn delete_database(self: Arc<Self>, database: DatabaseId) -> Result<(), Failure> {
        let prefix = self.database(database);
        for _ in 0..SWEEPS {
            let listed = self.list(&prefix).await?;
            if listed.is_empty() {
                return Ok(());
            }
            let keys = listed.into_iter().map(|meta| meta.location).collect();
            Arc::clone(&self).delete_owned(keys).await?;
        }
        Err(Failure::Unknown(format!("{}: it still lists objects of database {database}", self.shown)))
    }

    async fn list(&self, prefix: &Path) -> Result<Vec<ObjectMeta>, Failure> {
        // The root of a bucket is no prefix.
        let prefix = Some(prefix).filter(|prefix| !prefix.as_ref().is_empty());
        let attempt = || async {
            let listed = self.store.list(prefix).try_collect().await;
            listed.map_err(|error| self.setback(error))
        };
        self.patience.wait(attempt).await
    }

    async fn get_once(&self, key: &Path) -> Result<Option<Bytes>, Setback> {
        let got = match self.store.get(key).await {
            Err(error @ StoreError::NotFound { .. }) => {
                return if self.lacks_bucket(&error) { Err(self.setback(error)) } else { Ok(None) };
            }
            got => got.map_err(|error| self.setback(error))?,
        };
        let size = got.meta.size;
        let bytes = got.bytes().await.map_err(|error| self.setback(error))?;
        if bytes.len() as u64 != size {
            let why = format!("{}: {} of {size} bytes of {key} came", self.shown, bytes.len());
            return Err(Setback::Doubtful(why));
        }
        Ok(Some(bytes))
    }

    fn lacks_bucket(&self, error: &StoreError) -> bool {
        let told = chain(error);
        NO_BUCKET.iter().any(|words| told.contains(words))
    }

    /// What a failure means.
    fn setback(&self, error: StoreError) -> Setback {
        let (path, why) = (self.shown.clone(), chain(&error));
        match error {
            // Nothing that is asked for here is missing, but where it should be.
            StoreError::NotFound { .. } => Setback::Refused(Error::NoStorage { path, why }),
            StoreError::PermissionDenied { .. } | StoreError::Unauthenticated { .. } => {
                Setback::Refused(Error::NotWritable { path, why })
            }
            StoreError::NotSupported { .. } | StoreError::NotImplemented { .. } => {
                Setback::Refused(Error::Unsafe { place: path, what: why })
            }
            error => wire::setback(&path, &error),
        }
    }
}
