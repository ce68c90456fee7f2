//! From tempids to entities, by generations.
//!
//! A tempid stands for an entity that is there if a unique identity it is given has a holder already (*upsert*), else
//! for a new one. Tempids that are given the same identity are one. A reference can be an identity too, and its target
//! a tempid itself: so what one generation settles may settle more in the next, until nothing changes. What is then
//! left is new. Only the state before counts, so the order of the forms does not.

use std::collections::BTreeMap;

use annals_storage::anomaly::Category;
use annals_storage::datom::{AttrId, EntityId, Partition, Value};
use hashbrown::HashMap;

use super::command::Command;
use super::ensure::Ensure;
use super::expand::{Draft, TX_TEMPID, TempUse};
use super::problem::{self, Problems};
use super::{Deferred, DraftFact, Ent, Fact, Temp, Val};
use super::{members, partition};
use crate::basis::{Basis, Counters};
use crate::error::{Error, Result, brief};
use crate::schema::Schema;

/// What a transaction says, with ids only.
pub(super) struct Resolved {
    pub(super) facts: Vec<Fact>,
    pub(super) ensures: Vec<Ensure<EntityId>>,
    pub(super) commands: Vec<Command>,
    pub(super) holders: Holders,
    pub(super) next: Counters,
    pub(super) tempids: BTreeMap<String, EntityId>,
}

/// Who holds the unique values a transaction asserts, as far as it was looked up already.
#[derive(Default)]
pub(super) struct Holders(Vec<(AttrId, Value, Option<EntityId>)>);

impl Holders {
    /// The entity that has a unique value before the transaction.
    pub(super) fn of(&self, before: &Basis, a: AttrId, v: &Value) -> Result<Option<EntityId>> {
        match self.0.binary_search_by(|(known, value, _)| known.cmp(&a).then_with(|| value.cmp(v))) {
            Ok(at) => Ok(self.0[at].2),
            Err(_) => before.holder(a, v),
        }
    }
}

/// Settles tempids, then everything that had to wait for them.
pub(super) fn resolve(before: &Basis, draft: Draft) -> Result<Resolved> {
    let mut classes = Classes::new(draft.temps.len());
    let mut problems = Problems::default();
    let holders = first_generation(before, &draft.facts, &mut classes, &mut problems)?;
    loop {
        later_generations(before, &draft.facts, &mut classes, &mut problems)?;
        if !members::generation(before, &draft.facts, &mut classes, &mut problems)? {
            break;
        }
    }
    let mut next = before.next.clone();
    let entities = allocate(&mut classes, &draft, &mut next, &mut problems);
    problems.settle()?;

    let settled = Settled { entities };
    let mut facts: Vec<Fact> = Vec::with_capacity(draft.facts.len() + 1);
    facts.extend(draft.facts.into_iter().map(|fact| settled.fact(fact)));
    for deferred in draft.deferred {
        answer(before, &settled, deferred, &mut facts, &mut problems)?;
    }
    problems.settle()?;
    let ensures = draft.ensures.into_iter();
    let ensures =
        ensures.map(|Ensure { e, spec, span }| Ensure { e: settled.entity(e), spec, span }).collect();
    let named =
        draft.temps.iter().zip(&settled.entities).filter_map(|(temp, e)| Some((temp.name.as_ref()?, *e)));
    let mut tempids: BTreeMap<String, EntityId> = named.map(|(name, e)| (name.to_string(), e)).collect();
    tempids.insert(TX_TEMPID.to_owned(), EntityId::of_t(before.t + 1));
    Ok(Resolved { facts, ensures, commands: draft.commands, holders, next, tempids })
}

/// Tempids that are one entity, as a forest; the root of each tree knows the entity, if it is there already.
pub(super) struct Classes {
    parent: Vec<u32>,
    entity: Vec<Option<EntityId>>,
}

impl Classes {
    fn new(count: usize) -> Classes {
        Classes { parent: (0..count as u32).collect(), entity: vec![None; count] }
    }

