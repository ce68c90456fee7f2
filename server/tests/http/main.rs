//! The server end to end: real connections, a store in memory. One file a concern.

mod calls;
mod commands;
mod docs;
mod errors;
mod keys;
mod later;
mod load;
mod pages;
mod support;
mod time;
