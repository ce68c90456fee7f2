//! Functions in JavaScript: what a call costs beside Datalog, how long a hostile one takes until it is refused, and what
//! other writers notice of a client that sends nothing else.

#![allow(clippy::print_stdout, clippy::disallowed_methods)]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use annals::{Connection, Edn};
use annals_bench::median;

const ROUNDS: usize = 301;

/// How long writers are looked at, each time.
const SPAN: Duration = Duration::from_secs(8);

const SCHEMA: &str = "[{:db/ident :account/id :db/valueType :db.type/string :db/cardinality :db.cardinality/one
                        :db/unique :db.unique/identity}
                       {:db/ident :account/balance :db/valueType :db.type/bigdec :db/cardinality :db.cardinality/one}
                       {:db/ident :note/text :db/valueType :db.type/string :db/cardinality :db.cardinality/one}]";

const NOTHING: &str = "export const transaction = () => [];";

const TRANSFER: &str = "export function transaction(db, from, to, amount, ctx) {
  const a = db.entity(['account/id', from]), b = db.entity(['account/id', to]);
  if (!a || !b) ctx.reject('bank/no-such-account');
  if (a['account/balance'].lt(amount)) ctx.reject('bank/insufficient-funds', {have: a['account/balance']});
  return [['db/add', a.id, 'account/balance', a['account/balance'].sub(amount)],
          ['db/add', b.id, 'account/balance', b['account/balance'].add(amount)]];
}";

const QUERIES: &str = "export function transaction(db, from, to, amount, ctx) {
  const of = (id) => db.q('[:find [?e ?b] :in $ ?id :where [?e :account/id ?id] [?e :account/balance ?b]]', id);
  const [a, have] = of(from), [b, had] = of(to);
  return [['db/add', a, 'account/balance', have.sub(amount)], ['db/add', b, 'account/balance', had.add(amount)]];
}";

const TEMPLATE: &str = "{:in [?from ?to ?amount]
  :where [[?a :account/id ?from] [?a :account/balance ?have] [(- ?have ?amount) ?less]
          [?b :account/id ?to] [?b :account/balance ?had] [(+ ?had ?amount) ?more]]
  :tx [[:db/add ?a :account/balance ?less] [:db/add ?b :account/balance ?more]]}";

/// What does not end, or takes all it gets.
const HOSTILE: [(&str, &str); 15] = [
    ("loops", "for (;;);"),
    ("catches", "for (;;) { try { for (;;); } catch (e) {} }"),
    ("allocates", "const a = []; for (;;) a.push([1, 2, 3])"),
    ("recurses", "for (;;) { try { (function f() { f() })() } catch (e) {} }"),
    ("backtracks", "/^(a+)+$/.test('a'.repeat(40) + 'b')"),
    ("searches", "'a'.repeat(1e6).indexOf('a'.repeat(5e5) + 'b')"),
    ("copies", "const a = new Array(1e5).fill(0); for (;;) a.slice()"),
    ("spreads", "const a = new Array(1e5).fill(0); for (;;) [...a]"),
    (
        "gives ten million facts",
        "const a = []; for (let i = 0; i < 1e7; i++) a.push(['db/add', 'x', 'a/b', i]); return a",
    ),
    ("gives no data", "return [() => 1]"),
    ("throws", "throw new Error('no')"),
    ("asks without end", "for (;;) db.q('[:find (count ?a) . :where [?a] [?b] [?c] [?d]]')"),
    // Operators on large values: nothing can be guarded there, only memory bounds them.
    ("compares", "const a = 'x'.repeat(2e5), b = 'x'.repeat(2e5); for (;;) a === b"),
    ("joins text", "const a = 'x'.repeat(2e5); for (;;) `${a}y`[0]"),
    ("copies an object", "const o = {}; for (let i = 0; i < 5e3; i++) o['k' + i] = i; for (;;) ({...o})"),
];

fn main() {
    let conn = bank();
    calls(&conn);
    refusals(&conn);
    for _ in 0..2 {
        writers(&conn);
    }
}

