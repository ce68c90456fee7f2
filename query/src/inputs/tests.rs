//! Arguments taken apart.

use std::sync::Arc;

use super::*;
use crate::fixture::{e, edn, films};

fn bound(query: &str, args: &[&str]) -> Result<Inputs> {
    let mut given = vec![QueryArg::Source(Arc::new(films().now()))];
    given.extend(args.iter().map(|arg| QueryArg::Value(edn(arg))));
    Inputs::bind(&parse::query_text(query)?, &given)
}

fn check(query: &str, args: &[&str], expected: &str) {
    let inputs = bound(query, args).unwrap_or_else(|error| panic!("{query}\n{error}"));
    let rows = |relation: &Relation| Edn::Vector(relation.rows.iter().cloned().map(Edn::Vector).collect());
    let all = Edn::Vector(inputs.relations().iter().map(rows).collect());
    assert_eq!(all.to_string(), edn(expected).to_string(), "{query}");
}

#[test]
fn each_binding_is_a_relation_of_distinct_rows() {
    check("[:find ?a ?b :in $ ?a [?b ...] :where [?a] [?b]]", &["1", "[3 2 3]"], "[[[1]] [[2] [3]]]");
    check("[:find ?a :in $ [?a _] :where [?a]]", &["[1 2]"], "[[[1]]]");
    check("[:find ?a :in $ [[?a ?a]] :where [?a]]", &["[[1 1] [1 2]]"], "[[[1]]]");
    check("[:find ?a ?b :in $ [[?a ?b]] :where [(= ?a ?b)]]", &["{:x 1}"], "[[[:x 1]]]");
    check("[:find ?a :in $ [?a ...] :where [?a]]", &["nil"], "[[]]");
}

#[test]
fn names_are_settled_where_they_mean_entities() {
    let ann = e(1);
    for clause in [
        "[?a :person/name]",
        "[_ :film/cast ?a]",
        "(not [_ :film/cast ?a])",
        "(or-join [?a] [_ :film/cast ?a])",
        "(or-join [?a] (and [?a :person/name] [?a :person/born]))",
    ] {
        let query = format!("[:find ?a :in $ ?a :where {clause}]");
        check(&query, &["[:person/name \"Ann Berg\"]"], &format!("[[[{ann}]]]"));
    }
    check(
        "[:find ?a :in $ ?a :where [(str ?a)]]",
        &["[:person/name \"Ann Berg\"]"],
        "[[[[:person/name \"Ann Berg\"]]]]",
    );
    check(
        "[:find ?a :in $ [?a ...] :where [?a]]",
        &["[[:person/name \"Ann Berg\"]]"],
        &format!("[[[{ann}]]]"),
    );
    let nobody = bound("[:find ?a :in $ ?a :where [?a]]", &["[:person/name \"No\"]"]).err().unwrap();
    assert_eq!(nobody.keyword, "db.error/entity-not-found");
    check("[:find ?k :in $ ?k :where [_ :film/genres ?k]]", &[":drama"], "[[[:drama]]]");
}

#[test]
fn a_name_passed_through_rules_is_settled_too() {
    let rules =
        "[[(outer ?x ?y) (inner ?y ?x)] [(inner ?p ?q) [?q :person/name ?p]] [(inner ?p ?q) (outer ?q ?p)]]";
    let query = "[:find ?a :in $ % ?a :where (outer ?a _)]";
    check(query, &[rules, "[:person/name \"Ann Berg\"]"], &format!("[[[{}]]]", e(1)));
}

#[test]
fn numbers_take_the_type_of_their_attribute() {
    check("[:find ?s :in $ ?s :where [_ :film/score ?s]]", &["8"], "[[[8.0]]]");
    check("[:find ?y :in $ ?y :where [_ :film/year ?y]]", &["1980.0"], "[[[1980.0]]]");
    check("[:find ?y :in $ ?y :where [_ :film/year ?y]]", &["1980.5"], "[[[1980.5]]]");
    check("[:find ?s :in $ ?s :where [_ :film/score ?s]]", &["9007199254740993"], "[[[9007199254740993]]]");
}

#[test]
fn the_arguments_are_counted_and_shown() {
    let error = bound("[:find ?a :in $ ?a [?b ...] [[?c _]] % p :where [?a]]", &[]).err().unwrap();
    assert_eq!(error.keyword, "db.error/input-arity");
    assert_eq!(error.hint.as_deref(), Some("its :in is [$ ?a [?b ...] [[?c _]] % p]"));
    let query = parse::query_text("[:find ?a :in ?a]").unwrap();
    let database = QueryArg::Source(Arc::new(films().now()));
    assert_eq!(Inputs::bind(&query, &[database]).err().unwrap().keyword, "db.error/input-shape");
}
