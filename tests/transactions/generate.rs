//! Random histories: a schema, then transactions that mostly make sense, because they are drawn from what holds.
//!
//! Values come from small pools, so that they meet. Entities that transactions made are written `#e number`, with the
//! model's number; the one who runs a history puts in what each side calls them.

use std::collections::BTreeSet;

use annals::{Edn, Symbol};
use annals_tests::Random;

use crate::judge::is_tx;
use crate::world::{Attr, FIRST, Fact, Id, Shape, Val, World};
use crate::{extras, mistakes};

/// One transaction: its forms, and what the clock says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Step {
    pub(crate) forms: Vec<Edn>,
    pub(crate) now: i64,
}

/// What nobody was ever numbered.
pub(crate) const NOBODY: Id = 1 << 41;

/// The time between two transactions.
const TICK: i64 = 1_000_000;

const TEMPS: [&str; 4] = ["x", "y", "z", "w"];

pub(crate) fn vector(parts: impl IntoIterator<Item = Edn>) -> Edn {
    Edn::Vector(parts.into_iter().collect())
}

pub(crate) fn map<'k>(pairs: impl IntoIterator<Item = (&'k str, Edn)>) -> Edn {
    Edn::Map(pairs.into_iter().map(|(key, v)| (Edn::keyword(key), v)).collect())
}

/// An entity by its number.
pub(crate) fn made(e: Id) -> Edn {
    Edn::Tagged(Symbol::new("e"), Box::new(Edn::Int(e)))
}

/// Draws transaction number `step`, which the world before it knows how to make interesting.
pub(crate) fn step(random: &mut Random, world: &World, step: usize) -> Step {
    let now = TICK * (step as i64 + 1) + random.below(3) as i64;
    let mut maker = Maker::new(random, world, step);
    let mut forms = Vec::new();
    if step == 0 {
        maker.schema(&mut forms);
        forms.extend(extras::schema());
        return Step { forms, now };
    }
    for _ in 0..1 + maker.random.below(4) {
        maker.form(&mut forms);
    }
    if maker.random.one_in(5) {
        maker.alteration(&mut forms);
    }
    if maker.random.one_in(12) {
        forms.push(maker.moment(now));
    }
    maker.anchors(&mut forms);
    if maker.random.one_in(8) {
        forms.push(mistakes::form(&mut maker));
    }
    // The order of the forms must not matter.
    for at in (1..forms.len()).rev() {
        forms.swap(at, maker.random.below(at + 1));
    }
    Step { forms, now }
}

/// An attribute with a name to call it by.
#[derive(Clone)]
pub(crate) struct Named {
    pub(crate) attr: Attr,
    pub(crate) name: String,
}

pub(crate) struct Maker<'w> {
    pub(crate) random: &'w mut Random,
    pub(crate) world: &'w World,
    pub(crate) attrs: Vec<Named>,
    entities: Vec<Id>,
    txs: Vec<Id>,
    step: usize,
    /// Tempids that something refers to, and those that something is said about.
    referred: BTreeSet<&'static str>,
    anchored: BTreeSet<&'static str>,
    /// How many maps without `:db/id` there are; few, because they have to be told apart afterwards.
    nameless: usize,
}

