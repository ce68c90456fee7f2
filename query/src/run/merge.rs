//! Facts and rows walked together by their entity; stretches without a match are leapt over.

use annals_storage::datom::{Batch, Col};

/// Hands every pair of a fact and a row with the same entity to `found`.
///
/// `cursor` is a row before which no row has the entities of later facts, as long as facts come in order; a fact that
/// does not is looked for from the start.
pub fn merge(entities: &[i64], cursor: &mut usize, batch: &Batch<'_>, found: &mut impl FnMut(u32, u32)) {
    let mut pairs = |row: usize, from: usize| {
        let e = batch.e.get(row) as i64;
        let same = entities[from..].iter().take_while(|entity| **entity == e).count();
        (from..from + same).for_each(|left| found(row as u32, left as u32));
    };
    let Col::Each(facts) = batch.e else {
        let from = entities.partition_point(|entity| *entity < batch.e.get(0) as i64);
        return (0..batch.len).for_each(|row| pairs(row, from));
    };
    let Some(first) = facts.first() else { return };
    if *cursor > 0 && entities[*cursor - 1] >= *first as i64 {
        *cursor = 0;
    }
    if !facts.is_sorted() {
        return (0..facts.len()).for_each(|row| {
            pairs(row, entities.partition_point(|entity| *entity < facts[row] as i64));
        });
    }
    let (mut row, mut at) = (0, *cursor);
    while row < facts.len() && at < entities.len() {
        let (fact, entity) = (facts[row] as i64, entities[at]);
        if fact < entity {
            row += leap(&facts[row..], |fact| (*fact as i64) < entity);
        } else if entity < fact {
            at += leap(&entities[at..], |entity| *entity < fact);
        } else {
            pairs(row, at);
            row += 1;
        }
    }
    *cursor = at;
}

/// How many elements from the front are before the one sought: doubling steps, then halving.
fn leap<V>(slice: &[V], before: impl Fn(&V) -> bool) -> usize {
    let mut reach = 1;
    while reach < slice.len() && before(&slice[reach]) {
        reach *= 2;
    }
    let low = reach / 2;
    low + slice[low..slice.len().min(reach + 1)].partition_point(before)
}

#[cfg(test)]
mod tests {
    use annals_storage::datom::{Tag, ValueCol};

    use super::*;

    fn pairs(entities: &[i64], batches: &[&[u64]]) -> Vec<(u64, u32)> {
        let (mut cursor, mut found) = (0, Vec::new());
        for facts in batches {
            let v = ValueCol { tags: Col::Const(Tag::Long), words: Col::Const(0), heap: &[] };
            let (a, t, added) = (Col::Const(0), Col::Const(0), Col::Const(true));
            let batch = Batch { len: facts.len(), e: Col::Each(facts), a, v, t, added };
            merge(entities, &mut cursor, &batch, &mut |row, left| found.push((facts[row as usize], left)));
        }
        found.sort_unstable();
        found
    }

    #[test]
    fn a_merge_finds_every_pair_whatever_the_order_of_batches() {
        let entities = [1, 3, 3, 5, 9];
        let all = vec![(1, 0), (3, 1), (3, 1), (3, 2), (3, 2), (9, 4)];
        assert_eq!(pairs(&entities, &[&[1, 2, 3, 3, 4, 9, 10]]), all);
        assert_eq!(pairs(&entities, &[&[1, 2, 3], &[3, 4, 9]]), all, "a run of one entity across batches");
        assert_eq!(pairs(&entities, &[&[4, 9], &[1, 2, 3, 3]]), all, "batches that start again");
        assert_eq!(pairs(&entities, &[&[9, 3, 1, 3]]), all, "a batch out of order");
    }

    #[test]
    fn a_leap_lands_on_the_first_that_is_not_before() {
        let numbers: Vec<u64> = (0..100).collect();
        for target in 0..100 {
            assert_eq!(leap(&numbers, |n| *n < target), target as usize);
        }
        assert_eq!(leap(&numbers, |_| true), 100);
    }
}
