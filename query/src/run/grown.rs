//! A relation that grows while a rule is evaluated, with an index for each way it is looked at.

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::batch::{Table, hash_cells};
use super::budget::{Meter, STRIDE};
use super::column::{CELL_BYTES, Cell, ColumnBuilder};
use super::join;
use crate::error::Result;
use crate::plan::{Place, VarId};

/// What an index takes for a row: its link, and in the table of heads a number with room beside it.
const LINK_BYTES: usize = 12;

/// What a pair of rows takes: two numbers.
const PAIR_BYTES: usize = 8;

const END: u32 = u32::MAX;

/// The rows so far, by column.
pub struct Grown {
    columns: Vec<Vec<Cell>>,
    rows: usize,
    indexes: Vec<Index>,
}

/// Rows chained by the cells of some columns; covers the first `next.len()` rows.
struct Index {
    keys: Vec<usize>,
    hasher: FixedState,
    heads: HashTable<u32>,
    next: Vec<u32>,
}

impl Grown {
    /// A relation of so many columns, empty.
    pub fn new(width: usize) -> Grown {
        Grown { columns: vec![Vec::new(); width], rows: 0, indexes: Vec::new() }
    }

    /// Adds the rows of a table, which are not there yet.
    pub fn append(&mut self, table: &Table) {
        for (column, more) in self.columns.iter_mut().zip(&table.columns) {
            column.extend((0..table.rows).map(|row| more.get(row)));
        }
        self.rows += table.rows;
    }

    /// All of its rows.
    pub fn table(&self) -> Table {
        let column = |cells: &Vec<Cell>| {
            let mut builder = ColumnBuilder::default();
            cells.iter().for_each(|cell| builder.push(*cell));
            builder.finish()
        };
        let columns = self.columns.iter().map(column).collect();
        Table { vars: Vec::new(), columns, rows: self.rows, distinct: true }
    }

    /// The bytes of its columns and indexes.
    pub fn bytes(&self) -> usize {
        let links: usize = self.indexes.iter().map(|index| index.next.len() * LINK_BYTES).sum();
        self.rows * self.columns.len() * size_of::<Cell>() + links
    }

    /// Joins its rows, matched by position with `places`, with `table`.
    pub fn join(&mut self, places: &[Place], table: Table, live: &[VarId], meter: &Meter) -> Result<Table> {
        let is_key = |place: &Place| match place {
            Place::Const(_) => true,
            Place::Var(var) => table.position(*var).is_some(),
            Place::Blank => false,
        };
        let keys: Vec<usize> = (0..places.len()).filter(|at| is_key(&places[*at])).collect();
        let index = self.index(keys, meter)?;
        let (columns, index) = (&self.columns, &self.indexes[index]);
        let (outputs, repeats) = free_places(places, &table);
        let agrees =
            |row: u32| repeats.iter().all(|(x, y)| columns[*x][row as usize] == columns[*y][row as usize]);
        let (mut left, mut right) = (Vec::new(), Vec::new());
        let mut key = Vec::with_capacity(index.keys.len());
        let mut next = STRIDE;
        for row in 0..table.rows {
            key.clear();
            key.extend(index.keys.iter().map(|at| match places[*at] {
                Place::Const(cell) => cell,
                Place::Var(var) => table.column(var).get(row),
                Place::Blank => unreachable!("a blank is no key"),
            }));
            right.extend(index.rows(&key, columns).filter(|row| agrees(*row)));
            left.resize(right.len(), row as u32);
            if right.len() >= next || row % STRIDE == 0 {
                meter.room(right.len(), PAIR_BYTES)?;
                next = right.len() + STRIDE;
            }
        }
        meter.room(right.len(), PAIR_BYTES + outputs.len() * CELL_BYTES)?;
        let column = |at: usize| {
            let mut builder = ColumnBuilder::default();
            right.iter().for_each(|row| builder.push(columns[at][*row as usize]));
            builder.finish()
        };
        let (vars, found) = outputs.iter().map(|(at, var)| (*var, column(*at))).unzip();
        let all_shown = places.iter().all(|place| place.var().is_none_or(|var| live.contains(&var)));
        let distinct =
            table.distinct && table.is_within(live) && all_shown && !places.contains(&Place::Blank);
        let all: Vec<VarId> = table.vars.iter().copied().filter(|var| live.contains(var)).collect();
        Ok(Table { distinct, ..join::beside(table, &left, vars, found, &all, meter)? })
    }

