//! Jobs against a model, by random histories, by counters, and by a crash at every call.

mod amplification;
mod crashes;
mod excision;
mod histories;
mod repair;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Done, Job, Settings};
use crate::backend::{DatabaseId, MemoryStorage, Storage};
use crate::cache::Cache;
use crate::datom::order::AVET_MAX_BYTES;
use crate::datom::{AttrId, EntityId, Order, Partition, T, Value, code};
use crate::log::{Log, LogBatch, LogDatom, LoggedTx, Op};
use crate::novelty::Novelty;
use crate::rest::Rest;
use crate::root::Excision;
use crate::run::Run;
use crate::snapshot::Snapshot;
use crate::tree::key::Bounds;
use crate::tree::nodes::Nodes;
use crate::tree::walk::Walk;
use crate::tree::{Shape, Tree};

const DATABASE: DatabaseId = DatabaseId(0x5eed_0000_0000_0000_0000_0000_0000_0001);

type Fact = (EntityId, AttrId, Value);

/// Small enough that short histories have many leaves and tiers.
const TINY: Settings = Settings {
    rewrite_bound: 3,
    most_tiers: 3,
    generation_rows: 12,
    leaf_bytes: Some(400),
    threads_from: u64::MAX,
};

/// A row of the model: the fact, when it was asserted, and when retracted.
type Row = (Fact, T, Option<T>);

/// What holds and what held, by walking the log.
fn replay(log: &[LoggedTx], excisions: &[Excision]) -> (BTreeSet<Row>, BTreeSet<Row>) {
    let (mut open, mut closed) = (BTreeSet::new(), BTreeSet::new());
    for tx in log {
        for LogDatom { e, a, v, op } in &tx.datoms {
            let fact = (*e, *a, v.clone());
            let from = if let Op::Retract { from, .. } = op { *from } else { tx.t };
            if excisions.iter().any(|one| v.with_ref(&mut Vec::new(), |v| one.takes(*e, *a, v, from))) {
                continue;
            }
            match op {
                Op::Assert => assert!(open.insert((fact, tx.t, None))),
                Op::Retract { from, forget } => {
                    assert!(open.remove(&(fact.clone(), *from, None)));
                    if !forget {
                        closed.insert((fact, *from, Some(tx.t)));
                    }
                }
            }
        }
    }
    (open, closed)
}

fn is_short(v: &Value) -> bool {
    let mut bytes = Vec::new();
    if code::fixed(v).is_none() {
        code::variable(v, &mut bytes);
    }
    bytes.len() <= AVET_MAX_BYTES
}

/// A database in memory, and the log as a list.
struct House {
    storage: Arc<dyn Storage>,
    cache: Arc<Cache>,
    log: Log,
    rest: Rest,
    novelty: Novelty,
    txs: Vec<LoggedTx>,
    holding: BTreeMap<Fact, T>,
    settings: Settings,
    jobs: u64,
    /// What was removed for ever.
    excisions: Vec<Excision>,
}

impl House {
    fn new(settings: Settings) -> House {
        House::on(Arc::new(MemoryStorage::new()), settings)
    }

    fn on(storage: Arc<dyn Storage>, settings: Settings) -> House {
        let log =
            Log::open(Arc::clone(&storage), DATABASE, &Rest::none(), &mut |_| Ok(())).expect("an empty log");
        House {
            storage,
            cache: Arc::new(Cache::new(1 << 20)),
            log,
            rest: Rest::none(),
            novelty: Novelty::new(),
            txs: Vec::new(),
            holding: BTreeMap::new(),
            settings,
            jobs: 0,
            excisions: Vec::new(),
        }
    }

    /// A transaction: a fact that holds is retracted, one that does not is asserted.
    fn transaction(&mut self, mut facts: Vec<Fact>) -> LoggedTx {
        let t = self.txs.len() as T + 1;
        facts.sort();
        facts.dedup();
        let mut datoms = Vec::new();
        for (e, a, v) in facts {
            let op = match self.holding.remove(&(e, a, v.clone())) {
                Some(from) => Op::Retract { from, forget: a == FORGETFUL },
                None => {
                    self.holding.insert((e, a, v.clone()), t);
                    Op::Assert
                }
            };
            datoms.push(LogDatom { e, a, v, op });
        }
        LoggedTx { t, instant: t as i64 * 1_000, datoms }
    }

