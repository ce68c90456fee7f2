//! Attributes and idents, read from the facts that define them.
//!
//! A [`Schema`] is a cache: [`Schema::derive`] makes it from a snapshot alone, [`Schema::after`] makes the next one from
//! the one before and the transaction that changed it, and both give the same. Every database value carries the schema
//! of its basis; views of the past use it too, so that renamed attributes read well everywhere.
//!
//! An ident keeps naming its entity after the entity got a newer one, until somebody gives the old name to another
//! entity. An entity whose ident is retracted without a new one loses all its names.

pub(crate) mod bootstrap;
mod constraint;
mod scripts;

use std::ops::ControlFlow;
use std::sync::Arc;

use annals_query::source::{Attribute, Unique};
use annals_storage::datom::{AttrId, EntityId, Keyword, Pattern, Symbol, T, Tag, Value};
use annals_storage::log::{LoggedTx, Op};
use annals_storage::snapshot::{Snapshot, View};
use hashbrown::HashMap;

use crate::error::Result;
use bootstrap as at;
pub(crate) use constraint::{Constraint, Invariant, Reads};
pub(crate) use scripts::SCRIPT;

/// What the values of a tuple attribute look like.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Tuple {
    /// Not a tuple, or one that nothing is said about.
    #[default]
    Free,
    /// Made of the values of these attributes of the same entity.
    Composite(Arc<[AttrId]>),
    /// Two to eight values of one type.
    Of(Tag),
    /// One value of each type.
    Types(Arc<[Tag]>),
}

/// An attribute, with everything the write side has to know of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Attr {
    /// What queries know of it.
    pub(crate) public: Attribute,
    /// `:db/noHistory`
    pub(crate) no_history: bool,
    /// The shape of its tuples.
    pub(crate) tuple: Tuple,
    /// The composite tuples it is a member of.
    pub(crate) composites: Vec<AttrId>,
    /// What judges every value that is asserted.
    pub(crate) preds: Vec<Symbol>,
    /// It is a composite, and the tuples of entities that are older than it are still being made.
    pub(crate) filling: bool,
}

impl Attr {
    pub(crate) fn id(&self) -> AttrId {
        self.public.id
    }

    pub(crate) fn ident(&self) -> &Keyword {
        &self.public.ident
    }

    pub(crate) fn tag(&self) -> Tag {
        self.public.value_type
    }

    pub(crate) fn is_many(&self) -> bool {
        self.public.many
    }

    pub(crate) fn unique(&self) -> Option<Unique> {
        self.public.unique
    }

    /// True if a value of it finds the entity a tempid stands for.
    pub(crate) fn is_identity(&self) -> bool {
        self.public.unique == Some(Unique::Identity)
    }

    pub(crate) fn is_composite(&self) -> bool {
        matches!(self.tuple, Tuple::Composite(_))
    }
}

/// Attributes and idents at one basis. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Schema {
    attrs: Arc<Attrs>,
    names: Arc<Names>,
    constraints: Arc<[Constraint]>,
    scripts: Arc<[EntityId]>,
}

