//! Reads the nodes of trees, through the cache.
//!
//! Every node fetched is held against what its parent says of it, whether it was read now or remembered: a tree whose
//! nodes contradict each other gives no rows at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::backend::{DatabaseId, Lineage, SegmentId, Storage, settle};
use crate::cache::Cache;
use crate::datom::Order;
use crate::error::{Error, Result};
use crate::frame::{self, Expected, Kind};
use crate::run::Run;
use crate::tree::directory::{self, DIRECTORY_VERSION, Directory};
use crate::tree::leaf::{self, LEAF_VERSION};
use crate::tree::{Entry, Name, Node, Shape};
use crate::wire::Malformed;

/// Where nodes come from: a storage, one database in it and those whose past it shares, and the cache.
#[derive(Clone, Debug)]
pub(crate) struct Nodes {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) lineage: Lineage,
    pub(crate) cache: Arc<Cache>,
}

/// A segment, and whose it is.
pub(crate) type Found = (DatabaseId, Vec<u8>);

impl Shape {
    /// The kind of its leaves' frames.
    pub(crate) fn kind(self) -> Kind {
        match self {
            Shape::Open => Kind::Leaf,
            Shape::Closed => Kind::HistoryLeaf,
        }
    }
}

impl Nodes {
    /// A leaf, from the cache or the storage; one thread loads it, others wait for it. A missing segment is
    /// [`Error::Expired`]: it was collected after the value that wants it outlived its grace.
    pub(crate) fn leaf(&self, entry: &Entry, order: Order, shape: Shape) -> Result<Arc<Run>> {
        let load = || self.load_leaf(entry.name, order, shape);
        let run = self.cache.leaf(self.lineage.origin(), entry.name, load)?;
        self.check_leaf(entry, order, shape, &run)?;
        Ok(run)
    }

    /// The same past the cache, for jobs that read everything once.
    pub(crate) fn leaf_uncached(&self, entry: &Entry, order: Order, shape: Shape) -> Result<Run> {
        let run = self.load_leaf(entry.name, order, shape)?;
        self.check_leaf(entry, order, shape, &run)?;
        Ok(run)
    }

    /// A directory, from the cache or the storage.
    pub(crate) fn directory(&self, node: &Node) -> Result<Arc<Directory>> {
        let found =
            self.cache.directory(self.lineage.origin(), node.name, || self.load_directory(node.name))?;
        let told = (node.level, node.rows, node.leaves);
        let is = (found.level, found.rows(), found.leaves);
        if told != is {
            let what = format!("level, rows and leaves are {is:?}, its parent says {told:?}");
            return Err(self.corrupt(node.name, what));
        }
        if found.child_bytes >= node.bytes {
            let what = format!("its children have {} bytes, all of it {}", found.child_bytes, node.bytes);
            return Err(self.corrupt(node.name, what));
        }
        Ok(found)
    }

    fn load_leaf(&self, name: Name, order: Order, shape: Shape) -> Result<Run> {
        let reads = &self.cache.reads;
        let counter = if shape == Shape::Open { &reads.leaves } else { &reads.history_leaves };
        self.load(name, shape.kind(), LEAF_VERSION, counter, |payload| leaf::decode(payload, order, shape))
    }

    fn load_directory(&self, name: Name) -> Result<Directory> {
        self.load(name, Kind::Directory, DIRECTORY_VERSION, &self.cache.reads.directories, directory::decode)
    }

    fn load<V>(
        &self,
        name: Name,
        kind: Kind,
        kind_version: u8,
        counter: &AtomicU64,
        decode: impl FnOnce(&[u8]) -> Result<V, Malformed>,
    ) -> Result<V> {
        let (database, bytes) = self.segment(name)?;
        counter.fetch_add(1, Ordering::Relaxed);
        let place = name.of(database).to_string();
        let opened = frame::open(&bytes, &Expected { kind, kind_version, database, place: &place })?;
        decode(&opened.payload).map_err(|malformed| Error::corrupt(place, malformed.to_string()))
    }

    /// The bytes of a segment as they stand in the storage, and whose it is.
    pub(crate) fn segment(&self, name: Name) -> Result<Found> {
        let found = self.segments(&[name])?.pop().flatten();
        found.ok_or_else(|| Error::Expired { place: self.place(name) })
    }

    /// The bytes of segments, each with whose it is, or missing.
    pub(crate) fn segments(&self, names: &[Name]) -> Result<Vec<Option<Found>>> {
        let members: Vec<DatabaseId> = self.lineage.members().map(|(member, _)| member).collect();
        let of = |name: &Name| members.iter().map(|member| name.of(*member)).collect::<Vec<SegmentId>>();
        let ids: Vec<SegmentId> = names.iter().flat_map(of).collect();
        let mut found = settle::repeat(|| self.storage.read_segments(&ids))?.into_iter();
        let one = |_: &Name| {
            let places = members.iter().zip(found.by_ref().take(members.len())).collect::<Vec<_>>();
            places.into_iter().find_map(|(member, bytes)| Some((*member, bytes?)))
        };
        Ok(names.iter().map(one).collect())
    }

    fn check_leaf(&self, entry: &Entry, order: Order, shape: Shape, run: &Run) -> Result<()> {
        if entry.rows != run.len() as u64 {
            let what = format!("it has {} rows, its parent says {}", run.len(), entry.rows);
            return Err(self.corrupt(entry.name, what));
        }
        if run.order != order || run.is_closed() != (shape == Shape::Closed) {
            let (is, closed) = (run.order, run.is_closed());
            let what = format!("its rows are {is:?} (closed: {closed}), expected {order:?}, {shape:?}");
            return Err(self.corrupt(entry.name, what));
        }
        Ok(())
    }

    fn corrupt(&self, name: Name, what: String) -> Error {
        Error::corrupt(self.place(name), what)
    }

    fn place(&self, name: Name) -> String {
        name.of(self.lineage.database()).to_string()
    }
}
