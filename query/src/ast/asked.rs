//! What is asked for: the shape of the answer, its elements, and the sections that choose and order its rows.
//!
//! An element is a pull or an expression. An expression calls functions over aggregates, grouping variables and
//! constants; an aggregate is a leaf of it, so aggregates do not nest. Whether names mean something is not known here.

use std::fmt;

use annals_storage::datom::Symbol;

use super::{Arg, Call, PullPattern, SourceName, Var};
use crate::edn::{Edn, Span};

/// The shape of an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Find {
    /// `?a ?b`: rows.
    Relation(Vec<Element>),
    /// `[?a ...]`: one column.
    Collection(Element),
    /// `[?a ?b]`: one row.
    Tuple(Vec<Element>),
    /// `?a .`: one value.
    Scalar(Element),
}

impl Find {
    /// The elements, in order.
    pub fn elements(&self) -> &[Element] {
        match self {
            Find::Relation(elements) | Find::Tuple(elements) => elements,
            Find::Collection(element) | Find::Scalar(element) => std::slice::from_ref(element),
        }
    }

    /// The elements that are expressions.
    pub fn exprs(&self) -> impl Iterator<Item = &Expr> {
        self.elements().iter().filter_map(|element| match element {
            Element::Expr(expr) => Some(expr),
            Element::Pull { .. } => None,
        })
    }
}

/// One thing asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Element {
    /// `?a`, `(sum ?a)`, `(/ (sum ?a) (count ?b))`
    Expr(Expr),
    /// `(pull $src ?e pattern)`
    Pull {
        /// Where the entity is looked at.
        source: SourceName,
        /// The entity.
        var: Var,
        /// What of it.
        pattern: PullArg,
        /// Where it stands.
        span: Option<Span>,
    },
}

impl Element {
    /// Where it stands.
    pub fn span(&self) -> Option<Span> {
        match self {
            Element::Expr(expr) => expr.span(),
            Element::Pull { span, .. } => *span,
        }
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Element::Expr(expr) => expr.fmt(f),
            Element::Pull { var, .. } => write!(f, "(pull {})", var.0),
        }
    }
}

/// Something that has one value for each row of the answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// `?a`
    Var(Var, Option<Span>),
    /// Anything that stands for itself.
    Const(Edn),
    /// `(sum ?a)`, `(min 3 ?a)`; the last argument is what is aggregated.
    Aggregate(Call),
    /// `(/ (sum ?a) 2)`
    Call {
        /// The function's name.
        name: Symbol,
        /// What it is given.
        args: Vec<Expr>,
        /// Where the call stands.
        span: Option<Span>,
    },
}

impl Expr {
    /// Hands on the expression and all that stands in it, the outer before the inner.
    pub fn walk<'q>(&'q self, sink: &mut dyn FnMut(&'q Expr)) {
        sink(self);
        if let Expr::Call { args, .. } = self {
            args.iter().for_each(|arg| arg.walk(sink));
        }
    }

    /// True if an aggregate stands in it.
    pub fn aggregates(&self) -> bool {
        let mut found = false;
        self.walk(&mut |part| found |= matches!(part, Expr::Aggregate(_)));
        found
    }

    /// The variables, those inside of aggregates too.
    pub fn vars(&self) -> Vec<&Var> {
        let mut vars = Vec::new();
        self.walk(&mut |part| match part {
            Expr::Var(var, _) => vars.push(var),
            Expr::Aggregate(call) => vars.extend(call.vars()),
            Expr::Const(_) | Expr::Call { .. } => {}
        });
        vars
    }

    /// The variables that have one value in a group: all but those that are aggregated.
    pub fn grouping_vars(&self) -> Vec<&Var> {
        let mut vars = Vec::new();
        self.walk(&mut |part| match part {
            Expr::Var(var, _) => vars.push(var),
            // All arguments but the last say how the aggregate is taken.
            Expr::Aggregate(call) => vars.extend(call.vars().rev().skip(1)),
            Expr::Const(_) | Expr::Call { .. } => {}
        });
        vars
    }

    /// Where it stands.
    pub fn span(&self) -> Option<Span> {
        match self {
            Expr::Var(_, span) | Expr::Call { span, .. } => *span,
            Expr::Aggregate(call) => call.span,
            Expr::Const(_) => None,
        }
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expr::Var(var, _) => write!(f, "{}", var.0),
            Expr::Const(edn) => write!(f, "{edn}"),
            Expr::Aggregate(call) => call.fmt(f),
            Expr::Call { name, args, .. } => {
                write!(f, "({name}")?;
                args.iter().try_for_each(|arg| write!(f, " {arg}"))?;
                f.write_str(")")
            }
        }
    }
}

/// Which rows of an answer are wanted, in which order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// What rows are ordered by, the most significant first.
    pub order_by: Vec<OrderKey>,
    /// How many rows at most.
    pub limit: Option<Given>,
    /// How many rows are left out before the first.
    pub offset: Option<Given>,
    /// The cursor of the row after which the answer goes on.
    pub after: Option<Given>,
}

/// One thing that rows are ordered by.
#[derive(Clone, Debug, PartialEq)]
pub struct OrderKey {
    /// An element of `:find`, or the variable of a pull.
    pub by: Expr,
    /// True if the greatest comes first.
    pub descending: bool,
    /// Where it stands.
    pub span: Option<Span>,
}

/// A number or text of a section: a constant, or a variable that an input gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Given {
    /// What it is; never a source.
    pub arg: Arg,
    /// Where it stands.
    pub span: Option<Span>,
}

/// The pattern of a pull in `:find`.
#[derive(Clone, Debug, PartialEq)]
pub enum PullArg {
    /// Written in the query.
    Pattern(PullPattern),
    /// Given as an input of this name.
    Input(Symbol),
}

/// How rows become maps.
#[derive(Clone, Debug, PartialEq)]
pub struct ReturnMap {
    /// What the keys are.
    pub kind: KeyKind,
    /// The names, one for each find element.
    pub names: Vec<Symbol>,
}

/// The type of the keys of a returned map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// `:keys`
    Keywords,
    /// `:strs`
    Strings,
    /// `:syms`
    Symbols,
}
