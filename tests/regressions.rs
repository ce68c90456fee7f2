//! Mistakes that other databases of this kind have made, each as a test of ours.
//!
//! | number | the mistake | where the depth is |
//! | --- | --- | --- |
//! | 1 | a size that is guessed wrong loses rows | here, with a job after every few facts |
//! | 2 | the order of clauses, a clause twice, or one more changes the answer | here; `query/tests` at random |
//! | 3 | a constant entity, `false`, or the empty text is taken for nothing | here |
//! | 4 | long chains, and recursion bound at either end | here |
//! | 5 | an argument that a rule computes, or never binds | here |
//! | 6 | double recursion, and pulls in circles, do not end | here |
//! | 7 | negation of inputs alone, of nothing shared, before its variables are bound | here |
//! | 8 | `or-join` over what it does not list, and a branch that is empty | here |
//! | 9 | inputs that are names, in any row, for any source | here |
//! | 10 | `get-else` with odd arguments | here |
//! | 11 | aggregates that depend on the way they were computed | here |
//! | 12 | moments at the edges, and views of views | here |
//! | 13 | retracting twice, or what was never there | here |
//! | 14 | facts without history | here; `storage/src/index` |
//! | 15 | upserts that conflict, and that unify | here; `src/transact/tests` |
//! | 16 | a number taken for an instant | here |
//! | 17 | a crash between what is written and what is published | here; `storage/tests`, `crash.rs` |
//! | 18 | a file that is no database, and a full disk | here; `storage/src/backend`, `src/transactor` |
//! | 19 | an index that is gone and seems to be empty | here; `storage/src/index` |
//! | 20 | a bound that is hit takes the writer with it | here |

#![allow(clippy::disallowed_methods)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use annals::{Arg, Budget, Connection, Db, Edn, Options};
use annals_tests::shown;

const NONE: [Arg; 0] = [];

fn attribute(name: &str, value_type: &str, more: &str) -> String {
    format!(
        "{{:db/ident :{name} :db/valueType :db.type/{value_type} :db/cardinality :db.cardinality/one {more}}}"
    )
}

const MANY: &str = ":db/cardinality :db.cardinality/many";

/// Attributes of every kind: `:n/id` is an identity, `:n/to` and `:n/up` lead on.
fn schema() -> String {
    let many = |name: &str, value_type: &str| {
        format!("{{:db/ident :{name} :db/valueType :db.type/{value_type} {MANY}}}")
    };
    [
        attribute("n/id", "long", ":db/unique :db.unique/identity"),
        attribute("n/name", "string", ":db/unique :db.unique/identity"),
        attribute("n/text", "string", ""),
        attribute("n/on", "boolean", ""),
        attribute("n/size", "long", ""),
        attribute("n/at", "instant", ""),
        attribute("n/up", "ref", ""),
        attribute("n/quick", "long", ":db/noHistory true"),
        many("n/to", "ref"),
        many("n/tag", "keyword"),
    ]
    .concat()
}

/// An empty database with the schema: in memory, and with an index job after every few facts.
fn databases() -> [Connection; 2] {
    let often = Options { novelty_datoms: 8, ..Options::default() };
    [Options::default(), often].map(|options| {
        let store = annals::connect_with("mem:", options).expect("a storage in memory");
        let conn = store.database("main").expect("an empty database");
        done(&conn, &format!("[{}]", schema()));
        conn
    })
}

#[track_caller]
fn done(conn: &Connection, tx: &str) -> annals::TxReport {
    conn.transact(tx).unwrap_or_else(|error| panic!("{tx}\n{error}"))
}

/// All that is written so far, put to rest.
fn rest(conn: &Connection) {
    let t = conn.request_index().expect("a job");
    conn.sync_index(t, Duration::from_secs(60)).expect("trees at rest");
}

/// The answer as text, sorted where it has no order.
#[track_caller]
fn ask(db: &Db, query: &str, args: impl IntoIterator<Item = Arg>) -> String {
    shown(db.q(query, args).unwrap_or_else(|error| panic!("{query}\n{error}")))
}

#[track_caller]
fn keyword(db: &Db, query: &str, args: impl IntoIterator<Item = Arg>) -> String {
    match db.q(query, args) {
        Err(error) => error.keyword().to_owned(),
        Ok(answer) => panic!("{query}\nwas answered: {answer:?}"),
    }
}

fn arg(text: &str) -> Arg {
    Arg::Edn(annals::edn::read_one(text).expect("EDN").to_edn())
}

/// Every order of some clauses.
fn permutations(clauses: &[&str]) -> Vec<String> {
    if clauses.is_empty() {
        return vec![String::new()];
    }
    let without = |at: usize| [&clauses[..at], &clauses[at + 1..]].concat();
    let of =
        |at: usize| permutations(&without(at)).into_iter().map(move |rest| format!("{} {rest}", clauses[at]));
    (0..clauses.len()).flat_map(of).collect()
}

/// Number 1: what the counts say about facts that come and go between jobs changes no answer.
#[test]
fn counts_that_have_grown_old_lose_no_rows() {
    for conn in databases() {
        let query = "[:find (count ?e) . :where [?e :n/size ?x] [?e :n/text \"a\"]]";
        let mut held = Vec::new();
        for round in 0..6 {
            let range = round * 20..(round + 1) * 20;
            let added: String =
                range.map(|id| format!("{{:n/id {id} :n/size {id} :n/text \"a\"}} ")).collect();
            done(&conn, &format!("[{added}]"));
            held.push(conn.db());
            if round % 2 == 1 {
                rest(&conn);
            }
            let gone: String = (round * 20..round * 20 + 10)
                .map(|id| format!("[:db/retractEntity [:n/id {id}]] "))
                .collect();
            done(&conn, &format!("[{gone}]"));
            let left = (round + 1) * 10;
            assert_eq!(ask(&conn.db(), query, NONE), left.to_string(), "round {round}");
            assert_eq!(ask(held.last().expect("a value"), query, NONE), (left + 10).to_string());
        }
        // An attribute that never had a fact, and one that lost all.
        assert_eq!(ask(&conn.db(), "[:find ?e :where [?e :n/on true] [?e :n/size]]", NONE), "[]");
        let all: String = (0..120).map(|id| format!("[:db/retractEntity [:n/id {id}]] ")).collect();
        done(&conn, &format!("[{all}]"));
        assert_eq!(ask(&conn.db(), query, NONE), "nil");
        done(&conn, "[{:n/id 1 :n/size 1 :n/text \"a\"}]");
        assert_eq!(ask(&conn.db(), query, NONE), "1");
        assert_eq!(ask(&held[3], query, NONE), "50");
    }
}

