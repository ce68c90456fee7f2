//! Patterns: constants become what facts hold, and the question to the indexes that they make.
//!
//! A constant in the place of an entity or of a reference names an entity; one in the place of a value is brought to
//! the attribute's type; over a collection every constant stands for itself. A pattern whose constants no fact can have is
//! no error: it never holds.

use annals_storage::datom::{AttrId, EntityId, Pattern, T, Tag, Value, ValueBound};

use super::goals::{Planner, Scope};
use super::{Attr, Goal, Match, Place, Tuples};
use crate::ast::{SourceName, Term};
use crate::edn::Edn;
use crate::error::{Error, Result};
use crate::inputs::{SourceArg, no_pattern_over_a_log};
use crate::resolve;
use crate::run::column::{Cell, Kind};
use crate::run::pool::Pool;
use crate::source::Source;

impl Planner<'_> {
    /// The goal of a pattern.
    pub(super) fn pattern(
        &mut self,
        source: &SourceName,
        terms: &[Term],
        scope: &mut Scope<'_>,
    ) -> Result<Goal> {
        let source = self.source(source, scope)?;
        let (name, given) = self.sources[source];
        match given {
            SourceArg::Db(facts) => self.fact_pattern(source, facts.as_ref(), terms, scope),
            SourceArg::Collection(_) => {
                let places = terms.iter().map(|term| self.plain_term(term, scope)).collect();
                Ok(Goal::Tuples(Tuples { source, places }))
            }
            SourceArg::Log(_) => Err(no_pattern_over_a_log(name)),
        }
    }

    /// The goal of a clause that nothing can match.
    pub(super) fn never(&mut self, terms: &[Term], scope: &mut Scope<'_>) -> Goal {
        let places: Vec<Place> = terms.iter().map(|term| self.plain_term(term, scope)).collect();
        Goal::Never(places.into_iter().filter_map(Place::var).collect())
    }

    /// A term whose constant stands for itself.
    fn plain_term(&mut self, term: &Term, scope: &mut Scope<'_>) -> Place {
        match term {
            Term::Var(var) => self.place(var, scope),
            Term::Blank => Place::Blank,
            Term::Const(edn) => Place::Const(self.pool.intern_edn(edn)),
        }
    }

    fn fact_pattern(
        &mut self,
        source: usize,
        facts: &dyn Source,
        terms: &[Term],
        scope: &mut Scope<'_>,
    ) -> Result<Goal> {
        if terms.len() > 5 {
            let message = format!("a pattern over a database has at most 5 places, not {}", terms.len());
            return Err(Error::incorrect("db.error/invalid-query", message));
        }
        let term = |at: usize| terms.get(at).unwrap_or(&Term::Blank);
        let attr = match term(1) {
            Term::Const(name) => Some(resolve::attribute(facts, name)?.id),
            Term::Var(var) => match self.place(var, scope) {
                Place::Const(cell) => match attribute_of(facts, cell) {
                    Some(id) => Some(id),
                    None => return Ok(self.never(terms, scope)),
                },
                _ => None,
            },
            Term::Blank => None,
        };
        let attr = attr.and_then(|id| facts.attribute(id)).map(|attribute| Attr {
            id: attribute.id,
            tag: attribute.value_type,
            many: attribute.many,
            unique: attribute.unique.is_some(),
        });
        let mut places = [Place::Blank; 5];
        for (at, place) in places.iter_mut().enumerate() {
            *place = match (at, term(at)) {
                (1, _) if attr.is_some() => Place::Blank,
                (0 | 3, Term::Const(edn)) => entity_place(facts, edn)?,
                (2, Term::Const(edn)) => self.value_place(facts, attr, edn)?,
                (_, term) => self.plain_term(term, scope),
            };
            if *place == IMPOSSIBLE {
                return Ok(self.never(terms, scope));
            }
        }
        let goal = Match { source, attr, places, low: None, high: None, count: 0, whole: 0 };
        let Some(pattern) = goal.pattern(self.pool) else { return Ok(self.never(terms, scope)) };
        if is_one(&goal) && !facts.is_history() {
            return Ok(Goal::Match(Match { count: 1, whole: 1, ..goal }));
        }
        let count = facts.count(&pattern)?;
        let whole = match attr {
            Some(attr) if matches!(places[2], Place::Const(_)) => {
                facts.count(&Pattern::attribute(attr.id))?
            }
            _ => count,
        };
        Ok(Goal::Match(Match { count, whole, ..goal }))
    }

    /// A constant in the place of a value, in the type of the attribute.
    fn value_place(&mut self, facts: &dyn Source, attr: Option<Attr>, edn: &Edn) -> Result<Place> {
        let Some(attribute) = attr.and_then(|attr| facts.attribute(attr.id)) else {
            return Ok(Place::Const(self.pool.intern_edn(edn)));
        };
        let stored = resolve::stored(facts, attribute, edn)?;
        let mut intern = |value: Value| value.with_ref(&mut Vec::new(), |v| self.pool.intern(v));
        Ok(stored.map_or(IMPOSSIBLE, |value| Place::Const(intern(value))))
    }
}

