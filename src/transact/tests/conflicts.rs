//! Checks 19 to 42: redundancy, contradictions, types, compare and swap.

use super::{Harbour, check_refused};

const BOAT: &str = "[{:db/id \"b\" :boat/fuel 10 :boat/tags [\"a\" \"b\"]}]";

#[test]
fn check_19_to_21_what_holds_already_is_no_news() {
    let mut harbour = Harbour::new(BOAT);
    let basis = harbour.db.basis_t();
    for tx in ["[[:db/add $b :boat/fuel 10]]", "[]", "[[:db/retract $b :boat/fuel 99]]"] {
        assert_eq!(harbour.ok(tx).datoms.len(), 1, "{tx}");
    }
    assert_eq!(harbour.db.basis_t(), basis + 3);
}

#[test]
fn check_22_to_24_contradictions_do_not_depend_on_what_is_stored() {
    check_refused(
        BOAT,
        &[
            ("[[:db/add $b :boat/fuel 20] [:db/add $b :boat/fuel 30]]", "datoms-conflict"),
            ("[[:db/add $b :boat/fuel 10] [:db/add $b :boat/fuel 30]]", "datoms-conflict"),
            ("[[:db/retract $b :boat/fuel 10] [:db/add $b :boat/fuel 10]]", "datoms-conflict"),
            ("[[:db/retract $b :boat/fuel 99] [:db/add $b :boat/fuel 99]]", "datoms-conflict"),
            ("[[:db/retract $b :boat/tags \"a\"] [:db/add $b :boat/tags \"a\"]]", "datoms-conflict"),
        ],
    );
}

#[test]
fn check_25_and_26_replacing_retracts() {
    for tx in ["[[:db/add $b :boat/fuel 20]]", "[[:db/retract $b :boat/fuel 10] [:db/add $b :boat/fuel 20]]"]
    {
        let mut harbour = Harbour::new(BOAT);
        assert_eq!(harbour.changes(tx), ["+b boat/fuel 20", "-b boat/fuel 10"]);
    }
}

#[test]
fn check_27_many_values_are_a_set() {
    let mut harbour = Harbour::new(BOAT);
    let tx = "[[:db/add $b :boat/tags \"a\"] [:db/add $b :boat/tags \"a\"] {:db/id $b :boat/tags #{\"c\"}}]";
    assert_eq!(harbour.changes(tx), ["+b boat/tags \"c\""]);
}

#[test]
fn check_28_retracting_without_a_value() {
    let mut harbour = Harbour::new(BOAT);
    assert_eq!(
        harbour.changes("[[:db/retract $b :boat/tags]]"),
        ["-b boat/tags \"a\"", "-b boat/tags \"b\""]
    );
    assert!(harbour.changes("[[:db/retract $b :boat/tags]]").is_empty());
}

#[test]
fn check_29_the_last_form_refuses_all() {
    let harbour = Harbour::new("[]");
    let forms: String = (0..999).map(|n| format!("{{:port/code \"P{n}\"}}")).collect();
    harbour.refused(&format!("[{forms} {{:boat/fuel \"full\"}}]"), "wrong-type-for-attribute");
    assert_eq!(harbour.db.entid((":port/code", "P0")).unwrap(), None);
}

#[test]
fn check_30_a_refusal_takes_no_number() {
    let mut harbour = Harbour::new(BOAT);
    let basis = harbour.db.basis_t();
    harbour.refused("[[:db/add $b :boat/fuel nil]]", "nil-value");
    assert_eq!(harbour.ok("[]").t, basis + 1);
}

#[test]
fn check_31_and_32_types() {
    check_refused(
        BOAT,
        &[
            ("[[:db/add $b :boat/fuel nil]]", "nil-value"),
            ("[[:db/add nil :boat/fuel 1]]", "nil-value"),
            ("[{:db/id $b :boat/home nil}]", "nil-value"),
            ("[[:db/add $b :boat/fuel \"7\"]]", "wrong-type-for-attribute"),
            ("[[:db/add $b :boat/fuel 7.0]]", "wrong-type-for-attribute"),
            ("[[:db/add $b :boat/fuel 7N]]", "wrong-type-for-attribute"),
            ("[[:db/add $b :boat/heat 7]]", "wrong-type-for-attribute"),
            ("[[:db/add $b :boat/draft 7]]", "wrong-type-for-attribute"),
            ("[[:db/add $b :boat/fuel [7]]]", "wrong-type-for-attribute"),
            ("[{:db/id $b :boat/fuel [7 8]}]", "wrong-type-for-attribute"),
            ("[{:db/id $b :boat/home 1.5}]", "wrong-type-for-attribute"),
            ("[{:db/id $b :boat/name :a}]", "wrong-type-for-attribute"),
        ],
    );
}

#[test]
fn a_wrong_type_says_what_to_write() {
    let harbour = Harbour::new(BOAT);
    let error = harbour.refused("[[:db/add $b :boat/heat 7]]", "wrong-type-for-attribute");
    assert_eq!(error.hint(), Some("write 7.0"));
    assert!(error.message().contains(":boat/heat") && error.message().contains('7'), "{error}");
    assert!(error.span().is_some());
}

