//! What every storage engine must do, as one suite of checks.
//!
//! An engine's tests call [`conform`] with a way to make an empty storage, and [`survives_reopening`] if what it holds
//! outlives a handle. The suite settles lost replies as the rest of Annals does, so it also holds for an engine that
//! loses some. A check that fails panics with what was wrong.

use std::sync::{Arc, Barrier};
use std::thread;

use super::settle::{self, repeat};
use super::{DatabaseId, Failure, Filled, SegmentId, Sequence, Storage, fault};

const ONE: DatabaseId = DatabaseId(1 << 100 | 1);
const TWO: DatabaseId = DatabaseId(1 << 100 | 2);
const FILLERS: u64 = 8;
const ROUNDS: u64 = 40;
/// How often is listed until what was written has to be seen.
const LISTINGS: usize = 3;

type Fresh<'a> = &'a dyn Fn() -> Arc<dyn Storage>;

/// Holds an engine to the contract; each call of `fresh` gives an empty storage.
///
/// # Panics
/// If the engine breaks the contract.
pub fn conform(fresh: Fresh<'_>) {
    slots_are_filled_once(&*fresh());
    sequences_are_apart(&*fresh());
    slots_are_read_up_to_the_first_empty_one(&*fresh());
    gaps_are_never_made(&*fresh());
    deleted_slots_stay_deleted(&*fresh());
    the_last_slot_is_never_deleted(&*fresh());
    one_of_many_fillers_wins(fresh());
    segments_never_change(&*fresh());
    segments_are_listed_by_name(&*fresh());
    what_is_stored_is_measured(&*fresh());
    hints_are_overwritten(&*fresh());
    a_deleted_database_leaves_nothing(&*fresh());
    large_values_come_back(&*fresh());
    too_large_values_are_refused(&*fresh());
}

/// Holds an engine to keeping what it holds; each call of `open` opens the same storage, empty at first. A handle is
/// dropped before the next is opened.
///
/// # Panics
/// If the engine forgets.
pub fn survives_reopening(open: Fresh<'_>) {
    for round in 0..5 {
        let storage = open();
        let there = slots(&*storage, Sequence::Log(ONE), 0, 100);
        assert_eq!(there.len() as u64, round, "slots after {round} openings");
        assert!(there.iter().enumerate().all(|(n, bytes)| *bytes == [n as u8; 100]));
        let expected = round.checked_sub(1).map(|n| vec![n as u8; 10]);
        assert_eq!(repeat(|| storage.hint(ONE, "h")).expect("hint"), expected);
        assert_eq!(segment(&*storage, id(ONE, round)), None);
        let before = round.checked_sub(1).and_then(|n| segment(&*storage, id(ONE, n)));
        assert_eq!(before, round.checked_sub(1).map(|n| vec![n as u8; 1000]));

        assert_eq!(fill(&*storage, Sequence::Log(ONE), round, &[round as u8; 100]), Filled::Done);
        repeat(|| storage.write_segments(&[(id(ONE, round), &[round as u8; 1000])])).expect("segments");
        repeat(|| storage.set_hint(ONE, "h", &[round as u8; 10])).expect("hint");
    }
}

fn fill(storage: &dyn Storage, sequence: Sequence, number: u64, bytes: &[u8]) -> Filled {
    settle::fill(storage, sequence, number, bytes).expect("a slot is filled or taken")
}

fn slots(storage: &dyn Storage, sequence: Sequence, from: u64, limit: usize) -> Vec<Vec<u8>> {
    repeat(|| storage.read_slots(sequence, from, limit)).expect("slots are read")
}

fn segment(storage: &dyn Storage, id: SegmentId) -> Option<Vec<u8>> {
    repeat(|| storage.read_segments(&[id])).expect("segments are read").remove(0)
}

fn id(database: DatabaseId, ordinal: u64) -> SegmentId {
    SegmentId { database, epoch: 1, job: 2, ordinal }
}

