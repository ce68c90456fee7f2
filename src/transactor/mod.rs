//! The one writer of a database: takes requests in turn, decides their order, makes them durable, publishes.
//!
//! ```text
//!   submit ──> mailbox ──> writer ── batch ──> appender ── Log::append ──> storage
//!                ^          │  │                   │
//!                ├──────────┼──┼───── outcome ─────┘
//!                │          │  └───── sealed novelty ──> indexer ── trees ──> storage
//!                │          │                               │
//!                ├──────────┼────────── newer rest ─────────┘
//!                └──────────┴──> publish the new value, then answer
//! ```
//!
//! [`writer`] judges each request against the *speculative* state: what is durable and all that is on its way. Exactly
//! one append is in flight; what arrives meanwhile becomes the next batch, so no timer decides how large batches are.
//! A request that comes while nobody else has one under way is judged, appended and answered on one thread, that of who
//! waits for it: handing it round costs more than to do it. The order stays one: who has the writer has it alone.
//! A value is published, and an answer given, only when all it rests on is durable: refusals wait for it too.
//! [`upkeep`] decides when novelty is put to rest, [`indexer`] does it, beside the writing.
//!
//! If another writer filled the slot, the speculation is dropped, that writer's batch applied, and every request judged
//! anew from what was submitted. Whoever writes has an epoch, higher than all in the log before; a batch of a higher one
//! ends it ([`follow`]): from then on this process follows the log, and hands requests over to who leads, until it leads
//! again. If the storage fails, nothing more is written; reads go on. A panic inside a transaction refuses that transaction
//! and nothing else.

mod answered;
mod courier;
#[cfg(feature = "remote")]
mod feed;
mod follow;
mod follow_up;
pub(crate) mod indexer;
mod upkeep;
mod writer;

#[cfg(test)]
mod excision_tests;
#[cfg(test)]
mod key_tests;
#[cfg(test)]
mod sharing_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod upkeep_tests;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use annals_storage::anomaly::Category;
use annals_storage::datom::T;
use annals_storage::log::{Appended, Log, LogBatch, LogReader};

use self::answered::Answered;
use self::courier::Couriers;
use self::follow::Follow;
use self::indexer::{Finished, Task};
use self::writer::{Ends, Writer};
use crate::database::Db;
use crate::error::{Error, Result};
use crate::excise;
use crate::input::Request;
use crate::kept::Owner;
use crate::leadership::Leadership;
use crate::replay::Opened;
use crate::transact::TxReport;

/// Who waits for what others write looks for it after this long, and then after ever longer.
const FIRST_STEP: Duration = Duration::from_millis(5);
const LONGEST_STEP: Duration = Duration::from_millis(200);

/// The writer, for whoever has it to himself. It is gone when nothing is written any more.
type Desk = Arc<Mutex<Option<Writer>>>;

/// A database that is open for writing: the value that is newest, and the way to the writer.
pub(crate) struct Transactor {
    shared: Arc<Shared>,
    mailbox: Sender<Message>,
    desk: Desk,
    threads: Mutex<Vec<JoinHandle<()>>>,
    log: LogReader,
    leadership: Arc<Leadership>,
    /// Let go when the threads have ended.
    _owner: Arc<Owner>,
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
    /// The first durable transaction whose excisions are not carried out; `T::MAX` if there is none.
    unexcised: AtomicU64,
    /// When it was last known that nobody had written anything newer, by this process's clock, in microseconds.
    current_at: AtomicI64,
    /// The epoch of this process if it leads; 0 if it does not.
    epoch: AtomicU64,
    /// Nothing is written any more.
    is_stopped: AtomicBool,
}

enum Message {
    Request(Submitted),
    Appended(Result<Appended>),
    /// What others have written was read: nothing at the end of the log.
    ReadOn(Result<Vec<LogBatch>>),
    /// Frames were taken, as far as they go on from what is known.
    Taken(Result<Vec<LogBatch>>),
    /// Look for what others have written; say so when a look that began after this has ended.
    Look(Option<SyncSender<Result<()>>>),
    /// Frames that stand in the log from this slot on, as who wrote them says.
    #[cfg(feature = "remote")]
    Fed(u64, Vec<Vec<u8>>),
    /// Who leads may be another now.
    Stance,
    /// Lead, if it is this process's turn.
    Lead,
    /// The indexer has ended a task.
    Finished(Finished),
    /// Put all that is there to rest, whatever it weighs.
    Index,
    /// Hand this to the indexer when it is idle.
    Task(Task),
    /// Refuse all writes with this error from now on; say so when nothing is in flight any more.
    Close(Error, SyncSender<()>),
    Stop,
}

