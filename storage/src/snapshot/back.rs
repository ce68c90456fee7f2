//! All rows of a path from the last to the first, whatever the view.
//!
//! ```text
//!   order  |----------------------------------------------|
//!   windows            <-- 3 --|<------ 2 ------|<-- 1 --|   each read upwards, handed on downwards
//! ```
//!
//! Runs and trees are merged upwards only, where a tombstone meets its target. So the way down is cut into windows that
//! are read upwards, held, and handed on from the last row. A window begins where no source has more than a few thousand
//! rows left in it, which ranks tell; its memory is bounded by that, and by the largest group where closed rows are about
//! (they are sorted by two places only).

use std::cmp::Ordering;
use std::ops::{ControlFlow, Range};

use super::access::Path;
use super::emit::{Emit, outcome};
use super::era::Era;
use super::ordered::{self, Held};
use crate::datom::{AttrId, Batch, Datom, EntityId, Order, Pattern, ValueBound, ValueRef};
use crate::error::Result;
use crate::run::{Lead, Run, bisect};
use crate::tree::nodes::Nodes;
use crate::tree::{Shape, Tree};

/// Rows of one source that a window holds.
const PIECE: usize = if cfg!(test) { 16 } else { 2048 };

/// Where a scan goes down to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// The first row of the pattern.
    Pattern,
    /// The first row of the order.
    Order,
}

/// Hands on the rows of a pattern, or all rows that are not after those, the last first.
pub(super) fn scan(
    era: &Era<'_>,
    order: Order,
    pattern: &Pattern<'_>,
    until: Until,
    sink: &mut dyn FnMut(Datom) -> ControlFlow<()>,
) -> Result<()> {
    let places = if has_closed(era) { 2 } else { 3 };
    let whole = Path::new(order, pattern);
    let asked = Asked { era, order, pattern, whole, until, places };
    let mut sources = asked.sources()?;
    let mut end = None;
    loop {
        let start = border(&sources, order)?;
        let window = asked.window(start.as_ref(), end.as_ref())?;
        if window.into_iter().rev().try_for_each(&mut *sink).is_break() {
            return Ok(());
        }
        let Some(border) = start else { return Ok(()) };
        for source in &mut sources {
            source.end_before(order, &border.path(order, places).lead)?;
        }
        end = Some(border);
    }
}

/// What is asked for.
struct Asked<'a, 'n> {
    era: &'a Era<'n>,
    order: Order,
    pattern: &'a Pattern<'a>,
    whole: Path<'a>,
    until: Until,
    /// How many places of the order tell windows apart.
    places: usize,
}

impl<'n> Asked<'_, 'n> {
    /// The rows from one border (else the first row there is) up to another (else the last that is asked for).
    fn window(&self, start: Option<&Border<'n>>, end: Option<&Border<'n>>) -> Result<Vec<Datom>> {
        let order = self.order;
        let end = end.map(|border| border.path(order, self.places).lead);
        let mut window = Vec::new();
        let mut keep = |batch: &Batch<'_>| {
            for row in 0..batch.len {
                let (e, a, v) = (batch.e.get(row), batch.a.get(row), batch.v.get(row));
                let is_beyond = match &end {
                    Some(lead) => lead.side_of(order, e, a, v).is_ge(),
                    None => self.whole.lead.side_of(order, e, a, v).is_gt(),
                };
                if is_beyond {
                    return ControlFlow::Break(());
                }
                if self.until == Until::Order || is_of(self.pattern, e, a, v) {
                    window.push(batch.datom(row));
                }
            }
            ControlFlow::Continue(())
        };
        let path = match (start, self.until) {
            (Some(border), _) => border.path(order, self.places),
            (None, Until::Order) => Path::new(order, &Pattern::ALL),
            (None, Until::Pattern) => self.whole,
        };
        let emit = Emit::new(&mut keep, &Pattern::ALL);
        outcome(ordered::scan(self.era, &path, &mut emit.in_batches_of(PIECE)))?;
        Ok(window)
    }

    fn sources(&self) -> Result<Vec<Source<'n>>> {
        let (era, order, lead) = (self.era, self.order, &self.whole.lead);
        let mut sources = Vec::new();
        if let Some(rest) = era.rest {
            let nodes = &rest.nodes;
            let open = rest.root.tiers[order as usize].iter().map(|tier| (&tier.open, Shape::Open));
            let closed = rest.root.generations.iter().filter(|_| self.places == 2);
            let closed = closed.map(|generation| (&generation.closed[order as usize], Shape::Closed));
            for (tree, shape) in open.chain(closed) {
                let ranks = tree.ranks(nodes, lead, order, shape)?;
                sources.push(Source::AtRest(nodes, tree, shape, self.after_first(ranks)));
            }
        }
        let open = era.layers.iter().map(|layer| layer.open(order));
        let closed = era.generations().map(|generation| generation.closed(order));
        sources.extend(open.chain(closed).map(|run| {
            let end = bisect(0..run.len(), |row| lead.side(run, row).is_le());
            let start = bisect(0..end, |row| lead.side(run, row).is_lt());
            Source::Novel(run, self.after_first(start..end))
        }));
        Ok(sources)
    }

    /// Rows of the pattern, or all that are not after them.
    fn after_first<N: Default>(&self, rows: Range<N>) -> Range<N> {
        match self.until {
            Until::Pattern => rows,
            Until::Order => N::default()..rows.end,
        }
    }
}

