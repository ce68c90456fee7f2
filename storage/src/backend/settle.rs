//! Unknown outcomes, settled.
//!
//! A fill whose reply is lost may have taken effect, may take effect later, or never. The one safe answer is to look
//! at the slot, and if it is empty to repeat the *same* bytes to the *same* slot: whoever stands there in the end has
//! won, and the caller's own bytes standing there is success. Treating the lost reply as success, or going on to the
//! next slot, breaks the log. Retries are bounded; there is no waiting here, an engine waits inside its calls.

use super::{Failure, Filled, Sequence, Storage};
use crate::error::{Error, Result};

/// How often a call is made before its outcome is reported as unknown.
pub const ATTEMPTS: usize = 8;

/// Fills a slot and knows how it ended, or fails with [`Error::OutcomeUnknown`].
///
/// The bytes must be the caller's alone (hold something random): equal bytes in the slot count as its own.
pub fn fill(storage: &dyn Storage, sequence: Sequence, number: u64, bytes: &[u8]) -> Result<Filled> {
    let fill = || storage.fill_slot(sequence, number, bytes);
    let read = || storage.read_slots(sequence, number, 1).map(|slots| slots.into_iter().next());
    settle(bytes, || sequence.slot(number), fill, read)
}

/// As [`fill`], of anything that is created only if it is absent.
pub(super) fn settle(
    bytes: &[u8],
    place: impl FnOnce() -> String,
    mut create: impl FnMut() -> Result<Filled, Failure>,
    mut read: impl FnMut() -> Result<Option<Vec<u8>>, Failure>,
) -> Result<Filled> {
    let mut doubt: Option<Failure> = None;
    for _ in 0..ATTEMPTS {
        match create() {
            Ok(Filled::Taken(there)) if there == bytes => return Ok(Filled::Done),
            Ok(known) => return Ok(known),
            Err(Failure::Refused(error)) if doubt.is_none() => return Err(error),
            Err(failure) => doubt = Some(failure),
        }
        if let Ok(Some(there)) = read() {
            return Ok(if there == bytes { Filled::Done } else { Filled::Taken(there) });
        }
    }
    let why = doubt.map(|failure| failure.to_string()).unwrap_or_default();
    Err(Error::OutcomeUnknown { place: place(), why })
}

/// Repeats a call that is safe to repeat (a read, or an idempotent write) while its reply is lost.
pub fn repeat<V>(mut call: impl FnMut() -> Result<V, Failure>) -> Result<V> {
    for _ in 1..ATTEMPTS {
        match call() {
            Err(Failure::Unknown(_)) => {}
            Ok(value) => return Ok(value),
            Err(Failure::Refused(error)) => return Err(error),
        }
    }
    Ok(call()?)
}
