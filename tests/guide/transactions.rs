//! The guide to transactions, over a harbour that begins empty, and its parts in Rust.

use std::sync::Arc;
use std::time::Duration;

use annals::{
    Clock, Code, Connection, Context, Edn, EntityId, Limits, Options, Refusal, RequestState, Store, TxRequest,
};

use crate::walk;
use crate::ways::Ways;

/// Where it is always the same moment.
struct Stopped;

impl Clock for Stopped {
    /// 2024-05-01, ten o'clock.
    fn now_micros(&self) -> i64 {
        1_714_557_600_000_000
    }
}

fn harbour() -> Store {
    // Scripts are to end by anything but the time that the machine takes.
    let long = Duration::from_secs(60);
    let code = Code::new().within(long).scripts_within(Limits { time: long, ..Limits::default() });
    let options = Options { clock: Arc::new(Stopped), code, ..Options::default() };
    annals::connect_with("mem:", options).expect("a storage in memory")
}

#[test]
fn every_transaction_does_what_the_guide_says() {
    walk("transactions.md", include_str!("transactions.rs"), &mut Ways::to_two(harbour()), 60);
}

const BOATS: &str = "[
  {:db/ident :boat/imo :db/valueType :db.type/long :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}
  {:db/ident :boat/name :db/valueType :db.type/string :db/cardinality :db.cardinality/one}
  {:db/ident :boat/fuel :db/valueType :db.type/long :db/cardinality :db.cardinality/one}]";

fn with_boats(code: Code) -> annals::Result<Connection> {
    let conn = annals::connect_with("mem:", Options { code, ..Options::default() })?.database("main")?;
    conn.transact(BOATS)?;
    conn.transact("[{:boat/imo 9001 :boat/name \"Argo\" :boat/fuel 40}]")?;
    Ok(conn)
}

fn fuel(conn: &Connection) -> annals::Result<String> {
    Ok(conn.db().pull("[:boat/fuel]", (":boat/imo", 9001))?.to_string())
}

/// What the guide says about code in Rust.
#[test]
fn code_of_the_program() -> annals::Result<()> {
    let burn = |context: &Context<'_>, args: &[Edn]| {
        let [boat, Edn::Int(litres)] = args else {
            return Err("a boat and a number are needed".into());
        };
        let fuel = "[:find ?fuel . :in $ ?boat :where [?boat :boat/fuel ?fuel]]";
        let Edn::Int(now) = context.db().q(fuel, [boat.clone().into()])?.into_edn() else {
            return Err(Refusal::incorrect("boat/no-tank", "the boat has no tank"));
        };
        if now < *litres {
            return Err(Refusal::conflict("boat/dry", format!("there are only {now}")).with("boat/left", now));
        }
        let add = [Edn::keyword("db/add"), boat.clone(), Edn::keyword("boat/fuel"), Edn::Int(now - litres)];
        Ok(Edn::Vector(vec![Edn::Vector(add.to_vec())]))
    };
    let heavy = |db: &annals::Db, boat: EntityId| {
        let fuel = db.q("[:find ?n . :in $ ?b :where [?b :boat/fuel ?n]]", [Edn::from(boat).into()])?;
        Ok(Edn::Bool(fuel.into_edn() > Edn::Int(30)))
    };
    let code = Code::new()
        .function("harbour/burn", burn)?
        .predicate("harbour/is-even", |args| Ok(Edn::Bool(matches!(args, [Edn::Int(n)] if n % 2 == 0))))?
        .entity_predicate("harbour/is-heavy", heavy)?;
    let conn = with_boats(code)?;

    conn.transact("[[harbour/burn [:boat/imo 9001] 4]]")?;
    assert_eq!(fuel(&conn)?, "{:boat/fuel 36}");
    let refused = conn.transact("[[harbour/burn [:boat/imo 9001] 50]]").unwrap_err();
    assert_eq!(refused.keyword(), "db.error/rejected");
    assert_eq!(refused.data()[&Edn::keyword("db.error/code")], Edn::keyword("boat/dry"));

    conn.transact(
        "[[:db/add :boat/fuel :db.attr/preds harbour/is-even]
                    {:db/ident :boat/heavy :db.entity/preds harbour/is-heavy}]",
    )?;
    let odd = conn.transact("[[:db/add [:boat/imo 9001] :boat/fuel 31]]").unwrap_err();
    assert_eq!(odd.keyword(), "db.error/attr-pred");
    let light = conn.transact("[{:boat/imo 9001 :boat/fuel 2 :db/ensure :boat/heavy}]").unwrap_err();
    assert_eq!(light.keyword(), "db.error/entity-pred");
    Ok(())
}

