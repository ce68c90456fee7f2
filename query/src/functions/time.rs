//! Instants, their parts and what lies between them, all in UTC.
//!
//! A duration is a count and a unit: `(time/plus ?t 3 :days)`, `(time/between ?from ?to :hours)`. A unit is a keyword,
//! singular or plural. Days and weeks are always as long; months and years are those of the calendar, so that a day that
//! a month does not have becomes its last. Weeks begin on Monday.

use crate::edn::{Edn, instant};

use super::{Fault, Function, Outcome, function};

pub(super) const TABLE: &[Function] = &[
    function("time/instant", 1, 1, |args| match &args[0] {
        Edn::Inst(_) => Ok(args[0].clone()),
        Edn::Int(millis) => millis.checked_mul(1000).map(Edn::Inst).ok_or(TOO_FAR),
        Edn::String(text) => match instant::parse(text) {
            Some(micros) => Ok(Edn::Inst(micros)),
            None => Err(Fault::Values(format!("{text:?} is no instant, as \"2024-05-01T12:30:00Z\" is"))),
        },
        _ => Err(Fault::Types),
    }),
    function("inst-ms", 1, 1, |args| Ok(Edn::Int(micros(&args[0])?.div_euclid(1000)))),
    function("time/micros", 1, 1, |args| Ok(Edn::Int(micros(&args[0])?))),
    function("time/year", 1, 1, |args| date(args, |date| date.year)),
    function("time/month", 1, 1, |args| date(args, |date| date.month)),
    function("time/day", 1, 1, |args| date(args, |date| date.day)),
    function("time/day-of-week", 1, 1, |args| date(args, |date| (date.days + 3).rem_euclid(7) + 1)),
    function("time/day-of-year", 1, 1, |args| date(args, |date| date.days - first_day(date.year * 12) + 1)),
    function("time/hour", 1, 1, |args| clock(args, HOUR, 24)),
    function("time/minute", 1, 1, |args| clock(args, MINUTE, 60)),
    function("time/second", 1, 1, |args| clock(args, SECOND, 60)),
    function("time/millisecond", 1, 1, |args| clock(args, 1000, 1000)),
    function("time/plus", 3, 3, |args| moved(args, 1)),
    function("time/minus", 3, 3, |args| moved(args, -1)),
    function("time/between", 3, 3, |args| {
        let (start, end) = (micros(&args[0])?, micros(&args[1])?);
        Ok(Edn::Int(match unit(&args[2])? {
            Unit::Micros(length) => {
                let apart = (i128::from(end) - i128::from(start)) / i128::from(length);
                i64::try_from(apart).map_err(|_| TOO_FAR)?
            }
            Unit::Months(length) => months_between(start, end) / length,
        }))
    }),
    function("time/truncate", 2, 2, |args| {
        let at = micros(&args[0])?;
        let start = match unit(&args[1])? {
            // 1970 began on a Thursday.
            Unit::Micros(WEEK) => i128::from(at) - i128::from((at - 4 * DAY % WEEK).rem_euclid(WEEK)),
            Unit::Micros(length) => i128::from(at) - i128::from(at.rem_euclid(length)),
            Unit::Months(length) => {
                let months = Date::of(at).months();
                i128::from(first_day(months - months.rem_euclid(length))) * i128::from(DAY)
            }
        };
        i64::try_from(start).map(Edn::Inst).map_err(|_| TOO_FAR)
    }),
];

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const WEEK: i64 = 7 * DAY;

const TOO_FAR: Fault = Fault::Number("the result lies outside of what an instant can be");

fn micros(edn: &Edn) -> Result<i64, Fault> {
    match edn {
        Edn::Inst(micros) => Ok(*micros),
        _ => Err(Fault::Types),
    }
}

/// A unit of time.
#[derive(Clone, Copy)]
enum Unit {
    /// So many microseconds.
    Micros(i64),
    /// So many months.
    Months(i64),
}

fn unit(edn: &Edn) -> Result<Unit, Fault> {
    let Edn::Keyword(name) = edn else { return Err(Fault::Types) };
    let name = name.as_str();
    Ok(match name.strip_suffix('s').unwrap_or(name) {
        "microsecond" => Unit::Micros(1),
        "millisecond" => Unit::Micros(1000),
        "second" => Unit::Micros(SECOND),
        "minute" => Unit::Micros(MINUTE),
        "hour" => Unit::Micros(HOUR),
        "day" => Unit::Micros(DAY),
        "week" => Unit::Micros(WEEK),
        "month" => Unit::Months(1),
        "quarter" => Unit::Months(3),
        "year" => Unit::Months(12),
        _ => {
            let units =
                ":microseconds :milliseconds :seconds :minutes :hours :days :weeks :months :quarters :years";
            return Err(Fault::Values(format!(":{name} is no unit; units are {units}")));
        }
    })
}

/// A day, in the calendar and since 1970.
struct Date {
    days: i64,
    year: i64,
    month: i64,
    day: i64,
}

impl Date {
    fn of(micros: i64) -> Date {
        let days = micros.div_euclid(DAY);
        let (year, month, day) = instant::date_of(days);
        Date { days, year, month: month.into(), day: day.into() }
    }

    /// Months since the year 0.
    fn months(&self) -> i64 {
        self.year * 12 + self.month - 1
    }
}

/// The first day of a month, since 1970.
fn first_day(months: i64) -> i64 {
    instant::days_of(months.div_euclid(12), months.rem_euclid(12) + 1, 1)
        .expect("every month has a first day")
}

fn date(args: &[Edn], part: fn(&Date) -> i64) -> Outcome {
    Ok(Edn::Int(part(&Date::of(micros(&args[0])?))))
}

fn clock(args: &[Edn], length: i64, count: i64) -> Outcome {
    Ok(Edn::Int(micros(&args[0])?.div_euclid(length).rem_euclid(count)))
}

fn moved(args: &[Edn], sign: i64) -> Outcome {
    let (at, unit) = (micros(&args[0])?, unit(&args[2])?);
    let Edn::Int(count) = args[1] else { return Err(Fault::Types) };
    let count = i128::from(count) * i128::from(sign);
    let moved = match unit {
        Unit::Micros(length) => i128::from(at) + count * i128::from(length),
        Unit::Months(length) => {
            let date = Date::of(at);
            let months = i128::from(date.months()) + count * i128::from(length);
            // Far more years than an instant can be away, and far fewer than overflow.
            let months = i64::try_from(months).ok().filter(|months| months.abs() < 1 << 24).ok_or(TOO_FAR)?;
            let length = first_day(months + 1) - first_day(months);
            let days = first_day(months) + date.day.min(length) - 1;
            i128::from(days) * i128::from(DAY) + i128::from(at.rem_euclid(DAY))
        }
    };
    i64::try_from(moved).map(Edn::Inst).map_err(|_| TOO_FAR)
}

/// How many whole months lie between; negative if the end is before the start.
fn months_between(start: i64, end: i64) -> i64 {
    let (from, to) = (Date::of(start), Date::of(end));
    let months = to.months() - from.months();
    let place = |date: &Date, at: i64| (date.day, at.rem_euclid(DAY));
    let side = place(&to, end).cmp(&place(&from, start)) as i64;
    // A month that is only begun does not count.
    if months > 0 && side < 0 {
        months - 1
    } else if months < 0 && side > 0 {
        months + 1
    } else {
        months
    }
}