/// Number 2: clauses in every order, twice, beside clauses that add nothing; over every view.
#[test]
fn an_answer_does_not_depend_on_how_it_is_asked() {
    let families: [(&str, &[&str]); 5] = [
        ("?n ?m", &["[?a :n/name ?n]", "[?a :n/to ?b]", "[?b :n/name ?m]", "[?b :n/size ?s]"]),
        ("?n", &["[?a :n/name ?n]", "[?a :n/size ?s]", "[(< ?s 30)]", "(not [?a :n/tag :red])"]),
        (
            "?n ?d",
            &[
                "[?a :n/name ?n]",
                "[?a :n/size ?s]",
                "[(* ?s 2) ?d]",
                "(or [?a :n/tag :red] [?a :n/on false])",
            ],
        ),
        (
            "?n ?x",
            &[
                "[?a :n/name ?n]",
                "[(get-else $ ?a :n/size -1) ?x]",
                "(not-join [?a] [?a :n/to ?b] [?b :n/on true])",
            ],
        ),
        ("?n ?m", &["(far ?a ?b)", "[?a :n/name ?n]", "[?b :n/name ?m]", "[(!= ?a ?b)]"]),
    ];
    let rules = "[[(far ?a ?b) [?a :n/to ?b]] [(far ?a ?b) [?a :n/to ?m] (far ?m ?b)]]";
    for conn in databases() {
        done(
            &conn,
            "[{:db/id \"a\" :n/name \"a\" :n/size 10 :n/on false :n/tag [:red :blue] :n/to [\"b\" \"c\"]}
              {:db/id \"b\" :n/name \"b\" :n/size 20 :n/on true :n/tag :blue :n/to [\"c\"]}
              {:db/id \"c\" :n/name \"c\" :n/size 40 :n/to [\"a\"]} {:db/id \"d\" :n/name \"d\" :n/on false}]",
        );
        done(
            &conn,
            "[[:db/add [:n/name \"c\"] :n/size 25] [:db/retract [:n/name \"a\"] :n/to [:n/name \"c\"]]]",
        );
        let now = conn.db();
        for db in [now.clone(), now.as_of(2), now.since(1), now.history()] {
            for (find, clauses) in families {
                let asked = |clauses: &str| {
                    ask(&db, &format!("[:find {find} :in $ % :where {clauses}]"), [arg(rules)])
                };
                let want = asked(&clauses.join(" "));
                for order in permutations(clauses) {
                    assert_eq!(asked(&order), want, "{order}");
                }
                for clause in clauses {
                    assert_eq!(asked(&format!("{clause} {}", clauses.join(" "))), want, "{clause} twice");
                    assert_eq!(asked(&format!("{} {clause}", clauses.join(" "))), want, "{clause} twice");
                }
                for useless in
                    ["[?a _ _]", "[?a :n/name]", "[_ :n/name _]", "[?a :n/name ?unused]", "[(ground 1) ?one]"]
                {
                    assert_eq!(asked(&format!("{useless} {}", clauses.join(" "))), want, "{useless}");
                    assert_eq!(asked(&format!("{} {useless}", clauses.join(" "))), want, "{useless}");
                }
            }
        }
    }
}

/// Number 3: what is easily taken for nothing is a value.
#[test]
fn constants_false_and_the_empty_text_are_values() {
    for conn in databases() {
        let report = done(
            &conn,
            "[{:db/id \"a\" :n/name \"\" :n/text \"\" :n/on false :n/size 0}
              {:n/name \"b\" :n/text \"x\" :n/on true}]",
        );
        done(&conn, "[[:db/add [:n/name \"b\"] :n/on false] [:db/add [:n/name \"b\"] :n/text \"\"]]");
        let a = report.tempids["a"];
        let now = conn.db();
        for (db, both) in [(now.as_of(2), 1), (now.clone(), 2), (now.history(), 2)] {
            assert_eq!(ask(&db, &format!("[:find ?n . :where [{a} :n/size ?n]]"), NONE), "0");
            assert_eq!(
                ask(&db, &format!("[:find ?x . :where [?e :n/on ?x] [{a} :n/size 0]]"), NONE),
                "false"
            );
            for value in [":n/on false", ":n/text \"\""] {
                let count = format!("[:find (count ?e) . :where [?e {value}]]");
                assert_eq!(ask(&db, &count, NONE), both.to_string(), "{value}");
            }
            let input = "[:find (count ?e) . :in $ ?x ?t :where [?e :n/on ?x] [?e :n/text ?t]]";
            assert_eq!(ask(&db, input, [arg("false"), arg("\"\"")]), both.to_string());
            let input = "[:find [?x ...] :in $ [?x ...] :where [?e :n/on ?x] [?e :n/size 0]]";
            assert_eq!(ask(&db, input, [arg("[false true]")]), "[false]");
        }
        assert_eq!(now.entid("[:n/name \"\"]").expect("a name"), Some(a));
        assert_eq!(
            ask(&now, "[:find ?x . :where [?e :n/size 0] [(get-else $ ?e :n/on true) ?x]]", NONE),
            "false"
        );
        assert_eq!(ask(&now, "[:find ?e :where [?e :n/size] [(missing? $ ?e :n/on)]]", NONE), "[]");
        assert_eq!(
            now.pull("[[:n/on :default 1] [:n/text :default 1]]", a).expect("a map").to_string(),
            "{:n/on false, :n/text \"\"}"
        );
        let swapped = done(&conn, "[[:db/cas [:n/name \"\"] :n/on false true]]");
        assert_eq!(swapped.datoms.len(), 3);
        done(&conn, "[[:db/cas [:n/name \"\"] :n/on true false]]");
    }
}

const WAYS: [&str; 3] = [
    "[[(way ?a ?b) [?a :n/up ?b]] [(way ?a ?b) [?a :n/up ?m] (way ?m ?b)]]",
    "[[(way ?a ?b) [?a :n/up ?b]] [(way ?a ?b) (way ?a ?m) [?m :n/up ?b]]]",
    "[[(way ?a ?b) [?a :n/up ?b]] [(way ?a ?b) [?m :n/up ?b] (way ?a ?m)]]",
];

/// Number 4: a chain longer than a stack, bound at its start, its end, both and neither.
#[test]
fn long_chains_are_followed_from_either_end() {
    const LONG: i64 = 3000;
    for conn in databases().into_iter().take(1) {
        let chain: String = (0..LONG)
            .map(|id| format!("{{:db/id \"{id}\" :n/id {id} :n/up \"{}\"}} ", id + 1))
            .chain([format!("{{:db/id \"{LONG}\" :n/id {LONG}}}")])
            .collect();
        done(&conn, &format!("[{chain}]"));
        let db = conn.db();
        for rules in WAYS {
            let from = "[:find (count ?b) . :in $ % ?a :where (way ?a ?b)]";
            assert_eq!(ask(&db, from, [arg(rules), arg("[:n/id 0]")]), LONG.to_string());
            assert_eq!(ask(&db, from, [arg(rules), arg("[:n/id 2990]")]), "10");
            let to = "[:find (count ?a) . :in $ % ?b :where (way ?a ?b)]";
            assert_eq!(ask(&db, to, [arg(rules), arg("[:n/id 3000]")]), LONG.to_string());
            assert_eq!(ask(&db, to, [arg(rules), arg("[:n/id 10]")]), "10");
            let both = "[:find ?s . :in $ % ?a ?b :where (way ?a ?b) [?b :n/id ?s]]";
            assert_eq!(ask(&db, both, [arg(rules), arg("[:n/id 5]"), arg("[:n/id 2500]")]), "2500");
            assert_eq!(ask(&db, both, [arg(rules), arg("[:n/id 2500]"), arg("[:n/id 5]")]), "nil");
        }
    }
    for conn in databases() {
        let chain: String = (0..60)
            .map(|id| format!("{{:db/id \"{id}\" :n/id {id} :n/up \"{}\"}} ", (id + 1) % 60))
            .collect();
        done(&conn, &format!("[{chain}]"));
        done(&conn, "[[:db/retract [:n/id 59] :n/up [:n/id 0]]]");
        for rules in WAYS {
            let neither = "[:find (count ?a) . :with ?b :in $ % :where (way ?a ?b)]";
            assert_eq!(ask(&conn.db(), neither, [arg(rules)]), (59 * 60 / 2).to_string());
            assert_eq!(ask(&conn.db().as_of(2), neither, [arg(rules)]), (60 * 60).to_string());
        }
    }
}

/// Number 5: arguments that a body computes from themselves, never binds, or takes over another edge first.
#[test]
fn a_rules_arguments_may_be_computed() {
    for conn in databases() {
        done(
            &conn,
            "[{:db/id \"1\" :n/id 1 :n/up \"2\" :n/to [\"4\"]} {:db/id \"2\" :n/id 2 :n/up \"3\"}
              {:db/id \"3\" :n/id 3 :n/up \"1\"} {:db/id \"4\" :n/id 4 :n/up \"2\"}]",
        );
        let db = conn.db();
        // A budget of hops, which each call lowers.
        let hops = "[[(near ?a ?b ?left) [(> ?left 0)] [?a :n/up ?b]]
                     [(near ?a ?b ?left) [(> ?left 0)] [?a :n/up ?m] [(- ?left 1) ?less] (near ?m ?b ?less)]]";
        for (budget, want) in [("0", "[]"), ("1", "[2]"), ("2", "[2 3]"), ("3", "[1 2 3]"), ("9", "[1 2 3]")]
        {
            let query = "[:find [?i ...] :in $ % ?left :where [?a :n/id 1] (near ?a ?b ?left) [?b :n/id ?i]]";
            assert_eq!(ask(&db, query, [arg(hops), arg(budget)]), want, "{budget}");
        }
        let counted = "[[(far ?a ?b ?n) [?a :n/up ?b] [(ground 1) ?n]]
                        [(far ?a ?b ?n) (far ?a ?m ?k) [(< ?k 4)] [?m :n/up ?b] [(+ ?k 1) ?n]]]";
        let query = "[:find ?i ?n :in $ % :where [?a :n/id 4] (far ?a ?b ?n) [?b :n/id ?i]]";
        assert_eq!(ask(&db, query, [arg(counted)]), "[[1 3] [2 1] [2 4] [3 2]]");
        // An argument the body does not bind is the caller's to bind.
        let unused = "[[(even ?a ?x) [?a :n/id ?i] [(even? ?i)]]]";
        let bound = "[:find [?i ...] :in $ % ?x :where (even ?a ?x) [?a :n/id ?i]]";
        assert_eq!(ask(&db, bound, [arg(unused), arg("7")]), "[2 4]");
        let loose = "[:find ?x :in $ % :where (even ?a ?x)]";
        let refused = keyword(&db, loose, [arg(unused)]);
        assert!(["db.error/insufficient-binding", "db.error/unbound-variable"].contains(&refused.as_str()));
        // The first step over one edge, all others over another.
        let mixed = "[[(from ?a ?b) [?a :n/to ?b]] [(from ?a ?b) (from ?a ?m) [?m :n/up ?b]]]";
        let query = "[:find [?i ...] :in $ % :where [?a :n/id 1] (from ?a ?b) [?b :n/id ?i]]";
        assert_eq!(ask(&db, query, [arg(mixed)]), "[1 2 3 4]");
        let query = "[:find ?i :in $ % :where [?a :n/id 2] (from ?a ?b) [?b :n/id ?i]]";
        assert_eq!(ask(&db, query, [arg(mixed)]), "[]");
    }
}

/// Number 6: what goes round in circles ends.
#[test]
fn double_recursion_and_pulls_in_circles_end() {
    for conn in databases() {
        let ring: String = (0..40)
            .map(|id| {
                format!(
                    "{{:db/id \"{id}\" :n/id {id} :n/up \"{0}\" :n/to [\"{0}\" \"{id}\"]}} ",
                    (id + 1) % 40
                )
            })
            .collect();
        done(&conn, &format!("[{ring}]"));
        let db = conn.db();
        let double = "[[(way ?a ?b) [?a :n/up ?b]] [(way ?a ?b) (way ?a ?m) (way ?m ?b)]]";
        let all = "[:find (count ?a) . :with ?b :in $ % :where (way ?a ?b)]";
        assert_eq!(ask(&db, all, [arg(double)]), "1600");
        let one = "[:find (count ?b) . :in $ % ?a :where (way ?a ?b)]";
        assert_eq!(ask(&db, one, [arg(double), arg("[:n/id 3]")]), "40");
        let mutual = "[[(odd ?a ?b) [?a :n/up ?b]] [(odd ?a ?b) (even ?a ?m) [?m :n/up ?b]]
                       [(even ?a ?b) (odd ?a ?m) [?m :n/up ?b]]]";
        let query =
            "[:find [(count-distinct ?o) (count-distinct ?e)] :in $ % ?a :where (odd ?a ?o) (even ?a ?e)]";
        assert_eq!(ask(&db, query, [arg(mutual), arg("[:n/id 3]")]), "[20 20]");
        let depth = |pattern: &str| {
            db.pull(pattern, "[:n/id 0]").expect("a map").to_string().matches(":n/id").count()
        };
        assert_eq!(depth("[:n/id {:n/up ...}]"), 40);
        assert_eq!(depth("[:n/id {:n/_up ...}]"), 40);
        assert_eq!(depth("[:n/id {:n/up 5}]"), 6);
        assert!(depth("[:n/id {:n/to ...}]") >= 40);
    }
}

/// Three nodes: a small one tagged red, one without a tag, a large one tagged blue.
fn three(conn: &Connection) -> Db {
    done(conn, "[{:n/id 1 :n/size 10 :n/tag :red} {:n/id 2 :n/size 20} {:n/id 3 :n/size 30 :n/tag :blue}]");
    conn.db()
}

/// The `?i` of these clauses, with inputs of these names.
#[track_caller]
fn ids(db: &Db, clauses: &str, args: &[&str], inputs: &str) -> String {
    let query = format!("[:find [?i ...] :in $ {inputs} :where {clauses}]");
    ask(db, &query, args.iter().map(|text| arg(text)))
}

/// Number 7: negation of inputs, of nothing shared, and before its variables are bound.
#[test]
fn negation_is_a_gate_where_it_shares_nothing() {
    for conn in databases() {
        let db = three(&conn);
        let ids = |clauses: &str, args: &[&str], inputs: &str| ids(&db, clauses, args, inputs);
        // Only inputs inside.
        for (x, want) in [("1", "[1 2 3]"), ("9", "[]")] {
            assert_eq!(ids("[?e :n/id ?i] (not [(> ?x 5)])", &[x], "?x"), want);
            assert_eq!(ids("(not-join [?x] [(> ?x 5)]) [?e :n/id ?i]", &[x], "?x"), want);
        }
        assert_eq!(ids("[?e :n/id ?i] (not [?x :n/tag ?t])", &["[:n/id 1]", ":red"], "?x ?t"), "[]");
        assert_eq!(ids("[?e :n/id ?i] (not [?x :n/tag ?t])", &["[:n/id 2]", ":red"], "?x ?t"), "[1 2 3]");
        // Nothing shared: all or none.
        assert_eq!(ids("[?e :n/id ?i] (not [_ :n/tag :red])", &[], ""), "[]");
        assert_eq!(ids("[?e :n/id ?i] (not [_ :n/tag :green])", &[], ""), "[1 2 3]");
        assert_eq!(ids("[?e :n/id ?i] (not-join [] [?f :n/tag :red])", &[], ""), "[]");
        assert_eq!(ids("(not-join [] [?f :n/tag :green]) [?e :n/id ?i]", &[], ""), "[1 2 3]");
        // Before anything is bound.
        assert_eq!(ids("(not [?e :n/tag _]) [?e :n/id ?i]", &[], ""), "[2]");
        assert_eq!(ids("(not [?e :n/size ?s] [(> ?s 15)]) [?e :n/size ?s] [?e :n/id ?i]", &[], ""), "[1]");
        assert_eq!(ids("(not [?e :n/tag ?t]) [?e :n/id ?i]", &["[:red :blue]"], "[?t ...]"), "[1 2 3]");
        // Not of not.
        assert_eq!(ids("[?e :n/id ?i] (not (not [?e :n/tag _]))", &[], ""), "[1 3]");
    }
}

/// Number 8: what an `or-join` does not list is its own; an empty branch takes nothing away.
#[test]
fn an_or_join_sees_only_what_it_lists() {
    for conn in databases() {
        let db = three(&conn);
        let ids = |clauses: &str, args: &[&str], inputs: &str| ids(&db, clauses, args, inputs);
        let unlisted = "[?e :n/id ?i] (or-join [?e] [?e :n/size ?s] [?e :n/tag ?s])";
        assert_eq!(ids(unlisted, &["10"], "?s"), "[1 2 3]");
        let listed = "[?e :n/id ?i] (or-join [?e ?s] [?e :n/size ?s] [?e :n/tag ?s])";
        assert_eq!(ids(listed, &["10"], "?s"), "[1]");
        assert_eq!(ids(listed, &[":blue"], "?s"), "[3]");
        assert_eq!(ids("[?e :n/id ?i] (or [?e :n/size 99] [?e :n/tag :red])", &[], ""), "[1]");
        assert_eq!(ids("(or [?e :n/size 99] [?e :n/on true]) [?e :n/id ?i]", &[], ""), "[]");
        assert_eq!(
            ids("[?e :n/id ?i] (or-join [?e] (and [?e :n/on true] [?e :n/up _]) [?e :n/size 20])", &[], ""),
            "[2]"
        );
        assert_eq!(
            ids("[?e :n/id ?i] (or (and [?e :n/size ?i] [?e :n/tag :red]) [?e :n/id ?i])", &[], ""),
            "[1 2 3]"
        );
        assert_eq!(ids("[?e :n/id ?i] (or [(= ?i 1)] [(ground 3) ?i])", &[], ""), "[1 3]");
    }
}

/// Number 9: names in collections, tuples and relations, in any row, for any source with its own schema.
#[test]
fn names_are_inputs_of_every_shape_for_every_source() {
    let [conn, other] = databases();
    done(&conn, "[{:n/id 1 :n/name \"a\" :n/size 10} {:n/id 2 :n/name \"b\" :n/size 20}]");
    // In the other database the same names are other entities, and `:n/rank` is known only there.
    done(&other, &format!("[{}]", attribute("n/rank", "long", "")));
    done(&other, "[{:n/name \"z\"} {:n/id 2 :n/name \"b\" :n/rank 7} {:n/id 1 :n/name \"a\" :n/rank 9}]");
    let (db, second) = (conn.db(), other.db());
    let sizes = |inputs: &str, text: &str| {
        ask(&db, &format!("[:find [?s ...] :in $ {inputs} :where [?e :n/size ?s]]"), [arg(text)])
    };
    assert_eq!(sizes("?e", "[:n/id 1]"), "[10]");
    assert_eq!(sizes("[?e ...]", "[[:n/id 1] [:n/name \"b\"]]"), "[10 20]");
    assert_eq!(sizes("[?x ?e]", "[0 [:n/name \"b\"]]"), "[20]");
    assert_eq!(sizes("[[?x ?e]]", "[[0 [:n/id 1]] [1 [:n/id 2]]]"), "[10 20]");
    let of_second = "[:find ?s ?r :in $ $two ?e ?f :where [?e :n/size ?s] [$two ?f :n/rank ?r]]";
    assert_eq!(ask(&db, of_second, [Arg::from(&second), arg("[:n/id 1]"), arg("[:n/id 1]")]), "[[10 9]]");
    assert_eq!(
        ask(&db, of_second, [Arg::from(&second), arg("[:n/id 2]"), arg("[:n/name \"a\"]")]),
        "[[20 9]]"
    );
    let joined = "[:find ?n ?s ?r :in $ $two :where [$ ?e :n/name ?n] [$two ?f :n/name ?n]
                   [$ ?e :n/size ?s] [$two ?f :n/rank ?r]]";
    assert_eq!(ask(&db, joined, [Arg::from(&second)]), "[[\"a\" 10 9] [\"b\" 20 7]]");
    assert_eq!(keyword(&db, "[:find ?r :where [_ :n/rank ?r]]", NONE), "db.error/unknown-attribute");
    let nobody = "[:find ?s :in $ [?e ...] :where [?e :n/size ?s]]";
    assert_eq!(keyword(&db, nobody, [arg("[[:n/id 1] [:n/id 99]]")]), "db.error/entity-not-found");
}

