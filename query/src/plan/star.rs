//! Stars: patterns on one entity that is not bound yet, answered by themselves before they are joined.
//!
//! Two people of one age, the first known: to look up everyone of that age and then keep those of some name is more
//! work than to find those of that name with their ages, and match the ages. Joined goal by goal the second way cannot
//! be had; so the planner weighs each star as one goal beside the others.

use std::collections::BTreeSet;

use super::estimate::Guess;
use super::goals::Planner;
use super::vars::bound_by;
use super::{Goal, Match, VarId};

/// A star among the goals still to be placed.
pub struct Star {
    /// Which goals.
    pub goals: Vec<usize>,
    /// What joining it is expected to do.
    pub guess: Guess,
}

impl Planner<'_> {
    /// The star that leaves the fewest rows, among those that share a variable with what is bound.
    pub fn star(&self, pending: &[&Goal], bound: &BTreeSet<VarId>, rows: f64) -> Option<Star> {
        let entities: BTreeSet<VarId> =
            pending.iter().filter_map(|goal| entity(goal)).filter(|var| !bound.contains(var)).collect();
        let stars = entities.iter().filter_map(|entity| self.star_of(*entity, pending, bound, rows));
        stars.min_by(|x, y| x.guess.cost().total_cmp(&y.guess.cost()))
    }

    fn star_of(&self, center: VarId, pending: &[&Goal], bound: &BTreeSet<VarId>, rows: f64) -> Option<Star> {
        let mut goals: Vec<usize> =
            (0..pending.len()).filter(|at| entity(pending[*at]) == Some(center)).collect();
        let shares = goals.iter().any(|at| !bound_by([pending[*at]]).is_disjoint(bound));
        if goals.len() < 2 || !shares {
            return None;
        }
        goals.sort_by_key(|at| match pending[*at] {
            Goal::Match(Match { count, .. }) => *count,
            _ => u64::MAX,
        });
        let mut alone = Guess { rows: 1.0, work: 0.0 };
        let mut known = BTreeSet::new();
        for at in &goals {
            let next = self.guess(pending[*at], &known, alone.rows);
            alone = Guess { rows: next.rows, work: alone.work + next.work };
            known.insert(center);
        }
        let guess = Guess { rows: rows * alone.rows.powf(0.5), work: alone.work + alone.rows + rows };
        Some(Star { goals, guess })
    }
}

/// The variable in the entity's place of a pattern over a database.
fn entity(goal: &Goal) -> Option<VarId> {
    match goal {
        Goal::Match(goal) => goal.places[0].var(),
        _ => None,
    }
}
