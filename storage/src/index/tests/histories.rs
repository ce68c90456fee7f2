//! Random histories with jobs at random points.

use std::ops::ControlFlow;
use std::sync::Arc;

use proptest::prelude::*;

use super::{DATABASE, Fact, House, TINY, entity};
use crate::cache::Cache;
use crate::datom::order::AVET_MAX_BYTES;
use crate::datom::{AttrId, Pattern, T, Value};
use crate::index::{Revisions, Settings, Shared, Verify, collect as collect_freed};
use crate::novelty::Novelty;
use crate::rest::Rest;
use crate::root::Excision;
use crate::snapshot::tests::{Ask, ask, check, view};
use crate::snapshot::{Snapshot, View};
use crate::tree::nodes::Nodes;

fn value(kind: u8, n: u8) -> Value {
    match kind {
        0 => Value::Long(i64::from(n) - 2),
        1 => Value::string(format!("v{n}")),
        // Around the length that AVET ends at, alike for the first bytes.
        2 => Value::string("x".repeat(AVET_MAX_BYTES - 1 + usize::from(n))),
        3 => Value::Ref(entity(n.into())),
        4 => Value::Double(f64::from(n) - 1.5),
        _ => Value::keyword(&format!("k/{n}")),
    }
}

/// Attribute 1 to 5 have values of one type each, 6 and 7 of any.
fn fact() -> impl Strategy<Value = Fact> {
    (0..12_u64, 1..8_u32, 0..6_u8, 0..4_u8).prop_map(|(e, a, kind, n)| {
        let kind = if a < 6 { (a - 1) as u8 } else { kind };
        (entity(e), AttrId(a), value(kind, n))
    })
}

#[derive(Clone, Debug)]
enum Step {
    Commit(Vec<Fact>),
    Index,
    Seal,
    IndexToSeal,
    Reopen,
    Collect,
    /// Of an entity, an attribute, or both, up to so many transactions ago.
    Excise(Option<u64>, Option<u32>, u64),
    Ask(View, Ask),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => prop::collection::vec(fact(), 0..12).prop_map(Step::Commit),
        5 => Just(Step::Index),
        2 => Just(Step::Seal),
        2 => Just(Step::IndexToSeal),
        1 => Just(Step::Reopen),
        1 => Just(Step::Collect),
        1 => (prop::option::weighted(0.8, 0..12_u64), prop::option::of(1..8_u32), 0..6_u64)
            .prop_map(|(e, a, ago)| Step::Excise(e, a, ago)),
        6 => (view(), ask()).prop_map(|(view, ask)| Step::Ask(view, ask)),
    ];
    prop::collection::vec(step, 1..60)
}

fn settings() -> impl Strategy<Value = Settings> {
    (1..10_u64, 1..5_usize, 1..40_u64, 150..2_000_usize, 0..60_u64).prop_map(
        |(rewrite_bound, most_tiers, generation_rows, leaf_bytes, threads_from)| Settings {
            rewrite_bound,
            most_tiers,
            generation_rows,
            leaf_bytes: Some(leaf_bytes),
            threads_from,
        },
    )
}

/// Nothing is wrong, nothing was forgotten on the lists, nothing is left over.
pub(super) fn assert_sound(house: &House) {
    let verify = Verify { storage: &house.storage, lineage: DATABASE.into(), most_problems: 3 };
    let report = verify.run(&mut |_| ()).expect("memory does not fail");
    assert_eq!(report.problems, []);
    assert_eq!(report.orphans, 0);
}

fn collect(house: &House) {
    let oldest = house.rest.inner.as_ref().map(|inner| inner.root.revision);
    let collected = collect_freed(&*house.storage, &house.rest, &Shared::default(), oldest, 0, i64::MAX);
    collected.expect("memory does not fail");
}

/// An excision of an entity, an attribute, or both, of what was asserted up to so many transactions ago.
pub(super) fn excision(house: &House, e: Option<u64>, a: Option<u32>, ago: u64) -> Excision {
    let t = house.txs.len() as T;
    let (entities, attributes) = (e.map(entity).into_iter().collect(), a.map(AttrId).into_iter().collect());
    Excision { t, entities, attributes, references: a.is_none(), before: (t + 1).saturating_sub(ago) }
}

/// What was removed does not hold any more, so that the model may assert it again.
pub(super) fn excise(house: &mut House, excision: Excision) {
    house
        .holding
        .retain(|(e, a, v), from| !v.with_ref(&mut Vec::new(), |v| excision.takes(*e, *a, v, *from)));
    house.job(&[excision]).expect("memory does not fail");
}

fn take(mut house: House, step: Step) -> House {
    match step {
        Step::Commit(facts) => house.commit(facts),
        Step::Index => {
            house.job(&[]).expect("memory does not fail");
            house.check();
        }
        Step::Seal => house.novelty = house.novelty.sealed(),
        Step::IndexToSeal => {
            house.job_to_seal(&[]).expect("memory does not fail");
            house.check();
        }
        Step::Reopen => {
            let storage = Arc::clone(&house.storage);
            house = house.reopened(storage);
        }
        Step::Collect => collect(&house),
        Step::Excise(e, a, ago) if !house.txs.is_empty() => {
            let excision = excision(&house, e, a, ago);
            excise(&mut house, excision);
            house.check();
        }
        Step::Excise(..) => {}
        Step::Ask(view, ask) => {
            let log = house.visible();
            check(&house.snapshot(), &log, &View::default(), &ask);
            check(&house.snapshot(), &log, &view, &ask);
        }
    }
    house
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn what_is_at_rest_is_what_the_log_says(steps in steps(), settings in settings()) {
        let house = steps.into_iter().fold(House::new(settings), take);
        assert_sound(&house);
    }
}

