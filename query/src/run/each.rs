//! Facts joined by their entity with the rows so far: one pass along the attribute, for the entities of the rows.
//!
//! Both sides come by entity and are walked together: where most facts are wanted each is looked up, else stretches
//! without a match are leapt over. Only matched facts become cells.

use annals_storage::datom::{Batch, Tag};

use super::batch::Table;
use super::column::Kind;
use super::direct::{Direct, FACTS};
use super::emit::{Emitter, Slot};
use super::merge::merge;
use super::{Run, extend, join, sort};
use crate::error::Result;
use crate::plan::{Match, VarId};
use crate::source::Source;

/// True if the entity is all that the rows bind, and nothing else is asked of the facts of the attribute.
pub fn is_possible(goal: &Match, slots: &[Slot; 5]) -> bool {
    let is_free = |at: usize| matches!(slots[at], Slot::New(_) | Slot::Same(_) | Slot::Free);
    let is_known = goal.attr.is_some() && matches!(slots[0], Slot::Bound(_));
    is_known && [2, 3, 4].into_iter().all(is_free) && goal.low.is_none() && goal.high.is_none()
}

/// Joins in one pass; the table is given back if the source has none.
pub fn run(
    run: &mut Run<'_>,
    source: &dyn Source,
    goal: &Match,
    slots: &[Slot; 5],
    table: Table,
    live: &[VarId],
) -> Result<std::result::Result<Table, Table>> {
    let (Some(attr), Slot::Bound(column)) = (goal.attr, slots[0]) else { return Ok(Err(table)) };
    let (entities, order) = by_entity(run, &table, column)?;
    let mut emitter = Emitter::new(slots, live, run.meter);
    if attr.tag != Tag::Tuple {
        emitter.value_is_asked_for();
    }
    let wanted: Vec<u64> = {
        let mut wanted: Vec<u64> = entities.iter().map(|entity| *entity as u64).collect();
        wanted.dedup();
        wanted
    };
    let direct = Direct::over(&entities);
    let pool = &mut *run.pool;
    let (mut hits, mut cursor) = (Vec::new(), 0);
    let is_read = source.scan_each(Some(attr.id), &wanted, &mut |batch| {
        hits.clear();
        let start = emitter.left.len();
        match direct.as_ref().filter(|_| is_dense(&entities, batch)) {
            Some(direct) => direct.matched(batch, &mut hits, &mut emitter.left),
            None => merge(&entities, &mut cursor, batch, &mut |row, at| {
                hits.push(row);
                emitter.left.push(at);
            }),
        }
        if let Some(order) = &order {
            emitter.left[start..].iter_mut().for_each(|at| *at = order[*at as usize]);
        }
        emitter.take_admitted(batch, &mut hits, start, pool)?;
        extend::flow(&emitter)
    })?;
    if !is_read {
        return Ok(Err(table));
    }
    run.seeks += 1;
    let (left, vars, columns) = emitter.finish()?;
    join::beside(table, &left, vars, columns, live, run.meter).map(Ok)
}

/// True if few facts of a batch are looked at for every entity that may be among them.
fn is_dense(entities: &[i64], batch: &Batch<'_>) -> bool {
    let end = |row: usize| batch.e.get(row) as i64;
    let from = entities.partition_point(|entity| *entity < end(0));
    let among = entities[from..].partition_point(|entity| *entity <= end(batch.len - 1));
    batch.len as u64 <= FACTS * among as u64
}

/// The entities of the rows, ascending, without what is no entity; and which row each is of, if that is not its place.
fn by_entity(run: &Run<'_>, table: &Table, column: usize) -> Result<(Vec<i64>, Option<Vec<u32>>)> {
    let column = &table.columns[column];
    if let Some((Kind::LONG, words)) = column.as_words()
        && words.is_sorted()
        && words.first().is_none_or(|least| *least >= 0)
    {
        return Ok((words.to_vec(), None));
    }
    let is_entity = |row: &u32| {
        let cell = column.get(*row as usize);
        cell.kind == Kind::LONG && cell.word >= 0
    };
    let rows: Vec<u32> = (0..table.rows as u32).filter(is_entity).collect();
    let rows = sort::sorted(
        rows,
        &|x: &u32, y: &u32| {
            let word = |row: u32| column.word(row as usize);
            word(*x).cmp(&word(*y)).then(x.cmp(y))
        },
        run.meter,
    )?;
    Ok((rows.iter().map(|row| column.word(*row as usize)).collect(), Some(rows)))
}
