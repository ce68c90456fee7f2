//! Depth, endlessness and budgets: what must end, ends; what would not, is stopped with an error.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use annals_query::edn::{Edn, read::read_one};
use annals_query::facts::Facts;
use annals_query::plan::{Access, PlanOptions};
use annals_query::{Answer, Budget, QueryArg, Result, parse, q, q_with};
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
        cancel.store(true, std::sync::atomic::Ordering::Relaxed);
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
