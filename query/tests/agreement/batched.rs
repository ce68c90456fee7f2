//! The facts of a plain list, handed on as a real source would: sorted, in batches of several rows, with columns that
//! are constant where they can be.

use annals_query::error::Result;
use annals_query::facts::Facts;
use annals_query::source::{Attribute, Flow, Source};
use annals_storage::datom::columns::heap_word;
use annals_storage::datom::{
    AttrId, Batch, Col, Datom, EntityId, Keyword, Pattern, Tag, ValueBound, ValueCol, code,
};

/// Facts in batches of at most so many rows.
pub(crate) struct Batched {
    pub(crate) facts: Facts,
    pub(crate) most: usize,
    /// Whether it says that it is sorted.
    pub(crate) sorted: bool,
}

impl Source for Batched {
    fn scan(&self, pattern: &Pattern<'_>, sink: &mut dyn FnMut(&Batch<'_>) -> Flow) -> Result<()> {
        let mut datoms: Vec<Datom> = Vec::new();
        self.facts.scan(pattern, &mut |batch| {
            datoms.extend((0..batch.len).map(|row| batch.datom(row)));
            Flow::Continue(())
        })?;
        if pattern.e.is_none() && pattern.v != ValueBound::Any {
            datoms.sort_by(|x, y| (x.a, &x.v, x.e).cmp(&(y.a, &y.v, y.e)));
        } else {
            datoms.sort_by(|x, y| (x.a, x.e, &x.v).cmp(&(y.a, y.e, &y.v)));
        }
        for rows in datoms.chunks(self.most) {
            if hand_on(rows, sink).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// All facts are in order already; half of those that nobody asked for are left out.
    fn scan_each(
        &self,
        a: Option<AttrId>,
        entities: &[u64],
        sink: &mut dyn FnMut(&Batch<'_>) -> Flow,
    ) -> Result<bool> {
        if self.facts.is_history() {
            return Ok(false);
        }
        let mut datoms: Vec<Datom> = Vec::new();
        self.facts.scan(&a.map_or(Pattern::ALL, Pattern::attribute), &mut |batch| {
            let rows = (0..batch.len).map(|row| batch.datom(row));
            datoms.extend(rows.filter(|datom| datom.e.0 % 2 == 0 || entities.contains(&datom.e.0)));
            Flow::Continue(())
        })?;
        datoms.sort_by(|x, y| (x.e, x.a, &x.v).cmp(&(y.e, y.a, &y.v)));
        let _ = datoms.chunks(self.most).try_for_each(|rows| hand_on(rows, sink));
        Ok(true)
    }

    fn scan_between(
        &self,
        a: AttrId,
        (first, last): (u64, u64),
        sink: &mut dyn FnMut(&Batch<'_>) -> Flow,
    ) -> Result<bool> {
        if !self.sorted {
            return Ok(false);
        }
        let mut datoms: Vec<Datom> = Vec::new();
        self.facts.scan(&Pattern::attribute(a), &mut |batch| {
            let rows = (0..batch.len).map(|row| batch.datom(row));
            datoms.extend(rows.filter(|datom| (first..=last).contains(&datom.e.0)));
            Flow::Continue(())
        })?;
        datoms.sort_by(|x, y| (x.e, &x.v).cmp(&(y.e, &y.v)));
        let _ = datoms.chunks(self.most).try_for_each(|rows| hand_on(rows, sink));
        Ok(true)
    }

    fn count(&self, pattern: &Pattern<'_>) -> Result<u64> {
        self.facts.count(pattern)
    }

    fn attribute(&self, id: AttrId) -> Option<&Attribute> {
        self.facts.attribute(id)
    }

    fn attributes(&self) -> Vec<&Attribute> {
        self.facts.attributes()
    }

    fn entid(&self, ident: &Keyword) -> Option<EntityId> {
        self.facts.entid(ident)
    }

    fn ident(&self, e: EntityId) -> Option<Keyword> {
        self.facts.ident(e)
    }

    fn is_history(&self) -> bool {
        self.facts.is_history()
    }

    fn is_sorted(&self) -> bool {
        self.sorted
    }
}

fn hand_on(rows: &[Datom], sink: &mut dyn FnMut(&Batch<'_>) -> Flow) -> Flow {
    let mut heap = Vec::new();
    let words: Vec<i64> = rows
        .iter()
        .map(|datom| {
            code::fixed(&datom.v).unwrap_or_else(|| {
                let start = heap.len();
                code::variable(&datom.v, &mut heap);
                heap_word(start, heap.len() - start)
            })
        })
        .collect();
    let e: Vec<u64> = rows.iter().map(|datom| datom.e.0).collect();
    let a: Vec<u32> = rows.iter().map(|datom| datom.a.0).collect();
    let t: Vec<u64> = rows.iter().map(|datom| datom.tx.t().expect("added by a transaction")).collect();
    let added: Vec<bool> = rows.iter().map(|datom| datom.added).collect();
    let tags: Vec<Tag> = rows.iter().map(|datom| datom.v.tag()).collect();
    let v = ValueCol { tags: column(&tags), words: column(&words), heap: &heap };
    sink(&Batch { len: rows.len(), e: column(&e), a: column(&a), v, t: column(&t), added: column(&added) })
}

fn column<V: Copy + PartialEq>(values: &[V]) -> Col<'_, V> {
    match values {
        [first, rest @ ..] if rest.iter().all(|v| v == first) => Col::Const(*first),
        values => Col::Each(values),
    }
}
