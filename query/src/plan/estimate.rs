//! How many rows a goal leaves, guessed from exact counts of its constants.
//!
//! A guess orders the goals; it never changes an answer.

use std::collections::BTreeSet;

use annals_storage::datom::Tag;

use super::vars::bound_by;
use super::{Goal, Match, Place, Shape, VarId};
use crate::inputs::SourceArg;
use crate::plan::goals::Planner;

/// Rows of a rule's answer for each row that calls it.
const RULE_FAN: f64 = 30.0;
/// Rows of a rule's answer if nothing is bound.
const RULE_WHOLE: f64 = 1e7;
/// What one seek costs beside one row of a scan.
const SEEK: f64 = 50.0;

/// What a goal is expected to do to so many rows.
#[derive(Clone, Copy, Debug)]
pub struct Guess {
    /// Rows after it.
    pub rows: f64,
    /// Work, in rows looked at.
    pub work: f64,
}

impl Guess {
    /// What the planner compares.
    pub fn cost(self) -> f64 {
        self.rows + 0.02 * self.work
    }
}

impl Planner<'_> {
    /// What `goal` makes of `rows` rows in which these variables are bound.
    pub fn guess(&self, goal: &Goal, bound: &BTreeSet<VarId>, rows: f64) -> Guess {
        let plain = |rows: f64| Guess { rows, work: rows };
        match goal {
            Goal::Match(goal) => facts(goal, bound, rows),
            Goal::Tuples(goal) => {
                let length = match self.sources[goal.source].1 {
                    SourceArg::Collection(tuples) => tuples.len() as f64,
                    SourceArg::Db(_) | SourceArg::Log(_) => 1.0,
                };
                keyed(&goal.places, bound, rows, length)
            }
            Goal::Known(known) => keyed(&known.places, bound, rows, 1000.0),
            Goal::Test(_) | Goal::Not { .. } => plain(rows * 0.5),
            Goal::Bind(_, Shape::Each(_)) => plain(rows * 10.0),
            Goal::Bind(..) | Goal::Same(..) => plain(rows),
            Goal::Call(call) => {
                let any = call.args.iter().any(|arg| is_known(*arg, bound));
                if any { plain(rows * RULE_FAN) } else { plain(rows * RULE_WHOLE) }
            }
            Goal::Or { branches, .. } => {
                let each = branches.iter().map(|branch| self.conjunction_guess(branch, bound, rows));
                each.fold(plain(0.0), |sum, one| Guess {
                    rows: sum.rows + one.rows,
                    work: sum.work + one.work,
                })
            }
            Goal::Never(_) => Guess { rows: 0.0, work: 0.0 },
        }
    }

    /// A coarse guess for goals whose order is not known yet: the most selective one decides.
    fn conjunction_guess(&self, goals: &[Goal], bound: &BTreeSet<VarId>, rows: f64) -> Guess {
        let binding = goals.iter().filter(|goal| !bound_by([*goal]).is_empty());
        let guesses = binding.map(|goal| self.guess(goal, bound, rows));
        guesses.min_by(|x, y| x.cost().total_cmp(&y.cost())).unwrap_or(Guess { rows, work: rows })
    }
}

/// True if a place has a value before the goal runs.
pub fn is_known(place: Place, bound: &BTreeSet<VarId>) -> bool {
    match place {
        Place::Const(_) => true,
        Place::Var(var) => bound.contains(&var),
        Place::Blank => false,
    }
}

fn keyed(places: &[Place], bound: &BTreeSet<VarId>, rows: f64, length: f64) -> Guess {
    let known = places.iter().any(|place| is_known(*place, bound));
    let fan = if known { length.powf(0.3) } else { length };
    Guess { rows: rows * fan, work: rows + length }
}

fn facts(goal: &Match, bound: &BTreeSet<VarId>, rows: f64) -> Guess {
    let is_bound = |at: usize| goal.places[at].var().is_some_and(|var| bound.contains(&var));
    let count = goal.count as f64;
    let share = if goal.whole == 0 { 0.0 } else { count / goal.whole as f64 };
    let fan = match (is_bound(0), is_bound(2)) {
        (true, true) => 0.3 * share,
        (true, false) => match goal.attr {
            Some(attr) if attr.many => (3.0 * share).min(count),
            Some(_) => share.min(count),
            None => count.min(10.0),
        },
        (false, true) => value_fan(goal, count),
        (false, false) if is_bound(3) => count.powf(0.3),
        (false, false) => count,
    };
    let sought = is_bound(0) || is_bound(2) || is_bound(3);
    let work = if sought { (rows * SEEK).min(count + rows) } else { count };
    Guess { rows: rows * fan, work }
}

/// How many entities share one value.
fn value_fan(goal: &Match, count: f64) -> f64 {
    match goal.attr {
        Some(attr) if attr.unique => count.min(1.0),
        Some(attr) if attr.tag == Tag::Boolean => count * 0.5,
        Some(attr) if attr.tag == Tag::Ref => count.powf(0.3),
        _ => count.powf(0.5),
    }
}
