//! Trees against the sorted rows they were built from: whatever is asked of a tree, its rows in one piece say the same.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use proptest::prelude::*;

use super::arbitrary::{Fact, facts, run_of};
use super::builder::{Builder, Writer};
use super::key::{self, Bounds};
use super::nodes::Nodes;
use super::walk::{Stop, Walk};
use super::{Entry, Name, Shape, Tree, Zone};
use crate::backend::{DatabaseId, MemoryStorage, SegmentId, Storage};
use crate::cache::Cache;
use crate::datom::{Order, T, Value, ValueBound, ValueRef};
use crate::error::{Error, Result};
use crate::run::{Lead, Run};

const DATABASE: DatabaseId = DatabaseId(0x0123_4567_89ab_cdef_0011_2233_4455_6677);
const SHAPES: [Shape; 2] = [Shape::Open, Shape::Closed];

fn nodes() -> Nodes {
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
    Nodes { storage, lineage: DATABASE.into(), cache: Arc::new(Cache::new(1 << 20)) }
}

/// What a build wrote.
struct Built {
    tree: Tree,
    segments: u64,
    rows: u64,
}

/// Builds with a new job.
fn build(
    nodes: &Nodes,
    job: u64,
    mut builder: Builder,
    fill: impl FnOnce(&mut Builder, &mut Writer<'_>) -> Result<()>,
) -> Built {
    let mut out = Writer::new(&*nodes.storage, DATABASE, 1, job);
    fill(&mut builder, &mut out).expect("sound rows");
    let tree = builder.finish(&mut out).expect("sound rows");
    out.flush().expect("memory takes all");
    Built { tree, segments: out.segments, rows: out.rows }
}

/// Builds a tree of a run's rows, handed over in pieces of so many.
fn tree_of(nodes: &Nodes, run: &Run, shape: Shape, leaf_bytes: usize, piece: usize) -> Tree {
    let built = build(nodes, 1, Builder::new(run.order, shape, leaf_bytes), |builder, out| {
        (0..run.len())
            .step_by(piece)
            .try_for_each(|start| builder.rows(out, run, start..run.len().min(start + piece)))
    });
    assert_eq!(built.rows, run.len() as u64);
    built.tree
}

fn key_of(run: &Run, row: usize, shape: Shape) -> Vec<u8> {
    let mut key = Vec::new();
    key::of_row(run, row, shape, &mut key);
    key
}

fn row(run: &Run, row: usize) -> (u64, u32, ValueRef<'_>, T, Option<T>) {
    let columns = &run.rows;
    (columns.e[row], columns.a[row], run.value(row), columns.from[row], columns.to.get(row).copied())
}

fn stops(nodes: &Nodes, tree: &Tree, bounds: &Bounds) -> Vec<Stop> {
    let mut walk = Walk::new(nodes, tree, bounds).expect("a sound tree");
    std::iter::from_fn(|| walk.next().expect("a sound tree")).collect()
}

/// Walks all of a tree: it must hold exactly the rows, and say of each leaf what is true.
fn check_walk(nodes: &Nodes, tree: &Tree, run: &Run, shape: Shape) {
    let all = stops(nodes, tree, &Bounds::all());
    let mut rank = 0;
    for (at, stop) in all.iter().enumerate() {
        let leaf = nodes.leaf(&stop.entry, run.order, shape).expect("a sound leaf");
        assert_eq!(stop.rank, rank);
        for r in 0..leaf.len() {
            assert_eq!(row(&leaf, r), row(run, rank as usize + r));
        }
        assert!(stop.lower() <= key_of(&leaf, 0, shape).as_slice());
        assert_eq!(stop.lower().is_empty(), at == 0);
        assert_eq!(stop.upper(), all.get(at + 1).map(|next| next.lower()));
        assert!(stop.upper().is_none_or(|upper| key_of(&leaf, leaf.len() - 1, shape).as_slice() < upper));
        assert_eq!(stop.entry.zone, Zone::of(&leaf, 0..leaf.len()));
        rank += leaf.len() as u64;
    }
    assert_eq!((rank, all.len() as u64), (tree.rows, tree.leaves));
    assert_eq!(rank as usize, run.len());
    check_listing(nodes, tree, &all);
}

/// Lists all of a tree: each segment once, leaves in order, and their bytes sum up.
fn check_listing(nodes: &Nodes, tree: &Tree, all: &[Stop]) {
    let (mut names, mut leaves, mut sum) = (BTreeSet::new(), Vec::new(), 0);
    let visited = tree.each_node(nodes, &mut |name, level, bytes| {
        assert!(names.insert(name), "{name:?} twice");
        assert_eq!(nodes.segment(name)?.1.len() as u64, bytes);
        leaves.extend((level == 0).then_some(name));
        sum += bytes;
        Ok(())
    });
    visited.expect("a sound tree");
    assert_eq!(leaves, all.iter().map(|stop| stop.entry.name).collect::<Vec<_>>());
    assert_eq!(sum, tree.bytes);
}

/// Asks for all that leads of these two facts lead to.
fn check_leads(nodes: &Nodes, tree: &Tree, run: &Run, shape: Shape, x: &Fact, y: &Fact) {
    let (mut first, mut second) = (Vec::new(), Vec::new());
    x.v.with_ref(&mut first, |v| {
        y.v.with_ref(&mut second, |w| {
            let mut values = vec![ValueBound::Any, ValueBound::Is(v)];
            for (low, high) in [(None, Some(w)), (Some(v), None), (Some(v), Some(w))] {
                let (low, high) = (low.map(|v| (v, x.e > y.e)), high.map(|v| (v, x.a > y.a)));
                values.push(ValueBound::Range(v.tag(), low, high));
            }
            for v in values {
                for (e, a) in [(None, None), (None, Some(x.a)), (Some(y.e), None), (Some(x.e), Some(y.a))] {
                    for endless in [false, true] {
                        check_lead(nodes, tree, run, shape, &Lead { e, a, v, endless });
                    }
                }
            }
        });
    });
}

fn check_lead(nodes: &Nodes, tree: &Tree, run: &Run, shape: Shape, lead: &Lead<'_>) {
    let order = run.order;
    let rows = run.seek(lead);
    assert_eq!(tree.count(nodes, lead, order, shape).unwrap(), rows.len() as u64, "{order:?} {lead:?}");
    let ranks = tree.ranks(nodes, lead, order, shape).unwrap();
    if !rows.is_empty() {
        assert_eq!(ranks, rows.start as u64..rows.end as u64);
    }
    let bounds = Bounds::of(lead, order, shape);
    let walked = stops(nodes, tree, &bounds);
    let covered = walked.first().map_or(0, |stop| stop.rank)
        ..walked.last().map_or(0, |stop| stop.rank + stop.entry.rows);
    assert!(
        rows.is_empty() || (covered.start <= ranks.start && ranks.end <= covered.end),
        "{covered:?} {ranks:?} {bounds:02x?} {order:?} {shape:?} {lead:?}"
    );
    // No leaf is walked to in vain, but for one at the start.
    for stop in walked.iter().skip(1) {
        assert!(bounds.high.as_ref().is_none_or(|high| stop.lower() < high.as_slice()));
    }
    assert!(walked.first().is_none_or(|stop| stop.upper().is_none_or(|upper| upper > bounds.low.as_slice())));
}

fn check_ranks(nodes: &Nodes, tree: &Tree, run: &Run, shape: Shape) {
    for rank in 0..run.len() {
        let (leaf, at) = tree.at(nodes, rank as u64, run.order, shape).unwrap();
        assert_eq!(row(&leaf, at), row(run, rank));
    }
}

/// A number that looks random, always the same one.
fn noise(n: u64) -> u64 {
    xxhash_rust::xxh3::xxh3_64(&n.to_be_bytes())
}

/// Rows that are the same in every run of this test: many, of a fixed type, about four bytes each.
fn plain_facts(count: u64) -> Vec<Fact> {
    let fact = |n: u64| Fact {
        e: n / 3,
        a: (n % 3) as u32,
        v: Value::Long((noise(n) >> 32) as i64),
        from: n % 97,
        to: n % 97 + 1 + n % 5,
    };
    (0..count).map(fact).collect()
}

fn plain_run(count: u64) -> Run {
    run_of(&plain_facts(count), Order::Eavt, Shape::Open)
}

/// Rebuilds a tree as an index job does: leaves whose rows are the same are taken over.
fn rebuild(nodes: &Nodes, job: u64, old: &Tree, run: &Run, shape: Shape, leaf_bytes: usize) -> Built {
    let mut builder = Builder::new(run.order, shape, leaf_bytes);
    builder.remember(nodes, old).expect("a sound tree");
    build(nodes, job, builder, |builder, out| {
        let mut start = 0;
        let mut walk = Walk::new(nodes, old, &Bounds::all())?;
        while let Some(stop) = walk.next()? {
            let is_inside =
                |at: usize| stop.upper().is_none_or(|upper| key_of(run, at, shape).as_slice() < upper);
            let end = crate::run::bisect(start..run.len(), is_inside);
            let leaf = nodes.leaf(&stop.entry, run.order, shape)?;
            if same(&leaf, run, start..end) {
                builder.reuse(out, &stop, &mut || nodes.leaf_uncached(&stop.entry, run.order, shape))?;
            } else {
                builder.rows(out, run, start..end)?;
            }
            start = end;
        }
        builder.rows(out, run, start..run.len())
    })
}

fn same(leaf: &Run, run: &Run, rows: Range<usize>) -> bool {
    leaf.len() == rows.len() && rows.enumerate().all(|(at, original)| row(leaf, at) == row(run, original))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 100, ..ProptestConfig::default() })]

    #[test]
    fn trees_answer_as_their_rows_do(
        facts in facts(1..300),
        x: prop::sample::Index,
        y: prop::sample::Index,
        leaf_bytes in prop::sample::select(vec![100usize, 200, 700, 32_256]),
        piece in prop::sample::select(vec![1usize, 7, 1000]),
    ) {
        for order in Order::ALL {
            for shape in SHAPES {
                let (nodes, run) = (nodes(), run_of(&facts, order, shape));
                let tree = tree_of(&nodes, &run, shape, leaf_bytes, piece);
                check_walk(&nodes, &tree, &run, shape);
                check_ranks(&nodes, &tree, &run, shape);
                check_leads(&nodes, &tree, &run, shape, x.get(&facts), y.get(&facts));
            }
        }
    }

    #[test]
    fn rebuilt_trees_hold_the_new_rows(
        old in facts(1..300),
        new in facts(0..40),
        gone in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
        leaf_bytes in prop::sample::select(vec![100usize, 300, 700]),
    ) {
        for order in Order::ALL {
            for shape in SHAPES {
                let nodes = nodes();
                let tree = tree_of(&nodes, &run_of(&old, order, shape), shape, leaf_bytes, 1000);
                let mut facts = old.clone();
                for index in &gone {
                    if !facts.is_empty() {
                        facts.swap_remove(index.index(facts.len()));
                    }
                }
                facts.extend(new.iter().cloned());
                let run = run_of(&facts, order, shape);
                let built = rebuild(&nodes, 2, &tree, &run, shape, leaf_bytes);
                check_walk(&nodes, &built.tree, &run, shape);
                if let Some(fact) = facts.first() {
                    check_leads(&nodes, &built.tree, &run, shape, fact, facts.last().unwrap_or(fact));
                }
                // And once more, with nothing new: nothing is written but small neighbours joined.
                let again = rebuild(&nodes, 3, &built.tree, &run, shape, leaf_bytes);
                check_walk(&nodes, &again.tree, &run, shape);
            }
        }
    }
}

