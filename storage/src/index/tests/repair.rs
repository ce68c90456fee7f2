//! Damage is found and named; trees come back from the log.

use std::sync::Arc;

use super::histories::assert_sound;
use super::{DATABASE, House, TINY, entity};
use crate::backend::{Filled, MemoryStorage, Sequence, Storage};
use crate::cache::Cache;
use crate::datom::{AttrId, Order, Value};
use crate::index::{Problem, Rebuild, Report, Shared, Verify, garbage, sweep_orphans};
use crate::rest::Rest;
use crate::root::{Excision, Root};
use crate::tree::Tree;

fn filled(memory: &MemoryStorage) -> House {
    let mut house = House::on(Arc::new(memory.clone()), TINY);
    for n in 0..40 {
        let facts =
            (0..12).map(|e| (entity((e * n) % 31), AttrId(1 + (e % 7) as u32), Value::Long(n as i64 % 5)));
        house.commit(facts.collect());
        if n % 5 == 4 && n < 35 {
            house.job(&[]).expect("memory does not fail");
        }
    }
    house
}

fn verify(house: &House) -> Report {
    let verify = Verify { storage: &house.storage, lineage: DATABASE.into(), most_problems: 5 };
    verify.run(&mut |_| ()).expect("memory does not fail")
}

fn rebuild(house: &House) -> crate::Result<crate::index::Done> {
    let cache = Arc::new(Cache::new(1 << 20));
    let (storage, settings) = (&house.storage, house.settings);
    Rebuild { storage, lineage: DATABASE.into(), cache: &cache, epoch: 1, job: 0xbad, now: 7, settings }.run()
}

/// Rebuilds, and holds what came out against the model.
fn repaired(house: House) {
    let done = rebuild(&house).expect("the log is whole");
    assert!(done.rest.basis() == Some(house.txs.len() as u64), "all of the log is at rest");
    sweep_orphans(&*house.storage, &done.rest, &Shared::default(), DATABASE, u64::MAX)
        .expect("memory does not fail");
    let storage = Arc::clone(&house.storage);
    let mut house = house.reopened(storage);
    house.check();
    assert_sound(&house);
    house.commit(vec![(entity(1), AttrId(1), Value::Long(77))]);
    house.job(&[]).expect("memory does not fail");
    house.check();
    assert_sound(&house);
}

#[test]
fn every_segment_that_is_missing_is_told_and_trees_come_back() {
    let memory = MemoryStorage::new();
    let house = filled(&memory);
    let inner = house.rest.inner.clone().expect("a root");
    let names = garbage::reachable(&inner.nodes, &inner.root).expect("memory does not fail");
    let log = garbage::of_tree(&inner.nodes, &inner.root.log).expect("memory does not fail");
    for name in names.difference(&log) {
        let id = name.of(DATABASE);
        let bytes =
            memory.read_segments(&[id]).expect("memory does not fail").pop().flatten().expect("there");
        memory.delete_segments(&[id]).expect("memory does not fail");
        let report = verify(&house);
        assert!(report.problems.iter().any(|problem| problem.place.contains(&id.to_string())), "{report:?}");
        memory.write_segments(&[(id, &bytes)]).expect("memory does not fail");
    }
    let some: Vec<_> = names.difference(&log).take(7).map(|name| name.of(DATABASE)).collect();
    memory.delete_segments(&some).expect("memory does not fail");
    repaired(house);
}

#[test]
fn a_damaged_root_is_told_and_trees_come_back() {
    let memory = MemoryStorage::new();
    let house = filled(&memory);
    let revision = house.rest.inner.as_ref().expect("a root").root.revision;
    memory.damage_slot(Sequence::Root(DATABASE), revision, |bytes| bytes[60] ^= 1);
    let report = verify(&house);
    assert!(report.problems[0].place.contains(&format!("slot {revision}")), "{report:?}");
    repaired(house);
}

#[test]
fn a_damaged_log_is_told_and_nothing_is_changed() {
    let memory = MemoryStorage::new();
    let house = filled(&memory);
    let root = house.rest.inner.clone().expect("a root").root.clone();
    let last = house.log.next_seq() - 1;
    memory.damage_slot(Sequence::Log(DATABASE), last, |bytes| bytes[60] ^= 1);
    let report = verify(&house);
    assert!(report.problems[0].place.contains(&format!("slot {last}")), "{report:?}");
    let error = rebuild(&house).expect_err("the log is damaged").to_string();
    assert!(error.contains(&format!("slot {last}")), "{error}");
    assert_eq!(memory.read_slots(Sequence::Root(DATABASE), root.revision + 1, 1).expect("memory").len(), 0);
}

