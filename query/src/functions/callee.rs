//! What a call in a query calls.

use annals_storage::datom::Symbol;

use crate::edn::Edn;
use crate::error::{Error, Result};
use crate::source::Source;

use super::of_facts::OfFacts;
use super::{Function, find, unknown};

/// A function by its name, whichever kind it is.
#[derive(Clone, Copy, Debug)]
pub enum Callee {
    /// Over values.
    Plain(&'static Function),
    /// Over the facts of a source, which is its first argument.
    OfFacts(OfFacts),
}

impl Callee {
    /// The function with this name.
    pub fn find(name: &Symbol) -> Result<Callee> {
        let of_facts = || OfFacts::find(name).map(Callee::OfFacts);
        find(name).map(Callee::Plain).or_else(of_facts).ok_or_else(|| unknown(name))
    }

    /// Calls it. A function over facts needs the source, any other is refused one.
    pub fn call(self, source: Option<&dyn Source>, args: &[Edn]) -> Result<Edn> {
        match (self, source) {
            (Callee::Plain(function), None) => function.call(args),
            (Callee::OfFacts(function), Some(source)) => function.call(source, args),
            (Callee::Plain(function), Some(_)) => {
                let message = format!("`{}` takes values, not a source", function.name());
                Err(Error::incorrect("db.error/type-in-function", message))
            }
            (Callee::OfFacts(function), None) => {
                let message = format!("the first argument of `{}` is a source", function.name());
                Err(Error::incorrect("db.error/type-in-function", message)
                    .hint(format!("as in ({} $ ?e …)", function.name())))
            }
        }
    }
}
