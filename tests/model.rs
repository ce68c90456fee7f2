//! Random histories against naive replay: now, as-of, since, history, in every order, with index jobs, collections and
//! reopenings between any two transactions, and trees of any shape.
//!
//! The model keeps a plain list of events and knows nothing of intervals, runs or indexes. Values taken on the way are
//! held to the end and must still say what they said.

#![allow(clippy::disallowed_methods)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use annals::{Connection, Datom, Db, Edn, IndexSettings, Options, Order, Value};
use proptest::prelude::*;

const SCHEMA: &str = r#"[
  {:db/ident :m/key :db/valueType :db.type/string :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}
  {:db/ident :m/one :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
  {:db/ident :m/text :db/valueType :db.type/string :db/cardinality :db.cardinality/one}
  {:db/ident :m/many :db/valueType :db.type/keyword :db/cardinality :db.cardinality/many}
  {:db/ident :m/real :db/valueType :db.type/double :db/cardinality :db.cardinality/many}
  {:db/ident :m/to :db/valueType :db.type/ref :db/cardinality :db.cardinality/many}]"#;

/// One change: of entity number `e`.
#[derive(Clone, Debug)]
enum Change {
    One(i64),
    Text(usize),
    Many(usize),
    Real(i8),
    To(usize),
    NotMany(usize),
    NotTo(usize),
    Nothing(&'static str),
    Gone,
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => (0..5i64).prop_map(Change::One),
        3 => (0..4usize).prop_map(Change::Text),
        3 => (0..4usize).prop_map(Change::Many),
        2 => any::<i8>().prop_map(|n| Change::Real(n % 4)),
        3 => (0..6usize).prop_map(Change::To),
        2 => (0..4usize).prop_map(Change::NotMany),
        2 => (0..6usize).prop_map(Change::NotTo),
        2 => prop_oneof![Just("m/one"), Just("m/many"), Just("m/to"), Just("m/text")].prop_map(Change::Nothing),
        1 => Just(Change::Gone),
    ]
}

fn text(n: usize) -> String {
    // One is longer than what the value order keeps.
    ["", "a", "ab", &"long ".repeat(80)][n].to_owned()
}

/// A fact of the model: entity, attribute, value as EDN text.
type Fact = (u64, String, String);

/// Events by transaction: assertions and retractions.
#[derive(Default)]
struct Model {
    holds: BTreeMap<Fact, u64>,
    events: Vec<(Fact, u64, bool)>,
}

impl Model {
    fn assert(&mut self, fact: Fact, t: u64) {
        if !self.holds.contains_key(&fact) {
            self.holds.insert(fact.clone(), t);
            self.events.push((fact, t, true));
        }
    }

    fn retract(&mut self, t: u64, gone: impl Fn(&Fact) -> bool) {
        let facts: Vec<Fact> = self.holds.keys().filter(|fact| gone(fact)).cloned().collect();
        for fact in facts {
            self.holds.remove(&fact);
            self.events.push((fact, t, false));
        }
    }

    fn apply(&mut self, e: u64, entities: &[u64], change: &Change, t: u64) {
        let mut replace = |attribute: &str, value: String| {
            let fact = (e, attribute.to_owned(), value);
            self.retract(t, |other| other.0 == fact.0 && other.1 == fact.1 && other.2 != fact.2);
            self.assert(fact, t);
        };
        match change {
            Change::One(n) => replace("m/one", n.to_string()),
            Change::Text(n) => replace("m/text", Edn::string(text(*n)).to_string()),
            Change::Many(n) => self.assert((e, "m/many".into(), format!(":k/v{n}")), t),
            Change::Real(n) => {
                self.assert((e, "m/real".into(), Edn::double(f64::from(*n) / 2.0).to_string()), t)
            }
            Change::To(n) => self.assert((e, "m/to".into(), entities[*n].to_string()), t),
            Change::NotMany(n) => {
                let value = format!(":k/v{n}");
                self.retract(t, |fact| fact.0 == e && fact.1 == "m/many" && fact.2 == value);
            }
            Change::NotTo(n) => {
                let value = entities[*n].to_string();
                self.retract(t, |fact| fact.0 == e && fact.1 == "m/to" && fact.2 == value);
            }
            Change::Nothing(attribute) => self.retract(t, |fact| fact.0 == e && fact.1 == *attribute),
            Change::Gone => {
                let id = e.to_string();
                self.retract(t, |fact| fact.1 != "m/key" && fact.0 == e || fact.1 == "m/to" && fact.2 == id);
            }
        }
    }

