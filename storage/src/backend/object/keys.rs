//! Where things are: the keys of slots, segments and hints.
//!
//! Numbers are padded, so that keys are listed in the order of what they name.

use object_store::path::Path;

use super::bucket::Bucket;
use crate::backend::{DatabaseId, SegmentId, Sequence};

impl Bucket {
    /// A key below the prefix.
    pub(super) fn key(&self, name: &str) -> Path {
        Path::from_iter(self.prefix.parts().chain(Path::from(name).parts()))
    }

    pub(super) fn database(&self, database: DatabaseId) -> Path {
        self.key(&database.to_string())
    }

    pub(super) fn slot(&self, sequence: Sequence, number: u64) -> Path {
        self.key(&match sequence {
            Sequence::Catalog => format!("catalog/{number:020}"),
            Sequence::Log(database) => format!("{database}/log/{number:020}"),
            Sequence::Root(database) => format!("{database}/roots/{number:020}"),
        })
    }

    pub(super) fn segments(&self, database: DatabaseId) -> Path {
        self.key(&format!("{database}/segment"))
    }

    pub(super) fn segment(&self, id: SegmentId) -> Path {
        let SegmentId { database, epoch, job, ordinal } = id;
        self.key(&format!("{database}/segment/{epoch:020}-{job:020}-{ordinal:020}"))
    }

    pub(super) fn hint(&self, database: DatabaseId, name: &str) -> Path {
        self.key(&format!("{database}/hint/{name}"))
    }
}

/// The segment a key names.
pub(super) fn segment_of(database: DatabaseId, key: &Path) -> Option<SegmentId> {
    SegmentId::named(database, key.filename()?)
}
