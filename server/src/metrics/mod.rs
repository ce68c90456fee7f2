//! What was done and what goes on, counted for Prometheus.
//!
//! Names follow its conventions: base units, `_total` for what only grows. Requests are told by the template of their route,
//! never by the path itself, so that the number of series does not grow with the data. What databases tell of themselves
//! is asked when it is read ([`now`]).

pub(crate) mod now;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::routes::Work;

/// What begins every name.
const PREFIX: &str = "annals";

type Label = (&'static str, String);

/// All counts of a server.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<[Label; 3], Counter>,
    seconds: Family<[Label; 2], Histogram>,
    refused: Family<[Label; 1], Counter>,
    /// Requests that were answered by the thread that speaks HTTP.
    pub(crate) on_the_spot: Counter,
    /// Bytes that came in.
    pub(crate) received: Counter,
    /// Bytes that went out.
    pub(crate) sent: Counter,
    /// Open connections.
    pub(crate) connections: Running,
    /// Requests that wait: for a basis, for an outcome, for news.
    pub(crate) waiting: Running,
    /// Transactions that live logs told.
    pub(crate) streamed: Counter,
    /// Live logs that were cut off because nobody read them.
    pub(crate) cut_off: Counter,
}

impl Metrics {
    pub(crate) fn new() -> Metrics {
        let mut registry = Registry::with_prefix(PREFIX);
        let metrics = Metrics {
            requests: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.0005, 2.0, 17))),
            refused: Family::default(),
            on_the_spot: Counter::default(),
            received: Counter::default(),
            sent: Counter::default(),
            connections: Running::default(),
            waiting: Running::default(),
            streamed: Counter::default(),
            cut_off: Counter::default(),
            registry: Registry::default(),
        };
        let all = &metrics;
        registry.register("http_requests", "Requests answered", all.requests.clone());
        registry.register("http_request_duration_seconds", "Time to an answer's head", all.seconds.clone());
        registry.register("http_requests_refused", "Requests refused as busy", all.refused.clone());
        let spot = "Requests answered by a thread that speaks HTTP, without handing them on";
        registry.register("http_on_the_spot", spot, all.on_the_spot.clone());
        registry.register("http_received_bytes", "Bytes received", all.received.clone());
        registry.register("http_sent_bytes", "Bytes sent", all.sent.clone());
        registry.register("http_connections", "Open connections", all.connections.0.clone());
        let waiting = "Requests that wait for a basis, an outcome or news";
        registry.register("http_requests_waiting", waiting, all.waiting.0.clone());
        registry.register("tail_transactions", "Transactions told by live logs", all.streamed.clone());
        registry.register("tail_cut_off", "Live logs cut off because nobody read them", all.cut_off.clone());
        Metrics { registry, ..metrics }
    }

    /// Counts an answered request in.
    pub(crate) fn answered(&self, route: &'static str, method: &'static str, status: u16, seconds: f64) {
        let labels = || [("route", route.to_owned()), ("method", method.to_owned())];
        let [route, method] = labels();
        self.requests.get_or_create(&[route, method, ("status", status.to_string())]).inc();
        self.seconds.get_or_create(&labels()).observe(seconds);
    }

    /// Counts a request in that found no room.
    pub(crate) fn refused(&self, work: Work) {
        self.refused.get_or_create(&[("work", work.name().to_owned())]).inc();
    }
}

/// How many of something there are now.
#[derive(Clone, Debug, Default)]
pub(crate) struct Running(Gauge);

impl Running {
    /// One more, as long as the answer lives.
    pub(crate) fn count(&self) -> Counted {
        self.0.inc();
        Counted(self.0.clone())
    }
}

/// One of something.
#[derive(Debug)]
pub(crate) struct Counted(Gauge);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}
