//! A request as the calls see it: whole, checked as far as the door can, and without HTTP.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use annals::{Connection, T};
use tokio::sync::watch;

use crate::demand::Demand;
use crate::fields::{Body, Fields};
use crate::json::Types;
use crate::media::Media;
use crate::params::Params;
use crate::problem::{Problem, Written};
use crate::quick::{self, Quick};
use crate::reply::{Content, Reply};
use crate::shared::Shared;
use crate::view::{Lens, Moment, Stamp};

/// One request.
#[derive(Debug)]
pub(crate) struct Ask {
    /// What all requests share.
    pub(crate) shared: Arc<Shared>,
    /// The path, as it was sent.
    pub(crate) path: String,
    /// The parts of the path that vary, by name.
    pub(crate) parts: Vec<(String, String)>,
    /// The parameters of the address.
    pub(crate) params: Params,
    /// The body, not yet read; empty for calls without one.
    pub(crate) body: String,
    /// The form of the body.
    pub(crate) body_media: Media,
    /// The form of the answer.
    pub(crate) media: Media,
    /// The answer is to be a stream of events.
    pub(crate) events: bool,
    /// The last event that the asker has seen.
    pub(crate) last_event: Option<T>,
    /// How JSON is written, and how text in JSON is taken.
    pub(crate) types: Types,
    /// What the asker has already.
    pub(crate) has_tags: Vec<String>,
    /// The key by which the request is recognised when it is sent again.
    pub(crate) key: Option<String>,
    /// The asker does not wait for the outcome.
    pub(crate) is_async: bool,
    /// How new the answer must be.
    pub(crate) demand: Demand,
    /// It was handed over by another process: it is written here or refused.
    pub(crate) is_handed_over: bool,
    /// It is tried on the spot: it may not wait for anything, nor take long ([`crate::quick`]).
    pub(crate) on_the_spot: bool,
    /// What was asked, if it can be asked on the spot.
    pub(crate) question: OnceLock<u64>,
    /// Set when the asker is gone or the time is up.
    pub(crate) cancel: Arc<AtomicBool>,
    /// What is known of the database so far.
    pub(crate) known: Arc<Known>,
    /// How long the call may take from its beginning; the shell watches it.
    pub(crate) limit: watch::Sender<Duration>,
}

/// What the door learns while a call runs, for the headers of its answer or of its error.
#[derive(Default)]
pub(crate) struct Known {
    /// The database that the path names.
    pub(crate) connection: OnceLock<Connection>,
    /// The basis of the answer.
    pub(crate) basis: OnceLock<T>,
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Known").field("basis", &self.basis).finish_non_exhaustive()
    }
}

impl Ask {
    /// A part of the path.
    pub(crate) fn part(&self, name: &str) -> &str {
        self.parts.iter().find(|(other, _)| other == name).map_or("", |(_, value)| value)
    }

    /// The body, read.
    pub(crate) fn body(&self) -> Result<Body, Problem> {
        match self.body_media {
            _ if self.body.trim().is_empty() => Ok(Body::Empty),
            Media::Json => Body::json(&self.body, self.types),
            _ => Body::edn(&self.body),
        }
    }

    /// The database that the path names; it must be there.
    pub(crate) fn connection(&self) -> Result<Connection, Problem> {
        let connection = match self.on_the_spot {
            true => self.shared.known(self.part("db")).ok_or_else(quick::elsewhere)?,
            false => self.shared.database(self.part("db"))?,
        };
        Ok(self.known.connection.get_or_init(|| connection).clone())
    }

    /// False if it may wait for something, or is long to read.
    pub(crate) fn may_be_quick(&self) -> bool {
        self.demand.wait().is_zero() && self.params.get("timeout").is_none() && self.body.len() <= quick::BODY
    }

    /// Ends a try on the spot unless the question is known to be quick.
    pub(crate) fn allow_question(&self, text: &str) -> Result<(), Problem> {
        let mark = *self.question.get_or_init(|| Quick::mark(text));
        if self.on_the_spot && !self.shared.quick.knows(mark) { Err(quick::elsewhere()) } else { Ok(()) }
    }

    /// What a question that was tried on the spot failed by, or that it is to be asked again elsewhere.
    pub(crate) fn failed(&self, error: annals::Error, text: &Written) -> Problem {
        if self.on_the_spot && error.keyword() == "db.error/timeout" {
            return quick::elsewhere();
        }
        Problem::about(error, text)
    }

    /// The newest value of the database that the path names, when it has reached the basis that was demanded.
    pub(crate) fn now(&self) -> Result<annals::Db, Problem> {
        let connection = self.connection()?;
        let _waiting = self.shared.metrics.waiting.count();
        self.demand.meet(&connection)
    }

    /// The view that the body and the address ask for.
    pub(crate) fn lens(&self, fields: &mut Fields) -> Result<Lens, Problem> {
        let moment = Moment::of_request(fields, &self.params)?;
        let now = self.now()?;
        let _ = self.known.basis.set(now.basis_t());
        Ok(moment.of(&now))
    }

    /// Asks for less time than the server would give. A wait for a basis comes on top.
    pub(crate) fn limit_time(&self, millis: u64) {
        let wanted = Duration::from_millis(millis) + self.demand.wait();
        self.limit.send_if_modified(|limit| {
            let less = wanted < *limit;
            *limit = wanted.min(*limit);
            less
        });
    }

    /// What an answer to this request depends on.
    pub(crate) fn stamp(&self, lenses: &[&Lens]) -> Result<Stamp, Problem> {
        Stamp::new(&self.identity(), lenses)
    }

    /// What an answer to this request depends on, if all of it lies at or before `t`.
    pub(crate) fn stamp_at(&self, lens: &Lens, t: T) -> Result<Stamp, Problem> {
        Stamp::fixed(&self.identity(), lens, t)
    }

    /// The short answer, if the asker has the long one already.
    pub(crate) fn unchanged(&self, stamp: &Stamp) -> Option<Reply> {
        let strong = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag).to_owned();
        let has = self.has_tags.iter().any(|tag| strong(tag) == strong(&stamp.tag));
        has.then(|| {
            let mut reply = Reply::new(Content::Unchanged).stamped(stamp.clone());
            reply.status = axum::http::StatusCode::NOT_MODIFIED;
            reply
        })
    }

    /// A page's address: the path, and the parameters with some set anew.
    pub(crate) fn page(&self, set: &[(&str, String)]) -> String {
        format!("{}?{}", self.path, self.params.with(set))
    }

    /// All of the request that its answer depends on.
    fn identity(&self) -> Vec<u8> {
        let forms = (self.params.sorted(), self.media, self.body_media, self.types);
        let mut text = format!("{} {} {forms:?} ", self.path.len(), self.path).into_bytes();
        text.extend(self.body.as_bytes());
        text
    }
}
