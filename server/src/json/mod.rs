//! EDN values in JSON, both ways.
//!
//! Two readings of one notation. *Plain* is for people and dashboards: keywords are `":a/b"`, dates, decimals and
//! large integers are text, sets and lists are arrays. *Tagged* loses nothing: what JSON has no form for is an object
//! with one key that begins with a tilde, `{"~kw": "a/b"}`; writing it and reading it back gives the same value, also
//! through programs that know only one kind of number. Tagged objects are understood in plain JSON too, so that
//! every value can be sent. The table of all types stands in `docs/http.md`, and a test holds it to this code.

pub(crate) mod question;
pub(crate) mod read;
pub(crate) mod write;

pub(crate) use read::read;
pub(crate) use write::Json;

/// The two ways to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Types {
    /// Easy to use, loses types.
    Plain,
    /// Loses nothing.
    Tagged,
}

/// The largest integer that every JSON reader keeps: 2^53 - 1.
pub(crate) const SAFE: i64 = (1 << 53) - 1;

#[cfg(test)]
mod tests;
