//! Aggregates: many values to one.
//!
//! An [`Aggregate`] is named once per query; each group of rows then has an [`Accumulator`] of it that takes values one
//! by one. Two accumulators of the same aggregate can be merged. The result depends on which values came, never on
//! their order or on how they were split: sums of doubles are rounded once ([`sum`]), ties go to one total order,
//! and `rand` and `sample` draw by a seed made of the values themselves.
//!
//! No value, no result: an aggregate over nothing gives no row at all, so an accumulator that is finished has taken
//! at least one value.

mod choice;
pub(crate) mod longs;
pub mod sum;

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::mem;

use annals_storage::datom::Symbol;
use num_traits::ToPrimitive;

use crate::edn::Edn;
use crate::error::{Error, Result};
use crate::functions::number::Number;
use crate::functions::own::{Functions, OwnAggregate};
use crate::functions::{self, refused_types};
use crate::suggest;

use sum::{ExactSum, Sum};

/// What is made of the values of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregate {
    /// How many, repeats included.
    Count,
    /// How many different ones.
    CountDistinct,
    /// The different ones, as a set.
    Distinct,
    /// The total, in the highest type among the numbers.
    Sum,
    /// The mean, a double.
    Avg,
    /// The middle: of an even number of values the mean of the two in the middle, a double.
    Median,
    /// The population's variance, a double.
    Variance,
    /// The population's standard deviation, a double.
    Stddev,
    /// The least.
    Min,
    /// The greatest.
    Max,
    /// The n least, ascending.
    MinN(usize),
    /// The n greatest, ascending.
    MaxN(usize),
    /// One, drawn.
    Rand,
    /// n, drawn with repeats.
    RandN(usize),
    /// Up to n different ones, drawn.
    SampleN(usize),
    /// One of the program, which the accumulator holds.
    Own,
}

impl Aggregate {
    /// The aggregate with this name; `before` are the arguments in front of the one that is aggregated.
    pub fn find(name: &Symbol, before: &[Edn]) -> Result<Aggregate> {
        use Aggregate as A;
        let plain = plain(name);
        let counted = |make: fn(usize) -> Aggregate, n: &Edn| match n {
            Edn::Int(n) if *n >= 0 => Ok(make(usize::try_from(*n).unwrap_or(usize::MAX))),
            other => {
                Err(refused_types(plain, std::slice::from_ref(other)).hint("how many: a whole number from 0"))
            }
        };
        match (plain, before) {
            ("count", []) => Ok(A::Count),
            ("count-distinct", []) => Ok(A::CountDistinct),
            ("distinct", []) => Ok(A::Distinct),
            ("sum", []) => Ok(A::Sum),
            ("avg", []) => Ok(A::Avg),
            ("median", []) => Ok(A::Median),
            ("variance", []) => Ok(A::Variance),
            ("stddev", []) => Ok(A::Stddev),
            ("min", []) => Ok(A::Min),
            ("max", []) => Ok(A::Max),
            ("rand", []) => Ok(A::Rand),
            ("min", [n]) => counted(A::MinN, n),
            ("max", [n]) => counted(A::MaxN, n),
            ("rand", [n]) => counted(A::RandN, n),
            ("sample", [n]) => counted(A::SampleN, n),
            (known, before) if NAMES.contains(&known) => {
                let message = format!("the aggregate `{known}` does not take {} arguments", before.len() + 1);
                Err(Error::incorrect("db.error/function-arity", message))
            }
            _ => Err(unknown(name)),
        }
    }

    /// An accumulator that has taken nothing yet.
    pub fn start(self) -> Accumulator {
        use Aggregate as A;
        let state = match self {
            A::Count => State::Count(0),
            A::CountDistinct | A::Distinct => State::Distinct(BTreeSet::new()),
            A::Sum | A::Avg => State::Sum(Sum::default()),
            A::Min | A::Max => State::Extreme(Edn::Nil),
            _ => State::All(Vec::new()),
        };
        Accumulator { aggregate: self, taken: 0, state }
    }

