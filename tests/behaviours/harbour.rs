//! The harbour: the schema and the few words that the checks share.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use annals::{Arg, Clock, Connection, Datom, Db, Edn, EntityId, Error, Options, Order, TxReport, Value};
use annals_tests::shown;

const SCHEMA: &str = "[
  {:db/ident :port/code :db/valueType :db.type/string :db/cardinality :db.cardinality/one
   :db/unique :db.unique/identity}
  {:db/ident :port/name :db/valueType :db.type/string :db/cardinality :db.cardinality/one}
  {:db/ident :port/fee :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
  {:db/ident :port/open :db/valueType :db.type/boolean :db/cardinality :db.cardinality/one}
  {:db/ident :boat/imo :db/valueType :db.type/long :db/cardinality :db.cardinality/one
   :db/unique :db.unique/value}
  {:db/ident :boat/name :db/valueType :db.type/string :db/cardinality :db.cardinality/one}
  {:db/ident :boat/tags :db/valueType :db.type/string :db/cardinality :db.cardinality/many}
  {:db/ident :boat/home :db/valueType :db.type/ref :db/cardinality :db.cardinality/one}
  {:db/ident :boat/flag :db/valueType :db.type/ref :db/cardinality :db.cardinality/one}
  {:db/ident :boat/crew :db/valueType :db.type/ref :db/cardinality :db.cardinality/many :db/isComponent true}
  {:db/ident :crew/badge :db/valueType :db.type/string :db/cardinality :db.cardinality/one
   :db/unique :db.unique/identity}
  {:db/ident :crew/rank :db/valueType :db.type/keyword :db/cardinality :db.cardinality/one}
  {:db/ident :crew/boss :db/valueType :db.type/ref :db/cardinality :db.cardinality/one}
  {:db/ident :agent/port :db/valueType :db.type/ref :db/cardinality :db.cardinality/one
   :db/unique :db.unique/identity}
  {:db/ident :berth/port :db/valueType :db.type/ref :db/cardinality :db.cardinality/one}
  {:db/ident :berth/slot :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
  {:db/ident :berth/key :db/valueType :db.type/tuple :db/tupleAttrs [:berth/port :berth/slot]
   :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}
  {:db/ident :boat/pos :db/valueType :db.type/tuple :db/tupleTypes [:db.type/double :db.type/double]
   :db/cardinality :db.cardinality/one}
  {:db/ident :boat/route :db/valueType :db.type/tuple :db/tupleType :db.type/keyword
   :db/cardinality :db.cardinality/one}
  {:db/ident :boat/fuel :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
  {:db/ident :boat/draft :db/valueType :db.type/bigdec :db/cardinality :db.cardinality/one}
  {:db/ident :boat/heat :db/valueType :db.type/double :db/cardinality :db.cardinality/one}
  {:db/ident :note/by :db/valueType :db.type/string :db/cardinality :db.cardinality/one}
  {:db/ident :flag/norway}]";

/// A database with the harbour's schema, transaction 1.
pub(crate) fn harbour() -> Connection {
    harbour_with(Options::default())
}

/// The same, opened with options.
pub(crate) fn harbour_with(options: Options) -> Connection {
    let store = annals::connect_with("mem:", options).expect("a storage in memory");
    let conn = store.database("harbour").expect("an empty database");
    done(&conn, SCHEMA);
    conn
}

/// The report of a transaction that must be accepted.
#[track_caller]
pub(crate) fn done(conn: &Connection, tx: &str) -> TxReport {
    conn.transact(tx).unwrap_or_else(|error| panic!("{tx}\n{error}"))
}

/// Why a transaction is refused. It leaves no trace.
#[track_caller]
pub(crate) fn rejected(conn: &Connection, tx: &str) -> Error {
    let before = conn.db().basis_t();
    match conn.transact(tx) {
        Ok(report) => panic!("{tx}\nwas accepted: {:?}", changes(&report)),
        Err(error) => {
            assert_eq!(conn.db().basis_t(), before, "{tx}\nwas refused, and left something");
            error
        }
    }
}

/// A transaction is refused with this keyword of `db.error`.
#[track_caller]
pub(crate) fn rejects(conn: &Connection, tx: &str, keyword: &str) {
    let error = rejected(conn, tx);
    assert_eq!(error.keyword(), format!("db.error/{keyword}"), "{tx}\n{error}");
}

/// What a transaction changed, but for its instant: `+boat/fuel 10`, sorted.
#[track_caller]
pub(crate) fn changes(report: &TxReport) -> Vec<String> {
    let (instant, rest) = report.datoms.split_first().expect("an instant");
    assert_eq!((instant.e, &instant.v), (report.tx, &Value::Instant(report.instant)));
    let shown = |datom: &Datom| {
        let name = report.db_after.ident(datom.a.entity()).expect("a named attribute");
        let sign = if datom.added { '+' } else { '-' };
        format!("{sign}{} {}", name.as_str(), Edn::from(datom.v.clone()))
    };
    let mut shown: Vec<String> = rest.iter().map(shown).collect();
    shown.sort();
    shown
}

/// What holds of one attribute of an entity, sorted.
#[track_caller]
pub(crate) fn values(db: &Db, e: EntityId, attribute: &str) -> String {
    let mut values = of_entity(db, e, Some(attribute));
    values.sort();
    values.join(" ")
}

/// How many facts hold about an entity.
#[track_caller]
pub(crate) fn facts(db: &Db, e: EntityId) -> usize {
    of_entity(db, e, None).len()
}

#[track_caller]
fn of_entity(db: &Db, e: EntityId, attribute: Option<&str>) -> Vec<String> {
    let components: Vec<Edn> = [Edn::from(e)].into_iter().chain(attribute.map(Edn::keyword)).collect();
    let found = db.datoms(Order::Eavt, &components, None).expect("facts");
    found.into_iter().map(|datom| Edn::from(datom.v).to_string()).collect()
}

/// Something of the data of an error: of `:db.error/…`, or of a key of the program's own.
#[track_caller]
pub(crate) fn told<'e>(error: &'e Error, key: &str) -> &'e Edn {
    error.data().get(&Edn::keyword(key)).unwrap_or_else(|| panic!("no {key}: {:?}", error.data()))
}