/// What the guide says about values that are computed only.
#[test]
fn what_if() -> annals::Result<()> {
    let conn = with_boats(Code::new())?;
    let db = conn.db();
    let first = db.with("[[:db/add [:boat/imo 9001] :boat/fuel 1]]")?;
    let second = first.db_after.with("[[:db/cas [:boat/imo 9001] :boat/fuel 1 2]]")?;
    let fuel = second.db_after.pull("[:boat/fuel]", (":boat/imo", 9001))?;
    assert_eq!(fuel.to_string(), "{:boat/fuel 2}");
    assert_eq!(conn.db().basis_t(), db.basis_t());

    let then = conn.db().basis_t();
    conn.transact("[[:db/add [:boat/imo 9001] :boat/fuel 90]]")?;
    let branch = conn.db().as_of(then).with("[[:db/add [:boat/imo 9001] :boat/fuel 3]]")?;
    assert_eq!((branch.t, branch.db_after.basis_t()), (then + 1, then + 1));
    let later = branch.db_after.with("[[:db/cas [:boat/imo 9001] :boat/fuel 3 2]]")?;
    let fuel = later.db_after.pull("[:boat/fuel]", (":boat/imo", 9001))?;
    assert_eq!(fuel.to_string(), "{:boat/fuel 2}");
    Ok(())
}

/// What the guide says about requests that are carried out later.
#[test]
fn later() -> annals::Result<()> {
    let conn = with_boats(Code::new())?;
    let cas = |new: i64| format!("[[:db/cas [:boat/imo 9001] :boat/fuel 40 {new}]]");
    conn.accept(TxRequest::from(cas(30)).key("refuel-1"))?;
    conn.accept(TxRequest::from(cas(20)).key("refuel-2"))?;

    let wait = Duration::from_secs(10);
    let first = conn.request("refuel-1", wait)?.expect("it was taken in");
    assert_eq!(first.state.name(), "committed");
    let second = conn.request("refuel-2", wait)?.expect("it was taken in");
    match second.state {
        RequestState::Rejected { error, .. } => assert_eq!(error.keyword(), "db.error/cas-failed"),
        other => panic!("{other:?}"),
    }
    assert!(conn.request("refuel-3", wait)?.is_none());
    assert_eq!(fuel(&conn)?, "{:boat/fuel 30}");
    Ok(())
}

/// What the guide says about waiting for the tuples of older entities.
#[test]
fn filling() -> annals::Result<()> {
    let conn = with_boats(Code::new())?;
    let report = conn.transact(
        "[{:db/ident :boat/name+fuel :db/valueType :db.type/tuple :db/tupleAttrs [:boat/name :boat/fuel]
           :db/cardinality :db.cardinality/one}]",
    )?;
    let db = conn.sync_schema(report.t, Duration::from_secs(60))?;
    let tuple = db.pull("[:boat/name+fuel]", (":boat/imo", 9001))?;
    assert_eq!(tuple.to_string(), "{:boat/name+fuel [\"Argo\" 40]}");
    Ok(())
}

/// What the guide says about removing facts for ever.
#[test]
fn excision() -> annals::Result<()> {
    let conn = with_boats(Code::new())?;
    let report = conn.transact("[{:db/excise [:boat/imo 9001] :db.excise/attrs [:boat/name]}]")?;
    let db = conn.sync_excise(report.t, Duration::from_secs(60))?;
    let ever = db.history().q("[:find ?name . :where [_ :boat/name ?name]]", [])?;
    assert!(ever.is_empty());
    Ok(())
}
