//! Calls of functions, one binding at a time.

use annals_storage::datom::Symbol;

use crate::ast::{Arg, Call, SourceName};
use crate::edn::Edn;
use crate::error::{Error, Result};
use crate::functions::Callee;
use crate::inputs::places::scoped;

use super::{Env, World};

impl World<'_> {
    /// The result of a call under one binding.
    pub(super) fn call(&self, call: &Call, source: &SourceName, env: &Env) -> Result<Edn> {
        let callee = Callee::find(&name(call, env)?)?;
        let (facts, values) = match call.args.split_first() {
            Some((Arg::Source(named), rest)) => (Some(self.inputs.database(&scoped(named, source))?), rest),
            _ => (None, call.args.as_slice()),
        };
        let value = |arg: &Arg| match arg {
            Arg::Var(var) => Ok(env[var].clone()),
            Arg::Const(edn) => Ok(edn.clone()),
            Arg::Source(named) => {
                let message =
                    format!("`{}` is given the source {} in a place of a value", call.name, named.0);
                Err(Error::incorrect("db.error/type-in-function", message))
            }
        };
        callee.call(facts, &values.iter().map(value).collect::<Result<Vec<_>>>()?)
    }
}

/// The function's name as written, or as a variable holds it.
fn name(call: &Call, env: &Env) -> Result<Symbol> {
    let held = env.iter().find(|(var, _)| var.0 == call.name).map(|(_, value)| value);
    match held {
        None => Ok(call.name.clone()),
        Some(Edn::Symbol(name)) => Ok(name.clone()),
        Some(other) => {
            let message = format!("{} holds a {}, not the name of a function", call.name, other.type_name());
            Err(Error::incorrect("db.error/type-in-function", message))
        }
    }
}
