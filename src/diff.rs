//! What changed in the answer of a query between two moments.
//!
//! The query is asked of both values; rows are compared as wholes. It says nothing of why a row came or went, and costs
//! two queries.

use std::collections::BTreeSet;

use annals_query::edn::Edn;
use annals_query::{Answer, Rows};

use crate::database::Db;
use crate::error::Result;
use crate::question::{Arg, Question, q};

/// Rows that are only in the later answer, and rows that are only in the earlier one.
#[derive(Clone, Debug, PartialEq)]
pub struct Diff {
    /// In the answer after, and not before; in the order of their values.
    pub added: Rows,
    /// In the answer before, and not after; in the order of their values.
    pub removed: Rows,
}

/// Asks a query of two values and compares the answers; `args` are the inputs after the database.
///
/// Rows are those of the find spec: an answer of one column, one row or one value has as many rows of one cell, or one.
///
/// ```
/// # let conn = annals::connect("mem:")?.database("main")?;
/// conn.transact("[{:db/ident :boat/name :db/valueType :db.type/string :db/cardinality :db.cardinality/one
///                  :db/unique :db.unique/identity}]")?;
/// let before = conn.transact("[{:boat/name \"Argo\"} {:boat/name \"Fram\"}]")?.db_after;
/// let after = conn.transact("[[:db/retractEntity [:boat/name \"Argo\"]] {:boat/name \"Gjoa\"}]")?.db_after;
/// let diff = annals::diff("[:find ?name :where [_ :boat/name ?name]]", &before, &after, [])?;
/// assert_eq!(diff.added.iter().next(), Some(&[annals::Edn::string("Gjoa")][..]));
/// assert_eq!(diff.removed.iter().next(), Some(&[annals::Edn::string("Argo")][..]));
/// # Ok::<(), annals::Error>(())
/// ```
///
/// # Errors
/// Whatever the query is refused for, on either value.
pub fn diff(query: &str, before: &Db, after: &Db, args: impl IntoIterator<Item = Arg>) -> Result<Diff> {
    let question = args.into_iter().fold(q(query)?, Question::arg);
    let (columns, earlier) = rows(question.clone().over(before).run()?);
    let (_, later) = rows(question.over(after).run()?);
    let only = |these: &BTreeSet<Vec<Edn>>, those: &BTreeSet<Vec<Edn>>| {
        Rows::new(columns.clone(), these.difference(those).cloned().collect())
    };
    Ok(Diff { added: only(&later, &earlier), removed: only(&earlier, &later) })
}

/// An answer of any shape as rows, with the names of the columns.
fn rows(answer: Answer) -> (Vec<String>, BTreeSet<Vec<Edn>>) {
    let unnamed = |width: usize| (1..=width).map(|number| number.to_string()).collect();
    match answer {
        Answer::Relation(rows) => (rows.columns().to_vec(), rows.into_rows().into_iter().collect()),
        Answer::Collection(values) => (unnamed(1), values.into_iter().map(|value| vec![value]).collect()),
        Answer::Tuple(row) => (unnamed(row.as_ref().map_or(0, Vec::len)), row.into_iter().collect()),
        Answer::Scalar(value) => (unnamed(1), value.into_iter().map(|value| vec![value]).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A counter that is 1, then 2; and the query's answers at both moments.
    fn differ(find: &str) -> Diff {
        let conn = crate::connect("mem:").unwrap().database("main").unwrap();
        let schema = "[{:db/ident :a/n :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
                       {:db/ident :a/kept :db/valueType :db.type/long :db/cardinality :db.cardinality/one}]";
        conn.transact(schema).unwrap();
        let one = conn.transact("[{:db/id \"x\" :a/n 1 :a/kept 7 :db/ident :the/x}]").unwrap();
        let two = conn.transact("[[:db/add :the/x :a/n 2]]").unwrap();
        let query = format!("[:find {find} :in $ ?e :where [?e :a/n ?n] [?e :a/kept ?kept]]");
        let args = [Arg::from(Edn::keyword("the/x"))];
        diff(&query, &one.db_after, &two.db_after, args).unwrap()
    }

    #[test]
    fn rows_that_came_and_went_in_every_shape() {
        for (find, came, went) in [
            ("?n ?kept", "[2 7]", "[1 7]"),
            ("[?n ...]", "[2]", "[1]"),
            ("[?n ?kept]", "[2 7]", "[1 7]"),
            ("?n .", "[2]", "[1]"),
        ] {
            let found = differ(find);
            let only = |rows: &Rows| {
                let mut rows = rows.iter().map(|row| Edn::Vector(row.to_vec()).to_string());
                (rows.next(), rows.next())
            };
            assert_eq!(only(&found.added), (Some(came.to_owned()), None), "{find}");
            assert_eq!(only(&found.removed), (Some(went.to_owned()), None), "{find}");
        }
        let same = differ("?kept");
        assert_eq!((same.added.iter().count(), same.removed.iter().count()), (0, 0));
    }
}
