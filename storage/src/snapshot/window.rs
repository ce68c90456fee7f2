//! What was added lately, out of the log instead of the trees.
//!
//! Since `s` shows rows that were opened after `s`. In the trees they lie among all others; in the log they lie
//! together. If they are few beside what a scan would look at, the transactions after `s` are taken in like novelty, and
//! the view is answered from them alone: a fact opened before `s` is shown by no view since `s`, and whatever became of
//! one opened later is in the log after `s`.

use super::access::{self, Path};
use super::emit::outcome;
use super::era::Era;
use super::{Snapshot, View};
use crate::datom::Pattern;
use crate::error::Result;
use crate::novelty::Novelty;

/// The log is read if a scan would look at so many times its datoms. Taking a datom in costs some hundred times what
/// looking at a row in the cache does, and some ten times what looking at one that is not does.
const ROWS_A_DATOM: u64 = if cfg!(test) { 2 } else { 64 };
/// And if there are at most so many: they are held in memory.
const MOST_DATOMS: u64 = 1 << 18;

/// A snapshot of the window that a view shows, if reading it is cheaper than reading what is at rest.
pub(super) fn window(snapshot: &Snapshot, view: &View, pattern: &Pattern<'_>) -> Result<Option<Snapshot>> {
    let (Some(since), Some(rest)) = (view.since, snapshot.rest.inner.as_deref()) else { return Ok(None) };
    if rest.datoms_after(since)?.is_none_or(|datoms| datoms > MOST_DATOMS) {
        return Ok(None);
    }
    let most = MOST_DATOMS.min(rows(snapshot, view, pattern)? / ROWS_A_DATOM);
    let facts = rest.recent(since, most)?;
    Ok(facts.map(|facts| Snapshot::new(facts.joined(&snapshot.novelty))))
}

/// How many rows at rest a scan would look at.
fn rows(snapshot: &Snapshot, view: &View, pattern: &Pattern<'_>) -> Result<u64> {
    let only_rest = Snapshot::over(snapshot.rest.clone(), Novelty::new());
    let Some(era) = Era::of(&only_rest, view, pattern) else { return Ok(0) };
    let mut rows = 0;
    outcome(access::each_path(&era, pattern, &mut |path: &Path<'_>| {
        rows += super::count(&era, path)?.0;
        Ok(())
    }))?;
    Ok(rows)
}
