//! EDN values to JSON.

use std::collections::{BTreeMap, BTreeSet};

use annals::edn::instant;
use annals::{Edn, Keyword};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{SAFE, Types};

/// A value, to be written as JSON.
pub(crate) struct Json<'a>(pub(crate) &'a Edn, pub(crate) Types);

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        match self.1 {
            Types::Plain => plain(self.0, out),
            Types::Tagged => tagged(self.0, out),
        }
    }
}

fn plain<S: Serializer>(edn: &Edn, out: S) -> Result<S::Ok, S::Error> {
    let all = |edns: &[Edn], out: S| out.collect_seq(edns.iter().map(|edn| Json(edn, Types::Plain)));
    match edn {
        Edn::Nil => out.serialize_unit(),
        Edn::Bool(b) => out.serialize_bool(*b),
        Edn::Int(n) if n.abs_diff(0) <= SAFE as u64 => out.serialize_i64(*n),
        Edn::Int(n) => out.collect_str(n),
        Edn::BigInt(n) => match i64::try_from(n.as_ref()) {
            Ok(n) if n.abs_diff(0) <= SAFE as u64 => out.serialize_i64(n),
            _ => out.collect_str(n),
        },
        Edn::Float(x) if x.0.is_finite() => out.serialize_f32(x.0 as f32),
        Edn::Double(x) if x.0.is_finite() => out.serialize_f64(x.0),
        Edn::Float(x) | Edn::Double(x) => out.serialize_str(not_finite(x.0)),
        Edn::Keyword(k) => out.collect_str(k),
        Edn::List(edns) | Edn::Vector(edns) => all(edns, out),
        Edn::Set(edns) => out.collect_seq(edns.iter().map(|edn| Json(edn, Types::Plain))),
        Edn::Map(pairs) => plain_map(pairs, out),
        Edn::Tagged(tag, edn) => one(out, &format!("#{tag}"), &Json(edn, Types::Plain)),
        other => out.serialize_str(&scalar_text(other)),
    }
}

/// An object, or pairs if two keys look the same.
fn plain_map<S: Serializer>(pairs: &BTreeMap<Edn, Edn>, out: S) -> Result<S::Ok, S::Error> {
    let names: Vec<String> = pairs.keys().map(scalar_text).collect();
    let distinct: BTreeSet<&String> = names.iter().collect();
    if distinct.len() < names.len() {
        return out.collect_seq(pairs.iter().map(|(k, v)| [Json(k, Types::Plain), Json(v, Types::Plain)]));
    }
    out.collect_map(names.iter().zip(pairs.values().map(|value| Json(value, Types::Plain))))
}

fn tagged<S: Serializer>(edn: &Edn, out: S) -> Result<S::Ok, S::Error> {
    match edn {
        Edn::Nil => out.serialize_unit(),
        Edn::Bool(b) => out.serialize_bool(*b),
        Edn::Int(n) if n.abs_diff(0) <= SAFE as u64 => out.serialize_i64(*n),
        Edn::Int(n) => one(out, "~int", &n.to_string()),
        Edn::BigInt(n) => one(out, "~bigint", &n.to_string()),
        Edn::Float(x) if x.0.is_finite() => one(out, "~float", &(x.0 as f32)),
        Edn::Float(x) => one(out, "~float", not_finite(x.0)),
        Edn::Double(x) if x.0.is_finite() && x.0.fract() != 0.0 => out.serialize_f64(x.0),
        Edn::Double(x) if x.0.is_finite() => one(out, "~double", &x.0),
        Edn::Double(x) => one(out, "~double", not_finite(x.0)),
        Edn::BigDec(_) => one(out, "~bigdec", &scalar_text(edn)),
        Edn::Inst(_) => one(out, "~inst", &scalar_text(edn)),
        Edn::Uuid(_) => one(out, "~uuid", &scalar_text(edn)),
        Edn::Char(_) => one(out, "~char", &scalar_text(edn)),
        Edn::Keyword(k) => one(out, "~kw", k.as_str()),
        Edn::Symbol(s) => one(out, "~sym", s.as_str()),
        Edn::String(text) => out.serialize_str(text),
        Edn::Uri(_) => one(out, "~uri", &scalar_text(edn)),
        Edn::Bytes(_) => one(out, "~bytes", &scalar_text(edn)),
        Edn::List(edns) => one(out, "~list", &Sequence(edns.iter())),
        Edn::Vector(edns) => Sequence(edns.iter()).serialize(out),
        Edn::Set(edns) => one(out, "~set", &Sequence(edns.iter())),
        Edn::Map(pairs) => tagged_map(pairs, out),
        Edn::Tagged(tag, edn) => one(out, "~tagged", &(tag.as_str(), Json(edn, Types::Tagged))),
    }
}

