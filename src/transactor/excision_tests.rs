//! Removal for ever: from every view, the log and the storage, and of nothing else.

use std::sync::Arc;
use std::time::Duration;

use annals_query::edn::Edn;
use annals_storage::backend::{MemoryStorage, Storage};

use crate::connection::Connection;
use crate::database::Db;
use crate::options::Options;
use crate::store::Store;
use crate::{Order, Value};

const LONG: Duration = Duration::from_secs(20);
const SCHEMA: &str = "[
  {:db/ident :p/email :db/valueType :db.type/string :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}
  {:db/ident :p/name :db/valueType :db.type/string :db/cardinality :db.cardinality/one}
  {:db/ident :p/friend :db/valueType :db.type/ref :db/cardinality :db.cardinality/many}
  {:db/ident :p/card :db/valueType :db.type/ref :db/cardinality :db.cardinality/many :db/isComponent true}
  {:db/ident :c/number :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
  {:db/ident :c/stamp :db/valueType :db.type/ref :db/cardinality :db.cardinality/many :db/isComponent true}
  {:db/ident :s/text :db/valueType :db.type/string :db/cardinality :db.cardinality/one}]";

fn open(storage: Arc<dyn Storage>, rows: usize) -> Connection {
    let options = Options { novelty_datoms: rows, ..Options::default() };
    Store::over("test", storage, options).unwrap().database("main").unwrap()
}

