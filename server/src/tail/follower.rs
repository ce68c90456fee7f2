//! One asker's place in the log of a database.
//!
//! Invariant: what is taken are the wanted transactions after `seen`, in order, without gap; `seen` moves over what is not
//! wanted too. Waiting and taking are two things: a wait can be given up at any time, and nothing is lost.

use std::sync::Arc;

use annals::{Category, Connection, T, TimePoint, Tx};
use tokio::sync::{Semaphore, watch};

use super::events::Form;
use super::tailer::{Entry, News, Tailer, weight};
use super::{Start, Wanted};
use crate::problem::Problem;

/// The most transactions that are looked at in one go.
const AT_ONCE: usize = 256;

/// How much of the log is read in one go, bytes, if not one transaction alone is larger.
const READ_BYTES: usize = 1 << 20;

/// A place in a log.
pub(super) struct Follower {
    connection: Connection,
    tailer: Arc<Tailer>,
    news: watch::Receiver<News>,
    readers: Arc<Semaphore>,
    wanted: Arc<Wanted>,
    seen: T,
    form: Form,
}

/// A transaction to be told.
pub(super) enum Told {
    /// As it is in the log.
    Whole(Arc<Entry>),
    /// What is wanted of it.
    Part(Tx),
}

impl Told {
    /// Its number.
    pub(super) fn t(&self) -> T {
        match self {
            Told::Whole(entry) => entry.tx.t,
            Told::Part(tx) => tx.t,
        }
    }

    /// The transaction.
    pub(super) fn into_tx(self) -> Tx {
        match self {
            Told::Whole(entry) => entry.tx.clone(),
            Told::Part(tx) => tx,
        }
    }
}

impl Follower {
    pub(super) fn new(
        connection: Connection,
        tailer: Arc<Tailer>,
        news: watch::Receiver<News>,
        readers: Arc<Semaphore>,
        start: &Start,
    ) -> Follower {
        let form = Form::of(start.media, start.types);
        if start.wanted.is_all() {
            tailer.uses(form, true);
        }
        let wanted = Arc::new(start.wanted.clone());
        Follower { connection, tailer, news, readers, wanted, seen: start.after, form }
    }

    /// The last transaction that was looked at.
    pub(super) fn seen(&self) -> T {
        self.seen
    }

    /// The form in which it is told.
    pub(super) fn form(&self) -> Form {
        self.form
    }

    /// The database.
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Waits until there is something after what was seen.
    pub(super) async fn news(&mut self) -> Result<(), Problem> {
        let seen = self.seen;
        let news = self.news.wait_for(|news| news.t > seen || news.has_ended).await;
        match news.map(|news| *news) {
            Ok(news) if news.t > seen => Ok(()),
            _ => Err(self.why_ended()),
        }
    }

    fn why_ended(&self) -> Problem {
        let message = format!("the log of {:?} is followed no more: it was closed", self.connection.name());
        Problem::new(Category::Unavailable, "db.error/log-closed", message)
            .hint("ask again; if the database was deleted, the answer says so")
    }

    /// What is wanted of the next transactions, at most so many; nothing if there is nothing yet, or nothing wanted among
    /// those that were looked at.
    pub(super) async fn take(&mut self, most: usize) -> Result<Vec<Told>, Problem> {
        if self.news.borrow().t <= self.seen && self.connection.db().basis_t() <= self.seen {
            return Ok(Vec::new());
        }
        let most = most.min(AT_ONCE);
        let Some(entries) = self.tailer.after(self.seen, most) else { return self.read(most).await };
        let mut told = Vec::new();
        for entry in entries {
            self.seen = entry.tx.t;
            if self.wanted.is_all() {
                told.push(Told::Whole(entry));
            } else {
                told.extend(self.wanted.of_tx(&entry.tx).map(Told::Part));
            }
        }
        Ok(told)
    }

    /// From the log itself, on a thread that may block; a few at once do that.
    async fn read(&mut self, most: usize) -> Result<Vec<Told>, Problem> {
        // Never closed: an error cannot come.
        let permit = self.readers.clone().acquire_owned().await;
        let (connection, wanted, after) = (self.connection.clone(), self.wanted.clone(), self.seen);
        let reading = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let (mut told, mut seen, mut bytes, mut left) = (Vec::new(), after, 0, most);
            let mut look = |tx: Tx| {
                seen = tx.t;
                bytes += weight(&tx);
                left -= 1;
                if wanted.is_all() {
                    told.push(Told::Whole(Arc::new(Entry::new(tx))));
                } else {
                    told.extend(wanted.of_tx(&tx).map(Told::Part));
                }
                left > 0 && bytes < READ_BYTES
            };
            connection.log().each(Some(TimePoint::T(after + 1)), None, &mut look)?;
            Ok::<_, annals::Error>((told, seen))
        });
        let (told, seen) = reading.await.map_err(|_| Problem::panicked())??;
        self.seen = seen;
        Ok(told)
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        if self.wanted.is_all() {
            self.tailer.uses(self.form, false);
        }
    }
}
