//! The functions and predicates a query may call, each over plain values.
//!
//! [`find`] gives a function by the name written in the query (`clojure.core/` in front is allowed). A function is
//! pure, takes no time worth speaking of and no stack: what it is given nests at most [`DEPTH_MAX`] deep, and so does
//! what it makes, which is no larger than [`PARTS_MAX`] and [`TEXT_MAX`] allow: nothing grows without end. Its failures name it and the types it was given. Numbers of all types compare by size, exactly;
//! everything else compares inside its type only ([`order`]).
//!
//! Functions that look at facts (`get-else`, `get-some`, `missing?`) are in [`of_facts`], those that read the log in
//! [`of_log`], `q` is in [`nested`], and those of the program itself in [`own`]; a [`Callee`] is any of them.

mod arithmetic;
mod bits;
mod callee;
mod collections;
mod format;
mod kinds;
mod math;
pub mod nested;
pub(crate) mod number;
pub mod of_facts;
pub mod of_log;
mod order;
pub mod own;
mod reshape;
mod text;
mod time;

use std::collections::HashMap;
use std::sync::LazyLock;

use annals_storage::datom::Symbol;

use crate::edn::Edn;
use crate::error::{Error, Result};

pub use callee::{Callee, Context, Handed};
pub use order::{compare, equal, is_ordered, total};
pub use own::Functions;

/// How deep a value that a function takes or makes may nest.
pub const DEPTH_MAX: usize = 200;

/// How many parts, and parts of parts, a collection that a function makes may have.
pub const PARTS_MAX: usize = 1 << 20;

/// How many bytes a text that a function makes may have.
pub const TEXT_MAX: usize = 16 << 20;

/// A function of the query language.
#[derive(Debug)]
pub struct Function {
    name: &'static str,
    least: usize,
    most: usize,
    run: fn(&[Edn]) -> Outcome,
}

/// What a function gives, or why it does not.
type Outcome = std::result::Result<Edn, Fault>;

/// Why a function gives nothing; [`Function::call`] adds the name and the types.
#[derive(Debug)]
pub(crate) enum Fault {
    /// It does not take values of these types.
    Types,
    /// There is no such number: too large, divided by zero, not finite in decimals.
    Number(&'static str),
    /// Right types, unusable values.
    Values(String),
}

/// Any number of arguments.
const MANY: usize = usize::MAX;

const fn function(name: &'static str, least: usize, most: usize, run: fn(&[Edn]) -> Outcome) -> Function {
    Function { name, least, most, run }
}

static FUNCTIONS: LazyLock<HashMap<&'static str, &'static Function>> = LazyLock::new(|| {
    let tables = [
        order::TABLE,
        arithmetic::TABLE,
        bits::TABLE,
        math::TABLE,
        kinds::TABLE,
        text::TABLE,
        time::TABLE,
        collections::TABLE,
        reshape::TABLE,
    ];
    tables.into_iter().flatten().map(|function| (function.name, function)).collect()
});

/// Other names of some functions: what a query that was written for a Java host calls them.
const OTHER_NAMES: [(&str, &str); 16] = [
    ("clojure.edn/read-string", "read-string"),
    ("edn/read-string", "read-string"),
    ("clojure.instant/read-instant-date", "time/instant"),
    ("biginteger", "bigint"),
    ("clojure.math/to-radians", "Math/toRadians"),
    ("clojure.math/to-degrees", "Math/toDegrees"),
    (".getTime", "inst-ms"),
    (".length", "count"),
    (".isEmpty", "empty?"),
    (".startsWith", "clojure.string/starts-with?"),
    (".endsWith", "clojure.string/ends-with?"),
    (".contains", "clojure.string/includes?"),
    (".toUpperCase", "clojure.string/upper-case"),
    (".toLowerCase", "clojure.string/lower-case"),
    (".trim", "clojure.string/trim"),
    (".toString", "str"),
];

/// The function with this name.
pub fn find(name: &Symbol) -> Option<&'static Function> {
    let name = name.as_str();
    let name = name.strip_prefix("clojure.core/").unwrap_or(name);
    if let Some((_, usual)) = OTHER_NAMES.iter().find(|(other, _)| *other == name) {
        return FUNCTIONS.get(usual).copied();
    }
    if let Some(name) = name.strip_prefix("clojure.math/") {
        return FUNCTIONS.get(format!("Math/{name}").as_str()).copied();
    }
    FUNCTIONS.get(name).copied()
}

