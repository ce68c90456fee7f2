//! Packing: frames on their way from slots into segments.
//!
//! A segment is cut where its frame becomes as large as the storage likes. Batches are compressed already, but small
//! ones are not, and many of them pack well together: so the size is guessed from how the last segment did.
//!
//! What is packed stays, but for a last segment that is less than half full: that is written anew with what follows.
//! So a log packed by many small jobs becomes no chain of scraps, and a job rewrites one segment at most.

use std::collections::VecDeque;

use super::read;
use super::segment::{Position, Segment};
use crate::backend::{DatabaseId, Lineage};
use crate::datom::{Order, Partition, T};
use crate::error::{Error, Result};
use crate::log::reader::READ_AHEAD;
use crate::log::{Chain, LogBatch, excise};
use crate::root::{Excision, LogEnd, Root};
use crate::tree::builder::Builder;
use crate::tree::key::Bounds;
use crate::tree::nodes::Nodes;
use crate::tree::walk::{Stop, Walk};
use crate::tree::writer::Writer;
use crate::tree::{Entry, Shape, Tree, Zone};

/// A segment holds at most so many times the bytes of its frame.
const MOST_PACKED: usize = 4;
/// How often a size is guessed for the sake of fullness.
const GUESSES: usize = 3;
/// A frame and the payload's head fit into this, and a little more.
const LEAST_SEGMENT_BYTES: usize = 256;

/// The packed log, as the next root names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packed {
    pub(crate) tree: Tree,
    pub(crate) end: LogEnd,
    /// The highest epoch in it.
    pub(crate) epoch: u64,
    /// The next free counters after it.
    pub(crate) next: Vec<(Partition, u64)>,
}

impl Packed {
    pub(super) fn of(root: &Root) -> Packed {
        let Root { log, log_end, log_epoch, next, .. } = root;
        Packed { tree: *log, end: *log_end, epoch: *log_epoch, next: next.clone() }
    }

    /// What a root says of it.
    pub(crate) fn describe(self, root: &mut Root) {
        (root.log, root.log_end, root.log_epoch, root.next) = (self.tree, self.end, self.epoch, self.next);
    }

    /// Goes on past a batch.
    pub(super) fn pass(&mut self, batch: &LogBatch) {
        self.epoch = self.epoch.max(batch.epoch);
        for (partition, counter) in &batch.next {
            match self.next.iter_mut().find(|(known, _)| known == partition) {
                Some((_, known)) => *known = (*known).max(*counter),
                None => self.next.push((*partition, *counter)),
            }
        }
    }
}

/// Packs the batches in slots that end by transaction `through`, after what `old` has packed. Where facts are to be
/// removed for ever, they are removed from these batches, and all that is packed is written anew without them.
///
/// Nothing is durable before [`Writer::flush`], and no slot is deleted here.
pub(crate) fn pack(
    nodes: &Nodes,
    old: &Root,
    through: Option<T>,
    excise: &[Excision],
    segment_bytes: usize,
    out: &mut Writer<'_>,
) -> Result<Packed> {
    let generation = read::generation(nodes, &old.log)? + u64::from(!excise.is_empty());
    let mut work = Work::new(nodes.lineage.clone(), generation, segment_bytes, Packed::of(old));
    work.excise = excise;
    work.builder.remember(nodes, &old.log)?;
    let mut slots = Slots::after(nodes, &old.log_end, through);
    if excise.is_empty() {
        let Some(first) = slots.next()? else { return Ok(work.packed) };
        work.keep(nodes, old, out)?;
        work.take(first, out)?;
    } else {
        let mut frames = read::frames(nodes, &old.log, 0)?;
        let mut chain = Chain::new(nodes.lineage.clone());
        while let Some((_, frame)) = frames.next()? {
            work.take((chain.accept(&frame)?, frame), out)?;
        }
        if chain.end() != old.log_end {
            let what = format!("packed up to {:?}, its root says {:?}", chain.end(), old.log_end);
            return Err(Error::corrupt(format!("packed log of database {}", nodes.lineage.database()), what));
        }
    }
    while let Some(next) = slots.next()? {
        work.take(next, out)?;
    }
    work.finish(slots.chain.end(), out)
}

/// The batches in slots, as one chain, as far as they end by a transaction.
pub(super) struct Slots<'n> {
    nodes: &'n Nodes,
    pub(super) chain: Chain,
    through: Option<T>,
    ahead: VecDeque<Vec<u8>>,
}

