//! The promises of values, on random ones: one total order, which equality, hashes and codes agree with; codes that
//! come back whole; and no byte string that makes the decoder panic.

use std::cmp::Ordering;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use bigdecimal::BigDecimal;
use num_bigint::BigInt;
use proptest::prelude::*;

use super::arbitrary::{storable, value};
use super::code::{self, MAX_CODE_BYTES, MAX_DIGITS};
use super::value::{Decimal, Keyword, Symbol, Tag, Value, ValueRef};
use super::{EntityId, T};
use crate::error::Error;

fn code_order(x: &Value, y: &Value) -> Ordering {
    let (mut left, mut right) = (Vec::new(), Vec::new());
    x.with_ref(&mut left, |x| y.with_ref(&mut right, |y| x.compare(y)))
}

fn round_trip(v: &Value) -> Option<Value> {
    v.with_ref(&mut Vec::new(), code::decode)
}

fn hash(v: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    v.hash(&mut hasher);
    hasher.finish()
}

fn big(text: &str) -> Value {
    Value::BigDec(Arc::new(Decimal(text.parse::<BigDecimal>().expect("a decimal"))))
}

fn scaled(digits: i64, scale: i64) -> Value {
    Value::BigDec(Arc::new(Decimal(BigDecimal::new(BigInt::from(digits), scale))))
}

fn tuple<const N: usize>(slots: [Option<Value>; N]) -> Value {
    Value::Tuple(slots.into())
}

