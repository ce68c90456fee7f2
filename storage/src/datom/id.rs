//! Numbers that name things: entities, attributes, partitions, transactions.
//!
//! An entity id is a positive 64-bit integer, partition above, counter below:
//!
//! ```text
//!   63      42 41                     0
//!   [partition][        counter       ]
//! ```
//!
//! Ids of ordinary partitions stay below 2^53, so that JSON readers keep them whole. A transaction's entity is the
//! transaction partition with `t` as counter; the two convert by arithmetic. Attributes live in the schema partition,
//! so their counter alone names them in the indexes.

use std::fmt;

/// A transaction's number: dense, 1 for the first, 0 for the bootstrap schema.
pub type T = u64;

const COUNTER_BITS: u32 = 42;
const COUNTER_MASK: u64 = (1 << COUNTER_BITS) - 1;

/// A named range of entity ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition(pub u32);

impl Partition {
    /// `:db.part/db`, the schema.
    pub const DB: Partition = Partition(0);
    /// `:db.part/tx`, the transactions.
    pub const TX: Partition = Partition(3);
    /// `:db.part/user`, where new entities go unless told otherwise.
    pub const USER: Partition = Partition(4);
}

/// The id of an entity.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntityId(pub u64);

impl EntityId {
    /// The id with this counter in this partition.
    pub const fn new(partition: Partition, counter: u64) -> EntityId {
        EntityId(((partition.0 as u64) << COUNTER_BITS) | (counter & COUNTER_MASK))
    }

    /// The entity of transaction number `t`.
    pub const fn of_t(t: T) -> EntityId {
        EntityId::new(Partition::TX, t)
    }

    /// The partition this id lies in.
    pub const fn partition(self) -> Partition {
        Partition((self.0 >> COUNTER_BITS) as u32)
    }

    /// The id's number inside its partition.
    pub const fn counter(self) -> u64 {
        self.0 & COUNTER_MASK
    }

    /// The transaction number, if this id names a transaction.
    pub fn t(self) -> Option<T> {
        (self.partition() == Partition::TX).then_some(self.counter())
    }
}

impl fmt::Debug for EntityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

impl fmt::Display for EntityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The id of an attribute: the counter of its entity in [`Partition::DB`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AttrId(pub u32);

impl AttrId {
    /// The attribute's entity.
    pub const fn entity(self) -> EntityId {
        EntityId::new(Partition::DB, self.0 as u64)
    }

    /// The attribute that this entity would be, if it lies in the schema partition.
    pub fn of_entity(e: EntityId) -> Option<AttrId> {
        (e.partition() == Partition::DB).then_some(AttrId(u32::try_from(e.counter()).ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_and_transaction_entity_convert_both_ways() {
        assert_eq!(EntityId::of_t(7).t(), Some(7));
        assert_eq!(EntityId::of_t(7).partition(), Partition::TX);
        assert_eq!(EntityId::new(Partition::USER, 7).t(), None);
    }

    #[test]
    fn attributes_are_schema_entities() {
        assert_eq!(AttrId::of_entity(AttrId(72).entity()), Some(AttrId(72)));
        assert_eq!(AttrId::of_entity(EntityId::of_t(1)), None);
    }
}
