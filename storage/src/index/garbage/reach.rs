//! Which segments a root reaches, and which it no longer does.

use std::collections::HashSet;

use crate::error::Result;
use crate::root::Root;
use crate::tree::nodes::Nodes;
use crate::tree::{Name, Node, Tree};

/// Names that became unreachable, sorted, and the bytes of their frames.
#[derive(Debug, Default)]
pub(in crate::index) struct Unreachable {
    pub(in crate::index) names: Vec<Name>,
    pub(in crate::index) bytes: u64,
}

/// The trees of a root that may share nodes with each other's successors: of each order the open ones and the closed
/// ones, and the log.
fn groups(root: &Root) -> Vec<Vec<&Tree>> {
    let mut groups: Vec<Vec<&Tree>> = Vec::new();
    for tiers in &root.tiers {
        groups.push(tiers.iter().flat_map(|tier| [&tier.open, &tier.dead]).collect());
    }
    for order in 0..root.tiers.len() {
        groups.push(root.generations.iter().map(|generation| &generation.closed[order]).collect());
    }
    groups.push(vec![&root.log]);
    groups
}

/// What the old root reaches and the new one does not. Trees in both are not looked into, nor are the parts that a
/// new tree shares with an old one.
pub(in crate::index) fn unreachable(nodes: &Nodes, old: &Root, new: &Root) -> Result<Unreachable> {
    let mut found = Unreachable::default();
    for (old, new) in groups(old).into_iter().zip(groups(new)) {
        let tops = |trees: &[&Tree]| trees.iter().filter_map(|tree| tree.top).collect::<HashSet<Name>>();
        let (old_tops, new_tops) = (tops(&old), tops(&new));
        let gone = old.iter().filter(|tree| tree.top.is_some_and(|top| !new_tops.contains(&top)));
        let gone: Vec<&&Tree> = gone.collect();
        if gone.is_empty() {
            continue;
        }
        let mut kept = HashSet::new();
        for tree in new.iter().filter(|tree| tree.top.is_some_and(|top| !old_tops.contains(&top))) {
            each_node(nodes, tree, &mut |name, _| kept.insert(name))?;
        }
        for tree in gone {
            each_node(nodes, tree, &mut |name, bytes| {
                let is_gone = !kept.contains(&name);
                if is_gone {
                    found.names.push(name);
                    found.bytes += bytes;
                }
                is_gone
            })?;
        }
    }
    found.names.sort_unstable();
    Ok(found)
}

/// Everything the root's trees are made of.
pub(in crate::index) fn reachable(nodes: &Nodes, root: &Root) -> Result<HashSet<Name>> {
    let mut names = HashSet::new();
    for tree in groups(root).into_iter().flatten() {
        each_node(nodes, tree, &mut |name, _| names.insert(name))?;
    }
    Ok(names)
}

/// Everything a tree is made of.
#[cfg(test)]
pub(in crate::index) fn of_tree(nodes: &Nodes, tree: &Tree) -> Result<HashSet<Name>> {
    let mut names = HashSet::new();
    each_node(nodes, tree, &mut |name, _| names.insert(name))?;
    Ok(names)
}

/// Hands each node with the bytes of its frame to `take`; below those it refuses nothing is looked at.
fn each_node(nodes: &Nodes, tree: &Tree, take: &mut dyn FnMut(Name, u64) -> bool) -> Result<()> {
    let mut open: Vec<Node> = tree.node().into_iter().collect();
    while let Some(node) = open.pop() {
        if node.level == 0 {
            take(node.name, node.bytes);
            continue;
        }
        let directory = nodes.directory(&node)?;
        if take(node.name, node.bytes - directory.child_bytes) {
            open.extend(directory.entries.iter().map(|entry| entry.node(node.level - 1)));
        }
    }
    Ok(())
}
