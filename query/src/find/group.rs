//! Rows over the find elements, from rows over the basis: grouped, aggregated, computed, kept if `:having` holds.
//!
//! A group is the rows that agree on the grouping variables of `:find` and `:having`. Every aggregate of the query has
//! a number, the same one wherever it is written again; a group has an accumulator for each, which takes a column at
//! once. Without aggregates every row is a group of its own, so that rows whose computed values are equal stay apart.
//! Nothing is pulled here.

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::cells::Cells;
use super::compute::Computed;
use super::fold::fold;
use super::number::Numbering;
use super::{basis, grouping_vars};
use crate::aggregate::Accumulator;
use crate::ast::{Arg, Call, Element, Expr, Query, Var};
use crate::edn::Edn;
use crate::error::{Error, Result};
use crate::functions::{Functions, holds};
use crate::run::answer::row_bytes;
use crate::run::batch::hash_cells;
use crate::run::budget::Meter;
use crate::run::column::{Cell, Column};
use crate::run::pool::Pool;

/// Rows over the find elements, from distinct rows over [`basis`].
pub fn group(query: &Query, own: &Functions, cells: Cells<'_>, meter: &Meter) -> Result<Vec<Vec<Edn>>> {
    if is_plain(query) {
        return cells.rows(meter);
    }
    let basis = basis(query);
    let grouping = Grouping::of(query, own, &basis, meter)?;
    if grouping.is_identity(basis.len()) {
        return cells.rows(meter);
    }
    if grouping.aggregates.is_empty() {
        return grouping.finished(cells.rows(meter)?.into_iter().map(|row| Ok((row, Vec::new()))));
    }
    let mut groups = Groups::new(grouping);
    groups.take(&cells)?;
    drop(cells);
    groups.finish()
}

/// Groups in the making: rows come in parts.
pub struct Groups<'q> {
    grouping: Grouping<'q>,
    groups: Vec<Group>,
    /// The key of each group, one after the other.
    keys: Vec<Cell>,
    /// The numbers of groups by their keys, once a second part has come.
    known: Option<HashTable<u32>>,
}

