//! The packed log's promises: packed at any moments and read in any way it is the log that it was; what is damaged is
//! found and named; and it is found again without a root.

use std::ops::Range;
use std::sync::Arc;

use proptest::prelude::*;

use super::pack::Packed;
use super::recover::recover;
use super::segment::Segment;
use super::*;
use crate::backend::{DatabaseId, Filled, MemoryStorage, SegmentId, Sequence, Storage};
use crate::cache::Cache;
use crate::datom::{AttrId, EntityId, Partition, T, Value};
use crate::error::{Error, Result};
use crate::log::proofs::any_batch;
use crate::log::{Appended, Chain, Log, LogBatch, LogDatom, LogReader, LoggedTx, Op};
use crate::rest::Rest;
use crate::root::{Excision, Root};
use crate::tree::Entry;
use crate::tree::key::Bounds;
use crate::tree::nodes::Nodes;
use crate::tree::walk::Walk;
use crate::tree::writer::Writer;

const DATABASE: DatabaseId = DatabaseId(0xfeed << 112 | 1);
const LOG: Sequence = Sequence::Log(DATABASE);
/// Small, so that batches lie in many segments and segments in several directories.
const SMALL: usize = 300;

/// A database of which there is only a log.
struct Place {
    storage: MemoryStorage,
    log: Log,
    root: Root,
    jobs: u64,
    /// What was appended, and the frames it became.
    batches: Vec<LogBatch>,
    frames: Vec<Vec<u8>>,
}

impl Place {
    fn new() -> Place {
        let storage = MemoryStorage::new();
        let log = open(&storage).expect("an empty log").0;
        let (root, batches, frames) = (Root::empty(DATABASE), Vec::new(), Vec::new());
        Place { storage, log, root, jobs: 0, batches, frames }
    }

    /// With batches of so many transactions; none makes a fence.
    fn filled(counts: impl IntoIterator<Item = u64>) -> Place {
        let mut place = Place::new();
        for count in counts {
            place.append(batch(place.log.next_t(), count));
        }
        place
    }

    /// Appends a batch, with the numbers that continue the log.
    fn append(&mut self, mut batch: LogBatch) {
        batch.seq = self.log.next_seq();
        batch.txs.iter_mut().zip(self.log.next_t()..).for_each(|(tx, t)| tx.t = t);
        assert!(matches!(self.log.append(&batch), Ok(Appended::Done)));
        self.frames.extend(self.storage.read_slots(LOG, batch.seq, 1).expect("slots"));
        self.batches.push(batch);
    }

    fn nodes(&self) -> Nodes {
        nodes(&self.storage)
    }

    fn pack(&mut self, through: Option<T>, excise: &[Excision], segment_bytes: usize) -> Result<Packed> {
        self.jobs += 1;
        let mut out = Writer::new(&self.storage, DATABASE, 1, self.jobs);
        let packed = pack(&self.nodes(), &self.root, through, excise, segment_bytes, &mut out)?;
        out.flush()?;
        Ok(packed)
    }

    fn recover(&mut self) -> Packed {
        self.jobs += 1;
        let mut out = Writer::new(&self.storage, DATABASE, 9, self.jobs);
        let found = recover(&self.nodes(), SMALL, &mut out).expect("a sound log");
        out.flush().expect("written");
        found
    }

    /// Packs and publishes a root, as a job does.
    fn publish(&mut self, through: T, excise: &[Excision], segment_bytes: usize) -> Rest {
        let packed = self.pack(Some(through), excise, segment_bytes).expect("a sound log");
        let root = &mut self.root;
        root.revision = root.revision.wrapping_add(1);
        (root.log, root.log_end, root.log_epoch, root.next) =
            (packed.tree, packed.end, packed.epoch, packed.next);
        root.excisions.extend_from_slice(excise);
        let frame = root.seal(DATABASE).expect("a root");
        let filled = self.storage.fill_slot(Sequence::Root(DATABASE), root.revision, &frame);
        assert_eq!(filled.expect("filled"), Filled::Done);
        self.rest()
    }

    fn rest(&self) -> Rest {
        Rest::open(Arc::new(self.storage.clone()), DATABASE, Arc::new(Cache::new(1 << 20))).expect("a root")
    }

