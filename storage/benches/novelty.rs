//! What novelty and snapshots cost: `cargo bench -p annals-storage --bench novelty -- [ROWS] [PART]...`,
//! with the parts `intake`, `reads` and `past`.
//!
//! People with six attributes each, in an order scattered over their ids where it says so. Every figure is the best
//! of several rounds, in nanoseconds; trust ratios inside one run.

#![expect(clippy::print_stdout, reason = "figures are this program's output")]

use std::hint::black_box;
use std::ops::ControlFlow;
use std::time::Instant;

use annals_storage::datom::{
    AttrId, EntityId, Order, Partition, Pattern, T, Tag, Value, ValueBound, ValueRef,
};
use annals_storage::log::{LogDatom, LoggedTx, Op};
use annals_storage::novelty::Novelty;
use annals_storage::snapshot::{Snapshot, View};

const SALARY: AttrId = AttrId(73);

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let rows = args.iter().find_map(|arg| arg.parse().ok()).unwrap_or(1_000_000_u64);
    let asked =
        |part: &str| args.iter().all(|arg| arg.parse::<u64>().is_ok()) || args.iter().any(|arg| arg == part);
    if asked("intake") {
        intake(rows);
    }
    if asked("reads") {
        reads(rows);
    }
    if asked("past") {
        past(rows / 10, 4);
    }
}

fn entity(n: u64) -> EntityId {
    EntityId::new(Partition::USER, n)
}

fn person(n: u64) -> [LogDatom; 6] {
    let fact = |a: u32, v: Value| LogDatom { e: entity(n), a: AttrId(a), v, op: Op::Assert };
    [
        fact(70, Value::string(format!("Name {}", n % 5_000))),
        fact(71, Value::string(format!("person{n}@example.org"))),
        fact(72, Value::Long((n * 7 % 90) as i64)),
        fact(SALARY.0, Value::Long((n * 7919 % 100_000) as i64)),
        fact(74, Value::Instant(n as i64 * 1_000_000)),
        fact(75, Value::Ref(entity(n / 10))),
    ]
}

/// People in order or scattered, `size` datoms a transaction.
fn log(rows: u64, size: usize, scattered: bool) -> Vec<LoggedTx> {
    let people = rows / 6;
    let id = |n: u64| if scattered { n.wrapping_mul(0x9e37_79b9) % people.next_power_of_two() } else { n };
    let datoms: Vec<LogDatom> = (0..people).flat_map(|n| person(id(n))).collect();
    datoms
        .chunks(size)
        .enumerate()
        .map(|(t, datoms)| LoggedTx { t: t as T + 1, instant: 0, datoms: datoms.to_vec() })
        .collect()
}

/// The best time of some rounds, in nanoseconds for each of `units`. A round lasts long enough for the clock.
fn best<R>(rounds: usize, units: u64, mut work: impl FnMut() -> R) -> f64 {
    let origin = Instant::now();
    black_box(work());
    let times = 1 + 50_000_000 / (origin.elapsed().as_nanos() as u64 + 1);
    let mut round = || {
        let start = clock(origin);
        (0..times).for_each(|_| drop(black_box(work())));
        (clock(origin) - start) / times as f64
    };
    (0..rounds).map(|_| round()).fold(f64::MAX, f64::min) / units as f64
}

/// Nanoseconds of this thread's own processor time where the system tells them, else of the day.
fn clock(origin: Instant) -> f64 {
    let own = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let own = own.and_then(|text| text.split(' ').next()?.parse().ok());
    own.unwrap_or_else(|| origin.elapsed().as_nanos() as f64)
}

fn intake(rows: u64) {
    for (name, scattered) in [("ascending", false), ("scattered", true)] {
        for size in [6, 60, 1_000] {
            let txs = log(rows, size, scattered);
            let ns = best(2, rows, || txs.iter().fold(Novelty::new(), |novelty, tx| novelty.with(tx)));
            println!(
                "with, {size} datoms a transaction, {name}: {ns:.0} ns a datom, {:.0} an order",
                ns / 3.0
            );
        }
        let txs = log(rows, 60, scattered);
        println!("bulk, {name}: {:.0} ns a datom", best(3, rows, || Novelty::from_log(&txs)));
    }
}

fn ages(snapshot: &Snapshot, view: &View) -> (u64, i64) {
    let (mut rows, mut sum) = (0, 0);
    let scan = snapshot.scan(view, &Pattern::attribute(SALARY), &mut |batch| {
        rows += batch.len as u64;
        sum += match batch.v.words {
            annals_storage::datom::Col::Const(word) => word * batch.len as i64,
            annals_storage::datom::Col::Each(words) => words.iter().sum::<i64>(),
        };
        ControlFlow::Continue(())
    });
    scan.expect("memory does not fail");
    (rows, sum)
}

