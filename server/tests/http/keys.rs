//! Keys, by which requests are recognised, and expectations, by which they are refused.

use crate::support::*;
use annals::Edn;
use annals_server::ServerOptions;
use serde_json::{Value, json};
use std::time::Duration;

const TRANSACT: &str = "/v1/db/main/transact";

/// A transaction in EDN, answered in JSON.
fn keyed(site: &Site, key: &str, tx: &str) -> Reply {
    let headers = [("content-type", EDN), ("accept", JSON), ("idempotency-key", key)];
    site.call("POST", TRANSACT, &headers, Some(tx))
}

#[test]
fn a_hundred_posts_at_once_with_one_key_are_one_transaction() {
    let site = films();
    let tx = r#"[{:db/id "mole" :film/title "Mole" :film/year 1999} {:film/title "Salt" :film/cast [{:person/name "Bo"}]}]"#;
    let replies: Vec<Reply> = std::thread::scope(|scope| {
        let posts: Vec<_> = (0..100).map(|_| scope.spawn(|| keyed(&site, "once", tx).ok())).collect();
        posts.into_iter().map(|post| post.join().unwrap()).collect()
    });
    let replayed = |reply: &&Reply| reply.header("idempotency-replayed") == "true";
    assert_eq!(replies.iter().filter(replayed).count(), 99);
    assert_eq!(replies[0].json()["t"], 4);
    assert_eq!(replies[0].json()["datoms"].as_array().map(Vec::len), Some(8), "{}", replies[0].text);
    for reply in &replies {
        assert_eq!((reply.status, &reply.text, reply.basis_t()), (200, &replies[0].text, 4));
    }
    assert_eq!(site.get("/v1/db/main").head_t(), 4);
    // After others have written, the answer is still the first one.
    site.post(TRANSACT, r#"[[:db/retractEntity [:film/title "Mole"]]]"#).ok();
    let late = keyed(&site, "once", tx).ok();
    assert_eq!((&late.text, late.basis_t(), late.head_t()), (&replies[0].text, 4, 5));
}

#[test]
fn a_key_is_of_one_request_in_whatever_dress() {
    let site = films();
    let first = keyed(&site, "a key/ü", r#"[{:film/title "Mole"}]"#).ok();
    assert_eq!(first.header("idempotency-replayed"), "");
    let other = keyed(&site, "a key/ü", r#"[{:film/title "Mule"}]"#);
    let problem = other.json();
    assert_eq!((other.status, &problem["keyword"]), (422, &json!("db.error/idempotency-key-reused")));
    assert_eq!(problem["data"][":db.error/t"], 4, "{problem}");
    assert!(problem["hint"].is_string() && problem["status"] == 422, "{problem}");
    for (content, body) in [
        (EDN, r#"{:tx-data [ {:film/title "Mole"} ] :key "a key/ü"}"#),
        (JSON, r#"{"tx-data": [{":film/title": "Mole"}], "key": "a key/ü"}"#),
        (JSON, r#"{"tx": "[{:film/title \"Mole\"}]", "key": "a key/ü", "expect": []}"#),
    ] {
        let again = site.call("POST", TRANSACT, &[("content-type", content), ("accept", JSON)], Some(body));
        assert_eq!((again.header("idempotency-replayed"), &again.text), ("true", &first.text), "{body}");
    }
    // What is expected is a part of the request.
    assert_eq!(
        site.post(TRANSACT, r#"{:tx-data [{:film/title "Mole"}] :key "a key/ü" :expect [{:basis 4}]}"#)
            .status,
        422
    );
    assert_eq!(site.get("/v1/db/main").basis_t(), 4);
}

#[test]
fn keys_that_are_none() {
    let site = films();
    let long = "k".repeat(201);
    for (key, body, keyword) in [
        ("", "[]", "invalid-idempotency-key"),
        (long.as_str(), "[]", "invalid-idempotency-key"),
        ("a", "{:tx-data [] :key 7}", "bad-field"),
        ("a", "{:tx-data [] :key \"b\"}", "bad-field"),
    ] {
        let reply = keyed(&site, key, body);
        assert_eq!(reply.json()["keyword"], format!("db.error/{keyword}"), "{key:?} {body}");
        assert_eq!(reply.status, 400);
    }
    assert_eq!(site.get("/v1/db/main").basis_t(), 3, "nothing was written");
}

#[test]
fn a_refusal_is_told_again_though_it_would_succeed_now() {
    let site = films();
    let tx = "[[:db/cas [:film/title \"Salt\"] :film/year 1 2]]";
    let first = keyed(&site, "cas", tx);
    assert_eq!((first.status, first.header("idempotency-replayed")), (409, ""));
    site.post(TRANSACT, "[[:db/add [:film/title \"Salt\"] :film/year 1]]").ok();
    let again = keyed(&site, "cas", tx);
    assert_eq!((again.status, again.header("idempotency-replayed")), (409, "true"));
    assert_eq!(
        (&again.json()["detail"], &again.json()["keyword"]),
        (&first.json()["detail"], &first.json()["keyword"])
    );
    let status = site.get_json("/v1/db/main/requests/cas").ok().json();
    assert_eq!(
        (&status["state"], &status["final"], &status["t"]),
        (&json!("rejected"), &json!(true), &json!(4))
    );
    assert_eq!(status["problem"]["keyword"], "db.error/cas-failed");
    keyed(&site, "cas 2", tx).ok();
}

#[test]
fn an_outcome_that_nobody_waited_for_is_told_when_it_is_asked_for_again() {
    let site = films_with(ServerOptions { transact_timeout: Duration::ZERO, ..ServerOptions::default() });
    let tx = r#"[{:film/title "Mole"}]"#;
    let mut unknown = 0;
    let reply = loop {
        let reply = keyed(&site, "k", tx);
        if reply.status == 200 {
            break reply;
        }
        assert_eq!((reply.status, &reply.json()["keyword"]), (503, &json!("db.error/transaction-timeout")));
        unknown += 1;
        // The outcome of each attempt is known a moment later, whoever asks.
        let told = site.get_json("/v1/db/main/requests/k");
        if unknown > 3 && told.status == 200 {
            assert_eq!((&told.json()["state"], &told.json()["t"]), (&json!("committed"), &json!(4)));
            return;
        }
    };
    assert_eq!(
        (reply.json()["t"].as_u64(), reply.header("idempotency-replayed") == "true"),
        (Some(4), unknown > 0)
    );
}

/// An expectation, in EDN and in JSON, and whether it is met after [`FILMS`] and [`CORRECTION`].
const EXPECTATIONS: &[(&str, &str, bool)] = &[
    ("{:basis 3}", r#"{"basis": 3}"#, true),
    ("{:basis 2}", r#"{"basis": 2}"#, false),
    (
        "{:entity [:film/title \"Salt\"] :unchanged-since 2}",
        r#"{"entity": [":film/title", "Salt"], "unchanged-since": 2}"#,
        true,
    ),
    (
        "{:entity [:film/title \"Harbour\"] :unchanged-since 2 :components true}",
        r#"{":entity": [":film/title", "Harbour"], ":unchanged-since": 2, "components": true}"#,
        false,
    ),
    (
        "{:entity [:film/title \"Salt\"] :attribute :film/year :is 2001}",
        r#"{"entity": [":film/title", "Salt"], "attribute": ":film/year", "is": 2001}"#,
        true,
    ),
    (
        "{:entity [:film/title \"Salt\"] :attribute :film/year :is nil}",
        r#"{"entity": [":film/title", "Salt"], "attribute": ":film/year", "is": null}"#,
        false,
    ),
    (
        "{:entity [:film/title \"Salt\"] :attribute :film/cast :is #{}}",
        r#"{"entity": [":film/title", "Salt"], "attribute": ":film/cast", "is": {"~set": []}}"#,
        true,
    ),
    (
        "{:query [:find ?f :where [?f :film/year 1990]] :is :nonempty}",
        r#"{"query": [":find", "?f", ":where", ["?f", ":film/year", 1990]], "is": ":nonempty"}"#,
        true,
    ),
    (
        "{:query [:find ?f :in $ ?y :where [?f :film/year ?y]] :args [1990] :is :empty}",
        r#"{"query": "[:find ?f :in $ ?y :where [?f :film/year ?y]]", "args": [1990], "is": ":empty"}"#,
        false,
    ),
    (
        "{:query [:find ?y :where [_ :film/year ?y]] :unchanged-since 2}",
        r#"{"query": [":find", "?y", ":where", ["_", ":film/year", "?y"]], "unchanged-since": 2}"#,
        false,
    ),
    (
        "{:patterns [[_ :film/year 1984] [_ :film/cast _]] :unchanged-since 3}",
        r#"{"patterns": [["_", ":film/year", 1984], ["_", ":film/cast", "_"]], "unchanged-since": 3}"#,
        true,
    ),
    (
        "{:patterns [[_ :film/cast] [_ :film/year 1985]] :unchanged-since 2}",
        r#"{"patterns": [["_", ":film/cast"], ["_", ":film/year", 1985]], "unchanged-since": 2}"#,
        false,
    ),
    (
        "{:patterns [[[:film/title \"Salt\"] _ _]] :unchanged-since 2}",
        r#"{"patterns": [[[":film/title", "Salt"], "_", "_"]], "unchanged-since": 2}"#,
        true,
    ),
];

#[test]
fn expectations_say_the_same_in_both_notations() {
    for (edn, json, met) in EXPECTATIONS {
        let site = films();
        let tx = r#"{:film/title "New"}"#;
        let edn_body = format!("{{:tx-data [{tx}] :expect [{edn}]}}");
        let json_body = format!(r#"{{"tx-data": [{{":film/title": "New"}}], "expect": [{json}]}}"#);
        if *met {
            // Whichever comes first keeps the other's answer, if they are the same request.
            let first = site.post(TRANSACT, &edn_body.replace(":expect", ":key \"k\" :expect")).ok();
            let same =
                site.post_json(TRANSACT, &json_body.replace("\"expect\"", "\"key\": \"k\", \"expect\""));
            let is_query_text = json.contains("\"[:find");
            assert_eq!(
                (same.status == 200, first.basis_t()),
                (!is_query_text, 4),
                "{edn} {json}: {}",
                same.text
            );
            continue;
        }
        for (content, body) in [(EDN, &edn_body), (JSON, &json_body)] {
            let reply =
                site.call("POST", TRANSACT, &[("content-type", content), ("accept", JSON)], Some(body));
            let problem = reply.json();
            assert_eq!(
                (reply.status, &problem["keyword"]),
                (409, &json!("db.error/expectation-failed")),
                "{body}: {problem}"
            );
            let failed = &problem["data"][":db.error/failed"];
            assert_eq!(failed.as_array().map(Vec::len), Some(1), "{problem}");
        }
        assert_eq!(site.get("/v1/db/main").basis_t(), 3, "{edn}");
    }
}

#[test]
fn all_that_is_not_as_expected_is_told_with_what_is_there_instead() {
    let site = films();
    let body = json!({
        "tx-data": [{":film/title": "New"}],
        "expect": [
            {"basis": 1},
            {"basis": 3},
            {"entity": [":film/title", "Salt"], "attribute": ":film/year", "is": 2002},
            {"patterns": [["_", ":film/year", "_"]], "unchanged-since": 2}
        ]
    });
    let reply = site.post_json(TRANSACT, &body.to_string());
    let problem = reply.json();
    assert_eq!((reply.status, &problem["category"]), (409, &json!("conflict")));
    let actual: Vec<&Value> =
        problem["data"][":db.error/failed"].as_array().unwrap().iter().map(|one| &one[":actual"]).collect();
    let pattern = json!({":changed-at": 3, ":pattern": ["_", ":film/year", "_"]});
    assert_eq!(actual, [&json!(3), &json!(2001), &pattern], "{problem}");
    assert_eq!(problem["data"][":db.error/basis-t"], 3);
}

#[test]
fn what_is_no_expectation_is_refused() {
    let site = films();
    for expect in [
        "{:basis 1 :more 2}",
        "{:entity [:film/title \"None\"] :unchanged-since 1}",
        "{:query [:find ?x :where] :is :empty}",
        "{:query [:find ?f :where [?f :film/year]] :is :full}",
        "{:patterns [[]] :unchanged-since 1}",
        "{:patterns [[_ _ 7]] :unchanged-since 1}",
        "{:entity 1 :attribute :film/year :is \"1\"}",
        "7",
        "{}",
    ] {
        let reply =
            site.post(TRANSACT, &format!("{{:tx-data [{{:film/title \"New\"}}] :expect [{expect}]}}"));
        let Edn::Map(problem) = reply.edn() else { panic!("{}", reply.text) };
        assert_eq!(reply.status, 400, "{expect}: {}", reply.text);
        assert!(problem[&Edn::keyword("keyword")].to_string().starts_with(":db.error/"), "{}", reply.text);
    }
    for body in [
        r#"{"tx": [], "expect": {"basis": 3}}"#,
        r#"{"tx": [], "expect": 7}"#,
        r#"{"tx": [], "expect": [7]}"#,
    ] {
        assert_eq!(site.post_json(TRANSACT, body).status, 400, "{body}");
    }
    assert_eq!(site.get("/v1/db/main").basis_t(), 3, "nothing was written");
}
