//! Code that is stored as facts: the text under `:db/fn`, read once.
//!
//! ```text
//!   {:in [?a ?b] :where […] :require […] :tx […]}   a template: its `:tx` is filled once for each row (see template)
//!   [:find ?op ?e ?a ?v :in $ ?x :where …]          a query: its rows are list forms of transaction data
//!   {:in [?v] :where […]}                           a predicate: true if there is a row
//! ```
//!
//! What a text means never changes, so what was read is kept by text, and forgotten when it is much.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use annals_query::ast::{Binding, Input, SourceName};
use annals_query::edn::{Edn, Form, FormKind, read_one};
use annals_query::{Answer, Prepared, parse};
use annals_storage::datom::Keyword;

use super::template::Template;
use super::{Context, budget, failed, inside, wrong_arity};
use crate::database::Db;
use crate::error::{Error, Result};
use crate::question::{Arg, Question};

/// The most texts that are remembered.
const TEXTS: usize = 1000;

/// A piece of stored code.
#[derive(Debug)]
pub(crate) enum Stored {
    /// Clauses, and what to make of their rows.
    Template(Template),
    /// A query whose rows are transaction data, or whose having rows is the verdict.
    Query(Arc<Prepared>),
}

/// Code that was read, by its language and text.
#[derive(Debug, Default)]
pub(crate) struct ReadCode(Mutex<HashMap<String, Arc<Stored>>>);

impl ReadCode {
    /// The code of a text in a language; Datalog if none is named.
    pub(crate) fn read(&self, text: &str, language: Option<&str>) -> Result<Arc<Stored>> {
        let name = format!("{} {text}", language.unwrap_or_default());
        if let Some(known) = self.lock().get(&name) {
            return Ok(Arc::clone(known));
        }
        let read = Arc::new(Stored::read(text, language)?);
        let mut texts = self.lock();
        if texts.len() >= TEXTS {
            texts.clear();
        }
        texts.insert(name, Arc::clone(&read));
        Ok(read)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Stored>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stored {
    /// Reads code, and says what is wrong with it.
    pub(crate) fn read(text: &str, language: Option<&str>) -> Result<Stored> {
        match language {
            None | Some(":db.lang/datalog") => Stored::datalog(text),
            Some(other) => Err(invalid(&format!("there is no language {other}"))
                .with_hint("leave :db.fn/lang out for Datalog")),
        }
    }

    fn datalog(text: &str) -> Result<Stored> {
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

    /// The arguments in the order of the inputs: `?from` gets what is called `:from`, nil if nothing is.
    pub(super) fn named(&self, name: &Keyword, args: &BTreeMap<Edn, Edn>) -> Result<Vec<Edn>> {
        let query = match self {
            Stored::Template(template) => template.rows(),
            Stored::Query(query) => query.query(),
        };
        let inputs = query.inputs.iter().skip(1);
        let by_name = |input: &Input| match input {
            Input::Binding(Binding::Var(var)) => {
                let key = Edn::keyword(var.0.as_str().trim_start_matches('?'));
                Ok(args.get(&key).cloned().unwrap_or(Edn::Nil))
            }
            _ => Err(failed(
                name.as_str(),
                "an input of a command is a variable, named like its argument",
                vec![],
            )),
        };
        inputs.map(by_name).collect()
    }

    /// Transaction data, by the state before.
    pub(super) fn transaction(&self, context: &Context<'_>, name: &Keyword, args: &[Edn]) -> Result<Edn> {
        match self {
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

    /// Whether there is a row.
    pub(super) fn predicate(&self, db: &Db, name: &Keyword, args: &[Edn]) -> Result<Edn> {
        match self {
            Stored::Template(template) => template.holds(db, name, args).map(Edn::Bool),
            Stored::Query(query) => Ok(Edn::Bool(!asked(db, name, query, args)?.is_empty())),
        }
    }
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
