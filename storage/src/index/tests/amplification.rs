//! How many rows a job writes for each new one: counted, not timed.

use super::{House, entity};
use crate::datom::{AttrId, Value};
use crate::index::Settings;

const ROWS_A_JOB: u64 = 2_000;

/// Rows written for each new row, over all orders, after so many jobs.
fn amplification(jobs: u64, mut place: impl FnMut(u64) -> u64) -> f64 {
    let mut house = House::new(Settings { leaf_bytes: Some(2_000), ..Settings::default() });
    let (mut new, mut written) = (0, 0);
    for job in 0..jobs {
        let facts = (0..ROWS_A_JOB).map(|row| {
            let n = place(job * ROWS_A_JOB + row);
            // Ascends with n, and packs badly, so that leaves hold a hundred rows and not thousands.
            let v = Value::string(format!("{n:016x}{:016x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
            (entity(n), AttrId(1 + (n % 3) as u32), v)
        });
        house.commit(facts.collect());
        let done = house.job(&[]).expect("memory does not fail");
        new += done.rows_new;
        written += done.rows_written;
    }
    written as f64 / new as f64
}

#[test]
fn appended_rows_are_written_few_times() {
    let factor = amplification(40, |n| n);
    assert!(factor <= 3.0, "{factor} rows written for each new one");
}

#[test]
fn scattered_rows_are_written_within_the_bound() {
    let scatter = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 24;
    let factor = amplification(60, scatter);
    assert!(factor <= 16.0, "{factor} rows written for each new one");
    // A single tree would be written whole by every job.
    assert!(factor > 2.0, "{factor}: the rows are not scattered");
}
