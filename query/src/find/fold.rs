//! The values of a column, taken by the accumulators of their groups.
//!
//! Integers are taken a column at once, and a value that stands in many rows is made once. Which values a group gets, and
//! in which order, is as if rows came one by one.

use super::cells::Cells;
use super::number::Numbering;
use crate::aggregate::{Accumulator, longs};
use crate::error::Result;
use crate::run::answer::Values;
use crate::run::budget::{Meter, STRIDE};
use crate::run::column::{Column, Kind};

/// Hands every value of a column to the accumulator of its row's group; `keys` are the columns that made the groups.
pub(super) fn fold(
    accumulators: &mut [Accumulator],
    groups: &Numbering,
    keys: &[&Column],
    cells: &Cells<'_>,
    at: usize,
    meter: &Meter,
) -> Result<()> {
    meter.check(0)?;
    let column = cells.column(at);
    let needs = accumulators.first().map(Accumulator::needs);
    if needs == Some(crate::aggregate::Needs::Count) {
        accumulators.iter_mut().zip(&groups.counts).for_each(|(one, count)| one.add_count(*count));
        return Ok(());
    }
    if let Some((Kind::LONG, words)) = column.as_words()
        && longs::add(accumulators, groups.of.as_deref(), &groups.counts, words)?
    {
        return Ok(());
    }
    let mut values = Values::new(cells.pool());
    let mut take = |row: usize| {
        let group = groups.of.as_ref().map_or(0, |of| of[row] as usize);
        accumulators[group].add(&values.get(column.get(row)))
    };
    if needs == Some(crate::aggregate::Needs::Distinct) {
        let columns: Vec<&Column> = keys.iter().copied().chain([column]).collect();
        let different = Numbering::of(&columns, cells.len(), meter)?;
        return each(different.firsts.iter().map(|row| *row as usize), meter, &mut take);
    }
    each(0..cells.len(), meter, &mut take)
}

fn each(
    rows: impl Iterator<Item = usize>,
    meter: &Meter,
    take: &mut impl FnMut(usize) -> Result<()>,
) -> Result<()> {
    for (done, row) in rows.enumerate() {
        if done.is_multiple_of(STRIDE) {
            meter.check(0)?;
        }
        take(row)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use annals_storage::datom::Symbol;

    use crate::edn::Edn;
    use crate::functions::own::Functions;
    use crate::plan::{Place, VarId};
    use crate::run::batch::Table;
    use crate::run::pool::Pool;

    const NAMES: [&str; 8] = ["count", "count-distinct", "distinct", "sum", "avg", "median", "min", "max"];

    /// Folds two columns, keys and values, at once and one by one.
    fn check(keys: &[i64], values: &[Edn]) {
        let (mut pool, own) = (Pool::default(), Functions::default());
        let mut column = crate::run::column::ColumnBuilder::default();
        values.iter().for_each(|value| column.push(pool.intern_edn(value)));
        let columns = vec![Column::of(Kind::LONG, keys.to_vec()), column.finish()];
        let (x, y) = (VarId(0), VarId(1));
        let table = Table { vars: vec![x, y], columns, rows: keys.len(), distinct: false };
        let places = [Place::Var(x), Place::Var(y)];
        let cells = Cells::new(table, &places, &mut pool);
        let meter = Meter::default();
        let key = [cells.column(0)];
        let groups = Numbering::of(&key, keys.len(), &meter).unwrap();
        for name in NAMES {
            let start = || Accumulator::find(&Symbol::new(name), Vec::new(), &own).unwrap();
            let mut fast: Vec<Accumulator> = groups.firsts.iter().map(|_| start()).collect();
            let outcome = fold(&mut fast, &groups, &key, &cells, 1, &meter);
            let mut slow: Vec<Accumulator> = groups.firsts.iter().map(|_| start()).collect();
            let expected = (0..keys.len()).try_for_each(|row| {
                let group = groups.of.as_ref().map_or(0, |of| of[row] as usize);
                slow[group].add(&values[row])
            });
            assert_eq!(outcome.is_ok(), expected.is_ok(), "{name} of {values:?}");
            if outcome.is_ok() {
                let finished =
                    |all: Vec<Accumulator>| all.into_iter().map(|one| one.finish().ok()).collect::<Vec<_>>();
                assert_eq!(finished(fast), finished(slow), "{name} of {values:?} by {keys:?}");
            }
        }
    }

    #[test]
    fn a_column_at_once_is_as_its_values_one_by_one() {
        let longs = |words: &[i64]| words.iter().map(|word| Edn::Int(*word)).collect::<Vec<_>>();
        check(&[1, 2, 1, 2, 3], &longs(&[5, 9, 5, -4, 0]));
        check(&[1, 1, 1], &longs(&[i64::MAX, i64::MAX, i64::MIN]));
        check(&[1, 1], &longs(&[i64::MAX, 1]));
        check(&[4, 4, 4], &[Edn::Int(2), Edn::double(0.5), Edn::Int(2)]);
        check(&[1, 2, 1], &[Edn::string("b"), Edn::string("a"), Edn::string("b")]);
        check(&[], &[]);
    }
}