    fn as_of(&self, t: u64) -> BTreeMap<Fact, u64> {
        let mut holds = BTreeMap::new();
        for (fact, at, added) in self.events.iter().filter(|event| event.1 <= t) {
            if *added {
                holds.insert(fact.clone(), *at);
            } else {
                holds.remove(fact);
            }
        }
        holds
    }
}

/// The change as transaction data. A whole entity is emptied attribute by attribute, so that its key stays.
fn data(e: u64, entities: &[u64], change: &Change, db: &Db) -> String {
    match change {
        Change::One(n) => format!("[:db/add {e} :m/one {n}]"),
        Change::Text(n) => format!("[:db/add {e} :m/text {}]", Edn::string(text(*n))),
        Change::Many(n) => format!("{{:db/id {e} :m/many [:k/v{n}]}}"),
        Change::Real(n) => format!("[:db/add {e} :m/real {}]", Edn::double(f64::from(*n) / 2.0)),
        Change::To(n) => format!("{{:db/id {} :m/_to {e}}}", entities[*n]),
        Change::NotMany(n) => format!("[:db/retract {e} :m/many :k/v{n}]"),
        Change::NotTo(n) => format!("[:db/retract {e} :m/to {}]", entities[*n]),
        Change::Nothing(attribute) => format!("[:db/retract {e} :{attribute}]"),
        Change::Gone => {
            let own = ["m/one", "m/text", "m/many", "m/real", "m/to"]
                .map(|a| format!("[:db/retract {e} :{a}]"))
                .concat();
            let inbound = db.q("[:find [?x ...] :in $ ?e :where [?x :m/to ?e]]", [Edn::Int(e as i64).into()]);
            let inbound = inbound.expect("an answer").into_edn();
            let inbound = inbound.as_seq().expect("a collection").iter();
            own + &inbound.map(|x| format!("[:db/retract {x} :m/to {e}]")).collect::<String>()
        }
    }
}

fn facts(db: &Db, order: Order) -> Vec<(Fact, u64, bool)> {
    let named = |datom: &Datom| db.ident(datom.a.entity()).expect("a named attribute").as_str().to_owned();
    let value = |v: &Value| Edn::from(v.clone()).to_string();
    let datoms = db.datoms(order, &[], None).expect("datoms");
    let ours = datoms.iter().filter(|datom| named(datom).starts_with("m/"));
    ours.map(|d| ((d.e.0, named(d), value(&d.v)), d.tx.t().expect("a t"), d.added)).collect()
}

fn check(db: &Db, model: &Model, first: u64) {
    let last = db.basis_t();
    for t in first..=last {
        let holds = model.as_of(t);
        check_view(&db.as_of(t), holds.iter().map(|(fact, t)| (fact.clone(), *t, true)).collect());
        for s in [first, t / 2, t] {
            let window =
                holds.iter().filter(|(_, from)| **from > s).map(|(fact, t)| (fact.clone(), *t, true));
            check_view(&db.as_of(t).since(s), window.collect());
            let events = model.events.iter().filter(|event| event.1 <= t && event.1 > s).cloned();
            check_view(&db.history().since(s).as_of(t), events.collect());
        }
    }
    check_view(db, model.holds.iter().map(|(fact, t)| (fact.clone(), *t, true)).collect());
    check_view(&db.history(), model.events.iter().cloned().collect());
}

fn check_view(db: &Db, expected: BTreeSet<(Fact, u64, bool)>) {
    for order in Order::ALL {
        let actual = facts(db, order);
        let distinct: BTreeSet<_> = actual.iter().cloned().collect();
        assert_eq!(distinct.len(), actual.len(), "{order:?} repeats itself: {actual:?}");
        // Values too long for the value order are not in it.
        let kept = |event: &&(Fact, u64, bool)| order != Order::Avet || event.0.2.len() < 256;
        let expected: BTreeSet<_> = expected.iter().filter(kept).cloned().collect();
        assert_eq!(distinct, expected, "{order:?} of {db:?}");
    }
}

/// What happens after a transaction.
#[derive(Clone, Copy, Debug)]
enum Upkeep {
    Nothing,
    /// An index job is asked for, and goes on beside the next transactions.
    Index,
    /// An index job, and it is waited for.
    Indexed,
    /// What nobody reads is collected, now.
    Collect,
    /// The file is closed and opened again.
    Reopen,
}

