//! Scripts that mean harm: each ends at a limit, and leaves nothing behind.

use super::*;

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
            format!("export function transaction(db, bad, ctx) {{\nif (!bad) return 'well';\n{body}\n}}");
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
        let script = Script::new(&format!("export const transaction = (db) => {{ {body} }}")).unwrap();
        let limits = Limits { steps: u64::MAX / 2, time: Duration::from_millis(30), ..LIMITS };
        let refused = script.call("transaction", Shape::Plain, call_of(&db(), &[], limits)).unwrap_err();
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
        "export function transaction(db, n) {
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
fn what_cannot_be_read_is_refused_with_its_place() {
    for (source, line, told) in [
        ("export function transaction() { let x = ; }", 1, "unexpected token"),
        ("export function transaction() {\n\n  return [}\n", 3, ""),
        ("export const transaction = () => 1; } ; globalThis.x = 1; {", 1, ""),
        ("import x from 'y';\nexport const transaction = () => x", 0, ""),
        ("export const x = 1", 0, "exports none of transaction, predicate, command"),
        ("export default () => []", 0, "an export without a name"),
        ("export const transaction = () => 10n", 0, "10n"),
        ("export const transaction = () => { with ({}) {} }", 1, ""),
        ("export const command = /(((a{9999}){9999}){9999}/", 0, "expecting ')'"),
        ("export const command = 1; \0", 0, "code 0"),
    ] {
        let refused = Script::new(source).err().unwrap_or_else(|| panic!("{source} can be read"));
        assert_eq!(refused.keyword(), "db.error/function-syntax", "{source}: {refused:?}");
        assert!(refused.message().contains(told), "{source}: {refused:?}");
        let at = refused.data().get(&Edn::keyword("db.error/line")).cloned();
        assert_eq!(at, (line > 0).then_some(Edn::Int(line)), "{source}: {refused:?}");
    }
    let deep = format!("export const transaction = {}1{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(Script::new(&deep).is_err());
    assert_eq!(Script::new(&" ".repeat(1 << 19)).err().unwrap().keyword(), "db.error/function-syntax");
    // Nothing of a text runs before it is called.
    let endless = Script::new("for (;;); export const transaction = () => []").unwrap();
    assert_eq!(limit(&run(&endless, &db(), &[], Shape::Transaction).unwrap_err()), ":steps");
    let none = Script::new("export const transaction = 7").unwrap();
    let refused = run(&none, &db(), &[], Shape::Transaction).unwrap_err();
    assert!(refused.message().contains("is no function"), "{refused:?}");
}

#[test]
fn nothing_of_a_call_is_there_in_the_next() {
    let pollution = "let count = 0; const seen = []; const of = new Map();
        const tried = (f) => { try { f(); return true } catch { return false } };
        export function transaction(db, x, ctx) {
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
        export const transaction = () => ['eval', 'Function', 'Date', 'Promise', 'Proxy', 'BigInt', 'RegExp', 'setTimeout',
          'queueMicrotask', 'WeakRef', 'SharedArrayBuffer', 'performance', 'console', 'host', 'world']
          .filter((name) => name in globalThis).concat(own(Math).filter((name) => name === 'random'))";
    assert_eq!(run(&Script::new(reached).unwrap(), &db, &[], Shape::Plain).unwrap().data, read("[]"));
}
