//! Random histories of which a part is at rest, by hand and by jobs.

use std::ops::ControlFlow;
use std::sync::Arc;

use proptest::prelude::*;

use super::super::window::window;
use super::super::{Snapshot, View};
use super::model::{Ask, AskValue, Fact, check, check_sample, check_seeks, collect, log_of};
use super::{ask, entity, fact, long_history, steps, take_in, view};
use crate::Error;
use crate::backend::{DatabaseId, MemoryStorage, Storage};
use crate::cache::Cache;
use crate::datom::{AttrId, EntityId, Order, Partition, Pattern, T, Value};
use crate::index::{Job, Settings};
use crate::log::{Log, LogBatch, LogDatom, LoggedTx, Op};
use crate::novelty::Novelty;
use crate::rest::by_hand::{Plan, at_rest, cache_stats};
use crate::rest::{ROOT_HINT, Rest};

fn plan(last: T) -> impl Strategy<Value = Plan> {
    let ends = move || prop::collection::vec(1..last.max(2), 0..4);
    let leaf_bytes = prop::sample::select(vec![60, 150, 400, 2_000]);
    let cache_bytes = prop::sample::select(vec![0, 4_000, 1 << 24]);
    (leaf_bytes, cache_bytes, [ends(), ends(), ends()], ends()).prop_map(
        |(leaf_bytes, cache_bytes, tiers, generations)| Plan { leaf_bytes, cache_bytes, tiers, generations },
    )
}

/// What of a log is at rest, and the rest as novelty.
pub(super) fn split(log: &[LoggedTx], at: usize, plan: &Plan, pieces: &[usize]) -> Snapshot {
    let (rest, novelty) = log.split_at(at.min(log.len()));
    Snapshot::over(at_rest(rest, plan), take_in(novelty, pieces))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn what_is_at_rest_equals_replay(
        steps in steps(),
        at in 0..25_usize,
        plan in plan(24),
        pieces in prop::collection::vec(1..9_usize, 1..4),
        questions in prop::collection::vec((view(), ask()), 12),
        start in fact(),
    ) {
        let log = log_of(steps);
        let snapshot = split(&log, at, &plan, &pieces);
        for (_, ask) in &questions {
            check(&snapshot, &log, &View::default(), ask);
            check_sample(&snapshot, &log, &View::default(), ask);
        }
        let read = cache_stats(snapshot.rest());
        prop_assert_eq!(read.history_leaves_read, 0, "the present reads no history");
        for (view, ask) in &questions {
            check(&snapshot, &log, view, ask);
            check_sample(&snapshot, &log, view, ask);
        }
        check_seeks(&snapshot, &log, &View::default(), &start);
        check_seeks(&snapshot, &log, &questions[0].0, &start);
    }
}

/// Facts of few groups: many values of one attribute of an entity, many entities with one value.
fn crowded() -> impl Strategy<Value = Fact> {
    let many_values = (0..2_u8, 0..24_i64).prop_map(|(e, n)| (entity(e), AttrId(6), Value::Long(n)));
    let long_values =
        (0..2_u8, 0..9_u8).prop_map(|(e, n)| (entity(e), AttrId(2), Value::string(format!("v\0{n}"))));
    let many_entities = (0..24_u8, 0..2_i64).prop_map(|(e, n)| (entity(e), AttrId(1), Value::Long(n)));
    prop_oneof![many_values, long_values, many_entities]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn groups_that_go_over_pages_equal_replay(
        steps in prop::collection::vec(prop::collection::vec(crowded(), 0..24), 4..16),
        at in 4..16_usize,
        plan in plan(16),
        moments in prop::collection::vec((0..17_u64, any::<bool>()), 4),
        which in crowded(),
    ) {
        let log = log_of(steps);
        let snapshot = split(&log, at, &plan, &[3]);
        let (e, a, v) = which;
        let asks = [
            Ask::default(),
            Ask { a: Some(a), ..Ask::default() },
            Ask { e: Some(e), a: Some(a), ..Ask::default() },
            Ask { a: Some(a), v: AskValue::Is(v.clone()), ..Ask::default() },
        ];
        for (t, history) in moments {
            let view = View { as_of: Some(t), since: None, history };
            asks.iter().for_each(|ask| check(&snapshot, &log, &view, ask));
            check_seeks(&snapshot, &log, &view, &(e, a, v.clone()));
        }
    }
}

