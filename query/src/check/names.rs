//! Names: sources and pull patterns stand in `:in`, rules exist and get their number of arguments, branches of an
//! `or` share their variables, entities are not named by lookup refs in the text.

use std::collections::{BTreeMap, BTreeSet};

use super::{RuleSet, all_vars, listed, nested};
use crate::ast::{
    Arg, Call, Clause, ClauseKind, Element, Expr, Input, PullArg, Query, Rule, SourceName, Term, Var,
};
use crate::edn::{Edn, Span};
use crate::error::Error;

/// How many problems are noted: far more than are told.
const MOST_PROBLEMS: usize = 50;

/// Checks the names of the query and of every rule it reaches; gives those rules.
/// `depth`: how many queries this one stands inside of.
pub(super) fn check<'q>(
    query: &'q Query,
    rules: &RuleSet<'q>,
    depth: usize,
    problems: &mut Vec<Error>,
) -> RuleSet<'q> {
    let mut names = Names {
        query,
        rules,
        depth,
        problems,
        reached: BTreeMap::new(),
        pending: Vec::new(),
        seen: BTreeSet::new(),
    };
    names.find();
    let default = names.given(&SourceName::default_source());
    names.clauses(&query.clauses, default);
    while let Some((rule, default)) = names.pending.pop() {
        names.clauses(&rule.body, default);
    }
    names.reached
}

