//! From what was written to what an attribute holds.
//!
//! Numbers are widened only where nothing can be lost and nothing be meant otherwise: an integer becomes a big integer,
//! a double becomes a float by rounding. An integer is no double, float or decimal (as in Datomic): the text `7.0` or `7M`
//! says which is meant. Text is taken for a URI. Everything else has to be of the type itself.

use std::sync::Arc;

use annals_query::edn::Edn;
use annals_storage::datom::{Tag, Value};
use num_bigint::BigInt;

/// The longest text or byte string, in bytes.
pub(crate) const MAX_TEXT_BYTES: usize = 1 << 20;
/// The longest text inside a tuple, in bytes of UTF-8.
pub(crate) const MAX_TUPLE_TEXT_BYTES: usize = 1 << 10;
/// The most bits a big integer may have.
pub(crate) const MAX_BIGINT_BITS: u64 = 8192;
/// The most digits a decimal may have.
pub(crate) const MAX_DECIMAL_DIGITS: u64 = 1024;
/// The largest scale, up or down, a decimal may have.
pub(crate) const MAX_DECIMAL_SCALE: i64 = 1 << 20;
/// How many values a tuple may have.
pub(crate) const TUPLE_ARITY: std::ops::RangeInclusive<usize> = 2..=8;

/// Why something is no value of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Misfit {
    /// It is of another type.
    Type,
    /// It is beyond the limit this says.
    Size(&'static str),
}

/// The value of a type without parts that `given` stands for. References and tuples are the callers' affair.
pub(crate) fn scalar(tag: Tag, given: &Edn) -> Result<Value, Misfit> {
    Ok(match (tag, given) {
        (Tag::Boolean, Edn::Bool(b)) => Value::Boolean(*b),
        (Tag::Long, Edn::Int(n)) => Value::Long(*n),
        (Tag::BigInt, Edn::Int(n)) => Value::BigInt(Arc::new(BigInt::from(*n))),
        (Tag::BigInt, Edn::BigInt(n)) => {
            within(n.bits() <= MAX_BIGINT_BITS, "a bigint has at most 8192 bits")?;
            Value::BigInt(Arc::clone(n))
        }
        (Tag::Float, Edn::Float(x) | Edn::Double(x)) => Value::Float(x.0 as f32),
        (Tag::Double, Edn::Float(x) | Edn::Double(x)) => Value::Double(x.0),
        (Tag::BigDec, Edn::BigDec(d)) => {
            let scale = d.digits_and_scale().1;
            within(d.0.digits() <= MAX_DECIMAL_DIGITS, "a bigdec has at most 1024 digits")?;
            within(scale.abs() <= MAX_DECIMAL_SCALE, "the scale of a bigdec is at most 1048576")?;
            Value::BigDec(Arc::clone(d))
        }
        (Tag::Instant, Edn::Inst(micros)) => Value::Instant(*micros),
        (Tag::Uuid, Edn::Uuid(uuid)) => Value::Uuid(*uuid),
        (Tag::Keyword, Edn::Keyword(keyword)) => Value::Keyword(keyword.clone()),
        (Tag::Symbol, Edn::Symbol(symbol)) => Value::Symbol(symbol.clone()),
        (Tag::String, Edn::String(text)) => Value::String(text_within(text)?),
        (Tag::Uri, Edn::Uri(text) | Edn::String(text)) => Value::Uri(text_within(text)?),
        (Tag::Bytes, Edn::Bytes(bytes)) => {
            within(bytes.len() <= MAX_TEXT_BYTES, "a byte string has at most 1 MiB")?;
            Value::Bytes(Arc::clone(bytes))
        }
        _ => return Err(Misfit::Type),
    })
}

fn text_within(text: &Arc<str>) -> Result<Arc<str>, Misfit> {
    within(text.len() <= MAX_TEXT_BYTES, "a text has at most 1 MiB")?;
    Ok(Arc::clone(text))
}

fn within(fits: bool, limit: &'static str) -> Result<(), Misfit> {
    if fits { Ok(()) } else { Err(Misfit::Size(limit)) }
}

/// True if tuples can hold values of the type.
pub(crate) fn fits_tuples(tag: Tag) -> bool {
    !matches!(tag, Tag::Float | Tag::Bytes | Tag::Tuple)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_widen_only_without_loss() {
        assert_eq!(scalar(Tag::BigInt, &Edn::Int(7)), Ok(Value::BigInt(Arc::new(BigInt::from(7)))));
        assert_eq!(scalar(Tag::Float, &Edn::double(1.5)), Ok(Value::Float(1.5)));
        for tag in [Tag::Double, Tag::Float, Tag::BigDec, Tag::Instant, Tag::String, Tag::Boolean] {
            assert_eq!(scalar(tag, &Edn::Int(7)), Err(Misfit::Type), "{tag:?}");
        }
        assert_eq!(scalar(Tag::Long, &Edn::double(7.0)), Err(Misfit::Type));
    }

    #[test]
    fn what_is_too_large_is_refused() {
        let long = Edn::string("x".repeat(MAX_TEXT_BYTES + 1));
        assert!(matches!(scalar(Tag::String, &long), Err(Misfit::Size(_))));
        let wide = Edn::BigInt(Arc::new(BigInt::from(1) << 8192));
        assert!(matches!(scalar(Tag::BigInt, &wide), Err(Misfit::Size(_))));
    }
}