/// However much is moved about, a value that is held answers the same; what it reads is not collected.
#[test]
fn a_value_that_is_held_answers_the_same() {
    let mut house = House::new(TINY);
    // What is read is read from the storage.
    house.cache = Arc::new(Cache::new(1));
    let revisions = Revisions::new();
    let facts =
        |n: u64| (0..20).map(move |e| (entity(e * n % 23), AttrId(1), Value::Long(n as i64))).collect();
    let mut held = Vec::new();
    for n in 1..30 {
        house.commit(facts(n));
        if n % 3 == 0 {
            house.job(&[]).expect("memory does not fail");
            revisions.publish(&house.rest);
        }
        if n % 4 == 0 {
            held.push((house.snapshot(), house.txs.len()));
        }
        if n % 10 == 0 {
            held.remove(0);
        }
        let (rest, oldest) = (&house.rest, revisions.oldest_live());
        collect_freed(&*house.storage, rest, &Shared::default(), oldest, 0, i64::MAX)
            .expect("memory does not fail");
        for (snapshot, length) in &held {
            check(snapshot, &house.txs[..*length], &View::default(), &Ask::default());
            check(
                snapshot,
                &house.txs[..*length],
                &View { as_of: Some(n / 2), ..View::default() },
                &Ask::default(),
            );
        }
    }
    let report = |house: &House| {
        let verify = Verify { storage: &house.storage, lineage: DATABASE.into(), most_problems: 3 };
        verify.run(&mut |_| ()).expect("memory does not fail")
    };
    assert!(report(&house).freed > 0, "what is held is not collected");
    drop(held);
    collect_freed(&*house.storage, &house.rest, &Shared::default(), revisions.oldest_live(), 0, i64::MAX)
        .expect("memory does not fail");
    assert_eq!((report(&house).freed, report(&house).orphans), (0, 0));
    house.job(&[]).expect("memory does not fail");
    let root = &house.rest.inner.as_ref().expect("a root").root;
    let named = root.freed.iter().filter(|freed| freed.revision < root.revision).count();
    assert_eq!(named, 0, "what is collected is not named");
}

/// What is older than the grace goes, and whoever reads it is told so.
#[test]
fn a_value_that_outlived_the_grace_is_refused() {
    let mut house = House::new(TINY);
    house.commit((0..50).map(|e| (entity(e), AttrId(1), Value::Long(1))).collect());
    house.job(&[]).expect("memory does not fail");
    let old = house.snapshot();
    house.commit((0..50).map(|e| (entity(e), AttrId(1), Value::Long(1))).collect());
    house.job(&[]).expect("memory does not fail");
    let collect =
        |now| collect_freed(&*house.storage, &house.rest, &Shared::default(), Some(0), now, 10_000_000);
    assert_eq!(collect(11_999_999).expect("memory does not fail").segments, 0);
    assert!(collect(12_000_000).expect("memory does not fail").segments > 0);
    let cold = Snapshot::over(
        Rest::of(
            old.rest().inner.as_ref().expect("a root").root.clone(),
            Nodes {
                cache: Arc::new(Cache::new(1 << 20)),
                ..house.rest.inner.as_ref().expect("a root").nodes.clone()
            },
        ),
        Novelty::new(),
    );
    let outcome = cold.scan(&View::default(), &Pattern::ALL, &mut |_| ControlFlow::Continue(()));
    assert_eq!(outcome.expect_err("it was collected").keyword(), "db.error/value-expired");
}

#[test]
fn a_job_without_anything_to_do_publishes_the_same_trees() {
    let mut house = House::new(TINY);
    house.job(&[]).expect("memory does not fail");
    house.commit(vec![(entity(1), AttrId(1), Value::Long(1))]);
    house.job(&[]).expect("memory does not fail");
    let before = house.rest.inner.clone().expect("a root");
    let done = house.job(&[]).expect("memory does not fail");
    let after = house.rest.inner.clone().expect("a root");
    assert_eq!((&before.root.tiers, &before.root.generations), (&after.root.tiers, &after.root.generations));
    assert_eq!((done.rows_new, done.rows_written), (0, 0));
    house.check();
    assert_sound(&house);
}

#[test]
fn a_tier_without_rows_is_not_kept() {
    let mut house = House::new(TINY);
    let facts = || (0..40).map(|e| (entity(e), AttrId(1), Value::Long(1))).collect();
    house.commit(facts());
    house.job(&[]).expect("memory does not fail");
    house.commit(facts());
    house.job(&[]).expect("memory does not fail");
    let root = &house.rest.inner.as_ref().expect("a root").root;
    assert_eq!(root.tiers, [vec![], vec![], vec![]]);
    assert_eq!(root.generations.iter().map(|past| past.closed[0].rows).sum::<u64>(), 40);
    house.check();
}

#[test]
fn what_is_at_rest_is_not_put_to_rest_again() {
    let mut house = House::new(TINY);
    house.commit(vec![(entity(1), AttrId(1), Value::Long(1))]);
    let again = house.novelty.clone();
    house.job(&[]).expect("memory does not fail");
    house.novelty = again;
    assert_eq!(house.job(&[]).expect_err("it is at rest").keyword(), "db.error/log-out-of-order");
    house.check();
}
