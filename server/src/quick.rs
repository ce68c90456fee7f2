//! Which questions are answered on the spot: by the thread that speaks HTTP, without handing them to one that may block.
//!
//! Handing a request over and back costs more than to look up a fact. So a question whose text was answered quickly the
//! last time is tried on the spot, and is given little time for that: if it needs more, it is stopped, asked again where it
//! may block, and not tried here until it was quick there. Nothing else may wait on the spot: not for a basis, nor for a
//! database that is not open yet, nor for a storage that is not at hand.

use std::time::Duration;

use annals::Category;

use crate::problem::Problem;

/// An answer that takes no longer than this part of the time on the spot, written out and all, is a quick one.
const QUICK: u32 = 10;

/// The longest body of a request that is read on the spot, bytes.
pub(crate) const BODY: usize = 16 << 10;

/// How many questions are remembered.
const REMEMBERED: usize = 4096;

/// Says, inside the server, that a call has to be run where it may block.
const ELSEWHERE: &str = "server/elsewhere";

/// The questions that were quick when they were last asked, by their texts.
#[derive(Debug)]
pub(crate) struct Quick {
    known: quick_cache::sync::Cache<u64, ()>,
    /// The most time that a question is given on the spot.
    pub(crate) time: Duration,
}

impl Quick {
    pub(crate) fn new(time: Duration) -> Quick {
        Quick { known: quick_cache::sync::Cache::new(REMEMBERED), time }
    }

    /// Tells a question from others. Should two be taken for one, both are answered all the same.
    pub(crate) fn mark(text: &str) -> u64 {
        xxhash_rust::xxh3::xxh3_64(text.as_bytes())
    }

    /// True if it was quick when it was last asked.
    pub(crate) fn knows(&self, mark: u64) -> bool {
        self.known.get(&mark).is_some()
    }

    /// A question was answered, and took so long.
    pub(crate) fn note(&self, mark: u64, took: Duration) {
        let is_known = self.knows(mark);
        if took <= self.time / QUICK && !is_known {
            self.known.insert(mark, ());
        } else if took > self.time && is_known {
            self.forget(mark);
        }
    }

    /// A question turned out not to be quick.
    pub(crate) fn forget(&self, mark: u64) {
        self.known.remove(&mark);
    }
}

/// What a call that cannot be answered on the spot ends with; the asker never sees it.
pub(crate) fn elsewhere() -> Problem {
    Problem::new(Category::Unavailable, ELSEWHERE, "this is not answered on the spot")
}

/// True if the call is to be run where it may block.
pub(crate) fn is_elsewhere(problem: &Problem) -> bool {
    problem.keyword() == ELSEWHERE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_quick_is_tried_until_it_is_not() {
        let time = Duration::from_millis(20);
        let (quick, mark) = (Quick::new(time), Quick::mark("[:find ?x]"));
        quick.note(mark, time / 2);
        assert!(!quick.knows(mark));
        quick.note(mark, time / 10);
        assert!(quick.knows(mark) && !quick.knows(Quick::mark("[:find ?y]")));
        quick.note(mark, time);
        assert!(quick.knows(mark), "one that was a little late stays");
        quick.note(mark, time * 2);
        assert!(!quick.knows(mark));
    }
}
