//! A follower as a stream of server-sent events.
//!
//! Each transaction is an event `transaction` whose id is its t. A heartbeat is a comment and an id: it says how far the log
//! was looked through, so that who asks again with it does not have it looked through twice. The last event is `end`, and says
//! why and where to go on.
//!
//! One task a stream writes a little ahead; when nobody takes that for long, the stream ends.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use annals::{Db, T, Tx};
use axum::body::Bytes;
use futures_core::Stream;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};

use super::Start;
use super::follower::{Follower, Told};
use crate::calls::log;
use crate::json::Types;
use crate::media::Media;
use crate::problem::Problem;
use crate::reply::Doc;
use crate::shared::Shared;

/// How many pieces are written ahead of the reader.
const AHEAD: usize = 2;

/// The most transactions that are looked at in one go.
const AT_ONCE: usize = 64;

/// How large a piece becomes before it is handed on, bytes; a large transaction is a piece of its own.
const PIECE_BYTES: usize = 32 << 10;

/// The least time between two pieces of a stream: what comes meanwhile goes out together. The first after a silence goes out
/// at once; in a busy log a thousand streams cost a thousand writes now and then, and not for each transaction.
const PACE: Duration = Duration::from_millis(20);

/// How transactions are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Edn,
    Plain,
    Tagged,
}

impl Form {
    pub(super) const ALL: [Form; 3] = [Form::Edn, Form::Plain, Form::Tagged];

    pub(super) fn of(media: Media, types: Types) -> Form {
        match (media, types) {
            (Media::Edn, _) => Form::Edn,
            (_, Types::Plain) => Form::Plain,
            (_, Types::Tagged) => Form::Tagged,
        }
    }

    pub(super) fn place(self) -> usize {
        self as usize
    }

    fn text(self, doc: Doc) -> String {
        match self {
            Form::Edn => doc.write(Media::Edn, Types::Plain),
            Form::Plain => doc.write(Media::Json, Types::Plain),
            Form::Tagged => doc.write(Media::Json, Types::Tagged),
        }
    }

    /// The event that tells of a transaction.
    pub(super) fn event(self, db: &Db, tx: &Tx, prev: T) -> String {
        event("transaction", tx.t, &self.text(log::event(db, tx, prev)))
    }
}

/// One event. Its data may have several lines.
fn event(name: &str, id: T, data: &str) -> String {
    let lines: String = data.lines().map(|line| format!("data: {line}\n")).collect();
    format!("event: {name}\nid: {id}\n{lines}\n")
}

/// Why a stream ended on this side.
enum Ending {
    Stopping,
    NotRead,
    Failed(Problem),
}

impl Ending {
    fn event(self, form: Form, sent: T) -> String {
        let problem = match self {
            Ending::Stopping => Problem::stopping(),
            Ending::NotRead => Problem::not_read(),
            Ending::Failed(problem) => problem,
        };
        event(
            "end",
            sent,
            &form.text(Doc::Map(vec![("after", sent.into()), ("problem", problem.into_doc())])),
        )
    }
}

/// Starts to write a live log; the answer is read from the other end.
pub(super) fn feed(
    shared: &Arc<Shared>,
    start: &Start,
    follower: Follower,
    permit: Option<OwnedSemaphorePermit>,
) -> Feed {
    let (pieces, reader) = mpsc::channel(AHEAD);
    let last = Arc::new(Mutex::new(None));
    let writer = Writer { shared: shared.clone(), sent: start.after, follower, pieces, last: last.clone() };
    tokio::spawn(writer.run());
    Feed { reader, last, _permit: permit }
}

/// The event that comes after all pieces, when there is one.
type Last = Arc<Mutex<Option<Bytes>>>;

/// Writes ahead of the reader.
struct Writer {
    shared: Arc<Shared>,
    follower: Follower,
    /// How far the pieces go that were handed on.
    sent: T,
    pieces: mpsc::Sender<Bytes>,
    last: Last,
}

impl Writer {
    /// Until the reader is gone, or something ends the stream.
    async fn run(mut self) {
        let Err(Some(ending)) = self.write().await else { return };
        if matches!(ending, Ending::NotRead) {
            self.shared.metrics.cut_off.inc();
        }
        let last = Bytes::from(ending.event(self.follower.form(), self.sent));
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(last);
    }

    /// Ends with an error only; with none in it if the reader is gone.
    async fn write(&mut self) -> Result<Infallible, Option<Ending>> {
        let options = &self.shared.options;
        let mut beat = interval(options.heartbeat.max(Duration::from_millis(1)));
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut draining = self.shared.draining();
        let mut ready = Instant::now();
        loop {
            let gone = self.pieces.clone();
            let news = async {
                sleep_until(ready).await;
                self.follower.news().await
            };
            // The first beat comes at once: it says where the stream begins.
            let is_beat = tokio::select! {
                biased;
                () = gone.closed() => return Err(None),
                _ = draining.wait_for(|draining| *draining) => return Err(Some(Ending::Stopping)),
                _ = beat.tick() => true,
                news = news => news.map(|()| false).map_err(|problem| Some(Ending::Failed(problem)))?,
            };
            if is_beat {
                let seen = self.follower.seen();
                self.hand_on(format!(": heartbeat\nid: {seen}\n\n"), seen).await?;
            } else {
                self.tell().await?;
                ready = Instant::now() + PACE;
            }
        }
    }

    /// Tells of the next transactions.
    async fn tell(&mut self) -> Result<(), Option<Ending>> {
        let told = self.follower.take(AT_ONCE).await.map_err(|problem| Some(Ending::Failed(problem)))?;
        // What the reader knows, which may be behind what was looked at.
        let mut prev = self.sent;
        let mut piece = String::new();
        for told in told {
            piece += &self.event(&told, prev);
            prev = told.t();
            self.shared.metrics.streamed.inc();
            if piece.len() >= PIECE_BYTES {
                self.hand_on(std::mem::take(&mut piece), prev).await?;
            }
        }
        if piece.is_empty() { Ok(()) } else { self.hand_on(piece, prev).await }
    }

    fn event(&self, told: &Told, prev: T) -> Arc<str> {
        let (form, connection) = (self.follower.form(), self.follower.connection());
        match told {
            Told::Whole(entry) => entry.event(form, connection).clone(),
            Told::Part(tx) => Arc::from(form.event(&connection.db(), tx, prev)),
        }
    }

    /// Hands a piece on, which goes up to a transaction.
    async fn hand_on(&mut self, piece: String, to: T) -> Result<(), Option<Ending>> {
        match timeout(self.shared.options.stall_timeout / 2, self.pieces.send(Bytes::from(piece))).await {
            Ok(Ok(())) => self.sent = to,
            Ok(Err(_)) => return Err(None),
            Err(_) => return Err(Some(Ending::NotRead)),
        }
        Ok(())
    }
}

/// What goes out: the pieces, and the last event.
pub(super) struct Feed {
    reader: mpsc::Receiver<Bytes>,
    last: Last,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Stream for Feed {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.reader.poll_recv(context).map(|piece| {
            let last = || self.last.lock().unwrap_or_else(PoisonError::into_inner).take();
            piece.or_else(last).map(Ok)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_may_have_several_lines() {
        assert_eq!(event("x", 7, "a\nb"), "event: x\nid: 7\ndata: a\ndata: b\n\n");
    }

    #[test]
    fn the_end_says_why_and_where_to_go_on() {
        let text = Ending::NotRead.event(Form::Plain, 9);
        assert!(text.starts_with("event: end\nid: 9\ndata: {\"after\":9,"), "{text}");
        assert!(text.contains("db.error/not-read"), "{text}");
    }
}
