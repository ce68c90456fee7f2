//! When novelty is put to rest, and what happens to writes when that does not keep pace.
//!
//! ```text
//!   head grows past the threshold ──> sealed ──> durable reaches the seal ──> job ──> newer rest, novelty after the seal
//!   head grows past the limit     ──> requests are parked, in order ────────────────> and judged
//! ```
//!
//! One seal or job at a time: everything that is judged after a seal carries it, so whatever settles later can be put
//! over the newer rest. Writes never wait for a job but at the limit; if jobs fail there, they are refused, so that
//! nothing hangs. What failed is tried again when novelty has grown by a quarter, or when somebody asks for it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;

use annals_storage::anomaly::Category;
use annals_storage::datom::T;
use annals_storage::index::Done;
use annals_storage::novelty::{Novelty, NoveltySize};
use annals_storage::rest::Rest;

use super::Submitted;
use super::indexer::{Finished, Task};
use super::writer::Writer;
use crate::basis::Basis;
use crate::database::Db;
use crate::error::{Error, Result};
use crate::excise;
use crate::home;

/// What a job fails by if another process published first, or collected what it was to read.
const OVERTAKEN: [&str; 2] = ["db.error/root-superseded", "db.error/value-expired"];
/// True if another process was quicker.
pub(super) fn is_overtaken(error: &Error) -> bool {
    OVERTAKEN.contains(&error.keyword())
}

/// At the limit a failed job is tried again after this long, in microseconds.
const RETRY_MICROS: i64 = 1_000_000;

/// What the writer knows about rest and novelty.
pub(super) struct Upkeep {
    /// The newest root.
    pub(super) rest: Rest,
    /// Head is sealed here, and no job has taken what is under it.
    seal: Option<T>,
    /// The indexer has a task.
    pub(super) is_busy: bool,
    /// Somebody wants all that is there at rest, whatever it weighs.
    pub(super) is_wanted: bool,
    /// The job under way is for somebody who asked.
    is_asked: bool,
    failed: Option<Failed>,
    /// Another process has published a root that is to be followed.
    is_behind: bool,
    tasks: VecDeque<Task>,
    indexer: Sender<Task>,
    /// Requests that came when there was no room for more novelty.
    pub(super) parked: VecDeque<Submitted>,
    parked_since: Option<i64>,
}

/// A job that failed, and how much novelty there was.
struct Failed {
    error: Error,
    size: NoveltySize,
    at: i64,
}

impl Upkeep {
    pub(super) fn new(rest: Rest, indexer: Sender<Task>) -> Upkeep {
        Upkeep {
            rest,
            seal: None,
            is_busy: false,
            is_wanted: false,
            is_asked: false,
            failed: None,
            is_behind: false,
            tasks: VecDeque::new(),
            indexer,
            parked: VecDeque::new(),
            parked_since: None,
        }
    }

    /// What was sealed is no longer what head is made from: it has to be sealed anew.
    pub(super) fn forget_seal(&mut self) {
        self.is_wanted |= self.seal.take().is_some();
    }

    /// Put all to rest that is there, at the next opportunity.
    pub(super) fn want_all(&mut self) {
        self.is_wanted = true;
    }
}

impl Writer {
    /// True if requests have to wait until novelty is put to rest.
    pub(super) fn is_full(&self) -> bool {
        // Who is behind another process has to write to find out what it wrote; jobs are for who leads.
        self.follow.leads && !self.upkeep.is_behind && self.home.is_full(&self.head.snapshot.novelty().size())
    }

    /// Takes the request in turn if there is room for more novelty; otherwise keeps or refuses it, and gives nothing.
    pub(super) fn admit(&mut self, request: Submitted) -> Option<Submitted> {
        if self.upkeep.parked.is_empty() && !self.is_full() {
            return Some(request);
        }
        match self.failure() {
            Some(error) => {
                self.retry_at_limit();
                self.shared.answer(request, Err(error));
            }
            None => self.park(request),
        }
        None
    }

    fn park(&mut self, request: Submitted) {
        let now = self.home.gauge_micros();
        self.upkeep.parked.push_back(request);
        let mut gauges = self.home.gauges();
        gauges.parked = self.upkeep.parked.len() as u64;
        if self.upkeep.parked_since.is_none() {
            self.upkeep.parked_since = Some(now);
            gauges.stalls += 1;
        }
    }

