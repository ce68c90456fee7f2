//! Conflicts and redundancy: what facts of one transaction are to each other, and to what holds.

use annals::{Connection, EntityId};

use crate::harbour::{NONE, ask, changes, done, harbour, rejected, rejects, values};

/// A boat with fuel 10 and the tags a and b.
fn boat() -> (Connection, EntityId) {
    let conn = harbour();
    let boat = done(&conn, "[{:db/id \"b\" :boat/fuel 10 :boat/tags [\"a\" \"b\"]}]").tempids["b"];
    (conn, boat)
}

/// Check 19.
#[test]
fn what_holds_already_is_no_datom_and_still_a_transaction() {
    let (conn, boat) = boat();
    let before = conn.db().basis_t();
    let report = done(&conn, &format!("[[:db/add {boat} :boat/fuel 10]]"));
    assert_eq!(report.datoms.len(), 1);
    assert_eq!((report.t, conn.db().basis_t()), (before + 1, before + 1));
}

/// Check 20.
#[test]
fn an_empty_transaction_is_recorded() {
    let (conn, _) = boat();
    let before = conn.db().basis_t();
    let report = done(&conn, "[]");
    assert_eq!((report.datoms.len(), conn.db().basis_t()), (1, before + 1));
    assert_eq!(conn.db().instant_of(report.t).expect("a look"), Some(report.instant));
}

/// Check 21.
#[test]
fn retracting_what_does_not_hold_changes_nothing() {
    let (conn, boat) = boat();
    let report = done(&conn, &format!("[[:db/retract {boat} :boat/fuel 99]]"));
    assert_eq!(report.datoms.len(), 1);
    assert_eq!(values(&conn.db(), boat, "boat/fuel"), "10");
}

/// Check 22.
#[test]
fn two_values_for_cardinality_one_are_a_conflict() {
    let (conn, boat) = boat();
    let error = rejected(&conn, &format!("[[:db/add {boat} :boat/fuel 20] [:db/add {boat} :boat/fuel 30]]"));
    assert_eq!((error.keyword(), error.category().name()), ("db.error/datoms-conflict", "incorrect"));
    let datoms = crate::harbour::told(&error, "db.error/datoms").to_string();
    assert_eq!(datoms, format!("[[{boat} :boat/fuel 20 true] [{boat} :boat/fuel 30 true]]"));
}

/// Check 23.
#[test]
fn also_if_one_of_the_two_holds_already() {
    let (conn, boat) = boat();
    let tx = format!("[[:db/add {boat} :boat/fuel 10] [:db/add {boat} :boat/fuel 30]]");
    rejects(&conn, &tx, "datoms-conflict");
}

/// Check 24.
#[test]
fn one_fact_cannot_be_asserted_and_retracted() {
    let (conn, boat) = boat();
    for fuel in [10, 99] {
        let tx = format!("[[:db/retract {boat} :boat/fuel {fuel}] [:db/add {boat} :boat/fuel {fuel}]]");
        rejects(&conn, &tx, "datoms-conflict");
    }
    assert_eq!(values(&conn.db(), boat, "boat/fuel"), "10");
}

/// Check 25.
#[test]
fn a_value_can_be_retracted_and_another_asserted() {
    let (conn, boat) = boat();
    let tx = format!("[[:db/retract {boat} :boat/fuel 10] [:db/add {boat} :boat/fuel 20]]");
    assert_eq!(changes(&done(&conn, &tx)), ["+boat/fuel 20", "-boat/fuel 10"]);
}

/// Check 26.
#[test]
fn a_new_value_retracts_the_old_one_in_the_same_transaction() {
    let (conn, boat) = boat();
    let report = done(&conn, &format!("[[:db/add {boat} :boat/fuel 20]]"));
    assert_eq!(changes(&report), ["+boat/fuel 20", "-boat/fuel 10"]);
    assert!(report.datoms.iter().all(|datom| datom.tx == report.tx));
}

/// Check 27.
#[test]
fn many_values_are_a_set() {
    let (conn, boat) = boat();
    let tx = format!(
        "[[:db/add {boat} :boat/tags \"a\"] [:db/add {boat} :boat/tags \"c\"] {{:db/id {boat} :boat/tags [\"a\" \"c\"]}}]"
    );
    assert_eq!(changes(&done(&conn, &tx)), ["+boat/tags \"c\""]);
}

