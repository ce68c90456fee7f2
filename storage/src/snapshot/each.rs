//! What many entities have, of one attribute or of all, in one pass along AEVT or EAVT.
//!
//! ```text
//!   entities      1  3          90 91                    700
//!   pages       [ . . . . ][ . . . . . ]  …  skipped  …  [ . . . . ]
//! ```
//!
//! A page is read if an entity that is asked for may lie in it; where the next one lies far beyond, the walk begins anew
//! there. Rows come sorted by entity. Of a page all rows are handed on between the first and the last that are asked for:
//! whoever asks walks along both sides and leaps. A range of entities is the same pass, with nothing left out.

use super::access::Path;
use super::emit::{Emit, Flow, outcome};
use super::era::Era;
use super::present::{Novel, merged, over_page};
use super::{Sink, Snapshot, View};
use crate::datom::{AttrId, Order, Pattern};
use crate::error::Result;
use crate::rest::Inner;
use crate::run::lanes::Lane;
use crate::run::{Lead, gallop};

/// The walk begins anew if the next entity lies further ahead than so many pages are wide.
const FAR: u64 = 2;
/// Rows of novelty are looked through if there are at most so many for every entity.
const NOVEL_ROWS: usize = 64;

impl Snapshot {
    /// Hands on the facts that some entities have, of an attribute or of all, sorted by entity, attribute and value; facts of
    /// other entities may be among them. The entities must ascend. False, and nothing is handed on, if the view cannot be
    /// read in one such pass: a history, a branch, a window, or what closed within novelty.
    pub fn scan_each(
        &self,
        view: &View,
        a: Option<AttrId>,
        entities: &[u64],
        sink: Sink<'_>,
    ) -> Result<bool> {
        debug_assert!(entities.is_sorted(), "entities ascend");
        self.pass(view, a, Wanted::Some(entities), sink)
    }

    /// Hands on the facts that the entities from `first` to `last`, both included, have of an attribute, sorted by entity
    /// and value. False, and nothing is handed on, where [`Snapshot::scan_each`] gives false.
    pub fn scan_between(
        &self,
        view: &View,
        a: AttrId,
        (first, last): (u64, u64),
        sink: Sink<'_>,
    ) -> Result<bool> {
        self.pass(view, Some(a), Wanted::Between(first, last), sink)
    }

    fn pass(&self, view: &View, a: Option<AttrId>, wanted: Wanted<'_>, sink: Sink<'_>) -> Result<bool> {
        if view.history || view.since.is_some() || self.is_branch() {
            return Ok(false);
        }
        let Some((first, last)) = wanted.ends() else { return Ok(true) };
        let (order, pattern) =
            a.map_or((Order::Eavt, Pattern::ALL), |a| (Order::Aevt, Pattern::attribute(a)));
        let Some(era) = Era::of(self, view, &pattern) else { return Ok(true) };
        let path = Path::new(order, &pattern);
        if era.generations().any(|past| !era.closed_rows(past.closed(order), &path).is_empty()) {
            return Ok(false);
        }
        let mut novel = Novel::of(&era, &path).into_lanes();
        for lane in &mut novel {
            pass_below(lane, first);
            let e = &lane.run.rows.e;
            lane.rows.end = gallop(lane.rows.clone(), |row| e[row] <= last);
        }
        if let Wanted::Some(entities) = wanted
            && novel.iter().map(|lane| lane.rows.len()).sum::<usize>() > entities.len() * NOVEL_ROWS
        {
            return Ok(false);
        }
        let mut emit = Emit::new(sink, &pattern);
        let flow = match era.rest {
            Some(rest) => along(&era, rest, &path, wanted, novel, &mut emit),
            None => merged(&era, &path, novel, &mut emit),
        };
        outcome(flow.and_then(|()| emit.flush()))?;
        Ok(true)
    }
}

/// Which entities a pass is for.
#[derive(Clone, Copy)]
enum Wanted<'e> {
    /// These, ascending.
    Some(&'e [u64]),
    /// All from one to another, both included.
    Between(u64, u64),
}

impl Wanted<'_> {
    /// The first and the last, if there is any.
    fn ends(self) -> Option<(u64, u64)> {
        match self {
            Wanted::Some(entities) => Some((*entities.first()?, *entities.last()?)),
            Wanted::Between(first, last) => (first <= last).then_some((first, last)),
        }
    }

    /// Those from this one on.
    fn from(self, entity: u64) -> Self {
        match self {
            Wanted::Some(entities) => {
                Wanted::Some(&entities[entities.partition_point(|wanted| *wanted < entity)..])
            }
            Wanted::Between(first, last) => Wanted::Between(first.max(entity), last),
        }
    }
}

/// Leaves out the rows of a lane whose entities come before one.
fn pass_below(lane: &mut Lane<'_>, entity: u64) {
    let e = &lane.run.rows.e;
    lane.rows.start = gallop(lane.rows.clone(), |row| e[row] < entity);
}

fn along<'n>(
    era: &Era<'n>,
    rest: &'n Inner,
    path: &Path<'_>,
    mut wanted: Wanted<'_>,
    mut novel: Vec<Lane<'n>>,
    emit: &mut Emit<'_>,
) -> Flow {
    let from = |entity: u64| {
        let start = Lead { e: Some(entity), ..path.lead };
        rest.pages_from(path.order, &path.lead, &start, era.when())
    };
    let Some((mut first, last)) = wanted.ends() else { return Ok(()) };
    let mut pages = from(first)?;
    while let Some(page) = pages.next()? {
        let mut lane = page.lane(&path.lead);
        let e = &page.run.rows.e;
        if lane.rows.is_empty() || e[lane.rows.end - 1] < first {
            continue;
        }
        let (low, high) = (e[lane.rows.start], e[lane.rows.end - 1]);
        pass_below(&mut lane, first);
        lane.rows.end = gallop(lane.rows.clone(), |row| e[row] <= last);
        novel.iter_mut().for_each(|lane| pass_below(lane, first));
        if !lane.rows.is_empty() {
            over_page(era, path, &page, lane, &mut novel, emit)?;
        }
        if last < high {
            break;
        }
        // An entity that ends a page may go on in the next.
        wanted = wanted.from(high);
        first = wanted.ends().map_or(last, |(first, _)| first);
        if first - high > FAR.saturating_mul(high - low) {
            pages = from(first)?;
        }
    }
    novel.iter_mut().for_each(|lane| pass_below(lane, first));
    novel.retain(|lane| !lane.rows.is_empty());
    merged(era, path, novel, emit)
}
