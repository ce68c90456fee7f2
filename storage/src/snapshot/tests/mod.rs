//! Random histories against naive replay of the log: every view, every pattern shape, every way the facts came in.

mod at_rest;
mod branches;
mod model;

use std::ops::ControlFlow;

use proptest::prelude::*;

use self::at_rest::split;
pub(crate) use self::model::{Ask, check};
use self::model::{AskValue, Fact, check_sample, check_seeks, log_of};
use super::{Snapshot, View};
use crate::datom::order::AVET_MAX_BYTES;
use crate::datom::{AttrId, EntityId, Order, Pattern, T, Tag, Value};
use crate::log::{LogDatom, LoggedTx, Op};
use crate::novelty::Novelty;
use crate::rest::by_hand::Plan;

fn entity(n: u8) -> EntityId {
    EntityId::new(crate::datom::Partition::USER, u64::from(n))
}

fn value(kind: u8, n: u8) -> Value {
    match kind {
        0 => Value::Long(i64::from(n) - 2),
        1 => Value::string(format!("v{n}")),
        // Around the length that AVET ends at, alike for the first bytes.
        2 => Value::string("x".repeat(AVET_MAX_BYTES - 1 + usize::from(n))),
        3 => Value::Ref(entity(n)),
        4 => Value::Double(f64::from(n) - 1.5),
        _ => Value::keyword(&format!("k/{n}")),
    }
}

/// Attribute 1 to 5 have values of one type each, 6 of any.
fn fact() -> impl Strategy<Value = Fact> {
    (0..5_u8, 1..7_u32, 0..6_u8, 0..4_u8).prop_map(|(e, a, kind, n)| {
        let kind = if a < 6 { (a - 1) as u8 } else { kind };
        (entity(e), AttrId(a), value(kind, n))
    })
}

fn steps() -> impl Strategy<Value = Vec<Vec<Fact>>> {
    prop::collection::vec(prop::collection::vec(fact(), 0..8), 1..24)
}

pub(crate) fn view() -> impl Strategy<Value = View> {
    (prop::option::of(0..26_u64), prop::option::of(0..26_u64), any::<bool>())
        .prop_map(|(as_of, since, history)| View { as_of, since, history })
}

pub(crate) fn ask() -> impl Strategy<Value = Ask> {
    let bound = |kind: u8| {
        prop::option::of((0..4_u8, any::<bool>()).prop_map(move |(n, open)| (value(kind, n), open)))
    };
    let range = (0..6_u8).prop_flat_map(move |kind| {
        (bound(kind), bound(kind))
            .prop_map(move |(low, high)| AskValue::Range(value(kind, 0).tag(), low, high))
    });
    let v = prop_oneof![
        2 => Just(AskValue::Any),
        2 => (0..6_u8, 0..4_u8).prop_map(|(kind, n)| AskValue::Is(value(kind, n))),
        1 => range,
    ];
    let e = prop::option::of((0..5_u8).prop_map(entity));
    let a = prop::option::of((1..7_u32).prop_map(AttrId));
    let t = prop::option::weighted(0.2, 0..25_u64);
    let added = prop::option::weighted(0.2, any::<bool>());
    (e, a, v, t, added).prop_map(|(e, a, v, t, added)| Ask { e, a, v, t, added })
}

/// Takes the log in by pieces: a piece of one through `with`, others in bulk.
fn take_in(log: &[LoggedTx], pieces: &[usize]) -> Novelty {
    let mut novelty = Novelty::new();
    let (mut at, mut pieces) = (0, pieces.iter().cycle());
    while at < log.len() {
        let end = (at + pieces.next().copied().unwrap_or(1).max(1)).min(log.len());
        novelty = if end - at == 1 {
            novelty.with(&log[at])
        } else {
            let mut bulk = novelty.bulk();
            log[at..end].iter().for_each(|tx| bulk.push(tx));
            bulk.finish()
        };
        at = end;
    }
    novelty
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn every_view_equals_replay(
        steps in steps(),
        pieces in prop::collection::vec(1..9_usize, 1..4),
        questions in prop::collection::vec((view(), ask()), 12),
        start in fact(),
    ) {
        let log = log_of(steps);
        let snapshot = Snapshot::new(take_in(&log, &pieces));
        for (view, ask) in &questions {
            check(&snapshot, &log, &View::default(), ask);
            check(&snapshot, &log, view, ask);
        }
        check_seeks(&snapshot, &log, &View::default(), &start);
        check_seeks(&snapshot, &log, &questions[0].0, &start);
    }

    #[test]
    fn a_snapshot_answers_the_same_for_ever(steps in steps(), questions in prop::collection::vec((view(), ask()), 4)) {
        let log = log_of(steps);
        let mut held = vec![Novelty::new()];
        for tx in &log {
            let next = held[held.len() - 1].with(tx);
            held.push(next);
        }
        for (length, novelty) in held.into_iter().enumerate() {
            let snapshot = Snapshot::new(novelty);
            for (view, ask) in &questions {
                check(&snapshot, &log[..length], view, ask);
            }
        }
    }
}

