//! What a writer does while others may write: reads on in the log, and notices who leads.
//!
//! ```text
//!   follows ──request, and it is its turn──> claims: a batch of a higher epoch ──slot filled──> leads
//!      │  ^                                                                                       │
//!      │  └──────────────────────── a batch of a higher epoch in the log ─────────────────────────┘
//!      └──request, and another's turn──> handed over
//! ```
//!
//! An epoch has one writer: its first batch was built on all of the log, so it is higher than every one before, and of
//! two with the same number only one gets the slot. Nothing is written between two looks at the log that was not judged
//! on all of it. Only who leads puts novelty to rest; who follows moves to the trees that the other has made.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use annals_storage::anomaly::Category;
use annals_storage::log::LogBatch;

use super::writer::Writer;
use super::{Errand, Submitted, gone};
use crate::database::Db;
use crate::error::{Error, Result};
use crate::excise;
use crate::home;
use crate::input::Mode;
use crate::leadership::{Leadership, Role, Stance};

/// Who has asked for a look at the log.
type Asker = SyncSender<Result<()>>;

/// How a writer stands to others.
pub(super) struct Follow {
    leadership: Arc<Leadership>,
    /// The highest epoch that was seen; its own if it leads.
    pub(super) epoch: u64,
    /// The last batch of the log is of its epoch, as far as it knows.
    pub(super) leads: bool,
    /// It does what nobody asked for: it leads, or nobody else was seen since it began.
    drives: bool,
    /// A look at the log is under way.
    pub(super) is_reading: bool,
    /// Those it is for.
    askers: Vec<Asker>,
    /// Those who asked for the next one.
    next_askers: Vec<Asker>,
    /// Another look is wanted when this one has ended.
    wants_look: bool,
    /// What waits is to be handed over as soon as nothing is under way.
    wants_hand_over: bool,
    /// Requests that are judged when the log was read on: they may rest on what others have written.
    pub(super) unread: VecDeque<Submitted>,
    /// A fence is to be written as soon as nothing is under way.
    wants_fence: bool,
    /// Frames that came meanwhile.
    fed: VecDeque<(u64, Vec<Vec<u8>>)>,
    /// How much novelty there is to be before newer trees are looked for.
    next_rows: usize,
}

impl Follow {
    pub(super) fn new(leadership: &Arc<Leadership>, epoch: u64) -> Follow {
        let alone = !leadership.is_shared();
        Follow {
            drives: leadership.stance() == Stance::Writes && leadership.role() != Role::Peer,
            leadership: Arc::clone(leadership),
            // Nobody can be in the way of who is alone: it leads from the beginning.
            epoch: if alone { epoch + 1 } else { epoch },
            leads: alone,
            is_reading: false,
            askers: Vec::new(),
            next_askers: Vec::new(),
            wants_look: false,
            wants_hand_over: false,
            unread: VecDeque::new(),
            // The one that was told to lead makes sure of it at once.
            wants_fence: !alone && leadership.role() == Role::Transactor,
            fed: VecDeque::new(),
            next_rows: 0,
        }
    }

    pub(super) fn is_shared(&self) -> bool {
        self.leadership.is_shared()
    }

    /// True if what nobody asked for is to be done here.
    pub(super) fn drives(&self) -> bool {
        self.leads || self.drives
    }

    /// The epoch of the next batch.
    pub(super) fn next_epoch(&self) -> u64 {
        if self.leads { self.epoch } else { self.epoch + 1 }
    }

    /// Its batch of this epoch stands in the log; true if it did not lead before.
    pub(super) fn leads_as(&mut self, epoch: u64) -> bool {
        self.epoch = epoch;
        self.drives = true;
        !std::mem::replace(&mut self.leads, true)
    }

    /// An epoch that others have.
    pub(super) fn note_epoch(&mut self, epoch: u64) {
        if epoch > self.epoch {
            (self.epoch, self.leads, self.drives) = (epoch, false, false);
        }
    }

    /// The log is to be read on as soon as nothing is under way.
    pub(super) fn want_look(&mut self) {
        self.wants_look |= self.is_shared();
    }

    /// After how long without a message the log is looked at; none if others cannot write, or nobody wants to know.
    pub(super) fn pause(&self) -> Option<Duration> {
        if !self.is_shared() {
            return None;
        }
        // Who leads finds out at the next append; when idle, it looks no more often than others look after it.
        let poll = self.leadership.poll()?;
        Some(if self.leads { poll.max(self.leadership.heartbeat()) } else { poll })
    }

