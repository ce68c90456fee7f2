//! From entities to the nodes of their results, level by level: which maps there are, and what hangs where.
//!
//! All nodes of a level are filled together, those of one pattern with one pass over the source for each attribute. An
//! entity that is met more than once on a level under a pattern whose result does not depend on the way there has one
//! node, which hangs from several.

use std::ops::Range;
use std::rc::Rc;

use annals_storage::datom::{EntityId, Value};
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::edn::Edn;
use crate::error::{Error, Result};
use crate::source::{Attribute, Source};

use super::fetch::{Row, Way, fetch};
use super::prepare::{Pattern, PatternId, Prepared, Spec, Sub, id_key};
use super::{DEPTH_MAX, LIMIT_DEFAULT};

/// For so many keys of an entity room is made beforehand, at most.
const KEYS: usize = 64;

/// One map of the results.
pub(super) struct Node {
    pub(super) e: EntityId,
    pub(super) pattern: PatternId,
    /// The node it hangs from; that of a shared node is never looked at.
    above: Option<usize>,
    /// The levels each recursion of the pattern may still go down; shared by the nodes that have the same.
    levels: Rc<[u64]>,
    /// In how many places it stands.
    pub(super) uses: usize,
    /// What the wildcard gave, by key.
    pub(super) wild: Vec<(Edn, Part)>,
    /// What each spec of the pattern gave, if anything.
    pub(super) found: Vec<Option<Part>>,
}

/// What stands under a key.
pub(super) enum Part {
    /// A value as it is.
    Value(Edn),
    /// The map of another node, which comes later.
    Node(usize),
    /// Several.
    Many(Vec<Part>),
}

/// The results of some entities.
pub(super) struct Grown {
    /// Each after those it hangs from.
    pub(super) nodes: Vec<Node>,
    /// The node of each entity.
    pub(super) roots: Vec<usize>,
}

/// The nodes of the results of `entities`; none if they are more than `most`.
pub(super) fn grow(
    source: &dyn Source,
    prepared: &Prepared<'_>,
    entities: &[EntityId],
    most: usize,
    allow: &dyn Fn() -> Result<()>,
) -> Result<Option<Grown>> {
    let (nodes, shared) = (Vec::with_capacity(entities.len()), HashMap::default());
    let mut tree = Tree { source, prepared, nodes, shared, most, is_full: false };
    let mut roots = Vec::with_capacity(entities.len());
    let mut known: HashMap<EntityId, usize, FixedState> = HashMap::default();
    known.reserve(entities.len());
    let outermost = prepared.outermost();
    for e in entities {
        let root = *known.entry(*e).or_insert_with(|| tree.push(*e, outermost, None, None));
        tree.nodes[root].uses += 1;
        roots.push(root);
    }
    let (mut level, mut depth) = (0..tree.nodes.len(), 1);
    while !level.is_empty() {
        let next = level.end;
        level.clone().try_for_each(|_| allow())?;
        tree.fill(level)?;
        if tree.is_full {
            return Ok(None);
        }
        level = next..tree.nodes.len();
        depth += 1;
        if depth > DEPTH_MAX && !level.is_empty() {
            return Err(too_deep());
        }
    }
    Ok(Some(Grown { nodes: tree.nodes, roots }))
}

fn too_deep() -> Error {
    Error::incorrect("db.error/pull-too-deep", format!("the result is more than {DEPTH_MAX} maps deep")).hint(
        "say how many levels to go down: {:attr 10}; a rule in a query follows references of any length",
    )
}

struct Tree<'t> {
    source: &'t dyn Source,
    prepared: &'t Prepared<'t>,
    nodes: Vec<Node>,
    /// The shared nodes of the level that is made.
    shared: HashMap<(PatternId, EntityId), usize, FixedState>,
    /// How many nodes there may be.
    most: usize,
    /// There would be more.
    is_full: bool,
}

impl<'t> Tree<'t> {
    fn push(
        &mut self,
        e: EntityId,
        pattern: PatternId,
        above: Option<usize>,
        levels: Option<Rc<[u64]>>,
    ) -> usize {
        let levels = levels.unwrap_or_else(|| Rc::clone(&self.prepared.get(pattern).levels));
        self.nodes.push(Node { e, pattern, above, levels, uses: 0, wild: Vec::new(), found: Vec::new() });
        self.nodes.len() - 1
    }

    /// A node below another, or one that is there already.
    fn below(&mut self, at: usize, e: EntityId, pattern: PatternId, levels: Option<Rc<[u64]>>) -> Part {
        let known = match self.prepared.get(pattern).is_shared {
            true => self.shared.get(&(pattern, e)).copied(),
            false => None,
        };
        let node = match known {
            Some(node) => node,
            None if self.nodes.len() >= self.most => {
                self.is_full = true;
                return Part::Value(Edn::Nil);
            }
            None => {
                let node = self.push(e, pattern, Some(at), levels);
                if self.prepared.get(pattern).is_shared {
                    self.shared.insert((pattern, e), node);
                }
                node
            }
        };
        self.nodes[node].uses += 1;
        Part::Node(node)
    }

