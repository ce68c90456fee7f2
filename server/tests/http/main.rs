//! The server end to end: real connections, a store in memory. One file a concern.

mod calls;
mod docs;
mod errors;
mod load;
mod pages;
mod support;
mod time;
