//! What `annals transact` and `annals command` share: a request is only tried, carried out, or taken in for later.

use std::io::Write;
use std::time::Duration;

use annals::{Connection, RequestStatus, TxData, TxReport, TxRequest, edn};

use crate::cli::RequestArgs;
use crate::present::{Style, report, requests};
use crate::problem::{Problem, Result};

/// What came of something to write.
pub(super) enum Written {
    /// It was only tried.
    Tried(TxReport),
    /// It was carried out, now or before.
    Done(TxReport),
    /// It was taken in.
    TakenIn(RequestStatus),
}

impl Written {
    /// Prints it.
    pub(super) fn print(&self, style: &Style, out: &mut dyn Write) -> Result<()> {
        match self {
            Written::Tried(report) => report::print(report, false, style, out),
            Written::Done(report) => report::print(report, true, style, out),
            Written::TakenIn(status) => requests::in_full(status).print(style, None, out),
        }
    }
}

/// The data with its key and what is expected.
pub(super) fn request(data: TxData, args: &RequestArgs) -> Result<TxRequest> {
    let mut request = TxRequest::from(data);
    if let Some(key) = &args.key {
        request = request.key(key);
    }
    for (i, text) in args.expect.iter().enumerate() {
        let placed = |problem: Problem| problem.placed(format!("expectation {} `{text}`", i + 1));
        let form = edn::read_one(text).map_err(|error| placed(annals::Error::from(error).into()))?;
        // As a value, for a place in it would be looked for in the data.
        request = request.expect(form.to_edn());
    }
    Ok(request)
}

/// Carries a request out, or with `later` takes it in.
pub(super) fn send(conn: &Connection, request: TxRequest, later: bool) -> annals::Result<Written> {
    let key = match request.key_text() {
        Some(key) if later => key.to_owned(),
        _ => return conn.transact(request).map(Written::Done),
    };
    let receipt = conn.accept(request)?;
    let status = conn.request(&key, Duration::ZERO)?;
    Ok(status.map_or(Written::Done(receipt), Written::TakenIn))
}
