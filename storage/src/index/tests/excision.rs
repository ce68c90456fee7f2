//! No byte of what was removed for ever is left, once everybody has let go of it.

use super::histories::{assert_sound, excise, excision};
use super::{DATABASE, House, TINY, entity};
use crate::backend::{Sequence, settle};
use crate::datom::{AttrId, Value};
use crate::frame::{self, Expected, Kind};
use crate::index::{Settings, Shared, collect, log};

/// What all excised values begin with.
const SECRET: &str = "Zq7-a-very-secret-value";

/// Where the secret is found: in the bytes of slots and segments, or unpacked from them.
fn traces(house: &House) -> Vec<String> {
    let mut found = Vec::new();
    let mut look = |place: String, bytes: &[u8]| {
        let has = |bytes: &[u8]| bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes());
        let kinds =
            [Kind::Leaf, Kind::HistoryLeaf, Kind::Directory, Kind::LogBatch, Kind::LogSegment, Kind::Root];
        let unpacked = kinds.into_iter().filter_map(|kind| {
            let expected = Expected { kind, kind_version: u8::MAX, database: DATABASE, place: "here" };
            frame::open(bytes, &expected).ok()
        });
        if has(bytes) || unpacked.into_iter().any(|opened| has(&opened.payload)) {
            found.push(place);
        }
    };
    for sequence in [Sequence::Log(DATABASE), Sequence::Root(DATABASE)] {
        // Slots that were deleted are empty.
        for number in 0..200 {
            let slots = settle::repeat(|| house.storage.read_slots(sequence, number, 1)).expect("memory");
            slots.iter().for_each(|bytes| look(sequence.slot(number), bytes));
        }
    }
    let ids = settle::repeat(|| house.storage.list_segments(DATABASE, None, 10_000)).expect("memory");
    for (id, bytes) in ids.iter().zip(settle::repeat(|| house.storage.read_segments(&ids)).expect("memory")) {
        look(id.to_string(), &bytes.expect("it is listed"));
    }
    found
}

fn secrets_in_log(house: &House) -> usize {
    let inner = house.rest.inner.as_ref().expect("a root");
    let mut secrets = 0;
    log::each_batch(&inner.nodes, &inner.root, &mut |batch| {
        let datoms = batch.txs.iter().flat_map(|tx| &tx.datoms);
        secrets +=
            datoms.filter(|datom| matches!(&datom.v, Value::String(v) if v.starts_with(SECRET))).count();
        Ok(())
    })
    .expect("the log is whole");
    secrets
}

#[test]
fn no_byte_of_an_excised_value_is_left() {
    let mut house = House::new(TINY);
    let other = |e: u64, n: u64| (entity(e), AttrId(2), Value::string(format!("{n}-plain-{e}")));
    // Many, so that some are first in their leaf, and separators are made of them.
    let secret = |n: u64| {
        (
            entity(5),
            AttrId(2),
            Value::string(format!("{SECRET}-{n}-{:x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15))),
        )
    };
    for n in 0..24 {
        let mut facts: Vec<_> = (0..6).map(|e| other(e, n)).collect();
        // Asserted, retracted, asserted again: open, closed, and as a tombstone.
        if [3, 9, 15, 21].contains(&n) {
            facts.extend((0..60).map(secret));
        }
        house.commit(facts);
        if n % 4 == 0 {
            house.job(&[]).expect("memory does not fail");
        }
    }
    assert!(!traces(&house).is_empty());
    assert_eq!(secrets_in_log(&house), 4 * 60);
    let request = excision(&house, Some(5), None, 0);
    excise(&mut house, request);
    house.check();
    assert_eq!(secrets_in_log(&house), 0);
    // The last slot that was packed stays until the next is.
    house.commit(vec![other(1, 99)]);
    house.job(&[]).expect("memory does not fail");
    assert!(!traces(&house).is_empty(), "what was freed is there until it is collected");
    collect(&*house.storage, &house.rest, &Shared::default(), None, 0, i64::MAX)
        .expect("memory does not fail");
    assert_eq!(traces(&house), Vec::<String>::new());
    house.check();
    assert_sound(&house);
    let storage = std::sync::Arc::clone(&house.storage);
    house.reopened(storage).check();
}

/// Separators are made of rows, and outlive them: those of removed rows do not.
#[test]
fn no_separator_tells_of_an_excised_value() {
    let settings = Settings { most_tiers: 1, ..TINY };
    let secret = |n: u64| (entity(5), AttrId(3), Value::string(format!("{SECRET}-{n:03}")));
    for retracted in 1..60 {
        let mut house = House::new(settings);
        let plain = (0..10).flat_map(|e| {
            (0..9).map(move |n| (entity(e), AttrId(2), Value::string(format!("{n}-{e}-plain"))))
        });
        house.commit(plain.chain((0..60).map(secret)).collect());
        house.job(&[]).expect("memory does not fail");
        house.commit((0..retracted).map(secret).collect());
        house.job(&[]).expect("memory does not fail");
        let request = excision(&house, Some(5), Some(3), 0);
        excise(&mut house, request);
        house.commit(vec![(entity(1), AttrId(1), Value::Long(1))]);
        house.job(&[]).expect("memory does not fail");
        collect(&*house.storage, &house.rest, &Shared::default(), None, 0, i64::MAX)
            .expect("memory does not fail");
        assert_eq!(traces(&house), Vec::<String>::new(), "{retracted} were retracted before");
        house.check();
    }
}
