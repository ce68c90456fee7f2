//! The least or greatest value for each key, while rules go on finding others: shortest paths, highest bids.
//!
//! A row is a key and a value. A row is new in a round if its key is, or if its value is better than the one before; a
//! value that was overtaken is not seen again. So a rule that makes worse values from worse ones ends on cycles, where a
//! set of all values would grow without end.

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use crate::ast::Best;

type Key = Box<[u32]>;

/// Rows of which only the best for each key is kept; cells are numbers of the evaluation.
#[derive(Clone, Debug)]
pub struct BestRows {
    width: usize,
    best: Best,
    held: HashMap<Key, u32, FixedState>,
    /// Keys that have a better value than at the beginning of the round.
    better: HashMap<Key, (), FixedState>,
    recent: Vec<u32>,
}

impl BestRows {
    /// No rows yet, of so many columns.
    pub fn new(width: usize, best: Best) -> BestRows {
        BestRows { width, best, held: HashMap::default(), better: HashMap::default(), recent: Vec::new() }
    }

    /// Takes rows, one after the other in `cells`; `less` compares two cells.
    pub fn insert(&mut self, cells: &[u32], less: &dyn Fn(u32, u32) -> bool) {
        for row in cells.chunks_exact(self.width) {
            let value = row[self.best.at];
            let key: Key = [&row[..self.best.at], &row[self.best.at + 1..]].concat().into();
            match self.held.entry(key) {
                Entry::Vacant(place) => {
                    self.better.insert(place.key().clone(), ());
                    place.insert(value);
                }
                Entry::Occupied(mut place) => {
                    let held = *place.get();
                    if if self.best.greatest { less(held, value) } else { less(value, held) } {
                        self.better.insert(place.key().clone(), ());
                        place.insert(value);
                    }
                }
            }
        }
    }

    /// Begins the next round; false if nothing came in the last.
    pub fn changed(&mut self) -> bool {
        let mut keys: Vec<Key> = std::mem::take(&mut self.better).into_keys().collect();
        keys.sort_unstable();
        self.recent.clear();
        for key in &keys {
            self.recent.extend_from_slice(&self.row(key, self.held[key]));
        }
        !keys.is_empty()
    }

    /// What is best.
    pub fn best(&self) -> Best {
        self.best
    }

    /// The rows that are new in this round, one after the other.
    pub fn recent(&self) -> Vec<u32> {
        self.recent.clone()
    }

    /// All rows, one after the other.
    pub fn all(&self) -> Vec<u32> {
        let mut rows: Vec<Vec<u32>> = self.held.iter().map(|(key, value)| self.row(key, *value)).collect();
        rows.sort_unstable();
        rows.concat()
    }

    /// True if both hold the same value for the same keys.
    pub fn agrees(&self, other: &BestRows) -> bool {
        self.held == other.held
    }

    fn row(&self, key: &[u32], value: u32) -> Vec<u32> {
        let mut row = key.to_vec();
        row.insert(self.best.at, value);
        row
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_best_of_a_key_is_new() {
        let mut rows = BestRows::new(2, Best { at: 1, greatest: false });
        let less = |x: u32, y: u32| x < y;
        rows.insert(&[7, 5, 8, 1, 7, 4], &less);
        assert!(rows.changed());
        assert_eq!(rows.recent(), [7, 4, 8, 1]);
        rows.insert(&[7, 4, 8, 2], &less);
        assert!(!rows.changed(), "what is no better is not new");
        rows.insert(&[8, 0], &less);
        assert!(rows.changed());
        assert_eq!((rows.recent(), rows.all()), (vec![8, 0], vec![7, 4, 8, 0]));
        let mut other = BestRows::new(2, Best { at: 1, greatest: false });
        other.insert(&[7, 4, 8, 0], &less);
        assert!(rows.agrees(&other));
        other.insert(&[9, 0], &less);
        assert!(!rows.agrees(&other));
    }

    #[test]
    fn the_greatest_in_front() {
        let mut rows = BestRows::new(3, Best { at: 0, greatest: true });
        rows.insert(&[1, 5, 6, 3, 5, 6, 2, 5, 6], &|x, y| x < y);
        assert!(rows.changed());
        assert_eq!(rows.all(), [3, 5, 6]);
    }
}
