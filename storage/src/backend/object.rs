//! Storage in an object store: S3 and its relatives, Azure, GCS.
//!
//! ```text
//!   PREFIX/annals                              "layout 1"
//!   PREFIX/catalog/00000000000000000007        a frame: slot 7 of the catalog
//!   PREFIX/DATABASE/log/00000000000000000042   of a database's log; DATABASE is its id, 32 hex digits
//!   PREFIX/DATABASE/roots/00000000000000000003 of its roots
//!   PREFIX/DATABASE/segment/EPOCH-JOB-ORDINAL  a frame; each number of 20 digits
//!   PREFIX/DATABASE/hint/NAME                  bytes
//! ```
//!
//! A slot is filled by creating its object if it is absent, which is all that is asked of a store; a store of unknown make
//! is tried when it is opened. That an object is there is believed only after it was read. A slot that is deleted is
//! overwritten by a mark instead: were its object gone, a writer that stood still meanwhile could create it again. What
//! one call asks of a store in requests: [`bucket`] and [`slots`] say.

mod address;
mod bucket;
#[cfg(all(test, feature = "testing"))]
mod fakes;
mod keys;
#[cfg(all(test, feature = "testing"))]
mod proofs;
mod slots;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use object_store::ObjectStore;
use object_store::path::Path;

use self::bucket::Bucket;
use super::remote::probe::{Creates, probe};
use super::remote::{Bridge, Patience};
use super::{DatabaseId, Failure, Filled, Limits, MAX_VALUE_BYTES, SegmentId, Sequence, Storage, settle};
use crate::error::{Error, Result};

/// The version of the layout of keys.
const LAYOUT: u32 = 1;

/// How a storage is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// Begin a storage if there is none at the place.
    pub create: bool,
    /// Settings beside those of the environment, by the names they have there, as `AWS_ENDPOINT_URL`.
    pub settings: Vec<(String, String)>,
    /// How long a store that is overloaded or away is waited for in one call.
    pub patience: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options { create: true, settings: Vec::new(), patience: Duration::from_secs(10) }
    }
}

/// A storage engine in an object store.
pub struct ObjectStorage {
    bucket: Arc<Bucket>,
    bridge: Bridge,
}

impl ObjectStorage {
    /// Opens the storage at an address: `s3://BUCKET/PREFIX`, `az://CONTAINER/PREFIX` or `gs://BUCKET/PREFIX`. Who asks, and
    /// where, is said by the environment, by the names of the provider's own tools (`AWS_…`, `AZURE_…`, `GOOGLE_…`).
    pub fn open(address: &str) -> Result<ObjectStorage> {
        ObjectStorage::open_with(address, &Options::default())
    }

    /// Opens the storage at this address as `options` say.
    pub fn open_with(address: &str, options: &Options) -> Result<ObjectStorage> {
        let place = address::resolve(address, &options.settings)?;
        let storage = ObjectStorage::new(place.store, place.prefix, place.shown, options)?;
        storage.prepare(options, place.is_known)?;
        Ok(storage)
    }

    /// Opens the storage in a store of the caller's, after it was tried.
    pub fn over(store: Arc<dyn ObjectStore>, prefix: &str, options: &Options) -> Result<ObjectStorage> {
        let shown = format!("{store}/{prefix}");
        let storage = ObjectStorage::new(store, Path::from(prefix), shown, options)?;
        storage.prepare(options, false)?;
        Ok(storage)
    }

    fn new(
        store: Arc<dyn ObjectStore>,
        prefix: Path,
        shown: String,
        options: &Options,
    ) -> Result<ObjectStorage> {
        let bucket = Arc::new(Bucket { store, prefix, shown, patience: Patience::new(options.patience) });
        Ok(ObjectStorage { bucket, bridge: Bridge::new("annals-objects")? })
    }

    /// Finds the layout, or makes it; tries a store whose promises are not known.
    fn prepare(&self, options: &Options, is_known: bool) -> Result<()> {
        let (key, own) = (self.bucket.key("annals"), format!("layout {LAYOUT}"));
        let mut there = settle::repeat(|| self.get(&key))?;
        if there.is_none() && !options.create {
            let why = "nothing of Annals is there".to_owned();
            return Err(Error::NoStorage { path: self.bucket.shown.clone(), why });
        }
        if !is_known {
            probe(&self.bucket.shown, &Probed(self))?;
        }
        if there.is_none() {
            let create = || self.create(&key, own.as_bytes());
            let made = settle::settle(own.as_bytes(), || key.to_string(), create, || self.get(&key))?;
            there = match made {
                Filled::Done => return Ok(()),
                Filled::Taken(there) => Some(there),
            };
        }
        let there = String::from_utf8_lossy(&there.unwrap_or_default()).into_owned();
        match there.trim().strip_prefix("layout ").and_then(|number| number.parse().ok()) {
            Some(LAYOUT) => Ok(()),
            Some(found) => {
                let place = self.bucket.shown.clone();
                Err(Error::UnknownVersion { place, what: "layout", found, known: LAYOUT.to_string() })
            }
            None => {
                let found = format!("`annals` holds {:?}", there.chars().take(40).collect::<String>());
                Err(Error::NotADatabase { path: self.bucket.shown.clone(), found })
            }
        }
    }

