//! Every call, over a real connection.

use crate::support::*;
use annals::Edn;
use serde_json::json;

/// Rows in no promised order, in one order.
#[track_caller]
fn sorted(reply: Reply) -> String {
    let Edn::Vector(mut rows) = reply.ok().edn() else { panic!("no rows") };
    rows.sort();
    Edn::Vector(rows).to_string()
}

#[test]
fn databases_come_and_go() {
    let site = site();
    assert_eq!(site.get("/v1/db").ok().text, "[]");
    let created = site.call("PUT", "/v1/db/music", &[], None);
    assert_eq!((created.status, created.basis_t()), (201, 0));
    assert_eq!(site.call("PUT", "/v1/db/music", &[], None).status, 200);
    assert_eq!(site.get("/v1/db").text, "[\"music\"]");
    assert_eq!(site.get_json("/v1/db").json(), json!(["music"]));
    let description = site.get_json("/v1/db/music").ok().json();
    assert_eq!(description["name"], "music");
    assert_eq!(description["basis-t"], 0);
    assert_eq!(description["attributes"], 0);
    assert_eq!(site.call("DELETE", "/v1/db/music", &[], None).ok().text, "{:deleted \"music\"}");
    assert_eq!(site.call("DELETE", "/v1/db/music", &[], None).status, 404);
    assert_eq!(site.get("/v1/db/music").status, 404);
}

