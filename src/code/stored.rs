//! Code that is stored as facts: the text under `:db/fn`, read once.
//!
//! ```text
//!   {:in [?a ?b] :where […] :require […] :tx […]}   a template: its `:tx` is filled once for each row (see template)
//!   [:find ?op ?e ?a ?v :in $ ?x :where …]          a query: its rows are list forms of transaction data
//!   {:in [?v] :where […]}                           a predicate: true if there is a row
//! ```
//!
//! With `:db.fn/lang :db.lang/js` the text is a script, and what it exports says what it is for ([`Role`]). What a text
//! means never changes, so what was read is kept by language and text, and forgotten when it is much.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use annals_query::ast::{Binding, Input, SourceName};
use annals_query::edn::{Edn, Form, FormKind, read_one};
use annals_query::{Answer, Prepared, parse};
use annals_storage::datom::Keyword;

use super::template::Template;
use super::{Context, Role, Script, Scripts, budget, failed, inside, wrong_arity};
use crate::database::Db;
use crate::error::{Error, Result};
use crate::question::{Arg, Question};
use crate::schema::SCRIPT;

/// The most texts that are remembered.
const TEXTS: usize = 1000;

/// The language of code that names none.
const DATALOG: &str = "db.lang/datalog";

/// A piece of stored code.
#[derive(Debug)]
pub(crate) enum Stored {
    /// Clauses, and what to make of their rows.
    Template(Template),
    /// A query whose rows are transaction data, or whose having rows is the verdict.
    Query(Arc<Prepared>),
    /// A script.
    Script(Arc<Script>),
}

/// Code that was read, by its language and text.
///
/// A store has one of these for all of its databases. Scripts are kept apart from Datalog, and fewer of them, because of
/// what waits with them for the next call.
#[derive(Debug, Default)]
pub(crate) struct ReadCode {
    datalog: Mutex<HashMap<String, Arc<Stored>>>,
    scripts: Scripts,
}

impl ReadCode {
    /// The code of a text in a language; Datalog if none is named.
    pub(crate) fn read(&self, text: &str, language: Option<&Keyword>) -> Result<Arc<Stored>> {
        match language.map(Keyword::as_str) {
            None | Some(DATALOG) => self.datalog(text),
            Some(SCRIPT) => self.scripts.of(text).map(|script| Arc::new(Stored::Script(script))),
            Some(other) => Err(invalid(&format!("there is no language :{other}"))
                .with_hint("leave :db.fn/lang out for Datalog, or say :db.lang/js for a script")),
        }
    }

