//! The REPL: a session is a storage, a database, a view of it, and what the person has set.
//!
//! [`Session::eval`] takes one entry and prints its answer; it knows no terminal, so that scripts, pipes and tests
//! use it as the editor does. How an entry is read is in `entry`, what a command does in `looking` (at facts),
//! `viewing` (choosing moments), `calling` (the database's own commands) and `housekeeping`; line editing is in `editor`.

mod calling;
pub mod commands;
pub mod complete;
pub mod editor;
pub mod entry;
pub mod highlight;
mod housekeeping;
pub mod lexer;
mod looking;
pub mod prompt;
pub mod script;
pub mod tour;
mod viewing;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use annals::edn::Form;
use annals::{Answer, Arg, Budget, Category, Connection, Db, Edn, Options, Question, Store, TxRequest};

use crate::import::Watch;
use crate::present::{Shown, Style, report};
use crate::problem::{Problem, Result};
use crate::settings::Settings;
use crate::view::{Moment, View};
use annals::suggest::did_you_mean;
use complete::Names;
use entry::{Argument, Asked, Entry, range};

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Ask for the next entry.
    Go,
    /// The person wants to leave.
    Quit,
}

/// What the session is tried on while nothing is written.
struct WhatIf {
    db: Db,
    /// How many transactions were tried.
    count: usize,
    /// The moment that was looked at before, and is again afterwards.
    left: Option<Moment>,
}

/// A page of an answer that was shown, and what goes on from it.
struct Page {
    question: Question,
    cursor: String,
    columns: Vec<String>,
}

/// A person's work with one storage.
pub struct Session {
    /// How answers are printed.
    pub style: Style,
    /// Remarks are printed between answers; not when the answers go to a program.
    pub remarks: bool,
    /// What a query may use up.
    pub budget: Budget,
    /// Every query is answered twice, and the answers compared.
    pub verify: bool,
    /// Bars of progress can be drawn.
    pub bars: bool,
    /// How storages are opened.
    options: Options,
    store: Store,
    conn: Connection,
    view: View,
    what_if: Option<WhatIf>,
    names: BTreeMap<String, Edn>,
    last: Option<Edn>,
    page: Option<Page>,
    tour: usize,
    scripts: usize,
    stop: Arc<AtomicBool>,
}

impl Session {
    /// A session on a database of a storage; both are made if they are not there.
    pub fn open(address: &str, options: Options, database: &str, style: Style) -> Result<Session> {
        let store = crate::storage::connect(address, options.clone())?;
        let conn = store.database(database)?;
        Ok(Session {
            style,
            remarks: false,
            budget: Settings::default().budget(),
            verify: false,
            bars: false,
            options,
            store,
            conn,
            view: View::default(),
            what_if: None,
            names: BTreeMap::new(),
            last: None,
            page: None,
            tour: 0,
            scripts: 0,
            stop: Arc::default(),
        })
    }

    /// Set it to stop the query that runs.
    pub fn stopper(&self) -> Arc<AtomicBool> {
        self.stop.clone()
    }

    /// The way in to the database.
    pub fn connection(&self) -> &Connection {
        &self.conn
    }

    /// What the prompt says.
    pub fn prompt(&self) -> String {
        let what_if = self.what_if.as_ref().map(|what_if| what_if.count);
        prompt::text(self.conn.name(), self.conn.db().basis_t(), &self.view, what_if)
    }

    /// The database under the view: what was written, and what is being tried.
    fn base(&self) -> Db {
        self.what_if.as_ref().map_or_else(|| self.conn.db(), |what_if| what_if.db.clone())
    }

    /// The database as it is looked at.
    pub fn db(&self) -> Db {
        self.view.of(&self.base())
    }

    /// Does what was typed. The place of a problem is a place in `text`.
    pub fn eval(&mut self, text: &str, out: &mut dyn Write) -> Result<Flow> {
        self.stop.store(false, Relaxed);
        for entry in entry::read(text)? {
            let done = match entry {
                Entry::Command(name, argument) => {
                    commands::named(name).and_then(|command| (command.run)(self, argument, out))
                }
                Entry::Query(asked) => self.ask(&asked, out).map(|()| Flow::Go),
                Entry::Transaction(data) => self.transact(data, out).map(|()| Flow::Go),
            };
            match done {
                Ok(Flow::Go) => {}
                Ok(Flow::Quit) => return Ok(Flow::Quit),
                Err(problem) => return Err(problem.sharpened(text, || self.completions().attributes)),
            }
        }
        Ok(Flow::Go)
    }

    fn ask(&mut self, asked: &Asked<'_>, out: &mut dyn Write) -> Result<()> {
        let question = self.question(asked)?;
        self.answer(question, asked.columns.clone(), asked.text.offset, out)
    }

    /// Asks, prints the answer, and remembers the page if it is one. `offset` is where the query's text begins.
    fn answer(
        &mut self,
        question: Question,
        columns: Vec<String>,
        offset: usize,
        out: &mut dyn Write,
    ) -> Result<()> {
        let (answer, took) = timed(|| question.run());
        let answer = answer.map_err(|error| Problem::from(error).shifted(offset))?;
        let cursor = if let Answer::Relation(rows) = &answer { rows.cursor() } else { None };
        let shown = Shown::answer(answer, columns.clone(), question.is_ordered());
        self.show(&shown, Some(took), out)?;
        if let Some(cursor) = &cursor {
            self.remark(out, &format!("`.next` goes on after {cursor}"))?;
        }
        self.page = cursor.map(|cursor| Page { question, cursor, columns });
        Ok(())
    }

