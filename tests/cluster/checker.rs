//! The checker: replays the log into a model, and holds everything that clients were told against it.
//!
//! The database gives every transaction a place in one order, so nothing has to be guessed: each check is one pass.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use annals::Connection;
use annals_storage::log::Chain;

use crate::load::{LISTS, Outcome, Session};

/// The lists as of every transaction.
pub(crate) struct Model {
    /// By list: transaction and item, in order.
    lists: Vec<Vec<(u64, String)>>,
    /// How often each item was added, in the whole log.
    added: BTreeMap<String, usize>,
    pub(crate) newest: u64,
}

impl Model {
    /// Replays the log.
    pub(crate) fn of(conn: &Connection) -> Model {
        let db = conn.db();
        let (name, item) = (db.entid(":list/name"), db.entid(":list/item"));
        let (name, item) = (name.expect("the schema").unwrap(), item.expect("the schema").unwrap());
        let (mut names, mut lists) = (BTreeMap::new(), vec![Vec::new(); LISTS]);
        let (mut added, mut newest, mut instant) = (BTreeMap::new(), 0, i64::MIN);
        let each = &mut |tx: annals::Tx| {
            assert!(tx.t == 0 || tx.t == newest + 1, "{} after {newest}", tx.t);
            assert!(tx.instant >= instant, "the instant of {} is before the last", tx.t);
            (newest, instant) = (tx.t, tx.instant);
            for datom in tx.datoms.iter().filter(|datom| datom.added) {
                let annals::Value::String(text) = &datom.v else { continue };
                if datom.a.entity() == name {
                    names.insert(datom.e, text.parse::<usize>().expect("a number"));
                }
                if datom.a.entity() == item {
                    lists[names[&datom.e]].push((tx.t, text.to_string()));
                    *added.entry(text.to_string()).or_default() += 1;
                }
            }
            true
        };
        conn.log().each(None, None, each).expect("the log is read");
        Model { lists, added, newest }
    }

    fn as_of(&self, list: usize, t: u64) -> &[(u64, String)] {
        let all = &self.lists[list];
        &all[..all.partition_point(|(at, _)| *at <= t)]
    }
}

/// What was checked.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) written: usize,
    pub(crate) refused: usize,
    pub(crate) unknown: usize,
    pub(crate) unknown_and_there: usize,
    pub(crate) reads: usize,
    pub(crate) unanswered: usize,
}

/// Holds all sessions against the model.
pub(crate) fn check(model: &Model, sessions: &[Session]) -> Tally {
    let (mut tally, known) = (Tally::default(), Known::of(sessions));
    for session in sessions {
        for write in &session.writes {
            let there = model.added.get(&write.item).copied().unwrap_or(0);
            match write.outcome {
                Outcome::Written(t) => {
                    assert_eq!(there, 1, "{write:?} was acknowledged");
                    assert!(model.lists[write.list].contains(&(t, write.item.clone())), "{write:?}");
                    tally.written += 1;
                }
                Outcome::Refused => {
                    assert_eq!(there, 0, "{write:?} was refused");
                    tally.refused += 1;
                }
                Outcome::Unknown => {
                    assert!(there <= 1, "{write:?}");
                    tally.unknown += 1;
                    tally.unknown_and_there += there;
                }
            }
        }
        for read in &session.reads {
            for (list, items) in read.lists.iter().zip(&read.items) {
                assert_eq!(items, model.as_of(*list, read.t), "list {list} as of {}", read.t);
            }
            assert!(!read.synced || read.t >= known.at(read.time.from), "{read:?} misses what was written");
        }
        assert!(session.bases.is_sorted(), "a basis goes back: {:?}", session.bases);
        tally.reads += session.reads.len();
        tally.unanswered += session.unanswered;
    }
    tally
}

/// What was known to be written, and since when.
struct Known(Vec<(Duration, u64)>);

impl Known {
    fn of(sessions: &[Session]) -> Known {
        let writes = sessions.iter().flat_map(|session| &session.writes);
        let mut known: Vec<(Duration, u64)> = writes
            .filter_map(|write| match write.outcome {
                Outcome::Written(t) => Some((write.time.to, t)),
                _ => None,
            })
            .collect();
        known.sort();
        let mut newest = 0;
        for (_, t) in &mut known {
            newest = newest.max(*t);
            *t = newest;
        }
        Known(known)
    }

    /// The newest transaction that somebody knew of at this time.
    fn at(&self, time: Duration) -> u64 {
        let before = self.0.partition_point(|(known, _)| *known < time);
        before.checked_sub(1).map_or(0, |last| self.0[last].1)
    }
}

/// The epochs of the log: they only rise, so whoever wrote was never written past. Gives how many there are.
pub(crate) fn epochs(conn: &Connection) -> usize {
    let database = conn.db().database_id();
    let (mut chain, mut from, mut epochs) = (Chain::new(database), 0, Vec::new());
    loop {
        let frames = conn.feed(from, Duration::ZERO).expect("the log is read");
        if frames.is_empty() {
            epochs.dedup();
            return epochs.len();
        }
        for frame in &frames {
            let batch = chain.accept(frame).expect("one history");
            assert!(
                epochs.last().is_none_or(|last| *last <= batch.epoch),
                "epoch {} after {epochs:?}",
                batch.epoch
            );
            epochs.push(batch.epoch);
            from += 1;
        }
    }
}

/// The same questions about the same moments, asked of all: the answers are the same bytes.
pub(crate) fn same_everywhere(urls: &[String], newest: u64) -> Arc<BTreeMap<(u64, usize), String>> {
    let agent = ureq::Agent::config_builder().build().new_agent();
    let mut told = BTreeMap::new();
    for t in (1..=newest).step_by((newest as usize / 12).max(1)) {
        for list in 0..LISTS {
            let body = format!("{{:query {} :args [[\"{list}\"]] :as-of {t}}}", crate::load::ITEMS);
            let answers: Vec<String> = urls
                .iter()
                .map(|url| {
                    let call = agent.post(format!("{url}/v1/db/main/query?min-t={newest}"));
                    let mut answer =
                        call.header("content-type", "application/edn").send(&body).expect("an answer");
                    answer.body_mut().read_to_string().expect("text")
                })
                .collect();
            assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "as of {t}, list {list}: {answers:?}");
            told.insert((t, list), answers.into_iter().next().expect("a server"));
        }
    }
    Arc::new(told)
}
