//! The one async room: what happens to every request before and after its call.
//!
//! A request is checked (origin, method, parameters, media types, size), admitted or refused as busy, run on a thread
//! that may block, and answered, also when it panicked or its time is up. If the asker goes away, hyper drops the
//! future here, and with it a [`Leave`] that tells the query to stop. A transaction is never stopped half-way.

use std::any::Any;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use annals::Store;
use axum::body::{Body, BodyDataStream, Bytes};
use axum::extract::{FromRequestParts, Query, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::Response;
use futures_core::Stream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinHandle;

use crate::ask::{Ask, Known};
use crate::json::Types;
use crate::media::{self, Media};
use crate::options::ServerOptions;
use crate::params::{self, Params};
use crate::problem::Problem;
use crate::reply::{problem_response, put};
use crate::routes::{Call, Route, Work};

const BASIS_T: HeaderName = HeaderName::from_static("annals-basis-t");
/// Names a request, so that it is carried out once however often it is sent.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const HEAD_T: HeaderName = HeaderName::from_static("annals-head-t");
/// How much of a body that is too large is read and thrown away, so that the asker gets to read the answer.
const DRAINED_BYTES: usize = 64 << 20;

/// What all requests share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) store: StoreBox,
    pub(crate) options: ServerOptions,
    reads: Arc<Semaphore>,
    writes: Arc<Semaphore>,
}

impl Shared {
    pub(crate) fn new(store: Store, options: ServerOptions) -> Shared {
        let [reads, writes] = [options.reads, options.writes].map(|limit| Arc::new(Semaphore::new(limit)));
        Shared { store: StoreBox(store), options, reads, writes }
    }

    fn admit(&self, work: Work) -> Result<Option<OwnedSemaphorePermit>, Problem> {
        let (gate, what, limit) = match work {
            Work::Probe => return Ok(None),
            Work::Read => (&self.reads, "reads", self.options.reads),
            Work::Write => (&self.writes, "transactions", self.options.writes),
        };
        let permit = gate.clone().try_acquire_owned().map_err(|_| Problem::busy(what, limit))?;
        Ok(Some(permit))
    }
}

/// The store; its debug text is its address.
pub(crate) struct StoreBox(Store);

impl std::ops::Deref for StoreBox {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.0
    }
}

impl std::fmt::Debug for StoreBox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.address())
    }
}

/// Tells a running call, when it goes out of scope, that nobody waits for it any more.
struct Leave(Arc<AtomicBool>);

