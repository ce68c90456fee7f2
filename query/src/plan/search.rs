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
//! Whoever looks at many orders finds the one whose rows are guessed too low. So where it pays to search, links between
//! patterns are not guessed but tried ([`super::links`]), all of them, for what was tried and what was guessed do not
//! compare. How many rows there are after a set of goals then nearly does not depend on the way that led there; as far as it
//! does, the cheapest way's is kept. If the order step by step is expected to cost little, it is taken.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use super::arrangement::Search;
use super::estimate::Guess;
use super::goals::Planner;
use super::order::{is_filter, is_ready};
use super::vars::{bound_by, mentioned};
use super::{Goal, Match, Place, VarId};
use crate::error::Result;

/// Of fewer goals the cheapest first is as good.
const GOALS_MIN: usize = 3;
/// Of more goals there are too many sets.
const GOALS_MAX: usize = 10;

/// What the order step by step must be expected to cost, so that it pays to weigh the others.
const WORTH: f64 = 4_000.0;
/// How many facts of a pattern are tried to find how many of another they meet.
const TRIED: usize = 16;
/// What a row that a star makes by itself costs, beside a row looked at: scans in order make it, it is not sought.
const MADE: f64 = 8.0;

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
#[derive(Clone)]
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
    /// What was tried of links, if rows are not only guessed: from a goal's place to a goal's place.
    tried: Option<BTreeMap<[usize; 4], Option<f64>>>,
}