/// Attributes by id; ids are given without gaps, so a vector is the map.
#[derive(Clone, Debug, Default, PartialEq)]
struct Attrs {
    by_id: Vec<Option<Attr>>,
    refs: Vec<AttrId>,
    components: bool,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Names {
    entities: HashMap<Keyword, EntityId>,
    idents: HashMap<EntityId, Keyword>,
}

/// An ident given or taken by one transaction.
type Naming = (EntityId, Keyword, bool);

impl Names {
    /// The names after one more transaction.
    fn apply(&mut self, namings: &[Naming]) {
        let named = |e: EntityId| namings.iter().any(|(other, _, added)| *added && *other == e);
        for (e, ..) in namings.iter().filter(|(e, _, added)| !added && !named(*e)) {
            self.idents.remove(e);
            self.entities.retain(|_, entity| entity != e);
        }
        for (e, ident, _) in namings.iter().filter(|(_, _, added)| *added) {
            self.entities.insert(ident.clone(), *e);
            self.idents.insert(*e, ident.clone());
        }
    }
}

impl Schema {
    /// The schema that the facts of a snapshot define.
    pub(crate) fn derive(snapshot: &Snapshot) -> Result<Schema> {
        let history = namings(snapshot)?;
        let mut names = Names::default();
        for namings in history.values() {
            names.apply(namings);
        }
        // The members of a composite are named by keywords, which mean what they meant when it was defined.
        let meant = |ident: &Keyword, t: T| {
            let mut older = history.range(..=t).rev().flat_map(|(_, namings)| namings);
            older.find(|(_, name, added)| *added && name == ident).and_then(|(e, ..)| AttrId::of_entity(*e))
        };
        let mut attrs = Attrs::default();
        for e in typed_entities(snapshot)? {
            if let Some(attr) = read(snapshot, e, &names, &meant)? {
                attrs.put(attr);
            }
        }
        attrs.link();
        let constraints = constraint::all(snapshot)?;
        let scripts = scripts::all(snapshot)?;
        Ok(Schema { attrs: Arc::new(attrs), names: Arc::new(names), constraints, scripts })
    }

    /// The schema after one more transaction, which `snapshot` holds already.
    pub(crate) fn after(&self, tx: &LoggedTx, snapshot: &Snapshot) -> Result<Schema> {
        let constrains = tx.datoms.iter().any(|datom| datom.a == at::CONSTRAINT);
        let mut touched: Vec<EntityId> =
            tx.datoms.iter().filter(|datom| defines(datom.a)).map(|datom| datom.e).collect();
        let mut next = self.clone();
        if constrains {
            next.constraints = constraint::all(snapshot)?;
        }
        if tx.datoms.iter().any(|datom| datom.a == at::FN_LANG) {
            next.scripts = scripts::all(snapshot)?;
        }
        if touched.is_empty() {
            return Ok(next);
        }
        touched.sort_unstable();
        touched.dedup();
        let namings: Vec<Naming> = tx.datoms.iter().filter_map(naming).collect();
        if !namings.is_empty() {
            Arc::make_mut(&mut next.names).apply(&namings);
        }
        let names = Arc::clone(&next.names);
        let meant = |ident: &Keyword, _| names.entities.get(ident).and_then(|e| AttrId::of_entity(*e));
        let mut attrs = None;
        for id in touched.into_iter().filter_map(AttrId::of_entity) {
            if let Some(mut attr) = read(snapshot, id.entity(), &names, &meant)? {
                if let Some(Tuple::Composite(members)) = self.attr(id).map(|old| &old.tuple) {
                    attr.tuple = Tuple::Composite(Arc::clone(members));
                }
                attrs.get_or_insert_with(|| Attrs::clone(&self.attrs)).put(attr);
            }
        }
        if let Some(mut attrs) = attrs {
            attrs.link();
            next.attrs = Arc::new(attrs);
        }
        Ok(next)
    }

    /// An attribute by id.
    pub(crate) fn attr(&self, id: AttrId) -> Option<&Attr> {
        self.attrs.by_id.get(id.0 as usize)?.as_ref()
    }

    /// The attribute an ident names.
    pub(crate) fn attr_named(&self, ident: &Keyword) -> Option<&Attr> {
        self.attr(AttrId::of_entity(self.entid(ident)?)?)
    }

    /// Every attribute, by id.
    pub(crate) fn attrs(&self) -> impl Iterator<Item = &Attr> {
        self.attrs.by_id.iter().flatten()
    }

    /// The attributes of type ref, by id.
    pub(crate) fn refs(&self) -> &[AttrId] {
        &self.attrs.refs
    }

    /// True if some attribute leads to components.
    pub(crate) fn has_components(&self) -> bool {
        self.attrs.components
    }

