//! Items as JSON: values in base64, numbers as text, and what an item of a large value names.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// What an item holds at most of a value; with its key and names it is then within the limit of 400 KB.
pub(super) const PART: usize = 380 << 10;

/// What an item holds.
pub(super) enum Held {
    /// The value.
    Whole(Vec<u8>),
    /// Nothing but the name of so many parts, and how many bytes they are.
    Parts(String, usize, usize),
    /// Nothing any more.
    Gone,
}

/// The attributes of a value that is whole. Of an empty one there is no more to be said than its length.
pub(super) fn whole(bytes: &[u8]) -> Value {
    if bytes.is_empty() {
        return json!({"n": {"N": "0"}});
    }
    json!({"v": {"B": STANDARD.encode(bytes)}, "n": {"N": bytes.len().to_string()}})
}

/// Those of one that is in parts.
pub(super) fn parted(write: &str, length: usize) -> Value {
    let parts = length.div_ceil(PART);
    json!({"write": {"S": write}, "parts": {"N": parts.to_string()}, "n": {"N": length.to_string()}})
}

/// Those of a deleted slot.
pub(super) fn gone() -> Value {
    json!({"gone": {"BOOL": true}, "n": {"N": "0"}})
}

/// What an item holds; none if it holds nothing that is known.
pub(super) fn held(item: &Value) -> Option<Held> {
    if item.get("gone").is_some() {
        return Some(Held::Gone);
    }
    if let Some(bytes) = item.get("v") {
        let bytes = STANDARD.decode(bytes.get("B")?.as_str()?).ok()?;
        return (number(item, "n")? == bytes.len() as u64).then_some(Held::Whole(bytes));
    }
    if item.get("parts").is_none() {
        return (number(item, "n")? == 0).then(|| Held::Whole(Vec::new()));
    }
    let number = |name| usize::try_from(number(item, name)?).ok();
    Some(Held::Parts(text(item, "write")?.to_owned(), number("parts")?, number("n")?))
}

/// A number among an item's attributes.
pub(super) fn number(item: &Value, name: &str) -> Option<u64> {
    item.get(name)?.get("N")?.as_str()?.parse().ok()
}

/// A text among them.
pub(super) fn text<'a>(item: &'a Value, name: &str) -> Option<&'a str> {
    item.get(name)?.get("S")?.as_str()
}
