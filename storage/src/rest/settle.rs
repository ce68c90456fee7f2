//! One page from all that is known of its keys.
//!
//! The oldest tier's leaf, what newer tiers have open and dead, and as of a moment the closed rows that held, sorted as
//! open rows are, are merged as lanes. The page's values lie in the heap of the oldest tier's leaf; those of others are
//! copied behind them.

use std::ops::Range;
use std::sync::Arc;

use super::Inner;
use super::ahead::{past_group, two_places};
use super::pages::{Part, Stretch};
use crate::datom::columns::{heap_word, value_at};
use crate::datom::{Order, T, ValueRef};
use crate::error::{Error, Result};
use crate::run::lanes::{Lane, Role, settle as merge};
use crate::run::{Columns, Run, bisect, gallop};
use crate::tree::{Entry, Shape, key};

/// The most that offsets into a heap reach.
const MOST_HEAP_BYTES: usize = u32::MAX as usize;

/// The rows of a page.
pub(super) fn settle(
    rest: &Inner,
    order: Order,
    oldest: Option<Arc<Run>>,
    parts: &[Part],
    closed: &[Entry],
    stretch: &Stretch,
    moment: Option<T>,
) -> Result<Run> {
    let mut held = Vec::new();
    if let Some(moment) = moment {
        for entry in closed {
            let leaf = rest.nodes.leaf(entry, order, Shape::Closed)?;
            held.extend(holding(&leaf, stretch, moment));
        }
    }
    let mut lanes: Vec<Lane<'_>> = Vec::with_capacity(1 + parts.len() + held.len());
    let mut lane = |run, rows: Range<usize>, role| lanes.push(Lane { run, rows, role, in_time: true });
    if let Some(oldest) = &oldest {
        lane(&**oldest, rows_in(oldest, stretch), Role::Open);
    }
    parts.iter().for_each(|part| lane(&part.run, part.rows.clone(), part.role));
    held.iter().for_each(|run| lane(run, 0..run.len(), Role::Past));
    let rows = lanes.iter().map(|lane| lane.rows.len()).sum();
    let mut draft = Draft::new(oldest.as_deref(), rows);
    merge(lanes, &mut |lane, rows| match moment {
        Some(moment) if lane.role == Role::Open => draft.began(lane.run, rows, moment),
        _ => draft.add(lane.run, rows),
    })?;
    Ok(draft.finish(order))
}

/// The rows of an open run that lie in a stretch.
pub(super) fn rows_in(run: &Run, stretch: &Stretch) -> Range<usize> {
    let start = first_from(run, 0, &stretch.low);
    start..stretch.high.as_ref().map_or(run.len(), |high| first_from(run, start, high))
}

/// The first row of an open run, from a row on, that is not below a key.
pub(super) fn first_from(run: &Run, at: usize, bound: &[u8]) -> usize {
    let mut buffer = Vec::with_capacity(64);
    gallop(at..run.len(), |row| *key_of(run, row, Shape::Open, &mut buffer) < *bound)
}

fn key_of<'b>(run: &Run, row: usize, shape: Shape, buffer: &'b mut Vec<u8>) -> &'b [u8] {
    buffer.clear();
    key::of_row(run, row, shape, buffer);
    buffer
}

