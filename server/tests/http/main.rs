//! The server end to end: real connections, a store in memory. One file a concern.

mod calls;
mod commands;
mod docs;
mod errors;
mod keys;
mod later;
mod load;
mod openapi;
mod operated;
mod pages;
mod spot;
mod support;
mod tail;
mod time;
