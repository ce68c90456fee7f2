//! Random sorted rows for property tests: few entities and attributes, so that neighbours share parts, and every value.

use std::ops::Range;
use std::sync::Arc;

use proptest::prelude::*;

use super::Shape;
use crate::datom::arbitrary::{attribute, entity, storable};
use crate::datom::columns::heap_word;
use crate::datom::{Order, T, Value, ValueRef};
use crate::run::{Columns, Run, sort};

/// A fact with both ends of its time.
#[derive(Clone, Debug)]
pub(crate) struct Fact {
    pub(crate) e: u64,
    pub(crate) a: u32,
    pub(crate) v: Value,
    pub(crate) from: T,
    pub(crate) to: T,
}

fn fact() -> impl Strategy<Value = Fact> {
    let e = prop_oneof![3 => 0u64..4, 1 => entity().prop_map(|e| e.0)];
    let a = prop_oneof![3 => 0u32..4, 1 => attribute().prop_map(|a| a.0)];
    let t = || prop_oneof![4 => 0u64..6, 1 => 0u64..1 << 42, 1 => Just(T::MAX - 1)];
    (e, a, storable(), t(), t()).prop_map(|(e, a, v, x, y)| Fact {
        e,
        a,
        v,
        from: x.min(y),
        to: x.max(y) + 1,
    })
}

/// Some facts, of which some share their values.
pub(crate) fn facts(count: Range<usize>) -> impl Strategy<Value = Vec<Fact>> {
    prop::collection::vec((fact(), any::<prop::sample::Index>(), prop::bool::weighted(0.3)), count).prop_map(
        |drawn| {
            let mut facts: Vec<Fact> = drawn.iter().map(|(fact, ..)| fact.clone()).collect();
            for (at, (_, other, shares)) in drawn.iter().enumerate() {
                if *shares {
                    facts[at].v = facts[other.index(at + 1)].v.clone();
                }
            }
            facts
        },
    )
}

/// The facts as a run, each once; values too long for AVET are not in it.
pub(crate) fn run_of(facts: &[Fact], order: Order, shape: Shape) -> Run {
    let mut rows = Columns::with_capacity(facts.len(), shape == Shape::Closed);
    let (mut heap, mut scratch) = (Vec::new(), Vec::new());
    for fact in facts {
        rows.e.push(fact.e);
        rows.a.push(fact.a);
        rows.tag.push(fact.v.tag());
        rows.word.push(fact.v.with_ref(&mut scratch, |v| match v {
            ValueRef::Fixed(_, word) => word,
            ValueRef::Variable(_, code) => {
                heap.extend_from_slice(code);
                heap_word(heap.len() - code.len(), code.len())
            }
        }));
        rows.from.push(fact.from);
        if shape == Shape::Closed {
            rows.to.push(fact.to);
        }
    }
    let orders = match shape {
        Shape::Open => sort::open_orders(&rows, &heap),
        Shape::Closed => sort::closed_orders(&rows, &heap),
    };
    unique(order, rows.gather(&orders[order as usize]), Arc::new(heap))
}

/// A run of sorted rows, each once.
fn unique(order: Order, sorted: Columns, heap: Arc<Vec<u8>>) -> Run {
    let one_row = |row: usize| Run::new(order, sorted.gather(&[row as u32]), Arc::clone(&heap));
    let is_new = |row: usize| row == 0 || one_row(row - 1).compare(0, &one_row(row), 0).is_lt();
    let kept: Vec<u32> = (0..sorted.len()).filter(|row| is_new(*row)).map(|row| row as u32).collect();
    Run::new(order, sorted.gather(&kept), heap)
}
