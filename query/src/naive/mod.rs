//! The slow evaluator: what a query means, written down as plainly as it can be run.
//!
//! No index, no plan, no columns. Every source is read once, whole; a binding is a map from variables to values; a
//! clause turns a set of bindings into another; a join compares every pair. The fast path must give the same answer
//! to every query, so this room is read when the two differ, and it must be visibly right.
//!
//! ```text
//!   Inputs --join--> bindings --clause--> bindings --clause--> … --answer--> rows --find::finish--> Answer
//! ```
//!
//! Clauses run in the order they stand, each as soon as the variables it needs are bound, `not` last ([`order`]). Rules are
//! answered call by call from a table that is filled until nothing new comes ([`rules`]); what stands under a
//! `not` is answered completely before the `not` is.

mod answer;
mod call;
mod order;
mod pattern;
pub mod pull;
mod rules;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::answer::Answer;
use crate::ast::{Clause, ClauseKind, Query, SourceName, Var};
use crate::edn::Edn;
use crate::error::{Error, Result};
use crate::inputs::places::{self, scoped};
use crate::inputs::{Inputs, destructure};
use crate::run::budget::Meter;
use crate::{Budget, QueryArg, find};

use order::Order;
use rules::Tables;

/// Values of variables that hold together.
type Env = BTreeMap<Var, Edn>;

/// Bindings, each with the same variables.
type Envs = BTreeSet<Env>;

/// Names of variables.
type Vars = BTreeSet<Var>;

/// Answers a query.
pub fn q(query: &Query, args: &[QueryArg], budget: &Budget) -> Result<Answer> {
    answer(query, &Inputs::bind(query, args)?, &Meter::new(budget))
}

/// Answers a query over inputs that were taken apart.
pub fn answer(query: &Query, inputs: &Inputs, meter: &Meter) -> Result<Answer> {
    let meter = &meter.within(find::page::timeout(query, inputs)?);
    let query = &*find::own::with_aggregates(query, inputs.functions())?;
    order::refuse_negation_in_recursion(inputs.rules())?;
    let world = World { inputs, facts: pattern::read_all(inputs, meter)?, order: Order::new(inputs), meter };

    let (mut bound, mut envs) = (Vars::new(), Envs::from([Env::new()]));
    for relation in inputs.relations() {
        let rows =
            relation.rows.iter().map(|row| relation.vars.iter().cloned().zip(row.iter().cloned()).collect());
        envs = world.join(&envs, &rows.collect())?;
        bound.extend(relation.vars.iter().cloned());
    }
    let source = SourceName::default_source();
    let envs = world.satisfy(
        &Whole { clauses: &query.clauses, source: &source },
        &query.clauses,
        &source,
        &mut bound,
        envs,
        &mut Tables::default(),
    )?;

    let basis = find::basis(query);
    if let Some(var) = basis.iter().find(|var| !bound.contains(var)) {
        let message = format!("the query asks for {}, which nothing binds", var.0);
        return Err(Error::incorrect("db.error/unbound-variable", message));
    }
    let envs = world.project(&envs, &basis.iter().copied().cloned().collect())?;
    let rows = answer::rows(query, inputs.functions(), &envs, meter)?;
    find::finish(query, inputs, answer::page(query, inputs, rows)?, meter)
}

/// The query or the rule's body that clauses are a part of, and what `$` stands for there.
struct Whole<'w> {
    clauses: &'w [Clause],
    source: &'w SourceName,
}

/// All that stays the same while a query is answered.
struct World<'q> {
    inputs: &'q Inputs,
    facts: HashMap<SourceName, Vec<Vec<Edn>>>,
    order: Order<'q>,
    meter: &'q Meter,
}