/// The rows of a leaf of closed rows that lie in a stretch and held at a moment, as an open run.
fn holding(leaf: &Run, stretch: &Stretch, moment: T) -> Option<Run> {
    let mut buffer = Vec::with_capacity(64);
    let mut first_at = |rows: Range<usize>, bound: &[u8]| {
        bisect(rows, |row| *key_of(leaf, row, Shape::Closed, &mut buffer) < *bound)
    };
    let all = 0..leaf.len();
    // The groups at both ends may lie in the stretch only in part, wherever the time of closing puts their rows.
    let low_group = &stretch.low[..two_places(leaf.order, &stretch.low)];
    let start = first_at(all.clone(), low_group);
    let sure_from = match past_group(leaf.order, stretch.low.clone()) {
        Some(past) => first_at(start..all.end, &past),
        None => all.end,
    };
    let (sure_to, end) = match &stretch.high {
        None => (all.end, all.end),
        Some(high) => {
            let sure_to = first_at(start..all.end, &high[..two_places(leaf.order, high)]);
            let past = past_group(leaf.order, high.clone());
            (sure_to, past.map_or(all.end, |past| first_at(sure_to..all.end, &past)))
        }
    };
    let columns = &leaf.rows;
    let mut picked = vec![0; end - start];
    let mut count = 0;
    for row in start..end {
        picked[count] = row as u32;
        count += usize::from((columns.from[row] <= moment) & (moment < columns.to[row]));
    }
    picked.truncate(count);
    picked.retain(|row| {
        let row = *row as usize;
        (sure_from..sure_to).contains(&row) || {
            let key = key_of(leaf, row, Shape::Open, &mut buffer);
            *stretch.low <= *key && stretch.high.as_ref().is_none_or(|high| *key < **high)
        }
    });
    for group in picked.chunk_by_mut(|x, y| leaf.compare_prefix(*x as usize, leaf, *y as usize).is_eq()) {
        if group.len() > 1 {
            group.sort_unstable_by(|x, y| {
                let (x, y) = (*x as usize, *y as usize);
                leaf.compare_facts(x, leaf, y).then_with(|| columns.from[x].cmp(&columns.from[y]))
            });
        }
    }
    let rows = Columns { to: Vec::new(), ..columns.gather(&picked) };
    (rows.len() > 0).then(|| Run::new(leaf.order, rows, Arc::clone(&leaf.heap)))
}

/// A page in the making.
struct Draft<'r> {
    oldest: Option<&'r Run>,
    rows: Columns,
    /// The values of the oldest tier's leaf and then those of others, once there are others.
    heap: Option<Vec<u8>>,
}

impl<'r> Draft<'r> {
    fn new(oldest: Option<&'r Run>, rows: usize) -> Draft<'r> {
        Draft { oldest, rows: Columns::with_capacity(rows, false), heap: None }
    }

    /// Appends rows.
    fn add(&mut self, run: &Run, rows: Range<usize>) -> Result<()> {
        let start = self.rows.len();
        match rows.len() {
            1 => self.push(&run.rows, rows.start),
            _ => self.rows.extend(&run.rows, rows, 0),
        }
        if self.oldest.is_some_and(|oldest| std::ptr::eq(oldest, run)) {
            return Ok(());
        }
        for row in start..self.rows.len() {
            let tag = self.rows.tag[row];
            if let ValueRef::Variable(_, code) = value_at(tag, self.rows.word[row], &run.heap) {
                self.rows.word[row] = self.keep(code)?;
            }
        }
        Ok(())
    }

    fn push(&mut self, source: &Columns, row: usize) {
        self.rows.e.push(source.e[row]);
        self.rows.a.push(source.a[row]);
        self.rows.tag.push(source.tag[row]);
        self.rows.word.push(source.word[row]);
        self.rows.from.push(source.from[row]);
    }

    /// Appends those of the rows that began by a moment.
    fn began(&mut self, run: &Run, rows: Range<usize>, moment: T) -> Result<()> {
        let from = &run.rows.from;
        let mut at = rows.start;
        while at < rows.end {
            let start = (at..rows.end).find(|row| from[*row] <= moment).unwrap_or(rows.end);
            let end = (start..rows.end).find(|row| from[*row] > moment).unwrap_or(rows.end);
            if start < end {
                self.add(run, start..end)?;
            }
            at = end;
        }
        Ok(())
    }

    /// Copies a value's code, and gives its word.
    fn keep(&mut self, code: &[u8]) -> Result<i64> {
        let oldest = self.oldest;
        let heap = self.heap.get_or_insert_with(|| oldest.map_or_else(Vec::new, |run| run.heap.to_vec()));
        if heap.len() + code.len() > MOST_HEAP_BYTES {
            let what = "what a page at rest holds".to_owned();
            return Err(Error::TooLarge { what, size: heap.len() + code.len(), limit: MOST_HEAP_BYTES });
        }
        let word = heap_word(heap.len(), code.len());
        heap.extend_from_slice(code);
        Ok(word)
    }

    fn finish(self, order: Order) -> Run {
        let heap = match (self.heap, self.oldest) {
            (Some(heap), _) => Arc::new(heap),
            (None, Some(oldest)) => Arc::clone(&oldest.heap),
            (None, None) => Arc::default(),
        };
        Run::new(order, self.rows, heap)
    }
}
