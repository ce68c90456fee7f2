//! Calls of functions, and what their results are bound to.
//!
//! A call whose arguments are the same in every row is made once, and a query inside the query is asked once for equal
//! arguments. A result of nil drops the row. A variable that is
//! already bound must be equal to its part of the result.

use std::borrow::Cow;
use std::collections::HashMap;

use super::batch::Table;
use super::column::{CELL_BYTES, Cell, Column, ColumnBuilder};
use super::pool::Pool;
use super::{Run, join};
use crate::edn::Edn;
use crate::error::{Error, Result};
use crate::functions::{self, Context, Handed};
use crate::inputs::{Inputs, places};
use crate::plan::vars::shape_vars;
use crate::plan::{Argument, Callee, Invocation, Place, Shape, VarId};

/// How many calls are made between two looks at the budget: a call may be slow.
const STRIDE: usize = 64;

/// Joins the rows with the results of the call.
pub fn run(run: &mut Run<'_>, invocation: &Invocation, shape: &Shape, table: Table) -> Result<Table> {
    let mut vars = std::collections::BTreeSet::new();
    shape_vars(shape, &mut vars);
    let (bound, new): (Vec<VarId>, Vec<VarId>) =
        vars.into_iter().partition(|var| table.position(*var).is_some());
    let mut builders = vec![ColumnBuilder::default(); new.len()];
    let mut left = Vec::new();
    let mut next = STRIDE;
    let (meter, inputs) = (run.meter, run.inputs);
    let bytes = CELL_BYTES * (new.len() + 1);
    let settled = Settled { inputs, invocation };
    each_row(run, invocation, &table, |row, value, pool| {
        if value == Edn::Nil {
            return Ok(());
        }
        let wrong = |what: &str| {
            let message = format!("the result of `{}`: {what}", invocation.name);
            Error::incorrect("db.error/binding-shape", message).at(invocation.span)
        };
        for result in taken_apart(shape, &value, pool, &wrong, &settled)? {
            let value_of = |var: &VarId| result.iter().find(|(v, _)| v == var).map(|(_, cell)| *cell);
            let agrees = |var: &VarId| value_of(var) == Some(table.column(*var).get(row as usize));
            if bound.iter().all(agrees) {
                let cells: Option<Vec<Cell>> = new.iter().map(value_of).collect();
                let cells = cells.expect("a shape binds all of its variables");
                builders.iter_mut().zip(cells).for_each(|(builder, cell)| builder.push(cell));
                left.push(row);
            }
        }
        if left.len() >= next {
            next = left.len() + STRIDE;
            meter.room_and(left.len(), bytes, pool.new_bytes())?;
        }
        Ok(())
    })?;
    // Results are distinct where there is one a row; several may bind the same values.
    let distinct = table.distinct && left.is_sorted_by(|x, y| x < y);
    let live: Vec<VarId> = table.vars.clone();
    let columns = builders.into_iter().map(ColumnBuilder::finish).collect();
    Ok(Table { distinct, ..join::beside(table, &left, new, columns, &live, meter)? })
}

