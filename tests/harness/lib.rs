//! What the proofs share: the conformance runner, data sets with true answers, scripts, random numbers.
//!
//! The proofs themselves are the files beside this folder, one target each; `Cargo.toml` names them.

#![allow(clippy::print_stdout, clippy::print_stderr, clippy::disallowed_methods)]

pub mod binary;
pub mod conformance;
pub mod data;
pub mod engines;
pub mod http;
pub mod process;
mod random;
pub mod request;
mod shown;
pub mod text;

pub use random::Random;
pub use shown::shown;

use std::path::PathBuf;

/// The folder an environment variable names, if it is set. A relative one is looked for from here, then from the root
/// of the workspace, where the command was most likely typed.
pub fn folder_named(variable: &str) -> Option<PathBuf> {
    let named = PathBuf::from(std::env::var_os(variable)?);
    let from_root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(&named);
    Some(if named.exists() { named } else { from_root })
}
