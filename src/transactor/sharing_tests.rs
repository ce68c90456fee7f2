//! Several processes on one storage: who writes, who follows, and that nothing is lost or doubled between them.
//!
//! Each store over a clone of one memory stands for a process. The beats are short, but where somebody has to keep the lead.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use annals_storage::anomaly::Category;
use annals_storage::backend::fault::{Call, FaultyStorage};
use annals_storage::backend::{MemoryStorage, Storage};

use crate::connection::Connection;
use crate::input::TxRequest;
use crate::leadership::Role;
use crate::options::Options;
use crate::store::Store;

const SCHEMA: &str = "[
  {:db/ident :a/n :db/valueType :db.type/long :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}
  {:db/ident :a/count :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
  {:db/ident :a/add :db/fn \"{:in [?n] :where [[?e :a/n ?n] [?e :a/count ?c] [(+ ?c 1) ?m]] :tx [[:db/add ?e :a/count ?m]]}\"}]";
const LONG: Duration = Duration::from_secs(30);

fn options(role: Role) -> Options {
    let (heartbeat, poll) = (Duration::from_millis(20), Some(Duration::from_millis(5)));
    Options { role, heartbeat, poll, novelty_datoms: 60, ..Options::default() }
}

fn open(storage: impl Storage + 'static, role: Role) -> Connection {
    open_with(storage, options(role))
}

fn open_with(storage: impl Storage + 'static, options: Options) -> Connection {
    Store::over("test", Arc::new(storage), options).unwrap().database("main").unwrap()
}

fn add(conn: &Connection, key: String) -> crate::Result<u64> {
    Ok(conn.transact(TxRequest::from("[[:a/add 1]]").key(key))?.t)
}

fn count(conn: &Connection) -> String {
    conn.sync_head(LONG).unwrap().pull("[:a/count]", (":a/n", 1)).unwrap().to_string()
}

/// As [`count`], of a process that may stand on trees that another collected without grace.
fn count_once_moved(conn: &Connection) -> String {
    match conn.sync_head(LONG).unwrap().pull("[:a/count]", (":a/n", 1)) {
        Ok(told) => told.to_string(),
        Err(error) => {
            assert_eq!(error.keyword(), "db.error/value-expired");
            conn.sync_index(conn.request_index().unwrap(), LONG).unwrap();
            count(conn)
        }
    }
}

/// A process has the schema and an entity to count with.
fn begin(conn: &Connection) {
    conn.transact(SCHEMA).unwrap();
    conn.transact("[{:a/n 1 :a/count 0}]").unwrap();
}

fn wait_for(what: &str, is_so: impl Fn() -> bool) {
    let gate = (Mutex::new(()), Condvar::new());
    for _ in 0..3000 {
        if is_so() {
            return;
        }
        drop(gate.1.wait_timeout(gate.0.lock().unwrap(), Duration::from_millis(10)).unwrap());
    }
    panic!("{what} does not come");
}

#[test]
fn those_who_are_alike_pass_the_pen_between_them() {
    let memory = MemoryStorage::shared();
    let all: Vec<Connection> = (0..3).map(|_| open(memory.clone(), Role::Auto)).collect();
    begin(&all[0]);
    std::thread::scope(|scope| {
        for (who, conn) in all.iter().enumerate() {
            scope.spawn(move || {
                conn.sync_head(LONG).unwrap();
                for n in 0..40 {
                    add(conn, format!("{who} {n}")).unwrap();
                }
            });
        }
    });
    for conn in &all {
        assert_eq!(count_once_moved(conn), "{:a/count 120}");
        let t = conn.request_index().unwrap();
        conn.sync_index(t, LONG).unwrap();
        conn.gc(Some(Duration::ZERO)).unwrap();
        assert!(conn.verify(&mut |_| {}).unwrap().is_clean());
    }
}

#[test]
fn a_peer_follows_and_does_not_write() {
    let memory = MemoryStorage::shared();
    let (writer, peer) = (open(memory.clone(), Role::Transactor), open(memory.clone(), Role::Peer));
    begin(&writer);
    for n in 0..100 {
        let t = add(&writer, format!("{n}")).unwrap();
        if n % 10 == 0 {
            assert_eq!(peer.sync(t, LONG).unwrap().basis_t(), t);
        }
    }
    assert_eq!(count(&peer), "{:a/count 100}");
    let error = add(&peer, "one more".to_owned()).unwrap_err();
    assert_eq!((error.category(), error.keyword()), (Category::Unavailable, "db.error/transactor-elsewhere"));
    // It moved to the trees that the other made, and need not hold all that was ever written.
    let t = writer.request_index().unwrap();
    writer.sync_index(t, LONG).unwrap();
    peer.request_index().unwrap();
    peer.sync_index(t, LONG).unwrap();
    assert_eq!(peer.gc(None).unwrap_err().keyword(), "db.error/transactor-elsewhere");
    assert_eq!(count(&writer), "{:a/count 100}");
}

#[test]
fn a_standby_takes_over_and_the_one_before_steps_down() {
    let memory = MemoryStorage::shared();
    let steady = || Options { heartbeat: Duration::from_millis(700), ..options(Role::Transactor) };
    let first = open_with(memory.clone(), steady());
    begin(&first);
    let second = open_with(memory.clone(), steady());
    assert!(first.is_leading() && !second.is_leading());
    assert_eq!(add(&second, "early".to_owned()).unwrap_err().keyword(), "db.error/transactor-elsewhere");
    drop(first);
    wait_for("the takeover", || second.is_leading());
    add(&second, "late".to_owned()).unwrap();
    assert_eq!(count(&second), "{:a/count 1}");
}

/// A process that is stopped whenever it calls the storage, as long as it is paused.
#[derive(Clone, Default)]
struct Pause(Arc<(Mutex<bool>, Condvar)>);

impl Pause {
    fn set(&self, paused: bool) {
        *self.0.0.lock().unwrap() = paused;
        self.0.1.notify_all();
    }

    fn over(&self, memory: &MemoryStorage) -> FaultyStorage {
        let gate = self.clone();
        FaultyStorage::new(Arc::new(memory.clone())).delayed(move |_: Call| {
            let paused = gate.0.0.lock().unwrap();
            drop(gate.0.1.wait_while(paused, |paused| *paused).unwrap());
        })
    }
}

#[test]
fn who_was_paused_past_its_time_commits_nothing_and_steps_down() {
    let (memory, pause) = (MemoryStorage::shared(), Pause::default());
    let first = open(pause.over(&memory), Role::Transactor);
    begin(&first);
    let second = open(memory.clone(), Role::Transactor);
    pause.set(true);
    let late = first.submit(TxRequest::from("[[:a/add 1]]").key("late")).unwrap();
    wait_for("the takeover", || second.is_leading());
    let t = add(&second, "in time".to_owned()).unwrap();
    pause.set(false);
    // It stands in the log nowhere: who sent it is told where it is to go.
    assert_eq!(late.wait().unwrap_err().keyword(), "db.error/transactor-elsewhere");
    wait_for("the step down", || !first.is_leading());
    assert_eq!(first.sync(t, LONG).unwrap().basis_t(), t);
    assert_eq!((count(&first), count(&second)), ("{:a/count 1}".to_owned(), "{:a/count 1}".to_owned()));
    assert_eq!(add(&second, "late".to_owned()).unwrap(), t + 1);
}

#[test]
fn a_storage_that_is_gone_for_a_while_stops_nobody_for_good() {
    let memory = MemoryStorage::shared();
    let lossy = Arc::new(FaultyStorage::new(Arc::new(memory.clone())));
    let conn = Store::over("test", Arc::clone(&lossy) as Arc<dyn Storage>, options(Role::Auto)).unwrap();
    let conn = conn.database("main").unwrap();
    begin(&conn);
    for n in 0..5 {
        lossy.crash();
        let error = add(&conn, format!("{n}")).unwrap_err();
        assert_eq!(error.category(), Category::Unavailable, "{error}");
        assert_eq!(
            conn.db().pull("[:a/count]", (":a/n", 1)).unwrap().to_string(),
            format!("{{:a/count {n}}}")
        );
        lossy.recover();
        add(&conn, format!("{n}")).unwrap();
    }
    assert_eq!(count(&conn), "{:a/count 5}");
}

#[test]
fn with_lost_replies_and_processes_that_come_and_go_every_request_is_carried_out_once() {
    let memory = MemoryStorage::shared();
    begin(&open(memory.clone(), Role::Auto));
    let (acknowledged, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for who in 0..3_u64 {
            let (memory, acknowledged, stop) = (&memory, &acknowledged, &stop);
            scope.spawn(move || {
                for life in 0..4 {
                    let faulty = FaultyStorage::new(Arc::new(memory.clone())).seeded(who * 10 + life, 10);
                    let role = if who == 0 { Role::Transactor } else { Role::Auto };
                    let Ok(store) = Store::over("test", Arc::new(faulty), options(role)) else { continue };
                    let Ok(conn) = store.database("main") else { continue };
                    for n in 0..25 {
                        let key = format!("{who} {life} {n}");
                        let sent = || add(&conn, key.clone());
                        if (0..50).any(|_| sent().is_ok()) {
                            acknowledged.fetch_add(1, Ordering::AcqRel);
                        } else {
                            // Whoever is still to be found carries it out.
                            wait_for("somebody who writes", || {
                                add(&open(memory.clone(), Role::Auto), key.clone()).is_ok()
                                    || stop.load(Ordering::Acquire)
                            });
                            acknowledged.fetch_add(1, Ordering::AcqRel);
                        }
                    }
                }
            });
        }
    });
    let conn = open(memory, Role::Auto);
    wait_for("the pen", || add(&conn, "last".to_owned()).is_ok());
    assert_eq!(count(&conn), format!("{{:a/count {}}}", acknowledged.into_inner() + 1));
    assert!(conn.verify(&mut |_| {}).unwrap().is_clean());
}
