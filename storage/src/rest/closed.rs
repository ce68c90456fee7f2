//! The closed rows at rest that a lead leads to, leaf by leaf; leaves without a wanted row are not read.

use std::sync::Arc;

use super::Inner;
use crate::datom::{Order, T};
use crate::error::Result;
use crate::root::Generation;
use crate::run::{Lead, Run};
use crate::tree::key::Bounds;
use crate::tree::nodes::Nodes;
use crate::tree::walk::Walk;
use crate::tree::{Shape, Zone};

/// Which closed rows are wanted, by limits that each wanted row keeps: the first and the last time of both ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) from: (T, T),
    pub(crate) to: (T, T),
}

impl Wanted {
    pub(super) fn meets(&self, zone: &Zone) -> bool {
        let meets = |of: (T, T), wanted: (T, T)| of.0 <= wanted.1 && of.1 >= wanted.0;
        meets(zone.from, self.from) && meets(zone.to, self.to)
    }

    pub(super) fn meets_generation(&self, generation: &Generation) -> bool {
        generation.last >= self.to.0 && generation.first <= self.to.1 && generation.first_from <= self.from.1
    }
}

/// The leaves of one generation in order.
#[derive(Debug)]
pub(crate) struct ClosedLeaves<'r> {
    nodes: &'r Nodes,
    order: Order,
    walk: Walk<'r>,
    wanted: Wanted,
}

impl ClosedLeaves<'_> {
    /// The next leaf that may have a wanted row.
    pub(crate) fn next(&mut self) -> Result<Option<Arc<Run>>> {
        while let Some(stop) = self.walk.next()? {
            if self.wanted.meets(&stop.entry.zone) {
                return self.nodes.leaf(&stop.entry, self.order, Shape::Closed).map(Some);
            }
        }
        Ok(None)
    }
}

impl Inner {
    /// The leaves with closed rows that a lead leads to, of each generation that may have wanted ones. If the lead
    /// names one group of rows, which is sorted by `to`, it is entered where wanted rows begin.
    pub(crate) fn closed(
        &self,
        order: Order,
        lead: &Lead<'_>,
        is_group: bool,
        wanted: Wanted,
    ) -> Result<Vec<ClosedLeaves<'_>>> {
        let mut bounds = Bounds::of(lead, order, Shape::Closed);
        if is_group {
            bounds.low.extend_from_slice(&wanted.to.0.to_be_bytes());
        }
        let shown = self.root.generations.iter().filter(|generation| wanted.meets_generation(generation));
        let leaves = |generation: &Generation| {
            let walk = Walk::new(&self.nodes, &generation.closed[order as usize], &bounds)?;
            Ok(ClosedLeaves { nodes: &self.nodes, order, walk, wanted })
        };
        shown.map(leaves).collect()
    }
}
