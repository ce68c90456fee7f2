//! Forks held against plain lists of transactions: what each shows, what is shared, what is kept and what goes.

mod crashes;
mod histories;
mod replay;
mod sharing;

use std::sync::Arc;
use std::time::Duration;

use annals_storage::backend::Storage;
use annals_storage::index::Settings;

use crate::connection::Connection;
use crate::options::Options;
use crate::store::Store;

const SCHEMA: &str = "[
  {:db/ident :a/key :db/valueType :db.type/long :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}
  {:db/ident :a/one :db/valueType :db.type/long :db/cardinality :db.cardinality/one :db/index true}
  {:db/ident :a/many :db/valueType :db.type/string :db/cardinality :db.cardinality/many}
  {:db/ident :a/brief :db/valueType :db.type/long :db/cardinality :db.cardinality/one :db/noHistory true}
  {:db/ident :a/to :db/valueType :db.type/ref :db/cardinality :db.cardinality/many}]";
const LONG: Duration = Duration::from_secs(60);

/// Trees of many small leaves; a job only when it is asked for.
fn small() -> Options {
    let index = Settings { leaf_bytes: Some(400), generation_rows: 16, ..Settings::default() };
    Options { novelty_datoms: usize::MAX, index, ..Options::default() }
}

fn open(storage: &Arc<dyn Storage>, options: Options) -> Store {
    Store::over("test", Arc::clone(storage), options).expect("a sound catalog")
}

/// Puts all to rest.
fn index(conn: &Connection) {
    let t = conn.request_index().expect("it is open");
    conn.sync_index(t, LONG).expect("the job succeeds");
    // What is collected after a job goes before what is asked for now.
    conn.gc(None).expect("nothing fails");
}

/// A transaction that gives each of some entities another number.
fn numbers(keys: std::ops::Range<u64>, n: u64) -> String {
    let one = |key| format!("{{:a/key {key} :a/one {} :a/brief {n} :a/many \"m{}\"}}", n * 100 + key, n % 5);
    format!("[{}]", keys.map(one).collect::<Vec<_>>().join(" "))
}

/// A database with a schema and so many transactions above it, at rest up to some of them.
fn grown(store: &Store, name: &str, transactions: u64, index_after: &[u64]) -> Connection {
    let conn = store.database(name).expect("a good name");
    conn.transact(SCHEMA).expect("a sound schema");
    for n in 1..=transactions {
        conn.transact(numbers(n % 7..n % 7 + 12, n)).expect("sound facts");
        if index_after.contains(&n) {
            index(&conn);
        }
    }
    conn
}