/// Number 10: `get-else` with a default from elsewhere, a known entity, many rows an entity, another source.
#[test]
fn get_else_takes_its_arguments_from_anywhere() {
    for conn in databases() {
        done(
            &conn,
            "[{:db/id \"1\" :n/id 1 :n/size 10 :n/to [\"2\" \"3\"]} {:db/id \"2\" :n/id 2}
              {:db/id \"3\" :n/id 3 :n/size 30 :n/to [\"2\"]}]",
        );
        done(&conn, "[[:db/add [:n/id 2] :n/size 20] [:db/retract [:n/id 3] :n/size 30]]");
        let (db, then) = (conn.db(), conn.db().as_of(2));
        let own = "[:find ?i ?x :where [?e :n/id ?i] [(* ?i -1) ?d] [(get-else $ ?e :n/size ?d) ?x]]";
        assert_eq!(ask(&db, own, NONE), "[[1 10] [2 20] [3 -3]]");
        assert_eq!(ask(&then, own, NONE), "[[1 10] [2 -2] [3 30]]");
        let known = "[:find ?x . :in $ ?e :where [(get-else $ ?e :n/size 0) ?x]]";
        assert_eq!(ask(&db, known, [arg("[:n/id 1]")]), "10");
        assert_eq!(ask(&db, known, [arg("[:n/id 3]")]), "0");
        let id = db.entid("[:n/id 3]").expect("a name").expect("an entity");
        assert_eq!(ask(&db, &format!("[:find ?x . :where [(get-else $ {id} :n/size 0) ?x]]"), NONE), "0");
        let around = "[:find ?i ?j ?x :where [?e :n/id ?i] [?e :n/to ?f] [?f :n/id ?j]
                       [(get-else $ ?f :n/size 0) ?x]]";
        assert_eq!(ask(&db, around, NONE), "[[1 2 20] [1 3 0] [3 2 20]]");
        let other = "[:find ?i ?x ?y :in $ $then :where [?e :n/id ?i] [(get-else $then ?e :n/size 0) ?x]
                      [(get-else $ ?e :n/size 0) ?y]]";
        assert_eq!(ask(&db, other, [Arg::from(&then)]), "[[1 10 10] [2 0 20] [3 30 0]]");
        let many = "[:find ?x :where [?e :n/id] [(get-else $ ?e :n/to 0) ?x]]";
        assert_eq!(keyword(&db, many, NONE), "db.error/cardinality");
        let bound = "[:find [?i ...] :in $ ?x :where [?e :n/id ?i] [(get-else $ ?e :n/size 0) ?x]]";
        assert_eq!(ask(&db, bound, [arg("0")]), "[3]");
    }
}

