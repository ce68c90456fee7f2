//! Facts joined with the rows so far: which way is cheapest is decided here, on the actual number of rows.
//!
//! ```text
//!   nothing of the pattern bound   scan once, cross product if there are several rows
//!   a key or two                   probe: one scan a key, keys in order
//!   entities, of an attribute      each: one pass along the attribute, where the source has one
//!   many keys, once                stream: one scan, matched against the rows
//!   many keys, again and again     load: one scan kept with an index
//! ```

use std::rc::Rc;

use super::batch::Table;
use super::budget::Meter;
use super::column::Column;
use super::emit::{Emitter, Slot, slots};
use super::index::KeyIndex;
use super::parts::Parts;
use super::question::Question;
use super::{Loaded, Run, direct, each, join, probe, stream};
use crate::error::Result;
use crate::inputs::SourceArg;
use crate::plan::{Access, Match, Step, VarId};
use crate::source::{Flow, Source};

/// How many rows of a scan one seek costs.
const SEEK: u64 = 50;

/// From so many rows on, one pass costs less than a seek for every row.
const PASS_ROWS: u64 = 8;

/// So few entities of so many facts are sought one by one: each lies on a page of its own, which may have to be made.
const PASS_FACTS: u64 = 1024;

/// Joins the facts of a pattern with the rows so far.
pub fn run(run: &mut Run<'_>, step: &Step, goal: &Match, table: Table) -> Result<Table> {
    joined(run, step, goal, table, &mut None)
}

/// The same, but the rows are handed on: in parts, if it is a scan that finds them, and different from each other.
pub fn in_parts(run: &mut Run<'_>, step: &Step, goal: &Match, table: Table, parts: Parts<'_>) -> Result<()> {
    let mut parts = Some(parts);
    let rest = joined(run, step, goal, table, &mut parts)?;
    // Whoever hands rows on takes these away.
    parts.map_or(Ok(()), |parts| parts.whole(rest, run.pool))
}

fn joined(
    run: &mut Run<'_>,
    step: &Step,
    goal: &Match,
    table: Table,
    parts: &mut Option<Parts<'_>>,
) -> Result<Table> {
    let (_, SourceArg::Db(source)) = run.sources[goal.source] else { return Ok(Table::empty(&step.live)) };
    let Some(question) = goal.pattern(run.pool).map(|pattern| Question::new(&pattern)) else {
        return Ok(Table::empty(&step.live));
    };
    let slots = slots(goal, &table);
    let bound = slots.iter().any(|slot| matches!(slot, Slot::Bound(_)));
    let mut access = if bound { choose(run, step, goal, &slots, &table, true) } else { Access::Load };
    let before = run.seeks;
    let keeps_distinct = table.distinct
        && table.is_within(&step.live)
        && shows_every_fact(goal, &slots, source.as_ref(), &step.live);
    let mut given = table;
    if bound && access == Access::Each {
        given = match each::run(run, source.as_ref(), goal, &slots, given, &step.live)? {
            Ok(found) => return Ok(told(run, step, "each", before, found, keeps_distinct)),
            Err(table) => table,
        };
        access = choose(run, step, goal, &slots, &given, false);
    }
    let table = given;
    let way = match (bound, access) {
        (false, _) => "scan",
        (true, Access::Probe) => "probe",
        (true, Access::Stream) => "stream",
        (true, Access::Load | Access::Each) => "load",
    };
    let found = match access {
        _ if !bound => {
            let parts = parts.take_if(|_| keeps_distinct && table.rows == 1);
            let alone = Table::unit();
            let beside = if parts.is_some() { &table } else { &alone };
            let facts = scan(
                run,
                source.as_ref(),
                goal,
                &slots,
                &question,
                &step.live,
                parts.map(|it| (it, beside)),
            )?;
            join::cross(table, facts, run.meter)?
        }
        Access::Probe => probe::run(run, source.as_ref(), goal, &slots, question, table, &step.live)?,
        Access::Stream => {
            let parts = parts.take_if(|_| keeps_distinct);
            stream::run(run, source.as_ref(), goal, &slots, &question, table, &step.live, parts)?
        }
        Access::Load | Access::Each => {
            let loaded = load(run, step.id, source.as_ref(), goal, &slots, &question)?;
            join::with_index(&loaded, &table, &step.live, run.meter)?
        }
    };
    Ok(told(run, step, way, before, found, keeps_distinct))
}

