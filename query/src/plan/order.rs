//! Goals become steps: the cheapest that can run comes next.
//!
//! What only drops rows runs as soon as its variables are bound. Everything else is chosen by the rows it is expected
//! to leave. A goal that cannot run in any order is an error that names the variable it lacks.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::arrangement::{Arrangement, Inside, Placed, What};
use super::canonical;
use super::estimate::Guess;
use super::goals::Planner;
use super::lead::leads;
use super::star::Star;
use super::vars::{bound_by, shape_vars};
use super::{Block, Goal, Place, VarId};
use crate::edn::Span;
use crate::error::{Error, Result};
use crate::rules;

/// The most steps that are considered for one query.
const STEPS_MAX: usize = 200_000;

/// A goal that is still to be placed.
struct Pending {
    /// Its place among the goals as they were given.
    at: usize,
    /// How many variables were bound when it last turned out that it cannot run yet.
    refused_at: Option<usize>,
}

/// An order that is being made.
struct Draft<'g> {
    goals: &'g [&'g Goal],
    pending: Vec<Pending>,
    /// What is bound after the steps so far, and how many rows there are then.
    bound: BTreeSet<VarId>,
    rows: f64,
    steps: Vec<Placed>,
}

impl<'g> Draft<'g> {
    fn goal(&self, at: usize) -> &'g Goal {
        self.goals[self.pending[at].at]
    }

    /// The goals that are still to be placed.
    fn open(&self) -> Vec<&'g Goal> {
        self.pending.iter().map(|one| self.goals[one.at]).collect()
    }

    /// What these pending goals are called in an arrangement.
    fn numbers(&self, pending: &[usize]) -> Vec<usize> {
        pending.iter().map(|at| self.pending[*at].at).collect()
    }

    /// Puts these pending goals into the next step.
    fn place(&mut self, id: usize, what: What, placed: &[usize], rows: f64) {
        for at in placed {
            self.bound.extend(bound_by([self.goal(*at)]));
        }
        let mut at = 0;
        self.pending.retain(|_| (!placed.contains(&at), at += 1).0);
        self.rows = rows;
        self.steps.push(Placed { id, what, estimate: rows, live: Arc::default() });
    }
}

