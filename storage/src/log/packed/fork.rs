//! The packed log of a fork: segments of its parent as far as they go, and the rest of the shared past.
//!
//! ```text
//!   parent   [ segment ][ segment ][ segment ][ slot ][ slot ][ slot ]
//!   fork     [  named  ][  named  ][    written anew    ]  last: the batch of the last shared transaction, cut after it
//! ```
//!
//! No frame below the fork's first batch is changed. That first batch is the one of the parent that holds the last
//! shared transaction, without what came after it, sealed for the fork: it continues the parent's frame before it, and
//! also fills the fork's first slot.

use super::pack::{Packed, Slots, Work};
use super::read;
use super::segment::Position;
use crate::backend::Lineage;
use crate::datom::T;
use crate::error::{Error, Result};
use crate::frame::{self, Kind};
use crate::log::{LogBatch, batch, chain, excise};
use crate::root::{LogEnd, Root};
use crate::tree::key::Bounds;
use crate::tree::nodes::Nodes;
use crate::tree::walk::{Stop, Walk};
use crate::tree::writer::Writer;

/// Packs the shared past of a fork whose parent has this root; gives the frame of its first batch too.
///
/// Nothing is durable before [`Writer::flush`].
pub(crate) fn fork(
    parent: &Nodes,
    old: &Root,
    fork: &Lineage,
    segment_bytes: usize,
    out: &mut Writer<'_>,
) -> Result<(Packed, Vec<u8>)> {
    let first = fork.first();
    // Counters and epochs of a later end would do no harm, but each batch tells its own.
    let before = if old.log_end.seq <= first { Packed::of(old) } else { Packed::of(&Root::default()) };
    let mut work = Work::new(fork.clone(), read::generation(parent, &old.log)?, segment_bytes, before);
    work.builder.remember(parent, &old.log)?;
    let from = keep(&mut work, parent, old, first, out)?;
    let mut batches = read::batches(parent, &old.log, from)?;
    let mut last = None;
    while last.is_none()
        && let Some((batch, frame)) = batches.next()?
    {
        last = take(&mut work, first, (batch, frame), out)?;
    }
    // What was removed for ever may stand in slots still.
    work.excise = &old.excisions;
    let mut slots = Slots::after(parent, &old.log_end, Some(T::MAX - 1));
    while last.is_none()
        && let Some((batch, frame)) = slots.next()?
    {
        last = take(&mut work, first, (batch, frame), out)?;
    }
    let missing = || Error::corrupt(parent.lineage.place(first), "it is missing, a fork is to part from it");
    let cut = cut(&last.ok_or_else(missing)?, parent, old, fork)?;
    let end = LogEnd { seq: first + 1, t: fork.parted().map(|t| t + 1), previous: frame::checksum(&cut) };
    let own = chain::open(fork.database(), &cut, &fork.place(first))?.stored.batch;
    work.take((own, cut.clone()), out)?;
    Ok((work.finish(end, out)?, cut))
}

/// Takes a batch of the shared past; gives the frame of the first that is the fork's own.
fn take(
    work: &mut Work<'_>,
    first: u64,
    (batch, frame): (LogBatch, Vec<u8>),
    out: &mut Writer<'_>,
) -> Result<Option<Vec<u8>>> {
    if batch.seq == first {
        return Ok(Some(frame));
    }
    work.take((batch, frame), out)?;
    Ok(None)
}

/// Names the segments again that end where a batch begins or before; gives the batch from which on the rest is taken
/// anew.
fn keep(work: &mut Work<'_>, parent: &Nodes, old: &Root, first: u64, out: &mut Writer<'_>) -> Result<u64> {
    let end = Position::of(first).key();
    let mut walk = Walk::new(parent, &old.log, &Bounds::all())?;
    let mut last: Option<Stop> = None;
    while let Some(stop) = walk.next()?.filter(|stop| *stop.lower() <= *end) {
        if let Some(stop) = last.replace(stop) {
            work.builder.entry(out, stop.entry, stop.lower())?;
        }
    }
    let Some(last) = last else { return Ok(0) };
    let start = read::segment(parent, &last.entry)?.start;
    work.packer.begin(start, last.entry.zone.from.0);
    Ok(start.seq)
}

/// The frame of a batch as far as a fork shares it, sealed for the fork.
fn cut(frame: &[u8], parent: &Nodes, old: &Root, fork: &Lineage) -> Result<Vec<u8>> {
    let (seq, end) = (fork.first(), fork.parted().unwrap_or(T::MAX));
    let opened = chain::open(parent.lineage.writer_of(seq), frame, &parent.lineage.place(seq))?;
    let mut stored = opened.stored;
    stored.batch.txs.retain(|tx| tx.t <= end);
    if stored.batch.txs.last().is_none_or(|last| last.t != end) {
        let what = format!("a fork parts from it at transaction {end}, which it does not hold");
        return Err(Error::corrupt(parent.lineage.place(seq), what));
    }
    excise::remove(&mut stored.batch, &old.excisions);
    let mut payload = Vec::new();
    batch::encode(&stored.batch, stored.previous, None, &mut payload)?;
    frame::seal(Kind::LogBatch, batch::BATCH_VERSION, fork.database(), &payload)
}