    /// Nothing will be read any more.
    pub(super) fn end(&mut self, why: &Error) {
        for asker in self.askers.drain(..).chain(self.next_askers.drain(..)) {
            let _ = asker.send(Err(why.clone()));
        }
    }
}

/// The refusal of what only who leads may do.
pub(super) fn elsewhere(leadership: &Leadership) -> Error {
    let who = match leadership.leader().and_then(|leader| leader.address) {
        Some(address) => format!("the transactor at {address} does"),
        None => "another process may, and did not say where it can be reached".to_owned(),
    };
    let message = format!("this process does not write to the storage: {who}");
    Error::new(Category::Unavailable, "db.error/transactor-elsewhere", message)
        .with_hint("send it there; nothing was written")
}

impl Writer {
    /// Keeps a request that is to be written here; hands the others over to who leads.
    pub(super) fn keep_own(&mut self, request: Submitted) -> Option<Submitted> {
        if self.follow.leads && self.follow.leadership.role() != Role::Transactor {
            return Some(request);
        }
        if self.follow.leadership.role() == Role::Auto && self.follow.is_shared() {
            self.follow.leadership.look_for_leader();
        }
        match self.follow.leadership.stance() {
            Stance::Writes if self.follow.leads || !self.follow.is_shared() => Some(request),
            Stance::Writes => {
                self.follow.unread.push_back(request);
                self.follow.want_look();
                self.go_on();
                None
            }
            Stance::Elsewhere(_) => {
                self.hand_over_request(request);
                None
            }
        }
    }

    /// Judges a request that was received before the log was read to its end.
    fn take_read(&mut self, request: Submitted) {
        if let Some(request) = self.admit(request) {
            let entry = self.judge(request);
            self.waiting.push_back(entry);
        }
    }

    fn hand_over_request(&mut self, request: Submitted) {
        if matches!(request.request.mode, Mode::Taken | Mode::Fill(..)) {
            // Who leads finds these by itself.
            return self.shared.answer(request, Err(gone()));
        }
        self.couriers.carry(request);
    }

    /// Another may lead now, or this process.
    pub(super) fn change_stance(&mut self) {
        match self.follow.leadership.stance() {
            Stance::Writes => self.lead(),
            Stance::Elsewhere(_) => {
                // A batch on its way is settled first: what waits was judged on it.
                self.follow.wants_hand_over = true;
                self.go_on();
            }
        }
    }

    fn hand_over_all(&mut self) {
        self.head = Arc::clone(&self.durable);
        self.upkeep.forget_seal();
        let parked = std::mem::take(&mut self.upkeep.parked);
        let unread = std::mem::take(&mut self.follow.unread);
        let waiting: Vec<Submitted> = self.waiting.drain(..).map(|entry| entry.submitted).collect();
        waiting.into_iter().chain(parked).chain(unread).for_each(|request| self.hand_over_request(request));
    }

    /// This process is to lead, if it is its turn: makes sure of it before the next request.
    pub(super) fn lead(&mut self) {
        self.follow.wants_fence |= !self.follow.leads && self.follow.leadership.stance() == Stance::Writes;
        self.go_on();
    }

    /// Tells everybody whether it leads, and as which epoch.
    pub(super) fn tell_epoch(&self) {
        let epoch = if self.follow.leads { self.follow.epoch } else { 0 };
        if self.shared.epoch.swap(epoch, Ordering::AcqRel) != epoch {
            self.shared.wake();
        }
    }

    /// Looks for what others have written, unless a look is under way; then after it.
    pub(super) fn look(&mut self, asker: Option<Asker>) {
        if let Some(why) = &self.closed {
            if let Some(asker) = asker {
                let _ = asker.send(Err(why.clone()));
            }
            return;
        }
        if !self.follow.is_shared() {
            return asker.into_iter().for_each(|asker| drop(asker.send(Ok(()))));
        }
        self.follow.wants_look |= asker.is_some() || !self.follow.is_reading;
        self.follow.next_askers.extend(asker);
        self.go_on();
    }

    /// Frames that stand in the log, as who wrote them says.
    #[cfg(feature = "remote")]
    pub(super) fn fed(&mut self, first: u64, frames: Vec<Vec<u8>>) {
        if self.closed.is_none() && !self.follow.leads {
            self.follow.fed.push_back((first, frames));
            self.go_on();
        }
    }

