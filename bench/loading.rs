//! How benchmarks put facts into a database: data of transactions, several of them under way, all of them at rest.

use std::collections::VecDeque;
use std::time::Duration;

use annals::{Connection, Edn, Form, Keyword, Pending};
use annals_query::edn::FormKind;

/// How long a background job may take here.
const LONG: Duration = Duration::from_secs(600);

/// Puts all facts to rest: sorted, into every tree, on the disk.
pub fn settle(conn: &Connection) {
    let wanted = conn.request_index().expect("a job");
    conn.sync_index(wanted, LONG).expect("an index");
}

/// Transactions, several on their way at once.
pub fn transact_all(conn: &Connection, txs: impl Iterator<Item = Vec<Form>>) {
    let mut under_way = VecDeque::<Pending>::new();
    for tx in txs {
        let form = Form { kind: FormKind::Vector(tx), span: None };
        under_way.push_back(conn.submit(form).expect("room in the queue"));
        if under_way.len() == 64 {
            under_way.pop_front().map(|first| first.wait().expect("accepted"));
        }
    }
    under_way.into_iter().for_each(|pending| drop(pending.wait().expect("accepted")));
}

/// A piece of transaction data without parts.
pub fn atom(value: impl Into<Edn>) -> Form {
    Form { kind: FormKind::Atom(value.into()), span: None }
}

/// A map of transaction data.
pub fn map<const N: usize>(pairs: [(&Keyword, Edn); N]) -> Form {
    let pairs = pairs.into_iter().map(|(key, value)| (atom(Edn::Keyword(key.clone())), atom(value)));
    Form { kind: FormKind::Map(pairs.collect()), span: None }
}
