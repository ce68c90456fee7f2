//! What becomes of names and attributes, and whether the attributes may become so.

use std::collections::{BTreeMap, BTreeSet};

use annals::Edn;

use crate::judge::{is_tx, repeats};
use crate::read::Reasons;
use crate::world::{Attr, FIRST, Fact, Id, PART_DB, Shape, Val, World, keyword};

/// Properties that only attributes have.
const PROPERTIES: [&str; 12] = [
    "db/valueType",
    "db/cardinality",
    "db/unique",
    "db/isComponent",
    "db/index",
    "db/noHistory",
    "db/fulltext",
    "db/tupleAttrs",
    "db/tupleType",
    "db/tupleTypes",
    "db.attr/preds",
    "db.attr/filling",
];

/// Properties that never change.
const FIXED: [&str; 5] = ["db/valueType", "db/fulltext", "db/tupleAttrs", "db/tupleType", "db/tupleTypes"];

/// The names after a transaction: who gets a new name keeps the old ones; who gets none loses all.
pub(crate) fn names(
    before: &World,
    added: &BTreeSet<Fact>,
    removed: &BTreeSet<Fact>,
) -> BTreeMap<String, Id> {
    let ident = before.own("db/ident");
    let mut names = BTreeMap::clone(&before.names);
    let given: Vec<(&str, Id)> =
        added.iter().filter(|fact| fact.1 == ident).filter_map(|(e, _, v)| Some((keyword(v)?, *e))).collect();
    let taken = removed.iter().filter(|fact| fact.1 == ident).map(|fact| fact.0);
    for nameless in taken.filter(|e| given.iter().all(|(_, other)| other != e)) {
        names.retain(|_, e| *e != nameless);
    }
    names.extend(given.into_iter().map(|(name, e)| (name.to_owned(), e)));
    names
}

/// The members of all composites, new ones included.
pub(crate) fn members(after: &World, added: &BTreeSet<Fact>) -> BTreeMap<Id, Vec<Id>> {
    let mut members = after.members.clone();
    for (e, a, v) in added {
        if *a == after.own("db/tupleAttrs")
            && let Val::Tuple(slots) = v
        {
            let named = slots.iter().flatten().filter_map(keyword);
            members.entry(*e).or_insert(named.filter_map(|name| after.names.get(name).copied()).collect());
        }
    }
    members
}

/// What is wrong with the attributes and names that a transaction touched.
pub(crate) fn judge(
    before: &World,
    after: &World,
    added: &BTreeSet<Fact>,
    removed: &BTreeSet<Fact>,
) -> Reasons {
    let mut reasons = Reasons::new();
    let ident = before.own("db/ident");
    let properties = PROPERTIES.map(|name| before.own(name));
    for (e, a, v) in added {
        let reserved = keyword(v)
            .and_then(|name| name.split_once('/'))
            .is_some_and(|(space, _)| (space == "db" || space.starts_with("db.")) && space != "db.part");
        if *a == ident && *e >= FIRST && reserved {
            reasons.insert("reserved-name".to_owned());
        }
    }
    for (e, a, v) in removed {
        let was_attribute = || matches!(v, Val::Ref(listed) if before.attr(*listed).is_some());
        if *e == PART_DB && *a == before.own("db.install/attribute") && was_attribute() {
            reasons.insert(altered_to("unsupported-alter-schema"));
        }
    }
    let is_touched =
        |fact: &&Fact| properties.contains(&fact.1) || fact.1 == ident && before.attr(fact.0).is_some();
    let touched: BTreeSet<Id> = added.iter().chain(removed).filter(is_touched).map(|fact| fact.0).collect();
    for e in touched {
        match before.attr(e) {
            Some(old) => reasons.extend(altered(before, after, old).into_iter().map(altered_to)),
            None => {
                let reason = installed(before, after, e).map(str::to_owned);
                let is_unique = after.attr(e).is_some_and(|attr| attr.unique);
                if reason.is_none() && after.is_filling(e) && is_unique && repeats(after, e) {
                    reasons.extend([altered_to("unique-violation")]);
                }
                reasons.extend(reason);
            }
        }
    }
    reasons
}

