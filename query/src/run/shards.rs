//! Shards: a question about very many entities falls apart into the same question about ranges of them.
//!
//! ```text
//!   entities   [ 1 .. 70,000 ][ 70,001 .. 139,000 ][ .. ]        each range is asked as if there were no others,
//!                    |                 |             |           by whichever thread comes to it first
//!                  groups            groups        groups  ───>  joined
//! ```
//!
//! That is so where every pattern is about the same entity and that entity tells rows apart: then no row needs facts of
//! two ranges, and none is found in two. What is made for a shard fits into a processor's cache, so this pays on one
//! thread too. Where ranges end is read off some facts; it never changes an answer, for groups do not depend on how their
//! rows were split.

use std::sync::Arc;

use annals_storage::datom::{AttrId, Batch, EntityId, Keyword, Pattern, ValueBound, ValueRef};

use crate::ast::SourceName;
use crate::error::Result;
use crate::inputs::{Inputs, SourceArg};
use crate::plan::{Argument, Match, Op, Place, Plan, VarId};
use crate::source::{Attribute, Flow, Source};

/// About how many facts of the first pattern a shard has, if nobody says.
const FACTS: u64 = 1 << 16;

/// How many facts are looked at to find where a shard ends.
const LOOKED_AT: u64 = 4;

/// A pattern may ask for one of so many values of its attribute at least.
const PASSED: u64 = 2;

/// The most shards.
const MOST: u64 = 1 << 12;

/// A question in shards.
pub struct Shards {
    name: SourceName,
    source: Arc<dyn Source>,
    /// The first and the last entity of each, ascending; together they are all.
    ranges: Vec<(u64, u64)>,
}

impl Shards {
    /// The shards of a plan, each of about so many facts; none if it does not fall apart, or is too small for that.
    pub fn of(plan: &Plan, inputs: &Inputs, facts: Option<u64>) -> Result<Option<Shards>> {
        let Some((source, attribute, count)) = by_entity(plan) else { return Ok(None) };
        let shards = (count / facts.unwrap_or(FACTS).max(1)).min(MOST);
        let (name, arg) = crate::plan::sources(inputs)[source];
        let SourceArg::Db(source) = arg else { return Ok(None) };
        if shards < 2 || source.is_history() || !reads_ranges(source.as_ref(), attribute)? {
            return Ok(None);
        }
        let mut ends: Vec<u64> = Vec::new();
        source.sample(&Pattern::attribute(attribute), (shards * LOOKED_AT) as usize, &mut |batch| {
            ends.extend((0..batch.len).map(|row| batch.e.get(row)));
            Flow::Continue(())
        })?;
        ends.sort_unstable();
        let step = (ends.len() / shards as usize).max(1);
        let mut ends: Vec<u64> = ends.into_iter().skip(step).step_by(step).collect();
        ends.dedup();
        let mut ranges = Vec::with_capacity(ends.len() + 1);
        let mut first = 0;
        for end in ends {
            ranges.push((first, end));
            first = end.saturating_add(1);
        }
        ranges.push((first, u64::MAX));
        Ok(Some(Shards { name: name.clone(), source: Arc::clone(source), ranges }))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.ranges.len()
    }

    /// What the question is given in the shard with this number; none if there is no such shard.
    pub fn inputs(&self, inputs: &Inputs, shard: usize) -> Option<Inputs> {
        let range = *self.ranges.get(shard)?;
        let shard = Shard { whole: Arc::clone(&self.source), range };
        Some(inputs.with_source(&self.name, Arc::new(shard)))
    }
}

/// True if a source hands on a range of entities without passing the others.
fn reads_ranges(source: &dyn Source, attribute: AttrId) -> Result<bool> {
    source.scan_between(attribute, (0, 0), &mut |_| Flow::Break(()))
}

/// If all steps of a plan are about one entity, which is in the answer: the source, the attribute of the first step, and
/// how many facts that has.
fn by_entity(plan: &Plan) -> Option<(usize, AttrId, u64)> {
    let Op::Match(first) = &plan.block.steps.first()?.op else { return None };
    let entity = first.places[0].var()?;
    let alone = plan.lead.is_none() && plan.start.rows == 1 && plan.start.position(entity).is_none();
    let mut bound: Vec<VarId> = plan.start.vars.clone();
    let falls_apart = alone
        && plan.block.out.contains(&entity)
        && plan.block.steps.iter().all(|step| {
            let is_of_entity = match &step.op {
                Op::Match(goal) => goal.source == first.source && is_column(goal, entity, &bound),
                Op::Test(call) | Op::Bind(call, _) => {
                    call.args.iter().all(|arg| matches!(arg, Argument::Place(_)))
                }
                Op::Same(..) => true,
                _ => false,
            };
            if let Op::Match(goal) = &step.op {
                bound.extend(goal.places.iter().filter_map(|place| place.var()));
            }
            is_of_entity
        });
    falls_apart.then_some((first.source, first.attr?.id, first.count))
}

