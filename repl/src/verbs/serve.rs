//! `annals serve`: a storage over HTTP, until Ctrl-C or a request to end.

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use annals::Category;
use annals_server::{ServeError, ServerOptions};
use tracing_subscriber::EnvFilter;

use super::storage;
use crate::cli::ServeArgs;
use crate::problem::{Problem, Result};
use crate::settings::Settings;

/// Runs the command.
pub fn run(args: ServeArgs, settings: &Settings) -> Result<()> {
    let filter = EnvFilter::try_from_env("ANNALS_TRACE").unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let rows = Some(settings.most_rows());
    let bytes = settings.options()?.query_bytes();
    let mut options = ServerOptions { insecure: args.insecure, rows, bytes, ..ServerOptions::default() };
    if let Some(millis) = settings.timeout {
        options.query_timeout = Duration::from_millis(millis);
    }
    if let Some(listen) = args.listen.as_deref().or(settings.listen.as_deref()) {
        options.listen = address(listen)?;
    }
    let store = crate::storage::connect(storage(args.storage.as_deref(), settings)?, settings.options()?)?;
    if store.databases()?.is_empty() {
        store.create_database(settings.database())?;
    }
    let name = store.address().to_owned();
    let server = annals_server::serve(store, options).map_err(not_served)?;
    crate::tell(&format!("{name} at {}; Ctrl-C stops it", server.url()));
    let stopper = server.stopper();
    let signals = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::spawn(move || {
        signals.block_on(asked_to_end());
        stopper.stop();
    });
    server.wait();
    Ok(())
}

/// Waits for Ctrl-C or, where there is such a thing, a request to end.
async fn asked_to_end() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut end) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = end.recv() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
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
