//! EDN as values of the language, and the way back where the attribute says more than the value.
//!
//! | EDN | in a script |
//! | --- | --- |
//! | nil, booleans, strings | null, booleans, strings |
//! | long | number; beyond 2^53 an object made by `long("…")` |
//! | double, float | number; one that is whole is a long on the way back, unless its attribute is of doubles |
//! | keyword, symbol, uuid, instant, bigint, bigdec | objects made by `kw`, `sym`, `uuid`, `instant`, `bigint`, `decimal` |
//! | vector, set | array, Set |
//! | map | object without prototype, keywords as keys without their colon; Map if another key is among them |
//! | anything else | an object made by `edn("…")` |
//!
//! Objects made by these are one per value in a call, so that `===` compares them.

use std::sync::Arc;

use annals_query::edn::{self, Edn};
use annals_storage::datom::{Decimal, Keyword};
use rquickjs::{Array, Ctx, Exception, Function, Object, String as Text, Value};

use crate::error::{Error, Result, brief};

/// The largest integer up to which numbers of the language are exact.
const SAFE: i64 = (1 << 53) - 1;

/// How deep values may be nested.
const DEEPEST: usize = 200;

/// A value of the language. `charge` is told how many parts were made.
pub(super) fn encode<'js>(
    ctx: &Ctx<'js>,
    make: &Function<'js>,
    edn: &Edn,
    depth: usize,
    charge: &dyn Fn(u64) -> rquickjs::Result<()>,
) -> rquickjs::Result<Value<'js>> {
    if depth > DEEPEST {
        return Err(Exception::throw_message(ctx, "a value is nested deeper than 200 levels"));
    }
    let array = |parts: &mut dyn Iterator<Item = &Edn>, len: usize| -> rquickjs::Result<Array<'js>> {
        charge(4 * len as u64)?;
        let array = Array::new(ctx.clone())?;
        for (at, part) in parts.enumerate() {
            array.set(at, encode(ctx, make, part, depth + 1, charge)?)?;
        }
        Ok(array)
    };
    Ok(match edn {
        Edn::Nil => Value::new_null(ctx.clone()),
        Edn::Bool(b) => Value::new_bool(ctx.clone(), *b),
        Edn::Int(n) if n.abs_diff(0) <= SAFE as u64 => Value::new_number(ctx.clone(), *n as f64),
        Edn::Int(_) => made(make, "long", edn)?,
        Edn::Double(x) | Edn::Float(x) => Value::new_float(ctx.clone(), x.0),
        Edn::String(text) => {
            charge(text.len() as u64)?;
            Text::from_str(ctx.clone(), text)?.into_value()
        }
        Edn::Vector(parts) => array(&mut parts.iter(), parts.len())?.into_value(),
        Edn::Set(parts) => make.call(("set", array(&mut parts.iter(), parts.len())?))?,
        Edn::Map(entries) if entries.keys().all(|key| matches!(key, Edn::Keyword(_))) => {
            charge(8 * entries.len() as u64)?;
            let object = Object::new_proto(ctx.clone(), None)?;
            for (key, value) in entries {
                let Edn::Keyword(key) = key else { continue };
                object.set(key.as_str(), encode(ctx, make, value, depth + 1, charge)?)?;
            }
            object.into_value()
        }
        Edn::Map(entries) => {
            let pairs: Vec<Edn> =
                entries.iter().map(|(key, value)| Edn::Vector(vec![key.clone(), value.clone()])).collect();
            make.call(("map", array(&mut pairs.iter(), pairs.len())?))?
        }
        Edn::Keyword(_) => made(make, "keyword", edn)?,
        Edn::Symbol(_) => made(make, "symbol", edn)?,
        Edn::Uuid(_) => made(make, "uuid", edn)?,
        Edn::Inst(_) => made(make, "instant", edn)?,
        Edn::BigInt(_) => made(make, "bigint", edn)?,
        Edn::BigDec(_) => made(make, "decimal", edn)?,
        _ => made(make, "edn", edn)?,
    })
}

