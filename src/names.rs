//! Names of entities and attributes, and what they stand for.
//!
//! An entity is named by its id, its ident, or a lookup ref: an attribute that is unique and its value. Idents are those
//! of the basis; a lookup ref is looked up wherever the caller says, which is db-before in a transaction and the shown
//! facts in a view.

use annals_query::edn::{Edn, Form, FormKind};
use annals_query::suggest::nearest;
use annals_storage::datom::{AttrId, EntityId, Keyword, Tag, Value};

use crate::error::{Error, Result, brief};
use crate::schema::{Attr, Schema, Tuple};
use crate::transact::value::{self, Misfit, TUPLE_ARITY};

/// Finds the entity that has a value of a unique attribute.
pub(crate) type Holder<'h> = dyn Fn(AttrId, &Value) -> Result<Option<EntityId>> + 'h;

/// The entity a name stands for; `None` if there is none.
pub(crate) fn entity(schema: &Schema, name: &Form, holder: &Holder<'_>) -> Result<Option<EntityId>> {
    match &name.kind {
        FormKind::Atom(Edn::Int(id)) => Ok(u64::try_from(*id).ok().map(EntityId)),
        FormKind::Atom(Edn::Keyword(ident)) => Ok(schema.entid(ident)),
        FormKind::List(parts) | FormKind::Vector(parts) => lookup_ref(schema, name, parts, holder),
        _ => {
            let given = brief(&name.to_edn());
            Err(Error::incorrect("db.error/invalid-entity-name", format!("{given} names no entity"))
                .with_hint("an entity is named by its id, its ident, or a lookup ref like [:person/email \"a@b.org\"]")
                .at(name.span))
        }
    }
}

/// The entity of a lookup ref; `None` if no entity has that value.
pub(crate) fn lookup_ref(
    schema: &Schema,
    whole: &Form,
    parts: &[Form],
    holder: &Holder<'_>,
) -> Result<Option<EntityId>> {
    let [attr, v] = parts else { return Err(invalid_lookup_ref(whole, "it needs an attribute and a value")) };
    if !matches!(attr.kind, FormKind::Atom(Edn::Keyword(_) | Edn::Int(_))) {
        return Err(invalid_lookup_ref(whole, "its first part must be an attribute"));
    }
    let attr = attribute(schema, attr)?;
    if attr.unique().is_none() {
        let message =
            format!("{} is not unique, so {} names no entity", attr.ident(), brief(&whole.to_edn()));
        return Err(Error::incorrect("db.error/lookup-ref-attr-not-unique", message)
            .with_hint("give the attribute a :db/unique, or find the entity by a query")
            .at(whole.span));
    }
    if matches!(v.kind, FormKind::Atom(Edn::Nil)) {
        return Err(invalid_lookup_ref(whole, "its value is nil"));
    }
    match constant(schema, attr, v, holder)? {
        Some(v) => holder(attr.id(), &v),
        None => Ok(None),
    }
}

fn invalid_lookup_ref(whole: &Form, why: &str) -> Error {
    Error::incorrect(
        "db.error/invalid-lookup-ref",
        format!("{} is no lookup ref: {why}", brief(&whole.to_edn())),
    )
    .with_hint("write [:person/email \"ann@example.org\"]: a unique attribute and a value of it")
    .at(whole.span)
}

/// The attribute a name stands for.
pub(crate) fn attribute<'s>(schema: &'s Schema, name: &Form) -> Result<&'s Attr> {
    let e = match &name.kind {
        FormKind::Atom(Edn::Keyword(ident)) => match schema.entid(ident) {
            Some(e) => e,
            None => return Err(unknown_attribute(schema, ident).at(name.span)),
        },
        FormKind::Atom(Edn::Int(id)) => EntityId(u64::try_from(*id).unwrap_or(u64::MAX)),
        _ => {
            let message = format!("{} names no attribute", brief(&name.to_edn()));
            return Err(Error::incorrect("db.error/not-an-attribute", message)
                .with_hint("an attribute is named by a keyword")
                .at(name.span));
        }
    };
    AttrId::of_entity(e).and_then(|id| schema.attr(id)).ok_or_else(|| {
        let message = format!("{} is no attribute", name.to_edn());
        Error::incorrect("db.error/not-an-attribute", message)
            .with_hint("an attribute is an entity with a :db/valueType and a :db/cardinality; see the schema")
            .at(name.span)
    })
}

fn unknown_attribute(schema: &Schema, ident: &Keyword) -> Error {
    let error =
        Error::incorrect("db.error/not-an-entity", format!("{ident} is no attribute of this database"))
            .with_data("db.error/ident", ident.clone());
    let names = schema.attrs().map(|attr| attr.ident().as_str());
    match nearest(ident.as_str(), names) {
        Some(near) => error.with_hint(format!("did you mean :{near}?")),
        None => error.with_hint("a schema can be used from the transaction after the one that defines it"),
    }
}

