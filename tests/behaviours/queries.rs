//! Queries: aggregates, binding, rules, inputs, sources.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use annals::{Arg, Budget, Connection, Edn};

use crate::harbour::{NONE, arg, ask, done, harbour, read, refused};

/// Three ports; three of a crew, each the boss of the next and the last of the first; two boats.
fn busy() -> Connection {
    let conn = harbour();
    done(
        &conn,
        "[{:db/id \"o\" :port/code \"OSL\" :port/name \"Oslo\" :port/fee 5 :port/open true}
          {:db/id \"b\" :port/code \"BGO\" :port/name \"Bergen\" :port/fee 5 :port/open false}
          {:db/id \"t\" :port/code \"TRD\" :port/name \"Trondheim\" :port/fee 7}
          {:db/id \"k1\" :crew/badge \"K1\" :crew/rank :mate :crew/boss \"k2\"}
          {:db/id \"k2\" :crew/badge \"K2\" :crew/rank :cook :crew/boss \"k3\"}
          {:db/id \"k3\" :crew/badge \"K3\" :crew/rank :cook :crew/boss \"k1\"}
          {:db/id \"own\" :crew/badge \"K9\" :crew/boss \"own\"}
          {:boat/imo 1 :boat/name \"Argo\" :boat/fuel 10 :boat/home \"o\" :boat/flag :flag/norway
           :boat/pos [1.5 2.5] :boat/crew [\"k1\" \"k2\"]}
          {:boat/imo 2 :boat/name \"Fram\" :boat/fuel 70 :boat/home \"b\"}]",
    );
    conn
}

/// Check 91.
#[test]
fn equal_values_of_different_entities_count_once_unless_with_keeps_them_apart() {
    let db = busy().db();
    let find = "[(sum ?fee) (count ?fee) (count-distinct ?fee)]";
    let clause = ":where [?port :port/fee ?fee]";
    assert_eq!(ask(&db, &format!("[:find {find} {clause}]"), NONE), "[12 2 2]");
    assert_eq!(ask(&db, &format!("[:find {find} :with ?port {clause}]"), NONE), "[17 3 2]");
}

/// Check 92.
#[test]
fn an_aggregate_over_nothing_is_no_row_and_a_nil_scalar() {
    let db = busy().db();
    let clause = ":where [?port :port/fee ?fee] [(< ?fee 0)]";
    assert_eq!(ask(&db, &format!("[:find (count ?fee) {clause}]"), NONE), "[]");
    assert_eq!(ask(&db, &format!("[:find (sum ?fee) . {clause}]"), NONE), "nil");
    assert_eq!(ask(&db, &format!("[:find [(min ?fee) (max ?fee)] {clause}]"), NONE), "nil");
}

/// Check 93.
#[test]
fn integers_divide_to_an_integer_and_doubles_to_a_double() {
    let db = busy().db();
    assert_eq!(ask(&db, "[:find ?x . :where [(/ 7 2) ?x]]", NONE), "3");
    assert_eq!(ask(&db, "[:find ?x . :where [(/ -7 2) ?x]]", NONE), "-3");
    assert_eq!(ask(&db, "[:find ?x . :where [(/ 7.0 2) ?x]]", NONE), "3.5");
}

/// Check 94.
#[test]
fn a_not_needs_its_variables_bound_outside() {
    let db = busy().db();
    let loose = "[:find ?b :where [?b :boat/imo] (not [?c :boat/fuel 10])]";
    assert_eq!(refused(&db, loose, NONE).keyword(), "db.error/insufficient-binding");
    // Though it is asked for too.
    let alone = "[:find ?b :where (not [?b :boat/fuel 10])]";
    assert_eq!(refused(&db, alone, NONE).keyword(), "db.error/insufficient-binding");
    let bound = "[:find [?n ...] :where [?b :boat/name ?n] (not [?b :boat/fuel 10])]";
    assert_eq!(ask(&db, bound, NONE), "[\"Fram\"]");
}

/// Check 95.
#[test]
fn the_branches_of_or_share_their_variables_and_those_of_or_join_need_not() {
    let db = busy().db();
    let branches = "[?b :boat/fuel 10] (and [?b :boat/home ?p] [?p :port/code \"BGO\"])";
    let or = format!("[:find [?n ...] :where [?b :boat/name ?n] (or {branches})]");
    assert_eq!(refused(&db, &or, NONE).keyword(), "db.error/or-variables");
    let or_join = format!("[:find [?n ...] :where [?b :boat/name ?n] (or-join [?b] {branches})]");
    assert_eq!(ask(&db, &or_join, NONE), "[\"Argo\" \"Fram\"]");
}

/// Check 96.
#[test]
fn recursion_over_a_cycle_ends_and_comes_back_to_its_start() {
    let db = busy().db();
    let rules = "[[(above ?x ?y) [?x :crew/boss ?y]] [(above ?x ?y) [?x :crew/boss ?m] (above ?m ?y)]]";
    let query = "[:find [?badge ...] :in $ % ?x :where (above ?x ?y) [?y :crew/badge ?badge]]";
    let from_k1 = [arg(rules), arg("[:crew/badge \"K1\"]")];
    assert_eq!(ask(&db, query, from_k1), "[\"K1\" \"K2\" \"K3\"]");
    let all = "[:find (count ?x) . :with ?y :in $ % :where (above ?x ?y)]";
    assert_eq!(ask(&db, all, [arg(rules)]), "10");
}

/// Check 97.
#[test]
fn a_rule_that_asks_for_a_bound_argument_is_not_called_without() {
    let db = busy().db();
    let rules = "[[(cheap [?p]) [?p :port/fee ?fee] [(< ?fee 6)]]]";
    let unbound = "[:find ?p :in $ % :where (cheap ?p)]";
    assert_eq!(refused(&db, unbound, [arg(rules)]).keyword(), "db.error/insufficient-binding");
    let bound = "[:find [?c ...] :in $ % :where (cheap ?p) [?p :port/code ?c]]";
    assert_eq!(ask(&db, bound, [arg(rules)]), "[\"BGO\" \"OSL\"]");
}

/// Check 98.
#[test]
fn an_ident_names_an_entity_where_the_attribute_is_known_to_be_a_reference() {
    let db = busy().db();
    let known = "[:find ?n . :in $ ?flag :where [?b :boat/flag ?flag] [?b :boat/name ?n]]";
    assert_eq!(ask(&db, known, [arg(":flag/norway")]), "\"Argo\"");
    assert_eq!(ask(&db, "[:find (count ?b) . :where [?b :boat/flag :flag/norway]]", NONE), "1");
    let unknown = "[:find ?b :in $ ?flag :where [?b ?a ?flag] [?a :db/ident :boat/flag]]";
    assert_eq!(ask(&db, unknown, [arg(":flag/norway")]), "[]");
    let id = db.entid(":flag/norway").expect("a name").expect("a flag");
    assert_ne!(ask(&db, unknown, [Arg::from(read(&id.to_string()))]), "[]");
}

/// Check 99.
#[test]
fn a_lookup_ref_is_an_input_and_is_not_written_in_the_entity_place() {
    let db = busy().db();
    let input = "[:find ?name . :in $ ?p :where [?p :port/name ?name]]";
    assert_eq!(ask(&db, input, [arg("[:port/code \"OSL\"]")]), "\"Oslo\"");
    let written = "[:find ?name . :where [[:port/code \"OSL\"] :port/name ?name]]";
    assert_eq!(refused(&db, written, NONE).keyword(), "db.error/not-a-binding-form");
}

/// Check 100.
#[test]
fn a_vector_of_variables_in_the_value_place_is_no_pattern() {
    let db = busy().db();
    assert_eq!(ask(&db, "[:find ?b :where [?b :boat/pos [?x ?y]]]", NONE), "[]");
    let taken_apart = "[:find ?x ?y :where [_ :boat/pos ?pos] [(untuple ?pos) [?x ?y]]]";
    assert_eq!(ask(&db, taken_apart, NONE), "[[1.5 2.5]]");
}

/// Check 101.
#[test]
fn two_blanks_in_a_clause_are_two() {
    let db = busy().db();
    let blanks = "[:find (count ?badge) . :where [?k :crew/badge ?badge] [_ :boat/crew _] [?k :crew/boss _]]";
    assert_eq!(ask(&db, blanks, NONE), "4");
    assert_eq!(ask(&db, "[:find ?n . :where [_ :boat/home _] [_ :boat/name ?n]]", NONE), "\"Argo\"");
}

/// Check 102.
#[test]
fn one_variable_twice_in_a_clause_is_one_value() {
    let db = busy().db();
    let own_boss = "[:find [?badge ...] :where [?k :crew/boss ?k] [?k :crew/badge ?badge]]";
    assert_eq!(ask(&db, own_boss, NONE), "[\"K9\"]");
}

/// Check 103.
#[test]
fn a_variable_that_nothing_binds_is_told_by_name() {
    let db = busy().db();
    let error = refused(&db, "[:find ?b ?draft :where [?b :boat/imo]]", NONE);
    assert_eq!(error.keyword(), "db.error/unbound-variable");
    assert!(error.message().contains("?draft"), "{error}");
    assert_eq!(error.category(), annals::Category::Incorrect);
}

/// Check 104.
#[test]
fn a_source_that_is_not_given_is_refused() {
    let db = busy().db();
    let question = annals::q("[:find ?b :in $ :where [?b :boat/imo]]").expect("a query");
    assert_eq!(question.run().expect_err("no inputs").keyword(), "db.error/unknown-source");
    for no_source in ["nil", "7", "\"boats\""] {
        let error = question.clone().arg(arg(no_source)).run().expect_err("no source");
        assert_eq!(error.keyword(), "db.error/invalid-data-source", "{no_source}");
    }
    let unnamed = "[:find ?b :where [$old ?b :boat/imo]]";
    assert_eq!(refused(&db, unnamed, NONE).keyword(), "db.error/unknown-source");
}

/// Check 105.
#[test]
fn the_present_joins_with_the_past() {
    let conn = busy();
    let then = conn.db();
    done(&conn, "[[:db/add [:boat/imo 1] :boat/fuel 25] [:db/add [:boat/imo 2] :boat/fuel 60]]");
    let rose = "[:find ?name ?old ?new :in $ $then :where [$then ?b :boat/fuel ?old] [?b :boat/fuel ?new]
                 [(< ?old ?new)] [?b :boat/name ?name]]";
    let now = conn.db();
    let want = "[[\"Argo\" 10 25]]";
    assert_eq!(ask(&now, rose, [Arg::from(&then)]), want);
    assert_eq!(ask(&now, rose, [Arg::from(now.as_of(then.basis_t()))]), want);
}

/// Check 106.
#[test]
fn what_a_transaction_did_joins_with_the_database_after_it() {
    let conn = busy();
    let report = done(&conn, "[{:port/code \"OSL\" :port/fee 6 :port/name \"Oslo\"}]");
    let query = "[:find ?name ?added :in $ $tx :where [$tx _ ?a _ _ ?added] [?a :db/ident ?name]]";
    let want = "[[:db/txInstant true] [:port/fee false] [:port/fee true]]";
    assert_eq!(ask(&report.db_after, query, [Arg::from(&report)]), want);
}

/// Check 107.
#[test]
fn a_query_inside_a_query_finds_the_holders_of_the_least() {
    let db = busy().db();
    let query = "[:find [?code ...] :where
                  [(q [:find (min ?fee) . :where [_ :port/fee ?fee]] $) ?least]
                  [?p :port/fee ?least] [?p :port/code ?code]]";
    assert_eq!(ask(&db, query, NONE), "[\"BGO\" \"OSL\"]");
    let rows = query.replace("(min ?fee) .", "(min ?fee)").replace("?least]\n", "[[?least]]]\n");
    assert_eq!(ask(&db, &rows, NONE), "[\"BGO\" \"OSL\"]");
}

/// Check 108.
#[test]
fn get_else_and_missing_look_at_their_source() {
    let conn = busy();
    let then = conn.db();
    done(&conn, "[{:port/code \"TRD\" :port/open true} [:db/retract [:port/code \"OSL\"] :port/open true]]");
    let now = conn.db();
    let get_else = |source: &str| {
        format!(
            "[:find ?code ?open :in $ $then :where [$ ?p :port/code ?code]
              [(get-else {source} ?p :port/open :unknown) ?open]]"
        )
    };
    let of_now = "[[\"BGO\" false] [\"OSL\" :unknown] [\"TRD\" true]]";
    let of_then = "[[\"BGO\" false] [\"OSL\" true] [\"TRD\" :unknown]]";
    assert_eq!(ask(&now, &get_else("$"), [Arg::from(&then)]), of_now);
    assert_eq!(ask(&now, &get_else("$then"), [Arg::from(&then)]), of_then);
    let missing = |source: &str| {
        format!(
            "[:find [?code ...] :in $ $then :where [$ ?p :port/code ?code] [(missing? {source} ?p :port/open)]]"
        )
    };
    assert_eq!(ask(&now, &missing("$"), [Arg::from(&then)]), "[\"OSL\"]");
    assert_eq!(ask(&now, &missing("$then"), [Arg::from(&then)]), "[\"TRD\"]");
}

/// Check 109.
#[test]
fn a_comparison_has_two_sides() {
    let db = busy().db();
    for comparison in ["=", "!=", "<", "<=", ">", ">="] {
        for args in ["?fee", "1 ?fee 9"] {
            let query = format!("[:find ?p :where [?p :port/fee ?fee] [({comparison} {args})]]");
            let error = refused(&db, &query, NONE);
            assert_eq!(error.keyword(), "db.error/invalid-query", "{query}");
            assert!(error.span().is_some(), "{query}");
        }
    }
}

/// Check 110: bounds are a time, a number of rows, and a flag that another thread sets.
#[test]
fn a_query_that_takes_too_much_is_stopped_and_the_database_goes_on() {
    let conn = busy();
    let boats: String = (10..1010).map(|imo| format!("{{:boat/imo {imo} :boat/fuel {imo}}} ")).collect();
    done(&conn, &format!("[{boats}]"));
    let db = conn.db();
    let product = "[:find (count ?x) . :where [_ :boat/fuel ?x] [_ :boat/fuel ?y] [_ :boat/fuel ?z]
                    [(< ?x ?y)] [(< ?y ?z)]]";
    let question = annals::q(product).expect("a query").over(&db);
    let late = annals::q(&product.replace(":where", ":timeout 1 :where")).expect("a query").over(&db);
    assert_eq!(late.run().expect_err("too late").keyword(), "db.error/timeout");
    let error = question.clone().timeout(Duration::from_millis(1)).run().expect_err("too late");
    assert_eq!((error.keyword(), error.category()), ("db.error/timeout", annals::Category::Interrupted));
    let rows = Budget { rows: Some(10_000), ..Budget::default() };
    let error = question.clone().budget(rows).run().expect_err("too many rows");
    assert_eq!(error.keyword(), "db.error/budget-exceeded");
    let cancelled = Budget { cancel: Some(Arc::new(AtomicBool::new(true))), ..Budget::default() };
    let error = question.budget(cancelled).run().expect_err("cancelled");
    assert_eq!(error.keyword(), "db.error/interrupted");
    assert_eq!(ask(&db, "[:find (count ?x) . :where [_ :boat/fuel ?x]]", NONE), "1000");
    done(&conn, "[{:boat/imo 5000 :boat/fuel 1}]");
    assert_eq!(
        conn.db().q("[:find (min ?x) . :where [_ :boat/fuel ?x]]", NONE).expect("an answer").into_edn(),
        Edn::Int(1)
    );
}
