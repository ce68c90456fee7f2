//! The fast path and the naive evaluator give the same answer to every query.
//!
//! By hand here, a query a line; at random in [`random`]. Every query is also asked with goals in other orders and with
//! every way of joining facts prescribed in turn.

mod batched;
mod best;
mod calls;
mod extremes;
mod generate;
mod kept;
mod limits;
mod orders;
mod pulled;
mod random;

use std::sync::Arc;

use annals_query::ast::{Input, Page, Query};
use annals_query::edn::{Edn, Form};
use annals_query::facts::Facts;
use annals_query::plan::{Access, PlanOptions};
use annals_query::source::{Attribute, Unique};
use annals_query::{Answer, Budget, QueryArg, Result, check as checks, explain, naive, parse, q_with};
use annals_storage::datom::{AttrId, Datom, EntityId, Keyword, Partition, Tag, Value};

fn attribute(id: u32, name: &str, value_type: Tag, many: bool, unique: bool) -> Attribute {
    Attribute {
        id: AttrId(id),
        ident: Keyword::new(name),
        value_type,
        many,
        unique: unique.then_some(Unique::Identity),
        component: false,
        indexed: true,
    }
}

fn user(n: u64) -> EntityId {
    EntityId::new(Partition::USER, n)
}

fn films() -> Facts {
    let attributes = vec![
        attribute(100, "film/title", Tag::String, false, true),
        attribute(101, "film/year", Tag::Long, false, false),
        attribute(102, "film/cast", Tag::Ref, true, false),
        attribute(103, "film/director", Tag::Ref, false, false),
        attribute(104, "film/genres", Tag::Keyword, true, false),
        attribute(105, "film/score", Tag::Double, false, false),
        attribute(106, "person/name", Tag::String, false, true),
        attribute(107, "person/born", Tag::Long, false, false),
        attribute(108, "node/next", Tag::Ref, true, false),
    ];
    let mut log = Vec::new();
    let mut add = |e: u64, a: u32, v: Value| {
        log.push(Datom { e: user(e), a: AttrId(a), v, tx: EntityId::of_t(1 + e % 3), added: true });
    };
    let text = |t: &str| Value::string(t);
    for (e, name, born) in [(1, "Ann Berg", Some(1950)), (2, "Cal Dorn", Some(1962)), (3, "Eda Falk", None)] {
        add(e, 106, text(name));
        if let Some(born) = born {
            add(e, 107, Value::Long(born));
        }
    }
    let films = [
        (10, "Harbour", 1980, 1, vec![2, 3], vec!["drama"], Some(7.5)),
        (11, "Night Train", 1985, 1, vec![2], vec!["crime", "drama"], Some(8.0)),
        (12, "Laughing Gas", 1985, 2, vec![2, 1], vec!["comedy"], None),
    ];
    for (e, title, year, director, cast, genres, score) in films {
        add(e, 100, text(title));
        add(e, 101, Value::Long(year));
        add(e, 103, Value::Ref(user(director)));
        cast.into_iter().for_each(|p| add(e, 102, Value::Ref(user(p))));
        genres.into_iter().for_each(|g| add(e, 104, Value::keyword(g)));
        score.into_iter().for_each(|s| add(e, 105, Value::Double(s)));
    }
    for (from, to) in [(20, 21), (21, 22), (21, 23), (22, 20), (30, 31), (31, 32)] {
        add(from, 108, Value::Ref(user(to)));
    }
    Facts::window(&log, attributes, None, None)
}

/// Asks in every prescribed way and compares with the naive evaluator.
fn check(text: &str, args: &[Edn]) -> Edn {
    check_given(text, args.iter().cloned().map(QueryArg::Value)).unwrap_or(Edn::Nil)
}

