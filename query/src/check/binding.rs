//! What can be bound: is there an order of the clauses in which each finds the variables it needs?
//!
//! The question is put as implications, "if these hold, those hold": a variable is bound in a scope, a clause can
//! run. A scope is a conjunction: the query, a branch, the inside of a `not`, the body of a rule.
//!
//! ```text
//!   [?e :a ?v]               ⇒ ?e, ?v                       (?f ?a) with ?a required: ?a ⇒ ?f
//!   [(f ?a) ?b]       ?a     ⇒ runs, ?b                     (or …)  every branch runs and binds its variables
//!   [(p ?a)]          ?a     ⇒ runs                                 ⇒ runs, its variables
//!   (not …)           all its variables, and its inside runs ⇒ runs
//! ```
//!
//! A rule needs from its callers what its head requires, and what its body uses but cannot bind.
//!
//! What a scope has flows into the scopes inside it, but only through shared variables. Implications are followed
//! until nothing new holds, in time linear in the query; whatever then does not run is a problem. As nothing that
//! holds ever ceases to, the order of the text has no influence.

use std::collections::{BTreeMap, BTreeSet};

use super::{RuleSet, all_vars, binding_vars, call_vars, called, listed, term_vars};
use crate::ast::{Best, Call, Clause, ClauseKind, Element, Input, Query, Rule, Term, Var};
use crate::edn::Span;
use crate::error::Error;

pub(super) fn check(query: &Query, rules: &RuleSet<'_>, problems: &mut Vec<Error>) {
    let needs = needs(rules);
    for rule in rules.values().flatten() {
        problems.extend(
            rule.best.filter(|best| needs[rule.name.as_str()][best.at]).map(|best| never_found(rule, best)),
        );
    }
    let mut analysis = Analysis::new(&needs);
    let scope = analysis.query(query);
    for rule in rules.values().flatten() {
        analysis.rule(rule, &needs[rule.name.as_str()]);
    }
    analysis.implications.follow();
    let mut told = BTreeSet::new();
    // A variable nothing could ever bind is told before what fails for lack of it.
    analysis.asked(query, scope, false, &mut told, problems);
    analysis.wants(&mut told, problems);
    analysis.asked(query, scope, true, &mut told, problems);
}

/// The error for a rule that is to keep the best of what only a caller could give.
fn never_found(rule: &Rule, best: Best) -> Error {
    let message = format!("the body of `{}` does not bind {}", rule.name, rule.args[best.at].0);
    Error::incorrect("db.error/insufficient-binding", message)
        .hint("the least or greatest is taken of what the body finds")
        .at(rule.span)
}

/// For each rule, which of its arguments callers must bind.
type Needs<'q> = BTreeMap<&'q str, Vec<bool>>;

/// What rules need: first what their heads require, then more, as long as a body cannot do with what it is given.
fn needs<'q>(rules: &RuleSet<'q>) -> Needs<'q> {
    let declared = |rule: &Rule| (0..rule.args.len()).map(|place| place < rule.required).collect();
    let mut needs: Needs<'q> = rules.iter().map(|(name, rules)| (*name, declared(rules[0]))).collect();
    let mut callers: BTreeMap<&str, BTreeSet<&'q str>> = BTreeMap::new();
    for rule in rules.values().flatten() {
        called(&rule.body, &mut |name| {
            callers.entry(name).or_default().insert(rule.name.as_str());
        });
    }
    let mut pending: BTreeSet<&'q str> = rules.keys().copied().collect();
    while let Some(name) = pending.pop_first() {
        for rule in &rules[name] {
            let Some(more) = needs_of(rule, &needs) else { continue };
            needs.insert(name, more);
            pending.insert(name);
            pending.extend(callers.get(name).into_iter().flatten());
        }
    }
    needs
}

/// A smallest set of arguments with which the body can run, if those needed so far are too few. A body that cannot
/// run with all of them is left to be reported.
fn needs_of(rule: &Rule, needs: &Needs<'_>) -> Option<Vec<bool>> {
    let known = &needs[rule.name.as_str()];
    let runs = |given: &[bool]| {
        let mut analysis = Analysis::new(needs);
        analysis.rule(rule, given);
        analysis.implications.follow();
        analysis.wants.iter().all(|want| analysis.missing(want).is_empty())
    };
    let mut given = vec![true; rule.args.len()];
    if runs(known) || !runs(&given) {
        return None;
    }
    for place in (0..given.len()).filter(|&place| !known[place]) {
        given[place] = false;
        given[place] = !runs(&given);
    }
    Some(given)
}

