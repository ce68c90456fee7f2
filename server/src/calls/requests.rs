//! What became of requests that had a key.

use std::time::Duration;

use annals::{Category, RequestState, RequestStatus};

use crate::ask::Ask;
use crate::problem::Problem;
use crate::reply::{Doc, Reply};

/// How many requests are listed if nobody says.
const LISTED: u64 = 50;
/// The most that are listed.
const MOST: u64 = 1000;

/// One request, by its key; waits a while for its outcome if `wait` says so.
pub(crate) fn status(ask: &Ask) -> Result<Reply, Problem> {
    let key = ask.part("key");
    let limit = ask.shared.options.transact_timeout;
    let wait = ask.params.count("wait")?.map_or(Duration::ZERO, |millis| Duration::from_millis(millis).min(limit));
    match ask.connection()?.request(key, wait)? {
        Some(status) => Ok(Reply::doc(status_doc(&status))),
        None => Err(Problem::new(
            Category::NotFound,
            "db.error/unknown-request",
            format!("no request had the key {key:?}"),
        )
        .hint("a key is known from the moment a request with it was answered or taken in")),
    }
}

/// The newest requests, or those in one state among them.
pub(crate) fn list(ask: &Ask) -> Result<Reply, Problem> {
    let limit = ask.params.count("limit")?.unwrap_or(LISTED).min(MOST);
    let state = ask.params.get("state");
    let db = ask.now()?;
    let _ = ask.known.basis.set(db.basis_t());
    let told = db.requests(limit as usize)?;
    let wanted = told.iter().filter(|status| state.is_none_or(|state| status.state.name() == state));
    Ok(Reply::doc(Doc::List(wanted.map(status_doc).collect())))
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
