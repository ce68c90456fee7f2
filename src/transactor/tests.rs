//! The transactor under load and under faults.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use annals_storage::anomaly::Category;
use annals_storage::backend::fault::{Call, Fault, FaultyStorage};
use annals_storage::backend::{MemoryStorage, Storage};

use annals_query::edn::Edn;

use crate::code::{Code, Context};
use crate::connection::Connection;
use crate::options::Options;
use crate::store::{Store, connect};
use crate::time::Clock;

const SCHEMA: &str = "[
  {:db/ident :a/n :db/valueType :db.type/long :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}
  {:db/ident :a/count :db/valueType :db.type/long :db/cardinality :db.cardinality/one}]";
const SOON: Duration = Duration::from_millis(30);
const LONG: Duration = Duration::from_secs(20);

fn open(storage: Arc<dyn Storage>, options: Options) -> Store {
    Store::over("test", storage, options).unwrap()
}

/// A gate in front of every write of a slot.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn set(&self, shut: bool) {
        *self.0.0.lock().unwrap() = shut;
        self.0.1.notify_all();
    }

    fn pass(&self, call: Call) {
        let shut = self.0.0.lock().unwrap();
        if call.operation == "fill_slot" {
            let _open = self.0.1.wait_while(shut, |shut| *shut).unwrap();
        }
    }
}

fn gated(queue: usize) -> (Gate, Connection) {
    let gate = Gate::default();
    let hook = gate.clone();
    let storage = FaultyStorage::new(Arc::new(MemoryStorage::new())).delayed(move |call| hook.pass(call));
    // No job gets in the way: these tests count batches.
    let options = Options { queue, novelty_datoms: usize::MAX, ..Options::default() };
    let conn = open(Arc::new(storage), options).database("main").unwrap();
    conn.transact(SCHEMA).unwrap();
    (gate, conn)
}

fn count(conn: &Connection) -> usize {
    conn.db().datoms(crate::Order::Aevt, &[Edn::keyword("a/n")], None).unwrap().len()
}

#[test]
fn nothing_is_seen_or_answered_before_it_is_durable() {
    let (gate, conn) = gated(100);
    gate.set(true);
    let accepted = conn.submit("[{:a/n 1}]").unwrap();
    let refused = conn.submit("[[:db/cas [:a/n 1] :a/count 5 6]]").unwrap();
    assert!(accepted.wait_for(SOON).is_none() && refused.wait_for(SOON).is_none());
    assert_eq!((conn.db().basis_t(), count(&conn)), (1, 0));
    gate.set(false);
    let report = accepted.wait().unwrap();
    assert_eq!((report.t, report.db_before.basis_t(), report.db_after.basis_t()), (2, 1, 2));
    assert_eq!(refused.wait().unwrap_err().keyword(), "db.error/cas-failed");
    assert_eq!((conn.db().basis_t(), count(&conn)), (2, 1));
}

#[test]
fn what_arrives_during_an_append_is_the_next_batch() {
    let (gate, conn) = gated(1000);
    gate.set(true);
    let pending: Vec<_> = (0..200).map(|n| conn.submit(format!("[{{:a/n {n}}}]")).unwrap()).collect();
    gate.set(false);
    let ts: Vec<_> = pending.into_iter().map(|pending| pending.wait().unwrap().t).collect();
    assert_eq!(ts, (2..202).collect::<Vec<_>>());
    let batches = conn.transactor.log().batch_of(201).unwrap() - conn.transactor.log().batch_of(1).unwrap();
    assert_eq!(batches, 2, "the first one alone, the rest together");
}

