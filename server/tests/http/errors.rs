//! What goes wrong, and what the asker is told: status, category, keyword, place, hint.

use crate::support::*;
use annals_server::{ServeError, ServerOptions, serve};

/// One row: method, path, content type, body; status, category, keyword.
type Row = (&'static str, &'static str, &'static str, &'static str, u16, &'static str, &'static str);

const QUERY: &str = "/v1/db/main/query";
const TRANSACT: &str = "/v1/db/main/transact";

const TABLE: &[Row] = &[
    // What is at the door.
    ("GET", "/v2/db", "", "", 404, "not-found", "db.error/unknown-path"),
    ("GET", "/v1/db/main/nothing", "", "", 404, "not-found", "db.error/unknown-path"),
    ("PATCH", "/v1/db/main", "", "", 405, "unsupported", "db.error/unknown-method"),
    ("DELETE", QUERY, "", "", 405, "unsupported", "db.error/unknown-method"),
    ("GET", "/v1/db?asof=3", "", "", 400, "incorrect", "db.error/unknown-parameter"),
    ("GET", "/v1/db/main?min-t=1&min-t=2", "", "", 400, "incorrect", "db.error/bad-parameter"),
    ("GET", "/v1/db/main/log?limit=many", "", "", 400, "incorrect", "db.error/bad-parameter"),
    ("GET", "/v1/db/main/log?types=other", "", "", 400, "incorrect", "db.error/bad-parameter"),
    ("GET", "/v1/db/main/log?from=yesterday", "", "", 400, "incorrect", "db.error/invalid-time-point"),
    ("GET", "/v1/db/main/datoms/nope", "", "", 400, "incorrect", "db.error/unknown-index"),
    ("POST", QUERY, "text/plain", "[:find ?x]", 415, "unsupported", "db.error/unsupported-media-type"),
    (
        "POST",
        QUERY,
        "application/x-www-form-urlencoded",
        "x",
        415,
        "unsupported",
        "db.error/unsupported-media-type",
    ),
    ("GET", "/v1/db/nowhere", "", "", 404, "not-found", "db.error/db-not-found"),
    ("POST", "/v1/db/nowhere/transact", EDN, "[]", 404, "not-found", "db.error/db-not-found"),
    // Bodies.
    ("POST", QUERY, EDN, "[:find ?e :where [?e :film/title", 400, "incorrect", "db.error/syntax"),
    ("POST", QUERY, JSON, "{\"query\": ", 400, "incorrect", "db.error/bad-json"),
    ("POST", QUERY, JSON, "{\"query\": \"[:find\"}", 400, "incorrect", "db.error/syntax"),
    ("POST", QUERY, EDN, "", 400, "incorrect", "db.error/missing-field"),
    ("POST", QUERY, EDN, "{:args [1]}", 400, "incorrect", "db.error/missing-field"),
    (
        "POST",
        QUERY,
        EDN,
        "{:query [:find ?e :where [?e :film/year 1]] :as-off 2}",
        400,
        "incorrect",
        "db.error/unknown-field",
    ),
    (
        "POST",
        QUERY,
        EDN,
        "{:query [:find ?e :where [?e :film/year 1]] :as-of :then}",
        400,
        "incorrect",
        "db.error/invalid-time-point",
    ),
    (
        "POST",
        QUERY,
        EDN,
        "{:query [:find ?e :where [?e :film/year 1]] :history 1}",
        400,
        "incorrect",
        "db.error/bad-field",
    ),
    (
        "POST",
        QUERY,
        EDN,
        "{:query [:find ?e :where [?e :film/year 1]] :rules []}",
        400,
        "incorrect",
        "db.error/input-arity",
    ),
    (
        "POST",
        QUERY,
        EDN,
        "{:query [:find ?e :in $ $b :where [?e :film/year 1]] :args [#annals/db {:asof 1}]}",
        400,
        "incorrect",
        "db.error/bad-view",
    ),
    (
        "POST",
        QUERY,
        JSON,
        "{\"query\": \"[:find ?e :in $ ?y :where [?e :film/year ?y]]\", \"args\": [{\"~nope\": 1}]}",
        400,
        "incorrect",
        "db.error/unknown-json-tag",
    ),
    ("POST", TRANSACT, EDN, "", 400, "incorrect", "db.error/missing-field"),
    ("POST", TRANSACT, EDN, "{:tx-data [] :more 1}", 400, "incorrect", "db.error/unknown-field"),
    ("POST", "/v1/db/main/pull", EDN, "{:pattern [*]}", 400, "incorrect", "db.error/missing-field"),
    ("POST", "/v1/db/main/pull", EDN, "[*]", 400, "incorrect", "db.error/bad-body"),
];