impl<'w> Maker<'w> {
    fn new(random: &'w mut Random, world: &'w World, step: usize) -> Maker<'w> {
        let named = |attr: &Attr| {
            let names: Vec<&String> =
                world.names.iter().filter(|(_, e)| **e == attr.id).map(|(name, _)| name).collect();
            let name = (*names.get(step % names.len().max(1))?).clone();
            Some(Named { attr: attr.clone(), name })
        };
        let is_extra = |e: &Id| world.ident(*e).is_some_and(|name| name.starts_with("x/"));
        let is_plain = |e: &Id| !is_tx(*e) && world.attr(*e).is_none() && !is_extra(e);
        let (txs, others): (Vec<Id>, Vec<Id>) =
            world.ids.iter().filter(|e| **e >= FIRST).partition(|e| is_tx(**e));
        let entities = others.into_iter().filter(is_plain).collect();
        // Few values pass the predicates of this one; it has forms of its own.
        let is_common = |attr: &&Attr| world.ident(attr.id) != Some("x/small");
        let attrs = world.attrs().filter(is_common).filter_map(named).collect();
        let (referred, anchored) = Default::default();
        Maker { random, world, attrs, entities, txs, step, referred, anchored, nameless: 0 }
    }

    /// The attributes that every history has, and some more.
    fn schema(&mut self, forms: &mut Vec<Edn>) {
        let plain = ["a/num", "a/word"];
        forms.push(attribute("a/id", "string", "one", [("db/unique", "db.unique/identity")]));
        forms.push(attribute("a/num", "long", "one", []));
        forms.push(attribute("a/word", "keyword", "one", []));
        forms.push(attribute("a/tags", "keyword", "many", []));
        forms.push(attribute("a/to", "ref", "one", []));
        for n in 0..2 + self.random.below(5) {
            forms.push(self.attribute(&format!("b/b{n}"), &plain.map(str::to_owned)));
        }
    }

    /// The definition of a random attribute; a composite's members are among the names given.
    fn attribute(&mut self, name: &str, members: &[String]) -> Edn {
        let types = [
            "long", "string", "keyword", "boolean", "double", "bigdec", "ref", "ref", "ref", "tuple", "tuple",
        ];
        let ty = *self.random.of(&types);
        let mut pairs =
            vec![("db/ident", Edn::keyword(name)), ("db/valueType", Edn::keyword(&format!("db.type/{ty}")))];
        let mut many = self.random.one_in(3);
        if ty == "tuple" {
            pairs.push(match self.random.below(4) {
                0 => ("db/tupleType", Edn::keyword("db.type/long")),
                1 => (
                    "db/tupleTypes",
                    vector(["long", "ref"].map(|ty| Edn::keyword(&format!("db.type/{ty}")))),
                ),
                _ => {
                    many = false;
                    let first = self.random.of(members).clone();
                    let others: Vec<&String> = members.iter().filter(|name| **name != first).collect();
                    let second = self.random.of(&others);
                    ("db/tupleAttrs", vector([Edn::keyword(&first), Edn::keyword(second)]))
                }
            });
        }
        pairs.push(("db/cardinality", cardinality(many)));
        if self.random.one_in(2) {
            let kinds = ["db.unique/identity", "db.unique/identity", "db.unique/value"];
            pairs.push(("db/unique", self.one_of(&kinds)));
        }
        if ty == "ref" && self.random.one_in(2) {
            pairs.push(("db/isComponent", Edn::Bool(true)));
        }
        map(pairs)
    }

    fn form(&mut self, forms: &mut Vec<Edn>) {
        match self.random.below(20) {
            0..7 => forms.push(self.entity_map(0)),
            7..11 => {
                let (e, (name, v)) = (self.subject(), self.entry(0));
                forms.push(vector([Edn::keyword("db/add"), e, name, v]));
            }
            11 | 12 => forms.extend(self.retraction()),
            13 if !self.entities.is_empty() => {
                let e = self.existing();
                forms.push(vector([Edn::keyword("db/retractEntity"), e]));
            }
            14 | 15 => forms.extend(self.swap()),
            16 | 17 => self.moved(forms),
            18 => self.again(forms),
            19 if !self.entities.is_empty() => {
                let e = self.entity();
                forms.push(extras::form(self.random, made(e)));
            }
            _ => forms.push(self.entity_map(0)),
        }
    }

    /// Any attribute of the users', or one that every entity may have.
    pub(crate) fn any_attribute(&mut self) -> Named {
        if self.random.one_in(16) || self.attrs.is_empty() {
            let name = *self.random.of(&["db/ident", "db/doc"]);
            let attr = self.world.attr(self.world.own(name)).expect("every database has it");
            return Named { attr: attr.clone(), name: name.to_owned() };
        }
        self.random.of(&self.attrs).clone()
    }

    /// An attribute and a value, or several.
    fn entry(&mut self, depth: usize) -> (Edn, Edn) {
        let Named { attr, name } = self.any_attribute();
        let v = self.value(&attr, depth);
        (Edn::keyword(&name), v)
    }

    fn entity_map(&mut self, depth: usize) -> Edn {
        let mut pairs: Vec<(Edn, Edn)> = Vec::new();
        if self.nameless >= 3 || !self.random.one_in(3) {
            pairs.push((Edn::keyword("db/id"), self.subject()));
        } else {
            self.nameless += 1;
            if depth > 0 {
                // A nested map without an id should have a unique attribute.
                let unique: Vec<Named> =
                    self.attrs.iter().filter(|named| named.attr.unique).cloned().collect();
                if !unique.is_empty() {
                    let Named { attr, name } = self.random.of(&unique).clone();
                    pairs.push((Edn::keyword(&name), self.value(&attr, depth + 1)));
                }
            }
        }
        match self.random.below(6) {
            0 => pairs.push((Edn::keyword("a/id"), pooled(self.random, "string"))),
            1 | 2 => {
                if let Some((_, a, v)) = self.held(|maker, fact| maker.is_unique(fact.1)) {
                    pairs.push((Edn::keyword(&self.name_of(a)), edn(self.world, &v)));
                }
            }
            _ => {}
        }
        for _ in 0..1 + self.random.below(3) {
            let Named { attr, name } = self.any_attribute();
            pairs.push(match (attr.ty.as_str(), self.random.below(6)) {
                ("ref", 0) => (Edn::keyword(&name.replacen('/', "/_", 1)), self.sources(&attr, depth)),
                _ if attr.many && self.random.one_in(2) => {
                    (Edn::keyword(&name), self.collection(&attr, depth))
                }
                _ => (Edn::keyword(&name), self.value(&attr, depth)),
            });
        }
        Edn::Map(pairs.into_iter().collect())
    }

    /// Who refers to an entity by an attribute, in a reverse key.
    fn sources(&mut self, attr: &Attr, depth: usize) -> Edn {
        if self.random.one_in(2) {
            return self.reference(attr, depth, true);
        }
        vector([self.reference(attr, depth, true), self.reference(attr, depth, true)])
    }

    fn collection(&mut self, attr: &Attr, depth: usize) -> Edn {
        let values: Vec<Edn> = (0..self.random.below(3)).map(|_| self.value(attr, depth)).collect();
        if self.random.one_in(3) { Edn::Set(values.into_iter().collect()) } else { Edn::Vector(values) }
    }

    /// A value of an attribute.
    pub(crate) fn value(&mut self, attr: &Attr, depth: usize) -> Edn {
        match (attr.ty.as_str(), &attr.shape) {
            ("ref", _) => self.reference(attr, depth, false),
            ("tuple", Shape::Composite(members)) => {
                let types: Vec<String> = members
                    .iter()
                    .filter_map(|id| self.world.attr(*id))
                    .map(|attr| attr.ty.clone())
                    .collect();
                vector(types.iter().map(|ty| self.slot(ty)).collect::<Vec<_>>())
            }
            ("tuple", Shape::Types(types)) => {
                vector(types.iter().map(|ty| self.slot(ty)).collect::<Vec<_>>())
            }
            ("tuple", Shape::Of(ty)) => {
                let arity = 2 + self.random.below(2);
                vector((0..arity).map(|_| self.slot(ty)).collect::<Vec<_>>())
            }
            _ => self.scalar(attr),
        }
    }

    fn one_of(&mut self, names: &[&str]) -> Edn {
        let name: &str = self.random.of::<&str>(names);
        Edn::keyword(name)
    }

    fn slot(&mut self, ty: &str) -> Edn {
        match ty {
            _ if self.random.one_in(6) => Edn::Nil,
            "ref" => made(self.entity()),
            ty => pooled(self.random, ty),
        }
    }

    fn scalar(&mut self, attr: &Attr) -> Edn {
        if attr.id == self.world.own("db/ident") {
            return self.one_of(&["i/a", "i/b", "i/c"]);
        }
        pooled(self.random, &attr.ty)
    }

    /// What a reference may be given; something is said about it if it is a subject.
    fn reference(&mut self, attr: &Attr, depth: usize, subject: bool) -> Edn {
        let nests = depth < 2 && (attr.component || self.attrs.iter().any(|named| named.attr.unique));
        match self.random.below(12) {
            0..4 if subject => self.tempid(true),
            0..4 => self.tempid(false),
            4 | 5 => self.lookup_ref(),
            6..9 if nests => self.entity_map(depth + 1),
            9 if !subject => Edn::string("datomic.tx"),
            10 if !self.attrs.is_empty() => Edn::keyword(&self.random.of(&self.attrs).name.clone()),
            _ => made(self.entity()),
        }
    }

    fn tempid(&mut self, said_about: bool) -> Edn {
        let name = *self.random.of(&TEMPS);
        if said_about {
            self.anchored.insert(name);
        } else {
            self.referred.insert(name);
        }
        Edn::string(name)
    }

    /// The entity that something is said about.
    pub(crate) fn subject(&mut self) -> Edn {
        match self.random.below(16) {
            0..7 => self.tempid(true),
            7 | 8 => self.lookup_ref(),
            9 => Edn::string("datomic.tx"),
            _ => made(self.entity()),
        }
    }

    /// An entity that is there already.
    fn existing(&mut self) -> Edn {
        if self.random.one_in(4) { self.lookup_ref() } else { made(self.entity()) }
    }

    fn entity(&mut self) -> Id {
        match self.entities.len() {
            many if many > 0 && !self.random.one_in(30) => {
                self.entities[many - 1 - self.random.up_to(4).min(many - 1)]
            }
            _ if self.txs.is_empty() => NOBODY,
            _ => *self.random.of(&self.txs),
        }
    }

    fn is_unique(&self, a: Id) -> bool {
        a >= FIRST && self.world.attr(a).is_some_and(|attr| attr.unique)
    }

    fn lookup_ref(&mut self) -> Edn {
        match self.held(|maker, fact| maker.is_unique(fact.1)) {
            Some((_, a, v)) => {
                let name = self.name_of(a);
                vector([Edn::keyword(&name), edn(self.world, &v)])
            }
            None => made(self.entity()),
        }
    }

    /// The name an attribute goes by in this transaction.
    fn name_of(&self, a: Id) -> String {
        let named = self.attrs.iter().find(|named| named.attr.id == a).map(|named| named.name.clone());
        named.or_else(|| self.world.ident(a).map(str::to_owned)).unwrap_or_default()
    }

    /// Some fact of a user's entity.
    fn held(&mut self, wanted: impl Fn(&Self, &Fact) -> bool) -> Option<Fact> {
        let about = |e: &Id| self.world.about(*e).map(|(e, a, v)| (e, a, v.clone())).collect::<Vec<_>>();
        let facts: Vec<Fact> =
            self.entities.iter().flat_map(about).filter(|fact| wanted(self, fact)).collect();
        if facts.is_empty() { None } else { Some(self.random.of(&facts).clone()) }
    }

    fn retraction(&mut self) -> Option<Edn> {
        let (e, a, v) = self.held(|_, _| true)?;
        let mut parts = vec![Edn::keyword("db/retract"), made(e), Edn::keyword(&self.name_of(a))];
        if self.random.one_in(3) {
            return Some(vector(parts));
        }
        let attr = self.world.attr(a)?;
        parts.push(if self.random.one_in(5) { self.value(attr, 9) } else { edn(self.world, &v) });
        Some(vector(parts))
    }

    fn swap(&mut self) -> Option<Edn> {
        let cas = Edn::keyword("db/cas");
        let single = |maker: &Self, fact: &Fact| {
            maker.world.attr(fact.1).is_some_and(|attr| !attr.many && attr.members().is_empty())
        };
        if self.random.one_in(4) {
            let Named { attr, name } = self.any_attribute();
            let v = self.value(&attr, 9);
            return Some(vector([cas, self.subject(), Edn::keyword(&name), Edn::Nil, v]));
        }
        let (e, a, v) = self.held(single)?;
        let attr = self.world.attr(a)?;
        let old = if self.random.one_in(6) { self.value(attr, 9) } else { edn(self.world, &v) };
        let new = self.value(attr, 9);
        Some(vector([cas, made(e), Edn::keyword(&self.name_of(a)), old, new]))
    }

    /// A unique value that moves to another entity, or two that are swapped.
    fn moved(&mut self, forms: &mut Vec<Edn>) {
        let Some((x, a, v)) = self.held(|maker, fact| maker.is_unique(fact.1)) else { return };
        let other = self.held(|_, fact| fact.1 == a && fact.0 != x);
        let name = Edn::keyword(&self.name_of(a));
        let say = |op: &str, e: Id, v: Edn| vector([Edn::keyword(op), made(e), name.clone(), v]);
        let v = edn(self.world, &v);
        match other {
            Some((y, _, w)) if self.random.one_in(2) => {
                forms.push(say("db/add", y, v));
                forms.push(say("db/add", x, edn(self.world, &w)));
            }
            _ => {
                let y = self.entity();
                forms.push(say("db/retract", x, v.clone()));
                forms.push(say("db/add", y, v));
            }
        }
    }

    /// What was said already is said again, or contradicted.
    fn again(&mut self, forms: &mut Vec<Edn>) {
        let lists: Vec<Edn> = forms.iter().filter(|form| form.as_seq().is_some()).cloned().collect();
        if lists.is_empty() {
            return forms.extend(self.retraction());
        }
        let mut parts = self.random.of(&lists).as_seq().unwrap_or_default().to_vec();
        let opposite = match &parts[0] {
            op if *op == Edn::keyword("db/add") => "db/retract",
            _ => "db/add",
        };
        if self.random.one_in(3) && parts.len() == 4 {
            parts[0] = Edn::keyword(opposite);
        }
        forms.push(Edn::Vector(parts));
    }

    /// An instant that the transaction states for itself.
    fn moment(&mut self, now: i64) -> Edn {
        let last = self.world.instant;
        let moments = [last - 1, last, (last + now) / 2, now, now, now + 1];
        let instant = Edn::Inst(*self.random.of(&moments));
        map([("db/id", Edn::string("datomic.tx")), ("db/txInstant", instant)])
    }

    /// Something about most tempids that something refers to.
    fn anchors(&mut self, forms: &mut Vec<Edn>) {
        let open: Vec<&str> = self.referred.difference(&self.anchored).copied().collect();
        for name in open {
            if !self.random.one_in(12) {
                let id = Edn::string(*self.random.of(&["a", "b", "c", "d", "e"]));
                let pair = if self.random.one_in(2) { ("a/id", id) } else { ("a/num", Edn::Int(1)) };
                forms.push(map([("db/id", Edn::string(name)), pair]));
            }
        }
    }

    /// A change to the schema.
    fn alteration(&mut self, forms: &mut Vec<Edn>) {
        let Named { attr, name } = self.any_attribute();
        let target = Edn::keyword(&name);
        let set = |property: &str, v: Edn| map([("db/id", target.clone()), (property, v)]);
        let n = self.step;
        forms.push(match self.random.below(12) {
            0 | 1 => set("db/ident", Edn::keyword(&format!("r/r{n}"))),
            2 | 3 => set("db/cardinality", cardinality(!attr.many)),
            4 | 5 if attr.unique => vector([Edn::keyword("db/retract"), target, Edn::keyword("db/unique")]),
            4 | 5 => {
                let kinds = ["db.unique/identity", "db.unique/value"];
                set("db/unique", self.one_of(&kinds))
            }
            6 | 7 => set("db/isComponent", Edn::Bool(!attr.component)),
            8 => set("db/doc", Edn::string("what it is for")),
            9 => {
                // A new attribute by the old name of another one, if one was renamed.
                let is_old =
                    |name: &&String| self.world.ident(self.world.names[*name]) != Some(name.as_str());
                let old = self.world.names.keys().find(|name| is_old(name)).cloned();
                self.attribute(&old.unwrap_or(format!("n/n{n}")), &["a/num".to_owned(), "a/word".to_owned()])
            }
            _ => {
                let single = self.attrs.iter().filter(|named| !named.attr.many && named.attr.ty != "tuple");
                let members: Vec<String> = single.map(|named| named.name.clone()).collect();
                if members.len() < 2 {
                    return;
                }
                self.attribute(&format!("n/n{n}"), &members)
            }
        });
    }
}

