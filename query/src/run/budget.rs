//! What a query may use up, and what it has used so far.
//!
//! A [`Meter`] goes through a query from its plan to its last pull. Whoever makes rows asks it at least once a few
//! thousand of them: [`Meter::check`] and [`Meter::tick`] look at the time and at whether the query was stopped,
//! [`Meter::room`] also at the rows and bytes that are about to be, [`Meter::hold`] notes bytes that stay until what it
//! gives is dropped. Bytes are estimates of what tables, indexes, pools, fixpoints and rows hold, counted together for a
//! query, the threads that work on it and the queries inside of it. There is no clock here: whoever asks hands one in ([`Stopwatch`]).

use std::cell::Cell;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use annals_storage::anomaly::Category;

use crate::error::{Error, Result};

/// How many rows are made between two looks at the budget.
pub const STRIDE: usize = 4096;

/// How many ticks are between two looks at the clock.
const TICKS: u32 = 512;

/// What a query may use up. Over budget is an error, never an abort.
#[derive(Clone, Debug, Default)]
pub struct Budget {
    /// The most rows any intermediate or final result may have; none: [`Budget::ROWS`].
    pub rows: Option<u64>,
    /// The most bytes that tables, pools and results may hold at once, by estimate; none: no bound.
    pub bytes: Option<u64>,
    /// How long the query may take, its planning included. Needs a stopwatch.
    pub time: Option<Duration>,
    /// Set by another thread to stop the query (a person, a lost connection).
    pub cancel: Option<Arc<AtomicBool>>,
    /// Where the query looks how late it is; without one, time is neither bounded nor told.
    pub stopwatch: Option<Stopwatch>,
    /// How many threads may work on the query at the same time, the caller's among them; none: as many as there are
    /// processors. One is enough but for groups of very many rows.
    pub threads: Option<NonZeroUsize>,
}

impl Budget {
    /// The most rows of a query that was given no number: a product of a few patterns must not take all memory.
    pub const ROWS: u64 = 1 << 25;
}

/// The time since some fixed moment; never goes back.
#[derive(Clone)]
pub struct Stopwatch(Arc<dyn Fn() -> Duration + Send + Sync>);

impl Stopwatch {
    /// A stopwatch that is read by calling this.
    pub fn new(read: impl Fn() -> Duration + Send + Sync + 'static) -> Stopwatch {
        Stopwatch(Arc::new(read))
    }
}

impl fmt::Debug for Stopwatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stopwatch")
    }
}

/// Bytes held now and at most so far.
#[derive(Debug, Default)]
struct Bytes {
    now: AtomicU64,
    most: AtomicU64,
}

/// A budget that is being used up.
#[derive(Debug)]
pub struct Meter {
    rows: u64,
    bytes: u64,
    cancel: Option<Arc<AtomicBool>>,
    stopwatch: Option<Stopwatch>,
    /// When the time is up, and how long it was.
    deadline: Option<(Duration, Duration)>,
    /// How many threads may work on it.
    pub threads: Option<NonZeroUsize>,
    held: Arc<Bytes>,
    ticks: Cell<u32>,
}

impl Default for Meter {
    fn default() -> Meter {
        Meter::new(&Budget::default())
    }
}

impl Meter {
    /// Starts to use up a budget: its time begins now.
    pub fn new(budget: &Budget) -> Meter {
        let meter = Meter {
            // Rows are numbered by 32 bits.
            rows: budget.rows.unwrap_or(Budget::ROWS).min(u64::from(u32::MAX) - 1),
            bytes: budget.bytes.unwrap_or(u64::MAX),
            cancel: budget.cancel.clone(),
            stopwatch: budget.stopwatch.clone(),
            deadline: None,
            threads: budget.threads,
            held: Arc::default(),
            ticks: Cell::new(0),
        };
        meter.within(budget.time)
    }

    /// The same budget, with no more than this time from now on.
    #[must_use]
    pub fn within(&self, time: Option<Duration>) -> Meter {
        let end = |time: Duration| Some((self.now()?.saturating_add(time), time));
        let own = time.and_then(end);
        Meter {
            rows: self.rows,
            bytes: self.bytes,
            cancel: self.cancel.clone(),
            stopwatch: self.stopwatch.clone(),
            deadline: own.into_iter().chain(self.deadline).min(),
            threads: self.threads,
            held: Arc::clone(&self.held),
            ticks: Cell::new(0),
        }
    }

    /// The stopwatch's time, if there is one.
    pub fn now(&self) -> Option<Duration> {
        self.stopwatch.as_ref().map(|stopwatch| (stopwatch.0)())
    }

    /// The most bytes that were held at once.
    pub fn most_bytes(&self) -> u64 {
        self.held.most.load(Ordering::Relaxed)
    }

    /// Refuses to go on if the query was stopped or its time is up, or with so many rows.
    pub fn check(&self, rows: usize) -> Result<()> {
        if self.cancel.as_ref().is_some_and(|cancel| cancel.load(Ordering::Relaxed)) {
            return Err(Error::new(Category::Interrupted, "db.error/interrupted", "the query was stopped"));
        }
        if let Some((end, time)) = self.deadline
            && self.now().is_some_and(|now| now >= end)
        {
            let message = format!("the query took longer than the {} ms it had", time.as_millis());
            return Err(Error::new(Category::Interrupted, "db.error/timeout", message)
                .hint("ask for less, or allow more time"));
        }
        if rows as u64 > self.rows {
            let message = format!("an intermediate result has more than {} rows", self.rows);
            return Err(exceeded(message).hint("ask for less, or allow more rows"));
        }
        Ok(())
    }

