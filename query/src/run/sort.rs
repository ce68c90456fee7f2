//! Sorting that can be stopped: runs are sorted one by one and merged two by two, with looks at the budget between.
//!
//! Not stable: what compares as equal may change places.

use std::cmp::Ordering;

use super::budget::{Meter, STRIDE};
use crate::error::Result;

/// How many items are sorted between two looks at the budget: a few milliseconds' worth.
const RUN: usize = 1 << 13;

/// The items in their order.
pub fn sorted<V>(mut items: Vec<V>, compare: &impl Fn(&V, &V) -> Ordering, meter: &Meter) -> Result<Vec<V>> {
    if items.len() <= RUN {
        items.sort_unstable_by(compare);
        return Ok(items);
    }
    let mut rest = items.into_iter();
    let mut runs: Vec<Vec<V>> = Vec::new();
    while rest.len() > 0 {
        meter.check(0)?;
        let mut run: Vec<V> = rest.by_ref().take(RUN).collect();
        run.sort_unstable_by(compare);
        runs.push(run);
    }
    while runs.len() > 1 {
        let mut pairs = runs.into_iter();
        runs = Vec::with_capacity(pairs.len().div_ceil(2));
        while let Some(one) = pairs.next() {
            runs.push(match pairs.next() {
                Some(other) => merged(one, other, compare, meter)?,
                None => one,
            });
        }
    }
    Ok(runs.pop().unwrap_or_default())
}

/// The first `count` items, in no order.
pub fn first<V>(
    items: Vec<V>,
    count: usize,
    compare: &impl Fn(&V, &V) -> Ordering,
    meter: &Meter,
) -> Result<Vec<V>> {
    if count == 0 {
        return Ok(Vec::new());
    }
    let most = count.saturating_add(count.max(RUN));
    let mut best: Vec<V> = Vec::new();
    let shrink = |best: &mut Vec<V>| {
        if best.len() > count {
            best.select_nth_unstable_by(count - 1, compare);
            best.truncate(count);
        }
    };
    for (at, item) in items.into_iter().enumerate() {
        if at.is_multiple_of(STRIDE) {
            meter.check(0)?;
        }
        best.push(item);
        if best.len() >= most {
            shrink(&mut best);
        }
    }
    shrink(&mut best);
    Ok(best)
}

fn merged<V>(
    one: Vec<V>,
    other: Vec<V>,
    compare: &impl Fn(&V, &V) -> Ordering,
    meter: &Meter,
) -> Result<Vec<V>> {
    let mut merged = Vec::with_capacity(one.len() + other.len());
    let (mut one, mut other) = (one.into_iter().peekable(), other.into_iter().peekable());
    loop {
        if merged.len() % STRIDE == 0 {
            meter.check(0)?;
        }
        let side = match (one.peek(), other.peek()) {
            (Some(x), Some(y)) if compare(x, y).is_le() => &mut one,
            (_, Some(_)) => &mut other,
            (Some(_), None) => &mut one,
            (None, None) => return Ok(merged),
        };
        merged.extend(side.next());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_items_come_in_order_and_the_first_of_them_are_the_least() {
        let meter = Meter::default();
        for count in [0, 1, RUN - 1, RUN, RUN + 1, 5 * RUN + 7] {
            let items: Vec<u64> = (0..count as u64).map(|n| n * 7919 % 10_007).collect();
            let mut want = items.clone();
            want.sort_unstable();
            assert_eq!(sorted(items.clone(), &u64::cmp, &meter).unwrap(), want);
            for most in [0, 1, 10, RUN, 2 * RUN + 1, usize::MAX] {
                let mut least = first(items.clone(), most, &u64::cmp, &meter).unwrap();
                least.sort_unstable();
                assert_eq!(least, want[..most.min(count)], "{most} of {count}");
            }
        }
    }
}
