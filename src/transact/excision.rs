//! Whether what a transaction wants removed for ever is said well.
//!
//! A request is one entity with a target and its bounds, all in one transaction: what is said about an older request
//! would say nothing, because requests are read from the transaction that made them.

use annals_query::edn::Edn;
use annals_storage::datom::{AttrId, EntityId, Value};

use super::Fact;
use super::problem::Problems;
use crate::basis::Basis;
use crate::error::{Error, Result};
use crate::schema::bootstrap as at;

const BOUNDS: [AttrId; 3] = [at::EXCISE_ATTRS, at::EXCISE_BEFORE, at::EXCISE_BEFORE_T];

/// Judges every request among the facts.
pub(super) fn check(before: &Basis, facts: &[Fact]) -> Result<()> {
    let is_part = |fact: &&Fact| fact.added && (fact.a == at::EXCISE || BOUNDS.contains(&fact.a));
    let mut parts: Vec<&Fact> = facts.iter().filter(is_part).collect();
    parts.sort_by_key(|fact| fact.e);
    let mut problems = Problems::default();
    for request in parts.chunk_by(|x, y| x.e == y.e) {
        problems.keep(judge(before, request));
    }
    problems.settle()
}

fn judge(before: &Basis, request: &[&Fact]) -> Result<()> {
    let (e, span) = (request[0].e, request.iter().find_map(|fact| fact.span));
    let has = |a: AttrId| request.iter().any(|fact| fact.a == a);
    let refuse = |why: String, hint: &str| {
        Err(Error::incorrect("db.error/invalid-excision", why)
            .with_hint(hint)
            .with_data("db.error/entity", e)
            .at(span))
    };
    let target = request.iter().find(|fact| fact.a == at::EXCISE).map(|fact| &fact.v);
    let Some(Value::Ref(target)) = target else {
        return refuse(
            format!("entity {e} is given a bound of an excision and no :db/excise in this transaction"),
            "say :db/excise and its bounds together, about a new entity",
        );
    };
    if before.is_allocated(e) && before.value(e, at::EXCISE)?.is_some() {
        return refuse(
            format!("entity {e} is an excision of an earlier transaction"),
            "ask again by a new entity",
        );
    }
    if has(at::EXCISE_BEFORE) && has(at::EXCISE_BEFORE_T) {
        return refuse(
            format!("the excision of {target} has both :db.excise/before and :db.excise/beforeT"),
            "give one of them",
        );
    }
    if has(at::EXCISE_ATTRS) && attribute(before, *target).is_some() {
        return refuse(
            format!("the excision of attribute {} has :db.excise/attrs", shown(before, *target)),
            "attributes narrow the excision of an entity; leave them out to remove all values of this one",
        );
    }
    for fact in request {
        match fact.v {
            Value::Ref(named) if fact.a == at::EXCISE_ATTRS && attribute(before, named).is_none() => {
                let message = format!("{} in :db.excise/attrs is no attribute", shown(before, named));
                return Err(Error::incorrect("db.error/not-an-attribute", message)
                    .with_hint("name attributes of this database by their idents")
                    .at(fact.span));
            }
            Value::Long(t) if fact.a == at::EXCISE_BEFORE_T && t < 0 => {
                return refuse(format!("{t} is no transaction"), "give a t or the id of a transaction");
            }
            _ => {}
        }
    }
    Ok(())
}

fn attribute(before: &Basis, e: EntityId) -> Option<AttrId> {
    AttrId::of_entity(e).filter(|id| before.schema.attr(*id).is_some())
}

fn shown(before: &Basis, e: EntityId) -> String {
    before.schema.ident(e).map_or_else(|| Edn::from(e).to_string(), ToString::to_string)
}