/// True if a pattern asks for values that the entity has of an attribute, whatever the rows so far hold beside it. If most
/// values are not asked for, passing them in each shard would cost more than to find the others by value.
fn is_column(goal: &Match, entity: VarId, bound: &[VarId]) -> bool {
    let is_open = |place: &Place| place.var().is_none_or(|var| var != entity && !bound.contains(&var));
    goal.places[0] == Place::Var(entity)
        && goal.attr.is_some()
        && goal.places[2..].iter().all(is_open)
        && goal.places[3..].iter().all(|place| !matches!(place, Place::Const(_)))
        && goal.count.saturating_mul(PASSED) >= goal.whole
}

/// Hands on the rows of a batch that are wanted, stretch by stretch.
fn some_of(
    batch: &Batch<'_>,
    wanted: impl Fn(usize) -> bool,
    sink: &mut dyn FnMut(&Batch<'_>) -> Flow,
) -> Flow {
    let mut row = 0;
    while row < batch.len {
        let start = row;
        while row < batch.len && wanted(row) {
            row += 1;
        }
        if row > start {
            sink(&batch.slice(start, row))?;
        }
        row += 1;
    }
    Flow::Continue(())
}

/// A source as if it had the facts of some entities only, for patterns about any entity.
struct Shard {
    whole: Arc<dyn Source>,
    /// The first and the last.
    range: (u64, u64),
}

impl Source for Shard {
    fn scan(&self, pattern: &Pattern<'_>, sink: &mut dyn FnMut(&Batch<'_>) -> Flow) -> Result<()> {
        if pattern.e.is_some() {
            return self.whole.scan(pattern, sink);
        }
        if let Pattern { a: Some(a), v, t: None, added: None, .. } = *pattern {
            let is_read = match v {
                ValueBound::Any => self.whole.scan_between(a, self.range, sink)?,
                v => self.whole.scan_between(a, self.range, &mut |batch| {
                    some_of(batch, |row| v.admits(batch.v.get(row)), sink)
                })?,
            };
            if is_read {
                return Ok(());
            }
        }
        let (first, last) = self.range;
        self.whole.scan(pattern, &mut |batch| {
            some_of(batch, |row| (first..=last).contains(&batch.e.get(row)), sink)
        })
    }

    fn scan_each(
        &self,
        a: Option<AttrId>,
        entities: &[u64],
        sink: &mut dyn FnMut(&Batch<'_>) -> Flow,
    ) -> Result<bool> {
        // Whoever has found entities asks for what they have, in whatever shard.
        self.whole.scan_each(a, entities, sink)
    }

    fn count(&self, pattern: &Pattern<'_>) -> Result<u64> {
        self.whole.count(pattern)
    }

    fn attribute(&self, id: AttrId) -> Option<&Attribute> {
        self.whole.attribute(id)
    }

    fn attributes(&self) -> Vec<&Attribute> {
        self.whole.attributes()
    }

    fn has_components(&self) -> bool {
        self.whole.has_components()
    }

    fn entid(&self, ident: &Keyword) -> Option<EntityId> {
        self.whole.entid(ident)
    }

    fn ident(&self, e: EntityId) -> Option<Keyword> {
        self.whole.ident(e)
    }

    fn is_sorted(&self) -> bool {
        self.whole.is_sorted()
    }

    fn entity_with(&self, a: AttrId, v: ValueRef<'_>) -> Result<Option<EntityId>> {
        self.whole.entity_with(a, v)
    }
}

#[cfg(test)]
mod tests {
    use annals_storage::datom::{Datom, Tag};

    use super::super::fixture::{facts, user};
    use super::*;

    #[test]
    fn a_shard_has_the_facts_of_its_entities_whatever_is_asked() {
        let (whole, range) = (facts(), (user(2).0, user(3).0));
        let shard = Shard { whole: Arc::new(whole.clone()), range };
        let (n, odd) = (AttrId(100), annals_storage::datom::Value::string("odd"));
        let mut code = Vec::new();
        odd.with_ref(&mut code, |odd| {
            let one = ValueRef::Fixed(Tag::Long, 1);
            let patterns = [
                Pattern::ALL,
                Pattern::attribute(n),
                Pattern { t: Some(3), ..Pattern::attribute(n) },
                Pattern { t: Some(4), ..Pattern::ALL },
                Pattern::value(AttrId(102), odd),
                Pattern { v: ValueBound::Range(Tag::Long, Some((one, true)), None), ..Pattern::attribute(n) },
                Pattern {
                    v: ValueBound::Range(Tag::Long, None, Some((one, false))),
                    ..Pattern::attribute(n)
                },
            ];
            for pattern in patterns {
                let all = |source: &dyn Source| {
                    let mut found: Vec<Datom> = Vec::new();
                    let taken = source.scan(&pattern, &mut |batch| {
                        found.extend((0..batch.len).map(|row| batch.datom(row)));
                        Flow::Continue(())
                    });
                    taken.unwrap();
                    found
                };
                let mut want = all(&whole);
                want.retain(|datom| (range.0..=range.1).contains(&datom.e.0));
                assert_eq!(all(&shard), want, "{pattern:?}");
            }
        });
    }
}
