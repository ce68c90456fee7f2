//! Constraints: queries that must have no answer, declared as facts (`:db/constraint`).
//!
//! A constraint knows which attributes can change its answer ([`Reads`]), so that a transaction that touches none of them
//! is not judged by it. Judging is the affair of `transact`.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use annals_query::ast::{Arg, Binding, Call, Clause, ClauseKind, Input, Query, Rule, SourceName, Term, Var};
use annals_query::edn::{Edn, Form, FormKind, read_one};
use annals_query::{Prepared, parse};
use annals_storage::datom::{EntityId, Keyword, Pattern, Value};
use annals_storage::snapshot::{Snapshot, View};

use super::bootstrap as at;
use crate::error::{Error, Result};

/// A query that must have no answer.
#[derive(Clone, Debug)]
pub(crate) struct Constraint {
    /// The entity that declares it.
    pub(crate) e: EntityId,
    text: Arc<str>,
    /// The query, or why the text is none: then nothing that is stored while it stands passes it.
    pub(crate) rule: std::result::Result<Arc<Invariant>, String>,
}

impl PartialEq for Constraint {
    fn eq(&self, other: &Constraint) -> bool {
        (self.e, &self.text) == (other.e, &other.text)
    }
}

/// What a constraint says.
#[derive(Debug)]
pub(crate) struct Invariant {
    /// The query; its inputs are the database, and the rules if it wants them.
    pub(crate) query: Arc<Prepared>,
    /// If its clauses are patterns and calls over values only: the same query about some entities, a further input, for
    /// each pattern, with the pattern's attribute. Then an answer it did not have before has a fact in it that was
    /// asserted since.
    pub(crate) about: Option<Vec<(Keyword, Arc<Prepared>)>>,
    /// The rules, as they were written.
    pub(crate) rules: Option<Edn>,
    /// What can change its answer.
    pub(crate) reads: Reads,
}

/// The attributes whose facts can change the answer of a query.
#[derive(Clone, Debug)]
pub(crate) enum Reads {
    /// Any.
    All,
    /// These.
    Attributes(BTreeSet<Keyword>),
}

/// Every constraint of a snapshot, by entity.
pub(super) fn all(snapshot: &Snapshot) -> Result<Arc<[Constraint]>> {
    let mut found = Vec::new();
    snapshot.scan(&View::default(), &Pattern::attribute(at::CONSTRAINT), &mut |batch| {
        for row in 0..batch.len {
            if let Value::String(text) = batch.v.get(row).to_value() {
                let rule = Invariant::read(&text).map(Arc::new).map_err(|error| error.message().to_owned());
                found.push(Constraint { e: EntityId(batch.e.get(row)), text, rule });
            }
        }
        ControlFlow::Continue(())
    })?;
    found.sort_by_key(|constraint: &Constraint| constraint.e);
    Ok(found.into())
}

/// The text of a constraint is none.
fn invalid(why: &str) -> Error {
    Error::incorrect("db.error/invalid-constraint", format!("the constraint cannot be stored: {why}"))
        .with_hint("give a query over $, or {:query [:find … :in $ % :where …] :rules […]}")
}

impl Invariant {
    /// Reads `[:find …]` or `{:query [:find …] :rules […]}`.
    pub(crate) fn read(text: &str) -> Result<Invariant> {
        // Places in the text say nothing to whoever breaks the constraint.
        let form = Form::from(read_one(text).map_err(|error| invalid(&error.message))?.to_edn());
        let (query, rules) = match &form.kind {
            FormKind::Map(pairs) => {
                let part = |name: &str| {
                    let is_it = |key: &Form| key.as_atom() == Some(&Edn::keyword(name));
                    pairs.iter().find(|(key, _)| is_it(key)).map(|(_, part)| part)
                };
                (part("query").ok_or_else(|| invalid("it has no :query"))?, part("rules"))
            }
            _ => (&form, None),
        };
        let query = parse::query(query).map_err(|error| invalid(&error.message))?;
        let read = rules.map(parse::rules).transpose().map_err(|error| invalid(&error.message))?;
        let read = read.unwrap_or_default();
        annals_query::check::query(&query, &read).map_err(|error| invalid(&error.message))?;
        let wanted = if rules.is_some() { 2 } else { 1 };
        let is_over_database = match &query.inputs[..] {
            [Input::Source(name)] => *name == SourceName::default_source(),
            [Input::Source(name), Input::Rules] => *name == SourceName::default_source(),
            _ => false,
        };
        if !is_over_database || query.inputs.len() != wanted {
            return Err(invalid("its inputs are not $, and % where there are :rules"));
        }
        let reads = Reads::of(&query.clauses, &read);
        let about = about(&query);
        Ok(Invariant { query: Arc::new(Prepared::from(query)), about, rules: rules.map(Form::to_edn), reads })
    }
}

