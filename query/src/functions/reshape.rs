//! Collections made of others: with more, with less, put together, or some of it.
//!
//! A map is also a collection of its entries, `[key value]`, in the order of its keys; nil is empty. What Clojure gives
//! as a sequence is a list.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use crate::edn::Edn;

use super::collections::{elements, get};
use super::{Fault, Function, MANY, Outcome, PARTS_MAX, bounded, function, too_many};

pub(super) const TABLE: &[Function] = &[
    function("seq", 1, 1, |args| Ok(or_nil(entries(&args[0])?))),
    function("next", 1, 1, |args| Ok(or_nil(entries(&args[0])?.into_iter().skip(1).collect()))),
    function("not-empty", 1, 1, |args| match &args[0] {
        Edn::String(text) if text.is_empty() => Ok(Edn::Nil),
        Edn::String(_) => Ok(args[0].clone()),
        arg if entries(arg)?.is_empty() => Ok(Edn::Nil),
        arg => Ok(arg.clone()),
    }),
    function("keys", 1, 1, |args| Ok(Edn::List(pairs(&args[0])?.keys().cloned().collect()))),
    function("vals", 1, 1, |args| Ok(Edn::List(pairs(&args[0])?.values().cloned().collect()))),
    function("get-in", 2, 3, |args| {
        let path = args[1].as_seq().ok_or(Fault::Types)?;
        let found = path.iter().try_fold(args[0].clone(), |from, key| get(&from, key));
        Ok(found.or(args.get(2).cloned()).unwrap_or(Edn::Nil))
    }),
    function("cons", 2, 2, |args| {
        let rest = entries(&args[1])?;
        bounded(Edn::List([args[0].clone()].into_iter().chain(rest).collect()))
    }),
    function("conj", 1, MANY, |args| bounded(args[1..].iter().cloned().try_fold(args[0].clone(), conj)?)),
    function("into", 2, 2, |args| match (&args[0], entries(&args[1])?) {
        (Edn::Vector(parts), more) => bounded(Edn::Vector([parts.clone(), more].concat())),
        (Edn::List(_) | Edn::Nil, mut more) => {
            more.reverse();
            bounded(Edn::List(more.into_iter().chain(elements(&args[0])?.cloned()).collect()))
        }
        (to, more) => bounded(more.into_iter().try_fold(to.clone(), conj)?),
    }),
    function("peek", 1, 1, |args| match &args[0] {
        Edn::Vector(parts) => Ok(parts.last().cloned().unwrap_or(Edn::Nil)),
        Edn::List(parts) => Ok(parts.first().cloned().unwrap_or(Edn::Nil)),
        Edn::Nil => Ok(Edn::Nil),
        _ => Err(Fault::Types),
    }),
    function("pop", 1, 1, |args| match &args[0] {
        Edn::Nil => Ok(Edn::Nil),
        Edn::Vector(parts) | Edn::List(parts) if parts.is_empty() => {
            Err(Fault::Values("there is nothing to take away".into()))
        }
        Edn::Vector(parts) => Ok(Edn::Vector(parts[..parts.len() - 1].to_vec())),
        Edn::List(parts) => Ok(Edn::List(parts[1..].to_vec())),
        _ => Err(Fault::Types),
    }),
    function("assoc", 3, MANY, |args| {
        let (more, odd) = args[1..].as_chunks::<2>();
        if !odd.is_empty() {
            return Err(Fault::Values("a key without a value".into()));
        }
        match &args[0] {
            Edn::Vector(parts) => {
                let mut parts = parts.clone();
                for [at, value] in more {
                    put(&mut parts, at, value.clone())?;
                }
                bounded(Edn::Vector(parts))
            }
            map => {
                let mut map = pairs(map)?.into_owned();
                map.extend(more.iter().cloned().map(|[key, value]| (key, value)));
                bounded(Edn::Map(map))
            }
        }
    }),
    function("dissoc", 1, MANY, |args| {
        let mut map = pairs(&args[0])?.into_owned();
        map.retain(|key, _| !args[1..].contains(key));
        Ok(Edn::Map(map))
    }),
    function("select-keys", 2, 2, |args| {
        let map = pairs(&args[0])?;
        let found = elements(&args[1])?.filter_map(|key| map.get_key_value(key));
        Ok(Edn::Map(found.map(|(key, value)| (key.clone(), value.clone())).collect()))
    }),
    function("merge", 0, MANY, |args| {
        if args.iter().all(|arg| *arg == Edn::Nil) {
            return Ok(Edn::Nil);
        }
        let mut all = BTreeMap::new();
        for arg in args {
            all.extend(pairs(arg)?.into_owned());
        }
        bounded(Edn::Map(all))
    }),
    function("zipmap", 2, 2, |args| {
        let pairs = elements(&args[0])?.zip(elements(&args[1])?);
        bounded(Edn::Map(pairs.map(|(key, value)| (key.clone(), value.clone())).collect()))
    }),
    function("frequencies", 1, 1, |args| {
        let mut counts = BTreeMap::new();
        for part in entries(&args[0])? {
            *counts.entry(part).or_insert(0i64) += 1;
        }
        Ok(Edn::Map(counts.into_iter().map(|(part, count)| (part, Edn::Int(count))).collect()))
    }),
    function("take", 2, 2, |args| {
        Ok(Edn::List(entries(&args[1])?.into_iter().take(count(&args[0])?).collect()))
    }),
    function("drop", 2, 2, |args| {
        Ok(Edn::List(entries(&args[1])?.into_iter().skip(count(&args[0])?).collect()))
    }),
    function("take-last", 2, 2, |args| {
        let (count, mut parts) = (count(&args[0])?, entries(&args[1])?);
        Ok(Edn::List(parts.split_off(parts.len().saturating_sub(count))))
    }),
    function("drop-last", 1, 2, |args| match args {
        [count, parts] => without_last(self::count(count)?, parts),
        _ => without_last(1, &args[0]),
    }),
    function("butlast", 1, 1, |args| without_last(1, &args[0])),
    function("subvec", 2, 3, |args| {
        let Edn::Vector(parts) = &args[0] else { return Err(Fault::Types) };
        let end = args.get(2).map_or(Ok(parts.len()), place)?;
        let wrong = || Fault::Values(format!("the vector has {} elements", parts.len()));
        Ok(Edn::Vector(parts.get(place(&args[1])?..end).ok_or_else(wrong)?.to_vec()))
    }),
    function("partition", 2, 2, |args| {
        let count = count(&args[0])?;
        if count == 0 {
            return Err(Fault::Values("parts of no elements".into()));
        }
        let parts = entries(&args[1])?;
        bounded(Edn::List(parts.chunks_exact(count).map(|part| Edn::List(part.to_vec())).collect()))
    }),
    function("interleave", 1, MANY, |args| {
        let columns = args.iter().map(entries).collect::<Result<Vec<_>, _>>()?;
        let rows = columns.iter().map(Vec::len).min().unwrap_or(0);
        if rows.saturating_mul(columns.len()) > PARTS_MAX {
            return Err(too_many());
        }
        bounded(Edn::List((0..rows).flat_map(|row| columns.iter().map(move |c| c[row].clone())).collect()))
    }),
    function("interpose", 2, 2, |args| {
        let parts = entries(&args[1])?;
        let between = parts.into_iter().flat_map(|part| [args[0].clone(), part]).skip(1);
        bounded(Edn::List(between.collect()))
    }),
    function("repeat", 2, 2, |args| {
        let count = count(&args[0])?;
        if count > PARTS_MAX {
            return Err(too_many());
        }
        bounded(Edn::List(vec![args[1].clone(); count]))
    }),
    function("flatten", 1, 1, |args| {
        let mut flat = Vec::new();
        args[0].as_seq().ok_or(Fault::Types)?.iter().for_each(|part| flatten(part, &mut flat));
        Ok(Edn::List(flat))
    }),
    function("disj", 1, MANY, |args| {
        let mut parts = set(&args[0])?;
        parts.retain(|part| !args[1..].contains(part));
        Ok(Edn::Set(parts))
    }),
    function("clojure.set/union", 0, MANY, |args| {
        let sets = args.iter().map(set).collect::<Result<Vec<_>, _>>()?;
        bounded(Edn::Set(sets.into_iter().flatten().collect()))
    }),
    function("clojure.set/intersection", 1, MANY, |args| {
        let sets = args.iter().map(set).collect::<Result<Vec<_>, _>>()?;
        let in_all = |part: &&Edn| sets.iter().all(|other| other.contains(*part));
        Ok(Edn::Set(sets[0].iter().filter(in_all).cloned().collect()))
    }),
    function("clojure.set/difference", 1, MANY, |args| {
        let sets = args.iter().map(set).collect::<Result<Vec<_>, _>>()?;
        let in_none = |part: &&Edn| !sets[1..].iter().any(|other| other.contains(*part));
        Ok(Edn::Set(sets[0].iter().filter(in_none).cloned().collect()))
    }),
    function("clojure.set/subset?", 2, 2, |args| Ok(Edn::Bool(set(&args[0])?.is_subset(&set(&args[1])?)))),
    function("clojure.set/superset?", 2, 2, |args| {
        Ok(Edn::Bool(set(&args[0])?.is_superset(&set(&args[1])?)))
    }),
];

