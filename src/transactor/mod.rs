//! The one writer of a database: takes requests in turn, decides their order, makes them durable, publishes.
//!
//! ```text
//!   submit ──> mailbox ──> writer ── batch ──> appender ── Log::append ──> storage
//!                ^            │                    │
//!                └────────────┼──── outcome ───────┘
//!                             └──> publish the new value, then answer
//! ```
//!
//! The writer judges each request against the *speculative* state: what is durable and all that is on its way. Exactly
//! one append is in flight; what arrives meanwhile becomes the next batch, so no timer decides how large batches are.
//! A value is published, and an answer given, only when all it rests on is durable: refusals wait for it too.
//!
//! If another writer filled the slot, the speculation is dropped, that writer's batch applied, and every request judged
//! anew from what was submitted. If the storage fails, nothing more is written; reads go on. A panic inside a
//! transaction refuses that transaction and nothing else.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use annals_query::edn::Form;
use annals_storage::anomaly::Category;
use annals_storage::datom::T;
use annals_storage::log::{Appended, Log, LogBatch, LogReader, LoggedTx};

use crate::basis::{Basis, Counters};
use crate::database::Db;
use crate::error::{Error, Result};
use crate::store::Options;
use crate::transact::{self, TxReport};

/// The most datoms that are put into one batch, unless one transaction alone has more.
const BATCH_DATOMS: usize = 100_000;

/// A database that is open for writing: the value that is newest, and the way to the writer.
pub(crate) struct Transactor {
    shared: Arc<Shared>,
    mailbox: Sender<Message>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    log: LogReader,
}

/// What the writer and everybody else look at.
struct Shared {
    published: RwLock<Db>,
    /// Held only to wait for `moved`.
    gate: Mutex<()>,
    /// A value was published, a request answered, or writing stopped.
    moved: Condvar,
    waiting: AtomicUsize,
    queue: usize,
}

enum Message {
    Request(Request),
    Appended(Result<Appended>),
    /// Refuse all writes with this error from now on; say so when nothing is in flight any more.
    Close(Error, SyncSender<()>),
    Stop,
}

struct Request {
    data: Form,
    reply: SyncSender<Result<TxReport>>,
}

/// A transaction on its way. It is carried out whether or not anybody waits for it.
#[derive(Debug)]
pub struct Pending {
    reply: Receiver<Result<TxReport>>,
}

impl Pending {
    /// Waits for the outcome.
    pub fn wait(self) -> Result<TxReport> {
        self.reply.recv().unwrap_or_else(|_| Err(gone()))
    }

    /// Waits so long at most; `None` if the outcome is not known yet. An outcome is given once.
    pub fn wait_for(&self, timeout: Duration) -> Option<Result<TxReport>> {
        use std::sync::mpsc::RecvTimeoutError::{Disconnected, Timeout};
        match self.reply.recv_timeout(timeout) {
            Ok(outcome) => Some(outcome),
            Err(Timeout) => None,
            Err(Disconnected) => Some(Err(gone())),
        }
    }
}

fn gone() -> Error {
    Error::new(Category::Unavailable, "db.error/transactor-unavailable", "the transactor has stopped")
        .with_hint("open the database again and look whether the transaction is there")
}

impl Shared {
    fn newest(&self) -> Db {
        self.published.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn publish(&self, db: Db) {
        *self.published.write().unwrap_or_else(PoisonError::into_inner) = db;
        self.wake();
    }

    fn wake(&self) {
        drop(self.gate.lock().unwrap_or_else(PoisonError::into_inner));
        self.moved.notify_all();
    }

    /// Takes a place in the queue; false if there is none.
    fn enter(&self) -> bool {
        let room = |waiting: usize| (waiting < self.queue).then_some(waiting + 1);
        self.waiting.fetch_update(Ordering::AcqRel, Ordering::Acquire, room).is_ok()
    }

    fn answer(&self, request: Request, outcome: Result<TxReport>) {
        self.waiting.fetch_sub(1, Ordering::AcqRel);
        // Nobody has to wait for an answer.
        let _ = request.reply.send(outcome);
    }
}

impl Transactor {
    /// Starts to write where a log ends.
    pub(crate) fn start(basis: Basis, log: Log, epoch: u64, options: &Options) -> Result<Transactor> {
        let (reader, seq) = (log.reader(), log.next_seq());
        let (mailbox, messages) = channel();
        let (batches, to_append) = channel();
        let durable = Arc::new(basis);
        let shared = Arc::new(Shared {
            published: RwLock::new(Db::new(Arc::clone(&durable))),
            gate: Mutex::new(()),
            moved: Condvar::new(),
            waiting: AtomicUsize::new(0),
            queue: options.queue.max(1),
        });
        let writer = Writer {
            messages,
            batches,
            shared: Arc::clone(&shared),
            options: options.clone(),
            head: Arc::clone(&durable),
            durable,
            waiting: VecDeque::new(),
            in_flight: None,
            singly: 0,
            seq,
            epoch,
            closing: None,
            closed: None,
            stopping: false,
        };
        let outcomes = mailbox.clone();
        let appender = spawn("annals-append", move || append(log, &to_append, &outcomes))?;
        let writer = spawn("annals-write", move || writer.run())?;
        Ok(Transactor { shared, mailbox, threads: Mutex::new(vec![writer, appender]), log: reader })
    }

