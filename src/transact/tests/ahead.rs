//! What was looked at before a transaction's turn changes nothing about its outcome, whatever comes between.

use annals_query::edn::{self, Edn};

use super::{Harbour, NOON};
use crate::Connection;
use crate::input::Request;
use crate::transact::{self, ahead::Ahead};

const UNIQUE: &str = "[{:db/id :boat/name :db/unique :db.unique/value}]";
const COMPOSED: &str =
    "[{:db/ident :boat/name+fuel :db/valueType :db.type/tuple :db/tupleAttrs [:boat/name :boat/fuel]
  :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}]";
const SINGLE: &str = "[[:db/add :boat/tags :db/cardinality :db.cardinality/one]]";

fn request(tx: &str) -> Request {
    Request::from(edn::read_one(tx).unwrap())
}

/// What comes of a transaction with what was found out ahead: the facts that stand in the way, sorted.
fn outcome(harbour: &Harbour, tx: &str, ahead: &Ahead) -> Result<(), Vec<String>> {
    let request = Request { ahead: ahead.clone(), ..request(tx) };
    transact::run(harbour.db.basis(), &request, NOON).map(|_| ()).map_err(|error| {
        assert_eq!(error.data()[&Edn::keyword("db.error/reason")].type_name(), "keyword", "{error:?}");
        let datoms = error.data()[&Edn::keyword("db.error/datoms")].as_seq().unwrap().to_vec();
        let mut told: Vec<String> = datoms.iter().map(Edn::to_string).collect();
        told.sort();
        told
    })
}

fn look(harbour: &Harbour, tx: &str) -> Ahead {
    request(tx).looked_ahead(harbour.db.basis()).unwrap().ahead
}

#[test]
fn what_was_looked_at_is_not_looked_at_again() {
    let mut harbour = Harbour::new("[{:boat/name \"A\" :boat/tags \"x\"}]");
    let looked = [UNIQUE, SINGLE, COMPOSED].map(|tx| (tx, look(&harbour, tx)));
    harbour.ok("[{:boat/name \"A\" :boat/tags [\"x\" \"y\"]}]");
    for (tx, ahead) in looked {
        let told = outcome(&harbour, tx, &ahead).unwrap_err();
        assert_eq!(told.len(), 2, "{told:?}");
        // Told that all was well up to now, which it was not, it is believed.
        let moved = ahead.moved_to(harbour.db.basis_t());
        assert!(outcome(&harbour, tx, &moved).is_ok(), "{tx} looked at the old facts");
    }
}

#[test]
fn every_way_to_name_an_attribute_is_understood() {
    let harbour = Harbour::new("[{:boat/name \"A\"}]");
    let id = harbour.db.entid(":boat/name").unwrap().unwrap();
    for tx in [
        UNIQUE.to_owned(),
        COMPOSED.to_owned(),
        "[{:db/ident :boat/name :db/unique :db.unique/identity}]".to_owned(),
        "[[:db/add :boat/name :db/unique :db.unique/value]]".to_owned(),
        format!("[(:db/add {id} :db/unique :db.unique/value)]"),
        "[{:db/id [:db/ident :boat/name] :db/unique :db.unique/value}]".to_owned(),
    ] {
        assert!(!look(&harbour, &tx).is_empty(), "{tx}");
    }
    for tx in [
        "[{:db/ident :a/b :db/unique :db.unique/value :db/tupleAttrs [:boat/name :boat/nme]}]",
        "[{:db/ident :a/b :db/unique :db.unique/value :db/tupleAttrs 7}]",
        "[{:db/id :boat/imo :db/unique :db.unique/value}]",
        "[{:db/id :boat/nme :db/unique :db.unique/value}]",
        "[{:db/id [:boat/name \"A\"] :db/unique :db.unique/value}]",
        "[{:db/id \"t\" :db/unique :db.unique/value}]",
        "[{:db/ident 7 :db/unique 1} 7 [] [:db/add]]",
        "[{:db/id :boat/name :db/cardinality :db.cardinality/one}]",
        "{:db/id :boat/name :db/unique :db.unique/value}",
    ] {
        assert!(look(&harbour, tx).is_empty(), "{tx}");
    }
}

#[test]
fn transactions_between_are_judged_as_without() {
    let mut seed: u64 = 0x5DEE_CE66;
    let mut next = |bound: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % bound
    };
    let (mut accepted, mut refused) = (0, 0);
    for _ in 0..60 {
        let mut harbour = Harbour::new("[]");
        for n in 0..6 {
            harbour.ok(&format!("[{{:db/id \"b{n}\" :boat/name \"name {n}\" :boat/tags \"t{n}\"}}]"));
        }
        let looked = [UNIQUE, SINGLE, COMPOSED].map(|tx| (tx, look(&harbour, tx)));
        for _ in 0..next(4) {
            let (e, long) = (next(6), "long".repeat(200));
            let name = if next(4) == 0 { long } else { format!("name {}", next(12)) };
            let tx = match next(5) {
                0 => format!("[[:db/retract $b{e} :boat/name] [:db/retract $b{e} :boat/tags]]"),
                1 => format!("[[:db/add $b{e} :boat/tags \"t{}\"]]", next(9)),
                2 if next(2) == 0 => format!("[[:db/add $b{e} :boat/fuel {}]]", next(2)),
                2 => format!("[[:db/retract $b{e} :boat/tags \"t{e}\"] [:db/add $b{e} :boat/tags \"u\"]]"),
                _ => format!("[[:db/add $b{e} :boat/name \"{name}\"]]"),
            };
            harbour.ok(&tx);
        }
        for (tx, ahead) in &looked {
            let told = outcome(&harbour, tx, ahead);
            assert_eq!(told, outcome(&harbour, tx, &Ahead::default()), "{tx}");
            if told.is_ok() { accepted += 1 } else { refused += 1 }
        }
    }
    assert!(accepted > 20 && refused > 20, "{accepted} {refused}");
}

#[test]
fn what_was_submitted_before_is_seen() {
    let conn: Connection = crate::connect("mem:").unwrap().database("main").unwrap();
    conn.transact("[{:db/ident :a/n :db/valueType :db.type/long :db/cardinality :db.cardinality/one}]")
        .unwrap();
    conn.transact("[{:db/ident :x/a :a/n 1} {:db/ident :x/b :a/n 1}]").unwrap();
    // Shared still when the second is submitted, and not any more in its turn.
    let mended = conn.submit("[[:db/add :x/b :a/n 2]]").unwrap();
    let strict = conn.submit("[{:db/id :a/n :db/unique :db.unique/value}]").unwrap();
    mended.wait().unwrap();
    strict.wait().unwrap();
    assert_eq!(conn.transact("[[:db/add :x/b :a/n 1]]").unwrap_err().keyword(), "db.error/unique-conflict");
}
