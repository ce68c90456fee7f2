//! The body of a request as named fields, the same for EDN and JSON.
//!
//! A call takes the fields that it knows; what is left over is refused by name, so that a misspelt `as-off` is an
//! error and not an answer about the present.

use std::collections::BTreeMap;
use std::sync::Arc;

use annals::edn::{Form, FormKind};
use annals::{Edn, TimePoint};
use serde_json::Value;

use crate::json::{self, Types};
use crate::problem::{Problem, Written};

/// A body, read.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    /// Nothing was sent.
    Empty,
    /// EDN, with the text it came from.
    Edn(Form, Written),
    /// JSON, and how its text values are to be taken.
    Json(Value, Types),
}

impl Body {
    /// One form of EDN.
    pub(crate) fn edn(text: &str) -> Result<Body, Problem> {
        let written = Written::whole("body", text);
        Ok(Body::Edn(written.read()?, written))
    }

    /// One JSON value.
    pub(crate) fn json(text: &str, types: Types) -> Result<Body, Problem> {
        let value = serde_json::from_str(text).map_err(|error| {
            Problem::incorrect("db.error/bad-json", format!("the body is not JSON: {error}"))
                .hint("EDN is sent with Content-Type: application/edn")
        })?;
        Ok(Body::Json(value, types))
    }

    /// This body as one field.
    pub(crate) fn into_field(self) -> Option<Field> {
        match self {
            Body::Empty => None,
            Body::Edn(form, written) => Some(Field::Edn(form, written)),
            Body::Json(value, types) => Some(Field::Json(value, types)),
        }
    }
}

/// One named part of a body.
#[derive(Clone, Debug)]
pub(crate) enum Field {
    /// EDN, with the text it came from.
    Edn(Form, Written),
    /// JSON.
    Json(Value, Types),
}

/// The named parts of a body.
#[derive(Debug, Default)]
pub(crate) struct Fields(BTreeMap<String, Field>);

impl Fields {
    /// The fields of a map; an empty body has none.
    pub(crate) fn of(body: Body) -> Result<Fields, Problem> {
        let mut fields = BTreeMap::new();
        match body {
            Body::Empty => {}
            Body::Edn(Form { kind: FormKind::Map(pairs), .. }, written) => {
                for (key, form) in pairs {
                    fields.insert(field_name(&key, &written)?, Field::Edn(form, written.clone()));
                }
            }
            Body::Json(Value::Object(object), types) => {
                for (key, value) in object {
                    let name = key.strip_prefix(':').unwrap_or(&key).to_owned();
                    fields.insert(name, Field::Json(value, types));
                }
            }
            Body::Edn(form, written) => return Err(not_a_map().at(form.span, &written)),
            Body::Json(..) => return Err(not_a_map()),
        }
        Ok(Fields(fields))
    }

    /// Takes a field out; one that is nil counts as absent.
    pub(crate) fn take(&mut self, name: &str) -> Option<Field> {
        self.0.remove(name).filter(|field| match field {
            Field::Edn(form, _) => form.as_atom() != Some(&Edn::Nil),
            Field::Json(value, _) => !value.is_null(),
        })
    }

    /// Takes a field out that must be there.
    pub(crate) fn need(&mut self, name: &'static str) -> Result<Field, Problem> {
        let missing = || Problem::incorrect("db.error/missing-field", format!("the body has no {name}"));
        self.take(name).ok_or_else(missing)
    }

    /// Refuses what nobody took.
    pub(crate) fn finish(self, known: &[&str]) -> Result<(), Problem> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(name) => Err(Problem::incorrect(
                "db.error/unknown-field",
                format!("the body has an unknown field {name}"),
            )
            .hint(format!("known are {}", known.join(", ")))),
        }
    }
}

fn field_name(key: &Form, written: &Written) -> Result<String, Problem> {
    match key.as_atom() {
        Some(Edn::Keyword(keyword)) => Ok(keyword.as_str().to_owned()),
        Some(Edn::String(text)) => Ok(text.to_string()),
        _ => {
            let message = format!("{} is no name of a field", key.to_edn());
            Err(Problem::incorrect("db.error/unknown-field", message).at(key.span, written))
        }
    }
}

fn not_a_map() -> Problem {
    Problem::incorrect("db.error/bad-body", "the body is not a map of fields")
        .hint("docs/http.md shows the fields of every call")
}

