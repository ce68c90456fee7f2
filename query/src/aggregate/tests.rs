//! What aggregates make of values, in whatever order and parts they come.

use super::*;
use crate::edn::read_one;
use proptest::prelude::*;

fn edn(text: &str) -> Edn {
    read_one(text).unwrap_or_else(|error| panic!("{text}: {error}")).to_edn()
}

fn over(name: &str, before: &[Edn], values: &[Edn]) -> Result<Edn> {
    let mut accumulator = Aggregate::find(&name.into(), before)?.start();
    values.iter().try_for_each(|value| accumulator.add(value))?;
    accumulator.finish()
}

/// The aggregate `call`, written `(name before …)`, over the elements of a vector.
fn of(call: &str, values: &str) -> Result<Edn> {
    let (Edn::List(call), Edn::Vector(values)) = (edn(call), edn(values)) else {
        panic!("{call} over {values}")
    };
    over(&call[0].to_string(), &call[1..], &values)
}

fn check(call: &str, values: &str, expected: &str) {
    let result = of(call, values).unwrap_or_else(|error| panic!("{call} {values}: {error}"));
    assert_eq!(result.to_string(), edn(expected).to_string(), "{call} {values}");
}

fn refused(call: &str, values: &str, keyword: &str) {
    assert_eq!(of(call, values).unwrap_err().keyword, keyword, "{call} {values}");
}

#[test]
fn counts() {
    check("(count)", "[1 1 2]", "3");
    check("(count-distinct)", "[1 1 2]", "2");
    check("(distinct)", "[1 1 2]", "#{1 2}");
}

#[test]
fn sums_have_the_highest_type_among_their_terms() {
    check("(sum)", "[1 2 3]", "6");
    check("(sum)", "[1 2N]", "3N");
    check("(sum)", "[1 0.5M 2N]", "3.5M");
    check("(sum)", "[1 0.5 0.25M]", "1.75");
    check("(sum)", "[9223372036854775807 1 -1]", "9223372036854775807");
    check("(sum)", "[1e308 1e308 -1e308]", "1e308");
    refused("(sum)", "[9223372036854775807 1]", "db.error/arithmetic");
    refused("(sum)", "[1 \"a\"]", "db.error/type-in-function");
}

#[test]
fn a_sum_of_doubles_is_rounded_once() {
    check("(sum)", "[0.1 0.1 0.1 0.1 0.1 0.1 0.1 0.1 0.1 0.1]", "1.0");
    check("(sum)", "[1e100 1.0 -1e100]", "1.0");
    check("(sum)", "[1.0 ##Inf]", "##Inf");
    check("(sum)", "[##-Inf ##Inf]", "##NaN");
}

#[test]
fn means_and_spreads() {
    check("(avg)", "[1 2]", "1.5");
    check("(avg)", "[1M 2N 3.0]", "2.0");
    check("(median)", "[3 1 2]", "2");
    check("(median)", "[4 1 2 3]", "2.5");
    check("(variance)", "[2 4 4 4 5 5 7 9]", "4.0");
    check("(stddev)", "[2 4 4 4 5 5 7 9]", "2.0");
    refused("(median)", "[:a :b]", "db.error/type-in-function");
    refused("(avg)", "[nil]", "db.error/type-in-function");
}

#[test]
fn extremes_of_anything_ordered() {
    check("(min)", "[\"b\" \"a\"]", "\"a\"");
    check("(max)", "[#inst \"2020-01-01\" #inst \"2021-01-01\"]", "#inst \"2021-01-01\"");
    check("(min)", "[2 1.5]", "1.5");
    check("(max)", "[1 1.0]", "1.0");
    check("(max)", "[1.0 1]", "1.0");
    check("(min 2)", "[3 1 2]", "[1 2]");
    check("(max 2)", "[3 1 2]", "[2 3]");
    check("(max 9)", "[3 1 2]", "[1 2 3]");
    check("(max)", "[1 :a]", ":a");
    check("(min 2)", "[\"a\" 1 :a]", "[1 :a]");
    refused("(max)", "[#{1} #{2}]", "db.error/type-in-function");
    refused("(min :a)", "[1]", "db.error/type-in-function");
    refused("(min -1)", "[1]", "db.error/type-in-function");
}

#[test]
fn draws() {
    check("(rand)", "[7]", "7");
    check("(rand 3)", "[7]", "[7 7 7]");
    check("(sample 3)", "[7 7]", "[7]");
    let Edn::Vector(some) = of("(sample 4)", "[1 2 3 4 5 6 7 8 9]").unwrap() else { panic!("a vector") };
    assert_eq!(some.iter().collect::<BTreeSet<_>>().len(), 4);
    refused("(rand 99999999999)", "[1]", "db.error/value-in-function");
}

#[test]
fn nothing_gives_nothing() {
    check("(count)", "[]", "nil");
    check("(sum)", "[]", "nil");
    check("(min 2)", "[]", "nil");
}

#[test]
fn unknown_names_and_wrong_counts() {
    refused("(nosuch)", "[]", "db.error/unknown-function");
    refused("(count 1)", "[]", "db.error/function-arity");
    refused("(sample)", "[]", "db.error/function-arity");
}

