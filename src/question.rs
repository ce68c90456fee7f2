//! Questions to database values: a query or a pull pattern, and what it is given.

use std::sync::Arc;
use std::time::Duration;

use annals_query::ast::{self as query, Find, Given, Input};
use annals_query::edn::{self, Edn};
use annals_query::functions::Functions;
use annals_query::functions::of_log::datom_edn;
use annals_query::inputs::Inputs;
use annals_query::plan::explain::{Explain, Reads};
use annals_query::{Answer, Budget, Prepared, QueryArg, pull};
use annals_storage::datom::{Datom, EntityId};
use serde::de::DeserializeOwned;

use crate::database::Db;
use crate::error::Result;
use crate::home::Home;
use crate::input::EntityName;
use crate::log::{Log, Tx};
use crate::rows;
use crate::time;
use crate::transact::TxReport;

/// An input of a query.
#[derive(Clone, Debug)]
pub enum Arg {
    /// A database value.
    Db(Db),
    /// A log, for `tx-ids` and `tx-data`.
    Log(Log),
    /// Anything else.
    Edn(Edn),
}

impl From<Db> for Arg {
    fn from(db: Db) -> Arg {
        Arg::Db(db)
    }
}

impl From<&Db> for Arg {
    fn from(db: &Db) -> Arg {
        Arg::Db(db.clone())
    }
}

impl From<Log> for Arg {
    fn from(log: Log) -> Arg {
        Arg::Log(log)
    }
}

impl From<&TxReport> for Arg {
    /// What the transaction asserted and retracted, as a source of `[e a v tx added]`.
    fn from(report: &TxReport) -> Arg {
        tuples(&report.datoms)
    }
}

impl From<&Tx> for Arg {
    /// What the transaction asserted and retracted, as a source of `[e a v tx added]`.
    fn from(tx: &Tx) -> Arg {
        tuples(&tx.datoms)
    }
}

fn tuples(datoms: &[Datom]) -> Arg {
    Arg::Edn(datoms.iter().map(datom_edn).collect::<Vec<_>>().into())
}

impl<E: Into<Edn>> From<E> for Arg {
    fn from(edn: E) -> Arg {
        Arg::Edn(edn.into())
    }
}

/// A query from text; [`Question::over`] gives the default source, [`Question::arg`] the next input.
///
/// ```
/// let conn = annals::connect("mem:")?.database("main")?;
/// conn.transact("[{:db/ident :rank/mate :db/doc \"second in command\"}]")?;
/// let docs: Vec<(String, String)> = annals::q("[:find ?name ?doc :in $ ?e :where [?e :db/doc ?doc] [?e :db/ident ?name]]")?
///     .over(&conn.db())
///     .arg_text(":rank/mate")?
///     .rows_as()?;
/// assert_eq!(docs, [(":rank/mate".to_owned(), "second in command".to_owned())]);
/// # Ok::<(), annals::Error>(())
/// ```
pub fn q(text: &str) -> Result<Question> {
    Ok(Question::of(Arc::new(Prepared::new(text)?)))
}

/// A parsed query and its inputs.
#[derive(Clone, Debug)]
pub struct Question {
    query: Arc<Prepared>,
    /// The database that is the first input.
    db: Option<Arc<Db>>,
    /// The inputs after it.
    args: Vec<QueryArg>,
    /// The databases among those.
    others: Vec<Arc<Db>>,
    functions: Functions,
    budget: Budget,
}

impl Question {
    /// A query without inputs.
    pub(crate) fn of(query: Arc<Prepared>) -> Question {
        Question {
            query,
            db: None,
            args: Vec::new(),
            others: Vec::new(),
            functions: Functions::new(),
            budget: Budget::default(),
        }
    }

    /// The database that is the first input.
    #[must_use]
    pub fn over(mut self, db: &Db) -> Self {
        self.db = Some(Arc::new(db.clone()));
        self
    }

