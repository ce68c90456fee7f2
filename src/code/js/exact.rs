//! Arithmetic on the numbers and moments the language has no type for. Exact, and bounded: nothing here makes a number
//! larger than a fact may hold.

use std::cmp::Ordering;
use std::sync::Arc;

use annals_query::edn::{self, Edn};
use bigdecimal::BigDecimal;
use num_bigint::BigInt;

use super::values::decimal;
use crate::error::{Error, Result, brief};
use crate::transact::value::{MAX_BIGINT_BITS, MAX_DECIMAL_DIGITS};

/// How far the scales of two decimals may be apart, so that one can be brought to the other.
const SCALES: i64 = 2048;

/// The result of an operation on two values, given as EDN text.
pub(super) fn apply(op: &str, x: &str, y: &str) -> Result<Edn> {
    let (x, y) = (edn::read_one(x)?.to_edn(), edn::read_one(y)?.to_edn());
    match (op, &x, &y) {
        ("millis", Edn::Inst(micros), _) => Ok(Edn::Int(micros.div_euclid(1000))),
        ("add", Edn::Inst(micros), Edn::Int(millis)) => moved(*micros, *millis),
        ("sub", Edn::Inst(micros), Edn::Int(millis)) => moved(*micros, millis.saturating_neg()),
        ("sub", Edn::Inst(x), Edn::Inst(y)) => Ok(Edn::Int(x.saturating_sub(*y).div_euclid(1000))),
        ("cmp", ..) => Ok(Edn::Int(compare(&x, &y)? as i64)),
        _ => arithmetic(op, &x, &y),
    }
}

/// A moment so many milliseconds later.
fn moved(micros: i64, millis: i64) -> Result<Edn> {
    let sum = millis.checked_mul(1000).and_then(|more| micros.checked_add(more));
    sum.map(Edn::Inst)
        .ok_or_else(|| Error::incorrect("db.error/function-failed", "a moment beyond all instants"))
}

fn compare(x: &Edn, y: &Edn) -> Result<Ordering> {
    if let (Some(x), Some(y)) = (number(x), number(y)) {
        near(&x, &y)?;
        return Ok(x.cmp(&y));
    }
    if x.type_name() == y.type_name() { Ok(x.cmp(y)) } else { Err(apart("compared", x, y)) }
}

fn arithmetic(op: &str, x: &Edn, y: &Edn) -> Result<Edn> {
    let (Some(a), Some(b)) = (number(x), number(y)) else { return Err(apart("calculated", x, y)) };
    near(&a, &b)?;
    let result = match op {
        "add" => a + b,
        "sub" => a - b,
        "mul" => a * b,
        _ => return Err(apart("calculated", x, y)),
    };
    if matches!(x, Edn::BigDec(_)) || matches!(y, Edn::BigDec(_)) {
        if result.digits() > MAX_DECIMAL_DIGITS {
            return Err(too_large(x, y));
        }
        return Ok(decimal(result));
    }
    let (whole, _) = result.with_scale(0).into_bigint_and_exponent();
    if whole.bits() > MAX_BIGINT_BITS {
        return Err(too_large(x, y));
    }
    match (x, y, i64::try_from(&whole)) {
        (Edn::Int(_), Edn::Int(_), Ok(long)) => Ok(Edn::Int(long)),
        _ => Ok(Edn::BigInt(Arc::new(whole))),
    }
}

fn number(edn: &Edn) -> Option<BigDecimal> {
    match edn {
        Edn::Int(n) => Some(BigDecimal::from(*n)),
        Edn::BigInt(n) => Some(BigDecimal::from(BigInt::clone(n))),
        Edn::BigDec(d) => Some(d.0.clone()),
        _ => None,
    }
}

fn near(x: &BigDecimal, y: &BigDecimal) -> Result<()> {
    let (x_scale, y_scale) = (x.fractional_digit_count(), y.fractional_digit_count());
    if x_scale.saturating_sub(y_scale).saturating_abs() <= SCALES {
        return Ok(());
    }
    Err(Error::incorrect("db.error/function-failed", "decimals of such distant scales do not go together"))
}

fn too_large(x: &Edn, y: &Edn) -> Error {
    let message = format!("the result of {} and {} is larger than a fact may hold", brief(x), brief(y));
    Error::incorrect("db.error/function-failed", message)
}

fn apart(what: &str, x: &Edn, y: &Edn) -> Error {
    let message = format!("{} and {} cannot be {what} with each other", brief(x), brief(y));
    Error::incorrect("db.error/function-failed", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_exact_and_keep_the_wider_type() {
        for (op, x, y, result) in [
            ("add", "0.10M", "0.2M", "0.30M"),
            ("sub", "1M", "0.01M", "0.99M"),
            ("mul", "1.50M", "2", "3.00M"),
            ("add", "9223372036854775807", "1", "9223372036854775808N"),
            ("add", "9007199254740992", "1", "9007199254740993"),
            ("mul", "3N", "4", "12N"),
            ("cmp", "1.0M", "1", "0"),
            ("cmp", "1.01M", "1N", "1"),
            ("cmp", ":a/b", ":a/c", "-1"),
            ("sub", "#inst \"2024-01-02\"", "#inst \"2024-01-01\"", "86400000"),
            ("add", "#inst \"2024-01-01\"", "1", "#inst \"2024-01-01T00:00:00.001Z\""),
            ("millis", "#inst \"1969-12-31T23:59:59.9999Z\"", "0", "-1"),
        ] {
            let wanted = edn::read_one(result).unwrap().to_edn();
            assert_eq!(apply(op, x, y).unwrap(), wanted, "{op} {x} {y}");
        }
    }

    #[test]
    fn what_would_not_end_is_refused() {
        let nines = "9".repeat(1000);
        for (op, x, y) in [
            ("mul", format!("{nines}M"), format!("{nines}M")),
            ("mul", format!("{nines}{nines}N"), format!("{nines}{nines}N")),
            ("add", format!("0.{}1M", "0".repeat(3000)), "1M".to_owned()),
            ("cmp", format!("0.{}1M", "0".repeat(3000)), "1M".to_owned()),
            ("add", "1".to_owned(), "\"1\"".to_owned()),
            ("cmp", "1".to_owned(), ":a".to_owned()),
            ("add", "#inst \"2024-01-01\"".to_owned(), "9223372036854775807".to_owned()),
        ] {
            assert_eq!(apply(op, &x, &y).unwrap_err().keyword(), "db.error/function-failed", "{op}");
        }
    }
}