/// Check 28.
#[test]
fn without_a_value_all_values_are_retracted() {
    let (conn, boat) = boat();
    let tx = format!("[[:db/retract {boat} :boat/tags]]");
    assert_eq!(changes(&done(&conn, &tx)), ["-boat/tags \"a\"", "-boat/tags \"b\""]);
    assert!(changes(&done(&conn, &tx)).is_empty());
}

/// Check 29.
#[test]
fn the_last_form_can_refuse_all() {
    let (conn, _) = boat();
    let ports: String = (0..999).map(|n| format!("{{:port/code \"P{n}\"}}")).collect();
    rejects(&conn, &format!("[{ports} {{:boat/fuel \"full\"}}]"), "wrong-type-for-attribute");
    assert_eq!(ask(&conn.db(), "[:find (count ?p) :where [?p :port/code]]", NONE), "[]");
    done(&conn, &format!("[{ports}]"));
    assert_eq!(ask(&conn.db(), "[:find (count ?p) . :where [?p :port/code]]", NONE), "999");
}

/// Check 30: numbers are dense, a refused transaction takes none.
#[test]
fn after_a_refusal_the_next_number_is_the_next() {
    let (conn, boat) = boat();
    let before = conn.db().basis_t();
    rejects(&conn, &format!("[[:db/add {boat} :boat/fuel nil]]"), "nil-value");
    assert_eq!(done(&conn, "[]").t, before + 1);
}

/// Check 31.
#[test]
fn nil_is_no_value() {
    let (conn, boat) = boat();
    for attribute in ["boat/fuel", "boat/home", "boat/tags", "boat/pos"] {
        rejects(&conn, &format!("[[:db/add {boat} :{attribute} nil]]"), "nil-value");
        rejects(&conn, &format!("[{{:db/id {boat} :{attribute} nil}}]"), "nil-value");
    }
}

/// Check 32.
#[test]
fn a_value_of_another_type_is_refused() {
    let (conn, boat) = boat();
    let error = rejected(&conn, &format!("[[:db/add {boat} :boat/fuel \"7\"]]"));
    assert_eq!(error.keyword(), "db.error/wrong-type-for-attribute");
    for named in [":boat/fuel", "long", "\"7\""] {
        assert!(error.message().contains(named), "{error}");
    }
}

/// Check 33.
#[test]
fn false_is_a_value() {
    let conn = harbour();
    let port = done(&conn, "[{:db/id \"p\" :port/open false}]").tempids["p"];
    assert_eq!(conn.db().pull("[:port/open]", port).expect("a pull").to_string(), "{:port/open false}");
    assert_eq!(ask(&conn.db(), "[:find [?p ...] :where [?p :port/open false]]", NONE), format!("[{port}]"));
}

/// Check 34: NaN equals itself, so it is redundant, and is replaced in one step.
#[test]
fn not_a_number_is_replaced_like_any_value() {
    let (conn, boat) = boat();
    done(&conn, &format!("[[:db/add {boat} :boat/heat ##NaN]]"));
    assert!(changes(&done(&conn, &format!("[[:db/add {boat} :boat/heat ##NaN]]"))).is_empty());
    let replaced = done(&conn, &format!("[[:db/add {boat} :boat/heat 3.0]]"));
    assert_eq!(changes(&replaced), ["+boat/heat 3.0", "-boat/heat ##NaN"]);
}

/// Check 35.
#[test]
fn the_scale_of_a_decimal_is_part_of_it() {
    let (conn, boat) = boat();
    done(&conn, &format!("[[:db/add {boat} :boat/draft 1.0M]]"));
    let scaled = done(&conn, &format!("[[:db/add {boat} :boat/draft 1.00M]]"));
    assert_eq!(changes(&scaled), ["+boat/draft 1.00M", "-boat/draft 1.0M"]);
    assert_eq!(ask(&conn.db(), "[:find [?b ...] :where [?b :boat/draft 1.0M]]", NONE), "[]");
    assert_eq!(ask(&conn.db(), "[:find [?b ...] :where [?b :boat/draft 1.00M]]", NONE), format!("[{boat}]"));
}

/// Check 36.
#[test]
fn data_of_no_sense_is_refused_and_the_transactor_goes_on() {
    let (conn, boat) = boat();
    for tx in ["nil", "42", "\"text\"", "[nil]", "[42]", "[[]]", "{:boat/fuel 1}", "#{}"] {
        rejects(&conn, tx, "invalid-tx-data");
    }
    let report = done(&conn, &format!("[[:db/add {boat} :boat/fuel 11]]"));
    assert_eq!(changes(&report), ["+boat/fuel 11", "-boat/fuel 10"]);
}
