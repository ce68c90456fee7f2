//! The first rows of an ordered answer, made without the others.
//!
//! ```text
//!   facts in the order of their value   [  .  .  |  .  .  .  .  |  .  .  .  .  .  .  .  .  | …
//!                                        stretch  twice as long   twice as long, until there are rows enough
//! ```
//!
//! The plan's first step is narrowed to one stretch of values after the other; the rest of it runs on what that finds. A
//! stretch ends with a value, never between facts of the same value, so that all rows of the values so far are there. Where
//! the stretches end is read off some facts, spread over all; it never changes an answer.

use super::Run;
use super::batch::Table;
use crate::edn::Edn;
use crate::error::Result;
use crate::functions::total;
use crate::inputs::SourceArg;
use crate::plan::lead::Lead;
use crate::plan::{Block, Match, Op, Place, Plan};
use crate::source::Flow;

/// How many facts are looked at to find where stretches end.
const LOOKED_AT: usize = 64;
/// How often the first stretch is divided again.
const FINER: usize = 4;

/// At least the first rows of the answer, over the variables that decide it; none if the plan does not begin with the
/// pattern that leads.
pub fn rows(run: &mut Run<'_>, plan: &Plan, lead: &Lead) -> Result<Option<Table>> {
    let Some(Op::Match(first)) = plan.block.steps.first().map(|step| &step.op) else { return Ok(None) };
    if first.places[2] != Place::Var(lead.var) || plan.start.rows != 1 || !plan.start.vars.is_empty() {
        return Ok(None);
    }
    let mut whole = first.clone();
    if let Some(after) = &lead.after {
        let end = Some((run.pool.intern_edn(after), true));
        if lead.descending {
            whole.high = tighter(run, whole.high, end, false)
        } else {
            whole.low = tighter(run, whole.low, end, true)
        };
    }
    let ends = ends(run, &whole, lead)?;
    let mut found = Table::empty(&plan.block.out);
    let mut enough = 0;
    let mut from = None;
    let (mut at, mut length) = (0, 1);
    while enough < lead.rows {
        // The last stretch has no end.
        let to = ends.get(at + length - 1).map(|end| run.pool.intern_edn(end));
        let mut stretch = whole.clone();
        let (near, far) = (from.map(|cell| (cell, false)), to.map(|cell| (cell, true)));
        let (low, high) = if lead.descending { (far, near) } else { (near, far) };
        stretch.low = tighter(run, stretch.low, low, true);
        stretch.high = tighter(run, stretch.high, high, false);
        let table =
            run.block(&narrowed(&plan.block, stretch), plan.start.clone())?.deduplicated(run.meter)?;
        run.meter.check(found.rows + table.rows)?;
        enough += beyond(run, plan, lead, &table);
        // A row has one value of the variable that leads, so no row of a stretch is one of another.
        found = found.appended(table);
        if to.is_none() {
            break;
        }
        (from, at, length) = (to, at + length, length * 2);
    }
    Ok(Some(found))
}

/// How many rows surely come after the one that the page comes after.
fn beyond(run: &Run<'_>, plan: &Plan, lead: &Lead, table: &Table) -> usize {
    match plan.basis[lead.at] {
        Place::Var(var) if lead.after.is_some() => {
            let column = table.column(var);
            (0..table.rows).filter(|row| is_beyond(&run.pool.edn(column.get(*row)), lead)).count()
        }
        _ => table.rows,
    }
}

/// True if a row with this value surely comes after the one that the page comes after.
fn is_beyond(value: &Edn, lead: &Lead) -> bool {
    lead.after.as_ref().is_none_or(|after| {
        let side = total(value, after);
        if lead.descending { side.is_lt() } else { side.is_gt() }
    })
}

fn narrowed(block: &Block, first: Match) -> Block {
    let mut block = block.clone();
    block.steps[0].op = Op::Match(first);
    block
}

type End = Option<(super::column::Cell, bool)>;

/// The end that lets fewer values through: of two lower ends the greater, of two upper ones the smaller.
fn tighter(run: &Run<'_>, one: End, other: End, low: bool) -> End {
    let (Some(x), Some(y)) = (one, other) else { return one.or(other) };
    let side = total(&run.pool.edn(x.0), &run.pool.edn(y.0));
    let side = if low { side } else { side.reverse() };
    // Of the same value, the one that leaves it out.
    if side.is_gt() || (side.is_eq() && !x.1) { one } else { other }
}

/// Values at which stretches end, in the order of the answer, the first ones close to each other.
fn ends(run: &mut Run<'_>, whole: &Match, lead: &Lead) -> Result<Vec<Edn>> {
    let (_, SourceArg::Db(source)) = run.sources[whole.source] else { return Ok(Vec::new()) };
    let mut ends: Vec<Edn> = Vec::new();
    for _ in 0..FINER {
        let mut part = whole.clone();
        if let Some(first) = ends.first() {
            let end = Some((run.pool.intern_edn(first), false));
            if lead.descending {
                part.low = tighter(run, part.low, end, true);
            } else {
                part.high = tighter(run, part.high, end, false);
            }
        }
        let Some(pattern) = part.pattern(run.pool) else { break };
        let count = source.count(&pattern)?;
        let mut found: Vec<Edn> = Vec::new();
        source.sample(&pattern, LOOKED_AT, &mut |batch| {
            found.extend((0..batch.len).map(|row| Edn::from(batch.v.get(row).to_value())));
            Flow::Continue(())
        })?;
        found.sort_by(|x, y| if lead.descending { total(y, x) } else { total(x, y) });
        found.dedup();
        let none = found.is_empty();
        found.append(&mut ends);
        ends = found;
        if none || count <= (LOOKED_AT * lead.rows.clamp(1, LOOKED_AT)) as u64 {
            break;
        }
    }
    Ok(ends)
}