    /// The next input.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<Arg>) -> Self {
        self.args.push(match arg.into() {
            Arg::Db(db) => {
                let db = Arc::new(db);
                self.others.push(Arc::clone(&db));
                QueryArg::Source(db)
            }
            Arg::Log(log) => QueryArg::Log(Arc::new(log)),
            Arg::Edn(edn) => QueryArg::Value(edn),
        });
        self
    }

    /// The next input, as EDN text.
    pub fn arg_text(self, text: &str) -> Result<Self> {
        let edn = edn::read_one(text)?.to_edn();
        Ok(self.arg(edn))
    }

    /// Functions and aggregates of the program that the query may call.
    ///
    /// ```
    /// use annals::{Edn, Functions};
    /// let longer = |args: &[Edn]| match args {
    ///     [Edn::String(x), Edn::String(y)] => Ok(Edn::from(x.len() > y.len())),
    ///     _ => Err("two texts are needed".into()),
    /// };
    /// let functions = Functions::new().function("my/longer?", longer)?;
    /// let answer = annals::q("[:find ?x . :in [?x ...] ?least :where [(my/longer? ?x ?least)]]")?
    ///     .arg_text("[\"Argo\" \"Windrose\"]")?
    ///     .arg("Fram I")
    ///     .functions(&functions)
    ///     .run()?;
    /// assert_eq!(answer.into_edn(), Edn::from("Windrose"));
    /// # Ok::<(), annals::Error>(())
    /// ```
    #[must_use]
    pub fn functions(mut self, functions: &Functions) -> Self {
        self.functions = functions.clone();
        self
    }

    /// What the query may use up. Where there is no stopwatch, the system's is taken.
    #[must_use]
    pub fn budget(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }

    /// How long the query may take: `db.error/timeout` beyond. A `:timeout` of the query counts too; the shorter wins.
    ///
    /// ```
    /// use std::time::Duration;
    /// let db = annals::connect("mem:")?.database("main")?.db();
    /// let product = "[:find (count ?x) . :where [_ _ ?x] [_ _ ?a] [_ _ ?b] [_ _ ?c]]";
    /// let late = annals::q(product)?.over(&db).timeout(Duration::from_millis(5)).run().unwrap_err();
    /// assert_eq!(late.keyword(), "db.error/timeout");
    /// # Ok::<(), annals::Error>(())
    /// ```
    #[must_use]
    pub fn timeout(mut self, time: Duration) -> Self {
        self.budget.time = Some(time);
        self
    }

    /// Whether the answer is held against that of the slow evaluator, as `:verify true` in the query says:
    /// `db.error/verification-failed` if they differ. Reads every fact and joins every pair; for small databases.
    ///
    /// ```
    /// let db = annals::connect("mem:")?.database("main")?.db();
    /// let docs = annals::q("[:find ?d :where [:db/doc :db/doc ?d]]")?.over(&db);
    /// assert_eq!(docs.clone().verify(true).run()?, docs.run()?);
    /// # Ok::<(), annals::Error>(())
    /// ```
    #[must_use]
    pub fn verify(mut self, verify: bool) -> Self {
        if self.query.query().verify != verify {
            self.query = Arc::new(self.query.changed(|query| query.verify = verify));
        }
        self
    }

    /// The page after a cursor ([`Rows::cursor`](crate::Rows::cursor)), as `:after` in the query says.
    ///
    /// ```
    /// let db = annals::connect("mem:")?.database("main")?.db();
    /// let types = annals::q("[:find ?t :order-by ?t :limit 10 :where [_ :db.install/valueType ?t]]")?.over(&db);
    /// let annals::Answer::Relation(first) = types.run()? else { unreachable!("rows were asked for") };
    /// let annals::Answer::Relation(rest) = types.after(&first.cursor().unwrap()).run()? else { unreachable!() };
    /// assert_eq!((first.len(), rest.len()), (10, 5));
    /// # Ok::<(), annals::Error>(())
    /// ```
    #[must_use]
    pub fn after(mut self, cursor: &str) -> Self {
        let after = Given { arg: query::Arg::Const(Edn::string(cursor)), span: None };
        self.query = Arc::new(self.query.changed(|query| query.page.after = Some(after)));
        self
    }

    /// No more rows than this, as `:limit` in the query says; has no effect if the query has one, or asks for one row.
    #[must_use]
    pub fn limit(mut self, rows: u64) -> Self {
        let one_row = matches!(self.query.query().find, Find::Tuple(_) | Find::Scalar(_));
        if !one_row && !self.has_limit() {
            let rows = Edn::Int(i64::try_from(rows).unwrap_or(i64::MAX));
            let limit = Some(Given { arg: query::Arg::Const(rows), span: None });
            self.query = Arc::new(self.query.changed(|query| query.page.limit = limit));
        }
        self
    }

    /// True if the query asks for its rows in an order: by `:order-by`, or because it asks for a page of them.
    pub fn is_ordered(&self) -> bool {
        self.query.query().page != annals_query::ast::Page::default()
    }

    /// True if the query says itself how many rows it wants.
    pub fn has_limit(&self) -> bool {
        self.query.query().page.limit.is_some()
    }

    /// Answers the query.
    pub fn run(&self) -> Result<Answer> {
        Ok(self.query.q_inputs(&self.inputs()?, &self.timed())?)
    }

    /// Rows as tuples, structs or single values, through serde.
    ///
    /// A struct's fields are taken by the names of the columns (`?name` is the field `name`), or by position if the
    /// names differ; a row of one column can be a single value. Instants become RFC 3339 text or microseconds,
    /// keywords text with their colon, entities integers.
    pub fn rows_as<R: DeserializeOwned>(&self) -> Result<Vec<R>> {
        rows::rows_as(self.run()?)
    }

    /// The plan with counts and times. Runs the query.
    ///
    /// What was read of the storage is told as the difference of its counters, so that others who read it at the same
    /// time are counted too.
    ///
    /// ```
    /// let db = annals::connect("mem:")?.database("main")?.db();
    /// let told = annals::q("[:find ?d :where [:db/doc :db/doc ?d]]")?.over(&db).explain()?;
    /// assert_eq!((told.lines[0].rows, told.seeks), (Some(1), 1));
    /// assert!(told.to_string().contains("1 distinct rows"));
    /// # Ok::<(), annals::Error>(())
    /// ```
    pub fn explain(&self) -> Result<Explain> {
        let before = self.reads();
        let told = self.query.explain_inputs(&self.inputs()?, &self.timed())?;
        let after = self.reads();
        let reads = Reads {
            leaves: after.leaves - before.leaves,
            history_leaves: after.history_leaves - before.history_leaves,
            directories: after.directories - before.directories,
            hits: after.hits.saturating_sub(before.hits),
            misses: after.misses - before.misses,
        };
        Ok(Explain { reads: Some(reads), ..told })
    }

    /// What the storages of all databases among the inputs have read so far.
    fn reads(&self) -> Reads {
        let mut homes: Vec<&Arc<Home>> = Vec::new();
        for db in self.db.iter().chain(&self.others) {
            let home = &db.basis().home;
            if !homes.iter().any(|other| Arc::ptr_eq(&other.cache, &home.cache)) {
                homes.push(home);
            }
        }
        homes.into_iter().map(|home| home.cache.stats()).fold(Reads::default(), |sum, stats| Reads {
            leaves: sum.leaves + stats.leaves_read,
            history_leaves: sum.history_leaves + stats.history_leaves_read,
            directories: sum.directories + stats.directories_read,
            hits: sum.hits + stats.hits,
            misses: sum.misses + stats.misses,
        })
    }

    /// The budget with a stopwatch.
    fn timed(&self) -> Budget {
        let mut budget = self.budget.clone();
        budget.stopwatch.get_or_insert_with(time::stopwatch);
        budget
    }

    /// True if the query takes a database first (or has no `:in`).
    pub fn wants_db(&self) -> bool {
        matches!(self.query.query().inputs.first(), Some(Input::Source(_)))
    }

    /// How many inputs the query takes, a database among them, at least one.
    pub fn input_count(&self) -> usize {
        self.query.query().inputs.len().max(1)
    }

    /// Which of its inputs the rules are (`%`), if it takes any.
    pub fn rules_place(&self) -> Option<usize> {
        self.query.query().inputs.iter().position(|input| *input == Input::Rules)
    }

    fn inputs(&self) -> Result<Inputs> {
        let db = self.db.clone().map(|db| QueryArg::Source(db));
        Ok(self.query.bind(db.iter().chain(&self.args))?.with_functions(self.functions.clone()))
    }
}

