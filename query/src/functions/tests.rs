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
    let huge = bigdecimal::BigDecimal::new(1.into(), -1_000_000_000_000);
    let huge = Edn::BigDec(std::sync::Arc::new(annals_storage::datom::Decimal(huge)));
    let refused = find(&"bigint".into()).unwrap().call(&[huge]).unwrap_err();
    assert_eq!(refused.keyword, "db.error/arithmetic");
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
        ("(str 1e10 \" \" 9999999.0 \" \" 1.25e-4 \" \" -1e7)", "\"1.0E10 9999999.0 1.25E-4 -1.0E7\""),
        ("(str 0.001 \" \" 0.0 \" \" ##-Inf \" \" ##NaN)", "\"0.001 0.0 -Infinity NaN\""),
        ("(str 1 nil \"a\" :k \\c)", "\"1a:kc\""),
        ("(str #uuid \"00000000-0000-4000-8000-000000000001\")", "\"00000000-0000-4000-8000-000000000001\""),
        ("(str 1.50M \" \" 3N)", "\"1.50 3\""),
        ("(clojure.string/join \" \" [1.5M 2])", "\"1.5 2\""),
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
        ("(clojure.string/replace \"a.b.\" \".\" \"$1\")", "\"a$1b$1\""),
        (r#"(clojure.string/replace "aab" #annals/regex "(a)(b)?" "<$2$10>\\$")"#, r#""<a0>$<ba0>$""#),
        (
            r#"(clojure.string/replace "abcdefghijk" #annals/regex "(a)(b)(c)(d)(e)(f)(g)(h)(i)(j)(k)" "$11$1")"#,
            r#""ka""#,
        ),
        (r#"(clojure.string/replace-first "aa" #annals/regex "a" "$0b")"#, r#""aba""#),
        ("(re-find \"[0-9]+\" \"ab12\")", "\"12\""),
        ("(re-find \"(a)(x)?\" \"ba\")", "[\"a\" \"a\" nil]"),
        ("(re-matches \"a|ab\" \"ab\")", "\"ab\""),
        ("(re-matches \"b\" \"ab\")", "nil"),
        ("(re-seq \"[a-z]\" \"a1b\")", "(\"a\" \"b\")"),
    ]);
    refused("(subs \"abc\" 4)", "db.error/value-in-function");
    refused("(subs \"abc\" 2 1)", "db.error/value-in-function");
    refused("(subs \"abc\" -1)", "db.error/value-in-function");
    refused(r#"(clojure.string/replace "a" #annals/regex "a" "$1")"#, "db.error/value-in-function");
    refused(r#"(clojure.string/replace "a" #annals/regex "a" "\\")"#, "db.error/value-in-function");
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
fn bits() {
    all(&[
        ("(bit-and 12 10)", "8"),
        ("(bit-or 12 10 1)", "15"),
        ("(bit-xor 12 10)", "6"),
        ("(bit-and-not 15 2 4)", "9"),
        ("(bit-not 0)", "-1"),
        ("(bit-shift-left 1 10)", "1024"),
        ("(bit-shift-left 1 64)", "1"),
        ("(bit-shift-right -8 1)", "-4"),
        ("(unsigned-bit-shift-right -1 60)", "15"),
        ("(bit-set 0 3)", "8"),
        ("(bit-clear 15 0)", "14"),
        ("(bit-flip 5 1)", "7"),
        ("(bit-test 4 2)", "true"),
        ("(bit-test 4 1)", "false"),
    ]);
    refused("(bit-and 1 1.0)", "db.error/type-in-function");
    refused("(bit-and 1N 1)", "db.error/type-in-function");
    refused("(bit-or 1)", "db.error/function-arity");
}

#[test]
fn numbers_of_other_types() {
    all(&[
        ("(bigint 3)", "3N"),
        ("(bigint 3.9M)", "3N"),
        ("(bigint -3.9)", "-3N"),
        ("(bigint 1e300M)", &format!("1{}N", "0".repeat(300))),
        ("(bigint \"123456789012345678901\")", "123456789012345678901N"),
        ("(bigdec 0.1)", "0.1M"),
        ("(bigdec 3N)", "3M"),
        ("(bigdec \"1.50\")", "1.50M"),
        ("(int 3.9)", "3"),
        ("(int \\a)", "97"),
        ("(char 97)", "\\a"),
    ]);
    assert_eq!(call("(float 0.1)").unwrap(), Edn::Float(crate::edn::Real(f64::from(0.1f32))));
    for text in ["(int 2147483648)", "(float 1e300)", "(bigint ##NaN)", "(bigdec ##Inf)"] {
        refused(text, "db.error/arithmetic");
    }
    refused("(bigint \"1x\")", "db.error/value-in-function");
    refused("(char -1)", "db.error/value-in-function");
    refused("(bigdec :a)", "db.error/type-in-function");
}

#[test]
fn marked_arithmetic_goes_on_with_bigints() {
    all(&[
        ("(+' 9223372036854775807 1)", "9223372036854775808N"),
        ("(+' 1 2)", "3"),
        ("(-' -9223372036854775808)", "9223372036854775808N"),
        ("(*' 9223372036854775807 9223372036854775807 0.5M)", "42535295865117307923698453892116250624.5M"),
        ("(inc' 9223372036854775807)", "9223372036854775808N"),
        ("(dec' -9223372036854775808)", "-9223372036854775809N"),
    ]);
    refused("(+' 1 :a)", "db.error/type-in-function");
}

#[test]
fn angles() {
    all(&[
        ("(Math/sin 0)", "0.0"),
        ("(Math/cos 0)", "1.0"),
        ("(Math/atan2 0 1)", "0.0"),
        ("(Math/hypot 3 4)", "5.0"),
        ("(clojure.math/to-degrees 0)", "0.0"),
    ]);
    let half = call("(Math/toRadians 180)").unwrap();
    assert_eq!(half, Edn::double(std::f64::consts::PI));
    refused("(Math/tan \"1\")", "db.error/type-in-function");
}

#[test]
fn instants_and_their_parts() {
    all(&[
        ("(time/instant \"2024-02-29T12:30:15.5Z\")", "#inst \"2024-02-29T12:30:15.5Z\""),
        ("(time/instant \"2024\")", "#inst \"2024-01-01\""),
        ("(clojure.instant/read-instant-date \"2024-01-02\")", "#inst \"2024-01-02\""),
        ("(time/instant -1)", "#inst \"1969-12-31T23:59:59.999\""),
        ("(time/instant #inst \"2020\")", "#inst \"2020\""),
        ("(.getTime #inst \"1970-01-01T00:00:01Z\")", "1000"),
        ("(inst-ms #inst \"1969-12-31T23:59:59.999999Z\")", "-1"),
        ("(time/micros #inst \"1970-01-01T00:00:00.000007Z\")", "7"),
        ("(time/year #inst \"1969-12-31T23:59:59.999\")", "1969"),
        ("(time/month #inst \"1969-12-31T23:59:59.999\")", "12"),
        ("(time/day #inst \"2024-02-29\")", "29"),
        ("(time/hour #inst \"1969-12-31T23:59:58.997\")", "23"),
        ("(time/minute #inst \"1969-12-31T23:59:58.997\")", "59"),
        ("(time/second #inst \"1969-12-31T23:59:58.997\")", "58"),
        ("(time/millisecond #inst \"1969-12-31T23:59:58.997\")", "997"),
        ("(time/day-of-week #inst \"1970-01-01\")", "4"),
        ("(time/day-of-week #inst \"2024-05-05\")", "7"),
        ("(time/day-of-week #inst \"1969-12-29\")", "1"),
        ("(time/day-of-year #inst \"2024-12-31T10:00\")", "366"),
        ("(time/day-of-year #inst \"-0001-01-01\")", "1"),
    ]);
    refused("(time/instant \"yesterday\")", "db.error/value-in-function");
    refused("(time/instant 9223372036854775807)", "db.error/arithmetic");
    refused("(time/instant 1.5)", "db.error/type-in-function");
    refused("(time/year 2024)", "db.error/type-in-function");
}

#[test]
fn durations() {
    all(&[
        ("(time/plus #inst \"2024-01-31T10:00\" 1 :month)", "#inst \"2024-02-29T10:00\""),
        ("(time/plus #inst \"2024-02-29\" -1 :years)", "#inst \"2023-02-28\""),
        ("(time/minus #inst \"2024-03-31\" 1 :months)", "#inst \"2024-02-29\""),
        ("(time/plus #inst \"2024-12-31\" 36 :hours)", "#inst \"2025-01-01T12:00\""),
        ("(time/minus #inst \"1970-01-01\" 1 :millisecond)", "#inst \"1969-12-31T23:59:59.999\""),
        ("(time/plus #inst \"2024-01-01\" 2 :quarters)", "#inst \"2024-07-01\""),
        ("(time/between #inst \"2024-01-01\" #inst \"2024-01-03T23:00\" :days)", "2"),
        ("(time/between #inst \"2024-01-03T23:00\" #inst \"2024-01-01\" :days)", "-2"),
        ("(time/between #inst \"2024-01-31\" #inst \"2024-02-29\" :months)", "0"),
        ("(time/between #inst \"2024-01-29T10:00\" #inst \"2024-02-29T09:00\" :months)", "0"),
        ("(time/between #inst \"2024-02-29T09:00\" #inst \"2024-01-29T10:00\" :months)", "0"),
        ("(time/between #inst \"2024-02-29\" #inst \"2024-01-29\" :month)", "-1"),
        ("(time/between #inst \"2000-02-29\" #inst \"2024-02-28\" :years)", "23"),
        ("(time/between #inst \"1970\" #inst \"1970-01-01T00:00:01Z\" :microseconds)", "1000000"),
        ("(time/truncate #inst \"2024-05-17T12:34:56.789\" :hour)", "#inst \"2024-05-17T12:00\""),
        ("(time/truncate #inst \"2024-05-17T12:34:56.789\" :week)", "#inst \"2024-05-13\""),
        ("(time/truncate #inst \"1969-12-31T12:00\" :weeks)", "#inst \"1969-12-29\""),
        ("(time/truncate #inst \"1969-12-31T12:00\" :day)", "#inst \"1969-12-31\""),
        ("(time/truncate #inst \"2024-05-17T12:34\" :month)", "#inst \"2024-05-01\""),
        ("(time/truncate #inst \"2024-05-17T12:34\" :quarter)", "#inst \"2024-04-01\""),
        ("(time/truncate #inst \"-0001-05-17T12:34\" :year)", "#inst \"-0001-01-01\""),
    ]);
    refused("(time/plus #inst \"2024\" 1 :fortnights)", "db.error/value-in-function");
    refused("(time/plus #inst \"2024\" 9223372036854775807 :years)", "db.error/arithmetic");
    refused("(time/minus #inst \"2024\" -9223372036854775808 :weeks)", "db.error/arithmetic");
    refused("(time/plus #inst \"2024\" 1.5 :days)", "db.error/type-in-function");
    refused("(time/between #inst \"2024\" 5 :days)", "db.error/type-in-function");
    refused("(time/truncate #inst \"2024\" \"day\")", "db.error/type-in-function");
}

#[test]
fn more_text() {
    all(&[
        ("(clojure.string/trim-newline \"a\\r\\n\\n\")", "\"a\""),
        ("(clojure.string/replace-first \"aXaX\" \"X\" \"-\")", "\"a-aX\""),
        ("(clojure.string/replace \"ab\" \"\" \"-\")", "\"-a-b-\""),
        ("(clojure.string/index-of \"übüb\" \"b\" 2)", "3"),
        ("(clojure.string/index-of \"ab\" \"a\" -5)", "0"),
        ("(clojure.string/index-of \"ab\" \"a\" 9)", "nil"),
        ("(clojure.string/last-index-of \"übüb\" \"b\")", "3"),
        ("(clojure.string/last-index-of \"übüb\" \"b\" 2)", "1"),
        ("(clojure.string/last-index-of \"ab\" \"a\" -1)", "nil"),
        ("(clojure.string/split-lines \"a\\r\\nb\\n\\nc\\n\\n\")", "[\"a\" \"b\" \"\" \"c\"]"),
        ("(clojure.string/split \"a,b,c\" \",\" 2)", "[\"a\" \"b,c\"]"),
        ("(clojure.string/split \"a,,\" \",\" -1)", "[\"a\" \"\" \"\"]"),
        ("(clojure.string/join 0 [1 nil 2])", "\"1002\""),
        ("(pr-str \"a\" 1 nil)", "\"\\\"a\\\" 1 nil\""),
        ("(read-string \"{:a [1 2.0]}\")", "{:a [1 2.0]}"),
        ("(clojure.edn/read-string \":a\")", ":a"),
        ("(edn/read-string \"1\")", "1"),
        ("(parse-boolean \"true\")", "true"),
        ("(parse-boolean \"yes\")", "nil"),
        (
            "(parse-uuid \"00000000-0000-4000-8000-000000000001\")",
            "#uuid \"00000000-0000-4000-8000-000000000001\"",
        ),
        ("(parse-uuid \"1\")", "nil"),
        ("(.startsWith \"abc\" \"ab\")", "true"),
        ("(.length \"abc\")", "3"),
    ]);
    refused("(read-string \"(\")", "db.error/value-in-function");
    refused("(read-string nil)", "db.error/type-in-function");
    refused("(clojure.string/split \"a\" \",\" :all)", "db.error/type-in-function");
}

#[test]
fn formats() {
    all(&[
        ("(format \"%s is %d\" :a 7)", "\":a is 7\""),
        ("(format \"%5s|%-5s|%.2s\" \"ab\" \"ab\" \"abc\")", "\"   ab|ab   |ab\""),
        ("(format \"%05d|%+d|%,d\" -42 7 -1234567)", "\"-0042|+7|-1,234,567\""),
        ("(format \"%.2f %.0f %f\" 0.125 2.5 1.5M)", "\"0.13 3 1.500000\""),
        ("(format \"%8.1f|%,.2f\" -3.05 1234567.891)", "\"    -3.1|1,234,567.89\""),
        ("(format \"%.2f %f\" 0.0 ##NaN)", "\"0.00 NaN\""),
        ("(format \"%x %b %b%%\" 255 nil 0)", "\"ff false true%\""),
        ("(format \"%d\" 12345678901234567890N)", "\"12345678901234567890\""),
        ("(format \"%s\" nil)", "\"null\""),
        ("(format \"a%nb\")", "\"a\\nb\""),
    ]);
    refused("(format \"%d\" 1.5)", "db.error/type-in-function");
    refused("(format \"%f\" 1)", "db.error/type-in-function");
    refused("(format \"%d\")", "db.error/value-in-function");
    refused("(format \"%q\" 1)", "db.error/value-in-function");
    refused("(format \"%\")", "db.error/value-in-function");
    refused("(format \"%99999s\" 1)", "db.error/value-in-function");
    refused("(format 5)", "db.error/type-in-function");
}

#[test]
fn collections_made_of_others() {
    all(&[
        ("(keys {:b 2 :a 1})", "(:a :b)"),
        ("(vals {:b 2 :a 1})", "(1 2)"),
        ("(keys nil)", "()"),
        ("(get-in {:a [5 {:b 7}]} [:a 1 :b])", "7"),
        ("(get-in {:a 1} [:a :b])", "nil"),
        ("(get-in {:a 1} [:b] 0)", "0"),
        ("(assoc {:a 1} :b 2 :a 3)", "{:a 3 :b 2}"),
        ("(assoc nil :a 1)", "{:a 1}"),
        ("(assoc [1 2] 0 5 2 6)", "[5 2 6]"),
        ("(dissoc {:a 1 :b 2} :a :c)", "{:b 2}"),
        ("(conj [1] 2 3)", "[1 2 3]"),
        ("(conj (1) 2 3)", "(3 2 1)"),
        ("(conj #{1} 1 2)", "#{1 2}"),
        ("(conj {:a 1} [:b 2] {:c 3})", "{:a 1 :b 2 :c 3}"),
        ("(conj nil 1)", "(1)"),
        ("(into [1] (2 3))", "[1 2 3]"),
        ("(into (1) [2 3])", "(3 2 1)"),
        ("(into {} [[:a 1]])", "{:a 1}"),
        ("(into [] {:a 1})", "[[:a 1]]"),
        ("(into #{} [1 1])", "#{1}"),
        ("(merge {:a 1 :b 1} nil {:b 2})", "{:a 1 :b 2}"),
        ("(merge nil nil)", "nil"),
        ("(select-keys {:a 1 :b 2} [:a :c])", "{:a 1}"),
        ("(zipmap [:a :b :c] [1 2])", "{:a 1 :b 2}"),
        ("(frequencies [1 :a 1])", "{1 2 :a 1}"),
        ("(take 2 [1 2 3])", "(1 2)"),
        ("(take -1 [1])", "()"),
        ("(drop 2 [1 2 3])", "(3)"),
        ("(take-last 2 [1 2 3])", "(2 3)"),
        ("(drop-last 2 [1 2 3])", "(1)"),
        ("(drop-last [1 2])", "(1)"),
        ("(butlast [1 2])", "(1)"),
        ("(subvec [1 2 3] 1)", "[2 3]"),
        ("(subvec [1 2 3] 1 2)", "[2]"),
        ("(cons 1 [2])", "(1 2)"),
        ("(seq [])", "nil"),
        ("(seq {:a 1})", "([:a 1])"),
        ("(next [1])", "nil"),
        ("(next [1 2])", "(2)"),
        ("(not-empty \"\")", "nil"),
        ("(not-empty #{1})", "#{1}"),
        ("(peek [1 2])", "2"),
        ("(peek (1 2))", "1"),
        ("(pop [1 2])", "[1]"),
        ("(pop (1 2))", "(2)"),
        ("(partition 2 [1 2 3])", "((1 2))"),
        ("(interleave [1 2] [:a :b :c])", "(1 :a 2 :b)"),
        ("(interpose 0 [1 2])", "(1 0 2)"),
        ("(repeat 2 :a)", "(:a :a)"),
        ("(flatten [1 [2 (3 [])] #{4}])", "(1 2 3 #{4})"),
        ("(disj #{1 2} 1 3)", "#{2}"),
        ("(clojure.set/union #{1} nil #{2})", "#{1 2}"),
        ("(clojure.set/intersection #{1 2} #{2 3})", "#{2}"),
        ("(clojure.set/difference #{1 2 3} #{2} #{3})", "#{1}"),
        ("(clojure.set/subset? #{1} #{1 2})", "true"),
        ("(clojure.set/superset? #{1} #{1 2})", "false"),
    ]);
    for text in
        ["(keys [1])", "(assoc #{1} 1 2)", "(conj 1 2)", "(take :a [1])", "(into 1 [2])", "(peek #{1})"]
    {
        refused(text, "db.error/type-in-function");
    }
    for text in [
        "(assoc {} :a 1 :b)",
        "(assoc [1] 2 0)",
        "(subvec [1] 2)",
        "(subvec [1 2] 1 0)",
        "(subvec [1] -1)",
        "(pop [])",
        "(conj {} [1])",
        "(partition 0 [1])",
    ] {
        refused(text, "db.error/value-in-function");
    }
}

#[test]
fn no_result_is_larger_than_the_limits() {
    let call = |name: &str, args: &[Edn]| find(&name.into()).unwrap().call(args);
    let wide = Edn::string("x".repeat(TEXT_MAX / 2 + 1));
    let long = call("range", &[Edn::Int(PARTS_MAX as i64)]).unwrap();
    let half = call("range", &[Edn::Int(PARTS_MAX as i64 / 2 + 1)]).unwrap();
    assert_eq!(call("count", std::slice::from_ref(&long)).unwrap(), Edn::Int(PARTS_MAX as i64));
    let x = || Edn::string("x");
    let refused: [(&str, Vec<Edn>); 17] = [
        ("str", vec![wide.clone(), wide.clone()]),
        ("str", vec![Edn::Vector(vec![wide.clone(), wide.clone()])]),
        ("pr-str", vec![wide.clone(), wide.clone()]),
        ("format", vec![Edn::string("%s%s"), wide.clone(), wide.clone()]),
        ("clojure.string/join", vec![wide.clone(), Edn::Vector(vec![x(), x(), x()])]),
        ("clojure.string/replace", vec![Edn::string("xx"), x(), wide.clone()]),
        ("clojure.string/replace", vec![wide.clone(), x(), Edn::string("yy")]),
        ("clojure.string/split", vec![wide.clone(), x(), Edn::Int(-1)]),
        ("re-seq", vec![x(), wide.clone()]),
        ("range", vec![Edn::Int(PARTS_MAX as i64 + 1)]),
        ("repeat", vec![Edn::Int(PARTS_MAX as i64 + 1), Edn::Nil]),
        ("repeat", vec![Edn::Int(3), half.clone()]),
        ("concat", vec![half.clone(), half.clone()]),
        ("interleave", vec![half.clone(), half.clone()]),
        ("interpose", vec![Edn::Nil, half.clone()]),
        ("cons", vec![Edn::Nil, long.clone()]),
        ("into", vec![Edn::Vector(vec![Edn::Nil]), long]),
    ];
    for (name, args) in refused {
        let error = call(name, &args).expect_err(name);
        assert_eq!(error.keyword, "db.error/value-in-function", "{name}");
        assert!(error.message.len() < 200, "{name} {}", error.message);
    }
    // A value of few parts, each twice the one before.
    let mut twice = Edn::Vector(vec![]);
    let end = (0..64).find_map(|_| match call("vector", &[twice.clone(), twice.clone()]) {
        Ok(larger) => {
            twice = larger;
            None
        }
        Err(error) => Some(error.keyword),
    });
    assert_eq!(end, Some("db.error/value-in-function"));
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
    let plain = |name: &'static str| {
        let grouped = ["clojure.string/", "clojure.set/", "time/"];
        grouped.iter().find_map(|before| name.strip_prefix(before)).unwrap_or(name)
    };
    let others = OTHER_NAMES.into_iter().map(|(other, _)| other);
    let missing: Vec<_> = names().into_iter().map(plain).chain(others).filter(|name| !told(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(crate::aggregate::NAMES.iter().all(|name| told(name)));
}
