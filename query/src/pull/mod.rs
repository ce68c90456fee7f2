//! Entities as maps, by a pattern.
//!
//! ```text
//!   pattern --prepare--> specs with attributes looked up
//!   entity  --grow-----> nodes, each the entity of one map; a node comes after the one it hangs from
//!           --gather---> maps, from the last node to the first
//! ```
//!
//! Nothing here recurses over the data, so its depth is no danger to the stack; that of the result is bounded, because
//! whoever prints or drops it does recurse.
//!
//! What was decided: a plain reference is `{:db/id e}`; components are whole maps; a reference back through a component
//! attribute is one map. An entity met again on its own path, in a recursion or among components, is `{:db/id e}` and no
//! more. A map in which nothing was found is nil at the top and left out below it, and so is a collection of such. An
//! attribute that does not exist is had by nobody: it is left out, or has its default.

mod gather;
mod grow;
mod prepare;

use annals_storage::datom::EntityId;

use crate::ast::PullPattern;
use crate::edn::Edn;
use crate::error::{Error, Result};
use crate::source::Source;

/// How many values of an attribute with many are given, if the pattern does not say.
pub const LIMIT_DEFAULT: usize = 1000;

/// How many maps deep a result may be.
pub const DEPTH_MAX: usize = 500;

/// How many maps one entity's result may have.
pub const MAPS_MAX: usize = 1_000_000;

/// What the pattern says of each entity, in their order.
pub fn pull(source: &dyn Source, pattern: &PullPattern, entities: &[EntityId]) -> Result<Vec<Edn>> {
    pull_within(source, pattern, entities, &|| Ok(()))
}

/// As [`pull`], as long as it is allowed; asked before every map.
pub fn pull_within(
    source: &dyn Source,
    pattern: &PullPattern,
    entities: &[EntityId],
    allow: &dyn Fn() -> Result<()>,
) -> Result<Vec<Edn>> {
    if source.is_history() {
        return Err(Error::incorrect(
            "db.error/unsupported-on-history",
            "pull has no meaning over a history",
        )
        .hint("pull from the database as of a moment, or query the history"));
    }
    let prepared = prepare::prepare(source, pattern)?;
    entities.iter().map(|e| gather::gather(grow::grow(source, &prepared, *e, allow)?)).collect()
}

#[cfg(test)]
mod tests;
