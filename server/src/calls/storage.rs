//! The storage itself, for other processes that read it: what is stored, as it is stored.
//!
//! A storage that others can open themselves is told here too; one that only this process can open (a file) is, if this
//! process was started to write for others. Nothing is written through these calls. Segments never change, so any cache may
//! keep them for ever.

use std::sync::Arc;

use annals::backend::{DatabaseId, SegmentId, Sequence, Storage, settle};
use annals::{Category, Error};

use crate::ask::Ask;
use crate::params;
use crate::problem::Problem;
use crate::reply::{Content, Reply};
use crate::view::Stamp;

/// The most slots or names in one answer.
const MOST: u64 = 1024;

/// The size that segments are cut to, in bytes.
pub(crate) fn about(ask: &Ask) -> Result<Reply, Problem> {
    Ok(text(storage(ask)?.limits().segment_bytes))
}

/// How much is stored, in bytes.
pub(crate) fn size(ask: &Ask) -> Result<Reply, Problem> {
    let storage = storage(ask)?;
    Ok(text(settle::repeat(|| storage.stored_bytes()).map_err(Error::from)?))
}

/// Slots of a sequence from `from` on, one after the other, up to the first empty one.
pub(crate) fn slots(ask: &Ask) -> Result<Reply, Problem> {
    let sequence = match (ask.part("kind"), ask.part("database")) {
        ("catalog", "") => Sequence::Catalog,
        ("log", database) => Sequence::Log(database_of(database)?),
        ("root", database) => Sequence::Root(database_of(database)?),
        (other, _) => return Err(params::bad("the sequence", other, "catalog, log or root")),
    };
    let from = ask.params.count("from")?.unwrap_or(0);
    let limit = ask.params.count("limit")?.unwrap_or(MOST).min(MOST) as usize;
    let storage = storage(ask)?;
    let slots = settle::repeat(|| storage.read_slots(sequence, from, limit)).map_err(Error::from)?;
    Ok(Reply::new(Content::Bytes(slots.concat())))
}

/// One segment.
pub(crate) fn segment(ask: &Ask) -> Result<Reply, Problem> {
    let id = segment_of(database_of(ask.part("database"))?, ask.part("segment"))?;
    let storage = storage(ask)?;
    let found = settle::repeat(|| storage.read_segments(&[id])).map_err(Error::from)?.pop().flatten();
    let bytes = found.ok_or_else(|| nothing(&id.to_string()))?;
    let stamp = Stamp::of_name(&id.to_string());
    Ok(Reply::new(Content::Bytes(bytes)).stamped(stamp))
}

/// The names of segments of a database, a line each, in order.
pub(crate) fn segments(ask: &Ask) -> Result<Reply, Problem> {
    let database = database_of(ask.part("database"))?;
    let after = ask.params.get("after").map(|name| segment_of(database, name)).transpose()?;
    let limit = ask.params.count("limit")?.unwrap_or(MOST).min(MOST) as usize;
    let storage = storage(ask)?;
    let found = settle::repeat(|| storage.list_segments(database, after, limit)).map_err(Error::from)?;
    let lines = found.iter().map(|id| id.name() + "\n");
    Ok(text(lines.collect::<String>()))
}

/// A hint.
pub(crate) fn hint(ask: &Ask) -> Result<Reply, Problem> {
    let (database, name) = (database_of(ask.part("database"))?, ask.part("name"));
    let storage = storage(ask)?;
    let found = settle::repeat(|| storage.hint(database, name)).map_err(Error::from)?;
    Ok(Reply::new(Content::Bytes(found.ok_or_else(|| nothing(&format!("hint {name}")))?)))
}

fn storage(ask: &Ask) -> Result<&Arc<dyn Storage>, Problem> {
    ask.shared.store.shared_storage().ok_or_else(|| {
        let message = "this server does not serve its storage to other processes";
        Problem::new(Category::Unsupported, "db.error/storage-not-served", message)
            .hint("start it as `annals transactor`")
    })
}

fn text(told: impl ToString) -> Reply {
    Reply::new(Content::Bytes(told.to_string().into_bytes()))
}

fn nothing(what: &str) -> Problem {
    Problem::new(Category::NotFound, "db.error/not-stored", format!("{what} is not there"))
}

fn database_of(text: &str) -> Result<DatabaseId, Problem> {
    let number = u128::from_str_radix(text, 16);
    number.map(DatabaseId).map_err(|_| params::bad("the database", text, "an id of 32 hexadecimal digits"))
}

/// The segment that `epoch-job-ordinal` names.
fn segment_of(database: DatabaseId, text: &str) -> Result<SegmentId, Problem> {
    SegmentId::named(database, text).ok_or_else(|| params::bad("the segment", text, "epoch-job-ordinal"))
}
