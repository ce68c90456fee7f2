//! Which variables goals bind, need and mention, and which ones clauses show to what stands around them.

use std::collections::BTreeSet;

use super::{Argument, Callee, Goal, Invocation, Shape, VarId};
use crate::ast::{Arg, Binding, Call, Clause, ClauseKind, Term, Var};

/// The variables that a conjunction binds.
pub fn bound_by<'g>(goals: impl IntoIterator<Item = &'g Goal>) -> BTreeSet<VarId> {
    let mut bound = BTreeSet::new();
    for goal in goals {
        match goal {
            Goal::Match(goal) => bound.extend(goal.places.iter().filter_map(|place| place.var())),
            Goal::Tuples(goal) => bound.extend(goal.places.iter().filter_map(|place| place.var())),
            Goal::Known(known) => bound.extend(known.places.iter().filter_map(|place| place.var())),
            Goal::Call(call) => bound.extend(call.args.iter().filter_map(|place| place.var())),
            Goal::Bind(_, shape) => shape_vars(shape, &mut bound),
            Goal::Same(one, other) => bound.extend([one.var(), other.var()].into_iter().flatten()),
            Goal::Or { on, .. } => bound.extend(on),
            Goal::Never(vars) => bound.extend(vars),
            Goal::Test(_) | Goal::Not { .. } => {}
        }
    }
    bound
}

/// Every variable that stands anywhere in these goals.
pub fn mentioned<'g>(goals: impl IntoIterator<Item = &'g Goal>) -> BTreeSet<VarId> {
    let mut vars = BTreeSet::new();
    for goal in goals {
        vars.extend(bound_by([goal]));
        match goal {
            Goal::Test(call) | Goal::Bind(call, _) => vars.extend(call.vars()),
            Goal::Not { on, goals, .. } => vars.extend(on.iter().copied().chain(mentioned(goals))),
            Goal::Or { branches, .. } => branches.iter().for_each(|branch| vars.extend(mentioned(branch))),
            _ => {}
        }
    }
    vars
}

/// The variables a shape binds.
pub fn shape_vars(shape: &Shape, found: &mut BTreeSet<VarId>) {
    match shape {
        Shape::Place(place) => found.extend(place.var()),
        Shape::Tuple(parts) => parts.iter().for_each(|part| shape_vars(part, found)),
        Shape::Each(each) => shape_vars(each, found),
    }
}

impl Invocation {
    /// The variables that must be bound before the call.
    pub fn vars(&self) -> impl Iterator<Item = VarId> + '_ {
        let callee = match self.callee {
            Callee::Var(var) => Some(var),
            _ => None,
        };
        let args = self.args.iter().filter_map(|arg| match arg {
            Argument::Place(place) => place.var(),
            Argument::Source(_) | Argument::Query(_) => None,
        });
        callee.into_iter().chain(args)
    }
}

/// The variables of conjunctions that are seen from outside of them.
pub(super) fn visible(conjunctions: &[impl AsRef<[Clause]>]) -> Vec<Var> {
    let mut found = Vec::new();
    conjunctions.iter().for_each(|clauses| clause_vars(clauses.as_ref(), &mut found));
    found
}

fn clause_vars(clauses: &[Clause], found: &mut Vec<Var>) {
    let terms = |terms: &[Term], found: &mut Vec<Var>| {
        found.extend(terms.iter().filter_map(|term| match term {
            Term::Var(var) => Some(var.clone()),
            _ => None,
        }));
    };
    for clause in clauses {
        match &clause.kind {
            ClauseKind::Pattern { terms: places, .. } => terms(places, found),
            ClauseKind::Rule { args, .. } => terms(args, found),
            ClauseKind::Predicate(call) => call_vars(call, found),
            ClauseKind::Function(call, binding) => {
                call_vars(call, found);
                binding_vars(binding, found);
            }
            ClauseKind::Not { join: Some(join), .. } | ClauseKind::Or { join: Some(join), .. } => {
                found.extend(join.iter().cloned());
            }
            ClauseKind::Not { clauses, .. } | ClauseKind::And(clauses) => clause_vars(clauses, found),
            ClauseKind::Or { branches, .. } => branches.iter().for_each(|branch| clause_vars(branch, found)),
        }
    }
}

fn call_vars(call: &Call, found: &mut Vec<Var>) {
    if call.name.as_str().starts_with('?') {
        found.push(Var(call.name.clone()));
    }
    found.extend(call.args.iter().filter_map(|arg| match arg {
        Arg::Var(var) => Some(var.clone()),
        _ => None,
    }));
}

fn binding_vars(binding: &Binding, found: &mut Vec<Var>) {
    match binding {
        Binding::Var(var) => found.push(var.clone()),
        Binding::Ignore => {}
        Binding::Tuple(parts) => parts.iter().for_each(|part| binding_vars(part, found)),
        Binding::Collection(each) => binding_vars(each, found),
    }
}
