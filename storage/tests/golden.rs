//! A whole file that an older build wrote, kept for ever: it must be opened, read under every view, and continued.
//!
//! The file is `golden/file-1.redb.gz`: a small database with several tiers, tombstones, history, facts without
//! history, a removed entity, packed and unpacked log. `ANNALS_BLESS=1` writes it if it is missing; one that is there
//! is never written again.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use annals_storage::backend::{Catalog, DatabaseId, RedbStorage, Sequence, Storage};
use annals_storage::cache::Cache;
use annals_storage::datom::{AttrId, Datom, EntityId, Partition, Pattern, T, Value};
use annals_storage::index::{Job, Settings, Verify};
use annals_storage::log::{Appended, Log, LogBatch, LogDatom, LoggedTx, Op};
use annals_storage::novelty::Novelty;
use annals_storage::rest::Rest;
use annals_storage::root::Excision;
use annals_storage::snapshot::{Snapshot, View};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

const DATABASE: DatabaseId = DatabaseId(0x0b5e_55ed_0000_0000_0000_0000_0000_0001);
/// The last transaction in the file.
const LAST: T = 48;
/// After these, an index job ran.
const JOBS: [T; 4] = [10, 20, 30, 42];
/// Of this attribute no history is kept.
const FORGETFUL: u32 = 75;

/// What the file holds, and what is never changed here: transactions that assert, change and retract.
fn transactions() -> Vec<LoggedTx> {
    let mut holding: Vec<(LogDatom, T)> = Vec::new();
    let mut random = 7_u64;
    let mut draw = |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    let mut transactions = Vec::new();
    for t in 1..=LAST {
        let instant = 1_700_000_000_000_000 + t as i64 * 1_000_000;
        let of_time = fact(EntityId::of_t(t), 50, Value::Instant(instant));
        let mut datoms = vec![of_time];
        for _ in 0..12 {
            let (n, a) = (draw(40), 70 + draw(6) as u32);
            let new = fact(entity(n), a, value(a, draw(12)));
            if datoms.iter().any(|datom| datom.e == new.e && datom.a == new.a) {
                continue;
            }
            if let Some(at) = holding.iter().position(|(old, _)| old.e == new.e && old.a == new.a) {
                let (old, from) = holding.swap_remove(at);
                let same = old.v == new.v;
                datoms.push(LogDatom { op: Op::Retract { from, forget: a == FORGETFUL }, ..old });
                if same {
                    continue;
                }
            }
            holding.push((new.clone(), t));
            datoms.push(new);
        }
        transactions.push(LoggedTx { t, instant, datoms });
    }
    transactions
}

fn entity(n: u64) -> EntityId {
    EntityId::new(Partition::USER, 1000 + n)
}

fn fact(e: EntityId, a: u32, v: Value) -> LogDatom {
    LogDatom { e, a: AttrId(a), v, op: Op::Assert }
}

fn value(a: u32, n: u64) -> Value {
    match a {
        70 => Value::string(format!("person {n}")),
        71 => Value::Long(n as i64 * 1000 - 5000),
        72 => Value::Double(n as f64 / 8.0),
        73 => Value::Ref(entity(n)),
        // Every other is too long for AVET.
        74 => Value::string("long ".repeat(40 + 30 * (n as usize % 2)) + &n.to_string()),
        _ => Value::keyword(["state/open", "state/done", "state/sent"][n as usize % 3]),
    }
}

/// The third job removed an entity for ever, with what refers to it.
fn excision() -> Excision {
    Excision { t: 25, entities: vec![entity(3)], attributes: vec![], references: true, before: 25 }
}

/// The transactions as they are after that.
fn remaining() -> Vec<LoggedTx> {
    let goes = |t: T, datom: &LogDatom| {
        let from = if let Op::Retract { from, .. } = datom.op { from } else { t };
        datom.v.with_ref(&mut Vec::new(), |v| excision().takes(datom.e, datom.a, v, from))
    };
    let mut transactions = transactions();
    for LoggedTx { t, datoms, .. } in &mut transactions {
        datoms.retain(|datom| !goes(*t, datom));
    }
    transactions
}

/// The transactions without the facts that were forgotten, which leave no trace in any view.
fn remembered(transactions: &[LoggedTx]) -> Vec<LoggedTx> {
    let forgets = |datom: &LogDatom| match datom.op {
        Op::Retract { from, forget: true } => Some((datom.e, datom.a, datom.v.clone(), from)),
        _ => None,
    };
    let forgotten: BTreeSet<_> =
        transactions.iter().flat_map(|tx| tx.datoms.iter().filter_map(forgets)).collect();
    let mut transactions = transactions.to_vec();
    for LoggedTx { t, datoms, .. } in &mut transactions {
        let key = |datom: &LogDatom| {
            let from = if let Op::Retract { from, .. } = datom.op { from } else { *t };
            (datom.e, datom.a, datom.v.clone(), from)
        };
        datoms.retain(|datom| !forgotten.contains(&key(datom)));
    }
    transactions
}

/// What a view shows, by walking the log.
fn replay(log: &[LoggedTx], view: &View) -> BTreeSet<Datom> {
    let moment = view.as_of.unwrap_or(T::MAX);
    let mut shown = BTreeSet::new();
    for tx in log.iter().filter(|tx| tx.t <= moment) {
        for LogDatom { e, a, v, op } in &tx.datoms {
            let datom = |t, added| Datom { e: *e, a: *a, v: v.clone(), tx: EntityId::of_t(t), added };
            match op {
                Op::Retract { from, .. } if !view.history => shown.remove(&datom(*from, true)),
                op => shown.insert(datom(tx.t, *op == Op::Assert)),
            };
        }
    }
    shown
}

