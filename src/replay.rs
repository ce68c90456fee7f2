//! From what is stored to a state: the newest root, and the log above it as novelty.
//!
//! A log above the root that is longer than writes would ever leave it (a file that never had a root, a job that kept
//! failing, a fork that begins without trees) is put to rest piece by piece while it is read, so that memory stays
//! bounded.

use std::sync::Arc;

use annals_storage::datom::T;
use annals_storage::log::{Appended, Log, LogBatch, LogReader};
use annals_storage::novelty::{Bulk, Novelty};
use annals_storage::rest::Rest;

use crate::basis::{Basis, Counters};
use crate::error::Result;
use crate::fork;
use crate::home::Home;
use crate::leadership::Role;
use crate::schema::bootstrap;
use crate::transactor::indexer;

/// How often it is tried to open a database that others put to rest at the same time.
const ATTEMPTS: usize = 5;

/// A database as its storage has it.
pub(crate) struct Opened {
    pub(crate) basis: Basis,
    pub(crate) log: Log,
    /// The highest epoch of who has written; who writes next takes a higher one.
    pub(crate) epoch: u64,
}

/// Reads a database. Its first transaction, which every database is born with, is written if it is missing.
pub(crate) fn open(home: &Arc<Home>) -> Result<Opened> {
    let mut opened = open_once(home);
    for _ in 1..ATTEMPTS {
        // Another process put the same to rest, or published its root anew, meanwhile.
        if !matches!(&opened, Err(error) if error.keyword() == "db.error/root-superseded") {
            break;
        }
        opened = open_once(home);
    }
    opened
}

fn open_once(home: &Arc<Home>) -> Result<Opened> {
    fork::complete(home, &home.lineage)?;
    let rest = home.newest_rest()?;
    let mut replay = Replay::above(home, &rest);
    let mut log = Log::open(Arc::clone(&home.storage), home.lineage.clone(), &rest, &mut |batch| {
        replay.take(&batch);
        Ok(())
    })?;
    while log.next_t() == 0 {
        let batch = LogBatch {
            seq: log.next_seq(),
            epoch: 0,
            id: home.options.chance.next_id()?,
            next: Counters::fresh().to_log(0),
            txs: vec![bootstrap::transaction()],
        };
        match log.append(&batch)? {
            Appended::Done => replay.take(&batch),
            Appended::Taken(other) => replay.take(&other),
        }
    }
    let Replay { facts, instant, next, epoch, .. } = replay;
    let basis = match facts {
        Some(facts) if !rest.is_behind_log() || home.options.role == Role::Peer => {
            let novelty = facts.finish().without(rest.excisions());
            Basis::over(home, rest, novelty, instant, next)?
        }
        _ => in_pieces(home, rest, &log.reader(), epoch + 1, &next)?,
    };
    Ok(Opened { basis, log, epoch })
}

/// What stands in the log above a root, as far as memory allows.
struct Replay<'h> {
    home: &'h Home,
    above: Option<T>,
    /// None: it was too much.
    facts: Option<Bulk>,
    instant: i64,
    next: Counters,
    epoch: u64,
}

impl<'h> Replay<'h> {
    fn above(home: &'h Home, rest: &Rest) -> Replay<'h> {
        let mut next = Counters::fresh();
        next.catch_up(rest.next());
        Replay {
            home,
            above: rest.basis(),
            facts: Some(Novelty::new().bulk()),
            instant: rest.instant(),
            next,
            epoch: rest.epoch(),
        }
    }

    fn take(&mut self, batch: &LogBatch) {
        // The first batch may begin below the root's basis.
        for tx in batch.txs.iter().filter(|tx| self.above.is_none_or(|basis| tx.t > basis)) {
            self.instant = tx.instant;
            if let Some(facts) = &mut self.facts {
                facts.push(tx);
            }
            // Who only reads cannot put anything to rest.
            if self.home.options.role == Role::Peer {
                continue;
            }
            let limit = self.home.options.novelty_limit;
            self.facts = self.facts.take().filter(|facts| !is_at_least(self.home, facts, limit));
        }
        self.next.catch_up(&batch.next);
        self.epoch = self.epoch.max(batch.epoch);
    }
}

/// True if there is as much novelty in the making as sets `times` jobs off.
fn is_at_least(home: &Home, facts: &Bulk, times: usize) -> bool {
    let over = |have: usize, one: usize| have >= one.max(1).saturating_mul(times.max(1));
    over(facts.rows(), home.options.novelty_datoms) || over(facts.bytes(), home.options.novelty_bytes)
}

/// The state of a log that is long: pieces of it are put to rest, and the last is novelty.
fn in_pieces(
    home: &Arc<Home>,
    mut rest: Rest,
    log: &LogReader,
    epoch: u64,
    next: &Counters,
) -> Result<Basis> {
    loop {
        let (mut facts, mut instant, mut ended) = (Novelty::new().bulk(), rest.instant(), true);
        log.read(rest.basis().map_or(0, |t| t + 1)..T::MAX, &mut |tx| {
            facts.push(&tx);
            instant = tx.instant;
            ended = !is_at_least(home, &facts, home.options.novelty_limit.div_ceil(2));
            ended
        })?;
        let novelty = facts.finish().without(rest.excisions());
        let basis = Basis::over(home, rest, novelty, instant, next.clone())?;
        if ended {
            return Ok(basis);
        }
        rest = indexer::put_to_rest(&basis.sealed(), log, epoch)?.rest;
        home.revisions.publish(&rest);
        log.rebase(&rest);
    }
}
