//! Sequences of slots as objects: read up to the first that is absent, and deleted without being gone.
//!
//! To read an absent slot is one request, and so is the first of a run; the further a run goes, the more are asked for at
//! once. A deleted slot holds a mark. Marks are put in windows, in order, so that below a window that was begun all
//! is marked, whenever a deletion broke off.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::bucket::{AT_ONCE, Bucket};
use crate::backend::{Failure, Sequence};

/// What a deleted slot holds. No frame begins like it.
const MARK: &[u8] = b"annals: this slot was deleted";
/// How many slots are marked before the next are.
const WINDOW: u64 = 64;

pub(super) fn is_mark(bytes: &[u8]) -> bool {
    bytes == MARK
}

/// The slots from `from` on, at most `limit`, up to the first that is absent or deleted.
pub(super) async fn read(
    bucket: Arc<Bucket>,
    sequence: Sequence,
    from: u64,
    limit: usize,
) -> Result<Vec<Vec<u8>>, Failure> {
    let (mut found, mut at_once) = (Vec::new(), 1);
    while found.len() < limit {
        let count = at_once.min(limit - found.len());
        let numbers = (found.len()..found.len() + count).map_while(|place| from.checked_add(place as u64));
        let keys = numbers.map(|number| bucket.slot(sequence, number)).collect();
        let slots = Arc::clone(&bucket).get_all(keys).await?;
        let asked = slots.len();
        let before = found.len();
        found.extend(slots.into_iter().map_while(|slot| slot.filter(|bytes| !is_mark(bytes))));
        if found.len() - before < asked || asked < count {
            break;
        }
        at_once = (at_once * 2).min(AT_ONCE);
    }
    Ok(found)
}

/// Deletes the slots below a number, but not the last of all.
pub(super) async fn delete(bucket: Arc<Bucket>, sequence: Sequence, below: u64) -> Result<(), Failure> {
    let Some(end) = end(&bucket, sequence, below).await? else { return Ok(()) };
    let first = first_kept(&bucket, sequence, end).await?;
    let mut window = first - first % WINDOW;
    while window < end {
        let numbers = window..end.min(window + WINDOW);
        let marked = numbers.map(|number| {
            let (bucket, key) = (&bucket, bucket.slot(sequence, number));
            async move { bucket.overwrite(&key, Bytes::from_static(MARK)).await }
        });
        stream::iter(marked.collect::<Vec<_>>())
            .buffer_unordered(AT_ONCE)
            .try_for_each(async |()| Ok(()))
            .await?;
        window += WINDOW;
    }
    Ok(())
}

/// Up to where may be deleted: `below`, or the last slot if that is lower; none of an empty sequence.
async fn end(bucket: &Bucket, sequence: Sequence, below: u64) -> Result<Option<u64>, Failure> {
    let is_there = async |number| -> Result<bool, Failure> {
        Ok(bucket.get(&bucket.slot(sequence, number)).await?.is_some())
    };
    if is_there(below).await? {
        return Ok(Some(below));
    }
    if !is_there(0).await? {
        return Ok(None);
    }
    let (mut there, mut absent) = (0, 1);
    while absent < below && is_there(absent).await? {
        (there, absent) = (absent, absent.saturating_mul(2));
    }
    absent = absent.min(below);
    while there + 1 < absent {
        let middle = there + (absent - there) / 2;
        if is_there(middle).await? { there = middle } else { absent = middle }
    }
    Ok(Some(there))
}

/// The first slot that is not deleted, of those up to `end`, which is not; or one in the window where a deletion broke off.
async fn first_kept(bucket: &Bucket, sequence: Sequence, end: u64) -> Result<u64, Failure> {
    let (mut low, mut kept) = (0, end);
    while low < kept {
        let middle = low + (kept - low) / 2;
        let slot = bucket.get(&bucket.slot(sequence, middle)).await?;
        if slot.is_some_and(|bytes| is_mark(&bytes)) { low = middle + 1 } else { kept = middle }
    }
    Ok(kept)
}
