//! Costs: benchmarks of the whole, in a package of its own so that nobody else compiles them.
//!
//! `house.rs` loads the bundled sample and asks it; `at_rest.rs` measures facts at rest, `large.rs` a large
//! import under a memory limit, `clause_order.rs` whether the order of clauses matters, `join_order.rs` whether the
//! planner's order is the best, `writes.rs` what can be asked of a write, `scripts.rs` functions in JavaScript, `http_load.rs`
//! load over HTTP, `peers.rs` what a second peer adds to the rate of reads; each prints medians and ratios of one run.
//! `yardstick/` is a program that joins a run of other stores on the same data. Timings live here and never in tests.

pub mod people;

use std::time::{Duration, Instant};

/// The median of `rounds` timings of `work`.
pub fn median<R>(rounds: usize, mut work: impl FnMut() -> R) -> Duration {
    let mut times: Vec<Duration> = (0..rounds)
        .map(|_| {
            let start = Instant::now();
            std::hint::black_box(work());
            start.elapsed()
        })
        .collect();
    times.sort();
    times[times.len() / 2]
}

/// MiB of memory of this process as the system counts them: `VmRSS` now, `VmHWM` at most; 0 where it does not say.
pub fn memory(what: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(what)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1024
}
