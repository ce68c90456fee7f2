//! The model of a log that several write to: what there is, and what must never be.
//!
//! ```text
//!   clients ── requests ──> writers ── batches ──> puts on their way ──> slots, each filled once
//!                             └ view: what each has read of the slots
//! ```
//!
//! A request is accepted, or refused because of another that was accepted before it. Requests with a key are recorded
//! either way and may be sent again, to any writer, at any time; those without are sent once. Nobody says who leads:
//! each writer may take itself for the leader whenever it likes, which is the worst a hint can do. A process that is
//! paused is one to which nothing happens for a while. What may happen is in `acts`.

use std::hash::{Hash, Hasher};

/// The most there is of anything.
pub(crate) const WRITERS: usize = 3;
pub(crate) const REQUESTS: usize = 3;
pub(crate) const SLOTS: usize = 6;
pub(crate) const STRAYS: usize = 2;

/// How large the model is.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) writers: usize,
    pub(crate) requests: usize,
    pub(crate) slots: usize,
    /// Puts without a writer that waits for them.
    pub(crate) strays: usize,
    /// Writers that have the same request at the same time.
    pub(crate) copies: usize,
    /// The requests that have a key.
    pub(crate) keyed: u8,
    /// Who was answered may not have heard it, and asks again.
    pub(crate) asks_again: bool,
}

/// A batch. Its id is random in truth; here it is a small number that no other batch has.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Batch {
    pub(crate) id: u8,
    /// The batch it was built on; 0 if it is the first.
    pub(crate) previous: u8,
    pub(crate) epoch: u8,
    /// Who wrote it; an earlier life of a writer counts as another.
    pub(crate) writer: u8,
    pub(crate) accepted: u8,
    /// Requests with a key that were refused.
    pub(crate) refused: u8,
}

impl Hash for Batch {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Batch { id, previous, epoch, writer, accepted, refused } = *self;
        state.write_u64(u64::from_le_bytes([id, previous, epoch, writer, accepted, refused, 0, 0]));
    }
}

impl Batch {
    pub(crate) fn recorded(&self) -> u8 {
        self.accepted | self.refused
    }
}

pub(crate) type Slots = [Option<Batch>; SLOTS];

/// A put on its way to the storage.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Stray {
    pub(crate) slot: u8,
    pub(crate) batch: Batch,
}

/// How far an append is.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    /// On its way to the storage.
    Sent,
    /// The slot was filled with it, and its reply is on the way.
    Done,
    /// Its reply is lost.
    InDoubt,
}

/// An append that a writer waits for.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Flight {
    pub(crate) slot: u8,
    pub(crate) batch: Batch,
    pub(crate) stage: Stage,
    /// Refused without a record because of what is in the batch: to be told so once it is durable.
    pub(crate) refusals: u8,
    /// It was given up before, and its clients were told that they will not hear of it.
    pub(crate) is_old: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Writer {
    /// The slots it has read, all below its end.
    pub(crate) view: Slots,
    /// The highest epoch it has seen; its own if it leads.
    pub(crate) epoch: u8,
    pub(crate) leads: bool,
    /// Requests that are not judged yet.
    pub(crate) waiting: u8,
    pub(crate) flight: Option<Flight>,
    /// A batch whose outcome it does not know, and waits for no more.
    pub(crate) unsettled: Option<Batch>,
    /// What it judges on lacks its own last batch: wrong.
    pub(crate) forgot: bool,
}

/// What a client was told last.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) enum Told {
    #[default]
    Nothing,
    /// It is in this slot, accepted or refused.
    Recorded(u8, bool),
    /// It was refused, and is not in the log.
    Refused,
    /// It was not written, whatever it was.
    NotWritten,
    /// Nobody knows; it has no key and is not sent again.
    Unknown,
}

#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct World {
    pub(crate) slots: Slots,
    /// Slots that were packed and deleted: the first so many. What was in them is still read, elsewhere.
    pub(crate) deleted: u8,
    pub(crate) strays: [Option<Stray>; STRAYS],
    pub(crate) writers: [Writer; WRITERS],
    pub(crate) sent: u8,
    pub(crate) told: [Told; REQUESTS],
    /// Somebody was told two things that cannot both be true.
    pub(crate) is_contradicted: bool,
}

/// The first slot that is empty.
pub(crate) fn end(slots: &Slots) -> usize {
    slots.iter().position(Option::is_none).unwrap_or(SLOTS)
}

pub(crate) fn bits(of: u8) -> impl Iterator<Item = usize> {
    (0..REQUESTS).filter(move |request| of & (1 << request) != 0)
}

