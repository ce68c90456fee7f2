//! What is open at rest, or was at a moment, as sorted pages along the keys.
//!
//! A page is a stretch of keys. It ends where a leaf of the oldest tier does, or before, if there is much in newer tiers
//! or closed rows by then; so where pages lie depends on the trees alone, and scans of different parts share them. A
//! leaf of the oldest tier that nothing touches is a page as it is. Else a page is settled from all that is known of the
//! stretch, and cached under the hash of the names of it all. Leaves of newer tiers are looked into to tell whether they
//! touch a page; of closed rows only the directories are, until a page has to be made.

use std::ops::Range;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_128;

use super::ahead::{Ahead, Mark};
use super::{Inner, Wanted, When, settle};
use crate::datom::{Order, T};
use crate::error::Result;
use crate::run::lanes::{Lane, Role};
use crate::run::{Lead, Run};
use crate::tree::key::Bounds;
use crate::tree::walk::{Stop, Walk};
use crate::tree::{Entry, Name, Shape, Tree, Zone};

/// Rows that are open under a moment, sorted as open rows are.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) run: Arc<Run>,
    rows: Range<usize>,
    in_time: bool,
}

impl Page {
    /// The rows that a lead leads to, as a lane.
    pub(crate) fn lane(&self, lead: &Lead<'_>) -> Lane<'_> {
        let rows = self.rows_of(lead);
        Lane { run: &self.run, rows, role: Role::Open, in_time: self.in_time }
    }

    /// The rows that a lead leads to.
    pub(crate) fn rows_of(&self, lead: &Lead<'_>) -> Range<usize> {
        let rows = self.run.seek(lead);
        rows.start.max(self.rows.start)..rows.end.min(self.rows.end).max(self.rows.start)
    }

    /// True if no row has to be held against the window of time.
    pub(crate) fn in_time(&self) -> bool {
        self.in_time
    }
}

/// The keys of a page: not below `low`, below `high` if there is one.
#[derive(Debug)]
pub(super) struct Stretch {
    pub(super) low: Vec<u8>,
    pub(super) high: Option<Vec<u8>>,
}

impl Stretch {
    fn holds_all_of(&self, stop: &Stop) -> bool {
        let ends_by = |high: &Vec<u8>| stop.upper().is_some_and(|upper| upper <= &high[..]);
        *self.low <= *stop.lower() && self.high.as_ref().is_none_or(ends_by)
    }
}

/// Rows of a newer tier's leaf that lie in a page.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) name: Name,
    pub(super) run: Arc<Run>,
    pub(super) rows: Range<usize>,
    pub(super) role: Role,
}

/// The pages of a stretch of keys, in order.
#[derive(Debug)]
pub(crate) struct Pages<'r> {
    rest: &'r Inner,
    order: Order,
    when: When,
    bounds: Bounds,
    oldest: Walk<'r>,
    /// The leaf of the oldest tier that the next page lies in; none if that tier has no leaf.
    leaf: Option<Stop>,
    /// The last leaf of the oldest tier that was read.
    read: Option<(Name, Arc<Run>)>,
    newer: Vec<Newer<'r>>,
    closed: Vec<Ahead<'r>>,
    /// Where the next page begins; none after the last.
    next: Option<Vec<u8>>,
}

impl Inner {
    /// The pages that may have rows that a lead leads to.
    pub(crate) fn pages(&self, order: Order, lead: &Lead<'_>, when: When) -> Result<Pages<'_>> {
        self.pages_within(order, Bounds::of(lead, order, Shape::Open), when)
    }

    /// The same, from where the rows of another lead begin.
    pub(crate) fn pages_from(
        &self,
        order: Order,
        lead: &Lead<'_>,
        start: &Lead<'_>,
        when: When,
    ) -> Result<Pages<'_>> {
        let low = Bounds::of(start, order, Shape::Open).low;
        self.pages_within(order, Bounds { low, ..Bounds::of(lead, order, Shape::Open) }, when)
    }

