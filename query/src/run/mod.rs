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
pub mod direct;
pub mod each;
pub mod early;
pub mod emit;
pub mod extend;
pub mod filter;
#[cfg(test)]
mod fixture;
pub mod grown;
pub mod index;
pub mod instep;
pub mod join;
pub mod leap;
pub mod merge;
pub mod numbers;
pub mod parts;
pub mod pool;
pub mod probe;
pub mod question;
pub mod shards;
pub mod sort;
pub mod stream;
pub mod union;

use std::rc::Rc;
use std::time::Duration;

use crate::ast::SourceName;
use crate::error::Result;
use crate::inputs::{Inputs, SourceArg};
use crate::plan::{Block, Op, Place, Plan, PlanOptions, Step};
use crate::rules::{self, Asked};
use batch::Table;
use budget::{Hold, Meter};
use column::Column;
use grown::Grown;
use index::KeyIndex;
use parts::{Parts, Take};
use pool::Pool;

/// Rows kept with an index over some of their columns.
pub struct Loaded {
    /// The rows.
    pub table: Table,
    /// Their index, over the key columns in the order of the step's places.
    pub index: KeyIndex,
    /// The bytes of the rows.
    _held: Hold,
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
    /// Scans of the source it has made.
    pub seeks: u64,
    /// Rounds of the rules it has called, those inside of them too, and the rows that were new in them.
    pub rounds: (u64, u64),
    /// How long it took, with the steps inside of it.
    pub took: Duration,
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
    pub meter: &'q Meter,
    /// What is prescribed.
    pub options: PlanOptions,
    /// By step.
    pub states: Vec<StepState>,
    /// True while a rule is evaluated round by round, so that steps run again and again.
    pub repeating: bool,
    /// The relations of the rule that is being evaluated.
    pub known: Vec<Grown>,
    /// Scans made so far.
    pub seeks: u64,
    /// Rounds of rules so far, and the rows that were new in them.
    pub rounds: (u64, u64),
    /// True if steps are timed.
    pub timed: bool,
    /// The bytes of the pool.
    pool_held: Option<Hold>,
}

impl<'q> Run<'q> {
    /// A run over these inputs.
    pub fn new(inputs: &'q Inputs, pool: &'q mut Pool, meter: &'q Meter, options: PlanOptions) -> Run<'q> {
        let sources = crate::plan::sources(inputs);
        Run {
            inputs,
            sources,
            pool,
            meter,
            options,
            states: Vec::new(),
            repeating: false,
            known: Vec::new(),
            seeks: 0,
            rounds: (0, 0),
            timed: false,
            pool_held: None,
        }
    }

    /// Runs a plan to its end: distinct rows in which the variables are that decide the answer, or those of them that
    /// come first if no others are wanted.
    pub fn answer(&mut self, plan: &Plan) -> Result<Table> {
        if let Some(lead) = &plan.lead
            && let Some(found) = early::rows(self, plan, lead)?
        {
            return Ok(found);
        }
        self.block(&plan.block, plan.start.clone())?.deduplicated(self.meter)
    }

    /// As [`Run::answer`], but hands the rows on in parts where the last step can: no row is in two of them.
    pub fn answer_in_parts(&mut self, plan: &Plan, take: Take<'_>) -> Result<()> {
        let out = &plan.block.out;
        // Rows that are different must be so in the columns that come out.
        let is_whole = |step: &Step| step.live.iter().all(|var| out.contains(var));
        let last = plan.block.steps.split_last().filter(|(step, _)| plan.lead.is_none() && is_whole(step));
        let Some((step @ Step { op: Op::Match(goal), .. }, before)) = last else {
            let table = self.answer(plan)?;
            return take(table, self.pool);
        };
        let mut table = plan.start.clone();
        for step in before {
            if table.rows == 0 {
                return Ok(());
            }
            table = self.step(step, table)?;
        }
        let meter = self.meter;
        meter.check(table.rows)?;
        let _held = meter.hold(table.bytes())?;
        let mut take = |part: Table, pool: &mut Pool| {
            if part.rows == 0 {
                // A step that finds nothing need not have its columns.
                return Ok(());
            }
            take(part.keep(&step.live).arranged(out).deduplicated(meter)?, pool)
        };
        let parts = Parts::new(&mut take, self.options.part);
        extend::in_parts(self, step, goal, table, parts)?;
        self.hold_pool()
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
        Ok(if table.rows == 0 { Table::empty(&block.out) } else { table.arranged(&block.out) })
    }

    fn step(&mut self, step: &Step, table: Table) -> Result<Table> {
        self.meter.check(table.rows)?;
        let begun = if self.timed { self.meter.now() } else { None };
        let _held = self.meter.hold(table.bytes())?;
        let table = match &step.op {
            Op::Match(goal) => extend::run(self, step, goal, table)?,
            Op::Tuples(goal) => collection::run(self, step, goal, table)?,
            Op::Test(call) => filter::run(self, call, table)?,
            Op::Bind(call, shape) => call::run(self, call, shape, table)?,
            Op::Same(one, other) => same(*one, *other, table, self.meter)?,
            Op::Not { on, block } => anti::run(self, on, block, table)?,
            Op::Or { given, on, branches } => union::run(self, given, on, branches, table)?,
            Op::Star(block) => {
                let found = self.block(block, Table::unit())?;
                join::whole(table, found, self.meter)?
            }
            Op::Leap(goals, vars) => {
                let found = leap::run(self, goals, vars)?;
                join::whole(table, found, self.meter)?
            }
            Op::Rule(call, compiled) => rules::run(self, step, call, compiled, table)?,
            Op::Known(known) => {
                self.known[known.relation].join(&known.places, table, &step.live, self.meter)?
            }
            Op::Never => Table::empty(&table.vars),
        };
        let table = table.keep(&step.live);
        self.hold_pool()?;
        let took = begun.and_then(|begun| Some(self.meter.now()?.saturating_sub(begun)));
        let state = self.state(step.id);
        state.took += took.unwrap_or_default();
        state.rows += table.rows as u64;
        state.runs += 1;
        Ok(table)
    }

    /// Notes how large the pool has become.
    fn hold_pool(&mut self) -> Result<()> {
        let bytes = self.pool.settle();
        match &mut self.pool_held {
            Some(held) => held.become_bytes(self.meter, bytes),
            none => {
                *none = Some(self.meter.hold(bytes)?);
                Ok(())
            }
        }
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
fn same(one: Place, other: Place, mut table: Table, meter: &Meter) -> Result<Table> {
    let column = |place: Place, table: &Table| match place {
        Place::Const(cell) => Some(Column::constant(cell)),
        Place::Var(var) => table.position(var).map(|at| table.columns[at].clone()),
        Place::Blank => None,
    };
    match (column(one, &table), column(other, &table)) {
        (Some(x), Some(y)) => {
            let rows = join::kept(table.rows, meter, |row| x.get(row) == y.get(row))?;
            let distinct = table.distinct;
            table = Table { distinct, ..table.gathered(&rows, meter)? };
        }
        (Some(column), None) | (None, Some(column)) => {
            let unbound =
                [one, other].into_iter().filter_map(Place::var).find(|var| table.position(*var).is_none());
            if let Some(var) = unbound {
                table.vars.push(var);
                table.columns.push(column);
            }
        }
        (None, None) => {}
    }
    Ok(table)
}
