//! Functions and aggregates of the embedding program.
//!
//! A registry is a value: cheap to clone, handed to a question, part of no global state. Names have a namespace, and
//! none that a function of the language has, so nothing of the language can be replaced. What a function gives must not
//! depend on when or how often it is called.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use annals_storage::datom::Symbol;

use crate::edn::Edn;
use crate::error::{Error, Result};

use super::{FUNCTIONS, Fault, bounded, find, unknown};
use crate::aggregate;

/// Why a function of the program gives nothing.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

type Function = dyn Fn(&[Edn]) -> std::result::Result<Edn, Failure> + Send + Sync;
type Aggregate = dyn Fn(&[Edn], &[Edn]) -> std::result::Result<Edn, Failure> + Send + Sync;

/// The functions and aggregates that a program adds to the language.
#[derive(Clone, Default)]
pub struct Functions {
    functions: Arc<HashMap<Symbol, OwnFunction>>,
    aggregates: Arc<HashMap<Symbol, OwnAggregate>>,
}

/// A function of the program.
#[derive(Clone)]
pub struct OwnFunction {
    name: Symbol,
    run: Arc<Function>,
}

/// An aggregate of the program.
#[derive(Clone)]
pub struct OwnAggregate {
    name: Symbol,
    run: Arc<Aggregate>,
}

impl Functions {
    /// None yet.
    pub fn new() -> Functions {
        Functions::default()
    }

    /// With a function, from its arguments to its result.
    pub fn function(
        mut self,
        name: &str,
        run: impl Fn(&[Edn]) -> std::result::Result<Edn, Failure> + Send + Sync + 'static,
    ) -> Result<Functions> {
        let name = own_name(name)?;
        let function = OwnFunction { name: name.clone(), run: Arc::new(run) };
        Arc::make_mut(&mut self.functions).insert(name, function);
        Ok(self)
    }

    /// With an aggregate, from the arguments that stand before the variable and the values of a group, least first.
    pub fn aggregate(
        mut self,
        name: &str,
        run: impl Fn(&[Edn], &[Edn]) -> std::result::Result<Edn, Failure> + Send + Sync + 'static,
    ) -> Result<Functions> {
        let name = own_name(name)?;
        let aggregate = OwnAggregate { name: name.clone(), run: Arc::new(run) };
        Arc::make_mut(&mut self.aggregates).insert(name, aggregate);
        Ok(self)
    }

    /// The function over values with this name, of the language or of the program.
    pub(crate) fn over_values(&self, name: &Symbol) -> Result<OverValues> {
        self.known(name).ok_or_else(|| aggregate::unknown(name))
    }

    /// The same for a place where no aggregate can stand; it takes one value.
    pub(crate) fn over_one_value(&self, name: &Symbol) -> Result<OverValues> {
        let function = self.known(name).ok_or_else(|| unknown(name))?;
        if let OverValues::Language(function) = &function {
            function.check_count(1)?;
        }
        Ok(function)
    }

    /// Calls the function with this name, of the language or of the program; `None` if there is none.
    ///
    /// ```
    /// use annals_query::{edn::Edn, functions::Functions};
    /// use annals_storage::datom::Symbol;
    /// let functions = Functions::new();
    /// assert_eq!(functions.call(&Symbol::new("pos?"), &[Edn::Int(3)]).unwrap().unwrap(), Edn::Bool(true));
    /// assert!(functions.call(&Symbol::new("my/own?"), &[Edn::Int(3)]).is_none());
    /// ```
    pub fn call(&self, name: &Symbol, args: &[Edn]) -> Option<Result<Edn>> {
        Some(match self.known(name)? {
            OverValues::Language(function) => {
                function.check_count(args.len()).and_then(|()| function.call(args))
            }
            program => program.call(args),
        })
    }

    /// True if there is a function with this name, of the language or of the program.
    pub fn has(&self, name: &Symbol) -> bool {
        self.known(name).is_some()
    }

    fn known(&self, name: &Symbol) -> Option<OverValues> {
        let language = find(name).map(OverValues::Language);
        language.or_else(|| self.find(name).cloned().map(OverValues::Program))
    }

    /// The function with this name.
    pub(crate) fn find(&self, name: &Symbol) -> Option<&OwnFunction> {
        self.functions.get(name)
    }

    /// The aggregate with this name.
    pub(crate) fn find_aggregate(&self, name: &Symbol) -> Option<&OwnAggregate> {
        self.aggregates.get(name)
    }
}

/// A function that needs no more than values.
pub(crate) enum OverValues {
    /// Of the language.
    Language(&'static super::Function),
    /// Of the program.
    Program(OwnFunction),
}

impl OverValues {
    /// Calls it.
    pub(crate) fn call(&self, args: &[Edn]) -> Result<Edn> {
        match self {
            OverValues::Language(function) => function.call(args),
            OverValues::Program(function) => function.call(args),
        }
    }
}

impl fmt::Debug for Functions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.functions.keys()).entries(self.aggregates.keys()).finish()
    }
}

impl OwnFunction {
    /// The function's name.
    pub fn name(&self) -> &Symbol {
        &self.name
    }

    /// Calls it.
    pub fn call(&self, args: &[Edn]) -> Result<Edn> {
        finished(&self.name, (self.run)(args))
    }
}

impl fmt::Debug for OwnFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OwnFunction({})", self.name)
    }
}