    /// The composites whose older entities have no tuples yet.
    pub(crate) fn filling(&self) -> impl Iterator<Item = &Attr> {
        self.attrs().filter(|attr| attr.filling)
    }

    /// The queries that must have no answer.
    pub(crate) fn constraints(&self) -> &[Constraint] {
        &self.constraints
    }

    /// The entities whose code is a script, sorted.
    pub(crate) fn scripts(&self) -> &[EntityId] {
        &self.scripts
    }

    /// The entity an ident names.
    pub(crate) fn entid(&self, ident: &Keyword) -> Option<EntityId> {
        self.names.entities.get(ident).copied()
    }

    /// The newest ident of an entity.
    pub(crate) fn ident(&self, e: EntityId) -> Option<&Keyword> {
        self.names.idents.get(&e)
    }

    /// Every name that resolves, with its entity.
    pub(crate) fn idents(&self) -> impl Iterator<Item = (&Keyword, EntityId)> {
        self.names.entities.iter().map(|(ident, e)| (ident, *e))
    }

    #[cfg(test)]
    pub(crate) fn same_as(&self, other: &Schema) -> bool {
        self.attrs == other.attrs
            && self.names == other.names
            && self.constraints == other.constraints
            && self.scripts == other.scripts
    }
}

impl Attrs {
    fn put(&mut self, attr: Attr) {
        let at = attr.id().0 as usize;
        if self.by_id.len() <= at {
            self.by_id.resize(at + 1, None);
        }
        self.by_id[at] = Some(attr);
    }

