//! What differs between two values: in the answer of a query, or in facts.
//!
//! A query is asked of both values; rows are compared as wholes. It says nothing of why a row came or went, and costs
//! two queries. Facts are compared between values that share a past, moments of one database or forks: only what either
//! did since they parted is looked at, for nothing else can differ.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use annals_query::edn::Edn;
use annals_query::source::Source;
use annals_query::{Answer, Rows};
use annals_storage::datom::{AttrId, Datom, EntityId, Pattern, T, Value, ValueRef};
use annals_storage::snapshot::View;

use crate::basis::with_ref;
use crate::database::Db;
use crate::error::{Error, Result};
use crate::question::{Arg, Question, q};
use crate::schema::bootstrap;

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

/// Facts that hold in one of two values and not in the other, each with the transaction that asserted it; by entity,
/// attribute and value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Difference {
    /// Facts of the value that was asked, which the other does not hold.
    pub here: Vec<Datom>,
    /// Facts of the other.
    pub there: Vec<Datom>,
}

/// A fact, whenever it was asserted.
type Fact = (EntityId, AttrId, Value);

impl Db {
    /// Which facts hold in one of two values and not in the other. Both are of one database, or of forks with a common
    /// past; ids mean the same in both only as far as that goes. Views as of a moment, filters and speculative
    /// transactions count; a fact that holds in both is none, though other transactions asserted it.
    ///
    /// It costs what either value did since they parted, and for attributes without history what they hold; all that
    /// both hold if facts were removed for ever (`:db/excise`) from one of them.
    ///
    /// ```
    /// let main = annals::connect("mem:")?.database("main")?;
    /// main.transact("[{:db/ident :rank/mate}]")?;
    /// let trial = main.fork("trial", None)?;
    /// trial.transact("[[:db/add :rank/mate :db/doc \"next to the captain\"]]")?;
    /// let differs = trial.db().difference(&main.db())?;
    /// assert!(differs.here.iter().any(|fact| fact.v == annals::Value::string("next to the captain")));
    /// assert_eq!(differs.there, []);
    /// # Ok::<(), annals::Error>(())
    /// ```
    ///
    /// # Errors
    /// `db.error/unrelated-databases` if they share no past; `db.error/bad-view` for histories and values since a
    /// moment.
    pub fn difference(&self, other: &Db) -> Result<Difference> {
        let parted = parting(self, other)?;
        let excisions = |db: &Db| db.basis().snapshot.rest().excisions().to_vec();
        // What was removed for ever from one of them may be older than the parting.
        let since = (excisions(self) == excisions(other)).then_some(parted);
        let mut touched = BTreeSet::new();
        for db in [self, other] {
            facts_since(db, since, &mut touched)?;
        }
        let mut found = Difference::default();
        for fact in touched {
            match (asserted(self, &fact)?, asserted(other, &fact)?) {
                (Some(here), None) => found.here.push(here),
                (None, Some(there)) => found.there.push(there),
                _ => {}
            }
        }
        Ok(found)
    }
}

/// The newest transaction that two values share.
fn parting(here: &Db, there: &Db) -> Result<T> {
    for db in [here, there] {
        if db.is_history() || db.since_t().is_some() {
            let message = format!("{db:?} does not show what holds at one moment, and cannot be compared");
            return Err(Error::incorrect("db.error/bad-view", message)
                .with_hint("compare values as they are, or as of a moment"));
        }
    }
    let shared = here.basis().home.lineage.shared_with(&there.basis().home.lineage);
    let shared = shared.ok_or_else(|| {
        let message = format!("{:?} and {:?} share no past", here.name(), there.name());
        Error::incorrect("db.error/unrelated-databases", message)
            .with_hint("compare a database with a fork of it, or two moments of one; a query can compare any")
    })?;
    Ok(shared.min(here.settled_t()).min(there.settled_t()))
}

/// Adds the facts that a value asserted or retracted after a moment; all it holds if there is none. What was forgotten
/// at once leaves no trace, so of attributes without history all facts are added.
fn facts_since(db: &Db, moment: Option<T>, facts: &mut BTreeSet<Fact>) -> Result<()> {
    let basis = db.basis();
    let mut forgetful = BTreeSet::new();
    let always = View { history: true, ..View::default() };
    basis.each_in(&always, &Pattern::attribute(bootstrap::NO_HISTORY), &mut |e, _, _, _| {
        forgetful.extend(AttrId::of_entity(e));
        ControlFlow::Continue(())
    })?;
    let mut take = |e, a, v: ValueRef<'_>, _| {
        facts.insert((e, a, v.to_value()));
        ControlFlow::Continue(())
    };
    let shown = View { as_of: db.as_of_t(), ..View::default() };
    let newer = View { since: moment, history: moment.is_some(), ..shown };
    basis.each_in(&newer, &Pattern::ALL, &mut take)?;
    forgetful.into_iter().try_for_each(|a| basis.each_in(&shown, &Pattern::attribute(a), &mut take))
}

/// The fact as a value holds it.
fn asserted(db: &Db, (e, a, v): &Fact) -> Result<Option<Datom>> {
    let mut found = None;
    with_ref(v, |v| {
        Source::scan(db, &Pattern::fact(*e, *a, v), &mut |batch| {
            found = (batch.len > 0).then(|| batch.datom(0));
            if found.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
    })?;
    Ok(found)
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
