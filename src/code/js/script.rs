//! A script that was read, and how its calls end.
//!
//! Reading says what is wrong with the text, with line and column; nothing of it runs. A call gives data or a refusal:
//! `function-failed` if the script threw or gave what is no data, `function-limit` if it reached a limit, `rejected` if it
//! says so itself. Realms wait for the next call, a few of each script.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use annals_query::edn::{self, Edn};
use annals_storage::datom::Keyword;

use super::bridge::{Call, Moment};
use super::exports::{self, Factory};
use super::gauge::{Limit, Limits, elapsed};
use super::realm::{self, End, Realm, Shape, place, placed};
use super::values;
use crate::code::{Context, Refusal, Role, failed};
use crate::error::{Error, Result};
use crate::time;

/// The longest text of a script, in bytes.
const LONGEST: usize = 1 << 18;

/// What a script is for: one of these at least.
const ROLES: [Role; 3] = [Role::Transaction, Role::Predicate, Role::Command];

/// How many realms of one script wait for a call.
const IDLE: usize = 2;

/// A function in JavaScript.
pub(crate) struct Script {
    source: Arc<str>,
    factory: Factory,
    idle: Mutex<Vec<Realm>>,
}

/// What a call made.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Made {
    pub(super) data: Edn,
    /// The steps it took: the same for the same call.
    pub(super) steps: u64,
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script").field("exports", &self.factory.names).finish_non_exhaustive()
    }
}

impl Script {
    /// A script, from its text: a module that exports what it is for.
    pub(crate) fn new(source: &str) -> Result<Script> {
        let refused = |message: String| Err(Error::incorrect("db.error/function-syntax", message));
        if source.len() > LONGEST {
            return refused(format!("a script of {} bytes is longer than {LONGEST}", source.len()));
        }
        if source.contains('\0') {
            return refused("a script has no character of code 0".to_owned());
        }
        if let Some(found) = exports::big_integer(source) {
            let shown = &found[..found.len().min(40)];
            let message = format!("{shown} is an integer of any size, which scripts do not have");
            return Err(Error::incorrect("db.error/function-syntax", message).with_hint(
                "write a number, or bigint(\"…\") for one beyond 2^53; in a text, put a sign before the n",
            ));
        }
        let factory = realm::check(source, &Limits::default())?;
        let script = Script { source: source.into(), factory, idle: Mutex::default() };
        if !ROLES.into_iter().any(|role| script.plays(role)) {
            let roles = ROLES.map(Role::name).join(", ");
            let message = format!("the script exports none of {roles}");
            return Err(Error::incorrect("db.error/function-syntax", message)
                .with_hint("write `export function transaction(db, …) { return […]; }`"));
        }
        Ok(script)
    }

    /// Its text.
    pub(super) fn source(&self) -> &str {
        &self.source
    }

    /// True if it exports what is called in this role.
    pub(crate) fn plays(&self, role: Role) -> bool {
        self.factory.names.iter().any(|name| name == role.name())
    }

    /// Calls what it exports for a role, inside of a transaction.
    pub(crate) fn run(
        &self,
        role: Role,
        context: &Context<'_>,
        name: &Keyword,
        args: Vec<Edn>,
    ) -> Result<Edn> {
        if !self.plays(role) {
            return Err(failed(
                name.as_str(),
                &format!("it exports no function {}", role.name()),
                Vec::new(),
            ));
        }
        let (number, limits) = context.allowance.next(name.as_str())?;
        let shape = match role {
            Role::Transaction | Role::Command => Shape::Transaction,
            Role::Predicate | Role::Ensure => Shape::Plain,
        };
        let stopwatch = time::workwatch();
        let call = Call {
            name: name.clone(),
            host: Arc::new(context.db().clone()),
            args,
            moment: moment(context, number),
            limits,
            stopwatch: stopwatch.clone(),
        };
        let made = self.call(role.name(), shape, call);
        context.allowance.spend(elapsed(&stopwatch));
        Ok(made?.data)
    }

