//! The writer: judges requests, sends batches, publishes what became durable.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Sender, SyncSender};
use std::sync::{Arc, Mutex};

use annals_storage::anomaly::Category;
use annals_storage::datom::T;
use annals_storage::log::{Appended, Log, LogBatch, LogReader, LoggedTx};

use super::answered::{Again, Answered};
use super::courier::Couriers;
use super::follow::Follow;
use super::follow_up::FollowUps;
use super::indexer::Task;
use super::upkeep::Upkeep;
use super::{Errand, Message, Shared, Submitted, carry_out, gone};
use crate::basis::{Basis, Counters};
use crate::database::Db;
use crate::error::{Error, Result};
use crate::excise;
use crate::home::Home;
use crate::input::{Mode, Request};
use crate::transact::key::{self, Known};
use crate::transact::{self, Outcome, TxReport, fill};

/// The most datoms that are put into one batch, unless one transaction alone has more.
const BATCH_DATOMS: usize = 100_000;

/// A request, and what was made of it.
pub(super) struct Entry {
    pub(super) submitted: Submitted,
    verdict: Verdict,
}

enum Verdict {
    /// Something is written for it.
    Accepted(Box<Accepted>),
    /// Nothing is.
    Refused(Error),
    /// Something was written for it before: this transaction.
    Replayed(T),
}

struct Accepted {
    after: Arc<Basis>,
    tx: LoggedTx,
    reply: Reply,
    /// True if it wants something removed for ever.
    excises: bool,
}

/// What is answered once it is durable.
enum Reply {
    /// A transaction.
    Report(Box<TxReport>),
    /// The refusal that the transaction records.
    Refusal(Error),
    /// The transaction that took the request in, which is carried out next.
    TakenIn(Box<TxReport>),
    /// Nobody asked.
    Nothing,
}

impl Entry {
    fn accepted(&self) -> Option<&Accepted> {
        match &self.verdict {
            Verdict::Accepted(accepted) => Some(accepted),
            _ => None,
        }
    }

    fn is_accepted(&self) -> bool {
        self.accepted().is_some()
    }

    fn datoms(&self) -> usize {
        self.accepted().map_or(0, |accepted| accepted.tx.datoms.len())
    }
}

pub(super) struct Writer {
    pub(super) home: Arc<Home>,
    pub(super) errands: Sender<Errand>,
    pub(super) couriers: Couriers,
    pub(super) shared: Arc<Shared>,
    pub(super) log: LogReader,
    /// For batches that are not worth another thread.
    keeper: Arc<Mutex<Log>>,
    /// What is judged now is alone: nobody else waits, so that its batch is appended on this thread.
    is_alone: bool,
    /// What is in the log.
    pub(super) durable: Arc<Basis>,
    /// What will be in the log when all that was accepted is.
    pub(super) head: Arc<Basis>,
    pub(super) waiting: VecDeque<Entry>,
    in_flight: Option<Flight>,
    /// So many batches are to hold one transaction each, after one of several was refused by the storage.
    singly: usize,
    seq: u64,
    pub(super) follow: Follow,
    pub(super) upkeep: Upkeep,
    pub(super) follow_ups: FollowUps,
    closing: Option<(Error, SyncSender<()>)>,
    pub(super) closed: Option<Error>,
    pub(super) stopping: bool,
}

/// What the writer hands work to, and is handed it by.
pub(super) struct Ends {
    pub(super) keeper: Arc<Mutex<Log>>,
    pub(super) errands: Sender<Errand>,
    pub(super) tasks: Sender<Task>,
    pub(super) couriers: Couriers,
}

/// A batch on its way.
struct Flight {
    entries: Vec<Entry>,
    epoch: u64,
}

impl Writer {
    /// Goes on from a durable state, with the batch of this number.
    pub(super) fn new(
        shared: Arc<Shared>,
        ends: Ends,
        log: LogReader,
        durable: Arc<Basis>,
        seq: u64,
        follow: Follow,
    ) -> Writer {
        let rest = durable.snapshot.rest().clone();
        let mut upkeep = Upkeep::new(rest, ends.tasks);
        if shared.has_excisions() {
            upkeep.want_all();
        }
        durable.home.gauges().batches = seq;
        Writer {
            home: Arc::clone(&durable.home),
            keeper: ends.keeper,
            is_alone: false,
            errands: ends.errands,
            couriers: ends.couriers,
            shared,
            log,
            head: Arc::clone(&durable),
            durable,
            waiting: VecDeque::new(),
            in_flight: None,
            singly: 0,
            seq,
            follow,
            upkeep,
            follow_ups: FollowUps::default(),
            closing: None,
            closed: None,
            stopping: false,
        }
    }

