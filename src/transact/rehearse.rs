//! Rehearsals: who submits a transaction that calls scripts carries it out for themselves first, over the newest value.
//!
//! Scripts are bounded, but not to the microsecond: operators on large values are looked at every ten thousand only. What
//! does not end within its limits ends here, on the thread of whoever sent it, and never makes other writers wait. Any
//! other outcome is left to the writer, who judges by the state that counts. A script that does no harm over the newest
//! value and does over the writer's, because something was written in between, is ended by its limits there.
//!
//! Whether a transaction can call a script is told from its data alone, generously: it says something of what makes calls
//! (functions, commands, `:db/ensure`), or names an attribute that a script judges.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use annals_query::edn::{Edn, Form, FormKind};
use annals_storage::datom::{AttrId, EntityId, Keyword};

use super::expand::reverse_of;
use super::key::{Key, Known};
use super::run;
use crate::basis::Basis;
use crate::error::{Error, Result};
use crate::input::Request;
use crate::schema::{Schema, bootstrap as at};

/// The operations that call nothing.
const FACTS: [&str; 8] = [
    "db/add",
    "db/retract",
    "db/retractEntity",
    "db.fn/retractEntity",
    "db/cas",
    "db.fn/cas",
    "db/force-partition",
    "db/match-partition",
];

/// Where the attribute stands in a list: `[:db/add e a v]`.
const ATTRIBUTE: usize = 2;

/// The refusal that a transaction of scripts is sure of, if it is.
pub(crate) fn rehearse(before: &Arc<Basis>, request: &Request) -> Result<()> {
    // What was answered before is answered again, without being carried out.
    let is_open = |key: &Key| matches!(key.find(before), Ok(None | Some(Known::TakenIn(_))));
    if !calls_scripts(&before.schema, &request.data) || !request.key.as_ref().is_none_or(is_open) {
        return Ok(());
    }
    // A fault of the clock or of the transaction is told by the writer.
    let rehearsed = catch_unwind(AssertUnwindSafe(|| run(before, request, before.home.now())));
    match rehearsed {
        Ok(Err(error)) if is_limit(&error) => Err(error),
        _ => Ok(()),
    }
}

/// True if one of the problems is a script that reached a limit.
fn is_limit(error: &Error) -> bool {
    const LIMIT: &str = "db.error/function-limit";
    let problems = error.data().get(&Edn::keyword("db.error/problems"));
    let mut others = problems.and_then(Edn::as_seq).unwrap_or_default().iter();
    let says = |problem: &Edn| match problem {
        Edn::Map(told) => told.get(&Edn::keyword("db/error")) == Some(&Edn::keyword(LIMIT)),
        _ => false,
    };
    error.keyword() == LIMIT || others.any(says)
}

/// True if carrying this out may call a script.
fn calls_scripts(schema: &Schema, data: &Form) -> bool {
    let judged = || -> Vec<AttrId> {
        let by_script = |attr: &&crate::schema::Attr| {
            let is_script = |e: EntityId| schema.scripts().binary_search(&e).is_ok();
            attr.preds.iter().any(|pred| schema.entid(&Keyword::new(pred.as_str())).is_some_and(is_script))
        };
        schema.attrs().filter(by_script).map(|attr| attr.id()).collect()
    };
    if schema.scripts().is_empty() {
        // A predicate may become a script in the very transaction that asks for it.
        return mentions(schema, data, &[at::FN_LANG]);
    }
    let forms = data.as_seq().unwrap_or_default();
    forms.iter().any(is_call) || mentions(schema, data, &[judged(), vec![at::ENSURE]].concat())
}

/// True if the form is a list that something is called by.
fn is_call(form: &Form) -> bool {
    match form.as_seq().and_then(<[Form]>::first).and_then(Form::as_atom) {
        Some(Edn::Keyword(name)) => !FACTS.contains(&name.as_str()),
        Some(Edn::Symbol(name)) => !FACTS.contains(&name.as_str()),
        _ => false,
    }
}

