//! Facts under a view of time.
//!
//! ```text
//!   View, Pattern -> era (which rows the view shows) and access (which order finds the pattern)
//!                 -> present (open rows at rest and of all layers, tombstones settled) -> past (closed rows)
//!                 -> emit (batches)
//! ```
//!
//! A present-time scan never looks at a closed row. As of t looks at what is at rest and the layers that began by t, and
//! at the closed rows of those generations that closed after t. What is at rest answers alone for moments up to its
//! basis; novelty holds nothing of them.

mod access;
mod back;
mod branch;
mod each;
mod emit;
mod era;
mod ordered;
mod past;
mod present;
mod sample;
#[cfg(test)]
pub(crate) mod tests;
mod window;

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::datom::{Batch, Datom, Order, Pattern, T};
use crate::error::Result;
use crate::log::LoggedTx;
use crate::novelty::Novelty;
use crate::rest::Rest;

use self::access::Path;
use self::back::Until;
use self::branch::Past;
use self::emit::{Emit, outcome};
use self::era::Era;
use self::window::window;

/// Which moments a database value shows. The three combine: `since` and `as_of` bound a window, `history` shows
/// assertions and retractions inside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct View {
    /// Nothing newer than this transaction (it included).
    pub as_of: Option<T>,
    /// Only what was added after this transaction (it excluded).
    pub since: Option<T>,
    /// Every assertion and retraction instead of what holds.
    pub history: bool,
}

/// What a scan is handed to: it says whether to go on.
pub type Sink<'s> = &'s mut dyn FnMut(&Batch<'_>) -> ControlFlow<()>;

/// What a scan from the last row down is handed to: it says whether to go on.
pub type Down<'s> = &'s mut dyn FnMut(Datom) -> ControlFlow<()>;

/// Counts that cannot be told from the directories are counted by scanning, if they are at most this many.
const COUNTED_BY_SCAN: u64 = 256;

/// All facts up to a basis, immutable. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    rest: Rest,
    novelty: Novelty,
    /// What this goes on from, if it is a branch: then the novelty is above that, and what is at rest is under it.
    past: Option<Arc<Past>>,
}

impl Snapshot {
    /// Over these facts.
    pub fn new(novelty: Novelty) -> Snapshot {
        Snapshot::over(Rest::none(), novelty)
    }

    /// Over what is at rest and what is newer: the novelty holds nothing up to the rest's basis.
    pub fn over(rest: Rest, novelty: Novelty) -> Snapshot {
        Snapshot { rest, novelty, past: None }
    }

    /// These facts and those of one more transaction, which must be newer than all here.
    #[must_use]
    pub fn with(&self, tx: &LoggedTx) -> Snapshot {
        Snapshot { novelty: self.novelty.with(tx), ..self.clone() }
    }

    /// What is at rest under this snapshot.
    pub fn rest(&self) -> &Rest {
        &self.rest
    }

    /// The novelty under this snapshot.
    pub fn novelty(&self) -> &Novelty {
        &self.novelty
    }

    /// Hands every fact that the view shows and the pattern asks for to `sink`, batch by batch, until it breaks.
    ///
    /// The order used is the cheapest for the pattern. Rows come sorted by that order when the view is of the
    /// present (but values too long for AVET come last in a range); other views, and [branches](Snapshot::branch), come in
    /// one sorted stream a source.
    pub fn scan(&self, view: &View, pattern: &Pattern<'_>, sink: Sink<'_>) -> Result<()> {
        if let Some(branch) = self.branched(view) {
            return branch.scan(pattern, sink);
        }
        if let Some(window) = window(self, view, pattern)? {
            return window.scan(view, pattern, sink);
        }
        let Some(era) = Era::of(self, view, pattern) else { return Ok(()) };
        let mut emit = Emit::new(sink, pattern);
        let flow = access::each_path(&era, pattern, &mut |path| {
            present::present(&era, path, &mut emit)?;
            past::past(&era, path, &mut emit)
        });
        outcome(flow.and_then(|()| emit.flush()))
    }

    /// As [`Snapshot::scan`], with the rows sorted by `order` throughout, then by transaction (datoms of the raw
    /// indexes). In AVET, values too long for it are absent.
    pub fn scan_ordered(
        &self,
        view: &View,
        order: Order,
        pattern: &Pattern<'_>,
        sink: Sink<'_>,
    ) -> Result<()> {
        if let Some(branch) = self.branched(view) {
            return branch.ordered(
                order,
                |side, view, sink| side.scan_ordered(view, order, pattern, sink),
                sink,
            );
        }
        if let Some(window) = window(self, view, pattern)? {
            return window.scan_ordered(view, order, pattern, sink);
        }
        let Some(era) = Era::of(self, view, pattern) else { return Ok(()) };
        outcome(ordered::scan(&era, &Path::new(order, pattern), &mut Emit::new(sink, pattern)))
    }

