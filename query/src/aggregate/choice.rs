//! Drawing values by chance that is none: the seed is made of the values, so one question has one answer.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::edn::Edn;

/// The most values that are drawn with repeats.
pub(super) const DRAWS_MAX: usize = 1_000_000;

/// A small generator (splitmix).
struct Chance(u64);

impl Chance {
    fn seeded_by(values: &[Edn]) -> Chance {
        let mut hasher = DefaultHasher::new();
        values.hash(&mut hasher);
        Chance(hasher.finish())
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((u128::from(mixed ^ (mixed >> 31)) * bound as u128) >> 64) as usize
    }
}

/// `count` of the values, with repeats. There is at least one value.
pub(super) fn draw(sorted: &[Edn], count: usize) -> Vec<Edn> {
    let mut chance = Chance::seeded_by(sorted);
    (0..count).map(|_| sorted[chance.below(sorted.len())].clone()).collect()
}

/// Up to `count` different ones of the values.
pub(super) fn sample(mut sorted: Vec<Edn>, count: usize) -> Vec<Edn> {
    sorted.dedup();
    let mut chance = Chance::seeded_by(&sorted);
    let count = count.min(sorted.len());
    for at in 0..count {
        let other = at + chance.below(sorted.len() - at);
        sorted.swap(at, other);
    }
    sorted.truncate(count);
    sorted
}
