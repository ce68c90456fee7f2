//! Whether a schema may become what a transaction makes of it.
//!
//! A new attribute needs a name, a type and a cardinality. An old one may gain and lose most properties, but never
//! those that what is stored was written by (type, shape of tuples), and none that what is stored would break: one
//! value of several, unique ones that are shared. Everything is judged on the state after, with the facts it breaks.

use std::sync::Arc;

use annals_query::edn::Edn;
use annals_storage::datom::{AttrId, EntityId, Keyword, Partition, Tag, Value};
use annals_storage::log::{LogDatom, LoggedTx, Op};

use super::ahead::Ahead;
use super::command;
use super::ensure::unknown_predicate;
use super::fill;
use super::partition;
use super::problem::Problems;
use super::repeats;
use super::value::{self, TUPLE_ARITY};
use crate::basis::Basis;
use crate::code;
use crate::database::Db;
use crate::error::{Error, Result};
use crate::schema::{self, Attr, Invariant, Tuple, bootstrap as at};

/// Judges every attribute and ident that the transaction touched, with what was found out about them ahead.
pub(super) fn check(before: &Basis, after: &Arc<Basis>, tx: &LoggedTx, ahead: &Ahead) -> Result<()> {
    let mut problems = Problems::default();
    declared(after, tx, &mut problems)?;
    let mut touched: Vec<EntityId> = Vec::new();
    for datom in tx.datoms.iter().filter(|datom| schema::defines(datom.a)) {
        match &datom.v {
            Value::Keyword(ident) if datom.a == at::IDENT && datom.op == Op::Assert => {
                problems.keep(free_name(ident, datom.e));
            }
            _ => {}
        }
        let is_attribute = || AttrId::of_entity(datom.e).is_some_and(|id| before.schema.attr(id).is_some());
        if schema::is_property(datom.a) || is_attribute() {
            touched.push(datom.e);
        }
    }
    for datom in tx.datoms.iter().filter(|datom| datom.a == at::INSTALL_PARTITION && datom.op == Op::Assert) {
        if let Value::Ref(listed) = datom.v {
            problems.keep(partition::installable(before, listed));
        }
    }
    for datom in tx.datoms.iter().filter(|datom| datom.a == at::INSTALL_ATTRIBUTE && datom.op != Op::Assert) {
        if let Value::Ref(listed) = datom.v
            && let Some(attr) = AttrId::of_entity(listed).and_then(|id| before.schema.attr(id))
        {
            let why = "an attribute stays on the list of attributes";
            problems.push(refused(attr, "db.error/unsupported-alter-schema", why, Vec::new()));
        }
    }
    touched.sort_unstable();
    touched.dedup();
    for e in touched {
        problems.keep(attribute(before, after, e, ahead));
    }
    problems.settle()
}

/// Code, predicates and constraints can be read and found.
fn declared(after: &Arc<Basis>, tx: &LoggedTx, problems: &mut Problems) -> Result<()> {
    const DECLARES: [AttrId; 7] = [
        at::FN,
        at::FN_LANG,
        at::CONSTRAINT,
        at::ATTR_PREDS,
        at::ENTITY_PREDS,
        at::COMMAND_ARGS,
        at::COMMAND_ENSURE,
    ];
    // Code without its language is read as Datalog.
    let is_declaration =
        |datom: &&LogDatom| DECLARES.contains(&datom.a) && (datom.op == Op::Assert || datom.a == at::FN_LANG);
    let mut declarations = tx.datoms.iter().filter(is_declaration).peekable();
    if declarations.peek().is_none() {
        return Ok(());
    }
    let db = Db::new(Arc::clone(after));
    let mut coded = None;
    for datom in declarations {
        let is_code = [at::FN, at::FN_LANG].contains(&datom.a);
        if is_code && coded.replace(datom.e) == Some(datom.e) {
            continue;
        }
        let done = match &datom.v {
            Value::String(text) if datom.a == at::CONSTRAINT => Invariant::read(text).map(drop),
            Value::Symbol(pred) => match code::is_predicate(&db, pred, datom.a == at::ENTITY_PREDS)? {
                true => Ok(()),
                false => Err(unknown_predicate(pred)),
            },
            Value::String(text) if datom.a == at::COMMAND_ARGS => command::Args::read(text).map(drop),
            Value::String(text) if datom.a == at::COMMAND_ENSURE => code::check_text(text),
            _ => code::check(&db, datom.e),
        };
        problems.keep(done.map_err(|error| error.with_data("db.error/entity", datom.e)));
    }
    Ok(())
}

/// Names in `db` and what is below it are the database's own; partitions are named by users.
fn free_name(ident: &Keyword, e: EntityId) -> Result<()> {
    match ident.namespace() {
        Some(space)
            if (space == "db" || space.starts_with("db.")) && space != "db.part" && !at::is_system(e) =>
        {
            let message = format!("{ident} is a name of the database's own");
            Err(Error::incorrect("db.error/reserved-name", message)
                .with_hint("the namespaces db and db.… are kept; choose another"))
        }
        _ => Ok(()),
    }
}

