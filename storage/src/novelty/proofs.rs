//! Random histories handed over to a model of the trees at random moments: nothing is lost, doubled or seen too early.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::datom::order::AVET_MAX_BYTES;
use crate::datom::{AttrId, EntityId, Order, Pattern, Value};
use crate::log::{LogDatom, Op};
use crate::root::Excision;
use crate::run::Run;

type Fact = (EntityId, AttrId, Value);
/// A fact and when it was asserted.
type Opened = (EntityId, AttrId, Value, T);
/// And when it was retracted.
type Closed = (EntityId, AttrId, Value, T, T);

/// No history is kept of this attribute.
const FORGOTTEN: AttrId = AttrId(3);

#[derive(Clone, Debug)]
enum Step {
    /// Transactions, added as one bulk.
    Add(Vec<Vec<Fact>>),
    /// Transactions, one by one.
    Each(Vec<Vec<Fact>>),
    /// The seal moves.
    Seal,
    /// The seal moves and a job takes what is under it, if none is at work.
    Take,
    /// The job that is at work publishes.
    Publish,
}

fn fact() -> impl Strategy<Value = Fact> {
    let v = prop_oneof![
        8 => (0i64..4).prop_map(Value::Long),
        2 => "[ab]{0,3}".prop_map(Value::string),
        1 => (0usize..3).prop_map(|n| Value::string("x".repeat(n * 400))),
    ];
    (0u64..5, 1u32..5, v).prop_map(|(e, a, v)| (EntityId(e), AttrId(a), v))
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let txs = || prop::collection::vec(prop::collection::vec(fact(), 0..8), 1..6);
    let step = prop_oneof![
        2 => txs().prop_map(Step::Add),
        2 => txs().prop_map(Step::Each),
        1 => Just(Step::Seal),
        1 => Just(Step::Take),
        1 => Just(Step::Publish),
    ];
    prop::collection::vec(step, 1..30)
}

/// What holds and what held, as sets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Model {
    open: BTreeSet<Opened>,
    closed: BTreeSet<Closed>,
}

impl Model {
    /// A transaction that retracts the facts that hold and asserts those that do not.
    fn transact(&mut self, t: T, mut facts: Vec<Fact>) -> LoggedTx {
        facts.sort();
        facts.dedup();
        let mut datoms = Vec::new();
        for (e, a, v) in facts {
            let held = self.open.iter().find(|fact| (fact.0, fact.1, &fact.2) == (e, a, &v)).cloned();
            let op = match held {
                Some(fact) => {
                    self.open.remove(&fact);
                    if a != FORGOTTEN {
                        self.closed.insert((e, a, v.clone(), fact.3, t));
                    }
                    Op::Retract { from: fact.3, forget: a == FORGOTTEN }
                }
                None => {
                    self.open.insert((e, a, v.clone(), t));
                    Op::Assert
                }
            };
            datoms.push(LogDatom { e, a, v, op });
        }
        LoggedTx { t, instant: 0, datoms }
    }

    /// Puts a layer and a generation to rest. Each tombstone must find its target.
    fn put(&mut self, layer: Option<&Layer>, generation: Option<&Generation>) {
        for fact in layer.map(|layer| opened(layer.dead(Order::Eavt))).into_iter().flatten() {
            assert!(self.open.remove(&fact), "no target: {fact:?}");
        }
        for fact in layer.map(|layer| opened(layer.open(Order::Eavt))).into_iter().flatten() {
            assert!(self.open.insert(fact.clone()), "open twice: {fact:?}");
        }
        for fact in generation.map(|generation| closed(generation.closed(Order::Eavt))).into_iter().flatten()
        {
            assert!(self.closed.insert(fact.clone()), "closed twice: {fact:?}");
        }
    }

    fn put_all(&mut self, novelty: &Novelty) {
        layers(novelty).iter().for_each(|layer| self.put(Some(layer), None));
        generations(novelty).iter().for_each(|generation| self.put(None, Some(generation)));
    }
}

fn layers(novelty: &Novelty) -> &[Arc<Layer>] {
    novelty.facing(&Pattern::ALL).0
}

fn generations(novelty: &Novelty) -> &[Arc<Generation>] {
    novelty.facing(&Pattern::ALL).1
}

fn opened(run: &Run) -> Vec<Opened> {
    let fact = |row: usize| {
        let rows = &run.rows;
        (EntityId(rows.e[row]), AttrId(rows.a[row]), run.value(row).to_value(), rows.from[row])
    };
    (0..run.len()).map(fact).collect()
}