#[test]
fn nothing_gives_the_empty_tree() {
    let nodes = nodes();
    let built = build(&nodes, 1, Builder::new(Order::Eavt, Shape::Open, 1000), |_, _| Ok(()));
    assert_eq!((built.tree, built.segments), (Tree::default(), 0));
    assert!(stops(&nodes, &built.tree, &Bounds::all()).is_empty());
    let lead = Lead { e: Some(1), ..Lead::default() };
    assert_eq!(built.tree.count(&nodes, &lead, Order::Eavt, Shape::Open).unwrap(), 0);
}

#[test]
fn many_levels_are_searched_like_one() {
    let (nodes, run) = (nodes(), plain_run(6000));
    let tree = tree_of(&nodes, &run, Shape::Open, 120, 6000);
    assert!(tree.height >= 4, "{tree:?}");
    check_walk(&nodes, &tree, &run, Shape::Open);
    for e in (0..2000).step_by(37) {
        let lead = Lead { e: Some(e), ..Lead::default() };
        assert_eq!(tree.count(&nodes, &lead, Order::Eavt, Shape::Open).unwrap(), 3);
        check_lead(&nodes, &tree, &run, Shape::Open, &lead);
    }
}

#[test]
fn leaves_are_full_and_none_is_too_large() {
    let (nodes, run) = (nodes(), plain_run(100_000));
    for piece in [1, 900, 100_000] {
        let tree = tree_of(&nodes, &run, Shape::Open, 8000, piece);
        let all = stops(&nodes, &tree, &Bounds::all());
        assert!(all.iter().all(|stop| stop.entry.bytes <= 8000));
        let (_, full) = all.split_last().expect("there are leaves");
        let mean = full.iter().map(|stop| stop.entry.bytes).sum::<u64>() / full.len() as u64;
        assert!(full.len() > 10 && mean > 8000 * 85 / 100, "{mean} of 8000 in {} leaves", full.len());
    }
}

