//! Finding the rows of a run that begin with known parts.

use std::cmp::Ordering;
use std::ops::Range;

use super::{Run, bisect, gallop};
use crate::datom::{Order, ValueBound, ValueRef};

/// The parts of an order that are known from its first place on. What follows the first unknown place is not looked
/// at, and neither is what follows a range of values.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lead<'a> {
    /// The entity.
    pub(crate) e: Option<u64>,
    /// The attribute.
    pub(crate) a: Option<u32>,
    /// The value.
    pub(crate) v: ValueBound<'a>,
    /// True if all that follows is wanted too.
    pub(crate) endless: bool,
}

impl Lead<'_> {
    /// Where a row lies: before what is wanted (less), in it (equal), or after it.
    ///
    /// A closed run is sorted by `to` after its second place, so the third is not compared there.
    pub(crate) fn side(&self, run: &Run, row: usize) -> Ordering {
        self.side_by(run, row, !run.is_closed())
    }

    /// True if a row of an endless lead lies before its start: closed rows are found by their first two places only.
    pub(crate) fn is_before_start(&self, run: &Run, row: usize) -> bool {
        self.endless && self.side_by(run, row, true).is_lt()
    }

    /// Where a row lies that is in no run: all three places of the order count.
    pub(crate) fn side_of(&self, order: Order, e: u64, a: u32, v: ValueRef<'_>) -> Ordering {
        let e = || self.e.map(|own| e.cmp(&own));
        let a = || self.a.map(|own| a.cmp(&own));
        let v = || side_of_bound(&self.v, v);
        let last = |side: Option<Ordering>| side.unwrap_or(Ordering::Equal);
        match order {
            Order::Eavt => then(e(), || then(a(), || last(v()))),
            Order::Aevt => then(a(), || then(e(), || last(v()))),
            Order::Avet => then(a(), || then(v(), || last(e()))),
        }
    }

    fn side_by(&self, run: &Run, row: usize, third_too: bool) -> Ordering {
        let e = || self.e.map(|e| run.rows.e[row].cmp(&e));
        let a = || self.a.map(|a| run.rows.a[row].cmp(&a));
        let v = || side_of_value(&self.v, run, row);
        let last = |third: &dyn Fn() -> Option<Ordering>| {
            if third_too { third().unwrap_or(Ordering::Equal) } else { Ordering::Equal }
        };
        match run.order {
            Order::Eavt => then(e(), || then(a(), || last(&v))),
            Order::Aevt => then(a(), || then(e(), || last(&v))),
            Order::Avet => then(a(), || then(v(), || last(&e))),
        }
    }
}

/// The place decides, or is unknown and ends the comparison, or leaves it to the next.
fn then(place: Option<Ordering>, next: impl FnOnce() -> Ordering) -> Ordering {
    match place {
        None => Ordering::Equal,
        Some(Ordering::Equal) => next(),
        Some(side) => side,
    }
}

/// `None` if the value is free, or free inside a range: what follows it is then in no order of its own.
fn side_of_value(bound: &ValueBound<'_>, run: &Run, row: usize) -> Option<Ordering> {
    match bound {
        ValueBound::Any => None,
        ValueBound::Is(ValueRef::Fixed(tag, word)) => {
            Some(run.rows.tag[row].cmp(tag).then_with(|| run.rows.word[row].cmp(word)))
        }
        _ => side_of_bound(bound, run.value(row)),
    }
}

/// The same of a value.
fn side_of_bound(bound: &ValueBound<'_>, v: ValueRef<'_>) -> Option<Ordering> {
    match bound {
        ValueBound::Any => None,
        ValueBound::Is(want) => Some(v.compare(*want)),
        ValueBound::Range(tag, low, high) => {
            let beyond = |end: &Option<(ValueRef<'_>, bool)>, outside: Ordering| {
                end.is_some_and(|(end, inclusive)| {
                    let side = v.compare(end);
                    side == outside || (!inclusive && side.is_eq())
                })
            };
            match v.tag().cmp(tag) {
                Ordering::Equal if beyond(low, Ordering::Less) => Some(Ordering::Less),
                Ordering::Equal if beyond(high, Ordering::Greater) => Some(Ordering::Greater),
                Ordering::Equal => None,
                side => Some(side),
            }
        }
    }
}

/// Every so many rows, a run keeps what its rows are sorted by beside the attribute, close together: a search then
/// touches a few lines of memory instead of one a step.
const FENCE: usize = 32;

