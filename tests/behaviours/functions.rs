//! Functions in transactions: they see what held before, and what they give stands beside the rest.

use annals::{Category, Code, Connection, Context, Db, Edn, EntityId, Options, Refusal};

use crate::harbour::{changes, done, harbour_with, read, rejected, rejects, told, values};

/// The fuel of a boat, as a function sees it.
fn fuel(context: &Context<'_>, boat: &Edn) -> i64 {
    let pulled = context.db().pull("[:boat/fuel]", boat.clone()).expect("a boat");
    match pulled {
        Edn::Map(map) => match map.get(&Edn::keyword("boat/fuel")) {
            Some(Edn::Int(fuel)) => *fuel,
            _ => 0,
        },
        _ => 0,
    }
}

fn add(boat: &Edn, attribute: &str, value: impl Into<Edn>) -> Edn {
    Edn::Vector(vec![Edn::keyword("db/add"), boat.clone(), Edn::keyword(attribute), value.into()])
}

/// `[my/inc boat n]`: more fuel.
fn inc(context: &Context<'_>, args: &[Edn]) -> Result<Edn, Refusal> {
    let [boat, Edn::Int(more)] = args else {
        return Err("a boat and a number are needed".into());
    };
    Ok(Edn::Vector(vec![add(boat, "boat/fuel", fuel(context, boat) + more)]))
}

/// `[my/inc-twice boat n]`: a call and the same call again.
fn inc_twice(_: &Context<'_>, args: &[Edn]) -> Result<Edn, Refusal> {
    let call: Vec<Edn> = [Edn::symbol("my/inc")].into_iter().chain(args.iter().cloned()).collect();
    Ok(Edn::Vector(vec![Edn::Vector(call.clone()), Edn::Vector(call)]))
}

/// `[my/refuse boat]`: always refused.
fn refuse(_: &Context<'_>, _: &[Edn]) -> Result<Edn, Refusal> {
    Err(Refusal::conflict("my/full", "the tank is full").with("my/x", 1))
}

/// `[my/approve boat]`, `[my/deny boat]`: marks a boat that is not marked yet.
fn mark(context: &Context<'_>, boat: &Edn, tag: &str) -> Result<Edn, Refusal> {
    let pulled = context.db().pull("[:boat/tags]", boat.clone()).expect("a boat");
    if matches!(&pulled, Edn::Map(map) if map.contains_key(&Edn::keyword("boat/tags"))) {
        return Err(Refusal::conflict("my/decided", "it was decided already"));
    }
    let ensure = Edn::Vector(vec![
        Edn::keyword("db/add"),
        boat.clone(),
        Edn::keyword("db/ensure"),
        Edn::keyword("my/one-decision"),
    ]);
    let forms = [Some(add(boat, "boat/tags", Edn::string(tag))), named(context.db()).then_some(ensure)];
    Ok(Edn::Vector(forms.into_iter().flatten().collect()))
}

/// True if the spec of a decision is defined.
fn named(db: &Db) -> bool {
    db.entid(":my/one-decision").expect("a lookup").is_some()
}

/// The harbour with these functions, and a boat with fuel 0.
fn staffed() -> (Connection, EntityId) {
    let code = Code::new()
        .function("my/inc", inc)
        .and_then(|code| code.function("my/inc-twice", inc_twice))
        .and_then(|code| code.function("my/refuse", refuse))
        .and_then(|code| code.function("my/approve", |context, args| mark(context, &args[0], "approved")))
        .and_then(|code| code.function("my/deny", |context, args| mark(context, &args[0], "denied")))
        .expect("names of the program's own");
    let conn = harbour_with(Options { code, ..Options::default() });
    let boat = done(&conn, "[{:db/id \"b\" :boat/imo 1 :boat/fuel 0}]").tempids["b"];
    (conn, boat)
}

/// A stored function that adds to the fuel of a boat.
const STORED: &str = r#"[{:db/ident :my/more :db/fn
  "{:in [?b ?n] :where [[?b :boat/fuel ?f] [(+ ?f ?n) ?new]] :tx [[:db/add ?b :boat/fuel ?new]]}"}]"#;