/// Notes how a step went.
fn told(
    run: &mut Run<'_>,
    step: &Step,
    way: &'static str,
    seeks_before: u64,
    found: Table,
    distinct: bool,
) -> Table {
    let seeks = run.seeks - seeks_before;
    let state = run.state(step.id);
    state.access = Some(way);
    state.seeks += seeks;
    Table { distinct, ..found }
}

/// How the pattern is joined with rows that bind some of its places.
fn choose(
    run: &mut Run<'_>,
    step: &Step,
    goal: &Match,
    slots: &[Slot; 5],
    table: &Table,
    has_pass: bool,
) -> Access {
    let has_pass = has_pass && each::is_possible(goal, slots);
    let can_probe = probe::is_possible(goal, slots);
    let repeating = run.repeating;
    if let Some(force) = run.options.force {
        match force {
            Access::Probe if can_probe => return Access::Probe,
            Access::Probe => {}
            Access::Each if !has_pass => {}
            other => return other,
        }
    }
    let state = run.state(step.id);
    if state.loaded.is_some() {
        return Access::Load;
    }
    let rows = table.rows as u64;
    let is_sparse = goal.count > rows.saturating_mul(PASS_FACTS);
    let is_dense = goal.count <= rows.saturating_mul(direct::FACTS);
    if has_pass && !repeating && rows >= PASS_ROWS && !is_sparse && !is_dense {
        return Access::Each;
    }
    state.sought += rows;
    let few = state.sought.saturating_mul(SEEK) <= goal.count || (rows <= 1 && !repeating);
    if can_probe && few {
        Access::Probe
    } else if repeating || rows > goal.count.saturating_mul(2) {
        Access::Load
    } else {
        Access::Stream
    }
}

/// True if different facts give different rows: no place that tells facts apart is left out.
fn shows_every_fact(goal: &Match, slots: &[Slot; 5], source: &dyn Source, live: &[VarId]) -> bool {
    let shown = |at: usize| match slots[at] {
        Slot::Const(_) | Slot::Bound(_) | Slot::Same(_) => true,
        Slot::New(var) => live.contains(&var),
        Slot::Free => false,
    };
    let fact = shown(0) && shown(2) && (goal.attr.is_some() || shown(1));
    fact && (!source.is_history() || (shown(3) && shown(4)))
}

