//! A program of rules run until nothing new comes: semi-naive, round by round.
//!
//! In each round a rule is run for the rows that were new in the round before, if there are any, as an ordinary block of
//! steps that starts from them. What it derives is made distinct by datafrog, or compared with what is best so far
//! ([`super::best`]). A round looks only at relations that changed and at rules that start from them, so that a chain of
//! thousands of rules costs as much a round as one. Cells are numbered within the evaluation, so that a row is a few 32-bit
//! numbers.

use super::best::BestRows;
use super::packed::{Growing, growing};
use super::program::{Head, Program, Relation};
use crate::error::{Error, Result};
use crate::functions;
use crate::plan::Place;
use crate::run::batch::Table;
use crate::run::budget::{Meter, STRIDE};
use crate::run::column::{Cell, Column, ColumnBuilder};
use crate::run::grown::Grown;
use crate::run::numbers::Numbers;
use crate::run::pool::Pool;
use crate::run::{Run, join};

/// What the number of a cell takes: the cell twice, in a list and as a key.
const NUMBER_BYTES: usize = 3 * size_of::<Cell>();

/// How many relations' bytes are added up in a round, nearly.
const BYTES_EVERY: usize = 64;

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

/// The error for rules of which a worse value leads to a better one.
pub(crate) fn not_monotone() -> Error {
    Error::incorrect(
        "db.error/not-monotone",
        "the least or greatest that a rule keeps does not follow from the values it keeps",
    )
    .hint("from a better value a rule's body must make a value that is at least as good")
}

struct Evaluation<'p> {
    program: &'p Program,
    relations: Vec<Held>,
    /// The rules that start from each relation.
    starting: Vec<Vec<usize>>,
    /// Relations that rows were added to since the last round began, or that had new ones in it.
    touched: Vec<usize>,
    numbers: Numbers,
}

/// The rows of a relation.
enum Held {
    /// All of them.
    Set(Box<dyn Growing>),
    /// The best for each key.
    Best(BestRows),
}

impl Held {
    fn new(relation: &Relation) -> Held {
        match relation.best {
            // A relation without columns still has to tell no row from one: it gets a column that is always the same.
            None => Held::Set(growing(relation.width.max(1))),
            Some(best) => Held::Best(BestRows::new(relation.width, best)),
        }
    }

    /// Begins the next round; false if nothing is new in it.
    fn changed(&mut self) -> bool {
        match self {
            Held::Set(rows) => rows.changed(),
            Held::Best(rows) => rows.changed(),
        }
    }
}