    pub(super) fn root(&mut self, temp: Temp) -> u32 {
        let mut at = temp.0;
        while self.parent[at as usize] != at {
            let above = self.parent[self.parent[at as usize] as usize];
            self.parent[at as usize] = above;
            at = above;
        }
        at
    }

    pub(super) fn entity(&mut self, temp: Temp) -> Option<EntityId> {
        let root = self.root(temp);
        self.entity[root as usize]
    }

    /// The tempid stands for this entity; the other one, if it stood for another.
    pub(super) fn bind(&mut self, temp: Temp, e: EntityId) -> Option<EntityId> {
        let root = self.root(temp) as usize;
        match self.entity[root] {
            Some(other) if other != e => Some(other),
            _ => {
                self.entity[root] = Some(e);
                None
            }
        }
    }

    /// The two tempids are one; the entities they stood for, if those differ.
    pub(super) fn unite(&mut self, x: Temp, y: Temp) -> Option<(EntityId, EntityId)> {
        let (x, y) = (self.root(x), self.root(y));
        let (low, high) = (x.min(y) as usize, x.max(y) as usize);
        match (self.entity[low], self.entity[high]) {
            (Some(one), Some(other)) if one != other => return Some((one, other)),
            (one, other) => self.entity[low] = one.or(other),
        }
        self.parent[high] = low as u32;
        None
    }
}

/// Every unique value whose text is known: one look at the index for each, however often it stands there.
fn first_generation(
    before: &Basis,
    facts: &[DraftFact],
    classes: &mut Classes,
    problems: &mut Problems,
) -> Result<Holders> {
    let mut claims: Vec<(AttrId, &Value, Ent, bool)> = Vec::new();
    for fact in facts.iter().filter(|fact| fact.added) {
        if let (Val::Is(v), Some(attr)) = (&fact.v, before.schema.attr(fact.a))
            && attr.unique().is_some()
        {
            claims.push((fact.a, v, fact.e, attr.is_identity()));
        }
    }
    claims.sort_by(|x, y| (x.0, x.1).cmp(&(y.0, y.1)));
    let mut holders = Vec::with_capacity(claims.len());
    for group in claims.chunk_by(|x, y| (x.0, x.1) == (y.0, y.1)) {
        let (a, v, _, identity) = group[0];
        let holder = before.holder(a, v)?;
        holders.push((a, v.clone(), holder));
        let mut temps = group.iter().filter_map(|(_, _, e, _)| match e {
            Ent::Temp(temp) if identity => Some(*temp),
            _ => None,
        });
        match holder {
            Some(e) => temps.for_each(|temp| {
                if let Some(other) = classes.bind(temp, e) {
                    problems.push(two_entities(&before.schema, a, v, e, other));
                }
            }),
            None => {
                let Some(first) = temps.next() else { continue };
                for temp in temps {
                    if let Some((one, other)) = classes.unite(first, temp) {
                        problems.push(two_entities(&before.schema, a, v, one, other));
                    }
                }
            }
        }
    }
    Ok(Holders(holders))
}

/// What an identity of type ref points to: an entity that is there, or tempids that are one.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Target {
    Entity(EntityId),
    Class(u32),
}

