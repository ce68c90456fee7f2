//! One thread a database that waits for newer transactions, for all who follow its log.
//!
//! It keeps the newest of them in a ring, bounded in number and bytes, each written once in each form that is asked for.
//! It lives as long as somebody follows. What it does not do: wait for followers; who is further behind than the ring
//! reads the log.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use annals::{Connection, Datom, T, TimePoint, Tx, Value};
use tokio::sync::{Semaphore, watch};

use super::events::Form;
use super::follower::Follower;
use super::{CATCH_UP, Start};

/// How long the thread waits before it looks whether anybody follows.
const TICK: Duration = Duration::from_millis(200);

/// The most transactions in a ring, whatever their size.
const MOST: usize = 4096;

/// What a fact weighs, roughly, beside its text.
const FACT_BYTES: usize = 100;

/// What a transaction weighs in memory, roughly, bytes.
pub(super) fn weight(tx: &Tx) -> usize {
    let text = |datom: &Datom| match &datom.v {
        Value::String(text) | Value::Uri(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        _ => 0,
    };
    tx.datoms.iter().map(|datom| FACT_BYTES + text(datom)).sum()
}

/// All live logs of a server.
pub(crate) struct Tails {
    open: Mutex<Open>,
    /// The bytes that one ring may hold.
    bytes: usize,
    /// Who may read the log itself.
    pub(super) readers: Arc<Semaphore>,
}

#[derive(Default)]
struct Open {
    tailers: HashMap<String, Arc<Tailer>>,
    threads: Vec<JoinHandle<()>>,
}

/// What followers of one database share.
pub(super) struct Tailer {
    ring: Mutex<Ring>,
    news: watch::Sender<News>,
    /// How many follow in each form, so that it is written ahead for them.
    forms: [AtomicUsize; Form::ALL.len()],
    stop: AtomicBool,
    bytes: usize,
}

/// How far a log is.
#[derive(Clone, Copy, Debug)]
pub(super) struct News {
    /// The newest transaction.
    pub(super) t: T,
    /// None will come any more.
    pub(super) has_ended: bool,
}

/// A transaction that is kept ready.
#[derive(Debug)]
pub(super) struct Entry {
    /// The transaction.
    pub(super) tx: Tx,
    written: [OnceLock<Arc<str>>; Form::ALL.len()],
}

#[derive(Default)]
struct Ring {
    entries: VecDeque<(Arc<Entry>, usize)>,
    bytes: usize,
}

impl Entry {
    pub(super) fn new(tx: Tx) -> Entry {
        Entry { tx, written: Default::default() }
    }

    /// The event that tells the whole transaction; written once for all.
    pub(super) fn event(&self, form: Form, connection: &Connection) -> &Arc<str> {
        let write = || Arc::from(form.event(&connection.db(), &self.tx, self.tx.t.saturating_sub(1)));
        self.written[form.place()].get_or_init(write)
    }
}

impl Ring {
    fn push(&mut self, entry: Arc<Entry>, weight: usize, most: usize) {
        self.bytes += weight;
        self.entries.push_back((entry, weight));
        while self.entries.len() > MOST || (self.bytes > most && self.entries.len() > 1) {
            let Some((_, weight)) = self.entries.pop_front() else { break };
            self.bytes -= weight;
        }
    }

    /// The transactions after `seen`, at most so many; none if the ring does not reach back so far.
    fn after(&self, seen: T, most: usize) -> Option<Vec<Arc<Entry>>> {
        let first = self.entries.front()?.0.tx.t;
        let skipped = usize::try_from((seen + 1).checked_sub(first)?).ok()?;
        // Numbers have no gaps: the place follows from the number.
        Some(self.entries.iter().skip(skipped).take(most).map(|(entry, _)| entry.clone()).collect())
    }
}

impl Tailer {
    /// The transactions after `seen`, if the ring has them all.
    pub(super) fn after(&self, seen: T, most: usize) -> Option<Vec<Arc<Entry>>> {
        self.ring().after(seen, most)
    }

    /// One more who follows in this form, or one less.
    pub(super) fn uses(&self, form: Form, one_more: bool) {
        let count = &self.forms[form.place()];
        let _ = if one_more {
            count.fetch_add(1, Ordering::Relaxed)
        } else {
            count.fetch_sub(1, Ordering::Relaxed)
        };
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn weigh(&self, entry: &Entry, connection: &Connection) -> usize {
        let used = |form: &Form| self.forms[form.place()].load(Ordering::Relaxed) > 0;
        let written = Form::ALL.into_iter().filter(used).map(|form| entry.event(form, connection).len());
        weight(&entry.tx) + written.sum::<usize>()
    }

    /// Puts what came after `seen` into the ring, and tells; gives the newest. False if it cannot be read.
    fn pull(&self, connection: &Connection, seen: T) -> annals::Result<T> {
        let mut newest = seen;
        let log = connection.log();
        let mut put = |tx: Tx| {
            newest = tx.t;
            let entry = Arc::new(Entry::new(tx));
            let weight = self.weigh(&entry, connection);
            self.ring().push(entry, weight, self.bytes);
            self.news.send_replace(News { t: newest, has_ended: false });
            !self.stop.load(Ordering::Relaxed)
        };
        log.each(Some(TimePoint::T(seen + 1)), None, &mut put)?;
        Ok(newest)
    }

    /// Follows the log until nobody wants it or it ends.
    fn run(&self, connection: &Connection, mut seen: T, is_wanted: impl Fn() -> bool) {
        while !self.stop.load(Ordering::Relaxed) && is_wanted() {
            let began = Instant::now();
            let moved = connection.sync(seen + 1, TICK).is_ok();
            if !moved && began.elapsed() < TICK / 2 {
                // Who does not wait has nothing to wait for: the database is closed.
                break;
            }
            match self.pull(connection, seen) {
                Ok(newest) => seen = newest,
                Err(error) => {
                    tracing::warn!(db = connection.name(), %error, "the log cannot be followed");
                    break;
                }
            }
        }
        self.news.send_modify(|news| news.has_ended = true);
    }
}

impl Tails {
    pub(crate) fn new(bytes: usize) -> Tails {
        Tails { open: Mutex::default(), bytes, readers: Arc::new(Semaphore::new(CATCH_UP)) }
    }

    /// A place in the log of a database. The first who follows starts the tailer.
    pub(super) fn follow(self: &Arc<Tails>, start: &Start) -> Follower {
        let connection = &start.connection;
        let mut open = self.open();
        let live = open.tailers.get(connection.name()).filter(|tailer| !tailer.news.borrow().has_ended);
        let (tailer, news) = match live {
            Some(tailer) => (tailer.clone(), tailer.news.subscribe()),
            None => self.start(&mut open, connection),
        };
        Follower::new(connection.clone(), tailer, news, self.readers.clone(), start)
    }

    fn start(
        self: &Arc<Tails>,
        open: &mut Open,
        connection: &Connection,
    ) -> (Arc<Tailer>, watch::Receiver<News>) {
        let t = connection.db().basis_t();
        let (sender, news) = watch::channel(News { t, has_ended: false });
        let tailer = Arc::new(Tailer {
            ring: Mutex::default(),
            news: sender,
            forms: Default::default(),
            stop: AtomicBool::new(false),
            bytes: self.bytes,
        });
        open.tailers.insert(connection.name().to_owned(), tailer.clone());
        open.threads.retain(|thread| !thread.is_finished());
        let (tails, own, connection) = (self.clone(), tailer.clone(), connection.clone());
        let run = move || own.run(&connection, t, || tails.is_wanted(&own, connection.name()));
        match std::thread::Builder::new().name("annals-tail".to_owned()).spawn(run) {
            Ok(thread) => open.threads.push(thread),
            Err(error) => {
                tracing::error!(%error, "no thread to follow a log");
                tailer.news.send_modify(|news| news.has_ended = true);
            }
        }
        (tailer, news)
    }

    /// False, and forgotten, if nobody follows. Under the lock, so that who comes now either is seen or starts another.
    fn is_wanted(&self, tailer: &Arc<Tailer>, name: &str) -> bool {
        let mut open = self.open();
        let is_wanted = tailer.news.receiver_count() > 0;
        if !is_wanted && open.tailers.get(name).is_some_and(|other| Arc::ptr_eq(other, tailer)) {
            open.tailers.remove(name);
        }
        is_wanted
    }

    /// Ends all threads.
    pub(crate) fn close(&self) {
        let Open { tailers, threads } = std::mem::take(&mut *self.open());
        for tailer in tailers.values() {
            tailer.stop.store(true, Ordering::Relaxed);
        }
        for thread in threads {
            // One that panicked has told so.
            let _ = thread.join();
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Tails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tails({})", self.open().tailers.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(ts: std::ops::RangeInclusive<T>, most: usize) -> Ring {
        let mut ring = Ring::default();
        for t in ts {
            let tx = Tx { t, tx: annals::EntityId::of_t(t), instant: 0, datoms: Vec::new() };
            ring.push(Arc::new(Entry::new(tx)), 10, most);
        }
        ring
    }

    fn ts(ring: &Ring, seen: T, most: usize) -> Option<Vec<T>> {
        Some(ring.after(seen, most)?.iter().map(|entry| entry.tx.t).collect())
    }

    #[test]
    fn a_ring_gives_all_after_a_number_or_says_that_it_has_not() {
        let ring = ring(5..=20, 100);
        assert_eq!(ring.entries.len(), 10, "bounded by bytes");
        assert_eq!(ts(&ring, 17, 9), Some(vec![18, 19, 20]));
        assert_eq!(ts(&ring, 10, 2), Some(vec![11, 12]));
        assert_eq!(ts(&ring, 9, 9), None, "10 is gone");
        assert_eq!(ts(&ring, 20, 9), Some(vec![]));
        assert_eq!(ts(&ring, 99, 9), Some(vec![]));
        assert_eq!(ts(&Ring::default(), 0, 9), None);
    }

    #[test]
    fn one_that_is_larger_than_the_ring_is_kept_until_the_next() {
        let ring = ring(1..=3, 5);
        assert_eq!(ts(&ring, 2, 9), Some(vec![3]));
    }
}
