//! Leaves come back as they were; what is damaged is refused or still a sorted run of values.

use std::ops::Range;

use proptest::prelude::*;

use super::*;
use crate::datom::T;
use crate::datom::{Value, ValueRef};
use crate::run::Run;
use crate::tree::arbitrary::{Fact, facts, run_of};
use crate::tree::pack;
use crate::wire::put_unsigned;

const SHAPES: [Shape; 2] = [Shape::Open, Shape::Closed];

fn encoded(run: &Run, rows: Range<usize>, shape: Shape) -> Vec<u8> {
    let mut out = Vec::new();
    encode(run, rows, shape, &mut out);
    out
}

/// Everything about a row.
fn row(run: &Run, row: usize) -> (u64, u32, ValueRef<'_>, T, Option<T>) {
    let columns = &run.rows;
    (columns.e[row], columns.a[row], run.value(row), columns.from[row], columns.to.get(row).copied())
}

fn check_same(decoded: &Run, run: &Run, rows: Range<usize>) {
    assert_eq!((decoded.order, decoded.len()), (run.order, rows.len()));
    for (at, original) in rows.enumerate() {
        assert_eq!(row(decoded, at), row(run, original));
    }
}

fn check_round_trip(facts: &[Fact]) {
    for order in Order::ALL {
        for shape in SHAPES {
            let run = run_of(facts, order, shape);
            if run.len() > 0 {
                let middle = run.len() / 3..run.len() - run.len() / 4;
                for rows in [0..run.len(), 0..1, middle.start..middle.end.max(middle.start + 1)] {
                    let payload = encoded(&run, rows.clone(), shape);
                    let decoded = decode(&payload, order, shape).expect("what was just encoded");
                    check_same(&decoded, &run, rows);
                }
            }
        }
    }
}

/// Whatever a damaged payload gives can be read like any run.
fn check_damaged(payload: &[u8], order: Order, shape: Shape) {
    if let Ok(run) = decode(payload, order, shape) {
        assert!((1..run.len()).all(|row| run.compare(row - 1, &run, row).is_lt()));
        (0..run.len()).for_each(|row| drop(run.value(row).to_value()));
    }
}

proptest! {
    #[test]
    fn leaves_come_back(facts in facts(1..120)) {
        check_round_trip(&facts);
    }

    #[test]
    fn cut_leaves_are_refused(facts in facts(1..20), cut: prop::sample::Index) {
        for order in Order::ALL {
            let run = run_of(&facts, order, Shape::Closed);
            if run.len() > 0 {
                let payload = encoded(&run, 0..run.len(), Shape::Closed);
                prop_assert!(decode(&payload[..cut.index(payload.len())], order, Shape::Closed).is_err());
            }
        }
    }

    #[test]
    fn damaged_leaves_give_sorted_rows_or_an_error(
        facts in facts(1..40),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        for order in Order::ALL {
            for shape in SHAPES {
                let run = run_of(&facts, order, shape);
                if run.len() > 0 {
                    let mut payload = encoded(&run, 0..run.len(), shape);
                    for (at, byte) in &damage {
                        let at = at.index(payload.len());
                        payload[at] = *byte;
                    }
                    check_damaged(&payload, order, shape);
                }
            }
        }
    }

    #[test]
    fn any_bytes_give_sorted_rows_or_an_error(
        rows in 1u8..60, bytes in prop::collection::vec(prop_oneof![0u8..20, any::<u8>()], 0..200)
    ) {
        for order in Order::ALL {
            for shape in SHAPES {
                check_damaged(&[&[rows, shape_byte(order, shape)], &bytes[..]].concat(), order, shape);
            }
        }
    }
}

fn fact(e: u64, a: u32, v: Value) -> Fact {
    Fact { e, a, v, from: e, to: e + 1 }
}

#[test]
fn large_leaves_come_back() {
    let person = |n: u64| {
        [
            fact(n, 1, Value::string(format!("person{n}@example.org"))),
            fact(n, 2, Value::string(format!("Name {}", n % 7))),
            fact(n, 3, Value::Long(n as i64 * 7919 % 1000 - 500)),
            fact(n, 4, Value::Double(n as f64 / 4.0)),
            fact(n, 5, if n.is_multiple_of(5) { Value::Boolean(true) } else { Value::string("é\0") }),
            fact(n, 6, Value::keyword("colour/green")),
        ]
    };
    check_round_trip(&(0..700).flat_map(person).collect::<Vec<_>>());
}

#[test]
fn extremes_come_back() {
    let top = |v| Fact { e: u64::MAX, a: u32::MAX, v, from: T::MAX, to: T::MAX };
    check_round_trip(&[
        fact(0, 0, Value::string("")),
        top(Value::Long(i64::MIN)),
        top(Value::Long(i64::MAX)),
    ]);
    let long = Value::Bytes(vec![0xff; 1 << 20].into());
    check_round_trip(&[fact(1, 1, long), fact(2, 1, Value::Bytes([].as_slice().into()))]);
}

#[test]
fn values_of_many_rows_stand_in_the_heap_once() {
    let facts: Vec<Fact> =
        (0..1000).map(|n| fact(n, 1, Value::string(format!("value {}", n % 10)))).collect();
    for order in Order::ALL {
        let run = run_of(&facts, order, Shape::Open);
        let decoded = decode(&encoded(&run, 0..1000, Shape::Open), order, Shape::Open).expect("a leaf");
        assert_eq!(decoded.heap.len(), 10 * "value 0".len());
    }
}

#[test]
fn values_that_begin_alike_are_abridged() {
    let prefix = "x".repeat(200);
    let facts: Vec<Fact> = (0..1000).map(|n| fact(n, 1, Value::string(format!("{prefix}{n:04}")))).collect();
    for order in Order::ALL {
        let run = run_of(&facts, order, Shape::Open);
        let payload = encoded(&run, 0..1000, Shape::Open);
        assert!(payload.len() < 1000 * 204 / 8, "{} bytes", payload.len());
        check_same(&decode(&payload, order, Shape::Open).expect("a leaf"), &run, 0..1000);
    }
}

#[test]
fn rows_of_another_order_or_shape_are_refused() {
    let run = run_of(&[fact(1, 1, Value::Long(1))], Order::Eavt, Shape::Open);
    let payload = encoded(&run, 0..1, Shape::Open);
    assert!(decode(&payload, Order::Aevt, Shape::Open).is_err());
    assert!(decode(&payload, Order::Eavt, Shape::Closed).is_err());
}

#[test]
fn rows_out_of_order_are_refused() {
    let facts = [fact(1, 1, Value::Long(1)), fact(1, 1, Value::Long(2)), fact(1, 1, Value::Long(3))];
    let run = run_of(&facts, Order::Eavt, Shape::Open);
    let (sorted, mut words) = (encoded(&run, 0..3, Shape::Open), Vec::new());
    pack::put(&run.rows.word, &mut words);
    let before = sorted.strip_suffix(&words[..]).expect("the words stand last");
    for (rows, good) in [([0, 1, 2], true), ([0, 0, 1], false), ([1, 0, 2], false)] {
        let columns = run.rows.gather(&rows);
        let mut payload = before.to_vec();
        pack::put(&columns.word, &mut payload);
        assert_eq!(decode(&payload, Order::Eavt, Shape::Open).is_ok(), good, "{rows:?}");
    }
}

#[test]
fn few_bytes_that_claim_many_rows_cost_little() {
    let mut payload = Vec::new();
    put_unsigned(&mut payload, MAX_ROWS as u64 + 1);
    assert!(decode(&payload, Order::Eavt, Shape::Open).is_err());
}
