//! Values to text that reads back to the same values.
//!
//! One value, one text: doubles are written as shortly as they can be read back, instants with milliseconds unless
//! there is a rest, decimals with their scale, collections in their order. What has no text of its own is written as
//! its nearest: a 32-bit float (it reads back as a double), a name that no reader would accept (as it is).

use std::fmt::{self, Display, Formatter, Write};

use super::instant;
use super::literal::to_base64;
use super::token::character_name;
use super::value::Edn;

impl Display for Edn {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write(self, f)
    }
}

/// The text of a value over several lines, each as wide as `width` where its parts allow.
pub fn pretty(edn: &Edn, width: usize) -> String {
    let mut out = String::new();
    Pretty { width, out: &mut out }.value(edn, 0, 0).expect("a string takes all text");
    out
}

fn write(edn: &Edn, out: &mut dyn Write) -> fmt::Result {
    match edn {
        Edn::Nil => out.write_str("nil"),
        Edn::Bool(b) => write!(out, "{b}"),
        Edn::Int(n) => write!(out, "{n}"),
        Edn::BigInt(n) => write!(out, "{n}N"),
        Edn::Float(x) => float(x.0, |x, out| write!(out, "{:?}", x as f32), out),
        Edn::Double(x) => float(x.0, |x, out| write!(out, "{x:?}"), out),
        Edn::BigDec(d) => {
            let (digits, scale) = d.digits_and_scale();
            decimal(&digits.to_string(), scale, out)
        }
        Edn::Inst(micros) => write!(out, "#inst \"{}\"", instant::format(*micros)),
        Edn::Uuid(uuid) => write!(out, "#uuid \"{uuid}\""),
        Edn::Char(c) => character(*c, out),
        Edn::Keyword(k) => write!(out, "{k}"),
        Edn::Symbol(s) => write!(out, "{s}"),
        Edn::String(text) => string(text, out),
        Edn::Uri(text) => {
            out.write_str("#uri ")?;
            string(text, out)
        }
        Edn::Bytes(bytes) => write!(out, "#bytes \"{}\"", to_base64(bytes)),
        Edn::List(edns) => sequence("(", edns.iter(), ")", out),
        Edn::Vector(edns) => sequence("[", edns.iter(), "]", out),
        Edn::Set(edns) => sequence("#{", edns.iter(), "}", out),
        Edn::Map(pairs) => {
            out.write_char('{')?;
            for (i, (key, value)) in pairs.iter().enumerate() {
                out.write_str(if i == 0 { "" } else { ", " })?;
                write(key, out)?;
                out.write_char(' ')?;
                write(value, out)?;
            }
            out.write_char('}')
        }
        Edn::Tagged(tag, edn) => {
            write!(out, "#{tag} ")?;
            write(edn, out)
        }
    }
}

fn sequence<'e>(
    open: &str,
    edns: impl Iterator<Item = &'e Edn>,
    close: &str,
    out: &mut dyn Write,
) -> fmt::Result {
    out.write_str(open)?;
    for (i, edn) in edns.enumerate() {
        out.write_str(if i == 0 { "" } else { " " })?;
        write(edn, out)?;
    }
    out.write_str(close)
}

/// A float; `finite` writes those that have digits. Minus zero is zero.
fn float(x: f64, finite: fn(f64, &mut dyn Write) -> fmt::Result, out: &mut dyn Write) -> fmt::Result {
    if x.is_nan() {
        out.write_str("##NaN")
    } else if x.is_infinite() {
        out.write_str(if x > 0.0 { "##Inf" } else { "##-Inf" })
    } else {
        finite(if x == 0.0 { 0.0 } else { x }, out)
    }
}

/// How many zeros a decimal may have before its digits until it is written with an exponent.
const MOST_ZEROS: usize = 20;

/// A decimal: with a point if its scale is at hand, else with an exponent; both keep digits and scale.
fn decimal(digits: &str, scale: i64, out: &mut dyn Write) -> fmt::Result {
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", digits),
    };
    match usize::try_from(scale) {
        Ok(0) => write!(out, "{sign}{digits}M"),
        Ok(places) if places < digits.len() => {
            let (whole, fraction) = digits.split_at(digits.len() - places);
            write!(out, "{sign}{whole}.{fraction}M")
        }
        Ok(places) if places - digits.len() < MOST_ZEROS => write!(out, "{sign}0.{digits:0>places$}M"),
        _ => write!(out, "{sign}{digits}E{}M", -i128::from(scale)),
    }
}

fn character(c: char, out: &mut dyn Write) -> fmt::Result {
    match character_name(c) {
        Some(name) => write!(out, "\\{name}"),
        None if c.is_control() || c.is_whitespace() => write!(out, "\\u{:04x}", u32::from(c)),
        None => write!(out, "\\{c}"),
    }
}

