//! Code written in Rust, by name.

use std::collections::HashMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use annals_query::edn::Edn;
use annals_query::functions::{Functions, own::Failure};
use annals_storage::datom::{EntityId, Keyword, Symbol};

#[cfg(feature = "js")]
use super::Limits;
use super::{Context, Refusal, failed};
use crate::database::Db;
use crate::error::{Error, Result};

/// How long a piece of stored code may take, if nobody says.
const TIME: Duration = Duration::from_secs(1);

type Transaction = dyn Fn(&Context<'_>, &[Edn]) -> Result<Edn, Refusal> + Send + Sync;
type Judge = dyn Fn(&Db, EntityId) -> Result<Edn, Refusal> + Send + Sync;

/// The code of a program that transactions call, and how long stored code may take. A value: cheap to clone, given to a
/// storage when it is opened ([`Options::code`](crate::Options::code)).
///
/// ```
/// use annals::{Code, Context, Edn, Options, Refusal};
///
/// // Adds to a number, or begins with it. Gives transaction data.
/// let add = |context: &Context<'_>, args: &[Edn]| match args {
///     [e, a, Edn::Int(more)] => {
///         let query = "[:find ?v . :in $ ?e ?a :where [?e ?a ?v]]";
///         let now = context.db().q(query, [e.clone().into(), a.clone().into()])?.into_edn();
///         let Edn::Int(now) = now else { return Ok(Edn::Vector(vec![])) };
///         if now + more < 0 {
///             return Err(Refusal::conflict("my/too-little", format!("there are only {now}")));
///         }
///         Ok(Edn::Vector(vec![Edn::Vector(vec![
///             Edn::keyword("db/add"), e.clone(), a.clone(), Edn::Int(now + more),
///         ])]))
///     }
///     _ => Err("an entity, an attribute and a number are needed".into()),
/// };
/// let code = Code::new().function("my/add", add)?;
/// let store = annals::connect_with("mem:", Options { code, ..Options::default() })?;
/// let conn = store.database("main")?;
/// conn.transact("[{:db/ident :boat/fuel :db/valueType :db.type/long :db/cardinality :db.cardinality/one}]")?;
/// conn.transact("[{:db/ident :the/argo :boat/fuel 10}]")?;
/// conn.transact("[[my/add :the/argo :boat/fuel 5]]")?;
/// assert_eq!(conn.db().pull("[:boat/fuel]", ":the/argo")?.to_string(), "{:boat/fuel 15}");
/// let refused = conn.transact("[[my/add :the/argo :boat/fuel -20]]").unwrap_err();
/// assert_eq!(refused.keyword(), "db.error/rejected");
/// # Ok::<(), annals::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Code {
    functions: Functions,
    transactions: Arc<HashMap<Keyword, TransactionFunction>>,
    entity_predicates: Arc<HashMap<Symbol, EntityPredicate>>,
    time: Option<Duration>,
    #[cfg(feature = "js")]
    limits: Limits,
}

/// A function that makes transaction data.
#[derive(Clone)]
pub(crate) struct TransactionFunction(Arc<Transaction>);

/// A function that judges an entity.
#[derive(Clone)]
pub(crate) struct EntityPredicate(Arc<Judge>);

impl Code {
    /// None yet.
    pub fn new() -> Code {
        Code::default()
    }

