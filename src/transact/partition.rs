//! Partitions: where the ids of new entities lie, as far as a transaction says.
//!
//! ```text
//!   {:db/force-partition {"tempid" :my/partition}}    in this partition
//!   {:db/match-partition {"tempid" entity}}           where that entity is, a tempid too
//! ```
//!
//! Entities of one partition lie beside each other in the index by entity. Wishes concern new entities only; what is
//! there already stays where it is. A partition is an entity with an ident, listed under `:db.install/partition`.

use annals_query::edn::{Edn, Form, FormKind, Span};
use annals_storage::datom::{EntityId, Partition, Value};

use super::expand::{Expander, invalid};
use super::resolve::Classes;
use super::{Ent, Temp};
use crate::basis::Basis;
use crate::error::{Error, Result, brief};
use crate::schema::bootstrap as at;

/// The largest number a partition can have: ids are positive.
const LARGEST: u64 = (1 << 21) - 1;

/// Where a tempid's entity is to lie, if it is new.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish {
    temp: Temp,
    place: Place,
    span: Option<Span>,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    In(Partition),
    With(Ent),
}

/// True if a map of transaction data is a wish and no entity.
pub(super) fn is_wish(key: &Form) -> bool {
    matches!(key.as_atom(), Some(Edn::Keyword(name)) if matches!(name.as_str(), "db/force-partition" | "db/match-partition"))
}

impl Expander<'_> {
    /// Notes the wishes of a map or of the one argument of a list.
    pub(super) fn place(&mut self, key: &Form, wishes: &Form) -> Result<()> {
        let FormKind::Map(pairs) = &wishes.kind else {
            return Err(invalid(wishes, format!("{} takes a map of tempids", key.to_edn())));
        };
        let forced =
            matches!(key.as_atom(), Some(Edn::Keyword(name)) if name.as_str() == "db/force-partition");
        for (tempid, place) in pairs {
            let Ent::Temp(temp) = self.entity(tempid)? else {
                return Err(invalid(tempid, format!("{} is no tempid", brief(&tempid.to_edn()))));
            };
            let place =
                if forced { Place::In(self.partition(place)?) } else { Place::With(self.entity(place)?) };
            self.draft.wishes.push(Wish { temp, place, span: tempid.span });
        }
        Ok(())
    }

    fn partition(&self, name: &Form) -> Result<Partition> {
        let e = self.existing(name)?;
        let listed = self.before().asserted(at::PART_DB, at::INSTALL_PARTITION, &Value::Ref(e))?;
        if listed.is_none() || [at::PART_DB, at::PART_TX].contains(&e) {
            let message = format!("{} is no partition for entities", brief(&name.to_edn()));
            return Err(Error::incorrect("db.error/not-a-partition", message)
                .with_hint("install it first: [:db/add :db.part/db :db.install/partition \"p\"]")
                .at(name.span));
        }
        Ok(Partition(e.counter() as u32))
    }
}

/// Whether an entity can become a partition: its id is the partition's number.
pub(super) fn installable(before: &Basis, e: EntityId) -> Result<()> {
    if e.partition() == Partition::DB && e.counter() <= LARGEST && !is_attribute(before, e) {
        return Ok(());
    }
    let message = format!("entity {e} cannot become a partition");
    Err(Error::incorrect("db.error/not-a-partition", message).with_hint(
        "a partition is a new entity with a :db/ident, installed in the transaction that makes it",
    ))
}

fn is_attribute(before: &Basis, e: EntityId) -> bool {
    annals_storage::datom::AttrId::of_entity(e).is_some_and(|id| before.schema.attr(id).is_some())
}

/// The partition of a new entity.
pub(super) fn of(wishes: &[Wish], classes: &mut Classes, root: u32) -> Result<Option<Partition>> {
    let mut at = root;
    let mut seen = vec![root];
    loop {
        let Some(wish) = wishes.iter().find(|wish| classes.root(wish.temp) == at) else { return Ok(None) };
        match wish.place {
            Place::In(partition) => return Ok(Some(partition)),
            Place::With(Ent::Known(e)) => return Ok(Some(user(e))),
            Place::With(Ent::Temp(temp)) => {
                if let Some(e) = classes.entity(temp) {
                    return Ok(Some(user(e)));
                }
                at = classes.root(temp);
                if seen.contains(&at) {
                    let message = "tempids are each to lie in the partition of the other".to_owned();
                    return Err(Error::incorrect("db.error/cycle-in-affinity", message)
                        .with_hint("force the partition of one of them")
                        .at(wish.span));
                }
                seen.push(at);
            }
        }
    }
}

/// The partition beside an entity; nothing new is put among schema and transactions.
fn user(e: EntityId) -> Partition {
    match e.partition() {
        Partition::DB | Partition::TX => Partition::USER,
        partition => partition,
    }
}
