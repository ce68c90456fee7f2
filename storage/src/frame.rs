//! The frame around every stored byte string.
//!
//! ```text
//!   0      4         6      7              8             9          12           16             20         24         40
//!   | ANLS | version | kind | kind version | compression | reserved | length raw | length stored | database | checksum | payload
//! ```
//!
//! All numbers are big-endian. The checksum is the xxh3-128 of the 24 bytes before it and of the payload as stored,
//! so that a flipped byte anywhere is found; it is also what names a frame in a chain. A frame is opened by someone
//! who knows which kind, versions and database stand there: anything else is refused with both sides named.
//! A frame knows nothing of what its payload means.

use std::borrow::Cow;

use xxhash_rust::xxh3::Xxh3;

use crate::backend::DatabaseId;
use crate::error::{Error, Result};

/// The first four bytes of every frame.
pub const MAGIC: [u8; 4] = *b"ANLS";
/// The version of the frame itself.
pub const FORMAT_VERSION: u16 = 1;
/// The size of everything before the payload.
pub const HEADER_BYTES: usize = 40;
/// The largest payload, before or after compression.
pub const MAX_PAYLOAD_BYTES: usize = 1 << 28;
/// Payloads up to this size are stored as they are.
pub const COMPRESS_ABOVE_BYTES: usize = 512;

const CHECKED_BYTES: usize = 24;
const STORED_PLAIN: u8 = 0;
const STORED_LZ4: u8 = 1;
/// No LZ4 block holds more than 255 times its own size.
const LZ4_MOST: usize = 255;

/// What a frame holds, by its number on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// Rows of one stored order.
    Leaf = 1,
    /// Closed rows of one stored order.
    HistoryLeaf = 2,
    /// The children of a tree node.
    Directory = 3,
    /// Transactions that became durable together.
    LogBatch = 4,
    /// Packed log batches.
    LogSegment = 5,
    /// Where the trees of a database begin.
    Root = 6,
    /// Who writes.
    Lease = 7,
    /// A piece of something too large for one slot.
    Blob = 8,
    /// A database created or dropped.
    Catalog = 9,
    /// The names of segments that a root made unreachable.
    Freed = 10,
}

impl Kind {
    const ALL: [Kind; 10] = [
        Kind::Leaf,
        Kind::HistoryLeaf,
        Kind::Directory,
        Kind::LogBatch,
        Kind::LogSegment,
        Kind::Root,
        Kind::Lease,
        Kind::Blob,
        Kind::Catalog,
        Kind::Freed,
    ];

    /// The kind's name, for messages.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Leaf => "leaf",
            Kind::HistoryLeaf => "history leaf",
            Kind::Directory => "directory",
            Kind::LogBatch => "log batch",
            Kind::LogSegment => "log segment",
            Kind::Root => "root",
            Kind::Lease => "lease",
            Kind::Blob => "blob",
            Kind::Catalog => "catalog entry",
            Kind::Freed => "list of freed segments",
        }
    }

    fn name_of(number: u8) -> String {
        let known = Kind::ALL.into_iter().find(|kind| *kind as u8 == number);
        known.map_or_else(|| format!("unknown kind {number}"), |kind| format!("{} ({number})", kind.name()))
    }
}

/// Frames a payload; compresses it if that makes it smaller.
///
/// Refuses a payload above [`MAX_PAYLOAD_BYTES`].
pub fn seal(kind: Kind, kind_version: u8, database: DatabaseId, payload: &[u8]) -> Result<Vec<u8>> {
    if payload.len() > MAX_PAYLOAD_BYTES {
        let what = format!("a {}", kind.name());
        return Err(Error::TooLarge { what, size: payload.len(), limit: MAX_PAYLOAD_BYTES });
    }
    let (compression, stored) = compress(payload);
    let mut frame = Vec::with_capacity(HEADER_BYTES + stored.len());
    frame.extend_from_slice(&MAGIC);
    frame.extend_from_slice(&FORMAT_VERSION.to_be_bytes());
    frame.extend_from_slice(&[kind as u8, kind_version, compression, 0, 0, 0]);
    frame.extend_from_slice(&(payload.len() as u32).to_be_bytes());
    frame.extend_from_slice(&(stored.len() as u32).to_be_bytes());
    frame.extend_from_slice(&mark_of(database));
    let checksum = hash(&frame, &stored);
    frame.extend_from_slice(&checksum.to_be_bytes());
    frame.extend_from_slice(&stored);
    Ok(frame)
}