    /// Fills in what follows from all attributes together.
    fn link(&mut self) {
        let mut members: Vec<(AttrId, AttrId)> = Vec::new();
        for attr in self.by_id.iter().flatten() {
            if let Tuple::Composite(of) = &attr.tuple {
                members.extend(of.iter().map(|member| (*member, attr.id())));
            }
        }
        for attr in self.by_id.iter_mut().flatten() {
            let id = attr.id();
            attr.composites = members.iter().filter(|(member, _)| *member == id).map(|(_, of)| *of).collect();
        }
        self.refs = self.by_id.iter().flatten().filter(|attr| attr.tag() == Tag::Ref).map(Attr::id).collect();
        self.components = self.by_id.iter().flatten().any(|attr| attr.public.component);
    }
}

/// True if facts of this attribute say what attributes and idents there are.
pub(crate) fn defines(a: AttrId) -> bool {
    a == at::IDENT || is_property(a)
}

/// True if the attribute is a property that only attributes have.
pub(crate) fn is_property(a: AttrId) -> bool {
    const PROPERTIES: [AttrId; 12] = [
        at::VALUE_TYPE,
        at::CARDINALITY,
        at::UNIQUE,
        at::IS_COMPONENT,
        at::INDEX,
        at::NO_HISTORY,
        at::FULLTEXT,
        at::TUPLE_ATTRS,
        at::TUPLE_TYPE,
        at::TUPLE_TYPES,
        at::ATTR_PREDS,
        at::FILLING,
    ];
    PROPERTIES.contains(&a)
}

/// The type that `:db.type/…` stands for.
pub(crate) fn type_named(ident: &Keyword) -> Option<Tag> {
    let name = ident.as_str().strip_prefix("db.type/")?;
    Tag::ALL.into_iter().find(|tag| tag.name() == name)
}

fn naming(datom: &annals_storage::log::LogDatom) -> Option<Naming> {
    match &datom.v {
        Value::Keyword(ident) if datom.a == at::IDENT => {
            Some((datom.e, ident.clone(), datom.op == Op::Assert))
        }
        _ => None,
    }
}

/// Every ident ever given or taken, by transaction.
fn namings(snapshot: &Snapshot) -> Result<std::collections::BTreeMap<T, Vec<Naming>>> {
    let mut namings = std::collections::BTreeMap::<T, Vec<Naming>>::new();
    let view = View { history: true, ..View::default() };
    snapshot.scan(&view, &Pattern::attribute(at::IDENT), &mut |batch| {
        for row in 0..batch.len {
            if let Value::Keyword(ident) = batch.v.get(row).to_value() {
                let naming = (EntityId(batch.e.get(row)), ident, batch.added.get(row));
                namings.entry(batch.t.get(row)).or_default().push(naming);
            }
        }
        ControlFlow::Continue(())
    })?;
    Ok(namings)
}

/// The entities that have a value type: the attributes.
fn typed_entities(snapshot: &Snapshot) -> Result<Vec<EntityId>> {
    let mut found = Vec::new();
    snapshot.scan(&View::default(), &Pattern::attribute(at::VALUE_TYPE), &mut |batch| {
        found.extend((0..batch.len).map(|row| EntityId(batch.e.get(row))));
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

/// Reads one attribute from its facts; `None` if they do not make one.
fn read(
    snapshot: &Snapshot,
    e: EntityId,
    names: &Names,
    meant: &dyn Fn(&Keyword, T) -> Option<AttrId>,
) -> Result<Option<Attr>> {
    let (Some(id), Some(ident)) = (AttrId::of_entity(e), names.idents.get(&e)) else { return Ok(None) };
    let mut draft = Draft::default();
    snapshot.scan(&View::default(), &Pattern::entity(e), &mut |batch| {
        for row in 0..batch.len {
            draft.take(AttrId(batch.a.get(row)), batch.v.get(row).to_value(), batch.t.get(row), meant);
        }
        ControlFlow::Continue(())
    })?;
    let Some(value_type) = draft.value_type else { return Ok(None) };
    let public = Attribute {
        id,
        ident: ident.clone(),
        value_type,
        many: draft.many,
        unique: draft.unique,
        component: draft.component,
        indexed: true,
    };
    let Draft { no_history, tuple, preds, filling, .. } = draft;
    Ok(Some(Attr { public, no_history, tuple, composites: Vec::new(), preds, filling }))
}

#[derive(Default)]
struct Draft {
    value_type: Option<Tag>,
    many: bool,
    unique: Option<Unique>,
    component: bool,
    no_history: bool,
    tuple: Tuple,
    preds: Vec<Symbol>,
    filling: bool,
}

impl Draft {
    fn take(&mut self, a: AttrId, v: Value, t: T, meant: &dyn Fn(&Keyword, T) -> Option<AttrId>) {
        match (a, v) {
            (at::VALUE_TYPE, Value::Ref(e)) => self.value_type = at::type_of_entity(e),
            (at::CARDINALITY, Value::Ref(e)) => self.many = e == at::CARDINALITY_MANY,
            (at::UNIQUE, Value::Ref(at::UNIQUE_IDENTITY)) => self.unique = Some(Unique::Identity),
            (at::UNIQUE, Value::Ref(_)) => self.unique = Some(Unique::Value),
            (at::IS_COMPONENT, Value::Boolean(yes)) => self.component = yes,
            (at::NO_HISTORY, Value::Boolean(yes)) => self.no_history = yes,
            (at::FILLING, Value::Boolean(yes)) => self.filling = yes,
            (at::ATTR_PREDS, Value::Symbol(name)) => self.preds.push(name),
            (at::TUPLE_ATTRS, Value::Tuple(slots)) => {
                self.tuple = Tuple::Composite(keywords(&slots).filter_map(|ident| meant(ident, t)).collect());
            }
            (at::TUPLE_TYPE, Value::Keyword(ident)) => {
                self.tuple = type_named(&ident).map_or(Tuple::Free, Tuple::Of);
            }
            (at::TUPLE_TYPES, Value::Tuple(slots)) => {
                self.tuple = Tuple::Types(keywords(&slots).filter_map(type_named).collect());
            }
            _ => {}
        }
    }
}

fn keywords(slots: &[Option<Value>]) -> impl Iterator<Item = &Keyword> {
    slots.iter().filter_map(|slot| match slot {
        Some(Value::Keyword(ident)) => Some(ident),
        _ => None,
    })
}
