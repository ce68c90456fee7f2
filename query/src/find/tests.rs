//! Shapes of answers from rows.

use super::*;
use crate::fixture::edn;
use crate::parse;

fn shaped(query: &str, rows: &str) -> Result<Answer> {
    let query = parse::query_text(query)?;
    let Edn::Vector(rows) = edn(rows) else { panic!("{rows}") };
    let rows = rows.iter().map(|row| row.as_seq().expect("a row").to_vec()).collect();
    shape(&query, &Inputs::default(), rows)
}

fn check(query: &str, rows: &str, expected: &str) {
    let answer = shaped(query, rows).unwrap_or_else(|error| panic!("{query}\n{error}"));
    assert_eq!(answer.into_edn().to_string(), edn(expected).to_string(), "{query}");
}

#[test]
fn the_basis_is_each_variable_once() {
    let query =
        parse::query_text("[:find ?b (min ?n ?a) (pull ?b [*]) :with ?c ?a :in ?n :where [?a]]").unwrap();
    let names: Vec<_> = basis(&query).iter().map(|var| var.0.to_string()).collect();
    assert_eq!(names, ["?b", "?n", "?a", "?c"]);
}

#[test]
fn rows_without_aggregates() {
    check("[:find ?a ?b :where [?a ?b]]", "[[1 2] [3 4]]", "[[1 2] [3 4]]");
    check("[:find ?a ?a :where [?a]]", "[[1]]", "[[1 1]]");
    check("[:find [?a ...] :where [?a]]", "[[1] [2]]", "[1 2]");
    check("[:find ?a :with ?b :where [?a ?b]]", "[[1 2] [1 3]]", "[[1] [1]]");
}

#[test]
fn one_row_is_the_least() {
    check("[:find [?a ?b] :where [?a ?b]]", "[[3 1] [2.5 9] [2.5 8]]", "[2.5 8]");
    check("[:find ?a . :where [?a]]", "[[\"b\"] [\"a\"]]", "\"a\"");
    check("[:find ?a . :where [?a]]", "[]", "nil");
    check("[:find [?a ?b] :where [?a ?b]]", "[]", "nil");
}

#[test]
fn groups() {
    check("[:find ?a (sum ?b) (count ?b) :where [?a ?b]]", "[[1 2] [3 4] [1 5]]", "[[1 7 2] [3 4 1]]");
    check("[:find (sum ?b) :with ?a :where [?a ?b]]", "[[5 1] [5 2]]", "[[10]]");
    check("[:find (min 1 ?b) . :where [?b]]", "[[5] [4]]", "[4]");
    check("[:find (sum ?b) :where [?b]]", "[]", "[]");
}

#[test]
fn maps() {
    check("[:find ?a ?b :strs x y :where [?a ?b]]", "[[1 2]]", "[{\"x\" 1, \"y\" 2}]");
    check("[:find ?a :keys x :where [?a]]", "[[1]]", "[{:x 1}]");
}

#[test]
fn columns_are_named() {
    let Answer::Relation(rows) = shaped("[:find ?a (max 2 ?b) :where [?a ?b]]", "[]").unwrap() else {
        panic!()
    };
    assert_eq!(rows.columns(), ["?a", "(max 2 ?b)"]);
}

#[test]
fn an_error_in_an_aggregate_has_its_place() {
    let error = shaped("[:find (sum ?b) :where [?b]]", "[[:x]]").unwrap_err();
    assert_eq!((error.keyword, error.span.is_some()), ("db.error/type-in-function", true));
}
