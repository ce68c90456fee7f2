//! The door: Datalog over HTTP.
//!
//! [`serve`] puts a [`Store`](annals::Store) on an address and gives back a [`Server`]. What it answers is described
//! call by call in `docs/http.md`; the table of calls itself is in `routes`.
//!
//! A request passes these rooms, each once:
//!
//! ```text
//!   listen   connections and their limits
//!   routes   which call is meant            (one table; `openapi` tells of it)
//!   shell    may it come in: origin, media, size, admission, deadline; one line of the server's log
//!   ask      what is asked: parameters, body, the view of time
//!   calls    the answer, by the library     (plain blocking functions)
//!   reply    its text in the wanted form, or a `problem`
//!   tail     live logs, which go on when the call has answered
//! ```
//!
//! Invariants: a query is stopped when its asker is gone or its time is up; no answer comes from an older basis than
//! was demanded; whatever happens, the asker gets an answer that says what went wrong. The crate knows nothing of
//! storage and of how queries run: it stands on the library's public face only. It never listens beyond this machine
//! unless told to, for it knows no rights and no encryption.

mod ask;
mod body;
mod calls;
mod demand;
mod fields;
mod json;
mod listen;
mod media;
mod metrics;
mod openapi;
mod options;
mod params;
pub mod plain;
mod problem;
mod quick;
mod reply;
mod routes;
mod server;
mod shared;
mod shell;
mod table;
mod tail;
mod view;
mod wire;

pub use options::ServerOptions;
pub use server::{ServeError, Server, Stopper, serve};