fn reads(rows: u64) {
    let people = rows / 6;
    let txs = log(rows, 60, false);
    let bulk = Novelty::from_log(&txs);
    println!("memory: {:.0} bytes a datom", bulk.size().bytes as f64 / rows as f64);
    let runs = txs.iter().fold(Novelty::new(), |novelty, tx| novelty.with(tx));
    let scattered = log(rows, 60, true).iter().fold(Novelty::new(), |novelty, tx| novelty.with(tx));
    let words: Vec<i64> = (0..people as i64).collect();
    println!("array pass: {:.2} ns a row", best(20, people, || black_box(&words).iter().sum::<i64>()));
    let mut updated = bulk.clone();
    let mut t = txs.len() as T;
    for n in (0..people).step_by(100) {
        t += 1;
        updated = updated.with(&raise(n, n as T / 10 + 1, t, (n * 7919 % 100_000) as i64, 5));
    }
    for (name, novelty) in
        [("bulk", bulk), ("runs", runs), ("runs of scattered", scattered), ("1 % updated", updated)]
    {
        let (layers, snapshot) = (novelty.size().layers, Snapshot::new(novelty));
        let now = View::default();
        println!("{name}, {layers} layers");
        println!("  column: {:.2} ns a row", best(10, people, || ages(&snapshot, &now)));
        let lookups = 100_000;
        let each = |work: &mut dyn FnMut(u64) -> u64| {
            best(3, lookups, || (0..lookups).map(|n| work(n.wrapping_mul(0x9e37_79b9) % people)).sum::<u64>())
        };
        let found = |pattern: &Pattern<'_>| {
            let mut found = 0;
            let scan = snapshot.scan(&now, pattern, &mut |batch| {
                found += batch.len as u64;
                ControlFlow::Continue(())
            });
            scan.expect("memory does not fail");
            found
        };
        let values = each(&mut |n| found(&Pattern::values(entity(n), SALARY)));
        let all = each(&mut |n| found(&Pattern::entity(entity(n))));
        let value = each(&mut |n| {
            let email = format!("person{n}@example.org");
            found(&Pattern::value(AttrId(71), ValueRef::Variable(Tag::String, email.as_bytes())))
        });
        let refs = each(&mut |n| {
            let v = ValueBound::Is(ValueRef::Fixed(Tag::Ref, entity(n).0 as i64));
            found(&Pattern { v, ..Pattern::ALL })
        });
        let count = each(&mut |n| {
            snapshot.count(&now, &Pattern::values(entity(n), SALARY)).expect("memory does not fail")
        });
        println!(
            "  values {values:.0}, entity {all:.0}, e-mail {value:.0}, references {refs:.0}, count {count:.0} ns"
        );
        let text = best(5, people, || {
            let mut bytes = 0;
            let scan =
                snapshot.scan_ordered(&now, Order::Aevt, &Pattern::attribute(AttrId(71)), &mut |batch| {
                    for row in 0..batch.len {
                        if let ValueRef::Variable(_, code) = batch.v.get(row) {
                            bytes += u64::from(code[6]);
                        }
                    }
                    ControlFlow::Continue(())
                });
            scan.expect("memory does not fail");
            bytes
        });
        println!("  text column: {text:.2} ns a row");
    }
}

fn raise(n: u64, from: T, t: T, old: i64, by: i64) -> LoggedTx {
    let fact = |v: i64, op: Op| LogDatom { e: entity(n), a: SALARY, v: Value::Long(v), op };
    LoggedTx {
        t,
        instant: 0,
        datoms: vec![fact(old, Op::Retract { from, forget: false }), fact(old + by, Op::Assert)],
    }
}

/// Everyone gets `versions` raises, one after the other.
fn past(people: u64, versions: u64) {
    let mut txs: Vec<LoggedTx> = Vec::new();
    let mut since = vec![0_u64; people as usize];
    for n in 0..people {
        let t = txs.len() as T + 1;
        since[n as usize] = t;
        let op = Op::Assert;
        let datoms = vec![LogDatom { e: entity(n), a: SALARY, v: Value::Long(1_000), op }];
        txs.push(LoggedTx { t, instant: 0, datoms });
    }
    for version in 0..versions {
        for n in 0..people {
            let n = n.wrapping_mul(7919) % people;
            let t = txs.len() as T + 1;
            txs.push(raise(n, since[n as usize], t, 1_000 + version as i64, 1));
            since[n as usize] = t;
        }
    }
    let last = txs.len() as T;
    let bulk = Novelty::from_log(&txs);
    let runs = txs.iter().fold(Novelty::new(), |novelty, tx| novelty.with(tx));
    for (name, novelty) in [("bulk", bulk), ("runs", runs)] {
        let size = novelty.size();
        let snapshot = Snapshot::new(novelty);
        println!("{versions} versions, {name}: {} layers, {} generations", size.layers, size.generations);
        let now = best(5, people, || ages(&snapshot, &View::default()));
        println!("  now: {now:.2} ns a row");
        for percent in [99, 90, 50, 25] {
            let view = View { as_of: Some(last * percent / 100), ..View::default() };
            let ns = best(5, people, || ages(&snapshot, &view));
            println!("  as of {percent} %: {ns:.2} ns a row, {:.1} of now", ns / now);
        }
        let view = View { as_of: Some(last * 9 / 10), ..View::default() };
        let seek = best(3, 100_000, || {
            let mut found = 0;
            for n in 0..100_000_u64 {
                let e = entity(n.wrapping_mul(0x9e37_79b9) % people);
                let scan = snapshot.scan(&view, &Pattern::values(e, SALARY), &mut |batch| {
                    found += batch.len;
                    ControlFlow::Continue(())
                });
                scan.expect("memory does not fail");
            }
            found
        });
        println!("  values as of 90 %: {seek:.0} ns");
    }
}
