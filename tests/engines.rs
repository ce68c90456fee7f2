//! Every storage engine under a whole database: the same answers as in memory whatever was indexed, reopened and collected,
//! and no transaction lost or doubled between many who write.

#![allow(clippy::disallowed_methods, clippy::print_stdout)]

use std::thread;
use std::time::{Duration, Instant};

use annals::{Category, Connection, Edn, Options, TxRequest};
use annals_tests::engines::{NAMES, Place};

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

fn open(place: &Place) -> Connection {
    place.store(options()).database("main").expect("a database")
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
    let moments = (0..=db.basis_t()).step_by(9).map(|t| ask(db.as_of(t)));
    moments.chain([ask(db.history()), ask(db.since(db.basis_t() / 2))]).collect()
}

fn work(conn: &Connection) {
    conn.transact(SCHEMA).expect("a schema");
    for n in 0..60_u32 {
        let (key, note) = (n % 13, "x".repeat(n as usize * 7 % 400));
        conn.transact(format!("[{{:n/key {key} :n/count {n} :n/notes \"{n} {note}\"}}]")).expect("facts");
    }
}

/// The same on every engine, each in a thread of its own.
fn everywhere(proof: impl Fn(&Place) + Sync) {
    thread::scope(|scope| {
        let run = |name| {
            let start = Instant::now();
            proof(&Place::on(name));
            println!("{name}: {:?}", start.elapsed());
        };
        let runs: Vec<_> = NAMES.map(|name| (name, scope.spawn(move || run(name)))).into();
        for (name, run) in runs {
            assert!(run.join().is_ok(), "{name}");
        }
    });
}

#[test]
fn answers_are_those_of_memory_indexed_reopened_and_collected() {
    let memory =
        annals::connect_with("mem:", options()).and_then(|store| store.database("main")).expect("memory");
    work(&memory);
    let expected = told(&memory);
    everywhere(|place| {
        let conn = open(place);
        work(&conn);
        assert!(told(&conn) == expected, "{}", place.name);
        let t = conn.request_index().expect("a job");
        conn.sync_index(t, LONG).expect("it ends");
        assert!(told(&conn) == expected, "{} at rest", place.name);
        assert!(conn.verify(&mut |_| {}).expect("it is read").is_clean(), "{}", place.name);
        drop(conn);
        if place.name == "memory" {
            return;
        }
        let conn = open(place);
        assert!(told(&conn) == expected, "{} reopened", place.name);
        conn.gc(Some(Duration::ZERO)).expect("garbage");
        drop(conn);
        assert!(told(&open(place)) == expected, "{} collected", place.name);
    });
}

#[test]
fn eight_who_write_lose_nothing_of_each_other() {
    everywhere(|place| {
        // In one process: a file and memory have one writer at a time.
        let store = place.store(options());
        let first = store.database("main").expect("a database");
        first.transact(SCHEMA).expect("a schema");
        first.transact("[{:n/key 1 :n/count 0}]").expect("an entity");
        let is_shared = !["memory", "redb"].contains(&place.name);
        let add = |who: usize| -> (i64, i64) {
            let opened = is_shared.then(|| place.store(options()).database("main"));
            let conn = match opened {
                Some(Ok(conn)) => conn,
                Some(Err(error)) => {
                    // Another took it over while it was opened.
                    assert_eq!(error.category(), Category::Unavailable, "{}: {error}", place.name);
                    return (0, 0);
                }
                None => first.clone(),
            };
            for n in 0..6 {
                let request = TxRequest::from("[[:n/add 1 1]]").key(format!("{who} {n}"));
                if let Err(error) = conn.transact(request) {
                    // Who opened later took it over.
                    assert_eq!(error.category(), Category::Unavailable, "{}: {error}", place.name);
                    return (n, 1);
                }
            }
            (6, 0)
        };
        let ends: Vec<(i64, i64)> = thread::scope(|scope| {
            let writers: Vec<_> = (0..8).map(|who| scope.spawn(move || add(who))).collect();
            writers.into_iter().map(|writer| writer.join().expect("no panic")).collect()
        });
        drop((first, store));
        if place.name == "memory" {
            return;
        }
        let count = open(place).db().pull("[:n/count]", (":n/key", 1)).expect("an entity");
        let Edn::Map(told) = count else { panic!("{count}") };
        let Some(Edn::Int(count)) = told.get(&Edn::keyword("n/count")) else { panic!("{told:?}") };
        let (acknowledged, doubtful) = ends.iter().fold((0, 0), |sum, end| (sum.0 + end.0, sum.1 + end.1));
        assert!((acknowledged..=acknowledged + doubtful).contains(count), "{}: {count} {ends:?}", place.name);
    });
}
