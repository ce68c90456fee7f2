//! All rows of a path in the order of the index, whatever the view.
//!
//! Open rows come sorted from [`lanes`]. Closed rows are sorted by `to` inside a group (of one entity and attribute,
//! or attribute and value), and history makes two datoms of each. So with closed rows about, the sources are cut at a
//! common group border every few thousand rows, and what lies before the cut is gathered and sorted.

use std::cmp::Ordering;
use std::ops::{ControlFlow, Range};

use super::access::Path;
use super::emit::Emit;
use super::era::Era;
use super::lanes::{self, Lane};
use crate::datom::T;
use crate::novelty::{Run, gallop};

/// Rows of the longest source that are sorted at once, if its groups allow.
const PIECE: usize = 2048;

/// Hands the path's rows on in order, then by transaction.
pub(super) fn scan<'n>(era: &Era<'n>, path: &Path<'_>, emit: &mut Emit<'_, 'n>) {
    let mut closed: Vec<(&Run, Range<usize>)> = era
        .generations()
        .map(|generation| generation.closed(path.order))
        .map(|run| (run, era.closed_rows(run, path)))
        .filter(|(_, rows)| !rows.is_empty())
        .collect();
    let flow = match closed.is_empty() {
        true => lanes::present(era, path, emit),
        false => merged(era, path, &mut closed, emit),
    };
    if flow.is_continue() {
        // The end comes either way.
        let _ = emit.flush();
    }
}

/// A datom that a row stands for.
struct Found<'n> {
    run: &'n Run,
    row: usize,
    t: T,
    added: bool,
}

impl Found<'_> {
    fn compare(&self, other: &Found<'_>) -> Ordering {
        self.run.compare_facts(self.row, other.run, other.row).then(self.t.cmp(&other.t))
    }
}

fn merged<'n>(
    era: &Era<'n>,
    path: &Path<'_>,
    closed: &mut [(&'n Run, Range<usize>)],
    emit: &mut Emit<'_, 'n>,
) -> ControlFlow<()> {
    let mut open = lanes::of(era, path);
    let mut found = Vec::new();
    while open.iter().any(|lane| !lane.rows.is_empty()) || closed.iter().any(|(_, rows)| !rows.is_empty()) {
        let border =
            border(open.iter().map(|lane| (lane.run, &lane.rows)).chain(closed.iter().map(|(r, s)| (*r, s))));
        let piece = open.iter_mut().map(|lane| {
            let rows = cut(lane.run, &mut lane.rows, border);
            lane.only(rows)
        });
        gather_open(era, path, piece.collect(), &mut found);
        for (run, rows) in closed.iter_mut() {
            gather_closed(era, path, run, cut(run, rows, border), &mut found);
        }
        found.sort_unstable_by(Found::compare);
        for datom in found.drain(..) {
            emit.datom(datom.run, datom.row, datom.t, datom.added)?;
        }
    }
    ControlFlow::Continue(())
}

/// The row whose group ends the next piece: the lowest of those that lie a piece ahead in a source.
fn border<'n, 'r>(sources: impl Iterator<Item = (&'n Run, &'r Range<usize>)>) -> Option<(&'n Run, usize)> {
    sources
        .filter(|(_, rows)| rows.len() > PIECE)
        .map(|(run, rows)| (run, rows.start + PIECE - 1))
        .min_by(|(run, row), (other, theirs)| run.compare_prefix(*row, other, *theirs))
}

/// Takes the rows up to the border's group, it included.
fn cut(run: &Run, rows: &mut Range<usize>, border: Option<(&Run, usize)>) -> Range<usize> {
    let end = match border {
        Some((other, theirs)) => gallop(rows.clone(), |row| run.compare_prefix(row, other, theirs).is_le()),
        None => rows.end,
    };
    let piece = rows.start..end;
    rows.start = end;
    piece
}

fn gather_open<'n>(era: &Era<'n>, path: &Path<'_>, piece: Vec<Lane<'n>>, found: &mut Vec<Found<'n>>) {
    let _ = lanes::settle(piece, &mut |lane, rows| {
        for row in rows {
            let t = lane.run.rows.from[row];
            if (lane.in_time || era.shows(t)) && path.open.admits(lane.run, row) {
                found.push(Found { run: lane.run, row, t, added: true });
            }
        }
        ControlFlow::Continue(())
    });
}

fn gather_closed<'n>(
    era: &Era<'n>,
    path: &Path<'_>,
    run: &'n Run,
    rows: Range<usize>,
    found: &mut Vec<Found<'n>>,
) {
    for row in rows.filter(|row| path.closed.admits(run, *row) && !path.lead.is_before_start(run, *row)) {
        let (from, to) = (run.rows.from[row], run.rows.to[row]);
        let (asserted, retracted) = era.shows_closed(from, to);
        if asserted {
            found.push(Found { run, row, t: from, added: true });
        }
        if retracted {
            found.push(Found { run, row, t: to, added: false });
        }
    }
}