/// All that the pattern's constants leave, without regard to the rows so far; or nothing, if it is handed on in parts
/// beside a row.
fn scan(
    run: &mut Run<'_>,
    source: &dyn Source,
    goal: &Match,
    slots: &[Slot; 5],
    question: &Question,
    live: &[VarId],
    parts: Option<(Parts<'_>, &Table)>,
) -> Result<Table> {
    let mut emitter = Emitter::new(slots, live, run.meter);
    if goal.attr.is_some_and(|attr| attr.tag != annals_storage::datom::Tag::Tuple) {
        emitter.value_is_asked_for();
    }
    let pool = &mut *run.pool;
    run.seeks += 1;
    if let Some((mut parts, row)) = parts {
        let meter = run.meter;
        parts.expect(&mut emitter, goal.count);
        source.scan(&question.pattern(), &mut |batch| {
            emitter.take_all(batch, 0, pool)?;
            parts.offer(&mut emitter, row, live, (pool, meter))
        })?;
        parts.end(emitter, row, live, (pool, meter))?;
        return Ok(Table::empty(live));
    }
    emitter.expect(goal.count);
    source.scan(&question.pattern(), &mut |batch| emitter.take_all(batch, 0, pool))?;
    let (left, vars, columns) = emitter.finish()?;
    Ok(Table { vars, columns, rows: left.len(), distinct: false })
}

/// All that a pattern finds by itself, a column for each of its variables.
pub fn alone(run: &mut Run<'_>, goal: &Match) -> Result<Table> {
    let all: Vec<VarId> = goal.places.iter().filter_map(|place| place.var()).collect();
    let (_, SourceArg::Db(source)) = run.sources[goal.source] else { return Ok(Table::empty(&all)) };
    let Some(question) = goal.pattern(run.pool).map(|pattern| Question::new(&pattern)) else {
        return Ok(Table::empty(&all));
    };
    scan(run, source.as_ref(), goal, &slots(goal, &Table::unit()), &question, &all, None)
}

/// The pattern's facts with an index over the bound variables, scanned at the first time.
fn load(
    run: &mut Run<'_>,
    id: usize,
    source: &dyn Source,
    goal: &Match,
    slots: &[Slot; 5],
    question: &Question,
) -> Result<Rc<Loaded>> {
    if let Some(loaded) = &run.state(id).loaded {
        return Ok(Rc::clone(loaded));
    }
    // Seen by itself, every variable of the pattern is new.
    let alone = super::emit::slots(goal, &Table::unit());
    let all: Vec<VarId> = goal.places.iter().filter_map(|place| place.var()).collect();
    let table = scan(run, source, goal, &alone, question, &all, None)?;
    let mut keys: Vec<VarId> = Vec::new();
    for (place, slot) in goal.places.iter().zip(slots) {
        match (place.var(), slot) {
            (Some(var), Slot::Bound(_)) if !keys.contains(&var) => keys.push(var),
            _ => {}
        }
    }
    let loaded = Rc::new(indexed(table, &keys, run.meter)?);
    run.state(id).loaded = Some(Rc::clone(&loaded));
    Ok(loaded)
}

/// A table with an index over these variables.
pub fn indexed(table: Table, keys: &[VarId], meter: &Meter) -> Result<Loaded> {
    let held = meter.hold(table.bytes())?;
    let columns: Vec<Column> = keys.iter().map(|var| table.column(*var).clone()).collect();
    let index = KeyIndex::build(keys.to_vec(), columns, table.rows, meter)?;
    Ok(Loaded { table, index, _held: held })
}

/// What a scan's sink says: on, unless the budget is used up.
pub fn flow(emitter: &Emitter<'_>) -> Flow {
    if emitter.has_failed() { Flow::Break(()) } else { Flow::Continue(()) }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{check, user};

    #[test]
    fn every_way_finds_the_same() {
        check("[:find ?n :where [?e :n ?n] [?e :to ?f] [?f :n ?n]]", &[], "[[1]]");
        check("[:find ?n ?m :where [?e :n ?n] [?e :to ?f] [?f :n ?m]]", &[], "[[0 1] [1 1] [1 2] [2 0]]");
        check(
            "[:find ?s ?m :where [?e :s ?s] [?f :s ?s] [?e :n 2] [?f :n ?m]]",
            &[],
            "[[\"even\" 1] [\"even\" 2]]",
        );
    }

    #[test]
    fn a_variable_twice_in_a_pattern_must_agree_with_itself() {
        check("[:find ?e :where [?e :to ?e]]", &[], "[]");
        check("[:find ?e :where [?e :n 1] [?e _ ?e]]", &[], "[]");
        let (one, four) = (user(1), user(4));
        check(
            "[:find ?e ?f :where [?e :to ?f] [?f :n 1] [?e _ ?f]]",
            &[],
            &format!("[[{} {four}] [{four} {one}]]", user(3)),
        );
    }

    #[test]
    fn a_tuple_is_found_by_its_parts_though_one_is_a_reference() {
        let tuple = format!("[2 {}]", user(1));
        check("[:find ?n :in $ ?t :where [?e :pair ?t] [?e :n ?n]]", &[&tuple], "[[2]]");
        let some = format!("[[9 9] {tuple}]");
        check("[:find ?n :in $ [?t ...] :where [?e :pair ?t] [?e :n ?n]]", &[&some], "[[2]]");
    }
}
