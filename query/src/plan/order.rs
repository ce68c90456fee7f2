//! Goals become steps: the cheapest that can run comes next.
//!
//! What only drops rows runs as soon as its variables are bound. Everything else is chosen by the rows it is expected
//! to leave. A goal that cannot run in any order is an error that names the variable it lacks.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::canonical;
use super::estimate::Guess;
use super::goals::Planner;
use super::lead::leads;
use super::star::Star;
use super::vars::{bound_by, shape_vars};
use super::{Block, Goal, Op, Place, Step, VarId};
use crate::edn::Span;
use crate::error::{Error, Result};
use crate::rules;

/// The most steps that are considered for one query.
const STEPS_MAX: usize = 200_000;

/// A goal that is still to be placed.
struct Pending {
    goal: Goal,
    /// Its place among the goals as they were given.
    at: usize,
    /// How many variables were bound when it last turned out that it cannot run yet.
    refused_at: Option<usize>,
}

impl Planner<'_> {
    /// The goals as steps.
    pub fn order(
        &mut self,
        goals: Vec<Goal>,
        given: &BTreeSet<VarId>,
        want: &[VarId],
        rows: f64,
    ) -> Result<Block> {
        Ok(self.arranged(goals, given, want, rows)?.0)
    }

    /// The goals as steps, and the order they were put in. `given` is bound before the first, `want` must be bound
    /// after the last.
    pub fn arranged(
        &mut self,
        goals: Vec<Goal>,
        given: &BTreeSet<VarId>,
        want: &[VarId],
        rows: f64,
    ) -> Result<(Block, Vec<usize>)> {
        let mut order = Vec::with_capacity(goals.len());
        let mut pending: Vec<Pending> =
            goals.into_iter().enumerate().map(|(at, goal)| Pending { goal, at, refused_at: None }).collect();
        canonical::sort(&mut pending, |one| &one.goal);
        let (mut bound, mut rows, mut steps) = (given.clone(), rows, Vec::with_capacity(pending.len()));
        let mut refusal = None;
        let goals: Vec<&Goal> = pending.iter().map(|one| &one.goal).collect();
        if let Some(var) = self.lead.take() {
            let first = (0..goals.len()).filter_map(|at| Some((at, leads(goals[at], var)?.count)));
            if let Some((at, count)) = first.min_by_key(|(_, count)| *count) {
                let op = self.operation(goals[at], &bound, rows)?;
                bound.extend(bound_by(std::slice::from_ref(goals[at])));
                order.push(pending.remove(at).at);
                rows *= count as f64;
                steps.push(Step { id: self.next_step()?, op, estimate: rows, live: Vec::new() });
            }
        } else if let Some(core) = self.core(&goals, &bound)? {
            let goals = core.goals.iter().filter_map(|at| match &pending[*at].goal {
                Goal::Match(goal) => Some(goal.clone()),
                _ => None,
            });
            let op = Op::Leap(goals.collect(), core.vars.clone());
            order.extend(core.goals.iter().map(|at| pending[*at].at));
            take(&mut pending, &core.goals);
            rows *= core.guess.rows;
            bound.extend(core.vars);
            steps.push(Step { id: self.next_step()?, op, estimate: rows, live: Vec::new() });
        }
        while !pending.is_empty() {
            let Some((at, guess)) = self.cheapest(&pending, &bound, rows) else {
                return Err(refusal.unwrap_or_else(|| self.stuck(&pending[0].goal, &bound)));
            };
            if let Some(star) = self.better_star(&pending, &bound, rows, &pending[at].goal, guess) {
                let goals: Vec<Goal> = star.goals.iter().map(|at| pending[*at].goal.clone()).collect();
                let vars: Vec<VarId> = bound_by(&goals).into_iter().collect();
                let block = self.order(goals, &BTreeSet::new(), &vars, 1.0)?;
                order.extend(star.goals.iter().map(|at| pending[*at].at));
                take(&mut pending, &star.goals);
                bound.extend(vars);
                rows = star.guess.rows;
                let id = self.next_step()?;
                steps.push(Step { id, op: Op::Star(block), estimate: rows, live: Vec::new() });
                continue;
            }
            match self.operation(&pending[at].goal, &bound, rows) {
                Ok(op) => {
                    bound.extend(bound_by(std::slice::from_ref(&pending[at].goal)));
                    order.push(pending.remove(at).at);
                    rows = guess.rows;
                    steps.push(Step { id: self.next_step()?, op, estimate: rows, live: Vec::new() });
                }
                Err(error) if error.keyword == INSUFFICIENT => {
                    pending[at].refused_at = Some(bound.len());
                    refusal.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        if let Some(var) = want.iter().find(|var| !bound.contains(var)) {
            return Err(self.unbound(*var, None));
        }
        let mut block = Block { steps, out: want.to_vec() };
        mark_live(&mut block, given);
        Ok((block, order))
    }

    /// A star that promises less than the cheapest goal. Rules are run again and again, so there a star would be too.
    fn better_star(
        &mut self,
        pending: &[Pending],
        bound: &BTreeSet<VarId>,
        rows: f64,
        goal: &Goal,
        guess: Guess,
    ) -> Option<Star> {
        if self.depth > 0 || is_filter(goal) {
            return None;
        }
        let goals: Vec<&Goal> = pending.iter().map(|one| &one.goal).collect();
        let star = self.star(&goals, bound, rows)?;
        match self.draw() {
            Some(number) => (number % 3 == 0).then_some(star),
            None => (star.guess.cost() < guess.cost()).then_some(star),
        }
    }

    /// A random number, if the order is to be drawn from a seed.
    fn draw(&mut self) -> Option<usize> {
        let seed = self.options.order.as_mut()?;
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Some((*seed >> 33) as usize)
    }

    fn next_step(&mut self) -> Result<usize> {
        self.steps += 1;
        if self.steps > STEPS_MAX {
            let message = "the query has too many nested alternatives to plan";
            return Err(Error::incorrect("db.error/query-too-complex", message));
        }
        Ok(self.steps - 1)
    }

    /// Which goal runs next, and what it is expected to do.
    fn cheapest(
        &mut self,
        pending: &[Pending],
        bound: &BTreeSet<VarId>,
        rows: f64,
    ) -> Option<(usize, Guess)> {
        let able = |one: &Pending| one.refused_at != Some(bound.len()) && is_ready(&one.goal, bound);
        let ready: Vec<usize> = (0..pending.len()).filter(|at| able(&pending[*at])).collect();
        if ready.is_empty() {
            return None;
        }
        if let Some(number) = self.draw() {
            let at = ready[number % ready.len()];
            return Some((at, self.guess(&pending[at].goal, bound, rows)));
        }
        let key = |at: &usize| {
            let guess = self.guess(&pending[*at].goal, bound, rows);
            (*at, guess, if is_filter(&pending[*at].goal) { -1.0 } else { guess.cost() })
        };
        let best = ready.iter().map(key).min_by(|x, y| x.2.total_cmp(&y.2))?;
        Some((best.0, best.1))
    }

    fn operation(&mut self, goal: &Goal, bound: &BTreeSet<VarId>, rows: f64) -> Result<Op> {
        Ok(match goal {
            Goal::Match(goal) => Op::Match(goal.clone()),
            Goal::Tuples(goal) => Op::Tuples(goal.clone()),
            Goal::Test(call) => Op::Test(call.clone()),
            Goal::Bind(call, shape) => Op::Bind(call.clone(), shape.clone()),
            Goal::Same(one, other) => Op::Same(*one, *other),
            Goal::Known(known) => Op::Known(known.clone()),
            Goal::Never(_) => Op::Never,
            Goal::Not { on, goals, .. } => {
                let given = on.iter().copied().collect();
                Op::Not { on: on.clone(), block: self.order(goals.clone(), &given, on, rows)? }
            }
            Goal::Or { on, branches, .. } => {
                let given: BTreeSet<VarId> = on.iter().copied().filter(|var| bound.contains(var)).collect();
                let branches = branches.iter().map(|branch| self.order(branch.clone(), &given, on, rows));
                let branches = branches.collect::<Result<_>>()?;
                Op::Or { given: given.into_iter().collect(), on: on.clone(), branches }
            }
            Goal::Call(call) => Op::Rule(call.clone(), Rc::new(rules::compile(self, call, bound)?)),
        })
    }

    /// The error for a goal that lacks a variable.
    fn stuck(&self, goal: &Goal, bound: &BTreeSet<VarId>) -> Error {
        let (mut needed, span) = match goal {
            Goal::Test(call) | Goal::Bind(call, _) => (call.vars().collect(), call.span),
            Goal::Not { on, span, .. } => (on.clone(), *span),
            Goal::Or { required, span, .. } => (required.clone(), *span),
            Goal::Call(call) => {
                (call.args[..call.required].iter().filter_map(|arg| arg.var()).collect(), call.span)
            }
            Goal::Known(known) => {
                (known.places[..known.required].iter().filter_map(|arg| arg.var()).collect(), None)
            }
            Goal::Same(one, other) => ([one.var(), other.var()].into_iter().flatten().collect(), None),
            _ => (Vec::new(), None),
        };
        needed.retain(|var| !bound.contains(var));
        match needed.first() {
            Some(var) => self.unbound(*var, span),
            None => Error::incorrect(INSUFFICIENT, "a clause needs a variable that nothing binds").at(span),
        }
    }

    fn unbound(&self, var: VarId, span: Option<Span>) -> Error {
        let name = &self.names[var.0 as usize];
        Error::incorrect(INSUFFICIENT, format!("nothing binds `{name}` where it is needed"))
            .hint("bind it by a pattern, a function or an input")
            .at(span)
    }
}

/// Takes away what was placed.
fn take(pending: &mut Vec<Pending>, placed: &[usize]) {
    let mut at = 0;
    pending.retain(|_| (!placed.contains(&at), at += 1).0);
}

/// The keyword of the error that says a variable is needed before it is bound.
pub const INSUFFICIENT: &str = "db.error/insufficient-binding";

fn is_ready(goal: &Goal, bound: &BTreeSet<VarId>) -> bool {
    let known = |place: &Place| place.var().is_none_or(|var| bound.contains(&var));
    match goal {
        Goal::Match(_) | Goal::Tuples(_) | Goal::Never(_) => true,
        Goal::Known(relation) => relation.places[..relation.required].iter().all(known),
        Goal::Test(call) | Goal::Bind(call, _) => call.vars().all(|var| bound.contains(&var)),
        Goal::Same(one, other) => known(one) || known(other),
        Goal::Not { on, .. } => on.iter().all(|var| bound.contains(var)),
        Goal::Or { required, .. } => required.iter().all(|var| bound.contains(var)),
        Goal::Call(call) => call.args[..call.required].iter().all(known),
    }
}

fn is_filter(goal: &Goal) -> bool {
    matches!(goal, Goal::Test(_) | Goal::Same(..) | Goal::Not { .. } | Goal::Never(_))
}

/// Tells each step which variables are still needed after it.
fn mark_live(block: &mut Block, given: &BTreeSet<VarId>) {
    let mut live: BTreeSet<VarId> = block.out.iter().copied().collect();
    // What steps before bind decides what a star must hand out to be joined; so stars are narrowed from the front.
    let mut bound: Vec<BTreeSet<VarId>> = vec![given.clone()];
    for step in &block.steps {
        let mut vars = bound.last().cloned().unwrap_or_default();
        op_vars(&step.op, &mut vars);
        bound.push(vars);
    }
    for (step, before) in block.steps.iter_mut().zip(&bound).rev() {
        step.live = live.iter().copied().collect();
        if let Op::Star(inner) = &mut step.op {
            inner.out.retain(|var| live.contains(var) || before.contains(var));
            mark_live(inner, &BTreeSet::new());
        }
        op_vars(&step.op, &mut live);
    }
}

fn op_vars(op: &Op, found: &mut BTreeSet<VarId>) {
    let places = |places: &[Place], found: &mut BTreeSet<VarId>| {
        found.extend(places.iter().filter_map(|place| place.var()));
    };
    match op {
        Op::Match(goal) => places(&goal.places, found),
        Op::Tuples(goal) => places(&goal.places, found),
        Op::Known(known) => places(&known.places, found),
        Op::Rule(call, _) => places(&call.args, found),
        Op::Same(one, other) => places(&[*one, *other], found),
        Op::Test(call) => found.extend(call.vars()),
        Op::Bind(call, shape) => {
            found.extend(call.vars());
            shape_vars(shape, found);
        }
        Op::Not { on, .. } | Op::Or { on, .. } => found.extend(on),
        Op::Star(block) => found.extend(&block.out),
        Op::Leap(_, vars) => found.extend(vars),
        Op::Never => {}
    }
}