/// True if no more than one fact can hold that matches, whatever the counts: such a goal comes first without a seek.
fn is_one(goal: &Match) -> bool {
    let is_const = |at: usize| matches!(goal.places[at], Place::Const(_));
    goal.attr.is_some_and(|attr| (attr.unique && is_const(2)) || (!attr.many && is_const(0)))
}

/// What a constant becomes that no fact can match. A place of a goal is never blank where a constant was written.
const IMPOSSIBLE: Place = Place::Const(Cell { kind: Kind::EDN, word: -1 });

/// A constant in the place of an entity.
fn entity_place(facts: &dyn Source, edn: &Edn) -> Result<Place> {
    let entity = resolve::entity(facts, edn)?;
    Ok(entity.map_or(IMPOSSIBLE, |e| Place::Const(Cell::long(e.0 as i64))))
}

/// The attribute whose entity a cell is.
fn attribute_of(facts: &dyn Source, cell: Cell) -> Option<AttrId> {
    let id = AttrId::of_entity(EntityId(entity_word(cell)?))?;
    facts.attribute(id).map(|attribute| attribute.id)
}

/// The entity a cell can be.
pub fn entity_word(cell: Cell) -> Option<u64> {
    (cell.kind == Kind::LONG).then_some(cell.word).and_then(|word| u64::try_from(word).ok())
}

/// The transaction a cell can be.
pub fn transaction(cell: Cell) -> Option<T> {
    EntityId(entity_word(cell)?).t()
}

impl Match {
    /// The question to the indexes that the constants make; none if nothing can match. A value constant whose stored
    /// type is not known is left to be compared afterwards.
    pub fn pattern<'p>(&self, pool: &'p Pool) -> Option<Pattern<'p>> {
        let constant = |at: usize| match self.places[at] {
            Place::Const(cell) => Some(cell),
            _ => None,
        };
        let e = match constant(0) {
            Some(cell) => Some(EntityId(entity_word(cell)?)),
            None => None,
        };
        let a = match (self.attr, constant(1)) {
            (Some(attr), _) => Some(attr.id),
            (None, Some(cell)) => Some(AttrId::of_entity(EntityId(entity_word(cell)?))?),
            (None, None) => None,
        };
        let v = match (constant(2), self.attr) {
            (Some(cell), Some(attr)) => self.exactly(cell, attr, pool)?,
            (Some(_), None) => ValueBound::Any,
            (None, attr) => self.between(attr, pool),
        };
        let t = match constant(3) {
            Some(cell) => Some(transaction(cell)?),
            None => None,
        };
        let added = match constant(4) {
            Some(cell) if cell.kind == Kind::BOOLEAN => Some(cell.word == 1),
            Some(_) => return None,
            None => None,
        };
        Some(Pattern { e, a, v, t, added })
    }

    fn exactly<'p>(&self, cell: Cell, attr: Attr, pool: &'p Pool) -> Option<ValueBound<'p>> {
        match pool.as_stored(cell, attr.tag) {
            Some(v) => Some(ValueBound::Is(v)),
            None if attr.tag == Tag::Tuple && cell.kind == Kind::of(Tag::Tuple) => Some(ValueBound::Any),
            None => None,
        }
    }

    /// The range that comparisons leave.
    pub fn between<'p>(&self, attr: Option<Attr>, pool: &'p Pool) -> ValueBound<'p> {
        let (Some(attr), true) = (attr, self.low.is_some() || self.high.is_some()) else {
            return ValueBound::Any;
        };
        let end = |end: Option<(Cell, bool)>| {
            end.and_then(|(cell, included)| Some((pool.as_stored(cell, attr.tag)?, included)))
        };
        ValueBound::Range(attr.tag, end(self.low), end(self.high))
    }
}
