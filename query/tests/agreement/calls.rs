//! Calls that look beyond their values: at a log, or at the facts by a query of their own.

use std::sync::Arc;

use annals_query::edn::Edn;
use annals_query::facts::FactLog;
use annals_query::{Budget, QueryArg, parse, q};
use annals_storage::datom::{AttrId, Datom, EntityId, Value};

use crate::{check, check_given, films, parse_edn, user};

/// Three transactions at instants 10, 20 and 30; the third takes back what the second said.
fn log() -> QueryArg {
    let mut datoms = Vec::new();
    for t in 1..=3 {
        let tx = EntityId::of_t(t);
        datoms.push(Datom { e: tx, a: AttrId(50), v: Value::Instant(t as i64 * 10), tx, added: true });
        let (v, added) = (Value::Long(if t == 1 { 1980 } else { 1981 }), t < 3);
        datoms.push(Datom { e: user(10), a: AttrId(101), v, tx, added });
    }
    QueryArg::Log(Arc::new(FactLog::new(datoms)))
}

fn over_log(text: &str, args: &[&str], expected: &str) {
    let args = args.iter().map(|arg| QueryArg::Value(parse_edn(arg)));
    let found = check_given(text, [log()].into_iter().chain(args));
    let found = found.unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(found.to_string(), parse_edn(expected).to_string(), "{text}");
}

fn refused(text: &str, args: Vec<QueryArg>, keyword: &str) {
    match check_given(text, args) {
        Err(error) => {
            assert_eq!(error.keyword, keyword, "{text}: {error}");
            assert!(error.span.is_some() || keyword == "db.error/input-shape", "{text}: no place");
        }
        Ok(found) => panic!("{text} gave {found}"),
    }
}

#[test]
fn transactions_of_a_range() {
    let ids = "[:find [?tx ...] :in $ ?log ?from ?to :where [(tx-ids ?log ?from ?to) [?tx ...]]]";
    let tx = |t: u64| EntityId::of_t(t).0;
    over_log(ids, &["nil", "nil"], &format!("[{} {} {}]", tx(1), tx(2), tx(3)));
    over_log(ids, &["2", "nil"], &format!("[{} {}]", tx(2), tx(3)));
    over_log(ids, &["1", &tx(3).to_string()], &format!("[{} {}]", tx(1), tx(2)));
    over_log(ids, &["#inst \"1970-01-01T00:00:00.000015Z\"", "99"], &format!("[{} {}]", tx(2), tx(3)));
    over_log(ids, &["3", "2"], "[]");
    over_log(ids, &["9", "nil"], "[]");
}

#[test]
fn what_transactions_did() {
    let year = "[:find ?v ?added :in $ ?log ?t :where [(tx-data ?log ?t) [[_ ?a ?v _ ?added]]] [(< 100 ?a)]]";
    over_log(year, &["1"], "[[1980 true]]");
    over_log(year, &["3"], "[[1981 false]]");
    over_log(year, &["7"], "[]");
    over_log(
        "[:find ?v (count ?tx) :in $ $log
          :where [(tx-ids $log nil nil) [?tx ...]] [(tx-data $log ?tx) [[?f ?a ?v ?tx]]] [?f :film/title]]",
        &[],
        "[[1980 1] [1981 2]]",
    );
    over_log(
        "[:find ?t ?v :in $ $log
          :where [(tx-ids $log 1 3) [?tx ...]] [(tx-data $log ?tx) [[?f ?a ?v _ _]]] [?f :film/title ?t]]",
        &[],
        "[[\"Harbour\" 1980] [\"Harbour\" 1981]]",
    );
    // A log goes wherever values go: into rules, and into queries inside the query.
    over_log(
        "[:find ?v . :in $ ?log % :where (did ?log 1 ?v)]",
        &["[[(did ?log ?t ?v) [(ground 1) ?t] [(tx-data ?log ?t) [[_ ?a ?v]]] [(< 100 ?a)]]]"],
        "1980",
    );
    over_log(
        "[:find ?n . :in $ ?log :where [(q [:find (count ?tx) . :in ?l :where [(tx-ids ?l 1 9) [?tx ...]]] ?log) ?n]]",
        &[],
        "3",
    );
    over_log(
        "[:find ?n . :in $ ?log :where [(q [:find (count ?tx) . :in $l :where [(tx-ids $l 1 9) [?tx ...]]] ?log) ?n]]",
        &[],
        "3",
    );
}