/// As [`check`], with inputs of any kind after the database.
fn check_given(text: &str, args: impl IntoIterator<Item = QueryArg>) -> Result<Edn> {
    let query = parse::query_text(text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
    let mut inputs = vec![QueryArg::Source(Arc::new(films()))];
    inputs.extend(args);
    let mut ways = vec![PlanOptions::default()];
    for force in [None, Some(Access::Probe), Some(Access::Each), Some(Access::Stream), Some(Access::Load)] {
        for (seed, keep_rules, no_demand) in
            [(1, false, false), (2, true, false), (3, false, true), (4, true, true)]
        {
            let leap = Some(seed % 2 == 0);
            let (order, search) = if seed < 4 { (Some(seed), None) } else { (None, Some(true)) };
            let part = Some(seed as usize);
            ways.push(PlanOptions {
                order,
                search,
                force,
                keep_rules,
                no_demand,
                leap,
                early: leap,
                part,
                shard: Some(seed),
            });
        }
    }
    let want = expected(&query, &inputs, &Budget::default());
    for way in ways {
        let got = q_with(&query, &inputs, &Budget::default(), way).map(|answer| comparable(&query, answer));
        match (&want, &got) {
            (Ok(want), Ok(got)) => assert_eq!(want, got, "{text} {way:?}"),
            (Err(want), Err(got)) => assert_eq!(want.keyword, got.keyword, "{text} {way:?}"),
            _ => panic!("{text} {way:?}: {want:?} but {got:?}"),
        }
    }
    want
}

/// What the checks and the naive evaluator make of a query.
fn expected(query: &Query, inputs: &[QueryArg], budget: &Budget) -> Result<Edn> {
    let given = query.inputs.iter().zip(inputs).filter(|(input, _)| **input == Input::Rules);
    let mut rules = Vec::new();
    for (_, arg) in given {
        if let QueryArg::Value(edn) = arg {
            rules.extend(parse::rules(&Form::from(edn.clone()))?);
        }
    }
    checks::query(query, &rules)?;
    naive::q(query, inputs, budget).map(|answer| comparable(query, answer))
}

/// An answer as one value; its rows in an order of ours if the query asks for none.
fn comparable(query: &Query, answer: Answer) -> Edn {
    match answer.into_edn() {
        Edn::Vector(mut rows) if query.page == Page::default() => {
            rows.sort();
            Edn::Vector(rows)
        }
        other => other,
    }
}

#[test]
fn patterns_join() {
    check("[:find ?t :where [?f :film/year 1985] [?f :film/title ?t]]", &[]);
    check("[:find ?t ?d :where [?f :film/title ?t] [?f :film/director ?p] [?p :person/name ?d]]", &[]);
    check("[:find ?n :where [?f :film/director ?p] [?f :film/cast ?p] [?p :person/name ?n]]", &[]);
    check("[:find ?e ?a ?v ?tx ?op :where [?e ?a ?v ?tx ?op]]", &[]);
    check("[:find ?x ?y :where [?x :person/born] [?y :film/year]]", &[]);
    check("[:find ?e :where [?e _ ?e]]", &[]);
    check(
        "[:find ?n ?x :in $ [[?n ?x]] :where [?p :person/name ?n] [?p :person/born]]",
        &[parse_edn("[[\"Ann Berg\" 1] [\"Eda Falk\" 2]]")],
    );
    let found = check("[:find ?g . :where [?f :film/title \"Harbour\"] [?f :film/genres ?g]]", &[]);
    assert_eq!(found, Edn::keyword("drama"));
}

#[test]
fn functions_and_predicates() {
    check("[:find [?n ...] :where [?p :person/born ?b] [(>= ?b 1960)] [?p :person/name ?n]]", &[]);
    check("[:find ?a . :where [?f :film/title \"Harbour\"] [?f :film/year ?y] [(- ?y 30) ?a]]", &[]);
    check("[:find ?t ?s :where [?f :film/title ?t] [(get-else $ ?f :film/score 0.0) ?s]]", &[]);
    check("[:find ?n . :where [?p :person/name ?n] [(missing? $ ?p :person/born)]]", &[]);
    check(
        "[:find [?t ...] :where [(ground [1980 1990]) [?y ...]] [?f :film/year ?y] [?f :film/title ?t]]",
        &[],
    );
    check("[:find ?x :in [?x ...] :where [(> ?x 1)]]", &[]);
    check("[:find ?f ?g :where [?f :film/score ?s] [(< ?s 8)] [?g :film/year ?y] [(< ?s ?y)]]", &[]);
}

#[test]
fn negation_and_alternatives() {
    check("[:find [?t ...] :where [?f :film/title ?t] (not [?f :film/genres :drama])]", &[]);
    check(
        "[:find [?n ...] :where [?p :person/name ?n] (not-join [?p] [?f :film/cast ?p] [?f :film/year 1980])]",
        &[],
    );
    check(
        "[:find [?t ...] :where [?f :film/title ?t] (or [?f :film/genres :comedy] [?f :film/score 7.5])]",
        &[],
    );
    check(
        "[:find [?n ...] :where [?p :person/name ?n]
          (or-join [?p] [_ :film/director ?p] (and [?f :film/cast ?p] [?f :film/genres :crime]))]",
        &[],
    );
    check("[:find ?f :where [?f :film/year] (not [?f :film/score ?s])]", &[]);
}

