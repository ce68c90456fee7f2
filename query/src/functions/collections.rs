//! Making collections, and looking into them.
//!
//! `tuple` makes a tuple value, which is a vector; `untuple` gives one to be taken apart by its binding.

use std::collections::{BTreeMap, BTreeSet};

use crate::edn::Edn;

use super::{Fault, Function, MANY, Outcome, PARTS_MAX, bounded, compare, function, too_many, total};

pub(super) const TABLE: &[Function] = &[
    function("tuple", 1, MANY, |args| bounded(Edn::Vector(args.to_vec()))),
    function("untuple", 1, 1, |args| {
        args[0].as_seq().map(|slots| Edn::Vector(slots.to_vec())).ok_or(Fault::Types)
    }),
    function("vector", 0, MANY, |args| bounded(Edn::Vector(args.to_vec()))),
    function("list", 0, MANY, |args| bounded(Edn::List(args.to_vec()))),
    function("vec", 1, 1, |args| Ok(Edn::Vector(elements(&args[0])?.cloned().collect()))),
    function("set", 1, 1, |args| Ok(Edn::Set(elements(&args[0])?.cloned().collect()))),
    function("hash-set", 0, MANY, |args| bounded(Edn::Set(args.iter().cloned().collect()))),
    function("hash-map", 0, MANY, |args| {
        let (pairs, odd) = args.as_chunks::<2>();
        if !odd.is_empty() {
            return Err(Fault::Values("a key without a value".into()));
        }
        bounded(Edn::Map(
            pairs.iter().map(|[key, value]| (key.clone(), value.clone())).collect::<BTreeMap<_, _>>(),
        ))
    }),
    function("count", 1, 1, |args| Ok(Edn::Int(count(&args[0])? as i64))),
    function("empty?", 1, 1, |args| Ok(Edn::Bool(count(&args[0])? == 0))),
    function("get", 2, 3, |args| Ok(get(&args[0], &args[1]).unwrap_or_else(|| otherwise(args)))),
    function("contains?", 2, 2, |args| match &args[0] {
        Edn::Vector(_) | Edn::Map(_) | Edn::Set(_) | Edn::Nil => {
            Ok(Edn::Bool(get(&args[0], &args[1]).is_some()))
        }
        _ => Err(Fault::Types),
    }),
    function("first", 1, 1, |args| Ok(elements(&args[0])?.next().cloned().unwrap_or(Edn::Nil))),
    function("second", 1, 1, |args| Ok(elements(&args[0])?.nth(1).cloned().unwrap_or(Edn::Nil))),
    function("last", 1, 1, |args| Ok(elements(&args[0])?.last().cloned().unwrap_or(Edn::Nil))),
    function("rest", 1, 1, |args| Ok(Edn::List(elements(&args[0])?.skip(1).cloned().collect()))),
    function("nth", 2, 3, |args| {
        let Edn::Int(at) = args[1] else { return Err(Fault::Types) };
        let found = usize::try_from(at).ok().and_then(|at| elements(&args[0]).ok()?.nth(at));
        match found {
            Some(found) => Ok(found.clone()),
            None if args.len() == 3 => Ok(args[2].clone()),
            None => Err(Fault::Values(format!("there is no element {at}"))),
        }
    }),
    function("distinct", 1, 1, |args| {
        let mut seen = BTreeSet::new();
        Ok(Edn::List(elements(&args[0])?.filter(|part| seen.insert(*part)).cloned().collect()))
    }),
    function("reverse", 1, 1, |args| {
        let mut parts: Vec<_> = elements(&args[0])?.cloned().collect();
        parts.reverse();
        Ok(Edn::List(parts))
    }),
    function("sort", 1, 1, |args| sort(elements(&args[0])?.cloned().collect())),
    function("concat", 0, MANY, |args| {
        let mut parts = Vec::new();
        for arg in args {
            parts.extend(elements(arg)?.take(PARTS_MAX + 1).cloned());
            if parts.len() > PARTS_MAX {
                return Err(too_many());
            }
        }
        bounded(Edn::List(parts))
    }),
    function("range", 1, 3, range),
];

/// The elements of a list, vector or set; nil has none.
pub(super) fn elements(edn: &Edn) -> Result<Box<dyn Iterator<Item = &Edn> + '_>, Fault> {
    match edn {
        Edn::Nil => Ok(Box::new(std::iter::empty())),
        Edn::List(parts) | Edn::Vector(parts) => Ok(Box::new(parts.iter())),
        Edn::Set(parts) => Ok(Box::new(parts.iter())),
        _ => Err(Fault::Types),
    }
}

fn count(edn: &Edn) -> Result<usize, Fault> {
    match edn {
        Edn::String(text) => Ok(text.chars().count()),
        Edn::Map(pairs) => Ok(pairs.len()),
        Edn::Bytes(bytes) => Ok(bytes.len()),
        other => Ok(elements(other)?.count()),
    }
}

pub(super) fn get(from: &Edn, key: &Edn) -> Option<Edn> {
    match (from, key) {
        (Edn::Map(pairs), key) => pairs.get(key).cloned(),
        (Edn::Set(parts), key) => parts.get(key).cloned(),
        (Edn::Vector(parts), Edn::Int(at)) => parts.get(usize::try_from(*at).ok()?).cloned(),
        _ => None,
    }
}

fn otherwise(args: &[Edn]) -> Edn {
    args.get(2).cloned().unwrap_or(Edn::Nil)
}

fn sort(mut parts: Vec<Edn>) -> Outcome {
    parts.sort_by(total);
    let ordered = parts.windows(2).all(|pair| compare(&pair[0], &pair[1]).is_some());
    if ordered { Ok(Edn::List(parts)) } else { Err(Fault::Types) }
}

fn range(args: &[Edn]) -> Outcome {
    let mut bounds = Vec::with_capacity(3);
    for arg in args {
        let Edn::Int(n) = arg else { return Err(Fault::Types) };
        bounds.push(i128::from(*n));
    }
    let (start, end, step) = match bounds[..] {
        [end] => (0, end, 1),
        [start, end] => (start, end, 1),
        [start, end, step] => (start, end, step),
        _ => return Err(Fault::Types),
    };
    let reach = if step < 0 { start - end } else { end - start };
    if reach <= 0 {
        return Ok(Edn::List(Vec::new()));
    }
    let length = if step == 0 { return Err(too_many()) } else { (reach - 1) / step.abs() + 1 };
    if length > PARTS_MAX as i128 {
        return Err(too_many());
    }
    Ok(Edn::List((0..length).map(|at| Edn::Int((start + at * step) as i64)).collect()))
}
