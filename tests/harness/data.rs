//! Data sets with questions whose true answers were found without any Datalog engine.
//!
//! A data set is a folder of `schema.edn`, `transactions.edn.gz` and `expected.json`. Line n of the transactions is
//! transaction index n. Questions about the past are asked three times: by t, by transaction entity, by instant.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use annals::{Connection, Db, Edn, EntityId, TimePoint};
use serde_json::Value as Json;

/// How long an import took, and what it brought.
#[derive(Clone, Copy, Debug)]
pub struct Imported {
    /// Transactions, the schema's not counted.
    pub transactions: u64,
    /// Assertions and retractions.
    pub datoms: u64,
    /// The time from first byte to last acknowledgement.
    pub took: Duration,
    /// The t of transaction index 0.
    pub first_t: u64,
}

/// Transacts schema and transactions of a folder.
///
/// # Panics
/// If a file is missing or a transaction is refused.
pub fn import(conn: &Connection, folder: &Path) -> Imported {
    let schema = std::fs::read_to_string(folder.join("schema.edn")).expect("schema.edn");
    conn.transact(schema.as_str()).expect("a schema that is accepted");
    let first_t = conn.db().basis_t() + 1;
    let mut file = std::fs::File::open(folder.join("transactions.edn.gz")).expect("transactions.edn.gz");
    let start = Instant::now();
    let progress =
        annals::import::edn(conn, &mut file, 0, &mut |_| {}).expect("transactions that are accepted");
    Imported { transactions: progress.transactions, datoms: progress.datoms, took: start.elapsed(), first_t }
}

/// One question, asked in one way.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The question's name and the way it was asked.
    pub name: String,
    /// How long the answer took.
    pub took: Duration,
    /// What was wrong with it.
    pub problem: Option<String>,
}

/// Asks every question and checkpoint of the folder's `expected.json`.
///
/// # Panics
/// If the file has a form that is not understood.
pub fn ask_all(conn: &Connection, folder: &Path, imported: Imported) -> Vec<Asked> {
    let text = std::fs::read_to_string(folder.join("expected.json")).expect("expected.json");
    let expected: Json = serde_json::from_str(&text).expect("JSON");
    let db = conn.db();
    let asker = Asker { db, first_t: imported.first_t };
    let mut asked: Vec<Asked> = list(&expected, "questions").iter().flat_map(|q| asker.ask(q)).collect();
    asked.extend(list(&expected, "checkpoints").iter().map(|checkpoint| asker.checkpoint(checkpoint)));
    assert_eq!(expected["transactions"].as_u64(), Some(imported.transactions), "transactions imported");
    asked
}

fn list<'a>(json: &'a Json, key: &str) -> &'a [Json] {
    json.get(key).map_or(&[], |list| list.as_array().expect("a list"))
}

/// How a point in time is named.
#[derive(Clone, Copy)]
enum Naming {
    T,
    Transaction,
    Instant,
}

struct Asker {
    db: Db,
    first_t: u64,
}

impl Asker {
    fn ask(&self, question: &Json) -> Vec<Asked> {
        let name = question["name"].as_str().expect("a name");
        let mentions =
            |part: &Json| part.get("as-of-tx-index").is_some() || part.get("since-tx-index").is_some();
        let past = mentions(question) || list(question, "args-db").iter().any(mentions);
        let namings: &[(Naming, &str)] = if past {
            &[
                (Naming::T, " by t"),
                (Naming::Transaction, " by transaction"),
                (Naming::Instant, " by instant"),
            ]
        } else {
            &[(Naming::T, "")]
        };
        namings.iter().map(|(naming, how)| self.ask_by(question, *naming, format!("{name}{how}"))).collect()
    }

    fn ask_by(&self, question: &Json, naming: Naming, name: String) -> Asked {
        let text = question["query"].as_str().expect("a query");
        let start = Instant::now();
        let answer = annals::q(text).and_then(|q| {
            let mut q = q.over(&self.view(question, naming));
            for part in list(question, "args-db") {
                q = q.arg(self.view(part, naming));
            }
            for arg in list(question, "args") {
                q = q.arg_text(arg.as_str().expect("an argument as text"))?;
            }
            q.run()
        });
        let took = start.elapsed();
        let problem = match answer {
            Ok(answer) => judge(question, &answer.into_edn()).err(),
            Err(error) => Some(format!("refused: {error}")),
        };
        Asked { name, took, problem }
    }

