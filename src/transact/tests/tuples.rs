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
fn check_62_equal_members_find_the_entity_and_so_does_the_key_itself() {
    let mut harbour = Harbour::new(BERTHS);
    // Better than Datomic, where this is a conflict.
    let report = harbour.ok("[{:db/id \"found\" :berth/port $osl :berth/slot 3 :boat/name \"found\"}]");
    assert_eq!(report.tempids["found"], harbour.names["x"]);
    // By members that are found themselves, in any order, and two tempids that are one.
    let report = harbour.ok(
        "[[:db/add \"one\" :berth/port \"port\"] [:db/add \"port\" :port/code \"BGO\"] [:db/add \"one\" :berth/slot 3]
          {:db/id \"two\" :berth/slot 9 :berth/port {:port/code \"NEW\"}} {:db/id \"three\" :berth/slot 9 :berth/port {:port/code \"NEW\"}}]",
    );
    assert_eq!(report.tempids["one"], harbour.names["y"]);
    assert_eq!(report.tempids["two"], report.tempids["three"]);
    // A member that is missing names nobody.
    harbour.ok("[{:db/id \"half\" :berth/slot 3}]");
    harbour.refused("[{:db/id \"other\" :berth/slot 3}]", "unique-conflict");
    // What is named is named.
    harbour.refused("[{:db/id $half :berth/port $osl :berth/slot 3}]", "unique-conflict");
    let x = harbour.names["x"];
    let report = harbour.ok("[{:db/id \"again\" :berth/key [$osl 3] :boat/name \"berth\"}]");
    assert_eq!(report.tempids["again"], x);
    assert_eq!(harbour.db.entid("[:berth/key [[:port/code \"OSL\"] 3]]").unwrap(), Some(x));
}

#[test]
fn a_unique_composite_over_old_facts_finds_by_members_from_the_first_moment() {
    let composite =
        "[{:db/ident :boat/both :db/valueType :db.type/tuple :db/tupleAttrs [:boat/name :boat/fuel]
                       :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}]";
    let mut harbour = Harbour::new(
        "[{:db/id \"a\" :boat/fuel 1 :boat/name \"A\"} {:db/id \"b\" :boat/fuel 2 :boat/name \"A\"}]",
    );
    harbour.ok(composite);
    assert!(harbour.values("a", "boat/both").is_empty());
    let a = harbour.names["a"];
    assert_eq!(harbour.db.entid("[:boat/both [\"A\" 1]]").unwrap(), None, "a view shows what is there");
    let report = harbour.ok("[{:db/id \"found\" :boat/both [\"A\" 1] :boat/afloat true}]");
    assert_eq!(report.tempids["found"], a);
    harbour.refused("[{:db/id $b :boat/fuel 1}]", "unique-conflict");
    let twice = Harbour::new("[{:boat/fuel 1 :boat/name \"A\"} {:boat/fuel 1 :boat/name \"A\"}]");
    let refused = twice.refused(composite, "invalid-alter-attribute");
    assert_eq!(
        refused.data()[&annals_query::edn::Edn::keyword("db.error/datoms")].as_seq().unwrap().len(),
        2
    );
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
