//! Values: every type a fact can hold, and one total order over all of them.
//!
//! Values of different types order by type number ([`Tag`]); inside a type by the type's own order. The order agrees
//! with equality and with the bytes of [`super::code`]. What was decided: minus zero is stored as plus zero and there
//! is one NaN, which equals itself and sorts above infinity; a decimal's scale is part of its identity and breaks
//! ties (`1.0M < 1.00M`); instants are microseconds since 1970; text sorts by its UTF-8 bytes; a keyword or symbol
//! sorts by namespace, then name, one without namespace first; nil stands only inside tuples and sorts lowest.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use bigdecimal::BigDecimal;
use num_bigint::{BigInt, Sign};
use uuid::Uuid;

use super::code;
use super::id::EntityId;

/// A value's type, by its number on disk. The number is also the order between types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Tag {
    /// `:db.type/boolean`
    Boolean = 1,
    /// `:db.type/long`
    Long = 2,
    /// `:db.type/bigint`
    BigInt = 3,
    /// `:db.type/float`
    Float = 4,
    /// `:db.type/double`
    Double = 5,
    /// `:db.type/bigdec`
    BigDec = 6,
    /// `:db.type/instant`
    Instant = 7,
    /// `:db.type/uuid`
    Uuid = 8,
    /// `:db.type/keyword`
    Keyword = 9,
    /// `:db.type/symbol`
    Symbol = 10,
    /// `:db.type/string`
    String = 11,
    /// `:db.type/uri`
    Uri = 12,
    /// `:db.type/bytes`
    Bytes = 13,
    /// `:db.type/ref`
    Ref = 14,
    /// `:db.type/tuple`
    Tuple = 15,
}

impl Tag {
    /// Every type, in order.
    pub const ALL: [Tag; 15] = [
        Tag::Boolean,
        Tag::Long,
        Tag::BigInt,
        Tag::Float,
        Tag::Double,
        Tag::BigDec,
        Tag::Instant,
        Tag::Uuid,
        Tag::Keyword,
        Tag::Symbol,
        Tag::String,
        Tag::Uri,
        Tag::Bytes,
        Tag::Ref,
        Tag::Tuple,
    ];

    /// The type with this number.
    pub fn from_number(number: u8) -> Option<Tag> {
        Tag::ALL.get(usize::from(number).checked_sub(1)?).copied()
    }

    /// The type's name: `long` for `:db.type/long`.
    pub fn name(self) -> &'static str {
        match self {
            Tag::Boolean => "boolean",
            Tag::Long => "long",
            Tag::BigInt => "bigint",
            Tag::Float => "float",
            Tag::Double => "double",
            Tag::BigDec => "bigdec",
            Tag::Instant => "instant",
            Tag::Uuid => "uuid",
            Tag::Keyword => "keyword",
            Tag::Symbol => "symbol",
            Tag::String => "string",
            Tag::Uri => "uri",
            Tag::Bytes => "bytes",
            Tag::Ref => "ref",
            Tag::Tuple => "tuple",
        }
    }

    /// True if a value of this type is one machine word ([`ValueRef::Fixed`]).
    pub fn is_fixed(self) -> bool {
        matches!(self, Tag::Boolean | Tag::Long | Tag::Float | Tag::Double | Tag::Instant | Tag::Ref)
    }
}

macro_rules! named {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// From its text, `namespace/name` or `name`, without any leading colon.
            pub fn new(text: &str) -> Self {
                Self(Arc::from(text))
            }

            /// The whole text, without any leading colon.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Namespace and name. The first slash divides them, unless it is the first or only character.
            pub fn parts(&self) -> (Option<&str>, &str) {
                match self.0.find('/') {
                    Some(at) if at > 0 && at + 1 < self.0.len() => (Some(&self.0[..at]), &self.0[at + 1..]),
                    _ => (None, &self.0),
                }
            }

            /// The part before the slash.
            pub fn namespace(&self) -> Option<&str> {
                self.parts().0
            }

            /// The part after the slash, or all of it.
            pub fn name(&self) -> &str {
                self.parts().1
            }
        }

        impl Ord for $name {
            fn cmp(&self, other: &Self) -> Ordering {
                // Mostly both are of one namespace: then the first bytes that differ decide, if they come after its slash.
                let mut is_past_slash = false;
                for (one, other) in self.0.bytes().zip(other.0.bytes()) {
                    if one != other && is_past_slash {
                        return one.cmp(&other);
                    }
                    if one != other {
                        break;
                    }
                    is_past_slash |= one == b'/';
                }
                self.parts().cmp(&other.parts())
            }
        }

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self::new(text)
            }
        }
    };
}

