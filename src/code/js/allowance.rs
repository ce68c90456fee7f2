//! What all calls of scripts in one transaction have together.
//!
//! Each call is bounded by its [`Limits`]; a transaction may make many. Here is counted how long they took, so that the
//! last ones get what the first have left, and how many they are, so that no two make the same ids.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::gauge::{Limit, Limits, micros};
use crate::code::Code;
use crate::error::Result;

/// What is left for the scripts of one transaction.
pub(crate) struct Allowance {
    limits: Limits,
    /// Microseconds.
    left: AtomicU64,
    calls: AtomicU64,
}

impl Allowance {
    /// That of a transaction that begins: the time that stored code may take.
    pub(crate) fn new(code: &Code) -> Allowance {
        Allowance {
            limits: code.limits(),
            left: AtomicU64::new(micros(code.time())),
            calls: AtomicU64::new(0),
        }
    }

    /// The number of the next call, and what it may use up.
    pub(super) fn next(&self, name: &str) -> Result<(u64, Limits)> {
        let left = Duration::from_micros(self.left.load(Relaxed));
        if left.is_zero() {
            return Err(Limit::Time.error(name, &Limits { time: left, ..self.limits }));
        }
        let limits = Limits { time: self.limits.time.min(left), ..self.limits };
        Ok((self.calls.fetch_add(1, Relaxed), limits))
    }

    /// A call took so long.
    pub(super) fn spend(&self, time: Duration) {
        let left = self.left.load(Relaxed).saturating_sub(micros(time));
        self.left.store(left, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_call_has_what_the_others_left() {
        let code = Code::new().within(Duration::from_millis(250));
        let allowance = Allowance::new(&code);
        let full = code.limits().time;
        assert_eq!(allowance.next("a").unwrap(), (0, code.limits()));
        allowance.spend(Duration::from_millis(249));
        let (number, limits) = allowance.next("a").unwrap();
        assert_eq!((number, limits.time), (1, full.min(Duration::from_millis(1))));
        allowance.spend(Duration::from_millis(2));
        assert_eq!(allowance.next("a").unwrap_err().keyword(), "db.error/function-limit");
    }
}
