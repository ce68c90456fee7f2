//! What must be so whatever is written.
//!
//! - Nothing panics, and an error has a category, a keyword, a message and, if it has a place, one inside the text.
//! - What is read, printed and read again is the same; so is the query, rule set or pattern it means.
//! - A query over a small database is answered or refused, within a budget of rows; and it is answered as the naive
//!   evaluator answers it.

use std::sync::Arc;

use annals::{Budget, Db, Edn};
use annals_query::edn::{self, Form, Span};
use annals_query::{QueryArg, ast, check, naive, parse, q};

use crate::mutate::Case;

/// The most rows that a query may make on its way.
const ROWS: u64 = 3_000;

/// How much of what was tried came through.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) cases: u64,
    pub(crate) forms: u64,
    pub(crate) queries: u64,
    pub(crate) rules: u64,
    pub(crate) patterns: u64,
    pub(crate) answers: u64,
    pub(crate) compared: u64,
    pub(crate) refusals: u64,
}

/// The small database that is asked.
pub(crate) struct Proof {
    db: Db,
}

impl Proof {
    /// All fixtures of the behaviour cases, and a few files of a repository, in one database.
    pub(crate) fn new() -> Proof {
        let conn =
            annals::connect("mem:").expect("a storage in memory").database("main").expect("a database");
        let root = env!("CARGO_MANIFEST_DIR");
        let read = |path: &str| -> Edn {
            let text = std::fs::read_to_string(format!("{root}/{path}")).expect("a file of the tree");
            edn::read_one(&text).expect("EDN").to_edn()
        };
        let under = |map: &Edn, key: &str| match map {
            Edn::Map(map) => map[&Edn::keyword(key)].clone(),
            other => panic!("not a map: {other}"),
        };
        let fixtures = read("conformance/fixtures.edn");
        // The garden is in the past, so it comes first.
        for name in ["garden", "films", "tracks"] {
            let fixture = under(&fixtures, name);
            conn.transact(under(&fixture, "schema").to_string()).expect("a schema");
            for tx in under(&fixture, "txs").as_seq().expect("transactions") {
                conn.transact(tx.to_string()).expect("a transaction");
            }
        }
        let schema = read("../repl/samples/git-datascript/schema.edn");
        let attributes = schema.as_seq().expect("a transaction")[1..].to_vec();
        conn.transact(Edn::Vector(attributes).to_string()).expect("a schema");
        conn.transact(FILES).expect("files");
        Proof { db: conn.db() }
    }

    /// Holds one case against everything. Panics if something is not so.
    pub(crate) fn hold(&self, case: &Case, tally: &mut Tally) {
        let form = match edn::read_one(&case.text) {
            Ok(form) => form,
            Err(error) => return refused(&error, &case.text, tally),
        };
        tally.forms += 1;
        within(&form, &case.text);
        let again = edn::read_one(&form.to_edn().to_string()).expect("what is printed can be read");
        assert_eq!(again.to_edn(), form.to_edn(), "printed and read again");
        let _ = edn::pretty(&form.to_edn(), 40);
        let (plain, again) = (Form::from(form.to_edn()), Form::from(again.to_edn()));

        tally.rules += u64::from(means(parse::rules, [&form, &plain, &again], case, tally).is_some());
        tally.patterns += u64::from(means(parse::pull, [&form, &plain, &again], case, tally).is_some());
        if let Some(query) = means(parse::query, [&form, &plain, &again], case, tally) {
            tally.queries += 1;
            self.ask(&query, case, tally);
        }
    }

    fn ask(&self, query: &ast::Query, case: &Case, tally: &mut Tally) {
        let given = case.args.iter().filter_map(|arg| edn::read_one(arg).ok()).map(|form| form.to_edn());
        let database = || QueryArg::Source(Arc::new(self.db.clone()));
        let mut args: Vec<QueryArg> = given.map(|edn| self.given(edn)).collect();
        if matches!(query.inputs.first(), Some(ast::Input::Source(_))) {
            args.insert(0, database());
        }
        let budget = Budget { rows: Some(ROWS), ..Budget::default() };
        let fast = q(query, &args, &budget).map(annals::Answer::into_edn);
        match &fast {
            Ok(_) => tally.answers += 1,
            Err(error) => refused(error, &case.text, tally),
        }
        if makes_sense(query, &args) {
            // The naive evaluator derives everything anew in every round: a recursion without end needs a closer one.
            let budget = Budget { rows: Some(ROWS / 10), ..Budget::default() };
            let slow = naive::q(query, &args, &budget).map(annals::Answer::into_edn);
            // Whether a wrong call is met depends on which rows are looked at first: only answers are compared.
            if let (Ok(fast), Ok(slow)) = (&fast, &slow) {
                tally.compared += 1;
                assert_eq!(sorted(fast), sorted(slow), "the fast answer and the naive one");
            }
        }
    }

