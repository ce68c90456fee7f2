//! Time: views of the past, speculation, clocks, and values that are held.

use std::time::Duration;

use annals::{Arg, Connection, EntityId, Options, TimePoint};

use crate::harbour::{Hand, NONE, arg, ask, done, harbour_with, read, refused};

const FUEL: &str = "[:find [?fuel ...] :where [?b :boat/name \"Argo\"] [?b :boat/fuel ?fuel]]";
const ALL_FUEL: &str = "[:find [?fuel ...] :where [_ :boat/fuel ?fuel]]";

/// Fuel 10 in transaction 2 at second 200, fuel 20 in transaction 3 at second 300; the boat.
fn two_fuels() -> (Connection, EntityId) {
    let (hand, options) = Hand::at(100);
    let conn = harbour_with(options);
    hand.put(200);
    let boat = done(&conn, "[{:db/id \"b\" :boat/imo 1 :boat/name \"Argo\" :boat/fuel 10}]").tempids["b"];
    hand.put(300);
    done(&conn, &format!("[[:db/add {boat} :boat/fuel 20]]"));
    (conn, boat)
}

fn second(seconds: i64) -> TimePoint {
    TimePoint::Instant(seconds * 1_000_000)
}

/// Check 78.
#[test]
fn a_value_as_of_a_moment_shows_what_held_then() {
    let (conn, _) = two_fuels();
    let db = conn.db();
    assert_eq!(ask(&db.as_of(2), FUEL, NONE), "[10]");
    assert_eq!(ask(&db.as_of(second(300)), FUEL, NONE), "[20]");
    assert_eq!(ask(&db.as_of(TimePoint::Instant(300_000_000 - 1)), FUEL, NONE), "[10]");
}

/// Check 79.
#[test]
fn a_value_since_a_moment_shows_newer_facts_and_knows_no_older_names() {
    let (conn, boat) = two_fuels();
    let since = conn.db().since(2);
    let by_id = "[:find ?fuel . :in $ ?b :where [?b :boat/fuel ?fuel]]";
    assert_eq!(ask(&since, by_id, [Arg::from(read(&boat.to_string()))]), "20");
    assert_eq!(since.entid("[:boat/imo 1]").expect("a name"), None);
    assert_eq!(conn.db().entid("[:boat/imo 1]").expect("a name"), Some(boat));
    assert_eq!(refused(&since, by_id, [arg("[:boat/imo 1]")]).keyword(), "db.error/entity-not-found");
}

/// Check 80.
#[test]
fn history_has_assertions_and_retractions_with_their_transactions() {
    let (conn, boat) = two_fuels();
    let query = "[:find ?fuel ?tx ?added :in $ ?b :where [?b :boat/fuel ?fuel ?tx ?added]]";
    let [t2, t3] = [EntityId::of_t(2), EntityId::of_t(3)];
    let want = format!("[[10 {t2} true] [10 {t3} false] [20 {t3} true]]");
    assert_eq!(ask(&conn.db().history(), query, [Arg::from(read(&boat.to_string()))]), want);
}

/// Check 81.
#[test]
fn history_without_the_fifth_place_has_both_kinds() {
    let (conn, _) = two_fuels();
    assert_eq!(ask(&conn.db().history(), ALL_FUEL, NONE), "[10 20]");
}

/// Check 82.
#[test]
fn history_and_bounds_compose_in_either_order() {
    let (conn, _) = two_fuels();
    let query = "[:find ?fuel ?added :where [_ :boat/fuel ?fuel _ ?added]]";
    let db = conn.db();
    assert_eq!(ask(&db.history().as_of(2), query, NONE), "[[10 true]]");
    assert_eq!(ask(&db.as_of(2).history(), query, NONE), "[[10 true]]");
    assert_eq!(ask(&db.history().since(2), query, NONE), "[[10 false] [20 true]]");
    assert_eq!(ask(&db.since(2).history(), query, NONE), "[[10 false] [20 true]]");
    assert_eq!(ask(&db.since(2).as_of(2).history(), query, NONE), "[]");
}

/// Check 83.
#[test]
fn history_has_no_entities_to_pull_and_takes_no_facts() {
    let (conn, boat) = two_fuels();
    let history = conn.db().history();
    let keyword = "db.error/unsupported-on-history";
    assert_eq!(history.pull("[*]", boat).expect_err("a history").keyword(), keyword);
    assert_eq!(history.entity(boat).expect_err("a history").keyword(), keyword);
    assert_eq!(history.with("[]").expect_err("a history").keyword(), keyword);
    let pull = "[:find (pull ?b [:boat/fuel]) :where [?b :boat/fuel]]";
    assert_eq!(refused(&history, pull, NONE).keyword(), keyword);
}

/// Check 84: `with` on a past value is a branch of it, where Datomic cuts off what is added.
#[test]
fn with_on_a_past_value_goes_on_from_there() {
    let (conn, boat) = two_fuels();
    let tx = format!("[[:db/add {boat} :boat/fuel 99]]");
    let report = conn.db().as_of(2).with(tx.as_str()).expect("a speculation");
    assert_eq!(ask(&report.db_after, FUEL, NONE), "[99]");
    assert_eq!((report.t, report.db_before.basis_t(), report.db_after.basis_t()), (3, 2, 3));
    // It was judged by what held then: what it retracts is 10, and not 20.
    let retracted: Vec<_> = report.datoms.iter().filter(|datom| !datom.added).map(|datom| &datom.v).collect();
    assert_eq!(retracted, [&annals::Value::Long(10)]);
    assert_eq!(ask(&report.db_after.as_of(2), FUEL, NONE), "[10]");
    // A bound that is set afterwards cuts.
    assert_eq!(
        ask(&conn.db().with(tx.as_str()).expect("a speculation").db_after.as_of(2), FUEL, NONE),
        "[10]"
    );
    assert_eq!((conn.db().basis_t(), ask(&conn.db(), FUEL, NONE)), (3, "[20]".to_owned()));
}

