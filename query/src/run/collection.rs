//! A collection of tuples as a source: its rows joined with the rows so far, by position.
//!
//! A row with fewer parts than the pattern has places does not match; further parts are not looked at. Constants stand
//! for themselves: a collection has no idents.

use std::rc::Rc;

use super::batch::Table;
use super::budget::Meter;
use super::column::ColumnBuilder;
use super::index::KeyIndex;
use super::pool::Pool;
use super::{Loaded, Run, join};
use crate::edn::Edn;
use crate::error::Result;
use crate::inputs::SourceArg;
use crate::plan::{Step, Tuples, VarId};

/// Joins the rows of a collection with the rows so far.
pub fn run(run: &mut Run<'_>, step: &Step, goal: &Tuples, table: Table) -> Result<Table> {
    let rows = match &run.state(step.id).loaded {
        Some(loaded) => Rc::clone(loaded),
        None => {
            let (_, SourceArg::Collection(tuples)) = run.sources[goal.source] else {
                return Ok(Table::empty(&step.live));
            };
            let table = columns(tuples, goal.places.len(), run.pool, run.meter)?;
            let index = KeyIndex::build(Vec::new(), Vec::new(), 0, run.meter)?;
            let loaded = Rc::new(Loaded { _held: run.meter.hold(table.bytes())?, table, index });
            run.state(step.id).loaded = Some(Rc::clone(&loaded));
            loaded
        }
    };
    join::with_places(&rows.table, &goal.places, table, run.meter)
}

/// The first `width` parts of every row that has as many.
fn columns(tuples: &[Vec<Edn>], width: usize, pool: &mut Pool, meter: &Meter) -> Result<Table> {
    let mut builders = vec![ColumnBuilder::default(); width];
    let mut rows = 0;
    for parts in tuples.iter().filter_map(|tuple| tuple.get(..width)) {
        builders.iter_mut().zip(parts).for_each(|(builder, part)| builder.push(pool.intern_edn(part)));
        rows += 1;
        meter.tick()?;
    }
    meter.check(rows)?;
    let columns = builders.into_iter().map(ColumnBuilder::finish).collect();
    let vars = (0..width as u32).map(VarId).collect();
    Ok(Table { vars, columns, rows, distinct: false })
}

#[cfg(test)]
mod tests {
    use super::super::fixture::check;

    #[test]
    fn rows_match_by_position() {
        let rows = "[[1 :a] [2 :b 5] [1] [2 2]]";
        check("[:find ?x ?y :in $ $r :where [$r ?x ?y]]", &[rows], "[[1 :a] [2 2] [2 :b]]");
        check("[:find ?x :in $ $r :where [$r ?x ?x]]", &[rows], "[[2]]");
        check("[:find ?x :in $ $r :where [$r ?x :a]]", &[rows], "[[1]]");
        check(
            "[:find ?s ?y :in $ $r :where [$r ?n ?y] [?e :n ?n] [?e :s ?s] [?e :to ?f] [?f :n 2]]",
            &[rows],
            "[[\"odd\" :a]]",
        );
    }
}
