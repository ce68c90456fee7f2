//! Tables of queries that make sense and that do not, each in every order of its clauses.

use crate::edn::read_one;
use crate::{Error, parse};

const RULES: &str = "[[(reaches ?a ?b) [?a :next ?b]]
                      [(reaches ?a ?b) [?a :next ?m] (reaches ?m ?b)]
                      [(older [?a] ?b) [?a :born ?x] [?b :born ?y] [(< ?x ?y)]]
                      [(big [?n]) [(< 10 ?n)]]
                      [(small ?n) (not (big ?n))]
                      [(next-of ?a ?b) [(+ ?a 1) ?b]]
                      [(above ?a ?b) (next-of ?a ?b)]
                      [(walk ?a ?b) (next-of ?a ?b)]
                      [(walk ?a ?b) (walk ?a ?m) (next-of ?m ?b)]]";

fn checked(query: &str, rules: &str) -> Result<(), Error> {
    let mut query = parse::query_text(query).unwrap_or_else(|error| panic!("{query}: {error}"));
    let rules = parse::rules(&read_one(rules).unwrap()).unwrap_or_else(|error| panic!("{rules}: {error}"));
    let result = super::query(&query, &rules);
    let keyword = result.as_ref().map_err(|error| error.keyword).copied();
    for _ in 0..query.clauses.len() {
        query.clauses.rotate_left(1);
        assert_eq!(super::query(&query, &rules).map_err(|error| error.keyword), keyword, "in another order");
    }
    query.clauses.reverse();
    assert_eq!(super::query(&query, &rules).map_err(|error| error.keyword), keyword, "in another order");
    result
}

#[test]
fn what_makes_sense() {
    let table = [
        "[:find ?a :where [?a :b]]",
        "[:find ?a :in ?a]",
        "[:find ?a ?b :in $ [[?a ?b]] :where [?a :x ?b]]",
        "[:find (count ?a) (max 2 ?b) :with ?c :where [?a ?b ?c]]",
        "[:find (pull ?a [*]) (pull ?b shape) ?a :in $ shape :where [?a :x ?b]]",
        "[:find ?c :where [(+ ?b 1) ?c] [(+ ?a 1) ?b] [_ :x ?a]]",
        "[:find ?x :in [?x ...] :where [(> ?x 1)]]",
        "[:find ?r :in $ ?f :where [?a :x ?b] [(?f ?b) ?r]]",
        "[:find ?a :where [?a :x] (not [?a :y])]",
        "[:find ?a :where [?a :x ?v] (not [(< ?v 3)])]",
        "[:find ?a :in $ ?f :where [?a :x ?v] (not [?a :y ?v] [(?f ?v)])]",
        "[:find ?a :where [?a :x ?v] (not [?a :y ?v] (not [?v :z]))]",
        "[:find ?a :where [?a :x] (not-join [?a] [?a :y ?v] (not [?v :z ?a]))]",
        "[:find ?b :in $ % :where (above ?a ?b) [_ :x ?a]]",
        "[:find ?b :in $ % :where (small ?a) [_ :x ?a] (next-of ?a ?b) (walk 1 ?b)]",
        "[:find ?a :where [?a :x] (not [_ :y])]",
        "[:find ?a :where [?a :x ?n] (not-join [?a ?n] [?a :y ?v] [(< ?v ?n)])]",
        "[:find ?a :where (or [?a :x] [?a :y])]",
        "[:find ?a :where [?a :x ?v] (or [(< ?v 3)] (and [?v :y] (not [?v :z])))]",
        "[:find ?a ?v :where (or-join [?a ?v] [?a :x ?v] (and [?a :y ?w] [(+ ?w 1) ?v]))]",
        "[:find ?a :where [?a :x ?v] (or-join [?v] [(< ?v 3)] [?b :y ?v])]",
        "[:find ?a :where [?a :x ?v] (or-join [?a ?v] [(< ?v 3)] [?a :y ?v])]",
        "[:find ?a :where [?a :x ?v] (or-join [[?v] ?a] (and [(< ?v 3)] [?a :z]))]",
        "[:find ?a ?b :in $ % :where (reaches ?a ?b)]",
        "[:find ?b :in $ % ?a :where (older ?a ?b) (big ?a)]",
        "[:find ?b :in $ % :where (older :some/body ?b)]",
        "[:find ?a :in $a $b :where [$a ?a :x ?v] [$b ?v] ($a not [?a :y]) ($b or [?v :z] [?v :w])]",
        "[:find ?a :in $a % :where ($a reaches ?a _)]",
        "[:find ?a :where (and [?a :x ?b] [(< ?b 3)])]",
        "[:find ?a :where [[1 2] ?a] [[:x 1 2] ?a]]",
        "[:find (/ (sum ?a) (count ?b)) (+ ?c 1) :having (> (count ?d) ?c) :where [?a ?b ?c ?d]]",
        "[:find ?a (max ?b) :order-by [(max ?b) :desc] [?a :asc] :where [?a :x ?b]]",
        "[:find (pull ?a [*]) :order-by ?a :limit ?n :offset 1 :after ?c :in $ ?n ?c :where [?a]]",
        "[:find [?a ...] :order-by ?a :limit 0 :where [?a]]",
        "[:find ?a . :order-by (desc ?a) :having (odd? ?a) :where [?a]]",
    ];
    for query in table {
        if let Err(error) = checked(query, RULES) {
            panic!("{query}: {error} ({})", error.keyword);
        }
    }
}

