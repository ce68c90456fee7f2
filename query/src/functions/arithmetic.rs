//! Numbers from numbers.
//!
//! The result has the higher type of the two: long, bigint, bigdec, double. Longs are checked, never wrapped; division
//! of integers drops the fraction; a decimal quotient is exact or an error; doubles follow IEEE 754.

use std::str::FromStr;

use bigdecimal::BigDecimal;
use num_bigint::BigInt;
use num_traits::{FromPrimitive, Signed, ToPrimitive, Zero};

use crate::edn::{Edn, Real};

use super::number::{self, BITS_MAX, DIVIDED_BY_ZERO, Number, Pair, TOO_LARGE, bigdec, bigint};
use super::{Fault, Function, MANY, Outcome, function};

pub(super) const TABLE: &[Function] = &[
    function("+", 1, MANY, |args| fold(args, add)),
    function("-", 1, MANY, |args| {
        if args.len() == 1 { subtract(&Edn::Int(0), &args[0]) } else { fold(args, subtract) }
    }),
    function("*", 1, MANY, |args| fold(args, multiply)),
    function("/", 2, MANY, |args| fold(args, divide)),
    function("+'", 1, MANY, |args| fold(args, |x, y| promoting(x, y, add))),
    function("-'", 1, MANY, |args| {
        let minus: fn(&Edn, &Edn) -> Outcome = |x, y| promoting(x, y, subtract);
        if args.len() == 1 { minus(&Edn::Int(0), &args[0]) } else { fold(args, minus) }
    }),
    function("*'", 1, MANY, |args| fold(args, |x, y| promoting(x, y, multiply))),
    function("inc'", 1, 1, |args| promoting(&args[0], &Edn::Int(1), add)),
    function("dec'", 1, 1, |args| promoting(&args[0], &Edn::Int(1), subtract)),
    function("quot", 2, 2, |args| whole(&args[0], &args[1], Whole::Quotient)),
    function("rem", 2, 2, |args| whole(&args[0], &args[1], Whole::Remainder)),
    function("mod", 2, 2, |args| whole(&args[0], &args[1], Whole::Modulus)),
    function("inc", 1, 1, |args| add(&args[0], &Edn::Int(1))),
    function("dec", 1, 1, |args| subtract(&args[0], &Edn::Int(1))),
    function("abs", 1, 1, |args| match number(&args[0])?.sign() {
        -1 => subtract(&Edn::Int(0), &args[0]),
        _ => Ok(args[0].clone()),
    }),
    function("zero?", 1, 1, |args| Ok(Edn::Bool(number(&args[0])?.sign() == 0))),
    function("pos?", 1, 1, |args| Ok(Edn::Bool(number(&args[0])?.compare(Number::Int(0)).is_gt()))),
    function("neg?", 1, 1, |args| Ok(Edn::Bool(number(&args[0])?.compare(Number::Int(0)).is_lt()))),
    function("even?", 1, 1, |args| Ok(Edn::Bool(!odd(&args[0])?))),
    function("odd?", 1, 1, |args| Ok(Edn::Bool(odd(&args[0])?))),
    function("long", 1, 1, |args| to_long(&args[0])),
    function("int", 1, 1, |args| match &args[0] {
        Edn::Char(c) => Ok(Edn::Int(i64::from(u32::from(*c)))),
        arg => match to_long(arg)? {
            Edn::Int(n) if i32::try_from(n).is_err() => Err(Fault::Number("the result does not fit an int")),
            fits => Ok(fits),
        },
    }),
    function("bigint", 1, 1, |args| to_bigint(&args[0])),
    function("bigdec", 1, 1, |args| to_bigdec(&args[0])),
    function("float", 1, 1, |args| {
        let x = number(&args[0])?.to_f64();
        match x as f32 {
            narrow if narrow.is_infinite() && x.is_finite() => {
                Err(Fault::Number("the result does not fit a float"))
            }
            narrow => Ok(Edn::Float(Real(f64::from(narrow)))),
        }
    }),
    function("double", 1, 1, |args| Ok(Edn::double(number(&args[0])?.to_f64()))),
];

