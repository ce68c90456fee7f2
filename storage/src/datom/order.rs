//! The orders facts are kept in, and the pattern that asks for some of them.
//!
//! Three orders are stored. AVET holds every value whose code is at most [`AVET_MAX_BYTES`]; VAET is AVET over the
//! attributes of type ref, so it needs no tree of its own.

use super::id::{AttrId, EntityId, T};
use super::value::{Tag, ValueRef};

/// The longest value code that is kept in AVET.
pub const AVET_MAX_BYTES: usize = 256;

/// A stored sort order of facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Order {
    /// Entity, attribute, value: everything about one entity.
    Eavt,
    /// Attribute, entity, value: one column of all entities.
    Aevt,
    /// Attribute, value, entity: who has this value.
    Avet,
}

impl Order {
    /// All stored orders.
    pub const ALL: [Order; 3] = [Order::Eavt, Order::Aevt, Order::Avet];
}

/// What is asked of the value's place.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum ValueBound<'a> {
    /// Any value.
    #[default]
    Any,
    /// Exactly this value (type and all).
    Is(ValueRef<'a>),
    /// Values of one type between two ends. Each end is the value and whether it is included.
    Range(Tag, Option<(ValueRef<'a>, bool)>, Option<(ValueRef<'a>, bool)>),
}

impl ValueBound<'_> {
    /// True if `v` is asked for.
    pub fn admits(&self, v: ValueRef<'_>) -> bool {
        match self {
            ValueBound::Any => true,
            ValueBound::Is(want) => want.compare(v).is_eq(),
            ValueBound::Range(tag, low, high) => {
                v.tag() == *tag
                    && low.is_none_or(|(end, inclusive)| {
                        let side = v.compare(end);
                        side.is_gt() || (inclusive && side.is_eq())
                    })
                    && high.is_none_or(|(end, inclusive)| {
                        let side = v.compare(end);
                        side.is_lt() || (inclusive && side.is_eq())
                    })
            }
        }
    }
}

/// A question to the indexes: each part known or free. Which order answers it is the snapshot's affair.
///
/// `t` and `added` are compared with what the view of time makes of a row: in a view of the present, `t` is the
/// transaction that asserted the fact and `added` is true.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pattern<'a> {
    /// The entity.
    pub e: Option<EntityId>,
    /// The attribute.
    pub a: Option<AttrId>,
    /// The value.
    pub v: ValueBound<'a>,
    /// The transaction's number.
    pub t: Option<T>,
    /// Assertion or retraction.
    pub added: Option<bool>,
}

impl<'a> Pattern<'a> {
    /// Everything.
    pub const ALL: Pattern<'static> = Pattern { e: None, a: None, v: ValueBound::Any, t: None, added: None };

    /// All facts of one entity.
    pub fn entity(e: EntityId) -> Pattern<'a> {
        Pattern { e: Some(e), ..Pattern::default() }
    }

    /// All facts of one attribute.
    pub fn attribute(a: AttrId) -> Pattern<'a> {
        Pattern { a: Some(a), ..Pattern::default() }
    }

    /// The values of one attribute of one entity.
    pub fn values(e: EntityId, a: AttrId) -> Pattern<'a> {
        Pattern { e: Some(e), a: Some(a), ..Pattern::default() }
    }

    /// The entities with this value of an attribute.
    pub fn value(a: AttrId, v: ValueRef<'a>) -> Pattern<'a> {
        Pattern { a: Some(a), v: ValueBound::Is(v), ..Pattern::default() }
    }

    /// One fact.
    pub fn fact(e: EntityId, a: AttrId, v: ValueRef<'a>) -> Pattern<'a> {
        Pattern { e: Some(e), a: Some(a), v: ValueBound::Is(v), ..Pattern::default() }
    }
}
