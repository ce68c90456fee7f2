//! What became of requests that had a key.

use std::time::Duration;

use annals::{Category, RequestState, RequestStatus};

use crate::ask::Ask;
use crate::params;
use crate::problem::Problem;
use crate::reply::{Doc, Reply};

/// How many requests are listed if nobody says.
const LISTED: u64 = 50;
/// The most that are listed.
const MOST: u64 = 1000;

/// The states there are.
const STATES: [&str; 4] = ["received", "committed", "rejected", "failed"];

/// One request, by its key; waits a while for its outcome if `wait` says so.
pub(crate) fn status(ask: &Ask) -> Result<Reply, Problem> {
    let key = ask.part("key");
    let most = ask.shared.options.basis_timeout;
    let wait =
        ask.params.count("wait")?.map_or(Duration::ZERO, |millis| Duration::from_millis(millis).min(most));
    // The wait comes on top of what a read may take.
    ask.limit.send_modify(|limit| *limit += wait);
    let connection = ask.connection()?;
    let waiting = ask.shared.metrics.waiting.count();
    let status = connection.request(key, wait)?.ok_or_else(|| unknown(key))?;
    drop(waiting);
    let mut reply = Reply::doc(status_doc(&status));
    reply.is_pending = !status.state.is_final();
    Ok(reply)
}

/// No request had this key.
pub(super) fn unknown(key: &str) -> Problem {
    let message = format!("no request had the key {key:?}");
    Problem::new(Category::NotFound, "db.error/unknown-request", message)
        .hint("a key is known from the moment a request with it was answered or taken in")
}

/// The newest requests; with `state`, those in it among the newest thousand.
pub(crate) fn list(ask: &Ask) -> Result<Reply, Problem> {
    let limit = ask.params.count("limit")?.unwrap_or(LISTED).min(MOST) as usize;
    let state = ask.params.get("state");
    if let Some(other) = state.filter(|state| !STATES.contains(state)) {
        return Err(params::bad("state", other, "received, committed, rejected or failed"));
    }
    let db = ask.now()?;
    let _ = ask.known.basis.set(db.basis_t());
    let told = db.requests(if state.is_some() { MOST as usize } else { limit })?;
    let wanted = told.iter().filter(|status| state.is_none_or(|state| status.state.name() == state));
    Ok(Reply::doc(Doc::List(wanted.take(limit).map(status_doc).collect())))
}

/// A status as it is told.
pub(super) fn status_doc(status: &RequestStatus) -> Doc {
    let mut fields = vec![
        ("key", Doc::text(status.key.as_str())),
        ("state", Doc::Word(status.state.name().to_owned())),
        ("final", Doc::from(annals::Edn::Bool(status.state.is_final()))),
    ];
    fields.extend(status.taken_in.map(|t| ("taken-in-t", t.into())));
    fields.extend(status.command.clone().map(|command| ("command", command.into())));
    match &status.state {
        RequestState::Received => {}
        RequestState::Committed { t } => fields.push(("t", (*t).into())),
        RequestState::Rejected { t, error } | RequestState::Failed { t, error } => {
            fields.push(("t", (*t).into()));
            fields.push(("problem", Problem::from(error.clone()).into_doc()));
        }
    }
    Doc::Map(fields)
}
