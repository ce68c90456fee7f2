//! Text, names and regular expressions.
//!
//! Positions in text count characters (Unicode scalar values). A regular expression is written as text, in the syntax
//! of the `regex` crate: it never backtracks, so no expression and no text can make it slow. `re-pattern` marks text as an
//! expression, for functions that take plain text too. The expressions used
//! last are kept compiled.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::{self, Write};

use annals_storage::datom::{Keyword, Symbol};
use regex::{Captures, Regex, RegexBuilder};
use uuid::Uuid;

use crate::edn::{Edn, instant, read_one};

use super::format::{format, shown};
use super::{Fault, Function, MANY, Outcome, PARTS_MAX, TEXT_MAX, bounded, function, too_many};

pub(super) const TABLE: &[Function] = &[
    function("str", 0, MANY, |args| {
        let mut made = Text::default();
        args.iter().try_for_each(|arg| made.show(arg))?;
        Ok(made.finish())
    }),
    function("pr-str", 0, MANY, |args| {
        let mut made = Text::default();
        for (at, arg) in args.iter().enumerate() {
            made.print(format_args!("{}{arg}", if at > 0 { " " } else { "" }))?;
        }
        Ok(made.finish())
    }),
    function("read-string", 1, 1, |args| {
        let form = read_one(text(&args[0])?).map_err(|error| Fault::Values(error.message))?;
        bounded(form.to_edn())
    }),
    function("format", 1, MANY, format),
    function("subs", 2, 3, substring),
    function("name", 1, 1, |args| match &args[0] {
        Edn::Keyword(k) => Ok(Edn::string(k.name())),
        Edn::Symbol(s) => Ok(Edn::string(s.name())),
        Edn::String(_) => Ok(args[0].clone()),
        _ => Err(Fault::Types),
    }),
    function("namespace", 1, 1, |args| match &args[0] {
        Edn::Keyword(k) => Ok(k.namespace().map_or(Edn::Nil, Edn::string)),
        Edn::Symbol(s) => Ok(s.namespace().map_or(Edn::Nil, Edn::string)),
        _ => Err(Fault::Types),
    }),
    function("keyword", 1, 2, |args| match args {
        [Edn::Keyword(_)] => Ok(args[0].clone()),
        [Edn::Symbol(s)] => Ok(Edn::keyword(s.as_str())),
        _ => joined_name(args).map(|name| Edn::Keyword(Keyword::new(&name))),
    }),
    function("symbol", 1, 2, |args| match args {
        [Edn::Symbol(_)] => Ok(args[0].clone()),
        [Edn::Keyword(k)] => Ok(Edn::symbol(k.as_str())),
        _ => joined_name(args).map(|name| Edn::Symbol(Symbol::new(&name))),
    }),
    function("parse-long", 1, 1, |args| Ok(text(&args[0])?.parse::<i64>().map_or(Edn::Nil, Edn::Int))),
    function("parse-double", 1, 1, |args| {
        Ok(text(&args[0])?.trim().parse::<f64>().map_or(Edn::Nil, Edn::double))
    }),
    function("parse-boolean", 1, 1, |args| Ok(text(&args[0])?.parse().map_or(Edn::Nil, Edn::Bool))),
    function("parse-uuid", 1, 1, |args| {
        // Only the usual form with hyphens, as in Clojure.
        let text = Some(text(&args[0])?).filter(|text| text.len() == 36);
        Ok(text.and_then(|text| Uuid::try_parse(text).ok()).map_or(Edn::Nil, Edn::Uuid))
    }),
    function("char", 1, 1, |args| match args[0] {
        Edn::Char(c) => Ok(Edn::Char(c)),
        Edn::Int(n) => {
            let char = u32::try_from(n).ok().and_then(char::from_u32);
            char.map(Edn::Char).ok_or_else(|| Fault::Values(format!("{n} is no character")))
        }
        _ => Err(Fault::Types),
    }),
    function("clojure.string/starts-with?", 2, 2, |args| {
        Ok(Edn::Bool(text(&args[0])?.starts_with(text(&args[1])?)))
    }),
    function("clojure.string/ends-with?", 2, 2, |args| {
        Ok(Edn::Bool(text(&args[0])?.ends_with(text(&args[1])?)))
    }),
    function("clojure.string/includes?", 2, 2, |args| {
        Ok(Edn::Bool(text(&args[0])?.contains(text(&args[1])?)))
    }),
    function("clojure.string/blank?", 1, 1, |args| match &args[0] {
        Edn::Nil => Ok(Edn::Bool(true)),
        arg => Ok(Edn::Bool(text(arg)?.trim().is_empty())),
    }),
    function("clojure.string/upper-case", 1, 1, |args| Ok(Edn::string(text(&args[0])?.to_uppercase()))),
    function("clojure.string/lower-case", 1, 1, |args| Ok(Edn::string(text(&args[0])?.to_lowercase()))),
    function("clojure.string/capitalize", 1, 1, |args| {
        let mut chars = text(&args[0])?.chars();
        let first = chars.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
        Ok(Edn::string(first + &chars.as_str().to_lowercase()))
    }),
    function("clojure.string/trim", 1, 1, |args| Ok(Edn::string(text(&args[0])?.trim()))),
    function("clojure.string/triml", 1, 1, |args| Ok(Edn::string(text(&args[0])?.trim_start()))),
    function("clojure.string/trimr", 1, 1, |args| Ok(Edn::string(text(&args[0])?.trim_end()))),
    function("clojure.string/reverse", 1, 1, |args| {
        Ok(Edn::string(text(&args[0])?.chars().rev().collect::<String>()))
    }),
    function("clojure.string/trim-newline", 1, 1, |args| {
        Ok(Edn::string(text(&args[0])?.trim_end_matches(['\n', '\r'])))
    }),
    function("clojure.string/index-of", 2, 3, |args| {
        let (whole, part) = (text(&args[0])?, text(&args[1])?);
        let start = args.get(2).map_or(Ok(0), |from| Ok(place(whole, at_least_0(from)?)))?;
        Ok(position(whole, whole[start..].find(part).map(|at| start + at)))
    }),
    function("clojure.string/last-index-of", 2, 3, |args| {
        let (whole, part) = (text(&args[0])?, text(&args[1])?);
        let end = match args.get(2) {
            None => whole.len(),
            Some(Edn::Int(n)) if *n < 0 => return Ok(Edn::Nil),
            Some(from) => place(whole, at_least_0(from)?.saturating_add(part.chars().count())),
        };
        Ok(position(whole, whole[..end].rfind(part)))
    }),
    function("clojure.string/join", 1, 2, |args| {
        let (between, parts) =
            args.split_last().map(|(parts, between)| (between.first(), parts)).ok_or(Fault::Types)?;
        let mut made = Text::default();
        for (at, part) in super::collections::elements(parts)?.enumerate() {
            if at > 0 {
                between.map_or(Ok(()), |between| made.show(between))?;
            }
            made.show(part)?;
        }
        Ok(made.finish())
    }),
    function("clojure.string/split", 2, 3, |args| {
        let (whole, expression) = (text(&args[0])?, expression(&args[1])?);
        let most = match args.get(2) {
            None => 0,
            Some(Edn::Int(most)) => *most,
            Some(_) => return Err(Fault::Types),
        };
        with_regex(expression, |regex| match usize::try_from(most) {
            Ok(most) if most > 0 => listed(regex.splitn(whole, most).map(Edn::string)).map(Edn::Vector),
            Ok(_) => listed(regex.split(whole).map(Edn::string)).map(without_empty_end),
            Err(_) => listed(regex.split(whole).map(Edn::string)).map(Edn::Vector),
        })
    }),
    function("clojure.string/split-lines", 1, 1, |args| {
        listed(text(&args[0])?.split('\n').map(|line| Edn::string(line.strip_suffix('\r').unwrap_or(line))))
            .map(without_empty_end)
    }),
    function("clojure.string/replace", 3, 3, |args| replaced(args, usize::MAX)),
    function("clojure.string/replace-first", 3, 3, |args| replaced(args, 1)),
    function("re-pattern", 1, 1, |args| {
        with_regex(expression(&args[0])?, |_| {
            Ok(Edn::Tagged(Symbol::new(REGEX_TAG), Box::new(Edn::string(expression(&args[0])?))))
        })
    }),
    function("re-find", 2, 2, |args| {
        let whole = text(&args[1])?;
        with_regex(expression(&args[0])?, |regex| Ok(regex.captures(whole).map_or(Edn::Nil, groups)))
    }),
    function("re-matches", 2, 2, |args| {
        let whole = text(&args[1])?;
        let expression = format!("^(?:{})$", expression(&args[0])?);
        with_regex(&expression, |regex| Ok(regex.captures(whole).map_or(Edn::Nil, groups)))
    }),
    function("re-seq", 2, 2, |args| {
        let whole = text(&args[1])?;
        with_regex(expression(&args[0])?, |regex| {
            listed(regex.captures_iter(whole).map(groups)).map(Edn::List)
        })
    }),
];

