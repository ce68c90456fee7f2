//! Where a variable stands in a query, and what a given value means there.
//!
//! In an entity, attribute or transaction place, or as the value of a reference, a keyword is an ident and a pair a
//! lookup ref. As the value of any other known attribute a number takes the attribute's type if nothing is lost. The
//! first place that makes an entity of it decides, then the first value place; calls of rules are followed into
//! their bodies; last comes what is pulled. A variable in none of these places keeps what it is given.

use std::borrow::Cow;
use std::collections::HashSet;

use annals_storage::anomaly::Category;
use annals_storage::datom::{Symbol, Tag};

use super::{Inputs, SourceArg};
use crate::ast::{Clause, ClauseKind, Element, Find, Rule, SourceName, Term, Var};
use crate::edn::Edn;
use crate::error::Result;
use crate::resolve;
use crate::source::Source;

/// A place of a pattern.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Place {
    /// Entity or transaction.
    Entity(SourceName),
    /// Attribute.
    Attribute(SourceName),
    /// The value of this attribute.
    Value(SourceName, Edn),
}

/// The source that a name means where `$` is `default`.
pub(crate) fn scoped(name: &SourceName, default: &SourceName) -> SourceName {
    if name.is_default() { default.clone() } else { name.clone() }
}

/// The places of a variable in these clauses.
pub(crate) fn of_variable(clauses: &[Clause], rules: &[Rule], var: &Var) -> Vec<Place> {
    of_variable_over(clauses, rules, var, &SourceName::default_source())
}

/// The same in clauses whose `$` is this source.
pub(crate) fn of_variable_over(
    clauses: &[Clause],
    rules: &[Rule],
    var: &Var,
    source: &SourceName,
) -> Vec<Place> {
    let mut walk = Walk::default();
    walk.clauses(clauses, source, var);
    walk.follow_calls(rules)
}

/// The places of a variable of which entities are pulled.
pub(crate) fn of_pulls(find: &Find, var: &Var) -> impl Iterator<Item = Place> {
    find.elements().iter().filter_map(move |element| match element {
        Element::Pull { source, var: pulled, .. } if pulled == var => Some(Place::Entity(source.clone())),
        _ => None,
    })
}

/// The places of a rule's argument in its body, the rule called with this source.
pub(crate) fn of_rule_argument(rules: &[Rule], rule: &Symbol, at: usize, source: &SourceName) -> Vec<Place> {
    let mut walk = Walk { found: Vec::new(), calls: vec![(rule.clone(), at, source.clone())] };
    walk.follow_calls(rules)
}

#[derive(Default)]
struct Walk {
    found: Vec<Place>,
    /// Calls met and not yet looked into: rule, argument, source.
    calls: Vec<(Symbol, usize, SourceName)>,
}

impl Walk {
    fn follow_calls(&mut self, rules: &[Rule]) -> Vec<Place> {
        let mut seen = HashSet::new();
        while let Some(call) = self.calls.pop() {
            if !seen.insert(call.clone()) {
                continue;
            }
            let (name, at, source) = call;
            for rule in rules.iter().filter(|rule| rule.name == name) {
                if let Some(var) = rule.args.get(at) {
                    self.clauses(&rule.body, &source, var);
                }
            }
        }
        std::mem::take(&mut self.found)
    }

    fn clauses(&mut self, clauses: &[Clause], default: &SourceName, var: &Var) {
        clauses.iter().for_each(|clause| self.clause(clause, default, var));
    }

    fn clause(&mut self, clause: &Clause, default: &SourceName, var: &Var) {
        let is_var = |term: &Term| matches!(term, Term::Var(it) if it == var);
        match &clause.kind {
            ClauseKind::Pattern { source, terms } => {
                let source = scoped(source, default);
                for (at, _) in terms.iter().enumerate().filter(|(_, term)| is_var(term)) {
                    match (at, terms.get(1)) {
                        (0 | 3, _) => self.found.push(Place::Entity(source.clone())),
                        (1, _) => self.found.push(Place::Attribute(source.clone())),
                        (2, Some(Term::Const(attribute))) => {
                            self.found.push(Place::Value(source.clone(), attribute.clone()));
                        }
                        _ => {}
                    }
                }
            }
            ClauseKind::Rule { source, name, args } => {
                for (at, _) in args.iter().enumerate().filter(|(_, term)| is_var(term)) {
                    self.calls.push((name.clone(), at, scoped(source, default)));
                }
            }
            ClauseKind::Not { source, clauses, .. } => self.clauses(clauses, &scoped(source, default), var),
            ClauseKind::Or { source, branches, .. } => {
                let source = scoped(source, default);
                branches.iter().for_each(|branch| self.clauses(branch, &source, var));
            }
            ClauseKind::And(clauses) => self.clauses(clauses, default, var),
            ClauseKind::Predicate(_) | ClauseKind::Function(..) => {}
        }
    }
}

/// What a given value means in these places; `None` if it names an entity that is not there.
pub(crate) fn settle(inputs: &Inputs, places: &[Place], value: &Edn) -> Result<Option<Edn>> {
    let mut tag = None;
    for place in places {
        match place {
            Place::Entity(source) => {
                if let Some(source) = database(inputs, source) {
                    return entity(source, value);
                }
            }
            Place::Attribute(source) => {
                if let Some(source) = database(inputs, source) {
                    return match value {
                        Edn::Keyword(_) => Ok(Some(resolve::attribute(source, value)?.id.entity().into())),
                        other => Ok(Some(other.clone())),
                    };
                }
            }
            Place::Value(source, named) => {
                let known =
                    database(inputs, source).and_then(|it| Some((it, resolve::attribute(it, named).ok()?)));
                match known {
                    Some((source, attribute)) if attribute.value_type == Tag::Ref => {
                        return entity(source, value);
                    }
                    Some((_, attribute)) => tag = tag.or(Some(attribute.value_type)),
                    None => {}
                }
            }
        }
    }
    let typed = tag.and_then(|tag| resolve::of_type(tag, value)).map(Edn::from);
    Ok(Some(typed.unwrap_or_else(|| value.clone())))
}

/// What the result of a function means where its variable stands: names are settled, all else stays what it is, and so
/// does what names nothing. An error would depend on which rows get here, and so on the order of the clauses.
pub(crate) fn settle_result<'v>(inputs: &Inputs, places: &[Place], value: &'v Edn) -> Result<Cow<'v, Edn>> {
    if places.is_empty() || !matches!(value, Edn::Keyword(_) | Edn::Vector(_) | Edn::List(_)) {
        return Ok(Cow::Borrowed(value));
    }
    match settle(inputs, places, value) {
        Ok(settled) => Ok(settled.map_or(Cow::Borrowed(value), Cow::Owned)),
        Err(error) if matches!(error.category, Category::Incorrect | Category::NotFound) => {
            Ok(Cow::Borrowed(value))
        }
        Err(error) => Err(error),
    }
}

fn database<'i>(inputs: &'i Inputs, name: &SourceName) -> Option<&'i dyn Source> {
    match inputs.sources.get(name) {
        Some(SourceArg::Db(source)) => Some(source.as_ref()),
        _ => None,
    }
}

fn entity(source: &dyn Source, value: &Edn) -> Result<Option<Edn>> {
    match value {
        Edn::Keyword(_) | Edn::Vector(_) | Edn::List(_) => Ok(resolve::entity(source, value)?.map(Edn::from)),
        other => Ok(Some(other.clone())),
    }
}