impl<'q> Groups<'q> {
    /// Of a query that aggregates; none if it does not.
    pub fn of(query: &'q Query, own: &'q Functions, meter: &'q Meter) -> Result<Option<Groups<'q>>> {
        if is_plain(query) {
            return Ok(None);
        }
        let grouping = Grouping::of(query, own, &basis(query), meter)?;
        Ok((!grouping.aggregates.is_empty()).then(|| Groups::new(grouping)))
    }

    fn new(grouping: Grouping<'q>) -> Groups<'q> {
        Groups { grouping, groups: Vec::new(), keys: Vec::new(), known: None }
    }

    /// Takes rows over [`basis`], which are different from each other and from all that were taken.
    pub fn take(&mut self, cells: &Cells<'_>) -> Result<()> {
        if cells.is_empty() {
            return Ok(());
        }
        let columns: Vec<&Column> = self.grouping.keys.iter().map(|at| cells.column(*at)).collect();
        let numbering = Numbering::of(&columns, cells.len(), self.grouping.meter)?;
        let fresh = self.grouping.groups(cells, &columns, &numbering)?;
        let key = |first: u32| columns.iter().map(move |column| column.get(first as usize));
        if self.groups.is_empty() {
            self.keys = numbering.firsts.iter().flat_map(|first| key(*first)).collect();
            self.groups = fresh;
            return Ok(());
        }
        for (first, group) in numbering.firsts.iter().zip(fresh) {
            self.add(key(*first), group)?;
        }
        self.grouping.room(self.groups.len())
    }

    /// Takes groups that were made elsewhere of other rows, which are different from all here; the values of their keys
    /// become those of the pool.
    pub fn join(&mut self, others: Vec<Group>, pool: &mut Pool) -> Result<()> {
        let mut key: Vec<Cell> = Vec::with_capacity(self.grouping.keys.len());
        for group in others {
            key.clear();
            key.extend(self.grouping.keys.iter().map(|at| pool.intern_edn(&group.0[*at])));
            self.grouping.meter.tick()?;
            self.add(key.iter().copied(), group)?;
        }
        self.grouping.room(self.groups.len())
    }

    /// Adds a group, or what it has taken to the one with its key.
    fn add(&mut self, key: impl Iterator<Item = Cell> + Clone, (row, accumulators): Group) -> Result<()> {
        let (hasher, width) = (FixedState::default(), self.grouping.keys.len());
        let keys = &mut self.keys;
        let of = |keys: &[Cell], number: u32| {
            let start = number as usize * width;
            hash_cells(&hasher, keys[start..start + width].iter().copied())
        };
        let known = self.known.get_or_insert_with(|| {
            let mut known = HashTable::with_capacity(self.groups.len());
            (0..self.groups.len() as u32).for_each(|number| {
                known.insert_unique(of(keys, number), number, |number| of(keys, *number));
            });
            known
        });
        let hash = hash_cells(&hasher, key.clone());
        let is_same = |number: &u32| {
            let start = *number as usize * width;
            keys[start..start + width].iter().copied().eq(key.clone())
        };
        if let Some(number) = known.find(hash, is_same) {
            let group = &mut self.groups[*number as usize].1;
            for ((one, more), aggregated) in group.iter_mut().zip(accumulators).zip(&self.grouping.aggregates)
            {
                one.merge(more).map_err(|error| error.at(aggregated.call.span))?;
            }
        } else {
            let number = self.groups.len() as u32;
            keys.extend(key);
            known.insert_unique(hash, number, |number| of(keys, *number));
            self.groups.push((row, accumulators));
        }
        Ok(())
    }

    /// The groups as they are, for others of the same query to [`join`](Groups::join).
    pub fn into_groups(self) -> Vec<Group> {
        self.groups
    }

    /// The rows of the answer.
    pub fn finish(self) -> Result<Vec<Vec<Edn>>> {
        let Groups { grouping, groups, .. } = self;
        grouping.finished(groups.into_iter().map(|group| grouping.results(group)))
    }
}

/// True if different variables are asked for and nothing else decides the answer: rows over the basis are the answer.
pub(super) fn is_plain(query: &Query) -> bool {
    let elements = query.find.elements();
    let var = |element| match element {
        &Element::Pull { ref var, .. } | &Element::Expr(Expr::Var(ref var, _)) => Some(var),
        Element::Expr(_) => None,
    };
    let is_new = |(at, element)| {
        var(element).is_some_and(|own| elements[..at].iter().all(|before| var(before) != Some(own)))
    };
    query.having.is_empty() && query.with.is_empty() && elements.iter().enumerate().all(is_new)
}

/// What is made of the rows, by places in a row of the basis.
struct Grouping<'q> {
    own: &'q Functions,
    meter: &'q Meter,
    elements: Vec<Computed<'q>>,
    having: Vec<Computed<'q>>,
    aggregates: Vec<Aggregated<'q>>,
    /// The places that keep groups apart.
    keys: Vec<usize>,
}

/// An aggregate: what stands before the place of the values, the place, and the call for errors.
struct Aggregated<'q> {
    before: Vec<Before<'q>>,
    of: usize,
    call: &'q Call,
}

/// An argument of an aggregate before the last.
enum Before<'q> {
    Const(&'q Edn),
    Var(usize),
}

/// What a group takes beside its key, and each of its accumulators at least.
const GROUP_BYTES: usize = 64;

/// The row that began a group, and its accumulators.
pub type Group = (Vec<Edn>, Vec<Accumulator>);

impl<'q> Grouping<'q> {
    fn of(query: &'q Query, own: &'q Functions, basis: &[&Var], meter: &'q Meter) -> Result<Grouping<'q>> {
        let place = |var: &Var| {
            basis.iter().position(|known| *known == var).expect("a find variable is in the basis")
        };
        let mut aggregates: Vec<Aggregated<'q>> = Vec::new();
        let mut number = |call: &'q Call| {
            let is_same =
                |known: &Aggregated<'_>| known.call.name == call.name && known.call.args == call.args;
            match aggregates.iter().position(is_same) {
                Some(at) => Ok(at),
                None => {
                    aggregates.push(Aggregated::of(call, place)?);
                    Ok(aggregates.len() - 1)
                }
            }
        };
        let mut elements = Vec::new();
        for element in query.find.elements() {
            elements.push(match element {
                Element::Pull { var, .. } => Computed::Place(place(var)),
                Element::Expr(expr) => Computed::of(expr, own, &place, &mut number)?,
            });
        }
        let having = query
            .having
            .iter()
            .map(|expr| Computed::of(expr, own, &place, &mut number))
            .collect::<Result<_>>()?;
        let of_having = query.having.iter().flat_map(|expr| expr.grouping_vars());
        let mut keys: Vec<usize> = grouping_vars(query).into_iter().chain(of_having).map(place).collect();
        keys.sort_unstable();
        keys.dedup();
        Ok(Grouping { own, meter, elements, having, aggregates, keys })
    }

