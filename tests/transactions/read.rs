//! Transaction data as the model reads it: what is said, with tempids still open, or why it makes no sense.
//!
//! All that is wrong is collected; the database may name less of it, but nothing else.

use std::collections::BTreeSet;

use annals::Edn;

use crate::extras;
use crate::world::{Attr, Id, Shape, Val, World};

/// An entity, or the tempid of one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Who {
    Is(Id),
    Temp(usize),
}

/// A value in which tempids may stand.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum What {
    Is(Edn),
    Ref(Who),
    Tuple(Vec<Option<What>>),
}

/// A fact that is asserted or retracted.
#[derive(Clone, Debug)]
pub(crate) struct SaidFact {
    pub(crate) added: bool,
    pub(crate) e: Who,
    pub(crate) a: Id,
    pub(crate) v: What,
}

/// What depends on what holds before.
#[derive(Clone, Debug)]
pub(crate) enum Ask {
    RetractAll(Who, Id),
    RetractEntity(Who),
    Swap(Who, Id, Option<What>, What),
}

/// A tempid, or a map without `:db/id`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Temp {
    pub(crate) name: Option<String>,
    pub(crate) anchored: bool,
    pub(crate) referred: bool,
}

/// All that a transaction says.
#[derive(Default)]
pub(crate) struct Said {
    pub(crate) facts: Vec<SaidFact>,
    pub(crate) asks: Vec<Ask>,
    pub(crate) temps: Vec<Temp>,
    /// Entities and the specs they are to fit.
    pub(crate) ensured: Vec<(Who, Id)>,
}

/// Why a transaction is refused: keywords without `db.error/`.
pub(crate) type Reasons = BTreeSet<String>;

/// A reason that is none: here the database does not do what it should in every case, and the history ends before.
pub(crate) const UNDECIDED: &str = "undecided";

type Read<V> = Result<V, &'static str>;

/// Reads transaction data; `tx` is the entity of the transaction.
pub(crate) fn read(world: &World, forms: &[Edn], tx: Id) -> Result<Said, Reasons> {
    let mut reader = Reader { world, tx, said: Said::default(), reasons: Reasons::new() };
    for form in forms {
        reader.form(form);
    }
    if reader.reasons.is_empty() { Ok(reader.said) } else { Err(reader.reasons) }
}

struct Reader<'w> {
    world: &'w World,
    tx: Id,
    said: Said,
    reasons: Reasons,
}

impl<'w> Reader<'w> {
    fn keep<V>(&mut self, read: Read<V>) -> Option<V> {
        read.map_err(|reason| self.reasons.insert(reason.to_owned())).ok()
    }

    fn refuse(&mut self, reason: &str) {
        self.reasons.insert(reason.to_owned());
    }

    fn form(&mut self, form: &Edn) {
        match form {
            Edn::Map(_) => drop(self.map(form)),
            Edn::Vector(parts) | Edn::List(parts) => self.list(parts),
            _ => self.refuse("invalid-tx-data"),
        }
    }

    fn list(&mut self, parts: &[Edn]) {
        let name = match parts.first() {
            Some(Edn::Keyword(name)) => name.as_str().to_owned(),
            Some(Edn::Symbol(name)) => name.as_str().to_owned(),
            _ => return self.refuse("invalid-tx-data"),
        };
        match (name.trim_start_matches("db/"), &parts[1..]) {
            ("add", [e, a, v]) => self.fact(true, e, a, v),
            ("retract", [e, a, v]) => self.fact(false, e, a, v),
            ("retract", [e, a]) => {
                let (attr, e) = (self.attribute(a), self.entity(e));
                if let (Some(attr), Some(e)) = (self.keep(attr), self.keep(e)) {
                    self.said.asks.push(Ask::RetractAll(e, attr.id));
                }
            }
            ("retractEntity", [e]) => self.retract_entity(e),
            ("cas", [e, a, old, new]) => self.swap(e, a, old, new),
            ("add" | "retract" | "retractEntity" | "cas", _) => {
                self.refuse("invalid-tx-data");
            }
            _ => match extras::call(self.world, parts) {
                Ok(forms) => forms.iter().for_each(|form| self.form(form)),
                Err(reason) => self.refuse(reason),
            },
        }
    }

