//! Depth, endlessness and budgets: what must end, ends; what would not, is stopped with an error.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use annals_query::edn::{Edn, read::read_one};
use annals_query::facts::Facts;
use annals_query::plan::{Access, PlanOptions};
use annals_query::{Answer, Budget, QueryArg, Result, Stopwatch, ast, naive, parse, q, q_with};
use annals_storage::anomaly::Category;
use annals_storage::datom::{AttrId, Datom, EntityId, Tag, Value};

use crate::{attribute, user};

const REACH: &str = "[[(reach ?a ?b) [?a :node/next ?b]] [(reach ?a ?b) [?a :node/next ?m] (reach ?m ?b)]
                      [(odd ?a ?b) [?a :node/next ?b]] [(odd ?a ?b) [?a :node/next ?m] (even ?m ?b)]
                      [(even ?a ?b) [?a :node/next ?m] (odd ?m ?b)]
                      [(number ?n) [(ground 0) ?n]] [(number ?n) (number ?m) [(inc ?m) ?n]]]";

fn chain(length: u64) -> Facts {
    let next = |n: u64| Datom {
        e: user(n),
        a: AttrId(100),
        v: Value::Ref(user(n + 1)),
        tx: EntityId::of_t(1),
        added: true,
    };
    let log: Vec<Datom> = (0..length).map(next).collect();
    Facts::window(&log, vec![attribute(100, "node/next", Tag::Ref, true, false)], None, None)
}

fn ask(text: &str, facts: &Facts, budget: &Budget) -> Result<Answer> {
    let inputs = inputs(facts);
    let options = PlanOptions { force: Some(Access::Load), ..PlanOptions::default() };
    q_with(&parse::query_text(text)?, &inputs, budget, options)
}

fn inputs(facts: &Facts) -> [QueryArg; 2] {
    let rules = read_one(REACH).expect("rules are sound").to_edn();
    [QueryArg::Source(Arc::new(facts.clone())), QueryArg::Value(rules)]
}

#[test]
fn a_chain_of_a_hundred_thousand_is_followed_to_its_end() {
    let facts = chain(100_000);
    for call in [format!("(reach {} ?b)", user(0)), format!("(reach ?b {})", user(100_000))] {
        let text = format!("[:find (count ?b) . :in $ % :where {call}]");
        assert_eq!(ask(&text, &facts, &Budget::default()).unwrap().into_edn(), Edn::Int(100_000));
    }
    let text = format!("[:find (count ?b) . :in $ % :where (odd {} ?b)]", user(0));
    assert_eq!(ask(&text, &facts, &Budget::default()).unwrap().into_edn(), Edn::Int(50_000));
}

#[test]
fn numbers_without_end_are_stopped_by_the_budget() {
    let budget = Budget { rows: Some(10_000), ..Budget::default() };
    let error = ask("[:find ?n :in $ % :where (number ?n)]", &chain(1), &budget).unwrap_err();
    assert_eq!((error.category, error.keyword), (Category::Interrupted, "db.error/budget-exceeded"));
}

#[test]
fn numbers_without_end_are_stopped_from_outside() {
    let cancel = Arc::new(AtomicBool::new(false));
    let budget = Budget { cancel: Some(Arc::clone(&cancel)), ..Budget::default() };
    let facts = chain(1);
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| ask("[:find ?n :in $ % :where (number ?n)]", &facts, &budget));
        std::thread::yield_now();
        cancel.store(true, Ordering::Relaxed);
        let error = asked.join().expect("no panic").unwrap_err();
        assert_eq!((error.category, error.keyword), (Category::Interrupted, "db.error/interrupted"));
    });
}

#[test]
fn a_product_beyond_the_budget_is_refused_before_it_is_made() {
    let budget = Budget { rows: Some(1_000_000), ..Budget::default() };
    let text = "[:find ?a ?b ?c :where [?a :node/next] [?b :node/next] [?c :node/next]]";
    let facts = chain(50_000);
    let error = q(&parse::query_text(text).unwrap(), &inputs(&facts)[..1], &budget).unwrap_err();
    assert_eq!(error.keyword, "db.error/budget-exceeded");
}

/// A budget of a few milliseconds on a clock that goes on by a microsecond whenever it is looked at, and the looks.
fn hurried() -> (Budget, Arc<AtomicU64>) {
    let looks = Arc::new(AtomicU64::new(0));
    let read = Arc::clone(&looks);
    let stopwatch = Stopwatch::new(move || Duration::from_micros(read.fetch_add(1, Ordering::Relaxed)));
    let budget =
        Budget { time: Some(Duration::from_micros(20)), stopwatch: Some(stopwatch), ..Budget::default() };
    (budget, looks)
}

#[test]
fn a_deadline_ends_every_kind_of_work() {
    let facts = chain(20_000);
    for query in [
        "[:find (count ?a) . :where [?a :node/next] [?b :node/next] [?c :node/next ?b] [?d :node/next ?c] [(!= ?a ?b)]]",
        "[:find ?n :in $ % :where (number ?n)]",
        "[:find ?a ?b :in $ % :where (reach ?a ?b)]",
        "[:find (count ?x) . :where [?a :node/next] [(str ?a) ?x] [(str ?x ?a) ?y] [(str ?y ?x) ?z]]",
    ] {
        let query =
            if query.contains(":in") { query.to_owned() } else { query.replace(":where", ":in $ % :where") };
        let (budget, looks) = hurried();
        let late = q(&parse::query_text(&query).unwrap(), &inputs(&facts), &budget).unwrap_err();
        assert_eq!((late.category, late.keyword), (Category::Interrupted, "db.error/timeout"), "{query}");
        assert!(looks.load(Ordering::Relaxed) < 40, "it ends soon after");
        let (budget, _) = hurried();
        let late = naive::q(&parse::query_text(&query).unwrap(), &inputs(&facts), &budget).unwrap_err();
        assert_eq!(late.keyword, "db.error/timeout", "{query}, the slow way");
    }
}

