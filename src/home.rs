//! What all values of one open database share: its name, its clock, where it is kept, and the gauges of its upkeep.
//!
//! Gauges only tell; nothing is ever decided by them. Who does the work writes them, [`Db::stats`](crate::Db::stats)
//! reads them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use annals_storage::backend::{DatabaseId, Lineage, Storage};
use annals_storage::cache::Cache;
use annals_storage::index::{self, Collected, Done, Progress, Rebuild, Report, Revisions, Verify};
use annals_storage::novelty::NoveltySize;
use annals_storage::rest::Rest;

use crate::code::ReadCode;
use crate::error::Result;
use crate::fork;
use crate::kept::Kept;
use crate::options::Options;
use crate::read_queries::ReadQueries;

/// The most that is told of what is wrong with a database.
const MOST_PROBLEMS: usize = 100;

/// An open database, apart from its facts.
pub(crate) struct Home {
    /// The database's name.
    pub(crate) name: Arc<str>,
    pub(crate) database: DatabaseId,
    /// The database, and those whose past it shares.
    pub(crate) lineage: Lineage,
    pub(crate) storage: Arc<dyn Storage>,
    /// Decoded nodes, shared with the other databases of the storage.
    pub(crate) cache: Arc<Cache>,
    /// Which roots are still read in this process.
    pub(crate) revisions: Revisions,
    /// Queries that were read, shared likewise.
    pub(crate) queries: Arc<ReadQueries>,
    /// Stored code that was read, shared likewise.
    pub(crate) code: Arc<ReadCode>,
    pub(crate) options: Options,
    gauges: Mutex<Gauges>,
    /// Values hold this, so that the file they read can be opened again beside them.
    pub(crate) kept: Arc<Kept>,
}

/// How the upkeep of a database goes. Counts are since it was opened.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gauges {
    /// Jobs that published, and those that failed.
    pub(crate) jobs: u64,
    pub(crate) failures: u64,
    pub(crate) is_running: bool,
    /// How long the last job took, and all together, in microseconds.
    pub(crate) last_micros: i64,
    pub(crate) micros: i64,
    /// Rows put to rest and rows written for it, by all jobs.
    pub(crate) rows_new: u64,
    pub(crate) rows_written: u64,
    pub(crate) segments: u64,
    pub(crate) bytes: u64,
    /// How often writes had to wait for a job, and how long in all, in microseconds.
    pub(crate) stalls: u64,
    pub(crate) parked_micros: i64,
    /// How many wait now.
    pub(crate) parked: u64,
    /// Batches of the log, packed or not.
    pub(crate) batches: u64,
    /// Segments deleted because no root needs them.
    pub(crate) collected: u64,
    /// What the last job failed by, if it failed.
    pub(crate) error: Option<String>,
}

impl Home {
    pub(crate) fn new(
        name: &str,
        lineage: Lineage,
        kept: Arc<Kept>,
        cache: Arc<Cache>,
        (queries, code): (Arc<ReadQueries>, Arc<ReadCode>),
        options: Options,
    ) -> Arc<Home> {
        let database = lineage.database();
        let (storage, revisions) = (Arc::clone(&kept.storage), kept.revisions(database));
        let (name, gauges) = (name.into(), Mutex::default());
        Arc::new(Home {
            name,
            database,
            lineage,
            storage,
            cache,
            revisions,
            queries,
            code,
            options,
            gauges,
            kept,
        })
    }

    /// A home of nothing, for states that are made up.
    #[cfg(test)]
    pub(crate) fn of_test(name: &str, clock: Arc<dyn crate::time::Clock>) -> Arc<Home> {
        let storage = Arc::new(annals_storage::backend::MemoryStorage::new());
        let options = Options { clock, ..Options::default() };
        let cache = Arc::new(Cache::new(0));
        Home::new(name, DatabaseId(1).into(), Kept::new(storage).0, cache, Default::default(), options)
    }

    pub(crate) fn now(&self) -> i64 {
        self.options.clock.now_micros()
    }

    /// The time for gauges: a clock of the caller's that panics takes no thread with it.
    pub(crate) fn gauge_micros(&self) -> i64 {
        catch_unwind(AssertUnwindSafe(|| self.now())).unwrap_or(0)
    }

    /// The newest root, from now on held against collection by whoever reads it.
    pub(crate) fn newest_rest(&self) -> Result<Rest> {
        let rest = Rest::open(Arc::clone(&self.storage), self.lineage.clone(), Arc::clone(&self.cache))?;
        self.revisions.publish(&rest);
        Ok(rest)
    }

