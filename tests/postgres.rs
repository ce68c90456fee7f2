//! Databases on a real PostgreSQL, through the library: the same answers as in memory, whatever happens to the server, and no
//! transaction lost or doubled between two who write.

#![allow(clippy::disallowed_methods)]

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use annals::{Category, Connection, Edn, Options, TxRequest, connect_with};
use annals_storage::backend::postgres::server::Server;

const SCHEMA: &str = "[
  {:db/ident :n/key :db/valueType :db.type/long :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}
  {:db/ident :n/count :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
  {:db/ident :n/notes :db/valueType :db.type/string :db/cardinality :db.cardinality/many}
  {:db/ident :n/add :db/fn \"{:in [?k ?n] :where [[?e :n/key ?k] [?e :n/count ?c] [(+ ?c ?n) ?m]] :tx [[:db/add ?e :n/count ?m]]}\"}]";
const LONG: Duration = Duration::from_secs(120);

/// A job after every few datoms, so that trees are read, not only novelty.
fn options() -> Options {
    Options { novelty_datoms: 40, ..Options::default() }
}

fn open(address: &str) -> Connection {
    connect_with(address, options()).expect("the server is there").database("main").expect("a database")
}

/// Everything a database says about its own entities at some moments.
fn told(conn: &Connection) -> Vec<String> {
    let ask = |view: annals::Db| {
        let all = "[:find ?k ?a ?v ?t :where [?e :n/key ?k] [?e ?a ?v ?t] [(not= ?a :db/txInstant)]]";
        let answer = view.q(all, []).expect("rows").into_edn();
        let mut rows: Vec<String> = answer.as_seq().unwrap_or_default().iter().map(Edn::to_string).collect();
        rows.sort();
        rows.join("\n")
    };
    let db = conn.db();
    let moments = (0..=db.basis_t()).step_by(7).map(|t| ask(db.as_of(t)));
    moments.chain([ask(db.history()), ask(db.since(db.basis_t() / 2))]).collect()
}

fn work(conn: &Connection) {
    conn.transact(SCHEMA).expect("a schema");
    for n in 0..120_u32 {
        let (key, note) = (n % 13, "x".repeat(n as usize * 7 % 400));
        conn.transact(format!("[{{:n/key {key} :n/count {n} :n/notes \"{n} {note}\"}}]")).expect("facts");
    }
}

#[test]
fn the_same_answers_as_in_memory_and_after_reopening() {
    let address = Server::shared().fresh();
    let (memory, conn) = (open("mem:"), open(&address));
    work(&memory);
    work(&conn);
    let expected = told(&memory);
    assert!(told(&conn) == expected);
    let t = conn.request_index().expect("a job");
    conn.sync_index(t, LONG).expect("it ends");
    assert!(told(&conn) == expected);
    assert!(conn.verify(&mut |_| {}).expect("it is read").is_clean());
    drop(conn);
    let conn = open(&address);
    assert!(told(&conn) == expected);
    conn.gc(Some(Duration::ZERO)).expect("garbage");
    assert!(told(&open(&address)) == expected);
}

#[test]
fn a_server_that_crashes_under_writes_loses_and_doubles_none() {
    let mut server = Server::start();
    let address = server.fresh();
    let conn = open(&address);
    conn.transact(SCHEMA).expect("a schema");
    conn.transact("[{:n/key 1 :n/count 0}]").expect("an entity");
    let stop = AtomicBool::new(false);
    let acknowledged = thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let (mut conn, mut acknowledged) = (conn.clone(), 0);
            while !stop.load(Ordering::Acquire) || acknowledged < 20 {
                let request = || TxRequest::from("[[:n/add 1 1]]").key(format!("add {acknowledged}"));
                match conn.transact(request()) {
                    Ok(_) => acknowledged += 1,
                    Err(error) => {
                        assert_eq!(error.category(), Category::Unavailable, "{error}");
                        // The same request, sent to whoever writes now.
                        thread::sleep(Duration::from_millis(50));
                        if let Ok(store) = connect_with(&address, options()) {
                            conn = store.database("main").unwrap_or(conn);
                        }
                    }
                }
            }
            acknowledged
        });
        for _ in 0..3 {
            thread::sleep(Duration::from_millis(400));
            server.crash_and_restart();
        }
        stop.store(true, Ordering::Release);
        writer.join().expect("no panic")
    });
    let found = open(&address).db().pull("[:n/count]", (":n/key", 1)).expect("an entity");
    assert_eq!(found.to_string(), format!("{{:n/count {acknowledged}}}"));
}

#[test]
fn two_who_write_lose_nothing_of_each_other() {
    let address = Server::shared().fresh();
    let first = open(&address);
    first.transact(SCHEMA).expect("a schema");
    first.transact("[{:n/key 1 :n/count 0}]").expect("an entity");
    let add = |conn: &Connection, who: &str| -> (i64, Option<Category>) {
        for n in 0..60 {
            let request = TxRequest::from("[[:n/add 1 1]]").key(format!("{who} {n}"));
            if let Err(error) = conn.transact(request) {
                return (n, Some(error.category()));
            }
        }
        (60, None)
    };
    let second = open(&address);
    let ends = thread::scope(|scope| {
        let one = scope.spawn(|| add(&first, "first"));
        let other = scope.spawn(|| add(&second, "second"));
        [one.join().expect("no panic"), other.join().expect("no panic")]
    });
    // The one that opened it later may take it over from the other, who is told so.
    assert!(ends.iter().any(|(_, why)| why.is_none()), "{ends:?}");
    assert!(ends.iter().all(|(_, why)| why.is_none_or(|why| why == Category::Unavailable)), "{ends:?}");
    let count = open(&address).db().pull("[:n/count]", (":n/key", 1)).expect("an entity");
    let acknowledged: i64 = ends.iter().map(|(n, _)| n).sum();
    let doubtful = ends.iter().filter(|(_, why)| why.is_some()).count() as i64;
    let Edn::Map(told) = count else { panic!("{count}") };
    let Some(Edn::Int(count)) = told.get(&Edn::keyword("n/count")) else { panic!("{told:?}") };
    assert!((acknowledged..=acknowledged + doubtful).contains(count), "{count} {ends:?}");
}
