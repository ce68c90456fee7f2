//! Functions, predicates and commands in JavaScript: what they give, how they are refused, and that nothing else notices.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use annals::{Category, Clock, Code, Connection, Edn, Limits, Options, TxRequest};

use crate::harbour::{NONE, ask, changes, done, harbour_with, rejected, told, values};

/// Time enough for a busy machine: what is bounded by steps, memory and stack must not end by time.
fn patient() -> Code {
    let long = Duration::from_secs(60);
    Code::new().within(long).scripts_within(Limits { time: long, ..Limits::default() })
}

/// A transaction that stores a script.
fn stored(name: &str, text: &str) -> String {
    format!("[{{:db/ident {name} :db.fn/lang :db.lang/js :db/fn {}}}]", Edn::string(text))
}

/// The harbour with scripts of these names, and a boat with fuel 10.
fn scripted(code: Code, scripts: &[(&str, &str)]) -> Connection {
    let conn = harbour_with(Options { code, ..Options::default() });
    for (name, text) in scripts {
        done(&conn, &stored(name, text));
    }
    done(&conn, "[{:db/ident :the/argo :boat/imo 1 :boat/name \"Argo\" :boat/fuel 10}]");
    conn
}

const BURN: &str = "export function transaction(db, boat, litres, ctx) {
  const {'boat/fuel': now} = db.entity(boat);
  if (now < litres) ctx.reject('boat/dry', `there are only ${now}`, {left: now});
  return [['db/add', boat, 'boat/fuel', now - litres], {'db/id': ctx.tx, 'note/by': 'burn'}];
}";

#[test]
fn a_function_makes_transaction_data() {
    let conn = scripted(patient(), &[(":boat/burn", BURN)]);
    let report = done(&conn, "[[:boat/burn :the/argo 3]]");
    assert_eq!(changes(&report), ["+boat/fuel 7", "+note/by \"burn\"", "-boat/fuel 10"]);
    let refused = rejected(&conn, "[[:boat/burn :the/argo 8]]");
    assert_eq!((refused.keyword(), refused.category()), ("db.error/rejected", Category::Conflict));
    assert_eq!(refused.message(), "there are only 7");
    assert_eq!(
        (told(&refused, "left"), told(&refused, "db.error/code")),
        (&Edn::Int(7), &Edn::keyword("boat/dry"))
    );
    assert_eq!(told(&refused, "db.error/function"), &Edn::keyword("boat/burn"));
    // Datalog calls scripts, and scripts call Datalog and each other: all of them see the same state.
    done(
        &conn,
        r#"[{:db/ident :boat/burn-one :db/fn "{:in [?imo] :where [[?b :boat/imo ?imo]] :tx [[:boat/burn ?b 1]]}"}]"#,
    );
    done(
        &conn,
        &stored(
            ":boat/burn-it",
            "export const transaction = (db, imo) => [['boat/burn-one', imo], ['boat/burn', ':the/argo', 1]]",
        ),
    );
    assert_eq!(
        changes(&done(&conn, "[(boat/burn-it 1)]")),
        ["+boat/fuel 6", "+note/by \"burn\"", "-boat/fuel 7"]
    );
    // What it gives is judged like everything else.
    done(&conn, "[{:db/id :boat/fuel :db.attr/preds [pos?]}]");
    assert_eq!(rejected(&conn, "[[:boat/burn :the/argo 6]]").keyword(), "db.error/attr-pred");
}

