//! One bounded cache of decoded nodes for all databases of a storage.
//!
//! It holds leaves, pages (stretches of keys with all that is known of them settled) and directories, weighed by the
//! memory they take. Keys name immutable things, so nothing is ever invalidated, only evicted. Whoever asks first for
//! a thing that is not there loads it while the others wait; a load that fails is remembered by nobody, and wakes the
//! next to try. A load may ask for other things meanwhile, as long as things depend on each other without circles.
//!
//! What was asked for again stays longer than what was met once ([`quick_cache`] keeps a hot and a cold ring), so a
//! scan of everything does not drive out the directories: every descent asks for them. The bound is on what the cache
//! holds; what readers still hold of it after eviction is theirs.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::sync::{Cache as Shards, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};

use crate::backend::DatabaseId;
use crate::error::{Error, Result};
use crate::run::Run;
use crate::tree::Name;
use crate::tree::directory::Directory;

/// Parts with a lock of their own, if the cache is large enough for them.
const SHARDS: usize = 16;
/// A guess at the bytes of a node: says only how many shards and how long a memory of the evicted are worthwhile.
const NODE_BYTES: usize = 1 << 17;
/// What a node takes beside its columns.
const NODE_OVERHEAD_BYTES: usize = 512;
/// Counters for requests, each on a cache line of its own.
const COUNTERS: usize = 8;

/// What is remembered, within a size in bytes.
pub struct Cache {
    shards: Shards<Key, Node, Weights>,
    capacity: u64,
    asked: [Counter; COUNTERS],
    pub(crate) reads: Reads,
}

/// What had to be made because it was not there.
#[derive(Debug, Default)]
pub(crate) struct Reads {
    /// Things asked for and not found.
    misses: AtomicU64,
    pub(crate) leaves: AtomicU64,
    pub(crate) history_leaves: AtomicU64,
    pub(crate) directories: AtomicU64,
    pub(crate) merged: AtomicU64,
}

#[derive(Debug, Default)]
#[repr(align(64))]
struct Counter(AtomicU64);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Key {
    /// A segment, decoded.
    Segment(DatabaseId, Name),
    /// A page, by the hash of all that went into it.
    Page(DatabaseId, u128),
}

#[derive(Clone, Debug)]
enum Node {
    Rows(Arc<Run>),
    Directory(Arc<Directory>),
}

#[derive(Clone, Debug)]
struct Weights;

impl Weighter<Key, Node> for Weights {
    fn weight(&self, _: &Key, node: &Node) -> u64 {
        let bytes = match node {
            Node::Rows(run) => run.bytes() + run.heap.len(),
            Node::Directory(directory) => directory.bytes(),
        };
        (bytes + NODE_OVERHEAD_BYTES) as u64
    }
}

impl Cache {
    /// A cache of so many bytes at most. With none it remembers nothing, and all the rest works.
    pub fn new(bytes: usize) -> Cache {
        let options = OptionsBuilder::new()
            .shards(SHARDS)
            .estimated_items_capacity(bytes / NODE_BYTES)
            .weight_capacity((bytes - bytes % SHARDS) as u64)
            .build()
            .expect("both capacities are set");
        let (hasher, lifecycle) = (DefaultHashBuilder::default(), DefaultLifecycle::default());
        Cache {
            shards: Shards::with_options(options, Weights, hasher, lifecycle),
            capacity: bytes as u64,
            asked: Default::default(),
            reads: Reads::default(),
        }
    }

    /// What it holds and what it was asked.
    pub fn stats(&self) -> CacheStats {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let misses = count(&self.reads.misses);
        let asked: u64 = self.asked.iter().map(|counter| count(&counter.0)).sum();
        CacheStats {
            capacity: self.capacity,
            bytes: self.shards.weight(),
            nodes: self.shards.len() as u64,
            hits: asked.saturating_sub(misses),
            misses,
            leaves_read: count(&self.reads.leaves),
            history_leaves_read: count(&self.reads.history_leaves),
            directories_read: count(&self.reads.directories),
            leaves_merged: count(&self.reads.merged),
        }
    }

