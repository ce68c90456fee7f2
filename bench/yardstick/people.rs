//! People: load, questions of one and two steps, aggregates, look-ups, trees, commits.

use std::iter;

use annals::{Arg, Connection, Db, Edn, EntityId, Field, Form, Keyword, Order, Value};
use annals_bench::loading::{self, map};

use crate::data::{Data, Person, sample};
use crate::out::{Out, Size};
use crate::place::{self, Place, add, question, rows};

const SCHEMA: &str = "[
    {:db/ident :person/name :db/valueType :db.type/string :db/cardinality :db.cardinality/one}
    {:db/ident :person/last-name :db/valueType :db.type/string :db/cardinality :db.cardinality/one}
    {:db/ident :person/sex :db/valueType :db.type/keyword :db/cardinality :db.cardinality/one}
    {:db/ident :person/age :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
    {:db/ident :person/salary :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
    {:db/ident :person/follows :db/valueType :db.type/ref :db/cardinality :db.cardinality/many}]";

/// How many people a transaction of the load has.
const TOGETHER: usize = 1000;

/// The attributes, in the order of the tables.
pub(crate) struct Attributes {
    name: Keyword,
    last_name: Keyword,
    sex: Keyword,
    age: Keyword,
    pub(crate) salary: Keyword,
    follows: Keyword,
}

impl Attributes {
    pub(crate) fn new() -> Attributes {
        let keyword = |name| Keyword::new(&format!("person/{name}"));
        Attributes {
            name: keyword("name"),
            last_name: keyword("last-name"),
            sex: keyword("sex"),
            age: keyword("age"),
            salary: keyword("salary"),
            follows: keyword("follows"),
        }
    }

    fn person(&self, person: &Person) -> Form {
        map([
            (&self.name, Edn::string(person.name.as_str())),
            (&self.last_name, Edn::string(person.last_name.as_str())),
            (&self.sex, Edn::keyword(&person.sex)),
            (&self.age, Edn::Int(person.age)),
            (&self.salary, Edn::Int(person.salary)),
        ])
    }
}

/// The people of a database; they have entities one after the other.
#[derive(Clone, Copy)]
pub(crate) struct Ids(i64);

impl Ids {
    /// Of a database into which so many people were loaded.
    fn of(db: &Db, people: &[Person]) -> Ids {
        let named = db.datoms(Order::Aevt, &[Edn::keyword("person/name")], None).expect("people");
        let (first, last) = (named[0].e.0, named[named.len() - 1].e.0);
        assert_eq!((named.len(), last - first + 1), (people.len(), people.len() as u64), "entities in a row");
        for (at, datom) in named.iter().enumerate().step_by(997) {
            assert_eq!(datom.v, Value::string(people[at].name.as_str()), "the people are in their order");
        }
        Ids(first as i64 - 1)
    }

    pub(crate) fn entity(self, number: i64) -> i64 {
        self.0 + number
    }

    pub(crate) fn number(self, entity: i64) -> i64 {
        entity - self.0
    }
}

/// All people into a new file, sorted and on the disk.
pub(crate) fn load(place: &Place, name: &str, people: &[Person]) -> Connection {
    let (conn, attributes) = (place.fresh(name), Attributes::new());
    conn.transact(SCHEMA).expect("a schema");
    let txs = people.chunks(TOGETHER).map(|some| some.iter().map(|one| attributes.person(one)).collect());
    loading::transact_all(&conn, txs);
    loading::settle(&conn);
    conn
}

/// The people of a database.
pub(crate) fn ids(conn: &Connection, people: &[Person]) -> Ids {
    Ids::of(&conn.db(), people)
}

/// The whole group.
pub(crate) fn run(out: &Out, data: &Data, place: &Place, count: usize) {
    let people = data.people(count);
    let name = format!("people-{count}");
    let conn = out.once("load", 5 * count, || load(place, &name, &people));
    drop(conn);
    out.bytes("disk", std::fs::metadata(place.file(&name)).expect("a file").len());
    let conn = place.open(&name);
    let ids = Ids::of(&conn.db(), &people);
    questions(out, &conn.db(), ids, count);
    one_by_one(out, &conn.db(), ids);
    drop(conn);
    out.warm("open", || age(&place.open(&name).db(), ids.entity(77)), |age| (1, *age));
    if count == 20_000 {
        let conn = place.open(&name);
        pulls(out, data, &conn, ids);
        drop(conn);
        commits(out, place, &people);
    }
}

fn questions(out: &Out, db: &Db, ids: Ids, count: usize) {
    let ask = |work: &str, text: &str, args: &[Arg], entities: &[usize]| {
        let question = question(text, db, args);
        out.warm(work, || rows(&question), |rows| place::size(rows, entities, |id| ids.number(id)));
    };
    ask("q1", "[:find ?e :where [?e :person/name \"Ana\"]]", &[], &[0]);
    ask("q2", "[:find ?e ?a :where [?e :person/name \"Ana\"] [?e :person/age ?a]]", &[], &[0]);
    ask("q2-switch", "[:find ?e ?a :where [?e :person/age ?a] [?e :person/name \"Ana\"]]", &[], &[0]);
    ask(
        "q3",
        "[:find ?e ?a :where [?e :person/name \"Ana\"] [?e :person/age ?a] [?e :person/sex :male]]",
        &[],
        &[0],
    );
    ask(
        "q4",
        "[:find ?e ?l ?a :where [?e :person/name \"Ana\"] [?e :person/last-name ?l] [?e :person/age ?a]
                                [?e :person/sex :male]]",
        &[],
        &[0],
    );
    ask(
        "q5",
        "[:find ?e ?l ?s :in $ ?n ?a :where [?e :person/name ?n] [?e :person/age ?a] [?e :person/last-name ?l]
                                            [?e :person/sex ?s]]",
        &["Hana".into(), 35.into()],
        &[0],
    );
    ask(
        "qrange",
        "[:find ?e ?n ?s :where [?e :person/salary ?s] [(>= ?s 50000)] [(< ?s 50500)] [?e :person/name ?n]]",
        &[],
        &[0],
    );
    ask("qpred1", "[:find ?e ?s :where [?e :person/salary ?s] [(> ?s 50000)]]", &[], &[0]);
    ask(
        "qpred2",
        "[:find ?e ?s :in $ ?least :where [?e :person/salary ?s] [(> ?s ?least)]]",
        &[50_000.into()],
        &[0],
    );
    ask(
        "agg",
        "[:find ?l (count ?e) (max ?s) (avg ?s) :where [?e :person/last-name ?l] [?e :person/salary ?s]]",
        &[],
        &[],
    );
    ask("agg-all", "[:find (count ?e) (sum ?s) :where [?e :person/salary ?s]]", &[], &[]);
    if count == 20_000 {
        ask(
            "join-age",
            "[:find ?x ?y :where [?x :person/name \"Ana\"] [?x :person/age ?a] [?y :person/age ?a]
                                 [?y :person/name \"Boris\"]]",
            &[],
            &[0, 1],
        );
    }
}

