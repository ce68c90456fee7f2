//! What a transaction did, as list forms that would do it: entities by tempid, ident or a value that names them.
//!
//! The names are those of before the transaction, if there were any. So a guide shows few ids, and what it shows could be
//! typed. Instants, which every transaction has, and the list of all attributes are left out.

use annals::edn::Edn;
use annals::{Datom, Db, EntityId, TxReport, Value};

/// `[[:db/add entity attribute value] …]`; with the instant if it is `with_instant`.
pub(crate) fn told(report: &TxReport, with_instant: bool) -> Edn {
    let naming = Naming { report };
    let left_out = |datom: &&Datom| match naming.attribute(datom).as_str() {
        "db/txInstant" => with_instant,
        "db.install/attribute" => false,
        _ => true,
    };
    Edn::Vector(report.datoms.iter().filter(left_out).map(|datom| naming.form(datom)).collect())
}

struct Naming<'r> {
    report: &'r TxReport,
}

impl Naming<'_> {
    fn form(&self, datom: &Datom) -> Edn {
        let operation = Edn::keyword(if datom.added { "db/add" } else { "db/retract" });
        let attribute = Edn::keyword(&self.attribute(datom));
        Edn::Vector(vec![operation, self.entity(datom.e), attribute, self.value(&datom.v)])
    }

    fn attribute(&self, datom: &Datom) -> String {
        let ident = self.report.db_after.ident(datom.a.entity());
        ident.expect("an attribute has a name").as_str().to_owned()
    }

    fn value(&self, v: &Value) -> Edn {
        match v {
            Value::Ref(e) => self.entity(*e),
            Value::Tuple(slots) => {
                let slot = |slot: &Option<Value>| slot.as_ref().map_or(Edn::Nil, |v| self.value(v));
                Edn::Vector(slots.iter().map(slot).collect())
            }
            other => Edn::from(other.clone()),
        }
    }

    fn entity(&self, e: EntityId) -> Edn {
        let report = self.report;
        if let Some((tempid, _)) = report.tempids.iter().find(|(_, named)| **named == e) {
            return Edn::string(tempid.as_str());
        }
        if e == report.tx {
            return Edn::string("datomic.tx");
        }
        if let Some(ident) = report.db_before.ident(e).or_else(|| report.db_after.ident(e)) {
            return Edn::Keyword(ident);
        }
        named_by_value(&report.db_before, e)
            .or_else(|| named_by_value(&report.db_after, e))
            .unwrap_or_else(|| Edn::from(e))
    }
}

/// The least lookup ref that names an entity, of those that are no tuples.
fn named_by_value(db: &Db, e: EntityId) -> Option<Edn> {
    let names = "[:find ?name ?v :in $ ?e
                  :where [?a :db/unique :db.unique/identity] [?a :db/ident ?name] [?e ?a ?v]]";
    let rows = db.q(names, [Edn::from(e).into()]).expect("a query about names").into_edn();
    let is_plain = |row: &&Edn| row.as_seq().is_some_and(|row| row[1].as_seq().is_none());
    rows.as_seq()?.iter().filter(is_plain).min().cloned()
}
