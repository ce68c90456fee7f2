//! How many of the newest tiers a job merges: as many as the bound on rewriting allows.
//!
//! ```text
//!   tiers      oldest [ .............. ][ ...... ][ .. ] + sealed        set = sealed, then with each tier merged in
//!   merge the next older one while   (rows of it in leaves the set touches + rows of the set) <= W * rows of the set
//! ```
//!
//! The rows are counted exactly before anything is written, from directories; a leaf of the set is read only if its
//! limits leave open whether it touches. Counting ends as soon as the bound is passed, so its cost is within the bound
//! too.

use super::Work;
use super::merge::is_below;
use crate::datom::Order;
use crate::error::Result;
use crate::novelty::Layer;
use crate::root::Tier;
use crate::run::{Run, gallop};
use crate::tree::Shape;
use crate::tree::key::Bounds;
use crate::tree::nodes::Nodes;
use crate::tree::walk::{Stop, Walk};

/// How many of the newest tiers become one with the sealed rows.
pub(super) fn how_many(work: &Work<'_>, order: Order, tiers: &[Tier], sealed: &Layer) -> Result<usize> {
    let mut rows = (sealed.open(order).len() + sealed.dead(order).len()) as u64;
    let most_tiers = work.settings.most_tiers.max(1);
    for (place, older) in tiers.iter().enumerate().rev() {
        let set = &tiers[place + 1..];
        let must = place + 2 > most_tiers;
        let allowed = work.settings.rewrite_bound.saturating_mul(rows).saturating_sub(rows);
        if !must && touched(work, order, older, set, sealed, allowed)? > allowed {
            return Ok(set.len());
        }
        rows += older.open.rows + older.dead.rows;
    }
    Ok(tiers.len())
}

/// The rows of a tier in leaves that keys of the set touch; where they are more than `most`, some number above it.
fn touched(
    work: &Work<'_>,
    order: Order,
    tier: &Tier,
    set: &[Tier],
    sealed: &Layer,
    most: u64,
) -> Result<u64> {
    let mut rows = 0;
    for tree in [&tier.open, &tier.dead] {
        let mut keys = Keys::of_set(work, order, set, sealed)?;
        let mut walk = Walk::new(&work.nodes, tree, &Bounds::all())?;
        while rows <= most
            && let Some(leaf) = walk.next()?
        {
            if keys.touch(&leaf)? {
                rows += leaf.entry.rows;
            }
        }
    }
    Ok(rows)
}

/// The keys of a set, looked through once from the lowest on.
struct Keys<'m> {
    order: Order,
    nodes: &'m Nodes,
    /// Runs in memory, and the first row of each that was not passed yet.
    runs: Vec<(&'m Run, usize)>,
    trees: Vec<Leaves<'m>>,
}

/// The keys of a tree.
struct Leaves<'m> {
    walk: Walk<'m>,
    leaf: Option<Stop>,
    /// The leaf's rows if they had to be looked at, and the first that was not passed yet.
    loaded: Option<(Run, usize)>,
}

impl<'m> Keys<'m> {
    fn of_set(work: &'m Work<'_>, order: Order, set: &[Tier], sealed: &'m Layer) -> Result<Keys<'m>> {
        let nodes = &work.nodes;
        let runs = vec![(sealed.open(order), 0), (sealed.dead(order), 0)];
        let mut trees = Vec::new();
        for tree in set.iter().flat_map(|tier| [&tier.open, &tier.dead]).filter(|tree| tree.rows > 0) {
            let mut walk = Walk::new(nodes, tree, &Bounds::all())?;
            let leaf = walk.next()?;
            trees.push(Leaves { walk, leaf, loaded: None });
        }
        Ok(Keys { order, nodes, runs, trees })
    }

    /// True if there is a key inside the limits of a leaf, which lies above all leaves asked about before.
    fn touch(&mut self, leaf: &Stop) -> Result<bool> {
        if self.runs.iter_mut().any(|(run, row)| has_key(run, row, leaf.lower(), leaf.upper())) {
            return Ok(true);
        }
        for tree in &mut self.trees {
            if tree.touch(self.nodes, self.order, leaf)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Leaves<'_> {
    fn touch(&mut self, nodes: &Nodes, order: Order, other: &Stop) -> Result<bool> {
        let (lower, upper) = (other.lower(), other.upper());
        while let Some(leaf) = &self.leaf {
            if upper.is_some_and(|upper| leaf.lower() >= upper) {
                return Ok(false);
            }
            let ends_below = leaf.upper().is_some_and(|end| end <= lower);
            let ends_inside = upper.is_none_or(|upper| leaf.upper().is_some_and(|end| end <= upper));
            if !ends_below {
                if leaf.lower() >= lower && ends_inside {
                    return Ok(true);
                }
                if self.loaded.is_none() {
                    self.loaded = Some((nodes.leaf_uncached(&leaf.entry, order, Shape::Open)?, 0));
                }
                if let Some((run, row)) = &mut self.loaded {
                    let found = has_key(run, row, lower, upper);
                    if found || *row < run.len() {
                        return Ok(found);
                    }
                }
            }
            (self.leaf, self.loaded) = (self.walk.next()?, None);
        }
        Ok(false)
    }
}

/// Goes on to the first row that is not below `lower`; true if it is below `upper`.
fn has_key(run: &Run, row: &mut usize, lower: &[u8], upper: Option<&[u8]>) -> bool {
    *row = gallop(*row..run.len(), |row| is_below(run, row, Shape::Open, lower));
    *row < run.len() && upper.is_none_or(|upper| is_below(run, *row, Shape::Open, upper))
}