/// The slot in which a request is recorded, and whether it was accepted.
pub(crate) fn recorded(slots: &Slots, request: usize) -> Option<(u8, bool)> {
    let bit = 1 << request;
    let at = slots.iter().position(|batch| batch.is_some_and(|batch| batch.recorded() & bit != 0))?;
    Some((at as u8, slots[at]?.accepted & bit != 0))
}

/// Requests 0 and 1 cannot both be accepted: it is refused if the other was.
pub(crate) fn is_refused(request: usize, accepted: u8) -> bool {
    request < 2 && accepted & (1 << (1 - request)) != 0
}

pub(crate) fn accepted(slots: &Slots) -> u8 {
    slots.iter().flatten().fold(0, |all, batch| all | batch.accepted)
}

impl World {
    /// What is true and must not be.
    pub(crate) fn broken(&self) -> Option<&'static str> {
        let filled = end(&self.slots);
        if self.slots[filled..].iter().any(Option::is_some) {
            return Some("a slot is filled above an empty one");
        }
        let log = &self.slots[..filled];
        let (mut previous, mut seen, mut taken) = (0, 0, 0);
        for batch in log.iter().flatten() {
            if batch.previous != previous {
                return Some("a batch was not built on what stands below it");
            }
            if batch.recorded() & seen != 0 {
                return Some("a request is in the log twice");
            }
            for request in bits(batch.recorded()) {
                let was_refused = batch.refused & (1 << request) != 0;
                if is_refused(request, taken) != was_refused {
                    return Some("a request was not judged on what stands below it");
                }
                taken |= batch.accepted & (1 << request);
            }
            (previous, seen) = (batch.id, seen | batch.recorded());
        }
        Self::broken_epochs(log).or_else(|| self.broken_answers())
    }

    fn broken_epochs(log: &[Option<Batch>]) -> Option<&'static str> {
        for (below, above) in log.iter().flatten().zip(log.iter().flatten().skip(1)) {
            if above.epoch < below.epoch {
                return Some("a batch stands above one of a higher epoch");
            }
        }
        // Of those below it was found out when they were the last.
        match log {
            [.., Some(below), Some(above)] if above.epoch == below.epoch && above.writer != below.writer => {
                Some("two writers have one epoch")
            }
            _ => None,
        }
    }

    fn broken_answers(&self) -> Option<&'static str> {
        if self.is_contradicted {
            return Some("two answers contradict each other");
        }
        for (request, told) in self.told.iter().enumerate() {
            let there = recorded(&self.slots, request);
            match told {
                Told::Recorded(slot, accepted) if there != Some((*slot, *accepted)) => {
                    return Some("an acknowledged request is not where it was said to be");
                }
                Told::Refused | Told::NotWritten if there.is_some() => {
                    return Some("a request that was said not to be written is in the log");
                }
                _ => {}
            }
        }
        None
    }

    /// The same state, written in the one way in which it is compared: ids in the order they are met; puts that can do
    /// nothing any more left out, and writers whom no batch to come is compared with.
    pub(crate) fn normal(mut self, can_refill: bool) -> World {
        let slots = self.slots;
        for stray in &mut self.strays {
            stray.take_if(|stray| !can_refill && slots[usize::from(stray.slot)].is_some());
        }
        let last = end(&slots).saturating_sub(2);
        let views = self.writers.iter_mut().flat_map(|writer| &mut writer.view);
        for batch in self.slots[..last].iter_mut().chain(views).flatten() {
            batch.writer = 0;
        }
        self.strays.sort_by_key(|stray| stray.map_or((1, None), |stray| (0, Some(stray))));
        let mut ids = [0u8; 64];
        let mut next = 0;
        self.each_batch(|batch| {
            for id in [&mut batch.previous, &mut batch.id] {
                if *id != 0 {
                    let new = &mut ids[usize::from(*id)];
                    if *new == 0 {
                        next += 1;
                        *new = next;
                    }
                    *id = *new;
                }
            }
        });
        self
    }

    /// A number no batch has.
    pub(crate) fn free_id(&mut self) -> u8 {
        let mut highest = 0;
        self.each_batch(|batch| highest = highest.max(batch.id).max(batch.previous));
        highest + 1
    }

    /// Every batch, wherever it is.
    pub(crate) fn each_batch(&mut self, mut visit: impl FnMut(&mut Batch)) {
        self.slots.iter_mut().flatten().for_each(&mut visit);
        for writer in &mut self.writers {
            writer.view.iter_mut().flatten().for_each(&mut visit);
            if let Some(flight) = &mut writer.flight {
                visit(&mut flight.batch);
            }
            writer.unsettled.iter_mut().for_each(&mut visit);
        }
        self.strays.iter_mut().flatten().for_each(|stray| visit(&mut stray.batch));
    }
}