fn attribute(before: &Basis, after: &Basis, e: EntityId, ahead: &Ahead) -> Result<()> {
    let old = AttrId::of_entity(e).and_then(|id| before.schema.attr(id));
    let facts = Facts::of(after, e)?;
    match old {
        None => installed(before, after, e, &facts, ahead),
        Some(old) => altered(before, after, old, &facts, ahead),
    }
}

/// What is said about an attribute after the transaction.
struct Facts(Vec<(AttrId, Value)>);

impl Facts {
    fn of(after: &Basis, e: EntityId) -> Result<Facts> {
        after.facts_of(e).map(Facts)
    }

    fn get(&self, a: AttrId) -> Option<&Value> {
        self.0.iter().find(|(known, _)| *known == a).map(|(_, v)| v)
    }

    /// The attribute's name, for messages.
    fn name(&self, e: EntityId) -> String {
        match self.get(at::IDENT) {
            Some(Value::Keyword(ident)) => ident.to_string(),
            _ => format!("entity {e}"),
        }
    }
}

fn installed(before: &Basis, after: &Basis, e: EntityId, facts: &Facts, ahead: &Ahead) -> Result<()> {
    let name = facts.name(e);
    let refuse = |why: String| {
        Err(Error::incorrect(
            "db.error/invalid-install-attribute",
            format!("{name} cannot be an attribute: {why}"),
        )
        .with_hint("a new entity with a :db/ident, a :db/valueType and a :db/cardinality is an attribute")
        .with_data("db.error/entity", e))
    };
    let required =
        [(at::IDENT, ":db/ident"), (at::VALUE_TYPE, ":db/valueType"), (at::CARDINALITY, ":db/cardinality")];
    let missing: Vec<&str> =
        required.into_iter().filter(|(a, _)| facts.get(*a).is_none()).map(|(_, name)| name).collect();
    if !missing.is_empty() {
        return refuse(format!("it has no {}", missing.join(" and no ")));
    }
    if e.partition() != Partition::DB || before.is_allocated(e) {
        return refuse("the entity was there before, and attributes are new entities".to_owned());
    }
    let Some(attr) = AttrId::of_entity(e).and_then(|id| after.schema.attr(id)) else {
        return refuse(format!("{} is no value type", shown(after, facts.get(at::VALUE_TYPE))));
    };
    properties(after, facts).map_or(Ok(()), &refuse)?;
    shape(after, attr, facts)?;
    if attr.filling && attr.unique().is_some() {
        let datoms = fill::shared(after, attr, ahead.composed(attr))?;
        if !datoms.is_empty() {
            return Err(refused(
                attr,
                "db.error/unique-violation",
                "some entities have the same members",
                datoms,
            ));
        }
    }
    Ok(())
}

/// What is wrong with the properties of an attribute, taken by themselves.
fn properties(after: &Basis, facts: &Facts) -> Option<String> {
    let tag = match facts.get(at::VALUE_TYPE) {
        Some(Value::Ref(e)) => at::type_of_entity(*e),
        _ => None,
    };
    let Some(tag) = tag else {
        return Some(format!("{} is no value type", shown(after, facts.get(at::VALUE_TYPE))));
    };
    if !matches!(facts.get(at::CARDINALITY), Some(Value::Ref(at::CARDINALITY_ONE | at::CARDINALITY_MANY))) {
        return Some(format!("{} is no cardinality", shown(after, facts.get(at::CARDINALITY))));
    }
    if !matches!(facts.get(at::UNIQUE), None | Some(Value::Ref(at::UNIQUE_IDENTITY | at::UNIQUE_VALUE))) {
        return Some(format!("{} is no kind of uniqueness", shown(after, facts.get(at::UNIQUE))));
    }
    if facts.get(at::UNIQUE).is_some() && tag == Tag::Bytes {
        return Some("values of type bytes cannot be unique".to_owned());
    }
    if facts.get(at::IS_COMPONENT) == Some(&Value::Boolean(true)) && tag != Tag::Ref {
        return Some("only references can be components".to_owned());
    }
    None
}