    /// Deletes what is packed from the slots, as the storage allows.
    fn drop_slots(&self) {
        let below = self.root.log_end.seq.saturating_sub(1);
        self.storage.delete_slots(LOG, below).expect("deleted");
    }

    fn txs(&self) -> Vec<LoggedTx> {
        self.batches.iter().flat_map(|batch| batch.txs.clone()).collect()
    }

    /// The segments of the tree, in order.
    fn entries(&self) -> Vec<Entry> {
        let nodes = self.nodes();
        let mut walk = Walk::new(&nodes, &self.root.log, &Bounds::all()).expect("a tree");
        let mut entries = Vec::new();
        while let Some(stop) = walk.next().expect("a tree") {
            entries.push(stop.entry);
        }
        entries
    }
}

fn nodes(storage: &MemoryStorage) -> Nodes {
    let cache = Arc::new(Cache::new(1 << 20));
    Nodes { storage: Arc::new(storage.clone()), lineage: DATABASE.into(), cache }
}

fn open(storage: &MemoryStorage) -> Result<(Log, Vec<LogBatch>)> {
    let rest = Rest::open(Arc::new(storage.clone()), DATABASE, Arc::new(Cache::new(1 << 20)))?;
    let mut batches = Vec::new();
    let log = Log::open(Arc::new(storage.clone()), DATABASE, &rest, &mut |batch| {
        batches.push(batch);
        Ok(())
    })?;
    Ok((log, batches))
}

fn batch(first: T, count: u64) -> LogBatch {
    let tx = |t| {
        let v = Value::string(format!("value {t}"));
        let datom = LogDatom { e: EntityId::new(Partition::USER, t), a: AttrId(70), v, op: Op::Assert };
        LoggedTx { t, instant: t as i64 * 1000, datoms: vec![datom] }
    };
    let txs: Vec<_> = (first..first + count).map(tx).collect();
    LogBatch { seq: 0, epoch: first, id: first.into(), next: vec![(Partition::USER, first + count)], txs }
}

fn read_all(reader: &LogReader, range: Range<T>) -> Result<Vec<LoggedTx>> {
    let mut found = Vec::new();
    reader.read(range, &mut |tx| {
        found.push(tx);
        true
    })?;
    Ok(found)
}

/// Holds every way to read against what was appended.
fn check(place: &Place, reader: &LogReader) {
    let txs = place.txs();
    let end = txs.last().map_or(0, |tx| tx.t + 1);
    let step = (end / 7).max(1) as usize;
    for start in (0..end + 2).step_by(step) {
        for range in [start..T::MAX, start..start + 1, start..end.max(start + 3) - 1] {
            let want: Vec<_> = txs.iter().filter(|tx| range.contains(&tx.t)).cloned().collect();
            assert_eq!(read_all(reader, range.clone()).expect("a sound log"), want, "{range:?}");
        }
        let holds = |batch: &&LogBatch| batch.txs.last().is_some_and(|last| last.t >= start);
        let want = place.batches.iter().find(holds).map_or(place.batches.len() as u64, |batch| batch.seq);
        assert_eq!(reader.batch_of(start).expect("a sound log"), want, "the batch of {start}");

        let datoms: usize = txs.iter().filter(|tx| tx.t > start).map(|tx| tx.datoms.len()).sum();
        let told = reader.datoms_after(start).expect("a sound log") as usize;
        assert!(told >= datoms, "{told} datoms after {start}, there are {datoms}");
        let all: usize = txs.iter().map(|tx| tx.datoms.len()).sum();
        assert!(told <= all, "{told} datoms after {start}, there are {all} in all");
    }
    let mut chain = Chain::new(DATABASE);
    let (mut frames, count) = (Vec::new(), place.batches.len() as u64);
    while (frames.len() as u64) < count {
        let some = reader.frames(frames.len() as u64..count + 3).expect("a sound log");
        assert!(!some.is_empty(), "{} of {count} frames", frames.len());
        some.iter().for_each(|frame| drop(chain.accept(frame).expect("it continues")));
        frames.extend(some);
    }
    assert_eq!(frames, place.frames, "frames are kept as they were");
    assert!(reader.frames(count..count + 3).expect("a sound log").is_empty());
}

