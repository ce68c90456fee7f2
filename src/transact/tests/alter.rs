//! Checks 71 to 77: schemas that change, and schemas that must not.

use annals_query::edn::Edn;

use super::{Harbour, check_refused, values};

#[test]
fn check_71_a_renamed_attribute_answers_to_both_names() {
    let mut harbour = Harbour::new("[{:db/id \"osl\" :port/code \"OSL\" :port/name \"Oslo\"}]");
    let before = harbour.db.basis_t();
    harbour.ok("[[:db/add :port/name :db/ident :port/label]]");
    harbour.ok("[[:db/add $osl :port/name \"Kristiania\"]]");
    for name in ["port/name", "port/label"] {
        assert_eq!(harbour.values("osl", name), ["\"Kristiania\""]);
        assert_eq!(values(&harbour.db.as_of(before), harbour.names["osl"], name), ["\"Oslo\""]);
    }
    let e = harbour.db.entid(":port/name").unwrap().unwrap();
    assert_eq!(harbour.db.ident(e).unwrap().as_str(), "port/label");
}

#[test]
fn check_72_an_old_name_can_be_given_away() {
    let mut harbour = Harbour::new("[{:db/id \"osl\" :port/code \"OSL\" :port/name \"Oslo\"}]");
    let old = harbour.db.entid(":port/name").unwrap();
    harbour.ok("[[:db/add :port/name :db/ident :port/label]]");
    harbour.ok("[{:db/ident :port/name :db/valueType :db.type/long :db/cardinality :db.cardinality/one}]");
    assert_ne!(harbour.db.entid(":port/name").unwrap(), old);
    assert_eq!(harbour.db.entid(":port/label").unwrap(), old);
    assert!(harbour.values("osl", "port/name").is_empty());
    assert_eq!(harbour.values("osl", "port/label"), ["\"Oslo\""]);
}

#[test]
fn check_73_many_to_one_needs_single_values() {
    let one = "[{:db/id :boat/tags :db/cardinality :db.cardinality/one}]";
    let mut harbour = Harbour::new("[{:db/id \"b\" :boat/tags [\"x\" \"y\"]}]");
    let error = harbour.refused(one, "invalid-alter-attribute");
    assert_eq!(
        error.data()[&Edn::keyword("db.error/reason")],
        Edn::keyword("db.error/cardinality-violation")
    );
    assert_eq!(error.data()[&Edn::keyword("db.error/datoms")].as_seq().map(<[_]>::len), Some(2));
    harbour.ok("[[:db/retract $b :boat/tags \"x\"]]");
    harbour.ok(one);
    assert_eq!(harbour.changes("[[:db/add $b :boat/tags \"z\"]]").len(), 2);
    harbour.ok("[{:db/id :boat/tags :db/cardinality :db.cardinality/many}]");
}

#[test]
fn check_74_unique_needs_distinct_values_now_but_not_in_the_past() {
    let unique = "[{:db/id :boat/name :db/unique :db.unique/value}]";
    let mut harbour = Harbour::new("[{:db/id \"x\" :boat/name \"A\"} {:db/id \"y\" :boat/name \"A\"}]");
    let error = harbour.refused(unique, "invalid-alter-attribute");
    assert_eq!(error.data()[&Edn::keyword("db.error/reason")], Edn::keyword("db.error/unique-violation"));
    assert_eq!(error.data()[&Edn::keyword("db.error/datoms")].as_seq().map(<[_]>::len), Some(2));
    harbour.ok("[[:db/add $y :boat/name \"B\"]]");
    harbour.ok(unique);
    harbour.refused("[{:boat/name \"A\"}]", "unique-conflict");
    harbour.ok("[[:db/retract :boat/name :db/unique :db.unique/value]]");
    harbour.ok("[{:boat/name \"A\"}]");
}

#[test]
fn check_75_what_stored_values_were_written_by_stays() {
    let harbour = Harbour::new("[]");
    for tx in [
        "[{:db/id :boat/fuel :db/valueType :db.type/string}]",
        "[[:db/retract :boat/fuel :db/valueType :db.type/long]]",
        "[[:db/retract :boat/fuel :db/ident :boat/fuel]]",
        "[[:db/retract :boat/fuel :db/cardinality :db.cardinality/one]]",
        "[[:db/retractEntity :boat/fuel]]",
        "[{:db/id :berth/key :db/tupleAttrs [:berth/slot :berth/port]}]",
        "[{:db/id :berth/slot :db/cardinality :db.cardinality/many}]",
        "[{:db/id :boat/fuel :db/isComponent true}]",
    ] {
        let error = harbour.refused(tx, "invalid-alter-attribute");
        assert_eq!(
            error.data()[&Edn::keyword("db.error/reason")],
            Edn::keyword("db.error/unsupported-alter-schema"),
            "{tx}"
        );
    }
}

#[test]
fn check_76_a_schema_serves_the_next_transaction() {
    let harbour = Harbour::new("[]");
    let tx = "[{:db/ident :boat/crane :db/valueType :db.type/long :db/cardinality :db.cardinality/one} {:boat/crane 1}]";
    harbour.refused(tx, "not-an-entity");
}

#[test]
fn check_77_components_are_what_the_schema_says_now() {
    let mut harbour = Harbour::new("[{:db/id \"b\" :boat/crew {:db/id \"c\" :crew/badge \"1\"}}]");
    harbour.ok("[{:db/id :boat/crew :db/isComponent false}]");
    harbour.ok("[[:db/retractEntity $b]]");
    assert_eq!(harbour.facts("c"), ["+c crew/badge \"1\""]);
}

