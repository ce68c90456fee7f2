//! Calls of functions, one binding at a time.

use annals_storage::datom::Symbol;

use crate::ast::{Arg, Call, SourceName};
use crate::edn::Edn;
use crate::error::{Error, Result};
use crate::functions::{Callee, Context, Handed};
use crate::inputs::places::scoped;

use super::{Env, World};

impl World<'_> {
    /// The result of a call under one binding.
    pub(super) fn call(&self, call: &Call, source: &SourceName, env: &Env) -> Result<Edn> {
        let callee = Callee::find(&name(call, env)?, self.inputs.functions())?;
        let context = Context {
            inputs: self.inputs,
            allow: &|rows| self.meter.check(rows),
            answer: &|query, inputs| super::answer(query, inputs, self.meter),
        };
        let mut handed: Vec<_> = call.query.iter().map(|query| Some(Handed::Query(query))).collect();
        let mut values = Vec::new();
        for arg in &call.args {
            let value = match arg {
                Arg::Var(var) => env[var].clone(),
                Arg::Const(edn) => edn.clone(),
                Arg::Source(named) => {
                    let (name, given) = self.inputs.named_source(&scoped(named, source))?;
                    handed.push(Some(Handed::Source(name, given)));
                    continue;
                }
            };
            handed.push(None);
            values.push(value);
        }
        callee.call(&context, &handed, &values)
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
