//! Recursion through `not`: a rule that holds only if it does not hold has no meaning and is refused. So is recursion by
//! way of another rule where only the best of a rule's rows is kept: that other rule would have seen the worse ones.
//!
//! Rules are nodes, calls are edges. An edge from inside a `not` must not lie on a cycle.

use std::collections::BTreeMap;

use super::RuleSet;
use crate::ast::{Clause, ClauseKind};
use crate::edn::Span;
use crate::error::Error;

/// A call found in a rule's body.
struct Edge {
    callee: usize,
    negated: bool,
    span: Option<Span>,
}

pub(super) fn check(rules: &RuleSet<'_>, problems: &mut Vec<Error>) {
    let names: Vec<&str> = rules.keys().copied().collect();
    let numbers: BTreeMap<&str, usize> = names.iter().enumerate().map(|(i, name)| (*name, i)).collect();
    let edges: Vec<Vec<Edge>> = rules
        .values()
        .map(|definitions| {
            let mut edges = Vec::new();
            definitions.iter().for_each(|rule| calls(&rule.body, false, &numbers, &mut edges));
            edges
        })
        .collect();
    let component = components(&edges);
    for (number, definitions) in rules.values().enumerate() {
        let Some(rule) = definitions.iter().find(|rule| rule.best.is_some()) else { continue };
        let Some(other) = (0..names.len()).find(|i| *i != number && component[*i] == component[number])
        else {
            continue;
        };
        let message = format!(
            "the rule `{}` keeps the least or greatest and calls itself by way of `{}`",
            names[number], names[other]
        );
        let error = Error::incorrect("db.error/unstratified", message)
            .hint("let it call itself directly, or take the best of a rule that keeps all");
        problems.push(error.at(rule.span));
    }
    for (caller, edges) in edges.iter().enumerate() {
        let Some(edge) =
            edges.iter().find(|edge| edge.negated && component[edge.callee] == component[caller])
        else {
            continue;
        };
        let cycle: Vec<String> = (0..names.len())
            .filter(|&i| component[i] == component[caller])
            .map(|i| format!("`{}`", names[i]))
            .collect();
        let message = format!(
            "the rule `{}` depends on itself through `not` (with {})",
            names[caller],
            cycle.join(", ")
        );
        let error = Error::incorrect("db.error/unstratified", message)
            .hint("a recursive rule may negate only rules that do not lead back to it");
        problems.push(error.at(edge.span));
        return;
    }
}

fn calls(clauses: &[Clause], negated: bool, numbers: &BTreeMap<&str, usize>, edges: &mut Vec<Edge>) {
    for clause in clauses {
        match &clause.kind {
            ClauseKind::Rule { name, .. } => {
                if let Some(&callee) = numbers.get(name.as_str()) {
                    edges.push(Edge { callee, negated, span: clause.span });
                }
            }
            ClauseKind::Not { clauses, .. } => calls(clauses, true, numbers, edges),
            ClauseKind::Or { branches, .. } => {
                branches.iter().for_each(|branch| calls(branch, negated, numbers, edges));
            }
            ClauseKind::And(clauses) => calls(clauses, negated, numbers, edges),
            ClauseKind::Pattern { .. } | ClauseKind::Predicate(_) | ClauseKind::Function(..) => {}
        }
    }
}

/// The strongly connected component of each node: two walks over the graph (Kosaraju), neither of them recursive.
fn components(edges: &[Vec<Edge>]) -> Vec<usize> {
    let forward: Vec<Vec<usize>> =
        edges.iter().map(|edges| edges.iter().map(|edge| edge.callee).collect()).collect();
    let mut backward = vec![Vec::new(); edges.len()];
    for (caller, callees) in forward.iter().enumerate() {
        callees.iter().for_each(|&callee| backward[callee].push(caller));
    }
    let mut finished = Vec::new();
    let mut seen = vec![false; edges.len()];
    (0..edges.len()).for_each(|start| walk(&forward, start, &mut seen, &mut finished));
    let mut component = vec![0; edges.len()];
    let mut seen = vec![false; edges.len()];
    for &start in finished.iter().rev() {
        let mut members = Vec::new();
        walk(&backward, start, &mut seen, &mut members);
        members.into_iter().for_each(|member| component[member] = start);
    }
    component
}

/// Appends the unseen nodes that `start` leads to, each after those it leads to.
fn walk(graph: &[Vec<usize>], start: usize, seen: &mut [bool], finished: &mut Vec<usize>) {
    if std::mem::replace(&mut seen[start], true) {
        return;
    }
    let mut path = vec![(start, 0)];
    while let Some((node, next)) = path.last_mut() {
        match graph[*node].get(*next) {
            Some(&child) => {
                *next += 1;
                if !std::mem::replace(&mut seen[child], true) {
                    path.push((child, 0));
                }
            }
            None => {
                finished.push(*node);
                path.pop();
            }
        }
    }
}
