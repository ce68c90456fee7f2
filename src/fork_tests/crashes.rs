//! A crash at every call of the storage: a fork is there whole or not there, and nobody loses anything by it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use annals_storage::backend::fault::{Fault, FaultyStorage};
use annals_storage::backend::{MemoryStorage, Storage};

use super::replay::Replay;
use super::{grown, index, numbers, open, small};
use crate::connection::Connection;
use crate::options::Options;
use crate::store::Store;
use crate::time::{Chance, Clock};

/// The same ids and times in every run, so that the same calls are made.
#[derive(Debug)]
struct Same(AtomicU64);

impl Chance for Same {
    fn next_id(&self) -> crate::Result<u128> {
        let n = u128::from(self.0.fetch_add(1, Ordering::Relaxed));
        Ok((n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
    }
}

impl Clock for Same {
    fn now_micros(&self) -> i64 {
        1_700_000_000_000_000
    }
}

fn same() -> Options {
    let same = || Arc::new(Same(AtomicU64::new(0)));
    Options { chance: same(), clock: same(), ..small() }
}

type Action = fn(&Store, &Connection) -> crate::Result<()>;

/// Runs an action with a fault at each of its calls in turn, and looks at what another process finds.
fn everywhere(faults: &[Fault], index_after: &[u64], action: Action, judge: fn(&Store, &Replay, bool)) {
    let calm = Arc::new(FaultyStorage::new(Arc::new(MemoryStorage::new())));
    let run = |faulty: &Arc<FaultyStorage>| {
        let store = open(&(Arc::clone(faulty) as Arc<dyn Storage>), same());
        let conn = grown(&store, "main", 9, index_after);
        let replay = Replay::of(&conn);
        let first = faulty.calls();
        let outcome = action(&store, &conn);
        (first, replay, outcome)
    };
    let (first, _, outcome) = run(&calm);
    outcome.expect("nothing fails");
    let calls = first..calm.calls();
    assert!(calls.end - calls.start > 5);
    for call in calls {
        for fault in faults {
            let memory: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
            let faulty = Arc::new(FaultyStorage::new(Arc::clone(&memory)).at(call, *fault));
            let (_, replay, outcome) = run(&faulty);
            let store = open(&memory, small());
            judge(&store, &replay, outcome.is_ok());
        }
    }
}

const CRASHES: [Fault; 2] = [Fault::CrashBefore, Fault::CrashAfter];

/// The parent is as it was, the fork whole or not there, and both go on.
fn whole_or_not_there(store: &Store, parent: &Replay, acknowledged: bool) {
    let there = store.databases().expect("memory does not fail").contains(&"trial".to_owned());
    assert!(there || !acknowledged);
    if !there {
        store.fork("main", "trial", Some(8)).expect("the name is free");
    }
    // Who opens the parent first must not take away what the fork has yet to read.
    let main = store.open_database("main").expect("it is there");
    main.transact(numbers(0..5, 77)).expect("sound facts");
    index(&main);
    let fork = store.open_database("trial").expect("it is there");
    parent.up_to(8).check_all(&fork);
    fork.transact(numbers(0..5, 78)).expect("sound facts");
    index(&fork);
    let (of_main, of_fork) = (Replay::of(&main), Replay::of(&fork));
    of_main.check_all(&main);
    of_fork.check_all(&fork);
    assert_eq!((of_fork.up_to(8), of_main.up_to(parent.basis())), (parent.up_to(8), parent.clone()));
}

#[test]
fn of_a_fork_that_shares_trees() {
    everywhere(
        &CRASHES,
        &[3, 6],
        |store, _| store.fork("main", "trial", Some(8)).map(drop),
        whole_or_not_there,
    );
}

#[test]
fn of_a_fork_older_than_the_trees() {
    everywhere(
        &CRASHES,
        &[3, 9],
        |store, _| store.fork("main", "trial", Some(8)).map(drop),
        whole_or_not_there,
    );
}

#[test]
fn a_lost_reply_is_no_harm() {
    let faults = [Fault::LostReply, Fault::LostRequest, Fault::LateEffect { after: 2 }];
    everywhere(
        &faults,
        &[3, 6],
        |store, _| store.fork("main", "trial", Some(8)).map(drop),
        |store, parent, acknowledged| {
            assert!(acknowledged, "a reply that is lost once is asked for again");
            whole_or_not_there(store, parent, acknowledged);
        },
    );
}

#[test]
fn of_a_drop_of_the_parent() {
    everywhere(
        &CRASHES,
        &[3, 6],
        |store, _| {
            let fork = store.fork("main", "trial", Some(8))?;
            drop(fork);
            store.drop_database("main").map(drop)
        },
        |store, parent, _| {
            let names = store.databases().expect("memory does not fail");
            if names.contains(&"trial".to_owned()) {
                store.drop_database("main").expect("memory does not fail");
                let fork = store.open_database("trial").expect("it is there");
                parent.up_to(8).check_all(&fork);
                fork.gc(None).expect("memory does not fail");
                index(&fork);
                parent.up_to(8).check_all(&fork);
            }
        },
    );
}
