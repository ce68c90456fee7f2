//! A point query over HTTP beside a handler that returns the same bytes from a constant, on the same cores.
//!
//! Both are served by axum on tokio from this process; the clients are in it too, one connection each, one request after
//! the other, and they read no more of an answer than its length. Rounds alternate, and the ratio is of medians.
//!
//! Arguments: connections (32), seconds a round (3), how many facts (20000).

#![allow(clippy::print_stdout)]

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use annals_bench::{micros, row, times};
use annals_server::ServerOptions;
use axum::http::header::CONTENT_TYPE;
use axum::routing::post;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const ROUNDS: usize = 5;

const SCHEMA: &str = "[{:db/ident :reading/number :db/valueType :db.type/long :db/cardinality :db.cardinality/one
                        :db/unique :db.unique/identity}
                       {:db/ident :reading/value :db/valueType :db.type/long :db/cardinality :db.cardinality/one}]";

fn main() {
    // Cargo adds a flag of its own.
    let given: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let number = |at: usize, usual| given.get(at).map_or(usual, |word| word.parse().expect("a number"));
    let (clients, time, facts) = (number(0, 32), Duration::from_secs(number(1, 3) as u64), number(2, 20_000));
    let folder = tempfile::tempdir_in(".").expect("a folder that can be written to");
    let address = format!("redb:{}", folder.path().join("point.annals").display());
    let store = annals::connect(&address).expect("a file");
    let conn = store.database("main").expect("a database");
    conn.transact(SCHEMA).expect("a schema");
    let data: String =
        (0..facts).map(|n| format!("{{:reading/number {n} :reading/value {}}}", n * 3)).collect();
    conn.transact(format!("[{data}]")).expect("facts");
    let wanted = conn.request_index().expect("a job");
    conn.sync_index(wanted, Duration::from_secs(60)).expect("an index");
    let options = ServerOptions { listen: ([127, 0, 0, 1], 0).into(), ..ServerOptions::default() };
    let server = annals_server::serve(store, options).expect("a server on loopback");

    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("threads");
    let ask = move |n: usize| {
        request(
            "/v1/db/main/query",
            &format!(
                "{{:query \"[:find ?v . :in $ ?n :where [?e :reading/number ?n] [?e :reading/value ?v]]\" :args [{}]}}",
                n * 7919 % facts
            ),
        )
    };
    let sample = runtime.block_on(once(server.local_addr(), &ask(1)));
    println!("{}", String::from_utf8_lossy(&sample));
    let constant = runtime.block_on(constant(&sample));
    let mut rates = [Vec::new(), Vec::new()];
    println!("{:44} {:>9} {:>9} {:>9} {:>9} {:>7}", "ms", "p50", "p99", "p99.9", "most", "count");
    for _ in 0..ROUNDS {
        for (at, (what, address)) in
            [("constant", constant), ("point query", server.local_addr())].iter().enumerate()
        {
            let rate = runtime.block_on(load(what, *address, clients, time, ask));
            rates[at].push(rate);
        }
    }
    rates.iter_mut().for_each(|some| some.sort_by(f64::total_cmp));
    let [constant, point] = rates.map(|some| some[ROUNDS / 2]);
    println!("constant {constant:.0} a second, point query {point:.0}: {:.2} of it", point / constant);
}

fn request(path: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/edn\r\nAccept: application/edn\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// A server of one handler, which answers as the other does.
async fn constant(sample: &[u8]) -> SocketAddr {
    let at = sample.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let body: &'static [u8] = sample[at + 4..].to_vec().leak();
    let handler = move |_: String| async move { ([(CONTENT_TYPE, "application/edn")], body) };
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        axum::serve(listener, axum::Router::new().route("/v1/db/main/query", post(handler))).await
    });
    address
}

async fn once(address: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.expect("our own server");
    let mut buffer = vec![0; 64 << 10];
    stream.write_all(request).await.expect("our own server");
    let length = answer(&mut stream, &mut buffer).await;
    buffer[..length].to_vec()
}

/// Reads one answer; gives its length.
async fn answer(stream: &mut TcpStream, buffer: &mut [u8]) -> usize {
    let mut filled = 0;
    loop {
        let read = stream.read(&mut buffer[filled..]).await.expect("an answer");
        assert!(read > 0, "an answer before the end");
        filled += read;
        let Some(head) = buffer[..filled].windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let text = std::str::from_utf8(&buffer[..head]).expect("text").to_ascii_lowercase();
        assert!(text.starts_with("http/1.1 200"), "{text}");
        let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
        let whole = head + 4 + length.parse::<usize>().expect("a number");
        if filled >= whole {
            return whole;
        }
    }
}

/// So many connections, for so long; answers a second.
async fn load(
    what: &str,
    address: SocketAddr,
    clients: usize,
    time: Duration,
    ask: impl Fn(usize) -> Vec<u8> + Copy + Send + 'static,
) -> f64 {
    let (done, next) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let start = Instant::now();
    let tasks: Vec<_> = (0..clients)
        .map(|_| {
            let (done, next) = (done.clone(), next.clone());
            tokio::spawn(async move {
                let mut stream = TcpStream::connect(address).await.expect("our own server");
                stream.set_nodelay(true).expect("a socket");
                let (mut buffer, mut own) = (vec![0; 64 << 10], times());
                while !done.load(Ordering::Relaxed) {
                    let request = ask(next.fetch_add(1, Ordering::Relaxed) as usize);
                    let begin = Instant::now();
                    stream.write_all(&request).await.expect("our own server");
                    answer(&mut stream, &mut buffer).await;
                    own.saturating_record(micros(begin.elapsed()));
                }
                own
            })
        })
        .collect();
    tokio::time::sleep(time).await;
    done.store(true, Ordering::Relaxed);
    let mut all = times();
    for task in tasks {
        all.add(task.await.expect("no panic")).expect("the same bounds");
    }
    let rate = all.len() as f64 / start.elapsed().as_secs_f64();
    row(what, &all);
    rate
}
