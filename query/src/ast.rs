//! What a query is, once its text has a shape: names are still names, nothing is looked up.
//!
//! `parse` makes these from forms; `check` makes sure they make sense; `plan` and `naive` read them. Every clause
//! keeps the place where it stood. [`asked`] is what is asked for; here is the query around it, and what must hold.

mod asked;

use std::fmt;

use std::sync::Arc;

use annals_storage::datom::{Keyword, Symbol};

pub use asked::{Element, Expr, Find, Given, KeyKind, OrderKey, Page, PullArg, ReturnMap};

use crate::edn::{Edn, Span};

/// A variable, `?name`, held with its question mark.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Var(pub Symbol);

/// The name of a source, `$` or `$name`, held with its dollar sign.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceName(pub Symbol);

impl SourceName {
    /// `$`
    pub fn default_source() -> SourceName {
        SourceName(Symbol::new("$"))
    }

    /// True if it is `$`.
    pub fn is_default(&self) -> bool {
        self.0.as_str() == "$"
    }
}

/// A whole query.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// What is asked for.
    pub find: Find,
    /// Names for the columns, if rows are to be maps.
    pub keys: Option<ReturnMap>,
    /// Variables that keep rows apart and are then dropped.
    pub with: Vec<Var>,
    /// What the query is given, in order. `[$]` if the query does not say.
    pub inputs: Vec<Input>,
    /// What must hold.
    pub clauses: Vec<Clause>,
    /// What must hold of a row of the answer, or of the group it is made of.
    pub having: Vec<Expr>,
    /// Which rows of the answer are wanted, in which order.
    pub page: Page,
    /// How many milliseconds the query may take.
    pub timeout: Option<Given>,
    /// True if the answer is to be held against that of the slow evaluator.
    pub verify: bool,
    /// A hash of what is asked, the same in every process and however the text is laid out.
    pub fingerprint: u64,
}

/// One thing a query is given.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// `$name`: a database or a collection of tuples.
    Source(SourceName),
    /// `%`: rules.
    Rules,
    /// `name`: a pull pattern.
    Pattern(Symbol),
    /// A value, taken apart.
    Binding(Binding),
}

/// How a value is bound to variables.
#[derive(Clone, Debug, PartialEq)]
pub enum Binding {
    /// `?a`
    Var(Var),
    /// `_`
    Ignore,
    /// `[?a _ ?b]`
    Tuple(Vec<Binding>),
    /// `[?a ...]`; `[[?a ?b]]` is a collection of a tuple.
    Collection(Box<Binding>),
}

/// A condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Clause {
    /// What it says.
    pub kind: ClauseKind,
    /// Where it stands.
    pub span: Option<Span>,
}

/// The kinds of conditions.
#[derive(Clone, Debug, PartialEq)]
pub enum ClauseKind {
    /// `[$src ?e :attr ?v ?tx ?added]`, any number of places from the front.
    Pattern {
        /// Where the facts are.
        source: SourceName,
        /// The places.
        terms: Vec<Term>,
    },
    /// `[(f ?a 1)]`: holds if the result is neither nil nor false.
    Predicate(Call),
    /// `[(f ?a 1) ?b]`: binds the result.
    Function(Call, Binding),
    /// `($src rule ?a 1)`
    Rule {
        /// The source that is `$` inside the rule.
        source: SourceName,
        /// The rule.
        name: Symbol,
        /// Its arguments.
        args: Vec<Term>,
    },
    /// `(not …)`, `(not-join [?a] …)`
    Not {
        /// The source that is `$` inside.
        source: SourceName,
        /// The variables shared with the outside; `None`: all of them.
        join: Option<Vec<Var>>,
        /// What must not hold together.
        clauses: Vec<Clause>,
    },
    /// `(or …)`, `(or-join [[?a] ?b] …)`
    Or {
        /// The source that is `$` inside.
        source: SourceName,
        /// Variables that must be bound before.
        required: Vec<Var>,
        /// The variables shared with the outside (the required ones included); `None`: those of the branches.
        join: Option<Vec<Var>>,
        /// The branches, each a conjunction.
        branches: Vec<Vec<Clause>>,
    },
    /// `(and …)`, written outside of an `or`.
    And(Vec<Clause>),
}

