//! Two tables become one: by an index, by all pairs, or by a list of pairs that is already known.

use super::Loaded;
use super::batch::Table;
use super::column::{Cell, Column};
use super::extend::indexed;
use super::index::KeyIndex;
use crate::Budget;
use crate::error::Result;
use crate::plan::{Place, VarId};
use crate::run::budget;

/// How many rows are made between two looks at the budget.
const STRIDE: usize = 4096;

/// The rows of `table` named by `left`, only the live columns, with new columns beside them.
pub fn beside(
    mut table: Table,
    left: &[u32],
    vars: Vec<VarId>,
    columns: Vec<Column>,
    live: &[VarId],
) -> Table {
    table = table.keep(live);
    let unchanged = left.len() == table.rows && left.iter().enumerate().all(|(at, row)| at == *row as usize);
    let mut joined = if unchanged {
        table
    } else if table.rows == 1 {
        let constant = |column: &Column| Column::constant(column.get(0));
        let columns = table.columns.iter().map(constant).collect();
        Table { vars: table.vars, columns, rows: left.len(), distinct: false }
    } else {
        table.gather(left)
    };
    joined.vars.extend(vars);
    joined.columns.extend(columns);
    joined
}

/// Every row of the one with every row of the other. They share no variable.
pub fn cross(table: Table, other: Table, budget: &Budget) -> Result<Table> {
    let rows = table.rows.saturating_mul(other.rows);
    budget::check(budget, rows)?;
    let distinct = table.distinct && other.distinct;
    let joined = if table.rows == 1 {
        let left = vec![0; other.rows];
        let live = table.vars.clone();
        beside(table, &left, other.vars, other.columns, &live)
    } else {
        let left: Vec<u32> =
            (0..table.rows as u32).flat_map(|row| std::iter::repeat_n(row, other.rows)).collect();
        let right: Vec<u32> = (0..table.rows).flat_map(|_| 0..other.rows as u32).collect();
        let live = table.vars.clone();
        let columns = other.columns.iter().map(|column| column.gather(&right)).collect();
        beside(table, &left, other.vars, columns, &live)
    };
    Ok(Table { distinct, ..joined })
}

/// The rows of `table` joined with those of an indexed one that have the same key.
pub fn with_index(loaded: &Loaded, table: &Table, live: &[VarId], budget: &Budget) -> Result<Table> {
    let keys: Vec<&Column> = loaded.index.vars.iter().map(|var| table.column(*var)).collect();
    let (mut left, mut right) = (Vec::new(), Vec::new());
    let mut key: Vec<Cell> = Vec::with_capacity(keys.len());
    let mut next = STRIDE;
    for row in 0..table.rows {
        key.clear();
        key.extend(keys.iter().map(|column| column.get(row)));
        right.extend(loaded.index.rows(&key));
        left.resize(right.len(), row as u32);
        if right.len() >= next {
            budget::check(budget, right.len())?;
            next = right.len() + STRIDE;
        }
    }
    budget::check(budget, right.len())?;
    let new = |var: &VarId| table.position(*var).is_none() && live.contains(var);
    let at: Vec<usize> = (0..loaded.table.vars.len()).filter(|at| new(&loaded.table.vars[*at])).collect();
    let vars = at.iter().map(|at| loaded.table.vars[*at]).collect();
    let columns = at.iter().map(|at| loaded.table.columns[*at].gather(&right)).collect();
    Ok(beside(table.narrowed(live), &left, vars, columns, live))
}

/// Two tables joined on the variables they share. `right` has distinct rows if `table` keeps them distinct.
pub fn natural(table: Table, right: Table, live: &[VarId], budget: &Budget) -> Result<Table> {
    let shared: Vec<VarId> =
        right.vars.iter().copied().filter(|var| table.position(*var).is_some()).collect();
    let distinct = table.distinct && right.distinct && table.is_within(live) && right.is_within(live);
    let joined = if shared.is_empty() {
        cross(table, right, budget)?
    } else if table.rows < right.rows {
        let all: Vec<VarId> = table.vars.iter().chain(&right.vars).copied().collect();
        with_index(&indexed(table, &shared), &right, &all, budget)?.keep(live)
    } else {
        with_index(&indexed(right, &shared), &table, live, budget)?
    };
    Ok(Table { distinct, ..joined })
}

/// The rows of `rows`, whose columns are matched by position with `places`, joined with `table`.
pub fn with_places(rows: &Table, places: &[Place], table: Table, budget: &Budget) -> Result<Table> {
    let narrowed = matching(rows, places);
    let live: Vec<VarId> = table.vars.iter().chain(&narrowed.vars).copied().collect();
    natural(table, narrowed, &live, budget)
}