/// The query about entities that are given, for each of its patterns; `None` if it is not made of patterns and calls over
/// values only.
fn about(query: &Query) -> Option<Vec<(Keyword, Arc<Prepared>)>> {
    let mut patterns: Vec<(&Keyword, &Var)> = Vec::new();
    for clause in &query.clauses {
        match &clause.kind {
            ClauseKind::Pattern { terms, .. } => match &terms[..] {
                [Term::Var(e), Term::Const(Edn::Keyword(a)), ..] => patterns.push((a, e)),
                _ => return None,
            },
            ClauseKind::Predicate(call) | ClauseKind::Function(call, _) if is_over_values(call) => {}
            _ => return None,
        }
    }
    let narrow = |(a, e): (&Keyword, &Var)| {
        let mut query = query.clone();
        query.inputs.push(Input::Binding(Binding::Collection(Box::new(Binding::Var(e.clone())))));
        (a.clone(), Arc::new(Prepared::from(query)))
    };
    Some(patterns.into_iter().map(narrow).collect())
}

/// True if a call looks at nothing but its arguments.
fn is_over_values(call: &Call) -> bool {
    let reads_facts = call.args.iter().any(|arg| matches!(arg, Arg::Source(_)));
    !reads_facts && call.query.is_none() && !call.name.as_str().starts_with('?')
}

impl Reads {
    /// What clauses and rules read.
    fn of(clauses: &[Clause], rules: &[Rule]) -> Reads {
        let mut names = BTreeSet::new();
        let bodies = std::iter::once(clauses).chain(rules.iter().map(|rule| &rule.body[..]));
        if bodies.into_iter().all(|clauses| named(clauses, &mut names)) {
            Reads::Attributes(names)
        } else {
            Reads::All
        }
    }
}

/// Adds the attributes that clauses read; false if they may read any.
fn named(clauses: &[Clause], names: &mut BTreeSet<Keyword>) -> bool {
    clauses.iter().all(|clause| match &clause.kind {
        ClauseKind::Pattern { terms, .. } => pattern(terms, names),
        ClauseKind::Predicate(call) | ClauseKind::Function(call, _) => called(call, names),
        ClauseKind::Rule { args, .. } => {
            args.iter().for_each(|arg| looked_up(arg, names));
            true
        }
        ClauseKind::Not { clauses, .. } | ClauseKind::And(clauses) => named(clauses, names),
        ClauseKind::Or { branches, .. } => branches.iter().all(|branch| named(branch, names)),
    })
}

fn pattern(terms: &[Term], names: &mut BTreeSet<Keyword>) -> bool {
    terms.iter().for_each(|term| looked_up(term, names));
    match terms.get(1) {
        Some(Term::Const(Edn::Keyword(name))) => {
            names.insert(name.clone());
            true
        }
        _ => false,
    }
}

/// A lookup ref reads its attribute.
fn looked_up(term: &Term, names: &mut BTreeSet<Keyword>) {
    if let Term::Const(edn) = term
        && let Some([Edn::Keyword(name), _]) = edn.as_seq()
    {
        names.insert(name.clone());
    }
}

fn called(call: &Call, names: &mut BTreeSet<Keyword>) -> bool {
    if is_over_values(call) {
        return true;
    }
    // `get-else`, `get-some` and `missing?` name their attributes; anything else may read anything.
    if call.query.is_some() || !matches!(call.name.as_str(), "get-else" | "get-some" | "missing?") {
        return false;
    }
    call.args.iter().skip(2).for_each(|arg| {
        if let Arg::Const(Edn::Keyword(name)) = arg {
            names.insert(name.clone());
        }
    });
    !matches!(call.args.get(2), Some(Arg::Var(_)))
}