#[test]
fn attributes_that_cannot_be() {
    check_refused(
        "[{:db/id \"e\" :db/ident :my/name}]",
        &[
            ("[{:db/ident :x/a :db/valueType :db.type/long}]", "invalid-install-attribute"),
            ("[{:db/ident :x/a :db/cardinality :db.cardinality/one}]", "invalid-install-attribute"),
            (
                "[{:db/valueType :db.type/long :db/cardinality :db.cardinality/one}]",
                "invalid-install-attribute",
            ),
            (
                "[{:db/ident :my/name :db/valueType :db.type/long :db/cardinality :db.cardinality/one}]",
                "invalid-install-attribute",
            ),
            (
                "[{:db/ident :x/a :db/valueType :db.cardinality/one :db/cardinality :db.cardinality/one}]",
                "invalid-install-attribute",
            ),
            (
                "[{:db/ident :x/a :db/valueType :db.type/long :db/cardinality :db.type/long}]",
                "invalid-install-attribute",
            ),
            (
                "[{:db/ident :x/a :db/valueType :db.type/long :db/cardinality :db.cardinality/one :db/isComponent true}]",
                "invalid-install-attribute",
            ),
            (
                "[{:db/ident :x/a :db/valueType :db.type/nope :db/cardinality :db.cardinality/one}]",
                "not-an-entity",
            ),
            (
                "[{:db/ident :x/a :db/valueType :db.type/tuple :db/cardinality :db.cardinality/one}]",
                "invalid-tuple-attrs",
            ),
            (
                "[{:db/ident :x/a :db/valueType :db.type/tuple :db/tupleAttrs [:boat/fuel :boat/tags] :db/cardinality :db.cardinality/one}]",
                "invalid-tuple-attrs",
            ),
            (
                "[{:db/ident :x/a :db/valueType :db.type/tuple :db/tupleAttrs [:boat/fuel :no/such] :db/cardinality :db.cardinality/one}]",
                "invalid-tuple-attrs",
            ),
            ("[{:db/ident :db/mine :db/doc \"x\"}]", "reserved-name"),
            ("[[:db/add :db/doc :db/doc \"mine\"]]", "protected-entity"),
            ("[[:db/retractEntity :db/doc]]", "protected-entity"),
        ],
    );
}

#[test]
fn a_schema_read_anew_is_the_schema_kept_up_to_date() {
    let mut harbour = Harbour::new("[{:db/id \"e\" :db/ident :my/name}]");
    for tx in [
        "[[:db/add :port/name :db/ident :port/label]]",
        "[{:db/ident :port/name :db/valueType :db.type/long :db/cardinality :db.cardinality/one}]",
        "[{:db/id :boat/crew :db/isComponent false}]",
        "[{:db/id :my/name :db/ident :my/other}]",
        "[[:db/add :berth/slot :db/ident :berth/number]]",
        "[{:db/ident :berth/slot :db/valueType :db.type/string :db/cardinality :db.cardinality/one}]",
        "[{:db/id :berth/key :db/doc \"where\" :db/unique :db.unique/value}]",
        "[[:db/retract :my/other :db/ident :my/other]]",
    ] {
        harbour.ok(tx);
        let basis = harbour.db.basis();
        let anew = crate::schema::Schema::derive(&basis.snapshot).unwrap();
        assert!(anew.same_as(&basis.schema), "{tx}");
    }
    assert_eq!(harbour.db.entid(":my/name").unwrap(), None);
}

#[test]
fn new_attributes_are_listed_and_numbered_in_the_schema_partition() {
    let mut harbour = Harbour::new("[]");
    let report = harbour.ok(
        "[{:db/id \"a\" :db/ident :x/a :db/valueType :db.type/long :db/cardinality :db.cardinality/one
           :db.install/_attribute :db.part/db}
          {:db/id \"b\" :db/ident :x/b :db/valueType :db.type/long :db/cardinality :db.cardinality/one}]",
    );
    let listed = harbour.db.datoms(
        annals_storage::datom::Order::Eavt,
        &[Edn::Int(0), Edn::keyword("db.install/attribute")],
        None,
    );
    let listed: Vec<_> = listed.unwrap().into_iter().map(|datom| datom.v).collect();
    for name in ["a", "b"] {
        let e = report.tempids[name];
        assert_eq!(e.partition(), annals_storage::datom::Partition::DB);
        assert!(listed.contains(&annals_storage::datom::Value::Ref(e)));
    }
}

#[test]
fn an_alteration_need_not_be_announced_and_may_be() {
    let mut harbour =
        Harbour::new("[{:db/ident :x/a :db/valueType :db.type/long :db/cardinality :db.cardinality/one}]");
    for announced in [
        "[{:db/id :x/a :db/cardinality :db.cardinality/many :db.alter/_attribute :db.part/db}]",
        "[[:db/add :x/a :db/cardinality :db.cardinality/one] [:db/add :db.part/db :db.alter/attribute :x/a]]",
    ] {
        let report = harbour.ok(announced);
        // The instant, what was, and what is now.
        assert_eq!(report.datoms.len(), 3, "{announced}");
    }
    harbour.refused("[[:db/add :db.part/db :db.alter/attribute :x/none]]", "not-an-entity");
    harbour.refused("[{:db/id :x/a :db.alter/_attribute :x/none}]", "not-an-entity");
}