impl Db {
    /// Answers a query over this value; `args` are the inputs after it.
    ///
    /// ```
    /// let db = annals::connect("mem:")?.database("main")?.db();
    /// let types = db.q("[:find (count ?type) . :where [_ :db.install/valueType ?type]]", [])?;
    /// assert_eq!(types, annals::Answer::Scalar(Some(annals::Edn::from(15))));
    /// # Ok::<(), annals::Error>(())
    /// ```
    pub fn q(&self, query: &str, args: impl IntoIterator<Item = Arg>) -> Result<Answer> {
        let question = Question::of(self.basis().home.queries.read(query)?).over(self);
        args.into_iter().fold(question, Question::arg).run()
    }

    /// What a pattern asks for, of one entity: by id, ident or lookup ref. Nil if the name names nothing here.
    ///
    /// ```
    /// let db = annals::connect("mem:")?.database("main")?.db();
    /// let doc = db.pull("[:db/ident {:db/valueType [:db/ident]}]", ":db/doc")?;
    /// assert_eq!(doc.to_string(), "{:db/ident :db/doc, :db/valueType {:db/ident :db.type/string}}");
    /// # Ok::<(), annals::Error>(())
    /// ```
    pub fn pull(&self, pattern: &str, entity: impl Into<EntityName>) -> Result<Edn> {
        let mut found = self.pull_many(pattern, [entity.into()])?;
        Ok(found.pop().unwrap_or(Edn::Nil))
    }

