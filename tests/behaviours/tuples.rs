//! Tuples: those that users write, and composites that follow their members.

use annals::{Connection, EntityId};

use crate::harbour::{changes, done, facts, harbour, read, rejects, values};

/// Two ports; berth 3 of each.
struct Berths {
    conn: Connection,
    osl: EntityId,
    bgo: EntityId,
    berth: EntityId,
}

fn berths() -> Berths {
    let conn = harbour();
    let made = done(
        &conn,
        "[{:db/id \"osl\" :port/code \"OSL\"} {:db/id \"bgo\" :port/code \"BGO\"}
          {:db/id \"x\" :berth/port \"osl\" :berth/slot 3} {:db/id \"y\" :berth/port \"bgo\" :berth/slot 3}]",
    );
    let [osl, bgo, berth] = ["osl", "bgo", "x"].map(|name| made.tempids[name]);
    Berths { conn, osl, bgo, berth }
}

/// Check 55.
#[test]
fn a_retracted_member_is_nil_in_the_tuple_at_once() {
    let Berths { conn, osl, berth, .. } = berths();
    let report = done(&conn, &format!("[[:db/retractEntity {osl}]]"));
    assert_eq!(
        changes(&report),
        [
            "+berth/key [nil 3]".to_owned(),
            format!("-berth/key [{osl} 3]"),
            format!("-berth/port {osl}"),
            "-port/code \"OSL\"".to_owned(),
        ]
    );
    assert_eq!(values(&conn.db(), berth, "berth/key"), "[nil 3]");
}

/// Check 56.
#[test]
fn nil_equals_nil_in_unique_tuples() {
    let Berths { conn, osl, bgo, .. } = berths();
    done(&conn, &format!("[[:db/retractEntity {osl}]]"));
    rejects(&conn, &format!("[[:db/retractEntity {bgo}]]"), "unique-conflict");
}

/// Check 57.
#[test]
fn a_composite_holds_its_members_without_being_written() {
    let Berths { conn, osl, berth, .. } = berths();
    let pulled = conn.db().pull("[:berth/key]", berth).expect("a pull");
    assert_eq!(pulled.to_string(), format!("{{:berth/key [{osl} 3]}}"));
}

/// Check 58.
#[test]
fn what_is_said_of_a_composite_itself_changes_nothing() {
    let Berths { conn, osl, bgo, berth } = berths();
    for tx in [
        format!("[[:db/add {berth} :berth/key [{osl} 2]]]"),
        format!("[{{:db/id {berth} :berth/key [{bgo} 9]}}]"),
        format!("[[:db/retract {berth} :berth/key [{osl} 3]]]"),
        format!("[[:db/retract {berth} :berth/key]]"),
    ] {
        assert!(changes(&done(&conn, &tx)).is_empty(), "{tx}");
    }
    assert_eq!(values(&conn.db(), berth, "berth/key"), format!("[{osl} 3]"));
}

/// Check 59.
#[test]
fn a_composite_changes_with_its_members() {
    let Berths { conn, osl, berth, .. } = berths();
    let report = done(&conn, &format!("[[:db/add {berth} :berth/slot 4]]"));
    let want = [
        format!("+berth/key [{osl} 4]"),
        "+berth/slot 4".to_owned(),
        format!("-berth/key [{osl} 3]"),
        "-berth/slot 3".to_owned(),
    ];
    assert_eq!(changes(&report), want);
}

/// Check 60.
#[test]
fn a_composite_goes_with_its_last_member() {
    let Berths { conn, osl, berth, .. } = berths();
    done(&conn, &format!("[[:db/retract {berth} :berth/port {osl}]]"));
    assert_eq!(values(&conn.db(), berth, "berth/key"), "[nil 3]");
    let last = done(&conn, &format!("[[:db/retract {berth} :berth/slot]]"));
    assert_eq!(changes(&last), ["-berth/key [nil 3]", "-berth/slot 3"]);
    assert_eq!(facts(&conn.db(), berth), 0);
}

/// Check 63: lookup refs inside tuples are resolved.
#[test]
fn a_lookup_ref_of_a_composite_takes_names_of_its_members() {
    let Berths { conn, osl, berth, .. } = berths();
    let named = |key: &str| conn.db().entid(format!("[:berth/key {key}]").as_str()).expect("a lookup");
    assert_eq!(named(&format!("[{osl} 3]")), Some(berth));
    assert_eq!(named("[[:port/code \"OSL\"] 3]"), Some(berth));
    assert_eq!(named("[[:port/code \"OSL\"] 4]"), None);
    assert_eq!(named("[[:port/code \"TRD\"] 3]"), None);
    let report = done(&conn, "[[:db/add [:berth/key [[:port/code \"OSL\"] 3]] :note/by \"ida\"]]");
    assert_eq!(report.datoms[1].e, berth);
}

/// Check 64.
#[test]
fn a_tuple_of_the_wrong_shape_is_refused() {
    let conn = harbour();
    for tuple in [
        ":boat/pos [1.0 2.0 3.0]",
        ":boat/pos [1.0]",
        ":boat/pos [1.0 :a]",
        ":boat/pos [nil nil]",
        ":boat/route [:a :b :c :d :e :f :g :h :i]",
        ":boat/route [:a]",
        ":boat/route [:a \"b\"]",
    ] {
        rejects(&conn, &format!("[{{:boat/imo 1 {tuple}}}]"), "invalid-tuple-value");
    }
    done(&conn, "[{:boat/imo 1 :boat/pos [1.0 nil] :boat/route [:a :b :c :d :e :f :g :h]}]");
}

/// Check 65.
#[test]
fn a_range_of_tuples_is_a_range_of_their_first_members() {
    let Berths { conn, osl, bgo, .. } = berths();
    let more: String = [9, 1, 12].map(|slot| format!("{{:berth/port {osl} :berth/slot {slot}}}")).concat();
    done(&conn, &format!("[{more} {{:berth/port {osl} :boat/name \"no slot\"}}]"));
    let (start, end) = (read(&format!("[{osl} nil]")), read(&format!("[{} nil]", osl.0 + 1)));
    let range = conn.db().index_range(":berth/key", Some(&start), Some(&end)).expect("a range");
    let keys = range.to_vec().expect("facts").into_iter().map(|datom| annals::Edn::from(datom.v).to_string());
    let want = ["nil", "1", "3", "9", "12"].map(|slot| format!("[{osl} {slot}]"));
    assert_eq!(keys.collect::<Vec<_>>(), want);
    assert_eq!(bgo.0, osl.0 + 1, "the other port's berth is the first beyond the end");
}
