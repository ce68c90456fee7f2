//! Counts and sizes of a database, as one EDN map for people and tools.
//!
//! Sizes are those of the value; how the upkeep goes is told as of now.

use annals_query::edn::Edn;
use annals_storage::cache::CacheStats;
use annals_storage::datom::{Order, Pattern};
use annals_storage::rest::{Extent, RestStats};
use annals_storage::snapshot::View;

use crate::basis::Basis;
use crate::error::Result;
use crate::home::{Gauges, Home, rows};
use crate::schema::bootstrap;

const MICROS: f64 = 1e6;

/// A map in the making.
struct Told(Vec<(Edn, Edn)>);

impl Told {
    fn put(&mut self, key: &str, v: impl Into<Edn>) -> &mut Told {
        self.0.push((Edn::keyword(key), v.into()));
        self
    }

    fn count(&mut self, key: &str, n: u64) -> &mut Told {
        self.put(key, number(n))
    }

    fn map(self) -> Edn {
        Edn::Map(self.0.into_iter().collect())
    }
}

fn number(n: u64) -> Edn {
    Edn::Int(i64::try_from(n).unwrap_or(i64::MAX))
}

/// A ratio to two places; nil if there is nothing to divide by.
fn ratio(part: u64, whole: u64) -> Edn {
    if whole == 0 { Edn::Nil } else { Edn::from((part as f64 / whole as f64 * 100.0).round() / 100.0) }
}

/// Everything there is to tell.
pub(crate) fn of(basis: &Basis) -> Result<Edn> {
    let mut told = Told(Vec::new());
    let rest = basis.snapshot.rest().stats()?;
    let gauges = basis.home.gauges().clone();
    facts(&mut told, basis)?;
    novelty(&mut told, basis);
    at_rest(&mut told, basis, &rest, &gauges);
    upkeep(&mut told, &gauges);
    storage(&mut told, &basis.home)?;
    Ok(told.map())
}

fn facts(told: &mut Told, basis: &Basis) -> Result<()> {
    let count = |view: &View| basis.snapshot.count(view, &Pattern::ALL);
    let user = basis.schema.attrs().filter(|attr| !bootstrap::is_system(attr.id().entity())).count();
    told.put("db/name", Edn::string(&*basis.home.name))
        .count("db/basis-t", basis.t)
        .put("db/instant", Edn::Inst(basis.instant))
        .count("db/datoms", count(&View::default())?)
        .count("db/datoms-in-history", count(&View { history: true, ..View::default() })?)
        .count("db/attributes", user as u64)
        .count("db/idents", basis.schema.idents().count() as u64);
    Ok(())
}

fn novelty(told: &mut Told, basis: &Basis) {
    let (size, home) = (basis.snapshot.novelty().size(), &basis.home);
    told.count("db/novelty-rows", rows(&size) as u64)
        .count("db/novelty-bytes", size.bytes as u64)
        .count("db/novelty-layers", size.layers as u64)
        .count("db/novelty-threshold-rows", home.options.novelty_datoms as u64)
        .count("db/novelty-threshold-bytes", home.options.novelty_bytes as u64)
        .count("db/novelty-limit-rows", home.most_rows() as u64)
        .count("db/novelty-limit-bytes", home.most_bytes() as u64);
}

fn at_rest(told: &mut Told, basis: &Basis, rest: &RestStats, gauges: &Gauges) {
    let all = || rest.tiers.iter().chain(&rest.generations).flatten();
    let bytes: u64 = all().map(|extent| extent.bytes).sum();
    // Each fact at rest is once in EAVT, open or closed, but for those that a newer tier has closed.
    let once = rest.tiers[Order::Eavt as usize].iter().chain(&rest.generations[Order::Eavt as usize]);
    let (kept, closed) = once.fold((0, 0), |sum, one| (sum.0 + one.rows, sum.1 + one.tombstones));
    let facts = kept.saturating_sub(closed);
    let revision = basis.snapshot.rest().revision().map_or(Edn::Nil, number);
    let orders = |by_order: &[Vec<Extent>; 3]| {
        let mut map = Told(Vec::new());
        for (order, name) in Order::ALL.into_iter().zip(["eavt", "aevt", "avet"]) {
            map.put(name, by_order[order as usize].iter().map(extent).collect::<Vec<Edn>>());
        }
        map.map()
    };
    told.put("db/index-t", basis.snapshot.rest().basis().map_or(Edn::Nil, number))
        .put("db/index-revision", revision)
        .put("db/index-tiers", orders(&rest.tiers))
        .put("db/index-generations", orders(&rest.generations))
        .count("db/index-bytes", bytes)
        .put("db/index-bytes-per-datom", ratio(bytes, facts))
        .count("db/log-packed-datoms", rest.log.rows)
        .count("db/log-packed-bytes", rest.log.bytes)
        .put("db/log-bytes-per-datom", ratio(rest.log.bytes, rest.log.rows))
        .count("db/log-batches-in-slots", gauges.batches.saturating_sub(rest.log_end))
        .count("db/excisions", basis.snapshot.rest().excisions().len() as u64)
        .count("db/garbage-segments", rest.garbage.leaves)
        .count("db/garbage-bytes", rest.garbage.bytes);
}

fn extent(extent: &Extent) -> Edn {
    let mut told = Told(Vec::new());
    told.count("rows", extent.rows)
        .count("tombstones", extent.tombstones)
        .count("leaves", extent.leaves)
        .count("bytes", extent.bytes)
        .count("first-t", extent.first)
        .count("last-t", extent.last);
    told.map()
}

fn upkeep(told: &mut Told, gauges: &Gauges) {
    let seconds = |micros: i64| Edn::from(micros as f64 / MICROS);
    told.count("db/jobs", gauges.jobs)
        .count("db/jobs-failed", gauges.failures)
        .put("db/job-running", Edn::Bool(gauges.is_running))
        .put("db/job-last-seconds", seconds(gauges.last_micros))
        .put("db/job-seconds", seconds(gauges.micros))
        .count("db/job-rows", gauges.rows_new)
        .put("db/job-rows-written-per-row", ratio(gauges.rows_written, gauges.rows_new))
        .count("db/job-segments", gauges.segments)
        .count("db/job-bytes", gauges.bytes)
        .count("db/stalls", gauges.stalls)
        .count("db/parked", gauges.parked)
        .put("db/parked-seconds", seconds(gauges.parked_micros))
        .count("db/collected-segments", gauges.collected)
        .put("db/index-error", gauges.error.clone().map_or(Edn::Nil, Edn::string));
}

fn storage(told: &mut Told, home: &Home) -> Result<()> {
    let CacheStats { capacity, bytes, nodes, hits, misses, .. } = home.cache.stats();
    let queries = home.queries.counts();
    told.count("db/cache-capacity", capacity)
        .count("db/cache-bytes", bytes)
        .count("db/cache-nodes", nodes)
        .count("db/cache-hits", hits)
        .count("db/cache-misses", misses)
        .count("db/query-cache-hits", queries.hits)
        .count("db/query-cache-misses", queries.misses)
        .count("db/plans-made", queries.plans_made)
        .count("db/plans-reused", queries.plans_reused)
        .put("db/memory", home.options.memory.map_or(Edn::Nil, |bytes| number(bytes as u64)))
        .count("db/stored-bytes", home.storage.stored_bytes().map_err(annals_storage::Error::from)?);
    Ok(())
}
