//! Requests with keys: recognised when they are sent again, by anybody, whenever; taken in and carried out later; and the
//! database's own work between the transactions of others.

use std::sync::Arc;
use std::time::Duration;

use annals_storage::backend::fault::{Fault, FaultyStorage};
use annals_storage::backend::{MemoryStorage, Storage};
use annals_storage::datom::Order;

use crate::edn::Edn;
use crate::{Category, Clock, Connection, Options, RequestState, Store, SystemClock, TxRequest};

const SCHEMA: &str = "[
  {:db/ident :a/n :db/valueType :db.type/long :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}
  {:db/ident :a/count :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
  {:db/ident :a/add :db/fn \"{:in [?n] :where [[?e :a/n 1] [?e :a/count ?c] [(+ ?c ?n) ?m]] :tx [[:db/add ?e :a/count ?m]]}\"}]";
const LONG: Duration = Duration::from_secs(60);

fn open(storage: &Arc<dyn Storage>) -> Connection {
    Store::over("test", Arc::clone(storage), Options::default()).unwrap().database("main").unwrap()
}

fn fresh() -> (Arc<dyn Storage>, Connection) {
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
    let conn = open(&storage);
    conn.transact(SCHEMA).unwrap();
    conn.transact("[{:a/n 1 :a/count 0}]").unwrap();
    (storage, conn)
}

fn count(conn: &Connection) -> String {
    conn.db().pull("[:a/count]", (":a/n", 1)).unwrap().to_string()
}

fn keyed(data: &str, key: &str) -> TxRequest {
    TxRequest::from(data).key(key)
}

#[test]
fn a_hundred_equal_requests_are_one_transaction() {
    let (_, conn) = fresh();
    let data = "[[:a/add 1] {:db/id \"new\" :a/n 7}]";
    let reports: Vec<_> = std::thread::scope(|scope| {
        let handles: Vec<_> =
            (0..100).map(|_| scope.spawn(|| conn.transact(keyed(data, "once")).unwrap())).collect();
        handles.into_iter().map(|handle| handle.join().unwrap()).collect()
    });
    let first = reports.iter().find(|report| !report.replayed).expect("one was carried out");
    assert_eq!(reports.iter().filter(|report| !report.replayed).count(), 1);
    for report in &reports {
        assert_eq!((report.t, report.instant, &report.tempids), (first.t, first.instant, &first.tempids));
        assert_eq!(report.datoms, first.datoms);
        assert_eq!(
            report.db_after.pull("[*]", (":a/n", 7)).unwrap(),
            first.db_after.pull("[*]", (":a/n", 7)).unwrap()
        );
        assert_eq!((report.db_before.basis_t(), report.db_after.basis_t()), (first.t - 1, first.t));
        assert!(report.db_before.entid((":a/n", 7)).unwrap().is_none());
    }
    assert_eq!((conn.db().basis_t(), count(&conn)), (first.t, "{:a/count 1}".to_owned()));
}

#[test]
fn a_key_goes_with_one_request_for_ever() {
    let (storage, conn) = fresh();
    let first = conn.transact(keyed("[[:a/add 1]]", "k")).unwrap();
    let reused = conn.transact(keyed("[[:a/add 2]]", "k")).unwrap_err();
    assert_eq!(
        (reused.category(), reused.keyword()),
        (Category::Conflict, "db.error/idempotency-key-reused")
    );
    assert_eq!(reused.data()[&Edn::keyword("db.error/t")], Edn::Int(first.t as i64));
    // Expectations are a part of the request, and are not looked at when it was carried out before.
    let expecting = || keyed("[[:a/add 1]]", "e").expect(format!("{{:basis {}}}", first.t));
    assert_eq!(conn.transact(expecting()).unwrap().t, first.t + 1);
    assert!(conn.transact(expecting()).unwrap().replayed);
    assert!(conn.transact(keyed("[[:a/add 1]]", "e")).is_err());
    drop(conn);
    let conn = open(&storage);
    let again = conn.transact(keyed("[[:a/add 1]]", "k")).unwrap();
    assert_eq!((again.t, again.replayed, count(&conn)), (first.t, true, "{:a/count 2}".to_owned()));
    for key in ["", &"k".repeat(201)] {
        assert_eq!(
            conn.transact(keyed("[]", key)).unwrap_err().keyword(),
            "db.error/invalid-idempotency-key"
        );
    }
    // Other layout of the same data is the same request.
    assert!(conn.transact(keyed(" [ [:a/add   1 ] ] ", "k")).unwrap().replayed);
}

#[test]
fn a_refusal_is_remembered_with_its_key_and_a_lost_chance_is_not() {
    let (storage, conn) = fresh();
    let data = "[[:db/cas [:a/n 1] :a/count 5 6]]";
    let first = conn.transact(keyed(data, "k")).unwrap_err();
    conn.transact("[[:db/add [:a/n 1] :a/count 5]]").unwrap();
    drop(conn);
    let conn = open(&storage);
    let again = conn.transact(keyed(data, "k")).unwrap_err();
    assert_eq!(
        (again.keyword(), again.message(), again.hint()),
        (first.keyword(), first.message(), first.hint())
    );
    assert_eq!(again.data()[&Edn::keyword("db.error/replayed")], Edn::Bool(true));
    assert_eq!(count(&conn), "{:a/count 5}");
    conn.transact(keyed(data, "other")).unwrap();
    let status = conn.db().request("k").unwrap().unwrap();
    assert!(matches!(status.state, RequestState::Rejected { t: 3, .. }), "{status:?}");
    assert!(matches!(conn.db().request("other").unwrap().unwrap().state, RequestState::Committed { .. }));
    assert!(conn.db().request("none").unwrap().is_none());
    let keys: Vec<String> = conn.db().requests(10).unwrap().into_iter().map(|status| status.key).collect();
    assert_eq!(keys, ["other", "k"]);
}

/// Runs `first` over a storage that dies at every call in turn, before and after its effect; then `again` on what is left.
fn dying(first: impl Fn(&Connection), again: impl Fn(&Connection)) {
    for fault in [Fault::CrashBefore, Fault::CrashAfter] {
        for call in 0.. {
            let (storage, conn) = fresh();
            drop(conn);
            let faulty = Arc::new(FaultyStorage::new(Arc::clone(&storage)).at(call, fault));
            let dyn_storage: Arc<dyn Storage> = Arc::clone(&faulty) as Arc<dyn Storage>;
            let store =
                Store::over("test", dyn_storage, Options::default()).and_then(|store| store.database("main"));
            if let Ok(conn) = store {
                first(&conn);
            }
            let crashed = faulty.crashed();
            again(&open(&storage));
            if !crashed {
                assert!(call > 3, "it died at some call");
                break;
            }
        }
    }
}

#[test]
fn what_was_durable_and_not_answered_is_told_when_it_is_sent_again() {
    dying(
        |conn| drop(conn.transact(keyed("[[:a/add 1]]", "k"))),
        |conn| {
            conn.transact(keyed("[[:a/add 1]]", "k")).unwrap();
            assert_eq!(count(conn), "{:a/count 1}");
        },
    );
}

#[test]
fn what_was_taken_in_survives_a_death_at_any_moment() {
    dying(
        |conn| {
            let taken = conn.accept(keyed("[[:a/add 1]]", "k"));
            if taken.is_ok() {
                // Where the storage has died it is never carried out here, and nobody waits.
                drop(conn.request("k", LONG));
            }
        },
        |conn| {
            conn.accept(keyed("[[:a/add 1]]", "k")).unwrap();
            let status = conn.request("k", LONG).unwrap().unwrap();
            assert!(matches!(status.state, RequestState::Committed { .. }), "{status:?}");
            assert_eq!(count(conn), "{:a/count 1}");
        },
    );
}

#[test]
fn what_was_taken_in_is_carried_out_once_also_after_a_restart() {
    let (storage, conn) = fresh();
    let receipt = conn.accept(keyed("[[:a/add 1]]", "later")).unwrap();
    let status = conn.request("later", LONG).unwrap().unwrap();
    assert_eq!(status.taken_in, Some(receipt.t));
    assert!(matches!(status.state, RequestState::Committed { t } if t == receipt.t + 1), "{status:?}");
    // Sent again, in either way, it is known.
    assert!(conn.accept(keyed("[[:a/add 1]]", "later")).unwrap().replayed);
    assert!(conn.transact(keyed("[[:a/add 1]]", "later")).unwrap().replayed);
    assert!(conn.accept(keyed("[[:a/add 2]]", "later")).is_err());
    assert!(conn.accept("[[:a/add 1]]").is_err());
    assert_eq!(count(&conn), "{:a/count 1}");
    // A refusal is an outcome.
    conn.accept(keyed("[[:no/such 1]]", "bad")).unwrap();
    let status = conn.request("bad", LONG).unwrap().unwrap();
    assert!(
        matches!(&status.state, RequestState::Rejected { error, .. } if error.keyword() == "db.error/not-a-data-function")
    );
    drop(conn);
    assert!(matches!(
        open(&storage).db().request("bad").unwrap().unwrap().state,
        RequestState::Rejected { .. }
    ));
}

#[test]
fn a_report_that_is_told_again_has_the_values_of_then() {
    let (_, conn) = fresh();
    let first = conn.transact(keyed("[[:a/add 1]]", "k")).unwrap();
    conn.transact(
        "[[:a/add 1] {:db/ident :a/late :db/valueType :db.type/long :db/cardinality :db.cardinality/one}]",
    )
    .unwrap();
    let again = conn.transact(keyed("[[:a/add 1]]", "k")).unwrap();
    let shown = |db: &crate::Db| {
        let facts = db.datoms(Order::Eavt, &[], None).unwrap();
        (db.basis_t(), db.as_of_t(), db.next_t(), db.schema().len(), facts)
    };
    assert_eq!(shown(&again.db_before), shown(&first.db_before));
    assert_eq!(shown(&again.db_after), shown(&first.db_after));
    assert!(again.replayed && again.db_after.entid(":a/late").unwrap().is_none());
    // What is tried on it goes on from then.
    let tried = again.db_after.with("[[:a/add 1]]").unwrap();
    assert_eq!((tried.t, tried.datoms.len()), (first.t + 1, 3));
}

/// What takes a request in comes after the basis that its sender saw, and is none of what it must not find.
#[test]
fn a_request_that_was_taken_in_finds_the_basis_of_its_sender() {
    let (storage, conn) = fresh();
    let expecting = |t: u64, key: &str| keyed("[[:a/add 1]]", key).expect(format!("{{:basis {t}}}"));
    let state = |conn: &Connection, key: &str| conn.request(key, LONG).unwrap().unwrap().state;
    let t = conn.db().basis_t();
    conn.accept(expecting(t, "fresh")).unwrap();
    let RequestState::Committed { t: done } = state(&conn, "fresh") else {
        panic!("{:?}", state(&conn, "fresh"))
    };
    // Takings-in and refusals of others say nothing about the facts; transactions do.
    conn.accept(keyed("[[:no/such 1]]", "bad")).unwrap();
    assert!(matches!(state(&conn, "bad"), RequestState::Rejected { .. }));
    conn.accept(expecting(done, "quiet")).unwrap();
    assert!(matches!(state(&conn, "quiet"), RequestState::Committed { .. }), "{:?}", state(&conn, "quiet"));
    for stale in [done, t, 0, 1000] {
        let key = format!("stale {stale}");
        conn.accept(expecting(stale, &key)).unwrap();
        match state(&conn, &key) {
            RequestState::Rejected { error, .. } => {
                assert_eq!(error.keyword(), "db.error/expectation-failed")
            }
            other => panic!("{stale}: {other:?}"),
        }
    }
    // Who waits for the answer means every transaction.
    let basis = conn.db().basis_t();
    conn.accept(keyed("[[:no/such 2]]", "worse")).unwrap();
    assert!(matches!(state(&conn, "worse"), RequestState::Rejected { .. }));
    let refused = conn.transact(expecting(basis, "now")).unwrap_err();
    assert_eq!(refused.keyword(), "db.error/expectation-failed");
    // It is kept with the request, also over a restart.
    drop(conn);
    let conn = open(&storage);
    assert!(matches!(state(&conn, "quiet"), RequestState::Committed { .. }));
    assert_eq!(count(&conn), "{:a/count 2}");
}

#[test]
fn requests_and_commands_are_told_as_of_a_moment() {
    let (_, conn) = fresh();
    let first = conn.transact(keyed("[[:a/add 1]]", "one")).unwrap().t;
    let taken = conn.accept(keyed("[[:a/add 1]]", "two")).unwrap().t;
    conn.request("two", LONG).unwrap().unwrap();
    let command = "[{:db/ident :a/do :db/doc \"does\" :db.command/args \"{:n :long}\" :db/fn \"{:in [?n] :where [[(< 0 ?n)]] :tx [{:a/n ?n}]}\"}]";
    let defined = conn.transact(command).unwrap().t;
    let changed =
        conn.transact("[[:db/add :a/do :db/doc \"does it\"] [:db/retract :a/add :db/fn]]").unwrap().t;
    let db = conn.db();
    let keys = |t: u64| -> Vec<String> {
        db.as_of(t)
            .requests(9)
            .unwrap()
            .into_iter()
            .map(|status| format!("{} {}", status.key, status.state.name()))
            .collect()
    };
    assert_eq!(keys(first - 1), [""; 0]);
    assert_eq!(keys(first), ["one committed"]);
    assert_eq!(keys(taken), ["two received", "one committed"]);
    assert_eq!(keys(changed), ["two committed", "one committed"]);
    assert!(matches!(db.as_of(taken).request("two").unwrap().unwrap().state, RequestState::Received));
    assert!(db.as_of(first - 1).request("one").unwrap().is_none());
    // Whatever else a value leaves out, it knows of the requests before its moment.
    assert!(db.since(changed).filter(|_, _| false).request("one").unwrap().is_some());
    let commands = |t: u64| -> Vec<String> {
        let told = db.as_of(t).commands().unwrap();
        told.into_iter()
            .map(|command| format!("{} {}", command.name, command.doc.unwrap_or_default()))
            .collect()
    };
    assert_eq!(commands(0), [""; 0]);
    assert_eq!(commands(taken), [":a/add "]);
    assert_eq!(commands(defined), [":a/add ", ":a/do does"]);
    assert_eq!(commands(changed), [":a/do does it"]);
}

#[test]
fn nobody_waits_where_nothing_is_written_any_more() {
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
    // All of it in memory: what is at rest goes with the database.
    let options = Options { novelty_datoms: usize::MAX, ..Options::default() };
    let store = Store::over("test", storage, options).unwrap();
    let conn = store.database("main").unwrap();
    conn.transact(SCHEMA).unwrap();
    conn.transact(keyed("[{:a/n 1 :a/count 0}]", "done")).unwrap();
    let (waiting, began) = (conn.clone(), SystemClock.now_micros());
    let waiter = std::thread::spawn(move || waiting.sync(1000, LONG).map(|db| db.basis_t()));
    store.drop_database("main").unwrap();
    // One that began to wait before, and some that begin now.
    assert_eq!(waiter.join().unwrap().unwrap_err().category(), Category::Unavailable);
    assert_eq!(conn.sync(1000, LONG).unwrap_err().category(), Category::Unavailable);
    assert!(conn.request("done", LONG).unwrap().is_some());
    let took = SystemClock.now_micros() - began;
    assert!(took < LONG.as_micros() as i64 / 2, "{took} µs");
}

#[test]
fn tuples_of_older_entities_are_made_between_the_transactions_of_others() {
    let (storage, conn) = fresh();
    let data: String = (10..3010).map(|n| format!("{{:a/n {n} :a/count {}}}", n % 7)).collect();
    conn.transact(format!("[{data}]")).unwrap();
    conn.transact(
        "[{:db/ident :a/both :db/valueType :db.type/tuple :db/tupleAttrs [:a/count :a/n] :db/cardinality :db.cardinality/one
           :db/unique :db.unique/identity}]",
    )
    .unwrap();
    // Meanwhile uniqueness holds, and members find.
    let report = conn.transact("[{:db/id \"x\" :a/both [3 10] :a/n 10}]").unwrap();
    assert_eq!(Some(report.tempids["x"]), conn.db().entid((":a/n", 10)).unwrap());
    drop(conn);
    // A stop in between is no end.
    let conn = open(&storage);
    let db = conn.sync_schema(0, LONG).unwrap();
    let made = db.datoms(Order::Aevt, &[Edn::keyword("a/both")], None).unwrap();
    assert_eq!(made.len(), 3001);
    let filling = db.datoms(Order::Aevt, &[Edn::keyword("db.attr/filling")], None).unwrap();
    assert!(filling.is_empty());
    // No transaction made more than a thousand.
    for tx in conn.log().range(..).unwrap() {
        let both = db.entid(":a/both").unwrap();
        assert!(tx.datoms.iter().filter(|datom| Some(datom.a.entity()) == both).count() <= 1000);
    }
    assert!(db.entid("[:a/both [3 10]]").unwrap().is_some());
}
