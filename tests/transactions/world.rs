//! What the model knows: a set of facts, and what follows from it about attributes and names.
//!
//! Plain sets, looked through from end to end. Nothing of Annals is used but its EDN.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use annals::Edn;

/// An entity, numbered by the model. What a database is born with has the database's own numbers, below [`FIRST`].
pub(crate) type Id = i64;

/// The first number of what transactions make.
pub(crate) const FIRST: Id = 256;

/// The partition that lists what is installed.
pub(crate) const PART_DB: Id = 0;

/// The value of a fact.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Val {
    Ref(Id),
    Is(Edn),
    Tuple(Vec<Option<Val>>),
}

/// Entity, attribute, value.
pub(crate) type Fact = (Id, Id, Val);

/// What the tuples of an attribute look like.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Shape {
    Composite(Vec<Id>),
    Of(String),
    Types(Vec<String>),
    Unknown,
}

/// What the facts say about an attribute.
#[derive(Clone, Debug)]
pub(crate) struct Attr {
    pub(crate) id: Id,
    /// The name of its type: `long`.
    pub(crate) ty: String,
    pub(crate) many: bool,
    pub(crate) unique: bool,
    /// Unique, and what finds the entity of a tempid.
    pub(crate) identity: bool,
    pub(crate) component: bool,
    pub(crate) shape: Shape,
}

impl Attr {
    pub(crate) fn members(&self) -> &[Id] {
        match &self.shape {
            Shape::Composite(members) => members,
            _ => &[],
        }
    }
}

/// Everything that holds at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct World {
    pub(crate) facts: BTreeMap<(Id, Id), Arc<BTreeSet<Val>>>,
    /// Every name that resolves, old ones too.
    pub(crate) names: Arc<BTreeMap<String, Id>>,
    /// The members of composites, which were named by keywords when the composite was defined.
    pub(crate) members: BTreeMap<Id, Vec<Id>>,
    /// What follows from the above about attributes.
    attrs: Arc<BTreeMap<Id, Attr>>,
    /// Every entity there ever was.
    pub(crate) ids: BTreeSet<Id>,
    /// The instant of the newest transaction.
    pub(crate) instant: i64,
}

impl World {
    /// The world of a new database, from the facts it is born with.
    pub(crate) fn born(facts: impl IntoIterator<Item = Fact>) -> World {
        let mut world = World::default();
        let facts: Vec<Fact> = facts.into_iter().collect();
        let ident = facts.iter().find(|(e, a, v)| e == a && keyword(v) == Some("db/ident"));
        let ident = ident.map(|(e, ..)| *e);
        for (e, a, v) in facts {
            world.ids.insert(e);
            if let (Some(name), true) = (keyword(&v), Some(a) == ident) {
                Arc::make_mut(&mut world.names).insert(name.to_owned(), e);
            }
            world.say(e, a).insert(v);
        }
        world.read_attributes();
        world
    }

    /// The values of an attribute of an entity, to be changed.
    pub(crate) fn say(&mut self, e: Id, a: Id) -> &mut BTreeSet<Val> {
        Arc::make_mut(self.facts.entry((e, a)).or_default())
    }

    /// Looks at all attributes anew.
    pub(crate) fn read_attributes(&mut self) {
        let ty = self.own("db/valueType");
        let typed = self.facts.keys().filter(|(_, a)| *a == ty).map(|(e, _)| *e);
        self.attrs = Arc::new(typed.filter_map(|e| Some((e, self.read_attribute(e)?))).collect());
    }

    /// An entity that every database has.
    pub(crate) fn own(&self, name: &str) -> Id {
        self.names[name]
    }

    pub(crate) fn values(&self, e: Id, a: Id) -> impl Iterator<Item = &Val> {
        self.facts.get(&(e, a)).into_iter().flat_map(|values| values.iter())
    }

    pub(crate) fn value(&self, e: Id, a: Id) -> Option<&Val> {
        self.values(e, a).next()
    }

    /// Every fact.
    pub(crate) fn all(&self) -> impl Iterator<Item = (Id, Id, &Val)> {
        self.facts.iter().flat_map(|((e, a), values)| values.iter().map(|v| (*e, *a, v)))
    }

    /// What is said about an entity.
    pub(crate) fn about(&self, e: Id) -> impl Iterator<Item = (Id, Id, &Val)> {
        let groups = self.facts.range((e, Id::MIN)..=(e, Id::MAX));
        groups.flat_map(|((e, a), values)| values.iter().map(|v| (*e, *a, v)))
    }

