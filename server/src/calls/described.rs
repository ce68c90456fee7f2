//! What tools read about the server: its counts, and its calls.

use crate::ask::Ask;
use crate::metrics::now;
use crate::problem::Problem;
use crate::reply::{Content, Reply};

/// All counts, as Prometheus reads them.
pub(crate) fn metrics(ask: &Ask) -> Result<Reply, Problem> {
    let text = now::text(&ask.shared).map_err(|_| Problem::panicked())?;
    Ok(Reply::new(Content::Text(now::MEDIA, text)))
}

/// All calls, as OpenAPI has them.
pub(crate) fn openapi(ask: &Ask) -> Result<Reply, Problem> {
    Ok(Reply::new(Content::Text("application/json", ask.shared.described.clone())))
}