/// What the tree says of its segments, held against them; and found again without a root.
fn check_tree(place: &mut Place) {
    let entries = place.entries();
    let packed = place.batches[..place.root.log_end.seq as usize].to_vec();
    let datoms: usize = packed.iter().flat_map(|batch| &batch.txs).map(|tx| tx.datoms.len()).sum();
    assert_eq!(place.root.log.rows, datoms as u64);
    assert_eq!(place.root.log_epoch, packed.iter().map(|batch| batch.epoch).max().unwrap_or(0));
    assert!(entries.windows(2).all(|pair| pair[0].zone.from.1 <= pair[1].zone.from.1), "times ascend");
    for entry in &entries {
        let bytes = place.nodes().segment(entry.name).expect("a segment").1;
        assert_eq!(bytes.len() as u64, entry.bytes);
    }

    let found = place.recover();
    assert!(found.end.seq >= place.root.log_end.seq);
    if found.end == place.root.log_end {
        assert_eq!(found.epoch, place.root.log_epoch);
        assert_eq!(found.tree.rows, place.root.log.rows);
        let root = Root { log: found.tree, ..place.root.clone() };
        let mut txs = Vec::new();
        read(&place.nodes(), &root, 0..T::MAX, &mut |tx| {
            txs.push(tx);
            true
        })
        .expect("a sound log");
        assert_eq!(txs, packed.iter().flat_map(|batch| batch.txs.clone()).collect::<Vec<_>>());
    }
}

#[derive(Clone, Debug)]
enum Step {
    Append(LogBatch),
    /// Packs up to a part of the log, in segments of a size.
    Publish(prop::sample::Index, usize),
    /// Packs, and dies before the root.
    Orphan(prop::sample::Index),
    Rebase,
    DropSlots,
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => any_batch().prop_map(Step::Append),
        2 => (any::<prop::sample::Index>(), 256..1500usize).prop_map(|(t, size)| Step::Publish(t, size)),
        1 => any::<prop::sample::Index>().prop_map(Step::Orphan),
        1 => Just(Step::Rebase),
        1 => Just(Step::DropSlots),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..50)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn a_log_packed_at_any_moments_is_read_as_it_was(steps in steps()) {
        let mut place = Place::new();
        // One that is told of roots, and one that finds out.
        let (mut told, mut untold) = (place.log.reader(), place.log.reader());
        for step in steps {
            match step {
                Step::Append(batch) => place.append(batch),
                Step::Publish(t, size) => {
                    let through = t.index(place.log.next_t() as usize + 1) as T;
                    place.publish(through, &[], size);
                    check_tree(&mut place);
                }
                Step::Orphan(t) => {
                    let through = t.index(place.log.next_t() as usize + 1) as T;
                    place.pack(Some(through), &[], SMALL).expect("a sound log");
                }
                Step::Rebase => told.rebase(&place.rest()),
                Step::DropSlots => place.drop_slots(),
                Step::Reopen => {
                    let (log, batches) = open(&place.storage).expect("a sound log");
                    prop_assert_eq!(&batches[..], &place.batches[place.root.log_end.seq as usize..]);
                    prop_assert_eq!((log.next_seq(), log.next_t()), (place.log.next_seq(), place.log.next_t()));
                    place.log = log;
                    (told, untold) = (place.log.reader(), place.log.reader());
                }
            }
        }
        check(&place, &told);
        check(&place, &untold);
        check(&place, &open(&place.storage).expect("a sound log").0.reader());
        check_tree(&mut place);
    }
}

#[test]
fn batches_and_segments_of_any_sizes_fit() {
    // Fences only; one batch across many segments; many batches in one.
    for counts in [vec![0; 200], vec![500], vec![1; 300], vec![0, 0, 3, 400, 0, 1], vec![]] {
        for segment_bytes in [1, SMALL, 5_000, 32_256] {
            let mut place = Place::filled(counts.iter().copied());
            place.publish(T::MAX - 1, &[], segment_bytes);
            place.drop_slots();
            check(&place, &place.log.reader());
            check_tree(&mut place);
            place.append(batch(place.log.next_t(), 2));
            check(&place, &open(&place.storage).expect("a sound log").0.reader());
            let largest = place.entries().into_iter().map(|entry| entry.bytes).max().unwrap_or(0);
            assert!(largest <= segment_bytes.max(256) as u64, "{largest} bytes in one of {segment_bytes}");
        }
    }
}