/// Something that may come to hold: "bound in this scope", "can run".
type Fact = usize;
type Scope = usize;

/// Variables that a clause needs, and what to say without them.
struct Want {
    needs: Vec<(Var, Fact)>,
    reason: String,
    span: Option<Span>,
}

struct Analysis<'q> {
    needs: &'q Needs<'q>,
    implications: Implications,
    scopes: Vec<BTreeMap<Var, Fact>>,
    wants: Vec<Want>,
}

impl<'q> Analysis<'q> {
    fn new(needs: &'q Needs<'q>) -> Analysis<'q> {
        Analysis { needs, implications: Implications::default(), scopes: Vec::new(), wants: Vec::new() }
    }

    fn scope(&mut self) -> Scope {
        self.scopes.push(BTreeMap::new());
        self.scopes.len() - 1
    }

    fn bound(&mut self, scope: Scope, var: &Var) -> Fact {
        if let Some(&fact) = self.scopes[scope].get(var) {
            return fact;
        }
        let fact = self.implications.fact();
        self.scopes[scope].insert(var.clone(), fact);
        fact
    }

    fn all_bound<'v>(&mut self, scope: Scope, vars: impl IntoIterator<Item = &'v Var>) -> Vec<Fact> {
        vars.into_iter().map(|var| self.bound(scope, var)).collect()
    }

    fn query(&mut self, query: &Query) -> Scope {
        let scope = self.scope();
        let mut given = Vec::new();
        for input in &query.inputs {
            if let Input::Binding(binding) = input {
                binding_vars(binding, &mut |var| given.push(var));
            }
        }
        let given = self.all_bound(scope, given);
        self.implications.add(&[], &given);
        self.clauses(&query.clauses, scope);
        scope
    }

    /// The body of a rule, with these of its arguments bound. The others it must bind itself.
    fn rule(&mut self, rule: &Rule, given: &[bool]) {
        let scope = self.scope();
        let args = rule.args.iter().zip(given);
        let bound = self.all_bound(scope, args.filter(|(_, given)| **given).map(|(var, _)| var));
        self.implications.add(&[], &bound);
        self.clauses(&rule.body, scope);
        self.want(
            &rule.args,
            scope,
            format!("the rule `{}` does not bind its arguments", rule.name),
            rule.span,
        );
    }

    /// Says what the clauses imply; gives the facts that they can run.
    fn clauses(&mut self, clauses: &[Clause], scope: Scope) -> Vec<Fact> {
        let mut runs = Vec::with_capacity(clauses.len());
        for clause in clauses {
            self.clause(clause, scope, &mut runs);
        }
        runs
    }

    fn clause(&mut self, clause: &Clause, scope: Scope, runs: &mut Vec<Fact>) {
        match &clause.kind {
            ClauseKind::And(clauses) => {
                clauses.iter().for_each(|clause| self.clause(clause, scope, runs));
            }
            ClauseKind::Pattern { terms, .. } => {
                let bound = self.all_bound(scope, term_vars(terms));
                self.implications.add(&[], &bound);
            }
            ClauseKind::Predicate(call) => runs.push(self.call(call, scope, Vec::new())),
            ClauseKind::Function(call, binding) => {
                let mut bound = Vec::new();
                binding_vars(binding, &mut |var| bound.push(var));
                let bound = self.all_bound(scope, bound);
                runs.push(self.call(call, scope, bound));
            }
            ClauseKind::Rule { name, args, .. } => {
                runs.push(self.rule_call(name.as_str(), args, clause.span, scope))
            }
            ClauseKind::Not { join, clauses, .. } => {
                runs.push(self.not(join.as_deref(), clauses, clause.span, scope));
            }
            ClauseKind::Or { required, join, branches, .. } => {
                runs.push(self.or(required, join.as_deref(), branches, clause.span, scope));
            }
        }
    }

    fn call(&mut self, call: &Call, scope: Scope, mut bound: Vec<Fact>) -> Fact {
        let needs: BTreeSet<Var> = call_vars(call).collect();
        let needs = self.want(&needs, scope, format!("`{}` needs its arguments bound", call.name), call.span);
        let runs = self.implications.fact();
        bound.push(runs);
        self.implications.add(&needs, &bound);
        runs
    }

    /// Notes that variables are needed, all of them.
    fn want<'v>(
        &mut self,
        vars: impl IntoIterator<Item = &'v Var>,
        scope: Scope,
        reason: String,
        span: Option<Span>,
    ) -> Vec<Fact> {
        let needs: Vec<(Var, Fact)> =
            vars.into_iter().map(|var| (var.clone(), self.bound(scope, var))).collect();
        let facts = needs.iter().map(|(_, fact)| *fact).collect();
        self.wants.push(Want { needs, reason, span });
        facts
    }

    fn rule_call(&mut self, name: &str, args: &[Term], span: Option<Span>, scope: Scope) -> Fact {
        // An unknown rule was told already; it is taken to bind all.
        let required = self.needs.get(name).map_or(&[][..], Vec::as_slice);
        let required: Vec<&Term> =
            args.iter().zip(required).filter(|(_, need)| **need).map(|(arg, _)| arg).collect();
        let reason = format!("the rule `{name}` needs bound arguments");
        if required.contains(&&Term::Blank) {
            let blank = (Var("_".into()), self.implications.fact());
            self.wants.push(Want { needs: vec![blank], reason: reason.clone(), span });
        }
        let required = required.into_iter().filter_map(|term| match term {
            Term::Var(var) => Some(var),
            _ => None,
        });
        let needs = self.want(required, scope, reason, span);
        let runs = self.implications.fact();
        let mut bound = self.all_bound(scope, term_vars(args));
        bound.push(runs);
        self.implications.add(&needs, &bound);
        runs
    }

    /// What is bound outside flows in through the shared variables.
    fn flow<'v>(&mut self, vars: impl IntoIterator<Item = &'v Var>, from: Scope, to: Scope) {
        for var in vars {
            let (outside, inside) = (self.bound(from, var), self.bound(to, var));
            self.implications.add(&[outside], &[inside]);
        }
    }

    fn not(&mut self, join: Option<&[Var]>, clauses: &[Clause], span: Option<Span>, scope: Scope) -> Fact {
        let shared: Vec<Var> = match join {
            Some(join) => join.to_vec(),
            None => all_vars(clauses).into_iter().collect(),
        };
        let inside = self.scope();
        self.flow(&shared, scope, inside);
        let mut needs = self.clauses(clauses, inside);
        let word = if join.is_some() { "`not-join`" } else { "`not`" };
        needs.extend(self.want(
            &shared,
            scope,
            format!("{word} needs its variables bound by other clauses"),
            span,
        ));
        let runs = self.implications.fact();
        self.implications.add(&needs, &[runs]);
        runs
    }

    fn or(
        &mut self,
        required: &[Var],
        join: Option<&[Var]>,
        branches: &[Vec<Clause>],
        span: Option<Span>,
        scope: Scope,
    ) -> Fact {
        let shared: Vec<Var> = match join {
            Some(join) => join.to_vec(),
            None => {
                // Branches that differ were told already; what is common to them is shared.
                let mut sets = branches.iter().map(|branch| all_vars(branch));
                let first = sets.next().unwrap_or_default();
                sets.fold(first, |common, set| &common & &set).into_iter().collect()
            }
        };
        let mut needs = self.want(required, scope, "`or-join` requires bound variables".to_owned(), span);
        for (i, branch) in branches.iter().enumerate() {
            let inside = self.scope();
            self.flow(&shared, scope, inside);
            needs.extend(self.clauses(branch, inside));
            let reason = format!("branch {} of the `or` does not bind what the others share", i + 1);
            needs.extend(self.want(&shared, inside, reason, span));
        }
        let runs = self.implications.fact();
        let mut bound = self.all_bound(scope, &shared);
        bound.push(runs);
        self.implications.add(&needs, &bound);
        runs
    }

    /// Reports the variables of `:find` and `:with` that are not bound: those some clause would bind if it could run
    /// (`failing`), or those none would and none needs.
    fn asked(
        &mut self,
        query: &Query,
        scope: Scope,
        failing: bool,
        told: &mut BTreeSet<Var>,
        problems: &mut Vec<Error>,
    ) {
        let mut asked: Vec<(&Var, &str, Option<Span>)> = Vec::new();
        for element in query.find.elements() {
            match element {
                Element::Pull { var, span, .. } => asked.push((var, ":find", *span)),
                Element::Expr(expr) => {
                    asked.extend(expr.vars().into_iter().map(|var| (var, ":find", expr.span())));
                }
            }
        }
        for expr in &query.having {
            asked.extend(expr.vars().into_iter().map(|var| (var, ":having", expr.span())));
        }
        asked.extend(query.with.iter().map(|var| (var, ":with", None)));
        for (var, place, span) in asked {
            let fact = self.bound(scope, var);
            // What a clause lacks is told of that clause.
            let is_wanted = || self.wants.iter().flat_map(|want| &want.needs).any(|(_, need)| *need == fact);
            if self.implications.holds(fact)
                || self.implications.reachable(fact) != failing
                || (!failing && is_wanted())
                || !told.insert(var.clone())
            {
                continue;
            }
            let message = format!("{} in {place} is bound by no clause and no input", var.0);
            let error = Error::incorrect("db.error/unbound-variable", message);
            problems.push(error.hint(format!("use {} in a clause, or name it in :in", var.0)).at(span));
        }
    }

    fn missing<'w>(&self, want: &'w Want) -> Vec<&'w Var> {
        want.needs.iter().filter(|(_, fact)| !self.implications.holds(*fact)).map(|(var, _)| var).collect()
    }

    /// Reports the clauses that lack variables, each variable once.
    fn wants(&self, told: &mut BTreeSet<Var>, problems: &mut Vec<Error>) {
        for want in &self.wants {
            let missing = self.missing(want);
            if missing.iter().all(|var| told.contains(var)) {
                continue;
            }
            told.extend(missing.iter().copied().cloned());
            let message = format!("{}: {} is not bound", want.reason, listed(missing));
            let error = Error::incorrect("db.error/insufficient-binding", message);
            problems.push(error.hint("bind it by a pattern, a function or an input").at(want.span));
        }
    }
}