/// The tag of what `re-pattern` makes.
const REGEX_TAG: &str = "annals/regex";

/// The text of what `re-pattern` made.
fn marked(edn: &Edn) -> Option<&str> {
    match edn {
        Edn::Tagged(tag, expression) if tag.as_str() == REGEX_TAG => text(expression).ok(),
        _ => None,
    }
}

/// A regular expression: what `re-pattern` made, or text.
fn expression(edn: &Edn) -> Result<&str, Fault> {
    marked(edn).map_or_else(|| text(edn), Ok)
}

pub(super) fn text(edn: &Edn) -> Result<&str, Fault> {
    match edn {
        Edn::String(text) => Ok(text),
        _ => Err(Fault::Types),
    }
}

/// A text while it is made. What would be too long is refused before it is there.
#[derive(Default)]
pub(super) struct Text(String);

impl Text {
    /// With this text at its end.
    pub(super) fn push(&mut self, part: &str) -> Result<(), Fault> {
        if part.len() > TEXT_MAX - self.0.len() {
            return Err(too_long());
        }
        self.0.push_str(part);
        Ok(())
    }

    /// With a value at its end, as `str` shows it: text bare, nil as nothing, the rest as it is printed.
    pub(super) fn show(&mut self, edn: &Edn) -> Result<(), Fault> {
        match edn {
            Edn::Nil => Ok(()),
            Edn::String(text) | Edn::Uri(text) => self.push(text),
            Edn::Char(c) => self.push(c.encode_utf8(&mut [0; 4])),
            Edn::Uuid(uuid) => self.print(format_args!("{uuid}")),
            Edn::BigInt(n) => self.print(format_args!("{n}")),
            Edn::BigDec(_) => {
                self.print(format_args!("{edn}"))?;
                self.0.pop();
                Ok(())
            }
            Edn::Tagged(..) if marked(edn).is_some() => self.push(marked(edn).unwrap_or_default()),
            Edn::Inst(micros) => self.push(&instant::format(*micros)),
            Edn::Double(x) => self.push(&shown(x.0, &format!("{:?}", x.0), &format!("{:e}", x.0))),
            Edn::Float(x) => {
                let narrow = x.0 as f32;
                self.push(&shown(x.0, &format!("{narrow:?}"), &format!("{narrow:e}")))
            }
            other => self.print(format_args!("{other}")),
        }
    }