#[test]
fn small_batches_fill_segments_well() {
    let mut place = Place::filled([1; 3000]);
    place.publish(T::MAX - 1, &[], 32_256);
    let entries = place.entries();
    let (last, full) = entries.split_last().expect("segments");
    assert!(full.iter().all(|entry| entry.bytes >= 28_000), "{:?}", full.iter().map(|e| e.bytes));
    let (stored, frames) = (place.root.log.bytes, place.frames.iter().map(Vec::len).sum::<usize>() as u64);
    assert!(stored < frames, "{stored} bytes for {frames}; the last has {}", last.bytes);
}

#[test]
fn a_job_packs_batches_that_end_by_its_transaction_and_no_others() {
    let mut place = Place::filled([3, 0, 4, 0, 2]);
    for (through, seq) in [(1, 0), (2, 2), (5, 2), (6, 4), (7, 4), (8, 5), (100, 5)] {
        let packed = place.pack(Some(through), &[], SMALL).expect("a sound log");
        assert_eq!(packed.end.seq, seq, "through {through}");
    }
    assert_eq!(place.pack(None, &[], SMALL).expect("a sound log").end, place.root.log_end);
    place.publish(6, &[], SMALL);
    assert_eq!(place.root.next, [(Partition::USER, 7)]);
    assert_eq!(place.root.log_end.t, Some(7));
    let again = place.pack(Some(7), &[], SMALL).expect("a sound log");
    assert_eq!(again.tree, place.root.log, "nothing to pack, nothing changed");
}

#[test]
fn segments_stay_but_for_a_last_short_one() {
    let mut place = Place::filled([1; 200]);
    place.publish(T::MAX - 1, &[], 5_000);
    let mut before = place.entries();
    for _ in 0..30 {
        place.append(batch(place.log.next_t(), 1));
        place.publish(T::MAX - 1, &[], 5_000);
        let after = place.entries();
        let kept = if before.last().is_some_and(|last| last.bytes < 2_500) { 1 } else { 0 };
        assert_eq!(after[..before.len() - kept], before[..before.len() - kept]);
        let names = |entries: &[Entry]| entries.last().map(|entry| entry.name);
        assert_ne!(names(&after), names(&before));
        before = after;
    }
    let scraps = before.iter().filter(|entry| entry.bytes < 2_500).count();
    assert!(scraps <= 1, "{scraps} of {} segments are less than half full", before.len());
    check(&place, &place.log.reader());
}

#[test]
fn every_flipped_byte_and_every_cut_is_found_and_named() {
    let mut place = Place::filled([2, 0, 40, 1]);
    let rest = place.publish(T::MAX - 1, &[], 600);
    let reader = place.log.reader();
    reader.rebase(&rest);
    let txs = place.txs();
    for (n, entry) in place.entries().iter().enumerate() {
        let id = entry.name.of(DATABASE);
        let whole = place.nodes().segment(entry.name).expect("a segment").1;
        for at in 0..whole.len() {
            for cut in [true, false] {
                place.storage.damage_segment(id, |bytes| {
                    if cut { bytes.truncate(at) } else { bytes[at] ^= 1 << (at % 8) }
                });
                let mut found = Vec::new();
                let end = reader.read(0..T::MAX, &mut |tx| {
                    found.push(tx);
                    true
                });
                let error = end.expect_err("must be found").to_string();
                assert!(error.contains(&id.to_string()), "{error}");
                assert!(
                    txs.starts_with(&found) && (n > 0 || found.is_empty()),
                    "what stands before is right"
                );
                assert!(reader.frames(0..9).is_err());
                place.storage.damage_segment(id, |bytes| bytes.clone_from(&whole));
            }
        }
        place.storage.delete_segments(&[id]).expect("deleted");
        let error = read_all(&reader, 0..T::MAX).expect_err("must be found");
        assert_eq!(error.keyword(), "db.error/value-expired");
        assert!(error.to_string().contains(&id.to_string()), "{error}");
        place.storage.write_segments(&[(id, &whole)]).expect("written");
    }
    check(&place, &reader);
}

