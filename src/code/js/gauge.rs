//! What a call may use up, and what it has used so far.
//!
//! The engine asks [`Gauge::poll`] once every ten thousand of its steps (jumps back and calls), the guarded functions of
//! a realm and whatever crosses to the database [`Gauge::charge`] in between. Once a limit is reached the call is over:
//! the next poll ends it in a way that no script can catch. There is no clock here: the call brings a stopwatch.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use annals_query::edn::Edn;
use annals_query::run::budget::Meter;
use annals_query::{Budget, Stopwatch};
use annals_storage::anomaly::Category;

use crate::error::Error;

/// How many steps are between two polls of the engine.
const STRIDE: u64 = 10_000;

/// What one call of a script may use up.
///
/// ```
/// use annals::{Code, Limits, Options};
/// let limits = Limits { steps: 50_000, ..Limits::default() };
/// let options = Options { code: Code::new().scripts_within(limits), ..Options::default() };
/// let conn = annals::connect_with("mem:", options)?.database("main")?;
/// conn.transact(
///     r#"[{:db/ident :my/count :db.fn/lang :db.lang/js
///          :db/fn "export function transaction(db, n) { for (let i = 0; i < n; i++); return [] }"}]"#,
/// )?;
/// conn.transact("[[:my/count 1000]]")?;
/// let refused = conn.transact("[[:my/count 1000000]]").unwrap_err();
/// assert_eq!(refused.keyword(), "db.error/function-limit");
/// # Ok::<(), annals::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Steps: jumps back and calls, and a price for whatever takes long in one of them. The same for the same call.
    pub steps: u64,
    /// Bytes of the script's objects, with those of the language itself (a third of a MiB).
    pub memory: usize,
    /// Bytes of stack; must be less than the thread has.
    pub stack: usize,
    /// Time that the thread works on it, where the system tells that (else time), so that no honest call is refused because
    /// the machine is busy. What many calls of one transaction have together is [`Code::within`](crate::Code::within).
    pub time: Duration,
}

impl Default for Limits {
    /// A million steps, 8 MiB, 256 KiB of stack, 50 ms.
    fn default() -> Limits {
        Limits { steps: 1_000_000, memory: 8 << 20, stack: 256 << 10, time: Duration::from_millis(50) }
    }
}

/// Which limit a call has reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    Steps = 1,
    Memory,
    Stack,
    Time,
}

impl Limit {
    /// The refusal of a call that reached it.
    pub(super) fn error(self, function: &str, limits: &Limits) -> Error {
        let (limit, did, hint) = match self {
            Limit::Steps => {
                ("steps", format!("took more than {} steps", limits.steps), "do less in one call")
            }
            Limit::Memory => {
                ("memory", format!("needs more than {} bytes", limits.memory), "hold less at once")
            }
            Limit::Stack => (
                "stack",
                format!("calls itself deeper than {} bytes of stack allow", limits.stack),
                "use a loop, or see where it does not end",
            ),
            Limit::Time => (
                "time",
                format!("took longer than the {} ms it had", limits.time.as_millis()),
                "do less in one call, ask for less, or call fewer functions in one transaction",
            ),
        };
        let message = format!("the function {function} {did}");
        Error::new(Category::Interrupted, "db.error/function-limit", message)
            .with_hint(hint)
            .with_data("db.error/function", Edn::keyword(function))
            .with_data("db.error/limit", Edn::keyword(limit))
    }
}

/// The use of one realm: of one call after the other.
#[derive(Debug, Default)]
pub(super) struct Gauge {
    /// True from the beginning of a call to its end.
    counting: AtomicBool,
    /// True while the engine is to stop at its next poll, whatever was used.
    aligning: AtomicBool,
    steps: AtomicU64,
    most: AtomicU64,
    /// When the time is up, in microseconds of the stopwatch.
    end: AtomicU64,
    reached: AtomicU8,
    stopwatch: Mutex<Option<Stopwatch>>,
}

impl Gauge {
    /// Until [`Gauge::begin`] the engine stops at each poll.
    pub(super) fn align(&self) {
        self.aligning.store(true, Relaxed);
    }

