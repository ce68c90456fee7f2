//! Sums that do not depend on the order of their terms.
//!
//! Longs add up in 128 bits, bigints and decimals exactly, and doubles as an exact sum that is rounded once at the
//! end: [`ExactSum`] holds it as a few doubles that do not overlap (Shewchuk's expansion). The type of the result is
//! the highest among the terms; a total of longs that does not fit a long is an error.

use bigdecimal::BigDecimal;
use num_bigint::BigInt;

use crate::edn::Edn;
use crate::error::Error;
use crate::functions::number::{Number, SCALES_MAX, bigdec, bigint, comparable_scales};
use crate::functions::refused_types;

/// A total of numbers of any types.
#[derive(Clone, Debug, Default)]
pub struct Sum {
    ints: i128,
    bigs: Option<BigInt>,
    decs: Option<Decimals>,
    reals: Option<ExactSum>,
}

/// A total of decimals. Which of them are too far apart does not depend on their order.
#[derive(Clone, Debug)]
struct Decimals {
    sum: BigDecimal,
    /// The least and the greatest scale among the terms.
    scales: (i64, i64),
}

impl Decimals {
    fn of(d: &BigDecimal) -> Decimals {
        let scale = d.fractional_digit_count();
        Decimals { sum: d.clone(), scales: (scale, scale) }
    }

    fn add(&mut self, other: &Decimals) -> Result<(), Refused> {
        let (low, high) = self.scales;
        self.scales = (low.min(other.scales.0), high.max(other.scales.1));
        let apart = self.scales.1.checked_sub(self.scales.0);
        if apart.is_none_or(|apart| apart > SCALES_MAX) {
            return Err(Refused::TooLarge);
        }
        self.sum += &other.sum;
        Ok(())
    }
}

/// Why a sum is refused; [`Refused::named`] adds by which aggregate.
#[derive(Debug)]
pub enum Refused {
    /// A term that is no number.
    Type(Edn),
    /// A total beyond the limits of its type.
    TooLarge,
}

impl Refused {
    /// As an error of the aggregate with this name.
    pub fn named(self, name: &str) -> Error {
        match self {
            Refused::Type(value) => refused_types(name, &[value]),
            Refused::TooLarge => {
                Error::incorrect("db.error/arithmetic", format!("`{name}`: the result does not fit its type"))
            }
        }
    }
}

impl Sum {
    /// Adds a number.
    pub fn add(&mut self, value: &Edn) -> Result<(), Refused> {
        match Number::of(value).ok_or_else(|| Refused::Type(value.clone()))? {
            Number::Int(n) => self.ints += i128::from(n),
            Number::Big(n) => self.add_big(n),
            Number::Dec(d) => self.add_decs(&Decimals::of(d))?,
            Number::Real(x) => self.reals.get_or_insert_default().add(x),
        }
        Ok(())
    }

    /// Adds the total of some integers.
    pub(super) fn add_whole(&mut self, total: i128) {
        self.ints += total;
    }

    /// Adds another sum.
    pub fn merge(&mut self, other: Sum) -> Result<(), Refused> {
        self.ints += other.ints;
        other.bigs.iter().for_each(|n| self.add_big(n));
        other.decs.iter().try_for_each(|decs| self.add_decs(decs))?;
        if let Some(reals) = other.reals {
            self.reals.get_or_insert_default().merge(&reals);
        }
        Ok(())
    }

    /// Each is within the limit, so their total is not much beyond it; it is judged at the end.
    fn add_big(&mut self, n: &BigInt) {
        *self.bigs.get_or_insert_default() += n;
    }

    fn add_decs(&mut self, decs: &Decimals) -> Result<(), Refused> {
        match &mut self.decs {
            Some(sum) => sum.add(decs),
            None => {
                self.decs = Some(decs.clone());
                Ok(())
            }
        }
    }