impl<'n> Slots<'n> {
    pub(super) fn after(nodes: &'n Nodes, end: &LogEnd, through: Option<T>) -> Slots<'n> {
        let chain = Chain::after(nodes.lineage.clone(), end);
        Slots { nodes, chain, through, ahead: VecDeque::new() }
    }

    pub(super) fn next(&mut self) -> Result<Option<(LogBatch, Vec<u8>)>> {
        if self.ahead.is_empty() {
            let Nodes { storage, lineage, .. } = self.nodes;
            self.ahead = lineage.slots(&**storage, self.chain.next_seq(), READ_AHEAD)?.into();
        }
        let Some(frame) = self.ahead.pop_front() else { return Ok(None) };
        let mut beyond = self.chain.clone();
        let batch = beyond.accept(&frame)?;
        if beyond.end().t.is_some_and(|end| self.through.is_none_or(|through| end > through + 1)) {
            self.ahead.clear();
            return Ok(None);
        }
        self.chain = beyond;
        Ok(Some((batch, frame)))
    }
}

/// A packed log in the making.
pub(super) struct Work<'x> {
    lineage: Lineage,
    pub(super) packer: Packer,
    pub(super) builder: Builder,
    packed: Packed,
    pub(super) excise: &'x [Excision],
}

impl Work<'_> {
    /// Of a database, on top of what is packed already.
    pub(super) fn new(lineage: Lineage, generation: u64, segment_bytes: usize, packed: Packed) -> Self {
        let packer = Packer::new(lineage.database(), generation, segment_bytes);
        let builder = Builder::new(Order::Eavt, Shape::Open, segment_bytes);
        Work { lineage, packer, builder, packed, excise: &[] }
    }

    /// Names the segments of the old tree again, but for a short one at its end, which is read and taken anew.
    fn keep(&mut self, nodes: &Nodes, old: &Root, out: &mut Writer<'_>) -> Result<()> {
        let mut walk = Walk::new(nodes, &old.log, &Bounds::all())?;
        let mut last: Option<Stop> = None;
        while let Some(stop) = walk.next()? {
            if let Some(stop) = last.replace(stop) {
                self.builder.entry(out, stop.entry, stop.lower())?;
            }
        }
        let Some(last) = last else { return Ok(()) };
        if last.entry.bytes as usize >= self.packer.segment_bytes / 2 {
            self.packer.t = last.entry.zone.from.1;
            return self.builder.entry(out, last.entry, last.lower());
        }
        let Segment { start, .. } = read::segment(nodes, &last.entry)?;
        self.packer.begin(start, last.entry.zone.from.0);
        let mut batches = read::batches(nodes, &old.log, start.seq)?;
        while let Some((batch, frame)) = batches.next()? {
            self.take((batch, frame), out)?;
        }
        Ok(())
    }

    pub(super) fn take(
        &mut self,
        (mut batch, mut frame): (LogBatch, Vec<u8>),
        out: &mut Writer<'_>,
    ) -> Result<()> {
        let (writer, place) = (self.lineage.writer_of(batch.seq), self.lineage.place(batch.seq));
        if let Some(less) = excise::reseal(writer, &frame, self.excise, &place)? {
            excise::remove(&mut batch, self.excise);
            frame = less;
        }
        self.packed.pass(&batch);
        self.packer.push(&batch, &frame, out)?;
        self.place(out)
    }

    fn place(&mut self, out: &mut Writer<'_>) -> Result<()> {
        let ready = std::mem::take(&mut self.packer.ready);
        ready.into_iter().try_for_each(|(start, entry)| self.builder.entry(out, entry, &start.key()))
    }

    pub(super) fn finish(mut self, end: LogEnd, out: &mut Writer<'_>) -> Result<Packed> {
        self.packer.finish(out)?;
        self.place(out)?;
        let Work { builder, packed, .. } = self;
        Ok(Packed { tree: builder.finish(out)?, end, ..packed })
    }
}

/// Cuts a stream of frames into segments.
pub(super) struct Packer {
    database: DatabaseId,
    generation: u64,
    pub(super) segment_bytes: usize,
    /// What is not in a segment yet, and where it begins.
    held: Vec<u8>,
    start: Position,
    pieces: VecDeque<Piece>,
    /// The last transaction that came by.
    pub(super) t: T,
    /// About how many bytes make a full segment.
    guess: usize,
    ready: Vec<(Position, Entry)>,
}

/// A batch, all or the end of which is held.
struct Piece {
    seq: u64,
    length: u64,
    /// Where it begins in what is held; none if that was cut off, and its datoms counted.
    begins: Option<usize>,
    ends: usize,
    datoms: u64,
    t: (T, T),
}

