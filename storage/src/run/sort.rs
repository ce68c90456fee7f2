//! The three orders of some rows, as permutations.
//!
//! EAVT is sorted by key; AEVT is EAVT grouped by attribute, which one sort of integers does, since the place in
//! EAVT breaks the ties rightly; AVET is AEVT sorted by value in the same way.

use std::cmp::Ordering;

use super::Columns;
use super::seek::head;
use crate::datom::columns::value_at;
use crate::datom::order::AVET_MAX_BYTES;

/// The rows in each order, EAVT, AEVT, AVET. Values too long for AVET are not in it.
pub(crate) fn open_orders(rows: &Columns, heap: &[u8]) -> [Vec<u32>; 3] {
    let eavt = by_entity(rows, heap);
    let aevt = by_attribute(rows, &eavt);
    let avet = by_value(rows, heap, &aevt);
    [eavt, aevt, avet]
}

/// The same for closed rows, where `to` comes before the third place.
pub(crate) fn closed_orders(rows: &Columns, heap: &[u8]) -> [Vec<u32>; 3] {
    let [mut eavt, mut aevt, mut avet] = open_orders(rows, heap);
    let same = |x: u32, y: u32| compare_values(rows, heap, x, y).is_eq();
    for order in [&mut eavt, &mut aevt] {
        by_closing(rows, order, |x, y| {
            rows.e[x as usize] == rows.e[y as usize] && rows.a[x as usize] == rows.a[y as usize]
        });
    }
    by_closing(rows, &mut avet, |x, y| rows.a[x as usize] == rows.a[y as usize] && same(x, y));
    [eavt, aevt, avet]
}

/// Sorts each group of neighbours by `to`; the order inside breaks ties.
fn by_closing(rows: &Columns, sorted: &mut [u32], together: impl Fn(u32, u32) -> bool) {
    for group in sorted.chunk_by_mut(|x, y| together(*x, *y)) {
        group.sort_by_key(|row| rows.to[*row as usize]);
    }
}

fn by_entity(rows: &Columns, heap: &[u8]) -> Vec<u32> {
    let mut keys: Vec<(u64, u32, u32)> =
        (0..rows.len()).map(|row| (rows.e[row], rows.a[row], row as u32)).collect();
    keys.sort_unstable_by(|x, y| {
        (x.0, x.1).cmp(&(y.0, y.1)).then_with(|| {
            compare_values(rows, heap, x.2, y.2)
                .then_with(|| rows.from[x.2 as usize].cmp(&rows.from[y.2 as usize]))
        })
    });
    keys.into_iter().map(|(_, _, row)| row).collect()
}

fn by_attribute(rows: &Columns, eavt: &[u32]) -> Vec<u32> {
    let place = |(place, row): (usize, &u32)| u64::from(rows.a[*row as usize]) << 32 | place as u64;
    let mut keys: Vec<u64> = eavt.iter().enumerate().map(place).collect();
    keys.sort_unstable();
    keys.into_iter().map(|key| eavt[key as u32 as usize]).collect()
}

/// What a value is sorted by first: all of a fixed value, eight bytes of a variable one.
struct ValueKey {
    attribute_and_tag: u64,
    head: u64,
    place: u32,
}

fn by_value(rows: &Columns, heap: &[u8], aevt: &[u32]) -> Vec<u32> {
    let key = |(place, row): (usize, &u32)| {
        let row = *row as usize;
        let (tag, word) = (rows.tag[row], rows.word[row]);
        (rows.heap_bytes(row) <= AVET_MAX_BYTES).then(|| ValueKey {
            attribute_and_tag: u64::from(rows.a[row]) << 8 | tag as u64,
            head: head(value_at(tag, word, heap), 0),
            place: place as u32,
        })
    };
    let mut keys: Vec<ValueKey> = aevt.iter().enumerate().filter_map(key).collect();
    keys.sort_unstable_by(|x, y| {
        (x.attribute_and_tag, x.head)
            .cmp(&(y.attribute_and_tag, y.head))
            .then_with(|| compare_values(rows, heap, aevt[x.place as usize], aevt[y.place as usize]))
            .then_with(|| x.place.cmp(&y.place))
    });
    keys.into_iter().map(|key| aevt[key.place as usize]).collect()
}

fn compare_values(rows: &Columns, heap: &[u8], x: u32, y: u32) -> Ordering {
    let value = |row: u32| value_at(rows.tag[row as usize], rows.word[row as usize], heap);
    value(x).compare(value(y))
}