    /// As [`Snapshot::scan_ordered`], with all facts from `start` on: its parts are the first places of the order,
    /// up to the first that is unknown (seeks of the raw indexes).
    pub fn scan_from(&self, view: &View, order: Order, start: &Pattern<'_>, sink: Sink<'_>) -> Result<()> {
        if let Some(branch) = self.branched(view) {
            return branch.ordered(order, |side, view, sink| side.scan_from(view, order, start, sink), sink);
        }
        if let Some(window) = window(self, view, &Pattern::ALL)? {
            return window.scan_from(view, order, start, sink);
        }
        let Some(era) = Era::of(self, view, &Pattern::ALL) else { return Ok(()) };
        outcome(ordered::scan(&era, &Path::from(order, start), &mut Emit::new(sink, &Pattern::ALL)))
    }

    /// As [`Snapshot::scan_ordered`], from the last row down to the first, one by one.
    pub fn scan_back(&self, view: &View, order: Order, pattern: &Pattern<'_>, sink: Down<'_>) -> Result<()> {
        if let Some(branch) = self.branched(view) {
            return branch.back(order, |side, view, sink| side.scan_back(view, order, pattern, sink), sink);
        }
        if let Some(window) = window(self, view, pattern)? {
            return window.scan_back(view, order, pattern, sink);
        }
        let Some(era) = Era::of(self, view, pattern) else { return Ok(()) };
        back::scan(&era, order, pattern, Until::Pattern, sink)
    }

    /// As [`Snapshot::scan_back`], with all facts from the last that begins with the parts of `start` down to the first
    /// of the order.
    pub fn scan_back_from(
        &self,
        view: &View,
        order: Order,
        start: &Pattern<'_>,
        sink: Down<'_>,
    ) -> Result<()> {
        if let Some(branch) = self.branched(view) {
            return branch.back(
                order,
                |side, view, sink| side.scan_back_from(view, order, start, sink),
                sink,
            );
        }
        if let Some(window) = window(self, view, &Pattern::ALL)? {
            return window.scan_back_from(view, order, start, sink);
        }
        let Some(era) = Era::of(self, view, &Pattern::ALL) else { return Ok(()) };
        back::scan(&era, order, start, Until::Order, sink)
    }

    /// About `wanted` facts of a pattern, taken at evenly spaced ranks of the order that answers it: for planners. They
    /// hold in the view; nought rows are handed on only if there are none. The second of what is returned is the number
    /// of rows the sample was drawn from ([`Snapshot::count`]).
    pub fn sample(&self, view: &View, pattern: &Pattern<'_>, wanted: usize, sink: Sink<'_>) -> Result<u64> {
        if let Some(branch) = self.branched(view) {
            return branch.sample(pattern, wanted, sink);
        }
        match window(self, view, pattern)? {
            Some(window) => sample::sample(&window, view, pattern, wanted, sink),
            None => sample::sample(self, view, pattern, wanted, sink),
        }
    }

    /// How many facts [`Snapshot::scan`] would hand on: exact for the present if one order holds exactly what is
    /// asked, and whenever there are few; else an upper bound. Nought is always exact.
    pub fn count(&self, view: &View, pattern: &Pattern<'_>) -> Result<u64> {
        if let Some(branch) = self.branched(view) {
            return branch.count(pattern);
        }
        if let Some(window) = window(self, view, pattern)? {
            return window.count(view, pattern);
        }
        let Some(era) = Era::of(self, view, pattern) else { return Ok(0) };
        let (mut bound, mut exact) = (0, true);
        outcome(access::each_path(&era, pattern, &mut |path| {
            let (rows, is_exact) = count(&era, path)?;
            bound += rows;
            exact &= is_exact;
            Ok(())
        }))?;
        if exact || bound > COUNTED_BY_SCAN {
            return Ok(bound);
        }
        let mut found = 0;
        self.scan(view, pattern, &mut |batch| {
            found += batch.len as u64;
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }
}

/// An upper bound of the facts on a path, and whether it is exact.
fn count(era: &Era<'_>, path: &Path<'_>) -> Result<(u64, bool)> {
    let (open, settled) = present::count(era, path)?;
    let closed = past::count(era, path)?;
    let datoms = u64::from(era.assertions) + u64::from(era.retractions);
    let unbounded = era.low == 0 && era.high == T::MAX;
    let exact = settled && unbounded && path.open.is_open() && (closed == 0 || path.closed.is_open());
    Ok((open + closed * datoms, exact))
}
