//! What the engines have in common that others run: a thread that waits for answers, patience, and suspicion.
//!
//! Callers of an engine block, and may stand in a runtime of their own; what they wait for is asked on a thread of the
//! engine ([`Bridge`]). A failure that may pass is waited out, within bounds ([`Patience`]). A store that does not do
//! what it is told to do *if absent* is found out when it is opened ([`probe`]).

mod bridge;
#[cfg(feature = "wire")]
mod patience;
#[cfg(feature = "wire")]
pub(super) mod probe;
#[cfg(feature = "wire")]
pub(super) mod wire;

pub(super) use bridge::Bridge;
#[cfg(feature = "wire")]
pub(super) use patience::{Patience, Setback};

/// An error and what it came from: clients name the cause of theirs only so.
pub(super) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let text = next.to_string();
        if !told.contains(&text) {
            told = format!("{told}: {text}");
        }
        cause = next.source();
    }
    told
}

/// A number nobody else draws.
#[cfg(feature = "wire")]
pub(super) fn chance() -> crate::Result<u128> {
    let mut bytes = [0; 16];
    let drawn = getrandom::fill(&mut bytes);
    drawn
        .map_err(|error| crate::Error::Unavailable(format!("the system gives no random numbers: {error}")))?;
    Ok(u128::from_be_bytes(bytes))
}
