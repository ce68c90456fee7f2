//! What leaves cost: `cargo bench -p annals-storage --bench leaf -- [ROWS A LEAF]`.
//!
//! People and orders: strings, e-mails, longs, doubles, instants, booleans, UUIDs, keywords, single and many
//! references. Bytes and nanoseconds of thread time a row, the best of several rounds, in each order.

#![expect(clippy::print_stdout, reason = "figures are this program's output")]

use std::hint::black_box;
use std::time::Instant;

use annals_storage::datom::{AttrId, Datom, EntityId, Order, Partition, Value};
use annals_storage::measure::Rows;

const PEOPLE: u64 = 20_000;
const ORDERS: u64 = 40_000;

fn main() {
    let size = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(4_096);
    let datoms: Vec<Datom> = (0..PEOPLE).flat_map(person).chain((0..ORDERS).flat_map(order)).collect();
    println!("{} datoms, leaves of {size} rows", datoms.len());
    for order in Order::ALL {
        let rows = Rows::sorted(&datoms, order);
        let count = rows.len() as f64;
        let payloads = rows.payloads(size);
        let frames: Vec<Vec<u8>> =
            payloads.iter().map(|payload| Rows::seal(payload).expect("no payload is too large")).collect();
        let total = |parts: &[Vec<u8>]| parts.iter().map(Vec::len).sum::<usize>() as f64 / count;
        let opened = || frames.iter().map(|frame| Rows::open(frame, order).expect("what was sealed"));
        let memory = opened().map(|rows| rows.bytes()).sum::<usize>() as f64 / count;
        println!(
            "{order:?}: {:.2} bytes a row, {:.2} with LZ4, {memory:.1} decoded; encode {:.1} ns, with LZ4 {:.1}; decode {:.1}",
            total(&payloads),
            total(&frames),
            best(count, || rows.payloads(size)),
            best(count, || rows.payloads(size).iter().map(|payload| Rows::seal(payload)).collect::<Vec<_>>()),
            best(count, || opened().map(|rows| rows.len()).sum::<usize>()),
        );
    }
}

fn fact(e: u64, a: u32, v: Value, t: u64) -> Datom {
    let e = EntityId::new(Partition::USER, e);
    Datom { e, a: AttrId(a), v, tx: EntityId::of_t(t), added: true }
}

/// Numbers without pattern.
fn noise(n: u64) -> u64 {
    let n = (n ^ n >> 31).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (n ^ n >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 20
}

fn person(n: u64) -> Vec<Datom> {
    let r = noise(n);
    let t = n / 20 + 1;
    let given = ["Ada", "Grace", "Alan", "Edsger", "Barbara", "Donald", "Tony", "Leslie"][r as usize % 8];
    let family = ["Lovelace", "Hopper", "Turing", "Dijkstra", "Liskov", "Knuth", "Hoare"][r as usize / 8 % 7];
    let mut facts = vec![
        fact(n, 70, Value::string(format!("{given} {family} {}", r % 1000)), t),
        fact(
            n,
            71,
            Value::string(format!("{}.{}{n}@example.org", given.to_lowercase(), family.to_lowercase())),
            t,
        ),
        fact(n, 72, Value::Long(18 + (r >> 8) as i64 % 70), t),
        fact(n, 73, Value::Double(30_000.0 + (r % 9_000_000) as f64 / 100.0), t),
        fact(n, 74, Value::Instant(1_600_000_000_000_000 + (r % 100_000_000) as i64 * 1_000_000), t),
        fact(n, 75, Value::Boolean(r.is_multiple_of(3)), t),
        fact(n, 76, Value::Uuid(uuid::Uuid::from_u64_pair(r ^ n << 40, noise(r) ^ n << 44)), t),
        fact(n, 77, Value::keyword(["role/admin", "role/user", "role/guest"][r as usize % 3]), t),
        fact(n, 78, Value::Ref(EntityId::new(Partition::USER, n / 10)), t),
    ];
    let mut friends: Vec<u64> = (0..r % 5).map(|k| noise(n * 5 + k) % PEOPLE).collect();
    friends.sort_unstable();
    friends.dedup();
    facts.extend(
        friends.iter().map(|friend| fact(n, 79, Value::Ref(EntityId::new(Partition::USER, *friend)), t)),
    );
    facts
}

fn order(n: u64) -> Vec<Datom> {
    let (r, e) = (noise(n ^ 0xabcdef), PEOPLE + n);
    let t = PEOPLE / 20 + n / 10 + 2;
    let placed = 1_700_000_000_000_000 + n as i64 * 37_000_000 + (r % 1_000_000) as i64;
    vec![
        fact(e, 80, Value::Ref(EntityId::new(Partition::USER, r % PEOPLE)), t),
        fact(e, 81, Value::Long((r % 20) as i64 + 1), t),
        fact(e, 82, Value::Double((r % 100_000) as f64 / 100.0), t),
        fact(e, 83, Value::Instant(placed), t),
        fact(
            e,
            84,
            Value::keyword(["state/open", "state/paid", "state/sent", "state/done"][r as usize % 4]),
            t,
        ),
        fact(e, 85, Value::string(format!("ORD-{:08}", n * 3)), t),
    ]
}

/// The best time of some rounds, in nanoseconds for each of `units`.
fn best<R>(units: f64, mut work: impl FnMut() -> R) -> f64 {
    let origin = Instant::now();
    black_box(work());
    let times = 1 + 100_000_000 / (origin.elapsed().as_nanos() as u64 + 1);
    let mut round = || {
        let start = clock(origin);
        (0..times).for_each(|_| drop(black_box(work())));
        (clock(origin) - start) / times as f64
    };
    (0..3).map(|_| round()).fold(f64::MAX, f64::min) / units
}

/// Nanoseconds of this thread's own processor time where the system tells them, else of the day.
fn clock(origin: Instant) -> f64 {
    let own = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let own = own.and_then(|text| text.split(' ').next()?.parse().ok());
    own.unwrap_or_else(|| origin.elapsed().as_nanos() as f64)
}
