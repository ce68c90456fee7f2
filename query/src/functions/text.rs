//! Text, names and regular expressions.
//!
//! Positions in text count characters (Unicode scalar values). A regular expression is written as text, in the syntax
//! of the `regex` crate: it never backtracks, so no expression and no text can make it slow. The expressions used
//! last are kept compiled.

use std::cell::RefCell;
use std::collections::HashMap;

use annals_storage::datom::{Keyword, Symbol};
use regex::{Captures, Regex, RegexBuilder};

use crate::edn::Edn;

use super::{Fault, Function, MANY, Outcome, function};

pub(super) const TABLE: &[Function] = &[
    function("str", 0, MANY, |args| Ok(Edn::string(args.iter().map(plain).collect::<String>()))),
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
    function("clojure.string/index-of", 2, 2, |args| {
        let (whole, part) = (text(&args[0])?, text(&args[1])?);
        Ok(whole.find(part).map_or(Edn::Nil, |at| Edn::Int(whole[..at].chars().count() as i64)))
    }),
    function("clojure.string/join", 1, 2, |args| {
        let (between, parts) =
            args.split_last().map(|(parts, between)| (between.first(), parts)).ok_or(Fault::Types)?;
        let parts: Vec<_> = super::collections::elements(parts)?.map(plain).collect();
        Ok(Edn::string(parts.join(&between.map(plain).unwrap_or_default())))
    }),
    function("clojure.string/split", 2, 2, |args| {
        let (whole, expression) = (text(&args[0])?, text(&args[1])?);
        with_regex(expression, |regex| {
            let mut parts: Vec<_> = regex.split(whole).map(Edn::string).collect();
            while parts.len() > 1 && parts.last().is_some_and(|part| part == &Edn::string("")) {
                parts.pop();
            }
            Edn::Vector(parts)
        })
    }),
    function("clojure.string/replace", 3, 3, |args| {
        Ok(Edn::string(text(&args[0])?.replace(text(&args[1])?, text(&args[2])?)))
    }),
    function("re-pattern", 1, 1, |args| with_regex(text(&args[0])?, |_| args[0].clone())),
    function("re-find", 2, 2, |args| {
        let whole = text(&args[1])?;
        with_regex(text(&args[0])?, |regex| regex.captures(whole).map_or(Edn::Nil, groups))
    }),
    function("re-matches", 2, 2, |args| {
        let whole = text(&args[1])?;
        let expression = format!("^(?:{})$", text(&args[0])?);
        with_regex(&expression, |regex| regex.captures(whole).map_or(Edn::Nil, groups))
    }),
    function("re-seq", 2, 2, |args| {
        let whole = text(&args[1])?;
        with_regex(text(&args[0])?, |regex| Edn::List(regex.captures_iter(whole).map(groups).collect()))
    }),
];

fn text(edn: &Edn) -> Result<&str, Fault> {
    match edn {
        Edn::String(text) => Ok(text),
        _ => Err(Fault::Types),
    }
}

/// A value as `str` shows it: text bare, nil as nothing, the rest as it is printed.
fn plain(edn: &Edn) -> String {
    match edn {
        Edn::Nil => String::new(),
        Edn::String(text) | Edn::Uri(text) => text.to_string(),
        Edn::Char(c) => c.to_string(),
        Edn::Uuid(uuid) => uuid.to_string(),
        Edn::BigInt(n) => n.to_string(),
        Edn::Inst(_) => edn.to_string().trim_start_matches("#inst ").trim_matches('"').to_owned(),
        other => other.to_string(),
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

fn with_regex(expression: &str, f: impl FnOnce(&Regex) -> Edn) -> Outcome {
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
    Ok(f(&regex))
}
