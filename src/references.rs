//! VAET: references by what they refer to.
//!
//! No tree is kept in this order, because AVET of the attributes of type ref holds the same facts: attribute by
//! attribute, each by value. They are merged here. Of each attribute one value is known, the next one ahead; all facts
//! of the nearest value are handed on, attribute by attribute, and those attributes look for their next. So a step costs
//! a seek in each attribute that has the value, and nothing is held but one entity id an attribute.

use std::ops::ControlFlow;

use annals_query::source::Flow;
use annals_storage::datom::{
    AttrId, Batch, Datom, EntityId, Order, Pattern, T, Tag, Value, ValueBound, ValueRef,
};

use crate::database::Db;
use crate::error::Result;
use crate::raw::{Bound, Wanted};

/// References in the order of VAET.
#[derive(Clone, Debug)]
pub(crate) struct References {
    attributes: Vec<AttrId>,
    /// What they refer to, the attribute, who refers: those, or (`endless`) those and all beyond.
    v: Option<EntityId>,
    a: Option<AttrId>,
    e: Option<EntityId>,
    t: Option<T>,
    endless: bool,
}

impl References {
    /// Those that begin with some components.
    pub(crate) fn of(db: &Db, wanted: Wanted) -> References {
        let mut attributes = db.basis().schema.refs().to_vec();
        attributes.sort_unstable();
        let v = match wanted.v {
            Bound::Is(Value::Ref(v)) => Some(v),
            _ => None,
        };
        attributes.retain(|a| wanted.a.is_none_or(|only| only == *a));
        References { attributes, v, a: wanted.a, e: wanted.e, t: wanted.t, endless: false }
    }

    /// Those that begin with some components, and all beyond them.
    pub(crate) fn from(db: &Db, wanted: Wanted) -> References {
        let all = References::of(db, Wanted { a: None, ..wanted.clone() });
        References { a: wanted.a, endless: true, ..all }
    }

    /// Hands them on, from the first or from the last.
    pub(crate) fn each(&self, db: &Db, reverse: bool, sink: &mut dyn FnMut(Datom) -> Flow) -> Result<()> {
        let mut attributes = self.attributes.clone();
        if reverse {
            attributes.reverse();
        }
        let first = |a: &AttrId| self.next(db, *a, self.v, reverse);
        let mut ahead: Vec<Option<EntityId>> = attributes.iter().map(first).collect::<Result<_>>()?;
        loop {
            let known = ahead.iter().flatten().copied();
            let Some(v) = (if reverse { known.max() } else { known.min() }) else { return Ok(()) };
            for (a, ahead) in attributes.iter().zip(&mut ahead).filter(|(_, ahead)| **ahead == Some(v)) {
                if self.to(db, *a, v, reverse, sink)?.is_break() {
                    return Ok(());
                }
                let beyond = if reverse { v.0.checked_sub(1) } else { v.0.checked_add(1) };
                *ahead = match beyond {
                    Some(beyond) if self.endless || self.v.is_none() => {
                        self.next(db, *a, Some(EntityId(beyond)), reverse)?
                    }
                    _ => None,
                };
            }
        }
    }

    /// The nearest entity that an attribute refers to, from one on.
    fn next(&self, db: &Db, a: AttrId, from: Option<EntityId>, reverse: bool) -> Result<Option<EntityId>> {
        let end = from.map(|e| (reference(e), true));
        let bound = match (reverse, self.v) {
            (_, Some(only)) if !self.endless => ValueBound::Is(reference(only)),
            (false, _) => ValueBound::Range(Tag::Ref, end, None),
            (true, _) => ValueBound::Range(Tag::Ref, None, end),
        };
        let mut found = None;
        let mut take = |datom: Datom| {
            if let Value::Ref(v) = datom.v {
                found = Some(v);
            }
            ControlFlow::Break(())
        };
        scan(db, &Pattern { a: Some(a), v: bound, ..Pattern::default() }, reverse, &mut take)?;
        Ok(found)
    }

    /// Hands on the references to one entity by one attribute.
    fn to(
        &self,
        db: &Db,
        a: AttrId,
        v: EntityId,
        reverse: bool,
        sink: &mut dyn FnMut(Datom) -> Flow,
    ) -> Result<Flow> {
        let mut flow = ControlFlow::Continue(());
        let e = self.e.filter(|_| !self.endless);
        let pattern = Pattern { e, a: Some(a), v: ValueBound::Is(reference(v)), t: self.t, added: None };
        scan(db, &pattern, reverse, &mut |datom| {
            if self.is_before_start(&datom, v, reverse) {
                return ControlFlow::Continue(());
            }
            flow = sink(datom);
            flow
        })?;
        Ok(flow)
    }

    /// True if a fact lies before the place where an endless walk begins.
    fn is_before_start(&self, datom: &Datom, v: EntityId, reverse: bool) -> bool {
        if !self.endless || self.v != Some(v) {
            return false;
        }
        let a = self.a.map(|a| datom.a.cmp(&a)).filter(|side| side.is_ne());
        let e = self.e.map(|e| datom.e.cmp(&e)).filter(|side| side.is_ne());
        a.or(e).is_some_and(|side| if reverse { side.is_gt() } else { side.is_lt() })
    }
}

fn reference(e: EntityId) -> ValueRef<'static> {
    ValueRef::Fixed(Tag::Ref, e.0 as i64)
}

fn scan(db: &Db, pattern: &Pattern<'_>, reverse: bool, sink: &mut dyn FnMut(Datom) -> Flow) -> Result<()> {
    if reverse {
        return db.back(Order::Avet, pattern, sink);
    }
    let mut rows = |batch: &Batch<'_>| (0..batch.len).try_for_each(|row| sink(batch.datom(row)));
    db.ordered(Order::Avet, pattern, &mut rows)
}
