//! Jobs beside the writing: nothing changes by them, nothing waits for them but at the limit, nothing hangs if they fail.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use annals_storage::anomaly::Category;
use annals_storage::backend::fault::{Call, FaultyStorage};
use annals_storage::backend::{
    DatabaseId, Failure, Filled, Limits, MemoryStorage, SegmentId, Sequence, Storage,
};

use crate::connection::Connection;
use crate::database::Db;
use crate::options::Options;
use crate::store::Store;
use crate::{Edn, Order};

const SCHEMA: &str = "[
  {:db/ident :a/n :db/valueType :db.type/long :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}
  {:db/ident :a/count :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
  {:db/ident :a/mood :db/valueType :db.type/string :db/cardinality :db.cardinality/one :db/noHistory true}]";
const SOON: Duration = Duration::from_millis(50);
const LONG: Duration = Duration::from_secs(20);

fn small(rows: usize) -> Options {
    Options { novelty_datoms: rows, ..Options::default() }
}

fn open(storage: Arc<dyn Storage>, options: Options) -> Connection {
    Store::over("test", storage, options).unwrap().database("main").unwrap()
}

/// Everything a value shows, in every view that is asked for often.
fn shown(db: &Db) -> Vec<Vec<crate::Datom>> {
    let views = [db.clone(), db.history(), db.as_of(2), db.as_of(db.basis_t() / 2), db.since(3)];
    let all = |view: &Db| Order::ALL.map(|order| view.datoms(order, &[], None).unwrap());
    views.iter().flat_map(all).collect()
}

fn numbers(conn: &Connection) -> usize {
    conn.db().datoms(Order::Aevt, &[Edn::keyword("a/n")], None).unwrap().len()
}

fn stat(conn: &Connection, key: &str) -> i64 {
    match conn.db().stats().unwrap() {
        Edn::Map(map) => match map.get(&Edn::keyword(key)) {
            Some(Edn::Int(n)) => *n,
            other => panic!("{key}: {other:?}"),
        },
        other => panic!("{other}"),
    }
}

#[test]
fn jobs_change_no_answer() {
    let (with, without) = (MemoryStorage::new(), MemoryStorage::new());
    let jobs = open(Arc::new(with.clone()), small(1));
    let none = open(Arc::new(without), small(usize::MAX));
    let tx = |n: u64| format!("[{{:db/id \"x\" :a/n {} :a/count {n}}}]", n % 7);
    let mut held = Vec::new();
    for conn in [&jobs, &none] {
        conn.transact(SCHEMA).unwrap();
    }
    for n in 0..40 {
        let (x, y) = (jobs.transact(tx(n)).unwrap(), none.transact(tx(n)).unwrap());
        assert_eq!(x.datoms.len(), y.datoms.len(), "{n}");
        held.push((jobs.db(), none.db()));
    }
    let t = jobs.request_index().unwrap();
    jobs.sync_index(t, LONG).unwrap();
    assert!(stat(&jobs, "db/jobs") > 3);
    assert_eq!(stat(&none, "db/jobs"), 0);
    held.push((jobs.db(), none.db()));
    let instantless = |datoms: Vec<Vec<crate::Datom>>| -> Vec<Vec<String>> {
        let kept = |datom: &crate::Datom| datom.a.0 != 28;
        let text = |datom: crate::Datom| format!("{datom:?}");
        datoms.into_iter().map(|all| all.into_iter().filter(kept).map(text).collect()).collect()
    };
    let same = |x: &Db, y: &Db| {
        let (left, right) = (instantless(shown(x)), instantless(shown(y)));
        for (view, (left, right)) in left.iter().zip(&right).enumerate() {
            let differs = left.iter().zip(right).position(|(x, y)| x != y);
            let first = differs.map(|at| (&left[at], &right[at]));
            assert!(left == right, "{x:?}, view {view}: {} and {} rows, {first:?}", left.len(), right.len());
        }
    };
    held.iter().for_each(|(x, y)| same(x, y));
    drop((jobs, held));
    let again = open(Arc::new(with), small(1));
    same(&again.db(), &none.db());
    assert_eq!(again.db().basis().next, none.db().basis().next);
    assert!(again.db().basis().schema.same_as(&none.db().basis().schema));
    assert_eq!(again.transact(tx(3)).unwrap().t, 42);
}

