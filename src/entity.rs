//! Entities as maps that are read as they are asked.
//!
//! An [`Entity`] is an id and a database value. What is read of it is kept, so that it is read once; an entity that is
//! reached from it keeps what it read for as long as the first is held. Two are equal if they are the same entity of the
//! same database, whatever the moment. Nothing here can change a fact.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

use annals_query::edn::Edn;
use annals_query::source::{Attribute, Source};
use annals_storage::datom::{AttrId, EntityId, Keyword, Pattern, Tag, Value, ValueRef};

use crate::database::Db;
use crate::error::{Error, Result};
use crate::input::EntityName;

/// An entity of a database value. Clone + Send + Sync, cheap; clones share what was read.
///
/// ```
/// # let conn = annals::connect("mem:")?.database("main")?;
/// conn.transact(
///     "[{:db/ident :boat/name :db/valueType :db.type/string :db/cardinality :db.cardinality/one
///        :db/unique :db.unique/identity}
///       {:db/ident :boat/port :db/valueType :db.type/ref :db/cardinality :db.cardinality/one}
///       {:db/ident :port/oslo}]",
/// )?;
/// conn.transact("[{:boat/name \"Fram\" :boat/port :port/oslo}]")?;
/// let fram = conn.db().entity((":boat/name", "Fram"))?.expect("a boat");
/// assert_eq!(fram.get(":boat/name")?, Some(annals::Field::Value("Fram".into())));
/// // An entity with an ident is its ident.
/// assert_eq!(fram.get(":boat/port")?, Some(annals::Field::Value(annals::Edn::keyword("port/oslo"))));
/// // The way back gives all who refer to it.
/// let oslo = conn.db().entity(":port/oslo")?.expect("a port");
/// assert_eq!(oslo.get(":boat/_port")?, Some(annals::Field::Many(vec![annals::Field::Entity(fram)])));
/// # Ok::<(), annals::Error>(())
/// ```
#[derive(Clone)]
pub struct Entity(Arc<Inner>);

struct Inner {
    db: Db,
    e: EntityId,
    /// What was asked for so far.
    read: Mutex<BTreeMap<Keyword, Option<Field>>>,
}

/// What an entity has of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// A value; the ident of an entity that has one.
    Value(Edn),
    /// Another entity.
    Entity(Entity),
    /// The values of an attribute with many, or all who refer to the entity: a set, in the order of the index.
    Many(Vec<Field>),
}

impl Db {
    /// An entity of this value, by id, ident or lookup ref; `None` if the name names nothing here. An id is taken as it
    /// is, whether or not anything is known about it.
    ///
    /// # Errors
    /// `:db.error/unsupported-on-history`; `:db.error/invalid-entity-name` and the like for what is no name.
    pub fn entity(&self, name: impl Into<EntityName>) -> Result<Option<Entity>> {
        if self.is_history() {
            return Err(Error::incorrect(
                "db.error/unsupported-on-history",
                "a history has no entities: an attribute may have many values at many times",
            )
            .with_hint("take the entity from the database as of a moment, or query the history"));
        }
        Ok(self.entid(name)?.map(|e| Entity::new(self.clone(), e)))
    }
}

impl Entity {
    fn new(db: Db, e: EntityId) -> Entity {
        Entity(Arc::new(Inner { db, e, read: Mutex::default() }))
    }

    /// Its id.
    pub fn id(&self) -> EntityId {
        self.0.e
    }

    /// The value it is read from.
    pub fn db(&self) -> &Db {
        &self.0.db
    }