struct Database {
    storage: Arc<dyn Storage>,
    cache: Arc<Cache>,
    rest: Rest,
    log: Log,
    novelty: Novelty,
}

impl Database {
    fn open(path: &Path) -> Database {
        let storage: Arc<dyn Storage> = Arc::new(RedbStorage::open(path).expect("a storage file"));
        let mut catalog = Catalog::open(Arc::clone(&storage)).expect("a catalog");
        catalog.create("people", DATABASE).expect("a good name");
        assert_eq!(catalog.find("people").expect("a catalog"), Some(DATABASE));
        let cache = Arc::new(Cache::new(1 << 20));
        let rest = Rest::open(Arc::clone(&storage), DATABASE, Arc::clone(&cache)).expect("a sound root");
        let mut novelty = Novelty::new();
        let log = Log::open(Arc::clone(&storage), DATABASE, &rest, &mut |batch| {
            for tx in batch.txs.iter().filter(|tx| rest.basis().is_none_or(|basis| tx.t > basis)) {
                novelty = novelty.with(tx);
            }
            Ok(())
        });
        Database { storage, cache, rest, log: log.expect("a sound log"), novelty }
    }

    fn append(&mut self, tx: LoggedTx) {
        let seq = self.log.next_seq();
        self.novelty = self.novelty.with(&tx);
        let next = vec![(Partition::USER, 1040)];
        let batch = LogBatch { seq, epoch: 1, id: seq.into(), next, txs: vec![tx] };
        assert!(matches!(self.log.append(&batch), Ok(Appended::Done)));
    }

    fn job(&mut self, job: u64, excise: &[Excision]) {
        let novelty = self.novelty.sealed();
        let done = Job {
            storage: &self.storage,
            lineage: DATABASE.into(),
            cache: &self.cache,
            rest: &self.rest,
            novelty: &novelty,
            log: &self.log.reader(),
            epoch: 1,
            job,
            now: 1_700_000_100_000_000,
            settings: Settings {
                leaf_bytes: Some(1000),
                generation_rows: 40,
                rewrite_bound: 1,
                most_tiers: 4,
                ..Settings::default()
            },
            excise,
        };
        self.rest = done.run().expect("a job").rest;
        self.novelty = novelty.after(self.rest.basis().expect("facts at rest"));
    }

    /// Holds every view, the log and the whole structure against the transactions.
    fn check(&self, transactions: &[LoggedTx]) {
        let snapshot = Snapshot::over(self.rest.clone(), self.novelty.clone());
        let moments = (0..=LAST).map(|t| View { as_of: Some(t), ..View::default() });
        let now = [View::default(), View { history: true, ..View::default() }];
        for view in moments.chain(now) {
            let mut shown = BTreeSet::new();
            let scan = snapshot.scan(&view, &Pattern::ALL, &mut |batch| {
                shown.extend((0..batch.len).map(|row| batch.datom(row)));
                ControlFlow::Continue(())
            });
            scan.expect("a sound file");
            assert_eq!(shown, replay(&remembered(transactions), &view), "{view:?}");
        }
        let mut logged = Vec::new();
        let read = self.log.reader().read(0..T::MAX, &mut |tx| {
            logged.push(tx);
            true
        });
        read.expect("a sound log");
        assert_eq!(logged, transactions);
        let verify = Verify { storage: &self.storage, lineage: DATABASE.into(), most_problems: 10 };
        let report = verify.run(&mut |_| {}).expect("the file can be read");
        assert!(report.is_clean(), "{:?}", report.problems);
        assert!(report.tombstones > 0 && report.closed > 0, "there is something of everything");
        let slots = self.storage.read_slots(Sequence::Log(DATABASE), 0, 1).expect("a sound file");
        assert!(slots.is_empty(), "what is packed left its slots");
    }
}

/// What this build makes of the transactions.
fn write(path: &Path) -> Database {
    let mut database = Database::open(path);
    for tx in transactions() {
        let t = tx.t;
        database.append(tx);
        if let Some(place) = JOBS.iter().position(|job| *job == t) {
            let excise = if place == 2 { vec![excision()] } else { vec![] };
            database.job(0x9e37_79b9 << 16 | place as u64, &excise);
        }
    }
    database
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/file-1.redb.gz")
}

#[expect(clippy::disallowed_methods, reason = "whoever runs the tests says so this way")]
fn is_to_be_blessed() -> bool {
    std::env::var_os("ANNALS_BLESS").is_some() && !golden().exists()
}

fn bless() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("file.redb");
    drop(write(&path));
    let mut packed =
        GzEncoder::new(fs::File::create(golden()).expect("the folder is there"), Compression::best());
    packed.write_all(&fs::read(&path).expect("it was written")).expect("room on disk");
    packed.finish().expect("room on disk");
}

#[test]
fn a_file_of_an_older_build_is_read_and_continued() {
    if is_to_be_blessed() {
        bless();
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("file.redb");
    let mut bytes = Vec::new();
    let packed = fs::File::open(golden()).expect("the golden file");
    GzDecoder::new(packed).read_to_end(&mut bytes).expect("a packed file");
    fs::write(&path, bytes).expect("room on disk");

    let mut database = Database::open(&path);
    database.check(&remaining());
    let more = fact(entity(99), 70, Value::string("new"));
    let tx = LoggedTx { t: LAST + 1, instant: 1_800_000_000_000_000, datoms: vec![more] };
    database.append(tx.clone());
    database.job(1, &[]);
    let all = [remaining(), vec![tx]].concat();
    database.check(&all);
    drop(database);
    Database::open(&path).check(&all);
}

#[test]
fn what_this_build_writes_reads_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("file.redb");
    write(&path).check(&remaining());
    Database::open(&path).check(&remaining());
}
