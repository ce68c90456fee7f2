//! A transaction, as simply as it can be said: the world before, data and a time in; the world after, or reasons, out.
//!
//! Everything is judged by the world before. The stages are those that `docs/transactions.md` tells of: what is wrong in
//! one stage is told together, and hides what would be wrong in the next.

use std::collections::{BTreeMap, BTreeSet};

use annals::Edn;

use crate::read::{Ask, Reasons, Said};
use crate::tempids::{entity, settled};
use crate::world::{FIRST, Fact, Id, PART_DB, Val, World, keyword};
use crate::{alter, extras, read, tempids};

/// How many numbers the entities of one transaction have. They depend on nothing that happened before, so that a history
/// can be cut without the rest of it meaning something else.
const PER_STEP: Id = 1000;

/// What a transaction did.
pub(crate) struct Done {
    pub(crate) world: World,
    pub(crate) tempids: BTreeMap<String, Id>,
    pub(crate) added: BTreeSet<Fact>,
    pub(crate) removed: BTreeSet<Fact>,
}

/// The entity of a transaction.
pub(crate) fn tx_of(step: usize) -> Id {
    PER_STEP * (step as Id + 2) - 1
}

/// True if the entity is a transaction's.
pub(crate) fn is_tx(e: Id) -> bool {
    e % PER_STEP == PER_STEP - 1
}

/// Judges transaction number `step`.
pub(crate) fn transact(before: &World, forms: &[Edn], step: usize, now: i64) -> Result<Done, Reasons> {
    let tx = tx_of(step);
    let said = read::read(before, forms, tx)?;
    let temps = tempids::settle(before, &said, PER_STEP * (step as Id + 1))?;
    let claims = Claims::of(before, &said, &temps)?;
    let instant = instant(before, &claims, tx, now)?;
    let mut world = net(before, claims, (tx, instant))?;
    world.instant = instant;
    world.ids.extend(temps.iter().filter(|e| **e >= FIRST));
    world.ids.insert(tx);
    let (added, removed) = changes(before, &world);
    let is_schema = |fact: &Fact| fact.1 < FIRST && fact.1 != before.own("db/txInstant");
    if added.iter().chain(&removed).any(is_schema) {
        world.names = alter::names(before, &added, &removed).into();
        world.members = alter::members(&world, &added);
        world.read_attributes();
    }
    refuse(alter::judge(before, &world, &added, &removed))?;
    let ensured = said.ensured.iter().map(|(e, _)| entity(e, &temps));
    refuse(extras::judge(&world, ensured))?;
    let named = said.temps.iter().zip(&temps).filter_map(|(temp, e)| Some((temp.name.clone()?, *e)));
    let tempids = named.chain([("datomic.tx".to_owned(), tx)]).collect();
    Ok(Done { world, tempids, added, removed })
}

fn refuse(reasons: Reasons) -> Result<(), Reasons> {
    if reasons.is_empty() { Ok(()) } else { Err(reasons) }
}

/// What a transaction says about one attribute of one entity.
#[derive(Default)]
struct Claim {
    adds: BTreeSet<Val>,
    drops: BTreeSet<Val>,
}

/// What a transaction says, by entity and attribute.
#[derive(Default)]
struct Claims(BTreeMap<(Id, Id), Claim>);

impl Claims {
    fn of(before: &World, said: &Said, temps: &[Id]) -> Result<Claims, Reasons> {
        let mut claims = Claims::default();
        for fact in &said.facts {
            let claim = claims.about(entity(&fact.e, temps), fact.a);
            let side = if fact.added { &mut claim.adds } else { &mut claim.drops };
            side.insert(settled(&fact.v, temps));
        }
        let mut reasons = Reasons::new();
        for ask in &said.asks {
            match ask {
                Ask::RetractAll(e, a) => {
                    let e = entity(e, temps);
                    claims.drop_all(before.values(e, *a).map(|v| (e, *a, v)));
                }
                Ask::RetractEntity(e) => {
                    let gone = with_components(before, entity(e, temps));
                    let refers = |v: &Val| matches!(v, Val::Ref(e) if gone.contains(e));
                    claims.drop_all(before.all().filter(|(e, _, v)| gone.contains(e) || refers(v)));
                }
                Ask::Swap(e, a, old, new) => {
                    let (e, old) = (entity(e, temps), old.as_ref().map(|v| settled(v, temps)));
                    if before.value(e, *a) == old.as_ref() {
                        claims.about(e, *a).adds.insert(settled(new, temps));
                    } else {
                        reasons.insert("cas-failed".to_owned());
                    }
                }
            }
        }
        refuse(reasons).map(|()| claims)
    }

