//! The log in a job: batches in slots that end by the root's basis move into segments.

use super::Work;
use crate::backend::{Lineage, Sequence, Storage};
use crate::datom::T;
use crate::error::{Error, Result};
use crate::log::packed::{self, Packed};
use crate::log::{Chain, LogBatch};
use crate::root::{Excision, Root};
use crate::tree::nodes::Nodes;

/// How many slots are read by one call.
const SLOTS_AT_ONCE: usize = 64;

/// Packs the log as far as the next root's basis goes, and without what is removed for ever.
pub(super) fn pack(work: &mut Work<'_>, old: &Root, basis: Option<T>, excise: &[Excision]) -> Result<Packed> {
    packed::pack(&work.nodes, old, basis, excise, work.leaf_bytes, &mut work.out)
}

/// Deletes slots that are packed, but for the last of them, where nobody else can be reading. If this fails, the next
/// job does it again.
pub(super) fn drop_packed_slots(storage: &dyn Storage, lineage: &Lineage, root: &Root) {
    let Some(below) = root.log_end.seq.checked_sub(lineage.first() + 1) else { return };
    if storage.limits().exclusive {
        let _ = storage.delete_slots(Sequence::Log(lineage.database()), below);
    }
}

/// Hands every batch of the log to `take`, packed ones and those in slots, held together by one chain.
pub(super) fn each_batch(
    nodes: &Nodes,
    root: &Root,
    take: &mut dyn FnMut(LogBatch) -> Result<()>,
) -> Result<()> {
    let lineage = &nodes.lineage;
    let (mut chain, mut before) = (Chain::new(lineage.clone()), None);
    let mut frames = packed::frames(nodes, &root.log, 0)?;
    while let Some((_, frame)) = frames.next()? {
        before = Some(chain.clone());
        take(chain.accept(&frame)?)?;
    }
    if chain.end() != root.log_end {
        let what = format!("its end is {:?}, the root says {:?}", chain.end(), root.log_end);
        return Err(Error::corrupt(format!("packed log of database {}", lineage.database()), what));
    }
    let slots = |from| lineage.slots(&*nodes.storage, from, SLOTS_AT_ONCE);
    if let Some(mut before) = before {
        let last = slots(before.next_seq())?;
        stands(lineage, &mut before, last.first(), &chain)?;
    }
    loop {
        let frames = slots(chain.next_seq())?;
        if frames.is_empty() {
            break;
        }
        for frame in frames {
            take(chain.accept(&frame)?)?;
        }
    }
    let end = chain.next_seq();
    if !slots(end + 1)?.is_empty() && slots(end)?.is_empty() {
        let what = format!("it is missing, slot {} is there", lineage.slot(end + 1)?);
        return Err(Error::corrupt(lineage.place(end), what));
    }
    Ok(())
}

/// The last batch that was packed stands in its slot still, as it was.
fn stands(lineage: &Lineage, before: &mut Chain, slot: Option<&Vec<u8>>, after: &Chain) -> Result<()> {
    let place = lineage.place(before.next_seq());
    let Some(frame) = slot else {
        return Err(Error::corrupt(place, "it is missing, the last that is packed"));
    };
    before.accept(frame)?;
    if before != after {
        return Err(Error::corrupt(place, "it is another than the last that is packed"));
    }
    Ok(())
}

/// A log without a packed part begins with slot 0: if that is empty, it was packed, and what was packed is not found.
pub(super) fn refuse_nothing(nodes: &Nodes, root: &Root) -> Result<()> {
    if root.log_end.seq == 0 && nodes.lineage.slots(&*nodes.storage, 0, 1)?.is_empty() {
        return Err(Error::corrupt(nodes.lineage.place(0), "it is missing, and no segment has its batch"));
    }
    Ok(())
}
