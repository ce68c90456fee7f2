//! Equality and order as predicates see them.
//!
//! Numbers of all types compare by size. Anything else has the order in which values are stored, so that a comparison
//! pushed into an index scan drops the same rows as the predicate would. Between two types `=` is false, and `<` goes by
//! the order of the types: nil, booleans, numbers, instants, uuids, characters, keywords, symbols, strings, uris, bytes,
//! sequences. Lists and vectors are one type: element by element, nil first. Sets and maps are equal or not, without
//! order. [`total`] orders what predicates do not.
//!
//! This is not how joins match: two places of one variable need the same value of the same type.

use std::cmp::Ordering;

use crate::edn::Edn;

use super::number::Number;
use super::{Fault, Function, Outcome, function};

/// True if the two are equal to a predicate: numbers by size, sequences by their elements.
pub fn equal(x: &Edn, y: &Edn) -> bool {
    match (Number::of(x), Number::of(y)) {
        (Some(x), Some(y)) => return x.compare(y).is_eq(),
        (None, None) => {}
        _ => return false,
    }
    match (x.as_seq(), y.as_seq()) {
        (Some(xs), Some(ys)) => xs.len() == ys.len() && xs.iter().zip(ys).all(|(x, y)| equal(x, y)),
        _ => x == y,
    }
}

/// Which is the greater to a predicate; `None` if the two have no order.
pub fn compare(x: &Edn, y: &Edn) -> Option<Ordering> {
    if let (Some(x), Some(y)) = (Number::of(x), Number::of(y)) {
        return Some(x.compare(y));
    }
    if let (Some(xs), Some(ys)) = (x.as_seq(), y.as_seq()) {
        return compare_slots(xs, ys);
    }
    let has_order = |edn: &Edn| !matches!(edn, Edn::Set(_) | Edn::Map(_) | Edn::Tagged(..));
    (has_order(x) && has_order(y)).then(|| x.cmp(y))
}

fn compare_slots(xs: &[Edn], ys: &[Edn]) -> Option<Ordering> {
    for (x, y) in xs.iter().zip(ys) {
        let side = match (x, y) {
            (Edn::Nil, y) => {
                if y == &Edn::Nil {
                    Ordering::Equal
                } else {
                    Ordering::Less
                }
            }
            (_, Edn::Nil) => Ordering::Greater,
            (x, y) => compare(x, y)?,
        };
        if side.is_ne() {
            return Some(side);
        }
    }
    Some(xs.len().cmp(&ys.len()))
}

/// True if the value has an order to every other that has one: no set, map or tagged value is in it.
pub fn is_ordered(edn: &Edn) -> bool {
    match edn {
        Edn::List(parts) | Edn::Vector(parts) => parts.iter().all(is_ordered),
        Edn::Set(_) | Edn::Map(_) | Edn::Tagged(..) => false,
        _ => true,
    }
}

/// An order over all values that agrees with [`compare`] wherever that has one; two values are the same in it only if
/// they are the same value. For picking and sorting, where any order will do but there must be one.
pub fn total(x: &Edn, y: &Edn) -> Ordering {
    if let (Some(a), Some(b)) = (Number::of(x), Number::of(y)) {
        return a.compare(b).then_with(|| x.cmp(y));
    }
    if let (Some(xs), Some(ys)) = (x.as_seq(), y.as_seq()) {
        let sides = xs.iter().zip(ys).map(|(x, y)| total(x, y));
        return sides
            .into_iter()
            .find(|side| side.is_ne())
            .unwrap_or_else(|| xs.len().cmp(&ys.len()))
            .then_with(|| x.cmp(y));
    }
    x.cmp(y)
}

pub(super) const TABLE: &[Function] = &[
    function("=", 2, 2, |args| Ok(Edn::Bool(equal(&args[0], &args[1])))),
    function("==", 2, 2, |args| Ok(Edn::Bool(equal(&args[0], &args[1])))),
    function("!=", 2, 2, |args| Ok(Edn::Bool(!equal(&args[0], &args[1])))),
    function("not=", 2, 2, |args| Ok(Edn::Bool(!equal(&args[0], &args[1])))),
    function("<", 2, 2, |args| side(args, Ordering::is_lt)),
    function("<=", 2, 2, |args| side(args, Ordering::is_le)),
    function(">", 2, 2, |args| side(args, Ordering::is_gt)),
    function(">=", 2, 2, |args| side(args, Ordering::is_ge)),
    function("compare", 2, 2, |args| {
        compare(&args[0], &args[1]).map(|side| Edn::Int(side as i64)).ok_or(Fault::Types)
    }),
    function("max", 1, super::MANY, |args| extreme(args, Ordering::Greater)),
    function("min", 1, super::MANY, |args| extreme(args, Ordering::Less)),
];

fn side(args: &[Edn], wanted: fn(Ordering) -> bool) -> Outcome {
    compare(&args[0], &args[1]).map(|side| Edn::Bool(wanted(side))).ok_or(Fault::Types)
}

fn extreme(args: &[Edn], wanted: Ordering) -> Outcome {
    let mut best = &args[0];
    compare(best, best).ok_or(Fault::Types)?;
    for arg in &args[1..] {
        if compare(arg, best).ok_or(Fault::Types)? == wanted {
            best = arg;
        }
    }
    Ok(best.clone())
}
