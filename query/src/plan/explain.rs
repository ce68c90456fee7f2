//! A plan as text: the steps in their order, how each was joined, what was expected and what came.
//!
//! ```text
//!   step                                        way      expected     rows   runs  seeks
//!   [?f :film/year 1985]                        scan            2        2      1      1
//!   not                                                         1        1      1      0
//!     [?f :film/genres :drama]                  probe           1        1      1      2
//! ```
//!
//! The same as EDN for tools. Counts are the same whenever the same question is asked of the same facts; times are not.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use annals_storage::datom::Symbol;

use super::{Argument, Block, Invocation, Match, Op, Place, Shape, VarId};
use crate::ast::SourceName;
use crate::edn::Edn;
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
    /// How many scans it made of its source.
    pub seeks: u64,
    /// Of a rule that is evaluated to a fixpoint: the rounds, and the rows that were new in them; those of rules that are
    /// evaluated inside of it too.
    pub rounds: Option<(u64, u64)>,
    /// How long it took with what stands inside of it, if there was a stopwatch.
    pub took: Option<Duration>,
}

/// What a query did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Explain {
    /// The steps, in the order in which they ran.
    pub lines: Vec<Line>,
    /// Distinct rows over the variables that decide the answer.
    pub rows: u64,
    /// Scans made of sources, all in all.
    pub seeks: u64,
    /// The most bytes held at once, by estimate.
    pub bytes: u64,
    /// How long it took to check and to plan.
    pub planning: Option<Duration>,
    /// How long the steps took.
    pub running: Option<Duration>,
    /// How long it took to group, order and pull.
    pub shaping: Option<Duration>,
    /// What was read of the storage, if whoever asked knows.
    pub reads: Option<Reads>,
}

/// What was read of a storage: nodes of trees, by where they came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// Leaves of facts that hold, read from the storage.
    pub leaves: u64,
    /// Leaves of facts that held, read from the storage.
    pub history_leaves: u64,
    /// Directories read from the storage.
    pub directories: u64,
    /// Nodes that were remembered.
    pub hits: u64,
    /// Nodes that were not.
    pub misses: u64,
}

impl Explain {
    /// The same without times and reads, so that the same question over the same facts is told the same.
    #[must_use]
    pub fn timeless(mut self) -> Explain {
        self.lines.iter_mut().for_each(|line| line.took = None);
        Explain { planning: None, running: None, shaping: None, reads: None, ..self }
    }

    /// As one EDN map, for tools: `:steps`, a vector of maps, and the counts of the whole. Times are in microseconds.
    pub fn to_edn(&self) -> Edn {
        let mut told = Told::default();
        told.put("steps", Edn::Vector(self.lines.iter().map(Line::to_edn).collect()));
        told.count("rows", Some(self.rows)).count("seeks", Some(self.seeks)).count("bytes", Some(self.bytes));
        told.time("planning-us", self.planning).time("running-us", self.running);
        told.time("shaping-us", self.shaping);
        if let Some(reads) = &self.reads {
            told.count("leaves-read", Some(reads.leaves));
            told.count("history-leaves-read", Some(reads.history_leaves));
            told.count("directories-read", Some(reads.directories));
            told.count("cache-hits", Some(reads.hits)).count("cache-misses", Some(reads.misses));
        }
        Edn::Map(told.0)
    }
}

impl Line {
    fn to_edn(&self) -> Edn {
        let mut told = Told::default();
        told.put("step", Edn::string(self.text.as_str())).count("depth", Some(self.depth as u64));
        told.count("expected", Some(self.expected.round() as u64)).count("rows", self.rows);
        told.count("runs", Some(self.runs)).count("seeks", Some(self.seeks));
        if let Some(access) = self.access {
            told.put("way", Edn::keyword(access));
        }
        told.count("rounds", self.rounds.map(|(rounds, _)| rounds));
        told.count("derived", self.rounds.map(|(_, rows)| rows)).time("us", self.took);
        Edn::Map(told.0)
    }
}

