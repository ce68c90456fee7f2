//! From what a query says to what facts hold: names to entities, numbers to an attribute's type.
//!
//! A name is an ident (a keyword), a lookup ref (`[attribute value]`) or the entity's id. One that names nothing in the
//! view of time at hand is an error, never an empty answer.

use std::sync::Arc;

use annals_storage::datom::{AttrId, Decimal, EntityId, Tag, Value};
use bigdecimal::BigDecimal;
use num_bigint::BigInt;
use num_traits::{FromPrimitive, ToPrimitive};

use crate::edn::{Edn, Real};
use crate::error::{Error, Result};
use crate::source::{Attribute, Source};
use crate::suggest::nearest;

/// The entity that a value names; `None` if the value can name no entity.
pub fn entity(source: &dyn Source, edn: &Edn) -> Result<Option<EntityId>> {
    match edn {
        Edn::Int(id) => Ok(u64::try_from(*id).ok().map(EntityId)),
        Edn::Keyword(ident) => source.entid(ident).map(Some).ok_or_else(|| {
            Error::incorrect("db.error/entity-not-found", format!("no entity has the ident {ident}"))
        }),
        Edn::Vector(parts) | Edn::List(parts) => match parts.as_slice() {
            [named @ (Edn::Keyword(_) | Edn::Int(_)), value] => lookup(source, named, value),
            _ => Err(bad_lookup_ref("a lookup ref is `[attribute value]`".into())),
        },
        _ => Ok(None),
    }
}

fn lookup(source: &dyn Source, named: &Edn, value: &Edn) -> Result<Option<EntityId>> {
    let attribute = attribute(source, named)?;
    if attribute.unique.is_none() {
        let message = format!("{} is not unique, so its values name no entity", attribute.ident);
        return Err(Error::incorrect("db.error/lookup-ref-attr-not-unique", message));
    }
    let Some(value) = stored(source, attribute, value)? else {
        let message = format!("{} has values of type {}", attribute.ident, attribute.value_type.name());
        return Err(bad_lookup_ref(message));
    };
    let found = value.with_ref(&mut Vec::new(), |v| source.entity_with(attribute.id, v))?;
    found.map(Some).ok_or_else(|| {
        let message = format!("no entity has {} {} in this view", attribute.ident, Edn::from(value));
        Error::incorrect("db.error/entity-not-found", message)
    })
}

fn bad_lookup_ref(message: String) -> Error {
    Error::incorrect("db.error/invalid-lookup-ref", message)
}

/// The attribute that a keyword or id names.
pub fn attribute<'s>(source: &'s dyn Source, edn: &Edn) -> Result<&'s Attribute> {
    let found = match edn {
        Edn::Keyword(ident) => source.attribute_named(ident),
        Edn::Int(id) => {
            u64::try_from(*id).ok().and_then(|id| source.attribute(AttrId::of_entity(EntityId(id))?))
        }
        _ => None,
    };
    found.ok_or_else(|| {
        let name = match edn {
            Edn::Keyword(ident) => ident.to_string(),
            Edn::Int(id) => id.to_string(),
            Edn::String(text) => format!("{text:?}"),
            other => format!("named by a {}", other.type_name()),
        };
        let error = Error::incorrect("db.error/unknown-attribute", format!("there is no attribute {name}"));
        let names = source.attributes();
        match nearest(name.trim_matches([':', '"']), names.iter().map(|known| known.ident.as_str())) {
            Some(near) => error.hint(format!("did you mean :{near}?")),
            None => error.hint("a question can name an attribute once a transaction has defined it"),
        }
    })
}

/// The value as an attribute would hold it: a reference's entity, a number in the attribute's type if nothing is lost.
/// `None` if the attribute can hold no such value, so that no fact matches it.
///
/// The numbers in a tuple are longs; whether a slot is a reference is not known here.
pub fn stored(source: &dyn Source, attribute: &Attribute, edn: &Edn) -> Result<Option<Value>> {
    if attribute.value_type == Tag::Ref {
        return Ok(entity(source, edn)?.map(Value::Ref));
    }
    Ok(of_type(attribute.value_type, edn))
}

