//! Trees made by hand from a log, for tests: any tiers, any generations, leaves of any size.

use std::sync::Arc;

use super::Rest;
use crate::backend::{DatabaseId, MemoryStorage, Storage};
use crate::cache::{Cache, CacheStats};
use crate::datom::order::AVET_MAX_BYTES;
use crate::datom::{Order, T, ValueRef};
use crate::log::{LogDatom, LoggedTx, Op};
use crate::root::{AttributeNote, Generation, LogEnd, Root, Tier};
use crate::tree::arbitrary::{Fact, run_of};
use crate::tree::builder::{Builder, Writer};
use crate::tree::nodes::Nodes;
use crate::tree::{Shape, Tree};

/// How trees are to be made.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) leaf_bytes: usize,
    pub(crate) cache_bytes: usize,
    /// Where tiers end, of each order: the last transaction of each but the newest, in any order.
    pub(crate) tiers: [Vec<T>; 3],
    /// The same of generations.
    pub(crate) generations: Vec<T>,
}

impl Plan {
    /// One tier, one generation.
    pub(crate) fn plain(leaf_bytes: usize, cache_bytes: usize) -> Plan {
        Plan { leaf_bytes, cache_bytes, tiers: Default::default(), generations: Vec::new() }
    }
}

/// What a log comes to at rest.
pub(crate) fn at_rest(log: &[LoggedTx], plan: &Plan) -> Rest {
    let Some(last) = log.last().map(|tx| tx.t) else { return Rest::none() };
    let (storage, database) = (Arc::new(MemoryStorage::new()), DatabaseId(77));
    let facts = facts(log);
    let mut out = Writer::new(&*storage, database, 1, 2);
    let mut tree = |order: Order, shape: Shape, rows: &mut dyn Iterator<Item = &Fact>| {
        let rows: Vec<Fact> = rows.cloned().collect();
        let run = run_of(&rows, order, shape);
        let mut builder = Builder::new(order, shape, plan.leaf_bytes);
        builder.rows(&mut out, &run, 0..run.len()).expect("memory does not fail");
        builder.finish(&mut out).expect("memory does not fail")
    };
    let tiers = Order::ALL.map(|order| {
        let tier = |(first, last): (T, T)| {
            let is_in = move |t: T| (first..=last).contains(&t);
            let open = &mut facts.iter().filter(|fact| is_in(fact.from) && fact.to > last);
            let open = tree(order, Shape::Open, open);
            let dead = &mut facts.iter().filter(|fact| fact.from < first && is_in(fact.to));
            Tier { first, last, open, dead: tree(order, Shape::Open, dead) }
        };
        ranges(&plan.tiers[order as usize], last).map(tier).collect()
    });
    let generation = |(first, last): (T, T)| {
        let closed: Vec<&Fact> = facts.iter().filter(|fact| (first..=last).contains(&fact.to)).collect();
        let first_from = closed.iter().map(|fact| fact.from).min()?;
        let trees = Order::ALL.map(|order| tree(order, Shape::Closed, &mut closed.iter().copied()));
        Some(Generation { first, last, first_from, closed: trees })
    };
    let generations = ranges(&plan.generations, last).filter_map(generation).collect();
    out.flush().expect("memory does not fail");
    let root = Root {
        revision: 0,
        epoch: 1,
        job: 2,
        at: 0,
        basis: Some(last),
        instant: 0,
        next: Vec::new(),
        log_epoch: 1,
        tiers,
        generations,
        attributes: notes(&facts),
        log: Tree::default(),
        log_end: LogEnd { seq: 0, t: None, previous: 0 },
        freed: Vec::new(),
        excisions: Vec::new(),
        leaf_bytes: plan.leaf_bytes as u64,
    };
    let storage: Arc<dyn Storage> = storage;
    Rest::of(root, Nodes { storage, lineage: database.into(), cache: Arc::new(Cache::new(plan.cache_bytes)) })
}

/// What the cache of something at rest was asked.
pub(crate) fn cache_stats(rest: &Rest) -> CacheStats {
    rest.inner.as_ref().map_or_else(CacheStats::default, |inner| inner.nodes.cache.stats())
}

/// Neighbouring ranges of transactions up to `last`, which end at some of `ends`.
fn ranges(ends: &[T], last: T) -> impl Iterator<Item = (T, T)> {
    let mut ends: Vec<T> = ends.iter().copied().filter(|end| (1..last).contains(end)).chain([last]).collect();
    ends.sort_unstable();
    ends.dedup();
    let starts: Vec<T> = [0].into_iter().chain(ends.iter().map(|end| end + 1)).collect();
    starts.into_iter().zip(ends)
}

/// Every fact there was; `to` is the end of time if it still holds.
fn facts(log: &[LoggedTx]) -> Vec<Fact> {
    let mut facts: Vec<Fact> = Vec::new();
    let mut open = std::collections::BTreeMap::new();
    for tx in log {
        for LogDatom { e, a, v, op } in &tx.datoms {
            let key = (*e, *a, v.clone());
            if *op == Op::Assert {
                open.insert(key, facts.len());
                facts.push(Fact { e: e.0, a: a.0, v: v.clone(), from: tx.t, to: T::MAX });
            } else {
                facts[open.remove(&key).expect("what is retracted holds")].to = tx.t;
            }
        }
    }
    facts
}

fn notes(facts: &[Fact]) -> Vec<AttributeNote> {
    let mut notes = std::collections::BTreeMap::new();
    let mut scratch = Vec::new();
    for fact in facts {
        let none = AttributeNote { a: fact.a, tags: 0, long: 0 };
        let note = notes.entry(fact.a).or_insert(none);
        let bit = 1 << fact.v.tag() as u16;
        fact.v.with_ref(&mut scratch, |v| match v {
            ValueRef::Variable(_, code) if code.len() > AVET_MAX_BYTES => note.long |= bit,
            _ => note.tags |= bit,
        });
    }
    notes.into_values().collect()
}