fn altered_to(reason: &str) -> String {
    format!("invalid-alter-attribute/{reason}")
}

fn installed(before: &World, after: &World, e: Id) -> Option<&'static str> {
    let has = |name: &str| after.value(e, after.own(name)).is_some();
    let complete = has("db/ident") && has("db/valueType") && has("db/cardinality");
    if !complete || before.ids.contains(&e) || is_tx(e) || !sound(after, e) {
        return Some("invalid-install-attribute");
    }
    match after.attr(e) {
        Some(attr) => (!shaped(after, attr)).then_some("invalid-tuple-attrs"),
        None => Some("invalid-install-attribute"),
    }
}

/// True if the properties of an attribute make sense by themselves.
fn sound(after: &World, e: Id) -> bool {
    let of = |name: &str| after.value(e, after.own(name));
    let named = |name: &str, allowed: &[&str]| {
        of(name).and_then(|v| after.named(v)).is_some_and(|named| allowed.contains(&named))
    };
    let is_type =
        of("db/valueType").and_then(|v| after.named(v)).is_some_and(|ty| ty.starts_with("db.type/"));
    let component = of("db/isComponent") == Some(&Val::Is(Edn::Bool(true)));
    is_type
        && named("db/cardinality", &["db.cardinality/one", "db.cardinality/many"])
        && (of("db/unique").is_none() || named("db/unique", &["db.unique/value", "db.unique/identity"]))
        && (!component || named("db/valueType", &["db.type/ref"]))
}

/// True if a tuple says what its values are, and nothing else does.
fn shaped(after: &World, attr: &Attr) -> bool {
    let shapes = ["db/tupleAttrs", "db/tupleType", "db/tupleTypes"];
    let said = shapes.iter().filter(|name| after.value(attr.id, after.own(name)).is_some()).count();
    if attr.ty != "tuple" {
        return said == 0;
    }
    let fits = |ty: &String| {
        !["float", "bytes", "tuple"].contains(&ty.as_str())
            && after.names.contains_key(&format!("db.type/{ty}"))
    };
    let is_member = |id: &Id| after.attr(*id).is_some_and(|member| !member.many && fits(&member.ty));
    let named = match after.value(attr.id, after.own("db/tupleAttrs")) {
        Some(Val::Tuple(slots)) => slots.len(),
        _ => 0,
    };
    said == 1
        && match &attr.shape {
            Shape::Composite(members) => {
                members.len() == named && !attr.many && members.iter().all(is_member)
            }
            Shape::Of(ty) => fits(ty),
            Shape::Types(types) => types.iter().all(fits),
            Shape::Unknown => false,
        }
}

fn altered(before: &World, after: &World, old: &Attr) -> Vec<&'static str> {
    let of = |world: &World, name: &str| world.value(old.id, before.own(name)).cloned();
    let is_fixed = FIXED.iter().all(|name| of(before, name) == of(after, name));
    let kept = of(after, "db/ident").is_some() && of(after, "db/cardinality").is_some();
    let (true, true, true, Some(new)) = (is_fixed, kept, sound(after, old.id), after.attr(old.id)) else {
        return vec!["unsupported-alter-schema"];
    };
    let tupled = !old.members().is_empty() || before.composites_of(old.id).next().is_some();
    let mut reasons = Vec::new();
    if new.many && !old.many && tupled {
        reasons.push("unsupported-alter-schema");
    }
    let held = || after.facts.iter().filter(|((_, a), _)| *a == old.id).map(|(_, values)| values);
    if old.many && !new.many && held().any(|values| values.len() > 1) {
        reasons.push("cardinality-violation");
    }
    if !old.unique && new.unique && before.is_filling(old.id) {
        reasons.push("unique-violation");
    }
    let mut seen = BTreeSet::new();
    if !old.unique && new.unique && held().flat_map(|values| values.iter()).any(|v| !seen.insert(v)) {
        reasons.push("unique-violation");
    }
    reasons
}