    /// The newest value.
    pub(crate) fn db(&self) -> Db {
        self.shared.newest()
    }

    /// Reads transactions that are durable.
    pub(crate) fn log(&self) -> &LogReader {
        &self.log
    }

    /// Hands a transaction to the writer; busy if the queue is full.
    pub(crate) fn submit(&self, data: Form) -> Result<Pending> {
        self.offer(data).unwrap_or_else(|_| {
            let message = format!("{} transactions are waiting already", self.shared.queue);
            Err(Error::new(Category::Busy, "db.error/busy", message)
                .with_hint("wait for some of the answers, then submit again"))
        })
    }

    /// As [`Transactor::submit`]; gives the data back if the queue is full.
    pub(crate) fn offer(&self, data: Form) -> Result<Result<Pending>, Form> {
        if !self.shared.enter() {
            return Err(data);
        }
        let (reply, answer) = sync_channel(1);
        if self.mailbox.send(Message::Request(Request { data, reply })).is_err() {
            self.shared.waiting.fetch_sub(1, Ordering::AcqRel);
            return Ok(Err(gone()));
        }
        Ok(Ok(Pending { reply: answer }))
    }

    /// Waits until the newest value is at least at `t`.
    pub(crate) fn sync(&self, t: T, timeout: Duration) -> Result<Db> {
        let gate = self.shared.gate.lock().unwrap_or_else(PoisonError::into_inner);
        let behind = |_: &mut ()| self.shared.newest().basis_t() < t;
        let waited = self.shared.moved.wait_timeout_while(gate, timeout, behind);
        drop(waited);
        let db = self.db();
        if db.basis_t() >= t {
            return Ok(db);
        }
        let message = format!("the newest transaction is {}, and {t} has not come yet", db.basis_t());
        Err(Error::new(Category::Unavailable, "db.error/basis-not-reached", message)
            .with_hint("wait longer, or ask for a transaction that was acknowledged"))
    }

    /// Refuses all further writes with this error; returns when nothing is in flight.
    pub(crate) fn close(&self, why: Error) {
        let (done, closed) = sync_channel(1);
        if self.mailbox.send(Message::Close(why, done)).is_ok() {
            // A writer that is gone writes nothing either.
            let _ = closed.recv();
        }
    }
}

impl Drop for Transactor {
    fn drop(&mut self) {
        // Everything submitted before is carried out; if the threads are gone there is nothing to stop.
        let _ = self.mailbox.send(Message::Stop);
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for handle in threads {
            if handle.thread().id() != thread::current().id() {
                let _ = handle.join();
            }
        }
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(run).map_err(|error| {
        let message = format!("no thread can be started: {error}");
        Error::new(Category::Unavailable, "db.error/no-thread", message)
    })
}

/// The appender: writes batch after batch, each when the one before is settled.
fn append(mut log: Log, batches: &Receiver<LogBatch>, outcomes: &Sender<Message>) {
    while let Ok(batch) = batches.recv() {
        let outcome = catch_unwind(AssertUnwindSafe(|| log.append(&batch)));
        let outcome = match outcome {
            Ok(outcome) => outcome.map_err(Error::from),
            Err(_) => {
                Err(Error::new(Category::Fault, "db.error/fault", "appending to the log failed inside"))
            }
        };
        if outcomes.send(Message::Appended(outcome)).is_err() {
            return;
        }
    }
}

/// A request, and what was made of it.
struct Entry {
    request: Request,
    verdict: Result<Accepted>,
}

struct Accepted {
    report: TxReport,
    tx: LoggedTx,
    next: Counters,
}

impl Entry {
    fn is_accepted(&self) -> bool {
        self.verdict.is_ok()
    }

    fn datoms(&self) -> usize {
        self.verdict.as_ref().map_or(0, |accepted| accepted.tx.datoms.len())
    }
}

struct Writer {
    messages: Receiver<Message>,
    batches: Sender<LogBatch>,
    shared: Arc<Shared>,
    options: Options,
    /// What is in the log.
    durable: Arc<Basis>,
    /// What will be in the log when all that was accepted is.
    head: Arc<Basis>,
    waiting: VecDeque<Entry>,
    in_flight: Option<Vec<Entry>>,
    /// So many batches are to hold one transaction each, after one of several was refused by the storage.
    singly: usize,
    seq: u64,
    epoch: u64,
    closing: Option<(Error, SyncSender<()>)>,
    closed: Option<Error>,
    stopping: bool,
}

impl Writer {
    fn run(mut self) {
        while !(self.stopping && self.in_flight.is_none() && self.waiting.is_empty()) {
            let Ok(message) = self.messages.recv() else { return };
            match message {
                Message::Request(request) => self.take(request),
                Message::Appended(outcome) => self.settle(outcome),
                Message::Close(why, done) => {
                    self.closing = Some((why, done));
                    self.close_when_idle();
                }
                Message::Stop => self.stopping = true,
            }
        }
    }

