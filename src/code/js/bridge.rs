//! What the prelude of a realm calls: the arguments, the database, and the values the language has no type for.
//!
//! Text goes in as EDN and comes out as objects. Whatever is answered counts into the steps of the call, and a question
//! gets what is left of its time. What a question is refused for is kept, so that a call that ends of it says so.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use annals_query::Stopwatch;
use annals_query::edn::{self, Edn};
use annals_storage::datom::Keyword;
use rquickjs::{Ctx, Exception, Function, Object, Value};
use xxhash_rust::xxh3::xxh3_128;

use super::exact;
use super::gauge::{Gauge, Limit, Limits};
use super::host::Host;
use super::values;
use crate::error::{Error, Result};

/// What a question costs beside its answer, in steps.
const QUESTION: u64 = 100;

/// What the transaction that calls knows of itself.
#[derive(Clone, Debug)]
pub(super) struct Moment {
    /// Its instant, in microseconds since 1970.
    pub(super) now: i64,
    /// Its number.
    pub(super) t: u64,
    /// What the ids it makes are derived from: something that is the same when the call is made again.
    pub(super) seed: Vec<u8>,
}

/// One call.
pub(super) struct Call {
    /// Of the function.
    pub(super) name: Keyword,
    pub(super) host: Arc<dyn Host>,
    pub(super) args: Vec<Edn>,
    pub(super) moment: Moment,
    pub(super) limits: Limits,
    pub(super) stopwatch: Stopwatch,
}

/// What a realm and its callers share.
#[derive(Default)]
pub(super) struct Shared {
    pub(super) gauge: Gauge,
    call: Mutex<Option<Arc<Call>>>,
    trouble: Mutex<Option<Error>>,
    /// How many ids the call made.
    ids: AtomicU64,
}

impl Shared {
    pub(super) fn begin(&self, call: Call) {
        self.ids.store(0, Relaxed);
        *lock(&self.trouble) = None;
        *lock(&self.call) = Some(Arc::new(call));
    }

    pub(super) fn end(&self) {
        *lock(&self.call) = None;
    }

    pub(super) fn trouble(&self) -> Option<Error> {
        lock(&self.trouble).take()
    }

    fn call(&self) -> Result<Arc<Call>> {
        lock(&self.call)
            .clone()
            .ok_or_else(|| Error::incorrect("db.error/function-failed", "no call is running"))
    }

    fn ask(&self, what: &str, text: &str) -> Result<Edn> {
        let call = self.call()?;
        match what {
            "now" => return Ok(Edn::Inst(call.moment.now)),
            "t" => return Ok(Edn::Int(i64::try_from(call.moment.t).unwrap_or(i64::MAX))),
            "uuid" => return Ok(Edn::Uuid(self.next_id(&call.moment))),
            _ => {}
        }
        let asked = edn::read_one(text)?.to_edn();
        let parts = asked.as_seq().unwrap_or_default();
        let budget = self.gauge.budget(&call.limits);
        let answer = match (what, parts) {
            ("q", [Edn::String(query), inputs @ ..]) => call.host.q(query, inputs, &budget),
            ("pull", [Edn::String(pattern), entity]) => call.host.pull(pattern, entity, &budget),
            ("entity", [entity]) => call.host.entity(entity),
            ("values", [entity, attribute]) => call.host.values(entity, attribute),
            _ => Err(Error::incorrect("db.error/function-failed", format!("db.{what} takes text first"))),
        };
        if let Err(error) = &answer
            && error.keyword() == "db.error/timeout"
        {
            self.gauge.reach(Limit::Time);
        }
        answer
    }

    /// The same ids for the same call.
    fn next_id(&self, moment: &Moment) -> uuid::Uuid {
        let count = self.ids.fetch_add(1, Relaxed);
        let mut bytes = moment.seed.clone();
        bytes.extend(moment.t.to_le_bytes());
        bytes.extend(count.to_le_bytes());
        uuid::Builder::from_custom_bytes(xxh3_128(&bytes).to_be_bytes()).into_uuid()
    }
}

fn lock<V>(mutex: &Mutex<V>) -> MutexGuard<'_, V> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The functions, as an object.
pub(super) fn host<'js>(ctx: &Ctx<'js>, shared: &Arc<Shared>) -> rquickjs::Result<Object<'js>> {
    let host = Object::new(ctx.clone())?;
    let of = Arc::clone(shared);
    let priced = move |ctx: Ctx<'js>, steps: f64| charge(&ctx, &of, steps.max(0.0) as u64);
    host.set("charge", Function::new(ctx.clone(), priced)?)?;
    let of = Arc::clone(shared);
    host.set("begin", Function::new(ctx.clone(), move || of.gauge.begin())?)?;
    let of = Arc::clone(shared);
    let input = move |ctx: Ctx<'js>, make: Function<'js>| -> rquickjs::Result<Value<'js>> {
        let call = of.call().map_err(|error| throw(&ctx, &of, error))?;
        given(&ctx, &of, &make, &Edn::Vector(call.args.clone()))
    };
    host.set("input", Function::new(ctx.clone(), input)?)?;
    let of = Arc::clone(shared);
    let ask = move |ctx: Ctx<'js>,
                    what: String,
                    text: String,
                    make: Function<'js>|
          -> rquickjs::Result<Value<'js>> {
        charge(&ctx, &of, QUESTION)?;
        let answer = of.ask(&what, &text).map_err(|error| throw(&ctx, &of, error))?;
        given(&ctx, &of, &make, &answer)
    };
    host.set("ask", Function::new(ctx.clone(), ask)?)?;
    let of = Arc::clone(shared);
    let literal = move |ctx: Ctx<'js>,
                        kind: String,
                        text: String,
                        make: Function<'js>|
          -> rquickjs::Result<Value<'js>> {
        charge(&ctx, &of, text.len() as u64)?;
        let value = values::literal(&kind, &text).map_err(|error| throw(&ctx, &of, error))?;
        values::made(&make, &kind, &value)
    };
    host.set("literal", Function::new(ctx.clone(), literal)?)?;
    let of = Arc::clone(shared);
    let exact = move |ctx: Ctx<'js>,
                      op: String,
                      x: String,
                      y: String,
                      make: Function<'js>|
          -> rquickjs::Result<Value<'js>> {
        charge(&ctx, &of, (x.len() + y.len()) as u64)?;
        let value = exact::apply(&op, &x, &y).map_err(|error| throw(&ctx, &of, error))?;
        given(&ctx, &of, &make, &value)
    };
    host.set("exact", Function::new(ctx.clone(), exact)?)?;
    Ok(host)
}

fn given<'js>(
    ctx: &Ctx<'js>,
    shared: &Shared,
    make: &Function<'js>,
    edn: &Edn,
) -> rquickjs::Result<Value<'js>> {
    values::encode(ctx, make, edn, 0, &|steps| charge(ctx, shared, steps))
}

fn charge(ctx: &Ctx<'_>, shared: &Shared, steps: u64) -> rquickjs::Result<()> {
    match shared.gauge.charge(steps) {
        false => Ok(()),
        true => Err(Exception::throw_message(ctx, "the call is over")),
    }
}

fn throw(ctx: &Ctx<'_>, shared: &Shared, error: Error) -> rquickjs::Error {
    let thrown = Exception::throw_message(ctx, error.message());
    *lock(&shared.trouble) = Some(error);
    thrown
}
