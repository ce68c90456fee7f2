//! Shapes of answers from rows.

use super::group::Groups;
use super::*;
use crate::fixture::edn;
use crate::plan::{Place, VarId};
use crate::run::batch::Table;
use crate::run::column::ColumnBuilder;
use crate::run::pool::Pool;
use crate::{Budget, QueryArg, parse, q};

fn shaped(query: &str, rows: &str) -> Result<Answer> {
    let query = parse::query_text(query)?;
    let Edn::Vector(rows) = edn(rows) else { panic!("{rows}") };
    let rows: Vec<&[Edn]> = rows.iter().map(|row| row.as_seq().expect("a row")).collect();
    let (meter, inputs, mut pool) = (Meter::default(), Inputs::default(), Pool::default());
    let places: Vec<Place> = (0..width(&rows)).map(|var| Place::Var(VarId(var))).collect();
    let whole = shape(&query, &inputs, Cells::new(table(&rows, &mut pool), &places, &mut pool), &meter);
    for size in [1, 2, 3] {
        let Some(mut groups) = Groups::of(&query, inputs.functions(), &meter)? else { break };
        let taken = rows.chunks(size).try_for_each(|part| {
            let table = table(part, &mut pool);
            groups.take(&Cells::new(table, &places, &mut pool))
        });
        let parted = taken.and_then(|()| shape_rows(&query, &inputs, groups.finish()?, &meter));
        match (&whole, parted) {
            (Ok(whole), Ok(parted)) => {
                assert_eq!(sorted(whole.clone()), sorted(parted), "in parts of {size}")
            }
            (Err(whole), Err(parted)) => assert_eq!(whole.keyword, parted.keyword),
            (whole, parted) => panic!("{whole:?} is not {parted:?}"),
        }
    }
    whole
}

fn width(rows: &[&[Edn]]) -> u32 {
    rows.first().map_or(0, |row| row.len() as u32)
}

