//! Time, pages and plans of queries, as they are seen through the door.

use annals::Edn;
use annals_server::ServerOptions;
use serde_json::json;

use crate::support::*;

const PRODUCT: &str = "[:find (count ?x) . :timeout 50 :where [_ _ ?x] [_ _ ?a] [_ _ ?b] [_ _ ?c]]";
const YEARS: &str = "[:find ?title ?year :order-by (desc ?year) :limit 1
                      :where [?f :film/title ?title] [?f :film/year ?year]]";

#[test]
fn a_query_that_is_late_is_told_so_and_the_server_goes_on() {
    // Without a limit on rows, which may be reached before the time is up.
    let site = films_with(ServerOptions { rows: None, ..ServerOptions::default() });
    let late = site.query(PRODUCT);
    assert_eq!(late.status, 504, "{}", late.text);
    assert!(late.text.contains("db.error/timeout"), "{}", late.text);
    let fine = site.query("[:find ?t :timeout 20000 :where [_ :film/title ?t]]").ok();
    assert_eq!(fine.edn().as_seq().map(<[Edn]>::len), Some(3));
    assert_eq!(site.get("/health/ready").status, 200);
}

#[test]
fn a_page_has_a_cursor_and_another_server_goes_on_from_it_at_the_same_basis() {
    let site = films();
    let first = site.query(YEARS).ok();
    assert_eq!(first.text, "[[\"Salt\" 2001]]");
    let cursor = first.header("annals-cursor").to_owned();
    site.store.database("main").unwrap().transact("[{:film/title \"Dune\" :film/year 1999}]").unwrap();
    let listen = "127.0.0.1:0".parse().unwrap();
    let other = Site {
        server: annals_server::serve(site.store.clone(), ServerOptions { listen, ..Default::default() })
            .unwrap(),
        store: site.store.clone(),
        agent: site.agent.clone(),
    };
    let asked = format!("{{:query {YEARS} :cursor \"{cursor}\" :page true}}");
    let second = other.query(&asked).ok().edn();
    let Edn::Map(page) = &second else { panic!("{second}") };
    assert_eq!(page[&Edn::keyword("rows")].to_string(), "[[\"Tide\" 1990]]", "Dune was not there then");
    assert_eq!(page[&Edn::keyword("basis-t")], Edn::Int(3));
    assert_eq!(page[&Edn::keyword("columns")].to_string(), "[\"?title\" \"?year\"]");
    let Edn::String(next) = &page[&Edn::keyword("cursor")] else { panic!("{second}") };
    let body = json!({"query": YEARS, "cursor": &**next, "page": true}).to_string();
    let third = other.post_json("/v1/db/main/query", &body).ok().json();
    assert_eq!(third["rows"], json!([["Harbour", 1985]]));
    let body = json!({"query": YEARS, "cursor": third["cursor"], "page": true}).to_string();
    let end = other.post_json("/v1/db/main/query", &body).ok().json();
    assert_eq!((&end["rows"], &end["cursor"]), (&json!([]), &json!(null)));
}

#[test]
fn a_limit_of_the_request_makes_a_page_and_one_of_the_query_is_kept() {
    let site = films();
    let all = "[:find ?t :where [_ :film/title ?t]]";
    let first = site.query(&format!("{{:query {all} :limit 2}}")).ok();
    assert_eq!(first.text, "[[\"Harbour\"] [\"Salt\"]]");
    let rest =
        site.query(&format!("{{:query {all} :limit 2 :cursor \"{}\"}}", first.header("annals-cursor"))).ok();
    assert_eq!(rest.text, "[[\"Tide\"]]");
    let cut = site.query("{:query [:find ?t :limit 2 :where [_ :film/title ?t]] :limit 1}").ok();
    assert_eq!((cut.text.as_str(), cut.header("annals-cursor")), ("[[\"Harbour\"]]", ""));
    let wrong = site.query(&format!("{{:query {YEARS} :cursor \"{}\"}}", first.header("annals-cursor")));
    assert!(wrong.status == 400 && wrong.text.contains("db.error/invalid-cursor"), "{}", wrong.text);
}

#[test]
fn a_plan_is_told_as_text_and_as_data() {
    let site = films();
    let query = "[:find ?t :where [?f :film/year 1990] [?f :film/title ?t]]";
    let told =
        site.post_json("/v1/db/main/query", &json!({"query": query, "explain": true}).to_string()).ok();
    let told = told.json();
    assert!(told["plan"].as_str().is_some_and(|plan| plan.contains("1 distinct rows")), "{told}");
    let explain = &told["explain"];
    assert_eq!((&explain["rows"], &explain["steps"][0]["seeks"]), (&json!(1), &json!(1)), "{told}");
    for count in ["cache-hits", "cache-misses", "leaves-read", "planning-us", "running-us"] {
        assert!(explain[count].is_u64(), "{count} in {told}");
    }
    let told = site.query(&format!("{{:query {query} :explain true}}")).ok();
    assert!(told.text.contains(":steps [{"), "{}", told.text);
}

#[test]
fn an_answer_can_be_checked_and_a_text_is_read_once() {
    let site = films();
    for _ in 0..2 {
        let checked = site.query(&format!("{{:query {YEARS} :verify true}}")).ok();
        assert_eq!(checked.text, "[[\"Salt\" 2001]]");
    }
    let told = site.store.query_cache();
    assert_eq!((told.hits, told.misses), (1, 1));
    assert_eq!((told.plans_reused, told.plans_made), (1, 1));
}