/// The elements of a collection, the entries of a map.
fn entries(edn: &Edn) -> Result<Vec<Edn>, Fault> {
    match edn {
        Edn::Map(pairs) => {
            Ok(pairs.iter().map(|(key, value)| Edn::Vector(vec![key.clone(), value.clone()])).collect())
        }
        other => Ok(elements(other)?.cloned().collect()),
    }
}

fn or_nil(parts: Vec<Edn>) -> Edn {
    if parts.is_empty() { Edn::Nil } else { Edn::List(parts) }
}

fn pairs(edn: &Edn) -> Result<Cow<'_, BTreeMap<Edn, Edn>>, Fault> {
    match edn {
        Edn::Nil => Ok(Cow::Owned(BTreeMap::new())),
        Edn::Map(pairs) => Ok(Cow::Borrowed(pairs)),
        _ => Err(Fault::Types),
    }
}

fn set(edn: &Edn) -> Result<BTreeSet<Edn>, Fault> {
    match edn {
        Edn::Nil => Ok(BTreeSet::new()),
        Edn::Set(parts) => Ok(parts.clone()),
        _ => Err(Fault::Types),
    }
}

/// How many; below zero is none.
fn count(edn: &Edn) -> Result<usize, Fault> {
    match edn {
        Edn::Int(n) => Ok(usize::try_from(*n).unwrap_or(0)),
        _ => Err(Fault::Types),
    }
}