/// Identities that are references: they settle when their target does.
fn later_generations(
    before: &Basis,
    facts: &[DraftFact],
    classes: &mut Classes,
    problems: &mut Problems,
) -> Result<()> {
    let is_identity = |fact: &&DraftFact| before.schema.attr(fact.a).is_some_and(|attr| attr.is_identity());
    let waiting = |fact: &DraftFact| match (fact.e, &fact.v) {
        (Ent::Temp(temp), Val::Temp(_) | Val::Is(Value::Ref(_))) => Some((temp, fact.a, fact.v.clone())),
        _ => None,
    };
    let added = facts.iter().filter(|fact| fact.added && !matches!(fact.v, Val::Tuple(_)));
    let waiting: Vec<(Temp, AttrId, Val)> = added.filter(is_identity).filter_map(waiting).collect();
    if !waiting.iter().any(|(_, _, v)| matches!(v, Val::Temp(_))) {
        return Ok(());
    }
    loop {
        let mut changed = false;
        let mut claimed: HashMap<(AttrId, Target), Temp> = HashMap::new();
        for (temp, a, v) in &waiting {
            let target = match v {
                Val::Temp(to) => match classes.entity(*to) {
                    Some(e) => Target::Entity(e),
                    None => Target::Class(classes.root(*to)),
                },
                Val::Is(Value::Ref(e)) => Target::Entity(*e),
                _ => continue,
            };
            let clash = match target {
                Target::Entity(e) if classes.entity(*temp).is_none() => {
                    match before.holder(*a, &Value::Ref(e))? {
                        Some(holder) => {
                            changed = true;
                            classes.bind(*temp, holder).map(|other| (holder, other))
                        }
                        None => None,
                    }
                }
                _ => None,
            };
            let first = *claimed.entry((*a, target)).or_insert(*temp);
            let united = classes.root(first) == classes.root(*temp);
            let clash = clash.or_else(|| if united { None } else { classes.unite(first, *temp) });
            if let Some((one, other)) = clash {
                let v = match target {
                    Target::Entity(e) => Value::Ref(e),
                    Target::Class(_) => Value::Ref(one),
                };
                problems.push(two_entities(&before.schema, *a, &v, one, other));
                return Ok(());
            }
            changed |= !united;
        }
        if !changed {
            return Ok(());
        }
    }
}

pub(super) fn two_entities(schema: &Schema, a: AttrId, v: &Value, one: EntityId, other: EntityId) -> Error {
    let name = schema.attr(a).map_or_else(|| a.entity().to_string(), |attr| attr.ident().to_string());
    let shown = annals_query::edn::Edn::from(v.clone());
    let message =
        format!("one tempid would be two entities: {one}, by {name} {}, and {other}", brief(&shown));
    Error::new(Category::Conflict, "db.error/unique-conflict", message)
        .with_hint("give the two entities different tempids")
        .with_data("db.error/datoms", vec![problem::datom(schema, one, a, v, true)])
        .with_data("db.error/entities", vec![one.into(), other.into()])
}

/// Gives ids to the tempids that no entity stands for, in the order of their first appearance.
fn allocate(
    classes: &mut Classes,
    draft: &Draft,
    next: &mut Counters,
    problems: &mut Problems,
) -> Vec<EntityId> {
    let temps = &draft.temps;
    let mut uses = vec![(false, false); temps.len()];
    for (at, temp) in temps.iter().enumerate() {
        let root = classes.root(Temp(at as u32)) as usize;
        uses[root].0 |= temp.anchored;
        uses[root].1 |= temp.is_schema;
    }
    let mut entities = Vec::with_capacity(temps.len());
    for (at, temp) in temps.iter().enumerate() {
        let root = classes.root(Temp(at as u32)) as usize;
        let (anchored, is_schema) = uses[root];
        if classes.entity[root].is_none() {
            if !anchored && (temp.name.is_some() || temp.referred) {
                problems.push(not_an_entity(temp));
            }
            let wished = partition::of(&draft.wishes, classes, root as u32);
            let wished = problems.keep(wished).flatten();
            let partition = if is_schema { Partition::DB } else { wished.unwrap_or(Partition::USER) };
            classes.entity[root] = Some(if anchored { next.allocate(partition) } else { EntityId(u64::MAX) });
        }
        entities.push(classes.entity[root].unwrap_or(EntityId(u64::MAX)));
    }
    entities
}

fn not_an_entity(temp: &TempUse) -> Error {
    let name = temp.name.as_deref().unwrap_or_default();
    let message = match &temp.name {
        Some(name) => format!("nothing is said about the tempid {name:?}, so it cannot become an entity"),
        None => "a map that is referred to says nothing about its entity".to_owned(),
    };
    Error::incorrect("db.error/tempid-not-an-entity", message)
        .with_hint("assert something about it; an entity that is there is named by id, ident or lookup ref")
        .with_data("db.error/tempid", name)
        .at(temp.span)
}

