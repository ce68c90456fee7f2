//! The pattern that gives a page its order, if the page can be had without the rest of the answer.
//!
//! An answer of which the first rows are wanted, in the order of a value that an index is sorted by, need not be made as a
//! whole: facts are taken in that order, a stretch at a time, until there are rows enough ([`crate::run::early`]). That is
//! worth it if few facts lead to that many rows; where another pattern leaves fewer facts than that, it is not.

use annals_storage::datom::Tag;

use super::goals::{Planner, Scope};
use super::{Goal, Match, Place, VarId};
use crate::ast::{Element, Expr, Query, Var};
use crate::edn::Edn;
use crate::error::Result;
use crate::find::order::column;
use crate::find::page::Window;
use crate::inputs::Inputs;

/// Facts below this number are asked for all at once.
const FACTS_MIN: u64 = 4_096;

/// The first value that an answer is ordered by, and how many rows of it are wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct Lead {
    /// The variable of the value.
    pub var: VarId,
    /// Its place among the variables that decide the answer.
    pub at: usize,
    /// True if the greatest comes first.
    pub descending: bool,
    /// How many rows are wanted.
    pub rows: usize,
    /// The value of the row that the page comes after.
    pub after: Option<Edn>,
}

impl Planner<'_> {
    /// What leads a query, if its first rows are wanted and each row of the answer is one of its variables.
    pub(super) fn lead(
        &self,
        query: &Query,
        basis: &[&Var],
        scope: &Scope<'_>,
        inputs: &Inputs,
    ) -> Result<Option<Lead>> {
        if self.options.early == Some(false)
            || !query.having.is_empty()
            || query.find.exprs().any(Expr::aggregates)
        {
            return Ok(None);
        }
        let window = Window::of(query, inputs)?;
        let Some(limit) = window.limit else { return Ok(None) };
        let key = query.page.order_by.first();
        let number = key.map_or(Ok(0), |key| column(query, key))?;
        let var = match &query.find.elements()[number] {
            Element::Pull { var, .. } | Element::Expr(Expr::Var(var, _)) => var,
            Element::Expr(_) => return Ok(None),
        };
        let Some(Place::Var(id)) = scope.vars.get(var) else { return Ok(None) };
        let at = basis.iter().position(|known| *known == var);
        Ok(at.map(|at| Lead {
            var: *id,
            at,
            descending: key.is_some_and(|key| key.descending),
            rows: window.offset.saturating_add(limit),
            after: window.after.map(|after| after.row[number].clone()),
        }))
    }

    /// The facts of the smallest pattern that can lead, if they are so many that it may be worth it.
    pub(super) fn leading_facts(&self, lead: &Lead, goals: &[Goal]) -> Option<u64> {
        let facts = goals.iter().filter_map(|goal| leads(goal, lead.var)).map(|goal| goal.count).min()?;
        (facts >= FACTS_MIN || self.options.early == Some(true)).then_some(facts)
    }

    /// True if so many facts in their order lead to the rows that are wanted sooner than a plan that makes `all` rows at
    /// the end and `made` on the way.
    pub(super) fn is_worth_leading(&self, lead: &Lead, facts: u64, all: f64, made: f64) -> bool {
        let needed = lead.rows as f64 * (facts as f64 / all.max(1.0)).max(1.0);
        self.options.early == Some(true) || 4.0 * needed < made
    }
}

/// The goal as a pattern that gives this variable its values in the order of an index.
pub(super) fn leads(goal: &Goal, var: VarId) -> Option<&Match> {
    let Goal::Match(goal) = goal else { return None };
    let ordered = matches!(goal.attr?.tag, Tag::Long | Tag::Instant | Tag::String | Tag::Ref);
    let [e, _, v, t, added] = goal.places;
    let plain = t == Place::Blank && added == Place::Blank && e != v && e.var().is_some();
    (ordered && plain && v == Place::Var(var)).then_some(goal)
}