#[test]
fn who_is_alone_carries_out_his_own_transaction() {
    let ran: Arc<Mutex<Vec<std::thread::ThreadId>>> = Arc::default();
    let told = Arc::clone(&ran);
    let code = Code::new().function("my/tell", move |_: &Context<'_>, _: &[Edn]| {
        told.lock().unwrap().push(std::thread::current().id());
        Ok(Edn::Vector(Vec::new()))
    });
    let options = Options { code: code.unwrap(), ..Options::default() };
    let conn = open(Arc::new(MemoryStorage::new()), options).database("main").unwrap();
    let here = std::thread::current().id();
    let ran_here = || ran.lock().unwrap().pop().expect("the function was called") == here;
    // The writer's thread may be about something else for a moment, as when it begins.
    let alone = (0..100).filter(|_| {
        conn.transact("[[my/tell]]").unwrap();
        ran_here()
    });
    assert!(alone.count() > 50);
    conn.submit("[[my/tell]]").unwrap().wait().unwrap();
    assert!(!ran_here(), "submitting never waits");
}

#[test]
fn what_one_hands_over_first_comes_first() {
    let (_, conn) = gated(1000);
    for n in 0..300 {
        let first = conn.submit(format!("[{{:a/n {n} :a/count 1}}]")).unwrap();
        let second = conn.transact(format!("[[:db/cas [:a/n {n}] :a/count 1 2]]")).unwrap();
        assert_eq!(second.t, first.wait().unwrap().t + 1);
    }
}

#[test]
fn a_storage_that_breaks_under_who_waits_breaks_nothing_else() {
    let panics = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&panics);
    let storage = FaultyStorage::new(Arc::new(MemoryStorage::new())).delayed(move |call| {
        assert!(!(call.operation == "fill_slot" && told.load(Ordering::Acquire)), "a fault of the storage");
    });
    let conn = open(Arc::new(storage), Options::default()).database("main").unwrap();
    conn.transact(SCHEMA).unwrap();
    panics.store(true, Ordering::Release);
    assert_eq!(conn.transact("[{:a/n 1}]").unwrap_err().category(), Category::Fault);
    panics.store(false, Ordering::Release);
    assert_eq!(
        conn.transact("[{:a/n 2}]").unwrap_err().category(),
        Category::Fault,
        "nothing is written any more"
    );
    assert_eq!((conn.is_open(), conn.db().basis_t(), count(&conn)), (false, 1, 0), "it can still be read");
}

#[test]
fn a_full_queue_is_busy_and_empties_again() {
    let (gate, conn) = gated(3);
    gate.set(true);
    let pending: Vec<_> = (0..3).map(|n| conn.submit(format!("[{{:a/n {n}}}]")).unwrap()).collect();
    let error = conn.submit("[{:a/n 9}]").unwrap_err();
    assert_eq!((error.category(), error.keyword()), (Category::Busy, "db.error/busy"));
    gate.set(false);
    pending.into_iter().for_each(|pending| drop(pending.wait().unwrap()));
    conn.transact("[{:a/n 9}]").unwrap();
    assert_eq!(count(&conn), 4);
}

#[test]
fn many_writers_lose_no_increment() {
    let (_, conn) = gated(1000);
    conn.transact("[{:a/n 1 :a/count 0}]").unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    loop {
                        let db = conn.db();
                        let now = db.pull("[:a/count]", (":a/n", 1)).unwrap().to_string();
                        let now: i64 = now.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap();
                        let tx = format!("[[:db/cas [:a/n 1] :a/count {now} {}]]", now + 1);
                        match conn.transact(tx) {
                            Ok(_) => break,
                            Err(error) => assert_eq!(error.keyword(), "db.error/cas-failed"),
                        }
                    }
                }
            });
        }
    });
    assert_eq!(conn.db().pull("[:a/count]", (":a/n", 1)).unwrap().to_string(), "{:a/count 200}");
}

#[test]
fn sync_waits_for_a_transaction_or_says_that_it_did_not_come() {
    let (_, conn) = gated(10);
    let waiting = conn.clone();
    let waiter = std::thread::spawn(move || waiting.sync(2, LONG).unwrap().basis_t());
    conn.transact("[]").unwrap();
    assert!(waiter.join().unwrap() >= 2);
    let error = conn.sync(99, SOON).unwrap_err();
    assert_eq!((error.category(), error.keyword()), (Category::Unavailable, "db.error/basis-not-reached"));
}