    fn commit(&mut self, facts: Vec<Fact>) {
        let tx = self.transaction(facts);
        self.append(vec![tx]).expect("memory does not fail");
    }

    fn append(&mut self, txs: Vec<LoggedTx>) -> crate::Result<()> {
        let seq = self.log.next_seq();
        let next = vec![(Partition::USER, 1_000 + txs[0].t)];
        let batch = LogBatch { seq, epoch: 1, id: u128::from(seq) << 64 | 77, next, txs };
        self.log.append(&batch)?;
        for tx in batch.txs {
            self.novelty = self.novelty.with(&tx);
            self.txs.push(tx);
        }
        Ok(())
    }

    fn job(&mut self, excise: &[Excision]) -> crate::Result<Done> {
        self.novelty = self.novelty.sealed();
        self.job_to_seal(excise)
    }

    /// A job on what was sealed before; what came later is left alone.
    fn job_to_seal(&mut self, excise: &[Excision]) -> crate::Result<Done> {
        self.jobs += 1;
        let job = Job {
            storage: &self.storage,
            lineage: DATABASE.into(),
            cache: &self.cache,
            rest: &self.rest,
            novelty: &self.novelty,
            log: &self.log.reader(),
            epoch: 1,
            job: self.jobs * 0x9e37,
            now: self.jobs as i64 * 1_000_000,
            settings: self.settings,
            excise,
        };
        let done = job.run()?;
        self.rest = done.rest.clone();
        self.log.reader().rebase(&self.rest);
        if let Some(basis) = done.rest.basis() {
            self.novelty = self.novelty.after(basis);
        }
        self.excisions.extend_from_slice(excise);
        Ok(done)
    }

    /// As another process finds it, if the same transactions are there.
    fn reopened(self, storage: Arc<dyn Storage>) -> House {
        let cache = Arc::new(Cache::new(1 << 20));
        let rest =
            Rest::open(Arc::clone(&storage), DATABASE, Arc::clone(&cache)).expect("memory does not fail");
        let mut newer = Novelty::new();
        let (basis, mut next) = (rest.basis(), None);
        let log = Log::open(Arc::clone(&storage), DATABASE, &rest, &mut |batch| {
            for tx in batch.txs.iter().filter(|tx| basis.is_none_or(|basis| tx.t > basis)) {
                newer = newer.with(tx);
            }
            next = batch.txs.last().map_or(next, |tx| Some(tx.t + 1));
            Ok(())
        });
        let log = log.expect("memory does not fail");
        let end = self.txs.last().map_or(0, |tx| tx.t + 1);
        assert_eq!(log.next_t(), end, "every acknowledged transaction is there");
        House { storage, cache, log, rest, novelty: newer, ..self }
    }

    /// The log as a database shows it: without what was removed for ever, and without history that is not kept.
    fn visible(&self) -> Vec<LoggedTx> {
        let gone = |fact: &Fact, from: T, forgotten: &BTreeSet<(Fact, T)>| {
            let excised =
                |one: &Excision| fact.2.with_ref(&mut Vec::new(), |v| one.takes(fact.0, fact.1, v, from));
            self.excisions.iter().any(excised) || forgotten.contains(&(fact.clone(), from))
        };
        let datoms = || self.txs.iter().flat_map(|tx| tx.datoms.iter().map(|datom| (tx.t, datom)));
        let forgotten = datoms().filter_map(|(_, datom)| match datom.op {
            Op::Retract { from, forget: true } => Some(((datom.e, datom.a, datom.v.clone()), from)),
            _ => None,
        });
        let forgotten: BTreeSet<(Fact, T)> = forgotten.collect();
        let mut log = self.txs.clone();
        for tx in &mut log {
            let t = tx.t;
            tx.datoms.retain(|datom| {
                let from = if let Op::Retract { from, .. } = datom.op { from } else { t };
                !gone(&(datom.e, datom.a, datom.v.clone()), from, &forgotten)
            });
        }
        log
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot::over(self.rest.clone(), self.novelty.clone())
    }

