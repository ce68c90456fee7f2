//! Which calls in `:find` and `:having` are aggregates of the program.
//!
//! The text alone does not say it: a name that the language does not have is read as a function until the registry is
//! there.

use std::borrow::Cow;

use crate::ast::{Arg, Call, Element, Expr, Find, Query};
use crate::error::{Error, Result};
use crate::functions::Functions;

/// The query with every aggregate of the program marked as one.
pub fn with_aggregates<'q>(query: &'q Query, own: &Functions) -> Result<Cow<'q, Query>> {
    let mut names_any = false;
    for expr in query.find.exprs().chain(&query.having) {
        expr.walk(&mut |part| names_any |= is_aggregate(part, own));
    }
    if !names_any {
        return Ok(Cow::Borrowed(query));
    }
    let mut query = query.clone();
    let elements = match &mut query.find {
        Find::Relation(elements) | Find::Tuple(elements) => elements.as_mut_slice(),
        Find::Collection(element) | Find::Scalar(element) => std::slice::from_mut(element),
    };
    for element in elements {
        if let Element::Expr(expr) = element {
            mark(expr, own)?;
        }
    }
    query.having.iter_mut().try_for_each(|expr| mark(expr, own))?;
    query.page.order_by.iter_mut().try_for_each(|key| mark(&mut key.by, own))?;
    Ok(Cow::Owned(query))
}

fn is_aggregate(expr: &Expr, own: &Functions) -> bool {
    matches!(expr, Expr::Call { name, .. } if own.find_aggregate(name).is_some())
}

fn mark(expr: &mut Expr, own: &Functions) -> Result<()> {
    if is_aggregate(expr, own) {
        *expr = Expr::Aggregate(aggregate(expr)?);
    } else if let Expr::Call { args, .. } = expr {
        args.iter_mut().try_for_each(|arg| mark(arg, own))?;
    }
    Ok(())
}

fn aggregate(expr: &Expr) -> Result<Call> {
    let text = expr.to_string();
    let Expr::Call { name, args, span } = expr else { unreachable!("only a call names an aggregate") };
    let args = args.iter().map(|arg| match arg {
        Expr::Var(var, _) => Ok(Arg::Var(var.clone())),
        Expr::Const(edn) => Ok(Arg::Const(edn.clone())),
        Expr::Aggregate(_) | Expr::Call { .. } => {
            let message = format!("{text} aggregates a call; an aggregate takes a variable");
            Err(Error::incorrect("db.error/invalid-query", message)
                .hint("bind the call in :where: [(* ?a ?b) ?c], and aggregate ?c")
                .at(*span))
        }
    });
    Ok(Call { name: name.clone(), query: None, args: args.collect::<Result<_>>()?, span: *span })
}
