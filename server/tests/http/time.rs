//! How long answers stay true: tags, caching, and the demand for a basis.

use std::time::{Duration, Instant};

use crate::support::*;

const IMMUTABLE: &str = "private, max-age=31536000, immutable";
const ASK_AGAIN: &str = "private, no-cache";

fn by_address(query: &str, more: &str) -> String {
    format!("/v1/db/main/query?query={}{more}", encoded(query))
}

const YEARS: &str = "[:find [?y ...] :where [_ :film/year ?y]]";

#[test]
fn an_answer_about_a_fixed_moment_never_changes() {
    let site = films();
    for moment in ["2", "3", "13194139533315", "2020-02-15"] {
        let path = by_address(YEARS, &format!("&as-of={moment}"));
        let first = site.get(&path).ok();
        assert_eq!(first.header("cache-control"), IMMUTABLE, "as of {moment}");
        let tag = first.header("etag").to_owned();
        site.post("/v1/db/main/transact", "[{:film/title \"More\" :film/year 2020}]").ok();
        let again = site.call("GET", &path, &[("if-none-match", &tag)], None);
        assert_eq!((again.status, again.text.as_str(), again.header("etag")), (304, "", tag.as_str()));
        // Rows come in no promised order.
        assert_eq!(sorted(&site.get(&path).ok().text), sorted(&first.text));
    }
}

fn sorted(text: &str) -> Vec<&str> {
    let mut words: Vec<&str> = text.trim_matches(['[', ']', '\n']).split_whitespace().collect();
    words.sort_unstable();
    words
}

#[test]
fn an_answer_about_the_present_is_true_until_the_next_transaction() {
    // The instant of the newest transaction, or a later one, is the present: the next may still carry it.
    for more in ["", "&as-of=2020-03-01", "&as-of=9999-01-01", "&as-of=999"] {
        let site = films();
        let path = by_address(YEARS, more);
        let first = site.get(&path).ok();
        assert_eq!(first.header("cache-control"), ASK_AGAIN, "{more}");
        let tag = first.header("etag").to_owned();
        let tags = format!("\"x\", {tag}");
        assert_eq!(site.call("GET", &path, &[("if-none-match", &tags)], None).status, 304);
        site.post("/v1/db/main/transact", "[{:film/title \"More\"}]").ok();
        assert_eq!(site.call("GET", &path, &[("if-none-match", &tag)], None).status, 200, "{more}");
    }
}

#[test]
fn tags_tell_requests_apart() {
    let site = films();
    let tag = |path: &str, accept: &str| {
        site.call("GET", path, &[("accept", accept)], None).ok().header("etag").to_owned()
    };
    let base = by_address(YEARS, "&as-of=2");
    let mut tags = vec![
        tag(&base, EDN),
        tag(&base, JSON),
        tag(&base, "text/csv"),
        tag(&by_address(YEARS, "&as-of=2&types=tagged"), JSON),
        tag(&by_address(YEARS, "&as-of=3"), EDN),
        tag(&by_address(YEARS, "&as-of=2&history=true"), EDN),
        tag(&by_address(YEARS, "&as-of=2&since=1"), EDN),
        tag(&by_address(YEARS, ""), EDN),
        tag("/v1/db/main/datoms/avet?a=:film/year&as-of=2", EDN),
        tag("/v1/db/main/entity/:film/title?as-of=2", EDN),
        tag("/v1/db/main/log?to=3", EDN),
    ];
    let all = tags.len();
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), all);
}

#[test]
fn a_posted_query_has_a_tag_too() {
    let site = films();
    let body = format!("{{:query {YEARS} :as-of 2}}");
    let first = site.query(&body).ok();
    assert_eq!(first.header("cache-control"), IMMUTABLE);
    let headers = [("content-type", EDN), ("if-none-match", first.header("etag"))];
    for method in ["POST", "QUERY"] {
        assert_eq!(site.call(method, "/v1/db/main/query", &headers, Some(&body)).status, 304);
        let other = body.replace(":as-of 2", ":as-of 3");
        assert_eq!(site.call(method, "/v1/db/main/query", &headers, Some(&other)).status, 200);
    }
}

#[test]
fn a_query_is_as_fixed_as_its_least_fixed_input() {
    let site = films();
    let query = "[:find ?y :in $ $b :where [_ :film/year ?y] [$b _ :film/year ?y]]";
    let fixed = format!("{{:query {query} :args [#annals/db {{:as-of 2}}] :as-of 3}}");
    assert_eq!(site.query(&fixed).ok().header("cache-control"), IMMUTABLE);
    let open = format!("{{:query {query} :args [#annals/db {{}}] :as-of 3}}");
    assert_eq!(site.query(&open).ok().header("cache-control"), ASK_AGAIN);
}

#[test]
fn the_past_of_the_log_is_fixed() {
    let site = films();
    assert_eq!(site.get("/v1/db/main/log?from=1&to=3").ok().header("cache-control"), IMMUTABLE);
    assert_eq!(site.get("/v1/db/main/log?from=1&to=4").ok().header("cache-control"), IMMUTABLE);
    assert_eq!(site.get("/v1/db/main/log?from=1&to=5").ok().header("cache-control"), ASK_AGAIN);
    assert_eq!(site.get("/v1/db/main/log?from=1").ok().header("cache-control"), ASK_AGAIN);
}

#[test]
fn reports_are_not_kept() {
    let site = films();
    assert_eq!(site.post("/v1/db/main/transact", "[]").ok().header("cache-control"), "no-store");
    assert_eq!(site.post("/v1/db/main/with", "[]").ok().header("cache-control"), "no-store");
}

#[test]
fn a_basis_that_is_there_is_not_waited_for() {
    let site = films();
    let reply = site.get(&by_address(YEARS, "&min-t=3&wait=0")).ok();
    assert_eq!((reply.basis_t(), reply.head_t()), (3, 3));
}

#[test]
fn a_basis_that_does_not_come_is_an_error_and_never_an_old_answer() {
    let site = films();
    let began = Instant::now();
    let reply = site.call("GET", &by_address(YEARS, "&min-t=4&wait=200"), &[("accept", JSON)], None);
    assert!(began.elapsed() >= Duration::from_millis(200));
    assert_eq!((reply.status, &reply.json()["keyword"]), (503, &"db.error/basis-not-reached".into()));
    assert_eq!((reply.basis_t(), reply.header("retry-after")), (3, "1"));
    let by_header = [("annals-min-t", "4"), ("annals-wait", "0")];
    assert_eq!(site.call("GET", "/v1/db/main", &by_header, None).status, 503);
}

#[test]
fn a_basis_that_comes_is_waited_for() {
    let site = films();
    let path = by_address("[:find ?f . :where [?f :film/year 3000]]", "&min-t=4");
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| site.get(&path).ok());
        let conn = site.store.open_database("main").unwrap();
        let t = conn.transact("[{:film/title \"Late\" :film/year 3000}]").unwrap().t;
        let reply = waiting.join().unwrap();
        assert_eq!((t, reply.basis_t() >= 4, reply.text == "nil"), (4, true, false));
    });
}
