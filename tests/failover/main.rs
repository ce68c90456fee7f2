//! Failover as a model: every state that writers, clients and the storage can get into, within bounds.
//!
//! The rules hold in all of them; each rule that is left out is found out, by a shortest way to what must not be. Larger
//! bounds are walked through at random. `docs/decisions/0021-failover.md` tells the rules in words, and what is found.
//! The model shares nothing with the code: it is what the code has to be held against.
//!
//! ```text
//! ANNALS_SEED=7 ANNALS_WALKS=1000000 cargo test --workspace --test failover -- --nocapture
//! ```

#![allow(clippy::disallowed_methods, clippy::print_stdout)]

mod acts;
mod explore;
mod policy;
mod roots;
mod world;

use std::fmt::Debug;

use annals_tests::Random;

use acts::Failover;
use explore::{Broken, Model, explore, walk};
use policy::Policy;
use roots::Roots;
use world::Bounds;

/// Two writers; two requests, of which one has a key, that cannot both be accepted.
const SMALL: Bounds =
    Bounds { writers: 2, requests: 2, slots: 3, strays: 1, copies: 2, keyed: 0b01, asks_again: false };
/// One request, asked again whatever was answered; room for two fences, and for two puts on their way.
const REPEATED: Bounds = Bounds { requests: 1, strays: 2, asks_again: true, ..SMALL };
/// A third writer.
const THREE: Bounds = Bounds { writers: 3, requests: 1, slots: 2, copies: 1, ..SMALL };
/// Two requests with keys, asked again whatever was answered; no room for a fence.
const KEYED: Bounds = Bounds { keyed: 0b11, slots: 2, asks_again: true, ..SMALL };
/// Room for more of everything, each by itself; these take minutes.
const LONGER: [(&str, Bounds); 3] = [
    ("another fence and another late put", Bounds { slots: 4, strays: 2, ..SMALL }),
    ("keys, and a fence", Bounds { slots: 3, asks_again: false, ..KEYED }),
    ("three writers, two of them with the request", Bounds { copies: 2, ..THREE }),
];
/// Walked through, not searched.
const LARGE: Bounds =
    Bounds { writers: 3, requests: 3, slots: 6, strays: 2, copies: 3, keyed: 0b101, asks_again: true };

/// More states than any of these has.
const MOST: usize = 6_000_000;
/// How many walks a run has that is given no number, and how long each is.
const WALKS: usize = 40_000;
const STEPS: usize = 120;

/// Holds the rules in every state.
fn holds<M: Model>(name: &str, model: &M) {
    let found = explore(model, MOST);
    if let Some(broken) = &found.broken {
        panic!("{name}: {}", broken.told());
    }
    if let Some(trace) = found.stuck {
        panic!("{name}: {}", Broken { what: "somebody never gets an answer", trace }.told());
    }
    println!(
        "{name}: {} states, {} steps, at most {} from the beginning",
        found.states, found.steps, found.depth
    );
}

/// Finds that a rule was left out, and by this.
fn is_found<M: Model>(policy: impl Debug, model: &M, whats: &[&str]) {
    let found = explore(model, MOST);
    let Some(broken) = found.broken else {
        panic!("{policy:?}: nothing is wrong in {} states", found.states)
    };
    println!("{policy:?}, {} states: {}", found.states, broken.told());
    assert!(whats.contains(&broken.what), "{policy:?}: {}, expected {whats:?}", broken.what);
}

/// Right in every state within these bounds.
fn is_right(name: &str, bounds: Bounds) {
    holds(name, &Failover { policy: Policy::Right, bounds });
}

#[test]
fn the_rules_hold_for_two_writers() {
    is_right("two writers", SMALL);
}

#[test]
fn the_rules_hold_for_two_writers_and_keys() {
    is_right("keys", KEYED);
}

#[test]
fn the_rules_hold_when_all_is_asked_again() {
    is_right("asked again", REPEATED);
}

#[test]
fn the_rules_hold_for_three_writers() {
    is_right("three writers", THREE);
}

#[test]
fn a_batch_that_was_given_up_need_not_be_sent_first() {
    holds("given up", &Failover { policy: Policy::DropsDoubt, bounds: SMALL });
}

#[test]
fn the_rules_hold_within_longer_bounds_if_there_is_time() {
    if std::env::var_os("ANNALS_LONGER").is_none() {
        return println!("longer bounds: not looked at; ANNALS_LONGER=1 takes some minutes");
    }
    LONGER.into_iter().for_each(|(name, bounds)| is_right(name, bounds));
}

#[test]
fn a_rule_left_out_is_found_out() {
    const PREFIX: &str = "a batch was not built on what stands below it";
    const LOST: &str = "an acknowledged request is not where it was said to be";
    const TWICE: &str = "a request is in the log twice";
    let wrong = [
        (Policy::LossIsSuccess, LOST),
        (Policy::SkipsSlot, "a slot is filled above an empty one"),
        (Policy::NewBytes, TWICE),
        (Policy::DeletesSlots, LOST),
        (Policy::ReadsNoEnd, PREFIX),
        (Policy::Overwrites, LOST),
        (Policy::SameEpoch, "two writers have one epoch"),
        (Policy::KeepsEpoch, "a batch stands above one of a higher epoch"),
        (Policy::ForgetsFlight, PREFIX),
        (Policy::ForgetsDoubt, "a request that was said not to be written is in the log"),
    ];
    for (policy, what) in wrong {
        is_found(policy, &Failover { policy, bounds: SMALL }, &[what]);
    }
}

#[test]
fn the_rules_hold_on_random_ways_through_more() {
    let walks = std::env::var("ANNALS_WALKS").ok().and_then(|walks| walks.parse().ok()).unwrap_or(WALKS);
    let mut random = Random::seeded("failover", 20_261_129);
    let model = Failover { policy: Policy::Right, bounds: LARGE };
    for number in 0..walks {
        let calm = 1 + random.below(12);
        if let Some(broken) = walk(&model, &mut random, STEPS, calm) {
            panic!("walk {number}: {}", broken.told());
        }
    }
    // The same walks find what is wrong, if something is.
    let model = Failover { policy: Policy::NewBytes, bounds: LARGE };
    let found = (0..walks).any(|_| walk(&model, &mut random, STEPS, 4).is_some());
    assert!(found, "{walks} walks do not find that a batch in doubt is sent as another");
}

#[test]
fn no_root_names_what_was_swept() {
    let policy = roots::Policy::Right;
    holds(
        "roots that land late",
        &Roots { policy, bounds: roots::Bounds { roots: 4, loses: true, opens: false } },
    );
    holds(
        "jobs before a claim",
        &Roots { policy, bounds: roots::Bounds { roots: 3, loses: false, opens: true } },
    );
}

#[test]
fn a_sweep_without_a_fence_is_found_out() {
    let of_leaders = roots::Bounds { roots: 4, loses: false, opens: false };
    let wrong = [
        (roots::Policy::NoFence, of_leaders),
        (roots::Policy::TrustsOwnEpoch, roots::Bounds { loses: true, ..of_leaders }),
        (roots::Policy::TrustsOwnEpoch, roots::Bounds { opens: true, ..of_leaders }),
        (roots::Policy::SweepsBeforeFirst, of_leaders),
        (roots::Policy::SweepsLater, of_leaders),
    ];
    for (policy, bounds) in wrong {
        is_found(policy, &Roots { policy, bounds }, &["the newest root names what was swept"]);
    }
}
