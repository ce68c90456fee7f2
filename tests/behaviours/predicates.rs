//! Predicates of attributes, and specs of entities.

use annals::{Code, Connection, Db, Edn, EntityId, Failure, Options, Refusal};

use crate::harbour::{changes, done, facts, harbour, harbour_with, rejected, rejects, told, values};

/// The harbour, with predicates of the program.
fn strict() -> Connection {
    let even =
        |args: &[Edn]| -> Result<Edn, Failure> { Ok(Edn::Bool(matches!(args, [Edn::Int(n)] if n % 2 == 0))) };
    let one = |_: &[Edn]| -> Result<Edn, Failure> { Ok(Edn::Int(1)) };
    let low = |db: &Db, boat: EntityId| -> Result<Edn, Refusal> {
        let fuel = values(db, boat, "boat/fuel").parse::<i64>();
        Ok(Edn::Bool(fuel.is_ok_and(|fuel| fuel < 100)))
    };
    let code = Code::new()
        .predicate("my/even?", even)
        .and_then(|code| code.predicate("my/one", one))
        .and_then(|code| code.entity_predicate("my/light?", low))
        .expect("names of the program's own");
    harbour_with(Options { code, ..Options::default() })
}

fn predicate(conn: &Connection, predicate: &str) {
    done(conn, &format!("[[:db/add :boat/fuel :db.attr/preds {predicate}]]"));
}

/// Check 66.
#[test]
fn only_true_is_true() {
    let conn = strict();
    predicate(&conn, "my/one");
    let error = rejected(&conn, "[{:boat/fuel 4}]");
    assert_eq!((error.keyword(), error.category().name()), ("db.error/attr-pred", "incorrect"));
    assert_eq!(told(&error, "db.error/pred-return"), &Edn::Int(1));
    for (name, sound, unsound) in [("my/even?", 4, 3), ("pos?", 3, -3), ("my/small?", 3, 30)] {
        let conn = strict();
        done(&conn, r#"[{:db/ident :my/small? :db/fn "{:in [?v] :where [[(< ?v 10)]]}"}]"#);
        predicate(&conn, name);
        rejects(&conn, &format!("[{{:boat/fuel {unsound}}}]"), "attr-pred");
        done(&conn, &format!("[{{:boat/fuel {sound}}}]"));
    }
}

/// Check 67.
#[test]
fn a_new_predicate_judges_what_is_asserted_from_then_on() {
    let conn = strict();
    let made = done(&conn, "[{:db/id \"x\" :boat/fuel 3} {:db/id \"y\" :boat/fuel 5}]").tempids;
    let (x, y) = (made["x"], made["y"]);
    let both = format!("[[:db/add :boat/fuel :db.attr/preds my/even?] [:db/add {y} :boat/fuel 7]]");
    done(&conn, &both);
    assert_eq!([x, y].map(|e| values(&conn.db(), e, "boat/fuel")), ["3", "7"]);
    rejects(&conn, &format!("[[:db/add {x} :boat/fuel 3]]"), "attr-pred");
    done(&conn, &format!("[[:db/retract {x} :boat/fuel 3]]"));
    rejects(&conn, &format!("[[:db/add {x} :boat/fuel 3]]"), "attr-pred");
    done(&conn, "[[:db/retract :boat/fuel :db.attr/preds my/even?]]");
    done(&conn, &format!("[[:db/add {x} :boat/fuel 3]]"));
}

const HOMED: &str = "[{:db/ident :my/homed :db.entity/attrs [:boat/name :boat/home]}]";

/// Check 68.
#[test]
fn a_spec_demands_its_attributes_and_is_not_stored() {
    let conn = harbour();
    done(&conn, HOMED);
    let error = rejected(&conn, "[{:boat/imo 1 :boat/name \"A\" :db/ensure :my/homed}]");
    assert_eq!((error.keyword(), error.category().name()), ("db.error/entity-attr", "incorrect"));
    assert!(error.message().contains(":boat/home") && error.message().contains(":my/homed"), "{error}");
    let tx = "[{:db/id \"b\" :boat/name \"A\" :boat/home {:port/code \"OSL\"} :db/ensure :my/homed}]";
    let report = done(&conn, tx);
    let boat = report.tempids["b"];
    assert_eq!(changes(&report).len(), 3);
    assert_eq!(facts(&conn.db(), boat), 2);
    rejects(
        &conn,
        &format!("[[:db/add {boat} :db/ensure :my/homed] [:db/retract {boat} :boat/home]]"),
        "entity-attr",
    );
    // False is a value like any other.
    done(&conn, "[{:db/ident :my/stated :db.entity/attrs [:port/open]}]");
    done(&conn, "[{:port/code \"BGO\" :port/open false :db/ensure :my/stated}]");
}

/// Check 69.
#[test]
fn a_predicate_of_an_entity_sees_what_the_transaction_makes_of_it() {
    let conn = strict();
    done(
        &conn,
        r#"[{:db/ident :my/fuelled? :db/fn "{:in [?e] :where [[?e :boat/fuel ?f] [(> ?f 10)]]}"}
            {:db/ident :my/ready :db.entity/preds [my/fuelled? my/light?]}]"#,
    );
    let boat = done(&conn, "[{:db/id \"b\" :boat/fuel 1}]").tempids["b"];
    let ensure = format!("[:db/add {boat} :db/ensure :my/ready]");
    rejects(&conn, &format!("[{ensure}]"), "entity-pred");
    rejects(&conn, &format!("[{ensure} [:db/add {boat} :boat/fuel 9]]"), "entity-pred");
    let error = rejected(&conn, &format!("[{ensure} [:db/add {boat} :boat/fuel 100]]"));
    assert_eq!((error.keyword(), error.category().name()), ("db.error/entity-pred", "incorrect"));
    assert_eq!(told(&error, "db.error/pred-return"), &Edn::Bool(false));
    done(&conn, &format!("[{ensure} [:db/add {boat} :boat/fuel 11]]"));
    assert_eq!(values(&conn.db(), boat, "boat/fuel"), "11");
}

/// Check 70.
#[test]
fn who_does_not_ask_for_a_spec_is_not_judged_by_it() {
    let conn = harbour();
    done(&conn, HOMED);
    let boat = done(&conn, "[{:db/id \"b\" :boat/imo 1}]").tempids["b"];
    assert_eq!(facts(&conn.db(), boat), 1);
    rejects(&conn, "[{:boat/imo 2 :db/ensure :my/homed}]", "entity-attr");
}
