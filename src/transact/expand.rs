//! From forms to facts: maps and nested maps become flat facts, names become ids, values get their attribute's type.
//!
//! Everything a name can stand for is looked up in the state before the transaction. What is left open are tempids,
//! which [`super::resolve`] settles, and requests about what the state before holds. A form that is wrong does not
//! stop the others: all that is wrong with the data is found in one go.

use std::sync::Arc;

use annals_query::edn::{Edn, Form, FormKind, Span};
use annals_storage::anomaly::Category;
use annals_storage::datom::{EntityId, Keyword, Tag, Value};
use hashbrown::HashMap;

use super::call::Calls;
use super::command::Command;
use super::ensure::Ensure;
use super::key;
use super::partition::{self, Wish};
use super::problem::{self, Problems};
use super::value::{self, Misfit};
use super::{Deferred, DraftFact, Ent, Temp, Val};
use crate::basis::Basis;
use crate::code::Allowance;
use crate::database::Db;
use crate::error::{Error, Result, brief};
use crate::names;
use crate::schema::{self, Attr, bootstrap as at};

/// How deep maps may be nested. Text is bounded by its reader; data made by a program is bounded here.
const MAX_NESTING: usize = 200;

/// The tempid that names the transaction itself.
pub(super) const TX_TEMPID: &str = "datomic.tx";

/// What a transaction says, but for the meaning of its tempids.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) facts: Vec<DraftFact>,
    pub(super) deferred: Vec<Deferred>,
    pub(super) ensures: Vec<Ensure<Ent>>,
    pub(super) wishes: Vec<Wish>,
    pub(super) commands: Vec<Command>,
    pub(super) temps: Vec<TempUse>,
}

/// What a transaction says about a tempid.
#[derive(Clone, Debug, Default)]
pub(super) struct TempUse {
    /// Its text; none for a map without `:db/id`.
    pub(super) name: Option<Arc<str>>,
    /// True if something is asserted about it, so that it can become an entity.
    pub(super) anchored: bool,
    /// True if something refers to it, so that it has to become an entity.
    pub(super) referred: bool,
    /// True if it becomes a part of the schema: an attribute, or a partition.
    pub(super) is_schema: bool,
    /// Where it stands first.
    pub(super) span: Option<Span>,
}

/// Takes transaction data apart. `instant` is what functions are told the time is, `allowance` what scripts have.
pub(super) fn expand(before: &Arc<Basis>, data: &Form, instant: i64, allowance: &Allowance) -> Result<Draft> {
    let (FormKind::Vector(forms) | FormKind::List(forms)) = &data.kind else {
        let message = format!("transaction data is a vector of maps and lists, not a {}", kind_name(data));
        return Err(invalid(data, message));
    };
    let tx = EntityId::of_t(before.t + 1);
    let draft = Draft { facts: Vec::with_capacity(forms.len()), ..Draft::default() };
    let problems = Problems::default();
    let db = Db::new(Arc::clone(before));
    let (temps, calls) = (HashMap::new(), Calls::default());
    let mut expander =
        Expander { before, db, instant, allowance, tx, draft, problems, temps, depth: 0, calls };
    for form in forms {
        let done = expander.form(form);
        expander.problems.keep(done);
    }
    expander.problems.settle()?;
    Ok(expander.draft)
}

pub(super) struct Expander<'b> {
    before: &'b Basis,
    /// The state before, as functions see it.
    pub(super) db: Db,
    pub(super) instant: i64,
    pub(super) allowance: &'b Allowance,
    tx: EntityId,
    pub(super) draft: Draft,
    problems: Problems,
    temps: HashMap<Arc<str>, Temp>,
    depth: usize,
    pub(super) calls: Calls,
}

pub(super) fn invalid(form: &Form, message: String) -> Error {
    Error::incorrect("db.error/invalid-tx-data", message)
        .with_hint("write maps like {:person/name \"Ann\"} and lists like [:db/add entity attribute value]")
        .at(form.span)
}

