//! What those need who run the server: counts, readiness, limits on connections, packed bodies, an orderly end.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use annals_server::ServerOptions;
use flate2::Compression;
use flate2::read::{GzDecoder, GzEncoder};
use serde_json::json;

use crate::support::*;

/// The text of the counts as a reader of it understands it: the kind of each family, and its series.
fn families(text: &str) -> BTreeMap<String, (String, Vec<(String, f64)>)> {
    let mut families = BTreeMap::<String, (String, Vec<(String, f64)>)>::new();
    let (mut helped, mut current) = (String::new(), String::new());
    assert!(text.ends_with("# EOF\n"), "{text}");
    for line in text.lines().filter(|line| *line != "# EOF") {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(help.len() > 5, "{line}");
            helped = name.to_owned();
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!(name, helped, "each type has its help before it");
            assert!(
                families.insert(name.to_owned(), (kind.to_owned(), Vec::new())).is_none(),
                "{name} twice"
            );
            current = name.to_owned();
        } else {
            let (series, number) = line.rsplit_once(' ').unwrap();
            let name = series.split('{').next().unwrap();
            let (kind, all) = families.get_mut(&current).unwrap_or_else(|| panic!("{line}"));
            let allowed: &[&str] = match kind.as_str() {
                "counter" => &["_total"],
                "histogram" => &["_bucket", "_sum", "_count"],
                _ => &[""],
            };
            assert!(
                allowed.iter().any(|end| name == format!("{current}{end}")),
                "{line} of {current}, a {kind}"
            );
            all.push((series.to_owned(), number.parse().unwrap_or_else(|_| panic!("{line}"))));
        }
    }
    families
}

#[test]
fn counts_tell_what_was_done() {
    // No job comes in between, whatever the usual threshold is: what is in memory is known.
    let late = annals::Options { novelty_datoms: 1_000_000, ..annals::Options::default() };
    let store = annals::connect_with("mem:", late).unwrap();
    let site = films_in(store, ServerOptions { writes: 1, ..ServerOptions::default() });
    let before = site.get("/metrics").ok();
    assert!(
        before.header("content-type").starts_with("application/openmetrics-text"),
        "{:?}",
        before.headers
    );
    for n in 0..3 {
        site.post("/v1/db/main/transact", &format!("[{{:film/title \"{n}\"}}]")).ok();
    }
    for _ in 0..2 {
        site.query("[:find ?t :where [_ :film/title ?t]]").ok();
        site.query("[:find ?t :where");
    }
    site.get("/v1/db/main/datoms/avet?a=:film/year").ok();
    site.get("/v1/db/main/nothing/secret-word");
    let told = site.get("/metrics").ok().text;
    let families = families(&told);
    assert!(families.keys().all(|name| name.starts_with("annals_")), "{:?}", families.keys());
    let value = |series: &str| {
        let all = families.values().flat_map(|(_, all)| all);
        all.clone().find(|(name, _)| name == series).map(|(_, number)| *number)
    };
    let requests = |route: &str, method: &str, status: u16| {
        value(&format!(
            "annals_http_requests_total{{route=\"{route}\",method=\"{method}\",status=\"{status}\"}}"
        ))
    };
    assert_eq!(requests("/v1/db/{db}/transact", "POST", 200), Some(3.0), "{told}");
    assert_eq!(requests("/v1/db/{db}/query", "POST", 200), Some(2.0));
    assert_eq!(requests("/v1/db/{db}/query", "POST", 400), Some(2.0));
    assert_eq!(requests("/v1/db/{db}/datoms/{index}", "GET", 200), Some(1.0));
    assert_eq!(requests("unknown", "other", 404), Some(1.0));
    assert!(!told.contains("secret-word"), "paths are data");
    let seconds = "annals_http_request_duration_seconds_count{route=\"/v1/db/{db}/query\",method=\"POST\"}";
    assert_eq!(value(seconds), Some(4.0));
    let of_main =
        |name: &str| value(&format!("annals_{name}{{db=\"main\"}}")).unwrap_or_else(|| panic!("{name}"));
    assert_eq!((of_main("database_basis_t"), of_main("database_transactions_total")), (6.0, 6.0));
    assert!(of_main("novelty_rows") > 10.0 && of_main("novelty_bytes") > 0.0);
    for zero in ["index_jobs_failed_total", "index_stalls_total", "transactions_parked", "transactor_queue"] {
        assert_eq!(of_main(zero), 0.0, "{zero}");
    }
    for there in [
        "index_jobs_total",
        "index_stalls_total",
        "index_job_seconds_total",
        "log_batches_unpacked",
        "stored_bytes",
    ] {
        let _ = of_main(there);
    }
    for there in ["cache_bytes", "cache_hits_total", "cache_misses_total", "query_cache_hits_total"] {
        assert!(value(&format!("annals_{there}")).is_some(), "{there}");
    }
    assert!(value("annals_http_received_bytes_total") > Some(500.0));
    assert!(value("annals_http_sent_bytes_total") > value("annals_http_received_bytes_total"));
    for work in ["reads", "transactions", "streams"] {
        assert_eq!(value(&format!("annals_http_requests_running{{work=\"{work}\"}}")), Some(0.0));
    }
    assert!(value("annals_http_connections") >= Some(1.0));
    let full = site_with(ServerOptions { reads: 0, ..ServerOptions::default() });
    full.get("/v1/db");
    assert_eq!(metric(&full, "annals_http_requests_refused_total{work=\"reads\"}"), 1.0);
}