#[test]
fn a_fork_is_a_database_of_its_own() {
    let site = films();
    let fork = site.post("/v1/db/main/fork", "{:to \"trial\" :t 2}");
    assert_eq!((fork.status, fork.basis_t()), (201, 2));
    assert!(fork.text.contains(":basis-t 2") && fork.text.contains(":name \"trial\""), "{}", fork.text);
    let json = site.post_json("/v1/db/main/fork", r#"{"to": "second", "t": "2020-02-15"}"#);
    assert_eq!((json.status, json.basis_t()), (201, 2));
    assert_eq!(site.post("/v1/db/trial/transact", "[{:db/doc \"mine\"}]").ok().basis_t(), 3);
    assert_eq!(site.call("DELETE", "/v1/db/main", &[], None).status, 200);
    assert_eq!(site.post("/v1/db/second/fork", "{:to \"main\"}").basis_t(), 2);
    let refused = |body: &str| {
        let reply = site.post("/v1/db/main/fork", body);
        let Edn::Map(problem) = reply.edn() else { panic!("a problem is a map: {}", reply.text) };
        (reply.status, problem[&Edn::keyword("keyword")].to_string())
    };
    let keyword = |text: &str| format!(":{text}");
    assert_eq!(refused("{:to \"trial\"}"), (409, keyword("db.error/db-exists")));
    assert_eq!(refused("{:to \"late\" :t 99}"), (400, keyword("db.error/fork-beyond-basis")));
    assert_eq!(refused("{:to 7}"), (400, keyword("db.error/bad-field")));
    assert_eq!(refused("{:t 1}"), (400, keyword("db.error/missing-field")));
    assert_eq!(refused("{:to \"a\" :as-of 1}"), (400, keyword("db.error/unknown-field")));
    assert_eq!(site.post("/v1/db/nobody/fork", "{:to \"a\"}").status, 404);
}

#[test]
fn a_description_counts() {
    let description = films().get_json("/v1/db/main").ok().json();
    assert_eq!(description["basis-t"], 3);
    assert_eq!(description["attributes"], 4);
    assert_eq!(description["instant"], "2020-03-01T00:00:00.000Z");
    assert!(description["stats"].is_object());
}

#[test]
fn the_schema_tells_attributes_and_counts() {
    let site = films();
    let schema = site.get_json("/v1/db/main/schema").ok().json();
    let year =
        schema.as_array().unwrap().iter().find(|attribute| attribute["ident"] == ":film/year").unwrap();
    assert_eq!((&year["value-type"], &year["count"]), (&json!(":db.type/long"), &json!(3)));
    assert_eq!(schema.as_array().unwrap().len(), 4);
    let all = site.get_json("/v1/db/main/schema?system=true").ok().json();
    assert!(all.as_array().unwrap().iter().any(|attribute| attribute["ident"] == ":db/ident"));
}

#[test]
fn a_transaction_gives_a_report() {
    let site = films();
    let reply =
        site.post_json("/v1/db/main/transact", r#"{"tx": [{":db/id": "x", ":film/title": "Mole"}]}"#).ok();
    assert_eq!((reply.basis_t(), reply.head_t()), (4, 4));
    let report = reply.json();
    assert_eq!(report["db-before"]["basis-t"], 3);
    assert_eq!(report["db-after"]["basis-t"], 4);
    assert_eq!(report["t"], 4);
    let (x, tx) = (&report["tempids"]["x"], &report["tx"]);
    let datoms = report["datoms"].as_array().unwrap();
    assert!(datoms.contains(&json!([x, ":film/title", "Mole", tx, true])), "{datoms:?}");
    assert!(
        datoms.iter().any(|datom| datom[1] == ":db/txInstant" && datom[2] == report["instant"]),
        "{datoms:?}"
    );
}

#[test]
fn transaction_data_in_every_dress() {
    let site = films();
    let path = "/v1/db/main/transact";
    site.post(path, r#"[{:film/title "A"}]"#).ok();
    site.post(path, r#"{:tx-data [{:film/title "B"}]}"#).ok();
    site.post(path, r#""[{:film/title \"C\"}]""#).ok();
    site.post_json(path, r#"[{":film/title": "D"}]"#).ok();
    site.post_json(path, r#"{"tx-data": "[{:film/title \"E\"}]"}"#).ok();
    let tagged = r#"[{":film/title": "F"}, [{"~kw": "db/add"}, "f", {"~kw": "film/title"}, ":a/b"]]"#;
    site.post_json("/v1/db/main/transact?types=tagged", tagged).ok();
    let titles = sorted(site.query("[:find [?t ...] :where [_ :film/title ?t]]"));
    assert_eq!(titles, r#"[":a/b" "A" "B" "C" "D" "E" "F" "Harbour" "Salt" "Tide"]"#);
}

#[test]
fn with_keeps_nothing() {
    let site = films();
    let reply = site.post("/v1/db/main/with", r#"[{:film/title "Dream"}]"#).ok();
    let Edn::Map(report) = reply.edn() else { panic!("{}", reply.text) };
    assert_eq!(report[&Edn::keyword("db-after")].to_string(), "{:basis-t 4}");
    assert_eq!(reply.head_t(), 3);
    assert_eq!(site.query(r#"[:find ?f . :where [?f :film/title "Dream"]]"#).ok().text, "nil");
}

#[test]
fn every_find_shape() {
    let site = films();
    let rows = sorted(site.query("[:find ?t ?y :where [?f :film/title ?t] [?f :film/year ?y]]"));
    assert_eq!(rows, r#"[["Harbour" 1985] ["Salt" 2001] ["Tide" 1990]]"#);
    assert_eq!(sorted(site.query("[:find [?y ...] :where [_ :film/year ?y]]")), "[1985 1990 2001]");
    assert_eq!(
        site.query("[:find [?t ?y] :where [?f :film/title ?t] [?f :film/year ?y] [(= ?y 1990)]]").text,
        "[\"Tide\" 1990]"
    );
    assert_eq!(site.query("[:find (max ?y) . :where [_ :film/year ?y]]").text, "2001");
    assert_eq!(site.query("[:find ?f . :where [?f :film/year 1]]").text, "nil");
    let maps =
        sorted(site.query(
            "[:find ?t ?y :keys title year :where [?f :film/title ?t] [?f :film/year ?y] [(< 2000 ?y)]]",
        ));
    assert_eq!(maps, r#"[{:title "Salt", :year 2001}]"#);
}

#[test]
fn a_query_in_every_dress() {
    let site = films();
    let want = r#"["Salt"]"#;
    for body in [
        r#"[:find [?t ...] :where [?f :film/title ?t] [?f :film/year 2001]]"#,
        r#"{:find [[?t ...]] :where [[?f :film/title ?t] [?f :film/year 2001]]}"#,
        r#""[:find [?t ...] :where [?f :film/title ?t] [?f :film/year 2001]]""#,
        r#"{:query [:find [?t ...] :in $ ?y :where [?f :film/title ?t] [?f :film/year ?y]] :args [2001]}"#,
        r#"{:query {:find [[?t ...]] :in [$ ?y] :where [[?f :film/title ?t] [?f :film/year ?y]]} :args [2001]}"#,
        r#"{:query "[:find [?t ...] :in $ ?y :where [?f :film/title ?t] [?f :film/year ?y]]" :args [2001]}"#,
        r#"{:query [:find [?t ...] :in $ % ?y :where (of ?t ?y)] :args [2001]
            :rules [[(of ?t ?y) [?f :film/title ?t] [?f :film/year ?y]]]}"#,
        r#"{:query {:find [[?t ...]] :in [$ ?y %] :where [(of ?t ?y)]} :args [2001]
            :rules "[[(of ?t ?y) [?f :film/title ?t] [?f :film/year ?y]]]"}"#,
    ] {
        assert_eq!(site.query(body).ok().text, want, "{body}");
        let query = site.call("QUERY", "/v1/db/main/query", &[("content-type", EDN)], Some(body));
        assert_eq!(query.ok().text, want, "QUERY {body}");
    }
    for body in [
        r#"{"query": "[:find [?t ...] :in $ ?y :where [?f :film/title ?t] [?f :film/year ?y]]", "args": [2001]}"#,
        r#"{"query": [":find", ["?t", "..."], ":in", "$", "?y",
                      ":where", ["?f", ":film/title", "?t"], ["?f", ":film/year", "?y"]], "args": [2001]}"#,
        r#"{"query": [":find", ["?t", "..."], ":in", "$", "%", ":where", ["of", "?t", 2001]],
            "rules": [[["of", "?t", "?y"], ["?f", ":film/title", "?t"], ["?f", ":film/year", "?y"]]]}"#,
        r#"{":find": [["?t", "..."]], ":where": [["?f", ":film/title", "?t"], ["?f", ":film/year", 2001]]}"#,
        r#"[":find", ["?t", "..."], ":where", ["?f", ":film/title", "?t"], ["?f", ":film/year", 2001]]"#,
    ] {
        assert_eq!(site.post_json("/v1/db/main/query", body).ok().text, want, "{body}");
    }
    let query = encoded("[:find [?t ...] :in $ ?y :where [?f :film/title ?t] [?f :film/year ?y]]");
    assert_eq!(site.get(&format!("/v1/db/main/query?query={query}&args=%5B2001%5D")).ok().text, want);
}

#[test]
fn a_query_about_the_past() {
    let site = films();
    let year = "[:find ?y . :where [?f :film/title \"Harbour\"] [?f :film/year ?y]]";
    assert_eq!(site.query(year).text, "1985");
    for as_of in ["2", "13194139533314", "2020-02-15", "2020-02-01T00:00:00Z"] {
        let path = format!("/v1/db/main/query?as-of={}", encoded(as_of));
        assert_eq!(site.post(&path, year).ok().text, "1984", "{as_of}");
        let as_of = if as_of.contains('-') { format!("#inst \"{as_of}\"") } else { as_of.to_owned() };
        assert_eq!(site.query(&format!("{{:query {year} :as-of {as_of}}}")).ok().text, "1984", "{as_of}");
    }
    assert_eq!(site.query(&format!("{{:query {year} :as-of \"2020-02-15\"}}")).ok().text, "1984");
    let body = json!({"query": year, "as-of": "2020-02-15"}).to_string();
    assert_eq!(site.post_json("/v1/db/main/query", &body).ok().text, "1984");
    let changes = "{:query [:find ?y ?added :in $ ?f :where [?f :film/year ?y _ ?added]]
                    :args [[:film/title \"Harbour\"]] :history true}";
    assert_eq!(sorted(site.query(changes)), "[[1984 false] [1984 true] [1985 true]]");
    let since = "{:query [:find [?y ...] :where [_ :film/year ?y]] :since 2}";
    assert_eq!(sorted(site.query(since)), "[1985]");
}

#[test]
fn other_views_and_other_databases_as_inputs() {
    let site = films();
    let query = "[:find ?t ?then ?now :in $ $then
                  :where [?f :film/title ?t] [?f :film/year ?now] [$then ?f :film/year ?then] [(not= ?then ?now)]]";
    let want = r#"[["Harbour" 1984 1985]]"#;
    assert_eq!(site.query(&format!("{{:query {query} :args [#annals/db {{:as-of 2}}]}}")).ok().text, want);
    let body = json!({"query": query, "args": [{"~db": {"as-of": "2020-02-15"}}]}).to_string();
    let rows = site.post_json("/v1/db/main/query", &body).ok().json();
    assert_eq!(rows, json!([["Harbour", 1984, 1985]]));

    let other = site.store.database("other").unwrap();
    other.transact(SCHEMA).unwrap();
    other.transact(r#"[{:film/title "Salt" :film/year 7}]"#).unwrap();
    let query = "[:find ?here ?there :in $ $o
                  :where [?f :film/title ?t] [?f :film/year ?here] [$o ?g :film/title ?t] [$o ?g :film/year ?there]]";
    let asked = format!("{{:query {query} :args [#annals/db {{:name \"other\"}}]}}");
    assert_eq!(site.query(&asked).ok().text, "[[2001 7]]");
    let missing = format!("{{:query {query} :args [#annals/db {{:name \"nowhere\"}}]}}");
    assert_eq!(site.query(&missing).status, 404);
}

#[test]
fn a_query_without_a_database() {
    assert_eq!(sorted(films().query("{:query [:find ?x :in [?x ...]] :args [[1 2 2]]}")), "[[1] [2]]");
}

#[test]
fn limit_and_explain() {
    let site = films();
    let all = "[:find [?t ...] :where [_ :film/title ?t]]";
    let Edn::Vector(two) = site.query(&format!("{{:query {all} :limit 2}}")).ok().edn() else { panic!() };
    assert_eq!(two.len(), 2);
    let plan =
        site.post_json("/v1/db/main/query", &json!({"query": all, "explain": true}).to_string()).ok().json();
    assert!(plan["plan"].as_str().is_some_and(|text| text.contains(":film/title")), "{plan}");
}

#[test]
fn rows_as_csv_and_lines() {
    let site = films();
    let query = "[:find ?t ?y :where [?f :film/title ?t] [?f :film/year ?y] [(< 2000 ?y)]]";
    let path = format!("/v1/db/main/query?query={}", encoded(query));
    let csv = site.call("GET", &path, &[("accept", "text/csv")], None).ok();
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8; header=present");
    let (head, rows) = csv.text.split_once("\r\n").unwrap();
    assert_eq!((head.split(',').count(), rows), (2, "Salt,2001\r\n"));
    let lines = site.call("GET", &path, &[("accept", "application/x-ndjson")], None).ok();
    assert_eq!(lines.text, "[\"Salt\",2001]\n");
}

#[test]
fn json_plain_and_tagged() {
    let site = films();
    let query = r#"{"query": "[:find [?a ?i] :where [?tx :db/txInstant ?i ?tx] [?f :film/title \"Salt\" ?tx] [?f ?attr] [?attr :db/ident ?a] [(= ?a :film/year)]]"}"#;
    let plain = site.post_json("/v1/db/main/query", query).ok();
    assert_eq!(plain.json(), json!([":film/year", "2020-02-01T00:00:00.000Z"]));
    let tagged = site.post_json("/v1/db/main/query?types=tagged", query).ok();
    assert_eq!(tagged.json(), json!([{"~kw": "film/year"}, {"~inst": "2020-02-01T00:00:00.000Z"}]));
}

#[test]
fn pulls() {
    let site = films();
    let one = r#"{:pattern [:film/title {:film/cast [:person/name]}] :entity [:film/title "Tide"]}"#;
    let want = r#"{:film/cast [{:person/name "Ann"}], :film/title "Tide"}"#;
    assert_eq!(site.post("/v1/db/main/pull", one).ok().text, want);
    assert_eq!(site.call("QUERY", "/v1/db/main/pull", &[("content-type", EDN)], Some(one)).ok().text, want);
    let many = r#"{"pattern": [":film/year"], "entities": [[":film/title", "Salt"], [":film/title", "Harbour"]],
                   "as-of": 2}"#;
    let many = site.post_json("/v1/db/main/pull", many).ok();
    assert_eq!(many.json(), json!([{":film/year": 2001}, {":film/year": 1984}]));
    let back = r#"{"pattern": "[{:film/_cast [:film/title]}]", "entity": [":person/name", "Ann"]}"#;
    let back = site.post_json("/v1/db/main/pull", back).ok().json();
    assert_eq!(back[":film/_cast"].as_array().map(Vec::len), Some(2), "{back}");
}

#[test]
fn entities_by_path() {
    let site = films();
    let path = format!("/v1/db/main/entity/{}", encoded("[:film/title \"Salt\"]"));
    let salt = site.get_json(&path).ok().json();
    assert_eq!((&salt[":film/title"], &salt[":film/year"]), (&json!("Salt"), &json!(2001)));
    assert_eq!(site.get_json(&format!("/v1/db/main/entity/{}", salt[":db/id"])).ok().json(), salt);
    assert_eq!(site.get_json("/v1/db/main/entity/:film/title").ok().json()[":db/ident"], ":film/title");
    let pattern = format!("{path}?pattern={}", encoded("[:film/year]"));
    assert_eq!(site.get(&pattern).ok().text, "{:film/year 2001}");
    assert_eq!(site.get(&format!("{path}?as-of=1")).status, 404);
    assert_eq!(site.get("/v1/db/main/entity/99999999999").status, 404);
}

#[test]
fn datoms_of_every_index() {
    let site = films();
    let years = |reply: Reply| -> Vec<i64> {
        reply.ok().json().as_array().unwrap().iter().filter_map(|datom| datom[2].as_i64()).collect()
    };
    assert_eq!(years(site.get_json("/v1/db/main/datoms/avet?a=:film/year")), [1985, 1990, 2001]);
    assert_eq!(years(site.get_json("/v1/db/main/datoms/avet?a=:film/year&as-of=2")), [1984, 1990, 2001]);
    assert_eq!(years(site.get_json("/v1/db/main/datoms/avet?a=:film/year&v=1990")), [1990]);
    let by_vector = format!("/v1/db/main/datoms/avet?components={}", encoded("[:film/year 1990]"));
    assert_eq!(years(site.get_json(&by_vector)), [1990]);
    let salt = encoded("[:film/title \"Salt\"]");
    assert_eq!(years(site.get_json(&format!("/v1/db/main/datoms/eavt?e={salt}&a=:film/year"))), [2001]);
    assert_eq!(years(site.get_json("/v1/db/main/datoms/aevt?a=:film/year")).len(), 3);
    let ann = encoded("[:person/name \"Ann\"]");
    let to_ann = site.get_json(&format!("/v1/db/main/datoms/vaet?v={ann}")).ok().json();
    assert_eq!(to_ann.as_array().unwrap().len(), 2, "{to_ann}");
    assert!(to_ann.as_array().unwrap().iter().all(|datom| datom[1] == ":film/cast"));
    let csv = site.call("GET", "/v1/db/main/datoms/avet?a=:film/year", &[("accept", "text/csv")], None).ok();
    assert!(
        csv.text.starts_with("e,a,v,tx,added\r\n") && csv.text.contains(",:film/year,1985,"),
        "{}",
        csv.text
    );
    assert_eq!(site.get("/v1/db/main/datoms/eavt?a=:film/year").status, 400);
}

#[test]
fn datoms_page_by_page_of_one_moment() {
    let site = films();
    let mut path = "/v1/db/main/datoms/avet?a=:film/year&limit=2".to_owned();
    let mut years = Vec::new();
    for page in 0.. {
        let reply = site.get_json(&path).ok();
        years.extend(reply.json().as_array().unwrap().iter().map(|datom| datom[2].as_i64().unwrap()));
        if page == 0 {
            site.post("/v1/db/main/transact", "[{:film/title \"New\" :film/year 1900}]").ok();
        }
        match reply.header("link").strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\"")) {
            Some(next) => path = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(years, [1985, 1990, 2001]);
}

#[test]
fn the_log() {
    let site = films();
    let all = site.get_json("/v1/db/main/log").ok().json();
    let ts: Vec<_> = all.as_array().unwrap().iter().map(|tx| tx["t"].as_u64().unwrap()).collect();
    assert!(ts.ends_with(&[1, 2, 3]), "{ts:?}");
    let some = site.get_json("/v1/db/main/log?from=2&to=3").ok().json();
    assert_eq!(some.as_array().unwrap().len(), 1);
    assert_eq!(some[0]["instant"], "2020-02-01T00:00:00.000Z");
    let datoms = some[0]["datoms"].as_array().unwrap();
    assert!(datoms.iter().any(|datom| datom[1] == ":film/year" && datom[2] == 2001), "{datoms:?}");
    let last = site.get_json("/v1/db/main/log?from=2020-02-15").ok().json();
    assert_eq!(last.as_array().unwrap().len(), 1, "{last}");
    let corrections: Vec<_> =
        last[0]["datoms"].as_array().unwrap().iter().filter(|d| d[1] == ":film/year").collect();
    assert_eq!(corrections.len(), 2, "{last}");

    let first = site.get_json("/v1/db/main/log?from=1&limit=2").ok();
    let next =
        first.header("link").strip_prefix('<').and_then(|link| link.split('>').next()).unwrap().to_owned();
    let second = site.get_json(&next).ok();
    assert_eq!(second.json()[0]["t"], 3);
    assert_eq!(second.header("link"), "");

    let lines = site.call("GET", "/v1/db/main/log?from=2", &[("accept", "application/x-ndjson")], None).ok();
    let ts: Vec<_> = lines
        .text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["t"].clone())
        .collect();
    assert_eq!(ts, [2, 3]);
    let csv = site.call("GET", "/v1/db/main/log?from=3", &[("accept", "text/csv")], None).ok();
    assert!(
        csv.text.starts_with("t,instant,e,a,v,tx,added\r\n") && csv.text.contains(",1984,"),
        "{}",
        csv.text
    );
}

#[test]
fn probes_and_the_page() {
    let site = films();
    assert_eq!(site.get("/health/live").ok().text, "{:status :live}");
    assert_eq!(
        site.get_json("/health/ready").ok().json(),
        json!({"status": "ready", "reasons": [], "databases": []})
    );
    let page = site.get("/").ok();
    assert_eq!(page.header("content-type"), "text/plain; charset=utf-8");
    assert!(page.text.contains("/v1/db/{db}/query"), "{}", page.text);
    let head = site.call("HEAD", "/v1/db/main", &[], None);
    assert_eq!((head.status, head.text.as_str(), head.basis_t()), (200, "", 3));
}

#[test]
fn a_stopped_server_answers_no_more() {
    let site = films();
    let url = site.server.url();
    site.get("/health/live").ok();
    site.server.stop();
    assert!(ureq::get(format!("{url}/health/live")).call().is_err());
}