fn kind_name(form: &Form) -> &'static str {
    match &form.kind {
        FormKind::Atom(atom) => atom.type_name(),
        FormKind::List(_) => "list",
        FormKind::Vector(_) => "vector",
        FormKind::Map(_) => "map",
        FormKind::Set(_) => "set",
        FormKind::Tagged(..) => "tagged value",
    }
}

impl<'b> Expander<'b> {
    pub(super) fn form(&mut self, form: &Form) -> Result<()> {
        match &form.kind {
            FormKind::Map(pairs) if pairs.iter().any(|(key, _)| partition::is_wish(key)) => {
                pairs.iter().try_for_each(|(key, wishes)| match partition::is_wish(key) {
                    true => self.place(key, wishes),
                    false => Err(invalid(key, "a map of wishes for partitions says nothing else".to_owned())),
                })
            }
            FormKind::Map(pairs) => self.map(form, pairs).map(|_| ()),
            FormKind::List(parts) | FormKind::Vector(parts) => self.list(form, parts),
            _ => Err(invalid(form, format!("a {} is neither a map nor a list", kind_name(form)))),
        }
    }

    fn list(&mut self, form: &Form, parts: &[Form]) -> Result<()> {
        let Some((operation, args)) = parts.split_first() else {
            return Err(invalid(form, "an empty list says nothing".to_owned()));
        };
        let name = match operation.as_atom() {
            Some(Edn::Keyword(name)) => name.as_str(),
            Some(Edn::Symbol(name)) => name.as_str(),
            _ => return Err(invalid(operation, format!("{} is no operation", brief(&operation.to_edn())))),
        };
        match (name, args) {
            ("db/add", [e, a, v]) => self.add(form, e, a, v),
            ("db/retract", [e, a, v]) => self.retract(form, e, a, v),
            ("db/retract", [e, a]) => self.retract_all(form, e, a),
            ("db/retractEntity" | "db.fn/retractEntity", [e]) => self.retract_entity(e),
            ("db/cas" | "db.fn/cas", [e, a, old, new]) => self.swap(form, [e, a, old, new]),
            ("db/force-partition" | "db/match-partition", [wishes]) => self.place(operation, wishes),
            ("db/command", [name, args]) => self.command(form, name, args),
            ("db/command", _) => Err(arity(form, ":db/command takes the name of a command and a map")),
            ("db/add", _) => Err(arity(form, ":db/add takes an entity, an attribute and a value")),
            ("db/retract", _) => {
                Err(arity(form, ":db/retract takes an entity, an attribute and perhaps a value"))
            }
            ("db/retractEntity" | "db.fn/retractEntity", _) => {
                Err(arity(form, ":db/retractEntity takes an entity"))
            }
            ("db/cas" | "db.fn/cas", _) => {
                Err(arity(form, ":db/cas takes an entity, an attribute, the old value and the new one"))
            }
            _ => self.call(form, operation, args),
        }
    }

    fn add(&mut self, form: &Form, e: &Form, a: &Form, v: &Form) -> Result<()> {
        if matches!(a.as_atom(), Some(Edn::Keyword(name)) if is_alteration(name)) {
            self.entity(e)?;
            return self.attribute(v).map(|_| ());
        }
        if is_ensure(a) {
            let e = self.entity(e)?;
            return self.ensure(e, v);
        }
        let attr = self.attribute(a)?;
        let e = self.entity(e)?;
        let v = self.value(attr, v)?;
        self.assert(e, attr, v, form.span)
    }

    fn retract(&mut self, form: &Form, e: &Form, a: &Form, v: &Form) -> Result<()> {
        let attr = self.attribute(a)?;
        let e = self.entity(e)?;
        let v = self.value(attr, v)?;
        self.draft.facts.push(DraftFact { added: false, e, a: attr.id(), v, span: form.span });
        Ok(())
    }

