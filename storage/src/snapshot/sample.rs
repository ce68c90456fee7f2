//! Some facts of a pattern, evenly spread over the rows of the orders that answer it.
//!
//! Rows are taken by rank: of the trees at rest by their directories, of novelty by number. A row that does not hold in
//! the view, or is superseded, is passed over, so there may be fewer than were wanted; but there is one if there is any.

use std::ops::{ControlFlow, Range};

use super::access::{self, Path};
use super::emit::{Emit, outcome};
use super::era::Era;
use super::ordered::Held;
use super::{Sink, Snapshot, View};
use crate::datom::{AttrId, Batch, EntityId, Pattern, ValueBound};
use crate::error::Result;
use crate::run::Run;
use crate::tree::{Shape, Tree};

/// About `wanted` facts, and the number of all.
pub(super) fn sample(
    snapshot: &Snapshot,
    view: &View,
    pattern: &Pattern<'_>,
    wanted: usize,
    sink: Sink<'_>,
) -> Result<u64> {
    let count = snapshot.count(view, pattern)?;
    let Some(era) = Era::of(snapshot, view, pattern) else { return Ok(0) };
    if count <= wanted as u64 {
        snapshot.scan(view, pattern, sink)?;
        return Ok(count);
    }
    let mut found = 0;
    let mut counting = |batch: &Batch<'_>| {
        found += batch.len;
        sink(batch)
    };
    let mut emit = Emit::new(&mut counting, pattern);
    let strata = strata(&era, pattern)?;
    let flow = ranks(strata.iter().map(Stratum::len).sum(), wanted).try_for_each(|rank| {
        let (run, row, path) = at(&era, &strata, rank)?;
        if path.open.admits(&run, row) && holds(snapshot, view, pattern, &run, row)? {
            emit.datom(&run, row, run.rows.from[row], true)?;
        }
        Ok(())
    });
    outcome(flow.and_then(|()| emit.flush()))?;
    if found == 0 {
        first(snapshot, view, pattern, wanted, sink)?;
    }
    Ok(count)
}

/// Open rows that a path leads to.
struct Stratum<'n, 'p> {
    path: Path<'p>,
    rows: Rows<'n>,
}

enum Rows<'n> {
    AtRest(&'n Tree, Range<u64>),
    Novel(&'n Run, Range<usize>),
}

impl Stratum<'_, '_> {
    fn len(&self) -> u64 {
        match &self.rows {
            Rows::AtRest(_, ranks) => ranks.end - ranks.start,
            Rows::Novel(_, rows) => rows.len() as u64,
        }
    }
}

fn strata<'n, 'p>(era: &Era<'n>, pattern: &Pattern<'p>) -> Result<Vec<Stratum<'n, 'p>>> {
    let mut strata = Vec::new();
    outcome(access::each_path(era, pattern, &mut |path| {
        if let Some(rest) = era.rest {
            for tier in &rest.root.tiers[path.order as usize] {
                let ranks = tier.open.ranks(&rest.nodes, &path.lead, path.order, Shape::Open)?;
                strata.push(Stratum { path: *path, rows: Rows::AtRest(&tier.open, ranks) });
            }
        }
        strata.extend(era.layers.iter().map(|layer| {
            let run = layer.open(path.order);
            Stratum { path: *path, rows: Rows::Novel(run, run.seek(&path.lead)) }
        }));
        Ok(())
    }))?;
    Ok(strata)
}

/// Evenly spaced numbers below `rows`, each once.
fn ranks(rows: u64, wanted: usize) -> impl Iterator<Item = u64> {
    let wanted = (wanted as u64).min(rows);
    let middle = move |n| (u128::from(rows) * (2 * u128::from(n) + 1) / (2 * u128::from(wanted))) as u64;
    (0..wanted).map(middle)
}

/// The row of a rank over all strata.
fn at<'n, 's, 'p>(
    era: &Era<'n>,
    strata: &'s [Stratum<'n, 'p>],
    mut rank: u64,
) -> Result<(Held<'n>, usize, &'s Path<'p>)> {
    for stratum in strata {
        if rank >= stratum.len() {
            rank -= stratum.len();
            continue;
        }
        let order = stratum.path.order;
        return Ok(match (&stratum.rows, era.rest) {
            (Rows::AtRest(tree, ranks), Some(rest)) => {
                let (run, row) = tree.at(&rest.nodes, ranks.start + rank, order, Shape::Open)?;
                (Held::Shared(run), row, &stratum.path)
            }
            (Rows::Novel(run, rows), _) => (Held::Lent(run), rows.start + rank as usize, &stratum.path),
            (Rows::AtRest(..), None) => unreachable!("trees are at rest"),
        });
    }
    unreachable!("ranks are below the number of rows")
}

/// True if the view shows the fact of a row as asserted when the row says.
fn holds(snapshot: &Snapshot, view: &View, pattern: &Pattern<'_>, run: &Run, row: usize) -> Result<bool> {
    let t = run.rows.from[row];
    if pattern.t.is_some_and(|wanted| wanted != t) {
        return Ok(false);
    }
    let fact = Pattern {
        e: Some(EntityId(run.rows.e[row])),
        a: Some(AttrId(run.rows.a[row])),
        v: ValueBound::Is(run.value(row)),
        t: Some(t),
        added: if pattern.added == Some(false) { return Ok(false) } else { Some(true) },
    };
    let mut found = false;
    snapshot.scan(view, &fact, &mut |_| {
        found = true;
        ControlFlow::Break(())
    })?;
    Ok(found)
}

/// The first facts of a scan.
fn first(
    snapshot: &Snapshot,
    view: &View,
    pattern: &Pattern<'_>,
    wanted: usize,
    sink: Sink<'_>,
) -> Result<()> {
    let mut left = wanted.max(1);
    snapshot.scan(view, pattern, &mut |batch| {
        let part = batch.slice(0, left.min(batch.len));
        left -= part.len;
        sink(&part)?;
        if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })
}
