//! `kill -9` around requests with keys, again and again: whoever sends one again learns what came of it.
//!
//! A real `annals serve` on a file is sent requests by several clients at once, some to be carried out at once and some
//! later. It is killed at a random moment, started again, and asked. What was answered is so still. What was not answered is
//! there or is not, and the server says which. Sent again under its key, each has one effect, and where it was there, that
//! one. The rounds go on until some kills have hit the window between durable and answered, in either way.

#![allow(clippy::print_stdout, clippy::disallowed_methods)]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStderr, ExitCode, Stdio};
use std::sync::Barrier;
use std::time::{Duration, Instant};

use annals_tests::Random;
use annals_tests::binary;
use serde_json::Value;

/// How many ask at once.
const CLIENTS: usize = 6;
/// How many kills there are at least, and at most.
const ROUNDS: std::ops::Range<usize> = 25..200;
/// How many lost answers there have to be, in either way, to what was durable.
const LOST: usize = 2;

const SCHEMA: &str =
    "[{:db/ident :mark/of :db/valueType :db.type/string :db/cardinality :db.cardinality/one}]";

fn main() -> ExitCode {
    let mut random = Random::seeded("never_unknown", 0xa11a15);
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let file = scratch.path().join("marks.annals");
    let mut server = Served::start(&file);
    assert_eq!(server.client.post("transact", &[], SCHEMA).expect("an answer").status, 200);
    let pace = pace(&server.client, &mut random);
    let (mut tally, mut rounds) = (Tally::default(), 0);
    while rounds < ROUNDS.start || tally.lost < LOST || tally.lost_later < LOST {
        assert!(rounds < ROUNDS.end, "{rounds} kills did not hit the window: {tally:?}");
        let requests = requests(&format!("round {rounds}"), &mut random);
        let firsts =
            killed(server, &requests, Duration::from_micros(random.below((pace * 3 / 2) as usize) as u64));
        server = Served::start(&file);
        for (request, first) in requests.iter().zip(firsts) {
            tally.add(request, settle(&server.client, request, first.as_ref()));
        }
        rounds += 1;
    }
    let marks = server.client.marks("[:find ?of (count ?e) :where [?e :mark/of ?of]]");
    let marks = marks.as_array().expect("rows");
    assert_eq!(marks.len(), (rounds + WARM_UP) * CLIENTS, "one mark for each request");
    assert!(marks.iter().all(|mark| mark[1] == 1), "{marks:?}");
    println!("never_unknown: {rounds} kills, an answer takes about {pace} µs; {tally:?}");
    assert!(tally.answered > 0 && tally.absent > 0, "the kills came always early, or always late");
    println!("1 passed, 0 failed");
    ExitCode::SUCCESS
}

/// How many rounds nobody is killed in.
const WARM_UP: usize = 3;

/// How long the answers of a round take, in microseconds.
fn pace(client: &Client, random: &mut Random) -> u64 {
    let mut pace = Duration::ZERO;
    for round in 0..WARM_UP {
        let requests = requests(&format!("before {round}"), random);
        let begun = Instant::now();
        std::thread::scope(|scope| {
            let send = |request| scope.spawn(move || client.send(request).expect("an answer"));
            let sent: Vec<_> = requests.iter().map(send).collect();
            sent.into_iter().for_each(|sent| drop(sent.join().expect("a client")));
        });
        // The last counts: the first ones are slow.
        pace = begun.elapsed();
        requests.iter().for_each(|request| assert_eq!(client.settled(&request.key)["state"], "committed"));
    }
    pace.as_micros() as u64
}

/// Something to be done once.
struct Request {
    key: String,
    /// It is taken in, and carried out later.
    later: bool,
}

fn requests(round: &str, random: &mut Random) -> Vec<Request> {
    let request = |client| Request { key: format!("{round}, client {client}"), later: random.below(2) == 0 };
    (0..CLIENTS).map(request).collect()
}

/// Sends all of them at once, and kills the server after a while: what was answered.
fn killed(mut server: Served, requests: &[Request], after: Duration) -> Vec<Option<Answer>> {
    let (client, ready) = (server.client.clone(), Barrier::new(requests.len() + 1));
    std::thread::scope(|scope| {
        let send = |request| {
            let (client, ready) = (&client, &ready);
            scope.spawn(move || {
                ready.wait();
                client.send(request)
            })
        };
        let sent: Vec<_> = requests.iter().map(send).collect();
        ready.wait();
        std::thread::sleep(after);
        server.kill();
        sent.into_iter().map(|sent| sent.join().expect("a client")).collect()
    })
}

/// What became of a request that was sent before the kill.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Answered,
    /// It was durable, and nobody was told.
    Lost,
    /// Nothing of it was durable.
    Absent,
}