impl Planner<'_> {
    /// The goals as steps. `given` is bound before the first, `want` must be bound after the last.
    pub fn order(
        &mut self,
        goals: Vec<Goal>,
        given: &BTreeSet<VarId>,
        want: &[VarId],
        rows: f64,
    ) -> Result<Block> {
        let arranged = self.arrange(&goals.iter().collect::<Vec<_>>(), given, want, rows)?;
        Ok(arranged.block(goals))
    }

    /// The order of the goals, as [`Planner::order`] takes them.
    pub fn arrange(
        &mut self,
        goals: &[&Goal],
        given: &BTreeSet<VarId>,
        want: &[VarId],
        rows: f64,
    ) -> Result<Arrangement> {
        let pending =
            canonical::order(goals).into_iter().map(|at| Pending { at, refused_at: None }).collect();
        let steps = Vec::with_capacity(goals.len());
        let mut draft = Draft { goals, pending, bound: given.clone(), rows, steps };
        self.begin(&mut draft)?;
        let mut refusal = None;
        while !draft.pending.is_empty() {
            let Some((at, guess)) = self.cheapest(&draft) else {
                return Err(refusal.unwrap_or_else(|| self.stuck(draft.goal(0), &draft.bound)));
            };
            if let Some(star) = self.better_star(&draft, draft.goal(at), guess) {
                let own: Vec<&Goal> = star.goals.iter().map(|at| draft.goal(*at)).collect();
                let vars: Vec<VarId> = bound_by(own.iter().copied()).into_iter().collect();
                let inner = self.arrange(&own, &BTreeSet::new(), &vars, 1.0)?;
                let what = What::Star(draft.numbers(&star.goals), inner);
                draft.place(self.next_step()?, what, &star.goals, star.guess.rows);
                continue;
            }
            match self.inside(draft.goal(at), &draft.bound, draft.rows) {
                Ok(inside) => {
                    let what = What::Goal(draft.pending[at].at, inside);
                    draft.place(self.next_step()?, what, &[at], guess.rows);
                }
                Err(error) if error.keyword == INSUFFICIENT => {
                    draft.pending[at].refused_at = Some(draft.bound.len());
                    refusal.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        if let Some(var) = want.iter().find(|var| !draft.bound.contains(var)) {
            return Err(self.unbound(*var, None));
        }
        let mut arranged = Arrangement { steps: draft.steps, out: want.to_vec() };
        mark_live(&mut arranged, goals, given);
        Ok(arranged)
    }

    /// What comes first, whatever the others cost: the pattern that leads, or a core that is joined all at once.
    fn begin(&mut self, draft: &mut Draft<'_>) -> Result<()> {
        let open = draft.open();
        if let Some(var) = self.lead.take() {
            let first = (0..open.len()).filter_map(|at| Some((at, leads(open[at], var)?.count)));
            if let Some((at, count)) = first.min_by_key(|(_, count)| *count) {
                let what = What::Goal(draft.pending[at].at, Inside::Nothing);
                draft.place(self.next_step()?, what, &[at], draft.rows * count as f64);
            }
        } else if let Some(core) = self.core(&open, &draft.bound)? {
            let what = What::Leap(draft.numbers(&core.goals), core.vars);
            draft.place(self.next_step()?, what, &core.goals, draft.rows * core.guess.rows);
        }
        Ok(())
    }

    /// A star that promises less than the cheapest goal. Rules are run again and again, so there a star would be too.
    fn better_star(&mut self, draft: &Draft<'_>, goal: &Goal, guess: Guess) -> Option<Star> {
        if self.depth > 0 || is_filter(goal) {
            return None;
        }
        let star = self.star(&draft.open(), &draft.bound, draft.rows)?;
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
    fn cheapest(&mut self, draft: &Draft<'_>) -> Option<(usize, Guess)> {
        let Draft { pending, bound, rows, .. } = draft;
        let able =
            |at: &usize| pending[*at].refused_at != Some(bound.len()) && is_ready(draft.goal(*at), bound);
        let ready: Vec<usize> = (0..pending.len()).filter(able).collect();
        if ready.is_empty() {
            return None;
        }
        if let Some(number) = self.draw() {
            let at = ready[number % ready.len()];
            return Some((at, self.guess(draft.goal(at), bound, *rows)));
        }
        let key = |at: &usize| {
            let guess = self.guess(draft.goal(*at), bound, *rows);
            (*at, guess, if is_filter(draft.goal(*at)) { -1.0 } else { guess.cost() })
        };
        let best = ready.iter().map(key).min_by(|x, y| x.2.total_cmp(&y.2))?;
        Some((best.0, best.1))
    }

    /// The order of what stands inside of a goal that runs where these variables are bound.
    fn inside(&mut self, goal: &Goal, bound: &BTreeSet<VarId>, rows: f64) -> Result<Inside> {
        Ok(match goal {
            Goal::Not { on, goals, .. } => {
                let given = on.iter().copied().collect();
                Inside::Not(self.arrange(&goals.iter().collect::<Vec<_>>(), &given, on, rows)?)
            }
            Goal::Or { on, branches, .. } => {
                let given: BTreeSet<VarId> = on.iter().copied().filter(|var| bound.contains(var)).collect();
                let mut arranged = Vec::with_capacity(branches.len());
                for branch in branches {
                    arranged.push(self.arrange(&branch.iter().collect::<Vec<_>>(), &given, on, rows)?);
                }
                Inside::Or(given.into_iter().collect(), arranged)
            }
            Goal::Call(call) => Inside::Rule(Arc::new(rules::compile(self, call, bound)?)),
            _ => Inside::Nothing,
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
fn mark_live(arranged: &mut Arrangement, goals: &[&Goal], given: &BTreeSet<VarId>) {
    let mut live: BTreeSet<VarId> = arranged.out.iter().copied().collect();
    // What steps before bind decides what a star must hand out to be joined; so stars are narrowed from the front.
    let mut bound: Vec<BTreeSet<VarId>> = vec![given.clone()];
    for step in &arranged.steps {
        let mut vars = bound.last().cloned().unwrap_or_default();
        step_vars(&step.what, goals, &mut vars);
        bound.push(vars);
    }
    for (step, before) in arranged.steps.iter_mut().zip(&bound).rev() {
        step.live = live.iter().copied().collect();
        if let What::Star(own, inner) = &mut step.what {
            inner.out.retain(|var| live.contains(var) || before.contains(var));
            let own: Vec<&Goal> = own.iter().map(|at| goals[*at]).collect();
            mark_live(inner, &own, &BTreeSet::new());
        }
        step_vars(&step.what, goals, &mut live);
    }
}

/// The variables that a step speaks of.
fn step_vars(what: &What, goals: &[&Goal], found: &mut BTreeSet<VarId>) {
    let places = |places: &[Place], found: &mut BTreeSet<VarId>| {
        found.extend(places.iter().filter_map(|place| place.var()));
    };
    let goal = match what {
        What::Goal(at, _) => goals[*at],
        What::Star(_, inner) => return found.extend(&inner.out),
        What::Leap(_, vars) => return found.extend(vars),
    };
    match goal {
        Goal::Match(goal) => places(&goal.places, found),
        Goal::Tuples(goal) => places(&goal.places, found),
        Goal::Known(known) => places(&known.places, found),
        Goal::Call(call) => places(&call.args, found),
        Goal::Same(one, other) => places(&[*one, *other], found),
        Goal::Test(call) => found.extend(call.vars()),
        Goal::Bind(call, shape) => {
            found.extend(call.vars());
            shape_vars(shape, found);
        }
        Goal::Not { on, .. } | Goal::Or { on, .. } => found.extend(on),
        Goal::Never(_) => {}
    }
}
