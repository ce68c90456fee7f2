//! Facts that come just as the rows do: a fact for every row, entity after entity.
//!
//! So it is where most entities have all that is asked of them, which then need not be looked up at all: two stretches of
//! numbers are compared. A batch that goes otherwise is left to others.

use annals_storage::datom::{Batch, Col};

use super::column::{Column, Kind};

/// With more facts than this for every row, few batches will be in step.
const MOST: u64 = 2;

/// The entities of the rows, and how far the facts have come.
pub struct InStep<'t> {
    entities: &'t [i64],
    next: usize,
}

impl<'t> InStep<'t> {
    /// Over a column of entities where so many facts come by; none unless most of them may be of a row.
    pub fn of(column: &'t Column, facts: u64) -> Option<InStep<'t>> {
        let (Kind::LONG, words) = column.as_words()? else { return None };
        let (first, last) = (*words.first()?, *words.last()?);
        // No facts but those between the first and the last row need come by.
        let between = last.checked_sub(first).and_then(|span| u64::try_from(span).ok()).unwrap_or(u64::MAX);
        if facts.min(between) > MOST * words.len() as u64 {
            return None;
        }
        InStep::over(words)
    }

    /// Over these entities; none unless they ascend, each of them once.
    pub fn over(entities: &'t [i64]) -> Option<InStep<'t>> {
        let ascend = entities.iter().zip(entities.get(1..)?).fold(true, |ascend, (x, y)| ascend & (x < y));
        ascend.then_some(InStep { entities, next: 0 })
    }

    /// The row of a batch's first fact, if each fact of the batch is of the next row.
    pub fn first(&mut self, batch: &Batch<'_>) -> Option<usize> {
        let Col::Each(facts) = batch.e else { return None };
        let first = *facts.first()? as i64;
        if self.entities.get(self.next) != Some(&first) {
            self.next = self.entities.partition_point(|entity| *entity < first);
        }
        let rows = self.entities.get(self.next..self.next + facts.len())?;
        if rows.first() != Some(&first) || rows.last().copied() != facts.last().map(|fact| *fact as i64) {
            return None;
        }
        let is_same = rows.iter().zip(facts).fold(true, |same, (row, fact)| same & (*row == *fact as i64));
        is_same.then(|| {
            let first = self.next;
            self.next += facts.len();
            first
        })
    }
}

#[cfg(test)]
mod tests {
    use annals_storage::datom::{Tag, ValueCol};

    use super::*;

    fn first(steps: &mut InStep<'_>, facts: &[u64]) -> Option<usize> {
        let v = ValueCol { tags: Col::Const(Tag::Long), words: Col::Const(0), heap: &[] };
        let (a, t, added) = (Col::Const(0), Col::Const(0), Col::Const(true));
        steps.first(&Batch { len: facts.len(), e: Col::Each(facts), a, v, t, added })
    }

    #[test]
    fn facts_are_in_step_exactly_if_each_is_of_the_next_row() {
        let mut steps = InStep::over(&[2, 3, 5, 8, 9]).unwrap();
        assert_eq!(first(&mut steps, &[2, 3]), Some(0));
        assert_eq!(first(&mut steps, &[5, 8]), Some(2));
        assert_eq!(first(&mut steps, &[8, 9]), Some(3), "it need not go on where it was");
        for facts in [&[3, 4][..], &[3, 3], &[2, 5], &[9, 10], &[4], &[1, 2], &[2, 4, 5], &[]] {
            assert_eq!(first(&mut steps, facts), None, "{facts:?}");
        }
        assert_eq!(first(&mut steps, &[2, 3, 5, 8, 9]), Some(0));
    }

    #[test]
    fn rows_that_share_an_entity_or_do_not_ascend_are_left_to_others() {
        assert!(InStep::over(&[1, 1]).is_none() && InStep::over(&[2, 1]).is_none());
        assert!(InStep::over(&[-1, 7]).is_some());
        let rows = Column::of(Kind::LONG, vec![10, 11, 40]);
        assert!(InStep::of(&rows, 6).is_some() && InStep::of(&rows, 7).is_none(), "too many facts");
        let rows = Column::of(Kind::LONG, vec![10, 11, 13]);
        assert!(InStep::of(&rows, 100).is_some(), "most of the facts are of others");
    }
}
