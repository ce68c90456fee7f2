//! Pull, entities, raw indexes, and the log.

use annals::{Connection, Datom, Edn, EntityId, EntityName, Field, Index, Order, TimePoint, Value};

use crate::harbour::{Hand, done, harbour, harbour_with};

#[track_caller]
fn pulled(conn: &Connection, pattern: &str, entity: &str) -> Edn {
    conn.db().pull(pattern, entity).unwrap_or_else(|error| panic!("{pattern}\n{error}"))
}

fn at<'a>(map: &'a Edn, key: &str) -> &'a Edn {
    let Edn::Map(map) = map else { panic!("not a map: {map}") };
    map.get(&Edn::keyword(key)).unwrap_or_else(|| panic!("no {key}"))
}

/// A port with a boat, and the boat's crew of one, who is nobody else's.
fn manned() -> Connection {
    let conn = harbour();
    done(
        &conn,
        "[{:db/id \"o\" :port/code \"OSL\" :port/name \"Oslo\" :port/open true}
          {:boat/imo 1 :boat/name \"Argo\" :boat/home \"o\" :boat/fuel 10 :boat/flag :flag/norway
           :boat/crew [{:crew/badge \"K1\" :crew/rank :mate}]}]",
    );
    conn
}

/// Check 111.
#[test]
fn a_thousand_values_unless_a_limit_says_otherwise() {
    let conn = harbour();
    let tags: String = (0..1500).map(|n| format!("\"tag {n}\" ")).collect();
    done(&conn, &format!("[{{:boat/imo 1 :boat/tags [{tags}]}}]"));
    let count = |pattern: &str| {
        let map = pulled(&conn, pattern, "[:boat/imo 1]");
        at(&map, "boat/tags").as_seq().expect("values").len()
    };
    assert_eq!(count("[:boat/tags]"), 1000);
    assert_eq!(count("[*]"), 1000);
    assert_eq!(count("[[:boat/tags :limit nil]]"), 1500);
    assert_eq!(count("[[:boat/tags :limit 1200]]"), 1200);
    assert_eq!(count("[[:boat/tags :limit 3]]"), 3);
    let many: String = (10..1510).map(|imo| format!("{{:boat/imo {imo} :boat/home \"p\"}} ")).collect();
    done(&conn, &format!("[{{:db/id \"p\" :port/code \"OSL\"}} {many}]"));
    let back = |pattern: &str| {
        at(&pulled(&conn, pattern, "[:port/code \"OSL\"]"), "boat/_home").as_seq().expect("boats").len()
    };
    assert_eq!(back("[:boat/_home]"), 1000);
    assert_eq!(back("[[:boat/_home :limit nil]]"), 1500);
}

/// Check 112.
#[test]
fn the_way_back_is_one_map_over_a_component_and_a_vector_over_others() {
    let conn = manned();
    let whole = pulled(&conn, "[:crew/rank {:boat/_crew [:boat/name]}]", "[:crew/badge \"K1\"]");
    assert_eq!(whole.to_string(), "{:boat/_crew {:boat/name \"Argo\"}, :crew/rank :mate}");
    let port = pulled(&conn, "[:port/code {:boat/_home [:boat/name]}]", "[:port/code \"OSL\"]");
    assert_eq!(port.to_string(), "{:boat/_home [{:boat/name \"Argo\"}], :port/code \"OSL\"}");
}

/// Check 113.
#[test]
fn a_spec_takes_its_attributes_place_in_a_wildcard() {
    let conn = manned();
    let plain = pulled(&conn, "[*]", "[:boat/imo 1]");
    let boat = pulled(&conn, "[* {:boat/home [:port/name]}]", "[:boat/imo 1]");
    assert_eq!(at(&boat, "boat/home").to_string(), "{:port/name \"Oslo\"}");
    let (Edn::Map(mut plain), Edn::Map(mut boat)) = (plain, boat) else { panic!("maps") };
    let home = Edn::keyword("boat/home");
    assert!(plain.remove(&home).is_some() && boat.remove(&home).is_some());
    assert_eq!(boat, plain);
    assert_eq!(plain.len(), 6, "id, imo, name, fuel, flag, crew");
}

/// Check 114.
#[test]
fn a_default_of_false_is_a_default() {
    let conn = manned();
    done(&conn, "[{:port/code \"BGO\"} {:port/code \"TRD\" :port/open false}]");
    let open = |default: &str, code: &str| {
        let pattern = format!("[[:port/open :default {default}]]");
        at(&pulled(&conn, &pattern, &format!("[:port/code \"{code}\"]")), "port/open").clone()
    };
    assert_eq!(open("false", "BGO"), Edn::Bool(false));
    assert_eq!(open("false", "OSL"), Edn::Bool(true));
    assert_eq!(open("true", "TRD"), Edn::Bool(false));
}

/// Check 115.
#[test]
fn recursion_ends_where_it_comes_back_to() {
    let conn = harbour();
    let report = done(
        &conn,
        "[{:db/id \"a\" :crew/badge \"A\" :crew/boss \"b\"} {:db/id \"b\" :crew/badge \"B\" :crew/boss \"a\"}
          {:db/id \"c\" :crew/badge \"C\" :crew/boss \"c\"}]",
    );
    let boss = |badge: &str| {
        pulled(&conn, "[:crew/badge {:crew/boss ...}]", &format!("[:crew/badge \"{badge}\"]")).to_string()
    };
    let [a, c] = [report.tempids["a"], report.tempids["c"]];
    let round = format!("{{:crew/badge \"A\", :crew/boss {{:crew/badge \"B\", :crew/boss {{:db/id {a}}}}}}}");
    assert_eq!(boss("A"), round);
    assert_eq!(boss("C"), format!("{{:crew/badge \"C\", :crew/boss {{:db/id {c}}}}}"));
}

/// Check 116.
#[test]
fn pulling_many_keeps_their_order_and_a_place_for_what_is_missing() {
    let conn = manned();
    let names = ["[:crew/badge \"K1\"]", "[:crew/badge \"nobody\"]", "[:boat/imo 1]"].map(EntityName::from);
    let pulled = conn.db().pull_many("[:crew/rank :boat/name]", names).expect("three");
    let shown: Vec<String> = pulled.iter().map(Edn::to_string).collect();
    assert_eq!(shown, ["{:crew/rank :mate}", "nil", "{:boat/name \"Argo\"}"]);
    let ids = [EntityId(1 << 43), EntityId(1 << 43)].map(EntityName::from);
    assert_eq!(conn.db().pull_many("[:boat/name]", ids).expect("two"), [Edn::Nil, Edn::Nil]);
}

/// Check 117.
#[test]
fn a_reference_to_an_ident_is_the_ident_and_any_other_an_entity() {
    let conn = manned();
    let db = conn.db();
    let boat = db.entity("[:boat/imo 1]").expect("a name").expect("a boat");
    assert_eq!(boat.get(":boat/flag").expect("a read"), Some(Field::Value(Edn::keyword("flag/norway"))));
    let Some(Field::Entity(home)) = boat.get(":boat/home").expect("a read") else { panic!("an entity") };
    assert_eq!(home.get(":port/name").expect("a read"), Some(Field::Value("Oslo".into())));
    assert_eq!(home.get(":boat/_home").expect("a read"), Some(Field::Many(vec![Field::Entity(boat)])));
    assert!(db.entity("[:boat/imo 9]").expect("a name").is_none());
    assert!(db.entity(":no/ident").expect("a name").is_none());
}

/// Check 118.
#[test]
fn a_range_has_its_start_and_not_its_end_and_needs_an_index() {
    let conn = harbour();
    let boats: String = [10, 20, 30].map(|fuel| format!("{{:boat/fuel {fuel}}} ")).concat();
    done(&conn, &format!("[{boats}]"));
    let db = conn.db();
    let fuels = |start: Option<i64>, end: Option<i64>| -> Vec<Value> {
        let [start, end] = [start, end].map(|fuel| fuel.map(Edn::Int));
        let range = db.index_range(":boat/fuel", start.as_ref(), end.as_ref()).expect("a range");
        range.to_vec().expect("facts").into_iter().map(|datom| datom.v).collect()
    };
    let longs = |fuels: &[i64]| fuels.iter().map(|fuel| Value::Long(*fuel)).collect::<Vec<_>>();
    assert_eq!(fuels(Some(10), Some(30)), longs(&[10, 20]));
    assert_eq!(fuels(Some(11), Some(31)), longs(&[20, 30]));
    assert_eq!(fuels(None, Some(20)), longs(&[10]));
    assert_eq!(fuels(Some(20), None), longs(&[20, 30]));
    assert_eq!(fuels(Some(20), Some(20)), longs(&[]));
    // Every attribute is in AVET; VAET has references alone.
    assert_eq!(db.datoms(Index::Avet, &[Edn::keyword("boat/fuel")], None).expect("facts").len(), 3);
    let no_reference =
        db.datoms(Index::Vaet, &[Edn::keyword("flag/norway"), Edn::keyword("boat/fuel")], None);
    assert_eq!(no_reference.expect_err("no reference").keyword(), "db.error/attribute-not-indexed");
}

/// Check 119.
#[test]
fn a_seek_goes_on_into_the_next_attribute() {
    let conn = manned();
    let db = conn.db();
    let of = |name: &str| db.entid(format!(":{name}").as_str()).expect("a name").expect("an attribute");
    let seek = |components: &[Edn]| -> Vec<Datom> {
        db.seek_datoms(Order::Avet, components).expect("a place").to_vec().expect("facts")
    };
    let attributes = |facts: &[Datom]| -> Vec<EntityId> {
        let mut attributes: Vec<EntityId> = facts.iter().map(|datom| datom.a.entity()).collect();
        attributes.dedup();
        attributes
    };
    let code = Edn::keyword("port/code");
    let found = attributes(&seek(std::slice::from_ref(&code)));
    assert_eq!(found[..3], [of("port/code"), of("port/name"), of("port/open")]);
    // From behind the last value of an attribute, the first fact is of the next.
    assert_eq!(attributes(&seek(&[code.clone(), Edn::string("Z")]))[0], of("port/name"));
    assert_eq!(attributes(&seek(&[code.clone(), Edn::string("OSL")]))[0], of("port/code"));
    // All that a seek gives is what the whole index gives from there.
    let whole = db.datoms(Order::Avet, &[code], None).expect("facts");
    assert_eq!(whole.len(), 1);
}

/// Check 120.
#[test]
fn a_range_of_the_log_has_its_start_and_not_its_end() {
    let (hand, options) = Hand::at(100);
    let conn = harbour_with(options);
    for second in [200, 300, 300, 400] {
        hand.put(second);
        done(&conn, "[]");
    }
    let log = conn.log();
    let ts = |from: Option<TimePoint>, to: Option<TimePoint>| -> Vec<u64> {
        log.between(from, to).expect("transactions").iter().map(|tx| tx.t).collect()
    };
    let t = |t: u64| Some(TimePoint::from(t));
    let tx = |t: u64| Some(TimePoint::from(EntityId::of_t(t)));
    let second = |seconds: i64| Some(TimePoint::Instant(seconds * 1_000_000));
    assert_eq!(ts(t(2), t(4)), [2, 3]);
    assert_eq!(ts(tx(2), tx(4)), [2, 3]);
    assert_eq!(ts(None, None), [1, 2, 3, 4, 5]);
    assert_eq!(ts(t(4), None), [4, 5]);
    assert_eq!(ts(t(4), t(4)), [0; 0]);
    // Between two instants there is no transaction too many, at either end.
    assert_eq!(ts(second(250), second(350)), [3, 4]);
    assert_eq!(ts(second(201), second(300)), [0; 0]);
    assert_eq!(ts(second(300), second(301)), [3, 4]);
    assert_eq!(ts(second(200), second(400)), [2, 3, 4]);
    // Also when they are at rest.
    let at = conn.request_index().expect("a job");
    conn.sync_index(at, std::time::Duration::from_secs(60)).expect("trees at rest");
    assert_eq!(ts(second(250), second(350)), [3, 4]);
}
