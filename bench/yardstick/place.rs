//! Databases in files, and questions to them.

use std::path::PathBuf;

use annals::{Answer, Arg, Connection, Db, Edn, Form, Keyword, Question, Rows};
use annals_bench::loading::atom;
use annals_query::edn::FormKind;

use crate::out::Size;

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
