//! Reads a log by transaction number, beside the one who appends.
//!
//! What is packed is found through the log tree of the newest root. Of what is still in slots there are two numbers a
//! batch in memory: where its transactions end, and its datoms. The writer adds to them once a batch is durable, so a
//! reader never sees what is not; a new root takes away what it packed, so they stay few. Bytes are read from storage
//! each time.
//!
//! Slots that were packed may be deleted while someone reads. Who finds a slot gone that was there looks for the root
//! that packed it, and goes on there.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock};

use super::{LogBatch, LoggedTx, chain, excise, packed};
use crate::backend::{Lineage, Storage};
use crate::cache::Cache;
use crate::datom::T;
use crate::error::{Error, Result};
use crate::rest::{Inner, Rest};

/// How many slots are read at once.
pub(super) const READ_AHEAD: usize = 64;
/// Packed frames are handed on together up to so many bytes.
const READ_AHEAD_BYTES: usize = 4 << 20;
/// For the directories of one look at a root, where there is no other cache.
const SMALL_CACHE_BYTES: usize = 1 << 20;
/// So many bytes of the newest frames are remembered, for those who follow the log.
const RECENT_BYTES: usize = 4 << 20;

/// The end of a batch that is not packed.
#[derive(Clone, Copy, Debug)]
struct End {
    /// The `t` after its last transaction.
    t: T,
    /// Datoms up to here, since the log was opened.
    datoms: u64,
}

/// What is known of a log.
#[derive(Clone, Debug, Default)]
struct State {
    rest: Rest,
    /// The first batch that `ends` tells of.
    first: u64,
    ends: VecDeque<End>,
    /// Datoms up to the first of them.
    packed_datoms: u64,
    /// The newest frames, the last of them that of the last batch.
    recent: VecDeque<Arc<[u8]>>,
    remembers: bool,
    recent_bytes: usize,
}

impl State {
    fn remember(&mut self, frame: &[u8]) {
        if !self.remembers {
            return;
        }
        self.recent_bytes += frame.len();
        self.recent.push_back(frame.into());
        while self.recent_bytes > RECENT_BYTES
            && let Some(oldest) = self.recent.pop_front()
        {
            self.recent_bytes -= oldest.len();
        }
    }

    /// The first frames of these batches, if they are remembered.
    fn recent(&self, batches: &Range<u64>) -> Option<Vec<Vec<u8>>> {
        let at = batches.start.checked_sub(self.end() - self.recent.len() as u64)?;
        let count = usize::try_from(batches.end - batches.start).unwrap_or(READ_AHEAD).min(READ_AHEAD);
        let frames = self.recent.iter().skip(usize::try_from(at).ok()?).take(count);
        Some(frames.map(|frame| frame.to_vec()).collect()).filter(|frames: &Vec<_>| !frames.is_empty())
    }

    /// The number of batches.
    fn end(&self) -> u64 {
        self.first + self.ends.len() as u64
    }

    /// The first batch not packed that ends after `t`.
    fn first_after(&self, t: T) -> u64 {
        self.first + self.ends.partition_point(|end| end.t <= t) as u64
    }

    /// Datoms of the batches not packed that end after `t`.
    fn datoms_after(&self, t: T) -> u64 {
        let first = self.ends.partition_point(|end| end.t <= t);
        let before = first.checked_sub(1).map_or(self.packed_datoms, |last| self.ends[last].datoms);
        self.ends.back().map_or(0, |end| end.datoms - before)
    }
}

/// What is known of a log, shared between the writer and its readers.
#[derive(Clone, Debug)]
pub(super) struct Known(Arc<RwLock<State>>);

impl Known {
    /// Of a log that is read after what a root packed. If others follow it, its newest frames are remembered.
    pub(super) fn above(rest: &Rest, remembers: bool) -> Known {
        let first = rest.inner.as_ref().map_or(0, |inner| inner.root.log_end.seq);
        Known(Arc::new(RwLock::new(State { rest: rest.clone(), first, remembers, ..State::default() })))
    }

    /// A batch is durable, as this frame.
    pub(super) fn push(&self, batch: &LogBatch, frame: &[u8], t: T) {
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if batch.seq == state.end() {
            let before = state.ends.back().map_or(state.packed_datoms, |end| end.datoms);
            let datoms: usize = batch.txs.iter().map(|tx| tx.datoms.len()).sum();
            state.ends.push_back(End { t, datoms: before + datoms as u64 });
            state.remember(frame);
        }
    }