    /// Looks up what the nodes of a level have, and makes the nodes below them.
    fn fill(&mut self, level: Range<usize>) -> Result<()> {
        self.shared.clear();
        let mut order: Vec<usize> = level.collect();
        order.sort_unstable_by_key(|at| (self.nodes[*at].pattern, self.nodes[*at].e, *at));
        let mut left = &order[..];
        while let Some(first) = left.first() {
            let id = self.nodes[*first].pattern;
            let (group, others) = left.split_at(left.partition_point(|at| self.nodes[*at].pattern <= id));
            left = others;
            let pattern = self.prepared.get(id);
            if pattern.wildcard {
                self.fill_all(group, pattern)?;
            }
            for (number, spec) in pattern.specs.iter().enumerate() {
                self.fill_one(group, number, spec)?;
                if self.is_full {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Every attribute of the nodes of a group but those that stand in the pattern.
    fn fill_all(&mut self, group: &[usize], pattern: &Pattern<'_>) -> Result<()> {
        let set = self.entities(group);
        let named = pattern.named();
        let found = fetch(self.source, &set.entities, Way::All(&named), LIMIT_DEFAULT)?;
        for (at, slot) in group.iter().zip(&set.slots) {
            let rows = found.of(*slot);
            self.nodes[*at].wild.reserve(rows.len().min(KEYS));
            for rows in rows.chunk_by(|x, y| x.a == y.a) {
                let Some(attribute) = self.source.attribute(rows[0].a) else { continue };
                let part = self.part(*at, attribute, false, Sub::Default, None, rows);
                let key = attribute.ident.clone().into();
                self.nodes[*at].wild.extend(part.map(|part| (key, part)));
            }
        }
        Ok(())
    }

    /// What a spec asks of the nodes of a group.
    fn fill_one(&mut self, group: &[usize], number: usize, spec: &Spec<'_>) -> Result<()> {
        let asked: Vec<usize> = match spec.attribute {
            None => Vec::new(),
            Some(_) => group.iter().copied().filter(|at| self.nodes[*at].levels[number] > 0).collect(),
        };
        if let Some(attribute) = spec.attribute.filter(|_| !asked.is_empty()) {
            let way = if spec.reverse { Way::Back(attribute.id) } else { Way::Forward(attribute.id) };
            let single = if spec.reverse { attribute.component } else { !attribute.many };
            let set = self.entities(&asked);
            let found = fetch(self.source, &set.entities, way, if single { 1 } else { spec.limit })?;
            for (at, slot) in asked.iter().zip(&set.slots) {
                let part = self.part(*at, attribute, spec.reverse, spec.sub, Some(number), found.of(*slot));
                self.nodes[*at].found.push(part);
            }
        }
        for at in group {
            self.nodes[*at].found.resize_with(number + 1, || None);
        }
        Ok(())
    }

    /// The entities of nodes, which are in the order of these.
    fn entities(&self, nodes: &[usize]) -> Set {
        let mut set =
            Set { entities: Vec::with_capacity(nodes.len()), slots: Vec::with_capacity(nodes.len()) };
        for at in nodes {
            let e = self.nodes[*at].e;
            if set.entities.last() != Some(&e) {
                set.entities.push(e);
            }
            set.slots.push(set.entities.len() - 1);
        }
        set
    }

    /// What an attribute's values are in the result. `number` is that of the spec in the node's pattern.
    fn part(
        &mut self,
        at: usize,
        attribute: &Attribute,
        reverse: bool,
        sub: Sub,
        number: Option<usize>,
        rows: &[Row],
    ) -> Option<Part> {
        let many = if reverse { !attribute.component } else { attribute.many };
        let whole = attribute.component && !reverse;
        let mut parts = rows.iter().map(|row| match (&row.v, sub) {
            (Value::Ref(e), Sub::Pattern(pattern)) => self.below(at, *e, pattern, None),
            (Value::Ref(e), Sub::Again(_)) => self.again(at, *e, number.expect("only specs recurse")),
            (Value::Ref(e), Sub::Default) if whole => self.component(at, *e),
            (Value::Ref(e), Sub::Default) => Part::Value(only_id(*e)),
            (value, _) => Part::Value(value.clone().into()),
        });
        if many {
            let parts: Vec<Part> = parts.collect();
            (!parts.is_empty()).then_some(Part::Many(parts))
        } else {
            parts.next()
        }
    }

    /// An entity under the pattern of the node it is reached from.
    fn again(&mut self, at: usize, e: EntityId, number: usize) -> Part {
        let pattern = self.nodes[at].pattern;
        if self.path(at).any(|node| node.e == e && node.pattern == pattern) {
            return Part::Value(only_id(e));
        }
        let mut levels = Rc::clone(&self.nodes[at].levels);
        if levels[number] != u64::MAX {
            let mut fewer = levels.to_vec();
            fewer[number] -= 1;
            levels = fewer.into();
        }
        self.below(at, e, pattern, Some(levels))
    }

    fn component(&mut self, at: usize, e: EntityId) -> Part {
        if self.path(at).any(|node| node.e == e) {
            return Part::Value(only_id(e));
        }
        self.below(at, e, Prepared::COMPONENT, None)
    }

    /// The nodes from this one up to the first.
    fn path(&self, at: usize) -> impl Iterator<Item = &Node> {
        std::iter::successors(Some(&self.nodes[at]), |node| node.above.map(|above| &self.nodes[above]))
    }
}

/// The entities of some nodes, ascending, and the place among them of each node's.
struct Set {
    entities: Vec<EntityId>,
    slots: Vec<usize>,
}

/// A reference that is not followed.
fn only_id(e: EntityId) -> Edn {
    Edn::Map([(id_key(), e.into())].into())
}
