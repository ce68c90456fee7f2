//! Schemas that change, and schemas that must not.

use annals::{Connection, EntityId};

use crate::harbour::{NONE, ask, changes, done, facts, harbour, rejected, rejects, told, values};

/// A port with code and name, and the number of the transaction that made it.
fn oslo() -> (Connection, EntityId, u64) {
    let conn = harbour();
    let report = done(&conn, "[{:db/id \"o\" :port/code \"OSL\" :port/name \"Oslo\"}]");
    (conn, report.tempids["o"], report.t)
}

const RENAME: &str = "[[:db/add :port/name :db/ident :port/label]]";

/// Check 71.
#[test]
fn a_renamed_attribute_answers_to_both_names_also_in_the_past() {
    let (conn, osl, before) = oslo();
    done(&conn, RENAME);
    done(&conn, &format!("[[:db/add {osl} :port/name \"Kristiania\"]]"));
    for name in ["port/name", "port/label"] {
        for (db, text) in [(conn.db(), "Kristiania"), (conn.db().as_of(before), "Oslo")] {
            assert_eq!(values(&db, osl, name), format!("\"{text}\""));
            let query = format!("[:find ?n . :where [_ :{name} ?n]]");
            assert_eq!(ask(&db, &query, NONE), format!("\"{text}\""));
            let pulled = db.pull(&format!("[:{name}]"), osl).expect("a pull").to_string();
            assert!(pulled.contains(text), "{pulled}");
        }
    }
    let attribute = conn.db().entid(":port/name").expect("a lookup").expect("the old name");
    assert_eq!(conn.db().ident(attribute).expect("a name").as_str(), "port/label");
}

/// Check 72.
#[test]
fn an_old_name_given_to_a_new_attribute_means_that_one() {
    let (conn, osl, _) = oslo();
    let old = conn.db().entid(":port/name").expect("a lookup");
    done(&conn, RENAME);
    done(&conn, "[{:db/ident :port/name :db/valueType :db.type/string :db/cardinality :db.cardinality/one}]");
    assert_ne!(conn.db().entid(":port/name").expect("a lookup"), old);
    assert_eq!(conn.db().entid(":port/label").expect("a lookup"), old);
    assert_eq!(["port/name", "port/label"].map(|name| values(&conn.db(), osl, name)), ["", "\"Oslo\""]);
}

/// Check 73.
#[test]
fn many_becomes_one_when_nobody_has_two() {
    let conn = harbour();
    let boat = done(&conn, "[{:db/id \"b\" :boat/tags [\"x\" \"y\"]}]").tempids["b"];
    let alter = "[{:db/id :boat/tags :db/cardinality :db.cardinality/one}]";
    let error = rejected(&conn, alter);
    assert_eq!(error.keyword(), "db.error/invalid-alter-attribute");
    assert_eq!(told(&error, "db.error/reason").to_string(), ":db.error/cardinality-violation");
    let datoms = format!("[[{boat} :boat/tags \"x\" true] [{boat} :boat/tags \"y\" true]]");
    assert_eq!(told(&error, "db.error/datoms").to_string(), datoms);
    done(&conn, &format!("[[:db/retract {boat} :boat/tags \"x\"]]"));
    done(&conn, alter);
    let replaced = done(&conn, &format!("[[:db/add {boat} :boat/tags \"z\"]]"));
    assert_eq!(changes(&replaced), ["+boat/tags \"z\"", "-boat/tags \"y\""]);
}

/// Check 74.
#[test]
fn uniqueness_needs_distinct_values_now_but_not_in_the_past() {
    let conn = harbour();
    let made = done(&conn, "[{:db/id \"x\" :boat/name \"A\"} {:db/id \"y\" :boat/name \"A\"}]").tempids;
    let (x, y) = (made["x"], made["y"]);
    let alter = "[{:db/id :boat/name :db/unique :db.unique/value}]";
    let error = rejected(&conn, alter);
    assert_eq!(error.keyword(), "db.error/invalid-alter-attribute");
    assert_eq!(told(&error, "db.error/reason").to_string(), ":db.error/unique-violation");
    let datoms = format!("[[{x} :boat/name \"A\" true] [{y} :boat/name \"A\" true]]");
    assert_eq!(told(&error, "db.error/datoms").to_string(), datoms);
    done(&conn, &format!("[[:db/add {y} :boat/name \"B\"]]"));
    done(&conn, alter);
    rejects(&conn, "[{:boat/name \"A\"}]", "unique-conflict");
}

/// Check 75.
#[test]
fn the_type_of_an_attribute_stays() {
    let error = rejected(&harbour(), "[{:db/id :boat/fuel :db/valueType :db.type/string}]");
    assert_eq!(error.keyword(), "db.error/invalid-alter-attribute");
    assert_eq!(told(&error, "db.error/reason").to_string(), ":db.error/unsupported-alter-schema");
    assert_eq!(told(&error, "db.error/attribute").to_string(), ":boat/fuel");
}

/// Check 76.
#[test]
fn a_schema_serves_from_the_next_transaction_on() {
    let conn = harbour();
    let define = "{:db/ident :boat/crane :db/valueType :db.type/long :db/cardinality :db.cardinality/one}";
    rejects(&conn, &format!("[{define} {{:boat/crane 1}}]"), "not-an-entity");
    done(&conn, &format!("[{define}]"));
    done(&conn, "[{:boat/crane 1}]");
}

/// Check 77.
#[test]
fn what_is_no_component_any_more_stays_when_its_whole_goes() {
    let conn = harbour();
    let tx = "[{:db/id \"b\" :boat/name \"A\" :boat/crew {:db/id \"c\" :crew/badge \"1\"}}]";
    let made = done(&conn, tx).tempids;
    done(&conn, "[{:db/id :boat/crew :db/isComponent false}]");
    done(&conn, &format!("[[:db/retractEntity {}]]", made["b"]));
    assert_eq!(["b", "c"].map(|name| facts(&conn.db(), made[name])), [0, 1]);
    assert_eq!(values(&conn.db(), made["c"], "crew/badge"), "\"1\"");
}