    /// Judges what was parked, as far as there is room; refuses it if there will be none.
    fn unpark(&mut self) {
        let failure = self.failure();
        while !self.upkeep.parked.is_empty() {
            let is_full = self.is_full();
            if is_full && failure.is_none() {
                break;
            }
            let Some(request) = self.upkeep.parked.pop_front() else { break };
            match &failure {
                Some(error) if is_full => self.shared.answer(request, Err(error.clone())),
                _ => self.judge_next(request),
            }
        }
        let mut gauges = self.home.gauges();
        gauges.parked = self.upkeep.parked.len() as u64;
        if self.upkeep.parked.is_empty()
            && let Some(since) = self.upkeep.parked_since.take()
        {
            gauges.parked_micros += self.home.gauge_micros().saturating_sub(since).max(0);
        }
    }

    /// Nothing is put to rest any more, and what waits for it is refused.
    pub(super) fn end_upkeep(&mut self, why: &Error) {
        for request in std::mem::take(&mut self.upkeep.parked) {
            self.shared.answer(request, Err(why.clone()));
        }
        self.unpark();
        // Who asked for a task finds that nobody answers.
        self.upkeep.tasks.clear();
    }

    /// The error of writes that cannot wait for a job, because jobs fail.
    fn failure(&self) -> Option<Error> {
        let failed = self.upkeep.failed.as_ref()?;
        let message = format!(
            "there is no room for more novelty ({} rows), and the job that puts it to rest failed: {}",
            home::rows(&self.head.snapshot.novelty().size()),
            failed.error.message()
        );
        Some(
            Error::new(Category::Unavailable, "db.error/index-failed", message)
                .with_hint("see to the storage; writes go on once a job succeeds, reads go on meanwhile"),
        )
    }

    fn retry_at_limit(&mut self) {
        let now = self.home.gauge_micros();
        if let Some(failed) = &self.upkeep.failed
            && (now < failed.at || now.saturating_sub(failed.at) >= RETRY_MICROS)
        {
            self.upkeep.is_wanted = true;
            self.keep_up();
        }
    }

    /// Seals head if it is time, and gives the indexer something to do if it is idle.
    pub(super) fn keep_up(&mut self) {
        if self.upkeep.is_busy || self.upkeep.is_behind || self.closed.is_some() {
            return;
        }
        if self.follow.leads && self.upkeep.seal.is_none() && self.is_due() {
            self.seal();
        }
        if self.follow.leads && self.upkeep.seal.is_some_and(|seal| self.durable.t >= seal) {
            self.upkeep.seal = None;
            self.hand_over(Task::Job(Arc::clone(&self.durable), self.follow.epoch));
        } else if let Some(task) = self.upkeep.tasks.pop_front() {
            self.hand_over(task);
        }
    }

    fn hand_over(&mut self, task: Task) {
        self.upkeep.is_busy = self.upkeep.indexer.send(task).is_ok();
    }

    fn is_due(&mut self) -> bool {
        let size = self.head.snapshot.novelty().size();
        if std::mem::take(&mut self.upkeep.is_wanted) {
            self.upkeep.is_asked = !self.upkeep.rest.has(self.head.t);
            return self.upkeep.is_asked;
        }
        let has_grown = |failed: &Failed| {
            let more = |now: usize, then: usize| now >= then.saturating_add(then.div_ceil(4));
            more(home::rows(&size), home::rows(&failed.size)) || more(size.bytes, failed.size.bytes)
        };
        self.home.is_due(&size) && self.upkeep.failed.as_ref().is_none_or(has_grown)
    }

    /// Draws the line up to which the next job goes: all that was accepted so far.
    fn seal(&mut self) {
        let head = Arc::new(self.head.sealed());
        if self.durable.t == head.t {
            self.durable = Arc::clone(&head);
        }
        self.upkeep.seal = Some(head.t);
        self.head = head;
    }

    /// The durable state after a batch: that of its last transaction, over the newest rest.
    pub(super) fn settled(&self, basis: &Arc<Basis>) -> Result<Arc<Basis>> {
        if self.head.t == basis.t {
            return Ok(Arc::clone(&self.head));
        }
        let settled = if basis.snapshot.rest().revision() == self.upkeep.rest.revision() {
            Arc::clone(basis)
        } else {
            Arc::new(basis.rebased(&self.upkeep.rest)?)
        };
        if self.upkeep.seal == Some(settled.t) { Ok(Arc::new(settled.sealed())) } else { Ok(settled) }
    }

