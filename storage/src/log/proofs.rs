//! The log's promises: what was acknowledged is there once, whatever is lost, taken, damaged or cut short.

use proptest::prelude::*;

use super::*;
use crate::datom::arbitrary::{attribute, entity, storable};

fn any_datom() -> impl Strategy<Value = LogDatom> {
    let op = prop_oneof![3 => Just(Op::Assert), 1 => any::<(u64, bool)>().prop_map(|(from, forget)| Op::Retract { from, forget })];
    (entity(), attribute(), storable(), op).prop_map(|(e, a, v, op)| LogDatom { e, a, v, op })
}

/// A batch whose transactions follow each other; its other numbers are random.
pub(super) fn any_batch() -> impl Strategy<Value = LogBatch> {
    let next = prop::collection::vec((any::<u32>().prop_map(Partition), any::<u64>()), 0..4);
    let tx = (any::<i64>(), prop::collection::vec(any_datom(), 0..12));
    let txs = prop::collection::vec(tx, 0..4);
    (any::<u64>(), any::<u64>(), any::<u128>(), next, 0..1u64 << 41, txs).prop_map(
        |(seq, epoch, id, next, first, txs)| {
            let txs = txs.into_iter().zip(first..);
            let txs = txs.map(|((instant, datoms), t)| LoggedTx { t, instant, datoms }).collect();
            LogBatch { seq, epoch, id, next, txs }
        },
    )
}

mod in_storage {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::backend::fault::{Fault, FaultyStorage};
    use crate::backend::{DatabaseId, MemoryStorage, Sequence, Storage};
    use crate::error::{Error, Result};
    use crate::rest::Rest;

    const DATABASE: DatabaseId = DatabaseId(0xfeed << 112 | 1);
    const LOG: Sequence = Sequence::Log(DATABASE);

    fn open(storage: impl Storage + 'static) -> Result<(Log, Vec<LogBatch>)> {
        open_shared(Arc::new(storage))
    }

    fn open_shared(storage: Arc<dyn Storage>) -> Result<(Log, Vec<LogBatch>)> {
        let mut batches = Vec::new();
        let log = Log::open(storage, DATABASE, &Rest::none(), &mut |batch| {
            batches.push(batch);
            Ok(())
        })?;
        Ok((log, batches))
    }

    /// A batch that continues a log, of `count` transactions of one datom each; none makes a fence.
    fn batch(seq: u64, first: T, count: u64) -> LogBatch {
        let tx = |t| {
            let v = Value::string(format!("value {t} of batch {seq}"));
            let datom = LogDatom { e: EntityId::new(Partition::USER, t), a: AttrId(70), v, op: Op::Assert };
            LoggedTx { t, instant: t as i64 * 1000, datoms: vec![datom] }
        };
        let txs: Vec<_> = (first..first + count).map(tx).collect();
        let id = u128::from(seq) << 64 | u128::from(first + count);
        LogBatch { seq, epoch: 1, id, next: vec![(Partition::USER, first + count)], txs }
    }

    fn filled(counts: &[u64]) -> (MemoryStorage, Vec<LogBatch>) {
        let storage = MemoryStorage::new();
        let (mut log, _) = open(storage.clone()).expect("an empty log");
        let mut batches = Vec::new();
        for (seq, count) in counts.iter().enumerate() {
            let batch = batch(seq as u64, log.next_t(), *count);
            assert!(matches!(log.append(&batch), Ok(Appended::Done)));
            batches.push(batch);
        }
        (storage, batches)
    }

    fn read(log: &Log, range: std::ops::Range<T>) -> Vec<T> {
        let mut found = Vec::new();
        log.reader()
            .read(range, &mut |tx| {
                found.push(tx.t);
                true
            })
            .expect("a sound log");
        found
    }

    #[test]
    fn what_was_appended_is_replayed_in_order() {
        let (storage, batches) = filled(&[3, 0, 1, 200, 0, 2]);
        let (log, replayed) = open(storage).expect("a sound log");
        assert_eq!(replayed, batches);
        assert_eq!((log.next_seq(), log.next_t()), (6, 206));
    }

