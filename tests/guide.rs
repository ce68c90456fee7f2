//! The guide, `docs/query.md`: every example in it is run, in order, and every answer is what is really answered.
//!
//! A fenced block is what is typed (`clojure`: a query with its inputs, behind commands that set the view; or a
//! transaction), the answer (`edn`) or refusal (`text`) of the query before it, or a part of this file (`rust`). A query
//! without answer, an answer without query and a block of any other kind fail. Queries are asked through the library and
//! over HTTP. `ANNALS_BLESS=1` writes the answers anew; the diff is reviewed.

#![allow(clippy::disallowed_methods)]

use std::path::{Path, PathBuf};

use annals::edn::{self, Edn, FormKind};
use annals::{Connection, Db, Functions, TimePoint};
use annals_query::parse;
use annals_tests::conformance::compare::same;
use annals_tests::conformance::remote::Remote;
use annals_tests::conformance::{Given, Moment, View, Way};
use annals_tests::{data, http, text};

/// How wide answers are printed.
const WIDTH: usize = 100;

fn guide() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/query.md")
}

fn sample() -> (annals::Store, Connection) {
    let store = annals::connect("mem:").expect("a storage in memory");
    let conn = store.database("main").expect("an empty database");
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../repl/samples/git-datascript");
    data::import(&conn, Path::new(folder));
    (store, conn)
}

/// A fenced block: its kind, the number of its first line, and what stands in it.
#[derive(Debug)]
struct Block {
    kind: String,
    line: usize,
    body: String,
}

