//! A database value: a basis, and what of it is shown.
//!
//! ```text
//!   Db = Basis (all facts up to t, schema)  +  View (as of, since, history)  +  filters
//! ```
//!
//! A value never changes and can be kept, sent to other threads and asked for ever. Views narrow: each is over the same
//! basis, whose schema and idents hold in every view. Names that are facts (lookup refs) are looked up in what is shown.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use annals_query::edn::Edn;
use annals_query::source::{Attribute, Flow, Source};
use annals_storage::datom::{
    AttrId, Batch, Datom, EntityId, Keyword, Order, Pattern, Symbol, T, Tag, Value, ValueRef,
};
use annals_storage::snapshot::View;

use crate::basis::{Basis, with_ref};
use crate::error::{Error, Result};
use crate::input::{EntityName, Request, TxData};
use crate::names;
use crate::schema::{Attr, Tuple, bootstrap};
use crate::stats;
use crate::time::TimePoint;
use crate::transact::{self, TxReport};

type Keep = dyn Fn(&Db, &Datom) -> bool + Send + Sync;

/// A database value: never changes. Clone + Send + Sync, cheap.
///
/// ```
/// # let conn = annals::connect("mem:")?.database("main")?;
/// # conn.transact("[{:db/ident :boat/fuel :db/valueType :db.type/long :db/cardinality :db.cardinality/one}]")?;
/// let first = conn.transact("[{:db/id \"b\" :boat/fuel 10}]")?;
/// conn.transact(annals::Edn::from(vec![annals::edn::read_one(
///     &format!("[:db/add {} :boat/fuel 20]", first.tempids["b"]),
/// )?.to_edn()]))?;
/// let fuel = |db: &annals::Db| db.datoms(annals::Order::Aevt, &[annals::Edn::keyword("boat/fuel")], None);
/// assert_eq!(fuel(&conn.db())?[0].v, annals::Value::Long(20));
/// assert_eq!(fuel(&conn.db().as_of(first.t))?[0].v, annals::Value::Long(10));
/// assert_eq!(fuel(&conn.db().history())?.len(), 3);
/// # Ok::<(), annals::Error>(())
/// ```
#[derive(Clone)]
pub struct Db {
    basis: Arc<Basis>,
    /// The newest transaction that is in the log: those above are speculative.
    settled: T,
    view: View,
    filters: Option<Arc<Filter>>,
    /// A view that could not be found, which every read then says.
    trouble: Option<Error>,
}

/// Predicates a datom must pass to be shown: this one, and those before it.
struct Filter {
    keep: Box<Keep>,
    before: Option<Arc<Filter>>,
}

impl Filter {
    fn admits(&self, unfiltered: &Db, datom: &Datom) -> bool {
        let mut next = Some(self);
        while let Some(filter) = next {
            if !(filter.keep)(unfiltered, datom) {
                return false;
            }
            next = filter.before.as_deref();
        }
        true
    }
}

impl fmt::Debug for Db {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Db({}@{}", self.name(), self.basis_t())?;
        if let Some(t) = self.as_of_t() {
            write!(f, " as-of {t}")?;
        }
        if let Some(t) = self.since_t() {
            write!(f, " since {t}")?;
        }
        write!(
            f,
            "{}{})",
            if self.is_history() { " history" } else { "" },
            if self.is_filtered() { " filtered" } else { "" }
        )
    }
}

impl Db {
    pub(crate) fn new(basis: Arc<Basis>) -> Db {
        let settled = basis.t;
        Db { basis, settled, view: View::default(), filters: None, trouble: None }
    }

    pub(crate) fn basis(&self) -> &Arc<Basis> {
        &self.basis
    }

    /// What tells the database from all others of its storage, whatever they are called.
    pub fn database_id(&self) -> annals_storage::backend::DatabaseId {
        self.basis.home.database
    }

    /// The database's name.
    pub fn name(&self) -> &str {
        &self.basis.home.name
    }

    /// The newest transaction this value knows, whatever it shows.
    pub fn basis_t(&self) -> T {
        self.basis.t
    }

    /// The newest transaction that is shown and was not made by `with`: up to here values of one database agree.
    pub(crate) fn settled_t(&self) -> T {
        self.view.as_of.map_or(self.settled, |bound| bound.min(self.settled))
    }

    /// The number the next transaction gets.
    pub fn next_t(&self) -> T {
        self.basis.t + 1
    }