/// Seals a segment's content anew, so that only what was changed is wrong and not the checksum.
fn forge(place: &Place, n: usize, change: impl FnOnce(&mut Segment)) -> SegmentId {
    let entry = place.entries()[n];
    let mut segment = read::segment(&place.nodes(), &entry).expect("a segment");
    change(&mut segment);
    let Segment { generation, start, left, bytes } = &segment;
    let frame = Segment::seal(DATABASE, *generation, *start, *left, bytes).expect("a segment");
    let id = entry.name.of(DATABASE);
    place.storage.damage_segment(id, |stored| *stored = frame);
    id
}

#[test]
fn segments_that_contradict_their_tree_or_each_other_are_refused() {
    let complaint = |n: usize, change: &dyn Fn(&mut Segment)| {
        let mut place = Place::filled([1; 40]);
        place.publish(T::MAX - 1, &[], 600);
        assert!(place.entries().len() > 3);
        let id = forge(&place, n, change);
        let (log, _) = open(&place.storage).expect("what is packed is not read");
        let error = read_all(&log.reader(), 0..T::MAX).expect_err("must be found");
        assert_eq!(error.keyword(), "db.error/corrupt", "{error}");
        (error.to_string(), id.to_string())
    };
    let (error, id) = complaint(1, &|segment| segment.start.before += 1);
    assert!(error.contains(&id) && error.contains("its parent says otherwise"), "{error}");
    let (error, _) = complaint(1, &|segment| segment.bytes.truncate(segment.bytes.len() - 1));
    assert!(error.contains("a segment that begins with"), "{error}");
    let (error, _) = complaint(0, &|segment| segment.left += 1);
    assert!(error.contains("no frames") || error.contains("a segment that begins with"), "{error}");
    let (error, id) = complaint(0, &|segment| segment.left = 0);
    assert!(error.contains(&id) && error.contains("are left"), "{error}");
    let (error, _) = complaint(0, &|segment| segment.bytes[60] ^= 1);
    assert!(error.contains("packed log of") && error.contains("checksum"), "{error}");
    let (error, _) = complaint(0, &|segment| segment.bytes[0] ^= 1);
    assert!(error.contains("packed log of"), "{error}");
}

#[test]
fn two_histories_are_never_mixed() {
    // The same numbers, other bytes: the second segment is put under the tree of the first log.
    let packed = |value: &str| {
        let mut place = Place::new();
        for n in 0..40 {
            let mut batch = batch(n, 1);
            batch.txs[0].datoms[0].v = Value::string(format!("{value} {n:03}"));
            place.append(batch);
        }
        place.publish(T::MAX - 1, &[], 600);
        place
    };
    let (mine, theirs) = (packed("mine"), packed("your"));
    let (mut starts, mut met) = (Vec::new(), 0);
    for entry in mine.entries() {
        starts.push(read::segment(&mine.nodes(), &entry).expect("a segment").start);
    }
    for entry in theirs.entries() {
        let segment = read::segment(&theirs.nodes(), &entry).expect("a segment");
        let Some(n) = starts.iter().position(|start| *start == segment.start).filter(|n| *n > 0) else {
            continue;
        };
        met += 1;
        let id = mine.entries()[n].name.of(DATABASE);
        let whole = mine.storage.read_segments(&[id]).expect("read").remove(0).expect("there");
        let foreign = theirs.nodes().segment(entry.name).expect("a segment").1;
        mine.storage.damage_segment(id, |bytes| *bytes = foreign);
        let error = read_all(&open(&mine.storage).expect("a log").0.reader(), 0..T::MAX).expect_err("mixed");
        let error = error.to_string();
        let named = ["not the one before it", "checksum", "a segment that begins with", "there is no frame"];
        assert!(named.iter().any(|what| error.contains(what)), "{error}");
        mine.storage.damage_segment(id, |bytes| *bytes = whole);
    }
    assert!(met > 0, "some segments of both begin alike");
}

#[test]
fn a_root_that_the_log_does_not_go_on_from_is_refused() {
    let mut place = Place::filled([1; 10]);
    place.publish(4, &[], SMALL);
    let older = place.rest();
    place.publish(8, &[], SMALL);
    place.drop_slots();
    let open = |rest: &Rest| Log::open(Arc::new(place.storage.clone()), DATABASE, rest, &mut |_| Ok(()));
    open(&place.rest()).expect("the newest root");
    for rest in [Rest::none(), older] {
        let error = open(&rest).expect_err("it packed less than was deleted").to_string();
        assert!(error.contains("log of database"), "{error}");
    }
    place.storage.damage_slot(LOG, 8, |bytes| bytes.clone_from(&place.frames[3]));
    let error = open(&place.rest()).expect_err("another batch").to_string();
    assert!(error.contains("the newest root packed"), "{error}");
}