fn number(edn: &Edn) -> Result<Number<'_>, Fault> {
    Number::of(edn).ok_or(Fault::Types)
}

fn pair(x: &Edn, y: &Edn) -> Result<Pair, Fault> {
    Ok(Pair::of(number(x)?, number(y)?))
}

fn fold(args: &[Edn], step: fn(&Edn, &Edn) -> Outcome) -> Outcome {
    number(&args[0])?;
    args[1..].iter().try_fold(args[0].clone(), |so_far, arg| step(&so_far, arg))
}

/// A step that goes on with bigints where the result does not fit a long.
fn promoting(x: &Edn, y: &Edn, step: fn(&Edn, &Edn) -> Outcome) -> Outcome {
    match (step(x, y), x, y) {
        (Err(Fault::Number(_)), Edn::Int(n), Edn::Int(_)) => step(&bigint(BigInt::from(*n))?, y),
        (result, ..) => result,
    }
}

fn long(n: Option<i64>) -> Outcome {
    n.map(Edn::Int).ok_or(Fault::Number("the result does not fit a long"))
}

fn add(x: &Edn, y: &Edn) -> Outcome {
    match pair(x, y)? {
        Pair::Ints(x, y) => long(x.checked_add(y)),
        Pair::Bigs(x, y) => bigint(x + y),
        Pair::Decs(x, y) => {
            number::comparable_scales(&x, &y)?;
            bigdec(x + y)
        }
        Pair::Reals(x, y) => Ok(Edn::double(x + y)),
    }
}

fn subtract(x: &Edn, y: &Edn) -> Outcome {
    match pair(x, y)? {
        Pair::Ints(x, y) => long(x.checked_sub(y)),
        Pair::Bigs(x, y) => bigint(x - y),
        Pair::Decs(x, y) => {
            number::comparable_scales(&x, &y)?;
            bigdec(x - y)
        }
        Pair::Reals(x, y) => Ok(Edn::double(x - y)),
    }
}

fn multiply(x: &Edn, y: &Edn) -> Outcome {
    match pair(x, y)? {
        Pair::Ints(x, y) => long(x.checked_mul(y)),
        Pair::Bigs(x, y) if x.bits() + y.bits() > BITS_MAX => Err(TOO_LARGE),
        Pair::Bigs(x, y) => bigint(x * y),
        Pair::Decs(x, y) => bigdec(number::product(&x, &y)?),
        Pair::Reals(x, y) => Ok(Edn::double(x * y)),
    }
}

fn divide(x: &Edn, y: &Edn) -> Outcome {
    match pair(x, y)? {
        Pair::Ints(_, 0) => Err(DIVIDED_BY_ZERO),
        Pair::Ints(x, y) => long(x.checked_div(y)),
        Pair::Bigs(_, y) if y.is_zero() => Err(DIVIDED_BY_ZERO),
        Pair::Bigs(x, y) => bigint(x / y),
        Pair::Decs(x, y) => bigdec(number::quotient(&x, &y)?),
        Pair::Reals(x, y) => Ok(Edn::double(x / y)),
    }
}

/// The parts of a division that leaves a remainder.
#[derive(Clone, Copy)]
enum Whole {
    /// Without the fraction.
    Quotient,
    /// What is left, with the sign of the dividend.
    Remainder,
    /// What is left, with the sign of the divisor.
    Modulus,
}

