//! Live logs: transactions told as they come, to as many as want them.
//!
//! ```text
//!   tailer    one thread a database that waits for newer transactions and keeps the newest ready (a ring)
//!   follower  one asker's place in a log: from the ring, or from the log itself for who is further behind
//!   wanted    which facts an asker wants
//!   events    a follower as a stream of events, and how such a stream ends
//! ```
//!
//! Invariants: nobody who listens delays a commit: the tailer waits on published values only, and askers wait on the tailer.
//! Each asker gets every transaction it wants once, in order; whatever ends its stream, it knows where to go on. An asker
//! costs a task and a few kilobytes, not a thread.

mod events;
mod follower;
mod tailer;
mod wanted;

use std::sync::Arc;
use std::time::Duration;

use annals::{Connection, T};
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::Response;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};

use crate::ask::Known;
use crate::calls::log;
use crate::json::Types;
use crate::media::{EVENTS, Media};
use crate::params::Params;
use crate::problem::Problem;
use crate::reply::Reply;
use crate::shared::Shared;

use follower::Follower;
pub(crate) use tailer::Tails;
pub(crate) use wanted::Wanted;

/// How many followers may read the log itself at once.
pub(crate) const CATCH_UP: usize = 4;

/// Tells proxies not to hold events back.
const NO_BUFFER: HeaderName = HeaderName::from_static("x-accel-buffering");

/// How a live log is to be told.
#[derive(Debug)]
pub(crate) struct Start {
    /// The database.
    pub(crate) connection: Connection,
    /// Which facts are wanted.
    pub(crate) wanted: Wanted,
    /// The last transaction that the asker knows.
    pub(crate) after: T,
    /// As events, for as long as the asker stays; else one answer.
    pub(crate) events: bool,
    /// How long one answer may wait for news.
    pub(crate) wait: Duration,
    /// How many transactions one answer holds at most.
    pub(crate) limit: usize,
    /// The form of the transactions.
    pub(crate) media: Media,
    /// How JSON is written.
    pub(crate) types: Types,
    /// The address, to say where the next answer goes on.
    pub(crate) path: String,
    /// Its parameters.
    pub(crate) params: Params,
}

/// Begins a live log. The permit is given back when the asker is gone.
pub(crate) async fn answer(
    shared: &Arc<Shared>,
    start: Start,
    permit: Option<OwnedSemaphorePermit>,
    known: &Known,
) -> Result<Response, Problem> {
    let follower = shared.tails.follow(&start);
    if !start.events {
        return poll(shared, start, follower, known).await;
    }
    let mut response = Response::new(Body::from_stream(events::feed(shared, &start, follower, permit)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(EVENTS));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::VARY, HeaderValue::from_static("accept, accept-encoding, content-type"));
    headers.insert(NO_BUFFER, HeaderValue::from_static("no"));
    Ok(response)
}

/// One answer: what there is, as soon as there is something.
async fn poll(
    shared: &Arc<Shared>,
    start: Start,
    mut follower: Follower,
    known: &Known,
) -> Result<Response, Problem> {
    let until = Instant::now() + start.wait;
    let _waiting = shared.metrics.waiting.count();
    let mut draining = shared.draining();
    let mut found = Vec::new();
    loop {
        found.extend(follower.take(start.limit).await?);
        if !found.is_empty() {
            break;
        }
        tokio::select! {
            moved = timeout_at(until, follower.news()) => match moved {
                Ok(moved) => moved?,
                Err(_) => break,
            },
            _ = draining.wait_for(|draining| *draining) => break,
        }
    }
    let _ = known.basis.set(follower.seen());
    let after = follower.seen().to_string();
    let next = format!("{}?{}", start.path, start.params.with(&[("after", after)]));
    let rendering = tokio::task::spawn_blocking(move || {
        let txs: Vec<_> = found.into_iter().map(|told| told.into_tx()).collect();
        let mut reply = Reply::new(log::content(start.media, &start.connection.db(), &txs));
        reply.next = Some(next);
        reply.into_response(start.media, start.types)
    });
    rendering.await.unwrap_or_else(|_| Err(Problem::panicked()))
}
