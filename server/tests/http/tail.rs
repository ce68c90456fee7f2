//! Live logs: what is told, where it goes on, and who is cut off.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use annals::{Connection, TimePoint, Tx};
use annals_server::ServerOptions;
use serde_json::{Value, json};

use crate::support::*;

const TAIL: &str = "/v1/db/main/log/tail";
const EVENTS: &str = "text/event-stream";

/// One event, or the id that a heartbeat gives.
#[derive(Debug, PartialEq)]
struct Event {
    name: String,
    id: u64,
    data: String,
}

impl Event {
    fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("{error}: {}", self.data))
    }
}

/// A stream of events as a client reads it.
struct Events(BufReader<Box<dyn Read>>);

impl Iterator for Events {
    type Item = Event;

    /// The next event that has an id; none when the connection ends, also in the midst of one.
    fn next(&mut self) -> Option<Event> {
        let mut event = Event { name: String::new(), id: 0, data: String::new() };
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).ok()? == 0 || !line.ends_with('\n') {
                return None;
            }
            match line.trim_end().split_once(": ") {
                Some(("event", name)) => event.name = name.to_owned(),
                Some(("id", id)) => event.id = id.parse().unwrap(),
                Some(("data", data)) => event.data += data,
                None if line == "\n" => return Some(event),
                _ => {}
            }
        }
    }
}

impl Events {
    /// The next that is no heartbeat.
    #[track_caller]
    fn told(&mut self) -> Event {
        self.by_ref().find(|event| !event.name.is_empty()).expect("an event")
    }
}

