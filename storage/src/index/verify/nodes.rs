//! Every node of a tree, held against what its parent says of it.

use std::collections::HashSet;

use super::sums::Sum;
use super::{AT_ONCE, Findings, Progress, Verify};
use crate::datom::{Order, T};
use crate::error::{Error, Result};
use crate::frame::{self, Expected, Kind};
use crate::root::Root;
use crate::run::Run;
use crate::tree::directory::{self, DIRECTORY_VERSION, Directory};
use crate::tree::leaf::{self, LEAF_VERSION};
use crate::tree::nodes::{Found, Nodes};
use crate::tree::{Entry, Name, Shape, Tree, Zone, key};

/// Which tree of the root, and of which times its rows are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) order: Order,
    pub(super) shape: Shape,
    pub(super) what: &'static str,
    /// Which tier or generation.
    pub(super) part: usize,
    pub(super) first: T,
    pub(super) last: T,
}

/// A verification of trees under way.
pub(super) struct Check<'c> {
    nodes: Nodes,
    pub(super) findings: &'c mut Findings,
    progress: &'c mut dyn FnMut(Progress),
    pub(super) reached: HashSet<Name>,
    leaf_bytes: u64,
    /// The tree that is being read.
    tree: String,
    /// Leaves of all trees, as the root says.
    leaves: u64,
}

/// What the leaves of a tree are.
enum Leaves<'p> {
    /// Rows that belong to this place; the sum of those read so far.
    Rows(&'p Place, Sum),
    /// Segments of the log, which were held against the chain before.
    Log,
}

impl Leaves<'_> {
    fn sum(&self) -> Sum {
        if let Leaves::Rows(_, sum) = self { *sum } else { Sum::default() }
    }
}

/// A node as its parent describes it: the limits of its keys, and its entry.
struct Described<'d> {
    entry: Entry,
    lower: &'d [u8],
    upper: Option<&'d [u8]>,
}

