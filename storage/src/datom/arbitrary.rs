//! Random values of every type for property tests, rich in the ones that go wrong: extremes, empty and prefix
//! strings, zero bytes, minus zero, NaN, decimals equal but for their scale.

use std::sync::Arc;

use bigdecimal::BigDecimal;
use num_bigint::BigInt;
use proptest::prelude::*;
use uuid::Uuid;

use super::value::{Decimal, Keyword, Symbol, Value};
use super::{AttrId, EntityId};

fn long() -> BoxedStrategy<i64> {
    let edges = prop::sample::select(vec![i64::MIN, i64::MIN + 1, -256, -1, 0, 1, 255, i64::MAX]);
    prop_oneof![edges, any::<i64>(), -100i64..100].boxed()
}

fn double() -> BoxedStrategy<f64> {
    let edges = vec![
        0.0,
        -0.0,
        f64::NAN,
        -f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::MIN,
        f64::MAX,
        f64::MIN_POSITIVE,
        -f64::MIN_POSITIVE,
        5e-324,
        -5e-324,
    ];
    prop_oneof![prop::sample::select(edges), any::<u64>().prop_map(f64::from_bits), -2.0..2.0].boxed()
}

/// Text over few characters, so that prefixes, equal texts, zeros and slashes are common.
fn text() -> BoxedStrategy<String> {
    let char =
        prop::sample::select(vec!['\0', '\u{1}', '\u{2}', '/', 'a', 'b', 'é', '\u{ffff}', '\u{10000}']);
    prop_oneof![prop::collection::vec(char, 0..6).prop_map(String::from_iter), ".{0,20}"].boxed()
}

fn bytes() -> BoxedStrategy<Vec<u8>> {
    prop::collection::vec(prop_oneof![Just(0u8), Just(1), Just(0xff), any::<u8>()], 0..12).boxed()
}

fn integer() -> BoxedStrategy<BigInt> {
    let wide = (any::<bool>(), prop::collection::vec(any::<u8>(), 0..40)).prop_map(|(negative, bytes)| {
        let n = BigInt::from_bytes_be(num_bigint::Sign::Plus, &bytes);
        if negative { -n } else { n }
    });
    let round = (-9i64..10, 0u32..40).prop_map(|(n, zeros)| BigInt::from(n) * BigInt::from(10).pow(zeros));
    prop_oneof![long().prop_map(BigInt::from), wide, round].boxed()
}

fn decimal() -> BoxedStrategy<Decimal> {
    let scale = prop_oneof![-3i64..4, -100i64..100, Just(i64::from(i32::MAX)), Just(-i64::from(i32::MAX))];
    (integer(), scale).prop_map(|(digits, scale)| Decimal(BigDecimal::new(digits, scale))).boxed()
}

fn scalar() -> BoxedStrategy<Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::Boolean),
        long().prop_map(Value::Long),
        integer().prop_map(|n| Value::BigInt(Arc::new(n))),
        double().prop_map(|x| Value::Float(x as f32)),
        double().prop_map(Value::Double),
        decimal().prop_map(|d| Value::BigDec(Arc::new(d))),
        long().prop_map(Value::Instant),
        any::<u128>().prop_map(|n| Value::Uuid(Uuid::from_u128(n))),
        text().prop_map(|s| Value::Keyword(Keyword::new(&s))),
        text().prop_map(|s| Value::Symbol(Symbol::new(&s))),
        text().prop_map(Value::string),
        text().prop_map(|s| Value::Uri(s.into())),
        bytes().prop_map(|b| Value::Bytes(b.into())),
        entity().prop_map(Value::Ref),
    ]
    .boxed()
}

/// Any value that can be stored.
pub(crate) fn storable() -> BoxedStrategy<Value> {
    prop_oneof![14 => scalar(), 3 => tuple(scalar())].boxed()
}

/// Any value, also those that are not stored: tuples in tuples, ids beyond 2^63.
pub(crate) fn value() -> BoxedStrategy<Value> {
    let no_entity = any::<u64>().prop_map(|n| Value::Ref(EntityId(n)));
    prop_oneof![14 => scalar(), 3 => tuple(scalar()), 1 => tuple(tuple(tuple(scalar()))), 1 => no_entity]
        .boxed()
}

fn tuple(slot: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    let slots = prop::collection::vec(prop::option::weighted(0.8, slot), 0..4);
    slots.prop_map(|slots| Value::Tuple(slots.into())).boxed()
}

/// Any entity id.
pub(crate) fn entity() -> BoxedStrategy<EntityId> {
    prop_oneof![any::<u64>().prop_map(|n| EntityId(n >> 1)), (0u64..50).prop_map(EntityId)].boxed()
}

/// Any attribute.
pub(crate) fn attribute() -> BoxedStrategy<AttrId> {
    prop_oneof![(0u32..100).prop_map(AttrId), any::<u32>().prop_map(AttrId)].boxed()
}