    fn print(&mut self, parts: fmt::Arguments<'_>) -> Result<(), Fault> {
        self.write_fmt(parts).map_err(|_| too_long())
    }

    /// As a value.
    pub(super) fn finish(self) -> Edn {
        Edn::string(self.0)
    }
}

impl Write for Text {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        self.push(part).map_err(|_| fmt::Error)
    }
}

fn too_long() -> Fault {
    Fault::Values(format!("the text would be longer than {} MiB", TEXT_MAX >> 20))
}

/// A value as `str` shows it.
pub(super) fn plain(edn: &Edn) -> Result<String, Fault> {
    let mut made = Text::default();
    made.show(edn)?;
    Ok(made.0)
}

fn replaced(args: &[Edn], most: usize) -> Outcome {
    if let Some(expression) = marked(&args[1]) {
        return replaced_by_groups(text(&args[0])?, expression, text(&args[2])?, most);
    }
    let (whole, from, to) = (text(&args[0])?, text(&args[1])?, text(&args[2])?);
    let mut made = Text::default();
    let mut rest = 0;
    for (at, found) in whole.match_indices(from).take(most) {
        made.push(&whole[rest..at])?;
        made.push(to)?;
        rest = at + found.len();
    }
    made.push(&whole[rest..])?;
    Ok(made.finish())
}

/// With what an expression finds replaced; `$1` in the new text stands for the first group, `\\` for the next character.
fn replaced_by_groups(whole: &str, expression: &str, to: &str, most: usize) -> Outcome {
    with_regex(expression, |regex| {
        let mut made = Text::default();
        let mut rest = 0;
        for found in regex.captures_iter(whole).take(most) {
            let all = found.get_match();
            made.push(&whole[rest..all.start()])?;
            push_filled(&mut made, to, &found)?;
            rest = all.end();
        }
        made.push(&whole[rest..])?;
        Ok(made.finish())
    })
}

