//! What a script may ask of a database, and a database value as one that can be asked.
//!
//! Answers are plain EDN: an entity is a map with `:id`, its references are idents where there are any and ids elsewhere.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use annals_query::Budget;
use annals_query::edn::{self, Edn, Form};
use annals_query::source::Source;
use annals_storage::datom::{AttrId, Keyword, Pattern, Tag, Value};

use crate::database::Db;
use crate::error::{Error, Result};
use crate::input::EntityName;
use crate::names;
use crate::question::{Arg, Question};

/// How many values an entity may have, to be asked for as a whole.
const VALUES: usize = 100_000;

/// What a script may ask.
pub(super) trait Host: Send + Sync {
    /// A query; the database is its first input.
    fn q(&self, query: &str, inputs: &[Edn], budget: &Budget) -> Result<Edn>;
    /// An entity by a pull pattern; nil if the name names nothing.
    fn pull(&self, pattern: &str, entity: &Edn, budget: &Budget) -> Result<Edn>;
    /// An entity with all its attributes; nil if the name names nothing.
    fn entity(&self, entity: &Edn) -> Result<Edn>;
    /// The values of an attribute, in the order of the index.
    fn values(&self, entity: &Edn, attribute: &Edn) -> Result<Edn>;
    /// True if the values of the attribute are doubles or floats.
    fn is_real(&self, attribute: &Keyword) -> bool;
}

impl Host for Db {
    fn q(&self, query: &str, inputs: &[Edn], budget: &Budget) -> Result<Edn> {
        let question = Question::of(self.basis().home.queries.read(query)?);
        let over = if question.wants_db() { question.over(self) } else { question };
        let asked = inputs.iter().cloned().fold(over, |question, input| question.arg(Arg::Edn(input)));
        let functions = self.basis().home.options.code.functions();
        Ok(asked.functions(functions).budget(budget.clone()).run()?.into_edn())
    }

    fn pull(&self, pattern: &str, entity: &Edn, budget: &Budget) -> Result<Edn> {
        let Some(e) = self.entid(EntityName::from(entity.clone()))? else { return Ok(Edn::Nil) };
        let pattern = edn::read_one(pattern)?.to_edn();
        Host::q(self, "[:find (pull ?e pattern) . :in $ pattern ?e]", &[pattern, e.into()], budget)
    }

    fn entity(&self, entity: &Edn) -> Result<Edn> {
        if self.is_history() {
            return Err(Error::incorrect("db.error/unsupported-on-history", "a history has no entities")
                .with_hint("query the history"));
        }
        let Some(e) = self.entid(EntityName::from(entity.clone()))? else { return Ok(Edn::Nil) };
        let mut fields: BTreeMap<AttrId, Vec<Value>> = BTreeMap::new();
        bounded(self, &Pattern::entity(e), &mut |a, v| fields.entry(a).or_default().push(v))?;
        let mut map: BTreeMap<Edn, Edn> = BTreeMap::new();
        for (a, values) in fields {
            let Some(attribute) = self.attribute(a) else { continue };
            let mut values = values.into_iter().map(|value| shown(self, value));
            let field = if attribute.many {
                Edn::Vector(values.collect())
            } else {
                values.next().unwrap_or(Edn::Nil)
            };
            map.insert(Edn::Keyword(attribute.ident.clone()), field);
        }
        map.insert(Edn::keyword("id"), e.into());
        Ok(Edn::Map(map))
    }

    fn values(&self, entity: &Edn, attribute: &Edn) -> Result<Edn> {
        let attribute = names::attribute(&self.basis().schema, &Form::from(attribute.clone()))?.id();
        let Some(e) = self.entid(EntityName::from(entity.clone()))? else {
            return Ok(Edn::Vector(Vec::new()));
        };
        let mut values = Vec::new();
        bounded(self, &Pattern::values(e, attribute), &mut |_, v| values.push(shown(self, v)))?;
        Ok(Edn::Vector(values))
    }

    fn is_real(&self, attribute: &Keyword) -> bool {
        let known = self.attribute_named(attribute);
        known.is_some_and(|known| matches!(known.value_type, Tag::Double | Tag::Float))
    }
}

/// A value, references by ident where there is one.
fn shown(db: &Db, value: Value) -> Edn {
    match value {
        Value::Ref(e) => db.ident(e).map_or_else(|| e.into(), Edn::Keyword),
        value => value.into(),
    }
}

fn bounded(db: &Db, pattern: &Pattern<'_>, each: &mut dyn FnMut(AttrId, Value)) -> Result<()> {
    let mut count = 0;
    Source::scan(db, pattern, &mut |batch| {
        count += batch.len;
        if count > VALUES {
            return ControlFlow::Break(());
        }
        for row in 0..batch.len {
            each(AttrId(batch.a.get(row)), batch.v.get(row).to_value());
        }
        ControlFlow::Continue(())
    })?;
    if count > VALUES {
        let message = format!("an entity with more than {VALUES} values cannot be asked for as a whole");
        return Err(
            Error::incorrect("db.error/function-failed", message).with_hint("query for what is needed")
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use annals_storage::datom::EntityId;

    use super::*;

    #[test]
    fn an_entity_has_its_id_its_values_and_its_references_by_name() {
        let conn = crate::connect("mem:").unwrap().database("main").unwrap();
        conn.transact(
            "[{:db/ident :boat/name :db/valueType :db.type/string :db/cardinality :db.cardinality/one
               :db/unique :db.unique/identity}
              {:db/ident :boat/port :db/valueType :db.type/ref :db/cardinality :db.cardinality/many}
              {:db/ident :boat/weight :db/valueType :db.type/double :db/cardinality :db.cardinality/one}
              {:db/ident :port/oslo}]",
        )
        .unwrap();
        conn.transact("[{:boat/name \"Fram\" :boat/port [:port/oslo \"p\"] :boat/weight 2.5} {:db/id \"p\" :db/doc \"pier\"}]")
            .unwrap();
        let db = conn.db();
        let fram = edn::read_one("[:boat/name \"Fram\"]").unwrap().to_edn();
        let Edn::Map(entity) = Host::entity(&db, &fram).unwrap() else { panic!("an entity") };
        let id: Edn = db.entid((":boat/name", "Fram")).unwrap().unwrap().into();
        assert_eq!(entity[&Edn::keyword("id")], id);
        let ports = Host::values(&db, &id, &Edn::keyword("boat/port")).unwrap();
        assert_eq!(entity[&Edn::keyword("boat/port")], ports);
        assert!(
            ports.as_seq().unwrap().contains(&Edn::keyword("port/oslo"))
                && ports.as_seq().unwrap().len() == 2
        );
        let pulled = Host::pull(&db, "[:boat/weight]", &fram, &Budget::default()).unwrap();
        assert_eq!(pulled.to_string(), "{:boat/weight 2.5}");
        assert_eq!(Host::entity(&db, &Edn::keyword("no/such")).unwrap(), Edn::Nil);
        assert_eq!(
            Host::values(&db, &id, &Edn::keyword("no/such")).unwrap_err().keyword(),
            "db.error/not-an-entity"
        );
        assert!(db.is_real(&Keyword::new("boat/weight")) && !db.is_real(&Keyword::new("boat/name")));
        let none = EntityId(1 << 45);
        assert_eq!(Host::entity(&db, &none.into()).unwrap().to_string(), format!("{{:id {none}}}"));
    }
}
