//! JSON to EDN values.

use std::collections::{BTreeMap, BTreeSet};

use annals::edn::{Real, instant};
use annals::{Edn, Symbol};
use serde_json::{Map, Value};

use super::Types;
use super::write::keyword_of;
use crate::problem::Problem;

/// The value that JSON stands for. Plain and tagged differ in text with a leading colon only: a keyword in plain.
pub(crate) fn read(json: &Value, types: Types) -> Result<Edn, Problem> {
    let all = |array: &[Value]| array.iter().map(|json| read(json, types)).collect::<Result<_, _>>();
    Ok(match json {
        Value::Null => Edn::Nil,
        Value::Bool(b) => Edn::Bool(*b),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(n), _) => Edn::Int(n),
            _ if number.is_u64() => literal(&format!("{number}N"), "~bigint", &number.to_string())?,
            (None, Some(x)) => Edn::Double(Real(x)),
            (None, None) => return Err(bad("number", &number.to_string())),
        },
        Value::String(text) => read_text(text, types),
        Value::Array(array) => Edn::Vector(all(array)?),
        Value::Object(object) => match tag_of(object) {
            Some((tag, value)) => read_tagged(tag, value, types)?,
            None => read_map(object, types)?,
        },
    })
}

fn read_text(text: &str, types: Types) -> Edn {
    match text.strip_prefix(':').filter(|_| types == Types::Plain).and_then(keyword_of) {
        Some(keyword) => Edn::Keyword(keyword),
        None => Edn::string(text),
    }
}

/// A key of an object: a keyword if it looks like one, in plain and in tagged.
pub(crate) fn read_object_key(key: &str) -> Edn {
    read_text(key, Types::Plain)
}

fn read_map(object: &Map<String, Value>, types: Types) -> Result<Edn, Problem> {
    let pairs = object.iter().map(|(key, value)| Ok((read_object_key(key), read(value, types)?)));
    Ok(Edn::Map(pairs.collect::<Result<_, Problem>>()?))
}

/// The tag of an object that is a tagged value: its one key begins with a tilde.
pub(crate) fn tag_of(object: &Map<String, Value>) -> Option<(&str, &Value)> {
    let (key, value) = object.iter().next()?;
    (object.len() == 1 && key.starts_with('~')).then_some((key.as_str(), value))
}

/// A tagged value.
pub(crate) fn read_tagged(tag: &str, value: &Value, types: Types) -> Result<Edn, Problem> {
    let text = || value.as_str().ok_or_else(|| bad(tag, &value.to_string()));
    let refused = || bad(tag, &value.to_string());
    Ok(match tag {
        "~kw" => Edn::Keyword(keyword_of(text()?).ok_or_else(refused)?),
        "~sym" => symbol(text()?).ok_or_else(refused)?,
        "~str" => Edn::string(text()?),
        "~int" => Edn::Int(text()?.parse().map_err(|_| refused())?),
        "~bigint" => digits(text()?, "0123456789")
            .then(|| literal(&format!("{}N", text()?), tag, text()?))
            .ok_or_else(refused)??,
        "~bigdec" => digits(text()?, "0123456789.eE+-")
            .then(|| literal(&format!("{}M", text()?), tag, text()?))
            .ok_or_else(refused)??,
        "~float" => Edn::Float(Real(f64::from(float(value).ok_or_else(refused)? as f32))),
        "~double" => Edn::Double(Real(float(value).ok_or_else(refused)?)),
        "~inst" => Edn::Inst(instant::parse(text()?).ok_or_else(refused)?),
        "~uuid" => literal(&format!("#uuid {}", Edn::string(text()?)), tag, text()?)?,
        "~bytes" => literal(&format!("#bytes {}", Edn::string(text()?)), tag, text()?)?,
        "~uri" => Edn::Uri(text()?.into()),
        "~char" => Edn::Char(one_char(text()?).ok_or_else(refused)?),
        "~list" => Edn::List(elements(tag, value, types)?),
        "~set" => set(elements(tag, value, types)?)?,
        "~map" => pairs(tag, value, types)?,
        "~tagged" => named(value, types)?,
        "~db" => view(value, types)?,
        unknown => return Err(unknown_tag(unknown)),
    })
}