/// Ten transactions over a storage that fails at one call; what was acknowledged.
fn ten(storage: &Arc<FaultyStorage>) -> Vec<u64> {
    let Ok(store) = Store::over("test", Arc::clone(storage) as Arc<dyn Storage>, Options::default()) else {
        return Vec::new();
    };
    let Ok(conn) = store.database("main") else { return Vec::new() };
    if conn.db().basis_t() == 0 && conn.transact(SCHEMA).is_err() {
        return Vec::new();
    }
    (0..10).filter(|n| conn.transact(format!("[{{:a/n {n}}}]")).is_ok()).collect()
}

fn stored(memory: &MemoryStorage) -> Vec<u64> {
    let conn = open(Arc::new(memory.clone()), Options::default()).database("main").unwrap();
    let Ok(found) = conn.db().datoms(crate::Order::Avet, &[Edn::keyword("a/n")], None) else {
        return Vec::new();
    };
    found
        .into_iter()
        .map(|datom| match datom.v {
            crate::Value::Long(n) => n as u64,
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn a_lost_reply_loses_and_doubles_nothing() {
    for fault in [Fault::LostReply, Fault::LostRequest, Fault::LateEffect { after: 1 }] {
        for call in 0..30 {
            let memory = MemoryStorage::new();
            let storage = Arc::new(FaultyStorage::new(Arc::new(memory.clone())).at(call, fault));
            assert_eq!(ten(&storage), (0..10).collect::<Vec<_>>(), "{fault:?} at call {call}");
            assert_eq!(stored(&memory), (0..10).collect::<Vec<_>>(), "{fault:?} at call {call}");
        }
    }
}

#[test]
fn a_crash_at_any_call_keeps_what_was_acknowledged() {
    for fault in [Fault::CrashBefore, Fault::CrashAfter, Fault::Refused] {
        for call in 0..30 {
            let memory = MemoryStorage::new();
            let storage = Arc::new(FaultyStorage::new(Arc::new(memory.clone())).at(call, fault));
            let acknowledged = ten(&storage);
            let found = stored(&memory);
            assert_eq!(found[..acknowledged.len()], acknowledged, "{fault:?} at call {call}");
            assert!(found.len() <= acknowledged.len() + 1, "{fault:?} at call {call}");
            let healthy = Arc::new(FaultyStorage::new(Arc::new(memory.clone())));
            assert_eq!(ten(&healthy), (0..10).collect::<Vec<_>>(), "{fault:?} at call {call}");
            assert_eq!(stored(&memory), (0..10).collect::<Vec<_>>());
        }
    }
}

#[test]
fn when_the_storage_fails_writes_stop_and_reads_go_on() {
    let memory = MemoryStorage::new();
    // What is read is in novelty, and no job makes calls of its own.
    let options = Options { novelty_datoms: usize::MAX, ..Options::default() };
    let counting = Arc::new(FaultyStorage::new(Arc::new(memory.clone())));
    let opened = open(Arc::clone(&counting) as Arc<dyn Storage>, options.clone()).database("main").unwrap();
    opened.transact(SCHEMA).unwrap();
    let calls = counting.calls();
    drop(opened);

    let memory = MemoryStorage::new();
    let failing = FaultyStorage::new(Arc::new(memory)).at(calls, Fault::CrashBefore);
    let conn = open(Arc::new(failing), options).database("main").unwrap();
    conn.transact(SCHEMA).unwrap();
    for _ in 0..2 {
        let error = conn.transact("[{:a/n 1}]").unwrap_err();
        assert_eq!(error.category(), Category::Unavailable, "{error:?}");
    }
    assert_eq!((conn.db().basis_t(), count(&conn)), (1, 0));
}

#[test]
fn a_slot_taken_by_another_writer_is_applied_first() {
    let memory = MemoryStorage::shared();
    let options = Options { novelty_datoms: usize::MAX, poll: None, ..Options::default() };
    let older = open(Arc::new(memory.clone()), options.clone()).database("main").unwrap();
    older.transact(SCHEMA).unwrap();
    older.transact("[{:a/n 1 :a/count 1}]").unwrap();
    let newer = open(Arc::new(memory.clone()), options).database("main").unwrap();
    older.transact("[{:db/id \"x\" :a/n 2} {:a/n 1 :a/count 2}]").unwrap();

    // Judged against what it knew, both would be wrong: a second entity of one identity, a swap of an old value.
    let upsert = newer.submit("[{:db/id \"x\" :a/n 2 :a/count 7}]").unwrap();
    let swap = newer.submit("[[:db/cas [:a/n 1] :a/count 1 3]]").unwrap();
    let upsert = upsert.wait().unwrap();
    assert_eq!((upsert.t, upsert.datoms.len()), (4, 2));
    assert_eq!(swap.wait().unwrap_err().keyword(), "db.error/cas-failed");

    // The older writer finds a batch of a newer one, and takes the pen back.
    older.transact("[{:a/n 3}]").unwrap();
    assert_eq!(older.transact("[{:a/n 3}]").unwrap().datoms.len(), 1);
    newer.transact("[{:a/n 3}]").unwrap();
    assert_eq!(stored(&memory), [1, 2, 3]);
}

struct Moody(AtomicBool, AtomicI64);

impl Clock for Moody {
    fn now_micros(&self) -> i64 {
        assert!(!self.0.load(Ordering::SeqCst), "a panic on purpose");
        self.1.load(Ordering::SeqCst)
    }
}

#[test]
fn a_panic_refuses_one_transaction() {
    let clock = Arc::new(Moody(AtomicBool::new(false), AtomicI64::new(5)));
    // A job that meets the panic would be refused too; here it is about the writer.
    let options = Options { clock: clock.clone(), novelty_datoms: usize::MAX, ..Options::default() };
    let conn = open(Arc::new(MemoryStorage::new()), options).database("main").unwrap();
    conn.transact(SCHEMA).unwrap();
    clock.0.store(true, Ordering::SeqCst);
    let error = conn.transact("[{:a/n 1}]").unwrap_err();
    assert_eq!((error.category(), error.keyword()), (Category::Fault, "db.error/fault"));
    clock.0.store(false, Ordering::SeqCst);
    assert_eq!(conn.transact("[{:a/n 1}]").unwrap().t, 2);
}

#[test]
fn a_file_is_let_go_when_the_last_handle_goes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.annals");
    let address = path.to_str().unwrap();
    for round in 0..3 {
        let store = connect(address).unwrap();
        let conn = store.database("main").unwrap();
        assert_eq!(connect(address).unwrap_err().keyword(), "db.error/already-open");
        if round == 0 {
            conn.transact(SCHEMA).unwrap();
        }
        let pending = conn.submit(format!("[{{:a/n {round}}}]")).unwrap();
        drop((store, conn));
        assert_eq!(pending.wait().unwrap().t, round + 2);
    }
    let conn = connect(&format!("redb:{address}")).unwrap().open_database("main").unwrap();
    assert_eq!(count(&conn), 3);
    let error =
        crate::connect_with("redb:/no/such/folder/x", Options { must_exist: true, ..Options::default() });
    assert_eq!(error.unwrap_err().category(), Category::NotFound);
}

#[test]
fn a_database_read_back_is_the_database_that_was() {
    let memory = MemoryStorage::new();
    let store = open(Arc::new(memory.clone()), Options::default());
    let conn = store.database("main").unwrap();
    conn.transact(SCHEMA).unwrap();
    for n in 0..30 {
        conn.transact(format!("[{{:a/n {} :a/count {n}}}]", n % 7)).unwrap();
    }
    conn.transact("[[:db/add :a/count :db/ident :a/number]]").unwrap();
    let was = conn.db();
    let all = |db: &crate::Db| db.history().datoms(crate::Order::Eavt, &[], None).unwrap();
    let again = open(Arc::new(memory), Options::default()).database("main").unwrap().db();
    assert_eq!(all(&again), all(&was));
    assert!(again.basis().schema.same_as(&was.basis().schema));
    assert_eq!(again.basis().next, was.basis().next);
    assert_eq!((again.basis_t(), again.basis().instant), (was.basis_t(), was.basis().instant));
}
