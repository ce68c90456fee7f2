//! Upserts by the members of a composite: a tempid that is given all members of a unique identity is the entity that has
//! them together.
//!
//! This goes beyond Datomic, where equal members are a conflict unless the tuple itself is written down. Only tempids that
//! nothing else identifies are found so, and only by members that are all given: a tuple with a hole in it names nobody.

use annals_storage::datom::{AttrId, Value};
use hashbrown::HashMap;

use super::problem::Problems;
use super::resolve::{Classes, two_entities};
use super::{DraftFact, Ent, Temp, Val};
use crate::basis::Basis;
use crate::error::Result;
use crate::schema::{Attr, Tuple};

/// A member's value: known, or an entity that is still a tempid.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Slot {
    Is(Value),
    Class(u32),
}

/// Binds and unites tempids by composites; true if anything changed.
pub(super) fn generation(
    before: &Basis,
    facts: &[DraftFact],
    classes: &mut Classes,
    problems: &mut Problems,
) -> Result<bool> {
    let given = given(before, facts, classes);
    let mut changed = false;
    let mut claimed: HashMap<(AttrId, Vec<Slot>), Temp> = HashMap::new();
    for (composite, temp, slots) in given {
        let known: Option<Vec<Option<Value>>> = slots
            .iter()
            .map(|slot| match slot {
                Slot::Is(v) => Some(Some(v.clone())),
                Slot::Class(_) => None,
            })
            .collect();
        let tuple = known.map(|known| Value::Tuple(known.into()));
        let holder = match &tuple {
            Some(tuple) => before.holder(composite, tuple)?,
            None => None,
        };
        let clash = match holder {
            Some(e) if classes.entity(temp) == Some(e) => None,
            Some(e) => {
                changed = true;
                classes.bind(temp, e).map(|other| (e, other))
            }
            None => {
                let first = *claimed.entry((composite, slots)).or_insert(temp);
                if classes.root(first) == classes.root(temp) {
                    None
                } else {
                    changed = true;
                    classes.unite(first, temp)
                }
            }
        };
        if let Some((one, other)) = clash {
            let tuple = tuple.unwrap_or(Value::Ref(one));
            problems.push(two_entities(&before.schema, composite, &tuple, one, other));
            return Ok(false);
        }
    }
    Ok(changed)
}

/// Every composite identity whose members are all given to a tempid that nothing identifies yet, by first appearance.
fn given(before: &Basis, facts: &[DraftFact], classes: &mut Classes) -> Vec<(AttrId, Temp, Vec<Slot>)> {
    let mut values: HashMap<(u32, AttrId), Slot> = HashMap::new();
    let mut wanted: Vec<(AttrId, Temp)> = Vec::new();
    for fact in facts.iter().filter(|fact| fact.added) {
        let (Ent::Temp(temp), Some(attr)) = (fact.e, before.schema.attr(fact.a)) else { continue };
        let identities = attr.composites.iter().filter(|of| is_identity(before, **of));
        let of: Vec<AttrId> = identities.copied().collect();
        if of.is_empty() || classes.entity(temp).is_some() {
            continue;
        }
        let slot = match &fact.v {
            Val::Is(v) => Slot::Is(v.clone()),
            Val::Temp(to) => match classes.entity(*to) {
                Some(e) => Slot::Is(Value::Ref(e)),
                None => Slot::Class(classes.root(*to)),
            },
            Val::Tuple(_) => continue,
        };
        let root = classes.root(temp);
        values.entry((root, fact.a)).or_insert(slot);
        wanted.extend(of.into_iter().map(|of| (of, temp)));
    }
    let mut seen: hashbrown::HashSet<(AttrId, u32)> = hashbrown::HashSet::new();
    wanted.retain(|(of, temp)| seen.insert((*of, classes.root(*temp))));
    let complete = |(of, temp): (AttrId, Temp)| {
        let Tuple::Composite(members) = &before.schema.attr(of)?.tuple else { return None };
        let root = classes.root(temp);
        let slots: Option<Vec<Slot>> =
            members.iter().map(|member| values.get(&(root, *member)).cloned()).collect();
        Some((of, temp, slots?))
    };
    wanted.into_iter().filter_map(complete).collect()
}

fn is_identity(before: &Basis, a: AttrId) -> bool {
    before.schema.attr(a).is_some_and(Attr::is_identity)
}