    /// As [`Meter::check`] with so many rows, of which each takes so many bytes that are not held yet.
    pub fn room(&self, rows: usize, bytes_each: usize) -> Result<()> {
        self.room_and(rows, bytes_each, 0)
    }

    /// As [`Meter::room`], with more bytes that are not held yet.
    pub fn room_and(&self, rows: usize, bytes_each: usize, more: usize) -> Result<()> {
        self.check(rows)?;
        self.note((rows as u64).saturating_mul(bytes_each as u64).saturating_add(more as u64))
    }

    /// Notes that so many more bytes are held, until what is given back is dropped.
    pub fn hold(&self, bytes: usize) -> Result<Hold> {
        let mut hold = Hold { held: Arc::clone(&self.held), bytes: 0 };
        hold.become_bytes(self, bytes)?;
        Ok(hold)
    }

    /// Refuses so many bytes beside those that are held.
    fn note(&self, more: u64) -> Result<()> {
        self.refuse(self.held.now.load(Ordering::Relaxed).saturating_add(more))
    }

    /// Notes that so many bytes are held together, or refuses them.
    fn refuse(&self, bytes: u64) -> Result<()> {
        self.held.most.fetch_max(bytes, Ordering::Relaxed);
        if bytes > self.bytes {
            let message = format!("the query needs more than {} bytes at once", self.bytes);
            return Err(exceeded(message).hint("ask for less, or allow more memory"));
        }
        Ok(())
    }

    /// One small piece of work: now and then a [`Meter::check`].
    pub fn tick(&self) -> Result<()> {
        self.ticks(1)
    }

    /// So many small pieces of work.
    pub fn ticks(&self, count: usize) -> Result<()> {
        let ticks = self.ticks.get().saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        if ticks < TICKS {
            self.ticks.set(ticks);
            return Ok(());
        }
        self.ticks.set(0);
        self.check(0)
    }
}

fn exceeded(message: String) -> Error {
    Error::new(Category::Interrupted, "db.error/budget-exceeded", message)
}

/// Bytes that count as held while this lives.
#[derive(Debug)]
pub struct Hold {
    held: Arc<Bytes>,
    bytes: u64,
}

impl Hold {
    /// Holds so many bytes from now on, more or less than before.
    pub fn become_bytes(&mut self, meter: &Meter, bytes: usize) -> Result<()> {
        let bytes = bytes as u64;
        self.let_go();
        let together = self.held.now.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        self.bytes = bytes;
        meter.refuse(together).inspect_err(|_| self.let_go())
    }

    fn let_go(&mut self) {
        self.held.now.fetch_sub(std::mem::take(&mut self.bytes), Ordering::Relaxed);
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.let_go();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;

    #[test]
    fn a_stopped_query_and_a_large_one_fail_differently() {
        let budget =
            Budget { rows: Some(10), cancel: Some(Arc::new(AtomicBool::new(false))), ..Budget::default() };
        let meter = Meter::new(&budget);
        assert!(meter.check(10).is_ok());
        assert_eq!(meter.check(11).unwrap_err().keyword, "db.error/budget-exceeded");
        budget.cancel.as_ref().unwrap().store(true, Ordering::Relaxed);
        assert_eq!(meter.check(0).unwrap_err().keyword, "db.error/interrupted");
    }

    #[test]
    fn bytes_are_counted_together_until_they_are_given_back() {
        let meter = Meter::new(&Budget { bytes: Some(100), ..Budget::default() });
        let mut table = meter.hold(60).unwrap();
        let inner = meter.within(None);
        assert!(inner.room(4, 10).is_ok());
        assert_eq!(inner.room(5, 10).unwrap_err().keyword, "db.error/budget-exceeded");
        assert!(inner.hold(41).is_err());
        table.become_bytes(&meter, 20).unwrap();
        let other = inner.hold(80).unwrap();
        assert!(table.become_bytes(&meter, 21).is_err(), "what cannot grow is held no more");
        drop(other);
        assert_eq!((inner.hold(100).map(drop), meter.most_bytes()), (Ok(()), 110));
    }

    #[test]
    fn the_nearest_deadline_counts_and_ticks_come_to_it() {
        let time = Arc::new(AtomicU64::new(5));
        let read = Arc::clone(&time);
        let stopwatch = Stopwatch::new(move || Duration::from_millis(read.load(Ordering::Relaxed)));
        let millis = Duration::from_millis;
        let budget = Budget { time: Some(millis(10)), stopwatch: Some(stopwatch), ..Budget::default() };
        let meter = Meter::new(&budget);
        let (shorter, longer) = (meter.within(Some(millis(3))), meter.within(Some(millis(90))));
        time.store(8, Ordering::Relaxed);
        assert_eq!(shorter.check(0).unwrap_err().keyword, "db.error/timeout");
        assert!(longer.check(0).is_ok() && meter.check(0).is_ok());
        time.store(15, Ordering::Relaxed);
        assert!(longer.check(0).unwrap_err().message.contains(" 10 ms"));
        let late = (0..TICKS).find_map(|_| meter.tick().err()).expect("a tick looks at the clock");
        assert_eq!((late.category, late.keyword), (Category::Interrupted, "db.error/timeout"));
    }
}
