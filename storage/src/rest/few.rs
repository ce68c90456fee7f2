//! A handful of rows at rest, straight from the leaves they lie in: no page is made for them.

use std::ops::Range;
use std::sync::Arc;

use super::{Inner, When};
use crate::datom::Order;
use crate::error::Result;
use crate::run::lanes::{Lane, Role};
use crate::run::{Lead, Run};
use crate::tree::key::Bounds;
use crate::tree::walk::{Stop, Walk};
use crate::tree::{Shape, Tree};

/// Rows are few if no tree has them in more leaves than this.
const FEW_LEAVES: usize = 2;
/// And if there are at most so many in all.
const FEW_ROWS: usize = if cfg!(test) { 6 } else { 256 };

/// Rows of a leaf.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) run: Arc<Run>,
    pub(crate) rows: Range<usize>,
    pub(crate) role: Role,
    pub(crate) in_time: bool,
}

impl Held {
    pub(crate) fn lane(&self) -> Lane<'_> {
        Lane { run: &self.run, rows: self.rows.clone(), role: self.role, in_time: self.in_time }
    }
}

impl Inner {
    /// The open rows that a lead leads to, and their tombstones, if they are few. As of a moment they are those of now:
    /// rows that closed since are among the closed ones.
    pub(crate) fn few(&self, order: Order, lead: &Lead<'_>, when: &When) -> Result<Option<Vec<Held>>> {
        if lead.endless {
            return Ok(None);
        }
        let bounds = Bounds::of(lead, order, Shape::Open);
        let (mut held, mut rows) = (Vec::new(), 0);
        for tier in &self.root.tiers[order as usize] {
            for (tree, role) in [(&tier.dead, Role::Dead), (&tier.open, Role::Open)] {
                let Some(stops) = self.stops(tree, &bounds)? else { return Ok(None) };
                for stop in stops.into_iter().flatten().filter(|stop| when.meets(&stop.entry.zone)) {
                    let run = self.nodes.leaf(&stop.entry, order, Shape::Open)?;
                    let found = run.seek(lead);
                    rows += found.len();
                    if rows > FEW_ROWS {
                        return Ok(None);
                    }
                    if !found.is_empty() {
                        let in_time = when.covers(&stop.entry.zone);
                        held.push(Held { run, rows: found, role, in_time });
                    }
                }
            }
        }
        Ok(Some(held))
    }

    /// The leaves of a tree inside bounds, if there are few.
    fn stops(&self, tree: &Tree, bounds: &Bounds) -> Result<Option<[Option<Stop>; FEW_LEAVES]>> {
        let mut stops = [const { None }; FEW_LEAVES];
        if tree.top.is_none() {
            return Ok(Some(stops));
        }
        let mut walk = Walk::new(&self.nodes, tree, bounds)?;
        for stop in &mut stops {
            *stop = walk.next()?;
            if stop.is_none() {
                return Ok(Some(stops));
            }
        }
        Ok(walk.next()?.is_none().then_some(stops))
    }
}