fn upkeep() -> impl Strategy<Value = Upkeep> {
    prop_oneof![
        6 => Just(Upkeep::Nothing),
        2 => Just(Upkeep::Index),
        3 => Just(Upkeep::Indexed),
        1 => Just(Upkeep::Collect),
        1 => Just(Upkeep::Reopen),
    ]
}

/// Trees of all shapes: small leaves, many tiers or one, many generations or few, jobs often or on request only.
fn options() -> impl Strategy<Value = Options> {
    let settings = (0..9u64, 1..6usize, 1..40u64, 150..4000usize, 0..200u64);
    (
        settings,
        prop_oneof![Just(1), 2..40usize, Just(1 << 20)],
        prop_oneof![Just(0), Just(1 << 14), Just(1 << 26)],
    )
        .prop_map(
            |(
                (rewrite_bound, most_tiers, generation_rows, leaf_bytes, threads_from),
                novelty_datoms,
                cache_bytes,
            )| {
                Options {
                    index: IndexSettings {
                        rewrite_bound,
                        most_tiers,
                        generation_rows,
                        leaf_bytes: Some(leaf_bytes),
                        threads_from,
                    },
                    novelty_datoms,
                    cache_bytes,
                    ..Options::default()
                }
            },
        )
}

const PATIENCE: Duration = Duration::from_secs(60);

fn run(address: &str, history: &[(Vec<(usize, Change)>, Upkeep)], options: &Options) {
    let open = || -> (annals::Store, Connection) {
        let store = annals::connect_with(address, options.clone()).expect("a storage");
        let conn = store.database("main").expect("a database");
        (store, conn)
    };
    let (mut store, mut conn) = open();
    conn.transact(SCHEMA).expect("a schema");
    let names: Vec<String> = (0..6).map(|n| format!("{{:db/id \"e{n}\" :m/key \"e{n}\"}}")).collect();
    let report = conn.transact(format!("[{}]", names.concat())).expect("six entities");
    let entities: Vec<u64> = (0..6).map(|n| report.tempids[&format!("e{n}")].0).collect();
    let mut model = Model::default();
    for (n, e) in entities.iter().enumerate() {
        model.assert((*e, "m/key".into(), format!("\"e{n}\"")), report.t);
    }
    let first = report.t;
    // A value keeps the file open, and a report holds two.
    drop(report);
    let mut held = Vec::new();
    for (changes, upkeep) in history {
        // One change of an entity a transaction, so that no two contradict each other.
        let distinct: BTreeMap<usize, &Change> = changes.iter().map(|(e, change)| (*e, change)).collect();
        let lonely = distinct.values().any(|change| matches!(change, Change::Gone));
        let chosen: Vec<_> = distinct.into_iter().take(if lonely { 1 } else { 6 }).collect();
        let db = conn.db();
        let tx: String =
            chosen.iter().map(|(e, change)| data(entities[*e], &entities, change, &db)).collect();
        let report = conn.transact(format!("[{tx}]")).expect("a transaction without conflict");
        for (e, change) in &chosen {
            model.apply(entities[*e], &entities, change, report.t);
        }
        held.push((report.db_after.clone(), model.holds.clone()));
        match upkeep {
            Upkeep::Nothing => {}
            Upkeep::Index => drop(conn.request_index().expect("a job")),
            Upkeep::Indexed => {
                let t = conn.request_index().expect("a job");
                conn.sync_index(t, PATIENCE).expect("a job that ends");
            }
            Upkeep::Collect => drop(conn.gc(Some(Duration::from_secs(3600))).expect("a collection")),
            Upkeep::Reopen if address.starts_with("mem") => {}
            Upkeep::Reopen => {
                drop((db, report));
                held.clear();
                drop((conn, store));
                (store, conn) = open();
            }
        }
    }
    check(&conn.db(), &model, first);
    for (db, holds) in held {
        check_view(&db, holds.into_iter().map(|(fact, t)| (fact, t, true)).collect());
    }
    let report = conn.verify(&mut |_| {}).expect("verified");
    assert!(report.is_clean(), "{report:?}");
    drop(store);
}

fn history() -> impl Strategy<Value = Vec<(Vec<(usize, Change)>, Upkeep)>> {
    prop::collection::vec((prop::collection::vec((0..6usize, change()), 0..5), upkeep()), 1..24)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn memory_equals_naive_replay(history in history(), options in options()) {
        run("mem:", &history, &options);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_file_equals_naive_replay(history in history(), options in options()) {
        let scratch = tempfile::tempdir().expect("a scratch folder");
        run(&format!("redb:{}", scratch.path().join("model.annals").display()), &history, &options);
    }
}
