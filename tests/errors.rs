//! Bad input, through all three surfaces: each answer has category, keyword, place and hint.
//!
//! The table is kept in `golden/errors.txt`; `ANNALS_BLESS=1` writes it anew.

#![allow(clippy::disallowed_methods)]

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use annals::{Connection, Edn, Error, Options};
use annals_tests::http::Server;
use annals_tests::{binary, text};

const SCHEMA: &str = "[{:db/ident :film/title :db/valueType :db.type/string :db/cardinality :db.cardinality/one \
                      :db/unique :db.unique/identity} {:db/ident :film/year :db/valueType :db.type/long \
                      :db/cardinality :db.cardinality/one}]";

const FILM: &str = "[{:film/title \"Harbour\" :film/year 1980}]";

/// What is wrong, and the form that is wrong with it: a transaction, or a query.
const FORMS: [(&str, &str); 17] = [
    ("text that is not EDN", "[{:film/title \"A\" :film/year [1 2}]"),
    ("a key twice", "[{:film/title \"A\" :film/title \"B\"}]"),
    ("a literal that does not fit its tag", "[{:film/title #inst \"yesterday\"}]"),
    ("a ratio", "[{:film/title \"A\" :film/year 1/2}]"),
    ("an attribute that nobody defined", "[{:film/title \"A\" :film/yaer 1985}]"),
    ("a value of another type", "[{:film/title \"A\" :film/year \"1985\"}]"),
    ("no value", "[{:film/title nil}]"),
    ("an entity that is not there", "[[:db/add [:film/title \"Nope\"] :film/year 1]]"),
    ("two values where one may be", "[[:db/add \"x\" :film/year 1] [:db/add \"x\" :film/year 2]]"),
    ("an operation that is not there", "[[:db/ad \"x\" :film/year 1]]"),
    (
        "a script that cannot be read",
        "[{:db/ident :film/cut :db.fn/lang :db.lang/js :db/fn \"export function transaction( {\"}]",
    ),
    ("a variable that nothing binds", "[:find ?t ?x :where [?f :film/title ?t]]"),
    ("a query about an unknown attribute", "[:find ?t :where [?f :film/titel ?t]]"),
    ("a rule without rules", "[:find ?f :where (liked ?f)]"),
    ("a function that is not there", "[:find ?f :where [?f :film/year ?y] [(frob ?y)]]"),
    ("a call with a wrong type", "[:find ?z :where [?f :film/title ?t] [(+ ?t 1) ?z]]"),
    ("a find that is none", "[:find :where [?f :film/title]]"),
];

