//! What a small question costs that is asked again and again: microseconds a call, medians of rounds in one run.
//!
//! All is asked of a redb file whose facts are at rest and in the cache. `cargo bench -p annals-bench --bench point -- 20000`
//! sets how many entities there are; a second argument names the one question that is asked.

#![allow(clippy::print_stdout)]

use std::time::{Duration, Instant};

use annals::{Answer, Db, Edn, EntityId};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 9;
const EACH: usize = 2000;

const SCHEMA: &str = "[
    {:db/ident :node/number :db/valueType :db.type/long :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}
    {:db/ident :node/value :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
    {:db/ident :node/name :db/valueType :db.type/string :db/cardinality :db.cardinality/one :db/index true}
    {:db/ident :node/up :db/valueType :db.type/ref :db/cardinality :db.cardinality/one}]";

fn main() {
    // Cargo adds a flag of its own.
    let given: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let count: usize = given.first().map_or(20_000, |word| word.parse().expect("a number"));
    let folder = tempfile::tempdir_in(".").expect("a folder that can be written to");
    let address = format!("redb:{}", folder.path().join("point.annals").display());
    let db = filled(&address, count);
    let first = match db.q("[:find (min ?e) . :where [?e :node/number]]", []).expect("an answer") {
        Answer::Scalar(Some(Edn::Int(first))) => first as usize,
        other => panic!("{other:?} is no entity"),
    };
    let number = |n: usize| Edn::from((n * 7919 % count) as i64);
    let entity = |n: usize| Edn::from((first + n * 7919 % count) as i64);
    let rules = annals::edn::read_one(
        "[[(above ?x ?y) [?x :node/up ?y]] [(above ?x ?y) [?x :node/up ?z] (above ?z ?y)]]",
    )
    .expect("rules")
    .to_edn();
    let ask = |query: &str, args: Vec<Edn>| {
        db.q(query, args.into_iter().map(annals::Arg::from)).expect("an answer").into_edn()
    };
    type Work<'w> = Box<dyn Fn(usize) -> Edn + 'w>;
    let works: Vec<(&str, Work<'_>)> = vec![
        (
            "value of an entity",
            Box::new(|n| ask("[:find ?v . :in $ ?e :where [?e :node/value ?v]]", vec![entity(n)])),
        ),
        (
            "entity of a unique value",
            Box::new(|n| ask("[:find ?e . :in $ ?n :where [?e :node/number ?n]]", vec![number(n)])),
        ),
        (
            "value by a unique value",
            Box::new(|n| {
                ask("[:find ?v . :in $ ?n :where [?e :node/number ?n] [?e :node/value ?v]]", vec![number(n)])
            }),
        ),
        (
            "four facts by a unique value",
            Box::new(|n| {
                ask(
                    "[:find ?v ?t ?u :in $ ?n :where [?e :node/number ?n] [?e :node/value ?v] [?e :node/name ?t] [?e :node/up ?u]]",
                    vec![number(n)],
                )
            }),
        ),
        (
            "pulled by a unique value",
            Box::new(|n| {
                db.pull("[:node/value :node/name]", (":node/number", number(n))).expect("an answer")
            }),
        ),
        (
            "all above, by a rule",
            Box::new(|n| {
                ask("[:find [?y ...] :in $ % ?x :where (above ?x ?y)]", vec![rules.clone(), entity(n)])
            }),
        ),
        (
            "an attribute of a map",
            Box::new(|n| {
                let Edn::Int(e) = entity(n) else { unreachable!("an id") };
                let entity = db.entity(EntityId(e as u64)).expect("an id").expect("an entity");
                match entity.get(":node/value").expect("an answer") {
                    Some(annals::Field::Value(value)) => value,
                    other => panic!("{other:?} is no value"),
                }
            }),
        ),
    ];
    for (what, work) in works.iter().filter(|(what, _)| given.get(1).is_none_or(|wanted| what == wanted)) {
        let mut times: Vec<Duration> = (0..ROUNDS)
            .map(|round| {
                let start = Instant::now();
                (0..EACH).for_each(|n| drop(std::hint::black_box(work(round * EACH + n))));
                start.elapsed() / EACH as u32
            })
            .collect();
        times.sort();
        println!("{what:32} {:8.2} us, e.g. {}", times[ROUNDS / 2].as_secs_f64() * 1e6, work(5));
    }
}

/// A database of trees four wide.
fn filled(address: &str, count: usize) -> Db {
    let conn = annals::connect(address).and_then(|store| store.database("main")).expect("a database");
    conn.transact(SCHEMA).expect("a schema");
    let node = |n: usize| {
        let up = if n == 0 { String::new() } else { format!(":node/up \"n{}\"", (n - 1) / 4) };
        format!("{{:db/id \"n{n}\" :node/number {n} :node/value {} :node/name \"node {n}\" {up}}}", n * 3)
    };
    conn.transact(format!("[{}]", (0..count).map(node).collect::<String>())).expect("facts");
    let wanted = conn.request_index().expect("a job");
    conn.sync_index(wanted, Duration::from_secs(60)).expect("an index");
    conn.db()
}
