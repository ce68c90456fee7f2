//! Costs: benchmarks of the whole, in a package of its own so that nobody else compiles them.
//!
//! `cargo bench -p annals-bench` runs `house.rs`, which loads the bundled sample and prints medians and ratios of one
//! run. Timings live here and never in tests.

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