    #[test]
    fn a_log_may_begin_with_0_or_1_and_nothing_else() {
        for (first, fits) in [(0, true), (1, true), (2, false)] {
            let (mut log, _) = open(MemoryStorage::new()).expect("an empty log");
            assert_eq!(log.append(&batch(0, first, 2)).is_ok(), fits, "{first}");
        }
    }

    #[test]
    fn a_batch_that_does_not_continue_the_log_is_refused() {
        let (storage, _) = filled(&[3]);
        let (mut log, _) = open(storage).expect("a sound log");
        for wrong in [batch(0, 3, 1), batch(2, 3, 1), batch(1, 4, 1), batch(1, 2, 1)] {
            assert_eq!(log.append(&wrong).unwrap_err().keyword(), "db.error/log-out-of-order");
        }
        let mut torn = batch(1, 3, 2);
        torn.txs[1].t = 5;
        assert_eq!(log.append(&torn).unwrap_err().keyword(), "db.error/log-out-of-order");
        assert!(matches!(log.append(&batch(1, 3, 1)), Ok(Appended::Done)));
    }

    #[test]
    fn transactions_are_read_by_number() {
        let counts: Vec<u64> = (0..150).map(|n| n % 4).collect();
        let (storage, batches) = filled(&counts);
        let (log, _) = open(storage).expect("a sound log");
        let end = log.next_t();
        assert_eq!(read(&log, 0..T::MAX), (0..end).collect::<Vec<_>>());
        for range in [0..0, 0..1, 7..8, 50..60, end - 1..end, end..end + 5] {
            let expected = range.start..range.end.min(end);
            assert_eq!(read(&log, range), expected.collect::<Vec<_>>());
        }
        for batch in batches.iter().filter(|batch| !batch.txs.is_empty()) {
            assert_eq!(log.reader().batch_of(batch.txs[0].t).expect("a sound log"), batch.seq);
        }
        let mut seen = 0;
        log.reader()
            .read(0..end, &mut |_| {
                seen += 1;
                seen < 5
            })
            .expect("a sound log");
        assert_eq!(seen, 5, "the reader stops when told");
    }

    #[test]
    fn a_reader_sees_what_is_appended_later() {
        let (mut log, _) = open(MemoryStorage::new()).expect("an empty log");
        let reader = log.reader();
        log.append(&batch(0, 0, 2)).expect("appended");
        let mut seen = Vec::new();
        reader
            .clone()
            .read(0..9, &mut |tx| {
                seen.push(tx.t);
                true
            })
            .expect("a sound log");
        assert_eq!(seen, [0, 1]);
    }

    #[test]
    fn frames_are_handed_on_as_stored_and_continue_a_chain() {
        let (storage, batches) = filled(&[2, 0, 3]);
        let (log, _) = open(storage.clone()).expect("a sound log");
        let frames = log.reader().frames(0..9).expect("frames");
        assert_eq!(frames, storage.read_slots(LOG, 0, 9).expect("slots"));
        assert!(log.reader().frames(3..9).expect("none yet").is_empty());

        let mut chain = Chain::new(DATABASE);
        let received: Vec<_> = frames.iter().map(|frame| chain.accept(frame).expect("continues")).collect();
        assert_eq!(received, batches);
        let again = chain.accept(&frames[2]).expect_err("sent twice");
        assert_eq!(again.keyword(), "db.error/corrupt");
        assert!(Chain::new(DATABASE).accept(&frames[1]).is_err(), "sent too early");
    }