/// An object for a value the language has no type for.
pub(super) fn made<'js>(make: &Function<'js>, kind: &str, edn: &Edn) -> rquickjs::Result<Value<'js>> {
    let text = edn.to_string();
    let shown = match edn {
        Edn::Uuid(uuid) => uuid.to_string(),
        Edn::Inst(micros) => edn::instant::format(*micros),
        Edn::BigInt(_) | Edn::BigDec(_) => text.trim_end_matches(['N', 'M']).to_owned(),
        _ => text.clone(),
    };
    make.call((kind, text, shown))
}

/// What a script makes by `kw("a/b")` and the like.
pub(super) fn literal(kind: &str, text: &str) -> Result<Edn> {
    let read = |text: String| edn::read_one(&text).ok().map(|form| form.to_edn());
    let made = match kind {
        "keyword" => read(format!(":{}", text.strip_prefix(':').unwrap_or(text))),
        "symbol" => read(text.to_owned()),
        "uuid" => uuid::Uuid::try_parse(text).ok().map(Edn::Uuid),
        "instant" => edn::instant::parse(text).map(Edn::Inst),
        "decimal" => read(format!("{text}M")),
        "bigint" => read(format!("{text}N")),
        "long" => text.parse().ok().map(Edn::Int),
        "double" => text.parse().ok().map(Edn::double),
        _ => return Ok(edn::read_one(text)?.to_edn()),
    };
    let fits = |edn: &Edn| match kind {
        "decimal" => matches!(edn, Edn::BigDec(_)),
        "bigint" => matches!(edn, Edn::BigInt(_)),
        "keyword" => matches!(edn, Edn::Keyword(_)),
        "symbol" => matches!(edn, Edn::Symbol(_)),
        _ => true,
    };
    made.filter(fits).ok_or_else(|| {
        Error::incorrect("db.error/bad-literal", format!("{} is no {kind}", brief(&Edn::string(text))))
    })
}

/// Transaction data in which whole numbers are doubles where the attribute is of doubles: the language has one type for
/// both. `is_real` says whether an attribute is.
pub(super) fn fit(data: Edn, is_real: &dyn Fn(&Keyword) -> bool) -> Edn {
    match data {
        Edn::Vector(operations) => {
            Edn::Vector(operations.into_iter().map(|operation| fit_operation(operation, is_real)).collect())
        }
        other => other,
    }
}

fn fit_operation(operation: Edn, is_real: &dyn Fn(&Keyword) -> bool) -> Edn {
    match operation {
        Edn::Vector(mut parts) => {
            if let [_, _, Edn::Keyword(attribute), values @ ..] = &mut parts[..]
                && is_real(attribute)
            {
                for value in values {
                    *value = real(std::mem::replace(value, Edn::Nil));
                }
            }
            Edn::Vector(parts)
        }
        Edn::Map(entries) => Edn::Map(
            entries
                .into_iter()
                .map(|(key, value)| match &key {
                    Edn::Keyword(attribute) if is_real(attribute) => (key, real(value)),
                    _ => (key, nested(value, is_real)),
                })
                .collect(),
        ),
        other => other,
    }
}

/// The maps inside of a value.
fn nested(value: Edn, is_real: &dyn Fn(&Keyword) -> bool) -> Edn {
    match value {
        Edn::Map(_) => fit_operation(value, is_real),
        Edn::Vector(parts) if parts.iter().any(|part| matches!(part, Edn::Map(_))) => {
            Edn::Vector(parts.into_iter().map(|part| nested(part, is_real)).collect())
        }
        other => other,
    }
}

fn real(value: Edn) -> Edn {
    match value {
        Edn::Int(n) => Edn::double(n as f64),
        Edn::Vector(parts) => Edn::Vector(parts.into_iter().map(real).collect()),
        Edn::Set(parts) => Edn::Set(parts.into_iter().map(real).collect()),
        other => other,
    }
}

/// A decimal in EDN.
pub(super) fn decimal(number: bigdecimal::BigDecimal) -> Edn {
    Edn::BigDec(Arc::new(Decimal(number)))
}