/// Number 11: an aggregate is the same over one clause, over several, over a given list, and beside others.
#[test]
fn aggregates_do_not_depend_on_the_way() {
    for conn in databases() {
        let sizes = [3, 5, 5, 8, 13, 21, -4];
        let added: String = sizes
            .iter()
            .enumerate()
            .map(|(id, size)| format!("{{:n/id {id} :n/size {size} :n/text \"t\"}} "))
            .collect();
        done(&conn, &format!("[{added}]"));
        rest(&conn);
        done(&conn, "[{:n/id 100 :n/size 100} [:db/retractEntity [:n/id 0]]]");
        done(&conn, "[[:db/retractEntity [:n/id 100]] {:n/id 0 :n/size 3 :n/text \"t\"}]");
        let db = conn.db();
        let list = format!("{sizes:?}").replace(',', "");
        for aggregate in [
            "sum",
            "count",
            "count-distinct",
            "min",
            "max",
            "avg",
            "median",
            "variance",
            "stddev",
            "distinct",
            "min 3",
            "max 3",
        ] {
            let find = format!("[:find ({aggregate} ?s) .");
            let ways = |with: &str| {
                [
                    format!("{find} {with} :where [?e :n/size ?s]]"),
                    format!("{find} {with} :where [?e :n/size ?s] [?e :n/text \"t\"]]"),
                    format!("{find} {with} :where [?e :n/id ?i] (or [?e :n/size ?s])]"),
                    format!("{find} {with} :where [?e :n/size ?x] [(+ ?x 0) ?s]]"),
                    format!("{find} {with} :in $ % :where (size ?e ?s)]"),
                ]
                .map(|query| {
                    let rules = query.contains('%').then(|| arg("[[(size ?e ?s) [?e :n/size ?s]]]"));
                    ask(&db, &query, rules)
                })
            };
            let bag = ways(":with ?e");
            assert!(bag.iter().all(|answer| *answer == bag[0]), "{aggregate}: {bag:?}");
            let set = ways("");
            assert!(set.iter().all(|answer| *answer == set[0]), "{aggregate}: {set:?}");
            let given = annals::q(&format!("{find} :with ?i :in [[?i ?s]]]")).expect("a query");
            let rows: String = sizes.iter().enumerate().map(|(id, size)| format!("[{id} {size}] ")).collect();
            let given = given.arg(arg(&format!("[{rows}]"))).run().expect("an answer");
            assert_eq!(shown(given), bag[0], "{aggregate} of {list}");
        }
        let of = |aggregate: &str, with: &str| {
            ask(&db, &format!("[:find ({aggregate} ?s) . {with} :where [?e :n/size ?s]]"), NONE)
        };
        assert_eq!((of("sum", ""), of("sum", ":with ?e")), ("46".into(), "51".into()));
        assert_eq!((of("count", ""), of("count", ":with ?e")), ("6".into(), "7".into()));
        // Of the whole population, not of a sample.
        let four = annals::q("[:find (variance ?x) . :in [?x ...]]").expect("a query").arg(arg("[1 2 3 4]"));
        assert_eq!(shown(four.run().expect("an answer")), "1.25");
    }
}

