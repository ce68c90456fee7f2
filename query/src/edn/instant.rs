//! Instants as text: the forms Clojure reads after `#inst`, from a year alone to fractions of a second and an offset.
//!
//! An instant is microseconds since 1970. Digits beyond microseconds are dropped. Years outside 0000 to 9999 are
//! written, and read, with a sign and as many digits as they need. The calendar is jiff's; years it does not reach
//! are moved by whole cycles of 400 years, in which the calendar repeats.

use jiff::civil::Date;
use nom::bytes::complete::{take_while_m_n, take_while1};
use nom::character::complete::char as mark;
use nom::combinator::opt;
use nom::sequence::preceded;
use nom::{IResult, Parser};

const SECOND: i128 = 1_000_000;
const DAY: i128 = 86_400 * SECOND;
/// 400 years.
const CYCLE_YEARS: i64 = 400;
const CYCLE_DAYS: i64 = 146_097;

/// The microseconds of an instant's text; `None` if it is not one.
pub fn parse(text: &str) -> Option<i64> {
    let (rest, year) = year(text).ok()?;
    let (rest, parts) = parts(rest).ok()?;
    let [month, day, hour, minute, second] = parts.numbers;
    let days = days_of(year, month.unwrap_or(1), day.unwrap_or(1))?;
    let [hour, minute, second] = [hour, minute, second].map(|part| part.unwrap_or(0));
    // A leap second stands at the end of a minute and means the first moment of the next.
    if hour > 23 || minute > 59 || second > if minute == 59 { 60 } else { 59 } {
        return None;
    }
    let offset = offset(rest)?;
    let seconds = i128::from((hour * 60 + minute) * 60 + second);
    let micros =
        i128::from(days) * DAY + (seconds - i128::from(offset) * 60) * SECOND + i128::from(parts.micros);
    i64::try_from(micros).ok()
}

/// An instant's text: milliseconds, or microseconds if there is a rest.
pub fn format(micros: i64) -> String {
    let (days, rest) = (micros.div_euclid(DAY as i64), micros.rem_euclid(DAY as i64));
    let (year, month, day) = date_of(days);
    let year = if (0..=9999).contains(&year) { format!("{year:04}") } else { format!("{year:+05}") };
    let (seconds, fraction) = (rest / SECOND as i64, rest % SECOND as i64);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let fraction =
        if fraction % 1000 == 0 { format!("{:03}", fraction / 1000) } else { format!("{fraction:06}") };
    format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction}-00:00")
}

/// The parts behind the year; one can only be there if all before it are.
#[derive(Default)]
struct Parts {
    /// Month, day, hour, minute, second.
    numbers: [Option<i64>; 5],
    micros: i64,
}

fn digits(count: usize) -> impl Fn(&str) -> IResult<&str, i64> {
    move |input| {
        let (rest, text) = take_while_m_n(count, count, |c: char| c.is_ascii_digit())(input)?;
        Ok((rest, text.parse().expect("a few digits are a number")))
    }
}

fn year(input: &str) -> IResult<&str, i64> {
    let Some(unsigned) = input.strip_prefix(['+', '-']) else { return digits(4)(input) };
    let (rest, text) = take_while_m_n(4, 6, |c: char| c.is_ascii_digit())(unsigned)?;
    let year: i64 = text.parse().expect("a few digits are a number");
    Ok((rest, if input.starts_with('-') { -year } else { year }))
}

fn parts(input: &str) -> IResult<&str, Parts> {
    let mut parts = Parts::default();
    let mut rest = input;
    for (part, before) in parts.numbers.iter_mut().zip(['-', '-', 'T', ':', ':']) {
        // An offset after the year alone looks like a month until its colon: `2018-01:00`.
        let ambiguous = before == '-' && rest.as_bytes().get(3) == Some(&b':');
        let (after, number) =
            if ambiguous { (rest, None) } else { opt(preceded(mark(before), digits(2))).parse(rest)? };
        if number.is_none() {
            return Ok((rest, parts));
        }
        (rest, *part) = (after, number);
    }
    let (rest, fraction) = opt(preceded(mark('.'), take_while1(|c: char| c.is_ascii_digit()))).parse(rest)?;
    if let Some(fraction) = fraction {
        parts.micros = fraction.bytes().chain([b'0'; 6]).take(6).fold(0, |n, b| n * 10 + i64::from(b - b'0'));
    }
    Ok((rest, parts))
}

