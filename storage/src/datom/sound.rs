//! Whether a word or code is that of a value, found without making the value.
//!
//! Says yes exactly where [`code::decode`] gives a value, at the cost of a look at the bytes: leaves are checked so,
//! some thousand values at a time.

use super::code::{self, unescape};
use super::value::{Tag, ValueRef};

/// True if [`code::decode`] gives a value.
pub(crate) fn is_sound(v: ValueRef<'_>) -> bool {
    match v {
        ValueRef::Fixed(tag, word) => is_word(tag, word),
        ValueRef::Variable(tag, bytes) => is_code(tag, bytes, code::MAX_TUPLE_DEPTH),
    }
}

fn is_word(tag: Tag, word: i64) -> bool {
    match tag {
        Tag::Boolean => word == 0 || word == 1,
        Tag::Long | Tag::Instant | Tag::Ref => true,
        Tag::Double => code::sortable(code::unsortable(word)) == word,
        Tag::Float => code::sortable(f64::from(code::unsortable(word) as f32)) == word,
        _ => false,
    }
}

fn is_code(tag: Tag, bytes: &[u8], depth: usize) -> bool {
    match tag {
        Tag::String | Tag::Uri => std::str::from_utf8(bytes).is_ok(),
        Tag::Bytes => true,
        Tag::Uuid => bytes.len() == 16,
        Tag::Keyword | Tag::Symbol => is_name(tag, bytes),
        Tag::BigInt => is_bigint(bytes),
        Tag::BigDec => is_decimal(bytes),
        Tag::Tuple => depth > 0 && is_tuple(bytes, depth - 1),
        _ => false,
    }
}

/// Namespace, zero, name. Rare forms are left to the decoder.
fn is_name(tag: Tag, bytes: &[u8]) -> bool {
    let Some(end) = bytes.iter().position(|byte| *byte == 0) else { return false };
    let (namespace, name) = (&bytes[..end], &bytes[end + 1..]);
    let plain = if namespace.is_empty() {
        !name.contains(&b'/')
    } else {
        !name.is_empty() && !namespace.iter().any(|byte| matches!(byte, 1 | b'/'))
    };
    if plain {
        std::str::from_utf8(namespace).is_ok() && std::str::from_utf8(name).is_ok()
    } else {
        code::decode(ValueRef::Variable(tag, bytes)).is_some()
    }
}

/// The sign's byte, and whether what follows is complemented; none if it is no sign, or zero's and more follows.
fn sign(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let (first, body) = bytes.split_first()?;
    match *first {
        code::ZERO => body.is_empty().then_some((0, body)),
        code::POSITIVE => Some((0, body)),
        code::NEGATIVE => Some((0xff, body)),
        _ => None,
    }
}

fn is_bigint(bytes: &[u8]) -> bool {
    let Some((mask, body)) = sign(bytes) else { return false };
    if bytes[0] == code::ZERO {
        return true;
    }
    body.split_first_chunk::<4>().is_some_and(|(length, magnitude)| {
        let length = u32::from_be_bytes(length.map(|byte| byte ^ mask));
        magnitude.len() == length as usize && magnitude.first().is_some_and(|byte| *byte != mask)
    })
}

fn is_decimal(bytes: &[u8]) -> bool {
    let Some((front, scale)) = bytes.split_last_chunk::<8>() else { return false };
    let Some((mask, body)) = sign(front) else { return false };
    if front[0] == code::ZERO {
        return true;
    }
    let Some((exponent, digits)) = body.split_first_chunk::<8>() else { return false };
    let Some((close, digits)) = digits.split_last() else { return false };
    let exponent = code::word_from_bytes(exponent.map(|byte| byte ^ mask));
    let length = exponent.checked_add(code::word_from_bytes(*scale)).and_then(|n| usize::try_from(n).ok());
    let is_digit = |digit: &u8| (digit ^ mask).is_ascii_digit();
    let is_significant = |digit: &u8| digit ^ mask != b'0';
    *close == mask
        && digits.first().is_some_and(is_significant)
        && digits.last().is_some_and(is_significant)
        && digits.iter().all(is_digit)
        && length.is_some_and(|length| (digits.len()..=code::MAX_CODE_BYTES).contains(&length))
}

fn is_tuple(mut bytes: &[u8], depth: usize) -> bool {
    while let Some((first, rest)) = bytes.split_first() {
        bytes = rest;
        if *first == 0 {
            continue;
        }
        let Some(tag) = Tag::from_number(first - 1) else { return false };
        let (sound, rest) = if tag.is_fixed() {
            let Some((word, rest)) = bytes.split_first_chunk::<8>() else { return false };
            (is_word(tag, code::word_from_bytes(*word)), rest)
        } else {
            let Some((body, rest)) = unescape(bytes) else { return false };
            (is_code(tag, &body, depth), rest)
        };
        if !sound {
            return false;
        }
        bytes = rest;
    }
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::datom::arbitrary::value;

    fn agrees(v: ValueRef<'_>) {
        assert_eq!(is_sound(v), code::decode(v).is_some(), "{v:02x?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1024))]

        #[test]
        fn what_is_sound_is_decoded_and_nothing_else(
            value in value(),
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
            cut in prop::option::weighted(0.3, any::<prop::sample::Index>()),
        ) {
            value.with_ref(&mut Vec::new(), |v| match v {
                ValueRef::Fixed(tag, word) => {
                    agrees(v);
                    Tag::ALL.iter().for_each(|other| agrees(ValueRef::Fixed(*other, word)));
                    let flips = damage.iter().fold(0, |all, (at, byte)| all ^ i64::from(*byte) << at.index(57));
                    agrees(ValueRef::Fixed(tag, word ^ flips));
                }
                ValueRef::Variable(tag, bytes) => {
                    let mut bytes = bytes.to_vec();
                    for (at, byte) in damage.iter().filter(|_| !bytes.is_empty()).collect::<Vec<_>>() {
                        let at = at.index(bytes.len());
                        bytes[at] = *byte;
                    }
                    let length = cut.map_or(bytes.len(), |cut| cut.index(bytes.len() + 1));
                    agrees(ValueRef::Variable(tag, &bytes[..length]));
                    Tag::ALL.iter().for_each(|other| agrees(ValueRef::Variable(*other, &bytes[..length])));
                }
            });
        }
    }
}