/// Reads all, and lets something happen when transaction 5 is met.
fn read_while(reader: &LogReader, happens: &mut dyn FnMut()) -> Vec<T> {
    let mut found = Vec::new();
    reader
        .read(0..T::MAX, &mut |tx| {
            if tx.t == 5 {
                happens();
            }
            found.push(tx.t);
            true
        })
        .expect("a sound log");
    found
}

#[test]
fn slots_deleted_under_a_reader_are_read_where_they_were_packed() {
    for tell in [true, false] {
        let mut place = Place::filled([1; 500]);
        let reader = place.log.reader();
        let (other, feed) = (reader.clone(), reader.clone());
        let found = read_while(&reader, &mut || {
            for through in [100, 300, 450] {
                let rest = place.publish(through, &[], SMALL);
                if tell {
                    other.rebase(&rest);
                }
                place.drop_slots();
            }
        });
        assert_eq!(found, (0..500).collect::<Vec<_>>(), "told: {tell}");
        assert!(!feed.frames(200..300).expect("frames").is_empty());
        check(&place, &reader);
    }
}

#[test]
fn readers_beside_a_packer_see_one_log() {
    let mut place = Place::filled([1; 50]);
    let reader = place.log.reader();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for n in 0..3u64 {
            let (reader, done) = (reader.clone(), &done);
            scope.spawn(move || {
                let mut rounds = 0;
                while !done.load(std::sync::atomic::Ordering::Acquire) || rounds == 0 {
                    let found = read_all(&reader, n * 10..T::MAX).expect("a sound log");
                    assert!(found.iter().map(|tx| tx.t).eq(n * 10..n * 10 + found.len() as u64));
                    assert!(found.len() >= 50 - 10 * n as usize);
                    let batch = reader.batch_of(20 + n).expect("a sound log");
                    assert_eq!(batch, 20 + n);
                    let frames = reader.frames(batch..batch + 3).expect("a sound log");
                    assert!(!frames.is_empty());
                    rounds += 1;
                }
            });
        }
        for round in 0..60 {
            (0..5).for_each(|_| place.append(batch(place.log.next_t(), 1)));
            let rest = place.publish(place.log.next_t() - 3, &[], SMALL);
            if round % 2 == 0 {
                reader.rebase(&rest);
            }
            place.drop_slots();
        }
        done.store(true, std::sync::atomic::Ordering::Release);
    });
    check(&place, &reader);
}

#[test]
fn what_is_known_in_memory_does_not_grow_with_the_packed_log() {
    let mut place = Place::filled([1; 300]);
    let reader = place.log.reader();
    assert_eq!(reader.unpacked(), 300);
    reader.rebase(&place.publish(280, &[], SMALL));
    assert_eq!(reader.unpacked(), 19);
    let older = place.rest();
    reader.rebase(&place.publish(290, &[], SMALL));
    reader.rebase(&older);
    assert_eq!(reader.unpacked(), 9, "an older root changes nothing");
    place.append(batch(300, 1));
    assert_eq!(reader.unpacked(), 10);
    assert_eq!(open(&place.storage).expect("a sound log").0.reader().unpacked(), 10);
}

fn excision(e: u64) -> Excision {
    let entities = vec![EntityId::new(Partition::USER, e)];
    Excision { t: 1 << 20, entities, attributes: vec![], references: false, before: 1 << 20 }
}

