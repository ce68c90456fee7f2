//! Steps run, one after the other, each over whole columns.
//!
//! ```text
//!   table --step--> table --step--> table          a table is the rows so far: a column of cells a variable
//! ```
//!
//! One operator, one file. Operators work on cells (two words); texts and other large values are numbers of the
//! query's [`Pool`] from the moment they leave a scan until the answer is written. Every operator counts its rows
//! against the budget at least once a batch.

pub mod answer;
pub mod anti;
pub mod batch;
pub mod budget;
pub mod call;
pub mod collection;
pub mod column;
pub mod early;
pub mod emit;
pub mod extend;
pub mod filter;
#[cfg(test)]
mod fixture;
pub mod grown;
pub mod index;
pub mod join;
pub mod leap;
pub mod numbers;
pub mod pool;
pub mod probe;
pub mod question;
pub mod stream;
pub mod union;

use std::rc::Rc;

use crate::Budget;
use crate::ast::SourceName;
use crate::edn::Edn;
use crate::error::Result;
use crate::inputs::{Inputs, SourceArg};
use crate::plan::{Block, Op, Place, Plan, PlanOptions, Step};
use crate::rules::{self, Asked};
use batch::Table;
use column::Column;
use grown::Grown;
use index::KeyIndex;
use pool::Pool;

/// Rows kept with an index over some of their columns.
pub struct Loaded {
    /// The rows.
    pub table: Table,
    /// Their index, over the key columns in the order of the step's places.
    pub index: KeyIndex,
}

/// What a run remembers of a step.
#[derive(Default)]
pub struct StepState {
    /// Rows after the step, over all its runs.
    pub rows: u64,
    /// How often it ran.
    pub runs: u64,
    /// The way it went last.
    pub access: Option<&'static str>,
    /// Keys it has sought one by one.
    pub sought: u64,
    /// What it has loaded.
    pub loaded: Option<Rc<Loaded>>,
    /// What a rule has been asked, if it is called round after round.
    pub asked: Option<Asked>,
}

/// A query under way.
pub struct Run<'q> {
    /// All that the query is given.
    pub inputs: &'q Inputs,
    /// Where facts and tuples come from.
    pub sources: Vec<(&'q SourceName, &'q SourceArg)>,
    /// The values of the query.
    pub pool: &'q mut Pool,
    /// What it may use up.
    pub budget: &'q Budget,
    /// What is prescribed.
    pub options: PlanOptions,
    /// By step.
    pub states: Vec<StepState>,
    /// True while a rule is evaluated round by round, so that steps run again and again.
    pub repeating: bool,
    /// The relations of the rule that is being evaluated.
    pub known: Vec<Grown>,
}

impl<'q> Run<'q> {
    /// A run over these inputs.
    pub fn new(inputs: &'q Inputs, pool: &'q mut Pool, budget: &'q Budget, options: PlanOptions) -> Run<'q> {
        let sources = crate::plan::sources(inputs);
        Run {
            inputs,
            sources,
            pool,
            budget,
            options,
            states: Vec::new(),
            repeating: false,
            known: Vec::new(),
        }
    }

    /// Runs a plan to its end: the distinct rows over the variables that decide the answer, or those of them that come
    /// first if no others are wanted.
    pub fn answer(&mut self, plan: &Plan) -> Result<Vec<Vec<Edn>>> {
        if let Some(lead) = &plan.lead
            && let Some(rows) = early::rows(self, plan, lead)?
        {
            return Ok(rows);
        }
        let table = self.block(&plan.block, plan.start.clone())?.deduplicated();
        budget::check(self.budget, table.rows)?;
        Ok(answer::rows(&table, &plan.basis, self.pool))
    }

    /// Runs a block on the rows that are given to it; the columns that come out are the block's.
    pub fn block(&mut self, block: &Block, mut table: Table) -> Result<Table> {
        for step in &block.steps {
            if table.rows == 0 {
                break;
            }
            table = self.step(step, table)?;
        }
        // Without rows, some steps did not run, and their columns are not there.
        Ok(if table.rows == 0 { Table::empty(&block.out) } else { table.project(&block.out) })
    }

    fn step(&mut self, step: &Step, table: Table) -> Result<Table> {
        budget::check(self.budget, table.rows)?;
        let table = match &step.op {
            Op::Match(goal) => extend::run(self, step, goal, table)?,
            Op::Tuples(goal) => collection::run(self, step, goal, table)?,
            Op::Test(call) => filter::run(self, call, table)?,
            Op::Bind(call, shape) => call::run(self, call, shape, table)?,
            Op::Same(one, other) => same(*one, *other, table),
            Op::Not { on, block } => anti::run(self, on, block, table)?,
            Op::Or { given, on, branches } => union::run(self, given, on, branches, table)?,
            Op::Star(block) => {
                let found = self.block(block, Table::unit())?;
                let live: Vec<_> = table.vars.iter().chain(&found.vars).copied().collect();
                join::natural(table, found, &live, self.budget)?
            }
            Op::Leap(goals, vars) => {
                let found = leap::run(self, goals, vars)?;
                let live: Vec<_> = table.vars.iter().chain(&found.vars).copied().collect();
                join::natural(table, found, &live, self.budget)?
            }
            Op::Rule(call, compiled) => rules::run(self, step, call, compiled, table)?,
            Op::Known(known) => {
                self.known[known.relation].join(&known.places, table, &step.live, self.budget)?
            }
            Op::Never => Table::empty(&table.vars),
        };
        let table = table.keep(&step.live);
        let state = self.state(step.id);
        state.rows += table.rows as u64;
        state.runs += 1;
        Ok(table)
    }

    /// What is remembered of a step.
    pub fn state(&mut self, id: usize) -> &mut StepState {
        if self.states.len() <= id {
            self.states.resize_with(id + 1, StepState::default);
        }
        &mut self.states[id]
    }
}

/// Two places are one value: rows where they differ go, a place without value gets the other's.
fn same(one: Place, other: Place, mut table: Table) -> Table {
    let column = |place: Place, table: &Table| match place {
        Place::Const(cell) => Some(Column::constant(cell)),
        Place::Var(var) => table.position(var).map(|at| table.columns[at].clone()),
        Place::Blank => None,
    };
    match (column(one, &table), column(other, &table)) {
        (Some(x), Some(y)) => {
            let rows: Vec<u32> =
                (0..table.rows as u32).filter(|row| x.get(*row as usize) == y.get(*row as usize)).collect();
            let distinct = table.distinct;
            Table { distinct, ..table.gather(&rows) }
        }
        (Some(column), None) | (None, Some(column)) => {
            let unbound =
                [one, other].into_iter().filter_map(Place::var).find(|var| table.position(*var).is_none());
            if let Some(var) = unbound {
                table.vars.push(var);
                table.columns.push(column);
            }
            table
        }
        (None, None) => table,
    }
}
