//! What pulling costs, over sorted columns in memory: people, their towns and those they know, one and many at once.
//!
//! `cargo bench -p annals-query --bench pull` prints for each pattern how many entities are pulled, microseconds and
//! nanoseconds an entity, the best of several runs.
#![expect(clippy::print_stdout, reason = "a bench prints what it measures")]

mod columns;

use std::hint::black_box;
use std::time::Instant;

use annals_query::edn::read::read_one;
use annals_query::{parse, pull};
use annals_storage::datom::{EntityId, Tag, Value};

use columns::{Column, Columns, user};

const PEOPLE: u64 = 10_000;
const TOWNS: u64 = 100;

fn people() -> Columns {
    let each =
        |value: fn(u64) -> Value| -> Vec<(u64, Value)> { (0..PEOPLE).map(|n| (user(n), value(n))).collect() };
    let person = |n: u64| Value::Ref(EntityId(user(n)));
    let towns: Vec<(u64, Value)> =
        (0..TOWNS).map(|n| (user(PEOPLE + n), Value::string(format!("town {n}")))).collect();
    let boss: Vec<(u64, Value)> = (1..PEOPLE).map(|n| (user(n), person((n - 1) / 7))).collect();
    Columns::new([
        Column::new(100, "name", Tag::String, &each(|n| Value::string(format!("person {n}")))),
        Column::new(101, "age", Tag::Long, &each(|n| Value::Long((n % 90) as i64))),
        Column::new(102, "town", Tag::Ref, &each(|n| Value::Ref(EntityId(user(PEOPLE + n * n % TOWNS))))),
        Column::new(103, "friend", Tag::Ref, &each(|n| Value::Ref(EntityId(user(n * 7919 % PEOPLE))))),
        Column::new(104, "town/name", Tag::String, &towns),
        Column::new(105, "boss", Tag::Ref, &boss),
    ])
}

fn main() {
    let filter: Option<String> = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    let source = people();
    let work = [
        ("flat", "[:name :age]"),
        ("wildcard", "[*]"),
        ("nested", "[:name {:town [:town/name]}]"),
        ("two-levels", "[:name {:friend [:name {:town [:town/name]}]}]"),
        ("reverse", "[:name {:_boss [:name]}]"),
        ("recursion", "[:name {:boss ...}]"),
    ];
    println!("{:14} {:>8} {:>12} {:>10}", "pattern", "entities", "us", "ns/entity");
    for (name, text) in work {
        if filter.as_ref().is_some_and(|filter| !name.contains(filter.as_str())) {
            continue;
        }
        let pattern = parse::pull(&read_one(text).expect("EDN")).expect("a sound pattern");
        for count in [1, 100, PEOPLE] {
            let entities: Vec<EntityId> = (0..count).map(|n| EntityId(user(n * (PEOPLE / count)))).collect();
            let mut best = f64::INFINITY;
            let started = Instant::now();
            while started.elapsed().as_millis() < 400 || best == f64::INFINITY {
                let start = Instant::now();
                let pulled = pull::pull(&source, &pattern, &entities).expect("an answer");
                best = best.min(start.elapsed().as_secs_f64());
                black_box(pulled);
            }
            println!("{name:14} {count:>8} {:>12.1} {:>10.1}", best * 1e6, best * 1e9 / count as f64);
        }
    }
}
