//! Raw indexes: facts in the order of an index, either way, one by one.
//!
//! ```text
//!   datoms        |        [======]        |   the facts that begin with some components
//!   seek_datoms   |        [===============|   from the first of those to the end of the index
//!   index_range   |     [=====)            |   one attribute, from a value up to another
//! ```
//!
//! A [`Walk`] says what is wanted and holds no facts; each time it is walked, facts are read as they are handed on. The
//! other way round the same facts come from the last to the first; a seek then runs down to the beginning of the index.
//! VAET is no order of its own ([`crate::references`]). AVET holds the values whose code is at most 256 bytes.

use std::ops::ControlFlow;

use annals_query::edn::{Edn, Form};
use annals_query::source::Flow;
use annals_storage::datom::{AttrId, Batch, Datom, EntityId, Order, Pattern, T, Tag, Value, ValueBound};

use crate::basis::with_ref;
use crate::database::Db;
use crate::error::{Error, Result};
use crate::input::EntityName;
use crate::names;
use crate::references::References;
use crate::schema::Attr;
use crate::time::TimePoint;

/// An order of facts to look at them raw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Index {
    /// Entity, attribute, value: all facts.
    Eavt,
    /// Attribute, entity, value: all facts.
    Aevt,
    /// Attribute, value, entity: facts whose value is short enough.
    Avet,
    /// Value, attribute, entity: references.
    Vaet,
}

impl From<Order> for Index {
    fn from(order: Order) -> Index {
        match order {
            Order::Eavt => Index::Eavt,
            Order::Aevt => Index::Aevt,
            Order::Avet => Index::Avet,
        }
    }
}

#[derive(Clone, Copy)]
enum Place {
    E,
    A,
    V,
    T,
}

impl Index {
    fn places(self) -> [Place; 4] {
        match self {
            Index::Eavt => [Place::E, Place::A, Place::V, Place::T],
            Index::Aevt => [Place::A, Place::E, Place::V, Place::T],
            Index::Avet => [Place::A, Place::V, Place::E, Place::T],
            Index::Vaet => [Place::V, Place::A, Place::E, Place::T],
        }
    }
}

/// The components of a raw index access, looked up.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) e: Option<EntityId>,
    pub(crate) a: Option<AttrId>,
    pub(crate) v: Bound,
    pub(crate) t: Option<T>,
}

/// What is asked of the value.
#[derive(Clone, Debug, Default)]
pub(crate) enum Bound {
    #[default]
    Any,
    Is(Value),
    /// From a value, it included, up to another, it excluded.
    Range(Tag, Option<Value>, Option<Value>),
}

impl Wanted {
    /// Calls `ask` with the pattern that this is.
    pub(crate) fn with<R>(&self, ask: impl FnOnce(&Pattern<'_>) -> R) -> R {
        let Wanted { e, a, t, .. } = *self;
        let pattern = |v: ValueBound<'_>| ask(&Pattern { e, a, v, t, added: None });
        match &self.v {
            Bound::Any => pattern(ValueBound::Any),
            Bound::Is(v) => with_ref(v, |v| pattern(ValueBound::Is(v))),
            Bound::Range(tag, None, None) => pattern(ValueBound::Range(*tag, None, None)),
            Bound::Range(tag, Some(low), None) => {
                with_ref(low, |low| pattern(ValueBound::Range(*tag, Some((low, true)), None)))
            }
            Bound::Range(tag, None, Some(high)) => {
                with_ref(high, |high| pattern(ValueBound::Range(*tag, None, Some((high, false)))))
            }
            Bound::Range(tag, Some(low), Some(high)) => with_ref(low, |low| {
                with_ref(high, |high| {
                    pattern(ValueBound::Range(*tag, Some((low, true)), Some((high, false))))
                })
            }),
        }
    }
}

/// Which facts of which index.
#[derive(Clone, Debug)]
enum Span {
    Nothing,
    /// Those of a pattern.
    Of(Order, Wanted),
    /// Those of a pattern and all beyond them.
    From(Order, Wanted),
    References(References),
}

/// Facts in the order of an index, read as they are handed on.
///
/// ```
/// # let conn = annals::connect("mem:")?.database("main")?;
/// conn.transact("[{:db/ident :boat/fuel :db/valueType :db.type/long :db/cardinality :db.cardinality/one}]")?;
/// conn.transact("[{:boat/fuel 10} {:boat/fuel 30} {:boat/fuel 20}]")?;
/// let fuel = conn.db().walk(annals::Index::Avet, &[annals::Edn::keyword("boat/fuel")])?;
/// let values = |walk: annals::Walk| walk.to_vec().map(|all| all.into_iter().map(|d| d.v).collect::<Vec<_>>());
/// assert_eq!(values(fuel.clone())?, [10, 20, 30].map(annals::Value::Long));
/// assert_eq!(values(fuel.clone().reverse().limit(1))?, [annals::Value::Long(30)]);
/// let mut first = None;
/// fuel.each(&mut |datom| {
///     first = Some(datom.v);
///     false
/// })?;
/// assert_eq!(first, Some(annals::Value::Long(10)));
/// # Ok::<(), annals::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Walk {
    db: Db,
    span: Span,
    reverse: bool,
    skip: usize,
    limit: Option<usize>,
}