    /// A leaf: remembered, or loaded now.
    pub(crate) fn leaf(
        &self,
        database: DatabaseId,
        name: Name,
        load: impl FnOnce() -> Result<Run>,
    ) -> Result<Arc<Run>> {
        match self.get(Key::Segment(database, name), || load().map(|run| Node::Rows(Arc::new(run))))? {
            Node::Rows(run) => Ok(run),
            Node::Directory(_) => {
                Err(Error::corrupt(name.of(database).to_string(), "it is a directory, expected a leaf"))
            }
        }
    }

    /// A directory: remembered, or loaded now.
    pub(crate) fn directory(
        &self,
        database: DatabaseId,
        name: Name,
        load: impl FnOnce() -> Result<Directory>,
    ) -> Result<Arc<Directory>> {
        let load = || load().map(|directory| Node::Directory(Arc::new(directory)));
        match self.get(Key::Segment(database, name), load)? {
            Node::Directory(directory) => Ok(directory),
            Node::Rows(_) => {
                Err(Error::corrupt(name.of(database).to_string(), "it is a leaf, expected a directory"))
            }
        }
    }

    /// A page, by a hash of all that goes into it: remembered, or made now.
    pub(crate) fn page(
        &self,
        database: DatabaseId,
        hash: u128,
        make: impl FnOnce() -> Result<Run>,
    ) -> Result<Arc<Run>> {
        let make = || {
            self.reads.merged.fetch_add(1, Ordering::Relaxed);
            make().map(|run| Node::Rows(Arc::new(run)))
        };
        match self.get(Key::Page(database, hash), make)? {
            Node::Rows(run) => Ok(run),
            Node::Directory(_) => unreachable!("only rows are remembered as pages"),
        }
    }

    /// A page if it is remembered.
    #[cfg(test)]
    fn peek_page(&self, database: DatabaseId, hash: u128) -> Option<Arc<Run>> {
        match self.shards.get(&Key::Page(database, hash))? {
            Node::Rows(run) => Some(run),
            Node::Directory(_) => None,
        }
    }

    fn get(&self, key: Key, load: impl FnOnce() -> Result<Node>) -> Result<Node> {
        let line = match key {
            Key::Segment(_, name) => name.ordinal as usize,
            Key::Page(_, hash) => hash as usize,
        };
        self.asked[line % COUNTERS].0.fetch_add(1, Ordering::Relaxed);
        self.shards.get_or_insert_with(&key, || {
            self.reads.misses.fetch_add(1, Ordering::Relaxed);
            load()
        })
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.stats().fmt(f)
    }
}

