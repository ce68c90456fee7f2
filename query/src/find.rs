//! The shape of an answer: from rows of bindings to what `:find` asked for.
//!
//! Two steps, so that an evaluator may take over the first with columns of its own:
//!
//! ```text
//!   rows over basis(query)  --group-->  rows over the find elements  --finish-->  Answer
//!        a set                          aggregated; entities by id         pulled, shaped, named
//! ```
//!
//! The variables of `:with` keep rows apart in the first step and are gone after it, so that equal rows may remain. A
//! tuple or scalar takes the least row in [`functions::total`]'s order: any would do, but one question has one answer.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};

use annals_storage::datom::EntityId;

use crate::aggregate::Accumulator;
use crate::answer::{Answer, Rows};
use crate::ast::{Arg, Element, Find, PullArg, Query, SourceName, Var};
use crate::edn::Edn;
use crate::error::{Error, Result};
use crate::functions::{self, Functions};
use crate::inputs::Inputs;
use crate::pull;

/// The variables that decide the answer, each once: those of `:find` in order, then those of `:with`.
pub fn basis(query: &Query) -> Vec<Var> {
    let mut vars: Vec<Var> = Vec::new();
    let of_find = query.find.elements().iter().flat_map(element_vars);
    for var in of_find.chain(&query.with) {
        if !vars.contains(var) {
            vars.push(var.clone());
        }
    }
    vars
}

fn element_vars(element: &Element) -> Vec<&Var> {
    match element {
        Element::Var(var, _) | Element::Pull { var, .. } => vec![var],
        Element::Aggregate { args, .. } => args.iter().filter_map(arg_var).collect(),
    }
}

fn arg_var(arg: &Arg) -> Option<&Var> {
    match arg {
        Arg::Var(var) => Some(var),
        _ => None,
    }
}

/// The answer made of a set of rows over [`basis`].
pub fn shape(query: &Query, inputs: &Inputs, rows: Vec<Vec<Edn>>) -> Result<Answer> {
    finish(query, inputs, group(query, inputs.functions(), rows)?)
}

/// True if the query aggregates.
pub fn aggregates(query: &Query) -> bool {
    query.find.elements().iter().any(|element| matches!(element, Element::Aggregate { .. }))
}

/// Rows over the find elements, from a set of rows over [`basis`]: grouped and aggregated, nothing pulled yet.
pub fn group(query: &Query, own: &Functions, rows: Vec<Vec<Edn>>) -> Result<Vec<Vec<Edn>>> {
    let basis = basis(query);
    let place =
        |var: &Var| basis.iter().position(|known| known == var).expect("a find variable is in the basis");
    let elements = query.find.elements();
    if aggregates(query) {
        let elements =
            elements.iter().map(|element| GroupElement::of(element, place)).collect::<Result<Vec<_>>>()?;
        return aggregate(&elements, own, rows);
    }
    let places: Vec<_> = elements.iter().flat_map(element_vars).map(place).collect();
    if places.iter().copied().eq(0..basis.len()) {
        return Ok(rows);
    }
    Ok(rows.into_iter().map(|row| places.iter().map(|at| row[*at].clone()).collect()).collect())
}

/// A find element of a query that aggregates, by places in a row of the basis.
enum GroupElement<'q> {
    /// A value that groups.
    Key(usize),
    /// An aggregate of the values at a place; what stands before it, and the element itself for errors.
    Aggregate { before: Vec<Before<'q>>, of: usize, element: &'q Element },
}

/// An argument of an aggregate before the last.
enum Before<'q> {
    Const(&'q Edn),
    Var(usize),
}

