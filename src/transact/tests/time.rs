//! Checks 78 to 90: moments.

use annals_query::edn::Edn;
use annals_storage::datom::{EntityId, Order};

use super::{Harbour, NOON, check_refused, values};
use crate::time::TimePoint;

const SECOND: i64 = 1_000_000;

/// Fuel 10, then, a second later, 20.
fn two_moments() -> (Harbour, u64, u64) {
    let mut harbour = Harbour::new("[{:db/id \"p\" :port/code \"OSL\"}]");
    harbour.now = NOON + SECOND;
    let first = harbour.ok("[{:db/id \"b\" :boat/fuel 10}]").t;
    harbour.now = NOON + 2 * SECOND;
    let second = harbour.ok("[[:db/add $b :boat/fuel 20]]").t;
    (harbour, first, second)
}

#[test]
fn check_78_as_of_t_transaction_and_instant() {
    let (harbour, first, second) = two_moments();
    let b = harbour.names["b"];
    let fuel = |point: TimePoint| values(&harbour.db.as_of(point), b, "boat/fuel");
    assert_eq!(fuel(TimePoint::T(first)), ["10"]);
    assert_eq!(fuel(TimePoint::from(EntityId::of_t(first))), ["10"]);
    assert_eq!(fuel(TimePoint::Instant(NOON + 2 * SECOND)), ["20"]);
    assert_eq!(fuel(TimePoint::Instant(NOON + 2 * SECOND - 1)), ["10"]);
    assert_eq!(fuel(TimePoint::T(second + 100)), ["20"]);
    assert!(fuel(TimePoint::T(first - 1)).is_empty());
    for point in [TimePoint::Instant(i64::MIN), TimePoint::Instant(0), TimePoint::T(0)] {
        assert!(fuel(point).is_empty());
        assert_eq!(harbour.db.as_of(point).as_of_t(), Some(0));
    }
}

#[test]
fn check_79_since_hides_what_was_there() {
    let (harbour, first, _) = two_moments();
    let db = harbour.db.since(first);
    assert_eq!(values(&db, harbour.names["b"], "boat/fuel"), ["20"]);
    assert_eq!(db.entid((":port/code", "OSL")).unwrap(), None);
    assert_eq!(harbour.db.entid((":port/code", "OSL")).unwrap(), Some(harbour.names["p"]));
    assert_eq!((db.since_t(), db.as_of_t(), db.basis_t()), (Some(first), None, harbour.db.basis_t()));
}

#[test]
fn check_80_to_82_history_shows_all_inside_its_bounds() {
    let (harbour, first, second) = two_moments();
    let b = Edn::from(harbour.names["b"]);
    let shown = |db: crate::Db| {
        let datoms = db.datoms(Order::Eavt, &[b.clone(), Edn::keyword("boat/fuel")], None).unwrap();
        let mut rows: Vec<_> = datoms
            .into_iter()
            .map(|datom| (Edn::from(datom.v).to_string(), datom.tx.t().unwrap(), datom.added))
            .collect();
        rows.sort();
        rows
    };
    let all = vec![
        ("10".to_owned(), first, true),
        ("10".to_owned(), second, false),
        ("20".to_owned(), second, true),
    ];
    assert_eq!(shown(harbour.db.history()), all);
    assert_eq!(shown(harbour.db.history().as_of(first)), all[..1]);
    assert_eq!(shown(harbour.db.as_of(first).history()), all[..1]);
    assert_eq!(shown(harbour.db.history().since(first)), all[1..]);
}

#[test]
fn check_83_a_history_cannot_be_added_to() {
    let (harbour, ..) = two_moments();
    assert_eq!(
        harbour.db.history().with_at("[]", NOON).unwrap_err().keyword(),
        "db.error/unsupported-on-history"
    );
}

