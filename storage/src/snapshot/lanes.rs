//! Open rows of all layers as one sorted stream, tombstones settled.
//!
//! A lane is a range of rows in one run. Lanes are merged by galloping: what lies in one lane below the heads of all
//! others is handed on as one stretch. A tombstone has the very key of its target, so the two meet as equal heads and
//! both are dropped; a tombstone that meets none has its target outside the rows looked at.

use std::ops::{ControlFlow, Range};

use super::access::Path;
use super::emit::Emit;
use super::era::Era;
use crate::novelty::Run;

/// Up to this many rows are handed on as they lie, stretch by stretch: copying them together would cost more.
const FEW_ROWS: usize = 32;

/// Some rows of a run, not handed on yet.
#[derive(Clone, Debug)]
pub(super) struct Lane<'n> {
    pub(super) run: &'n Run,
    pub(super) rows: Range<usize>,
    dead: bool,
    /// True if no row has to be held against the window of time.
    pub(super) in_time: bool,
}

impl<'n> Lane<'n> {
    /// The same lane with only these rows.
    pub(super) fn only(&self, rows: Range<usize>) -> Lane<'n> {
        Lane { rows, ..*self }
    }

    fn compare(&self, other: &Lane<'n>) -> std::cmp::Ordering {
        self.run.compare(self.rows.start, other.run, other.rows.start)
    }
}

/// Finds the lanes of a path: the first lane in `first`, others in `more`, which stays empty if one will do.
fn find<'n>(era: &Era<'n>, path: &Path<'_>, first: &mut Option<Lane<'n>>, more: &mut Vec<Lane<'n>>) {
    let mut add = |run: &'n Run, dead: bool, in_time: bool| {
        if dead && first.is_none() {
            // There is no older row that it could hide.
            return;
        }
        let rows = run.seek(&path.lead);
        let lane = (!rows.is_empty()).then_some(Lane { run, rows, dead, in_time });
        match first {
            None => *first = lane,
            Some(_) => more.extend(lane),
        }
    };
    for layer in era.layers {
        if layer.tombstones() > 0 {
            add(layer.dead(path.order), true, true);
        }
        if layer.last >= era.low && layer.first <= era.high {
            add(layer.open(path.order), false, era.shows_all(layer));
        }
    }
}

/// The lanes of a path, for whoever merges them in pieces.
pub(super) fn of<'n>(era: &Era<'n>, path: &Path<'_>) -> Vec<Lane<'n>> {
    let (mut first, mut lanes) = (None, Vec::new());
    if era.assertions {
        find(era, path, &mut first, &mut lanes);
    }
    lanes.extend(first);
    lanes
}

/// Hands on the open rows that the view shows.
pub(super) fn present<'n>(era: &Era<'n>, path: &Path<'_>, emit: &mut Emit<'_, 'n>) -> ControlFlow<()> {
    if !era.assertions {
        return ControlFlow::Continue(());
    }
    let (mut first, mut lanes) = (None, Vec::new());
    find(era, path, &mut first, &mut lanes);
    let Some(first) = first else { return ControlFlow::Continue(()) };
    if lanes.is_empty() {
        return emit.open(&first, first.rows.clone(), &path.open, era);
    }
    lanes.push(first);
    emit.expect_few(lanes.iter().map(|lane| lane.rows.len()).sum::<usize>() <= FEW_ROWS);
    settle(lanes, &mut |lane, rows| emit.open(lane, rows, &path.open, era))
}

/// Merges lanes, and hands on the rows that no tombstone meets, stretch by stretch in order.
pub(super) fn settle<'n>(
    mut lanes: Vec<Lane<'n>>,
    take: &mut impl FnMut(&Lane<'n>, Range<usize>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    // The lane with the lowest head is last.
    lanes.retain(|lane| !lane.rows.is_empty());
    lanes.sort_by(|x, y| y.compare(x));
    while let Some(mut lane) = lanes.pop() {
        let Some(next) = lanes.last_mut() else {
            return if lane.dead { ControlFlow::Continue(()) } else { take(&lane, lane.rows.clone()) };
        };
        if lane.compare(next).is_eq() {
            debug_assert!(lane.dead != next.dead, "a fact is open once, and closed once");
            lane.rows.start += 1;
            next.rows.start += 1;
            let next = lanes.pop().filter(|next| !next.rows.is_empty());
            next.into_iter().for_each(|next| put_back(&mut lanes, next));
        } else {
            let rows = lane.rows.clone();
            let end = lane.run.gallop(rows.start..rows.end, next.run, next.rows.start);
            if !lane.dead {
                take(&lane, rows.start..end)?;
            }
            lane.rows.start = end;
        }
        if !lane.rows.is_empty() {
            put_back(&mut lanes, lane);
        }
    }
    ControlFlow::Continue(())
}

/// Puts a lane where its head belongs; mostly that is near the end.
fn put_back<'n>(lanes: &mut Vec<Lane<'n>>, lane: Lane<'n>) {
    let place = lanes.iter().rposition(|other| other.compare(&lane).is_ge()).map_or(0, |place| place + 1);
    lanes.insert(place, lane);
}

/// How many open rows a path leads to, and whether tombstones could be taken into account exactly.
pub(super) fn count(era: &Era<'_>, path: &Path<'_>) -> (u64, bool) {
    let lanes = of(era, path);
    let rows =
        |dead: bool| lanes.iter().filter(|lane| lane.dead == dead).map(|lane| lane.rows.len() as u64).sum();
    let (open, dead): (u64, u64) = (rows(false), rows(true));
    // If older layers are left out, so are the targets of some tombstones.
    let settled = era.low == 0;
    if settled { (open.saturating_sub(dead), true) } else { (open, dead == 0) }
}
