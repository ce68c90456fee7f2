//! Carries requests to who leads, and their answers back.
//!
//! A few threads of their own do it, begun when they are needed: the writer never waits for another process. Of requests
//! that are on their way at the same time any may be written first. What surely was not written is sent again when
//! another leads, or written here if it comes to that; what may have been is sent again only if it has a key.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use annals_storage::anomaly::Category;
use annals_storage::datom::T;
use annals_storage::log::LogReader;

use super::answered::{Again, Answered};
use super::{Message, Shared, Submitted, follow, spawn};
use crate::database::Db;
use crate::error::{Error, Result};
use crate::home::Home;
use crate::leadership::{Leadership, MISSED_BEATS, Stance};
use crate::remote::{Client, Lost, Told};

/// The most requests that are carried at once.
const MOST: usize = 16;
/// So many beats somebody who leads is waited for: until another can have taken over.
const PATIENCE_BEATS: u32 = 2 * MISSED_BEATS;
/// How long who leads may take to answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(60);
/// So many beats if the request can be sent again: who is paused does not answer, and another leads meanwhile.
const ANSWER_BEATS: u32 = MISSED_BEATS + 1;
/// But as long at least.
const LEAST_PATIENCE: Duration = Duration::from_secs(1);
/// How long a transaction that was written elsewhere may take to be known here.
const KNOWN_WITHIN: Duration = Duration::from_secs(30);
/// How often the log is looked at for it.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The threads that carry.
pub(super) struct Couriers {
    post: Arc<Post>,
    requests: Sender<Submitted>,
    begun: usize,
}

/// What they share.
struct Post {
    shared: Arc<Shared>,
    home: Arc<Home>,
    leadership: Arc<Leadership>,
    mailbox: Sender<Message>,
    log: LogReader,
    client: Client,
    requests: Mutex<Receiver<Submitted>>,
}

impl Couriers {
    pub(super) fn new(
        shared: &Arc<Shared>,
        home: &Arc<Home>,
        leadership: &Arc<Leadership>,
        mailbox: &Sender<Message>,
        log: &LogReader,
    ) -> Couriers {
        let (requests, waiting) = channel();
        let post = Post {
            shared: Arc::clone(shared),
            home: Arc::clone(home),
            leadership: Arc::clone(leadership),
            mailbox: mailbox.clone(),
            log: log.clone(),
            client: Client::new(),
            requests: Mutex::new(waiting),
        };
        Couriers { post: Arc::new(post), requests, begun: 0 }
    }

    /// Has a request carried to who leads; its answer comes from there.
    pub(super) fn carry(&mut self, request: Submitted) {
        if request.request.direct {
            return self.post.shared.answer(request, Err(follow::elsewhere(&self.post.leadership)));
        }
        if self.begun < MOST {
            let post = Arc::clone(&self.post);
            // Without one more the others do it.
            self.begun += usize::from(spawn("annals-carry", move || post.run()).is_ok());
        }
        // The receiver lives as long as this does.
        let _ = self.requests.send(request);
    }
}

impl Post {
    /// Carries request after request, until nobody can hand one in any more.
    fn run(&self) {
        loop {
            let next = self.requests.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(request) = next else { return };
            self.deliver(request);
        }
    }

    fn deliver(&self, mut submitted: Submitted) {
        let mut refusal = match submitted.in_doubt {
            true => unknown("elsewhere", "it was sent there, and given back"),
            false => follow::elsewhere(&self.leadership),
        };
        let (mut seen, mut still) = (None, 0);
        let within = match submitted.request.key {
            Some(_) => (ANSWER_BEATS * self.leadership.heartbeat()).clamp(LEAST_PATIENCE, ANSWERS_WITHIN),
            None => ANSWERS_WITHIN,
        };
        for _ in 0..PATIENCE_BEATS {
            let address = match self.leadership.stance() {
                Stance::Writes => return self.give_back(submitted),
                Stance::Elsewhere(address) => address,
            };
            if let Some(address) = address {
                match self.client.transact(&address, &self.home.name, &submitted.request, within) {
                    Ok(told) => {
                        let answer = self.answer(told);
                        return self.shared.answer(submitted, answer);
                    }
                    // Once it may have been written, nobody is told that it was not.
                    Err(Lost::Refused(error)) if error.keyword() == "db.error/transactor-elsewhere" => {
                        refusal = if submitted.in_doubt { refusal } else { error };
                    }
                    Err(Lost::Refused(error)) if submitted.in_doubt && !is_verdict(&error) => {}
                    Err(Lost::Refused(error)) => return self.shared.answer(submitted, Err(error)),
                    Err(Lost::NotSent(_)) if submitted.in_doubt => {}
                    Err(Lost::NotSent(why)) => refusal = not_there(&address, &why),
                    Err(Lost::Unknown(why)) => {
                        (refusal, submitted.in_doubt) = (unknown(&address, &why), true);
                        if submitted.request.key.is_none() {
                            break;
                        }
                    }
                }
            }
            let (_, stopped) =
                (self.shared.wait_until(self.leadership.heartbeat(), |_| false), self.is_over());
            if stopped {
                break;
            }
            let looked = self.leadership.look();
            still = if looked.is_some() && looked == seen { still + 1 } else { 0 };
            seen = looked;
            if still >= MISSED_BEATS
                && let Some(seen) = seen.clone()
            {
                self.leadership.take_for_gone(seen);
            }
        }
        self.shared.answer(submitted, Err(refusal));
    }

    fn is_over(&self) -> bool {
        self.shared.is_stopped()
    }

    /// It is to be written here after all.
    fn give_back(&self, submitted: Submitted) {
        if let Err(gone) = self.mailbox.send(Message::Request(submitted))
            && let Message::Request(submitted) = gone.0
        {
            self.shared.answer(submitted, Err(super::gone()));
        }
    }

    /// The answer to a request that was written elsewhere, once it is known here.
    fn answer(&self, told: Told) -> Result<Answered> {
        let now = self.known(told.t)?;
        Ok(Answered::Again(Again { t: told.t, now, log: self.log.clone(), told: Some(told) }))
    }

    fn known(&self, t: T) -> Result<Db> {
        let mut left = KNOWN_WITHIN;
        loop {
            // Should nobody be there to look, the time runs out.
            let _ = self.mailbox.send(Message::Look(None));
            match self.shared.wait_until(LOOK_EVERY, |db| db.basis_t() >= t) {
                (db, true) => return Ok(db),
                _ if left.is_zero() || self.is_over() => break,
                _ => left = left.saturating_sub(LOOK_EVERY),
            }
        }
        let message = format!("the transaction was written as {t}, and is not known here yet");
        Err(Error::new(Category::Unavailable, "db.error/basis-not-reached", message)
            .with_hint("wait until it is; it need not be sent again"))
    }
}

/// True if an error says what became of the request, and not only that it was not looked at.
fn is_verdict(error: &Error) -> bool {
    use Category::{Busy, Forbidden, Interrupted, Unavailable};
    !matches!(error.category(), Busy | Forbidden | Interrupted | Unavailable)
}

fn not_there(address: &str, why: &str) -> Error {
    let message = format!("the transactor at {address} cannot be reached: {why}");
    Error::new(Category::Unavailable, "db.error/transactor-unavailable", message)
        .with_hint("nothing was written; send it again when a transactor is there")
}

fn unknown(address: &str, why: &str) -> Error {
    let message = format!("the transactor at {address} did not say what became of the transaction: {why}");
    Error::new(Category::Unavailable, "db.error/outcome-unknown", message)
        .with_hint("look whether it is there; with a key it can be sent again and is carried out once")
}
