//! Storage in DynamoDB: one table of small items.
//!
//! ```text
//!   p                  k                      attributes
//!   annals             layout                 n: the version of these items
//!   catalog            00000000000000000007   v, n: slot 7 of the catalog and its length
//!   DATABASE/log       00000000000000000042   of a database's log; DATABASE is its id, 32 hex digits
//!   DATABASE/roots     00000000000000000003   of its roots
//!   DATABASE/segment   EPOCH-JOB-ORDINAL      v, n: a segment; each number of 20 digits
//!   DATABASE/hint      NAME                   v, n
//!   DATABASE/part      WRITE-000001           v, n: a piece of what no item can hold
//! ```
//!
//! A slot is filled by putting its item on condition that it is absent; every read is a consistent one. What is larger than an
//! item goes into parts first, under a name that nobody else draws, and the item that is put last names them (`parts`, how
//! many, and `write`): who finds the item finds the parts. Parts of a put that lost are deleted, unless the process ends
//! before; then they are deleted with the database. A slot that is deleted is overwritten by a mark (`gone`), so that a writer
//! that stood still meanwhile cannot fill it again.

mod api;
mod items;
#[cfg(all(test, feature = "testing"))]
mod proofs;
mod slots;
mod table;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use self::api::Api;
use self::table::{Key, Table};
use super::remote::probe::{Creates, probe};
use super::remote::{Bridge, Patience, chance};
use super::{DatabaseId, Failure, Filled, Limits, MAX_VALUE_BYTES, SegmentId, Sequence, Storage};
use crate::error::{Error, Result};

/// How a storage is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// Make the table if there is none.
    pub create: bool,
    /// Settings beside those of the environment, by the names they have there, as `AWS_ENDPOINT_URL`.
    pub settings: Vec<(String, String)>,
    /// How long is waited in one call, while too much is asked or nobody answers.
    pub patience: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options { create: true, settings: Vec::new(), patience: Duration::from_secs(10) }
    }
}

/// A storage engine in a table of DynamoDB.
pub struct DynamoStorage {
    table: Arc<Table>,
    bridge: Bridge,
}

impl DynamoStorage {
    /// Opens the storage at `dynamodb://TABLE`. Who asks, and where, is said by the environment (`AWS_…`).
    pub fn open(address: &str) -> Result<DynamoStorage> {
        DynamoStorage::open_with(address, &Options::default())
    }

    /// Opens the storage at this address as `options` say.
    pub fn open_with(address: &str, options: &Options) -> Result<DynamoStorage> {
        let wrong = |why: &str| Error::BadAddress { address: address.to_owned(), why: why.to_owned() };
        let name =
            address.strip_prefix("dynamodb://").ok_or_else(|| wrong("it does not begin with dynamodb://"))?;
        let name = name.trim_end_matches('/');
        let is_name = (3..=255).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        if !is_name {
            return Err(wrong("a table's name is 3 to 255 of the characters a-z A-Z 0-9 . _ -"));
        }
        let (api, is_known) = Api::new(address, &options.settings)?;
        let table = Table { api, name: name.to_owned(), patience: Patience::new(options.patience) };
        let storage = DynamoStorage { table: Arc::new(table), bridge: Bridge::new("annals-dynamodb")? };
        let create = options.create;
        storage.run(|table| async move { table.prepare(create).await })?;
        if !is_known {
            probe(&storage.table.api.shown, &Probed(&storage))?;
        }
        Ok(storage)
    }

    /// Does some work with the table, and waits for it.
    fn run<V: Send + 'static, W>(&self, work: impl FnOnce(Arc<Table>) -> W) -> Result<V, Failure>
    where
        W: Future<Output = Result<V, Failure>> + Send + 'static,
    {
        self.bridge.run(work(Arc::clone(&self.table)))
    }

    fn create(&self, key: Key, bytes: &[u8]) -> Result<Filled, Failure> {
        let (write, bytes) = (chance()?, bytes.to_vec());
        let end = self.run(|table| async move { table.create(&key, write, &bytes).await })?;
        end.ok_or_else(|| Failure::Unknown("it was there, and is gone".to_owned()))
    }

