//! Columns of integers as blocks of bits.
//!
//! ```text
//!   column   blocks of 256 integers, the last of what is left
//!   block    head:1  base  [least step]  [unit]  bits       head: width 0 to 64, plus 128 if steps are packed
//!
//!   plain    integer = base + unit * bits                   width 0: all are the base
//!   steps    first = base, next = the one before + least step + unit * bits
//! ```
//!
//! Base and least step are signed, the unit is unsigned and not 0; it is absent where the width is 0. The bits of a
//! block lie one integer after the other, from the lowest bit of the first byte on, and end with a whole byte. A plain
//! block is what scattered integers want, the unit what instants of whole seconds and rounded doubles want, and steps
//! what sorted ones want. How many integers a column has is known to whoever reads it, for blocks of one value take
//! next to nothing: it must be bounded before a column is read.

use crate::wire::{Malformed, Reader, put_signed, put_unsigned};

/// How many integers a block has.
pub(crate) const BLOCK: usize = 256;

const STEPS: u8 = 0x80;
const MAX_WIDTH: u32 = 64;
/// The widest integers that eight bytes hold whatever bit they begin at.
const EASY_WIDTH: usize = 57;
/// The bits of a block at the greatest width, and room to read sixteen bytes from any of its own.
const BUFFER_BYTES: usize = BLOCK * 8 + 16;

/// Appends a column.
pub(crate) fn put(integers: &[i64], out: &mut Vec<u8>) {
    for block in integers.chunks(BLOCK) {
        put_block(block, out);
    }
}

fn put_block(block: &[i64], out: &mut Vec<u8>) {
    let mut steps = [0; BLOCK];
    let steps = &mut steps[..block.len() - 1];
    for (step, pair) in steps.iter_mut().zip(block.windows(2)) {
        *step = pair[1].wrapping_sub(pair[0]);
    }
    let (plain, stepped) = (Spread::of(block), Spread::of(steps));
    // What takes fewer bytes; steps have a number more in front.
    if stepped.width * steps.len() + 16 < plain.width * block.len() {
        out.push(STEPS | stepped.width as u8);
        put_signed(out, block[0]);
        put_signed(out, stepped.least);
        put_bits(steps, stepped, out);
    } else {
        out.push(plain.width as u8);
        put_signed(out, plain.least);
        put_bits(block, plain, out);
    }
}

/// How far integers lie apart.
#[derive(Clone, Copy)]
struct Spread {
    least: i64,
    /// What all distances from the least are multiples of.
    unit: u64,
    /// The bits that the greatest distance takes, in units.
    width: usize,
}

impl Spread {
    fn of(integers: &[i64]) -> Spread {
        let least = integers.iter().copied().min().unwrap_or(0);
        let greatest = integers.iter().copied().max().unwrap_or(0);
        if least == greatest {
            return Spread { least, unit: 1, width: 0 };
        }
        let mut unit = 0;
        for n in integers {
            unit = common_divisor(unit, n.wrapping_sub(least) as u64);
            if unit == 1 {
                break;
            }
        }
        let distance = greatest.wrapping_sub(least) as u64 / unit;
        Spread { least, unit, width: (u64::BITS - distance.leading_zeros()) as usize }
    }
}

/// The greatest common divisor.
fn common_divisor(mut x: u64, mut y: u64) -> u64 {
    while y != 0 {
        (x, y) = (y, x % y);
    }
    x
}

fn put_bits(integers: &[i64], spread: Spread, out: &mut Vec<u8>) {
    let Spread { least, unit, width } = spread;
    if width == 0 {
        return;
    }
    put_unsigned(out, unit);
    let (mut held, mut bits) = (0_u128, 0);
    for n in integers {
        let distance = n.wrapping_sub(least) as u64;
        let distance = if unit == 1 { distance } else { distance / unit };
        held |= u128::from(distance) << bits;
        bits += width;
        if bits >= 64 {
            out.extend_from_slice(&(held as u64).to_le_bytes());
            held >>= 64;
            bits -= 64;
        }
    }
    out.extend_from_slice(&(held as u64).to_le_bytes()[..bits.div_ceil(8)]);
}

/// Reads a column of `count` integers and appends what `of` makes of them to `out`. Sets memory aside for `count`.
pub(crate) fn take<V>(
    reader: &mut Reader<'_>,
    count: usize,
    of: impl Fn(i64) -> V,
    out: &mut Vec<V>,
) -> Result<(), Malformed> {
    out.reserve(count);
    let mut buffer = [0; BLOCK];
    for start in (0..count).step_by(BLOCK) {
        let block = &mut buffer[..BLOCK.min(count - start)];
        match take_block(reader, block)? {
            Some(constant) => out.extend(block.iter().map(|_| of(constant))),
            None => out.extend(block.iter().map(|n| of(*n))),
        }
    }
    Ok(())
}

/// Reads a block, or gives what all its integers are.
fn take_block(reader: &mut Reader<'_>, block: &mut [i64]) -> Result<Option<i64>, Malformed> {
    let unknown = reader.expected("a block of integers at most 64 bits wide");
    let head = reader.byte("a block of integers")?;
    let width = u32::from(head & !STEPS);
    if width > MAX_WIDTH {
        return Err(unknown);
    }
    let base = reader.signed("the base of a block")?;
    if head & STEPS == 0 {
        if width == 0 {
            return Ok(Some(base));
        }
        take_bits(reader, width as usize, base, block)?;
        return Ok(None);
    }
    let least = reader.signed("the least step of a block")?;
    block.fill(least);
    if let (Some(steps), true) = (block.get_mut(1..), width > 0) {
        take_bits(reader, width as usize, least, steps)?;
    }
    block[0] = base;
    let mut before = 0_i64;
    for n in block {
        before = before.wrapping_add(*n);
        *n = before;
    }
    Ok(None)
}