    fn about(&mut self, e: Id, a: Id) -> &mut Claim {
        self.0.entry((e, a)).or_default()
    }

    fn drop_all<'v>(&mut self, facts: impl Iterator<Item = (Id, Id, &'v Val)>) {
        for (e, a, v) in facts {
            self.about(e, a).drops.insert(v.clone());
        }
    }
}

/// The entity, its components, theirs, and so on.
fn with_components(before: &World, e: Id) -> BTreeSet<Id> {
    let mut gone = BTreeSet::from([e]);
    loop {
        let parts = gone.iter().flat_map(|e| before.about(*e)).filter_map(|(_, a, v)| match v {
            Val::Ref(part) if before.attr(a).is_some_and(|attr| attr.component) => Some(*part),
            _ => None,
        });
        let more: BTreeSet<Id> = parts.chain(gone.iter().copied()).collect();
        if more.len() == gone.len() {
            return gone;
        }
        gone = more;
    }
}

/// The instant a transaction states for itself, if it may; else the time.
fn instant(before: &World, claims: &Claims, tx: Id, now: i64) -> Result<i64, Reasons> {
    let at = before.own("db/txInstant");
    let latest = now.max(before.instant);
    let mut instant = latest;
    for ((e, _), claim) in claims.0.iter().filter(|((_, a), _)| *a == at) {
        let reason = match claim.adds.first() {
            _ if *e != tx || !claim.drops.is_empty() => "reset-tx-instant",
            Some(Val::Is(Edn::Inst(stated))) if *stated < before.instant => "past-tx-instant",
            Some(Val::Is(Edn::Inst(stated))) if *stated > latest => "future-tx-instant",
            Some(Val::Is(Edn::Inst(stated))) => {
                instant = *stated;
                continue;
            }
            _ => continue,
        };
        return Err(Reasons::from([reason.to_owned()]));
    }
    Ok(instant)
}

/// The world with the claims of a transaction.
fn net(before: &World, mut claims: Claims, (tx, instant): (Id, i64)) -> Result<World, Reasons> {
    claims.about(tx, before.own("db/txInstant")).adds.insert(Val::Is(Edn::Inst(instant)));
    let mut reasons = Reasons::new();
    let mut after = before.clone();
    let mut touched = BTreeSet::new();
    for ((e, a), claim) in &claims.0 {
        let attr = before.attr(*a).expect("what is said was read");
        touched.extend(before.composites_of(*a).map(|composite| (*e, composite)));
        if !attr.members().is_empty() {
            // What is said of a composite itself is not heard, but it is looked at anew.
            touched.insert((*e, *a));
            continue;
        }
        reasons.extend(extras::predicates(before, *a, &claim.adds));
        if !claim.adds.is_disjoint(&claim.drops) || !attr.many && claim.adds.len() > 1 {
            reasons.insert("datoms-conflict".to_owned());
            continue;
        }
        let values = after.say(*e, *a);
        values.retain(|v| !claim.drops.contains(v) && (attr.many || claim.adds.is_empty()));
        values.extend(claim.adds.iter().cloned());
    }
    for (e, composite) in touched {
        let tuple = after.tuple(e, composite);
        *after.say(e, composite) = tuple.into_iter().collect();
    }
    install(before, &mut after, claims.0.keys());
    after.facts.retain(|_, values| !values.is_empty());
    reasons.extend(unique(before, &after));
    reasons.extend(protected(before, &after));
    if reasons.is_empty() { Ok(after) } else { Err(reasons) }
}

