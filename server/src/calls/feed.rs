//! The log as it is stored, for other processes that follow it.

use std::time::Duration;

use crate::ask::Ask;
use crate::problem::Problem;
use crate::reply::{Content, Reply};

/// The longest that one call waits for something new.
const MOST: Duration = Duration::from_secs(30);

/// Some frames from batch `from` on, one after the other; if there are none yet, waits up to `wait` milliseconds.
pub(crate) fn feed(ask: &Ask) -> Result<Reply, Problem> {
    let from = ask.params.count("from")?.unwrap_or(0);
    let wait = ask.params.count("wait")?.map_or(Duration::ZERO, Duration::from_millis).min(MOST);
    // The wait comes on top of what a read may take.
    ask.limit.send_modify(|limit| *limit += wait);
    let frames = ask.connection()?.feed(from, wait)?;
    Ok(Reply::new(Content::Bytes(frames.concat())))
}