/// The text cut into prose and blocks, so that it can be put together again.
fn pieces(text: &str) -> (Vec<String>, Vec<Block>) {
    let (mut prose, mut blocks) = (vec![String::new()], Vec::<Block>::new());
    let mut inside = false;
    for (number, line) in text.lines().enumerate() {
        match line.strip_prefix("```") {
            Some(kind) if !inside => {
                blocks.push(Block { kind: kind.to_owned(), line: number + 1, body: String::new() });
                inside = true;
            }
            Some(_) => {
                prose.push(String::new());
                inside = false;
            }
            None => {
                let text =
                    if inside { blocks.last_mut().map(|block| &mut block.body) } else { prose.last_mut() };
                let text = text.expect("a text has prose, and blocks once one is open");
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    assert!(!inside, "the last block is never closed");
    (prose, blocks)
}

fn together(prose: &[String], blocks: &[Block]) -> String {
    let fenced = blocks.iter().map(|block| format!("```{}\n{}```\n", block.kind, block.body));
    prose.iter().zip(fenced.chain([String::new()])).map(|(prose, block)| prose.clone() + &block).collect()
}

#[test]
fn every_example_is_answered_as_it_says() {
    let kept = std::fs::read_to_string(guide()).expect("the guide");
    let (prose, mut blocks) = pieces(&kept);
    let (store, conn) = sample();
    let server = http::Server::over(store);
    let mut ways = Ways { remote: Remote::at(server.client(), "main"), conn };
    let mut wrong = Vec::new();
    let mut asked = 0;
    let mut at = 0;
    while at < blocks.len() {
        let block = &blocks[at];
        let problem = match block.kind.as_str() {
            "clojure" if is_transaction(&block.body) => ways.transact(&block.body),
            "clojure" => {
                asked += 1;
                let answer = ways.ask(&block.body);
                at += 1;
                match (answer, blocks.get_mut(at)) {
                    (Ok(answer), Some(written)) => judge(&answer, written),
                    (Err(why), _) => Err(why),
                    (Ok(_), None) => Err("the last question has no answer".to_owned()),
                }
            }
            "rust" => stands_here(&block.body),
            other => Err(format!("a block of kind {other:?} is neither a question nor the answer of one")),
        };
        wrong.extend(
            problem.err().map(|why| format!("line {}: {why}", blocks[at.min(blocks.len() - 1)].line)),
        );
        at += 1;
    }
    if std::env::var_os("ANNALS_BLESS").is_some() {
        text::golden(&guide(), &together(&prose, &blocks));
    }
    assert!(wrong.is_empty(), "{} examples are wrong\n{}", wrong.len(), wrong.join("\n"));
    assert!(asked > 40, "only {asked} examples were found");
}

fn is_transaction(body: &str) -> bool {
    let forms = edn::read_all(body).unwrap_or_default();
    let [form] = forms.as_slice() else { return false };
    form.as_seq().and_then(<[_]>::first).is_some_and(|first| matches!(first.kind, FormKind::Map(_)))
}

/// What a question is answered, by all ways.
enum Answered {
    /// Rows or values in no order.
    Unordered(Edn),
    /// Anything else.
    Ordered(Edn),
    Refused(String),
}

/// The ways into one database.
struct Ways {
    remote: Remote,
    conn: Connection,
}

impl Ways {
    fn transact(&mut self, tx: &str) -> Result<(), String> {
        self.conn.transact(tx).map(drop).map_err(|error| error.to_string())
    }

    /// Asks through the library and over HTTP; an error if they do not agree.
    fn ask(&mut self, typed: &str) -> Result<Answered, String> {
        let (view, question) = view(typed)?;
        let mut forms = edn::read_all(question).map_err(|error| error.to_string())?.into_iter();
        let query = forms.next().ok_or("there is no question")?;
        let span = query.span.expect("forms that are read have places");
        let query_text = &question[span.start as usize..span.end as usize];
        let given: Vec<Given> = forms.map(|form| given(form.to_edn())).collect();
        // As over HTTP, a query that is given all its inputs does not get the database too.
        let inputs = parse::query_text(query_text).map_or(0, |query| query.inputs.len());
        let wants_db =
            inputs > given.len() && annals::q(query_text).is_ok_and(|question| question.wants_db());
        let embedded = self.embedded(query_text, wants_db.then_some(&view), &given);
        let remote = self.remote.query(query_text, wants_db.then_some(&view), &given);
        match (embedded, remote) {
            (Ok((answer, rows)), Ok(far)) => {
                let ordered = !rows || query_text.contains(":order-by") || query_text.contains(":limit");
                let set = |edn: &Edn| {
                    let mut rows = edn.as_seq().unwrap_or_default().to_vec();
                    rows.sort();
                    Edn::Vector(rows)
                };
                let agree = if ordered { answer == far } else { set(&answer) == set(&far) };
                match (agree, ordered) {
                    (true, true) => Ok(Answered::Ordered(answer)),
                    (true, false) => Ok(Answered::Unordered(set(&answer))),
                    _ => Err(format!("the library answers {answer}\n but HTTP {far}")),
                }
            }
            (Err(error), Err(far)) if error.keyword() == far.keyword => {
                Ok(Answered::Refused(refusal(&error)))
            }
            (embedded, far) => Err(format!("the library answers {embedded:?}\n but HTTP {far:?}")),
        }
    }

    /// The answer, and whether it is rows or values.
    fn embedded(&self, query: &str, view: Option<&View>, given: &[Given]) -> annals::Result<(Edn, bool)> {
        let mut question = annals::q(query)?;
        if let Some(view) = view {
            question = question.over(&viewed(&self.conn.db(), view));
        }
        for one in given {
            question = match one {
                Given::Db(view) => question.arg(viewed(&self.conn.db(), view)),
                Given::Value(edn) => question.arg(edn.clone()),
            };
        }
        let answer = question.run()?;
        let rows = matches!(answer, annals::Answer::Relation(_) | annals::Answer::Collection(_));
        Ok((answer.into_edn(), rows))
    }
}

/// The view that commands in front of a question set, and the question.
fn view(typed: &str) -> Result<(View, &str), String> {
    let mut view = View::default();
    let mut rest = typed;
    while let Some((line, after)) = rest.split_once('\n').filter(|(line, _)| line.starts_with('.')) {
        match line.split_once(' ') {
            Some((".as-of", moment)) => view.as_of = Some(point(moment)?),
            Some((".since", moment)) => view.since = Some(point(moment)?),
            Some((".history", "on")) => view.history = true,
            _ => return Err(format!("`{line}` sets no view")),
        }
        rest = after;
    }
    Ok((view, rest))
}

fn point(text: &str) -> Result<Moment, String> {
    match TimePoint::parse(text).map_err(|error| error.to_string())? {
        TimePoint::T(t) => Ok(Moment::T(t)),
        TimePoint::Instant(micros) => Ok(Moment::Instant(micros)),
    }
}

/// An input: `#annals/db {…}` is another view, as it is over HTTP.
fn given(edn: Edn) -> Given {
    let Edn::Tagged(tag, map) = &edn else { return Given::Value(edn) };
    let (Edn::Map(map), "annals/db") = (&**map, tag.as_str()) else { return Given::Value(edn) };
    let moment = |key: &str| match map.get(&Edn::keyword(key)) {
        Some(Edn::Int(t)) => Some(Moment::T(t.unsigned_abs())),
        Some(Edn::Inst(micros)) => Some(Moment::Instant(*micros)),
        _ => None,
    };
    let history = map.get(&Edn::keyword("history")) == Some(&Edn::Bool(true));
    Given::Db(View { as_of: moment("as-of"), since: moment("since"), history })
}

fn viewed(db: &Db, view: &View) -> Db {
    let point = |moment: Moment| match moment {
        Moment::T(t) => TimePoint::T(t),
        Moment::Instant(micros) => TimePoint::Instant(micros),
    };
    let mut db = db.clone();
    if let Some(moment) = view.as_of {
        db = db.as_of(point(moment));
    }
    if let Some(moment) = view.since {
        db = db.since(point(moment));
    }
    if view.history { db.history() } else { db }
}

fn refusal(error: &annals::Error) -> String {
    let hint = error.hint().map(|hint| format!("hint: {hint}\n")).unwrap_or_default();
    format!(":{}\n{}\n{hint}", error.keyword(), error.message())
}

/// Holds an answer against what is written, or writes it if that is asked for.
fn judge(answer: &Answered, written: &mut Block) -> Result<(), String> {
    let kind = if matches!(answer, Answered::Refused(_)) { "text" } else { "edn" };
    if written.kind != kind {
        return Err(format!("a block of kind {:?} stands where the answer ({kind}) should", written.kind));
    }
    if std::env::var_os("ANNALS_BLESS").is_some() {
        written.body = printed(answer);
        return Ok(());
    }
    let differs = || format!("the answer is\n{}", printed(answer));
    if let Answered::Refused(told) = answer {
        return if *told == written.body { Ok(()) } else { Err(differs()) };
    }
    let expected = edn::read_one(&written.body).map_err(|error| error.to_string())?.to_edn();
    let right = match answer {
        Answered::Unordered(actual) => matches!(expected, Edn::Set(_)) && same(&expected, actual),
        Answered::Ordered(actual) => !matches!(expected, Edn::Set(_)) && same(&expected, actual),
        Answered::Refused(_) => false,
    };
    if right { Ok(()) } else { Err(differs()) }
}

fn printed(answer: &Answered) -> String {
    match answer {
        Answered::Unordered(rows) => {
            let rows = rows.as_seq().unwrap_or_default().iter().cloned().collect();
            edn::pretty(&Edn::Set(rows), WIDTH) + "\n"
        }
        Answered::Ordered(edn) => edn::pretty(edn, WIDTH) + "\n",
        Answered::Refused(told) => told.clone(),
    }
}

/// True if the lines of a block stand in this file one after the other.
fn stands_here(body: &str) -> Result<(), String> {
    let trimmed = |text: &str| text.lines().map(str::trim).collect::<Vec<_>>().join("\n");
    if trimmed(include_str!("guide.rs")).contains(trimmed(body).trim()) {
        Ok(())
    } else {
        Err("this Rust does not stand in tests/guide.rs, so nothing runs it".to_owned())
    }
}

/// The parts in Rust, as they stand in the guide.
#[test]
fn what_stands_there_in_rust() -> annals::Result<()> {
    let (_store, conn) = sample();
    let db = conn.db();
    let largest = "[:find ?name ?size :in $ ?after :order-by (desc ?size) ?name :limit 2 :after ?after
                    :where [?file :file/exists true] [?file :file/path ?name] [?file :file/size ?size]]";
    let annals::Answer::Relation(first) = annals::q(largest)?.over(&db).arg(Edn::Nil).run()? else {
        panic!("a relation")
    };
    let cursor = first.cursor().map_or(Edn::Nil, Edn::from);
    let second: Vec<(String, i64)> = annals::q(largest)?.over(&db).arg(cursor).rows_as()?;
    assert_eq!(second[0], ("src/datascript/query_v3.cljc".to_owned(), 33732));

    let changed = "[:find [?name ...] :in $ ?log ?t
                    :where [(tx-data ?log ?t) [[?file ?a _ _ ?added]]]
                           [(true? ?added)] [?a :db/ident :file/size]
                           [?file :file/path ?name]]";
    let names: Vec<String> = annals::q(changed)?.over(&db).arg(conn.log()).arg(2).rows_as()?;
    assert_eq!(names.len(), 7);

    let folder = |args: &[Edn]| match args {
        [Edn::String(path)] => Ok(Edn::from(path.rsplit_once('/').map_or(".", |(folder, _)| folder))),
        _ => Err("one path is needed".into()),
    };
    let functions = Functions::new().function("my/folder", folder)?;
    let deep = "[:find ?folder . :where [?file :file/path \"test/js/tests.js\"] [?file :file/path ?path]
                 [(my/folder ?path) ?folder]]";
    let answer = annals::q(deep)?.over(&db).functions(&functions).run()?;
    assert_eq!(answer.into_edn(), Edn::from("test/js"));
    Ok(())
}
