//! A crash at every call of the storage: nothing is lost, nothing live is collected, what is left over goes.

use std::sync::Arc;

use super::histories::{assert_sound, excision};
use super::{DATABASE, House, TINY, entity};
use crate::backend::fault::{Fault, FaultyStorage};
use crate::backend::{MemoryStorage, Storage};
use crate::cache::Cache;
use crate::datom::{AttrId, Value};
use crate::index::{Rebuild, Shared, Verify, collect, sweep_orphans};
use crate::tree::Name;

type Action = fn(&mut House) -> crate::Result<()>;

fn facts(n: u64) -> Vec<super::Fact> {
    (0..8).map(|e| (entity((e * n) % 13), AttrId(1 + (e % 7) as u32), Value::Long(n as i64 % 4))).collect()
}

/// A database with tiers, generations, a packed log and garbage, and some novelty.
fn scenario(storage: Arc<dyn Storage>) -> House {
    let mut house = House::on(storage, TINY);
    for n in 0..12 {
        house.commit(facts(n));
        if n % 3 == 2 {
            house.job(&[]).expect("nothing fails yet");
        }
    }
    house.commit(facts(12));
    house
}

/// Runs an action with a crash at each of its calls in turn, before and after the call's effect.
fn crash_everywhere(action: Action) {
    let calm = Arc::new(FaultyStorage::new(Arc::new(MemoryStorage::new())));
    let mut house = scenario(Arc::clone(&calm) as Arc<dyn Storage>);
    let first = calm.calls();
    action(&mut house).expect("nothing fails");
    let calls = first..calm.calls();
    assert!(!calls.is_empty());
    for call in calls {
        for fault in [Fault::CrashBefore, Fault::CrashAfter] {
            let memory: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
            let faulty = Arc::new(FaultyStorage::new(Arc::clone(&memory)).at(call, fault));
            let mut house = scenario(Arc::clone(&faulty) as Arc<dyn Storage>);
            // Calls whose failure does not matter are left to the next job.
            let _ = action(&mut house);
            assert!(faulty.crashed(), "call {call} is made");
            recovered(house, memory);
        }
    }
}

fn recovered(house: House, memory: Arc<dyn Storage>) {
    let mut house = house.reopened(memory);
    assert_eq!(problems(&house), []);
    house.check();
    house.commit(facts(13));
    house.jobs += 1_000;
    house.job(&[]).expect("memory does not fail");
    house.check();
    collect(&*house.storage, &house.rest, &Shared::default(), None, 0, i64::MAX)
        .expect("memory does not fail");
    sweep_orphans(&*house.storage, &house.rest, &Shared::default(), DATABASE, u64::MAX)
        .expect("memory does not fail");
    assert_sound(&house);
    let verify = Verify { storage: &house.storage, lineage: DATABASE.into(), most_problems: 3 };
    let report = verify.run(&mut |_| ()).expect("memory does not fail");
    let there = house.storage.list_segments(DATABASE, None, 10_000).expect("memory does not fail");
    assert_eq!(there.len() as u64, report.leaves + report.directories, "exactly what is reachable is left");
}

fn problems(house: &House) -> Vec<crate::index::Problem> {
    let verify = Verify { storage: &house.storage, lineage: DATABASE.into(), most_problems: 3 };
    verify.run(&mut |_| ()).expect("memory does not fail").problems
}

#[test]
fn of_a_job() {
    crash_everywhere(|house| house.job(&[]).map(drop));
}

/// Threads make the same calls in an order of their own, so that a call later than the crash may be the one that is met.
#[test]
fn of_a_job_in_threads() {
    crash_everywhere(|house| {
        house.settings.threads_from = 0;
        house.job(&[]).map(drop)
    });
}

#[test]
fn of_an_excision() {
    crash_everywhere(|house| {
        let excision = excision(house, Some(4), None, 0);
        house
            .holding
            .retain(|(e, a, v), from| !v.with_ref(&mut Vec::new(), |v| excision.takes(*e, *a, v, *from)));
        house.job(&[excision]).map(drop)
    });
}

fn collected(house: &mut House) -> crate::Result<()> {
    collect(&*house.storage, &house.rest, &Shared::default(), None, 0, i64::MAX).map(drop)
}

#[test]
fn of_a_collection() {
    crash_everywhere(collected);
}

#[test]
fn of_a_sweep() {
    crash_everywhere(|house| {
        for ordinal in 0..3 {
            // Of a job that did not publish.
            let name = Name { epoch: 1, job: 0xdead, ordinal };
            house.storage.write_segments(&[(name.of(DATABASE), b"left over")])?;
        }
        sweep_orphans(&*house.storage, &house.rest, &Shared::default(), DATABASE, u64::MAX).map(drop)
    });
}

/// What a collection cut short has left, the next one takes; nothing is left for a sweep.
#[test]
fn of_a_collection_that_is_done_again() {
    for call in 0.. {
        let memory: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
        let counting = Arc::new(FaultyStorage::new(Arc::clone(&memory)));
        let mut house = scenario(Arc::clone(&counting) as Arc<dyn Storage>);
        let faulty = FaultyStorage::new(Arc::clone(&memory)).at(call, Fault::CrashAfter);
        house.storage = Arc::new(faulty);
        let done = collected(&mut house).is_ok();
        house = house.reopened(memory);
        collected(&mut house).expect("memory does not fail");
        assert_sound(&house);
        if done {
            assert!(call > 3, "some calls were made");
            return;
        }
    }
}

#[test]
fn of_a_rebuild() {
    crash_everywhere(|house| {
        let cache = Arc::new(Cache::new(1 << 20));
        let (storage, settings) = (&house.storage, house.settings);
        Rebuild { storage, lineage: DATABASE.into(), cache: &cache, epoch: 1, job: 0xbad, now: 7, settings }
            .run()
            .map(drop)
    });
}

/// Replies and requests are lost, root slots filled late: a job fails or not, the next process goes on.
#[test]
fn of_nothing_but_replies() {
    for seed in 0..60 {
        let memory: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
        let faulty = Arc::new(FaultyStorage::new(Arc::clone(&memory)).seeded(seed, 25));
        let mut house = scenario(Arc::clone(&memory));
        for n in 13..25 {
            house.storage = Arc::clone(&faulty) as Arc<dyn Storage>;
            // It fails or not; either way the next process finds all there.
            let _ = house.job(&[]);
            faulty.land_late_effects();
            house = house.reopened(Arc::clone(&memory));
            house.commit(facts(n));
            house.check();
        }
        faulty.land_late_effects();
        house = house.reopened(Arc::clone(&memory));
        assert_eq!(problems(&house), []);
    }
}

/// Whoever publishes second is told, and changes nothing.
#[test]
fn of_no_one_but_two_jobs_at_once() {
    let mut house = scenario(Arc::new(MemoryStorage::new()));
    let stale = house.rest.clone();
    house.job(&[]).expect("memory does not fail");
    house.commit(facts(20));
    let newest = std::mem::replace(&mut house.rest, stale);
    let basis = house.txs.len() as u64 - 2;
    house.novelty = crate::novelty::Novelty::from_log(&house.txs[basis as usize..]);
    let error = house.job(&[]).expect_err("the slot is taken");
    assert_eq!(error.keyword(), "db.error/root-superseded");
    house.rest = newest;
    house.check();
    sweep_orphans(&*house.storage, &house.rest, &Shared::default(), DATABASE, u64::MAX)
        .expect("memory does not fail");
    assert_sound(&house);
}
