//! What happens to every request before and after its call.
//!
//! A request is checked (origin, method, parameters, media types, size), admitted or refused as busy, run on a thread
//! that may block (or, if it is [`crate::quick`], on the spot), and answered, also when it panicked or its time is up; then one line of the server's log tells of it.
//! If the asker goes away, hyper drops the future here, and with it a [`Leave`] that tells the query to stop. A transaction
//! is never stopped half-way.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{FromRequestParts, Query, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::Response;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::ask::{Ask, Known};
use crate::body::read_body;
use crate::demand::{self, Demand};
use crate::json::Types;
use crate::media::{self, Media};
use crate::params::{self, Params};
use crate::problem::Problem;
use crate::quick;
use crate::reply::{Content, problem_response, put};
use crate::routes::{Call, Route, Work};
use crate::shared::Shared;
use crate::tail;

const BASIS_T: HeaderName = HeaderName::from_static("annals-basis-t");
/// Names a request, so that it is carried out once however often it is sent.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// So many milliseconds ago it was known that nobody had written anything newer than the head.
const LAG: HeaderName = HeaderName::from_static("annals-lag");
/// What the client has seen, to be sent with its next request.
const SESSION: HeaderName = HeaderName::from_static("annals-session");
/// Another process hands a transaction over, which is not handed on.
const HANDED_OVER: HeaderName = HeaderName::from_static("annals-handed-over");
const HEAD_T: HeaderName = HeaderName::from_static("annals-head-t");
/// Where a live log goes on.
const LAST_EVENT: HeaderName = HeaderName::from_static("last-event-id");
/// Tells a request from others in logs: the asker's word, or one that is given here.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest word of an asker that is taken over, bytes.
const REQUEST_ID_BYTES: usize = 128;
/// The most time that a probe takes.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

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
    let id = request_id(&parts.headers).unwrap_or_else(|| shared.next_request());
    let known = Arc::new(Known::default());
    let outcome = attempt(&shared, route, &mut parts, body, &known).await;
    let mut response = outcome.unwrap_or_else(|problem| {
        if problem.category() == annals::Category::Fault {
            tracing::error!(request = id, keyword = problem.keyword(), path = parts.uri.path(), "fault");
        }
        problem_response(problem, media::of_problem(&parts.headers))
    });
    let headers = response.headers_mut();
    say_basis(headers, &known);
    put(headers, REQUEST_ID, &id);
    if shared.is_draining() {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    let method =
        route.and_then(|route| route.call(parts.method.as_str())).map_or("other", |call| call.method);
    let (route, took) = (route.map_or("unknown", |route| route.path), began.elapsed().as_secs_f64());
    let status = response.status().as_u16();
    shared.metrics.answered(route, method, status, took);
    tracing::info!(
        request = id,
        method,
        route,
        status,
        ms = (took * 1e6).round() / 1e3,
        db = known.connection.get().map(|connection| connection.name()),
        basis = known.basis.get().copied(),
        "answered"
    );
    response
}

/// The name that the asker gave the request, if it can stand in a line of a log.
fn request_id(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(REQUEST_ID)?.to_str().ok()?;
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    ((1..=REQUEST_ID_BYTES).contains(&text.len()) && is_plain).then(|| text.to_owned())
}

