//! Two tables become one: by an index, by all pairs, or by a list of pairs that is already known.

use super::Loaded;
use super::batch::Table;
use super::budget::{Meter, STRIDE};
use super::column::{CELL_BYTES, Cell, Column};
use super::extend::indexed;
use super::index::KeyIndex;
use crate::error::Result;
use crate::plan::{Place, VarId};

/// What a pair of rows takes: two numbers.
const PAIR_BYTES: usize = 8;

/// The rows of `table` named by `left`, only the live columns, with new columns beside them.
pub fn beside(
    mut table: Table,
    left: &[u32],
    vars: Vec<VarId>,
    columns: Vec<Column>,
    live: &[VarId],
    meter: &Meter,
) -> Result<Table> {
    table = table.keep(live);
    let unchanged = left.len() == table.rows && left.iter().enumerate().all(|(at, row)| at == *row as usize);
    let mut joined = if unchanged {
        table
    } else if table.rows == 1 {
        let constant = |column: &Column| Column::constant(column.get(0));
        let columns = table.columns.iter().map(constant).collect();
        Table { vars: table.vars, columns, rows: left.len(), distinct: false }
    } else {
        table.gathered(left, meter)?
    };
    joined.vars.extend(vars);
    joined.columns.extend(columns);
    Ok(joined)
}

/// Every row of the one with every row of the other. They share no variable.
pub fn cross(table: Table, other: Table, meter: &Meter) -> Result<Table> {
    let rows = table.rows.saturating_mul(other.rows);
    let width = table.columns.len() + other.columns.len();
    meter.room(rows, PAIR_BYTES + width * CELL_BYTES)?;
    let distinct = table.distinct && other.distinct;
    let joined = if table.rows == 1 {
        let left = vec![0; other.rows];
        let live = table.vars.clone();
        beside(table, &left, other.vars, other.columns, &live, meter)?
    } else {
        let (mut left, mut right) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
        let mut next = 0;
        for row in 0..table.rows as u32 {
            left.extend(std::iter::repeat_n(row, other.rows));
            right.extend(0..other.rows as u32);
            if left.len() >= next {
                meter.check(0)?;
                next = left.len() + STRIDE;
            }
        }
        let live = table.vars.clone();
        let gathered = other.columns.iter().map(|column| column.gathered(&right, meter));
        let columns = gathered.collect::<Result<_>>()?;
        beside(table, &left, other.vars, columns, &live, meter)?
    };
    Ok(Table { distinct, ..joined })
}

/// The rows of `table` joined with those of an indexed one that have the same key.
pub fn with_index(loaded: &Loaded, table: &Table, live: &[VarId], meter: &Meter) -> Result<Table> {
    let keys: Vec<&Column> = loaded.index.vars.iter().map(|var| table.column(*var)).collect();
    let (mut left, mut right) = (Vec::new(), Vec::new());
    let mut key: Vec<Cell> = Vec::with_capacity(keys.len());
    let mut next = STRIDE;
    for row in 0..table.rows {
        key.clear();
        key.extend(keys.iter().map(|column| column.get(row)));
        right.extend(loaded.index.rows(&key));
        left.resize(right.len(), row as u32);
        if right.len() >= next || row % STRIDE == 0 {
            meter.room(right.len(), PAIR_BYTES)?;
            next = right.len() + STRIDE;
        }
    }
    meter.room(right.len(), PAIR_BYTES + (table.vars.len().max(live.len())) * CELL_BYTES)?;
    let new = |var: &VarId| table.position(*var).is_none() && live.contains(var);
    let at: Vec<usize> = (0..loaded.table.vars.len()).filter(|at| new(&loaded.table.vars[*at])).collect();
    let vars = at.iter().map(|at| loaded.table.vars[*at]).collect();
    let gathered = at.iter().map(|at| loaded.table.columns[*at].gathered(&right, meter));
    let columns = gathered.collect::<Result<_>>()?;
    beside(table.narrowed(live), &left, vars, columns, live, meter)
}

