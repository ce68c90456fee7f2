//! What a database can be taught: transaction functions, predicates of attributes, specs of entities, constraints.
//!
//! The model does not read programs. There is a fixed set of them, each written twice: as facts for the database, and here
//! in Rust.

use std::collections::BTreeSet;

use annals::{Edn, edn};
use annals_tests::Random;

use crate::read::Reasons;
use crate::world::{Id, Val, World};

/// Rows of a query fill a template: what is counted grows.
const BUMP: &str =
    "{:in [?e ?n] :where [[?e :x/count ?c] [(+ ?c ?n) ?new]] :tx [[:db/add ?e :x/count ?new]]}";

/// The same as a script.
const GROW: &str = "export const transaction = (db, e, n) =>
  db.values(e, 'x/count').map((c) => ['db/add', e, 'x/count', c + n]);";

/// Rows of a query are forms: the count is retracted.
const CLEAR: &str = "[:find ?op ?e ?a ?v :in $ ?e
  :where [?e :x/count ?v] [(ground :db/retract) ?op] [(ground :x/count) ?a]]";

/// A call in what a function gives.
const TWICE: &str = "{:in [?e ?n] :where [[?e :x/count]] :tx [[:x/bump ?e ?n] [:x/grow ?e ?n]]}";

/// A script that judges an entity.
const RICH: &str = "export const predicate = (db, e) => db.values(e, 'x/count').some((c) => c > 1);";

/// What every history knows from its first transaction on.
pub(crate) fn schema() -> Vec<Edn> {
    let quoted = |text: &str| Edn::string(text).to_string();
    let forms = format!(
        "[{{:db/ident :x/count :db/valueType :db.type/long :db/cardinality :db.cardinality/one}}
          {{:db/ident :x/small :db/valueType :db.type/long :db/cardinality :db.cardinality/many
            :db.attr/preds [pos? x/small?]}}
          {{:db/ident :x/small? :db/fn {}}} {{:db/ident :x/rich? :db.fn/lang :db.lang/js :db/fn {}}}
          {{:db/ident :x/bump :db/fn {}}} {{:db/ident :x/grow :db.fn/lang :db.lang/js :db/fn {}}} {{:db/ident :x/clear :db/fn {}}} {{:db/ident :x/twice :db/fn {}}}
          {{:db/ident :x/spec :db.entity/attrs [:x/count] :db.entity/preds [x/rich?]}}
          {{:db/ident :x/no-debt :db/constraint {}}}]",
        quoted("{:in [?v] :where [[(< ?v 3)]]}"),
        quoted(RICH),
        quoted(BUMP),
        quoted(GROW),
        quoted(CLEAR),
        quoted(TWICE),
        quoted("[:find ?e ?c :where [?e :x/count ?c] [(< ?c 0)]]"),
    );
    match edn::read_one(&forms).expect("EDN").to_edn() {
        Edn::Vector(forms) => forms,
        _ => Vec::new(),
    }
}

/// A form that uses one of them, about an entity.
pub(crate) fn form(random: &mut Random, e: Edn) -> Edn {
    let n = Edn::Int(random.below(5) as i64 - 2);
    Edn::Vector(match random.below(7) {
        0 => vec![Edn::keyword("x/bump"), e, n],
        6 => vec![Edn::keyword("x/grow"), e, n],
        1 => vec![Edn::keyword("x/clear"), e],
        2 => vec![Edn::keyword("x/twice"), e, n],
        3 => vec![Edn::keyword("db/add"), e, Edn::keyword("db/ensure"), Edn::keyword("x/spec")],
        4 => vec![Edn::keyword("db/add"), e, Edn::keyword("x/small"), n],
        _ => vec![Edn::keyword("db/add"), e, Edn::keyword("x/count"), n],
    })
}

/// What a call gives.
pub(crate) fn call(before: &World, parts: &[Edn]) -> Result<Vec<Edn>, &'static str> {
    const UNKNOWN: &str = "not-a-data-function";
    let Some(Edn::Keyword(name)) = parts.first() else { return Err(UNKNOWN) };
    let has_code = |id: &Id| before.value(*id, before.own("db/fn")).is_some();
    if !before.names.get(name.as_str()).is_some_and(has_code) {
        return Err(UNKNOWN);
    }
    let (e, n) = match &parts[1..] {
        [Edn::Int(e)] => (*e, 0),
        [Edn::Int(e), Edn::Int(n)] => (*e, *n),
        _ => return Err(UNKNOWN),
    };
    let form = |name: &str, rest: &[Edn]| Edn::Vector([&[Edn::keyword(name), Edn::Int(e)], rest].concat());
    let attribute = Edn::keyword("x/count");
    let each = |make: &dyn Fn(i64) -> Vec<Edn>| counts(before, e).into_iter().flat_map(make).collect();
    Ok(match name.as_str() {
        "x/bump" | "x/grow" => each(&|c| vec![form("db/add", &[attribute.clone(), Edn::Int(c + n)])]),
        "x/clear" => each(&|c| vec![form("db/retract", &[attribute.clone(), Edn::Int(c)])]),
        "x/twice" => each(&|_| vec![form("x/bump", &[Edn::Int(n)]), form("x/grow", &[Edn::Int(n)])]),
        _ => return Err(UNKNOWN),
    })
}

/// The values of `:x/count` that an entity has: several, if a history makes it an attribute of many.
fn counts(world: &World, e: Id) -> Vec<i64> {
    let values = world.names.get("x/count").into_iter().flat_map(|a| world.values(e, *a));
    let number = |v: &Val| match v {
        Val::Is(Edn::Int(c)) => Some(*c),
        _ => None,
    };
    values.filter_map(number).collect()
}

/// What asserted values fail the predicates of their attribute.
pub(crate) fn predicates(before: &World, a: Id, adds: &BTreeSet<Val>) -> Reasons {
    let holds = |predicate: &Val, v: &Val| match (predicate, v) {
        (Val::Is(Edn::Symbol(name)), Val::Is(Edn::Int(n))) if name.as_str() == "pos?" => *n > 0,
        (Val::Is(Edn::Symbol(name)), Val::Is(Edn::Int(n))) if name.as_str() == "x/small?" => *n < 3,
        _ => false,
    };
    let mut predicates = before.values(a, before.own("db.attr/preds"));
    let failed = predicates.any(|predicate| adds.iter().any(|v| !holds(predicate, v)));
    failed.then(|| "attr-pred".to_owned()).into_iter().collect()
}

/// What the world after a transaction must not be. `ensured` are the entities that are to fit the one spec there is.
pub(crate) fn judge(after: &World, ensured: impl Iterator<Item = Id>) -> Reasons {
    let mut reasons = Reasons::new();
    for e in ensured {
        let counts = counts(after, e);
        if counts.is_empty() {
            reasons.insert("entity-attr".to_owned());
        }
        if counts.iter().all(|c| *c <= 1) {
            reasons.insert("entity-pred".to_owned());
        }
    }
    let declared = after.names.get("x/no-debt");
    let holds = |id: &Id| after.value(*id, after.own("db/constraint")).is_some();
    if declared.is_some_and(holds) && after.ids.iter().any(|e| counts(after, *e).iter().any(|c| *c < 0)) {
        reasons.insert("constraint-violated".to_owned());
    }
    reasons
}