#[test]
fn an_unchanged_tree_is_written_again_for_nothing() {
    let (nodes, run) = (nodes(), plain_run(20_000));
    let tree = tree_of(&nodes, &run, Shape::Open, 1000, 20_000);
    let again = rebuild(&nodes, 2, &tree, &run, Shape::Open, 1000);
    assert_eq!((again.tree, again.segments, again.rows), (tree, 0, 0));
}

#[test]
fn a_change_rewrites_a_leaf_and_its_path() {
    let nodes = nodes();
    let mut facts = plain_facts(60_000);
    let tree = tree_of(&nodes, &run_of(&facts, Order::Eavt, Shape::Open), Shape::Open, 1000, 60_000);
    let mut segments = Vec::new();
    tree.each_node(&nodes, &mut |name, _, _| {
        segments.push(name);
        Ok(())
    })
    .unwrap();
    facts.remove(31_000);
    let run = run_of(&facts, Order::Eavt, Shape::Open);
    let built = rebuild(&nodes, 2, &tree, &run, Shape::Open, 1000);
    check_walk(&nodes, &built.tree, &run, Shape::Open);
    // The leaf, and at each level the directory over it and those up to where both trees are cut alike again.
    assert!(tree.leaves > 200 && tree.height >= 2, "{tree:?}");
    assert!(built.segments <= 1 + 3 * u64::from(tree.height), "{} of {}", built.segments, segments.len());
}