    /// Takes up what is to be done before the first message.
    pub(super) fn begin(&mut self) {
        self.take_up();
        self.keep_up();
    }

    /// True if there is nothing to wait for any more.
    pub(super) fn has_ended(&self) -> bool {
        self.stopping && self.has_nothing_to_do()
    }

    /// Does what a message asks for, and what follows from it.
    pub(super) fn serve(&mut self, message: Message) {
        match message {
            Message::Request(request) => self.take(request),
            Message::Appended(outcome) => self.settle(outcome),
            Message::ReadOn(outcome) => self.read_on(outcome, false),
            Message::Taken(outcome) => self.read_on(outcome, true),
            Message::Look(asker) => self.look(asker),
            #[cfg(feature = "remote")]
            Message::Fed(first, frames) => self.fed(first, frames),
            Message::Stance => self.change_stance(),
            Message::Finished(finished) => self.finished(finished),
            Message::Index => {
                self.upkeep.want_all();
                self.lead();
            }
            Message::Lead => self.lead(),
            Message::Task(task) => self.take_task(task),
            Message::Close(why, done) => self.closing = Some((why, done)),
            Message::Stop => self.stopping = true,
        }
        self.go_round();
    }

    /// Carries a request out to its answer, on the thread of who waits for it, unless something else is to be done first.
    pub(super) fn serve_here(&mut self, request: Submitted) {
        self.is_alone = self.has_nothing_to_do() && self.shared.waiting.load(Ordering::Acquire) == 1;
        self.take(request);
        self.is_alone = false;
        self.go_round();
    }

    /// Does what has become due.
    fn go_round(&mut self) {
        self.close_when_idle();
        self.follow_up();
        self.keep_up();
        self.tell_epoch();
    }

    /// True if nothing that was submitted is under way or waits.
    pub(super) fn has_nothing_to_do(&self) -> bool {
        self.is_idle()
            && self.waiting.is_empty()
            && self.upkeep.parked.is_empty()
            && self.follow.unread.is_empty()
            && self.follow_ups.is_empty()
    }