impl World<'_> {
    /// The bindings that satisfy all the clauses and extend one of `envs`; `bound` grows by what they bind.
    fn satisfy(
        &self,
        whole: &Whole<'_>,
        clauses: &[Clause],
        source: &SourceName,
        bound: &mut Vars,
        mut envs: Envs,
        tables: &mut Tables,
    ) -> Result<Envs> {
        let mut pending = order::flat(clauses);
        while !pending.is_empty() {
            let (at, then) = self.order.next(&pending, bound)?;
            let clause = pending.remove(at);
            envs = self
                .step(whole, clause, source, bound, envs, tables)
                .map_err(|error| error.at(clause.span))?;
            *bound = then;
            self.meter.check(envs.len())?;
        }
        Ok(envs)
    }

    fn step(
        &self,
        whole: &Whole<'_>,
        clause: &Clause,
        source: &SourceName,
        bound: &Vars,
        envs: Envs,
        tables: &mut Tables,
    ) -> Result<Envs> {
        match &clause.kind {
            ClauseKind::Pattern { source: named, terms } => {
                self.join(&envs, &self.pattern(&scoped(named, source), terms)?)
            }
            ClauseKind::Predicate(call) => {
                let mut kept = Envs::new();
                for env in envs {
                    self.meter.tick()?;
                    if crate::functions::holds(&self.call(call, source, &env)?) {
                        kept.insert(env);
                    }
                }
                Ok(kept)
            }
            ClauseKind::Function(call, binding) => {
                let mut extended = Envs::new();
                for env in envs {
                    self.meter.tick()?;
                    let value = self.call(call, source, &env)?;
                    if value == Edn::Nil {
                        continue;
                    }
                    let wrong = |message| {
                        Error::incorrect(
                            "db.error/binding-shape",
                            format!("the result of `{}`: {message}", call.name),
                        )
                    };
                    let (vars, rows) = destructure(binding, &value, &wrong)?;
                    let mut found = Envs::new();
                    for row in rows {
                        found.insert(self.settled(whole, vars.iter().cloned().zip(row).collect())?);
                    }
                    extended.extend(self.join(&Envs::from([env]), &found)?);
                }
                Ok(extended)
            }
            ClauseKind::And(_) => unreachable!("the clauses of an `and` are taken out of it"),
            ClauseKind::Not { source: named, join, clauses } => {
                let shared = order::not_vars(join.as_deref(), clauses, bound);
                let start = self.project(&envs, &shared)?;
                let inner =
                    self.satisfy_completely(whole, clauses, &scoped(named, source), &shared, start, tables)?;
                let excluded = self.project(&inner, &shared)?;
                Ok(envs.into_iter().filter(|env| !excluded.contains(&only(env, &shared))).collect())
            }
            ClauseKind::Or { source: named, join, branches, .. } => {
                let shared = order::or_vars(join.as_deref(), branches);
                let inside: Vars = shared.intersection(bound).cloned().collect();
                let mut union = Envs::new();
                for branch in branches {
                    let start = self.project(&envs, &inside)?;
                    let found = self.satisfy(
                        whole,
                        branch,
                        &scoped(named, source),
                        &mut inside.clone(),
                        start,
                        tables,
                    )?;
                    union.extend(self.project(&found, &shared)?);
                }
                self.join(&envs, &union)
            }
            ClauseKind::Rule { source: named, name, args } => {
                self.rule(&scoped(named, source), name, args, envs, tables)
            }
        }
    }

    /// A result with its names settled.
    fn settled(&self, whole: &Whole<'_>, result: Env) -> Result<Env> {
        let mut settled = Env::new();
        for (var, value) in result {
            let places = places::of_variable_over(whole.clauses, self.inputs.rules(), &var, whole.source);
            settled.insert(var, places::settle_result(self.inputs, &places, &value)?.into_owned());
        }
        Ok(settled)
    }

    /// As `satisfy`, but for clauses under a `not`: rules met there are answered completely.
    fn satisfy_completely(
        &self,
        whole: &Whole<'_>,
        clauses: &[Clause],
        source: &SourceName,
        bound: &Vars,
        envs: Envs,
        tables: &mut Tables,
    ) -> Result<Envs> {
        let mut complete = tables.beside();
        let found = self.satisfy(whole, clauses, source, &mut bound.clone(), envs, &mut complete)?;
        tables.keep(complete);
        Ok(found)
    }

    /// Every pair that agrees on the variables both have.
    fn join(&self, left: &Envs, right: &Envs) -> Result<Envs> {
        let mut joined = Envs::new();
        for x in left {
            for y in right {
                self.meter.tick()?;
                if x.iter().all(|(var, value)| y.get(var).is_none_or(|other| other == value)) {
                    joined
                        .insert(x.iter().chain(y).map(|(var, value)| (var.clone(), value.clone())).collect());
                }
            }
            self.meter.check(joined.len())?;
        }
        Ok(joined)
    }

    /// The bindings without all but these variables.
    fn project(&self, envs: &Envs, vars: &Vars) -> Result<Envs> {
        envs.iter().map(|env| self.meter.tick().map(|()| only(env, vars))).collect()
    }
}

/// A binding without all but these variables.
fn only(env: &Env, vars: &Vars) -> Env {
    env.iter()
        .filter(|(var, _)| vars.contains(*var))
        .map(|(var, value)| (var.clone(), value.clone()))
        .collect()
}

#[cfg(test)]
mod tests;
