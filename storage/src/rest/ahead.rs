//! The leaves of a tree that lie ahead on the way along the pages, told from directories alone.
//!
//! The limits of leaves of closed rows are read as limits of open keys: a closed key has the time of closing after the
//! order's second place, so it says of the open key no more than its first two places.

use std::collections::VecDeque;

use super::Wanted;
use crate::datom::{Order, Tag};
use crate::error::Result;
use crate::tree::Tree;
use crate::tree::key::{Bounds, successor};
use crate::tree::nodes::Nodes;
use crate::tree::walk::{Stop, Walk};

/// A page ends where there would be more rows than this from one tree.
const PAGE_ROWS: u64 = if cfg!(test) { 24 } else { 1 << 14 };
/// Or where the frames of those rows would have more bytes, which bounds what the page has.
const PAGE_BYTES: u64 = 1 << 23;

/// A leaf on the way.
#[derive(Debug)]
pub(super) struct Mark {
    pub(super) stop: Stop,
    /// Of closed rows: their order.
    closed: Option<Order>,
}

impl Mark {
    /// The open keys of all rows of the leaf are not below this.
    fn lower(&self) -> &[u8] {
        let lower = self.stop.lower();
        self.closed.map_or(lower, |order| &lower[..two_places(order, lower)])
    }

    /// True if the open keys of all rows of the leaf are below a key.
    fn is_below(&self, key: &[u8]) -> bool {
        let Some(upper) = self.stop.upper() else { return false };
        match self.closed.map(|order| &upper[..two_places(order, upper)]) {
            // The leaf may end inside a group of rows: all of that has to be below.
            Some(group) if group.len() < upper.len() => &key[..group.len().min(key.len())] > group,
            _ => upper <= key,
        }
    }
}

/// A walk with the leaves that were looked at, the first of which may reach below the next page.
#[derive(Debug)]
pub(super) struct Ahead<'r> {
    walk: Walk<'r>,
    marks: VecDeque<Mark>,
    /// Of closed rows: their order, and which are wanted.
    closed: Option<(Order, Wanted)>,
}

impl<'r> Ahead<'r> {
    /// Along open rows or tombstones.
    pub(super) fn open(walk: Walk<'r>) -> Ahead<'r> {
        Ahead { walk, marks: VecDeque::new(), closed: None }
    }

    /// Along the leaves of closed rows that may have wanted ones, from an open key on.
    pub(super) fn closed(
        nodes: &'r Nodes,
        tree: &Tree,
        start: &[u8],
        order: Order,
        wanted: Wanted,
    ) -> Result<Ahead<'r>> {
        let low = start[..two_places(order, start)].to_vec();
        let walk = Walk::new(nodes, tree, &Bounds { low, high: None })?;
        Ok(Ahead { walk, marks: VecDeque::new(), closed: Some((order, wanted)) })
    }

    /// Drops the leaves that lie below a key.
    pub(super) fn leave_below(&mut self, low: &[u8]) {
        while self.marks.front().is_some_and(|mark| mark.is_below(low)) {
            self.marks.pop_front();
        }
    }

    /// Looks as far as a page reaches, which is less far if there is much on the way.
    pub(super) fn reach(&mut self, low: &[u8], high: &mut Option<Vec<u8>>) -> Result<()> {
        let (mut rows, mut bytes) = (0, 0);
        for at in 0.. {
            if at == self.marks.len() && !self.fetch(low)? {
                return Ok(());
            }
            let mark = &self.marks[at];
            let lower = mark.lower();
            if high.as_ref().is_some_and(|high| lower >= &high[..]) {
                return Ok(());
            }
            rows += mark.stop.entry.rows;
            bytes += mark.stop.entry.bytes;
            if (rows > PAGE_ROWS || bytes > PAGE_BYTES) && lower > low {
                *high = Some(lower.to_vec());
                return Ok(());
            }
        }
        Ok(())
    }

    /// The leaves looked at that may have rows below a key.
    pub(super) fn marks_below<'s>(&'s self, high: Option<&'s [u8]>) -> impl Iterator<Item = &'s Mark> {
        self.marks.iter().take_while(move |mark| high.is_none_or(|high| mark.lower() < high))
    }

    /// Looks at one more leaf that is not all below a key; false if there is none.
    fn fetch(&mut self, low: &[u8]) -> Result<bool> {
        while let Some(stop) = self.walk.next()? {
            let is_wanted = |(_, wanted): &(Order, Wanted)| wanted.meets(&stop.entry.zone);
            if !self.closed.as_ref().is_none_or(is_wanted) {
                continue;
            }
            let mark = Mark { stop, closed: self.closed.map(|(order, _)| order) };
            if !mark.is_below(low) {
                self.marks.push_back(mark);
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// A key that is above all rows of the group a key lies in, open or closed; the key itself if it lies in none.
pub(super) fn past_group(order: Order, mut key: Vec<u8>) -> Option<Vec<u8>> {
    let places = two_places(order, &key);
    if places == key.len() {
        return Some(key);
    }
    key.truncate(places);
    successor(key)
}

/// How much of a key, or of the beginning of one, its order's first two places take.
pub(super) fn two_places(order: Order, key: &[u8]) -> usize {
    let places = match order {
        Order::Eavt | Order::Aevt => 12,
        Order::Avet => 4 + key.get(4..).map_or(0, value_bytes),
    };
    places.min(key.len())
}

/// How many bytes a value takes that a key goes on with; no less than all if it is cut short.
fn value_bytes(key: &[u8]) -> usize {
    let Some(tag) = key.first() else { return 0 };
    if Tag::from_number(*tag).is_none_or(Tag::is_fixed) {
        return 1 + 8;
    }
    let mut at = 1;
    loop {
        match key.get(at..) {
            None | Some([]) => return key.len(),
            Some([0, 0xff, ..]) => at += 2,
            Some([0, ..]) => return at + 2,
            Some(_) => at += 1,
        }
    }
}
