//! A cycle of patterns joined all at once, one variable after the other: a leapjoin of datafrog.
//!
//! Joined two by two, `[?a :knows ?b] [?b :knows ?c] [?c :knows ?a]` makes every path of two steps before the third pattern
//! drops most of them. Here a variable's values are those that all patterns between it and the variables before it agree
//! on: the pattern that proposes fewest is followed, the others only leave out. No more rows are made than the largest
//! answer that patterns of these sizes can have (Ngo, Porat, Ré, Rudra: Worst-case optimal join algorithms, 2012).

use datafrog::{ExtendWith, Leaper, Leapers, Relation};

use super::batch::Table;
use super::column::ColumnBuilder;
use super::numbers::Numbers;
use super::{Run, extend};
use crate::error::Result;
use crate::plan::{Match, VarId};

/// The most variables of a cycle.
pub const VARS_MAX: usize = 6;

/// How many rows are extended between two looks at the budget.
const STRIDE: usize = 1024;

/// Values of the variables so far; the others are nought.
type Row = [u32; VARS_MAX];

/// A pattern between two variables, by their places in the order.
struct Edge {
    from: usize,
    to: usize,
    /// Values of `from` with those of `to`.
    rows: Relation<(u32, u32)>,
}

/// What the patterns find together, a column for each of `vars`. Each pattern speaks of two of them, in the places of
/// the entity and of the value, and each variable but the first shares a pattern with one before it.
pub fn run(run: &mut Run<'_>, goals: &[Match], vars: &[VarId]) -> Result<Table> {
    let mut numbers = Numbers::default();
    let mut edges = Vec::with_capacity(goals.len());
    for goal in goals {
        edges.push(edge(run, goal, vars, &mut numbers)?);
    }
    let first = edges.iter().filter(|edge| edge.from == 0).min_by_key(|edge| edge.rows.len());
    let Some(first) = first else { return Ok(Table::empty(vars)) };
    let mut rows: Vec<Row> = first.rows.iter().map(|(value, _)| start(*value)).collect();
    rows.dedup();
    for at in 1..vars.len() {
        let mut leapers = Boxed::to(at, &edges);
        let mut longer = Vec::new();
        for chunk in rows.chunks(STRIDE) {
            let chunk = Relation { elements: chunk.to_vec() };
            let found = Relation::from_leapjoin(&chunk, &mut leapers, |row: &Row, value: &u32| {
                let mut row = *row;
                row[at] = *value;
                row
            });
            longer.extend_from_slice(&found);
            run.meter.check(longer.len())?;
        }
        rows = longer;
    }
    let column = |at: usize| {
        let mut builder = ColumnBuilder::default();
        rows.iter().for_each(|row| builder.push(numbers.cell(row[at])));
        builder.finish()
    };
    let columns = (0..vars.len()).map(column).collect();
    Ok(Table { vars: vars.to_vec(), columns, rows: rows.len(), distinct: true })
}

fn start(value: u32) -> Row {
    let mut row = Row::default();
    row[0] = value;
    row
}

/// The rows of a pattern, from the variable that comes first to the other.
fn edge(run: &mut Run<'_>, goal: &Match, vars: &[VarId], numbers: &mut Numbers) -> Result<Edge> {
    let ends = [goal.places[0], goal.places[2]]
        .map(|place| place.var().expect("a cycle's pattern has two variables"));
    let [e, v] =
        ends.map(|var| vars.iter().position(|known| *known == var).expect("a cycle has its variables"));
    let table = extend::alone(run, goal)?;
    let (es, vs) = (table.column(ends[0]), table.column(ends[1]));
    let pair = |row: usize, numbers: &mut Numbers| {
        let (e, v) = (numbers.number(es.get(row)), numbers.number(vs.get(row)));
        (e, v)
    };
    let mut rows: Vec<(u32, u32)> = (0..table.rows).map(|row| pair(row, numbers)).collect();
    if v < e {
        rows.iter_mut().for_each(|(e, v)| std::mem::swap(e, v));
    }
    rows.sort_unstable();
    rows.dedup();
    Ok(Edge { from: e.min(v), to: e.max(v), rows: Relation { elements: rows } })
}

/// The patterns that say which values a variable can have, given those before it.
struct Boxed<'e>(Vec<Box<dyn Leaper<'e, Row, u32> + 'e>>);

impl<'e> Boxed<'e> {
    fn to(at: usize, edges: &'e [Edge]) -> Boxed<'e> {
        let leaper = |edge: &'e Edge| -> Box<dyn Leaper<'e, Row, u32> + 'e> {
            let from = edge.from;
            Box::new(ExtendWith::from(&edge.rows, move |row: &Row| row[from]))
        };
        Boxed(edges.iter().filter(|edge| edge.to == at).map(leaper).collect())
    }
}

impl<'e> Leapers<'e, Row, u32> for &mut Boxed<'e> {
    fn for_each_count(&mut self, row: &Row, mut op: impl FnMut(usize, usize)) {
        self.0.iter_mut().enumerate().for_each(|(at, leaper)| op(at, leaper.count(row)));
    }

    fn propose(&mut self, row: &Row, fewest: usize, values: &mut Vec<&'e u32>) {
        self.0[fewest].propose(row, values);
    }

    fn intersect(&mut self, row: &Row, fewest: usize, values: &mut Vec<&'e u32>) {
        let others = self.0.iter_mut().enumerate().filter(|(at, _)| *at != fewest);
        others.for_each(|(_, leaper)| leaper.intersect(row, values));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::fixture::facts;
    use crate::edn::Edn;
    use crate::plan::PlanOptions;
    use crate::{Budget, QueryArg, parse, q_with};

    /// How many rows there are, with and without a leapjoin.
    fn check(clauses: &str, expected: usize) {
        let query = parse::query_text(&format!("[:find ?a ?b ?c :where {clauses}]")).expect("test text");
        let args = [QueryArg::Source(Arc::new(facts()))];
        for leap in [Some(true), Some(false)] {
            let options = PlanOptions { leap, ..PlanOptions::default() };
            let answer = q_with(&query, &args, &Budget::default(), options).expect("an answer").into_edn();
            assert_eq!(answer.as_seq().map(<[Edn]>::len), Some(expected), "{clauses} {leap:?}");
        }
    }

    #[test]
    fn a_cycle_is_found_from_each_of_its_members() {
        check("[?a :to ?b] [?b :to ?c] [?c :to ?d] [?d :to ?a]", 4);
        check("[?a :to ?b] [?b :to ?c] [?c :to ?a]", 0);
        // Values and entities may both close it, and what hangs on it is joined to it.
        check("[?a :s ?s] [?c :s ?s] [?a :to ?b] [?b :to ?c] [?c :n 0]", 1);
        check("[?a :s ?s] [?c :s ?s] [?a :to ?b] [?b :to ?c]", 4);
    }
}