struct Names<'q, 'c> {
    query: &'q Query,
    rules: &'c RuleSet<'q>,
    depth: usize,
    problems: &'c mut Vec<Error>,
    /// The rules some clause calls.
    reached: RuleSet<'q>,
    /// Bodies to look at, with whether `$` stands for something in them.
    pending: Vec<(&'q Rule, bool)>,
    /// Names of rules whose bodies were looked at, by whether `$` stands for something.
    seen: BTreeSet<(&'q str, bool)>,
}

impl<'q> Names<'q, '_> {
    fn given(&self, source: &SourceName) -> bool {
        self.query.inputs.iter().any(|input| matches!(input, Input::Source(given) if given == source))
    }

    fn report(&mut self, error: Error) {
        // A rule's body is looked at once for each meaning of `$`.
        if self.problems.len() < MOST_PROBLEMS && !self.problems.contains(&error) {
            self.problems.push(error);
        }
    }

    fn find(&mut self) {
        let default = self.given(&SourceName::default_source());
        let mut pulled: BTreeSet<&Var> = BTreeSet::new();
        let query = self.query;
        for element in query.find.elements() {
            match element {
                Element::Expr(expr) => self.expr(expr, default),
                Element::Pull { source, var, pattern, span } => {
                    self.source(source, default, *span);
                    if !pulled.insert(var) {
                        let message = format!("{} is pulled twice", var.0);
                        self.report(invalid(message).hint("put both into one pattern").at(*span));
                    }
                    self.pattern(pattern, *span);
                }
            }
        }
        query.having.iter().for_each(|expr| self.expr(expr, default));
    }

    fn expr(&mut self, expr: &Expr, default: bool) {
        expr.walk(&mut |part| {
            if let Expr::Aggregate(call) = part {
                self.args(&call.args, default, call.span);
            }
        });
    }

    fn pattern(&mut self, pattern: &PullArg, span: Option<Span>) {
        let PullArg::Input(name) = pattern else { return };
        if !self.query.inputs.contains(&Input::Pattern(name.clone())) {
            let error = invalid(format!("the pull pattern `{name}` is not given"));
            self.report(error.hint(format!("add `{name}` to :in, or write the pattern itself")).at(span));
        }
    }

    /// `default`: whether `$` stands for something here.
    fn source(&mut self, source: &SourceName, default: bool, span: Option<Span>) {
        let known = if source.is_default() { default } else { self.given(source) };
        if !known {
            let message = format!("the source `{}` is not given", source.0);
            let error = Error::incorrect("db.error/unknown-source", message);
            self.report(error.hint(format!("add `{}` to :in", source.0)).at(span));
        }
    }

    /// Whether `$` stands for something inside of a list with this source in front.
    fn inside(&mut self, source: &SourceName, default: bool, span: Option<Span>) -> bool {
        if source.is_default() {
            return default;
        }
        self.source(source, default, span);
        true
    }

    fn args(&mut self, args: &[Arg], default: bool, span: Option<Span>) {
        for arg in args {
            if let Arg::Source(source) = arg {
                self.source(source, default, span);
            }
        }
    }

    fn clauses(&mut self, clauses: &'q [Clause], default: bool) {
        for clause in clauses {
            self.clause(clause, default);
        }
    }

    fn clause(&mut self, clause: &'q Clause, default: bool) {
        match &clause.kind {
            ClauseKind::Pattern { source, terms } => {
                self.source(source, default, clause.span);
                self.entity_place(terms, clause.span);
            }
            ClauseKind::Predicate(call) | ClauseKind::Function(call, _) => {
                self.args(&call.args, default, call.span);
                self.inner_query(call);
            }
            ClauseKind::Rule { source, name, args } => {
                let default = self.inside(source, default, clause.span);
                self.call(name.as_str(), args, default, clause.span);
            }
            ClauseKind::Not { source, clauses, .. } => {
                let default = self.inside(source, default, clause.span);
                self.clauses(clauses, default);
            }
            ClauseKind::Or { source, join, branches, .. } => {
                let default = self.inside(source, default, clause.span);
                if join.is_none() {
                    self.same_variables(branches, clause.span);
                }
                branches.iter().for_each(|branch| self.clauses(branch, default));
            }
            ClauseKind::And(clauses) => self.clauses(clauses, default),
        }
    }

    fn inner_query(&mut self, call: &Call) {
        let mut problems = Vec::new();
        nested::check(call, self.rules, self.depth, &mut problems);
        problems.into_iter().for_each(|problem| self.report(problem.at(call.span)));
    }

    /// A vector in front of a pattern reads like a lookup ref, but a query has none in its text.
    fn entity_place(&mut self, terms: &[Term], span: Option<Span>) {
        let Some(Term::Const(Edn::Vector(parts))) = terms.first() else { return };
        if let [Edn::Keyword(attr), _] = parts.as_slice() {
            let message =
                format!("the lookup ref {} cannot stand in a query's text", Edn::Vector(parts.clone()));
            let hint = format!("give it as an input, or write [?e {attr} …] as a clause of its own");
            self.report(Error::incorrect("db.error/not-a-binding-form", message).hint(hint).at(span));
        }
    }

    fn call(&mut self, name: &'q str, args: &[Term], default: bool, span: Option<Span>) {
        let Some(definitions) = self.rules.get(name) else {
            let error = self.unknown_rule(name);
            return self.report(error.at(span));
        };
        let arity = definitions[0].args.len();
        if args.len() != arity {
            let message = format!("the rule `{name}` takes {arity} arguments, not {}", args.len());
            self.report(Error::incorrect("db.error/rule-arity", message).at(span));
        }
        self.reached.entry(name).or_insert_with(|| definitions.clone());
        if self.seen.insert((name, default)) {
            self.pending.extend(definitions.iter().map(|rule| (*rule, default)));
        }
    }

    fn unknown_rule(&self, name: &str) -> Error {
        let error = Error::incorrect("db.error/unknown-rule", format!("there is no rule `{name}`"));
        let mark = |c: char| !c.is_alphanumeric() && !matches!(c, '-' | '_' | '.' | '/');
        if name.chars().all(mark) || name.ends_with('?') {
            return error.hint(format!("a predicate is written in a vector: [({name} …)]"));
        }
        if !self.query.inputs.contains(&Input::Rules) {
            return error.hint("rules are given through `%` in :in");
        }
        let known: Vec<&str> = self.rules.keys().take(10).copied().collect();
        error.hint(format!("the rules given are: {}", known.join(", ")))
    }

    fn same_variables(&mut self, branches: &[Vec<Clause>], span: Option<Span>) {
        let mut sets = branches.iter().map(|branch| all_vars(branch));
        let Some(first) = sets.next() else { return };
        for (i, other) in sets.enumerate() {
            if other == first {
                continue;
            }
            let message = format!(
                "the branches of this `or` do not use the same variables: {} stands only in branch {} or only in {}",
                listed(first.symmetric_difference(&other)),
                1,
                i + 2
            );
            let common = listed(first.intersection(&other));
            let error = Error::incorrect("db.error/or-variables", message)
                .hint(format!("say which are shared: (or-join [{}] …)", common.replace(", ", " ")));
            return self.report(error.at(span));
        }
    }
}

fn invalid(message: String) -> Error {
    Error::incorrect("db.error/invalid-query", message)
}
