//! Requests that are taken in and carried out later, and the addresses where their outcomes are told.

use std::path::Path;

use crate::support::*;
use annals_server::ServerOptions;
use serde_json::json;

const TRANSACT: &str = "/v1/db/main/transact";

fn later(site: &Site, key: &str, tx: &str) -> Reply {
    let headers = [
        ("content-type", EDN),
        ("accept", JSON),
        ("prefer", "respond-async, wait=1"),
        ("idempotency-key", key),
    ];
    site.call("POST", TRANSACT, &headers, Some(tx))
}

fn at_file(path: &Path) -> Site {
    site_over(annals::connect(&format!("redb:{}", path.display())).unwrap(), ServerOptions::default())
}

#[test]
fn a_request_is_taken_in_and_its_outcome_told_at_its_address() {
    let site = films();
    let taken = later(&site, "k 1/ü", "[{:db/id \"m\" :film/title \"Mole\"}]");
    assert_eq!((taken.status, taken.basis_t()), (202, 4), "{}", taken.text);
    assert_eq!(taken.header("location"), "/v1/db/main/requests/k%201%2F%C3%BC");
    assert_eq!((taken.header("retry-after"), taken.header("preference-applied")), ("1", "respond-async"));
    assert_eq!((&taken.json()["key"], &taken.json()["taken-in-t"]), (&json!("k 1/ü"), &json!(4)));
    let at = taken.header("location").to_owned();
    let now = site.get_json(&at).ok();
    let state = now.json()["state"].as_str().unwrap().to_owned();
    assert!(["received", "committed"].contains(&state.as_str()), "{}", now.text);
    assert_eq!(now.header("retry-after").is_empty(), state == "committed");
    let done = site.get_json(&format!("{at}?wait=30000")).ok();
    assert_eq!(
        done.json(),
        json!({"key": "k 1/ü", "state": "committed", "final": true, "taken-in-t": 4, "t": 5})
    );
    assert_eq!((done.header("retry-after"), done.header("cache-control")), ("", "no-store"));
    // Sent again, in either way, it is known.
    let again = later(&site, "k 1/ü", "[{:db/id \"m\" :film/title \"Mole\"}]");
    assert_eq!((again.status, again.header("idempotency-replayed")), (202, "true"));
    assert_eq!(again.json()["t"], 5);
    let headers = [("content-type", EDN), ("accept", JSON), ("idempotency-key", "k 1/ü")];
    let report = site.call("POST", TRANSACT, &headers, Some("[{:db/id \"m\" :film/title \"Mole\"}]"));
    assert_eq!((report.status, report.header("idempotency-replayed")), (200, "true"));
    assert!(report.json()["tempids"]["m"].is_u64(), "{}", report.text);
    assert_eq!(later(&site, "k 1/ü", "[{:film/title \"Mule\"}]").status, 422);
    assert_eq!(site.get("/v1/db/main").basis_t(), 5);
}

#[test]
fn a_refusal_is_an_outcome_too() {
    let site = films();
    let tx = "{:tx-data [[:db/cas [:film/title \"Salt\"] :film/year 1 2]] :expect [{:entity [:film/title \"Salt\"] :unchanged-since 2}]}";
    assert_eq!(later(&site, "cas", tx).status, 202);
    let told = site.get_json("/v1/db/main/requests/cas?wait=30000").ok().json();
    assert_eq!((&told["state"], &told["problem"]["status"]), (&json!("rejected"), &json!(409)), "{told}");
    assert_eq!(told["problem"]["keyword"], "db.error/cas-failed");
    let again = later(&site, "cas", tx);
    assert_eq!((again.status, again.header("idempotency-replayed")), (409, "true"));
}

