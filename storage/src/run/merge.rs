//! Two neighbouring runs as one.
//!
//! Keys are compared first, by galloping, which gives a plan of stretches; then each column is copied by the plan. So
//! neighbours that hardly interleave cost little more than copying memory.

use std::ops::Range;
use std::sync::Arc;

use super::{Columns, Run};
use crate::datom::columns::heap_word;

/// Both heaps in one, and where the newer now starts.
pub(crate) fn join_heaps(older: &Arc<Vec<u8>>, newer: &Arc<Vec<u8>>) -> (Arc<Vec<u8>>, usize) {
    if newer.is_empty() || older.is_empty() {
        return (Arc::clone(if newer.is_empty() { older } else { newer }), 0);
    }
    let mut joined = Vec::with_capacity(older.len() + newer.len());
    joined.extend_from_slice(older);
    joined.extend_from_slice(newer);
    (Arc::new(joined), older.len())
}

/// The open rows of two neighbours without those the newer closed, and the rows of `dead` that met no target.
pub(crate) fn settle(
    older: &Run,
    newer: &Run,
    dead: &Run,
    shift: usize,
    heap: &Arc<Vec<u8>>,
) -> (Run, Vec<u32>) {
    let mut plan = Plan::for_rows(newer.len() + dead.len());
    let mut unmet = Vec::new();
    let (mut at, mut opening, mut closing) = (0, 0, 0);
    while opening < newer.len() || closing < dead.len() {
        let closes =
            closing < dead.len() && (opening == newer.len() || dead.compare(closing, newer, opening).is_lt());
        let (run, row) = if closes { (dead, closing) } else { (newer, opening) };
        let stop = older.gallop(at..older.len(), run, row);
        plan.take(Side::Older, at..stop);
        at = stop;
        if closes {
            if at < older.len() && older.compare(at, dead, closing).is_eq() {
                at += 1;
            } else {
                unmet.push(closing as u32);
            }
            closing += 1;
        } else {
            // This row is known to be below; so may be some that follow.
            let next = opening + 1;
            let end = if at < older.len() { newer.gallop(next..newer.len(), older, at) } else { newer.len() };
            let end = if closing < dead.len() { newer.gallop(next..end, dead, closing) } else { end };
            plan.take(Side::Newer, opening..end);
            opening = end;
        }
    }
    plan.take(Side::Older, at..older.len());
    (Run::new(older.order, plan.columns(&older.rows, &newer.rows, shift), Arc::clone(heap)), unmet)
}

/// The rows of two neighbours, none of which touches another.
pub(crate) fn weave(older: &Run, newer: &Run, shift: usize, heap: &Arc<Vec<u8>>) -> Run {
    if older.len() + newer.len() == 0 {
        return Run::new(older.order, Columns::default(), Arc::clone(heap));
    }
    let mut plan = Plan::for_rows(newer.len());
    let (mut at, mut theirs) = (0, 0);
    while at < older.len() && theirs < newer.len() {
        let stop = older.gallop(at..older.len(), newer, theirs);
        plan.take(Side::Older, at..stop);
        at = stop;
        if at < older.len() {
            let end = newer.gallop(theirs + 1..newer.len(), older, at);
            plan.take(Side::Newer, theirs..end);
            theirs = end;
        }
    }
    plan.take(Side::Older, at..older.len());
    plan.take(Side::Newer, theirs..newer.len());
    Run::new(older.order, plan.columns(&older.rows, &newer.rows, shift), Arc::clone(heap))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Older,
    Newer,
}

/// Which rows of two runs follow each other.
struct Plan {
    stretches: Vec<(Side, u32, u32)>,
    rows: usize,
}

impl Plan {
    /// With room for so many rows between which others lie.
    fn for_rows(between: usize) -> Plan {
        Plan { stretches: Vec::with_capacity(2 * between + 1), rows: 0 }
    }

    fn take(&mut self, side: Side, rows: Range<usize>) {
        if !rows.is_empty() {
            self.rows += rows.len();
            self.stretches.push((side, rows.start as u32, rows.end as u32));
        }
    }

    /// Copies by plan; the newer heap now starts at `shift`.
    fn columns(&self, older: &Columns, newer: &Columns, shift: usize) -> Columns {
        let mut columns = Columns {
            e: self.column(&older.e, &newer.e),
            a: self.column(&older.a, &newer.a),
            tag: self.column(&older.tag, &newer.tag),
            word: self.column(&older.word, &newer.word),
            from: self.column(&older.from, &newer.from),
            to: self.column(&older.to, &newer.to),
        };
        if shift > 0 {
            self.move_values(&mut columns, heap_word(shift, 0));
        }
        columns
    }

    fn column<V: Copy>(&self, older: &[V], newer: &[V]) -> Vec<V> {
        if older.is_empty() && newer.is_empty() {
            return Vec::new();
        }
        let mut column = Vec::with_capacity(self.rows);
        for (side, start, end) in &self.stretches {
            let source = if *side == Side::Older { older } else { newer };
            match &source[*start as usize..*end as usize] {
                [one] => column.push(*one),
                few if few.len() < 8 => few.iter().for_each(|v| column.push(*v)),
                many => column.extend_from_slice(many),
            }
        }
        column
    }

    fn move_values(&self, columns: &mut Columns, shift: i64) {
        let mut row = 0;
        for (side, start, end) in &self.stretches {
            let rows = row..row + (end - start) as usize;
            row = rows.end;
            if *side == Side::Newer {
                for (tag, word) in columns.tag[rows.clone()].iter().zip(&mut columns.word[rows]) {
                    *word += if tag.is_fixed() { 0 } else { shift };
                }
            }
        }
    }
}