    #[test]
    fn every_flipped_byte_and_every_cut_is_found_and_named() {
        let (storage, batches) = filled(&[2, 0, 40]);
        let slots = storage.read_slots(LOG, 0, 9).expect("slots");
        for (seq, whole) in slots.iter().enumerate() {
            let place = LOG.slot(seq as u64);
            let check = |bytes: &[u8]| {
                storage.damage_slot(LOG, seq as u64, |slot| *slot = bytes.to_vec());
                let mut replayed = Vec::new();
                let end = Log::open(Arc::new(storage.clone()), DATABASE, &Rest::none(), &mut |batch| {
                    replayed.push(batch);
                    Ok(())
                });
                let error = end.expect_err("must be found");
                assert!(error.to_string().contains(&place), "{error}");
                assert_eq!(replayed, batches[..seq], "what stands before is right");
            };
            for at in 0..whole.len() {
                check(&whole[..at]);
                let mut flipped = whole.clone();
                flipped[at] ^= 1 << (at % 8);
                check(&flipped);
            }
            storage.damage_slot(LOG, seq as u64, |slot| slot.clone_from(whole));
        }
        assert_eq!(open(storage).expect("whole again").1, batches);
    }

    #[test]
    fn damage_is_found_by_the_reader_too() {
        let (storage, _) = filled(&[2, 2]);
        let (log, _) = open(storage.clone()).expect("a sound log");
        storage.damage_slot(LOG, 1, |slot| slot[50] ^= 1);
        let error = log.reader().read(0..9, &mut |_| true).expect_err("must be found");
        assert!(error.to_string().contains(&LOG.slot(1)), "{error}");
        storage.lose_slots(LOG, 1);
        let error = log.reader().read(2..3, &mut |_| true).expect_err("must be found");
        assert!(error.to_string().contains("it is empty"), "{error}");
    }

    #[test]
    fn two_histories_are_never_mixed() {
        let (mine, _) = filled(&[2, 1]);
        let (other, _) = filled(&[2, 2]);
        let (mut log, _) = open(mine.clone()).expect("a sound log");
        log.append(&batch(2, 3, 1)).expect("appended");
        // A restored copy went on with another batch 1; its successor is put where mine was.
        let (mut theirs, _) = open(other.clone()).expect("a sound log");
        theirs.append(&batch(2, 4, 1)).expect("appended");
        let foreign = other.read_slots(LOG, 2, 1).expect("slots").remove(0);
        mine.damage_slot(LOG, 2, |slot| *slot = foreign);
        let error = open(mine).expect_err("must be found").to_string();
        assert!(error.contains("not one history") && error.contains(&LOG.slot(2)), "{error}");
    }

    #[test]
    fn swapped_and_repeated_slots_are_found() {
        let (storage, _) = filled(&[1, 1, 1]);
        let slots = storage.read_slots(LOG, 0, 9).expect("slots");
        for (at, from) in [(0, 1), (1, 0), (2, 1), (1, 2)] {
            storage.damage_slot(LOG, at, |slot| slot.clone_from(&slots[from]));
            assert_eq!(open(storage.clone()).expect_err("must be found").keyword(), "db.error/corrupt");
            storage.damage_slot(LOG, at, |slot| slot.clone_from(&slots[at as usize]));
        }
    }

    #[test]
    fn a_taken_slot_is_given_back_and_the_next_is_free() {
        let storage = MemoryStorage::new();
        let (mut first, _) = open(storage.clone()).expect("an empty log");
        let (mut second, _) = open(storage.clone()).expect("an empty log");
        let theirs = batch(0, 0, 3);
        assert!(matches!(first.append(&theirs), Ok(Appended::Done)));
        let mut mine = batch(0, 0, 1);
        match second.append(&mine) {
            Ok(Appended::Taken(stands)) => assert_eq!(stands, theirs),
            other => panic!("{other:?}"),
        }
        mine = batch(1, 3, 1);
        assert!(matches!(second.append(&mine), Ok(Appended::Done)));
        assert_eq!(read(&second, 0..9), [0, 1, 2, 3]);
        first
            .catch_up(&mut |batch| {
                assert_eq!(batch, mine);
                Ok(())
            })
            .expect("a sound log");
        assert_eq!(first.next_seq(), 2);
    }