    /// True if rows over the basis are rows over the elements as they are.
    fn is_identity(&self, width: usize) -> bool {
        let is_place =
            |(at, element): (usize, &Computed<'_>)| matches!(element, Computed::Place(p) if *p == at);
        self.having.is_empty()
            && self.elements.len() == width
            && self.elements.iter().enumerate().all(is_place)
    }

    /// Refuses so many groups beyond the budget.
    fn room(&self, groups: usize) -> Result<()> {
        self.meter.room(groups, GROUP_BYTES * (1 + self.aggregates.len()) + row_bytes(self.keys.len()))
    }

    fn groups(&self, cells: &Cells<'_>, keys: &[&Column], numbering: &Numbering) -> Result<Vec<Group>> {
        self.room(numbering.firsts.len())?;
        let begin = |row| (row, Vec::with_capacity(self.aggregates.len()));
        let mut groups: Vec<Group> =
            cells.some(&numbering.firsts, self.meter)?.into_iter().map(begin).collect();
        for aggregated in &self.aggregates {
            let started = groups.iter().map(|(row, _)| aggregated.start(self.own, row));
            let mut accumulators = started.collect::<Result<Vec<_>>>()?;
            fold(&mut accumulators, numbering, keys, cells, aggregated.of, self.meter)
                .map_err(|error| error.at(aggregated.call.span))?;
            groups.iter_mut().zip(accumulators).for_each(|(group, taken)| group.1.push(taken));
        }
        Ok(groups)
    }

    fn results(&self, (row, accumulators): Group) -> Result<(Vec<Edn>, Vec<Edn>)> {
        let finished = self.aggregates.iter().zip(accumulators).map(|(aggregated, accumulator)| {
            accumulator.finish().map_err(|error| error.at(aggregated.call.span))
        });
        Ok((row, finished.collect::<Result<_>>()?))
    }

    /// The elements of each group for which `:having` holds.
    fn finished(&self, groups: impl Iterator<Item = Result<(Vec<Edn>, Vec<Edn>)>>) -> Result<Vec<Vec<Edn>>> {
        let mut rows = Vec::with_capacity(groups.size_hint().0);
        for group in groups {
            let (row, results) = group?;
            self.meter.tick()?;
            if self.holds(&row, &results)? {
                let values = self.elements.iter().map(|element| element.value(&row, &results));
                rows.push(values.collect::<Result<_>>()?);
            }
        }
        Ok(rows)
    }

    fn holds(&self, row: &[Edn], results: &[Edn]) -> Result<bool> {
        for predicate in &self.having {
            if !holds(&predicate.value(row, results)?) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl<'q> Aggregated<'q> {
    fn of(call: &'q Call, place: impl Fn(&Var) -> usize) -> Result<Aggregated<'q>> {
        let refused = |message: String| Error::incorrect("db.error/invalid-query", message).at(call.span);
        let Some((Arg::Var(var), before)) = call.args.split_last() else {
            let name = &call.name;
            return Err(refused(format!(
                "the last argument of the aggregate `{name}` is the variable to aggregate"
            )));
        };
        let before = before.iter().map(|arg| match arg {
            Arg::Const(edn) => Ok(Before::Const(edn)),
            Arg::Var(var) => Ok(Before::Var(place(var))),
            Arg::Source(_) => Err(refused(format!("the aggregate `{}` takes no source", call.name))),
        });
        Ok(Aggregated { before: before.collect::<Result<_>>()?, of: place(var), call })
    }

    /// The accumulator for the group that a row begins.
    fn start(&self, own: &Functions, row: &[Edn]) -> Result<Accumulator> {
        let before = self.before.iter().map(|arg| match arg {
            Before::Const(edn) => (*edn).clone(),
            Before::Var(at) => row[*at].clone(),
        });
        Accumulator::find(&self.call.name, before.collect(), own).map_err(|error| error.at(self.call.span))
    }
}
