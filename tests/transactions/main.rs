//! Random histories against a simple reference implementation of transactions.
//!
//! ```text
//!   generate ── forms ──┬──> Db::with, Connection::transact ──> report or error ──┐
//!      ^  (mistakes)    └──> read, tempids, judge, alter ─────> facts or reasons ──┴──> compare ── (shrink) ──> history
//!      └────────────────────────── world ──────────────────────┘
//! ```
//!
//! The model (`world`, `read`, `tempids`, `judge`, `alter`, `extras`) is written for its readers: sets, and loops over all
//! of them. It is written from `docs/transactions.md`, and shares nothing with `src/transact/` but EDN. Both must agree
//! on what is accepted, on why the rest is refused, on what every tempid became, on the datoms of every report, and on the
//! facts, names and attributes in the end and in the middle.
//!
//! ```text
//! ANNALS_SEED=7 ANNALS_HISTORIES=100000 cargo test --workspace --test transactions -- --nocapture
//! ```

#![allow(clippy::disallowed_methods, clippy::print_stdout)]

mod alter;
mod compare;
mod extras;
mod generate;
mod judge;
mod mistakes;
mod read;
mod shrink;
mod tempids;
mod world;

use annals_tests::Random;

use compare::{Ground, Tally};
use generate::Step;

/// How many histories a run has that is given no number.
const HISTORIES: u64 = 12_000;

/// One in so many is durable.
const DURABLE: u64 = 50;

/// How many run at once.
const THREADS: u64 = 2;

/// The seed of a run that is given none.
const SEED: u64 = 20_260_111;

/// What a run must have refused at least once for this reason alone.
const REACHED: [&str; 31] = [
    "attr-pred",
    "cas-failed",
    "constraint-violated",
    "datoms-conflict",
    "entity-pred",
    "future-tx-instant",
    "invalid-alter-attribute/cardinality-violation",
    "invalid-alter-attribute/unique-violation",
    "invalid-alter-attribute/unsupported-alter-schema",
    "invalid-cas",
    "invalid-entity-id",
    "invalid-install-attribute",
    "invalid-lookup-ref",
    "invalid-nested-entity",
    "invalid-tempid",
    "invalid-tuple-attrs",
    "invalid-tuple-value",
    "invalid-tx-data",
    "lookup-ref-attr-not-unique",
    "nil-value",
    "not-a-data-function",
    "not-an-attribute",
    "not-an-entity",
    "past-tx-instant",
    "protected-entity",
    "reserved-name",
    "reserved-tempid",
    "reset-tx-instant",
    "tempid-not-an-entity",
    "unique-conflict",
    "wrong-type-for-attribute",
];

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}

#[test]
fn the_database_and_the_model_agree() {
    let seed = number("ANNALS_SEED").unwrap_or(SEED);
    let histories = number("ANNALS_HISTORIES").unwrap_or(HISTORIES);
    println!("ANNALS_SEED={seed}");
    let mut tally = Tally::default();
    std::thread::scope(|scope| {
        let share = |first: u64| scope.spawn(move || run(seed, (first..histories).step_by(THREADS as usize)));
        let shares: Vec<_> = (0..THREADS).map(share).collect();
        shares
            .into_iter()
            .for_each(|share| tally.add(share.join().expect("a history on which both sides agree")));
    });
    println!("{} transactions accepted: {:#?}", tally.accepted, tally.did);
    println!("refused for one reason: {:#?}", tally.refused);
    // A run whose transactions are all refused at the door proves nothing about what is inside.
    assert!(tally.accepted as u64 > 3 * histories, "most transactions make sense");
    println!("{} histories ended early", tally.undecided);
    assert!(tally.undecided as u64 <= histories / 50 + 1, "most histories come to their end");
    if histories >= HISTORIES {
        let missed: Vec<&str> =
            REACHED.into_iter().filter(|reason| !tally.refused.contains_key(*reason)).collect();
        assert!(missed.is_empty(), "never refused for {missed:?}");
        assert_eq!(tally.did.len(), 8, "something of this was never done");
    }
}

/// Runs some of the histories.
fn run(seed: u64, which: impl Iterator<Item = u64>) -> Tally {
    let ground = Ground::new();
    let mut tally = Tally::default();
    which.for_each(|n| history(&ground, seed.wrapping_add(n), &mut tally));
    tally
}

/// Draws a history and runs it; if the two sides part, cuts it down and tells.
fn history(ground: &Ground, seed: u64, tally: &mut Tally) {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let length = 4 + random.below(6);
    let mut steps: Vec<Step> = Vec::new();
    let mut draw = |world: &world::World, at: usize| {
        let step = (at < length).then(|| generate::step(&mut random, world, at))?;
        steps.push(step.clone());
        Some(step)
    };
    let subject = || if seed.is_multiple_of(DURABLE) { ground.transact() } else { ground.with() };
    if compare::run(ground, subject(), &mut draw, tally).is_ok() {
        return;
    }
    let again = |steps: &[Step]| {
        compare::run(ground, subject(), &mut |_, at| steps.get(at).cloned(), &mut Tally::default())
    };
    // Code that is called stays defined.
    let defined = |first: &Step| extras::schema().iter().all(|form| first.forms.contains(form));
    let steps =
        shrink::smallest(steps, &mut |steps| steps.first().is_some_and(defined) && again(steps).is_err());
    let forms: Vec<String> =
        steps.iter().map(|step| annals::Edn::Vector(step.forms.clone()).to_string()).collect();
    let why = again(&steps).expect_err("what was cut down still fails");
    panic!("the two sides part, ANNALS_SEED={seed} ANNALS_HISTORIES=1\n{}\n{why}", forms.join("\n"));
}