named! {
    /// A keyword, `:namespace/name`, held without its colon.
    Keyword
}
named! {
    /// A symbol, `namespace/name`.
    Symbol
}

impl fmt::Display for Keyword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, ":{}", self.0)
    }
}

impl fmt::Debug for Keyword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, ":{}", self.0)
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A decimal number of any size whose scale is part of its identity: `1.0M` is not `1.00M`.
#[derive(Clone, Debug)]
pub struct Decimal(pub BigDecimal);

impl Decimal {
    /// Digits and scale: the number is `digits * 10^-scale`.
    pub fn digits_and_scale(&self) -> (Cow<'_, BigInt>, i64) {
        self.0.as_bigint_and_scale()
    }

    /// The number as `0.digits * 10^exponent`, the digits without trailing zeros; none for zero.
    ///
    /// Numbers are compared in this form: unlike scaling one to the other it costs no more for distant exponents.
    pub(super) fn exponent_and_digits(&self) -> (i128, String) {
        let (digits, scale) = self.digits_and_scale();
        let mut text = digits.magnitude().to_str_radix(10);
        let exponent = text.len() as i128 - i128::from(scale);
        text.truncate(text.trim_end_matches('0').len());
        (exponent, text)
    }

    fn compare_numbers(&self, other: &Self) -> Ordering {
        let ((x, x_scale), (y, y_scale)) = (self.digits_and_scale(), other.digits_and_scale());
        if x_scale == y_scale || x.sign() != y.sign() || x.sign() == Sign::NoSign {
            return x.cmp(&y);
        }
        let sizes = self.exponent_and_digits().cmp(&other.exponent_and_digits());
        if x.sign() == Sign::Minus { sizes.reverse() } else { sizes }
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        self.digits_and_scale() == other.digits_and_scale()
    }
}

impl Eq for Decimal {}

impl Hash for Decimal {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digits_and_scale().hash(state);
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        self.compare_numbers(other).then_with(|| self.digits_and_scale().1.cmp(&other.digits_and_scale().1))
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// What a fact can hold. Cheap to clone.
#[derive(Clone, Debug)]
pub enum Value {
    /// True or false.
    Boolean(bool),
    /// A 64-bit integer.
    Long(i64),
    /// An integer of any size.
    BigInt(Arc<BigInt>),
    /// A 32-bit float.
    Float(f32),
    /// A 64-bit float.
    Double(f64),
    /// A decimal of any size.
    BigDec(Arc<Decimal>),
    /// Microseconds since 1970-01-01T00:00:00Z.
    Instant(i64),
    /// A UUID.
    Uuid(Uuid),
    /// A keyword.
    Keyword(Keyword),
    /// A symbol.
    Symbol(Symbol),
    /// Text.
    String(Arc<str>),
    /// A URI, as text.
    Uri(Arc<str>),
    /// Raw bytes.
    Bytes(Arc<[u8]>),
    /// Another entity.
    Ref(EntityId),
    /// Several values in a row; a missing one is `None`.
    Tuple(Arc<[Option<Value>]>),
}

/// A value as the indexes hold it: one word, or its order-preserving bytes.
///
/// Two `ValueRef` of one type compare as integers or as bytes, and agree with the order of [`Value`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ValueRef<'a> {
    /// A type whose values are one word; see [`code::fixed`] for the word.
    Fixed(Tag, i64),
    /// A type of variable length, by its code ([`code::variable`]).
    Variable(Tag, &'a [u8]),
}

impl<'a> ValueRef<'a> {
    /// The value's type.
    pub fn tag(self) -> Tag {
        match self {
            ValueRef::Fixed(tag, _) | ValueRef::Variable(tag, _) => tag,
        }
    }