    /// Does some work with the store, and waits for it.
    fn run<V: Send + 'static, W>(&self, work: impl FnOnce(Arc<Bucket>) -> W) -> Result<V, Failure>
    where
        W: Future<Output = Result<V, Failure>> + Send + 'static,
    {
        self.bridge.run(work(Arc::clone(&self.bucket)))
    }

    fn get(&self, key: &Path) -> Result<Option<Vec<u8>>, Failure> {
        let key = key.clone();
        self.run(|bucket| bucket.get_owned(key))
    }

    fn create(&self, key: &Path, bytes: &[u8]) -> Result<Filled, Failure> {
        let (key, bytes) = (key.clone(), Bytes::copy_from_slice(bytes));
        self.run(|bucket| bucket.create_owned(key, bytes))
    }
}

impl fmt::Debug for ObjectStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "objects in {}", self.bucket.shown)
    }
}

/// Objects that nothing else has to do with.
struct Probed<'a>(&'a ObjectStorage);

impl Probed<'_> {
    fn key(&self, name: &str) -> Path {
        self.0.bucket.key(&format!("probe/{name}"))
    }
}

impl Creates for Probed<'_> {
    fn create(&self, name: &str, bytes: &[u8]) -> Result<Filled, Failure> {
        self.0.create(&self.key(name), bytes)
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, Failure> {
        self.0.get(&self.key(name))
    }

    fn delete(&self, name: &str) -> Result<(), Failure> {
        let key = self.key(name);
        self.0.run(|bucket| bucket.delete_owned(vec![key]))
    }
}

impl Storage for ObjectStorage {
    fn fill_slot(&self, sequence: Sequence, number: u64, bytes: &[u8]) -> Result<Filled, Failure> {
        super::within_limits(bytes.len(), self.limits(), || sequence.slot(number))?;
        if slots::is_mark(bytes) {
            let what = "it is what marks a slot that was deleted".to_owned();
            return Err(Error::OutOfOrder { place: sequence.slot(number), what }.into());
        }
        match self.create(&self.bucket.slot(sequence, number), bytes)? {
            Filled::Taken(there) if slots::is_mark(&there) => Err(super::gap(sequence, number).into()),
            end => Ok(end),
        }
    }

    fn read_slots(&self, sequence: Sequence, from: u64, limit: usize) -> Result<Vec<Vec<u8>>, Failure> {
        self.run(|bucket| slots::read(bucket, sequence, from, limit))
    }

    fn write_segments(&self, segments: &[(SegmentId, &[u8])]) -> Result<(), Failure> {
        for (id, bytes) in segments {
            super::within_limits(bytes.len(), self.limits(), || id.to_string())?;
        }
        let objects =
            segments.iter().map(|(id, bytes)| (self.bucket.segment(*id), Bytes::copy_from_slice(bytes)));
        let objects: Vec<_> = objects.collect();
        self.run(|bucket| bucket.create_all(objects))
    }

    fn read_segments(&self, ids: &[SegmentId]) -> Result<Vec<Option<Vec<u8>>>, Failure> {
        let keys = ids.iter().map(|id| self.bucket.segment(*id)).collect();
        self.run(|bucket| bucket.get_all(keys))
    }

    fn delete_segments(&self, ids: &[SegmentId]) -> Result<(), Failure> {
        let keys = ids.iter().map(|id| self.bucket.segment(*id)).collect();
        self.run(|bucket| bucket.delete_owned(keys))
    }

    fn list_segments(
        &self,
        database: DatabaseId,
        after: Option<SegmentId>,
        limit: usize,
    ) -> Result<Vec<SegmentId>, Failure> {
        self.run(|bucket| bucket.list_segments(database, after, limit))
    }

    fn delete_slots(&self, sequence: Sequence, below: u64) -> Result<(), Failure> {
        self.run(|bucket| slots::delete(bucket, sequence, below))
    }

    fn stored_bytes(&self) -> Result<u64, Failure> {
        self.run(|bucket| bucket.stored_bytes())
    }

    fn delete_database(&self, database: DatabaseId) -> Result<(), Failure> {
        super::never_the_catalog(database);
        self.run(|bucket| bucket.delete_database(database))
    }

    fn set_hint(&self, database: DatabaseId, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        let (key, bytes) = (self.bucket.hint(database, name), Bytes::copy_from_slice(bytes));
        self.run(|bucket| bucket.set_hint(key, bytes))
    }

    fn hint(&self, database: DatabaseId, name: &str) -> Result<Option<Vec<u8>>, Failure> {
        self.get(&self.bucket.hint(database, name))
    }

    fn limits(&self) -> Limits {
        // A request costs as much time as some hundred KiB: leaves are larger than where requests cost little.
        Limits { max_value_bytes: MAX_VALUE_BYTES, segment_bytes: 128 << 10, exclusive: false }
    }
}
