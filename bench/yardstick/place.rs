//! Databases in files, and questions to them.

use std::path::PathBuf;
use std::time::Duration;

use annals::{Answer, Arg, Connection, Db, Edn, Form, Keyword, Question, Rows};
use annals_query::edn::FormKind;

use crate::out::Size;

/// How long a background job may take here.
const LONG: Duration = Duration::from_secs(600);

/// The folder where files are made.
pub(crate) struct Place(PathBuf);

impl Place {
    pub(crate) fn new(folder: &str) -> Place {
        std::fs::create_dir_all(folder).unwrap_or_else(|error| panic!("{folder}: {error}"));
        Place(PathBuf::from(folder))
    }

    /// The file of a database.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(format!("annals-{name}.annals"))
    }

    /// A database in a file of its own, which is new.
    pub(crate) fn fresh(&self, name: &str) -> Connection {
        // It need not be there.
        let _ = std::fs::remove_file(self.file(name));
        self.open(name)
    }

    /// The database in a file.
    pub(crate) fn open(&self, name: &str) -> Connection {
        let address = format!("redb:{}", self.file(name).display());
        annals::connect(&address).and_then(|store| store.database("main")).expect("a file")
    }
}

/// Puts all facts to rest: sorted, into every tree, on the disk.
pub(crate) fn settle(conn: &Connection) {
    let wanted = conn.request_index().expect("a job");
    conn.sync_index(wanted, LONG).expect("an index");
}

/// Transactions, several on their way at once; gives what the last one told.
pub(crate) fn transact_all(conn: &Connection, txs: impl Iterator<Item = Vec<Form>>) {
    let mut under_way = std::collections::VecDeque::new();
    for tx in txs {
        let form = Form { kind: FormKind::Vector(tx), span: None };
        under_way.push_back(conn.submit(form).expect("room in the queue"));
        if under_way.len() == 64 {
            under_way.pop_front().map(|first: annals::Pending| first.wait().expect("accepted"));
        }
    }
    under_way.into_iter().for_each(|pending| drop(pending.wait().expect("accepted")));
}

/// A piece of transaction data without parts.
pub(crate) fn atom(value: impl Into<Edn>) -> Form {
    Form { kind: FormKind::Atom(value.into()), span: None }
}

/// A map of transaction data.
pub(crate) fn map<const N: usize>(pairs: [(&Keyword, Edn); N]) -> Form {
    let pairs = pairs.into_iter().map(|(key, value)| (atom(Edn::Keyword(key.clone())), atom(value)));
    Form { kind: FormKind::Map(pairs.collect()), span: None }
}

/// The assertion of a fact.
pub(crate) fn add(entity: Edn, attribute: &Keyword, value: Edn) -> Form {
    let parts = [Edn::keyword("db/add"), entity, Edn::Keyword(attribute.clone()), value];
    Form { kind: FormKind::Vector(parts.into_iter().map(atom).collect()), span: None }
}

/// A question, read once.
pub(crate) fn question(text: &str, db: &Db, args: &[Arg]) -> Question {
    let question = annals::q(text).expect("a question").over(db);
    args.iter().fold(question, |question, arg| question.arg(arg.clone()))
}

/// The rows of a question.
pub(crate) fn rows(question: &Question) -> Rows {
    match question.run().expect("an answer") {
        Answer::Relation(rows) => rows,
        other => Rows::new(vec!["value".to_owned()], vec![vec![other.into_edn()]]),
    }
}

/// The size of rows whose columns of these numbers are entities.
pub(crate) fn size(rows: &Rows, entities: &[usize], number: impl Fn(i64) -> i64) -> Size {
    let cell = |(at, edn): (usize, &Edn)| match edn {
        Edn::Int(id) if entities.contains(&at) => number(*id),
        Edn::Int(value) => *value,
        _ => 0,
    };
    (rows.len(), rows.iter().map(|row| row.iter().enumerate().map(cell).sum::<i64>()).sum())
}
