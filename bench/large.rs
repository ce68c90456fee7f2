//! A large import under a memory limit: `cargo bench -p annals-bench --bench large -- [FACTS] [MEMORY]`, by default
//! 50,000,000 facts and 2GiB; then look-ups, a scan and the past, on the same file opened anew.
//!
//! The text is made while it is read, so what is measured is the whole path from text to a durable, indexed file, and
//! the making of the text besides. The memory printed is what the system says the process had at most.

#![allow(clippy::print_stdout, clippy::print_stderr, clippy::disallowed_methods)]

use std::fmt::Write as _;
use std::io::Read;
use std::time::Instant;

use annals::{Connection, Edn, Options};
use annals_bench::memory;
use annals_bench::people::Chance;

/// People a transaction; each has ten facts.
const PEOPLE: u64 = 500;

const SCHEMA: &str = r#"[
  {:db/ident :person/number :db/valueType :db.type/long :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}
  {:db/ident :person/name :db/valueType :db.type/string :db/cardinality :db.cardinality/one}
  {:db/ident :person/email :db/valueType :db.type/string :db/cardinality :db.cardinality/one}
  {:db/ident :person/born :db/valueType :db.type/instant :db/cardinality :db.cardinality/one}
  {:db/ident :person/height :db/valueType :db.type/double :db/cardinality :db.cardinality/one}
  {:db/ident :person/active :db/valueType :db.type/boolean :db/cardinality :db.cardinality/one}
  {:db/ident :person/salary :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
  {:db/ident :person/city :db/valueType :db.type/string :db/cardinality :db.cardinality/one}
  {:db/ident :person/friend :db/valueType :db.type/ref :db/cardinality :db.cardinality/many}]"#;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let facts: u64 = args.first().and_then(|arg| arg.parse().ok()).unwrap_or(50_000_000);
    let limit: usize = args.get(1).map_or(2 << 30, |arg| {
        let digits = arg.trim_end_matches(char::is_alphabetic);
        let unit = if arg.ends_with("MiB") { 1 << 20 } else { 1 << 30 };
        digits.parse::<usize>().expect("a size such as 2GiB or 512MiB") * unit
    });
    let path = std::env::temp_dir().join(format!("annals-large-{}.annals", std::process::id()));
    let address = format!("redb:{}", path.display());
    let people = facts / 10;
    println!("{people} people of ten facts, within {} MiB", limit >> 20);
    import(&address, limit, people);
    let file = std::fs::metadata(&path).expect("the file").len();
    println!("file: {} MB, {:.1} bytes a fact", file >> 20, file as f64 / facts as f64);
    ask(&address, limit, people);
    println!("memory: at most {} MiB of {} MiB", memory("VmHWM"), limit >> 20);
    let _ = std::fs::remove_file(&path);
}

fn open(address: &str, limit: usize) -> Connection {
    let options = Options::default().within(limit).expect("enough memory");
    annals::connect_with(address, options).and_then(|store| store.database("main")).expect("a database")
}

fn import(address: &str, limit: usize, people: u64) {
    let conn = open(address, limit);
    conn.transact(SCHEMA).expect("an accepted schema");
    let start = Instant::now();
    let mut text = Text { people, next: 0, chance: Chance(7), held: Vec::new(), at: 0 };
    let mut shown = 0;
    let done = annals::import::edn(&conn, &mut text, 0, &mut |progress| {
        if progress.datoms / 5_000_000 > shown {
            shown = progress.datoms / 5_000_000;
            eprintln!(
                "  {} million datoms, {:.0} a second, {} MiB resident",
                progress.datoms / 1_000_000,
                progress.datoms as f64 / start.elapsed().as_secs_f64(),
                memory("VmRSS")
            );
        }
    });
    let done = done.expect("an import");
    let took = start.elapsed().as_secs_f64();
    println!(
        "imported {} datoms in {took:.0} s: {:.0} a second; at most {} MiB",
        done.datoms,
        done.datoms as f64 / took,
        memory("VmHWM")
    );
    println!("{}", conn.db().stats().expect("stats"));
}

fn ask(address: &str, limit: usize, people: u64) {
    let start = Instant::now();
    let conn = open(address, limit);
    let db = conn.db();
    println!("opened in {:.1} ms", start.elapsed().as_secs_f64() * 1e3);
    let mut chance = Chance(3);
    let start = Instant::now();
    for _ in 0..2_000 {
        let n = chance.below(people);
        let name = db
            .q(
                "[:find ?c . :in $ ?n :where [?e :person/number ?n] [?e :person/city ?c]]",
                [Edn::Int(n as i64).into()],
            )
            .expect("an answer");
        assert!(matches!(name.into_edn(), Edn::String(_)), "person {n} has a city");
    }
    println!(
        "look-up of a person's city by number, at random: {:.0} us",
        start.elapsed().as_secs_f64() * 1e6 / 2e3
    );
    let count = "[:find (count ?e) . :where [?e :person/active true]]";
    for (name, db) in [("now", db.clone()), ("as of the middle", db.as_of(db.basis_t() / 2))] {
        let start = Instant::now();
        let found = db.q(count, []).expect("an answer").into_edn();
        println!("{name}: {found} active people, {:.2} s", start.elapsed().as_secs_f64());
        let start = Instant::now();
        let top = db.q("[:find (max ?s) . :where [?e :person/salary ?s]]", []).expect("an answer").into_edn();
        println!("{name}: the highest salary {top}, {:.2} s", start.elapsed().as_secs_f64());
    }
}

/// Transactions as text, one a line, made while they are read.
struct Text {
    people: u64,
    next: u64,
    chance: Chance,
    held: Vec<u8>,
    at: usize,
}

impl Text {
    fn transaction(&mut self) -> String {
        let mut text = String::from("[");
        let first = self.next;
        for n in first..(first + PEOPLE).min(self.people) {
            let chance = &mut self.chance;
            let number = chance.below(1_000_000);
            let _ = write!(
                text,
                "{{:db/id \"p{n}\" :person/number {n} :person/name \"Person {number}\" :person/email \"p{number}.{n}@example.org\" \
                 :person/born #inst \"19{:02}-{:02}-{:02}\" :person/height {}.{:02} :person/active {} :person/salary {} \
                 :person/city \"City {}\" :person/friend [\"p{}\" \"p{}\"]}}",
                chance.below(100),
                chance.below(12) + 1,
                chance.below(28) + 1,
                chance.below(2) + 1,
                chance.below(100),
                chance.below(4) > 0,
                20_000 + chance.below(100_000),
                chance.below(5_000),
                first + chance.below(n - first + 1),
                first + chance.below(n - first + 1),
            );
        }
        self.next = (first + PEOPLE).min(self.people);
        text.push_str("]\n");
        text
    }
}

impl Read for Text {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.at == self.held.len() && self.next < self.people {
            self.held = self.transaction().into_bytes();
            self.at = 0;
        }
        let count = buffer.len().min(self.held.len() - self.at);
        buffer[..count].copy_from_slice(&self.held[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}