/// True if closed rows may be shown, in whose runs the third place of the order is in no order.
fn has_closed(era: &Era<'_>) -> bool {
    era.history || era.when().moment.is_some() || era.generations().next().is_some()
}

fn is_of(pattern: &Pattern<'_>, e: u64, a: u32, v: ValueRef<'_>) -> bool {
    pattern.e.is_none_or(|own| own.0 == e) && pattern.a.is_none_or(|own| own.0 == a) && pattern.v.admits(v)
}

/// Rows of one run or tree, as far as they are not handed on yet.
enum Source<'n> {
    AtRest(&'n Nodes, &'n Tree, Shape, Range<u64>),
    Novel(&'n Run, Range<usize>),
}

impl<'n> Source<'n> {
    /// The row up to whose group a window would take a piece of this source; none if it would take all.
    fn border(&self, order: Order) -> Result<Option<Border<'n>>> {
        match self {
            Source::AtRest(nodes, tree, shape, ranks) if ranks.end - ranks.start > PIECE as u64 => {
                let (run, row) = tree.at(nodes, ranks.end - PIECE as u64, order, *shape)?;
                Ok(Some(Border { run: Held::Shared(run), row }))
            }
            Source::Novel(run, rows) if rows.len() > PIECE => {
                Ok(Some(Border { run: Held::Lent(run), row: rows.end - PIECE }))
            }
            _ => Ok(None),
        }
    }

    /// Leaves only the rows before those of an endless lead.
    fn end_before(&mut self, order: Order, lead: &Lead<'_>) -> Result<()> {
        match self {
            Source::AtRest(nodes, tree, shape, ranks) => {
                let start = tree.ranks(nodes, lead, order, *shape)?.start;
                ranks.end = start.clamp(ranks.start, ranks.end);
            }
            Source::Novel(run, rows) => {
                rows.end = bisect(rows.clone(), |row| lead.side(run, row).is_lt());
            }
        }
        Ok(())
    }
}

/// The row that the next window begins with the group of; none if it takes all that is left.
fn border<'n>(sources: &[Source<'n>], order: Order) -> Result<Option<Border<'n>>> {
    let mut last: Option<Border<'n>> = None;
    for source in sources {
        let Some(border) = source.border(order)? else { continue };
        if last.as_ref().is_none_or(|last| border.compare(last).is_gt()) {
            last = Some(border);
        }
    }
    Ok(last)
}

/// A row between two windows: its first places are those of the later one's first row, or lie before them.
struct Border<'n> {
    run: Held<'n>,
    row: usize,
}

impl Border<'_> {
    fn compare(&self, other: &Border<'_>) -> Ordering {
        self.run.compare_facts(self.row, &other.run, other.row)
    }

    /// What is told of the first places of the row.
    fn known(&self, order: Order, places: usize) -> Pattern<'_> {
        let (rows, value) = (&self.run.rows, ValueBound::Is(self.run.value(self.row)));
        let mut known = Pattern {
            e: Some(EntityId(rows.e[self.row])),
            a: Some(AttrId(rows.a[self.row])),
            v: value,
            ..Pattern::default()
        };
        match order {
            Order::Eavt | Order::Aevt if places < 3 => known.v = ValueBound::Any,
            Order::Avet if places < 3 => known.e = None,
            _ => {}
        }
        known
    }

    /// The way from the border on.
    fn path(&self, order: Order, places: usize) -> Path<'_> {
        Path::from(order, &self.known(order, places))
    }
}
