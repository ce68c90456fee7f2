//! What a server may use up, and where it listens.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// How a server behaves. Every limit is named in the error that it causes.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Where to listen; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Listen beyond this machine, and to any host name, although there are neither rights nor encryption.
    pub insecure: bool,
    /// The largest request body, bytes.
    pub body_bytes: usize,
    /// How long a read may run; a request can ask for less.
    pub query_timeout: Duration,
    /// How long to wait for a transaction's outcome.
    pub transact_timeout: Duration,
    /// How long a request may wait for a basis that it demands; a request can ask for less.
    pub basis_timeout: Duration,
    /// How many reads may run at once; more are refused as busy.
    pub reads: usize,
    /// How many transactions may be under way at once; more are refused as busy.
    pub writes: usize,
    /// The most rows any intermediate or final result of a query may have.
    pub rows: Option<u64>,
    /// The most bytes a query may hold on its way, by estimate.
    pub bytes: Option<u64>,
    /// How long a stopping server lets running requests end.
    pub grace: Duration,
}

impl Default for ServerOptions {
    fn default() -> ServerOptions {
        ServerOptions {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8417)),
            insecure: false,
            body_bytes: 8 << 20,
            query_timeout: Duration::from_secs(30),
            transact_timeout: Duration::from_secs(30),
            basis_timeout: Duration::from_secs(10),
            reads: 64,
            writes: 256,
            rows: Some(20_000_000),
            bytes: None,
            grace: Duration::from_secs(10),
        }
    }
}
