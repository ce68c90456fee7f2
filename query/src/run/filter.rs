//! Predicates: rows go for which the call gives nil or false.
//!
//! Comparisons of two columns of one simple type look at words only; everything else calls the function a row at a
//! time.

use annals_storage::datom::Tag;

use super::batch::Table;
use super::budget::Meter;
use super::column::{Column, Kind};
use super::{Run, call, join};
use crate::error::Result;
use crate::functions;
use crate::plan::{Argument, Invocation, Place};

/// Keeps the rows for which the call holds.
pub fn run(run: &mut Run<'_>, invocation: &Invocation, table: Table) -> Result<Table> {
    let kept = match by_words(invocation, &table, run.meter) {
        Some(kept) => kept?,
        None => {
            let mut kept = Vec::new();
            call::each_row(run, invocation, &table, |row, value, _| {
                if functions::holds(&value) {
                    kept.push(row);
                }
                Ok(())
            })?;
            kept
        }
    };
    if kept.len() == table.rows {
        return Ok(table);
    }
    let distinct = table.distinct;
    Ok(Table { distinct, ..table.gathered(&kept, run.meter)? })
}

/// The rows that a comparison of words keeps; none if words do not decide it.
fn by_words(invocation: &Invocation, table: &Table, meter: &Meter) -> Option<Result<Vec<u32>>> {
    let name = invocation.plain_name()?;
    let [x, y] = invocation.args.as_slice() else { return None };
    let (x, y) = (column(x, table)?, column(y, table)?);
    let kind = x.kind().filter(|kind| y.kind() == Some(*kind))?;
    let kept = |holds: &dyn Fn(usize) -> bool| Some(join::kept(table.rows, meter, holds));
    match name {
        "<" if is_ordered(kind) => kept(&|row| x.word(row) < y.word(row)),
        "<=" if is_ordered(kind) => kept(&|row| x.word(row) <= y.word(row)),
        ">" if is_ordered(kind) => kept(&|row| x.word(row) > y.word(row)),
        ">=" if is_ordered(kind) => kept(&|row| x.word(row) >= y.word(row)),
        "=" if is_plain(kind) => kept(&|row| x.word(row) == y.word(row)),
        "!=" if is_plain(kind) => kept(&|row| x.word(row) != y.word(row)),
        _ => None,
    }
}

fn column(arg: &Argument, table: &Table) -> Option<Column> {
    match arg {
        Argument::Place(Place::Const(cell)) => Some(Column::constant(*cell)),
        Argument::Place(Place::Var(var)) => Some(table.column(*var).clone()),
        Argument::Place(Place::Blank) | Argument::Source(_) | Argument::Query(_) => None,
    }
}

/// True if the order of words is the order of values.
fn is_ordered(kind: Kind) -> bool {
    matches!(kind.tag(), Some(Tag::Long | Tag::Instant | Tag::Float | Tag::Double | Tag::Boolean))
}

/// True if two values of this kind are equal to a predicate exactly if their words are.
fn is_plain(kind: Kind) -> bool {
    is_ordered(kind)
        || matches!(kind.tag(), Some(Tag::Keyword | Tag::Symbol | Tag::String | Tag::Uuid | Tag::Uri))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::check;

    #[test]
    fn words_and_calls_keep_the_same_rows() {
        for (test, rows) in
            [("(< ?n 2)", "[[0] [1]]"), ("(>= ?n 1)", "[[1] [2]]"), ("(!= ?n 1)", "[[0] [2]]")]
        {
            check(&format!("[:find ?n :where [_ :n ?n] [{test}]]"), &[], rows);
            // With another type on one side, words do not decide.
            let called = test.replace(" 2)", " 2.0)").replace(" 1)", " 1.0)");
            check(&format!("[:find ?n :where [_ :n ?n] [{called}]]"), &[], rows);
        }
        check("[:find ?n ?m :where [_ :n ?n] [_ :n ?m] [(< ?n ?m)]]", &[], "[[0 1] [0 2] [1 2]]");
        check("[:find ?n :where [?e :n ?n] [?e :s ?s] [(= ?s \"even\")]]", &[], "[[1] [2]]");
    }
}
