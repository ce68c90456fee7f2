//! Which clause can run when: the variables a clause needs, and those it binds.
//!
//! A pattern needs nothing. A predicate or function needs its arguments, an `or` or a rule what its branches or
//! definitions cannot bind by themselves. A `not` waits for all other clauses: then every variable that it can share with
//! the outside is bound, and what is not is its own affair. Whether a rule can run with some of its arguments bound is
//! assumed until a definition shows that it cannot, so that recursion is no obstacle.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use annals_storage::datom::Symbol;

use crate::ast::{Arg, Call, Clause, ClauseKind, Rule, Term, Var};
use crate::error::{Error, Result};
use crate::inputs::{Inputs, binding_vars};

use super::Vars;

/// A rule's name, and which of its arguments are bound.
type Mode = (Symbol, Vec<bool>);

/// What can run with what is bound.
pub(super) struct Order<'q> {
    rules: &'q [Rule],
    /// Whether a rule can run so; true until shown otherwise.
    modes: RefCell<BTreeMap<Mode, bool>>,
}

impl<'q> Order<'q> {
    pub(super) fn new(inputs: &'q Inputs) -> Order<'q> {
        Order { rules: inputs.rules(), modes: RefCell::default() }
    }

    /// The clause that runs next, and what is bound after it: the first that can, a `not` only when no other is left.
    pub(super) fn next(&self, pending: &[&Clause], bound: &Vars) -> Result<(usize, Vars)> {
        self.settle_modes(pending, bound)?;
        for waits in [false, true] {
            for (at, clause) in pending.iter().enumerate().filter(|(_, clause)| is_not(clause) == waits) {
                if let Some(then) = self.after(clause, bound).map_err(|error| error.at(clause.span))? {
                    return Ok((at, then));
                }
            }
        }
        let needed: BTreeSet<_> = pending.iter().flat_map(|clause| needs(&clause.kind)).collect();
        let missing: Vec<_> = needed.difference(bound).map(|var| var.0.to_string()).collect();
        let message = match missing.as_slice() {
            [] => {
                "the clauses cannot be brought into an order where each finds its variables bound".to_owned()
            }
            missing => format!("nothing binds {}", missing.join(", ")),
        };
        Err(Error::incorrect("db.error/insufficient-binding", message)
            .hint("a pattern over the variable would bind it")
            .at(pending[0].span))
    }

    /// Looks at the rules these clauses call, until it is known which can run how.
    fn settle_modes(&self, clauses: &[&Clause], bound: &Vars) -> Result<()> {
        for clause in clauses {
            self.after(clause, bound).map_err(|error| error.at(clause.span))?;
        }
        loop {
            let before = self.modes.borrow().clone();
            for (mode, _) in before.iter().filter(|(_, can_run)| **can_run) {
                if !self.can_run(mode)? {
                    self.modes.borrow_mut().insert(mode.clone(), false);
                }
            }
            if *self.modes.borrow() == before {
                return Ok(());
            }
        }
    }

    /// True if every definition can run in this mode, and binds all its arguments.
    fn can_run(&self, (name, bound): &Mode) -> Result<bool> {
        for rule in self.rules.iter().filter(|rule| rule.name == *name) {
            let given = rule
                .args
                .iter()
                .zip(bound)
                .filter(|(_, bound)| **bound)
                .map(|(var, _)| var.clone())
                .collect();
            let Some(then) = self.after_all(&rule.body, given)? else { return Ok(false) };
            if !rule.args.iter().all(|var| then.contains(var)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What is bound after all the clauses, if they can run in some order.
    fn after_all(&self, clauses: &[Clause], mut bound: Vars) -> Result<Option<Vars>> {
        let (nots, mut pending): (Vec<&Clause>, Vec<&Clause>) =
            flat(clauses).into_iter().partition(|it| is_not(it));
        while !pending.is_empty() {
            let waiting = pending.len();
            let mut still = Vec::new();
            for clause in pending {
                match self.after(clause, &bound).map_err(|error| error.at(clause.span))? {
                    Some(then) => bound = then,
                    None => still.push(clause),
                }
            }
            if still.len() == waiting {
                return Ok(None);
            }
            pending = still;
        }
        for clause in nots {
            if self.after(clause, &bound).map_err(|error| error.at(clause.span))?.is_none() {
                return Ok(None);
            }
        }
        Ok(Some(bound))
    }

    /// What is bound after the clause, if it can run now.
    fn after(&self, clause: &Clause, bound: &Vars) -> Result<Option<Vars>> {
        let with = |vars: &mut dyn Iterator<Item = Var>| Some(bound.iter().cloned().chain(vars).collect());
        Ok(match &clause.kind {
            ClauseKind::Pattern { terms, .. } => with(&mut term_vars(terms)),
            ClauseKind::Predicate(call) => call_vars(call).is_subset(bound).then(|| bound.clone()),
            ClauseKind::Function(call, binding) if call_vars(call).is_subset(bound) => {
                with(&mut binding_vars(binding).into_iter())
            }
            ClauseKind::Function(..) => None,
            ClauseKind::And(clauses) => self.after_all(clauses, bound.clone())?,
            ClauseKind::Not { join, clauses, .. } => {
                let shared = not_vars(join.as_deref(), clauses, bound);
                let anchored = match join {
                    Some(_) => shared.is_subset(bound),
                    None => !shared.is_empty() || visible(clauses).is_empty(),
                };
                let runs = anchored && self.after_all(clauses, shared)?.is_some();
                runs.then(|| bound.clone())
            }
            ClauseKind::Or { required, join, branches, .. } => {
                let shared = or_vars(join.as_deref(), branches);
                if !required.iter().all(|var| bound.contains(var)) {
                    return Ok(None);
                }
                for branch in branches {
                    let inside = shared.intersection(bound).cloned().collect();
                    if !self.after_all(branch, inside)?.is_some_and(|then| shared.is_subset(&then)) {
                        return Ok(None);
                    }
                }
                with(&mut shared.into_iter())
            }
            ClauseKind::Rule { name, args, .. } => {
                let mode = self.mode(name, args, bound)?;
                let runs = mode.is_some_and(|mode| *self.modes.borrow_mut().entry(mode).or_insert(true));
                if runs { with(&mut term_vars(args)) } else { None }
            }
        })
    }

    /// How a rule is called here; `None` if an argument that it requires is not bound.
    fn mode(&self, name: &Symbol, args: &[Term], bound: &Vars) -> Result<Option<Mode>> {
        let Some(rule) = self.rules.iter().find(|rule| rule.name == *name) else {
            return Err(Error::incorrect("db.error/unknown-rule", format!("there is no rule `{name}`")));
        };
        if rule.args.len() != args.len() {
            let message =
                format!("the rule `{name}` takes {} arguments, not {}", rule.args.len(), args.len());
            return Err(Error::incorrect("db.error/rule-arity", message));
        }
        let is_bound = |term: &Term| match term {
            Term::Var(var) => bound.contains(var),
            Term::Blank => false,
            Term::Const(_) => true,
        };
        let given: Vec<bool> = args.iter().map(is_bound).collect();
        Ok(given[..rule.required].iter().all(|bound| *bound).then(|| (name.clone(), given)))
    }
}

fn term_vars(terms: &[Term]) -> impl Iterator<Item = Var> {
    terms.iter().filter_map(|term| match term {
        Term::Var(var) => Some(var.clone()),
        _ => None,
    })
}

/// The variables a call needs, its name included if that is one.
fn call_vars(call: &Call) -> Vars {
    let name = call.name.as_str().starts_with('?').then(|| Var(call.name.clone()));
    let args = call.args.iter().filter_map(|arg| match arg {
        Arg::Var(var) => Some(var.clone()),
        _ => None,
    });
    args.chain(name).collect()
}

/// The clauses of a conjunction, those of an `and` inside it among them.
pub(super) fn flat(clauses: &[Clause]) -> Vec<&Clause> {
    clauses
        .iter()
        .flat_map(|clause| match &clause.kind {
            ClauseKind::And(clauses) => flat(clauses),
            _ => vec![clause],
        })
        .collect()
}

fn is_not(clause: &Clause) -> bool {
    matches!(clause.kind, ClauseKind::Not { .. })
}

/// The variables a `not` shares with the outside, where `bound` is all that is bound there.
pub(super) fn not_vars(join: Option<&[Var]>, clauses: &[Clause], bound: &Vars) -> Vars {
    match join {
        Some(vars) => vars.iter().cloned().collect(),
        None => visible(clauses).intersection(bound).cloned().collect(),
    }
}

/// The variables an `or` shares with the outside.
pub(super) fn or_vars(join: Option<&[Var]>, branches: &[Vec<Clause>]) -> Vars {
    match join {
        Some(vars) => vars.iter().cloned().collect(),
        None => branches.iter().flat_map(|branch| visible(branch)).collect(),
    }
}

/// The variables that are seen from outside of these clauses.
fn visible(clauses: &[Clause]) -> Vars {
    clauses.iter().flat_map(|clause| visible_of(&clause.kind)).collect()
}

fn visible_of(kind: &ClauseKind) -> Vars {
    match kind {
        ClauseKind::Pattern { terms: places, .. } | ClauseKind::Rule { args: places, .. } => {
            term_vars(places).collect()
        }
        ClauseKind::Predicate(call) => call_vars(call),
        ClauseKind::Function(call, binding) => {
            call_vars(call).into_iter().chain(binding_vars(binding)).collect()
        }
        ClauseKind::Not { join: Some(vars), .. } => vars.iter().cloned().collect(),
        ClauseKind::Not { clauses, .. } => visible(clauses),
        ClauseKind::Or { join, branches, .. } => or_vars(join.as_deref(), branches),
        ClauseKind::And(clauses) => visible(clauses),
    }
}

/// The variables without which a clause may not run; for messages.
fn needs(kind: &ClauseKind) -> Vars {
    match kind {
        ClauseKind::Pattern { .. } => Vars::new(),
        ClauseKind::Predicate(call) | ClauseKind::Function(call, _) => call_vars(call),
        other => visible_of(other),
    }
}

/// Refuses rules that depend on their own negation: they have no meaning that a fixpoint finds.
pub(super) fn refuse_negation_in_recursion(rules: &[Rule]) -> Result<()> {
    let mut calls: BTreeMap<&Symbol, BTreeSet<&Symbol>> = BTreeMap::new();
    let mut negated: Vec<(&Rule, &Symbol)> = Vec::new();
    for rule in rules {
        let mut walk = vec![(rule.body.as_slice(), false)];
        while let Some((clauses, under_not)) = walk.pop() {
            for clause in clauses {
                match &clause.kind {
                    ClauseKind::Rule { name, .. } => {
                        calls.entry(&rule.name).or_default().insert(name);
                        if under_not {
                            negated.push((rule, name));
                        }
                    }
                    ClauseKind::Not { clauses, .. } => walk.push((clauses, true)),
                    ClauseKind::And(clauses) => walk.push((clauses, under_not)),
                    ClauseKind::Or { branches, .. } => {
                        walk.extend(branches.iter().map(|branch| (branch.as_slice(), under_not)));
                    }
                    _ => {}
                }
            }
        }
    }
    let reaches = |from: &Symbol, to: &Symbol| {
        let (mut seen, mut ahead) = (BTreeSet::from([from]), vec![from]);
        while let Some(name) = ahead.pop() {
            if name == to {
                return true;
            }
            ahead.extend(calls.get(name).into_iter().flatten().copied().filter(|next| seen.insert(*next)));
        }
        false
    };
    match negated.iter().find(|(rule, name)| reaches(name, &rule.name)) {
        None => Ok(()),
        Some((rule, name)) => {
            let message =
                format!("the rule `{}` depends on `{name}` not holding, which depends on it", rule.name);
            Err(Error::incorrect("db.error/unstratified", message)
                .hint("a rule may use `not` only over rules that do not lead back to it")
                .at(rule.span))
        }
    }
}
