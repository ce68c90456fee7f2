//! The one shape of everything: a fact, its parts, and their orders.
//!
//! ```text
//!   Datom      e          a        v       tx         added
//!              EntityId   AttrId   Value   EntityId   bool
//! ```
//!
//! [`Value`] has one total order over all types; [`code`] turns it into bytes that sort the same way;
//! [`columns`] holds many facts as columns. Other crates see of storage mostly this room.

pub mod code;
pub mod columns;
pub mod id;
pub mod order;
pub(crate) mod sound;
pub mod value;

#[cfg(test)]
pub(crate) mod arbitrary;
#[cfg(test)]
mod proofs;

pub use columns::{Batch, Col, ValueCol};
pub use id::{AttrId, EntityId, Partition, T};
pub use order::{AVET_MAX_BYTES, Order, Pattern, ValueBound};
pub use value::{Decimal, Keyword, Symbol, Tag, Value, ValueRef};

/// One fact, asserted or retracted by one transaction.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Datom {
    /// The entity the fact is about.
    pub e: EntityId,
    /// The attribute.
    pub a: AttrId,
    /// The value.
    pub v: Value,
    /// The transaction entity that added this datom.
    pub tx: EntityId,
    /// True for an assertion, false for a retraction.
    pub added: bool,
}
