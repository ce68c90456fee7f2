//! Inventory: items that are created, renamed, checked in, removed and deactivated by commands, with versions.
//!
//! `cargo run --example inventory`. The classic small sample of command and query separation, without classes and without
//! handlers: the rules are in the commands, and commands are facts. Removing more than there is is rejected; whoever decides
//! on a stale version is told the present one.

use std::io::Write;

use annals::{Connection, Edn, Error, Result, TxReport, TxRequest};

const SCHEMA: &str = r#"[
  {:db/ident :item/id :db/valueType :db.type/string :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}
  {:db/ident :item/name :db/valueType :db.type/string :db/cardinality :db.cardinality/one}
  {:db/ident :item/count :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
  {:db/ident :item/active :db/valueType :db.type/boolean :db/cardinality :db.cardinality/one}]"#;

/// Every command says what it takes, what must be so, and what it writes.
const COMMANDS: &str = r#"[
  {:db/ident :item/create :db/doc "A new item, with an id of the caller's choice"
   :db.command/args "{:id {:type :string} :name {:type :string}}"
   :db/fn "{:in [?id ?name]
            :require [[[(not [_ :item/id ?id])] :item/exists \"there is such an item already\"]]
            :tx [{:item/id ?id :item/name ?name :item/count 0 :item/active true}]}"}
  {:db/ident :item/rename
   :db.command/args "{:id :string :name :string}"
   :db/fn "{:in [?id ?name] :where [[?i :item/id ?id]] :tx [[:db/add ?i :item/name ?name]]
            :require [[[[?i :item/id ?id] [?i :item/active true]] :item/unknown \"there is no such active item\"]]}"}
  {:db/ident :item/check-in
   :db.command/args "{:id :string :count {:type :long :min 1}}"
   :db/fn "{:in [?id ?count]
            :require [[[[?i :item/id ?id] [?i :item/active true]] :item/unknown \"there is no such active item\"]]
            :where [[?i :item/id ?id] [?i :item/count ?now] [(+ ?now ?count) ?then]]
            :tx [[:db/add ?i :item/count ?then]]}"}
  {:db/ident :item/remove
   :db.command/args "{:id :string :count {:type :long :min 1}}"
   :db/fn "{:in [?id ?count]
            :require [[[[?i :item/id ?id] [?i :item/active true]] :item/unknown \"there is no such active item\"]
                      [[[?i :item/id ?id] [?i :item/count ?now] [(>= ?now ?count)]] :item/too-few \"there are not so many\"]]
            :where [[?i :item/id ?id] [?i :item/count ?now] [(- ?now ?count) ?then]]
            :tx [[:db/add ?i :item/count ?then]]}"}
  {:db/ident :item/deactivate
   :db.command/args "{:id :string}"
   :db/fn "{:in [?id] :where [[?i :item/id ?id]] :tx [[:db/add ?i :item/active false]]}"}
  {:db/ident :item/never-below-zero :db/doc "Whatever the commands forget"
   :db/constraint "[:find ?id ?count :where [?i :item/count ?count] [(< ?count 0)] [?i :item/id ?id]]"}]"#;

fn main() -> Result<()> {
    run(&mut std::io::stdout())
}

/// A command, by name and arguments in EDN.
fn command(name: &str, args: &str) -> TxRequest {
    TxRequest::from(format!("[[:db/command {name} {args}]]"))
}

fn item(conn: &Connection, id: &str) -> Result<String> {
    Ok(conn.db().pull("[:item/name :item/count]", (":item/id", id))?.to_string())
}

/// The code that a command refused with.
fn code(refused: Result<TxReport>) -> Edn {
    let error = refused.expect_err("it is refused");
    error.data().get(&Edn::keyword("db.error/code")).cloned().unwrap_or(Edn::keyword(error.keyword()))
}

fn run(out: &mut dyn Write) -> Result<()> {
    let conn = annals::connect("mem:")?.database("inventory")?;
    conn.transact(SCHEMA)?;
    conn.transact(COMMANDS)?;

    conn.transact(command(":item/create", "{:id \"b-1\" :name \"Bolts\"}").key("create b-1"))?;
    // Sent twice, done once.
    conn.transact(command(":item/create", "{:id \"b-1\" :name \"Bolts\"}").key("create b-1"))?;
    let version = conn.transact(command(":item/check-in", "{:id \"b-1\" :count 10}"))?.t;
    conn.transact(command(":item/rename", "{:id \"b-1\" :name \"Bolts M8\"}"))?;
    conn.transact(command(":item/remove", "{:id \"b-1\" :count 3}"))?;
    say(out, "stock", &item(&conn, "b-1")?);
    assert_eq!(item(&conn, "b-1")?, "{:item/count 7, :item/name \"Bolts M8\"}");

    // More than there is.
    let refused = code(conn.transact(command(":item/remove", "{:id \"b-1\" :count 8}")));
    say(out, "removing 8", &refused.to_string());
    assert_eq!(refused, Edn::keyword("item/too-few"));
    assert_eq!(
        code(conn.transact(command(":item/create", "{:id \"b-1\" :name \"x\"}"))),
        Edn::keyword("item/exists")
    );

    // A decision on a version that is not the newest any more is refused, and told which it is.
    let stale = command(":item/remove", "{:id \"b-1\" :count 1}")
        .expect(format!("{{:entity [:item/id \"b-1\"] :unchanged-since {version}}}"));
    let error: Error = conn.transact(stale).expect_err("the item has changed since");
    say(out, "stale", &error.data()[&Edn::keyword("db.error/failed")].to_string());
    assert_eq!(error.keyword(), "db.error/expectation-failed");

    // Nobody gets round the rule.
    let around = conn.transact("[[:db/add [:item/id \"b-1\"] :item/count -1]]");
    assert_eq!(around.expect_err("it breaks the constraint").keyword(), "db.error/constraint-violated");

    conn.transact(command(":item/deactivate", "{:id \"b-1\"}"))?;
    assert_eq!(
        code(conn.transact(command(":item/check-in", "{:id \"b-1\" :count 1}"))),
        Edn::keyword("item/unknown")
    );
    // What happened, by command, is in the log for ever.
    let history = "[:find ?tx ?name :where [?tx :db.tx/command ?c] [?c :db/ident ?name]]";
    let mut done: Vec<(i64, String)> = annals::q(history)?.over(&conn.db()).rows_as()?;
    done.sort();
    let names: Vec<&str> = done.iter().map(|(_, name)| name.as_str()).collect();
    say(out, "done", &names.join(" "));
    assert_eq!(names, [":item/create", ":item/check-in", ":item/rename", ":item/remove", ":item/deactivate"]);
    Ok(())
}

fn say(out: &mut dyn Write, what: &str, shown: &str) {
    // Who looks on may be gone.
    let _ = writeln!(out, "{what}: {shown}");
}

#[test]
fn it_runs() {
    run(&mut Vec::new()).expect("every step is as it says");
}