fn string(text: &str, out: &mut dyn Write) -> fmt::Result {
    out.write_char('"')?;
    let mut plain = 0;
    for (at, c) in text.char_indices() {
        let short = match c {
            '"' => "\\\"",
            '\\' => "\\\\",
            '\n' => "\\n",
            '\t' => "\\t",
            '\r' => "\\r",
            '\x08' => "\\b",
            '\x0c' => "\\f",
            c if c.is_control() => "",
            _ => continue,
        };
        out.write_str(&text[plain..at])?;
        if short.is_empty() {
            write!(out, "\\u{:04x}", u32::from(c))?;
        } else {
            out.write_str(short)?;
        }
        plain = at + c.len_utf8();
    }
    out.write_str(&text[plain..])?;
    out.write_char('"')
}

struct Pretty<'o> {
    width: usize,
    out: &'o mut String,
}

impl Pretty<'_> {
    /// Writes a value at a column, leaving room for `after` closing brackets behind it.
    fn value(&mut self, edn: &Edn, column: usize, after: usize) -> fmt::Result {
        if let Some(text) = flat(edn, self.width.saturating_sub(column + after)) {
            self.out.push_str(&text);
            return Ok(());
        }
        match edn {
            Edn::List(edns) => self.rows("(", edns.iter(), ")", column, after),
            Edn::Vector(edns) => self.rows("[", edns.iter(), "]", column, after),
            Edn::Set(edns) => self.rows("#{", edns.iter(), "}", column, after),
            Edn::Map(pairs) => {
                self.out.push('{');
                for (i, (key, value)) in pairs.iter().enumerate() {
                    self.line(i, column + 1);
                    let begin = self.out.len();
                    self.value(key, column + 1, 0)?;
                    self.out.push(' ');
                    let line = self.out[begin..].rsplit('\n').next().map_or(0, |line| line.chars().count());
                    let broken = self.out[begin..].contains('\n');
                    let value_column = if broken { line } else { column + 1 + line };
                    let last = i + 1 == pairs.len();
                    self.value(value, value_column, if last { after + 1 } else { 0 })?;
                }
                self.out.push('}');
                Ok(())
            }
            Edn::Tagged(tag, edn) => {
                write!(self.out, "#{tag} ")?;
                self.value(edn, column + tag.as_str().chars().count() + 2, after)
            }
            atom => write(atom, self.out),
        }
    }

    fn rows<'e>(
        &mut self,
        open: &str,
        edns: impl ExactSizeIterator<Item = &'e Edn>,
        close: &str,
        column: usize,
        after: usize,
    ) -> fmt::Result {
        self.out.push_str(open);
        let last = edns.len().saturating_sub(1);
        for (i, edn) in edns.enumerate() {
            self.line(i, column + open.len());
            self.value(edn, column + open.len(), if i == last { after + 1 } else { 0 })?;
        }
        self.out.push_str(close);
        Ok(())
    }

    fn line(&mut self, i: usize, column: usize) {
        if i > 0 {
            self.out.push('\n');
            self.out.extend(std::iter::repeat_n(' ', column));
        }
    }
}