fn cardinality(many: bool) -> Edn {
    Edn::keyword(if many { "db.cardinality/many" } else { "db.cardinality/one" })
}

fn attribute<'k>(
    name: &'k str,
    ty: &str,
    cardinality: &str,
    more: impl IntoIterator<Item = (&'k str, &'k str)>,
) -> Edn {
    let always = [
        ("db/ident", Edn::keyword(name)),
        ("db/valueType", Edn::keyword(&format!("db.type/{ty}"))),
        ("db/cardinality", Edn::keyword(&format!("db.cardinality/{cardinality}"))),
    ];
    map(always.into_iter().chain(more.into_iter().map(|(key, v)| (key, Edn::keyword(v)))))
}

/// A value of a type without parts, from a small pool.
fn pooled(random: &mut Random, ty: &str) -> Edn {
    let text = match ty {
        "long" => *random.of(&["0", "1", "2", "3"]),
        "string" => random.of(&["\"a\"", "\"b\"", "\"c\"", "\"x\""]),
        "keyword" => random.of(&[":k/a", ":k/b", ":k/c"]),
        "boolean" => random.of(&["true", "false"]),
        "double" => random.of(&["0.5", "1.5", "##NaN"]),
        _ => random.of(&["1.0M", "1.00M", "2M"]),
    };
    annals::edn::read_one(text).expect("EDN").to_edn()
}

/// A stored value, written as it can be given again.
pub(crate) fn edn(world: &World, v: &Val) -> Edn {
    match v {
        Val::Ref(e) if *e >= FIRST => made(*e),
        Val::Ref(e) => Edn::keyword(world.ident(*e).unwrap_or_default()),
        Val::Is(edn) => edn.clone(),
        Val::Tuple(slots) => {
            vector(slots.iter().map(|slot| slot.as_ref().map_or(Edn::Nil, |v| edn(world, v))))
        }
    }
}