    /// An input; another view of the database becomes the database.
    fn given(&self, edn: Edn) -> QueryArg {
        match &edn {
            Edn::Tagged(tag, _) if matches!(tag.as_str(), "annals/db" | "case/db") => {
                QueryArg::Source(Arc::new(self.db.clone()))
            }
            _ => QueryArg::Value(edn),
        }
    }
}

const FILES: &str = "[{:db/id \"d\" :dir/path \"docs\"} {:db/id \"s\" :dir/path \"src\" :dir/parent \"d\"}
    {:db/id \"a\" :author/id \"author-060\"} {:db/id \"datomic.tx\" :commit/author \"a\" :commit/subject \"first\"}
    {:file/path \"docs/tuples.md\" :file/ext \"md\" :file/dir \"d\" :file/exists true :file/size 3206 :file/lines 102
     :file/last-commit \"datomic.tx\"}
    {:file/path \"src/a.clj\" :file/ext \"clj\" :file/dir \"s\" :file/exists true :file/size 40000 :file/lines 57}
    {:file/path \"README.md\" :file/ext \"md\" :file/dir \"s\" :file/exists false :file/size 13470 :file/lines 57}]";

/// The places of a form and its parts are those of its text.
fn within(form: &Form, text: &str) {
    let span = form.span.expect("what is read has a place");
    assert!(
        text.get(span.start as usize..span.end as usize).is_some(),
        "a place outside of the text: {span:?}"
    );
}

/// What a form means; the same with places and without, and printed and read again.
fn means<T: PartialEq + std::fmt::Debug>(
    parse: fn(&Form) -> annals_query::Result<T>,
    [form, plain, again]: [&Form; 3],
    case: &Case,
    tally: &mut Tally,
) -> Option<T> {
    let placed = parse(form);
    if let Err(error) = &placed {
        refused(error, &case.text, tally);
    }
    match (parse(plain), parse(again)) {
        (Ok(one), Ok(other)) => assert_eq!(one, other, "what is printed means the same"),
        (Err(one), Err(other)) => assert_eq!(one.keyword, other.keyword, "what is printed is as wrong"),
        (one, other) => panic!("printed and read again, {one:?} became {other:?}"),
    }
    placed.ok()
}

fn refused(error: &annals_query::Error, text: &str, tally: &mut Tally) {
    tally.refusals += 1;
    assert!(
        error.keyword.starts_with("db.error/") || error.keyword.starts_with("storage.error/"),
        "{error:?}"
    );
    assert!(!error.message.is_empty(), "{error:?}");
    assert!(error.message.len() < 4_000 + text.len(), "a message of {} bytes", error.message.len());
    let Some(Span { start, end }) = error.span else { return };
    let inside = start <= end && end as usize <= text.len();
    assert!(inside, "{error:?} is not in a text of {} bytes", text.len());
    // A query may be written as a text inside the text; its places are those inside.
    if !text.trim_start_matches('\u{feff}').trim_start().starts_with('"') {
        assert!(text.get(start as usize..end as usize).is_some(), "{error:?} cuts a character");
    }
}

/// True if a query passes the checks with its rules: what does not may be refused by the two evaluators in two ways.
fn makes_sense(query: &ast::Query, args: &[QueryArg]) -> bool {
    let mut rules = Vec::new();
    for (input, arg) in query.inputs.iter().zip(args) {
        if let (ast::Input::Rules, QueryArg::Value(edn)) = (input, arg) {
            match parse::rules(&Form::from(edn.clone())) {
                Ok(more) => rules.extend(more),
                Err(_) => return false,
            }
        }
    }
    check::query(query, &rules).is_ok()
}

fn sorted(answer: &Edn) -> Edn {
    match answer {
        Edn::Vector(rows) => {
            let mut rows = rows.clone();
            rows.sort();
            Edn::Vector(rows)
        }
        other => other.clone(),
    }
}
