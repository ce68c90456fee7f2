//! Recursion: what is reached in trees and chains, and in the nouns of a dictionary.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use annals::{Arg, Connection, Edn, Keyword};
use annals_bench::loading;

use crate::data::Data;
use crate::out::Out;
use crate::place::{self, Place, add, question, rows};

const SCHEMA: &str = "[
    {:db/ident :node/next :db/valueType :db.type/ref :db/cardinality :db.cardinality/many}
    {:db/ident :node/number :db/valueType :db.type/long :db/cardinality :db.cardinality/one}]";
const RULES: &str = "[[(reach ?x ?y) [?x :node/next ?y]] [(reach ?x ?y) [?x :node/next ?z] (reach ?z ?y)]]";

/// Two nouns: one with a few above it, and one with very many below.
const DOG: i64 = 2_086_723;
const ORGANISM: i64 = 4475;

/// A graph in a database, and which entity is which node.
struct Graph {
    conn: Connection,
    entities: BTreeMap<i64, i64>,
    nodes: HashMap<i64, i64>,
}

impl Graph {
    fn load(place: &Place, name: &str, edges: &[[i64; 2]]) -> Graph {
        let conn = place.fresh(name);
        let (next, numbered) = (Keyword::new("node/next"), Keyword::new("node/number"));
        conn.transact(SCHEMA).expect("a schema");
        let node = |number: i64| Edn::string(number.to_string());
        // An entity is there by what is said about it: its number.
        let numbers: BTreeSet<i64> = edges.iter().flatten().copied().collect();
        let facts = numbers.into_iter().map(|number| add(node(number), &numbered, Edn::Int(number)));
        let facts = facts.chain(edges.iter().map(|[from, to]| add(node(*from), &next, node(*to))));
        let form = annals::Form { kind: annals_query::edn::FormKind::Vector(facts.collect()), span: None };
        let told = conn.transact(form).expect("accepted");
        loading::settle(&conn);
        let named = told.tempids.iter().filter_map(|(name, e)| Some((name.parse().ok()?, e.0 as i64)));
        let entities: BTreeMap<i64, i64> = named.collect();
        let nodes = entities.iter().map(|(node, entity)| (*entity, *node)).collect();
        Graph { conn, entities, nodes }
    }

    /// Asks with rules, and about a node if one is given.
    fn ask(&self, out: &Out, work: &str, text: &str, about: Option<i64>, entities: &[usize]) {
        let mut args: Vec<Arg> = vec![edn(RULES).into()];
        args.extend(about.map(|node| Arg::from(self.entities[&node])));
        let question = question(text, &self.conn.db(), &args);
        out.warm(work, || rows(&question), |rows| place::size(rows, entities, |id| self.nodes[&id]));
    }
}

fn edn(text: &str) -> Edn {
    annals::edn::read_one(text).expect("sound").to_edn()
}

/// Every pair of trees and chains.
pub(crate) fn rules(out: &Out, data: &Data, place: &Place) {
    for name in [
        "wide-3x3",
        "wide-5x3",
        "wide-7x3",
        "wide-4x6",
        "long-10x3",
        "long-30x3",
        "long-30x5",
        "long-300x3",
        "long-1000x1",
    ] {
        let graph = Graph::load(place, name, &data.edges(name));
        let all = "[:find ?x ?y :in $ % :where (reach ?x ?y)]";
        graph.ask(out, &format!("rules-{name}"), all, None, &[0, 1]);
        if name == "wide-7x3" {
            let below = "[:find ?y :in $ % ?x :where (reach ?x ?y)]";
            graph.ask(out, "reach-wide-7x3", below, Some(1), &[0]);
        }
    }
}

/// The whole group of the dictionary.
pub(crate) fn run(out: &Out, data: &Data, place: &Place) {
    let edges = data.edges("hypernym");
    let graph = out.once("g-load", edges.len(), || Graph::load(place, "nouns", &edges));
    let above = "[:find ?y :in $ % ?x :where (reach ?x ?y)]";
    graph.ask(out, "g-up-dog", above, Some(DOG), &[0]);
    let mut nouns: Vec<i64> = edges.iter().map(|[from, _]| *from).collect();
    nouns.sort_unstable();
    nouns.dedup();
    let some = nouns.iter().step_by(nouns.len() / 200).take(200);
    let questions: Vec<_> = some
        .map(|noun| question(above, &graph.conn.db(), &[edn(RULES).into(), graph.entities[noun].into()]))
        .collect();
    out.warm(
        "g-up-200",
        || questions.iter().map(rows).collect::<Vec<_>>(),
        |all| {
            let sizes = all.iter().map(|rows| place::size(rows, &[0], |id| graph.nodes[&id]));
            sizes.fold((0, 0), |(rows, check), (more, of_more)| (rows + more, check + of_more))
        },
    );
    let below = "[:find ?x :in $ % ?y :where (reach ?x ?y)]";
    graph.ask(out, "g-down-organism", below, Some(ORGANISM), &[0]);
    graph.ask(out, "g-allpairs", "[:find (count ?y) . :with ?x :in $ % :where (reach ?x ?y)]", None, &[]);
}
