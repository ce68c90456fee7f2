//! Functions in JavaScript: read once, called within limits, and without a yesterday.
//!
//! A script is a module in strict mode. Its default export is called as `(db, …arguments, ctx)` and gives transaction
//! data; other exports are called by name. It has no clock, no chance, no code from text, no promises and no integers of
//! any size (their operators cannot be stopped); what it asks of the database is `db.q`, `db.pull`, `db.entity` and
//! `db.values`. What of a call is the same each time (arguments, database, moment) decides its result and its steps.
//!
//! The text becomes a function ([`exports`]), which lives in an engine of its own ([`realm`]) behind a prelude that
//! guards and freezes what the language brings; a [`gauge`] measures, a [`bridge`] carries values ([`values`]) over. This
//! room does not know transactions: it gives data, and whoever called it decides what becomes of them.

mod bridge;
mod exact;
mod exports;
mod gauge;
mod host;
mod realm;
mod scripts;
#[cfg(test)]
mod tests;
mod values;

#[allow(unused_imports, reason = "for whoever calls scripts inside of transactions")]
pub(crate) use {
    bridge::{Call, Moment},
    host::Host,
    realm::Shape,
    scripts::{Made, Scripts},
};

pub use gauge::Limits;
pub use scripts::Script;
