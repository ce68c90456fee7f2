//! Values as words and bytes that sort as the values do.
//!
//! A fixed type is one signed word: integers as they are, floats by the sign-folding transform of IEEE 754's total
//! order. A variable type is a byte string compared by `memcmp`:
//!
//! ```text
//!   string, uri, bytes, uuid   the bytes themselves
//!   keyword, symbol            namespace 00 name            (no namespace: 00 name; in a namespace 00 and 01 are
//!                              written as 01 01 and 01 02)
//!   bigint                     sign  length:4  magnitude    (negative: all but the sign complemented)
//!   bigdec                     sign  exponent:8  digits 00  (negative: complemented)  scale:8
//!   tuple                      per slot: 00 for nil, else type number + 1, then 8 bytes for a fixed type
//!                              or the code with 00 written as 00 FF, closed by 00 00
//! ```
//!
//! Every code of a value that [`check`] passes is read back by [`decode`], which refuses bytes that no value has: a
//! value has one code, and a code one value.

use std::sync::Arc;

use bigdecimal::BigDecimal;
use num_bigint::{BigInt, Sign};
use uuid::Uuid;

use crate::error::{Error, Result};

use super::id::EntityId;
use super::value::{Decimal, Keyword, Symbol, Tag, Value, ValueRef};

/// The longest code that is stored.
pub const MAX_CODE_BYTES: usize = 1 << 20;
/// The most digits a stored big integer or decimal has, before trailing zeros are left out.
pub const MAX_DIGITS: usize = 1 << 16;
/// The largest scale of a stored decimal, above and below zero.
pub const MAX_SCALE: i64 = i32::MAX as i64;
/// How deep tuples in tuples are read.
pub(super) const MAX_TUPLE_DEPTH: usize = 256;

pub(super) const NEGATIVE: u8 = 0x7f;
pub(super) const ZERO: u8 = 0x80;
pub(super) const POSITIVE: u8 = 0x81;

/// A double as a word whose signed order is numeric order; minus zero becomes zero, every NaN the same one.
pub fn sortable(x: f64) -> i64 {
    let x = if x == 0.0 { 0.0 } else { x };
    let bits = if x.is_nan() { f64::NAN.to_bits() & (u64::MAX >> 1) } else { x.to_bits() } as i64;
    bits ^ (((bits >> 63) as u64) >> 1) as i64
}

/// The double of a [`sortable`] word.
pub fn unsortable(word: i64) -> f64 {
    f64::from_bits((word ^ (((word >> 63) as u64) >> 1) as i64) as u64)
}

/// The word of a value of a fixed type; `None` for the other types.
pub fn fixed(value: &Value) -> Option<i64> {
    Some(match value {
        Value::Boolean(b) => i64::from(*b),
        Value::Long(n) | Value::Instant(n) => *n,
        Value::Float(x) => sortable(f64::from(*x)),
        Value::Double(x) => sortable(*x),
        Value::Ref(e) => e.0 as i64,
        _ => return None,
    })
}

/// Appends the code of a value of a variable type.
///
/// # Panics
/// If the type is fixed.
pub fn variable(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::String(s) | Value::Uri(s) => out.extend_from_slice(s.as_bytes()),
        Value::Bytes(b) => out.extend_from_slice(b),
        Value::Uuid(u) => out.extend_from_slice(u.as_bytes()),
        Value::Keyword(k) => named(k.parts(), out),
        Value::Symbol(s) => named(s.parts(), out),
        Value::BigInt(n) => bigint(n, out),
        Value::BigDec(d) => decimal(d, out),
        Value::Tuple(slots) => slots.iter().for_each(|slot| tuple_slot(slot.as_ref(), out)),
        _ => unreachable!("{:?} is one word", value.tag()),
    }
}

/// Refuses a value that is too large to store, or that no code stands for.
///
/// What is held only in memory (a value computed by a query) need not pass.
pub fn check(value: &Value) -> Result<()> {
    let refuse = |why| Err(Error::Unstorable { what: format!("a {}", value.tag().name()), why });
    match value {
        Value::Ref(e) if e.0 > i64::MAX as u64 => return refuse("an entity id is below 2^63"),
        Value::BigInt(n) if digits_at_least(n) > MAX_DIGITS => {
            return refuse("it has more than 65536 digits");
        }
        Value::BigDec(d) => {
            let (digits, scale) = d.digits_and_scale();
            if digits_at_least(&digits) > MAX_DIGITS {
                return refuse("it has more than 65536 digits");
            }
            if scale.unsigned_abs() > MAX_SCALE as u64 {
                return refuse("its scale is beyond 2^31");
            }
        }
        Value::Tuple(slots) => {
            if slots.iter().flatten().any(|slot| slot.tag() == Tag::Tuple) {
                return refuse("a tuple does not hold tuples");
            }
            slots.iter().flatten().try_for_each(check)?;
        }
        _ => {}
    }
    let size = rough_size(value);
    if size > MAX_CODE_BYTES {
        let what = format!("a {}", value.tag().name());
        return Err(Error::TooLarge { what, size, limit: MAX_CODE_BYTES });
    }
    Ok(())
}