    /// The newest transaction shown, if there is a bound.
    pub fn as_of_t(&self) -> Option<T> {
        self.view.as_of
    }

    /// The newest transaction no longer shown, if there is a bound.
    pub fn since_t(&self) -> Option<T> {
        self.view.since
    }

    /// True if assertions and retractions of all times are shown.
    pub fn is_history(&self) -> bool {
        self.view.history
    }

    /// True if a predicate hides some datoms.
    pub fn is_filtered(&self) -> bool {
        self.filters.is_some()
    }

    fn viewed(&self, view: View) -> Db {
        Db { view, ..self.clone() }
    }

    /// The same facts without view and filter: everything up to the basis.
    pub fn unfiltered(&self) -> Db {
        Db { settled: self.settled, ..Db::new(Arc::clone(&self.basis)) }
    }

    /// What held after this point: a t or transaction (included), or an instant (all transactions up to it).
    #[must_use]
    pub fn as_of(&self, point: impl Into<TimePoint>) -> Db {
        self.bounded(point.into(), |view, t| {
            view.as_of = Some(view.as_of.map_or(t, |bound| bound.min(t)));
        })
    }

    /// Only what was added after this point, which is left out itself.
    ///
    /// Facts by which entities are named are facts too: a lookup ref whose fact is older finds nothing here.
    #[must_use]
    pub fn since(&self, point: impl Into<TimePoint>) -> Db {
        self.bounded(point.into(), |view, t| {
            view.since = Some(view.since.map_or(t, |bound| bound.max(t)));
        })
    }

    fn bounded(&self, point: TimePoint, bound: impl FnOnce(&mut View, T)) -> Db {
        let mut db = self.clone();
        match self.t_of(point) {
            Ok(t) => bound(&mut db.view, t),
            Err(error) => db.trouble = Some(error),
        }
        db
    }

    /// The transaction a point in time stands for: for an instant the newest that is not younger, 0 if all are.
    pub fn t_of(&self, point: impl Into<TimePoint>) -> Result<T> {
        match point.into() {
            TimePoint::T(t) => Ok(t),
            TimePoint::Instant(instant) => self.basis.t_at(instant),
        }
    }

    /// Every assertion and retraction, inside the bounds of this view.
    #[must_use]
    pub fn history(&self) -> Db {
        self.viewed(View { history: true, ..self.view })
    }

    /// Keeps the datoms for which the predicate, given the unfiltered value, is true. Several compose.
    #[must_use]
    pub fn filter(&self, keep: impl Fn(&Db, &Datom) -> bool + Send + Sync + 'static) -> Db {
        let filter = Filter { keep: Box::new(keep), before: self.filters.clone() };
        Db { filters: Some(Arc::new(filter)), ..self.clone() }
    }

    /// What the transaction would do; nothing becomes durable, and no connection sees it.
    ///
    /// The time is that of the storage's clock. On a value as of some t it is what the transaction would have done then:
    /// it is judged by what is shown, its number is t + 1, and the value after goes on from there, a branch that what
    /// came later is not in. `since` and filters stay, and judge nothing. A history cannot be added to.
    ///
    /// ```
    /// # let conn = annals::connect("mem:")?.database("main")?;
    /// # conn.transact("[{:db/ident :boat/fuel :db/valueType :db.type/long :db/cardinality :db.cardinality/one}]")?;
    /// let first = conn.transact("[{:db/ident :argo :boat/fuel 10}]")?;
    /// conn.transact("[[:db/add :argo :boat/fuel 50]]")?;
    /// let branch = conn.db().as_of(first.t).with("[[:db/cas :argo :boat/fuel 10 8]]")?;
    /// assert_eq!((branch.t, branch.db_after.basis_t()), (first.t + 1, first.t + 1));
    /// let fuel = annals::q("[:find ?fuel . :where [:argo :boat/fuel ?fuel]]")?.over(&branch.db_after).run()?;
    /// assert_eq!(fuel.into_edn(), annals::Edn::Int(8));
    /// # Ok::<(), annals::Error>(())
    /// ```
    pub fn with(&self, tx: impl Into<TxData>) -> Result<TxReport> {
        self.with_at(tx, self.basis.home.now())
    }

