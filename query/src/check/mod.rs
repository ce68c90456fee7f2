//! A query and its rules before they run: do the names fit together, can every variable be bound?
//!
//! What passes can be put into an order in which every clause finds its variables bound; the order of the text never
//! matters. All that is wrong is found; the first problem is the error, the others stand in its hint. Rules no clause
//! reaches are not looked at. What depends on data (attributes, types, values of inputs) is not known here.
//!
//! One file for each question: `names` (sources, rules, patterns, shapes), `strata` (recursion through `not`),
//! `binding` (what can be bound), `answer` (what is made of the rows), `nested` (queries inside the query).

mod answer;
mod binding;
mod names;
mod nested;
mod strata;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::ast::{Arg, Binding, Call, Clause, ClauseKind, Query, Rule, Term, Var};
use crate::error::{Error, Result};

/// The definitions of rules by name.
type RuleSet<'q> = BTreeMap<&'q str, Vec<&'q Rule>>;

/// How many problems beside the first are told.
const OTHERS: usize = 5;

/// Refuses a query that cannot make sense with these rules.
pub fn query(query: &Query, rules: &[Rule]) -> Result<()> {
    let mut set = RuleSet::new();
    for rule in rules {
        set.entry(rule.name.as_str()).or_default().push(rule);
    }
    let mut problems = Vec::new();
    look(query, &set, 0, &mut problems);
    told(problems)
}

/// Notes all that is wrong with a query that stands inside of `depth` others.
fn look<'q>(query: &'q Query, rules: &RuleSet<'q>, depth: usize, problems: &mut Vec<Error>) {
    let reached = names::check(query, rules, depth, problems);
    strata::check(&reached, problems);
    binding::check(query, &reached, problems);
    answer::check(query, problems);
}

/// The first problem, with the others in its hint.
fn told(problems: Vec<Error>) -> Result<()> {
    let mut problems = problems.into_iter();
    let Some(mut first) = problems.next() else { return Ok(()) };
    let mut others: Vec<String> = problems.map(|problem| problem.message).collect();
    if others.len() > OTHERS {
        let more = others.len() - OTHERS;
        others.truncate(OTHERS);
        others.push(format!("{more} more"));
    }
    if !others.is_empty() {
        let also = format!("also: {}", others.join("; "));
        first.hint = Some(first.hint.map_or_else(|| also.clone(), |hint| format!("{hint}; {also}")));
    }
    Err(first)
}

/// The variables a clause shares with what stands around it.
fn shared_vars(clause: &Clause, vars: &mut BTreeSet<Var>) {
    match &clause.kind {
        ClauseKind::Pattern { terms, .. } | ClauseKind::Rule { args: terms, .. } => {
            vars.extend(term_vars(terms).cloned());
        }
        ClauseKind::Predicate(call) => vars.extend(call_vars(call)),
        ClauseKind::Function(call, binding) => {
            vars.extend(call_vars(call));
            binding_vars(binding, &mut |var| {
                vars.insert(var.clone());
            });
        }
        ClauseKind::Not { join: Some(join), .. } | ClauseKind::Or { join: Some(join), .. } => {
            vars.extend(join.iter().cloned());
        }
        ClauseKind::Not { join: None, clauses, .. } | ClauseKind::And(clauses) => {
            clauses.iter().for_each(|clause| shared_vars(clause, vars));
        }
        ClauseKind::Or { join: None, branches, .. } => {
            branches.iter().flatten().for_each(|clause| shared_vars(clause, vars));
        }
    }
}

/// The shared variables of several clauses.
fn all_vars(clauses: &[Clause]) -> BTreeSet<Var> {
    let mut vars = BTreeSet::new();
    clauses.iter().for_each(|clause| shared_vars(clause, &mut vars));
    vars
}

/// The names of the rules that clauses call.
fn called<'q>(clauses: &'q [Clause], sink: &mut dyn FnMut(&'q str)) {
    for clause in clauses {
        match &clause.kind {
            ClauseKind::Rule { name, .. } => sink(name.as_str()),
            ClauseKind::Not { clauses, .. } | ClauseKind::And(clauses) => called(clauses, sink),
            ClauseKind::Or { branches, .. } => branches.iter().for_each(|branch| called(branch, sink)),
            ClauseKind::Pattern { .. } | ClauseKind::Predicate(_) | ClauseKind::Function(..) => {}
        }
    }
}

fn term_vars(terms: &[Term]) -> impl Iterator<Item = &Var> {
    terms.iter().filter_map(|term| match term {
        Term::Var(var) => Some(var),
        _ => None,
    })
}

fn arg_vars(args: &[Arg]) -> impl Iterator<Item = &Var> {
    args.iter().filter_map(|arg| match arg {
        Arg::Var(var) => Some(var),
        _ => None,
    })
}

fn binding_vars<'q>(binding: &'q Binding, sink: &mut dyn FnMut(&'q Var)) {
    match binding {
        Binding::Var(var) => sink(var),
        Binding::Ignore => {}
        Binding::Tuple(parts) => parts.iter().for_each(|part| binding_vars(part, sink)),
        Binding::Collection(inner) => binding_vars(inner, sink),
    }
}

/// The variables a call needs: those of its arguments, and the one its function is in, if it is in one.
fn call_vars(call: &Call) -> impl Iterator<Item = Var> {
    let function = call.name.as_str().starts_with('?').then(|| Var(call.name.clone()));
    arg_vars(&call.args).cloned().chain(function)
}

/// Variables for a message.
fn listed<'v>(vars: impl IntoIterator<Item = &'v Var>) -> String {
    let names: Vec<&str> = vars.into_iter().map(|var| var.0.as_str()).collect();
    names.join(", ")
}
