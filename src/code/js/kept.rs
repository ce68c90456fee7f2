//! Scripts by their text: the last that were called, with the realms that wait for their next call.
//!
//! Few are kept, because a realm takes a third of a MiB and more; whoever is called again becomes young again.

use std::sync::{Arc, Mutex};

use super::script::{Script, lock};
use crate::error::Result;

/// How many scripts are kept.
pub(super) const KEPT: usize = 32;

/// Scripts that were read.
#[derive(Debug, Default)]
pub(crate) struct Scripts {
    kept: Mutex<Vec<Arc<Script>>>,
}

impl Scripts {
    /// The script of a text.
    pub(crate) fn of(&self, source: &str) -> Result<Arc<Script>> {
        if let Some(script) = self.find(source) {
            return Ok(script);
        }
        let script = Arc::new(Script::new(source)?);
        let mut kept = lock(&self.kept);
        if kept.len() >= KEPT {
            kept.remove(0);
        }
        kept.push(Arc::clone(&script));
        Ok(script)
    }

    fn find(&self, source: &str) -> Option<Arc<Script>> {
        let mut kept = lock(&self.kept);
        let at = kept.iter().position(|script| script.source() == source)?;
        let script = kept.remove(at);
        kept.push(Arc::clone(&script));
        Some(script)
    }
}
