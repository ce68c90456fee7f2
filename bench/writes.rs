//! What the write side costs: a transaction of one fact, plain and with what can be asked of it; on one thread, in memory,
//! so that judging is what is timed. Medians of rounds, and ratios to the plain one, in one run.
//!
//! `cargo bench -p annals-bench --bench writes -- 100000` sets how many accounts there are (100,000 if nobody says).

#![allow(clippy::print_stdout, clippy::disallowed_methods)]

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use annals::{Code, Connection, Context, Edn, Options, Refusal, TxRequest};

const ROUNDS: usize = 7;
const EACH: usize = 2000;

const SCHEMA: &str = r#"[
  {:db/ident :account/id :db/valueType :db.type/long :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}
  {:db/ident :account/balance :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
  {:db/ident :account/judged :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
  {:db/ident :account/kept :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
  {:db/ident :account/whole :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
  {:db/ident :account/name :db/valueType :db.type/string :db/cardinality :db.cardinality/one}
  {:db/ident :account/spec :db.entity/attrs [:account/id :account/name]}
  {:db/ident :account/put :db/fn "{:in [?id ?n] :where [[?a :account/id ?id]] :tx [[:db/add ?a :account/balance ?n]]}"}]"#;

/// Declared after the schema is there.
const RULES: &str = r#"[
  {:db/id :account/judged :db.attr/preds [number?]}
  {:db/ident :rule/positive :db/constraint "[:find ?a ?n :where [?a :account/kept ?n] [(< ?n 0)]]"}
  {:db/ident :rule/named :db/constraint "[:find ?a :where [?a :account/whole ?n] [(< ?n 0)] (not [?a :account/name])]"}]"#;

fn put(context: &Context<'_>, args: &[Edn]) -> Result<Edn, Refusal> {
    let [id, n] = args else { return Err("an id and a number are needed".into()) };
    let e = context.db().entid((":account/id", id.clone()))?.ok_or("no such account")?;
    Ok(Edn::Vector(vec![Edn::Vector(vec![
        Edn::keyword("db/add"),
        Edn::from(e),
        Edn::keyword("account/balance"),
        n.clone(),
    ])]))
}

fn main() {
    let accounts = std::env::args().filter_map(|arg| arg.parse().ok()).next().unwrap_or(100_000);
    let code = Code::new().function("native/put", put).expect("a name");
    let options = Options { code, ..Options::default() };
    let conn =
        annals::connect_with("mem:", options).and_then(|store| store.database("main")).expect("memory");
    conn.transact(SCHEMA).expect("a schema");
    conn.transact(RULES).expect("rules");
    fill(&conn, accounts);
    println!(
        "{accounts} accounts; one fact a transaction, each waited for; medians of {ROUNDS} rounds of {EACH}"
    );
    let any = |n: usize| (n * 7919) % accounts;
    let mut number = 0;
    let mut fresh = move || {
        number += 1;
        number
    };
    type Make<'m> = Box<dyn Fn(usize, usize) -> TxRequest + 'm>;
    let text = |text: String| TxRequest::from(text);
    let kinds: Vec<(&str, Make<'_>)> =
        vec![
            (
                "plain",
                Box::new(|n, v| text(format!("[[:db/add [:account/id {}] :account/balance {v}]]", any(n)))),
            ),
            (
                "a key",
                Box::new(|n, v| {
                    text(format!("[[:db/add [:account/id {}] :account/balance {v}]]", any(n)))
                        .key(format!("key {v}"))
                }),
            ),
            (
                "an expectation",
                Box::new(|n, v| {
                    text(format!("[[:db/add [:account/id {}] :account/balance {v}]]", any(n))).expect(
                        format!("{{:entity [:account/id {}] :attribute :account/id :is {}}}", any(n), any(n)),
                    )
                }),
            ),
            (
                "an attribute predicate",
                Box::new(|n, v| text(format!("[[:db/add [:account/id {}] :account/judged {v}]]", any(n)))),
            ),
            (
                "an entity spec",
                Box::new(|n, v| {
                    text(format!(
                        "[{{:db/id [:account/id {}] :account/balance {v} :db/ensure :account/spec}}]",
                        any(n)
                    ))
                }),
            ),
            (
                "a constraint, patterns only",
                Box::new(|n, v| text(format!("[[:db/add [:account/id {}] :account/kept {v}]]", any(n)))),
            ),
            ("a native function", Box::new(|n, v| text(format!("[[native/put {} {v}]]", any(n))))),
            ("a stored function", Box::new(|n, v| text(format!("[[:account/put {} {v}]]", any(n))))),
            (
                "a constraint with negation",
                Box::new(|n, v| text(format!("[[:db/add [:account/id {}] :account/whole {v}]]", any(n)))),
            ),
        ];
    let mut plain = None;
    for (what, make) in &kinds {
        let mut times: Vec<Duration> = (0..ROUNDS)
            .map(|_| {
                let requests: Vec<TxRequest> = (0..EACH).map(|n| make(n, fresh())).collect();
                let start = Instant::now();
                for request in requests {
                    conn.transact(request).expect("an accepted transaction");
                }
                start.elapsed() / EACH as u32
            })
            .collect();
        times.sort();
        let took = times[ROUNDS / 2];
        let base = *plain.get_or_insert(took);
        println!(
            "{what:30} {:>9.1} us, {:.2} of plain",
            took.as_secs_f64() * 1e6,
            took.as_secs_f64() / base.as_secs_f64()
        );
    }
    unique(&conn, accounts);
}

/// How long an attribute of so many values takes to become unique, and what others who write meanwhile notice of it.
fn unique(conn: &Connection, accounts: usize) {
    let start = Instant::now();
    conn.db().with("[{:db/id :account/name :db/unique :db.unique/value}]").expect("names are distinct");
    let took = start.elapsed();
    println!("{accounts} values are found to be distinct: {:.2} ms", took.as_secs_f64() * 1e3);
    let alone = others(conn, accounts, || std::thread::sleep(took));
    let meanwhile = others(conn, accounts, || {
        conn.transact("[{:db/id :account/name :db/unique :db.unique/value}]").expect("names are distinct");
        conn.transact("[[:db/retract :account/name :db/unique :db.unique/value]]").expect("a fact");
    });
    for (what, times) in [("alone", alone), ("while values become unique", meanwhile)] {
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e6;
        println!(
            "one fact, {what:28} {:>9.1} us median, {:.1} us of 99 %, {:.1} us at most, of {}",
            at(0.5),
            at(0.99),
            at(1.0),
            times.len()
        );
    }
}

/// How long transactions of one fact take while something is done again and again, sorted.
fn others(conn: &Connection, accounts: usize, work: impl Fn() + Sync) -> Vec<Duration> {
    let done = AtomicBool::new(false);
    let mut times = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut times = Vec::new();
            while !done.load(Ordering::Relaxed) {
                let n = times.len();
                let start = Instant::now();
                conn.transact(format!(
                    "[[:db/add [:account/id {}] :account/balance {}]]",
                    (n * 7919) % accounts,
                    n + 1
                ))
                .expect("an accepted transaction");
                times.push(start.elapsed());
            }
            times
        });
        (0..ROUNDS).for_each(|_| work());
        done.store(true, Ordering::Relaxed);
        writer.join().expect("no panic")
    });
    times.sort();
    times
}

fn fill(conn: &Connection, accounts: usize) {
    for first in (0..accounts).step_by(10_000) {
        let maps: String = (first..accounts.min(first + 10_000))
            .map(|n| format!("{{:account/id {n} :account/balance 0 :account/judged 0 :account/kept 0 :account/whole 0 :account/name \"account {n}\"}}"))
            .collect();
        conn.transact(format!("[{maps}]")).expect("accounts");
    }
}