    /// What it has of an attribute (`:a/b`, with or without its colon), or who refers to it by one (`:a/_b`); `:db/id`
    /// is its id. `None` if it has nothing, and if there is no such attribute.
    ///
    /// # Errors
    /// `:db.error/invalid-reverse` for the way back by an attribute that is no reference.
    pub fn get(&self, attribute: &str) -> Result<Option<Field>> {
        let key = Keyword::new(attribute.strip_prefix(':').unwrap_or(attribute));
        if key.as_str() == "db/id" {
            return Ok(Some(Field::Value(self.0.e.into())));
        }
        if let Some(known) = self.0.read.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(known.clone());
        }
        let found = self.read(&key)?;
        self.0.read.lock().unwrap_or_else(PoisonError::into_inner).insert(key, found.clone());
        Ok(found)
    }

    fn read(&self, key: &Keyword) -> Result<Option<Field>> {
        let (namespace, name) = key.parts();
        let Some(name) = name.strip_prefix('_') else {
            return self.0.db.attribute_named(key).map_or(Ok(None), |attribute| self.forward(attribute));
        };
        let forward = namespace.map_or_else(|| name.to_owned(), |namespace| format!("{namespace}/{name}"));
        match self.0.db.attribute_named(&Keyword::new(&forward)) {
            None => Ok(None),
            Some(attribute) if attribute.value_type == Tag::Ref => self.back(attribute),
            Some(attribute) => {
                let of = attribute.value_type.name();
                let message = format!("{} has values of type {of}, so nothing refers by it", attribute.ident);
                Err(Error::incorrect("db.error/invalid-reverse", message)
                    .with_hint("only attributes of type ref lead back"))
            }
        }
    }

    fn forward(&self, attribute: &Attribute) -> Result<Option<Field>> {
        let mut fields = Vec::new();
        Source::scan(&self.0.db, &Pattern::values(self.0.e, attribute.id), &mut |batch| {
            fields.extend((0..batch.len).map(|row| batch.v.get(row).to_value()));
            ControlFlow::Continue(())
        })?;
        let mut fields = fields.into_iter().map(|value| match value {
            Value::Ref(e) => self.reached(e),
            value => Field::Value(value.into()),
        });
        if attribute.many {
            let many: Vec<Field> = fields.collect();
            return Ok((!many.is_empty()).then_some(Field::Many(many)));
        }
        Ok(fields.next())
    }

    /// Who refers to it: of a component the one entity it is part of.
    fn back(&self, attribute: &Attribute) -> Result<Option<Field>> {
        let mut from = BTreeSet::new();
        let reference = ValueRef::Fixed(Tag::Ref, self.0.e.0 as i64);
        Source::scan(&self.0.db, &Pattern::value(attribute.id, reference), &mut |batch| {
            from.extend((0..batch.len).map(|row| EntityId(batch.e.get(row))));
            ControlFlow::Continue(())
        })?;
        let mut fields = from.into_iter().map(|e| self.reached(e));
        if attribute.component {
            return Ok(fields.next());
        }
        let many: Vec<Field> = fields.collect();
        Ok((!many.is_empty()).then_some(Field::Many(many)))
    }

    fn reached(&self, e: EntityId) -> Field {
        match self.0.db.ident(e) {
            Some(ident) => Field::Value(Edn::Keyword(ident)),
            None => Field::Entity(Entity::new(self.0.db.clone(), e)),
        }
    }

    /// The attributes it has, without `:db/id`, by name.
    pub fn keys(&self) -> Result<Vec<Keyword>> {
        let mut attributes: BTreeSet<AttrId> = BTreeSet::new();
        Source::scan(&self.0.db, &Pattern::entity(self.0.e), &mut |batch| {
            attributes.extend((0..batch.len).map(|row| AttrId(batch.a.get(row))));
            ControlFlow::Continue(())
        })?;
        let mut keys: Vec<Keyword> =
            attributes.into_iter().filter_map(|a| self.0.db.ident(a.entity())).collect();
        keys.sort();
        Ok(keys)
    }

    /// All it has, components with all they have, other entities by id: the map that the pattern `[*]` pulls.
    ///
    /// # Errors
    /// `:db.error/pull-too-deep`, `:db.error/pull-too-large` beyond the bounds of a pull.
    pub fn touch(&self) -> Result<Edn> {
        self.0.db.pull("[*]", self.0.e)
    }
}

impl PartialEq for Entity {
    fn eq(&self, other: &Entity) -> bool {
        let database = |entity: &Entity| entity.0.db.basis().home.database;
        self.0.e == other.0.e && database(self) == database(other)
    }
}

impl Eq for Entity {}

impl Hash for Entity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.e.hash(state);
    }
}

impl fmt::Debug for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entity({} of {:?})", self.0.e, self.0.db)
    }
}