#[test]
fn readiness_gives_its_reasons() {
    let site = films();
    site.get("/v1/db/main").ok();
    let ready = site.get_json("/health/ready").ok().json();
    let main = json!({"name": "main", "open": true, "basis-t": 3, "lag": 0, "leads": true});
    assert_eq!(ready, json!({"status": "ready", "reasons": [], "databases": [main]}));
    site.store.drop_database("main").unwrap();
    let ready = site.get_json("/health/ready").ok().json();
    assert_eq!(ready["databases"], json!([]), "one that was dropped is no reason");
}

#[test]
fn a_server_that_is_to_stop_refuses_what_is_new_and_ends_what_runs() {
    let site = films();
    let stopper = site.server.stopper();
    let conn = site.store.database("main").unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| site.get("/v1/db/main?min-t=4&wait=8000"));
        wait_for("it to wait", || metric(&site, "annals_http_requests_waiting") == 1.0);
        stopper.stop();
        wait_for("it to be told", || site.get("/health/ready").status == 503);
        let told = site.get_json("/health/ready").json();
        assert_eq!(
            (&told["status"], &told["reasons"]),
            (&json!("not-ready"), &json!(["the server is about to stop"]))
        );
        assert_eq!(site.get("/health/live").status, 200);
        let refused = site.get_json("/v1/db/main");
        assert_eq!((refused.status, &refused.json()["keyword"]), (503, &json!("db.error/stopping")));
        assert_eq!((refused.header("retry-after"), refused.header("connection")), ("1", "close"));
        let refused = site.post("/v1/db/main/transact", "[{:film/title \"Late\"}]");
        assert_eq!(refused.status, 503);
        conn.transact("[{:film/title \"Last\"}]").unwrap();
        assert_eq!(waiting.join().unwrap().ok().basis_t(), 4, "what ran has ended, and nothing came between");
    });
    let url = site.server.url();
    let began = Instant::now();
    site.server.wait();
    assert!(began.elapsed() < Duration::from_secs(8));
    assert!(ureq::get(format!("{url}/health/live")).call().is_err());
}

