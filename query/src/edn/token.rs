//! Atoms: symbols, keywords, numbers, characters, strings.
//!
//! The rules are those of the EDN specification, read as Clojure's reader reads them, except that names hold at most
//! one dividing slash, numbers have no leading zeros, and what would lose its value (a double beyond all doubles, a
//! lone surrogate) is refused. Hexadecimal, octal and radix integers and ratios are Clojure, not EDN.

use std::str::FromStr;
use std::sync::Arc;

use annals_storage::datom::{Decimal, Symbol};
use bigdecimal::BigDecimal;
use nom::bytes::complete::{take_till, take_while};
use nom::character::complete::digit0;
use num_bigint::BigInt;

use super::read::{Context, Fault, Step, refuse, syntax};
use super::value::Edn;
use crate::error::{Error, Result};

/// How many digits an integer or decimal may have, and how far a decimal's point may be away.
const MAX_DIGITS: usize = 10_000;

/// Anything without parts.
pub(super) fn atom<'a>(cx: &mut Context, input: &'a str) -> Step<'a, Edn> {
    match input.as_bytes() {
        [b'"', ..] => string(cx, input),
        [b'\\', ..] => character(cx, input),
        [b':', ..] => {
            let (rest, text) = word(&input[1..])?;
            match keyword_fault(text) {
                None => Ok((rest, Edn::Keyword(cx.keyword(text)))),
                Some(why) => {
                    let error = syntax(format!("`:{text}` is not a keyword: {why}"));
                    refuse(error.at(cx.span(input, rest)))
                }
            }
        }
        [b'0'..=b'9', ..] | [b'+' | b'-' | b'.', b'0'..=b'9', ..] | [b'+' | b'-', b'.', b'0'..=b'9', ..] => {
            let (rest, text) = word(input)?;
            match number(text) {
                Ok(edn) => Ok((rest, edn)),
                Err(error) => refuse(error.at(cx.span(input, rest))),
            }
        }
        _ => symbol(cx, input),
    }
}

/// A run of characters up to a blank or a delimiter.
fn word(input: &str) -> Step<'_, &str> {
    take_till(ends_word)(input)
}

fn ends_word(c: char) -> bool {
    match c {
        '(' | ')' | '[' | ']' | '{' | '}' | '"' | ';' | '\\' | ',' | '^' | '`' | '~' | '@' => true,
        c if c.is_ascii() => c <= ' ' || c == '\x7f',
        // A byte order mark: at the beginning of a text it is none of it, so no word can begin with one.
        '\u{feff}' => true,
        c => c.is_whitespace() || c.is_control(),
    }
}

fn symbol<'a>(cx: &mut Context, input: &'a str) -> Step<'a, Edn> {
    let (rest, text) = word(input)?;
    match text {
        "nil" => return Ok((rest, Edn::Nil)),
        "true" => return Ok((rest, Edn::Bool(true))),
        "false" => return Ok((rest, Edn::Bool(false))),
        "" => {
            let c = input.chars().next().map_or(String::new(), |c| c.escape_default().collect());
            let error = syntax(format!("`{c}` means nothing in EDN")).at(cx.here(input));
            return refuse(match c.as_str() {
                "^" => error.hint("EDN has no metadata"),
                "`" | "~" | "@" => error.hint("EDN has no quoting: write the data itself"),
                _ => error,
            });
        }
        _ => {}
    }
    if text.starts_with('\'') {
        let error = syntax("EDN has no quote").hint("write the data itself, without `'`");
        return refuse(error.at(cx.here(input)));
    }
    match name_fault(text) {
        None => Ok((rest, Edn::Symbol(Symbol::new(text)))),
        Some(why) => refuse(syntax(format!("`{text}` is not a symbol: {why}")).at(cx.span(input, rest))),
    }
}

/// The tag behind a `#`.
pub(super) fn tag<'a>(cx: &mut Context, input: &'a str) -> Step<'a, Symbol> {
    let (rest, text) = word(input)?;
    match name_fault(text) {
        None => Ok((rest, Symbol::new(text))),
        Some(why) => refuse(syntax(format!("`#{text}` is not a tag: {why}")).at(cx.span(input, rest))),
    }
}

/// `#:namespace`; gives the namespace.
pub(super) fn map_namespace<'a>(cx: &mut Context, input: &'a str) -> Step<'a, &'a str> {
    let (rest, text) = word(&input[2..])?;
    match name_fault(text) {
        None if !text.contains('/') => Ok((rest, text)),
        _ => refuse(syntax(format!("`#:{text}` does not name a namespace")).at(cx.span(input, rest))),
    }
}

