//! In place of the client, where the library is built without it: every call is refused, with the feature that is missing.

use std::time::Duration;

use annals_storage::anomaly::Category;

use super::{Lost, Told};
use crate::error::Error;
use crate::input::Request;

/// No client.
pub(crate) struct Client;

impl Client {
    pub(crate) fn new() -> Client {
        Client
    }

    pub(crate) fn transact(&self, address: &str, _: &str, _: &Request, _: Duration) -> Result<Told, Lost> {
        let message =
            format!("the transactor is at {address}, and this build cannot hand anything over to it");
        Err(Lost::Refused(
            Error::new(Category::Unsupported, "db.error/remote-unbuilt", message)
                .with_hint("build with the feature remote"),
        ))
    }
}