#[test]
fn appending_rewrites_the_last_leaf_only() {
    let nodes = nodes();
    let mut tree = tree_of(&nodes, &plain_run(30_000), Shape::Open, 1000, 30_000);
    for (job, count) in (31_000..=40_000).step_by(1000).enumerate() {
        let run = plain_run(count);
        let built = rebuild(&nodes, 2 + job as u64, &tree, &run, Shape::Open, 1000);
        let rows_a_leaf = tree.rows / tree.leaves;
        assert!(built.rows <= 1000 + 2 * rows_a_leaf, "{} rows written for 1000", built.rows);
        check_walk(&nodes, &built.tree, &run, Shape::Open);
        tree = built.tree;
    }
}

#[test]
fn long_values_make_leaves_of_their_own() {
    let nodes = nodes();
    let fact = |e: u64| {
        let length = if e.is_multiple_of(4) { 100_000 } else { 300 };
        let bytes: Vec<u8> = (0..length).map(|n| noise(e << 32 | n) as u8).collect();
        Fact { e, a: 1, v: Value::Bytes(bytes.into()), from: 1, to: 2 }
    };
    let facts: Vec<Fact> = (0..40).map(fact).collect();
    let run = run_of(&facts, Order::Aevt, Shape::Open);
    for piece in [1, 40] {
        let tree = tree_of(&nodes, &run, Shape::Open, 8000, piece);
        check_walk(&nodes, &tree, &run, Shape::Open);
        let all = stops(&nodes, &tree, &Bounds::all());
        assert!(all.iter().all(|stop| stop.entry.bytes <= 8000 || stop.entry.rows == 1));
        assert_eq!(all.iter().filter(|stop| stop.entry.bytes > 8000).count(), 10);
    }
}