fn slots_are_filled_once(storage: &dyn Storage) {
    let log = Sequence::Log(ONE);
    assert!(slots(storage, log, 0, 10).is_empty());
    assert_eq!(fill(storage, log, 0, b"a"), Filled::Done);
    assert_eq!(fill(storage, log, 0, b"b"), Filled::Taken(b"a".to_vec()));
    assert_eq!(fill(storage, log, 1, b""), Filled::Done);
    assert_eq!(fill(storage, log, 1, b"b"), Filled::Taken(Vec::new()), "an empty value fills a slot as well");
    assert_eq!(slots(storage, log, 0, 10), [b"a".to_vec(), Vec::new()]);
}

fn sequences_are_apart(storage: &dyn Storage) {
    let sequences =
        [Sequence::Catalog, Sequence::Log(ONE), Sequence::Log(TWO), Sequence::Root(ONE), Sequence::Root(TWO)];
    for (n, sequence) in sequences.into_iter().enumerate() {
        assert_eq!(fill(storage, sequence, 0, &[n as u8]), Filled::Done, "{sequence}");
    }
    for (n, sequence) in sequences.into_iter().enumerate() {
        assert_eq!(slots(storage, sequence, 0, 10), [vec![n as u8]], "{sequence}");
    }
}

fn slots_are_read_up_to_the_first_empty_one(storage: &dyn Storage) {
    let log = Sequence::Log(ONE);
    for n in 0..300u64 {
        fill(storage, log, n, &n.to_be_bytes());
    }
    let read = |from, limit| -> Vec<u64> {
        let slots = slots(storage, log, from, limit);
        slots.into_iter().map(|bytes| u64::from_be_bytes(bytes.try_into().expect("eight bytes"))).collect()
    };
    assert_eq!(read(0, 3), [0, 1, 2]);
    assert_eq!(read(255, 3), [255, 256, 257]);
    assert_eq!(read(298, 10), [298, 299]);
    assert_eq!(read(0, 1000), (0..300).collect::<Vec<_>>());
    assert!(read(300, 10).is_empty() && read(u64::MAX, 10).is_empty() && read(5, 0).is_empty());
}

/// An engine need not see that a slot below is empty, but if it fills one above, readers must not see it.
fn gaps_are_never_made(storage: &dyn Storage) {
    let log = Sequence::Log(ONE);
    fill(storage, log, 0, b"a");
    let _ = storage.fill_slot(log, 2, b"c");
    assert_eq!(slots(storage, log, 0, 10), [b"a".to_vec()]);
}

fn deleted_slots_stay_deleted(storage: &dyn Storage) {
    let (log, other) = (Sequence::Log(ONE), Sequence::Log(TWO));
    let delete = |below| repeat(|| storage.delete_slots(log, below)).expect("deleted");
    delete(7);
    for n in 0..200u8 {
        fill(storage, log, n.into(), &[n]);
        fill(storage, other, n.into(), &[n]);
    }
    delete(150);
    delete(150);
    delete(3);
    assert!(slots(storage, log, 0, 9).is_empty() && slots(storage, log, 149, 9).is_empty());
    assert_eq!(slots(storage, log, 150, 999), (150..200).map(|n| vec![n]).collect::<Vec<_>>());
    assert_eq!(slots(storage, other, 0, 999).len(), 200);

    // Where others may fill a slot that was deleted, readers know not to look there; where nobody else is, none is.
    for n in [0, 1, 149] {
        let refilled = storage.fill_slot(log, n, b"ghost");
        assert!(!storage.limits().exclusive || refilled.is_err(), "slot {n}: {refilled:?}");
        assert!(!storage.limits().exclusive || slots(storage, log, n, 1).is_empty(), "slot {n}");
    }
    assert_eq!(fill(storage, log, 150, b"again"), Filled::Taken(vec![150]));
    assert_eq!(fill(storage, log, 200, b"on"), Filled::Done);
    assert_eq!(slots(storage, log, 199, 9), [vec![199], b"on".to_vec()]);
}

fn the_last_slot_is_never_deleted(storage: &dyn Storage) {
    let log = Sequence::Log(ONE);
    for n in 0..3 {
        fill(storage, log, n, b"x");
        repeat(|| storage.delete_slots(log, u64::MAX)).expect("deleted");
        assert_eq!(slots(storage, log, n, 9), [b"x".to_vec()]);
        assert!(n == 0 || slots(storage, log, n - 1, 9).is_empty());
    }
    let _ = storage.fill_slot(log, 4, b"above a gap");
    assert_eq!(slots(storage, log, 2, 9), [b"x".to_vec()]);
}

