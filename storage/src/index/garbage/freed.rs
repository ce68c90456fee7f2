//! The list of segments that a root made unreachable, as a segment of its own.
//!
//! Names are grouped by the job that wrote them, ordinals as steps: a list of many thousand names is a few kilobytes.

use crate::backend::{DatabaseId, Storage, settle};
use crate::error::{Error, Result};
use crate::frame::{self, Expected, Kind};
use crate::root::Freed;
use crate::tree::Name;
use crate::wire::{Malformed, Reader, put_unsigned};

/// The version of the payload written here.
const FREED_VERSION: u8 = 1;
/// A group names its epoch and job, and at least one ordinal.
const LEAST_GROUP_BYTES: usize = 1 + 8 + 1 + 1;

/// The frame of a list; `names` are sorted.
pub(crate) fn seal(database: DatabaseId, names: &[Name]) -> Result<Vec<u8>> {
    let mut payload = Vec::new();
    let groups = || names.chunk_by(|x, y| (x.epoch, x.job) == (y.epoch, y.job));
    put_unsigned(&mut payload, groups().count() as u64);
    for group in groups() {
        put_unsigned(&mut payload, group[0].epoch);
        payload.extend_from_slice(&group[0].job.to_be_bytes());
        put_unsigned(&mut payload, group.len() as u64);
        let mut before = 0;
        for name in group {
            put_unsigned(&mut payload, name.ordinal - before);
            before = name.ordinal;
        }
    }
    frame::seal(Kind::Freed, FREED_VERSION, database, &payload)
}

/// The names on a list; none if the list is gone, because all on it were deleted.
pub(crate) fn read(storage: &dyn Storage, database: DatabaseId, freed: &Freed) -> Result<Option<Vec<Name>>> {
    let id = freed.list.of(database);
    let found = settle::repeat(|| storage.read_segments(&[id]))?.pop().flatten();
    let Some(bytes) = found else { return Ok(None) };
    let place = id.to_string();
    let expected = Expected { kind: Kind::Freed, kind_version: FREED_VERSION, database, place: &place };
    let opened = frame::open(&bytes, &expected)?;
    let names = decode(&opened.payload).map_err(|malformed| Error::corrupt(&place, malformed.to_string()))?;
    Ok(Some(names))
}

fn decode(payload: &[u8]) -> Result<Vec<Name>, Malformed> {
    let mut reader = Reader::new(payload);
    let groups = reader.count(LEAST_GROUP_BYTES, "the number of jobs, within the payload")?;
    let mut names = Vec::new();
    for _ in 0..groups {
        let epoch = reader.unsigned("an epoch")?;
        let job = u64::from_be_bytes(reader.array("a job")?);
        let mut ordinal = 0u64;
        for _ in 0..reader.count(1, "the number of segments, within the payload")? {
            let too_large = reader.expected("a segment's number");
            ordinal = ordinal.checked_add(reader.unsigned("a segment's number")?).ok_or(too_large)?;
            names.push(Name { epoch, job, ordinal });
        }
    }
    reader.finish()?;
    Ok(names)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::backend::MemoryStorage;

    const DATABASE: DatabaseId = DatabaseId(7);

    fn listed(bytes: &[u8]) -> Result<Option<Vec<Name>>> {
        let storage = MemoryStorage::new();
        let freed = Freed { revision: 0, at: 0, list: Name::default(), segments: 0, bytes: 0 };
        storage.write_segments(&[(freed.list.of(DATABASE), bytes)]).expect("memory does not fail");
        read(&storage, DATABASE, &freed)
    }

    proptest! {
        #[test]
        fn lists_come_back(names in prop::collection::btree_set((0..3_u64, 0..3_u64, any::<u64>()), 0..40)) {
            let names: Vec<Name> =
                names.into_iter().map(|(epoch, job, ordinal)| Name { epoch, job, ordinal }).collect();
            let frame = seal(DATABASE, &names).expect("a short list");
            prop_assert_eq!(listed(&frame).expect("what was sealed"), Some(names));
        }

        #[test]
        fn any_payload_gives_names_or_an_error(payload in prop::collection::vec(any::<u8>(), 0..60)) {
            let frame = frame::seal(Kind::Freed, FREED_VERSION, DATABASE, &payload).expect("a short payload");
            if let Ok(Some(names)) = listed(&frame) {
                prop_assert!(names.len() <= payload.len());
            }
        }
    }
}