    fn fact(&mut self, added: bool, e: &Edn, a: &Edn, v: &Edn) {
        if added && *a == Edn::keyword("db/ensure") {
            let e = self.entity(e);
            if let Some(e) = self.keep(e) {
                self.ensure(&e, v);
            }
            return;
        }
        let (attr, e) = (self.attribute(a), self.entity(e));
        let (attr, e) = (self.keep(attr), self.keep(e));
        let Some(attr) = attr else { return };
        let v = self.value(attr, v);
        if let (Some(e), Some(v)) = (e, v) {
            if added {
                self.assert(e, attr, v);
            } else {
                self.said.facts.push(SaidFact { added, e, a: attr.id, v });
            }
        }
    }

    fn ensure(&mut self, e: &Who, spec: &Edn) {
        let spec = self.find(spec).and_then(|spec| spec.ok_or("not-an-entity"));
        if let Some(spec) = self.keep(spec) {
            self.said.ensured.push((e.clone(), spec));
        }
    }

    fn assert(&mut self, e: Who, attr: &Attr, v: What) {
        self.anchor(&e);
        self.said.facts.push(SaidFact { added: true, e, a: attr.id, v });
    }

    fn anchor(&mut self, e: &Who) {
        if let Who::Temp(temp) = e {
            self.said.temps[*temp].anchored = true;
        }
    }

    fn retract_entity(&mut self, e: &Edn) {
        let found = match e {
            Edn::Nil => Err("nil-value"),
            Edn::String(_) => self.entity(e).map(Some),
            _ => self.find(e).map(|found| found.map(Who::Is)),
        };
        if let Some(Some(e)) = self.keep(found) {
            self.said.asks.push(Ask::RetractEntity(e));
        }
    }

    fn swap(&mut self, e: &Edn, a: &Edn, old: &Edn, new: &Edn) {
        let (attr, e) = (self.attribute(a), self.entity(e));
        let (Some(attr), Some(e)) = (self.keep(attr), self.keep(e)) else { return };
        if attr.many || matches!(attr.shape, Shape::Composite(_)) || *new == Edn::Nil {
            self.refuse("invalid-cas");
            return;
        }
        let before = match old {
            Edn::Nil => Some(None),
            old => self.value(attr, old).map(Some),
        };
        if let (Some(old), Some(new)) = (before, self.value(attr, new)) {
            self.anchor(&e);
            self.said.asks.push(Ask::Swap(e, attr.id, old, new));
        }
    }

    fn map(&mut self, form: &Edn) -> Option<Who> {
        let Edn::Map(pairs) = form else { return None };
        let id = Edn::keyword("db/id");
        let e = match pairs.get(&id) {
            Some(name) => self.entity(name),
            None => Ok(self.temp(None)),
        };
        let e = self.keep(e)?;
        for (key, v) in pairs.iter().filter(|(key, _)| **key != id) {
            self.entry(&e, key, v);
        }
        Some(e)
    }

    fn entry(&mut self, e: &Who, key: &Edn, v: &Edn) {
        let Edn::Keyword(name) = key else { return self.refuse("invalid-tx-data") };
        if name.as_str() == "db/ensure" {
            return self.ensure(e, v);
        }
        let forward = name.as_str().contains("/_").then(|| name.as_str().replacen("/_", "/", 1));
        let known = self.world.names.contains_key(name.as_str());
        let backward = forward.filter(|_| !known);
        let attr = match &backward {
            Some(forward) => self.attribute(&Edn::keyword(forward)),
            None => self.attribute(key),
        };
        let Some(attr) = self.keep(attr) else { return };
        if backward.is_some() && attr.ty != "ref" {
            return self.refuse("invalid-tx-data");
        }
        for v in self.values(attr, attr.many || backward.is_some(), v) {
            if backward.is_none() {
                let Some(v) = self.value(attr, &v) else { continue };
                self.assert(e.clone(), attr, v);
            } else if let Some(from) = self.target(attr, &v) {
                self.refer(e);
                self.assert(from, attr, What::Ref(e.clone()));
            }
        }
    }

