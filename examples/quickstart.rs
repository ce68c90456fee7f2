//! The first steps: a schema, some facts, a question, the same question about the past.
//!
//! `cargo run --example quickstart` keeps all in memory; `cargo run --example quickstart -- PATH` keeps it in a file, and
//! finds there what an earlier run left.

use std::io::Write;

use annals::{Result, TimePoint};

const SCHEMA: &str = "[
  {:db/ident :boat/name :db/valueType :db.type/string :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}
  {:db/ident :boat/fuel :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
  {:db/ident :boat/crew :db/valueType :db.type/ref :db/cardinality :db.cardinality/many :db/isComponent true}
  {:db/ident :crew/name :db/valueType :db.type/string :db/cardinality :db.cardinality/one}
  {:db/ident :note/by :db/valueType :db.type/string :db/cardinality :db.cardinality/one}]";

const FUEL: &str = "[:find ?name ?fuel :where [?b :boat/name ?name] [?b :boat/fuel ?fuel]]";

fn main() -> std::process::ExitCode {
    let address = std::env::args().nth(1).unwrap_or_else(|| "mem:".to_owned());
    match run(&address, &mut std::io::stdout()) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            // There is nothing left to do if this cannot be said.
            let _ = writeln!(std::io::stderr(), "{error:?}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn run(address: &str, out: &mut dyn Write) -> Result<()> {
    let conn = annals::connect(address)?.database("main")?;
    if conn.db().entid(":boat/name")?.is_none() {
        conn.transact(SCHEMA)?;
    }

    // Maps say several things about one entity; who said so is a fact about the transaction.
    let first = conn.transact(
        "[{:db/id \"datomic.tx\" :note/by \"ida\"}
          {:boat/name \"Argo\" :boat/fuel 10 :boat/crew [{:crew/name \"Jason\"} {:crew/name \"Orpheus\"}]}
          {:boat/name \"Fram\" :boat/fuel 70}]",
    )?;
    // A boat is found again by its name; the old value is retracted, not lost.
    conn.transact("[{:boat/name \"Argo\" :boat/fuel 25} [:db/retractEntity [:boat/name \"Fram\"]]]")?;

    let now = conn.db();
    let then = now.as_of(TimePoint::from(first.tx));
    for (when, db) in [("now", &now), ("then", &then)] {
        let mut rows: Vec<(String, i64)> = annals::q(FUEL)?.over(db).rows_as()?;
        rows.sort();
        say(out, when, &rows);
    }
    say(
        out,
        "tree",
        &now.pull("[:boat/name {:boat/crew [:crew/name]}]", (":boat/name", "Argo"))?.to_string(),
    );
    let who = "[:find ?by . :where [?b :boat/name \"Fram\"] [?b :boat/fuel 70 ?tx] [?tx :note/by ?by]]";
    say(out, "who", &then.q(who, [])?.into_edn().to_string());

    // A retracted fact can still be asked for.
    let gone = now.q(
        "[:find ?name . :in $ $then :where [$then ?b :boat/name ?name] (not [$ ?b :boat/name])]",
        [then.into()],
    )?;
    say(out, "gone", &gone.into_edn().to_string());
    Ok(())
}

fn say(out: &mut dyn Write, what: &str, answer: &dyn std::fmt::Debug) {
    // A closed pipe ends the example's listener, not the example.
    let _ = writeln!(out, "{what:>5}  {answer:?}");
}
