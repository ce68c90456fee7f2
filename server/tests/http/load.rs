//! Many askers at once, askers that go away, and answers that take too long.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support::*;
use annals_server::ServerOptions;

/// A query that counts for ever, a row at a time.
const ENDLESS: &str = "{:query [:find (count ?n) . :in $ % :where (up ?n)]
    :args [[[(up ?n) [(ground 0) ?n]] [(up ?n) (up ?m) [(+ ?m 1) ?n]]]]}";

fn options() -> ServerOptions {
    // No limit on rows: what stops the query is what is tested.
    ServerOptions { rows: None, ..ServerOptions::default() }
}

#[test]
fn a_hundred_transactions_at_once_all_arrive_in_one_order() {
    let site = films();
    let ts: Vec<u64> = std::thread::scope(|scope| {
        let site = &site;
        let asked: Vec<_> = (0..100)
            .map(|n| {
                scope.spawn(move || {
                    let body = format!("[{{:film/title \"film {n}\" :film/year {n}}}]");
                    let reply = site.call(
                        "POST",
                        "/v1/db/main/transact",
                        &[("content-type", EDN), ("accept", JSON)],
                        Some(&body),
                    );
                    let report = reply.ok().json();
                    assert_eq!(report["db-after"]["basis-t"], report["t"]);
                    report["t"].as_u64().unwrap()
                })
            })
            .collect();
        asked.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let distinct: BTreeSet<u64> = ts.into_iter().collect();
    assert_eq!(distinct, (4..104).collect());
    let count = site.query("[:find (count ?f) . :where [?f :film/title]]").ok();
    assert_eq!((count.text.as_str(), count.basis_t()), ("103", 103));
}

#[test]
fn a_query_that_takes_too_long_is_stopped() {
    let site = films_with(options());
    for path in ["/v1/db/main/query?timeout=100", "/v1/db/main/query"] {
        let body = if path.contains('?') {
            ENDLESS.to_owned()
        } else {
            ENDLESS.replace(":args", ":timeout 100 :args")
        };
        let began = Instant::now();
        let reply = site.call("POST", path, &[("content-type", EDN), ("accept", JSON)], Some(&body));
        assert_eq!((reply.status, &reply.json()["category"]), (504, &"interrupted".into()), "{}", reply.text);
        assert!(began.elapsed() < Duration::from_secs(5));
    }
}

#[test]
fn too_many_rows_are_an_error_and_not_a_dead_server() {
    let site = films_with(ServerOptions { rows: Some(1000), ..ServerOptions::default() });
    let reply =
        site.call("POST", "/v1/db/main/query", &[("content-type", EDN), ("accept", JSON)], Some(ENDLESS));
    assert!(reply.status >= 400 && reply.json()["keyword"].is_string(), "{}", reply.text);
    assert_eq!(site.get("/v1/db/main").status, 200);
}

/// With one place for reads, the next reader gets in only when the query of the one who left has ended.
#[test]
fn a_query_ends_when_its_asker_goes_away() {
    let site = films_with(ServerOptions { reads: 1, ..options() });
    let mut stream = TcpStream::connect(site.server.local_addr()).unwrap();
    write!(
        stream,
        "POST /v1/db/main/query HTTP/1.1\r\nHost: localhost\r\nContent-Type: {EDN}\r\nContent-Length: {}\r\n\r\n{ENDLESS}",
        ENDLESS.len()
    )
    .unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let no_answer = stream.read(&mut [0; 100]).unwrap_err();
    assert!(matches!(no_answer.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{no_answer}");
    assert_eq!(site.get("/v1/db/main").status, 429, "the place is taken");
    drop(stream);
    wait_for("the place to be free", || site.get("/v1/db/main").status == 200);
}

#[test]
fn a_full_server_says_so_and_still_answers_probes() {
    let site = site_with(ServerOptions { reads: 0, writes: 0, ..options() });
    site.store.create_database("main").unwrap();
    for (method, path) in [("GET", "/v1/db"), ("PUT", "/v1/db/other"), ("GET", "/v1/db/main/log")] {
        let reply = site.call(method, path, &[("accept", JSON)], None);
        assert_eq!((reply.status, &reply.json()["keyword"]), (429, &"db.error/busy".into()));
        assert_eq!(reply.header("retry-after"), "1");
    }
    assert_eq!(site.get("/health/live").status, 200);
    assert_eq!(site.get("/health/ready").status, 200);
}

#[test]
fn a_stopping_server_lets_running_requests_end() {
    let site = films();
    let stopper = site.server.stopper();
    let path = "/v1/db/main?min-t=4&wait=5000";
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| site.get(path));
        let conn = site.store.open_database("main").unwrap();
        wait_for("the server to be reached", || site.get("/health/live").status == 200);
        let (_never, ticks) = std::sync::mpsc::channel::<()>();
        let _ = ticks.recv_timeout(Duration::from_millis(100));
        stopper.stop();
        conn.transact("[{:film/title \"Last\"}]").unwrap();
        assert_eq!(waiting.join().unwrap().ok().basis_t(), 4);
    });
}

#[test]
fn garbage_on_the_wire_hurts_nobody() {
    let site = films();
    for garbage in [
        &b"\x00\x01\x02\r\n\r\n"[..],
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /v1/db HTTP/1.1\r\nContent-Length: x\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(site.server.local_addr()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        stream.write_all(garbage).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"),
            "{}",
            String::from_utf8_lossy(&answer)
        );
    }
    assert_eq!(site.get("/health/live").status, 200);
}