/// Transactions 1 to 5: the schema, Ann with a card, Bo who knows her, a new name and a new card of hers.
fn people(storage: Arc<dyn Storage>, rows: usize) -> Connection {
    let conn = open(storage, rows);
    conn.transact(SCHEMA).unwrap();
    conn.transact(
        "[{:p/email \"ann@x\" :p/name \"secret Ann\"
           :p/card [{:c/number 1 :c/stamp [{:s/text \"secret stamp\"}]}]}]",
    )
    .unwrap();
    conn.transact("[{:p/email \"bo@x\" :p/name \"Bo\" :p/friend [[:p/email \"ann@x\"]]}]").unwrap();
    conn.transact("[{:p/email \"ann@x\" :p/name \"secret Anna\"}]").unwrap();
    conn.transact("[{:p/email \"ann@x\" :p/card [{:c/number 2}]}]").unwrap();
    conn
}

/// Every text and number of users that some view or the log shows.
fn traces(conn: &Connection, db: &Db) -> Vec<String> {
    let views = [db.clone(), db.history(), db.as_of(2), db.as_of(4), db.since(1)];
    let rows = views
        .iter()
        .flat_map(|view| Order::ALL.into_iter().flat_map(|order| view.datoms(order, &[], None).unwrap()));
    let logged = conn.log().range(..).unwrap().into_iter().flat_map(|tx| tx.datoms);
    let mut found: Vec<String> = rows
        .chain(logged)
        .filter(|datom| datom.a.0 >= 256)
        .map(|datom| Edn::from(datom.v).to_string())
        .collect();
    found.sort();
    found.dedup();
    found
}

fn excise(conn: &Connection, request: &str) -> Db {
    let report = conn.transact(request).unwrap();
    conn.sync_excise(report.t, LONG).unwrap()
}

fn id(db: &Db, email: &str) -> crate::EntityId {
    db.entid((":p/email", email)).unwrap().unwrap()
}

#[test]
fn check_126_an_entity_its_parts_and_references_to_it_are_gone_everywhere() {
    for rows in [1, 10, usize::MAX] {
        let memory = MemoryStorage::new();
        let conn = people(Arc::new(memory.clone()), rows);
        let (ann, bo) = (id(&conn.db(), "ann@x"), id(&conn.db(), "bo@x"));
        let held = conn.db();
        assert!(traces(&conn, &held).iter().any(|text| text.contains("secret stamp")));
        let db = excise(&conn, "[{:db/excise [:p/email \"ann@x\"]}]");
        let left = ["\"Bo\"", "\"bo@x\""];
        assert_eq!(traces(&conn, &db), left, "{rows}");
        assert_eq!(db.entid((":p/email", "ann@x")).unwrap(), None);
        assert_eq!(id(&db, "bo@x"), bo);
        // The request stays, as does what was taken before.
        let requests = db.datoms(Order::Aevt, &[Edn::keyword("db/excise")], None).unwrap();
        assert!(requests.iter().any(|datom| datom.v == Value::Ref(ann)) && requests.len() == 1);
        assert!(held.entid((":p/email", "ann@x")).unwrap().is_some());
        // Nothing comes back: not by writing, not by reopening.
        conn.transact("[{:p/email \"ann@x\" :p/name \"another\"}]").unwrap();
        assert_ne!(id(&conn.db(), "ann@x"), ann);
        drop((db, held));
        conn.gc(None).unwrap();
        drop(conn);
        let conn = open(Arc::new(memory), rows);
        assert_eq!(traces(&conn, &conn.db()), ["\"Bo\"", "\"ann@x\"", "\"another\"", "\"bo@x\""], "{rows}");
    }
}

#[test]
fn bounds_narrow_what_goes() {
    let texts = |request: &str| {
        let conn = people(Arc::new(MemoryStorage::new()), usize::MAX);
        let db = excise(&conn, request);
        let mut traces = traces(&conn, &db);
        traces.retain(|text| text.starts_with('"') && !text.contains('@'));
        traces.join(" ")
    };
    assert_eq!(
        texts("[{:db/excise [:p/email \"ann@x\"] :db.excise/attrs [:p/name]}]"),
        "\"Bo\" \"secret stamp\""
    );
    assert_eq!(
        texts("[{:db/excise [:p/email \"ann@x\"] :db.excise/attrs [:p/name] :db.excise/beforeT 4}]"),
        "\"Bo\" \"secret Anna\" \"secret stamp\""
    );
    assert_eq!(texts("[{:db/excise :p/name}]"), "\"secret stamp\"");
    assert_eq!(
        texts("[{:db/excise :p/name :db.excise/beforeT 3}]"),
        "\"Bo\" \"secret Anna\" \"secret stamp\""
    );
    let everything = "\"Bo\" \"secret Ann\" \"secret Anna\" \"secret stamp\"";
    assert_eq!(texts("[{:db/excise :p/name :db.excise/before #inst \"1980-01-01\"}]"), everything);
    // Nothing of the database's own can go.
    for kept in [":db/txInstant", ":db/ident", ":db.part/user", ":db/excise"] {
        let conn = people(Arc::new(MemoryStorage::new()), usize::MAX);
        let count = |db: &Db| db.history().datoms(Order::Eavt, &[], None).unwrap().len();
        let before = count(&conn.db());
        assert_eq!(count(&excise(&conn, &format!("[{{:db/excise {kept}}}]"))), before + 2, "{kept}");
    }
}

#[test]
fn an_ident_goes_with_its_entity_and_a_transaction_keeps_its_instant() {
    let conn = people(Arc::new(MemoryStorage::new()), 10);
    conn.transact("[{:db/id \"datomic.tx\" :p/name \"secret note\"} {:db/ident :secret/name}]").unwrap();
    let db = conn.db();
    let (named, tx) = (db.entid(":secret/name").unwrap().unwrap(), crate::EntityId::of_t(db.basis_t()));
    let db = excise(&conn, &format!("[{{:db/excise {}}} {{:db/excise {}}}]", named.0, tx.0));
    assert_eq!((db.entid(":secret/name").unwrap(), db.ident(named)), (None, None));
    assert!(db.instant_of(tx.t().unwrap()).unwrap().is_some());
    assert!(!traces(&conn, &db).iter().any(|text| text.contains("secret note")));
    conn.transact("[{:db/ident :secret/name}]").unwrap();
    assert_ne!(conn.db().entid(":secret/name").unwrap(), Some(named));
}

#[test]
fn a_request_that_no_job_has_met_is_met_after_reopening() {
    let memory = MemoryStorage::new();
    let gate = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let shut = Arc::clone(&gate);
    let storage =
        annals_storage::backend::fault::FaultyStorage::new(Arc::new(memory.clone())).delayed(move |call| {
            assert!(
                call.operation != "write_segments" || !shut.load(std::sync::atomic::Ordering::SeqCst),
                "on purpose"
            );
        });
    let conn = people(Arc::new(storage), usize::MAX);
    gate.store(true, std::sync::atomic::Ordering::SeqCst);
    let t = conn.transact("[{:db/excise [:p/email \"ann@x\"]}]").unwrap().t;
    let error = conn.sync_excise(t, Duration::from_millis(30)).unwrap_err();
    assert_eq!(error.keyword(), "db.error/excision-not-reached");
    drop(conn);
    let conn = open(Arc::new(memory), usize::MAX);
    let db = conn.sync_excise(t, LONG).unwrap();
    assert_eq!(traces(&conn, &db), ["\"Bo\"", "\"bo@x\""]);
}

#[test]
fn a_request_that_says_nothing_sound_is_refused() {
    let conn = people(Arc::new(MemoryStorage::new()), usize::MAX);
    let record =
        conn.transact("[{:db/id \"r\" :db/excise [:p/email \"bo@x\"] :db.excise/beforeT 2}]").unwrap();
    let record = record.tempids["r"].0;
    let again = format!("[{{:db/id {record} :db/excise [:p/email \"ann@x\"]}}]");
    for (request, keyword) in [
        ("[{:db.excise/attrs [:p/name]}]", "db.error/invalid-excision"),
        ("[{:db/excise :p/name :db.excise/attrs [:p/name]}]", "db.error/invalid-excision"),
        (
            "[{:db/excise :p/name :db.excise/beforeT 3 :db.excise/before #inst \"2030-01-01\"}]",
            "db.error/invalid-excision",
        ),
        ("[{:db/excise :p/name :db.excise/beforeT -3}]", "db.error/invalid-excision"),
        (&again, "db.error/invalid-excision"),
        ("[{:db/excise [:p/email \"ann@x\"] :db.excise/attrs [:db.part/user]}]", "db.error/not-an-attribute"),
        ("[{:db/excise [:p/email \"nobody@x\"]}]", "db.error/not-an-entity"),
    ] {
        let error = conn.transact(request).unwrap_err();
        assert_eq!(error.keyword(), keyword, "{request}: {error}");
    }
}
