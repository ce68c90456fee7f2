//! Every behaviour case: embedded in memory, over HTTP, and embedded on every engine that keeps something.
//!
//! Reads all `*.edn` of `ANNALS_CONFORMANCE_DIR` (default: the copy beside this file). Prints passed, failed and
//! not-yet for each file and way, and name, expected and actual of each failure. Fails if one case of tier 1 fails, or
//! if there is no case at all. A case of tier 2 that does not pass is "not yet".

#![allow(clippy::print_stdout, clippy::disallowed_methods)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;

use annals::{Options, Store};
use annals_tests::conformance::case::{Case, read_directory};
use annals_tests::conformance::embedded::Embedded;
use annals_tests::conformance::remote::Remote;
use annals_tests::conformance::{Way, run};
use annals_tests::engines::{NAMES, Place};
use annals_tests::http::{Client, Server};

#[derive(Default)]
struct Tally {
    passed: usize,
    failed: usize,
    not_yet: usize,
    /// What is to be told of those that did not pass.
    told: String,
}

/// The cases, by the name of their file.
type Files = Vec<(String, Vec<Case>)>;

fn main() -> ExitCode {
    let directory = annals_tests::folder_named("ANNALS_CONFORMANCE_DIR")
        .unwrap_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/conformance")));
    let files: Files = read_directory(&directory);
    let ways = [vec!["http"], NAMES.to_vec()].concat();
    // Each way waits for a server of its own.
    let tallies: Vec<(&str, Vec<Tally>)> = thread::scope(|scope| {
        let going = ways.into_iter().map(|way| (way, scope.spawn(|| go(way, &files))));
        let going: Vec<_> = going.collect();
        going
            .into_iter()
            .map(|(way, going)| (way, going.join().expect("a way that was gone to its end")))
            .collect()
    });
    let mut all = Tally::default();
    for (number, (file, _)) in files.iter().enumerate() {
        for (way, tallies) in &tallies {
            let Tally { passed, failed, not_yet, told } = &tallies[number];
            print!("{told}");
            println!("{file} {way}: {passed} passed, {failed} failed, {not_yet} not yet");
            all.passed += passed;
            all.failed += failed;
            all.not_yet += not_yet;
        }
    }
    println!("conformance: {} passed, {} failed, {} not yet", all.passed, all.failed, all.not_yet);
    println!("{} passed, {} failed", all.passed, all.failed);
    if all.failed == 0 && all.passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// All cases on one way: what became of those of each file.
fn go(way: &'static str, files: &Files) -> Vec<Tally> {
    let over_http =
        (way == "http").then(|| Server::over(annals::connect("mem:").expect("a storage in memory")));
    let kept = (!["http", "memory"].contains(&way)).then(|| Place::on(way));
    // Whether an answer depends on when jobs run is seen in memory, in a file and over HTTP; elsewhere every job would be some hundred requests.
    let far = Options { novelty_datoms: 256 << 10, ..Options::default() };
    let options = || if way == "redb" { Options::default() } else { far.clone() };
    let kept = kept.map(|place| (place.store(options()), place));
    let gone = files.iter().map(|(file, cases)| {
        let mut tally = Tally::default();
        for (number, case) in cases.iter().enumerate() {
            let db = format!("{}-{number}", file.trim_end_matches(".edn"));
            one(way, case, &mut tally, || match (&over_http, &kept) {
                (Some(server), _) => remote(server.client(), &db),
                (_, Some((store, _))) => embedded(store, &db),
                _ => embedded(&annals::connect("mem:").expect("a storage in memory"), "main"),
            });
        }
        tally
    });
    gone.collect()
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
            tally.told += &format!("not yet {way_name} {}\n       {why}\n", case.name);
        }
        Err(why) => {
            tally.failed += 1;
            tally.told += &format!("FAILED {way_name} {}\n       {why}\n", case.name);
        }
    }
}