    /// Takes the facts out of a batch that the newest root removed for ever.
    pub(super) fn excise(&self, batch: &mut LogBatch) {
        self.look(|state| {
            if let Some(inner) = &state.rest.inner {
                excise::remove(batch, &inner.root.excisions);
            }
        });
    }

    fn look<V>(&self, look: impl FnOnce(&State) -> V) -> V {
        look(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn rebase(&self, rest: &Rest) {
        let Some(newer) = &rest.inner else { return };
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let seq = newer.root.log_end.seq;
        let is_newer =
            state.rest.inner.as_ref().is_none_or(|inner| inner.root.revision < newer.root.revision);
        // A root that packed less than the one before is of no use to who has read on already.
        if !is_newer || seq < state.first {
            return;
        }
        let excisions = |rest: &Rest| rest.inner.as_ref().map_or(0, |inner| inner.root.excisions.len());
        if excisions(rest) > excisions(&state.rest) {
            // They may hold what was removed for ever.
            state.recent.clear();
            state.recent_bytes = 0;
        }
        let packed = usize::try_from(seq - state.first).unwrap_or(usize::MAX).min(state.ends.len());
        let passed = state.ends.drain(..packed).next_back();
        state.packed_datoms = passed.map_or(state.packed_datoms, |end| end.datoms);
        state.first = seq;
        state.rest = rest.clone();
    }
}

/// Reads a log by transaction number. Cheap to clone.
#[derive(Clone, Debug)]
pub struct LogReader {
    storage: Arc<dyn Storage>,
    lineage: Lineage,
    known: Known,
}

impl LogReader {
    pub(super) fn new(storage: Arc<dyn Storage>, lineage: Lineage, known: Known) -> LogReader {
        LogReader { storage, lineage, known }
    }

    /// How many batches are told of in memory.
    #[cfg(test)]
    pub(super) fn unpacked(&self) -> usize {
        self.known.look(|state| state.ends.len())
    }

    /// Reads on through a newer root: what it packed is read there from now on, by all readers of this log.
    pub fn rebase(&self, rest: &Rest) {
        self.known.rebase(rest);
    }

    /// Hands the transactions of `range` to `sink` in order, until it returns false.
    pub fn read(&self, range: Range<T>, sink: &mut dyn FnMut(LoggedTx) -> bool) -> Result<()> {
        let mut cursor = Cursor { next: range.start, end: range.end, goes_on: true, sink };
        while cursor.goes_on && cursor.next < cursor.end {
            let state = |state: &State| (state.rest.clone(), state.first_after(cursor.next)..state.end());
            let (rest, batches) = self.known.look(state);
            let packed = packed(&rest).map(|inner| (inner, inner.root.log_end.t.unwrap_or(0)));
            match packed.filter(|(_, end)| cursor.next < *end) {
                Some((inner, end)) => {
                    let wanted = cursor.next..cursor.end;
                    packed::read(&inner.nodes, &inner.root, wanted, &mut |tx| cursor.take(tx))?;
                    cursor.next = cursor.next.max(end);
                }
                None if self.read_slots(&rest, batches, &mut cursor)? => return Ok(()),
                None => {}
            }
        }
        Ok(())
    }

    /// Hands on what is in slots; false if some were packed and deleted meanwhile.
    fn read_slots(&self, rest: &Rest, mut batches: Range<u64>, cursor: &mut Cursor<'_>) -> Result<bool> {
        let excisions = rest.inner.as_ref().map_or(&[][..], |inner| &inner.root.excisions);
        while !batches.is_empty() {
            let frames = self.slots(&batches)?;
            if frames.is_empty() {
                self.look_again(batches.start)?;
                return Ok(false);
            }
            for bytes in frames {
                let mut batch = self.open(batches.start, &bytes)?;
                excise::remove(&mut batch, excisions);
                if !batch.txs.into_iter().all(|tx| cursor.take(tx)) {
                    return Ok(true);
                }
                batches.start += 1;
            }
        }
        Ok(true)
    }

    /// The batch that holds a transaction, or would if it is the next; the number of batches if it is yet to come.
    pub fn batch_of(&self, t: T) -> Result<u64> {
        let (rest, first) = self.known.look(|state| (state.rest.clone(), state.first_after(t)));
        let in_packed = packed(&rest).map(|inner| packed::batch_of(&inner.nodes, &inner.root, t));
        Ok(in_packed.transpose()?.flatten().unwrap_or(first))
    }

    /// About how many datoms the transactions after `t` have: not fewer than there are, and up to a segment of the
    /// packed log and a batch more.
    pub fn datoms_after(&self, t: T) -> Result<u64> {
        let (rest, in_slots) = self.known.look(|state| (state.rest.clone(), state.datoms_after(t)));
        let in_packed = packed(&rest).map(|inner| packed::datoms_after(&inner.nodes, &inner.root, t));
        Ok(in_packed.transpose()?.unwrap_or(0) + in_slots)
    }

    /// The frames of some batches as they are stored, at least one if the range holds a batch that is durable: what
    /// a feed sends. Whoever receives them checks them with a [`Chain`](super::Chain).
    pub fn frames(&self, batches: Range<u64>) -> Result<Vec<Vec<u8>>> {
        loop {
            let (rest, end) = self.known.look(|state| (state.rest.clone(), state.end()));
            let known = batches.start..batches.end.min(end);
            if known.is_empty() {
                return Ok(Vec::new());
            }
            if let Some(frames) = self.known.look(|state| state.recent(&known)) {
                return Ok(frames);
            }
            if let Some(inner) = packed(&rest).filter(|inner| known.start < inner.root.log_end.seq) {
                return packed_frames(inner, known);
            }
            let frames = self.slots(&known)?;
            if !frames.is_empty() {
                return Ok(frames);
            }
            self.look_again(known.start)?;
        }
    }

    fn slots(&self, batches: &Range<u64>) -> Result<Vec<Vec<u8>>> {
        let count = batches.end - batches.start;
        let limit = usize::try_from(count).map_or(READ_AHEAD, |count| count.min(READ_AHEAD));
        self.lineage.slots(&*self.storage, batches.start, limit)
    }

    /// A slot is empty that was filled: finds the root that packed it.
    fn look_again(&self, seq: u64) -> Result<()> {
        let is_packed = || self.known.look(|state| state.first > seq);
        if is_packed() {
            return Ok(());
        }
        let cache = self.known.look(|state| state.rest.inner.as_ref().map(|inner| inner.nodes.cache.clone()));
        let cache = cache.unwrap_or_else(|| Arc::new(Cache::new(SMALL_CACHE_BYTES)));
        self.rebase(&Rest::open(Arc::clone(&self.storage), self.lineage.clone(), cache)?);
        if is_packed() {
            return Ok(());
        }
        let place = self.lineage.place(seq);
        Err(Error::corrupt(place, "it is empty, expected a batch that was there"))
    }

    fn open(&self, seq: u64, bytes: &[u8]) -> Result<LogBatch> {
        let place = self.lineage.place(seq);
        let batch = chain::open(self.lineage.database(), bytes, &place)?.stored.batch;
        if batch.seq != seq {
            return Err(Error::corrupt(place, format!("batch number {}, expected {seq}", batch.seq)));
        }
        Ok(batch)
    }
}

/// How far someone has read.
struct Cursor<'s> {
    next: T,
    end: T,
    goes_on: bool,
    sink: &'s mut dyn FnMut(LoggedTx) -> bool,
}

impl Cursor<'_> {
    /// Hands a transaction on if it is wanted; false if no more is.
    fn take(&mut self, tx: LoggedTx) -> bool {
        if tx.t >= self.end {
            self.goes_on = false;
        } else if tx.t >= self.next {
            self.next = tx.t + 1;
            self.goes_on = (self.sink)(tx);
        }
        self.goes_on
    }
}

/// The root, if it has packed anything.
fn packed(rest: &Rest) -> Option<&Inner> {
    rest.inner.as_deref().filter(|inner| inner.root.log.top.is_some())
}

fn packed_frames(inner: &Inner, batches: Range<u64>) -> Result<Vec<Vec<u8>>> {
    let mut frames = packed::frames(&inner.nodes, &inner.root.log, batches.start)?;
    let (mut taken, mut bytes) = (Vec::new(), 0);
    let wanted = usize::try_from(batches.end - batches.start).unwrap_or(usize::MAX).min(READ_AHEAD);
    while taken.len() < wanted
        && bytes < READ_AHEAD_BYTES
        && let Some((_, frame)) = frames.next()?
    {
        bytes += frame.len();
        taken.push(frame);
    }
    Ok(taken)
}
