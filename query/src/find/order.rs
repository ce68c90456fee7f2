//! The order of an answer's rows: by the keys of `:order-by`, then by the whole row.
//!
//! Values are ordered by [`functions::total`], which agrees with the predicates `<` and `>` and has a place for every
//! value. As the whole row decides at last, two rows are the same in this order only if they are equal: one question
//! has one order. A key is a column, so that whatever orders a row is in it.

use std::cmp::Ordering;

use crate::ast::{Element, Expr, OrderKey, Query};
use crate::edn::Edn;
use crate::error::{Error, Result};
use crate::functions;
use crate::run::budget::Meter;
use crate::run::sort;

/// An order of rows over the find elements.
pub struct Order {
    /// Columns, each with whether the greatest comes first.
    keys: Vec<(usize, bool)>,
}

impl Order {
    /// The order that a query asks for.
    pub fn of(query: &Query) -> Result<Order> {
        let keys = query.page.order_by.iter().map(|key| Ok((column(query, key)?, key.descending)));
        Ok(Order { keys: keys.collect::<Result<_>>()? })
    }

    /// Which of two rows comes first.
    pub fn compare(&self, x: &[Edn], y: &[Edn]) -> Ordering {
        for (at, descending) in &self.keys {
            let side = functions::total(&x[*at], &y[*at]);
            if side.is_ne() {
                return if *descending { side.reverse() } else { side };
            }
        }
        let sides = x.iter().zip(y).map(|(x, y)| functions::total(x, y));
        sides.into_iter().find(|side| side.is_ne()).unwrap_or(Ordering::Equal)
    }

    /// Puts the first `count` rows in order and drops the others; those are only looked at, not sorted.
    pub fn first(&self, rows: Vec<Vec<Edn>>, count: usize, meter: &Meter) -> Result<Vec<Vec<Edn>>> {
        let compare = |x: &Vec<Edn>, y: &Vec<Edn>| self.compare(x, y);
        let rows = if count < rows.len() { sort::first(rows, count, &compare, meter)? } else { rows };
        sort::sorted(rows, &compare, meter)
    }
}

/// The column of a key: an element of `:find` that is written the same, or the pull of a variable.
pub(crate) fn column(query: &Query, key: &OrderKey) -> Result<usize> {
    let text = key.by.to_string();
    let is_key = |element: &Element| match (element, &key.by) {
        (Element::Pull { var, .. }, Expr::Var(by, _)) => var == by,
        (Element::Pull { .. }, _) => false,
        (Element::Expr(expr), _) => expr.to_string() == text,
    };
    query.find.elements().iter().position(is_key).ok_or_else(|| {
        let message = format!("{text} in :order-by is no element of :find");
        Error::incorrect("db.error/invalid-query", message)
            .hint("rows are ordered by what is in them: add it to :find, written the same")
            .at(key.span)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::edn;
    use crate::parse;

    fn check(query: &str, count: usize, rows: &str, expected: &str) {
        let order = Order::of(&parse::query_text(query).unwrap()).unwrap();
        let rows: Vec<Vec<Edn>> =
            edn(rows).as_seq().unwrap().iter().map(|row| row.as_seq().unwrap().to_vec()).collect();
        let rows = order.first(rows, count, &Meter::default()).unwrap();
        let rows = Edn::Vector(rows.into_iter().map(Edn::Vector).collect());
        assert_eq!(rows.to_string(), edn(expected).to_string(), "{query}");
    }

    #[test]
    fn keys_come_first_and_the_whole_row_decides() {
        let rows = "[[1 9] [2 7] [1 8] [2 6] [1.5 0]]";
        check(
            "[:find ?a ?b :order-by (desc ?a) :where [?a ?b]]",
            9,
            rows,
            "[[2 6] [2 7] [1.5 0] [1 8] [1 9]]",
        );
        check("[:find ?a ?b :order-by [?b :desc] :where [?a ?b]]", 2, rows, "[[1 9] [1 8]]");
        check("[:find ?a ?b :where [?a ?b]]", 3, rows, "[[1 8] [1 9] [1.5 0]]");
        check("[:find ?a ?b :where [?a ?b]]", 0, rows, "[]");
    }

    #[test]
    fn values_of_all_types_have_a_place() {
        check(
            "[:find ?a :order-by ?a :where [?a]]",
            9,
            "[[\"b\"] [:k] [2] [nil] [1.5] [false] [1.5M]]",
            "[[nil] [false] [1.5] [1.5M] [2] [:k] [\"b\"]]",
        );
    }
}
