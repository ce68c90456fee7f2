//! What a view shows, by walking the log; and every kind of question held against it.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::super::{COUNTED_BY_SCAN, Down, Sink, Snapshot, View};
use crate::datom::order::AVET_MAX_BYTES;
use crate::datom::{AttrId, Batch, Datom, EntityId, Order, Pattern, T, Tag, Value, ValueBound, code};
use crate::log::{LogDatom, LoggedTx, Op};

pub(super) type Fact = (EntityId, AttrId, Value);

/// Turns lists of facts into transactions: a fact that holds is retracted, one that does not is asserted.
pub(super) fn log_of(steps: Vec<Vec<Fact>>) -> Vec<LoggedTx> {
    let mut holding: BTreeMap<Fact, T> = BTreeMap::new();
    let mut log = Vec::new();
    for (step, mut facts) in steps.into_iter().enumerate() {
        // Now and then a transaction without facts, so that numbers of transactions are not those of layers.
        let t = step as T + 1;
        facts.sort();
        facts.dedup();
        let mut datoms = Vec::new();
        for (e, a, v) in facts {
            let op = match holding.remove(&(e, a, v.clone())) {
                Some(from) => Op::Retract { from, forget: false },
                None => {
                    holding.insert((e, a, v.clone()), t);
                    Op::Assert
                }
            };
            datoms.push(LogDatom { e, a, v, op });
        }
        log.push(LoggedTx { t, instant: 0, datoms });
    }
    log
}

/// The datoms a view shows, by walking the log.
pub(super) fn replay(log: &[LoggedTx], view: &View) -> Vec<Datom> {
    let mut holding: BTreeMap<Fact, T> = BTreeMap::new();
    let mut past = Vec::new();
    for tx in log.iter().filter(|tx| view.as_of.is_none_or(|t| tx.t <= t)) {
        for LogDatom { e, a, v, op } in &tx.datoms {
            let added = *op == Op::Assert;
            past.push(Datom { e: *e, a: *a, v: v.clone(), tx: EntityId::of_t(tx.t), added });
            if added {
                holding.insert((*e, *a, v.clone()), tx.t);
            } else {
                holding.remove(&(*e, *a, v.clone()));
            }
        }
    }
    if !view.history {
        let datom = |((e, a, v), t)| Datom { e, a, v, tx: EntityId::of_t(t), added: true };
        past = holding.into_iter().map(datom).collect();
    }
    past.retain(|datom| view.since.is_none_or(|since| datom.tx > EntityId::of_t(since)));
    past
}

pub(super) fn by(order: Order, x: &Datom, y: &Datom) -> Ordering {
    let (e, a, v) = (x.e.cmp(&y.e), x.a.cmp(&y.a), x.v.cmp(&y.v));
    match order {
        Order::Eavt => e.then(a).then(v),
        Order::Aevt => a.then(e).then(v),
        Order::Avet => a.then(v).then(e),
    }
}

/// A pattern that owns its values.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ask {
    pub(super) e: Option<EntityId>,
    pub(super) a: Option<AttrId>,
    pub(super) v: AskValue,
    pub(super) t: Option<T>,
    pub(super) added: Option<bool>,
}

#[derive(Clone, Debug, Default)]
pub(crate) enum AskValue {
    #[default]
    Any,
    Is(Value),
    Range(Tag, Option<(Value, bool)>, Option<(Value, bool)>),
}

