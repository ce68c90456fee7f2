//! How new an answer must be, as a request says it: in the address, or in headers, which clients can set once for all.
//!
//! ```text
//!   min-t=T             Annals-Min-T: T             nothing older than transaction T
//!   sync=head           Annals-Sync: head           all that was written before this was asked, whoever wrote it
//!   max-staleness=MS    Annals-Max-Staleness: MS    known to have been the newest so many milliseconds ago
//!                       Annals-Session: NAME@T      what an answer gave: nothing older than what this client saw
//!   wait=MS             Annals-Wait: MS             how long to wait for it
//! ```
//!
//! An answer is never older than what was demanded: it waits, or fails.

use std::time::Duration;

use annals::{Category, Connection, Db, T};
use axum::http::HeaderMap;

use crate::params::{self, Params};
use crate::problem::Problem;

/// What a request demands.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Demand {
    min_t: Option<T>,
    head: bool,
    staleness: Option<Duration>,
    /// How long to wait for it.
    wait: Duration,
}

impl Demand {
    /// Of a request about this database, which waits no longer than `most`.
    pub(crate) fn of(
        params: &Params,
        headers: &HeaderMap,
        database: &str,
        most: Duration,
    ) -> Result<Demand, Problem> {
        let header = |name: &'static str| headers.get(name).and_then(|value| value.to_str().ok());
        let said = |param: &'static str, name: &'static str| params.get(param).or(header(name));
        let number = |param: &'static str, name: &'static str| {
            said(param, name).map(|text| params::whole_number(param, text)).transpose()
        };
        let wait =
            number("wait", "annals-wait")?.map_or(most, |millis| Duration::from_millis(millis).min(most));
        let head = match said("sync", "annals-sync") {
            None => false,
            Some("head") => true,
            Some(other) => return Err(params::bad("sync", other, "head")),
        };
        let staleness = number("max-staleness", "annals-max-staleness")?.map(Duration::from_millis);
        let seen = header("annals-session").map(|token| session(token, database)).transpose()?.flatten();
        let min_t = number("min-t", "annals-min-t")?.max(seen);
        Ok(Demand { min_t, head, staleness, wait })
    }

    /// How long the answer may have to wait, beside its own time.
    pub(crate) fn wait(&self) -> Duration {
        let waits = self.min_t.is_some() || self.head || self.staleness.is_some();
        if waits { self.wait } else { Duration::ZERO }
    }

    /// A value that is as new as demanded.
    pub(crate) fn meet(&self, connection: &Connection) -> Result<Db, Problem> {
        let mut db = connection.db();
        if let Some(t) = self.min_t.filter(|t| db.basis_t() < *t) {
            // Whatever ends the wait, what counts is the basis that was reached.
            let outcome = connection.sync(t, self.wait);
            db = connection.db();
            if db.basis_t() < t {
                return Err(match outcome {
                    Err(error) if error.category() == Category::NotFound => error.into(),
                    _ => Problem::basis_not_reached(t, db.basis_t()),
                });
            }
        }
        if self.head || self.staleness.is_some_and(|most| connection.staleness() > most) {
            db = connection.sync_head(self.wait)?;
        }
        Ok(db)
    }
}

/// What a session has seen of this database: `NAME@T`, of several databases with commas between.
fn session(token: &str, database: &str) -> Result<Option<T>, Problem> {
    let mut seen = None;
    for part in token.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let bad = || params::bad("Annals-Session", part, "what an answer gave, like main@42");
        let (name, t) = part.rsplit_once('@').ok_or_else(bad)?;
        let t = t.parse().map_err(|_| bad())?;
        if name == database {
            seen = seen.max(Some(t));
        }
    }
    Ok(seen)
}

/// The token of a session that has seen this.
pub(crate) fn token(database: &str, t: T) -> String {
    format!("{database}@{t}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_remembers_what_it_saw_of_each_database() {
        assert_eq!(session(&token("main", 42), "main").unwrap(), Some(42));
        assert_eq!(session("a@1, main@7,b@3,main@5", "main").unwrap(), Some(7));
        assert_eq!(session("a@1", "main").unwrap(), None);
        for bad in ["main", "main@", "main@x", "main@-1"] {
            assert!(session(bad, "main").is_err(), "{bad}");
        }
    }
}
