//! `format`: values into a text, by the conversions of Clojure's `format` that do not depend on a language or a place.
//!
//! `%[-0+,][width][.precision]` and one of `s` (anything, as `str` shows it; the precision cuts), `d` (integers), `x` (longs
//! in base 16), `f` (numbers with a point; six digits after it unless the precision says otherwise, half away from zero),
//! `b` (true unless nil or false), or `%%` and `%n` alone.

use bigdecimal::{BigDecimal, RoundingMode};
use num_traits::Zero;

use crate::edn::{Edn, Real};

use super::text::{Text, plain, text};
use super::{Fault, Outcome, holds};

/// The most a width or a precision may be.
const WIDTH_MAX: usize = 1000;

/// What stands between `%` and the letter.
#[derive(Default)]
struct Shape {
    left: bool,
    zeros: bool,
    plus: bool,
    commas: bool,
    width: usize,
    precision: Option<usize>,
}

pub(super) fn format(args: &[Edn]) -> Outcome {
    let mut values = args[1..].iter();
    let mut made = Text::default();
    let mut rest = text(&args[0])?;
    while let Some(at) = rest.find('%') {
        made.push(&rest[..at])?;
        let (shape, conversion, after) = shape(&rest[at + 1..])?;
        rest = after;
        let shown = match conversion {
            '%' => "%".to_owned(),
            'n' => "\n".to_owned(),
            _ => {
                let missing = || Fault::Values(format!("there is no value for %{conversion}"));
                shape.show(conversion, values.next().ok_or_else(missing)?)?
            }
        };
        made.push(&shape.padded(shown, conversion))?;
    }
    made.push(rest)?;
    Ok(made.finish())
}

/// The shape at the beginning of a text, its letter, and what comes after.
fn shape(text: &str) -> Result<(Shape, char, &str), Fault> {
    let wrong =
        || Fault::Values("after % stand flags (-0+,), a width, .precision, and one of sdxfbn%".into());
    let after_flags = text.trim_start_matches(['-', '0', '+', ',']);
    let flags = &text[..text.len() - after_flags.len()];
    let (width, after) = number(after_flags)?;
    let (precision, after) = match after.strip_prefix('.') {
        Some(digits) => number(digits).and_then(|(n, after)| Ok((Some(n.ok_or_else(wrong)?), after)))?,
        None => (None, after),
    };
    let conversion = after.chars().next().filter(|c| "sdxfbn%".contains(*c)).ok_or_else(wrong)?;
    let shape = Shape {
        left: flags.contains('-'),
        zeros: flags.contains('0'),
        plus: flags.contains('+'),
        commas: flags.contains(','),
        width: width.unwrap_or(0),
        precision,
    };
    Ok((shape, conversion, &after[1..]))
}

fn number(text: &str) -> Result<(Option<usize>, &str), Fault> {
    let after = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = &text[..text.len() - after.len()];
    if digits.is_empty() {
        return Ok((None, after));
    }
    let number = digits.parse().ok().filter(|n| *n <= WIDTH_MAX);
    let too_wide = || Fault::Values(format!("a width or precision is at most {WIDTH_MAX}"));
    Ok((Some(number.ok_or_else(too_wide)?), after))
}

impl Shape {
    fn show(&self, conversion: char, value: &Edn) -> Result<String, Fault> {
        Ok(match (conversion, value) {
            ('s', value) => {
                let shown = if *value == Edn::Nil { "null".to_owned() } else { plain(value)? };
                match self.precision {
                    Some(most) => shown.chars().take(most).collect(),
                    None => shown,
                }
            }
            ('b', value) => holds(value).to_string(),
            ('d', Edn::Int(n)) => self.signed(&n.to_string()),
            ('d', Edn::BigInt(n)) => self.signed(&n.to_string()),
            ('x', Edn::Int(n)) => format!("{n:x}"),
            ('f', Edn::Float(Real(x)) | Edn::Double(Real(x))) => {
                // The fewest digits that tell the number, as it is printed.
                let digits = x.is_finite().then(|| x.to_string().parse().ok()).flatten();
                match digits {
                    Some(digits) => self.signed(&self.rounded(&digits)),
                    None => Edn::double(*x).to_string().trim_start_matches("##").to_owned(),
                }
            }
            ('f', Edn::BigDec(d)) if d.0.fractional_digit_count().unsigned_abs() <= 4 * WIDTH_MAX as u64 => {
                self.signed(&self.rounded(&d.0))
            }
            _ => return Err(Fault::Types),
        })
    }

    fn rounded(&self, number: &BigDecimal) -> String {
        let digits = self.precision.unwrap_or(6) as i64;
        let rounded = number.with_scale_round(digits, RoundingMode::HalfUp);
        if rounded.is_zero() && digits > 0 {
            return format!("0.{}", "0".repeat(digits as usize));
        }
        rounded.to_plain_string()
    }

    /// With its sign, and commas between thousands if they are wanted.
    fn signed(&self, number: &str) -> String {
        let (sign, digits) = match number.strip_prefix('-') {
            Some(digits) => ("-", digits),
            None => (if self.plus { "+" } else { "" }, number),
        };
        if !self.commas {
            return format!("{sign}{digits}");
        }
        let (whole, fraction) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
        let mut made = sign.to_owned();
        for (at, digit) in whole.chars().enumerate() {
            if at > 0 && (whole.len() - at).is_multiple_of(3) {
                made.push(',');
            }
            made.push(digit);
        }
        made + fraction
    }

    fn padded(&self, shown: String, conversion: char) -> String {
        let missing = self.width.saturating_sub(shown.chars().count());
        if self.left {
            return shown + &" ".repeat(missing);
        }
        if self.zeros && "dxf".contains(conversion) {
            let (sign, digits) = shown.split_at(usize::from(shown.starts_with(['-', '+'])));
            return format!("{sign}{}{digits}", "0".repeat(missing));
        }
        " ".repeat(missing) + &shown
    }
}

/// A float as `str` shows it, which is as Java does: plain from a thousandth up to ten million, else with an exponent.
pub(super) fn shown(x: f64, plain: &str, scientific: &str) -> String {
    if x.is_nan() {
        return "NaN".to_owned();
    }
    if x.is_infinite() {
        return if x > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    if x == 0.0 {
        return "0.0".to_owned();
    }
    if (1e-3..1e7).contains(&x.abs()) {
        return plain.to_owned();
    }
    let (digits, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    format!("{digits}{}E{exponent}", if digits.contains('.') { "" } else { ".0" })
}