impl Walk {
    fn new(db: &Db, span: Span) -> Walk {
        Walk { db: db.clone(), span, reverse: false, skip: 0, limit: None }
    }

    /// The same facts from the last to the first. A seek the other way runs from the facts that begin with its
    /// components (they included) down to the beginning of the index.
    #[must_use]
    pub fn reverse(self) -> Walk {
        Walk { reverse: !self.reverse, ..self }
    }

    /// Without the first so many facts.
    #[must_use]
    pub fn skip(self, facts: usize) -> Walk {
        Walk { skip: facts, ..self }
    }

    /// At most so many facts.
    #[must_use]
    pub fn limit(self, facts: usize) -> Walk {
        Walk { limit: Some(facts), ..self }
    }

    /// Hands the facts on in order, until the sink returns false. They can be walked again.
    ///
    /// # Errors
    /// What the storage says if facts cannot be read.
    pub fn each(&self, sink: &mut dyn FnMut(Datom) -> bool) -> Result<()> {
        let (mut skip, mut left) = (self.skip, self.limit.unwrap_or(usize::MAX));
        if left == 0 {
            return Ok(());
        }
        self.all(&mut |datom| {
            if skip > 0 {
                skip -= 1;
                return ControlFlow::Continue(());
            }
            left -= 1;
            if sink(datom) && left > 0 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })
    }

    /// The facts, all in memory.
    pub fn to_vec(&self) -> Result<Vec<Datom>> {
        let mut found = Vec::new();
        self.each(&mut |datom| {
            found.push(datom);
            true
        })?;
        Ok(found)
    }

    fn all(&self, sink: &mut dyn FnMut(Datom) -> Flow) -> Result<()> {
        let mut rows = |batch: &Batch<'_>| (0..batch.len).try_for_each(|row| sink(batch.datom(row)));
        match (&self.span, self.reverse) {
            (Span::Nothing, _) => Ok(()),
            (Span::Of(order, wanted), false) => {
                wanted.with(|pattern| self.db.ordered(*order, pattern, &mut rows))
            }
            (Span::Of(order, wanted), true) => wanted.with(|pattern| self.db.back(*order, pattern, sink)),
            (Span::From(order, wanted), false) => {
                wanted.with(|start| self.db.ordered_from(*order, start, &mut rows))
            }
            (Span::From(order, wanted), true) => wanted.with(|start| self.db.back_from(*order, start, sink)),
            (Span::References(references), reverse) => references.each(&self.db, reverse, sink),
        }
    }
}

impl Db {
    /// The facts that begin with some leading components, in the order of an index; at most `limit`.
    ///
    /// Components are an entity (id, ident, lookup ref), an attribute, a value, a transaction (id or t). A name that
    /// names nothing gives no facts. [`Db::walk`] is the same without holding the facts.
    ///
    /// # Errors
    /// `:db.error/not-an-entity` for an attribute that is not there, `:db.error/attribute-not-indexed`,
    /// `:db.error/wrong-type-for-attribute`, `:db.error/invalid-index-components` for more than four components.
    pub fn datoms(
        &self,
        index: impl Into<Index>,
        components: &[Edn],
        limit: Option<usize>,
    ) -> Result<Vec<Datom>> {
        let walk = self.walk(index, components)?;
        Walk { limit, ..walk }.to_vec()
    }

    /// As [`Db::datoms`], read as they are handed on, and either way.
    pub fn walk(&self, index: impl Into<Index>, components: &[Edn]) -> Result<Walk> {
        let index = index.into();
        let span = match self.components(index, components)? {
            None => Span::Nothing,
            Some(wanted) => match stored(index) {
                Some(order) => Span::Of(order, wanted),
                None => Span::References(References::of(self, wanted)),
            },
        };
        Ok(Walk::new(self, span))
    }

    /// The facts from the first that begins with some components, or would, to the end of the index: of this attribute
    /// or entity and of all that follow. The caller says when to stop.
    ///
    /// ```
    /// # let db = annals::connect("mem:")?.database("main")?.db();
    /// let from = db.seek_datoms(annals::Index::Aevt, &[annals::Edn::keyword("db/doc")])?;
    /// let attributes: std::collections::BTreeSet<_> = from.to_vec()?.into_iter().map(|datom| datom.a).collect();
    /// assert!(attributes.len() > 1);
    /// # Ok::<(), annals::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Db::datoms`]; and a component that names nothing is `:db.error/not-an-entity`: there is no place to begin.
    pub fn seek_datoms(&self, index: impl Into<Index>, components: &[Edn]) -> Result<Walk> {
        let index = index.into();
        if components.len() > 3 {
            let message = format!("a seek takes up to three components, and {} are given", components.len());
            return Err(Error::incorrect("db.error/invalid-index-components", message)
                .with_hint("leave the transaction out, and pass over the facts of others"));
        }
        let wanted = self.components(index, components)?.ok_or_else(|| {
            let given = Edn::Vector(components.to_vec());
            Error::incorrect("db.error/not-an-entity", format!("in {given} something names no entity"))
                .with_hint("a seek begins at a place in the index; give the entity's id")
        })?;
        let span = match stored(index) {
            Some(order) => Span::From(order, wanted),
            None => Span::References(References::from(self, wanted)),
        };
        Ok(Walk::new(self, span))
    }

