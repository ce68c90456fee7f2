//! The table of calls as OpenAPI 3.1 has it.
//!
//! Everything comes from the table ([`ROUTES`](crate::routes::ROUTES)) and the words beside it; so it tells of every call and
//! of no other. Its examples are run by a test. The method QUERY has no place in version 3.1: it stands as `x-query`.

mod words;

use serde_json::{Map, Value, json};

use crate::media::{EVENTS, Media};
use crate::params::{COMMON, REPEATED};
use crate::routes::{Call, Route, Work};
use words::{Kind, PARTS, WORDS};

/// The whole description, as text.
pub(crate) fn text(routes: &[Route]) -> String {
    described(routes).to_string()
}

fn described(routes: &[Route]) -> Value {
    let paths: Map<String, Value> =
        routes.iter().map(|route| (route.path.replace("{*", "{"), path_item(route))).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Annals",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Facts, and questions about any moment of their past",
            "description": "Bodies and answers are EDN or JSON, by Content-Type and Accept; docs/http.md has it all."
        },
        "paths": paths,
        "components": {
            "schemas": { "Problem": problem() },
            "responses": { "Problem": {
                "description": "What went wrong (RFC 9457); in EDN the same map",
                "content": {
                    "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } },
                    "application/edn": { "schema": { "type": "string" } }
                }
            }}
        }
    })
}

fn problem() -> Value {
    let text = |about: &str| json!({ "type": "string", "description": about });
    json!({
        "type": "object",
        "required": ["type", "title", "status", "detail", "category", "keyword"],
        "properties": {
            "type": text("names the keyword as a URN"),
            "title": text("the category in words"),
            "status": { "type": "integer" },
            "detail": text("what happened, for people"),
            "category": text("what to do about it, for programs"),
            "keyword": text("what happened, for programs; docs/errors.md has them all"),
            "hint": text("what to do about it, for people"),
            "span": { "type": "object", "description": "the place in the text that was sent" },
            "data": { "type": "object", "description": "facts of the matter" }
        }
    })
}

fn path_item(route: &Route) -> Value {
    let parts: Vec<Value> = part_names(route.path).map(part).collect();
    let mut item = Map::new();
    if !parts.is_empty() {
        item.insert("parameters".to_owned(), Value::Array(parts));
    }
    for call in route.calls {
        let method = call.method.to_lowercase();
        let name = if method == "query" { "x-query".to_owned() } else { method };
        item.insert(name, operation(route, call));
    }
    Value::Object(item)
}

/// The parts of a path that vary.
fn part_names(path: &str) -> impl Iterator<Item = &str> {
    path.split('{').skip(1).filter_map(|rest| rest.split('}').next()).map(|name| name.trim_start_matches('*'))
}

fn part(name: &str) -> Value {
    let (about, example) = PARTS.iter().find(|part| part.0 == name).map_or(("", ""), |part| (part.1, part.2));
    json!({
        "name": name, "in": "path", "required": true, "description": about,
        "schema": { "type": "string" }, "example": example
    })
}

fn operation(route: &Route, call: &Call) -> Value {
    let words = call.params.iter().chain(COMMON);
    let slug: Vec<&str> =
        route.path.split(['/', '{', '}', '*', '.']).filter(|part| !part.is_empty()).collect();
    let mut told = json!({
        "operationId": format!("{}-{}", call.method.to_lowercase(), slug.join("-")),
        "summary": route.about,
        "parameters": words.map(|name| parameter(call, name)).collect::<Vec<_>>(),
        "responses": responses(call)
    });
    if call.body {
        let media = |(media, example): &(Media, &str)| {
            let (schema, example) = match media {
                Media::Json => (json!({}), serde_json::from_str(example).unwrap_or(Value::Null)),
                _ => (json!({ "type": "string" }), Value::from(*example)),
            };
            (media.name().to_owned(), json!({ "schema": schema, "example": example }))
        };
        let content: Map<String, Value> = call.bodies.iter().map(media).collect();
        told["requestBody"] = json!({ "required": true, "content": content });
    }
    told
}

