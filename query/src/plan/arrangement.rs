//! The order of a plan without what it puts in order: steps that name goals by their place among those given.
//!
//! An arrangement holds no value of a query, so that it can be kept and filled with the goals of another call which
//! look the same to the planner (`key`). A goal stands in exactly one step.

use std::sync::Arc;

use super::{Block, Goal, Op, Step, VarId};
use crate::rules::Compiled;

/// Goals in their order.
#[derive(Debug, Default)]
pub struct Arrangement {
    /// The steps.
    pub steps: Vec<Placed>,
    /// The variables that come out.
    pub out: Vec<VarId>,
}

/// A step, its goals by number.
#[derive(Debug)]
pub struct Placed {
    /// Its number in the whole plan.
    pub id: usize,
    /// What it does.
    pub what: What,
    /// How many rows the planner expects after it.
    pub estimate: f64,
    /// The variables that are still needed after it.
    pub live: Arc<[VarId]>,
}

/// What a step does.
#[derive(Debug)]
pub enum What {
    /// One goal.
    Goal(usize, Inside),
    /// Patterns on one entity, answered by themselves; inside they have numbers of their own.
    Star(Vec<usize>, Arrangement),
    /// Patterns joined all at once over these variables.
    Leap(Vec<usize>, Vec<VarId>),
}

/// The order of what stands inside of a goal.
#[derive(Debug)]
pub enum Inside {
    /// Nothing.
    Nothing,
    /// What must not hold.
    Not(Arrangement),
    /// The variables that are given to the branches, and those.
    Or(Vec<VarId>, Vec<Arrangement>),
    /// The program of a rule.
    Rule(Arc<Compiled>),
}

impl Arrangement {
    /// The steps with these goals in them.
    pub fn block(&self, goals: Vec<Goal>) -> Block {
        let mut goals: Vec<Option<Goal>> = goals.into_iter().map(Some).collect();
        let step = |placed: &Placed| Step {
            id: placed.id,
            op: placed.what.op(&mut goals),
            estimate: placed.estimate,
            live: Arc::clone(&placed.live),
        };
        Block { steps: self.steps.iter().map(step).collect(), out: self.out.clone() }
    }

    /// The goals in their order.
    pub fn order(&self) -> impl Iterator<Item = usize> {
        self.steps.iter().flat_map(|placed| placed.what.goals()).copied()
    }
}

impl What {
    /// The goals of the step.
    pub fn goals(&self) -> &[usize] {
        match self {
            What::Goal(at, _) => std::slice::from_ref(at),
            What::Star(all, _) | What::Leap(all, _) => all,
        }
    }

    fn op(&self, goals: &mut [Option<Goal>]) -> Op {
        let mut own = self.goals().iter().map(|at| goals[*at].take().expect("a goal stands in one step"));
        match self {
            What::Goal(_, inside) => inside.op(own.next().expect("a step has a goal")),
            What::Star(_, star) => Op::Star(star.block(own.collect())),
            What::Leap(_, vars) => {
                let matches = own.filter_map(|goal| match goal {
                    Goal::Match(goal) => Some(goal),
                    _ => None,
                });
                Op::Leap(matches.collect(), vars.clone())
            }
        }
    }
}

impl Inside {
    fn op(&self, goal: Goal) -> Op {
        match (goal, self) {
            (Goal::Match(goal), _) => Op::Match(goal),
            (Goal::Tuples(goal), _) => Op::Tuples(goal),
            (Goal::Test(call), _) => Op::Test(call),
            (Goal::Bind(call, shape), _) => Op::Bind(call, shape),
            (Goal::Same(one, other), _) => Op::Same(one, other),
            (Goal::Known(known), _) => Op::Known(known),
            (Goal::Never(_), _) => Op::Never,
            (Goal::Not { on, goals, .. }, Inside::Not(inner)) => Op::Not { on, block: inner.block(goals) },
            (Goal::Or { on, branches, .. }, Inside::Or(given, inner)) => {
                let branches = inner.iter().zip(branches).map(|(inner, branch)| inner.block(branch));
                Op::Or { given: given.clone(), on, branches: branches.collect() }
            }
            (Goal::Call(call), Inside::Rule(compiled)) => Op::Rule(call, Arc::clone(compiled)),
            (goal, _) => unreachable!("{goal:?} was arranged as another kind of goal"),
        }
    }
}
