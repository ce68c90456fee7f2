//! Roots, powers, logarithms, angles and rounding, under the names of Java's `Math` (`clojure.math` is the same).
//!
//! What is exact stays exact: `floor`, `ceil` and `signum` of an integer are integers, as `round` always is. The others
//! give doubles and follow IEEE 754: the root of a negative number is NaN. `Math/pow` gives a double, as in Java.

use num_traits::ToPrimitive;

use crate::edn::Edn;

use super::number::Number;
use super::{Fault, Function, Outcome, function};

macro_rules! of_double {
    ($name:literal, $f:expr) => {
        function($name, 1, 1, |args| Ok(Edn::double($f(double(&args[0])?))))
    };
}

pub(super) const TABLE: &[Function] = &[
    of_double!("Math/sqrt", f64::sqrt),
    of_double!("Math/cbrt", f64::cbrt),
    of_double!("Math/exp", f64::exp),
    of_double!("Math/log", f64::ln),
    of_double!("Math/log10", f64::log10),
    of_double!("Math/sin", f64::sin),
    of_double!("Math/cos", f64::cos),
    of_double!("Math/tan", f64::tan),
    of_double!("Math/asin", f64::asin),
    of_double!("Math/acos", f64::acos),
    of_double!("Math/atan", f64::atan),
    of_double!("Math/toRadians", f64::to_radians),
    of_double!("Math/toDegrees", f64::to_degrees),
    function("Math/atan2", 2, 2, |args| Ok(Edn::double(double(&args[0])?.atan2(double(&args[1])?)))),
    function("Math/hypot", 2, 2, |args| Ok(Edn::double(double(&args[0])?.hypot(double(&args[1])?)))),
    function("Math/pow", 2, 2, |args| Ok(Edn::double(double(&args[0])?.powf(double(&args[1])?)))),
    function("Math/floor", 1, 1, |args| whole(&args[0], f64::floor)),
    function("Math/ceil", 1, 1, |args| whole(&args[0], f64::ceil)),
    function("Math/signum", 1, 1, |args| match number(&args[0])? {
        Number::Real(x) if x == 0.0 || x.is_nan() => Ok(args[0].clone()),
        Number::Real(x) => Ok(Edn::double(x.signum())),
        exact => Ok(Edn::Int(exact.sign())),
    }),
    function("Math/round", 1, 1, |args| match number(&args[0])? {
        // Half goes up, as in Java.
        Number::Real(x) => to_long(if x - x.floor() >= 0.5 { x.floor() + 1.0 } else { x.floor() }),
        Number::Dec(_) => Err(Fault::Types),
        _ => Ok(args[0].clone()),
    }),
];

fn number(edn: &Edn) -> Result<Number<'_>, Fault> {
    Number::of(edn).ok_or(Fault::Types)
}

fn double(edn: &Edn) -> Result<f64, Fault> {
    Ok(number(edn)?.to_f64())
}

/// A double without its fraction, by `f`; integers have none.
fn whole(edn: &Edn, f: fn(f64) -> f64) -> Outcome {
    match number(edn)? {
        Number::Real(x) => Ok(Edn::double(f(x))),
        Number::Dec(_) => Err(Fault::Types),
        _ => Ok(edn.clone()),
    }
}

fn to_long(x: f64) -> Outcome {
    x.to_i64().map(Edn::Int).ok_or(Fault::Number("the result does not fit a long"))
}