    fn pages_within(&self, order: Order, bounds: Bounds, when: When) -> Result<Pages<'_>> {
        let tiers = &self.root.tiers[order as usize];
        let none = Tree::default();
        let mut oldest = Walk::new(&self.nodes, tiers.first().map_or(&none, |tier| &tier.open), &bounds)?;
        let leaf = oldest.next()?;
        let start = leaf.as_ref().map_or_else(Vec::new, |leaf| leaf.lower().to_vec());
        let from_start = Bounds { low: start.clone(), high: None };
        let mut newer = Vec::new();
        for tier in tiers.iter().skip(1) {
            for (tree, role) in [(&tier.open, Role::Open), (&tier.dead, Role::Dead)] {
                if tree.top.is_some() {
                    let ahead = Ahead::open(Walk::new(&self.nodes, tree, &from_start)?);
                    newer.push(Newer { ahead, role, leaf: None });
                }
            }
        }
        let mut closed = Vec::new();
        if let Some(moment) = when.moment {
            let wanted = Wanted { from: (0, moment), to: (moment + 1, T::MAX) };
            let held = |generation: &&crate::root::Generation| wanted.meets_generation(generation);
            for generation in self.root.generations.iter().filter(held) {
                let tree = &generation.closed[order as usize];
                closed.push(Ahead::closed(&self.nodes, tree, &start, order, wanted)?);
            }
        }
        let is_empty = bounds.high.as_ref().is_some_and(|high| *high <= bounds.low);
        let next = (!is_empty).then_some(start);
        Ok(Pages { rest: self, order, when, bounds, oldest, leaf, read: None, newer, closed, next })
    }
}

impl Pages<'_> {
    /// The next page with a row.
    pub(crate) fn next(&mut self) -> Result<Option<Page>> {
        while let Some(stretch) = self.stretch()? {
            let is_before = stretch.high.as_ref().is_some_and(|high| *high <= self.bounds.low);
            if is_before || !self.is_wanted(&stretch) {
                continue;
            }
            if let Some(page) = self.page(&stretch)? {
                return Ok(Some(page));
            }
        }
        Ok(None)
    }

    /// The keys of the next page.
    fn stretch(&mut self) -> Result<Option<Stretch>> {
        let Some(low) = self.next.take() else { return Ok(None) };
        if self.bounds.high.as_ref().is_some_and(|high| *high <= low) {
            return Ok(None);
        }
        if self.leaf.as_ref().is_some_and(|leaf| leaf.upper().is_some_and(|upper| upper <= &low[..])) {
            self.leaf = self.oldest.next()?;
            if self.leaf.is_none() {
                return Ok(None);
            }
        }
        let mut high = self.leaf.as_ref().and_then(|leaf| leaf.upper().map(<[u8]>::to_vec));
        for ahead in self.newer.iter_mut().map(|newer| &mut newer.ahead).chain(&mut self.closed) {
            ahead.leave_below(&low);
            ahead.reach(&low, &mut high)?;
        }
        self.next = high.clone();
        Ok(Some(Stretch { low, high }))
    }

    /// True if there may be a row in the window of time.
    fn is_wanted(&self, stretch: &Stretch) -> bool {
        let newer = self.newer.iter().filter(|newer| newer.role == Role::Open).map(|newer| &newer.ahead);
        let mut others =
            newer.chain(&self.closed).flat_map(|ahead| ahead.marks_below(stretch.high.as_deref()));
        self.leaf.as_ref().is_some_and(|leaf| self.when.meets(&leaf.entry.zone))
            || others.any(|mark| self.when.meets(&mark.stop.entry.zone))
    }

    fn page(&mut self, stretch: &Stretch) -> Result<Option<Page>> {
        let moment = self.when.moment;
        let began = |stop: &Stop| moment.is_none_or(|moment| stop.entry.zone.from.0 <= moment);
        let (mut parts, mut times) = (Vec::new(), None);
        for newer in &mut self.newer {
            newer.touch(self.rest, self.order, stretch, moment, &mut parts, &mut times)?;
        }
        let high = stretch.high.as_deref();
        let closed: Vec<Entry> = self
            .closed
            .iter()
            .flat_map(|ahead| ahead.marks_below(high))
            .map(|mark| mark.stop.entry)
            .collect();
        let leaf = self.leaf.clone().filter(began);
        leaf.iter().map(|leaf| &leaf.entry).chain(&closed).for_each(|entry| widen(&mut times, &entry.zone));
        let Some(times) = times else { return Ok(None) };
        let newest = moment.map_or(times.1, |moment| times.1.min(moment));
        let in_time = self.when.low <= times.0 && newest <= self.when.high;
        if let Some(leaf) = &leaf
            && parts.is_empty()
            && closed.is_empty()
            && newest == times.1
        {
            let run = self.read(leaf)?;
            let rows = if stretch.holds_all_of(leaf) { 0..run.len() } else { settle::rows_in(&run, stretch) };
            return Ok((!rows.is_empty()).then_some(Page { run, rows, in_time }));
        }
        let nodes = &self.rest.nodes;
        let hash = name(self.order, leaf.as_ref(), stretch, moment, &parts, &closed);
        let run = nodes.cache.page(nodes.lineage.origin(), hash, || {
            let oldest = leaf.as_ref().map(|leaf| self.read(leaf)).transpose()?;
            settle::settle(self.rest, self.order, oldest, &parts, &closed, stretch, moment)
        })?;
        let rows = 0..run.len();
        Ok((!rows.is_empty()).then_some(Page { run, rows, in_time }))
    }

    fn read(&mut self, leaf: &Stop) -> Result<Arc<Run>> {
        if let Some((name, run)) = &self.read
            && *name == leaf.entry.name
        {
            return Ok(Arc::clone(run));
        }
        let run = self.rest.nodes.leaf(&leaf.entry, self.order, Shape::Open)?;
        if self.newer.len() + self.closed.len() > 0 {
            self.read = Some((leaf.entry.name, Arc::clone(&run)));
        }
        Ok(run)
    }
}

