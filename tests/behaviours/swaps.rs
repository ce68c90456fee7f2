//! Compare and swap.

use annals::{Connection, EntityId};

use crate::harbour::{changes, done, harbour, rejected, rejects, told, values};

fn boat(facts: &str) -> (Connection, EntityId) {
    let conn = harbour();
    let boat = done(&conn, &format!("[{{:db/id \"b\" {facts}}}]")).tempids["b"];
    (conn, boat)
}

/// Check 37.
#[test]
fn a_swap_succeeds_once() {
    let (conn, boat) = boat(":boat/fuel 10");
    let tx = format!("[[:db/cas {boat} :boat/fuel 10 11]]");
    assert_eq!(changes(&done(&conn, &tx)), ["+boat/fuel 11", "-boat/fuel 10"]);
    let error = rejected(&conn, &tx);
    assert_eq!((error.keyword(), error.category().name()), ("db.error/cas-failed", "conflict"));
    let tell = |key: &str| told(&error, key).to_string();
    assert_eq!(tell("db.error/entity"), boat.to_string());
    assert_eq!(tell("db.error/attribute"), ":boat/fuel");
    assert_eq!(["expected", "actual", "new"].map(|key| tell(&format!("db.error/{key}"))), ["10", "11", "11"]);
}

/// Check 38.
#[test]
fn nil_is_swapped_where_nothing_is() {
    let (conn, boat) = boat(":boat/name \"A\"");
    let tx = format!("[[:db/cas {boat} :boat/fuel nil 5]]");
    assert_eq!(changes(&done(&conn, &tx)), ["+boat/fuel 5"]);
    rejects(&conn, &tx, "cas-failed");
}

/// Check 39.
#[test]
fn many_values_are_not_swapped() {
    let (conn, boat) = boat(":boat/tags [\"a\"]");
    rejects(&conn, &format!("[[:db/cas {boat} :boat/tags \"a\" \"b\"]]"), "invalid-cas");
}

/// Check 40.
#[test]
fn false_can_be_swapped_in_and_out() {
    let (conn, port) = boat(":port/open true");
    let to_false = done(&conn, &format!("[[:db/cas {port} :port/open true false]]"));
    assert_eq!(changes(&to_false), ["+port/open false", "-port/open true"]);
    rejects(&conn, &format!("[[:db/cas {port} :port/open nil true]]"), "cas-failed");
    done(&conn, &format!("[[:db/cas {port} :port/open false true]]"));
    assert_eq!(values(&conn.db(), port, "port/open"), "true");
}

/// Check 41.
#[test]
fn nothing_is_swapped_for_nil() {
    let (conn, boat) = boat(":boat/fuel 10");
    rejects(&conn, &format!("[[:db/cas {boat} :boat/fuel 10 nil]]"), "invalid-cas");
}

/// Check 42: every pair of swaps of one value in one transaction. J7 to J10 are single cases of it.
#[test]
fn two_swaps_agree_or_are_refused() {
    let stored = 1;
    for pair in 0..81 {
        let [old, new, old2, new2] = [pair / 27, pair / 9 % 3, pair / 3 % 3, pair % 3];
        let (conn, boat) = boat(&format!(":boat/fuel {stored}"));
        let tx =
            format!("[[:db/cas {boat} :boat/fuel {old} {new}] [:db/cas {boat} :boat/fuel {old2} {new2}]]");
        if old != stored || old2 != stored {
            rejects(&conn, &tx, "cas-failed");
        } else if new != new2 {
            rejects(&conn, &tx, "datoms-conflict");
        } else {
            done(&conn, &tx);
            assert_eq!(values(&conn.db(), boat, "boat/fuel"), new.to_string(), "{tx}");
        }
    }
}