    /// As [`Db::with`], at a time of the caller's choice (microseconds since 1970).
    pub fn with_at(&self, tx: impl Into<TxData>, now: i64) -> Result<TxReport> {
        if let Some(trouble) = &self.trouble {
            return Err(trouble.clone());
        }
        if self.is_history() {
            return Err(Error::incorrect("db.error/unsupported-on-history", "a history cannot be added to")
                .with_hint("use `with` on the value before `history`"));
        }
        let request = Request::from(tx.into().form()?);
        let before = self.grounded()?;
        let outcome = transact::run(&before.basis, &request, now)?;
        let after = Db { basis: outcome.after, ..before.clone() };
        Ok(TxReport::new(before, after, &outcome.tx, outcome.tempids))
    }

    /// The same with what its `as_of` shows as its basis: nothing newer is known to it.
    pub(crate) fn grounded(&self) -> Result<Db> {
        let Some(t) = self.view.as_of else { return Ok(self.clone()) };
        let view = View { as_of: None, ..self.view };
        let basis = match t < self.basis.t {
            true => Arc::new(self.basis.branch(t)?),
            false => Arc::clone(&self.basis),
        };
        Ok(Db { basis, view, settled: self.settled.min(t), ..self.clone() })
    }

    /// All that is known at the moment this shows, whatever else of it is left out.
    pub(crate) fn at_its_moment(&self) -> Db {
        let view = View { as_of: self.view.as_of, ..View::default() };
        Db { view, filters: None, ..self.clone() }
    }

    /// Resolves an id, ident or lookup ref in this view; `None` if it names nothing.
    ///
    /// An id resolves to itself, whether or not anything is known about it.
    pub fn entid(&self, entity: impl Into<EntityName>) -> Result<Option<EntityId>> {
        let form = entity.into().form()?;
        names::entity(&self.basis.schema, &form, &|a, v| self.holder(a, v))
    }

    /// The entity that has a value of a unique attribute in this view.
    pub(crate) fn holder(&self, a: AttrId, v: &Value) -> Result<Option<EntityId>> {
        Ok(with_ref(v, |v| self.entity_with(a, v))?)
    }

