//! A find expression with places instead of names, and its value in a row.
//!
//! Names are looked up once a query; a row is computed from a row over the basis and the results of its group's
//! aggregates. An error has the place of the innermost call.

use crate::ast::{Call, Expr, Var};
use crate::edn::{Edn, Span};
use crate::error::Result;
use crate::functions::own::{Functions, OverValues};

/// An expression that can be computed.
pub(super) enum Computed<'q> {
    /// The value at a place of the row.
    Place(usize),
    /// A constant.
    Const(&'q Edn),
    /// The result of the aggregate with this number.
    Aggregate(usize),
    /// A call.
    Call { function: OverValues, args: Vec<Computed<'q>>, span: Option<Span> },
}

impl<'q> Computed<'q> {
    /// `own` are the program's functions, `place` is where a variable is in a row, `number` which aggregate a call is.
    pub(super) fn of(
        expr: &'q Expr,
        own: &Functions,
        place: &dyn Fn(&Var) -> usize,
        number: &mut dyn FnMut(&'q Call) -> Result<usize>,
    ) -> Result<Computed<'q>> {
        Ok(match expr {
            Expr::Var(var, _) => Computed::Place(place(var)),
            Expr::Const(edn) => Computed::Const(edn),
            Expr::Aggregate(call) => Computed::Aggregate(number(call)?),
            Expr::Call { name, args, span } => {
                let function = own.over_values(name).map_err(|error| error.at(*span))?;
                let args =
                    args.iter().map(|arg| Computed::of(arg, own, place, number)).collect::<Result<_>>()?;
                Computed::Call { function, args, span: *span }
            }
        })
    }

    /// The value in a row whose group has these results.
    pub(super) fn value(&self, row: &[Edn], results: &[Edn]) -> Result<Edn> {
        Ok(match self {
            Computed::Place(at) => row[*at].clone(),
            Computed::Const(edn) => (*edn).clone(),
            Computed::Aggregate(number) => results[*number].clone(),
            Computed::Call { function, args, span } => {
                let args: Vec<Edn> = args.iter().map(|arg| arg.value(row, results)).collect::<Result<_>>()?;
                function.call(&args).map_err(|error| error.at(*span))?
            }
        })
    }
}
