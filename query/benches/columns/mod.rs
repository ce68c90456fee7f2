//! A source for benches: sorted columns in memory, that do nothing but binary search and slices.

use std::collections::BTreeMap;

use annals_query::error::Result;
use annals_query::source::{Attribute, Flow, Source};
use annals_storage::datom::columns::{heap_word, value_at};
use annals_storage::datom::{
    AttrId, Batch, Col, EntityId, Keyword, Partition, Pattern, Tag, Value, ValueBound, ValueCol, ValueRef,
    code,
};

/// One order of one attribute.
#[derive(Default)]
struct Order {
    e: Vec<u64>,
    words: Vec<i64>,
}

/// The facts of one attribute.
pub(crate) struct Column {
    attribute: Attribute,
    heap: Vec<u8>,
    by_entity: Order,
    by_value: Order,
}

impl Column {
    /// An attribute of cardinality one, and its facts.
    pub(crate) fn new(id: u32, name: &str, value_type: Tag, facts: &[(u64, Value)]) -> Column {
        let attribute = Attribute {
            id: AttrId(id),
            ident: Keyword::new(name),
            value_type,
            many: false,
            unique: None,
            component: false,
            indexed: true,
        };
        let mut heap = Vec::new();
        let mut rows: Vec<(u64, i64, Value)> = Vec::new();
        for (e, v) in facts {
            let word = code::fixed(v).unwrap_or_else(|| {
                let start = heap.len();
                code::variable(v, &mut heap);
                heap_word(start, heap.len() - start)
            });
            rows.push((*e, word, v.clone()));
        }
        let order = |rows: &[(u64, i64, Value)]| Order {
            e: rows.iter().map(|row| row.0).collect(),
            words: rows.iter().map(|row| row.1).collect(),
        };
        rows.sort_by(|x, y| x.0.cmp(&y.0).then_with(|| x.2.cmp(&y.2)));
        let by_entity = order(&rows);
        rows.sort_by(|x, y| x.2.cmp(&y.2).then_with(|| x.0.cmp(&y.0)));
        let by_value = order(&rows);
        Column { attribute, heap, by_entity, by_value }
    }

    /// The order to read, from where to where.
    fn range(&self, pattern: &Pattern<'_>) -> (&Order, usize, usize) {
        if let Some(e) = pattern.e {
            let (start, end) = (
                self.by_entity.e.partition_point(|other| *other < e.0),
                self.by_entity.e.partition_point(|other| *other <= e.0),
            );
            return (&self.by_entity, start, end);
        }
        let value = |word: &i64| value_at(self.attribute.value_type, *word, &self.heap);
        let words = &self.by_value.words;
        let before = |v: ValueRef<'_>| words.partition_point(|word| value(word).compare(v).is_lt());
        let through = |v: ValueRef<'_>| words.partition_point(|word| value(word).compare(v).is_le());
        match pattern.v {
            ValueBound::Any => (&self.by_entity, 0, words.len()),
            ValueBound::Is(v) => (&self.by_value, before(v), through(v)),
            ValueBound::Range(_, low, high) => {
                let start = low.map_or(0, |(v, included)| if included { before(v) } else { through(v) });
                let end =
                    high.map_or(words.len(), |(v, included)| if included { through(v) } else { before(v) });
                (&self.by_value, start, end.max(start))
            }
        }
    }

    fn scan(&self, pattern: &Pattern<'_>, sink: &mut dyn FnMut(&Batch<'_>) -> Flow) -> Flow {
        let (order, mut start, end) = self.range(pattern);
        while start < end {
            let stop = end.min(start + Batch::MAX_ROWS);
            let tags = Col::Const(self.attribute.value_type);
            let batch = Batch {
                len: stop - start,
                e: Col::Each(&order.e[start..stop]),
                a: Col::Const(self.attribute.id.0),
                v: ValueCol { tags, words: Col::Each(&order.words[start..stop]), heap: &self.heap },
                t: Col::Const(1),
                added: Col::Const(true),
            };
            let both = pattern.e.is_some() && pattern.v != ValueBound::Any;
            if (!both || pattern.v.admits(batch.v.get(0))) && sink(&batch).is_break() {
                return Flow::Break(());
            }
            start = stop;
        }
        Flow::Continue(())
    }
}

/// Attributes and their facts.
pub(crate) struct Columns(BTreeMap<AttrId, Column>);

impl Columns {
    /// These attributes.
    pub(crate) fn new(columns: impl IntoIterator<Item = Column>) -> Columns {
        Columns(columns.into_iter().map(|column| (column.attribute.id, column)).collect())
    }
}

impl Source for Columns {
    fn scan(&self, pattern: &Pattern<'_>, sink: &mut dyn FnMut(&Batch<'_>) -> Flow) -> Result<()> {
        match pattern.a {
            Some(a) => {
                let _ = self.0.get(&a).map(|column| column.scan(pattern, sink));
            }
            None => {
                let _ = self.0.values().try_for_each(|column| column.scan(pattern, sink));
            }
        }
        Ok(())
    }

    fn count(&self, pattern: &Pattern<'_>) -> Result<u64> {
        let length = |column: &Column| {
            let (_, start, end) = column.range(pattern);
            (end - start) as u64
        };
        Ok(match pattern.a {
            Some(a) => self.0.get(&a).map_or(0, length),
            None => self.0.values().map(length).sum(),
        })
    }

    fn attribute(&self, id: AttrId) -> Option<&Attribute> {
        self.0.get(&id).map(|column| &column.attribute)
    }

    fn attributes(&self) -> Vec<&Attribute> {
        self.0.values().map(|column| &column.attribute).collect()
    }

    fn entid(&self, ident: &Keyword) -> Option<EntityId> {
        let column = self.0.values().find(|column| column.attribute.ident == *ident)?;
        Some(column.attribute.id.entity())
    }

    fn ident(&self, e: EntityId) -> Option<Keyword> {
        Some(self.0.get(&AttrId::of_entity(e)?)?.attribute.ident.clone())
    }

    fn is_sorted(&self) -> bool {
        true
    }
}

/// The n-th entity.
pub(crate) fn user(n: u64) -> u64 {
    EntityId::new(Partition::USER, n).0
}
