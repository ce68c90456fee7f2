//! Longs as 64 bits, under Clojure's names. As there, only the lowest six bits of a distance or place count.

use crate::edn::Edn;

use super::{Fault, Function, MANY, Outcome, function};

pub(super) const TABLE: &[Function] = &[
    function("bit-and", 2, MANY, |args| fold(args, |x, y| x & y)),
    function("bit-or", 2, MANY, |args| fold(args, |x, y| x | y)),
    function("bit-xor", 2, MANY, |args| fold(args, |x, y| x ^ y)),
    function("bit-and-not", 2, MANY, |args| fold(args, |x, y| x & !y)),
    function("bit-not", 1, 1, |args| Ok(Edn::Int(!long(&args[0])?))),
    function("bit-shift-left", 2, 2, |args| fold(args, |x, n| x.wrapping_shl(n as u32))),
    function("bit-shift-right", 2, 2, |args| fold(args, |x, n| x.wrapping_shr(n as u32))),
    function("unsigned-bit-shift-right", 2, 2, |args| {
        fold(args, |x, n| (x as u64).wrapping_shr(n as u32) as i64)
    }),
    function("bit-set", 2, 2, |args| fold(args, |x, n| x | bit(n))),
    function("bit-clear", 2, 2, |args| fold(args, |x, n| x & !bit(n))),
    function("bit-flip", 2, 2, |args| fold(args, |x, n| x ^ bit(n))),
    function("bit-test", 2, 2, |args| Ok(Edn::Bool(long(&args[0])? & bit(long(&args[1])?) != 0))),
];

fn long(edn: &Edn) -> Result<i64, Fault> {
    match edn {
        Edn::Int(n) => Ok(*n),
        _ => Err(Fault::Types),
    }
}

fn bit(place: i64) -> i64 {
    1i64.wrapping_shl(place as u32)
}

fn fold(args: &[Edn], step: fn(i64, i64) -> i64) -> Outcome {
    let mut so_far = long(&args[0])?;
    for arg in &args[1..] {
        so_far = step(so_far, long(arg)?);
    }
    Ok(Edn::Int(so_far))
}