fn parameter(call: &Call, name: &str) -> Value {
    let word = WORDS.iter().find(|word| word.0 == name);
    let (kind, about) = word.map_or((Kind::Text, ""), |word| (word.1, word.2));
    let one = match kind {
        Kind::Whole => json!({ "type": "integer", "minimum": 0 }),
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Text => json!({ "type": "string" }),
        Kind::OneOf(words) => json!({ "type": "string", "enum": words }),
    };
    let schema = if REPEATED.contains(&name) { json!({ "type": "array", "items": one }) } else { one };
    let mut told = json!({
        "name": name, "in": "query", "required": call.needs.contains(&name), "description": about, "schema": schema
    });
    if let Some((_, example)) = call.sample.iter().find(|(other, _)| *other == name) {
        told["example"] = Value::from(*example);
    }
    told
}

fn responses(call: &Call) -> Value {
    let names: Vec<&str> = match (call.plain, call.rows) {
        (Some(kind), _) => vec![kind],
        (None, true) => [Media::Edn, Media::Json, Media::Csv, Media::Ndjson].map(Media::name).to_vec(),
        (None, false) => [Media::Edn, Media::Json].map(Media::name).to_vec(),
    };
    let events = (call.work == Work::Stream).then_some(EVENTS);
    let schema = |name: &str| {
        let schema = if name == Media::Json.name() { json!({}) } else { json!({ "type": "string" }) };
        (name.to_owned(), json!({ "schema": schema }))
    };
    let content: Map<String, Value> = names.into_iter().chain(events).map(schema).collect();
    let answer = |status: &u16| {
        (status.to_string(), json!({ "description": words::of_status(*status), "content": content }))
    };
    let mut told: Map<String, Value> = call.statuses.iter().map(answer).collect();
    told.insert("default".to_owned(), json!({ "$ref": "#/components/responses/Problem" }));
    Value::Object(told)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::routes::ROUTES;

    #[test]
    fn every_call_of_the_table_is_told_and_nothing_else() {
        let told = described(ROUTES);
        let paths = told["paths"].as_object().unwrap();
        let of_table: BTreeSet<(String, String, BTreeSet<String>)> = ROUTES
            .iter()
            .flat_map(|route| route.calls.iter().map(move |call| (route, call)))
            .map(|(route, call)| {
                let params = call.params.iter().chain(COMMON).map(|name| (*name).to_owned()).collect();
                (route.path.replace("{*", "{"), call.method.to_lowercase(), params)
            })
            .collect();
        let of_text = paths.iter().flat_map(|(path, item)| {
            let calls = item.as_object().unwrap().iter().filter(|(name, _)| *name != "parameters");
            calls.map(move |(method, operation)| {
                let params = operation["parameters"].as_array().unwrap().iter();
                let params = params.map(|param| param["name"].as_str().unwrap().to_owned()).collect();
                (path.clone(), method.trim_start_matches("x-").to_owned(), params)
            })
        });
        assert_eq!(of_text.collect::<BTreeSet<_>>(), of_table);
    }

    #[test]
    fn every_word_is_explained_and_every_body_shown() {
        let mut used = BTreeSet::new();
        for route in ROUTES {
            for name in part_names(route.path) {
                assert!(PARTS.iter().any(|part| part.0 == name), "{name} of {}", route.path);
            }
            for call in route.calls {
                used.extend(call.params.iter().chain(COMMON).copied());
                let at = format!("{} {}", call.method, route.path);
                assert_eq!(call.body, !call.bodies.is_empty(), "{at}");
                assert!(!call.statuses.is_empty(), "{at}");
                let known = |name: &&'static str| call.params.contains(name);
                assert!(call.needs.iter().all(known), "{at}");
                assert!(call.sample.iter().all(|(name, _)| known(name)), "{at}");
                for (media, text) in call.bodies {
                    let json: Result<Value, _> = serde_json::from_str(text);
                    assert!(*media == Media::Edn || json.is_ok(), "{at}: {text}");
                }
            }
        }
        let words: BTreeSet<&str> = WORDS.iter().map(|word| word.0).collect();
        assert_eq!(words, used);
        assert_eq!(words.len(), WORDS.len(), "a word twice");
    }
}
