//! From bindings to the rows of an answer: a group is a list of bindings, a page is a piece of a sorted list.
//!
//! Nothing is numbered, kept or looked up in advance: an expression is computed from the bindings of its group each time
//! it is met, rows are sorted once for every key, the least significant first, and a cursor's place is found by sorting
//! its row among the others. What aggregates and functions give is not done twice; it has tests of its own.

use std::collections::BTreeMap;

use crate::aggregate::Accumulator;
use crate::ast::{Arg, Call, Element, Expr, Query};
use crate::edn::Edn;
use crate::error::{Error, Result};
use crate::find::page::{Taken, Window};
use crate::find::{grouping_vars, order};
use crate::functions::{self, Functions};
use crate::inputs::Inputs;
use crate::run::budget::Meter;

use super::{Env, Envs, Vars, only};

/// Rows over the find elements.
pub(super) fn rows(query: &Query, own: &Functions, envs: &Envs, meter: &Meter) -> Result<Vec<Vec<Edn>>> {
    let of_having = query.having.iter().flat_map(|expr| expr.grouping_vars());
    let keys: Vars = grouping_vars(query).into_iter().chain(of_having).cloned().collect();
    let aggregates = query.find.exprs().chain(&query.having).any(Expr::aggregates);
    let mut groups: BTreeMap<Env, Vec<&Env>> = BTreeMap::new();
    for env in envs {
        meter.tick()?;
        let key = if aggregates { only(env, &keys) } else { env.clone() };
        groups.entry(key).or_default().push(env);
    }
    let mut rows = Vec::new();
    'groups: for group in groups.values() {
        meter.tick()?;
        for predicate in &query.having {
            if !functions::holds(&value(predicate, own, group)?) {
                continue 'groups;
            }
        }
        let elements = query.find.elements().iter().map(|element| match element {
            Element::Pull { var, .. } => Ok(group[0][var].clone()),
            Element::Expr(expr) => value(expr, own, group),
        });
        rows.push(elements.collect::<Result<_>>()?);
    }
    Ok(rows)
}

fn value(expr: &Expr, own: &Functions, group: &[&Env]) -> Result<Edn> {
    match expr {
        Expr::Var(var, _) => Ok(group[0][var].clone()),
        Expr::Const(edn) => Ok(edn.clone()),
        Expr::Aggregate(call) => aggregated(call, own, group).map_err(|error| error.at(call.span)),
        Expr::Call { name, args, span } => {
            let args: Vec<Edn> = args.iter().map(|arg| value(arg, own, group)).collect::<Result<_>>()?;
            let function = own.over_values(name).map_err(|error| error.at(*span))?;
            function.call(&args).map_err(|error| error.at(*span))
        }
    }
}

fn aggregated(call: &Call, own: &Functions, group: &[&Env]) -> Result<Edn> {
    let refused = |what: &str| {
        Error::incorrect("db.error/invalid-query", format!("the aggregate `{}` {what}", call.name))
    };
    let Some((Arg::Var(of), before)) = call.args.split_last() else {
        return Err(refused("has no variable as its last argument"));
    };
    let before = before.iter().map(|arg| match arg {
        Arg::Var(var) => Ok(group[0][var].clone()),
        Arg::Const(edn) => Ok(edn.clone()),
        Arg::Source(_) => Err(refused("takes no source")),
    });
    let mut accumulator = Accumulator::find(&call.name, before.collect::<Result<Vec<_>>>()?, own)?;
    group.iter().try_for_each(|env| accumulator.add(&env[of]))?;
    accumulator.finish()
}

/// The page of these rows over the find elements.
pub(super) fn page(query: &Query, inputs: &Inputs, rows: Vec<Vec<Edn>>) -> Result<Taken> {
    let window = Window::of(query, inputs)?;
    let mut rows = sorted(query, rows)?;
    if let Some(after) = &window.after {
        let equal = rows.iter().filter(|row| **row == after.row).count();
        rows.push(after.row.clone());
        let among = sorted(query, rows.clone())?;
        let first = among.iter().position(|row| *row == after.row).expect("it is among them");
        rows.pop();
        rows.drain(..first + equal.min(after.repeats as usize));
    }
    let end = window.limit.map_or(rows.len(), |limit| window.offset.saturating_add(limit));
    rows.truncate(end);
    let cursor = window.cursor(query, &rows);
    Ok(Taken { rows: rows.into_iter().skip(window.offset).collect(), cursor })
}

fn sorted(query: &Query, mut rows: Vec<Vec<Edn>>) -> Result<Vec<Vec<Edn>>> {
    for column in (0..query.find.elements().len()).rev() {
        rows.sort_by(|x, y| functions::total(&x[column], &y[column]));
    }
    for key in query.page.order_by.iter().rev() {
        let column = order::column(query, key)?;
        rows.sort_by(|x, y| match key.descending {
            true => functions::total(&y[column], &x[column]),
            false => functions::total(&x[column], &y[column]),
        });
    }
    Ok(rows)
}
