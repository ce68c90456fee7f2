//! Raw indexes, entities and index pulls, held against the plain answers: a walk the other way is the same facts from
//! the last, on every view. Numbers are those of the checks for Datomic's tricky behaviours.

use annals_query::edn::{Edn, read_one};
use annals_storage::datom::{Datom, Keyword, Order, Value};

use crate::{Connection, Db, Field, Index, TimePoint};

/// Boats with names, fuel and crews; fuel changes once. A mate is an ident.
fn harbour() -> Connection {
    let conn = crate::connect("mem:").unwrap().database("main").unwrap();
    let texts = [
        "[{:db/id \"datomic.tx\" :db/txInstant #inst \"2020-01-01\"}
          {:db/ident :boat/name :db/valueType :db.type/string :db/cardinality :db.cardinality/one
           :db/unique :db.unique/identity}
          {:db/ident :boat/fuel :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
          {:db/ident :boat/crew :db/valueType :db.type/ref :db/cardinality :db.cardinality/many}
          {:db/ident :boat/twin :db/valueType :db.type/ref :db/cardinality :db.cardinality/one}
          {:db/ident :boat/mast :db/valueType :db.type/ref :db/cardinality :db.cardinality/one :db/isComponent true}
          {:db/ident :rank/mate}]",
        "[{:db/id \"datomic.tx\" :db/txInstant #inst \"2020-02-01\"}
          {:db/id \"a\" :boat/name \"Argo\" :boat/fuel 10 :boat/crew [:rank/mate] :boat/mast {:boat/fuel 1}}
          {:boat/name \"Fram\" :boat/fuel 30 :boat/twin \"a\" :boat/crew [:rank/mate \"a\"]}]",
        "[{:db/id \"datomic.tx\" :db/txInstant #inst \"2020-03-01\"} [:db/add [:boat/name \"Argo\"] :boat/fuel 20]]",
    ];
    texts.iter().for_each(|text| drop(conn.transact(*text).unwrap()));
    conn
}

fn edn(text: &str) -> Edn {
    read_one(text).unwrap().to_edn()
}

fn components(text: &str) -> Vec<Edn> {
    edn(text).as_seq().unwrap().to_vec()
}

fn views(conn: &Connection) -> Vec<Db> {
    let db = conn.db();
    let what_if = db.with("[{:boat/name \"Gjoa\" :boat/twin [:boat/name \"Fram\"]}]").unwrap().db_after;
    vec![
        db.as_of(2),
        db.since(1),
        db.history(),
        db.history().as_of(2),
        db.filter(|_, datom| datom.v != Value::Long(20)),
        what_if,
        db,
    ]
}

fn longs(datoms: Vec<Datom>) -> Vec<i64> {
    let long = |datom: Datom| if let Value::Long(n) = datom.v { n } else { panic!("{datom:?}") };
    datoms.into_iter().map(long).collect()
}

const ALL: [Index; 4] = [Index::Eavt, Index::Aevt, Index::Avet, Index::Vaet];

#[test]
fn the_other_way_is_the_same_facts_from_the_last() {
    let conn = harbour();
    for db in views(&conn) {
        for index in ALL {
            let walk = db.walk(index, &[]).unwrap();
            let up = walk.to_vec().unwrap();
            let mut down = walk.clone().reverse().to_vec().unwrap();
            assert!(!up.is_empty(), "{db:?} {index:?}");
            assert_eq!(
                walk.clone().skip(1).limit(2).to_vec().unwrap(),
                up.iter().skip(1).take(2).cloned().collect::<Vec<_>>()
            );
            down.reverse();
            assert_eq!(down, up, "{db:?} {index:?}");
        }
    }
}

#[test]
fn a_range_of_entities_is_those_of_all_that_lie_in_it() {
    use annals_query::source::Source;
    use std::ops::ControlFlow;

    let conn = harbour();
    let all = conn.db().datoms(Order::Eavt, &[], None).unwrap();
    let mut read = 0;
    for db in views(&conn) {
        for name in [":boat/name", ":boat/fuel", ":boat/crew"] {
            let attribute = db.entid(name).unwrap().unwrap();
            let mut want = db.datoms(Order::Aevt, &[attribute.into()], None).unwrap();
            let (first, last) = (all[all.len() / 2].e, all[all.len() - 1].e);
            want.retain(|datom| (first..=last).contains(&datom.e));
            let mut got = Vec::new();
            let a = annals_storage::datom::AttrId::of_entity(attribute).unwrap();
            let is_read = db.scan_between(a, (first.0, last.0), &mut |batch| {
                got.extend((0..batch.len).map(|row| batch.datom(row)));
                ControlFlow::Continue(())
            });
            let is_read = is_read.unwrap();
            read += usize::from(is_read);
            assert_eq!(got, if is_read { want } else { Vec::new() }, "{db:?} {name}");
        }
    }
    assert!(read >= 6, "at least the present and what a filter leaves of it: {read}");
}

#[test]
fn references_are_those_of_avet_by_what_they_refer_to() {
    for db in views(&harbour()) {
        let mut want: Vec<Datom> = db.datoms(Order::Eavt, &[], None).unwrap();
        want.retain(|datom| matches!(datom.v, Value::Ref(_)));
        want.sort_by(|x, y| (&x.v, x.a, x.e, x.tx, x.added).cmp(&(&y.v, y.a, y.e, y.tx, y.added)));
        assert_eq!(db.datoms(Index::Vaet, &[], None).unwrap(), want, "{db:?}");
        for place in &want {
            let start = [Edn::from(place.v.clone()), Edn::from(place.a.entity()), Edn::from(place.e)];
            let key = |datom: &Datom| (datom.v.clone(), datom.a, datom.e);
            let (mut from, mut to) = (want.clone(), want.clone());
            from.retain(|datom| key(datom) >= key(place));
            to.retain(|datom| key(datom) <= key(place));
            to.reverse();
            let seek = db.seek_datoms(Index::Vaet, &start).unwrap();
            assert_eq!(seek.to_vec().unwrap(), from, "{db:?}");
            assert_eq!(seek.reverse().to_vec().unwrap(), to, "{db:?}");
        }
    }
}

#[test]
fn check_118_a_range_has_its_start_and_not_its_end() {
    let db = harbour().db();
    let range = |db: &Db, start: Option<i64>, end: Option<i64>| {
        let (start, end) = (start.map(Edn::Int), end.map(Edn::Int));
        db.index_range(":boat/fuel", start.as_ref(), end.as_ref()).unwrap()
    };
    assert_eq!(longs(range(&db, None, None).to_vec().unwrap()), [1, 20, 30]);
    assert_eq!(longs(range(&db, Some(1), Some(30)).to_vec().unwrap()), [1, 20]);
    assert_eq!(longs(range(&db, Some(2), None).reverse().to_vec().unwrap()), [30, 20]);
    assert_eq!(longs(range(&db.history(), None, Some(20)).to_vec().unwrap()), [1, 10, 10]);
    let error = db.walk(Index::Vaet, &components("[:rank/mate :boat/fuel]")).unwrap_err();
    assert_eq!(error.keyword(), "db.error/attribute-not-indexed");
    let error = db.index_range(":boat/fuel", Some(&Edn::string("x")), None).unwrap_err();
    assert_eq!(error.keyword(), "db.error/wrong-type-for-attribute");
    assert_eq!(db.index_range(":no/such", None, None).unwrap_err().keyword(), "db.error/not-an-entity");
}

#[test]
fn check_119_a_seek_goes_on_to_the_end_of_the_index() {
    for db in views(&harbour()) {
        let seek = db.seek_datoms(Index::Avet, &components("[:boat/fuel 15]")).unwrap();
        let (up, down) = (seek.to_vec().unwrap(), seek.reverse().to_vec().unwrap());
        let all = db.datoms(Order::Avet, &[], None).unwrap();
        assert!(all.ends_with(&up), "{db:?}");
        assert!(up.iter().any(|datom| datom.a != up[0].a), "{db:?}");
        assert_eq!(up.len() + down.len(), all.len(), "{db:?}");
    }
    let error = harbour().db().seek_datoms(Index::Eavt, &components("[:no/such]")).unwrap_err();
    assert_eq!(error.keyword(), "db.error/not-an-entity");
}

#[test]
fn check_120_a_log_range_leaves_its_end_out() {
    let log = harbour().log();
    let ts = |from: &str, to: &str| {
        let point = |text: &str| (!text.is_empty()).then(|| TimePoint::parse(text).unwrap());
        let found = log.between(point(from), point(to)).unwrap();
        found.into_iter().map(|tx| tx.t).collect::<Vec<_>>()
    };
    assert_eq!(ts("1", "2"), [1]);
    assert_eq!(ts("13194139533314", "13194139533315"), [2]);
    assert_eq!(ts("2020-01-15", ""), [2, 3]);
    assert_eq!(ts("2020-01-15", "2020-02-15"), [2]);
    assert_eq!(ts("2020-02-01", "2020-03-01"), [2]);
    assert!(ts("2020-02-02", "2020-02-03").is_empty());
}

#[test]
fn check_117_a_reference_is_an_entity_or_its_ident() {
    let conn = harbour();
    let entity = |name: &str| conn.db().entity((":boat/name", name)).unwrap().unwrap();
    let (argo, fram) = (entity("Argo"), entity("Fram"));
    assert_eq!(fram.get(":boat/twin").unwrap(), Some(Field::Entity(argo.clone())));
    let mate = Field::Value(Edn::keyword("rank/mate"));
    assert_eq!(argo.get(":boat/crew").unwrap(), Some(Field::Many(vec![mate])));
    assert_eq!(argo.get("boat/_twin").unwrap(), Some(Field::Many(vec![Field::Entity(fram.clone())])));
    let Some(Field::Entity(mast)) = argo.get(":boat/mast").unwrap() else { panic!("no mast") };
    assert_eq!(mast.get(":boat/_mast").unwrap(), Some(Field::Entity(argo.clone())));
    assert_eq!(argo.get(":no/such").unwrap(), None);
    assert_eq!(argo.get(":boat/_fuel").unwrap_err().keyword(), "db.error/invalid-reverse");
    let keys = ["boat/crew", "boat/fuel", "boat/mast", "boat/name"].map(Keyword::new);
    assert_eq!(argo.keys().unwrap(), keys);
    assert_eq!(argo.touch().unwrap(), conn.db().pull("[*]", argo.id()).unwrap());
    assert_eq!(argo, conn.db().as_of(2).entity(argo.id()).unwrap().unwrap());
    assert_ne!(argo, fram);
    assert_eq!(conn.db().entity((":boat/name", "Nobody")).unwrap(), None);
    assert!(conn.db().entity(1 << 50).unwrap().unwrap().keys().unwrap().is_empty());
}

#[test]
fn check_83_a_history_has_no_entities() {
    let history = harbour().db().history();
    let keywords = [
        history.entity(":rank/mate").unwrap_err(),
        history.pull("[*]", ":rank/mate").unwrap_err(),
        history.index_pull("[*]", Index::Avet, &components("[:boat/fuel]")).unwrap_err(),
    ];
    assert!(keywords.iter().all(|error| error.keyword() == "db.error/unsupported-on-history"));
    assert!(history.with("[]").is_err());
}

#[test]
fn an_index_is_pulled_along_either_way() {
    let db = harbour().db();
    let along = |index: Index, start: &str| db.index_pull("[:boat/name]", index, &components(start));
    let shown = |found: Vec<Edn>| Edn::Vector(found).to_string();
    let by_fuel = along(Index::Avet, "[:boat/fuel 2]").unwrap();
    assert_eq!(shown(by_fuel.to_vec().unwrap()), "[{:boat/name \"Argo\"} {:boat/name \"Fram\"}]");
    assert_eq!(shown(by_fuel.reverse().to_vec().unwrap()), "[nil]");
    let last = along(Index::Avet, "[:boat/fuel]").unwrap().reverse();
    assert_eq!(shown(last.clone().limit(1).to_vec().unwrap()), "[{:boat/name \"Fram\"}]");
    assert_eq!(shown(last.skip(1).limit(1).to_vec().unwrap()), "[{:boat/name \"Argo\"}]");
    let twins = along(Index::Aevt, "[:boat/twin]").unwrap();
    assert_eq!(shown(twins.to_vec().unwrap()), "[{:boat/name \"Argo\"}]");
    let crews = along(Index::Avet, "[:boat/crew :rank/mate]").unwrap();
    assert_eq!(crews.to_vec().unwrap().len(), 2);
    for (index, start) in [
        (Index::Avet, "[:boat/crew]"),
        (Index::Aevt, "[:boat/fuel]"),
        (Index::Avet, "[]"),
        (Index::Eavt, "[:rank/mate]"),
    ] {
        assert_eq!(along(index, start).unwrap_err().keyword(), "db.error/invalid-index-pull", "{start}");
    }
}
