//! A program of rules run until nothing new comes: semi-naive, round by round.
//!
//! In each round every rule is run once for the rows that were new in the round before, as an ordinary block of steps
//! that starts from them. What it derives is made distinct by datafrog. Cells are numbered within the evaluation, so
//! that a row is a few 32-bit numbers.

use datafrog::Iteration;
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::packed::{Growing, growing};
use super::program::{Head, Program};
use crate::error::Result;
use crate::plan::Place;
use crate::run::batch::Table;
use crate::run::budget::{Meter, STRIDE};
use crate::run::column::{Cell, Column, ColumnBuilder};
use crate::run::grown::Grown;
use crate::run::{Run, join};

/// What the number of a cell takes: the cell twice, in a list and as a key.
const NUMBER_BYTES: usize = 3 * size_of::<Cell>();

/// Numbers for the cells of one evaluation.
#[derive(Default)]
struct Numbers {
    of: HashMap<Cell, u32, FixedState>,
    cells: Vec<Cell>,
}

impl Numbers {
    fn number(&mut self, cell: Cell) -> u32 {
        *self.of.entry(cell).or_insert_with(|| {
            self.cells.push(cell);
            u32::try_from(self.cells.len() - 1).expect("the budget is checked before 2^32 cells")
        })
    }
}

/// The rows of the program's answer, from these seeds.
pub fn run(run: &mut Run<'_>, program: &Program, seeds: &Table) -> Result<Table> {
    let outer = std::mem::take(&mut run.known);
    let repeating = std::mem::replace(&mut run.repeating, true);
    run.known = program.relations.iter().map(|relation| Grown::new(relation.width)).collect();
    let answer = Evaluation::new(program).run(run, seeds);
    run.known = outer;
    run.repeating = repeating;
    answer
}

struct Evaluation<'p> {
    program: &'p Program,
    iteration: Iteration,
    relations: Vec<Box<dyn Growing>>,
    numbers: Numbers,
}

impl<'p> Evaluation<'p> {
    fn new(program: &'p Program) -> Evaluation<'p> {
        let mut iteration = Iteration::new();
        // A relation without columns still has to tell no row from one: it gets a column that is always the same.
        let relations =
            program.relations.iter().map(|relation| growing(&mut iteration, relation.width.max(1))).collect();
        Evaluation { program, iteration, relations, numbers: Numbers::default() }
    }

    fn run(&mut self, run: &mut Run<'_>, seeds: &Table) -> Result<Table> {
        if let Some(seed) = self.program.seed {
            let columns: Vec<&Column> = seeds.columns.iter().collect();
            self.insert(seed, &columns, seeds.rows, run.meter)?;
        }
        for rule in &self.program.once {
            let found = run.block(&rule.block, Table::unit())?;
            self.derive(&rule.head, &found, run.meter)?;
        }
        let mut answer = vec![ColumnBuilder::default(); self.program.relations[self.program.answer].width];
        let (mut rows, mut total) = (0, 0);
        let mut held = run.meter.hold(0)?;
        while self.iteration.changed() {
            let recent: Vec<Table> = (0..self.relations.len()).map(|at| self.recent(at)).collect();
            let new_rows = recent.iter().map(|table| table.rows).sum::<usize>();
            total += new_rows;
            run.rounds = (run.rounds.0 + 1, run.rounds.1 + new_rows as u64);
            run.meter.check(total)?;
            held.become_bytes(run.meter, self.bytes(run, total))?;
            for (at, table) in recent.iter().enumerate() {
                if self.program.relations[at].is_read {
                    run.known[at].append(table);
                }
            }
            let new = &recent[self.program.answer];
            answer
                .iter_mut()
                .zip(&new.columns)
                .for_each(|(builder, column)| builder.append(column, new.rows));
            rows += new.rows;
            for rule in &self.program.rules {
                let delta = &recent[rule.delta];
                if delta.rows == 0 {
                    continue;
                }
                let start = join::matching(delta, &rule.places, run.meter)?.deduplicated(run.meter)?;
                if start.rows > 0 {
                    let found = run.block(&rule.block, start)?;
                    self.derive(&rule.head, &found, run.meter)?;
                }
            }
        }
        let columns = answer.into_iter().map(ColumnBuilder::finish).collect();
        Ok(Table { vars: Vec::new(), columns, rows, distinct: true })
    }

    /// What is held between two rounds, so many rows having been new so far.
    fn bytes(&self, run: &Run<'_>, rows: usize) -> usize {
        let widest = self.program.relations.iter().map(|relation| relation.width).max().unwrap_or(0);
        let packed = rows * widest * size_of::<u32>();
        let numbers = self.numbers.cells.len() * NUMBER_BYTES;
        packed + numbers + run.known.iter().map(Grown::bytes).sum::<usize>()
    }

    /// The rows of a relation that are new in this round.
    fn recent(&self, at: usize) -> Table {
        let width = self.program.relations[at].width;
        let cells = self.relations[at].recent();
        let stride = width.max(1);
        let column = |place: usize| {
            let mut builder = ColumnBuilder::default();
            cells
                .iter()
                .skip(place)
                .step_by(stride)
                .for_each(|n| builder.push(self.numbers.cells[*n as usize]));
            builder.finish()
        };
        let rows = cells.len() / stride;
        Table { vars: Vec::new(), columns: (0..width).map(column).collect(), rows, distinct: true }
    }

    /// Adds what a rule has found to the relation of its head.
    fn derive(&mut self, head: &Head, found: &Table, meter: &Meter) -> Result<()> {
        if found.rows == 0 {
            return Ok(());
        }
        let columns: Vec<Column> = head
            .places
            .iter()
            .map(|place| match place {
                Place::Const(cell) => Column::constant(*cell),
                Place::Var(var) => found.column(*var).clone(),
                Place::Blank => unreachable!("every place of a head has a value"),
            })
            .collect();
        self.insert(head.relation, &columns.iter().collect::<Vec<_>>(), found.rows, meter)
    }

    fn insert(&mut self, relation: usize, columns: &[&Column], rows: usize, meter: &Meter) -> Result<()> {
        if columns.is_empty() {
            let number = self.numbers.number(Cell::long(0));
            self.relations[relation].insert(&[number]);
            return Ok(());
        }
        let mut cells = Vec::with_capacity(rows * columns.len());
        for row in 0..rows {
            if row % STRIDE == 0 {
                meter.room(cells.len(), size_of::<u32>())?;
            }
            for column in columns {
                cells.push(self.numbers.number(column.get(row)));
            }
        }
        self.relations[relation].insert(&cells);
        Ok(())
    }
}