/// Accounts, and every function of this bench.
fn bank() -> Connection {
    let conn = annals::connect("mem:").and_then(|store| store.database("main")).expect("memory");
    conn.transact(SCHEMA).expect("a schema");
    conn.transact(
        "[{:account/id \"a\" :account/balance 1000.00M} {:account/id \"b\" :account/balance 1.00M}]",
    )
    .expect("accounts");
    conn.transact(format!("[{{:db/ident :bank/template :db/fn {}}}]", quoted(TEMPLATE))).expect("a template");
    let scripts = [("nothing", NOTHING), ("transfer", TRANSFER), ("queries", QUERIES)];
    for (name, text) in scripts {
        conn.transact(script("bank", name, text)).expect("a script");
    }
    for (at, (_, body)) in HOSTILE.iter().enumerate() {
        let text = format!("export function transaction(db) {{ {body} }}");
        conn.transact(script("hostile", &format!("n{at}"), &text)).expect("a script");
    }
    conn
}

fn quoted(text: &str) -> String {
    Edn::string(text).to_string()
}

fn script(space: &str, name: &str, text: &str) -> String {
    format!("[{{:db/ident :{space}/{name} :db.fn/lang :db.lang/js :db/fn {}}}]", quoted(text))
}

fn calls(conn: &Connection) {
    let db = conn.db();
    let mut n = 0;
    let read = median(31, || {
        n += 1;
        db.with(script("bank", "read", &format!("{TRANSFER} // {n}"))).expect("a script")
    });
    println!("{:44} {:>10.1} us", "storing a script", micros(read));
    for (what, call) in [
        ("a transaction of one fact", "[[:db/add \"x\" :note/text \"\"]]"),
        ("a call that does nothing", "[[:bank/nothing]]"),
        ("a transfer, two entities read", "[[:bank/transfer \"a\" \"b\" 1.50M]]"),
        ("a transfer, two queries", "[[:bank/queries \"a\" \"b\" 1.50M]]"),
        ("a transfer, as a template of Datalog", "[[:bank/template \"a\" \"b\" 1.50M]]"),
    ] {
        let time = median(ROUNDS, || db.with(call).expect("a report"));
        println!("{what:44} {:>10.1} us", micros(time));
    }
}

fn refusals(conn: &Connection) {
    for (at, (what, _)) in HOSTILE.iter().enumerate() {
        let start = Instant::now();
        let refused = conn.transact(format!("[[:hostile/n{at}]]")).expect_err("a refusal");
        let limit = refused.data().get(&Edn::keyword("db.error/limit")).map(ToString::to_string);
        println!(
            "{:44} {:>10.1} ms {}",
            format!("refused: {what}"),
            millis(start.elapsed()),
            limit.unwrap_or_else(|| refused.keyword().to_owned())
        );
    }
}

/// The latency of a writer of single facts: alone, beside a thread that only counts (what a busy core costs), and beside
/// a client that has hostile scripts refused, one after the other.
fn writers(conn: &Connection) {
    let alone = writes(conn);
    shown("writes, alone", &alone, &alone);
    let counted = beside(conn, || std::hint::black_box((0..1_000_000_u64).sum::<u64>()));
    shown("writes, beside a busy core", &counted, &alone);
    let (refused, next) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let hostile = beside(conn, || {
        let at = next.fetch_add(1, Relaxed) % HOSTILE.len();
        conn.transact(format!("[[:hostile/n{at}]]")).expect_err("a refusal");
        refused.fetch_add(1, Relaxed)
    });
    shown("writes, beside hostile scripts", &hostile, &alone);
    println!("{:44} {:>10}", "hostile scripts refused meanwhile", refused.load(Relaxed));
}

/// How long writes take while something else is done over and over.
fn beside<R>(conn: &Connection, work: impl Fn() -> R + Sync) -> Vec<Duration> {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Relaxed) {
                work();
            }
        });
        let times = writes(conn);
        over.store(true, Relaxed);
        times
    })
}

fn writes(conn: &Connection) -> Vec<Duration> {
    let (begun, mut times) = (Instant::now(), Vec::new());
    while begun.elapsed() < SPAN {
        let start = Instant::now();
        conn.transact(format!("[[:db/add \"x\" :note/text \"{}\"]]", times.len())).expect("a transaction");
        times.push(start.elapsed());
    }
    times.sort();
    times
}

fn shown(what: &str, times: &[Duration], alone: &[Duration]) {
    let at = |times: &[Duration], part: f64| micros(times[(part * (times.len() - 1) as f64) as usize]);
    let told =
        [(0.5, "half"), (0.99, "99 of 100"), (0.999, "999 of 1000"), (1.0, "all")].map(|(part, name)| {
            format!("{:.1} us {name} ({:.2})", at(times, part), at(times, part) / at(alone, part))
        });
    println!("{what:44} {}", told.join(", "));
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
