//! Rules that call themselves, evaluated to a fixpoint over datafrog.
//!
//! ```text
//!   call --compile--> alternatives --run--> seeds --fixpoint--> answers --join--> rows
//! ```
//!
//! A call is compiled for the arguments that are bound where it stands; run, it is given their distinct values, so that
//! only what they lead to is explored ([`seeded`], else [`program::demanded`]). With nothing bound the relation is
//! derived in full ([`program::whole`]). No recursion of rules is recursion of the program: depth costs rounds, not
//! stack, and a rule that makes new values without end is stopped by the budget.

pub mod alike;
pub mod best;
pub mod fixpoint;
pub mod packed;
pub mod program;
pub mod seeded;

use std::collections::BTreeSet;

use crate::error::{Error, Result};
use crate::plan::goals::Planner;
use crate::plan::order::INSUFFICIENT;
use crate::plan::{Block, Place, RuleCall, Step, VarId};
use crate::run::batch::Table;
use crate::run::budget::Meter;
use crate::run::column::{Column, Kind};
use crate::run::grown::Grown;
use crate::run::index::KeyIndex;
use crate::run::{Run, join};
use program::Program;

/// How deep evaluations of rules stand inside of each other.
const NESTED_MAX: usize = 40;

/// How deep clauses may stand inside each other in all of those together, at most.
const LEVELS_MAX: usize = 120;

/// One way to answer a call.
#[derive(Clone, Debug)]
struct Alternative {
    /// The arguments whose values are given to the program.
    given: Vec<usize>,
    /// True if the seeds have their number in front, and so have the answers.
    seeded: bool,
    program: Program,
}

/// The ways to answer a call of a rule, at least one.
#[derive(Clone, Debug)]
pub struct Compiled {
    alternatives: Vec<Alternative>,
}

impl Compiled {
    /// How calls are answered, for people.
    pub fn way(&self) -> &'static str {
        match self.alternatives.first() {
            Some(Alternative { seeded: true, .. }) => "from what is bound, along a path",
            Some(Alternative { given, .. }) if !given.is_empty() => "from what is bound",
            _ => "in full",
        }
    }

    /// The rules that are run, each with what it starts from.
    pub fn blocks(&self) -> Vec<(String, &Block)> {
        let mut blocks = Vec::new();
        for Alternative { program, .. } in &self.alternatives {
            blocks.extend(
                program.once.iter().map(|once| (format!("{} once", once.head.relation), &once.block)),
            );
            let from = |rule: &program::Delta| {
                let heads: Vec<String> = rule.heads.iter().map(|head| head.relation.to_string()).collect();
                format!("{} from new rows of {}", heads.join(" and "), rule.delta)
            };
            blocks.extend(program.rules.iter().map(|rule| (from(rule), &rule.block)));
        }
        blocks
    }
}

/// Finds the ways to answer a call where these variables are bound.
pub fn compile(planner: &mut Planner<'_>, call: &RuleCall, bound: &BTreeSet<VarId>) -> Result<Compiled> {
    let is_bound = |place: &Place| place.var().is_none_or(|var| bound.contains(&var));
    // The best value is known only when all are: a call that binds it compares afterwards.
    let best = planner.rules.best(&call.name).map(|best| best.at);
    let given: Vec<usize> =
        (0..call.args.len()).filter(|at| Some(*at) != best && is_bound(&call.args[*at])).collect();
    if planner.depth >= NESTED_MAX || planner.depth * planner.rules.deepest() > LEVELS_MAX {
        let message = format!("the rule `{}` stands too deep below others that negate it", call.name);
        return Err(Error::incorrect("db.error/query-too-complex", message).at(call.span));
    }
    planner.depth += 1;
    let alternatives = alternatives(planner, call, given);
    planner.depth -= 1;
    Ok(Compiled { alternatives: alternatives? })
}

fn alternatives(planner: &mut Planner<'_>, call: &RuleCall, given: Vec<usize>) -> Result<Vec<Alternative>> {
    if given.is_empty() || planner.options.no_demand {
        let whole = possible(program::whole(planner, call).map(Some))?;
        if let Some(program) = whole {
            return Ok(vec![Alternative { given: Vec::new(), seeded: false, program }]);
        }
    } else {
        // With all arguments given, following one of them and comparing the other is cheaper than carrying pairs.
        let mut ways: Vec<Vec<usize>> = Vec::new();
        if given.len() == call.args.len() && given.len() > 1 {
            ways.extend(given.iter().map(|at| vec![*at]));
        }
        let mut found = Vec::new();
        for given in ways {
            let program = possible(seeded::program(planner, call, &given))?;
            found.extend(program.map(|program| Alternative { given, seeded: true, program }));
        }
        if found.is_empty() {
            let program = possible(seeded::program(planner, call, &given))?;
            found.extend(program.map(|program| Alternative { given: given.clone(), seeded: true, program }));
        }
        if !found.is_empty() {
            return Ok(found);
        }
    }
    let program = program::demanded(planner, call, &given)?;
    Ok(vec![Alternative { given, seeded: false, program }])
}

/// No program instead of the error that a variable is not bound: another way may bind it.
fn possible(program: Result<Option<Program>>) -> Result<Option<Program>> {
    match program {
        Err(error) if error.keyword == INSUFFICIENT => Ok(None),
        other => other,
    }
}