fn compress(payload: &[u8]) -> (u8, Cow<'_, [u8]>) {
    if payload.len() > COMPRESS_ABOVE_BYTES {
        let packed = lz4_flex::block::compress(payload);
        if packed.len() < payload.len() {
            return (STORED_LZ4, Cow::Owned(packed));
        }
    }
    (STORED_PLAIN, Cow::Borrowed(payload))
}

/// The first four bytes of a database's id: enough to notice that two stores were mixed up.
fn mark_of(database: DatabaseId) -> [u8; 4] {
    ((database.0 >> 96) as u32).to_be_bytes()
}

fn hash(header: &[u8], stored: &[u8]) -> u128 {
    let mut hasher = Xxh3::new();
    hasher.update(header);
    hasher.update(stored);
    hasher.digest128()
}

/// What a reader expects to find.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The kind of payload.
    pub kind: Kind,
    /// The highest version of that kind the reader knows; it knows all from 1 on.
    pub kind_version: u8,
    /// The database the frame belongs to.
    pub database: DatabaseId,
    /// Where the bytes stand, for messages.
    pub place: &'a str,
}

/// A payload that passed every check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened<'a> {
    /// The version of its kind.
    pub kind_version: u8,
    /// The frame's checksum.
    pub checksum: u128,
    /// The payload, unpacked.
    pub payload: Cow<'a, [u8]>,
}

/// Checks a frame and gives its payload.
pub fn open<'a>(bytes: &'a [u8], expected: &Expected<'_>) -> Result<Opened<'a>> {
    let corrupt = |what: String| Error::corrupt(expected.place, what);
    let header = Header::read(bytes, expected.place)?;
    let stored = &bytes[HEADER_BYTES..];
    if header.length_stored as usize != stored.len() {
        return Err(corrupt(format!(
            "the frame says {} bytes of payload, {} are there",
            header.length_stored,
            stored.len()
        )));
    }
    let checksum = hash(&bytes[..CHECKED_BYTES], stored);
    if checksum != header.checksum {
        return Err(corrupt(format!("checksum {checksum:032x}, expected {:032x}", header.checksum)));
    }
    header.check(expected)?;
    let payload = unpack(&header, stored, expected.place)?;
    Ok(Opened { kind_version: header.kind_version, checksum, payload })
}

/// The checksum a frame carries, for bytes that were [`seal`]ed or [`open`]ed before.
///
/// # Panics
/// If the bytes are shorter than a frame.
pub fn checksum(frame: &[u8]) -> u128 {
    be(&frame[CHECKED_BYTES..HEADER_BYTES])
}

/// How long the frame is that these bytes begin with, if they begin with enough of one; it is not checked.
pub(crate) fn length(bytes: &[u8]) -> Option<usize> {
    let stored = bytes.get(16..20).filter(|_| bytes.starts_with(&MAGIC))?;
    Some(HEADER_BYTES + be(stored) as usize).filter(|length| *length <= HEADER_BYTES + MAX_PAYLOAD_BYTES)
}

/// Frames that stand one after the other, apart; none of them is checked. `None` if it is not whole frames.
pub fn split(mut bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let (frame, rest) = bytes.split_at_checked(length(bytes)?)?;
        frames.push(frame.to_vec());
        bytes = rest;
    }
    Some(frames)
}

/// The kind that bytes say they are a frame of; it is not checked.
pub(crate) fn kind(bytes: &[u8]) -> Option<Kind> {
    let kind = bytes.get(6).filter(|_| bytes.starts_with(&MAGIC))?;
    Kind::ALL.into_iter().find(|known| *known as u8 == *kind)
}

struct Header {
    kind: u8,
    kind_version: u8,
    compression: u8,
    reserved: [u8; 3],
    length_raw: u32,
    length_stored: u32,
    database: [u8; 4],
    checksum: u128,
}