/// The decimal digits a number surely has: a bit is a little more than 0.30102 digits.
fn digits_at_least(n: &BigInt) -> usize {
    (n.bits().saturating_sub(1) as usize).saturating_mul(30_102) / 100_000 + 1
}

/// About the size of a code, without making the code: exact to a few bytes where it is long.
fn rough_size(value: &Value) -> usize {
    match value {
        Value::String(s) | Value::Uri(s) => s.len(),
        Value::Bytes(b) => b.len(),
        Value::Keyword(k) => k.as_str().len(),
        Value::Symbol(s) => s.as_str().len(),
        Value::Tuple(slots) => slots.iter().flatten().map(|slot| rough_size(slot) + 3).sum(),
        _ => 8,
    }
}

fn named((namespace, name): (Option<&str>, &str), out: &mut Vec<u8>) {
    for byte in namespace.unwrap_or_default().bytes() {
        match byte {
            0 | 1 => out.extend_from_slice(&[1, byte + 1]),
            _ => out.push(byte),
        }
    }
    out.push(0);
    out.extend_from_slice(name.as_bytes());
}

fn bigint(n: &BigInt, out: &mut Vec<u8>) {
    let (sign, magnitude) = n.to_bytes_be();
    let mut body = Vec::with_capacity(magnitude.len() + 4);
    body.extend_from_slice(&(magnitude.len() as u32).to_be_bytes());
    body.extend_from_slice(&magnitude);
    signed(sign, &body, out);
}

fn decimal(d: &Decimal, out: &mut Vec<u8>) {
    let (digits, scale) = d.digits_and_scale();
    let (exponent, text) = d.exponent_and_digits();
    let exponent = exponent.clamp(i64::MIN.into(), i64::MAX.into()) as i64;
    let mut body = Vec::with_capacity(text.len() + 9);
    body.extend_from_slice(&word_bytes(exponent));
    body.extend_from_slice(text.as_bytes());
    body.push(0);
    signed(digits.sign(), &body, out);
    out.extend_from_slice(&word_bytes(scale));
}

fn signed(sign: Sign, body: &[u8], out: &mut Vec<u8>) {
    match sign {
        Sign::NoSign => out.push(ZERO),
        Sign::Plus => {
            out.push(POSITIVE);
            out.extend_from_slice(body);
        }
        Sign::Minus => {
            out.push(NEGATIVE);
            out.extend(body.iter().map(|b| !b));
        }
    }
}

fn tuple_slot(slot: Option<&Value>, out: &mut Vec<u8>) {
    let Some(value) = slot else { return out.push(0) };
    out.push(value.tag() as u8 + 1);
    if let Some(word) = fixed(value) {
        return out.extend_from_slice(&word_bytes(word));
    }
    let mut body = Vec::new();
    variable(value, &mut body);
    for byte in body {
        out.push(byte);
        if byte == 0 {
            out.push(0xff);
        }
    }
    out.extend_from_slice(&[0, 0]);
}

/// A signed word as eight bytes that sort as it does.
pub fn word_bytes(word: i64) -> [u8; 8] {
    ((word as u64) ^ (1 << 63)).to_be_bytes()
}

/// The word of [`word_bytes`].
pub fn word_from_bytes(bytes: [u8; 8]) -> i64 {
    (u64::from_be_bytes(bytes) ^ (1 << 63)) as i64
}

/// The value of a word or code; `None` if no value has it.
pub fn decode(v: ValueRef<'_>) -> Option<Value> {
    match v {
        ValueRef::Fixed(tag, word) => decode_fixed(tag, word),
        ValueRef::Variable(tag, bytes) => decode_variable(tag, bytes, MAX_TUPLE_DEPTH),
    }
}

fn decode_fixed(tag: Tag, word: i64) -> Option<Value> {
    Some(match tag {
        Tag::Boolean => Value::Boolean(match word {
            0 => false,
            1 => true,
            _ => return None,
        }),
        Tag::Long => Value::Long(word),
        Tag::Instant => Value::Instant(word),
        Tag::Float => {
            let x = unsortable(word) as f32;
            (sortable(f64::from(x)) == word).then_some(Value::Float(x))?
        }
        Tag::Double => {
            let x = unsortable(word);
            (sortable(x) == word).then_some(Value::Double(x))?
        }
        Tag::Ref => Value::Ref(EntityId(word as u64)),
        _ => return None,
    })
}