/// A gate in front of writes of segments, which only jobs do; or a failure of them.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn set(&self, shut: bool) {
        *self.0.0.lock().unwrap() = shut;
        self.0.1.notify_all();
    }

    fn pass(&self, call: Call) {
        let shut = self.0.0.lock().unwrap();
        if call.operation == "write_segments" {
            let _open = self.0.1.wait_while(shut, |shut| *shut).unwrap();
        }
    }
}

fn gated(options: Options) -> (Gate, Connection) {
    let gate = Gate::default();
    let hook = gate.clone();
    let storage = FaultyStorage::new(Arc::new(MemoryStorage::new())).delayed(move |call| hook.pass(call));
    (gate, open(Arc::new(storage), options))
}

#[test]
fn writes_wait_for_no_job_below_the_limit_and_in_order_at_it() {
    let (gate, conn) = gated(Options { novelty_limit: 2, ..small(400) });
    conn.transact(SCHEMA).unwrap();
    gate.set(true);
    conn.request_index().unwrap();
    // The job is held up. Two rows a transaction, and the limit is 800.
    for n in 0..100 {
        conn.transact(format!("[{{:a/n {n}}}]")).unwrap();
    }
    let pending: Vec<_> = (100..500).map(|n| conn.submit(format!("[{{:a/n {n}}}]")).unwrap()).collect();
    let last = pending.last().unwrap();
    assert!(last.wait_for(SOON).is_none(), "there is no room");
    assert!(stat(&conn, "db/parked") > 0 && stat(&conn, "db/stalls") == 1);
    assert!(numbers(&conn) < 500);
    gate.set(false);
    let ts: Vec<_> = pending.into_iter().map(|pending| pending.wait().unwrap().t).collect();
    assert!(ts.windows(2).all(|pair| pair[0] < pair[1]), "in order");
    assert_eq!((numbers(&conn), stat(&conn, "db/parked")), (500, 0));
    assert!(stat(&conn, "db/novelty-rows") < 800);
}

/// Refuses to write segments while it is told to; counts how often it was asked to.
fn failing(options: Options) -> (Arc<AtomicBool>, Arc<AtomicU64>, Connection) {
    let storage = Common::default();
    let (fails, tried) = (Arc::clone(&storage.fails), Arc::clone(&storage.tried));
    (fails, tried, open(Arc::new(storage), options))
}

#[test]
fn a_failing_job_is_told_and_writes_at_the_limit_are_refused_until_one_succeeds() {
    let (fails, tried, conn) = failing(Options { novelty_limit: 2, ..small(400) });
    conn.transact(SCHEMA).unwrap();
    fails.store(true, Ordering::SeqCst);
    let refused = (0..2000).find_map(|n| conn.transact(format!("[{{:a/n {n}}}]")).err());
    let error = refused.expect("there is a limit");
    assert_eq!((error.category(), error.keyword()), (Category::Unavailable, "db.error/index-failed"));
    assert!(error.hint().is_some());
    let rows = stat(&conn, "db/novelty-rows");
    assert!((800..810).contains(&rows), "{rows}");
    // The last one may just be ending.
    let told = conn.sync_index(conn.db().basis_t(), SOON).unwrap_err();
    assert_eq!(told.keyword(), "db.error/index-not-reached");
    assert!(told.message().contains("on purpose"), "{told}");
    let tries = tried.load(Ordering::SeqCst);
    assert!((1..=5).contains(&tries), "at the threshold, then at every quarter more: {tries}");
    assert_eq!(stat(&conn, "db/jobs-failed"), tries as i64);

    // Reads go on, and so do writes once it works again.
    let before = numbers(&conn);
    fails.store(false, Ordering::SeqCst);
    let t = conn.request_index().unwrap();
    conn.sync_index(t, LONG).unwrap();
    conn.transact("[{:a/n 5000}]").unwrap();
    assert_eq!(numbers(&conn), before + 1);
    assert_eq!(stat(&conn, "db/novelty-rows"), 2);
}

#[test]
fn a_log_without_trees_is_put_to_rest_while_it_is_read() {
    let memory = MemoryStorage::new();
    let conn = open(Arc::new(memory.clone()), small(usize::MAX));
    conn.transact(SCHEMA).unwrap();
    for n in 0..300 {
        conn.transact(format!("[{{:a/n {} :a/count {n}}}]", n % 50)).unwrap();
    }
    let was = shown(&conn.db());
    drop(conn);
    let conn = open(Arc::new(memory), small(50));
    assert!(conn.db().basis().snapshot.rest().basis().is_some_and(|t| t > 200));
    assert_eq!(shown(&conn.db()), was);
    assert_eq!(conn.transact("[{:a/n 1 :a/count 7}]").unwrap().datoms.len(), 3);
}