/// What every [`FENCE`]th row is sorted by: the entity, or in AVET the [`head`] of what values of the attribute do not
/// have in common.
pub(crate) fn fence(run: &Run) -> Vec<u64> {
    if run.len() < 2 * FENCE {
        return Vec::new();
    }
    if run.order != Order::Avet {
        return run.rows.e.iter().step_by(FENCE).copied().collect();
    }
    let mut fence = Vec::with_capacity(run.len().div_ceil(FENCE));
    for rows in run.attribute_ranges() {
        let shared = shared_prefix(run, &rows).len();
        let posts = rows.start.div_ceil(FENCE)..rows.end.div_ceil(FENCE);
        fence.extend(posts.map(|post| head(run.value(post * FENCE), shared)));
    }
    fence
}

/// What the values of an attribute all begin with, as far as they are of one variable type.
fn shared_prefix<'r>(run: &'r Run, rows: &Range<usize>) -> &'r [u8] {
    match (run.value(rows.start), run.value(rows.end - 1)) {
        (ValueRef::Variable(tag, first), ValueRef::Variable(other, last)) if tag == other => {
            // Sorted: what the first and the last share, all between share.
            &first[..first.iter().zip(last).take_while(|(x, y)| x == y).count()]
        }
        _ => &[],
    }
}

/// A word that sorts as values of one type do that share their first bytes: all of a fixed value, the next eight bytes
/// of another.
pub(crate) fn head(v: ValueRef<'_>, shared: usize) -> u64 {
    match v {
        ValueRef::Fixed(_, word) => word as u64 ^ 1 << 63,
        ValueRef::Variable(_, code) => {
            let code = &code[shared..];
            let mut first = [0; 8];
            let known = code.len().min(8);
            first[..known].copy_from_slice(&code[..known]);
            u64::from_be_bytes(first)
        }
    }
}

impl Run {
    /// The rows that begin with the known parts.
    pub(crate) fn seek(&self, lead: &Lead<'_>) -> Range<usize> {
        if lead.endless {
            return bisect(0..self.len(), |row| lead.side(self, row).is_lt())..self.len();
        }
        let within = match (self.order, lead.a) {
            (Order::Aevt | Order::Avet, Some(a)) => self.attribute(a),
            _ => 0..self.len(),
        };
        let near = match (self.order, lead.e) {
            _ if within.is_empty() => return within,
            (Order::Eavt, Some(e)) => self.first_entity(within.clone(), e),
            (Order::Eavt, None) => return within,
            (Order::Aevt | Order::Avet, _) if lead.a.is_none() => return within,
            (Order::Aevt, Some(e)) => self.first_entity(within.clone(), e),
            (Order::Aevt, None) => return within,
            (Order::Avet, _) => match lead.v {
                ValueBound::Any => return within,
                ValueBound::Is(v) | ValueBound::Range(_, Some((v, _)), _) => {
                    self.first_value(within.clone(), v)
                }
                ValueBound::Range(_, None, _) => within.start,
            },
        };
        let start = gallop(near..within.end, |row| lead.side(self, row).is_lt());
        start..gallop(start..within.end, |row| lead.side(self, row).is_eq())
    }

    /// The first row of an entity or a later one, in rows that are sorted by entity.
    fn first_entity(&self, within: Range<usize>, e: u64) -> usize {
        let rows = self.between_fences(within, e);
        rows.start + self.rows.e[rows].partition_point(|other| *other < e)
    }

    /// A row before which there are only lesser values, in the rows of one attribute.
    fn first_value(&self, within: Range<usize>, v: ValueRef<'_>) -> usize {
        let tags = &self.rows.tag;
        if tags[within.start] != v.tag() || tags[within.end - 1] != v.tag() {
            return bisect(within, |row| self.value(row).compare(v).is_lt());
        }
        let shared = shared_prefix(self, &within);
        if let ValueRef::Variable(_, code) = v {
            match code[..shared.len().min(code.len())].cmp(shared) {
                Ordering::Less => return within.start,
                Ordering::Greater => return within.end,
                Ordering::Equal => {}
            }
        }
        let rows = self.between_fences(within, head(v, shared.len()));
        match v {
            ValueRef::Fixed(_, word) => {
                rows.start + self.rows.word[rows].partition_point(|other| *other < word)
            }
            ValueRef::Variable(..) => bisect(rows, |row| self.value(row).compare(v).is_lt()),
        }
    }

    /// The rows among which is the first whose fence word would not be below `wanted`, or which end where it is.
    fn between_fences(&self, within: Range<usize>, wanted: u64) -> Range<usize> {
        let Range { start, end } = within;
        let posts = start.div_ceil(FENCE)..end.div_ceil(FENCE);
        let Some(fence) = self.fence.get(posts.clone()) else { return start..end };
        let post = posts.start + fence.partition_point(|word| *word < wanted);
        start.max(post.saturating_sub(1) * FENCE)..end.min(post * FENCE)
    }
}
