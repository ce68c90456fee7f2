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
pub const BATCH_VERSION: u8 = 1;

const RETRACT: u8 = 0x80;
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
}

/// Appends the payload of a batch to `out`.
///
/// The transactions' numbers must follow each other. Refuses a value that cannot be stored.
pub fn encode(batch: &LogBatch, previous: u128, out: &mut Vec<u8>) -> Result<()> {
    put_unsigned(out, batch.seq);
    put_unsigned(out, batch.epoch);
    out.extend_from_slice(&batch.id.to_be_bytes());
    out.extend_from_slice(&previous.to_be_bytes());
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
        let retract = if datom.op == Op::Assert { 0 } else { RETRACT };
        out.push(datom.v.tag() as u8 | retract);
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
        if let Op::Retract { from } = datom.op {
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

/// Reads the payload of a batch.
pub(crate) fn decode(payload: &[u8]) -> Result<Stored, Malformed> {
    let mut reader = Reader::new(payload);
    let seq = reader.unsigned("the batch's number")?;
    let epoch = reader.unsigned("the writer's epoch")?;
    let id = u128::from_be_bytes(reader.array("the batch's id")?);
    let previous = u128::from_be_bytes(reader.array("the checksum of the batch before")?);
    let next = decode_next(&mut reader)?;
    let txs = decode_txs(&mut reader)?;
    reader.finish()?;
    Ok(Stored { batch: LogBatch { seq, epoch, id, next, txs }, previous })
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

fn decode_txs(reader: &mut Reader<'_>) -> Result<Vec<LoggedTx>, Malformed> {
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
        txs.push(decode_tx(reader, first + n, instant)?);
    }
    Ok(txs)
}

fn decode_tx(reader: &mut Reader<'_>, t: T, instant: i64) -> Result<LoggedTx, Malformed> {
    let count = reader.count(LEAST_DATOM_BYTES, "the number of datoms, within the payload")?;
    let kinds = reader.take(count, "the datoms' kinds")?;
    let mut datoms = Vec::with_capacity(count);
    let mut e = EntityId::of_t(t).0;
    for _ in 0..count {
        e = e.wrapping_add(reader.signed("an entity")? as u64);
        datoms.push(LogDatom { e: EntityId(e), a: AttrId(0), v: Value::Boolean(false), op: Op::Assert });
    }
    for datom in &mut datoms {
        datom.a = AttrId(unsigned_32(reader, "an attribute")?);
    }
    for (datom, kind) in datoms.iter_mut().zip(kinds) {
        if kind & RETRACT != 0 {
            datom.op = Op::Retract { from: t.wrapping_sub(reader.unsigned("a retraction's distance")?) };
        }
    }
    for (datom, kind) in datoms.iter_mut().zip(kinds) {
        let unknown = reader.expected("a value of a known type");
        let tag = Tag::from_number(kind & !RETRACT).ok_or(unknown)?;
        datom.v = decode_value(reader, tag, datom.e, instant)?;
    }
    Ok(LoggedTx { t, instant, datoms })
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

    fn encoded(batch: &LogBatch, previous: u128) -> Vec<u8> {
        let mut out = Vec::new();
        encode(batch, previous, &mut out).expect("storable values");
        out
    }

    proptest! {
        #[test]
        fn batches_come_back(batch in any_batch(), previous: u128) {
            let payload = encoded(&batch, previous);
            prop_assert_eq!(decode(&payload), Ok(Stored { batch, previous }));
        }

        #[test]
        fn cut_payloads_are_refused(batch in any_batch(), cut: prop::sample::Index) {
            let payload = encoded(&batch, 7);
            prop_assert!(decode(&payload[..cut.index(payload.len())]).is_err());
        }

        #[test]
        fn damaged_payloads_give_a_batch_or_an_error(
            batch in any_batch(),
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        ) {
            let mut payload = encoded(&batch, 7);
            for (at, byte) in damage {
                let at = at.index(payload.len());
                payload[at] = byte;
            }
            if let Ok(stored) = decode(&payload) {
                let mut again = Vec::new();
                if encode(&stored.batch, stored.previous, &mut again).is_ok() {
                    prop_assert_eq!(again, payload);
                }
            }
        }

        #[test]
        fn any_bytes_give_a_batch_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes);
        }
    }

    #[test]
    fn a_value_that_cannot_be_stored_is_refused() {
        let datom =
            LogDatom { e: EntityId(1), a: AttrId(1), v: Value::Ref(EntityId(u64::MAX)), op: Op::Assert };
        let txs = vec![LoggedTx { t: 1, instant: 0, datoms: vec![datom] }];
        let batch = LogBatch { seq: 0, epoch: 0, id: 0, next: vec![], txs };
        assert_eq!(encode(&batch, 0, &mut Vec::new()).unwrap_err().keyword(), "db.error/unstorable-value");
    }
}
