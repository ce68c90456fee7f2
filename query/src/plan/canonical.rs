//! Goals in an order that does not depend on how the query was written down.
//!
//! Where two goals promise the same, the planner takes the first: were that the first in the text, the order of clauses
//! would decide how fast an answer comes. So goals are sorted by what they are, and, as far as that leaves ties, by what
//! the goals are that share their variables (colour refinement: Weisfeiler and Leman, 1968). Goals that stay equal are
//! alike in all that a plan looks at.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hash};

use foldhash::fast::FixedState;

use super::vars::mentioned;
use super::{Goal, Place, VarId};

/// How often colours are refined: so far along shared variables goals tell each other apart.
const ROUNDS: usize = 3;

/// The places of goals in their order.
pub(super) fn order(goals: &[&Goal]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..goals.len()).collect();
    if goals.len() < 2 {
        return order;
    }
    let vars: Vec<Vec<(usize, VarId)>> = goals.iter().map(|goal| occurrences(goal)).collect();
    let mut colors: Vec<u64> = goals.iter().map(|goal| color(goal)).collect();
    for _ in 0..ROUNDS {
        let mut of_vars: BTreeMap<VarId, u64> = BTreeMap::new();
        for (color, vars) in colors.iter().zip(&vars) {
            for (at, var) in vars {
                // A sum, so that the order in which goals come does not matter.
                let sum = of_vars.entry(*var).or_default();
                *sum = sum.wrapping_add(hash(&(color, at)));
            }
        }
        for (color, vars) in colors.iter_mut().zip(&vars) {
            let around: Vec<(usize, u64)> = vars.iter().map(|(at, var)| (*at, of_vars[var])).collect();
            *color = hash(&(*color, around));
        }
    }
    order.sort_by_key(|at| (rank(goals[*at]), colors[*at]));
    order
}

/// What is simple comes first.
fn rank(goal: &Goal) -> u8 {
    match goal {
        Goal::Match(_) | Goal::Tuples(_) => 0,
        Goal::Test(_) | Goal::Bind(..) | Goal::Same(..) | Goal::Never(_) => 1,
        Goal::Known(_) => 2,
        Goal::Not { .. } | Goal::Or { .. } => 3,
        Goal::Call(_) => 4,
    }
}

fn hash(what: &impl Hash) -> u64 {
    FixedState::with_seed(0).hash_one(what)
}

/// What a goal is, whatever its variables are called. Constants are told apart by how many facts they leave.
fn color(goal: &Goal) -> u64 {
    match goal {
        Goal::Match(goal) => {
            let kinds = goal.places.map(kind);
            let ends = (goal.low.is_some(), goal.high.is_some());
            hash(&(0, goal.source, goal.attr.map(|attr| attr.id.0), goal.count, goal.whole, kinds, ends))
        }
        Goal::Tuples(goal) => hash(&(1, goal.source, kinds(&goal.places))),
        Goal::Test(call) => hash(&(2, call.name.as_str(), call.args.len())),
        Goal::Bind(call, _) => hash(&(3, call.name.as_str(), call.args.len())),
        Goal::Same(..) => hash(&4),
        Goal::Not { goals, .. } => hash(&(5, sum(goals))),
        Goal::Or { branches, .. } => {
            let branches = branches.iter().map(|branch| hash(&sum(branch)));
            hash(&(6, branches.fold(0, u64::wrapping_add)))
        }
        Goal::Call(call) => hash(&(7, call.name.as_str(), kinds(&call.args))),
        Goal::Known(known) => hash(&(8, known.relation, kinds(&known.places))),
        Goal::Never(_) => hash(&9),
    }
}

fn sum(goals: &[Goal]) -> u64 {
    goals.iter().map(color).fold(0, u64::wrapping_add)
}

fn kinds(places: &[Place]) -> Vec<u8> {
    places.iter().copied().map(kind).collect()
}

fn kind(place: Place) -> u8 {
    match place {
        Place::Const(_) => 0,
        Place::Var(_) => 1,
        Place::Blank => 2,
    }
}

/// The variables of a goal, each with where it stands in it, if places have a meaning there.
fn occurrences(goal: &Goal) -> Vec<(usize, VarId)> {
    let of_places = |places: &[Place]| {
        places.iter().enumerate().filter_map(|(at, place)| Some((at, place.var()?))).collect()
    };
    match goal {
        Goal::Match(goal) => of_places(&goal.places),
        Goal::Tuples(goal) => of_places(&goal.places),
        Goal::Call(call) => of_places(&call.args),
        Goal::Known(known) => of_places(&known.places),
        other => mentioned([other]).into_iter().map(|var| (0, var)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A chain of three alike patterns: `known(0 1) known(1 2) known(2 3)`.
    #[test]
    fn goals_alike_are_told_apart_by_their_neighbours() {
        let known = |x: u32, y: u32| {
            let places = vec![Place::Var(VarId(x)), Place::Var(VarId(y))];
            Goal::Known(super::super::Known { relation: 0, places, required: 0 })
        };
        let place = |goal: &Goal| match goal {
            Goal::Known(known) => known.places[0].var().map(|var| var.0),
            _ => None,
        };
        let sorted = |goals: Vec<Goal>| {
            let order = order(&goals.iter().collect::<Vec<_>>());
            order.into_iter().filter_map(|at| place(&goals[at])).collect::<Vec<_>>()
        };
        let first = sorted(vec![known(0, 1), known(1, 2), known(2, 3)]);
        assert_eq!(sorted(vec![known(2, 3), known(0, 1), known(1, 2)]), first);
        assert_eq!(sorted(vec![known(1, 2), known(2, 3), known(0, 1)]), first);
    }
}