    /// The value itself.
    ///
    /// # Panics
    /// If the bytes are not a code of this type: they come from [`code::variable`] or from a verified frame.
    pub fn to_value(self) -> Value {
        code::decode(self).expect("a value code made by this crate")
    }

    /// Compares across types: by type number, then inside the type.
    pub fn compare(self, other: ValueRef<'_>) -> Ordering {
        self.tag().cmp(&other.tag()).then_with(|| match (self, other) {
            (ValueRef::Fixed(_, x), ValueRef::Fixed(_, y)) => x.cmp(&y),
            (ValueRef::Variable(_, x), ValueRef::Variable(_, y)) => x.cmp(y),
            _ => unreachable!("a type is either fixed or variable"),
        })
    }
}

impl Value {
    /// Text, from anything that becomes a shared string.
    pub fn string(text: impl Into<Arc<str>>) -> Value {
        Value::String(text.into())
    }

    /// A keyword, from its text without colon.
    pub fn keyword(text: &str) -> Value {
        Value::Keyword(Keyword::new(text))
    }

    /// The value's type.
    pub fn tag(&self) -> Tag {
        match self {
            Value::Boolean(_) => Tag::Boolean,
            Value::Long(_) => Tag::Long,
            Value::BigInt(_) => Tag::BigInt,
            Value::Float(_) => Tag::Float,
            Value::Double(_) => Tag::Double,
            Value::BigDec(_) => Tag::BigDec,
            Value::Instant(_) => Tag::Instant,
            Value::Uuid(_) => Tag::Uuid,
            Value::Keyword(_) => Tag::Keyword,
            Value::Symbol(_) => Tag::Symbol,
            Value::String(_) => Tag::String,
            Value::Uri(_) => Tag::Uri,
            Value::Bytes(_) => Tag::Bytes,
            Value::Ref(_) => Tag::Ref,
            Value::Tuple(_) => Tag::Tuple,
        }
    }

    /// Calls `f` with the value as the indexes hold it; `scratch` receives the code of variable types.
    pub fn with_ref<R>(&self, scratch: &mut Vec<u8>, f: impl FnOnce(ValueRef<'_>) -> R) -> R {
        scratch.clear();
        match code::fixed(self) {
            Some(word) => f(ValueRef::Fixed(self.tag(), word)),
            None => {
                code::variable(self, scratch);
                f(ValueRef::Variable(self.tag(), scratch))
            }
        }
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        use Value as V;
        match (self, other) {
            (V::Boolean(x), V::Boolean(y)) => x.cmp(y),
            (V::Long(x), V::Long(y)) | (V::Instant(x), V::Instant(y)) => x.cmp(y),
            (V::BigInt(x), V::BigInt(y)) => x.cmp(y),
            (V::Float(x), V::Float(y)) => code::sortable(f64::from(*x)).cmp(&code::sortable(f64::from(*y))),
            (V::Double(x), V::Double(y)) => code::sortable(*x).cmp(&code::sortable(*y)),
            (V::BigDec(x), V::BigDec(y)) => x.cmp(y),
            (V::Uuid(x), V::Uuid(y)) => x.cmp(y),
            (V::Keyword(x), V::Keyword(y)) => x.cmp(y),
            (V::Symbol(x), V::Symbol(y)) => x.cmp(y),
            (V::String(x), V::String(y)) | (V::Uri(x), V::Uri(y)) => x.cmp(y),
            (V::Bytes(x), V::Bytes(y)) => x.cmp(y),
            // As words: an id beyond 2^63 is no entity's, but may stand in a question.
            (V::Ref(x), V::Ref(y)) => (x.0 as i64).cmp(&(y.0 as i64)),
            (V::Tuple(x), V::Tuple(y)) => x.cmp(y),
            _ => self.tag().cmp(&other.tag()),
        }
    }
}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Value {}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.tag().hash(state);
        let mut scratch = Vec::new();
        self.with_ref(&mut scratch, |v| v.hash(state));
    }
}
