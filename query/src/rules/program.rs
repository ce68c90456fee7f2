//! A rule and all it leads back to, as a program for [`super::fixpoint`].
//!
//! Two ways to make one:
//!
//! - [`whole`]: every relation in full. What each rule derives does not depend on who asks.
//! - [`demanded`]: for every rule and set of bound arguments one relation of what is asked and one of what is
//!   answered; only what is asked is derived, and what a body asks of other rules is derived from what was asked of it,
//!   from left to right in the planner's order (magic sets).
//!
//! Each rule is given once for every relation in its body that grows, to run from that relation's new rows.

use std::collections::BTreeSet;

use annals_storage::datom::Symbol;

use super::alike::Renaming;
use crate::ast::Best;
use crate::error::{Error, Result};
use crate::plan::goals::Planner;
use crate::plan::vars::bound_by;
use crate::plan::{Block, Goal, Known, Place, RuleCall, VarId};

/// How many rows a rule is planned for.
const ROWS: f64 = 100.0;

/// The most bodies that one definition becomes when its alternatives are written out.
const BODIES_MAX: usize = 256;

/// A relation of a program.
#[derive(Clone, Debug)]
pub struct Relation {
    /// How many columns.
    pub width: usize,
    /// True if a body reads it beside the rows it starts from.
    pub is_read: bool,
    /// The column of which only the best value is kept for equal values of the others.
    pub best: Option<Best>,
}

/// What a rule derives.
#[derive(Clone, Debug)]
pub struct Head {
    /// The relation it adds to.
    pub relation: usize,
    /// The row.
    pub places: Vec<Place>,
}

/// A rule that runs once, before the first round.
#[derive(Clone, Debug)]
pub struct Once {
    /// What is derived.
    pub head: Head,
    /// From what.
    pub block: Block,
}

/// A rule that runs from the new rows of a relation.
#[derive(Clone, Debug)]
pub struct Delta {
    /// The relation.
    pub delta: usize,
    /// What is asked of its columns.
    pub places: Vec<Place>,
    /// What is derived: by more than one rule, if their bodies are alike.
    pub heads: Vec<Head>,
    /// From what else.
    pub block: Block,
    /// What the block was planned for.
    body: Vec<Goal>,
}

/// Rules that are run together until nothing new comes.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// The relations.
    pub relations: Vec<Relation>,
    /// The relation that what is asked is put into.
    pub seed: Option<usize>,
    /// The relation that is the answer.
    pub answer: usize,
    /// Rules without a growing relation.
    pub once: Vec<Once>,
    /// Rules with one.
    pub rules: Vec<Delta>,
}

/// A definition of a rule with its names settled.
pub struct Body {
    /// The variables of the head.
    pub head: Vec<VarId>,
    /// Its conditions; calls of rules of the program among them.
    pub goals: Vec<Goal>,
}

impl Program {
    /// One more relation.
    pub fn relation(&mut self, width: usize) -> usize {
        self.relations.push(Relation { width, is_read: false, best: None });
        self.relations.len() - 1
    }

    /// Adds `head` to be derived from the goals, in one copy for each growing relation among them.
    fn rule(&mut self, planner: &mut Planner<'_>, head: &Head, goals: &[Goal]) -> Result<()> {
        let growing: Vec<usize> =
            (0..goals.len()).filter(|at| matches!(goals[*at], Goal::Known(_))).collect();
        if growing.is_empty() {
            let block = planner.order(goals.to_vec(), &BTreeSet::new(), &vars(&head.places), 1.0)?;
            self.once.push(Once { head: head.clone(), block });
        }
        for at in growing {
            let mut rest = goals.to_vec();
            let Goal::Known(delta) = rest.remove(at) else {
                unreachable!("only growing relations were kept")
            };
            for goal in &rest {
                if let Goal::Known(known) = goal {
                    self.relations[known.relation].is_read = true;
                }
            }
            self.delta(planner, delta.relation, delta.places, head.clone(), rest)?;
        }
        Ok(())
    }

    /// Adds a rule that runs from the new rows of one relation, with one that is there already if their bodies are alike.
    pub fn delta(
        &mut self,
        planner: &mut Planner<'_>,
        delta: usize,
        places: Vec<Place>,
        head: Head,
        rest: Vec<Goal>,
    ) -> Result<()> {
        for rule in self.rules.iter_mut().filter(|rule| rule.delta == delta) {
            if let Some(head) = rule.head_like(&places, &rest, &head) {
                rule.heads.push(head);
                return Ok(());
            }
        }
        let given = places.iter().filter_map(|place| place.var()).collect();
        let block = planner.order(rest.clone(), &given, &vars(&head.places), ROWS)?;
        self.rules.push(Delta { delta, places, heads: vec![head], block, body: rest });
        Ok(())
    }
}

