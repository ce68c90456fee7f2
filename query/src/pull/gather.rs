//! From nodes to maps, the last node first, so that every map is there when those it hangs from are made.

use std::collections::BTreeMap;

use crate::edn::Edn;
use crate::error::{Error, Result};

use super::grow::{Grown, Node, Part};
use super::prepare::{Prepared, Spec};

/// The map of each entity, with all others in their places; nil if nothing was found for it.
pub(super) fn gather(prepared: &Prepared<'_>, grown: Grown, most: usize) -> Result<Vec<Edn>> {
    let Grown { mut nodes, roots } = grown;
    refuse_large(&nodes, &roots, most)?;
    let mut maps = Maps(nodes.iter().map(|node| (node.uses, Edn::Nil)).collect());
    for at in (0..nodes.len()).rev() {
        let node = &mut nodes[at];
        let pattern = prepared.get(node.pattern);
        let mut pairs = Vec::with_capacity(node.wild.len() + node.found.len() + 1);
        pairs.extend(pattern.id_key.clone().map(|key| (key, node.e.into())));
        for (key, part) in std::mem::take(&mut node.wild) {
            pairs.extend(maps.take(part).map(|value| (key, value)));
        }
        for (spec, part) in pattern.specs.iter().zip(std::mem::take(&mut node.found)) {
            let found = part.and_then(|part| maps.take(part));
            pairs.extend(finished(spec, found)?.map(|value| (spec.key.clone(), value)));
        }
        maps.0[at].1 = Edn::Map(pairs.into_iter().collect::<BTreeMap<_, _>>());
    }
    Ok(roots.into_iter().map(|root| maps.take(Part::Node(root)).unwrap_or(Edn::Nil)).collect())
}

/// A result in which shared nodes stand again and again can be far larger than its nodes.
fn refuse_large(nodes: &[Node], roots: &[usize], most: usize) -> Result<()> {
    if nodes.len() <= most && nodes.iter().all(|node| node.uses <= 1) {
        return Ok(());
    }
    let mut sizes = vec![1u64; nodes.len()];
    for at in (0..nodes.len()).rev() {
        let wild = nodes[at].wild.iter().map(|(_, part)| part);
        let parts = wild.chain(nodes[at].found.iter().flatten());
        sizes[at] = parts.map(|part| size(part, &sizes)).fold(1, u64::saturating_add);
    }
    if roots.iter().all(|root| sizes[*root] <= most as u64) { Ok(()) } else { Err(too_large(most)) }
}

fn size(part: &Part, sizes: &[u64]) -> u64 {
    match part {
        Part::Value(_) => 0,
        Part::Node(at) => sizes[*at],
        Part::Many(parts) => parts.iter().map(|part| size(part, sizes)).fold(0, u64::saturating_add),
    }
}

/// The error for a result with too many maps.
pub(super) fn too_large(most: usize) -> Error {
    let message = format!("the result for one entity has more than {most} maps");
    Error::incorrect("db.error/pull-too-large", message).hint("limit the attributes with many values")
}

/// What stands under a spec's key, if anything does.
fn finished(spec: &Spec<'_>, found: Option<Edn>) -> Result<Option<Edn>> {
    let default = || spec.default.clone();
    match (&spec.xform, found) {
        (None, found) => Ok(found.or_else(default)),
        (Some(xform), Some(value)) => xform.call(&[value]).map(Some),
        // A function that makes nothing of nil leaves the default; one that refuses nil does too.
        (Some(xform), None) => {
            Ok(xform.call(&[Edn::Nil]).ok().filter(|made| made != &Edn::Nil).or_else(default))
        }
    }
}

/// The maps made so far, each with the number of places it is still to stand in.
struct Maps(Vec<(usize, Edn)>);

impl Maps {
    /// What a part stands for, unless it is a map in which nothing was found, or a collection of such.
    fn take(&mut self, part: Part) -> Option<Edn> {
        match part {
            Part::Value(edn) => Some(edn),
            Part::Node(at) => self.map(at),
            Part::Many(parts) => {
                let taken: Vec<Edn> = parts.into_iter().filter_map(|part| self.take(part)).collect();
                (!taken.is_empty()).then_some(Edn::Vector(taken))
            }
        }
    }

    fn map(&mut self, at: usize) -> Option<Edn> {
        let (left, map) = &mut self.0[at];
        *left -= 1;
        match map {
            Edn::Map(pairs) if pairs.is_empty() => None,
            map if *left == 0 => Some(std::mem::replace(map, Edn::Nil)),
            map => Some(map.clone()),
        }
    }
}
