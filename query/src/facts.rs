//! A plain list of datoms as a source, or as a log: the obvious ones, that the clever ones are tested against.
//!
//! Every scan looks at every fact. Datoms are given as assertions and retractions in the order of their transactions;
//! the view is settled once, when the list is made.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use annals_storage::datom::{
    AttrId, Batch, Col, Datom, EntityId, Keyword, Pattern, T, Tag, Value, ValueCol, code, columns::heap_word,
};

use crate::error::Result;
use crate::source::{Attribute, Flow, Source, TxLog};

/// Facts in a vector, with the names a query may use for them.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    datoms: Vec<Datom>,
    attributes: BTreeMap<AttrId, Attribute>,
    idents: HashMap<Keyword, EntityId>,
    history: bool,
}

impl Facts {
    /// What holds after all of `log` as far as `as_of`, without what was added up to `since`.
    pub fn window(log: &[Datom], attributes: Vec<Attribute>, as_of: Option<T>, since: Option<T>) -> Facts {
        let t = |datom: &Datom| datom.tx.t().expect("a datom is added by a transaction");
        let mut holding: BTreeMap<(EntityId, AttrId, Value), Datom> = BTreeMap::new();
        for datom in log.iter().filter(|datom| as_of.is_none_or(|bound| t(datom) <= bound)) {
            let fact = (datom.e, datom.a, datom.v.clone());
            if datom.added {
                holding.entry(fact).or_insert_with(|| datom.clone());
            } else {
                holding.remove(&fact);
            }
        }
        let datoms =
            holding.into_values().filter(|datom| since.is_none_or(|bound| t(datom) > bound)).collect();
        Facts::of(datoms, attributes, false)
    }

    /// Every assertion and retraction of `log` inside the window.
    pub fn history(log: &[Datom], attributes: Vec<Attribute>, as_of: Option<T>, since: Option<T>) -> Facts {
        let inside = |datom: &&Datom| {
            let t = datom.tx.t().expect("a datom is added by a transaction");
            as_of.is_none_or(|bound| t <= bound) && since.is_none_or(|bound| t > bound)
        };
        Facts::of(log.iter().filter(inside).cloned().collect(), attributes, true)
    }

    fn of(datoms: Vec<Datom>, attributes: Vec<Attribute>, history: bool) -> Facts {
        let idents = attributes.iter().map(|a| (a.ident.clone(), a.id.entity())).collect();
        let attributes = attributes.into_iter().map(|a| (a.id, a)).collect();
        Facts { datoms, attributes, idents, history }
    }

    /// With one more name.
    #[must_use]
    pub fn naming(mut self, ident: Keyword, e: EntityId) -> Facts {
        self.idents.insert(ident, e);
        self
    }

    /// The facts.
    pub fn datoms(&self) -> &[Datom] {
        &self.datoms
    }
}

fn matches(datom: &Datom, pattern: &Pattern<'_>, scratch: &mut Vec<u8>) -> bool {
    pattern.e.is_none_or(|e| e == datom.e)
        && pattern.a.is_none_or(|a| a == datom.a)
        && pattern.t.is_none_or(|t| Some(t) == datom.tx.t())
        && pattern.added.is_none_or(|added| added == datom.added)
        && datom.v.with_ref(scratch, |v| pattern.v.admits(v))
}

impl Source for Facts {
    fn scan(&self, pattern: &Pattern<'_>, sink: &mut dyn FnMut(&Batch<'_>) -> Flow) -> Result<()> {
        let mut scratch = Vec::new();
        for datom in self.datoms.iter() {
            if !matches(datom, pattern, &mut scratch) {
                continue;
            }
            let mut heap = Vec::new();
            let word = code::fixed(&datom.v).unwrap_or_else(|| {
                code::variable(&datom.v, &mut heap);
                heap_word(0, heap.len())
            });
            let batch = Batch {
                len: 1,
                e: Col::Const(datom.e.0),
                a: Col::Const(datom.a.0),
                v: ValueCol { tags: Col::<Tag>::Const(datom.v.tag()), words: Col::Const(word), heap: &heap },
                t: Col::Const(datom.tx.t().expect("a datom is added by a transaction")),
                added: Col::Const(datom.added),
            };
            if sink(&batch).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn scan_between(
        &self,
        a: AttrId,
        (first, last): (u64, u64),
        sink: &mut dyn FnMut(&Batch<'_>) -> Flow,
    ) -> Result<bool> {
        self.scan(&Pattern::attribute(a), &mut |batch| {
            if (first..=last).contains(&batch.e.get(0)) { sink(batch) } else { Flow::Continue(()) }
        })?;
        Ok(true)
    }

    fn count(&self, pattern: &Pattern<'_>) -> Result<u64> {
        let mut scratch = Vec::new();
        Ok(self.datoms.iter().filter(|datom| matches(datom, pattern, &mut scratch)).count() as u64)
    }

    fn attribute(&self, id: AttrId) -> Option<&Attribute> {
        self.attributes.get(&id)
    }

    fn attributes(&self) -> Vec<&Attribute> {
        self.attributes.values().collect()
    }

    fn entid(&self, ident: &Keyword) -> Option<EntityId> {
        self.idents.get(ident).copied()
    }

    fn ident(&self, e: EntityId) -> Option<Keyword> {
        self.idents.iter().find(|(_, named)| **named == e).map(|(ident, _)| ident.clone())
    }

    fn is_history(&self) -> bool {
        self.history
    }
}

/// A log in a vector. An instant that a transaction asserts of itself is its own.
#[derive(Clone, Debug, Default)]
pub struct FactLog {
    datoms: Vec<Datom>,
}

impl FactLog {
    /// These datoms, in the order of their transactions.
    pub fn new(datoms: Vec<Datom>) -> FactLog {
        FactLog { datoms }
    }

    fn of_t(&self, t: T) -> Vec<Datom> {
        self.datoms.iter().filter(|datom| datom.tx == EntityId::of_t(t)).cloned().collect()
    }
}

impl TxLog for FactLog {
    fn end_t(&self) -> T {
        self.datoms.iter().filter_map(|datom| datom.tx.t()).max().map_or(1, |newest| newest + 1)
    }

    fn t_from(&self, instant: i64) -> Result<T> {
        let is_older =
            |datom: &&Datom| datom.e == datom.tx && matches!(datom.v, Value::Instant(own) if own < instant);
        Ok(self.datoms.iter().filter(is_older).filter_map(|datom| datom.tx.t()).max().map_or(0, |t| t + 1))
    }

    fn read(&self, range: Range<T>, sink: &mut dyn FnMut(T, &[Datom]) -> Flow) -> Result<()> {
        for t in range.start..range.end.min(self.end_t()) {
            if sink(t, &self.of_t(t)).is_break() {
                break;
            }
        }
        Ok(())
    }
}