impl Packer {
    fn new(database: DatabaseId, generation: u64, segment_bytes: usize) -> Packer {
        let segment_bytes = segment_bytes.max(LEAST_SEGMENT_BYTES);
        Packer {
            database,
            generation,
            segment_bytes,
            held: Vec::new(),
            start: Position::default(),
            pieces: VecDeque::new(),
            t: 0,
            guess: segment_bytes,
            ready: Vec::new(),
        }
    }

    /// The stream goes on here, with transaction `t` or after it: the first frame is pushed whole, and cut off as far
    /// as this.
    pub(super) fn begin(&mut self, start: Position, t: T) {
        (self.start, self.t) = (start, t);
    }

    /// Appends a frame.
    fn push(&mut self, batch: &LogBatch, frame: &[u8], out: &mut Writer<'_>) -> Result<()> {
        let is_first = self.pieces.is_empty();
        if is_first && self.start.seq != batch.seq {
            self.start = Position::of(batch.seq);
        }
        let cut_off = if is_first { self.start.before as usize } else { 0 };
        let t = match (batch.txs.first(), batch.txs.last()) {
            (Some(first), Some(last)) => (first.t, last.t),
            _ => (self.t, self.t),
        };
        self.t = t.1;
        let begins = (cut_off == 0).then_some(self.held.len());
        self.held.extend_from_slice(&frame[cut_off..]);
        self.pieces.push_back(Piece {
            seq: batch.seq,
            length: frame.len() as u64,
            begins,
            ends: self.held.len(),
            datoms: batch.txs.iter().map(|tx| tx.datoms.len() as u64).sum(),
            t,
        });
        while self.held.len() >= self.segment_bytes * MOST_PACKED {
            self.cut(out)?;
        }
        Ok(())
    }

    /// Cuts what is left.
    fn finish(&mut self, out: &mut Writer<'_>) -> Result<()> {
        while !self.held.is_empty() {
            self.cut(out)?;
        }
        Ok(())
    }

    /// Cuts one segment off.
    fn cut(&mut self, out: &mut Writer<'_>) -> Result<()> {
        let (take, frame) = self.largest()?;
        self.guess = self.fitting(take, frame.len());
        let entry = self.describe(take, frame.len() as u64);
        let name = out.add(frame)?;
        self.ready.push((self.start, Entry { name, ..entry }));
        self.drop_front(take);
        Ok(())
    }

    /// How many bytes make a segment that is full enough, or all there are, and its frame.
    fn largest(&self) -> Result<(usize, Vec<u8>)> {
        let most = self.held.len().min(self.segment_bytes * MOST_PACKED);
        let left = self.pieces.front().map_or(0, |piece| piece.ends as u64);
        let mut fits = None;
        let mut take = self.guess.min(most);
        for guess in 0.. {
            let bytes = &self.held[..take];
            let frame = Segment::seal(self.database, self.generation, self.start, left, bytes)?;
            let (length, wanted) = (frame.len(), self.fitting(take, frame.len()).min(most));
            if length > self.segment_bytes && take > 1 {
                match fits {
                    Some(fits) => return Ok(fits),
                    None => take = wanted.min(take - 1),
                }
                continue;
            }
            if guess >= GUESSES || length >= self.segment_bytes * 7 / 8 || wanted <= take {
                return Ok((take, frame));
            }
            fits = Some((take, frame));
            take = wanted;
        }
        unreachable!("the guesses come to an end")
    }

    /// How many bytes make a full segment, if so many made a frame of this length.
    fn fitting(&self, bytes: usize, length: usize) -> usize {
        ((bytes as u64 * self.segment_bytes as u64 / length as u64) as usize * 31 / 32).max(1)
    }

    /// The entry of the segment that the first bytes make, but for its name.
    fn describe(&self, take: usize, bytes: u64) -> Entry {
        let mut zone: Option<Zone> = None;
        let mut rows = 0;
        for piece in self.pieces.iter().take_while(|piece| piece.begins.is_none_or(|begins| begins < take)) {
            let own = Zone { from: piece.t, to: (T::MAX, T::MAX) };
            zone = Some(zone.map_or(own, |zone| zone.widened(own)));
            rows += if piece.begins.is_some() { piece.datoms } else { 0 };
        }
        let zone = zone.expect("what is held belongs to a batch");
        Entry { name: Default::default(), rows, leaves: 1, zone, bytes }
    }

    fn drop_front(&mut self, take: usize) {
        self.held.drain(..take);
        while self.pieces.pop_front_if(|piece| piece.ends <= take).is_some() {}
        for piece in &mut self.pieces {
            piece.ends -= take;
            piece.begins = piece.begins.and_then(|begins| begins.checked_sub(take));
        }
        if let Some(first) = self.pieces.front() {
            self.start = Position { seq: first.seq, before: first.length - first.ends as u64 };
        }
    }
}
