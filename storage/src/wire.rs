//! The small parts payloads are made of: variable-length integers, and a reader that trusts no byte.
//!
//! An integer is written seven bits a byte, lowest first, the top bit set on all but the last byte; a signed one is
//! folded first so that small magnitudes stay short. Each number has one encoding only. The reader never reads past
//! the end, never allocates on the word of a length, and says at which byte what was expected.

/// Appends an unsigned integer.
pub(crate) fn put_unsigned(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// Appends a signed integer.
pub(crate) fn put_signed(out: &mut Vec<u8>, n: i64) {
    put_unsigned(out, ((n << 1) ^ (n >> 63)) as u64);
}

/// Appends bytes after their length.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_unsigned(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// What a payload lacks, and where.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} at byte {at} of the payload")]
pub(crate) struct Malformed {
    at: usize,
    expected: &'static str,
}

/// Reads a payload front to back.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, at: 0 }
    }

    /// The complaint that something else was expected here.
    pub(crate) fn expected(&self, expected: &'static str) -> Malformed {
        Malformed { at: self.at, expected }
    }

    pub(crate) fn byte(&mut self, expected: &'static str) -> Result<u8, Malformed> {
        Ok(self.take(1, expected)?[0])
    }

    pub(crate) fn take(&mut self, length: usize, expected: &'static str) -> Result<&'a [u8], Malformed> {
        let taken = self.bytes[self.at..].get(..length).ok_or(self.expected(expected))?;
        self.at += length;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self, expected: &'static str) -> Result<[u8; N], Malformed> {
        Ok(self.take(N, expected)?.try_into().expect("take gives as many bytes as asked for"))
    }

    pub(crate) fn unsigned(&mut self, expected: &'static str) -> Result<u64, Malformed> {
        let complaint = self.expected(expected);
        let mut n = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte(expected)?;
            let low = u64::from(byte & 0x7f);
            let overflows = shift == 63 && low > 1;
            let overlong = shift > 0 && byte == 0;
            if overflows || overlong {
                return Err(complaint);
            }
            n |= low << shift;
            if byte & 0x80 == 0 {
                return Ok(n);
            }
        }
        Err(complaint)
    }

    pub(crate) fn signed(&mut self, expected: &'static str) -> Result<i64, Malformed> {
        let folded = self.unsigned(expected)?;
        Ok((folded >> 1) as i64 ^ -((folded & 1) as i64))
    }

    pub(crate) fn length_and_bytes(&mut self, expected: &'static str) -> Result<&'a [u8], Malformed> {
        let length = self.count(1, expected)?;
        self.take(length, expected)
    }

    /// A number of things of at least `least` bytes each, which must fit into what is left.
    pub(crate) fn count(&mut self, least: usize, expected: &'static str) -> Result<usize, Malformed> {
        let complaint = self.expected(expected);
        let count = self.unsigned(expected)?;
        let room = (self.bytes.len() - self.at) / least;
        usize::try_from(count).ok().filter(|count| *count <= room).ok_or(complaint)
    }

    /// What was not read yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    /// The end: bytes left over are as wrong as bytes that lack.
    pub(crate) fn finish(self) -> Result<(), Malformed> {
        if self.at == self.bytes.len() { Ok(()) } else { Err(self.expected("the end")) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn integers_round_trip(unsigned: u64, signed: i64, shift in 0u32..64) {
            let mut out = Vec::new();
            put_unsigned(&mut out, unsigned >> shift);
            put_signed(&mut out, signed >> shift);
            let mut reader = Reader::new(&out);
            prop_assert_eq!(reader.unsigned("n"), Ok(unsigned >> shift));
            prop_assert_eq!(reader.signed("n"), Ok(signed >> shift));
            prop_assert_eq!(reader.finish(), Ok(()));
        }

        #[test]
        fn what_is_read_is_written_the_same(bytes in prop::collection::vec(any::<u8>(), 0..12)) {
            let mut reader = Reader::new(&bytes);
            if let Ok(n) = reader.unsigned("n") {
                let mut out = Vec::new();
                put_unsigned(&mut out, n);
                prop_assert_eq!(&out, &bytes[..reader.at]);
            }
        }
    }

    #[test]
    fn the_extremes_round_trip() {
        for n in [i64::MIN, -1, 0, 1, i64::MAX] {
            let mut out = Vec::new();
            put_signed(&mut out, n);
            put_unsigned(&mut out, n as u64);
            let mut reader = Reader::new(&out);
            assert_eq!((reader.signed("n"), reader.unsigned("n")), (Ok(n), Ok(n as u64)));
        }
    }

    #[test]
    fn lengths_beyond_the_end_are_refused_before_allocating() {
        let mut out = Vec::new();
        put_unsigned(&mut out, u64::MAX);
        assert!(Reader::new(&out).length_and_bytes("text").is_err());
        assert!(Reader::new(&out).count(4, "rows").is_err());
        assert!(Reader::new(&[]).byte("a byte").is_err());
    }
}
