//! What each function gives and refuses.

use std::cmp::Ordering;

use super::*;
use crate::edn::read_one;
use proptest::prelude::*;

fn edn(text: &str) -> Edn {
    read_one(text).unwrap_or_else(|error| panic!("{text}: {error}")).to_edn()
}

/// Calls `(f arg …)`.
fn call(text: &str) -> Result<Edn> {
    let Edn::List(parts) = edn(text) else { panic!("{text} is no call") };
    let Edn::Symbol(name) = &parts[0] else { panic!("{text} has no name") };
    find(name).ok_or_else(|| unknown(name))?.call(&parts[1..])
}

fn check(text: &str, expected: &str) {
    let result = call(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(result.to_string(), edn(expected).to_string(), "{text}");
}

fn refused(text: &str, keyword: &str) {
    match call(text) {
        Err(error) => assert_eq!(error.keyword, keyword, "{text}: {error}"),
        Ok(result) => panic!("{text} gave {result}"),
    }
}

fn all(cases: &[(&str, &str)]) {
    cases.iter().for_each(|(text, expected)| check(text, expected));
}

#[test]
fn numbers_compare_by_size_across_types() {
    all(&[
        ("(= 1 1.0)", "true"),
        ("(= 1N 1.0M)", "true"),
        ("(= 1.0M 1.00M)", "true"),
        ("(= 9007199254740993 9007199254740992.0)", "false"),
        ("(< 9007199254740992.0 9007199254740993)", "true"),
        ("(< 9223372036854775807 9223372036854775808N)", "true"),
        ("(< 0.1 0.1M)", "false"),
        ("(> 0.1 0.1M)", "true"),
        ("(= 0.5 0.5M)", "true"),
        ("(< 99999999999999999999999999N ##Inf)", "true"),
        ("(> 0 ##-Inf)", "true"),
        ("(< ##Inf ##NaN)", "true"),
        ("(= ##NaN ##NaN)", "true"),
        ("(= 0.0 -0.0)", "true"),
        ("(< 1M 1e30M)", "true"),
    ]);
}

#[test]
fn roots_powers_and_rounding() {
    all(&[
        ("(Math/sqrt 16)", "4.0"),
        ("(clojure.math/sqrt 2.25)", "1.5"),
        ("(Math/sqrt -1)", "##NaN"),
        ("(Math/pow 2 10)", "1024.0"),
        ("(Math/log 1)", "0.0"),
        ("(Math/exp 0)", "1.0"),
        ("(Math/floor -1.5)", "-2.0"),
        ("(Math/ceil 1.2)", "2.0"),
        ("(Math/floor 9007199254740993)", "9007199254740993"),
        ("(Math/signum -3)", "-1"),
        ("(Math/signum -0.5)", "-1.0"),
        ("(Math/round 2.5)", "3"),
        ("(Math/round -2.5)", "-2"),
        ("(Math/round 0.49999999999999994)", "0"),
        ("(Math/round 9007199254740993.0)", "9007199254740992"),
    ]);
    refused("(Math/round 1e300)", "db.error/arithmetic");
    refused("(Math/round ##NaN)", "db.error/arithmetic");
    refused("(Math/sqrt :a)", "db.error/type-in-function");
    refused("(Math/floor 1.5M)", "db.error/type-in-function");
}

#[test]
fn other_values_compare_by_type_then_inside_it() {
    all(&[
        ("(< \"a\" \"b\")", "true"),
        ("(<= :a/a :a/b)", "true"),
        ("(< #inst \"2020-01-01\" #inst \"2021-01-01\")", "true"),
        ("(< false true)", "true"),
        ("(= [1 [2 3]] (1.0 (2 3N)))", "true"),
        ("(< [1 nil] [1 0])", "true"),
        ("(< [1] [1 0])", "true"),
        ("(= #{1 2} #{2 1})", "true"),
        ("(= 1 \"1\")", "false"),
        ("(!= 1 nil)", "true"),
        ("(= nil nil)", "true"),
        ("(compare \"b\" \"a\")", "1"),
        ("(< 1 \"1\")", "true"),
        ("(> \"1\" 1)", "true"),
        ("(< :a \"a\")", "true"),
        ("(< [1 :a] [1 2])", "false"),
        ("(< 1 nil)", "false"),
    ]);
    refused("(< #{1} #{2})", "db.error/type-in-function");
    refused("(< 1 2 3)", "db.error/function-arity");
}

#[test]
fn arithmetic_keeps_the_higher_type() {
    all(&[
        ("(+ 1 2)", "3"),
        ("(clojure.core/+ 1 2 3)", "6"),
        ("(+ 1 2N)", "3N"),
        ("(+ 1 0.5M)", "1.5M"),
        ("(+ 1.5M 0.25)", "1.75"),
        ("(- 5)", "-5"),
        ("(* 1.5M 2.0M)", "3.00M"),
        ("(/ 7 2)", "3"),
        ("(/ -7 2)", "-3"),
        ("(/ 7.0 2)", "3.5"),
        ("(/ 7 0.0)", "##Inf"),
        ("(/ 1M 8)", "0.125M"),
        ("(/ 6.0M 3M)", "2.0M"),
        ("(quot -7 2)", "-3"),
        ("(rem -7 2)", "-1"),
        ("(mod -7 2)", "1"),
        ("(mod 7 -2)", "-1"),
        ("(mod -7N 2)", "1N"),
        ("(mod -7.5 2)", "0.5"),
        ("(quot 7.5M 2)", "3.0M"),
        ("(rem -9223372036854775808 -1)", "0"),
        ("(inc 1)", "2"),
        ("(dec 1.5)", "0.5"),
        ("(abs -3)", "3"),
        ("(abs -3.5M)", "3.5M"),
        ("(max 1 2.5 2)", "2.5"),
        ("(min \"b\" \"a\")", "\"a\""),
        ("(long 3.9)", "3"),
        ("(long -3.9M)", "-3"),
    ]);
    check("(double 3)", "3.0");
}

#[test]
fn numbers_without_a_result() {
    for text in [
        "(+ 9223372036854775807 1)",
        "(- -9223372036854775808)",
        "(* 9223372036854775807 2)",
        "(/ -9223372036854775808 -1)",
        "(quot -9223372036854775808 -1)",
        "(abs -9223372036854775808)",
        "(/ 1 0)",
        "(rem 1.0 0)",
        "(mod 1N 0)",
        "(/ 1M 0M)",
        "(/ 1M 3)",
        "(long ##Inf)",
        "(long 1e300)",
        "(long 99999999999999999999M)",
    ] {
        refused(text, "db.error/arithmetic");
    }
    refused("(+ 1 \"2\")", "db.error/type-in-function");
    refused("(+ nil)", "db.error/type-in-function");
    refused("(inc :a)", "db.error/type-in-function");
    refused("(even? 1.5)", "db.error/type-in-function");
}

#[test]
fn far_exponents_are_refused_not_written_out() {
    let tiny = Edn::BigDec(std::sync::Arc::new(annals_storage::datom::Decimal(bigdecimal::BigDecimal::new(
        1.into(),
        1_000_000_000_000,
    ))));
    let one = edn("1M");
    for name in ["+", "-", "quot", "rem", "mod"] {
        let function = find(&name.into()).unwrap();
        assert_eq!(
            function.call(&[one.clone(), tiny.clone()]).unwrap_err().keyword,
            "db.error/arithmetic",
            "{name}"
        );
    }
    assert_eq!(compare(&tiny, &one), Some(Ordering::Less));
    assert_eq!(find(&"double".into()).unwrap().call(std::slice::from_ref(&tiny)).unwrap(), Edn::double(0.0));
    assert_eq!(find(&"long".into()).unwrap().call(&[tiny]).unwrap(), Edn::Int(0));
}

#[test]
fn numbers_that_would_grow_without_end_are_refused() {
    let mut square = edn("12345678901234567890N");
    let times = find(&"*".into()).unwrap();
    let end = (0..64).find_map(|_| match times.call(&[square.clone(), square.clone()]) {
        Ok(next) => {
            square = next;
            None
        }
        Err(error) => Some(error.keyword),
    });
    assert_eq!(end, Some("db.error/arithmetic"));
}

#[test]
fn kinds_and_logic() {
    all(&[
        ("(nil? nil)", "true"),
        ("(some? false)", "true"),
        ("(number? 1.5M)", "true"),
        ("(int? 1N)", "false"),
        ("(keyword? :a)", "true"),
        ("(zero? 0.0)", "true"),
        ("(pos? 1)", "true"),
        ("(neg? -1.5)", "true"),
        ("(even? 4N)", "true"),
        ("(odd? -3)", "true"),
        ("(not nil)", "true"),
        ("(and 1 nil 2)", "nil"),
        ("(and)", "true"),
        ("(or nil false 3)", "3"),
        ("(or)", "nil"),
        ("(identity [1])", "[1]"),
        ("(inst-ms #inst \"1970-01-01T00:00:01Z\")", "1000"),
    ]);
}

#[test]
fn text() {
    all(&[
        ("(str 1 nil \"a\" :k \\c)", "\"1a:kc\""),
        ("(str #uuid \"00000000-0000-4000-8000-000000000001\")", "\"00000000-0000-4000-8000-000000000001\""),
        ("(str #inst \"2020-01-02\")", "\"2020-01-02T00:00:00.000-00:00\""),
        ("(str [1 \"a\"])", "\"[1 \\\"a\\\"]\""),
        ("(subs \"übung\" 1)", "\"bung\""),
        ("(subs \"übung\" 0 2)", "\"üb\""),
        ("(count \"übung\")", "5"),
        ("(name :a/b)", "\"b\""),
        ("(namespace :a/b)", "\"a\""),
        ("(namespace :b)", "nil"),
        ("(keyword \"a\" \"b\")", ":a/b"),
        ("(keyword \"a\")", ":a"),
        ("(symbol \"a\")", "a"),
        ("(parse-long \"12\")", "12"),
        ("(parse-long \"x\")", "nil"),
        ("(clojure.string/starts-with? \"abc\" \"ab\")", "true"),
        ("(clojure.string/ends-with? \"abc\" \"bc\")", "true"),
        ("(clojure.string/includes? \"abc\" \"x\")", "false"),
        ("(clojure.string/blank? \" \")", "true"),
        ("(clojure.string/upper-case \"ab\")", "\"AB\""),
        ("(clojure.string/capitalize \"aB\")", "\"Ab\""),
        ("(clojure.string/trim \" a \")", "\"a\""),
        ("(clojure.string/reverse \"ab\")", "\"ba\""),
        ("(clojure.string/index-of \"übung\" \"u\")", "2"),
        ("(clojure.string/join \", \" [1 \"a\"])", "\"1, a\""),
        ("(clojure.string/join [1 2])", "\"12\""),
        ("(clojure.string/split \"a,b,,\" \",\")", "[\"a\" \"b\"]"),
        ("(clojure.string/replace \"aXa\" \"a\" \"b\")", "\"bXb\""),
        ("(re-find \"[0-9]+\" \"ab12\")", "\"12\""),
        ("(re-find \"(a)(x)?\" \"ba\")", "[\"a\" \"a\" nil]"),
        ("(re-matches \"a|ab\" \"ab\")", "\"ab\""),
        ("(re-matches \"b\" \"ab\")", "nil"),
        ("(re-seq \"[a-z]\" \"a1b\")", "(\"a\" \"b\")"),
    ]);
    refused("(subs \"abc\" 4)", "db.error/value-in-function");
    refused("(subs \"abc\" 2 1)", "db.error/value-in-function");
    refused("(subs \"abc\" -1)", "db.error/value-in-function");
    refused("(re-find \"(\" \"a\")", "db.error/value-in-function");
    refused("(keyword \"\")", "db.error/value-in-function");
    refused("(name 1)", "db.error/type-in-function");
}

#[test]
fn collections() {
    all(&[
        ("(vector 1 2)", "[1 2]"),
        ("(tuple 1 nil)", "[1 nil]"),
        ("(untuple [1 2])", "[1 2]"),
        ("(list 1 2)", "(1 2)"),
        ("(set [1 2 1])", "#{1 2}"),
        ("(hash-map :a 1)", "{:a 1}"),
        ("(get {:a 1} :a)", "1"),
        ("(get [5] 0)", "5"),
        ("(get nil 0 :none)", ":none"),
        ("(contains? [5] 1)", "false"),
        ("(first [])", "nil"),
        ("(second [1 2])", "2"),
        ("(last (1 2))", "2"),
        ("(rest [1 2 3])", "(2 3)"),
        ("(nth [1] 5 :none)", ":none"),
        ("(empty? \"\")", "true"),
        ("(count {:a 1})", "1"),
        ("(distinct [2 1 2])", "(2 1)"),
        ("(sort [2 1.5 1])", "(1 1.5 2)"),
        ("(sort [:a \"a\" 1])", "(1 :a \"a\")"),
        ("(reverse [1 2])", "(2 1)"),
        ("(concat [1] nil (2))", "(1 2)"),
        ("(range 3)", "(0 1 2)"),
        ("(range 5 0 -2)", "(5 3 1)"),
        ("(range 0 -1)", "()"),
    ]);
    refused("(nth [1] 5)", "db.error/value-in-function");
    refused("(nth [1] -1)", "db.error/value-in-function");
    refused("(sort [#{1} #{2}])", "db.error/type-in-function");
    refused("(range 0 10 0)", "db.error/value-in-function");
    refused("(range -9223372036854775808 9223372036854775807)", "db.error/value-in-function");
    refused("(hash-map :a)", "db.error/value-in-function");
    refused("(count 5)", "db.error/type-in-function");
}

#[test]
fn nothing_nests_without_end() {
    let mut deep = Edn::Int(0);
    let vector = find(&"vector".into()).unwrap();
    let end = (0..10_000).find_map(|_| match vector.call(std::slice::from_ref(&deep)) {
        Ok(deeper) => {
            deep = deeper;
            None
        }
        Err(error) => Some(error.keyword),
    });
    assert_eq!(end, Some("db.error/value-in-function"));
}

#[test]
fn names_and_counts_are_checked() {
    refused("(nosuch 1)", "db.error/unknown-function");
    refused("(inc)", "db.error/function-arity");
    refused("(inc 1 2)", "db.error/function-arity");
    assert!(names().windows(2).all(|pair| pair[0] < pair[1]), "no name stands for two functions");
    assert_eq!(find(&"clojure.core/inc".into()).map(Function::name), Some("inc"));
}

fn number() -> impl Strategy<Value = Edn> {
    let double =
        prop_oneof![any::<f64>(), (-5i32..5).prop_map(f64::from), Just(f64::NAN), Just(9007199254740992.0)];
    prop_oneof![
        prop_oneof![any::<i64>(), -5i64..5, Just(9007199254740993)].prop_map(Edn::Int),
        (-5i64..5, 0u32..3).prop_map(|(n, scale)| edn(&format!(
            "{}M",
            bigdecimal::BigDecimal::new(n.into(), i64::from(scale))
        ))),
        any::<i128>().prop_map(|n| edn(&format!("{n}N"))),
        double.prop_map(Edn::double),
    ]
}

proptest! {
    #[test]
    fn sizes_are_one_order((x, y, z) in (number(), number(), number())) {
        let side = |a: &Edn, b: &Edn| compare(a, b).expect("numbers compare");
        prop_assert_eq!(side(&x, &y), side(&y, &x).reverse());
        prop_assert_eq!(equal(&x, &y), side(&x, &y).is_eq());
        if side(&x, &y).is_le() && side(&y, &z).is_le() {
            prop_assert!(side(&x, &z).is_le());
        }
    }

    #[test]
    fn every_function_answers_or_refuses_whatever_it_is_given(
        at in any::<prop::sample::Index>(),
        args in prop::collection::vec(prop_oneof![
            number(),
            Just(Edn::Nil),
            any::<bool>().prop_map(Edn::Bool),
            "[a-c(\\[*]{0,3}".prop_map(Edn::string),
            "[a-c]{1,3}".prop_map(|name| Edn::keyword(&name)),
            prop::collection::vec(number(), 0..3).prop_map(Edn::Vector),
            prop::collection::vec(number(), 0..3).prop_map(|edns| Edn::Set(edns.into_iter().collect())),
        ], 0..4),
    ) {
        let names = names();
        let Some(function) = find(&names[at.index(names.len())].into()) else { return Ok(()) };
        if let Err(error) = function.call(&args) {
            prop_assert!(error.message.contains(function.name()), "{}", error.message);
        }
    }
}

#[test]
fn the_page_of_the_language_lists_every_function_and_aggregate() {
    let page = include_str!("../../../docs/query.md");
    let told = |name: &str| page.contains(&format!("`{name}`"));
    let plain = |name: &'static str| name.strip_prefix("clojure.string/").unwrap_or(name);
    let missing: Vec<_> = names().into_iter().map(plain).filter(|name| !told(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(crate::aggregate::NAMES.iter().all(|name| told(name)));
}
