//! Timing, and a line of JSON for every measurement.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// What an answer is told by: its rows, and the sum of its integers.
pub(crate) type Size = (usize, i64);

/// Where measurements go.
pub(crate) struct Out {
    group: String,
    only: Option<Vec<String>>,
    /// Scales the seconds that a work takes.
    budget: f64,
}

impl Out {
    pub(crate) fn new(group: &str) -> Out {
        let var = |name| std::env::var(name).ok();
        Out {
            group: group.to_owned(),
            only: var("PEERS_ONLY").map(|text| text.split(',').map(str::to_owned).collect()),
            budget: var("PEERS_BUDGET").and_then(|text| text.parse().ok()).unwrap_or(1.0),
        }
    }

    fn wants(&self, work: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only.iter().any(|name| name == work))
    }

    fn line(&self, work: &str, rest: &str) {
        println!("{{\"peer\":\"annals\",\"group\":\"{}\",\"work\":\"{work}\",{rest}}}", self.group);
    }

    /// A figure that is no time.
    pub(crate) fn bytes(&self, work: &str, bytes: u64) {
        if self.wants(work) {
            self.line(work, &format!("\"value\":{bytes},\"unit\":\"bytes\""));
        }
    }

    /// A work that is done once.
    pub(crate) fn once<R>(&self, work: &str, ops: usize, run: impl FnOnce() -> R) -> R {
        let start = Instant::now();
        let made = run();
        let took = start.elapsed().as_secs_f64();
        if self.wants(work) {
            let per_s = ops as f64 / took;
            self.line(work, &format!("\"ms\":{:.4},\"ops\":{ops},\"per_s\":{per_s:.1}", took * 1e3));
        }
        made
    }

    /// A work that is done again and again, warm: the median, the least and the most milliseconds of a call. Calls that
    /// are short are timed several at once.
    pub(crate) fn warm<R>(&self, work: &str, mut run: impl FnMut() -> R, size: impl Fn(&R) -> Size) {
        if !self.wants(work) {
            return;
        }
        let start = Instant::now();
        let made = run();
        let first = start.elapsed();
        let (rows, check) = size(&made);
        drop(made);
        let samples =
            if first > Duration::from_secs(10) { vec![first.as_secs_f64()] } else { self.samples(&mut run) };
        let ms = |at: usize| samples[at] * 1e3;
        let last = samples.len() - 1;
        self.line(
            work,
            &format!(
                "\"ms\":{:.6},\"min\":{:.6},\"max\":{:.6},\"rows\":{rows},\"check\":{check}",
                ms(last / 2),
                ms(0),
                ms(last)
            ),
        );
    }

    /// Seconds a call, ascending.
    fn samples<R>(&self, run: &mut impl FnMut() -> R) -> Vec<f64> {
        let (start, mut calls) = (Instant::now(), 0_u32);
        while calls < 2 || start.elapsed().as_secs_f64() < 0.3 * self.budget {
            black_box(run());
            calls += 1;
            if start.elapsed() > Duration::from_secs(3) {
                break;
            }
        }
        let once = start.elapsed().as_secs_f64() / f64::from(calls);
        let at_once = if once < 0.002 { ((0.002 / once) as u32).max(1) } else { 1 };
        let (start, mut samples) = (Instant::now(), Vec::new());
        while samples.len() < 3 || (start.elapsed().as_secs_f64() < self.budget && samples.len() < 201) {
            let begun = Instant::now();
            (0..at_once).for_each(|_| {
                black_box(run());
            });
            samples.push(begun.elapsed().as_secs_f64() / f64::from(at_once));
        }
        samples.sort_by(f64::total_cmp);
        samples
    }

    /// A work whose every call is timed, one after the other, for about two seconds: a commit each.
    pub(crate) fn rate(&self, work: &str, mut step: impl FnMut(usize)) {
        if !self.wants(work) {
            return;
        }
        step(0);
        let (start, mut samples) = (Instant::now(), Vec::new());
        while start.elapsed().as_secs_f64() < 2.0 * self.budget && samples.len() < 200_000 {
            let begun = Instant::now();
            step(samples.len() + 1);
            samples.push(begun.elapsed().as_secs_f64());
        }
        let total = start.elapsed().as_secs_f64();
        samples.sort_by(f64::total_cmp);
        let count = samples.len();
        let at = |part: usize| samples[(count - 1) * part / 100] * 1e3;
        self.line(
            work,
            &format!(
                "\"ms\":{:.6},\"min\":{:.6},\"max\":{:.6},\"p10\":{:.6},\"p50\":{:.6},\"p99\":{:.6},\"ops\":{count},\"per_s\":{:.1}",
                total / count as f64 * 1e3,
                at(0),
                at(100),
                at(10),
                at(50),
                at(99),
                count as f64 / total
            ),
        );
    }
}