/// What every tempid became.
struct Settled {
    entities: Vec<EntityId>,
}

impl Settled {
    fn entity(&self, e: Ent) -> EntityId {
        match e {
            Ent::Known(e) => e,
            Ent::Temp(temp) => self.entities[temp.0 as usize],
        }
    }

    fn value(&self, v: Val) -> Value {
        match v {
            Val::Is(v) => v,
            Val::Temp(temp) => Value::Ref(self.entities[temp.0 as usize]),
            Val::Tuple(slots) => {
                Value::Tuple(slots.into_iter().map(|slot| slot.map(|v| self.value(v))).collect())
            }
        }
    }

    fn fact(&self, fact: DraftFact) -> Fact {
        let (e, v) = (self.entity(fact.e), self.value(fact.v));
        Fact { added: fact.added, e, a: fact.a, v, span: fact.span }
    }
}

/// Turns what was deferred into facts, by what holds before.
fn answer(
    before: &Basis,
    settled: &Settled,
    deferred: Deferred,
    facts: &mut Vec<Fact>,
    problems: &mut Problems,
) -> Result<()> {
    match deferred {
        Deferred::RetractAll { e, a, span } => {
            let e = settled.entity(e);
            let values = before.values(e, a)?;
            facts.extend(values.into_iter().map(|(v, _)| Fact { added: false, e, a, v, span }));
        }
        Deferred::RetractEntity { e } => retract_entity(before, settled.entity(e), facts)?,
        Deferred::Swap { e, a, old, new, span } => {
            let e = settled.entity(e);
            let (old, new) = (old.map(|v| settled.value(v)), settled.value(new));
            let found = before.value(e, a)?.map(|(v, _)| v);
            if found == old {
                facts.push(Fact { added: true, e, a, v: new, span });
            } else {
                problems.push(swap_failed(&before.schema, (e, a), old, found, new).at(span));
            }
        }
    }
    Ok(())
}

fn swap_failed(
    schema: &Schema,
    (e, a): (EntityId, AttrId),
    old: Option<Value>,
    found: Option<Value>,
    new: Value,
) -> Error {
    use annals_query::edn::Edn;
    let edn = |v: Option<Value>| v.map_or(Edn::Nil, Edn::from);
    let (old, found) = (edn(old), edn(found));
    let name = schema.attr(a).map_or(Edn::Nil, |attr| Edn::Keyword(attr.ident().clone()));
    let message =
        format!(":db/cas expected {name} of entity {e} to be {}, and it is {}", brief(&old), brief(&found));
    Error::new(Category::Conflict, "db.error/cas-failed", message)
        .with_hint("read the value again and decide anew")
        .with_data("db.error/entity", e)
        .with_data("db.error/attribute", name)
        .with_data("db.error/expected", old)
        .with_data("db.error/actual", found)
        .with_data("db.error/new", Edn::from(new))
}

/// Retracts all about an entity, all references to it, and the same of its components.
fn retract_entity(before: &Basis, e: EntityId, facts: &mut Vec<Fact>) -> Result<()> {
    let mut seen: hashbrown::HashSet<EntityId> = [e].into_iter().collect();
    let mut waiting = vec![e];
    let retraction = |e, a, v| Fact { added: false, e, a, v, span: None };
    while let Some(e) = waiting.pop() {
        for (a, v) in before.facts_of(e)? {
            let component = before.schema.attr(a).is_some_and(|attr| attr.public.component);
            if let Value::Ref(part) = v
                && component
                && seen.insert(part)
            {
                waiting.push(part);
            }
            facts.push(retraction(e, a, v));
        }
        for (from, a) in before.referrers(e)? {
            facts.push(retraction(from, a, Value::Ref(e)));
        }
    }
    Ok(())
}
