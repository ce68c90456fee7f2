//! Fuzzing of everything that is read from text: EDN, queries, rules, pull patterns; and queries that are run.
//!
//! A plain test with a random number generator of its own: one seed is one run, on any machine. Cases are made from all
//! queries of the behaviour cases and of the guide (`corpus`), changed as trees and as text (`mutate`), and held against
//! what must always be so (`properties`). All runs on a thread with a small stack, under a watch that ends a case which
//! does not end. It does not look for covered code: there are no instruments, so nothing rots.
//!
//! ```text
//! ANNALS_FUZZ_SECONDS=600 ANNALS_FUZZ_SEED=7 cargo test --workspace --test fuzz -- --nocapture
//! ```

#![allow(clippy::disallowed_methods, clippy::print_stderr, clippy::print_stdout)]

mod corpus;
mod mutate;
mod properties;

use std::sync::Arc;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use annals_tests::Random;
use corpus::Corpus;
use mutate::Case;
use properties::{Proof, Tally};

/// How many cases a run has that is given no time.
const CASES: u64 = 20_000;

/// The seed of a run that is given none.
const SEED: u64 = 20_260_101;

/// The stack of the thread that reads and asks; that of a server's threads is four times as large.
const STACK_BYTES: usize = 512 << 10;

/// How long one case may take, in a build without optimisation on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}

#[test]
fn whatever_is_written_is_answered_or_refused() {
    let seed = number("ANNALS_FUZZ_SEED").unwrap_or(SEED);
    let limit = number("ANNALS_FUZZ_SECONDS").map(Duration::from_secs);
    println!("ANNALS_FUZZ_SEED={seed}");
    let watch = Watch::start();
    let small = std::thread::Builder::new().stack_size(STACK_BYTES);
    let run = small.spawn(move || run(seed, limit, &watch)).expect("a thread");
    let tally = run.join().expect("no case panics");
    println!("{tally:?}");
    // A fuzzer whose cases are all refused at the door proves nothing about the house.
    assert!(tally.queries > tally.cases / 20 && tally.answers > tally.cases / 100, "{tally:?}");
    assert!(tally.rules > 0 && tally.patterns > 0 && tally.refusals > 0, "{tally:?}");
}

fn run(seed: u64, limit: Option<Duration>, watch: &Watch) -> Tally {
    let corpus = Corpus::read();
    let proof = Proof::new();
    let mut random = Random(seed);
    let mut tally = Tally::default();
    let start = Instant::now();
    loop {
        match limit {
            Some(limit) if start.elapsed() >= limit => return tally,
            None if tally.cases >= CASES => return tally,
            _ => {}
        }
        let case = Case::draw(&corpus, &mut random);
        watch.begins(seed, tally.cases, &case);
        proof.hold(&case, &mut tally);
        tally.cases += 1;
        watch.ends();
    }
}

/// Sees to it that a case which never ends, or takes the stack or the process with it, can be told.
#[derive(Clone)]
struct Watch(Arc<Mutex<Option<(Instant, String)>>>);

impl Watch {
    fn start() -> Watch {
        let watch = Watch(Arc::default());
        let seen = watch.clone();
        std::thread::spawn(move || {
            loop {
                std::thread::sleep(Duration::from_millis(500));
                let current = seen.0.lock().expect("nobody panics with the lock");
                if let Some((since, told)) = &*current
                    && since.elapsed() > PATIENCE
                {
                    eprintln!("a case does not end: {told}");
                    std::process::abort();
                }
            }
        });
        watch
    }

    fn begins(&self, seed: u64, number: u64, case: &Case) {
        let told = format!("seed {seed}, case {number}\n{}\n{}", case.text, case.args.join("\n"));
        if std::env::var_os("ANNALS_FUZZ_TELL").is_some() {
            eprintln!("{told}");
        }
        *self.0.lock().expect("nobody panics with the lock") = Some((Instant::now(), told));
    }

    fn ends(&self) {
        let begun = self.0.lock().expect("nobody panics with the lock").take();
        if let Some((since, told)) = begun
            && since.elapsed() > Duration::from_secs(2)
        {
            println!("took {:?}: {told}", since.elapsed());
        }
    }
}

impl Drop for Watch {
    /// A panic in a case says which it was.
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Ok(current) = self.0.lock()
            && let Some((_, told)) = &*current
        {
            eprintln!("the case was: {told}");
        }
    }
}