/// The names of all functions, in order: for completion and for documentation.
pub fn names() -> Vec<&'static str> {
    let beyond_values = of_facts::NAMES.into_iter().chain(of_log::NAMES).chain([nested::NAME]);
    let mut names: Vec<_> = FUNCTIONS.keys().copied().chain(beyond_values).collect();
    names.sort_unstable();
    names
}

/// The error for a name that is no function.
pub fn unknown(name: &Symbol) -> Error {
    Error::incorrect("db.error/unknown-function", format!("there is no function `{name}`")).hint(
        "the functions a query can call are listed in docs/query.md; calls do not nest inside one clause",
    )
}

impl Function {
    /// The function's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Refuses a wrong number of arguments.
    pub fn check_count(&self, count: usize) -> Result<()> {
        if (self.least..=self.most).contains(&count) {
            return Ok(());
        }
        let wants = match (self.least, self.most) {
            (least, MANY) => format!("at least {least}"),
            (least, most) if least == most => format!("exactly {least}"),
            (least, most) => format!("{least} to {most}"),
        };
        let message = format!("`{}` takes {wants} arguments, not {count}", self.name);
        Err(Error::incorrect("db.error/function-arity", message))
    }

    /// Calls the function.
    pub fn call(&self, args: &[Edn]) -> Result<Edn> {
        self.check_count(args.len())?;
        (self.run)(args).map_err(|fault| self.failed(args, fault))
    }

    fn failed(&self, args: &[Edn], fault: Fault) -> Error {
        let name = self.name;
        match fault {
            Fault::Types => refused_types(name, args),
            Fault::Number(why) => Error::incorrect("db.error/arithmetic", format!("`{name}`: {why}")),
            Fault::Values(why) => Error::incorrect("db.error/value-in-function", format!("`{name}`: {why}")),
        }
    }
}

/// The error for values of types that a function or aggregate does not take.
pub(crate) fn refused_types(name: &str, args: &[Edn]) -> Error {
    let types: Vec<_> = args.iter().map(Edn::type_name).collect();
    let message = format!("`{name}` does not take ({})", types.join(", "));
    Error::incorrect("db.error/type-in-function", message)
        .hint("docs/query.md says what it takes; a clause before it can keep other values out")
}

/// True for everything but nil and false: what a predicate's result must be for a row to stay.
pub fn holds(value: &Edn) -> bool {
    !matches!(value, Edn::Nil | Edn::Bool(false))
}

/// Refuses a value made of parts that would nest deeper than [`DEPTH_MAX`], or have more than [`PARTS_MAX`] parts.
fn bounded(value: Edn) -> Outcome {
    let mut left = PARTS_MAX;
    fits(&value, DEPTH_MAX, &mut left)?;
    Ok(value)
}

fn fits(value: &Edn, levels: usize, left: &mut usize) -> std::result::Result<(), Fault> {
    let Some(levels) = levels.checked_sub(1) else {
        return Err(Fault::Values(format!("nests deeper than {DEPTH_MAX}")));
    };
    let mut part = |part: &Edn| {
        *left = left.checked_sub(1).ok_or_else(too_many)?;
        fits(part, levels, left)
    };
    match value {
        Edn::List(parts) | Edn::Vector(parts) => parts.iter().try_for_each(part),
        Edn::Set(parts) => parts.iter().try_for_each(part),
        Edn::Map(pairs) => pairs.iter().try_for_each(|(key, value)| part(key).and_then(|()| part(value))),
        Edn::Tagged(_, inner) => part(inner),
        _ => Ok(()),
    }
}

/// A collection beyond [`PARTS_MAX`].
fn too_many() -> Fault {
    Fault::Values(format!("more than {PARTS_MAX} elements"))
}

#[cfg(test)]
mod tests;
