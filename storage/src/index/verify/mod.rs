//! Reads everything a database has at rest and holds it against itself.
//!
//! The newest root must be readable; the log must be one whole chain; every node of the newest root's trees must be
//! what its parent says; a row must lie in the tier or generation of its time; and the three orders must hold what
//! replay of the log gives. That last is told by sums ([`sums`]) that do not depend on the order rows are met in, so that
//! memory does not grow with the database, but for the names of segments.
//!
//! What is wrong is reported and never mended here.

mod nodes;
mod sums;

use std::collections::HashSet;
use std::sync::Arc;

use self::nodes::{Check, Place};
use self::sums::{Sum, Sums};
use super::garbage;
use super::log;
use crate::backend::{DatabaseId, Lineage, Sequence, Storage, settle};
use crate::cache::Cache;
use crate::datom::{Order, T};
use crate::error::{Error, Result};
use crate::root::Root;
use crate::tree::nodes::Nodes;
use crate::tree::{Name, Shape};

/// How many slots or segments are read or listed by one call.
const AT_ONCE: usize = 64;
/// For directories of the packed log.
const CACHE_BYTES: usize = 1 << 20;

/// Something that is not as it was written, or does not fit the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The slot, segment or tree.
    pub place: String,
    /// What was found, what was expected.
    pub what: String,
}

/// What was read, and what is wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The newest root, if there is one.
    pub revision: Option<u64>,
    /// The newest transaction in the trees.
    pub basis: Option<T>,
    /// Root slots.
    pub roots: u64,
    /// Those before the newest that cannot be read. Nothing reads them any more.
    pub damaged_old_roots: u64,
    /// Batches of the log, packed or in slots.
    pub batches: u64,
    /// Transactions in them.
    pub transactions: u64,
    /// Datoms in them.
    pub datoms: u64,
    /// Leaves and log segments of the trees.
    pub leaves: u64,
    /// Directories of the trees.
    pub directories: u64,
    /// Open rows in one order.
    pub open: u64,
    /// Tombstones in one order.
    pub tombstones: u64,
    /// Closed rows in one order.
    pub closed: u64,
    /// Bytes of all that the newest root reaches.
    pub bytes: u64,
    /// Segments on lists of what may be collected.
    pub freed: u64,
    /// Segments that nothing names: of jobs that died.
    pub orphans: u64,
    /// What is wrong, the first of it.
    pub problems: Vec<Problem>,
    /// How much more is wrong.
    pub more_problems: u64,
}

impl Report {
    /// True if nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }
}

/// How far a verification is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is being read.
    pub stage: &'static str,
    /// How much of it was read.
    pub done: u64,
    /// How much there is, as far as is known.
    pub all: u64,
}

/// What to verify.
#[derive(Debug)]
pub struct Verify<'v> {
    /// The storage.
    pub storage: &'v Arc<dyn Storage>,
    /// The database in it.
    pub lineage: Lineage,
    /// At most so many problems are told.
    pub most_problems: usize,
}

