//! How costs grow with the number of people: `cargo bench -p annals-bench --bench scale -- [PEOPLE ...]`, by default
//! ten thousand to ten million, five facts each.
//!
//! Each size has a process of its own, so that its memory is its own. The people are loaded into a redb file and put to
//! rest; then one in a hundred gets another age, in ten transactions; the file is closed and opened again, and asked. What
//! is asked is warm, a median. Memory is what the system says the process had at most, once it was loaded and after it was
//! opened and asked anew by a process that did not load.

#![allow(clippy::print_stdout, clippy::disallowed_methods)]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use annals::{Answer, Connection, Db, Edn, Form};
use annals_bench::loading::{atom, settle, transact_all};
use annals_bench::people::Chance;
use annals_bench::{median, memory};
use annals_query::edn::FormKind;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SCHEMA: &str = "[
    {:db/ident :person/number :db/valueType :db.type/long :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}
    {:db/ident :person/name :db/valueType :db.type/string :db/cardinality :db.cardinality/one :db/index true}
    {:db/ident :person/sex :db/valueType :db.type/keyword :db/cardinality :db.cardinality/one}
    {:db/ident :person/age :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
    {:db/ident :person/salary :db/valueType :db.type/long :db/cardinality :db.cardinality/one :db/index true}]";

/// People a transaction of the load.
const TOGETHER: u64 = 1000;
/// One in so many people has the name that is asked for.
const NAMES: u64 = 1000;
/// Look-ups that are timed together.
const LOOK_UPS: u64 = 1000;

fn main() {
    let given: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    match given.as_slice() {
        [step, file, people] if step == "load" => load(file, people.parse().expect("a number")),
        [step, file, people] if step == "ask" => ask(file, people.parse().expect("a number")),
        sizes => {
            let sizes = if sizes.is_empty() {
                ["10000", "100000", "1000000", "10000000"].map(String::from).to_vec()
            } else {
                sizes.to_vec()
            };
            println!(
                "| people | load, s | facts/s | MB in load | file, MB | open, ms | look-up, us | by name and age, ms | as of, ms | ages summed, ms | MB in asking |"
            );
            println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
            sizes.iter().for_each(|size| print_row(size));
        }
    }
}

/// A row of the table, made by two processes.
fn print_row(people: &str) {
    let folder = tempfile::tempdir_in(".").expect("a folder that can be written to");
    let file = folder.path().join("scale.annals");
    let file = file.to_str().expect("a path in UTF-8");
    let cells = ["load", "ask"].map(|step| {
        let own = std::env::current_exe().expect("a program");
        let output = Command::new(own).args([step, file, people]).output().expect("a process");
        assert!(output.status.success(), "{step}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    });
    println!("| {people} | {} | {} |", cells[0], cells[1]);
}

fn open(file: &str) -> Connection {
    annals::connect(&format!("redb:{file}")).and_then(|store| store.database("main")).expect("a database")
}

fn load(file: &str, people: u64) {
    let conn = open(file);
    conn.transact(SCHEMA).expect("a schema");
    let start = Instant::now();
    let mut chance = Chance(7);
    let chunk =
        |first| (first..people.min(first + TOGETHER)).map(|number| person(number, &mut chance)).collect();
    transact_all(&conn, (0..people).step_by(TOGETHER as usize).map(chunk));
    settle(&conn);
    let took = start.elapsed().as_secs_f64();
    for part in 0..10 {
        let numbers = (0..people).skip(part).step_by(1000);
        let changes = numbers.map(|number| {
            vector(vec![
                keyword("db/add"),
                vector(vec![keyword("person/number"), int(number as i64)]),
                keyword("person/age"),
                int(200),
            ])
        });
        conn.transact(vector(changes.collect())).expect("accepted");
    }
    settle(&conn);
    let size = Path::new(file).metadata().expect("a file").len() as f64 / 1e6;
    println!("{took:.2} | {:.0} | {} | {size:.1}", 5.0 * people as f64 / took, memory("VmHWM"));
}

fn ask(file: &str, people: u64) {
    let open_ms = millis(median(5, || named(&open(file).db(), 77)));
    let conn = open(file);
    let db = conn.db();
    let mut chance = Chance(3);
    let mut look_up = || {
        let number = chance.below(people) as i64;
        named(&db, number)
    };
    (0..LOOK_UPS).for_each(|_| look_up());
    let look_up_us = millis(median(5, || (0..LOOK_UPS).for_each(|_| look_up())));
    // Each look-up in microseconds is a thousand of them in milliseconds.
    assert_eq!(LOOK_UPS, 1000);
    let past = db.as_of(db.basis_t() - 10);
    let by_name = "[:find ?e ?a :where [?e :person/name \"Person 7\"] [?e :person/age ?a]]";
    let sum = "[:find (sum ?a) . :with ?e :where [?e :person/age ?a]]";
    let timed = |db: &Db, query: &str| {
        let question = annals::q(query).expect("a question").over(db);
        question.run().expect("an answer");
        millis(median(9, || question.run().expect("an answer")))
    };
    let changed = |db: &Db| db.q("[:find (count ?e) . :where [?e :person/age 200]]", []).expect("an answer");
    assert_eq!(changed(&db), Answer::Scalar(Some(Edn::Int((people / 100) as i64))), "changes are seen");
    assert_eq!(changed(&past), Answer::Scalar(None), "changes are not seen before they came");
    println!(
        "{open_ms:.1} | {look_up_us:.1} | {:.3} | {:.3} | {:.2} | {}",
        timed(&db, by_name),
        timed(&past, by_name),
        timed(&db, sum),
        memory("VmHWM")
    );
}

/// Asks for a value of an entity by its unique value.
fn named(db: &Db, number: i64) {
    let query = "[:find ?s . :in $ ?n :where [?e :person/number ?n] [?e :person/salary ?s]]";
    let found = db.q(query, [Edn::Int(number).into()]).expect("an answer").into_edn();
    assert!(matches!(found, Edn::Int(_)), "person {number} is there");
}

fn person(number: u64, chance: &mut Chance) -> Form {
    let sex = if chance.below(2) == 0 { "female" } else { "male" };
    let pairs = [
        ("person/number", Edn::Int(number as i64)),
        ("person/name", Edn::string(format!("Person {}", number % NAMES).as_str())),
        ("person/sex", Edn::keyword(sex)),
        ("person/age", Edn::Int(chance.below(100) as i64)),
        ("person/salary", Edn::Int(chance.below(100_000) as i64)),
    ];
    let pairs = pairs.into_iter().map(|(key, value)| (keyword(key), atom(value)));
    Form { kind: FormKind::Map(pairs.collect()), span: None }
}

fn vector(parts: Vec<Form>) -> Form {
    Form { kind: FormKind::Vector(parts), span: None }
}

fn keyword(name: &str) -> Form {
    atom(Edn::keyword(name))
}

fn int(number: i64) -> Form {
    atom(Edn::Int(number))
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
