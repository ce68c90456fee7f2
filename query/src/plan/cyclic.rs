//! Cycles of patterns, which are joined all at once where two by two would make too many rows on the way.
//!
//! Patterns between two variables are the edges of a graph. What is left of it when edges that lead to a variable of no
//! other pattern are taken away, again and again, is a cyclic core. How many rows a step from one of its patterns to
//! the next makes is not guessed but tried on some facts of the first.

use std::collections::{BTreeMap, BTreeSet};

use annals_storage::datom::{AttrId, EntityId, Pattern, Tag, ValueBound, ValueRef};

use super::estimate::Guess;
use super::goals::Planner;
use super::{Attr, Goal, Match, VarId};
use crate::error::Result;
use crate::inputs::SourceArg;
use crate::run::leap::VARS_MAX;
use crate::source::{Flow, Source};

/// The most patterns of a core.
const GOALS_MAX: usize = 16;
/// Cores of fewer facts are joined two by two: whatever is made on the way is little.
const FACTS_MIN: u64 = 2_000;
/// How many facts are tried.
const TRIED: usize = 32;
/// What a fact costs that is scanned, numbered and sorted, beside one that is made and dropped.
const LEAP: f64 = 3.0;

/// A core among the goals still to be placed.
pub struct Core {
    /// Which goals.
    pub goals: Vec<usize>,
    /// Its variables, each but the first sharing a pattern with one before it.
    pub vars: Vec<VarId>,
    /// What it is expected to do.
    pub guess: Guess,
}

impl Planner<'_> {
    /// A core that is better joined at once than two by two, none of its variables being bound.
    pub fn core(&mut self, pending: &[&Goal], bound: &BTreeSet<VarId>) -> Result<Option<Core>> {
        if self.options.leap == Some(false) || self.depth > 0 {
            return Ok(None);
        }
        let edges: Vec<usize> = (0..pending.len()).filter(|at| edge(pending[*at], bound).is_some()).collect();
        let goals = without_ears(edges, pending);
        if goals.len() < 3 || goals.len() > GOALS_MAX {
            return Ok(None);
        }
        let matches: Vec<&Match> = goals.iter().filter_map(|at| as_match(pending[*at])).collect();
        let vars = in_order(&matches);
        if vars.len() < 3 || vars.len() > VARS_MAX || !connects(&matches, &vars) {
            return Ok(None);
        }
        let facts: u64 = matches.iter().map(|goal| goal.count).sum();
        let guess = Guess { rows: facts as f64, work: LEAP * facts as f64 };
        let core = Core { goals, vars, guess };
        if self.options.leap == Some(true) {
            return Ok(Some(core));
        }
        if facts < FACTS_MIN || self.is_entered(pending, &core, bound, facts) {
            return Ok(None);
        }
        self.sampled = true;
        Ok((self.paths(&matches)? > LEAP * facts as f64).then_some(core))
    }

    /// True if some other goal leaves few values of a variable of the core: then its facts are better sought from there.
    fn is_entered(&self, pending: &[&Goal], core: &Core, bound: &BTreeSet<VarId>, facts: u64) -> bool {
        (0..pending.len()).filter(|at| !core.goals.contains(at)).any(|at| {
            let vars = super::vars::bound_by([pending[at]]);
            let few = || self.guess(pending[at], bound, 1.0).rows * 100.0 < facts as f64;
            core.vars.iter().any(|var| vars.contains(var)) && few()
        })
    }

    /// The fewest rows that two patterns of the core make when they are joined.
    fn paths(&self, matches: &[&Match]) -> Result<f64> {
        let mut fewest = f64::INFINITY;
        for from in matches {
            for to in matches {
                for (at, other) in [(0, 0), (0, 2), (2, 0), (2, 2)] {
                    if !std::ptr::eq(*from, *to) && from.places[at] == to.places[other] {
                        let fan = self.fan(from, at, to, other)?;
                        fewest = fewest.min(fan.map_or(0.0, |fan| fan * from.count as f64));
                    }
                }
            }
        }
        Ok(fewest)
    }

    /// How many facts of `to` one of `from` meets, on the average, if what is at the one place is at the other.
    fn fan(&self, from: &Match, at: usize, to: &Match, other: usize) -> Result<Option<f64>> {
        let (SourceArg::Db(source), SourceArg::Db(target)) =
            (self.sources[from.source].1, self.sources[to.source].1)
        else {
            return Ok(None);
        };
        let (Some(pattern), Some(attr)) = (from.pattern(self.pool), to.attr) else { return Ok(None) };
        let (mut tried, mut met) = (0_u64, 0_u64);
        let mut outcome = Ok(());
        source.sample(&pattern, TRIED, &mut |batch| {
            for row in 0..batch.len {
                let v = if at == 0 {
                    ValueRef::Fixed(Tag::Ref, batch.e.get(row) as i64)
                } else {
                    batch.v.get(row)
                };
                match meets(target.as_ref(), attr, other, v) {
                    Some(Ok(count)) => (tried, met) = (tried + 1, met + count),
                    Some(Err(error)) => outcome = Err(error),
                    None => {}
                }
            }
            if outcome.is_ok() { Flow::Continue(()) } else { Flow::Break(()) }
        })?;
        outcome?;
        Ok((tried > 0).then(|| met as f64 / tried as f64))
    }
}

