//! What commits cost: one writer and many beside the disk's own sync, and how many transactions one core resolves.
//!
//! Each transaction changes one fact. A writer waits for its transaction before it sends the next; the disk's sync of
//! 4 KiB is measured before and after in the same folder. What is resolved without a disk goes to a database in memory,
//! handed over as fast as the queue takes it; `taskset -c 0` shows what one core does.
//!
//! Arguments: writers (64; 0: only in memory), seconds of each part (5), the folder of the file (the current one).

#![allow(clippy::print_stdout)]

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use annals::edn::FormKind;
use annals::{Connection, Edn, Form};
use annals_bench::{micros, row, syncs, times};
use hdrhistogram::Histogram;

/// How many entities have a fact to change.
const ENTITIES: usize = 20_000;

/// How many transactions may wait at once.
const QUEUED: usize = 512;

const SCHEMA: &str =
    "[{:db/ident :reading/value :db/valueType :db.type/long :db/cardinality :db.cardinality/one}]";

fn main() {
    // Cargo adds a flag of its own.
    let given: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let number = |at: usize, usual| given.get(at).map_or(usual, |word| word.parse().expect("a number"));
    let (writers, time) = (number(0, 64), Duration::from_secs(number(1, 5) as u64));
    let folder = given.get(2).map_or(".", String::as_str);
    println!("{:44} {:>9} {:>9} {:>9} {:>9} {:>7}", "ms", "p50", "p99", "p99.9", "most", "count");
    if writers > 0 {
        durable(folder, writers, time);
    }
    let (memory, entities) = filled("mem:");
    rate(&memory, &entities, 1, time);
    let mut resolved: Vec<f64> = (0..3).map(|_| resolved(&memory, &entities, time)).collect();
    resolved.sort_by(f64::total_cmp);
    println!("in memory, handed over without a pause: {:.0} a second", resolved[1]);
}

/// One writer and many, in turn, on a file.
fn durable(folder: &str, writers: usize, time: Duration) {
    let folder = tempfile::tempdir_in(folder).expect("a folder that can be written to");
    let (file, entities) = filled(&format!("redb:{}", folder.path().join("commits.annals").display()));
    row("the disk syncs 4 KiB", &syncs(folder.path()));
    let mut rates = Vec::new();
    for count in [1, writers, 1, writers, 1, writers] {
        rates.push(rate(&file, &entities, count, time));
    }
    row("the disk syncs 4 KiB, afterwards", &syncs(folder.path()));
    let median = |first: usize| {
        let mut some: Vec<f64> = rates.iter().skip(first).step_by(2).copied().collect();
        some.sort_by(f64::total_cmp);
        some[1]
    };
    let (one, many) = (median(0), median(1));
    println!(
        "durable: one writer {one:.0} a second, {writers} writers {many:.0}: {:.1} times as many",
        many / one
    );
}

/// A database, and entities in it.
fn filled(address: &str) -> (Connection, Vec<Edn>) {
    let conn = annals::connect(address).and_then(|store| store.database("main")).expect("a database");
    conn.transact(SCHEMA).expect("a schema");
    let facts: String = (0..ENTITIES).map(|n| format!("[:db/add \"{n}\" :reading/value {n}]")).collect();
    let report = conn.transact(format!("[{facts}]")).expect("facts");
    let wanted = conn.request_index().expect("a job");
    conn.sync_index(wanted, Duration::from_secs(60)).expect("an index");
    (conn, report.tempids.values().map(|e| Edn::from(*e)).collect())
}

/// A transaction of one fact, the `n`th.
fn change(entities: &[Edn], n: usize) -> Form {
    let entity = entities[n * 7919 % entities.len()].clone();
    let parts = [Edn::keyword("db/add"), entity, Edn::keyword("reading/value"), Edn::Int(n as i64)];
    let atom = |edn| Form { kind: FormKind::Atom(edn), span: None };
    let fact = Form { kind: FormKind::Vector(parts.into_iter().map(atom).collect()), span: None };
    Form { kind: FormKind::Vector(vec![fact]), span: None }
}

/// So many writers for so long; gives how many transactions there were in a second.
fn rate(conn: &Connection, entities: &[Edn], writers: usize, time: Duration) -> f64 {
    let (all, done) = (Mutex::new(times()), AtomicBool::new(false));
    let start = Instant::now();
    let write = |writer: usize| {
        let mut own = times();
        let mut n = writer;
        while !done.load(Ordering::Relaxed) {
            let form = change(entities, n);
            let begin = Instant::now();
            conn.transact(form).expect("an accepted transaction");
            own.saturating_record(micros(begin.elapsed()));
            n += writers;
        }
        all.lock().unwrap_or_else(PoisonError::into_inner).add(own).expect("the same bounds");
    };
    std::thread::scope(|scope| {
        (0..writers).for_each(|writer| {
            drop(scope.spawn({
                let write = &write;
                move || write(writer)
            }))
        });
        std::thread::park_timeout(time);
        done.store(true, Ordering::Relaxed);
    });
    let took = start.elapsed();
    let all: Histogram<u64> = all.into_inner().unwrap_or_else(PoisonError::into_inner);
    row(&format!("{writers} writing"), &all);
    all.len() as f64 / took.as_secs_f64()
}

/// Transactions that are handed over as fast as they are taken.
fn resolved(conn: &Connection, entities: &[Edn], time: Duration) -> f64 {
    let (start, mut n) = (Instant::now(), 0);
    let mut under_way = std::collections::VecDeque::with_capacity(QUEUED);
    while start.elapsed() < time {
        under_way.push_back(conn.submit(change(entities, n)).expect("room in the queue"));
        n += 1;
        if under_way.len() == QUEUED {
            under_way
                .drain(..QUEUED / 2)
                .for_each(|first: annals::Pending| drop(first.wait().expect("accepted")));
        }
    }
    under_way.into_iter().for_each(|last| drop(last.wait().expect("accepted")));
    n as f64 / start.elapsed().as_secs_f64()
}
