//! What a database can be taught: transaction functions, commands, predicates of attributes, specs of entities,
//! constraints.
//!
//! The model does not read programs. There is a fixed set of them, each written twice: as facts for the database or as
//! native code, and here in Rust over the model's world.

use std::collections::BTreeSet;

use annals::{Code, Context, Edn, Refusal, edn};
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

/// What a command does: as [`BUMP`].
const ADD_TO: &str = "{:e :ref, :n {:type :long :min 1 :max 3}}";

/// What a command promises.
const STAYS_SMALL: &str = "{:in [?e] :where [[?e :x/count ?c] [(< ?c 5)]]}";

/// What the program brings.
pub(crate) fn code() -> Code {
    let counts = |db: &annals::Db, e: Edn| -> Result<Vec<i64>, Refusal> {
        let found = db.q("[:find [?c ...] :in $ ?e :where [?e :x/count ?c]]", [e.into()])?.into_edn();
        let number = |edn: &Edn| if let Edn::Int(n) = edn { Some(*n) } else { None };
        Ok(found.as_seq().unwrap_or_default().iter().filter_map(number).collect())
    };
    let lift = move |context: &Context<'_>, args: &[Edn]| {
        let [e, Edn::Int(n)] = args else { return Err("an entity and a number are needed".into()) };
        if *n < 0 {
            return Err(Refusal::conflict("x/down", "it is lifted, not let down"));
        }
        let add = |c: i64| vec![Edn::keyword("db/add"), e.clone(), Edn::keyword("x/count"), Edn::Int(c + n)];
        let counts = counts(context.db(), e.clone())?;
        Ok(Edn::Vector(counts.into_iter().map(|c| Edn::Vector(add(c))).collect()))
    };
    let is_calm =
        move |db: &annals::Db, e: annals::EntityId| Ok(Edn::Bool(!counts(db, Edn::from(e))?.contains(&4)));
    Code::new()
        .function("x/lift", lift)
        .and_then(|code| {
            code.predicate("x/odd?", |args| Ok(Edn::Bool(matches!(args, [Edn::Int(n)] if n % 2 == 1))))
        })
        .and_then(|code| code.entity_predicate("x/calm?", is_calm))
        .expect("names of the program's own")
}

/// What every history knows from its first transaction on.
pub(crate) fn schema() -> Vec<Edn> {
    let quoted = |text: &str| Edn::string(text).to_string();
    let forms = format!(
        "[{{:db/ident :x/count :db/valueType :db.type/long :db/cardinality :db.cardinality/one}}
          {{:db/ident :x/small :db/valueType :db.type/long :db/cardinality :db.cardinality/many
            :db.attr/preds [pos? x/small? x/odd?]}}
          {{:db/ident :x/small? :db/fn {}}} {{:db/ident :x/rich? :db.fn/lang :db.lang/js :db/fn {}}}
          {{:db/ident :x/bump :db/fn {}}} {{:db/ident :x/grow :db.fn/lang :db.lang/js :db/fn {}}}
          {{:db/ident :x/clear :db/fn {}}} {{:db/ident :x/twice :db/fn {}}}
          {{:db/ident :x/add-to :db.command/args {} :db/fn {} :db.command/ensure {}}}
          {{:db/ident :x/spec :db.entity/attrs [:x/count] :db.entity/preds [x/rich? x/calm?]}}
          {{:db/id \"part\" :db/ident :db.part/x}} [:db/add :db.part/db :db.install/partition \"part\"]
          {{:db/ident :x/no-debt :db/constraint {}}}]",
        quoted("{:in [?v] :where [[(< ?v 3)]]}"),
        quoted(RICH),
        quoted(BUMP),
        quoted(GROW),
        quoted(CLEAR),
        quoted(TWICE),
        quoted(ADD_TO),
        quoted(BUMP),
        quoted(STAYS_SMALL),
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
    Edn::Vector(match random.below(10) {
        7 => vec![Edn::keyword("x/lift"), e, n],
        8 | 9 => return command(random, e),
        0 => vec![Edn::keyword("x/bump"), e, n],
        6 => vec![Edn::keyword("x/grow"), e, n],
        1 => vec![Edn::keyword("x/clear"), e],
        2 => vec![Edn::keyword("x/twice"), e, n],
        3 => vec![Edn::keyword("db/add"), e, Edn::keyword("db/ensure"), Edn::keyword("x/spec")],
        4 => vec![Edn::keyword("db/add"), e, Edn::keyword("x/small"), n],
        _ => vec![Edn::keyword("db/add"), e, Edn::keyword("x/count"), n],
    })
}

/// A command, mostly with arguments that it takes.
fn command(random: &mut Random, e: Edn) -> Edn {
    let mut args = vec![("e", e), ("n", Edn::Int(1 + random.below(4) as i64))];
    if random.one_in(12) {
        args.pop();
    }
    if random.one_in(20) {
        args.push(("more", Edn::Nil));
    }
    let name = if random.one_in(20) { "x/spec" } else { "x/add-to" };
    crate::generate::vector([Edn::keyword("db/command"), Edn::keyword(name), crate::generate::map(args)])
}

/// What a command gives, and the entity and command that its promise is about.
pub(crate) fn carried_out(
    before: &World,
    name: &Edn,
    args: &Edn,
) -> Result<(Vec<Edn>, Id, Id), &'static str> {
    let (Edn::Keyword(name), Edn::Map(args)) = (name, args) else { return Err("invalid-tx-data") };
    let arg = |name: &str| args.get(&Edn::keyword(name));
    let command = *before.names.get(name.as_str()).ok_or("unknown-command")?;
    before.value(command, before.own("db/fn")).ok_or("unknown-command")?;
    match (arg("e"), arg("n")) {
        (Some(Edn::Int(e)), Some(Edn::Int(n))) if args.len() == 2 && (1..=3).contains(n) => {
            let call = [Edn::keyword("x/bump"), Edn::Int(*e), Edn::Int(*n)];
            Ok((call_of(before, "x/bump", &call)?, command, *e))
        }
        _ => Err("invalid-arguments"),
    }
}

/// What a call gives.
pub(crate) fn call(before: &World, parts: &[Edn]) -> Result<Vec<Edn>, &'static str> {
    let Some(Edn::Keyword(name)) = parts.first() else { return Err(UNKNOWN) };
    let has_code = |id: &Id| before.value(*id, before.own("db/fn")).is_some();
    if name.as_str() != "x/lift" && !before.names.get(name.as_str()).is_some_and(has_code) {
        return Err(UNKNOWN);
    }
    call_of(before, name.as_str(), parts)
}

