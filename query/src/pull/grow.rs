//! From an entity to the nodes of its result: which maps there are, and what hangs where.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::rc::Rc;

use annals_storage::datom::{self, AttrId, EntityId, Tag, Value, ValueRef};

use crate::edn::Edn;
use crate::error::{Error, Result};
use crate::functions::Function;
use crate::source::{Attribute, Source};

use super::prepare::{PatternId, Prepared, Spec, Sub, id_key};
use super::{DEPTH_MAX, LIMIT_DEFAULT, MAPS_MAX};

/// One map of the result.
pub(super) struct Node<'p> {
    e: EntityId,
    pattern: PatternId,
    /// The node it hangs from.
    above: Option<usize>,
    depth: usize,
    /// The levels each recursion of the pattern may still go down; shared by the nodes that have the same.
    levels: Rc<[u64]>,
    pub(super) fields: Vec<Field<'p>>,
}

/// One key of a map.
pub(super) struct Field<'p> {
    pub(super) key: Edn,
    /// What was found, if anything was.
    pub(super) found: Option<Found>,
    pub(super) default: Option<&'p Edn>,
    pub(super) xform: Option<&'static Function>,
}

/// What an attribute gave.
pub(super) enum Found {
    One(Part),
    Many(Vec<Part>),
}

/// One value in a result.
pub(super) enum Part {
    /// As it is.
    Value(Edn),
    /// The map of another node, which comes later.
    Node(usize),
}

/// The nodes of an entity's result, each after the one it hangs from.
pub(super) fn grow<'p>(
    source: &'p dyn Source,
    prepared: &'p Prepared<'p>,
    e: EntityId,
    allow: &dyn Fn() -> Result<()>,
) -> Result<Vec<Node<'p>>> {
    let mut tree = Tree { source, prepared, nodes: Vec::new() };
    let pattern = prepared.outermost();
    tree.push(e, pattern, None, prepared.get(pattern).levels().into())?;
    let mut at = 0;
    while at < tree.nodes.len() {
        allow()?;
        tree.nodes[at].fields = tree.fields(at)?;
        at += 1;
    }
    Ok(tree.nodes)
}

struct Tree<'p> {
    source: &'p dyn Source,
    prepared: &'p Prepared<'p>,
    nodes: Vec<Node<'p>>,
}

impl<'p> Tree<'p> {
    fn push(
        &mut self,
        e: EntityId,
        pattern: PatternId,
        above: Option<usize>,
        levels: Rc<[u64]>,
    ) -> Result<usize> {
        let depth = above.map_or(1, |above| self.nodes[above].depth + 1);
        if depth > DEPTH_MAX {
            let message = format!("the result is more than {DEPTH_MAX} maps deep");
            return Err(Error::incorrect("db.error/pull-too-deep", message)
                .hint("say how many levels to go down: {:attr 10}; a rule in a query follows references of any length"));
        }
        if self.nodes.len() == MAPS_MAX {
            let message = format!("the result for one entity has more than {MAPS_MAX} maps");
            return Err(Error::incorrect("db.error/pull-too-large", message)
                .hint("limit the attributes with many values"));
        }
        self.nodes.push(Node { e, pattern, above, depth, levels, fields: Vec::new() });
        Ok(self.nodes.len() - 1)
    }

