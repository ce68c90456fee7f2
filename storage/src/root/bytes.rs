//! The bytes of a root: field by field in `docs/format.md`.
//!
//! Segments are named by their job's place in a list of jobs, for few jobs write most trees. Times of one thing are
//! written as steps. Decoding trusts nothing: any bytes give a root or an error that says where.

use super::{AttributeNote, Excision, Freed, Generation, LogEnd, Root, Tier};
use crate::datom::{AttrId, EntityId, Partition, T};
use crate::tree::{Name, Tree};
use crate::wire::{Malformed, Reader, put_signed, put_unsigned};

/// Features whoever reads a root must know, by bit. None yet.
const KNOWN_FEATURES: u64 = 0;
/// No tree is higher: each level has at least 64 times the children of the one above.
const MAX_HEIGHT: u8 = 16;

/// What is wrong with a payload.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The root was written by a newer build, with features this one does not know.
    Features(Vec<u32>),
    Malformed(Malformed),
}

impl From<Malformed> for Refused {
    fn from(malformed: Malformed) -> Refused {
        Refused::Malformed(malformed)
    }
}

/// Appends the payload of a root to `out`.
pub(super) fn encode(root: &Root, out: &mut Vec<u8>) {
    let mut out = Writer { out, jobs: jobs(root) };
    out.unsigned(KNOWN_FEATURES);
    out.unsigned(0); // No further features.
    out.unsigned(root.revision);
    out.unsigned(root.epoch);
    out.eight(root.job);
    out.signed(root.at);
    out.time(root.basis);
    out.signed(root.instant);
    out.each(&root.next, |out, (partition, counter)| {
        out.unsigned(partition.0.into());
        out.unsigned(*counter);
    });
    out.unsigned(root.log_epoch);
    out.unsigned(root.leaf_bytes);
    out.jobs();
    root.tiers.iter().for_each(|tiers| out.each(tiers, Writer::tier));
    out.each(&root.generations, Writer::generation);
    out.steps(root.attributes.iter().map(|note| note.a.into()));
    root.attributes.iter().for_each(|note| {
        out.unsigned(note.tags.into());
        out.unsigned(note.long.into());
    });
    out.tree(&root.log);
    out.unsigned(root.log_end.seq);
    out.time(root.log_end.t);
    out.out.extend_from_slice(&root.log_end.previous.to_be_bytes());
    out.each(&root.freed, Writer::freed);
    out.each(&root.excisions, Writer::excision);
}

/// The jobs that wrote what a root names, each once, in the order of their first mention.
fn jobs(root: &Root) -> Vec<(u64, u64)> {
    let mut jobs = Vec::new();
    let tiers = root.tiers.iter().flatten().flat_map(|tier| [&tier.open, &tier.dead]);
    let trees =
        tiers.chain(root.generations.iter().flat_map(|generation| &generation.closed)).chain([&root.log]);
    let names = trees.filter_map(|tree| tree.top).chain(root.freed.iter().map(|freed| freed.list));
    for Name { epoch, job, .. } in names {
        if !jobs.contains(&(epoch, job)) {
            jobs.push((epoch, job));
        }
    }
    jobs
}

struct Writer<'o> {
    out: &'o mut Vec<u8>,
    jobs: Vec<(u64, u64)>,
}

