//! One segment of the packed log: where it begins, and its stretch of the stream.

use crate::backend::DatabaseId;
use crate::error::{Error, Result};
use crate::frame::{self, Expected, Kind};
use crate::wire::{Malformed, Reader, put_unsigned};

/// The version of the payload written here.
pub(crate) const SEGMENT_VERSION: u8 = 1;

/// A place in the stream of frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    /// The batch that the byte here belongs to.
    pub(crate) seq: u64,
    /// How many bytes of its frame come before.
    pub(crate) before: u64,
}

impl Position {
    /// Where a batch begins.
    pub(crate) fn of(seq: u64) -> Position {
        Position { seq, before: 0 }
    }

    /// The key in the log tree; none at the beginning of the log, below which is nothing.
    pub(crate) fn key(self) -> Vec<u8> {
        match self {
            Position { seq: 0, before: 0 } => Vec::new(),
            Position { seq, before } => [seq.to_be_bytes(), before.to_be_bytes()].concat(),
        }
    }
}

/// A stretch of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// How often the packed log had been written anew, without facts that were removed for ever.
    pub(crate) generation: u64,
    /// Of the first byte.
    pub(crate) start: Position,
    /// How many bytes of the first batch are left here: as many or more than there are.
    pub(crate) left: u64,
    pub(crate) bytes: Vec<u8>,
}

impl Segment {
    pub(crate) fn seal(
        database: DatabaseId,
        generation: u64,
        start: Position,
        left: u64,
        bytes: &[u8],
    ) -> Result<Vec<u8>> {
        let mut payload = Vec::with_capacity(bytes.len() + 24);
        for number in [generation, start.seq, start.before, left] {
            put_unsigned(&mut payload, number);
        }
        payload.extend_from_slice(bytes);
        frame::seal(Kind::LogSegment, SEGMENT_VERSION, database, &payload)
    }

    pub(crate) fn open(database: DatabaseId, frame: &[u8], place: &str) -> Result<Segment> {
        let expected = Expected { kind: Kind::LogSegment, kind_version: SEGMENT_VERSION, database, place };
        let opened = frame::open(frame, &expected)?;
        Segment::decode(&opened.payload).map_err(|malformed| Error::corrupt(place, malformed.to_string()))
    }

    fn decode(payload: &[u8]) -> Result<Segment, Malformed> {
        let mut reader = Reader::new(payload);
        let generation = reader.unsigned("a log generation")?;
        let seq = reader.unsigned("a batch's number")?;
        let before = reader.unsigned("how many bytes of the batch came before")?;
        let no_frame = reader.expected("how many bytes of a batch are left");
        let left = reader.unsigned("how many bytes of the batch are left")?;
        let most = (frame::HEADER_BYTES + frame::MAX_PAYLOAD_BYTES) as u64;
        if left == 0 || before.checked_add(left).is_none_or(|length| length > most) {
            return Err(no_frame);
        }
        let bytes = reader.rest();
        if bytes.is_empty() {
            return Err(reader.expected("a byte of a batch"));
        }
        Ok(Segment { generation, start: Position { seq, before }, left, bytes: bytes.to_vec() })
    }

    /// Where the stream goes on after it; none if what is in it is no frame.
    pub(crate) fn end(&self) -> Option<Position> {
        let (mut at, mut rest) = (self.start, &self.bytes[..]);
        let mut left = self.left;
        while left <= rest.len() as u64 {
            rest = &rest[left as usize..];
            at = Position::of(at.seq.checked_add(1)?);
            // What is too short to tell its length is shorter than any frame.
            left = if rest.len() < frame::HEADER_BYTES { u64::MAX } else { frame::length(rest)? as u64 };
        }
        Some(Position { before: at.before + rest.len() as u64, ..at })
    }
}
