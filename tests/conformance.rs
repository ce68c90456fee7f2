//! Every behaviour case: embedded in memory, over HTTP, and embedded on a file and on a real PostgreSQL.
//!
//! Reads all `*.edn` of `ANNALS_CONFORMANCE_DIR` (default: the copy beside this file). Prints passed, failed and
//! not-yet for each file and way, and name, expected and actual of each failure. Fails if one case of tier 1 fails, or
//! if there is no case at all. A case of tier 2 that does not pass is "not yet".

#![allow(clippy::print_stdout, clippy::disallowed_methods)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;

use annals::Store;
use annals_storage::backend::postgres::server::Server as Postgres;
use annals_tests::conformance::case::{Case, read_directory};
use annals_tests::conformance::embedded::Embedded;
use annals_tests::conformance::remote::Remote;
use annals_tests::conformance::{Way, run};
use annals_tests::http::{Client, Server};

/// The ways each case goes.
const WAYS: [&str; 4] = ["embedded", "http", "redb", "postgres"];

#[derive(Default)]
struct Tally {
    passed: usize,
    failed: usize,
    not_yet: usize,
}

fn main() -> ExitCode {
    let directory = annals_tests::folder_named("ANNALS_CONFORMANCE_DIR")
        .unwrap_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/conformance")));
    let server = Server::over(annals::connect("mem:").expect("a storage in memory"));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("cases.annals");
    let in_file = annals::connect(path.to_str().expect("text")).expect("a file");
    let in_postgres = annals::connect(&Postgres::shared().fresh()).expect("a server");
    let mut all = Tally::default();
    for (file, cases) in read_directory(&directory) {
        let mut tallies: [Tally; WAYS.len()] = Default::default();
        for (number, case) in cases.iter().enumerate() {
            let db = format!("{}-{number}", file.trim_end_matches(".edn"));
            let [memory, http, redb, sql] = &mut tallies;
            let in_memory = || annals::connect("mem:").expect("a storage in memory");
            one(WAYS[0], case, memory, || embedded(&in_memory(), "main"));
            one(WAYS[1], case, http, || remote(server.client(), &db));
            one(WAYS[2], case, redb, || embedded(&in_file, &db));
            one(WAYS[3], case, sql, || embedded(&in_postgres, &db));
        }
        for (way, tally) in WAYS.iter().zip(&tallies) {
            println!(
                "{file} {way}: {} passed, {} failed, {} not yet",
                tally.passed, tally.failed, tally.not_yet
            );
            all.passed += tally.passed;
            all.failed += tally.failed;
            all.not_yet += tally.not_yet;
        }
    }
    println!("conformance: {} passed, {} failed, {} not yet", all.passed, all.failed, all.not_yet);
    println!("{} passed, {} failed", all.passed, all.failed);
    if all.failed == 0 && all.passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn embedded(store: &Store, db: &str) -> Box<dyn Way> {
    Box::new(Embedded::new(store.database(db).expect("an empty database")))
}

fn remote(client: Client, db: &str) -> Box<dyn Way> {
    Box::new(Remote::new(client, db))
}

fn one(way_name: &str, case: &Case, tally: &mut Tally, way: impl FnOnce() -> Box<dyn Way>) {
    let outcome = catch_unwind(AssertUnwindSafe(|| run::run(case, &mut *way())));
    let outcome = outcome.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        Err(format!(
            "panicked: {}",
            text.or(panic.downcast_ref::<&str>().map(|s| s.to_string())).unwrap_or_default()
        ))
    });
    match outcome {
        Ok(()) => tally.passed += 1,
        Err(why) if case.tier > 1 => {
            tally.not_yet += 1;
            println!("not yet {way_name} {}\n       {why}", case.name);
        }
        Err(why) => {
            tally.failed += 1;
            println!("FAILED {way_name} {}\n       {why}", case.name);
        }
    }
}