/// The text of a value if it has at most so many characters. Stops early if not.
fn flat(edn: &Edn, most: usize) -> Option<String> {
    struct Line {
        text: String,
        left: usize,
    }
    impl Write for Line {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.left = self.left.checked_sub(text.chars().count()).ok_or(fmt::Error)?;
            self.text.push_str(text);
            Ok(())
        }
    }
    let mut line = Line { text: String::new(), left: most };
    write(edn, &mut line).ok().map(|()| line.text)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use annals_storage::datom::{Decimal, Symbol};
    use bigdecimal::BigDecimal;
    use num_bigint::BigInt;
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::edn::value::Real;
    use crate::edn::{is_complete, read_one};

    fn decimal(digits: i64, scale: i64) -> Edn {
        Edn::BigDec(Arc::new(Decimal(BigDecimal::new(BigInt::from(digits), scale))))
    }

    #[test]
    fn each_type_has_its_text() {
        let table = [
            (Edn::Nil, "nil"),
            (Edn::double(1.0), "1.0"),
            (Edn::double(-0.0), "0.0"),
            (Edn::double(0.1), "0.1"),
            (Edn::double(1e300), "1e300"),
            (Edn::double(f64::NAN), "##NaN"),
            (Edn::double(f64::NEG_INFINITY), "##-Inf"),
            (Edn::Float(Real(f64::from(0.1_f32))), "0.1"),
            (decimal(150, 2), "1.50M"),
            (decimal(-5, 3), "-0.005M"),
            (decimal(0, 2), "0.00M"),
            (decimal(7, 0), "7M"),
            (decimal(7, -3), "7E3M"),
            (decimal(7, 100), "7E-100M"),
            (Edn::BigInt(Arc::new(BigInt::from(42))), "42N"),
            (Edn::Inst(1_514_764_800_000_000), "#inst \"2018-01-01T00:00:00.000-00:00\""),
            (Edn::Inst(1_514_764_800_000_001), "#inst \"2018-01-01T00:00:00.000001-00:00\""),
            (Edn::Char(' '), "\\space"),
            (Edn::Char('\u{a0}'), "\\u00a0"),
            (Edn::Char('('), "\\("),
            (Edn::string("a\"\\\n\u{1}ä"), "\"a\\\"\\\\\\n\\u0001ä\""),
            (Edn::Bytes(Arc::from(*b"foo")), "#bytes \"Zm9v\""),
            (Edn::Vector(vec![Edn::keyword("a/b"), Edn::List(vec![Edn::symbol("x")])]), "[:a/b (x)]"),
            (Edn::Map([(Edn::Int(1), Edn::Nil), (Edn::Int(2), Edn::Nil)].into()), "{1 nil, 2 nil}"),
            (Edn::Tagged(Symbol::new("a"), Box::new(Edn::Int(1))), "#a 1"),
        ];
        for (edn, text) in table {
            assert_eq!(edn.to_string(), text);
        }
    }

    #[test]
    fn wide_values_are_broken() {
        let edn =
            read_one("{:a [1 2 3] :long-key {:b \"some text\" :c [10 20 30]} :z #{}}").unwrap().to_edn();
        let expected = "{:a [1 2 3]\n :long-key {:b \"some text\"\n            :c [10 20 30]}\n :z #{}}";
        assert_eq!(pretty(&edn, 30), expected);
        assert_eq!(pretty(&edn, 200), edn.to_string());
        assert_eq!(pretty(&read_one("[1 2]").unwrap().to_edn(), 0), "[1\n 2]");
    }

    fn name() -> impl Strategy<Value = String> {
        let part = "[a-zA-Zäα*!_?$%&=<>|][a-zA-Z0-9ö*!_?$%&=<>.#'+-]{0,6}";
        prop_oneof![part, (part, part).prop_map(|(namespace, name)| format!("{namespace}/{name}"))]
            .prop_filter("reserved", |name| !matches!(name.as_str(), "nil" | "true" | "false"))
    }

    fn atom() -> impl Strategy<Value = Edn> {
        prop_oneof![
            Just(Edn::Nil),
            any::<bool>().prop_map(Edn::Bool),
            any::<i64>().prop_map(Edn::Int),
            any::<i128>().prop_map(|n| Edn::BigInt(Arc::new(BigInt::from(n)))),
            any::<u64>().prop_map(|bits| Edn::double(f64::from_bits(bits))),
            any::<f64>().prop_map(Edn::double),
            (any::<i64>(), -60_i64..60).prop_map(|(digits, scale)| decimal(digits, scale)),
            any::<i64>().prop_map(Edn::Inst),
            (-4_000_000_000_000_i64..4_000_000_000_000).prop_map(|ms| Edn::Inst(ms * 1000)),
            any::<u128>().prop_map(|bits| Edn::Uuid(Uuid::from_u128(bits))),
            any::<char>().prop_map(Edn::Char),
            (0_u8..128).prop_map(|c| Edn::Char(char::from(c))),
            name().prop_map(|name| Edn::keyword(&name)),
            name().prop_map(|name| Edn::symbol(&name)),
            any::<String>().prop_map(Edn::string),
            "[\\x00-\\x7f]{0,20}".prop_map(Edn::string),
            any::<String>().prop_map(|text| Edn::Uri(Arc::from(text))),
            proptest::collection::vec(any::<u8>(), 0..20).prop_map(|bytes| Edn::Bytes(Arc::from(bytes))),
        ]
    }

    pub(crate) fn value() -> impl Strategy<Value = Edn> {
        atom().prop_recursive(5, 60, 6, |inner| {
            let many = || proptest::collection::vec(inner.clone(), 0..6);
            prop_oneof![
                many().prop_map(Edn::List),
                many().prop_map(Edn::Vector),
                many().prop_map(|edns| Edn::Set(edns.into_iter().collect())),
                proptest::collection::vec((inner.clone(), inner.clone()), 0..6)
                    .prop_map(|pairs| Edn::Map(pairs.into_iter().collect())),
                // A tag of ours would read as its meaning.
                (name(), inner.clone()).prop_map(|(tag, edn)| Edn::Tagged(
                    Symbol::new(&format!("my/{}", tag.replace('/', "."))),
                    Box::new(edn)
                )),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn every_value_reads_back(edn in value()) {
            let text = edn.to_string();
            prop_assert_eq!(read_one(&text).map(|form| form.to_edn()), Ok(edn), "{}", text);
        }

        #[test]
        fn a_pretty_value_reads_back(edn in value(), width in 0_usize..100) {
            let text = pretty(&edn, width);
            prop_assert_eq!(read_one(&text).map(|form| form.to_edn()), Ok(edn), "{}", text);
        }

        #[test]
        fn a_value_cut_off_never_reads_as_broken(edn in value()) {
            let text = format!("[{edn}]");
            // Cut after a bracket or blank: inside of a word the part before may be another word, or none.
            for (at, c) in text.char_indices().skip(1) {
                if c == ' ' && text[..at].ends_with(['[', '(', '{']) {
                    prop_assert_ne!(is_complete(&text[..at]), crate::edn::Completeness::Complete);
                }
            }
        }
    }
}