    fn take(&mut self, request: Request) {
        if let Some(why) = &self.closed {
            return self.shared.answer(request, Err(why.clone()));
        }
        let entry = self.judge(request);
        self.waiting.push_back(entry);
        if self.in_flight.is_none() {
            self.flush();
        }
    }

    /// Judges a request against the speculative state, which goes on from it if it is accepted.
    fn judge(&mut self, request: Request) -> Entry {
        let before = Arc::clone(&self.head);
        let clock = &self.options.clock;
        let run = || transact::run(&before, &request.data, clock.now_micros());
        let outcome = catch_unwind(AssertUnwindSafe(run));
        let outcome = outcome.unwrap_or_else(|_| {
            Err(Error::new(Category::Fault, "db.error/fault", "the transaction met a fault of the database")
                .with_hint("nothing was stored; please report the transaction"))
        });
        let verdict = outcome.map(|outcome| {
            let next = outcome.after.next.clone();
            self.head = Arc::new(outcome.after);
            let (db_before, db_after) = (Db::new(before), Db::new(Arc::clone(&self.head)));
            let report = TxReport::new(db_before, db_after, &outcome.tx, outcome.tempids);
            Accepted { report, tx: outcome.tx, next }
        });
        Entry { request, verdict }
    }

    /// Sends what is waiting as one batch; refusals with nothing accepted before them are answered at once.
    fn flush(&mut self) {
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
        for accepted in entries.iter_mut().filter_map(|entry| entry.verdict.as_mut().ok()) {
            txs.push(std::mem::replace(&mut accepted.tx, LoggedTx { t: 0, instant: 0, datoms: Vec::new() }));
            next = accepted.next.clone();
        }
        let t = txs.last().map_or(self.durable.t, |tx| tx.t);
        let sent = self.options.chance.next_id().and_then(|id| {
            let batch = LogBatch { seq: self.seq, epoch: self.epoch, id, next: next.to_log(t), txs };
            self.batches.send(batch).map_err(|_| gone())
        });
        self.in_flight = Some(entries);
        if let Err(error) = sent {
            self.settle(Err(error));
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
        let Some(entries) = self.in_flight.take() else { return };
        match outcome {
            Ok(Appended::Done) => {
                self.seq += 1;
                if let Some(Ok(accepted)) =
                    entries.iter().map(|entry| &entry.verdict).rfind(|verdict| verdict.is_ok())
                {
                    self.durable = Arc::clone(accepted.report.db_after.basis());
                    self.shared.publish(accepted.report.db_after.clone());
                }
                entries.into_iter().for_each(|entry| self.answer(entry));
            }
            Ok(Appended::Taken(batch)) => self.step_aside(entries, &batch),
            Err(error) if error.category() == Category::Incorrect => self.sort_out(entries, &error),
            Err(error) => {
                self.restore(entries);
                self.close(error);
            }
        }
        self.close_when_idle();
        if self.in_flight.is_none() {
            self.flush();
        }
    }

    /// Another writer's batch stands in the slot: apply it, and judge everything again.
    fn step_aside(&mut self, entries: Vec<Entry>, batch: &LogBatch) {
        self.restore(entries);
        if batch.epoch > self.epoch {
            let message = "another transactor has taken this database over";
            return self.close(
                Error::new(Category::Unavailable, "db.error/deposed", message)
                    .with_hint("connect to the transactor that writes now"),
            );
        }
        match self.durable.after_batch(batch) {
            Ok(basis) => {
                self.seq = batch.seq + 1;
                self.durable = Arc::new(basis);
                self.shared.publish(Db::new(Arc::clone(&self.durable)));
                self.judge_again();
            }
            Err(error) => self.close(error),
        }
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
                entry.verdict = Err(error.clone());
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
    fn judge_again(&mut self) {
        self.head = Arc::clone(&self.durable);
        let requests: Vec<Request> = self.waiting.drain(..).map(|entry| entry.request).collect();
        for request in requests {
            let entry = self.judge(request);
            self.waiting.push_back(entry);
        }
    }

    fn answer(&self, entry: Entry) {
        self.shared.answer(entry.request, entry.verdict.map(|accepted| accepted.report));
    }

    /// Closes as was asked, once nothing is in flight.
    fn close_when_idle(&mut self) {
        if self.in_flight.is_none()
            && let Some((why, done)) = self.closing.take()
        {
            self.close(why);
            // Who asked may be gone.
            let _ = done.send(());
        }
    }

    /// Refuses everything that waits and all that comes.
    fn close(&mut self, why: Error) {
        self.head = Arc::clone(&self.durable);
        for entry in std::mem::take(&mut self.waiting) {
            self.shared.answer(entry.request, Err(why.clone()));
        }
        self.closed = Some(why);
        self.shared.wake();
    }
}