impl Ask {
    pub(super) fn with<R>(&self, f: impl FnOnce(&Pattern<'_>) -> R) -> R {
        let (mut x, mut y) = (Vec::new(), Vec::new());
        let Ask { e, a, t, added, .. } = self.clone();
        let pattern = |v: ValueBound<'_>| f(&Pattern { e, a, v, t, added });
        let any = Value::Boolean(true);
        match &self.v {
            AskValue::Any => pattern(ValueBound::Any),
            AskValue::Is(v) => v.with_ref(&mut x, |v| pattern(ValueBound::Is(v))),
            AskValue::Range(tag, low, high) => {
                low.as_ref().map_or(&any, |(v, _)| v).with_ref(&mut x, |low_end| {
                    high.as_ref().map_or(&any, |(v, _)| v).with_ref(&mut y, |high_end| {
                        let low = low.as_ref().map(|(_, inclusive)| (low_end, *inclusive));
                        let high = high.as_ref().map(|(_, inclusive)| (high_end, *inclusive));
                        pattern(ValueBound::Range(*tag, low, high))
                    })
                })
            }
        }
    }

    fn admits(&self, datom: &Datom) -> bool {
        self.e.is_none_or(|e| datom.e == e)
            && self.a.is_none_or(|a| datom.a == a)
            && self.t.is_none_or(|t| datom.tx == EntityId::of_t(t))
            && self.added.is_none_or(|added| datom.added == added)
            && match &self.v {
                AskValue::Any => true,
                AskValue::Is(v) => datom.v == *v,
                AskValue::Range(tag, low, high) => {
                    let (low, high) = (low.as_ref(), high.as_ref());
                    datom.v.tag() == *tag
                        && low.is_none_or(|(end, inclusive)| datom.v > *end || *inclusive && datom.v == *end)
                        && high.is_none_or(|(end, inclusive)| datom.v < *end || *inclusive && datom.v == *end)
                }
            }
    }
}

/// Collects a scan, and checks each batch's shape.
pub(super) fn collect(scan: impl FnOnce(Sink<'_>) -> crate::Result<()>) -> Vec<Datom> {
    let mut datoms = Vec::new();
    scan(&mut |batch| {
        assert!(batch.len > 0 && batch.len <= Batch::MAX_ROWS);
        datoms.extend((0..batch.len).map(|row| batch.datom(row)));
        ControlFlow::Continue(())
    })
    .expect("memory does not fail");
    datoms
}

pub(super) fn is_short(v: &Value) -> bool {
    let mut bytes = Vec::new();
    if code::fixed(v).is_none() {
        code::variable(v, &mut bytes);
    }
    bytes.len() <= AVET_MAX_BYTES
}

/// Holds every kind of scan and count against replay.
pub(crate) fn check(snapshot: &Snapshot, log: &[LoggedTx], view: &View, ask: &Ask) {
    let mut want: Vec<Datom> = replay(log, view).into_iter().filter(|datom| ask.admits(datom)).collect();
    want.sort();
    let context = || format!("{view:?} {ask:?}");
    let mut got = ask.with(|pattern| collect(|sink| snapshot.scan(view, pattern, sink)));
    got.sort();
    assert_eq!(got, want, "scan, {}", context());

    let count = ask.with(|pattern| snapshot.count(view, pattern)).expect("memory does not fail");
    let residual = ask.t.is_some() || ask.added.is_some() || ask.e.is_some() != ask.a.is_some();
    let exact = count <= COUNTED_BY_SCAN || (*view == View::default() && !residual);
    assert!(count >= want.len() as u64, "{count} is no upper bound of {}, {}", want.len(), context());
    assert!(!exact || count == want.len() as u64, "counted {count}, not {}, {}", want.len(), context());

    if ask.a.is_some() || ask.e.is_none() {
        check_each(snapshot, log, view, ask.a);
    }
    for order in Order::ALL {
        let got = ask.with(|pattern| collect(|sink| snapshot.scan_ordered(view, order, pattern, sink)));
        let mut want = want.clone();
        want.retain(|datom| order != Order::Avet || is_short(&datom.v));
        want.sort_by(|x, y| by(order, x, y).then(x.tx.cmp(&y.tx)));
        assert_eq!(got, want, "{order:?}, {}", context());
        let want: Vec<Datom> = want.into_iter().rev().take(DOWN).collect();
        let got = ask.with(|pattern| down(|sink| snapshot.scan_back(view, order, pattern, sink)));
        assert_eq!(got, want, "{order:?} down, {}", context());
    }
}

/// Holds the pass over many entities against replay, for some sets of entities, one that is not there among them.
fn check_each(snapshot: &Snapshot, log: &[LoggedTx], view: &View, a: Option<AttrId>) {
    let facts = replay(log, view);
    let known: std::collections::BTreeSet<u64> =
        log.iter().flat_map(|tx| &tx.datoms).map(|d| d.e.0).collect();
    let all: Vec<u64> = known.iter().copied().chain(known.last().map(|last| last + 1)).collect();
    let every = |step: usize, from: usize| all.iter().copied().skip(from).step_by(step).collect::<Vec<_>>();
    for entities in [all.clone(), every(2, 0), every(2, 1), every(7, 1), every(usize::MAX, 2)] {
        let mut got = Vec::new();
        let mut each = true;
        let handed = collect(|sink| {
            each = snapshot.scan_each(view, a, &entities, sink)?;
            Ok(())
        });
        assert!(each || handed.is_empty(), "what is not read in one pass is not begun");
        if !each {
            continue;
        }
        let order = if a.is_some() { Order::Aevt } else { Order::Eavt };
        assert!(handed.is_sorted_by(|x, y| by(order, x, y).is_lt()), "in order, {view:?} {a:?}");
        got.extend(handed.into_iter().filter(|datom| entities.contains(&datom.e.0)));
        let mut want: Vec<Datom> = facts
            .iter()
            .filter(|d| a.is_none_or(|a| d.a == a) && entities.contains(&d.e.0))
            .cloned()
            .collect();
        want.sort_by(|x, y| by(order, x, y));
        assert_eq!(got, want, "{entities:?}, {view:?} {a:?}");
    }
    // Without any entity there are the ends alone.
    let at = |part: usize| all.get(all.len() * part / 6).copied().unwrap_or(7);
    let Some(a) = a else { return };
    for (first, last) in [(0, u64::MAX), (at(0), at(3)), (at(2) + 1, at(5)), (at(4), at(4)), (9, 8)] {
        let mut between = true;
        let handed = collect(|sink| {
            between = snapshot.scan_between(view, a, (first, last), sink)?;
            Ok(())
        });
        let mut want: Vec<Datom> =
            facts.iter().filter(|d| d.a == a && (first..=last).contains(&d.e.0)).cloned().collect();
        want.sort_by(|x, y| by(Order::Aevt, x, y));
        assert_eq!(handed, if between { want } else { Vec::new() }, "{first} to {last}, {view:?} {a:?}");
    }
}

/// So many rows are looked at from the last down: windows of any size look alike.
const DOWN: usize = 300;

/// Collects the first rows of a scan from the last row down.
fn down(scan: impl FnOnce(Down<'_>) -> crate::Result<()>) -> Vec<Datom> {
    let mut datoms = Vec::new();
    scan(&mut |datom| {
        datoms.push(datom);
        if datoms.len() < DOWN { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })
    .expect("memory does not fail");
    datoms
}

/// Holds seeks against replay: everything from a datom's own place on, by one, two or three of its parts.
pub(super) fn check_seeks(snapshot: &Snapshot, log: &[LoggedTx], view: &View, start: &Fact) {
    let (e, a, v) = start;
    for order in Order::ALL {
        let parts = |places: usize| {
            let known = |place: usize| place < places;
            match order {
                Order::Eavt => (known(0), known(1), known(2)),
                Order::Aevt => (known(1), known(0), known(2)),
                Order::Avet => (known(2), known(0), known(1)),
            }
        };
        for places in 0..=3 {
            let (by_e, by_a, by_v) = parts(places);
            let ask = Ask {
                e: by_e.then_some(*e),
                a: by_a.then_some(*a),
                v: if by_v { AskValue::Is(v.clone()) } else { AskValue::Any },
                ..Ask::default()
            };
            let side = |datom: &Datom| {
                let (e, a, v) = (datom.e.cmp(e), datom.a.cmp(a), datom.v.cmp(v));
                let places_of = match order {
                    Order::Eavt => [e, a, v],
                    Order::Aevt => [a, e, v],
                    Order::Avet => [a, v, e],
                };
                places_of[..places].iter().find(|side| side.is_ne()).copied().unwrap_or(Ordering::Equal)
            };
            let mut all = replay(log, view);
            all.retain(|datom| order != Order::Avet || is_short(&datom.v));
            all.sort_by(|x, y| by(order, x, y).then(x.tx.cmp(&y.tx)));
            let want: Vec<Datom> = all.iter().filter(|datom| side(datom).is_ge()).cloned().collect();
            let got = ask.with(|pattern| collect(|sink| snapshot.scan_from(view, order, pattern, sink)));
            assert_eq!(got, want, "{order:?} from {places} places of {start:?}, {view:?}");
            let want: Vec<Datom> =
                all.into_iter().rev().filter(|datom| side(datom).is_le()).take(DOWN).collect();
            let got = ask.with(|pattern| down(|sink| snapshot.scan_back_from(view, order, pattern, sink)));
            assert_eq!(got, want, "{order:?} down from {places} places of {start:?}, {view:?}");
        }
    }
}

/// Samples are facts that hold, nought only if there are none.
pub(super) fn check_sample(snapshot: &Snapshot, log: &[LoggedTx], view: &View, ask: &Ask) {
    let want: Vec<Datom> = replay(log, view).into_iter().filter(|datom| ask.admits(datom)).collect();
    for wanted in [1, 3, 1_000] {
        let got = ask.with(|pattern| {
            collect(|sink| {
                let count = snapshot.sample(view, pattern, wanted, sink)?;
                assert_eq!(count, snapshot.count(view, pattern)?);
                Ok(())
            })
        });
        assert!(got.iter().all(|datom| want.contains(datom)), "{got:?} of {want:?}, {view:?} {ask:?}");
        assert_eq!(got.is_empty(), want.is_empty(), "{view:?} {ask:?}");
        assert!(got.len() <= wanted.max(1), "{wanted} wanted, {view:?} {ask:?}");
        let mut different = got.clone();
        different.sort();
        different.dedup();
        assert_eq!(different.len(), got.len(), "a fact is sampled once, {view:?} {ask:?}");
    }
}