impl<'q> GroupElement<'q> {
    fn of(element: &'q Element, place: impl Fn(&Var) -> usize) -> Result<GroupElement<'q>> {
        let (args, name, span) = match element {
            Element::Var(var, _) | Element::Pull { var, .. } => return Ok(GroupElement::Key(place(var))),
            Element::Aggregate { args, name, span } => (args, name, *span),
        };
        let Some((Arg::Var(var), before)) = args.split_last() else {
            let message = format!("the last argument of the aggregate `{name}` is the variable to aggregate");
            return Err(Error::incorrect("db.error/invalid-query", message).at(span));
        };
        let before = before.iter().map(|arg| match arg {
            Arg::Const(edn) => Ok(Before::Const(edn)),
            Arg::Var(var) => Ok(Before::Var(place(var))),
            Arg::Source(_) => {
                let message = format!("the aggregate `{name}` takes no source");
                Err(Error::incorrect("db.error/invalid-query", message).at(span))
            }
        });
        Ok(GroupElement::Aggregate { before: before.collect::<Result<_>>()?, of: place(var), element })
    }

    /// The accumulator for the group that a row begins.
    fn start(&self, own: &Functions, row: &[Edn]) -> Result<Option<Accumulator>> {
        let GroupElement::Aggregate { before, element: Element::Aggregate { name, span, .. }, .. } = self
        else {
            return Ok(None);
        };
        let before = before.iter().map(|arg| match arg {
            Before::Const(edn) => (*edn).clone(),
            Before::Var(at) => row[*at].clone(),
        });
        let accumulator = Accumulator::find(name, before.collect(), own);
        Ok(Some(accumulator.map_err(|error| error.at(*span))?))
    }

    /// The places that keep groups apart: keys, and variables that say how an aggregate is taken.
    fn keys(&self) -> Vec<usize> {
        match self {
            GroupElement::Key(at) => vec![*at],
            GroupElement::Aggregate { before, .. } => before
                .iter()
                .filter_map(|arg| match arg {
                    Before::Var(at) => Some(*at),
                    Before::Const(_) => None,
                })
                .collect(),
        }
    }
}

fn aggregate(elements: &[GroupElement<'_>], own: &Functions, rows: Vec<Vec<Edn>>) -> Result<Vec<Vec<Edn>>> {
    let keys: Vec<usize> = elements.iter().flat_map(GroupElement::keys).collect();
    let mut places: HashMap<Vec<Edn>, usize> = HashMap::new();
    let mut groups: Vec<(Vec<Edn>, Vec<Option<Accumulator>>)> = Vec::new();
    let mut key = Vec::with_capacity(keys.len());
    for row in rows {
        key.clear();
        key.extend(keys.iter().map(|at| row[*at].clone()));
        let at = match places.get(&key) {
            Some(at) => *at,
            None => {
                places.insert(key.clone(), groups.len());
                let accumulators =
                    elements.iter().map(|element| element.start(own, &row)).collect::<Result<_>>()?;
                groups.push((row.clone(), accumulators));
                groups.len() - 1
            }
        };
        for (element, accumulator) in elements.iter().zip(&mut groups[at].1) {
            if let (GroupElement::Aggregate { of, element, .. }, Some(accumulator)) = (element, accumulator) {
                accumulator.add(&row[*of]).map_err(|error| error.at(span(element)))?;
            }
        }
    }
    let finished = |(row, accumulators): (Vec<Edn>, Vec<Option<Accumulator>>)| {
        let values =
            elements.iter().zip(accumulators).map(|(element, accumulator)| match (element, accumulator) {
                (GroupElement::Aggregate { element, .. }, Some(accumulator)) => {
                    accumulator.finish().map_err(|error| error.at(span(element)))
                }
                (GroupElement::Key(at), _) => Ok(row[*at].clone()),
                (GroupElement::Aggregate { .. }, None) => unreachable!("an aggregate starts with its group"),
            });
        values.collect()
    };
    groups.into_iter().map(finished).collect()
}

fn span(element: &Element) -> Option<crate::edn::Span> {
    match element {
        Element::Var(_, span) | Element::Pull { span, .. } | Element::Aggregate { span, .. } => *span,
    }
}

/// The answer made of rows over the find elements: picks, pulls, names.
pub fn finish(query: &Query, inputs: &Inputs, mut rows: Vec<Vec<Edn>>) -> Result<Answer> {
    let elements = query.find.elements();
    if matches!(query.find, Find::Tuple(_) | Find::Scalar(_)) {
        rows = rows.into_iter().min_by(|x, y| least_first(x, y)).into_iter().collect();
    }
    for (at, element) in elements.iter().enumerate() {
        if let Element::Pull { source, pattern, .. } = element {
            pull_column(inputs, source, pattern, &mut rows, at).map_err(|error| error.at(span(element)))?;
        }
    }
    let mut columns = rows.into_iter();
    Ok(match &query.find {
        Find::Relation(_) => {
            let rows = Rows::new(elements.iter().map(title).collect(), columns.collect());
            Answer::Relation(match &query.keys {
                Some(keys) => rows.keyed(keys.kind, &keys.names),
                None => rows,
            })
        }
        Find::Collection(_) => Answer::Collection(columns.flatten().collect()),
        Find::Tuple(_) => Answer::Tuple(columns.next()),
        Find::Scalar(_) => Answer::Scalar(columns.flatten().next()),
    })
}

fn least_first(x: &[Edn], y: &[Edn]) -> Ordering {
    let sides = x.iter().zip(y).map(|(x, y)| functions::total(x, y));
    sides.into_iter().find(|side| side.is_ne()).unwrap_or(Ordering::Equal)
}

/// Puts what is pulled of the entities of a column in their place.
fn pull_column(
    inputs: &Inputs,
    source: &SourceName,
    pattern: &PullArg,
    rows: &mut [Vec<Edn>],
    at: usize,
) -> Result<()> {
    let pattern = match pattern {
        PullArg::Pattern(pattern) => pattern,
        PullArg::Input(name) => inputs.pattern(name)?,
    };
    let source = inputs.database(source)?;
    let mut pulled: BTreeMap<EntityId, Edn> = BTreeMap::new();
    for row in rows.iter() {
        pulled.insert(entity(&row[at])?, Edn::Nil);
    }
    let entities: Vec<EntityId> = pulled.keys().copied().collect();
    for (slot, edn) in pulled.values_mut().zip(pull::pull(source, pattern, &entities)?) {
        *slot = edn;
    }
    for row in rows.iter_mut() {
        row[at] = pulled[&entity(&row[at])?].clone();
    }
    Ok(())
}

fn entity(edn: &Edn) -> Result<EntityId> {
    match edn {
        Edn::Int(id) if *id >= 0 => Ok(EntityId(*id as u64)),
        other => {
            let message = format!("`pull` is given a {} where it needs an entity", other.type_name());
            Err(Error::incorrect("db.error/type-in-function", message))
        }
    }
}

/// What stands above an element's column.
fn title(element: &Element) -> String {
    match element {
        Element::Var(var, _) => var.0.as_str().to_owned(),
        Element::Pull { var, .. } => format!("(pull {})", var.0),
        Element::Aggregate { name, args, .. } => {
            let args: Vec<_> = args
                .iter()
                .map(|arg| match arg {
                    Arg::Var(var) => var.0.to_string(),
                    Arg::Source(source) => source.0.to_string(),
                    Arg::Const(edn) => edn.to_string(),
                })
                .collect();
            format!("({name} {})", args.join(" "))
        }
    }
}

#[cfg(test)]
mod tests;
