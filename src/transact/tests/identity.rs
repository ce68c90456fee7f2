//! Checks 1 to 18: tempids, upserts, lookup refs, ids.

use super::{Harbour, check_refused};

const PORT: &str = "[{:db/id \"osl\" :port/code \"OSL\"}]";

#[test]
fn check_1_and_2_an_identity_finds_the_entity_in_any_order() {
    for tx in [
        "[[:db/add \"p\" :port/code \"OSL\"] [:db/add \"p\" :port/name \"Oslo\"]]",
        "[[:db/add \"p\" :port/name \"Oslo\"] [:db/add \"p\" :port/code \"OSL\"]]",
        "[{:db/id \"p\" :port/name \"Oslo\" :port/code \"OSL\"}]",
    ] {
        let mut harbour = Harbour::new(PORT);
        let osl = harbour.names["osl"];
        let report = harbour.ok(tx);
        assert_eq!(report.tempids["p"], osl);
        assert_eq!(report.datoms.len(), 2, "the name and the instant");
    }
}

#[test]
fn check_3_tempids_of_one_new_identity_are_one() {
    let mut harbour = Harbour::new("[]");
    let report = harbour
        .ok("[{:db/id \"x\" :port/code \"BGO\"} {:db/id \"y\" :port/code \"BGO\" :port/name \"Bergen\"}]");
    assert_eq!(report.tempids["x"], report.tempids["y"]);
    assert_eq!(report.datoms.len(), 3);
}

#[test]
fn check_4_and_then_they_must_agree() {
    let harbour = Harbour::new("[]");
    let tx = "[{:port/code \"BGO\" :port/name \"Bergen\"} {:port/code \"BGO\" :port/name \"Bjorgvin\"}]";
    let error = harbour.refused(tx, "datoms-conflict");
    assert!(error.message().contains("Bergen") && error.message().contains("Bjorgvin"));
}

#[test]
fn check_5_one_tempid_cannot_be_two_entities() {
    let harbour = Harbour::new("[{:port/code \"OSL\"} {:crew/badge \"K7\"}]");
    let error = harbour.refused("[{:port/code \"OSL\" :crew/badge \"K7\"}]", "unique-conflict");
    assert_eq!(error.category().name(), "conflict");
}

#[test]
fn check_6_and_8_a_unique_value_is_no_upsert() {
    check_refused(
        "[{:db/id \"x\" :boat/imo 9001}]",
        &[
            ("[{:db/id \"new\" :boat/imo 9001}]", "unique-conflict"),
            ("[{:db/id \"a\" :boat/imo 5} {:db/id \"b\" :boat/imo 5}]", "unique-conflict"),
            ("[[:db/add \"a\" :boat/imo 5] [:db/add $x :boat/imo 5]]", "unique-conflict"),
        ],
    );
}

#[test]
fn check_7_a_unique_value_can_move() {
    let mut harbour = Harbour::new("[{:db/id \"x\" :boat/imo 9001} {:db/id \"y\" :boat/imo 7}]");
    assert_eq!(
        harbour.changes("[[:db/retract $x :boat/imo 9001] [:db/add $y :boat/imo 9001]]"),
        ["+y boat/imo 9001", "-x boat/imo 9001", "-y boat/imo 7"]
    );
}

#[test]
fn two_entities_can_swap_their_unique_values() {
    let mut harbour = Harbour::new("[{:db/id \"x\" :boat/imo 1} {:db/id \"y\" :boat/imo 2}]");
    harbour.ok("[[:db/add $x :boat/imo 2] [:db/add $y :boat/imo 1]]");
    assert_eq!(
        (harbour.values("x", "boat/imo"), harbour.values("y", "boat/imo")),
        (vec!["2".into()], vec!["1".into()])
    );
}

#[test]
fn check_9_to_13_names_that_name_nothing() {
    check_refused(
        PORT,
        &[
            ("[[:db/add \"b\" :boat/home \"nowhere\"]]", "tempid-not-an-entity"),
            ("[{:boat/name \"A\" :boat/home [:port/code \"ZZZ\"]}]", "not-an-entity"),
            ("[{:port/code \"ZZZ\"} {:boat/home [:port/code \"ZZZ\"]}]", "not-an-entity"),
            ("[[:db/add [:port/name \"Oslo\"] :port/name \"X\"]]", "lookup-ref-attr-not-unique"),
            ("[[:db/add 2199023255552 :port/name \"X\"]]", "invalid-entity-id"),
            ("[[:db/add 17592186999999 :port/name \"X\"]]", "invalid-entity-id"),
            ("[[:db/add 200 :port/name \"X\"]]", "invalid-entity-id"),
            ("[[:db/add -1 :port/name \"X\"]]", "invalid-entity-id"),
            ("[[:db/add :no/such :port/name \"X\"]]", "not-an-entity"),
            ("[[:db/add [:port/code] :port/name \"X\"]]", "invalid-lookup-ref"),
            ("[[:db/add [:port/code nil] :port/name \"X\"]]", "invalid-lookup-ref"),
            ("[[:db/add [\"port\" 1] :port/name \"X\"]]", "invalid-lookup-ref"),
            ("[{:boat/colour \"red\"}]", "not-an-entity"),
            ("[[:db/add \"x\" :db.part/user 1]]", "not-an-attribute"),
        ],
    );
}