impl Header {
    /// Reads what can be read before the checksum is known to hold: that it is a frame, and of which version.
    fn read(bytes: &[u8], place: &str) -> Result<Header> {
        if !bytes.starts_with(&MAGIC) {
            let found = &bytes[..bytes.len().min(MAGIC.len())];
            return Err(Error::corrupt(place, format!("it begins with {found:02x?}, expected {MAGIC:02x?}")));
        }
        if bytes.len() < HEADER_BYTES {
            let what = format!("{} bytes, expected at least {HEADER_BYTES}", bytes.len());
            return Err(Error::corrupt(place, what));
        }
        let version: u16 = u16::from_be_bytes([bytes[4], bytes[5]]);
        if version != FORMAT_VERSION {
            return Err(unknown(place, "frame format version", version.into(), format!("{FORMAT_VERSION}")));
        }
        Ok(Header {
            kind: bytes[6],
            kind_version: bytes[7],
            compression: bytes[8],
            reserved: [bytes[9], bytes[10], bytes[11]],
            length_raw: be(&bytes[12..16]) as u32,
            length_stored: be(&bytes[16..20]) as u32,
            database: [bytes[20], bytes[21], bytes[22], bytes[23]],
            checksum: checksum(bytes),
        })
    }

    /// Compares a sound header with what was expected at this place.
    fn check(&self, expected: &Expected<'_>) -> Result<()> {
        let corrupt = |what: String| Err(Error::corrupt(expected.place, what));
        if self.kind != expected.kind as u8 {
            let (found, wanted) = (Kind::name_of(self.kind), Kind::name_of(expected.kind as u8));
            return corrupt(format!("it is a {found}, expected a {wanted}"));
        }
        if self.database != mark_of(expected.database) {
            let (found, wanted) = (self.database, mark_of(expected.database));
            return corrupt(format!("it belongs to database {found:02x?}…, expected {wanted:02x?}…"));
        }
        if self.kind_version == 0 || self.kind_version > expected.kind_version {
            let known = format!("1 to {}", expected.kind_version);
            return Err(unknown(expected.place, "payload version", self.kind_version.into(), known));
        }
        if self.reserved != [0; 3] {
            return corrupt(format!("reserved bytes {:02x?}, expected zeros", self.reserved));
        }
        Ok(())
    }
}

fn unpack<'a>(header: &Header, stored: &'a [u8], place: &str) -> Result<Cow<'a, [u8]>> {
    let length = header.length_raw as usize;
    let most = match header.compression {
        STORED_PLAIN => stored.len(),
        STORED_LZ4 => MAX_PAYLOAD_BYTES.min(stored.len().saturating_mul(LZ4_MOST)),
        other => return Err(unknown(place, "compression", other.into(), "0 (none) and 1 (LZ4)".into())),
    };
    let wrong = |what: String| Error::corrupt(place, what);
    if length > most {
        return Err(wrong(format!("the frame says {length} bytes unpacked, at most {most} can be")));
    }
    if header.compression == STORED_PLAIN {
        let plain = length == stored.len();
        return if plain {
            Ok(Cow::Borrowed(stored))
        } else {
            Err(wrong("two lengths of a plain payload".into()))
        };
    }
    let mut payload = vec![0; length];
    match lz4_flex::block::decompress_into(stored, &mut payload) {
        Ok(unpacked) if unpacked == length => Ok(Cow::Owned(payload)),
        Ok(unpacked) => Err(wrong(format!("{unpacked} bytes unpacked, expected {length}"))),
        Err(error) => Err(wrong(format!("the payload does not unpack: {error}"))),
    }
}

fn unknown(place: &str, what: &'static str, found: u32, known: String) -> Error {
    Error::UnknownVersion { place: place.to_owned(), what, found, known }
}

