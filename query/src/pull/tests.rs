//! What patterns give, case by case.

use super::*;
use crate::edn::read_one;
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
fn texts_keep_their_form() {
    let build = Build::default().attr("x/s", Tag::String, "").tx().add(1, "x/s", s("ü \"q\""));
    check(&build, "[:x/s]", 1, r#"{:x/s "ü \"q\""}"#);
}