    /// One value, or those of a collection.
    fn values(&self, attr: &Attr, many: bool, v: &Edn) -> Vec<Edn> {
        let (Edn::Vector(parts) | Edn::List(parts)) = v else {
            return match v {
                Edn::Set(parts) if many => parts.iter().cloned().collect(),
                one => vec![one.clone()],
            };
        };
        let is_lookup = || match parts.as_slice() {
            [name @ Edn::Keyword(_), _] => self.attribute(name).is_ok_and(|attr| attr.unique),
            _ => false,
        };
        let is_flat = || !parts.is_empty() && parts.iter().all(|part| part.as_seq().is_none());
        match attr.ty.as_str() {
            "ref" if is_lookup() => vec![v.clone()],
            "tuple" if is_flat() => vec![v.clone()],
            _ if many => parts.clone(),
            _ => vec![v.clone()],
        }
    }

    fn value(&mut self, attr: &Attr, v: &Edn) -> Option<What> {
        match attr.ty.as_str() {
            "ref" => {
                let to = self.target(attr, v)?;
                self.refer(&to);
                Some(What::Ref(to))
            }
            "tuple" => self.tuple(attr, v),
            ty => {
                let v = scalar(ty, v);
                self.keep(v).map(What::Is)
            }
        }
    }

    fn refer(&mut self, to: &Who) {
        if let Who::Temp(temp) = to {
            self.said.temps[*temp].referred = true;
        }
    }

    fn target(&mut self, attr: &Attr, v: &Edn) -> Option<Who> {
        let found = match v {
            Edn::Map(pairs) => {
                let names_it = |key: &Edn| {
                    *key == Edn::keyword("db/id")
                        || matches!(key, Edn::Keyword(_)) && self.attribute(key).is_ok_and(|attr| attr.unique)
                };
                if attr.component || pairs.keys().any(names_it) {
                    return self.map(v);
                }
                Err("invalid-nested-entity")
            }
            Edn::Nil | Edn::Int(_) | Edn::Keyword(_) | Edn::String(_) => self.entity(v),
            Edn::Vector(_) | Edn::List(_) => self.entity(v),
            _ => Err("wrong-type-for-attribute"),
        };
        self.keep(found)
    }

    fn tuple(&mut self, attr: &Attr, v: &Edn) -> Option<What> {
        let slots = match (v, v.as_seq()) {
            (Edn::Nil, _) => Err("nil-value"),
            (_, None) => Err("wrong-type-for-attribute"),
            (_, Some(slots)) => slot_types(self.world, attr, slots.len()).map(|types| (types, slots)),
        };
        let (types, slots) = self.keep(slots)?;
        let mut read = Vec::new();
        for (ty, slot) in types.iter().zip(slots) {
            let slot = match (ty.as_str(), slot) {
                (_, Edn::Nil) => Ok(None),
                ("ref", name) => self.entity(name).map(|to| {
                    self.refer(&to);
                    Some(What::Ref(to))
                }),
                (ty, v) => scalar(ty, v).map(|v| Some(What::Is(v))).map_err(|_| "invalid-tuple-value"),
            };
            read.push(self.keep(slot)?);
        }
        if read.iter().all(Option::is_none) {
            self.refuse("invalid-tuple-value");
            return None;
        }
        Some(What::Tuple(read))
    }

    /// Who is meant where an entity must be.
    fn entity(&mut self, name: &Edn) -> Read<Who> {
        match name {
            Edn::Nil => Err("nil-value"),
            Edn::String(text) => match &**text {
                "datomic.tx" => Ok(Who::Is(self.tx)),
                text if text.starts_with("datomic") => Err("reserved-tempid"),
                text if text.starts_with(':') || text.is_empty() => Err("invalid-tempid"),
                text => Ok(self.temp(Some(text))),
            },
            _ => match self.find(name)? {
                Some(e) => Ok(Who::Is(e)),
                None if matches!(name, Edn::Int(_)) => Err("invalid-entity-id"),
                None => Err("not-an-entity"),
            },
        }
    }

