//! The storage of another process, read over HTTP: what it serves of its slots, segments and hints.
//!
//! Everything that is read comes as it is stored, so every frame is checked here as if it were this process's own.
//! Segments never change, and may come from any cache between. Nothing is written through here: transactions go to who
//! leads, and databases are made and dropped there ([`Client`]).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use annals_storage::Error as StorageError;
use annals_storage::backend::{DatabaseId, Failure, Filled, Limits, SegmentId, Sequence, Storage};
use annals_storage::frame;

use super::{Client, Lost};
use crate::error::{Error, Result};

/// The largest value of any engine.
const MOST_BYTES: usize = 1 << 28;

/// How long an answer may take.
const ANSWERS_WITHIN: Duration = Duration::from_secs(30);

/// A storage that another process owns.
pub(crate) struct HttpStorage {
    client: Arc<Client>,
    base: String,
    segment_bytes: usize,
}

impl fmt::Debug for HttpStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpStorage({})", self.base)
    }
}

impl HttpStorage {
    /// The storage of the process at this address; fails if it serves none.
    pub(crate) fn open(address: &str) -> Result<HttpStorage> {
        let (client, base) = (Arc::new(Client::new()), address.trim_end_matches('/').to_owned());
        let mut storage = HttpStorage { client, base, segment_bytes: 0 };
        let told = storage.get("").map_err(|failure| Error::from(StorageError::from(failure)))?;
        let told = told.and_then(|bytes| String::from_utf8(bytes).ok()?.trim().parse().ok());
        storage.segment_bytes = told.ok_or_else(|| storage.garbled("what its storage is"))?;
        Ok(storage)
    }

    /// Makes a database there; true if it was made now.
    pub(crate) fn create_database(&self, name: &str) -> Result<bool> {
        self.client.create_database(&self.base, name)
    }

    /// Drops a database there; true if there was one.
    pub(crate) fn drop_database(&self, name: &str) -> Result<bool> {
        self.client.drop_database(&self.base, name)
    }

    /// What is at a path; none if nothing is.
    fn get(&self, path: &str) -> Result<Option<Vec<u8>>, Failure> {
        self.client.get(&format!("{}/v1/storage{path}", self.base), ANSWERS_WITHIN).map_err(|lost| match lost
        {
            Lost::NotSent(why) | Lost::Unknown(why) => Failure::Unknown(format!("{}: {why}", self.base)),
            Lost::Refused(error) => {
                Failure::Refused(StorageError::Unavailable(format!("{}: {error}", self.base)))
            }
        })
    }

    fn garbled(&self, what: &str) -> StorageError {
        StorageError::corrupt(&self.base, format!("it does not tell {what} as it should"))
    }

    fn read_only(&self) -> Failure {
        let why = format!("the storage of {} is only read from here", self.base);
        Failure::Refused(StorageError::ReadOnly(why))
    }
}

/// A sequence, as it stands in a path.
fn path_of(sequence: Sequence) -> String {
    match sequence {
        Sequence::Catalog => "catalog".to_owned(),
        Sequence::Log(database) => format!("log/{database}"),
        Sequence::Root(database) => format!("root/{database}"),
    }
}

impl Storage for HttpStorage {
    fn fill_slot(&self, _: Sequence, _: u64, _: &[u8]) -> Result<Filled, Failure> {
        Err(self.read_only())
    }

    fn read_slots(&self, sequence: Sequence, from: u64, limit: usize) -> Result<Vec<Vec<u8>>, Failure> {
        let path = format!("/slots/{}?from={from}&limit={limit}", path_of(sequence));
        let bytes = self.get(&path)?.unwrap_or_default();
        frame::split(&bytes).ok_or_else(|| Failure::Refused(self.garbled("slots")))
    }

    fn write_segments(&self, _: &[(SegmentId, &[u8])]) -> Result<(), Failure> {
        Err(self.read_only())
    }

    fn read_segments(&self, ids: &[SegmentId]) -> Result<Vec<Option<Vec<u8>>>, Failure> {
        ids.iter().map(|id| self.get(&format!("/segments/{}/{}", id.database, id.name()))).collect()
    }

    fn delete_segments(&self, _: &[SegmentId]) -> Result<(), Failure> {
        Err(self.read_only())
    }

    fn list_segments(
        &self,
        database: DatabaseId,
        after: Option<SegmentId>,
        limit: usize,
    ) -> Result<Vec<SegmentId>, Failure> {
        let after = after.map_or(String::new(), |id| format!("&after={}", id.name()));
        let bytes = self.get(&format!("/segments/{database}?limit={limit}{after}"))?.unwrap_or_default();
        let text = String::from_utf8(bytes).unwrap_or_default();
        let names = text.lines().map(|line| SegmentId::named(database, line)).collect::<Option<_>>();
        names.ok_or_else(|| Failure::Refused(self.garbled("names of segments")))
    }

    fn delete_slots(&self, _: Sequence, _: u64) -> Result<(), Failure> {
        Err(self.read_only())
    }

    fn stored_bytes(&self) -> Result<u64, Failure> {
        let bytes = self.get("/size")?.unwrap_or_default();
        let told = String::from_utf8(bytes).ok().and_then(|text| text.trim().parse().ok());
        told.ok_or_else(|| Failure::Refused(self.garbled("its size")))
    }

    fn delete_database(&self, _: DatabaseId) -> Result<(), Failure> {
        Err(self.read_only())
    }

    fn set_hint(&self, _: DatabaseId, _: &str, _: &[u8]) -> Result<(), Failure> {
        Err(self.read_only())
    }

    fn hint(&self, database: DatabaseId, name: &str) -> Result<Option<Vec<u8>>, Failure> {
        self.get(&format!("/hints/{database}/{name}"))
    }

    fn limits(&self) -> Limits {
        Limits { max_value_bytes: MOST_BYTES, segment_bytes: self.segment_bytes, exclusive: false }
    }
}
