//! From a query that makes sense to steps that can run.
//!
//! ```text
//!   clauses --goals--> goals --order--> arrangement --goals again--> block of steps --explain--> text
//!                        \--key--> kept --/
//! ```
//!
//! [`goals`] replaces names by what they stand for (variables by numbers, idents by entities, small rules by their
//! bodies); `canonical` forgets how they were written down; [`order`] puts the goals in the order in which they are
//! cheapest, found by `search` if they are few, `cyclic` and [`lead`] first where these promise less; what is left of rules goes to [`crate::rules`]. An
//! [`arrangement`] names goals by number: it is [`kept`] for calls of the query that the planner cannot tell apart (`key`). A plan
//! never decides what an answer is, only how it is found.

pub mod arrangement;
mod canonical;
mod cyclic;
pub mod estimate;
pub mod explain;
pub mod goals;
pub mod kept;
mod key;
pub mod lead;
mod links;
mod narrow;
pub mod order;
pub mod pattern;
pub mod recursion;
mod search;
pub mod star;
pub mod steps;
pub mod vars;

pub use steps::{
    Access, Argument, Attr, Block, Callee, Goal, Invocation, Known, Match, Op, Place, PlanOptions, RuleCall,
    Shape, Step, Tuples, VarId,
};

use std::sync::Arc;

use annals_storage::datom::Symbol;

use crate::ast::{Query, SourceName, Var};
use crate::edn::Edn;
use crate::error::{Error, Result};
use crate::find;
use crate::inputs::{Inputs, SourceArg};
use crate::run::batch::Table;
use crate::run::budget::Meter;
use crate::run::column::{Column, ColumnBuilder};
use crate::run::join;
use crate::run::pool::Pool;
use arrangement::{Arrangement, Search};
use goals::{Planner, Scope};
use kept::{Kept, Plans};
use key::Key;
use lead::Lead;

/// Everything needed to run a query once.
pub struct Plan {
    /// The steps.
    pub block: Block,
    /// Where facts and tuples come from is the inputs' affair; these are the rows that the inputs bind.
    pub start: Table,
    /// What the variables that decide the answer are: columns of the result, or constants.
    pub basis: Vec<Place>,
    /// The names of variables, by number.
    pub names: Vec<Symbol>,
    /// What was prescribed.
    pub options: PlanOptions,
    /// How the order of the steps was found.
    pub search: Search,
    /// The value that orders the answer, if the first step follows it and only the first rows are wanted.
    pub lead: Option<Lead>,
}

/// Plans a query over its inputs. If its plans are kept, the order may be that of an earlier call; then nothing may be
/// prescribed.
pub fn plan(
    query: &Query,
    inputs: &Inputs,
    pool: &mut Pool,
    options: PlanOptions,
    plans: Option<&Plans>,
    meter: &Meter,
) -> Result<Plan> {
    let rules = inputs.rule_book().sorted_out();
    let sources = sources(inputs);
    let mut planner = Planner {
        inputs,
        sources,
        rules,
        pool,
        names: Vec::new(),
        steps: 0,
        options,
        depth: 0,
        lead: None,
        sampled: false,
    };
    let mut scope = Scope { whole: (&query.clauses, None), ..Scope::default() };
    let start = planner.start(&mut scope, meter)?;
    let goals = planner.goals(&query.clauses, &mut scope)?;
    let deciding = find::basis(query);
    let basis: Vec<Place> = deciding
        .iter()
        .map(|var| scope.vars.get(*var).copied().ok_or_else(|| asked_of_nothing(&var.0)))
        .collect::<Result<_>>()?;
    let mut want: Vec<VarId> = basis.iter().filter_map(|place| place.var()).collect();
    want.sort_unstable();
    want.dedup();
    let lead = match start.vars.is_empty() && start.rows == 1 {
        true => planner.lead(query, &deciding, &scope, inputs)?,
        false => None,
    };
    let kept = planner.kept_or_made(plans, &goals, &start, &want, lead.as_ref())?;
    let Kept { arrangement, leads } = &*kept;
    let block = arrangement.block(goals);
    let lead = lead.filter(|_| *leads);
    Ok(Plan { block, start, basis, names: planner.names, options, search: arrangement.search, lead })
}