impl Writer<'_> {
    fn unsigned(&mut self, n: u64) {
        put_unsigned(self.out, n);
    }

    fn signed(&mut self, n: i64) {
        put_signed(self.out, n);
    }

    fn count(&mut self, n: usize) {
        put_unsigned(self.out, n as u64);
    }

    fn eight(&mut self, n: u64) {
        self.out.extend_from_slice(&n.to_be_bytes());
    }

    /// One more than a transaction's number, or 0 for none.
    fn time(&mut self, t: Option<T>) {
        self.unsigned(t.map_or(0, |t| t + 1));
    }

    fn each<V>(&mut self, all: &[V], put: impl Fn(&mut Self, &V)) {
        self.count(all.len());
        all.iter().for_each(|one| put(self, one));
    }

    /// How many, the first, and the steps from one to the next: they ascend.
    fn steps(&mut self, numbers: impl ExactSizeIterator<Item = u64>) {
        self.count(numbers.len());
        numbers.fold(0, |before, n| {
            self.unsigned(n.wrapping_sub(before));
            n
        });
    }

    fn jobs(&mut self) {
        let jobs = std::mem::take(&mut self.jobs);
        self.each(&jobs, |out, (epoch, job)| {
            out.unsigned(*epoch);
            out.eight(*job);
        });
        self.jobs = jobs;
    }

    fn name(&mut self, name: Name) {
        let job = self.jobs.iter().position(|job| *job == (name.epoch, name.job));
        self.count(job.expect("the jobs of all names were collected"));
        self.unsigned(name.ordinal);
    }

    fn tree(&mut self, tree: &Tree) {
        let Some(top) = tree.top else { return self.out.push(0) };
        debug_assert!((1..=MAX_HEIGHT).contains(&tree.height));
        self.out.push(tree.height);
        self.name(top);
        self.unsigned(tree.rows);
        self.unsigned(tree.leaves);
        self.unsigned(tree.bytes);
    }

    fn span(&mut self, first: T, last: T) {
        self.unsigned(first);
        self.unsigned(last.wrapping_sub(first));
    }

    fn tier(&mut self, tier: &Tier) {
        self.span(tier.first, tier.last);
        self.tree(&tier.open);
        self.tree(&tier.dead);
    }

    fn generation(&mut self, generation: &Generation) {
        self.span(generation.first, generation.last);
        self.unsigned(generation.first_from);
        generation.closed.iter().for_each(|tree| self.tree(tree));
    }

    fn freed(&mut self, freed: &Freed) {
        self.unsigned(freed.revision);
        self.signed(freed.at);
        self.name(freed.list);
        self.unsigned(freed.segments);
        self.unsigned(freed.bytes);
    }

    fn excision(&mut self, excision: &Excision) {
        self.unsigned(excision.t);
        self.unsigned(excision.before);
        self.out.push(excision.references.into());
        self.steps(excision.entities.iter().map(|e| e.0));
        self.steps(excision.attributes.iter().map(|a| a.0.into()));
    }
}

/// Reads the payload of a root.
pub(super) fn decode(payload: &[u8]) -> Result<Root, Refused> {
    let mut reader = Taker { reader: Reader::new(payload), jobs: Vec::new() };
    reader.features()?;
    let root = reader.root()?;
    reader.reader.finish()?;
    Ok(root)
}

struct Taker<'a> {
    reader: Reader<'a>,
    jobs: Vec<(u64, u64)>,
}

