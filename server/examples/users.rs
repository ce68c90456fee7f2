//! Users and permissions over HTTP: one process, no broker, no second store.
//!
//! `cargo run -p annals-server --example users`. Four calls: create a user (202, with the address where the outcome is told),
//! list users by page, one user, and the users of a permission. What was sent ten times is there once; what cannot be is
//! `rejected` under its own address; whatever was answered is durable.

use std::error::Error;
use std::io::Write;

use annals_server::{ServerOptions, serve};

const SCHEMA: &str = r#"[
  {:db/ident :user/id :db/valueType :db.type/string :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}
  {:db/ident :user/email :db/valueType :db.type/string :db/cardinality :db.cardinality/one :db/unique :db.unique/value}
  {:db/ident :user/permissions :db/valueType :db.type/ref :db/cardinality :db.cardinality/many}
  {:db/ident :permission/name :db/valueType :db.type/string :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}
  {:db/ident :user/spec :db.entity/attrs [:user/id :user/email]}]"#;

/// `:user/create`: a user with permissions, each made if nobody has it yet.
const CREATE: &str = r#"[
  {:db/ident :user/create
   :db.command/args "{:id :string :email {:type :string} :permissions {:type :string :many true}}"
   :db/fn "{:in [?id ?email ?permissions]
            :require [[[(not [_ :user/id ?id])] :user/exists \"there is such a user already\"]
                      [[[(re-pattern \"^[^@ ]+@[^@ ]+$\") ?form] [(re-find ?form ?email)]] :user/email \"that is no address\"]]
            :where [[(identity ?permissions) [?name ...]]]
            :tx [{:db/id \"user\" :user/id ?id :user/email ?email :db/ensure :user/spec
                  :user/permissions {:permission/name ?name}}]}"}]"#;

const BY_PAGE: &str = r#"{"query": "[:find ?id ?email :order-by ?id :limit 2 :where [?u :user/id ?id] [?u :user/email ?email]]"}"#;
const BY_PERMISSION: &str = r#"{"query": "[:find [?id ...] :in $ ?name :order-by ?id :where [?p :permission/name ?name] [?u :user/permissions ?p] [?u :user/id ?id]]", "args": ["admin"]}"#;

type Outcome<V> = Result<V, Box<dyn Error>>;

fn main() -> Outcome<()> {
    run(&mut std::io::stdout())
}

struct Client {
    agent: ureq::Agent,
    base: String,
}

/// Status, Location and body of an answer.
type Answer = (u16, Option<String>, serde_json::Value);

impl Client {
    fn post(&self, path: &str, kind: &str, headers: &[(&str, &str)], body: &str) -> Outcome<Answer> {
        let request = self.agent.post(format!("{}{path}", self.base)).header("content-type", kind);
        let request =
            headers.iter().fold(request.header("accept", "application/json"), |request, (name, value)| {
                request.header(*name, *value)
            });
        answer(request.send(body)?)
    }

    fn get(&self, path: &str) -> Outcome<Answer> {
        answer(self.agent.get(format!("{}{path}", self.base)).header("accept", "application/json").call()?)
    }

    /// Asks for a user, as often as anybody likes.
    fn create(&self, key: &str, args: &str) -> Outcome<String> {
        let headers = [("idempotency-key", key), ("prefer", "respond-async")];
        let (status, location, body) =
            self.post("/v1/db/main/commands/user/create", "application/json", &headers, args)?;
        assert_eq!(status, 202, "{body}");
        Ok(location.ok_or("202 without a Location")?)
    }
}

fn answer(mut response: ureq::http::Response<ureq::Body>) -> Outcome<Answer> {
    let location =
        response.headers().get("location").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let body = response.body_mut().read_to_string()?;
    Ok((response.status().as_u16(), location, serde_json::from_str(&body)?))
}

fn run(out: &mut dyn Write) -> Outcome<()> {
    let store = annals::connect("mem:")?;
    let conn = store.database("main")?;
    conn.transact(SCHEMA)?;
    conn.transact(CREATE)?;
    let server =
        serve(store, ServerOptions { listen: ([127, 0, 0, 1], 0).into(), ..ServerOptions::default() })?;
    let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
    let client = Client { agent, base: server.url() };

    // Every request is delivered ten times; a broker could do no worse.
    let ida = r#"{"id": "ida", "email": "ida@example.org", "permissions": ["admin", "read"]}"#;
    let jon = r#"{"id": "jon", "email": "jon@example.org", "permissions": ["read"]}"#;
    let eva = r#"{"id": "eva", "email": "eva@example.org", "permissions": ["admin"]}"#;
    for (key, user) in [("u-1", ida), ("u-2", jon), ("u-3", eva)] {
        let mut location = String::new();
        for _ in 0..10 {
            location = client.create(key, user)?;
        }
        // The address is there from the moment it was given.
        let (status, _, outcome) = client.get(&format!("{location}?wait=10000"))?;
        say(out, &location, &outcome["state"].to_string());
        assert_eq!((status, outcome["state"].as_str()), (200, Some("committed")));
    }

    // What cannot be shows as rejected, with the reason, under its own address.
    let bad = client.create("u-4", r#"{"id": "bob", "email": "nowhere", "permissions": ["read"]}"#)?;
    let (_, _, outcome) = client.get(&format!("{bad}?wait=10000"))?;
    say(out, &bad, &outcome.to_string());
    assert_eq!(outcome["state"].as_str(), Some("rejected"));
    assert_eq!(outcome["problem"]["detail"].as_str(), Some("that is no address"));

    let (_, _, page) = client.post("/v1/db/main/query", "application/json", &[], BY_PAGE)?;
    say(out, "first page", &page.to_string());
    assert_eq!(page, serde_json::json!([["eva", "eva@example.org"], ["ida", "ida@example.org"]]));
    let (_, _, one) =
        client.get("/v1/db/main/entity/%5B:user/id%20%22jon%22%5D?pattern=%5B:user/email%5D")?;
    assert_eq!(one, serde_json::json!({":user/email": "jon@example.org"}));
    let (_, _, admins) = client.post("/v1/db/main/query", "application/json", &[], BY_PERMISSION)?;
    say(out, "admins", &admins.to_string());
    assert_eq!(admins, serde_json::json!(["eva", "ida"]));
    server.stopper().stop();
    Ok(())
}

fn say(out: &mut dyn Write, what: &str, shown: &str) {
    // Who looks on may be gone.
    let _ = writeln!(out, "{what}: {shown}");
}

#[test]
fn it_runs() {
    run(&mut Vec::new()).expect("every step is as it says");
}
