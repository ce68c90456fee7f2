//! A damaged file: every byte flipped in turn, and the file cut at every length.
//!
//! Whatever is flipped or cut, reading everything gives the right answer or an error that names a place; never a
//! panic, never another answer.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use annals_storage::Result;
use annals_storage::backend::redb::{Options, RedbStorage};
use annals_storage::backend::{Catalog, DatabaseId, Storage};
use annals_storage::cache::Cache;
use annals_storage::datom::{AttrId, EntityId, Order, Partition, Pattern, Value};
use annals_storage::index::{Job, Settings};
use annals_storage::log::{Appended, Log, LogBatch, LogDatom, LoggedTx, Op};
use annals_storage::novelty::Novelty;
use annals_storage::rest::Rest;
use annals_storage::snapshot::{Snapshot, View};

const THREADS: usize = 2;
const DATABASE: DatabaseId = DatabaseId(0xab << 100 | 7);

/// A small file with a history in it, closed.
fn sound_file() -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("small.annals");
    let storage: Arc<dyn Storage> = Arc::new(RedbStorage::open(&path).expect("a new file"));
    Catalog::open(Arc::clone(&storage)).expect("a catalog").create("main", DATABASE).expect("created");
    let cache = Arc::new(Cache::new(1 << 20));
    let mut rest = Rest::none();
    let mut log = Log::open(Arc::clone(&storage), DATABASE, &rest, &mut |_| Ok(())).expect("a log");
    let mut novelty = Novelty::new();
    for t in 1..=9 {
        let batch = LogBatch {
            seq: log.next_seq(),
            epoch: 1,
            id: t.into(),
            next: vec![(Partition::USER, t)],
            txs: vec![tx(t)],
        };
        assert!(matches!(log.append(&batch).expect("appended"), Appended::Done));
        novelty = novelty.with(&tx(t)).sealed();
        if t % 3 == 0 && t < 9 {
            // Two tiers, a generation, a packed log; the last transactions are in slots only.
            let job = Job {
                storage: &storage,
                lineage: DATABASE.into(),
                cache: &cache,
                rest: &rest,
                novelty: &novelty,
                log: &log.reader(),
                epoch: 1,
                job: t,
                now: 0,
                settings: Settings { rewrite_bound: 0, ..Settings::default() },
                excise: &[],
            };
            rest = job.run().expect("a job").rest;
            log.reader().rebase(&rest);
            novelty = novelty.after(t);
        }
    }
    drop((log, novelty, rest, cache, storage));
    std::fs::read(&path).expect("the file")
}

/// Each transaction asserts two facts and closes one of the transaction before.
fn tx(t: u64) -> LoggedTx {
    let fact = |t: u64, op| LogDatom {
        e: EntityId::new(Partition::USER, t % 3),
        a: AttrId(72),
        v: Value::String(format!("text number {t}").into()),
        op,
    };
    let number = LogDatom {
        e: EntityId::new(Partition::USER, t),
        a: AttrId(73),
        v: Value::Long(t as i64 * 1000),
        op: Op::Assert,
    };
    let mut datoms = vec![fact(t, Op::Assert), number];
    if t > 1 {
        datoms.push(fact(t - 1, Op::Retract { from: t - 1, forget: false }));
    }
    LoggedTx { t, instant: t as i64 * 1_000_000, datoms }
}

/// Everything the file says: databases, the log, and every index under several views.
fn everything(image: &[u8]) -> Result<Vec<String>> {
    let storage: Arc<dyn Storage> = Arc::new(RedbStorage::from_image(
        image,
        &Options { create: !image.is_empty(), cache_bytes: 1 << 20, verify: false },
    )?);
    let mut said: Vec<String> = Vec::new();
    let databases = Catalog::open(Arc::clone(&storage))?.list()?;
    said.extend(databases.iter().map(|(name, id)| format!("{name} {id}")));
    for (_, id) in databases {
        let rest = Rest::open(Arc::clone(&storage), id, Arc::new(Cache::new(1 << 20)))?;
        let mut bulk = rest.basis().map_or_else(Novelty::new, Novelty::above).bulk();
        let log = Log::open(Arc::clone(&storage), id, &rest, &mut |batch| {
            batch.txs.iter().filter(|tx| Some(tx.t) > rest.basis()).for_each(|tx| bulk.push(tx));
            Ok(())
        })?;
        log.reader().read(0..u64::MAX, &mut |tx| {
            said.push(format!("{tx:?}"));
            true
        })?;
        let snapshot = Snapshot::over(rest, bulk.finish());
        let views = [
            View::default(),
            View { history: true, ..View::default() },
            View { as_of: Some(3), ..View::default() },
        ];
        for (view, order) in views.into_iter().flat_map(|view| Order::ALL.map(|order| (view, order))) {
            snapshot.scan_ordered(&view, order, &Pattern::ALL, &mut |batch| {
                said.extend((0..batch.len).map(|row| format!("{order:?} {:?}", batch.datom(row))));
                ControlFlow::Continue(())
            })?;
        }
    }
    Ok(said)
}

/// Reads a damaged image; says what is wrong with how that ended.
fn judged(image: &[u8], sound: &[String]) -> Option<String> {
    match catch_unwind(AssertUnwindSafe(|| everything(image))) {
        Err(_) => Some("it panicked".into()),
        Ok(Ok(said)) if said == sound => None,
        Ok(Ok(said)) => {
            Some(format!("it gave another answer, of {} lines instead of {}", said.len(), sound.len()))
        }
        Ok(Err(error)) => {
            let message = error.to_string();
            let placed = ["slot", "segment", "file", "catalog"].iter().any(|place| message.contains(place));
            (!placed).then(|| format!("the error names no place: {message}"))
        }
    }
}

/// Damages an image in the `number`th way: all bytes flipped in turn, then all lengths it can be cut to.
fn damaged(file: &[u8], number: usize) -> (String, Vec<u8>) {
    let length = file.len();
    let mut image = file.to_vec();
    if number < length {
        // One bit or all eight, so that small and large steps of a number are both met.
        let mask = if number.is_multiple_of(3) { 0xff } else { 1 << (number % 8) };
        image[number] ^= mask;
        return (format!("byte {number} of {length} flipped by {mask:02x}"), image);
    }
    image.truncate(number - length);
    (format!("cut to {} of {length} bytes", number - length), image)
}

#[test]
fn every_flipped_byte_and_every_cut_is_survived() {
    let file = sound_file();
    let sound = everything(&file).expect("a sound file");
    assert!(sound.len() > 100, "there is something to lose");
    // redb panics on some of these; the engine catches and reports it, and nobody needs to see each.
    std::panic::set_hook(Box::new(|_| {}));
    let share = &|part: usize| -> Vec<String> {
        let numbers = (0..2 * file.len()).filter(|number| number % THREADS == part);
        let judge = |number| {
            let (damage, image) = damaged(&file, number);
            judged(&image, &sound).map(|what| format!("{damage}: {what}"))
        };
        numbers.filter_map(judge).collect()
    };
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let shares: Vec<_> = (0..THREADS).map(|part| scope.spawn(move || share(part))).collect();
        shares.into_iter().flat_map(|share| share.join().expect("panics are caught")).collect()
    });
    drop(std::panic::take_hook());
    assert!(
        wrong.is_empty(),
        "{} outcomes are wrong:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(40)].join("\n")
    );
}
