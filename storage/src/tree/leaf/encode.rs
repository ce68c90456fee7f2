//! Rows to bytes.

use std::ops::Range;

use xxhash_rust::xxh3::xxh3_64;

use super::{ABRIDGED, MAX_ROWS, MIXED, SHARED, WHOLE_EVERY, length_of, shape_byte, start_of, starts};
use crate::datom::Tag;
use crate::run::Run;
use crate::tree::{Shape, pack};
use crate::wire::put_unsigned;

/// Appends the payload of the leaf that holds these rows of a run (sorted in the run's order) to `out`.
/// `rows` is not empty, and has at most [`MAX_ROWS`].
pub(crate) fn encode(run: &Run, rows: Range<usize>, shape: Shape, out: &mut Vec<u8>) {
    debug_assert!((1..=MAX_ROWS).contains(&rows.len()) && run.is_closed() == (shape == Shape::Closed));
    let columns = &run.rows;
    let mut scratch = Vec::with_capacity(rows.len());
    put_unsigned(out, rows.len() as u64);
    out.push(shape_byte(run.order, shape));
    put_words(&columns.e[rows.clone()], &mut scratch, out);
    let groups = Groups::of(&columns.a[rows.clone()]);
    groups.put(&mut scratch, out);
    put_words(&columns.from[rows.clone()], &mut scratch, out);
    if shape == Shape::Closed {
        put_words(&columns.to[rows.clone()], &mut scratch, out);
    }
    let mut heap = Vec::new();
    for group in 0..groups.attributes.len() {
        let values = Values { run, rows: groups.rows(group), first: rows.start };
        values.put(&mut scratch, out, &mut heap);
    }
    out.extend_from_slice(&heap);
}

fn put_words(words: &[u64], scratch: &mut Vec<i64>, out: &mut Vec<u8>) {
    put_column(words.iter().map(|word| *word as i64), scratch, out);
}

fn put_column(integers: impl Iterator<Item = i64>, scratch: &mut Vec<i64>, out: &mut Vec<u8>) {
    scratch.clear();
    scratch.extend(integers);
    pack::put(scratch, out);
}

/// Rows by attribute.
struct Groups {
    /// Ascending.
    attributes: Vec<u32>,
    /// Of each row the place of its attribute.
    which: Vec<u32>,
    /// The rows of the first attribute, of the second, and so on.
    sorted: Vec<u32>,
    /// Where in `sorted` the rows of each attribute end.
    ends: Vec<usize>,
}

impl Groups {
    fn of(a: &[u32]) -> Groups {
        let mut attributes = Vec::new();
        let mut last = None;
        for a in a.iter().filter(|a| last.replace(**a) != Some(**a)) {
            if let Err(place) = attributes.binary_search(a) {
                attributes.insert(place, *a);
            }
        }
        let place = |a: &u32| attributes.partition_point(|other| other < a) as u32;
        let which: Vec<u32> = a.iter().map(place).collect();
        let mut ends = vec![0; attributes.len()];
        which.iter().for_each(|place| ends[*place as usize] += 1);
        let mut next = starts(&ends);
        ends.iter_mut().zip(&next).for_each(|(end, start)| *end += start);
        let mut sorted = vec![0; a.len()];
        for (row, place) in which.iter().enumerate() {
            let slot = &mut next[*place as usize];
            sorted[*slot] = row as u32;
            *slot += 1;
        }
        Groups { attributes, which, sorted, ends }
    }

    fn rows(&self, group: usize) -> &[u32] {
        let start = if group == 0 { 0 } else { self.ends[group - 1] };
        &self.sorted[start..self.ends[group]]
    }

    fn put(&self, scratch: &mut Vec<i64>, out: &mut Vec<u8>) {
        put_unsigned(out, self.attributes.len() as u64);
        put_unsigned(out, self.attributes[0].into());
        for pair in self.attributes.windows(2) {
            put_unsigned(out, (pair[1] - pair[0]).into());
        }
        if self.attributes.len() > 1 {
            put_column(self.which.iter().map(|place| (*place).into()), scratch, out);
        }
    }
}

/// The values of one attribute.
struct Values<'r> {
    run: &'r Run,
    /// Its rows, counted from the leaf's first.
    rows: &'r [u32],
    first: usize,
}

impl<'r> Values<'r> {
    fn tags(&self) -> impl Iterator<Item = Tag> {
        self.rows.iter().map(|row| self.run.rows.tag[self.first + *row as usize])
    }