/// In Datomic what is added is cut off.
#[test]
fn check_84_with_on_the_past_is_a_branch_of_it() {
    let (mut harbour, first, _) = two_moments();
    harbour.ok("[{:db/id \"late\" :port/code \"BGO\"} {:db/id $b :boat/imo 7}]");
    let b = harbour.names["b"];
    let then = harbour.db.as_of(first);
    let with = |db: &crate::Db, tx: &str| db.with_at(tx, NOON + 9 * SECOND).unwrap();
    let one = with(&then, &format!("[[:db/cas {b} :boat/fuel 10 99] {{:db/id \"p\" :port/code \"BGO\"}}]"));
    assert_eq!((one.t, one.db_before.basis_t(), one.db_after.basis_t()), (first + 1, first, first + 1));
    assert_eq!((one.db_after.as_of_t(), one.instant), (None, NOON + 9 * SECOND));
    assert_eq!(values(&one.db_after, b, "boat/fuel"), ["99"]);
    assert_eq!(values(&one.db_before, b, "boat/fuel"), ["10"]);
    // The port that came later is none here, and its id is not given twice.
    assert!(one.tempids["p"] > harbour.names["late"]);
    assert_eq!(one.db_after.entid((":port/code", "BGO")).unwrap(), Some(one.tempids["p"]));
    // It goes on from there, and knows its own past.
    let two = with(&one.db_after, &format!("[{{:db/id {b} :boat/fuel 98 :boat/imo 7}}]"));
    assert_eq!(values(&two.db_after, b, "boat/fuel"), ["98"]);
    assert_eq!(values(&two.db_after.as_of(one.t), b, "boat/fuel"), ["99"]);
    assert_eq!(values(&two.db_after.as_of(first), b, "boat/fuel"), ["10"]);
    assert_eq!(values(&two.db_after.history(), b, "boat/fuel"), ["10", "10", "98", "99", "99"]);
    assert_eq!(two.db_after.instant_of(first + 2).unwrap(), Some(NOON + 9 * SECOND));
    // A name of the schema is known from when it was given.
    harbour.ok("[{:db/ident :late/n :db/valueType :db.type/long :db/cardinality :db.cardinality/one}]");
    assert!(harbour.db.with_at("[{:late/n 1}]", NOON).is_ok());
    let refused = harbour.db.as_of(first).with_at("[{:late/n 1}]", NOON).unwrap_err();
    assert_eq!(refused.keyword(), "db.error/not-an-entity");
    // What is shown is narrowed as before.
    let since =
        harbour.db.since(first).as_of(first).with_at(format!("[{{:db/id {b} :boat/fuel 5}}]"), NOON).unwrap();
    assert_eq!(
        (values(&since.db_after, b, "boat/fuel"), since.db_after.since_t()),
        (vec!["5".to_owned()], Some(first))
    );
    let all = harbour.db.datoms(Order::Eavt, &[Edn::from(b)], None).unwrap();
    assert_eq!(all.len(), 2, "{all:?}");
}

#[test]
fn check_85_with_chains_and_changes_nothing() {
    let (harbour, ..) = two_moments();
    let b = harbour.names["b"];
    let one = harbour.db.with_at(format!("[[:db/cas {b} :boat/fuel 20 30]]"), NOON + 9 * SECOND).unwrap();
    let two = one.db_after.with_at(format!("[[:db/cas {b} :boat/fuel 30 40]]"), NOON + 9 * SECOND).unwrap();
    assert_eq!(values(&two.db_after, b, "boat/fuel"), ["40"]);
    assert_eq!(values(&harbour.db, b, "boat/fuel"), ["20"]);
    assert_eq!(two.t, harbour.db.basis_t() + 2);
}

fn stated(second: i64) -> String {
    let instant = Edn::Inst(NOON + second * SECOND);
    format!("[{{:db/id \"datomic.tx\" :db/txInstant {instant}}}]")
}