/// No inputs after the database.
pub(crate) const NONE: [Arg; 0] = [];

/// The answer to a query as text; what has no order of its own is sorted.
#[track_caller]
pub(crate) fn ask(db: &Db, query: &str, args: impl IntoIterator<Item = Arg>) -> String {
    shown(db.q(query, args).unwrap_or_else(|error| panic!("{query}\n{error}")))
}

/// Why a query is refused.
#[track_caller]
pub(crate) fn refused(db: &Db, query: &str, args: impl IntoIterator<Item = Arg>) -> Error {
    match db.q(query, args) {
        Err(error) => error,
        Ok(answer) => panic!("{query}\nwas answered: {answer:?}"),
    }
}

/// An input, as EDN text.
pub(crate) fn arg(text: &str) -> Arg {
    Arg::Edn(read(text))
}

/// EDN text.
pub(crate) fn read(text: &str) -> Edn {
    annals::edn::read_one(text).expect("EDN").to_edn()
}

/// A clock that stands where it is put; microseconds since 1970.
pub(crate) struct Hand(AtomicI64);

impl Hand {
    /// Options with a clock that stands at some seconds, and the clock.
    pub(crate) fn at(seconds: i64) -> (Arc<Hand>, Options) {
        let hand = Arc::new(Hand(AtomicI64::new(0)));
        hand.put(seconds);
        (Arc::clone(&hand), Options { clock: hand, ..Options::default() })
    }

    /// Moves it, either way.
    pub(crate) fn put(&self, seconds: i64) {
        self.0.store(seconds * 1_000_000, Ordering::SeqCst);
    }
}

impl Clock for Hand {
    fn now_micros(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}
