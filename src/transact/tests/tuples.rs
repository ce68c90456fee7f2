//! Checks 55, 56 and 57 to 64, as far as tuples go by now.

use super::{Harbour, check_refused};

const BERTHS: &str = "[{:db/id \"osl\" :port/code \"OSL\"} {:db/id \"bgo\" :port/code \"BGO\"}
                       {:db/id \"x\" :berth/port \"osl\" :berth/slot 3} {:db/id \"y\" :berth/port \"bgo\" :berth/slot 3}]";

#[test]
fn check_55_and_56_a_retracted_member_is_nil() {
    let mut harbour = Harbour::new(BERTHS);
    harbour.ok("[[:db/retractEntity $osl]]");
    assert_eq!(harbour.values("x", "berth/key"), ["[nil 3]"]);
    harbour.refused("[[:db/retractEntity $bgo]]", "unique-conflict");
}

#[test]
fn check_57_to_60_a_composite_follows_its_members() {
    let mut harbour = Harbour::new(BERTHS);
    let osl = harbour.names["osl"];
    assert_eq!(harbour.values("x", "berth/key"), [format!("[{osl} 3]")]);
    assert!(harbour.changes(&format!("[[:db/add $x :berth/key [{osl} 9]]]")).is_empty());
    harbour.ok("[[:db/add $x :berth/slot 4]]");
    assert_eq!(harbour.values("x", "berth/key"), [format!("[{osl} 4]")]);
    harbour.ok("[[:db/retract $x :berth/slot] [:db/retract $x :berth/port]]");
    assert!(harbour.facts("x").is_empty());
}

#[test]
fn check_61_a_composite_over_old_facts_fills_when_a_member_is_said_again() {
    let mut harbour = Harbour::new("[{:db/id \"b\" :boat/fuel 1 :boat/name \"A\"}]");
    harbour.ok("[{:db/ident :boat/both :db/valueType :db.type/tuple :db/tupleAttrs [:boat/name :boat/fuel]
           :db/cardinality :db.cardinality/one}]");
    assert!(harbour.values("b", "boat/both").is_empty());
    assert_eq!(harbour.changes("[[:db/add $b :boat/fuel 1]]"), ["+b boat/both [\"A\" 1]"]);
}

#[test]
fn check_62_equal_members_are_refused_but_the_key_itself_finds() {
    let mut harbour = Harbour::new(BERTHS);
    harbour.refused("[{:berth/port $osl :berth/slot 3}]", "unique-conflict");
    let x = harbour.names["x"];
    let report = harbour.ok("[{:db/id \"again\" :berth/key [$osl 3] :boat/name \"berth\"}]");
    assert_eq!(report.tempids["again"], x);
    assert_eq!(harbour.db.entid("[:berth/key [[:port/code \"OSL\"] 3]]").unwrap(), Some(x));
}

#[test]
fn check_64_tuples_of_the_wrong_shape() {
    check_refused(
        "[{:db/id \"b\" :boat/fuel 1}]",
        &[
            ("[{:db/id $b :boat/pos [1.0 2.0 3.0]}]", "invalid-tuple-value"),
            ("[{:db/id $b :boat/pos [1.0 2]}]", "invalid-tuple-value"),
            ("[{:db/id $b :boat/pos [nil nil]}]", "invalid-tuple-value"),
            ("[{:db/id $b :boat/route [:a :b :c :d :e :f :g :h :i]}]", "invalid-tuple-value"),
            ("[{:db/id $b :boat/route [:a]}]", "invalid-tuple-value"),
            ("[{:db/id $b :boat/pos 1.0}]", "wrong-type-for-attribute"),
        ],
    );
    let mut harbour = Harbour::new("[{:db/id \"b\" :boat/pos [1.0 nil] :boat/route [:a :b]}]");
    assert_eq!(harbour.values("b", "boat/pos"), ["[1.0 nil]"]);
    assert_eq!(harbour.changes("[{:db/id $b :boat/route [:a :b :c]}]").len(), 2);
}