    /// A transaction that wants something removed is durable.
    pub(super) fn note_excision(&mut self, t: T) {
        self.shared.unexcised.fetch_min(t, Ordering::AcqRel);
        self.upkeep.is_wanted = true;
    }

    /// The indexer has ended a task.
    pub(super) fn finished(&mut self, finished: Finished) {
        self.upkeep.is_busy = false;
        match finished {
            Finished::Other => {}
            Finished::Job(Ok(done)) => {
                self.upkeep.is_asked = false;
                if let Err(error) = self.stand_on(done) {
                    self.close(error);
                }
            }
            Finished::Job(Err(error)) if is_overtaken(&error) => {
                self.upkeep.is_behind = true;
                // Who asked is not served by what another put to rest before that.
                let is_asked = std::mem::take(&mut self.upkeep.is_asked);
                self.upkeep.is_wanted |= is_asked;
                if self.is_idle() {
                    self.follow_if_due();
                }
                if is_asked {
                    self.lead();
                }
            }
            Finished::Job(Err(error)) => {
                let size = self.head.snapshot.novelty().size();
                self.upkeep.failed = Some(Failed { error, size, at: self.home.gauge_micros() });
            }
        }
        self.unpark();
    }

    /// A job has published: whatever is held stands on the new rest from now on.
    fn stand_on(&mut self, done: Done) -> Result<()> {
        let rest = done.rest;
        self.home.revisions.publish(&rest);
        let same = self.head.t == self.durable.t;
        self.durable = Arc::new(self.durable.rebased(&rest)?);
        self.head = if same { Arc::clone(&self.durable) } else { Arc::new(self.head.rebased(&rest)?) };
        self.upkeep.failed = None;
        self.log.rebase(&rest);
        self.upkeep.rest = rest.clone();
        self.look_for_excisions()?;
        self.shared.publish(Db::new(Arc::clone(&self.durable)));
        let home = Arc::clone(&self.home);
        self.upkeep.tasks.push_back(Task::Other(Box::new(move || {
            // What is left is collected after the next job, or when somebody asks.
            let _ = home.collect(&rest, None);
        })));
        Ok(())
    }

    /// Looks which excisions are still to be carried out, after what is at rest has changed.
    fn look_for_excisions(&mut self) -> Result<()> {
        if self.shared.has_excisions() {
            let first = excise::first_request(&self.durable)?.unwrap_or(T::MAX);
            self.shared.unexcised.store(first, Ordering::Release);
            self.upkeep.is_wanted |= first != T::MAX;
        }
        Ok(())
    }

    /// If another process has published a root, stands on that, and judges all that waits anew. Nothing may be on its
    /// way meanwhile.
    pub(super) fn follow_if_due(&mut self) {
        if self.upkeep.is_behind
            && self.closed.is_none()
            && let Err(error) = self.follow()
        {
            self.close(error);
        }
    }

    fn follow(&mut self) -> Result<()> {
        let rest = self.home.newest_rest()?;
        if rest.has(self.durable.t + 1) {
            // First the log is read on; then this is tried again.
            self.follow.want_look();
            return Ok(());
        }
        self.follow.note_epoch(rest.epoch());
        self.upkeep.is_behind = false;
        self.move_to(rest)
    }

    /// Stands on the newest trees there are, which end before what is durable.
    pub(super) fn move_to_newest(&mut self) -> Result<()> {
        let rest = self.home.newest_rest()?;
        self.move_to(rest)
    }

    /// Stands on trees that another process has made.
    pub(super) fn move_to(&mut self, rest: Rest) -> Result<()> {
        let home = Arc::clone(&self.home);
        self.log.rebase(&rest);
        let (mut facts, start) = (Novelty::new().bulk(), rest.basis().map_or(0, |t| t + 1));
        self.log.read(start..self.durable.t + 1, &mut |tx| {
            facts.push(&tx);
            true
        })?;
        let novelty = facts.finish().without(rest.excisions());
        let (instant, next) = (self.durable.instant, self.durable.next.clone());
        self.durable = Arc::new(Basis::over(&home, rest.clone(), novelty, instant, next)?);
        self.upkeep.rest = rest;
        self.upkeep.failed = None;
        self.look_for_excisions()?;
        self.shared.publish(Db::new(Arc::clone(&self.durable)));
        self.judge_again();
        Ok(())
    }

    /// Keeps a task until the indexer is idle. After the end who asked finds that nobody answers.
    pub(super) fn take_task(&mut self, task: Task) {
        if self.closed.is_none() {
            self.upkeep.tasks.push_back(task);
        }
    }
}