impl Planner<'_> {
    /// The cheapest order of goals that come in canonical order, and how it was found; none if they are too few or too
    /// many to look at all orders, or some of them cannot run.
    pub(super) fn search(
        &mut self,
        goals: &[&Goal],
        given: &BTreeSet<VarId>,
        rows: f64,
    ) -> Result<Option<(Vec<Choice>, Search)>> {
        let fits = match self.options.search {
            Some(always) => always && goals.len() > 1,
            None => goals.len() >= GOALS_MIN,
        };
        // Rules are run again and again on other rows: there is nothing to weigh.
        if !fits || goals.len() > GOALS_MAX || self.options.order.is_some() || self.depth > 0 {
            return Ok(None);
        }
        let mut sets = Sets::of(goals);
        let start = Way { placed: 0, bound: given.clone(), rows, cost: 0.0, last: None };
        let Some((cost, simple)) = self.step_by_step(&mut sets, start.clone())? else { return Ok(None) };
        if cost < WORTH && self.options.search.is_none() {
            return Ok(Some((simple, Search::Greedy)));
        }
        sets.tried = Some(BTreeMap::new());
        let found = self.cheapest_way(&mut sets, start)?;
        self.sampled |= sets.tried.is_some_and(|tried| !tried.is_empty());
        Ok(found.map(|steps| (steps, Search::Exhaustive)))
    }

    /// The order that takes the cheapest step next, and what it is expected to cost.
    fn step_by_step(&self, sets: &mut Sets<'_>, start: Way) -> Result<Option<(f64, Vec<Choice>)>> {
        let mut ways = vec![start];
        loop {
            let at = ways.len() - 1;
            if sets.open(ways[at].placed) == 0 {
                return Ok(Some((ways[at].cost, steps(ways, at))));
            }
            let choices = self.choices(sets, &ways[at])?;
            let Some(choice) = choices.into_iter().min_by(Choice::by_cost) else { return Ok(None) };
            ways.push(sets.after(&ways, at, choice));
        }
    }

    /// The order of the least cost.
    fn cheapest_way(&self, sets: &mut Sets<'_>, start: Way) -> Result<Option<Vec<Choice>>> {
        let mut cheapest = vec![f64::INFINITY; 1 << sets.goals.len()];
        let mut ways = vec![start];
        // The bits of floats that are not negative are in the order of the floats.
        let mut queue = BinaryHeap::from([Reverse((0.0_f64.to_bits(), 0))]);
        while let Some(Reverse((_, at))) = queue.pop() {
            if sets.open(ways[at].placed) == 0 {
                return Ok(Some(steps(ways, at)));
            }
            if ways[at].cost > cheapest[usize::from(ways[at].placed)] {
                continue;
            }
            for choice in self.choices(sets, &ways[at])? {
                let next = sets.after(&ways, at, choice);
                let known = &mut cheapest[usize::from(next.placed)];
                if next.cost < *known {
                    *known = next.cost;
                    queue.push(Reverse((next.cost.to_bits(), ways.len())));
                    ways.push(next);
                }
            }
        }
        Ok(None)
    }

    /// The steps that may come next.
    fn choices(&self, sets: &mut Sets<'_>, way: &Way) -> Result<Vec<Choice>> {
        let open = sets.open(way.placed);
        let ready: Vec<usize> = members(open).filter(|at| is_ready(sets.goals[*at], &way.bound)).collect();
        if let Some(filter) = ready.iter().find(|at| is_filter(sets.goals[**at])) {
            return Ok(vec![self.one(sets, way, *filter)?]);
        }
        let linked: Vec<usize> = ready.iter().copied().filter(|at| sets.is_linked(*at, &way.bound)).collect();
        let linked = if linked.is_empty() { ready } else { linked };
        // Goals whose new variables nobody else speaks of do not change what the others do: they may run one after the
        // other, the cheapest first.
        let mut own: Option<Choice> = None;
        let mut choices = Vec::with_capacity(linked.len());
        for at in linked {
            let choice = self.one(sets, way, at)?;
            if !sets.is_apart(at, open, &way.bound) {
                choices.push(choice);
            } else if own.as_ref().is_none_or(|best| choice.by_cost(best).is_lt()) {
                own = Some(choice);
            }
        }
        choices.splice(0..0, own);
        let numbers: Vec<usize> = members(open).collect();
        let goals: Vec<&Goal> = numbers.iter().map(|at| sets.goals[*at]).collect();
        for mut star in self.stars(&goals, &way.bound, way.rows) {
            star.goals.iter_mut().for_each(|at| *at = numbers[*at]);
            if sets.tried.is_some() {
                star.guess = self.star_guess(sets, way, &star.goals)?;
            }
            choices.push(star);
        }
        Ok(choices)
    }

    fn one(&self, sets: &mut Sets<'_>, way: &Way, at: usize) -> Result<Choice> {
        let guess = self.weigh(sets, at, way.placed, &way.bound, way.rows)?;
        Ok(Choice { goals: vec![at], alone: false, guess })
    }

    /// What a goal makes of so many rows, after these goals.
    fn weigh(
        &self,
        sets: &mut Sets<'_>,
        at: usize,
        placed: Set,
        bound: &BTreeSet<VarId>,
        rows: f64,
    ) -> Result<Guess> {
        let guess = self.guess(sets.goals[at], bound, rows);
        let Goal::Match(goal) = sets.goals[at] else { return Ok(guess) };
        if sets.tried.is_none() || matches!(goal.places[0], Place::Const(_)) {
            return Ok(guess);
        }
        let is_bound = |place: usize| goal.places[place].var().is_some_and(|var| bound.contains(&var));
        let of_entity = if is_bound(0) { self.met(sets, placed, at, 0)? } else { None };
        let of_value = if is_bound(2) { self.met(sets, placed, at, 2)? } else { None };
        let whole = goal.whole.max(1) as f64;
        let fan = match (of_entity, of_value) {
            // A fact of the entity has that value as often as any fact has.
            (Some(of_entity), Some(of_value)) => of_entity * of_value / whole,
            (Some(fan), None) if !is_bound(2) => fan * goal.count as f64 / whole,
            (None, Some(fan)) if !is_bound(0) => fan * goal.count as f64 / whole,
            _ => return Ok(guess),
        };
        Ok(Guess { rows: rows * fan, ..guess })
    }

    /// How many facts of a goal's attribute those before meet by the variable in one of its places.
    fn met(&self, sets: &mut Sets<'_>, placed: Set, to: usize, place: usize) -> Result<Option<f64>> {
        let Goal::Match(goal) = sets.goals[to] else { return Ok(None) };
        let binder = goal.places[place].var().and_then(|var| sets.binder(var, placed));
        let Some((from, at, binder)) = binder else { return Ok(None) };
        if (at, place) == (0, 0) && goal.attr.is_some_and(|attr| !attr.many) {
            // What fewer entities have, those have that have more.
            return Ok(Some((goal.whole as f64 / binder.whole.max(1) as f64).min(1.0)));
        }
        let link = [from, at, to, place];
        if let Some(fan) = sets.tried.as_ref().and_then(|tried| tried.get(&link)) {
            return Ok(*fan);
        }
        let fan = self.fan(binder, at, goal, place, TRIED)?;
        sets.tried.get_or_insert_default().insert(link, fan);
        Ok(fan)
    }

    /// What joining a star is expected to do: as many rows come as if its goals came one by one.
    fn star_guess(&self, sets: &mut Sets<'_>, way: &Way, star: &[usize]) -> Result<Guess> {
        let (mut alone, mut known, mut before) = (Guess { rows: 1.0, work: 0.0 }, BTreeSet::new(), 0);
        for at in star {
            let next = self.weigh(sets, *at, before, &known, alone.rows)?;
            alone = Guess { rows: next.rows, work: alone.work + next.work + MADE * next.rows };
            known.extend(bound_by([sets.goals[*at]]));
            before |= 1 << at;
        }
        let (mut rows, mut bound, mut placed) = (way.rows, way.bound.clone(), way.placed);
        let mut open = star.to_vec();
        while let Some(next) = open.iter().position(|at| sets.is_linked(*at, &bound)) {
            let at = open.remove(next);
            rows = self.weigh(sets, at, placed, &bound, rows)?.rows;
            bound.extend(bound_by([sets.goals[at]]));
            placed |= 1 << at;
        }
        Ok(Guess { rows, work: alone.work + alone.rows + way.rows })
    }
}

