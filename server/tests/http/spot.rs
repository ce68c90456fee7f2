//! Questions that are answered on the spot: what is answered is the same, and nothing is waited for there.

use std::time::{Duration, Instant};

use crate::support::*;
use annals_server::ServerOptions;

/// Tried on the spot for long, so that a slow machine does not matter.
fn options() -> ServerOptions {
    ServerOptions { rows: None, spot_time: Duration::from_secs(2), ..ServerOptions::default() }
}

fn on_the_spot(site: &Site) -> f64 {
    metric(site, "annals_http_on_the_spot_total")
}

/// The question with these rules.
fn up(rules: &str) -> String {
    format!("{{:query [:find (count ?n) . :in $ % :where (up ?n)] :args [[{rules}]]}}")
}

fn asked(site: &Site, body: &str) -> Reply {
    site.call("POST", "/v1/db/main/query", &[("content-type", EDN), ("accept", EDN)], Some(body))
}

const FEW: &str = "[(up ?n) [(ground 0) ?n]]";
const ENDLESS: &str = "[(up ?n) [(ground 0) ?n]] [(up ?n) (up ?m) [(+ ?m 1) ?n]]";

#[test]
fn a_question_that_was_quick_is_answered_on_the_spot_and_the_same() {
    let site = films_with(options());
    let years = "[:find ?y . :in $ ?t :where [?f :film/title ?t] [?f :film/year ?y]]";
    for (title, year) in [("Harbour", "1985"), ("Tide", "1990"), ("Salt", "2001"), ("None", "nil")] {
        let body = format!("{{:query {years} :args [{title:?}]}}");
        assert_eq!(asked(&site, &body).ok().text, year);
    }
    let before = on_the_spot(&site);
    assert!(before > 0.0, "the first is not, the others are");
    site.store
        .database("main")
        .unwrap()
        .transact("[[:db/add [:film/title \"Salt\"] :film/year 2002]]")
        .unwrap();
    let reply = asked(&site, &format!("{{:query {years} :args [\"Salt\"]}}")).ok();
    assert_eq!((reply.text.as_str(), reply.basis_t()), ("2002", 4));
    assert!(on_the_spot(&site) > before);
    let refused = asked(&site, &format!("{{:query {years} :args []}}"));
    assert_eq!(refused.status, 400, "{}", refused.text);
    let as_of = format!("{{:query {years} :args [\"Harbour\"] :as-of 2}}");
    assert_eq!(asked(&site, &as_of).ok().text, "1984");
}

#[test]
fn one_that_turns_out_to_be_slow_goes_where_it_may_block() {
    let query_timeout = Duration::from_millis(1500);
    let site =
        films_with(ServerOptions { query_timeout, spot_time: Duration::from_millis(500), ..options() });
    assert_eq!(asked(&site, &up(FEW)).ok().text, "1");
    wait_for("it to be known as quick", || {
        asked(&site, &up(FEW)).ok();
        on_the_spot(&site) > 0.0
    });
    let (before, began) = (on_the_spot(&site), Instant::now());
    let reply = asked(&site, &up(ENDLESS));
    assert_eq!((reply.status, reply.text.contains("db.error/timeout")), (504, true), "{}", reply.text);
    assert!(began.elapsed() >= query_timeout, "it had all its time");
    assert_eq!(asked(&site, &up(FEW)).ok().text, "1");
    assert_eq!(on_the_spot(&site), before, "it is not tried again at once");
}

#[test]
fn a_database_that_was_dropped_is_gone_at_once() {
    let site = films_with(options());
    let count = "{:query [:find (count ?f) . :where [?f :film/title]]}";
    for _ in 0..3 {
        assert_eq!(asked(&site, count).ok().text, "3");
    }
    // Not by way of the server.
    site.store.drop_database("main").unwrap();
    assert_eq!(asked(&site, count).status, 404);
    site.store.database("main").unwrap().transact(SCHEMA).unwrap();
    assert_eq!(asked(&site, count).ok().text, "nil");
}

#[test]
fn nothing_is_tried_where_no_time_is_given_for_it() {
    let site = films_with(ServerOptions { spot_time: Duration::ZERO, ..options() });
    for _ in 0..3 {
        asked(&site, &up(FEW)).ok();
    }
    assert_eq!(on_the_spot(&site), 0.0);
}