fn say_basis(headers: &mut HeaderMap, known: &Known) {
    let Some(connection) = known.connection.get() else { return };
    let head = connection.db().basis_t();
    let basis = known.basis.get().copied().unwrap_or(head);
    put(headers, BASIS_T, &basis.to_string());
    put(headers, HEAD_T, &head.max(basis).to_string());
    put(headers, LAG, &connection.staleness().as_millis().to_string());
    put(headers, SESSION, &demand::token(connection.name(), basis));
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
    let _under_way = shared.enter(call.work)?;
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
    let database = varying.iter().find(|(name, _)| *name == "db").map_or("", |(_, name)| name);
    let demand = Demand::of(&params, &parts.headers, database, shared.options.basis_timeout)?;
    let most = match call.work {
        Work::Probe => shared.options.query_timeout.min(PROBE_TIMEOUT),
        _ => shared.options.query_timeout + demand.wait(),
    };
    let events = call.work == Work::Stream && media::wants_events(&parts.headers);
    let tags = parts.headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    Ok(Ask {
        shared: shared.clone(),
        path: parts.uri.path().to_owned(),
        parts: varying.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        key: parts.headers.get(IDEMPOTENCY_KEY).map(key_text).transpose()?,
        is_async: prefers(&parts.headers, "respond-async"),
        demand,
        is_handed_over: parts.headers.contains_key(HANDED_OVER),
        limit: watch::Sender::new(most),
        params,
        body: String::new(),
        body_media: Media::Edn,
        media: if events {
            media::of_events(&parts.headers)
        } else {
            media::of_answer(&parts.headers, call.rows)?
        },
        events,
        last_event: parts.headers.get(LAST_EVENT).map(event_id).transpose()?,
        types,
        has_tags: tags.flat_map(|tags| tags.split(',')).map(|tag| tag.trim().to_owned()).collect(),
        on_the_spot: false,
        question: OnceLock::new(),
        cancel: Arc::new(AtomicBool::new(false)),
        known: known.clone(),
    })
}

/// An id of an event of ours is a t.
fn event_id(value: &HeaderValue) -> Result<u64, Problem> {
    params::whole_number("Last-Event-ID", value.to_str().unwrap_or_default().trim())
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

/// What a call came to.
enum Outcome {
    Answer(Response),
    /// A live log, which begins where the call ends.
    Tail(Box<tail::Start>),
}

/// Runs the call: on the spot if it may be quick, else on a thread that may block. The permit goes with it: work that
/// nobody waits for still counts.
async fn run(shared: &Arc<Shared>, call: &'static Call, mut ask: Ask) -> Result<Response, Problem> {
    let permit = shared.admit(call.work)?;
    ask.on_the_spot = call.quick && shared.is_local() && ask.may_be_quick() && !shared.quick.time.is_zero();
    if ask.on_the_spot {
        let outcome = catch_unwind(AssertUnwindSafe(|| finished(call, &ask)));
        match outcome.unwrap_or_else(|panic| Err(panicked(panic.as_ref()))) {
            Err(problem) if quick::is_elsewhere(&problem) => ask.on_the_spot = false,
            outcome => {
                shared.metrics.on_the_spot.inc();
                return outcome;
            }
        }
    }
    let leave = Leave(ask.cancel.clone());
    if let Some(millis) = ask.params.count("timeout")? {
        ask.limit_time(millis);
    }
    let (limit, known) = (ask.limit.subscribe(), ask.known.clone());
    let work = tokio::task::spawn_blocking(move || {
        if call.work != Work::Stream {
            return Ok((Outcome::Answer(finished(call, &ask)?), None));
        }
        let reply = (call.run)(&ask)?;
        if let Content::Tail(start) = reply.content {
            return Ok((Outcome::Tail(start), permit));
        }
        Ok((Outcome::Answer(reply.into_response(ask.media, ask.types)?), None))
    });
    let outcome = match call.work {
        Work::Write => work.await,
        Work::Read | Work::Stream | Work::Feed | Work::Probe => within(work, limit).await?,
    };
    drop(leave);
    let outcome = outcome.unwrap_or_else(|error| {
        Err(error.try_into_panic().map_or_else(|_| Problem::panicked(), |panic| panicked(panic.as_ref())))
    });
    match outcome? {
        (Outcome::Answer(response), _) => Ok(response),
        (Outcome::Tail(start), permit) => tail::answer(shared, *start, permit, &known).await,
    }
}

/// Runs the call to its answer, and remembers whether the question was a quick one.
fn finished(call: &Call, ask: &Ask) -> Result<Response, Problem> {
    let began = Instant::now();
    let outcome = (call.run)(ask).and_then(|reply| reply.into_response(ask.media, ask.types));
    if let Some(mark) = ask.question.get() {
        match &outcome {
            Err(problem) if quick::is_elsewhere(problem) => ask.shared.quick.forget(*mark),
            _ => ask.shared.quick.note(*mark, began.elapsed()),
        }
    }
    outcome
}

fn panicked(panic: &(dyn Any + Send)) -> Problem {
    tracing::error!(panic = panic_text(panic), "a call panicked");
    Problem::panicked()
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