    /// Totals at a commit, counted by git.
    fn checkpoint(&self, checkpoint: &Json) -> Asked {
        let t = self.first_t + checkpoint["tx-index"].as_u64().expect("an index");
        let instant = self.db.instant_of(t).expect("an answer").map(|micros| micros / 1000);
        let question = serde_json::json!({
            "query": "[:find [(count ?f) (sum ?size) (sum ?lines)] :where [?f :file/exists true] \
                       [?f :file/size ?size] [?f :file/lines ?lines]]",
            "as-of-tx-index": checkpoint["tx-index"],
            "kind": "tuple",
            "expect": [checkpoint["files"], checkpoint["bytes"], checkpoint["lines"]],
        });
        let mut asked = self.ask_by(&question, Naming::Transaction, format!("checkpoint at t {t}"));
        if instant != checkpoint["tx-instant-ms"].as_i64() {
            asked.problem = Some(format!("the instant of {t} is {instant:?}"));
        }
        asked
    }

    fn view(&self, part: &Json, naming: Naming) -> Db {
        let mut db = self.db.clone();
        if let Some(point) = self.point(part, "as-of", naming) {
            db = db.as_of(point);
        }
        if let Some(point) = self.point(part, "since", naming) {
            db = db.since(point);
        }
        if part.get("history").is_some_and(|history| *history == Json::Bool(true)) {
            db.history()
        } else {
            db
        }
    }

    fn point(&self, part: &Json, key: &str, naming: Naming) -> Option<TimePoint> {
        if let Some(ms) = part.get(format!("{key}-ms")).filter(|ms| !ms.is_null()) {
            return Some(TimePoint::Instant(ms.as_i64().expect("milliseconds") * 1000));
        }
        let index = part.get(format!("{key}-tx-index")).filter(|index| !index.is_null())?;
        let t = self.first_t + index.as_u64().expect("an index");
        Some(match naming {
            Naming::T => TimePoint::from(t),
            Naming::Transaction => TimePoint::from(EntityId::of_t(t)),
            Naming::Instant => TimePoint::Instant(
                self.db.instant_of(t).expect("an answer").expect("a transaction of this t"),
            ),
        })
    }
}

fn judge(question: &Json, actual: &Edn) -> Result<(), String> {
    let kind = question["kind"].as_str().expect("a kind");
    let expected = edn(&question["expect"]);
    let right = match kind {
        "scalar" | "tuple" => expected == *actual,
        "scalar-approx" => match (number(&expected), number(actual)) {
            (Some(e), Some(a)) => (e - a).abs() <= 1e-9 * e.abs().max(1.0),
            _ => false,
        },
        "coll" | "rel" => set(&expected) == set(actual),
        "rel-instants-as-ms" => set(&expected) == set(&instants_as_ms(actual)),
        "rel-top-10-by-second-desc" => expected == top_ten(actual),
        other => return Err(format!("an unknown kind of question: {other}")),
    };
    if right {
        Ok(())
    } else {
        Err(format!("expected {}\n       actual   {}", short(&expected), short(actual)))
    }
}

fn short(edn: &Edn) -> String {
    let text = edn.to_string();
    match text.char_indices().nth(600) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

fn edn(json: &Json) -> Edn {
    match json {
        Json::Null => Edn::Nil,
        Json::Bool(b) => Edn::Bool(*b),
        Json::Number(n) => n.as_i64().map_or_else(|| Edn::double(n.as_f64().expect("a number")), Edn::Int),
        Json::String(text) => Edn::string(text.as_str()),
        Json::Array(list) => Edn::Vector(list.iter().map(edn).collect()),
        Json::Object(_) => panic!("an object in an expected answer"),
    }
}

fn number(edn: &Edn) -> Option<f64> {
    match edn {
        Edn::Int(n) => Some(*n as f64),
        Edn::Double(x) => Some(x.0),
        _ => None,
    }
}

fn set(edn: &Edn) -> BTreeSet<Edn> {
    edn.as_seq().map(|edns| edns.iter().cloned().collect()).unwrap_or_default()
}

fn instants_as_ms(edn: &Edn) -> Edn {
    match edn {
        Edn::Inst(micros) => Edn::Int(micros / 1000),
        Edn::Vector(edns) => Edn::Vector(edns.iter().map(instants_as_ms).collect()),
        other => other.clone(),
    }
}

fn top_ten(edn: &Edn) -> Edn {
    let mut rows: Vec<Edn> = edn.as_seq().unwrap_or_default().to_vec();
    rows.sort_by(|x, y| {
        let (x, y) = (x.as_seq().expect("a row"), y.as_seq().expect("a row"));
        y[1].cmp(&x[1]).then_with(|| x[0].cmp(&y[0]))
    });
    rows.truncate(10);
    Edn::Vector(rows)
}