#[test]
fn a_table_of_errors() {
    let site = films();
    for &(method, path, content, body, status, category, keyword) in TABLE {
        let headers: &[(&str, &str)] = if content.is_empty() {
            &[("accept", JSON)]
        } else {
            &[("accept", JSON), ("content-type", content)]
        };
        let body = (!content.is_empty()).then_some(body);
        let reply = site.call(method, path, headers, body);
        let row = format!("{method} {path} {body:?}: {}", reply.text);
        assert_eq!(reply.status, status, "{row}");
        assert_eq!(reply.header("content-type"), "application/problem+json", "{row}");
        let problem = reply.json();
        assert_eq!(problem["status"], status, "{row}");
        assert_eq!(problem["category"], category, "{row}");
        assert_eq!(problem["keyword"], keyword, "{row}");
        let name = keyword.strip_prefix("db.error/").unwrap();
        assert_eq!(problem["type"], format!("urn:annals:error:{name}"), "{row}");
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{row}");
        if path.starts_with("/v1/db/main/")
            && matches!(status, 400)
            && body.is_some_and(|body| body.contains('}'))
        {
            // As far as the database was looked at, its basis is told.
            assert!(reply.headers.get("annals-head-t").is_none_or(|_| reply.head_t() == 3), "{row}");
        }
    }
}