impl Drop for Leave {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Answers one request, whatever happens.
pub(crate) async fn answer(shared: Arc<Shared>, route: Option<&'static Route>, request: Request) -> Response {
    let began = Instant::now();
    let (mut parts, body) = request.into_parts();
    let known = Arc::new(Known::default());
    let outcome = attempt(&shared, route, &mut parts, body, &known).await;
    let mut response = outcome.unwrap_or_else(|problem| {
        if problem.category() == annals::Category::Fault {
            tracing::error!(keyword = problem.keyword(), path = parts.uri.path(), "fault");
        }
        problem_response(problem, media::of_problem(&parts.headers))
    });
    say_basis(response.headers_mut(), &known);
    let (status, micros) = (response.status().as_u16(), began.elapsed().as_micros() as u64);
    tracing::info!(method = parts.method.as_str(), path = parts.uri.path(), status, micros, "answered");
    response
}

fn say_basis(headers: &mut HeaderMap, known: &Known) {
    let Some(connection) = known.connection.get() else { return };
    let head = connection.db().basis_t();
    let basis = known.basis.get().copied().unwrap_or(head);
    put(headers, BASIS_T, &basis.to_string());
    put(headers, HEAD_T, &head.max(basis).to_string());
}

async fn attempt(
    shared: &Arc<Shared>,
    route: Option<&'static Route>,
    parts: &mut Parts,
    body: Body,
    known: &Arc<Known>,
) -> Result<Response, Problem> {
    check_origin(&parts.headers, shared.options.insecure)?;
    let route = route.ok_or_else(|| Problem::unknown_path(parts.uri.path()))?;
    let method = parts.method.as_str();
    let unknown = || Problem::unknown_method(method, parts.uri.path(), route.allow());
    let call = route.call(method).ok_or_else(unknown)?;
    let mut ask = ask_of(shared, call, parts, known).await?;
    if call.body {
        ask.body_media = media::of_body(&parts.headers)?;
        ask.body = read_body(body, &parts.headers, &shared.options).await?;
    }
    run(shared, call, ask).await
}

/// The request, but for its body.
async fn ask_of(
    shared: &Arc<Shared>,
    call: &'static Call,
    parts: &mut Parts,
    known: &Arc<Known>,
) -> Result<Ask, Problem> {
    let refused = |text: String| Problem::incorrect("db.error/bad-address", text);
    let varying =
        RawPathParams::from_request_parts(parts, &()).await.map_err(|error| refused(error.to_string()))?;
    let Query(pairs) = Query::<Vec<(String, String)>>::from_request_parts(parts, &())
        .await
        .map_err(|error| refused(error.to_string()))?;
    let params = Params::new(pairs, call.params)?;
    let types = match params.get("types") {
        None | Some("plain") => Types::Plain,
        Some("tagged") => Types::Tagged,
        Some(other) => return Err(params::bad("types", other, "plain or tagged")),
    };
    let demand = demand(&params, &parts.headers, shared.options.basis_timeout)?;
    let most = shared.options.query_timeout + demand.map_or(Duration::ZERO, |(_, wait)| wait);
    let tags = parts.headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    Ok(Ask {
        shared: shared.clone(),
        path: parts.uri.path().to_owned(),
        parts: varying.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        key: parts.headers.get(IDEMPOTENCY_KEY).map(key_text).transpose()?,
        is_async: prefers(&parts.headers, "respond-async"),
        demand,
        limit: watch::Sender::new(most),
        params,
        body: String::new(),
        body_media: Media::Edn,
        media: media::of_answer(&parts.headers, call.rows)?,
        types,
        has_tags: tags.flat_map(|tags| tags.split(',')).map(|tag| tag.trim().to_owned()).collect(),
        cancel: Arc::new(AtomicBool::new(false)),
        known: known.clone(),
    })
}

/// A key is text, so that it can be a fact.
fn key_text(value: &HeaderValue) -> Result<String, Problem> {
    let text = std::str::from_utf8(value.as_bytes()).map(|text| text.trim().to_owned());
    text.map_err(|_| {
        Problem::incorrect("db.error/invalid-idempotency-key", "the Idempotency-Key is not UTF-8 text")
    })
}

/// True if a header Prefer (RFC 7240) names this preference.
fn prefers(headers: &HeaderMap, name: &str) -> bool {
    let said = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    said.flat_map(|text| text.split([',', ';'])).any(|part| part.trim().eq_ignore_ascii_case(name))
}

/// The basis that the answer must have reached (parameter or header), and how long to wait for it.
fn demand(params: &Params, headers: &HeaderMap, most: Duration) -> Result<Option<(u64, Duration)>, Problem> {
    let said = |param: &'static str, header: &'static str| {
        let header = headers.get(header).and_then(|value| value.to_str().ok());
        params.get(param).or(header).map(|text| params::whole_number(param, text)).transpose()
    };
    let wait = said("wait", "annals-wait")?.map_or(most, |millis| Duration::from_millis(millis).min(most));
    Ok(said("min-t", "annals-min-t")?.map(|t| (t, wait)))
}

/// Refuses what a page of another origin sends through its reader's browser: by the Origin it admits to, and, on an
/// address of this machine only, by a host name that leads here by trickery.
fn check_origin(headers: &HeaderMap, any_host: bool) -> Result<(), Problem> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text(header::HOST).unwrap_or_default();
    let foreign = |what: &str| {
        Problem::new(
            annals::Category::Forbidden,
            "db.error/foreign-origin",
            format!("{what} is not this server"),
        )
        .hint("pages of other origins may not use this server; see docs/http.md on proxies")
    };
    if let Some(origin) = text(header::ORIGIN) {
        let site = origin.split_once("://").map_or(origin, |(_, site)| site);
        if site != host {
            return Err(foreign(origin));
        }
    }
    let name = if host.starts_with('[') { host.split(']').next() } else { host.split(':').next() };
    let name = name.unwrap_or_default().trim_start_matches('[');
    let local = name.is_empty()
        || name == "localhost"
        || name.ends_with(".localhost")
        || name.parse::<std::net::IpAddr>().is_ok();
    if local || any_host { Ok(()) } else { Err(foreign(name)) }
}