impl Field {
    /// The value.
    pub(crate) fn edn(&self) -> Result<Edn, Problem> {
        match self {
            Field::Edn(form, _) => Ok(form.to_edn()),
            Field::Json(value, types) => json::read(value, *types),
        }
    }

    /// The text of a query, rule set or pattern: a string that holds it, or the thing itself.
    pub(crate) fn written(&self, of: &'static str) -> Result<Written, Problem> {
        match self {
            Field::Edn(form, written) => Ok(match (form.as_atom(), form.span) {
                (Some(Edn::String(text)), _) => Written::whole(of, text.clone()),
                (_, Some(span)) => Written {
                    base: written.base + span.start,
                    end: written.base + span.end,
                    ..written.clone()
                },
                (_, None) => Written::whole(of, form.to_edn().to_string()),
            }),
            Field::Json(Value::String(text), _) => Ok(Written::whole(of, text.as_str())),
            Field::Json(value, _) => {
                Ok(Written::whole(of, Arc::from(json::question::read_question(value)?.to_string())))
            }
        }
    }

    /// A point in time.
    pub(crate) fn time_point(&self, name: &str) -> Result<TimePoint, Problem> {
        match self.edn()? {
            Edn::String(text) => Ok(TimePoint::parse(&text)?),
            edn => TimePoint::from_edn(&edn).map_err(|error| match self {
                Field::Edn(form, written) => Problem::from(error).at(form.span, written),
                Field::Json(..) => {
                    Problem::from(error).hint(format!("{name} is a t, a transaction or an instant"))
                }
            }),
        }
    }

    /// True or false.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.edn()? {
            Edn::Bool(flag) => Ok(flag),
            other => {
                Err(Problem::incorrect("db.error/bad-field", format!("{name} is {other}, not true or false")))
            }
        }
    }

    /// A whole number from 0.
    pub(crate) fn count(&self, name: &str) -> Result<u64, Problem> {
        match self.edn()? {
            Edn::Int(n) if n >= 0 => Ok(n as u64),
            other => Err(Problem::incorrect(
                "db.error/bad-field",
                format!("{name} is {other}, not a whole number"),
            )),
        }
    }

    /// The elements of a vector or list, or the one array that EDN text holds.
    pub(crate) fn elements(&self, name: &'static str) -> Result<Vec<Edn>, Problem> {
        let edn = match self {
            Field::Json(Value::String(_), _) => self.written(name)?.read()?.to_edn(),
            _ => self.edn()?,
        };
        match edn {
            Edn::List(edns) | Edn::Vector(edns) => Ok(edns),
            other => Err(Problem::incorrect(
                "db.error/bad-field",
                format!("{name} is a {}, not a vector", other.type_name()),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_notations_give_the_same_fields() {
        let edn = Body::edn(r#"{:query [:find ?e :where [?e :a "x"]] :as-of 7 :args [:k 1.5]}"#);
        let json = Body::json(
            r#"{"query": [":find", "?e", ":where", ["?e", ":a", "x"]], "as-of": 7, "args": [":k", 1.5]}"#,
            Types::Plain,
        );
        let [mut edn, mut json] = [edn, json].map(|body| Fields::of(body.unwrap()).unwrap());
        for fields in [&mut edn, &mut json] {
            let query = fields.need("query").unwrap().written("query").unwrap();
            assert_eq!(query.text(), r#"[:find ?e :where [?e :a "x"]]"#);
            assert_eq!(fields.need("as-of").unwrap().edn().unwrap(), Edn::Int(7));
            let args = fields.need("args").unwrap().elements("args").unwrap();
            assert_eq!(args, [Edn::keyword("k"), Edn::double(1.5)]);
        }
        assert!(edn.finish(&[]).is_ok() && json.finish(&[]).is_ok());
    }

    #[test]
    fn what_nobody_took_is_refused_by_name() {
        let mut fields = Fields::of(Body::edn("{:query [] :as-off 3}").unwrap()).unwrap();
        fields.take("query");
        let problem = fields.finish(&["query", "as-of"]).unwrap_err();
        assert_eq!(problem.keyword(), "db.error/unknown-field");
    }

    #[test]
    fn a_query_inside_the_body_keeps_its_place() {
        let mut fields = Fields::of(Body::edn("{:as-of 1 :query [:find ?x]}").unwrap()).unwrap();
        let query = fields.need("query").unwrap().written("query").unwrap();
        assert_eq!((query.base, query.text(), query.of), (17, "[:find ?x]", "body"));
    }
}
