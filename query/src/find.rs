//! The shape of an answer: from rows of bindings to what `:find` asked for.
//!
//! ```text
//!   cells over basis(query) --group-->  rows over the find elements  --page-->  the rows wanted  --finish-->  Answer
//!        a set                          computed, `:having` holds              ordered, cut             pulled, named
//! ```
//!
//! The variables of `:with` keep rows apart in the first step and are gone after it, so that equal rows may remain. An
//! entity is a number until the last step, so that only what is handed out is pulled. A tuple or scalar takes the first
//! row in its order: without `:order-by` any would do, but one question has one answer.

pub mod cells;
pub mod group;
pub mod grouped;
pub mod order;
pub mod own;
pub mod page;

mod compute;
mod fold;
mod number;

use std::cell::Cell;
use std::collections::BTreeMap;

use annals_storage::datom::EntityId;

use crate::answer::{Answer, Rows};
use crate::ast::{Element, Expr, Find, PullArg, Query, SourceName, Var};
use crate::edn::Edn;
use crate::error::{Error, Result};
use crate::inputs::Inputs;
use crate::pull;
use crate::run::answer::row_bytes;
use crate::run::budget::Meter;
use cells::Cells;
use page::Taken;

/// The variables that decide the answer, each once: those of `:find` in order, then those of `:having` and `:with`.
pub fn basis(query: &Query) -> Vec<&Var> {
    let mut vars = Vec::with_capacity(query.find.elements().len());
    let mut add = |var| {
        if !vars.contains(&var) {
            vars.push(var);
        }
    };
    for element in query.find.elements() {
        match element {
            Element::Pull { var, .. } | Element::Expr(Expr::Var(var, _)) => add(var),
            Element::Expr(expr) => expr.vars().into_iter().for_each(&mut add),
        }
    }
    query.having.iter().flat_map(|expr| expr.vars()).chain(&query.with).for_each(add);
    vars
}

/// The variables that have one value in each row of the answer: all of `:find` but those that are aggregated.
pub fn grouping_vars(query: &Query) -> Vec<&Var> {
    let of_elements = query.find.elements().iter().flat_map(|element| match element {
        Element::Pull { var, .. } => vec![var],
        Element::Expr(expr) => expr.grouping_vars(),
    });
    of_elements.collect()
}

/// The answer made of distinct rows over [`basis`].
pub fn shape(query: &Query, inputs: &Inputs, cells: Cells<'_>, meter: &Meter) -> Result<Answer> {
    if is_as_found(query) {
        let values = cells.values(meter)?;
        return Ok(match &query.find {
            Find::Relation(elements) => relation(query, Rows::of_values(titles(elements), values)),
            _ => Answer::Collection(values),
        });
    }
    let rows = group::group(query, inputs.functions(), cells, meter)?;
    shape_rows(query, inputs, rows, meter)
}

/// The answer made of rows over the find elements.
pub fn shape_rows(query: &Query, inputs: &Inputs, rows: Vec<Vec<Edn>>, meter: &Meter) -> Result<Answer> {
    let _held = meter.hold(rows.len().saturating_mul(row_bytes(query.find.elements().len())))?;
    finish(query, inputs, page::take(query, inputs, rows, meter)?, meter)
}

/// True if what is found is the answer: all rows or values, as they are.
fn is_as_found(query: &Query) -> bool {
    let page = &query.page;
    let has_page =
        !page.order_by.is_empty() || page.limit.is_some() || page.offset.is_some() || page.after.is_some();
    let pulls = query.find.elements().iter().any(|element| matches!(element, Element::Pull { .. }));
    let is_many = matches!(query.find, Find::Relation(_) | Find::Collection(_));
    is_many && !has_page && !pulls && group::is_plain(query)
}

fn titles(elements: &[Element]) -> Vec<String> {
    elements.iter().map(ToString::to_string).collect()
}

fn relation(query: &Query, rows: Rows) -> Answer {
    Answer::Relation(match &query.keys {
        Some(keys) => rows.keyed(keys.kind, &keys.names),
        None => rows,
    })
}

/// The answer made of the rows wanted: pulls, names.
pub fn finish(query: &Query, inputs: &Inputs, taken: Taken, meter: &Meter) -> Result<Answer> {
    let Taken { mut rows, cursor } = taken;
    let elements = query.find.elements();
    for (at, element) in elements.iter().enumerate() {
        if let Element::Pull { source, pattern, .. } = element {
            pull_column(inputs, (source, pattern), &mut rows, at, meter)
                .map_err(|error| error.at(element.span()))?;
        }
    }
    let mut rows = rows.into_iter();
    Ok(match &query.find {
        Find::Relation(_) => relation(query, Rows::new(titles(elements), rows.collect()).ending_at(cursor)),
        Find::Collection(_) => Answer::Collection(rows.flatten().collect()),
        Find::Tuple(_) => Answer::Tuple(rows.next()),
        Find::Scalar(_) => Answer::Scalar(rows.flatten().next()),
    })
}

/// What a map takes that is pulled: a key and a value or two.
const MAP_BYTES: usize = 256;

/// How many maps are pulled between two looks at the budget.
const STRIDE: usize = 64;

/// Puts what is pulled of the entities of a column in their place.
fn pull_column(
    inputs: &Inputs,
    (source, pattern): (&SourceName, &PullArg),
    rows: &mut [Vec<Edn>],
    at: usize,
    meter: &Meter,
) -> Result<()> {
    let pattern = match pattern {
        PullArg::Pattern(pattern) => pattern,
        PullArg::Input(name) => inputs.pattern(name)?,
    };
    let source = inputs.database(source)?;
    let mut pulled: BTreeMap<EntityId, Edn> = BTreeMap::new();
    for row in rows.iter() {
        pulled.insert(entity(&row[at])?, Edn::Nil);
    }
    let entities: Vec<EntityId> = pulled.keys().copied().collect();
    let made = Cell::new(0_usize);
    let allow = || {
        made.set(made.get() + 1);
        if made.get().is_multiple_of(STRIDE) { meter.room_and(0, 0, made.get() * MAP_BYTES) } else { Ok(()) }
    };
    let maps = pull::pull_within(source, inputs.functions(), pattern, &entities, &allow)?;
    for (slot, edn) in pulled.values_mut().zip(maps) {
        *slot = edn;
    }
    for row in rows.iter_mut() {
        row[at] = pulled[&entity(&row[at])?].clone();
    }
    Ok(())
}

fn entity(edn: &Edn) -> Result<EntityId> {
    match edn {
        Edn::Int(id) if *id >= 0 => Ok(EntityId(*id as u64)),
        other => {
            let message = format!("`pull` is given a {} where it needs an entity", other.type_name());
            Err(Error::incorrect("db.error/type-in-function", message))
        }
    }
}

#[cfg(test)]
mod tests;