/// An object if its keys are keywords or text that cannot be taken for anything else, or else pairs.
fn tagged_map<S: Serializer>(pairs: &BTreeMap<Edn, Edn>, out: S) -> Result<S::Ok, S::Error> {
    let is_name = |key: &Edn| match key {
        Edn::Keyword(_) => true,
        Edn::String(text) => !text.starts_with([':', '~']),
        _ => false,
    };
    if pairs.keys().all(is_name) {
        return out.collect_map(pairs.iter().map(|(k, v)| (scalar_text(k), Json(v, Types::Tagged))));
    }
    one(out, "~map", &Pairs(pairs))
}

struct Sequence<I>(I);

impl<'a, I: Iterator<Item = &'a Edn> + Clone> Serialize for Sequence<I> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_seq(self.0.clone().map(|edn| Json(edn, Types::Tagged)))
    }
}

struct Pairs<'a>(&'a BTreeMap<Edn, Edn>);

impl Serialize for Pairs<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_seq(self.0.iter().map(|(k, v)| [Json(k, Types::Tagged), Json(v, Types::Tagged)]))
    }
}

fn one<S: Serializer>(out: S, key: &str, value: &(impl Serialize + ?Sized)) -> Result<S::Ok, S::Error> {
    let mut map = out.serialize_map(Some(1))?;
    map.serialize_entry(key, value)?;
    map.end()
}

fn not_finite(x: f64) -> &'static str {
    if x.is_nan() {
        "NaN"
    } else if x > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    }
}

/// A value as bare text, as it stands in plain JSON, in keys and in CSV: no quotes, no tags; EDN for what has parts.
pub(crate) fn scalar_text(edn: &Edn) -> String {
    match edn {
        Edn::String(text) | Edn::Uri(text) => text.to_string(),
        Edn::Char(c) => c.to_string(),
        Edn::BigInt(n) => n.to_string(),
        Edn::Float(x) | Edn::Double(x) if !x.0.is_finite() => not_finite(x.0).to_owned(),
        Edn::BigDec(_) => edn.to_string().trim_end_matches('M').to_owned(),
        Edn::Inst(micros) => rfc3339(*micros),
        Edn::Uuid(uuid) => uuid.to_string(),
        Edn::Bytes(_) => {
            let text = edn.to_string();
            text.trim_start_matches("#bytes ").trim_matches('"').to_owned()
        }
        other => other.to_string(),
    }
}

/// An instant in UTC, as RFC 3339 writes it.
pub(crate) fn rfc3339(micros: i64) -> String {
    let text = instant::format(micros);
    text.strip_suffix("-00:00").map_or(text.clone(), |moment| format!("{moment}Z"))
}

/// The keyword that this text names, if it is one that EDN could hold.
pub(crate) fn keyword_of(text: &str) -> Option<Keyword> {
    let form = annals::edn::read_one(&format!(":{text}")).ok()?;
    match form.as_atom() {
        Some(Edn::Keyword(keyword)) if keyword.as_str() == text => Some(keyword.clone()),
        _ => None,
    }
}
