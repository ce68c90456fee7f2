//! Pull down every path by itself, one entity after the other.
//!
//! Nothing is prepared or shared: names are looked up and the facts of an attribute are sifted out of all facts each
//! time an entity is met. The path is a list of what was pulled above, by which pattern.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use annals_storage::datom::{EntityId, Pattern, Value};

use crate::ast::{PullLimit, PullPattern, PullSpec, PullSub};
use crate::edn::Edn;
use crate::error::{Error, Result};
use crate::functions;
use crate::pull::{DEPTH_MAX, LIMIT_DEFAULT};
use crate::source::{Attribute, Source};

/// What a pattern says of an entity, in at most `maps` maps.
pub fn pull(source: &dyn Source, pattern: &PullPattern, e: EntityId, maps: usize) -> Result<Edn> {
    let everything = PullPattern { wildcard: true, specs: Vec::new() };
    let mut walk = Walk { source, everything: &everything, left: maps };
    let all_levels = levels(pattern);
    Ok(walk.map(&Above { e, pattern, levels: &all_levels, up: None })?.unwrap_or(Edn::Nil))
}

/// How far down each recursion of a pattern goes.
fn levels(pattern: &PullPattern) -> Vec<u64> {
    let levels = |spec: &PullSpec| if let PullSub::Levels(levels) = spec.sub { levels } else { u64::MAX };
    pattern.specs.iter().map(levels).collect()
}

/// An entity on the path, by which pattern it is pulled, and what is above it.
#[derive(Clone, Copy)]
struct Above<'a> {
    e: EntityId,
    pattern: &'a PullPattern,
    levels: &'a [u64],
    up: Option<&'a Above<'a>>,
}

impl<'a> Above<'a> {
    fn path(&'a self) -> impl Iterator<Item = &'a Above<'a>> {
        std::iter::successors(Some(self), |above| above.up)
    }
}

struct Walk<'a> {
    source: &'a dyn Source,
    /// The pattern of components.
    everything: &'a PullPattern,
    /// How many maps there may still be.
    left: usize,
}

impl Walk<'_> {
    /// The map of an entity; none if nothing was found.
    fn map(&mut self, at: &Above<'_>) -> Result<Option<Edn>> {
        if at.path().count() > DEPTH_MAX {
            return Err(Error::incorrect("db.error/pull-too-deep", "too deep"));
        }
        self.left = self
            .left
            .checked_sub(1)
            .ok_or_else(|| Error::incorrect("db.error/pull-too-large", "too many maps"))?;
        let mut map = BTreeMap::new();
        let is_id = |spec: &&PullSpec| spec.attr.as_str() == "db/id" && !spec.reverse;
        let id_key = at.pattern.specs.iter().rfind(is_id).map(|spec| spec.key.clone());
        if let Some(key) = id_key.or_else(|| at.pattern.wildcard.then(|| Edn::keyword("db/id"))) {
            map.insert(key, at.e.into());
        }
        if at.pattern.wildcard {
            for attribute in self.source.attributes() {
                let named = |spec: &PullSpec| spec.attr == attribute.ident && !spec.reverse;
                if at.pattern.specs.iter().any(named) {
                    continue;
                }
                if let Some(value) = self.value(at, attribute, None)? {
                    map.insert(attribute.ident.clone().into(), value);
                }
            }
        }
        for (number, spec) in at.pattern.specs.iter().enumerate().filter(|(_, spec)| !is_id(spec)) {
            let attribute = self.source.attribute_named(&spec.attr).filter(|_| at.levels[number] > 0);
            let found = match attribute {
                Some(attribute) => self.value(at, attribute, Some((number, spec)))?,
                None => None,
            };
            if let Some(value) = transformed(spec, found)? {
                map.insert(spec.key.clone(), value);
            }
        }
        Ok((!map.is_empty()).then_some(Edn::Map(map)))
    }

    /// What stands under the key of an attribute; without a spec, what a wildcard puts there.
    fn value(
        &mut self,
        at: &Above<'_>,
        attribute: &Attribute,
        spec: Option<(usize, &PullSpec)>,
    ) -> Result<Option<Edn>> {
        let reverse = spec.is_some_and(|(_, spec)| spec.reverse);
        let many = if reverse { !attribute.component } else { attribute.many };
        let limit = match spec.map_or(PullLimit::Default, |(_, spec)| spec.limit) {
            _ if !many => 1,
            PullLimit::Default => LIMIT_DEFAULT,
            PullLimit::All => usize::MAX,
            PullLimit::Count(count) => count as usize,
        };
        let mut values = self.values(at.e, attribute, reverse)?;
        values.sort();
        values.truncate(limit);
        let mut found = Vec::new();
        for value in values {
            match value {
                Value::Ref(e) => found.extend(self.entity(at, e, attribute, spec)?),
                value => found.push(Edn::from(value)),
            }
        }
        Ok(if many { (!found.is_empty()).then_some(Edn::Vector(found)) } else { found.pop() })
    }

    /// All values, or all who refer to the entity.
    fn values(&self, e: EntityId, attribute: &Attribute, reverse: bool) -> Result<Vec<Value>> {
        let mut values = Vec::new();
        self.source.scan(&Pattern::ALL, &mut |batch| {
            for datom in (0..batch.len).map(|row| batch.datom(row)).filter(|datom| datom.a == attribute.id) {
                if !reverse && datom.e == e {
                    values.push(datom.v);
                } else if reverse && datom.v == Value::Ref(e) {
                    values.push(Value::Ref(datom.e));
                }
            }
            ControlFlow::Continue(())
        })?;
        Ok(values)
    }

    /// An entity that an attribute leads to.
    fn entity(
        &mut self,
        at: &Above<'_>,
        e: EntityId,
        attribute: &Attribute,
        spec: Option<(usize, &PullSpec)>,
    ) -> Result<Option<Edn>> {
        let only_id = Edn::Map([(Edn::keyword("db/id"), e.into())].into());
        let (number, sub) = spec.map_or((0, &PullSub::Default), |(number, spec)| (number, &spec.sub));
        match sub {
            PullSub::Pattern(pattern) => {
                self.map(&Above { e, pattern, levels: &levels(pattern), up: Some(at) })
            }
            PullSub::Levels(_) | PullSub::Unbounded => {
                let met = |above: &Above<'_>| above.e == e && std::ptr::eq(above.pattern, at.pattern);
                if at.path().any(met) {
                    return Ok(Some(only_id));
                }
                let mut levels = at.levels.to_vec();
                if matches!(sub, PullSub::Levels(_)) {
                    levels[number] -= 1;
                }
                self.map(&Above { e, pattern: at.pattern, levels: &levels, up: Some(at) })
            }
            PullSub::Default if attribute.component && !spec.is_some_and(|(_, spec)| spec.reverse) => {
                if at.path().any(|above| above.e == e) {
                    return Ok(Some(only_id));
                }
                self.map(&Above { e, pattern: self.everything, levels: &[], up: Some(at) })
            }
            PullSub::Default => Ok(Some(only_id)),
        }
    }
}

fn transformed(spec: &PullSpec, found: Option<Edn>) -> Result<Option<Edn>> {
    let Some(name) = &spec.xform else { return Ok(found.or_else(|| spec.default.clone())) };
    let function = functions::find(name).ok_or_else(|| functions::unknown(name))?;
    match found {
        Some(found) => function.call(&[found]).map(Some),
        None => {
            let of_nothing = function.call(&[Edn::Nil]).unwrap_or(Edn::Nil);
            Ok(if of_nothing == Edn::Nil { spec.default.clone() } else { Some(of_nothing) })
        }
    }
}
