//! The bytes of a log batch: head, then each transaction with its datoms as columns.
//!
//! The form is in `docs/format.md`, field by field. Columns hold what is alike side by side, which is what LZ4 wants;
//! entities are written as steps from the one before, references as steps from their entity, instants as steps
//! from their transaction's, so that most numbers are one byte. Values of variable length are written as their codes.
//! Decoding trusts nothing: any bytes give a batch or an error that says where.

use crate::datom::code;
use crate::datom::{AttrId, EntityId, Partition, T, Tag, Value, ValueRef};
use crate::error::Result;
use crate::log::{LogBatch, LogDatom, LoggedTx, Op};
use crate::wire::{Malformed, Reader, put_bytes, put_signed, put_unsigned};

/// The version of the payload written here.
pub const BATCH_VERSION: u8 = 2;

const RETRACT: u8 = 0x80;
/// With [`RETRACT`]: no history is kept. Since version 2.
const FORGET: u8 = 0x40;
/// From this version on, a batch may stand for another.
const STANDS_FOR_SINCE: u8 = 2;
/// Kind, entity, attribute and value take at least a byte each.
const LEAST_DATOM_BYTES: usize = 4;
/// The instant and the number of datoms.
const LEAST_TX_BYTES: usize = 2;

/// A batch as it stands in the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// The batch.
    pub batch: LogBatch,
    /// The checksum of the frame before it; the database's id in the first.
    pub previous: u128,
    /// The checksum of the frame that this one was put in the place of, so that the chain stays whole: facts were
    /// removed from it for ever.
    pub stands_for: Option<u128>,
}

/// Appends the payload of a batch to `out`.
///
/// The transactions' numbers must follow each other. Refuses a value that cannot be stored.
pub fn encode(batch: &LogBatch, previous: u128, stands_for: Option<u128>, out: &mut Vec<u8>) -> Result<()> {
    put_unsigned(out, batch.seq);
    put_unsigned(out, batch.epoch);
    out.extend_from_slice(&batch.id.to_be_bytes());
    out.extend_from_slice(&previous.to_be_bytes());
    put_bytes(out, stands_for.map(u128::to_be_bytes).as_ref().map_or(&[][..], |checksum| checksum));
    put_unsigned(out, batch.next.len() as u64);
    for (partition, counter) in &batch.next {
        put_unsigned(out, partition.0.into());
        put_unsigned(out, *counter);
    }
    put_unsigned(out, batch.txs.len() as u64);
    if let Some(first) = batch.txs.first() {
        put_unsigned(out, first.t);
    }
    let mut instant = 0;
    for tx in &batch.txs {
        encode_tx(tx, instant, out)?;
        instant = tx.instant;
    }
    Ok(())
}

fn encode_tx(tx: &LoggedTx, instant_before: i64, out: &mut Vec<u8>) -> Result<()> {
    put_signed(out, tx.instant.wrapping_sub(instant_before));
    put_unsigned(out, tx.datoms.len() as u64);
    for datom in &tx.datoms {
        let op = match datom.op {
            Op::Assert => 0,
            Op::Retract { forget: false, .. } => RETRACT,
            Op::Retract { forget: true, .. } => RETRACT | FORGET,
        };
        out.push(datom.v.tag() as u8 | op);
    }
    let mut before = EntityId::of_t(tx.t).0;
    for datom in &tx.datoms {
        put_signed(out, datom.e.0.wrapping_sub(before) as i64);
        before = datom.e.0;
    }
    for datom in &tx.datoms {
        put_unsigned(out, datom.a.0.into());
    }
    for datom in &tx.datoms {
        if let Op::Retract { from, .. } = datom.op {
            put_unsigned(out, tx.t.wrapping_sub(from));
        }
    }
    let mut scratch = Vec::new();
    for datom in &tx.datoms {
        code::check(&datom.v)?;
        datom.v.with_ref(&mut scratch, |v| encode_value(v, datom.e, tx.instant, out));
    }
    Ok(())
}

fn encode_value(v: ValueRef<'_>, e: EntityId, instant: i64, out: &mut Vec<u8>) {
    match v {
        ValueRef::Fixed(Tag::Float | Tag::Double, word) => out.extend_from_slice(&code::word_bytes(word)),
        ValueRef::Fixed(tag, word) => put_signed(out, word.wrapping_sub(origin(tag, e, instant))),
        ValueRef::Variable(_, bytes) => put_bytes(out, bytes),
    }
}

/// What the word of a fixed type is measured from.
fn origin(tag: Tag, e: EntityId, instant: i64) -> i64 {
    match tag {
        Tag::Ref => e.0 as i64,
        Tag::Instant => instant,
        _ => 0,
    }
}

/// Reads the payload of a batch, of a version up to [`BATCH_VERSION`].
pub(crate) fn decode(payload: &[u8], version: u8) -> Result<Stored, Malformed> {
    let mut reader = Reader::new(payload);
    let Head { seq, epoch, id, previous, stands_for } = decode_head(&mut reader, version)?;
    let next = decode_next(&mut reader)?;
    let txs = decode_txs(&mut reader, version)?;
    reader.finish()?;
    Ok(Stored { batch: LogBatch { seq, epoch, id, next, txs }, previous, stands_for })
}