    /// True if neither an append nor a look at the log is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.in_flight.is_none() && !self.follow.is_reading
    }

    pub(super) fn take(&mut self, request: Submitted) {
        if let Some(why) = &self.closed {
            return self.shared.answer(request, Err(why.clone()));
        }
        if let Some(request) = self.keep_own(request)
            && let Some(request) = self.admit(request)
        {
            self.judge_next(request);
        }
    }

    /// Judges a request, and sends it if nothing is under way.
    pub(super) fn judge_next(&mut self, request: Submitted) {
        let entry = self.judge(request);
        self.waiting.push_back(entry);
        if self.is_idle() {
            self.flush();
        }
    }

    /// Judges a request against the speculative state, which goes on from it if it is accepted.
    pub(super) fn judge(&mut self, submitted: Submitted) -> Entry {
        let before = Arc::clone(&self.head);
        let now = catch_unwind(AssertUnwindSafe(|| self.home.now()));
        let verdict = match now {
            Ok(now) => verdict(&before, &submitted.request, now),
            Err(_) => {
                Verdict::Refused(Error::new(Category::Fault, "db.error/fault", "the clock met a fault"))
            }
        };
        if let Verdict::Accepted(accepted) = &verdict {
            self.head = Arc::clone(&accepted.after);
            if let Mode::Fill(composite, _) = submitted.request.mode
                && let Some(next) = fill::after(&accepted.tx.datoms, composite)
            {
                self.filled(composite, next);
            }
        }
        Entry { submitted, verdict }
    }

    /// Sends what is waiting as one batch; refusals with nothing accepted before them are answered at once.
    pub(super) fn flush(&mut self) {
        while self.waiting.front().is_some_and(|entry| !entry.is_accepted()) {
            if let Some(entry) = self.waiting.pop_front() {
                self.answer(entry);
            }
        }
        if self.waiting.is_empty() {
            return;
        }
        let mut entries = self.next_entries();
        let (mut txs, mut next) = (Vec::with_capacity(entries.len()), Counters::fresh());
        for entry in &mut entries {
            if let Verdict::Accepted(accepted) = &mut entry.verdict {
                txs.push(std::mem::replace(
                    &mut accepted.tx,
                    LoggedTx { t: 0, instant: 0, datoms: Vec::new() },
                ));
                next = accepted.after.next.clone();
            }
        }
        let t = txs.last().map_or(self.durable.t, |tx| tx.t);
        let epoch = self.follow.next_epoch();
        self.send_batch(entries, LogBatch { seq: self.seq, epoch, id: 0, next: next.to_log(t), txs });
    }

    /// Sends a batch that holds nothing: whoever led before finds it in its way.
    pub(super) fn send_fence(&mut self) {
        let (epoch, next) = (self.follow.next_epoch(), self.durable.next.to_log(self.durable.t));
        self.send_batch(Vec::new(), LogBatch { seq: self.seq, epoch, id: 0, next, txs: Vec::new() });
    }

    /// Has a batch appended, by the thread that does that, or here.
    fn send_batch(&mut self, entries: Vec<Entry>, batch: LogBatch) {
        self.in_flight = Some(Flight { entries, epoch: batch.epoch });
        let sent = self.home.options.chance.next_id().map(|id| Errand::Append(LogBatch { id, ..batch }));
        match sent {
            Ok(errand) if self.is_alone => match carry_out(&self.keeper, &errand) {
                Message::Appended(outcome) => self.settle(outcome),
                _ => self.settle(Err(gone())),
            },
            Ok(errand) => {
                if self.errands.send(errand).is_err() {
                    self.settle(Err(gone()));
                }
            }
            Err(error) => self.settle(Err(error)),
        }
    }

    /// The entries of the next batch: all, within limits.
    fn next_entries(&mut self) -> Vec<Entry> {
        let (mut count, mut datoms) = (0, 0);
        for entry in &self.waiting {
            let full = datoms + entry.datoms() > BATCH_DATOMS || (self.singly > 0 && entry.is_accepted());
            if count > 0 && full {
                break;
            }
            datoms += entry.datoms();
            count += 1;
        }
        self.singly = self.singly.saturating_sub(1);
        self.waiting.drain(..count).collect()
    }

    /// The append in flight has ended.
    fn settle(&mut self, outcome: Result<Appended>) {
        let Some(Flight { entries, epoch }) = self.in_flight.take() else { return };
        match outcome {
            Ok(Appended::Done) => {
                let is_new = self.follow.leads_as(epoch);
                self.note_current();
                let advanced = self.advance(&entries);
                // They are durable whatever came of that.
                entries.into_iter().for_each(|entry| self.answer(entry));
                match advanced {
                    Ok(()) if is_new => self.take_up(),
                    Ok(()) => {}
                    Err(error) => self.close(error),
                }
            }
            Ok(Appended::Taken(batch)) => self.step_aside(entries, &batch),
            Err(error) if error.category() == Category::Incorrect => self.sort_out(entries, &error),
            Err(error) if self.follow.is_shared() && error.category() == Category::Unavailable => {
                self.lose_sight(entries, &error);
            }
            Err(error) => {
                self.restore(entries);
                self.close(error);
            }
        }
        if self.is_idle() {
            self.follow_if_due();
            self.go_on();
        }
    }

    /// A batch is durable: publishes the state after it.
    fn advance(&mut self, entries: &[Entry]) -> Result<()> {
        self.next_batch(self.seq + 1);
        let accepted = || entries.iter().filter_map(Entry::accepted);
        let Some(newest) = accepted().next_back() else { return Ok(()) };
        if let Some(first) = accepted().find(|accepted| accepted.excises) {
            self.note_excision(first.after.t);
        }
        self.durable = self.settled(&newest.after)?;
        self.shared.publish(Db::new(Arc::clone(&self.durable)));
        Ok(())
    }

    pub(super) fn next_batch(&mut self, seq: u64) {
        self.seq = seq;
        self.home.gauges().batches = seq;
    }

    /// Another writer's batch stands in the slot: apply it, and judge everything again.
    fn step_aside(&mut self, entries: Vec<Entry>, batch: &LogBatch) {
        self.restore(entries);
        self.apply(std::slice::from_ref(batch));
    }

    /// The storage did not say what became of a batch: who waits for it is told so. It is found out when the log is
    /// read on, or when the next batch is to be written.
    fn lose_sight(&mut self, entries: Vec<Entry>, why: &Error) {
        for entry in entries {
            self.shared.answer(entry.submitted, Err(why.clone()));
        }
        self.follow.leads = false;
        self.judge_again();
        self.look(None);
    }

    /// The storage refused the batch for what is in it: find the transaction to blame.
    fn sort_out(&mut self, mut entries: Vec<Entry>, error: &Error) {
        let accepted = entries.iter().filter(|entry| entry.is_accepted()).count();
        if accepted > 1 {
            self.singly = accepted;
            self.restore(entries);
        } else {
            let blamed = entries.iter_mut().find(|entry| entry.is_accepted());
            if let Some(entry) = blamed {
                entry.verdict = Verdict::Refused(error.clone());
            }
            entries.into_iter().for_each(|entry| self.answer(entry));
        }
        self.judge_again();
    }

    /// Puts entries of a batch back to the front of those that wait.
    fn restore(&mut self, entries: Vec<Entry>) {
        for entry in entries.into_iter().rev() {
            self.waiting.push_front(entry);
        }
    }

    /// Drops the speculation, and judges every request that waits anew.
    pub(super) fn judge_again(&mut self) {
        self.head = Arc::clone(&self.durable);
        self.upkeep.forget_seal();
        let requests: Vec<Submitted> = self.waiting.drain(..).map(|entry| entry.submitted).collect();
        for request in requests {
            let entry = self.judge(request);
            self.waiting.push_back(entry);
        }
    }

    fn answer(&mut self, entry: Entry) {
        let outcome = match entry.verdict {
            Verdict::Accepted(accepted) => match accepted.reply {
                Reply::Report(report) => Ok(Answered::Now(report)),
                Reply::Refusal(error) => Err(error),
                Reply::TakenIn(report) => {
                    self.carry_out(&entry.submitted.request);
                    Ok(Answered::Now(report))
                }
                Reply::Nothing => Err(gone()),
            },
            Verdict::Refused(error) => Err(error),
            Verdict::Replayed(t) => {
                let now = Db::new(Arc::clone(&self.durable));
                Ok(Answered::Again(Again { t, now, log: self.log.clone(), told: None }))
            }
        };
        self.shared.answer(entry.submitted, outcome);
    }

    /// Closes as was asked, once nothing is in flight and the indexer is idle.
    fn close_when_idle(&mut self) {
        if self.is_idle()
            && !self.upkeep.is_busy
            && let Some((why, done)) = self.closing.take()
        {
            self.close(why);
            // Who asked may be gone.
            let _ = done.send(());
        }
    }

    /// Refuses everything that waits and all that comes.
    pub(super) fn close(&mut self, why: Error) {
        self.head = Arc::clone(&self.durable);
        for entry in std::mem::take(&mut self.waiting) {
            self.shared.answer(entry.submitted, Err(why.clone()));
        }
        for request in std::mem::take(&mut self.follow.unread) {
            self.shared.answer(request, Err(why.clone()));
        }
        self.end_upkeep(&why);
        self.follow.end(&why);
        self.closed = Some(why);
        self.shared.stop();
    }
}

