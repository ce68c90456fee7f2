//! Queries, rules and pull patterns written as JSON data: `{"query": [":find", "?n", ":where", ["?e", ":name", "?n"]]}`.
//!
//! JSON has neither symbols nor lists, so two conventions stand in, here and nowhere else:
//!
//! - Text that begins with `?` or `$`, and `%`, `_`, `.`, `...`, `*`, is a symbol; with a colon it is a keyword.
//! - An array that begins with any other word is a call and becomes a list: `["count", "?x"]`, `[["<", "?a", 5]]`,
//!   `["not", ["?e", ":a", "?v"]]`, `["$then", "my-rule", "?x"]`. Arrays among the arguments of a function are values
//!   again, so that `["ground", ["a", "b"]]` means `(ground ["a" "b"])`; after `not`, `or`, `and`, `not-join` and
//!   `or-join` stand clauses. `*` begins a call only if a variable or number follows.
//!
//! `{"~str": "?x"}` is text in any case, `{"~sym": "x"}` a symbol, `{"~list": […]}` a list.

use annals::Edn;
use serde_json::Value;

use super::Types;
use super::read::{read, read_object_key, read_tagged, tag_of};
use crate::problem::Problem;

/// The query, rules or pattern that JSON stands for.
pub(crate) fn read_question(json: &Value) -> Result<Edn, Problem> {
    element(json, Within::Question)
}

/// What an array stands in.
#[derive(Clone, Copy, PartialEq)]
enum Within {
    /// Where calls can stand.
    Question,
    /// Among the arguments of a function: arrays are values.
    Arguments,
}

fn element(json: &Value, within: Within) -> Result<Edn, Problem> {
    match json {
        Value::String(text) if is_symbol(text) => Ok(Edn::symbol(text)),
        Value::Array(array) => sequence(array, within),
        Value::Object(object) => match tag_of(object) {
            Some(("~list", Value::Array(array))) => Ok(Edn::List(elements(array, within)?)),
            Some((tag, value)) => read_tagged(tag, value, Types::Plain),
            None => {
                let pairs =
                    object.iter().map(|(key, value)| Ok((key_of(key), element(value, Within::Question)?)));
                Ok(Edn::Map(pairs.collect::<Result<_, Problem>>()?))
            }
        },
        other => read(other, Types::Plain),
    }
}

fn key_of(key: &str) -> Edn {
    if is_symbol(key) { Edn::symbol(key) } else { read_object_key(key) }
}

fn sequence(array: &[Value], within: Within) -> Result<Edn, Problem> {
    let text = |at: usize| array.get(at).and_then(Value::as_str);
    let head = match (text(0), text(1)) {
        (Some(source), Some(word)) if source.starts_with('$') && is_word(word) => Some((1, word)),
        (Some("*"), Some(name)) if name.starts_with('?') => Some((0, "*")),
        (Some("*"), None) if array.get(1).is_some_and(Value::is_number) => Some((0, "*")),
        (Some(word), _) if is_word(word) => Some((0, word)),
        _ => None,
    };
    let Some((at, word)) = head.filter(|_| within == Within::Question) else {
        return Ok(Edn::Vector(elements(array, within)?));
    };
    let arguments = match word {
        "not" | "or" | "and" | "not-join" | "or-join" => Within::Question,
        _ => Within::Arguments,
    };
    let mut list = elements(&array[..at], within)?;
    list.push(Edn::symbol(word));
    list.extend(elements(&array[at + 1..], arguments)?);
    Ok(Edn::List(list))
}

fn elements(array: &[Value], within: Within) -> Result<Vec<Edn>, Problem> {
    array.iter().map(|json| element(json, within)).collect()
}

fn is_symbol(text: &str) -> bool {
    text.starts_with(['?', '$']) || matches!(text, "%" | "_" | "." | "..." | "*")
}

/// A word that can be the name of an operation.
fn is_word(text: &str) -> bool {
    !(text.is_empty() || text.starts_with(':') || is_symbol(text))
}