/// Check 43.
#[test]
fn what_a_function_gives_may_call_functions() {
    let (conn, boat) = staffed();
    let report = done(&conn, &format!("[[my/inc-twice {boat} 5]]"));
    assert_eq!(changes(&report), ["+boat/fuel 5", "-boat/fuel 0"]);
    done(&conn, STORED);
    done(
        &conn,
        r#"[{:db/ident :my/more-by-imo :db/fn "{:in [?imo ?n] :where [[?b :boat/imo ?imo]] :tx [[:my/more ?b ?n]]}"}]"#,
    );
    let report = done(&conn, "[[:my/more-by-imo 1 2]]");
    assert_eq!(changes(&report), ["+boat/fuel 7", "-boat/fuel 5"]);
}

/// Check 44.
#[test]
fn a_refusal_by_a_function_reaches_the_caller_whole() {
    let (conn, boat) = staffed();
    let error = rejected(&conn, &format!("[[:db/add {boat} :boat/name \"A\"] [my/refuse {boat}]]"));
    assert_eq!(error.category(), Category::Conflict);
    assert_eq!(told(&error, "my/x"), &Edn::Int(1));
    assert_eq!(told(&error, "db.error/code").to_string(), ":my/full");
    assert!(error.message().contains("the tank is full"), "{error}");
    assert_eq!(values(&conn.db(), boat, "boat/name"), "");
}

/// Check 45.
#[test]
fn an_unknown_function_is_refused() {
    let (conn, boat) = staffed();
    for name in ["my/refuel", ":my/refuel", ":flag/norway"] {
        rejects(&conn, &format!("[[{name} {boat} 1]]"), "not-a-data-function");
    }
}

/// Check 46.
#[test]
fn a_function_sees_what_held_before() {
    let (conn, boat) = staffed();
    done(&conn, STORED);
    for call in ["my/inc", ":my/more"] {
        let before = values(&conn.db(), boat, "boat/fuel").parse::<i64>().expect("a number");
        let tx = format!("[[:db/add {boat} :boat/fuel {}] [{call} {boat} 3]]", before + 1);
        rejects(&conn, &tx, "datoms-conflict");
        done(&conn, &format!("[[:db/add {boat} :boat/fuel {}] [{call} {boat} 3]]", before + 3));
        assert_eq!(values(&conn.db(), boat, "boat/fuel"), (before + 3).to_string());
    }
}

/// Check J5.
#[test]
fn an_increment_beside_an_added_value_counts_from_the_stored_one() {
    let (conn, boat) = staffed();
    let report = done(&conn, &format!("[[:db/add {boat} :boat/fuel 1] [my/inc {boat} 1]]"));
    assert_eq!(changes(&report), ["+boat/fuel 1", "-boat/fuel 0"]);
}

/// Check J10.
#[test]
fn two_increments_in_one_transaction_are_one() {
    let (conn, boat) = staffed();
    done(&conn, &format!("[[my/inc {boat} 1] [my/inc {boat} 1]]"));
    assert_eq!(values(&conn.db(), boat, "boat/fuel"), "1");
    done(&conn, STORED);
    done(&conn, &format!("[[:my/more {boat} 1] [:my/more {boat} 1]]"));
    assert_eq!(values(&conn.db(), boat, "boat/fuel"), "2");
}

/// Check J12.
#[test]
fn two_guarded_steps_both_happen_unless_a_spec_forbids_it() {
    let (approve, deny) = ("[my/approve [:boat/imo 1]]", "[my/deny [:boat/imo 1]]");
    for alone in [approve, deny] {
        let (conn, _) = staffed();
        done(&conn, &format!("[{alone}]"));
    }
    let (conn, boat) = staffed();
    done(&conn, &format!("[{approve}]"));
    assert!(rejected(&conn, &format!("[{deny}]")).message().contains("it was decided already"));
    let (both, one) = ("\"approved\" \"denied\"", format!("[{approve} {deny}]"));
    let (conn, fresh) = staffed();
    done(&conn, &one);
    assert_eq!(values(&conn.db(), fresh, "boat/tags"), both);
    assert_eq!(boat, fresh, "two databases, one history");

    let (conn, boat) = staffed();
    done(
        &conn,
        r#"[{:db/ident :my/undecided? :db/fn
             "{:in [?e] :where [(not [?e :boat/tags \"approved\"] [?e :boat/tags \"denied\"])]}"}
            {:db/ident :my/one-decision :db.entity/preds [my/undecided?]}]"#,
    );
    rejects(&conn, &one, "entity-pred");
    assert_eq!(values(&conn.db(), boat, "boat/tags"), "");
    done(&conn, &format!("[{approve}]"));
    assert_eq!(read(&values(&conn.db(), boat, "boat/tags")), Edn::string("approved"));
}
