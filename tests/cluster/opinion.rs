//! A second opinion: the same history, in a form that knows nothing of our transactions' numbers, before a checker that is
//! not ours.
//!
//! It infers an order from what was read, and looks for cycles that the level forbids. Everything together is serializable,
//! with the order of each session kept; and writes with those reads that asked for the newest are strictly serializable.

use std::time::Duration;

use adya::{History, Opts, Report, Valid, Workload, check};
use serde_json::{Value, json};

use crate::load::{Outcome, Session, Span};

/// How long the search for cycles may take. It is never reached: there are none.
const SEARCHES_FOR: Duration = Duration::from_secs(60);

/// One operation: what was asked, what was told, and when.
struct Op {
    process: usize,
    asked: Value,
    told: Value,
    /// `ok`, `fail` or `info`.
    kind: &'static str,
    time: Span,
}

/// Asks for it. Gives how many operations were judged.
///
/// # Panics
/// If it finds an anomaly; or finds none in the same history with a stale read at its end.
pub(crate) fn ask(sessions: &[Session]) -> usize {
    let all = ops(sessions, |_| true);
    let mut newest = ops(sessions, |synced| synced);
    for (ops, level) in [(&all, "strong-session-serializable"), (&newest, "strict-serializable")] {
        let report = judge(ops, level);
        assert_eq!(report.valid, Valid::True, "{level}: {:?}", report.anomaly_types);
    }
    newest.push(stale(&newest));
    assert_eq!(judge(&newest, "strict-serializable").valid, Valid::False, "a stale read is not found");
    all.len()
}

/// The first read that saw something, as if somebody had read the same after everything else.
fn stale(ops: &[Op]) -> Op {
    let sees =
        |op: &&Op| op.told[0][0] == "r" && op.told[0][2].as_array().is_some_and(|list| !list.is_empty());
    let first = ops.iter().filter(sees).min_by_key(|op| op.time.to).expect("a read");
    let end = ops.iter().map(|op| op.time.to).max().expect("an operation");
    let time = Span { from: end + Duration::from_secs(1), to: end + Duration::from_secs(2) };
    let process = ops.iter().map(|op| op.process).max().expect("an operation") + 1;
    Op { process, asked: first.asked.clone(), told: first.told.clone(), kind: "ok", time }
}

/// What the sessions did, with the reads that are wanted: those of which this holds, given whether they were synced.
fn ops(sessions: &[Session], wanted: impl Fn(bool) -> bool) -> Vec<Op> {
    let mut ops = Vec::new();
    for (number, session) in sessions.iter().enumerate() {
        let mut given_up: Vec<Duration> = Vec::new();
        for write in &session.writes {
            let asked = json!([["append", write.list, item(&write.item)]]);
            let kind = match write.outcome {
                Outcome::Written(_) => "ok",
                Outcome::Refused => "fail",
                Outcome::Unknown => "info",
            };
            given_up.extend((kind == "info").then_some(write.time.to));
            ops.push(Op { process: number, told: asked.clone(), asked, kind, time: write.time });
        }
        for read in session.reads.iter().filter(|read| wanted(read.synced)) {
            let list =
                |items: &Vec<(u64, String)>| items.iter().map(|(_, text)| item(text)).collect::<Vec<_>>();
            let [first, second] = read.lists;
            let asked = json!([["r", first, null], ["r", second, null]]);
            let told = json!([["r", first, list(&read.items[0])], ["r", second, list(&read.items[1])]]);
            ops.push(Op { process: number, asked, told, kind: "ok", time: read.time });
        }
        // Who does not know what became of an operation goes on as another process.
        let own = ops.iter_mut().filter(|op| op.process == number);
        own.for_each(|op| {
            op.process += sessions.len() * given_up.iter().filter(|at| **at <= op.time.from).count()
        });
    }
    ops
}

/// An item as a number: the checker's values are such.
fn item(text: &str) -> u64 {
    let (session, count) = text.split_once('-').expect("a session and a number");
    let number = |text: &str| text.parse::<u64>().expect("a number");
    number(session) * 10_000_000 + number(count)
}

fn judge(ops: &[Op], level: &str) -> Report {
    // Of what happens at the same moment, ends come first: a process does one thing at a time.
    let mut lines: Vec<((Duration, bool), Value)> = Vec::new();
    for op in ops {
        let line = |kind: &str, value: &Value| json!({"type": kind, "process": op.process, "value": value});
        lines.push(((op.time.from, true), line("invoke", &op.asked)));
        lines.push(((op.time.to, false), line(op.kind, &op.told)));
    }
    lines.sort_by_key(|(at, _)| *at);
    let text: String = lines.iter().map(|(_, line)| format!("{line}\n")).collect();
    let history = History::from_json(&text).expect("a history");
    let options = Opts { models: vec![level.to_owned()], timeout: SEARCHES_FOR, ..Opts::default() };
    check(&history, Workload::ListAppend, &options)
}