    /// What a pattern asks for, of several entities, in their order; nil for a name that names nothing here.
    pub fn pull_many(
        &self,
        pattern: &str,
        entities: impl IntoIterator<Item = EntityName>,
    ) -> Result<Vec<Edn>> {
        let pattern = self.basis().home.queries.pattern(pattern)?;
        let named = entities.into_iter().map(|name| self.entid(name));
        let named: Vec<Option<EntityId>> = named.collect::<Result<_>>()?;
        let found: Vec<EntityId> = named.iter().flatten().copied().collect();
        let mut pulled = pull::pull(self, &pattern, &found)?.into_iter();
        Ok(named.into_iter().map(|e| e.and_then(|_| pulled.next()).unwrap_or(Edn::Nil)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOATS: &str = "[{:db/ident :boat/name :db/valueType :db.type/string :db/cardinality :db.cardinality/one
                           :db/unique :db.unique/identity}
                          {:db/ident :boat/fuel :db/valueType :db.type/long :db/cardinality :db.cardinality/one}]";

    #[test]
    fn a_component_that_is_met_twice_is_pulled_by_the_way_it_was_met() {
        let conn = crate::connect("mem:").unwrap().database("main").unwrap();
        conn.transact(
            "[{:db/ident :box/part :db/valueType :db.type/ref :db/cardinality :db.cardinality/one
               :db/isComponent true}]",
        )
        .unwrap();
        conn.transact(
            "[{:db/id \"x\" :db/ident :the/x :box/part \"c\"} {:db/id \"y\" :db/ident :the/y :box/part \"c\"}
              {:db/id \"c\" :db/ident :the/c :box/part \"x\"}]",
        )
        .unwrap();
        let (db, names) = (conn.db(), [":the/x", ":the/y"]);
        let together = db.pull_many("[*]", names.map(EntityName::from)).unwrap();
        assert_eq!(together, names.map(|name| db.pull("[*]", name).unwrap()));
        assert_eq!(together[1].to_string().matches(":db/ident").count(), 3, "{}", together[1]);
    }