impl<'c> Check<'c> {
    pub(super) fn new(
        verify: &Verify<'_>,
        root: &Root,
        findings: &'c mut Findings,
        progress: &'c mut dyn FnMut(Progress),
    ) -> Check<'c> {
        let open = root.tiers.iter().flatten().map(|tier| tier.open.leaves + tier.dead.leaves);
        let closed = root.generations.iter().flat_map(|generation| generation.closed);
        let leaves = open.sum::<u64>() + closed.map(|tree| tree.leaves).sum::<u64>() + root.log.leaves;
        let (reached, leaf_bytes) = (HashSet::new(), root.leaf_bytes);
        Check { nodes: verify.nodes(), findings, progress, reached, leaf_bytes, tree: String::new(), leaves }
    }

    /// Reads a whole tree; gives the sum of its rows.
    pub(super) fn tree(&mut self, tree: &Tree, place: &Place) -> Result<Sum> {
        self.tree = place.name();
        let mut leaves = Leaves::Rows(place, Sum::default());
        self.descend(tree, &mut leaves)?;
        Ok(leaves.sum())
    }

    /// Reads the tree of the packed log.
    pub(super) fn log_tree(&mut self, tree: &Tree) -> Result<()> {
        self.tree = "packed log".into();
        self.descend(tree, &mut Leaves::Log)
    }

    fn descend(&mut self, tree: &Tree, kind: &mut Leaves<'_>) -> Result<()> {
        let Tree { top, height, rows, leaves, bytes } = *tree;
        self.findings.report.bytes += bytes;
        let Some(top) = top else { return Ok(()) };
        let anything = Zone { from: (0, T::MAX), to: (0, T::MAX) };
        let entry = Entry { name: top, rows, leaves, zone: anything, bytes };
        let described = Described { entry, lower: &[], upper: None };
        let found = self.nodes.segments(&[top])?.pop().flatten();
        self.directory(&described, height, found, kind)
    }

    /// A segment, and the tree it belongs to.
    fn place_of(&self, name: Name) -> String {
        format!("{} ({})", name.of(self.nodes.lineage.database()), self.tree)
    }

    fn directory(
        &mut self,
        described: &Described<'_>,
        height: u8,
        found: Option<Found>,
        kind: &mut Leaves<'_>,
    ) -> Result<()> {
        self.reached.insert(described.entry.name);
        self.findings.report.directories += 1;
        let place = self.place_of(described.entry.name);
        let opened = found.ok_or_else(|| Error::Expired { place: place.clone() }).and_then(|bytes| {
            let payload = self.payload(&bytes, Kind::Directory, DIRECTORY_VERSION, &place)?;
            directory::decode(&payload).map_err(|malformed| Error::corrupt(&place, malformed.to_string()))
        });
        let Some(directory) = self.findings.note(opened)? else { return Ok(()) };
        self.totals(described, &directory, &place);
        for start in (0..directory.len()).step_by(AT_ONCE) {
            let children = start..directory.len().min(start + AT_ONCE);
            let names: Vec<Name> =
                directory.entries[children.clone()].iter().map(|entry| entry.name).collect();
            for (child, found) in children.zip(self.nodes.segments(&names)?) {
                let described = child_of(described, &directory, child);
                if height > 1 {
                    self.directory(&described, height - 1, found, kind)?;
                } else {
                    self.leaf_segment(&described, found, kind)?;
                }
            }
        }
        Ok(())
    }

    /// Holds a directory's sums and separators against what its parent says.
    fn totals(&mut self, described: &Described<'_>, directory: &Directory, place: &str) {
        let total = |part: fn(&Entry) -> u64| directory.entries.iter().map(part).sum::<u64>();
        let Entry { rows, leaves, bytes, .. } = described.entry;
        let mut differs = |what: &str, found: u64, expected: u64| {
            if found != expected {
                self.findings.problem(place, format!("{found} {what} under it, its parent says {expected}"));
            }
        };
        differs("rows", total(|entry| entry.rows), rows);
        differs("leaves", total(|entry| entry.leaves), leaves);
        if total(|entry| entry.bytes) >= bytes {
            differs("bytes", total(|entry| entry.bytes), bytes);
        }
        for child in 0..directory.len() {
            let lower = directory.key(child);
            let inside = lower >= described.lower && described.upper.is_none_or(|upper| lower < upper);
            let rises = child == 0 || directory.key(child - 1) < lower;
            if !inside || !rises {
                self.findings.problem(place, format!("the separator of child {child} is out of order"));
            }
            if !contains(&described.entry.zone, &directory.entries[child].zone) {
                self.findings.problem(place, format!("times of child {child} are outside its parent's"));
            }
        }
    }

    fn leaf_segment(
        &mut self,
        described: &Described<'_>,
        found: Option<Found>,
        kind: &mut Leaves<'_>,
    ) -> Result<()> {
        self.reached.insert(described.entry.name);
        self.findings.report.leaves += 1;
        if self.findings.report.leaves.is_multiple_of(AT_ONCE as u64) {
            let done = self.findings.report.leaves;
            (self.progress)(Progress { stage: "trees", done, all: self.leaves });
        }
        let place = self.place_of(described.entry.name);
        let Some(found) = self.findings.note(found.ok_or(Error::Expired { place: place.clone() }))? else {
            return Ok(());
        };
        if found.1.len() as u64 != described.entry.bytes {
            let what = format!("{} bytes, its parent says {}", found.1.len(), described.entry.bytes);
            self.findings.problem(&place, what);
        }
        if let Leaves::Rows(place, sum) = kind {
            let run = self.leaf(described, place, &found);
            self.findings.note(run)?.iter().for_each(|run| sum.add(&Sum::of_run(run)));
        }
        Ok(())
    }

    /// Holds a leaf against its parent and its tree.
    fn leaf(&mut self, described: &Described<'_>, place: &Place, found: &Found) -> Result<Run> {
        let name = self.place_of(described.entry.name);
        let kind = if place.shape == Shape::Closed { Kind::HistoryLeaf } else { Kind::Leaf };
        let payload = self.payload(found, kind, LEAF_VERSION, &name)?;
        let run = leaf::decode(&payload, place.order, place.shape)
            .map_err(|malformed| Error::corrupt(&name, malformed.to_string()))?;
        let mut wrong = |what: String| self.findings.problem(&name, what);
        let Entry { rows, leaves, zone, .. } = described.entry;
        if run.len() as u64 != rows || leaves != 1 {
            wrong(format!("{} rows in one leaf, its parent says {rows} in {leaves}", run.len()));
        }
        if found.1.len() as u64 > self.leaf_bytes && run.len() > 1 {
            wrong(format!("{} bytes, at most {} are allowed", found.1.len(), self.leaf_bytes));
        }
        for row in 0..run.len() {
            let (from, to) = (run.rows.from[row], run.rows.to.get(row).copied().unwrap_or(T::MAX));
            if row > 0 && !run.compare(row - 1, &run, row).is_lt() {
                wrong(format!("row {row} is not above the one before it"));
            }
            if !contains(&zone, &Zone { from: (from, from), to: (to, to) }) {
                wrong(format!("row {row} is outside the times its parent says"));
            }
            if !place.admits(from, to) {
                wrong(format!("row {row} of transaction {from} is in the wrong place: {}", place.name()));
            }
        }
        if let Some(last) = run.len().checked_sub(1) {
            let key = |row| {
                let mut key = Vec::new();
                key::of_row(&run, row, place.shape, &mut key);
                key
            };
            let below = *key(0) < *described.lower;
            let above = described.upper.is_some_and(|upper| *key(last) >= *upper);
            if below || above {
                wrong("a key is outside its parent's separators".into());
            }
        }
        Ok(run)
    }

    fn payload(&self, (database, bytes): &Found, kind: Kind, version: u8, place: &str) -> Result<Vec<u8>> {
        let expected = Expected { kind, kind_version: version, database: *database, place };
        Ok(frame::open(bytes, &expected)?.payload.into_owned())
    }
}

fn child_of<'d>(parent: &Described<'d>, directory: &'d Directory, child: usize) -> Described<'d> {
    let upper = if child + 1 < directory.len() { Some(directory.key(child + 1)) } else { parent.upper };
    Described { entry: directory.entries[child], lower: directory.key(child), upper }
}

fn contains(outer: &Zone, inner: &Zone) -> bool {
    let within = |outer: (T, T), inner: (T, T)| outer.0 <= inner.0 && inner.1 <= outer.1;
    within(outer.from, inner.from) && within(outer.to, inner.to)
}

impl Place {
    fn name(&self) -> String {
        let part = if self.shape == Shape::Closed { "generation" } else { "tier" };
        format!("{:?}, {part} {}, {}", self.order, self.part, self.what)
    }

    /// True if a row of these times belongs here: open rows in the tier of their assertion, tombstones above it, closed
    /// rows in the generation of their closing.
    fn admits(&self, from: T, to: T) -> bool {
        match (self.shape, self.what) {
            (Shape::Closed, _) => (self.first..=self.last).contains(&to) && from < to,
            (Shape::Open, "tombstones") => from < self.first,
            (Shape::Open, _) => (self.first..=self.last).contains(&from),
        }
    }
}