/// `##Inf`, `##-Inf`, `##NaN`
pub(super) fn symbolic_number<'a>(cx: &mut Context, input: &'a str) -> Step<'a, Edn> {
    let (rest, name) = word(&input[2..])?;
    let x = match name {
        "Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        "NaN" => f64::NAN,
        _ => {
            let error = syntax(format!("`##{name}` is not a number")).hint("write ##Inf, ##-Inf or ##NaN");
            return refuse(error.at(cx.span(input, rest)));
        }
    };
    Ok((rest, Edn::double(x)))
}

fn keyword_fault(text: &str) -> Option<&'static str> {
    match text.as_bytes() {
        [] => Some("it has no name"),
        [b'/'] => Some("it has no name"),
        [b':', ..] => Some("`::` is Clojure, not EDN"),
        // A keyword's name may begin with a digit if it has no namespace.
        [b'0'..=b'9', ..] if !text.contains('/') => colon_fault(text),
        _ => name_fault(text),
    }
}

/// Why a text is not the name of a symbol.
fn name_fault(text: &str) -> Option<&'static str> {
    if text == "/" {
        return None;
    }
    let bytes = text.as_bytes();
    match bytes.first() {
        Some(b'0'..=b'9') => return Some("it begins with a digit"),
        Some(b'#' | b':' | b'\'') => return Some("it begins with a mark that no name begins with"),
        _ => {}
    }
    if let Some(slash) = bytes.iter().position(|&b| b == b'/') {
        let name = &bytes[slash + 1..];
        match name {
            _ if slash == 0 => return Some("nothing stands before the slash"),
            [] => return Some("nothing stands behind the slash"),
            [b'0'..=b'9', ..] => return Some("the part behind the slash begins with a digit"),
            _ if name != b"/" && name.contains(&b'/') => return Some("it has more than one slash"),
            _ => {}
        }
    }
    colon_fault(text)
}

fn colon_fault(text: &str) -> Option<&'static str> {
    if text.ends_with(':') || text.contains(":/") {
        Some("a part ends with a colon")
    } else if text.contains("::") {
        Some("two colons stand together")
    } else {
        None
    }
}

/// A number from a word that begins as one.
fn number(text: &str) -> Result<Edn> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let digits = unsigned.bytes().take_while(u8::is_ascii_digit).count();
    if digits > 1 && unsigned.starts_with('0') {
        return Err(bad_number(text).hint("numbers have no leading zeros"));
    }
    match &unsigned[digits..] {
        "" if digits > 0 => match text.parse() {
            Ok(n) => Ok(Edn::Int(n)),
            Err(_) => big_integer(text),
        },
        "N" if digits > 0 => big_integer(&text[..text.len() - 1]),
        rest if rest.starts_with('/') => Err(ratio(text)),
        "" => Err(bad_number(text)),
        rest if rest.starts_with('.') && digits == 0 => {
            Err(bad_number(text).hint("a digit stands before the point: 0.5"))
        }
        rest if is_fraction(rest) => inexact(text),
        rest if rest.starts_with(['x', 'X', 'r', 'R']) => {
            Err(bad_number(text).hint("EDN integers are decimal"))
        }
        _ => Err(bad_number(text)),
    }
}

/// True for what may follow the digits of a decimal or double: `.5`, `.`, `e-3`, `.5e3M`, `M`.
fn is_fraction(text: &str) -> bool {
    fn parts(text: &str) -> Step<'_, bool> {
        let (rest, _) = match text.strip_prefix('.') {
            Some(rest) => digit0(rest)?,
            None => (text, ""),
        };
        let Some(exponent) = rest.strip_prefix(['e', 'E']) else { return Ok((rest, true)) };
        let (rest, digits) = digit0(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))?;
        Ok((rest, !digits.is_empty()))
    }
    matches!(parts(text), Ok(("" | "M", true)))
}

fn big_integer(text: &str) -> Result<Edn> {
    if text.len() > MAX_DIGITS {
        return Err(too_long(text));
    }
    let n = BigInt::from_str(text).map_err(|_| bad_number(text))?;
    Ok(Edn::BigInt(Arc::new(n)))
}