#[test]
fn a_value_that_is_held_answers_the_same_whatever_is_collected() {
    let memory = MemoryStorage::new();
    let conn = open(Arc::new(memory.clone()), small(5));
    conn.transact(SCHEMA).unwrap();
    let put = |n: u64| conn.transact(format!("[{{:a/n {} :a/count {n}}}]", n % 10)).unwrap();
    let at_rest = || conn.sync_index(conn.request_index().unwrap(), LONG).unwrap();
    (0..30).for_each(|n| drop(put(n)));
    let held = at_rest();
    let was = shown(&held);
    for n in 30..200 {
        put(n);
        if n % 20 == 0 {
            at_rest();
        }
    }
    at_rest();
    conn.gc(None).unwrap();
    assert_eq!(shown(&held), was);
    drop(held);
    let (before, collected) = (memory.stored_bytes().unwrap(), conn.gc(None).unwrap());
    assert!(collected.segments > 0, "the old trees are nobody's now");
    assert!(memory.stored_bytes().unwrap() < before);
    assert_eq!(conn.gc(None).unwrap().segments, 0);
    assert_eq!(numbers(&conn), 10);
    assert_eq!(stat(&conn, "db/garbage-segments"), 0);
}

#[test]
fn no_history_is_kept_of_what_says_so_at_rest_or_not() {
    let conn = open(Arc::new(MemoryStorage::new()), small(usize::MAX));
    conn.transact(SCHEMA).unwrap();
    let moods = |db: &Db| db.datoms(Order::Aevt, &[Edn::keyword("a/mood")], None).unwrap().len();
    for n in 0..10 {
        conn.transact(format!("[{{:a/n 1 :a/mood \"{n}\" :a/count {n}}}]")).unwrap();
        if n % 3 == 0 {
            conn.sync_index(conn.request_index().unwrap(), LONG).unwrap();
        }
        assert_eq!((moods(&conn.db()), moods(&conn.db().history())), (1, 1), "{n}");
    }
    let counts = conn.db().history().datoms(Order::Aevt, &[Edn::keyword("a/count")], None).unwrap();
    assert_eq!(counts.len(), 19);
    // The log keeps what happened.
    let retracted =
        |tx: crate::Tx| tx.datoms.iter().any(|datom| !datom.added && datom.v == crate::Value::string("4"));
    assert_eq!(conn.log().range(..).unwrap().into_iter().filter(|tx| retracted(tx.clone())).count(), 1);
}

/// Memory that several processes share.
#[derive(Clone, Debug, Default)]
struct Common {
    memory: MemoryStorage,
    /// Writing segments is refused.
    fails: Arc<AtomicBool>,
    tried: Arc<AtomicU64>,
}

impl Storage for Common {
    fn fill_slot(&self, sequence: Sequence, number: u64, bytes: &[u8]) -> Result<Filled, Failure> {
        self.memory.fill_slot(sequence, number, bytes)
    }

    fn read_slots(&self, sequence: Sequence, from: u64, limit: usize) -> Result<Vec<Vec<u8>>, Failure> {
        self.memory.read_slots(sequence, from, limit)
    }

    fn write_segments(&self, segments: &[(SegmentId, &[u8])]) -> Result<(), Failure> {
        if self.fails.load(Ordering::SeqCst) {
            self.tried.fetch_add(1, Ordering::SeqCst);
            return Err(Failure::Refused(annals_storage::Error::Unavailable("on purpose".into())));
        }
        self.memory.write_segments(segments)
    }

    fn read_segments(&self, ids: &[SegmentId]) -> Result<Vec<Option<Vec<u8>>>, Failure> {
        self.memory.read_segments(ids)
    }

    fn delete_segments(&self, ids: &[SegmentId]) -> Result<(), Failure> {
        self.memory.delete_segments(ids)
    }

    fn list_segments(
        &self,
        database: DatabaseId,
        after: Option<SegmentId>,
        limit: usize,
    ) -> Result<Vec<SegmentId>, Failure> {
        self.memory.list_segments(database, after, limit)
    }