fn stamped(conn: &Connection, instant: &str, tx: &str) {
    done(conn, &format!("[{{:db/id \"datomic.tx\" :db/txInstant #inst \"{instant}\"}} {tx}]"));
}

/// Number 12: moments at the edges, and views of views.
#[test]
fn moments_at_the_edges_and_views_of_views() {
    for options in [Options::default(), Options { novelty_datoms: 4, ..Options::default() }] {
        let store = annals::connect_with("mem:", options).expect("a storage in memory");
        let conn = store.database("main").expect("an empty database");
        stamped(&conn, "2020-01-01", &schema());
        stamped(&conn, "2020-02-01", "{:n/id 1 :n/size 10}");
        stamped(&conn, "2020-03-01", "{:n/id 1 :n/size 20}");
        stamped(&conn, "2020-03-01", "{:n/id 1 :n/size 30}");
        stamped(&conn, "2020-04-01", "{:n/id 1 :n/size 40}");
        let db = conn.db();
        let point = |text: &str| annals::TimePoint::parse(text).expect("a moment");
        let sizes = |db: &Db| ask(db, "[:find [?s ...] :where [_ :n/size ?s]]", NONE);
        for (moment, want) in [
            ("2019-01-01", "[]"),
            ("1", "[]"),
            ("0", "[]"),
            ("2020-02-01", "[10]"),
            ("2020-02-29T23:59:59.999Z", "[10]"),
            ("2020-03-01", "[30]"),
            ("3", "[20]"),
            ("2020-03-31", "[30]"),
            ("2020-04-01", "[40]"),
            ("2099-01-01", "[40]"),
            ("999", "[40]"),
        ] {
            assert_eq!(sizes(&db.as_of(point(moment))), want, "as of {moment}");
        }
        for (moment, want) in [
            ("2019-01-01", "[40]"),
            ("2020-03-01", "[40]"),
            ("4", "[40]"),
            ("5", "[]"),
            ("2020-04-01", "[]"),
            ("2099-01-01", "[]"),
        ] {
            assert_eq!(sizes(&db.since(point(moment))), want, "since {moment}");
        }
        let rows = |db: &Db| ask(db, "[:find ?s ?op :where [_ :n/size ?s _ ?op]]", NONE);
        let third = "[[10 false] [10 true] [20 true]]";
        assert_eq!(rows(&db.as_of(3).history()), third);
        assert_eq!(rows(&db.history().as_of(3)), third);
        assert_eq!(rows(&db.history().since(2).as_of(3)), "[[10 false] [20 true]]");
        assert_eq!(rows(&db.as_of(3).since(2).history()), "[[10 false] [20 true]]");
        assert_eq!(sizes(&db.as_of(3).since(2)), "[20]");
        assert_eq!(sizes(&db.since(2).as_of(3)), "[20]");
        assert_eq!(sizes(&db.as_of(2).since(3)), "[]");
        assert_eq!(rows(&db.as_of(0).history()), "[]");
    }
}