fn inexact(text: &str) -> Result<Edn> {
    let Some(decimal) = text.strip_suffix('M') else {
        let x: f64 = text.parse().map_err(|_| bad_number(text))?;
        if x.is_infinite() {
            return Err(
                bad_number(text).hint("it is too large for a double; write ##Inf, or a decimal with M")
            );
        }
        return Ok(Edn::double(x));
    };
    if decimal.len() > MAX_DIGITS {
        return Err(too_long(text));
    }
    let number = BigDecimal::from_str(decimal).map_err(|_| bad_number(text))?;
    let (_, scale) = number.as_bigint_and_exponent();
    if scale.unsigned_abs() > MAX_DIGITS as u64 {
        return Err(bad_number(text).hint(format!("the exponent of a decimal is at most {MAX_DIGITS}")));
    }
    Ok(Edn::BigDec(Arc::new(Decimal(number))))
}

fn ratio(text: &str) -> Error {
    Error::incorrect("db.error/ratio", format!("`{}` is a ratio; Annals has no ratios", shortened(text)))
        .hint("write a decimal (0.5M) or a double (0.5)")
}

fn bad_number(text: &str) -> Error {
    syntax(format!("`{}` is not a number", shortened(text)))
}

fn too_long(text: &str) -> Error {
    syntax(format!("the number `{}` has more than {MAX_DIGITS} digits", shortened(text)))
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= 40 { text.to_owned() } else { text.chars().take(39).chain(['…']).collect() }
}

/// The character of a name behind a backslash.
const NAMED_CHARACTERS: [(&str, char); 6] = [
    ("newline", '\n'),
    ("return", '\r'),
    ("space", ' '),
    ("tab", '\t'),
    ("formfeed", '\x0c'),
    ("backspace", '\x08'),
];

/// The name that a character is written with, if it has one.
pub(super) fn character_name(c: char) -> Option<&'static str> {
    NAMED_CHARACTERS.iter().find(|(_, named)| *named == c).map(|(name, _)| *name)
}

fn character<'a>(cx: &mut Context, input: &'a str) -> Step<'a, Edn> {
    let after = &input[1..];
    let Some(first) = after.chars().next().filter(|c| !c.is_whitespace()) else {
        let error = syntax("a backslash stands before nothing").hint("write \\space or \\newline");
        return refuse(error.at(cx.here(input)));
    };
    let (rest, tail) = word(&after[first.len_utf8()..])?;
    let name = &after[..first.len_utf8() + tail.len()];
    let c = if tail.is_empty() {
        Some(first)
    } else if let Some((_, c)) = NAMED_CHARACTERS.iter().find(|(named, _)| *named == name) {
        Some(*c)
    } else if first == 'u' && tail.len() == 4 {
        hex(tail).and_then(char::from_u32)
    } else if first == 'o' && tail.len() <= 3 && tail.bytes().all(|b| (b'0'..b'8').contains(&b)) {
        u32::from_str_radix(tail, 8).ok().filter(|&code| code < 256).and_then(char::from_u32)
    } else {
        None
    };
    match c {
        Some(c) => Ok((rest, Edn::Char(c))),
        None => {
            let error = syntax(format!("`\\{}` is not a character", shortened(name)));
            let error = error.hint("write \\a, \\newline, \\return, \\space, \\tab or \\u0041");
            refuse(error.at(cx.span(input, rest)))
        }
    }
}

fn hex(digits: &str) -> Option<u32> {
    digits.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok()).flatten()
}

fn string<'a>(cx: &mut Context, input: &'a str) -> Step<'a, Edn> {
    let body = &input[1..];
    let (rest, plain) = plain_text(body)?;
    if let Some(rest) = rest.strip_prefix('"') {
        return Ok((rest, Edn::string(plain)));
    }
    let mut text = plain.to_owned();
    let mut rest = rest;
    loop {
        if let Some(rest) = rest.strip_prefix('"') {
            return Ok((rest, Edn::string(text)));
        }
        if rest.len() < 2 {
            let error = syntax("the string is never closed").hint("add `\"`");
            return Err(Fault::incomplete(error.at(cx.here(input))));
        }
        let (after, c) = escape(cx, rest)?;
        text.push(c);
        let (after, plain) = plain_text(after)?;
        text.push_str(plain);
        rest = after;
    }
}

/// The part of a string up to its end or the next escape.
fn plain_text(input: &str) -> Step<'_, &str> {
    let end = input.bytes().position(|b| b == b'"' || b == b'\\').unwrap_or(input.len());
    Ok((&input[end..], &input[..end]))
}

