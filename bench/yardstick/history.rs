//! Four hundred transactions of a thousand new salaries each: now, as of the middle, and every change.

use annals::{Arg, Connection, Db, Edn, EntityId, Field, Order, T, Value};
use annals_bench::loading;

use crate::data::{Data, sample};
use crate::out::Out;
use crate::people::{self, Attributes, Ids, raises, tally};
use crate::place::{self, Place, question, rows};

/// The moment that is looked back to, and the moments whose changes are asked for, by the table's numbers.
const MIDDLE: T = 210;
const FROM: T = 190;
const TO: T = 230;

/// The whole group.
pub(crate) fn run(out: &Out, data: &Data, place: &Place) {
    let (people, history) = (data.people(20_000), data.history());
    let conn = people::load(place, "history", &people);
    let ids = people::ids(&conn, &people);
    // Before the table's first transaction, which is number 1 there.
    let before = conn.db().basis_t();
    out.once("h-load", 400_000, || {
        let attributes = Attributes::new();
        let txs = history.chunk_by(|one, next| one[0] == next[0]);
        loading::transact_all(&conn, txs.map(|changes| raises(&attributes, ids, changes)));
        loading::settle(&conn);
    });
    assert_eq!(conn.db().basis_t() - before, history[history.len() - 1][0] as T, "a transaction a number");
    drop(conn);
    out.bytes("h-disk", std::fs::metadata(place.file("history")).expect("a file").len());
    let conn = place.open("history");
    moments(out, &conn.db(), ids, before);
    one_by_one(out, &conn.db(), ids, before);
    changes(out, &conn, ids, before);
}

fn moments(out: &Out, db: &Db, ids: Ids, before: T) {
    let then = db.as_of(before + MIDDLE);
    let ask = |work: &str, text: &str, db: &Db, entities: &[usize]| {
        let question = question(text, db, &[] as &[Arg]);
        out.warm(work, || rows(&question), |rows| place::size(rows, entities, |id| ids.number(id)));
    };
    let anas = "[:find ?e ?s :where [?e :person/name \"Ana\"] [?e :person/salary ?s]]";
    ask("h-now", anas, db, &[0]);
    ask("h-asof", anas, &then, &[0]);
    ask("h-asof-sum", "[:find (count ?e) (sum ?s) :where [?e :person/salary ?s]]", &then, &[]);
}

fn one_by_one(out: &Out, db: &Db, ids: Ids, before: T) {
    let (then, history) = (db.as_of(before + MIDDLE), db.history());
    let entities: Vec<EntityId> =
        sample()[..1000].iter().map(|number| EntityId(ids.entity(*number) as u64)).collect();
    out.warm(
        "h-asof-entity-1000",
        || entities.iter().map(|entity| salary(&then, *entity)).collect::<Vec<_>>(),
        |salaries| tally(salaries.iter().copied()),
    );
    let attribute = Edn::keyword("person/salary");
    let of = |entity: &EntityId| {
        let all = history.datoms(Order::Eavt, &[Edn::Int(entity.0 as i64), attribute.clone()], None);
        let all = all.expect("facts").into_iter().filter(|datom| datom.added);
        all.map(|datom| (datom.tx.t(), datom.v)).collect::<Vec<_>>()
    };
    out.warm(
        "h-entity-1000",
        || entities.iter().flat_map(of).collect::<Vec<_>>(),
        // What was there from the beginning is of moment 0 in the table.
        |facts| tally(facts.iter().map(|(t, v)| t.unwrap_or(0).saturating_sub(before) as i64 + long(v))),
    );
}

fn salary(db: &Db, entity: EntityId) -> i64 {
    let entity = db.entity(entity).expect("an id").expect("an entity");
    match entity.get(":person/salary").expect("an answer") {
        Some(Field::Value(Edn::Int(salary))) => salary,
        other => panic!("{other:?} is no salary"),
    }
}

fn long(v: &Value) -> i64 {
    let Value::Long(number) = v else { panic!("{v:?} is no salary") };
    *number
}

/// Every change of some transactions, out of the log.
fn changes(out: &Out, conn: &Connection, ids: Ids, before: T) {
    let salary = conn.db().entid(":person/salary").expect("a name").expect("an attribute");
    let changed = || {
        let mut rows: Vec<(i64, T, i64)> = Vec::new();
        for tx in conn.log().range(before + FROM..before + TO).expect("the log") {
            let new = tx.datoms.iter().filter(|datom| datom.added && datom.a.entity() == salary);
            rows.extend(new.map(|datom| (datom.e.0 as i64, tx.t, long(&datom.v))));
        }
        rows
    };
    out.warm("h-range", changed, |rows| {
        tally(rows.iter().map(|(e, t, salary)| ids.number(*e) + (t - before) as i64 + salary))
    });
}
