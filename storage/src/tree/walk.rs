//! Along the leaves of a tree inside bounds, by directories alone; and what directories can tell: counts and ranks.
//!
//! Bounds of keys are exact for what a [`Lead`] tells of rows: all rows below the low end lie before the lead, and all
//! not below the high end after it. So a rank is found in the one leaf whose keys an end falls among.

use std::ops::Range;
use std::sync::Arc;

use crate::datom::{Order, Tag, ValueBound, ValueRef};
use crate::error::Result;
use crate::run::{Lead, Run, bisect};
#[cfg(test)]
use crate::tree::Name;
use crate::tree::directory::Directory;
use crate::tree::key::Bounds;
use crate::tree::nodes::Nodes;
use crate::tree::{Entry, Node, Shape, Tree};

/// A leaf met on a walk, not loaded yet.
#[derive(Clone, Debug)]
pub(crate) struct Stop {
    pub(crate) entry: Entry,
    /// Rows of the tree before the leaf: what tests hold counts against.
    #[cfg(test)]
    pub(crate) rank: u64,
    directory: Arc<Directory>,
    child: usize,
    /// Where the next key stands, if it is in another directory.
    next: Option<(Arc<Directory>, usize)>,
}

impl Stop {
    /// All keys of the leaf are not below this.
    pub(crate) fn lower(&self) -> &[u8] {
        self.directory.key(self.child)
    }

    /// All keys of the leaf are below this; none at the end of the tree.
    pub(crate) fn upper(&self) -> Option<&[u8]> {
        match &self.next {
            _ if self.child + 1 < self.directory.len() => Some(self.directory.key(self.child + 1)),
            Some((directory, child)) => Some(directory.key(*child)),
            None => None,
        }
    }
}

/// A walk along the leaves that may have rows inside bounds, in order.
#[derive(Debug)]
pub(crate) struct Walk<'n> {
    nodes: &'n Nodes,
    /// From the top down to the directory whose leaves are walked along.
    path: Vec<Step>,
    high: Option<Vec<u8>>,
}

/// A directory on the path.
#[derive(Debug)]
struct Step {
    directory: Arc<Directory>,
    /// The child to go to next, and the first that is not to be gone to.
    next: usize,
    end: usize,
    /// Rows of the tree before the directory.
    rank: u64,
}

impl<'n> Walk<'n> {
    /// From the first leaf inside the bounds on.
    pub(crate) fn new(nodes: &'n Nodes, tree: &Tree, bounds: &Bounds) -> Result<Walk<'n>> {
        let path = Vec::with_capacity(tree.height.into());
        let mut walk = Walk { nodes, path, high: bounds.high.clone() };
        let (mut node, mut rank) = (tree.node(), 0);
        while let Some(wanted) = node {
            let directory = nodes.directory(&wanted)?;
            let first = directory.child_of(&bounds.low);
            let end = walk.end_in(&directory);
            let goes_down = directory.level > 1 && first < end;
            node = goes_down.then(|| directory.entries[first].node(directory.level - 1));
            let before = rank;
            rank += directory.ranks[first];
            walk.path.push(Step { directory, next: first + usize::from(goes_down), end, rank: before });
        }
        Ok(walk)
    }

    /// The next leaf, or none.
    pub(crate) fn next(&mut self) -> Result<Option<Stop>> {
        while let Some(step) = self.path.last_mut() {
            let (child, level) = (step.next, step.directory.level);
            if child >= step.end {
                self.path.pop();
                continue;
            }
            let (entry, rank) = (step.directory.entries[child], step.rank + step.directory.ranks[child]);
            if level == 1 {
                step.next += 1;
                let directory = Arc::clone(&step.directory);
                let next = if child + 1 < directory.len() { None } else { self.key_after() };
                return Ok(Some(Stop {
                    entry,
                    #[cfg(test)]
                    rank,
                    directory,
                    child,
                    next,
                }));
            }
            let directory = self.nodes.directory(&entry.node(level - 1))?;
            step.next += 1;
            let end = self.end_in(&directory);
            self.path.push(Step { directory, next: 0, end, rank });
        }
        Ok(None)
    }

    /// The number of children of a directory on the way that begin inside the bounds.
    fn end_in(&self, directory: &Directory) -> usize {
        self.high.as_ref().map_or(directory.len(), |high| directory.child_below(high) + 1)
    }

    /// Where the first key after the last directory of the path stands.
    fn key_after(&self) -> Option<(Arc<Directory>, usize)> {
        let (_, above) = self.path.split_last()?;
        let step = above.iter().rev().find(|step| step.next < step.directory.len())?;
        Some((Arc::clone(&step.directory), step.next))
    }
}

impl Tree {
    /// Exactly how many rows a lead leads to: by directories, and a search in the two leaves at the ends.
    pub(crate) fn count(&self, nodes: &Nodes, lead: &Lead<'_>, order: Order, shape: Shape) -> Result<u64> {
        let ranks = self.ranks(nodes, lead, order, shape)?;
        Ok(ranks.end - ranks.start)
    }

