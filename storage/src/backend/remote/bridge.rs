//! From callers that block to work that waits: a thread of an engine's own.
//!
//! Whatever thread asks, the work runs here, so a caller may stand in a runtime of its own, and a storage may be dropped
//! there.

use std::sync::mpsc::sync_channel;

use tokio::runtime::{Builder, Runtime};

use crate::backend::Failure;
use crate::error::{Error, Result};

/// The thread of an engine.
pub(in crate::backend) struct Bridge {
    /// Taken when the bridge is dropped, never before.
    runtime: Option<Runtime>,
}

impl Bridge {
    /// Starts the thread.
    pub(in crate::backend) fn new(name: &str) -> Result<Bridge> {
        let thread = Builder::new_multi_thread().worker_threads(1).thread_name(name).enable_all().build();
        let runtime =
            thread.map_err(|error| Error::Unavailable(format!("no thread can be started: {error}")))?;
        Ok(Bridge { runtime: Some(runtime) })
    }

    /// Does some work there, and waits for its end.
    pub(in crate::backend) fn run<V: Send + 'static>(
        &self,
        work: impl Future<Output = Result<V, Failure>> + Send + 'static,
    ) -> Result<V, Failure> {
        let runtime = self.runtime.as_ref().expect("it is there until the bridge is dropped");
        let (reply, answer) = sync_channel(1);
        runtime.spawn(async move {
            // Who asked waits.
            let _ = reply.send(work.await);
        });
        answer.recv().unwrap_or_else(|_| Err(Failure::Unknown("a thread of the engine ended".to_owned())))
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Waiting for its thread is not allowed where a bridge may be dropped.
            runtime.shutdown_background();
        }
    }
}