impl<'g> Sets<'g> {
    fn of(goals: &'g [&'g Goal]) -> Sets<'g> {
        let vars: Vec<BTreeSet<VarId>> = goals.iter().map(|goal| mentioned([*goal])).collect();
        let mut users: BTreeMap<VarId, Set> = BTreeMap::new();
        for (at, vars) in vars.iter().enumerate() {
            vars.iter().for_each(|var| *users.entry(*var).or_default() |= 1 << at);
        }
        Sets { goals, vars, users, tried: None }
    }

    /// The goals that are still to be placed.
    fn open(&self, placed: Set) -> Set {
        !placed & Set::MAX >> (Set::BITS as usize - self.goals.len())
    }

    /// True if a goal does not multiply rows by all of its own.
    fn is_linked(&self, at: usize, bound: &BTreeSet<VarId>) -> bool {
        let one = matches!(self.goals[at], Goal::Match(Match { count: 0..=1, .. }));
        one || bound.is_empty() || !self.vars[at].is_disjoint(bound)
    }

    /// True if no other open goal has a variable that this one would bind.
    fn is_apart(&self, at: usize, open: Set, bound: &BTreeSet<VarId>) -> bool {
        self.vars[at].iter().all(|var| bound.contains(var) || self.users[var] & open == 1 << at)
    }

    /// The pattern of the fewest facts among these goals that has a variable, its number, and where: it tells best which
    /// values there are of it.
    fn binder(&self, var: VarId, placed: Set) -> Option<(usize, usize, &'g Match)> {
        let users = members(self.users.get(&var)? & placed);
        let patterns = users.filter_map(|at| match self.goals[at] {
            Goal::Match(goal) => Some((at, goal)),
            _ => None,
        });
        let binders = patterns.filter_map(|(at, goal)| {
            let place = [0, 2].into_iter().find(|place| goal.places[*place].var() == Some(var))?;
            Some((at, place, goal))
        });
        binders.min_by_key(|(.., goal)| goal.count)
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
