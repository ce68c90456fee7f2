//! Behaviour cases in EDN, run through every way into the database.
//!
//! `case` reads the files, `compare` judges an answer, `embedded` and `remote` are the ways in, `kinds` maps our error
//! keywords to the kinds that cases speak of, `run` does one case. The form of a case is described in
//! `conformance/README.md` beside the cases.

pub mod case;
pub mod compare;
pub mod embedded;
pub mod kinds;
pub mod remote;
pub mod run;

use std::collections::BTreeMap;

use annals::Edn;

/// Which view of the case's database is asked.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// As of this transaction or instant.
    pub as_of: Option<Moment>,
    /// Since this transaction or instant.
    pub since: Option<Moment>,
    /// The history view.
    pub history: bool,
}

/// A point in time, as a way in understands it.
#[derive(Clone, Copy, Debug)]
pub enum Moment {
    /// The transaction's number.
    T(u64),
    /// Microseconds since 1970.
    Instant(i64),
}

/// An input of a query after the default database.
#[derive(Clone, Debug)]
pub enum Given {
    /// Another view of the same database.
    Db(View),
    /// A value.
    Value(Edn),
}

/// What a transaction answered.
#[derive(Clone, Debug)]
pub struct Done {
    /// Its number.
    pub t: u64,
    /// Its entity.
    pub tx: u64,
    /// What its tempids became.
    pub tempids: BTreeMap<String, u64>,
}

/// A refusal, as a user sees it.
#[derive(Clone, Debug)]
pub struct Refused {
    /// `db.error/…`
    pub keyword: String,
    /// The whole message.
    pub message: String,
}

/// A way into a fresh database.
pub trait Way {
    /// Transacts text.
    fn transact(&mut self, tx: &str) -> Result<Done, Refused>;
    /// Asks a query over a view, or over no database.
    fn query(&mut self, query: &str, view: Option<&View>, args: &[Given]) -> Result<Edn, Refused>;
    /// Pulls a pattern of an entity.
    fn pull(&mut self, pattern: &str, entity: &str, view: &View) -> Result<Edn, Refused>;
    /// Reads text as EDN.
    fn read(&mut self, text: &str) -> Result<Edn, Refused>;
}
