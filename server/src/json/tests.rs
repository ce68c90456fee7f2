//! Both notations against the table in `docs/http.md`, and the promise of the tagged one.

use std::collections::{BTreeMap, BTreeSet};

use annals::Edn;
use annals::edn::Real;
use proptest::prelude::*;
use serde_json::Value;

use super::question::read_question;
use super::write::scalar_text;
use super::{Json, SAFE, Types, read};

fn json(edn: &Edn, types: Types) -> String {
    serde_json::to_string(&Json(edn, types)).unwrap()
}

fn edn(text: &str) -> Edn {
    annals::edn::read_one(text).unwrap().to_edn()
}

fn back(text: &str, types: Types) -> Edn {
    read(&serde_json::from_str(text).unwrap(), types).unwrap_or_else(|problem| panic!("{text}: {problem:?}"))
}

/// The rows of the table of types: EDN, plain JSON, tagged JSON, each as it stands in backquotes.
fn documented() -> Vec<[String; 3]> {
    let page = include_str!("../../../docs/http.md");
    let table = page.split("<!-- types -->").nth(1).expect("docs/http.md has a table between two marks");
    let rows = table.lines().filter(|line| line.matches('`').count() >= 6);
    rows.map(|line| {
        let mut cells = line.split('`').skip(1).step_by(2).map(str::to_owned);
        std::array::from_fn(|_| cells.next().unwrap_or_else(|| panic!("three cells in {line}")))
    })
    .collect()
}

#[test]
fn the_documented_table_is_what_happens() {
    let rows = documented();
    assert!(rows.len() >= 24, "a row for every type, and there are {}", rows.len());
    for [text, plain, tagged] in &rows {
        // A 32-bit float has no EDN text of its own; the table writes it as it is asked for in JSON.
        let value = if tagged.starts_with("{\"~float") { back(tagged, Types::Tagged) } else { edn(text) };
        assert_eq!(&json(&value, Types::Plain), plain, "{text} in plain JSON");
        assert_eq!(&json(&value, Types::Tagged), tagged, "{text} in tagged JSON");
        assert_eq!(back(tagged, Types::Tagged), value, "{tagged} read as tagged JSON");
        assert_eq!(back(tagged, Types::Plain), if value == Edn::string(":a") { edn(":a") } else { value });
    }
}

#[test]
fn the_table_has_a_row_for_every_type() {
    let rows = documented();
    let have: BTreeSet<&str> =
        rows.iter().map(|[_, _, tagged]| back(tagged, Types::Tagged).type_name()).collect();
    let want = [
        "nil",
        "boolean",
        "long",
        "bigint",
        "float",
        "double",
        "bigdec",
        "instant",
        "uuid",
        "character",
        "keyword",
        "symbol",
        "string",
        "uri",
        "bytes",
        "list",
        "vector",
        "set",
        "map",
        "tagged value",
    ];
    assert_eq!(have, BTreeSet::from(want));
}

#[test]
fn plain_text_with_a_colon_is_a_keyword_only_if_it_can_be_one() {
    assert_eq!(back("\":a/b\"", Types::Plain), edn(":a/b"));
    assert_eq!(back("\": a\"", Types::Plain), Edn::string(": a"));
    assert_eq!(back("\":\"", Types::Plain), Edn::string(":"));
    assert_eq!(back("\":a/b\"", Types::Tagged), Edn::string(":a/b"));
    assert_eq!(back("{\"~str\": \":a/b\"}", Types::Plain), Edn::string(":a/b"));
}

#[test]
fn keys_that_look_the_same_are_kept_apart() {
    let map = Edn::Map([(Edn::string(":a"), Edn::Int(1)), (edn(":a"), Edn::Int(2))].into());
    assert_eq!(json(&map, Types::Plain), "[[\":a\",2],[\":a\",1]]");
    assert_eq!(back(&json(&map, Types::Tagged), Types::Tagged), map);
}

#[test]
fn what_does_not_fit_its_tag_is_refused() {
    for text in [
        r#"{"~int": "12x"}"#,
        r#"{"~int": 1}"#,
        r#"{"~bigint": "1 2"}"#,
        r#"{"~bigint": "1 ;"}"#,
        r#"{"~bigdec": "--1"}"#,
        r#"{"~inst": "yesterday"}"#,
        r#"{"~uuid": "123"}"#,
        r#"{"~bytes": "***"}"#,
        r#"{"~char": "ab"}"#,
        r#"{"~kw": "a b"}"#,
        r#"{"~kw": ""}"#,
        r#"{"~sym": "1"}"#,
        r#"{"~sym": "nil"}"#,
        r#"{"~set": [1, 1]}"#,
        r#"{"~map": [[1, 2], [1, 3]]}"#,
        r#"{"~map": [[1]]}"#,
        r#"{"~tagged": ["a b", 1]}"#,
        r#"{"~double": "1.5"}"#,
        r#"{"~nothing": 1}"#,
    ] {
        let value: Value = serde_json::from_str(text).unwrap();
        assert!(read(&value, Types::Tagged).is_err(), "{text}");
    }
}

#[track_caller]
fn check_question(json: &str, want: &str) {
    let value: Value = serde_json::from_str(json).unwrap();
    assert_eq!(read_question(&value).unwrap(), edn(want), "{json}");
}