/// A place of a pattern or an argument of a rule.
#[derive(Clone, Debug, PartialEq)]
pub enum Term {
    /// `?a`
    Var(Var),
    /// `_`
    Blank,
    /// Anything else. A keyword in an entity or reference place names an entity; in a rule call or an entity
    /// place a vector of two is a lookup ref.
    Const(Edn),
}

/// A call of a function or aggregate.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The function's name, or a variable that holds a function's name.
    pub name: Symbol,
    /// The query that is written as the first argument, if the function is `q`.
    pub query: Option<Arc<Query>>,
    /// What it is given otherwise.
    pub args: Vec<Arg>,
    /// Where the call stands.
    pub span: Option<Span>,
}

impl Call {
    /// The variables among the arguments.
    pub fn vars(&self) -> impl DoubleEndedIterator<Item = &Var> {
        self.args.iter().filter_map(|arg| match arg {
            Arg::Var(var) => Some(var),
            _ => None,
        })
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({}", self.name)?;
        self.args.iter().try_for_each(|arg| write!(f, " {arg}"))?;
        f.write_str(")")
    }
}

/// An argument of a function or aggregate.
#[derive(Clone, Debug, PartialEq)]
pub enum Arg {
    /// `?a`
    Var(Var),
    /// `$src`
    Source(SourceName),
    /// Anything else.
    Const(Edn),
}

impl fmt::Display for Arg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Arg::Var(Var(name)) | Arg::Source(SourceName(name)) => write!(f, "{name}"),
            Arg::Const(edn) => write!(f, "{edn}"),
        }
    }
}

/// One definition of a rule; definitions of one name are alternatives.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// The rule's name.
    pub name: Symbol,
    /// How many of the arguments, from the first, must be bound by the caller.
    pub required: usize,
    /// The arguments, the required ones first.
    pub args: Vec<Var>,
    /// The argument of which only the least or greatest value is kept: `(min ?d)`, `(max ?d)`.
    pub best: Option<Best>,
    /// What must hold.
    pub body: Vec<Clause>,
    /// Where it stands.
    pub span: Option<Span>,
}

/// One argument of a rule has one value for equal values of the others, the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Best {
    /// Which argument.
    pub at: usize,
    /// True for `max`.
    pub greatest: bool,
}

/// A pull pattern: `[:a {:b [:c]} *]`
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PullPattern {
    /// `*` stands in it.
    pub wildcard: bool,
    /// The attributes asked for by name.
    pub specs: Vec<PullSpec>,
}

/// One attribute of a pull pattern.
#[derive(Clone, Debug, PartialEq)]
pub struct PullSpec {
    /// The attribute's forward name; `:db/id` is the entity itself.
    pub attr: Keyword,
    /// True for `:ns/_name`: those that refer to the entity.
    pub reverse: bool,
    /// The key in the result: `:as`, or the name as written.
    pub key: Edn,
    /// `:limit`
    pub limit: PullLimit,
    /// `:default`
    pub default: Option<Edn>,
    /// `:xform`
    pub xform: Option<Symbol>,
    /// What to pull of the entities found.
    pub sub: PullSub,
    /// Where it stands.
    pub span: Option<Span>,
}

/// How many values a pull gives of one attribute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PullLimit {
    /// 1,000
    #[default]
    Default,
    /// `nil`: all
    All,
    /// So many.
    Count(u64),
}

/// What is pulled of the entities an attribute leads to.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum PullSub {
    /// Components whole, others by id.
    #[default]
    Default,
    /// `{:a [pattern]}`
    Pattern(PullPattern),
    /// `{:a 3}`: the pattern around, so many levels down.
    Levels(u64),
    /// `{:a ...}`: the pattern around, all the way down.
    Unbounded,
}