/// One escape of a string; `input` begins with its backslash and has more.
fn escape<'a>(cx: &mut Context, input: &'a str) -> Step<'a, char> {
    let mark = input[1..].chars().next().expect("the caller saw more than the backslash");
    let rest = &input[1 + mark.len_utf8()..];
    let plain = match mark {
        't' => Some('\t'),
        'r' => Some('\r'),
        'n' => Some('\n'),
        'b' => Some('\x08'),
        'f' => Some('\x0c'),
        '\\' | '"' => Some(mark),
        _ => None,
    };
    if let Some(c) = plain {
        return Ok((rest, c));
    }
    match mark {
        'u' => unicode_escape(cx, input),
        '0'..='7' => {
            let (_, digits) = take_while(|c: char| ('0'..='7').contains(&c))(&input[1..])?;
            let digits = &digits[..digits.len().min(3)];
            match u32::from_str_radix(digits, 8).ok().filter(|&code| code < 256).and_then(char::from_u32) {
                Some(c) => Ok((&input[1 + digits.len()..], c)),
                None => refuse(syntax(format!("`\\{digits}` is beyond \\377")).at(cx.here(input))),
            }
        }
        _ => {
            let error = syntax(format!("`\\{}` is not an escape", mark.escape_default()));
            let error = error.hint("a string has \\\\ \\\" \\n \\t \\r \\b \\f and \\u0041");
            refuse(error.at(cx.span(input, rest)))
        }
    }
}

/// `\u0041`, or two of them that make one character beyond 16 bits.
fn unicode_escape<'a>(cx: &mut Context, input: &'a str) -> Step<'a, char> {
    let unit = |text: &str| text.strip_prefix("\\u").and_then(|text| text.get(..4)).and_then(hex);
    let Some(first) = unit(input) else {
        let end = input.char_indices().nth(6).map_or(input.len(), |(at, _)| at);
        let error = syntax("`\\u` needs four hexadecimal digits").at(cx.span(input, &input[end..]));
        return refuse(error);
    };
    let rest = &input[6..];
    if let Some(c) = char::from_u32(first) {
        return Ok((rest, c));
    }
    let pair = unit(rest).and_then(|second| {
        let units = [u16::try_from(first).ok()?, u16::try_from(second).ok()?];
        char::decode_utf16(units).next()?.ok()
    });
    match pair {
        Some(c) => Ok((&rest[6..], c)),
        None => refuse(syntax("half of a surrogate pair is not a character").at(cx.span(input, rest))),
    }
}

#[cfg(test)]
mod tests {
    use crate::edn::{Edn, read_one};
    use num_bigint::BigInt;
    use std::sync::Arc;

    fn read(text: &str) -> Edn {
        read_one(text).unwrap_or_else(|error| panic!("{text}: {error}")).to_edn()
    }

    fn big(n: i128) -> Edn {
        Edn::BigInt(Arc::new(BigInt::from(n)))
    }

    #[test]
    fn numbers() {
        let table = [
            ("0", Edn::Int(0)),
            ("-0", Edn::Int(0)),
            ("+7", Edn::Int(7)),
            ("-42", Edn::Int(-42)),
            ("9223372036854775807", Edn::Int(i64::MAX)),
            ("-9223372036854775808", Edn::Int(i64::MIN)),
            ("9223372036854775808", big(i128::from(i64::MAX) + 1)),
            ("42N", big(42)),
            ("-0N", big(0)),
            ("+5N", big(5)),
            ("1.0", Edn::double(1.0)),
            ("1.", Edn::double(1.0)),
            ("-1.5e3", Edn::double(-1500.0)),
            ("1e3", Edn::double(1000.0)),
            ("1E-3", Edn::double(0.001)),
            ("0.1e+2", Edn::double(10.0)),
            ("1e-400", Edn::double(0.0)),
            ("##Inf", Edn::double(f64::INFINITY)),
            ("##-Inf", Edn::double(f64::NEG_INFINITY)),
            ("##NaN", Edn::double(f64::NAN)),
        ];
        for (text, edn) in table {
            assert_eq!(read(text), edn, "{text}");
        }
        for (text, digits, scale) in [
            ("1M", 1, 0),
            ("1.50M", 150, 2),
            ("-0.5M", -5, 1),
            ("1.M", 1, 0),
            ("12e3M", 12, -3),
            ("1.5E-3M", 15, 4),
        ] {
            let Edn::BigDec(decimal) = read(text) else { panic!("{text}") };
            assert_eq!(
                decimal.digits_and_scale(),
                (std::borrow::Cow::Owned(BigInt::from(digits)), scale),
                "{text}"
            );
        }
    }