    fn temp(&mut self, name: Option<&str>) -> Who {
        let known = self.said.temps.iter().position(|temp| name.is_some() && temp.name.as_deref() == name);
        Who::Temp(known.unwrap_or_else(|| {
            self.said.temps.push(Temp { name: name.map(str::to_owned), ..Temp::default() });
            self.said.temps.len() - 1
        }))
    }

    /// The entity a name stands for before the transaction.
    fn find(&self, name: &Edn) -> Read<Option<Id>> {
        find(self.world, name)
    }

    fn attribute(&self, name: &Edn) -> Read<&'w Attr> {
        let attr = attribute(self.world, name)?;
        // It asks for a check, and has no values.
        if attr.id == self.world.own("db/ensure") { Err("invalid-tx-data") } else { Ok(attr) }
    }
}

fn attribute<'w>(world: &'w World, name: &Edn) -> Read<&'w Attr> {
    let id = match name {
        Edn::Keyword(name) => *world.names.get(name.as_str()).ok_or("not-an-entity")?,
        Edn::Int(id) => *id,
        _ => return Err("not-an-attribute"),
    };
    world.attr(id).ok_or("not-an-attribute")
}

fn find(world: &World, name: &Edn) -> Read<Option<Id>> {
    match name {
        Edn::Int(id) => Ok(world.ids.contains(id).then_some(*id)),
        Edn::Keyword(name) => Ok(world.names.get(name.as_str()).copied()),
        Edn::Vector(parts) | Edn::List(parts) => {
            let [a @ (Edn::Keyword(_) | Edn::Int(_)), v] = parts.as_slice() else {
                return Err("invalid-lookup-ref");
            };
            let attr = attribute(world, a)?;
            if !attr.unique {
                return Err("lookup-ref-attr-not-unique");
            }
            if *v == Edn::Nil {
                return Err("invalid-lookup-ref");
            }
            let v = constant(world, attr, v)?;
            Ok(v.and_then(|v| world.holders(attr.id, &v).first().copied()))
        }
        _ => Err("invalid-entity-name"),
    }
}

/// The value of a lookup ref; nothing if it names an entity that is not there.
fn constant(world: &World, attr: &Attr, v: &Edn) -> Read<Option<Val>> {
    if attr.ty == "ref" {
        return Ok(find(world, v)?.map(Val::Ref));
    }
    if attr.ty != "tuple" {
        return Ok(Some(Val::Is(scalar(&attr.ty, v)?)));
    }
    let slots = v.as_seq().ok_or("wrong-type-for-attribute")?;
    let mut values = Vec::new();
    for (ty, slot) in slot_types(world, attr, slots.len())?.iter().zip(slots) {
        values.push(match (ty.as_str(), slot) {
            (_, Edn::Nil) => None,
            ("ref", name) => match find(world, name)? {
                Some(e) => Some(Val::Ref(e)),
                None => return Ok(None),
            },
            (ty, v) => Some(Val::Is(scalar(ty, v).map_err(|_| "invalid-tuple-value")?)),
        });
    }
    Ok(Some(Val::Tuple(values)))
}

fn slot_types(world: &World, attr: &Attr, arity: usize) -> Read<Vec<String>> {
    let types = match &attr.shape {
        Shape::Composite(members) => {
            members.iter().filter_map(|member| world.attr(*member)).map(|member| member.ty.clone()).collect()
        }
        Shape::Types(types) => types.clone(),
        Shape::Of(ty) if (2..=8).contains(&arity) => vec![ty.clone(); arity],
        _ => Vec::new(),
    };
    if types.len() == arity { Ok(types) } else { Err("invalid-tuple-value") }
}

/// A value of a type without parts: of the type itself.
fn scalar(ty: &str, v: &Edn) -> Read<Edn> {
    let of = match v {
        Edn::Nil => return Err("nil-value"),
        Edn::Inst(_) => "instant",
        v => v.type_name(),
    };
    if of == ty { Ok(v.clone()) } else { Err("wrong-type-for-attribute") }
}
