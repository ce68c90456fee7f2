//! Cells as 32-bit numbers, in the order in which they are met: what datafrog's relations hold.

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::column::Cell;

/// Numbers for the cells of one evaluation.
#[derive(Default)]
pub struct Numbers {
    of: HashMap<Cell, u32, FixedState>,
    cells: Vec<Cell>,
}

impl Numbers {
    /// The number of a cell.
    pub fn number(&mut self, cell: Cell) -> u32 {
        *self.of.entry(cell).or_insert_with(|| {
            self.cells.push(cell);
            u32::try_from(self.cells.len() - 1).expect("the budget is checked before 2^32 cells")
        })
    }

    /// How many cells have numbers.
    pub fn count(&self) -> usize {
        self.cells.len()
    }

    /// The cell with a number.
    pub fn cell(&self, number: u32) -> Cell {
        self.cells[number as usize]
    }
}
