//! Which entities have code in another language than Datalog: what decides whether a transaction is rehearsed before it
//! comes to the one writer.

use std::ops::ControlFlow;
use std::sync::Arc;

use annals_storage::datom::{EntityId, Pattern, Value};
use annals_storage::snapshot::{Snapshot, View};

use super::bootstrap as at;
use crate::error::Result;

/// What `:db.fn/lang` says of a script.
pub(crate) const SCRIPT: &str = "db.lang/js";

/// The entities whose code is a script, sorted.
pub(super) fn all(snapshot: &Snapshot) -> Result<Arc<[EntityId]>> {
    let mut found = Vec::new();
    snapshot.scan(&View::default(), &Pattern::attribute(at::FN_LANG), &mut |batch| {
        for row in 0..batch.len {
            if matches!(batch.v.get(row).to_value(), Value::Keyword(name) if name.as_str() == SCRIPT) {
                found.push(EntityId(batch.e.get(row)));
            }
        }
        ControlFlow::Continue(())
    })?;
    found.sort_unstable();
    Ok(found.into())
}