    fn retract_all(&mut self, form: &Form, e: &Form, a: &Form) -> Result<()> {
        let attr = self.attribute(a)?;
        let e = self.entity(e)?;
        self.draft.deferred.push(Deferred::RetractAll { e, a: attr.id(), span: form.span });
        Ok(())
    }

    /// What names no entity has nothing to be retracted.
    fn retract_entity(&mut self, e: &Form) -> Result<()> {
        if matches!(e.kind, FormKind::Atom(Edn::Nil)) {
            return Err(Error::incorrect("db.error/nil-value", "nil names no entity to retract")
                .with_hint("name the entity by its id, ident or lookup ref")
                .at(e.span));
        }
        if let FormKind::Atom(Edn::String(_)) = &e.kind {
            let e = self.entity(e)?;
            self.draft.deferred.push(Deferred::RetractEntity { e });
        } else if let Some(found) = self.look_up(e)? {
            self.draft.deferred.push(Deferred::RetractEntity { e: Ent::Known(found) });
        }
        Ok(())
    }

    fn swap(&mut self, form: &Form, [e, a, old, new]: [&Form; 4]) -> Result<()> {
        let attr = self.attribute(a)?;
        let e = self.entity(e)?;
        let refused = |why: &str| {
            Err(Error::incorrect("db.error/invalid-cas", format!("{why}: {}", brief(&form.to_edn())))
                .with_hint("use :db/add or :db/retract, and an expectation for what must hold before")
                .at(form.span))
        };
        if attr.is_many() {
            return refused(":db/cas is for attributes of cardinality one");
        }
        if attr.is_composite() {
            return refused("a composite tuple follows its members and is not swapped");
        }
        if matches!(new.kind, FormKind::Atom(Edn::Nil)) {
            return refused("the new value of :db/cas cannot be nil");
        }
        let old = match old.kind {
            FormKind::Atom(Edn::Nil) => None,
            _ => Some(self.value(attr, old)?),
        };
        let new = self.value(attr, new)?;
        self.anchor(e, attr);
        self.draft.deferred.push(Deferred::Swap { e, a: attr.id(), old, new, span: form.span });
        Ok(())
    }

    /// A map: one entity and what is asserted about it.
    fn map(&mut self, form: &Form, pairs: &[(Form, Form)]) -> Result<Ent> {
        if self.depth >= MAX_NESTING {
            return Err(invalid(form, format!("maps are nested deeper than {MAX_NESTING}")));
        }
        let id = pairs.iter().find(|(key, _)| is_id(key));
        let e = match id {
            Some((_, id)) => self.entity(id)?,
            None => self.anonymous(form.span),
        };
        self.depth += 1;
        for (key, v) in pairs.iter().filter(|(key, _)| !is_id(key)) {
            let done = self.entry(e, key, v);
            self.problems.keep(done);
        }
        self.depth -= 1;
        Ok(e)
    }

    fn entry(&mut self, e: Ent, key: &Form, v: &Form) -> Result<()> {
        let Some(Edn::Keyword(name)) = key.as_atom() else {
            return Err(invalid(
                key,
                format!("{} is no attribute: keys of a map are keywords", key.to_edn()),
            ));
        };
        match reverse_of(name) {
            Some(forward) if is_alteration(&forward) => self.entity(v).map(|_| ()),
            Some(forward) if self.before.schema.entid(name).is_none() => {
                let forward = Form { kind: FormKind::Atom(Edn::Keyword(forward)), span: key.span };
                let attr = self.attribute(&forward)?;
                if attr.tag() != Tag::Ref {
                    let message = format!("{name} cannot be followed back: {} is no reference", attr.ident());
                    return Err(invalid(key, message));
                }
                self.each_value(attr, true, v, &mut |expander, part| {
                    let from = expander.target(attr, part)?;
                    let v = expander.reference(e);
                    expander.assert(from, attr, v, part.span)
                })
            }
            _ if is_ensure(key) => match &v.kind {
                FormKind::Vector(specs) | FormKind::Set(specs) if !self.is_lookup_ref(specs) => {
                    specs.iter().try_for_each(|spec| self.ensure(e, spec))
                }
                _ => self.ensure(e, v),
            },
            _ => {
                let attr = self.attribute(key)?;
                self.each_value(attr, attr.is_many(), v, &mut |expander, part| {
                    let v = expander.value(attr, part)?;
                    expander.assert(e, attr, v, part.span)
                })
            }
        }
    }

