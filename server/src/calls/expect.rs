//! What a request expects of the state before it, as it is written in EDN and in JSON.
//!
//! JSON has neither symbols nor keywords for names. So the names of an expectation's parts may be text, its query may be
//! text or JSON data, as where a query is asked, and `"_"` in one of its patterns stands for anything. Whether the
//! expectation makes sense, and whether it is met, the library says.

use annals::Edn;
use serde_json::Value;

use crate::fields::Field;
use crate::json::question::read_question;
use crate::json::read::tag_of;
use crate::json::{Types, read};
use crate::problem::Problem;

/// The expectations that a field holds.
pub(super) fn expectations(field: &Field) -> Result<Vec<Edn>, Problem> {
    match field {
        Field::Json(Value::Array(all), types) => all.iter().map(|json| of_json(json, *types)).collect(),
        field => Ok(field.elements("expect")?.into_iter().map(keyed).collect()),
    }
}

/// A map whose names are keywords, also where they were written as text.
pub(super) fn keyed(edn: Edn) -> Edn {
    let Edn::Map(pairs) = edn else { return edn };
    let key = |key| match key {
        Edn::String(name) => keyword(&name),
        other => other,
    };
    Edn::Map(pairs.into_iter().map(|(name, part)| (key(name), part)).collect())
}

/// The keyword of a name with or without colon.
fn keyword(name: &str) -> Edn {
    Edn::keyword(name.trim_start_matches(':'))
}

fn of_json(json: &Value, types: Types) -> Result<Edn, Problem> {
    let Some(parts) = json.as_object().filter(|parts| tag_of(parts).is_none()) else {
        return read(json, types).map(keyed);
    };
    let part = |(name, part): (&String, &Value)| {
        let told = match (name.trim_start_matches(':'), part) {
            ("query", Value::Array(_) | Value::Object(_)) => read_question(part)?,
            ("patterns", Value::Array(all)) => {
                Edn::Vector(all.iter().map(|json| pattern(json, types)).collect::<Result<_, _>>()?)
            }
            _ => read(part, types)?,
        };
        Ok((keyword(name), told))
    };
    Ok(Edn::Map(parts.iter().map(part).collect::<Result<_, Problem>>()?))
}

fn pattern(json: &Value, types: Types) -> Result<Edn, Problem> {
    let Some(terms) = json.as_array() else { return read(json, types) };
    let term = |json: &Value| match json.as_str() {
        Some("_") => Ok(Edn::symbol("_")),
        _ => read(json, types),
    };
    Ok(Edn::Vector(terms.iter().map(term).collect::<Result<_, _>>()?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read_all(json: Value, types: Types) -> String {
        Edn::Vector(expectations(&Field::Json(json, types)).unwrap()).to_string()
    }

    #[test]
    fn json_says_what_edn_says() {
        let told = json!([
            {"basis": 7},
            {":entity": [":a/name", "x"], "unchanged-since": 3, "components": true},
            {"entity": 17, "attribute": ":a/b", "is": null},
            {"query": [":find", "?e", ":where", ["?e", ":a/b", "_"]], "is": ":empty"},
            {"query": "[:find ?e :where [?e :a/b]]", "args": ["?e"], "is": ":nonempty"},
            {"patterns": [["_", ":a/b", "?x"], [[":a/name", "_"]]], "unchanged-since": 3}
        ]);
        assert_eq!(
            read_all(told, Types::Plain),
            "[{:basis 7} {:components true, :entity [:a/name \"x\"], :unchanged-since 3} \
             {:attribute :a/b, :entity 17, :is nil} {:is :empty, :query [:find ?e :where [?e :a/b _]]} \
             {:args [\"?e\"], :is :nonempty, :query \"[:find ?e :where [?e :a/b]]\"} \
             {:patterns [[_ :a/b \"?x\"] [[:a/name \"_\"]]], :unchanged-since 3}]"
        );
        assert_eq!(read_all(json!([{"~map": [["basis", 7]]}, 7]), Types::Tagged), "[{:basis 7} 7]");
        assert_eq!(read_all(json!("[{:basis 7}]"), Types::Plain), "[{:basis 7}]");
        assert!(expectations(&Field::Json(json!({"basis": 7}), Types::Plain)).is_err());
    }
}