#[test]
fn grouping_and_ordering_look_at_the_clock() {
    let (budget, looks) = hurried();
    let facts = chain(60_000);
    for find in ["?a ?b :order-by (desc ?b)", "?b (count ?a)", "?a :order-by ?a :limit 3"] {
        let query = format!("[:find {find} :in $ % :where [?a :node/next ?b]]");
        let found = parse::query_text(&query).unwrap();
        let plain = "[:find (count ?a) . :in $ % :where [?a :node/next ?b]]";
        let asked = |text: &ast::Query| {
            looks.store(0, Ordering::Relaxed);
            let budget = Budget { time: None, ..budget.clone() };
            q(text, &inputs(&facts), &budget).unwrap();
            looks.load(Ordering::Relaxed)
        };
        // Without a deadline nobody looks; with one that is far away the looks can be counted.
        assert_eq!(asked(&found), 0, "{find}");
        let far = Budget { time: Some(Duration::from_secs(3600)), ..budget.clone() };
        let looked = |text: &ast::Query| {
            looks.store(0, Ordering::Relaxed);
            q(text, &inputs(&facts), &far).unwrap();
            looks.load(Ordering::Relaxed)
        };
        let few = looked(&parse::query_text(&plain.replace("(count ?a) .", "?a")).unwrap());
        assert!(looked(&found) > few + 5, "{find}");
    }
}

#[test]
fn the_timeout_of_a_query_can_be_an_input_and_counts_in_every_form() {
    let (budget, _) = hurried();
    let budget = Budget { time: None, ..budget };
    let facts = Arc::new(chain(20_000));
    for (query, more) in [
        ("[:find (count ?z) . :timeout 0 :where [?a :node/next ?z]]", None),
        ("(:find (count ?z) . :timeout 0 :where [?a :node/next ?z])", None),
        ("{:find [(count ?z) .] :timeout 0 :where [[?a :node/next ?z]]}", None),
        ("[:find (count ?z) . :in $ ?ms :timeout ?ms :where [?a :node/next ?z]]", Some(Edn::Int(0))),
        ("[:find ?n . :where [(q [:find (count ?z) . :timeout 0 :where [?a :node/next ?z]] $) ?n]]", None),
    ] {
        let mut args = vec![QueryArg::Source(facts.clone())];
        args.extend(more.map(QueryArg::Value));
        let late = q(&parse::query_text(query).unwrap(), &args, &budget).unwrap_err();
        assert_eq!(late.keyword, "db.error/timeout", "{query}");
    }
    for wrong in ["-1", "\"soon\"", "1 2", "nil"] {
        let query = format!("[:find ?z :timeout {wrong} :where [?a :node/next ?z]]");
        assert_eq!(parse::query_text(&query).unwrap_err().keyword, "db.error/invalid-query", "{wrong}");
    }
}

#[test]
fn bytes_bound_tables_rules_and_answers() {
    let facts = chain(5_000);
    for query in [
        "[:find ?a ?b :in $ % :where [?a :node/next] [?b :node/next]]",
        "[:find ?n :in $ % :where (number ?n)]",
        "[:find ?x :in $ % :where [?a :node/next] [(str ?a) ?x]]",
    ] {
        let budget = Budget { bytes: Some(100_000), ..Budget::default() };
        let error = q(&parse::query_text(query).unwrap(), &inputs(&facts), &budget).unwrap_err();
        assert_eq!((error.category, error.keyword), (Category::Interrupted, "db.error/budget-exceeded"));
        assert!(error.message.contains("100000 bytes"), "{query}: {error}");
    }
    let budget = Budget { bytes: Some(100_000), ..Budget::default() };
    let few = "[:find (count ?b) . :in $ % :where [?a :node/next ?b] [(= ?a 1)]]";
    assert!(q(&parse::query_text(few).unwrap(), &inputs(&chain(100)), &budget).is_ok());
}

#[test]
fn many_rules_calling_each_other_in_a_row_need_no_stack() {
    let mut rules = String::from("[[(r0 ?a ?b) [?a :node/next ?b]]");
    for n in 1..2_000 {
        rules.push_str(&format!(" [(r{n} ?a ?b) (r{} ?a ?b)]", n - 1));
    }
    rules.push(']');
    let query = parse::query_text("[:find (count ?a) . :in $ % :where (r1999 ?a ?b)]").unwrap();
    let inputs = [
        QueryArg::Source(Arc::new(chain(10))),
        QueryArg::Value(read_one(&rules).expect("rules are sound").to_edn()),
    ];
    assert_eq!(q(&query, &inputs, &Budget::default()).unwrap().into_edn(), Edn::Int(10));
}

#[test]
fn rules_that_double_at_every_call_are_not_written_out_forever() {
    let mut rules = String::from("[[(r0 ?a ?b) [?a :node/next ?b]]");
    for n in 1..40 {
        let below = n - 1;
        rules.push_str(&format!(
            " [(r{n} ?a ?b) (r{below} ?a ?b) (r{below} ?a ?b)] [(r{n} ?a ?b) (r{below} ?b ?a)]"
        ));
    }
    rules.push(']');
    let query = parse::query_text("[:find ?a ?b :in $ % :where (r39 ?a ?b)]").unwrap();
    let inputs = [
        QueryArg::Source(Arc::new(chain(3))),
        QueryArg::Value(read_one(&rules).expect("rules are sound").to_edn()),
    ];
    let answer = q(&query, &inputs, &Budget::default()).unwrap().into_edn();
    assert_eq!(answer.as_seq().map(<[Edn]>::len), Some(6));
}