    #[test]
    fn names() {
        let symbols = [
            "a", "a/b", "/", "+", "-", "->", "...", ".", "-a", "+.a", ".a", "a#", "a'", "a:b", "?x", "$",
            "$a", "%", "_", "*", "!=", "<=", "a.b/c.d", "a//", "ä/ö", "名", "nilly", "true?", "&", "a|b",
            "=",
        ];
        for text in symbols {
            assert_eq!(read(text), Edn::symbol(text), "{text}");
        }
        let keywords =
            [":a", ":a/b", ":a.b/c", ":1", ":1a", ":a:b", ":-", ":_", ":a/_b", ":+", ":a#b", ":ä", ":a//"];
        for text in keywords {
            assert_eq!(read(text), Edn::keyword(&text[1..]), "{text}");
        }
        assert_eq!((read("nil"), read("true"), read("false")), (Edn::Nil, Edn::Bool(true), Edn::Bool(false)));
    }

    #[test]
    fn characters_and_strings() {
        let characters = [
            (r"\a", 'a'),
            (r"\newline", '\n'),
            (r"\return", '\r'),
            (r"\space", ' '),
            (r"\tab", '\t'),
            (r"\formfeed", '\x0c'),
            (r"\backspace", '\x08'),
            (r"\u0041", 'A'),
            (r"\o101", 'A'),
            (r"\u", 'u'),
            (r"\(", '('),
            (r"\\", '\\'),
            (r#"\""#, '"'),
            (r"\;", ';'),
            (r"\,", ','),
            (r"\ä", 'ä'),
            (r"\𝄞", '𝄞'),
        ];
        for (text, c) in characters {
            assert_eq!(read(text), Edn::Char(c), "{text}");
        }
        assert_eq!(read(r"[\[ \] \{\a]"), Edn::Vector(['[', ']', '{', 'a'].map(Edn::Char).to_vec()));
        let strings = [
            (r#""""#, ""),
            (r#""a\"b\\c""#, "a\"b\\c"),
            (r#""\t\r\n\b\f""#, "\t\r\n\x08\x0c"),
            (r#""\u00e4\ud834\udd1e""#, "ä𝄞"),
            (r#""\101\0\7x""#, "A\0\u{7}x"),
            ("\"two\nlines ; no comment\"", "two\nlines ; no comment"),
        ];
        for (text, expected) in strings {
            assert_eq!(read(text), Edn::string(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_atom() {
        let table = [
            "08",
            "010",
            "-01",
            "0x1F",
            "2r101",
            "1a",
            "1.5.2",
            "1e",
            "1e+",
            "1_000",
            "1MM",
            "1NM",
            "1.5N",
            ".5",
            "-.5",
            "1e400",
            "00",
            "01.5",
            "1e99999M",
            "##inf",
            "##",
            "##Infinity",
            "1#",
            "+1a",
            "1:",
            "a/",
            "/a",
            "a/b/c",
            "a/1",
            "a:",
            "a::b",
            "a:/b",
            "'a",
            "'",
            "^a",
            "`a",
            "~a",
            "@a",
            "a@b",
            "#'a",
            "\x01",
            ":",
            "::a",
            ":/",
            ":/a",
            ":a/",
            ":a:",
            ":a/b/c",
            ":a/1",
            ":a::b",
            ": a",
            "\u{85}x\u{0}",
            "a\u{feff}b",
            "\u{feff}\u{feff}a",
            ":a/\u{feff}b",
            r"\",
            r"\ ",
            r"\ab",
            r"\newlin",
            r"\u004",
            r"\u00411",
            r"\ud834",
            r"\uzzzz",
            r"\o400",
            r"\o8",
            r#""\x""#,
            r#""\u12""#,
            r#""\u12g4""#,
            r#""\ud834""#,
            r#""\ud834\u0041""#,
            r#""\400""#,
            r#"""""#,
            r#""\ü""#,
        ];
        for text in table {
            let error = read_one(text).map(|form| form.to_edn()).expect_err(text);
            assert_eq!(error.keyword, "db.error/syntax", "{text}: {error}");
            assert!(error.span.is_some(), "{text}: {error}");
        }
        for text in ["1/2", "-22/7", "1/0", "4/2"] {
            let error = read_one(text).expect_err(text);
            assert_eq!(error.keyword, "db.error/ratio", "{text}");
            assert!(error.hint.is_some());
        }
        let long = "9".repeat(super::MAX_DIGITS + 1);
        assert!(read_one(&long).is_err() && read_one(&format!("{long}.0M")).is_err());
        assert!(read_one(&long[1..]).is_ok());
    }
}