fn calls() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "(count)",
        "(count-distinct)",
        "(distinct)",
        "(sum)",
        "(avg)",
        "(median)",
        "(variance)",
        "(stddev)",
        "(min)",
        "(max)",
        "(min 2)",
        "(max 2)",
        "(rand)",
        "(rand 3)",
        "(sample 2)",
    ])
}

fn value() -> impl Strategy<Value = Edn> {
    prop_oneof![
        (-3i64..3).prop_map(Edn::Int),
        prop_oneof![-1e3..1e3f64, Just(1e308), Just(-1e308), Just(0.1)].prop_map(Edn::double),
        (-3i64..3).prop_map(|n| edn(&format!("{n}N"))),
        (-3i64..3).prop_map(|n| edn(&format!("{n}.50M"))),
    ]
}

/// Of one type or several, now and then what has no order.
fn values() -> impl Strategy<Value = Vec<Edn>> {
    let other = prop_oneof![
        8 => value(),
        2 => (0i64..3).prop_map(Edn::Inst),
        2 => "[a-c]{0,2}".prop_map(Edn::string),
        2 => "[a-c]{1,2}".prop_map(|name| Edn::keyword(&name)),
        1 => (0i64..2).prop_map(|n| Edn::Vector(vec![Edn::Int(n), Edn::Set([Edn::Int(n)].into())])),
    ];
    prop_oneof![prop::collection::vec(value(), 1..12), prop::collection::vec(other, 1..12)]
}

proptest! {
    #[test]
    fn order_and_parts_do_not_matter(
        call in calls(),
        (values, shuffled) in values().prop_flat_map(|values| (Just(values.clone()), Just(values).prop_shuffle())),
        cut in any::<prop::sample::Index>(),
    ) {
        let Edn::List(parts) = edn(call) else { unreachable!() };
        let start = || Aggregate::find(&parts[0].to_string().as_str().into(), &parts[1..]).unwrap().start();
        let together = over(&parts[0].to_string(), &parts[1..], &values).map_err(|error| error.keyword);
        let (left, right) = shuffled.split_at(cut.index(shuffled.len() + 1));
        let in_parts = || {
            let (mut whole, mut rest) = (start(), start());
            left.iter().try_for_each(|value| whole.add(value))?;
            right.iter().try_for_each(|value| rest.add(value))?;
            whole.merge(rest)?;
            whole.finish()
        };
        let in_parts: Result<Edn> = in_parts();
        prop_assert_eq!(together, in_parts.map_err(|error| error.keyword), "{}", call);
    }
}

/// Each aggregate over values of each type: what it gives, or that it refuses them.
#[test]
fn every_aggregate_over_every_type() {
    const NO: &str = "refused";
    let kinds = [
        "[3 1 2 2]",
        "[0.5 2.5 1.5 1.5]",
        "[0.50M 2.5M 1.5M 1.5M]",
        "[3N 1N 2N 2N]",
        "[#inst \"2020\" #inst \"2022\" #inst \"2021\" #inst \"2021\"]",
        "[\"a\" \"c\" \"b\" \"b\"]",
        "[:a :c :b :b]",
        "[1 2.5 2M 2N]",
        "[1 \"a\" :b :b]",
    ];
    let table: [(&str, [&str; 9]); 13] = [
        ("(count)", ["4"; 9]),
        ("(count-distinct)", ["3", "3", "3", "3", "3", "3", "3", "4", "3"]),
        (
            "(distinct)",
            [
                "#{1 2 3}",
                "#{0.5 1.5 2.5}",
                "#{0.50M 1.5M 2.5M}",
                "#{1N 2N 3N}",
                "#{#inst \"2020\" #inst \"2021\" #inst \"2022\"}",
                "#{\"a\" \"b\" \"c\"}",
                "#{:a :b :c}",
                "#{1 2N 2.5 2M}",
                "#{1 :b \"a\"}",
            ],
        ),
        ("(sum)", ["8", "6.0", "6.00M", "8N", NO, NO, NO, "7.5", NO]),
        ("(avg)", ["2.0", "1.5", "1.5", "2.0", NO, NO, NO, "1.875", NO]),
        ("(median)", ["2.0", "1.5", "1.5", "2.0", NO, NO, NO, "2.0", NO]),
        ("(variance)", ["0.5", "0.5", "0.5", "0.5", NO, NO, NO, "0.296875", NO]),
        (
            "(stddev)",
            [
                "0.7071067811865476",
                "0.7071067811865476",
                "0.7071067811865476",
                "0.7071067811865476",
                NO,
                NO,
                NO,
                "0.5448623679425842",
                NO,
            ],
        ),
        ("(min)", ["1", "0.5", "0.50M", "1N", "#inst \"2020\"", "\"a\"", ":a", "1", "1"]),
        ("(max)", ["3", "2.5", "2.5M", "3N", "#inst \"2022\"", "\"c\"", ":c", "2.5", "\"a\""]),
        (
            "(min 2)",
            [
                "[1 2]",
                "[0.5 1.5]",
                "[0.50M 1.5M]",
                "[1N 2N]",
                "[#inst \"2020\" #inst \"2021\"]",
                "[\"a\" \"b\"]",
                "[:a :b]",
                "[1 2N]",
                "[1 :b]",
            ],
        ),
        (
            "(max 2)",
            [
                "[2 3]",
                "[1.5 2.5]",
                "[1.5M 2.5M]",
                "[2N 3N]",
                "[#inst \"2021\" #inst \"2022\"]",
                "[\"b\" \"c\"]",
                "[:b :c]",
                "[2M 2.5]",
                "[:b \"a\"]",
            ],
        ),
        ("(max 0)", ["[]"; 9]),
    ];
    for (call, expected) in table {
        for (values, expected) in kinds.into_iter().zip(expected) {
            if expected == NO {
                refused(call, values, "db.error/type-in-function");
            } else {
                check(call, values, expected);
            }
        }
    }
    for values in kinds {
        let Edn::Vector(all) = edn(values) else { unreachable!() };
        let drawn = |call: &str| of(call, values).unwrap();
        assert!(all.contains(&drawn("(rand)")), "{values}");
        let Edn::Vector(many) = drawn("(rand 9)") else { panic!("a vector") };
        assert!(many.len() == 9 && many.iter().all(|value| all.contains(value)), "{values}");
        let Edn::Vector(some) = drawn("(sample 2)") else { panic!("a vector") };
        assert!(some.len() == 2 && some[0] != some[1] && some.iter().all(|value| all.contains(value)));
        let Edn::Vector(some) = drawn("(sample 9)") else { panic!("a vector") };
        assert_eq!(some.into_iter().collect::<BTreeSet<_>>(), all.into_iter().collect());
    }
}

