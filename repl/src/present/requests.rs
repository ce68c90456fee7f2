//! What became of requests that had a key: rows for many, a map for one.

use std::collections::BTreeMap;

use annals::{Category, Edn, Error, RequestState, RequestStatus};

use super::{Sheet, Shown};
use crate::problem::{Problem, Result};

/// Requests as rows.
pub fn sheet(requests: &[RequestStatus]) -> Sheet {
    let row = |status: &RequestStatus| {
        let (t, error) = outcome(&status.state);
        vec![
            Edn::string(status.key.as_str()),
            Edn::keyword(status.state.name()),
            t,
            number(status.taken_in),
            status.command.clone().unwrap_or(Edn::Nil),
            Edn::string(error.map_or("", Error::message)),
        ]
    };
    Sheet::of_maps(&["key", "state", "t", "taken-in", "command", "why"], requests.iter().map(row).collect())
}

/// All that is known of one request.
pub fn in_full(status: &RequestStatus) -> Shown {
    let (t, error) = outcome(&status.state);
    let parts = [
        ("key", Edn::string(status.key.as_str())),
        ("state", Edn::keyword(status.state.name())),
        ("t", t),
        ("taken-in", number(status.taken_in)),
        ("command", status.command.clone().unwrap_or(Edn::Nil)),
        ("problem", error.map_or(Edn::Nil, problem)),
    ];
    Shown::Value(named(parts.into_iter().filter(|(_, part)| *part != Edn::Nil)))
}

/// The status, or the problem that no request had this key.
pub fn known(status: Option<RequestStatus>, key: &str) -> Result<RequestStatus> {
    status.ok_or_else(|| {
        Problem::new(
            Category::NotFound,
            "db.error/unknown-request",
            format!("no request had the key {key:?}"),
        )
        .hint("without a key, the newest requests are listed")
    })
}

/// The transaction that ended it, and why it was refused.
fn outcome(state: &RequestState) -> (Edn, Option<&Error>) {
    match state {
        RequestState::Received => (Edn::Nil, None),
        RequestState::Committed { t } => (number(Some(*t)), None),
        RequestState::Rejected { t, error } | RequestState::Failed { t, error } => {
            (number(Some(*t)), Some(error))
        }
    }
}

fn number(t: Option<annals::T>) -> Edn {
    t.map_or(Edn::Nil, |t| Edn::Int(t as i64))
}

fn problem(error: &Error) -> Edn {
    let mut parts = vec![
        ("category", Edn::keyword(error.category().name())),
        ("keyword", Edn::keyword(error.keyword())),
        ("message", Edn::string(error.message())),
        ("data", Edn::Map(error.data().clone())),
    ];
    parts.extend(error.hint().map(|hint| ("hint", Edn::string(hint))));
    named(parts)
}

fn named<'n>(parts: impl IntoIterator<Item = (&'n str, Edn)>) -> Edn {
    Edn::Map(parts.into_iter().map(|(name, part)| (Edn::keyword(name), part)).collect::<BTreeMap<_, _>>())
}