#[test]
fn predicates_judge_values_and_entities() {
    let conn = scripted(
        patient(),
        &[
            (":boat/odd", "export const predicate = (db, n) => n % 2 === 1 || `${n} is even`"),
            (
                ":boat/fits",
                "export function predicate(db, e) {
                   const {'boat/fuel': fuel, 'boat/name': name} = db.entity(e);
                   return name !== undefined && fuel > 10;
                 }",
            ),
            (":boat/past", "export const predicate = (db, instant, ctx) => instant.le(ctx.now)"),
        ],
    );
    done(
        &conn,
        "[{:db/ident :boat/when :db/valueType :db.type/instant :db/cardinality :db.cardinality/one
                   :db.attr/preds boat/past}]",
    );
    done(
        &conn,
        "[{:db/id :boat/fuel :db.attr/preds boat/odd} {:db/ident :boat/spec :db.entity/preds boat/fits}]",
    );
    done(&conn, "[[:db/add :the/argo :boat/fuel 7]]");
    let refused = rejected(&conn, "[[:db/add :the/argo :boat/fuel 8]]");
    assert_eq!(refused.keyword(), "db.error/attr-pred");
    assert_eq!(told(&refused, "db.error/pred-return"), &Edn::string("8 is even"));
    // An entity is judged after the transaction.
    done(&conn, "[{:db/id :the/argo :boat/fuel 11 :db/ensure :boat/spec}]");
    let refused = rejected(&conn, "[{:db/id \"new\" :boat/fuel 11 :db/ensure :boat/spec}]");
    assert_eq!(refused.keyword(), "db.error/entity-pred");
    // The time is that of the transaction.
    done(&conn, "[{:boat/when #inst \"2020-01-01\"}]");
    assert_eq!(rejected(&conn, "[{:boat/when #inst \"2500-01-01\"}]").keyword(), "db.error/attr-pred");
    // What exports no predicate judges nothing.
    done(&conn, &stored(":boat/burn", BURN));
    let refused = rejected(&conn, "[{:db/id :boat/fuel :db.attr/preds boat/burn}]");
    assert_eq!(refused.keyword(), "db.error/unknown-predicate");
}

#[test]
fn a_command_gets_one_object_and_keeps_its_promise() {
    let pump = "export function command(db, {from, to, litres}) {
        const a = db.entity(['boat/imo', from]), b = db.entity(['boat/imo', to]);
        return [['db/add', a.id, 'boat/fuel', a['boat/fuel'] - litres],
                ['db/add', b.id, 'boat/fuel', b['boat/fuel'] + litres]];
      }
      export const ensure = (db, {from}) => db.entity(['boat/imo', from])['boat/fuel'] >= 3;";
    let conn = scripted(patient(), &[(":boat/pump", pump)]);
    done(
        &conn,
        "[{:db/id :boat/pump :db.command/args \"{:from :long :to :long :litres {:type :long :min 1}}\"}
                  {:boat/imo 2 :boat/fuel 0}]",
    );
    let report = done(&conn, "[[:db/command :boat/pump {:from 1 :to 2 :litres 7}]]");
    assert_eq!(changes(&report)[..2], ["+boat/fuel 3", "+boat/fuel 7"]);
    let refused = rejected(&conn, "[[:db/command :boat/pump {:from 1 :to 2 :litres 1}]]");
    assert_eq!(
        (refused.keyword(), refused.category()),
        ("db.error/post-condition-failed", Category::Conflict)
    );
    let refused = rejected(&conn, "[[:db/command :boat/pump {:from 1 :litres 0}]]");
    assert_eq!(refused.keyword(), "db.error/invalid-arguments");
    // It is a command only.
    let refused = rejected(&conn, "[[:boat/pump 1 2 3]]");
    assert_eq!(refused.keyword(), "db.error/function-failed");
    assert!(refused.message().contains("exports no function transaction"), "{refused}");
    // What Datalog promises for it counts as well.
    done(
        &conn,
        r#"[{:db/id :boat/pump :db.command/ensure "{:in [?to] :where [[?b :boat/imo ?to] [?b :boat/fuel ?f] [(< ?f 100)]]}"}
            {:db/id :the/argo :boat/fuel 500}]"#,
    );
    let refused = rejected(&conn, "[[:db/command :boat/pump {:from 1 :to 2 :litres 200}]]");
    assert_eq!(refused.keyword(), "db.error/post-condition-failed");
}

/// What does not end within its limits or gives no data, the keyword of its refusal, and the limit.
const HOSTILE: [(&str, &str, &str); 14] = [
    ("for (;;);", "function-limit", "steps"),
    ("for (;;) { try { for (;;); } catch (e) {} finally { continue } }", "function-limit", "steps"),
    ("const a = []; for (;;) a.push([1, 2, 3])", "function-limit", "memory"),
    ("let s = 'x'; const a = []; for (;;) { s = [s, s].join(''); a.push(s) }", "function-limit", ""),
    ("return (function f() { return f() + 1 })()", "function-limit", "stack"),
    ("return [/^(a+)+$/.test('a'.repeat(40) + 'b')]", "function-limit", "steps"),
    (
        "const a = []; for (let i = 0; i < 1e7; i++) a.push(['db/add', 'x', 'boat/fuel', i]); return a",
        "function-limit",
        "",
    ),
    ("return [() => 1]", "function-failed", ""),
    ("return 7", "function-failed", ""),
    ("const a = []; a.push(a); return a", "function-failed", ""),
    ("return [['db/add', 'x', 'boat/fuel', undefined]]", "function-failed", ""),
    ("throw new Error('no')", "function-failed", ""),
    ("return [new Date()]", "function-failed", ""),
    ("return [Math.random()]", "function-failed", ""),
];

