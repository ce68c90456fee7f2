//! Open rows of what is at rest and of all layers as one sorted stream.
//!
//! What is at rest comes as pages, each a sorted run with all tombstones at rest met. Of each layer of novelty, the rows
//! up to a page's last are merged with it; where no layer has any, the page is handed on as it is. Where few rows are
//! wanted, the leaves they lie in are merged instead, and no page is made.

use super::access::Path;
use super::emit::{Emit, Flow};
use super::era::Era;
use crate::error::Result;
use crate::rest::{Held, Inner, Page};
use crate::run::Run;
use crate::run::lanes::{Lane, Role, settle};

/// Up to this many rows are handed on as they lie, stretch by stretch: copying them together would cost more.
const FEW_ROWS: usize = 32;

/// The lanes of novelty on a path: mostly there is one.
#[derive(Default)]
pub(super) struct Novel<'n> {
    first: Option<Lane<'n>>,
    more: Vec<Lane<'n>>,
}

impl<'n> Novel<'n> {
    pub(super) fn of(era: &Era<'n>, path: &Path<'_>) -> Novel<'n> {
        let mut found = Novel::default();
        if !era.assertions {
            return found;
        }
        for layer in era.layers {
            if layer.tombstones() > 0 && (era.rest.is_some() || found.first.is_some()) {
                // Else there is no older row that it could hide.
                found.add(layer.dead(path.order), path, Role::Dead, true);
            }
            if layer.last >= era.low && layer.first <= era.high {
                found.add(layer.open(path.order), path, Role::Open, era.shows_all(layer));
            }
        }
        found
    }

    fn add(&mut self, run: &'n Run, path: &Path<'_>, role: Role, in_time: bool) {
        let rows = run.seek(&path.lead);
        let lane = (!rows.is_empty()).then_some(Lane { run, rows, role, in_time });
        match self.first {
            None => self.first = lane,
            Some(_) => self.more.extend(lane),
        }
    }

    pub(super) fn into_lanes(self) -> Vec<Lane<'n>> {
        let mut lanes = self.more;
        lanes.extend(self.first);
        lanes
    }
}

/// Hands on the open rows that the view shows; as of a moment before what is at rest, also those that held then.
pub(super) fn present(era: &Era<'_>, path: &Path<'_>, emit: &mut Emit<'_>) -> Flow {
    if let Some(rest) = era.rest
        && era.assertions
        && let when = era.when()
        && let Some(few) = rest.few(path.order, &path.lead, &when)?
    {
        let lanes = few.iter().map(Held::lane).chain(Novel::of(era, path).into_lanes());
        merged(era, path, lanes.collect(), emit)?;
        return if when.moment.is_some() { super::past::at_rest(era, path, emit) } else { Ok(()) };
    }
    in_order(era, path, emit)
}

/// The same, sorted whatever the view is.
pub(super) fn in_order(era: &Era<'_>, path: &Path<'_>, emit: &mut Emit<'_>) -> Flow {
    if !era.assertions {
        return Ok(());
    }
    let novel = Novel::of(era, path);
    match (era.rest, novel.first) {
        (Some(rest), first) => over_rest(era, rest, path, Novel { first, ..novel }.into_lanes(), emit),
        (None, None) => Ok(()),
        (None, Some(first)) if novel.more.is_empty() => {
            emit.open(&first, first.rows.clone(), &path.open, era)
        }
        (None, first) => merged(era, path, Novel { first, ..novel }.into_lanes(), emit),
    }
}

/// Hands on the rows of some lanes as one sorted stream.
pub(super) fn merged(era: &Era<'_>, path: &Path<'_>, lanes: Vec<Lane<'_>>, emit: &mut Emit<'_>) -> Flow {
    match &lanes[..] {
        [] => Ok(()),
        [one] if one.role == Role::Dead => Ok(()),
        [one] => {
            emit.expect_few(one.rows.len() <= FEW_ROWS);
            emit.open(one, one.rows.clone(), &path.open, era)
        }
        _ => {
            emit.expect_few(lanes.iter().map(|lane| lane.rows.len()).sum::<usize>() <= FEW_ROWS);
            settle(lanes, &mut |lane, rows| emit.open(lane, rows, &path.open, era))
        }
    }
}

fn over_rest<'n>(
    era: &Era<'n>,
    rest: &'n Inner,
    path: &Path<'_>,
    mut novel: Vec<Lane<'n>>,
    emit: &mut Emit<'_>,
) -> Flow {
    let mut pages = rest.pages(path.order, &path.lead, era.when())?;
    while let Some(page) = pages.next()? {
        let lane = page.lane(&path.lead);
        if lane.rows.is_empty() {
            continue;
        }
        over_page(era, path, &page, lane, &mut novel, emit)?;
    }
    novel.retain(|lane| !lane.rows.is_empty());
    merged(era, path, novel, emit)
}

/// Hands on some rows of a page with those of novelty up to its last; there is a row.
pub(super) fn over_page<'n>(
    era: &Era<'_>,
    path: &Path<'_>,
    page: &Page,
    lane: Lane<'_>,
    novel: &mut [Lane<'n>],
    emit: &mut Emit<'_>,
) -> Flow {
    let last = lane.rows.end - 1;
    let mut lanes: Vec<Lane<'_>> = novel.iter_mut().filter_map(|lane| lane.up_to(&page.run, last)).collect();
    if lanes.is_empty() {
        emit.expect_few(false);
        return emit.open(&lane, lane.rows.clone(), &path.open, era);
    }
    lanes.push(lane);
    merged(era, path, lanes, emit)
}

/// How many open rows a path leads to, and whether tombstones could be taken into account exactly.
pub(super) fn count(era: &Era<'_>, path: &Path<'_>) -> Result<(u64, bool)> {
    if !era.assertions {
        return Ok((0, true));
    }
    let lanes = Novel::of(era, path).into_lanes();
    let rows = |role| lanes.iter().filter(|lane| lane.role == role).map(|lane| lane.rows.len() as u64).sum();
    let (mut open, mut dead): (u64, u64) = (rows(Role::Open), rows(Role::Dead));
    if let Some(rest) = era.rest {
        let (open_there, dead_there) = rest.count_open(path.order, &path.lead)?;
        open += open_there;
        dead += dead_there;
    }
    // If older layers are left out, so are the targets of some tombstones.
    let settled = era.low == 0;
    Ok(if settled { (open.saturating_sub(dead), true) } else { (open, dead == 0) })
}