    /// Everybody who has a value of an attribute. While the tuples of older entities are not made, their members count.
    pub(crate) fn holders(&self, a: Id, v: &Val) -> Vec<Id> {
        let groups = self.facts.iter().filter(|((_, attr), values)| *attr == a && values.contains(v));
        let found: Vec<Id> = groups.map(|((e, _), _)| *e).collect();
        if found.is_empty() && self.is_filling(a) {
            return self.tuples(a).into_iter().filter(|(_, tuple)| tuple == v).map(|(e, _)| e).collect();
        }
        found
    }

    /// True if the tuples of entities that are older than the composite are not made yet.
    pub(crate) fn is_filling(&self, a: Id) -> bool {
        self.value(a, self.own("db.attr/filling")) == Some(&Val::Is(Edn::Bool(true)))
    }

    /// What a composite of an entity is to be, by the entity's members.
    pub(crate) fn tuple(&self, e: Id, composite: Id) -> Option<Val> {
        let members = self.members.get(&composite)?;
        let slots: Vec<Option<Val>> = members.iter().map(|member| self.value(e, *member).cloned()).collect();
        slots.iter().any(Option::is_some).then_some(Val::Tuple(slots))
    }

    /// The tuples of all entities, by their members.
    pub(crate) fn tuples(&self, composite: Id) -> Vec<(Id, Val)> {
        let entities: BTreeSet<Id> = self.facts.keys().map(|(e, _)| *e).collect();
        entities.into_iter().filter_map(|e| Some((e, self.tuple(e, composite)?))).collect()
    }

    /// The newest name of an entity.
    pub(crate) fn ident(&self, e: Id) -> Option<&str> {
        self.value(e, self.own("db/ident")).and_then(keyword)
    }

    /// The attribute an entity is, if it is one.
    pub(crate) fn attr(&self, id: Id) -> Option<&Attr> {
        self.attrs.get(&id)
    }

    fn read_attribute(&self, id: Id) -> Option<Attr> {
        self.ident(id)?;
        let ty = self.value(id, self.own("db/valueType")).and_then(|v| self.named(v))?;
        let ty = ty.strip_prefix("db.type/")?.to_owned();
        let of = |name: &str| self.value(id, self.own(name));
        let means = |v: Option<&Val>, name: &str| v.and_then(|v| self.named(v)) == Some(name);
        let identity = means(of("db/unique"), "db.unique/identity");
        Some(Attr {
            id,
            ty,
            many: means(of("db/cardinality"), "db.cardinality/many"),
            unique: identity || means(of("db/unique"), "db.unique/value"),
            identity,
            component: of("db/isComponent") == Some(&Val::Is(Edn::Bool(true))),
            shape: self.shape(id),
        })
    }

    fn shape(&self, id: Id) -> Shape {
        let types = |v: &Val| v.strip_type();
        if let Some(members) = self.members.get(&id) {
            Shape::Composite(members.clone())
        } else if let Some(v) = self.value(id, self.own("db/tupleType")) {
            types(v).map_or(Shape::Unknown, Shape::Of)
        } else if let Some(Val::Tuple(slots)) = self.value(id, self.own("db/tupleTypes")) {
            let named: Option<Vec<String>> = slots.iter().map(|slot| types(slot.as_ref()?)).collect();
            named.map_or(Shape::Unknown, Shape::Types)
        } else {
            Shape::Unknown
        }
    }

    /// The name of what a reference refers to.
    pub(crate) fn named(&self, v: &Val) -> Option<&str> {
        match v {
            Val::Ref(e) => self.ident(*e),
            _ => None,
        }
    }

    /// The attributes that users defined.
    pub(crate) fn attrs(&self) -> impl Iterator<Item = &Attr> {
        self.attrs.range(FIRST..).map(|(_, attr)| attr)
    }

    /// The composites that an attribute is a member of.
    pub(crate) fn composites_of(&self, a: Id) -> impl Iterator<Item = Id> {
        self.members.iter().filter(move |(_, members)| members.contains(&a)).map(|(id, _)| *id)
    }
}

impl Val {
    /// The type that `:db.type/…` names.
    fn strip_type(&self) -> Option<String> {
        Some(keyword(self)?.strip_prefix("db.type/")?.to_owned())
    }
}

/// The text of a keyword.
pub(crate) fn keyword(v: &Val) -> Option<&str> {
    match v {
        Val::Is(Edn::Keyword(name)) => Some(name.as_str()),
        _ => None,
    }
}
