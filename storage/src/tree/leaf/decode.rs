//! Bytes to rows.

use std::ops::Range;
use std::sync::Arc;

use super::{ABRIDGED, MAX_ROWS, MIXED, SHARED, WHOLE_EVERY, length_of, shape_byte, start_of, starts};
use crate::datom::columns::{heap_word, value_at};
use crate::datom::sound::is_sound;
use crate::datom::{Order, T, Tag};
use crate::frame::MAX_PAYLOAD_BYTES;
use crate::run::{Columns, Run};
use crate::tree::{Shape, pack};
use crate::wire::{Malformed, Reader};

/// Reads the payload of a leaf that must be of this order and shape. Trusts nothing: any bytes give a sorted run or
/// an error that says where.
pub(crate) fn decode(payload: &[u8], order: Order, shape: Shape) -> Result<Run, Malformed> {
    let mut reader = Reader::new(payload);
    let rows = take_count(&mut reader, MAX_ROWS, "the number of rows, 1 to 65536")?;
    let other = reader.expected("rows of the order and shape asked for");
    if reader.byte("the order and shape")? != shape_byte(order, shape) {
        return Err(other);
    }
    let mut columns = Columns::default();
    pack::take(&mut reader, rows, |e| e as u64, &mut columns.e)?;
    let attributes = take_attributes(&mut reader, rows)?;
    let mut which: Vec<u32> = Vec::new();
    if attributes.len() > 1 {
        pack::take(&mut reader, rows, |place| u32::try_from(place).unwrap_or(u32::MAX), &mut which)?;
    }
    let unlisted = reader.expected("rows of each listed attribute and of no other before here");
    let counts = counts(&which, attributes.len(), rows).ok_or(unlisted)?;
    pack::take(&mut reader, rows, |t| t as T, &mut columns.from)?;
    if shape == Shape::Closed {
        pack::take(&mut reader, rows, |t| t as T, &mut columns.to)?;
    }
    let mut values = Values::default();
    counts.iter().try_for_each(|count| values.take_group(&mut reader, *count))?;
    let unsound = reader.expected("the codes of values of the types named before");
    let heap = values.take_heap(&mut reader)?;
    if !values.are_sound(&heap) {
        return Err(unsound);
    }
    values.spread(&attributes, &which, &counts, &mut columns);
    let unsorted = reader.expected("rows that ascend before here");
    reader.finish()?;
    Run::checked(order, columns, Arc::new(heap)).ok_or(unsorted)
}

fn take_count(reader: &mut Reader<'_>, most: usize, expected: &'static str) -> Result<usize, Malformed> {
    let complaint = reader.expected(expected);
    let count = reader.unsigned(expected)?;
    if count == 0 || count > most as u64 { Err(complaint) } else { Ok(count as usize) }
}

fn take_attributes(reader: &mut Reader<'_>, rows: usize) -> Result<Vec<u32>, Malformed> {
    let count = take_count(reader, rows, "the number of attributes, at most that of rows")?;
    let mut attributes = Vec::new();
    let mut a = 0_u32;
    for place in 0..count {
        let complaint = reader.expected("an attribute above the one before");
        let step = reader.unsigned("an attribute")?;
        let next = u32::try_from(step).ok().and_then(|step| a.checked_add(step));
        a = next.filter(|next| place == 0 || *next > a).ok_or(complaint)?;
        attributes.push(a);
    }
    Ok(attributes)
}

/// How many rows each attribute has; none if one has none, or a row is of no attribute.
fn counts(which: &[u32], attributes: usize, rows: usize) -> Option<Vec<usize>> {
    let mut counts = vec![0; attributes];
    if attributes == 1 {
        counts[0] = rows;
    }
    for place in which {
        *counts.get_mut(*place as usize)? += 1;
    }
    (!counts.contains(&0)).then_some(counts)
}

/// The values of a leaf, those of the first attribute first.
#[derive(Default)]
struct Values {
    tags: Vec<Tag>,
    words: Vec<i64>,
    groups: Vec<Group>,
    /// Bytes of the heap that the words point into.
    heap_bytes: usize,
}

/// What is to be done with the values of an attribute once the codes are there.
#[derive(Default)]
struct Group {
    /// The type of all; none if they are of several.
    tag: Option<Tag>,
    rows: Range<usize>,
    /// The words that rows share; else each row has its own.
    shared: Vec<i64>,
    /// How many bytes each code keeps of the code before; none if all are whole.
    kept: Vec<usize>,
    /// Bytes of the codes as they are stored.
    stored: usize,
}

impl Values {
    fn take_group(&mut self, reader: &mut Reader<'_>, rows: usize) -> Result<(), Malformed> {
        let unknown = reader.expected("values of a known kind");
        let kind = reader.byte("the kind of an attribute's values")?;
        let mut group = Group { rows: self.words.len()..self.words.len() + rows, ..Group::default() };
        if kind == MIXED {
            self.take_mixed(reader, &mut group)?;
        } else if let Some(tag) = Tag::from_number(kind).filter(|tag| tag.is_fixed()) {
            group.tag = Some(tag);
            self.tags.extend(std::iter::repeat_n(tag, rows));
            pack::take(reader, rows, |word| word, &mut self.words)?;
        } else {
            let tag = Tag::from_number(kind & !(SHARED | ABRIDGED)).filter(|tag| !tag.is_fixed());
            let tag = tag.ok_or(unknown)?;
            group.tag = Some(tag);
            self.tags.extend(std::iter::repeat_n(tag, rows));
            self.take_lengths(reader, &mut group, kind)?;
        }
        self.groups.push(group);
        Ok(())
    }