#[test]
fn the_table_of_errors() {
    let mut table = String::new();
    let server = Server::over(annals::connect("mem:").expect("memory"));
    let client = server.client();
    client.put("/v1/db/films");
    for tx in [SCHEMA, FILM] {
        assert_eq!(client.post_edn("/v1/db/films/transact", tx).status, 200);
    }
    for (what, form) in FORMS {
        writeln!(table, "## {what}\n{form}").expect("a string");
        writeln!(table, "library  {}", embedded(form)).expect("a string");
        let call = if form.starts_with("[:find") { "query" } else { "transact" };
        let reply = client.post_edn(&format!("/v1/db/films/{call}"), form);
        writeln!(table, "http     {} {}", reply.status, problem(&reply.body)).expect("a string");
        writeln!(table, "repl\n{}", typed(form)).expect("a string");
    }
    for (what, shown) in storage_errors() {
        writeln!(table, "## {what}\n{shown}").expect("a string");
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/errors.txt");
    text::golden(&path, &table);
}

fn line(error: &Error) -> String {
    let place = error.span().map_or("no place".to_owned(), |span| format!("{}..{}", span.start, span.end));
    let hint = error.hint().unwrap_or("no hint");
    format!("{} :{} at {place}: {} | {hint}", error.category(), error.keyword(), error.message())
}

fn films() -> Connection {
    let conn = annals::connect("mem:").and_then(|store| store.database("main")).expect("memory");
    conn.transact(SCHEMA).expect("a schema");
    conn.transact(FILM).expect("a film");
    conn
}

fn embedded(form: &str) -> String {
    let conn = films();
    let outcome = if form.starts_with("[:find") {
        annals::q(form).and_then(|q| q.over(&conn.db()).run()).map(|_| ())
    } else {
        conn.transact(form).map(|_| ())
    };
    line(&outcome.expect_err("bad input is refused"))
}

/// The parts of a problem document that a table can keep.
fn problem(body: &str) -> String {
    let edn = annals::edn::read_one(body).expect("an EDN problem").to_edn();
    let Edn::Map(map) = edn else { panic!("a problem is a map: {body}") };
    let part = |key: &str| map.get(&Edn::keyword(key)).map_or("none".to_owned(), Edn::to_string);
    format!("{} {} at {} | {}", part("category"), part("keyword"), part("span"), part("hint"))
}

/// What the REPL prints when the form is typed into it.
fn typed(form: &str) -> String {
    let mut child = binary::command()
        .args(["repl", "mem:"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut stdin = child.stdin.take().expect("its input");
    write!(stdin, "{SCHEMA}\n{FILM}\n{form}\n").expect("it reads");
    drop(stdin);
    let out = child.wait_with_output().expect("an end");
    assert_eq!(out.status.code(), Some(1), "an error is told by the exit status");
    String::from_utf8(out.stderr).expect("text").trim_end().to_owned()
}

fn storage_errors() -> Vec<(&'static str, String)> {
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let garbage = scratch.path().join("garbage.annals");
    std::fs::write(&garbage, "this is no database, it only looks long enough to be one".repeat(200))
        .expect("a file");
    let taken = scratch.path().join("taken.annals");
    let holder = annals::connect(&taken.to_string_lossy()).expect("a new file");
    let clean = |shown: String| shown.replace(&*scratch.path().to_string_lossy(), "FOLDER");
    let refused = |address: &str| match annals::connect(address) {
        Ok(_) => panic!("{address} was opened"),
        Err(error) => clean(line(&error)),
    };
    let command = |args: &[&str]| {
        let out = binary::command().args(args).stdin(Stdio::null()).output().expect("the binary runs");
        assert_eq!(out.status.code(), Some(1), "{args:?}");
        clean(String::from_utf8(out.stderr).expect("text")).trim_end().to_owned()
    };
    let (garbage, taken) = (garbage.to_string_lossy().into_owned(), taken.to_string_lossy().into_owned());
    let all = |address: &str| {
        format!(
            "library  {}\nrepl     {}\nserve    {}",
            refused(address),
            command(&["repl", address]),
            command(&["serve", address, "--listen", "127.0.0.1:0"])
        )
    };
    let errors = vec![
        ("a file that is no database", all(&garbage)),
        ("a database that is open already", all(&taken)),
        ("a storage of another kind", all("ftp://somewhere")),
        ("a full queue", full_queue()),
    ];
    drop(holder);
    errors
}

/// A queue of one, and many at once: some are refused as busy, and nothing of those is stored.
fn full_queue() -> String {
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let options = Options { queue: 1, ..Options::default() };
    let store =
        annals::connect_with(&scratch.path().join("q.annals").to_string_lossy(), options).expect("a file");
    let conn = store.database("main").expect("a database");
    conn.transact(SCHEMA).expect("a schema");
    let (mut pending, mut busy) = (Vec::new(), None);
    for n in 0..200_000 {
        match conn.submit(format!("[{{:film/title \"film {n}\"}}]")) {
            Ok(one) => pending.push(one),
            Err(error) => {
                busy = Some(error);
                break;
            }
        }
    }
    let accepted = pending.len();
    for one in pending {
        one.wait().expect("what was taken in is done");
    }
    let count = conn.db().q("[:find (count ?f) . :where [?f :film/title]]", []).expect("a count").into_edn();
    assert_eq!(count, Edn::Int(accepted as i64), "a busy refusal stores nothing");
    let library = line(&busy.expect("a queue of one is full at some time"));
    format!("library  {library}\nhttp     {}", full_server(store))
}

fn full_server(store: annals::Store) -> String {
    let server = Server::over(store);
    let mut seen = None;
    for _ in 0..50 {
        let replies: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..64)
                .map(|n| {
                    let client = server.client();
                    scope.spawn(move || {
                        client.post_edn("/v1/db/main/transact", &format!("[{{:film/title \"h{n}\"}}]"))
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().expect("an answer")).collect()
        });
        seen = replies.into_iter().find(|reply| reply.status != 200);
        if seen.is_some() {
            break;
        }
    }
    let reply = seen.expect("a server with a queue of one is busy at some time");
    format!("{} {}", reply.status, problem(&reply.body))
}
