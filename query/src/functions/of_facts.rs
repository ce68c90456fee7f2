//! Functions that look at facts: `get-else`, `get-some`, `missing?`.
//!
//! The first argument is the source, the second an entity (id, ident or lookup ref), then attributes. An entity that
//! is not there has no facts. Each of them is about one value, so an attribute of cardinality many is refused by
//! `get-else` and `get-some`. In a history view the least of all values ever held stands for one.

use std::ops::ControlFlow;

use annals_storage::datom::{Pattern, Symbol};

use crate::edn::Edn;
use crate::error::{Error, Result};
use crate::resolve;
use crate::source::{Attribute, Source};

/// The names of these functions.
pub const NAMES: [&str; 3] = ["get-else", "get-some", "missing?"];

/// A function that looks at facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfFacts {
    /// `(get-else $ ?e :attr default)`: the value, or the default.
    GetElse,
    /// `(get-some $ ?e :attr …)`: attribute and value of the first that is there.
    GetSome,
    /// `(missing? $ ?e :attr)`: true if there is no value.
    Missing,
}

impl OfFacts {
    /// The function with this name.
    pub fn find(name: &Symbol) -> Option<OfFacts> {
        match name.as_str() {
            "get-else" => Some(OfFacts::GetElse),
            "get-some" => Some(OfFacts::GetSome),
            "missing?" => Some(OfFacts::Missing),
            _ => None,
        }
    }

    /// The function's name.
    pub fn name(self) -> &'static str {
        match self {
            OfFacts::GetElse => "get-else",
            OfFacts::GetSome => "get-some",
            OfFacts::Missing => "missing?",
        }
    }

    /// Refuses a wrong number of arguments; the source is not counted.
    pub fn check_count(self, count: usize) -> Result<()> {
        let (fits, wants) = match self {
            OfFacts::GetElse => (count == 3, "a source, an entity, an attribute and a default"),
            OfFacts::GetSome => (count >= 2, "a source, an entity and attributes"),
            OfFacts::Missing => (count == 2, "a source, an entity and an attribute"),
        };
        let message = || format!("`{}` takes {wants}, not {} arguments", self.name(), count + 1);
        if fits { Ok(()) } else { Err(Error::incorrect("db.error/function-arity", message())) }
    }

    /// Calls the function; `args` are the arguments after the source.
    pub fn call(self, source: &dyn Source, args: &[Edn]) -> Result<Edn> {
        self.check_count(args.len())?;
        let attribute = |edn| resolve::attribute(source, edn);
        match self {
            OfFacts::GetElse => {
                let attribute = attribute(&args[1])?;
                self.refuse_many(attribute)?;
                if args[2] == Edn::Nil {
                    let message = format!("`get-else` on {} has nil as its default", attribute.ident);
                    return Err(Error::incorrect("db.error/nil-value", message)
                        .hint("nil is no value; `missing?` asks for absence"));
                }
                Ok(one_value(source, &args[0], attribute)?.unwrap_or_else(|| args[2].clone()))
            }
            OfFacts::GetSome => {
                let attributes = args[1..].iter().map(attribute).collect::<Result<Vec<_>>>()?;
                attributes.iter().try_for_each(|attribute| self.refuse_many(attribute))?;
                for attribute in attributes {
                    if let Some(value) = one_value(source, &args[0], attribute)? {
                        return Ok(Edn::Vector(vec![attribute.id.entity().into(), value]));
                    }
                }
                Ok(Edn::Nil)
            }
            OfFacts::Missing => Ok(Edn::Bool(one_value(source, &args[0], attribute(&args[1])?)?.is_none())),
        }
    }

    fn refuse_many(self, attribute: &Attribute) -> Result<()> {
        if !attribute.many {
            return Ok(());
        }
        let message =
            format!("`{}` needs an attribute of cardinality one, {} is many", self.name(), attribute.ident);
        Err(Error::incorrect("db.error/cardinality", message)
            .hint("use a pattern, it gives a row for each value"))
    }
}

/// The least value of an attribute of an entity.
fn one_value(source: &dyn Source, entity: &Edn, attribute: &Attribute) -> Result<Option<Edn>> {
    let Some(e) = resolve::entity(source, entity)? else { return Ok(None) };
    let mut least = None;
    source.scan(&Pattern::values(e, attribute.id), &mut |batch| {
        let values = (0..batch.len).map(|row| batch.v.get(row));
        least = values.map(|v| v.to_value()).chain(least.take()).min();
        ControlFlow::Continue(())
    })?;
    Ok(least.map(Edn::from))
}
