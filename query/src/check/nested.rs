//! Queries written inside the query: each is checked as if it were asked by itself, with the rules it is handed.
//!
//! A query that comes in a variable is looked at when it is asked; so is one whose rules do.

use super::{RuleSet, look};
use crate::ast::{Arg, Call, Input, Query, Rule};
use crate::edn::Form;
use crate::error::Error;
use crate::functions::nested::{DEPTH_MAX, means_rules, too_deep};
use crate::inputs::check_count;
use crate::parse;

/// Notes what is wrong with the query that a call asks. `depth` is that of the query around.
pub(super) fn check(call: &Call, rules: &RuleSet<'_>, depth: usize, problems: &mut Vec<Error>) {
    let Some(query) = &call.query else { return };
    if depth >= DEPTH_MAX {
        return problems.push(too_deep().at(call.span));
    }
    if let Err(error) = check_count(query, call.args.len()) {
        return problems.push(error.at(call.span));
    }
    match handed_rules(query, &call.args) {
        HandedRules::None => look(query, &RuleSet::new(), depth + 1, problems),
        HandedRules::Outer => look(query, rules, depth + 1, problems),
        HandedRules::Own(Err(error)) => problems.push(Error { span: call.span, ..error }),
        HandedRules::Own(Ok(own)) => {
            let mut set = RuleSet::new();
            own.iter().for_each(|rule| set.entry(rule.name.as_str()).or_default().push(rule));
            look(query, &set, depth + 1, problems);
        }
        HandedRules::Unknown => {}
    }
}

/// The rules that a call hands to its query.
enum HandedRules {
    None,
    /// Those of the query around.
    Outer,
    /// Written in the call.
    Own(Result<Vec<Rule>, Error>),
    /// In a variable.
    Unknown,
}

fn handed_rules(query: &Query, args: &[Arg]) -> HandedRules {
    match query.inputs.iter().zip(args).find(|(input, _)| **input == Input::Rules) {
        None => HandedRules::None,
        Some((input, Arg::Const(edn))) if means_rules(input, edn) => HandedRules::Outer,
        Some((_, Arg::Const(edn))) => HandedRules::Own(parse::rules(&Form::from(edn.clone()))),
        Some((_, Arg::Var(_) | Arg::Source(_))) => HandedRules::Unknown,
    }
}