/// Two tables joined on the variables they share. `right` has distinct rows if `table` keeps them distinct.
pub fn natural(table: Table, right: Table, live: &[VarId], meter: &Meter) -> Result<Table> {
    let shared: Vec<VarId> =
        right.vars.iter().copied().filter(|var| table.position(*var).is_some()).collect();
    let distinct = table.distinct && right.distinct && table.is_within(live) && right.is_within(live);
    let joined = if shared.is_empty() {
        cross(table, right, meter)?
    } else if table.rows < right.rows {
        let all: Vec<VarId> = table.vars.iter().chain(&right.vars).copied().collect();
        with_index(&indexed(table, &shared, meter)?, &right, &all, meter)?.keep(live)
    } else {
        with_index(&indexed(right, &shared, meter)?, &table, live, meter)?
    };
    Ok(Table { distinct, ..joined })
}

/// As [`natural`], with all columns of both.
pub fn whole(table: Table, right: Table, meter: &Meter) -> Result<Table> {
    let live: Vec<VarId> = table.vars.iter().chain(&right.vars).copied().collect();
    natural(table, right, &live, meter)
}

/// The rows of `rows`, whose columns are matched by position with `places`, joined with `table`.
pub fn with_places(rows: &Table, places: &[Place], table: Table, meter: &Meter) -> Result<Table> {
    whole(table, matching(rows, places, meter)?, meter)
}

/// The rows that agree with the places' constants and repeated variables, as columns of the places' variables.
pub fn matching(rows: &Table, places: &[Place], meter: &Meter) -> Result<Table> {
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
        return Ok(Table { vars, columns, rows: rows.rows, distinct });
    }
    let agrees = |row: usize| {
        constants.iter().all(|(at, want)| cell(*at, row) == *want)
            && repeats.iter().all(|(one, other)| cell(*one, row) == cell(*other, row))
    };
    let kept = kept(rows.rows, meter, agrees)?;
    let columns = first.iter().map(|at| rows.columns[*at].gathered(&kept, meter)).collect::<Result<_>>()?;
    Ok(Table { vars, columns, rows: kept.len(), distinct })
}

/// The rows of `table` for which an index over these variables has a row, or has none.
pub fn semi(table: &Table, index: &KeyIndex, on: &[VarId], want: bool, meter: &Meter) -> Result<Table> {
    let keys: Vec<&Column> = on.iter().map(|var| table.column(*var)).collect();
    let mut key: Vec<Cell> = Vec::with_capacity(keys.len());
    let kept = kept(table.rows, meter, |row| {
        key.clear();
        key.extend(keys.iter().map(|column| column.get(row)));
        index.contains(&key) == want
    })?;
    let distinct = table.distinct;
    Ok(Table { distinct, ..table.gathered(&kept, meter)? })
}

/// The rows of so many for which this holds.
pub fn kept(rows: usize, meter: &Meter, mut holds: impl FnMut(usize) -> bool) -> Result<Vec<u32>> {
    let mut kept = Vec::new();
    for from in (0..rows).step_by(STRIDE) {
        meter.check(0)?;
        let range = from..rows.min(from + STRIDE);
        kept.extend(range.filter(|row| holds(*row)).map(|row| row as u32));
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::super::budget::Budget;
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
        let meter = Meter::default();
        for (one, other) in [(small.clone(), large.clone()), (large, small)] {
            let joined = natural(one, other, &live, &meter).unwrap();
            assert_eq!(rows(&joined, &[0, 1, 2]), want);
        }
    }

    #[test]
    fn tables_without_a_shared_variable_are_multiplied() {
        let joined = natural(
            table(&[0], &[&[1, 2]]),
            table(&[1], &[&[5, 6]]),
            &[VarId(0), VarId(1)],
            &Meter::default(),
        );
        assert_eq!(rows(&joined.unwrap(), &[0, 1]).len(), 4);
        let tight = Meter::new(&Budget { rows: Some(3), ..Budget::default() });
        let refused = cross(table(&[0], &[&[1, 2]]), table(&[1], &[&[5, 6]]), &tight);
        assert_eq!(refused.unwrap_err().keyword, "db.error/budget-exceeded");
    }

    #[test]
    fn places_select_by_constant_and_by_repetition() {
        let rows = table(&[8, 9], &[&[1, 2, 3], &[1, 5, 3]]);
        let meter = Meter::default();
        let twice = matching(&rows, &[Place::Var(VarId(0)), Place::Var(VarId(0))], &meter).unwrap();
        assert_eq!((twice.rows, twice.vars.len()), (2, 1));
        let constant = matching(&rows, &[Place::Const(Cell::long(2)), Place::Var(VarId(0))], &meter).unwrap();
        assert_eq!(constant.column(VarId(0)).get(0), Cell::long(5));
    }
}