/// The error for a variable of `:find` that no clause and no input has.
fn asked_of_nothing(name: &Symbol) -> Error {
    let message = format!("the query asks for {name}, which nothing binds");
    Error::incorrect("db.error/unbound-variable", message)
}

/// Rows that a plan is expected to make on its way.
fn made(arranged: &Arrangement) -> f64 {
    arranged.steps.iter().map(|step| step.estimate).sum()
}

/// The sources of a query, by name: the number of a source is its place here.
pub(crate) fn sources(inputs: &Inputs) -> Vec<(&SourceName, &SourceArg)> {
    let mut sources: Vec<_> = inputs.sources().collect();
    sources.sort_by_key(|(name, _)| *name);
    sources
}

impl Planner<'_> {
    /// The order of the goals: the one that is kept, else a new one.
    fn kept_or_made(
        &mut self,
        plans: Option<&Plans>,
        goals: &[Goal],
        start: &Table,
        want: &[VarId],
        lead: Option<&Lead>,
    ) -> Result<Arc<Kept>> {
        let Some(plans) = plans else { return Ok(Arc::new(self.make(goals, start, want, lead)?)) };
        let key = Key::of(goals, &self.sources, start, want, lead);
        if let Some(kept) = key.as_ref().and_then(|key| plans.find(key)) {
            return Ok(kept);
        }
        let made = Arc::new(self.make(goals, start, want, lead)?);
        plans.note(key.filter(|_| !self.sampled), &made);
        Ok(made)
    }

    fn make(&mut self, goals: &[Goal], start: &Table, want: &[VarId], lead: Option<&Lead>) -> Result<Kept> {
        let bindable = vars::bound_by(goals);
        let is_bound = |var: &&VarId| bindable.contains(var) || start.position(**var).is_some();
        if let Some(var) = want.iter().find(|var| !is_bound(var)) {
            return Err(asked_of_nothing(&self.names[var.0 as usize]));
        }
        let given = start.vars.iter().copied().collect();
        let all: Vec<&Goal> = goals.iter().collect();
        let arrangement = self.arrange(&all, &given, want, start.rows as f64)?;
        let facts = lead.and_then(|lead| Some((lead, self.leading_facts(lead, goals)?)));
        let rows = arrangement.steps.last().map_or(1.0, |step| step.estimate);
        match facts {
            Some((lead, facts)) if self.is_worth_leading(lead, facts, rows, made(&arrangement)) => {
                self.lead = Some(lead.var);
                let arrangement = self.arrange(&all, &given, want, start.rows as f64)?;
                Ok(Kept { arrangement, leads: true })
            }
            _ => Ok(Kept { arrangement, leads: false }),
        }
    }

    /// The rows that the inputs bind. A variable that has one value in all of them becomes a constant of the scope.
    fn start(&mut self, scope: &mut Scope<'_>, meter: &Meter) -> Result<Table> {
        let mut start = Table::unit();
        let mut vars: Vec<(&Var, VarId)> = Vec::new();
        for relation in self.inputs.relations() {
            let mut table = Table { rows: relation.rows.len(), distinct: true, ..Table::default() };
            for (at, var) in relation.vars.iter().enumerate() {
                let id = match vars.iter().find(|(known, _)| *known == var) {
                    Some((_, id)) => *id,
                    None => self.fresh(&var.0),
                };
                vars.push((var, id));
                table.vars.push(id);
                table.columns.push(self.input_column(&relation.rows, at));
            }
            let live: Vec<VarId> = start.vars.iter().chain(&table.vars).copied().collect();
            start = join::natural(start, table, &live, meter)?;
        }
        for (var, id) in vars {
            let column = start.column(id);
            let constant = if start.rows == 1 { Some(column.get(0)) } else { column.as_constant() };
            scope.vars.insert(var.clone(), constant.map_or(Place::Var(id), Place::Const));
        }
        let kept: Vec<VarId> = scope.vars.values().filter_map(|place| place.var()).collect();
        let distinct = start.distinct;
        Ok(Table { distinct, ..start.keep(&kept) })
    }

    fn input_column(&mut self, rows: &[Vec<Edn>], at: usize) -> Column {
        if let [row] = rows {
            return Column::constant(self.pool.intern_edn(&row[at]));
        }
        let mut builder = ColumnBuilder::default();
        rows.iter().for_each(|row| builder.push(self.pool.intern_edn(&row[at])));
        builder.finish()
    }
}