#[test]
fn removed_facts_are_gone_from_all_that_is_packed_and_the_chain_is_whole() {
    let mut place = Place::filled((0..60).map(|n| n % 4));
    place.publish(40, &[], SMALL);
    let secret = |t: u64| format!("value {t}").into_bytes();
    let holds = |place: &Place, t: u64| {
        let segments = place.entries().into_iter();
        let bytes =
            segments.flat_map(|entry| read::segment(&place.nodes(), &entry).expect("a segment").bytes);
        bytes.collect::<Vec<u8>>().windows(secret(t).len()).any(|window| window == secret(t))
    };
    // Of one transaction a batch, so that the frames are not compressed.
    assert!(holds(&place, 37) && holds(&place, 19));

    let rest = place.publish(70, &[excision(19), excision(65)], SMALL);
    assert!(holds(&place, 37) && !holds(&place, 19) && !holds(&place, 65));
    let mut chain = Chain::new(DATABASE);
    let reader = place.log.reader();
    reader.rebase(&rest);
    let mut seq = 0;
    while seq < place.batches.len() as u64 {
        for frame in reader.frames(seq..T::MAX).expect("frames") {
            chain.accept(&frame).expect("the chain is whole");
            seq += 1;
        }
    }
    let mut want = place.txs();
    want.iter_mut().filter(|tx| [19, 65].contains(&tx.t)).for_each(|tx| tx.datoms.clear());
    assert_eq!(read_all(&reader, 0..T::MAX).expect("a sound log"), want);
    assert_eq!(
        place.root.log.rows,
        want.iter()
            .filter(|tx| Some(tx.t) < place.root.log_end.t)
            .map(|tx| tx.datoms.len() as u64)
            .sum::<u64>()
    );

    // What is in slots still is read without them as well, and again without more.
    let rest = place.publish(70, &[excision(80)], SMALL);
    reader.rebase(&rest);
    want.iter_mut().filter(|tx| tx.t == 80).for_each(|tx| tx.datoms.clear());
    assert_eq!(read_all(&reader, 0..T::MAX).expect("a sound log"), want);
    let (log, batches) = open(&place.storage).expect("a sound log");
    assert!(batches.iter().flat_map(|batch| &batch.txs).all(|tx| tx.t != 80 || tx.datoms.is_empty()));
    assert_eq!(read_all(&log.reader(), 0..T::MAX).expect("a sound log"), want);
}

#[test]
fn without_a_root_the_newest_log_generation_is_found() {
    let mut place = Place::filled([1; 60]);
    place.publish(30, &[], SMALL);
    place.publish(50, &[], SMALL);
    // Facts are removed, and the older segments not collected yet; then an orphan of a job that saw no root.
    place.publish(50, &[excision(7)], SMALL);
    let root = std::mem::replace(&mut place.root, Root::empty(DATABASE));
    place.pack(Some(20), &[], SMALL).expect("a sound log");
    place.root = root;
    let found = place.recover();
    assert_eq!((found.end, found.tree.rows), (place.root.log_end, 50));

    // The newest generation is damaged: the older one leads further than what is left of it.
    let id = place.entries()[3].name.of(DATABASE);
    place.storage.damage_segment(id, |bytes| bytes[50] ^= 1);
    let found = place.recover();
    assert_eq!((found.end, found.tree.rows), (place.root.log_end, 51));

    let found = Place::new().recover();
    assert_eq!((found.tree.top, found.end), (None, Root::empty(DATABASE).log_end));
}

#[test]
fn a_lost_reply_is_no_failure_to_pack() {
    use crate::backend::fault::{Fault, FaultyStorage};
    let place = Place::filled([1; 150]);
    for fault in [Fault::LostReply, Fault::LostRequest] {
        for call in 0..8 {
            let storage = Arc::new(FaultyStorage::new(Arc::new(place.storage.clone())).at(call, fault));
            let cache = Arc::new(Cache::new(1 << 20));
            let nodes = Nodes { storage: storage.clone(), lineage: DATABASE.into(), cache };
            let mut out = Writer::new(&*storage, DATABASE, 1, 1000 + call);
            let packed = pack(&nodes, &place.root, Some(140), &[], SMALL, &mut out).expect("packed");
            out.flush().expect("written");
            let mut count = 0;
            let root = Root { log: packed.tree, log_end: packed.end, ..place.root.clone() };
            read(&nodes, &root, 0..T::MAX, &mut |_| {
                count += 1;
                true
            })
            .expect("a sound log");
            assert_eq!(count, 141, "{fault:?} at call {call}");
        }
    }
}

#[test]
fn a_broken_slot_stops_the_packing() {
    let mut place = Place::filled([1; 9]);
    place.storage.damage_slot(LOG, 4, |bytes| bytes[50] ^= 1);
    let error = place.pack(Some(8), &[], SMALL).expect_err("must be found");
    assert!(matches!(error, Error::Corrupt { .. }) && error.to_string().contains(&LOG.slot(4)), "{error}");
}