#[test]
fn hostile_scripts_are_refused_and_writing_goes_on() {
    let conn = scripted(patient(), &[]);
    for (body, keyword, limit) in HOSTILE {
        done(&conn, &stored(":my/hostile", &format!("export function transaction(db) {{ {body} }}")));
        for tx in
            ["[[:my/hostile]]", "[[:db/add :the/argo :boat/fuel 1] [:db/add \"x\" :no/such 1] (my/hostile)]"]
        {
            let refused = rejected(&conn, tx);
            let problems = refused.data().get(&Edn::keyword("db.error/problems")).map(ToString::to_string);
            let shown = problems.unwrap_or_else(|| format!(":{}", refused.keyword()));
            assert!(shown.contains(&format!(":db.error/{keyword}")), "{body}: {refused:?}");
        }
        let refused = rejected(&conn, "[[:my/hostile]]");
        let category = if keyword == "function-limit" { Category::Interrupted } else { Category::Incorrect };
        assert_eq!(refused.category(), category, "{body}: {refused:?}");
        assert!(refused.hint().is_some() && refused.message().contains("my/hostile"), "{body}: {refused:?}");
        if !limit.is_empty() {
            assert_eq!(told(&refused, "db.error/limit"), &Edn::keyword(limit), "{body}");
        }
        let fuel: i64 =
            values(&conn.db(), conn.db().entid(":the/argo").unwrap().unwrap(), "boat/fuel").parse().unwrap();
        done(&conn, &format!("[[:db/add :the/argo :boat/fuel {}]]", fuel + 1));
    }
}

#[test]
fn what_does_not_end_never_comes_to_the_writer() {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let count = move |_: &annals::Context<'_>, _: &[Edn]| {
        counted.fetch_add(1, Ordering::SeqCst);
        Ok(Edn::Vector(Vec::new()))
    };
    let code = patient().function("my/count", count).expect("a name of the program's own");
    let conn = scripted(code, &[(":my/hostile", "export function transaction(db, end) { while (!end); }")]);
    let runs_of = |tx: TxRequest| {
        let before = runs.load(Ordering::SeqCst);
        let outcome = conn.transact(tx);
        (
            runs.load(Ordering::SeqCst) - before,
            outcome.map(|report| report.t).map_err(|error| error.keyword().to_owned()),
        )
    };
    assert_eq!(
        runs_of("[[:my/count] [:my/hostile false]]".into()),
        (1, Err("db.error/function-limit".to_owned()))
    );
    // Also where another problem is told first.
    let refused = runs_of("[[:no/such 1] [:my/count] [:my/hostile false]]".into());
    assert_eq!(refused, (1, Err("db.error/not-a-data-function".to_owned())));
    let later = conn.accept(TxRequest::from("[[:my/count] [:my/hostile false]]").key("later"));
    assert_eq!(later.unwrap_err().keyword(), "db.error/function-limit");
    assert!(conn.request("later", Duration::ZERO).unwrap().is_none());
    // What ends is carried out again where it counts, and what has a key once only.
    let keyed = || TxRequest::from("[[:my/count] [:my/hostile true]]").key("k");
    let (count, t) = runs_of(keyed());
    assert!(count == 2 && t.is_ok(), "{count} {t:?}");
    assert_eq!(runs_of(keyed()), (0, t));
}

#[test]
fn a_script_has_no_clock_and_no_chance_and_gives_the_same_twice() {
    struct Stopped;
    impl Clock for Stopped {
        fn now_micros(&self) -> i64 {
            1_700_000_000_000_000
        }
    }
    let odd = "export function transaction(db, ctx) {
      const gone = ['Date', 'performance', 'setTimeout', 'crypto', 'Promise', 'WeakRef'].filter((x) => x in globalThis);
      if ('random' in Math) gone.push('random');
      return [{'boat/name': `${gone}|${ctx.now}|${ctx.t}`, 'boat/tags': [`${ctx.uuid()}`, `${ctx.uuid()}`]}];
    }";
    let conn = harbour_with(Options { clock: Arc::new(Stopped), code: patient(), ..Options::default() });
    done(&conn, &stored(":my/odd", odd));
    let tried = || changes(&conn.db().with("[[:my/odd] [:my/odd]]").expect("a report"));
    let first = tried();
    assert_eq!(first, tried());
    assert_eq!(first, changes(&done(&conn, "[[:my/odd] [:my/odd]]")));
    assert_ne!(first, changes(&done(&conn, "[[:my/odd] [:my/odd]]")), "another transaction has other ids");
    assert!(first.contains(&"+boat/name \"|2023-11-14T22:13:20.000-00:00|3\"".to_owned()), "{first:?}");
    let tags: std::collections::BTreeSet<&String> = first.iter().filter(|tag| tag.contains("tags")).collect();
    assert_eq!(tags.len(), 4, "two calls make two ids each: {first:?}");
}

