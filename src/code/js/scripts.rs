//! A script that was read, and how its calls end.
//!
//! Reading says what is wrong with the text, with line and column. A call gives data or a refusal: `function-failed` if
//! the script threw or gave what is no data, `function-limit` if it reached a limit, `rejected` if it says so itself.
//! Realms are kept for the next call, a few of each script; [`Scripts`] keeps scripts by their text, the last that were
//! asked for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use annals_query::edn::{self, Edn};
use annals_storage::anomaly::Category;

use super::bridge::{Call, Moment};
use super::exports::{self, Factory};
use super::gauge::{Limit, Limits};
use super::host::Host;
use super::realm::{self, End, Realm, Shape, place, placed};
use super::values;
use crate::database::Db;
use crate::error::{Error, Result};
use crate::time;

/// The longest text of a script, in bytes.
const LONGEST: usize = 1 << 18;

/// How many realms of one script wait for a call.
const IDLE: usize = 2;

/// How many scripts are kept.
pub(super) const KEPT: usize = 32;

/// A function in JavaScript.
///
/// ```
/// use annals::{Edn, Limits, Script};
/// let conn = annals::connect("mem:")?.database("main")?;
/// conn.transact("[{:db/ident :boat/fuel :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
///                 {:db/ident :boat/argo}]")?;
/// conn.transact("[[:db/add :boat/argo :boat/fuel 10]]")?;
/// let refuel = Script::new(
///     "export default function (db, boat, liters, ctx) {
///        const fuel = db.entity(boat)['boat/fuel'];
///        if (fuel + liters > 100) ctx.reject('boat/too-much', {fuel});
///        return [['db/add', boat, 'boat/fuel', fuel + liters]];
///      }",
/// )?;
/// let db = conn.db();
/// let run = |liters: i64| refuel.dry_run(&db, &[Edn::keyword("boat/argo"), liters.into()], &Limits::default());
/// assert_eq!(run(15)?.to_string(), "[[:db/add :boat/argo :boat/fuel 25]]");
/// let refused = run(95).unwrap_err();
/// assert_eq!(refused.keyword(), "db.error/rejected");
/// assert_eq!(refused.data()[&Edn::keyword("db.error/code")], Edn::keyword("boat/too-much"));
/// # Ok::<(), annals::Error>(())
/// ```
pub struct Script {
    source: Arc<str>,
    factory: Factory,
    args: Edn,
    idle: Mutex<Vec<Realm>>,
}

/// What a call made.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Made {
    pub(crate) data: Edn,
    /// The steps it took: the same for the same call.
    pub(crate) steps: u64,
}

impl Script {
    /// A script, from its text: a module that exports a function by default.
    ///
    /// # Errors
    /// `:db.error/function-syntax` with the place in `:db.error/line` and `:db.error/column`; what running the text
    /// itself, outside of its functions, is refused for.
    pub fn new(source: &str) -> Result<Script> {
        let limits = Limits::default();
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
        realm::check(source, &limits)?;
        let factory = exports::factory(source)?;
        let realm = Realm::new(&factory.text, &limits)?;
        let mut script = Script { source: source.into(), factory, args: Edn::Nil, idle: Mutex::default() };
        if !script.exports("default") {
            return Err(Error::incorrect(
                "db.error/function-syntax",
                "the script exports nothing by default",
            )
            .with_hint("write `export default function (db, …) { return […]; }`"));
        }
        let call = Call {
            host: Arc::new(Nobody),
            args: Vec::new(),
            moment: Moment { now: 0, t: 0, seed: Vec::new() },
            // The text is read when it is stored, not while others wait.
            limits: Limits { time: std::time::Duration::from_secs(1), ..limits },
            stopwatch: time::stopwatch(),
        };
        script.args = script.run(realm, "args", Shape::Data, call)?.data;
        Ok(script)
    }

    /// Its text.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What it exports as `args`, if it does: which arguments it takes.
    pub fn args(&self) -> &Edn {
        &self.args
    }

    /// True if it exports something of this name.
    pub fn exports(&self, name: &str) -> bool {
        self.factory.names.iter().any(|own| own == name)
    }

    /// The transaction data it would give, over this value and now. Nothing is transacted.
    ///
    /// # Errors
    /// `:db.error/function-failed` if it throws or gives what is no data, `:db.error/function-limit`,
    /// `:db.error/rejected`, and what its questions are refused for.
    pub fn dry_run(&self, db: &Db, args: &[Edn], limits: &Limits) -> Result<Edn> {
        let call = Call {
            host: Arc::new(db.clone()),
            args: args.to_vec(),
            moment: Moment { now: db.basis().home.now(), t: db.next_t(), seed: Vec::new() },
            limits: *limits,
            stopwatch: time::stopwatch(),
        };
        Ok(self.call("default", Shape::Transaction, call)?.data)
    }

    /// Calls an export.
    pub(crate) fn call(&self, export: &str, shape: Shape, call: Call) -> Result<Made> {
        let waiting = lock(&self.idle).pop();
        let realm = match waiting {
            Some(realm) => realm,
            None => Realm::new(&self.factory.text, &call.limits)?,
        };
        self.run(realm, export, shape, call)
    }

