//! Closed rows under a view: those of novelty, and those at rest.

use super::access::Path;
use super::emit::{Emit, Flow};
use super::era::Era;
use crate::error::Result;

/// Hands on the closed rows that the view shows, but for those at rest that held at the view's moment: they come with
/// the open ones.
pub(super) fn past(era: &Era<'_>, path: &Path<'_>, emit: &mut Emit<'_>) -> Flow {
    if era.history {
        at_rest(era, path, emit)?;
    }
    for generation in era.generations() {
        let run = generation.closed(path.order);
        emit.closed(run, era.closed_rows(run, path), &path.closed, era)?;
    }
    Ok(())
}

/// Hands on the closed rows at rest that the view shows.
pub(super) fn at_rest(era: &Era<'_>, path: &Path<'_>, emit: &mut Emit<'_>) -> Flow {
    let Some(rest) = era.rest else { return Ok(()) };
    for mut leaves in rest.closed(path.order, &path.lead, path.is_group(), era.wanted())? {
        while let Some(run) = leaves.next()? {
            emit.closed(&run, era.closed_rows(&run, path), &path.closed, era)?;
        }
    }
    Ok(())
}

/// An upper bound of the closed rows that a path leads to.
pub(super) fn count(era: &Era<'_>, path: &Path<'_>) -> Result<u64> {
    let novel =
        era.generations().map(|generation| era.closed_rows(generation.closed(path.order), path).len());
    let mut rows = novel.sum::<usize>() as u64;
    if let Some(rest) = era.rest {
        rows += rest.count_closed(path.order, &path.lead, era.wanted())?;
    }
    Ok(rows)
}