/// Number 13: retracting what is not there, twice, and asserting again.
#[test]
fn retracting_twice_leaves_one_retraction() {
    for conn in databases() {
        done(&conn, "[{:n/id 1 :n/size 10 :n/tag [:red :blue]}]");
        let never = done(&conn, "[[:db/retract [:n/id 1] :n/size 99] [:db/retract [:n/id 1] :n/text \"x\"]]");
        assert_eq!(never.datoms.len(), 1, "only the transaction's instant");
        let gone = done(&conn, "[[:db/retract [:n/id 1] :n/size 10] [:db/retract [:n/id 1] :n/size 10]]");
        assert_eq!(gone.datoms.len(), 2);
        let again = done(&conn, "[[:db/retract [:n/id 1] :n/size 10] [:db/retract [:n/id 1] :n/size]]");
        assert_eq!(again.datoms.len(), 1);
        let back = done(&conn, "[[:db/add [:n/id 1] :n/size 10]]");
        let over = done(&conn, "[[:db/add [:n/id 1] :n/size 11]]");
        assert_eq!(over.datoms.len(), 3, "an overwritten value is retracted");
        let [t2, t4, t6, t7] = [2, gone.t, back.t, over.t];
        let query = "[:find ?t ?s ?op :where [?e :n/size ?s ?tx ?op] [?tx :db/txInstant]
                      [(- ?tx 13194139533312) ?t]]";
        let want = format!("[[{t2} 10 true] [{t4} 10 false] [{t6} 10 true] [{t7} 10 false] [{t7} 11 true]]");
        assert_eq!(ask(&conn.db().history(), query, NONE), want);
        let sizes = |t: u64| ask(&conn.db().as_of(t), "[:find [?s ...] :where [_ :n/size ?s]]", NONE);
        assert_eq!([t2, t4, t4 + 1, t6, t7].map(sizes), ["[10]", "[]", "[]", "[10]", "[11]"]);
        done(&conn, "[[:db/retract [:n/id 1] :n/tag :red]]");
        done(&conn, "[[:db/add [:n/id 1] :n/tag :red]]");
        assert_eq!(ask(&conn.db(), "[:find [?x ...] :where [_ :n/tag ?x]]", NONE), "[:blue :red]");
        assert_eq!(ask(&conn.db().history(), "[:find (count ?tx) . :where [_ :n/tag :red ?tx]]", NONE), "3");
    }
}

