//! What a fork costs: `cargo bench -p annals-bench --bench fork -- [FACTS]`, where there are 1000000 facts unless said.
//!
//! A database in a redb file is forked at its newest transaction, where trees are shared, and at the middle of its log,
//! where they are made anew from the log. What the fork adds to the storage is told beside what the parent has, and how
//! long it takes until the first answer.

#![allow(clippy::print_stdout, clippy::disallowed_methods)]

use std::time::{Duration, Instant};

use annals::{Connection, Edn, T};

const SCHEMA: &str = "[
  {:db/ident :p/name :db/valueType :db.type/string :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}
  {:db/ident :p/pay :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
  {:db/ident :p/town :db/valueType :db.type/string :db/cardinality :db.cardinality/one}]";
/// Of three facts each.
const PEOPLE_AT_ONCE: u64 = 1_000;
const LONG: Duration = Duration::from_secs(600);

fn main() {
    let facts: u64 = std::env::args().filter_map(|arg| arg.parse().ok()).next().unwrap_or(1_000_000);
    let path = std::env::temp_dir().join(format!("annals-fork-{}.annals", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let store = annals::connect(&path.to_string_lossy()).expect("a new file");
    let main = store.database("main").expect("a good name");
    main.transact(SCHEMA).expect("a sound schema");
    for batch in 0..facts / 3 / PEOPLE_AT_ONCE {
        let people = batch * PEOPLE_AT_ONCE..(batch + 1) * PEOPLE_AT_ONCE;
        let one =
            |n| format!("{{:p/name \"person {n}\" :p/pay {} :p/town \"town {}\"}}", n * 37 % 9_000, n % 300);
        main.transact(format!("[{}]", people.map(one).collect::<Vec<_>>().join(" "))).expect("sound facts");
    }
    let t = main.request_index().expect("it is open");
    main.sync_index(t, LONG).expect("the job succeeds");
    main.gc(None).expect("nothing fails");
    println!("{facts} facts in {t} transactions: {} bytes stored", stored(&main));
    measure(&main, "newest", None);
    measure(&main, "middle", Some(t / 2));
    drop(main);
    let _ = std::fs::remove_file(&path);
}

fn measure(main: &Connection, name: &str, at: Option<T>) {
    let before = stored(main);
    let begun = Instant::now();
    let fork = main.fork(name, at).expect("a free name");
    let forked = begun.elapsed();
    let towns = annals::q("[:find (count-distinct ?t) . :where [_ :p/town ?t]]").expect("a query");
    let answer = towns.over(&fork.db()).run().expect("an answer").into_edn();
    let answered = begun.elapsed();
    let added = stored(main) - before;
    println!(
        "at {name}: forked in {forked:.1?}, {answer} towns counted after {answered:.1?}, {added} bytes added"
    );
    let begun = Instant::now();
    let differs = fork.db().difference(&main.db()).expect("they are related");
    let facts = differs.here.len() + differs.there.len();
    println!("   differs from its parent in {facts} facts, told in {:.1?}", begun.elapsed());
}

fn stored(conn: &Connection) -> i64 {
    let Edn::Map(stats) = conn.db().stats().expect("a sound database") else { unreachable!("it is a map") };
    match stats.get(&Edn::keyword("db/stored-bytes")) {
        Some(Edn::Int(bytes)) => *bytes,
        other => unreachable!("it is a number: {other:?}"),
    }
}