#[test]
fn check_86_a_stated_instant_lies_between_the_newest_and_now() {
    let (mut harbour, ..) = two_moments();
    harbour.now = NOON + 10 * SECOND;
    harbour.refused(&stated(1), "past-tx-instant");
    harbour.refused(&stated(11), "future-tx-instant");
    assert_eq!(harbour.ok(&stated(2)).instant, NOON + 2 * SECOND);
    assert_eq!(harbour.ok(&stated(7)).instant, NOON + 7 * SECOND);
    let twice = format!("{} {}", &stated(8).trim_end_matches(']'), &stated(9).trim_start_matches('['));
    harbour.refused(&twice, "datoms-conflict");
}

#[test]
fn an_instant_that_stands_cannot_be_changed() {
    let (harbour, first, _) = two_moments();
    let tx = EntityId::of_t(first);
    for form in [
        format!("[[:db/add {tx} :db/txInstant #inst \"2024-05-01\"]]"),
        format!("[[:db/retract {tx} :db/txInstant]]"),
        format!("[[:db/retractEntity {tx}]]"),
        "[[:db/add $b :db/txInstant #inst \"2024-05-01\"]]".to_owned(),
    ] {
        harbour.refused(&form, "reset-tx-instant");
    }
    check_refused("[]", &[("[[:db/add \"datomic.tx\" :db/txInstant 5]]", "wrong-type-for-attribute")]);
}

#[test]
fn check_87_a_clock_that_goes_back_is_not_followed() {
    let (mut harbour, ..) = two_moments();
    harbour.now = NOON - 3600 * SECOND;
    let report = harbour.ok("[]");
    assert_eq!(report.instant, NOON + 2 * SECOND);
}

#[test]
fn check_88_transactions_of_one_instant_are_all_in_it() {
    let (mut harbour, ..) = two_moments();
    let third = harbour.ok("[[:db/add $b :boat/fuel 30]]").t;
    let b = harbour.names["b"];
    assert_eq!(values(&harbour.db.as_of(TimePoint::Instant(NOON + 2 * SECOND)), b, "boat/fuel"), ["30"]);
    assert_eq!(values(&harbour.db.as_of(third - 1), b, "boat/fuel"), ["20"]);
}

#[test]
fn check_89_retracted_is_not_gone() {
    let (mut harbour, _, second) = two_moments();
    let third = harbour.ok("[[:db/retract $b :boat/fuel 20]]");
    let b = harbour.names["b"];
    assert_eq!(values(&harbour.db.as_of(second), b, "boat/fuel"), ["20"]);
    assert!(values(&harbour.db.as_of(third.tx), b, "boat/fuel").is_empty());
}

#[test]
fn check_90_a_value_answers_the_same_for_ever() {
    let (mut harbour, ..) = two_moments();
    let (held, b) = (harbour.db.clone(), harbour.names["b"]);
    for n in 0..1000 {
        harbour.ok(&format!("[[:db/add $b :boat/fuel {}] {{:boat/imo {n}}}]", 100 + n));
    }
    assert_eq!(values(&held, b, "boat/fuel"), ["20"]);
    assert!(held.datoms(Order::Aevt, &[Edn::keyword("boat/imo")], None).unwrap().is_empty());
    assert_eq!(harbour.db.datoms(Order::Aevt, &[Edn::keyword("boat/imo")], Some(7)).unwrap().len(), 7);
}

#[test]
fn filters_compose_and_see_the_whole() {
    let (harbour, first, _) = two_moments();
    let b = harbour.names["b"];
    let late = harbour.db.filter(move |db, datom| db.basis_t() > first && datom.tx.t() > Some(first));
    assert_eq!(values(&late, b, "boat/fuel"), ["20"]);
    assert!(late.is_filtered() && !harbour.db.is_filtered());
    let none = late.filter(|_, datom| !matches!(datom.v, annals_storage::datom::Value::Long(20)));
    assert!(values(&none, b, "boat/fuel").is_empty());
    assert_eq!(late.entid((":port/code", "OSL")).unwrap(), None);
}