fn place(edn: &Edn) -> Result<usize, Fault> {
    match edn {
        Edn::Int(n) => usize::try_from(*n).map_err(|_| Fault::Values(format!("there is no place {n}"))),
        _ => Err(Fault::Types),
    }
}

/// A collection with one more: at the front of a list, at the end of a vector, an entry of a map.
fn conj(to: Edn, part: Edn) -> Outcome {
    match (to, part) {
        (Edn::Nil, part) => Ok(Edn::List(vec![part])),
        (Edn::List(mut parts), part) => {
            parts.insert(0, part);
            Ok(Edn::List(parts))
        }
        (Edn::Vector(mut parts), part) => {
            parts.push(part);
            Ok(Edn::Vector(parts))
        }
        (Edn::Set(mut parts), part) => {
            parts.insert(part);
            Ok(Edn::Set(parts))
        }
        (map @ Edn::Map(_), Edn::Nil) => Ok(map),
        (Edn::Map(mut pairs), Edn::Map(more)) => {
            pairs.extend(more);
            Ok(Edn::Map(pairs))
        }
        (Edn::Map(mut pairs), Edn::Vector(entry)) => match <[Edn; 2]>::try_from(entry) {
            Ok([key, value]) => {
                pairs.insert(key, value);
                Ok(Edn::Map(pairs))
            }
            Err(_) => Err(Fault::Values("an entry of a map is a vector of a key and a value".into())),
        },
        _ => Err(Fault::Types),
    }
}

/// Puts a value in a place of a vector, or at its end.
fn put(parts: &mut Vec<Edn>, at: &Edn, value: Edn) -> Result<(), Fault> {
    let at = place(at)?;
    match at.cmp(&parts.len()) {
        Ordering::Less => parts[at] = value,
        Ordering::Equal => parts.push(value),
        Ordering::Greater => return Err(Fault::Values(format!("the vector has {} elements", parts.len()))),
    }
    Ok(())
}

fn without_last(count: usize, from: &Edn) -> Outcome {
    let mut parts = entries(from)?;
    parts.truncate(parts.len().saturating_sub(count));
    Ok(Edn::List(parts))
}

/// Values nest no deeper than [`super::DEPTH_MAX`], so this recursion does not either.
fn flatten(part: &Edn, flat: &mut Vec<Edn>) {
    match part.as_seq() {
        Some(parts) => parts.iter().for_each(|part| flatten(part, flat)),
        None => flat.push(part.clone()),
    }
}
