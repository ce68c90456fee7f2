//! Random questions over random databases, each answered by the naive evaluator and in several ways by the fast path.

use std::panic::catch_unwind;
use std::sync::Arc;

use annals_query::edn::{Edn, read_one};
use annals_query::facts::Facts;
use annals_query::plan::{Access, PlanOptions};
use annals_query::{Answer, Budget, QueryArg, explain_with, parse, q_with};
use annals_storage::anomaly::Category;

use crate::batched::Batched;
use crate::generate::{Chance, Question, facts, question};
use crate::{comparable, expected};

/// How many questions are asked in a test run; a longer run is `ANNALS_PROGRAMS=200000 cargo test -p annals-query
/// --release --test agreement random`, another one `ANNALS_SEED=7`.
const PROGRAMS: u64 = 20_000;

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
    let forces = [None, Some(Access::Probe), Some(Access::Each), Some(Access::Stream), Some(Access::Load)];
    let flags = [(false, false), (true, false), (false, true)];
    let pick = |n: u64| PlanOptions {
        order: (n < 3).then_some(seed ^ n),
        search: (n == 3).then_some(true),
        force: forces[((seed + n) % 5) as usize],
        keep_rules: flags[((seed / 4 + n) % 3) as usize].0,
        no_demand: flags[((seed / 4 + n) % 3) as usize].1,
        leap: Some((seed / 12 + n).is_multiple_of(2)),
        early: [None, Some(true), Some(true), Some(false)][((seed + n) % 4) as usize],
        part: Some(1 + ((seed + n) % 3) as usize),
        shard: Some(1 + (seed + n) % 4),
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
    let mut inputs = vec![QueryArg::Source(Arc::new(facts.clone()))];
    inputs.push(QueryArg::Value(read_one(&rules).expect("rules are sound").to_edn()));
    inputs.extend(args.iter().cloned().map(QueryArg::Value));
    let (outcome, cursor) = compare(seed, &text, &inputs, &facts);
    if let Some(cursor) = cursor {
        // The page after the one that was asked for.
        compare(seed, &format!("{} :after {cursor:?}]", text.trim_end_matches(']')), &inputs, &facts);
    }
    outcome
}

/// Asks in all ways; gives the cursor of the answer, if it has one.
fn compare(seed: u64, text: &str, inputs: &[QueryArg], facts: &Facts) -> (Outcome, Option<String>) {
    let query = parse::query_text(text).unwrap_or_else(|error| panic!("seed {seed}: {text}: {error:?}"));
    let want = expected(&query, inputs, &Budget { rows: Some(ROWS), ..Budget::default() });
    if want.as_ref().is_err_and(|error| error.category == Category::Interrupted) {
        return (Outcome::TooLarge, None);
    }
    let mut inputs = inputs.to_vec();
    // The naive evaluator saw the facts one by one; the fast path sees batches.
    inputs[0] = QueryArg::Source(Arc::new(Batched {
        facts: facts.clone(),
        most: 1 + seed as usize % 7,
        sorted: false,
    }));
    let mut cursor = None;
    for way in ways(seed) {
        let answer = q_with(&query, &inputs, &Budget::default(), way);
        if let Ok(Answer::Relation(rows)) = &answer {
            cursor = rows.cursor();
        }
        let got = answer.map(|answer| comparable(&query, answer));
        let same = match (&want, &got) {
            (Ok(want), Ok(got)) => want == got,
            (Err(_), Err(_)) => true,
            _ => false,
        };
        let given: Vec<&Edn> = inputs.iter().filter_map(value).skip(1).collect();
        assert!(
            same,
            "seed {seed}\n{text}\nargs {given:?}\n{way:?}\n{}\nnaive {want:?}\nfast  {got:?}",
            facts.datoms().iter().map(|datom| format!("{datom:?}\n")).collect::<String>()
        );
    }
    let outcome = match want {
        Ok(answer) if answer.as_seq().is_some_and(<[_]>::is_empty) || answer == Edn::Nil => Outcome::Nothing,
        Ok(_) => Outcome::Rows,
        Err(_) => Outcome::Refused,
    };
    (outcome, cursor)
}

fn value(arg: &QueryArg) -> Option<&Edn> {
    match arg {
        QueryArg::Value(edn) => Some(edn),
        _ => None,
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "a run is repeated from its seed")]
fn random_questions_have_the_naive_answer() {
    let seed = setting("ANNALS_SEED", 1);
    let first = seed.wrapping_mul(1_000_000);
    println!("ANNALS_SEED={seed}");
    let asked =
        |seed| catch_unwind(|| ask(seed)).unwrap_or_else(|_| panic!("the question of seed {seed} panicked"));
    let outcomes: Vec<Outcome> =
        (0..setting("ANNALS_PROGRAMS", PROGRAMS)).map(|n| asked(first + n)).collect();
    let count = |outcome: Outcome| outcomes.iter().filter(|o| **o == outcome).count();
    let told =
        [count(Outcome::Rows), count(Outcome::Nothing), count(Outcome::Refused), count(Outcome::TooLarge)];
    // A generator that only makes empty or refused questions would prove nothing.
    assert!(told[0] * 8 > outcomes.len(), "rows, nothing, refused, too large: {told:?}");
}

/// The answers above would prove nothing of the search over all orders, were it hardly ever asked.
#[test]
fn random_questions_are_ordered_by_the_search() {
    let searched = |seed: &u64| {
        let mut chance = Chance::new(*seed);
        let facts = facts(&mut chance);
        let Question { text, args, rules } = question(&mut chance);
        let query = parse::query_text(&text).expect("a sound question");
        let mut inputs = vec![QueryArg::Source(Arc::new(facts))];
        inputs.push(QueryArg::Value(read_one(&rules).expect("rules are sound").to_edn()));
        inputs.extend(args.into_iter().map(QueryArg::Value));
        let options = PlanOptions { search: Some(true), ..PlanOptions::default() };
        let budget = Budget { rows: Some(ROWS), ..Budget::default() };
        let told = explain_with(&query, &inputs, &budget, options);
        told.is_ok_and(|told| told.search == Some("dynamic-programming"))
    };
    let count = (1_000_000..1_001_000).filter(searched).count();
    assert!(count > 300, "{count} of 1000");
}
