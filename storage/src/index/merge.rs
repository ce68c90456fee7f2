//! Neighbouring tiers, or generations, as one: a single pass along all of their trees.
//!
//! ```text
//!   lanes, newest first     sealed run   ..x.x....x
//!                           tier 2       [  ][   ][  ]      a leaf is loaded when another lane reaches into it,
//!                           tier 1    [      ][ ][     ]    and handed on as it is when none does
//! ```
//!
//! The lane whose head is lowest goes on, as far as the next lane's head lies: so stretches are copied, not rows. A
//! tombstone that meets its row vanishes with it; another moves on, unless nothing older is left that it could meet.
//! In memory is one leaf a lane at most.

use std::cmp::Ordering;
use std::ops::{Deref, Range};

use super::Work;
use crate::datom::Order;
use crate::error::{Error, Result};
use crate::run::{Columns, Run, gallop};
use crate::tree::builder::Builder;
use crate::tree::key::{self, Bounds};
use crate::tree::nodes::Nodes;
use crate::tree::walk::{Stop, Walk};
use crate::tree::{Shape, Tree};

/// Rows of a lane: of the sealed novelty, or of a leaf.
#[derive(Debug)]
pub(super) enum Held<'m> {
    Sealed(&'m Run),
    Loaded(Run),
}

impl Deref for Held<'_> {
    type Target = Run;

    fn deref(&self) -> &Run {
        match self {
            Held::Sealed(run) => run,
            Held::Loaded(run) => run,
        }
    }
}

/// Where a lane has come to.
#[derive(Debug)]
enum Head<'m> {
    /// A leaf that nobody has looked into yet.
    Leaf(Stop),
    /// The rows that are left of a run.
    Rows(Held<'m>, Range<usize>),
    End,
}

/// One of the sorted sources.
#[derive(Debug)]
pub(super) struct Lane<'m> {
    head: Head<'m>,
    /// Where further leaves come from.
    walk: Option<Walk<'m>>,
    dead: bool,
    /// The lower, the older.
    age: usize,
    /// The tree that it goes along.
    tree: Tree,
}

