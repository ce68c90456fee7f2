//! Questions: text and facts in, rows out. Pure: no file, no clock, no thread that outlives a call.
//!
//! Rooms, in the order of a question: [`edn`] (text to data), [`ast`] (what a query is), `parse` and `check` (data to
//! a query that makes sense), `plan`, `run` and `rules` (the fast path), [`source`] (the one seam to where facts are),
//! `find` and `aggregate` (the shape of an answer), `pull`; beside them `naive`, the slow evaluator that the fast
//! path must agree with, and `verify`, which holds one against the other.

pub mod aggregate;
pub mod answer;
pub mod ast;
pub mod check;
pub mod cursor;
pub mod edn;
pub mod error;
pub mod facts;
pub mod find;
pub mod functions;
pub mod inputs;
pub mod naive;
pub mod parse;
pub mod plan;
mod prepared;
pub mod pull;
pub mod resolve;
pub mod rules;
pub mod run;
pub mod source;
pub mod suggest;
mod verify;

#[cfg(test)]
mod fixture;

pub use answer::{Answer, Rows};
pub use error::{Error, Result};
pub use prepared::Prepared;
pub use run::budget::{Budget, Stopwatch};

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use find::cells::Cells;
use find::group::Groups;
use inputs::Inputs;
use plan::PlanOptions;
use plan::explain::Explain;
use plan::kept::Plans;
use run::Run;
use run::budget::Meter;
use run::pool::Pool;

/// One input of a query: what a name of `:in` stands for.
#[derive(Clone)]
pub enum QueryArg {
    /// A database.
    Source(Arc<dyn source::Source>),
    /// A log, for `tx-ids` and `tx-data`.
    Log(Arc<dyn source::TxLog>),
    /// Anything else: a value, a collection (also as a source), rules, a pull pattern.
    Value(edn::Edn),
}

impl fmt::Debug for QueryArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            QueryArg::Source(_) => f.write_str("Source"),
            QueryArg::Log(_) => f.write_str("Log"),
            QueryArg::Value(value) => write!(f, "{value}"),
        }
    }
}

/// Answers a query.
pub fn q(query: &ast::Query, args: &[QueryArg], budget: &Budget) -> Result<Answer> {
    q_with(query, args, budget, PlanOptions::default())
}

/// Runs a query and tells how it went.
pub fn explain(query: &ast::Query, args: &[QueryArg], budget: &Budget) -> Result<Explain> {
    explain_with(query, args, budget, PlanOptions::default())
}

/// As [`explain`], with some of the planner's choices prescribed.
pub fn explain_with(
    query: &ast::Query,
    args: &[QueryArg],
    budget: &Budget,
    options: PlanOptions,
) -> Result<Explain> {
    let inputs = Inputs::bind(query, args)?;
    let meter = Meter::new(budget);
    let begun = meter.now();
    told(&*checked(query, &inputs)?, &inputs, &meter, options, None, begun)
}

/// Runs a query that was checked, beginning at a moment of the meter's, and tells how it went.
pub(crate) fn told(
    query: &ast::Query,
    inputs: &Inputs,
    meter: &Meter,
    options: PlanOptions,
    plans: Option<&Plans>,
    begun: Option<Duration>,
) -> Result<Explain> {
    let meter = meter.within(find::page::timeout(query, inputs)?);
    let since = |begun: Option<Duration>| Some(meter.now()?.saturating_sub(begun?));
    let mut pool = Pool::default();
    let plan = plan::plan(query, inputs, &mut pool, options, plans, &meter)?;
    let planning = since(begun);
    let running = meter.now();
    let mut run = Run::new(inputs, &mut pool, &meter, options);
    run.timed = true;
    let table = run.answer(&plan)?;
    let told = Explain {
        lines: plan::explain::lines(&plan.block, &plan.names, &run),
        rows: table.rows as u64,
        seeks: run.seeks,
        search: plan.search.name(),
        planning,
        running: since(running),
        ..Explain::default()
    };
    drop(run);
    let shaping = meter.now();
    drop(find::shape(query, inputs, Cells::new(table, &plan.basis, &mut pool), &meter)?);
    Ok(Explain { shaping: since(shaping), bytes: meter.most_bytes(), ..told })
}

/// Answers a query given as text.
pub fn q_text(text: &str, args: &[QueryArg], budget: &Budget) -> Result<Answer> {
    q(&parse::query_text(text)?, args, budget)
}

/// Answers a query with some of the planner's choices prescribed. The answer is the same whatever they are.
pub fn q_with(
    query: &ast::Query,
    args: &[QueryArg],
    budget: &Budget,
    options: PlanOptions,
) -> Result<Answer> {
    q_inputs(query, &Inputs::bind(query, args)?, budget, options)
}

/// As [`q_with`], over inputs that were taken apart.
pub fn q_inputs(
    query: &ast::Query,
    inputs: &Inputs,
    budget: &Budget,
    options: PlanOptions,
) -> Result<Answer> {
    let meter = Meter::new(budget);
    answer(&*checked(query, inputs)?, inputs, &meter, options, None)
}

/// The query if it makes sense with these inputs, the program's aggregates marked.
pub(crate) fn checked<'q>(query: &'q ast::Query, inputs: &Inputs) -> Result<Cow<'q, ast::Query>> {
    let query = find::own::with_aggregates(query, inputs.functions())?;
    check::query(&query, inputs.rules())?;
    Ok(query)
}

/// Answers a query that was checked, and checks the answer if the query says so.
pub(crate) fn answer(
    query: &ast::Query,
    inputs: &Inputs,
    meter: &Meter,
    options: PlanOptions,
    plans: Option<&Plans>,
) -> Result<Answer> {
    let meter = &meter.within(find::page::timeout(query, inputs)?);
    let mut pool = Pool::default();
    let plan = plan::plan(query, inputs, &mut pool, options, plans, meter)?;
    let answer = match Groups::of(query, inputs.functions(), meter)? {
        Some(mut groups) => {
            find::grouped::take_all(&mut groups, query, inputs, (&plan, options), &mut pool, meter)?;
            find::shape_rows(query, inputs, groups.finish()?, meter)?
        }
        None => {
            let table = Run::new(inputs, &mut pool, meter, options).answer(&plan)?;
            find::shape(query, inputs, Cells::new(table, &plan.basis, &mut pool), meter)?
        }
    };
    if query.verify {
        verify::against_naive(query, inputs, &answer, meter)?;
    }
    Ok(answer)
}