async fn read_body(body: Body, headers: &HeaderMap, options: &ServerOptions) -> Result<String, Problem> {
    let limit = options.body_bytes;
    let said =
        headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    let mut stream = body.into_data_stream();
    let mut bytes = Vec::with_capacity(said.unwrap_or(0).min(limit));
    let mut total = 0;
    let late = |_| Problem::timed_out(options.query_timeout.as_millis());
    let reading = async {
        while let Some(chunk) = next(&mut stream).await? {
            total += chunk.len();
            if total <= limit {
                bytes.extend_from_slice(&chunk);
            } else if total > limit.saturating_add(DRAINED_BYTES) {
                break;
            }
        }
        Ok::<(), Problem>(())
    };
    tokio::time::timeout(options.query_timeout, reading).await.map_err(late)??;
    if total > limit {
        return Err(Problem::body_too_large(limit));
    }
    String::from_utf8(bytes)
        .map_err(|_| Problem::incorrect("db.error/bad-body", "the body is not UTF-8 text"))
}

async fn next(stream: &mut BodyDataStream) -> Result<Option<Bytes>, Problem> {
    let broken = |error| Problem::incorrect("db.error/bad-body", format!("the body broke off: {error}"));
    poll_fn(|context| Pin::new(&mut *stream).poll_next(context)).await.transpose().map_err(broken)
}

/// Runs the call on a thread that may block. The permit goes with it: work that nobody waits for still counts.
async fn run(shared: &Arc<Shared>, call: &'static Call, ask: Ask) -> Result<Response, Problem> {
    let permit = shared.admit(call.work)?;
    let leave = Leave(ask.cancel.clone());
    if let Some(millis) = ask.params.count("timeout")? {
        ask.limit_time(millis);
    }
    let limit = ask.limit.subscribe();
    let work = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        (call.run)(&ask)?.into_response(ask.media, ask.types)
    });
    let outcome = match call.work {
        Work::Write => work.await,
        Work::Read | Work::Probe => within(work, limit).await?,
    };
    drop(leave);
    outcome.unwrap_or_else(|error| {
        if let Ok(panic) = error.try_into_panic() {
            tracing::error!(panic = panic_text(panic.as_ref()), "a call panicked");
        }
        Err(Problem::panicked())
    })
}

/// Waits for a piece of work no longer than its limit, which may shrink meanwhile.
async fn within<V>(
    mut work: JoinHandle<V>,
    mut limit: watch::Receiver<Duration>,
) -> Result<Joined<V>, Problem> {
    let began = tokio::time::Instant::now();
    loop {
        let now = *limit.borrow_and_update();
        tokio::select! {
            outcome = &mut work => return Ok(outcome),
            () = tokio::time::sleep_until(began + now) => return Err(Problem::timed_out(now.as_millis())),
            Ok(()) = limit.changed() => {}
        }
    }
}

type Joined<V> = Result<V, tokio::task::JoinError>;

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no text")
}