    /// The aggregate's name.
    pub fn name(self) -> &'static str {
        use Aggregate as A;
        match self {
            A::Count => "count",
            A::CountDistinct => "count-distinct",
            A::Distinct => "distinct",
            A::Sum => "sum",
            A::Avg => "avg",
            A::Median => "median",
            A::Variance => "variance",
            A::Stddev => "stddev",
            A::Min | A::MinN(_) => "min",
            A::Max | A::MaxN(_) => "max",
            A::Rand | A::RandN(_) => "rand",
            A::SampleN(_) => "sample",
            A::Own => "aggregate",
        }
    }
}

fn plain(name: &Symbol) -> &str {
    name.as_str().strip_prefix("clojure.core/").unwrap_or(name.as_str())
}

/// The error for a name in `:find` that is neither an aggregate nor a function.
pub fn unknown(name: &Symbol) -> Error {
    let message = format!("there is no aggregate and no function `{name}`");
    let known = NAMES.into_iter().chain(functions::names());
    Error::incorrect("db.error/unknown-function", message).hint(
        suggest::did_you_mean(name.as_str(), known)
            .unwrap_or_else(|| format!("aggregates are {}", NAMES.join(", "))),
    )
}

/// True if an aggregate has this name.
pub fn is_name(name: &Symbol) -> bool {
    NAMES.contains(&plain(name))
}

/// The names of all aggregates.
pub const NAMES: [&str; 12] = [
    "avg",
    "count",
    "count-distinct",
    "distinct",
    "max",
    "median",
    "min",
    "rand",
    "sample",
    "stddev",
    "sum",
    "variance",
];

/// What an accumulator looks at of its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    /// How many there are.
    Count,
    /// Which ones there are, however often.
    Distinct,
    /// All of them.
    Each,
}

/// The values of one group so far.
#[derive(Clone, Debug)]
pub struct Accumulator {
    aggregate: Aggregate,
    taken: u64,
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    Count(u64),
    Distinct(BTreeSet<Edn>),
    Sum(Sum),
    Extreme(Edn),
    All(Vec<Edn>),
    /// Of an aggregate of the program: itself, the arguments before the variable, the values.
    Own(OwnAggregate, Vec<Edn>, Vec<Edn>),
}

impl Accumulator {
    /// An accumulator of the aggregate with this name, which may be one of the program.
    pub fn find(name: &Symbol, before: Vec<Edn>, own: &Functions) -> Result<Accumulator> {
        match own.find_aggregate(name) {
            None => Ok(Aggregate::find(name, &before)?.start()),
            Some(own) => Ok(Accumulator {
                aggregate: Aggregate::Own,
                taken: 0,
                state: State::Own(own.clone(), before, Vec::new()),
            }),
        }
    }

    /// What it looks at.
    pub(crate) fn needs(&self) -> Needs {
        match self.state {
            State::Count(_) => Needs::Count,
            State::Distinct(_) => Needs::Distinct,
            _ => Needs::Each,
        }
    }

    /// Takes so many values, if it only counts them.
    pub(crate) fn add_count(&mut self, values: u64) {
        if let State::Count(count) = &mut self.state {
            *count += values;
            self.taken += values;
        }
    }

    /// Takes a value.
    pub fn add(&mut self, value: &Edn) -> Result<()> {
        let name = self.aggregate.name();
        match &mut self.state {
            State::Count(count) => *count += 1,
            State::Distinct(seen) => {
                if !seen.contains(value) {
                    seen.insert(value.clone());
                }
            }
            State::Sum(sum) => sum.add(value).map_err(|why| why.named(name))?,
            State::Extreme(best) => {
                ordered(name, value)?;
                if self.taken == 0 || functions::total(value, best) == self.aggregate.wanted() {
                    *best = value.clone();
                }
            }
            State::All(values) => {
                self.aggregate.admits(value)?;
                values.push(value.clone());
            }
            State::Own(_, _, values) => values.push(value.clone()),
        }
        self.taken += 1;
        Ok(())
    }

    /// Takes all that another accumulator of the same aggregate has taken.
    pub fn merge(&mut self, other: Accumulator) -> Result<()> {
        let name = self.aggregate.name();
        match (&mut self.state, other.state) {
            _ if other.taken == 0 => return Ok(()),
            (State::Count(count), State::Count(more)) => *count += more,
            (State::Distinct(seen), State::Distinct(more)) => seen.extend(more),
            (State::Sum(sum), State::Sum(more)) => sum.merge(more).map_err(|why| why.named(name))?,
            (State::Extreme(_), State::Extreme(best)) => {
                self.add(&best)?;
                self.taken -= 1;
            }
            (State::All(values), State::All(more)) => values.extend(more),
            (State::Own(_, _, values), State::Own(_, _, more)) => values.extend(more),
            _ => unreachable!("accumulators of one aggregate have states of one kind"),
        }
        self.taken += other.taken;
        Ok(())
    }