fn one_of_many_fillers_wins(storage: Arc<dyn Storage>) {
    let log = Sequence::Log(ONE);
    for slot in 0..ROUNDS {
        let start = Barrier::new(FILLERS as usize);
        let ends: Vec<(u64, Filled)> = thread::scope(|scope| {
            let fillers: Vec<_> = (0..FILLERS)
                .map(|filler| {
                    let (storage, start) = (&storage, &start);
                    scope.spawn(move || {
                        start.wait();
                        (filler, fill(&**storage, log, slot, &filler.to_be_bytes()))
                    })
                })
                .collect();
            fillers.into_iter().map(|filler| filler.join().expect("no filler panics")).collect()
        });
        let winners: Vec<u64> =
            ends.iter().filter(|(_, end)| *end == Filled::Done).map(|(n, _)| *n).collect();
        assert_eq!(winners.len(), 1, "slot {slot}: {ends:?}");
        let stands = winners[0].to_be_bytes().to_vec();
        assert_eq!(slots(&*storage, log, slot, 1), [&stands[..]]);
        let losers_agree =
            ends.into_iter().all(|(_, end)| end == Filled::Done || end == Filled::Taken(stands.clone()));
        assert!(losers_agree, "slot {slot}");
    }
}

fn segments_never_change(storage: &dyn Storage) {
    let write =
        |segments: &[(SegmentId, &[u8])]| repeat(|| storage.write_segments(segments)).expect("written");
    write(&[]);
    write(&[(id(ONE, 0), b"a"), (id(ONE, 1), b""), (id(TWO, 0), b"b")]);
    write(&[(id(ONE, 0), b"a")]);
    let wanted = [id(TWO, 0), id(ONE, 7), id(ONE, 0), id(ONE, 1)];
    let found = repeat(|| storage.read_segments(&wanted)).expect("read");
    assert_eq!(found, [Some(b"b".to_vec()), None, Some(b"a".to_vec()), Some(Vec::new())]);

    repeat(|| storage.delete_segments(&[id(ONE, 0), id(ONE, 7)])).expect("deleted");
    repeat(|| storage.delete_segments(&[id(ONE, 0)])).expect("deleted again");
    assert_eq!(segment(storage, id(ONE, 0)), None);
    assert_eq!(segment(storage, id(TWO, 0)), Some(b"b".to_vec()));
}

fn segments_are_listed_by_name(storage: &dyn Storage) {
    let name = |epoch, job, ordinal| SegmentId { database: ONE, epoch, job, ordinal };
    let last = name(u64::MAX, u64::MAX, u64::MAX);
    let names = [name(0, 0, 0), name(0, 9, 1), name(1, 0, 300), name(1, 2, 0), name(1, 2, 1), last];
    let list = |database, after, limit| {
        repeat(|| storage.list_segments(database, after, limit)).expect("segments are listed")
    };
    // A listing may be late, but not for ever.
    let listed = |database, after, limit, expected: &[SegmentId]| {
        let found = (0..LISTINGS).map(|_| list(database, after, limit)).find(|found| found == expected);
        assert_eq!(found.as_deref(), Some(expected), "after {after:?}, {limit}");
    };
    listed(ONE, None, 9, &[]);
    for id in names.into_iter().rev().chain([id(TWO, 7)]) {
        repeat(|| storage.write_segments(&[(id, b"segment")])).expect("written");
    }
    listed(ONE, None, 9, &names);
    listed(TWO, None, 9, &[id(TWO, 7)]);
    let (mut paged, mut after) = (Vec::new(), None);
    while let [.., last] = list(ONE, after, 4)[..] {
        paged.extend(list(ONE, after, 4));
        after = Some(last);
    }
    assert_eq!(paged, names);
    assert!(list(ONE, None, 0).is_empty() && list(ONE, Some(last), 9).is_empty());
    assert_eq!(list(ONE, Some(name(1, 1, 1)), 1), [names[3]], "what is not there is listed after as well");
    repeat(|| storage.delete_segments(&names[1..5])).expect("deleted");
    listed(ONE, None, 9, &[names[0], last]);
}