#[test]
fn check_33_false_is_a_value() {
    let mut harbour = Harbour::new(BOAT);
    harbour.ok("[{:db/id $b :boat/afloat false}]");
    assert_eq!(harbour.values("b", "boat/afloat"), ["false"]);
}

#[test]
fn check_34_not_a_number_can_be_replaced() {
    let mut harbour = Harbour::new("[{:db/id \"b\" :boat/heat ##NaN}]");
    assert!(harbour.changes("[[:db/add $b :boat/heat ##NaN]]").is_empty());
    harbour.ok("[[:db/add $b :boat/heat 3.0]]");
    assert_eq!(harbour.values("b", "boat/heat"), ["3.0"]);
}

#[test]
fn check_35_the_scale_is_part_of_a_decimal() {
    let mut harbour = Harbour::new("[{:db/id \"b\" :boat/draft 1.0M}]");
    assert_eq!(
        harbour.changes("[[:db/add $b :boat/draft 1.00M]]"),
        ["+b boat/draft 1.00M", "-b boat/draft 1.0M"]
    );
}

#[test]
fn check_36_data_of_the_wrong_shape() {
    check_refused(
        BOAT,
        &[
            ("nil", "invalid-tx-data"),
            ("42", "invalid-tx-data"),
            ("{:boat/fuel 1}", "invalid-tx-data"),
            ("[42]", "invalid-tx-data"),
            ("[[]]", "invalid-tx-data"),
            ("[[:db/add]]", "invalid-tx-data"),
            ("[[:db/add $b :boat/fuel]]", "invalid-tx-data"),
            ("[[:db/retract $b]]", "invalid-tx-data"),
            ("[[42 $b :boat/fuel 1]]", "invalid-tx-data"),
            ("[{\"boat/fuel\" 1}]", "invalid-tx-data"),
            ("[[:boat/refuel $b 1]]", "not-a-data-function"),
            ("[[my.ns/refuel $b 1]]", "not-a-data-function"),
        ],
    );
}

#[test]
fn check_37_and_38_compare_and_swap() {
    let mut harbour = Harbour::new(BOAT);
    harbour.ok("[[:db/cas $b :boat/fuel 10 11]]");
    let error = harbour.refused("[[:db/cas $b :boat/fuel 10 11]]", "cas-failed");
    assert_eq!(error.category().name(), "conflict");
    harbour.ok("[[:db.fn/cas $b :boat/heat nil 5.0]]");
    harbour.refused("[[:db/cas $b :boat/heat nil 5.0]]", "cas-failed");
    harbour.ok("[[:db/cas \"new\" :boat/heat nil 5.0]]");
    assert_eq!(harbour.values("new", "boat/heat"), ["5.0"]);
}

#[test]
fn check_39_to_41_what_cannot_be_swapped() {
    let mut harbour = Harbour::new("[{:db/id \"b\" :boat/afloat true :boat/fuel 10}]");
    harbour.refused("[[:db/cas $b :boat/tags nil \"a\"]]", "invalid-cas");
    harbour.refused("[[:db/cas $b :boat/fuel 10 nil]]", "invalid-cas");
    harbour.ok("[[:db/cas $b :boat/afloat true false]]");
    assert_eq!(harbour.values("b", "boat/afloat"), ["false"]);
}

#[test]
fn check_42_two_swaps_in_one_transaction() {
    let mut harbour = Harbour::new("[{:db/id \"b\" :boat/fuel 0}]");
    harbour.refused("[[:db/cas $b :boat/fuel 0 1] [:db/cas $b :boat/fuel 1 2]]", "cas-failed");
    harbour.refused("[[:db/cas $b :boat/fuel 0 1] [:db/cas $b :boat/fuel 0 2]]", "datoms-conflict");
    harbour.ok("[[:db/cas $b :boat/fuel 0 1] [:db/cas $b :boat/fuel 0 1]]");
    assert_eq!(harbour.values("b", "boat/fuel"), ["1"]);
}

#[test]
fn all_problems_are_told_at_once() {
    let harbour = Harbour::new(BOAT);
    let tx = "[[:db/add $b :boat/fuel \"x\"] [:db/add $b :boat/colour 1] {:boat/name 7 :boat/heat 1}]";
    let error = harbour.refused(tx, "wrong-type-for-attribute");
    let problems = &error.data()[&annals_query::edn::Edn::keyword("db.error/problems")];
    assert_eq!(problems.as_seq().map(<[_]>::len), Some(4), "{problems}");
    let two = "[[:db/add $b :boat/fuel 1] [:db/add $b :boat/fuel 2] [:db/add $b :boat/heat 1.0] [:db/add $b :boat/heat 2.0]]";
    assert!(harbour.refused(two, "datoms-conflict").message().contains("1 more"));
}