    /// Holds the trees against the model.
    fn check(&self) {
        let Some(inner) = &self.rest.inner else { return };
        let (root, nodes) = (&inner.root, &inner.nodes);
        let settled = self.txs.iter().filter(|tx| root.basis.is_some_and(|basis| tx.t <= basis));
        let (open, closed) = replay(&settled.cloned().collect::<Vec<_>>(), &root.excisions);
        let short = |rows: &BTreeSet<Row>| -> BTreeSet<Row> {
            rows.iter().filter(|((_, _, v), ..)| is_short(v)).cloned().collect()
        };
        for order in Order::ALL {
            let mut found = BTreeSet::new();
            for (place, tier) in root.tiers[order as usize].iter().enumerate() {
                assert!(place > 0 || tier.dead.rows == 0, "{order:?}: no tombstones in the oldest tier");
                assert!(tier.open.rows + tier.dead.rows > 0, "{order:?}: no empty tier");
                for row in rows_of(nodes, &tier.dead, order, Shape::Open) {
                    assert!(found.remove(&row), "{order:?}: a tombstone has its target below: {row:?}");
                }
                for row in rows_of(nodes, &tier.open, order, Shape::Open) {
                    assert!(found.insert(row.clone()), "{order:?}: a row is there once: {row:?}");
                }
            }
            assert!(root.tiers[order as usize].len() <= self.settings.most_tiers);
            let limit = self.settings.generation_rows.max(closed.len() as u64 / 16);
            let mut past = BTreeSet::new();
            let mut last = 0;
            for generation in &root.generations {
                assert!(
                    last < generation.first || generation.first == 0,
                    "by closing time, one after another"
                );
                last = generation.last;
                let rows = generation.closed[order as usize].rows;
                assert!(
                    rows <= limit || !self.excisions.is_empty() || generation.first == last,
                    "{rows} rows"
                );
                for row in rows_of(nodes, &generation.closed[order as usize], order, Shape::Closed) {
                    assert!((generation.first..=generation.last).contains(&row.2.unwrap_or(0)), "{row:?}");
                    assert!(past.insert(row));
                }
            }
            for ((_, a, v), ..) in found.iter().chain(&past) {
                let note = root.note(a.0).expect("every attribute with facts is noted");
                let types = if is_short(v) { note.tags } else { note.long };
                assert!(types & 1 << v.tag() as u16 != 0, "{a:?} has a {:?}", v.tag());
            }
            let want = |rows: &BTreeSet<Row>| if order == Order::Avet { short(rows) } else { rows.clone() };
            assert_eq!(found, want(&open), "{order:?}, open");
            assert_eq!(past, want(&closed), "{order:?}, closed");
        }
    }
}

/// History of this attribute is not kept.
const FORGETFUL: AttrId = AttrId(7);

/// The rows of a tree, which are checked to be sorted throughout.
fn rows_of(nodes: &Nodes, tree: &Tree, order: Order, shape: Shape) -> Vec<Row> {
    let mut walk = Walk::new(nodes, tree, &Bounds::all()).expect("memory does not fail");
    let (mut rows, mut before): (Vec<Row>, Option<Run>) = (Vec::new(), None);
    while let Some(stop) = walk.next().expect("memory does not fail") {
        let run = nodes.leaf_uncached(&stop.entry, order, shape).expect("memory does not fail");
        assert!(before.is_none_or(|before| before.compare(before.len() - 1, &run, 0).is_lt()));
        for row in 0..run.len() {
            let fact = (EntityId(run.rows.e[row]), AttrId(run.rows.a[row]), run.value(row).to_value());
            rows.push((fact, run.rows.from[row], run.rows.to.get(row).copied()));
        }
        before = Some(run);
    }
    assert_eq!(rows.len() as u64, tree.rows);
    rows
}

fn entity(n: u64) -> EntityId {
    EntityId::new(Partition::USER, n)
}