fn decode_variable(tag: Tag, bytes: &[u8], depth: usize) -> Option<Value> {
    let text = |bytes| std::str::from_utf8(bytes).ok();
    Some(match tag {
        Tag::String => Value::String(text(bytes)?.into()),
        Tag::Uri => Value::Uri(text(bytes)?.into()),
        Tag::Bytes => Value::Bytes(bytes.into()),
        Tag::Uuid => Value::Uuid(Uuid::from_slice(bytes).ok()?),
        Tag::Keyword => {
            let (text, namespaced) = unnamed(bytes)?;
            let keyword = Keyword::new(&text);
            (keyword.namespace().is_some() == namespaced).then_some(Value::Keyword(keyword))?
        }
        Tag::Symbol => {
            let (text, namespaced) = unnamed(bytes)?;
            let symbol = Symbol::new(&text);
            (symbol.namespace().is_some() == namespaced).then_some(Value::Symbol(symbol))?
        }
        Tag::BigInt => Value::BigInt(Arc::new(decode_bigint(bytes)?)),
        Tag::BigDec => Value::BigDec(Arc::new(decode_decimal(bytes)?)),
        Tag::Tuple => Value::Tuple(decode_tuple(bytes, depth.checked_sub(1)?)?.into()),
        _ => return None,
    })
}

/// The text of a keyword or symbol, and whether the code gives it a namespace.
fn unnamed(bytes: &[u8]) -> Option<(String, bool)> {
    let end = bytes.iter().position(|b| *b == 0)?;
    let (namespace, name) = (&bytes[..end], std::str::from_utf8(&bytes[end + 1..]).ok()?);
    if namespace.is_empty() {
        return Some((name.to_owned(), false));
    }
    let mut text = Vec::with_capacity(bytes.len());
    let mut rest = namespace.iter();
    while let Some(byte) = rest.next() {
        match (byte, (*byte == 1).then(|| rest.next())) {
            (1, Some(Some(escaped @ (1 | 2)))) => text.push(escaped - 1),
            (1 | b'/', _) => return None,
            _ => text.push(*byte),
        }
    }
    text.push(b'/');
    text.extend_from_slice(name.as_bytes());
    Some((String::from_utf8(text).ok()?, true))
}

/// Sign and body of a [`signed`] number, the body as it was before complementing.
fn unsigned(bytes: &[u8]) -> Option<(Sign, Vec<u8>)> {
    let (first, body) = bytes.split_first()?;
    Some(match *first {
        ZERO => (Sign::NoSign, body.to_vec()),
        POSITIVE => (Sign::Plus, body.to_vec()),
        NEGATIVE => (Sign::Minus, body.iter().map(|b| !b).collect()),
        _ => return None,
    })
}

fn decode_bigint(bytes: &[u8]) -> Option<BigInt> {
    let (sign, body) = unsigned(bytes)?;
    if sign == Sign::NoSign {
        return body.is_empty().then(BigInt::default);
    }
    let (length, magnitude) = body.split_first_chunk::<4>()?;
    (magnitude.len() == u32::from_be_bytes(*length) as usize && magnitude.first().is_some_and(|b| *b != 0))
        .then(|| BigInt::from_bytes_be(sign, magnitude))
}

fn decode_decimal(bytes: &[u8]) -> Option<Decimal> {
    let (front, scale) = bytes.split_last_chunk::<8>()?;
    let scale = word_from_bytes(*scale);
    let (sign, body) = unsigned(front)?;
    if sign == Sign::NoSign {
        return body.is_empty().then(|| Decimal(BigDecimal::new(BigInt::default(), scale)));
    }
    let (exponent, digits) = body.split_first_chunk::<8>()?;
    let (close, digits) = digits.split_last()?;
    let length = usize::try_from(word_from_bytes(*exponent).checked_add(scale)?).ok()?;
    let trimmed = digits.first().is_some_and(|d| *d != b'0') && digits.last().is_some_and(|d| *d != b'0');
    let sound = *close == 0 && trimmed && digits.iter().all(u8::is_ascii_digit);
    if !sound || length < digits.len() || length > MAX_CODE_BYTES {
        return None;
    }
    let mut text = digits.to_vec();
    text.resize(length, b'0');
    let magnitude = BigInt::parse_bytes(&text, 10)?;
    let digits = if sign == Sign::Minus { -magnitude } else { magnitude };
    Some(Decimal(BigDecimal::new(digits, scale)))
}

fn decode_tuple(mut bytes: &[u8], depth: usize) -> Option<Vec<Option<Value>>> {
    let mut slots = Vec::new();
    while let Some((first, rest)) = bytes.split_first() {
        if *first == 0 {
            slots.push(None);
            bytes = rest;
            continue;
        }
        let tag = Tag::from_number(first - 1)?;
        if tag.is_fixed() {
            let (word, rest) = rest.split_first_chunk::<8>()?;
            slots.push(Some(decode_fixed(tag, word_from_bytes(*word))?));
            bytes = rest;
        } else {
            let (body, rest) = unescape(rest)?;
            slots.push(Some(decode_variable(tag, &body, depth)?));
            bytes = rest;
        }
    }
    Some(slots)
}

pub(super) fn unescape(bytes: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut body = Vec::new();
    let mut at = 0;
    loop {
        match (bytes.get(at)?, bytes.get(at + 1)) {
            (0, Some(0)) => return Some((body, &bytes[at + 2..])),
            (0, Some(0xff)) => {
                body.push(0);
                at += 2;
            }
            (0, _) => return None,
            (byte, _) => {
                body.push(*byte);
                at += 1;
            }
        }
    }
}
