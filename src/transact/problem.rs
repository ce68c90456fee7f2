//! Refusals: several problems, each with its facts, as one error.

use annals_query::edn::Edn;
use annals_storage::datom::{AttrId, EntityId, Value};

use super::Fact;
use crate::error::{Error, Result, brief};
use crate::schema::{Attr, Schema};

/// What a stage objects to.
#[derive(Default)]
pub(super) struct Problems(Vec<Error>);

impl Problems {
    pub(super) fn push(&mut self, problem: Error) {
        self.0.push(problem);
    }

    /// Keeps what went wrong, hands on what went right.
    pub(super) fn keep<V>(&mut self, result: Result<V>) -> Option<V> {
        result.map_err(|problem| self.push(problem)).ok()
    }

    /// Nothing, or one error: the first problem, with all of them in its data.
    pub(super) fn settle(&mut self) -> Result<()> {
        match self.0.len() {
            0 => Ok(()),
            1 => Err(self.0.remove(0)),
            count => {
                let all: Vec<Edn> = self.0.iter().map(told).collect();
                let first = self.0.swap_remove(0);
                let message = format!("{} (and {} more, see :db.error/problems)", first.message(), count - 1);
                Err(first.with_message(message).with_data("db.error/problems", all))
            }
        }
    }
}

/// A problem as data.
fn told(problem: &Error) -> Edn {
    let mut map = problem.data().clone();
    map.insert(Edn::keyword("db/error"), Edn::keyword(problem.keyword()));
    map.insert(Edn::keyword("db.error/message"), Edn::string(problem.message()));
    Edn::Map(map)
}

/// A fact as messages and error data show it: `[entity attribute value added]`.
pub(super) fn datom(schema: &Schema, e: EntityId, a: AttrId, v: &Value, added: bool) -> Edn {
    let name = schema.attr(a).map_or(Edn::Int(i64::from(a.0)), |attr| Edn::Keyword(attr.ident().clone()));
    Edn::Vector(vec![Edn::from(e), name, Edn::from(v.clone()), Edn::Bool(added)])
}

/// A fact of the transaction, as error data.
pub(super) fn fact(schema: &Schema, fact: &Fact) -> Edn {
    datom(schema, fact.e, fact.a, &fact.v, fact.added)
}

/// A value of an attribute cannot be what was given.
pub(crate) fn wrong_type(attr: &Attr, given: &Edn) -> Error {
    let error = Error::incorrect(
        "db.error/wrong-type-for-attribute",
        format!(
            "{} takes {}, and {} is {}",
            attr.ident(),
            described(attr),
            brief(given),
            article(given.type_name())
        ),
    );
    let hint = match (attr.tag().name(), given) {
        ("double" | "float", Edn::Int(n)) => format!("write {n}.0"),
        ("bigdec", Edn::Int(n)) => format!("write {n}M"),
        ("bigdec", Edn::Double(x)) => format!("write {}M", x.0),
        ("instant", Edn::Int(_) | Edn::String(_)) => "write #inst \"2024-05-01T10:00:00Z\"".to_owned(),
        ("uuid", Edn::String(text)) => format!("write #uuid \"{text}\""),
        ("long", Edn::Double(_)) => "a long has no fraction".to_owned(),
        (_, Edn::Vector(_) | Edn::List(_) | Edn::Set(_)) if !attr.is_many() => {
            "the attribute has cardinality one: give one value".to_owned()
        }
        ("ref", _) => "name an entity by its id, ident, lookup ref or tempid".to_owned(),
        (name, _) => format!("give {} value", article(name)),
    };
    error
        .with_hint(hint)
        .with_data("db.error/attribute", attr.ident().clone())
        .with_data("db.error/value", given.clone())
}

fn described(attr: &Attr) -> String {
    match attr.tag().name() {
        "ref" => "an entity".to_owned(),
        name => format!("values of type {name}"),
    }
}

fn article(name: &str) -> String {
    match name.chars().next() {
        Some('a' | 'e' | 'i' | 'o') => format!("an {name}"),
        _ if name == "nil" => name.to_owned(),
        _ => format!("a {name}"),
    }
}
