//! Code that transactions call: functions that make transaction data, and predicates that judge what is asserted.
//!
//! Code is *native*, registered in Rust in a [`Code`] that a storage is opened with, or *stored*, as facts, under the
//! ident it is called by ([`stored`]), in Datalog or as a script. Native names win. All code is pure: what it gives depends
//! on its arguments and the database it is handed, on nothing else; so a transaction that is judged again is judged alike.
//! How calls are unfolded is the affair of `transact`.

#[cfg(feature = "js")]
mod js;
mod native;
mod refusal;
mod role;
mod stored;
mod template;
#[cfg(not(feature = "js"))]
mod unbuilt;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

use annals_query::Budget;
use annals_query::edn::Edn;
use annals_storage::anomaly::Category;
use annals_storage::datom::{EntityId, Keyword, Symbol, T, Value};

use crate::database::Db;
use crate::error::{Error, Result, brief};
use crate::schema::bootstrap as at;

pub(crate) use engine::Allowance;
use engine::{Script, Scripts};
#[cfg(feature = "js")]
use js as engine;
#[cfg(feature = "js")]
pub use js::Limits;
pub use native::Code;
pub use refusal::Refusal;
use role::Role;
pub(crate) use stored::{ReadCode, Stored};
#[cfg(not(feature = "js"))]
use unbuilt as engine;

/// What a transaction function is told beside its arguments.
pub struct Context<'c> {
    db: &'c Db,
    t: T,
    instant: i64,
    /// What scripts may use up.
    #[cfg_attr(not(feature = "js"), expect(dead_code, reason = "there are no scripts"))]
    allowance: &'c Allowance,
}

impl<'c> Context<'c> {
    /// For code that sees the state before the transaction.
    pub(crate) fn before(db: &'c Db, instant: i64, allowance: &'c Allowance) -> Context<'c> {
        Context { db, t: db.next_t(), instant, allowance }
    }

    /// For code that judges the state after it.
    pub(crate) fn after(db: &'c Db, allowance: &'c Allowance) -> Context<'c> {
        Context { db, t: db.basis_t(), instant: db.basis().instant, allowance }
    }

    /// The database before the transaction.
    pub fn db(&self) -> &Db {
        self.db
    }

    /// The number the transaction will have.
    pub fn t(&self) -> T {
        self.t
    }

    /// The time of the transaction, microseconds since 1970, unless it states another.
    pub fn instant(&self) -> i64 {
        self.instant
    }
}

/// Calls a transaction function; `None` if there is none of that name.
pub(crate) fn call(context: &Context<'_>, name: &Keyword, args: &[Edn]) -> Result<Option<Edn>> {
    let db = context.db;
    if let Some(function) = db.basis().home.options.code.transaction(name) {
        return function.call(name, context, args).map(Some);
    }
    match stored(db, name)? {
        Some(code) => code.transaction(context, name, args).map(Some),
        None => Ok(None),
    }
}

/// Calls a function with named arguments; `None` if there is none of that name.
///
/// A native function and a script are given the map. Stored Datalog gets the arguments by the names of its inputs.
pub(crate) fn command(
    context: &Context<'_>,
    name: &Keyword,
    args: &BTreeMap<Edn, Edn>,
) -> Result<Option<Edn>> {
    let db = context.db;
    if let Some(function) = db.basis().home.options.code.transaction(name) {
        return function.call(name, context, &[Edn::Map(args.clone())]).map(Some);
    }
    match stored(db, name)? {
        Some(code) => code.command(context, name, args).map(Some),
        None => Ok(None),
    }
}

/// What a command promises of the state after it, as it stands before: its `:db.command/ensure`, and what a script
/// exports for it.
pub(crate) fn promises(before: &Db, name: &Keyword) -> Result<Vec<Arc<Stored>>> {
    let basis = before.basis();
    let Some(e) = basis.schema.entid(name) else { return Ok(Vec::new()) };
    let said = before.text(e, at::COMMAND_ENSURE)?.map(|text| basis.home.code.read(&text, None));
    let is_native = basis.home.options.code.transaction(name).is_some();
    let own = if is_native { None } else { stored_of(before, e)?.filter(|code| code.promises()) };
    said.transpose().map(|said| said.into_iter().chain(own).collect())
}

