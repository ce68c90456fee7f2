//! How a storage is opened: where time and chance come from, and how much memory is spent on what.
//!
//! ```text
//!   memory  =  48 MiB for the program and what is on its way, and of the others:
//!              decoded nodes  +  pages of the file  +  novelty, and the job that takes it  +  queries  +  the rest
//!                   3/8                1/32                  1/8 + 1/8                          1/4       3/32
//! ```
//!
//! Novelty counts twice, because while a job puts it to rest it is held a second time, sorted and merged.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use annals_storage::index::Settings;

use crate::code::Code;
use crate::error::{Error, Result};
use crate::leadership::Role;
use crate::time::{Chance, Clock, SystemChance, SystemClock};

/// The variable that sets [`Options::novelty_datoms`] where the program does not: for tests and tuning.
const NOVELTY_DATOMS: &str = "ANNALS_NOVELTY_DATOMS";
/// The program itself, texts that are read, batches and reports on their way.
const FIXED_MEMORY: usize = 48 << 20;
/// The least memory that can be asked for.
const LEAST_MEMORY: usize = 96 << 20;
/// About how many bytes of novelty a datom takes, in every order.
const BYTES_OF_A_DATOM: usize = 64;
/// About how many bytes a row of a query takes on its way.
const BYTES_OF_A_ROW: usize = 64;
/// A page cache below this slows every read and write down.
const LEAST_PAGE_CACHE: usize = 2 << 20;

/// How a storage is opened.
#[derive(Clone)]
pub struct Options {
    /// What tells the time.
    pub clock: Arc<dyn Clock>,
    /// What gives ids that nobody else has.
    pub chance: Arc<dyn Chance>,
    /// How many requests may wait for the transactor; more are refused as busy.
    pub queue: usize,
    /// Refuse to create the file.
    pub must_exist: bool,
    /// The most bytes of decoded nodes that are remembered, for all databases of the storage together.
    pub cache_bytes: usize,
    /// The page cache of a file, bytes.
    pub page_cache_bytes: usize,
    /// So many bytes of novelty are put to rest by a job in the background.
    pub novelty_bytes: usize,
    /// So many rows of novelty are, whatever they weigh. The variable `ANNALS_NOVELTY_DATOMS` sets the default, so that
    /// whole test suites can be run with a job after every few datoms.
    pub novelty_datoms: usize,
    /// Writes wait while there is this many times as much novelty as sets a job off.
    pub novelty_limit: usize,
    /// How long what a newer root does not need is kept for other processes, where there can be any.
    pub grace: Duration,
    /// How trees are kept.
    pub index: Settings,
    /// The code of the program that transactions call.
    pub code: Code,
    /// What this process does for a storage that others use too.
    pub role: Role,
    /// Where new transactions are fed from, `http://HOST:PORT`, instead of from the transactor: another peer.
    pub feed: Option<String>,
    /// How often who writes says that it is there. Who has not said so for three times as long is taken to be gone.
    pub heartbeat: Duration,
    /// How often a storage that others write to is looked at for what is new; none: only when somebody asks for it
    /// ([`Connection::sync`](crate::Connection::sync)).
    pub poll: Option<Duration>,
    /// All the memory to be used, if somebody said: see [`Options::within`].
    pub memory: Option<usize>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            clock: Arc::new(SystemClock),
            chance: Arc::new(SystemChance),
            queue: 1024,
            must_exist: false,
            cache_bytes: 256 << 20,
            page_cache_bytes: 16 << 20,
            novelty_bytes: 16 << 20,
            novelty_datoms: novelty_datoms_wanted().unwrap_or(256 << 10),
            novelty_limit: 4,
            grace: Duration::from_secs(24 * 60 * 60),
            index: Settings::default(),
            code: Code::new(),
            role: Role::Auto,
            feed: None,
            heartbeat: Duration::from_secs(2),
            poll: Some(Duration::from_millis(250)),
            memory: None,
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one variable the library reads, for tests and tuning")]
fn novelty_datoms_wanted() -> Option<usize> {
    std::env::var(NOVELTY_DATOMS).ok()?.parse().ok()
}

impl Options {
    /// These, with caches, novelty and queries cut to fit into so many bytes together; at least 96 MiB.
    ///
    /// Of what is above 48 MiB, which the program needs itself, three eighths are for decoded nodes and a 32nd for the pages of a file. An eighth is the hard limit of novelty,
    /// and as much again is what a job needs while it puts novelty to rest. A quarter is for the rows of queries
    /// ([`Options::query_rows`]); the rest is for results and threads.
    ///
    /// ```
    /// let options = annals::Options::default().within(2 << 30)?;
    /// assert_eq!(options.cache_bytes, 750 << 20);
    /// assert_eq!(options.novelty_bytes * options.novelty_limit, 250 << 20);
    /// # Ok::<(), annals::Error>(())
    /// ```
    pub fn within(self, memory: usize) -> Result<Options> {
        if memory < LEAST_MEMORY {
            let message = format!("{memory} bytes of memory are not enough; {LEAST_MEMORY} are the least");
            return Err(Error::incorrect("db.error/not-enough-memory", message)
                .with_hint("give a size like 512MiB or 2GiB"));
        }
        let shared = memory - FIXED_MEMORY;
        let novelty_bytes = shared / 8 / self.novelty_limit.max(1);
        Ok(Options {
            memory: Some(memory),
            cache_bytes: shared / 8 * 3,
            page_cache_bytes: (shared / 32).max(LEAST_PAGE_CACHE),
            novelty_bytes,
            novelty_datoms: novelty_datoms_wanted().unwrap_or(novelty_bytes / BYTES_OF_A_DATOM),
            ..self
        })
    }

