//! Moments: where the time comes from, and how a moment of a database's past is named.
//!
//! Instants are microseconds since 1970-01-01T00:00:00Z. The core reads no clock of its own: whoever opens a storage
//! hands in a [`Clock`] and [`Chance`], and [`SystemClock`] and [`SystemChance`] are the two places that ask the
//! operating system.

use annals_query::Stopwatch;
use annals_query::edn::{self, Edn};
use annals_storage::datom::{EntityId, Partition, T};

use crate::error::{Error, Result};

/// Where the time comes from: microseconds since 1970. [`SystemClock`] is the default; tests hand in their own.
pub trait Clock: Send + Sync {
    /// The time now, in microseconds since 1970.
    fn now_micros(&self) -> i64;
}

/// The operating system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place of the library that asks for the time")]
    fn now_micros(&self) -> i64 {
        let now = std::time::SystemTime::now();
        match now.duration_since(std::time::UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
            Err(_) => 0,
        }
    }
}

/// Time that never goes back, for deadlines: it begins when it is made.
pub(crate) fn stopwatch() -> Stopwatch {
    let begun = std::time::Instant::now();
    Stopwatch::new(move || begun.elapsed())
}

/// Time that the thread works, whatever else the machine is busy with. It is read where it is made.
#[cfg(all(feature = "js", unix))]
pub(crate) fn workwatch() -> Stopwatch {
    use std::time::Duration;
    let worked = || {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        let (seconds, nanos) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
        Duration::new(seconds.unwrap_or_default(), nanos.unwrap_or_default())
    };
    let begun = worked();
    Stopwatch::new(move || worked().saturating_sub(begun))
}

/// Where the system does not tell how long a thread works: time.
#[cfg(all(feature = "js", not(unix)))]
pub(crate) fn workwatch() -> Stopwatch {
    stopwatch()
}

/// Where random numbers come from: ids of databases and of log batches.
pub trait Chance: Send + Sync {
    /// A number nobody else has.
    fn next_id(&self) -> Result<u128>;
}

/// The operating system's source of random numbers.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemChance;

impl Chance for SystemChance {
    fn next_id(&self) -> Result<u128> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|error| {
            Error::new(
                annals_storage::anomaly::Category::Unavailable,
                "db.error/no-random-numbers",
                format!("the operating system gives no random numbers: {error}"),
            )
        })?;
        Ok(u128::from_le_bytes(bytes))
    }
}

/// A point in a database's time: a transaction's number, or an instant.
///
/// A transaction's entity id is as good as its number. An instant stands for the newest transaction that is not
/// younger than it.
///
/// ```
/// use annals::{EntityId, TimePoint};
/// assert_eq!(TimePoint::parse("1042")?, TimePoint::T(1042));
/// assert_eq!(TimePoint::from(EntityId::of_t(7)), TimePoint::T(7));
/// assert_eq!(TimePoint::parse("1970-01-02")?, TimePoint::Instant(86_400_000_000));
/// # Ok::<(), annals::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimePoint {
    /// A transaction, by number; it is included in what is "as of" it and left out of what is "since" it.
    T(T),
    /// Microseconds since 1970.
    Instant(i64),
}

impl TimePoint {
    /// Reads `1042`, a transaction entity's id, `2024-05-01`, `2024-05-01T10:00:00Z`, `#inst "…"`.
    pub fn parse(text: &str) -> Result<TimePoint> {
        let text = text.trim();
        if let Ok(number) = text.parse::<T>() {
            return Ok(TimePoint::from(number));
        }
        if let Some(micros) = edn::instant::parse(text) {
            return Ok(TimePoint::Instant(micros));
        }
        match edn::read_one(text) {
            Ok(form) => TimePoint::from_edn(&form.to_edn()),
            Err(_) => Err(not_a_point(text)),
        }
    }

    /// From an integer (t or transaction entity) or an instant.
    pub fn from_edn(point: &Edn) -> Result<TimePoint> {
        match point {
            Edn::Int(number) if *number >= 0 => Ok(TimePoint::from(*number as T)),
            Edn::Inst(micros) => Ok(TimePoint::Instant(*micros)),
            other => Err(not_a_point(&other.to_string())),
        }
    }
}

fn not_a_point(text: &str) -> Error {
    Error::incorrect("db.error/invalid-time-point", format!("{text} is no point in time"))
        .with_hint("give a transaction's number or entity id, or an instant like 2024-05-01T10:00:00Z")
}

impl From<T> for TimePoint {
    /// A number in the transaction partition is a transaction entity, any other a t.
    fn from(number: T) -> TimePoint {
        TimePoint::T(EntityId(number).t().unwrap_or(number))
    }
}

impl From<EntityId> for TimePoint {
    /// A transaction's entity; any other id counts as a t of that size.
    fn from(tx: EntityId) -> TimePoint {
        TimePoint::from(tx.0)
    }
}

/// True if the id can be that of a transaction.
pub(crate) fn is_tx(e: EntityId) -> bool {
    e.partition() == Partition::TX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_a_transaction_and_an_instant_are_points() {
        assert_eq!(TimePoint::parse(" 12 ").unwrap(), TimePoint::T(12));
        assert_eq!(TimePoint::parse(&EntityId::of_t(12).to_string()).unwrap(), TimePoint::T(12));
        assert_eq!(
            TimePoint::parse("#inst \"1970-01-01T00:00:01Z\"").unwrap(),
            TimePoint::Instant(1_000_000)
        );
        assert_eq!(TimePoint::parse("1970-01-01T00:00:01Z").unwrap(), TimePoint::Instant(1_000_000));
    }

    #[test]
    fn anything_else_is_refused_by_name() {
        for text in ["", "yesterday", "-3", "[1]", "2024-13-01", "\"x"] {
            let error = TimePoint::parse(text).unwrap_err();
            assert_eq!(error.keyword(), "db.error/invalid-time-point", "{text}");
        }
    }
}