/// Text with groups filled in, by Java's rules: as many digits make the number as there is a group for.
fn push_filled(made: &mut Text, to: &str, found: &Captures<'_>) -> Result<(), Fault> {
    let mut rest = to;
    while let Some(at) = rest.find(['$', '\\']) {
        made.push(&rest[..at])?;
        let is_group = rest[at..].starts_with('$');
        rest = &rest[at + 1..];
        if is_group {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let group =
                |length: &usize| rest[..*length].parse().ok().filter(|number: &usize| *number < found.len());
            let length = (1..=digits).take_while(|length| group(length).is_some()).last();
            let Some(length) = length else {
                return Err(Fault::Values(format!("there is no group for `$` in `{to}`")));
            };
            made.push(group(&length).and_then(|number| found.get(number)).map_or("", |it| it.as_str()))?;
            rest = &rest[length..];
        } else {
            let next = rest.chars().next().ok_or_else(|| Fault::Values(format!("`{to}` ends with `\\`")))?;
            made.push(next.encode_utf8(&mut [0; 4]))?;
            rest = &rest[next.len_utf8()..];
        }
    }
    made.push(rest)
}

/// Parts of a text, if they are not too many.
fn listed(parts: impl Iterator<Item = Edn>) -> Result<Vec<Edn>, Fault> {
    let parts: Vec<Edn> = parts.take(PARTS_MAX + 1).collect();
    if parts.len() > PARTS_MAX { Err(too_many()) } else { Ok(parts) }
}

/// As Clojure leaves out what is empty at the end of a split.
fn without_empty_end(mut parts: Vec<Edn>) -> Edn {
    while parts.len() > 1 && parts.last() == Some(&Edn::string("")) {
        parts.pop();
    }
    Edn::Vector(parts)
}

/// Where the n-th character begins, or the end.
fn place(whole: &str, n: usize) -> usize {
    whole.char_indices().nth(n).map_or(whole.len(), |(at, _)| at)
}

/// Which character begins there.
fn position(whole: &str, at: Option<usize>) -> Edn {
    at.map_or(Edn::Nil, |at| Edn::Int(whole[..at].chars().count() as i64))
}

/// A position, from the start if it is negative.
fn at_least_0(from: &Edn) -> Result<usize, Fault> {
    match from {
        Edn::Int(n) => Ok(usize::try_from(*n).unwrap_or(0)),
        _ => Err(Fault::Types),
    }
}

fn joined_name(args: &[Edn]) -> Result<String, Fault> {
    let name = match args {
        [Edn::String(name)] | [Edn::Nil, Edn::String(name)] => name.to_string(),
        [Edn::String(namespace), Edn::String(name)] => format!("{namespace}/{name}"),
        _ => return Err(Fault::Types),
    };
    if name.is_empty() { Err(Fault::Values("an empty name".into())) } else { Ok(name) }
}

fn substring(args: &[Edn]) -> Outcome {
    let whole = text(&args[0])?;
    let at = |arg: &Edn| match arg {
        Edn::Int(n) => {
            let position = usize::try_from(*n).ok();
            let byte =
                position.and_then(|n| whole.char_indices().map(|(at, _)| at).chain([whole.len()]).nth(n));
            byte.ok_or_else(|| Fault::Values(format!("there is no position {n} in {whole:?}")))
        }
        _ => Err(Fault::Types),
    };
    let (start, end) = (at(&args[1])?, args.get(2).map_or(Ok(whole.len()), at)?);
    let part = whole.get(start..end).ok_or_else(|| Fault::Values("the end lies before the start".into()))?;
    Ok(Edn::string(part))
}

/// The match, or with groups a vector of the match and each group.
fn groups(captures: Captures<'_>) -> Edn {
    let group = |at| captures.get(at).map_or(Edn::Nil, |found| Edn::string(found.as_str()));
    match captures.len() {
        1 => group(0),
        count => Edn::Vector((0..count).map(group).collect()),
    }
}

/// How many compiled expressions are kept.
const KEPT_MAX: usize = 32;

thread_local! {
    static KEPT: RefCell<HashMap<String, Regex>> = RefCell::new(HashMap::new());
}

fn with_regex(expression: &str, f: impl FnOnce(&Regex) -> Outcome) -> Outcome {
    let regex = match KEPT.with_borrow(|kept| kept.get(expression).cloned()) {
        Some(regex) => regex,
        None => {
            let regex = RegexBuilder::new(expression).size_limit(1 << 20).build();
            let regex = regex.map_err(|error| Fault::Values(format!("no regular expression: {error}")))?;
            KEPT.with_borrow_mut(|kept| {
                if kept.len() >= KEPT_MAX {
                    kept.clear();
                }
                kept.insert(expression.to_owned(), regex.clone());
            });
            regex
        }
    };
    f(&regex)
}
