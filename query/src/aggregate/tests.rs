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
    ]
}

proptest! {
    #[test]
    fn order_and_parts_do_not_matter(
        call in calls(),
        (values, shuffled) in prop::collection::vec(value(), 1..12)
            .prop_flat_map(|values| (Just(values.clone()), Just(values).prop_shuffle())),
        cut in any::<prop::sample::Index>(),
    ) {
        let Edn::List(parts) = edn(call) else { unreachable!() };
        let start = || Aggregate::find(&parts[0].to_string().as_str().into(), &parts[1..]).unwrap().start();
        let together = over(&parts[0].to_string(), &parts[1..], &values).unwrap();
        let (left, right) = shuffled.split_at(cut.index(shuffled.len() + 1));
        let (mut whole, mut rest) = (start(), start());
        left.iter().for_each(|value| whole.add(value).unwrap());
        right.iter().for_each(|value| rest.add(value).unwrap());
        whole.merge(rest).unwrap();
        prop_assert_eq!(together, whole.finish().unwrap(), "{}", call);
    }
}
