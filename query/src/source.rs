//! The one seam between questions and facts.
//!
//! The query engine cannot tell what is behind a [`Source`]: a database value as of some moment, its history, a
//! speculative one, or a plain list of datoms ([`crate::facts::Facts`]). Whatever view of time or filter applies is the
//! source's affair; names (idents, lookup refs) are resolved by it too. A [`TxLog`] is the same facts in the order they
//! came, for those who ask by transaction.

use std::ops::{ControlFlow, Range};

use annals_storage::datom::{AttrId, Batch, Datom, EntityId, Keyword, Pattern, T, Tag, ValueRef};

use crate::error::Result;

/// How a value names an entity of its attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unique {
    /// `:db.unique/identity`: an upsert finds the entity by it.
    Identity,
    /// `:db.unique/value`: a second one is refused.
    Value,
}

/// What a query has to know of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub struct Attribute {
    /// Its id.
    pub id: AttrId,
    /// Its newest name.
    pub ident: Keyword,
    /// The type of its values.
    pub value_type: Tag,
    /// True for cardinality many.
    pub many: bool,
    /// Whether its values name entities.
    pub unique: Option<Unique>,
    /// `:db/isComponent`
    pub component: bool,
    /// True if its values (those short enough) are found by value.
    pub indexed: bool,
}

/// What a scan says to go on or to stop.
pub type Flow = ControlFlow<()>;

/// Facts under one view.
pub trait Source: Send + Sync {
    /// Hands every fact the pattern asks for to `sink`, batch by batch, until it breaks.
    fn scan(&self, pattern: &Pattern<'_>, sink: &mut dyn FnMut(&Batch<'_>) -> Flow) -> Result<()>;

    /// Hands on the facts that some entities have, of an attribute or of all, sorted by entity, attribute and value, in one
    /// pass; facts of other entities may be among them. The entities must ascend. False, and nothing is handed on, if
    /// there is no such pass here.
    fn scan_each(
        &self,
        a: Option<AttrId>,
        entities: &[u64],
        sink: &mut dyn FnMut(&Batch<'_>) -> Flow,
    ) -> Result<bool> {
        let _ = (a, entities, sink);
        Ok(false)
    }

    /// Hands on the facts that the entities from the first to the last, both included, have of an attribute. False, and
    /// nothing is handed on, if they cannot be had here without passing others.
    fn scan_between(
        &self,
        a: AttrId,
        entities: (u64, u64),
        sink: &mut dyn FnMut(&Batch<'_>) -> Flow,
    ) -> Result<bool> {
        let _ = (a, entities, sink);
        Ok(false)
    }

    /// How many facts a scan would hand on. A guess for planning (exact where it is cheap); never changes an answer.
    fn count(&self, pattern: &Pattern<'_>) -> Result<u64>;

    /// About `wanted` of the facts that the pattern asks for, if there are so many, spread over all of them as far as that
    /// is cheap. For planning; never changes an answer.
    fn sample(
        &self,
        pattern: &Pattern<'_>,
        wanted: usize,
        sink: &mut dyn FnMut(&Batch<'_>) -> Flow,
    ) -> Result<()> {
        let mut seen = 0;
        self.scan(pattern, &mut |batch| {
            seen += batch.len;
            if sink(batch).is_break() || seen >= wanted { Flow::Break(()) } else { Flow::Continue(()) }
        })
    }

    /// An attribute by id.
    fn attribute(&self, id: AttrId) -> Option<&Attribute>;

    /// Every attribute.
    fn attributes(&self) -> Vec<&Attribute>;

    /// True if some attribute leads to components.
    fn has_components(&self) -> bool {
        self.attributes().iter().any(|attribute| attribute.component)
    }

    /// The entity with this ident.
    fn entid(&self, ident: &Keyword) -> Option<EntityId>;

    /// The newest ident of an entity.
    fn ident(&self, e: EntityId) -> Option<Keyword>;

    /// True if this view shows history, where pull and entity views have no meaning.
    fn is_history(&self) -> bool {
        false
    }

    /// True if every scan hands on the values of one attribute of one entity ascending, and the entities that have one
    /// value of an attribute too: whoever wants the least may then stop early.
    fn is_sorted(&self) -> bool {
        false
    }

    /// The entity that has this value of a unique attribute in this view.
    fn entity_with(&self, a: AttrId, v: ValueRef<'_>) -> Result<Option<EntityId>> {
        let mut found = None;
        self.scan(&Pattern::value(a, v), &mut |batch| {
            found = (batch.len > 0).then(|| EntityId(batch.e.get(0)));
            if found.is_some() { Flow::Break(()) } else { Flow::Continue(()) }
        })?;
        Ok(found)
    }

    /// The attribute with this ident.
    fn attribute_named(&self, ident: &Keyword) -> Option<&Attribute> {
        self.attribute(AttrId::of_entity(self.entid(ident)?)?)
    }
}

/// Transactions in their order: numbered without gaps, their instants never going back.
pub trait TxLog: Send + Sync {
    /// The number after that of the newest transaction.
    fn end_t(&self) -> T;

    /// The first transaction that is not older than an instant, microseconds since 1970.
    fn t_from(&self, instant: i64) -> Result<T>;

    /// Hands on what each transaction of a range asserted and retracted, in order, until the sink breaks.
    fn read(&self, range: Range<T>, sink: &mut dyn FnMut(T, &[Datom]) -> Flow) -> Result<()>;
}