fn closed(run: &Run) -> Vec<Closed> {
    opened(run).into_iter().zip(&run.rows.to).map(|((e, a, v, from), to)| (e, a, v, from, *to)).collect()
}

/// The orders hold the same rows, but for values too long for AVET.
fn orders_agree(runs: [&Run; 3]) {
    let [eavt, aevt, avet] = runs.map(|run| opened(run).into_iter().collect::<BTreeSet<_>>());
    assert_eq!(eavt, aevt);
    let short = |fact: &Opened| !matches!(&fact.2, Value::String(text) if text.len() > AVET_MAX_BYTES);
    assert_eq!(eavt.into_iter().filter(short).collect::<BTreeSet<_>>(), avet);
}

fn check(novelty: &Novelty) {
    for layer in layers(novelty) {
        orders_agree(Order::ALL.map(|order| layer.open(order)));
        orders_agree(Order::ALL.map(|order| layer.dead(order)));
    }
    for generation in generations(novelty) {
        orders_agree(Order::ALL.map(|order| generation.closed(order)));
        let held = |from: &T, to: &T| from < to && (generation.first..=generation.last).contains(to);
        let rows = &generation.closed(Order::Eavt).rows;
        assert!(rows.from.iter().zip(&rows.to).all(|(from, to)| held(from, to)));
    }
    let ends = |parts: Vec<(T, T)>| {
        assert!(parts.iter().all(|(first, last)| first <= last));
        let apart = parts.windows(2).all(|pair| pair[0].1 <= pair[1].0);
        assert!(apart, "oldest first: {parts:?}");
        let across = |seal: T| parts.iter().any(|(first, last)| *first <= seal && seal < *last);
        assert!(!novelty.seal().is_some_and(across), "merged across the seal: {parts:?}");
    };
    ends(layers(novelty).iter().map(|layer| (layer.first, layer.last)).collect());
    ends(generations(novelty).iter().map(|generation| (generation.first, generation.last)).collect());
}

/// Runs the steps; gives what was put to rest, what is left, and what should be in both together.
fn run(steps: Vec<Step>) -> (Model, Novelty, Model) {
    let (mut rest, mut novelty, mut want) = (Model::default(), Novelty::new(), Model::default());
    let (mut at_work, mut t) = (None, 0);
    for step in steps {
        match step {
            Step::Add(txs) => {
                let mut bulk = novelty.bulk();
                for facts in txs {
                    t += 1;
                    bulk.push(&want.transact(t, facts));
                }
                novelty = bulk.finish();
                assert_eq!(novelty.basis(), Some(t));
            }
            Step::Each(txs) => {
                for facts in txs {
                    t += 1;
                    novelty = novelty.with(&want.transact(t, facts));
                    assert_eq!(novelty.basis(), Some(t));
                }
            }
            Step::Seal => novelty = novelty.sealed(),
            Step::Take if at_work.is_none() => {
                novelty = novelty.sealed();
                at_work = novelty.seal().map(|seal| (seal, novelty.under_seal()));
            }
            Step::Take => {}
            Step::Publish => {
                let Some((seal, (layer, generation))) = at_work.take() else { continue };
                rest.put(layer.as_deref(), generation.as_deref());
                novelty = novelty.after(seal);
                let newer = layers(&novelty).iter().map(|layer| layer.first);
                let newer = newer.chain(generations(&novelty).iter().map(|generation| generation.first));
                assert!(newer.min().is_none_or(|first| first > seal), "what is at rest is gone from novelty");
                assert_eq!((novelty.basis(), novelty.seal().is_some_and(|s| s <= seal)), (Some(t), false));
            }
        }
        check(&novelty);
    }
    (rest, novelty, want)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_a_job_takes_and_what_is_left_are_all_there_is(steps in steps()) {
        let (mut rest, novelty, want) = run(steps);
        rest.put_all(&novelty);
        prop_assert_eq!(rest, want);
    }

    #[test]
    fn removed_facts_leave_nothing(
        steps in steps(),
        entities in prop::collection::btree_set((0u64..5).prop_map(EntityId), 0..3),
        attributes in prop::collection::btree_set((1u32..5).prop_map(AttrId), 0..3),
        before in 0u64..60,
    ) {
        let excision = Excision {
            t: before,
            entities: entities.into_iter().collect(),
            attributes: attributes.into_iter().collect(),
            references: false,
            before,
        };
        let (mut rest, novelty, mut want) = run(steps);
        let stays = |e: EntityId, a: AttrId, v: &Value, from: T| {
            let mut scratch = Vec::new();
            v.with_ref(&mut scratch, |v| !excision.takes(e, a, v, from))
        };
        for facts in [&mut rest, &mut want] {
            facts.open.retain(|(e, a, v, from)| stays(*e, *a, v, *from));
            facts.closed.retain(|(e, a, v, from, _)| stays(*e, *a, v, *from));
        }
        let left = novelty.without(std::slice::from_ref(&excision));
        check(&left);
        prop_assert_eq!((left.basis(), left.seal()), (novelty.basis(), novelty.seal()));
        let empty = layers(&left).iter().any(|layer| layer.open_rows() + layer.tombstones() == 0);
        prop_assert!(generations(&left).iter().all(|generation| generation.rows() > 0));
        prop_assert!(!empty || layers(&novelty).iter().any(|layer| layer.open_rows() + layer.tombstones() == 0));
        rest.put_all(&left);
        prop_assert_eq!(rest, want);
    }
}

