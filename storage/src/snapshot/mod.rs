//! Facts under a view of time.
//!
//! ```text
//!   View, Pattern -> era (which rows the view shows) and access (which order finds the pattern)
//!                 -> present (open rows of all layers, tombstones settled) -> past (closed rows) -> emit (batches)
//! ```
//!
//! A present-time scan never looks at a closed row. As of t looks at the layers that began by t, and at the closed
//! rows of those generations that closed after t.

mod access;
mod emit;
mod era;
mod lanes;
mod ordered;
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;

use crate::datom::{Batch, Order, Pattern, T};
use crate::error::Result;
use crate::novelty::Novelty;

use self::access::Path;
use self::emit::Emit;
use self::era::Era;

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

/// Counts that cannot be told from the directories are counted by scanning, if they are at most this many.
const COUNTED_BY_SCAN: u64 = 256;

/// All facts up to a basis, immutable. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    novelty: Novelty,
}

impl Snapshot {
    /// Over these facts.
    pub fn new(novelty: Novelty) -> Snapshot {
        Snapshot { novelty }
    }

    /// The novelty under this snapshot.
    pub fn novelty(&self) -> &Novelty {
        &self.novelty
    }

    /// Hands every fact that the view shows and the pattern asks for to `sink`, batch by batch, until it breaks.
    ///
    /// The order used is the cheapest for the pattern. Rows come sorted by that order when the view is of the
    /// present (but values too long for AVET come last in a range); other views come in one sorted stream a source.
    pub fn scan(&self, view: &View, pattern: &Pattern<'_>, sink: Sink<'_>) -> Result<()> {
        let Some(era) = Era::of(&self.novelty, view, pattern) else { return Ok(()) };
        let mut emit = Emit::new(sink, pattern);
        let flow = access::each_path(&era, pattern, &mut |path| {
            lanes::present(&era, path, &mut emit)?;
            era::past(&era, path, &mut emit)
        });
        if flow.is_continue() {
            // The end comes either way.
            let _ = emit.flush();
        }
        Ok(())
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
        let Some(era) = Era::of(&self.novelty, view, pattern) else { return Ok(()) };
        ordered::scan(&era, &Path::new(order, pattern), &mut Emit::new(sink, pattern));
        Ok(())
    }

    /// As [`Snapshot::scan_ordered`], with all facts from `start` on: its parts are the first places of the order,
    /// up to the first that is unknown (seeks of the raw indexes).
    pub fn scan_from(&self, view: &View, order: Order, start: &Pattern<'_>, sink: Sink<'_>) -> Result<()> {
        let Some(era) = Era::of(&self.novelty, view, &Pattern::ALL) else { return Ok(()) };
        ordered::scan(&era, &Path::from(order, start), &mut Emit::new(sink, &Pattern::ALL));
        Ok(())
    }

    /// How many facts [`Snapshot::scan`] would hand on: exact for the present if one order holds exactly what is
    /// asked, and whenever there are few; else an upper bound. Nought is always exact.
    pub fn count(&self, view: &View, pattern: &Pattern<'_>) -> Result<u64> {
        let Some(era) = Era::of(&self.novelty, view, pattern) else { return Ok(0) };
        let (mut bound, mut exact) = (0, true);
        let _ = access::each_path(&era, pattern, &mut |path| {
            let (rows, is_exact) = era::count(&era, path);
            bound += rows;
            exact &= is_exact;
            ControlFlow::Continue(())
        });
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
