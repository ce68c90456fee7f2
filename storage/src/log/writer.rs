//! The log of one database, as the one who appends holds it.
//!
//! One append is in flight at most. Its slot is the next one after all that was read and applied, and filling it is
//! the fence: whoever fills it was built on exactly what stands below. An append whose outcome stays unknown is kept,
//! and nothing else is written before it is settled.

use std::sync::Arc;

use super::chain;
use super::reader::{Known, LogReader, READ_AHEAD};
use super::{Appended, Chain, LogBatch};
use crate::backend::{Filled, Lineage, Sequence, Storage, settle, within_limits};
use crate::datom::T;
use crate::error::{Error, Result};
use crate::frame;
use crate::rest::Rest;
use crate::root::LogEnd;

/// The log of one database. It knows its end; only one thread appends.
#[derive(Debug)]
pub struct Log {
    storage: Arc<dyn Storage>,
    lineage: Lineage,
    chain: Chain,
    known: Known,
    /// The frame of an append whose outcome is not known yet.
    unsettled: Option<Vec<u8>>,
}

impl Log {
    /// Opens the log of a database after what a root packed, and hands every batch from there on to `apply`, oldest
    /// first, without facts that were removed for ever. Batches below are not read.
    ///
    /// A flipped byte, a missing slot or a broken chain is an error that names the slot; so is a root that is older
    /// than one which packed more.
    pub fn open(
        storage: Arc<dyn Storage>,
        database: impl Into<Lineage>,
        rest: &Rest,
        apply: &mut dyn FnMut(LogBatch) -> Result<()>,
    ) -> Result<Log> {
        let root = rest.inner.as_ref().map(|inner| &inner.root);
        let lineage = database.into();
        let chain = match root {
            Some(root) => Chain::after(lineage.clone(), &root.log_end),
            None => Chain::new(lineage.clone()),
        };
        let known = Known::above(rest, !storage.limits().exclusive);
        let mut log = Log { storage, lineage, chain, known, unsettled: None };
        if let Some(root) = root {
            log.refuse_older(&root.log_end)?;
        }
        log.catch_up(apply)?;
        log.refuse_gap()?;
        Ok(log)
    }

    /// The last batch that was packed stands in its slot still, whoever deleted those before: if it does not, or is
    /// another, this is not the root that the log goes on from.
    fn refuse_older(&self, end: &LogEnd) -> Result<()> {
        let Some(last) = end.seq.checked_sub(1) else { return Ok(()) };
        let slots = self.lineage.slots(&*self.storage, last, 1)?;
        let place = self.lineage.place(last);
        let Some(bytes) = slots.first() else {
            let what = "it is missing, the last that the newest root packed: a newer root packed more, or it is lost";
            return Err(Error::corrupt(place, what));
        };
        let link = chain::link(self.lineage.database(), bytes, &place)?;
        if link != end.previous {
            let what = format!("its frame is {link:032x}, the newest root packed {:032x}", end.previous);
            return Err(Error::corrupt(place, what));
        }
        Ok(())
    }

    /// Reads on to the end of the log, which others may have moved, and hands every batch to `apply`.
    pub fn catch_up(&mut self, apply: &mut dyn FnMut(LogBatch) -> Result<()>) -> Result<()> {
        loop {
            let batches = self.read_on()?;
            if batches.is_empty() {
                return Ok(());
            }
            batches.into_iter().try_for_each(&mut *apply)?;
        }
    }

    /// The next batches that others have appended, some at a time; none at the end of the log.
    pub fn read_on(&mut self) -> Result<Vec<LogBatch>> {
        let frames = self.lineage.slots(&*self.storage, self.next_seq(), READ_AHEAD)?;
        self.accept_all(&frames)
    }

    /// Goes on past frames that stand in the log from slot `first` on, as somebody who has read them says; those that are
    /// known already are passed over, and nothing is taken after a gap.
    pub fn take_frames(&mut self, first: u64, frames: &[Vec<u8>]) -> Result<Vec<LogBatch>> {
        let Some(known) = self.next_seq().checked_sub(first) else { return Ok(Vec::new()) };
        let known = usize::try_from(known).unwrap_or(usize::MAX);
        self.accept_all(frames.get(known..).unwrap_or_default())
    }

