//! `annals serve`, `annals transactor`, `annals peer`: a storage over HTTP, until Ctrl-C or a request to end.

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use annals::{Category, Options, Role};
use annals_server::{ServeError, ServerOptions};
use tracing_subscriber::EnvFilter;

use super::storage;
use crate::cli::{LogForm, ServeArgs};
use crate::problem::{Problem, Result};
use crate::settings::Settings;

/// What a process that serves is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    /// All of it.
    Serve,
    /// To order writes.
    Transactor,
    /// To answer questions.
    Peer,
}

impl Duty {
    /// The role for a storage at this address. A file that nobody else reads is served without keeping anything for others.
    fn role(self, address: &str) -> Role {
        match self {
            Duty::Peer => Role::Peer,
            Duty::Transactor => Role::Transactor,
            Duty::Serve if address.starts_with("http:") => Role::Peer,
            Duty::Serve if address.contains("://") => Role::Transactor,
            Duty::Serve => Role::Auto,
        }
    }
}

/// Runs the command.
pub fn run(args: ServeArgs, duty: Duty, settings: &Settings) -> Result<()> {
    begin_log(&args)?;
    let rows = Some(settings.most_rows());
    let bytes = settings.options()?.query_bytes();
    let mut options = ServerOptions { insecure: args.insecure, rows, bytes, ..ServerOptions::default() };
    if let Some(millis) = settings.timeout {
        options.query_timeout = Duration::from_millis(millis);
    }
    if let Some(listen) = args.listen.as_deref().or(settings.listen.as_deref()) {
        options.listen = address(listen)?;
    }
    let address = storage(args.storage.as_deref(), settings)?;
    let store = crate::storage::connect(address, store_options(&args, duty.role(address), settings)?)?;
    if duty != Duty::Peer && store.databases()?.is_empty() {
        store.create_database(settings.database())?;
    }
    let name = store.address().to_owned();
    let server = annals_server::serve(store.clone(), options).map_err(not_served)?;
    store.advertise(&args.advertise.unwrap_or_else(|| server.url()));
    // The server holds it from now on, and lets go of it at its end.
    drop(store);
    let stopper = server.stopper();
    let signals = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let asked_to_end = signals.block_on(async { asked_to_end() })?;
    std::thread::spawn(move || {
        signals.block_on(asked_to_end);
        stopper.stop();
    });
    // Who reads this may ask it to end.
    crate::tell(&format!("{name} at {}; Ctrl-C stops it", server.url()));
    server.wait();
    Ok(())
}

fn store_options(args: &ServeArgs, role: Role, settings: &Settings) -> Result<Options> {
    let mut options = Options { role, feed: args.feed.clone(), ..settings.options()? };
    if let Some(millis) = args.heartbeat {
        options.heartbeat = Duration::from_millis(millis.max(1));
    }
    match args.poll.as_deref() {
        None => {}
        Some("never") => options.poll = None,
        Some(text) => {
            let millis = text.parse().map_err(|_| {
                Problem::usage(format!("`{text}` does not say how often the storage is looked at"))
                    .hint("a number of milliseconds, or never")
            })?;
            options.poll = Some(Duration::from_millis(millis));
        }
    }
    Ok(options)
}

/// The server's log goes to standard error, a line an event, and is as detailed as was said.
fn begin_log(args: &ServeArgs) -> Result<()> {
    let level = args.log_level.as_deref().filter(|level| !level.is_empty()).unwrap_or("warn");
    let filter = EnvFilter::builder().parse(level).map_err(|error| {
        Problem::usage(format!("`{level}` does not say what is to be logged: {error}"))
            .hint("error, warn, info, debug or trace; also for a part, like annals_server=debug")
    })?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match args.log {
        LogForm::Text => log.with_ansi(false).init(),
        LogForm::Json => log.json().flatten_event(true).init(),
    }
    Ok(())
}

/// Ends at Ctrl-C or a request to end. They are heard from now on, not only when somebody waits.
#[cfg(unix)]
fn asked_to_end() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut end) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = end.recv() => {}
        }
    })
}

/// Ends at Ctrl-C.
#[cfg(not(unix))]
fn asked_to_end() -> std::io::Result<impl Future<Output = ()>> {
    Ok(async { drop(tokio::signal::ctrl_c().await) })
}

fn address(text: &str) -> Result<SocketAddr> {
    let found = text.to_socket_addrs().ok().and_then(|mut addresses| addresses.next());
    found.ok_or_else(|| {
        Problem::usage(format!("`{text}` is no address to listen on")).hint("like 127.0.0.1:8417")
    })
}

fn not_served(error: ServeError) -> Problem {
    let problem = Problem::new(error.category(), error.keyword(), error.to_string());
    let hint = match error.category() {
        Category::Forbidden => Some("listen on 127.0.0.1, or say --insecure".to_owned()),
        _ => error.hint().map(str::to_owned),
    };
    problem.maybe_hint(hint)
}