#[test]
fn what_is_no_log_or_no_transaction_is_refused() {
    let ids = "[:find ?tx :in $ ?log ?t :where [(tx-ids ?log ?t nil) [?tx ...]]]";
    refused(ids, vec![log(), QueryArg::Value(Edn::keyword("x"))], "db.error/invalid-time-point");
    refused(ids, vec![log(), QueryArg::Value(Edn::Int(-1))], "db.error/invalid-time-point");
    refused(ids, vec![log(), QueryArg::Value(user(1).into())], "db.error/invalid-time-point");
    refused(
        ids,
        vec![QueryArg::Value(Edn::Int(1)), QueryArg::Value(Edn::Int(1))],
        "db.error/type-in-function",
    );
    refused("[:find ?e :in $ $log :where [$log ?e]]", vec![log()], "db.error/invalid-data-source");
    refused("[:find ?e :in $ [?log ...] :where [?e] [(= ?e ?log)]]", vec![log()], "db.error/input-shape");
    refused("[:find ?e :in $ :where [(tx-ids $ 1 2) [?e ...]]]", vec![], "db.error/type-in-function");
}

#[test]
fn a_range_of_the_log_counts_against_the_budget() {
    let query =
        parse::query_text("[:find (count ?tx) . :in ?log :where [(tx-ids ?log 1 nil) [?tx ...]]]").unwrap();
    let budget = Budget { rows: Some(2), ..Budget::default() };
    assert_eq!(q(&query, &[log()], &budget).unwrap_err().keyword, "db.error/budget-exceeded");
}

fn all(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        assert_eq!(check(text, &[]).to_string(), parse_edn(expected).to_string(), "{text}");
    }
}

#[test]
fn queries_inside_queries_give_their_shape() {
    all(&[
        (
            "[:find [?t ...] :where [(q [:find (min ?y) . :where [_ :film/year ?y]] $) ?y]
              [?f :film/year ?y] [?f :film/title ?t]]",
            "[\"Harbour\"]",
        ),
        (
            "[:find ?y ?n :where [?f :film/year ?y]
              [(q [:find (count ?c) :in $ ?f :where [?f :film/cast ?c]] $ ?f) [[?n]]]]",
            "[[1980 2] [1985 1] [1985 2]]",
        ),
        ("[:find ?x :where [(q [:find [?y ...] :where [_ :film/year ?y]] $) [?x ...]]]", "[[1980] [1985]]"),
        ("[:find ?x :where [(q [:find [?y ...] :where [_ :film/year ?y]] $) ?x]]", "[[[1980 1985]]]"),
        (
            "[:find ?x ?y :where [(q [:find [(min ?y) (max ?y)] :where [_ :film/year ?y]] $) [?x ?y]]]",
            "[[1980 1985]]",
        ),
        (
            "[:find ?m :where [(q {:find [?y] :keys [year] :where [[_ :film/year ?y] [(< ?y 1981)]]} $) [?m ...]]]",
            "[[{:year 1980}]]",
        ),
        ("[:find ?x :where [(q \"[:find ?y . :where [(ground 7) ?y]]\") ?x]]", "[[7]]"),
        ("[:find ?x :where [(q (quote [:find ?y . :where [(ground 7) ?y]])) ?x]]", "[[7]]"),
        ("[:find ?x . :where [(q [:find ?y . :where [_ :film/year ?y] [(< ?y 0)]] $) ?x]]", "nil"),
        // As a predicate: nothing found is nil.
        (
            "[:find [?n ...] :where [?p :person/name ?n] (not [(q [:find ?b . :in $ ?p :where [?p :person/born ?b]] $ ?p)])]",
            "[\"Eda Falk\"]",
        ),
        // Three deep, each with its own `$`.
        (
            "[:find ?x . :where [(q [:find ?y . :in $s :where
               [(q [:find (max ?z) . :where [_ :film/year ?z]] $s) ?y]] $) ?x]]",
            "1985",
        ),
    ]);
}

