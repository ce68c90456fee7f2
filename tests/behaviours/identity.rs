//! Identity: what tempids, upserts, lookup refs and ids stand for.

use annals::{Connection, EntityId};

use crate::harbour::{changes, done, facts, harbour, rejected, rejects, values};

/// A port with the code OSL.
fn oslo() -> (Connection, EntityId) {
    let conn = harbour();
    let osl = done(&conn, "[{:db/id \"o\" :port/code \"OSL\"}]").tempids["o"];
    (conn, osl)
}

/// Check 1.
#[test]
fn a_tempid_with_an_identity_is_the_entity_that_has_it() {
    let (conn, osl) = oslo();
    let report = done(&conn, "[[:db/add \"p\" :port/code \"OSL\"] [:db/add \"p\" :port/name \"Oslo\"]]");
    assert_eq!(report.tempids["p"], osl);
    assert_eq!(changes(&report), ["+port/name \"Oslo\""]);
}

/// Check 2.
#[test]
fn the_order_of_the_forms_means_nothing() {
    let (conn, osl) = oslo();
    let report = done(&conn, "[[:db/add \"p\" :port/name \"Oslo\"] [:db/add \"p\" :port/code \"OSL\"]]");
    assert_eq!(report.tempids["p"], osl);
    assert_eq!(changes(&report), ["+port/name \"Oslo\""]);
}

/// Check 3.
#[test]
fn tempids_with_one_new_identity_are_one_entity() {
    let conn = harbour();
    let tx = "[{:db/id \"x\" :port/code \"BGO\"} {:db/id \"y\" :port/code \"BGO\" :port/name \"Bergen\"}]";
    let report = done(&conn, tx);
    assert_eq!(report.tempids["x"], report.tempids["y"]);
    assert_eq!(changes(&report), ["+port/code \"BGO\"", "+port/name \"Bergen\""]);
}

/// Check 4.
#[test]
fn what_is_said_of_tempids_that_are_one_must_agree() {
    let conn = harbour();
    let tx = "[{:port/code \"BGO\" :port/name \"Bergen\"} {:port/code \"BGO\" :port/name \"Bjorgvin\"}]";
    rejects(&conn, tx, "datoms-conflict");
    assert_eq!(conn.db().entid((":port/code", "BGO")).expect("a lookup"), None);
}

/// Check 5.
#[test]
fn one_tempid_cannot_be_two_entities() {
    let (conn, _) = oslo();
    done(&conn, "[{:crew/badge \"K7\"}]");
    let error = rejected(&conn, "[{:db/id \"x\" :port/code \"OSL\" :crew/badge \"K7\"}]");
    assert_eq!((error.keyword(), error.category().name()), ("db.error/unique-conflict", "conflict"));
}

/// Check 6.
#[test]
fn a_unique_value_does_not_upsert() {
    let conn = harbour();
    done(&conn, "[{:boat/imo 9001}]");
    let error = rejected(&conn, "[{:db/id \"new\" :boat/imo 9001}]");
    assert_eq!((error.keyword(), error.category().name()), ("db.error/unique-conflict", "conflict"));
}

/// Check 7.
#[test]
fn a_unique_value_moves_from_one_entity_to_another() {
    let conn = harbour();
    let made = done(&conn, "[{:db/id \"x\" :boat/imo 9001} {:db/id \"y\" :boat/name \"Y\"}]").tempids;
    let (x, y) = (made["x"], made["y"]);
    let moved = done(&conn, &format!("[[:db/add {y} :boat/imo 9001] [:db/retract {x} :boat/imo 9001]]"));
    assert_eq!(changes(&moved), ["+boat/imo 9001", "-boat/imo 9001"]);
    assert_eq!(conn.db().entid((":boat/imo", 9001)).expect("a lookup"), Some(y));
}

/// Check 8.
#[test]
fn two_new_entities_cannot_have_one_unique_value() {
    rejects(
        &harbour(),
        "[{:db/id \"a\" :boat/imo 5 :boat/name \"A\"} {:db/id \"b\" :boat/imo 5 :boat/name \"B\"}]",
        "unique-conflict",
    );
}

/// Check 9.
#[test]
fn a_tempid_that_is_only_a_value_is_no_entity() {
    rejects(&harbour(), "[[:db/add \"b\" :boat/home \"nowhere\"]]", "tempid-not-an-entity");
}

