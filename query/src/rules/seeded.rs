//! Recursion that leads from what is asked along one path: ancestors, reachable nodes, parts of parts.
//!
//! Plain demand answers such a rule for every place on the path, which is a square of what was asked. Here each seed
//! (a distinct row of what is asked) is carried along instead: `reached(seed, x)` says that whatever the rule answers
//! for `x` it answers for the seed, and `answer(seed, y)` collects. Each definition must be of one of these shapes,
//! X the arguments that are given and F the others:
//!
//! ```text
//!   exit     p(X F) :- rest                        answer(s F)  :- reached(s X), rest
//!   right    p(X F) :- rest, q(Y F)                reached(s Y) :- reached(s X), rest          F only there
//!   left     p(X F) :- p(X G), rest                answer(s F)  :- answer(s G), rest           X only there
//!   double   p(X F) :- p(X G), rest, p(Y F)        reached(s Y) :- answer(s G), rest           both
//! ```
//!
//! The last two are sound only if the rule calls no other rule back. Every rule made has one growing relation; those whose
//! bodies are alike are run together ([`super::alike`]).

use std::collections::BTreeSet;

use annals_storage::datom::Symbol;

use super::program::{Body, Head, Program, bodies, is_member};
use crate::ast::Best;
use crate::error::Result;
use crate::plan::goals::Planner;
use crate::plan::vars::mentioned;
use crate::plan::{Goal, Place, RuleCall, VarId};

/// A rule on the path, with the arguments that are not given, in the order of the root's.
#[derive(Clone, PartialEq)]
struct Station {
    name: Symbol,
    source: usize,
    free: Vec<usize>,
}

struct Path<'r> {
    root: &'r RuleCall,
    program: Program,
    stations: Vec<Station>,
    /// The variable that holds the seed in every rule.
    seed: VarId,
    /// True if a rule was made that is sound for one station only.
    single: bool,
}

const ANSWER: usize = 0;

/// The program, if every definition has a fitting shape. Its seeds have their number in front, and so have answers.
pub fn program(planner: &mut Planner<'_>, root: &RuleCall, given: &[usize]) -> Result<Option<Program>> {
    let free: Vec<usize> = (0..root.args.len()).filter(|at| !given.contains(at)).collect();
    let seed = planner.fresh(&Symbol::new("seed"));
    let mut path = Path { root, program: Program::default(), stations: Vec::new(), seed, single: false };
    path.program.relation(1 + free.len());
    path.program.relations[ANSWER].best = planner.rules.best(&root.name).and_then(|best| {
        let at = free.iter().position(|at| *at == best.at)?;
        Some(Best { at: 1 + at, ..best })
    });
    path.station(root, free);
    (path.program.seed, path.program.answer) = (Some(1), ANSWER);
    let mut at = 0;
    while at < path.stations.len() {
        let Station { name, source, .. } = path.stations[at].clone();
        for body in bodies(planner, &root.name, &name, source)? {
            if !path.body(planner, at, body)? {
                return Ok(None);
            }
        }
        at += 1;
    }
    Ok((!path.single || path.stations.len() == 1).then_some(path.program))
}

