//! `or`: the branches' answers together, each row once, joined with the rows so far.
//!
//! A branch is given the distinct values of the shared variables that are already bound.

use super::Run;
use super::batch::Table;
use super::column::{CELL_BYTES, ColumnBuilder};
use super::join;
use crate::error::Result;
use crate::plan::{Block, VarId};

/// Joins with what the branches find.
pub fn run(
    run: &mut Run<'_>,
    given: &[VarId],
    on: &[VarId],
    branches: &[Block],
    table: Table,
) -> Result<Table> {
    let seed = table.project(given).deduplicated(run.meter)?;
    let mut builders = vec![ColumnBuilder::default(); on.len()];
    let mut rows = 0;
    for branch in branches {
        let found = run.block(branch, seed.clone())?;
        for (builder, var) in builders.iter_mut().zip(on) {
            builder.append(found.column(*var), found.rows);
        }
        rows += found.rows;
        run.meter.room(rows, on.len() * CELL_BYTES)?;
    }
    let columns = builders.into_iter().map(ColumnBuilder::finish).collect();
    let found = Table { vars: on.to_vec(), columns, rows, distinct: false }.deduplicated(run.meter)?;
    if on.is_empty() {
        return Ok(if found.rows > 0 { table } else { Table::empty(&table.vars) });
    }
    let live: Vec<VarId> = table.vars.iter().chain(on).copied().collect();
    join::natural(table, found, &live, run.meter)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::check;

    #[test]
    fn what_two_branches_find_is_there_once() {
        check(
            "[:find ?n ?s :where (or [?e :n 1] [?e :s \"odd\"]) [?e :n ?n] [?e :s ?s]]",
            &[],
            "[[0 \"odd\"] [1 \"even\"] [1 \"odd\"]]",
        );
    }

    #[test]
    fn a_branch_sees_what_is_bound() {
        check(
            "[:find ?n :where [?e :n ?n] (or-join [?e] [?e :s \"odd\"] (and [?e :to ?f] [?f :n 0]))]",
            &[],
            "[[0] [1] [2]]",
        );
        check(
            "[:find ?n ?m :where [?e :n ?n] (or-join [?n ?m] [(+ ?n 1) ?m] [(- ?n 1) ?m])]",
            &[],
            "[[0 -1] [0 1] [1 0] [1 2] [2 1] [2 3]]",
        );
    }
}