/// Reads the unit and the bits of a block; `least` is added to each.
fn take_bits(reader: &mut Reader<'_>, width: usize, least: i64, out: &mut [i64]) -> Result<(), Malformed> {
    let no_unit = reader.expected("a unit that is not 0");
    let unit = reader.unsigned("the unit of a block")? as i64;
    if unit == 0 {
        return Err(no_unit);
    }
    let bytes = reader.take((width * out.len()).div_ceil(8), "the bits of a block")?;
    let mut buffer = [0; BUFFER_BYTES];
    buffer[..bytes.len()].copy_from_slice(bytes);
    if width <= EASY_WIDTH {
        let mask = u64::MAX >> (64 - width);
        for (row, n) in out.iter_mut().enumerate() {
            let bit = row * width;
            let word = u64::from_le_bytes(bytes_at(&buffer, bit / 8));
            *n = least.wrapping_add(((word >> (bit % 8) & mask) as i64).wrapping_mul(unit));
        }
    } else {
        let mask = u128::MAX >> (128 - width);
        for (row, n) in out.iter_mut().enumerate() {
            let bit = row * width;
            let word = u128::from_le_bytes(bytes_at(&buffer, bit / 8));
            *n = least.wrapping_add(((word >> (bit % 8) & mask) as i64).wrapping_mul(unit));
        }
    }
    Ok(())
}

#[inline]
fn bytes_at<const N: usize>(buffer: &[u8; BUFFER_BYTES], at: usize) -> [u8; N] {
    // In range for every bit of a block: the buffer has room behind them.
    buffer[at..at + N].try_into().expect("a slice of this length")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packed(integers: &[i64]) -> Vec<u8> {
        let mut out = Vec::new();
        put(integers, &mut out);
        out
    }

    fn unpacked(bytes: &[u8], count: usize) -> Result<Vec<i64>, Malformed> {
        let mut reader = Reader::new(bytes);
        let mut out = Vec::new();
        take(&mut reader, count, |n| n, &mut out)?;
        reader.finish()?;
        Ok(out)
    }

    /// Columns of every width and kind: scattered, stepping, in units, constant.
    fn column() -> impl Strategy<Value = Vec<i64>> {
        let scattered = (any::<i64>(), 0u32..64, prop::collection::vec(any::<i64>(), 1..600))
            .prop_map(|(base, shift, all)| all.iter().map(|n| base.wrapping_add(n >> shift)).collect());
        let stepping = (any::<i64>(), any::<i64>(), 0u32..64, prop::collection::vec(any::<i64>(), 1..600))
            .prop_map(|(first, step, shift, all)| {
                let next = |n: &mut i64, more: &i64| {
                    *n = n.wrapping_add(step >> shift).wrapping_add(more >> shift);
                    Some(*n)
                };
                all.iter().scan(first, next).collect()
            });
        let in_units = (any::<i32>(), 1i64..1 << 30, prop::collection::vec(any::<i32>(), 1..600)).prop_map(
            |(base, unit, all)| all.iter().map(|n| i64::from(base) + i64::from(*n) * unit).collect(),
        );
        prop_oneof![scattered, stepping, in_units]
    }

    proptest! {
        #[test]
        fn columns_come_back(integers in column()) {
            prop_assert_eq!(unpacked(&packed(&integers), integers.len()), Ok(integers));
        }

        #[test]
        fn cut_columns_are_refused(integers in column(), cut: prop::sample::Index) {
            let bytes = packed(&integers);
            prop_assert!(unpacked(&bytes[..cut.index(bytes.len())], integers.len()).is_err());
        }

        #[test]
        fn any_bytes_give_a_column_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300), count in 0usize..600) {
            if let Ok(integers) = unpacked(&bytes, count) {
                prop_assert_eq!(integers.len(), count);
            }
        }
    }

    #[test]
    fn every_width_round_trips_at_the_extremes() {
        for width in 0..=64 {
            let most = if width == 0 { 0 } else { u64::MAX >> (64 - width) };
            for count in [1, 2, 255, 256, 257] {
                let integers: Vec<i64> =
                    (0..count).map(|n| if n % 3 == 1 { most as i64 } else { 0 }).collect();
                assert_eq!(unpacked(&packed(&integers), integers.len()), Ok(integers), "width {width}");
            }
        }
        let extremes = [i64::MIN, i64::MAX, -1, 0, i64::MIN, i64::MAX - 1];
        assert_eq!(unpacked(&packed(&extremes), 6).as_deref(), Ok(&extremes[..]));
    }

    #[test]
    fn blocks_are_as_small_as_promised() {
        let constant = [7; 256];
        assert_eq!(packed(&constant).len(), 2);
        let ascending: Vec<i64> = (0..256).map(|n| n * 3).collect();
        assert_eq!(packed(&ascending).len(), 3);
        let seconds: Vec<i64> = (0..256).map(|n| n * 7919 % 250 * 1_000_000).collect();
        assert!(packed(&seconds).len() <= 8 + 256, "8 bits each");
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(unpacked(&[65, 0, 1], 1).is_err(), "65 bits");
        assert!(unpacked(&[8, 0, 0, 0], 1).is_err(), "unit 0");
        assert_eq!(unpacked(&[], 0), Ok(vec![]));
    }
}