    fn datalog(&self, text: &str) -> Result<Arc<Stored>> {
        if let Some(known) = self.lock().get(text) {
            return Ok(Arc::clone(known));
        }
        let read = Arc::new(Stored::datalog(text)?);
        let mut texts = self.lock();
        if texts.len() >= TEXTS {
            texts.clear();
        }
        texts.insert(text.to_owned(), Arc::clone(&read));
        Ok(read)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Stored>>> {
        self.datalog.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stored {
    /// Reads Datalog, and says what is wrong with it.
    pub(super) fn datalog(text: &str) -> Result<Stored> {
        // Places in the text of code say nothing to whoever calls it.
        let form = Form::from(read_one(text).map_err(|error| invalid(&error.message))?.to_edn());
        match &form.kind {
            FormKind::Map(_) => Template::read(&form).map(Stored::Template),
            FormKind::Vector(_) => {
                let query = parse::query(&form).map_err(|error| invalid(&error.message))?;
                if query.inputs.first() != Some(&Input::Source(SourceName::default_source())) {
                    return Err(invalid("the first input of its query is not $, the database"));
                }
                Ok(Stored::Query(Arc::new(Prepared::from(query))))
            }
            _ => Err(invalid("it is neither a map nor a query")),
        }
    }

    /// Transaction data, by the state before, of arguments with names.
    pub(super) fn command(
        &self,
        context: &Context<'_>,
        name: &Keyword,
        args: &BTreeMap<Edn, Edn>,
    ) -> Result<Edn> {
        match self {
            Stored::Script(script) => script.run(Role::Command, context, name, vec![Edn::Map(args.clone())]),
            _ => self.transaction(context, name, &named(name, self.inputs(), args)?),
        }
    }

    /// What it says of the state after a command.
    pub(crate) fn post_condition(
        &self,
        context: &Context<'_>,
        name: &Keyword,
        args: &BTreeMap<Edn, Edn>,
    ) -> Result<Edn> {
        match self {
            Stored::Script(script) => script.run(Role::Ensure, context, name, vec![Edn::Map(args.clone())]),
            _ => self.predicate(context, name, &named(name, self.inputs(), args)?),
        }
    }

    /// True if it can judge values and entities.
    pub(super) fn judges(&self) -> bool {
        !matches!(self, Stored::Script(script) if !script.plays(Role::Predicate))
    }

    /// True if it judges what it has made as a command.
    pub(super) fn promises(&self) -> bool {
        matches!(self, Stored::Script(script) if script.plays(Role::Ensure))
    }

    /// What a promise of a command is called.
    pub(crate) fn condition(&self) -> &'static str {
        match self {
            Stored::Script(_) => "export `ensure`",
            _ => ":db.command/ensure",
        }
    }

    /// The inputs of Datalog, without the database.
    fn inputs(&self) -> &[Input] {
        let query = match self {
            Stored::Template(template) => template.rows(),
            Stored::Query(query) => query.query(),
            Stored::Script(_) => return &[],
        };
        query.inputs.get(1..).unwrap_or_default()
    }

    /// Transaction data, by the state before.
    pub(super) fn transaction(&self, context: &Context<'_>, name: &Keyword, args: &[Edn]) -> Result<Edn> {
        match self {
            Stored::Script(script) => script.run(Role::Transaction, context, name, args.to_vec()),
            Stored::Template(template) => template.fill(context.db(), name, args),
            Stored::Query(query) => {
                let answer = asked(context.db(), name, query, args)?;
                match answer.into_edn() {
                    Edn::Vector(forms) => Ok(Edn::Vector(forms)),
                    Edn::Nil => Ok(Edn::Vector(Vec::new())),
                    other => Err(failed(name.as_str(), &format!("{other} is no transaction data"), vec![])),
                }
            }
        }
    }

    /// Whether there is a row, or what a script says.
    pub(super) fn predicate(&self, context: &Context<'_>, name: &Keyword, args: &[Edn]) -> Result<Edn> {
        let db = context.db();
        match self {
            Stored::Script(script) => script.run(Role::Predicate, context, name, args.to_vec()),
            Stored::Template(template) => template.holds(db, name, args).map(Edn::Bool),
            Stored::Query(query) => Ok(Edn::Bool(!asked(db, name, query, args)?.is_empty())),
        }
    }
}

/// The arguments in the order of the inputs: `?from` gets what is called `:from`, nil if nothing is.
fn named(name: &Keyword, inputs: &[Input], args: &BTreeMap<Edn, Edn>) -> Result<Vec<Edn>> {
    let by_name = |input: &Input| match input {
        Input::Binding(Binding::Var(var)) => {
            let key = Edn::keyword(var.0.as_str().trim_start_matches('?'));
            Ok(args.get(&key).cloned().unwrap_or(Edn::Nil))
        }
        _ => {
            Err(failed(name.as_str(), "an input of a command is a variable, named like its argument", vec![]))
        }
    };
    inputs.iter().map(by_name).collect()
}

/// Asks a query of code, whose inputs are the database and the arguments.
pub(super) fn asked(db: &Db, name: &Keyword, query: &Arc<Prepared>, args: &[Edn]) -> Result<Answer> {
    let takes = query.query().inputs.len() - 1;
    if takes != args.len() {
        return Err(wrong_arity(name, takes, args));
    }
    let code = &db.basis().home.options.code;
    let question = Question::of(Arc::clone(query)).over(db).functions(code.functions()).budget(budget(db));
    let question = args.iter().fold(question, |question, arg| question.arg(Arg::Edn(arg.clone())));
    question.run().map_err(|error| inside(name, error))
}

/// A text is no code.
pub(super) fn invalid(why: &str) -> Error {
    Error::incorrect("db.error/invalid-function", format!("the code cannot be stored or called: {why}"))
        .with_hint("code is a map with :in, :where and :tx, or a query; docs/transactions.md shows both")
}