#[test]
fn aggregates_and_pull() {
    check("[:find ?y (count ?f) :where [?f :film/year ?y]]", &[]);
    check("[:find (sum ?y) . :with ?f :where [?f :film/year ?y]]", &[]);
    check("[:find (sum ?y) . :where [?f :film/year ?y]]", &[]);
}

const NODES: &str = "[
  [(from ?a ?b) [?a :node/next ?b]]
  [(from ?a ?b) [?a :node/next ?m] (from ?m ?b)]
  [(left ?a ?b) [?a :node/next ?b]]
  [(left ?a ?b) (left ?a ?m) [?m :node/next ?b]]
  [(twice ?a ?b) [?a :node/next ?b]]
  [(twice ?a ?b) (twice ?a ?m) (twice ?m ?b)]
  [(odd ?a ?b) [?a :node/next ?b]]
  [(odd ?a ?b) [?a :node/next ?m] (even ?m ?b)]
  [(even ?a ?b) [?a :node/next ?m] (odd ?m ?b)]
  [(same ?a ?b) [?p :node/next ?a] [?p :node/next ?b]]
  [(same ?a ?b) [?p :node/next ?a] [?q :node/next ?b] (same ?p ?q)]
  [(hops ?a ?b ?n) [?a :node/next ?b] [(ground 1) ?n]]
  [(hops ?a ?b ?n) (hops ?a ?m ?k) [(< ?k 5)] [?m :node/next ?b] [(+ ?k 1) ?n]]
  [(leaf ?x) [_ :node/next ?x] (not [?x :node/next _])]
  [(ends ?a ?b) (from ?a ?b) (leaf ?b)]
  [(stuck ?a) [?a :node/next _] (not-join [?a] (from ?a ?b) (leaf ?b))]
  [(either ?a ?b) (or-join [?a ?b] [?a :node/next ?b] (and [?a :node/next ?m] (either ?m ?b)))]
  [(loop ?x) (from ?x ?x)]
  [(away [?a] ?b) [?a :node/next ?b]]
  [(away [?a] ?b) (away ?a ?m) [?m :node/next ?b]]
]";

