//! Constraints: queries that must have no answer after a transaction, whoever wrote it.
//!
//! A constraint judges a transaction that touches an attribute it reads, one that changes names or attributes, and the one
//! that declares it. Where its clauses are patterns and calls over values only, an answer that was not there before has a
//! newly asserted fact in it: then only the entities of such facts are asked about. That is sound because the state
//! before had no answer.

use std::sync::Arc;

use annals_query::edn::Edn;
use annals_query::{Answer, Prepared};
use annals_storage::anomaly::Category;
use annals_storage::datom::{EntityId, Keyword};
use annals_storage::log::{LoggedTx, Op};

use super::problem::Problems;
use crate::basis::Basis;
use crate::code;
use crate::database::Db;
use crate::error::{Error, Result};
use crate::question::{Arg, Question};
use crate::schema::{self, Constraint, Invariant, Reads};

/// The most rows an error lists.
const LISTED: u64 = 20;

/// Judges the state after a transaction by every constraint that the transaction can have broken.
pub(super) fn check(before: &Basis, after: &Db, tx: &LoggedTx) -> Result<()> {
    let schema = &after.basis().schema;
    if schema.constraints().is_empty() {
        return Ok(());
    }
    let changes_names = tx.datoms.iter().any(|datom| schema::defines(datom.a));
    let mut problems = Problems::default();
    for constraint in schema.constraints() {
        let name =
            schema.ident(constraint.e).map_or(Edn::from(constraint.e), |name| Edn::Keyword(name.clone()));
        let invariant = match &constraint.rule {
            Ok(invariant) => invariant,
            Err(why) => {
                problems.push(unreadable(&name, why));
                continue;
            }
        };
        let is_new = !before.schema.constraints().contains(constraint);
        let whole = is_new || changes_names;
        if whole || touches(before, invariant, tx) {
            problems.keep(judge(constraint, invariant, &name, after, if whole { None } else { Some(tx) }));
        }
    }
    problems.settle()
}

/// True if the transaction asserts or retracts something that the query reads.
fn touches(before: &Basis, invariant: &Invariant, tx: &LoggedTx) -> bool {
    match &invariant.reads {
        Reads::All => true,
        Reads::Attributes(names) => {
            let read: Vec<_> = names
                .iter()
                .filter_map(|name| before.schema.attr_named(name))
                .map(|attr| attr.id())
                .collect();
            tx.datoms.iter().any(|datom| read.contains(&datom.a))
        }
    }
}

/// Asks the query: of everything, or, if a transaction is given and the query allows, of what it asserts.
fn judge(
    constraint: &Constraint,
    invariant: &Invariant,
    name: &Edn,
    after: &Db,
    tx: Option<&LoggedTx>,
) -> Result<()> {
    let with_rules = |question: Question| match &invariant.rules {
        Some(rules) => question.arg(Arg::Edn(rules.clone())),
        None => question,
    };
    let questions: Vec<Question> = match (tx, &invariant.about) {
        (Some(tx), Some(about)) => {
            let narrow = |(attribute, query): &(Keyword, Arc<Prepared>)| {
                let entities = asserted(after, tx, attribute);
                let question = || {
                    with_rules(Question::of(Arc::clone(query))).arg(Arg::Edn(Edn::Vector(entities.clone())))
                };
                (!entities.is_empty()).then(question)
            };
            about.iter().filter_map(narrow).collect()
        }
        _ => vec![with_rules(Question::of(Arc::clone(&invariant.query)))],
    };
    for question in questions {
        let functions = after.basis().home.options.code.functions();
        let question = question.over(after).functions(functions).budget(code::budget(after)).limit(LISTED);
        let rows = rows(question.run().map_err(|error| cannot_judge(name, &error))?);
        if !rows.is_empty() {
            return Err(violated(constraint, name, rows));
        }
    }
    Ok(())
}

/// The entities of which the transaction asserts something by this attribute.
fn asserted(after: &Db, tx: &LoggedTx, attribute: &Keyword) -> Vec<Edn> {
    let Some(attr) = after.basis().schema.attr_named(attribute) else { return Vec::new() };
    let asserted = tx.datoms.iter().filter(|datom| datom.a == attr.id() && datom.op == Op::Assert);
    let mut entities: Vec<EntityId> = asserted.map(|datom| datom.e).collect();
    entities.sort_unstable();
    entities.dedup();
    entities.into_iter().map(Edn::from).collect()
}

fn rows(answer: Answer) -> Vec<Edn> {
    match answer {
        Answer::Relation(rows) => rows.into_rows().into_iter().map(Edn::Vector).collect(),
        Answer::Collection(values) => values,
        Answer::Tuple(row) => row.into_iter().map(Edn::Vector).collect(),
        Answer::Scalar(value) => value.into_iter().collect(),
    }
}

fn violated(constraint: &Constraint, name: &Edn, rows: Vec<Edn>) -> Error {
    let shown: Vec<String> = rows.iter().take(3).map(ToString::to_string).collect();
    let more = if rows.len() > shown.len() { " …" } else { "" };
    let message = format!("the constraint {name} does not hold any more: {}{more}", shown.join(" "));
    Error::new(Category::Conflict, "db.error/constraint-violated", message)
        .with_hint(
            "the rows are what the constraint's query finds after the transaction; it must find nothing",
        )
        .with_data("db.error/constraint", name.clone())
        .with_data("db.error/entity", constraint.e)
        .with_data("db.error/rows", rows)
}

fn unreadable(name: &Edn, why: &str) -> Error {
    Error::incorrect("db.error/invalid-constraint", format!("the constraint {name} cannot be read: {why}"))
        .with_hint("retract its :db/constraint, or state it anew")
}

/// The query itself fails or takes too long: what it would judge is refused.
fn cannot_judge(name: &Edn, error: &Error) -> Error {
    let message = format!("the constraint {name} cannot be judged: {}", error.message());
    Error::new(error.category(), "db.error/constraint-failed", message)
        .with_hint("see to the constraint's query; nothing was stored")
        .with_data("db.error/constraint", name.clone())
        .with_data("db.error/cause", Edn::keyword(error.keyword()))
}
