//! Accounts: ids that the client makes, and several entities from one request.
//!
//! `cargo run --example accounts`. Five questions that newcomers ask of commands: May I send three at once? Do they return
//! ids? Can one make three entities? How do their ids get back? How does the next screen know? The answer to all of them:
//! the client may know every id before it asks, the reply names the others, and the reply's `t` is what to read at.

use std::io::Write;

use annals::{Edn, Result, TxRequest};

const SCHEMA: &str = r#"[
  {:db/ident :account/id :db/valueType :db.type/uuid :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}
  {:db/ident :account/owner :db/valueType :db.type/string :db/cardinality :db.cardinality/one}
  {:db/ident :account/details :db/valueType :db.type/ref :db/cardinality :db.cardinality/one :db/isComponent true}
  {:db/ident :details/email :db/valueType :db.type/string :db/cardinality :db.cardinality/one :db/unique :db.unique/value}
  {:db/ident :details/city :db/valueType :db.type/string :db/cardinality :db.cardinality/one}
  {:db/ident :account/spec :db.entity/attrs [:account/id :account/owner]}]"#;

const OPEN: &str = r#"[
  {:db/ident :account/open :db/doc "An account and its details"
   :db.command/args "{:id :uuid :owner :string :email :string}"
   :db/fn "{:in [?id ?owner ?email]
            :tx [{:db/id \"account\" :account/id ?id :account/owner ?owner :account/details \"details\" :db/ensure :account/spec}
                 {:db/id \"details\" :details/email ?email}]}"}]"#;

fn main() -> Result<()> {
    run(&mut std::io::stdout())
}

fn run(out: &mut dyn Write) -> Result<()> {
    let conn = annals::connect("mem:")?.database("accounts")?;
    conn.transact(SCHEMA)?;

    // In one round trip. The id is known before the reply: it is the client's.
    let id = "018f3c3e-7d7a-7a10-9d0e-3a5d5a8b0001";
    let named = format!("[:account/id #uuid \"{id}\"]");
    let both = conn.transact(format!(
        "[{{:db/id \"account\" :account/id #uuid \"{id}\" :account/owner \"Ida\" :account/details \"details\" :db/ensure :account/spec}}
          {{:db/id \"details\" :details/email \"ida@example.org\" :details/city \"Oslo\"}}]"
    ))?;
    // Ids that the database made are in the reply, by the names the request gave them.
    let made: Vec<&str> = both.tempids.keys().map(String::as_str).collect();
    say(out, "made", &made.join(" "));
    assert_eq!(made, ["account", "datomic.tx", "details"]);

    // In two round trips: the second names the account by the id that the client made, and needs nothing of the first reply.
    let other = "018f3c3e-7d7a-7a10-9d0e-3a5d5a8b0002";
    conn.transact(format!("[{{:account/id #uuid \"{other}\" :account/owner \"Jon\"}}]"))?;
    conn.transact(format!(
        "[{{:account/id #uuid \"{other}\" :account/details {{:details/email \"jon@example.org\"}}}}]"
    ))?;
    assert_eq!(
        conn.db()
            .pull(
                "[:account/owner {:account/details [:details/email]}]",
                format!("[:account/id #uuid \"{other}\"]").as_str()
            )?
            .to_string(),
        "{:account/details {:details/email \"jon@example.org\"}, :account/owner \"Jon\"}"
    );

    // The same request sent again, because its reply was lost, is the same account and the same answer.
    let third = || {
        TxRequest::from("[{:db/id \"a\" :account/id #uuid \"018f3c3e-7d7a-7a10-9d0e-3a5d5a8b0003\" :account/owner \"Eva\"}]")
            .key("open account 3")
    };
    let (first, again) = (conn.transact(third())?, conn.transact(third())?);
    assert_eq!((first.t, &first.tempids), (again.t, &again.tempids));
    say(out, "sent again", &format!("t {} both times, replayed: {}", again.t, again.replayed));

    // A command that makes two entities.
    conn.transact(OPEN)?;
    let opened = conn.transact(
        "[[:db/command :account/open {:id \"018f3c3e-7d7a-7a10-9d0e-3a5d5a8b0004\" :owner \"Ola\" :email \"ola@example.org\"}]]",
    )?;
    assert!(opened.tempids.contains_key("account") && opened.tempids.contains_key("details"));
    let taken = conn.transact(
        "[[:db/command :account/open {:id \"018f3c3e-7d7a-7a10-9d0e-3a5d5a8b0005\" :owner \"Eve\" :email \"ola@example.org\"}]]",
    );
    assert_eq!(taken.expect_err("the address is taken").keyword(), "db.error/unique-conflict");
    let wrong = conn
        .transact("[[:db/command :account/open {:id \"no uuid\" :name \"Eve\"}]]")
        .expect_err("four mistakes");
    let problems = wrong.data()[&Edn::keyword("db.error/problems")].as_seq().map_or(0, <[Edn]>::len);
    say(out, "wrong", wrong.message());
    assert_eq!(problems, 4);

    // The next screen reads at the t of the reply, on any peer: it never sees less.
    let screen = conn.sync(both.t, std::time::Duration::from_secs(10))?;
    assert_eq!(
        screen.as_of(both.t).pull("[:account/owner]", named.as_str())?.to_string(),
        "{:account/owner \"Ida\"}"
    );
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
