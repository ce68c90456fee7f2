//! EDN values: what queries and transactions are written in and answers are made of.
//!
//! One total order and one equality over all of them, so that any value can be a map key or set element and every
//! printed collection has one order. Numbers of different types are different values here (`1`, `1N`, `1.0`, `1.0M`);
//! predicates of the query language compare them by size.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use annals_storage::datom::{Decimal, Keyword, Symbol, Value, code};
use num_bigint::BigInt;
use uuid::Uuid;

/// A 64-bit float with the total order of stored values: one zero, one NaN that equals itself.
#[derive(Clone, Copy, Debug)]
pub struct Real(pub f64);

impl PartialEq for Real {
    fn eq(&self, other: &Real) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Real {}

impl Ord for Real {
    fn cmp(&self, other: &Real) -> Ordering {
        code::sortable(self.0).cmp(&code::sortable(other.0))
    }
}

impl PartialOrd for Real {
    fn partial_cmp(&self, other: &Real) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for Real {
    fn hash<H: Hasher>(&self, state: &mut H) {
        code::sortable(self.0).hash(state);
    }
}

/// An EDN value. Cheap to clone when it has no parts.
///
/// The order of the variants is the order between types.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Edn {
    /// `nil`
    Nil,
    /// `true`, `false`
    Bool(bool),
    /// `42`; also an entity id
    Int(i64),
    /// `42N`
    BigInt(Arc<BigInt>),
    /// A 32-bit float, held exactly in 64 bits; EDN text has none, attributes of type float do.
    Float(Real),
    /// `1.5`, `##Inf`, `##NaN`
    Double(Real),
    /// `1.50M`
    BigDec(Arc<Decimal>),
    /// `#inst "…"`, microseconds since 1970
    Inst(i64),
    /// `#uuid "…"`
    Uuid(Uuid),
    /// `\a`
    Char(char),
    /// `:a/b`
    Keyword(Keyword),
    /// `a/b`
    Symbol(Symbol),
    /// `"text"`
    String(Arc<str>),
    /// `#uri "…"`
    Uri(Arc<str>),
    /// `#bytes "…"`, base64
    Bytes(Arc<[u8]>),
    /// `( … )`
    List(Vec<Edn>),
    /// `[ … ]`
    Vector(Vec<Edn>),
    /// `#{ … }`
    Set(BTreeSet<Edn>),
    /// `{ … }`
    Map(BTreeMap<Edn, Edn>),
    /// `#tag value`, for a tag Annals does not know
    Tagged(Symbol, Box<Edn>),
}

impl Edn {
    /// Text.
    pub fn string(text: impl Into<Arc<str>>) -> Edn {
        Edn::String(text.into())
    }

    /// A keyword, from its text without colon.
    pub fn keyword(text: &str) -> Edn {
        Edn::Keyword(Keyword::new(text))
    }

    /// A symbol, from its text.
    pub fn symbol(text: &str) -> Edn {
        Edn::Symbol(Symbol::new(text))
    }

    /// A double.
    pub fn double(x: f64) -> Edn {
        Edn::Double(Real(x))
    }

    /// The elements of a list or vector.
    pub fn as_seq(&self) -> Option<&[Edn]> {
        match self {
            Edn::List(edns) | Edn::Vector(edns) => Some(edns),
            _ => None,
        }
    }

    /// The name of the value's type, for messages.
    pub fn type_name(&self) -> &'static str {
        match self {
            Edn::Nil => "nil",
            Edn::Bool(_) => "boolean",
            Edn::Int(_) => "long",
            Edn::BigInt(_) => "bigint",
            Edn::Float(_) => "float",
            Edn::Double(_) => "double",
            Edn::BigDec(_) => "bigdec",
            Edn::Inst(_) => "instant",
            Edn::Uuid(_) => "uuid",
            Edn::Char(_) => "character",
            Edn::Keyword(_) => "keyword",
            Edn::Symbol(_) => "symbol",
            Edn::String(_) => "string",
            Edn::Uri(_) => "uri",
            Edn::Bytes(_) => "bytes",
            Edn::List(_) => "list",
            Edn::Vector(_) => "vector",
            Edn::Set(_) => "set",
            Edn::Map(_) => "map",
            Edn::Tagged(..) => "tagged value",
        }
    }
}

/// A stored value as EDN: references become integers, tuples vectors.
impl From<Value> for Edn {
    fn from(value: Value) -> Edn {
        match value {
            Value::Boolean(b) => Edn::Bool(b),
            Value::Long(n) => Edn::Int(n),
            Value::BigInt(n) => Edn::BigInt(n),
            Value::Float(x) => Edn::Float(Real(f64::from(x))),
            Value::Double(x) => Edn::Double(Real(x)),
            Value::BigDec(d) => Edn::BigDec(d),
            Value::Instant(i) => Edn::Inst(i),
            Value::Uuid(u) => Edn::Uuid(u),
            Value::Keyword(k) => Edn::Keyword(k),
            Value::Symbol(s) => Edn::Symbol(s),
            Value::String(s) => Edn::String(s),
            Value::Uri(u) => Edn::Uri(u),
            Value::Bytes(b) => Edn::Bytes(b),
            Value::Ref(e) => Edn::Int(e.0 as i64),
            Value::Tuple(slots) => {
                Edn::Vector(slots.iter().map(|slot| slot.clone().map_or(Edn::Nil, Edn::from)).collect())
            }
        }
    }
}

macro_rules! from {
    ($($from:ty, $x:ident => $edn:expr;)*) => {
        $(impl From<$from> for Edn {
            fn from($x: $from) -> Edn {
                $edn
            }
        })*
    };
}

from! {
    bool, x => Edn::Bool(x);
    i64, x => Edn::Int(x);
    i32, x => Edn::Int(i64::from(x));
    u32, x => Edn::Int(i64::from(x));
    f64, x => Edn::Double(Real(x));
    &str, x => Edn::string(x);
    String, x => Edn::string(x);
    Keyword, x => Edn::Keyword(x);
    Symbol, x => Edn::Symbol(x);
    Uuid, x => Edn::Uuid(x);
    Vec<Edn>, x => Edn::Vector(x);
    annals_storage::datom::EntityId, x => Edn::Int(x.0 as i64);
}
