//! What `/openapi.json` tells is so: its examples are answered as it says, and what it does not tell is refused.

use serde_json::Value;

use crate::support::*;

const COMMAND: &str = r#"[{:db/ident :film/rename :db.command/args "{:from :string, :to :string}"
  :db/fn "{:in [?from ?to] :where [[?f :film/title ?from]] :tx [[:db/add ?f :film/title ?to]]}"}]"#;

/// A call that is described: path, method, description.
type Described = (String, String, Value);

/// A site that the examples are about, and the calls it describes, deletions last.
fn described() -> (Site, Vec<Described>) {
    let site = films();
    site.post("/v1/db/main/transact", COMMAND).ok();
    let keyed = [("content-type", EDN), ("idempotency-key", "k1")];
    site.call("POST", "/v1/db/main/transact", &keyed, Some("[{:film/title \"Dune\"}]")).ok();
    let told = site.get("/openapi.json").ok();
    assert_eq!(told.header("content-type"), "application/json");
    let told = told.json();
    assert_eq!(told["openapi"], "3.1.0");
    let mut calls = Vec::new();
    for (path, item) in told["paths"].as_object().unwrap() {
        let parts = item["parameters"].as_array().cloned().unwrap_or_default();
        let filled = parts.iter().fold(path.clone(), |path, part| {
            let example = part["example"].as_str().unwrap();
            path.replace(&format!("{{{}}}", part["name"].as_str().unwrap()), &encoded(example))
        });
        assert!(!filled.contains('{'), "{filled}");
        for (method, call) in item.as_object().unwrap().iter().filter(|(name, _)| *name != "parameters") {
            calls.push((filled.clone(), method.trim_start_matches("x-").to_uppercase(), call.clone()));
        }
    }
    calls.sort_by_key(|(_, method, _)| method == "DELETE");
    (site, calls)
}

fn examples(call: &Value) -> String {
    let params = call["parameters"].as_array().unwrap().iter();
    let pairs = params.filter_map(|param| {
        Some(format!("{}={}", param["name"].as_str()?, encoded(param["example"].as_str()?)))
    });
    pairs.collect::<Vec<_>>().join("&")
}

#[test]
fn every_example_is_answered_as_it_says() {
    let (site, calls) = described();
    assert!(calls.len() > 25, "{}", calls.len());
    for (path, method, call) in calls {
        let address = format!("{path}?{}", examples(&call));
        let bodies = call["requestBody"]["content"].as_object().cloned().unwrap_or_default();
        let bodies: Vec<(String, String)> = bodies
            .iter()
            .map(|(media, told)| match &told["example"] {
                Value::String(text) => (media.clone(), text.clone()),
                json => (media.clone(), json.to_string()),
            })
            .collect();
        let mut replies = Vec::new();
        for (media, body) in &bodies {
            replies.push(site.call(&method, &address, &[("content-type", media)], Some(body)));
        }
        if bodies.is_empty() {
            replies.push(site.call(&method, &address, &[], None));
        }
        for reply in replies {
            let told = &call["responses"][reply.status.to_string()];
            assert!(
                told.is_object() && reply.status < 300,
                "{method} {address}: {} {}",
                reply.status,
                reply.text
            );
            let media = reply.header("content-type").split(';').next().unwrap().to_owned();
            let is_told = |name: &String| name.split(';').next() == Some(&*media);
            assert!(told["content"].as_object().unwrap().keys().any(is_told), "{method} {address}: {media}");
        }
    }
}

#[test]
fn a_parameter_that_is_not_told_is_refused_and_one_that_is_needed_is_missed() {
    let (site, calls) = described();
    for (path, method, call) in calls {
        let body = call["requestBody"].is_object().then_some("{}");
        let reply = site.call(&method, &format!("{path}?as-off=1"), &[("accept", JSON)], body);
        assert_eq!(reply.status, 400, "{method} {path}: {}", reply.text);
        assert_eq!(reply.json()["keyword"], "db.error/unknown-parameter", "{method} {path}");
        if call["parameters"].as_array().unwrap().iter().any(|param| param["required"] == true) {
            assert_eq!(site.call(&method, &path, &[], body).status, 400, "{method} {path}");
        }
    }
}