    /// The facts of one attribute by value, from `start` (included; none: from the least) up to `end` (excluded; none:
    /// to the greatest).
    ///
    /// ```
    /// # let conn = annals::connect("mem:")?.database("main")?;
    /// conn.transact("[{:db/ident :boat/fuel :db/valueType :db.type/long :db/cardinality :db.cardinality/one}]")?;
    /// conn.transact("[{:boat/fuel 10} {:boat/fuel 20} {:boat/fuel 30}]")?;
    /// let range = conn.db().index_range(":boat/fuel", Some(&10.into()), Some(&30.into()))?;
    /// assert_eq!(range.to_vec()?.len(), 2);
    /// # Ok::<(), annals::Error>(())
    /// ```
    ///
    /// # Errors
    /// `:db.error/attribute-not-indexed` if the attribute is not in AVET, `:db.error/wrong-type-for-attribute` if an end
    /// is no value of it, `:db.error/not-an-entity` if there is no such attribute.
    pub fn index_range(
        &self,
        attribute: impl Into<EntityName>,
        start: Option<&Edn>,
        end: Option<&Edn>,
    ) -> Result<Walk> {
        let attr = names::attribute(&self.basis().schema, &attribute.into().form()?)?;
        check_indexed(Index::Avet, attr)?;
        let end_of = |end: Option<&Edn>| -> Result<Option<Option<Value>>> {
            let Some(given) = end else { return Ok(Some(None)) };
            Ok(self.value_of(attr, &Form::from(given.clone()))?.map(Some))
        };
        let (Some(start), Some(end)) = (end_of(start)?, end_of(end)?) else {
            return Ok(Walk::new(self, Span::Nothing));
        };
        let v = Bound::Range(attr.tag(), start, end);
        Ok(Walk::new(self, Span::Of(Order::Avet, Wanted { a: Some(attr.id()), v, ..Wanted::default() })))
    }

    fn value_of(&self, attr: &Attr, given: &Form) -> Result<Option<Value>> {
        names::constant(&self.basis().schema, attr, given, &|a, v| self.holder(a, v))
    }

    /// What leading components ask for; `None` if a name among them names nothing.
    pub(crate) fn components(&self, index: Index, components: &[Edn]) -> Result<Option<Wanted>> {
        let places = index.places();
        if components.len() > places.len() {
            let message = format!("an index has four components, and {} are given", components.len());
            return Err(Error::incorrect("db.error/invalid-index-components", message));
        }
        let mut wanted = Wanted::default();
        let mut attr: Option<&Attr> = None;
        for (place, component) in places.into_iter().zip(components) {
            let form = Form::from(component.clone());
            match (place, attr) {
                (Place::E, _) => match self.entid(EntityName::from(component.clone()))? {
                    Some(e) => wanted.e = Some(e),
                    None => return Ok(None),
                },
                (Place::A, _) => {
                    let named = names::attribute(&self.basis().schema, &form)?;
                    check_indexed(index, named)?;
                    (wanted.a, attr) = (Some(named.id()), Some(named));
                }
                // The value of VAET, which is an entity.
                (Place::V, None) => match self.entid(EntityName::from(component.clone()))? {
                    Some(e) => wanted.v = Bound::Is(Value::Ref(e)),
                    None => return Ok(None),
                },
                (Place::V, Some(attr)) => match self.value_of(attr, &form)? {
                    Some(v) => wanted.v = Bound::Is(v),
                    None => return Ok(None),
                },
                (Place::T, _) => wanted.t = Some(self.t_of(TimePoint::from_edn(component)?)?),
            }
        }
        Ok(Some(wanted))
    }
}

/// The stored order behind an index, if it has one of its own.
fn stored(index: Index) -> Option<Order> {
    match index {
        Index::Eavt => Some(Order::Eavt),
        Index::Aevt => Some(Order::Aevt),
        Index::Avet => Some(Order::Avet),
        Index::Vaet => None,
    }
}

/// Refuses an attribute whose facts an index does not hold.
pub(crate) fn check_indexed(index: Index, attr: &Attr) -> Result<()> {
    let (holds, hint) = match index {
        Index::Eavt | Index::Aevt => (true, ""),
        Index::Avet => (attr.public.indexed, "AEVT holds the facts of every attribute"),
        Index::Vaet => (attr.tag() == Tag::Ref, "VAET holds references; AVET finds other values"),
    };
    if holds {
        return Ok(());
    }
    let message =
        format!("{} has values of type {}, which are not in {index:?}", attr.ident(), attr.tag().name());
    Err(Error::incorrect("db.error/attribute-not-indexed", message)
        .with_hint(hint)
        .with_data("db.error/attribute", attr.ident().clone()))
}