fn whole(x: &Edn, y: &Edn, part: Whole) -> Outcome {
    if number(y)?.sign() == 0 {
        number(x)?;
        return Err(DIVIDED_BY_ZERO);
    }
    match pair(x, y)? {
        Pair::Ints(x, y) => match part {
            Whole::Quotient => long(x.checked_div(y)),
            Whole::Remainder => Ok(Edn::Int(x.wrapping_rem(y))),
            Whole::Modulus => {
                let left = x.wrapping_rem(y);
                Ok(Edn::Int(if left != 0 && (left < 0) != (y < 0) { left + y } else { left }))
            }
        },
        Pair::Bigs(x, y) => bigint(match part {
            Whole::Quotient => x / y,
            Whole::Remainder => x % y,
            Whole::Modulus => modulus(&x % &y, y, |left| left.is_zero(), Signed::is_negative),
        }),
        Pair::Decs(x, y) => {
            number::comparable_scales(&x, &y)?;
            bigdec(match part {
                Whole::Quotient => number::quotient(&(&x - &x % &y), &y)?,
                Whole::Remainder => x % y,
                Whole::Modulus => modulus(&x % &y, y, BigDecimal::is_zero, Signed::is_negative),
            })
        }
        Pair::Reals(x, y) => Ok(Edn::double(match part {
            Whole::Quotient => (x / y).trunc(),
            Whole::Remainder => x % y,
            Whole::Modulus => modulus(x % y, y, |left| *left == 0.0, |n| *n < 0.0),
        })),
    }
}

fn modulus<N: std::ops::Add<Output = N>>(left: N, y: N, zero: fn(&N) -> bool, negative: fn(&N) -> bool) -> N {
    if !zero(&left) && negative(&left) != negative(&y) { left + y } else { left }
}

fn odd(edn: &Edn) -> Result<bool, Fault> {
    match number(edn)? {
        Number::Int(n) => Ok(n % 2 != 0),
        Number::Big(n) => Ok(n.bit(0)),
        _ => Err(Fault::Types),
    }
}

fn to_long(edn: &Edn) -> Outcome {
    long(match number(edn)? {
        Number::Int(n) => Some(n),
        Number::Big(n) => n.to_i64(),
        Number::Dec(d) if d.abs() < 1 => Some(0),
        Number::Dec(d) if d.abs() > u64::MAX => None,
        Number::Dec(d) => d.with_scale(0).to_i64(),
        Number::Real(x) => x.to_i64(),
    })
}

/// The most digits of a number that is read from a text.
const DIGITS_MAX: usize = BITS_MAX as usize / 4;

fn parsed<N: FromStr>(text: &str) -> Result<N, Fault> {
    if text.len() > DIGITS_MAX {
        return Err(TOO_LARGE);
    }
    text.parse().map_err(|_| Fault::Values(format!("{text:?} is no such number")))
}

fn to_bigint(edn: &Edn) -> Outcome {
    if let Edn::String(text) = edn {
        return bigint(parsed(text)?);
    }
    bigint(match number(edn)? {
        Number::Int(n) => BigInt::from(n),
        Number::Big(n) => n.clone(),
        Number::Dec(d) if d.fractional_digit_count() < -(DIGITS_MAX as i64) => return Err(TOO_LARGE),
        Number::Dec(d) if d.abs() < 1 => BigInt::default(),
        Number::Dec(d) => d.with_scale(0).into_bigint_and_scale().0,
        Number::Real(x) => BigInt::from_f64(x).ok_or(NOT_FINITE)?,
    })
}

/// Not a number that digits can tell.
const NOT_FINITE: Fault = Fault::Number("NaN and the infinities have no such value");

fn to_bigdec(edn: &Edn) -> Outcome {
    bigdec(match edn {
        Edn::String(text) => parsed(text)?,
        _ => match number(edn)? {
            Number::Int(n) => BigDecimal::from(n),
            Number::Big(n) => BigDecimal::from(n.clone()),
            Number::Dec(_) => return Ok(edn.clone()),
            Number::Real(x) if !x.is_finite() => return Err(NOT_FINITE),
            // The fewest digits that tell the double: what it is printed as.
            Number::Real(x) => parsed(&format!("{x:?}"))?,
        },
    })
}
