//! What the operations of one transaction are to each other: they stand beside each other, none comes after another.

use annals::{Connection, EntityId};

use crate::harbour::{changes, done, harbour, rejects, values};

/// A boat with fuel 0.
fn empty_boat() -> (Connection, EntityId) {
    let conn = harbour();
    let boat = done(&conn, "[{:db/id \"b\" :boat/imo 1 :boat/fuel 0}]").tempids["b"];
    (conn, boat)
}

/// Check J4.
#[test]
fn an_added_value_is_not_changed_later_in_the_transaction() {
    let conn = harbour();
    let tx = "[[:db/add \"b\" :boat/fuel 1] [:db/add \"b\" :boat/fuel 2]]";
    rejects(&conn, tx, "datoms-conflict");
    let (conn, boat) = empty_boat();
    let tx = format!("[{{:db/id {boat} :boat/fuel 1}} [:db/add [:boat/imo 1] :boat/fuel 2]]");
    rejects(&conn, &tx, "datoms-conflict");
}

/// Check J6.
#[test]
fn add_and_retract_of_one_fact_contradict_each_other_in_any_order() {
    let (conn, boat) = empty_boat();
    for fuel in [0, 1] {
        let (add, retract) = (
            format!("[:db/add {boat} :boat/fuel {fuel}]"),
            format!("[:db/retract {boat} :boat/fuel {fuel}]"),
        );
        rejects(&conn, &format!("[{add} {retract}]"), "datoms-conflict");
        rejects(&conn, &format!("[{retract} {add}]"), "datoms-conflict");
    }
}

/// Check J7.
#[test]
fn a_swap_does_not_see_the_swap_before_it() {
    let (conn, boat) = empty_boat();
    let tx = format!("[[:db/cas {boat} :boat/fuel 0 1] [:db/cas {boat} :boat/fuel 1 2]]");
    rejects(&conn, &tx, "cas-failed");
}

/// Check J8.
#[test]
fn two_swaps_to_different_values_contradict_each_other() {
    let (conn, boat) = empty_boat();
    let tx = format!("[[:db/cas {boat} :boat/fuel 0 1] [:db/cas {boat} :boat/fuel 0 2]]");
    rejects(&conn, &tx, "datoms-conflict");
}

/// Check J9.
#[test]
fn one_swap_said_twice_is_one() {
    let (conn, boat) = empty_boat();
    let tx = format!("[[:db/cas {boat} :boat/fuel 0 1] [:db/cas {boat} :boat/fuel 0 1]]");
    assert_eq!(changes(&done(&conn, &tx)), ["+boat/fuel 1", "-boat/fuel 0"]);
    assert_eq!(values(&conn.db(), boat, "boat/fuel"), "1");
}

/// Check J11.
#[test]
fn a_lookup_ref_finds_what_an_earlier_transaction_made() {
    let conn = harbour();
    let (make, use_it) = ("{:port/code \"OSL\"}", "{:boat/imo 1 :boat/home [:port/code \"OSL\"]}");
    rejects(&conn, &format!("[{make} {use_it}]"), "not-an-entity");
    rejects(&conn, &format!("[{use_it} {make}]"), "not-an-entity");
    done(&conn, &format!("[{make}]"));
    assert_eq!(changes(&done(&conn, &format!("[{use_it}]"))).len(), 2);
}
