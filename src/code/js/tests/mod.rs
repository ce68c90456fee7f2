//! What calls give, what they ask and how they are refused; what the tests of scripts share.

mod crossing;
mod hostile;

use std::sync::Arc;
use std::time::Duration;

use annals_query::edn::{self, Edn};
use annals_storage::anomaly::Category;

use super::Limits;
use super::bridge::{Call, Moment};
use super::kept::{KEPT, Scripts};
use super::realm::Shape;
use super::script::{Made, Script};
use crate::database::Db;
use crate::error::{Error, Result};

/// Time enough for a slow machine: what is bounded by steps, memory and stack must not end by time.
const LIMITS: Limits =
    Limits { steps: 1_000_000, memory: 8 << 20, stack: 256 << 10, time: Duration::from_secs(60) };

fn db() -> Db {
    let conn = crate::connect("mem:").unwrap().database("main").unwrap();
    conn.transact(
        "[{:db/ident :boat/name :db/valueType :db.type/string :db/cardinality :db.cardinality/one
           :db/unique :db.unique/identity}
          {:db/ident :boat/fuel :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
          {:db/ident :boat/price :db/valueType :db.type/bigdec :db/cardinality :db.cardinality/one}
          {:db/ident :boat/weight :db/valueType :db.type/double :db/cardinality :db.cardinality/one}
          {:db/ident :boat/tags :db/valueType :db.type/keyword :db/cardinality :db.cardinality/many}]",
    )
    .unwrap();
    conn.transact(
        "[{:boat/name \"Argo\" :boat/fuel 10 :boat/price 12.50M :boat/tags [:tag/old :tag/fast]}
          {:boat/name \"Fram\" :boat/fuel 70 :boat/weight 2.5}]",
    )
    .unwrap();
    conn.db()
}

fn call_of(db: &Db, args: &[Edn], limits: Limits) -> Call {
    Call {
        name: annals_storage::datom::Keyword::new("my/f"),
        host: Arc::new(db.clone()),
        args: args.to_vec(),
        moment: Moment { now: 1_700_000_000_000_000, t: 7, seed: b"key".to_vec() },
        limits,
        stopwatch: crate::time::stopwatch(),
    }
}

fn run(script: &Script, db: &Db, args: &[Edn], shape: Shape) -> Result<Made> {
    script.call("transaction", shape, call_of(db, args, LIMITS))
}

/// The result of a function's body, with `db`, `x` and `ctx`, as it is.
fn plain(body: &str, x: Edn) -> Result<Edn> {
    let script = Script::new(&format!("export function transaction(db, x, ctx) {{\n{body}\n}}"))?;
    Ok(run(&script, &db(), &[x], Shape::Plain)?.data)
}

fn data(body: &str) -> Result<String> {
    let script = Script::new(&format!("export function transaction(db, x, ctx) {{\n{body}\n}}"))?;
    Ok(run(&script, &db(), &[Edn::Nil], Shape::Transaction)?.data.to_string())
}

fn read(text: &str) -> Edn {
    edn::read_one(text).unwrap().to_edn()
}

fn limit(error: &Error) -> String {
    error.data().get(&Edn::keyword("db.error/limit")).map_or_else(String::new, ToString::to_string)
}

#[test]
fn a_refusal_names_the_place_and_a_rejection_its_data() {
    let refused = data("const a = 1;\n  throw new Error('here')").unwrap_err();
    assert_eq!(refused.data()[&Edn::keyword("db.error/line")], Edn::Int(3));
    assert_eq!(refused.data()[&Edn::keyword("db.error/column")], Edn::Int(13));
    let refused = data("db.q('[:find ?x :where [?x :boat/nmae]]')").unwrap_err();
    assert_eq!(refused.data()[&Edn::keyword("db.error/line")], Edn::Int(2));
    assert_eq!(refused.keyword(), db().q("[:find ?x :where [?x :boat/nmae]]", []).unwrap_err().keyword());
    let refused = data(
        "try { db.entity(['boat/nmae', 1]) } catch (e) {} ctx.reject('boat/no', {have: 3, 'a/b': kw('x')})",
    );
    let refused = refused.unwrap_err();
    assert_eq!((refused.keyword(), refused.category()), ("db.error/rejected", Category::Conflict));
    let data: Vec<String> = refused.data().iter().map(|(key, value)| format!("{key} {value}")).collect();
    assert_eq!(data, [":have 3", ":a/b :x", ":db.error/code :boat/no", ":db.error/function :my/f"]);
    assert_eq!(refused.message(), "the function my/f rejects this: :boat/no");
    let refused = self::data("ctx.reject('boat/dry', 'there is none left', {left: 0})").unwrap_err();
    assert_eq!(
        (refused.message(), &refused.data()[&Edn::keyword("left")]),
        ("there is none left", &Edn::Int(0))
    );
}

