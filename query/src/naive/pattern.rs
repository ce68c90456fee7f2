//! Patterns, each answered by looking at every fact.

use std::collections::HashMap;
use std::ops::ControlFlow;

use annals_storage::datom::Pattern;

use crate::ast::{SourceName, Term};
use crate::edn::Edn;
use crate::error::{Error, Result};
use crate::inputs::{Inputs, SourceArg, no_pattern_over_a_log};
use crate::resolve;
use crate::run::budget::Meter;
use crate::source::Source;

use super::{Env, Envs, World};

/// Every fact of every source, as tuples; those of a database are entity, attribute, value, transaction, added.
pub(super) fn read_all(inputs: &Inputs, meter: &Meter) -> Result<HashMap<SourceName, Vec<Vec<Edn>>>> {
    inputs
        .sources()
        .map(|(name, source)| {
            let facts = match source {
                SourceArg::Db(source) => read(source.as_ref(), meter)?,
                SourceArg::Collection(tuples) => tuples.to_vec(),
                SourceArg::Log(_) => Vec::new(),
            };
            Ok((name.clone(), facts))
        })
        .collect()
}

fn read(source: &dyn Source, meter: &Meter) -> Result<Vec<Vec<Edn>>> {
    let mut facts = Vec::new();
    let mut outcome = Ok(());
    source.scan(&Pattern::ALL, &mut |batch| {
        facts.extend((0..batch.len).map(|row| batch.datom(row)).map(|datom| {
            vec![datom.e.into(), datom.a.entity().into(), datom.v.into(), datom.tx.into(), datom.added.into()]
        }));
        outcome = meter.check(facts.len());
        if outcome.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    outcome.map(|()| facts)
}

impl World<'_> {
    /// What the pattern's variables can be.
    pub(super) fn pattern(&self, source: &SourceName, terms: &[Term]) -> Result<Envs> {
        let constants = match self.inputs.source(source)? {
            SourceArg::Db(source) => constants(source.as_ref(), terms)?,
            SourceArg::Collection(_) => Some(terms.to_vec()),
            SourceArg::Log(_) => return Err(no_pattern_over_a_log(source)),
        };
        let Some(terms) = constants else { return Ok(Envs::new()) };
        let mut found = Envs::new();
        for fact in &self.facts[source] {
            self.meter.tick()?;
            found.extend(matched(&terms, fact));
        }
        Ok(found)
    }
}

/// The bindings that make a fact fit the terms; a variable that stands twice needs equal values.
fn matched(terms: &[Term], fact: &[Edn]) -> Option<Env> {
    if fact.len() < terms.len() {
        return None;
    }
    let mut env = Env::new();
    for (term, part) in terms.iter().zip(fact) {
        let fits = match term {
            Term::Blank => true,
            Term::Const(constant) => constant == part,
            Term::Var(var) => env.entry(var.clone()).or_insert_with(|| part.clone()) == part,
        };
        if !fits {
            return None;
        }
    }
    Some(env)
}

/// The terms with every constant as the facts of a database have it. `None` if one of them is in no fact.
fn constants(source: &dyn Source, terms: &[Term]) -> Result<Option<Vec<Term>>> {
    if terms.len() > 5 {
        let message = format!("a pattern over a database has at most 5 places, not {}", terms.len());
        return Err(Error::incorrect("db.error/invalid-query", message));
    }
    let attribute = match terms.get(1) {
        Some(Term::Const(named)) => Some(resolve::attribute(source, named)?),
        _ => None,
    };
    let mut settled = Vec::with_capacity(terms.len());
    for (at, term) in terms.iter().enumerate() {
        let Term::Const(edn) = term else {
            settled.push(term.clone());
            continue;
        };
        let constant = match (at, attribute) {
            (0 | 3, _) => resolve::entity(source, edn)?.map(Edn::from),
            (1, Some(attribute)) => Some(attribute.id.entity().into()),
            (2, Some(attribute)) => resolve::stored(source, attribute, edn)?.map(Edn::from),
            _ => Some(edn.clone()),
        };
        match constant {
            Some(edn) => settled.push(Term::Const(edn)),
            None => return Ok(None),
        }
    }
    Ok(Some(settled))
}