#[test]
fn rules() {
    let rules = parse_edn(NODES);
    for name in ["from", "left", "twice", "odd", "even", "same", "ends", "either"] {
        for call in [
            format!("[:find ?a ?b :in $ % :where ({name} ?a ?b)]"),
            format!("[:find ?b :in $ % :where [?a :node/next _] ({name} ?a ?b)]"),
            format!("[:find ?a ?b :in $ % :where [?b :node/next _] ({name} ?a ?b)]"),
            format!("[:find ?a ?b :in $ % :where [?b :node/next _] ({name} ?a ?b) [?a :node/next _]]"),
            format!("[:find ?a :in $ % :where ({name} ?a ?a)]"),
            format!("[:find ?b :in $ % :where [?x :node/next ?a] ({name} ?a ?b) ({name} ?b ?c)]"),
            format!("[:find ?a :in $ % :where [?a :node/next _] (not ({name} ?a ?a))]"),
            format!("[:find ?a :in $ % :where [?a :node/next _] ({name} ?a _)]"),
            format!("[:find ?b :in $ % :where ({name} {} ?b)]", user(20)),
            format!("[:find ?b :in $ % :where ({name} ?b {})]", user(23)),
        ] {
            check(&call, std::slice::from_ref(&rules));
        }
    }
    for query in [
        "[:find ?a ?b ?n :in $ % :where (hops ?a ?b ?n)]",
        "[:find ?b ?n :in $ % :where [?a :node/next _] (hops ?a ?b ?n)]",
        "[:find ?x :in $ % :where (leaf ?x)]",
        "[:find ?x :in $ % :where (stuck ?x)]",
        "[:find ?x :in $ % :where (loop ?x)]",
        "[:find ?a ?b :in $ % :where [?a :node/next _] (away ?a ?b)]",
        "[:find ?a ?b :in $ % :where (away ?a ?b)]",
    ] {
        check(query, std::slice::from_ref(&rules));
    }
}

#[test]
fn an_explanation_shows_order_way_and_rows() {
    let text =
        "[:find ?t :in $ % :where [?f :film/title ?t] [?f :film/year 1985] (not [?f :film/genres :drama])
                 [?f :film/cast ?p] (or [?p :person/name \"Ann Berg\"] [?p :person/born 1962])]";
    let query = parse::query_text(text).unwrap();
    let inputs = [QueryArg::Source(Arc::new(films())), QueryArg::Value(parse_edn("[]"))];
    let told = explain(&query, &inputs, &Budget::default()).unwrap();
    assert_eq!(told.rows, 1);
    let first = &told.lines[0];
    assert_eq!(
        (first.text.as_str(), first.access, first.rows),
        ("[?f :film/year 1985]", Some("scan"), Some(2))
    );
    assert_eq!((first.runs, first.seeks, told.seeks > 1, first.took), (1, 1, true, None));
    let Edn::Map(map) = told.to_edn() else { panic!("a map") };
    assert_eq!(map[&Edn::keyword("rows")], Edn::Int(1));
    let steps = map[&Edn::keyword("steps")].as_seq().expect("steps");
    assert_eq!(steps.len(), told.lines.len());
    assert_eq!(
        steps[0],
        parse_edn(
            "{:step \"[?f :film/year 1985]\" :depth 0 :way :scan :expected 2 :rows 2 :runs 1 :seeks 1}"
        )
    );
    let shown = told.to_string();
    for part in
        ["not on ?f", "  [?f :film/genres :drama]", "branch", "[?p :person/born 1962]", "1 distinct rows"]
    {
        assert!(shown.contains(part), "{part} in\n{shown}");
    }
}

#[test]
fn an_explanation_tells_the_rounds_of_rules() {
    let text = "[:find ?b :in $ % :where [(identity 17592186044446) ?a] (reach ?a ?b)]";
    let rules = "[[(reach ?a ?b) [?a :node/next ?b]] [(reach ?a ?b) [?a :node/next ?m] (reach ?m ?b)]]";
    let inputs = [QueryArg::Source(Arc::new(films())), QueryArg::Value(parse_edn(rules))];
    let told = explain(&parse::query_text(text).unwrap(), &inputs, &Budget::default()).unwrap();
    assert_eq!(told.rows, 2);
    let rounds: Vec<(u64, u64)> = told.lines.iter().filter_map(|line| line.rounds).collect();
    assert!(matches!(rounds.as_slice(), [(2.., 2..)]), "{told}");
    assert!(told.to_string().contains(" rounds, "), "{told}");
}

fn parse_edn(text: &str) -> Edn {
    annals_query::edn::read::read_one(text).expect("test text").to_edn()
}
