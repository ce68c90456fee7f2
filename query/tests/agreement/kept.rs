//! A plan that is used again never changes an answer: one prepared query over other facts, schemas, views and inputs.

use std::panic::catch_unwind;
use std::sync::Arc;

use annals_query::edn::{Edn, read_one};
use annals_query::facts::Facts;
use annals_query::{Budget, Prepared, QueryArg, parse};
use annals_storage::anomaly::Category;
use annals_storage::datom::{AttrId, Datom, EntityId, Tag, Value};

use crate::batched::Batched;
use crate::generate::{Chance, Question, facts, question};
use crate::{attribute, comparable, expected, user};

/// How many questions are asked.
const QUESTIONS: u64 = 1_500;

/// Over how many databases each, twice with other inputs.
const DATABASES: u64 = 4;

/// What the naive evaluator may hold at once. Larger questions are left out.
const ROWS: u64 = 2_000;

/// Asks one question again and again; gives how many plans were made and found.
fn ask(seed: u64) -> (u64, u64) {
    let Question { text, args, rules } = question(&mut Chance::new(seed));
    let rules = QueryArg::Value(read_one(&rules).expect("rules are sound").to_edn());
    let query = parse::query_text(&text).unwrap_or_else(|error| panic!("seed {seed}: {text}: {error:?}"));
    let prepared = Prepared::from(query.clone());
    for n in 0..2 * DATABASES {
        let facts = facts(&mut Chance::new(seed + 1_000_000 * (n % DATABASES)));
        let mut chance = Chance::new(seed + n);
        let others = args.iter().map(|arg| QueryArg::Value(varied(&mut chance, arg)));
        let mut inputs = vec![QueryArg::Source(Arc::new(facts.clone())), rules.clone()];
        inputs.extend(others);
        let want = expected(&query, &inputs, &Budget { rows: Some(ROWS), ..Budget::default() });
        if want.as_ref().is_err_and(|error| error.category == Category::Interrupted) {
            continue;
        }
        let most = 1 + (seed + n) as usize % 7;
        inputs[0] = QueryArg::Source(Arc::new(Batched { facts, most, sorted: false }));
        let got = prepared.q(&inputs, &Budget::default()).map(|answer| comparable(&query, answer));
        match (&want, &got) {
            (Ok(want), Ok(got)) => assert_eq!(want, got, "seed {seed}, call {n}: {text}"),
            (Err(_), Err(_)) => {}
            _ => panic!("seed {seed}, call {n}: {text}\nnaive {want:?}\nkept  {got:?}"),
        }
    }
    (prepared.plans().made(), prepared.plans().found())
}

/// The same input, with other elements left out each time.
fn varied(chance: &mut Chance, arg: &Edn) -> Edn {
    match arg {
        Edn::Vector(parts) if chance.one_in(2) => {
            Edn::Vector(parts.iter().filter(|_| !chance.one_in(3)).cloned().collect())
        }
        Edn::Int(_) if chance.one_in(2) => Edn::Int(chance.below(5) as i64),
        other => other.clone(),
    }
}

#[test]
fn random_questions_asked_again_have_the_naive_answer() {
    let asked =
        |seed| catch_unwind(|| ask(seed)).unwrap_or_else(|_| panic!("the question of seed {seed} failed"));
    let plans = (0..QUESTIONS).map(|n| asked(90_000_000 + n));
    let (made, found) = plans.fold((0, 0), |sum, (made, found)| (sum.0 + made, sum.1 + found));
    // A cache that is never used would prove nothing, nor would one whose key tells nothing apart.
    assert!(found > QUESTIONS && made > QUESTIONS, "{made} plans made, {found} found");
}

/// People with names; so many of them of one age.
fn people(count: u64, of_one_age: u64, many: bool) -> QueryArg {
    let attributes =
        vec![attribute(100, "name", Tag::String, false, true), attribute(101, "age", Tag::Long, many, false)];
    let datom =
        |e: u64, a: u32, v: Value| Datom { e: user(e), a: AttrId(a), v, tx: EntityId::of_t(1), added: true };
    let log = (0..count).flat_map(|n| {
        let age = if n < of_one_age { 30 } else { 31 + n as i64 };
        [datom(n, 100, Value::string(format!("p{n}"))), datom(n, 101, Value::Long(age))]
    });
    QueryArg::Source(Arc::new(Facts::window(&log.collect::<Vec<_>>(), attributes, None, None)))
}

#[test]
fn a_plan_is_found_for_the_same_shape_and_made_for_another() {
    let text = "[:find ?n :in $ [?a ...] :where [?p :age ?a] [?p :name ?n]]";
    let prepared = Prepared::new(text).expect("a sound query");
    let ages =
        |ages: &[i64]| QueryArg::Value(ages.iter().map(|age| Edn::Int(*age)).collect::<Vec<_>>().into());
    let asked = |db: QueryArg, given: QueryArg| {
        let before = prepared.plans().found();
        prepared.q(&[db, given], &Budget::default()).expect("an answer");
        prepared.plans().found() > before
    };
    assert!(!asked(people(40, 10, false), ages(&[30])), "the first is made");
    assert!(asked(people(41, 11, false), ages(&[30])), "nearly as many facts");
    assert!(!asked(people(41, 11, false), ages(&[90])), "a value of other count");
    assert!(asked(people(41, 11, false), ages(&[91])), "another value of that count");
    assert!(!asked(people(400, 10, false), ages(&[30])), "ten times as many facts");
    assert!(!asked(people(40, 10, true), ages(&[30])), "another cardinality");
    assert!(!asked(people(40, 10, false), ages(&[30, 31])), "rows where there was one value");
    assert!(asked(people(40, 10, false), ages(&[31, 32])), "as many rows");
    assert!(!asked(people(40, 10, false), ages(&(0..30).collect::<Vec<_>>())), "more rows");
}

#[test]
fn only_a_few_plans_are_kept_of_a_query() {
    let prepared = Prepared::new("[:find ?n :in $ :where [_ :name ?n]]").expect("a sound query");
    let asked = |count| {
        let before = prepared.plans().found();
        prepared.q(&[people(count, 0, false)], &Budget::default()).expect("an answer");
        prepared.plans().found() > before
    };
    assert!(!asked(1) && asked(1));
    for log in 1..7 {
        assert!(!asked(1 << log), "2^{log} facts are another shape");
    }
    assert!(asked(64) && asked(8), "the newest are kept");
    assert!(!asked(1), "the oldest is not");
}