/// Whether an attribute of type tuple says what its tuples are.
fn shape(after: &Basis, attr: &Attr, facts: &Facts) -> Result<()> {
    let refuse = |why: &str| {
        let message = format!("{} cannot be an attribute: {why}", attr.ident());
        Err(Error::incorrect("db.error/invalid-tuple-attrs", message)
            .with_hint("as in :db/tupleAttrs [:a/x :a/y], :db/tupleType :db.type/long or :db/tupleTypes [:db.type/long :db.type/ref]"))
    };
    let said = [at::TUPLE_ATTRS, at::TUPLE_TYPE, at::TUPLE_TYPES]
        .into_iter()
        .filter(|a| facts.get(*a).is_some())
        .count();
    match (attr.tag(), said) {
        (Tag::Tuple, 1) => {}
        (Tag::Tuple, _) => {
            return refuse("a tuple has one of :db/tupleAttrs, :db/tupleType and :db/tupleTypes");
        }
        (_, 0) => return Ok(()),
        _ => return refuse("only tuples have :db/tupleAttrs, :db/tupleType or :db/tupleTypes"),
    }
    let named = |a| match facts.get(a) {
        Some(Value::Tuple(slots)) => slots.len(),
        _ => 0,
    };
    match &attr.tuple {
        Tuple::Of(tag) if value::fits_tuples(*tag) => Ok(()),
        Tuple::Types(tags)
            if tags.len() == named(at::TUPLE_TYPES) && tags.iter().all(|tag| value::fits_tuples(*tag)) =>
        {
            Ok(())
        }
        Tuple::Composite(members) if members.len() == named(at::TUPLE_ATTRS) => {
            let sound = |id: &AttrId| {
                let member = after.schema.attr(*id);
                member.is_some_and(|member| !member.is_many() && value::fits_tuples(member.tag()))
            };
            if attr.is_many() {
                return refuse("a composite tuple has cardinality one");
            }
            if !TUPLE_ARITY.contains(&members.len()) || !members.iter().all(sound) {
                return refuse(
                    "its members must be 2 to 8 attributes of cardinality one that are no tuples, floats or bytes",
                );
            }
            Ok(())
        }
        Tuple::Composite(_) => refuse("a name in :db/tupleAttrs names no attribute"),
        _ => refuse("a type it names cannot stand in tuples"),
    }
}

fn altered(before: &Basis, after: &Basis, old: &Attr, facts: &Facts, ahead: &Ahead) -> Result<()> {
    let e = old.id().entity();
    let fixed = [at::VALUE_TYPE, at::FULLTEXT, at::TUPLE_ATTRS, at::TUPLE_TYPE, at::TUPLE_TYPES];
    for a in fixed {
        let was = before.value(e, a)?.map(|(v, _)| v);
        if was.as_ref() != facts.get(a) {
            let property = before.schema.attr(a).map_or_else(String::new, |attr| attr.ident().to_string());
            let why = format!("{property} of an attribute cannot be changed");
            return Err(refused(old, "db.error/unsupported-alter-schema", &why, Vec::new())
                .with_hint("define a new attribute and move what is stored"));
        }
    }
    if facts.get(at::IDENT).is_none() || facts.get(at::CARDINALITY).is_none() {
        return Err(refused(
            old,
            "db.error/unsupported-alter-schema",
            "an attribute keeps a name and a cardinality",
            Vec::new(),
        )
        .with_hint("an attribute cannot be removed; give it another name instead"));
    }
    if let Some(why) = properties(after, facts) {
        return Err(refused(old, "db.error/unsupported-alter-schema", &why, Vec::new()));
    }
    let Some(new) = after.schema.attr(old.id()) else { return Ok(()) };
    if new.is_many() && !old.is_many() && (!old.composites.is_empty() || old.is_composite()) {
        let why = "members of composite tuples, and composite tuples, have cardinality one";
        return Err(refused(old, "db.error/unsupported-alter-schema", why, Vec::new()));
    }
    if old.is_many() && !new.is_many() {
        let datoms = repeats::several(after, new, ahead.single(new))?;
        if !datoms.is_empty() {
            let why = "some entities have several values";
            return Err(refused(old, "db.error/cardinality-violation", why, datoms));
        }
    }
    if old.unique().is_none() && new.unique().is_some() {
        if old.filling {
            let why = "the tuples of older entities are still being made";
            return Err(refused(old, "db.error/unique-violation", why, Vec::new())
                .with_hint("wait until its :db.attr/filling is gone"));
        }
        let datoms = repeats::shared(after, new, ahead.distinct(new))?;
        if !datoms.is_empty() {
            return Err(refused(old, "db.error/unique-violation", "some entities share a value", datoms));
        }
    }
    Ok(())
}

fn refused(attr: &Attr, reason: &str, why: &str, datoms: Vec<Edn>) -> Error {
    let message = format!("{} cannot be altered so: {why}", attr.ident());
    let hint = match datoms.is_empty() {
        true => "leave it as it is, or define a new attribute and move what is stored",
        false => "mend what :db.error/datoms lists in a transaction before, then alter the attribute",
    };
    let error = Error::incorrect("db.error/invalid-alter-attribute", message)
        .with_hint(hint)
        .with_data("db.error/reason", Edn::keyword(reason))
        .with_data("db.error/attribute", attr.ident().clone());
    if datoms.is_empty() { error } else { error.with_data("db.error/datoms", datoms) }
}

fn shown(basis: &Basis, v: Option<&Value>) -> String {
    match v {
        Some(Value::Ref(e)) => {
            basis.schema.ident(*e).map_or_else(|| format!("entity {e}"), ToString::to_string)
        }
        Some(v) => Edn::from(v.clone()).to_string(),
        None => "nil".to_owned(),
    }
}
