//! Segments nobody needs any more: by the lists that roots carry, and those of jobs that never published.
//!
//! A root names a list of what it made unreachable. The list may be collected once no value in this process reads an
//! older root and nobody else can, or once it is older than the grace. The list's own segment goes last, so that a
//! collection cut short is done again; the next root drops what is gone.
//!
//! Nobody deletes segments of another database, and nobody those of its own that a fork reads: a list with such names
//! on it stays until the fork needs them no more.

pub(crate) mod freed;
mod reach;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError, Weak};

#[cfg(test)]
pub(super) use self::reach::of_tree;
pub(super) use self::reach::{Unreachable, reachable, unreachable};

use crate::backend::{DatabaseId, Lineage, SegmentId, Sequence, Storage, settle};
use crate::cache::Cache;
use crate::error::{Error, Result};
use crate::rest::{Inner, Rest};
use crate::root::{Freed, Root};
use crate::tree::Name;
use crate::tree::builder::Writer;

/// How many segments are deleted, or listed, by one call.
const AT_ONCE: usize = 1 << 10;

/// What was collected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Segments deleted.
    pub segments: u64,
    /// Their bytes, as far as they are known.
    pub bytes: u64,
}

/// Deletes what roots up to this one made unreachable, as far as nobody reads it any more.
///
/// `oldest_live` is the lowest revision a value in this process still reads ([`Revisions::oldest_live`]). What was freed
/// longer ago than the grace goes even if it is still read: who reads it is told
/// [`Error::Expired`](crate::Error::Expired). May be cut short at any moment and done again.
pub fn collect(
    storage: &dyn Storage,
    rest: &Rest,
    shared: &Shared,
    oldest_live: Option<u64>,
    now: i64,
    grace_micros: i64,
) -> Result<Collected> {
    let Some(inner) = &rest.inner else { return Ok(Collected::default()) };
    let database = inner.nodes.lineage.database();
    let mut collected = Collected::default();
    for freed in &inner.root.freed {
        let unread = storage.limits().exclusive && oldest_live.is_none_or(|oldest| oldest >= freed.revision);
        if !unread && now.saturating_sub(freed.at) < grace_micros {
            continue;
        }
        let Some(names) = freed::read(storage, database, freed)? else { continue };
        let (kept, gone): (Vec<Name>, Vec<Name>) = names.iter().partition(|name| shared.0.contains(name));
        delete(storage, database, &gone)?;
        if kept.is_empty() {
            delete(storage, database, &[freed.list])?;
            collected.segments += freed.segments + 1;
            collected.bytes += freed.bytes;
        }
    }
    Ok(collected)
}

/// Segments of a database that its forks read.
#[derive(Clone, Debug, Default)]
pub struct Shared(HashSet<Name>);

impl Shared {
    /// What these forks read: by their newest roots, or by older ones that values may hold still. None if one of them
    /// has no root yet: then it may come to read anything.
    pub fn by(storage: &Arc<dyn Storage>, cache: &Arc<Cache>, forks: &[Lineage]) -> Result<Option<Shared>> {
        let mut names = HashSet::new();
        for fork in forks {
            let rest = Rest::open(Arc::clone(storage), fork.clone(), Arc::clone(cache))?;
            let Some(inner) = &rest.inner else { return Ok(None) };
            names.extend(named(&**storage, inner)?);
        }
        Ok(Some(Shared(names)))
    }
}

/// All that a root reaches, or that it names to be collected.
fn named(storage: &dyn Storage, inner: &Inner) -> Result<HashSet<Name>> {
    let mut named = reachable(&inner.nodes, &inner.root)?;
    for freed in &inner.root.freed {
        named.extend(freed::read(storage, inner.nodes.lineage.database(), freed)?.unwrap_or_default());
        named.insert(freed.list);
    }
    Ok(named)
}

