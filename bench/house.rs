//! The whole path on a real data set: import, reopen, and questions of each kind; medians and ratios of one run.
//!
//! `ANNALS_DATA_DIR` names another data set (a folder of `schema.edn` and `transactions.edn.gz`).

#![allow(clippy::print_stdout, clippy::disallowed_methods)]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use annals::{Connection, Db};
use annals_bench::median;

const ROUNDS: usize = 15;

fn main() {
    let folder = std::env::var_os("ANNALS_DATA_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../repl/samples/git-datascript"),
        PathBuf::from,
    );
    let scratch = std::env::temp_dir().join(format!("annals-house-{}.annals", std::process::id()));
    let _ = std::fs::remove_file(&scratch);
    let address = format!("redb:{}", scratch.display());
    let datoms = {
        let conn = open(&address);
        let (datoms, took) = import(&conn, &folder);
        rate("import into a file, durable", datoms, took);
        let memory = open("mem:");
        let (datoms, took) = import(&memory, &folder);
        rate("import into memory", datoms, took);
        datoms
    };
    let start = Instant::now();
    let conn = open(&address);
    rate("reopen (replay of the log)", datoms, start.elapsed());
    questions(&conn.db());
    point(&conn.db());
    drop(conn);
    let _ = std::fs::remove_file(&scratch);
}

fn open(address: &str) -> Connection {
    annals::connect(address).and_then(|store| store.database("main")).expect("a storage")
}

fn import(conn: &Connection, folder: &Path) -> (u64, Duration) {
    let schema = std::fs::read_to_string(folder.join("schema.edn")).expect("schema.edn");
    conn.transact(schema.as_str()).expect("an accepted schema");
    let mut data = std::fs::File::open(folder.join("transactions.edn.gz")).expect("transactions.edn.gz");
    let start = Instant::now();
    let progress = annals::import::edn(conn, &mut data, 0, &mut |_| {}).expect("accepted transactions");
    (progress.datoms, start.elapsed())
}

fn rate(what: &str, datoms: u64, took: Duration) {
    println!(
        "{what:40} {:>10.1} ms {:>12.0} datoms/s",
        took.as_secs_f64() * 1e3,
        datoms as f64 / took.as_secs_f64()
    );
}

/// Every question now, as of half the time, and over history, beside a pass over all facts.
fn questions(db: &Db) {
    let middle = db.as_of(db.basis_t() / 2);
    let facts = "[:find (count ?v) . :with ?e ?a :where [?a :db/ident] [?e ?a ?v]]";
    let pass = ask("every fact", facts, db, db);
    println!("a pass over every fact: {:.3} ms", pass.as_secs_f64() * 1e3);
    for (name, query) in [
        ("names of all attributes", "[:find [?i ...] :where [?a :db/valueType] [?a :db/ident ?i]]"),
        ("transactions by instant", "[:find (count ?t) . :where [?t :db/txInstant]]"),
    ] {
        let now = ask(name, query, db, db);
        let past = ask(name, query, &middle, db);
        println!(
            "{name:40} {:>10.1} us now {:>10.1} us as of the middle, ratio {:.2}",
            now.as_secs_f64() * 1e6,
            past.as_secs_f64() * 1e6,
            past.as_secs_f64() / now.as_secs_f64()
        );
    }
}

fn ask(name: &str, query: &str, db: &Db, _now: &Db) -> Duration {
    median(ROUNDS, || {
        annals::q(query).and_then(|q| q.over(db).run()).unwrap_or_else(|e| panic!("{name}: {e}"))
    })
}

/// What of a question about one entity is reading its text, planning, running.
fn point(db: &Db) {
    const TEXT: &str = "[:find ?d . :where [?e :db/ident :db/doc] [?e :db/doc ?d]]";
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    let read = median(1001, || annals::q(TEXT).expect("sound"));
    let question = annals::q(TEXT).expect("sound").over(db);
    let run = median(1001, || question.run().expect("an answer"));
    let told: Vec<_> = (0..1001).map(|_| question.explain().expect("a plan")).collect();
    let middle = |part: fn(&annals::Explain) -> Option<Duration>| {
        let mut times: Vec<Duration> = told.iter().filter_map(part).collect();
        times.sort();
        times.get(times.len() / 2).copied().unwrap_or_default()
    };
    println!(
        "a question about one entity: {:.1} us to read its text, {:.1} us to answer; of that {:.1} us check and plan, {:.1} us run",
        micros(read),
        micros(run),
        micros(middle(|told| told.planning)),
        micros(middle(|told| told.running)),
    );
}