    #[test]
    fn what_is_pulled_is_what_the_view_shows() {
        let conn = crate::connect("mem:").unwrap().database("main").unwrap();
        conn.transact(BOATS).unwrap();
        conn.transact(
            "[{:db/ident :boat/mate :db/valueType :db.type/ref :db/cardinality :db.cardinality/many}]",
        )
        .unwrap();
        let first =
            conn.transact("[{:db/ident :the/argo :boat/name \"Argo\" :boat/fuel 10}]").unwrap().db_after;
        conn.transact(
            "[{:boat/name \"Fram\" :boat/fuel 7 :boat/mate :the/argo} [:db/add :the/argo :boat/fuel 25]]",
        )
        .unwrap();
        let now = conn.db();
        let argo = now.entid(":the/argo").unwrap().unwrap();
        let pattern = "[:boat/name :boat/fuel {:boat/_mate [:boat/name]}]";
        let pulled = |db: &Db| db.pull(pattern, argo).unwrap().to_string();
        let text = |text: &str| edn::read_one(text).unwrap().to_edn().to_string();
        let mates = "{:boat/name \"Argo\" :boat/fuel 25 :boat/_mate [{:boat/name \"Fram\"}]}";
        assert_eq!(pulled(&now), text(mates));
        assert_eq!(pulled(&now.as_of(first.basis_t())), text("{:boat/name \"Argo\" :boat/fuel 10}"));
        let since = now.since(first.basis_t());
        assert_eq!(pulled(&since), text("{:boat/fuel 25 :boat/_mate [{:boat/name \"Fram\"}]}"));
        let with = now.with("[[:db/retract :the/argo :boat/name \"Argo\"]]").unwrap().db_after;
        assert_eq!(pulled(&with), text("{:boat/fuel 25 :boat/_mate [{:boat/name \"Fram\"}]}"));
        let fuel = now.entid(":boat/fuel").unwrap().unwrap();
        let dry = now.filter(move |_, datom| datom.a.entity() != fuel);
        assert_eq!(pulled(&dry), text("{:boat/name \"Argo\" :boat/_mate [{:boat/name \"Fram\"}]}"));
        // Every kind of name; what names nothing is nil and keeps its place.
        let names: [EntityName; 4] =
            [argo.into(), ":the/argo".into(), (":boat/name", "None").into(), (":boat/name", "Argo").into()];
        let all = now.pull_many("[:boat/fuel]", names).unwrap();
        let shown: Vec<String> = all.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["{:boat/fuel 25}", "{:boat/fuel 25}", "nil", "{:boat/fuel 25}"]);
        // Through a since view a lookup ref of before resolves to nothing.
        assert_eq!(since.pull("[:boat/fuel]", (":boat/name", "Argo")).unwrap(), Edn::Nil);
        assert_eq!(
            now.history().pull(pattern, argo).unwrap_err().keyword(),
            "db.error/unsupported-on-history"
        );
    }

    #[test]
    fn what_a_transaction_did_joins_with_the_database_after() {
        let conn = crate::connect("mem:").unwrap().database("main").unwrap();
        conn.transact(BOATS).unwrap();
        conn.transact("[{:boat/name \"Argo\" :boat/fuel 10}]").unwrap();
        let report = conn.transact("[[:db/add [:boat/name \"Argo\"] :boat/fuel 25]]").unwrap();
        let text = "[:find ?boat ?attr ?v ?added :in $ $tx
                     :where [$tx ?e ?a ?v _ ?added] [?a :db/ident ?attr] [?e :boat/name ?boat]]";
        let answer = q(text).unwrap().over(&report.db_after).arg(&report).run().unwrap();
        let Edn::Vector(mut rows) = answer.into_edn() else { panic!("rows") };
        rows.sort();
        assert_eq!(
            Edn::Vector(rows).to_string(),
            "[[\"Argo\" :boat/fuel 10 false] [\"Argo\" :boat/fuel 25 true]]"
        );
    }

    #[test]
    fn the_log_is_read_by_transaction_number_entity_and_instant() {
        let conn = crate::connect("mem:").unwrap().database("main").unwrap();
        conn.transact(BOATS).unwrap();
        let first = conn.transact("[{:boat/name \"Argo\" :boat/fuel 10}]").unwrap();
        let second = conn.transact("[[:db/add [:boat/name \"Argo\"] :boat/fuel 25]]").unwrap();
        let count = "[:find (count ?tx) . :in ?log ?from ?to :where [(tx-ids ?log ?from ?to) [?tx ...]]]";
        let counted = |from: Edn, to: Edn| {
            q(count).unwrap().arg(conn.log()).arg(from).arg(to).run().unwrap().into_edn()
        };
        assert_eq!(counted(Edn::Nil, Edn::Nil), Edn::Int(3));
        assert_eq!(counted(first.tx.into(), Edn::Nil), Edn::Int(2));
        assert_eq!(counted(Edn::Int(1), second.tx.into()), Edn::Int(2));
        assert_eq!(counted(Edn::Inst(i64::MAX), Edn::Nil), Edn::Nil);
        let fuel = "[:find ?v ?added :in $ $log ?tx
                     :where [(tx-data $log ?tx) [[?e ?a ?v _ ?added]]] [?a :db/ident :boat/fuel]]";
        let asked = q(fuel).unwrap().over(&conn.db()).arg(conn.log()).arg(second.tx);
        let mut rows: Vec<(i64, bool)> = asked.rows_as().unwrap();
        rows.sort_unstable();
        assert_eq!(rows, [(10, false), (25, true)]);
    }

    #[test]
    fn a_name_that_names_nothing_pulls_nil_in_its_place() {
        let db = crate::connect("mem:").unwrap().database("main").unwrap().db();
        let names = [":db/doc", ":no/such", "[:db/ident :no/such]", ":db/ident"].map(EntityName::from);
        let pulled = db.pull_many("[:db/ident]", names).unwrap();
        let shown: Vec<String> = pulled.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["{:db/ident :db/doc}", "nil", "nil", "{:db/ident :db/ident}"]);
        assert_eq!(
            db.history().pull("[*]", ":db/doc").unwrap_err().category(),
            annals_storage::anomaly::Category::Incorrect
        );
    }
}