    /// Calls an export.
    pub(super) fn call(&self, export: &str, shape: Shape, call: Call) -> Result<Made> {
        let waiting = lock(&self.idle).pop();
        let realm = match waiting {
            Some(realm) => realm,
            None => Realm::new(&self.factory.text, &call.limits)?,
        };
        let (limits, host, name) = (call.limits, Arc::clone(&call.host), call.name.clone());
        let (end, steps) = realm.enter(export, shape, call, &limits);
        let outcome = match end {
            End::Told(told) => told_of(&told, &realm, (&name, export), &limits),
            End::Cut(Some(limit), _) => Err(limit.error(name.as_str(), &limits)),
            End::Cut(None, message) => Err(failed(name.as_str(), &message, Vec::new())),
        };
        let is_over = matches!(&outcome, Err(error) if error.keyword() == "db.error/function-limit");
        if realm.rest() && !is_over {
            let mut idle = lock(&self.idle);
            if idle.len() < IDLE {
                idle.push(realm);
            }
        }
        let data = outcome?;
        let data = if shape == Shape::Transaction { values::fit(data, &|a| host.is_real(a)) } else { data };
        Ok(Made { data, steps })
    }
}

/// What a call knows of its transaction. Its ids come from what no other call of any database has.
fn moment(context: &Context<'_>, number: u64) -> Moment {
    let home = &context.db().basis().home;
    let mut seed = home.database.0.to_le_bytes().to_vec();
    seed.extend(context.instant().to_le_bytes());
    seed.extend(number.to_le_bytes());
    Moment { now: context.instant(), t: context.t(), seed }
}

/// What the prelude says of a call, as data or a refusal.
fn told_of(told: &str, realm: &Realm, (name, export): (&Keyword, &str), limits: &Limits) -> Result<Edn> {
    let (kind, rest) = told.split_at(told.len().min(1));
    if rest.len() > limits.memory / 4 {
        return Err(Limit::Memory.error(name.as_str(), limits));
    }
    let failed = |why: &str| failed(name.as_str(), why, Vec::new());
    let no_data = |why: &str| failed(&format!("it gave what is no data: {why}"));
    let read = |text: &str| match edn::read_one(text) {
        Ok(form) => Ok(form.to_edn()),
        Err(error) => Err(no_data(&error.message)),
    };
    match kind {
        "v" => read(rest),
        "r" => Err(rejected(name, read(rest)?)),
        "g" => Err(no_data(rest)),
        "m" => Err(Limit::Memory.error(name.as_str(), limits)),
        "s" => Err(Limit::Stack.error(name.as_str(), limits)),
        "n" => Err(failed(&format!("what it exports as {export} is no function"))),
        _ => Err(threw(rest, realm, &failed)),
    }
}

/// The refusal the script decided on: a code, what people are told, and facts of the matter.
fn rejected(name: &Keyword, told: Edn) -> Error {
    let mut parts = told.as_seq().unwrap_or_default().to_vec().into_iter();
    let mut next = || parts.next().unwrap_or(Edn::Nil);
    let (code, message, data) = (next(), next(), next());
    let message = match message {
        Edn::String(text) => text.to_string(),
        _ => format!("the function {} rejects this: {code}", name.as_str()),
    };
    let code = code.to_string();
    let refusal = Refusal::conflict(code.trim_start_matches(':'), message);
    let entries =
        if let Edn::Map(entries) = data { entries } else { BTreeMap::from([(Edn::keyword("data"), data)]) };
    let keep = |refusal: Refusal, (key, value): (Edn, Edn)| match key {
        Edn::Keyword(key) => refusal.with(key.as_str(), value),
        other => refusal.with(&other.to_string(), value),
    };
    entries.into_iter().fold(refusal, keep).into_error(name.as_str())
}

/// The refusal for what the script threw: that of a question, if it is one.
fn threw(told: &str, realm: &Realm, failed: &dyn Fn(&str) -> Error) -> Error {
    let (message, stack) = serde_json::from_str::<(String, String)>(told).unwrap_or_default();
    let at = place(&stack, true);
    if let Some(trouble) = realm.trouble()
        && message.ends_with(trouble.message())
    {
        return placed(trouble.without_span(), at);
    }
    let line = at.map_or_else(String::new, |at| format!(", at line {}", at.line));
    placed(failed(&format!("{message}{line}")), at)
}

pub(super) fn lock<V>(mutex: &Mutex<V>) -> MutexGuard<'_, V> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