/// Rows as a run finds them.
fn table(rows: &[&[Edn]], pool: &mut Pool) -> Table {
    let columns = (0..width(rows) as usize).map(|at| {
        let mut column = ColumnBuilder::default();
        rows.iter().for_each(|row| column.push(pool.intern_edn(&row[at])));
        column.finish()
    });
    let columns: Vec<_> = columns.collect();
    let vars: Vec<VarId> = (0..width(rows)).map(VarId).collect();
    Table { vars, columns, rows: rows.len(), distinct: true }
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
fn expressions_over_aggregates() {
    let rows = "[[1 2] [3 4] [1 5]]";
    check("[:find ?a (/ (sum ?b) (count ?b)) :where [?a ?b]]", rows, "[[1 3] [3 4]]");
    check("[:find (- (max ?b) (min ?b)) . :where [_ ?b]]", "[[2] [9]]", "7");
    check("[:find (* 10 ?a) (max (max ?b) 4.5) :where [?a ?b]]", rows, "[[10 5] [30 4.5]]");
    check("[:find (quot ?a 2) :where [?a]]", "[[2] [3]]", "[[1] [1]]");
    check("[:find (count (distinct ?a)) . :where [?a]]", "[[2] [3]]", "2");
    let error = shaped("[:find (+ 1 (/ (sum ?b) 0)) :where [?b]]", "[[1]]").unwrap_err();
    let span = error.span.unwrap();
    assert_eq!((error.keyword, span.start, span.end), ("db.error/arithmetic", 12, 26));
}

#[test]
fn groups_are_kept_if_having_holds() {
    let rows = "[[1 2] [3 4] [1 5]]";
    check("[:find ?a :having (> (count ?b) 1) :where [?a ?b]]", rows, "[[1]]");
    check("[:find ?a (sum ?b) :having (< ?a (sum ?b) ) (odd? (sum ?b)) :where [?a ?b]]", rows, "[[1 7]]");
    check("[:find ?a ?b :having (< ?b 5) :where [?a ?b]]", rows, "[[1 2] [3 4]]");
    check("[:find ?a :having (identity (min ?b)) :where [?a ?b]]", "[[1 nil] [2 false] [3 0]]", "[[3]]");
    check("[:find (count ?a) . :having (> (count ?a) 9) :where [?a]]", "[[1]]", "nil");
}

#[test]
fn rows_in_order_and_pages_of_them() {
    let rows = "[[1 9] [2 7] [1 8] [2 6]]";
    check("[:find ?a ?b :order-by (desc ?b) :where [?a ?b]]", rows, "[[1 9] [1 8] [2 7] [2 6]]");
    check("[:find ?a ?b :limit 2 :offset 1 :where [?a ?b]]", rows, "[[1 9] [2 6]]");
    check("[:find ?a ?b :offset 3 :where [?a ?b]]", rows, "[[2 7]]");
    check("[:find ?a ?b :offset 9 :limit 1 :where [?a ?b]]", rows, "[]");
    check("[:find ?a ?b :limit 0 :where [?a ?b]]", rows, "[]");
    check("[:find ?a (sum ?b) :order-by (sum ?b) :where [?a ?b]]", rows, "[[2 13] [1 17]]");
    check("[:find [?b ...] :order-by [?b :desc] :limit 3 :where [?b]]", "[[1] [3] [2] [0]]", "[3 2 1]");
    check("[:find [?a ?b] :order-by [?b :desc] :where [?a ?b]]", rows, "[1 9]");
    check("[:find ?b . :order-by [?b :desc] :where [?b]]", "[[1] [3] [2]]", "3");
}

#[test]
fn a_limit_is_taken_from_an_input() {
    let query = parse::query_text("[:find ?a :in [?a ...] ?n ?from :limit ?n :offset ?from]").unwrap();
    let asked = |n: &str, from: &str| {
        let args = ["[3 1 2]", n, from].map(|text| QueryArg::Value(edn(text)));
        q(&query, &args, &Budget::default()).map(|answer| answer.into_edn().to_string())
    };
    assert_eq!(asked("1", "1").unwrap(), "[[2]]");
    for (n, from) in [("-1", "0"), ("nil", "0"), ("1", "1.0"), ("1", "\"x\"")] {
        let error = asked(n, from).unwrap_err();
        assert_eq!((error.keyword, error.span.is_some()), ("db.error/input-shape", true), "{n} {from}");
    }
}

/// Follows the cursors of a query until there are no more rows.
fn paged(query: &str, rows: &str) -> String {
    let mut pages = Vec::new();
    let mut after = "nil".to_owned();
    loop {
        let text = query.replace("CURSOR", &after);
        let Answer::Relation(page) = shaped(&text, rows).unwrap() else { panic!("{text}") };
        match page.cursor() {
            Some(cursor) => after = format!("\"{cursor}\""),
            None => return Edn::Vector(pages).to_string(),
        }
        pages.push(Answer::Relation(page).into_edn());
    }
}

#[test]
fn pages_go_on_after_their_cursors() {
    let rows = "[[1 9] [2 7] [1 8] [2 6] [3 7]]";
    let query = "[:find ?a ?b :order-by (desc ?b) :limit 2 :after CURSOR :where [?a ?b]]";
    assert_eq!(paged(query, rows), "[[[1 9] [1 8]] [[2 7] [3 7]] [[2 6]]]");
    let repeated = "[:find ?a :with ?b :limit 2 :after CURSOR :where [?a ?b]]";
    let rows = "[[1 1] [1 2] [1 3] [1 4] [1 5] [2 1]]";
    assert_eq!(paged(repeated, rows), "[[[1] [1]] [[1] [1]] [[1] [2]]]");
    let skipping = "[:find ?a :with ?b :limit 1 :offset 1 :after CURSOR :where [?a ?b]]";
    assert_eq!(paged(skipping, rows), "[[[1]] [[1]] [[2]]]");
}

#[test]
fn a_page_goes_on_though_rows_came_and_went() {
    let text = "[:find ?a :order-by ?a :limit 2 :after CURSOR :where [?a]]";
    let Answer::Relation(page) = shaped(&text.replace("CURSOR", "nil"), "[[1] [5] [9]]").unwrap() else {
        panic!()
    };
    let cursor = format!("\"{}\"", page.cursor_at(7).unwrap());
    check(&text.replace("CURSOR", &cursor), "[[0] [1] [4] [6] [9]]", "[[6] [9]]");
    let other = text.replace("CURSOR", &cursor).replace(":order-by ?a", ":order-by (desc ?a)");
    let error = shaped(&other, "[[1]]").unwrap_err();
    assert_eq!((error.keyword, error.span.is_some()), ("db.error/invalid-cursor", true));
    let error = shaped(&text.replace("CURSOR", "\"nonsense\""), "[[1]]").unwrap_err();
    assert_eq!((error.keyword, error.span.is_some()), ("db.error/invalid-cursor", true));
    let Answer::Relation(page) = shaped("[:find ?a :order-by ?a :where [?a]]", "[[1]]").unwrap() else {
        panic!()
    };
    assert_eq!(page.cursor(), None, "no limit, no pages");
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

/// An answer whose rows are in no order, in one.
fn sorted(answer: Answer) -> Vec<Edn> {
    let mut rows = match answer.into_edn() {
        Edn::Vector(rows) => rows,
        other => vec![other],
    };
    rows.sort();
    rows
}
