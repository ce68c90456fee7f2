//! Commands: listed, tried, run, refused.

use crate::support::*;
use serde_json::{Value, json};

const BANK: &str = r#"[
  {:db/ident :account/id :db/valueType :db.type/uuid :db/cardinality :db.cardinality/one
   :db/unique :db.unique/identity}
  {:db/ident :account/balance :db/valueType :db.type/bigdec :db/cardinality :db.cardinality/one}
  {:db/ident :account/since :db/valueType :db.type/instant :db/cardinality :db.cardinality/one}
  {:db/ident :bank/open :db/doc "Opens an account"
   :db.command/args "{:id :uuid :balance {:type :bigdec :default 0M :min 0M} :since :instant}"
   :db/fn "{:in [?id ?balance ?since]
            :tx [{:db/id \"account\" :account/id ?id :account/balance ?balance :account/since ?since}]}"}
  {:db/ident :bank/transfer :db/doc "Moves an amount from one account to another"
   :db.command/args "{:from :uuid :to :uuid :amount {:type :bigdec :min 0.01M}}"
   :db/fn "{:in [?from ?to ?amount]
            :require [[[[(not= ?from ?to)]] :bank/same-account \"from and to are one account\"]]
            :where [[?a :account/id ?from] [?a :account/balance ?x] [(- ?x ?amount) ?less]
                    [?b :account/id ?to] [?b :account/balance ?y] [(+ ?y ?amount) ?more]]
            :tx [[:db/add ?a :account/balance ?less] [:db/add ?b :account/balance ?more]]}"
   :db.command/ensure "{:in [?from] :where [[?a :account/id ?from] [?a :account/balance ?x] [(<= 0M ?x)]]}"}]"#;

const A: &str = "018f3c3e-0000-7000-8000-00000000000a";
const B: &str = "018f3c3e-0000-7000-8000-00000000000b";
const TRANSFER: &str = "/v1/db/main/commands/bank/transfer";

/// A bank with two accounts, opened in JSON and in EDN.
fn bank() -> Site {
    let site = site();
    site.store.database("main").unwrap().transact(BANK).unwrap();
    let a = json!({"id": A, "balance": "12.50", "since": "2024-05-01T10:00:00Z"});
    let opened = site.post_json("/v1/db/main/commands/bank/open", &a.to_string()).ok().json();
    assert_eq!(
        (&opened["status"], &opened["t"], &opened["facts"]),
        (&json!("committed"), &json!(2), &json!(5))
    );
    assert!(opened["tempids"]["account"].is_u64() && opened["instant"].is_string(), "{opened}");
    site.post("/v1/db/main/commands/bank/open", &format!("{{:id #uuid {B:?} :since #inst \"2024-05-01\"}}"))
        .ok();
    site
}

fn balance(site: &Site, id: &str) -> String {
    let query = format!("[:find ?x . :where [?a :account/id #uuid {id:?}] [?a :account/balance ?x]]");
    site.query(&query).ok().text
}

fn transfer(site: &Site, amount: &str, headers: &[(&str, &str)]) -> Reply {
    let body = json!({"from": A, "to": B, "amount": amount}).to_string();
    let headers: Vec<_> = [("content-type", JSON)].iter().chain(headers).copied().collect();
    site.call("POST", TRANSFER, &headers, Some(&body))
}

#[test]
fn arguments_have_their_types_in_json_and_in_edn() {
    let site = bank();
    assert_eq!((balance(&site, A), balance(&site, B)), ("12.50M".into(), "0M".into()));
    let since = format!("[:find ?s . :where [?a :account/id #uuid {A:?}] [?a :account/since ?s]]");
    assert_eq!(site.query(&since).text, "#inst \"2024-05-01T10:00:00.000-00:00\"");
    assert_eq!(transfer(&site, "2.25", &[]).ok().json()["t"], 4);
    let edn = format!("{{:from #uuid {A:?} :to #uuid {B:?} :amount 1M}}");
    let reply = site.post(TRANSFER, &edn).ok();
    assert!(reply.text.contains(":status :committed") && reply.basis_t() == 5, "{}", reply.text);
    let tagged = json!({"from": {"~uuid": A}, ":to": {"~uuid": B}, "amount": {"~bigdec": "0.25"}});
    site.post_json(&format!("{TRANSFER}?types=tagged"), &tagged.to_string()).ok();
    assert_eq!((balance(&site, A), balance(&site, B)), ("9.00M".into(), "3.50M".into()));
    // The transaction says which command it was.
    let which = "[:find ?n . :where [?tx :db.tx/command ?c] [?c :db/ident ?n] [(= ?tx 13194139533318)]]";
    assert_eq!(site.query(which).text, ":bank/transfer");
}

#[test]
fn the_catalogue_tells_what_a_command_takes() {
    let site = bank();
    let listed = site.get_json("/v1/db/main/commands").ok();
    assert_eq!(listed.basis_t(), 3);
    let Value::Array(commands) = listed.json() else { panic!("{}", listed.text) };
    let names: Vec<&Value> = commands.iter().map(|command| &command["name"]).collect();
    assert_eq!(names, [":bank/open", ":bank/transfer"]);
    assert_eq!((&commands[1]["args"][":from"], &commands[1]["native"]), (&json!(":uuid"), &json!(false)));
    assert_eq!(commands[1]["doc"], "Moves an amount from one account to another");
    assert!(commands[1]["code"].as_str().is_some_and(|code| code.contains(":require")), "{}", listed.text);
}

#[test]
fn a_dry_run_tells_what_would_be_and_keeps_nothing() {
    let site = bank();
    let body = json!({"from": A, "to": B, "amount": "2.50"}).to_string();
    let tried = site.post_json(&format!("{TRANSFER}?dry-run"), &body).ok();
    let told = tried.json();
    assert_eq!((&told["status"], &told["t"], &told["facts"]), (&json!("would-commit"), &json!(4), &json!(6)));
    assert_eq!(tried.head_t(), 3);
    assert_eq!(site.post_json(&format!("{TRANSFER}?dry-run=maybe"), &body).status, 400);
    let refused = json!({"from": A, "to": B, "amount": "99"}).to_string();
    assert_eq!(site.post_json(&format!("{TRANSFER}?dry-run"), &refused).status, 409);
    assert_eq!((balance(&site, A), site.get("/v1/db/main").basis_t()), ("12.50M".into(), 3));
}

#[test]
fn all_that_is_wrong_with_the_arguments_is_one_answer() {
    let site = bank();
    let reply = site.post_json(TRANSFER, r#"{"from": "x", "amount": "0.00", "more": 1}"#);
    let problem = reply.json();
    assert_eq!((reply.status, &problem["keyword"]), (400, &json!("db.error/invalid-arguments")));
    let problems = problem["data"][":db.error/problems"].as_array().unwrap();
    let told: Vec<_> = problems.iter().map(|one| (&one[":path"][0], &one[":code"])).collect();
    let want = [(":amount", ":min"), (":from", ":type"), (":to", ":missing"), (":more", ":unknown")];
    for (path, code) in want {
        assert!(told.contains(&(&json!(path), &json!(code))), "{path} {code} in {told:?}");
        assert!(problem["detail"].as_str().unwrap().contains(path), "{problem}");
    }
    assert_eq!(told.len(), 4);
    for body in ["[1]", "7", "\"{}\""] {
        assert_eq!(site.post_json(TRANSFER, body).status, 400, "{body}");
    }
    assert_eq!(site.call("POST", TRANSFER, &[], None).status, 400, "nothing is no arguments");
    assert_eq!(site.get("/v1/db/main").basis_t(), 3);
}

#[test]
fn a_command_refuses_by_rule_and_by_promise() {
    let site = bank();
    let refused = |body: Value| {
        let reply = site.post_json(TRANSFER, &body.to_string());
        assert_eq!(reply.status, 409, "{}", reply.text);
        reply.json()
    };
    let same = refused(json!({"from": A, "to": A, "amount": "1"}));
    assert_eq!(
        (&same["keyword"], &same["detail"]),
        (&json!("db.error/rejected"), &json!("from and to are one account"))
    );
    assert_eq!(same["data"][":db.error/code"], ":bank/same-account");
    let broken = refused(json!({"from": A, "to": B, "amount": "12.51"}));
    assert_eq!(broken["keyword"], "db.error/post-condition-failed");
    let none = site.post_json("/v1/db/main/commands/bank/close", "{}");
    assert_eq!((none.status, &none.json()["keyword"]), (404, &json!("db.error/unknown-command")));
    assert_eq!(site.get_json(TRANSFER).status, 405);
    assert_eq!(site.get("/v1/db/main").basis_t(), 3);
}

#[test]
fn commands_have_keys_and_can_be_carried_out_later() {
    let site = bank();
    let first = transfer(&site, "2.50", &[("idempotency-key", "t1")]).ok();
    let again = transfer(&site, "2.50", &[("idempotency-key", "t1")]).ok();
    assert_eq!((again.header("idempotency-replayed"), &again.text), ("true", &first.text));
    assert_eq!(transfer(&site, "2.51", &[("idempotency-key", "t1")]).status, 422);
    let taken = transfer(&site, "1", &[("idempotency-key", "t2"), ("prefer", "respond-async")]);
    assert_eq!(taken.status, 202, "{}", taken.text);
    let told = site.get_json(&format!("{}?wait=30000", taken.header("location"))).ok().json();
    assert_eq!((&told["state"], &told["command"]), (&json!("committed"), &json!(":bank/transfer")));
    assert_eq!(transfer(&site, "99", &[("idempotency-key", "t3"), ("prefer", "respond-async")]).status, 202);
    let told = site.get_json("/v1/db/main/requests/t3?wait=30000").ok().json();
    assert_eq!(
        (&told["state"], &told["problem"]["keyword"]),
        (&json!("rejected"), &json!("db.error/post-condition-failed"))
    );
    assert_eq!(transfer(&site, "1", &[("prefer", "respond-async")]).status, 400);
    // Beside a command, a transaction can expect something.
    let body = format!(
        "{{:tx-data [[:db/command :bank/transfer {{:from #uuid {A:?} :to #uuid {B:?} :amount 1M}}]]
           :expect [{{:entity [:account/id #uuid {A:?}] :attribute :account/balance :is 12.50M}}]}}"
    );
    assert_eq!(site.post("/v1/db/main/transact", &body).status, 409);
    assert_eq!(balance(&site, A), "9.00M");
}
