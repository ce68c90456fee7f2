//! Code that runs inside of transactions.

#[cfg(feature = "js")]
pub(crate) mod js;