#[test]
fn queries_as_json_data() {
    check_question(
        r#"[":find", "?n", ["count", "?e"], ":in", "$", "%", ["?x", "..."], ":where",
            ["?e", ":name", "?n"], [["<", "?n", 5]], ["not", ["?e", ":dead", true]], ["my-rule", "?e", "text"],
            ["$then", "?e", ":name", "_"], ["$then", "my-rule", "?e"],
            [["ground", ["a", "b"]], ["?x", "..."]], [["*", "?n", 2], "?m"],
            ["or", ["and", ["?e", ":a", "b"], ["?e", ":c", "$"]], ["?e", ":d", {"~str": "?n"}]]]"#,
        r#"[:find ?n (count ?e) :in $ % [?x ...] :where
            [?e :name ?n] [(< ?n 5)] (not [?e :dead true]) (my-rule ?e "text")
            [$then ?e :name _] ($then my-rule ?e)
            [(ground ["a" "b"]) [?x ...]] [(* ?n 2) ?m]
            (or (and [?e :a "b"] [?e :c $]) [?e :d "?n"])]"#,
    );
    check_question(
        r#"{":find": ["?e", "."], ":where": [["?e", ":a", 1]]}"#,
        "{:find [?e .] :where [[?e :a 1]]}",
    );
    check_question(
        r#"["*", {":artist/releases": ["*"]}, ["pull", "?e", ["*", ":a"]]]"#,
        "[* {:artist/releases [*]} (pull ?e [* :a])]",
    );
    check_question(r#"["?e", ":a", ["a", "b"]]"#, r#"[?e :a (a "b")]"#);
    check_question(r#"["?e", ":a", {"~list": []}]"#, "[?e :a ()]");
}

/// Any value that EDN can hold, 32-bit floats too.
fn any_edn() -> impl Strategy<Value = Edn> {
    let name = "[a-z][a-z0-9*!?-]{0,5}(/[a-z][a-z0-9.]{0,4})?";
    let leaf = prop_oneof![
        Just(Edn::Nil),
        any::<bool>().prop_map(Edn::Bool),
        any::<i64>().prop_map(Edn::Int),
        prop_oneof![Just(SAFE), Just(SAFE + 1), Just(-SAFE), Just(-SAFE - 1), -9i64..9].prop_map(Edn::Int),
        any::<i128>().prop_map(|n| edn(&format!("{n}N"))),
        any::<f64>().prop_map(|x| Edn::Double(Real(x))),
        (-5i32..5).prop_map(|x| Edn::Double(Real(f64::from(x)))),
        any::<f32>().prop_map(|x| Edn::Float(Real(f64::from(x)))),
        (any::<i64>(), 0usize..8).prop_map(|(n, zeros)| edn(&format!("{n}.{}1M", "0".repeat(zeros)))),
        any::<i64>().prop_map(Edn::Inst),
        any::<u128>().prop_map(|n| edn(&format!(
            "#uuid \"{:08x}-{:04x}-{:04x}-{:04x}-{:012x}\"",
            n >> 96,
            n >> 80 & 0xffff,
            n >> 64 & 0xffff,
            n >> 48 & 0xffff,
            n & 0xffff_ffff_ffff
        ))),
        any::<char>().prop_map(Edn::Char),
        name.prop_map(|text| Edn::keyword(&text)),
        name.prop_filter("no literals", |text| !["nil", "true", "false"].contains(&text.as_str()))
            .prop_map(|text| Edn::symbol(&text)),
        any::<String>().prop_map(Edn::string),
        "[:~][a-z]{0,3}".prop_map(Edn::string),
        "[a-z:/]{0,9}".prop_map(|text| Edn::Uri(text.into())),
        any::<Vec<u8>>().prop_map(|bytes| Edn::Bytes(bytes.into())),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let some = prop::collection::vec(inner.clone(), 0..6);
        prop_oneof![
            some.clone().prop_map(Edn::Vector),
            some.clone().prop_map(Edn::List),
            some.prop_map(|edns| Edn::Set(edns.into_iter().collect())),
            prop::collection::btree_map(inner.clone(), inner.clone(), 0..5).prop_map(Edn::Map),
            prop::collection::btree_map("[:~]?[a-z]{1,3}".prop_map(Edn::string), inner.clone(), 0..4)
                .prop_map(Edn::Map),
            inner.prop_map(|edn| Edn::Tagged("my/tag".into(), Box::new(edn))),
        ]
    })
}

/// Whole doubles lose their fraction, as in programs with one kind of number.
fn with_one_kind_of_number(value: Value) -> Value {
    match value {
        Value::Number(n) => match n.as_f64() {
            Some(x) if x.fract() == 0.0 && x.abs() <= SAFE as f64 => Value::from(x as i64),
            _ => Value::Number(n),
        },
        Value::Array(array) => array.into_iter().map(with_one_kind_of_number).collect(),
        Value::Object(object) => {
            Value::Object(object.into_iter().map(|(k, v)| (k, with_one_kind_of_number(v))).collect())
        }
        other => other,
    }
}

proptest! {
    #[test]
    fn tagged_json_gives_every_value_back(value in any_edn()) {
        let text = json(&value, Types::Tagged);
        prop_assert_eq!(&back(&text, Types::Tagged), &value, "{}", text);
        let poorer = with_one_kind_of_number(serde_json::from_str(&text).unwrap());
        prop_assert_eq!(&read(&poorer, Types::Tagged).unwrap(), &value, "{}", poorer);
    }

    #[test]
    fn plain_json_takes_every_value(value in any_edn()) {
        let text = json(&value, Types::Plain);
        prop_assert!(serde_json::from_str::<Value>(&text).is_ok(), "{}", text);
        let map = BTreeMap::from([(value.clone(), Edn::Nil)]);
        prop_assert!(serde_json::from_str::<Value>(&json(&Edn::Map(map), Types::Plain)).is_ok());
        let _ = scalar_text(&value);
    }
}