impl Delta {
    /// The head of another rule in the names of this one, if its body is alike and this block finds all that it needs.
    fn head_like(&self, places: &[Place], body: &[Goal], head: &Head) -> Option<Head> {
        let places = Renaming::between((places, body), (&self.places, &self.body))?.renamed(&head.places)?;
        let is_found = vars(&places).iter().all(|var| self.block.out.contains(var));
        is_found.then_some(Head { relation: head.relation, places })
    }
}

/// The variables among places, each once.
pub fn vars(places: &[Place]) -> Vec<VarId> {
    let vars: BTreeSet<VarId> = places.iter().filter_map(|place| place.var()).collect();
    vars.into_iter().collect()
}

/// True if calls of this rule belong into the program of `root`.
pub fn is_member(planner: &Planner<'_>, root: &Symbol, callee: &Symbol) -> bool {
    planner.rules.together(root, callee)
}

/// The bodies of a rule over a source. Alternatives that call rules of the program are written out.
pub fn bodies(planner: &mut Planner<'_>, root: &Symbol, name: &Symbol, source: usize) -> Result<Vec<Body>> {
    let rules = planner.rules;
    let mut all = Vec::new();
    for rule in rules.of(name).unwrap_or_default() {
        let head: Vec<VarId> = rule.args.iter().map(|var| planner.fresh(&var.0)).collect();
        let places: Vec<Place> = head.iter().map(|var| Place::Var(*var)).collect();
        let goals = planner.body(rule, source, &places)?;
        for goals in written_out(planner, root, goals)? {
            all.push(Body { head: head.clone(), goals });
        }
    }
    Ok(all)
}

fn written_out(planner: &Planner<'_>, root: &Symbol, goals: Vec<Goal>) -> Result<Vec<Vec<Goal>>> {
    let mut bodies: Vec<Vec<Goal>> = vec![Vec::new()];
    for goal in goals {
        match goal {
            Goal::Or { branches, .. } if branches.iter().any(|branch| has_member(planner, root, branch)) => {
                let mut ways = Vec::new();
                for branch in branches {
                    ways.extend(written_out(planner, root, branch)?);
                }
                let with =
                    |body: &Vec<Goal>, way: &Vec<Goal>| body.iter().chain(way).cloned().collect::<Vec<_>>();
                bodies = bodies.iter().flat_map(|body| ways.iter().map(|way| with(body, way))).collect();
            }
            goal => bodies.iter_mut().for_each(|body| body.push(goal.clone())),
        }
        if bodies.len() > BODIES_MAX {
            let message =
                format!("the rule `{root}` has more than {BODIES_MAX} alternatives when written out");
            return Err(Error::incorrect("db.error/query-too-complex", message));
        }
    }
    Ok(bodies)
}

fn has_member(planner: &Planner<'_>, root: &Symbol, goals: &[Goal]) -> bool {
    goals.iter().any(|goal| match goal {
        Goal::Call(call) => is_member(planner, root, &call.name),
        Goal::Or { branches, .. } => branches.iter().any(|branch| has_member(planner, root, branch)),
        _ => false,
    })
}

/// The program that derives a rule's relation in full.
pub fn whole(planner: &mut Planner<'_>, root: &RuleCall) -> Result<Program> {
    let mut program = Program::default();
    let mut members: Vec<(Symbol, usize)> = vec![(root.name.clone(), root.source)];
    let relation = program.relation(root.args.len());
    program.relations[relation].best = planner.rules.best(&root.name);
    let mut at = 0;
    while at < members.len() {
        let (name, source) = members[at].clone();
        for body in bodies(planner, &root.name, &name, source)? {
            let mut goals = body.goals;
            for goal in &mut goals {
                let Goal::Call(call) = &*goal else { continue };
                if !is_member(planner, &root.name, &call.name) {
                    continue;
                }
                let member = (call.name.clone(), call.source);
                let relation = members.iter().position(|known| *known == member).unwrap_or_else(|| {
                    members.push(member);
                    let relation = program.relation(call.args.len());
                    program.relations[relation].best = planner.rules.best(&call.name);
                    relation
                });
                *goal = Goal::Known(Known { relation, places: call.args.clone(), required: call.required });
            }
            let head = Head { relation: at, places: body.head.iter().map(|var| Place::Var(*var)).collect() };
            program.rule(planner, &head, &goals)?;
        }
        at += 1;
    }
    Ok(program)
}