/// How many facts of an attribute have this value in the place of the entity or of the value.
fn meets(source: &dyn Source, attr: Attr, place: usize, v: ValueRef<'_>) -> Option<Result<u64>> {
    let a: AttrId = attr.id;
    let pattern = match (place, v) {
        (0, ValueRef::Fixed(Tag::Ref, word)) => {
            Pattern { e: Some(EntityId(word as u64)), ..Pattern::attribute(a) }
        }
        (2, v) if v.tag() == attr.tag => Pattern { v: ValueBound::Is(v), ..Pattern::attribute(a) },
        _ => return None,
    };
    Some(source.count(&pattern))
}

fn as_match(goal: &Goal) -> Option<&Match> {
    match goal {
        Goal::Match(goal) => Some(goal),
        _ => None,
    }
}

/// The two variables of a pattern that can be an edge: of one attribute, and nothing else asked for.
fn edge(goal: &Goal, bound: &BTreeSet<VarId>) -> Option<[VarId; 2]> {
    let goal = as_match(goal)?;
    goal.attr?;
    let [e, _, v, t, added] = goal.places;
    let (e, v) = (e.var()?, v.var()?);
    let is_plain = t == super::Place::Blank && added == super::Place::Blank;
    (is_plain && e != v && !bound.contains(&e) && !bound.contains(&v)).then_some([e, v])
}

/// The edges that lie on a cycle, or between cycles.
fn without_ears(mut edges: Vec<usize>, pending: &[&Goal]) -> Vec<usize> {
    let none = BTreeSet::new();
    let ends = |at: &usize| edge(pending[*at], &none).unwrap_or([VarId(0); 2]);
    loop {
        // How many different neighbours a variable has: two patterns between the same two variables are no cycle.
        let mut neighbours: BTreeMap<VarId, BTreeSet<VarId>> = BTreeMap::new();
        for [e, v] in edges.iter().map(ends) {
            neighbours.entry(e).or_default().insert(v);
            neighbours.entry(v).or_default().insert(e);
        }
        let before = edges.len();
        edges.retain(|at| ends(at).iter().all(|var| neighbours[var].len() > 1));
        if edges.len() == before {
            return edges;
        }
    }
}

/// The variables, beginning with the smallest pattern, then always the one with most patterns to those before.
fn in_order(matches: &[&Match]) -> Vec<VarId> {
    let ends = |goal: &Match| [goal.places[0], goal.places[2]].map(|place| place.var());
    let mut all: Vec<VarId> = matches.iter().flat_map(|goal| ends(goal)).flatten().collect();
    all.sort_unstable();
    all.dedup();
    let Some(first) = matches.iter().min_by_key(|goal| goal.count).and_then(|goal| ends(goal)[0]) else {
        return all;
    };
    let mut order = vec![first];
    while order.len() < all.len() {
        let links = |var: &VarId| {
            let joins = |goal: &&&Match| {
                let ends = ends(goal);
                ends.contains(&Some(*var)) && ends.iter().flatten().any(|end| order.contains(end))
            };
            matches.iter().filter(joins).count()
        };
        let next = all.iter().filter(|var| !order.contains(var)).max_by_key(|var| links(var));
        order.extend(next);
    }
    order
}

/// True if each variable but the first shares a pattern with one before it.
fn connects(matches: &[&Match], vars: &[VarId]) -> bool {
    (1..vars.len()).all(|at| {
        matches.iter().any(|goal| {
            let ends = [goal.places[0], goal.places[2]].map(|place| place.var());
            ends.contains(&Some(vars[at])) && ends.iter().flatten().any(|end| vars[..at].contains(end))
        })
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::facts::Facts;
    use crate::fixture::{Build, e};
    use crate::{Budget, QueryArg, explain, parse};
    use annals_storage::datom::Value;

    /// Everyone knows `each` others, `stride` apart.
    fn acquainted(people: u64, each: u64, stride: u64) -> Facts {
        let mut build =
            Build::default().attr("knows", Tag::Ref, "many").attr("name", Tag::Long, "unique").tx();
        for n in 0..people {
            let others = (1..=each).map(|step| Value::Ref(e((n * 7 + step * stride) % people)));
            build = build.add(n, "knows", others).add(n, "name", [Value::Long(n as i64)]);
        }
        build.now()
    }

    fn leaps(facts: Facts, clauses: &str) -> bool {
        let query = parse::query_text(&format!("[:find ?a ?b ?c :where {clauses}]")).expect("test text");
        let told = explain(&query, &[QueryArg::Source(Arc::new(facts))], &Budget::default());
        told.expect("an explanation").to_string().contains("leapjoin")
    }

    #[test]
    fn a_cycle_is_joined_at_once_where_paths_are_many() {
        const TRIANGLE: &str = "[?a :knows ?b] [?b :knows ?c] [?c :knows ?a]";
        assert!(leaps(acquainted(60, 40, 1), TRIANGLE), "each pattern of 2,400 facts meets 40");
        assert!(!leaps(acquainted(1_300, 2, 1), TRIANGLE), "each meets 2");
        let one = format!("[?a :name 7] {TRIANGLE}");
        assert!(!leaps(acquainted(60, 40, 1), &one), "one leads to few");
        assert!(!leaps(acquainted(60, 40, 1), "[?a :knows ?b] [?b :knows ?c]"), "no cycle");
        assert!(leaps(acquainted(60, 40, 1), &format!("{TRIANGLE} [?c :knows ?d] [?d :name ?n]")), "an ear");
    }
}
