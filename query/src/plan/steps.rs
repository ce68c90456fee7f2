//! What a plan is made of: places, goals (conditions without order) and steps (conditions in their order).

use std::sync::Arc;

use annals_storage::datom::{AttrId, Symbol, Tag};

use crate::ast::{Binding, Query, Var};
use crate::edn::Span;
use crate::functions;
use crate::inputs::places;
use crate::rules::Compiled;
use crate::run::column::Cell;

/// A variable of a plan. Two clauses that write one name in different scopes have different variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VarId(pub u32);

/// What stands in a place of a pattern, call or rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// This value.
    Const(Cell),
    /// This variable's value.
    Var(VarId),
    /// Anything.
    Blank,
}

impl Place {
    /// The variable, if it is one.
    pub fn var(self) -> Option<VarId> {
        match self {
            Place::Var(var) => Some(var),
            _ => None,
        }
    }
}

/// What the planner knows of an attribute.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Attr {
    /// Its id.
    pub id: AttrId,
    /// The type of its values.
    pub tag: Tag,
    /// True for cardinality many.
    pub many: bool,
    /// True if a value names one entity.
    pub unique: bool,
}

/// A pattern over a database: `[?e :attr ?v ?tx ?added]`.
#[derive(Clone, Debug)]
pub struct Match {
    /// Which of the plan's sources.
    pub source: usize,
    /// The attribute, if the pattern names it; then its place is blank.
    pub attr: Option<Attr>,
    /// Entity, attribute, value, transaction, added.
    pub places: [Place; 5],
    /// Ends of the value that a predicate elsewhere makes sure of: the cell and whether it is included.
    pub low: Option<(Cell, bool)>,
    /// The upper end.
    pub high: Option<(Cell, bool)>,
    /// How many facts the pattern's constants leave.
    pub count: u64,
    /// How many facts there are without regard to the value.
    pub whole: u64,
}

/// A pattern over a collection of tuples: the first places of each.
#[derive(Clone, Debug)]
pub struct Tuples {
    /// Which of the plan's sources.
    pub source: usize,
    /// What is asked of each place.
    pub places: Vec<Place>,
}

/// An argument of a function.
#[derive(Clone, Debug)]
pub enum Argument {
    /// A place; never blank.
    Place(Place),
    /// A source.
    Source(usize),
    /// A query to ask inside.
    Query(Arc<Query>),
}

/// The function of a call.
#[derive(Clone, Debug)]
pub enum Callee {
    /// A function by its name.
    Named(functions::Callee),
    /// A variable that holds a function's name.
    Var(VarId),
}

/// A call of a function.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// What is called.
    pub callee: Callee,
    /// The name as written.
    pub name: Symbol,
    /// What it is given.
    pub args: Vec<Argument>,
    /// Where parts of the result stand, if names are settled there.
    pub(crate) meant: Vec<(Place, Vec<places::Place>)>,
    /// Where the call stands.
    pub span: Option<Span>,
}

impl Invocation {
    /// The name of the function, if it is one over plain values.
    pub fn plain_name(&self) -> Option<&str> {
        match &self.callee {
            Callee::Named(functions::Callee::Plain(function)) => Some(function.name()),
            _ => None,
        }
    }
}

/// How the result of a function is taken apart.
#[derive(Clone, Debug)]
pub enum Shape {
    /// A variable, or a constant that the value must be.
    Place(Place),
    /// A sequence of so many parts.
    Tuple(Vec<Shape>),
    /// Each element.
    Each(Box<Shape>),
}

/// A call of a rule that was not replaced by its bodies.
#[derive(Clone, Debug)]
pub struct RuleCall {
    /// The rule.
    pub name: Symbol,
    /// The source that is `$` inside.
    pub source: usize,
    /// The arguments; never blank.
    pub args: Vec<Place>,
    /// How many arguments, from the first, must be bound before.
    pub required: usize,
    /// Where it stands.
    pub span: Option<Span>,
}

/// A condition whose names are settled; not yet in any order.
#[derive(Clone, Debug)]
pub enum Goal {
    /// Facts.
    Match(Match),
    /// Rows of a collection.
    Tuples(Tuples),
    /// A predicate.
    Test(Invocation),
    /// A function and what its result is bound to.
    Bind(Invocation, Shape),
    /// Two places are one value.
    Same(Place, Place),
    /// No row of these goals agrees on the shared variables.
    Not {
        /// The shared variables.
        on: Vec<VarId>,
        /// What must not hold together.
        goals: Vec<Goal>,
        /// Where it stands.
        span: Option<Span>,
    },
    /// One of the branches holds.
    Or {
        /// Variables that must be bound before.
        required: Vec<VarId>,
        /// The shared variables, the required ones included.
        on: Vec<VarId>,
        /// Each a conjunction.
        branches: Vec<Vec<Goal>>,
        /// Where it stands.
        span: Option<Span>,
    },
    /// A rule.
    Call(RuleCall),
    /// Rows of a relation that a rule's evaluation holds.
    Known(Known),
    /// Cannot hold. Counts as binding these variables, so that what speaks of them can still be planned.
    Never(Vec<VarId>),
}