/// Joins the answers of a call with the rows so far.
pub fn run(
    run: &mut Run<'_>,
    step: &Step,
    call: &RuleCall,
    compiled: &Compiled,
    table: Table,
) -> Result<Table> {
    if run.repeating {
        return remembered(run, step, call, &compiled.alternatives[0], table);
    }
    let alternative = choose(call, compiled, &table, run.meter)?;
    let seeds = given(call, &alternative.given, &table, run.meter)?;
    let before = run.rounds;
    let answers = answers(run, call, alternative, &seeds)?;
    note_rounds(run, step, before);
    join::with_places(&answers, &call.args, table, run.meter)
}

/// The answers to these seeds, a column for each argument; of some ways also answers to what the seeds led to.
fn answers(run: &mut Run<'_>, call: &RuleCall, alternative: &Alternative, seeds: &Table) -> Result<Table> {
    if !alternative.seeded {
        return fixpoint::run(run, &alternative.program, seeds);
    }
    let mut numbered = seeds.clone();
    numbered.columns.insert(0, Column::of(Kind::LONG, (0..seeds.rows as i64).collect()));
    let found = fixpoint::run(run, &alternative.program, &numbered)?;
    Ok(with_seeds(seeds, &alternative.given, call.args.len(), &found))
}

/// Joins the answers of a call that is made round after round: only seeds that were not asked before are followed.
fn remembered(
    run: &mut Run<'_>,
    step: &Step,
    call: &RuleCall,
    alternative: &Alternative,
    table: Table,
) -> Result<Table> {
    let mut asked = run.state(step.id).asked.take().unwrap_or_else(|| Asked {
        seeds: Grown::new(alternative.given.len()),
        answers: Grown::new(call.args.len()),
    });
    let seeds = given(call, &alternative.given, &table, run.meter)?;
    let new = asked.seeds.missing(&seeds, run.meter)?;
    if new.rows > 0 {
        let before = run.rounds;
        let found = answers(run, call, alternative, &new)?;
        note_rounds(run, step, before);
        asked.seeds.append(&new);
        // Answers to what was not asked are left out: they come again when it is.
        let index = KeyIndex::build(Vec::new(), new.columns, new.rows, run.meter)?;
        let keys: Vec<&Column> = alternative.given.iter().map(|at| &found.columns[*at]).collect();
        let is_asked = |row| index.contains(&keys.iter().map(|key| key.get(row)).collect::<Vec<_>>());
        let rows = join::kept(found.rows, run.meter, is_asked)?;
        asked.answers.append(&found.gathered(&rows, run.meter)?);
    }
    let live: Vec<VarId> =
        table.vars.iter().copied().chain(call.args.iter().filter_map(|arg| arg.var())).collect();
    let joined = asked.answers.join(&call.args, table, &live, run.meter);
    run.state(step.id).asked = Some(asked);
    joined
}

/// What a call has been asked so far, and the answers.
pub struct Asked {
    seeds: Grown,
    answers: Grown,
}

/// The way with the fewest distinct seeds.
fn choose<'c>(
    call: &RuleCall,
    compiled: &'c Compiled,
    table: &Table,
    meter: &Meter,
) -> Result<&'c Alternative> {
    let (first, others) = compiled.alternatives.split_first().expect("a compiled call has a way");
    if others.is_empty() {
        return Ok(first);
    }
    let mut best = (given(call, &first.given, table, meter)?.rows, first);
    for other in others {
        let seeds = given(call, &other.given, table, meter)?.rows;
        if seeds < best.0 {
            best = (seeds, other);
        }
    }
    Ok(best.1)
}

/// Notes the rounds since `before` as those of a step.
fn note_rounds(run: &mut Run<'_>, step: &Step, before: (u64, u64)) {
    let (rounds, rows) = (run.rounds.0 - before.0, run.rounds.1 - before.1);
    let state = run.state(step.id);
    state.rounds = (state.rounds.0 + rounds, state.rounds.1 + rows);
}

/// The distinct values of these arguments, one column each.
fn given(call: &RuleCall, given: &[usize], table: &Table, meter: &Meter) -> Result<Table> {
    let column = |at: &usize| match call.args[*at] {
        Place::Const(cell) => Column::constant(cell),
        Place::Var(var) => table.column(var).clone(),
        Place::Blank => unreachable!("an argument is a variable or a value"),
    };
    let columns = given.iter().map(column).collect();
    Table { vars: Vec::new(), columns, rows: table.rows, distinct: false }.deduplicated(meter)
}

/// Answers with the seeds' values in place of their numbers: one column for each argument.
fn with_seeds(seeds: &Table, given: &[usize], width: usize, found: &Table) -> Table {
    let numbers: Vec<u32> = (0..found.rows).map(|row| found.columns[0].word(row) as u32).collect();
    let mut free = found.columns[1..].iter();
    let column = |at: usize| match given.iter().position(|place| *place == at) {
        Some(seed) => seeds.columns[seed].gather(&numbers),
        None => free.next().expect("an answer has a column for each free argument").clone(),
    };
    let columns = (0..width).map(column).collect();
    Table { vars: Vec::new(), columns, rows: found.rows, distinct: true }
}