/// Holds a strictly ascending list to every promise, pair by pair.
#[track_caller]
fn check_ascending(values: &[Value]) {
    for (i, x) in values.iter().enumerate() {
        assert_eq!(round_trip(x).as_ref(), Some(x), "round trip of {x:?}");
        for (j, y) in values.iter().enumerate() {
            assert_eq!(x.cmp(y), i.cmp(&j), "{x:?} against {y:?}");
            assert_eq!(code_order(x, y), i.cmp(&j), "codes of {x:?} and {y:?}");
            assert_eq!(x == y, i == j, "equality of {x:?} and {y:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn order_equality_hash_and_codes_agree(x in value(), y in value()) {
        prop_assert_eq!(x.cmp(&y), code_order(&x, &y));
        prop_assert_eq!(x == y, x.cmp(&y).is_eq());
        prop_assert_eq!(x.cmp(&y), y.cmp(&x).reverse());
        prop_assert!(x.cmp(&x).is_eq());
        if x == y {
            prop_assert_eq!(hash(&x), hash(&y));
        }
    }

    #[test]
    fn the_order_is_transitive(values in prop::collection::vec(value(), 3..6)) {
        let mut sorted = values;
        sorted.sort();
        for pair in sorted.windows(2) {
            prop_assert!(pair[0] <= pair[1] && pair[0] <= sorted[sorted.len() - 1]);
        }
        prop_assert!(sorted.iter().enumerate().all(|(i, x)| sorted[i..].iter().all(|y| x <= y)));
    }

    #[test]
    fn codes_come_back(v in value()) {
        let back = round_trip(&v).expect("a value's own code");
        prop_assert_eq!(&back, &v);
        prop_assert_eq!(back.tag(), v.tag());
        prop_assert_eq!(hash(&back), hash(&v));
    }

    #[test]
    fn what_can_be_stored_passes_the_check(v in storable()) {
        prop_assert!(code::check(&v).is_ok());
    }

    #[test]
    fn any_bytes_decode_to_nothing_or_to_a_value_with_that_code(
        tag in prop::sample::select(&Tag::ALL[..]),
        bytes in prop::collection::vec(prop_oneof![0u8..20, 0x7e..0x83u8, any::<u8>(), Just(0xffu8)], 0..40),
        word: i64,
    ) {
        let read = if tag.is_fixed() { ValueRef::Fixed(tag, word) } else { ValueRef::Variable(tag, &bytes) };
        if let Some(v) = code::decode(read) {
            v.with_ref(&mut Vec::new(), |again| assert_eq!(again, read, "{v:?}"));
        }
    }

    #[test]
    fn damaged_codes_decode_to_nothing_or_to_another_value(v in value(), at: prop::sample::Index, byte: u8) {
        let mut bytes = Vec::new();
        if code::fixed(&v).is_none() {
            code::variable(&v, &mut bytes);
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
                let read = ValueRef::Variable(v.tag(), &bytes);
                if let Some(v) = code::decode(read) {
                    v.with_ref(&mut Vec::new(), |again| assert_eq!(again, read, "{v:?}"));
                }
            }
        }
    }

    #[test]
    fn doubles_sort_as_numbers(x: f64, y: f64) {
        if let Some(order) = x.partial_cmp(&y) {
            prop_assert_eq!(Value::Double(x).cmp(&Value::Double(y)), order);
        }
    }

    #[test]
    fn words_sort_as_bytes(x: i64, y: i64) {
        prop_assert_eq!(x.cmp(&y), code::word_bytes(x).cmp(&code::word_bytes(y)));
        prop_assert_eq!(code::word_from_bytes(code::word_bytes(x)), x);
    }

    #[test]
    fn small_decimals_sort_as_numbers(x in -2000i64..2000, y in -2000i64..2000, p in 0i64..4, q in 0i64..4) {
        let (left, right) = (x * 10i64.pow(3 - p as u32), y * 10i64.pow(3 - q as u32));
        let expected = left.cmp(&right).then(p.cmp(&q));
        prop_assert_eq!(scaled(x, p).cmp(&scaled(y, q)), expected);
    }
}

#[test]
fn types_sort_by_their_number() {
    let uuid = uuid::Uuid::nil();
    check_ascending(&[
        Value::Boolean(true),
        Value::Long(-5),
        Value::BigInt(Arc::new(BigInt::from(-9))),
        Value::Float(-1.0),
        Value::Double(-2.0),
        scaled(-7, 0),
        Value::Instant(i64::MIN),
        Value::Uuid(uuid),
        Value::keyword("a"),
        Value::Symbol(Symbol::new("a")),
        Value::string(""),
        Value::Uri("".into()),
        Value::Bytes([].into()),
        Value::Ref(EntityId(0)),
        tuple([]),
    ]);
}

#[test]
fn doubles_have_one_zero_and_one_nan() {
    let ascending =
        [f64::NEG_INFINITY, f64::MIN, -1.0, -5e-324, 0.0, 5e-324, 1.0, f64::MAX, f64::INFINITY, f64::NAN];
    check_ascending(&ascending.map(Value::Double));
    check_ascending(
        &[f32::NEG_INFINITY, f32::MIN, -1e-45, 0.0, 1e-45, 0.1, f32::MAX, f32::NAN].map(Value::Float),
    );
    assert_eq!(Value::Double(-0.0), Value::Double(0.0));
    assert_eq!(Value::Double(-f64::NAN), Value::Double(f64::NAN));
    assert_ne!(Value::Double(1.0), Value::Float(1.0));
}

#[test]
fn decimals_sort_by_number_then_scale() {
    check_ascending(&[
        scaled(-1, -(1 << 31)),
        big("-100"),
        big("-99.5"),
        big("-1.0"),
        big("-1.00"),
        big("-0.1"),
        scaled(-1, 1 << 31),
        scaled(0, -3),
        big("0"),
        big("0.0"),
        scaled(1, 1 << 31),
        big("0.1"),
        big("0.10"),
        big("0.11"),
        scaled(1, -1),
        big("10"),
        big("10.0"),
        big("1e3"),
        scaled(1, -(1 << 31)),
    ]);
}

#[test]
fn decimals_at_the_ends_of_scale_neither_panic_nor_hang() {
    let values = [scaled(1, i64::MIN), scaled(25, i64::MAX), scaled(-25, i64::MIN), scaled(0, i64::MIN)];
    for x in &values {
        assert!(matches!(code::check(x), Err(Error::Unstorable { .. })), "{x:?}");
        values.iter().for_each(|y| assert_eq!(x.cmp(y), y.cmp(x).reverse()));
    }
}

#[test]
fn big_integers_sort_by_size() {
    let power = |n: u32| BigInt::from(2).pow(n);
    let ascending = [-power(4000), -power(64), BigInt::from(-256), BigInt::from(-255), BigInt::from(-1)];
    let mirrored = ascending.iter().rev().map(|n| -n.clone()).collect::<Vec<_>>();
    let all = ascending.into_iter().chain([BigInt::from(0)]).chain(mirrored);
    check_ascending(&all.map(|n| Value::BigInt(Arc::new(n))).collect::<Vec<_>>());
}

#[test]
fn names_sort_by_namespace_then_name() {
    let texts = [
        "", "/", "/a", "a", "a/", "b", "a/b", "a/c", "a\0/b", "a\0b/c", "a\u{1}/b", "a b/c", "ab/a", "b/a/c",
    ];
    check_ascending(&texts.map(|text| Value::Keyword(Keyword::new(text))));
    check_ascending(&texts.map(|text| Value::Symbol(Symbol::new(text))));
}

#[test]
fn text_sorts_by_bytes_and_prefixes_come_first() {
    let texts = ["", "\0", "\0\0", "\0a", "a", "a\0", "ab", "b", "\u{ffff}", "\u{10000}"];
    check_ascending(&texts.map(Value::string));
    check_ascending(&texts.map(|text| tuple([Some(Value::string(text)), Some(Value::Long(1))])));
}

#[test]
fn tuples_sort_slot_by_slot_and_nil_lowest() {
    let text = |text: &str| Some(Value::string(text));
    let bytes = |bytes: &[u8]| Some(Value::Bytes(bytes.into()));
    check_ascending(&[
        tuple([]),
        tuple([None]),
        tuple([None, None]),
        tuple([None, Some(Value::Boolean(false))]),
        tuple([Some(Value::Boolean(false))]),
        tuple([Some(Value::Long(i64::MIN)), None]),
        tuple([Some(Value::Long(-1)), None]),
        tuple([Some(Value::Long(0)), None]),
        tuple([Some(Value::Long(0)), text("")]),
        tuple([Some(Value::Double(f64::NAN))]),
        tuple([text(""), text("b")]),
        tuple([text("a"), None]),
        tuple([text("a"), text("a")]),
        tuple([text("a\0"), None]),
        tuple([text("ab"), None]),
        tuple([bytes(&[])]),
        tuple([bytes(&[0]), None]),
        tuple([bytes(&[0, 0]), None]),
        tuple([bytes(&[0, 0xff]), None]),
        tuple([bytes(&[0xff])]),
        tuple([Some(tuple([bytes(&[0])]))]),
        tuple([Some(tuple([bytes(&[0, 0])])), None]),
    ]);
}

#[test]
fn what_no_code_stands_for_is_refused() {
    let refused = |v: Value| code::check(&v).expect_err("must be refused").to_string();
    let digits = Arc::new(BigInt::from(10).pow(MAX_DIGITS as u32 + 10));
    assert!(refused(Value::BigInt(digits)).contains("65536 digits"));
    assert!(refused(scaled(1, 1 << 40)).contains("scale"));
    assert!(refused(Value::Ref(EntityId(T::MAX))).contains("2^63"));
    assert!(refused(tuple([Some(tuple([]))])).contains("tuples"));
    assert!(refused(tuple([Some(Value::Ref(EntityId(T::MAX)))])).contains("2^63"));
    let long = Value::string("x".repeat(MAX_CODE_BYTES + 1));
    assert!(refused(long).contains("a string has 1048577 bytes, at most 1048576 are stored"));
}

#[test]
fn deep_tuples_and_huge_exponents_in_damaged_bytes_are_refused() {
    let mut nested = tuple([]);
    for _ in 0..300 {
        nested = tuple([Some(nested)]);
    }
    assert_eq!(round_trip(&nested), None);
    let mut bomb = Vec::new();
    code::variable(&scaled(1, 0), &mut bomb);
    bomb[1..9].copy_from_slice(&code::word_bytes(1 << 40));
    assert_eq!(code::decode(ValueRef::Variable(Tag::BigDec, &bomb)), None);
}
