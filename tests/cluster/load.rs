//! The load: sessions that write and read anywhere, and write down what they were told.
//!
//! Every value that is written is unlike all others, so what became of a write can be seen in the log. A session carries
//! its token from answer to answer, as a client behind a load balancer does.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use annals_tests::Random;

/// How many lists there are.
pub(crate) const LISTS: usize = 8;

pub(crate) const SCHEMA: &str = "[
  {:db/ident :list/name :db/valueType :db.type/string :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}
  {:db/ident :list/item :db/valueType :db.type/string :db/cardinality :db.cardinality/many}
  {:db/ident :list/size :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
  {:db/ident :list/append
   :db/fn \"{:in [?name ?item] :where [[?e :list/name ?name] [?e :list/size ?n] [(+ ?n 1) ?m]]
             :tx [[:db/add ?e :list/item ?item] [:db/add ?e :list/size ?m]]}\"}]";

/// What a client was told of a write.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    /// It is in the log, as this transaction.
    Written(u64),
    /// It is not, and never will be.
    Refused,
    /// Nobody said.
    Unknown,
}

/// One write of one session.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    pub(crate) list: usize,
    pub(crate) item: String,
    pub(crate) outcome: Outcome,
    /// From the first try until the client knew, or gave up.
    pub(crate) time: Span,
}

/// One read: of two lists at once, at the basis that the answer says it is about.
#[derive(Clone, Debug)]
pub(crate) struct Read {
    pub(crate) lists: [usize; 2],
    pub(crate) t: u64,
    /// True if it asked for what was written before it began, whoever wrote it.
    pub(crate) synced: bool,
    /// Items of each with the transactions that added them, in the order of those.
    pub(crate) items: [Vec<(u64, String)>; 2],
    pub(crate) time: Span,
}

/// When something began and ended, since the load began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) from: Duration,
    pub(crate) to: Duration,
}

impl Span {
    pub(crate) fn took(self) -> Duration {
        self.to - self.from
    }
}

/// What a session saw, in its order.
#[derive(Debug, Default)]
pub(crate) struct Session {
    pub(crate) writes: Vec<Write>,
    pub(crate) reads: Vec<Read>,
    /// The bases of its answers, in order; within a session they do not go back.
    pub(crate) bases: Vec<u64>,
    /// Answers that were none: nobody there, not in time, not yet known.
    pub(crate) unanswered: usize,
}

/// A client of many servers.
pub(crate) struct Client {
    agent: ureq::Agent,
    urls: Vec<String>,
    token: Option<String>,
}

/// An answer: its status, basis and body.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) basis: Option<u64>,
    pub(crate) body: serde_json::Value,
}

impl Client {
    pub(crate) fn new(urls: &[String]) -> Client {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(8)))
            .build()
            .new_agent();
        Client { agent, urls: urls.to_vec(), token: None }
    }

    /// Sends EDN to one of the servers; none if it did not answer.
    pub(crate) fn post(
        &mut self,
        server: usize,
        path: &str,
        key: Option<&str>,
        body: &str,
    ) -> Option<Answer> {
        let url = format!("{}/v1/db/main/{path}", self.urls[server]);
        let mut call = self.agent.post(url).header("content-type", "application/edn");
        call = call.header("accept", "application/json");
        if let Some(key) = key {
            call = call.header("idempotency-key", key);
        }
        if let Some(token) = &self.token {
            call = call.header("annals-session", token);
        }
        let mut response = call.send(body).ok()?;
        let header = |name: &str| response.headers().get(name)?.to_str().ok().map(str::to_owned);
        let (basis, token) =
            (header("annals-basis-t").and_then(|t| t.parse().ok()), header("annals-session"));
        let status = response.status().as_u16();
        let body = serde_json::from_str(&response.body_mut().read_to_string().ok()?).ok()?;
        if status < 300 {
            self.token = token.or(self.token.take());
        }
        Some(Answer { status, basis, body })
    }
}

/// A session, until it is told to stop.
pub(crate) fn run(number: usize, urls: &[String], seed: u64, zero: Instant, stop: &AtomicBool) -> Session {
    let (client, random) = (Client::new(urls), Random(seed));
    let mut running = Running { client, random, zero, session: Session::default() };
    let mut count = 0;
    while !stop.load(Ordering::Acquire) {
        if running.random.one_in(2) {
            count += 1;
            running.write(format!("{number}-{count}"));
        } else {
            running.read();
        }
    }
    running.session
}

/// A session that goes on.
struct Running {
    client: Client,
    random: Random,
    /// When the load began.
    zero: Instant,
    session: Session,
}

impl Running {
    /// Appends an item; sends it again under its key, to other servers, until somebody says what became of it.
    fn write(&mut self, item: String) {
        let (first, list) = (self.random.below(self.client.urls.len()), self.random.below(LISTS));
        let (from, body) = (self.zero.elapsed(), format!("[[:list/append \"{list}\" \"{item}\"]]"));
        let mut outcome = Outcome::Unknown;
        // One in ten gives up after the first try, and never knows.
        let tries = if item.ends_with('7') { 1 } else { 40 };
        for attempt in 0..tries {
            let server = (first + attempt) % self.client.urls.len();
            match self.client.post(server, "transact", Some(&item), &body) {
                Some(answer) if answer.status == 200 => {
                    self.session.bases.extend(answer.basis);
                    outcome = Outcome::Written(answer.body["t"].as_u64().expect("a t"));
                    break;
                }
                Some(answer) if answer.status < 500 && answer.status != 429 => {
                    outcome = Outcome::Refused;
                    break;
                }
                _ => {
                    self.session.unanswered += 1;
                    std::thread::sleep(Duration::from_millis(50));
                }
            }
        }
        let time = Span { from, to: self.zero.elapsed() };
        self.session.writes.push(Write { list, item, outcome, time });
    }

    /// Reads two lists, and says of which basis.
    fn read(&mut self) {
        let (server, first) = (self.random.below(self.client.urls.len()), self.random.below(LISTS));
        let lists = [first, (first + 1 + self.random.below(LISTS - 1)) % LISTS];
        let (from, synced) = (self.zero.elapsed(), self.random.one_in(3));
        let path = if synced { "query?sync=head" } else { "query" };
        let body = format!("{{:query {ITEMS} :args [[\"{}\" \"{}\"]]}}", lists[0], lists[1]);
        match self.client.post(server, path, None, &body).filter(|answer| answer.status == 200) {
            Some(answer) => {
                let t = answer.basis.expect("an answer says its basis");
                self.session.bases.push(t);
                let items = lists.map(|list| items(&answer.body, list));
                let time = Span { from, to: self.zero.elapsed() };
                self.session.reads.push(Read { lists, t, synced, items, time });
            }
            None => self.session.unanswered += 1,
        }
    }
}

pub(crate) const ITEMS: &str = "[:find ?name ?tx ?item :in $ [?name ...] \
                                :where [?e :list/name ?name] [?e :list/item ?item ?tx] :order-by ?tx ?item]";

/// What an answer tells of a list.
fn items(body: &serde_json::Value, list: usize) -> Vec<(u64, String)> {
    let (rows, name) = (body.as_array().into_iter().flatten(), list.to_string());
    let item = |row: &serde_json::Value| {
        Some((annals::EntityId(row[1].as_u64()?).counter(), row[2].as_str()?.to_owned()))
    };
    rows.filter(|row| row[0] == name.as_str()).map(|row| item(row).expect("a row")).collect()
}
