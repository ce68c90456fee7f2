//! Forms that are wrong, each in a way of its own, and some that only look so.

use annals::Edn;

use crate::generate::{Maker, made, map, vector};

/// Templates; `E` stands for an entity that is there.
const WRONG: [&str; 40] = [
    "[:db/add E :no/such 1]",
    "{:no/such 1}",
    "{:a/_num [E]}",
    "{\"a/num\" 1}",
    "[:db/add E :a/num nil]",
    "[:db/add nil :a/num 1]",
    "[:db/add E :a/num \"7\"]",
    "[:db/add E :a/num [1 2]]",
    "[:db/add E :a/to 1.5]",
    "[:db/add -1 :a/num 1]",
    "[:db/add 2199023255552 :a/num 1]",
    "[:db/add E :a/to 2199023255552]",
    "[:db/add [:a/id \"nobody\"] :a/num 1]",
    "[:db/add :no/body :a/num 1]",
    "[:db/add [:a/num 1] :a/num 1]",
    "[:db/add [:a/id] :a/num 1]",
    "[:db/add [:a/id nil] :a/num 1]",
    "[:db/add E :db.part/user 1]",
    "[:db/add \"datomic.other\" :a/num 1]",
    "{:db/id \":x\" :a/num 1}",
    "[:db/add E :a/to \"only a value\"]",
    "{:a/num 1 :a/to {:a/num 2}}",
    "[:no/function E]",
    "[no/function E]",
    "[]",
    "[:db/add E :a/num]",
    "[:db/retract E]",
    "[:db/retractEntity nil]",
    "[:db/retractEntity 2199023255552]",
    "[:db/retractEntity [:a/id \"nobody\"]]",
    "[:db/retractEntity :no/body]",
    "[:db/retractEntity [:a/num 1]]",
    "[:db/retract E :a/tags]",
    "{:db/id E}",
    "[:db/cas E :a/num 1 nil]",
    "[:db/cas E :a/tags nil :k/a]",
    "7",
    "{:db/id E :db/txInstant #inst \"1970-01-01\"}",
    "[:db/add :db/doc :db/doc \"mine\"]",
    "[:db/retractEntity :db/doc]",
];

/// A form that is refused, most often for one reason.
pub(crate) fn form(maker: &mut Maker<'_>) -> Edn {
    if maker.random.one_in(3) {
        return schema(maker);
    }
    let text = *maker.random.of(&WRONG);
    let e = maker.subject();
    filled(&annals::edn::read_one(text).expect("EDN").to_edn(), &e)
}

fn filled(form: &Edn, e: &Edn) -> Edn {
    match form {
        Edn::Symbol(name) if name.as_str() == "E" => e.clone(),
        Edn::Vector(parts) => vector(parts.iter().map(|part| filled(part, e))),
        Edn::Map(pairs) => Edn::Map(pairs.iter().map(|(key, v)| (key.clone(), filled(v, e))).collect()),
        other => other.clone(),
    }
}

/// A schema that cannot be.
fn schema(maker: &mut Maker<'_>) -> Edn {
    let named = maker.any_attribute();
    let target = made(named.attr.id);
    let target = if named.attr.id < crate::world::FIRST { Edn::keyword(&named.name) } else { target };
    let kw = Edn::keyword;
    match maker.random.below(12) {
        0 => map([("db/id", target), ("db/valueType", kw("db.type/symbol"))]),
        1 => vector([kw("db/retract"), target, kw("db/cardinality")]),
        2 => vector([kw("db/retract"), target, kw("db/ident")]),
        3 => vector([kw("db/retractEntity"), target]),
        4 => vector([kw("db/retract"), kw("db.part/db"), kw("db.install/attribute"), target]),
        5 => map([("db/ident", kw("m/m")), ("db/valueType", kw("db.type/long"))]),
        6 => map([("db/id", maker.subject()), ("db/isComponent", Edn::Bool(false))]),
        7 => map([("db/ident", kw("db/mine")), ("db/doc", Edn::string("x"))]),
        8 => map([
            ("db/ident", kw("m/m")),
            ("db/valueType", kw("db.type/tuple")),
            ("db/cardinality", kw("db.cardinality/one")),
            ("db/tupleAttrs", vector([kw(&named.name), kw("a/tags")])),
        ]),
        9 => map([("db/id", target), ("db/tupleAttrs", vector([kw("a/num"), kw("a/word")]))]),
        10 => map([("db/id", target), ("db/unique", kw("db.type/long"))]),
        _ => map([
            ("db/ident", kw("m/m")),
            ("db/valueType", kw("db.type/long")),
            ("db/cardinality", kw("db.cardinality/one")),
            ("db/isComponent", Edn::Bool(true)),
        ]),
    }
}