/// A history long enough for every size that the code tells apart: pieces, batches, long stretches.
fn long_history(transactions: u64, facts: u64) -> Vec<LoggedTx> {
    let mut state = 7_u64;
    let mut next = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut steps = Vec::new();
    for t in 0..transactions {
        let fact = |n: u64| {
            let e = EntityId::new(crate::datom::Partition::USER, n);
            match n % 3 {
                0 => (e, AttrId(1), Value::Long((n / 7) as i64)),
                1 => (e, AttrId(2), Value::string(format!("text {}", n / 5))),
                _ => (e, AttrId(3), Value::Ref(EntityId::new(crate::datom::Partition::USER, n % 11))),
            }
        };
        // Mostly new facts, one in eight an old one, which toggles it.
        let fresh = (0..facts).map(|n| fact(t * facts + n));
        let old = (0..facts / 8 + 1).map(|_| fact(next((t + 1) * facts)));
        steps.push(fresh.chain(old.collect::<Vec<_>>()).collect());
    }
    log_of(steps)
}

#[test]
fn long_histories_equal_replay() {
    let log = long_history(120, 200);
    let last = log.len() as T;
    let text = |n: u64| Value::string(format!("text {n}"));
    let e = |n: u64| EntityId::new(crate::datom::Partition::USER, n);
    let of = |a: u32, v: AskValue| Ask { a: Some(AttrId(a)), v, ..Ask::default() };
    let between =
        |low: Value, high: Value| AskValue::Range(low.tag(), Some((low, true)), Some((high, false)));
    let asks = [
        Ask::default(),
        of(1, AskValue::Any),
        of(2, AskValue::Any),
        of(3, AskValue::Is(Value::Ref(e(4)))),
        Ask { v: AskValue::Is(Value::Ref(e(4))), ..Ask::default() },
        Ask { e: Some(e(7_003)), ..Ask::default() },
        Ask { e: Some(e(13)), a: Some(AttrId(2)), ..Ask::default() },
        of(1, AskValue::Range(Tag::Long, Some((Value::Long(100), true)), None)),
        of(2, AskValue::Is(text(1_000))),
        of(2, AskValue::Is(text(99_999))),
        of(2, AskValue::Is(Value::string("tex"))),
        of(2, AskValue::Is(Value::string("zzz"))),
        of(2, between(text(1_000), text(1_002))),
        of(2, between(Value::string("a"), text(30))),
        of(2, AskValue::Range(Tag::String, None, Some((text(2), true)))),
        Ask { t: Some(last / 2), ..Ask::default() },
        Ask { added: Some(false), ..Ask::default() },
    ];
    let view = |as_of, since, history| View { as_of, since, history };
    let views = [
        View::default(),
        view(Some(last - 1), None, false),
        view(Some(last / 2), None, false),
        view(Some(last / 2), Some(last / 3), false),
        view(None, None, true),
        view(Some(last - 3), Some(3), true),
    ];
    for pieces in [vec![1], vec![last as usize], vec![50, 1, 1, 7]] {
        let snapshot = Snapshot::new(take_in(&log, &pieces));
        for view in &views {
            asks.iter().for_each(|ask| check(&snapshot, &log, view, ask));
        }
    }
    let tiers = [vec![60, 70, 99], vec![80], vec![30, 31, 32, 90]];
    for (at, plan) in [
        (120, Plan::plain(32_256, 1 << 24)),
        (100, Plan::plain(2_000, 1 << 24)),
        (100, Plan { tiers, generations: vec![40, 70, 99], ..Plan::plain(1_000, 1 << 20) }),
    ] {
        let snapshot = split(&log, at, &plan, &[7, 1]);
        for view in &views {
            asks.iter().for_each(|ask| check(&snapshot, &log, view, ask));
            asks.iter().for_each(|ask| check_sample(&snapshot, &log, view, ask));
        }
    }
}

#[test]
fn a_sink_that_breaks_is_not_called_again() {
    let log = long_history(40, 100);
    let snapshot = Snapshot::new(take_in(&log, &[1]));
    for view in [
        View::default(),
        View { history: true, ..View::default() },
        View { as_of: Some(20), ..View::default() },
    ] {
        for order in [None, Some(Order::Aevt)] {
            let mut calls = 0;
            let mut sink = |_: &crate::datom::Batch<'_>| {
                calls += 1;
                ControlFlow::Break(())
            };
            match order {
                None => snapshot.scan(&view, &Pattern::ALL, &mut sink),
                Some(order) => snapshot.scan_ordered(&view, order, &Pattern::ALL, &mut sink),
            }
            .expect("memory does not fail");
            assert_eq!(calls, 1, "{view:?} {order:?}");
        }
    }
}

#[test]
fn values_of_closed_facts_do_not_stay_in_the_heap() {
    let text = |t: T| Value::string(format!("{t} ").repeat(40));
    let fact = |v: Value, op: Op| LogDatom { e: entity(1), a: AttrId(2), v, op };
    let mut log = vec![LoggedTx { t: 1, instant: 0, datoms: vec![fact(text(1), Op::Assert)] }];
    for t in 2..4_000 {
        let datoms =
            vec![fact(text(t - 1), Op::Retract { from: t - 1, forget: false }), fact(text(t), Op::Assert)];
        log.push(LoggedTx { t, instant: 0, datoms });
    }
    for pieces in [1, 100, log.len()] {
        let novelty = take_in(&log, &[pieces]);
        // Closed, a value lies in one heap; beside it there is room for what was not repacked yet.
        let values: usize = (1..4_000).map(|t| format!("{t} ").len() * 40).sum();
        let size = novelty.size();
        assert!(size.bytes < 2 * values + size.closed * 200, "{size:?}, values {values}");
        let view = View { as_of: Some(1_234), ..View::default() };
        check(&Snapshot::new(novelty), &log, &view, &Ask { e: Some(entity(1)), ..Ask::default() });
    }
}