#[test]
fn what_does_not() {
    let table = [
        ("db.error/unbound-variable", "?b", "[:find ?a ?b :where [?a :x]]"),
        ("db.error/unbound-variable", "?b", "[:find ?a (sum ?b) :where [?a :x]]"),
        ("db.error/unbound-variable", "?b", "[:find ?a :with ?b :where [?a :x]]"),
        ("db.error/unbound-variable", "?b", "[:find (pull ?b [*]) :where [?a :x]]"),
        ("db.error/insufficient-binding", "?b", "[:find ?b :where [?a :x] [(< ?b 3)]]"),
        ("db.error/insufficient-binding", "?b", "[:find ?a ?b :where [?a :x] (not [?a :y ?b])]"),
        ("db.error/insufficient-binding", "?b", "[:find ?b :where (not [?b :y])]"),
        ("db.error/unbound-variable", "?b", "[:find ?b :where [?a :x] (or-join [?a] [?a :y ?b] [?a :z])]"),
        ("db.error/unbound-variable", "?a", "[:find ?a]"),
        ("db.error/insufficient-binding", "?b", "[:find ?a :where [?a :x] [(< ?b 3)]]"),
        ("db.error/insufficient-binding", "?b", "[:find ?a ?c :where [?a :x] [(+ ?b 3) ?c]]"),
        ("db.error/insufficient-binding", "?b, ?c", "[:find ?a :where [?a :x] [(+ ?b ?c) ?d]]"),
        ("db.error/insufficient-binding", "?b", "[:find ?a :where [?a :x] [(+ ?b 1) ?c] [(+ ?c 1) ?b]]"),
        ("db.error/insufficient-binding", "?f", "[:find ?a :where [?a :x] [(?f ?a)]]"),
        ("db.error/insufficient-binding", "?b", "[:find ?a :where [?a :x] (not [?b :y])]"),
        ("db.error/insufficient-binding", "?c", "[:find ?a :where [?a :x] (not [?a :y] [(< ?c 3)])]"),
        ("db.error/insufficient-binding", "?v", "[:find ?a :where [?a :x] (not [?a :y ?v])]"),
        ("db.error/insufficient-binding", "?v", "[:find ?a :where [?a :x] (not [?a :y] (not [?a :z ?v]))]"),
        ("db.error/insufficient-binding", "?n", "[:find ?n :in $ % :where (small ?n)]"),
        ("db.error/insufficient-binding", "?a", "[:find ?b :in $ % :where (above ?a ?b)]"),
        ("db.error/insufficient-binding", "?a", "[:find ?b :in $ % :where (walk ?a ?b) [_ :x ?b]]"),
        ("db.error/insufficient-binding", "?b", "[:find ?a :where [?a :x] (not-join [?a ?b] [?a :y ?b])]"),
        (
            "db.error/insufficient-binding",
            "?v",
            "[:find ?a :where [?a :x ?v] (not-join [?a] [?a :y] [(< ?v 3)])]",
        ),
        ("db.error/insufficient-binding", "?v", "[:find ?a :where (or-join [?a ?v] [?a :x ?v] [?a :y])]"),
        ("db.error/insufficient-binding", "?v", "[:find ?a :where [?a] (or-join [[?v] ?a] [?a :x ?v])]"),
        ("db.error/insufficient-binding", "?v", "[:find ?a :where (or [?a :x ?v] (and [?a :y] [(< ?v 3)]))]"),
        ("db.error/insufficient-binding", "?a", "[:find ?b :in $ % :where (older ?a ?b)]"),
        ("db.error/insufficient-binding", "_", "[:find ?b :in $ % :where (older _ ?b)]"),
        ("db.error/or-variables", "?v", "[:find ?a :where (or [?a :x ?v] [?a :y])]"),
        ("db.error/or-variables", "?v", "[:find ?a :where (or [?a :x] (and [?a :y] (not [?a :z ?v])))]"),
        ("db.error/unknown-source", "$b", "[:find ?a :where [$b ?a :x]]"),
        ("db.error/unknown-source", "$`", "[:find ?a :in $b :where [?a :x]]"),
        ("db.error/unknown-source", "$b", "[:find ?a :where [?a :x] [(missing? $b ?a :y)]]"),
        ("db.error/unknown-source", "$b", "[:find ?a :where ($b not [?a :x]) [?a :y]]"),
        ("db.error/unknown-source", "$b", "[:find (pull $b ?a [*]) :where [?a :y]]"),
        ("db.error/unknown-source", "$`", "[:find ?a :in $b % :where (reaches ?a _)]"),
        ("db.error/unknown-rule", "liked", "[:find ?a :in $ % :where (liked ?a)]"),
        ("db.error/unknown-rule", "<", "[:find ?a :where [?a :x ?v] (< ?v 3)]"),
        ("db.error/rule-arity", "2 arguments, not 1", "[:find ?a :in $ % :where (reaches ?a)]"),
        ("db.error/not-a-binding-form", "[:x 1]", "[:find ?a :where [[:x 1] :y ?a]]"),
        ("db.error/invalid-query", "?a", "[:find (pull ?a [:x]) (pull ?a [:y]) :where [?a :x]]"),
        ("db.error/invalid-query", "shape", "[:find (pull ?a shape) :where [?a :x]]"),
        ("db.error/unbound-variable", "?b", "[:find (+ ?a (sum ?b)) :where [?a :x]]"),
        ("db.error/unbound-variable", "?b", "[:find ?a :having (> (count ?b) 1) :where [?a :x]]"),
        ("db.error/unknown-function", "nosuch", "[:find (nosuch ?a) :where [?a :x]]"),
        ("db.error/unknown-function", "nosuch", "[:find (+ 1 (nosuch (sum ?a))) :where [?a :x]]"),
        ("db.error/unknown-source", "$b", "[:find (+ 1 (sum $b ?a)) :where [?a :x]]"),
        ("db.error/function-arity", "`inc`", "[:find (+ (sum ?a) (inc 1 2)) :where [?a :x]]"),
        ("db.error/invalid-query", "get-else", "[:find (get-else ?a :x 1) :where [?a :x]]"),
        ("db.error/invalid-query", "?b", "[:find ?a :having (> ?b 1) :where [?a :x ?b]]"),
        ("db.error/invalid-query", "?b", "[:find ?a (sum ?b) :having (> ?b 1) :where [?a :x ?b]]"),
        ("db.error/invalid-query", "?b", "[:find ?a :order-by ?b :where [?a :x ?b]]"),
        ("db.error/invalid-query", "(max ?b)", "[:find ?a (min ?b) :order-by (max ?b) :where [?a :x ?b]]"),
        ("db.error/invalid-query", ":limit", "[:find ?a . :limit 1 :where [?a :x ?b]]"),
        ("db.error/invalid-query", ":offset", "[:find [?a ?b] :offset 1 :where [?a :x ?b]]"),
        ("db.error/invalid-query", ":after", "[:find [?a ...] :after \"x\" :where [?a :x ?b]]"),
        ("db.error/invalid-query", "?n", "[:find ?a :limit ?n :where [?a :x ?b]]"),
        ("db.error/invalid-query", "?n", "[:find ?a :limit ?n :in $ [?n ...] :where [?a :x ?b]]"),
    ];
    for (keyword, named, query) in table {
        let error = checked(query, RULES).expect_err(query);
        assert_eq!(error.keyword, keyword, "{query}: {error}");
        assert!(error.message.contains(named), "{query}: {error}");
        assert!(error.span.is_some() || query.contains(":with"), "{query}: no place");
    }
}

