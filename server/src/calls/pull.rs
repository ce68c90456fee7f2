//! Trees of facts about entities.

use annals::{Category, Db, Edn, EntityName};

use super::datoms::index_of;
use crate::ask::Ask;
use crate::fields::Fields;
use crate::problem::{Problem, Written};
use crate::reply::Reply;

const FIELDS: &[&str] = &["pattern", "entity", "entities", "as-of", "since", "history"];

/// Pulls one entity (`entity`) or several (`entities`).
pub(crate) fn pull(ask: &Ask) -> Result<Reply, Problem> {
    let mut fields = Fields::of(ask.body()?)?;
    let pattern = fields.need("pattern")?.written("pattern")?;
    let entities = match fields.take("entities") {
        Some(field) => Some(field.elements("entities")?),
        None => None,
    };
    let entity = match (&entities, fields.take("entity")) {
        (None, Some(field)) => Some(field.edn()?),
        (Some(_), None) => None,
        _ => {
            let message = "the body needs either entity or entities";
            return Err(Problem::incorrect("db.error/missing-field", message));
        }
    };
    let lens = ask.lens(&mut fields)?;
    fields.finish(FIELDS)?;
    let stamp = ask.stamp(&[&lens])?;
    if let Some(reply) = ask.unchanged(&stamp) {
        return Ok(reply);
    }
    let about = |error| Problem::about(error, &pattern);
    let pulled = match (entity, entities) {
        (Some(entity), _) => lens.db.pull(pattern.text(), EntityName::from(entity)).map_err(about)?,
        (None, entities) => {
            let names = entities.unwrap_or_default().into_iter().map(EntityName::from);
            Edn::Vector(lens.db.pull_many(pattern.text(), names).map_err(about)?)
        }
    };
    Ok(Reply::doc(pulled).stamped(stamp))
}

const ALONG: &[&str] =
    &["pattern", "index", "start", "reverse", "offset", "limit", "as-of", "since", "history"];
/// The most entities of an answer, if the request does not say.
const PAGE: u64 = 1000;

/// Pulls along an index, within one attribute.
pub(crate) fn index_pull(ask: &Ask) -> Result<Reply, Problem> {
    let mut fields = Fields::of(ask.body()?)?;
    let pattern = fields.need("pattern")?.written("pattern")?;
    let index = match fields.need("index")?.edn()? {
        Edn::Keyword(name) => index_of(name.as_str())?,
        Edn::String(name) => index_of(&name)?,
        other => index_of(&other.to_string())?,
    };
    let start = fields.need("start")?.elements("start")?;
    let reverse = fields.take("reverse").map_or(Ok(false), |field| field.flag("reverse"))?;
    let offset = fields.take("offset").map_or(Ok(0), |field| field.count("offset"))? as usize;
    let limit = fields.take("limit").map_or(Ok(PAGE), |field| field.count("limit"))? as usize;
    let lens = ask.lens(&mut fields)?;
    fields.finish(ALONG)?;
    let stamp = ask.stamp(&[&lens])?;
    if let Some(reply) = ask.unchanged(&stamp) {
        return Ok(reply);
    }
    let about = |error| Problem::about(error, &pattern);
    let pull = lens.db.index_pull(pattern.text(), index, &start).map_err(about)?;
    let pull = if reverse { pull.reverse() } else { pull };
    let pulled = pull.skip(offset).limit(limit).to_vec().map_err(about)?;
    Ok(Reply::doc(Edn::Vector(pulled)).stamped(stamp))
}

/// Everything about one entity, named in the path; not found if nothing is known about it in this view.
pub(crate) fn entity(ask: &Ask) -> Result<Reply, Problem> {
    let name = Written::whole("entity", ask.part("entity")).read()?.to_edn();
    let lens = ask.lens(&mut Fields::default())?;
    let stamp = ask.stamp(&[&lens])?;
    if let Some(reply) = ask.unchanged(&stamp) {
        return Ok(reply);
    }
    if !is_known(&lens.db, &name)? {
        let message = format!("nothing is known about {name} in this view");
        return Err(Problem::new(Category::NotFound, "db.error/entity-not-found", message));
    }
    let pattern = Written::whole("pattern", ask.params.get("pattern").unwrap_or("[*]"));
    let pulled = lens.db.pull(pattern.text(), EntityName::from(name));
    Ok(Reply::doc(pulled.map_err(|error| Problem::about(error, &pattern))?).stamped(stamp))
}

fn is_known(db: &Db, name: &Edn) -> Result<bool, Problem> {
    let Some(e) = db.entid(EntityName::from(name.clone()))? else { return Ok(false) };
    Ok(!db.datoms(annals::Order::Eavt, &[Edn::from(e)], Some(1))?.is_empty())
}