    /// The total in the highest type among the terms.
    pub fn finish(self) -> Result<Edn, Refused> {
        if self.reals.is_some() {
            return Ok(Edn::double(self.to_f64()));
        }
        let whole = BigInt::from(self.ints);
        match (self.decs, self.bigs) {
            (Some(decs), bigs) => {
                let whole = BigDecimal::from(whole + bigs.unwrap_or_default());
                comparable_scales(&decs.sum, &whole).map_err(|_| Refused::TooLarge)?;
                bigdec(decs.sum + whole).map_err(|_| Refused::TooLarge)
            }
            (None, Some(bigs)) => bigint(bigs + whole).map_err(|_| Refused::TooLarge),
            (None, None) => i64::try_from(self.ints).map(Edn::Int).map_err(|_| Refused::TooLarge),
        }
    }

    /// The total as a double.
    pub fn to_f64(&self) -> f64 {
        let mut sum = self.reals.clone().unwrap_or_default();
        if self.reals.is_none() && self.bigs.is_none() && self.decs.is_none() {
            return self.ints as f64;
        }
        sum.add(self.ints as f64);
        sum.add(self.bigs.as_ref().map_or(0.0, super::big_as_f64));
        sum.add(self.decs.as_ref().map_or(0.0, |decs| Number::Dec(&decs.sum).to_f64()));
        sum.value()
    }
}

/// An exact sum of doubles.
///
/// Numbers from [`HUGE`] on are summed apart and scaled down, so that no order of the terms overflows on the way.
#[derive(Clone, Debug, Default)]
pub struct ExactSum {
    plain: Expansion,
    /// The sum of the huge terms times [`DOWN`].
    huge: Expansion,
    /// The sum of the terms that are not finite.
    special: f64,
}

/// 2^900
const HUGE: f64 = f64::from_bits((1023 + 900) << 52);
/// 2^-100
const DOWN: f64 = f64::from_bits((1023 - 100) << 52);

impl ExactSum {
    /// Adds a number.
    pub fn add(&mut self, x: f64) {
        if !x.is_finite() {
            self.special += x;
        } else if x.abs() >= HUGE {
            self.huge.add(x * DOWN);
        } else {
            self.plain.add(x);
        }
    }

    /// Adds another sum.
    pub fn merge(&mut self, other: &ExactSum) {
        self.special += other.special;
        other.plain.parts.iter().for_each(|part| self.plain.add(*part));
        other.huge.parts.iter().for_each(|part| self.huge.add(*part));
    }

    /// The sum, rounded once.
    pub fn value(&self) -> f64 {
        if self.special != 0.0 || self.special.is_nan() {
            return self.special;
        }
        if self.huge.value() == 0.0 {
            return self.plain.value();
        }
        let mut all = self.huge.clone();
        self.plain.parts.iter().for_each(|part| all.add(part * DOWN));
        all.value() / DOWN
    }
}

/// Doubles that do not overlap, smallest first; their exact sum is what they stand for.
#[derive(Clone, Debug, Default)]
struct Expansion {
    parts: Vec<f64>,
}

impl Expansion {
    /// Adds a number. No partial sum may overflow.
    fn add(&mut self, mut x: f64) {
        let mut kept = 0;
        for at in 0..self.parts.len() {
            let mut y = self.parts[at];
            if x.abs() < y.abs() {
                (x, y) = (y, x);
            }
            let high = x + y;
            let low = y - (high - x);
            if low != 0.0 {
                self.parts[kept] = low;
                kept += 1;
            }
            x = high;
        }
        self.parts.truncate(kept);
        if x != 0.0 {
            self.parts.push(x);
        }
    }

    /// The exact sum, rounded once.
    fn value(&self) -> f64 {
        let mut parts = self.parts.iter().rev().copied();
        let Some(mut high) = parts.next() else { return 0.0 };
        let mut low = 0.0;
        for part in parts.by_ref() {
            let sum = high + part;
            low = part - (sum - high);
            high = sum;
            if low != 0.0 {
                break;
            }
        }
        // Half a unit in the last place is rounded to even, unless what lies below says which way.
        if let Some(below) = parts.next()
            && (low < 0.0) == (below < 0.0)
        {
            let doubled = low * 2.0;
            let nudged = high + doubled;
            if nudged - high == doubled {
                return nudged;
            }
        }
        high
    }
}
