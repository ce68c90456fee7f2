//! Facts at rest: what a datom is, how facts are ordered, encoded, logged, and read back as of any moment.
//!
//! Rooms, in the order of a write: [`datom`] (the shape of a fact and its order), [`log`] (append, the durable
//! point), [`novelty`] (facts newer than any tree, sorted, in memory), [`snapshot`] (novelty under a view of time),
//! and [`backend`] (the few primitives a storage engine must offer, and the engines that offer them).
//!
//! This crate knows no attribute names, no schema and no query. It starts no thread and reads no clock.

pub mod anomaly;
pub mod backend;
pub mod datom;
pub mod error;
pub mod frame;
pub mod log;
pub mod novelty;
pub mod snapshot;
mod wire;

pub use error::{Error, Result};
