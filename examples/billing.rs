//! Billing as of a date: invoices from exact decimals, corrections without loss.
//!
//! `cargo run --example billing`. Nothing is ever recalculated into the past: an invoice is a question, asked of the
//! database as it was when the invoice was issued. A correction in April changes April's view of March, and never what March
//! was told.

use std::io::Write;

use annals::{Connection, Db, Result, TimePoint};

const SCHEMA: &str = r#"[
  {:db/ident :customer/id :db/valueType :db.type/string :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}
  {:db/ident :price/item :db/valueType :db.type/string :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}
  {:db/ident :price/amount :db/valueType :db.type/bigdec :db/cardinality :db.cardinality/one :db.attr/preds pos?}
  {:db/ident :usage/id :db/valueType :db.type/string :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}
  {:db/ident :usage/customer :db/valueType :db.type/ref :db/cardinality :db.cardinality/one}
  {:db/ident :usage/price :db/valueType :db.type/ref :db/cardinality :db.cardinality/one}
  {:db/ident :usage/count :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
  {:db/ident :usage/month :db/valueType :db.type/string :db/cardinality :db.cardinality/one}
  {:db/ident :invoice/id :db/valueType :db.type/string :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}
  {:db/ident :invoice/total :db/valueType :db.type/bigdec :db/cardinality :db.cardinality/one}
  {:db/ident :correction/reason :db/valueType :db.type/string :db/cardinality :db.cardinality/one}]"#;

/// Issues the invoice of a customer and a month: the total is a fact, and so is the moment it was true at.
const ISSUE: &str = r#"[
  {:db/ident :invoice/issue
   :db.command/args "{:id :string :customer :string :month :string}"
   :db/fn "{:in [?id ?customer ?month]
            :where [[(q [:find (sum ?line) . :with ?u :in $ ?customer ?month
                         :where [?c :customer/id ?customer] [?u :usage/customer ?c] [?u :usage/month ?month]
                                [?u :usage/count ?n] [?u :usage/price ?p] [?p :price/amount ?each] [(* ?n ?each) ?line]]
                        $ ?customer ?month) ?total]]
            :tx [{:invoice/id ?id :invoice/total ?total}]}"}
  {:db/ident :usage/never-negative
   :db/constraint "[:find ?id :where [?u :usage/count ?n] [(< ?n 0)] [?u :usage/id ?id]]"}]"#;

const LINES: &str = r#"[:find ?item ?n ?each ?line :in $ ?customer ?month :order-by ?item
                        :where [?c :customer/id ?customer] [?u :usage/customer ?c] [?u :usage/month ?month]
                               [?u :usage/count ?n] [?u :usage/price ?p] [?p :price/item ?item]
                               [?p :price/amount ?each] [(* ?n ?each) ?line]]"#;

fn main() -> Result<()> {
    run(&mut std::io::stdout())
}

/// A transaction that happened on a day.
fn on(conn: &Connection, day: &str, facts: &str) -> Result<annals::TxReport> {
    conn.transact(format!("[{{:db/id \"datomic.tx\" :db/txInstant #inst \"{day}\"}} {facts}]"))
}

/// The lines of an invoice, as a database knew them.
fn lines(db: &Db) -> Result<String> {
    Ok(db.q(LINES, ["acme".into(), "2024-03".into()])?.into_edn().to_string())
}

fn total(db: &Db, invoice: &str) -> Result<String> {
    Ok(db.pull("[:invoice/total]", (":invoice/id", invoice))?.to_string())
}

fn run(out: &mut dyn Write) -> Result<()> {
    let conn = annals::connect("mem:")?.database("billing")?;
    on(&conn, "2024-01-01", SCHEMA.trim_matches(['[', ']']))?;
    on(&conn, "2024-01-02", ISSUE.trim_matches(['[', ']']))?;
    on(
        &conn,
        "2024-01-03",
        "{:customer/id \"acme\"} {:price/item \"call\" :price/amount 0.07M} {:price/item \"line\" :price/amount 19.90M}",
    )?;
    on(
        &conn,
        "2024-03-20",
        "{:usage/id \"u1\" :usage/customer [:customer/id \"acme\"] :usage/price [:price/item \"call\"] :usage/count 311 :usage/month \"2024-03\"}
         {:usage/id \"u2\" :usage/customer [:customer/id \"acme\"] :usage/price [:price/item \"line\"] :usage/count 2 :usage/month \"2024-03\"}",
    )?;
    let issue = |id: &str| {
        format!("[:db/command :invoice/issue {{:id \"{id}\" :customer \"acme\" :month \"2024-03\"}}]")
    };
    let march = on(&conn, "2024-03-31", &issue("2024-03"))?;
    let issued = lines(&march.db_after)?;
    say(out, "March", &issued);
    assert_eq!(total(&conn.db(), "2024-03")?, "{:invoice/total 61.57M}");

    // In April somebody finds that one call too many was counted, and the price of calls goes up.
    on(
        &conn,
        "2024-04-08",
        "{:usage/id \"u1\" :usage/count 310} {:db/id \"datomic.tx\" :correction/reason \"a call counted twice\"}",
    )?;
    on(&conn, "2024-04-15", "{:price/item \"call\" :price/amount 0.08M}")?;

    // March's invoice, issued again, is March's invoice.
    let then = conn.db().as_of(TimePoint::parse("2024-03-31T23:59:59Z")?);
    assert_eq!(lines(&then)?, issued);
    // What it would be by what is known now; both are true, of different moments.
    say(out, "as known now", &lines(&conn.db())?);
    assert_eq!(lines(&conn.db())?, "[[\"call\" 310 0.08M 24.80M] [\"line\" 2 19.90M 39.80M]]");
    // After the correction and before the new price.
    let between = conn.db().as_of(TimePoint::parse("2024-04-10")?);
    assert_eq!(lines(&between)?, "[[\"call\" 310 0.07M 21.70M] [\"line\" 2 19.90M 39.80M]]");
    // The difference is a credit of its own, by a new invoice; the old one stands.
    on(&conn, "2024-04-30", &issue("2024-03 corrected"))?;
    assert_eq!(total(&conn.db(), "2024-03")?, "{:invoice/total 61.57M}");
    // Who changed what, and why.
    let why = "[:find ?id ?was ?is ?reason :in $ :where [?u :usage/count ?was ?tx false] [?u :usage/count ?is ?tx true]
                [?tx :correction/reason ?reason] [?u :usage/id ?id]]";
    let told = conn.db().history().q(why, [])?.into_edn().to_string();
    say(out, "corrections", &told);
    assert_eq!(told, "[[\"u1\" 311 310 \"a call counted twice\"]]");
    let free = on(&conn, "2024-05-01", "{:price/item \"call\" :price/amount 0M}");
    assert_eq!(free.expect_err("prices are positive").keyword(), "db.error/attr-pred");
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