impl Taker<'_> {
    /// Refuses features that must be known and are not; passes over those that need not be.
    fn features(&mut self) -> Result<(), Refused> {
        let unknown = self.unsigned("the features to know")? & !KNOWN_FEATURES;
        if unknown != 0 {
            return Err(Refused::Features((0..u64::BITS).filter(|bit| unknown >> bit & 1 == 1).collect()));
        }
        self.each(2, "the number of further features", |reader| {
            reader.unsigned("a feature's number")?;
            reader.reader.length_and_bytes("a feature's bytes")
        })?;
        Ok(())
    }

    fn root(&mut self) -> Result<Root, Malformed> {
        let mut root = Root {
            revision: self.unsigned("the revision")?,
            epoch: self.unsigned("the epoch")?,
            job: self.eight("the job")?,
            at: self.signed("when it was published")?,
            basis: self.time("the newest transaction")?,
            instant: self.signed("its instant")?,
            next: self.each(2, "the number of counters, within the payload", Self::counter)?,
            log_epoch: self.unsigned("the log's epoch")?,
            leaf_bytes: self.unsigned("the size of leaves")?,
            ..Root::default()
        };
        self.jobs = self.each(9, "the number of jobs, within the payload", |reader| {
            Ok((reader.unsigned("a job's epoch")?, reader.eight("a job's id")?))
        })?;
        for tiers in &mut root.tiers {
            *tiers = self.each(4, "the number of tiers, within the payload", Self::tier)?;
        }
        root.generations = self.each(6, "the number of generations, within the payload", Self::generation)?;
        root.attributes = self.attributes()?;
        root.log = self.tree()?;
        root.log_end = self.log_end()?;
        root.freed = self.each(5, "the number of freed lists, within the payload", Self::freed)?;
        root.excisions = self.each(5, "the number of excisions, within the payload", Self::excision)?;
        Ok(root)
    }

    fn unsigned(&mut self, expected: &'static str) -> Result<u64, Malformed> {
        self.reader.unsigned(expected)
    }

    fn signed(&mut self, expected: &'static str) -> Result<i64, Malformed> {
        self.reader.signed(expected)
    }

    fn eight(&mut self, expected: &'static str) -> Result<u64, Malformed> {
        self.reader.array(expected).map(u64::from_be_bytes)
    }

    fn narrow<V: TryFrom<u64>>(&mut self, expected: &'static str) -> Result<V, Malformed> {
        let complaint = self.reader.expected(expected);
        V::try_from(self.unsigned(expected)?).map_err(|_| complaint)
    }

    fn time(&mut self, expected: &'static str) -> Result<Option<T>, Malformed> {
        Ok(self.unsigned(expected)?.checked_sub(1))
    }

    /// Things of at least `least` bytes each, after their number.
    fn each<V>(
        &mut self,
        least: usize,
        expected: &'static str,
        mut take: impl FnMut(&mut Self) -> Result<V, Malformed>,
    ) -> Result<Vec<V>, Malformed> {
        let count = self.reader.count(least, expected)?;
        (0..count).map(|_| take(self)).collect()
    }

    /// Numbers that ascend.
    fn steps<V: TryFrom<u64>>(&mut self, expected: &'static str) -> Result<Vec<V>, Malformed> {
        let mut before = None;
        self.each(1, expected, |reader| {
            let complaint = reader.reader.expected(expected);
            let step = reader.unsigned(expected)?;
            let n = before.map_or(Some(step), |before: u64| before.checked_add(step).filter(|n| *n > before));
            before = n;
            n.and_then(|n| V::try_from(n).ok()).ok_or(complaint)
        })
    }

    fn counter(&mut self) -> Result<(Partition, u64), Malformed> {
        Ok((Partition(self.narrow("a partition")?), self.unsigned("a counter")?))
    }

    fn name(&mut self) -> Result<Name, Malformed> {
        let unknown = self.reader.expected("the place of a job in the list");
        let place: usize = self.narrow("the place of a job in the list")?;
        let (epoch, job) = *self.jobs.get(place).ok_or(unknown)?;
        Ok(Name { epoch, job, ordinal: self.unsigned("a segment's number")? })
    }

    fn tree(&mut self) -> Result<Tree, Malformed> {
        let too_high = self.reader.expected("the height of a tree, at most 16");
        let height = self.reader.byte("the height of a tree")?;
        if height == 0 {
            return Ok(Tree::default());
        }
        if height > MAX_HEIGHT {
            return Err(too_high);
        }
        Ok(Tree {
            top: Some(self.name()?),
            height,
            rows: self.unsigned("a tree's rows")?,
            leaves: self.unsigned("a tree's leaves")?,
            bytes: self.unsigned("a tree's bytes")?,
        })
    }

    fn span(&mut self) -> Result<(T, T), Malformed> {
        let first = self.unsigned("the first of some transactions")?;
        let beyond = self.reader.expected("the number of a transaction below 2^64");
        let last = first.checked_add(self.unsigned("the last of some transactions")?);
        Ok((first, last.ok_or(beyond)?))
    }

    fn tier(&mut self) -> Result<Tier, Malformed> {
        let (first, last) = self.span()?;
        Ok(Tier { first, last, open: self.tree()?, dead: self.tree()? })
    }

    fn generation(&mut self) -> Result<Generation, Malformed> {
        let (first, last) = self.span()?;
        let first_from = self.unsigned("the first opening time")?;
        Ok(Generation { first, last, first_from, closed: [self.tree()?, self.tree()?, self.tree()?] })
    }

    fn attributes(&mut self) -> Result<Vec<AttributeNote>, Malformed> {
        let attributes: Vec<u32> = self.steps("attributes that ascend")?;
        let note = |a| {
            let (tags, long) = (self.narrow("types of values")?, self.narrow("types of long values")?);
            Ok(AttributeNote { a, tags, long })
        };
        attributes.into_iter().map(note).collect()
    }

    fn log_end(&mut self) -> Result<LogEnd, Malformed> {
        Ok(LogEnd {
            seq: self.unsigned("the first batch that is not packed")?,
            t: self.time("its first transaction")?,
            previous: u128::from_be_bytes(self.reader.array("the checksum it continues")?),
        })
    }

    fn freed(&mut self) -> Result<Freed, Malformed> {
        Ok(Freed {
            revision: self.unsigned("the revision that freed segments")?,
            at: self.signed("when segments were freed")?,
            list: self.name()?,
            segments: self.unsigned("how many segments were freed")?,
            bytes: self.unsigned("how many bytes were freed")?,
        })
    }

    fn excision(&mut self) -> Result<Excision, Malformed> {
        let t = self.unsigned("the transaction of an excision")?;
        let before = self.unsigned("the bound of an excision")?;
        let neither = self.reader.expected("0 or 1");
        let references = match self.reader.byte("0 or 1")? {
            0 => false,
            1 => true,
            _ => return Err(neither),
        };
        let entities = self.steps("entities that ascend")?.into_iter().map(EntityId).collect();
        let attributes = self.steps("attributes that ascend")?.into_iter().map(AttrId).collect();
        Ok(Excision { t, entities, attributes, references, before })
    }
}
