//! A plan as text: the steps in their order, how each was joined, what was expected and what came.
//!
//! ```text
//!   step                                        way      expected     rows
//!   [?f :film/year 1985]                        scan            2        2
//!   not                                                         1        1
//!     [?f :film/genres :drama]                  probe           1        1
//! ```

use std::fmt;

use annals_storage::datom::Symbol;

use super::{Argument, Block, Invocation, Match, Op, Place, Shape, VarId};
use crate::ast::SourceName;
use crate::inputs::SourceArg;
use crate::run::pool::Pool;
use crate::run::{Run, StepState};

/// One step as it ran.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// How deep it stands inside of alternatives, negations and rules.
    pub depth: usize,
    /// The clause.
    pub text: String,
    /// How facts were joined, if the step asks for facts and ran.
    pub access: Option<&'static str>,
    /// Rows the planner expected after it.
    pub expected: f64,
    /// Rows there were after it, over all its runs; none if it did not run.
    pub rows: Option<u64>,
    /// How often it ran.
    pub runs: u64,
}

/// What a query did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Explain {
    /// The steps, in the order in which they ran.
    pub lines: Vec<Line>,
    /// Distinct rows over the variables that decide the answer.
    pub rows: u64,
}

impl fmt::Display for Explain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |line: &Line| format!("{}{}", "  ".repeat(line.depth), line.text);
        let width = self.lines.iter().map(|line| text(line).chars().count()).max().unwrap_or(0).clamp(20, 60);
        writeln!(f, "{:width$}  {:6} {:>10} {:>10} {:>6}", "step", "way", "expected", "rows", "runs")?;
        for line in &self.lines {
            let rows = line.rows.map_or_else(|| "-".to_owned(), |rows| rows.to_string());
            let (access, expected) = (line.access.unwrap_or(""), line.expected.round());
            writeln!(f, "{:width$}  {access:6} {expected:>10} {rows:>10} {:>6}", text(line), line.runs)?;
        }
        write!(f, "{} distinct rows", self.rows)
    }
}

/// The lines of a plan that has run.
pub fn lines(block: &Block, names: &[Symbol], run: &Run<'_>) -> Vec<Line> {
    let mut writer =
        Writer { names, pool: run.pool, sources: &run.sources, states: &run.states, lines: Vec::new() };
    writer.block(block, 0);
    writer.lines
}

struct Writer<'r> {
    names: &'r [Symbol],
    pool: &'r Pool,
    sources: &'r [(&'r SourceName, &'r SourceArg)],
    states: &'r [StepState],
    lines: Vec<Line>,
}

impl Writer<'_> {
    fn block(&mut self, block: &Block, depth: usize) {
        for step in &block.steps {
            let state = self.states.get(step.id).filter(|state| state.runs > 0);
            self.lines.push(Line {
                depth,
                text: self.op(&step.op),
                access: state.and_then(|state| state.access),
                expected: step.estimate,
                rows: state.map(|state| state.rows),
                runs: state.map_or(0, |state| state.runs),
            });
            match &step.op {
                Op::Not { block, .. } | Op::Star(block) => self.block(block, depth + 1),
                Op::Or { branches, .. } => {
                    for branch in branches {
                        self.heading("branch", depth + 1);
                        self.block(branch, depth + 2);
                    }
                }
                Op::Rule(_, compiled) => {
                    for (heading, block) in compiled.blocks() {
                        self.heading(&heading, depth + 1);
                        self.block(block, depth + 2);
                    }
                }
                _ => {}
            }
        }
    }

    fn heading(&mut self, text: &str, depth: usize) {
        let line = Line { depth, text: text.to_owned(), access: None, expected: 0.0, rows: None, runs: 0 };
        self.lines.push(line);
    }

    fn op(&self, op: &Op) -> String {
        match op {
            Op::Match(goal) => self.facts(goal),
            Op::Tuples(goal) => format!("[{} {}]", self.sources[goal.source].0.0, self.places(&goal.places)),
            Op::Test(call) => format!("[{}]", self.call(call)),
            Op::Bind(call, shape) => format!("[{} {}]", self.call(call), self.shape(shape)),
            Op::Same(one, other) => format!("{} is {}", self.place(*one), self.place(*other)),
            Op::Not { on, .. } => format!("not on {}", self.vars(on)),
            Op::Or { on, .. } => format!("or on {}", self.vars(on)),
            Op::Rule(call, compiled) => {
                format!("({} {}) {}", call.name, self.places(&call.args), compiled.way())
            }
            Op::Known(known) => format!("known {} {}", known.relation, self.places(&known.places)),
            Op::Leap(goals, vars) => {
                let goals: Vec<String> = goals.iter().map(|goal| self.facts(goal)).collect();
                format!("leapjoin on {} of {}", self.vars(vars), goals.join(" "))
            }
            Op::Star(block) => format!("by itself {}", self.vars(&block.out)),
            Op::Never => "nothing".to_owned(),
        }
    }

    fn facts(&self, goal: &Match) -> String {
        let last = goal.places.iter().rposition(|place| *place != Place::Blank).unwrap_or(0);
        let (name, source) = self.sources[goal.source];
        let mut words: Vec<String> = (0..=last.max(1)).map(|at| self.place(goal.places[at])).collect();
        if let (Some(attr), SourceArg::Db(source)) = (goal.attr, source) {
            words[1] =
                source.attribute(attr.id).map_or_else(|| attr.id.0.to_string(), |a| a.ident.to_string());
        }
        if *name != SourceName::default_source() {
            words.insert(0, name.0.to_string());
        }
        let end = |(cell, included): (_, bool), strict: &str| {
            format!(" {strict}{} {}", if included { "=" } else { "" }, self.pool.edn(cell))
        };
        let low = goal.low.map_or_else(String::new, |low| end(low, ">"));
        let high = goal.high.map_or_else(String::new, |high| end(high, "<"));
        format!("[{}]{low}{high}", words.join(" "))
    }

    fn call(&self, call: &Invocation) -> String {
        let args = call.args.iter().map(|arg| match arg {
            Argument::Place(place) => self.place(*place),
            Argument::Source(source) => self.sources[*source].0.0.to_string(),
            Argument::Query(_) => "[…]".to_owned(),
        });
        format!("({} {})", call.name, args.collect::<Vec<_>>().join(" "))
    }

    fn shape(&self, shape: &Shape) -> String {
        match shape {
            Shape::Place(place) => self.place(*place),
            Shape::Tuple(parts) => {
                format!("[{}]", parts.iter().map(|part| self.shape(part)).collect::<Vec<_>>().join(" "))
            }
            Shape::Each(each) => format!("[{} ...]", self.shape(each)),
        }
    }

    fn places(&self, places: &[Place]) -> String {
        places.iter().map(|place| self.place(*place)).collect::<Vec<_>>().join(" ")
    }

    fn vars(&self, vars: &[VarId]) -> String {
        vars.iter().map(|var| self.place(Place::Var(*var))).collect::<Vec<_>>().join(" ")
    }

    fn place(&self, place: Place) -> String {
        match place {
            Place::Const(cell) => self.pool.edn(cell).to_string(),
            Place::Var(var) => self.names[var.0 as usize].to_string(),
            Place::Blank => "_".to_owned(),
        }
    }
}
