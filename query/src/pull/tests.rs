//! What patterns give, case by case.

use super::*;
use crate::edn::read_one;
use crate::facts::Facts;
use crate::fixture::{Build, e, edn, films, n, refs, s, tracks};
use crate::parse;
use annals_storage::datom::{Tag, Value};

fn pulled(build: &Build, pattern: &str, entity: u64) -> Result<Edn> {
    let pattern = parse::pull(&read_one(pattern)?)?;
    Ok(pull(&build.now(), &pattern, &[e(entity)])?.remove(0))
}

/// `#n` in the expected text is the id of the fixture's n-th entity.
fn check(build: &Build, pattern: &str, entity: u64, expected: &str) {
    let mut expected = expected.to_owned();
    for n in (0..100).rev() {
        expected = expected.replace(&format!("#e{n}"), &e(n).to_string());
    }
    let found = pulled(build, pattern, entity).unwrap_or_else(|error| panic!("{pattern}\n{error:?}"));
    assert_eq!(found.to_string(), edn(&expected).to_string(), "{pattern}");
}

fn refused(build: &Build, pattern: &str, keyword: &str) {
    assert_eq!(pulled(build, pattern, 1).unwrap_err().keyword, keyword, "{pattern}");
}

#[test]
fn attributes_by_name() {
    check(&films(), "[:film/title :film/year]", 11, r#"{:film/title "Harbour", :film/year 1980}"#);
    check(&films(), "[:film/score :film/title]", 13, r#"{:film/title "Laughing Gas"}"#);
    check(&films(), "[:db/id :film/genres]", 12, "{:db/id #e12, :film/genres [:crime :drama]}");
    check(
        &films(),
        "[:film/title :film/colour [:film/length :default 90]]",
        11,
        r#"{:film/title "Harbour", :film/length 90}"#,
    );
}

#[test]
fn references_forward_and_back() {
    check(&films(), "[:film/director]", 11, "{:film/director {:db/id #e1}}");
    check(&films(), "[{:film/director [:person/name]}]", 11, r#"{:film/director {:person/name "Ann Berg"}}"#);
    check(
        &films(),
        "[:person/name {:film/_cast [:film/title]}]",
        3,
        r#"{:person/name "Eda Falk", :film/_cast [{:film/title "Harbour"}]}"#,
    );
    check(&films(), "[:film/_director]", 2, "{:film/_director [{:db/id #e13}]}");
    check(&tracks(), "[:node/_parts]", 5, "{:node/_parts {:db/id #e1}}");
    check(&tracks(), "[{:node/_parts [:node/id]}]", 5, "{:node/_parts {:node/id :p}}");
    refused(&films(), "[:film/_year]", "db.error/invalid-pull");
    refused(&films(), "[{:film/year [:film/title]}]", "db.error/invalid-pull");
}

#[test]
fn a_reference_to_a_named_entity_is_its_id_too() {
    let facts = films().now().naming("person/ann".into(), e(1));
    let pattern = parse::pull(&read_one("[:film/director]").unwrap()).unwrap();
    let found = pull(&facts, &pattern, &[e(11)]).unwrap().remove(0);
    assert_eq!(found, edn(&format!("{{:film/director {{:db/id {}}}}}", e(1))));
}

#[test]
fn options_of_an_attribute() {
    check(&films(), "[[:film/score :default 0] [:film/year :as :y]]", 13, "{:film/score 0, :y 1985}");
    check(&films(), "[[:film/year :as \"the year\"] [:db/id :as :id]]", 13, "{:id #e13, \"the year\" 1985}");
    check(&films(), "[[:film/year :xform str]]", 13, "{:film/year \"1985\"}");
    check(&films(), "[[:film/genres :xform count]]", 12, "{:film/genres 2}");
    check(&films(), "[[:film/score :xform namespace :default 1]]", 13, "{:film/score 1}");
    refused(&films(), "[[:film/year :xform nosuch]]", "db.error/unknown-function");
    let flags = Build::default().attr("x/on", Tag::Boolean, "").tx().add(1, "x/on", [Value::Boolean(true)]);
    check(&flags, "[[:x/on :default false]]", 1, "{:x/on true}");
    check(&flags, "[[:x/on :default false]]", 2, "{:x/on false}");
}

#[test]
fn limits() {
    let many = Build::default().attr("boat/tags", Tag::Long, "many").tx().add(
        1,
        "boat/tags",
        (0..1500).map(Value::Long),
    );
    let count = |pattern| match pulled(&many, pattern, 1).unwrap() {
        Edn::Map(map) => map.values().next().and_then(Edn::as_seq).map_or(0, <[Edn]>::len),
        other => panic!("{other}"),
    };
    assert_eq!(count("[:boat/tags]"), 1000);
    assert_eq!(count("[[:boat/tags :limit nil]]"), 1500);
    assert_eq!(count("[[:boat/tags :limit 3]]"), 3);
    check(&many, "[[:boat/tags :limit 2]]", 1, "{:boat/tags [0 1]}");
}

#[test]
fn wildcards() {
    check(&tracks(), "[*]", 4, "{:db/id #e4, :node/id :s}");
    check(
        &tracks(),
        "[*]",
        1,
        r#"{:db/id #e1, :node/id :p, :node/next [{:db/id #e2}],
            :node/parts [{:db/id #e5, :part/label "rail"} {:db/id #e6, :part/label "sign"}]}"#,
    );
    check(
        &films(),
        "[* {:film/director [:person/name]} [:film/cast :limit 1]]",
        13,
        r#"{:db/id #e13, :film/title "Laughing Gas", :film/year 1985, :film/genres [:comedy],
            :film/director {:person/name "Cal Dorn"}, :film/cast [{:db/id #e1}]}"#,
    );
    check(&films(), "[* [:film/score :default 1.0]]", 99, "{:db/id #e99, :film/score 1.0}");
    check(&films(), "[*]", 99, "{:db/id #e99}");
}

#[test]
fn components_are_whole() {
    check(
        &tracks(),
        "[:node/parts]",
        1,
        r#"{:node/parts [{:db/id #e5, :part/label "rail"} {:db/id #e6, :part/label "sign"}]}"#,
    );
    check(
        &tracks(),
        "[{:node/parts [:part/label]}]",
        1,
        r#"{:node/parts [{:part/label "rail"} {:part/label "sign"}]}"#,
    );
    let circle = Build::default().attr("x/part", Tag::Ref, "component").tx().add(1, "x/part", refs([2])).add(
        2,
        "x/part",
        refs([1]),
    );
    check(&circle, "[:x/part]", 1, "{:x/part {:db/id #e2, :x/part {:db/id #e1}}}");
}

#[test]
fn recursion() {
    check(
        &tracks(),
        "[:node/id {:node/next 1}]",
        2,
        "{:node/id :q, :node/next [{:node/id :r} {:node/id :s}]}",
    );
    check(
        &tracks(),
        "[:node/id {:node/next 2}]",
        2,
        "{:node/id :q, :node/next [{:node/id :r, :node/next [{:node/id :p}]} {:node/id :s}]}",
    );
    check(
        &tracks(),
        "[:node/id {:node/next ...}]",
        1,
        "{:node/id :p, :node/next [{:node/id :q, :node/next [{:node/id :r, :node/next [{:db/id #e1}]} {:node/id :s}]}]}",
    );
    check(
        &tracks(),
        "[:node/id {:node/_next ...}]",
        4,
        "{:node/id :s, :node/_next [{:node/id :q, :node/_next [{:node/id :p, :node/_next [{:node/id :r, :node/_next [{:db/id #e2}]}]}]}]}",
    );
}

#[test]
fn what_is_not_found() {
    check(&films(), "[:film/title]", 99, "nil");
    check(&films(), "[:film/title {:film/director [:film/title]}]", 11, r#"{:film/title "Harbour"}"#);
    check(&films(), "[:film/year {:film/cast [:film/title]}]", 11, "{:film/year 1980}");
    let pattern = parse::pull(&read_one("[:person/name]").unwrap()).unwrap();
    let all = pull(&films().now(), &pattern, &[e(2), e(99), e(1)]).unwrap();
    assert_eq!(all, [edn(r#"{:person/name "Cal Dorn"}"#), edn("nil"), edn(r#"{:person/name "Ann Berg"}"#)]);
}

#[test]
fn history_has_no_entities() {
    let pattern = parse::pull(&read_one("[*]").unwrap()).unwrap();
    assert_eq!(
        pull(&films().history(), &pattern, &[e(1)]).unwrap_err().keyword,
        "db.error/unsupported-on-history"
    );
}

fn chain(length: u64, marks: &str) -> Build {
    let mut build = Build::default().attr("x/next", Tag::Ref, marks).attr("x/no", Tag::Long, "").tx();
    for at in 0..length {
        build = build.add(at, "x/no", n(at as i64)).add(at, "x/next", refs([at + 1]));
    }
    build
}

#[test]
fn depth_is_bounded_not_the_stack() {
    let deep = chain(DEPTH_MAX as u64 - 1, "component many");
    let found = pulled(&deep, "[:x/next]", 0).unwrap();
    assert!(found.to_string().contains(&format!(":x/no {}", DEPTH_MAX - 2)));
    assert_eq!(found.clone(), found);
    for (build, pattern) in [(chain(600, "component"), "[*]"), (chain(600, ""), "[{:x/next ...}]")] {
        assert_eq!(pulled(&build, pattern, 0).unwrap_err().keyword, "db.error/pull-too-deep");
    }
}

#[test]
fn a_chain_without_end_is_no_danger_to_the_stack() {
    let endless = chain(3_000, "").now();
    for pattern in ["[{:x/next ...}]", "[:x/no {:x/next 100000}]"] {
        let pattern = parse::pull(&read_one(pattern).unwrap()).unwrap();
        assert_eq!(pull(&endless, &pattern, &[e(0)]).unwrap_err().keyword, "db.error/pull-too-deep");
    }
    check(&chain(3, ""), "[:x/no {:x/next 100000}]", 0, "{:x/no 0 :x/next {:x/no 1 :x/next {:x/no 2}}}");
}

#[test]
fn keys_are_any_value() {
    check(
        &films(),
        "[[:film/year :as nil] [:film/title :as [1 \"t\"]]]",
        11,
        r#"{nil 1980, [1 "t"] "Harbour"}"#,
    );
    check(&films(), "[[:film/year :as {:a 1}] [:film/_director :as 5]]", 11, "{{:a 1} 1980}");
    check(&films(), "[[:film/_director :as 5 :limit 1]]", 1, "{5 [{:db/id #e11}]}");
    // Of two that have one key, the last that found something stands.
    check(&films(), "[[:film/year :as :x] [:film/title :as :x] [:film/none :as :x]]", 11, "{:x \"Harbour\"}");
}

#[test]
fn defaults_are_of_any_type_and_not_transformed() {
    check(&films(), "[[:film/score :default :a/b :xform namespace]]", 13, "{:film/score :a/b}");
    check(&films(), "[[:film/score :default [nil]]]", 13, "{:film/score [nil]}");
    check(&films(), "[[:film/score :default nil]]", 13, "{:film/score nil}");
    check(
        &films(),
        "[[:film/none :default 1] [:film/_none :default 2]]",
        13,
        "{:film/none 1, :film/_none 2}",
    );
    check(
        &films(),
        "[[:film/_cast :default []] {[:film/director :default 0] [:film/year]}]",
        11,
        "{:film/_cast [], :film/director 0}",
    );
    check(&films(), "[{[:film/none :default :x] [:film/year]}]", 11, "{:film/none :x}");
    check(&films(), "[{:film/none [:film/year]} :film/_none {:film/none ...}]", 11, "nil");
}

#[test]
fn transforms() {
    let build = Build::default()
        .attr("x/text", Tag::String, "")
        .attr("x/name", Tag::Keyword, "")
        .attr("x/ref", Tag::Ref, "")
        .tx()
        .add(1, "x/text", s("[1 :a]"))
        .add(1, "x/name", [Value::keyword("a/b")])
        .add(1, "x/ref", refs([2]));
    for name in ["read-string", "clojure.edn/read-string", "edn/read-string", "clojure.core/read-string"] {
        check(&build, &format!("[[:x/text :xform {name}]]"), 1, "{:x/text [1 :a]}");
    }
    for (name, expected) in
        [("name", "\"b\""), ("namespace", "\"a\""), ("str", "\":a/b\""), ("symbol", "a/b")]
    {
        check(&build, &format!("[[:x/name :xform {name}]]"), 1, &format!("{{:x/name {expected}}}"));
    }
    check(&build, "[[:x/ref :xform count]]", 1, "{:x/ref 1}");
    check(&build, "[{[:x/ref :xform keys :as 1] [:db/id]}]", 1, "{1 (:db/id)}");
    // What is made of nothing wins over the default.
    check(&build, "[[:x/text :xform str :default 1]]", 2, "{:x/text \"\"}");
    refused(&build, "[[:x/ref :xform inc]]", "db.error/type-in-function");
    refused(&build, "[[:x/ref :xform assoc]]", "db.error/function-arity");
}

#[test]
fn older_and_combined_forms() {
    check(&films(), "[(limit :film/genres 1)]", 12, "{:film/genres [:crime]}");
    check(
        &films(),
        "[[limit :film/genres 1] [\"default\" :film/none 7]]",
        12,
        "{:film/genres [:crime], :film/none 7}",
    );
    check(&films(), "[(default :film/none false)]", 12, "{:film/none false}");
    check(&films(), "[(default (limit :film/genres 1) :x)]", 12, "{:film/genres [:crime]}");
    check(&films(), "[[(limit :film/genres 1) :as \"g\"]]", 12, "{\"g\" [:crime]}");
    check(&films(), "[[:film/genres :limit 1 :as \"g\" :default 0]]", 12, "{\"g\" [:crime]}");
    check(
        &films(),
        "[{(limit :film/cast 1) [:person/name]}]",
        11,
        "{:film/cast [{:person/name \"Cal Dorn\"}]}",
    );
    check(
        &films(),
        "[{[:film/cast :limit 1 :as :c] [:person/name]}]",
        11,
        "{:c [{:person/name \"Cal Dorn\"}]}",
    );
    check(&films(), "[\"*\"]", 99, "{:db/id #e99}");
    for wrong in [
        "[[:film/year :limit 0]]",
        "[[:film/year :limit -1]]",
        "[(limit :film/year)]",
        "[[:film/year :as]]",
        "[[:film/year :size 1]]",
        "[{:film/cast 0}]",
        "[{:film/cast nil}]",
        "[{}]",
        "[]",
        "[:film/_]",
        "[[:film/year :as 1 :as 2]]",
        "[\"film\"]",
    ] {
        assert_eq!(pulled(&films(), wrong, 11).unwrap_err().keyword, "db.error/invalid-pull", "{wrong}");
    }
}

#[test]
fn what_stands_beside_a_wildcard_overrides_it() {
    check(
        &tracks(),
        "[* {:node/parts [:part/label]} [:node/next :as :on]]",
        1,
        r#"{:db/id #e1, :node/id :p, :on [{:db/id #e2}], :node/parts [{:part/label "rail"} {:part/label "sign"}]}"#,
    );
    check(
        &tracks(),
        "[* [:node/parts :limit 1]]",
        1,
        r#"{:db/id #e1, :node/id :p, :node/next [{:db/id #e2}], :node/parts [{:db/id #e5, :part/label "rail"}]}"#,
    );
    check(&tracks(), "[* [:db/id :as :id]]", 4, "{:id #e4, :node/id :s}");
    check(&tracks(), "[* :node/_next]", 4, "{:db/id #e4, :node/id :s, :node/_next [{:db/id #e2}]}");
    check(&tracks(), "[:db/id]", 99, "{:db/id #e99}");
    // What a spec asks for is not in the wildcard, even if it found nothing it shows.
    check(&tracks(), "[* {:node/next [:part/label]}]", 4, "{:db/id #e4, :node/id :s}");
    check(
        &tracks(),
        "[:node/id {:node/parts [*]}]",
        1,
        r#"{:node/id :p, :node/parts [{:db/id #e5, :part/label "rail"} {:db/id #e6, :part/label "sign"}]}"#,
    );
}

#[test]
fn recursion_through_components_and_itself() {
    let nested = Build::default()
        .attr("x/no", Tag::Long, "")
        .attr("x/parts", Tag::Ref, "component many")
        .attr("x/self", Tag::Ref, "")
        .tx()
        .add(1, "x/no", n(1))
        .add(1, "x/parts", refs([2, 3]))
        .add(2, "x/no", n(2))
        .add(2, "x/parts", refs([4]))
        .add(3, "x/no", n(3))
        .add(4, "x/no", n(4))
        .add(4, "x/self", refs([4]));
    check(
        &nested,
        "[:x/no {:x/parts ...}]",
        1,
        "{:x/no 1, :x/parts [{:x/no 2, :x/parts [{:x/no 4}]} {:x/no 3}]}",
    );
    check(&nested, "[:x/no {:x/parts 1}]", 1, "{:x/no 1, :x/parts [{:x/no 2} {:x/no 3}]}");
    check(&nested, "[:x/no {:x/_parts ...}]", 4, "{:x/no 4, :x/_parts {:x/no 2, :x/_parts {:x/no 1}}}");
    check(&nested, "[:x/no {:x/self ...}]", 4, "{:x/no 4, :x/self {:db/id #e4}}");
    check(
        &nested,
        "[:x/parts]",
        1,
        "{:x/parts [{:db/id #e2, :x/no 2, :x/parts [{:db/id #e4, :x/no 4, :x/self {:db/id #e4}}]} {:db/id #e3, :x/no 3}]}",
    );
    // Two recursions in one pattern each count their own levels.
    check(
        &nested,
        "[:x/no {:x/parts 1} {:x/self 1}]",
        2,
        "{:x/no 2, :x/parts [{:x/no 4, :x/self {:db/id #e4}}]}",
    );
}

#[test]
fn an_entity_met_again_on_a_level_is_as_whole_as_the_first_time() {
    check(
        &films(),
        "[{:film/cast [:person/name]} {:film/director [:person/name]}]",
        13,
        r#"{:film/cast [{:person/name "Ann Berg"} {:person/name "Cal Dorn"}], :film/director {:person/name "Cal Dorn"}}"#,
    );
    let pattern = parse::pull(&read_one("[{:film/director [:person/name]}]").unwrap()).unwrap();
    let all = pull(&films().now(), &pattern, &[e(12), e(11), e(12)]).unwrap();
    let ann = edn(r#"{:film/director {:person/name "Ann Berg"}}"#);
    assert_eq!(all, [ann.clone(), ann.clone(), ann]);
}

#[test]
fn a_result_is_bounded_though_its_parts_are_shared() {
    // Two entities a level, each of which refers to both of the next.
    let mut build = Build::default().attr("x/next", Tag::Ref, "many").attr("x/no", Tag::Long, "").tx();
    for level in 0..25 {
        for side in 0..2 {
            let at = level * 2 + side;
            build = build.add(at, "x/no", n(1)).add(at, "x/next", refs([level * 2 + 2, level * 2 + 3]));
        }
    }
    let nested = |levels| format!("{}[:x/no]{}", "[:x/no {:x/next ".repeat(levels), "}]".repeat(levels));
    let found = pulled(&build, &nested(10), 0).unwrap().to_string();
    assert_eq!(found.matches(":x/no").count(), (1 << 11) - 1);
    assert_eq!(pulled(&build, &nested(22), 0).unwrap_err().keyword, "db.error/pull-too-large");
}

#[test]
fn what_is_too_much_together_is_pulled_in_parts() {
    let tracks = tracks();
    let pattern = parse::pull(&read_one("[:node/id :node/parts {:node/next ...}]").unwrap()).unwrap();
    let entities = [e(1), e(4), e(2), e(9), e(3), e(1)];
    let whole = pull(&tracks.now(), &pattern, &entities).unwrap();
    // One of them alone has six maps.
    let facts = tracks.now();
    let prepared = prepare::prepare(&facts, &Functions::new(), &pattern).unwrap();
    for most in [6, 7, 10, 100] {
        assert_eq!(bounded(&facts, &prepared, &entities, most, &|| Ok(())).unwrap(), whole, "{most}");
    }
    let refused = bounded(&facts, &prepared, &entities, 5, &|| Ok(())).unwrap_err();
    assert_eq!(refused.keyword, "db.error/pull-too-large");
}

#[test]
fn limits_take_the_least_in_every_view() {
    let build = Build::default()
        .attr("x/tags", Tag::Long, "many")
        .attr("x/on", Tag::Ref, "many")
        .tx()
        .add(1, "x/tags", [5, 3].map(Value::Long))
        .add(7, "x/on", refs([1]))
        .tx()
        .add(1, "x/tags", [4, 1].map(Value::Long))
        .add(6, "x/on", refs([1]))
        .tx()
        .retract(1, "x/tags", [3].map(Value::Long));
    let pattern = parse::pull(&read_one("[(limit :x/tags 2) (limit :x/_on 1)]").unwrap()).unwrap();
    let of = |facts: Facts| pull(&facts, &pattern, &[e(1)]).unwrap().remove(0).to_string();
    let text =
        |tags: &str, on: u64| edn(&format!("{{:x/tags {tags}, :x/_on [{{:db/id {}}}]}}", e(on))).to_string();
    assert_eq!(of(build.now()), text("[1 4]", 6));
    assert_eq!(of(build.as_of(1)), text("[3 5]", 7));
    assert_eq!(of(build.as_of(2)), text("[1 3]", 6));
}

#[test]
fn texts_keep_their_form() {
    let build = Build::default().attr("x/s", Tag::String, "").tx().add(1, "x/s", s("ü \"q\""));
    check(&build, "[:x/s]", 1, r#"{:x/s "ü \"q\""}"#);
}