    fn run(&self, realm: Realm, export: &str, shape: Shape, call: Call) -> Result<Made> {
        let (limits, host) = (call.limits, Arc::clone(&call.host));
        let (end, steps) = realm.enter(export, shape, call, &limits);
        let outcome = match end {
            End::Told(told) => told_of(&told, &realm, export, &limits),
            End::Cut(Some(limit), _) => Err(limit.error(&limits)),
            End::Cut(None, message) => Err(failed(message)),
        };
        if realm.rest() && !matches!(&outcome, Err(error) if error.keyword() == "db.error/function-limit") {
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

/// What the prelude says of a call, as data or a refusal.
fn told_of(told: &str, realm: &Realm, export: &str, limits: &Limits) -> Result<Edn> {
    let (kind, rest) = told.split_at(told.len().min(1));
    if rest.len() > limits.memory / 4 {
        return Err(Limit::Memory.error(limits));
    }
    match kind {
        "v" => read(rest),
        "r" => Err(rejected(read(rest)?)),
        "g" => Err(failed(format!("the function gave what is no data: {rest}"))),
        "m" => Err(Limit::Memory.error(limits)),
        "s" => Err(Limit::Stack.error(limits)),
        "n" => Err(failed(format!("the script exports no function {export}"))),
        _ => Err(threw(rest, realm)),
    }
}

fn read(text: &str) -> Result<Edn> {
    let form = edn::read_one(text)
        .map_err(|error| failed(format!("the function gave what is no data: {}", error.message)))?;
    Ok(form.to_edn())
}

/// The refusal the script decided on.
fn rejected(told: Edn) -> Error {
    let (code, data) = match told {
        Edn::Vector(mut parts) if parts.len() == 2 => {
            let data = parts.pop().unwrap_or(Edn::Nil);
            (parts.pop().unwrap_or(Edn::Nil), data)
        }
        other => (other, Edn::Nil),
    };
    let error =
        Error::new(Category::Conflict, "db.error/rejected", format!("the function rejects this: {code}"));
    let entries =
        if let Edn::Map(entries) = data { entries } else { BTreeMap::from([(Edn::keyword("data"), data)]) };
    let keep = |error: Error, (key, value): (Edn, Edn)| match key {
        Edn::Keyword(key) => error.with_data(key.as_str(), value),
        other => error.with_data(&other.to_string(), value),
    };
    entries.into_iter().fold(error, keep).with_data("db.error/code", code)
}

/// The refusal for what the script threw: that of a question, if it is one.
fn threw(told: &str, realm: &Realm) -> Error {
    let (message, stack) = serde_json::from_str::<(String, String)>(told).unwrap_or_default();
    let at = place(&stack, true);
    if let Some(trouble) = realm.trouble()
        && message.ends_with(trouble.message())
    {
        return placed(trouble, at);
    }
    let line = at.map_or_else(String::new, |at| format!(" at line {}", at.line));
    placed(failed(format!("the function failed{line}: {message}")), at)
}

fn failed(message: String) -> Error {
    Error::incorrect("db.error/function-failed", message)
        .with_hint("a function gives an array of operations, or ends by ctx.reject(code, data)")
}

/// Who is there while a script is read: nobody to ask.
struct Nobody;

impl Host for Nobody {
    fn q(&self, _: &str, _: &[Edn], _: &annals_query::Budget) -> Result<Edn> {
        Err(nobody())
    }
    fn pull(&self, _: &str, _: &Edn, _: &annals_query::Budget) -> Result<Edn> {
        Err(nobody())
    }
    fn entity(&self, _: &Edn) -> Result<Edn> {
        Err(nobody())
    }
    fn values(&self, _: &Edn, _: &Edn) -> Result<Edn> {
        Err(nobody())
    }
    fn is_real(&self, _: &annals_storage::datom::Keyword) -> bool {
        false
    }
}

fn nobody() -> Error {
    failed("a script asks the database inside of its functions only".to_owned())
}

/// Scripts by their text: the last that were asked for.
#[derive(Default)]
#[allow(dead_code, reason = "for whoever calls scripts inside of transactions")]
pub(crate) struct Scripts {
    kept: Mutex<Vec<Arc<Script>>>,
}

#[allow(dead_code, reason = "for whoever calls scripts inside of transactions")]
impl Scripts {
    /// The script of a text.
    pub(crate) fn of(&self, source: &str) -> Result<Arc<Script>> {
        if let Some(script) = self.find(source) {
            return Ok(script);
        }
        let script = Arc::new(Script::new(source)?);
        let mut kept = lock(&self.kept);
        if kept.len() >= KEPT {
            kept.remove(0);
        }
        kept.push(Arc::clone(&script));
        Ok(script)
    }

    fn find(&self, source: &str) -> Option<Arc<Script>> {
        let mut kept = lock(&self.kept);
        let at = kept.iter().position(|script| *script.source == *source)?;
        let script = kept.remove(at);
        kept.push(Arc::clone(&script));
        Some(script)
    }
}

fn lock<V>(mutex: &Mutex<V>) -> MutexGuard<'_, V> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