    #[test]
    fn a_lost_reply_is_settled_by_the_same_bytes_in_the_same_slot() {
        for fault in [
            Fault::LostReply,
            Fault::LostRequest,
            Fault::LateEffect { after: 1 },
            Fault::LateEffect { after: 3 },
        ] {
            for call in 0..12 {
                let memory = MemoryStorage::new();
                let storage = Arc::new(FaultyStorage::new(Arc::new(memory.clone())).at(call, fault));
                let (mut log, _) = open_shared(storage).expect("an empty log");
                for n in 0..3 {
                    let end = log.append(&batch(n, n * 2, 2));
                    assert!(matches!(end, Ok(Appended::Done)), "{fault:?} at call {call}: {end:?}");
                }
                assert_eq!(open(memory).expect("a sound log").1.len(), 3);
            }
        }
    }

    /// A log in which an append has just failed with an unknown outcome, `fault` having met its first attempt.
    fn in_doubt(memory: &MemoryStorage, fault: Fault) -> Log {
        let mut storage = FaultyStorage::new(Arc::new(memory.clone()));
        // Three calls open the log: its end, beyond it, and whether there are segments. Then nothing is heard for as
        // long as is tried.
        let silent = 3..3 + 2 * crate::backend::settle::ATTEMPTS as u64;
        for call in silent.clone() {
            storage = storage.at(call, if call == silent.start { fault } else { Fault::LostRequest });
        }
        let (mut log, _) = open_shared(Arc::new(storage)).expect("an empty log");
        let error = log.append(&batch(0, 0, 1)).expect_err("nothing is heard");
        assert_eq!(error.keyword(), "db.error/outcome-unknown");
        assert!(matches!(error, Error::OutcomeUnknown { .. }) && error.to_string().contains(&LOG.slot(0)));
        log
    }

    #[test]
    fn an_append_in_doubt_is_settled_before_anything_else_is_written() {
        for fault in [Fault::LostReply, Fault::LostRequest] {
            let memory = MemoryStorage::new();
            let mut log = in_doubt(&memory, fault);
            match log.append(&batch(0, 0, 2)) {
                Ok(Appended::Taken(first)) => assert_eq!(first, batch(0, 0, 1)),
                end => panic!("{end:?}"),
            }
            assert_eq!(open(memory).expect("a sound log").1, [batch(0, 0, 1)]);
        }
    }

    #[test]
    fn an_append_in_doubt_may_be_handed_in_again() {
        for fault in [Fault::LostReply, Fault::LostRequest] {
            let memory = MemoryStorage::new();
            let mut log = in_doubt(&memory, fault);
            assert!(matches!(log.append(&batch(0, 0, 1)), Ok(Appended::Done)));
            assert!(matches!(log.append(&batch(1, 1, 1)), Ok(Appended::Done)));
            assert_eq!(open(memory).expect("a sound log").1, [batch(0, 0, 1), batch(1, 1, 1)]);
        }
    }

    #[test]
    fn an_append_in_doubt_is_settled_by_whatever_is_read_in_its_slot() {
        let memory = MemoryStorage::new();
        let mut log = in_doubt(&memory, Fault::LostRequest);
        let (mut other, _) = open(memory.clone()).expect("an empty log");
        assert!(matches!(other.append(&batch(0, 0, 3)), Ok(Appended::Done)));
        log.catch_up(&mut |_| Ok(())).expect("a sound log");
        assert!(matches!(log.append(&batch(1, 3, 1)), Ok(Appended::Done)));
        assert_eq!(open(memory).expect("a sound log").1, [batch(0, 0, 3), batch(1, 3, 1)]);
    }

    /// Appends four batches, each as often as it takes; gives those that were acknowledged.
    fn write_until_dead(storage: Arc<dyn Storage>) -> Vec<LogBatch> {
        let mut acknowledged = Vec::new();
        let Ok((mut log, _)) = open_shared(storage) else { return acknowledged };
        for n in 0..4 {
            let batch = batch(n, n * 2, 2);
            match log.append(&batch) {
                Ok(Appended::Done) => acknowledged.push(batch),
                Ok(Appended::Taken(other)) => panic!("nobody else writes: {other:?}"),
                Err(_) => return acknowledged,
            }
        }
        acknowledged
    }

