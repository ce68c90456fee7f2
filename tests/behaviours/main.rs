//! What users of a temporal fact database count on, one test a check.
//!
//! | checks | about | where |
//! | --- | --- | --- |
//! | 78-90 | time: as-of, since, history, `with`, clocks, values that are held | `time.rs` |
//! | 91-110 | queries | `queries.rs` |
//! | 111-120 | pull, entities, raw indexes, the log | `pulls.rs` |
//!
//! The numbers are those of a list of tricky behaviours that was drawn up before the code; a test says in its
//! first line which it stands for. Transactions (1 to 77) are checked by `src/transact/tests` and by the cases of
//! `tests/conformance/`, which also ask most of what is here over HTTP.

#![allow(clippy::disallowed_methods)]

mod harbour;
mod pulls;
mod queries;
mod time;

/// Where each check is, and that there is exactly one test for it.
#[test]
fn every_check_has_one_test_in_its_file() {
    let files = [
        (78..=90, include_str!("time.rs")),
        (91..=110, include_str!("queries.rs")),
        (111..=120, include_str!("pulls.rs")),
    ];
    for (checks, text) in files {
        let told = |line: &str| -> Option<usize> {
            line.strip_prefix("/// Check ")?.split(['.', ':']).next()?.parse().ok()
        };
        let lines: Vec<&str> = text.lines().collect();
        let tests = lines.windows(2).filter(|pair| pair[1] == "#[test]");
        let found: Vec<usize> = tests.filter_map(|pair| told(pair[0])).collect();
        assert_eq!(found, checks.collect::<Vec<_>>(), "the first lines of the tests");
        assert_eq!(found.len(), text.matches("\n#[test]").count(), "a test without a check");
    }
}
