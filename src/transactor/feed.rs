//! The feed: new frames of a log, from who writes or from another peer, as soon as they are durable.
//!
//! It only makes a database fresher: frames are checked, and taken in order, as if they were read from the storage. A
//! gap, a cut connection or a feed that is gone leaves the rest to looking at the storage. Each call asks for what comes
//! after what is known, and waits there until there is something, so nothing is kept for a reader that is slow.

use std::sync::mpsc::Sender;
use std::sync::{Arc, Weak};
use std::time::Duration;

use annals_storage::frame;

use super::{Message, Shared};
use crate::leadership::{Leadership, Stance};
use crate::remote::Client;

/// How long one call waits for something new.
const WAITS: Duration = Duration::from_secs(10);
/// How much longer its answer may take.
const ANSWERS: Duration = Duration::from_secs(5);

/// Follows the feed until nobody has the database open any more.
pub(super) fn follow(shared: &Weak<Shared>, mailbox: &Sender<Message>, leadership: &Leadership) {
    let client = Client::new();
    loop {
        // Nothing is held while a call waits: it keeps no storage open.
        let Some((from, name, source)) = shared.upgrade().map(|shared| {
            let home = &shared.newest().basis().home.clone();
            let source = home.options.feed.clone().or_else(|| match leadership.stance() {
                Stance::Elsewhere(address) => address,
                Stance::Writes => None,
            });
            let from = home.gauges().batches;
            (from, Arc::clone(&home.name), source)
        }) else {
            return;
        };
        let taken = source.and_then(|source| {
            let source = source.trim_end_matches('/');
            let url = format!("{source}/v1/db/{name}/feed?from={from}&wait={}", WAITS.as_millis());
            frame::split(&client.get(&url, WAITS + ANSWERS).ok()??)
        });
        let Some(shared) = shared.upgrade() else { return };
        let is_past = |db: &crate::Db| db.basis().home.gauges().batches > from;
        match taken {
            Some(frames) if frames.is_empty() => {}
            Some(frames) => {
                if mailbox.send(Message::Fed(from, frames)).is_err() {
                    return;
                }
                // What cannot be taken is not asked for again at once.
                shared.wait_until(leadership.heartbeat(), is_past);
            }
            // Nobody feeds: until somebody does, the storage is looked at.
            None => {
                shared.wait_until(leadership.heartbeat(), |_| false);
                // What cannot be read now is looked for again.
                let _ = leadership.look();
            }
        }
        if shared.is_stopped() {
            return;
        }
    }
}