    /// A call is about to begin; its time begins now.
    pub(super) fn ready(&self, limits: &Limits, stopwatch: &Stopwatch) {
        self.aligning.store(false, Relaxed);
        self.counting.store(false, Relaxed);
        self.steps.store(0, Relaxed);
        self.most.store(limits.steps, Relaxed);
        self.reached.store(0, Relaxed);
        *self.stopwatch.lock().unwrap_or_else(PoisonError::into_inner) = Some(stopwatch.clone());
        self.end.store(self.now().saturating_add(micros(limits.time)), Relaxed);
    }

    /// From here on the engine's steps are those of the call.
    pub(super) fn begin(&self) {
        self.counting.store(true, Relaxed);
    }

    /// How many steps the call took so far.
    pub(super) fn steps(&self) -> u64 {
        self.steps.load(Relaxed)
    }

    /// The limit that was reached, if one was.
    pub(super) fn reached(&self) -> Option<Limit> {
        [Limit::Steps, Limit::Memory, Limit::Stack, Limit::Time]
            .into_iter()
            .find(|limit| *limit as u8 == self.reached.load(Relaxed))
    }

    /// The call is over for this reason, if it is not for another.
    pub(super) fn reach(&self, limit: Limit) {
        let _ = self.reached.compare_exchange(0, limit as u8, Relaxed, Relaxed);
    }

    /// The engine took so many steps; true if it has to stop.
    pub(super) fn poll(&self) -> bool {
        if self.aligning.load(Relaxed) {
            return true;
        }
        self.charge(STRIDE)
    }

    /// Something took as long as so many steps; true if the call is over. Outside of a call nothing is counted.
    pub(super) fn charge(&self, steps: u64) -> bool {
        if !self.counting.load(Relaxed) {
            return false;
        }
        let used = self.steps.fetch_add(steps, Relaxed).saturating_add(steps);
        if used > self.most.load(Relaxed) {
            self.reach(Limit::Steps);
        } else if self.now() >= self.end.load(Relaxed) {
            self.reach(Limit::Time);
        }
        self.reached().is_some()
    }

    /// What a question of the script may use up: what is left of its time.
    pub(super) fn budget(&self, limits: &Limits) -> Budget {
        let left = self.end.load(Relaxed).saturating_sub(self.now());
        Budget {
            rows: Some(limits.steps),
            bytes: Some((limits.memory as u64).saturating_mul(4)),
            time: Some(Duration::from_micros(left)),
            cancel: None,
            stopwatch: self.stopwatch.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            threads: Some(NonZeroUsize::MIN),
        }
    }

    fn now(&self) -> u64 {
        let stopwatch = self.stopwatch.lock().unwrap_or_else(PoisonError::into_inner).clone();
        stopwatch.map_or(0, |stopwatch| micros(elapsed(&stopwatch)))
    }
}

/// What a stopwatch shows.
pub(super) fn elapsed(stopwatch: &Stopwatch) -> Duration {
    let budget = Budget { stopwatch: Some(stopwatch.clone()), ..Budget::default() };
    Meter::new(&budget).now().unwrap_or_default()
}

pub(super) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn the_first_limit_that_is_reached_is_the_one_told() {
        let time = Arc::new(AtomicU64::new(0));
        let read = Arc::clone(&time);
        let stopwatch = Stopwatch::new(move || Duration::from_millis(read.load(Relaxed)));
        let limits = Limits { steps: 25_000, ..Limits::default() };
        let gauge = Gauge::default();
        gauge.ready(&limits, &stopwatch);
        assert!(!gauge.poll() && gauge.steps() == 0, "what is before the call is not counted");
        gauge.begin();
        assert!(!gauge.poll() && !gauge.charge(5_000) && !gauge.poll());
        assert!(gauge.charge(1));
        time.store(99, Relaxed);
        assert!(gauge.poll());
        assert_eq!(gauge.reached(), Some(Limit::Steps));
        gauge.ready(&limits, &stopwatch);
        gauge.begin();
        assert!(!gauge.charge(1), "the time of a call begins with it");
        time.store(199, Relaxed);
        assert!(gauge.charge(1));
        let error = gauge.reached().unwrap().error("my/f", &limits);
        assert_eq!((error.category(), error.keyword()), (Category::Interrupted, "db.error/function-limit"));
        assert!(error.message().contains("50 ms"));
    }
}