fn unknown_tag(tag: &str) -> Problem {
    Problem::incorrect("db.error/unknown-json-tag", format!("no JSON tag is called {tag}")).hint(
        "there are ~kw ~sym ~str ~int ~bigint ~bigdec ~float ~double ~inst ~uuid ~bytes ~uri ~char ~list ~set ~map \
         ~tagged ~db",
    )
}

fn bad(tag: &str, text: &str) -> Problem {
    Problem::incorrect("db.error/bad-literal", format!("{text} does not fit {tag}"))
}

/// What EDN text stands for; the reader knows all literals.
fn literal(edn: &str, tag: &str, text: &str) -> Result<Edn, Problem> {
    let form = annals::edn::read_one(edn).map_err(|_| bad(tag, text))?;
    form.as_atom().cloned().ok_or_else(|| bad(tag, text))
}

fn digits(text: &str, allowed: &str) -> bool {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    unsigned.starts_with(|c: char| c.is_ascii_digit()) && unsigned.chars().all(|c| allowed.contains(c))
}

fn float(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => match text.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            _ => None,
        },
        _ => None,
    }
}

fn one_char(text: &str) -> Option<char> {
    let mut chars = text.chars();
    chars.next().filter(|_| chars.next().is_none())
}

fn symbol(text: &str) -> Option<Edn> {
    let form = annals::edn::read_one(text).ok()?;
    form.as_atom().filter(|edn| matches!(edn, Edn::Symbol(symbol) if symbol.as_str() == text)).cloned()
}

fn elements(tag: &str, value: &Value, types: Types) -> Result<Vec<Edn>, Problem> {
    let array = value.as_array().ok_or_else(|| bad(tag, &value.to_string()))?;
    array.iter().map(|json| read(json, types)).collect()
}

fn set(edns: Vec<Edn>) -> Result<Edn, Problem> {
    let mut set = BTreeSet::new();
    for edn in edns {
        if let Some(twice) = set.replace(edn) {
            return Err(duplicate(&twice));
        }
    }
    Ok(Edn::Set(set))
}

fn pairs(tag: &str, value: &Value, types: Types) -> Result<Edn, Problem> {
    let mut map = BTreeMap::new();
    for pair in elements(tag, value, types)? {
        let Edn::Vector(pair) = pair else { return Err(bad(tag, &pair.to_string())) };
        let [key, value] =
            <[Edn; 2]>::try_from(pair).map_err(|pair| bad(tag, &Edn::Vector(pair).to_string()))?;
        if map.contains_key(&key) {
            return Err(duplicate(&key));
        }
        map.insert(key, value);
    }
    Ok(Edn::Map(map))
}

fn duplicate(edn: &Edn) -> Problem {
    Problem::incorrect("db.error/duplicate-key", format!("{edn} stands there twice"))
}

fn named(value: &Value, types: Types) -> Result<Edn, Problem> {
    match value.as_array().map(Vec::as_slice) {
        Some([Value::String(tag), value]) => match symbol(tag) {
            Some(Edn::Symbol(tag)) => Ok(Edn::Tagged(tag, Box::new(read(value, types)?))),
            _ => Err(bad("~tagged", tag)),
        },
        _ => Err(bad("~tagged", &value.to_string())),
    }
}

/// Another view of a database, as an argument of a query: `#annals/db {…}`, with keys that need no colon.
fn view(value: &Value, types: Types) -> Result<Edn, Problem> {
    let object = value.as_object().ok_or_else(|| bad("~db", &value.to_string()))?;
    let pairs = object.iter().map(|(key, value)| {
        let key = keyword_of(key.trim_start_matches(':')).ok_or_else(|| bad("~db", key))?;
        Ok((Edn::Keyword(key), read(value, types)?))
    });
    Ok(Edn::Tagged(Symbol::new("annals/db"), Box::new(Edn::Map(pairs.collect::<Result<_, Problem>>()?))))
}
