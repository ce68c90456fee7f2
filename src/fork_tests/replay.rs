//! A database as a plain list of the transactions that were acknowledged: what it must show, told by replay.

use std::collections::{BTreeMap, BTreeSet};

use crate::connection::Connection;
use crate::database::Db;
use crate::{AttrId, Datom, EntityId, Order, T, Value};

/// A fact and the transaction that asserted it.
pub(super) type Held = (EntityId, AttrId, Value, T);

/// What was acknowledged, by transaction.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Replay {
    pub(super) txs: Vec<(T, i64, Vec<Datom>)>,
    /// The attribute without history.
    brief: Option<AttrId>,
}

impl Replay {
    /// Of a database as its log tells it.
    pub(super) fn of(conn: &Connection) -> Replay {
        let brief = conn.db().entid(":a/brief").expect("a keyword").and_then(AttrId::of_entity);
        let log = conn.log().range(0..).expect("a sound log");
        let txs = log.into_iter().map(|tx| (tx.t, tx.instant, tx.datoms)).collect();
        Replay { txs, brief }
    }

    /// As far as a transaction, which is how a fork begins.
    pub(super) fn up_to(&self, t: T) -> Replay {
        let txs = self.txs.iter().filter(|tx| tx.0 <= t).cloned().collect();
        Replay { txs, ..*self }
    }

    pub(super) fn basis(&self) -> T {
        self.txs.last().map_or(0, |tx| tx.0)
    }

    /// Removes an entity, and all that refers to it, for ever: what was asserted before a transaction.
    pub(super) fn excise(&mut self, target: EntityId, before: T, may_go: &BTreeSet<AttrId>) {
        let mut opened = BTreeMap::new();
        for (t, _, datoms) in &mut self.txs {
            datoms.retain(|datom| {
                let fact = (datom.e, datom.a, datom.v.clone());
                let from = if datom.added {
                    opened.insert(fact, *t);
                    *t
                } else {
                    opened.remove(&fact).unwrap_or(T::MAX)
                };
                let names = datom.e == target || datom.v == Value::Ref(target);
                !(names && from < before && may_go.contains(&datom.a))
            });
        }
    }

    fn rows(&self) -> Vec<(Held, Option<T>)> {
        let (mut open, mut rows) = (BTreeMap::new(), Vec::new());
        for (t, _, datoms) in &self.txs {
            for datom in datoms {
                let fact = (datom.e, datom.a, datom.v.clone());
                if datom.added {
                    open.insert(fact, *t);
                } else if let Some(from) = open.remove(&fact)
                    && Some(datom.a) != self.brief
                {
                    rows.push(((fact.0, fact.1, fact.2, from), Some(*t)));
                }
            }
        }
        rows.extend(open.into_iter().map(|((e, a, v), from)| ((e, a, v, from), None)));
        rows
    }

    /// What holds right after a transaction.
    pub(super) fn at(&self, t: T) -> BTreeSet<Held> {
        let holds = |(held, to): &(Held, Option<T>)| held.3 <= t && to.is_none_or(|to| to > t);
        self.rows().into_iter().filter(holds).map(|row| row.0).collect()
    }

    fn history(&self) -> BTreeSet<(Held, bool)> {
        let mut events = BTreeSet::new();
        for ((e, a, v, from), to) in self.rows() {
            events.extend(to.map(|to| ((e, a, v.clone(), to), false)));
            events.insert(((e, a, v, from), true));
        }
        events
    }

    /// A value shows what replay tells: now, in the past, and its history.
    pub(super) fn check(&self, db: &Db) {
        assert_eq!(db.basis_t(), self.basis(), "{db:?}");
        for t in [0, 1, self.basis() / 2, self.basis().saturating_sub(1), self.basis()] {
            assert_eq!(held(&db.as_of(t)), self.at(t), "{db:?} as of {t}");
            let newer = self.at(self.basis()).into_iter().filter(|held| held.3 > t);
            assert_eq!(held(&db.since(t)), newer.collect(), "{db:?} since {t}");
        }
        assert_eq!(held(db), self.at(self.basis()), "{db:?}");
        let history = db.history().datoms(Order::Aevt, &[], None).expect("a sound database");
        let events = history.into_iter().map(|datom| (datom.added, held_of(datom)));
        assert_eq!(
            events.map(|(added, held)| (held, added)).collect::<BTreeSet<_>>(),
            self.history(),
            "{db:?}"
        );
        for (t, instant, _) in &self.txs {
            assert_eq!(db.instant_of(*t).expect("a sound database"), Some(*instant), "{db:?}");
        }
    }

    /// So does an open database, whose log is that list, and nothing that is stored is wrong.
    pub(super) fn check_all(&self, conn: &Connection) {
        self.check(&conn.db());
        assert_eq!(Replay::of(conn).txs, self.txs, "the log of {}", conn.name());
        let report = conn.verify(&mut |_| {}).expect("nothing fails");
        assert_eq!(report.problems, [], "{}", conn.name());
    }
}

/// What a value shows.
pub(super) fn held(db: &Db) -> BTreeSet<Held> {
    let datoms = db.datoms(Order::Eavt, &[], None).expect("a sound database");
    let count = datoms.len();
    let held: BTreeSet<Held> = datoms.into_iter().map(held_of).collect();
    assert_eq!(held.len(), count, "nothing is shown twice");
    held
}

fn held_of(datom: Datom) -> Held {
    (datom.e, datom.a, datom.v, datom.tx.t().expect("a transaction"))
}

/// Facts that are only in one of two sets, whoever asserted them: what `difference` must find.
pub(super) fn only(these: &BTreeSet<Held>, those: &BTreeSet<Held>) -> BTreeSet<Held> {
    let facts: BTreeSet<_> = those.iter().map(|(e, a, v, _)| (e, a, v)).collect();
    these.iter().filter(|(e, a, v, _)| !facts.contains(&(e, a, v))).cloned().collect()
}

/// The facts of a difference.
pub(super) fn found(datoms: Vec<Datom>) -> BTreeSet<Held> {
    datoms.into_iter().map(held_of).collect()
}
