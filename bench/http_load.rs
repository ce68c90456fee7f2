//! Load over HTTP on a file: how long a transaction of one fact takes at a given rate, and who is disturbed by listeners.
//!
//! The load is open: requests have intended starts at even distances, and the time of each counts from there, so that a
//! server that stalls is charged for all who had to wait. Beside it stands what the disk itself needs to sync 4 KiB,
//! measured in the same run. Server, clients and listeners share this process and its machine.
//!
//! Arguments: requests a second (170), seconds of each part (20), the folder of the file (the current one).

#![allow(clippy::print_stdout)]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use annals_bench::{micros, row, syncs, times};
use annals_server::{Server, ServerOptions};
use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;

/// How many requests may be on their way at once.
const CLIENTS: usize = 128;

/// How many listen.
const LISTENERS: usize = 1000;

/// What a transaction may take beyond the disk's own time.
const GRACE: Duration = Duration::from_millis(10);

/// How long a rate is tried.
const TRY: Duration = Duration::from_secs(5);

const SCHEMA: &str =
    "[{:db/ident :reading/value :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
    {:db/ident :reading/note :db/valueType :db.type/string :db/cardinality :db.cardinality/one}]";

/// How many notes of a megabyte are in the log: more than what lies between a server and who does not read.
const NOTES: usize = 16;

fn main() {
    // Cargo adds a flag of its own.
    let given: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let number = |at: usize, usual| given.get(at).map_or(usual, |word| word.parse().expect("a number"));
    let (rate, seconds) = (number(0, 170), Duration::from_secs(number(1, 20)));
    let folder = given.get(2).map_or(".", String::as_str);
    let folder = tempfile::tempdir_in(folder).expect("a folder that can be written to");
    let address = format!("redb:{}", folder.path().join("load.annals").display());
    let store = annals::connect(&address).expect("a file");
    let conn = store.database("main").expect("a database");
    conn.transact(SCHEMA).expect("a schema");
    for n in 0..NOTES {
        let note = format!("{n} {}", "x".repeat(1_000_000));
        conn.transact(format!("[[:db/add \"r\" :reading/note \"{note}\"]]")).expect("room");
    }
    let options = ServerOptions {
        listen: ([127, 0, 0, 1], 0).into(),
        stall_timeout: Duration::from_secs(10),
        ..ServerOptions::default()
    };
    let server = annals_server::serve(store, options).expect("a server on loopback");
    let machine = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("load before: {}", machine.trim());
    println!("{:44} {:>9} {:>9} {:>9} {:>9} {:>7}", "ms", "p50", "p99", "p99.9", "most", "count");

    let disk = syncs(folder.path());
    row("the disk syncs 4 KiB", &disk);
    let steady = load(&server, rate, seconds);
    row(&format!("one fact, {rate} a second"), &steady.times);
    steady.tell();
    row("the disk syncs 4 KiB, afterwards", &syncs(folder.path()));

    let most = GRACE + Duration::from_micros(disk.value_at_quantile(0.99));
    highest(&server, rate, most);
    listeners(&server, rate, seconds);
}

/// What came of a load.
struct Outcome {
    times: Histogram<u64>,
    failed: u64,
}

impl Outcome {
    fn tell(&self) {
        if self.failed > 0 {
            println!("    {} failed", self.failed);
        }
    }
}

/// So many transactions a second, for so long.
fn load(server: &Server, rate: u64, time: Duration) -> Outcome {
    let (next, failed, all) = (AtomicU64::new(0), AtomicU64::new(0), Mutex::new(times()));
    let (url, begin) = (format!("{}/v1/db/main/transact", server.url()), Instant::now());
    let count = (rate as f64 * time.as_secs_f64()) as u64;
    let client = || {
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
        let mut own = times();
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n >= count {
                break;
            }
            let due = begin + Duration::from_secs_f64(n as f64 / rate as f64);
            while let Some(left) = due.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
                std::thread::park_timeout(left);
            }
            let request = agent.post(&url).header("content-type", "application/edn");
            let answer = request.send(format!("[[:db/add \"r\" :reading/value {n}]]"));
            let read = answer.map(|mut answer| (answer.status(), answer.body_mut().read_to_string().is_ok()));
            if !matches!(read, Ok((status, true)) if status == 200) {
                failed.fetch_add(1, Ordering::Relaxed);
            }
            own.saturating_record(micros(due.elapsed()));
        }
        all.lock().expect("no client panics").add(own).expect("the same bounds");
    };
    std::thread::scope(|scope| (0..CLIENTS).for_each(|_| drop(scope.spawn(client))));
    Outcome { times: all.into_inner().expect("no client panics"), failed: failed.into_inner() }
}

