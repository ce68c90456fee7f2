//! A server on a free port over a store in memory, and a client that tells what came back.

use std::time::{Duration, Instant};

use annals_server::{Server, ServerOptions, serve};
use serde_json::Value;
use ureq::Agent;
use ureq::http::{HeaderMap, HeaderValue, Request};

pub(crate) const EDN: &str = "application/edn";
pub(crate) const JSON: &str = "application/json";

/// A server, the store behind it, and a client.
pub(crate) struct Site {
    pub(crate) server: Server,
    pub(crate) store: annals::Store,
    pub(crate) agent: Agent,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Reply {
    #[track_caller]
    pub(crate) fn ok(self) -> Reply {
        assert!((200..300).contains(&self.status), "{} {}", self.status, self.text);
        self
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    #[track_caller]
    pub(crate) fn edn(&self) -> annals::Edn {
        annals::edn::read_one(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text)).to_edn()
    }

    pub(crate) fn basis_t(&self) -> u64 {
        self.header("annals-basis-t").parse().unwrap()
    }

    pub(crate) fn head_t(&self) -> u64 {
        self.header("annals-head-t").parse().unwrap()
    }
}

pub(crate) fn site() -> Site {
    site_with(ServerOptions::default())
}

pub(crate) fn site_with(options: ServerOptions) -> Site {
    site_over(annals::connect("mem:").unwrap(), options)
}

pub(crate) fn site_over(store: annals::Store, options: ServerOptions) -> Site {
    let listen = "127.0.0.1:0".parse().unwrap();
    let server = serve(store.clone(), ServerOptions { listen, ..options }).unwrap();
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .timeout_global(Some(Duration::from_secs(60)))
        .build();
    Site { server, store, agent: config.new_agent() }
}

/// A site whose database `main` knows three films; t 1 is the schema, t 2 the films, t 3 a correction.
pub(crate) fn films() -> Site {
    films_with(ServerOptions::default())
}

pub(crate) fn films_with(options: ServerOptions) -> Site {
    films_in(annals::connect("mem:").unwrap(), options)
}

/// The same in a storage that was opened as it is wanted.
pub(crate) fn films_in(store: annals::Store, options: ServerOptions) -> Site {
    let site = site_over(store, options);
    let conn = site.store.database("main").unwrap();
    for tx in [SCHEMA, FILMS, CORRECTION] {
        conn.transact(tx).unwrap();
    }
    site
}

pub(crate) const SCHEMA: &str = r#"[
  {:db/id "datomic.tx" :db/txInstant #inst "2020-01-01"}
  {:db/ident :film/title :db/valueType :db.type/string :db/cardinality :db.cardinality/one
   :db/unique :db.unique/identity}
  {:db/ident :film/year :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
  {:db/ident :film/cast :db/valueType :db.type/ref :db/cardinality :db.cardinality/many}
  {:db/ident :person/name :db/valueType :db.type/string :db/cardinality :db.cardinality/one
   :db/unique :db.unique/identity}]"#;

pub(crate) const FILMS: &str = r#"[
  {:db/id "datomic.tx" :db/txInstant #inst "2020-02-01"}
  {:db/id "ann" :person/name "Ann"}
  {:film/title "Harbour" :film/year 1984 :film/cast ["ann"]}
  {:film/title "Tide" :film/year 1990 :film/cast ["ann"]}
  {:film/title "Salt" :film/year 2001}]"#;

pub(crate) const CORRECTION: &str = r#"[
  {:db/id "datomic.tx" :db/txInstant #inst "2020-03-01"}
  [:db/add [:film/title "Harbour"] :film/year 1985]]"#;

impl Site {
    pub(crate) fn call(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) -> Reply {
        let mut request = Request::builder().method(method).uri(self.server.url() + path);
        for (name, value) in headers {
            // Text that is not ASCII too.
            request = request.header(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let outcome = match body {
            Some(body) => self.agent.run(request.body(body.to_owned()).unwrap()),
            None => self.agent.run(request.body(()).unwrap()),
        };
        let mut response = outcome.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        let text = response.body_mut().read_to_string().unwrap();
        Reply { status: response.status().as_u16(), headers: response.headers().clone(), text }
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.call("GET", path, &[], None)
    }

    pub(crate) fn get_json(&self, path: &str) -> Reply {
        self.call("GET", path, &[("accept", JSON)], None)
    }

    pub(crate) fn post(&self, path: &str, edn: &str) -> Reply {
        self.call("POST", path, &[("content-type", EDN)], Some(edn))
    }

    pub(crate) fn post_json(&self, path: &str, json: &str) -> Reply {
        self.call("POST", path, &[("content-type", JSON)], Some(json))
    }

    pub(crate) fn query(&self, edn: &str) -> Reply {
        self.post("/v1/db/main/query", edn)
    }
}

/// The same text with what cannot stand in an address written as `%xx`.
pub(crate) fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

/// Asks every few milliseconds, for at most half a minute.
pub(crate) fn wait_for(what: &str, mut arrived: impl FnMut() -> bool) {
    let (_never, ticks) = std::sync::mpsc::channel::<()>();
    let began = Instant::now();
    while !arrived() {
        assert!(began.elapsed() < Duration::from_secs(30), "waited in vain for {what}");
        let _ = ticks.recv_timeout(Duration::from_millis(5));
    }
}

/// A number among the counts of the server, by its name and labels; 0 if it is not there yet.
pub(crate) fn metric(site: &Site, name: &str) -> f64 {
    let text = site.get("/metrics").ok().text;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0.0, |number| number.parse().unwrap())
}