#[test]
fn what_packs_to_nothing_is_cut_by_rows() {
    let nodes = nodes();
    let fact = |e: u64| Fact { e, a: 1, v: Value::string("x".repeat(2000)), from: 1, to: 2 };
    let facts: Vec<Fact> = (0..20_000).map(fact).collect();
    let run = run_of(&facts, Order::Eavt, Shape::Open);
    let tree = tree_of(&nodes, &run, Shape::Open, 32_256, 1000);
    assert_eq!(tree.leaves, 3);
    // Shared values stay shared on the way through.
    let leaf = nodes.leaf(&stops(&nodes, &tree, &Bounds::all())[0].entry, Order::Eavt, Shape::Open).unwrap();
    let again = tree_of(&nodes, &leaf, Shape::Open, 32_256, 10);
    assert_eq!((leaf.heap.len(), again.leaves), (2000, 1));
}

#[test]
fn a_tree_of_something_else_has_entries_only() {
    let nodes = nodes();
    let entry = |n: u64| Entry {
        name: Name { epoch: 1, job: 9, ordinal: n },
        rows: n % 5,
        leaves: 1,
        zone: Zone { from: (n, n + 1), to: (T::MAX, T::MAX) },
        bytes: 100,
    };
    let key = |n: u64| [n.to_be_bytes(), 7u64.to_be_bytes()].concat();
    let built = build(&nodes, 1, Builder::new(Order::Eavt, Shape::Open, 1000), |builder, out| {
        (0..500).try_for_each(|n| builder.entry(out, entry(n), &key(n)))
    });
    assert_eq!((built.tree.leaves, built.tree.rows), (500, 1000));
    let bounds = Bounds { low: key(123), high: Some(key(130)) };
    let found: Vec<u64> =
        stops(&nodes, &built.tree, &bounds).iter().map(|stop| stop.entry.name.ordinal).collect();
    assert_eq!(found, (123..130).collect::<Vec<u64>>());
}

#[test]
fn a_segment_that_is_gone_says_that_the_value_expired() {
    let (nodes, run) = (nodes(), plain_run(3000));
    let tree = tree_of(&nodes, &run, Shape::Open, 1000, 3000);
    let entry = stops(&nodes, &tree, &Bounds::all())[2].entry;
    nodes.storage.delete_segments(&[entry.name.of(DATABASE)]).unwrap();
    let error = nodes.leaf(&entry, Order::Eavt, Shape::Open).unwrap_err();
    assert!(matches!(error, Error::Expired { .. }), "{error}");
}