#[test]
fn queries_inside_queries_are_handed_sources_rules_and_queries() {
    let rules = parse_edn("[[(old ?f) [?f :film/year ?y] [(< ?y 1981)]]]");
    let asked = "[:find ?t . :in $ % :where [(q [:find [?f ...] :in $ % :where (old ?f)] $ %) [?f ...]] [?f :film/title ?t]]";
    assert_eq!(check(asked, std::slice::from_ref(&rules)), Edn::string("Harbour"));
    let given =
        "[:find ?x . :in $ ?rules :where [(q [:find (count ?f) . :in $ % :where (old ?f)] $ ?rules) ?x]]";
    assert_eq!(check(given, &[rules]), Edn::Int(1));
    let inner = parse_edn("[:find (max ?y) . :where [_ :film/year ?y]]");
    assert_eq!(check("[:find ?x . :in $ ?query :where [(q ?query $) ?x]]", &[inner]), Edn::Int(1985));
    let tuples = parse_edn("[[1 2] [3 4]]");
    let over = "[:find ?x . :in $ $r :where [(q [:find (sum ?b) . :in $r :where [$r _ ?b]] $r) ?x]]";
    assert_eq!(check(over, &[tuples]), Edn::Int(6));
    let aliased = "[:find ?x . :in $ $r :where ($r or [(q [:find (sum ?b) . :where [_ ?b]] $) ?x])]";
    assert_eq!(check(aliased, &[parse_edn("[[1 2]]")]), Edn::Int(2));
}

#[test]
fn what_is_wrong_inside_is_told_before_anything_runs() {
    let wrong = |inner: &str, keyword: &str| {
        refused(&format!("[:find ?x :where [_ :no/such ?x] [(q {inner} $) ?y]]"), vec![], keyword);
    };
    wrong("[:find ?z :where [_ :film/year ?y]]", "db.error/unbound-variable");
    wrong("[:find ?y :in $ ?a :where [?a :film/year ?y]]", "db.error/input-arity");
    wrong("[:find ?y :where [$other _ :film/year ?y]]", "db.error/unknown-source");
    wrong("[:find ?y :where (nosuch ?y)]", "db.error/unknown-rule");
    refused("[:find ?x :where [(q $) ?x]]", vec![], "db.error/type-in-function");
    refused("[:find ?x :where [(ground 3) ?n] [(q ?n $) ?x]]", vec![], "db.error/type-in-function");
    refused("[:find ?x :where [(q) ?x]]", vec![], "db.error/function-arity");
}

#[test]
fn queries_are_asked_inside_each_other_up_to_a_depth() {
    let mut deep = "[:find ?x . :where [(ground 1) ?x]]".to_owned();
    for _ in 0..8 {
        deep = format!("[:find ?x . :where [(q {deep}) ?x]]");
    }
    assert_eq!(check(&deep, &[]), Edn::Int(1));
    refused(&format!("[:find ?x . :where [(q {deep}) ?x]]"), vec![], "db.error/query-too-complex");
    let itself = parse_edn("[:find ?x . :in ?query :where [(q ?query ?query) ?x]]");
    let ask = "[:find ?x . :in $ ?query :where [(q ?query ?query) ?x]]";
    refused(ask, vec![QueryArg::Value(itself)], "db.error/query-too-complex");
}

#[test]
fn a_query_inside_has_the_budget_of_the_one_around() {
    let text = "[:find ?n . :where [(q [:find (count ?x) . :where [?x :film/year] [?y :film/year]] $) ?n]]";
    let query = parse::query_text(text).unwrap();
    let given = [QueryArg::Source(Arc::new(films()))];
    let ask = |rows| q(&query, &given, &Budget { rows: Some(rows), ..Budget::default() });
    assert_eq!(ask(9).unwrap().into_edn(), Edn::Int(3));
    assert_eq!(ask(8).unwrap_err().keyword, "db.error/budget-exceeded");
}
