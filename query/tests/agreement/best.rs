//! Rules that keep the least or greatest of an argument: shortest paths and their like.

use annals_query::edn::Edn;
use annals_query::{Budget, QueryArg, naive, parse, q_text};

use crate::check;

/// Edges with lengths, as tuples.
const ROADS: &str = "[[:a :b 7] [:a :c 3] [:c :b 1] [:b :d 2] [:c :d 8] [:d :a 1] [:e :a 5]]";

const RULES: &str = "[
  [(way ?a ?b (min ?d)) [?a ?b ?d]]
  [(way ?a ?b (min ?d)) (way ?a ?m ?x) [?m ?b ?y] [(+ ?x ?y) ?d]]
  [(back ?a ?b (min ?d)) [?a ?b ?d]]
  [(back ?a ?b (min ?d)) [?a ?m ?x] (back ?m ?b ?y) [(+ ?x ?y) ?d]]
  [(both ?a ?b (min ?d)) [?a ?b ?d]]
  [(both ?a ?b (min ?d)) (both ?a ?m ?x) (both ?m ?b ?y) [(+ ?x ?y) ?d]]
  [(wide ?a ?b (max ?d)) [?a ?b ?d]]
  [(wide ?a ?b (max ?d)) (wide ?a ?m ?x) [?m ?b ?y] [(min ?x ?y) ?d]]
  [(least (min ?d)) [_ _ ?d]]]";

fn asked(query: &str) -> Edn {
    let read = |text: &str| annals_query::edn::read_one(text).expect("sound").to_edn();
    check(query, &[read(ROADS), read(RULES)])
}

fn is(query: &str, expected: &str) {
    let (find, clauses) = query.split_once(" :where ").expect("a question in two parts");
    let query = format!("{find} :in $ $r % :where {clauses}]");
    let expected = annals_query::edn::read_one(expected).expect("sound").to_edn();
    assert_eq!(asked(&query), expected, "{query}");
}

#[test]
fn the_shortest_way_is_found_round_cycles() {
    for rule in ["way", "back", "both"] {
        is(&format!("[:find ?b ?d :where ($r {rule} :a ?b ?d)"), "[[:a 7] [:b 4] [:c 3] [:d 6]]");
        is(&format!("[:find ?a ?d :where ($r {rule} ?a :d ?d)"), "[[:a 6] [:b 2] [:c 3] [:d 7] [:e 11]]");
        is(&format!("[:find ?d . :where ($r {rule} :e :d ?d)"), "11");
    }
    is("[:find ?d . :where ($r way :e :b ?d)", "9");
    is("[:find ?b ?d :where ($r wide :a ?b ?d)", "[[:a 1] [:b 7] [:c 3] [:d 3]]");
    is("[:find ?d . :where ($r least ?d)", "1");
}

#[test]
fn a_best_value_that_is_given_is_compared() {
    is("[:find ?b :where ($r way :a ?b 4)", "[[:b]]");
    is("[:find ?b :where ($r way :a ?b 7)", "[[:a]]");
    is("[:find ?b :where [(ground [3 8]) [?d ...]] ($r way :a ?b ?d)", "[[:c]]");
    is("[:find ?a :where ($r way ?a :b 7)", "[[:b]]");
}

fn refused(rules: &str, query: &str, budget: &Budget) -> String {
    let read = |text: &str| annals_query::edn::read_one(text).expect("sound").to_edn();
    let args = [QueryArg::Value(read(ROADS)), QueryArg::Value(read(rules))];
    let slow = parse::query_text(query).and_then(|query| naive::q(&query, &args, budget));
    let fast = q_text(query, &args, budget);
    let (fast, slow) = (fast.expect_err(query), slow.expect_err(query));
    assert_eq!(fast.keyword, slow.keyword, "{query}");
    fast.keyword.to_owned()
}

#[test]
fn what_has_no_best_is_refused() {
    let query = "[:find ?b ?d :in $ % :where (way :a ?b ?d)]";
    let down =
        "[[(way ?a ?b (min ?d)) [?a ?b ?d]] [(way ?a ?b (min ?d)) (way ?a ?m ?x) [?m ?b] [(- ?x 1) ?d]]]";
    let small = Budget { rows: Some(5_000), ..Budget::default() };
    assert_eq!(refused(down, query, &small), "db.error/budget-exceeded");
    // The longer way to :b leads to a value that the shorter one does not lead to.
    let turned = "[[(way ?a ?b (min ?d)) [?a ?b ?d]]
                   [(way ?a ?b (min ?d)) (way ?a ?m ?x) [?m ?b] [(- 10 ?x) ?d] [(> ?d 2)]]]";
    assert_eq!(refused(turned, query, &Budget::default()), "db.error/not-monotone");
}

#[test]
fn heads_that_make_no_sense_are_refused() {
    for rules in [
        "[[(way ?a (min ?b ?d)) [?a ?b ?d]]]",
        "[[(way ?a (sum ?d)) [?a _ ?d]]]",
        "[[(way (min ?a) (max ?d)) [?a _ ?d]]]",
        "[[(way ?a (min ?d)) [?a _ ?d]] [(way ?a ?d) [_ ?a ?d]]]",
        "[[(way [(min ?a)] ?d) [?a _ ?d]]]",
    ] {
        let rules =
            annals_query::edn::Form::from(annals_query::edn::read_one(rules).expect("sound").to_edn());
        assert_eq!(parse::rules(&rules).expect_err("refused").keyword, "db.error/invalid-rule");
    }
}

#[test]
fn the_least_of_facts() {
    let rules = "[[(age ?f (min ?y)) [?f :film/cast ?p] [?p :person/born ?y]]]";
    let rules = annals_query::edn::read_one(rules).expect("sound").to_edn();
    let found = check("[:find ?t ?y :in $ % :where [?f :film/title ?t] (age ?f ?y)]", &[rules]);
    let expected =
        annals_query::edn::read_one("[[\"Harbour\" 1962] [\"Laughing Gas\" 1950] [\"Night Train\" 1962]]");
    assert_eq!(found, expected.expect("sound").to_edn());
}