    /// How many bytes a query may hold on its way to stay inside its part of the memory; none if no memory was set.
    pub fn query_bytes(&self) -> Option<u64> {
        self.memory.map(|memory| (memory.saturating_sub(FIXED_MEMORY) / 4) as u64)
    }

    /// How many rows a query may have on its way to stay inside its part of the memory; none if no memory was set.
    pub fn query_rows(&self) -> Option<u64> {
        self.memory.map(|memory| (memory.saturating_sub(FIXED_MEMORY) / 4 / BYTES_OF_A_ROW) as u64)
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("queue", &self.queue)
            .field("must_exist", &self.must_exist)
            .field("cache_bytes", &self.cache_bytes)
            .field("page_cache_bytes", &self.page_cache_bytes)
            .field("novelty_bytes", &self.novelty_bytes)
            .field("novelty_datoms", &self.novelty_datoms)
            .field("novelty_limit", &self.novelty_limit)
            .field("grace", &self.grace)
            .field("index", &self.index)
            .field("code", &self.code)
            .field("role", &self.role)
            .field("feed", &self.feed)
            .field("heartbeat", &self.heartbeat)
            .field("poll", &self.poll)
            .field("memory", &self.memory)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_memory_is_split_into_is_no_more_than_the_whole() {
        for memory in [LEAST_MEMORY, 150_000_000, 512 << 20, 2 << 30, 64 << 30] {
            let options = Options::default().within(memory).unwrap();
            let novelty = options.novelty_bytes * options.novelty_limit;
            let queries = options.query_rows().unwrap() as usize * BYTES_OF_A_ROW;
            let all = options.cache_bytes + options.page_cache_bytes + 2 * novelty + queries;
            let shared = memory - FIXED_MEMORY;
            assert!(all <= shared, "{all} of {shared}");
            assert!(all >= shared / 10 * 8, "{all} of {shared}");
        }
    }

    #[test]
    fn too_little_memory_is_refused() {
        let error = Options::default().within(LEAST_MEMORY - 1).unwrap_err();
        assert_eq!(error.keyword(), "db.error/not-enough-memory");
        assert!(error.hint().is_some());
        assert_eq!(Options::default().query_rows(), None);
    }
}