#[test]
fn the_same_call_gives_the_same_and_takes_the_same_steps() {
    let script = Script::new(
        "export function transaction(db, n, ctx) {
           let sum = 0;
           for (let i = 0; i < n; i++) sum += i;
           const rows = db.q('[:find ?n ?f :where [?e :boat/name ?n] [?e :boat/fuel ?f]]');
           return [sum, ctx.uuid(), ctx.uuid(), ctx.now, ctx.t, 'x'.repeat(500).length, rows.length, [3, 1, 2].sort()];
         }",
    )
    .unwrap();
    let db = db();
    let of = |n: i64| run(&script, &db, &[n.into()], Shape::Plain).unwrap();
    let first = of(12_345);
    assert!(first.steps > 10_000, "{first:?}");
    for n in [1, 3_000, 7, 25_000] {
        of(n);
        assert_eq!(of(12_345), first, "after {n}");
    }
    let Edn::Vector(parts) = &first.data else { panic!("{first:?}") };
    assert!(parts[1] != parts[2] && matches!(parts[1], Edn::Uuid(_)));
    assert_eq!((&parts[3], &parts[4]), (&Edn::Inst(1_700_000_000_000_000), &Edn::Int(7)));
    let mut other = call_of(&db, &[12_345.into()], LIMITS);
    other.moment.seed = b"another".to_vec();
    let other = script.call("transaction", Shape::Plain, other).unwrap();
    assert!(other.data.as_seq().unwrap()[1] != parts[1] && other.steps == first.steps);
    // Exactly at its steps a call goes through, and below it does not.
    let limited = |steps| {
        script.call("transaction", Shape::Plain, call_of(&db, &[12_345.into()], Limits { steps, ..LIMITS }))
    };
    assert!(limited(first.steps).is_ok());
    assert_eq!(limit(&limited(first.steps - 1).unwrap_err()), ":steps");
}

#[test]
fn a_script_asks_the_database() {
    for (body, wanted) in [
        ("return db.q('[:find ?n . :in $ ?f :where [?e :boat/fuel ?f] [?e :boat/name ?n]]', 70)", "\"Fram\""),
        (
            "return db.q('[:find ?t . :in $ ?t :where [?e :boat/tags ?t]]', kw('tag/old')) === kw('tag/old')",
            "true",
        ),
        ("return db.pull('[:boat/fuel]', ['boat/name', 'Fram'])", "{:boat/fuel 70}"),
        ("return db.pull('[:boat/fuel]', ['boat/name', 'None'])", "nil"),
        ("return db.entity(['boat/name', 'None'])", "nil"),
        ("return db.entity(':no/such')", "nil"),
        (
            "return db.values(['boat/name', 'Argo'], 'boat/tags').map(String).sort()",
            "[\":tag/fast\" \":tag/old\"]",
        ),
        (
            "const a = db.entity(['boat/name', 'Argo']); return [a['boat/price'].lt('12.51'), a['boat/price'].eq(decimal('12.5')), `${a['boat/price']}`]",
            "[true true \"12.50\"]",
        ),
        (
            "return [ctx.now.lt('2030-01-01'), ctx.now.add(1000).sub(ctx.now), ctx.now.millis, kw('a/b').eq('a/b')]",
            "[true 1000 1700000000000 true]",
        ),
        (
            "return [Array.isArray(x), x instanceof Array, x[0] instanceof Set, x[1] instanceof Map, x[2]['a/b'], '__proto__' in x[2]]",
            "[true true true true 1 true]",
        ),
        (
            "return JSON.parse(JSON.stringify({k: kw('a'), d: decimal('1.0'), n: 1}))",
            "{:d \"1.0\", :k \":a\", :n 1}",
        ),
        (
            "try { return decimal('1') + 1 } catch (e) { return e.message.includes('use its methods') }",
            "true",
        ),
        ("try { return kw('a b') } catch (e) { return e.message }", "\"\\\"a b\\\" is no keyword\""),
        (
            "return [double('2') * 2, uuid('f81d4fae-7dec-11d0-a765-00a0c91e6bf6') === uuid('F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6')]",
            "[4 true]",
        ),
    ] {
        let x = read("[#{1 2} {1 2} {:a/b 1 :__proto__ 2}]");
        let made = plain(body, x).unwrap_or_else(|error| panic!("{body}: {error:?}"));
        assert_eq!(made.to_string(), read(wanted).to_string(), "{body}");
    }
}

#[test]
fn scripts_are_kept_by_their_text_and_forgotten_in_turn() {
    let scripts = Scripts::default();
    let of = |n: usize| scripts.of(&format!("export const transaction = () => [[{n}, 1]]")).unwrap();
    let first = of(0);
    for n in 1..KEPT {
        of(n);
    }
    assert!(Arc::ptr_eq(&of(0), &first), "asked for again, it is young again");
    let second = of(1);
    of(KEPT);
    assert!(Arc::ptr_eq(&of(1), &second) && Arc::ptr_eq(&of(0), &first));
    for n in 100..100 + KEPT {
        of(n);
    }
    assert!(!Arc::ptr_eq(&of(0), &first));
    assert!(scripts.of("export const transaction = (").is_err());
}

#[test]
fn many_threads_call_one_script() {
    let script = Script::new("let n = 0; export const transaction = (db, x) => { n += x; return [n, db.q('[:find (count ?e) . :where [?e :boat/name]]')] }").unwrap();
    let db = db();
    std::thread::scope(|scope| {
        for x in 0..4_i64 {
            let (script, db) = (&script, &db);
            scope.spawn(move || {
                for _ in 0..20 {
                    let made = run(script, db, &[x.into()], Shape::Plain).unwrap();
                    assert_eq!(made.data.to_string(), format!("[{x} 2]"));
                }
            });
        }
    });
}
