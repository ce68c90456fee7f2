//! Checks 47 to 54: nested maps, reverse keys, components, retracting entities.

use super::{Harbour, check_refused};

#[test]
fn check_47_a_component_may_be_nameless() {
    let mut harbour = Harbour::new("[]");
    let report = harbour.ok(
        "[{:db/id \"b\" :boat/name \"A\" :boat/crew [{:crew/rank :cook} {:db/id \"m\" :crew/rank :mate}]}]",
    );
    assert_eq!(report.datoms.len(), 6);
    assert_eq!(harbour.values("b", "boat/crew").len(), 2);
    assert_eq!(harbour.values("m", "crew/rank"), [":mate"]);
}

#[test]
fn check_48_anything_else_must_say_who_it_is() {
    check_refused(
        "[]",
        &[
            ("[{:boat/name \"A\" :boat/home {:port/name \"X\"}}]", "invalid-nested-entity"),
            ("[{:boat/name \"A\" :boat/crew {}}]", "tempid-not-an-entity"),
        ],
    );
    Harbour::new("[]").ok("[{:boat/name \"A\" :boat/home {:db/id \"p\" :port/name \"X\"}}]");
}

#[test]
fn check_49_a_nested_identity_upserts() {
    let mut harbour = Harbour::new("[{:db/id \"osl\" :port/code \"OSL\"}]");
    harbour.ok("[{:db/id \"b\" :boat/home {:port/code \"OSL\" :port/name \"Oslo\"}}]");
    assert_eq!(harbour.values("b", "boat/home"), [harbour.names["osl"].to_string()]);
    assert_eq!(harbour.values("osl", "port/name"), ["\"Oslo\""]);
}

#[test]
fn check_50_reverse_keys() {
    let mut harbour = Harbour::new("[{:db/id \"x\" :boat/imo 1} {:db/id \"y\" :boat/imo 2}]");
    harbour.ok("[{:db/id \"osl\" :port/code \"OSL\" :boat/_home [$x $y]}]");
    let osl = harbour.names["osl"].to_string();
    assert_eq!(
        (harbour.values("x", "boat/home"), harbour.values("y", "boat/home")),
        (vec![osl.clone()], vec![osl])
    );
    harbour.ok("[{:db/id \"bgo\" :port/code \"BGO\" :boat/_home [:boat/imo 1]}]");
    assert_eq!(harbour.values("x", "boat/home"), [harbour.names["bgo"].to_string()]);
    harbour.refused("[{:db/id $x :boat/_name \"A\"}]", "invalid-tx-data");
}

const FLEET: &str = "[{:db/id \"b\" :boat/name \"A\" :boat/crew [\"c1\"]}
                      {:db/id \"c1\" :crew/badge \"1\" :crew/boss \"c2\"} {:db/id \"c2\" :crew/badge \"2\"}
                      {:db/id \"o1\" :boat/home \"b\"} {:db/id \"o2\" :boat/home \"c1\" :boat/name \"O\"}]";

#[test]
fn check_51_retracting_an_entity_takes_its_parts_and_all_references() {
    let mut harbour = Harbour::new(FLEET);
    harbour.ok("[[:db/retractEntity $b]]");
    assert!(harbour.facts("b").is_empty());
    assert!(harbour.facts("c1").is_empty());
    assert_eq!(harbour.facts("c2"), ["+c2 crew/badge \"2\""]);
    assert!(harbour.facts("o1").is_empty());
    assert_eq!(harbour.facts("o2"), ["+o2 boat/name \"O\""]);
}

#[test]
fn check_52_without_the_reference_the_part_stays() {
    let mut harbour = Harbour::new(FLEET);
    harbour.ok("[[:db/retract $b :boat/crew $c1]]");
    assert_eq!(harbour.values("c1", "crew/badge"), ["\"1\""]);
}

#[test]
fn check_53_retracting_what_is_not_there() {
    let mut harbour = Harbour::new("[]");
    for tx in [
        "[[:db/retractEntity [:port/code \"X\"]]]",
        "[[:db/retractEntity :no/such]]",
        "[[:db/retractEntity 999]]",
    ] {
        assert_eq!(harbour.ok(tx).datoms.len(), 1, "{tx}");
    }
    harbour.refused("[[:db/retractEntity nil]]", "nil-value");
}

#[test]
fn check_54_a_circle_of_components_ends() {
    let mut harbour = Harbour::new("[{:db/id \"a\" :crew/part \"b\"} {:db/id \"b\" :crew/part \"a\"}]");
    harbour.ok("[[:db/retractEntity $a]]");
    assert!(harbour.facts("a").is_empty() && harbour.facts("b").is_empty());
}

#[test]
fn retracting_and_asserting_anew_in_one_transaction() {
    let mut harbour = Harbour::new("[{:db/id \"b\" :boat/fuel 1 :boat/name \"A\"}]");
    harbour.ok("[[:db/retractEntity $b] [:db/add $b :boat/fuel 2]]");
    assert_eq!(harbour.facts("b"), ["+b boat/fuel 2"]);
}

#[test]
fn many_references_by_lookup_ref_or_one() {
    let mut harbour = Harbour::new("[{:db/id \"x\" :crew/badge \"1\"} {:db/id \"y\" :crew/badge \"2\"}]");
    harbour.ok("[{:db/id \"b\" :boat/crew [[:crew/badge \"1\"] [:crew/badge \"2\"]]} {:db/id \"c\" :boat/crew [:crew/badge \"1\"]}]");
    assert_eq!((harbour.values("b", "boat/crew").len(), harbour.values("c", "boat/crew").len()), (2, 1));
}
