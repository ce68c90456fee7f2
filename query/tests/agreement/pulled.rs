//! Random patterns over random entities: what is pulled level by level, of many entities at once, is what a walk down
//! every path finds.

use std::panic::catch_unwind;

use annals_query::edn::read_one;
use annals_query::facts::Facts;
use annals_query::source::Attribute;
use annals_query::{naive, parse, pull};
use annals_storage::datom::{AttrId, Datom, EntityId, Keyword, Partition, Tag, Value};

use crate::batched::Batched;
use crate::generate::Chance;

/// How many patterns are tried.
const PATTERNS: u64 = 1_500;

/// Larger results are left out.
const MAPS: usize = 2_000;

const ATTRIBUTES: [(&str, Tag, &str); 8] = [
    ("x/num", Tag::Long, ""),
    ("x/nums", Tag::Long, "many"),
    ("x/text", Tag::String, ""),
    ("x/next", Tag::Ref, ""),
    ("x/refs", Tag::Ref, "many"),
    ("y/refs", Tag::Ref, "many"),
    ("x/part", Tag::Ref, "component"),
    ("x/parts", Tag::Ref, "component many"),
];

fn user(n: usize) -> EntityId {
    EntityId::new(Partition::USER, n as u64)
}

/// Facts of `entities` entities; components only if asked for.
fn facts(chance: &mut Chance, entities: usize, components: bool) -> Facts {
    let known = if components { ATTRIBUTES.len() } else { 6 };
    let attribute = |(at, (name, value_type, marks)): (usize, &(&str, Tag, &str))| Attribute {
        id: AttrId(100 + at as u32),
        ident: Keyword::new(name),
        value_type: *value_type,
        many: marks.contains("many"),
        unique: None,
        component: marks.contains("component"),
        indexed: true,
    };
    let attributes: Vec<Attribute> = ATTRIBUTES[..known].iter().enumerate().map(attribute).collect();
    let mut log: Vec<Datom> = Vec::new();
    for _ in 0..entities * 5 {
        let attribute = &attributes[chance.below(known)];
        let (e, a) = (user(chance.below(entities)), attribute.id);
        let n = chance.below(entities);
        let v = match attribute.value_type {
            Tag::Ref => Value::Ref(user(n)),
            Tag::String => Value::string(format!("t{n}")),
            _ => Value::Long(n as i64),
        };
        let is_there = |datom: &Datom| (datom.e, datom.a) == (e, a) && (!attribute.many || datom.v == v);
        if !log.iter().any(is_there) {
            let tx = EntityId::of_t(1 + chance.below(3) as u64);
            log.push(Datom { e, a, v, tx, added: true });
        }
    }
    let as_of = chance.one_in(3).then_some(2);
    let since = chance.one_in(4).then_some(1);
    Facts::window(&log, attributes, as_of, since)
}

fn pattern(chance: &mut Chance, depth: usize) -> String {
    let parts: Vec<String> = (0..1 + chance.below(4)).map(|_| part(chance, depth)).collect();
    format!("[{}]", parts.join(" "))
}

fn part(chance: &mut Chance, depth: usize) -> String {
    match chance.below(if depth == 0 { 8 } else { 14 }) {
        0 => "*".to_owned(),
        1 => chance.pick(&[":db/id", "[:db/id :as :id]", ":x/none", "[:x/none :default 5]"]).to_owned(),
        2..=7 => {
            let name =
                chance.pick(&[":x/num", ":x/nums", ":x/text", ":x/next", ":x/refs", ":x/part", ":x/parts"]);
            let name = if chance.one_in(4) { reference(chance) } else { name.to_owned() };
            options(chance, name)
        }
        _ => {
            let name = reference(chance);
            let key = options(chance, name);
            let sub = match chance.below(6) {
                0 => "...".to_owned(),
                1 => format!("{}", 1 + chance.below(3)),
                _ => pattern(chance, depth - 1),
            };
            format!("{{{key} {sub}}}")
        }
    }
}

fn reference(chance: &mut Chance) -> String {
    let back = if chance.one_in(3) { "_" } else { "" };
    let (namespace, name) =
        chance.pick(&["x next", "x refs", "y refs", "x part", "x parts"]).split_once(' ').expect("two words");
    format!(":{namespace}/{back}{name}")
}

fn options(chance: &mut Chance, name: String) -> String {
    let some = match chance.below(10) {
        0 => ":limit 2",
        1 => ":limit nil",
        2 => ":default :none",
        3 => ":as \"key\"",
        4 => ":xform str",
        5 => ":xform count :default false",
        _ => return name,
    };
    if some == ":limit 2" && chance.one_in(2) {
        format!("(limit {name} 2)")
    } else {
        format!("[{name} {some}]")
    }
}

/// True if something was pulled.
fn compare(seed: u64) -> bool {
    let mut chance = Chance::new(seed);
    let entities = if chance.one_in(3) { 40 } else { 6 };
    let components = chance.one_in(2);
    let facts = facts(&mut chance, entities, components);
    let text = pattern(&mut chance, 3);
    let pattern =
        parse::pull(&read_one(&text).expect("EDN")).unwrap_or_else(|error| panic!("{text}: {error}"));
    let asked: Vec<EntityId> =
        (0..1 + chance.below(2 * entities)).map(|_| user(chance.below(entities + 1))).collect();
    let want: Result<Vec<_>, _> =
        asked.iter().map(|e| naive::pull::pull(&facts, &pattern, *e, MAPS)).collect();
    if want.as_ref().is_err_and(|error| error.keyword == "db.error/pull-too-large") {
        return false;
    }
    let most = 1 + chance.below(5);
    for sorted in [false, true] {
        let source = Batched { facts: facts.clone(), most, sorted };
        let got = pull::pull(&source, &pattern, &asked);
        match (&want, &got) {
            (Ok(want), Ok(got)) => {
                for ((e, want), got) in asked.iter().zip(want).zip(got) {
                    assert_eq!(got, want, "seed {seed}: {text} of {e}\n{:?}", facts.datoms());
                }
                assert_eq!(want.len(), got.len());
            }
            (Err(want), Err(got)) => assert_eq!(want.keyword, got.keyword, "seed {seed}: {text}"),
            _ => panic!("seed {seed}: {text}: {want:?} but {got:?}"),
        }
    }
    want.is_ok_and(|maps| maps.iter().any(|map| *map != annals_query::edn::Edn::Nil))
}

#[test]
fn random_patterns_give_what_a_walk_down_every_path_gives() {
    let asked =
        |seed| catch_unwind(|| compare(seed)).unwrap_or_else(|_| panic!("the pattern of seed {seed}"));
    let told = (0..PATTERNS).filter(|seed| asked(*seed)).count();
    assert!(told * 2 > PATTERNS as usize, "only {told} gave anything");
}
