//! Facts removed from the log for ever.
//!
//! A removed fact is gone with its assertion and its retraction; its transactions stay, with what else they hold. A
//! frame with less in it has another checksum, so it says which frame it stands for: the chain goes on as it went.

use super::chain::{self, Opened};
use super::{LogBatch, Op, batch};
use crate::backend::DatabaseId;
use crate::error::Result;
use crate::frame::{self, Kind};
use crate::root::Excision;

/// Takes the removed facts out of a batch; gives how many datoms that were.
pub(crate) fn remove(batch: &mut LogBatch, excisions: &[Excision]) -> usize {
    if excisions.is_empty() {
        return 0;
    }
    let (mut scratch, mut removed) = (Vec::new(), 0);
    for tx in &mut batch.txs {
        let before = tx.datoms.len();
        tx.datoms.retain(|datom| {
            let from = match datom.op {
                Op::Assert => tx.t,
                Op::Retract { from, .. } => from,
            };
            !datom.v.with_ref(&mut scratch, |v| {
                excisions.iter().any(|excision| excision.takes(datom.e, datom.a, v, from))
            })
        });
        removed += before - tx.datoms.len();
    }
    removed
}

/// The frame that takes the place of a log frame that holds removed facts; none if it holds none.
pub(crate) fn reseal(
    database: DatabaseId,
    bytes: &[u8],
    excisions: &[Excision],
    place: &str,
) -> Result<Option<Vec<u8>>> {
    if excisions.is_empty() {
        return Ok(None);
    }
    let Opened { mut stored, link } = chain::open(database, bytes, place)?;
    if remove(&mut stored.batch, excisions) == 0 {
        return Ok(None);
    }
    let mut payload = Vec::new();
    batch::encode(&stored.batch, stored.previous, Some(link), &mut payload)?;
    frame::seal(Kind::LogBatch, batch::BATCH_VERSION, database, &payload).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datom::{AttrId, EntityId, T, Value};
    use crate::log::{Chain, LogDatom, LoggedTx};

    const DATABASE: DatabaseId = DatabaseId(0xfeed << 112 | 1);

    fn batch(seq: u64, t: T, datoms: Vec<LogDatom>) -> LogBatch {
        LogBatch {
            seq,
            epoch: 1,
            id: seq.into(),
            next: vec![],
            txs: vec![LoggedTx { t, instant: 0, datoms }],
        }
    }

    #[test]
    fn a_chain_goes_on_from_a_frame_that_stands_for_another() {
        let datom = |e, op| LogDatom { e: EntityId(e), a: AttrId(1), v: Value::string("secret"), op };
        let batches = [
            batch(0, 0, vec![datom(1, Op::Assert), datom(2, Op::Assert)]),
            batch(1, 1, vec![datom(1, Op::Retract { from: 0, forget: false })]),
            batch(2, 2, vec![datom(1, Op::Assert), datom(3, Op::Assert)]),
        ];
        let mut chain = Chain::new(DATABASE);
        let frames = batches.each_ref().map(|batch| {
            let frame = chain.seal(batch).expect("it continues");
            chain.accept(&frame).expect("it continues");
            frame
        });
        let excision = |before| {
            let (entities, attributes) = (vec![EntityId(1)], vec![]);
            Excision { t: 9, entities, attributes, references: false, before }
        };
        let cut = |frame: &[u8], before| reseal(DATABASE, frame, &[excision(before)], "here").expect("sound");

        let mut removed = Chain::new(DATABASE);
        let mut left = Vec::new();
        for frame in &frames {
            let frame = cut(frame, 2).unwrap_or_else(|| frame.clone());
            assert_eq!(cut(&frame, 2), None, "nothing is left to remove");
            // Once more, by another request: it stands for the first frame still.
            let again = cut(&frame, 9).unwrap_or(frame);
            left.extend(removed.accept(&again).expect("the chain is whole").txs);
        }
        assert_eq!(removed, chain);
        let left: Vec<_> = left.into_iter().map(|tx| tx.datoms).collect();
        assert_eq!(left, [vec![datom(2, Op::Assert)], vec![], vec![datom(3, Op::Assert)]]);
    }
}
