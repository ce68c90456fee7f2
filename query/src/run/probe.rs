//! One scan for each distinct key of the rows so far.
//!
//! Keys are visited in order, so that scans next to each other touch what lies next to each other. A row that binds a
//! place by a value that no fact can have there matches nothing.

use annals_storage::datom::{AttrId, EntityId, Tag};

use super::batch::Table;
use super::budget::Meter;
use super::column::{Cell, Kind};
use super::emit::{Emitter, Slot};
use super::question::Question;
use super::{Run, extend, join, sort};
use crate::error::Result;
use crate::plan::pattern::{entity_word, transaction};
use crate::plan::{Match, VarId};
use crate::source::Source;

/// True if the bound places make scans that are narrow: an entity, or an attribute and a value.
pub fn is_possible(goal: &Match, slots: &[Slot; 5]) -> bool {
    let has = |at: usize| matches!(slots[at], Slot::Const(_) | Slot::Bound(_));
    let is_bound = |at: usize| matches!(slots[at], Slot::Bound(_));
    let sought_by_value = match goal.attr {
        Some(attr) => attr.tag != Tag::Tuple,
        None => has(1),
    };
    has(0) && (is_bound(0) || is_bound(2) || is_bound(1)) || (sought_by_value && is_bound(2))
}

/// Joins by one scan a key.
pub fn run(
    run: &mut Run<'_>,
    source: &dyn Source,
    goal: &Match,
    slots: &[Slot; 5],
    mut question: Question,
    table: Table,
    live: &[VarId],
) -> Result<Table> {
    let keys: Vec<(usize, usize)> = (0..5)
        .filter_map(|at| match slots[at] {
            Slot::Bound(column) => Some((at, column)),
            _ => None,
        })
        .collect();
    let order = in_key_order(&table, &keys, run.meter)?;
    let mut emitter = Emitter::new(slots, live, run.meter);
    if goal.attr.is_some_and(|attr| attr.tag != Tag::Tuple) {
        emitter.value_is_asked_for();
    }
    let mut at = 0;
    while at < order.len() && !emitter.has_failed() {
        let row = order[at] as usize;
        let same = |other: &&u32| {
            let column = |at: usize| &table.columns[at];
            keys.iter().all(|(_, at)| column(*at).get(**other as usize) == column(*at).get(row))
        };
        let group = order[at..].iter().take_while(same).count();
        let rows = &order[at..at + group];
        at += group;
        if !ask(run, source, goal, &keys, &table, row, &mut question, &mut emitter) {
            continue;
        }
        // Seeks that find nothing hand nothing on, so that the emitter would not look.
        run.meter.tick()?;
        run.seeks += 1;
        let pool = &mut *run.pool;
        source.scan(&question.pattern(), &mut |batch| {
            for left in rows {
                if emitter.take_all(batch, *left, pool).is_break() {
                    break;
                }
            }
            extend::flow(&emitter)
        })?;
    }
    let (left, vars, columns) = emitter.finish()?;
    join::beside(table, &left, vars, columns, live, run.meter)
}

/// Makes the question ask for a row's key. False if nothing can match it.
#[expect(clippy::too_many_arguments, reason = "all of it changes from key to key")]
fn ask(
    run: &mut Run<'_>,
    source: &dyn Source,
    goal: &Match,
    keys: &[(usize, usize)],
    table: &Table,
    row: usize,
    question: &mut Question,
    emitter: &mut Emitter<'_>,
) -> bool {
    for (place, column) in keys {
        let cell = table.columns[*column].get(row);
        let fits = match place {
            0 => set(&mut question.e, entity_word(cell).map(EntityId)),
            1 => set(&mut question.a, entity_word(cell).and_then(|e| AttrId::of_entity(EntityId(e)))),
            2 => true,
            3 => set(&mut question.t, transaction(cell)),
            _ => set(&mut question.added, (cell.kind == Kind::BOOLEAN).then_some(cell.word == 1)),
        };
        if !fits {
            return false;
        }
    }
    let value = keys.iter().find(|(place, _)| *place == 2);
    let Some((_, column)) = value else { return true };
    ask_value(run, source, goal, table.columns[*column].get(row), question, emitter)
}

fn ask_value(
    run: &mut Run<'_>,
    source: &dyn Source,
    goal: &Match,
    cell: Cell,
    question: &mut Question,
    emitter: &mut Emitter<'_>,
) -> bool {
    let tag = match goal.attr {
        Some(attr) => Some(attr.tag),
        None => question.a.and_then(|a| source.attribute(a)).map(|attribute| attribute.value_type),
    };
    match tag {
        Some(tag) if tag != Tag::Tuple => match run.pool.as_stored(cell, tag) {
            Some(v) => {
                question.set_value(v);
                emitter.check_value(None);
            }
            None => return false,
        },
        _ => {
            question.forget_value();
            emitter.check_value(Some(cell));
        }
    }
    true
}

fn set<V>(slot: &mut Option<V>, v: Option<V>) -> bool {
    *slot = v;
    slot.is_some()
}

/// The rows, those with equal keys together.
fn in_key_order(table: &Table, keys: &[(usize, usize)], meter: &Meter) -> Result<Vec<u32>> {
    let mut order: Vec<u32> = (0..table.rows as u32).collect();
    let cell = |row: u32, column: usize| table.columns[column].get(row as usize);
    let compare = |x: &u32, y: &u32| {
        let sides = keys.iter().map(|(_, column)| cell(*x, *column).cmp(&cell(*y, *column)));
        sides.into_iter().find(|side| side.is_ne()).unwrap_or(std::cmp::Ordering::Equal)
    };
    if !order.is_sorted_by(|x, y| compare(x, y).is_le()) {
        order = sort::sorted(order, &compare, meter)?;
    }
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{ask, check, user};
    use crate::Budget;
    use crate::plan::Access;

    #[test]
    fn rows_with_one_key_share_a_scan_and_each_gets_its_facts() {
        let some = format!("[[{0} 1] [{0} 2] [{1} 3]]", user(1), user(2));
        check("[:find ?x ?n :in $ [[?e ?x]] :where [?e :n ?n]]", &[&some], "[[1 1] [2 1] [3 2]]");
    }

    #[test]
    fn a_key_that_no_fact_can_have_matches_nothing() {
        check("[:find ?n :in $ [?e ...] :where [?e :n ?n]]", &["[-1 \"text\" nil 1.5]"], "[]");
        check("[:find ?e :in $ [?v ...] :where [?e :n ?v]]", &["[\"1\" :one [1 2]]"], "[]");
        check("[:find ?e :in $ [?t ...] :where [?e :n _ ?t]]", &["[1 2]"], "[]");
    }

    #[test]
    fn what_is_compared_for_one_key_is_not_compared_for_the_next() {
        // A tuple cannot be asked for and is compared; a number, next, is asked for.
        check("[:find (count ?a) :where [?e :n 2] [?e ?a ?v] [?e ?a ?v ?t]]", &[], "[[4]]");
    }

    #[test]
    fn a_scan_stops_when_the_budget_is_used_up() {
        let budget = Budget { rows: Some(2), ..Budget::default() };
        let refused = ask("[:find ?e ?n :where [?e :s] [?e :n ?n]]", &[], Some(Access::Probe), &budget);
        assert_eq!(refused.unwrap_err().keyword, "db.error/budget-exceeded");
    }
}
