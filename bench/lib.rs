//! Costs: benchmarks of the whole, in a package of its own so that nobody else compiles them.
//!
//! `house.rs` loads the bundled sample and asks it; `at_rest.rs` measures facts at rest, `large.rs` a large
//! import under a memory limit, `clause_order.rs` whether the order of clauses matters, `join_order.rs` whether the
//! planner's order is the best, `writes.rs` what can be asked of a write, `scripts.rs` functions in JavaScript, `commits.rs`
//! writers beside the disk's own sync, `http_load.rs` load over HTTP, `http_point.rs` one question beside a constant, `scale.rs` how costs grow
//! from ten thousand people to ten million, `peers.rs` what a second peer adds to the rate of reads; each prints medians and ratios of one run.
//! `yardstick/` is a program that joins a run of other stores on the same data. Timings live here and never in tests.

pub mod loading;
pub mod people;

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

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

/// What the disk of a folder needs to have 4 KiB for good, 300 times.
pub fn syncs(folder: &Path) -> Histogram<u64> {
    let mut file = File::create(folder.join("sync")).expect("a file");
    let mut own = times();
    for _ in 0..300 {
        file.write_all(&[7; 4096]).expect("room");
        let begin = Instant::now();
        file.sync_data().expect("a disk");
        own.saturating_record(micros(begin.elapsed()));
    }
    own
}

/// Room for times, in microseconds.
pub fn times() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, 3).expect("bounds in order")
}

/// A time as a histogram has it.
pub fn micros(time: Duration) -> u64 {
    time.as_micros() as u64
}

/// A line of a table of times, in milliseconds.
#[allow(clippy::print_stdout)]
pub fn row(what: &str, times: &Histogram<u64>) {
    let at = |quantile: f64| times.value_at_quantile(quantile) as f64 / 1e3;
    let most = times.max() as f64 / 1e3;
    println!("{what:44} {:9.2} {:9.2} {:9.2} {most:9.2} {:7}", at(0.5), at(0.99), at(0.999), times.len());
}