#[test]
fn an_unknown_attribute_is_named_and_the_nearest_proposed() {
    let error = Harbour::new("[]").refused("[{:boat/nmae \"A\"}]", "not-an-entity");
    assert!(error.message().contains(":boat/nmae"));
    assert_eq!(error.hint(), Some("did you mean :boat/name?"));
    assert_eq!(error.span().map(|span| (span.start, span.end)), Some((2, 12)));
}

#[test]
fn check_14_an_identity_that_refers_to_an_upsert_upserts_too() {
    let mut harbour =
        Harbour::new("[{:db/id \"osl\" :port/code \"OSL\"} {:db/id \"kim\" :agent/port \"osl\"}]");
    let kim = harbour.names["kim"];
    let report = harbour
        .ok("[{:db/id \"a\" :agent/port \"p\" :agent/name \"Kim\"} {:db/id \"p\" :port/code \"OSL\"}]");
    assert_eq!(report.tempids["a"], kim);
    let report = harbour.ok("[{:db/id \"n\" :agent/port {:port/code \"OSL\"} :agent/name \"Kim II\"}]");
    assert_eq!(report.tempids["n"], kim);
}

/// An identity that is a reference is somebody else's, whether the target's id is written or a tempid for it.
#[test]
fn a_known_tempid_does_not_take_the_identity_of_another() {
    let harbour = Harbour::new(
        "[{:db/id \"osl\" :port/code \"OSL\"} {:db/id \"kim\" :agent/port \"osl\"} {:db/id \"bo\" :crew/badge \"1\"}]",
    );
    let taking = "{:db/id \"t\" :crew/badge \"1\" :agent/port";
    for give_up in ["", "[:db/retractEntity $kim]", "[:db/retract $kim :agent/port $osl]"] {
        for target in ["$osl", "\"p\"", "[:port/code \"OSL\"]"] {
            let tx = format!("[{taking} {target}}} {{:db/id \"p\" :port/code \"OSL\"}} {give_up}]");
            let error = harbour.refused(&tx, "unique-conflict");
            assert!(error.message().contains("one tempid would be two entities"), "{tx}: {error}");
        }
    }
}

#[test]
fn identities_that_refer_to_one_new_entity_are_one() {
    let mut harbour = Harbour::new("[]");
    let report = harbour
        .ok("[{:db/id \"a\" :agent/port \"p\" :agent/name \"Kim\"} {:db/id \"b\" :agent/port \"q\"}
          {:db/id \"p\" :port/code \"BGO\"} {:db/id \"q\" :port/code \"BGO\"}]");
    assert_eq!(report.tempids["a"], report.tempids["b"]);
    assert_eq!(report.tempids["p"], report.tempids["q"]);
}

#[test]
fn check_15_an_ident_is_an_identity() {
    let mut harbour = Harbour::new("[{:db/id \"mate\" :db/ident :rank/mate}]");
    let mate = harbour.names["mate"];
    let report = harbour.ok("[{:db/id \"m\" :db/ident :rank/mate :db/doc \"second in command\"}]");
    assert_eq!(report.tempids["m"], mate);
    assert_eq!(report.datoms.len(), 2);
}

#[test]
fn check_16_reserved_tempids() {
    check_refused(
        "[]",
        &[
            ("[{:db/id \"datomic.other\" :port/code \"X\"}]", "reserved-tempid"),
            ("[{:db/id \":port/x\" :port/code \"X\"}]", "invalid-tempid"),
        ],
    );
}

#[test]
fn check_17_text_is_text_where_no_entity_is_meant() {
    let mut harbour = Harbour::new("[]");
    harbour.ok("[{:db/id \"b\" :boat/name \"b\"}]");
    assert_eq!(harbour.values("b", "boat/name"), ["\"b\""]);
}

#[test]
fn check_18_every_tempid_is_told() {
    let mut harbour = Harbour::new("[]");
    let report = harbour.ok("[{:db/id \"a\" :boat/name \"A\"} {:db/id \"b\" :boat/name \"B\"} [:db/add \"datomic.tx\" :note/by \"ida\"]]");
    let names: Vec<_> = report.tempids.keys().map(String::as_str).collect();
    assert_eq!(names, ["a", "b", "datomic.tx"]);
    assert_eq!(report.tempids["datomic.tx"], report.tx);
    for e in report.tempids.values() {
        assert!(report.datoms.iter().any(|datom| datom.e == *e));
    }
}

#[test]
fn the_transaction_can_be_referred_to() {
    let mut harbour = Harbour::new("[]");
    let report = harbour.ok("[{:db/id \"b\" :boat/home \"datomic.tx\"}]");
    assert_eq!(harbour.values("b", "boat/home"), [report.tx.to_string()]);
}
