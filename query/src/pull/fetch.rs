//! The facts of a set of entities: one ordered pass over the source for each attribute.
//!
//! ```text
//!   few entities    probe: one scan an entity, entities in ascending order
//!   many            each: one pass that leaps to the next entity, where the source has one
//!                   stream: one scan over the attribute, matched against the set
//! ```
//!
//! What is found does not depend on the way: of each attribute of an entity the least values, ascending, no more than
//! the limit. Where the source does not promise an order, all values are read for that.

use std::ops::{ControlFlow, Range};

use annals_storage::datom::{AttrId, Batch, EntityId, Pattern, Tag, Value, ValueRef};

use crate::error::Result;
use crate::run::merge::merge;
use crate::source::{Flow, Source};

/// How many rows of a scan one seek costs.
const SEEK: u64 = 50;

/// How many numbers entities lie apart, on the average, that are looked up in one pass.
const APART: u64 = 1024;

/// So few entities are probed without asking how many facts there are.
const FEW: usize = 16;

/// So many rows of a source without order are held before those beyond the limit are let go.
const LOOSE_MAX: usize = 1 << 16;

/// For so many rows of an entity room is made beforehand.
const ROWS: usize = 8;

/// Which facts.
#[derive(Clone, Copy)]
pub(super) enum Way<'a> {
    /// The values of an attribute.
    Forward(AttrId),
    /// Those that refer to the entities by an attribute.
    Back(AttrId),
    /// The values of every attribute that is not among these.
    All(&'a [AttrId]),
}

/// One value of an entity, or an entity that refers to it.
pub(super) struct Row {
    /// Where the entity stands in the set.
    slot: u32,
    pub(super) a: AttrId,
    pub(super) v: Value,
}

/// What was found, entity by entity, of each attribute by attribute.
pub(super) struct Found {
    rows: Vec<Row>,
    /// Where the rows of each entity begin, and where the last's end.
    starts: Vec<usize>,
}

impl Found {
    /// The rows of the entity in this place of the set.
    pub(super) fn of(&self, slot: usize) -> &[Row] {
        &self.rows[self.starts[slot]..self.starts[slot + 1]]
    }
}

/// The facts of `entities`, which ascend; at most `most` for each attribute of each.
pub(super) fn fetch(source: &dyn Source, entities: &[EntityId], way: Way<'_>, most: usize) -> Result<Found> {
    let mut taker = Taker {
        way,
        most,
        sorted: source.is_sorted(),
        rows: Vec::with_capacity(entities.len() * ROWS),
        run: 0,
        held: LOOSE_MAX,
    };
    if entities.len() > FEW && are_near(entities) && each(source, entities, way, &mut taker)? {
        return Ok(taker.finish(entities.len()));
    }
    let streams = entities.len() > FEW && {
        let facts = source.count(&way.of_all())?;
        facts < SEEK.saturating_mul(entities.len() as u64)
    };
    if streams {
        let mut places = Places { entities, at: 0 };
        source.scan(&way.of_all(), &mut |batch| {
            for row in 0..batch.len {
                if let Some(slot) = places.find(way.entity(batch, row)) {
                    taker.take(slot, batch, row);
                }
            }
            ControlFlow::Continue(())
        })?;
    } else {
        for (slot, e) in entities.iter().enumerate() {
            source.scan(&way.of(*e), &mut |batch| taker.take_all(slot, batch))?;
        }
    }
    Ok(taker.finish(entities.len()))
}

/// True if a pass for all entities does not pass too many others: each could lie on a page of its own.
fn are_near(entities: &[EntityId]) -> bool {
    let others = |(first, last): (&EntityId, &EntityId)| (last.0 - first.0) / entities.len() as u64;
    entities.first().zip(entities.last()).map(others).is_some_and(|others| others <= APART)
}

/// Takes what all entities have in one pass; false if there is no such pass.
fn each(source: &dyn Source, entities: &[EntityId], way: Way<'_>, taker: &mut Taker<'_>) -> Result<bool> {
    let a = match way {
        Way::Forward(a) => Some(a),
        Way::All(_) => None,
        Way::Back(_) => return Ok(false),
    };
    let wanted: Vec<u64> = entities.iter().map(|e| e.0).collect();
    let places: Vec<i64> = entities.iter().map(|e| e.0 as i64).collect();
    let mut cursor = 0;
    source.scan_each(a, &wanted, &mut |batch| {
        merge(&places, &mut cursor, batch, &mut |row, slot| {
            taker.take(slot as usize, batch, row as usize);
        });
        ControlFlow::Continue(())
    })
}