/// Number 14: without history the present is right, the past missing but never wrong, and the log whole.
#[test]
fn facts_without_history_are_right_now_and_in_the_log() {
    for conn in databases() {
        done(&conn, "[{:n/id 1 :n/quick 0 :n/size 0}]");
        for n in 1..40 {
            done(&conn, &format!("[[:db/add [:n/id 1] :n/quick {n}] [:db/add [:n/id 1] :n/size {n}]]"));
        }
        rest(&conn);
        let db = conn.db();
        assert_eq!(ask(&db, "[:find ?x . :where [_ :n/quick ?x]]", NONE), "39");
        for n in [0, 1, 20, 38] {
            let then = db.as_of(2 + n);
            assert_eq!(ask(&then, "[:find ?x . :where [_ :n/size ?x]]", NONE), n.to_string());
            let quick = ask(&then, "[:find ?x . :where [_ :n/quick ?x]]", NONE);
            assert!(quick == "nil" || quick == n.to_string(), "as of {n}: {quick}");
        }
        let a = db.entid(":n/quick").expect("a name").expect("an attribute");
        let logged: usize = conn
            .log()
            .range(..)
            .expect("transactions")
            .iter()
            .map(|tx| tx.datoms.iter().filter(|datom| datom.a.entity() == a).count())
            .sum();
        assert_eq!(logged, 1 + 2 * 39);
        assert_eq!(
            ask(&db.history(), "[:find (count ?tx) . :with ?op :where [_ :n/size _ ?tx ?op]]", NONE),
            "79"
        );
    }
}

/// Number 15: upserts in either order, that unify, that conflict, and by a tuple of the same transaction.
#[test]
fn upserts_unify_or_conflict_whatever_the_order() {
    for conn in databases() {
        done(&conn, "[{:n/id 1 :n/name \"a\"} {:n/id 2 :n/name \"b\"}]");
        let forms = ["[:db/add \"x\" :n/id 1]", "[:db/add \"x\" :n/name \"b\"]"];
        for order in permutations(&forms) {
            let error = conn.transact(format!("[{order}]")).expect_err("two entities");
            assert_eq!(error.keyword(), "db.error/unique-conflict", "{order}");
        }
        let before = conn.db().basis_t();
        let forms = [
            "[:db/add \"x\" :n/id 1]",
            "[:db/add \"x\" :n/size 5]",
            "[:db/add \"y\" :n/name \"a\"]",
            "[:db/add \"y\" :n/text \"t\"]",
        ];
        for order in permutations(&forms) {
            let report = conn.db().with(format!("[{order}]")).expect("one entity");
            assert_eq!(report.tempids["x"], report.tempids["y"]);
            assert_eq!(
                ask(
                    &report.db_after,
                    "[:find ?s ?t :where [?e :n/id 1] [?e :n/size ?s] [?e :n/text ?t]]",
                    NONE
                ),
                "[[5 \"t\"]]"
            );
        }
        assert_eq!(conn.db().basis_t(), before);
        // Two new tempids of one new name.
        let forms = ["{:db/id \"p\" :n/id 7 :n/size 1}", "{:db/id \"q\" :n/id 7 :n/text \"t\"}"];
        for order in permutations(&forms) {
            let report = conn.db().with(format!("[{order}]")).expect("one entity");
            assert_eq!(report.tempids["p"], report.tempids["q"]);
        }
        let clash = ["{:db/id \"p\" :n/id 7 :n/size 1}", "{:db/id \"q\" :n/id 7 :n/size 2}"];
        for order in permutations(&clash) {
            let error = conn.transact(format!("[{order}]")).expect_err("two sizes");
            assert_eq!(error.keyword(), "db.error/datoms-conflict", "{order}");
        }
        let pair = "{:db/ident :n/pair :db/valueType :db.type/tuple :db/tupleAttrs [:n/size :n/text]
                     :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}";
        done(&conn, &format!("[{pair}]"));
        let first = done(&conn, "[{:db/id \"e\" :n/size 1 :n/text \"t\"}]").tempids["e"];
        assert_eq!(conn.db().entid("[:n/pair [1 \"t\"]]").expect("a name"), Some(first));
        // The members find the entity, and so does the tuple's value.
        for forms in permutations(&["[:db/add \"e\" :n/size 1]", "[:db/add \"e\" :n/text \"t\"]"]) {
            let members = conn.db().with(format!("[{forms}]")).expect("the entity");
            assert_eq!(members.tempids["e"], first);
        }
        let named = done(&conn, "[{:db/id \"e\" :n/size 1 :n/text \"t\" :n/pair [1 \"t\"] :n/on true}]");
        assert_eq!(named.tempids["e"], first);
        let twice =
            done(&conn, "[{:db/id \"p\" :n/size 8 :n/text \"u\"} {:db/id \"q\" :n/size 8 :n/text \"u\"}]");
        assert_eq!(twice.tempids["p"], twice.tempids["q"]);
    }
}

/// Number 16: a number is no instant, in facts, names, questions and ranges.
#[test]
fn a_number_is_never_taken_for_an_instant() {
    for conn in databases() {
        for number in ["0", "1.5", "1577836800000", "1577836800000.0", "\"2020-01-01\"", "1N", "1M"] {
            let error = conn.transact(format!("[{{:n/id 1 :n/at {number}}}]")).expect_err("no instant");
            assert_eq!(error.keyword(), "db.error/wrong-type-for-attribute", "{number}");
        }
        done(&conn, "[{:n/id 1 :n/at #inst \"1970-01-01T00:00:00.001Z\"}]");
        let db = conn.db();
        for number in ["1", "1.0", "1000", "1000.0"] {
            assert_eq!(ask(&db, &format!("[:find ?e :where [?e :n/at {number}]]"), NONE), "[]", "{number}");
            assert_eq!(ask(&db, "[:find ?e :in $ ?x :where [?e :n/at ?x]]", [arg(number)]), "[]", "{number}");
            let same = format!("[:find ?e :where [?e :n/at ?x] [(= ?x {number})]]");
            assert_eq!(ask(&db, &same, NONE), "[]", "{number}");
            let range =
                db.index_range(":n/at", Some(&annals::edn::read_one(number).expect("EDN").to_edn()), None);
            assert_eq!(range.expect_err("no instant").keyword(), "db.error/wrong-type-for-attribute");
        }
        let plus = "[:find ?y :where [_ :n/at ?x] [(+ ?x 1) ?y]]";
        assert_eq!(keyword(&db, plus, NONE), "db.error/type-in-function");
    }
}