/// The age of an entity.
fn age(db: &Db, entity: i64) -> i64 {
    let entity = db.entity(EntityId(entity as u64)).expect("an id").expect("an entity");
    match entity.get(":person/age").expect("an answer") {
        Some(Field::Value(Edn::Int(age))) => age,
        other => panic!("{other:?} is no age"),
    }
}

fn one_by_one(out: &Out, db: &Db, ids: Ids) {
    let entities: Vec<i64> = sample().into_iter().map(|number| ids.entity(number)).collect();
    out.warm(
        "lookup-2000",
        || entities.iter().map(|entity| age(db, *entity)).collect::<Vec<_>>(),
        |ages| (ages.len(), ages.iter().sum()),
    );
    out.warm(
        "entity-2000",
        || {
            let all = entities.iter().map(|entity| db.pull("[*]", EntityId(*entity as u64)).expect("a map"));
            all.collect::<Vec<_>>()
        },
        |maps| (maps.len(), maps.iter().map(|map| sum(map, ids)).sum()),
    );
}

/// The sum of the integers of a map, its id by its number.
fn sum(map: &Edn, ids: Ids) -> i64 {
    let Edn::Map(pairs) = map else { panic!("{map} is no map") };
    let id = Edn::keyword("db/id");
    let of = |(key, value): (&Edn, &Edn)| match value {
        Edn::Int(entity) if *key == id => ids.number(*entity),
        Edn::Int(value) => *value,
        _ => 0,
    };
    pairs.iter().map(of).sum()
}