impl Way<'_> {
    /// What is asked of one entity.
    fn of(self, e: EntityId) -> Pattern<'static> {
        match self {
            Way::Forward(a) => Pattern::values(e, a),
            Way::Back(a) => Pattern::value(a, ValueRef::Fixed(Tag::Ref, e.0 as i64)),
            Way::All(_) => Pattern::entity(e),
        }
    }

    /// What holds the facts of all entities.
    fn of_all(self) -> Pattern<'static> {
        match self {
            Way::Forward(a) | Way::Back(a) => Pattern::attribute(a),
            Way::All(_) => Pattern::ALL,
        }
    }

    /// The entity that a fact is asked for.
    fn entity(self, batch: &Batch<'_>, row: usize) -> EntityId {
        EntityId(match self {
            Way::Back(_) => batch.v.words.get(row) as u64,
            _ => batch.e.get(row),
        })
    }
}

/// Where entities stand in the set; quick if they are looked up in ascending order.
struct Places<'a> {
    entities: &'a [EntityId],
    at: usize,
}

impl Places<'_> {
    fn find(&mut self, e: EntityId) -> Option<usize> {
        let near: Range<usize> = self.at..self.at + 2;
        let passed = self.at == 0 || self.entities[self.at - 1] < e;
        let reached = self.entities.get(near).unwrap_or(&[]).iter().position(|other| *other >= e);
        self.at = match reached {
            Some(steps) if passed => self.at + steps,
            _ => self.entities.partition_point(|other| *other < e),
        };
        (self.entities.get(self.at) == Some(&e)).then_some(self.at)
    }
}

/// Rows as they come.
struct Taker<'a> {
    way: Way<'a>,
    most: usize,
    /// The source hands on values in their order, so that the first are the least.
    sorted: bool,
    rows: Vec<Row>,
    /// How many rows of one attribute of one entity came last.
    run: usize,
    /// How many rows there may be before some are let go, if the source has no order.
    held: usize,
}

