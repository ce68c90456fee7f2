//! The cheapest of all orders of a few goals, by dynamic programming over sets of goals.
//!
//! A cheap step may lead to where only dear ones are left. So of few goals every order is weighed: of all the ways to have run
//! the same goals only the cheapest is gone on from, and sets are taken by their cost, so that those which cost more than
//! the best order are never looked at (Selinger et al., "Access path selection in a relational database management
//! system", 1979; the shortest path by Dijkstra, 1959).
//!
//! ```text
//!   {} --[?x :name "Ana"]--> {a} --[?x :friend ?y]--> {a b} --by itself ?y--> {a b c d}
//!     \--[?y :name "Dan"]--> {c} ...
//! ```
//!
//! A step is one goal, or a star answered by itself ([`super::star`]); so plans are left-deep but for stars. What only
//! drops rows runs as soon as it can. Goals that share no variable with what is bound come when no others are left, for
//! their rows multiply; a goal of one fact may come at any time. Of steps that cost the same the first in
//! `canonical` order is taken, so that no order depends on the text.
//!
//! How many rows there are after a set of goals is guessed along the way that led there, and other ways would give
//! other guesses. That of the cheapest way is kept.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use super::estimate::Guess;
use super::goals::Planner;
use super::order::{is_filter, is_ready};
use super::vars::{bound_by, mentioned};
use super::{Goal, Match, VarId};

/// Of fewer goals the cheapest first is as good.
const GOALS_MIN: usize = 3;
/// Of more goals there are too many sets.
const GOALS_MAX: usize = 10;

/// A step that may come next.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    /// Its goals, by number.
    pub goals: Vec<usize>,
    /// True if they are answered by themselves before they are joined.
    pub alone: bool,
    /// What it is expected to do.
    pub guess: Guess,
}

impl Choice {
    /// The order of steps by what they promise to cost.
    pub(super) fn by_cost(&self, other: &Choice) -> Ordering {
        self.guess.cost().total_cmp(&other.guess.cost())
    }
}

/// Goals, one bit each.
type Set = u16;

/// A way to have run some goals.
struct Way {
    placed: Set,
    bound: BTreeSet<VarId>,
    rows: f64,
    cost: f64,
    /// The way before, and the step from there to here.
    last: Option<(usize, Choice)>,
}

/// What is looked through.
struct Sets<'g> {
    goals: &'g [&'g Goal],
    /// The variables of each goal.
    vars: Vec<BTreeSet<VarId>>,
    /// The goals of each variable.
    users: BTreeMap<VarId, Set>,
}