/// What a [`Cache`] holds, and how often it helped. Counts are since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// The most bytes it may hold.
    pub capacity: u64,
    /// Bytes it holds, nearly.
    pub bytes: u64,
    /// Nodes it holds.
    pub nodes: u64,
    /// Asked and found.
    pub hits: u64,
    /// Asked and not found.
    pub misses: u64,
    /// Leaves of open rows read from the storage.
    pub leaves_read: u64,
    /// Leaves of closed rows read from the storage.
    pub history_leaves_read: u64,
    /// Directories read from the storage.
    pub directories_read: u64,
    /// Leaves merged from several, or made as of a moment.
    pub leaves_merged: u64,
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::AtomicUsize;
    use std::thread;

    use super::*;
    use crate::datom::{Order as Sorted, Tag};
    use crate::run::Columns;

    const DATABASE: DatabaseId = DatabaseId(7);

    fn name(ordinal: u64) -> Name {
        Name { epoch: 1, job: 2, ordinal }
    }

    fn run(rows: usize) -> Run {
        let columns = Columns {
            e: (0..rows as u64).collect(),
            a: vec![1; rows],
            tag: vec![Tag::Long; rows],
            word: vec![0; rows],
            from: vec![3; rows],
            to: Vec::new(),
        };
        Run::new(Sorted::Eavt, columns, Arc::default())
    }

    fn fails() -> Result<Run> {
        Err(Error::Unavailable("not now".into()))
    }

    #[test]
    fn what_is_there_is_not_loaded_again() {
        let cache = Cache::new(1 << 20);
        let first = cache.leaf(DATABASE, name(1), || Ok(run(10))).unwrap();
        let again = cache.leaf(DATABASE, name(1), fails).unwrap();
        assert!(Arc::ptr_eq(&first, &again));
        // Another database's segment of the same name is another segment.
        assert!(cache.leaf(DatabaseId(8), name(1), fails).is_err());
        let stats = cache.stats();
        assert_eq!((stats.hits, stats.misses, stats.nodes), (1, 2, 1));
    }

    #[test]
    fn pages_and_segments_do_not_meet() {
        let cache = Cache::new(1 << 20);
        cache.leaf(DATABASE, name(1), || Ok(run(10))).unwrap();
        assert!(cache.peek_page(DATABASE, 1).is_none());
        let page = cache.page(DATABASE, 1, || Ok(run(20))).unwrap();
        assert!(Arc::ptr_eq(&page, &cache.peek_page(DATABASE, 1).unwrap()));
        assert_eq!(cache.stats().leaves_merged, 1);
        let error = cache.directory(DATABASE, name(1), || panic!("it is there")).unwrap_err();
        assert!(error.to_string().contains("it is a leaf, expected a directory"), "{error}");
    }

    #[test]
    fn the_bound_holds_whatever_comes() {
        for capacity in [0, 1, 1000, 100_000, 1 << 20, 6 << 20] {
            let cache = Cache::new(capacity);
            for ordinal in 0..2000 {
                let rows = (ordinal as usize * 37) % 3000 + 1;
                let leaf = cache.leaf(DATABASE, name(ordinal), || Ok(run(rows))).unwrap();
                assert_eq!(leaf.len(), rows);
                let stats = cache.stats();
                assert!(stats.bytes <= capacity as u64, "{stats:?}");
            }
            assert_eq!(cache.stats().nodes > 0, capacity >= 1000);
        }
    }

    #[test]
    fn what_is_asked_for_again_outlives_a_scan() {
        let cache = Cache::new(1 << 20);
        for ordinal in 0..1000 {
            cache.leaf(DATABASE, name(ordinal), || Ok(run(1000))).unwrap();
            cache.leaf(DATABASE, name(u64::MAX), || Ok(run(1000))).unwrap();
        }
        assert_eq!(cache.stats().hits, 999);
    }

    #[test]
    fn one_loads_and_others_wait() {
        let (cache, loads, start) = (Cache::new(1 << 20), AtomicUsize::new(0), Barrier::new(8));
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    start.wait();
                    let leaf = cache.leaf(DATABASE, name(1), || {
                        loads.fetch_add(1, Ordering::Relaxed);
                        thread::yield_now();
                        Ok(run(5))
                    });
                    assert_eq!(leaf.unwrap().len(), 5);
                });
            }
        });
        assert_eq!(loads.into_inner(), 1);
    }

    #[test]
    fn a_failed_load_wakes_the_next_who_tries_again() {
        // Also without room, where nothing stays.
        for capacity in [0, 1 << 20] {
            let (cache, loads, start) = (Cache::new(capacity), AtomicUsize::new(0), Barrier::new(8));
            let answers: Vec<bool> = thread::scope(|scope| {
                let ask = || {
                    start.wait();
                    let load =
                        || if loads.fetch_add(1, Ordering::Relaxed) < 3 { fails() } else { Ok(run(5)) };
                    cache.leaf(DATABASE, name(1), load).is_ok()
                };
                let threads: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
                threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
            });
            assert_eq!(answers.into_iter().filter(|ok| *ok).count(), 5);
        }
    }

    #[test]
    fn a_page_may_load_leaves_with_and_without_room() {
        for capacity in [0, 2000, 1 << 20] {
            let cache = Cache::new(capacity);
            thread::scope(|scope| {
                for thread in 0..4u128 {
                    let cache = &cache;
                    scope.spawn(move || {
                        for n in 0..200u128 {
                            let make = || {
                                let leaf = cache.leaf(DATABASE, name(n as u64 % 7), || Ok(run(9)))?;
                                Ok(run(leaf.len() * 2))
                            };
                            assert_eq!(cache.page(DATABASE, (n + thread) % 31, make).unwrap().len(), 18);
                        }
                    });
                }
            });
        }
    }
}