/// One group over many leaves: it is entered where its rows begin to be wanted.
#[test]
fn a_counter_is_read_as_of_every_moment() {
    let fact = |n: i64, op: Op| LogDatom { e: entity(1), a: AttrId(1), v: Value::Long(n % 7), op };
    let log: Vec<LoggedTx> = (1..300)
        .map(|t| {
            let retract = fact(t - 1, Op::Retract { from: t as T - 1, forget: false });
            let datoms = [retract, fact(t, Op::Assert)].into_iter().skip(usize::from(t == 1)).collect();
            LoggedTx { t: t as T, instant: 0, datoms }
        })
        .collect();
    for leaf_bytes in [100, 150, 250] {
        let plan = Plan { generations: vec![50, 120], ..Plan::plain(leaf_bytes, 1 << 24) };
        let snapshot = split(&log, 250, &plan, &[10]);
        for t in 1..300 {
            let view = View { as_of: Some(t), ..View::default() };
            let ask = Ask { e: Some(entity(1)), a: Some(AttrId(1)), ..Ask::default() };
            let got = ask.with(|pattern| collect(|sink| snapshot.scan(&view, pattern, sink)));
            let values: Vec<Value> = got.into_iter().map(|datom| datom.v).collect();
            assert_eq!(values, [Value::Long(t as i64 % 7)], "as of {t}, leaves of {leaf_bytes}");
        }
    }
}

const DATABASE: DatabaseId = DatabaseId(0x0a11 << 112);

/// What jobs leave of a log that is put to rest after some of its transactions.
struct House {
    storage: Arc<dyn Storage>,
    rest: Rest,
    novelty: Novelty,
}

impl House {
    fn of(log: &[LoggedTx], settled: &[usize], settings: Settings, cache_bytes: usize) -> House {
        let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
        let mut written =
            Log::open(Arc::clone(&storage), DATABASE, &Rest::none(), &mut |_| Ok(())).expect("an empty log");
        let mut house = House { storage, rest: Rest::none(), novelty: Novelty::new() };
        let cache = Arc::new(Cache::new(cache_bytes));
        for (at, tx) in log.iter().enumerate() {
            let seq = written.next_seq();
            let batch =
                LogBatch { seq, epoch: 1, id: u128::from(seq), next: Vec::new(), txs: vec![tx.clone()] };
            written.append(&batch).expect("memory does not fail");
            house.novelty = house.novelty.with(tx);
            if settled.contains(&at) {
                house.settle(&written, at as u64, settings, &cache);
            }
        }
        house
    }

    fn settle(&mut self, log: &Log, job: u64, settings: Settings, cache: &Arc<Cache>) {
        let novelty = self.novelty.sealed();
        let job = Job {
            storage: &self.storage,
            lineage: DATABASE.into(),
            cache,
            rest: &self.rest,
            novelty: &novelty,
            log: &log.reader(),
            epoch: 1,
            job,
            now: 0,
            settings,
            excise: &[],
        };
        self.rest = job.run().expect("memory does not fail").rest;
        self.novelty = novelty.after(self.rest.basis().expect("transactions are at rest"));
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot::over(self.rest.clone(), self.novelty.clone())
    }

    fn reopened(&self) -> Rest {
        let cache = Arc::new(Cache::new(1 << 20));
        Rest::open(Arc::clone(&self.storage), DATABASE, cache).expect("memory does not fail")
    }
}