    /// The rows of a table that are not among these.
    pub fn missing(&mut self, table: &Table, meter: &Meter) -> Result<Table> {
        let index = self.index((0..self.columns.len()).collect(), meter)?;
        let (columns, index) = (&self.columns, &self.indexes[index]);
        let is_new = |row: usize| {
            let key: Vec<Cell> = table.row(row).collect();
            index.rows(&key, columns).next().is_none()
        };
        let rows = join::kept(table.rows, meter, is_new)?;
        table.gathered(&rows, meter)
    }

    /// The number of an index over these columns that covers all rows.
    fn index(&mut self, keys: Vec<usize>, meter: &Meter) -> Result<usize> {
        let at = match self.indexes.iter().position(|index| index.keys == keys) {
            Some(at) => at,
            None => {
                let hasher = FixedState::default();
                self.indexes.push(Index { keys, hasher, heads: HashTable::new(), next: Vec::new() });
                self.indexes.len() - 1
            }
        };
        self.indexes[at].cover(&self.columns, self.rows, meter)?;
        Ok(at)
    }
}

impl Index {
    fn cover(&mut self, columns: &[Vec<Cell>], rows: usize, meter: &Meter) -> Result<()> {
        let Index { keys, hasher, heads, next } = self;
        let hash = |row: u32| hash_cells(hasher, keys.iter().map(|at| columns[*at][row as usize]));
        for row in next.len() as u32..rows as u32 {
            if (row as usize).is_multiple_of(STRIDE) {
                meter.check(0)?;
            }
            let same = |other: &u32| {
                keys.iter().all(|at| columns[*at][row as usize] == columns[*at][*other as usize])
            };
            match heads.find_mut(hash(row), same) {
                Some(head) => next.push(std::mem::replace(head, row)),
                None => {
                    heads.insert_unique(hash(row), row, |other| hash(*other));
                    next.push(END);
                }
            }
        }
        Ok(())
    }

    fn rows<'a>(&'a self, key: &[Cell], columns: &[Vec<Cell>]) -> impl Iterator<Item = u32> + use<'a> {
        let hash = hash_cells(&self.hasher, key.iter().copied());
        let same =
            |row: &u32| self.keys.iter().zip(key).all(|(at, cell)| columns[*at][*row as usize] == *cell);
        let mut at = self.heads.find(hash, same).copied().unwrap_or(END);
        std::iter::from_fn(move || {
            let row = (at != END).then_some(at)?;
            at = self.next[row as usize];
            Some(row)
        })
    }
}

/// A place that gives a variable its value.
type Output = (usize, VarId);
/// Two places that must be equal.
type Repeat = (usize, usize);

/// The places that give a new variable its value, and those that repeat one.
fn free_places(places: &[Place], table: &Table) -> (Vec<Output>, Vec<Repeat>) {
    let mut outputs: Vec<Output> = Vec::new();
    let mut repeats = Vec::new();
    for (at, place) in places.iter().enumerate() {
        let Place::Var(var) = place else { continue };
        if table.position(*var).is_some() {
            continue;
        }
        match outputs.iter().find(|(_, known)| known == var) {
            Some((first, _)) => repeats.push((*first, at)),
            None => outputs.push((at, *var)),
        }
    }
    (outputs, repeats)
}

#[cfg(test)]
mod tests {
    use super::super::column::{Column, Kind};
    use super::*;

    #[test]
    fn rows_added_after_an_index_was_made_are_found() {
        let table = |x: Vec<i64>, y: Vec<i64>| {
            let rows = x.len();
            let columns = vec![Column::of(Kind::LONG, x), Column::of(Kind::LONG, y)];
            Table { vars: vec![VarId(8), VarId(9)], columns, rows, distinct: true }
        };
        let mut grown = Grown::new(2);
        let places = [Place::Var(VarId(0)), Place::Var(VarId(1))];
        let start = Table {
            vars: vec![VarId(0)],
            columns: vec![Column::of(Kind::LONG, vec![1, 2])],
            rows: 2,
            distinct: true,
        };
        let live = [VarId(0), VarId(1)];
        grown.append(&table(vec![1], vec![10]));
        assert_eq!(grown.join(&places, start.clone(), &live, &Meter::default()).unwrap().rows, 1);
        grown.append(&table(vec![1, 2, 3], vec![11, 20, 30]));
        assert_eq!(grown.join(&places, start, &live, &Meter::default()).unwrap().rows, 3);
        let same = [Place::Var(VarId(5)), Place::Var(VarId(5))];
        assert_eq!(grown.join(&same, Table::unit(), &[VarId(5)], &Meter::default()).unwrap().rows, 0);
    }
}