    /// A value that an entity has of an attribute in this view.
    pub(crate) fn value(&self, e: EntityId, a: AttrId) -> Result<Option<Value>> {
        let mut found = None;
        Source::scan(self, &Pattern::values(e, a), &mut |batch| {
            found = (batch.len > 0).then(|| batch.v.get(0).to_value());
            if found.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        Ok(found)
    }

    /// A text that an entity has.
    pub(crate) fn text(&self, e: EntityId, a: AttrId) -> Result<Option<String>> {
        Ok(self.value(e, a)?.and_then(|v| match v {
            Value::String(text) => Some(text.to_string()),
            _ => None,
        }))
    }

    /// The newest ident of an entity.
    pub fn ident(&self, e: EntityId) -> Option<Keyword> {
        self.basis.schema.ident(e).cloned()
    }

    /// Every attribute with its properties, by ident (for `.schema`, completion, tools).
    pub fn schema(&self) -> Vec<AttributeInfo> {
        let mut attributes: Vec<AttributeInfo> =
            self.basis.schema.attrs().map(|attr| self.info(attr)).collect();
        attributes.sort_by(|x, y| x.ident.cmp(&y.ident));
        attributes
    }

    fn info(&self, attr: &Attr) -> AttributeInfo {
        let (id, public) = (attr.id(), &attr.public);
        let unique = public.unique.map(|unique| match unique {
            annals_query::source::Unique::Identity => Keyword::new("db.unique/identity"),
            annals_query::source::Unique::Value => Keyword::new("db.unique/value"),
        });
        let doc = match self.basis.value(id.entity(), bootstrap::DOC) {
            Ok(Some((Value::String(doc), _))) => Some(doc.to_string()),
            _ => None,
        };
        AttributeInfo {
            id,
            ident: public.ident.clone(),
            value_type: public.value_type,
            many: public.many,
            unique,
            component: public.component,
            indexed: public.indexed,
            no_history: attr.no_history,
            preds: attr.preds.clone(),
            tuple: self.tuple_of(attr),
            filling: attr.filling,
            doc,
            system: bootstrap::is_system(id.entity()),
            count: self.basis.snapshot.count(&View::default(), &Pattern::attribute(id)).unwrap_or(0),
        }
    }

    /// What the tuples of an attribute are made of.
    fn tuple_of(&self, attr: &Attr) -> Option<Edn> {
        let kind = |tag: &Tag| Edn::keyword(&format!("db.type/{}", tag.name()));
        let named = |id: &AttrId| match self.basis.schema.attr(*id) {
            Some(member) => Edn::Keyword(member.ident().clone()),
            None => Edn::from(id.entity()),
        };
        let (key, value) = match &attr.tuple {
            Tuple::Free => return None,
            Tuple::Of(tag) => ("db/tupleType", kind(tag)),
            Tuple::Types(tags) => ("db/tupleTypes", Edn::Vector(tags.iter().map(kind).collect())),
            Tuple::Composite(members) => ("db/tupleAttrs", Edn::Vector(members.iter().map(named).collect())),
        };
        Some(Edn::Map([(Edn::keyword(key), value)].into()))
    }

    /// Every ident that resolves, with its entity: old names of an entity too.
    pub fn idents(&self) -> Vec<(Keyword, EntityId)> {
        let mut idents: Vec<_> = self.basis.schema.idents().map(|(ident, e)| (ident.clone(), e)).collect();
        idents.sort();
        idents
    }

    /// Instant of a transaction, `None` if there is none of that number.
    pub fn instant_of(&self, t: T) -> Result<Option<i64>> {
        if t > 0 && t == self.basis.t {
            return Ok(Some(self.basis.instant));
        }
        match self.basis.value(EntityId::of_t(t), bootstrap::TX_INSTANT)? {
            Some((Value::Instant(instant), _)) => Ok(Some(instant)),
            _ => Ok(None),
        }
    }

    /// Counts and sizes for people and tools, as an EDN map: of this value's facts, novelty and trees, of the caches, and
    /// how the upkeep goes just now.
    pub fn stats(&self) -> Result<Edn> {
        stats::of(&self.basis)
    }

    /// A scan in index order, under view and filters.
    pub(crate) fn ordered(
        &self,
        order: Order,
        pattern: &Pattern<'_>,
        sink: &mut dyn FnMut(&Batch<'_>) -> Flow,
    ) -> Result<()> {
        self.filtered(sink, |sink| self.basis.snapshot.scan_ordered(&self.view, order, pattern, sink))
    }

    /// The same from the first place of a pattern to the end of the order.
    pub(crate) fn ordered_from(
        &self,
        order: Order,
        start: &Pattern<'_>,
        sink: &mut dyn FnMut(&Batch<'_>) -> Flow,
    ) -> Result<()> {
        self.filtered(sink, |sink| self.basis.snapshot.scan_from(&self.view, order, start, sink))
    }

    /// A scan from the last row of a pattern to its first, under view and filters.
    pub(crate) fn back(
        &self,
        order: Order,
        pattern: &Pattern<'_>,
        sink: &mut dyn FnMut(Datom) -> Flow,
    ) -> Result<()> {
        let mut sink = self.sifted(sink)?;
        Ok(self.basis.snapshot.scan_back(&self.view, order, pattern, &mut sink)?)
    }

    /// The same to the first row of the order.
    pub(crate) fn back_from(
        &self,
        order: Order,
        start: &Pattern<'_>,
        sink: &mut dyn FnMut(Datom) -> Flow,
    ) -> Result<()> {
        let mut sink = self.sifted(sink)?;
        Ok(self.basis.snapshot.scan_back_from(&self.view, order, start, &mut sink)?)
    }

    /// A sink that gets only what passes the filters.
    fn sifted<'s>(
        &'s self,
        sink: &'s mut dyn FnMut(Datom) -> Flow,
    ) -> Result<impl FnMut(Datom) -> Flow + 's> {
        if let Some(trouble) = &self.trouble {
            return Err(trouble.clone());
        }
        let unfiltered = self.unfiltered();
        Ok(move |datom: Datom| match &self.filters {
            Some(filters) if !filters.admits(&unfiltered, &datom) => ControlFlow::Continue(()),
            _ => sink(datom),
        })
    }

    /// Runs a scan whose rows have to pass the filters.
    fn filtered(
        &self,
        sink: &mut dyn FnMut(&Batch<'_>) -> Flow,
        scan: impl FnOnce(&mut dyn FnMut(&Batch<'_>) -> Flow) -> annals_storage::Result<()>,
    ) -> Result<()> {
        if let Some(trouble) = &self.trouble {
            return Err(trouble.clone());
        }
        let Some(filters) = &self.filters else { return Ok(scan(sink)?) };
        let unfiltered = self.unfiltered();
        Ok(scan(&mut |batch| {
            let mut row = 0;
            while row < batch.len {
                let keep = |row| filters.admits(&unfiltered, &batch.datom(row));
                let start = row;
                while row < batch.len && keep(row) {
                    row += 1;
                }
                if row > start {
                    sink(&batch.slice(start, row))?;
                }
                row += 1;
            }
            ControlFlow::Continue(())
        })?)
    }
}

impl Source for Db {
    fn scan(
        &self,
        pattern: &Pattern<'_>,
        sink: &mut dyn FnMut(&Batch<'_>) -> Flow,
    ) -> annals_query::Result<()> {
        Ok(self.filtered(sink, |sink| self.basis.snapshot.scan(&self.view, pattern, sink))?)
    }

    fn scan_each(
        &self,
        a: Option<AttrId>,
        entities: &[u64],
        sink: &mut dyn FnMut(&Batch<'_>) -> Flow,
    ) -> annals_query::Result<bool> {
        if let Some(trouble) = &self.trouble {
            return Err(trouble.clone().into());
        }
        // A filter of the program is shown no facts but those that are asked for.
        Ok(self.filters.is_none() && self.basis.snapshot.scan_each(&self.view, a, entities, sink)?)
    }

    fn scan_between(
        &self,
        a: AttrId,
        entities: (u64, u64),
        sink: &mut dyn FnMut(&Batch<'_>) -> Flow,
    ) -> annals_query::Result<bool> {
        let mut is_read = true;
        self.filtered(sink, |sink| {
            is_read = self.basis.snapshot.scan_between(&self.view, a, entities, sink)?;
            Ok(())
        })?;
        Ok(is_read)
    }

    fn count(&self, pattern: &Pattern<'_>) -> annals_query::Result<u64> {
        if let Some(trouble) = &self.trouble {
            return Err(trouble.clone().into());
        }
        Ok(self.basis.snapshot.count(&self.view, pattern)?)
    }

    fn sample(
        &self,
        pattern: &Pattern<'_>,
        wanted: usize,
        sink: &mut dyn FnMut(&Batch<'_>) -> Flow,
    ) -> annals_query::Result<()> {
        let sample = |sink: &mut dyn FnMut(&Batch<'_>) -> Flow| {
            self.basis.snapshot.sample(&self.view, pattern, wanted, sink).map(|_| ())
        };
        Ok(self.filtered(sink, sample)?)
    }

    fn attribute(&self, id: AttrId) -> Option<&Attribute> {
        self.basis.schema.attr(id).map(|attr| &attr.public)
    }

    fn attributes(&self) -> Vec<&Attribute> {
        self.basis.schema.attrs().map(|attr| &attr.public).collect()
    }

    fn has_components(&self) -> bool {
        self.basis.schema.has_components()
    }

    fn entid(&self, ident: &Keyword) -> Option<EntityId> {
        self.basis.schema.entid(ident)
    }

    fn ident(&self, e: EntityId) -> Option<Keyword> {
        self.basis.schema.ident(e).cloned()
    }

    fn is_history(&self) -> bool {
        self.view.history
    }

    fn is_sorted(&self) -> bool {
        // Other views come in a sorted stream for each place they are kept in.
        self.view == View::default() && !self.basis.snapshot.is_branch()
    }

    fn entity_with(&self, a: AttrId, v: ValueRef<'_>) -> annals_query::Result<Option<EntityId>> {
        let mut found = None;
        Source::scan(self, &Pattern::value(a, v), &mut |batch| {
            found = (batch.len > 0).then(|| EntityId(batch.e.get(0)));
            if found.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        Ok(found)
    }
}

/// One attribute, for people and tools.
#[derive(Clone, Debug)]
pub struct AttributeInfo {
    /// The attribute's id.
    pub id: AttrId,
    /// Its newest name.
    pub ident: Keyword,
    /// The type of its values.
    pub value_type: Tag,
    /// True for cardinality many.
    pub many: bool,
    /// `:db.unique/identity` or `:db.unique/value`
    pub unique: Option<Keyword>,
    /// `:db/isComponent`
    pub component: bool,
    /// True if its values (those short enough) are found by value.
    pub indexed: bool,
    /// `:db/noHistory`
    pub no_history: bool,
    /// `:db.attr/preds`: what judges every value that is asserted.
    pub preds: Vec<Symbol>,
    /// What its tuples are made of: `{:db/tupleAttrs […]}` and the like.
    pub tuple: Option<Edn>,
    /// True while the tuples of entities that are older than it are being made.
    pub filling: bool,
    /// `:db/doc`
    pub doc: Option<String>,
    /// True for the attributes every database is born with.
    pub system: bool,
    /// Current facts.
    pub count: u64,
}