impl Verify<'_> {
    /// Reads everything. Fails only where the storage does; what is wrong with the bytes is in the report.
    pub fn run(&self, progress: &mut dyn FnMut(Progress)) -> Result<Report> {
        let mut findings = Findings { report: Report::default(), most: self.most_problems };
        let newest = self.roots(&mut findings, progress)?;
        let root = newest.unwrap_or_else(|| Root::empty(self.lineage.origin()));
        let logged = self.log(&root, &mut findings, progress)?;
        let reached = self.trees(&root, logged, &mut findings, progress)?;
        self.segments(&root, reached, &mut findings, progress)?;
        Ok(findings.report)
    }

    /// Reads the packed log through a small cache of its own: all of it is read once.
    fn nodes(&self) -> Nodes {
        let cache = Arc::new(Cache::new(CACHE_BYTES));
        Nodes { storage: Arc::clone(self.storage), lineage: self.lineage.clone(), cache }
    }

    fn database(&self) -> DatabaseId {
        self.lineage.database()
    }

    /// Reads every root slot; gives the newest root, if it can be read.
    fn roots(&self, findings: &mut Findings, progress: &mut dyn FnMut(Progress)) -> Result<Option<Root>> {
        let (sequence, mut newest) = (Sequence::Root(self.database()), Ok(None));
        loop {
            let from = findings.report.roots;
            let slots = settle::repeat(|| self.storage.read_slots(sequence, from, AT_ONCE))?;
            if slots.is_empty() {
                return Ok(findings.note(newest)?.flatten());
            }
            for (revision, bytes) in (from..).zip(&slots) {
                findings.report.roots += 1;
                findings.report.damaged_old_roots += u64::from(newest.is_err());
                findings.report.revision = Some(revision);
                newest = Root::open(self.database(), revision, bytes).map(Some);
            }
            progress(Progress { stage: "roots", done: findings.report.roots, all: 0 });
        }
    }

    /// Reads the whole log; gives what it says of the facts up to the root's basis, if it can be read to its end.
    fn log(
        &self,
        root: &Root,
        findings: &mut Findings,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Option<Sums>> {
        let (mut sums, mut left) = (Sums::default(), 0);
        let nodes = self.nodes();
        let read = log::each_batch(&nodes, root, &mut |batch| {
            let report = &mut findings.report;
            report.batches += 1;
            for tx in &batch.txs {
                report.transactions += 1;
                report.datoms += tx.datoms.len() as u64;
                if root.basis.is_some_and(|basis| tx.t <= basis) {
                    left += sums.replay(tx, &root.excisions);
                }
            }
            if report.batches.is_multiple_of(AT_ONCE as u64) {
                progress(Progress { stage: "log", done: report.transactions, all: 0 });
            }
            Ok(())
        });
        if left > 0 {
            let what = format!("{left} facts are in it that were removed for ever");
            findings.problem(format!("packed log of database {}", self.database()), what);
        }
        Ok(findings.note(read)?.map(|()| sums))
    }

    /// Reads every node of the newest root; gives their names.
    fn trees(
        &self,
        root: &Root,
        logged: Option<Sums>,
        findings: &mut Findings,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<HashSet<Name>> {
        let mut check = Check::new(self, root, findings, progress);
        let mut first = None;
        for order in Order::ALL {
            let (mut open, mut closed) = (Sum::default(), Sum::default());
            let before = check.findings.count();
            for (place, tier) in root.tiers[order as usize].iter().enumerate() {
                let at = |what| Place {
                    order,
                    shape: Shape::Open,
                    what,
                    part: place,
                    first: tier.first,
                    last: tier.last,
                };
                open.add(&check.tree(&tier.open, &at("open rows"))?);
                let dead = check.tree(&tier.dead, &at("tombstones"))?;
                open.subtract(&dead);
                if order == Order::Eavt {
                    check.findings.report.tombstones += dead.rows;
                }
            }
            for (part, generation) in root.generations.iter().enumerate() {
                let (first, last) = (generation.first, generation.last);
                let at = Place { order, shape: Shape::Closed, what: "closed rows", part, first, last };
                closed.add(&check.tree(&generation.closed[order as usize], &at)?);
            }
            if order == Order::Eavt {
                (check.findings.report.open, check.findings.report.closed) = (open.rows, closed.rows);
            }
            if check.findings.count() > before {
                // Trees with a broken node cannot agree; that was told already.
                continue;
            }
            let place = format!("{order:?} trees of database {}", self.database());
            let (others, expected) = match &logged {
                Some(logged) => ("the log", Some((*logged.open(order), *logged.closed(order)))),
                // AVET has not all rows, so it is not held against another order.
                None if order == Order::Avet => continue,
                None => ("the other order", first),
            };
            if let Some((wanted_open, wanted_closed)) = expected {
                check.findings.agree(&place, "open rows", &open, &wanted_open, others);
                check.findings.agree(&place, "closed rows", &closed, &wanted_closed, others);
            }
            first = Some((open, closed));
        }
        check.log_tree(&root.log)?;
        Ok(check.reached)
    }

    /// Counts the segments that the root does not reach.
    fn segments(
        &self,
        root: &Root,
        mut named: HashSet<Name>,
        findings: &mut Findings,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<()> {
        let mut lists = HashSet::new();
        for freed in &root.freed {
            lists.insert(freed.list);
            let listed = garbage::listed(&**self.storage, self.database(), freed);
            lists.extend(findings.note(listed)?.flatten().unwrap_or_default());
        }
        let (mut after, mut seen) = (None, 0);
        loop {
            let listed = settle::repeat(|| self.storage.list_segments(self.database(), after, AT_ONCE))?;
            let Some(last) = listed.last() else { return Ok(()) };
            after = Some(*last);
            seen += listed.len() as u64;
            for id in &listed {
                let name = Name { epoch: id.epoch, job: id.job, ordinal: id.ordinal };
                if named.remove(&name) {
                    continue;
                }
                let count = if lists.contains(&name) {
                    &mut findings.report.freed
                } else {
                    &mut findings.report.orphans
                };
                *count += 1;
            }
            progress(Progress { stage: "segments", done: seen, all: 0 });
        }
    }
}

/// The report in the making.
struct Findings {
    report: Report,
    most: usize,
}

impl Findings {
    fn count(&self) -> u64 {
        self.report.problems.len() as u64 + self.report.more_problems
    }

    fn problem(&mut self, place: impl Into<String>, what: impl Into<String>) {
        if self.report.problems.len() < self.most {
            self.report.problems.push(Problem { place: place.into(), what: what.into() });
        } else {
            self.report.more_problems += 1;
        }
    }

    /// Takes what is wrong with bytes as a problem; other failures end the verification.
    fn note<V>(&mut self, outcome: Result<V>) -> Result<Option<V>> {
        match outcome {
            Ok(value) => return Ok(Some(value)),
            Err(Error::Corrupt { place, what }) => self.problem(place, what),
            Err(Error::Expired { place }) => self.problem(place, "it is missing"),
            Err(Error::OutOfOrder { place, what }) => self.problem(place, what),
            Err(Error::UnknownVersion { place, what, found, known }) => {
                self.problem(place, format!("{what} {found}, this build knows {known}"));
            }
            Err(error) => return Err(error),
        }
        Ok(None)
    }

    fn agree(&mut self, place: &str, what: &str, found: &Sum, expected: &Sum, others: &str) {
        if found.rows != expected.rows {
            self.problem(place, format!("{} {what}, {others} says {}", found.rows, expected.rows));
        } else if found != expected {
            self.problem(place, format!("the {} {what} are not those of {others}", found.rows));
        }
    }
}
