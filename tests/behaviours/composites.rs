//! Composite tuples as identities: they are filled for what is there, and found by their members.

use std::time::Duration;

use crate::harbour::{changes, done, harbour, rejects, values};

/// Check 61: what is there is filled in the background, instead of when a member is said again.
#[test]
fn a_composite_over_what_is_there_is_filled_by_itself() {
    let conn = harbour();
    let boat = done(&conn, "[{:db/id \"b\" :boat/name \"A\" :boat/fuel 1}]").tempids["b"];
    done(
        &conn,
        "[{:db/ident :boat/both :db/valueType :db.type/tuple :db/tupleAttrs [:boat/name :boat/fuel]
           :db/cardinality :db.cardinality/one}]",
    );
    conn.sync_schema(conn.db().basis_t(), Duration::from_secs(60)).expect("tuples for all");
    assert_eq!(values(&conn.db(), boat, "boat/both"), "[\"A\" 1]");
    assert!(changes(&done(&conn, &format!("[[:db/add {boat} :boat/fuel 1]]"))).is_empty());
}

/// Check 62: a map with the members of a composite identity is the entity that has them.
#[test]
fn the_members_of_a_composite_identity_find_its_entity() {
    let conn = harbour();
    let made =
        done(&conn, "[{:db/id \"o\" :port/code \"OSL\"} {:db/id \"x\" :berth/port \"o\" :berth/slot 3}]");
    let (osl, berth) = (made.tempids["o"], made.tempids["x"]);
    for tx in [
        format!("[{{:db/id \"again\" :berth/port {osl} :berth/slot 3 :note/by \"1\"}}]"),
        "[{:db/id \"again\" :berth/port {:port/code \"OSL\"} :berth/slot 3 :note/by \"2\"}]".to_owned(),
        format!("[{{:db/id \"again\" :berth/key [{osl} 3] :note/by \"3\"}}]"),
    ] {
        let report = done(&conn, &tx);
        assert_eq!(report.tempids["again"], berth, "{tx}");
    }
    assert_eq!(values(&conn.db(), berth, "note/by"), "\"3\"");
    let other = done(&conn, &format!("[{{:db/id \"y\" :berth/port {osl} :berth/slot 4}}]")).tempids["y"];
    assert_ne!(other, berth);
    rejects(&conn, &format!("[[:db/add {other} :berth/slot 3]]"), "unique-conflict");
}