/// Sends a request again, and holds all that is said about it against each other.
fn settle(client: &Client, request: &Request, first: Option<&Answer>) -> Fate {
    let key = &request.key;
    let known = client.known(key);
    if let Some(first) = first {
        assert_eq!(first.status, if request.later { 202 } else { 200 }, "{key}: {}", first.body);
        assert!(known.is_some(), "{key} was answered, and is forgotten: {}", first.body);
    }
    let again = client.send(request).expect("an answer");
    assert_eq!(again.status, if request.later { 202 } else { 200 }, "{key}: {}", again.body);
    assert_eq!(again.replayed, known.is_some(), "{key}: {}", again.body);
    let settled = client.settled(key);
    assert_eq!(settled["state"], "committed", "{key}: {settled}");
    let t = if request.later { "taken-in-t" } else { "t" };
    let told = [first.map(|first| &first.body), known.as_ref(), Some(&again.body)];
    for told in told.into_iter().flatten() {
        assert_eq!(told[t], settled[t], "{key}: {told} and {settled}");
    }
    let marks = format!("{{:query [:find (count ?e) . :in $ ?of :where [?e :mark/of ?of]] :args [{key:?}]}}");
    assert_eq!(client.marks(&marks), 1, "{key} has one effect");
    match (first, known) {
        (Some(_), _) => Fate::Answered,
        (None, Some(_)) => Fate::Lost,
        (None, None) => Fate::Absent,
    }
}

/// How many requests met which fate.
#[derive(Debug, Default)]
struct Tally {
    answered: usize,
    absent: usize,
    lost: usize,
    lost_later: usize,
}

impl Tally {
    fn add(&mut self, request: &Request, fate: Fate) {
        match fate {
            Fate::Answered => self.answered += 1,
            Fate::Absent => self.absent += 1,
            Fate::Lost if request.later => self.lost_later += 1,
            Fate::Lost => self.lost += 1,
        }
    }
}

/// A running `annals serve`.
struct Served {
    child: Child,
    client: Client,
    /// Kept open, so that it can go on to speak.
    _words: BufReader<ChildStderr>,
}

impl Served {
    fn start(file: &Path) -> Served {
        let mut command = binary::command();
        command.arg("serve").arg(file).args(["--listen", "127.0.0.1:0"]);
        let mut child = command.stderr(Stdio::piped()).spawn().expect("the binary runs");
        let mut words = BufReader::new(child.stderr.take().expect("its words"));
        let mut line = String::new();
        words.read_line(&mut line).expect("a line");
        let url = line.rsplit_once(" at ").and_then(|(_, rest)| rest.split(';').next());
        let url = url.unwrap_or_else(|| panic!("it says {line:?}")).to_owned();
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
        Served { child, client: Client { agent, base: format!("{url}/v1/db/main") }, _words: words }
    }

    fn kill(&mut self) {
        self.child.kill().expect("it runs until it is killed");
        self.child.wait().expect("its end");
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have been killed before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Clone)]
struct Client {
    agent: ureq::Agent,
    base: String,
}

/// An answer that came whole.
#[derive(Debug)]
struct Answer {
    status: u16,
    body: Value,
    replayed: bool,
}

impl Client {
    /// Sends a request; `None` if no answer comes, or not all of it.
    fn send(&self, request: &Request) -> Option<Answer> {
        let mut headers = vec![("idempotency-key", request.key.as_str())];
        if request.later {
            headers.push(("prefer", "respond-async"));
        }
        self.post("transact", &headers, &format!("[{{:db/id \"mark\" :mark/of {:?}}}]", request.key))
    }

    fn post(&self, call: &str, headers: &[(&str, &str)], edn: &str) -> Option<Answer> {
        let mut post = self.agent.post(format!("{}/{call}", self.base));
        post = post.header("content-type", "application/edn").header("accept", "application/json");
        for (name, value) in headers {
            post = post.header(*name, *value);
        }
        answer(post.send(edn))
    }

    /// What the server says about a key; `None` if it knows of none.
    fn known(&self, key: &str) -> Option<Value> {
        let told = answer(self.agent.get(self.address(key)).header("accept", "application/json").call());
        let told = told.expect("an answer");
        assert!([200, 404].contains(&told.status), "{key}: {}", told.body);
        (told.status == 200).then_some(told.body)
    }

    /// What the server says about a key when nothing can change any more.
    fn settled(&self, key: &str) -> Value {
        let address = format!("{}?wait=10000", self.address(key));
        let told = answer(self.agent.get(address).header("accept", "application/json").call());
        told.expect("an answer").body
    }

    fn address(&self, key: &str) -> String {
        format!("{}/requests/{}", self.base, key.replace(' ', "%20").replace(',', "%2C"))
    }

    fn marks(&self, query: &str) -> Value {
        self.post("query", &[], query).expect("an answer").body
    }
}

fn answer(response: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Option<Answer> {
    let mut response = response.ok()?;
    let body = response.body_mut().read_to_string().ok()?;
    Some(Answer {
        status: response.status().as_u16(),
        body: serde_json::from_str(&body).ok()?,
        replayed: response.headers().contains_key("idempotency-replayed"),
    })
}
