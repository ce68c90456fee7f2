//! Calls of functions, and what their results are bound to.
//!
//! A call whose arguments are the same in every row is made once. A result of nil drops the row. A variable that is
//! already bound must be equal to its part of the result.

use annals_storage::datom::Symbol;

use super::batch::Table;
use super::column::{Cell, Column, ColumnBuilder};
use super::pool::Pool;
use super::{Run, budget, join};
use crate::edn::Edn;
use crate::error::{Error, Result};
use crate::functions::{self, of_facts::OfFacts};
use crate::inputs::SourceArg;
use crate::plan::vars::shape_vars;
use crate::plan::{Argument, Callee, Invocation, Place, Shape, VarId};
use crate::source::Source;

/// How many calls are made between two looks at the budget.
const STRIDE: usize = 1024;

/// Joins the rows with the results of the call.
pub fn run(run: &mut Run<'_>, invocation: &Invocation, shape: &Shape, table: Table) -> Result<Table> {
    let mut vars = std::collections::BTreeSet::new();
    shape_vars(shape, &mut vars);
    let (bound, new): (Vec<VarId>, Vec<VarId>) =
        vars.into_iter().partition(|var| table.position(*var).is_some());
    let mut builders = vec![ColumnBuilder::default(); new.len()];
    let mut left = Vec::new();
    let row_budget = run.budget;
    each_row(run, invocation, &table, |row, value, pool| {
        if value == Edn::Nil {
            return Ok(());
        }
        let wrong = |what: &str| {
            let message = format!("the result of `{}`: {what}", invocation.name);
            Error::incorrect("db.error/binding-shape", message).at(invocation.span)
        };
        for result in taken_apart(shape, &value, pool, &wrong)? {
            let value_of = |var: &VarId| result.iter().find(|(v, _)| v == var).map(|(_, cell)| *cell);
            let agrees = |var: &VarId| value_of(var) == Some(table.column(*var).get(row as usize));
            if bound.iter().all(agrees) {
                let cells: Option<Vec<Cell>> = new.iter().map(value_of).collect();
                let cells = cells.expect("a shape binds all of its variables");
                builders.iter_mut().zip(cells).for_each(|(builder, cell)| builder.push(cell));
                left.push(row);
            }
        }
        budget::check(row_budget, left.len())
    })?;
    // Results are distinct where there is one a row; several may bind the same values.
    let distinct = table.distinct && left.is_sorted_by(|x, y| x < y);
    let live: Vec<VarId> = table.vars.clone();
    let columns = builders.into_iter().map(ColumnBuilder::finish).collect();
    Ok(Table { distinct, ..join::beside(table, &left, new, columns, &live) })
}

/// Calls the function for each row; the result goes to `then` with the row.
pub fn each_row(
    run: &mut Run<'_>,
    invocation: &Invocation,
    table: &Table,
    mut then: impl FnMut(u32, Edn, &mut Pool) -> Result<()>,
) -> Result<()> {
    let mut source: Option<&dyn Source> = None;
    let mut columns: Vec<Column> = Vec::with_capacity(invocation.args.len());
    for (at, arg) in invocation.args.iter().enumerate() {
        match arg {
            Argument::Place(Place::Const(cell)) => columns.push(Column::constant(*cell)),
            Argument::Place(Place::Var(var)) => columns.push(table.column(*var).clone()),
            Argument::Source(number) if at == 0 => source = Some(database(run, *number)?),
            Argument::Source(_) | Argument::Place(Place::Blank) => {
                let message = format!("`{}` is given a source in a place of a value", invocation.name);
                return Err(Error::incorrect("db.error/type-in-function", message).at(invocation.span));
            }
        }
    }
    let callee = match invocation.callee {
        Callee::Var(var) => Err(table.column(var).clone()),
        Callee::Function(function) => Ok(Callable::Plain(function)),
        Callee::OfFacts(function) => Ok(Callable::OfFacts(function)),
    };
    let same = columns.iter().all(|column| column.as_constant().is_some()) && callee.is_ok();
    let mut last: Option<Edn> = None;
    let mut args: Vec<Edn> = Vec::with_capacity(columns.len());
    for row in 0..table.rows {
        if row % STRIDE == 0 {
            budget::check(run.budget, 0)?;
        }
        let value = match (&last, same) {
            (Some(value), true) => value.clone(),
            _ => {
                args.clear();
                args.extend(columns.iter().map(|column| run.pool.edn(column.get(row))));
                let callable = match &callee {
                    Ok(callable) => *callable,
                    Err(column) => named(&run.pool.edn(column.get(row)), invocation)?,
                };
                callable.call(source, &args, &invocation.name).map_err(|error| error.at(invocation.span))?
            }
        };
        last = same.then(|| value.clone());
        then(row as u32, value, run.pool)?;
    }
    Ok(())
}