impl<'m> Lane<'m> {
    /// The rows of a run.
    pub(super) fn of_run(run: Held<'m>, dead: bool, age: usize) -> Lane<'m> {
        let rows = 0..run.len();
        Lane { head: Head::Rows(run, rows), walk: None, dead, age, tree: Tree::default() }
    }

    /// The rows of a tree.
    pub(super) fn of_tree(nodes: &'m Nodes, tree: &Tree, dead: bool, age: usize) -> Result<Lane<'m>> {
        let walk = Walk::new(nodes, tree, &Bounds::all())?;
        let mut lane = Lane { head: Head::End, walk: Some(walk), dead, age, tree: *tree };
        lane.advance()?;
        Ok(lane)
    }

    /// Goes on to the next leaf if there are no rows left.
    fn advance(&mut self) -> Result<()> {
        if let Head::Rows(_, rows) = &self.head
            && !rows.is_empty()
        {
            return Ok(());
        }
        let next = self.walk.as_mut().map_or(Ok(None), |walk| walk.next())?;
        self.head = next.map_or(Head::End, Head::Leaf);
        Ok(())
    }

    /// Goes on with the rows of the leaf it has come to.
    fn go_on_with(&mut self, run: Run) -> Result<()> {
        let rows = 0..run.len();
        self.head = Head::Rows(Held::Loaded(run), rows);
        self.advance()
    }

    fn is_over(&self) -> bool {
        match &self.head {
            Head::Rows(_, rows) => rows.is_empty(),
            Head::Leaf(_) => false,
            Head::End => true,
        }
    }

    /// Compares where two lanes are. A leaf that nobody looked into counts from its lower limit, and before a row
    /// there; of two such leaves the newer comes first, so that the older is rather handed on whole.
    fn compare(&self, other: &Lane<'_>, shape: Shape) -> Ordering {
        match (&self.head, &other.head) {
            (Head::Rows(run, rows), Head::Rows(their_run, their_rows)) => {
                run.compare(rows.start, their_run, their_rows.start)
            }
            (Head::Leaf(leaf), Head::Leaf(theirs)) => {
                leaf.lower().cmp(theirs.lower()).then(other.age.cmp(&self.age))
            }
            (Head::Leaf(leaf), _) => {
                if other.begins_at_or_above(leaf.lower(), shape) {
                    Ordering::Less
                } else {
                    Ordering::Greater
                }
            }
            (_, Head::Leaf(_)) => other.compare(self, shape).reverse(),
            (Head::End, Head::End) => Ordering::Equal,
            (Head::End, _) => Ordering::Greater,
            (_, Head::End) => Ordering::Less,
        }
    }

    /// True if all keys that are left are known not to be below `bound`.
    fn begins_at_or_above(&self, bound: &[u8], shape: Shape) -> bool {
        match &self.head {
            Head::Leaf(leaf) => leaf.lower() >= bound,
            Head::Rows(run, rows) => !is_below(run, rows.start, shape, bound),
            Head::End => true,
        }
    }
}

/// True if the key of a row is below `bound`.
pub(super) fn is_below(run: &Run, row: usize, shape: Shape, bound: &[u8]) -> bool {
    let mut key = Vec::with_capacity(64);
    key::of_row(run, row, shape, &mut key);
    *key < *bound
}

/// The trees that a merge makes.
#[derive(Debug)]
pub(super) struct Merged {
    pub(super) rows: Tree,
    /// Tombstones that met no target.
    pub(super) dead: Tree,
}

/// Merges lanes of one order. `oldest`: nothing older is left, so every tombstone meets its target.
pub(super) fn merge(
    work: &mut Work<'_>,
    order: Order,
    shape: Shape,
    lanes: Vec<Lane<'_>>,
    oldest: bool,
) -> Result<Merged> {
    let builder = || {
        let builder = Builder::new(order, shape, work.leaf_bytes);
        // Old separators may tell of what is removed.
        if work.filter.is_empty() { builder } else { builder.anew() }
    };
    let (mut rows, mut dead) = (builder(), builder());
    for lane in &lanes {
        let builder = if lane.dead { &mut dead } else { &mut rows };
        builder.remember(&work.nodes, &lane.tree)?;
    }
    let mut merge = Merge { work, order, shape, rows, dead, oldest };
    merge.run(lanes)?;
    Ok(Merged {
        rows: merge.rows.finish(&mut merge.work.out)?,
        dead: merge.dead.finish(&mut merge.work.out)?,
    })
}

struct Merge<'w, 'j> {
    work: &'w mut Work<'j>,
    order: Order,
    shape: Shape,
    rows: Builder,
    dead: Builder,
    oldest: bool,
}

impl Merge<'_, '_> {
    fn run<'m>(&mut self, mut lanes: Vec<Lane<'m>>) -> Result<()> {
        // The lane with the lowest head is last.
        lanes.retain(|lane| !lane.is_over());
        lanes.sort_by(|x, y| y.compare(x, self.shape));
        while let Some(mut lane) = lanes.pop() {
            match &lane.head {
                Head::Leaf(_) => self.pass_leaf(&mut lane, &mut lanes)?,
                Head::Rows(..) => self.pass_rows(&mut lane, &mut lanes)?,
                Head::End => {}
            }
            self.put_back(&mut lanes, lane);
        }
        Ok(())
    }

    /// Puts a lane where its head belongs; mostly that is near the end.
    fn put_back<'m>(&self, lanes: &mut Vec<Lane<'m>>, lane: Lane<'m>) {
        if lane.is_over() {
            return;
        }
        let above = |other: &Lane<'_>| other.compare(&lane, self.shape).is_ge();
        let place = lanes.iter().rposition(above).map_or(0, |place| place + 1);
        lanes.insert(place, lane);
    }

