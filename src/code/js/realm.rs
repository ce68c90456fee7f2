//! A realm: the engine with one script in it, ready for one call after the other.
//!
//! Everything a script can reach is frozen, and its text is run anew for each call, so a call finds nothing of the one
//! before; the engine's counter is brought to the same place before each, so the same call takes the same steps. A realm
//! in which a call did not come to its end, or left a promise behind, is thrown away. Two contexts share the engine: the
//! script's, and one for the way in, which no script can reach.

use std::sync::Arc;

use annals_storage::anomaly::Category;
use rquickjs::context::{EvalOptions, intrinsic};
use rquickjs::{Context, Ctx, Function, Module, Object, Persistent, Runtime, Value};

use super::bridge::{self, Call, Shared};
use super::exports::{self, Factory, HEAD};
use super::gauge::{Limit, Limits};
use crate::error::{Error, Result};

const PRELUDE: &str = include_str!("prelude.js");

/// What the engine calls the text of a script.
const NAME: &str = "script";

/// What of the language there is. Promises are needed by the engine itself; the prelude takes them away from scripts.
type Intrinsics = (
    intrinsic::Eval,
    intrinsic::RegExpCompiler,
    intrinsic::RegExp,
    intrinsic::Json,
    intrinsic::MapSet,
    intrinsic::Promise,
);

/// How the result of a script is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A function's result, as transaction data: text is a name where a name stands.
    Transaction,
    /// A function's result, as it is.
    Plain,
}

impl Shape {
    fn name(self) -> &'static str {
        match self {
            Shape::Transaction => "transaction",
            Shape::Plain => "plain",
        }
    }
}

/// A place in a script, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) line: u32,
    pub(super) column: u32,
}

/// How a call ended.
pub(super) enum End {
    /// With what the prelude says of it.
    Told(String),
    /// Before the prelude could say anything.
    Cut(Option<Limit>, String),
}

pub(super) struct Realm {
    // Before the engine, which must be the last to go.
    entry: Context,
    script: Context,
    runtime: Runtime,
    shared: Arc<Shared>,
}

impl Realm {
    /// A realm for a script, whose text has become a function that makes its exports.
    pub(super) fn new(factory: &str, limits: &Limits) -> Result<Realm> {
        let runtime = Runtime::new().map_err(broken)?;
        let script = Context::custom::<Intrinsics>(&runtime).map_err(broken)?;
        let entry = Context::base(&runtime).map_err(broken)?;
        let shared = Arc::new(Shared::default());
        let polled = Arc::clone(&shared);
        runtime.set_interrupt_handler(Some(Box::new(move || polled.gauge.poll())));
        runtime.set_max_stack_size(limits.stack);
        let world = script.with(|ctx| {
            let made = bridge::host(&ctx, &shared).and_then(|host| {
                let prelude: Function = ctx.eval_with_options(PRELUDE, named("prelude"))?;
                prelude.call::<_, Object>((host,))
            });
            made.map(|world| Persistent::save(&ctx, world)).map_err(|error| broken_in(&ctx, error))
        })?;
        entry.with(|ctx| {
            let kept = world.restore(&ctx).and_then(|world| ctx.globals().set("world", world));
            kept.map_err(|error| broken_in(&ctx, error))
        })?;
        let realm = Realm { entry, script, runtime, shared };
        realm.install(factory, limits)?;
        Ok(realm)
    }

    fn install(&self, factory: &str, limits: &Limits) -> Result<()> {
        self.runtime.set_memory_limit(limits.memory);
        let made = self.script.with(|ctx| {
            let made = ctx.eval_with_options::<Function, _>(factory, named(NAME));
            made.map(|made| Persistent::save(&ctx, made)).map_err(|_| syntax_error(&thrown(&ctx), true))
        })?;
        self.entry.with(|ctx| {
            let installed = made.restore(&ctx).and_then(|made| {
                ctx.globals().get::<_, Object>("world")?.get::<_, Function>("install")?.call::<_, ()>((made,))
            });
            installed.map_err(|error| broken_in(&ctx, error))
        })
    }

    /// Calls what the script exports under a name. The second part is the steps it took.
    pub(super) fn enter(&self, export: &str, shape: Shape, call: Call, limits: &Limits) -> (End, u64) {
        self.align();
        self.runtime.set_memory_limit(limits.memory);
        self.runtime.set_max_stack_size(limits.stack);
        self.shared.gauge.ready(limits, &call.stopwatch);
        self.shared.begin(call);
        let end = self.entry.with(|ctx| {
            let world = ctx.globals().get::<_, Object>("world");
            let told = world.and_then(|world| {
                world.get::<_, Function>("enter")?.call::<_, String>((export, shape.name()))
            });
            told.map_or_else(|error| cut(&ctx, &error), End::Told)
        });
        let end = match self.shared.gauge.reached() {
            Some(limit) => End::Cut(Some(limit), String::new()),
            None => end,
        };
        (end, self.shared.gauge.steps())
    }

