//! What a transaction did, or would do.

use std::collections::BTreeMap;
use std::sync::Arc;

use annals_storage::datom::{Datom, EntityId, T};
use annals_storage::log::{LogDatom, LoggedTx, Op};

use super::ahead::Ahead;
use super::{Outcome, evolve};
use crate::basis::{Basis, Counters};
use crate::database::Db;
use crate::error::Result;
use crate::schema::bootstrap;

/// What a transaction did.
#[derive(Clone, Debug)]
pub struct TxReport {
    /// The database before.
    pub db_before: Db,
    /// The database after.
    pub db_after: Db,
    /// The transaction's number.
    pub t: T,
    /// The transaction's entity.
    pub tx: EntityId,
    /// Its `:db/txInstant`, microseconds since 1970.
    pub instant: i64,
    /// Every tempid string, `datomic.tx` included, and what it became.
    pub tempids: BTreeMap<String, EntityId>,
    /// Assertions and retractions, `:db/txInstant` (first) included.
    pub datoms: Vec<Datom>,
    /// True if the request was carried out before, and this is what it did then.
    pub replayed: bool,
}

impl TxReport {
    /// The report of a transaction between two database values.
    pub(crate) fn new(
        db_before: Db,
        db_after: Db,
        tx: &LoggedTx,
        tempids: BTreeMap<String, EntityId>,
    ) -> TxReport {
        let datoms = datoms(tx);
        TxReport {
            db_before,
            db_after,
            t: tx.t,
            tx: EntityId::of_t(tx.t),
            instant: tx.instant,
            tempids,
            datoms,
            replayed: false,
        }
    }
}

/// The datoms of a logged transaction.
pub(crate) fn datoms(tx: &LoggedTx) -> Vec<Datom> {
    let entity = EntityId::of_t(tx.t);
    let datom = |datom: &LogDatom| Datom {
        e: datom.e,
        a: datom.a,
        v: datom.v.clone(),
        tx: entity,
        added: datom.op == Op::Assert,
    };
    tx.datoms.iter().map(datom).collect()
}

/// Makes the next state of what changes, and judges the schema that results.
pub(super) fn outcome(
    before: &Basis,
    mut net: Vec<LogDatom>,
    instant: i64,
    next: Counters,
    tempids: BTreeMap<String, EntityId>,
    ahead: &Ahead,
) -> Result<Outcome> {
    let t = before.t + 1;
    let own = EntityId::of_t(t);
    net.sort_by_key(|datom| (datom.e != own, datom.e == own && datom.a != bootstrap::TX_INSTANT));
    let tx = LoggedTx { t, instant, datoms: net };
    let after = Arc::new(before.after(&tx, next)?);
    evolve::check(before, &after, &tx, ahead)?;
    Ok(Outcome { after, tx, tempids })
}
