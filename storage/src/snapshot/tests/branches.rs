//! Branches against replay: of everything there is, from any moment, and of branches themselves.

use proptest::prelude::*;

use super::at_rest::split;
use super::model::{check, check_sample, check_seeks, log_of};
use super::{Snapshot, View, ask, entity, fact, steps, view};
use crate::datom::{AttrId, T, Value};
use crate::log::{LogDatom, LoggedTx, Op};
use crate::novelty::Novelty;
use crate::rest::by_hand::Plan;

/// The first transactions of one history, then those of another; both logs are what `log_of` makes of them.
fn spliced(first: &[Vec<super::Fact>], t: usize, then: &[Vec<super::Fact>]) -> Vec<LoggedTx> {
    log_of(first[..t.min(first.len())].iter().chain(then).cloned().collect())
}

fn branched(from: &Snapshot, t: usize, log: &[LoggedTx]) -> Snapshot {
    log[t..].iter().fold(from.branch(t as T), |branch, tx| branch.with(tx))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_branch_equals_replay_of_its_own_log(
        first in steps(),
        then in prop::collection::vec(prop::collection::vec(fact(), 0..8), 0..5),
        again in prop::collection::vec(prop::collection::vec(fact(), 0..8), 0..3),
        (at, t, second) in (0..25_usize, 0..25_usize, 0..25_usize),
        questions in prop::collection::vec((view(), ask()), 12),
        start in fact(),
    ) {
        let t = t.min(first.len());
        let whole = split(&log_of(first.clone()), at, &Plan::plain(150, 1 << 24), &[3, 1]);
        let log = spliced(&first, t, &then);
        let branch = branched(&whole, t, &log);
        // And a branch of the branch, from anywhere in it.
        let steps: Vec<_> = first[..t].iter().chain(&then).cloned().collect();
        let second = second.min(steps.len());
        let other_log = spliced(&steps, second, &again);
        let other = branched(&branch, second, &other_log);
        for (snapshot, log) in [(&branch, &log), (&other, &other_log)] {
            for (view, ask) in &questions {
                for view in [&View::default(), view] {
                    check(snapshot, log, view, ask);
                    check_sample(snapshot, log, view, ask);
                }
            }
            check_seeks(snapshot, log, &View::default(), &start);
            check_seeks(snapshot, log, &questions[0].0, &start);
        }
    }
}

/// What is forgotten on a branch never was there, and is still there elsewhere.
#[test]
fn a_branch_forgets_by_itself() {
    let datom = |op| LogDatom { e: entity(1), a: AttrId(1), v: Value::Long(7), op };
    let tx = |t, op| LoggedTx { t, instant: 0, datoms: vec![datom(op)] };
    let main = Snapshot::new(Novelty::from_log(&[tx(1, Op::Assert)]));
    let branch = main.branch(1).with(&tx(2, Op::Retract { from: 1, forget: true }));
    for view in [
        View::default(),
        View { as_of: Some(1), ..View::default() },
        View { history: true, ..View::default() },
    ] {
        let count = |snapshot: &Snapshot| snapshot.count(&view, &crate::datom::Pattern::ALL).unwrap();
        assert_eq!((count(&main), count(&branch)), (1, 0), "{view:?}");
    }
}
