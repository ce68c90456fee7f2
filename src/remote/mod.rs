//! What this library asks another process over HTTP: to write a transaction, to read its storage, to feed its log.
//!
//! The calls are those of `docs/http.md`, in EDN. A failure says whether the other can have done what it was asked.

#[cfg(feature = "remote")]
mod client;
#[cfg(feature = "remote")]
mod storage;
#[cfg(not(feature = "remote"))]
mod unbuilt;

use std::collections::BTreeMap;

use annals_storage::datom::{EntityId, T};

use crate::error::Error;

#[cfg(feature = "remote")]
pub(crate) use client::Client;
#[cfg(feature = "remote")]
pub(crate) use storage::HttpStorage;
#[cfg(not(feature = "remote"))]
pub(crate) use unbuilt::Client;

/// What became of a transaction.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) t: T,
    pub(crate) tempids: BTreeMap<String, EntityId>,
    /// It was carried out before.
    pub(crate) replayed: bool,
}

/// Why there is no such answer.
#[derive(Debug)]
#[cfg_attr(not(feature = "remote"), allow(dead_code))]
pub(crate) enum Lost {
    /// The other was not reached.
    NotSent(String),
    /// The other may have done it or not.
    Unknown(String),
    /// The other refuses.
    Refused(Error),
}