/// Rows of a relation that grows while a rule is evaluated.
#[derive(Clone, Debug)]
pub struct Known {
    /// Which of the evaluation's relations.
    pub relation: usize,
    /// What is asked of each column.
    pub places: Vec<Place>,
    /// How many places, from the first, must be bound before.
    pub required: usize,
}

/// What a step does.
#[derive(Clone, Debug)]
pub enum Op {
    /// Facts joined with the rows so far.
    Match(Match),
    /// Rows of a collection joined with the rows so far.
    Tuples(Tuples),
    /// Keeps rows.
    Test(Invocation),
    /// Adds columns, multiplies or drops rows.
    Bind(Invocation, Shape),
    /// Keeps rows, or adds a copy of a column or a constant.
    Same(Place, Place),
    /// Drops rows.
    Not {
        /// The variables given to the block and compared with what it finds.
        on: Vec<VarId>,
        /// What must not hold.
        block: Block,
    },
    /// Joins with the union of the branches.
    Or {
        /// The variables given to the branches.
        given: Vec<VarId>,
        /// The variables that come back; those of `given` included.
        on: Vec<VarId>,
        /// The branches.
        branches: Vec<Block>,
    },
    /// Joins with what a block finds by itself.
    Star(Block),
    /// Joins with what patterns between these variables find together, all at once.
    Leap(Vec<Match>, Vec<VarId>),
    /// Joins with the answers of a rule.
    Rule(RuleCall, Arc<Compiled>),
    /// Joins with what is known.
    Known(Known),
    /// Drops all rows.
    Never,
}

/// One step of a plan.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its number in the whole plan; what is counted or kept for it goes by this.
    pub id: usize,
    /// What it does.
    pub op: Op,
    /// How many rows the planner expects after it.
    pub estimate: f64,
    /// The variables that are still needed after it.
    pub live: Arc<[VarId]>,
}

/// Steps in their order.
#[derive(Clone, Debug, Default)]
pub struct Block {
    /// The steps.
    pub steps: Vec<Step>,
    /// The variables that come out.
    pub out: Vec<VarId>,
}

/// Which way facts are joined, for tests that want every way to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// One scan for each distinct key.
    Probe,
    /// One pass along the attribute for the entities of the rows so far, where the source has one.
    Each,
    /// One scan over all that the constants leave, matched against the rows so far.
    Stream,
    /// One scan kept as an index, probed by the rows so far.
    Load,
}

/// What a caller may prescribe to the planner. None of it changes an answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlanOptions {
    /// A seed from which the order of goals is drawn, instead of by cost.
    pub order: Option<u64>,
    /// Whether all orders of few goals are weighed: always, never, or where that promises to pay.
    pub search: Option<bool>,
    /// The way facts are joined wherever it is possible.
    pub force: Option<Access>,
    /// True to evaluate every rule to a fixpoint, also those that could be replaced by their bodies.
    pub keep_rules: bool,
    /// True to evaluate recursive rules whole, whatever is bound.
    pub no_demand: bool,
    /// Whether cycles of patterns are joined all at once: always, never, or where that promises less.
    pub leap: Option<bool>,
    /// Whether the first rows of an ordered answer are made without the others: wherever that is possible, never, or
    /// where it promises less.
    pub early: Option<bool>,
    /// How many rows are grouped at once, at least.
    pub part: Option<usize>,
    /// How many facts make a shard of a grouped answer; for tests, which have few.
    pub shard: Option<u64>,
}

/// A binding form with its variables settled.
pub(crate) fn shape_of(binding: &Binding, place: &mut impl FnMut(&Var) -> Place) -> Shape {
    match binding {
        Binding::Var(var) => Shape::Place(place(var)),
        Binding::Ignore => Shape::Place(Place::Blank),
        Binding::Tuple(parts) => Shape::Tuple(parts.iter().map(|part| shape_of(part, place)).collect()),
        Binding::Collection(each) => Shape::Each(Box::new(shape_of(each, place))),
    }
}
