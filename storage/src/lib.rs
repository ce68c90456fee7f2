//! Facts at rest: what a datom is, how facts are ordered, encoded, logged, and read back as of any moment.
//!
//! Rooms, in the order of a write: [`datom`] (the shape of a fact and its order), [`log`] (append, the durable
//! point), [`novelty`] (facts newer than any tree, sorted, in memory), [`index`] (the job that puts novelty to rest in
//! trees under a [`root`]), [`rest`] (one root, read through one [`cache`]), [`snapshot`] (what is at rest and what is
//! newer, under a view of time), and [`backend`] (the few primitives a storage engine must offer, and the engines that
//! offer them).
//!
//! This crate knows no attribute names, no schema and no query. It starts no thread and reads no clock.

pub mod anomaly;
pub mod backend;
pub mod cache;
pub mod datom;
pub mod error;
pub mod frame;
#[cfg(test)]
mod golden;
pub mod index;
pub mod log;
#[cfg(feature = "testing")]
pub mod measure;
pub mod novelty;
#[cfg(test)]
mod page;
pub mod rest;
pub mod root;
mod run;
pub mod snapshot;
mod tree;
mod wire;

pub use error::{Error, Result};