/// The checksum of the frame that a batch stands for, if it stands for one; its transactions are not read.
pub(crate) fn stands_for(payload: &[u8], version: u8) -> Result<Option<u128>, Malformed> {
    Ok(decode_head(&mut Reader::new(payload), version)?.stands_for)
}

/// What a batch begins with.
struct Head {
    seq: u64,
    epoch: u64,
    id: u128,
    previous: u128,
    stands_for: Option<u128>,
}

fn decode_head(reader: &mut Reader<'_>, version: u8) -> Result<Head, Malformed> {
    let seq = reader.unsigned("the batch's number")?;
    let epoch = reader.unsigned("the writer's epoch")?;
    let id = u128::from_be_bytes(reader.array("the batch's id")?);
    let previous = u128::from_be_bytes(reader.array("the checksum of the batch before")?);
    let stands_for = if version < STANDS_FOR_SINCE { None } else { decode_stands_for(reader)? };
    Ok(Head { seq, epoch, id, previous, stands_for })
}

fn decode_stands_for(reader: &mut Reader<'_>) -> Result<Option<u128>, Malformed> {
    let no_checksum = reader.expected("no checksum of a frame that this one stands for, or one of 16 bytes");
    match reader.length_and_bytes("the checksum of the frame that this one stands for")? {
        [] => Ok(None),
        checksum => {
            checksum.try_into().map(|bytes| Some(u128::from_be_bytes(bytes))).map_err(|_| no_checksum)
        }
    }
}

fn decode_next(reader: &mut Reader<'_>) -> Result<Vec<(Partition, u64)>, Malformed> {
    let count = reader.count(2, "the number of counters, within the payload")?;
    let mut next = Vec::with_capacity(count);
    for _ in 0..count {
        let partition = unsigned_32(reader, "a partition")?;
        next.push((Partition(partition), reader.unsigned("a counter")?));
    }
    Ok(next)
}

fn decode_txs(reader: &mut Reader<'_>, version: u8) -> Result<Vec<LoggedTx>, Malformed> {
    let count = reader.count(LEAST_TX_BYTES, "the number of transactions, within the payload")?;
    let mut txs = Vec::with_capacity(count);
    if count == 0 {
        return Ok(txs);
    }
    let no_room = reader.expected("a transaction's number below 2^42");
    let first = reader.unsigned("the first transaction's number")?;
    if first.checked_add(count as u64).is_none_or(|end| EntityId::of_t(end).counter() != end) {
        return Err(no_room);
    }
    let mut instant = 0i64;
    for n in 0..count as u64 {
        instant = instant.wrapping_add(reader.signed("an instant")?);
        txs.push(decode_tx(reader, version, first + n, instant)?);
    }
    Ok(txs)
}

fn decode_tx(reader: &mut Reader<'_>, version: u8, t: T, instant: i64) -> Result<LoggedTx, Malformed> {
    let count = reader.count(LEAST_DATOM_BYTES, "the number of datoms, within the payload")?;
    let kinds = decode_kinds(reader, count, version)?;
    let mut datoms = Vec::with_capacity(count);
    let mut e = EntityId::of_t(t).0;
    for _ in 0..count {
        e = e.wrapping_add(reader.signed("an entity")? as u64);
        datoms.push(LogDatom { e: EntityId(e), a: AttrId(0), v: Value::Boolean(false), op: Op::Assert });
    }
    for datom in &mut datoms {
        datom.a = AttrId(unsigned_32(reader, "an attribute")?);
    }
    for (datom, (_, op)) in datoms.iter_mut().zip(&kinds) {
        if op & RETRACT != 0 {
            let from = t.wrapping_sub(reader.unsigned("a retraction's distance")?);
            datom.op = Op::Retract { from, forget: op & FORGET != 0 };
        }
    }
    for (datom, (tag, _)) in datoms.iter_mut().zip(&kinds) {
        datom.v = decode_value(reader, *tag, datom.e, instant)?;
    }
    Ok(LoggedTx { t, instant, datoms })
}

/// The type of each datom, and what it does.
fn decode_kinds(reader: &mut Reader<'_>, count: usize, version: u8) -> Result<Vec<(Tag, u8)>, Malformed> {
    let known = if version < 2 { RETRACT } else { RETRACT | FORGET };
    let kind = |_| {
        let unknown = reader.expected("a known type, asserted or retracted");
        let kind = reader.byte("a datom's kind")?;
        let (tag, op) = (Tag::from_number(kind & !known), kind & known);
        tag.filter(|_| op != FORGET).map(|tag| (tag, op)).ok_or(unknown)
    };
    (0..count).map(kind).collect()
}

fn decode_value(reader: &mut Reader<'_>, tag: Tag, e: EntityId, instant: i64) -> Result<Value, Malformed> {
    let no_value = reader.expected("the code of a value of its type");
    let v = match tag {
        Tag::Float | Tag::Double => ValueRef::Fixed(tag, code::word_from_bytes(reader.array("a float")?)),
        _ if tag.is_fixed() => {
            let step = reader.signed("a value's word")?;
            ValueRef::Fixed(tag, step.wrapping_add(origin(tag, e, instant)))
        }
        _ => ValueRef::Variable(tag, reader.length_and_bytes("a value's code, within the payload")?),
    };
    code::decode(v).ok_or(no_value)
}