fn events(site: &Site, more: &str, headers: &[(&str, &str)]) -> Events {
    let mut request = site.agent.get(format!("{}{TAIL}{more}", site.server.url()));
    request = request.header("accept", format!("{EVENTS}, {JSON}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.call().unwrap();
    assert_eq!(response.status().as_u16(), 200);
    Events(BufReader::new(Box::new(response.into_body().into_reader())))
}

/// The same without a client's buffers between.
fn raw(site: &Site, more: &str) -> TcpStream {
    let mut stream = TcpStream::connect(site.server.local_addr()).unwrap();
    write!(stream, "GET {TAIL}{more} HTTP/1.0\r\nHost: localhost\r\nAccept: {EVENTS}, {JSON}\r\n\r\n")
        .unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

fn main_of(site: &Site) -> Connection {
    site.store.database("main").unwrap()
}

fn add(conn: &Connection, n: usize) {
    conn.transact(format!("[{{:film/title \"film {n}\" :film/year {n}}}]")).unwrap();
}

#[test]
fn what_was_and_what_comes_is_told_in_order_as_the_log_has_it() {
    let site = films();
    let mut told = events(&site, "?after=1", &[]);
    let conn = main_of(&site);
    let mut last = 1;
    for t in 2..=6 {
        if t > 3 {
            add(&conn, t as usize);
        }
        let event = told.told();
        assert_eq!((event.name.as_str(), event.id), ("transaction", t));
        let mut data = event.json();
        assert_eq!(data["prev-t"], last);
        data.as_object_mut().unwrap().remove("prev-t");
        let log = site.get_json(&format!("/v1/db/main/log?from={t}&limit=1")).ok().json();
        assert_eq!(data, log[0]);
        last = t;
    }
}

#[test]
fn it_begins_now_unless_told_and_has_three_forms() {
    let site = films();
    let now = events(&site, "", &[]).next().unwrap();
    assert_eq!((now.name.as_str(), now.id), ("", 3), "the first heartbeat comes at once");
    let tagged = events(&site, "?after=2&types=tagged", &[]).told();
    assert!(tagged.data.contains("{\"~kw\":\"film/year\"}"), "{}", tagged.data);
    let mut edn = raw(&site, "?after=2");
    let headers = [("accept", EVENTS)];
    let reply =
        site.agent.get(site.server.url() + TAIL + "?after=2").header(headers[0].0, headers[0].1).call();
    let mut edn_events = Events(BufReader::new(Box::new(reply.unwrap().into_body().into_reader())));
    assert!(edn_events.told().data.starts_with("{:datoms [["), "EDN unless Accept says JSON");
    let mut head = [0; 15];
    edn.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.0 200 OK");
    for (wrong, status) in
        [("?after=x", 400), ("?attr=:no/such", 404), ("?from=1", 400), ("?attr=:db/add", 400)]
    {
        assert_eq!(site.get(&format!("{TAIL}{wrong}")).status, status, "{wrong}");
    }
    assert_eq!(site.call("GET", TAIL, &[("last-event-id", "last")], None).status, 400);
    assert_eq!(site.get("/v1/db/none/log/tail").status, 404);
}

/// Connections are cut after any number of bytes, while transactions go on.
#[test]
fn who_comes_again_misses_nothing_and_gets_nothing_twice() {
    // A ring of a few transactions, so that some are read from the log.
    let site = films_with(ServerOptions { tail_bytes: 3000, ..ServerOptions::default() });
    const LAST: u64 = 400;
    std::thread::scope(|scope| {
        let conn = main_of(&site);
        scope.spawn(move || (4..=LAST as usize).for_each(|n| add(&conn, n)));
        let (mut last, mut chance, mut cuts) = (0, 7_u64, 0);
        while last < LAST {
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let bytes = 200 + (chance >> 33) % 9000;
            let mut request = site.agent.get(format!("{}{TAIL}?after=0", site.server.url()));
            request = request.header("accept", EVENTS);
            if last > 0 {
                request = request.header("last-event-id", last.to_string());
            }
            // A resumed EventSource asks the same address again: its header has to win.
            let body = request.call().unwrap().into_body().into_reader().take(bytes);
            for event in Events(BufReader::new(Box::new(body))).filter(|event| !event.name.is_empty()) {
                assert_eq!(event.id, last + 1);
                assert!(event.data.contains(&format!(":prev-t {last}")), "{}", event.data);
                last = event.id;
                if last == LAST {
                    break;
                }
            }
            cuts += 1;
        }
        assert!(cuts > 10, "{cuts} connections");
    });
}

/// What a filter has to leave of the log.
fn filtered(conn: &Connection, after: u64, wanted: impl Fn(&annals::Datom) -> bool) -> Vec<(u64, usize)> {
    let mut left = Vec::new();
    let mut look = |tx: Tx| {
        let count = tx.datoms.iter().filter(|datom| wanted(datom)).count();
        left.extend((count > 0).then_some((tx.t, count)));
        true
    };
    conn.log().each(Some(TimePoint::T(after + 1)), None, &mut look).unwrap();
    left
}

#[test]
fn filters_leave_what_filtering_the_log_leaves() {
    let site = films();
    let conn = main_of(&site);
    for n in 0..60 {
        let tx = match n % 4 {
            0 => format!("[{{:film/title \"film {n}\"}}]"),
            1 => format!("[[:db/add [:film/title \"Tide\"] :film/year {n}]]"),
            2 => format!(
                "[{{:film/title \"film {n}\" :film/year {n} :film/cast [{{:person/name \"p {n}\"}}]}}]"
            ),
            _ => format!("[[:db/add [:film/title \"Harbour\"] :film/year {n}]]"),
        };
        conn.transact(tx).unwrap();
    }
    let db = conn.db();
    let id = |name: &str| db.entid(name).unwrap().unwrap();
    let [year, cast] = [":film/year", ":film/cast"].map(id);
    let tide = db.entid((":film/title", "Tide")).unwrap().unwrap();
    let tide_text = encoded("[:film/title \"Tide\"]");
    type Case<'a> = (String, Box<dyn Fn(&annals::Datom) -> bool + 'a>);
    let cases: Vec<Case<'_>> = vec![
        ("attr=:film/year".into(), Box::new(|d| d.a.entity() == year)),
        ("attr=:film/year&attr=:film/cast".into(), Box::new(|d| [year, cast].contains(&d.a.entity()))),
        (format!("entity={tide_text}"), Box::new(|d| d.e == tide)),
        (format!("attr=:film/cast&entity={tide_text}"), Box::new(|d| d.a.entity() == cast && d.e == tide)),
        ("attr=:person/name".into(), Box::new(|d| d.a.entity() == id(":person/name"))),
    ];
    for (filter, wanted) in cases {
        let want = filtered(&conn, 1, wanted);
        let mut told = events(&site, &format!("?after=1&{filter}"), &[]);
        let mut last = 1;
        for (t, count) in &want {
            let event = told.told();
            let data = event.json();
            assert_eq!((event.id, data["datoms"].as_array().unwrap().len()), (*t, *count), "{filter}");
            assert_eq!(data["prev-t"], last, "{filter}");
            last = event.id;
        }
        // The same by polls, a few at a time.
        let mut at = format!("{TAIL}?after=1&limit=3&wait=0&{filter}");
        let mut polled = Vec::new();
        loop {
            let reply = site.get_json(&at).ok();
            at = next_of(&reply);
            let page = reply.json();
            let rows = page.as_array().unwrap();
            assert!(rows.len() <= 3);
            polled.extend(
                rows.iter().map(|tx| (tx["t"].as_u64().unwrap(), tx["datoms"].as_array().unwrap().len())),
            );
            if rows.is_empty() && at.contains(&format!("after={}", db.basis_t())) {
                break;
            }
        }
        assert_eq!(polled, want, "{filter}");
    }
}

fn next_of(reply: &Reply) -> String {
    let link = reply.header("link");
    link.strip_prefix('<').and_then(|link| link.split_once('>')).expect("a link").0.to_owned()
}

#[test]
fn who_wants_little_hears_how_far_the_log_was_looked_through() {
    let site = films_with(ServerOptions { heartbeat: Duration::from_millis(50), ..ServerOptions::default() });
    let mut told = events(&site, "?attr=:person/name", &[]);
    let conn = main_of(&site);
    (0..5).for_each(|n| add(&conn, n));
    let progress = told.by_ref().find(|event| event.id == 8).expect("a heartbeat that is so far");
    assert_eq!(progress.name, "");
    conn.transact("[{:person/name \"Bo\"}]").unwrap();
    assert_eq!(told.told().json()["prev-t"], 8);
}

#[test]
fn a_poll_waits_for_a_commit_and_says_where_the_next_goes_on() {
    let site = films();
    let conn = main_of(&site);
    let began = Instant::now();
    let empty = site.get_json(&format!("{TAIL}?wait=50")).ok();
    assert_eq!((empty.json(), next_of(&empty)), (json!([]), format!("{TAIL}?wait=50&after=3")));
    assert!(began.elapsed() >= Duration::from_millis(50));
    std::thread::scope(|scope| {
        let polled =
            scope.spawn(|| site.get_json(&format!("{TAIL}?after=3&wait=10000&attr=:film/year")).ok());
        wait_for("the poll to be there", || metric(&site, "annals_http_requests_waiting") == 1.0);
        conn.transact("[{:person/name \"Bo\"}]").unwrap();
        let (_never, ticks) = std::sync::mpsc::channel::<()>();
        let _ = ticks.recv_timeout(Duration::from_millis(50));
        assert!(!polled.is_finished(), "nothing wanted came");
        let committed = Instant::now();
        add(&conn, 1);
        let reply = polled.join().unwrap();
        assert!(committed.elapsed() < Duration::from_secs(5), "it woke, and did not wait to the end");
        let rows = reply.json();
        assert_eq!((&rows[0]["t"], rows[0]["datoms"].as_array().unwrap().len()), (&json!(5), 1));
        assert_eq!(reply.basis_t(), 5);
    });
    let lines = site.call("GET", &format!("{TAIL}?after=2&limit=1"), &[("accept", "text/csv")], None).ok();
    assert!(lines.text.starts_with("t,instant,e,a,v,tx,added\r\n3,"), "{}", lines.text);
}

/// Nobody reads the stream; the transactions are larger than all buffers on the way.
#[test]
fn who_does_not_read_is_cut_off_and_told_where_to_go_on() {
    let options = ServerOptions {
        stall_timeout: Duration::from_secs(4),
        streams: 1,
        heartbeat: Duration::from_secs(60),
        ..ServerOptions::default()
    };
    let site = films_with(options);
    let conn = main_of(&site);
    for will_read in [true, false] {
        let mut stuck = raw(&site, "?after=3");
        let busy = || site.get(&format!("{TAIL}?wait=0")).status == 429;
        wait_for("the place to be taken", busy);
        let cut = metric(&site, "annals_tail_cut_off_total");
        let began = Instant::now();
        for n in 0..30 {
            let title = format!("{will_read} {n} {}", "x".repeat(1_000_000));
            conn.transact(format!("[{{:film/title \"{title}\"}}]")).unwrap();
        }
        assert!(began.elapsed() < Duration::from_secs(30), "commits go on: {:?}", began.elapsed());
        wait_for("it to be cut off", || metric(&site, "annals_tail_cut_off_total") > cut);
        if will_read {
            let mut told = Events(BufReader::new(Box::new(stuck)));
            let all: Vec<Event> = told.by_ref().filter(|event| !event.name.is_empty()).collect();
            let (end, before) = all.split_last().expect("events");
            assert_eq!(
                (end.name.as_str(), end.json()["problem"]["keyword"].as_str()),
                ("end", Some("db.error/not-read"))
            );
            assert_eq!(end.json()["after"], before.last().unwrap().id, "all that was told, and no more");
            assert!(before.len() < 30);
        } else {
            wait_for("the place to be free", || !busy());
            let mut rest = Vec::new();
            let _ = stuck.read_to_end(&mut rest);
            assert!(!String::from_utf8_lossy(&rest).contains("event: end"), "it was too late for that");
        }
        wait_for("the place to be free", || !busy());
    }
}

#[test]
fn a_place_is_free_again_when_its_asker_goes() {
    let site = films_with(ServerOptions { streams: 2, ..ServerOptions::default() });
    let first = raw(&site, "");
    let second = raw(&site, "");
    wait_for("both to be there", || metric(&site, "annals_http_requests_running{work=\"streams\"}") == 2.0);
    let third = site.get_json(TAIL);
    assert_eq!((third.status, &third.json()["keyword"]), (429, &json!("db.error/busy")));
    assert_eq!(
        site.query("[:find ?t :where [_ :film/title ?t]]").status,
        200,
        "reads have places of their own"
    );
    drop(first);
    wait_for("a place", || site.get(&format!("{TAIL}?wait=0")).status == 200);
    drop(second);
}

#[test]
fn a_thousand_follow_at_once() {
    let site = films();
    let conn = main_of(&site);
    let began = Instant::now();
    let clients: Vec<TcpStream> = (0..1000).map(|_| raw(&site, "?after=3")).collect();
    wait_for("all to be there", || metric(&site, "annals_http_requests_running{work=\"streams\"}") == 1000.0);
    (0..50).for_each(|n| add(&conn, n));
    for client in clients {
        let ids: Vec<u64> = Events(BufReader::new(Box::new(client)))
            .filter(|event| !event.name.is_empty())
            .map(|event| event.id)
            .take(50)
            .collect();
        assert!(ids.iter().copied().eq(4..=53), "{ids:?}");
    }
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    wait_for("all to be gone", || metric(&site, "annals_http_requests_running{work=\"streams\"}") == 0.0);
}

#[test]
fn a_stream_ends_with_its_server_and_with_its_database() {
    let site = films();
    let mut of_database = events(&site, "", &[]);
    assert!(of_database.next().is_some());
    site.store.drop_database("main").unwrap();
    let end = of_database.told();
    assert_eq!(
        (end.name.as_str(), &end.json()["problem"]["keyword"]),
        ("end", &json!("db.error/log-closed"))
    );
    assert_eq!(site.get(TAIL).status, 404);
    // Another database of the same name has a log of its own.
    for tx in [SCHEMA, FILMS] {
        main_of(&site).transact(tx).unwrap();
    }
    let mut of_server = events(&site, "?after=1", &[]);
    assert_eq!(of_server.told().id, 2);
    let began = Instant::now();
    site.server.stop();
    let end = of_server.told();
    assert_eq!((end.name.as_str(), end.json()["after"].as_u64()), ("end", Some(2)));
    assert_eq!(end.json()["problem"]["keyword"], "db.error/stopping");
    assert!(of_server.next().is_none() && began.elapsed() < Duration::from_secs(8));
}