impl fmt::Debug for OwnAggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OwnAggregate({})", self.name)
    }
}

impl OwnAggregate {
    /// The result over a group's values, in ascending order.
    pub fn of_sorted(&self, before: &[Edn], values: &[Edn]) -> Result<Edn> {
        finished(&self.name, (self.run)(before, values))
    }
}

/// What came out, with the name if it is a failure.
fn finished(name: &Symbol, result: std::result::Result<Edn, Failure>) -> Result<Edn> {
    let failed = |why: String| Error::incorrect("db.error/value-in-function", format!("`{name}`: {why}"));
    bounded(result.map_err(|failure| failed(failure.to_string()))?).map_err(|fault| match fault {
        Fault::Values(why) => failed(why),
        Fault::Types | Fault::Number(_) => failed("no value".to_owned()),
    })
}

/// A name that a program may give.
fn own_name(name: &str) -> Result<Symbol> {
    let symbol = Symbol::new(name);
    let refused = |message: String| {
        Err(Error::incorrect("db.error/value-in-function", message).hint("as in geo/distance"))
    };
    let Some(namespace) = symbol.namespace() else {
        return refused(format!("the function `{name}` needs a namespace in its name"));
    };
    if name.starts_with(['?', '$', '%', ':']) || name.contains(char::is_whitespace) {
        return refused(format!("`{name}` is not a name that a call can have"));
    }
    let of_language = |known: &&str| known.split_once('/').is_some_and(|(own, _)| own == namespace);
    if namespace.starts_with("clojure.") || namespace == "edn" || FUNCTIONS.keys().any(of_language) {
        return refused(format!("`{name}` is in a namespace of the language"));
    }
    Ok(symbol)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edn::read_one;
    use crate::fixture::films;
    use crate::inputs::Inputs;
    use crate::plan::PlanOptions;
    use crate::run::budget::Meter;
    use crate::{Budget, QueryArg, naive, parse, q_inputs};

    fn registry() -> Functions {
        let number = |edn: &Edn| if let Edn::Int(n) = edn { Ok(*n) } else { Err("no integer") };
        let twice = move |args: &[Edn]| match args {
            [one] => Ok(Edn::Int(number(one)? * 2)),
            _ => Err("one argument is needed".into()),
        };
        let percentile = move |before: &[Edn], values: &[Edn]| {
            let share = number(before.first().ok_or("no share")?)? as usize;
            Ok(values[(values.len() - 1) * share / 100].clone())
        };
        Functions::new().function("my/twice", twice).unwrap().aggregate("my/percentile", percentile).unwrap()
    }

    /// By both evaluators.
    fn ask(text: &str) -> Result<Edn> {
        let query = parse::query_text(text)?;
        let args = [QueryArg::Source(Arc::new(films().now()))];
        let inputs = Inputs::bind(&query, &args)?.with_functions(registry());
        let fast = q_inputs(&query, &inputs, &Budget::default(), PlanOptions::default());
        let slow = naive::answer(&query, &inputs, &Meter::default());
        assert_eq!(fast.as_ref().ok(), slow.as_ref().ok(), "{text}");
        Ok(fast?.into_edn())
    }

    fn check(text: &str, expected: &str) {
        let expected = read_one(expected).unwrap().to_edn();
        assert_eq!(ask(text).unwrap_or_else(|error| panic!("{text}: {error}")), expected, "{text}");
    }

    #[test]
    fn functions_of_the_program_are_called_anywhere() {
        check("[:find ?x . :where [_ :film/year ?y] [(< ?y 1981)] [(my/twice ?y) ?x]]", "3960");
        check("[:find ?x . :where [(ground my/twice) ?f] [(?f 4) ?x]]", "8");
        check("[:find ?x . :where [(q [:find ?y . :where [(my/twice 3) ?y]]) ?x]]", "6");
        check(
            "[:find (pull ?f [[:film/year :xform my/twice]]) . :where [?f :film/title \"Harbour\"]]",
            "{:film/year 3960}",
        );
        check("[:find (my/percentile 50 ?y) . :with ?f :where [?f :film/year ?y]]", "1985");
        check("[:find (my/percentile 0 ?y) . :where [_ :film/year ?y]]", "1980");
    }

    #[test]
    fn a_failure_names_the_function_and_its_place() {
        for text in [
            "[:find ?x :where [(my/twice :a) ?x]]",
            "[:find ?x :where [(my/twice) ?x]]",
            "[:find (my/percentile ?y) :where [_ :film/year ?y]]",
        ] {
            let error = ask(text).unwrap_err();
            assert_eq!(error.keyword, "db.error/value-in-function", "{text}");
            assert!(error.message.contains("`my/") && error.span.is_some(), "{text}: {error:?}");
        }
        assert_eq!(
            ask("[:find ?x :where [(my/other 1) ?x]]").unwrap_err().keyword,
            "db.error/unknown-function"
        );
    }

    #[test]
    fn names_of_the_language_cannot_be_taken() {
        for name in ["inc", "q", "clojure.core/inc", "clojure.string/trim", "?x/f", "my/a b", ""] {
            let refused = Functions::new().function(name, |_| Ok(Edn::Nil));
            assert_eq!(refused.unwrap_err().keyword, "db.error/value-in-function", "{name}");
            assert!(Functions::new().aggregate(name, |_, _| Ok(Edn::Nil)).is_err(), "{name}");
        }
    }
}
