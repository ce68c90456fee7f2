//! Queries and pull patterns that were read, by their text: the same text asked again is neither read nor checked again.
//!
//! A store has one of these for all of its databases, for what a query is does not depend on facts: names are looked up
//! when it is asked. With it come the plans that are kept of it, each for the counts and kinds of inputs it was made for.
//! Bounded by text: when the young are as much as they may be they become the old, and the old before them are forgotten;
//! whoever is asked for again becomes young again.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use annals_query::ast::PullPattern;
use annals_query::plan::kept::PlanCounts;
use annals_query::{Prepared, edn, parse};

use crate::error::Result;

/// The most bytes of text that one generation holds; longer ones are not kept.
const TEXT_BYTES: usize = 1 << 18;

/// What a query counts as beside its text, so that short ones are bounded too.
const QUERY_BYTES: usize = 256;

/// Queries and pull patterns by text.
#[derive(Debug, Default)]
pub(crate) struct ReadQueries {
    queries: Mutex<Generations<Prepared>>,
    patterns: Mutex<Generations<PullPattern>>,
    hits: AtomicU64,
    misses: AtomicU64,
    plans: Arc<PlanCounts>,
}

/// How often queries and their plans were there when they were asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueryCacheStats {
    /// Queries that had been read before.
    pub hits: u64,
    /// Queries that had to be read.
    pub misses: u64,
    /// Plans that had been made before, for the same shape of inputs.
    pub plans_reused: u64,
    /// Plans that had to be made.
    pub plans_made: u64,
}

#[derive(Debug)]
struct Generations<R> {
    young: HashMap<Arc<str>, Arc<R>>,
    old: HashMap<Arc<str>, Arc<R>>,
    /// The bytes of the young.
    bytes: usize,
}

impl ReadQueries {
    /// The query of a text.
    pub(crate) fn read(&self, text: &str) -> Result<Arc<Prepared>> {
        if let Some(query) = lock(&self.queries).find(text) {
            self.hits.fetch_add(1, Ordering::Relaxed);
            return Ok(query);
        }
        self.misses.fetch_add(1, Ordering::Relaxed);
        let query = Arc::new(Prepared::new(text)?.counted(Arc::clone(&self.plans)));
        lock(&self.queries).keep(text.into(), &query);
        Ok(query)
    }

    /// The pull pattern of a text.
    pub(crate) fn pattern(&self, text: &str) -> Result<Arc<PullPattern>> {
        if let Some(pattern) = lock(&self.patterns).find(text) {
            return Ok(pattern);
        }
        let pattern = Arc::new(parse::pull(&edn::read_one(text)?)?);
        lock(&self.patterns).keep(text.into(), &pattern);
        Ok(pattern)
    }

    /// How often queries and plans were there, and how often not.
    pub(crate) fn counts(&self) -> QueryCacheStats {
        QueryCacheStats {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            plans_reused: self.plans.found(),
            plans_made: self.plans.made(),
        }
    }
}

fn lock<R>(generations: &Mutex<Generations<R>>) -> MutexGuard<'_, Generations<R>> {
    generations.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<R> Default for Generations<R> {
    fn default() -> Generations<R> {
        Generations { young: HashMap::new(), old: HashMap::new(), bytes: 0 }
    }
}

impl<R> Generations<R> {
    fn find(&mut self, text: &str) -> Option<Arc<R>> {
        if let Some(read) = self.young.get(text) {
            return Some(Arc::clone(read));
        }
        let (text, read) = self.old.remove_entry(text)?;
        self.keep(text, &read);
        Some(read)
    }

    fn keep(&mut self, text: Arc<str>, read: &Arc<R>) {
        let bytes = text.len() + QUERY_BYTES;
        if bytes > TEXT_BYTES {
            return;
        }
        if self.bytes + bytes > TEXT_BYTES {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
        self.bytes += bytes;
        self.young.insert(text, Arc::clone(read));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_is_not_read_again_until_it_is_forgotten() {
        let queries = ReadQueries::default();
        let text = |n: usize| format!("[:find ?e :where [?e :a {n}]]");
        let first = queries.read(&text(0)).unwrap();
        assert!(Arc::ptr_eq(&first, &queries.read(&text(0)).unwrap()));
        assert_eq!((queries.counts().hits, queries.counts().misses), (1, 1));
        let most = TEXT_BYTES / QUERY_BYTES;
        for n in 1..3 * most {
            queries.read(&text(n)).unwrap();
            // Asked for now and then, it stays; of the others only the newest do.
            if n % 100 == 0 {
                assert!(Arc::ptr_eq(&first, &queries.read(&text(0)).unwrap()));
            }
        }
        let held = lock(&queries.queries);
        assert!(held.young.len() + held.old.len() <= 2 * most);
        drop(held);
        let before = queries.counts();
        queries.read(&text(1)).unwrap();
        assert_eq!((queries.counts().hits, queries.counts().misses), (before.hits, before.misses + 1));
    }

    #[test]
    fn what_cannot_be_read_or_is_too_long_is_not_kept() {
        let queries = ReadQueries::default();
        let long = format!("[:find ?e :where [?e :a \"{}\"]]", "x".repeat(TEXT_BYTES));
        for _ in 0..2 {
            assert!(queries.read("[:find").is_err());
            queries.read(&long).unwrap();
        }
        assert_eq!((queries.counts().hits, queries.counts().misses), (0, 4));
        assert!(lock(&queries.queries).young.is_empty());
        assert!(queries.pattern("[:a").is_err());
        assert!(lock(&queries.patterns).young.is_empty());
    }

    #[test]
    fn a_pattern_is_read_once() {
        let queries = ReadQueries::default();
        let first = queries.pattern("[*]").unwrap();
        assert!(Arc::ptr_eq(&first, &queries.pattern("[*]").unwrap()));
        assert!(!Arc::ptr_eq(&first, &queries.pattern("[:db/id]").unwrap()));
    }
}