    /// The trouble a question of the last call met, if the script said what it says.
    pub(super) fn trouble(&self) -> Option<Error> {
        self.shared.trouble()
    }

    /// True if the realm is as it was before its last call, which came to its end.
    pub(super) fn rest(&self) -> bool {
        self.shared.end();
        if self.shared.gauge.reached().is_some() || self.runtime.is_job_pending() {
            return false;
        }
        self.runtime.run_gc();
        true
    }

    /// Lets the engine come to the place where it looks at its limits.
    fn align(&self) {
        self.shared.gauge.align();
        self.entry.with(|ctx| {
            let world = ctx.globals().get::<_, Object>("world");
            let stopped = world.and_then(|world| world.get::<_, Function>("align")?.call::<_, ()>(()));
            if stopped.is_err() {
                ctx.catch();
            }
        });
    }
}

/// What the engine takes for a module, as a function that makes its exports. Nothing of it runs.
pub(super) fn check(source: &str, limits: &Limits) -> Result<Factory> {
    let runtime = Runtime::new().map_err(broken)?;
    let context = Context::custom::<Intrinsics>(&runtime).map_err(broken)?;
    runtime.set_memory_limit(limits.memory);
    runtime.set_max_stack_size(limits.stack);
    context.with(|ctx| {
        if Module::declare(ctx.clone(), NAME, source).is_err() {
            return Err(syntax_error(&thrown(&ctx), false));
        }
        let factory = exports::factory(source)?;
        let made = ctx.eval_with_options::<Function, _>(factory.text.as_str(), named(NAME));
        made.map(|_| ()).map_err(|_| syntax_error(&thrown(&ctx), true))?;
        Ok(factory)
    })
}

fn named(name: &str) -> EvalOptions {
    let mut options = EvalOptions::default();
    options.filename = Some(name.to_owned());
    options
}

/// The message and stack of what was thrown.
fn thrown(ctx: &Ctx<'_>) -> (String, String) {
    let value: Value = ctx.catch();
    let exception = value.as_exception();
    let message = exception.and_then(|exception| exception.message()).unwrap_or_default();
    (message, exception.and_then(|exception| exception.stack()).unwrap_or_default())
}

fn cut(ctx: &Ctx<'_>, error: &rquickjs::Error) -> End {
    if !matches!(error, rquickjs::Error::Exception | rquickjs::Error::Allocation) {
        return End::Cut(None, "its result has text with half a character".to_owned());
    }
    match thrown(ctx).0.as_str() {
        // Where there is no memory for an error, nothing is thrown.
        "out of memory" | "" => End::Cut(Some(Limit::Memory), String::new()),
        "Maximum call stack size exceeded" => End::Cut(Some(Limit::Stack), String::new()),
        message => End::Cut(None, message.to_owned()),
    }
}

/// The first place of a script in a stack.
pub(super) fn place(stack: &str, with_head: bool) -> Option<Place> {
    let from = stack.find(&format!("{NAME}:"))? + NAME.len() + 1;
    let mut numbers = stack[from..].split(|c: char| !c.is_ascii_digit()).map(|number| number.parse().ok());
    let (line, column) = (numbers.next()??, numbers.next()??);
    let head = if with_head && line == 1 { HEAD.len() as u32 } else { 0 };
    Some(Place { line, column: u32::saturating_sub(column, head) })
}

fn syntax_error((message, stack): &(String, String), with_head: bool) -> Error {
    let at = place(stack, with_head);
    let where_at = at.map_or_else(String::new, |at| format!(" at line {}, column {}", at.line, at.column));
    let message = if message.is_empty() { "out of memory" } else { message };
    let error = Error::incorrect(
        "db.error/function-syntax",
        format!("the script cannot be read{where_at}: {message}"),
    )
    .with_hint("a script is a module in strict mode; it imports nothing and waits for nothing");
    placed(error, at)
}

/// The error with the place in the script.
pub(super) fn placed(error: Error, at: Option<Place>) -> Error {
    match at {
        None => error,
        Some(at) => error
            .with_data("db.error/line", i64::from(at.line))
            .with_data("db.error/column", i64::from(at.column)),
    }
}

fn broken(error: rquickjs::Error) -> Error {
    let message = format!("the script engine cannot be started: {error}");
    Error::new(Category::Fault, "db.error/function-engine", message)
        .with_hint("see whether there is memory left")
}

fn broken_in(ctx: &Ctx<'_>, error: rquickjs::Error) -> Error {
    let (message, stack) = thrown(ctx);
    let message = format!("the script engine cannot be started: {error}: {message} {stack}");
    Error::new(Category::Fault, "db.error/function-engine", message)
        .with_hint("see whether there is memory left")
}