/// Transactions of one new fact each.
fn growth(ts: std::ops::RangeInclusive<T>) -> impl Iterator<Item = LoggedTx> {
    ts.map(|t| {
        let v = Value::string(format!("value {t}"));
        LoggedTx { t, instant: 0, datoms: vec![LogDatom { e: EntityId(t), a: AttrId(1), v, op: Op::Assert }] }
    })
}

#[test]
fn a_seal_keeps_apart_what_would_be_merged() {
    let grown = |mut novelty: Novelty, ts| {
        growth(ts).for_each(|tx| novelty = novelty.with(&tx));
        novelty
    };
    assert_eq!(grown(Novelty::new(), 1..=64).size().layers, 1);
    let sealed = grown(grown(Novelty::new(), 1..=32).sealed(), 33..=64);
    assert_eq!((sealed.size().layers, sealed.seal()), (2, Some(32)));
    let above = sealed.after(32);
    assert_eq!((above.size().layers, above.size().open, above.seal()), (1, 32, None));

    let resealed = grown(sealed.sealed(), 65..=66);
    assert_eq!(resealed.after(32).seal(), Some(64), "a newer seal stays");
    assert_eq!(resealed.after(64).size().open, 2);
    assert_eq!(resealed.under_seal().0.map(|layer| layer.open_rows()), Some(64));
}

#[test]
fn nothing_is_sealed_where_nothing_is() {
    let none = Novelty::new().sealed();
    assert_eq!((none.seal(), none.basis()), (None, None));
    assert!(matches!(none.under_seal(), (None, None)));
    let above = Novelty::above(7);
    assert_eq!((above.basis(), above.size().layers), (Some(7), 0));
    assert!(matches!(above.sealed().under_seal(), (None, None)));
    assert_eq!(above.sealed().after(7).basis(), Some(7));
}

#[test]
fn a_forgotten_fact_leaves_a_tombstone_or_nothing() {
    let e = EntityId(9);
    let tx = |t, v, op| LoggedTx { t, instant: 0, datoms: vec![LogDatom { e, a: FORGOTTEN, v, op }] };
    let open = tx(1, Value::Long(1), Op::Assert);
    let close = tx(2, Value::Long(1), Op::Retract { from: 1, forget: true });
    let apart = Novelty::new().with(&open).sealed().with(&close);
    assert_eq!((apart.size().open, apart.size().tombstones, apart.size().closed), (1, 1, 0));
    let together = Novelty::from_log([&open, &close]);
    assert_eq!((together.size().open, together.size().tombstones, together.size().closed), (0, 0, 0));
}

#[test]
fn a_bulk_knows_how_large_it_becomes() {
    let mut bulk = Novelty::new().bulk();
    for mut tx in growth(1..=5000) {
        if tx.t % 3 == 0 {
            let v = Value::string(format!("value {}", tx.t - 1));
            let op = Op::Retract { from: tx.t - 1, forget: false };
            tx.datoms.push(LogDatom { e: EntityId(tx.t - 1), a: AttrId(1), v, op });
        }
        let (rows, bytes, unsorted) = (bulk.rows(), bulk.bytes(), bulk.intake.rows());
        bulk.push(&tx);
        // Sorting takes away what was opened and closed since it was sorted before.
        let sorted = bulk.intake.rows() <= unsorted;
        assert!(sorted || (bulk.rows() == rows + tx.datoms.len() && bulk.bytes() > bytes + 50));
    }
    let (rows, bytes) = (bulk.rows(), bulk.bytes());
    let size = bulk.finish().size();
    assert!((size.open + size.closed..=6666).contains(&rows), "{rows} rows foretold, of {size:?}");
    assert!((size.bytes..size.bytes * 3).contains(&bytes), "{bytes} bytes foretold, of {size:?}");
}
