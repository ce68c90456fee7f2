//! Two parts of a job at the same time, where the job is large enough to be worth a thread.
//!
//! Each part writes with a writer of its own; the names of segments come from one counter, so that those of the parts
//! never meet. What the other thread still held when it ended is the caller's to flush, as if he had made it himself.
//! Nothing here decides what a job does: one thread gives the same trees under other names.

use std::panic::resume_unwind;
use std::thread::{Builder, scope};

use super::Work;
use crate::error::Result;

/// Does `here`, and `there` beside it on a thread of its own; or one after the other where `threads` is false or there
/// is no thread to be had. What fails first in this order is told, after both came to their end.
pub(super) fn both<A, B: Send>(
    work: &mut Work<'_>,
    threads: bool,
    here: impl FnOnce(&mut Work<'_>) -> Result<A>,
    there: impl Fn(&mut Work<'_>) -> Result<B> + Sync,
) -> Result<(A, B)> {
    if !threads {
        let done = here(work)?;
        return Ok((done, there(work)?));
    }
    scope(|scope| {
        let mut beside = work.beside();
        let there = &there;
        let other = Builder::new().name("annals-index".to_owned()).spawn_scoped(scope, move || {
            let done = there(&mut beside);
            (done, beside.out)
        });
        let done = here(work);
        match other {
            Ok(other) => {
                let (beside, out) = other.join().unwrap_or_else(|panic| resume_unwind(panic));
                work.out.join(out);
                Ok((done?, beside?))
            }
            Err(_) => Ok((done?, there(work)?)),
        }
    })
}
