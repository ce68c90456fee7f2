//! Entity specs: what an entity must have and be after a transaction that asks for it by `:db/ensure`.
//!
//! A spec is read from the state before, and judges the state after; asking leaves no fact. Several specs must all hold.

use annals_query::edn::{Edn, Span};
use annals_storage::datom::{EntityId, Keyword, Symbol, Value};

use super::problem::Problems;
use crate::basis::Basis;
use crate::code::{self, Context};
use crate::database::Db;
use crate::error::{Error, Result};
use crate::schema::bootstrap as at;

/// An entity that is to be judged by a spec.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ensure<E> {
    pub(super) e: E,
    pub(super) spec: EntityId,
    pub(super) span: Option<Span>,
}

/// Judges every entity that asked for it.
pub(super) fn check(before: &Basis, after: &Context<'_>, ensures: &[Ensure<EntityId>]) -> Result<()> {
    let mut problems = Problems::default();
    for ensure in ensures {
        let spec = Spec::read(before, ensure.spec).map_err(|error| error.at(ensure.span))?;
        if let Some(problem) = spec.lacks(before, after.db(), ensure.e)? {
            problems.push(problem.at(ensure.span));
        }
        for pred in &spec.preds {
            let verdict = code::judge_entity(after, pred, ensure.e)
                .map_err(|error| error.without_span().at(ensure.span))?;
            if let Some(problem) = spec.objects(pred, verdict, ensure.e) {
                problems.push(problem.at(ensure.span));
            }
        }
    }
    problems.settle()
}

/// A spec, as it is stored.
struct Spec {
    /// Its ident, or its id.
    name: Edn,
    attrs: Vec<Keyword>,
    preds: Vec<Symbol>,
}

impl Spec {
    fn read(before: &Basis, e: EntityId) -> Result<Spec> {
        let name = before.schema.ident(e).map_or(Edn::from(e), |ident| Edn::Keyword(ident.clone()));
        let (mut attrs, mut preds) = (Vec::new(), Vec::new());
        for (a, v) in before.facts_of(e)? {
            match v {
                Value::Keyword(attr) if a == at::ENTITY_ATTRS => attrs.push(attr),
                Value::Symbol(pred) if a == at::ENTITY_PREDS => preds.push(pred),
                _ => {}
            }
        }
        if attrs.is_empty() && preds.is_empty() {
            let message =
                format!("{name} is no entity spec: it has no :db.entity/attrs and no :db.entity/preds");
            return Err(Error::incorrect("db.error/not-an-entity-spec", message)
                .with_hint("a spec is stored in a transaction before the first that asks for it"));
        }
        Ok(Spec { name, attrs, preds })
    }

    /// The attributes that the entity has no value of.
    fn lacks(&self, before: &Basis, after: &Db, e: EntityId) -> Result<Option<Error>> {
        let mut missing = Vec::new();
        for name in &self.attrs {
            let found = match before.schema.attr_named(name) {
                Some(attr) => after.basis().value(e, attr.id())?.is_some(),
                None => false,
            };
            if !found {
                missing.push(Edn::Keyword(name.clone()));
            }
        }
        if missing.is_empty() {
            return Ok(None);
        }
        let listed = Edn::Vector(missing.clone());
        let message = format!("entity {e} has no value of {listed}, which {} requires", self.name);
        Ok(Some(
            self.error("db.error/entity-attr", message, e)
                .with_hint("assert what is missing in the same transaction")
                .with_data("db.error/attributes", missing),
        ))
    }

    /// What there is to say if a predicate did not say `true`.
    fn objects(&self, pred: &Symbol, verdict: Option<Edn>, e: EntityId) -> Option<Error> {
        let Some(verdict) = verdict else { return Some(unknown_predicate(pred)) };
        if verdict == Edn::Bool(true) {
            return None;
        }
        let message = format!("entity {e} does not pass {pred} of {}, which says {verdict}", self.name);
        Some(
            self.error("db.error/entity-pred", message, e)
                .with_hint(
                    "change what the predicate looks at in the same transaction, or ask for no :db/ensure",
                )
                .with_data("db.error/pred", pred.clone())
                .with_data("db.error/pred-return", verdict),
        )
    }

    fn error(&self, keyword: &'static str, message: String, e: EntityId) -> Error {
        Error::incorrect(keyword, message)
            .with_data("db.error/entity", e)
            .with_data("db.error/spec", self.name.clone())
    }
}

/// A predicate that nothing is known of; what it would judge is refused.
pub(super) fn unknown_predicate(pred: &Symbol) -> Error {
    Error::incorrect("db.error/unknown-predicate", format!("there is no predicate {pred}"))
        .with_hint(format!("register it in the program, or store code under the ident :{pred}"))
        .with_data("db.error/pred", pred.clone())
}
