//! Which entity every tempid is: one that has a unique identity it is given, else a new one.
//!
//! Tempids fall into classes; what is said settles more of them round by round, until a round changes nothing.

use std::collections::BTreeMap;

use crate::read::{Reasons, Said, What, Who};
use crate::world::{Id, Val, World};

/// True if the members of a composite identity find its entity, without the tuple being written.
const MEMBERS_FIND: bool = false;

/// True if a tempid that is known already may be given, by way of another tempid, an identity that somebody else has, as
/// long as that one gives it up. The same said with the entity's id is refused, so this should be false.
const LATE_CLAIMS_MOVE: bool = true;

/// The entities of all tempids. New ones get the numbers from `next` on.
pub(crate) fn settle(before: &World, said: &Said, next: Id) -> Result<Vec<Id>, Reasons> {
    let count = said.temps.len();
    let mut classes = Classes { class: (0..count).collect(), entity: vec![None; count] };
    let mut reasons = Reasons::new();
    if classes.rounds(before, said).is_none() {
        reasons.insert("unique-conflict".to_owned());
    }
    let mut next = next;
    for temp in 0..count {
        if classes.entity[classes.class[temp]].is_some() {
            continue;
        }
        let same = |other: &usize| classes.class[*other] == classes.class[temp];
        if (0..count).filter(same).any(|other| said.temps[other].anchored) {
            classes.entity[classes.class[temp]] = Some(next);
            next += 1;
        } else if said.temps[temp].name.is_some() || said.temps[temp].referred {
            reasons.insert("tempid-not-an-entity".to_owned());
        }
    }
    if reasons.is_empty() {
        // A map that says nothing and is not referred to has no entity, and none is needed.
        Ok((0..count).map(|temp| classes.entity[classes.class[temp]].unwrap_or(Id::MIN)).collect())
    } else {
        Err(reasons)
    }
}

/// A value whose tempids have become entities.
pub(crate) fn settled(v: &What, temps: &[Id]) -> Val {
    match v {
        What::Is(edn) => Val::Is(edn.clone()),
        What::Ref(who) => Val::Ref(entity(who, temps)),
        What::Tuple(slots) => {
            Val::Tuple(slots.iter().map(|slot| slot.as_ref().map(|v| settled(v, temps))).collect())
        }
    }
}

pub(crate) fn entity(who: &Who, temps: &[Id]) -> Id {
    match who {
        Who::Is(e) => *e,
        Who::Temp(temp) => temps[*temp],
    }
}

struct Classes {
    /// The class of each tempid, by the number of one of its members.
    class: Vec<usize>,
    /// The entity of each class that has one.
    entity: Vec<Option<Id>>,
}

impl Classes {
    /// Nothing if a tempid would be two entities.
    fn rounds(&mut self, before: &World, said: &Said) -> Option<()> {
        loop {
            let mut news = false;
            let mut first: BTreeMap<(Id, Val), usize> = BTreeMap::new();
            for (temp, a, v, late) in self.identities(before, said) {
                let settled = self.entity[self.class[temp]].is_some();
                if let Some(holder) = before.holders(a, &v).first()
                    && !(LATE_CLAIMS_MOVE && late && settled)
                {
                    news |= self.bind(temp, *holder)?;
                }
                let other = *first.entry((a, v)).or_insert(temp);
                news |= self.unite(other, temp)?;
            }
            if !news {
                return Some(());
            }
        }
    }

    /// The identities that tempids are given, as far as they are known, and whether a tempid is in them.
    fn identities(&self, before: &World, said: &Said) -> Vec<(usize, Id, Val, bool)> {
        // A class without an entity stands in for one, by a negative number.
        let known: Vec<Id> =
            self.class.iter().map(|class| self.entity[*class].unwrap_or(-1 - *class as Id)).collect();
        let mut found = Vec::new();
        let mut given: BTreeMap<(usize, Id), Val> = BTreeMap::new();
        for fact in said.facts.iter().filter(|fact| fact.added) {
            let Who::Temp(temp) = fact.e else { continue };
            let v = settled(&fact.v, &known);
            given.insert((self.class[temp], fact.a), v.clone());
            if before.attr(fact.a).is_some_and(|attr| attr.identity) {
                found.push((temp, fact.a, v, matches!(fact.v, What::Ref(Who::Temp(_)))));
            }
        }
        if MEMBERS_FIND {
            let composites =
                before.members.iter().filter(|(id, _)| before.attr(**id).is_some_and(|a| a.identity));
            for (id, members) in composites {
                for temp in 0..self.class.len() {
                    let of = |member: &Id| given.get(&(self.class[temp], *member)).cloned();
                    let slots: Option<Vec<Val>> = members.iter().map(of).collect();
                    let tuple = slots.map(|slots| Val::Tuple(slots.into_iter().map(Some).collect()));
                    found.extend(tuple.map(|tuple| (temp, *id, tuple, false)));
                }
            }
        }
        found
    }

    fn bind(&mut self, temp: usize, e: Id) -> Option<bool> {
        let entity = &mut self.entity[self.class[temp]];
        match entity {
            Some(other) => (*other == e).then_some(false),
            None => {
                *entity = Some(e);
                Some(true)
            }
        }
    }

    fn unite(&mut self, x: usize, y: usize) -> Option<bool> {
        let (x, y) = (self.class[x], self.class[y]);
        if x == y {
            return Some(false);
        }
        match (self.entity[x], self.entity[y]) {
            (Some(one), Some(other)) if one != other => return None,
            (one, other) => self.entity[x] = one.or(other),
        }
        self.class.iter_mut().filter(|class| **class == y).for_each(|class| *class = x);
        Some(true)
    }
}