/// A rule as it is asked: with these arguments bound.
struct Asked {
    name: Symbol,
    source: usize,
    given: Vec<usize>,
    /// What is asked: the given arguments.
    demand: usize,
    /// What is answered: all arguments.
    answers: usize,
}

/// The program that derives what is asked of a rule with these arguments given.
pub fn demanded(planner: &mut Planner<'_>, root: &RuleCall, given: &[usize]) -> Result<Program> {
    let mut program = Program::default();
    let mut asked = Vec::new();
    ask(planner, &mut asked, &mut program, root, given.to_vec());
    (program.seed, program.answer) = (Some(asked[0].demand), asked[0].answers);
    let mut at = 0;
    while at < asked.len() {
        let (name, source) = (asked[at].name.clone(), asked[at].source);
        for body in bodies(planner, &root.name, &name, source)? {
            demanded_body(planner, &mut program, &mut asked, at, root, body)?;
        }
        at += 1;
    }
    Ok(program)
}

fn ask(
    planner: &Planner<'_>,
    asked: &mut Vec<Asked>,
    program: &mut Program,
    call: &RuleCall,
    given: Vec<usize>,
) -> usize {
    let same = |one: &Asked| one.name == call.name && one.source == call.source && one.given == given;
    asked.iter().position(same).unwrap_or_else(|| {
        let (demand, answers) = (program.relation(given.len()), program.relation(call.args.len()));
        program.relations[answers].best = planner.rules.best(&call.name);
        asked.push(Asked { name: call.name.clone(), source: call.source, given, demand, answers });
        asked.len() - 1
    })
}

fn demanded_body(
    planner: &mut Planner<'_>,
    program: &mut Program,
    asked: &mut Vec<Asked>,
    at: usize,
    root: &RuleCall,
    body: Body,
) -> Result<()> {
    let given = |places: &[usize]| places.iter().map(|place| body.head[*place]).collect::<Vec<_>>();
    let start = given(&asked[at].given);
    let mut bound: BTreeSet<VarId> = start.iter().copied().collect();
    let known = calls_as_known(planner, root, &body.goals);
    let arranged = planner.arrange(&known.iter().collect::<Vec<_>>(), &bound, &body.head, ROWS)?;
    let demand = Known {
        relation: asked[at].demand,
        places: start.into_iter().map(Place::Var).collect(),
        required: 0,
    };
    let mut goals = vec![Goal::Known(demand)];
    for next in arranged.order() {
        let goal = &body.goals[next];
        match goal {
            Goal::Call(call) if is_member(planner, &root.name, &call.name) => {
                let known = |place: &Place| place.var().is_none_or(|var| bound.contains(&var));
                let best = planner.rules.best(&call.name).map(|best| best.at);
                let given: Vec<usize> =
                    (0..call.args.len()).filter(|at| Some(*at) != best && known(&call.args[*at])).collect();
                let callee = ask(planner, asked, program, call, given);
                let places = asked[callee].given.iter().map(|at| call.args[*at]).collect();
                let head = Head { relation: asked[callee].demand, places };
                program.rule(planner, &head, &goals)?;
                let (relation, places) = (asked[callee].answers, call.args.clone());
                goals.push(Goal::Known(Known { relation, places, required: 0 }));
            }
            goal => goals.push(goal.clone()),
        }
        bound.extend(bound_by([goal]));
    }
    let head =
        Head { relation: asked[at].answers, places: body.head.iter().map(|var| Place::Var(*var)).collect() };
    program.rule(planner, &head, &goals)
}

/// The goals with calls of the program's rules as relations, for the planner to find an order.
fn calls_as_known(planner: &Planner<'_>, root: &RuleCall, goals: &[Goal]) -> Vec<Goal> {
    let known = |goal: &Goal| match goal {
        Goal::Call(call) if is_member(planner, &root.name, &call.name) => {
            Goal::Known(Known { relation: 0, places: call.args.clone(), required: call.required })
        }
        goal => goal.clone(),
    };
    goals.iter().map(known).collect()
}