/// Calls the function for each row; the result goes to `then` with the row.
pub fn each_row(
    run: &mut Run<'_>,
    invocation: &Invocation,
    table: &Table,
    mut then: impl FnMut(u32, Edn, &mut Pool) -> Result<()>,
) -> Result<()> {
    let (meter, options, inputs) = (run.meter, run.options, run.inputs);
    let context = Context {
        inputs,
        allow: &|rows| meter.check(rows),
        answer: &|query, inputs| crate::answer(query, inputs, meter, options, None),
    };
    let columns = columns(invocation, table);
    let handed: Vec<_> = invocation.args.iter().map(|arg| handed(run, arg)).collect();
    let same = columns.iter().all(|column| column.as_constant().is_some())
        && matches!(invocation.callee, Callee::Named(_));
    let mut last: Option<Edn> = None;
    let mut answered = Answered::of(&invocation.callee);
    let mut args: Vec<Edn> = Vec::with_capacity(columns.len());
    for row in 0..table.rows {
        if row.is_multiple_of(STRIDE) {
            meter.check(0)?;
        }
        let known = if same { last.take() } else { answered.get(&columns, row) };
        let value = match known {
            Some(value) => value,
            None => {
                args.clear();
                args.extend(columns.iter().map(|column| run.pool.edn(column.get(row))));
                let value = match &invocation.callee {
                    Callee::Named(callee) => callee.call(&context, &handed, &args),
                    Callee::Var(var) => named(&run.pool.edn(table.column(*var).get(row)), invocation, inputs)
                        .and_then(|callee| callee.call(&context, &handed, &args)),
                };
                let value = value.map_err(|error| error.at(invocation.span))?;
                answered.keep(&columns, row, &value);
                value
            }
        };
        last = same.then(|| value.clone());
        then(row as u32, value, run.pool)?;
    }
    Ok(())
}

/// The values of a call, by row.
fn columns(invocation: &Invocation, table: &Table) -> Vec<Column> {
    let column = |arg: &Argument| match arg {
        Argument::Place(Place::Const(cell)) => Some(Column::constant(*cell)),
        Argument::Place(Place::Var(var)) => Some(table.column(*var).clone()),
        Argument::Place(Place::Blank) | Argument::Source(_) | Argument::Query(_) => None,
    };
    invocation.args.iter().filter_map(column).collect()
}

/// What a call is handed in this place, if that is no value.
fn handed<'q>(run: &Run<'q>, arg: &'q Argument) -> Option<Handed<'q>> {
    match arg {
        Argument::Source(number) => {
            let (name, source) = run.sources[*number];
            Some(Handed::Source(name, source))
        }
        Argument::Query(query) => Some(Handed::Query(query)),
        Argument::Place(_) => None,
    }
}

/// Answers of a query inside the query, by what it was given: it is not asked the same thing twice.
#[derive(Default)]
struct Answered {
    known: Option<HashMap<Vec<Cell>, Edn>>,
}

impl Answered {
    fn of(callee: &Callee) -> Answered {
        let asks = matches!(callee, Callee::Named(functions::Callee::Nested));
        Answered { known: asks.then(HashMap::new) }
    }

    fn key(columns: &[Column], row: usize) -> Vec<Cell> {
        columns.iter().map(|column| column.get(row)).collect()
    }

    fn get(&self, columns: &[Column], row: usize) -> Option<Edn> {
        self.known.as_ref()?.get(&Answered::key(columns, row)).cloned()
    }

    fn keep(&mut self, columns: &[Column], row: usize, value: &Edn) {
        if let Some(known) = &mut self.known {
            known.insert(Answered::key(columns, row), value.clone());
        }
    }
}

/// The function whose name a variable holds.
fn named(held: &Edn, invocation: &Invocation, inputs: &Inputs) -> Result<functions::Callee> {
    match held {
        Edn::Symbol(name) => functions::Callee::find(name, inputs.functions()),
        other => {
            let message =
                format!("{} holds a {}, not the name of a function", invocation.name, other.type_name());
            Err(Error::incorrect("db.error/type-in-function", message))
        }
    }
}

/// What parts of a result mean in their places.
struct Settled<'c> {
    inputs: &'c Inputs,
    invocation: &'c Invocation,
}

impl Settled<'_> {
    fn value<'v>(&self, place: &Place, value: &'v Edn) -> Result<Cow<'v, Edn>> {
        match self.invocation.meant.iter().find(|(meant, _)| meant == place) {
            Some((_, places)) => places::settle_result(self.inputs, places, value)
                .map_err(|error| error.at(self.invocation.span)),
            None => Ok(Cow::Borrowed(value)),
        }
    }
}

type Row = Vec<(VarId, Cell)>;