/// What a predicate of a value says; `None` if there is none of that name.
///
/// A name is that of a function of the program, of the query language, or of stored code.
pub(crate) fn judge_value(context: &Context<'_>, name: &Symbol, value: &Edn) -> Result<Option<Edn>> {
    let (db, args) = (context.db, std::slice::from_ref(value));
    let functions = db.basis().home.options.code.functions();
    if let Some(verdict) = functions.call(name, args) {
        return verdict.map(Some).map_err(|error| failed(name.as_str(), &error.message, Vec::new()));
    }
    match stored(db, &ident(name))? {
        Some(code) => code.predicate(context, &ident(name), args).map(Some),
        None => Ok(None),
    }
}

/// What a predicate of an entity says of it in a database; `None` if there is none of that name.
pub(crate) fn judge_entity(context: &Context<'_>, name: &Symbol, e: EntityId) -> Result<Option<Edn>> {
    let db = context.db;
    if let Some(predicate) = db.basis().home.options.code.entity_predicate_named(name) {
        return predicate.call(name, db, e).map(Some);
    }
    match stored(db, &ident(name))? {
        Some(code) => code.predicate(context, &ident(name), &[Edn::from(e)]).map(Some),
        None => Ok(None),
    }
}

/// True if something can judge values, or with `of_entities` entities, by this name.
pub(crate) fn is_predicate(db: &Db, name: &Symbol, of_entities: bool) -> Result<bool> {
    let code = &db.basis().home.options.code;
    let native =
        if of_entities { code.entity_predicate_named(name).is_some() } else { code.functions().has(name) };
    Ok(native || stored(db, &ident(name))?.is_some_and(|code| code.judges()))
}

/// Whether the code that an entity has can be read.
pub(crate) fn check(db: &Db, e: EntityId) -> Result<()> {
    stored_of(db, e).map(drop)
}

/// Whether a text is Datalog that can be called.
pub(crate) fn check_text(text: &str) -> Result<()> {
    Stored::datalog(text).map(drop)
}

/// The code that is stored under an ident.
fn stored(db: &Db, name: &Keyword) -> Result<Option<Arc<Stored>>> {
    match db.basis().schema.entid(name) {
        Some(e) => stored_of(db, e),
        None => Ok(None),
    }
}

fn stored_of(db: &Db, e: EntityId) -> Result<Option<Arc<Stored>>> {
    let Some(source) = db.text(e, at::FN)? else { return Ok(None) };
    let language = match db.basis().value(e, at::FN_LANG)? {
        Some((Value::Keyword(name), _)) => Some(name),
        _ => None,
    };
    db.basis().home.code.read(&source, language.as_ref()).map(Some)
}

/// The ident of stored code that a symbol names.
fn ident(name: &Symbol) -> Keyword {
    Keyword::new(name.as_str())
}

/// What a piece of stored code may use up.
pub(crate) fn budget(db: &Db) -> Budget {
    let options = &db.basis().home.options;
    Budget {
        rows: options.query_rows(),
        bytes: options.query_bytes(),
        time: Some(options.code.time()),
        stopwatch: Some(crate::time::stopwatch()),
        threads: Some(NonZeroUsize::MIN),
        ..Budget::default()
    }
}

/// Code that was called did not come to an end, or to none that can be used.
pub(crate) fn failed(name: &str, why: &str, args: Vec<Edn>) -> Error {
    let error = Error::incorrect("db.error/function-failed", format!("the function {name} failed: {why}"))
        .with_hint("nothing was stored; see to the function, or to what it was given")
        .with_data("db.error/function", Edn::keyword(name));
    if args.is_empty() { error } else { error.with_data("db.error/args", args) }
}

/// The error of a query inside code, under the code's name. What used up its budget stays what it is.
pub(crate) fn inside(name: &Keyword, error: Error) -> Error {
    match error.category() {
        Category::Incorrect | Category::NotFound => {
            let hint = error.hint().map(str::to_owned);
            let told = failed(name.as_str(), error.message(), Vec::new());
            hint.map_or(told.clone(), |hint| told.with_hint(hint))
                .with_data("db.error/cause", Edn::keyword(error.keyword()))
        }
        _ => error.without_span(),
    }
}

/// The wrong number of arguments, for whoever counts them.
pub(crate) fn wrong_arity(name: &Keyword, takes: usize, args: &[Edn]) -> Error {
    let given = brief(&Edn::from(args.to_vec()));
    let message = format!("{name} takes {takes} arguments and was given {}: {given}", args.len());
    Error::incorrect("db.error/function-arity", message)
        .with_hint("give one argument for each that it names")
        .with_data("db.error/function", name.clone())
}