#[test]
fn rules_are_looked_at_if_they_are_used() {
    let sound = "[(good ?a) [?a :x]]";
    let table = [
        ("db.error/insufficient-binding", "[(bad ?a) [(< ?a 3)]]"),
        ("db.error/insufficient-binding", "[(bad ?a) [?b :x]]"),
        ("db.error/insufficient-binding", "[(bad ?a) [?a :x] (not [?b :y])]"),
        ("db.error/unknown-rule", "[(bad ?a) (worse ?a)]"),
        ("db.error/unknown-source", "[(bad ?a) [$x ?a]]"),
        ("db.error/or-variables", "[(bad ?a) (or [?a :x] [?a :y ?b])]"),
        ("db.error/unstratified", "[(bad ?a) [?a :x] (not (bad ?a))]"),
        (
            "db.error/unstratified",
            "[(bad ?a) [?a :x] (other ?a)] [(other ?a) [?a :x] (not [?a :y ?b] (bad ?b))]",
        ),
    ];
    for (keyword, bad) in table {
        let rules = format!("[{sound} {bad}]");
        let error = checked("[:find ?a :in $ % :where (bad ?a)]", &rules).expect_err(bad);
        assert_eq!(error.keyword, keyword, "{bad}: {error}");
        checked("[:find ?a :in $ % :where (good ?a)]", &rules).expect("nothing calls the bad rule");
    }
    let negated_below = "[[(leaf ?a) [?a :x] (not (inner ?a))] [(inner ?a) [?a :next ?b]] [(inner ?a) [?a :y ?b] (inner ?b)]]";
    checked("[:find ?a :in $ % :where (leaf ?a)]", negated_below).expect("no recursion through not");
}

