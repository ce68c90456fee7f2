//! Sequences of slots as items of one partition: read by one query, deleted without being gone.

use serde_json::json;

use super::items;
use super::table::{Key, Table};
use crate::backend::{Failure, Filled, Sequence};

/// How many slots are marked before the next are.
const WINDOW: u64 = 25;
/// How many slots one query asks for at first; the further a run goes, the more.
const FIRST: usize = 4;
const MOST: usize = 512;

pub(super) async fn fill(
    table: &Table,
    sequence: Sequence,
    number: u64,
    write: u128,
    bytes: &[u8],
) -> Result<Filled, Failure> {
    match table.create(&Key::slot(sequence, number), write, bytes).await? {
        Some(end) => Ok(end),
        None => Err(crate::backend::gap(sequence, number).into()),
    }
}

/// The slots from `from` on, at most `limit`, up to the first that is absent or deleted.
pub(super) async fn read(
    table: &Table,
    sequence: Sequence,
    from: u64,
    limit: usize,
) -> Result<Vec<Vec<u8>>, Failure> {
    let (mut found, mut at_once) = (Vec::new(), FIRST);
    while found.len() < limit {
        let Some(next) = from.checked_add(found.len() as u64) else { break };
        let count = at_once.min(limit - found.len());
        let first = Key::slot(sequence, next);
        let items = table.query(&first.partition, Some((">=", &first.sort)), json!({}), count).await?;
        let came = items.len();
        for (item, number) in items.into_iter().zip(next..) {
            let key = Key::slot(sequence, number);
            if items::text(&item, "k") != Some(&key.sort) {
                return Ok(found);
            }
            match table.value(&key, Some(item)).await? {
                Some(bytes) => found.push(bytes),
                None => return Ok(found),
            }
        }
        if came < count {
            break;
        }
        at_once = (at_once * 4).min(MOST);
    }
    Ok(found)
}

/// Deletes the slots below a number, but not the last of all.
pub(super) async fn delete(table: &Table, sequence: Sequence, below: u64) -> Result<(), Failure> {
    let partition = Key::slot(sequence, 0).partition;
    let newest = json!({"ScanIndexForward": false, "ProjectionExpression": "k"});
    let newest = table.query(&partition, None, newest, 1).await?;
    let Some(last) = newest.first().and_then(|item| items::text(item, "k")?.parse::<u64>().ok()) else {
        return Ok(());
    };
    let end = below.min(last);
    // All below a window that was begun is marked, so its begin is where a deletion broke off.
    let is_gone = async |number| -> Result<bool, Failure> {
        let key = Key::slot(sequence, number);
        let fields = json!({"ProjectionExpression": "k, gone"});
        let items = table.query(&key.partition, Some(("=", &key.sort)), fields, 1).await?;
        Ok(items.first().is_some_and(|item| item.get("gone").is_some()))
    };
    let (mut low, mut kept) = (0, end);
    while low < kept {
        let middle = low + (kept - low) / 2;
        if is_gone(middle).await? { low = middle + 1 } else { kept = middle }
    }
    let mut window = kept - kept % WINDOW;
    while window < end {
        let numbers = window..end.min(window + WINDOW);
        table.mark_gone(numbers.map(|number| Key::slot(sequence, number)).collect()).await?;
        window += WINDOW;
    }
    Ok(())
}
