//! A listening server as a value: start it, learn its address, stop it.
//!
//! The server brings its own threads, so that callers need no async code: [`serve`] returns at once, [`Server::wait`]
//! blocks until somebody calls [`Stopper::stop`]. Stopping is orderly: new requests are refused and the server says that
//! it is not ready, running requests get [`ServerOptions::grace`] to end, then their queries are cancelled.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use annals::{Category, Store};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::listen::listen;
use crate::options::ServerOptions;
use crate::routes::{self, ROUTES, Route};
use crate::shared::Shared;
use crate::tail::CATCH_UP;

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The address can be reached from other machines.
    #[error("{0} can be reached from other machines, and this server knows no rights and no encryption")]
    Exposed(SocketAddr),
    /// The address cannot be had.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The machine gives no threads.
    #[error("cannot start threads: {0}")]
    Threads(std::io::Error),
}

impl ServeError {
    /// What a caller can do about it.
    pub fn category(&self) -> Category {
        match self {
            ServeError::Exposed(_) => Category::Forbidden,
            ServeError::Bind { .. } | ServeError::Threads(_) => Category::Unavailable,
        }
    }

    /// What happened, as a keyword without colon.
    pub fn keyword(&self) -> &'static str {
        match self {
            ServeError::Exposed(_) => "db.error/exposed-address",
            ServeError::Bind { .. } => "db.error/address-unavailable",
            ServeError::Threads(_) => "db.error/no-threads",
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            ServeError::Exposed(_) => {
                Some("listen on 127.0.0.1 and put a proxy with rights in front, or say insecure")
            }
            ServeError::Bind { .. } => Some("port 0 takes any free port"),
            ServeError::Threads(_) => None,
        }
    }
}

/// A running server. Dropping it stops it.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stopper: Stopper,
    grace: Duration,
    shared: Arc<Shared>,
    running: Option<(Runtime, JoinHandle<()>)>,
}

/// Stops a server from elsewhere: another thread, a signal handler.
#[derive(Clone, Debug)]
pub struct Stopper(Arc<watch::Sender<bool>>);

impl Stopper {
    /// Asks the server to stop; returns at once.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

/// Serves a store over HTTP, in threads of its own.
///
/// Neither this nor the methods of [`Server`] may be called from async code.
///
/// ```no_run
/// let store = annals::connect("mem:")?;
/// let server = annals_server::serve(store, annals_server::ServerOptions::default())?;
/// let stopper = server.stopper(); // for the handler of Ctrl-C
/// server.wait();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// If the address can be reached from other machines and `insecure` is not set, or cannot be had.
pub fn serve(store: Store, options: ServerOptions) -> Result<Server, ServeError> {
    serve_routes(store, options, ROUTES)
}

fn serve_routes(
    store: Store,
    options: ServerOptions,
    routes: &'static [Route],
) -> Result<Server, ServeError> {
    let wanted = options.listen;
    if !wanted.ip().is_loopback() && !options.insecure {
        return Err(ServeError::Exposed(wanted));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_name("annals-http")
        .max_blocking_threads(options.reads * 2 + options.writes + options.feeds + CATCH_UP + 8)
        .enable_all()
        .build()
        .map_err(ServeError::Threads)?;
    let bind = |source| ServeError::Bind { address: wanted, source };
    let listener = runtime.block_on(TcpListener::bind(wanted)).map_err(bind)?;
    let address = listener.local_addr().map_err(bind)?;
    let grace = options.grace;
    let (stop, stopped) = watch::channel(false);
    let stopper = Stopper(Arc::new(stop));
    let shared = Arc::new(Shared::new(store, options));
    let router = routes::router(&shared, routes);
    let task = runtime.spawn(listen(listener, router, shared.clone(), stopped));
    tracing::info!(%address, "listening");
    Ok(Server { address, stopper, grace, shared, running: Some((runtime, task)) })
}

impl Server {
    /// Where it listens, with the real port.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// `http://` and the address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A handle that stops this server.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Stops in order, and returns when all requests have ended or the grace is over.
    pub fn stop(self) {
        self.stopper.stop();
        self.wait();
    }

    /// Blocks until the server has been stopped.
    pub fn wait(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let Some((runtime, task)) = self.running.take() else { return };
        let mut stopped = self.stopper.0.subscribe();
        runtime.block_on(async {
            let _ = stopped.wait_for(|stop| *stop).await;
            if tokio::time::timeout(self.grace, task).await.is_err() {
                tracing::warn!("requests still running after the grace are cancelled");
            }
        });
        runtime.shutdown_timeout(Duration::from_secs(1));
        self.shared.close();
        tracing::info!(address = %self.address, "stopped");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopper.stop();
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ask::Ask;
    use crate::problem::Problem;
    use crate::reply::Reply;
    use crate::routes::{Call, READ, Work};

    fn broken(_: &Ask) -> Result<Reply, Problem> {
        panic!("on purpose")
    }

    const fn call(method: &'static str, work: Work) -> Call {
        Call { method, work, run: broken, ..READ }
    }

    static BROKEN: [Route; 1] = [Route {
        path: "/broken",
        about: "",
        calls: &[call("GET", Work::Read), call("DELETE", Work::Write)],
    }];

    #[test]
    fn a_panic_is_an_answer_and_not_a_lost_connection() {
        let store = annals::connect("mem:").expect("memory is there");
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let options = ServerOptions { listen, ..ServerOptions::default() };
        let server = serve_routes(store, options, &BROKEN).expect("a free port");
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let url = server.url() + "/broken";
        for request in [agent.get(&url), agent.delete(&url)] {
            let mut response = request.header("accept", "application/json").call().expect("an answer");
            let text = response.body_mut().read_to_string().expect("text");
            assert_eq!(response.status().as_u16(), 500, "{text}");
            assert!(text.contains("db.error/internal"), "{text}");
        }
    }
}