fn unsigned_32(reader: &mut Reader<'_>, expected: &'static str) -> Result<u32, Malformed> {
    let too_large = reader.expected(expected);
    u32::try_from(reader.unsigned(expected)?).map_err(|_| too_large)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::log::proofs::any_batch;

    fn encoded(batch: &LogBatch, previous: u128, stands_for: Option<u128>) -> Vec<u8> {
        let mut out = Vec::new();
        encode(batch, previous, stands_for, &mut out).expect("storable values");
        out
    }

    proptest! {
        #[test]
        fn batches_come_back(batch in any_batch(), previous: u128, stands_for: Option<u128>) {
            let payload = encoded(&batch, previous, stands_for);
            prop_assert_eq!(decode(&payload, BATCH_VERSION), Ok(Stored { batch, previous, stands_for }));
        }

        #[test]
        fn batches_of_version_1_come_back(batch in any_batch(), previous: u128) {
            let mut batch = batch;
            for datom in batch.txs.iter_mut().flat_map(|tx| &mut tx.datoms) {
                if let Op::Retract { forget, .. } = &mut datom.op {
                    *forget = false;
                }
            }
            // Version 1 is version 2 without the field after `previous`.
            let mut payload = encoded(&batch, previous, None);
            let mut head = Reader::new(&payload);
            head.unsigned("number").and_then(|_| head.unsigned("epoch")).expect("two numbers");
            let at = payload.len() - head.rest().len() + 32;
            prop_assert_eq!(payload.remove(at), 0);
            let stored = Stored { batch, previous, stands_for: None };
            prop_assert_eq!(decode(&payload, 1), Ok(stored));
        }

        #[test]
        fn cut_payloads_are_refused(batch in any_batch(), stands_for: Option<u128>, cut: prop::sample::Index) {
            let payload = encoded(&batch, 7, stands_for);
            prop_assert!(decode(&payload[..cut.index(payload.len())], BATCH_VERSION).is_err());
        }

        #[test]
        fn damaged_payloads_give_a_batch_or_an_error(
            batch in any_batch(),
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        ) {
            let mut payload = encoded(&batch, 7, None);
            for (at, byte) in damage {
                let at = at.index(payload.len());
                payload[at] = byte;
            }
            if let Ok(Stored { batch, previous, stands_for }) = decode(&payload, BATCH_VERSION) {
                let mut again = Vec::new();
                if encode(&batch, previous, stands_for, &mut again).is_ok() {
                    prop_assert_eq!(again, payload);
                }
            }
        }

        #[test]
        fn any_bytes_give_a_batch_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200), version in 1u8..=2) {
            let _ = decode(&bytes, version);
        }
    }

    fn one_datom(v: Value, op: Op) -> LogBatch {
        let datom = LogDatom { e: EntityId(1), a: AttrId(1), v, op };
        let txs = vec![LoggedTx { t: 1, instant: 0, datoms: vec![datom] }];
        LogBatch { seq: 0, epoch: 0, id: 0, next: vec![], txs }
    }

    #[test]
    fn a_value_that_cannot_be_stored_is_refused() {
        let batch = one_datom(Value::Ref(EntityId(u64::MAX)), Op::Assert);
        let error = encode(&batch, 0, None, &mut Vec::new()).unwrap_err();
        assert_eq!(error.keyword(), "db.error/unstorable-value");
    }

    #[test]
    fn only_a_retraction_forgets_and_only_since_version_2() {
        let payload = encoded(&one_datom(Value::Long(5), Op::Retract { from: 0, forget: true }), 7, None);
        let kind = Tag::Long as u8 | RETRACT | FORGET;
        let at = payload.iter().rposition(|byte| *byte == kind).expect("its kind");
        assert!(decode(&payload, 2).is_ok());
        let mut wrong = payload.clone();
        wrong[at] = Tag::Long as u8 | FORGET;
        let complaint = decode(&wrong, 2).unwrap_err().to_string();
        assert!(complaint.contains("a known type, asserted or retracted"), "{complaint}");
        assert!(complaint.contains(&format!("at byte {at} ")), "{complaint}");
        // The same in version 1, where the field after `previous` was not.
        let mut old = payload;
        old.remove(2 + 32);
        assert!(decode(&old, 1).unwrap_err().to_string().contains(&format!("at byte {} ", at - 1)));
    }

    #[test]
    fn a_batch_stands_for_a_whole_checksum_or_none() {
        let mut payload = encoded(&one_datom(Value::Long(5), Op::Assert), 7, Some(9));
        payload[2 + 32] = 15;
        payload.remove(2 + 33);
        let complaint = decode(&payload, 2).unwrap_err().to_string();
        assert!(complaint.contains("stands for, or one of 16 bytes at byte 34"), "{complaint}");
    }
}
