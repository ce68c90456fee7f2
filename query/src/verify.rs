//! An answer held against that of the slow evaluator, which reads every fact and joins every pair.
//!
//! Rows are compared in order if the query gives them one, else as bags. A difference is the engine's fault and never
//! the query's, so it is an error of its own, and no answer is given. If the slow evaluator runs out of its budget,
//! nothing is known, and that is the error. Functions of the program that do not always give the same make a
//! difference too.

use annals_storage::anomaly::Category;

use crate::answer::Answer;
use crate::ast::Query;
use crate::edn::Edn;
use crate::error::{Error, Result};
use crate::inputs::Inputs;
use crate::naive;
use crate::run::budget::Meter;

/// Refuses an answer that is not the naive one.
pub(crate) fn against_naive(query: &Query, inputs: &Inputs, answer: &Answer, meter: &Meter) -> Result<()> {
    match naive::answer(query, inputs, meter) {
        Ok(naive) => same(query, answer, &naive),
        Err(error) if error.category == Category::Interrupted => Err(error),
        Err(error) => Err(differs(format!("the fast way answers, the slow one fails: {error}"))),
    }
}

fn same(query: &Query, fast: &Answer, slow: &Answer) -> Result<()> {
    let (mut fast_rows, mut slow_rows) = (rows(fast), rows(slow));
    let is_ordered = !query.page.order_by.is_empty() || query.page.limit.is_some();
    if !is_ordered {
        fast_rows.sort_unstable();
        slow_rows.sort_unstable();
    }
    let count = fast_rows.len().max(slow_rows.len());
    if let Some(at) = (0..count).find(|at| fast_rows.get(*at) != slow_rows.get(*at)) {
        let shown = |rows: &[Edn]| rows.get(at).map_or_else(|| "nothing".to_owned(), Edn::to_string);
        return Err(differs(format!(
            "row {at} is {} but {} the slow way; {} rows beside {}",
            shown(&fast_rows),
            shown(&slow_rows),
            fast_rows.len(),
            slow_rows.len()
        )));
    }
    let cursor = |answer: &Answer| match answer {
        Answer::Relation(rows) => rows.cursor(),
        _ => None,
    };
    if cursor(fast) != cursor(slow) {
        return Err(differs("the rows are the same, their cursors are not".to_owned()));
    }
    Ok(())
}

/// The rows of an answer, each as one value.
fn rows(answer: &Answer) -> Vec<Edn> {
    match answer.clone().into_edn() {
        Edn::Vector(rows) if !matches!(answer, Answer::Tuple(_) | Answer::Scalar(_)) => rows,
        one => vec![one],
    }
}

fn differs(what: String) -> Error {
    let message = format!("the answer is not that of the slow evaluator: {what}");
    Error::new(Category::Fault, "db.error/verification-failed", message)
        .hint("this is a fault of the engine: please report the query with its data")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{edn, films};
    use crate::{Budget, QueryArg, parse, q};

    fn relation(text: &str) -> Answer {
        let rows = edn(text).as_seq().unwrap().iter().map(|row| row.as_seq().unwrap().to_vec()).collect();
        Answer::Relation(crate::Rows::new(vec!["?a".to_owned()], rows))
    }

    #[test]
    fn bags_are_compared_unless_there_is_an_order() {
        let bag = parse::query_text("[:find ?a :where [?a]]").unwrap();
        let ordered = parse::query_text("[:find ?a :order-by ?a :where [?a]]").unwrap();
        let (one, other) = (relation("[[1] [2]]"), relation("[[2] [1]]"));
        assert_eq!(same(&bag, &one, &other), Ok(()));
        let told = same(&ordered, &one, &other).unwrap_err();
        assert_eq!((told.category, told.keyword), (Category::Fault, "db.error/verification-failed"));
        assert!(told.message.contains("row 0 is [1] but [2] the slow way"), "{told}");
        let told = same(&bag, &relation("[[1] [2] [2]]"), &one).unwrap_err();
        assert!(told.message.contains("row 2 is [2] but nothing the slow way; 3 rows beside 2"), "{told}");
        assert!(same(&bag, &relation("[[1] [1] [2]]"), &relation("[[1] [2] [2]]")).is_err(), "a bag, no set");
    }

    #[test]
    fn a_query_that_says_so_is_answered_twice() {
        let asked = |text: &str| {
            let args = [QueryArg::Source(std::sync::Arc::new(films().now()))];
            q(&parse::query_text(text).unwrap(), &args, &Budget::default()).map(Answer::into_edn)
        };
        for query in [
            "[:find ?t ?y :verify true :order-by (desc ?y) :limit 2 :where [?f :film/title ?t] [?f :film/year ?y]]",
            "[:find (count ?f) . :verify true :where [?f :film/title]]",
            "[:find (sample 2 ?f) (rand 3 ?f) :verify true :where [?f :film/title]]",
            "{:find [[(pull ?f [*]) ...]] :verify true :where [[?f :film/title]]}",
        ] {
            let plain = query.replace(":verify true", "");
            assert_eq!(asked(query), asked(&plain), "{query}");
        }
    }
}
