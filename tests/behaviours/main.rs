//! What users of a temporal fact database count on, one test a check.
//!
//! | checks | about | where |
//! | --- | --- | --- |
//! | 1-18 | tempids, upserts, lookup refs, ids | `identity.rs` |
//! | 19-36 | contradictions, redundancy, types | `conflicts.rs` |
//! | 37-42 | compare and swap | `swaps.rs` |
//! | 43-46, J5, J10, J12 | functions in transactions | `functions.rs` |
//! | J4, J6-J9, J11 | operations beside each other | `together.rs` |
//! | 47-54 | nested maps, components, retracting entities | `nesting.rs` |
//! | 55-60, 63-65 | tuples | `tuples.rs` |
//! | 61, 62 | composites as identities | `composites.rs` |
//! | 66-70 | predicates of attributes, specs of entities | `predicates.rs` |
//! | 71-77 | schemas that change | `schema_change.rs` |
//! | 78-90 | time: as-of, since, history, `with`, clocks, values that are held | `time.rs` |
//! | 91-110 | queries | `queries.rs` |
//! | 111-120 | pull, entities, raw indexes, the log | `pulls.rs` |
//! | | functions in JavaScript | `scripts.rs` |
//!
//! The numbers are those of a list of tricky behaviours that was drawn up before the code; a test says in its
//! first line which it stands for. Where Annals decides otherwise than the list, the line says so. Transactions are also
//! checked by the tests of `src/transact/`, by the cases of `tests/conformance/`, and at random by `tests/transactions/`.

#![allow(clippy::disallowed_methods)]

mod composites;
mod conflicts;
mod functions;
mod harbour;
mod identity;
mod nesting;
mod predicates;
mod pulls;
mod queries;
mod schema_change;
mod scripts;
mod swaps;
mod time;
mod together;
mod tuples;

/// The numbers from one to another.
fn from_to(first: usize, last: usize) -> Vec<String> {
    (first..=last).map(|check| check.to_string()).collect()
}

/// Where each check is, and that there is exactly one test for it.
#[test]
fn every_check_has_one_test_in_its_file() {
    let listed = |checks: &[&str]| checks.iter().map(ToString::to_string).collect::<Vec<_>>();
    let files = [
        (from_to(1, 18), include_str!("identity.rs")),
        (from_to(19, 36), include_str!("conflicts.rs")),
        (from_to(37, 42), include_str!("swaps.rs")),
        (listed(&["43", "44", "45", "46", "J5", "J10", "J12"]), include_str!("functions.rs")),
        (listed(&["J4", "J6", "J7", "J8", "J9", "J11"]), include_str!("together.rs")),
        (from_to(47, 54), include_str!("nesting.rs")),
        ([from_to(55, 60), from_to(63, 65)].concat(), include_str!("tuples.rs")),
        (from_to(61, 62), include_str!("composites.rs")),
        (from_to(66, 70), include_str!("predicates.rs")),
        (from_to(71, 77), include_str!("schema_change.rs")),
        (from_to(78, 90), include_str!("time.rs")),
        (from_to(91, 110), include_str!("queries.rs")),
        (from_to(111, 120), include_str!("pulls.rs")),
    ];
    for (checks, text) in files {
        let told = |line: &str| line.strip_prefix("/// Check ")?.split(['.', ':']).next().map(str::to_owned);
        let lines: Vec<&str> = text.lines().collect();
        let tests = lines.windows(2).filter(|pair| pair[1] == "#[test]");
        let found: Vec<String> = tests.filter_map(|pair| told(pair[0])).collect();
        assert_eq!(found, checks, "the first lines of the tests");
        assert_eq!(found.len(), text.matches("\n#[test]").count(), "a test without a check");
    }
}