fn widen(times: &mut Option<(T, T)>, zone: &Zone) {
    let (first, last) = times.unwrap_or(zone.from);
    *times = Some((first.min(zone.from.0), last.max(zone.from.1)));
}

/// The name of a settled page: the hash of all that goes into it.
fn name(
    order: Order,
    leaf: Option<&Stop>,
    stretch: &Stretch,
    moment: Option<T>,
    parts: &[Part],
    closed: &[Entry],
) -> u128 {
    let mut told = Vec::with_capacity(128 + 32 * (parts.len() + closed.len()));
    let mut number = |n: u64| told.extend_from_slice(&n.to_be_bytes());
    number(order as u64);
    number(moment.unwrap_or(T::MAX));
    number(stretch.low.len() as u64);
    number(stretch.high.as_ref().map_or(u64::MAX, |high| high.len() as u64));
    let oldest = leaf.iter().map(|leaf| (0, leaf.entry.name));
    let newer = parts.iter().map(|part| (1 + part.role as u64, part.name));
    let past = closed.iter().map(|entry| (1 + Role::Past as u64, entry.name));
    for (role, Name { epoch, job, ordinal }) in oldest.chain(newer).chain(past) {
        [role, epoch, job, ordinal].into_iter().for_each(&mut number);
    }
    told.extend_from_slice(&stretch.low);
    told.extend_from_slice(stretch.high.as_deref().unwrap_or_default());
    xxh3_128(&told)
}

/// A tree of a newer tier on the way along the pages.
#[derive(Debug)]
struct Newer<'r> {
    ahead: Ahead<'r>,
    role: Role,
    /// The leaf that was looked into last, and its first row that may lie in the next page.
    leaf: Option<(Name, Arc<Run>, usize)>,
}

impl Newer<'_> {
    /// The rows that lie in a page, and the limits of their leaves' opening times.
    fn touch(
        &mut self,
        rest: &Inner,
        order: Order,
        stretch: &Stretch,
        moment: Option<T>,
        parts: &mut Vec<Part>,
        times: &mut Option<(T, T)>,
    ) -> Result<()> {
        for Mark { stop: Stop { entry, .. }, .. } in self.ahead.marks_below(stretch.high.as_deref()) {
            if moment.is_some_and(|moment| entry.zone.from.0 > moment) {
                continue;
            }
            let name = entry.name;
            let (run, at) = match self.leaf.take() {
                Some((read, run, at)) if read == name => (run, at),
                _ => (rest.nodes.leaf(entry, order, Shape::Open)?, 0),
            };
            let start = settle::first_from(&run, at, &stretch.low);
            let end = stretch.high.as_ref().map_or(run.len(), |high| settle::first_from(&run, start, high));
            self.leaf = Some((name, Arc::clone(&run), end));
            if start < end {
                if self.role == Role::Open {
                    widen(times, &entry.zone);
                }
                parts.push(Part { name, run, rows: start..end, role: self.role });
            }
        }
        Ok(())
    }
}