    fn fields(&mut self, at: usize) -> Result<Vec<Field<'p>>> {
        let prepared = self.prepared;
        let (e, pattern) = (self.nodes[at].e, prepared.get(self.nodes[at].pattern));
        let mut fields = Vec::new();
        if let Some(key) = &pattern.id_key {
            let found = Some(Found::One(Part::Value(e.into())));
            fields.push(Field { key: key.clone(), found, default: None, xform: None });
        }
        if pattern.wildcard {
            for (a, values) in self.all_values(e, |a| pattern.names(a))? {
                let Some(attribute) = self.source.attribute(a) else { continue };
                let found = self.found(at, attribute, false, Sub::Default, None, values)?;
                fields.push(Field { key: attribute.ident.clone().into(), found, default: None, xform: None });
            }
        }
        for (number, spec) in pattern.specs.iter().enumerate() {
            let found = match spec.attribute.filter(|_| self.nodes[at].levels[number] > 0) {
                Some(attribute) => {
                    let values = self.values(e, attribute, spec)?;
                    self.found(at, attribute, spec.reverse, spec.sub, Some(number), values)?
                }
                None => None,
            };
            let (default, xform) = (spec.default.as_ref(), spec.xform);
            fields.push(Field { key: spec.key.clone(), found, default, xform });
        }
        Ok(fields)
    }

    /// The values of all attributes but some, of each no more than the limit.
    fn all_values(
        &self,
        e: EntityId,
        without: impl Fn(AttrId) -> bool,
    ) -> Result<BTreeMap<AttrId, Vec<Value>>> {
        let mut all: BTreeMap<AttrId, Vec<Value>> = BTreeMap::new();
        self.source.scan(&datom::Pattern::entity(e), &mut |batch| {
            for row in 0..batch.len {
                let a = AttrId(batch.a.get(row));
                if without(a) {
                    continue;
                }
                let values = all.entry(a).or_default();
                if values.len() < LIMIT_DEFAULT {
                    values.push(batch.v.get(row).to_value());
                }
            }
            ControlFlow::Continue(())
        })?;
        Ok(all)
    }

    /// The values of an attribute, or the entities that refer by it; of many no more than the limit.
    fn values(&self, e: EntityId, attribute: &Attribute, spec: &Spec<'_>) -> Result<Vec<Value>> {
        let single = if spec.reverse { attribute.component } else { !attribute.many };
        let most = if single { 1 } else { spec.limit };
        let pattern = if spec.reverse {
            datom::Pattern::value(attribute.id, ValueRef::Fixed(Tag::Ref, e.0 as i64))
        } else {
            datom::Pattern::values(e, attribute.id)
        };
        let mut values = Vec::new();
        self.source.scan(&pattern, &mut |batch| {
            let wanted = batch.len.min(most - values.len());
            let value = |row| {
                if spec.reverse {
                    Value::Ref(EntityId(batch.e.get(row)))
                } else {
                    batch.v.get(row).to_value()
                }
            };
            values.extend((0..wanted).map(value));
            if values.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        Ok(values)
    }

    /// What an attribute's values are in the result. `number` is that of the spec in the node's pattern.
    fn found(
        &mut self,
        at: usize,
        attribute: &Attribute,
        reverse: bool,
        sub: Sub,
        number: Option<usize>,
        values: Vec<Value>,
    ) -> Result<Option<Found>> {
        let many = if reverse { !attribute.component } else { attribute.many };
        let whole = attribute.component && !reverse;
        let mut parts = Vec::with_capacity(values.len());
        for value in values {
            parts.push(match (value, sub) {
                (Value::Ref(e), Sub::Pattern(pattern)) => {
                    let levels = self.prepared.get(pattern).levels().into();
                    Part::Node(self.push(e, pattern, Some(at), levels)?)
                }
                (Value::Ref(e), Sub::Again(_)) => self.again(at, e, number.expect("only specs recurse"))?,
                (Value::Ref(e), Sub::Default) if whole => self.component(at, e)?,
                (Value::Ref(e), Sub::Default) => Part::Value(only_id(e)),
                (value, _) => Part::Value(value.into()),
            });
        }
        Ok(match (many, parts.is_empty()) {
            (_, true) => None,
            (true, false) => Some(Found::Many(parts)),
            (false, false) => parts.into_iter().next().map(Found::One),
        })
    }

    /// An entity under the pattern of the node it is reached from.
    fn again(&mut self, at: usize, e: EntityId, number: usize) -> Result<Part> {
        let pattern = self.nodes[at].pattern;
        if self.path(at).any(|node| node.e == e && node.pattern == pattern) {
            return Ok(Part::Value(only_id(e)));
        }
        let mut levels = Rc::clone(&self.nodes[at].levels);
        if levels[number] != u64::MAX {
            let mut fewer = levels.to_vec();
            fewer[number] -= 1;
            levels = fewer.into();
        }
        Ok(Part::Node(self.push(e, pattern, Some(at), levels)?))
    }

    fn component(&mut self, at: usize, e: EntityId) -> Result<Part> {
        if self.path(at).any(|node| node.e == e) {
            return Ok(Part::Value(only_id(e)));
        }
        Ok(Part::Node(self.push(e, Prepared::COMPONENT, Some(at), Rc::new([]))?))
    }

    /// The nodes from this one up to the first.
    fn path(&self, at: usize) -> impl Iterator<Item = &Node<'p>> {
        std::iter::successors(Some(&self.nodes[at]), |node| node.above.map(|above| &self.nodes[above]))
    }
}

/// A reference that is not followed.
fn only_id(e: EntityId) -> Edn {
    Edn::Map(BTreeMap::from([(id_key(), e.into())]))
}
