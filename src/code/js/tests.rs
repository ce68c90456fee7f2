//! Scripts that mean harm, what crosses over, and what a call leaves behind: nothing.

use std::sync::Arc;
use std::time::Duration;

use annals_query::edn::{self, Edn};
use annals_storage::anomaly::Category;
use proptest::prelude::*;

use super::{Call, Limits, Made, Moment, Script, Scripts, Shape};
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
        host: Arc::new(db.clone()),
        args: args.to_vec(),
        moment: Moment { now: 1_700_000_000_000_000, t: 7, seed: b"key".to_vec() },
        limits,
        stopwatch: crate::time::stopwatch(),
    }
}

fn run(script: &Script, db: &Db, args: &[Edn], shape: Shape) -> Result<Made> {
    script.call("default", shape, call_of(db, args, LIMITS))
}

/// The result of a function's body, with `db`, `x` and `ctx`, as it is.
fn plain(body: &str, x: Edn) -> Result<Edn> {
    let script = Script::new(&format!("export default function (db, x, ctx) {{\n{body}\n}}"))?;
    Ok(run(&script, &db(), &[x], Shape::Plain)?.data)
}

fn data(body: &str) -> Result<String> {
    let script = Script::new(&format!("export default function (db, x, ctx) {{\n{body}\n}}"))?;
    Ok(run(&script, &db(), &[Edn::Nil], Shape::Transaction)?.data.to_string())
}

fn read(text: &str) -> Edn {
    edn::read_one(text).unwrap().to_edn()
}

fn limit(error: &Error) -> String {
    error.data().get(&Edn::keyword("db.error/limit")).map_or_else(String::new, ToString::to_string)
}

