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
    /// How long a question is tried on a thread that speaks HTTP, if a tenth of it was enough the last time; then it is asked
    /// anew where it may block. Zero: none is tried.
    pub spot_time: Duration,
    /// How many reads may run at once; more are refused as busy.
    pub reads: usize,
    /// How many transactions may be under way at once; more are refused as busy.
    pub writes: usize,
    /// How many live logs may be followed at once; more are refused as busy.
    pub streams: usize,
    /// How many other processes may follow logs as they are stored, at once; more are refused as busy.
    pub feeds: usize,
    /// How often a live log says that it lives, and how far it is.
    pub heartbeat: Duration,
    /// How much of the newest of each live log is kept ready for all who follow it, bytes; who is further behind reads the
    /// log.
    pub tail_bytes: usize,
    /// How many connections there may be at once; more wait to be accepted.
    pub connections: usize,
    /// The largest head of a request (its line and its headers), bytes; not less than 8 KiB.
    pub head_bytes: usize,
    /// How long a connection may take to send the next head, be it slow or idle.
    pub head_timeout: Duration,
    /// How long a connection may take nothing of what is sent to it. A live log that is not read is ended after half of it.
    pub stall_timeout: Duration,
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
            spot_time: Duration::from_millis(2),
            reads: 64,
            writes: 256,
            streams: 2048,
            feeds: 64,
            heartbeat: Duration::from_secs(5),
            tail_bytes: 8 << 20,
            connections: 4096,
            head_bytes: 64 << 10,
            head_timeout: Duration::from_secs(30),
            stall_timeout: Duration::from_secs(30),
            rows: Some(20_000_000),
            bytes: None,
            grace: Duration::from_secs(10),
        }
    }
}
