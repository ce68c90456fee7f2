//! What the root notes of attributes: of which types their values are, and whether some are too long for AVET.

use std::collections::BTreeMap;

use crate::datom::Order;
use crate::datom::order::AVET_MAX_BYTES;
use crate::novelty::{Generation, Layer};
use crate::root::AttributeNote;
use crate::run::Run;

/// The notes with those of what is put to rest. They name every type that ever was, so nothing is ever taken away.
pub(super) fn next(
    old: &[AttributeNote],
    layer: Option<&Layer>,
    generation: Option<&Generation>,
) -> Vec<AttributeNote> {
    let mut notes: BTreeMap<u32, AttributeNote> = old.iter().map(|note| (note.a, *note)).collect();
    layer.into_iter().for_each(|layer| note(&mut notes, layer.open(Order::Aevt)));
    generation.into_iter().for_each(|generation| note(&mut notes, generation.closed(Order::Aevt)));
    notes.into_values().collect()
}

fn note(notes: &mut BTreeMap<u32, AttributeNote>, run: &Run) {
    for rows in run.attribute_ranges() {
        let a = run.rows.a[rows.start];
        let note = notes.entry(a).or_insert(AttributeNote { a, tags: 0, long: 0 });
        for row in rows {
            let bit = 1 << run.rows.tag[row] as u16;
            let kind =
                if run.rows.heap_bytes(row) > AVET_MAX_BYTES { &mut note.long } else { &mut note.tags };
            *kind |= bit;
        }
    }
}