/// The highest rate at which 99 of 100 take no longer than `most`.
fn highest(server: &Server, rate: u64, most: Duration) {
    let holds = |rate: u64| {
        let tried = load(server, rate, TRY);
        row(&format!("one fact, {rate} a second"), &tried.times);
        tried.tell();
        tried.failed == 0 && tried.times.value_at_quantile(0.99) <= micros(most)
    };
    let (mut good, mut bad) = (rate, rate * 2);
    while holds(bad) {
        (good, bad) = (bad, bad * 2);
    }
    for _ in 0..3 {
        let middle = u64::midpoint(good, bad);
        if holds(middle) { good = middle } else { bad = middle }
    }
    println!("highest rate with p99 within {:.1} ms: {good} a second", most.as_secs_f64() * 1e3);
}

/// The same load with many who listen, and with one among them who does not read.
fn listeners(server: &Server, rate: u64, time: Duration) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("threads");
    let told = Arc::new(AtomicUsize::new(0));
    for _ in 1..LISTENERS {
        runtime.spawn(listen(server.local_addr(), told.clone()));
    }
    wait_for(server, "annals_http_requests_running{work=\"streams\"}", (LISTENERS - 1) as f64);
    let all_read = load(server, rate, time);
    row(&format!("{rate} a second, {} listen", LISTENERS - 1), &all_read.times);
    all_read.tell();
    let stuck = runtime.block_on(ask(server.local_addr(), "?after=0", Some(4096)));
    let one_stuck = load(server, rate, time);
    row(&format!("{rate} a second, {LISTENERS} listen, one is stuck"), &one_stuck.times);
    one_stuck.tell();
    drop(stuck);
    let p99 = |outcome: &Outcome| outcome.times.value_at_quantile(0.99) as f64;
    println!("p99 with one stuck to p99 without: {:.2}", p99(&one_stuck) / p99(&all_read));
    let count = |name| metric(server, name);
    println!(
        "told {} transactions in {} MB; cut off: {}",
        count("annals_tail_transactions_total"),
        told.load(Ordering::Relaxed) / 1_000_000,
        count("annals_tail_cut_off_total")
    );
}

async fn listen(address: SocketAddr, told: Arc<AtomicUsize>) {
    let mut stream = ask(address, "", None).await;
    let mut bytes = vec![0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut bytes).await {
        told.fetch_add(read, Ordering::Relaxed);
    }
}

async fn ask(address: SocketAddr, more: &str, buffer: Option<u32>) -> tokio::net::TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    if let Some(bytes) = buffer {
        socket.set_recv_buffer_size(bytes).expect("a size");
    }
    let mut stream = socket.connect(address).await.expect("our own server");
    let head = format!(
        "GET /v1/db/main/log/tail{more} HTTP/1.0\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.expect("our own server");
    stream
}

fn metric(server: &Server, name: &str) -> f64 {
    let mut answer = ureq::get(format!("{}/metrics", server.url())).call().expect("our own server");
    let text = answer.body_mut().read_to_string().expect("text");
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0.0, |number| number.parse().expect("a number"))
}

fn wait_for(server: &Server, name: &str, wanted: f64) {
    let begin = Instant::now();
    while metric(server, name) < wanted {
        assert!(begin.elapsed() < Duration::from_secs(60), "{name} does not come to {wanted}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}
