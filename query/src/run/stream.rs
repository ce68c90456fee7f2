//! One scan over all that the constants leave, each fact matched against the rows so far.
//!
//! Where the entity is the key, facts may come just as the rows do; or entities are close to each other, and a table finds the row. Else, if the rows come in the
//! order of their entities, both sides are walked together and stretches without a match are leapt over; else the rows
//! are found by a hash of their key. Only matched facts become cells.

use annals_storage::datom::{Batch, Tag};

use super::Run;
use super::batch::Table;
use super::budget::Meter;
use super::column::Kind;
use super::direct::Direct;
use super::emit::{Emitter, Slot, cell};
use super::index::KeyIndex;
use super::instep::InStep;
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
    run.seeks += 1;
    let meter = run.meter;
    let pool = &mut *run.pool;
    if let Some(parts) = &parts {
        parts.expect(&mut emitter, goal.count);
    }
    let mut in_step = match keys.as_slice() {
        [(0, column)] => InStep::of(&table.columns[*column], goal.count),
        _ => None,
    };
    let mut matcher = match in_step {
        None => Some(Matcher::of(&keys, &table, goal.count, meter)?),
        Some(_) => None,
    };
    source.scan(&question.pattern(), &mut |batch| {
        match in_step.as_mut().and_then(|steps| steps.first(batch)) {
            Some(first) => emitter.take_in_step(batch, first, pool)?,
            None => {
                if matcher.is_none() {
                    matcher = match Matcher::of(&keys, &table, goal.count, meter) {
                        Ok(made) => Some(made),
                        Err(error) => return emitter.fail(error),
                    };
                }
                matcher.iter_mut().try_for_each(|matcher| matcher.take(batch, &mut emitter, pool))?;
            }
        }
        parts
            .as_mut()
            .map_or(Flow::Continue(()), |parts| parts.offer(&mut emitter, &table, live, (pool, meter)))
    })?;
    if let Some(parts) = parts {
        parts.end(emitter, &table, live, (pool, meter))?;
        return Ok(Table::empty(live));
    }
    let (left, vars, columns) = emitter.finish()?;
    join::beside(table, &left, vars, columns, live, meter)
}

/// How the facts of a batch find their rows.
enum Way<'t> {
    /// By the number of their entity.
    Direct(Direct),
    /// Walking along the entities of the rows, which ascend, from here.
    Merge(&'t [i64], usize),
    /// By a hash of what these places hold.
    Hash(Vec<usize>, KeyIndex),
}

/// Finds the rows of facts.
struct Matcher<'t> {
    way: Way<'t>,
    /// The facts of a batch that have a row.
    hits: Vec<u32>,
}

impl<'t> Matcher<'t> {
    /// For rows with these keys (a place of the pattern and a column each), where so many facts come by.
    fn of(keys: &[(usize, usize)], table: &'t Table, facts: u64, meter: &Meter) -> Result<Matcher<'t>> {
        let direct = match keys {
            [(0, column)] => Direct::of(&table.columns[*column], facts),
            _ => None,
        };
        let way = match (direct, entities_in_order(keys, table)) {
            (Some(direct), _) => Way::Direct(direct),
            (None, Some(entities)) => Way::Merge(entities, 0),
            (None, None) => {
                let places = keys.iter().map(|(place, _)| *place).collect();
                let columns = keys.iter().map(|(_, column)| table.columns[*column].clone()).collect();
                Way::Hash(places, KeyIndex::build(Vec::new(), columns, table.rows, meter)?)
            }
        };
        Ok(Matcher { way, hits: Vec::new() })
    }

    /// Hands the facts that have a row to the emitter.
    fn take(&mut self, batch: &Batch<'_>, emitter: &mut Emitter<'_>, pool: &mut Pool) -> Flow {
        let Matcher { way, hits } = self;
        hits.clear();
        let start = emitter.left.len();
        match way {
            Way::Direct(direct) => direct.matched(batch, hits, &mut emitter.left),
            Way::Merge(entities, cursor) => merge(entities, cursor, batch, &mut |row, left| {
                hits.push(row);
                emitter.left.push(left);
            }),
            Way::Hash(places, index) => {
                let mut key = Vec::with_capacity(places.len());
                for row in 0..batch.len {
                    key.clear();
                    key.extend(places.iter().map_while(|place| cell(batch, *place, row, pool)));
                    if key.len() == places.len() {
                        for left in index.rows(&key) {
                            hits.push(row as u32);
                            emitter.left.push(left);
                        }
                    }
                }
            }
        }
        emitter.take_admitted(batch, hits, start, pool)
    }
}

/// The entities of the rows so far, if the entity is the only key and they come in ascending order.
fn entities_in_order<'t>(keys: &[(usize, usize)], table: &'t Table) -> Option<&'t [i64]> {
    let [(0, column)] = keys else { return None };
    let (kind, words) = table.columns[*column].as_words()?;
    (kind == Kind::LONG && words.is_sorted()).then_some(words)
}
