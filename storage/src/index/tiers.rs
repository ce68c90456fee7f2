//! The tiers of one order after a job: the sealed rows as a new tier, with as many older ones merged in as the rule
//! allows.

use super::merge::{Held, Lane, Merged, merge};
use super::{Work, rule};
use crate::datom::{Order, T};
use crate::error::Result;
use crate::novelty::Layer;
use crate::root::Tier;
use crate::tree::nodes::Nodes;
use crate::tree::{Shape, Tree};

/// The tiers of the next root. Those that are not merged stay, but for facts that are to be removed for ever.
pub(super) fn next(
    work: &mut Work<'_>,
    order: Order,
    tiers: &[Tier],
    sealed: Option<&Layer>,
) -> Result<Vec<Tier>> {
    let sealed = sealed.filter(|layer| layer.open(order).len() + layer.dead(order).len() > 0);
    let merged = match sealed {
        Some(sealed) => rule::how_many(work, order, tiers, sealed)?,
        None => 0,
    };
    let (kept, merged) = tiers.split_at(tiers.len() - merged);
    let mut next = Vec::with_capacity(kept.len() + 1);
    for tier in kept {
        next.extend(without_removed(work, order, tier, next.is_empty())?);
    }
    if let Some(sealed) = sealed {
        next.extend(with_sealed(work, order, merged, sealed, next.is_empty())?);
    }
    Ok(next)
}

fn with_sealed(
    work: &mut Work<'_>,
    order: Order,
    merged: &[Tier],
    sealed: &Layer,
    oldest: bool,
) -> Result<Option<Tier>> {
    let nodes = work.nodes.clone();
    let mut lanes = Vec::with_capacity(2 * merged.len() + 2);
    for (age, tier) in merged.iter().enumerate() {
        lanes.extend(lanes_of(&nodes, tier, age)?);
    }
    for (run, dead) in [(sealed.open(order), false), (sealed.dead(order), true)] {
        lanes.push(Lane::of_run(work.filter.of_run(Held::Sealed(run)), dead, merged.len()));
    }
    let first = merged.first().map_or(sealed.first, |tier| tier.first);
    let trees = merge(work, order, Shape::Open, lanes, oldest)?;
    Ok(tier_of(first, sealed.last, trees))
}

/// A tier without the facts that are to be removed for ever; leaves without such facts stay.
fn without_removed(work: &mut Work<'_>, order: Order, tier: &Tier, oldest: bool) -> Result<Option<Tier>> {
    if work.filter.is_empty() {
        return Ok(Some(tier.clone()));
    }
    let nodes = work.nodes.clone();
    let lanes = lanes_of(&nodes, tier, 0)?;
    let trees = merge(work, order, Shape::Open, lanes, oldest)?;
    Ok(tier_of(tier.first, tier.last, trees))
}

fn lanes_of<'m>(nodes: &'m Nodes, tier: &Tier, age: usize) -> Result<Vec<Lane<'m>>> {
    let trees: [(&Tree, bool); 2] = [(&tier.open, false), (&tier.dead, true)];
    let filled = trees.into_iter().filter(|(tree, _)| tree.rows > 0);
    filled.map(|(tree, dead)| Lane::of_tree(nodes, tree, dead, age)).collect()
}

/// None if nothing is left: empty tiers are not kept.
fn tier_of(first: T, last: T, trees: Merged) -> Option<Tier> {
    let Merged { rows: open, dead } = trees;
    (open.rows + dead.rows > 0).then_some(Tier { first, last, open, dead })
}