    /// The entity is to be judged by a spec.
    fn ensure(&mut self, e: Ent, spec: &Form) -> Result<()> {
        let found = self.existing(spec)?;
        self.draft.ensures.push(Ensure { e, spec: found, span: spec.span });
        Ok(())
    }

    fn is_lookup_ref(&self, parts: &[Form]) -> bool {
        matches!(parts, [first, _] if self.is_unique(first))
    }

    /// One value, or each of a collection where `many` are allowed.
    fn each_value(
        &mut self,
        attr: &Attr,
        many: bool,
        v: &Form,
        each: &mut dyn FnMut(&mut Self, &Form) -> Result<()>,
    ) -> Result<()> {
        match &v.kind {
            FormKind::Set(parts) if many => parts.iter().try_for_each(|part| each(self, part)),
            FormKind::List(parts) | FormKind::Vector(parts) if many && !self.is_one_value(attr, parts) => {
                parts.iter().try_for_each(|part| each(self, part))
            }
            _ => each(self, v),
        }
    }

    /// True if a sequence given to an attribute of many values is a single one: a lookup ref, or a tuple.
    fn is_one_value(&self, attr: &Attr, parts: &[Form]) -> bool {
        match (attr.tag(), parts) {
            (Tag::Ref, _) => self.is_lookup_ref(parts),
            (Tag::Tuple, [_, ..]) => parts.iter().all(|part| part.as_seq().is_none()),
            _ => false,
        }
    }

    /// True if the form names an attribute whose values name entities.
    fn is_unique(&self, name: &Form) -> bool {
        match name.as_atom() {
            Some(Edn::Keyword(ident)) => {
                self.before.schema.attr_named(ident).is_some_and(|attr| attr.unique().is_some())
            }
            _ => false,
        }
    }