struct Submitted {
    request: Request,
    reply: SyncSender<Result<Answered>>,
    /// It was sent to another process, which did not say what became of it.
    in_doubt: bool,
}

/// What the thread that holds the log is to do.
enum Errand {
    Append(LogBatch),
    ReadOn,
    Take(u64, Vec<Vec<u8>>),
}

/// A transaction on its way. It is carried out whether or not anybody waits for it.
#[derive(Debug)]
pub struct Pending {
    reply: Receiver<Result<Answered>>,
}

impl Pending {
    /// Waits for the outcome.
    pub fn wait(self) -> Result<TxReport> {
        self.reply.recv().unwrap_or_else(|_| Err(gone()))?.report()
    }

    /// Waits so long at most; `None` if the outcome is not known yet. An outcome is given once.
    pub fn wait_for(&self, timeout: Duration) -> Option<Result<TxReport>> {
        use std::sync::mpsc::RecvTimeoutError::{Disconnected, Timeout};
        match self.reply.recv_timeout(timeout) {
            Ok(outcome) => Some(outcome.and_then(Answered::report)),
            Err(Timeout) => None,
            Err(Disconnected) => Some(Err(gone())),
        }
    }
}

fn submitted(request: Request) -> (Submitted, Pending) {
    let (reply, answer) = sync_channel(1);
    (Submitted { request, reply, in_doubt: false }, Pending { reply: answer })
}

/// The outcome of what is done beside the writing.
pub(crate) struct Answer<V>(Receiver<Result<V>>);

impl<V> Answer<V> {
    /// Waits for it.
    pub(crate) fn wait(self) -> Result<V> {
        self.0.recv().unwrap_or_else(|_| Err(gone()))
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

    fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Acquire)
    }

    /// Nothing will be written any more.
    fn stop(&self) {
        self.is_stopped.store(true, Ordering::Release);
        self.wake();
    }

    /// Waits until the newest value is as wanted, time is up, or no other will come; gives the newest value either way.
    fn wait_until(&self, timeout: Duration, is_wanted: impl Fn(&Db) -> bool) -> (Db, bool) {
        let gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        let waits = |_: &mut ()| !self.is_stopped.load(Ordering::Acquire) && !is_wanted(&self.newest());
        let waited = self.moved.wait_timeout_while(gate, timeout, waits);
        drop(waited);
        let db = self.newest();
        let reached = is_wanted(&db);
        (db, reached)
    }

    /// True if something durable is to be removed for ever and is not gone yet.
    fn has_excisions(&self) -> bool {
        self.unexcised.load(Ordering::Acquire) != T::MAX
    }

    /// Takes a place in the queue, and says how many have one already; none if there is none.
    fn enter(&self) -> Option<usize> {
        let room = |waiting: usize| (waiting < self.queue).then_some(waiting + 1);
        self.waiting.fetch_update(Ordering::AcqRel, Ordering::Acquire, room).ok()
    }

    fn answer(&self, submitted: Submitted, outcome: Result<Answered>) {
        self.waiting.fetch_sub(1, Ordering::AcqRel);
        // Nobody has to wait for an answer.
        let _ = submitted.reply.send(outcome);
    }
}

