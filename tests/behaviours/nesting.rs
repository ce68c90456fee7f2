//! Nested maps, reverse keys, components, and retracting entities.

use annals::{Connection, EntityId};

use crate::harbour::{changes, done, facts, harbour, rejects, values};

/// Check 47.
#[test]
fn a_component_is_made_with_the_map_around_it() {
    let conn = harbour();
    let report = done(&conn, "[{:db/id \"b\" :boat/name \"A\" :boat/crew [{:crew/rank :cook}]}]");
    assert_eq!(report.datoms.len(), 4);
    let pulled = conn.db().pull("[:boat/name {:boat/crew [:crew/rank]}]", report.tempids["b"]);
    assert_eq!(pulled.expect("a pull").to_string(), "{:boat/crew [{:crew/rank :cook}], :boat/name \"A\"}");
}

/// Check 48.
#[test]
fn another_nested_map_must_say_which_entity_it_is_about() {
    rejects(&harbour(), "[{:boat/name \"A\" :boat/home {:port/name \"X\"}}]", "invalid-nested-entity");
    done(&harbour(), "[{:boat/name \"A\" :boat/home {:db/id \"p\" :port/name \"X\"}}]");
}

/// Check 49.
#[test]
fn a_nested_identity_makes_its_entity_or_finds_it() {
    let conn = harbour();
    let tx = |imo: i64| format!("[{{:db/id \"b\" :boat/imo {imo} :boat/home {{:port/code \"OSL\"}}}}]");
    let made = done(&conn, &tx(1));
    assert_eq!(made.datoms.len(), 4);
    let osl = conn.db().entid((":port/code", "OSL")).expect("a lookup").expect("a port");
    let found = done(&conn, &tx(2));
    assert_eq!(changes(&found), [format!("+boat/home {osl}"), "+boat/imo 2".to_owned()]);
    assert_eq!(values(&conn.db(), made.tempids["b"], "boat/home"), osl.to_string());
}

/// Check 50.
#[test]
fn a_reverse_key_says_who_refers_to_the_entity() {
    let conn = harbour();
    let made = done(&conn, "[{:db/id \"x\" :boat/imo 1} {:db/id \"y\" :boat/imo 2}]").tempids;
    let (x, y) = (made["x"], made["y"]);
    let port = done(&conn, &format!("[{{:db/id \"p\" :port/code \"OSL\" :boat/_home [{x} {y}]}}]"));
    for boat in [x, y] {
        assert_eq!(values(&conn.db(), boat, "boat/home"), port.tempids["p"].to_string());
    }
}

/// A boat with a crew of one, who has a boss ashore; a boat at home on the boat, and one at home with the one aboard.
struct Fleet {
    conn: Connection,
    boat: EntityId,
    mate: EntityId,
    boss: EntityId,
    near: EntityId,
    odd: EntityId,
}

fn fleet() -> Fleet {
    let conn = harbour();
    let report = done(
        &conn,
        "[{:db/id \"boat\" :boat/name \"A\" :boat/crew {:db/id \"mate\" :crew/badge \"1\" :crew/boss \"boss\"}}
          {:db/id \"boss\" :crew/badge \"2\"}
          {:db/id \"near\" :boat/name \"N\" :boat/home \"boat\"} {:db/id \"odd\" :boat/name \"O\" :boat/home \"mate\"}]",
    );
    let [boat, mate, boss, near, odd] =
        ["boat", "mate", "boss", "near", "odd"].map(|name| report.tempids[name]);
    Fleet { conn, boat, mate, boss, near, odd }
}

/// Check 51.
#[test]
fn an_entity_goes_with_its_components_and_all_references_to_them() {
    let Fleet { conn, boat, mate, boss, near, odd } = fleet();
    done(&conn, &format!("[[:db/retractEntity {boat}]]"));
    let db = conn.db();
    assert_eq!([boat, mate, boss, near, odd].map(|e| facts(&db, e)), [0, 0, 1, 1, 1]);
    assert_eq!([near, odd].map(|e| values(&db, e, "boat/name")), ["\"N\"", "\"O\""]);
}

/// Check 52.
#[test]
fn a_component_stays_if_only_the_reference_is_retracted() {
    let Fleet { conn, boat, mate, .. } = fleet();
    done(&conn, &format!("[[:db/retract {boat} :boat/crew {mate}]]"));
    let pulled = conn.db().pull("[:crew/badge]", mate).expect("a pull");
    assert_eq!(pulled.to_string(), "{:crew/badge \"1\"}");
}

/// Check 53.
#[test]
fn retracting_an_entity_that_is_not_there_changes_nothing() {
    let conn = harbour();
    for name in ["[:port/code \"X\"]", ":no/such", "17592186999999"] {
        assert_eq!(done(&conn, &format!("[[:db/retractEntity {name}]]")).datoms.len(), 1, "{name}");
    }
    rejects(&conn, "[[:db/retractEntity nil]]", "nil-value");
}

/// Check 54.
#[test]
fn a_circle_of_components_is_retracted_whole() {
    let conn = harbour();
    let made = done(&conn, "[{:db/id \"a\" :boat/crew \"b\"} {:db/id \"b\" :boat/crew \"a\"}]").tempids;
    let report = done(&conn, &format!("[[:db/retractEntity {}]]", made["a"]));
    assert_eq!(report.datoms.len(), 3);
    assert_eq!(["a", "b"].map(|name| facts(&conn.db(), made[name])), [0, 0]);
}
