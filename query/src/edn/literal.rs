//! The tags Annals knows: `#inst`, `#uuid`, `#uri`, `#bytes`. Any other tag is kept with its form.

use std::sync::Arc;

use annals_storage::datom::Symbol;
use uuid::Uuid;

use super::form::Form;
use super::instant;
use super::value::Edn;
use crate::error::{Error, Result};

/// What a tagged form stands for; `None` if the tag is unknown.
pub(super) fn meaning(tag: &Symbol, form: &Form) -> Result<Option<Edn>> {
    let read: fn(&str) -> Option<Edn> = match tag.as_str() {
        "inst" => |text| instant::parse(text).map(Edn::Inst),
        "uuid" => |text| uuid(text).map(Edn::Uuid),
        "uri" => |text| Some(Edn::Uri(Arc::from(text))),
        "bytes" => |text| from_base64(text).map(|bytes| Edn::Bytes(Arc::from(bytes))),
        _ => return Ok(None),
    };
    let Some(Edn::String(text)) = form.as_atom() else {
        let message = format!("`#{tag}` needs a string, not {}", form.to_edn().type_name());
        return Err(Error::incorrect("db.error/bad-literal", message).hint(example(tag)));
    };
    match read(text) {
        Some(edn) => Ok(Some(edn)),
        None => {
            let message = format!("{} does not fit `#{tag}`", form.to_edn());
            Err(Error::incorrect("db.error/bad-literal", message).hint(example(tag)))
        }
    }
}

fn example(tag: &Symbol) -> &'static str {
    match tag.as_str() {
        "inst" => "as in #inst \"2018-01-31T12:30:00.000-00:00\"; the later parts may be left out",
        "uuid" => "as in #uuid \"f81d4fae-7dec-11d0-a765-00a0c91e6bf6\"",
        "bytes" => "bytes are base64, as in #bytes \"aGVsbG8=\"",
        _ => "as in #uri \"https://example.org/\"",
    }
}

fn uuid(text: &str) -> Option<Uuid> {
    if text.len() == 36 { Uuid::try_parse(text).ok() } else { None }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Bytes as base64 with padding.
pub(super) fn to_base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word =
            chunk.iter().fold(0_u32, |word, &byte| word << 8 | u32::from(byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = (word >> (18 - 6 * place)) & 63;
            text.push(if place <= chunk.len() { char::from(ALPHABET[digit as usize]) } else { '=' });
        }
    }
    text
}

/// The bytes of a base64 text. Padding is needed, and unused bits are zero, so that every value has one text.
fn from_base64(text: &str) -> Option<Vec<u8>> {
    let unpadded = text.trim_end_matches('=');
    if !text.len().is_multiple_of(4) || text.len() - unpadded.len() > 2 {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    for chunk in unpadded.as_bytes().chunks(4) {
        let mut word = 0_u32;
        for byte in chunk {
            word = word << 6 | ALPHABET.iter().position(|digit| digit == byte)? as u32;
        }
        word <<= 6 * (4 - chunk.len());
        let [_, whole @ ..] = word.to_be_bytes();
        let (used, unused) = whole.split_at(chunk.len() - 1);
        if unused.iter().any(|&byte| byte != 0) {
            return None;
        }
        bytes.extend_from_slice(used);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_the_standard_one() {
        let table = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
        for (bytes, text) in table {
            assert_eq!(to_base64(bytes.as_bytes()), text);
            assert_eq!(from_base64(text).as_deref(), Some(bytes.as_bytes()), "{text}");
        }
        for wrong in ["Zg", "Zg=", "Z===", "Zh==", "Zg==Zg==", "Z g=", "Zm9v\n", "===="] {
            assert_eq!(from_base64(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_uuid_has_one_shape() {
        assert!(uuid("f81d4fae-7dec-11d0-a765-00a0c91e6bf6").is_some());
        for wrong in ["f81d4fae7dec11d0a76500a0c91e6bf6", "{f81d4fae-7dec-11d0-a765-00a0c91e6bf6}", "x"] {
            assert_eq!(uuid(wrong), None, "{wrong}");
        }
    }
}