#[test]
fn without_a_key_nothing_is_taken_in() {
    let site = films();
    let headers = [("content-type", EDN), ("accept", JSON), ("prefer", "respond-async")];
    let reply = site.call("POST", TRANSACT, &headers, Some("[{:film/title \"Mole\"}]"));
    let problem = reply.json();
    assert_eq!((reply.status, &problem["keyword"]), (400, &json!("db.error/invalid-idempotency-key")));
    assert!(problem["detail"].as_str().unwrap().contains("needs a key"), "{problem}");
    let body = format!("[{{:film/title {:?}}}]", "x".repeat(2 << 20));
    let large = later(&site, "large", &body);
    assert_eq!((large.status, &large.json()["keyword"]), (400, &json!("db.error/value-too-large")));
    assert_eq!(site.get("/v1/db/main/requests/large").status, 404);
    assert_eq!(site.get("/v1/db/main").basis_t(), 3, "nothing was written");
    // Another preference is none of this.
    let headers = [("content-type", EDN), ("prefer", "return=minimal")];
    assert_eq!(site.call("POST", TRANSACT, &headers, Some("[{:film/title \"Mole\"}]")).status, 200);
}

#[test]
fn requests_are_listed_newest_first() {
    let site = films();
    let headers = [("content-type", EDN), ("idempotency-key", "one")];
    site.call("POST", TRANSACT, &headers, Some("[{:film/title \"One\"}]")).ok();
    assert_eq!(later(&site, "two", "[{:film/titel \"Two\"}]").status, 202);
    assert_eq!(later(&site, "three", "[{:film/title \"Three\"}]").status, 202);
    site.get("/v1/db/main/requests/two?wait=30000").ok();
    let last = site.get("/v1/db/main/requests/three?wait=30000").ok();
    let keys = |more: &str| -> Vec<String> {
        let listed = site.get_json(&format!("/v1/db/main/requests{more}")).ok();
        assert_eq!(listed.basis_t(), last.basis_t());
        listed.json().as_array().unwrap().iter().map(|one| one["key"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(keys(""), ["three", "two", "one"]);
    assert_eq!(keys("?limit=1"), ["three"]);
    assert_eq!(keys("?state=committed"), ["three", "one"]);
    assert_eq!(keys("?state=committed&limit=1"), ["three"]);
    // The limit counts what is listed, not what is looked at.
    assert_eq!(keys("?state=rejected&limit=1"), ["two"]);
    assert_eq!(keys("?state=received").len() + keys("?state=failed").len() + keys("?limit=0").len(), 0);
    for wrong in ["?state=done", "?limit=many", "?key=one"] {
        assert_eq!(site.get(&format!("/v1/db/main/requests{wrong}")).status, 400, "{wrong}");
    }
    let unknown = site.get_json("/v1/db/main/requests/four");
    assert_eq!((unknown.status, &unknown.json()["keyword"]), (404, &json!("db.error/unknown-request")));
    assert_eq!(site.get("/v1/db/main/requests/four?wait=soon").status, 400);
    assert_eq!(site.get("/v1/db/none/requests/one").status, 404);
}

#[test]
fn what_was_taken_in_is_known_after_a_restart_and_carried_out_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("films.annals");
    let site = at_file(&path);
    site.store.database("main").unwrap().transact(SCHEMA).unwrap();
    let tx = |n: usize| format!("[{{:film/title \"film {n}\" :film/cast [{{:person/name \"actor {n}\"}}]}}]");
    for n in 0..20 {
        assert_eq!(later(&site, &format!("k{n}"), &tx(n)).status, 202);
    }
    site.server.stop();
    drop(site.store);
    let site = at_file(&path);
    for n in 0..20 {
        let at = format!("/v1/db/main/requests/k{n}");
        assert_eq!(site.get(&at).status, 200, "{at}");
        assert_eq!(site.get_json(&format!("{at}?wait=30000")).ok().json()["state"], "committed");
        assert_eq!(later(&site, &format!("k{n}"), &tx(n)).status, 202);
    }
    let count = "[:find (count ?f) . :where [?f :film/cast]]";
    assert_eq!(site.query(count).ok().text, "20");
    assert_eq!(site.get("/v1/db/main").basis_t(), 41, "a schema, and two transactions for each");
}