impl Planner<'_> {
    /// The cheapest order of goals that come in canonical order; none if they are too few or too many to look at all
    /// orders, or some of them cannot run.
    pub(super) fn search(&self, goals: &[&Goal], given: &BTreeSet<VarId>, rows: f64) -> Option<Vec<Choice>> {
        // Rules are run again and again on other rows: there is nothing to weigh.
        let is_wanted = !self.options.greedy && self.options.order.is_none() && self.depth == 0;
        if !is_wanted || !(GOALS_MIN..=GOALS_MAX).contains(&goals.len()) {
            return None;
        }
        let sets = Sets::of(goals);
        let mut cheapest = vec![f64::INFINITY; 1 << goals.len()];
        let mut ways = vec![Way { placed: 0, bound: given.clone(), rows, cost: 0.0, last: None }];
        // The bits of floats that are not negative are in the order of the floats.
        let mut queue = BinaryHeap::from([Reverse((0.0_f64.to_bits(), 0))]);
        while let Some(Reverse((_, at))) = queue.pop() {
            if sets.open(ways[at].placed) == 0 {
                return Some(steps(ways, at));
            }
            if ways[at].cost > cheapest[usize::from(ways[at].placed)] {
                continue;
            }
            for choice in self.choices(&sets, &ways[at]) {
                let next = sets.after(&ways, at, choice);
                let known = &mut cheapest[usize::from(next.placed)];
                if next.cost < *known {
                    *known = next.cost;
                    queue.push(Reverse((next.cost.to_bits(), ways.len())));
                    ways.push(next);
                }
            }
        }
        None
    }

    /// The steps that may come next.
    fn choices(&self, sets: &Sets<'_>, way: &Way) -> Vec<Choice> {
        let open = sets.open(way.placed);
        let ready: Vec<usize> = members(open).filter(|at| is_ready(sets.goals[*at], &way.bound)).collect();
        let choice = |at: usize| {
            let guess = self.guess(sets.goals[at], &way.bound, way.rows);
            Choice { goals: vec![at], alone: false, guess }
        };
        if let Some(filter) = ready.iter().find(|at| is_filter(sets.goals[**at])) {
            return vec![choice(*filter)];
        }
        let is_linked = |at: &usize| {
            let one = matches!(sets.goals[*at], Goal::Match(Match { count: 0..=1, .. }));
            one || way.bound.is_empty() || !sets.vars[*at].is_disjoint(&way.bound)
        };
        let linked: Vec<usize> = ready.iter().copied().filter(is_linked).collect();
        let linked = if linked.is_empty() { ready } else { linked };
        // Goals whose new variables nobody else speaks of do not change what the others do: they may run one after the
        // other, the cheapest first.
        let (own, shared): (Vec<usize>, Vec<usize>) =
            linked.into_iter().partition(|at| sets.is_apart(*at, open, &way.bound));
        let own = own.into_iter().map(choice).min_by(Choice::by_cost);
        let mut choices: Vec<Choice> = own.into_iter().chain(shared.into_iter().map(choice)).collect();
        let numbers: Vec<usize> = members(open).collect();
        let goals: Vec<&Goal> = numbers.iter().map(|at| sets.goals[*at]).collect();
        choices.extend(self.stars(&goals, &way.bound, way.rows).map(|mut star| {
            star.goals.iter_mut().for_each(|at| *at = numbers[*at]);
            star
        }));
        choices
    }
}

impl<'g> Sets<'g> {
    fn of(goals: &'g [&'g Goal]) -> Sets<'g> {
        let vars: Vec<BTreeSet<VarId>> = goals.iter().map(|goal| mentioned([*goal])).collect();
        let mut users: BTreeMap<VarId, Set> = BTreeMap::new();
        for (at, vars) in vars.iter().enumerate() {
            vars.iter().for_each(|var| *users.entry(*var).or_default() |= 1 << at);
        }
        Sets { goals, vars, users }
    }

    /// The goals that are still to be placed.
    fn open(&self, placed: Set) -> Set {
        !placed & Set::MAX >> (Set::BITS as usize - self.goals.len())
    }

    /// True if no other open goal has a variable that this one would bind.
    fn is_apart(&self, at: usize, open: Set, bound: &BTreeSet<VarId>) -> bool {
        self.vars[at].iter().all(|var| bound.contains(var) || self.users[var] & open == 1 << at)
    }

    /// A way, one step further.
    fn after(&self, ways: &[Way], at: usize, choice: Choice) -> Way {
        let way = &ways[at];
        let mut bound = way.bound.clone();
        bound.extend(bound_by(choice.goals.iter().map(|at| self.goals[*at])));
        let placed = choice.goals.iter().fold(way.placed, |placed, at| placed | 1 << at);
        let cost = way.cost + choice.guess.cost();
        Way { placed, bound, rows: choice.guess.rows, cost, last: Some((at, choice)) }
    }
}

/// The goals of a set, in canonical order.
fn members(set: Set) -> impl Iterator<Item = usize> {
    (0..Set::BITS as usize).filter(move |at| set & 1 << at != 0)
}

/// The steps that lead to a way.
fn steps(mut ways: Vec<Way>, mut at: usize) -> Vec<Choice> {
    let mut steps = Vec::new();
    while let Some((before, choice)) = ways[at].last.take() {
        steps.push(choice);
        at = before;
    }
    steps.reverse();
    steps
}