#[test]
fn a_script_that_does_not_end_is_refused_and_the_next_call_works() {
    let hostile = [
        ("for (;;);", ":steps"),
        ("for (;;) { try { for (;;); } finally { continue } }", ":steps"),
        ("for (;;) { try { for (;;); } catch (e) {} }", ":steps"),
        ("const f = () => { try { f() } finally { f() } }; f()", ":steps"),
        ("const a = []; for (;;) a.push([1, 2, 3])", ":memory"),
        ("const a = []; for (;;) { try { for (;;) a.push([1, 2, 3]) } catch (e) {} }", ":steps"),
        ("let s = 'x'; const all = []; for (;;) { s = [s, s].join(''); all.push(s) }", ":"),
        ("const f = () => f() + 1; return f()", ":stack"),
        ("for (;;) { try { (function f() { f() })() } catch (e) {} }", ":steps"),
        ("/^(a+)+$/.test('a'.repeat(40) + 'b')", ":steps"),
        ("'a'.repeat(40).concat('b').match(/^(?:a|a?)+$/)", ":steps"),
        ("[].indexOf.call({length: 2 ** 53 - 1}, 1)", ":steps"),
        ("new Array(2 ** 32 - 1).indexOf(1)", ":steps"),
        ("new Array(2 ** 32 - 1).fill(0)", ":steps"),
        ("new Array(2 ** 32 - 1).join('x')", ":steps"),
        ("'a'.repeat(1e5).indexOf('a'.repeat(5e4) + 'b')", ":steps"),
        ("'a'.repeat(1e5).split('a'.repeat(5e4) + 'b')", ":steps"),
        ("const a = new Array(1e5).fill(0); for (;;) a.slice()", ":steps"),
        ("const a = new Array(1e5).fill(0); for (;;) [...a]", ":steps"),
        ("const a = new Set(new Array(1e4).fill(0).map((_, i) => i)); for (;;) [...a]", ":steps"),
        ("return [...(function* () { for (;;) yield 1 })()]", ":"),
        ("for (const x of (function* () { for (;;) yield 1 })());", ":steps"),
        ("return Iterator.from({next() { return {done: false} }}).toArray()", ":"),
        ("JSON.stringify({toJSON() { for (;;); }})", ":steps"),
        ("let a = []; for (let i = 0; i < 1e4; i++) a = [a]; JSON.stringify(a)", ":stack"),
        ("const o = {toJSON() { return {a: o} }}; JSON.stringify(o)", ":stack"),
        ("return {get a() { for (;;); }}", ":steps"),
        ("`${{toString() { for (;;); }}}`", ":steps"),
        ("throw {toString() { for (;;); }, get message() { for (;;); }}", ""),
        ("throw Object.assign(new Error('x'), {get name() { for (;;); }})", ":steps"),
        ("let a = []; for (let i = 0; i < 1e5; i++) a = [a]; JSON.stringify(a)", ":memory"),
        ("for (;;) db.q('[:find ?e :where [?e :boat/name]]')", ":steps"),
        ("for (;;) db.entity(['boat/name', 'Argo'])", ":steps"),
        ("for (;;) ctx.uuid()", ":steps"),
        ("let d = decimal('1.1'); for (;;) d = d.add('0.1')", ":steps"),
        ("class A { static { for (;;); } }", ":steps"),
        ("const f = async () => { for (;;); }; f()", ":steps"),
    ];
    let db = db();
    let mut problems = Vec::new();
    for (body, wanted) in hostile {
        let source =
            format!("export default function (db, bad, ctx) {{\nif (!bad) return 'well';\n{body}\n}}");
        let script = Script::new(&source).unwrap_or_else(|error| panic!("{body}: {error:?}"));
        let told = match run(&script, &db, &[true.into()], Shape::Plain) {
            Ok(made) => format!("gave {}", made.data),
            Err(refused) => format!("{} {} {}", refused.keyword(), refused.category(), limit(&refused)),
        };
        let expected = if wanted.is_empty() {
            "db.error/function-failed incorrect ".to_owned()
        } else {
            format!("db.error/function-limit interrupted {wanted}")
        };
        if !told.starts_with(&expected) {
            problems.push(format!("{body}: {told}, not {expected}"));
        }
        let next = run(&script, &db, &[false.into()], Shape::Plain).map(|made| made.data);
        assert_eq!(next.ok(), Some(Edn::string("well")), "{body}");
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn the_time_of_a_call_is_bounded_and_that_of_its_questions() {
    let product = "[:find (count ?a) . :where [?a] [?b] [?c] [?d] [?e] [?f]]";
    for body in ["for (;;);".to_owned(), format!("for (;;) {{ try {{ db.q('{product}') }} catch (e) {{}} }}")]
    {
        let script = Script::new(&format!("export default (db) => {{ {body} }}")).unwrap();
        let limits = Limits { steps: u64::MAX / 2, time: Duration::from_millis(30), ..LIMITS };
        let refused = script.call("default", Shape::Plain, call_of(&db(), &[], limits)).unwrap_err();
        assert_eq!(
            (refused.keyword(), limit(&refused).as_str()),
            ("db.error/function-limit", ":time"),
            "{body}"
        );
    }
}

#[test]
fn what_many_scripts_do_is_cheap() {
    let script = Script::new(
        "export default function (db, n) {
           const ops = [], seen = new Map(), of = {};
           for (let i = 0; i < n; i++) {
             seen.set('k' + i % 100, (seen.get('k' + i % 100) ?? 0) + 1);
             of[i] = i;
             if (Object.hasOwn(of, i - 1)) ops.push(['db/add', 'x' + i, 'boat/fuel', i]);
           }
           return ops.slice(0, -1);
         }",
    )
    .unwrap();
    let made = run(&script, &db(), &[5_000.into()], Shape::Transaction).unwrap();
    assert_eq!(made.data.as_seq().map(<[Edn]>::len), Some(4_998));
    assert!(made.steps < 500_000, "{}", made.steps);
}

#[test]
fn what_is_no_data_is_refused_by_name() {
    for (body, told) in [
        ("return () => 1", "not a function"),
        ("return [() => 1]", "a function is no operation"),
        ("return [['db/add', 1, 'a/b', () => 1]]", "a function is no value"),
        ("return [['db/add', 1, 'a/b', undefined]]", "undefined is no value"),
        ("return [['db/add', 1, 'a/b', Symbol.iterator]]", "a symbol is no value"),
        ("return [['db/add 1 2', 1, 'a/b', 1]]", "is no name"),
        ("return [['db/add', 1, 'a/b] [:db/add', 1]]", "is no name"),
        ("return [{'a b': 1}]", "is no name"),
        ("const a = []; a[0] = a; return a", "in a circle"),
        ("const a = {}; a.a = a; return [a]", "in a circle"),
        ("return [{'a/b': new (class A {})}]", "an object of a class"),
        ("return [/a/]", "an object of a class"),
        ("return 1", "gives an array"),
        ("return [1]", "1 is no operation"),
        ("return [[]]", "an empty array"),
        ("return [new Map([[NaN, 1]])]", "NaN is no key"),
        ("return [['db/add', 1, 'a/b', '\\ud800']]", ""),
        ("return new Array(20)", "undefined is no operation"),
        ("throw 5", "it threw 5"),
        ("throw undefined", "it threw undefined"),
        ("throw Symbol.iterator", "it threw a symbol"),
        ("throw new TypeError('no')", "at line 2: TypeError: no"),
        ("\n\n  null.x", "at line 4: TypeError: "),
        ("undeclared = 1", "at line 2: ReferenceError"),
        ("return import('os')", "gives an array"),
    ] {
        let refused = data(body).expect_err(body);
        let of = (refused.keyword(), refused.category());
        assert_eq!(of, ("db.error/function-failed", Category::Incorrect), "{body}: {refused:?}");
        assert!(refused.message().contains(told), "{body}: {refused:?}");
    }
    let refused =
        data("const a = []; for (let i = 0; i < 1e7; i++) a.push(['db/add', 'x', 'a/b', i]); return a");
    assert_eq!(refused.unwrap_err().keyword(), "db.error/function-limit");
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
    assert_eq!(data, [":have 3", ":a/b :x", ":db.error/code :boat/no"]);
}

#[test]
fn what_cannot_be_read_is_refused_with_its_place() {
    for (source, line, told) in [
        ("export default function () { let x = ; }", 1, "unexpected token"),
        ("export default function () {\n\n  return [}\n", 3, ""),
        ("export default () => 1; } ; globalThis.x = 1; {", 1, ""),
        ("import x from 'y';\nexport default () => x", 0, ""),
        ("export const x = 1", 0, "exports nothing by default"),
        ("export default () => 10n", 0, "10n"),
        ("export default () => { with ({}) {} }", 1, ""),
        ("export default /(((a{9999}){9999}){9999}/", 0, "expecting ')'"),
        ("export default 1; \0", 0, "code 0"),
    ] {
        let refused = Script::new(source).err().unwrap_or_else(|| panic!("{source} can be read"));
        assert_eq!(refused.keyword(), "db.error/function-syntax", "{source}: {refused:?}");
        assert!(refused.message().contains(told), "{source}: {refused:?}");
        let at = refused.data().get(&Edn::keyword("db.error/line")).cloned();
        assert_eq!(at, (line > 0).then_some(Edn::Int(line)), "{source}: {refused:?}");
    }
    let deep = format!("export default {}1{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(Script::new(&deep).is_err());
    assert_eq!(Script::new(&" ".repeat(1 << 19)).err().unwrap().keyword(), "db.error/function-syntax");
    let endless = Script::new("for (;;); export default () => []").err().unwrap();
    assert_eq!(endless.keyword(), "db.error/function-limit");
    let asks = Script::new("export default () => []; export const args = {a: 'long', b: [1.5]}").unwrap();
    assert_eq!(asks.args(), &read("{:a \"long\" :b [1.5]}"));
}

#[test]
fn nothing_of_a_call_is_there_in_the_next() {
    let pollution = "let count = 0; const seen = []; const of = new Map();
        const tried = (f) => { try { f(); return true } catch { return false } };
        export default function (db, x, ctx) {
          count += 1; seen.push(x); of.set(x, count);
          const done = [
            () => { Array.prototype.map = () => 'caught' }, () => { Object.prototype.leak = 1 },
            () => { globalThis.leak = 1 }, () => { Math.leak = 1 }, () => { JSON.parse = 1 },
            () => { kw.leak = 1 }, () => { db.leak = 1 }, () => { db.q.leak = 1 }, () => { ctx.reject.leak = 1 },
            () => { Object.getPrototypeOf(function* () {}).leak = 1 },
            () => { Object.getPrototypeOf([][Symbol.iterator]()).next = 1 },
            () => { Object.getPrototypeOf(kw('a')).eq = 1 }, () => { kw('a').leak = 1 },
            () => { Error.prepareStackTrace = () => 'caught'; if (new Error('x').stack !== 'caught') throw 1 },
            () => { (() => {}).constructor('return 1')() }, () => { (0, eval)('1') },
            () => { x.constructor.prototype.leak = 1 }, () => { Iterator.prototype.leak = 1 },
            () => { Object.setPrototypeOf(Array.prototype, null) }, () => { /a/.constructor.leak = 1 },
            () => { Symbol.prototype.leak = 1 }, () => { BigInt.leak = 1 }, () => { Error.prototype.name = 'x' },
            () => { Object.prototype.__proto__ = {leak: 1} },
          ].map((f, i) => tried(f) ? i : -1).filter((i) => i >= 0);
          return [count, seen.length, of.size, done, 'leak' in {}, [1].map((n) => n + 1)];
        }";
    let script = Script::new(pollution).unwrap();
    let db = db();
    for _ in 0..3 {
        let made = run(&script, &db, &[Edn::Vector(vec![1.into()])], Shape::Plain).unwrap();
        assert_eq!(made.data, read("[1 1 1 [] false [2]]"));
    }
    let reached = "const own = (x) => Object.getOwnPropertyNames(x);
        export default () => ['eval', 'Function', 'Date', 'Promise', 'Proxy', 'BigInt', 'RegExp', 'setTimeout',
          'queueMicrotask', 'WeakRef', 'SharedArrayBuffer', 'performance', 'console', 'host', 'world']
          .filter((name) => name in globalThis).concat(own(Math).filter((name) => name === 'random'))";
    assert_eq!(run(&Script::new(reached).unwrap(), &db, &[], Shape::Plain).unwrap().data, read("[]"));
}

#[test]
fn the_same_call_gives_the_same_and_takes_the_same_steps() {
    let script = Script::new(
        "export default function (db, n, ctx) {
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
    let other = script.call("default", Shape::Plain, other).unwrap();
    assert!(other.data.as_seq().unwrap()[1] != parts[1] && other.steps == first.steps);
    // Exactly at its steps a call goes through, and below it does not.
    let limited = |steps| {
        script.call("default", Shape::Plain, call_of(&db, &[12_345.into()], Limits { steps, ..LIMITS }))
    };
    assert!(limited(first.steps).is_ok());
    assert_eq!(limit(&limited(first.steps - 1).unwrap_err()), ":steps");
}

#[test]
fn transaction_data_reads_like_it_is_meant() {
    for (body, wanted) in [
        ("return [['db/add', 'new', 'boat/fuel', 5]]", "[[:db/add \"new\" :boat/fuel 5]]"),
        (
            "return [[':db/add', ':boat/argo', ':boat/name', ':not a name']]",
            "[[:db/add :boat/argo :boat/name \":not a name\"]]",
        ),
        (
            "return [['db/add', ['boat/name', 'Argo'], 'boat/tags', kw('tag/new')]]",
            "[[:db/add [:boat/name \"Argo\"] :boat/tags :tag/new]]",
        ),
        ("return [['db/cas', 17, 'boat/fuel', null, 5]]", "[[:db/cas 17 :boat/fuel nil 5]]"),
        (
            "return [['db/retractEntity', ['boat/name', 'Argo']]]",
            "[[:db/retractEntity [:boat/name \"Argo\"]]]",
        ),
        (
            "return [['my/deposit', 'acc-1', 5], [sym('my/inc'), 'acc-1']]",
            "[[:my/deposit \"acc-1\" 5] [my/inc \"acc-1\"]]",
        ),
        (
            "return [{'db/id': ctx.tx, 'boat/name': 'Ada', ':boat/fuel': 5}]",
            "[{:boat/fuel 5, :boat/name \"Ada\", :db/id \"datomic.tx\"}]",
        ),
        (
            "return [{'db/id': ['boat/name', 'Argo'], 'boat/tags': new Set([kw('a')])}]",
            "[{:boat/tags #{:a}, :db/id [:boat/name \"Argo\"]}]",
        ),
        // Whole numbers are doubles where the attribute is of doubles.
        (
            "return [['db/add', 'x', 'boat/weight', 3], {'boat/weight': 4}, ['db/add', 'x', 'boat/fuel', 3]]",
            "[[:db/add \"x\" :boat/weight 3.0] {:boat/weight 4.0} [:db/add \"x\" :boat/fuel 3]]",
        ),
        (
            "return [['db/add', 'x', 'boat/fuel', long('9007199254740993')]]",
            "[[:db/add \"x\" :boat/fuel 9007199254740993]]",
        ),
        (
            "const a = db.entity(['boat/name', 'Argo']); return [['db/add', a.id, 'boat/price', a['boat/price'].sub('0.25').mul(2)]]",
            "24.50M]]",
        ),
        ("return null", "[]"),
        ("", "[]"),
        ("return edn('[[:db/add \"x\" :boat/fuel 1]]')", "[[:db/add \"x\" :boat/fuel 1]]"),
    ] {
        let made = data(body).unwrap_or_else(|error| panic!("{body}: {error:?}"));
        assert!(made.ends_with(wanted), "{body}: {made}");
    }
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
    let of = |n: usize| scripts.of(&format!("export default () => [[{n}, 1]]")).unwrap();
    let first = of(0);
    for n in 1..super::scripts::KEPT {
        of(n);
    }
    assert!(Arc::ptr_eq(&of(0), &first), "asked for again, it is young again");
    let second = of(1);
    of(super::scripts::KEPT);
    assert!(Arc::ptr_eq(&of(1), &second) && Arc::ptr_eq(&of(0), &first));
    for n in 100..100 + super::scripts::KEPT {
        of(n);
    }
    assert!(!Arc::ptr_eq(&of(0), &first));
    assert!(scripts.of("export default (").is_err());
}

#[test]
fn many_threads_call_one_script() {
    let script = Script::new("let n = 0; export default (db, x) => { n += x; return [n, db.q('[:find (count ?e) . :where [?e :boat/name]]')] }").unwrap();
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

/// Values that come back as they went: no floats, which text has not, and no whole doubles, which are longs.
fn values() -> impl Strategy<Value = Edn> {
    let name = || "[a-z][a-z0-9]{0,4}(/[a-z*!-][a-z0-9+*!-]{0,4})?".prop_map(|name: String| name);
    let atom = prop_oneof![
        Just(Edn::Nil),
        any::<bool>().prop_map(Edn::from),
        any::<i64>().prop_map(Edn::Int),
        (-9_007_199_254_740_993_i64..=9_007_199_254_740_993).prop_map(Edn::Int),
        any::<f64>().prop_filter("not whole", |x| x.fract() != 0.0 || !x.is_finite()).prop_map(Edn::double),
        "-?[1-9][0-9]{0,30}N".prop_map(|text| read(&text)),
        "-?(0|[1-9][0-9]{0,19})\\.[0-9]{1,20}M".prop_map(|text| read(&text)),
        any::<i32>().prop_map(|micros| Edn::Inst(i64::from(micros) * 1_000_003)),
        any::<u128>().prop_map(|bits| Edn::Uuid(uuid::Uuid::from_u128(bits))),
        any::<char>().prop_map(Edn::Char),
        name().prop_map(|name| Edn::keyword(&name)),
        name()
            .prop_filter("a name", |name| !["nil", "true", "false"].contains(&name.as_str()))
            .prop_map(|name| Edn::symbol(&name)),
        any::<String>().prop_map(Edn::string),
        ".*".prop_map(Edn::string),
        any::<Vec<u8>>().prop_map(|bytes| Edn::Bytes(bytes.into())),
    ];
    atom.prop_recursive(4, 40, 6, move |part| {
        let key = prop_oneof![
            name().prop_map(|name| Edn::keyword(&name)),
            Just(Edn::keyword("__proto__")),
            Just(Edn::keyword("constructor")),
        ];
        prop_oneof![
            prop::collection::vec(part.clone(), 0..6).prop_map(Edn::Vector),
            prop::collection::vec(part.clone(), 0..4).prop_map(Edn::List),
            prop::collection::btree_set(part.clone(), 0..6).prop_map(Edn::Set),
            prop::collection::btree_map(key, part.clone(), 0..6).prop_map(Edn::Map),
            prop::collection::btree_map(any::<String>().prop_map(Edn::string), part, 0..4).prop_map(Edn::Map),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_goes_in_comes_out(value in values()) {
        thread_local! {
            static IDENTITY: (Script, Db) = (Script::new("export default (db, x) => x").unwrap(), db());
        }
        let back = IDENTITY.with(|(script, db)| run(script, db, std::slice::from_ref(&value), Shape::Plain));
        prop_assert_eq!(back.unwrap().data, value);
    }
}

#[test]
fn the_numbers_of_the_language_are_one_type() {
    for (given, back) in [
        ("1.0", "1"),
        ("-0.0", "-0.0"),
        ("1e300", "1e300"),
        ("9007199254740992.0", "9007199254740992.0"),
        ("##NaN", "##NaN"),
        ("##-Inf", "##-Inf"),
    ] {
        assert_eq!(plain("return x", read(given)).unwrap(), read(back), "{given}");
    }
    assert_eq!(plain("return double(x)", 5.into()).unwrap(), Edn::double(5.0));
}