/// Deletes all segments that neither the newest root nor a list that is still to be collected names: those of jobs
/// that died before they published. No job of an epoch up to this one may be running, nor publish any more
/// ([`fence`](super::fence)); what later ones write is left alone.
pub fn sweep_orphans(
    storage: &dyn Storage,
    newest: &Rest,
    shared: &Shared,
    database: DatabaseId,
    epoch: u64,
) -> Result<Collected> {
    let revision = newest.inner.as_ref().map_or(Root::NONE, |inner| inner.root.revision);
    let next = revision.wrapping_add(1);
    if !settle::repeat(|| storage.read_slots(Sequence::Root(database), next, 1))?.is_empty() {
        return Err(Error::Superseded { revision: next });
    }
    let named = newest.inner.as_ref().map(|inner| named(storage, inner)).transpose()?.unwrap_or_default();
    let is_needed = |name: &Name| name.epoch > epoch || named.contains(name) || shared.0.contains(name);
    sweep(storage, database, &is_needed)
}

/// Deletes all segments of a dropped database but those that its forks read.
pub fn sweep_dropped(storage: &dyn Storage, shared: &Shared, database: DatabaseId) -> Result<Collected> {
    sweep(storage, database, &|name| shared.0.contains(name))
}

fn sweep(
    storage: &dyn Storage,
    database: DatabaseId,
    is_needed: &dyn Fn(&Name) -> bool,
) -> Result<Collected> {
    let mut collected = Collected::default();
    let mut after = None;
    loop {
        let listed = settle::repeat(|| storage.list_segments(database, after, AT_ONCE))?;
        let Some(last) = listed.last() else { return Ok(collected) };
        after = Some(*last);
        let name = |id: &SegmentId| Name { epoch: id.epoch, job: id.job, ordinal: id.ordinal };
        let orphans: Vec<Name> = listed.iter().map(name).filter(|name| !is_needed(name)).collect();
        delete(storage, database, &orphans)?;
        collected.segments += orphans.len() as u64;
    }
}

fn delete(storage: &dyn Storage, database: DatabaseId, names: &[Name]) -> Result<()> {
    for names in names.chunks(AT_ONCE) {
        let ids: Vec<SegmentId> = names.iter().map(|name| name.of(database)).collect();
        settle::repeat(|| storage.delete_segments(&ids))?;
    }
    Ok(())
}

/// The lists of a root that are not collected yet. Collected are the oldest first, so those before the first that is
/// there are gone.
pub(super) fn uncollected(storage: &dyn Storage, database: DatabaseId, root: &Root) -> Result<Vec<Freed>> {
    for (place, freed) in root.freed.iter().enumerate() {
        let id = freed.list.of(database);
        if settle::repeat(|| storage.read_segments(&[id]))?.iter().any(Option::is_some) {
            return Ok(root.freed[place..].to_vec());
        }
    }
    Ok(Vec::new())
}

/// The names on a list; none if it is collected.
pub(super) fn listed(
    storage: &dyn Storage,
    database: DatabaseId,
    freed: &Freed,
) -> Result<Option<Vec<Name>>> {
    freed::read(storage, database, freed)
}

/// Writes the list of what a root makes unreachable; none if there is nothing.
pub(super) fn list(
    out: &mut Writer<'_>,
    gone: &Unreachable,
    revision: u64,
    at: i64,
) -> Result<Option<Freed>> {
    if gone.names.is_empty() {
        return Ok(None);
    }
    let frame = freed::seal(out.database, &gone.names)?;
    let bytes = gone.bytes + frame.len() as u64;
    let list = out.add(frame)?;
    Ok(Some(Freed { revision, at, list, segments: gone.names.len() as u64, bytes }))
}

/// Which revisions of one database are still read in this process.
#[derive(Clone, Debug, Default)]
pub struct Revisions {
    held: Arc<Mutex<Vec<Weak<Inner>>>>,
}

impl Revisions {
    /// Nothing is read yet.
    pub fn new() -> Revisions {
        Revisions::default()
    }

    /// Takes note of a root that was opened or published, and that values will read from now on.
    pub fn publish(&self, rest: &Rest) {
        if let Some(inner) = &rest.inner {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            held.retain(|held| held.strong_count() > 0);
            held.push(Arc::downgrade(inner));
        }
    }

    /// The lowest revision that some value still reads; none if nothing at rest is read.
    pub fn oldest_live(&self) -> Option<u64> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.iter().filter_map(Weak::upgrade).map(|inner| inner.root.revision).min()
    }
}
