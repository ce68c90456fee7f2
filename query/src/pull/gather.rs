//! From nodes to maps, the last node first, so that every map is there when the one it hangs from is made.

use std::collections::BTreeMap;

use crate::edn::Edn;
use crate::error::Result;

use super::grow::{Field, Found, Node, Part};

/// The map of the first node, with all others in their places; nil if nothing was found for it.
pub(super) fn gather(mut nodes: Vec<Node<'_>>) -> Result<Edn> {
    let mut maps: Vec<Edn> = vec![Edn::Nil; nodes.len()];
    for at in (0..nodes.len()).rev() {
        let mut map = BTreeMap::new();
        for field in std::mem::take(&mut nodes[at].fields) {
            let key = field.key.clone();
            if let Some(value) = value(field, &mut maps)? {
                map.insert(key, value);
            }
        }
        maps[at] = Edn::Map(map);
    }
    Ok(taken(Part::Node(0), &mut maps).unwrap_or(Edn::Nil))
}

/// What stands under a key, if anything does.
fn value(field: Field<'_>, maps: &mut [Edn]) -> Result<Option<Edn>> {
    let found = match field.found {
        None => None,
        Some(Found::One(part)) => taken(part, maps),
        Some(Found::Many(parts)) => {
            let taken: Vec<Edn> = parts.into_iter().filter_map(|part| taken(part, maps)).collect();
            (!taken.is_empty()).then_some(Edn::Vector(taken))
        }
    };
    let default = || field.default.cloned();
    match (field.xform, found) {
        (None, found) => Ok(found.or_else(default)),
        (Some(xform), Some(value)) => xform.call(&[value]).map(Some),
        // A function that makes nothing of nil leaves the default; one that refuses nil does too.
        (Some(xform), None) => {
            Ok(xform.call(&[Edn::Nil]).ok().filter(|made| made != &Edn::Nil).or_else(default))
        }
    }
}

/// A value, or a node's map unless nothing was found for it.
fn taken(part: Part, maps: &mut [Edn]) -> Option<Edn> {
    match part {
        Part::Value(edn) => Some(edn),
        Part::Node(at) => match std::mem::replace(&mut maps[at], Edn::Nil) {
            Edn::Map(map) if map.is_empty() => None,
            map => Some(map),
        },
    }
}