/// Every way to bind the variables of a shape to a value; `settled` says what a part means in its place. A variable that stands twice must agree with itself.
fn taken_apart(
    shape: &Shape,
    value: &Edn,
    pool: &mut Pool,
    wrong: &dyn Fn(&str) -> Error,
    settled: &Settled<'_>,
) -> Result<Vec<Row>> {
    match shape {
        Shape::Place(place) => {
            let value = settled.value(place, value)?;
            Ok(match place {
                Place::Blank => vec![Row::new()],
                Place::Var(var) => vec![vec![(*var, pool.intern_edn(&value))]],
                Place::Const(cell) if pool.intern_edn(&value) == *cell => vec![Row::new()],
                Place::Const(_) => Vec::new(),
            })
        }
        Shape::Each(each) => {
            let pairs_held: Vec<Edn>;
            let parts: Vec<&Edn> = match value {
                Edn::List(parts) | Edn::Vector(parts) => parts.iter().collect(),
                Edn::Set(parts) => parts.iter().collect(),
                Edn::Map(pairs) => {
                    pairs_held = pairs.iter().map(|(k, v)| Edn::Vector(vec![k.clone(), v.clone()])).collect();
                    pairs_held.iter().collect()
                }
                Edn::Nil => Vec::new(),
                other => {
                    return Err(wrong(&format!("a collection is expected, not a {}", other.type_name())));
                }
            };
            let mut rows = Vec::new();
            for part in parts {
                rows.extend(taken_apart(each, part, pool, wrong, settled)?);
            }
            Ok(rows)
        }
        Shape::Tuple(shapes) => {
            let Some(parts) = value.as_seq() else {
                let found = value.type_name();
                return Err(wrong(&format!("a tuple of {} is expected, not a {found}", shapes.len())));
            };
            // What a tuple has beyond the binding is not asked for.
            if parts.len() < shapes.len() {
                return Err(wrong(&format!(
                    "a tuple of {} is expected, not of {}",
                    shapes.len(),
                    parts.len()
                )));
            }
            let mut rows = vec![Row::new()];
            for (shape, part) in shapes.iter().zip(parts) {
                let more = taken_apart(shape, part, pool, wrong, settled)?;
                rows = rows.iter().flat_map(|row| more.iter().filter_map(|one| united(row, one))).collect();
            }
            Ok(rows)
        }
    }
}

/// Two rows as one, unless they give a variable two values.
fn united(row: &Row, more: &Row) -> Option<Row> {
    let clash = more.iter().any(|(var, cell)| row.iter().any(|(v, c)| v == var && c != cell));
    (!clash).then(|| row.iter().chain(more).copied().collect())
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{ask, check};
    use crate::Budget;

    #[test]
    fn results_are_taken_apart_and_must_agree_with_what_is_bound() {
        check("[:find ?n ?m :where [_ :n ?n] [(+ ?n 1) ?m]]", &[], "[[0 1] [1 2] [2 3]]");
        check("[:find ?n :where [_ :n ?n] [(+ ?n ?n) ?n]]", &[], "[[0]]");
        check("[:find ?x ?y :where [(ground [[1 2] [3 4]]) [[?x ?y]]]]", &[], "[[1 2] [3 4]]");
        check("[:find ?x :where [(ground [[1 1] [3 4]]) [[?x ?x]]]]", &[], "[[1]]");
        check("[:find ?n :where [_ :n ?n] [(ground [0 2]) [?n ...]]]", &[], "[[0] [2]]");
    }

    #[test]
    fn nil_drops_the_row_and_another_shape_is_an_error() {
        check("[:find ?x :where [(ground nil) ?x]]", &[], "[]");
        let refused = ask("[:find ?x ?y :where [(ground 1) [?x ?y]]]", &[], None, &Budget::default());
        assert_eq!(refused.unwrap_err().keyword, "db.error/binding-shape");
    }
}