    /// Does what is to be done with the log, if nothing is under way: looks first, so that what follows is judged on all.
    pub(super) fn go_on(&mut self) {
        if !self.is_idle() || self.closed.is_some() {
            return;
        }
        if std::mem::take(&mut self.follow.wants_hand_over)
            && self.follow.leadership.stance() != Stance::Writes
        {
            self.hand_over_all();
        }
        let errand = if std::mem::take(&mut self.follow.wants_look) {
            self.follow.askers = std::mem::take(&mut self.follow.next_askers);
            Errand::ReadOn
        } else if let Some((first, frames)) = self.follow.fed.pop_front() {
            Errand::Take(first, frames)
        } else {
            if std::mem::take(&mut self.follow.wants_fence)
                && !self.follow.leads
                && self.follow.leadership.stance() == Stance::Writes
            {
                self.send_fence();
            } else {
                self.flush();
            }
            return;
        };
        self.follow.is_reading = self.errands.send(errand).is_ok();
    }

    /// What others have written was read.
    pub(super) fn read_on(&mut self, outcome: Result<Vec<LogBatch>>, is_fed: bool) {
        self.follow.is_reading = false;
        match outcome {
            // Frames that are known, or that come after a gap.
            Ok(batches) if batches.is_empty() && is_fed => {}
            Ok(batches) if batches.is_empty() => {
                self.note_current();
                let unread = std::mem::take(&mut self.follow.unread);
                unread.into_iter().for_each(|request| self.take_read(request));
                self.follow.askers.drain(..).for_each(|asker| drop(asker.send(Ok(()))));
            }
            Ok(batches) => {
                self.apply(&batches);
                // There may be more; who asked wants the end.
                self.follow.wants_look |= !self.follow.askers.is_empty() || !self.follow.unread.is_empty();
                let askers = std::mem::take(&mut self.follow.askers);
                self.follow.next_askers.extend(askers);
            }
            Err(error) => {
                self.follow.askers.drain(..).for_each(|asker| drop(asker.send(Err(error.clone()))));
                let unread = std::mem::take(&mut self.follow.unread);
                unread.into_iter().for_each(|request| self.shared.answer(request, Err(error.clone())));
                if !matches!(error.category(), Category::Unavailable | Category::Busy | Category::Interrupted)
                {
                    self.close(error);
                }
            }
        }
        self.follow_if_due();
        if !self.upkeep.is_busy && !self.follow.leads {
            self.move_if_due();
        }
        self.go_on();
    }

    /// Other writers' batches stand in the log: goes on from them, and judges again what waits, or hands it over.
    pub(super) fn apply(&mut self, batches: &[LogBatch]) {
        let (mut basis, led) = (None, self.follow.leads);
        for batch in batches {
            self.follow.note_epoch(batch.epoch);
            match basis.as_ref().unwrap_or(&*self.durable).after_batch(batch) {
                Ok(after) => basis = Some(after),
                Err(error) => return self.close(error),
            }
            if let Some(tx) = batch.txs.iter().find(|tx| excise::is_request(tx)) {
                self.note_excision(tx.t);
            }
            self.next_batch(batch.seq + 1);
        }
        if led && !self.follow.leads {
            // Its hint may be as old as its epoch: it looks before it claims again.
            self.follow.leadership.reconsider();
        }
        let Some(basis) = basis else { return };
        self.durable = Arc::new(basis);
        self.shared.publish(Db::new(Arc::clone(&self.durable)));
        self.judge_again();
        if !self.follow.leads && self.follow.leadership.stance() != Stance::Writes {
            self.hand_over_all();
        }
    }

    /// Nobody has written anything newer, at this moment.
    pub(super) fn note_current(&self) {
        self.shared.current_at.store(self.home.gauge_micros(), Ordering::Release);
    }

    /// Moves to newer trees if there is much novelty, and the trees are there.
    fn move_if_due(&mut self) {
        let size = self.durable.snapshot.novelty().size();
        let is_due = self.home.is_due(&size) && home::rows(&size) >= self.follow.next_rows;
        if self.closed.is_some() || !(is_due || self.upkeep.is_wanted || self.shared.has_excisions()) {
            return;
        }
        let newer = self.home.newest_rest().and_then(|rest| {
            let is_newer = rest.revision() != self.upkeep.rest.revision() && !rest.has(self.durable.t + 1);
            if is_newer { self.move_to(rest) } else { Ok(()) }
        });
        match newer {
            Ok(()) => {}
            // What is there is good enough until the storage answers.
            Err(error) if error.category() == Category::Unavailable => {}
            Err(error) => self.close(error),
        }
        self.upkeep.is_wanted &= !self.upkeep.rest.has(self.durable.t);
        let rows = home::rows(&self.durable.snapshot.novelty().size());
        self.follow.next_rows = rows + rows / 8;
    }
}
