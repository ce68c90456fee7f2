//! Entities as maps, by a pattern.
//!
//! ```text
//!   pattern  --prepare--> specs with attributes looked up
//!   entities --grow-----> nodes, each the entity of one map, level by level; a node comes after those it hangs from
//!               fetch     the facts of a level's entities, one ordered pass an attribute
//!            --gather---> maps, from the last node to the first
//! ```
//!
//! Nothing here recurses over the data, so its depth is no danger to the stack; that of the result is bounded, because
//! whoever prints or drops it does recurse. Entities are pulled together, as many as have no more nodes than one of
//! them may have by itself.
//!
//! What was decided: a plain reference is `{:db/id e}`; components are whole maps; a reference back through a component
//! attribute is one map. An entity met again on its own path, in a recursion or among components, is `{:db/id e}` and no
//! more. A map in which nothing was found is nil at the top and left out below it, and so is a collection of such. An
//! attribute that does not exist is had by nobody: it is left out, or has its default.

mod fetch;
mod gather;
mod grow;
mod prepare;

use annals_storage::datom::EntityId;

use crate::ast::PullPattern;
use crate::edn::Edn;
use crate::error::{Error, Result};
use crate::functions::Functions;
use crate::source::Source;

use prepare::Prepared;

/// How many values of an attribute with many are given, if the pattern does not say.
pub const LIMIT_DEFAULT: usize = 1000;

/// How many maps deep a result may be.
pub const DEPTH_MAX: usize = 500;

/// How many maps one entity's result may have.
pub const MAPS_MAX: usize = 1_000_000;

/// How many entities are pulled together.
const TOGETHER_MAX: usize = 1 << 14;

/// What the pattern says of each entity, in their order.
pub fn pull(source: &dyn Source, pattern: &PullPattern, entities: &[EntityId]) -> Result<Vec<Edn>> {
    pull_with(source, &Functions::default(), pattern, entities)
}

/// As [`pull`], with functions of the program for `:xform`.
pub fn pull_with(
    source: &dyn Source,
    functions: &Functions,
    pattern: &PullPattern,
    entities: &[EntityId],
) -> Result<Vec<Edn>> {
    pull_within(source, functions, pattern, entities, &|| Ok(()))
}

/// As [`pull_with`], as long as it is allowed; asked before every map.
pub fn pull_within(
    source: &dyn Source,
    functions: &Functions,
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
    let prepared = prepare::prepare(source, functions, pattern)?;
    bounded(source, &prepared, entities, MAPS_MAX, allow)
}

/// With at most so many maps of one entity, and so many at once.
fn bounded(
    source: &dyn Source,
    prepared: &Prepared<'_>,
    entities: &[EntityId],
    most: usize,
    allow: &dyn Fn() -> Result<()>,
) -> Result<Vec<Edn>> {
    let mut pulled = Vec::with_capacity(entities.len());
    let mut left: Vec<&[EntityId]> = entities.chunks(TOGETHER_MAX.min(most)).rev().collect();
    while let Some(some) = left.pop() {
        match grow::grow(source, prepared, some, most, allow)? {
            Some(grown) => pulled.extend(gather::gather(prepared, grown, most)?),
            None if some.len() == 1 => return Err(gather::too_large(most)),
            None => {
                let (first, second) = some.split_at(some.len() / 2);
                left.extend([second, first]);
            }
        }
    }
    Ok(pulled)
}

#[cfg(test)]
mod tests;
