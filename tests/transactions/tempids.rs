//! Which entity every tempid is: one that has a unique identity it is given, else a new one.
//!
//! Tempids fall into classes; what is said settles more of them round by round, until a round changes nothing.

use std::collections::BTreeMap;

use crate::read::{Reasons, Said, SaidFact, UNDECIDED, What, Who};
use crate::world::{Id, Val, World};

/// The entities of all tempids. New ones get the numbers from `next` on.
pub(crate) fn settle(before: &World, said: &Said, next: Id) -> Result<Vec<Id>, Reasons> {
    let count = said.temps.len();
    let mut classes = Classes { class: (0..count).collect(), entity: vec![None; count] };
    let mut reasons = Reasons::new();
    if let Err(Clash { late }) = classes.rounds(before, said) {
        // Whether a tempid that is known may be given, by way of another tempid, an identity that somebody else has and
        // gives up, depends on how it is written. It should be refused, as it is when the entity's id is written.
        reasons.insert(if late { UNDECIDED } else { "unique-conflict" }.to_owned());
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

/// A unique value that a tempid is given; late, if it is an entity that another tempid stands for.
struct Claim {
    temp: usize,
    a: Id,
    v: Val,
    late: bool,
}

/// A tempid would be two entities.
#[derive(Clone, Copy)]
struct Clash {
    late: bool,
}

struct Classes {
    /// The class of each tempid, by the number of one of its members.
    class: Vec<usize>,
    /// The entity of each class that has one.
    entity: Vec<Option<Id>>,
}

impl Classes {
    /// Settles what can be settled. Members of composites count when nothing else does.
    fn rounds(&mut self, before: &World, said: &Said) -> Result<(), Clash> {
        loop {
            let identities = self.identities(before, said);
            if self.round(before, identities)? {
                continue;
            }
            let members = self.by_members(before, said);
            if !self.round(before, members)? {
                return Ok(());
            }
        }
    }

    /// Settles what is claimed; true if that was news.
    fn round(&mut self, before: &World, claims: Vec<Claim>) -> Result<bool, Clash> {
        let mut news = false;
        let mut first: BTreeMap<(Id, Val), usize> = BTreeMap::new();
        for Claim { temp, a, v, late } in claims {
            let clash = Clash { late };
            if let Some(holder) = before.holders(a, &v).first() {
                news |= self.bind(temp, *holder).ok_or(clash)?;
            }
            let other = *first.entry((a, v)).or_insert(temp);
            news |= self.unite(other, temp).ok_or(clash)?;
        }
        Ok(news)
    }

    /// The entities of tempids as far as they are known; a class without one has a negative number.
    fn known(&self) -> Vec<Id> {
        self.class.iter().map(|class| self.entity[*class].unwrap_or(-1 - *class as Id)).collect()
    }

    /// The identities that tempids are given.
    fn identities(&self, before: &World, said: &Said) -> Vec<Claim> {
        let known = self.known();
        let claim = |fact: &SaidFact| match fact.e {
            Who::Temp(temp) if fact.added && before.attr(fact.a)?.identity => {
                let late = matches!(fact.v, What::Ref(Who::Temp(_)));
                Some(Claim { temp, a: fact.a, v: settled(&fact.v, &known), late })
            }
            _ => None,
        };
        said.facts.iter().filter_map(claim).collect()
    }

    /// The composite identities of which a tempid that is nobody yet is given all members.
    fn by_members(&self, before: &World, said: &Said) -> Vec<Claim> {
        let known = self.known();
        let mut given: BTreeMap<(usize, Id), Val> = BTreeMap::new();
        for fact in said.facts.iter().filter(|fact| fact.added) {
            if let Who::Temp(temp) = fact.e {
                given.entry((self.class[temp], fact.a)).or_insert_with(|| settled(&fact.v, &known));
            }
        }
        let mut claims = Vec::new();
        for (composite, members) in &before.members {
            let finds = before.attr(*composite).is_some_and(|attr| attr.identity);
            let nobody = (0..self.class.len()).filter(|temp| finds && known[*temp] < 0);
            for temp in nobody {
                let of = |member: &Id| given.get(&(self.class[temp], *member)).cloned().map(Some);
                let tuple: Option<Vec<Option<Val>>> = members.iter().map(of).collect();
                claims.extend(tuple.map(|tuple| Claim {
                    temp,
                    a: *composite,
                    v: Val::Tuple(tuple),
                    late: false,
                }));
            }
        }
        claims
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