    /// With a transaction function: from the database before and the arguments to transaction data, a vector. It is
    /// called as `[my/name …]` or `[:my/name …]`.
    ///
    /// # Errors
    /// `db.error/invalid-function-name` if the name has no namespace, or one of the database's own.
    pub fn function(
        mut self,
        name: &str,
        run: impl Fn(&Context<'_>, &[Edn]) -> Result<Edn, Refusal> + Send + Sync + 'static,
    ) -> Result<Code> {
        let function = TransactionFunction(Arc::new(run));
        Arc::make_mut(&mut self.transactions).insert(Keyword::new(own_name(name)?), function);
        Ok(self)
    }

    /// With a predicate of values, for `:db.attr/preds`; stored code and queries inside code can call it too.
    ///
    /// # Errors
    /// If the name is one of the query language, or has no namespace.
    pub fn predicate(
        mut self,
        name: &str,
        run: impl Fn(&[Edn]) -> std::result::Result<Edn, Failure> + Send + Sync + 'static,
    ) -> Result<Code> {
        self.functions = self.functions.function(own_name(name)?, run)?;
        Ok(self)
    }

    /// With a predicate of entities, for `:db.entity/preds`: it gets the database after the transaction.
    ///
    /// # Errors
    /// `db.error/invalid-function-name` if the name has no namespace, or one of the database's own.
    pub fn entity_predicate(
        mut self,
        name: &str,
        run: impl Fn(&Db, EntityId) -> Result<Edn, Refusal> + Send + Sync + 'static,
    ) -> Result<Code> {
        let predicate = EntityPredicate(Arc::new(run));
        Arc::make_mut(&mut self.entity_predicates).insert(Symbol::new(own_name(name)?), predicate);
        Ok(self)
    }

    /// With another bound on the time that stored code may take: one call of Datalog, or all calls of scripts in one
    /// transaction; a second if nobody says.
    #[must_use]
    pub fn within(self, time: Duration) -> Code {
        Code { time: Some(time), ..self }
    }

    /// With other bounds on what one call of a script may use up.
    #[cfg(feature = "js")]
    #[must_use]
    pub fn scripts_within(self, limits: Limits) -> Code {
        Code { limits, ..self }
    }

    #[cfg(feature = "js")]
    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    /// The functions that queries inside stored code can call.
    pub(crate) fn functions(&self) -> &Functions {
        &self.functions
    }

    pub(crate) fn time(&self) -> Duration {
        self.time.unwrap_or(TIME)
    }

    pub(crate) fn transaction(&self, name: &Keyword) -> Option<&TransactionFunction> {
        self.transactions.get(name)
    }

    pub(crate) fn entity_predicate_named(&self, name: &Symbol) -> Option<&EntityPredicate> {
        self.entity_predicates.get(name)
    }

    /// The names of the transaction functions, sorted.
    pub(crate) fn transactions(&self) -> Vec<&Keyword> {
        let mut names: Vec<&Keyword> = self.transactions.keys().collect();
        names.sort();
        names
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Code")
            .field("functions", &self.functions)
            .field("transactions", &self.transactions())
            .field("entity_predicates", &self.entity_predicates.keys())
            .field("time", &self.time())
            .finish_non_exhaustive()
    }
}

impl TransactionFunction {
    pub(crate) fn call(&self, name: &Keyword, context: &Context<'_>, args: &[Edn]) -> Result<Edn> {
        guarded(name.as_str(), || (self.0)(context, args))
    }
}

impl EntityPredicate {
    pub(crate) fn call(&self, name: &Symbol, db: &Db, e: EntityId) -> Result<Edn> {
        guarded(name.as_str(), || (self.0)(db, e))
    }
}

/// Runs code of the program: a panic in it is a refusal, not an end.
fn guarded(name: &str, run: impl FnOnce() -> Result<Edn, Refusal>) -> Result<Edn> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(outcome) => outcome.map_err(|refusal| refusal.into_error(name)),
        Err(_) => Err(failed(name, "it panicked", Vec::new())),
    }
}

/// A name that a program may give: with a namespace, and not one of the database's own.
fn own_name(name: &str) -> Result<&str> {
    let refused = |why: &str| {
        Err(Error::incorrect("db.error/invalid-function-name", format!("`{name}` {why}"))
            .with_hint("as in bank/transfer"))
    };
    let Some((namespace, rest)) = name.split_once('/') else { return refused("has no namespace") };
    if namespace.is_empty() || rest.is_empty() || name.contains(char::is_whitespace) || name.starts_with(':')
    {
        return refused("is not a name that a call can have");
    }
    if namespace == "db" || namespace.starts_with("db.") {
        return refused("is in a namespace of the database's own");
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_programs_own() {
        let run = |_: &Context<'_>, _: &[Edn]| Ok(Edn::Vector(Vec::new()));
        for name in ["transfer", "db/add", "db.fn/cas", ":my/x", "my/", "/x", "my/a b"] {
            let error = Code::new().function(name, run).unwrap_err();
            assert_eq!(error.keyword(), "db.error/invalid-function-name", "{name}");
        }
        assert!(Code::new().function("my/x", run).is_ok());
    }
}