    /// Reads everything, and tells what is wrong.
    pub(crate) fn verify(&self, progress: &mut dyn FnMut(Progress)) -> Result<Report> {
        // What is missing is told by the report.
        let _ = fork::complete(self, &self.lineage);
        let (storage, lineage) = (&self.storage, self.lineage.clone());
        Ok(Verify { storage, lineage, most_problems: MOST_PROBLEMS }.run(progress)?)
    }

    /// Makes the trees anew from the log. Nobody may have the database open.
    pub(crate) fn rebuild(&self) -> Result<Done> {
        // A fork that was never whole has nothing to be made anew from.
        let _ = fork::complete(self, &self.lineage);
        let rebuild = Rebuild {
            storage: &self.storage,
            lineage: self.lineage.clone(),
            cache: &self.cache,
            // No batch is written, and the random job alone tells its segments from all others.
            epoch: 0,
            job: self.options.chance.next_id()? as u64,
            now: self.now(),
            settings: self.options.index,
        };
        Ok(rebuild.run()?)
    }

    /// Deletes what no root up to this one needs and nobody reads; with a grace, also what is read but older than that.
    pub(crate) fn collect(&self, rest: &Rest, grace: Option<Duration>) -> Result<Collected> {
        // Nobody but this process can hold an old root of an exclusive storage, and here it is known who does.
        let own = self.storage.limits().exclusive.then_some(Duration::MAX);
        let grace = grace.or(own).unwrap_or(self.options.grace);
        let grace = i64::try_from(grace.as_micros()).unwrap_or(i64::MAX);
        let collected = fork::sparing(self, self.database, |shared| {
            let (storage, oldest, now) = (&*self.storage, self.revisions.oldest_live(), self.now());
            Ok(index::collect(storage, rest, shared, oldest, now, grace)?)
        })?;
        self.gauges().collected += collected.segments;
        Ok(collected)
    }

    /// The same by the newest root; and what jobs that never published have left, here and in dropped databases whose
    /// past this one shares. This process leads as this epoch.
    pub(crate) fn clean(&self, grace: Option<Duration>, epoch: u64) -> Result<Collected> {
        let mut rest = self.newest_rest()?;
        if !self.storage.limits().exclusive {
            rest = index::fence(&self.storage, &rest, epoch, self.now())?;
            self.revisions.publish(&rest);
        }
        let listed = self.collect(&rest, grace)?;
        let orphans = fork::sparing(self, self.database, |shared| {
            let (storage, database) = (&*self.storage, self.database);
            if !storage.limits().exclusive && rest.revision().is_none() {
                // Before the first root nothing keeps another process from publishing one.
                return Ok(Collected::default());
            }
            Ok(index::sweep_orphans(storage, &rest, shared, database, epoch)?)
        })?;
        let swept = fork::sweep_ancestors(self)?;
        Ok(Collected {
            segments: listed.segments + orphans.segments + swept.segments,
            bytes: listed.bytes + orphans.bytes + swept.bytes,
        })
    }

    /// The gauges, to be read or set.
    pub(crate) fn gauges(&self) -> MutexGuard<'_, Gauges> {
        self.gauges.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True if there is so much novelty that a job should take it.
    pub(crate) fn is_due(&self, size: &NoveltySize) -> bool {
        rows(size) >= self.options.novelty_datoms.max(1) || size.bytes >= self.options.novelty_bytes.max(1)
    }

    /// True if there is so much novelty that writes wait.
    pub(crate) fn is_full(&self, size: &NoveltySize) -> bool {
        rows(size) >= self.most_rows() || size.bytes >= self.most_bytes()
    }

    pub(crate) fn most_rows(&self) -> usize {
        self.options.novelty_datoms.max(1).saturating_mul(self.options.novelty_limit.max(1))
    }

    pub(crate) fn most_bytes(&self) -> usize {
        self.options.novelty_bytes.max(1).saturating_mul(self.options.novelty_limit.max(1))
    }
}

/// The rows of novelty, each counted once however many orders it is in.
pub(crate) fn rows(size: &NoveltySize) -> usize {
    size.open + size.tombstones + size.closed
}

impl Gauges {
    /// A job published.
    pub(crate) fn took(&mut self, done: &Done, micros: i64) {
        self.jobs += 1;
        self.last_micros = micros;
        self.micros += micros;
        self.rows_new += done.rows_new;
        self.rows_written += done.rows_written;
        self.segments += done.segments;
        self.bytes += done.bytes;
        self.error = None;
    }

    /// A job failed.
    pub(crate) fn failed(&mut self, why: &str) {
        self.failures += 1;
        self.error = Some(why.to_owned());
    }
}