const UNKNOWN: &str = "not-a-data-function";

fn call_of(before: &World, name: &str, parts: &[Edn]) -> Result<Vec<Edn>, &'static str> {
    let (e, n) = match &parts[1..] {
        [Edn::Int(e)] => (*e, 0),
        [Edn::Int(e), Edn::Int(n)] => (*e, *n),
        _ if name == "x/lift" => return Err("function-failed"),
        _ => return Err("function-arity"),
    };
    let form = |name: &str, rest: &[Edn]| Edn::Vector([&[Edn::keyword(name), Edn::Int(e)], rest].concat());
    let attribute = Edn::keyword("x/count");
    let each = |make: &dyn Fn(i64) -> Vec<Edn>| counts(before, e).into_iter().flat_map(make).collect();
    Ok(match name {
        "x/lift" if n < 0 => return Err("rejected"),
        "x/bump" | "x/grow" | "x/lift" => {
            each(&|c| vec![form("db/add", &[attribute.clone(), Edn::Int(c + n)])])
        }
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
        (Val::Is(Edn::Symbol(name)), Val::Is(Edn::Int(n))) if name.as_str() == "x/odd?" => n % 2 == 1,
        _ => false,
    };
    let mut predicates = before.values(a, before.own("db.attr/preds"));
    let failed = predicates.any(|predicate| adds.iter().any(|v| !holds(predicate, v)));
    failed.then(|| "attr-pred".to_owned()).into_iter().collect()
}

/// What the world after a transaction must not be. `ensured` are the entities that are to fit the one spec there is,
/// `promised` those of which a command was carried out. Specs, promises and constraints are judged in turn.
pub(crate) fn judge(after: &World, ensured: impl Iterator<Item = Id>, promised: &[Id]) -> Reasons {
    let mut reasons = Reasons::new();
    for e in ensured {
        let counts = counts(after, e);
        if counts.is_empty() {
            reasons.insert("entity-attr".to_owned());
        }
        if counts.iter().all(|c| *c <= 1) || counts.contains(&4) {
            reasons.insert("entity-pred".to_owned());
        }
    }
    if !reasons.is_empty() {
        return reasons;
    }
    if promised.iter().any(|e| counts(after, *e).iter().all(|c| *c >= 5)) {
        return Reasons::from(["post-condition-failed".to_owned()]);
    }
    let declared = after.names.get("x/no-debt");
    let holds = |id: &Id| after.value(*id, after.own("db/constraint")).is_some();
    if declared.is_some_and(holds) && after.ids.iter().any(|e| counts(after, *e).iter().any(|c| *c < 0)) {
        reasons.insert("constraint-violated".to_owned());
    }
    reasons
}