impl<'p> Evaluation<'p> {
    fn new(program: &'p Program) -> Evaluation<'p> {
        let relations = program.relations.iter().map(Held::new).collect();
        let mut starting = vec![Vec::new(); program.relations.len()];
        program.rules.iter().enumerate().for_each(|(at, rule)| starting[rule.delta].push(at));
        Evaluation { program, relations, starting, touched: Vec::new(), numbers: Numbers::default() }
    }

    fn run(&mut self, run: &mut Run<'_>, seeds: &Table) -> Result<Table> {
        if let Some(seed) = self.program.seed {
            let columns: Vec<&Column> = seeds.columns.iter().collect();
            self.insert(seed, &columns, seeds.rows, run.pool, run.meter)?;
        }
        for rule in &self.program.once {
            let found = run.block(&rule.block, Table::unit())?;
            self.derive(&rule.head, &found, run.pool, run.meter)?;
        }
        let takes_best = self.program.relations.iter().any(|relation| relation.best.is_some());
        let widest = self.program.relations.iter().map(|relation| relation.width).max().unwrap_or(0);
        let mut answer = vec![ColumnBuilder::default(); self.program.relations[self.program.answer].width];
        let (mut rows, mut total) = (0, 0);
        let mut held = run.meter.hold(0)?;
        let mut known_bytes = 0;
        for round in 0_usize.. {
            let recent = self.next_round();
            if recent.is_empty() {
                break;
            }
            let new_rows = recent.iter().map(|(_, table)| table.rows).sum::<usize>();
            total += new_rows;
            run.rounds = (run.rounds.0 + 1, run.rounds.1 + new_rows as u64);
            run.meter.check(total)?;
            // Of very many relations the bytes are added up now and then.
            if round.is_multiple_of(1 + run.known.len() / BYTES_EVERY) {
                known_bytes = run.known.iter().map(Grown::bytes).sum();
            }
            let own = total * widest * size_of::<u32>() + self.numbers.count() * NUMBER_BYTES;
            held.become_bytes(run.meter, own + known_bytes)?;
            for (at, table) in &recent {
                if self.program.relations[*at].is_read || takes_best {
                    run.known[*at].append(table);
                }
                if *at == self.program.answer {
                    let columns = answer.iter_mut().zip(&table.columns);
                    columns.for_each(|(builder, column)| builder.append(column, table.rows));
                    rows += table.rows;
                }
            }
            self.apply(run, &recent)?;
        }
        if takes_best {
            self.settle(run)?;
            if let Held::Best(best) = &self.relations[self.program.answer] {
                return Ok(self.table(self.program.answer, &best.all()));
            }
        }
        let columns = answer.into_iter().map(ColumnBuilder::finish).collect();
        Ok(Table { vars: Vec::new(), columns, rows, distinct: true })
    }

    /// Begins the next round: the relations that have new rows, with those.
    fn next_round(&mut self) -> Vec<(usize, Table)> {
        let mut changed = std::mem::take(&mut self.touched);
        changed.sort_unstable();
        changed.dedup();
        changed.retain(|at| self.relations[*at].changed());
        self.touched.clone_from(&changed);
        changed.into_iter().map(|at| (at, self.recent(at))).collect()
    }

    /// Runs the rules that start from new rows.
    fn apply(&mut self, run: &mut Run<'_>, recent: &[(usize, Table)]) -> Result<()> {
        let mut rules: Vec<(usize, &Table)> = Vec::new();
        for (at, table) in recent {
            rules.extend(self.starting[*at].iter().map(|rule| (*rule, table)));
        }
        // In the order of the program, so that the rows of an answer come in one order.
        rules.sort_unstable_by_key(|(rule, _)| *rule);
        for (at, delta) in rules {
            let rule = &self.program.rules[at];
            let start = join::matching(delta, &rule.places, run.meter)?.deduplicated(run.meter)?;
            if start.rows > 0 {
                let found = run.block(&rule.block, start)?;
                for head in &rule.heads {
                    self.derive(head, &found, run.pool, run.meter)?;
                }
            }
        }
        Ok(())
    }

    /// Makes sure that the best values are those that the rules give from nothing but the best: where a worse value
    /// leads to a better one, what was found would depend on the way it was found.
    fn settle(&mut self, run: &mut Run<'_>) -> Result<()> {
        let program = self.program;
        let mut again: Vec<Held> = Vec::with_capacity(self.relations.len());
        for (at, relation) in program.relations.iter().enumerate() {
            again.push(match &self.relations[at] {
                Held::Best(best) => {
                    run.known[at] = Grown::new(relation.width);
                    run.known[at].append(&self.table(at, &best.all()));
                    Held::Best(BestRows::new(relation.width, best.best()))
                }
                Held::Set(_) => Held::new(relation),
            });
        }
        std::mem::swap(&mut self.relations, &mut again);
        for rule in &program.once {
            let found = run.block(&rule.block, Table::unit())?;
            self.derive(&rule.head, &found, run.pool, run.meter)?;
        }
        for rule in &program.rules {
            let start = join::matching(&run.known[rule.delta].table(), &rule.places, run.meter)?;
            let start = start.deduplicated(run.meter)?;
            let is_best = |head: &&Head| program.relations[head.relation].best.is_some();
            if start.rows > 0 && rule.heads.iter().any(|head| is_best(&head)) {
                let found = run.block(&rule.block, start)?;
                for head in rule.heads.iter().filter(is_best) {
                    self.derive(head, &found, run.pool, run.meter)?;
                }
            }
        }
        std::mem::swap(&mut self.relations, &mut again);
        let agrees = self.relations.iter().zip(&again).all(|pair| match pair {
            (Held::Best(one), Held::Best(other)) => one.agrees(other),
            _ => true,
        });
        if agrees { Ok(()) } else { Err(not_monotone()) }
    }

    /// The rows of a relation that are new in this round.
    fn recent(&self, at: usize) -> Table {
        let cells = match &self.relations[at] {
            Held::Set(rows) => rows.recent(),
            Held::Best(rows) => rows.recent(),
        };
        self.table(at, &cells)
    }

    /// Rows of a relation, given one after the other.
    fn table(&self, at: usize, cells: &[u32]) -> Table {
        let width = self.program.relations[at].width;
        let stride = width.max(1);
        let column = |place: usize| {
            let mut builder = ColumnBuilder::default();
            cells.iter().skip(place).step_by(stride).for_each(|n| builder.push(self.numbers.cell(*n)));
            builder.finish()
        };
        let rows = cells.len() / stride;
        Table { vars: Vec::new(), columns: (0..width).map(column).collect(), rows, distinct: true }
    }

    /// Adds what a rule has found to the relation of its head.
    fn derive(&mut self, head: &Head, found: &Table, pool: &Pool, meter: &Meter) -> Result<()> {
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
        self.insert(head.relation, &columns.iter().collect::<Vec<_>>(), found.rows, pool, meter)
    }

    fn insert(
        &mut self,
        relation: usize,
        columns: &[&Column],
        rows: usize,
        pool: &Pool,
        meter: &Meter,
    ) -> Result<()> {
        if columns.is_empty() {
            let number = self.numbers.number(Cell::long(0));
            self.hold(relation, &[number], pool);
            return Ok(());
        }
        let mut cells = Vec::with_capacity(rows * columns.len());
        for row in 0..rows {
            if row.is_multiple_of(STRIDE) {
                meter.room(cells.len(), size_of::<u32>())?;
            }
            for column in columns {
                cells.push(self.numbers.number(column.get(row)));
            }
        }
        self.hold(relation, &cells, pool);
        Ok(())
    }

    fn hold(&mut self, relation: usize, cells: &[u32], pool: &Pool) {
        self.touched.push(relation);
        let edn = |number: u32| pool.edn(self.numbers.cell(number));
        match &mut self.relations[relation] {
            Held::Set(rows) => rows.insert(cells),
            Held::Best(rows) => rows.insert(cells, &|x, y| functions::total(&edn(x), &edn(y)).is_lt()),
        }
    }
}