/// Check 10.
#[test]
fn a_lookup_ref_that_finds_nothing_refuses_everything() {
    let conn = harbour();
    rejects(&conn, "[{:boat/imo 1} {:boat/name \"A\" :boat/home [:port/code \"ZZZ\"]}]", "not-an-entity");
    assert_eq!(conn.db().entid((":boat/imo", 1)).expect("a lookup"), None);
}

/// Check 11.
#[test]
fn a_lookup_ref_does_not_see_its_own_transaction() {
    let conn = harbour();
    let tx = "[{:port/code \"ZZZ\"} {:boat/name \"A\" :boat/home [:port/code \"ZZZ\"]}]";
    rejects(&conn, tx, "not-an-entity");
}

/// Check 12.
#[test]
fn a_lookup_ref_needs_a_unique_attribute() {
    let (conn, osl) = oslo();
    done(&conn, &format!("[[:db/add {osl} :port/name \"Oslo\"]]"));
    let tx = "[[:db/add [:port/name \"Oslo\"] :port/fee 5]]";
    rejects(&conn, tx, "lookup-ref-attr-not-unique");
}

/// Check 13.
#[test]
fn an_id_that_was_never_given_out_is_refused_in_either_place() {
    let conn = harbour();
    for id in ["2199023255552", "17592186999999", "-1"] {
        rejects(&conn, &format!("[[:db/add {id} :port/name \"X\"]]"), "invalid-entity-id");
        rejects(&conn, &format!("[[:db/add \"b\" :boat/home {id}]]"), "invalid-entity-id");
    }
}

/// Check 14.
#[test]
fn an_identity_that_refers_to_an_upsert_upserts_too() {
    let (conn, osl) = oslo();
    let kim = done(&conn, &format!("[{{:db/id \"k\" :agent/port {osl}}}]")).tempids["k"];
    for tx in [
        "[{:db/id \"a\" :agent/port \"p\" :note/by \"1\"} {:db/id \"p\" :port/code \"OSL\"}]",
        "[{:db/id \"p\" :port/code \"OSL\"} {:db/id \"a\" :agent/port \"p\" :note/by \"2\"}]",
        "[{:db/id \"a\" :agent/port {:port/code \"OSL\"} :note/by \"3\"}]",
    ] {
        assert_eq!(done(&conn, tx).tempids["a"], kim, "{tx}");
    }
    assert_eq!(values(&conn.db(), kim, "note/by"), "\"3\"");
}

/// Check 15.
#[test]
fn an_ident_is_an_identity() {
    let conn = harbour();
    let mate = done(&conn, "[{:db/id \"m\" :db/ident :rank/mate}]").tempids["m"];
    let report = done(&conn, "[{:db/id \"new\" :db/ident :rank/mate :db/doc \"second\"}]");
    assert_eq!(report.tempids["new"], mate);
    assert_eq!(changes(&report), ["+db/doc \"second\""]);
}

/// Check 16.
#[test]
fn tempids_of_the_database_are_reserved() {
    let conn = harbour();
    rejects(&conn, "[{:db/id \"datomic.other\" :port/code \"X\"}]", "reserved-tempid");
    rejects(&conn, "[[:db/add \"b\" :boat/home \"datomic.other\"]]", "reserved-tempid");
}

/// Check 17.
#[test]
fn a_text_in_the_place_of_a_text_is_no_tempid() {
    let conn = harbour();
    let boat = done(&conn, "[{:db/id \"b\" :boat/name \"b\"}]").tempids["b"];
    assert_eq!(values(&conn.db(), boat, "boat/name"), "\"b\"");
    assert_eq!(facts(&conn.db(), boat), 1);
}

/// Check 18.
#[test]
fn the_report_tells_what_every_tempid_became() {
    let conn = harbour();
    let tx = "[{:db/id \"a\" :boat/name \"A\"} {:db/id \"b\" :boat/name \"B\"}
               [:db/add \"datomic.tx\" :note/by \"ida\"]]";
    let report = done(&conn, tx);
    let names: Vec<&str> = report.tempids.keys().map(String::as_str).collect();
    assert_eq!(names, ["a", "b", "datomic.tx"]);
    for (name, text) in [("a", "A"), ("b", "B"), ("datomic.tx", "ida")] {
        let named = report.datoms.iter().find(|datom| datom.v == annals::Value::string(text));
        assert_eq!(named.map(|datom| datom.e), Some(report.tempids[name]), "{name}");
    }
    assert_eq!(report.tempids["datomic.tx"], report.tx);
}