    fn get(&self, key: Key) -> Result<Option<Vec<u8>>, Failure> {
        self.run(|table| async move { table.get(&key).await })
    }
}

impl fmt::Debug for DynamoStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.table.api.shown)
    }
}

/// Items that nothing else has to do with.
struct Probed<'a>(&'a DynamoStorage);

impl Creates for Probed<'_> {
    fn create(&self, name: &str, bytes: &[u8]) -> Result<Filled, Failure> {
        self.0.create(Key::probe(name), bytes)
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, Failure> {
        self.0.get(Key::probe(name))
    }

    fn delete(&self, name: &str) -> Result<(), Failure> {
        let key = Key::probe(name);
        self.0.run(|table| async move { table.delete(vec![key]).await })
    }
}

impl Storage for DynamoStorage {
    fn fill_slot(&self, sequence: Sequence, number: u64, bytes: &[u8]) -> Result<Filled, Failure> {
        super::within_limits(bytes.len(), self.limits(), || sequence.slot(number))?;
        let (write, bytes) = (chance()?, bytes.to_vec());
        self.run(|table| async move { slots::fill(&table, sequence, number, write, &bytes).await })
    }

    fn read_slots(&self, sequence: Sequence, from: u64, limit: usize) -> Result<Vec<Vec<u8>>, Failure> {
        self.run(|table| async move { slots::read(&table, sequence, from, limit).await })
    }

    fn write_segments(&self, segments: &[(SegmentId, &[u8])]) -> Result<(), Failure> {
        for (id, bytes) in segments {
            super::within_limits(bytes.len(), self.limits(), || id.to_string())?;
        }
        let write = chance()?;
        let items = segments.iter().map(|(id, bytes)| (Key::segment(*id), bytes.to_vec())).collect();
        self.run(|table| async move { table.put_all(items, write).await })
    }

    fn read_segments(&self, ids: &[SegmentId]) -> Result<Vec<Option<Vec<u8>>>, Failure> {
        let keys: Vec<Key> = ids.iter().map(|id| Key::segment(*id)).collect();
        self.run(|table| async move { table.get_all(&keys).await })
    }

    fn delete_segments(&self, ids: &[SegmentId]) -> Result<(), Failure> {
        let keys: Vec<Key> = ids.iter().map(|id| Key::segment(*id)).collect();
        self.run(|table| async move { table.delete_with_parts(keys).await })
    }

    fn list_segments(
        &self,
        database: DatabaseId,
        after: Option<SegmentId>,
        limit: usize,
    ) -> Result<Vec<SegmentId>, Failure> {
        self.run(|table| async move { table.list_segments(database, after, limit).await })
    }

    fn delete_slots(&self, sequence: Sequence, below: u64) -> Result<(), Failure> {
        self.run(|table| async move { slots::delete(&table, sequence, below).await })
    }

    fn stored_bytes(&self) -> Result<u64, Failure> {
        self.run(|table| async move { table.stored_bytes().await })
    }

    fn delete_database(&self, database: DatabaseId) -> Result<(), Failure> {
        super::never_the_catalog(database);
        self.run(|table| async move { table.delete_database(database).await })
    }

    fn set_hint(&self, database: DatabaseId, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        let (key, write, bytes) = (Key::hint(database, name), chance()?, bytes.to_vec());
        self.run(|table| async move { table.put_all(vec![(key, bytes)], write).await })
    }

    fn hint(&self, database: DatabaseId, name: &str) -> Result<Option<Vec<u8>>, Failure> {
        self.get(Key::hint(database, name))
    }

    fn limits(&self) -> Limits {
        // Read by units of 4 KiB: 64 KiB less what is kept beside a value fill sixteen.
        Limits { max_value_bytes: MAX_VALUE_BYTES, segment_bytes: 65_024, exclusive: false }
    }
}
