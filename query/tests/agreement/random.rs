//! Random questions over random databases, each answered by the naive evaluator and in several ways by the fast path.

use std::panic::catch_unwind;
use std::sync::Arc;

use annals_query::edn::read::read_one;
use annals_query::plan::{Access, PlanOptions};
use annals_query::{Budget, QueryArg, parse, q_with};
use annals_storage::anomaly::Category;

use crate::batched::Batched;
use crate::generate::{Chance, Question, facts, question};
use crate::{expected, sorted};

/// How many questions are asked in a test run; a longer run is `ANNALS_PROGRAMS=200000 cargo test -p annals-query
/// --release --test agreement random`, another one `ANNALS_SEED=7`.
const PROGRAMS: u64 = 10_000;

/// What the naive evaluator may hold at once. Larger questions are left out.
const ROWS: u64 = 2_000;

fn setting(name: &str, default: u64) -> u64 {
    option_env(name).and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[expect(clippy::disallowed_methods, reason = "a test run is lengthened from outside")]
fn option_env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn ways(seed: u64) -> Vec<PlanOptions> {
    let forces = [None, Some(Access::Probe), Some(Access::Stream), Some(Access::Load)];
    let flags = [(false, false), (true, false), (false, true)];
    let pick = |n: u64| PlanOptions {
        order: Some(seed ^ n),
        force: forces[((seed + n) % 4) as usize],
        keep_rules: flags[((seed / 4 + n) % 3) as usize].0,
        no_demand: flags[((seed / 4 + n) % 3) as usize].1,
    };
    vec![PlanOptions::default(), pick(1), pick(2), pick(3)]
}

/// What became of a question.
#[derive(Debug, PartialEq)]
enum Outcome {
    Rows,
    Nothing,
    Refused,
    TooLarge,
}

fn ask(seed: u64) -> Outcome {
    let mut chance = Chance::new(seed);
    let facts = facts(&mut chance);
    let Question { text, args, rules } = question(&mut chance);
    let query = parse::query_text(&text).unwrap_or_else(|error| panic!("seed {seed}: {text}: {error:?}"));
    let mut inputs = vec![QueryArg::Source(Arc::new(facts.clone()))];
    inputs.push(QueryArg::Value(read_one(&rules).expect("rules are sound").to_edn()));
    inputs.extend(args.iter().cloned().map(QueryArg::Value));
    let want = expected(&query, &inputs, &Budget { rows: Some(ROWS), ..Budget::default() });
    if want.as_ref().is_err_and(|error| error.category == Category::Interrupted) {
        return Outcome::TooLarge;
    }
    // The naive evaluator saw the facts one by one; the fast path sees batches.
    inputs[0] = QueryArg::Source(Arc::new(Batched { facts: facts.clone(), most: 1 + seed as usize % 7 }));
    for way in ways(seed) {
        let got = q_with(&query, &inputs, &Budget::default(), way).map(sorted);
        let same = match (&want, &got) {
            (Ok(want), Ok(got)) => want == got,
            (Err(_), Err(_)) => true,
            _ => false,
        };
        assert!(
            same,
            "seed {seed}\n{text}\nargs {args:?}\n{way:?}\n{}\nnaive {want:?}\nfast  {got:?}",
            facts.datoms().iter().map(|datom| format!("{datom:?}\n")).collect::<String>()
        );
    }
    match want {
        Ok(answer)
            if answer.as_seq().is_some_and(<[_]>::is_empty) || answer == annals_query::edn::Edn::Nil =>
        {
            Outcome::Nothing
        }
        Ok(_) => Outcome::Rows,
        Err(_) => Outcome::Refused,
    }
}

#[test]
fn random_questions_have_the_naive_answer() {
    let first = setting("ANNALS_SEED", 1).wrapping_mul(1_000_000);
    let asked =
        |seed| catch_unwind(|| ask(seed)).unwrap_or_else(|_| panic!("the question of seed {seed} panicked"));
    let outcomes: Vec<Outcome> =
        (0..setting("ANNALS_PROGRAMS", PROGRAMS)).map(|n| asked(first + n)).collect();
    let count = |outcome: Outcome| outcomes.iter().filter(|o| **o == outcome).count();
    let told =
        [count(Outcome::Rows), count(Outcome::Nothing), count(Outcome::Refused), count(Outcome::TooLarge)];
    // A generator that only makes empty or refused questions would prove nothing.
    assert!(told[0] * 6 > outcomes.len(), "rows, nothing, refused, too large: {told:?}");
}