/// A map that is being written.
#[derive(Default)]
struct Told(BTreeMap<Edn, Edn>);

impl Told {
    fn put(&mut self, key: &str, value: Edn) -> &mut Told {
        self.0.insert(Edn::keyword(key), value);
        self
    }

    fn count(&mut self, key: &str, count: Option<u64>) -> &mut Told {
        if let Some(count) = count {
            self.put(key, Edn::Int(i64::try_from(count).unwrap_or(i64::MAX)));
        }
        self
    }

    fn time(&mut self, key: &str, time: Option<Duration>) -> &mut Told {
        self.count(key, time.map(|time| time.as_micros() as u64))
    }
}

impl fmt::Display for Explain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |line: &Line| match line.rounds {
            Some((rounds, rows)) => {
                format!("{}{}, {rounds} rounds, {rows} derived", "  ".repeat(line.depth), line.text)
            }
            None => format!("{}{}", "  ".repeat(line.depth), line.text),
        };
        let micros = |time: Duration| time.as_micros().to_string();
        let timed = self.lines.iter().any(|line| line.took.is_some());
        let took = |time: &str| if timed { format!(" {time:>9}") } else { String::new() };
        let width = self.lines.iter().map(|line| text(line).chars().count()).max().unwrap_or(0).clamp(20, 60);
        write!(f, "{:width$}  {:6} {:>10} {:>10}", "step", "way", "expected", "rows")?;
        writeln!(f, " {:>6} {:>8}{}", "runs", "seeks", took("us"))?;
        for line in &self.lines {
            let rows = line.rows.map_or_else(|| "-".to_owned(), |rows| rows.to_string());
            let (access, expected) = (line.access.unwrap_or(""), line.expected.round());
            write!(f, "{:width$}  {access:6} {expected:>10} {rows:>10}", text(line))?;
            let time = line.took.map_or_else(|| "-".to_owned(), micros);
            writeln!(f, " {:>6} {:>8}{}", line.runs, line.seeks, took(&time))?;
        }
        write!(f, "{} distinct rows, {} seeks, {} bytes at most", self.rows, self.seeks, self.bytes)?;
        if let Some(Reads { leaves, history_leaves, directories, hits, misses }) = self.reads {
            write!(f, "\nread {leaves} leaves, {history_leaves} of the past, {directories} directories")?;
            write!(f, "; cache: {hits} hits, {misses} misses")?;
        }
        if let (Some(planning), Some(running)) = (self.planning, self.running) {
            let shaping = self.shaping.unwrap_or_default();
            write!(f, "\nplanned in {} us, ran in {} us", micros(planning), micros(running))?;
            write!(f, ", shaped in {} us", micros(shaping))?;
        }
        Ok(())
    }
}

/// The lines of a plan that has run.
pub fn lines(block: &Block, names: &[Symbol], run: &Run<'_>) -> Vec<Line> {
    let timed = run.timed && run.meter.now().is_some();
    let (sources, states) = (&run.sources, &run.states);
    let mut writer = Writer { names, pool: run.pool, sources, states, timed, lines: Vec::new() };
    writer.block(block, 0);
    writer.lines
}

struct Writer<'r> {
    names: &'r [Symbol],
    pool: &'r Pool,
    sources: &'r [(&'r SourceName, &'r SourceArg)],
    states: &'r [StepState],
    timed: bool,
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
                seeks: state.map_or(0, |state| state.seeks),
                rounds: state.filter(|_| matches!(step.op, Op::Rule(..))).map(|state| state.rounds),
                took: state.filter(|_| self.timed).map(|state| state.took),
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
        self.lines.push(Line {
            depth,
            text: text.to_owned(),
            access: None,
            expected: 0.0,
            rows: None,
            runs: 0,
            seeks: 0,
            rounds: None,
            took: None,
        });
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
        if !name.is_default() {
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