/// What is to be made of a request in a state.
fn verdict(before: &Arc<Basis>, request: &Request, now: i64) -> Verdict {
    judged(before, request, now).unwrap_or_else(Verdict::Refused)
}

fn judged(before: &Arc<Basis>, request: &Request, now: i64) -> Result<Verdict> {
    if let Mode::Fill(composite, from) = request.mode {
        return Ok(match fill::chunk(before, composite, from, now)? {
            Some(outcome) => accepted(outcome, Reply::Nothing),
            None => Verdict::Refused(gone()),
        });
    }
    if let Some(key) = &request.key {
        match key.find(before)? {
            Some(Known::Committed(t)) => return Ok(Verdict::Replayed(t)),
            Some(Known::TakenIn(t)) if request.mode == Mode::TakeIn => return Ok(Verdict::Replayed(t)),
            Some(Known::Refused(error)) => return Err(error),
            Some(Known::TakenIn(_)) | None => {}
        }
        if request.mode == Mode::TakeIn {
            let outcome = key::take_in(before, key, request.to_text(), now)?;
            let report = reported(before, &outcome);
            return Ok(accepted(outcome, Reply::TakenIn(Box::new(report))));
        }
    }
    let run = || transact::run(before, request, now);
    let outcome = catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| {
        Err(Error::new(Category::Fault, "db.error/fault", "the transaction met a fault of the database")
            .with_hint("nothing was stored; please report the transaction"))
    });
    match outcome {
        Ok(mut outcome) => {
            let report = reported(before, &outcome);
            let tempids = std::mem::take(&mut outcome.tempids);
            Ok(accepted(outcome, Reply::Report(Box::new(TxReport { tempids, ..report }))))
        }
        Err(error) => match &request.key {
            Some(key) if key::is_answer(&error, request.mode) => {
                Ok(accepted(key::record(before, key, &error, now)?, Reply::Refusal(error)))
            }
            _ => Err(error),
        },
    }
}

fn accepted(outcome: Outcome, reply: Reply) -> Verdict {
    let excises = excise::is_request(&outcome.tx);
    Verdict::Accepted(Box::new(Accepted { after: outcome.after, tx: outcome.tx, reply, excises }))
}

fn reported(before: &Arc<Basis>, outcome: &Outcome) -> TxReport {
    let (before, after) = (Db::new(Arc::clone(before)), Db::new(Arc::clone(&outcome.after)));
    TxReport::new(before, after, &outcome.tx, BTreeMap::new())
}