    fn words(&self) -> impl Iterator<Item = i64> {
        self.rows.iter().map(|row| self.run.rows.word[self.first + *row as usize])
    }

    /// The codes of values of a variable type.
    fn codes(&self) -> impl Iterator<Item = &'r [u8]> {
        let heap: &[u8] = &self.run.heap;
        self.words().map(move |word| code_at(word, heap))
    }

    fn put(&self, scratch: &mut Vec<i64>, out: &mut Vec<u8>, heap: &mut Vec<u8>) {
        let first = self.tags().next().expect("an attribute of the leaf has rows");
        if self.tags().any(|tag| tag != first) {
            return self.put_mixed(scratch, out, heap);
        }
        if first.is_fixed() {
            out.push(first as u8);
            return put_column(self.words(), scratch, out);
        }
        match self.shared() {
            Some(shared) => {
                let place = out.len();
                out.push(first as u8 | SHARED);
                put_unsigned(out, shared.distinct.len() as u64);
                out[place] |= put_codes(&shared.distinct, scratch, out, heap);
                put_column(shared.which.iter().map(|place| (*place).into()), scratch, out);
            }
            None => {
                let (place, codes) = (out.len(), self.codes().collect::<Vec<_>>());
                out.push(first as u8);
                out[place] |= put_codes(&codes, scratch, out, heap);
            }
        }
    }

    fn put_mixed(&self, scratch: &mut Vec<i64>, out: &mut Vec<u8>, heap: &mut Vec<u8>) {
        out.push(MIXED);
        put_column(self.tags().map(|tag| tag as i64), scratch, out);
        let lengths = self.tags().zip(self.words());
        put_column(
            lengths.map(|(tag, word)| if tag.is_fixed() { word } else { length_of(word) as i64 }),
            scratch,
            out,
        );
        for (tag, word) in self.tags().zip(self.words()) {
            if !tag.is_fixed() {
                heap.extend_from_slice(code_at(word, &self.run.heap));
            }
        }
    }

    /// The values without repetition, if at least every other is one.
    fn shared(&self) -> Option<Shared<'r>> {
        let mut table = vec![u32::MAX; (2 * self.rows.len()).next_power_of_two()];
        let mask = table.len() - 1;
        let mut shared = Shared { distinct: Vec::new(), which: Vec::with_capacity(self.rows.len()) };
        for code in self.codes() {
            let mut slot = xxh3_64(code) as usize & mask;
            let place = loop {
                match shared.distinct.get(table[slot] as usize) {
                    Some(other) if *other == code => break table[slot],
                    Some(_) => slot = (slot + 1) & mask,
                    None => {
                        table[slot] = shared.distinct.len() as u32;
                        shared.distinct.push(code);
                        break table[slot];
                    }
                }
            };
            shared.which.push(place);
            if shared.distinct.len() > 16 + shared.which.len() / 2 {
                return None;
            }
        }
        (shared.distinct.len() <= self.rows.len() / 2).then_some(shared)
    }
}

/// Values of which many rows have the same.
struct Shared<'r> {
    distinct: Vec<&'r [u8]>,
    which: Vec<u32>,
}

fn code_at(word: i64, heap: &[u8]) -> &[u8] {
    &heap[start_of(word)..start_of(word) + length_of(word)]
}

/// Appends codes to the heap and their lengths to `out`; abridged if that is worth it, which the returned bit says.
fn put_codes(codes: &[&[u8]], scratch: &mut Vec<i64>, out: &mut Vec<u8>, heap: &mut Vec<u8>) -> u8 {
    put_column(codes.iter().map(|code| code.len() as i64), scratch, out);
    let kept = |at: usize| match at % WHOLE_EVERY {
        0 => 0,
        _ => codes[at - 1].iter().zip(codes[at]).take_while(|(x, y)| x == y).count(),
    };
    let kept: Vec<usize> = (0..codes.len()).map(kept).collect();
    let saved: usize = kept.iter().sum();
    // LZ4 finds some of it too, at three bytes each.
    if saved < 3 * codes.len() {
        codes.iter().for_each(|code| heap.extend_from_slice(code));
        return 0;
    }
    put_column(kept.iter().map(|kept| *kept as i64), scratch, out);
    codes.iter().zip(kept).for_each(|(code, kept)| heap.extend_from_slice(&code[kept..]));
    ABRIDGED
}