impl Taker<'_> {
    /// All of a batch, which is of one entity.
    fn take_all(&mut self, slot: usize, batch: &Batch<'_>) -> Flow {
        for row in 0..batch.len {
            let is_full = self.take(slot, batch, row);
            if is_full && !matches!(self.way, Way::All(_)) {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    /// One fact. True if none is wanted after it of the same attribute of the same entity.
    fn take(&mut self, slot: usize, batch: &Batch<'_>, row: usize) -> bool {
        let (a, slot) = (AttrId(batch.a.get(row)), slot as u32);
        if matches!(self.way, Way::All(without) if without.contains(&a)) {
            return false;
        }
        let goes_on = self.rows.last().is_some_and(|last| last.slot == slot && last.a == a);
        self.run = if goes_on { self.run + 1 } else { 1 };
        if self.sorted && self.run > self.most {
            return true;
        }
        let v = match self.way {
            Way::Back(_) => Value::Ref(EntityId(batch.e.get(row))),
            _ => batch.v.get(row).to_value(),
        };
        self.rows.push(Row { slot, a, v });
        if !self.sorted && self.rows.len() > self.held {
            self.settle();
            self.held = LOOSE_MAX.max(2 * self.rows.len());
        }
        self.sorted && self.run == self.most
    }

    /// Puts the rows in order and lets those beyond the limit go.
    fn settle(&mut self) {
        let place = |row: &Row| (row.slot, row.a);
        if !self.sorted {
            self.rows.sort_by(|x, y| place(x).cmp(&place(y)).then_with(|| x.v.cmp(&y.v)));
        } else if !self.rows.is_sorted_by_key(place) {
            self.rows.sort_by_key(place);
        }
        let (mut last, mut run) = (None, 0);
        let most = self.most;
        self.rows.retain(|row| {
            run = if last == Some(place(row)) { run + 1 } else { 1 };
            last = Some(place(row));
            run <= most
        });
    }

    fn finish(mut self, entities: usize) -> Found {
        self.settle();
        let mut starts = Vec::with_capacity(entities + 1);
        let mut at = 0;
        for slot in 0..=entities {
            at += self.rows[at..].iter().take_while(|row| (row.slot as usize) < slot).count();
            starts.push(at);
        }
        Found { rows: self.rows, starts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Facts;
    use crate::fixture::{Build, e};
    use crate::source::Attribute;
    use annals_storage::datom::Keyword;

    /// Facts that pretend to be so many, or so few, that a way is chosen; or that offer one pass for all.
    struct Counted(Facts, u64);

    /// What facts that offer one pass are counted as.
    const EACH: u64 = 1;

    impl Source for Counted {
        fn scan(&self, pattern: &Pattern<'_>, sink: &mut dyn FnMut(&Batch<'_>) -> Flow) -> Result<()> {
            self.0.scan(pattern, sink)
        }

        fn scan_each(
            &self,
            a: Option<AttrId>,
            entities: &[u64],
            sink: &mut dyn FnMut(&Batch<'_>) -> Flow,
        ) -> Result<bool> {
            if self.1 == EACH {
                let facts = |e: &u64| Pattern { a, ..Pattern::entity(EntityId(*e)) };
                entities.iter().try_for_each(|e| self.0.scan(&facts(e), sink))?;
            }
            Ok(self.1 == EACH)
        }

        fn count(&self, _: &Pattern<'_>) -> Result<u64> {
            Ok(self.1)
        }

        fn attribute(&self, id: AttrId) -> Option<&Attribute> {
            self.0.attribute(id)
        }

        fn attributes(&self) -> Vec<&Attribute> {
            self.0.attributes()
        }

        fn entid(&self, ident: &Keyword) -> Option<EntityId> {
            self.0.entid(ident)
        }

        fn ident(&self, e: EntityId) -> Option<Keyword> {
            self.0.ident(e)
        }
    }

    fn found(
        source: &dyn Source,
        entities: &[EntityId],
        way: Way<'_>,
        most: usize,
    ) -> Vec<Vec<(u32, Value)>> {
        let found = fetch(source, entities, way, most).unwrap();
        let rows = |slot| found.of(slot).iter().map(|row| (row.a.0, row.v.clone())).collect();
        (0..entities.len()).map(rows).collect()
    }

    #[test]
    fn all_ways_find_the_same_least_values_whatever_order_they_come_in() {
        let mut build = Build::default().attr("x/n", Tag::Long, "many").attr("x/ref", Tag::Ref, "many").tx();
        for n in (0..40).rev() {
            build = build.add(n, "x/n", (0..n as i64 % 5).rev().map(Value::Long));
            build =
                build.add(n, "x/ref", (0..n % 4).rev().map(|other| Value::Ref(e((n + other * 3) * 3 % 39))));
        }
        let entities: Vec<EntityId> = (0..60).filter(|n| n % 3 == 0).map(e).collect();
        let (n, reference) = (AttrId(100), AttrId(101));
        let ways =
            [Way::Forward(n), Way::Forward(reference), Way::Back(reference), Way::All(&[]), Way::All(&[n])];
        for way in ways {
            for most in [1, 2, usize::MAX] {
                let probed = found(&Counted(build.history(), u64::MAX), &entities, way, most);
                let streamed = found(&Counted(build.history(), 0), &entities, way, most);
                assert_eq!(probed, streamed);
                assert_eq!(probed, found(&Counted(build.history(), EACH), &entities, way, most));
                assert!(probed.iter().flatten().count() > 5);
                for rows in probed {
                    assert!(rows.is_sorted(), "{rows:?}");
                    assert!(rows.chunk_by(|x, y| x.0 == y.0).all(|values| values.len() <= most), "{rows:?}");
                }
            }
        }
    }

    #[test]
    fn what_lies_beyond_the_limit_is_not_kept() {
        let many = LOOSE_MAX as i64 * 2;
        let build = Build::default().attr("x/n", Tag::Long, "many").tx().add(
            1,
            "x/n",
            (0..many).rev().map(Value::Long),
        );
        let least = found(&build.history(), &[e(1)], Way::Forward(AttrId(100)), 2);
        assert_eq!(least, [vec![(100, Value::Long(0)), (100, Value::Long(1))]]);
    }
}