/// The value in a type, if that type has it exactly.
pub fn of_type(tag: Tag, edn: &Edn) -> Option<Value> {
    Some(match (tag, edn) {
        (Tag::Boolean, Edn::Bool(b)) => Value::Boolean(*b),
        (Tag::Long, _) => Value::Long(integer(edn)?.to_i64()?),
        (Tag::BigInt, _) => Value::BigInt(Arc::new(integer(edn)?)),
        (Tag::Float, _) => {
            let x = real(edn)?;
            let narrow = x as f32;
            (Real(f64::from(narrow)) == Real(x)).then_some(Value::Float(narrow))?
        }
        (Tag::Double, _) => Value::Double(real(edn)?),
        (Tag::BigDec, Edn::BigDec(d)) => Value::BigDec(d.clone()),
        (Tag::BigDec, Edn::Int(_) | Edn::BigInt(_)) => {
            Value::BigDec(Arc::new(Decimal(BigDecimal::from(integer(edn)?))))
        }
        (Tag::Instant, Edn::Inst(i)) => Value::Instant(*i),
        (Tag::Uuid, Edn::Uuid(u)) => Value::Uuid(*u),
        (Tag::Keyword, Edn::Keyword(k)) => Value::Keyword(k.clone()),
        (Tag::Symbol, Edn::Symbol(s)) => Value::Symbol(s.clone()),
        (Tag::String, Edn::String(s)) => Value::String(s.clone()),
        (Tag::Uri, Edn::Uri(u)) => Value::Uri(u.clone()),
        (Tag::Bytes, Edn::Bytes(b)) => Value::Bytes(b.clone()),
        (Tag::Ref, Edn::Int(e)) => Value::Ref(EntityId(u64::try_from(*e).ok()?)),
        (Tag::Tuple, Edn::Vector(slots) | Edn::List(slots)) => {
            Value::Tuple(slots.iter().map(slot).collect::<Option<Arc<[_]>>>()?)
        }
        _ => return None,
    })
}

/// A tuple's slot, in the type that the value itself has. A slot holds no tuple.
fn slot(edn: &Edn) -> Option<Option<Value>> {
    let tag = match edn {
        Edn::Nil => return Some(None),
        Edn::Bool(_) => Tag::Boolean,
        Edn::Int(_) => Tag::Long,
        Edn::BigInt(_) => Tag::BigInt,
        Edn::Float(_) => Tag::Float,
        Edn::Double(_) => Tag::Double,
        Edn::BigDec(_) => Tag::BigDec,
        Edn::Inst(_) => Tag::Instant,
        Edn::Uuid(_) => Tag::Uuid,
        Edn::Keyword(_) => Tag::Keyword,
        Edn::Symbol(_) => Tag::Symbol,
        Edn::String(_) => Tag::String,
        Edn::Uri(_) => Tag::Uri,
        Edn::Bytes(_) => Tag::Bytes,
        _ => return None,
    };
    of_type(tag, edn).map(Some)
}

/// An integer of any size. A double is none, whatever its value.
fn integer(edn: &Edn) -> Option<BigInt> {
    match edn {
        Edn::Int(n) => Some(BigInt::from(*n)),
        Edn::BigInt(n) => Some(n.as_ref().clone()),
        _ => None,
    }
}

/// A number that a double has exactly, as that double.
fn real(edn: &Edn) -> Option<f64> {
    match edn {
        Edn::Float(Real(x)) | Edn::Double(Real(x)) => Some(*x),
        Edn::Int(_) | Edn::BigInt(_) => {
            let whole = integer(edn)?;
            let x = whole.to_f64().filter(|x| x.is_finite())?;
            (BigInt::from_f64(x)? == whole).then_some(x)
        }
        _ => None,
    }
}
