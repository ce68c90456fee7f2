//! Pulling along an index: the entities of one attribute in the order of its values, or what it refers to in the order
//! of who refers, either way.
//!
//! Facts are walked as raw indexes are, and pulled some at a time, so that an index of any length is gone along in
//! bounded memory.

use std::sync::Arc;

use annals_query::ast::PullPattern;
use annals_query::edn::Edn;
use annals_query::pull;
use annals_storage::datom::{AttrId, Datom, EntityId, Tag, Value};

use crate::database::Db;
use crate::error::{Error, Result};
use crate::raw::{Bound, Index, Walk};

/// Entities that are pulled at once.
const CHUNK: usize = 256;

/// Entities along an index, pulled as they are handed on.
#[derive(Clone, Debug)]
pub struct IndexPull {
    db: Db,
    pattern: Arc<PullPattern>,
    walk: Walk,
    index: Index,
    attribute: AttrId,
    /// The only value whose entities are wanted.
    only: Option<Value>,
    skip: usize,
    limit: usize,
}

impl Db {
    /// What a pattern says of the entities along an index, within one attribute, from a place on: in
    /// [`Index::Avet`] the entities that have the attribute, by value; in [`Index::Aevt`] the entities that a reference
    /// refers to, by who refers. `start` is the attribute, and if given the components after it.
    ///
    /// An entity comes once for each fact. So in AVET an attribute with many values needs a value in `start`, and only
    /// the entities with that value come.
    ///
    /// ```
    /// # let conn = annals::connect("mem:")?.database("main")?;
    /// conn.transact("[{:db/ident :boat/fuel :db/valueType :db.type/long :db/cardinality :db.cardinality/one}]")?;
    /// conn.transact("[{:boat/fuel 10} {:boat/fuel 30} {:boat/fuel 20}]")?;
    /// let start = [annals::Edn::keyword("boat/fuel"), 20.into()];
    /// let up = conn.db().index_pull("[:boat/fuel]", annals::Index::Avet, &start)?;
    /// let shown = |found: Vec<annals::Edn>| annals::Edn::Vector(found).to_string();
    /// assert_eq!(shown(up.to_vec()?), "[{:boat/fuel 20} {:boat/fuel 30}]");
    /// assert_eq!(shown(up.reverse().to_vec()?), "[{:boat/fuel 20} {:boat/fuel 10}]");
    /// # Ok::<(), annals::Error>(())
    /// ```
    ///
    /// # Errors
    /// `:db.error/unsupported-on-history`; `:db.error/invalid-index-pull` for another index, a start without attribute,
    /// an attribute of AEVT that is no reference, one of AVET with many values and no value in `start`; and what
    /// [`Db::seek_datoms`] and [`Db::pull`] refuse.
    pub fn index_pull(&self, pattern: &str, index: impl Into<Index>, start: &[Edn]) -> Result<IndexPull> {
        let index = index.into();
        let pattern = self.basis().home.queries.pattern(pattern)?;
        // The pattern is judged even if there is nothing to pull.
        pull::pull(self, &pattern, &[])?;
        if start.is_empty() || !matches!(index, Index::Avet | Index::Aevt) {
            return Err(refused("an index is pulled along within one attribute of AVET or AEVT".to_owned())
                .with_hint("as in :avet from [:person/name \"C\"]"));
        }
        let walk = self.seek_datoms(index, start)?;
        let wanted = self.components(index, start)?.unwrap_or_default();
        let known = wanted.a.and_then(|a| self.basis().schema.attr(a));
        let attr = known.ok_or_else(|| refused(format!("{} is no attribute", start[0])))?;
        let only = match (index, wanted.v) {
            (Index::Aevt, _) if attr.tag() != Tag::Ref => {
                let message = format!("{} has values of type {}", attr.ident(), attr.tag().name());
                return Err(refused(message).with_hint("AEVT is pulled along for what references refer to"));
            }
            (Index::Avet, Bound::Is(v)) if attr.public.many => Some(v),
            (Index::Avet, _) if attr.public.many => {
                let message = format!("{} has many values, so entities would come again", attr.ident());
                return Err(refused(message).with_hint("give the value whose entities are wanted"));
            }
            _ => None,
        };
        let attribute = attr.id();
        Ok(IndexPull { db: self.clone(), pattern, walk, index, attribute, only, skip: 0, limit: usize::MAX })
    }
}

fn refused(message: String) -> Error {
    Error::incorrect("db.error/invalid-index-pull", message)
}

impl IndexPull {
    /// The other way: from the start (it included) down to the attribute's first fact, or from its last if `start` is
    /// the attribute alone.
    #[must_use]
    pub fn reverse(self) -> IndexPull {
        IndexPull { walk: self.walk.reverse(), ..self }
    }

    /// Without the first so many entities, counted the way it goes.
    #[must_use]
    pub fn skip(self, entities: usize) -> IndexPull {
        IndexPull { skip: entities, ..self }
    }

    /// At most so many entities.
    #[must_use]
    pub fn limit(self, entities: usize) -> IndexPull {
        IndexPull { limit: entities, ..self }
    }

    /// Hands the maps on in the order of the index, until the sink returns false; nil where nothing of the pattern is
    /// found.
    pub fn each(&self, sink: &mut dyn FnMut(Edn) -> bool) -> Result<()> {
        let (mut skip, mut left) = (self.skip, self.limit);
        let mut chunk: Vec<EntityId> = Vec::new();
        let mut outcome = Ok(true);
        let mut flush = |chunk: &mut Vec<EntityId>| -> Result<bool> {
            let maps = pull::pull(&self.db, &self.pattern, chunk)?;
            chunk.clear();
            Ok(maps.into_iter().all(&mut *sink))
        };
        self.walk.each(&mut |datom| {
            if left == 0 || !self.is_within(&datom) {
                return false;
            }
            if skip > 0 {
                skip -= 1;
                return true;
            }
            left -= 1;
            chunk.extend(self.entity_of(datom));
            if chunk.len() == CHUNK {
                outcome = flush(&mut chunk);
            }
            matches!(outcome, Ok(true))
        })?;
        if outcome? && !chunk.is_empty() {
            flush(&mut chunk)?;
        }
        Ok(())
    }

    /// The maps, all in memory.
    pub fn to_vec(&self) -> Result<Vec<Edn>> {
        let mut found = Vec::new();
        self.each(&mut |map| {
            found.push(map);
            true
        })?;
        Ok(found)
    }

    fn is_within(&self, datom: &Datom) -> bool {
        datom.a == self.attribute && self.only.as_ref().is_none_or(|only| datom.v == *only)
    }

    fn entity_of(&self, datom: Datom) -> Option<EntityId> {
        match (self.index, datom.v) {
            (Index::Aevt, Value::Ref(e)) => Some(e),
            (Index::Aevt, _) => None,
            _ => Some(datom.e),
        }
    }
}