fn answer(site: &Site, path: &str, headers: &[(&str, &str)]) -> (ureq::http::HeaderMap, Vec<u8>) {
    let mut request = site.agent.get(site.server.url() + path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut response = request.call().unwrap();
    let bytes = response.body_mut().read_to_vec().unwrap();
    (response.headers().clone(), bytes)
}

#[test]
fn answers_are_packed_for_who_wants_that() {
    let site = films();
    const SCHEMA_PATH: &str = "/v1/db/main/log?from=0&to=4";
    let wish = [("accept-encoding", "gzip, br")];
    let (headers, packed) = answer(&site, SCHEMA_PATH, &wish);
    let (plain_headers, plain) = answer(&site, SCHEMA_PATH, &[]);
    assert_eq!(headers["content-encoding"], "gzip");
    assert!(packed.len() < plain.len() / 2 && !plain_headers.contains_key("content-encoding"));
    let mut unpacked = Vec::new();
    GzDecoder::new(&*packed).read_to_end(&mut unpacked).unwrap();
    assert_eq!(unpacked, plain);
    // The tag is weak, so it is the same for both; caches tell them apart by Vary.
    let tag = headers["etag"].to_str().unwrap().to_owned();
    assert!(tag.starts_with("W/") && plain_headers["etag"] == tag.as_str());
    for headers in [&headers, &plain_headers] {
        assert!(headers["vary"].to_str().unwrap().contains("accept-encoding"));
    }
    let unchanged = site.call("GET", SCHEMA_PATH, &[wish[0], ("if-none-match", &tag)], None);
    assert_eq!((unchanged.status, unchanged.text.as_str()), (304, ""));
    assert!(unchanged.header("vary").contains("accept-encoding"));
    for small in ["/health/live", "/v1/db/main/log?from=3"] {
        assert!(!answer(&site, small, &wish).0.contains_key("content-encoding"), "{small} is small");
    }
    let request = site.agent.get(format!("{}/v1/db/main/log/tail?after=0", site.server.url()));
    let events =
        request.header("accept", "text/event-stream").header("accept-encoding", "gzip").call().unwrap();
    assert!(!events.headers().contains_key("content-encoding"), "events go out one by one");
}

fn packed(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    GzEncoder::new(text.as_bytes(), Compression::best()).read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn bodies_may_be_packed_and_are_bounded_when_they_are_not_any_more() {
    let site = films_with(ServerOptions { body_bytes: 100_000, ..ServerOptions::default() });
    let send = |encoding: &str, bytes: &[u8]| {
        let request = site.agent.post(site.server.url() + "/v1/db/main/transact");
        let request =
            request.header("content-type", EDN).header("content-encoding", encoding).header("accept", JSON);
        let mut response = request.send(bytes).unwrap();
        (response.status().as_u16(), response.body_mut().read_to_string().unwrap())
    };
    let (status, text) = send("gzip", &packed("[{:film/title \"Packed\"}]"));
    assert_eq!(status, 200, "{text}");
    let bomb = packed(&format!("[{{:film/title \"{}\"}}]", "x".repeat(50 << 20)));
    assert!(bomb.len() < 100_000, "it is small as it comes: {}", bomb.len());
    for (encoding, bytes, status, keyword) in [
        ("gzip", bomb, 413, "db.error/body-too-large"),
        ("gzip", b"[{:film/title \"Plain\"}]".to_vec(), 400, "db.error/bad-body"),
        ("gzip", packed("[{:film/title \"Cut\"}]")[..20].to_vec(), 400, "db.error/bad-body"),
        ("br", b"x".to_vec(), 415, "db.error/unsupported-encoding"),
    ] {
        let (got, text) = send(encoding, &bytes);
        assert!(got == status && text.contains(keyword), "{encoding}: {got} {text}");
    }
    assert_eq!(site.get("/v1/db/main").basis_t(), 4);
}

/// What comes back on a connection on which this was sent, until it is closed.
fn exchange(site: &Site, sent: &str) -> (String, Duration) {
    let mut stream = TcpStream::connect(site.server.local_addr()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(sent.as_bytes()).unwrap();
    let began = Instant::now();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    (String::from_utf8_lossy(&answer).into_owned(), began.elapsed())
}

#[test]
fn a_connection_that_sends_no_whole_head_is_closed_and_its_place_free() {
    let options = ServerOptions {
        connections: 1,
        head_timeout: Duration::from_millis(300),
        ..ServerOptions::default()
    };
    let site = site_with(options);
    let whole = "GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n";
    // Each of them holds the only place, until its time is up.
    for slow in ["", "GET /health/live HTTP/1.1\r\nHost: loc", whole] {
        let (answer, took) = exchange(&site, slow);
        assert!(took >= Duration::from_millis(250) && took < Duration::from_secs(20), "{slow:?} {took:?}");
        assert_eq!(answer.contains(":status :live"), slow == whole, "{answer}");
    }
    let mut first = TcpStream::connect(site.server.local_addr()).unwrap();
    first.write_all(b"GET /hea").unwrap();
    let (answer, took) = exchange(&site, whole);
    assert!(answer.contains(":status :live") && took < Duration::from_secs(20), "{took:?} {answer}");
}

#[test]
fn heads_have_a_limit() {
    let site = site_with(ServerOptions { head_bytes: 10_000, ..ServerOptions::default() });
    let head = |bytes: usize| {
        format!(
            "GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Long: {}\r\n\r\n",
            "x".repeat(bytes)
        )
    };
    assert!(exchange(&site, &head(8000)).0.starts_with("HTTP/1.1 200"));
    assert!(exchange(&site, &head(50_000)).0.starts_with("HTTP/1.1 431"));
}

#[test]
fn an_answer_that_nobody_takes_is_given_up() {
    let options = ServerOptions {
        stall_timeout: Duration::from_millis(500),
        connections: 1,
        ..ServerOptions::default()
    };
    let site = site_with(options);
    let conn = site.store.database("main").unwrap();
    conn.transact(SCHEMA).unwrap();
    for n in 0..30 {
        conn.transact(format!("[{{:film/title \"{n} {}\"}}]", "x".repeat(1_000_000))).unwrap();
    }
    let mut stuck = TcpStream::connect(site.server.local_addr()).unwrap();
    stuck.write_all(b"GET /v1/db/main/log HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    stuck.read_exact(&mut [0; 15]).unwrap();
    let (answer, _) =
        exchange(&site, "GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert!(answer.contains(":status :live"), "the only place is free: {answer}");
}

#[test]
fn a_request_keeps_the_name_it_came_with_or_gets_one() {
    let site = films();
    let named = site.call("GET", "/v1/db", &[("x-request-id", "order-7/a")], None);
    assert_eq!(named.header("x-request-id"), "order-7/a");
    let failed = site.call("GET", "/v1/db/none", &[("x-request-id", "order-8")], None);
    assert_eq!((failed.status, failed.header("x-request-id")), (404, "order-8"));
    let own = || site.get("/v1/db").header("x-request-id").to_owned();
    let (first, second) = (own(), own());
    assert!(first.len() > 16 && first != second, "{first} {second}");
    for bad in ["two words", &"x".repeat(200), "ümlaut", ""] {
        let reply = site.call("GET", "/v1/db", &[("x-request-id", bad)], None);
        assert!(reply.header("x-request-id") != bad && !reply.header("x-request-id").is_empty(), "{bad}");
    }
}

/// A connection asks for whatever it likes; the server holds what was asked about open, and lets go of it at its end.
#[test]
fn a_database_stays_open_between_requests_and_no_longer_than_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("redb:{}", folder.path().join("a.annals").display());
    let site = site_over(annals::connect(&address).unwrap(), ServerOptions::default());
    site.call("PUT", "/v1/db/main", &[], None).ok();
    site.post("/v1/db/main/transact", SCHEMA).ok();
    assert_eq!(metric(&site, "annals_database_basis_t{db=\"main\"}"), 1.0, "nobody else holds it");
    let request = site.agent.get(format!("{}/v1/db/main/log/tail?after=0", site.server.url()));
    let events = request.header("accept", "text/event-stream").call().unwrap();
    site.server.stop();
    drop((site.store, events));
    let again = annals::connect(&address).unwrap();
    assert_eq!(again.open_database("main").unwrap().db().basis_t(), 1);
}
