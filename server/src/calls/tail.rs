//! Where a live log begins, and what of it is wanted.

use std::time::Duration;

use crate::ask::Ask;
use crate::problem::Problem;
use crate::reply::{Content, Reply};
use crate::tail::{Start, Wanted};

/// The most transactions that one answer without events holds.
const MOST: u64 = 1000;

/// The transactions after Last-Event-ID (or `after`), else those that come from now on; with `attr` and `entity` only the
/// facts about these, and only transactions that have some.
pub(crate) fn tail(ask: &Ask) -> Result<Reply, Problem> {
    let connection = ask.connection()?;
    let db = connection.db();
    let most = ask.shared.options.basis_timeout;
    let start = Start {
        wanted: Wanted::of(&ask.params, &db)?,
        after: ask
            .last_event
            .map_or_else(|| ask.params.count("after"), |t| Ok(Some(t)))?
            .unwrap_or(db.basis_t()),
        wait: ask.params.count("wait")?.map_or(most, |millis| Duration::from_millis(millis).min(most)),
        limit: ask.params.count("limit")?.unwrap_or(MOST).clamp(1, MOST) as usize,
        events: ask.events,
        media: ask.media,
        types: ask.types,
        path: ask.path.clone(),
        params: ask.params.clone(),
        connection,
    };
    Ok(Reply::new(Content::Tail(Box::new(start))))
}
