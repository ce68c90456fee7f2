//! What queries mean, case by case.

use super::*;
use crate::fixture::{Build, ask_edn, edn, films, k, n, refs, s, tracks};
use crate::parse;
use annals_storage::anomaly::Category;
use annals_storage::datom::{Tag, Value};
use std::sync::Arc;

fn check(query: &str, args: &[&str], expected: &str) {
    check_over(&films(), query, args, expected);
}

fn check_over(build: &Build, query: &str, args: &[&str], expected: &str) {
    let answer = ask_edn(build.now(), query, args).unwrap_or_else(|error| panic!("{query}\n{error:?}"));
    assert_eq!(answer.to_string(), edn(expected).to_string(), "{query}");
}

fn refused(query: &str, args: &[&str], keyword: &str) {
    match ask_edn(films().now(), query, args) {
        Err(error) => assert_eq!(error.keyword, keyword, "{query}\n{error}"),
        Ok(answer) => panic!("{query}\ngave {answer}"),
    }
}

#[test]
fn patterns_join_on_variables() {
    check(
        "[:find ?t :where [?f :film/year 1985] [?f :film/title ?t]]",
        &[],
        r#"#{["Laughing Gas"] ["Night Train"]}"#,
    );
    check(
        "[:find ?t ?d :where [?f :film/title ?t] [?f :film/director ?p] [?p :person/name ?d]]",
        &[],
        r#"#{["Night Train" "Ann Berg"] ["Harbour" "Ann Berg"] ["Laughing Gas" "Cal Dorn"]}"#,
    );
    check(
        "[:find ?n :where [?f :film/director ?p] [?f :film/cast ?p] [?p :person/name ?n]]",
        &[],
        r#"#{["Cal Dorn"]}"#,
    );
    check("[:find ?t :where [?f :film/year 1700] [?f :film/title ?t]]", &[], "#{}");
    check("[:find [?n ...] :where [_ :person/name ?n]]", &[], r#"#{"Cal Dorn" "Ann Berg" "Eda Falk"}"#);
}

#[test]
fn blanks_do_not_unify_and_a_variable_twice_does() {
    check("[:find (count ?f) . :where [?f :film/cast _] [_ :film/director _]]", &[], "3");
    let build = Build::default().attr("crew/boss", Tag::Ref, "").tx().add(1, "crew/boss", refs([1])).add(
        2,
        "crew/boss",
        refs([1]),
    );
    check_over(&build, "[:find (count ?e) . :where [?e :crew/boss ?e]]", &[], "1");
}

#[test]
fn find_shapes() {
    check(
        "[:find [?t ?y] :where [?f :film/score 7.5] [?f :film/title ?t] [?f :film/year ?y]]",
        &[],
        r#"["Harbour" 1980]"#,
    );
    check("[:find ?b . :where [?p :person/name \"Eda Falk\"] [?p :person/born ?b]]", &[], "nil");
    check(
        "[:find ?t ?y :keys title year :where [?f :film/title ?t] [?f :film/year ?y] [(< ?y 1982)]]",
        &[],
        r#"#{{:title "Harbour", :year 1980}}"#,
    );
    check(
        "{:find [?t], :where [[?f :film/genres :comedy] [?f :film/title ?t]]}",
        &[],
        r#"#{["Laughing Gas"]}"#,
    );
    check(
        "[:find [(pull ?f [:film/title]) ...] :where [?f :film/year 1985]]",
        &[],
        r#"#{{:film/title "Night Train"} {:film/title "Laughing Gas"}}"#,
    );
    check(
        "[:find [(pull ?f p) ...] :in $ p :where [?f :film/year 1980]]",
        &["[:film/year]"],
        "#{{:film/year 1980}}",
    );
}

#[test]
fn inputs_of_every_shape() {
    check(
        "[:find ?t :in $ ?n :where [?p :person/name ?n] [?f :film/director ?p] [?f :film/title ?t]]",
        &["\"Cal Dorn\""],
        r#"#{["Laughing Gas"]}"#,
    );
    let by_genre = "[:find [?t ...] :in $ [?g ...] :where [?f :film/genres ?g] [?f :film/title ?t]]";
    for genres in ["[:comedy :crime]", "(:comedy :crime)", "#{:comedy :crime}"] {
        check(by_genre, &[genres], r#"#{"Laughing Gas" "Night Train"}"#);
    }
    check(
        "[:find ?t . :in $ [?y ?g] :where [?f :film/year ?y] [?f :film/genres ?g] [?f :film/title ?t]]",
        &["[1985 :crime]"],
        "\"Night Train\"",
    );
    check(
        "[:find ?n ?x :in $ [[?n ?x]] :where [?p :person/name ?n] [?p :person/born]]",
        &["[[\"Ann Berg\" 1] [\"Eda Falk\" 2]]"],
        r#"#{["Ann Berg" 1]}"#,
    );
    check("[:find ?a ?b :in $ [[?a _ [?b ...]]]]", &["[[1 2 [3 4]]]"], "#{[1 3] [1 4]}");
    check("[:find ?a :in $ ?a [?a ...]]", &["1", "[1 2]"], "#{[1]}");
}

#[test]
fn inputs_that_do_not_fit() {
    refused("[:find ?y :in $ ?y]", &[], "db.error/input-arity");
    refused("[:find ?y :in $ [?y ...]]", &["1"], "db.error/input-shape");
    refused("[:find ?y :in $ [[?y ?z]]]", &["[[1 2] [3]]"], "db.error/input-shape");
    refused("[:find ?y :in $ $b :where [$b ?y]]", &["nil"], "db.error/invalid-data-source");
    refused("[:find ?y :in $ $b :where [$b ?y]]", &["[1 2]"], "db.error/invalid-data-source");
    refused("[:find ?y :where [$c ?y :film/title]]", &[], "db.error/unknown-source");
}

#[test]
fn names_of_entities_in_inputs() {
    let casts = "[:find [?t ...] :in $ ?p :where [?f :film/cast ?p] [?f :film/title ?t]]";
    check(casts, &["[:person/name \"Ann Berg\"]"], "#{\"Laughing Gas\"}");
    refused(casts, &["[:person/name \"Nobody\"]"], "db.error/entity-not-found");
    check(
        "[:find ?n . :in $ ?p :where [?p :person/name ?n]]",
        &["[:person/name \"Ann Berg\"]"],
        "\"Ann Berg\"",
    );
    refused(casts, &["[:person/born 1950]"], "db.error/lookup-ref-attr-not-unique");
    refused(casts, &["[:person/name 7]"], "db.error/invalid-lookup-ref");
    refused(casts, &[":nobody"], "db.error/entity-not-found");
    let through_a_rule = "[:find [?t ...] :in $ % ?p :where (plays ?p ?t)]";
    let rules = "[[(plays ?p ?t) [?f :film/cast ?p] [?f :film/title ?t]]]";
    check(through_a_rule, &[rules, "[:person/name \"Ann Berg\"]"], "#{\"Laughing Gas\"}");
    let constant = "[:find [?t ...] :in $ % :where (plays [:person/name \"Ann Berg\"] ?t)]";
    check(constant, &[rules], "#{\"Laughing Gas\"}");
}

#[test]
fn attributes_as_variables_and_inputs() {
    check("[:find ?v :in $ ?a :where [?e :film/title \"Harbour\"] [?e ?a ?v]]", &[":film/year"], "#{[1980]}");
    check("[:find (count ?a) . :where [?e :film/title \"Harbour\"] [?e ?a _]]", &[], "6");
    refused("[:find ?v :where [_ :film/colour ?v]]", &[], "db.error/unknown-attribute");
    refused("[:find ?v :in $ ?a :where [_ ?a ?v]]", &[":film/colour"], "db.error/unknown-attribute");
    let idents = Build::default().attr("a/country", Tag::Ref, "").tx().add(1, "a/country", refs([9]));
    let named = |query: &str, args: &[&str]| {
        let facts = idents.now().naming("country/ca".into(), crate::fixture::e(9));
        ask_edn(facts, query, args).map(|edn| edn.to_string())
    };
    assert_eq!(named("[:find (count ?e) . :where [?e :a/country :country/ca]]", &[]).unwrap(), "1");
    assert_eq!(
        named("[:find (count ?e) . :in $ ?c :where [?e :a/country ?c]]", &[":country/ca"]).unwrap(),
        "1"
    );
    assert_eq!(named("[:find (count ?e) . :where [?e ?a :country/ca]]", &[]).unwrap(), "nil");
    assert_eq!(
        named("[:find ?e :where [?e :a/country :country/xx]]", &[]).unwrap_err().keyword,
        "db.error/entity-not-found"
    );
}

#[test]
fn constants_take_the_type_of_their_attribute_if_nothing_is_lost() {
    check("[:find ?t . :where [?f :film/score 8] [?f :film/title ?t]]", &[], "\"Night Train\"");
    check("[:find ?t . :in $ ?s :where [?f :film/score ?s] [?f :film/title ?t]]", &["8"], "\"Night Train\"");
    check("[:find ?t . :where [?f :film/year 1980.0] [?f :film/title ?t]]", &[], "nil");
    check("[:find ?t . :where [?f :film/year 1980.5] [?f :film/title ?t]]", &[], "nil");
    check("[:find ?t . :where [?f :film/year \"1980\"] [?f :film/title ?t]]", &[], "nil");
}

#[test]
fn joins_compare_values_and_predicates_compare_sizes() {
    let build = Build::default()
        .attr("x/long", Tag::Long, "")
        .attr("x/double", Tag::Double, "")
        .tx()
        .add(1, "x/long", n(7))
        .add(2, "x/double", [Value::Double(7.0)]);
    check_over(&build, "[:find ?v :where [_ :x/long ?v] [_ :x/double ?v]]", &[], "#{}");
    check_over(&build, "[:find ?v :where [_ :x/long ?v] [_ :x/double ?w] [(= ?v ?w)]]", &[], "#{[7]}");
}

#[test]
fn predicates_and_functions() {
    check(
        "[:find [?n ...] :where [(>= ?b 1960)] [?p :person/born ?b] [?p :person/name ?n]]",
        &[],
        "#{\"Cal Dorn\"}",
    );
    check(
        "[:find ?a . :where [?f :film/title \"Harbour\"] [(- ?y ?b) ?a] [?f :film/year ?y] [?f :film/director ?p] [?p :person/born ?b]]",
        &[],
        "30",
    );
    check(
        "[:find [?t ...] :where [(ground [1980 1990]) [?y ...]] [?f :film/year ?y] [?f :film/title ?t]]",
        &[],
        "#{\"Harbour\"}",
    );
    check("[:find ?x :in $ [?f ...] :where [(?f 7 2) ?x]]", &["[quot rem]"], "#{[1] [3]}");
    check("[:find ?x ?y :where [(vector 1 [2 3]) [_ [?x ?y]]]]", &[], "#{[2 3]}");
    check("[:find ?x :where [(namespace :plain) ?x]]", &[], "#{}");
    check("[:find ?x . :where [(/ 7 2) ?x]]", &[], "3");
    check("[:find ?x . :where [(/ 7.0 2) ?x]]", &[], "3.5");
    refused("[:find ?x :where [(nosuch 1) ?x]]", &[], "db.error/unknown-function");
    check("[:find ?n :where [_ :person/name ?n] [(< ?n 3)]]", &[], "#{}");
    check("[:find (count ?n) . :where [_ :person/name ?n] [(> ?n 3)]]", &[], "3");
    refused("[:find ?x :where [(inc ?y) ?x]]", &[], "db.error/insufficient-binding");
    refused("[:find ?x :where [(vector 1) [?x _]]]", &[], "db.error/binding-shape");
}

#[test]
fn functions_of_facts() {
    check(
        "[:find ?t ?s :where [?f :film/title ?t] [(get-else $ ?f :film/score 0.0) ?s]]",
        &[],
        r#"#{["Harbour" 7.5] ["Laughing Gas" 0.0] ["Night Train" 8.0]}"#,
    );
    check("[:find ?n . :where [?p :person/name ?n] [(missing? $ ?p :person/born)]]", &[], "\"Eda Falk\"");
    check(
        "[:find ?v . :where [(get-some $ [:person/name \"Ann Berg\"] :film/year :person/born) [_ ?v]]]",
        &[],
        "1950",
    );
    refused(
        "[:find ?s :where [?f :film/title] [(get-else $ ?f :film/cast 0) ?s]]",
        &[],
        "db.error/cardinality",
    );
    refused(
        "[:find ?s :where [?f :film/title] [(get-else $ ?f :film/score nil) ?s]]",
        &[],
        "db.error/nil-value",
    );
    refused(
        "[:find ?s :where [?f :film/title] [(get-else ?f :film/score 1) ?s]]",
        &[],
        "db.error/type-in-function",
    );
}

#[test]
fn not_and_not_join() {
    check(
        "[:find [?t ...] :where (not [?f :film/genres :drama]) [?f :film/title ?t]]",
        &[],
        "#{\"Laughing Gas\"}",
    );
    check(
        "[:find [?n ...] :where [?p :person/name ?n] (not-join [?p] [?f :film/cast ?p] [?f :film/year 1980])]",
        &[],
        "#{\"Ann Berg\"}",
    );
    check(
        "[:find [?t ...] :where [?f :film/title ?t] [?f :film/year ?y] (not [?f :film/genres :drama] [(< ?y 1983)])]",
        &[],
        r#"#{"Night Train" "Laughing Gas"}"#,
    );
    check(
        "[:find [?n ...] :where [?p :person/name ?n] (not (not [?p :person/born]))]",
        &[],
        r#"#{"Ann Berg" "Cal Dorn"}"#,
    );
    check(
        "[:find [?t ...] :where (not [?f :film/score ?s] [(< ?s 8.0)]) [?f :film/title ?t]]",
        &[],
        r#"#{"Night Train" "Laughing Gas"}"#,
    );
    check(
        "[:find ?t . :where [?f :film/title ?t] (and (not [?f :film/year ?y]) [(ground 1985) ?y])]",
        &[],
        "\"Harbour\"",
    );
    refused(
        "[:find ?t :where [?f :film/title ?t] (not [?g :film/cast ?p])]",
        &[],
        "db.error/insufficient-binding",
    );
}

#[test]
fn or_and_or_join() {
    check(
        "[:find [?t ...] :where (or [?f :film/genres :comedy] [?f :film/score 7.5]) [?f :film/title ?t]]",
        &[],
        r#"#{"Laughing Gas" "Harbour"}"#,
    );
    check(
        "[:find [?n ...] :where [?p :person/name ?n] (or-join [?p] [_ :film/director ?p] (and [?f :film/cast ?p] [?f :film/genres :crime]))]",
        &[],
        r#"#{"Cal Dorn" "Ann Berg"}"#,
    );
    check(
        "[:find [?t ...] :where (or-join [[?y] ?f] (and [?f :film/year ?y] [(< ?y 0)])) [(ground 1980) ?y] [?f :film/title ?t]]",
        &[],
        "#{}",
    );
}

#[test]
fn an_or_branch_that_cannot_bind_its_variables_waits_for_them() {
    check(
        "[:find [?t ...] :where (or [(< ?y 1982)] [(= ?y 1985)]) [?f :film/year ?y] [?f :film/title ?t]]",
        &[],
        r#"#{"Harbour" "Night Train" "Laughing Gas"}"#,
    );
    refused(
        "[:find ?t :where [?f :film/title ?t] (or-join [?f ?x] [?f :film/year ?x] [?f :film/score])]",
        &[],
        "db.error/insufficient-binding",
    );
}

#[test]
fn rules_recursive_mutual_and_with_bound_arguments() {
    let reach = "[[(from ?a ?b) [?a :node/next ?b]] [(from ?a ?b) [?a :node/next ?m] (from ?m ?b)]]";
    check_over(
        &tracks(),
        "[:find [?i ...] :in $ % :where [?q :node/id :q] (from ?q ?x) [?x :node/id ?i]]",
        &[reach],
        "#{:q :r :s :p}",
    );
    check_over(
        &tracks(),
        "[:find [?i ...] :in $ % :where (from ?x ?x) [?x :node/id ?i]]",
        &[reach],
        "#{:q :r :p}",
    );
    check_over(
        &tracks(),
        "[:find [?i ...] :in $ % :where (from _ [:node/id :s]) (from ?x [:node/id :s]) [?x :node/id ?i]]",
        &[reach],
        "#{:q :r :p}",
    );
    let parity = "[[(odd-from ?a ?b) [?a :node/next ?b]] [(odd-from ?a ?b) [?a :node/next ?m] (even-from ?m ?b)] [(even-from ?a ?b) [?a :node/next ?m] (odd-from ?m ?b)]]";
    check_over(
        &tracks(),
        "[:find [?i ...] :in $ % :where [?p :node/id :p] (even-from ?p ?x) [?x :node/id ?i]]",
        &[parity],
        "#{:q :r :s :p}",
    );
    let bound = "[[(early [?y] ?e) [?e :film/year ?z] [(< ?z ?y)]]]";
    check("[:find [?t ...] :in $ % :where (early 1983 ?f) [?f :film/title ?t]]", &[bound], "#{\"Harbour\"}");
    refused("[:find ?f :in $ % :where (early ?y ?f)]", &[bound], "db.error/insufficient-binding");
    refused("[:find ?f :in $ % :where (liked ?f)]", &[bound], "db.error/unknown-rule");
    refused("[:find ?f :in $ % :where (early ?f)]", &[bound], "db.error/rule-arity");
}

#[test]
fn a_rule_that_compares_its_arguments_runs_once_both_are_bound() {
    let older = "[[(older ?x ?y) [(< ?x ?y)]]]";
    check(
        "[:find ?n :in $ % :where (older ?b 1960) [?p :person/born ?b] [?p :person/name ?n]]",
        &[older],
        "#{[\"Ann Berg\"]}",
    );
}

#[test]
fn negation_over_rules_is_complete_and_never_circular() {
    let reach = "[[(from ?a ?b) [?a :node/next ?b]] [(from ?a ?b) [?a :node/next ?m] (from ?m ?b)]
                  [(apart ?a ?b) [?a :node/id] [?b :node/id] (not (from ?a ?b))]]";
    check_over(
        &tracks(),
        "[:find ?i ?j :in $ % :where (apart ?a ?b) [?a :node/id ?i] [?b :node/id ?j]]",
        &[reach],
        "#{[:s :p] [:s :q] [:s :r] [:s :s]}",
    );
    let circular = "[[(wins ?a) [?a :node/next ?b] (not (wins ?b))]]";
    let error = ask_edn(tracks().now(), "[:find ?a :in $ % :where (wins ?a)]", &[circular]).unwrap_err();
    assert_eq!(error.keyword, "db.error/unstratified");
}

#[test]
fn several_sources_and_scopes() {
    let grown = films().tx().retract(11, "film/year", n(1980)).add(11, "film/year", n(1981));
    let query = parse::query_text(
        "[:find ?o ?y :in $ $old :where [$old ?f :film/year ?o] [?f :film/year ?y] [(!= ?o ?y)]]",
    )
    .unwrap();
    let args = [QueryArg::Source(Arc::new(grown.now())), QueryArg::Source(Arc::new(grown.as_of(1)))];
    assert_eq!(q(&query, &args, &Budget::default()).unwrap().into_edn(), edn("[[1980 1981]]"));
    let scoped = "[:find ?y :in $ $old :where [?f :film/title \"Harbour\"] [?f :film/year ?y] ($old not [?f :film/year 1981])]";
    let query = parse::query_text(scoped).unwrap();
    assert_eq!(q(&query, &args, &Budget::default()).unwrap().into_edn(), edn("[[1981]]"));
    let rules = QueryArg::Value(edn("[[(in ?f ?y) [?f :film/title \"Harbour\"] [?f :film/year ?y]]]"));
    let query = parse::query_text("[:find ?y :in $ $old % :where ($old in ?f ?y)]").unwrap();
    let [now, old] = args;
    assert_eq!(q(&query, &[now, old, rules], &Budget::default()).unwrap().into_edn(), edn("[[1980]]"));
}

#[test]
fn collections_as_sources() {
    check("[:find ?b :in $ $c :where [$c \"x\" _ ?b]]", &["[[\"x\" 1 2] [\"y\" 3 4] [\"x\" 5]]"], "#{[2]}");
    check(
        "[:find ?n ?x :in $ $c :where [$c ?n ?x] [_ :person/name ?n]]",
        &["#{(\"Ann Berg\" 1) [\"Zed\" 2]}"],
        "#{[\"Ann Berg\" 1]}",
    );
    check("[:find ?v :in $ $c :where [$c 1 2 3 4 5 6 ?v]]", &["[[1 2 3 4 5 6 7]]"], "#{[7]}");
    refused(
        "[:find ?v :in $ $c :where [(get-else $c 1 :film/year 0) ?v]]",
        &["[]"],
        "db.error/invalid-data-source",
    );
}

#[test]
fn history_shows_every_change() {
    let build = Build::default()
        .attr("bed/height", Tag::Long, "")
        .tx()
        .add(1, "bed/height", n(0))
        .tx()
        .retract(1, "bed/height", n(0))
        .add(1, "bed/height", n(35));
    let answer = ask_edn(build.history(), "[:find ?h ?op :where [_ :bed/height ?h _ ?op]]", &[]).unwrap();
    assert_eq!(answer, edn("#{[0 true] [0 false] [35 true]}"));
    let answer = ask_edn(build.history(), "[:find ?h :where [_ :bed/height ?h]]", &[]).unwrap();
    assert_eq!(answer, edn("#{[0] [35]}"));
}

#[test]
fn aggregates_group_and_with_keeps_rows_apart() {
    check("[:find (sum ?y) . :with ?f :where [?f :film/year ?y]]", &[], "5950");
    check("[:find (sum ?y) . :where [?f :film/year ?y]]", &[], "3965");
    check("[:find ?y (count ?f) :where [?f :film/year ?y]]", &[], "#{[1980 1] [1985 2]}");
    check("[:find [(min ?s) (max ?s)] :where [_ :film/score ?s]]", &[], "[7.5 8.0]");
    check("[:find (avg ?s) . :where [_ :film/score ?s]]", &[], "7.75");
    check("[:find (count ?f) . :where [?f :film/year 1700]]", &[], "nil");
    check("[:find (count ?f) :where [?f :film/year 1700]]", &[], "#{}");
    check("[:find (min ?n ?b) . :in $ ?n :where [_ :person/born ?b]]", &["1"], "[1950]");
    refused("[:find (nosuch ?b) :where [_ :person/born ?b]]", &[], "db.error/unknown-function");
    refused("[:find (sum ?n) . :where [_ :person/name ?n]]", &[], "db.error/type-in-function");
}

#[test]
fn what_nothing_binds_is_named() {
    refused("[:find ?t ?x :where [?f :film/title ?t]]", &[], "db.error/unbound-variable");
    refused("[:find ?t :where [?f :film/title ?t] [(< ?x 1)]]", &[], "db.error/insufficient-binding");
}

#[test]
fn a_budget_ends_a_query_that_grows_too_large() {
    let query = parse::query_text("[:find ?a ?b ?c :where [?a] [?b] [?c]]").unwrap();
    let args = [QueryArg::Source(Arc::new(films().now()))];
    let budget = Budget { rows: Some(50), ..Budget::default() };
    assert_eq!(q(&query, &args, &budget).unwrap_err().category, Category::Interrupted);
    let budget = Budget { cancel: Some(Arc::new(true.into())), ..Budget::default() };
    assert_eq!(q(&query, &args, &budget).unwrap_err().category, Category::Interrupted);
}

#[test]
fn endless_rules_end_at_the_budget() {
    let rules = "[[(up ?a ?b) [(inc ?a) ?b]] [(up ?a ?b) [(inc ?a) ?m] (up ?m ?b)]]";
    let query = parse::query_text("[:find ?b :in $ % :where (up 1 ?b)]").unwrap();
    let args = [QueryArg::Source(Arc::new(films().now())), QueryArg::Value(edn(rules))];
    let budget = Budget { rows: Some(200), ..Budget::default() };
    assert_eq!(q(&query, &args, &budget).unwrap_err().category, Category::Interrupted);
}

#[test]
fn texts_in_fixtures_are_values() {
    let build = Build::default()
        .attr("x/s", Tag::String, "")
        .attr("x/k", Tag::Keyword, "")
        .tx()
        .add(1, "x/s", s("ü"))
        .add(1, "x/k", k(["a/b"]));
    check_over(&build, "[:find [?s ?k] :where [?e :x/s ?s] [?e :x/k ?k]]", &[], "[\"ü\" :a/b]");
}

#[test]
fn the_order_of_clauses_means_nothing() {
    let rules = "[[(knows ?a ?b) [?f :film/cast ?a] [?f :film/cast ?b] [(!= ?a ?b)]]
                  [(knows ?a ?b) (knows ?b ?m) (knows ?m ?a) [?f :film/director ?b]]]";
    for query in [
        "[:find ?t ?n :in $ % :where [?f :film/title ?t] [?f :film/cast ?p] [?p :person/name ?n] (not [?f :film/score ?s] [(< ?s 8)])]",
        "[:find ?a ?b :in $ % :where (knows ?p ?q) [?p :person/name ?a] [?q :person/name ?b] [(< ?a ?b)]]",
        "[:find ?t ?d :in $ % :where [?f :film/year ?y] [(- ?y 1980) ?d] [?f :film/title ?t] (or [(= ?d 0)] [?f :film/genres :crime])]",
        "[:find ?n ?x :in $ % :where (or-join [?p ?x] [?x :film/cast ?p] (and [?x :film/director ?p] (not [?x :film/score]))) [?p :person/name ?n] (not-join [?p] [?p :person/born 1950])]",
    ] {
        let mut parsed = parse::query_text(query).unwrap();
        let args = [QueryArg::Source(Arc::new(films().now())), QueryArg::Value(edn(rules))];
        let answer = q(&parsed, &args, &Budget::default()).unwrap();
        assert_ne!(answer.clone().into_edn(), edn("[]"), "{query}");
        let count = parsed.clauses.len();
        for at in 0..count * (count - 1) {
            parsed.clauses.swap(at % (count - 1), at % (count - 1) + 1);
            assert_eq!(q(&parsed, &args, &Budget::default()).unwrap(), answer, "{query}");
        }
    }
}
