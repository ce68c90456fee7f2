//! One scan over all that the constants leave, each fact matched against the rows so far.
//!
//! If the rows come in the order of their entities, both sides are walked together and stretches without a match are
//! leapt over; else the rows are found by a hash of their key. Only matched facts become cells.

use annals_storage::datom::{Batch, Col, Tag};

use super::Run;
use super::batch::Table;
use super::column::{Cell, Column, Kind};
use super::emit::{Emitter, Slot, cell};
use super::index::KeyIndex;
use super::join;
use super::pool::Pool;
use super::question::Question;
use crate::error::Result;
use crate::plan::{Match, VarId};
use crate::source::Source;

/// Joins by one scan.
pub fn run(
    run: &mut Run<'_>,
    source: &dyn Source,
    goal: &Match,
    slots: &[Slot; 5],
    question: &Question,
    table: Table,
    live: &[VarId],
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
                emitter.take(batch, &hits, pool)
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
                emitter.take(batch, &hits, pool)
            })?;
        }
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

/// Hands every pair of a fact and a row with the same entity to `found`.
///
/// `cursor` is a row before which no row has the entities of later facts, as long as facts come in order; a fact that
/// does not is looked for from the start.
fn merge(entities: &[i64], cursor: &mut usize, batch: &Batch<'_>, found: &mut impl FnMut(u32, u32)) {
    let mut pairs = |row: usize, from: usize| {
        let e = batch.e.get(row) as i64;
        let same = entities[from..].iter().take_while(|entity| **entity == e).count();
        (from..from + same).for_each(|left| found(row as u32, left as u32));
    };
    let Col::Each(facts) = batch.e else {
        let from = entities.partition_point(|entity| *entity < batch.e.get(0) as i64);
        return (0..batch.len).for_each(|row| pairs(row, from));
    };
    let Some(first) = facts.first() else { return };
    if *cursor > 0 && entities[*cursor - 1] >= *first as i64 {
        *cursor = 0;
    }
    if !facts.is_sorted() {
        return (0..facts.len()).for_each(|row| {
            pairs(row, entities.partition_point(|entity| *entity < facts[row] as i64));
        });
    }
    let (mut row, mut at) = (0, *cursor);
    while row < facts.len() && at < entities.len() {
        let (fact, entity) = (facts[row] as i64, entities[at]);
        if fact < entity {
            row += leap(&facts[row..], |fact| (*fact as i64) < entity);
        } else if entity < fact {
            at += leap(&entities[at..], |entity| *entity < fact);
        } else {
            pairs(row, at);
            row += 1;
        }
    }
    *cursor = at;
}

/// How many elements from the front are before the one sought: doubling steps, then halving.
fn leap<V>(slice: &[V], before: impl Fn(&V) -> bool) -> usize {
    let mut reach = 1;
    while reach < slice.len() && before(&slice[reach]) {
        reach *= 2;
    }
    let low = reach / 2;
    low + slice[low..slice.len().min(reach + 1)].partition_point(before)
}

#[cfg(test)]
mod tests {
    use annals_storage::datom::ValueCol;

    use super::*;

    fn pairs(entities: &[i64], batches: &[&[u64]]) -> Vec<(u64, u32)> {
        let (mut cursor, mut found) = (0, Vec::new());
        for facts in batches {
            let v = ValueCol { tags: Col::Const(Tag::Long), words: Col::Const(0), heap: &[] };
            let (a, t, added) = (Col::Const(0), Col::Const(0), Col::Const(true));
            let batch = Batch { len: facts.len(), e: Col::Each(facts), a, v, t, added };
            merge(entities, &mut cursor, &batch, &mut |row, left| found.push((facts[row as usize], left)));
        }
        found.sort_unstable();
        found
    }

    #[test]
    fn a_merge_finds_every_pair_whatever_the_order_of_batches() {
        let entities = [1, 3, 3, 5, 9];
        let all = vec![(1, 0), (3, 1), (3, 1), (3, 2), (3, 2), (9, 4)];
        assert_eq!(pairs(&entities, &[&[1, 2, 3, 3, 4, 9, 10]]), all);
        assert_eq!(pairs(&entities, &[&[1, 2, 3], &[3, 4, 9]]), all, "a run of one entity across batches");
        assert_eq!(pairs(&entities, &[&[4, 9], &[1, 2, 3, 3]]), all, "batches that start again");
        assert_eq!(pairs(&entities, &[&[9, 3, 1, 3]]), all, "a batch out of order");
    }

    #[test]
    fn a_leap_lands_on_the_first_that_is_not_before() {
        let numbers: Vec<u64> = (0..100).collect();
        for target in 0..100 {
            assert_eq!(leap(&numbers, |n| *n < target), target as usize);
        }
        assert_eq!(leap(&numbers, |_| true), 100);
    }
}