/// The rows that agree with the places' constants and repeated variables, as columns of the places' variables.
pub fn matching(rows: &Table, places: &[Place]) -> Table {
    let mut vars: Vec<VarId> = Vec::new();
    let mut first: Vec<usize> = Vec::new();
    let mut constants: Vec<(usize, Cell)> = Vec::new();
    let mut repeats: Vec<(usize, usize)> = Vec::new();
    for (at, place) in places.iter().enumerate() {
        match place {
            Place::Const(cell) => constants.push((at, *cell)),
            Place::Blank => {}
            Place::Var(var) => match vars.iter().position(|v| v == var) {
                Some(before) => repeats.push((first[before], at)),
                None => {
                    vars.push(*var);
                    first.push(at);
                }
            },
        }
    }
    let cell = |column: usize, row: usize| rows.columns[column].get(row);
    let distinct = rows.distinct && places.iter().all(|place| *place != Place::Blank);
    if constants.is_empty() && repeats.is_empty() {
        let columns = first.iter().map(|at| rows.columns[*at].clone()).collect();
        return Table { vars, columns, rows: rows.rows, distinct };
    }
    let agrees = |row: usize| {
        constants.iter().all(|(at, want)| cell(*at, row) == *want)
            && repeats.iter().all(|(one, other)| cell(*one, row) == cell(*other, row))
    };
    let kept: Vec<u32> = (0..rows.rows).filter(|row| agrees(*row)).map(|row| row as u32).collect();
    let columns = first.iter().map(|at| rows.columns[*at].gather(&kept)).collect();
    Table { vars, columns, rows: kept.len(), distinct }
}

/// The rows of `table` for which an index over these variables has a row, or has none.
pub fn semi(table: &Table, index: &KeyIndex, on: &[VarId], want: bool) -> Table {
    let keys: Vec<&Column> = on.iter().map(|var| table.column(*var)).collect();
    let mut key: Vec<Cell> = Vec::with_capacity(keys.len());
    let kept: Vec<u32> = (0..table.rows as u32)
        .filter(|row| {
            key.clear();
            key.extend(keys.iter().map(|column| column.get(*row as usize)));
            index.contains(&key) == want
        })
        .collect();
    let distinct = table.distinct;
    Table { distinct, ..table.gather(&kept) }
}

#[cfg(test)]
mod tests {
    use super::super::column::Kind;
    use super::*;

    fn table(vars: &[u32], columns: &[&[i64]]) -> Table {
        Table {
            vars: vars.iter().map(|var| VarId(*var)).collect(),
            rows: columns[0].len(),
            columns: columns.iter().map(|words| Column::of(Kind::LONG, words.to_vec())).collect(),
            distinct: true,
        }
    }

    fn rows(table: &Table, vars: &[u32]) -> Vec<Vec<i64>> {
        let columns: Vec<&Column> = vars.iter().map(|var| table.column(VarId(*var))).collect();
        let mut rows: Vec<Vec<i64>> =
            (0..table.rows).map(|row| columns.iter().map(|column| column.word(row)).collect()).collect();
        rows.sort();
        rows
    }

    #[test]
    fn a_natural_join_is_the_same_from_both_sides() {
        let small = table(&[0, 1], &[&[1, 2], &[10, 20]]);
        let large = table(&[1, 2], &[&[10, 10, 20, 30], &[7, 8, 9, 9]]);
        let live = [VarId(0), VarId(1), VarId(2)];
        let want = vec![vec![1, 10, 7], vec![1, 10, 8], vec![2, 20, 9]];
        let budget = Budget::default();
        for (one, other) in [(small.clone(), large.clone()), (large, small)] {
            let joined = natural(one, other, &live, &budget).unwrap();
            assert_eq!(rows(&joined, &[0, 1, 2]), want);
        }
    }

    #[test]
    fn tables_without_a_shared_variable_are_multiplied() {
        let joined = natural(
            table(&[0], &[&[1, 2]]),
            table(&[1], &[&[5, 6]]),
            &[VarId(0), VarId(1)],
            &Budget::default(),
        );
        assert_eq!(rows(&joined.unwrap(), &[0, 1]).len(), 4);
        let tight = Budget { rows: Some(3), cancel: None };
        let refused = cross(table(&[0], &[&[1, 2]]), table(&[1], &[&[5, 6]]), &tight);
        assert_eq!(refused.unwrap_err().keyword, "db.error/budget-exceeded");
    }

    #[test]
    fn places_select_by_constant_and_by_repetition() {
        let rows = table(&[8, 9], &[&[1, 2, 3], &[1, 5, 3]]);
        let twice = matching(&rows, &[Place::Var(VarId(0)), Place::Var(VarId(0))]);
        assert_eq!((twice.rows, twice.vars.len()), (2, 1));
        let constant = matching(&rows, &[Place::Const(Cell::long(2)), Place::Var(VarId(0))]);
        assert_eq!(constant.column(VarId(0)).get(0), Cell::long(5));
    }
}