#[test]
fn code_is_a_fact_and_the_past_shows_which_rule_applied() {
    let rule = |most: i64| {
        stored(
            ":boat/fill",
            &format!(
                "export const transaction = (db, boat, n) => [['db/add', boat, 'boat/fuel', Math.min(n, {most})]]"
            ),
        )
    };
    let conn = scripted(patient(), &[]);
    done(&conn, &rule(20));
    let first = done(&conn, "[[:boat/fill :the/argo 99]]");
    done(&conn, &rule(30));
    let second = done(&conn, "[[:boat/fill :the/argo 99]]");
    let code = "[:find ?code . :where [?f :db/ident :boat/fill] [?f :db/fn ?code]]";
    for (report, most) in [(first, "20"), (second, "30")] {
        let db = conn.db().as_of(report.t);
        assert!(ask(&db, code, NONE).contains(&format!("Math.min(n, {most})")), "{most}");
        assert_eq!(ask(&db, "[:find ?n . :where [:the/argo :boat/fuel ?n]]", NONE), most);
    }
    // A transaction that is only tried runs scripts too.
    let tried = conn.db().with("[[:boat/fill :the/argo 5]]").unwrap();
    assert_eq!(changes(&tried), ["+boat/fuel 5", "-boat/fuel 30"]);
}

#[test]
fn what_cannot_be_read_is_not_stored() {
    let conn = scripted(patient(), &[(":boat/burn", BURN)]);
    let refused = rejected(&conn, &stored(":my/wrong", "export function transaction() {\n  return [;\n}"));
    assert_eq!((refused.keyword(), refused.category()), ("db.error/function-syntax", Category::Incorrect));
    assert_eq!(told(&refused, "db.error/line"), &Edn::Int(2));
    assert!(refused.data().get(&Edn::keyword("db.error/problems")).is_none(), "told once: {refused:?}");
    let refused = rejected(&conn, &stored(":my/wrong", "const x = 1"));
    assert_eq!(refused.keyword(), "db.error/function-syntax");
    let refused = rejected(&conn, "[{:db/ident :my/wrong :db.fn/lang :db.lang/cobol :db/fn \"[]\"}]");
    assert_eq!(refused.keyword(), "db.error/invalid-function");
    // Without its language a script is read as Datalog, which it is not.
    let refused = rejected(&conn, "[[:db/retract :boat/burn :db.fn/lang :db.lang/js]]");
    assert_eq!(refused.keyword(), "db.error/invalid-function");
    done(&conn, "[[:db/retract :boat/burn :db.fn/lang] [:db/retract :boat/burn :db/fn]]");
    assert_eq!(rejected(&conn, "[[:boat/burn :the/argo 1]]").keyword(), "db.error/not-a-data-function");
}

#[test]
fn a_database_that_is_opened_again_runs_no_script() {
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let address = scratch.path().join("harbour.annals");
    let open = |code: Code| {
        let store = annals::connect_with(&address.to_string_lossy(), Options { code, ..Options::default() });
        store.and_then(|store| store.database("harbour")).expect("a file")
    };
    let conn = open(patient());
    done(&conn, "[{:db/ident :boat/fuel :db/valueType :db.type/long :db/cardinality :db.cardinality/one}]");
    done(
        &conn,
        &stored(
            ":my/fill",
            "export const transaction = (db, n) => [{'db/ident': kw('the/argo'), 'boat/fuel': n}]",
        ),
    );
    let t = done(&conn, "[[:my/fill 7]]").t;
    drop(conn);
    // No script can run here.
    let none = patient().scripts_within(Limits { steps: 0, ..Limits::default() });
    let conn = open(none);
    assert_eq!(conn.db().basis_t(), t);
    assert_eq!(ask(&conn.db(), "[:find ?n . :where [:the/argo :boat/fuel ?n]]", NONE), "7");
    assert_eq!(rejected(&conn, "[[:my/fill 8]]").keyword(), "db.error/function-limit");
}
