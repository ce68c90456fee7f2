//! Which rules there are, and which of them call themselves, directly or through others.

use std::collections::HashMap;

use annals_storage::datom::Symbol;

use crate::ast::{Best, Clause, ClauseKind, Rule};
use crate::inputs::levels;

/// The most definitions that a call of a rule is replaced by.
const WRITTEN_OUT_MAX: usize = 32;

/// How deep clauses stand inside each other, at most, when a rule is written out: walking them recurses.
const LEVELS_MAX: usize = 50;

/// The rules a query is given, by name.
#[derive(Debug, Default)]
pub struct Rules {
    definitions: HashMap<Symbol, Vec<Rule>>,
    known: HashMap<Symbol, Known>,
    /// How deep clauses stand inside each other in the deepest definition.
    deepest: usize,
}

/// What is known of a rule.
#[derive(Clone, Copy, Debug)]
struct Known {
    /// Rules with one number call each other, directly or not.
    component: usize,
    /// True if it calls itself, directly or not.
    recursive: bool,
    /// How many definitions a call of it becomes when all is written out; a recursive rule is not.
    size: usize,
    /// How deep clauses then stand inside each other.
    levels: usize,
}

impl Rules {
    /// These definitions, sorted out.
    pub fn new(rules: Vec<Rule>) -> Rules {
        let mut definitions: HashMap<Symbol, Vec<Rule>> = HashMap::new();
        for rule in rules {
            definitions.entry(rule.name.clone()).or_default().push(rule);
        }
        let known = sorted_out(&definitions);
        let deepest = definitions.values().flatten().map(|rule| levels(&rule.body)).max().unwrap_or(0);
        Rules { definitions, known, deepest }
    }

    /// How deep clauses stand inside each other in the deepest definition.
    pub fn deepest(&self) -> usize {
        self.deepest
    }

    /// The definitions of a rule.
    pub fn of(&self, name: &Symbol) -> Option<&[Rule]> {
        self.definitions.get(name).map(Vec::as_slice)
    }

    /// The argument of which a rule keeps the best value, if there is one.
    pub fn best(&self, name: &Symbol) -> Option<Best> {
        self.of(name)?.first()?.best
    }

    /// True if calls of the rule can be replaced by its bodies: it does not call itself, stays small, and does not have
    /// to see all of its rows.
    pub fn can_be_written_out(&self, name: &Symbol) -> bool {
        let fits = |known: &Known| !known.recursive && known.size <= WRITTEN_OUT_MAX;
        self.known.get(name).is_some_and(fits) && self.best(name).is_none()
    }

    /// True if calls of `callee` belong into the program of `root`: the two call each other, or the callee is too
    /// large to be written out and would be evaluated once for every call. What keeps the best of its rows must have all
    /// of them before another rule looks.
    pub fn together(&self, root: &Symbol, callee: &Symbol) -> bool {
        if self.best(callee).is_some() && root != callee {
            return false;
        }
        let (Some(root), Some(callee)) = (self.known.get(root), self.known.get(callee)) else { return false };
        (root.component == callee.component && root.recursive)
            || (callee.size > WRITTEN_OUT_MAX && !callee.recursive)
    }
}

/// A rule that is being looked at: its number, and how many of its callees have been.
struct Visit {
    rule: usize,
    next: usize,
}