    /// The result; nil if nothing was taken.
    pub fn finish(self) -> Result<Edn> {
        use Aggregate as A;
        let (aggregate, taken) = (self.aggregate, self.taken);
        let name = aggregate.name();
        if taken == 0 {
            return Ok(Edn::Nil);
        }
        match self.state {
            State::Count(count) => Ok(Edn::Int(count as i64)),
            State::Distinct(seen) if aggregate == A::CountDistinct => Ok(Edn::Int(seen.len() as i64)),
            State::Distinct(seen) => Ok(Edn::Set(seen)),
            State::Sum(sum) if aggregate == A::Avg => Ok(Edn::double(sum.to_f64() / taken as f64)),
            State::Sum(sum) => sum.finish().map_err(|why| why.named(name)),
            State::Extreme(best) => Ok(best),
            State::Own(own, before, mut values) => {
                values.sort_by(functions::total);
                own.of_sorted(&before, &values)
            }
            State::All(mut values) => {
                values.sort_by(functions::total);
                aggregate.of_sorted(values)
            }
        }
    }
}

impl Aggregate {
    fn wanted(self) -> Ordering {
        if matches!(self, Aggregate::Max | Aggregate::MaxN(_)) { Ordering::Greater } else { Ordering::Less }
    }

    /// Refuses a value that the aggregate cannot take.
    fn admits(self, value: &Edn) -> Result<()> {
        use Aggregate as A;
        match self {
            A::Median | A::Variance | A::Stddev if Number::of(value).is_none() => {
                Err(refused_types(self.name(), std::slice::from_ref(value)))
            }
            A::MinN(_) | A::MaxN(_) => ordered(self.name(), value),
            _ => Ok(()),
        }
    }

    /// The result over values in ascending order.
    fn of_sorted(self, mut values: Vec<Edn>) -> Result<Edn> {
        use Aggregate as A;
        Ok(match self {
            A::Median => median(&values),
            A::Variance => Edn::double(variance(&values)),
            A::Stddev => Edn::double(variance(&values).sqrt()),
            A::MinN(n) => {
                values.truncate(n);
                Edn::Vector(values)
            }
            A::MaxN(n) => Edn::Vector(values.split_off(values.len().saturating_sub(n))),
            A::Rand => choice::draw(&values, 1).pop().unwrap_or(Edn::Nil),
            A::RandN(n) if n > choice::DRAWS_MAX => {
                let message = format!("`rand` draws at most {} values", choice::DRAWS_MAX);
                return Err(Error::incorrect("db.error/value-in-function", message));
            }
            A::RandN(n) => Edn::Vector(choice::draw(&values, n)),
            A::SampleN(n) => Edn::Vector(choice::sample(mem::take(&mut values), n)),
            _ => unreachable!("{} keeps no list of values", self.name()),
        })
    }
}

/// Refuses a value that has no order to others, whatever these are.
fn ordered(name: &str, value: &Edn) -> Result<()> {
    if functions::is_ordered(value) { Ok(()) } else { Err(refused_types(name, std::slice::from_ref(value))) }
}

fn median(sorted: &[Edn]) -> Edn {
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        return sorted[middle].clone();
    }
    Edn::double(as_f64(&sorted[middle - 1]).midpoint(as_f64(&sorted[middle])))
}

fn variance(values: &[Edn]) -> f64 {
    let count = values.len() as f64;
    let total = |numbers: &mut dyn Iterator<Item = f64>| {
        let mut sum = ExactSum::default();
        numbers.for_each(|x| sum.add(x));
        sum.value()
    };
    let mean = total(&mut values.iter().map(as_f64)) / count;
    total(&mut values.iter().map(|value| (as_f64(value) - mean).powi(2))) / count
}

fn as_f64(value: &Edn) -> f64 {
    Number::of(value).map_or(f64::NAN, Number::to_f64)
}

/// A bigint's nearest double.
fn big_as_f64(n: &num_bigint::BigInt) -> f64 {
    n.to_f64().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests;
