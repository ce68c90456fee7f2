//! Numbers of all types as one tower: long, bigint, bigdec, double, each step holding all before it.
//!
//! Sizes compare exactly, without rounding a long to a double first. Integers never wrap: what does not fit a long is
//! an error, as is a bigint or bigdec beyond [`BITS_MAX`] bits. NaN equals itself and is greater than every other
//! number, as in the indexes.

use std::cmp::Ordering;
use std::sync::Arc;

use annals_storage::datom::{Decimal, code};
use bigdecimal::BigDecimal;
use num_bigint::BigInt;
use num_traits::{FromPrimitive, Signed, ToPrimitive, Zero};

use crate::edn::{Edn, Real};

use super::Fault;

/// The most bits a bigint, or the digits of a bigdec, may have.
pub(crate) const BITS_MAX: u64 = 1 << 20;

/// The most digits one decimal's scale may be from another's when they are added or divided.
pub(crate) const SCALES_MAX: i64 = 1 << 18;

/// A number, seen without its type's box.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Number<'a> {
    /// A long.
    Int(i64),
    /// A bigint.
    Big(&'a BigInt),
    /// A bigdec.
    Dec(&'a BigDecimal),
    /// A float or double.
    Real(f64),
}

impl<'a> Number<'a> {
    /// The number that a value is, if it is one.
    pub(crate) fn of(edn: &'a Edn) -> Option<Number<'a>> {
        Some(match edn {
            Edn::Int(n) => Number::Int(*n),
            Edn::BigInt(n) => Number::Big(n),
            Edn::BigDec(d) => Number::Dec(&d.0),
            Edn::Float(Real(x)) | Edn::Double(Real(x)) => Number::Real(*x),
            _ => return None,
        })
    }

    /// Which is the larger.
    pub(crate) fn compare(self, other: Number<'_>) -> Ordering {
        use Number as N;
        match (self, other) {
            (N::Int(x), N::Int(y)) => x.cmp(&y),
            (N::Real(x), N::Real(y)) => code::sortable(x).cmp(&code::sortable(y)),
            (N::Big(x), N::Big(y)) => x.cmp(y),
            (N::Real(x), y) => y.compare_real(x).reverse(),
            (x, N::Real(y)) => x.compare_real(y),
            (x, y) => x.to_decimal().cmp(&y.to_decimal()),
        }
    }

    /// Any number but a real, against a real.
    fn compare_real(self, y: f64) -> Ordering {
        if y.is_nan() || y == f64::INFINITY {
            return Ordering::Less;
        }
        match BigDecimal::from_f64(y) {
            Some(y) => self.to_decimal().cmp(&y),
            None => Ordering::Greater,
        }
    }

    /// As a double, rounded.
    pub(crate) fn to_f64(self) -> f64 {
        match self {
            Number::Int(n) => n as f64,
            Number::Big(n) => n.to_f64().unwrap_or(f64::NAN),
            Number::Dec(d) => decimal_to_f64(d),
            Number::Real(x) => x,
        }
    }

    /// As a decimal; NaN and the infinities have none and give zero.
    fn to_decimal(self) -> BigDecimal {
        match self {
            Number::Int(n) => BigDecimal::from(n),
            Number::Big(n) => BigDecimal::from(n.clone()),
            Number::Dec(d) => d.clone(),
            Number::Real(x) => BigDecimal::from_f64(x).unwrap_or_default(),
        }
    }

    /// As a bigint, if it is an integer type.
    fn to_bigint(self) -> Option<BigInt> {
        match self {
            Number::Int(n) => Some(BigInt::from(n)),
            Number::Big(n) => Some(n.clone()),
            _ => None,
        }
    }

    /// -1, 0 or 1; NaN counts as 1.
    pub(crate) fn sign(self) -> i64 {
        match self {
            Number::Int(n) => n.signum(),
            Number::Big(n) => {
                if n.is_negative() {
                    -1
                } else {
                    i64::from(!n.is_zero())
                }
            }
            Number::Dec(d) => {
                if d.is_negative() {
                    -1
                } else {
                    i64::from(!d.is_zero())
                }
            }
            Number::Real(x) => {
                if x == 0.0 {
                    0
                } else if x < 0.0 {
                    -1
                } else {
                    1
                }
            }
        }
    }
}

/// As a double, without writing out the zeros of a far exponent.
fn decimal_to_f64(d: &BigDecimal) -> f64 {
    let (digits, scale) = d.as_bigint_and_scale();
    let magnitude = (digits.bits() as f64 * std::f64::consts::LOG10_2) - scale as f64;
    match magnitude {
        m if m > 400.0 => {
            if d.is_negative() {
                f64::NEG_INFINITY
            } else {
                f64::INFINITY
            }
        }
        m if m < -400.0 => 0.0,
        _ => d.to_f64().unwrap_or(f64::NAN),
    }
}

/// Two numbers, both brought to the higher of their steps of the tower.
pub(crate) enum Pair {
    /// Two longs.
    Ints(i64, i64),
    /// Two bigints.
    Bigs(BigInt, BigInt),
    /// Two decimals.
    Decs(BigDecimal, BigDecimal),
    /// Two doubles.
    Reals(f64, f64),
}

impl Pair {
    /// Brings two numbers to one step.
    pub(crate) fn of(x: Number<'_>, y: Number<'_>) -> Pair {
        use Number as N;
        match (x, y) {
            (N::Int(x), N::Int(y)) => Pair::Ints(x, y),
            (N::Real(_), _) | (_, N::Real(_)) => Pair::Reals(x.to_f64(), y.to_f64()),
            _ => match (x.to_bigint(), y.to_bigint()) {
                (Some(x), Some(y)) => Pair::Bigs(x, y),
                _ => Pair::Decs(x.to_decimal(), y.to_decimal()),
            },
        }
    }
}

/// A bigint as a value, if it is not too large.
pub(crate) fn bigint(n: BigInt) -> Result<Edn, Fault> {
    if n.bits() > BITS_MAX { Err(TOO_LARGE) } else { Ok(Edn::BigInt(Arc::new(n))) }
}

/// A decimal as a value, if it is not too large.
pub(crate) fn bigdec(d: BigDecimal) -> Result<Edn, Fault> {
    let too_large = d.as_bigint_and_scale().0.bits() > BITS_MAX;
    if too_large { Err(TOO_LARGE) } else { Ok(Edn::BigDec(Arc::new(Decimal(d)))) }
}

/// A result beyond the limits.
pub(super) const TOO_LARGE: Fault = Fault::Number("the result is too large");

/// Refuses two decimals whose digits lie so far apart that one number of both would be huge.
pub(crate) fn comparable_scales(x: &BigDecimal, y: &BigDecimal) -> Result<(), Fault> {
    let apart = x.fractional_digit_count().checked_sub(y.fractional_digit_count());
    if apart.is_some_and(|apart| apart.abs() <= SCALES_MAX) { Ok(()) } else { Err(TOO_LARGE) }
}

/// The product of two decimals, if it is not too large.
pub(crate) fn product(x: &BigDecimal, y: &BigDecimal) -> Result<BigDecimal, Fault> {
    let ((x, x_scale), (y, y_scale)) = (x.as_bigint_and_scale(), y.as_bigint_and_scale());
    let scale = x_scale.checked_add(y_scale).ok_or(TOO_LARGE)?;
    if x.bits() + y.bits() > BITS_MAX {
        return Err(TOO_LARGE);
    }
    Ok(BigDecimal::new(x.as_ref() * y.as_ref(), scale))
}

/// The exact quotient of two decimals, with no more digits than it needs.
pub(crate) fn quotient(x: &BigDecimal, y: &BigDecimal) -> Result<BigDecimal, Fault> {
    let ((x, x_scale), (y, y_scale)) = (x.as_bigint_and_scale(), y.as_bigint_and_scale());
    if y.is_zero() {
        return Err(DIVIDED_BY_ZERO);
    }
    let scale = x_scale.checked_sub(y_scale).ok_or(TOO_LARGE)?;
    let common = gcd(x.as_ref().abs(), y.as_ref().abs());
    let (x, mut y) = (x.as_ref() / &common, y.as_ref() / &common);
    let (twos, fives) = (strip(&mut y, 2), strip(&mut y, 5));
    if y.abs() != BigInt::from(1) {
        return Err(Fault::Number("the quotient has no end in decimals"));
    }
    let digits = twos.max(fives);
    if u64::from(digits) * 4 > BITS_MAX {
        return Err(TOO_LARGE);
    }
    let raised = x * y * BigInt::from(2).pow(digits - twos) * BigInt::from(5).pow(digits - fives);
    Ok(BigDecimal::new(raised, scale.checked_add(i64::from(digits)).ok_or(TOO_LARGE)?))
}

/// Divided by zero.
pub(super) const DIVIDED_BY_ZERO: Fault = Fault::Number("division by zero");

fn gcd(mut x: BigInt, mut y: BigInt) -> BigInt {
    while !y.is_zero() {
        (x, y) = (y.clone(), x % y);
    }
    x
}

/// Divides by `factor` as often as it goes; how often that was.
fn strip(n: &mut BigInt, factor: u32) -> u32 {
    let mut times = 0;
    while (&*n % factor).is_zero() {
        *n /= factor;
        times += 1;
    }
    times
}