    /// Hands a leaf on as it is if no other lane reaches into it. Else one leaf is looked into: this one, or a newer
    /// one that may turn out not to reach.
    fn pass_leaf<'m>(&mut self, lane: &mut Lane<'m>, others: &mut Vec<Lane<'m>>) -> Result<()> {
        let Head::Leaf(leaf) = &lane.head else { return Ok(()) };
        let free = match (others.last(), leaf.upper()) {
            (None, _) => true,
            (Some(next), Some(upper)) => next.begins_at_or_above(upper, self.shape),
            (Some(_), None) => false,
        };
        if free {
            return self.reuse(lane);
        }
        match others.pop() {
            Some(mut next) if matches!(next.head, Head::Leaf(_)) && next.age > lane.age => {
                self.load(&mut next)?;
                self.put_back(others, next);
                Ok(())
            }
            next => {
                others.extend(next);
                self.load(lane)
            }
        }
    }

    /// Hands a leaf on, unless rows of it are to be left out.
    fn reuse(&mut self, lane: &mut Lane<'_>) -> Result<()> {
        let Head::Leaf(leaf) = &lane.head else { return Ok(()) };
        let Work { nodes, out, filter, .. } = &mut *self.work;
        let mut known = None;
        if !filter.is_empty() {
            let run = nodes.leaf_uncached(&leaf.entry, self.order, self.shape)?;
            if let Some(kept) = filter.kept(&run) {
                return lane.go_on_with(kept);
            }
            known = Some(run);
        }
        if lane.dead && self.oldest {
            return self.load(lane);
        }
        let (order, shape) = (self.order, self.shape);
        let mut load = || known.take().map_or_else(|| nodes.leaf_uncached(&leaf.entry, order, shape), Ok);
        let builder = if lane.dead { &mut self.dead } else { &mut self.rows };
        builder.reuse(out, leaf, &mut load)?;
        lane.head = Head::End;
        lane.advance()
    }

    /// Looks into the leaf that a lane has come to.
    fn load(&self, lane: &mut Lane<'_>) -> Result<()> {
        let Head::Leaf(leaf) = &lane.head else { return Ok(()) };
        let mut run = self.work.nodes.leaf_uncached(&leaf.entry, self.order, self.shape)?;
        if let Some(kept) = self.work.filter.kept(&run) {
            run = kept;
        }
        lane.go_on_with(run)
    }

    /// Hands on the rows of a lane below the next lane's head, or meets a tombstone with its row.
    fn pass_rows<'m>(&mut self, lane: &mut Lane<'m>, others: &mut Vec<Lane<'m>>) -> Result<()> {
        let Head::Rows(run, rows) = &mut lane.head else { return Ok(()) };
        let end = match others.last().map(|next| &next.head) {
            None | Some(Head::End) => rows.end,
            Some(Head::Leaf(leaf)) => {
                gallop(rows.clone(), |row| is_below(run, row, self.shape, leaf.lower()))
            }
            Some(Head::Rows(next, theirs)) => run.gallop(rows.clone(), next, theirs.start),
        };
        if end > rows.start {
            let stretch = rows.start..end;
            rows.start = end;
            self.take(run, stretch, lane.dead)?;
        } else if let Some(mut next) = others.pop() {
            self.meet(run, rows, lane.dead, &mut next)?;
            self.put_back(others, next);
        }
        lane.advance()
    }

    /// Two lanes have the same key: a row and its tombstone.
    fn meet(&self, run: &Run, rows: &mut Range<usize>, dead: bool, next: &mut Lane<'_>) -> Result<()> {
        let Head::Rows(_, theirs) = &mut next.head else {
            return Err(self.corrupt(run, rows.start, "its leaf begins below its lower limit"));
        };
        if dead == next.dead {
            let what = if dead { "it was closed twice" } else { "it is there twice" };
            return Err(self.corrupt(run, rows.start, what));
        }
        rows.start += 1;
        theirs.start += 1;
        next.advance()
    }

    fn take(&mut self, run: &Run, rows: Range<usize>, dead: bool) -> Result<()> {
        if dead && self.oldest {
            return Err(self.corrupt(run, rows.start, "it was closed, but is in no older tree"));
        }
        let builder = if dead { &mut self.dead } else { &mut self.rows };
        builder.rows(&mut self.work.out, run, rows)
    }

    fn corrupt(&self, run: &Run, row: usize, what: &str) -> Error {
        let Columns { e, a, from, .. } = &run.rows;
        let place = format!("{:?} trees of database {}", self.order, self.work.database());
        let fact = format!("a fact of entity {}, attribute {}, transaction {}", e[row], a[row], from[row]);
        Error::corrupt(place, format!("{fact}: {what}"))
    }
}
