//! The text that Prometheus reads: what was counted, and what the server and its open databases tell when they are asked.
//!
//! A database that cannot tell leaves its series out, and says so in the server's log: the others are still read.

use std::fmt;

use annals::Edn;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::{Label, PREFIX};
use crate::shared::Shared;

/// The type of the text.
pub(crate) const MEDIA: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// Only grows.
    Counter,
    /// Comes and goes.
    Gauge,
}

use Kind::{Counter, Gauge};

/// What a database tells of itself: its word, the name of the metric, its kind, and what it means.
const OF_DATABASE: &[(&str, &str, Kind, &str)] = &[
    ("db/basis-t", "database_basis_t", Gauge, "The newest transaction"),
    ("db/basis-t", "database_transactions", Counter, "Transactions since the database was made"),
    ("db/datoms", "database_datoms", Gauge, "Facts that hold now"),
    ("db/novelty-rows", "novelty_rows", Gauge, "Rows in memory that are not at rest yet"),
    ("db/novelty-bytes", "novelty_bytes", Gauge, "Bytes in memory that are not at rest yet"),
    ("db/novelty-limit-bytes", "novelty_limit_bytes", Gauge, "Bytes of novelty at which writes wait"),
    ("db/index-t", "index_t", Gauge, "The transaction up to which all is at rest"),
    ("db/index-bytes", "index_bytes", Gauge, "Bytes of the trees at rest"),
    ("db/job-running", "index_job_running", Gauge, "1 while an index job runs"),
    ("db/jobs", "index_jobs", Counter, "Index jobs that published"),
    ("db/jobs-failed", "index_jobs_failed", Counter, "Index jobs that failed"),
    ("db/job-seconds", "index_job_seconds", Counter, "Time that index jobs took"),
    ("db/stalls", "index_stalls", Counter, "How often writes had to wait for an index job"),
    ("db/parked", "transactions_parked", Gauge, "Transactions that wait for an index job"),
    (
        "db/parked-seconds",
        "transactions_parked_seconds",
        Counter,
        "Time that transactions waited for index jobs",
    ),
    ("db/log-batches-in-slots", "log_batches_unpacked", Gauge, "Batches of the log that are not packed yet"),
    ("db/log-packed-bytes", "log_packed_bytes", Gauge, "Bytes of the packed log"),
    ("db/stored-bytes", "stored_bytes", Gauge, "Bytes in the storage, of all its databases"),
    ("queued", "transactor_queue", Gauge, "Transactions that wait for the transactor"),
];

/// What any database tells of the whole storage.
const OF_STORE: &[(&str, &str, Kind, &str)] = &[
    ("db/cache-capacity", "cache_capacity_bytes", Gauge, "Bytes that the cache of decoded nodes may hold"),
    ("db/cache-bytes", "cache_bytes", Gauge, "Bytes that the cache of decoded nodes holds"),
    ("db/cache-hits", "cache_hits", Counter, "Nodes found in the cache"),
    ("db/cache-misses", "cache_misses", Counter, "Nodes read from the storage"),
    ("db/query-cache-hits", "query_cache_hits", Counter, "Queries that had been read before"),
    ("db/query-cache-misses", "query_cache_misses", Counter, "Queries that were read anew"),
];

/// The whole text.
pub(crate) fn text(shared: &Shared) -> Result<String, fmt::Error> {
    let mut now = Registry::with_prefix(PREFIX);
    now.register_collector(Box::new(Now::of(shared)));
    let mut out = String::new();
    encode_registry(&mut out, &shared.metrics.registry)?;
    encode_registry(&mut out, &now)?;
    encode_eof(&mut out)?;
    Ok(out)
}

/// One look at everything.
#[derive(Debug)]
struct Now {
    running: Vec<(&'static str, usize)>,
    draining: bool,
    databases: Vec<(String, Edn)>,
}

impl Now {
    fn of(shared: &Shared) -> Now {
        let told = |(name, connection): (String, annals::Connection)| match connection.db().stats() {
            Ok(Edn::Map(mut stats)) => {
                stats.insert(Edn::keyword("queued"), Edn::Int(connection.queued() as i64));
                Some((name, Edn::Map(stats)))
            }
            Ok(_) => None,
            Err(error) => {
                tracing::warn!(db = name, %error, "a database cannot tell its counts");
                None
            }
        };
        Now {
            running: shared.running().map(|(work, count)| (work.name(), count)).collect(),
            draining: shared.is_draining(),
            databases: shared.open().into_iter().filter_map(told).collect(),
        }
    }
}

impl Collector for Now {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let running =
            self.running.iter().map(|(work, count)| (vec![("work", (*work).to_owned())], *count as f64));
        put(&mut encoder, "http_requests_running", Gauge, "Requests that run, live logs too", running)?;
        let ready = f64::from(u8::from(!self.draining));
        put(&mut encoder, "accepting", Gauge, "1 until the server is asked to stop", [(Vec::new(), ready)])?;
        let version = vec![("version", env!("CARGO_PKG_VERSION").to_owned())];
        put(&mut encoder, "build", Gauge, "The version that runs", [(version, 1.0)])?;
        for &(word, name, kind, help) in OF_DATABASE {
            let series = self
                .databases
                .iter()
                .filter_map(|(db, stats)| Some((vec![("db", db.clone())], number(stats, word)?)));
            put(&mut encoder, name, kind, help, series)?;
        }
        for &(word, name, kind, help) in OF_STORE {
            let first = self.databases.first().and_then(|(_, stats)| number(stats, word));
            put(&mut encoder, name, kind, help, first.map(|number| (Vec::new(), number)))?;
        }
        Ok(())
    }
}

fn put(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    kind: Kind,
    help: &str,
    series: impl IntoIterator<Item = (Vec<Label>, f64)>,
) -> Result<(), fmt::Error> {
    let of = if kind == Counter { MetricType::Counter } else { MetricType::Gauge };
    let mut metric = encoder.encode_descriptor(name, help, None, of)?;
    for (labels, number) in series {
        match labels.is_empty() {
            true => write(&mut metric, kind, number)?,
            false => write(&mut metric.encode_family(&labels)?, kind, number)?,
        }
    }
    Ok(())
}

fn write(metric: &mut MetricEncoder<'_>, kind: Kind, number: f64) -> Result<(), fmt::Error> {
    match kind {
        Counter => metric.encode_counter::<NoLabelSet, _, f64>(&number, None),
        Gauge => metric.encode_gauge(&number),
    }
}

/// A number that stands under a word in what a database tells.
fn number(stats: &Edn, word: &str) -> Option<f64> {
    let Edn::Map(pairs) = stats else { return None };
    match pairs.get(&Edn::keyword(word))? {
        Edn::Int(n) => Some(*n as f64),
        Edn::Bool(flag) => Some(f64::from(u8::from(*flag))),
        other => other.to_string().parse().ok(),
    }
}