#[test]
fn what_is_refused_does_not_depend_on_the_order() {
    // Far apart, with one between them.
    let far = |scale: i64| {
        Edn::BigDec(std::sync::Arc::new(annals_storage::datom::Decimal(bigdecimal::BigDecimal::new(
            1.into(),
            scale,
        ))))
    };
    let (near, between, away) = (far(0), far(200_000), far(400_000));
    for values in [[&near, &between, &away], [&near, &away, &between], [&away, &near, &between]] {
        let error = over("sum", &[], &values.map(Clone::clone)).unwrap_err();
        assert_eq!(error.keyword, "db.error/arithmetic");
    }
    for values in ["[[0 #{1}] [1 #{1}] [1 #{2}]]", "[[1 #{1}] [1 #{2}] [0 #{1}]]"] {
        refused("(max)", values, "db.error/type-in-function");
        refused("(min 2)", values, "db.error/type-in-function");
    }
    check("(max)", "[[0 :a] [1 nil] [1]]", "[1 nil]");
}

/// By both evaluators.
fn asked(text: &str, expected: &str) {
    use crate::fixture::films;
    use crate::{Budget, QueryArg, naive, parse, q};
    let query = parse::query_text(text).unwrap();
    let args = [QueryArg::Source(std::sync::Arc::new(films().now()))];
    let fast = q(&query, &args, &Budget::default()).unwrap().into_edn();
    let slow = naive::q(&query, &args, &Budget::default()).unwrap().into_edn();
    assert_eq!(fast.to_string(), edn(expected).to_string(), "{text}");
    assert_eq!(slow.to_string(), edn(expected).to_string(), "{text}");
}

#[test]
fn with_keeps_equal_values_of_different_entities_apart() {
    let over = |call: &str, rest: &str| format!("[:find ({call} ?y) . {rest} :where [?f :film/year ?y]]");
    for (call, alone, with) in [
        ("count", "2", "3"),
        ("count-distinct", "2", "2"),
        ("distinct", "#{1980 1985}", "#{1980 1985}"),
        ("sum", "3965", "5950"),
        ("avg", "1982.5", "1983.3333333333333"),
        ("median", "1982.5", "1985"),
        ("variance", "6.25", "5.555555555555556"),
        ("min", "1980", "1980"),
        ("max", "1985", "1985"),
        ("min 3", "[1980 1985]", "[1980 1985 1985]"),
        ("max 2", "[1980 1985]", "[1985 1985]"),
    ] {
        asked(&over(call, ""), alone);
        asked(&over(call, ":with ?f"), with);
    }
}

#[test]
fn over_no_rows_there_is_no_row() {
    for call in ["count", "count-distinct", "distinct", "sum", "avg", "median", "variance", "stddev", "min"] {
        asked(&format!("[:find ({call} ?y) :where [?f :film/year ?y] [(< ?y 0)]]"), "[]");
        asked(&format!("[:find ({call} ?y) . :with ?f :where [?f :film/year ?y] [(< ?y 0)]]"), "nil");
    }
    for call in ["max", "min 2", "max 2", "rand", "rand 2", "sample 2"] {
        asked(
            &format!("[:find ?t ({call} ?y) :where [?f :film/title ?t] [?f :film/year ?y] [(< ?y 0)]]"),
            "[]",
        );
    }
}