/// Check 85.
#[test]
fn with_goes_on_from_its_own_result_and_leaves_the_database_alone() {
    let (conn, boat) = two_fuels();
    let before = conn.db();
    let one = before.with(format!("[[:db/cas {boat} :boat/fuel 20 30]]")).expect("a speculation").db_after;
    let two = one.with(format!("[[:db/cas {boat} :boat/fuel 30 40]]")).expect("a speculation").db_after;
    assert_eq!([&before, &one, &two].map(|db| ask(db, FUEL, NONE)), ["[20]", "[30]", "[40]"]);
    assert_eq!((before.basis_t(), one.basis_t(), two.basis_t()), (3, 4, 5));
    assert_eq!((conn.db().basis_t(), ask(&conn.db(), FUEL, NONE)), (3, "[20]".to_owned()));
    assert_eq!(ask(&two.as_of(4), FUEL, NONE), "[30]");
}

/// Check 86.
#[test]
fn an_explicit_instant_is_between_the_last_one_and_the_clock() {
    let (conn, _) = two_fuels();
    let at = |instant: &str| {
        conn.transact(format!("[{{:db/id \"datomic.tx\" :db/txInstant #inst \"1970-01-01T00:{instant}Z\"}}]"))
    };
    assert_eq!(at("04:59").expect_err("the past").keyword(), "db.error/past-tx-instant");
    assert_eq!(at("05:01").expect_err("the future").keyword(), "db.error/future-tx-instant");
    let equal = at("05:00").expect("an instant like the last one's");
    assert_eq!((equal.t, equal.instant), (4, 300_000_000));
}

/// Check 87.
#[test]
fn time_stands_still_while_the_clock_goes_back() {
    let (hand, options) = Hand::at(7200);
    let conn = harbour_with(options);
    let first = done(&conn, "[]");
    hand.put(3600);
    let second = done(&conn, "[]");
    assert_eq!((first.instant, second.instant), (7_200_000_000, 7_200_000_000));
    assert!(first.t < second.t);
    hand.put(7201);
    assert_eq!(done(&conn, "[]").instant, 7_201_000_000);
}

/// Check 88.
#[test]
fn an_instant_takes_all_its_transactions_and_a_number_tells_them_apart() {
    let (hand, options) = Hand::at(100);
    let conn = harbour_with(options);
    hand.put(200);
    done(&conn, "[{:boat/imo 1 :boat/name \"Argo\" :boat/fuel 10}]");
    done(&conn, "[[:db/add [:boat/imo 1] :boat/fuel 20]]");
    let db = conn.db();
    assert_eq!(ask(&db.as_of(second(200)), FUEL, NONE), "[20]");
    assert_eq!(ask(&db.as_of(2), FUEL, NONE), "[10]");
    assert_eq!(ask(&db.since(second(200)), ALL_FUEL, NONE), "[]");
    assert_eq!(ask(&db.since(2), ALL_FUEL, NONE), "[20]");
}

/// Check 89.
#[test]
fn what_is_retracted_is_there_before_and_gone_after() {
    let (conn, boat) = two_fuels();
    let gone = done(&conn, &format!("[[:db/retract {boat} :boat/fuel 20]]"));
    done(&conn, "[]");
    let db = conn.db();
    assert_eq!(ask(&db.as_of(gone.t - 1), FUEL, NONE), "[20]");
    assert_eq!(ask(&db.as_of(gone.t), FUEL, NONE), "[]");
    assert_eq!(ask(&db.as_of(gone.tx), FUEL, NONE), "[]");
    assert_eq!(ask(&db.as_of(gone.t + 1), FUEL, NONE), "[]");
    assert_eq!(ask(&db, FUEL, NONE), "[]");
}

/// Check 90.
#[test]
fn a_value_that_is_held_answers_the_same_for_ever() {
    let options = Options { novelty_datoms: 2000, ..Options::default() };
    let conn = harbour_with(options);
    for imo in 0..50 {
        done(&conn, &format!("[{{:boat/imo {imo} :boat/name \"Argo\" :boat/fuel {imo}}}]"));
    }
    let held = conn.db();
    let past = held.as_of(20);
    let say = |db: &annals::Db| {
        let datoms = db.datoms(annals::Order::Eavt, &[], None).expect("facts");
        (ask(db, ALL_FUEL, NONE), datoms)
    };
    let said = (say(&held), say(&past), say(&held.history()));
    for n in 0..10_000u64 {
        let tx = format!("[[:db/add [:boat/imo {}] :boat/fuel {}]]", n % 50, 1000 + n);
        conn.submit(tx).expect("a place in the queue").wait().expect("a transaction");
        if n == 5000 {
            let t = conn.request_index().expect("a job");
            conn.sync_index(t, Duration::from_secs(60)).expect("trees at rest");
        }
    }
    let t = conn.request_index().expect("another job");
    conn.sync_index(t, Duration::from_secs(60)).expect("trees at rest");
    assert!(conn.db().basis_t() > 10_000);
    assert_eq!((say(&held), say(&past), say(&held.history())), said);
    assert_eq!(ask(&conn.db(), "[:find (min ?fuel) . :where [_ :boat/fuel ?fuel]]", NONE), "10950");
    assert_eq!(say(&conn.db().as_of(20)).0, said.1.0);
}