fn database<'q>(run: &Run<'q>, number: usize) -> Result<&'q dyn Source> {
    match run.sources[number] {
        (_, SourceArg::Db(source)) => Ok(source.as_ref()),
        (name, SourceArg::Collection(_)) => {
            let message = format!("the source `{}` is a collection where a database is needed", name.0);
            Err(Error::incorrect("db.error/invalid-data-source", message))
        }
    }
}

#[derive(Clone, Copy)]
enum Callable {
    Plain(&'static functions::Function),
    OfFacts(OfFacts),
}

impl Callable {
    fn call(self, source: Option<&dyn Source>, args: &[Edn], name: &Symbol) -> Result<Edn> {
        match (self, source) {
            (Callable::Plain(function), None) => function.call(args),
            (Callable::OfFacts(function), Some(source)) => function.call(source, args),
            (Callable::Plain(_), Some(_)) => {
                Err(Error::incorrect("db.error/type-in-function", format!("`{name}` takes no source")))
            }
            (Callable::OfFacts(_), None) => {
                let message = format!("the first argument of `{name}` is a source");
                Err(Error::incorrect("db.error/type-in-function", message))
            }
        }
    }
}

/// The function whose name a variable holds.
fn named(held: &Edn, invocation: &Invocation) -> Result<Callable> {
    let Edn::Symbol(name) = held else {
        let message = format!("{} holds a {}, not the name of a function", invocation.name, held.type_name());
        return Err(Error::incorrect("db.error/type-in-function", message).at(invocation.span));
    };
    match (OfFacts::find(name), functions::find(name)) {
        (Some(function), _) => Ok(Callable::OfFacts(function)),
        (None, Some(function)) => Ok(Callable::Plain(function)),
        (None, None) => Err(functions::unknown(name).at(invocation.span)),
    }
}

type Row = Vec<(VarId, Cell)>;

/// Every way to bind the variables of a shape to a value. A variable that stands twice must agree with itself.
fn taken_apart(
    shape: &Shape,
    value: &Edn,
    pool: &mut Pool,
    wrong: &dyn Fn(&str) -> Error,
) -> Result<Vec<Row>> {
    match shape {
        Shape::Place(Place::Blank) => Ok(vec![Row::new()]),
        Shape::Place(Place::Var(var)) => Ok(vec![vec![(*var, pool.intern_edn(value))]]),
        Shape::Place(Place::Const(cell)) => {
            Ok(if pool.intern_edn(value) == *cell { vec![Row::new()] } else { Vec::new() })
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
                rows.extend(taken_apart(each, part, pool, wrong)?);
            }
            Ok(rows)
        }
        Shape::Tuple(shapes) => {
            let Some(parts) = value.as_seq() else {
                let found = value.type_name();
                return Err(wrong(&format!("a tuple of {} is expected, not a {found}", shapes.len())));
            };
            if parts.len() != shapes.len() {
                return Err(wrong(&format!(
                    "a tuple of {} is expected, not of {}",
                    shapes.len(),
                    parts.len()
                )));
            }
            let mut rows = vec![Row::new()];
            for (shape, part) in shapes.iter().zip(parts) {
                let more = taken_apart(shape, part, pool, wrong)?;
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