    fn attribute(&self, name: &Form) -> Result<&'b Attr> {
        let attr = names::attribute(&self.before.schema, name)?;
        match attr.id() {
            at::ENSURE => {
                let message = ":db/ensure asks for a check and is never stored";
                Err(invalid(name, message.to_owned()).with_hint("assert it, with :db/add or in a map"))
            }
            a if a == at::FILLING || key::is_mark(a) => {
                let message = format!("{} is written by the database itself", attr.ident());
                Err(Error::new(Category::Forbidden, "db.error/protected-attribute", message)
                    .with_hint("leave it out; a key is given with the request, beside the transaction data")
                    .at(name.span))
            }
            _ => Ok(attr),
        }
    }

    pub(super) fn before(&self) -> &'b Basis {
        self.before
    }

    /// The entity in an entity's place.
    pub(super) fn entity(&mut self, name: &Form) -> Result<Ent> {
        match &name.kind {
            FormKind::Atom(Edn::String(text)) => self.tempid(text, name.span),
            FormKind::Atom(Edn::Nil) => {
                Err(Error::incorrect("db.error/nil-value", "nil stands where an entity is needed")
                    .with_hint("name it by its id, ident or lookup ref, or make a new one by a tempid")
                    .at(name.span))
            }
            _ => self.existing(name).map(Ent::Known),
        }
    }

    /// The entity a name stands for, which must be there.
    pub(super) fn existing(&self, name: &Form) -> Result<EntityId> {
        if let Some(found) = self.look_up(name)? {
            return Ok(found);
        }
        let shown = name.to_edn();
        Err(match &name.kind {
            FormKind::Atom(Edn::Int(_)) => {
                let message = format!("{} is no entity id: it was never given out", brief(&shown));
                Error::incorrect("db.error/invalid-entity-id", message)
                    .with_hint("ids of new entities are given by the database: use a tempid, a string")
            }
            _ => Error::incorrect("db.error/not-an-entity", format!("{} names no entity", brief(&shown)))
                .with_hint("what the same transaction creates is named by its tempid"),
        }
        .with_data("db.error/entity", shown)
        .at(name.span))
    }

    /// As [`names::entity`], in the state before, for ids that were given out.
    fn look_up(&self, name: &Form) -> Result<Option<EntityId>> {
        let found = names::entity(&self.before.schema, name, &|a, v| self.before.holder(a, v))?;
        Ok(found.filter(|e| self.before.is_allocated(*e)))
    }

    fn tempid(&mut self, text: &Arc<str>, span: Option<Span>) -> Result<Ent> {
        if &**text == TX_TEMPID {
            return Ok(Ent::Known(self.tx));
        }
        if let Some(temp) = self.temps.get(text) {
            return Ok(Ent::Temp(*temp));
        }
        if text.starts_with("datomic") {
            let message = format!("the tempid {text:?} is reserved");
            return Err(Error::incorrect("db.error/reserved-tempid", message)
                .with_hint(
                    "tempids that begin with \"datomic\" are kept; \"datomic.tx\" names the transaction",
                )
                .at(span));
        }
        if text.starts_with(':') || text.is_empty() {
            let message = format!("{text:?} cannot be a tempid");
            return Err(Error::incorrect("db.error/invalid-tempid", message)
                .with_hint(
                    "a tempid is a text that does not begin with a colon; a keyword stands without quotes",
                )
                .at(span));
        }
        let temp = self.new_temp(Some(Arc::clone(text)), span);
        self.temps.insert(Arc::clone(text), temp);
        Ok(Ent::Temp(temp))
    }

    fn anonymous(&mut self, span: Option<Span>) -> Ent {
        Ent::Temp(self.new_temp(None, span))
    }

    fn new_temp(&mut self, name: Option<Arc<str>>, span: Option<Span>) -> Temp {
        let temp = Temp(self.draft.temps.len() as u32);
        self.draft.temps.push(TempUse { name, span, ..TempUse::default() });
        temp
    }

    /// The value of an attribute.
    fn value(&mut self, attr: &Attr, given: &Form) -> Result<Val> {
        match attr.tag() {
            Tag::Ref => {
                let e = self.target(attr, given)?;
                Ok(self.reference(e))
            }
            Tag::Tuple => self.tuple(attr, given),
            tag => match given.as_atom() {
                Some(atom) => {
                    value::scalar(tag, atom).map(Val::Is).map_err(|why| names::misfit(attr, given, why))
                }
                None => Err(names::misfit(attr, given, Misfit::Type)),
            },
        }
    }

    /// The entity in a reference's place: also a nested map.
    fn target(&mut self, attr: &Attr, given: &Form) -> Result<Ent> {
        match &given.kind {
            FormKind::Map(pairs) => self.nested(attr, given, pairs),
            FormKind::Atom(Edn::Nil) => Err(names::nil_value(attr).at(given.span)),
            FormKind::Atom(Edn::Int(_) | Edn::Keyword(_) | Edn::String(_)) => self.entity(given),
            FormKind::List(_) | FormKind::Vector(_) => self.entity(given),
            _ => Err(problem::wrong_type(attr, &given.to_edn()).at(given.span)),
        }
    }

    /// A map in a reference's place must be a part of the one around, or say who it is.
    fn nested(&mut self, attr: &Attr, form: &Form, pairs: &[(Form, Form)]) -> Result<Ent> {
        let names_itself = |key: &Form| is_id(key) || self.is_unique(key);
        if !attr.public.component && !pairs.iter().any(|(key, _)| names_itself(key)) {
            let message = format!("the map under {} does not say which entity it is about", attr.ident());
            return Err(Error::incorrect("db.error/invalid-nested-entity", message)
                .with_hint(
                    "give it a :db/id or a unique attribute, or make the attribute around it a component",
                )
                .at(form.span));
        }
        self.map(form, pairs)
    }

    fn tuple(&mut self, attr: &Attr, given: &Form) -> Result<Val> {
        let Some(parts) = given.as_seq() else {
            return Err(match given.kind {
                FormKind::Atom(Edn::Nil) => names::nil_value(attr).at(given.span),
                _ => names::misfit(attr, given, Misfit::Type),
            });
        };
        let tags = names::slot_tags(&self.before.schema, attr, given, parts.len())?;
        let mut slots = Vec::with_capacity(parts.len());
        for (tag, part) in tags.into_iter().zip(parts) {
            slots.push(match (tag, &part.kind) {
                (_, FormKind::Atom(Edn::Nil)) => None,
                (Tag::Ref, _) => {
                    let e = self.entity(part)?;
                    Some(self.reference(e))
                }
                (tag, _) => Some(Val::Is(names::tuple_slot(attr, tag, part)?)),
            });
        }
        if slots.iter().all(Option::is_none) {
            return Err(names::invalid_tuple(attr, given, "a tuple of nothing but nil says nothing"));
        }
        if slots.iter().flatten().all(|slot| matches!(slot, Val::Is(_))) {
            let plain = slots.into_iter().map(|slot| match slot {
                Some(Val::Is(v)) => Some(v),
                _ => None,
            });
            return Ok(Val::Is(Value::Tuple(plain.collect())));
        }
        Ok(Val::Tuple(slots))
    }

    fn reference(&mut self, to: Ent) -> Val {
        match to {
            Ent::Known(e) => Val::Is(Value::Ref(e)),
            Ent::Temp(temp) => {
                self.draft.temps[temp.0 as usize].referred = true;
                Val::Temp(temp)
            }
        }
    }

    fn assert(&mut self, e: Ent, attr: &Attr, v: Val, span: Option<Span>) -> Result<()> {
        self.anchor(e, attr);
        if let (at::INSTALL_PARTITION, Val::Temp(temp)) = (attr.id(), &v) {
            self.draft.temps[temp.0 as usize].is_schema = true;
        }
        self.draft.facts.push(DraftFact { added: true, e, a: attr.id(), v, span });
        Ok(())
    }

    fn anchor(&mut self, e: Ent, attr: &Attr) {
        if let Ent::Temp(temp) = e {
            let temp = &mut self.draft.temps[temp.0 as usize];
            temp.anchored = true;
            temp.is_schema |= schema::is_property(attr.id());
        }
    }
}

fn arity(form: &Form, message: &str) -> Error {
    invalid(form, format!("{message}: {}", brief(&form.to_edn())))
}

fn is_ensure(key: &Form) -> bool {
    matches!(key.as_atom(), Some(Edn::Keyword(name)) if name.as_str() == "db/ensure")
}

fn is_id(key: &Form) -> bool {
    matches!(key.as_atom(), Some(Edn::Keyword(name)) if name.as_str() == "db/id")
}

/// True of what older schemas say of an attribute that they change. That it is changed is seen from the change itself.
fn is_alteration(name: &Keyword) -> bool {
    name.as_str() == "db.alter/attribute"
}

/// `:ns/name` for `:ns/_name`.
pub(super) fn reverse_of(name: &Keyword) -> Option<Keyword> {
    let (namespace, name) = name.parts();
    let forward = name.strip_prefix('_')?;
    Some(match namespace {
        Some(namespace) => Keyword::new(&format!("{namespace}/{forward}")),
        None => Keyword::new(forward),
    })
}