    /// Those before the first that is not sound are given, for they are passed; it fails by that one when it is the first.
    fn accept_all(&mut self, frames: &[Vec<u8>]) -> Result<Vec<LogBatch>> {
        let mut batches = Vec::new();
        for bytes in frames {
            match self.accept(bytes) {
                Ok(batch) => batches.push(batch),
                Err(error) if batches.is_empty() => return Err(error),
                Err(_) => break,
            }
        }
        Ok(batches)
    }

    fn accept(&mut self, bytes: &[u8]) -> Result<LogBatch> {
        let mut batch = self.chain.accept(bytes)?;
        // Whatever stands in its slot, an append in doubt is settled by it.
        self.unsettled = None;
        self.known.excise(&mut batch);
        self.known.push(&batch, bytes, self.chain.next_t());
        Ok(batch)
    }

    /// A filled slot right after an empty one: the one between is lost. Another writer may have filled both since,
    /// so the empty one is looked at again.
    fn refuse_gap(&self) -> Result<()> {
        let empty = self.next_seq();
        let filled =
            |number| -> Result<bool> { Ok(!self.lineage.slots(&*self.storage, number, 1)?.is_empty()) };
        if filled(empty + 1)? && !filled(empty)? {
            let what = format!("it is missing, slot {} is there", self.lineage.slot(empty + 1)?);
            return Err(Error::corrupt(self.lineage.place(empty), what));
        }
        if empty == 0 {
            self.refuse_lost_root()?;
        }
        Ok(())
    }

    /// A log of nothing, where something was put to rest: what packed it is lost.
    fn refuse_lost_root(&self) -> Result<()> {
        let segments = settle::repeat(|| self.storage.list_segments(self.lineage.database(), None, 1))?;
        match segments.first() {
            Some(segment) => {
                let what = format!("it is missing, and so is every root, but {segment} is there");
                Err(Error::corrupt(self.lineage.place(0), what))
            }
            None => Ok(()),
        }
    }

    /// The number the next batch must have.
    pub fn next_seq(&self) -> u64 {
        self.chain.next_seq()
    }

    /// The number the next transaction must have; 0 in an empty log, which may also begin with 1.
    pub fn next_t(&self) -> T {
        self.chain.next_t()
    }

    /// Writes a batch to its slot, which must be the next; settles an unknown outcome by reading back.
    ///
    /// After [`Error::OutcomeUnknown`] the same batch may be handed in again. Another one is not written before the
    /// first is settled: if that turns out to be durable, it is given back as [`Appended::Taken`].
    pub fn append(&mut self, batch: &LogBatch) -> Result<Appended> {
        let ours = self.chain.seal(batch)?;
        within_limits(ours.len(), self.storage.limits(), || self.lineage.place(batch.seq))?;
        let (sequence, slot) = (Sequence::Log(self.lineage.database()), self.lineage.slot(batch.seq)?);
        let pending = self.unsettled.take();
        let sent = pending.as_deref().unwrap_or(&ours);
        let stands = match settle::fill(&*self.storage, sequence, slot, sent) {
            Ok(Filled::Done) => pending,
            Ok(Filled::Taken(there)) => Some(there),
            Err(error) => {
                let in_doubt = pending.is_some() || matches!(error, Error::OutcomeUnknown { .. });
                self.unsettled = in_doubt.then(|| pending.unwrap_or(ours));
                return Err(error);
            }
        };
        let stands = stands.filter(|bytes| *bytes != ours);
        let other = match &stands {
            Some(bytes) => Some(self.chain.accept(bytes)?),
            None => {
                self.chain.pass(batch, frame::checksum(&ours));
                None
            }
        };
        let frame = stands.as_ref().unwrap_or(&ours);
        self.known.push(other.as_ref().unwrap_or(batch), frame, self.chain.next_t());
        Ok(other.map_or(Appended::Done, Appended::Taken))
    }

    /// A handle that reads transactions by number while another thread appends.
    pub fn reader(&self) -> LogReader {
        LogReader::new(Arc::clone(&self.storage), self.lineage.clone(), self.known.clone())
    }
}