    /// The rows' ranks in the tree that a lead leads to: exact.
    pub(crate) fn ranks(
        &self,
        nodes: &Nodes,
        lead: &Lead<'_>,
        order: Order,
        shape: Shape,
    ) -> Result<Range<u64>> {
        let bounds = Bounds::of(lead, order, shape);
        let search = Search { tree: self, nodes, order, shape, exact: has_exact_bounds(lead) };
        let start = if bounds.low.is_empty() {
            0
        } else {
            let found = self.descend(nodes, |directory, _| directory.child_of(&bounds.low))?;
            let Some((entry, rank)) = found else { return Ok(0..0) };
            let run = nodes.leaf(&entry, order, shape)?;
            let rows = run.seek(lead);
            if !rows.is_empty() && rows.end < run.len() {
                // All of them, mostly: where they end, later leaves have none.
                return Ok(rank + rows.start as u64..rank + rows.end as u64);
            }
            search.rank(&run, rank, |run, row| lead.side(run, row).is_lt())?
        };
        let end = match &bounds.high {
            None => self.rows,
            Some(high) => {
                let found = self.descend(nodes, |directory, _| directory.child_below(high))?;
                let Some((entry, rank)) = found else { return Ok(0..0) };
                let run = nodes.leaf(&entry, order, shape)?;
                search.rank(&run, rank, |run, row| lead.side(run, row).is_le())?
            }
        };
        Ok(start..end.max(start))
    }

    /// The leaf that holds the row of a rank, and the row's number in it.
    ///
    /// # Panics
    /// If the tree has no such rank.
    pub(crate) fn at(
        &self,
        nodes: &Nodes,
        rank: u64,
        order: Order,
        shape: Shape,
    ) -> Result<(Arc<Run>, usize)> {
        assert!(rank < self.rows, "rank {rank} of {} rows", self.rows);
        let found = self.descend(nodes, |directory, before| directory.child_at(rank - before))?;
        let (entry, before) = found.expect("a tree with rows has a leaf");
        let run = nodes.leaf(&entry, order, shape)?;
        Ok((run, (rank - before) as usize))
    }

    /// Goes down to one leaf, by what `choose` says of each directory and the rank of its first row. Gives the leaf,
    /// and the rank of its first row.
    fn descend(
        &self,
        nodes: &Nodes,
        choose: impl Fn(&Directory, u64) -> usize,
    ) -> Result<Option<(Entry, u64)>> {
        let Some(mut node) = self.node() else { return Ok(None) };
        let mut rank = 0;
        loop {
            let directory = nodes.directory(&node)?;
            let child = choose(&directory, rank);
            rank += directory.ranks[child];
            let entry = directory.entries[child];
            if directory.level == 1 {
                return Ok(Some((entry, rank)));
            }
            node = entry.node(directory.level - 1);
        }
    }

    /// Visits every node, a directory before its children: by directories alone, so leaves are named and not read.
    /// The visitor gets the node's name, its level (0 for a leaf), and the bytes of its own frame.
    #[cfg(test)]
    pub(crate) fn each_node(
        &self,
        nodes: &Nodes,
        visit: &mut dyn FnMut(Name, u8, u64) -> Result<()>,
    ) -> Result<()> {
        self.each_directory(nodes, &mut |node, directory| {
            visit(node.name, node.level, node.bytes - directory.child_bytes)?;
            if node.level > 1 {
                return Ok(());
            }
            directory.entries.iter().try_for_each(|entry| visit(entry.name, 0, entry.bytes))
        })
    }

    /// Visits every directory, each before those under it.
    pub(crate) fn each_directory(
        &self,
        nodes: &Nodes,
        visit: &mut dyn FnMut(&Node, &Arc<Directory>) -> Result<()>,
    ) -> Result<()> {
        let mut open: Vec<Node> = self.node().into_iter().collect();
        while let Some(node) = open.pop() {
            let directory = nodes.directory(&node)?;
            visit(&node, &directory)?;
            if node.level > 1 {
                open.extend(directory.entries.iter().rev().map(|entry| entry.node(node.level - 1)));
            }
        }
        Ok(())
    }
}

/// False if a range of values ends among values of other types, which are no part of it.
fn has_exact_bounds(lead: &Lead<'_>) -> bool {
    let ends_in = |tag: Tag, end: &Option<(ValueRef<'_>, bool)>| end.is_none_or(|(v, _)| v.tag() == tag);
    match &lead.v {
        ValueBound::Any | ValueBound::Is(_) => true,
        ValueBound::Range(tag, low, high) => ends_in(*tag, low) && ends_in(*tag, high),
    }
}

/// Looks for the first row that is not before something: rows up to some rank are, and none from there on.
struct Search<'s> {
    tree: &'s Tree,
    nodes: &'s Nodes,
    order: Order,
    shape: Shape,
    /// True if a leaf of which all or no rows are before ends the search.
    exact: bool,
}

impl Search<'_> {
    /// Its rank; a leaf that may hold it is known, and the rank of its first row.
    fn rank(&self, leaf: &Run, rank: u64, before: impl Fn(&Run, usize) -> bool) -> Result<u64> {
        let row = bisect(0..leaf.len(), |row| before(leaf, row));
        let here = rank + row as u64;
        let (mut low, mut high) = match row {
            0 if !self.exact => (0, rank),
            row if row == leaf.len() && !self.exact => (here, self.tree.rows),
            _ => (here, here),
        };
        while low < high {
            let middle = low + (high - low) / 2;
            let (run, row) = self.tree.at(self.nodes, middle, self.order, self.shape)?;
            let start = middle - row as u64;
            let row = bisect(0..run.len(), |row| before(&run, row)) as u64;
            (low, high) = match row {
                0 => (low, start),
                _ if row == run.len() as u64 => (start + row, high),
                _ => (start + row, start + row),
            };
        }
        Ok(low)
    }
}