    /// Lengths of values, and what the kind adds to them.
    fn take_lengths(
        &mut self,
        reader: &mut Reader<'_>,
        group: &mut Group,
        kind: u8,
    ) -> Result<(), Malformed> {
        let rows = group.rows.len();
        let mut count = rows;
        if kind & SHARED != 0 {
            count = take_count(reader, rows, "the number of different values, at most that of rows")?;
        }
        let mut words = Vec::new();
        pack::take(reader, count, |length| length, &mut words)?;
        if kind & ABRIDGED != 0 {
            let whole = |kept| usize::try_from(kept).unwrap_or(usize::MAX);
            pack::take(reader, count, whole, &mut group.kept)?;
        }
        self.place(reader, group, &mut words)?;
        if kind & SHARED == 0 {
            self.words.append(&mut words);
            return Ok(());
        }
        pack::take(reader, rows, |place| place, &mut self.words)?;
        for word in &mut self.words[group.rows.clone()] {
            let listed = usize::try_from(*word).ok().and_then(|place| words.get(place));
            *word = *listed.ok_or_else(|| reader.expected("rows of listed values before here"))?;
        }
        group.shared = words;
        Ok(())
    }

    fn take_mixed(&mut self, reader: &mut Reader<'_>, group: &mut Group) -> Result<(), Malformed> {
        let unknown = reader.expected("types of values");
        let mut tags = Vec::new();
        let tag = |number| u8::try_from(number).ok().and_then(Tag::from_number);
        pack::take(reader, group.rows.len(), tag, &mut tags)?;
        let tags: Vec<Tag> = tags.into_iter().collect::<Option<_>>().ok_or(unknown)?;
        pack::take(reader, group.rows.len(), |word| word, &mut self.words)?;
        for (row, tag) in group.rows.clone().zip(&tags) {
            if !tag.is_fixed() {
                let mut word = [self.words[row]];
                self.place(reader, group, &mut word)?;
                self.words[row] = word[0];
            }
        }
        self.tags.extend(tags);
        Ok(())
    }

    /// Makes of lengths the words of codes that follow each other in the heap.
    fn place(
        &mut self,
        reader: &Reader<'_>,
        group: &mut Group,
        lengths: &mut [i64],
    ) -> Result<(), Malformed> {
        let mut before = 0;
        for (at, word) in lengths.iter_mut().enumerate() {
            let length = usize::try_from(*word).unwrap_or(usize::MAX);
            let kept = group.kept.get(at).copied().unwrap_or(0);
            let may_keep = if at % WHOLE_EVERY == 0 { 0 } else { length.min(before) };
            if kept > may_keep || length > MAX_PAYLOAD_BYTES - self.heap_bytes {
                return Err(reader.expected("lengths that are possible before here"));
            }
            *word = heap_word(self.heap_bytes, length);
            self.heap_bytes += length;
            group.stored += length - kept;
            before = length;
        }
        Ok(())
    }

    /// The codes of all values, each whole.
    fn take_heap(&self, reader: &mut Reader<'_>) -> Result<Vec<u8>, Malformed> {
        let mut stored = Vec::with_capacity(self.groups.len());
        for group in &self.groups {
            stored.push(reader.take(group.stored, "the codes of values")?);
        }
        // Bounded now: what is kept of other codes is at most so many times what is stored.
        let mut heap = Vec::with_capacity(self.heap_bytes);
        for (group, mut stored) in self.groups.iter().zip(stored) {
            let mut before = 0;
            for (word, kept) in self.words_of(group).iter().zip(&group.kept) {
                let (further, rest) = stored.split_at(length_of(*word) - kept);
                heap.extend_from_within(before..before + kept);
                heap.extend_from_slice(further);
                (before, stored) = (start_of(*word), rest);
            }
            heap.extend_from_slice(stored);
        }
        Ok(heap)
    }

    /// The words of codes that follow each other in the heap.
    fn words_of<'v>(&'v self, group: &'v Group) -> &'v [i64] {
        if group.shared.is_empty() { &self.words[group.rows.clone()] } else { &group.shared }
    }

    /// True if every word or code is that of a value of its type.
    fn are_sound(&self, heap: &[u8]) -> bool {
        self.groups.iter().all(|group| {
            let value = |tag, word| is_sound(value_at(tag, word, heap));
            let words = self.words_of(group);
            match group.tag {
                Some(Tag::Long | Tag::Instant | Tag::Ref | Tag::Bytes) => true,
                Some(Tag::String | Tag::Uri) if is_ascii(words, heap) => true,
                Some(tag) => words.iter().all(|word| value(tag, *word)),
                None => group.rows.clone().all(|row| value(self.tags[row], self.words[row])),
            }
        })
    }

    /// From rows by attribute to rows in their order.
    fn spread(self, attributes: &[u32], which: &[u32], counts: &[usize], columns: &mut Columns) {
        if let [a] = attributes {
            columns.a = vec![*a; columns.e.len()];
        } else {
            columns.a = which.iter().map(|place| attributes[*place as usize]).collect();
        }
        if which.is_sorted() {
            (columns.tag, columns.word) = (self.tags, self.words);
            return;
        }
        let mut next = starts(counts);
        columns.tag.reserve(which.len());
        columns.word.reserve(which.len());
        for place in which {
            let row = &mut next[*place as usize];
            columns.tag.push(self.tags[*row]);
            columns.word.push(self.words[*row]);
            *row += 1;
        }
    }
}

/// True if the codes that these words point at, one after another, are ASCII: text, wherever it is cut.
fn is_ascii(words: &[i64], heap: &[u8]) -> bool {
    let (Some(first), Some(last)) = (words.first(), words.last()) else { return true };
    heap[start_of(*first)..start_of(*last) + length_of(*last)].is_ascii()
}