/// Minutes east of Greenwich.
fn offset(input: &str) -> Option<i64> {
    if matches!(input, "" | "Z") {
        return Some(0);
    }
    let unsigned = input.strip_prefix(['+', '-'])?;
    let (rest, hours) = digits(2)(unsigned).ok()?;
    let (rest, minutes) = digits(2)(rest.strip_prefix(':')?).ok()?;
    if !rest.is_empty() || hours > 23 || minutes > 59 {
        return None;
    }
    let minutes = hours * 60 + minutes;
    Some(if input.starts_with('-') { -minutes } else { minutes })
}

/// Days from 1970-01-01 to a date; `None` if there is no such day.
pub(crate) fn days_of(year: i64, month: i64, day: i64) -> Option<i64> {
    let (cycles, year) = (year.div_euclid(CYCLE_YEARS), year.rem_euclid(CYCLE_YEARS));
    let date =
        Date::new(i16::try_from(year + 1600).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?)
            .ok()?;
    Some(days_since_epoch(date) + (cycles - 4) * CYCLE_DAYS)
}

/// The date so many days after 1970-01-01.
pub(crate) fn date_of(days: i64) -> (i64, i8, i8) {
    let (cycles, day) = (days.div_euclid(CYCLE_DAYS), days.rem_euclid(CYCLE_DAYS));
    let span = jiff::Span::new().days(day);
    let date = epoch().checked_add(span).expect("within 400 years after 1970");
    (i64::from(date.year()) + cycles * CYCLE_YEARS, date.month(), date.day())
}

fn epoch() -> Date {
    jiff::civil::date(1970, 1, 1)
}

fn days_since_epoch(date: Date) -> i64 {
    i64::from(date.since(epoch()).expect("dates of one calendar").get_days())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_partial_form_is_read() {
        let table = [
            ("1970", 0),
            ("1970-01", 0),
            ("1970-02", 31 * 86_400_000_000),
            ("1970-01-02", 86_400_000_000),
            ("1970-01-01T01", 3_600_000_000),
            ("1970-01-01T00:01", 60_000_000),
            ("1970-01-01T00:00:01", 1_000_000),
            ("1970-01-01T00:00:00.1", 100_000),
            ("1970-01-01T00:00:00.123456789", 123_456),
            ("1970-01-01T00:00:00Z", 0),
            ("1970Z", 0),
            ("1970-01:00", 3_600_000_000),
            ("1970-01-01+01:00", -3_600_000_000),
            ("1970-01-01T00:00:00.000-00:30", 1_800_000_000),
            ("1969-12-31T23:59:60Z", 0),
            ("2000-02-29T00:00:00Z", 951_782_400_000_000),
            ("2018-01-01T00:00:00.000-00:00", 1_514_764_800_000_000),
            ("0000-01-01", -62_167_219_200_000_000),
            ("-0001-12-31", -62_167_305_600_000_000),
        ];
        for (text, micros) in table {
            assert_eq!(parse(text), Some(micros), "{text}");
        }
    }

    #[test]
    fn what_is_no_instant_is_refused() {
        let wrong = [
            "",
            "70",
            "197",
            "19700",
            "1970-",
            "1970-1",
            "1970-13",
            "1970-00",
            "1970-02-30",
            "1900-02-29",
            "1970-01-00",
            "1970-01-01T",
            "1970-01-01T24",
            "1970-01-01T00:60",
            "1970-01-01T00:00:61",
            "1970-01-01T00:00:60",
            "1970-01-01T00:00:00.",
            "1970-01-01T00:00:00z",
            "1970-01-01T00:00:00+1",
            "1970-01-01T00:00:00+24:00",
            "1970-01-01T00:00:00+00:60",
            "1970-01-01 00:00",
            "1970-01-01Z ",
            "+1970000-01-01",
            "+300000-01-01",
            "١٩٧٠",
        ];
        for text in wrong {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn milliseconds_unless_there_is_a_rest() {
        assert_eq!(format(0), "1970-01-01T00:00:00.000-00:00");
        assert_eq!(format(1_000), "1970-01-01T00:00:00.001-00:00");
        assert_eq!(format(-1), "1969-12-31T23:59:59.999999-00:00");
        assert_eq!(format(253_402_300_800_000_000), "+10000-01-01T00:00:00.000-00:00");
    }

    proptest! {
        #[test]
        fn every_instant_reads_back(micros: i64) {
            prop_assert_eq!(parse(&format(micros)), Some(micros));
        }

        #[test]
        fn the_calendar_is_the_common_one(seconds in -60_000_000_000_i64..250_000_000_000) {
            let stamp = jiff::Timestamp::from_second(seconds).expect("inside jiff's range");
            let text = stamp.strftime("%Y-%m-%dT%H:%M:%S.000-00:00").to_string();
            prop_assert_eq!(format(seconds * 1_000_000), text);
        }
    }
}