#[test]
fn all_problems_are_told() {
    let query = parse::query_text("[:find ?a ?b :where [$x ?a :y] (r ?a) [(< ?c 1)]]").unwrap();
    let error = super::query(&query, &[]).unwrap_err();
    assert_eq!(error.keyword, "db.error/unknown-source");
    let hint = error.hint.unwrap();
    for named in ["`r`", "?b", "?c"] {
        assert!(hint.contains(named), "{hint}");
    }
}

#[test]
fn a_large_query_takes_little_time() {
    let chain: String = (0..3000).rev().map(|i| format!("[(+ ?x{i} 1) ?x{}] ", i + 1)).collect();
    let query = format!("[:find ?x3000 :in ?x0 :where {chain}]");
    super::query(&parse::query_text(&query).unwrap(), &[]).expect("a long chain");
    // Twice as large with each level, so only as deep as the text stays small.
    let shallow = (0..10)
        .fold("[?e :a ?v]".to_owned(), |inner, _| format!("(or {inner} (and [?e :b ?v] (not {inner})))"));
    let deep = (0..90).fold("[(< ?w 3)]".to_owned(), |inner, i| format!("(not [?e :a{i}] {inner})"));
    super::query(&parse::query_text(&format!("[:find ?e :where {shallow}]")).unwrap(), &[]).expect("nested");
    let error = super::query(&parse::query_text(&format!("[:find ?e :where [?e] {deep}]")).unwrap(), &[])
        .unwrap_err();
    assert_eq!(error.keyword, "db.error/insufficient-binding");
}
