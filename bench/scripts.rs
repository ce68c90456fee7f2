//! Functions in JavaScript: what a call costs, how long a hostile one takes until it is refused, and what writers notice
//! of it meanwhile.

#![allow(clippy::print_stdout, clippy::disallowed_methods)]

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use annals::{Connection, Edn, Limits, Script};
use annals_bench::median;

const ROUNDS: usize = 301;

const SCHEMA: &str = "[{:db/ident :account/id :db/valueType :db.type/string :db/cardinality :db.cardinality/one
                        :db/unique :db.unique/identity}
                       {:db/ident :account/balance :db/valueType :db.type/bigdec :db/cardinality :db.cardinality/one}]";

const TRANSFER: &str = "export default function (db, from, to, amount, ctx) {
  const a = db.entity(['account/id', from]), b = db.entity(['account/id', to]);
  if (!a || !b) ctx.reject('bank/no-such-account');
  if (a['account/balance'].lt(amount)) ctx.reject('bank/insufficient-funds', {have: a['account/balance']});
  return [['db/add', a.id, 'account/balance', a['account/balance'].sub(amount)],
          ['db/add', b.id, 'account/balance', b['account/balance'].add(amount)]];
}";

const QUERIES: &str = "export default function (db, from, to, amount, ctx) {
  const of = (id) => db.q('[:find [?e ?b] :in $ ?id :where [?e :account/id ?id] [?e :account/balance ?b]]', id);
  const [a, have] = of(from), [b, had] = of(to);
  return [['db/add', a, 'account/balance', have.sub(amount)], ['db/add', b, 'account/balance', had.add(amount)]];
}";

/// What does not end, or takes all it gets.
const HOSTILE: [(&str, &str); 12] = [
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
    // Operators on large values: nothing can be guarded there, only memory bounds them.
    ("compares", "const a = 'x'.repeat(2e5), b = 'x'.repeat(2e5); for (;;) a === b"),
    ("joins text", "const a = 'x'.repeat(2e5); for (;;) `${a}y`[0]"),
    ("copies an object", "const o = {}; for (let i = 0; i < 5e3; i++) o['k' + i] = i; for (;;) ({...o})"),
];

fn main() {
    let conn = annals::connect("mem:").and_then(|store| store.database("main")).expect("memory");
    conn.transact(SCHEMA).expect("a schema");
    conn.transact(
        "[{:account/id \"a\" :account/balance 1000.00M} {:account/id \"b\" :account/balance 1.00M}]",
    )
    .expect("accounts");
    calls(&conn);
    refusals(&conn);
    writers(&conn);
}

fn calls(conn: &Connection) {
    let db = conn.db();
    let args =
        [Edn::string("a"), Edn::string("b"), annals::edn::read_one("1.50M").expect("a decimal").to_edn()];
    let limits = Limits { time: Duration::from_secs(1), ..Limits::default() };
    println!(
        "{:44} {:>10.1} us",
        "reading a script",
        micros(median(31, || Script::new(TRANSFER).expect("a script")))
    );
    for (what, source) in [
        ("a call that does nothing", "export default () => []"),
        ("a transfer, two entities read", TRANSFER),
        ("a transfer, two queries", QUERIES),
    ] {
        let script = Script::new(source).expect("a script");
        let call = || script.dry_run(&db, &args, &limits).expect("a result");
        println!("{what:44} {:>10.1} us", micros(median(ROUNDS, call)));
    }
}

fn refusals(conn: &Connection) {
    let db = conn.db();
    for (what, body) in HOSTILE {
        let script = Script::new(&format!("export default function () {{ {body} }}")).expect("a script");
        let start = Instant::now();
        let refused = script.dry_run(&db, &[], &Limits::default()).expect_err("a refusal");
        let limit = refused.data().get(&Edn::keyword("db.error/limit")).map(ToString::to_string);
        println!(
            "{:44} {:>10.1} ms {}",
            format!("refused: {what}"),
            millis(start.elapsed()),
            limit.unwrap_or_default()
        );
    }
}

/// The latency of a writer, alone and while another thread has hostile scripts refused, one after the other.
fn writers(conn: &Connection) {
    let write = |conn: &Connection| {
        let mut times: Vec<Duration> = (0..2_000)
            .map(|n| {
                let start = Instant::now();
                conn.transact(format!("[[:db/add \"x\" :db/doc \"{n}\"]]")).expect("a transaction");
                start.elapsed()
            })
            .collect();
        times.sort();
        times
    };
    let show = |what: &str, times: &[Duration]| {
        let at = |part: f64| micros(times[(part * (times.len() - 1) as f64) as usize]);
        println!("{what:44} {:>10.1} us half, {:.1} us 99 of 100, {:.1} us all", at(0.5), at(0.99), at(1.0));
    };
    show("writes, alone", &write(conn));
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let db = conn.db();
            let scripts = HOSTILE.map(|(_, body)| {
                Script::new(&format!("export default function () {{ {body} }}")).expect("a script")
            });
            for script in scripts.iter().cycle() {
                if over.load(Relaxed) {
                    break;
                }
                script.dry_run(&db, &[], &Limits::default()).expect_err("a refusal");
            }
        });
        show("writes, beside hostile scripts", &write(conn));
        over.store(true, Relaxed);
    });
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