/// Publishes the newest root with a change, and gives what verification says of it.
fn told(change: impl FnOnce(&mut Root)) -> String {
    let house = filled(&MemoryStorage::new());
    let mut root = house.rest.inner.as_ref().expect("a root").root.clone();
    root.revision += 1;
    change(&mut root);
    let frame = root.seal(DATABASE).expect("a small root");
    let filled = house.storage.fill_slot(Sequence::Root(DATABASE), root.revision, &frame);
    assert_eq!(filled.expect("memory does not fail"), Filled::Done);
    let problems = verify(&house).problems;
    problems.into_iter().map(|Problem { place, what }| format!("{place}: {what}\n")).collect()
}

#[test]
fn a_root_that_does_not_fit_the_log_is_told() {
    assert_eq!(told(|_| ()), "");
    for order in Order::ALL {
        let lost = told(|root| root.tiers[order as usize].truncate(0));
        assert!(lost.contains(&format!("{order:?} trees")) && lost.contains("open rows"), "{lost}");
        let lost = told(|root| root.generations[0].closed[order as usize] = Tree::default());
        assert!(lost.contains(&format!("{order:?} trees")) && lost.contains("closed rows"), "{lost}");
    }
    let twice = told(|root| {
        let again = root.tiers[0][0].clone();
        root.tiers[0].push(again);
    });
    assert!(twice.contains("Eavt trees"), "{twice}");
    let misplaced = told(|root| root.generations[0].last = root.generations[0].first);
    assert!(misplaced.contains("generation 0") && misplaced.contains("wrong place"), "{misplaced}");
    let shorter = told(|root| root.log_end.seq -= 1);
    assert!(shorter.contains("packed log"), "{shorter}");
    let undone = told(|root| {
        let (entities, attributes) = (vec![entity(1)], Vec::new());
        root.excisions.push(Excision { t: 1, entities, attributes, references: false, before: 99 });
    });
    assert!(undone.contains("removed for ever"), "{undone}");
    let small = told(|root| root.leaf_bytes = 100);
    assert!(small.contains("at most 100"), "{small}");
}

#[test]
fn a_log_that_is_not_found_is_no_empty_log() {
    let memory = MemoryStorage::new();
    let house = filled(&memory);
    let inner = house.rest.inner.clone().expect("a root");
    for revision in 0..=inner.root.revision {
        memory.damage_slot(Sequence::Root(DATABASE), revision, |bytes| bytes[60] ^= 1);
    }
    let log = garbage::of_tree(&inner.nodes, &inner.root.log).expect("memory does not fail");
    let ids = memory.list_segments(DATABASE, None, 10_000).expect("memory does not fail");
    memory.delete_segments(&ids).expect("memory does not fail");
    assert!(!log.is_empty());
    let error = rebuild(&house).expect_err("the log is gone").to_string();
    assert!(error.contains("roots of database"), "{error}");
    assert!(
        memory.read_slots(Sequence::Root(DATABASE), inner.root.revision + 1, 1).expect("memory").is_empty()
    );
}

/// A job that meets trees which do not fit each other ends with an error, and publishes nothing.
#[test]
fn a_job_refuses_a_tombstone_without_a_target() {
    let mut house = House::new(TINY);
    let facts = |n: u64| (0..40).map(|e| (entity(e), AttrId(1), Value::Long((e * n % 7) as i64))).collect();
    house.commit(facts(1));
    house.job(&[]).expect("memory does not fail");
    let inner = house.rest.inner.clone().expect("a root");
    let mut root = inner.root.clone();
    root.tiers[0].clear();
    house.rest = Rest::of(root, inner.nodes.clone());
    house.commit(facts(1));
    let error = house.job(&[]).expect_err("tombstones without targets");
    assert_eq!(error.keyword(), "db.error/corrupt");
    assert!(error.to_string().contains("Eavt"), "{error}");
    assert_eq!(house.storage.read_slots(Sequence::Root(DATABASE), 1, 1).expect("memory").len(), 0);
}

/// The last batch that is packed stands in its slot too: else the log was cut off, and nobody would see.
#[test]
fn a_log_that_lost_its_end_is_told() {
    let memory = MemoryStorage::new();
    let house = filled(&memory);
    let end = house.rest.inner.as_ref().expect("a root").root.log_end.seq;
    memory.lose_slots(Sequence::Log(DATABASE), end - 1);
    let report = verify(&house);
    assert!(report.problems[0].place.contains(&format!("slot {}", end - 1)), "{report:?}");
    let error = rebuild(&house).expect_err("the log has lost its end").to_string();
    assert!(error.contains(&format!("slot {}", end - 1)), "{error}");
}
