//! What the operators cost, over sorted columns in memory: people and their attributes, a long chain, a wide tree.
//!
//! `cargo bench -p annals-query` prints for each question its rows, microseconds and nanoseconds a row, the best of
//! several runs. The source does nothing but binary search and slices, so that what is measured is the engine.
#![expect(clippy::print_stdout, reason = "a bench prints what it measures")]

mod columns;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use annals_query::edn::{Edn, read::read_one};
use annals_query::source::Source;
use annals_query::{Budget, Prepared, QueryArg};
use annals_storage::datom::{EntityId, Tag, Value};

use columns::{Column, Columns, user};

fn people(count: u64) -> Columns {
    let mut state = 42u64;
    let mut below = |end: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % end
    };
    let names = ["Ana", "Boris", "Cleo", "Dan", "Eva", "Finn", "Gus", "Hana"];
    let lasts = ["Hill", "Ives", "Jung", "Kerr", "Lund", "Moss"];
    let mut columns: Vec<Vec<(u64, Value)>> = vec![Vec::new(); 5];
    for n in 0..count {
        let e = user(n);
        columns[0].push((e, Value::string(names[below(8) as usize])));
        columns[1].push((e, Value::string(lasts[below(6) as usize])));
        columns[2].push((e, Value::keyword(if below(2) == 0 { "male" } else { "female" })));
        columns[3].push((e, Value::Long(below(100) as i64)));
        columns[4].push((e, Value::Long(below(100_000) as i64)));
    }
    let chain: Vec<(u64, Value)> =
        (0..100_000).map(|n| (user(n), Value::Ref(EntityId(user(n + 1))))).collect();
    let tree: Vec<(u64, Value)> =
        (1..20_000).map(|n| (user(n), Value::Ref(EntityId(user((n - 1) / 7))))).collect();
    let columns = [
        Column::new(100, "name", Tag::String, &columns[0]),
        Column::new(101, "last-name", Tag::String, &columns[1]),
        Column::new(102, "sex", Tag::Keyword, &columns[2]),
        Column::new(103, "age", Tag::Long, &columns[3]),
        Column::new(104, "salary", Tag::Long, &columns[4]),
        Column::new(105, "next", Tag::Ref, &chain),
        Column::new(106, "parent", Tag::Ref, &tree),
    ];
    Columns::new(columns)
}

const RULES: &str = "[[(up ?a ?b) [?a :parent ?b]] [(up ?a ?b) [?a :parent ?m] (up ?m ?b)]
                      [(reach ?a ?b) [?a :next ?b]] [(reach ?a ?b) [?a :next ?m] (reach ?m ?b)]]";

fn main() {
    let filter: Option<String> = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    let source: Arc<dyn Source> = Arc::new(people(20_000));
    let (first, leaf) = (user(0), user(19_999));
    let work: Vec<(&str, String)> = [
        ("q1", "[:find ?e :where [?e :name \"Ana\"]]"),
        ("q2", "[:find ?e ?a :where [?e :name \"Ana\"] [?e :age ?a]]"),
        ("q2-switch", "[:find ?e ?a :where [?e :age ?a] [?e :name \"Ana\"]]"),
        ("q3", "[:find ?e ?a :where [?e :name \"Ana\"] [?e :age ?a] [?e :sex :male]]"),
        ("q4", "[:find ?e ?l ?a :where [?e :name \"Ana\"] [?e :last-name ?l] [?e :age ?a] [?e :sex :male]]"),
        ("q5", "[:find ?e ?l :where [?e :name \"Ana\"] [?e :age 33] [?e :last-name ?l]]"),
        (
            "join-age",
            "[:find ?x ?y :where [?x :name \"Ana\"] [?y :name \"Boris\"] [?x :age ?a] [?y :age ?a]]",
        ),
        ("qrange", "[:find ?e ?n :where [?e :salary ?s] [(<= 50000 ?s)] [(< ?s 50500)] [?e :name ?n]]"),
        ("qpred", "[:find ?e ?s :where [?e :salary ?s] [(> ?s 50000)]]"),
        ("agg", "[:find ?l (count ?e) (max ?s) (avg ?s) :where [?e :last-name ?l] [?e :salary ?s]]"),
    ]
    .into_iter()
    .map(|(name, text)| (name, text.to_owned()))
    .chain([
        ("lookup", format!("[:find ?a . :where [{first} :age ?a]]")),
        ("not", "[:find ?e :where [?e :name \"Ana\"] (not [?e :sex :male])]".to_owned()),
        ("or", "[:find ?e :where (or [?e :age 33] [?e :age 34])]".to_owned()),
        ("up-leaf", format!("[:find ?b :in $ % :where (up {leaf} ?b)]")),
        ("down-root", format!("[:find ?a :in $ % :where (up ?a {first})]")),
        ("up-all", "[:find ?a ?b :in $ % :where (up ?a ?b)]".to_owned()),
        ("chain-100000", format!("[:find ?b :in $ % :where (reach {first} ?b)]")),
    ])
    .collect();
    println!("{:14} {:>8} {:>12} {:>8}", "question", "rows", "us", "ns/row");
    for (name, text) in work {
        if filter.as_ref().is_some_and(|filter| !name.contains(filter.as_str())) {
            continue;
        }
        let prepared = Prepared::new(&text).expect("a sound question");
        let mut args = vec![QueryArg::Source(Arc::clone(&source))];
        if text.contains('%') {
            args.push(QueryArg::Value(read_one(RULES).expect("sound rules").to_edn()));
        }
        let mut best = f64::INFINITY;
        let mut rows = 0;
        let started = Instant::now();
        while started.elapsed().as_millis() < 400 || best == f64::INFINITY {
            let start = Instant::now();
            let answer = black_box(prepared.q(&args, &Budget::default()).expect("an answer"));
            best = best.min(start.elapsed().as_secs_f64());
            rows = match answer.into_edn() {
                Edn::Vector(rows) => rows.len(),
                _ => 1,
            };
        }
        println!("{name:14} {rows:>8} {:>12.1} {:>8.1}", best * 1e6, best * 1e9 / rows.max(1) as f64);
    }
}