/// True if one of the attributes is named anywhere: by an ident, or by its id where attributes stand. Numbers elsewhere
/// are values, and a load is full of those.
fn mentions(schema: &Schema, form: &Form, attributes: &[AttrId]) -> bool {
    let is_one = |e: EntityId| AttrId::of_entity(e).is_some_and(|id| attributes.contains(&id));
    let named = |name: &Keyword| schema.entid(name).is_some_and(is_one);
    let numbered = |form: &Form| match form.as_atom() {
        Some(Edn::Int(id)) => u64::try_from(*id).is_ok_and(|id| is_one(EntityId(id))),
        _ => false,
    };
    let all = |parts: &[Form]| parts.iter().any(|part| mentions(schema, part, attributes));
    match &form.kind {
        FormKind::Atom(Edn::Keyword(name)) => {
            named(name) || reverse_of(name).is_some_and(|name| named(&name))
        }
        FormKind::Atom(_) => false,
        FormKind::List(parts) | FormKind::Vector(parts) => {
            parts.get(ATTRIBUTE).is_some_and(numbered) || all(parts)
        }
        FormKind::Set(parts) => all(parts),
        FormKind::Map(pairs) => pairs.iter().any(|(key, v)| {
            numbered(key) || mentions(schema, key, attributes) || mentions(schema, v, attributes)
        }),
        FormKind::Tagged(_, part) => mentions(schema, part, attributes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Options, TxRequest};

    /// A database in which scripts are stored, or none is.
    fn basis(scripts: bool) -> Arc<Basis> {
        let conn = crate::connect_with("mem:", Options::default()).unwrap().database("main").unwrap();
        conn.transact(
            r#"[{:db/ident :boat/fuel :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
                {:db/ident :boat/crew :db/valueType :db.type/ref :db/cardinality :db.cardinality/many}
                {:db/ident :boat/name :db/valueType :db.type/string :db/cardinality :db.cardinality/one
                 :db.attr/preds [string?]}
                {:db/ident :my/bound :db/fn "{:in [?x] :where [[(< ?x 9)]]}"}]"#,
        )
        .unwrap();
        if scripts {
            conn.transact(
                r#"[{:db/ident :my/odd :db.fn/lang :db.lang/js :db/fn "export const predicate = (db, x) => x % 2 === 1"}
                    {:db/id :boat/fuel :db.attr/preds [my/bound my/odd]}
                    {:db/id :boat/crew :db.attr/preds [my/odd]}]"#,
            )
            .unwrap();
            conn.transact("[[:db/add :boat/fuel :db/ident :boat/litres]]").unwrap();
        }
        Arc::clone(conn.db().basis())
    }

    fn calls(basis: &Basis, data: &str) -> bool {
        let request = TxRequest::from(data).read().unwrap();
        calls_scripts(&basis.schema, &request.data)
    }

    #[test]
    fn what_may_call_a_script_is_told_from_the_data() {
        let (with, without) = (basis(true), basis(false));
        let fuel = with.schema.attr_named(&Keyword::new("boat/fuel")).unwrap().id().0;
        for data in [
            "[[:my/call 1]]".to_owned(),
            "[(my/call 1)]".to_owned(),
            "([:my/call 1])".to_owned(),
            "[{:boat/name \"a\"} [:db/command :my/call {}]]".to_owned(),
            "[[:db/add \"x\" :boat/fuel 1]]".to_owned(),
            "[[:db/add \"x\" :boat/litres 1]]".to_owned(),
            format!("[[:db/add \"x\" {fuel} 1]]"),
            "[{:boat/name \"a\" :boat/litres 1}]".to_owned(),
            "[{:boat/_crew \"x\"}]".to_owned(),
            "[{:boat/name \"a\" :my/part {:deep [{:boat/fuel 1}]}}]".to_owned(),
            "[[:db/cas \"x\" :boat/fuel nil 1]]".to_owned(),
            "[{:boat/name \"a\" :db/ensure :my/spec}]".to_owned(),
            "[[:db/add \"x\" :db/ensure :my/spec]]".to_owned(),
        ] {
            assert!(calls(&with, &data), "{data}");
            assert!(!calls(&without, &data), "{data}");
        }
        for data in
            ["[]", "[[:db/add \"x\" :boat/name \":boat/fuel\"]]", "[{:boat/name \"a\" :db/doc \"b\"}]", "7"]
        {
            assert!(!calls(&with, data), "{data}");
        }
        // A value is no attribute, whatever its number.
        let language = at::FN_LANG.0;
        for basis in [&with, &without] {
            for value in [fuel, language] {
                assert!(!calls(
                    basis,
                    &format!("[[:db/add \"x\" :boat/name {value}] {{:boat/name {value}}}]")
                ));
            }
            assert!(!calls(basis, &format!("[[:db/add {fuel} :boat/name \"a\"]]")));
        }
        assert!(calls(&without, &format!("[[:db/add \"x\" {language} :db.lang/js]]")));
        let script = "[{:db/ident :my/bound :db.fn/lang :db.lang/js :db/fn \"\"}]";
        assert!(calls(&without, script));
    }

    #[test]
    fn a_limit_is_found_among_other_problems() {
        let limit = Error::new(crate::Category::Interrupted, "db.error/function-limit", "no");
        assert!(is_limit(&limit));
        let told = |keyword: &str| Edn::Map([(Edn::keyword("db/error"), Edn::keyword(keyword))].into());
        let other = Error::incorrect("db.error/not-an-entity", "no");
        let both = |second: &str| {
            other.clone().with_data("db.error/problems", vec![told("db.error/not-an-entity"), told(second)])
        };
        assert!(is_limit(&both("db.error/function-limit")));
        assert!(!is_limit(&both("db.error/nil-value")) && !is_limit(&other));
    }
}
