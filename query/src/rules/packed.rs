//! Rows of a rule's relation as datafrog holds them: cells as 32-bit numbers, a whole row packed in one integer.
//!
//! ```text
//!   up to two columns   u64        [ 0 ][ 1 ]
//!   up to four          u128       [ 0 ][ 1 ][ 2 ][ 3 ]
//!   more                a boxed row, slower
//! ```
//!
//! Packing keeps rows apart, so a relation of packed rows is a set of rows. datafrog is given what it is best at: it
//! holds what is stable, finds what is new, and promotes it once a round. Each relation is an iteration of its own, so that a
//! round costs nothing for those to which nothing happens.

use datafrog::{Iteration, Relation, Variable};

/// A row that packs.
trait Packed: Ord + Clone + 'static {
    fn pack(row: &[u32]) -> Self;
    fn unpack(&self, width: usize, out: &mut Vec<u32>);
}

impl Packed for u64 {
    fn pack(row: &[u32]) -> u64 {
        row.iter().fold(0, |packed, cell| packed << 32 | u64::from(*cell))
    }

    fn unpack(&self, width: usize, out: &mut Vec<u32>) {
        out.extend((0..width).rev().map(|at| (self >> (32 * at)) as u32));
    }
}

impl Packed for u128 {
    fn pack(row: &[u32]) -> u128 {
        row.iter().fold(0, |packed, cell| packed << 32 | u128::from(*cell))
    }

    fn unpack(&self, width: usize, out: &mut Vec<u32>) {
        out.extend((0..width).rev().map(|at| (self >> (32 * at)) as u32));
    }
}

impl Packed for Box<[u32]> {
    fn pack(row: &[u32]) -> Box<[u32]> {
        row.into()
    }

    fn unpack(&self, _width: usize, out: &mut Vec<u32>) {
        out.extend_from_slice(self);
    }
}

/// A set of rows that grows round by round.
pub trait Growing {
    /// Adds rows, one after the other in `cells`; they are seen from the next round on, if they are new.
    fn insert(&self, cells: &[u32]);

    /// Begins the next round; false if nothing is new in it. Need not be called while nothing is and nothing was.
    fn changed(&mut self) -> bool;

    /// The rows that are new in this round, one after the other.
    fn recent(&self) -> Vec<u32>;
}

struct Rows<P: Packed> {
    width: usize,
    iteration: Iteration,
    variable: Variable<P>,
}

impl<P: Packed> Rows<P> {
    fn new(width: usize) -> Rows<P> {
        let mut iteration = Iteration::new();
        Rows { width, variable: iteration.variable("rows"), iteration }
    }
}

impl<P: Packed> Growing for Rows<P> {
    fn insert(&self, cells: &[u32]) {
        let mut elements: Vec<P> = cells.chunks_exact(self.width).map(P::pack).collect();
        elements.sort_unstable();
        elements.dedup();
        self.variable.insert(Relation { elements });
    }

    fn changed(&mut self) -> bool {
        self.iteration.changed()
    }

    fn recent(&self) -> Vec<u32> {
        let recent = self.variable.recent.borrow();
        let mut cells = Vec::with_capacity(recent.len() * self.width);
        recent.iter().for_each(|row| row.unpack(self.width, &mut cells));
        cells
    }
}

/// A relation of so many columns, at least one.
pub fn growing(width: usize) -> Box<dyn Growing> {
    match width {
        1 | 2 => Box::new(Rows::<u64>::new(width)),
        3 | 4 => Box::new(Rows::<u128>::new(width)),
        _ => Box::new(Rows::<Box<[u32]>>::new(width)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_every_width_come_back_once() {
        for width in 1..=6usize {
            let mut rows = growing(width);
            let row: Vec<u32> = (0..width as u32).map(|cell| u32::MAX - cell).collect();
            rows.insert(&[row.clone(), vec![0; width], row.clone()].concat());
            assert!(rows.changed());
            assert_eq!(rows.recent(), [vec![0; width], row.clone()].concat(), "width {width}");
            rows.insert(&row);
            assert!(!rows.changed(), "a known row is not new");
        }
    }
}
