//! Functions, predicates, specs and constraints: checks 43 to 46, 66 to 70, J5, J10 and J12, and what goes beyond them.

use std::sync::Arc;

use annals_query::edn::Edn;
use annals_storage::datom::EntityId;

use super::{Harbour, NOON, SCHEMA, Stopped};
use crate::code::{Code, Context, Refusal};
use crate::database::Db;
use crate::{Options, TxRequest};

/// A harbour whose program brings code.
fn with_code(code: Code, setup: &str) -> Harbour {
    let store = crate::connect_with("mem:", Options { clock: Arc::new(Stopped), code, ..Options::default() });
    let conn = store.unwrap().database("harbour").unwrap();
    let mut harbour = Harbour { db: conn.db(), names: Default::default(), now: NOON };
    harbour.ok(SCHEMA);
    harbour.ok(setup);
    harbour
}

const BURN: &str = r#"{:db/ident :boat/burn
  :db/fn "{:in [?imo ?n]
           :require [[[[(> ?n 0)]] :boat/amount \"burn something\"]
                     [[[?b :boat/imo ?imo]] :boat/unknown]]
           :where [[?b :boat/imo ?imo] [?b :boat/fuel ?now] [(- ?now ?n) ?left]]
           :tx [[:db/add ?b :boat/fuel ?left] {:db/id \"datomic.tx\" :note/by \"burn\"}]}"}"#;

#[test]
fn a_template_is_filled_once_for_each_row_over_the_state_before() {
    let mut harbour = Harbour::new(&format!(
        "[{BURN} {{:db/id \"a\" :boat/imo 1 :boat/fuel 10}} {{:db/id \"b\" :boat/imo 2 :boat/fuel 7}}
          {{:db/ident :boat/burn-all :db/fn \"{{:in [?n] :where [[?b :boat/imo ?imo]] :tx [[:boat/burn ?imo ?n]]}}\"}}]"
    ));
    assert_eq!(harbour.changes("[[:boat/burn 1 3]]"), ["+a boat/fuel 7", "-a boat/fuel 10"]);
    // A function gives calls of others (check 43), by symbol or keyword.
    let changes = harbour.changes("[(boat/burn-all 2)]");
    assert_eq!(changes, ["+a boat/fuel 5", "+b boat/fuel 5", "-a boat/fuel 7", "-b boat/fuel 7"]);
    // Two calls see the same state (J10), and a fact beside them is not seen (check 46).
    assert_eq!(harbour.changes("[[:boat/burn 1 1] [:boat/burn 1 1]]"), ["+a boat/fuel 4", "-a boat/fuel 5"]);
    harbour.refused("[[:boat/burn 1 1] [:db/add $a :boat/fuel 9]]", "datoms-conflict");
    // What it requires (check 44).
    let refused = harbour.refused("[[:boat/burn 1 0]]", "rejected");
    assert_eq!(refused.category(), crate::Category::Conflict);
    assert_eq!(refused.message(), "burn something");
    assert_eq!(refused.data()[&Edn::keyword("db.error/code")], Edn::keyword("boat/amount"));
    let refused = harbour.refused("[[:boat/burn 3 1]]", "rejected");
    assert_eq!(refused.data()[&Edn::keyword("db.error/code")], Edn::keyword("boat/unknown"));
    assert_eq!(refused.span().map(|span| span.start), Some(1));
    harbour.refused("[[:boat/burn 3]]", "function-arity");
    harbour.refused("[[:boat/burn 1 \"x\"]]", "function-failed");
    harbour.refused("[[:boat/name 1]]", "not-a-data-function");
}

#[test]
fn a_query_gives_list_forms() {
    let mut harbour = Harbour::new(
        "[{:db/id \"a\" :boat/name \"Argo\"} {:db/id \"f\" :boat/name \"Fram\"}
          {:db/ident :boat/forget :db/fn \"[:find ?op ?b ?a ?v :in $ ?v :where [?b :boat/name ?v]
             [(ground :db/retract) ?op] [(ground :boat/name) ?a]]\"}]",
    );
    assert_eq!(harbour.changes("[[:boat/forget \"Argo\"]]"), ["-a boat/name \"Argo\""]);
    assert!(harbour.changes("[[:boat/forget \"Argo\"]]").is_empty());
}

#[test]
fn code_that_cannot_be_read_is_not_stored() {
    super::check_refused(
        "[]",
        &[
            ("[{:db/ident :f/x :db/fn \"[:find\"}]", "invalid-function"),
            (
                "[{:db/ident :f/x :db/fn \"{:in [?x] :where [] :tx [[:db/add ?y :boat/fuel ?x]]}\"}]",
                "invalid-function",
            ),
            ("[{:db/ident :f/x :db/fn \"{:inn [?x]}\"}]", "invalid-function"),
            ("[{:db/ident :f/x :db/fn \"{:require [[[] \\\"x\\\"]]}\"}]", "invalid-function"),
            ("[{:db/ident :f/x :db/fn \"7\"}]", "invalid-function"),
            ("[{:db/ident :f/x :db/fn \"[:find ?x :in ?x]\"}]", "invalid-function"),
            ("[{:db/ident :f/x :db/fn \"{}\" :db.fn/lang :db.lang/basic}]", "invalid-function"),
            (
                "[{:db/ident :f/x :db/constraint \"[:find ?x :in $ ?y :where [?x :boat/fuel ?y]]\"}]",
                "invalid-constraint",
            ),
            ("[{:db/ident :f/x :db/constraint \"[:find ?x :where [?x\"}]", "invalid-constraint"),
            ("[{:db/ident :f/x :db.entity/preds [f/nope?]}]", "unknown-predicate"),
            ("[{:db/id :boat/fuel :db.attr/preds f/nope?}]", "unknown-predicate"),
        ],
    );
}

#[test]
fn calls_without_end_are_refused() {
    let harbour = Harbour::new(
        "[{:db/ident :f/again :db/fn \"{:tx [[:f/again]]}\"}
          {:db/ident :f/many :db/fn \"{:in [[?x ...]] :tx [[:f/more ?x]]}\"}
          {:db/ident :f/more :db/fn \"{:in [?x] :tx [[:db/add \\\"t\\\" :boat/tags \\\"x\\\"]]}\"}]",
    );
    let error = harbour.refused("[[:f/again]]", "function-failed");
    assert!(error.message().contains("deeper"), "{error:?}");
    harbour.attempt("[[:f/many [1 2 3]]]").unwrap();
}

fn increment(context: &Context<'_>, args: &[Edn]) -> Result<Edn, Refusal> {
    let [e, Edn::Int(n)] = args else { return Err("an entity and a number are needed".into()) };
    let found = context.db().q("[:find ?v . :in $ ?e :where [?e :boat/fuel ?v]]", [e.clone().into()])?;
    let Edn::Int(now) = found.into_edn() else { return Ok(Edn::Nil) };
    if *n > 100 {
        return Err(Refusal::conflict("my/full", "the tank is full").with("my/x", 1));
    }
    let add = [Edn::keyword("db/add"), e.clone(), Edn::keyword("boat/fuel"), Edn::Int(now + n)];
    Ok(Edn::Vector(vec![Edn::Vector(add.to_vec())]))
}

#[test]
fn native_functions_see_the_state_before() {
    let code = Code::new()
        .function("my/inc", increment)
        .and_then(|code| code.function("my/panic", |_, _| panic!("no")))
        .and_then(|code| code.function("my/garbage", |_, _| Ok(Edn::Int(7))))
        .unwrap();
    let mut harbour = with_code(code, "[{:db/id \"a\" :boat/fuel 0}]");
    assert_eq!(
        harbour.changes("[[:db/add $a :boat/fuel 1] [my/inc $a 1]]"),
        ["+a boat/fuel 1", "-a boat/fuel 0"]
    );
    harbour.refused("[[:my/inc $a 1] [my/inc $a 2]]", "datoms-conflict");
    let refused = harbour.refused("[[my/inc $a 101]]", "rejected");
    assert_eq!(refused.data()[&Edn::keyword("my/x")], Edn::Int(1));
    harbour.refused("[[my/inc]]", "function-failed");
    harbour.refused("[[my/garbage]]", "function-failed");
    harbour.refused("[[my/panic]]", "function-failed");
    harbour.refused("[[my/other]]", "not-a-data-function");
}

#[test]
fn attribute_predicates_judge_every_assertion_and_nothing_else() {
    let code = Code::new().predicate("my/truthy?", |_| Ok(Edn::Int(1))).unwrap();
    let mut harbour = with_code(code, "[{:db/id \"a\" :boat/fuel -3 :boat/name \"Argo\"}]");
    harbour.ok("[{:db/ident :my/small? :db/fn \"{:in [?v] :where [[(< ?v 1000)]]}\"}
          {:db/id :boat/name :db.attr/preds my/truthy?}]");
    harbour.ok("[{:db/id :boat/fuel :db.attr/preds [pos? my/small?]}]");
    // What is there stays, and can be taken away (check 67).
    assert_eq!(harbour.values("a", "boat/fuel"), ["-3"]);
    harbour.refused("[[:db/add $a :boat/fuel -3]]", "attr-pred");
    harbour.refused("[[:db/add $a :boat/fuel 1000]]", "attr-pred");
    harbour.ok("[[:db/retract $a :boat/fuel -3]]");
    harbour.ok("[[:db/add $a :boat/fuel 3]]");
    let refused = harbour.refused("[[:db/add $a :boat/fuel 0] [:db/add $a :boat/name \"x\"]]", "attr-pred");
    let data = refused.data();
    let problems = &data[&Edn::keyword("db.error/problems")];
    assert_eq!(problems.as_seq().map(<[Edn]>::len), Some(2), "{problems}");
    // Only `true` passes (check 66).
    let refused = harbour.refused("[[:db/add $a :boat/name \"x\"]]", "attr-pred");
    assert_eq!(refused.data()[&Edn::keyword("db.error/pred-return")], Edn::Int(1));
    harbour.refused("[[:db/add $a :boat/fuel nil]]", "nil-value");
    harbour.ok("[[:db/retract :boat/fuel :db.attr/preds pos?]]");
    harbour.ok("[[:db/add $a :boat/fuel -1]]");
}

#[test]
fn specs_judge_the_state_after_and_only_who_asks() {
    let heavy = |db: &Db, e: EntityId| {
        let fuel = db.q("[:find ?v . :in $ ?e :where [?e :boat/fuel ?v]]", [Edn::from(e).into()])?.into_edn();
        Ok(if fuel > Edn::Int(50) { fuel } else { Edn::Bool(true) })
    };
    let code = Code::new().entity_predicate("my/light?", heavy).unwrap();
    let mut harbour = with_code(code, "[{:db/ident :boat/spec :db.entity/attrs [:boat/name :boat/afloat]}
          {:db/ident :boat/light :db.entity/preds [my/light?]}
          {:db/ident :boat/named :db.entity/preds named/well?}
          {:db/ident :named/well? :db/fn \"{:in [?e] :where [[?e :boat/name ?n] [(count ?n) ?c] [(> ?c 3)]]}\"}]");
    let refused = harbour.refused("[{:db/id \"a\" :boat/fuel 1 :db/ensure :boat/spec}]", "entity-attr");
    assert_eq!(refused.data()[&Edn::keyword("db.error/attributes")].to_string(), "[:boat/afloat :boat/name]");
    harbour.ok("[{:db/id \"a\" :boat/fuel 1 :boat/name \"Argo\" :boat/afloat false :db/ensure [:boat/spec :boat/light :boat/named]}]");
    assert_eq!(harbour.facts("a").len(), 3);
    let refused =
        harbour.refused("[[:db/add $a :boat/fuel 60] [:db/add $a :db/ensure :boat/light]]", "entity-pred");
    assert_eq!(refused.data()[&Edn::keyword("db.error/pred-return")], Edn::Int(60));
    harbour.refused("[{:db/id $a :boat/name \"Fr\" :db/ensure #{:boat/named}}]", "entity-pred");
    // Nobody asks, nobody judges (check 70).
    harbour.ok("[[:db/add $a :boat/fuel 60] [:db/retract $a :boat/name \"Argo\"]]");
    harbour.refused("[[:db/add $a :db/ensure :boat/fuel]]", "not-an-entity-spec");
    harbour.refused("[[:db/add $a :db/ensure :boat/none]]", "not-an-entity");
    harbour.refused("[[:db/retract $a :db/ensure :boat/spec]]", "invalid-tx-data");
}

#[test]
fn two_functions_that_each_forbid_the_other_are_stopped_by_a_spec() {
    // J12: approve and deny in one transaction.
    let grant = |name: &str, with: &str| {
        format!(
            "{{:db/ident :grant/{name} :db/fn \"{{:in [?g]
               :require [[[(not [?g :grant/state])] :grant/settled]]
               :tx [[:db/add ?g :grant/state :{name}] {with}]}}\"}}"
        )
    };
    let setup = |with: &str| {
        let mut harbour = Harbour::new(
            "[{:db/ident :grant/state :db/valueType :db.type/keyword :db/cardinality :db.cardinality/many}]",
        );
        harbour.ok(&format!(
            "[{{:db/id \"g\" :note/by \"me\"}} {} {}
              {{:db/ident :grant/spec :db.entity/preds grant/one?}}
              {{:db/ident :grant/one? :db/fn \"{{:in [?g] :where [[(count-of ?g) ?n]]}}\"}}]",
            grant("approve", with),
            grant("deny", with)
        )
        .replace(
            "[(count-of ?g) ?n]",
            "(not-join [?g] [?g :grant/state ?x] [?g :grant/state ?y] [(!= ?x ?y)])",
        ));
        harbour
    };
    let mut open = setup("");
    open.ok("[[:grant/approve $g] [:grant/deny $g]]");
    assert_eq!(open.values("g", "grant/state").len(), 2);
    open.refused("[[:grant/approve $g]]", "rejected");
    let guarded = setup("[:db/add ?g :db/ensure :grant/spec]");
    guarded.attempt("[[:grant/approve $g]]").unwrap();
    guarded.refused("[[:grant/approve $g] [:grant/deny $g]]", "entity-pred");
}

#[test]
fn a_constraint_judges_every_transaction_that_touches_what_it_reads() {
    let mut harbour =
        Harbour::new("[{:db/id \"a\" :boat/name \"Argo\" :boat/fuel 10} {:db/id \"f\" :boat/fuel 5}]");
    let declared = "[{:db/id \"c\" :db/ident :boat/no-debt
        :db/constraint \"[:find ?b ?fuel :where [?b :boat/fuel ?fuel] [(< ?fuel 0)]]\"}]";
    // It must hold when it is declared.
    harbour.ok("[[:db/add $f :boat/fuel -1]]");
    harbour.refused(declared, "constraint-violated");
    harbour.ok("[[:db/add $f :boat/fuel 5]]");
    harbour.ok(declared);
    let f = harbour.names["f"];
    let refused =
        harbour.refused("[[:db/add $f :boat/fuel -2] [:db/add $a :boat/fuel 1]]", "constraint-violated");
    assert_eq!(refused.data()[&Edn::keyword("db.error/rows")].to_string(), format!("[[{f} -2]]"));
    assert_eq!(refused.data()[&Edn::keyword("db.error/constraint")], Edn::keyword("boat/no-debt"));
    harbour.ok("[[:db/add $f :boat/fuel 0]]");
    // By whatever name.
    harbour.ok("[[:db/add :boat/fuel :db/ident :boat/diesel]]");
    harbour.refused("[[:db/add $f :boat/diesel -2]]", "constraint-violated");
    harbour.ok("[[:db/retract :boat/no-debt :db/constraint]]");
    harbour.ok("[[:db/add $f :boat/diesel -2]]");
}

#[test]
fn constraints_with_negation_rules_and_joins() {
    let mut harbour = Harbour::new(
        "[{:db/id \"osl\" :port/code \"OSL\"} {:db/id \"a\" :boat/name \"Argo\" :boat/home \"osl\"}
          {:db/id \"k\" :crew/badge \"K\"} {:db/id \"m\" :crew/badge \"M\" :crew/boss \"k\"}]",
    );
    harbour.ok(
        "[{:db/ident :boat/homed :db/constraint
             \"[:find ?b :where [?b :boat/name] (not-join [?b] [?b :boat/home ?p] [?p :port/code])]\"}
          {:db/ident :crew/no-circle :db/constraint
             \"{:query [:find ?c :in $ % :where (above ?c ?c)]
               :rules [[(above ?x ?y) [?x :crew/boss ?y]] [(above ?x ?z) [?x :crew/boss ?y] (above ?y ?z)]]}\"}
          {:db/ident :boat/one-a-port :db/constraint
             \"[:find ?p :where [?x :boat/home ?p] [?y :boat/home ?p] [(!= ?x ?y)]]\"}]",
    );
    harbour.refused("[{:boat/name \"Fram\"}]", "constraint-violated");
    harbour.refused("[[:db/retract $a :boat/home $osl]]", "constraint-violated");
    harbour.refused("[[:db/retract $osl :port/code \"OSL\"]]", "constraint-violated");
    harbour.refused("[[:db/add $k :crew/boss $m]]", "constraint-violated");
    let refused = harbour.refused("[{:boat/name \"Fram\" :boat/home $osl}]", "constraint-violated");
    assert_eq!(refused.data()[&Edn::keyword("db.error/constraint")], Edn::keyword("boat/one-a-port"));
    harbour.ok("[{:boat/name \"Fram\" :boat/home {:port/code \"BGO\"}}]");
    // What they do not read does not matter to them.
    harbour.ok("[[:db/add $a :boat/fuel 3]]");
}

#[test]
fn expectations_are_judged_by_the_state_before_and_told_together() {
    let store = crate::connect("mem:").unwrap();
    let conn = store.database("main").unwrap();
    conn.transact(SCHEMA).unwrap();
    let first = conn.transact("[{:db/id \"a\" :boat/imo 1 :boat/fuel 10 :boat/tags [\"x\" \"y\"] :boat/crew {:db/id \"k\" :crew/badge \"K\"}}]").unwrap();
    let (a, k, t) = (first.tempids["a"], first.tempids["k"], first.t);
    let attempt = |expect: &[String]| {
        let request = TxRequest::from("[{:note/by \"me\" :db/id \"datomic.tx\"}]");
        let request = expect.iter().fold(request, |request, expect| request.expect(expect.as_str()));
        conn.transact(request)
    };
    let fails = |expect: &str| {
        let error = attempt(&[expect.to_owned()]).unwrap_err();
        assert_eq!(error.keyword(), "db.error/expectation-failed", "{expect}: {error:?}");
        let Edn::Vector(failed) = &error.data()[&Edn::keyword("db.error/failed")] else {
            panic!("{error:?}")
        };
        let Edn::Map(failed) = &failed[0] else { panic!("{error:?}") };
        failed[&Edn::keyword("actual")].to_string()
    };
    let holds = |expect: &str| {
        drop(attempt(&[expect.to_owned()]).unwrap_or_else(|error| panic!("{expect}: {error:?}")))
    };
    holds(&format!("{{:basis {t}}}"));
    assert_eq!(fails(&format!("{{:basis {t}}}")), (t + 1).to_string());
    for expect in [
        format!("{{:entity {a} :unchanged-since {t}}}"),
        format!("{{:entity [:crew/badge \"K\"] :unchanged-since {t} :components true}}"),
        format!("{{:entity {a} :attribute :boat/fuel :is 10}}"),
        format!("{{:entity {a} :attribute :boat/name :is nil}}"),
        format!("{{:entity {a} :attribute :boat/tags :is #{{\"y\" \"x\"}}}}"),
        "{:query [:find ?b :where [?b :boat/fuel 11]] :is :empty}".to_owned(),
        "{:query \"[:find ?b . :in $ ?f :where [?b :boat/fuel ?f]]\" :args [10] :is :nonempty}".to_owned(),
        format!("{{:query [:find ?f :where [_ :boat/fuel ?f]] :unchanged-since {t}}}"),
        format!("{{:patterns [[_ :boat/fuel 10] [{a} _ _] [?e :boat/imo]] :unchanged-since {t}}}"),
    ] {
        holds(&expect);
    }
    let second = conn
        .transact(format!(
            "[[:db/add {k} :crew/rank :cook] [:db/add {a} :boat/fuel 11] [:db/add {a} :boat/fuel 11]]"
        ))
        .unwrap();
    assert!(fails(&format!("{{:entity {a} :unchanged-since {t}}}")).contains(&second.t.to_string()));
    holds(&format!("{{:entity {a} :unchanged-since {}}}", second.t));
    let third = conn.transact(format!("[[:db/add {k} :crew/rank :mate]]")).unwrap();
    holds(&format!("{{:entity {a} :unchanged-since {}}}", second.t));
    let parts = format!("{{:entity {a} :unchanged-since {} :components true}}", second.t);
    assert!(fails(&parts).contains(&third.t.to_string()));
    assert_eq!(fails(&format!("{{:entity {a} :attribute :boat/fuel :is 10}}")), "11");
    assert_eq!(fails(&format!("{{:entity {a} :attribute :boat/fuel :is nil}}")), "11");
    assert_eq!(fails(&format!("{{:entity {a} :attribute :boat/name :is \"x\"}}")), "nil");
    assert_eq!(fails(&format!("{{:entity {a} :attribute :boat/tags :is #{{\"x\"}}}}")), "#{\"x\" \"y\"}");
    assert_eq!(fails("{:query [:find ?b . :where [?b :boat/fuel 11]] :is :empty}"), a.to_string());
    fails("{:query [:find ?b :where [?b :boat/fuel 10]] :is :nonempty}");
    assert_eq!(
        fails(&format!("{{:query [:find [?f ...] :where [_ :boat/fuel ?f]] :unchanged-since {t}}}")),
        "#{11}"
    );
    // A fact that went is a change too, and so is one that came and went.
    assert!(fails(&format!("{{:patterns [[_ :boat/fuel 10]] :unchanged-since {t}}}")).contains("changed-at"));
    holds(&format!("{{:patterns [[_ :boat/fuel 12] [_ :crew/badge]] :unchanged-since {t}}}"));
    let both = [format!("{{:basis {t}}}"), format!("{{:entity {a} :attribute :boat/fuel :is 9}}")];
    let error = attempt(&both).unwrap_err();
    assert_eq!(error.data()[&Edn::keyword("db.error/failed")].as_seq().map(<[Edn]>::len), Some(2));
    for wrong in [
        "7",
        "{}",
        "{:basis :x}",
        "{:entity 1 :is 2}",
        "{:query [:find] :is :empty}",
        "{:query [:find ?x :where [?x :boat/fuel]] :is :some}",
        "{:patterns [[]] :unchanged-since 1}",
        "{:patterns [[_ _ 7]] :unchanged-since 1}",
    ] {
        let error = attempt(&[wrong.to_owned()]).unwrap_err();
        assert_eq!(error.category(), crate::Category::Incorrect, "{wrong}: {error:?}");
    }
}

const TRANSFER: &str = r#"[{:db/ident :boat/pump
  :db.command/args "{:from :long, :to :long, :amount {:type :long :min 1}}"
  :db/fn "{:in [?from ?to ?amount]
           :require [[[[(not= ?from ?to)]] :boat/same \"pump from one boat to another\"]]
           :where [[?x :boat/imo ?from] [?x :boat/fuel ?a] [(- ?a ?amount) ?less]
                   [?y :boat/imo ?to] [?y :boat/fuel ?b] [(+ ?b ?amount) ?more]]
           :tx [[:db/add ?x :boat/fuel ?less] [:db/add ?y :boat/fuel ?more]]}"
  :db.command/ensure "{:in [?from] :where [[?x :boat/imo ?from] [?x :boat/fuel ?f] [(>= ?f 0)]]}"}
  {:db/id "a" :boat/imo 1 :boat/fuel 10} {:db/id "b" :boat/imo 2 :boat/fuel 7}]"#;

#[test]
fn a_command_takes_what_it_declares_and_keeps_what_it_promises() {
    let mut harbour = Harbour::new(TRANSFER);
    let report = harbour.ok("[[:db/command :boat/pump {:from 1 :to 2 :amount 4}]]");
    assert_eq!(harbour.values("a", "boat/fuel"), ["6"]);
    assert_eq!(harbour.values("b", "boat/fuel"), ["11"]);
    let command = harbour.db.entid(":boat/pump").unwrap().unwrap();
    assert_eq!(super::values(&harbour.db, report.tx, "db.tx/command"), [command.to_string()]);
    let refused =
        harbour.refused("[[:db/command :boat/pump {:from 1 :amount 0 :more 7}]]", "invalid-arguments");
    assert_eq!(refused.data()[&Edn::keyword("db.error/problems")].as_seq().map(<[Edn]>::len), Some(3));
    harbour.refused("[[:db/command :boat/pump {:from 1 :to 1 :amount 1}]]", "rejected");
    let refused =
        harbour.refused("[[:db/command :boat/pump {:from 1 :to 2 :amount 7}]]", "post-condition-failed");
    assert_eq!(refused.category(), crate::Category::Conflict);
    harbour.refused("[[:db/command :boat/none {}]]", "unknown-command");
    harbour.refused("[[:db/command :boat/pump]]", "invalid-tx-data");
    harbour.refused("[[:db/command :boat/pump [1 2 3]]]", "invalid-tx-data");
    let one = "[:db/command :boat/pump {:from 1 :to 2 :amount 1}]";
    harbour.refused(&format!("[{one} {one}]"), "invalid-tx-data");
    // Facts beside it are judged together with it.
    harbour.refused(&format!("[{one} [:db/add $b :boat/fuel 100]]"), "datoms-conflict");
    check_declared("{:from :frob}", "invalid-command-args");
}

fn check_declared(args: &str, keyword: &str) {
    super::check_refused(
        "[]",
        &[(&format!("[{{:db/ident :f/x :db/fn \"{{}}\" :db.command/args \"{args}\"}}]"), keyword)],
    );
    super::check_refused("[]", &[("[{:db/ident :f/x :db.command/ensure \"{:in\"}]", "invalid-function")]);
}

#[test]
fn marks_of_the_database_itself_are_not_written_by_others() {
    super::check_refused(
        "[]",
        &[
            ("[{:db/id \"datomic.tx\" :db.tx/key \"k\"}]", "protected-attribute"),
            ("[[:db/add \"datomic.tx\" :db.intake/open true]]", "protected-attribute"),
            ("[[:db/add :boat/name :db.attr/filling true]]", "protected-attribute"),
        ],
    );
}
