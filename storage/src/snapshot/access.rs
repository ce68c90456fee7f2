//! Which order answers a pattern, and what it leaves to be looked at row by row.

use super::emit::Flow;
use super::era::Era;
use crate::datom::order::AVET_MAX_BYTES;
use crate::datom::{Order, Pattern, Tag, ValueBound, ValueRef};
use crate::run::{Lead, Run};

/// A way to the facts of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    /// The rows of this order that begin with the known parts.
    Seek(Order),
    /// AVET of one attribute, and AEVT for the values too long for AVET.
    Value,
    /// The same for each attribute there is.
    ValueOfAny,
}

/// The table of access paths.
fn access(pattern: &Pattern<'_>) -> Access {
    match (pattern.e.is_some(), pattern.a.is_some(), pattern.v != ValueBound::Any) {
        (true, true, true) => Access::Seek(Order::Eavt), // e a v   one fact
        (true, true, false) => Access::Seek(Order::Eavt), // e a .   the values of an attribute
        (true, false, true) => Access::Seek(Order::Eavt), // e . v   by which attributes; few rows
        (true, false, false) => Access::Seek(Order::Eavt), // e . .   all about an entity
        (false, true, true) => Access::Value,            // . a v   who has this value
        (false, true, false) => Access::Seek(Order::Aevt), // . a .   a column
        (false, false, true) => Access::ValueOfAny,      // . . v   all references to an entity
        (false, false, false) => Access::Seek(Order::Eavt), // . . .   everything
    }
}

/// Parts of a pattern that an order does not settle: each row is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Sieve<'p> {
    e: Option<u64>,
    a: Option<u32>,
    v: ValueBound<'p>,
    /// Only values too long for AVET.
    long: bool,
}

impl Sieve<'_> {
    /// True if every row passes.
    pub(super) fn is_open(&self) -> bool {
        *self == Sieve::default()
    }

    /// True if a row passes.
    pub(super) fn admits(&self, run: &Run, row: usize) -> bool {
        self.e.is_none_or(|e| run.rows.e[row] == e)
            && self.a.is_none_or(|a| run.rows.a[row] == a)
            && (!self.long || is_long(run.value(row)))
            && (self.v == ValueBound::Any || self.v.admits(run.value(row)))
    }
}

fn is_long(v: ValueRef<'_>) -> bool {
    matches!(v, ValueRef::Variable(_, code) if code.len() > AVET_MAX_BYTES)
}

/// One order with the rows in it to look at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Path<'p> {
    pub(super) order: Order,
    pub(super) lead: Lead<'p>,
    /// What the lead leaves open in open rows.
    pub(super) open: Sieve<'p>,
    /// What the lead leaves open in closed rows, which are sorted by two places only.
    pub(super) closed: Sieve<'p>,
}

impl<'p> Path<'p> {
    /// The facts of a pattern by way of an order.
    pub(super) fn new(order: Order, pattern: &Pattern<'p>) -> Path<'p> {
        let lead =
            Lead { e: pattern.e.map(|e| e.0), a: pattern.a.map(|a| a.0), v: pattern.v, endless: false };
        Path { order, lead, open: left_open(order, &lead, 3), closed: left_open(order, &lead, 2) }
    }

    /// All facts from those of a pattern on.
    pub(super) fn from(order: Order, start: &Pattern<'p>) -> Path<'p> {
        let mut path = Path::new(order, start);
        path.lead.endless = true;
        Path { open: Sieve::default(), closed: Sieve::default(), ..path }
    }

    /// Only the values of a pattern that are too long for AVET.
    fn long(pattern: &Pattern<'p>) -> Path<'p> {
        let mut path = Path::new(Order::Aevt, pattern);
        (path.open.long, path.closed.long) = (true, true);
        path
    }

    /// True if the lead names one group of closed rows, which is sorted by `to`.
    pub(super) fn is_group(&self) -> bool {
        let value = matches!(self.lead.v, ValueBound::Is(_));
        let second = if self.order == Order::Avet { value } else { self.lead.e.is_some() };
        self.lead.a.is_some() && second && !self.lead.endless
    }
}

/// What the first `places` of an order do not settle.
fn left_open<'p>(order: Order, lead: &Lead<'p>, places: usize) -> Sieve<'p> {
    let (e, a, v) = (lead.e.is_some(), lead.a.is_some(), lead.v != ValueBound::Any);
    let exact = matches!(lead.v, ValueBound::Is(_));
    let all = places == 3;
    // Whether e, a, v are settled, if known.
    let (by_e, by_a, by_v) = match order {
        Order::Eavt => (true, e, e && a && all),
        Order::Aevt => (a, true, a && e && all),
        Order::Avet => (a && exact && all, true, a),
    };
    Sieve {
        e: lead.e.filter(|_| !by_e),
        a: lead.a.filter(|_| !by_a),
        v: if v && !by_v { lead.v } else { ValueBound::Any },
        long: false,
    }
}

/// Calls `visit` with every path that leads to facts of the pattern; no fact is on two of them.
pub(super) fn each_path<'p>(
    era: &Era<'_>,
    pattern: &Pattern<'p>,
    visit: &mut dyn FnMut(&Path<'p>) -> Flow,
) -> Flow {
    match access(pattern) {
        Access::Seek(order) => visit(&Path::new(order, pattern)),
        Access::Value => value_paths(era, pattern, visit),
        Access::ValueOfAny => {
            let (Some(tag), short, long) = lengths(&pattern.v) else { return Ok(()) };
            for a in era.attributes_with(tag, short, long) {
                value_paths(era, &Pattern { a: Some(a), ..*pattern }, visit)?;
            }
            Ok(())
        }
    }
}

fn value_paths<'p>(era: &Era<'_>, pattern: &Pattern<'p>, visit: &mut dyn FnMut(&Path<'p>) -> Flow) -> Flow {
    let (_, short, long) = lengths(&pattern.v);
    if short {
        visit(&Path::new(Order::Avet, pattern))?;
    }
    if long && pattern.a.is_some_and(|a| era.has_long(a)) {
        visit(&Path::long(pattern))?;
    }
    Ok(())
}

/// The type asked for, whether values in AVET can match, and whether values too long for it can.
fn lengths(bound: &ValueBound<'_>) -> (Option<Tag>, bool, bool) {
    match bound {
        ValueBound::Any => (None, true, true),
        ValueBound::Is(v) => (Some(v.tag()), !is_long(*v), is_long(*v)),
        ValueBound::Range(tag, _, _) => (Some(*tag), true, !tag.is_fixed()),
    }
}