/// The value of an attribute that `given` stands for, where no tempid can stand; `None` if it names an entity that is
/// not there.
pub(crate) fn constant(
    schema: &Schema,
    attr: &Attr,
    given: &Form,
    holder: &Holder<'_>,
) -> Result<Option<Value>> {
    match attr.tag() {
        Tag::Ref => Ok(entity(schema, given, holder)?.map(Value::Ref)),
        Tag::Tuple => {
            let Some(slots) = given.as_seq() else { return Err(misfit(attr, given, Misfit::Type)) };
            let tags = slot_tags(schema, attr, given, slots.len())?;
            let mut values = Vec::with_capacity(slots.len());
            for (tag, slot) in tags.into_iter().zip(slots) {
                values.push(match (tag, &slot.kind) {
                    (_, FormKind::Atom(Edn::Nil)) => None,
                    (Tag::Ref, _) => match entity(schema, slot, holder)? {
                        Some(e) => Some(Value::Ref(e)),
                        None => return Ok(None),
                    },
                    (tag, _) => Some(tuple_slot(attr, tag, slot)?),
                });
            }
            Ok(Some(Value::Tuple(values.into())))
        }
        tag => match given.as_atom() {
            Some(atom) => value::scalar(tag, atom).map(Some).map_err(|why| misfit(attr, given, why)),
            None => Err(misfit(attr, given, Misfit::Type)),
        },
    }
}

/// The types of a tuple's slots, where `arity` values are given.
pub(crate) fn slot_tags(schema: &Schema, attr: &Attr, given: &Form, arity: usize) -> Result<Vec<Tag>> {
    let tags: Vec<Tag> = match &attr.tuple {
        Tuple::Composite(members) => {
            members.iter().filter_map(|id| schema.attr(*id)).map(Attr::tag).collect()
        }
        Tuple::Types(tags) => tags.to_vec(),
        Tuple::Of(tag) if TUPLE_ARITY.contains(&arity) => vec![*tag; arity],
        Tuple::Of(_) | Tuple::Free => Vec::new(),
    };
    if tags.len() == arity {
        return Ok(tags);
    }
    let wanted = match &attr.tuple {
        Tuple::Composite(_) | Tuple::Types(_) => tags.len().to_string(),
        Tuple::Of(_) | Tuple::Free => "2 to 8".to_owned(),
    };
    Err(invalid_tuple(attr, given, &format!("its tuples have {wanted} values")))
}

/// A value inside a tuple.
pub(crate) fn tuple_slot(attr: &Attr, tag: Tag, slot: &Form) -> Result<Value> {
    let atom = slot.as_atom().ok_or(Misfit::Type);
    match atom.and_then(|atom| value::scalar(tag, atom)) {
        Ok(Value::String(text) | Value::Uri(text)) if text.len() > value::MAX_TUPLE_TEXT_BYTES => {
            Err(invalid_tuple(attr, slot, "a text inside a tuple has at most 1024 bytes"))
        }
        Ok(v) => Ok(v),
        Err(_) => Err(invalid_tuple(attr, slot, &format!("{} is wanted in this place", tag.name()))),
    }
}

pub(crate) fn invalid_tuple(attr: &Attr, given: &Form, why: &str) -> Error {
    let message = format!("{} does not fit {}: {why}", brief(&given.to_edn()), attr.ident());
    Error::incorrect("db.error/invalid-tuple-value", message)
        .with_hint("give a vector with a value for each place, or nil where there is none")
        .at(given.span)
}

/// The error for something that is no value of an attribute.
pub(crate) fn misfit(attr: &Attr, given: &Form, why: Misfit) -> Error {
    let edn = given.to_edn();
    match why {
        Misfit::Size(limit) => {
            let message = format!("the value for {} is too large: {limit}", attr.ident());
            Error::incorrect("db.error/value-too-large", message)
                .with_hint("split it into several facts, or keep it elsewhere and store where it is")
                .at(given.span)
        }
        Misfit::Type if edn == Edn::Nil => nil_value(attr).at(given.span),
        Misfit::Type => crate::transact::wrong_type(attr, &edn).at(given.span),
    }
}

/// The error for nil where a value is needed.
pub(crate) fn nil_value(attr: &Attr) -> Error {
    Error::incorrect("db.error/nil-value", format!("nil is no value, and {} is given nil", attr.ident()))
        .with_hint("leave the attribute out, or retract what it has")
        .with_data("db.error/attribute", attr.ident().clone())
}