/// Implications between facts, followed from what holds to all that holds.
#[derive(Default)]
struct Implications {
    holds: Vec<bool>,
    /// For each fact, the implications that wait for it.
    waiting: Vec<Vec<usize>>,
    /// How many premises an implication still lacks, and what it concludes.
    rules: Vec<(usize, Vec<Fact>)>,
    concluded: Vec<bool>,
}

impl Implications {
    fn fact(&mut self) -> Fact {
        self.holds.push(false);
        self.waiting.push(Vec::new());
        self.concluded.push(false);
        self.holds.len() - 1
    }

    fn add(&mut self, premises: &[Fact], conclusions: &[Fact]) {
        for &fact in premises {
            self.waiting[fact].push(self.rules.len());
        }
        for &fact in conclusions {
            self.concluded[fact] = true;
        }
        self.rules.push((premises.len(), conclusions.to_vec()));
    }

    /// Finds all that holds.
    fn follow(&mut self) {
        let mut new: Vec<Fact> = self
            .rules
            .iter()
            .filter(|(lacking, _)| *lacking == 0)
            .flat_map(|(_, facts)| facts)
            .copied()
            .collect();
        while let Some(fact) = new.pop() {
            if std::mem::replace(&mut self.holds[fact], true) {
                continue;
            }
            for &waiting in &self.waiting[fact] {
                let (lacking, conclusions) = &mut self.rules[waiting];
                *lacking -= 1;
                if *lacking == 0 {
                    new.extend_from_slice(conclusions);
                }
            }
        }
    }

    fn holds(&self, fact: Fact) -> bool {
        self.holds[fact]
    }

    /// True if some implication concludes the fact.
    fn reachable(&self, fact: Fact) -> bool {
        self.concluded[fact]
    }
}
