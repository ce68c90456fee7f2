//! Reading the packed log: from a batch or a transaction on, segment by segment.
//!
//! A frame is handed on only whole, and a batch only if its checksum, its number, and its link to the batch before it
//! in what is read are right.

use std::ops::Range;

use super::segment::{Position, Segment};
use crate::backend::Lineage;
use crate::datom::T;
use crate::error::{Error, Result};
use crate::frame;
use crate::log::chain::{self, Opened};
use crate::log::{LogBatch, LoggedTx};
use crate::root::Root;
use crate::tree::key::Bounds;
use crate::tree::nodes::Nodes;
use crate::tree::walk::Walk;
use crate::tree::{Entry, Tree};

/// Hands the packed transactions of `range` to `sink` in order, until it returns false.
pub(crate) fn read(
    nodes: &Nodes,
    root: &Root,
    range: Range<T>,
    sink: &mut dyn FnMut(LoggedTx) -> bool,
) -> Result<()> {
    let Some(found) = find(nodes, &root.log, range.start)? else { return Ok(()) };
    let mut batches = Batches::new(frames_at(nodes, &root.log, found.key)?);
    while let Some((batch, _)) = batches.next()? {
        for tx in batch.txs {
            if tx.t >= range.end || (tx.t >= range.start && !sink(tx)) {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// The packed batch that holds a transaction, if one does.
pub(crate) fn batch_of(nodes: &Nodes, root: &Root, t: T) -> Result<Option<u64>> {
    let Some(found) = find(nodes, &root.log, t)? else { return Ok(None) };
    let mut batches = Batches::new(frames_at(nodes, &root.log, found.key)?);
    while let Some((batch, _)) = batches.next()? {
        if batch.txs.last().is_some_and(|last| last.t >= t) {
            return Ok(Some(batch.seq));
        }
    }
    Ok(None)
}

/// How many datoms the packed transactions after `t` have; up to a segment more. Reads directories only.
pub(crate) fn datoms_after(nodes: &Nodes, root: &Root, t: T) -> Result<u64> {
    let Some(next) = t.checked_add(1) else { return Ok(0) };
    Ok(find(nodes, &root.log, next)?.map_or(0, |found| root.log.rows - found.rank))
}

/// Where a transaction's batch begins, or the next one's.
struct Found {
    /// The segment's key.
    key: Vec<u8>,
    /// Datoms of batches that begin before the segment.
    rank: u64,
}

/// The first segment that reaches a transaction. Times ascend along the tree: all before it end earlier.
fn find(nodes: &Nodes, tree: &Tree, t: T) -> Result<Option<Found>> {
    let Some(mut node) = tree.node() else { return Ok(None) };
    let mut rank = 0;
    loop {
        let directory = nodes.directory(&node)?;
        let child = directory.entries.partition_point(|entry| entry.zone.from.1 < t);
        let Some(entry) = directory.entries.get(child) else { return Ok(None) };
        rank += directory.ranks[child];
        if directory.level == 1 {
            return Ok(Some(Found { key: directory.key(child).to_vec(), rank }));
        }
        node = entry.node(directory.level - 1);
    }
}

/// The packed frames from batch `seq` on.
pub(crate) fn frames<'n>(nodes: &'n Nodes, tree: &Tree, seq: u64) -> Result<Frames<'n>> {
    let mut frames = frames_at(nodes, tree, Position::of(seq).key())?;
    frames.skip_to(seq)?;
    Ok(frames)
}

/// The packed batches from `seq` on, with their frames.
pub(super) fn batches<'n>(nodes: &'n Nodes, tree: &Tree, seq: u64) -> Result<Batches<'n>> {
    Ok(Batches::new(frames(nodes, tree, seq)?))
}

/// The frames that begin in the segment that holds a key, or after it.
fn frames_at<'n>(nodes: &'n Nodes, tree: &Tree, key: Vec<u8>) -> Result<Frames<'n>> {
    let mut walk = Walk::new(nodes, tree, &Bounds { low: key, high: None })?;
    let source = move || {
        let Some(stop) = walk.next()? else { return Ok(None) };
        let segment = segment(nodes, &stop.entry)?;
        if stop.lower() != segment.start.key() {
            let what = format!("it begins with {:?}, its parent says otherwise", segment.start);
            let place = stop.entry.name.of(nodes.lineage.database()).to_string();
            return Err(Error::corrupt(place, what));
        }
        Ok(Some(segment))
    };
    Frames::new(nodes.lineage.clone(), Box::new(source))
}

/// The log generation of a tree's segments.
pub(super) fn generation(nodes: &Nodes, tree: &Tree) -> Result<u64> {
    let first = Walk::new(nodes, tree, &Bounds::all())?.next()?;
    first.map_or(Ok(0), |stop| Ok(segment(nodes, &stop.entry)?.generation))
}

/// A segment of the log.
pub(super) fn segment(nodes: &Nodes, entry: &Entry) -> Result<Segment> {
    let (database, bytes) = nodes.segment(entry.name)?;
    Segment::open(database, &bytes, &entry.name.of(database).to_string())
}