/// What the library refuses, by category; the keyword is its own affair, but there must be one.
#[test]
fn errors_of_the_library_keep_category_and_basis() {
    let site = films();
    for (path, body, status, category) in [
        (TRANSACT, r#"[{:film/title "X" :film/colour "b/w"}]"#, 400, "incorrect"),
        (TRANSACT, r#"[{:film/title "X" :film/year "1985"}]"#, 400, "incorrect"),
        (TRANSACT, r#"[[:db/cas [:film/title "Salt"] :film/year 1 2]]"#, 409, "conflict"),
        (QUERY, "[:find ?t ?x :where [?f :film/title ?t]]", 400, "incorrect"),
        (QUERY, "[:find ?t :where [?f :film/title ?t] [(no-such-function ?t)]]", 400, "incorrect"),
        (QUERY, "{:query [:find ?t :in $ ?x :where [?f :film/title ?t]] :args []}", 400, "incorrect"),
        ("/v1/db/main/pull", "{:pattern [:film/title {}] :entity 1}", 400, "incorrect"),
    ] {
        let headers = [("accept", JSON), ("content-type", EDN)];
        let reply = site.call("POST", path, &headers, Some(body));
        let problem = reply.json();
        assert_eq!((reply.status, &problem["category"]), (status, &category.into()), "{body}: {problem}");
        assert!(
            problem["keyword"].as_str().is_some_and(|keyword| keyword.starts_with("db.error/")),
            "{problem}"
        );
        assert_eq!((reply.basis_t(), reply.head_t()), (3, 3), "{body}");
    }
    assert_eq!(site.get("/v1/db/main").basis_t(), 3, "nothing was written");
}

#[test]
fn an_edn_asker_gets_the_problem_in_edn() {
    let site = films();
    let reply = site.query("[:find ?x :where");
    assert_eq!((reply.status, reply.header("content-type")), (400, "application/edn; charset=utf-8"));
    let annals::Edn::Map(problem) = reply.edn() else { panic!("{}", reply.text) };
    let field = |name: &str| problem[&annals::Edn::keyword(name)].to_string();
    assert_eq!(
        (field("category"), field("keyword"), field("status")),
        (":incorrect".into(), ":db.error/syntax".into(), "400".into())
    );
}

#[test]
fn errors_point_into_what_was_sent() {
    let site = films();
    let place = |content: &str, body: &str| {
        let reply = site.call("POST", QUERY, &[("accept", JSON), ("content-type", content)], Some(body));
        let problem = reply.json();
        let span = &problem["span"];
        let (start, end) = (span["start"].as_u64(), span["end"].as_u64());
        let (Some(start), Some(end)) = (start, end) else { panic!("no place in {problem}") };
        (
            span["of"].as_str().unwrap().to_owned(),
            start as usize,
            end as usize,
            span["line"].as_u64().unwrap(),
        )
    };
    let body = "{:query\n [:find ?t :where [?f :film/title ?t]\n  [(no-such-function ?t)]]}";
    let (of, start, end, line) = place(EDN, body);
    assert_eq!((of.as_str(), line), ("body", 3));
    assert!(body[start..end].contains("no-such-function"), "{}", &body[start..end]);

    let query = "[:find ?t :where [?f :film/title ?t] [(no-such-function ?t)]]";
    let (of, start, end, _) = place(JSON, &serde_json::json!({ "query": query }).to_string());
    assert_eq!(of, "query");
    assert!(query[start..end].contains("no-such-function"), "{}", &query[start..end]);
}

#[test]
fn a_wrong_method_is_told_the_right_ones() {
    let reply = films().call("DELETE", QUERY, &[], None);
    assert_eq!((reply.status, reply.header("allow")), (405, "POST, QUERY, GET, HEAD"));
}

#[test]
fn what_cannot_be_written_as_wished_is_refused_before_it_is_done() {
    let site = films();
    let headers = [("content-type", EDN), ("accept", "text/csv")];
    let reply = site.call("POST", TRANSACT, &headers, Some("[{:film/title \"X\"}]"));
    assert_eq!((reply.status, reply.header("content-type")), (406, "application/problem+json"));
    assert_eq!(site.get("/v1/db/main").basis_t(), 3, "nothing was written");
}

#[test]
fn bodies_have_a_limit_and_the_refusal_can_be_read() {
    let site = films_with(ServerOptions { body_bytes: 1000, ..ServerOptions::default() });
    let within = format!("[{{:film/title {:?}}}]", "x".repeat(900));
    assert_eq!(site.post(TRANSACT, &within).status, 200);
    let large = format!("[{{:film/title {:?}}}]", "x".repeat(20 << 20));
    let reply = site.call("POST", TRANSACT, &[("content-type", EDN), ("accept", JSON)], Some(&large));
    assert_eq!((reply.status, &reply.json()["keyword"]), (413, &"db.error/body-too-large".into()));
}

#[test]
fn bytes_that_are_no_text_and_texts_that_nest_too_deep() {
    let site = films();
    let mut request = ureq::http::Request::builder().method("POST").uri(site.server.url() + QUERY);
    request = request.header("content-type", EDN);
    let response = site.agent.run(request.body(vec![0xff_u8, 0xfe, b'[']).unwrap()).unwrap();
    assert_eq!(response.status().as_u16(), 400);
    for (content, open) in [(EDN, "["), (JSON, "["), (EDN, "{:a "), (JSON, "{\"a\":")] {
        let reply = site.call("POST", QUERY, &[("content-type", content)], Some(&open.repeat(100_000)));
        assert_eq!(reply.status, 400, "{content} {open} {}", reply.text);
    }
    assert_eq!(site.get("/health/live").status, 200);
}

#[test]
fn pages_of_other_origins_are_refused() {
    let site = films();
    let local = site.server.url();
    assert_eq!(site.call("GET", "/v1/db", &[("origin", "https://evil.example")], None).status, 403);
    assert_eq!(site.call("GET", "/v1/db", &[("host", "evil.example")], None).status, 403);
    assert_eq!(site.call("GET", "/v1/db", &[("origin", &local)], None).status, 200);
    let port = site.server.local_addr().port();
    assert_eq!(site.call("GET", "/v1/db", &[("host", &format!("localhost:{port}"))], None).status, 200);
}

#[test]
fn only_this_machine_unless_told() {
    let store = annals::connect("mem:").unwrap();
    let listen = "0.0.0.0:0".parse().unwrap();
    let refused = serve(store.clone(), ServerOptions { listen, ..ServerOptions::default() }).unwrap_err();
    assert!(matches!(refused, ServeError::Exposed(_)));
    assert_eq!(refused.keyword(), "db.error/exposed-address");
    serve(store, ServerOptions { listen, insecure: true, ..ServerOptions::default() }).unwrap().stop();
}

#[test]
fn a_taken_address_is_named() {
    let site = films();
    let listen = site.server.local_addr();
    let refused =
        serve(site.store.clone(), ServerOptions { listen, ..ServerOptions::default() }).unwrap_err();
    assert!(refused.to_string().contains(&listen.to_string()), "{refused}");
}