    /// A query with its database and inputs, ready to run.
    fn question(&self, asked: &Asked<'_>) -> Result<Question> {
        let text = asked.text;
        let question = self.store.q(text.text).map_err(|error| Problem::from(error).shifted(text.offset))?;
        let db = self.db();
        let mut question = if question.wants_db() { question.over(&db) } else { question };
        for form in &asked.inputs {
            question = question.arg(self.input(form)?);
        }
        let budget = Budget { cancel: Some(self.stop.clone()), ..self.budget.clone() };
        let question = question.budget(budget);
        Ok(if self.verify { question.verify(true) } else { question })
    }

    /// An input of a query: a value, a name given by `.let`, or another moment of the database, `(as-of 7)`.
    fn input(&self, form: &Form) -> Result<Arg> {
        match self.value(form)? {
            Edn::List(parts) => match other_moment(&self.base(), &parts) {
                Some(db) => Ok(Arg::Db(db.map_err(|problem| problem.at(range(form)))?)),
                None => Ok(Arg::Edn(Edn::List(parts))),
            },
            value => Ok(Arg::Edn(value)),
        }
    }

    /// The value of a form; a symbol is a name given by `.let`, or `*1`, the last answer.
    fn value(&self, form: &Form) -> Result<Edn> {
        let Some(Edn::Symbol(symbol)) = form.as_atom() else { return Ok(form.to_edn()) };
        let found = match symbol.as_str() {
            "*1" => self.last.clone(),
            name => self.names.get(name).cloned(),
        };
        found.ok_or_else(|| {
            let known = self.names.keys().map(String::as_str);
            let hint = did_you_mean(symbol.as_str(), known)
                .unwrap_or_else(|| format!("`.let {symbol} VALUE` gives it a value"));
            Problem::new(Category::NotFound, "repl.error/unknown-name", format!("nothing is named {symbol}"))
                .hint(hint)
                .at(range(form))
        })
    }

    fn transact(&mut self, data: Argument<'_>, out: &mut dyn Write) -> Result<()> {
        self.carry_out(TxRequest::from(data.text), data.offset, out)
    }

    /// Writes; the text of the request begins `offset` bytes into the entry.
    fn carry_out(&mut self, request: TxRequest, offset: usize, out: &mut dyn Write) -> Result<()> {
        if self.what_if.is_some() {
            let problem = Problem::new(
                Category::Conflict,
                "repl.error/what-if",
                "nothing is written while a what-if is being looked at",
            );
            return Err(
                problem.hint("`.with` tries more on top of it, `.drop` goes back to what was written")
            );
        }
        let (report, took) = timed(|| self.conn.transact(request));
        let report = report.map_err(|error| Problem::from(error).shifted(offset))?;
        report::print(&report, true, &self.style, out)?;
        if self.style.timing && self.remarks {
            writeln!(out, "{}", crate::present::duration(took))?;
        }
        if self.view.as_of.is_some() {
            self.remark(out, "the view stays in the past; `.as-of now` comes back")?;
        }
        Ok(())
    }

    /// Prints an answer and keeps it as `*1`.
    fn show(&mut self, shown: &Shown, took: Option<Duration>, out: &mut dyn Write) -> Result<()> {
        shown.print(&self.style, took, out)?;
        self.last = Some(shown.to_edn());
        Ok(())
    }

    /// Says something that is no answer.
    fn remark(&self, out: &mut dyn Write, text: &str) -> Result<()> {
        if self.remarks {
            writeln!(out, "{text}")?;
        }
        Ok(())
    }

    /// The names that can be completed in this view.
    pub fn completions(&self) -> Names {
        let db = self.db();
        let mut attributes: Vec<String> = db.schema().iter().map(|info| info.ident.to_string()).collect();
        attributes.sort();
        let mut idents: Vec<String> = db.idents().iter().map(|(ident, _)| ident.to_string()).collect();
        idents.sort();
        let commands = db.commands().unwrap_or_default();
        Names {
            attributes,
            idents,
            commands: commands.iter().map(|command| command.name.to_string()).collect(),
            databases: self.store.databases().unwrap_or_default(),
        }
    }
}

/// `(as-of 7)`, `(since "2024-05-01")`, `(history)`, `(now)`: the database at another moment.
fn other_moment(db: &Db, parts: &[Edn]) -> Option<Result<Db>> {
    let Edn::Symbol(name) = parts.first()? else { return None };
    let moment = |point: &Edn| match point {
        Edn::String(text) => Moment::parse(text).map(|moment| moment.point),
        other => Ok(annals::TimePoint::from_edn(other)?),
    };
    match (name.as_str(), &parts[1..]) {
        ("as-of", [point]) => Some(moment(point).map(|point| db.as_of(point))),
        ("since", [point]) => Some(moment(point).map(|point| db.since(point))),
        ("history", []) => Some(Ok(db.history())),
        ("now", []) => Some(Ok(db.clone())),
        _ => None,
    }
}

/// Does something and tells how long it took.
fn timed<V>(work: impl FnOnce() -> V) -> (V, Duration) {
    let begun = Instant::now();
    let value = work();
    (value, begun.elapsed())
}

/// Watches an import from inside the session.
struct Watching<'w> {
    inner: &'w mut dyn Watch,
    stop: Arc<AtomicBool>,
}

impl Watch for Watching<'_> {
    fn begin(&mut self, part: &crate::import::Part, size: u64, skipped: u64) {
        self.inner.begin(part, size, skipped);
    }
    fn progress(&mut self, progress: annals::import::Progress, bytes: u64) {
        self.inner.progress(progress, bytes);
    }
    fn end(&mut self, part: &crate::import::Part, progress: annals::import::Progress) {
        self.inner.end(part, progress);
    }
    fn stop(&self) -> Option<Arc<AtomicBool>> {
        Some(self.stop.clone())
    }
}