fn pulls(out: &Out, data: &Data, conn: &Connection, ids: Ids) {
    let attributes = Attributes::new();
    let edge =
        |[from, to]: [i64; 2]| add(Edn::Int(ids.entity(from)), &attributes.follows, Edn::Int(ids.entity(to)));
    loading::transact_all(conn, iter::once(data.edges("wide-4x5").into_iter().map(edge).collect()));
    loading::settle(conn);
    let (db, root) = (conn.db(), EntityId(ids.entity(1) as u64));
    let follows = Edn::keyword("person/follows");
    for (work, pattern) in [
        ("pull-one", "[:person/name {:person/follows ...}]"),
        (
            "pull-many",
            "[:db/id :person/last-name :person/sex :person/age :person/salary {:person/follows ...}]",
        ),
        ("pull-wild", "[* {:person/follows ...}]"),
    ] {
        out.warm(work, || db.pull(pattern, root).expect("a tree"), |tree| (maps(tree, &follows), 0));
    }
}

/// How many maps a tree has.
fn maps(tree: &Edn, follows: &Edn) -> usize {
    let Edn::Map(pairs) = tree else { return 0 };
    let below = pairs.get(follows).and_then(Edn::as_seq).unwrap_or_default();
    1 + below.iter().map(|tree| maps(tree, follows)).sum::<usize>()
}

/// A fact a commit, and a person a commit: in a file, and in memory, where nothing is synced.
fn commits(out: &Out, place: &Place, people: &[Person]) {
    let attributes = Attributes::new();
    let in_file = load(place, "commits", people);
    let in_memory = annals::connect("mem:").and_then(|store| store.database("main")).expect("memory");
    in_memory.transact(SCHEMA).expect("a schema");
    let txs = people.chunks(TOGETHER).map(|some| some.iter().map(|one| attributes.person(one)).collect());
    loading::transact_all(&in_memory, txs);
    loading::settle(&in_memory);
    for (label, conn) in [("durable", &in_file), ("nosync", &in_memory)] {
        let ids = Ids::of(&conn.db(), people);
        out.rate(&format!("tx1-{label}"), |step| {
            let (number, salary) = (step as i64 * 7919 % 20_000 + 1, step as i64 * 31 % 100_000);
            let fact = add(Edn::Int(ids.entity(number)), &attributes.salary, Edn::Int(salary));
            commit(conn, fact);
        });
        out.rate(&format!("tx5-{label}"), |step| {
            let (age, salary) = (step as i64 % 100, step as i64 % 100_000);
            let (name, last_name, sex) = ("Ana".to_owned(), "Abe".to_owned(), "male".to_owned());
            commit(conn, attributes.person(&Person { name, last_name, sex, age, salary }));
        });
    }
}

fn commit(conn: &Connection, form: Form) {
    let tx = Form { kind: annals_query::edn::FormKind::Vector(vec![form]), span: None };
    conn.transact(tx).expect("accepted");
}

/// New salaries of people: one transaction.
pub(crate) fn raises(attributes: &Attributes, ids: Ids, changes: &[[i64; 3]]) -> Vec<Form> {
    let raise = |[_, number, salary]: &[i64; 3]| {
        add(Edn::Int(ids.entity(*number)), &attributes.salary, Edn::Int(*salary))
    };
    changes.iter().map(raise).collect()
}

/// A size of what is not rows.
pub(crate) fn tally(values: impl Iterator<Item = i64>) -> Size {
    values.fold((0, 0), |(count, sum), value| (count + 1, sum + value))
}