type Source<'s> = Box<dyn FnMut() -> Result<Option<Segment>> + 's>;

/// A stream of frames, put together from segments that follow each other.
pub(crate) struct Frames<'s> {
    lineage: Lineage,
    source: Source<'s>,
    /// Bytes of the stream, from the next frame on.
    held: Vec<u8>,
    at: usize,
    seq: u64,
    /// Where the next segment must begin.
    next: Option<Position>,
}

impl<'s> Frames<'s> {
    /// The frames that begin in the segments of a source.
    pub(super) fn new(lineage: Lineage, source: Source<'s>) -> Result<Frames<'s>> {
        let mut frames = Frames { lineage, source, held: Vec::new(), at: 0, seq: 0, next: None };
        if let Some(segment) = (frames.source)()? {
            frames.seq = segment.start.seq;
            let goes_on = segment.start.before > 0;
            let left = segment.left;
            frames.append(segment)?;
            if goes_on {
                frames.fill(left as usize)?;
                frames.take(left as usize);
            }
        }
        Ok(frames)
    }

    /// The next frame and the number of its batch.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, Vec<u8>)>> {
        let Some(length) = self.length()? else { return Ok(None) };
        self.fill(length)?;
        let frame = self.held[self.at..self.at + length].to_vec();
        let seq = self.seq;
        self.take(length);
        Ok(Some((seq, frame)))
    }

    /// Goes on to a batch.
    fn skip_to(&mut self, seq: u64) -> Result<()> {
        while self.seq < seq
            && let Some(length) = self.length()?
        {
            self.fill(length)?;
            self.take(length);
        }
        Ok(())
    }

    /// How long the next frame is; none at the end.
    fn length(&mut self) -> Result<Option<usize>> {
        if self.at == self.held.len() && !self.load()? {
            return Ok(None);
        }
        self.fill(frame::HEADER_BYTES)?;
        let length = frame::length(&self.held[self.at..]);
        length.map(Some).ok_or_else(|| self.corrupt("there is no frame".into()))
    }

    /// Goes on past bytes of the next batch, up to its end.
    fn take(&mut self, length: usize) {
        self.at += length;
        self.seq += 1;
    }

    /// Holds so many bytes from the next frame on.
    fn fill(&mut self, length: usize) -> Result<()> {
        while self.held.len() - self.at < length {
            if !self.load()? {
                return Err(self.corrupt("the packed log ends inside of it".into()));
            }
        }
        Ok(())
    }

    fn load(&mut self) -> Result<bool> {
        let Some(segment) = (self.source)()? else { return Ok(false) };
        if self.next.is_some_and(|next| segment.start != next) {
            let what = format!("a segment that begins with {:?}, expected {:?}", segment.start, self.next);
            return Err(self.corrupt(what));
        }
        self.append(segment)?;
        Ok(true)
    }

    fn append(&mut self, segment: Segment) -> Result<()> {
        self.next = segment.end();
        if self.next.is_none() {
            return Err(self.corrupt(format!("no frames in the segment from {:?} on", segment.start)));
        }
        self.held.drain(..self.at);
        self.at = 0;
        self.held.extend_from_slice(&segment.bytes);
        Ok(())
    }

    fn corrupt(&self, what: String) -> Error {
        Error::corrupt(place(&self.lineage, self.seq), what)
    }
}

fn place(lineage: &Lineage, seq: u64) -> String {
    format!("packed {}", lineage.place(seq))
}

/// Batches of a stream of frames, each held against the one before.
pub(super) struct Batches<'s> {
    frames: Frames<'s>,
    /// What the next batch must name, and the number of its first transaction, once they are known.
    link: Option<u128>,
    t: Option<T>,
}

impl<'s> Batches<'s> {
    fn new(frames: Frames<'s>) -> Batches<'s> {
        Batches { frames, link: None, t: None }
    }

    /// The next batch and its frame.
    pub(super) fn next(&mut self) -> Result<Option<(LogBatch, Vec<u8>)>> {
        let Some((seq, frame)) = self.frames.next()? else { return Ok(None) };
        let lineage = &self.frames.lineage;
        let place = place(lineage, seq);
        let Opened { stored, link } = chain::open(lineage.writer_of(seq), &frame, &place)?;
        let batch = stored.batch;
        if batch.seq != seq {
            return Err(Error::corrupt(place, format!("batch number {}, expected {seq}", batch.seq)));
        }
        if self.link.is_some_and(|link| stored.previous != link) {
            let what = format!("it continues frame {:032x}, not the one before it", stored.previous);
            return Err(Error::corrupt(place, what));
        }
        self.link = Some(link);
        for tx in &batch.txs {
            if let Some(expected) = self.t.replace(tx.t + 1).filter(|expected| *expected != tx.t) {
                return Err(Error::corrupt(place, format!("transaction {}, expected {expected}", tx.t)));
            }
        }
        Ok(Some((batch, frame)))
    }
}
