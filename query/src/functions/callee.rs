//! What a call in a query calls, and what it is handed.
//!
//! Most functions are given values only. Some look further: at the facts of a source, at a log, or at all that the
//! query is given, to ask another query. What they are handed beside values ([`Handed`]) is the same in every row; the
//! evaluator that makes the call tells, in a [`Context`], what the call can reach.

use std::sync::Arc;

use annals_storage::datom::Symbol;

use crate::answer::Answer;
use crate::ast::{Query, SourceName};
use crate::edn::Edn;
use crate::error::{Error, Result};
use crate::inputs::{Inputs, SourceArg};
use crate::source::{Source, TxLog};

use super::of_facts::OfFacts;
use super::of_log::OfLog;
use super::own::{Functions, OwnFunction};
use super::{Function, find, nested, unknown};

/// A function by its name, whichever kind it is.
#[derive(Clone, Debug)]
pub enum Callee {
    /// Over values.
    Plain(&'static Function),
    /// Over the facts of a source, which is its first argument.
    OfFacts(OfFacts),
    /// Over a log, which is its first argument.
    OfLog(OfLog),
    /// `q`: a query inside the query.
    Nested,
    /// A function of the program.
    Own(OwnFunction),
}

/// An argument that is no value.
#[derive(Clone, Copy)]
pub enum Handed<'q> {
    /// A source, by its name.
    Source(&'q SourceName, &'q SourceArg),
    /// A query, written in the call.
    Query(&'q Arc<Query>),
}

/// What a call can reach beside its arguments.
pub struct Context<'q> {
    /// All that the query is given.
    pub inputs: &'q Inputs,
    /// Refuses a result of so many rows, if that is beyond the budget.
    pub allow: &'q dyn Fn(usize) -> Result<()>,
    /// Answers a query that is asked inside this one.
    pub answer: &'q dyn Fn(&Query, &Inputs) -> Result<Answer>,
}

impl Callee {
    /// The function with this name, `own` being those of the program.
    pub fn find(name: &Symbol, own: &Functions) -> Result<Callee> {
        if name.as_str() == nested::NAME {
            return Ok(Callee::Nested);
        }
        let of_facts = || OfFacts::find(name).map(Callee::OfFacts);
        let of_program = || own.find(name).cloned().map(Callee::Own);
        let of_log = || OfLog::find(name).map(Callee::OfLog);
        find(name)
            .map(Callee::Plain)
            .or_else(of_facts)
            .or_else(of_log)
            .or_else(of_program)
            .ok_or_else(|| unknown(name))
    }

    /// The function's name.
    pub fn name(&self) -> &str {
        match self {
            Callee::Plain(function) => function.name(),
            Callee::OfFacts(function) => function.name(),
            Callee::OfLog(function) => function.name(),
            Callee::Nested => nested::NAME,
            Callee::Own(function) => function.name().as_str(),
        }
    }

    /// Refuses a wrong number of arguments, sources and queries counted.
    pub fn check_count(&self, count: usize) -> Result<()> {
        match self {
            Callee::Plain(function) => function.check_count(count),
            Callee::OfFacts(function) => function.check_count(count.saturating_sub(1)),
            Callee::OfLog(function) => function.check_count(count),
            Callee::Nested => nested::check_count(count),
            Callee::Own(_) => Ok(()),
        }
    }

    /// Calls it. There is one place in `handed` for each argument; where it is empty stands the next of the values.
    pub fn call(&self, context: &Context<'_>, handed: &[Option<Handed<'_>>], values: &[Edn]) -> Result<Edn> {
        match self {
            Callee::Plain(function) => {
                self.refuse_handed(handed)?;
                function.call(values)
            }
            Callee::OfFacts(function) => function.call(self.database(handed)?, values),
            Callee::OfLog(function) => {
                let (log, values) = self.log(context, handed, values)?;
                function.call(log, values, context.allow)
            }
            Callee::Nested => nested::call(context, handed, values),
            Callee::Own(function) => {
                self.refuse_handed(handed)?;
                function.call(values)
            }
        }
    }

    fn refuse_handed(&self, handed: &[Option<Handed<'_>>]) -> Result<()> {
        match handed.iter().flatten().next() {
            None => Ok(()),
            Some(Handed::Source(name, _)) => {
                let name = &name.0;
                Err(self
                    .refused(format!("`{}` is given the source {name} in a place of a value", self.name())))
            }
            Some(Handed::Query(_)) => {
                Err(self.refused(format!("`{}` takes values, not a query", self.name())))
            }
        }
    }

    fn database<'q>(&self, handed: &[Option<Handed<'q>>]) -> Result<&'q dyn Source> {
        let Some((Some(Handed::Source(name, source)), rest)) = handed.split_first() else {
            let name = self.name();
            return Err(self
                .refused(format!("the first argument of `{name}` is a source"))
                .hint(format!("as in ({name} $ ?e …)")));
        };
        self.refuse_handed(rest)?;
        source.database(name)
    }

    /// The log, which is a source or a value that stands for it, and the values after it.
    fn log<'q, 'v>(
        &self,
        context: &Context<'q>,
        handed: &[Option<Handed<'q>>],
        values: &'v [Edn],
    ) -> Result<(&'q dyn TxLog, &'v [Edn])> {
        let (first, rest) = handed.split_first().map_or((None, handed), |(first, rest)| (*first, rest));
        self.refuse_handed(rest)?;
        let (log, values) = match (first, values.split_first()) {
            (Some(Handed::Source(_, SourceArg::Log(log))), _) => (Some(log), values),
            (None, Some((first, rest))) => (context.inputs.log(first), rest),
            _ => (None, values),
        };
        let log = log.ok_or_else(|| {
            let name = self.name();
            self.refused(format!("the first argument of `{name}` is not a log"))
                .hint(format!("give the log as an input: ({name} ?log …) … :in $ ?log"))
        })?;
        Ok((log.as_ref(), values))
    }

    fn refused(&self, message: String) -> Error {
        Error::incorrect("db.error/type-in-function", message)
    }
}
