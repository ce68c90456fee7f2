//! The directories over a tree's leaves, cut by content.
//!
//! Whether a directory ends after a child is told by a hash of the child's name, not by how many came before. So where
//! two trees have the same stretch of leaves, they have the same directories over it, but for those at its ends; a
//! directory that an older tree has already is named again instead of written again.

use std::collections::HashMap;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use crate::error::Result;
use crate::frame::{self, Kind};
use crate::tree::directory::{self, DIRECTORY_VERSION, Directory, Keys};
use crate::tree::nodes::Nodes;
use crate::tree::writer::Writer;
use crate::tree::{Entry, Name, Tree};

/// One child in so many ends a directory, if nothing else does.
const MOST_CHILDREN: usize = 512;
/// About what a child takes beside its key.
const CHILD_BYTES: usize = 24;

/// The directories of a tree in the making, from its leaves up.
#[derive(Debug)]
pub(super) struct Spine {
    /// One child in so many ends a directory.
    modulus: u64,
    /// A directory has at least so many children, unless their keys are long.
    least: usize,
    /// A directory ends when it has so many bytes, nearly; it has two children at least.
    most_bytes: usize,
    /// Children not under a directory yet; the first are leaves.
    levels: Vec<Level>,
    /// The key of the last leaf, if there is one.
    last: Option<Vec<u8>>,
    /// Directories of older trees by the name of their first child, and all bytes under them.
    old: HashMap<Name, (Entry, Arc<Directory>)>,
}

#[derive(Debug, Default)]
struct Level {
    entries: Vec<Entry>,
    keys: Keys,
}

impl Spine {
    /// Directories become about as large as leaves.
    pub(super) fn new(leaf_bytes: usize) -> Spine {
        let modulus = (leaf_bytes / 63).clamp(4, MOST_CHILDREN);
        Spine {
            modulus: modulus as u64,
            least: (modulus / 8).max(2),
            most_bytes: leaf_bytes,
            levels: Vec::new(),
            last: None,
            old: HashMap::new(),
        }
    }

    /// Directories of this tree are named again where they fit.
    pub(super) fn remember(&mut self, nodes: &Nodes, tree: &Tree) -> Result<()> {
        tree.each_directory(nodes, &mut |node, directory| {
            let zone = directory.zone();
            let entry =
                Entry { name: node.name, rows: node.rows, leaves: node.leaves, zone, bytes: node.bytes };
            self.old.insert(directory.entries[0].name, (entry, Arc::clone(directory)));
            Ok(())
        })
    }

    /// Appends a leaf, whose key is above all before.
    pub(super) fn push(&mut self, out: &mut Writer<'_>, entry: Entry, key: &[u8]) -> Result<()> {
        if self.last.as_ref().is_some_and(|last| last.as_slice() >= key) {
            return Err(out.refused("its leaves are not in order"));
        }
        let last = self.last.get_or_insert_default();
        last.clear();
        last.extend_from_slice(key);
        self.push_at(out, 0, entry, key)
    }

    fn push_at(&mut self, out: &mut Writer<'_>, at: usize, entry: Entry, key: &[u8]) -> Result<()> {
        if at == self.levels.len() {
            self.levels.push(Level::default());
        }
        let level = &mut self.levels[at];
        level.entries.push(entry);
        level.keys.push(key);
        let children = level.entries.len();
        let ends = children >= self.least && hash(entry.name).is_multiple_of(self.modulus);
        let full = children >= 2 && level.keys.bytes() + children * CHILD_BYTES >= self.most_bytes;
        if ends || full { self.close(out, at) } else { Ok(()) }
    }

    /// Puts a directory over the children of a level, which becomes a child of the level above.
    fn close(&mut self, out: &mut Writer<'_>, at: usize) -> Result<()> {
        let Level { entries, keys } = std::mem::take(&mut self.levels[at]);
        let level = u8::try_from(at + 1).expect("each level halves the one below at least");
        let directory = Directory::new(level, entries, keys);
        let directory = directory.ok_or_else(|| out.refused("its rows are not countable"))?;
        let entry = self.name(out, &directory)?;
        self.push_at(out, at + 1, entry, directory.key(0))
    }

    /// The directory's entry in its parent: an old one's if it is the same, else it is written.
    fn name(&self, out: &mut Writer<'_>, directory: &Directory) -> Result<Entry> {
        if let Some((entry, old)) = self.old.get(&directory.entries[0].name)
            && **old == *directory
        {
            return Ok(*entry);
        }
        let mut payload = Vec::new();
        directory::encode(directory, &mut payload);
        let frame = frame::seal(Kind::Directory, DIRECTORY_VERSION, out.database, &payload)?;
        let bytes = directory.child_bytes + frame.len() as u64;
        let (rows, leaves, zone) = (directory.rows(), directory.leaves, directory.zone());
        Ok(Entry { name: out.add(frame)?, rows, leaves, zone, bytes })
    }

    /// Puts directories over all that is left, up to one.
    pub(super) fn finish(mut self, out: &mut Writer<'_>) -> Result<Tree> {
        let mut at = 0;
        while at < self.levels.len() {
            let is_last = at + 1 == self.levels.len();
            match self.levels[at].entries.as_slice() {
                [top] if is_last && at > 0 => {
                    let Entry { name, rows, leaves, bytes, .. } = *top;
                    return Ok(Tree { top: Some(name), height: at as u8, rows, leaves, bytes });
                }
                [] => {}
                _ => self.close(out, at)?,
            }
            at += 1;
        }
        Ok(Tree::default())
    }
}

fn hash(name: Name) -> u64 {
    let mut bytes = [0; 24];
    bytes[..8].copy_from_slice(&name.epoch.to_be_bytes());
    bytes[8..16].copy_from_slice(&name.job.to_be_bytes());
    bytes[16..].copy_from_slice(&name.ordinal.to_be_bytes());
    xxh3_64(&bytes)
}
