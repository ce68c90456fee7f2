//! Which facts of a log an asker wants: all, or those about some attributes and some entities.
//!
//! Names are looked up once, when the log begins to be told. What is kept of a transaction is exactly what the log has of
//! it, without the other facts; a transaction of which nothing is left is not told.

use std::collections::BTreeSet;

use annals::{Category, Datom, Db, EntityId, EntityName, Tx};

use crate::params::Params;
use crate::problem::{Problem, Written};

/// Facts about one of these attributes (if any are named) and one of these entities (if any are named).
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    attributes: BTreeSet<EntityId>,
    entities: BTreeSet<EntityId>,
}

impl Wanted {
    /// What the parameters say: `attr` and `entity`, each an id, an ident or a lookup ref.
    pub(crate) fn of(params: &Params, db: &Db) -> Result<Wanted, Problem> {
        let known: BTreeSet<EntityId> = db.schema().iter().map(|attribute| attribute.id.entity()).collect();
        let mut wanted = Wanted::default();
        for text in params.all("attr") {
            let attribute = entity(db, "attr", text)?;
            if !known.contains(&attribute) {
                let message = format!("{text} is no attribute");
                return Err(Problem::incorrect("db.error/not-an-attribute", message));
            }
            wanted.attributes.insert(attribute);
        }
        for text in params.all("entity") {
            wanted.entities.insert(entity(db, "entity", text)?);
        }
        Ok(wanted)
    }

    /// True if nothing is left out.
    pub(crate) fn is_all(&self) -> bool {
        self.attributes.is_empty() && self.entities.is_empty()
    }

    /// What is wanted of a transaction; none if that is nothing.
    pub(crate) fn of_tx(&self, tx: &Tx) -> Option<Tx> {
        let datoms: Vec<Datom> = tx.datoms.iter().filter(|datom| self.has(datom)).cloned().collect();
        (!datoms.is_empty()).then(|| Tx { datoms, ..tx.clone() })
    }

    fn has(&self, datom: &Datom) -> bool {
        let among = |all: &BTreeSet<EntityId>, one: EntityId| all.is_empty() || all.contains(&one);
        among(&self.attributes, datom.a.entity()) && among(&self.entities, datom.e)
    }
}

fn entity(db: &Db, parameter: &'static str, text: &str) -> Result<EntityId, Problem> {
    let written = Written::whole(parameter, text);
    let name = written.read()?.to_edn();
    db.entid(EntityName::from(name)).map_err(|error| Problem::about(error, &written))?.ok_or_else(|| {
        let message = format!("{parameter} {text} names nothing in this database");
        Problem::new(Category::NotFound, "db.error/entity-not-found", message)
    })
}
