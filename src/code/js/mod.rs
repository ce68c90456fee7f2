//! Functions in JavaScript: read once, called within limits, and without a yesterday.
//!
//! A script is a module in strict mode. What it exports says what it is for ([`Role`](super::Role)), and is called as
//! `(db, …arguments, ctx)`. It has no clock, no chance, no code from text, no promises and no integers of any size (their
//! operators cannot be stopped); what it asks of the database is `db.q`, `db.pull`, `db.entity` and `db.values`. What of a
//! call is the same each time (arguments, database, moment) decides its result and its steps.
//!
//! The text becomes a function ([`exports`]), which lives in an engine of its own ([`realm`]) behind a prelude that
//! guards and freezes what the language brings; a [`gauge`] measures, a [`bridge`] carries values ([`values`]) over. An
//! [`allowance`] bounds all calls of one transaction together. What becomes of the data that is made says whoever called.

mod allowance;
mod bridge;
mod exact;
mod exports;
mod gauge;
mod host;
mod kept;
mod realm;
mod script;
#[cfg(test)]
mod tests;
mod values;

pub(crate) use {allowance::Allowance, kept::Scripts, script::Script};

pub use gauge::Limits;
