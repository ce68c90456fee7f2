//! One scan over all that the constants leave, each fact matched against the rows so far.
//!
//! Where the entity is the key and entities are close to each other, a table finds the row. Else, if the rows come in the
//! order of their entities, both sides are walked together and stretches without a match are leapt over; else the rows
//! are found by a hash of their key. Only matched facts become cells.

use annals_storage::datom::{Batch, Tag};

use super::Run;
use super::batch::Table;
use super::budget::Meter;
use super::column::{Cell, Column, Kind};
use super::direct::Direct;
use super::emit::{Emitter, Slot, cell};
use super::index::KeyIndex;
use super::join;
use super::merge::merge;
use super::parts::Parts;
use super::pool::Pool;
use super::question::Question;
use crate::error::Result;
use crate::plan::{Match, VarId};
use crate::source::{Flow, Source};

/// Joins by one scan; or gives nothing, if the rows are handed on in parts.
#[allow(clippy::too_many_arguments)]
pub fn run(
    run: &mut Run<'_>,
    source: &dyn Source,
    goal: &Match,
    slots: &[Slot; 5],
    question: &Question,
    table: Table,
    live: &[VarId],
    mut parts: Option<Parts<'_>>,
) -> Result<Table> {
    let mut emitter = Emitter::new(slots, live, run.meter);
    if goal.attr.is_some_and(|attr| attr.tag != Tag::Tuple) {
        emitter.value_is_asked_for();
    }
    let keys: Vec<(usize, usize)> = (0..5)
        .filter_map(|at| match slots[at] {
            Slot::Bound(column) => Some((at, column)),
            _ => None,
        })
        .collect();
    let mut hits = Vec::new();
    run.seeks += 1;
    let meter = run.meter;
    let pool = &mut *run.pool;
    let direct = match keys.as_slice() {
        [(0, column)] => Direct::of(&table.columns[*column], goal.count),
        _ => None,
    };
    if let Some(parts) = &parts {
        parts.expect(&mut emitter, goal.count);
    }
    if let Some(direct) = direct {
        source.scan(&question.pattern(), &mut |batch| {
            hits.clear();
            let start = emitter.left.len();
            direct.matched(batch, &mut hits, &mut emitter.left);
            emitter.take_admitted(batch, &mut hits, start, pool)?;
            offer(&mut parts, &mut emitter, &table, live, (pool, meter))
        })?;
        return end(parts, emitter, table, live, (pool, meter));
    }
    match entities_in_order(&keys, &table) {
        Some(entities) => {
            let mut cursor = 0;
            source.scan(&question.pattern(), &mut |batch| {
                hits.clear();
                merge(entities, &mut cursor, batch, &mut |row, left| {
                    if emitter.admits(batch, row as usize, pool) {
                        hits.push(row);
                        emitter.left.push(left);
                    }
                });
                emitter.take(batch, &hits, pool)?;
                offer(&mut parts, &mut emitter, &table, live, (pool, meter))
            })?;
        }
        None => {
            let places: Vec<usize> = keys.iter().map(|(place, _)| *place).collect();
            let columns: Vec<Column> =
                keys.iter().map(|(_, column)| table.columns[*column].clone()).collect();
            let index = KeyIndex::build(Vec::new(), columns, table.rows, meter)?;
            let mut key = Vec::with_capacity(places.len());
            source.scan(&question.pattern(), &mut |batch| {
                hits.clear();
                look_up(&index, &places, batch, pool, &mut key, &mut hits, &mut emitter);
                emitter.take(batch, &hits, pool)?;
                offer(&mut parts, &mut emitter, &table, live, (pool, meter))
            })?;
        }
    }
    end(parts, emitter, table, live, (pool, meter))
}

fn offer(
    parts: &mut Option<Parts<'_>>,
    emitter: &mut Emitter<'_>,
    table: &Table,
    live: &[VarId],
    with: (&mut Pool, &Meter),
) -> Flow {
    parts.as_mut().map_or(Flow::Continue(()), |parts| parts.offer(emitter, table, live, with))
}

/// All that was collected, or its last part.
fn end(
    parts: Option<Parts<'_>>,
    emitter: Emitter<'_>,
    table: Table,
    live: &[VarId],
    (pool, meter): (&mut Pool, &Meter),
) -> Result<Table> {
    if let Some(parts) = parts {
        parts.end(emitter, &table, live, (pool, meter))?;
        return Ok(Table::empty(live));
    }
    let (left, vars, columns) = emitter.finish()?;
    join::beside(table, &left, vars, columns, live, meter)
}

fn look_up(
    index: &KeyIndex,
    places: &[usize],
    batch: &Batch<'_>,
    pool: &Pool,
    key: &mut Vec<Cell>,
    hits: &mut Vec<u32>,
    emitter: &mut Emitter<'_>,
) {
    for row in 0..batch.len {
        key.clear();
        key.extend(places.iter().map_while(|place| cell(batch, *place, row, pool)));
        if key.len() < places.len() || !emitter.admits(batch, row, pool) {
            continue;
        }
        for left in index.rows(key) {
            hits.push(row as u32);
            emitter.left.push(left);
        }
    }
}

/// The entities of the rows so far, if the entity is the only key and they come in ascending order.
fn entities_in_order<'t>(keys: &[(usize, usize)], table: &'t Table) -> Option<&'t [i64]> {
    let [(0, column)] = keys else { return None };
    let (kind, words) = table.columns[*column].as_words()?;
    (kind == Kind::LONG && words.is_sorted()).then_some(words)
}
