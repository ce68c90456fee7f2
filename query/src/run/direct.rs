//! Rows by the number of their entity: facts are matched by one look into a table each.
//!
//! It pays where entities have numbers close to each other and about as many facts are looked at as there are rows.

use annals_storage::datom::{Batch, Col};

use super::column::{Column, Kind};

/// No row.
const NONE: u32 = u32::MAX;
/// So many facts may be looked at for every row; with more of them, leaping over most is quicker.
pub const FACTS: u64 = 32;
/// The table may have so many places for every row.
const ROOM: u64 = 2 * FACTS;

/// Which row each entity is of.
pub struct Direct {
    least: i64,
    rows: Vec<u32>,
}

impl Direct {
    /// Of a column of entities, if about so many facts are best matched so; none if two rows have one entity.
    pub fn of(column: &Column, facts: u64) -> Option<Direct> {
        let (Kind::LONG, words) = column.as_words()? else { return None };
        (facts <= FACTS.saturating_mul(words.len() as u64)).then(|| Direct::over(words))?
    }

    /// Of these entities; none if two are the same or they are far apart.
    pub fn over(words: &[i64]) -> Option<Direct> {
        let (least, most) = (*words.iter().min()?, *words.iter().max()?);
        let span = most.checked_sub(least).and_then(|span| u64::try_from(span).ok())?;
        if span >= ROOM * words.len() as u64 || words.len() >= NONE as usize {
            return None;
        }
        let mut rows = vec![NONE; span as usize + 1];
        for (row, word) in words.iter().enumerate() {
            let slot = &mut rows[(*word - least) as usize];
            if *slot != NONE {
                return None;
            }
            *slot = row as u32;
        }
        Some(Direct { least, rows })
    }

    fn row(&self, e: u64) -> u32 {
        let at = (e as i64).wrapping_sub(self.least) as usize;
        self.rows.get(at).copied().unwrap_or(NONE)
    }

    /// Which facts of a batch have a row, and which: added to `hits` and `left`.
    pub fn matched(&self, batch: &Batch<'_>, hits: &mut Vec<u32>, left: &mut Vec<u32>) {
        let Col::Each(facts) = batch.e else {
            let row = self.row(batch.e.get(0));
            if row != NONE {
                hits.extend(0..batch.len as u32);
                left.resize(left.len() + batch.len, row);
            }
            return;
        };
        // Without branches: a pair is written in any case, and kept if there is a row.
        let (first_hit, first_left) = (hits.len(), left.len());
        hits.resize(first_hit + facts.len(), 0);
        left.resize(first_left + facts.len(), 0);
        let mut kept = 0;
        for (at, e) in facts.iter().enumerate() {
            let row = self.row(*e);
            hits[first_hit + kept] = at as u32;
            left[first_left + kept] = row;
            kept += usize::from(row != NONE);
        }
        hits.truncate(first_hit + kept);
        left.truncate(first_left + kept);
    }
}

#[cfg(test)]
mod tests {
    use annals_storage::datom::{Tag, ValueCol};

    use super::*;

    fn pairs(entities: &[i64], facts: &[u64]) -> Option<Vec<(u32, u32)>> {
        let direct = Direct::of(&Column::of(Kind::LONG, entities.to_vec()), facts.len() as u64)?;
        let v = ValueCol { tags: Col::Const(Tag::Long), words: Col::Const(0), heap: &[] };
        let (a, t, added) = (Col::Const(0), Col::Const(0), Col::Const(true));
        let (mut hits, mut left) = (Vec::new(), Vec::new());
        direct.matched(
            &Batch { len: facts.len(), e: Col::Each(facts), a, v, t, added },
            &mut hits,
            &mut left,
        );
        let same = Batch { len: 2, e: Col::Const(facts[0]), a, v, t, added };
        let before = hits.len();
        direct.matched(&same, &mut hits, &mut left);
        assert!([0, 2].contains(&(hits.len() - before)), "all of them or none");
        hits.truncate(before);
        Some(hits.into_iter().zip(left).collect())
    }

    #[test]
    fn every_fact_of_a_row_is_found_in_any_order() {
        assert_eq!(pairs(&[7, 3, 5], &[1, 3, 3, 9, 7, 5, 4]), Some(vec![(1, 1), (2, 1), (4, 0), (5, 2)]));
        assert_eq!(
            pairs(&[-1, 0, 2], &[u64::MAX, 0, 5]),
            Some(vec![(0, 0), (1, 1)]),
            "the word is what counts"
        );
    }

    #[test]
    fn rows_with_one_entity_or_far_apart_are_left_to_others() {
        assert_eq!(pairs(&[1, 2, 1], &[1, 2, 3]), None);
        assert_eq!(pairs(&[1, 1 << 40], &[1]), None);
        assert_eq!(pairs(&[i64::MIN, i64::MAX], &[1]), None);
        assert_eq!(pairs(&[1], &[1; 40]), None, "too many facts for one row");
    }
}