    #[test]
    fn a_crash_at_any_call_keeps_all_that_was_acknowledged() {
        let calls = {
            let storage = Arc::new(FaultyStorage::new(Arc::new(MemoryStorage::new())));
            assert_eq!(write_until_dead(storage.clone()).len(), 4);
            storage.calls()
        };
        for fault in [Fault::CrashBefore, Fault::CrashAfter] {
            for call in 0..calls {
                let memory = MemoryStorage::new();
                let storage = Arc::new(FaultyStorage::new(Arc::new(memory.clone())).at(call, fault));
                let acknowledged = write_until_dead(storage.clone());
                assert!(storage.crashed(), "{fault:?} at call {call}");
                storage.recover();

                let (mut log, there) = open_shared(storage).expect("a sound log");
                assert!(there.starts_with(&acknowledged), "{fault:?} at call {call}");
                assert!(there.len() <= acknowledged.len() + 1, "at most the one in flight is there as well");
                let next = batch(log.next_seq(), log.next_t(), 1);
                assert!(matches!(log.append(&next), Ok(Appended::Done)));
                assert_eq!(open(memory).expect("a sound log").1.len(), there.len() + 1);
            }
        }
    }

    /// Several writers, each with a log of its own and each appending in turn what continues what it knows, over a
    /// storage that loses replies and delays effects.
    fn race(seed: u64, turns: &[u8]) -> (Vec<LogBatch>, Vec<LogBatch>) {
        let memory = MemoryStorage::new();
        let storage = Arc::new(FaultyStorage::new(Arc::new(memory.clone())).seeded(seed, 45));
        let mut writers: Vec<Option<Log>> = (0..3).map(|_| None).collect();
        let mut acknowledged = Vec::new();
        for (turn, writer) in turns.iter().enumerate() {
            let slot = &mut writers[usize::from(writer % 3)];
            // One turn in five the writer is replaced by a new process.
            if writer % 5 == 0 || slot.is_none() {
                *slot = open_shared(storage.clone()).ok().map(|(log, _)| log);
            }
            let Some(log) = slot else { continue };
            if writer % 7 == 0 && log.catch_up(&mut |_| Ok(())).is_err() {
                *slot = None;
                continue;
            }
            let mut batch = batch(log.next_seq(), log.next_t(), turn as u64 % 3);
            batch.id = turn as u128;
            match log.append(&batch) {
                Ok(Appended::Done) => acknowledged.push(batch),
                Ok(Appended::Taken(_)) | Err(Error::OutcomeUnknown { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
        storage.land_late_effects();
        (acknowledged, open(memory).expect("a sound log").1)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn racing_writers_lose_and_double_nothing(seed: u64, turns in prop::collection::vec(any::<u8>(), 1..40)) {
            let (acknowledged, there) = race(seed, &turns);
            for batch in &acknowledged {
                let copies = there.iter().filter(|other| other.id == batch.id).collect::<Vec<_>>();
                prop_assert_eq!(copies, [batch]);
            }
        }

        #[test]
        fn any_batches_round_trip_through_the_log(batches in prop::collection::vec(any_batch(), 0..5)) {
            let storage = MemoryStorage::new();
            let (mut log, _) = open(storage.clone()).expect("an empty log");
            let mut written = Vec::new();
            for mut batch in batches {
                batch.seq = log.next_seq();
                batch.txs.iter_mut().zip(log.next_t()..).for_each(|(tx, t)| tx.t = t);
                prop_assert!(matches!(log.append(&batch), Ok(Appended::Done)));
                written.push(batch);
            }
            prop_assert_eq!(open(storage).expect("a sound log").1, written);
        }
    }
}