/// New attributes are listed, and composites over what holds already, or is said beside them, are marked.
fn install<'k>(before: &World, after: &mut World, said: impl Iterator<Item = &'k (Id, Id)>) {
    let new: BTreeSet<Id> = said.map(|(e, _)| *e).filter(|e| before.attr(*e).is_none()).collect();
    for e in new {
        if after.value(e, before.own("db/valueType")).is_some() {
            after.say(PART_DB, before.own("db.install/attribute")).insert(Val::Ref(e));
        }
        let Some(Val::Tuple(slots)) = after.value(e, before.own("db/tupleAttrs")).cloned() else { continue };
        let mut members =
            slots.iter().flatten().filter_map(keyword).filter_map(|name| before.names.get(name));
        let has_values =
            |world: &World, a: &Id| world.facts.iter().any(|((_, of), v)| of == a && !v.is_empty());
        if members.any(|a| before.attr(*a).is_some() && (has_values(before, a) || says_new(before, after, a)))
        {
            after.say(e, before.own("db.attr/filling")).insert(Val::Is(Edn::Bool(true)));
        }
    }
}

/// True if a fact of the attribute is there after and was not before.
fn says_new(before: &World, after: &World, a: &Id) -> bool {
    let mut facts = after.facts.iter().filter(|((_, of), _)| of == a);
    facts.any(|(place, values)| {
        values.iter().any(|v| before.facts.get(place).is_none_or(|old| !old.contains(v)))
    })
}

/// What the database does by itself after a transaction: the tuples that older entities lack.
pub(crate) fn filled(before: &World, now: i64) -> Option<World> {
    let composites: Vec<Id> = before.members.keys().copied().filter(|a| before.is_filling(*a)).collect();
    if composites.is_empty() {
        return None;
    }
    let mut after = before.clone();
    for composite in composites {
        for (e, tuple) in before.tuples(composite) {
            *after.say(e, composite) = BTreeSet::from([tuple]);
        }
        after.facts.remove(&(composite, before.own("db.attr/filling")));
    }
    after.instant = now.max(before.instant);
    Some(after)
}

/// No two entities share a value of an attribute that was unique before.
fn unique(before: &World, after: &World) -> Reasons {
    let mut seen = BTreeSet::new();
    let mut attrs: BTreeMap<Id, bool> = BTreeMap::new();
    let mut reasons = Reasons::new();
    let is_unique = |a: Id| before.attr(a).is_some_and(|attr| attr.unique);
    for (_, a, v) in after.all() {
        let counts = *attrs.entry(a).or_insert_with(|| is_unique(a) && !before.is_filling(a));
        if counts && !seen.insert((a, v)) {
            reasons.insert("unique-conflict".to_owned());
        }
    }
    for composite in before.members.keys().filter(|a| is_unique(**a) && before.is_filling(**a)) {
        if repeats(after, *composite) {
            reasons.insert("unique-conflict".to_owned());
        }
    }
    reasons
}

/// True if the members of two entities make the same tuple.
pub(crate) fn repeats(world: &World, composite: Id) -> bool {
    let mut seen = BTreeSet::new();
    world.tuples(composite).into_iter().any(|(_, tuple)| !seen.insert(tuple))
}

/// What a database is born with stays, but for the lists of what is installed.
fn protected(before: &World, after: &World) -> Reasons {
    let lists = ["attribute", "function", "partition", "valueType"]
        .map(|list| before.own(&format!("db.install/{list}")));
    let is_listing = |(e, a, v): &Fact| {
        *e == PART_DB && lists.contains(a) && matches!(v, Val::Ref(listed) if *listed >= FIRST)
    };
    let (added, removed) = changes(before, after);
    let own = |fact: &&Fact| fact.0 < FIRST && fact.1 < FIRST && !is_listing(fact);
    let broken = added.iter().chain(&removed).any(|fact| own(&fact));
    broken.then(|| "protected-entity".to_owned()).into_iter().collect()
}

/// The facts that hold in only one of two worlds: the second, the first.
fn changes(before: &World, after: &World) -> (BTreeSet<Fact>, BTreeSet<Fact>) {
    let missing = |from: &World, to: &World| {
        let news = from.facts.iter().filter(|(at, values)| to.facts.get(at) != Some(values));
        let facts = news.flat_map(|((e, a), values)| values.iter().map(|v| (*e, *a, v)));
        let new = facts.filter(|(e, a, v)| !to.facts.get(&(*e, *a)).is_some_and(|known| known.contains(v)));
        new.map(|(e, a, v)| (e, a, v.clone())).collect()
    };
    (missing(after, before), missing(before, after))
}