/// A big-endian number of at most sixteen bytes.
fn be(bytes: &[u8]) -> u128 {
    bytes.iter().fold(0, |n, byte| (n << 8) | u128::from(*byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DATABASE: DatabaseId = DatabaseId(0x0123_4567_89ab_cdef_0011_2233_4455_6677);

    fn expected() -> Expected<'static> {
        Expected { kind: Kind::LogBatch, kind_version: 1, database: DATABASE, place: "slot 7" }
    }

    fn sealed(payload: &[u8]) -> Vec<u8> {
        seal(Kind::LogBatch, 1, DATABASE, payload).expect("small enough")
    }

    /// Seals again with a header byte changed, so that only that byte is wrong and not the checksum.
    fn forged(payload: &[u8], at: usize, byte: u8) -> Vec<u8> {
        let mut frame = sealed(payload);
        frame[at] = byte;
        let checksum = hash(&frame[..CHECKED_BYTES], &frame[HEADER_BYTES..]);
        frame[CHECKED_BYTES..HEADER_BYTES].copy_from_slice(&checksum.to_be_bytes());
        frame
    }

    fn complaint(frame: &[u8]) -> String {
        let error = open(frame, &expected()).expect_err("must be refused");
        let message = error.to_string();
        assert!(message.contains("slot 7"), "{message}");
        message
    }

    #[test]
    fn payloads_of_all_sizes_come_back() {
        for length in [0, 1, 511, 512, 513, 100_000] {
            let payload: Vec<u8> = (0..length).map(|n| (n / 100) as u8).collect();
            let frame = sealed(&payload);
            assert_eq!(open(&frame, &expected()).unwrap().payload, payload);
            assert_eq!(frame[8] == STORED_LZ4, length > COMPRESS_ABOVE_BYTES);
            assert_eq!(checksum(&frame), open(&frame, &expected()).unwrap().checksum);
        }
    }

    #[test]
    fn a_frame_tells_its_length_and_kind_before_it_is_opened() {
        let frame = sealed(&[7; 1000]);
        assert_eq!((length(&frame), kind(&frame)), (Some(frame.len()), Some(Kind::LogBatch)));
        assert_eq!((length(&frame[..20]), kind(&frame[..7])), (Some(frame.len()), Some(Kind::LogBatch)));
        assert_eq!((length(&frame[..19]), kind(&frame[..6])), (None, None));
        assert_eq!((length(b"something else, long"), kind(b"something else")), (None, None));
        assert_eq!(length(&forged(b"x", 16, 0xff)), None, "longer than any frame");
        assert_eq!(kind(&forged(b"x", 6, 77)), None);
    }

    #[test]
    fn frames_in_a_row_come_apart() {
        let frames = vec![sealed(b"a"), sealed(&[7; 1000]), sealed(b"")];
        let row = frames.concat();
        assert_eq!(split(&row), Some(frames));
        assert_eq!((split(b""), split(&row[..row.len() - 1]), split(&row[1..])), (Some(vec![]), None, None));
    }

    #[test]
    fn what_does_not_shrink_is_stored_as_it_is() {
        let mut state = 1u64;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        })
        .take(2000)
        .collect();
        let frame = sealed(&noise);
        assert_eq!((frame[8], frame.len()), (STORED_PLAIN, HEADER_BYTES + 2000));
        assert_eq!(open(&frame, &expected()).unwrap().payload, noise);
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_found() {
        for payload in [b"plain".to_vec(), vec![7; 1000]] {
            let frame = sealed(&payload);
            for at in 0..frame.len() {
                for bit in 0..8 {
                    let mut flipped = frame.clone();
                    flipped[at] ^= 1 << bit;
                    complaint(&flipped);
                }
                complaint(&frame[..at]);
            }
            complaint(&[frame, vec![0]].concat());
        }
    }

    #[test]
    fn what_a_newer_build_wrote_is_refused_with_both_versions_named() {
        let mut frame = sealed(b"x");
        frame[5] = 9;
        assert_eq!(complaint(&frame), "slot 7 has frame format version 9, this build knows 1");
        assert!(complaint(&forged(b"x", 7, 3)).contains("payload version 3, this build knows 1 to 1"));
        assert!(
            complaint(&forged(b"x", 8, 2)).contains("compression 2, this build knows 0 (none) and 1 (LZ4)")
        );
    }

    #[test]
    fn foreign_frames_are_refused() {
        assert!(complaint(&forged(b"x", 6, 6)).contains("it is a root (6), expected a log batch (4)"));
        assert!(complaint(&forged(b"x", 6, 77)).contains("unknown kind 77"));
        assert!(complaint(&forged(b"x", 20, 9)).contains("belongs to database"));
        assert!(complaint(&forged(b"x", 10, 1)).contains("reserved"));
    }

    #[test]
    fn a_forged_length_allocates_nothing() {
        assert!(complaint(&forged(&[7; 1000], 12, 0xff)).contains("at most"));
        assert!(complaint(&forged(b"x", 15, 0)).contains("two lengths"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..100), magic: bool) {
            let mut bytes = bytes;
            if magic {
                bytes.splice(0..0, MAGIC.iter().copied().chain([0, 1, 4, 1, 1]));
            }
            prop_assert!(open(&bytes, &expected()).is_err());
        }
    }
}