    fn delete_slots(&self, sequence: Sequence, below: u64) -> Result<(), Failure> {
        self.memory.delete_slots(sequence, below)
    }

    fn stored_bytes(&self) -> Result<u64, Failure> {
        self.memory.stored_bytes()
    }

    fn delete_database(&self, database: DatabaseId) -> Result<(), Failure> {
        self.memory.delete_database(database)
    }

    fn set_hint(&self, database: DatabaseId, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        self.memory.set_hint(database, name, bytes)
    }

    fn hint(&self, database: DatabaseId, name: &str) -> Result<Option<Vec<u8>>, Failure> {
        self.memory.hint(database, name)
    }

    fn limits(&self) -> Limits {
        Limits { exclusive: false, ..self.memory.limits() }
    }
}

#[test]
fn a_root_of_another_process_is_followed() {
    let storage = Common::default();
    let older = open(Arc::new(storage.clone()), small(usize::MAX));
    older.transact(SCHEMA).unwrap();
    (0..20).for_each(|n| drop(older.transact(format!("[{{:a/n {n} :a/count 1}}]")).unwrap()));
    let newer = open(Arc::new(storage.clone()), small(usize::MAX));
    // The older writer puts to rest what the newer one has as novelty, and some that it does not know.
    older.transact("[{:a/n 20 :a/count 1}]").unwrap();
    older.sync_index(older.request_index().unwrap(), LONG).unwrap();
    newer.request_index().unwrap();
    let report = newer.transact("[{:a/n 20 :a/count 2}]").unwrap();
    assert_eq!((report.t, report.datoms.len()), (23, 3), "judged after what the other wrote");
    newer.sync_index(newer.request_index().unwrap(), LONG).unwrap();
    assert_eq!((numbers(&newer), stat(&newer, "db/novelty-rows")), (21, 0));
    let again = open(Arc::new(storage), small(usize::MAX));
    assert_eq!(shown(&again.db()), shown(&newer.db()));
}

#[test]
fn trees_are_made_anew_from_the_log_and_a_damaged_log_is_told() {
    let memory = MemoryStorage::new();
    let store = Store::over("test", Arc::new(memory.clone()), small(5)).unwrap();
    let conn = store.database("main").unwrap();
    conn.transact(SCHEMA).unwrap();
    (0..50).for_each(|n| drop(conn.transact(format!("[{{:a/n {} :a/count {n}}}]", n % 9)).unwrap()));
    conn.sync_index(conn.request_index().unwrap(), LONG).unwrap();
    assert!(conn.verify(&mut |_| {}).unwrap().is_clean());
    assert_eq!(store.repair("main").unwrap_err().keyword(), "db.error/database-open");
    let (was, database) = (shown(&conn.db()), conn.db().basis().home.database);
    drop(conn);
    let lost = memory.list_segments(database, None, 1000).unwrap();
    let leaf = lost.iter().find(|id| kind(&memory, **id) == Some(1)).expect("there are leaves");
    memory.delete_segments(&[*leaf]).unwrap();
    let report = store.verify("main", &mut |_| {}).unwrap();
    assert!(!report.is_clean() && report.problems[0].place.contains(&leaf.to_string()), "{report:?}");
    store.repair("main").unwrap();
    let report = store.verify("main", &mut |_| {}).unwrap();
    assert!(report.is_clean(), "{report:?}");
    let conn = store.database("main").unwrap();
    assert_eq!(shown(&conn.db()), was);
    assert_eq!(conn.transact("[{:a/n 3 :a/count 1000}]").unwrap().datoms.len(), 3);
    conn.sync_index(conn.request_index().unwrap(), LONG).unwrap();
    assert!(conn.gc(None).unwrap().segments > 0, "what was damaged is no longer needed");
    assert_eq!(store.verify("nobody", &mut |_| {}).unwrap_err().keyword(), "db.error/db-not-found");
    drop(conn);

    for id in memory.list_segments(database, None, 1000).unwrap() {
        if kind(&memory, id) == Some(5) {
            memory.delete_segments(&[id]).unwrap();
        }
    }
    assert!(store.repair("main").is_err(), "the log is not whole");
}

/// The kind of a segment's frame: 1 is a leaf, 5 a piece of the packed log.
fn kind(storage: &dyn Storage, id: SegmentId) -> Option<u8> {
    storage.read_segments(&[id]).unwrap().pop().flatten().map(|bytes| bytes[6])
}