impl Path<'_> {
    /// The station's number; the relation of what is reached there is one more.
    fn station(&mut self, call: &RuleCall, free: Vec<usize>) -> usize {
        let width = 1 + call.args.len() - free.len();
        let station = Station { name: call.name.clone(), source: call.source, free };
        self.stations.iter().position(|known| *known == station).unwrap_or_else(|| {
            self.stations.push(station);
            self.program.relation(width);
            self.stations.len() - 1
        })
    }

    fn with_seed(&self, places: impl Iterator<Item = Place>) -> Vec<Place> {
        std::iter::once(Place::Var(self.seed)).chain(places).collect()
    }

    /// Adds the rule that a definition becomes; false if it has no fitting shape.
    fn body(&mut self, planner: &mut Planner<'_>, at: usize, body: Body) -> Result<bool> {
        let free: Vec<VarId> = self.stations[at].free.iter().map(|place| body.head[*place]).collect();
        let given: Vec<VarId> = body.head.iter().copied().filter(|var| !free.contains(var)).collect();
        let (calls, rest) = self.split(planner, body.goals);
        let reached = (at + 1, self.with_seed(given.iter().map(|var| Place::Var(*var))));
        let answer =
            Head { relation: ANSWER, places: self.with_seed(free.iter().map(|var| Place::Var(*var))) };
        let (delta, head) = match calls.as_slice() {
            [] => (reached, answer),
            [call] => match (self.onward(call, &free, &rest, &[]), self.back(at, call, &given, &rest, &[])) {
                (Some(onward), _) => (reached, onward),
                (None, Some(back)) => (back, answer),
                (None, None) => return Ok(false),
            },
            [one, other] => match self.both(at, one, other, &given, &free, &rest) {
                Some(both) => both,
                None => match self.both(at, other, one, &given, &free, &rest) {
                    Some(both) => both,
                    None => return Ok(false),
                },
            },
            _ => return Ok(false),
        };
        self.program.delta(planner, delta.0, delta.1, head, rest)?;
        Ok(true)
    }

    fn split(&self, planner: &Planner<'_>, goals: Vec<Goal>) -> (Vec<RuleCall>, Vec<Goal>) {
        let (mut calls, mut rest) = (Vec::new(), Vec::new());
        for goal in goals {
            match goal {
                Goal::Call(call) if is_member(planner, &self.root.name, &call.name) => calls.push(call),
                goal => rest.push(goal),
            }
        }
        (calls, rest)
    }

    /// What a call at the end of a body reaches, if it hands on the free arguments and nothing else speaks of them.
    fn onward(&mut self, call: &RuleCall, free: &[VarId], rest: &[Goal], others: &[VarId]) -> Option<Head> {
        let elsewhere = mentioned(rest);
        let mut places = Vec::with_capacity(free.len());
        for var in free {
            let mut at = (0..call.args.len()).filter(|at| call.args[*at] == Place::Var(*var));
            let (Some(place), None) = (at.next(), at.next()) else { return None };
            if elsewhere.contains(var) || others.contains(var) {
                return None;
            }
            places.push(place);
        }
        if (0..call.required).any(|at| places.contains(&at)) {
            return None;
        }
        let given: Vec<Place> =
            (0..call.args.len()).filter(|at| !places.contains(at)).map(|at| call.args[at]).collect();
        let station = self.station(call, places);
        Some(Head { relation: station + 1, places: self.with_seed(given.into_iter()) })
    }

    /// The answers that a call at the beginning of a body starts from, if it asks for what the head is given and
    /// nothing else speaks of that.
    fn back(
        &mut self,
        at: usize,
        call: &RuleCall,
        given: &[VarId],
        rest: &[Goal],
        others: &[VarId],
    ) -> Option<(usize, Vec<Place>)> {
        let station = &self.stations[at];
        if at != 0 || call.name != station.name || call.source != station.source {
            return None;
        }
        let is_free = |at: &usize| station.free.contains(at);
        let handed: Vec<Place> =
            (0..call.args.len()).filter(|at| !is_free(at)).map(|at| call.args[at]).collect();
        let found: Vec<Place> = station.free.iter().map(|at| call.args[*at]).collect();
        let elsewhere: BTreeSet<VarId> = mentioned(rest);
        let is_used = |var: &VarId| {
            elsewhere.contains(var) || others.contains(var) || found.contains(&Place::Var(*var))
        };
        if !handed.into_iter().eq(given.iter().map(|var| Place::Var(*var))) || given.iter().any(is_used) {
            return None;
        }
        self.single = true;
        Some((ANSWER, self.with_seed(found.into_iter())))
    }

    /// A call from the beginning and one to the end.
    fn both(
        &mut self,
        at: usize,
        first: &RuleCall,
        last: &RuleCall,
        given: &[VarId],
        free: &[VarId],
        rest: &[Goal],
    ) -> Option<((usize, Vec<Place>), Head)> {
        let vars = |call: &RuleCall| call.args.iter().filter_map(|place| place.var()).collect::<Vec<_>>();
        let back = self.back(at, first, given, rest, &vars(last))?;
        let onward = self.onward(last, free, rest, &vars(first))?;
        Some((back, onward))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::edn::{Form, read::read_one};
    use crate::inputs::Inputs;
    use crate::plan::{PlanOptions, recursion::Rules};
    use crate::run::pool::Pool;
    use crate::{QueryArg, parse};

    /// Whether each rule has a program of this kind if its first argument is given, and how many heads and bodies that makes.
    fn shapes(rules: &str) -> HashMap<String, Option<(usize, usize)>> {
        let rules = read_one(rules).expect("test text").to_edn();
        let query = parse::query_text("[:find ?x :in $ % :where [$ ?x]]").expect("test text");
        let rows = QueryArg::Value(read_one("[[1 2]]").expect("test text").to_edn());
        let inputs = Inputs::bind(&query, &[rows, QueryArg::Value(rules.clone())]).expect("test inputs");
        let all = parse::rules(&Form::from(rules)).expect("test text");
        let sorted_out = Rules::new(all.clone());
        let mut pool = Pool::default();
        let mut planner = Planner {
            inputs: &inputs,
            sources: crate::plan::sources(&inputs),
            rules: &sorted_out,
            pool: &mut pool,
            names: Vec::new(),
            steps: 0,
            options: PlanOptions::default(),
            depth: 0,
            lead: None,
            sampled: false,
        };
        let mut shapes = HashMap::new();
        for rule in all {
            let args = rule.args.iter().map(|var| Place::Var(planner.fresh(&var.0))).collect();
            let call = RuleCall { name: rule.name.clone(), source: 0, args, required: 0, span: None };
            let program = program(&mut planner, &call, &[0]).expect("bound");
            let counts = program.map(|program| {
                (program.rules.iter().map(|rule| rule.heads.len()).sum(), program.rules.len())
            });
            shapes.insert(rule.name.to_string(), counts);
        }
        shapes
    }

    #[test]
    fn paths_are_told_from_other_recursion() {
        let shapes = shapes(
            "[[(right ?a ?b) [?a ?b]] [(right ?a ?b) [?a ?m] (right ?m ?b)]
              [(left ?a ?b) [?a ?b]] [(left ?a ?b) (left ?a ?m) [?m ?b]]
              [(double ?a ?b) [?a ?b]] [(double ?a ?b) (double ?a ?m) (double ?m ?b)]
              [(odd ?a ?b) [?a ?b]] [(odd ?a ?b) [?a ?m] (even ?m ?b)] [(even ?a ?b) [?a ?m] (odd ?m ?b)]
              [(kin ?a ?b) [?p ?a] [?p ?b]] [(kin ?a ?b) [?p ?a] [?q ?b] (kin ?p ?q)]
              [(rises ?a ?b) [?a ?b]] [(rises ?a ?b) [?a ?m] (rises ?m ?b) [(< ?a ?b)]]
              [(from ?a ?b) [?a ?b]] [(from ?a ?b) (from ?a ?m) [?m ?b] [(< ?a ?b)]]]",
        );
        // What is reached is looked up once, though one rule answers with it and one goes on from it.
        for (name, rules) in [("right", (2, 1)), ("left", (2, 2)), ("double", (2, 2)), ("odd", (3, 2))] {
            assert_eq!(shapes[name], Some(rules), "{name}");
        }
        for name in ["kin", "rises", "from"] {
            assert_eq!(shapes[name], None, "{name}: a body speaks of what would not be carried along");
        }
    }
}
