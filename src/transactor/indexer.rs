//! The indexer: does what takes long beside the writing, one task at a time.
//!
//! A job puts sealed novelty to rest and publishes a root; a collection deletes what no root needs. Neither is ever done
//! beside the other, so that nobody deletes what a running job has just written. What it finds out goes to the writer,
//! which alone decides what holds next.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};

use annals_storage::anomaly::Category;
use annals_storage::index::{Done, Job};
use annals_storage::log::LogReader;

use super::Message;
use crate::basis::Basis;
use crate::error::{Error, Result};
use crate::excise;

/// What there is to do.
pub(crate) enum Task {
    /// Put what is under the seal of this state to rest, as the writer of this epoch.
    Job(Arc<Basis>, u64),
    /// Anything else; it answers by itself.
    Other(Box<dyn FnOnce() + Send>),
}

/// How a task ended.
pub(super) enum Finished {
    Job(Result<Done>),
    Other,
}

/// Does task after task, until nobody can hand one in any more.
pub(super) fn run(tasks: &Receiver<Task>, finished: &Sender<Message>, log: &LogReader) {
    while let Ok(task) = tasks.recv() {
        let done = match task {
            Task::Job(basis, epoch) => Finished::Job(job(&basis, log, epoch)),
            Task::Other(run) => {
                // Who asked finds that nobody answers.
                let _ = catch_unwind(AssertUnwindSafe(run));
                Finished::Other
            }
        };
        if finished.send(Message::Finished(done)).is_err() {
            return;
        }
    }
}

fn job(basis: &Basis, log: &LogReader, epoch: u64) -> Result<Done> {
    let home = &basis.home;
    home.gauges().is_running = true;
    let started = home.gauge_micros();
    let done = catch_unwind(AssertUnwindSafe(|| put_to_rest(basis, log, epoch)));
    let done = done.unwrap_or_else(|_| {
        Err(Error::new(Category::Fault, "db.error/fault", "the index job met a fault of the database"))
    });
    let took = home.gauge_micros().saturating_sub(started).max(0);
    let mut gauges = home.gauges();
    gauges.is_running = false;
    match &done {
        Ok(done) => gauges.took(done, took),
        Err(error) => gauges.failed(error.message()),
    }
    drop(gauges);
    done
}

/// Puts what is under the seal of a state to rest, without what its transactions want removed for ever.
pub(crate) fn put_to_rest(basis: &Basis, log: &LogReader, epoch: u64) -> Result<Done> {
    let (home, snapshot) = (&basis.home, &basis.snapshot);
    let sealed = snapshot.novelty().seal();
    let mut excise = excise::requests(basis, snapshot.rest().basis())?;
    excise.retain(|excision| sealed.is_some_and(|seal| excision.t <= seal));
    let job = Job {
        storage: &home.storage,
        lineage: home.lineage.clone(),
        cache: &home.cache,
        rest: snapshot.rest(),
        novelty: snapshot.novelty(),
        log,
        epoch,
        job: home.options.chance.next_id()? as u64,
        now: home.now(),
        settings: home.options.index,
        excise: &excise,
    };
    Ok(job.run()?)
}