impl Transactor {
    /// Starts to write where a log ends.
    pub(crate) fn start(
        opened: Opened,
        owner: &Arc<Owner>,
        leadership: &Arc<Leadership>,
    ) -> Result<Transactor> {
        let Opened { basis, log, epoch } = opened;
        let (reader, seq) = (log.reader(), log.next_seq());
        let (mailbox, messages) = channel();
        let (errands, to_do_with_log) = channel();
        let (tasks, to_do) = channel();
        let unexcised = excise::first_request(&basis)?.unwrap_or(T::MAX);
        let durable = Arc::new(basis);
        let shared = Arc::new(Shared {
            published: RwLock::new(Db::new(Arc::clone(&durable))),
            gate: Mutex::new(()),
            moved: Condvar::new(),
            waiting: AtomicUsize::new(0),
            queue: durable.home.options.queue.max(1),
            unexcised: AtomicU64::new(unexcised),
            current_at: AtomicI64::new(durable.home.gauge_micros()),
            epoch: AtomicU64::new(if leadership.is_shared() { 0 } else { epoch + 1 }),
            is_stopped: AtomicBool::new(false),
        });
        let couriers = Couriers::new(&shared, &durable.home, leadership, &mailbox, &reader);
        let keeper = Arc::new(Mutex::new(log));
        let ends = Ends { keeper: Arc::clone(&keeper), errands, tasks, couriers };
        let follow = Follow::new(leadership, epoch);
        let writer = Writer::new(Arc::clone(&shared), ends, reader.clone(), durable, seq, follow);
        if leadership.is_shared() {
            let watcher = mailbox.clone();
            leadership.watch(move || watcher.send(Message::Stance).is_ok());
            #[cfg(feature = "remote")]
            follow_feed(&shared, &mailbox, leadership)?;
        }
        let mut threads = Vec::new();
        let outcomes = mailbox.clone();
        threads.push(spawn("annals-append", move || keep_log(&keeper, &to_do_with_log, &outcomes))?);
        let (finished, log) = (mailbox.clone(), reader.clone());
        threads.push(spawn("annals-index", move || indexer::run(&to_do, &finished, &log))?);
        let desk = Arc::new(Mutex::new(Some(writer)));
        let at_work = Arc::clone(&desk);
        threads.push(spawn("annals-write", move || write(&at_work, &messages))?);
        let (threads, owner) = (Mutex::new(threads), Arc::clone(owner));
        let leadership = Arc::clone(leadership);
        Ok(Transactor { shared, mailbox, desk, threads, log: reader, leadership, _owner: owner })
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
    pub(crate) fn submit(&self, request: Request) -> Result<Pending> {
        self.offer(request).unwrap_or_else(|_| Err(self.busy()))
    }

    /// As [`Transactor::submit`]; gives the request back if the queue is full.
    pub(crate) fn offer(&self, request: Request) -> Result<Result<Pending>, Box<Request>> {
        if self.shared.enter().is_none() {
            return Err(Box::new(request));
        }
        let (submitted, pending) = submitted(request);
        Ok(self.post(submitted).map(|()| pending))
    }

    /// Carries a transaction out. If nobody else has one under way, that is done on this thread: waking others costs more
    /// than a transaction.
    pub(crate) fn transact(&self, request: Request) -> Result<TxReport> {
        let Some(others) = self.shared.enter() else { return Err(self.busy()) };
        let (submitted, pending) = submitted(request);
        if others > 0 || self.leadership.is_shared() {
            self.post(submitted)?;
        } else if let Some(left) = self.carry_out_here(submitted) {
            self.post(left)?;
        }
        pending.wait()
    }

    /// Serves a request on this thread; gives it back if the writer is at work elsewhere, or gone.
    fn carry_out_here(&self, submitted: Submitted) -> Option<Submitted> {
        let Ok(mut desk) = self.desk.try_lock() else { return Some(submitted) };
        let Some(writer) = desk.as_mut() else { return Some(submitted) };
        writer.serve_here(submitted);
        None
    }

    fn post(&self, submitted: Submitted) -> Result<()> {
        self.mailbox.send(Message::Request(submitted)).map_err(|_| {
            self.shared.waiting.fetch_sub(1, Ordering::AcqRel);
            gone()
        })
    }

    fn busy(&self) -> Error {
        let message = format!("{} transactions are waiting already", self.shared.queue);
        Error::new(Category::Busy, "db.error/busy", message)
            .with_hint("wait for some of the answers, then submit again")
    }

    /// Waits until the newest value is at least at `t`.
    pub(crate) fn sync(&self, t: T, timeout: Duration) -> Result<Db> {
        match self.wait(timeout, |db| db.basis_t() >= t) {
            (db, true) => Ok(db),
            (db, false) => Err(not_reached(
                "db.error/basis-not-reached",
                format!("the newest transaction is {}, and {t} has not come yet", db.basis_t()),
                "wait longer, or ask for a transaction that was acknowledged",
            )),
        }
    }

    /// Waits until the tuples of all composites are made.
    pub(crate) fn sync_schema(&self, t: T, timeout: Duration) -> Result<Db> {
        let is_done = |db: &Db| db.basis_t() >= t && db.basis().schema.filling().next().is_none();
        match self.wait(timeout, is_done) {
            (db, true) => Ok(db),
            (_, false) => Err(not_reached(
                "db.error/schema-not-reached",
                "the tuples of older entities are not all made yet".to_owned(),
                "wait longer; they are being made",
            )),
        }
    }

    /// Waits until the newest value is as wanted; false if time was up first. Where others may write, it looks for what
    /// they have written meanwhile.
    pub(crate) fn wait(&self, timeout: Duration, is_wanted: impl Fn(&Db) -> bool) -> (Db, bool) {
        if !self.leadership.is_shared() {
            return self.shared.wait_until(timeout, is_wanted);
        }
        let (mut left, mut step) = (timeout, FIRST_STEP);
        loop {
            let (db, reached) = self.shared.wait_until(step.min(left), &is_wanted);
            left = left.saturating_sub(step);
            if reached || left.is_zero() || self.shared.is_stopped() {
                return (db, reached);
            }
            // Should nobody be there to look, the time runs out.
            let _ = self.mailbox.send(Message::Look(None));
            step = (step * 2).min(LONGEST_STEP);
        }
    }

    /// As [`Transactor::wait`], but looks nowhere: for those who ask again.
    pub(crate) fn wait_here(&self, timeout: Duration, is_wanted: impl Fn(&Db) -> bool) -> bool {
        self.shared.wait_until(timeout, is_wanted).1
    }

    /// The newest value of all: of a moment after this was called, whoever writes.
    pub(crate) fn sync_head(&self, timeout: Duration) -> Result<Db> {
        if !self.leadership.is_shared() {
            return Ok(self.db());
        }
        let (reply, looked) = sync_channel(1);
        self.mailbox.send(Message::Look(Some(reply))).map_err(|_| gone())?;
        match looked.recv_timeout(timeout) {
            Ok(outcome) => outcome.map(|()| self.db()),
            Err(_) => Err(not_reached(
                "db.error/basis-not-reached",
                format!("the storage did not tell what is newest within {} ms", timeout.as_millis()),
                "wait longer, or ask without it: what is known here can be read",
            )),
        }
    }

    /// How long ago it was last known that nobody had written anything newer.
    pub(crate) fn staleness(&self) -> Duration {
        if !self.leadership.is_shared() {
            return Duration::ZERO;
        }
        let now = self.db().basis().home.gauge_micros();
        let micros = now.saturating_sub(self.shared.current_at.load(Ordering::Acquire));
        Duration::from_micros(u64::try_from(micros).unwrap_or(0))
    }

    pub(crate) fn is_open(&self) -> bool {
        !self.shared.is_stopped()
    }

    pub(crate) fn is_leading(&self) -> bool {
        self.shared.epoch.load(Ordering::Acquire) != 0
    }

    /// Leads, and says as which epoch; refused if another process is to.
    pub(crate) fn lead(&self, timeout: Duration) -> Result<u64> {
        self.mailbox.send(Message::Lead).map_err(|_| gone())?;
        let epoch = || self.shared.epoch.load(Ordering::Acquire);
        match self.shared.wait_until(timeout, |_| epoch() != 0) {
            (_, true) => Ok(epoch()),
            (_, false) => Err(follow::elsewhere(&self.leadership)),
        }
    }

    /// How many requests wait in the queue.
    pub(crate) fn queued(&self) -> usize {
        self.shared.waiting.load(Ordering::Acquire)
    }

    /// Asks for a job that puts all to rest that is durable now; says up to which transaction.
    pub(crate) fn request_index(&self) -> Result<T> {
        let t = self.db().basis_t();
        self.mailbox.send(Message::Index).map_err(|_| gone())?;
        Ok(t)
    }

    /// Waits until everything up to `t` is at rest.
    pub(crate) fn sync_index(&self, t: T, timeout: Duration) -> Result<Db> {
        let (db, reached) = self.wait(timeout, |db| db.basis().snapshot.rest().has(t));
        if reached {
            return Ok(db);
        }
        let message = match db.basis().snapshot.rest().basis() {
            Some(basis) => format!("what is at rest ends with transaction {basis}, before {t}"),
            None => format!("nothing is at rest yet, and {t} is to be"),
        };
        Err(self.told_why(not_reached(
            "db.error/index-not-reached",
            message,
            "ask for a job (request-index), or wait longer",
        )))
    }

    /// Waits until all that transactions up to `t` want removed is gone.
    pub(crate) fn sync_excise(&self, t: T, timeout: Duration) -> Result<Db> {
        let is_done = |db: &Db| db.basis_t() >= t && self.shared.unexcised.load(Ordering::Acquire) > t;
        match self.wait(timeout, is_done) {
            (db, true) => Ok(db),
            (_, false) => Err(self.told_why(not_reached(
                "db.error/excision-not-reached",
                format!("what transactions up to {t} want removed is not all gone yet"),
                "wait longer; the removal goes on",
            ))),
        }
    }

    /// Adds what the last job failed by, if it did.
    fn told_why(&self, error: Error) -> Error {
        let why = self.db().basis().home.gauges().error.clone();
        match why {
            Some(why) => {
                let message = format!("{}; the last index job failed: {why}", error.message());
                error.with_message(message)
            }
            None => error,
        }
    }

    /// Has something done beside the writing, when no job runs and nothing is collected.
    pub(crate) fn begin<V: Send + 'static>(
        &self,
        run: impl FnOnce() -> Result<V> + Send + 'static,
    ) -> Result<Answer<V>> {
        let (reply, answer) = sync_channel(1);
        let task = Task::Other(Box::new(move || {
            // Nobody has to wait for the outcome.
            let _ = reply.send(run());
        }));
        self.mailbox.send(Message::Task(task)).map_err(|_| gone())?;
        Ok(Answer(answer))
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

fn not_reached(keyword: &'static str, message: String, hint: &str) -> Error {
    Error::new(Category::Unavailable, keyword, message).with_hint(hint)
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

/// Follows the feed in a thread of its own, which nobody waits for: it ends when it finds the database closed.
#[cfg(feature = "remote")]
fn follow_feed(shared: &Arc<Shared>, mailbox: &Sender<Message>, leadership: &Arc<Leadership>) -> Result<()> {
    let (shared, mailbox, leadership) = (Arc::downgrade(shared), mailbox.clone(), Arc::clone(leadership));
    spawn("annals-feed", move || feed::follow(&shared, &mailbox, &leadership)).map(drop)
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(run).map_err(|error| {
        let message = format!("no thread can be started: {error}");
        Error::new(Category::Unavailable, "db.error/no-thread", message)
    })
}

/// The keeper of the log: appends batch after batch, each when the one before is settled, and reads what others append.
fn keep_log(log: &Mutex<Log>, errands: &Receiver<Errand>, outcomes: &Sender<Message>) {
    while let Ok(errand) = errands.recv() {
        if outcomes.send(carry_out(log, &errand)).is_err() {
            return;
        }
    }
}

/// Does one thing with the log, which nobody else does anything with meanwhile.
fn carry_out(log: &Mutex<Log>, errand: &Errand) -> Message {
    let fault = || Error::new(Category::Fault, "db.error/fault", "the log met a fault of the database");
    // A panic is caught below, where the lock is held.
    let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
    let done = catch_unwind(AssertUnwindSafe(|| match errand {
        Errand::Append(batch) => Message::Appended(log.append(batch).map_err(Error::from)),
        Errand::ReadOn => Message::ReadOn(log.read_on().map_err(Error::from)),
        Errand::Take(first, frames) => Message::Taken(log.take_frames(*first, frames).map_err(Error::from)),
    }));
    done.unwrap_or_else(|_| match errand {
        Errand::Append(_) => Message::Appended(Err(fault())),
        Errand::ReadOn => Message::ReadOn(Err(fault())),
        Errand::Take(..) => Message::Taken(Err(fault())),
    })
}

/// The writer's thread: one message after the other, unless somebody else is at the desk.
fn write(desk: &Desk, messages: &Receiver<Message>) {
    let _leaving = Leaving(desk);
    let mut pause = at_desk(desk, |writer| {
        writer.begin();
        writer.follow.pause()
    });
    while let Some(wait) = pause {
        let message = match wait {
            Some(wait) => match messages.recv_timeout(wait) {
                Ok(message) => message,
                Err(RecvTimeoutError::Timeout) => Message::Look(None),
                Err(RecvTimeoutError::Disconnected) => break,
            },
            None => match messages.recv() {
                Ok(message) => message,
                Err(_) => break,
            },
        };
        pause = at_desk(desk, |writer| {
            writer.serve(message);
            writer.follow.pause()
        });
    }
}

/// When this is dropped there is no writer any more, and whoever waits for an answer learns that there will be none.
struct Leaving<'d>(&'d Desk);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        drop(self.0.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// Has the writer do something; none if it has ended, or met a fault, which ends it.
fn at_desk<R>(desk: &Desk, work: impl FnOnce(&mut Writer) -> R) -> Option<R> {
    let mut writer = desk.lock().ok()?;
    let writer = writer.as_mut()?;
    let done = work(writer);
    (!writer.has_ended()).then_some(done)
}
