//! Finding the packed log again though every root is lost: by listing all segments of the database, and those of the
//! past that it shares.
//!
//! Each log segment says where it begins and of which log generation it is, and its bytes say where it ends. Inside a
//! generation all segments hold the same stream, so those that follow each other are the log, whichever job wrote
//! them; a job that did not publish may have left some that overlap others or lead nowhere. Taken is, of all ways from
//! the first batch on, the one that leads furthest; of generations that lead as far the newest, in which more was
//! removed; and at a place where several segments lead as far, that of the newest writer.
//!
//! What was found is held against the chain from the first batch on. Whether it ends where the slots go on is told
//! when the log is opened.

use std::collections::BTreeMap;

use super::pack::Packed;
use super::read::{self, Frames};
use super::segment::{Position, Segment};
use crate::backend::{DatabaseId, SegmentId, settle};
use crate::datom::{Order, T};
use crate::error::{Error, Result};
use crate::frame::{self, Kind};
use crate::log::{Chain, LogBatch};
use crate::root::Root;
use crate::tree::builder::Builder;
use crate::tree::nodes::Nodes;
use crate::tree::writer::Writer;
use crate::tree::{Entry, Name, Shape, Zone};

/// How many segments are listed and read at once.
const AT_ONCE: usize = 64;

/// Finds the packed log, and puts a new tree over its segments. Nothing is durable before [`Writer::flush`].
pub(crate) fn recover(nodes: &Nodes, segment_bytes: usize, out: &mut Writer<'_>) -> Result<Packed> {
    let path = longest(&listed(nodes)?);
    let (entries, packed) = described(nodes, &path)?;
    let mut builder = Builder::new(Order::Eavt, Shape::Open, segment_bytes);
    for (Piece { start, .. }, entry) in path.iter().zip(entries) {
        builder.entry(out, entry, &start.key())?;
    }
    Ok(Packed { tree: builder.finish(out)?, ..packed })
}

/// A log segment that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Piece {
    generation: u64,
    start: Position,
    end: Position,
    name: Name,
    bytes: u64,
}

/// All log segments of the database that are whole, and those of its ancestors that end before it parted from them.
fn listed(nodes: &Nodes) -> Result<Vec<Piece>> {
    let mut pieces = Vec::new();
    for (member, end) in nodes.lineage.members() {
        listed_of(nodes, member, Position::of(end), &mut pieces)?;
    }
    Ok(pieces)
}

fn listed_of(nodes: &Nodes, database: DatabaseId, end: Position, pieces: &mut Vec<Piece>) -> Result<()> {
    let mut after = None;
    loop {
        let ids = settle::repeat(|| nodes.storage.list_segments(database, after, AT_ONCE))?;
        let Some(last) = ids.last() else { return Ok(()) };
        after = Some(*last);
        let found = settle::repeat(|| nodes.storage.read_segments(&ids))?;
        let whole = ids.iter().zip(found).filter_map(|(id, bytes)| piece(*id, &bytes?));
        pieces.extend(whole.filter(|piece| piece.end <= end));
    }
}

/// None if it is something else, or damaged: then the way leads elsewhere, or ends.
fn piece(id: SegmentId, bytes: &[u8]) -> Option<Piece> {
    if frame::kind(bytes) != Some(Kind::LogSegment) {
        return None;
    }
    let segment = Segment::open(id.database, bytes, &id.to_string()).ok()?;
    let SegmentId { epoch, job, ordinal, .. } = id;
    Some(Piece {
        generation: segment.generation,
        start: segment.start,
        end: segment.end()?,
        name: Name { epoch, job, ordinal },
        bytes: bytes.len() as u64,
    })
}

/// Segments that follow each other from the first batch on.
fn longest(pieces: &[Piece]) -> Vec<Piece> {
    let mut generations: BTreeMap<u64, Vec<Piece>> = BTreeMap::new();
    for piece in pieces {
        generations.entry(piece.generation).or_default().push(*piece);
    }
    let paths = generations.into_values().map(longest_of_one);
    // The last of the furthest: the newest.
    paths.max_by_key(|path| path.last().map(|piece| piece.end)).unwrap_or_default()
}

fn longest_of_one(mut pieces: Vec<Piece>) -> Vec<Piece> {
    // For each place, how far one comes from there, and the first step.
    let mut reach: BTreeMap<Position, (Position, Piece)> = BTreeMap::new();
    pieces.sort_by_key(|piece| std::cmp::Reverse(piece.start));
    for piece in pieces {
        let beyond = reach.get(&piece.end).map(|(furthest, _)| *furthest);
        // In the middle of a batch it does not end.
        let furthest = beyond.max((piece.end.before == 0).then_some(piece.end));
        let is_better = |(known, other): &(Position, Piece)| {
            (Some(*known), other.name.epoch, other.end) < (furthest, piece.name.epoch, piece.end)
        };
        if let Some(furthest) = furthest
            && reach.get(&piece.start).is_none_or(is_better)
        {
            reach.insert(piece.start, (furthest, piece));
        }
    }
    let (mut path, mut at) = (Vec::new(), Position::default());
    while let Some((_, piece)) = reach.get(&at) {
        path.push(*piece);
        at = piece.end;
    }
    path
}

/// The entries of segments that follow each other, and what the log they make says beside.
fn described(nodes: &Nodes, path: &[Piece]) -> Result<(Vec<Entry>, Packed)> {
    let entry = |piece: &Piece| {
        let zone = Zone { from: (T::MAX, 0), to: (T::MAX, T::MAX) };
        Entry { name: piece.name, rows: 0, leaves: 1, zone, bytes: piece.bytes }
    };
    let mut entries: Vec<Entry> = path.iter().map(entry).collect();
    let mut segments = entries.clone().into_iter();
    let source = move || segments.next().map(|entry| read::segment(nodes, &entry)).transpose();
    let mut frames = Frames::new(nodes.lineage.clone(), Box::new(source))?;
    let mut chain = Chain::new(nodes.lineage.clone());
    let mut packed = Packed::of(&Root::empty(nodes.lineage.origin()));
    let (mut at, mut t) = (0, 0);
    while let Some((_, frame)) = frames.next()? {
        let batch = chain.accept(&frame)?;
        packed.pass(&batch);
        at = account(&batch, &mut t, path, &mut entries, at);
    }
    packed.end = chain.end();
    match path.last() {
        Some(last) if last.end != Position::of(packed.end.seq) => {
            let what = format!("it ends with {:?}, its segments with {:?}", packed.end.seq, last.end);
            Err(Error::corrupt(format!("packed log of database {}", nodes.lineage.database()), what))
        }
        _ => Ok((entries, packed)),
    }
}

/// Adds a batch to the entries of the segments it lies in, the first of which is not before `at`; gives the last.
fn account(batch: &LogBatch, t: &mut T, path: &[Piece], entries: &mut [Entry], mut at: usize) -> usize {
    let start = Position::of(batch.seq);
    while path[at].end <= start {
        at += 1;
    }
    let first = batch.txs.first().map_or(*t, |tx| tx.t);
    *t = batch.txs.last().map_or(*t, |tx| tx.t);
    entries[at].rows += batch.txs.iter().map(|tx| tx.datoms.len() as u64).sum::<u64>();
    loop {
        let zone = &mut entries[at].zone;
        *zone = zone.widened(Zone { from: (first, *t), ..*zone });
        if path.get(at + 1).is_none_or(|next| next.start.seq > batch.seq) {
            return at;
        }
        at += 1;
    }
}
