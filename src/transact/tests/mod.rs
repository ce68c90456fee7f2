//! The transaction checks of the reference, by number, on a small harbour.
//!
//! Each test stands on a [`Harbour`]: a database value that transactions are tried on, speculatively, one after the
//! other. Expectations are written as text: the datoms of a report as `+b fuel 10` with the transaction's own left out.

mod ahead;
mod alter;
mod code;
mod conflicts;
mod identity;
mod nested;
mod places;
mod time;
mod tuples;

use std::collections::BTreeMap;
use std::sync::Arc;

use annals_query::edn::Edn;
use annals_storage::datom::{Datom, EntityId, Order};

use crate::basis::Basis;
use crate::database::Db;
use crate::error::Error;
use crate::time::Clock;
use crate::transact::TxReport;

/// Noon of 2024-05-01.
pub(super) const NOON: i64 = 1_714_564_800_000_000;

struct Stopped;

impl Clock for Stopped {
    fn now_micros(&self) -> i64 {
        NOON
    }
}

const SCHEMA: &str = "[
  {:db/ident :port/code :db/valueType :db.type/string :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}
  {:db/ident :port/name :db/valueType :db.type/string :db/cardinality :db.cardinality/one}
  {:db/ident :boat/imo :db/valueType :db.type/long :db/cardinality :db.cardinality/one :db/unique :db.unique/value}
  {:db/ident :boat/name :db/valueType :db.type/string :db/cardinality :db.cardinality/one}
  {:db/ident :boat/tags :db/valueType :db.type/string :db/cardinality :db.cardinality/many}
  {:db/ident :boat/home :db/valueType :db.type/ref :db/cardinality :db.cardinality/one}
  {:db/ident :boat/crew :db/valueType :db.type/ref :db/cardinality :db.cardinality/many :db/isComponent true}
  {:db/ident :crew/badge :db/valueType :db.type/string :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}
  {:db/ident :crew/rank :db/valueType :db.type/keyword :db/cardinality :db.cardinality/one}
  {:db/ident :crew/boss :db/valueType :db.type/ref :db/cardinality :db.cardinality/one}
  {:db/ident :crew/part :db/valueType :db.type/ref :db/cardinality :db.cardinality/many :db/isComponent true}
  {:db/ident :agent/port :db/valueType :db.type/ref :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}
  {:db/ident :agent/name :db/valueType :db.type/string :db/cardinality :db.cardinality/one}
  {:db/ident :berth/port :db/valueType :db.type/ref :db/cardinality :db.cardinality/one}
  {:db/ident :berth/slot :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
  {:db/ident :berth/key :db/valueType :db.type/tuple :db/tupleAttrs [:berth/port :berth/slot]
   :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}
  {:db/ident :boat/pos :db/valueType :db.type/tuple :db/tupleTypes [:db.type/double :db.type/double]
   :db/cardinality :db.cardinality/one}
  {:db/ident :boat/route :db/valueType :db.type/tuple :db/tupleType :db.type/keyword :db/cardinality :db.cardinality/one}
  {:db/ident :boat/fuel :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
  {:db/ident :boat/draft :db/valueType :db.type/bigdec :db/cardinality :db.cardinality/one}
  {:db/ident :boat/heat :db/valueType :db.type/double :db/cardinality :db.cardinality/one}
  {:db/ident :boat/afloat :db/valueType :db.type/boolean :db/cardinality :db.cardinality/one}
  {:db/ident :note/by :db/valueType :db.type/string :db/cardinality :db.cardinality/one}
]";

/// A database value and the names of its entities.
pub(super) struct Harbour {
    pub(super) db: Db,
    pub(super) names: BTreeMap<String, EntityId>,
    pub(super) now: i64,
}

impl Harbour {
    /// The schema, and what `setup` says.
    pub(super) fn new(setup: &str) -> Harbour {
        let basis = Basis::born("harbour", Arc::new(Stopped)).unwrap();
        let mut harbour = Harbour { db: Db::new(Arc::new(basis)), names: BTreeMap::new(), now: NOON };
        harbour.ok(SCHEMA);
        harbour.ok(setup);
        harbour
    }

    /// Tries a transaction, in which `$name` stands for the id of a tempid of an earlier one.
    pub(super) fn attempt(&self, tx: &str) -> Result<TxReport, Error> {
        let mut text = tx.to_owned();
        for (name, e) in self.names.iter().rev() {
            text = text.replace(&format!("${name}"), &e.to_string());
        }
        self.db.with_at(text, self.now)
    }

    /// A transaction that must succeed, and the value goes on from it.
    pub(super) fn ok(&mut self, tx: &str) -> TxReport {
        let report = self.attempt(tx).unwrap_or_else(|error| panic!("{tx}: {error:?}"));
        self.names.extend(report.tempids.clone());
        self.names.remove("datomic.tx");
        self.db = report.db_after.clone();
        report
    }

    /// A transaction that must be refused with this keyword, and leave no trace.
    pub(super) fn refused(&self, tx: &str, keyword: &str) -> Error {
        let basis = self.db.basis_t();
        let error = match self.attempt(tx) {
            Ok(report) => panic!("{tx} was accepted: {:?}", self.shown(&report.datoms)),
            Err(error) => error,
        };
        assert_eq!(error.keyword(), format!("db.error/{keyword}"), "{tx}: {error:?}");
        assert_eq!(self.db.basis_t(), basis);
        error
    }

    /// What a transaction changes, without its own facts: `+b boat/fuel 10`, sorted.
    pub(super) fn changes(&mut self, tx: &str) -> Vec<String> {
        let report = self.ok(tx);
        let own: Vec<Datom> = report.datoms.into_iter().filter(|datom| datom.e != report.tx).collect();
        self.shown(&own)
    }

    pub(super) fn shown(&self, datoms: &[Datom]) -> Vec<String> {
        let mut shown: Vec<String> = datoms.iter().map(|datom| self.show(datom)).collect();
        shown.sort();
        shown
    }

    fn show(&self, datom: &Datom) -> String {
        let name =
            |e: EntityId| self.names.iter().find(|(_, known)| **known == e).map(|(name, _)| name.clone());
        let e = name(datom.e)
            .or_else(|| Some(self.db.ident(datom.e)?.to_string()))
            .unwrap_or_else(|| datom.e.to_string());
        let attribute = self.db.ident(datom.a.entity()).unwrap();
        let value = match &datom.v {
            annals_storage::datom::Value::Ref(e) => name(*e).unwrap_or_else(|| e.to_string()),
            v => Edn::from(v.clone()).to_string(),
        };
        format!("{}{e} {} {value}", if datom.added { '+' } else { '-' }, attribute.as_str())
    }

    /// All values of an attribute of an entity, as text, sorted.
    pub(super) fn values(&self, e: &str, attribute: &str) -> Vec<String> {
        values(&self.db, self.names[e], attribute)
    }

    /// Everything that holds about an entity.
    pub(super) fn facts(&self, e: &str) -> Vec<String> {
        let found = self.db.datoms(Order::Eavt, &[Edn::from(self.names[e])], None).unwrap();
        self.shown(&found)
    }
}

pub(super) fn values(db: &Db, e: EntityId, attribute: &str) -> Vec<String> {
    let found = db.datoms(Order::Eavt, &[Edn::from(e), Edn::keyword(attribute)], None).unwrap();
    let mut values: Vec<String> = found.into_iter().map(|datom| Edn::from(datom.v).to_string()).collect();
    values.sort();
    values
}

/// The same check for several transactions: each is refused with the keyword beside it.
pub(super) fn check_refused(setup: &str, cases: &[(&str, &str)]) {
    let harbour = Harbour::new(setup);
    for (tx, keyword) in cases {
        harbour.refused(tx, keyword);
    }
}
