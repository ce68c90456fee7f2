//! Open rows of several runs as one sorted stream, tombstones settled.
//!
//! A lane is a range of rows in one run. Lanes are merged by galloping: what lies in one lane below the heads of all
//! others is handed on as one stretch. A tombstone has the very key of its target, so the two meet as equal heads and
//! both are dropped; a tombstone that meets none has its target outside the rows looked at.

use std::cmp::Ordering;
use std::ops::Range;

use super::{Run, gallop};

/// What the rows of a lane are. Where keys are equal, they are met in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    /// Rows that are open, as far as no tombstone meets them.
    Open,
    /// Tombstones of older open rows.
    Dead,
    /// Rows that were closed later and are wanted as they were: no tombstone is meant for them.
    Past,
}

/// Some rows of a run, not handed on yet.
#[derive(Clone, Debug)]
pub(crate) struct Lane<'r> {
    pub(crate) run: &'r Run,
    pub(crate) rows: Range<usize>,
    pub(crate) role: Role,
    /// True if no row has to be held against the window of time.
    pub(crate) in_time: bool,
}

impl<'r> Lane<'r> {
    /// Takes away the rows up to a row of another run, it included.
    pub(crate) fn up_to(&mut self, other: &Run, theirs: usize) -> Option<Lane<'r>> {
        let (run, start) = (self.run, self.rows.start);
        let end = gallop(self.rows.clone(), |row| run.compare(row, other, theirs).is_le());
        self.rows.start = end;
        (start < end).then_some(Lane { rows: start..end, ..*self })
    }
}

/// A lane and where its first row stands, as far as one word tells: most rows are told apart by that.
struct Runner<'r> {
    lane: Lane<'r>,
    head: u128,
}

impl<'r> Runner<'r> {
    /// None if there is no row.
    fn new(lane: Lane<'r>) -> Option<Runner<'r>> {
        let head = (!lane.rows.is_empty()).then(|| lane.run.head(lane.rows.start))?;
        Some(Runner { lane, head })
    }

    /// Goes on to a later row; none if there are no more.
    fn advance(mut self, start: usize) -> Option<Runner<'r>> {
        self.lane.rows.start = start;
        Runner::new(self.lane)
    }

    fn compare(&self, other: &Runner<'_>) -> Ordering {
        let whole = || self.lane.run.compare(self.lane.rows.start, other.lane.run, other.lane.rows.start);
        self.head.cmp(&other.head).then_with(whole)
    }

    fn place(&self, other: &Runner<'_>) -> Ordering {
        self.compare(other).then_with(|| self.lane.role.cmp(&other.lane.role))
    }
}

/// Merges lanes, and hands on the rows that no tombstone meets, stretch by stretch in order.
pub(crate) fn settle<'r, H>(
    lanes: Vec<Lane<'r>>,
    take: &mut impl FnMut(&Lane<'r>, Range<usize>) -> Result<(), H>,
) -> Result<(), H> {
    // The one with the lowest head is last.
    let mut runners: Vec<Runner<'r>> = lanes.into_iter().filter_map(Runner::new).collect();
    runners.sort_by(|x, y| y.place(x));
    while let Some(lowest) = runners.pop() {
        let (lane, rows) = (&lowest.lane, lowest.lane.rows.clone());
        let Some(next) = runners.last() else {
            return if lane.role == Role::Dead { Ok(()) } else { take(lane, rows) };
        };
        let end = if lowest.compare(next).is_eq() {
            debug_assert!((lane.role == Role::Dead) != (next.lane.role == Role::Dead), "a fact is open once");
            if next.lane.role == Role::Dead {
                let met = next.lane.rows.start + 1;
                let next = runners.pop().and_then(|next| next.advance(met));
                next.into_iter().for_each(|next| put_back(&mut runners, next));
            }
            rows.start + 1
        } else {
            let end = lane.run.gallop(rows.start + 1..rows.end, next.lane.run, next.lane.rows.start);
            if lane.role != Role::Dead {
                take(lane, rows.start..end)?;
            }
            end
        };
        lowest.advance(end).into_iter().for_each(|lowest| put_back(&mut runners, lowest));
    }
    Ok(())
}

/// Puts a runner where its head belongs; mostly that is near the end.
fn put_back<'r>(runners: &mut Vec<Runner<'r>>, runner: Runner<'r>) {
    let place = runners.iter().rposition(|other| other.place(&runner).is_ge()).map_or(0, |place| place + 1);
    runners.insert(place, runner);
}