fn what_is_stored_is_measured(storage: &dyn Storage) {
    // What is measured may be late like what is listed.
    let stored =
        || (0..LISTINGS).map(|_| repeat(|| storage.stored_bytes()).expect("a size")).max().unwrap_or(0);
    let before = stored();
    let mut state = 1u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    })
    .take(30_000)
    .collect();
    for n in 0..200 {
        repeat(|| storage.write_segments(&[(id(ONE, n), &noise)])).expect("written");
    }
    let after = stored();
    assert!(after >= 6_000_000 && after > before, "{before} bytes, then {after}");
}

fn hints_are_overwritten(storage: &dyn Storage) {
    let hint = |database, name| repeat(|| storage.hint(database, name)).expect("a hint is read");
    assert_eq!(hint(ONE, "address"), None);
    for text in ["first", "second", ""] {
        repeat(|| storage.set_hint(ONE, "address", text.as_bytes())).expect("a hint is set");
        assert_eq!(hint(ONE, "address"), Some(text.as_bytes().to_vec()));
    }
    assert_eq!((hint(TWO, "address"), hint(ONE, "addres")), (None, None));
}

fn a_deleted_database_leaves_nothing(storage: &dyn Storage) {
    for database in [ONE, TWO] {
        fill(storage, Sequence::Log(database), 0, b"log");
        fill(storage, Sequence::Log(database), 1, b"log");
        fill(storage, Sequence::Root(database), 0, b"root");
        repeat(|| storage.write_segments(&[(id(database, 0), b"segment")])).expect("written");
        repeat(|| storage.set_hint(database, "h", b"hint")).expect("a hint is set");
    }
    // Fills of ours that were late must not come after the deletion: nobody writes to a database that is dropped.
    (0..fault::LATEST).for_each(|_| drop(slots(storage, Sequence::Catalog, 0, 1)));
    repeat(|| storage.delete_database(ONE)).expect("deleted");
    repeat(|| storage.delete_database(ONE)).expect("deleted again");
    let left = |database| {
        let filled =
            [Sequence::Log(database), Sequence::Root(database)].map(|s| slots(storage, s, 0, 9).len());
        let hint = repeat(|| storage.hint(database, "h")).expect("a hint is read");
        (filled, segment(storage, id(database, 0)).is_some(), hint.is_some())
    };
    assert_eq!(left(ONE), ([0, 0], false, false));
    assert_eq!(left(TWO), ([2, 1], true, true));
}

fn large_values_come_back(storage: &dyn Storage) {
    let sizes =
        [4095, 4096, 31 << 10, 65_537, 3 << 20].map(|size| size.min(storage.limits().max_value_bytes));
    for (n, size) in sizes.into_iter().enumerate() {
        let value: Vec<u8> = (0..size).map(|i| ((i * 31) >> 3) as u8).collect();
        assert_eq!(fill(storage, Sequence::Log(ONE), n as u64, &value), Filled::Done);
        repeat(|| storage.write_segments(&[(id(ONE, n as u64), &value)])).expect("written");
        assert!(slots(storage, Sequence::Log(ONE), n as u64, 1) == [&value[..]], "a slot of {size} bytes");
        assert!(segment(storage, id(ONE, n as u64)) == Some(value), "a segment of {size} bytes");
    }
    assert_eq!(slots(storage, Sequence::Log(ONE), 0, 10).len(), sizes.len());
}

fn too_large_values_are_refused(storage: &dyn Storage) {
    // An engine with a limit beyond what a test should allocate is believed.
    let Some(value) = storage.limits().max_value_bytes.checked_add(1).filter(|size| *size <= 1 << 24) else {
        return;
    };
    let value = vec![0; value];
    assert!(matches!(storage.fill_slot(Sequence::Log(ONE), 0, &value), Err(Failure::Refused(_))));
    assert!(matches!(storage.write_segments(&[(id(ONE, 0), &value)]), Err(Failure::Refused(_))));
}