/// Number 17: a file that is left in the middle of things opens with all that was acknowledged.
#[test]
fn a_file_opens_with_what_was_acknowledged() {
    let folder = tempfile::tempdir().expect("a folder");
    let address = folder.path().join("left.annals");
    let address = address.to_str().expect("a path of text");
    let mut written = 0i64;
    for round in 0..4 {
        let options = Options { novelty_datoms: 10, ..Options::default() };
        let store = annals::connect_with(address, options).expect("a file");
        let conn = store.database("main").expect("a database");
        if round == 0 {
            done(&conn, &format!("[{}]", schema()));
        }
        let count = "[:find (count ?e) . :where [?e :n/id]]";
        let want = if written == 0 { "nil".to_owned() } else { written.to_string() };
        assert_eq!(ask(&conn.db(), count, NONE), want, "round {round}");
        for _ in 0..25 {
            done(&conn, &format!("[{{:n/id {written} :n/size {round}}}]"));
            written += 1;
        }
        // A job has been asked for and nobody waits for its end; the handles go with it.
        conn.request_index().expect("a job");
    }
    let conn = annals::connect(address).expect("a file").database("main").expect("a database");
    assert_eq!(
        ask(&conn.db(), "[:find ?s (count ?e) :where [?e :n/size ?s]]", NONE),
        "[[0 25] [1 25] [2 25] [3 25]]"
    );
    assert!(conn.verify(&mut |_| {}).expect("a report").is_clean());
}

/// Number 18: what is no database says so at once.
#[test]
fn a_file_that_is_no_database_is_an_error_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let whole = folder.path().join("whole.annals");
    {
        let conn =
            annals::connect(whole.to_str().expect("text")).expect("a file").database("main").expect("one");
        done(&conn, &format!("[{}]", schema()));
        done(&conn, "[{:n/id 1 :n/text \"a word to find again\"}]");
    }
    let bytes = std::fs::read(&whole).expect("bytes");
    let broken: [(&str, Vec<u8>); 4] = [
        ("empty of sense", b"no database, only words ".repeat(4000)),
        ("cut in the middle", bytes[..bytes.len() / 2].to_vec()),
        ("without its head", bytes[4096..].to_vec()),
        ("with a head of zeros", [&[0; 4096], &bytes[4096..]].concat()),
    ];
    for (what, bytes) in broken {
        let path = folder.path().join("broken.annals");
        std::fs::write(&path, bytes).expect("a file");
        let opened = annals::connect(path.to_str().expect("text")).and_then(|store| store.database("main"));
        let error = opened.map(|_| ()).expect_err(what);
        assert!(!error.keyword().is_empty() && !error.message().is_empty(), "{what}: {error}");
    }
}

/// Number 19: an index that cannot be read is an error or is rebuilt from the log, and never seems empty.
#[test]
fn an_answer_from_the_trees_is_the_answer_from_the_log() {
    for conn in databases() {
        let added: String =
            (0..300).map(|id| format!("{{:n/id {id} :n/size {} :n/tag :red}} ", id % 7)).collect();
        done(&conn, &format!("[{added}]"));
        done(&conn, "[[:db/retractEntity [:n/id 7]]]");
        let all = "[:find (count ?e) . :where [?e :n/tag :red]]";
        assert_eq!(ask(&conn.db(), all, NONE), "299");
        rest(&conn);
        let db = conn.db();
        assert_eq!(ask(&db, all, NONE), "299");
        assert!(conn.verify(&mut |_| {}).expect("a report").is_clean());
        // The log, replayed by hand.
        let mut facts = std::collections::BTreeSet::new();
        let mut sink = |tx: annals::Tx| {
            for datom in tx.datoms {
                let fact = (datom.e, datom.a, Edn::from(datom.v));
                if datom.added {
                    facts.insert(fact)
                } else {
                    facts.remove(&fact)
                };
            }
            true
        };
        conn.log().each(Some(annals::TimePoint::T(0)), None, &mut sink).expect("transactions");
        for index in [annals::Index::Eavt, annals::Index::Aevt, annals::Index::Avet] {
            let stored = db.datoms(index, &[], None).expect("facts");
            let stored: std::collections::BTreeSet<_> =
                stored.into_iter().map(|datom| (datom.e, datom.a, Edn::from(datom.v))).collect();
            assert_eq!(stored.len(), facts.len(), "{index:?}");
            assert_eq!(stored, facts, "{index:?}");
        }
    }
}

/// Number 20: a query that hits a bound is refused by name, and writing goes on meanwhile and after.
#[test]
fn a_bound_that_is_hit_stops_the_query_alone() {
    for conn in databases() {
        let added: String = (0..120).map(|id| format!("{{:n/id {id} :n/size {id}}} ")).collect();
        done(&conn, &format!("[{added}]"));
        let huge = "[:find (count ?x) . :with ?y ?z :where [_ :n/size ?x] [_ :n/size ?y] [_ :n/size ?z]]";
        let question = annals::q(huge).expect("a query").over(&conn.db());
        let small = Budget { rows: Some(1000), ..Budget::default() };
        let error = question.clone().budget(small).run().expect_err("too many rows");
        assert_eq!(
            (error.keyword(), error.category()),
            ("db.error/budget-exceeded", annals::Category::Interrupted)
        );
        let cancel = Arc::new(AtomicBool::new(false));
        let budget = Budget { cancel: Some(Arc::clone(&cancel)), ..Budget::default() };
        let running = std::thread::spawn(move || question.budget(budget).run().map(|_| ()));
        for id in 1000..1050 {
            done(&conn, &format!("[{{:n/id {id} :n/size {id}}}]"));
        }
        cancel.store(true, Ordering::SeqCst);
        let outcome = running.join().expect("no panic");
        assert!(outcome.is_ok() || outcome.is_err_and(|error| error.keyword() == "db.error/interrupted"));
        assert_eq!(ask(&conn.db(), "[:find (count ?x) . :where [_ :n/size ?x]]", NONE), "170");
    }
}
