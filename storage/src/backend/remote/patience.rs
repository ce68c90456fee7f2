//! What may pass is waited out: an overloaded store, a broken connection, a server that restarts.
//!
//! Waiting is bounded; when it was in vain, calls fail at once until one succeeds. Whether a call took effect is never
//! guessed: if one attempt of it may have, its end is known only by an attempt that says so.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::backend::Failure;
use crate::error::Error;

/// The first and the longest pause between attempts.
const PAUSES: (Duration, Duration) = (Duration::from_millis(5), Duration::from_secs(1));

/// How an attempt failed.
#[derive(Debug)]
pub(in crate::backend) enum Setback {
    /// There is no use in trying again; this attempt had no effect.
    Refused(Error),
    /// It never reached the store, or was turned away: no effect. It may go better soon.
    Declined(String),
    /// It may have had its effect; it may go better soon.
    Doubtful(String),
}

/// How long is waited for a store.
#[derive(Debug)]
pub(in crate::backend) struct Patience {
    most: Duration,
    /// It was waited for in vain, and did not answer since.
    is_away: AtomicBool,
}

impl Patience {
    /// Waits as long as this for a store, in one call.
    pub(in crate::backend) fn new(most: Duration) -> Patience {
        Patience { most, is_away: AtomicBool::new(false) }
    }

    /// Attempts until one attempt ends, or for as long as is waited.
    pub(in crate::backend) async fn wait<V, W>(&self, mut attempt: impl FnMut() -> W) -> Result<V, Failure>
    where
        W: Future<Output = Result<V, Setback>>,
    {
        let (start, mut pause, mut doubt) = (Instant::now(), PAUSES.0, None);
        loop {
            let why = match attempt().await {
                Ok(value) => {
                    self.is_away.store(false, Ordering::Relaxed);
                    return Ok(value);
                }
                Err(Setback::Refused(error)) => match doubt {
                    None => return Err(Failure::Refused(error)),
                    Some(why) => return Err(Failure::Unknown(format!("{why}; then {error}"))),
                },
                Err(Setback::Declined(why)) => why,
                Err(Setback::Doubtful(why)) => doubt.insert(why).clone(),
            };
            if self.is_away.load(Ordering::Relaxed) || start.elapsed() + pause > self.most {
                self.is_away.store(true, Ordering::Relaxed);
                return Err(match doubt {
                    Some(why) => Failure::Unknown(why),
                    None => Failure::Refused(Error::Unavailable(why)),
                });
            }
            // Those who were turned away together come back apart.
            sleep(pause / 2 + pause.mul_f64(f64::from(spread()) / 512.0)).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }
}

fn spread() -> u8 {
    // Without chance they come back together, which costs time only.
    super::chance().map_or(0, |drawn| drawn as u8)
}