fn tiny(leaf_bytes: usize) -> Settings {
    Settings {
        rewrite_bound: 3,
        most_tiers: 3,
        generation_rows: 12,
        leaf_bytes: Some(leaf_bytes),
        threads_from: 60,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_jobs_put_to_rest_equals_replay(
        steps in steps(),
        settled in prop::collection::vec(0..24_usize, 1..6),
        leaf_bytes in prop::sample::select(vec![200, 500, 2_000]),
        cache_bytes in prop::sample::select(vec![0, 4_000, 1 << 24]),
        questions in prop::collection::vec((view(), ask()), 12),
        start in fact(),
    ) {
        let log = log_of(steps);
        let house = House::of(&log, &settled, tiny(leaf_bytes), cache_bytes);
        let reopened = Snapshot::over(house.reopened(), house.novelty.clone());
        for snapshot in [house.snapshot(), reopened] {
            for (view, ask) in &questions {
                check(&snapshot, &log, &View::default(), ask);
                check(&snapshot, &log, view, ask);
                check_sample(&snapshot, &log, view, ask);
            }
            check_seeks(&snapshot, &log, &questions[0].0, &start);
        }
    }
}

#[test]
fn the_newest_root_is_found_whatever_the_hint_says() {
    let log = log_of(vec![Vec::new(); 40]);
    // More roots than are read at once.
    let house = House::of(&log, &(0..40).collect::<Vec<_>>(), tiny(500), 0);
    assert_eq!(house.reopened().basis(), Some(40));
    for hint in [0, 7, 39, 40, 1_000, u64::MAX] {
        house.storage.set_hint(DATABASE, ROOT_HINT, &hint_bytes(hint)).expect("memory does not fail");
        assert_eq!(house.reopened().basis(), Some(40), "hint {hint}");
    }
    house.storage.set_hint(DATABASE, ROOT_HINT, b"nonsense!").expect("memory does not fail");
    assert_eq!(house.reopened().basis(), Some(40));
    let none: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
    let rest = Rest::open(none, DATABASE, Arc::new(Cache::new(0))).expect("memory does not fail");
    assert_eq!(rest.basis(), None);
}

fn hint_bytes(revision: u64) -> [u8; 8] {
    revision.to_be_bytes()
}

#[test]
fn what_came_lately_is_read_from_the_log() {
    let log = long_history(60, 100);
    let house =
        House::of(&log, &[20, 54], Settings { leaf_bytes: Some(1_000), ..Settings::default() }, 1 << 24);
    let snapshot = house.snapshot();
    let since = |t| View { since: Some(t), ..View::default() };
    let is_window =
        |view: &View| window(&snapshot, view, &Pattern::ALL).expect("memory does not fail").is_some();
    assert!(is_window(&since(53)), "few datoms beside all");
    assert!(is_window(&since(50)));
    assert!(!is_window(&since(2)), "nearly all datoms");
    assert!(!is_window(&since(55)), "nothing of it is at rest");
    assert!(!is_window(&View::default()));
    let read = cache_stats(snapshot.rest());
    for view in [since(52), View { history: true, ..since(51) }, View { as_of: Some(53), ..since(50) }] {
        check(&snapshot, &log, &view, &Ask::default());
    }
    let now = cache_stats(snapshot.rest());
    assert_eq!((now.leaves_read, now.history_leaves_read), (read.leaves_read, read.history_leaves_read));
}

#[test]
fn a_leaf_that_is_lost_fails_the_scans_that_need_it_and_no_other() {
    let log = long_history(40, 100);
    let house = House::of(&log, &[30], tiny(500), 0);
    let snapshot = house.snapshot();
    let scan = |view: &View, e: u64| {
        let pattern = Pattern::entity(EntityId::new(Partition::USER, e));
        snapshot.scan(view, &pattern, &mut |_| ControlFlow::Continue(()))
    };
    let past = View { as_of: Some(3), ..View::default() };
    assert!(scan(&View::default(), 5).is_ok() && scan(&past, 5).is_ok());
    let segments = house.storage.list_segments(DATABASE, None, usize::MAX).expect("memory does not fail");
    house.storage.delete_segments(&segments).expect("memory does not fail");
    for view in [View::default(), past, View { history: true, ..View::default() }] {
        assert!(matches!(scan(&view, 5), Err(Error::Expired { .. })), "{view:?}");
        let ordered =
            snapshot.scan_ordered(&view, Order::Avet, &Pattern::ALL, &mut |_| ControlFlow::Continue(()));
        assert!(matches!(ordered, Err(Error::Expired { .. })), "{view:?}");
    }
    let newest = View { since: Some(35), ..View::default() };
    assert!(matches!(scan(&newest, 5), Err(Error::Expired { .. })));
}