/// Components by Tarjan's algorithm, without recursion. They come callees first, so that sizes can be summed up.
fn sorted_out(definitions: &HashMap<Symbol, Vec<Rule>>) -> HashMap<Symbol, Known> {
    let mut names: Vec<&Symbol> = definitions.keys().collect();
    names.sort_unstable();
    let numbers: HashMap<&Symbol, usize> = names.iter().enumerate().map(|(at, name)| (*name, at)).collect();
    let callees = |name: &Symbol| {
        let mut callees = Vec::new();
        for rule in &definitions[name] {
            calls(&rule.body, &mut |callee| callees.extend(numbers.get(callee)));
        }
        callees
    };
    let graph: Vec<Vec<usize>> = names.iter().map(|name| callees(name)).collect();
    let mut found: Vec<Option<Known>> = vec![None; names.len()];
    let (mut order, mut low): (Vec<Option<usize>>, Vec<usize>) =
        (vec![None; names.len()], vec![0; names.len()]);
    let (mut clock, mut open) = (0, Vec::new());
    for start in 0..names.len() {
        let mut path = if order[start].is_none() { vec![Visit { rule: start, next: 0 }] } else { Vec::new() };
        while let Some(Visit { rule, next }) = path.last_mut() {
            let rule = *rule;
            if *next == 0 && order[rule].is_none() {
                (order[rule], low[rule]) = (Some(clock), clock);
                clock += 1;
                open.push(rule);
            }
            if let Some(callee) = graph[rule].get(*next).copied() {
                match order[callee] {
                    None => path.push(Visit { rule: callee, next: 0 }),
                    Some(_) => {
                        *next += 1;
                        if found[callee].is_none() {
                            low[rule] = low[rule].min(low[callee]);
                        }
                    }
                }
                continue;
            }
            path.pop();
            if order[rule] == Some(low[rule]) {
                let first = open.iter().rposition(|other| *other == rule).expect("an open rule");
                let members = open.split_off(first);
                let recursive = members.len() > 1 || graph[rule].contains(&rule);
                for member in &members {
                    let below =
                        graph[*member].iter().map(|callee| found[*callee].map_or(0, |known| known.size));
                    let own = &definitions[names[*member]];
                    let levels = own.iter().map(|rule| levels(&rule.body)).max().unwrap_or(0)
                        + graph[*member]
                            .iter()
                            .filter_map(|callee| found[*callee])
                            .map(|known| known.levels)
                            .max()
                            .unwrap_or(0);
                    let is_best = own.iter().any(|rule| rule.best.is_some());
                    let size = match recursive || is_best {
                        true => 1,
                        false if levels > LEVELS_MAX => WRITTEN_OUT_MAX + 1,
                        false => below.fold(own.len(), usize::saturating_add),
                    };
                    found[*member] = Some(Known { component: rule, recursive, size, levels });
                }
            }
        }
    }
    names.iter().zip(found).filter_map(|(name, known)| Some(((*name).clone(), known?))).collect()
}

/// Hands every rule name called in these clauses, however deep, to `found`.
pub fn calls<'c>(clauses: &'c [Clause], found: &mut impl FnMut(&'c Symbol)) {
    let mut pending: Vec<&Clause> = clauses.iter().collect();
    while let Some(clause) = pending.pop() {
        match &clause.kind {
            ClauseKind::Rule { name, .. } => found(name),
            ClauseKind::Not { clauses, .. } | ClauseKind::And(clauses) => pending.extend(clauses),
            ClauseKind::Or { branches, .. } => pending.extend(branches.iter().flatten()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ast::{SourceName, Term};

    fn rule(name: &str, callees: &[&str]) -> Rule {
        let call = |callee: &&str| Clause {
            kind: ClauseKind::Rule {
                source: SourceName::default_source(),
                name: Symbol::new(callee),
                args: vec![Term::Blank],
            },
            span: None,
        };
        Rule {
            name: Symbol::new(name),
            required: 0,
            args: Vec::new(),
            best: None,
            body: callees.iter().map(call).collect(),
            span: None,
        }
    }

    #[test]
    fn recursion_is_seen_through_other_rules() {
        let rules =
            Rules::new(vec![rule("a", &["b"]), rule("b", &["c", "a"]), rule("c", &[]), rule("d", &["d"])]);
        let (a, b, c, d) = (Symbol::new("a"), Symbol::new("b"), Symbol::new("c"), Symbol::new("d"));
        assert!(rules.together(&a, &b) && rules.together(&b, &a) && rules.together(&d, &d));
        assert!(!rules.together(&a, &c) && !rules.together(&c, &c) && !rules.together(&a, &d));
        assert!(
            rules.can_be_written_out(&c) && !rules.can_be_written_out(&a) && !rules.can_be_written_out(&d)
        );
    }

    #[test]
    fn a_rule_that_would_become_large_stays_a_call() {
        let name = |n: usize| format!("r{n}");
        let mut all = vec![rule("r0", &[])];
        for n in 1..50_000 {
            all.push(rule(&name(n), &[&name(n - 1)]));
        }
        let rules = Rules::new(all);
        assert!(rules.can_be_written_out(&Symbol::new(&name(20))));
        assert!(!rules.can_be_written_out(&Symbol::new(&name(40))));
        assert!(rules.together(&Symbol::new(&name(49_999)), &Symbol::new(&name(49_998))));
    }
}
