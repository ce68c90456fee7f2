//! `not`: rows go for which the block finds something.
//!
//! The block is given the distinct values of the shared variables, so that it looks only where it could matter.

use super::Run;
use super::batch::Table;
use super::extend::indexed;
use super::join;
use crate::error::Result;
use crate::plan::{Block, VarId};

/// Keeps the rows for which the block finds nothing.
pub fn run(run: &mut Run<'_>, on: &[VarId], block: &Block, table: Table) -> Result<Table> {
    let given = table.project(on).deduplicated(run.meter)?;
    let found = run.block(block, given)?.deduplicated(run.meter)?;
    if found.rows == 0 {
        return Ok(table);
    }
    if on.is_empty() {
        return Ok(Table::empty(&table.vars));
    }
    let found = indexed(found, on, run.meter)?;
    join::semi(&table, &found.index, on, false, run.meter)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::check;

    #[test]
    fn rows_go_for_which_something_is_found() {
        check("[:find ?n :where [?e :n ?n] (not [?e :s \"odd\"])]", &[], "[[1] [2]]");
        check("[:find ?n :where [?e :n ?n] (not [?e :s \"none\"])]", &[], "[[0] [1] [2]]");
        check("[:find ?n :where [?e :n ?n] (not-join [?e] [?e :to ?f] [?f :n 1])]", &[], "[[1] [2]]");
    }

    #[test]
    fn a_negation_that_shares_nothing_holds_for_all_rows_or_none() {
        check("[:find ?n :where [?e :n ?n] (not [_ :s \"odd\"])]", &[], "[]");
        check("[:find ?n :where [?e :n ?n] (not [_ :s \"none\"])]", &[], "[[0] [1] [2]]");
    }
}
