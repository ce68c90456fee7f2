//! Integers of many groups, taken a column at once.

use super::{Accumulator, Aggregate, State};
use crate::edn::Edn;
use crate::error::Result;

/// Hands every word to the accumulator of its group; `groups` has the group of each word, or there is but one, and
/// `counts` how many words each group gets. False, and nothing taken, if these accumulators take values one by one only.
pub(crate) fn add(
    accumulators: &mut [Accumulator],
    groups: Option<&[u32]>,
    counts: &[u64],
    words: &[i64],
) -> Result<bool> {
    let Some(first) = accumulators.first() else { return Ok(true) };
    match first.aggregate {
        Aggregate::Sum | Aggregate::Avg => {
            let sums = by_group(groups, words, counts.len(), 0_i128, |sum, word| sum + i128::from(word));
            for ((accumulator, sum), count) in accumulators.iter_mut().zip(sums).zip(counts) {
                if let State::Sum(total) = &mut accumulator.state {
                    total.add_whole(sum);
                }
                accumulator.taken += count;
            }
        }
        Aggregate::Min => {
            extremes(accumulators, counts, by_group(groups, words, counts.len(), i64::MAX, i64::min))?
        }
        Aggregate::Max => {
            extremes(accumulators, counts, by_group(groups, words, counts.len(), i64::MIN, i64::max))?
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// One value a group, made of its words.
fn by_group<V: Copy>(
    groups: Option<&[u32]>,
    words: &[i64],
    count: usize,
    start: V,
    step: impl Fn(V, i64) -> V,
) -> Vec<V> {
    let Some(groups) = groups else {
        return vec![words.iter().fold(start, |value, word| step(value, *word))];
    };
    let mut values = vec![start; count];
    for (group, word) in groups.iter().zip(words) {
        let value = &mut values[*group as usize];
        *value = step(*value, *word);
    }
    values
}

fn extremes(accumulators: &mut [Accumulator], counts: &[u64], best: Vec<i64>) -> Result<()> {
    for ((accumulator, best), count) in accumulators.iter_mut().zip(best).zip(counts) {
        if *count > 0 {
            accumulator.add(&Edn::Int(best))?;
            accumulator.taken += count - 1;
        }
    }
    Ok(())
}