#[test]
fn nodes_that_contradict_their_parents_are_refused() {
    let (nodes, run) = (nodes(), plain_run(3000));
    let tree = tree_of(&nodes, &run, Shape::Open, 1000, 3000);
    let complaint = |result: Result<Arc<Run>>| result.expect_err("must be refused").to_string();
    let entry = stops(&nodes, &tree, &Bounds::all())[2].entry;
    // Twice: read from the storage, and from the cache.
    for _ in 0..2 {
        let wrong = Entry { rows: entry.rows + 1, ..entry };
        assert!(complaint(nodes.leaf(&wrong, Order::Eavt, Shape::Open)).contains("its parent says"));
        assert!(nodes.leaf(&entry, Order::Eavt, Shape::Open).is_ok());
    }
    assert!(complaint(nodes.leaf(&entry, Order::Aevt, Shape::Open)).contains("expected Aevt"));
    assert!(complaint(nodes.leaf(&entry, Order::Eavt, Shape::Closed)).contains("expected Eavt, Closed"));
    let top = tree.node().unwrap();
    for wrong in [
        super::Node { rows: 1, ..top },
        super::Node { level: 9, ..top },
        super::Node { leaves: 1, ..top },
        super::Node { bytes: 1, ..top },
        super::Node { name: entry.name, ..top },
    ] {
        assert!(matches!(nodes.directory(&wrong), Err(Error::Corrupt { .. })));
    }
}

#[test]
fn rows_out_of_order_are_not_written() {
    let (nodes, run) = (nodes(), plain_run(3000));
    let tree = tree_of(&nodes, &run, Shape::Open, 1000, 3000);
    let all = stops(&nodes, &tree, &Bounds::all());
    let mut out = Writer::new(&*nodes.storage, DATABASE, 1, 2);
    let mut reuse = |builder: &mut Builder, stop: &Stop| {
        builder.reuse(&mut out, stop, &mut || nodes.leaf_uncached(&stop.entry, Order::Eavt, Shape::Open))
    };
    let mut builder = Builder::new(Order::Eavt, Shape::Open, 1000);
    reuse(&mut builder, &all[5]).unwrap();
    reuse(&mut builder, &all[6]).unwrap();
    let error = reuse(&mut builder, &all[2]).unwrap_err().to_string();
    assert!(error.contains("not in order"), "{error}");
}

#[test]
fn scans_spare_the_directories() {
    let (mut nodes, run) = (nodes(), plain_run(100_000));
    let tree = tree_of(&nodes, &run, Shape::Open, 1000, 100_000);
    // Room for the directories and some leaves.
    nodes.cache = Arc::new(Cache::new(1 << 19));
    for _ in 0..3 {
        for stop in stops(&nodes, &tree, &Bounds::all()) {
            nodes.leaf(&stop.entry, Order::Eavt, Shape::Open).unwrap();
            let lead = Lead { e: Some(1), ..Lead::default() };
            tree.count(&nodes, &lead, Order::Eavt, Shape::Open).unwrap();
        }
    }
    let stats = nodes.cache.stats();
    assert!(stats.leaves_read > 2 * tree.leaves, "the leaves do not fit: {stats:?}");
    assert!(stats.directories_read < 1000, "{stats:?}");
    assert_eq!(stats.history_leaves_read, 0);
}

#[test]
fn segments_are_durable_after_flush() {
    let nodes = nodes();
    let mut out = Writer::new(&*nodes.storage, DATABASE, 1, 1);
    let names: Vec<Name> = (0..5u8).map(|n| out.add(vec![n; 3 << 20]).unwrap()).collect();
    out.flush().unwrap();
    let ids: Vec<SegmentId> = names.iter().map(|name| name.of(DATABASE)).collect();
    for (n, bytes) in nodes.storage.read_segments(&ids).unwrap().into_iter().enumerate() {
        assert_eq!(bytes.map(|bytes| (bytes.len(), bytes[0])), Some((3 << 20, n as u8)));
    }
    assert_eq!((out.segments, out.bytes), (5, 15 << 20));
}
