//! A directory: its children's names, counts, separators and limits.
//!
//! ```text
//!   level:1  flags:1  children
//!   jobs     (epoch, job:8) of each job that wrote a child, in the order of their first child
//!   columns  job's number, unless there is one job; ordinal, as the step from the child before; rows;
//!            leaves, above level 1; least from, as the step from the child before; most from, above the least;
//!            the same of to, if flag 1 says that rows are closed; bytes
//!   keys     bytes shared with the key before, further bytes; then the further bytes of all
//! ```
//!
//! Children ascend by key. A child's key is not above the first key of its rows and above the last key of the rows
//! before it, so the child that may hold a key is the last whose own is not above it. Decoding trusts nothing: counts
//! cannot overflow, keys ascend, limits are in order, and no length is believed before the bytes are there.

use crate::tree::{Entry, Name, Zone};
use crate::wire::{Malformed, Reader, put_signed, put_unsigned};

/// The version of the payload written here.
pub(crate) const DIRECTORY_VERSION: u8 = 1;

/// The most bytes the keys of one directory have: a directory with longer ones is cut after its second child.
const MAX_KEY_BYTES: usize = 1 << 24;
const CLOSED: u8 = 1;

/// A directory as it is searched.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Directory {
    /// 1 if its children are leaves, else one more than theirs.
    pub(crate) level: u8,
    pub(crate) entries: Vec<Entry>,
    /// Rows before each child, and at the end all rows.
    pub(crate) ranks: Vec<u64>,
    /// Leaves under it.
    pub(crate) leaves: u64,
    /// Bytes of its children's frames and all under them.
    pub(crate) child_bytes: u64,
    keys: Keys,
    /// Bytes that all keys but the first begin with.
    shared: usize,
    /// The eight bytes of each key after the shared ones: a search touches few lines of memory.
    heads: Vec<u64>,
}

/// Byte strings, one after another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Keys {
    heap: Vec<u8>,
    ends: Vec<u32>,
}

impl Keys {
    pub(crate) fn push(&mut self, key: &[u8]) {
        self.heap.extend_from_slice(key);
        self.end();
    }

    fn end(&mut self) {
        self.ends.push(u32::try_from(self.heap.len()).expect("directories are cut long before"));
    }

    pub(crate) fn get(&self, at: usize) -> &[u8] {
        let start = if at == 0 { 0 } else { self.ends[at - 1] as usize };
        &self.heap[start..self.ends[at] as usize]
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Bytes of all of them.
    pub(crate) fn bytes(&self) -> usize {
        self.heap.len()
    }
}

impl Directory {
    /// From children and their keys, ascending; none if the counts of all together are too large for a number.
    pub(crate) fn new(level: u8, entries: Vec<Entry>, keys: Keys) -> Option<Directory> {
        debug_assert!(!entries.is_empty() && entries.len() == keys.len());
        let (mut ranks, mut rows, mut leaves, mut child_bytes) =
            (Vec::with_capacity(entries.len() + 1), 0u64, 0u64, 0u64);
        for entry in &entries {
            ranks.push(rows);
            rows = rows.checked_add(entry.rows)?;
            leaves = leaves.checked_add(entry.leaves)?;
            child_bytes = child_bytes.checked_add(entry.bytes)?;
        }
        ranks.push(rows);
        let last = keys.get(keys.len() - 1);
        let shared = if keys.len() > 1 { common(keys.get(1), last) } else { 0 };
        let heads = (1..keys.len()).map(|child| head(&keys.get(child)[shared..])).collect();
        Some(Directory { level, entries, ranks, leaves, child_bytes, keys, shared, heads })
    }

    /// The lower key of a child: it is not above the child's first key, and above the last key of the child before.
    /// The first child of the leftmost path has the empty key.
    pub(crate) fn key(&self, child: usize) -> &[u8] {
        self.keys.get(child)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Rows under it.
    pub(crate) fn rows(&self) -> u64 {
        self.ranks[self.len()]
    }

    /// Limits of the times of all rows.
    pub(crate) fn zone(&self) -> Zone {
        let zones = self.entries.iter().map(|entry| entry.zone);
        zones.reduce(Zone::widened).expect("a directory has a child")
    }

    /// The child that may hold a key.
    #[inline]
    pub(crate) fn child_of(&self, key: &[u8]) -> usize {
        self.later_keys(key, |found| found <= key)
    }

    /// The last child that may hold a key below this one.
    #[inline]
    pub(crate) fn child_below(&self, key: &[u8]) -> usize {
        self.later_keys(key, |found| found < key)
    }

    /// How many of the children after the first have a key that is before: keys below `key` are, those above are not.
    fn later_keys(&self, key: &[u8], before: impl Fn(&[u8]) -> bool) -> usize {
        if self.heads.is_empty() {
            return 0;
        }
        let known = key.len().min(self.shared);
        match key[..known].cmp(&self.keys.get(1)[..self.shared]) {
            std::cmp::Ordering::Less => return 0,
            std::cmp::Ordering::Greater => return self.heads.len(),
            std::cmp::Ordering::Equal => {}
        }
        let wanted = head(&key[self.shared..]);
        let start = self.heads.partition_point(|head| *head < wanted);
        let alike = self.heads[start..].partition_point(|head| *head == wanted);
        // Mostly none or one.
        crate::run::bisect(start..start + alike, |at| before(self.keys.get(at + 1)))
    }

    /// The child that holds the row of a rank.
    pub(crate) fn child_at(&self, rank: u64) -> usize {
        self.ranks[1..self.len()].partition_point(|before| *before <= rank)
    }

    /// Bytes of memory, nearly.
    pub(crate) fn bytes(&self) -> usize {
        let words = self.ranks.len() + self.heads.len();
        self.entries.len() * size_of::<Entry>() + words * 8 + self.keys.heap.len() + self.keys.ends.len() * 4
    }
}

/// How many bytes two keys begin with in common.
fn common(x: &[u8], y: &[u8]) -> usize {
    x.iter().zip(y).take_while(|(x, y)| x == y).count()
}

/// The first eight bytes as a number; it sorts as the bytes do, as far as it goes.
fn head(bytes: &[u8]) -> u64 {
    match bytes.first_chunk::<8>() {
        Some(first) => u64::from_be_bytes(*first),
        None => {
            let mut first = [0; 8];
            first[..bytes.len()].copy_from_slice(bytes);
            u64::from_be_bytes(first)
        }
    }
}

/// Appends the payload of a directory to `out`.
pub(crate) fn encode(directory: &Directory, out: &mut Vec<u8>) {
    let entries = &directory.entries;
    let closed = entries.iter().any(|entry| entry.zone.to != (u64::MAX, u64::MAX));
    out.extend_from_slice(&[directory.level, if closed { CLOSED } else { 0 }]);
    put_unsigned(out, entries.len() as u64);
    put_names(entries, out);
    entries.iter().for_each(|entry| put_unsigned(out, entry.rows));
    if directory.level > 1 {
        entries.iter().for_each(|entry| put_unsigned(out, entry.leaves));
    }
    put_limits(entries, |zone| zone.from, out);
    if closed {
        put_limits(entries, |zone| zone.to, out);
    }
    entries.iter().for_each(|entry| put_unsigned(out, entry.bytes));
    put_keys(directory, out);
}

fn put_names(entries: &[Entry], out: &mut Vec<u8>) {
    let mut jobs: Vec<(u64, u64)> = Vec::new();
    let mut numbers = Vec::with_capacity(entries.len());
    for Entry { name, .. } in entries {
        let job = (name.epoch, name.job);
        let known = jobs.iter().rposition(|other| *other == job);
        numbers.push(known.unwrap_or_else(|| {
            jobs.push(job);
            jobs.len() - 1
        }));
    }
    put_unsigned(out, jobs.len() as u64);
    for (epoch, job) in &jobs {
        put_unsigned(out, *epoch);
        out.extend_from_slice(&job.to_be_bytes());
    }
    if jobs.len() > 1 {
        numbers.iter().for_each(|number| put_unsigned(out, *number as u64));
    }
    put_steps(entries.iter().map(|entry| entry.name.ordinal), out);
}

/// Numbers, each as the step from the one before.
fn put_steps(numbers: impl Iterator<Item = u64>, out: &mut Vec<u8>) {
    numbers.fold(0u64, |before, number| {
        put_signed(out, number.wrapping_sub(before) as i64);
        number
    });
}

fn put_limits(entries: &[Entry], limits: impl Fn(&Zone) -> (u64, u64), out: &mut Vec<u8>) {
    put_steps(entries.iter().map(|entry| limits(&entry.zone).0), out);
    for (least, most) in entries.iter().map(|entry| limits(&entry.zone)) {
        put_unsigned(out, most - least);
    }
}

fn put_keys(directory: &Directory, out: &mut Vec<u8>) {
    let shared = |child: usize| match child {
        0 => 0,
        _ => common(directory.key(child - 1), directory.key(child)),
    };
    for child in 0..directory.len() {
        put_unsigned(out, shared(child) as u64);
        put_unsigned(out, (directory.key(child).len() - shared(child)) as u64);
    }
    for child in 0..directory.len() {
        out.extend_from_slice(&directory.key(child)[shared(child)..]);
    }
}

/// Reads the payload of a directory.
pub(crate) fn decode(payload: &[u8]) -> Result<Directory, Malformed> {
    let mut reader = Reader::new(payload);
    let level = reader.byte("a level")?;
    if level == 0 {
        return Err(reader.expected("a level above 0"));
    }
    let flags = reader.byte("flags")?;
    if flags & !CLOSED != 0 {
        return Err(reader.expected("known flags"));
    }
    // A step, rows, two limits, bytes and two lengths of a key.
    let children = reader.count(7, "as many children as there are bytes for")?;
    if children == 0 {
        return Err(reader.expected("a child"));
    }
    let names = names(&mut reader, children)?;
    let rows = numbers(&mut reader, children, "rows")?;
    let leaves = if level > 1 { numbers(&mut reader, children, "leaves")? } else { vec![1; children] };
    let from = limits(&mut reader, children)?;
    let to = if flags & CLOSED != 0 {
        limits(&mut reader, children)?
    } else {
        vec![(u64::MAX, u64::MAX); children]
    };
    let bytes = numbers(&mut reader, children, "bytes")?;
    let entry = |child: usize| Entry {
        name: names[child],
        rows: rows[child],
        leaves: leaves[child],
        zone: Zone { from: from[child], to: to[child] },
        bytes: bytes[child],
    };
    let entries = (0..children).map(entry).collect();
    let keys = keys(&mut reader, children)?;
    let overflow = reader.expected("sums below 2^64");
    reader.finish()?;
    Directory::new(level, entries, keys).ok_or(overflow)
}

fn numbers(reader: &mut Reader<'_>, count: usize, what: &'static str) -> Result<Vec<u64>, Malformed> {
    (0..count).map(|_| reader.unsigned(what)).collect()
}

fn steps(reader: &mut Reader<'_>, count: usize, what: &'static str) -> Result<Vec<u64>, Malformed> {
    let mut number = 0u64;
    let mut next = || {
        number = number.wrapping_add(reader.signed(what)? as u64);
        Ok(number)
    };
    (0..count).map(|_| next()).collect()
}

fn limits(reader: &mut Reader<'_>, count: usize) -> Result<Vec<(u64, u64)>, Malformed> {
    let least = steps(reader, count, "a least time")?;
    let limits = |least: u64| {
        let most = least.checked_add(reader.unsigned("a span of times")?);
        Ok((least, most.ok_or(reader.expected("a time below 2^64"))?))
    };
    least.into_iter().map(limits).collect()
}

fn names(reader: &mut Reader<'_>, children: usize) -> Result<Vec<Name>, Malformed> {
    let count = reader.count(9, "jobs")?;
    let mut job = || Ok((reader.unsigned("an epoch")?, u64::from_be_bytes(reader.array("a job")?)));
    let jobs = (0..count).map(|_| job()).collect::<Result<Vec<_>, Malformed>>()?;
    let numbers = if count == 1 { vec![0; children] } else { numbers(reader, children, "a job's number")? };
    let ordinals = steps(reader, children, "an ordinal")?;
    let name = |(number, ordinal): (u64, u64)| {
        let job = usize::try_from(number).ok().and_then(|number| jobs.get(number));
        let (epoch, job) = *job.ok_or(reader.expected("the number of a job"))?;
        Ok(Name { epoch, job, ordinal })
    };
    numbers.into_iter().zip(ordinals).map(name).collect()
}

fn keys(reader: &mut Reader<'_>, children: usize) -> Result<Keys, Malformed> {
    let mut lengths = Vec::with_capacity(children);
    for _ in 0..children {
        let shared = reader.unsigned("shared bytes of a key")?;
        let further = reader.unsigned("further bytes of a key")?;
        match (usize::try_from(shared), usize::try_from(further)) {
            (Ok(shared), Ok(further)) => lengths.push((shared, further)),
            _ => return Err(reader.expected("a key's length")),
        }
    }
    let mut keys = Keys::default();
    let mut start = 0;
    for (child, (shared, further)) in lengths.into_iter().enumerate() {
        let before = start..keys.heap.len();
        start = before.end;
        if shared > before.len() {
            return Err(reader.expected("no more shared bytes than the key before has"));
        }
        let taken = reader.take(further, "a key")?;
        if start + shared + taken.len() > MAX_KEY_BYTES {
            return Err(reader.expected("at most 16 MiB of keys"));
        }
        keys.heap.extend_from_within(before.start..before.start + shared);
        keys.heap.extend_from_slice(taken);
        keys.end();
        if child > 0 && keys.heap[before.clone()] >= keys.heap[start..] {
            return Err(reader.expected("ascending keys"));
        }
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Some children with ascending keys: few different bytes, so that keys share much.
    fn directories() -> impl Strategy<Value = Directory> {
        let key = prop_oneof![
            prop::collection::vec(prop::sample::select(vec![0u8, 1, 0xff]), 0..12),
            prop::collection::vec(any::<u8>(), 8..30),
        ];
        let number = || prop_oneof![0u64..300, any::<u64>().prop_map(|n| n >> 8)];
        let names = (number(), 0u64..3, 0u64..2);
        let child = (names, number(), number(), (number(), number(), number(), number()), number());
        let children = prop::collection::btree_map(key, child, 1..60);
        let alike = (0usize..10).prop_map(|bytes| vec![7u8; bytes]);
        (children, 1u8..4, any::<bool>(), alike).prop_map(|(children, level, closed, alike)| {
            let (mut entries, mut keys) = (Vec::new(), Keys::default());
            for (key, ((ordinal, job, epoch), rows, leaves, times, bytes)) in children {
                keys.push(&[alike.as_slice(), key.as_slice()].concat());
                let limits = |x: u64, y: u64| (x.min(y), x.max(y));
                let to = if closed { limits(times.2, times.3) } else { (u64::MAX, u64::MAX) };
                entries.push(Entry {
                    name: Name { epoch, job: job.wrapping_mul(u64::MAX / 3), ordinal },
                    rows,
                    leaves: if level == 1 { 1 } else { leaves },
                    zone: Zone { from: limits(times.0, times.1), to },
                    bytes,
                });
            }
            Directory::new(level, entries, keys).expect("sixty times 2^56 is less than 2^64")
        })
    }

    fn encoded(directory: &Directory) -> Vec<u8> {
        let mut out = Vec::new();
        encode(directory, &mut out);
        out
    }

    /// Whatever a damaged payload gives can be searched.
    fn check_damaged(payload: &[u8]) {
        if let Ok(directory) = decode(payload) {
            assert!((1..directory.len()).all(|child| directory.key(child - 1) < directory.key(child)));
            assert!(directory.ranks.is_sorted() && directory.ranks.len() == directory.len() + 1);
            assert!(directory.child_of(&[7, 7, 7]) < directory.len());
        }
    }

    proptest! {
        #[test]
        fn directories_come_back(directory in directories()) {
            prop_assert_eq!(decode(&encoded(&directory)), Ok(directory));
        }

        #[test]
        fn searches_find_what_looking_at_all_finds(directory in directories(), key: Vec<u8>, at: prop::sample::Index) {
            let mut wanted = vec![key, Vec::new()];
            let own = directory.key(at.index(directory.len())).to_vec();
            wanted.extend([[&own[..], &[0]].concat(), own[..own.len().saturating_sub(1)].to_vec(), own]);
            for wanted in wanted {
                let last = |fits: &dyn Fn(&[u8]) -> bool| {
                    (0..directory.len()).rposition(|child| fits(directory.key(child))).unwrap_or(0)
                };
                prop_assert_eq!(directory.child_of(&wanted), last(&|key| key <= &wanted[..]));
                prop_assert_eq!(directory.child_below(&wanted), last(&|key| key < &wanted[..]));
            }
        }

        #[test]
        fn ranks_name_the_child_that_holds_them(directory in directories(), at: prop::sample::Index) {
            if directory.rows() > 0 {
                let rank = at.index(directory.rows().min(1 << 40) as usize) as u64;
                let child = directory.child_at(rank);
                prop_assert!((directory.ranks[child]..directory.ranks[child + 1]).contains(&rank));
            }
        }

        #[test]
        fn cut_directories_are_refused(directory in directories(), cut: prop::sample::Index) {
            let payload = encoded(&directory);
            prop_assert!(decode(&payload[..cut.index(payload.len())]).is_err());
            prop_assert!(decode(&[payload, vec![0]].concat()).is_err());
        }

        #[test]
        fn damaged_directories_never_panic(directory in directories(), at: prop::sample::Index, byte: u8) {
            let mut payload = encoded(&directory);
            let at = at.index(payload.len());
            payload[at] = byte;
            check_damaged(&payload);
        }

        #[test]
        fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            check_damaged(&bytes);
            check_damaged(&[&[1, 0], bytes.as_slice()].concat());
        }
    }

    #[test]
    fn sums_do_not_overflow() {
        let zone = Zone { from: (0, 0), to: (u64::MAX, u64::MAX) };
        let entry = Entry { name: Name::default(), rows: 1 << 63, leaves: 1, zone, bytes: 1 };
        let mut keys = Keys::default();
        keys.push(b"");
        keys.push(b"a");
        assert!(Directory::new(1, vec![entry; 2], keys).is_none());
    }

    #[test]
    fn shared_bytes_do_not_multiply_without_end() {
        // Two thousand children of which each key is the one before and a byte more, from 64 KiB on.
        let mut payload = vec![1, 0];
        put_unsigned(&mut payload, 2000);
        payload.extend_from_slice(&[1, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
        (0..2000).for_each(|_| payload.push(2));
        (0..4 * 2000).for_each(|_| payload.push(0));
        put_unsigned(&mut payload, 0);
        put_unsigned(&mut payload, 1 << 16);
        (1..2000).for_each(|child| {
            put_unsigned(&mut payload, (1 << 16) + child - 1);
            put_unsigned(&mut payload, 1);
        });
        payload.resize(payload.len() + (1 << 16) + 2000, 9);
        assert!(decode(&payload).unwrap_err().to_string().contains("16 MiB"));
    }

    #[test]
    fn a_directory_reads_as_documented() {
        let entry = |ordinal, rows, from, bytes| Entry {
            name: Name { epoch: 1, job: 0x0203, ordinal },
            rows,
            leaves: 1,
            zone: Zone { from, to: (u64::MAX, u64::MAX) },
            bytes,
        };
        let mut keys = Keys::default();
        keys.push(b"");
        keys.push(b"ab");
        keys.push(b"ad");
        let entries = vec![entry(5, 3, (10, 12), 100), entry(6, 4, (9, 9), 101), entry(4, 5, (20, 21), 102)];
        let directory = Directory::new(1, entries, keys).unwrap();
        #[rustfmt::skip]
        let expected = [
            1, 0, 3, // level, flags, children
            1, 1, 0, 0, 0, 0, 0, 0, 2, 3, // one job
            10, 2, 3, // ordinals 5, +1, -2
            3, 4, 5, // rows
            20, 1, 22, 2, 0, 1, // from 10, -1, +11; up to +2, +0, +1
            100, 101, 102, // bytes
            0, 0, 0, 2, 1, 1, b'a', b'b', b'd', // keys
        ];
        assert_eq!(encoded(&directory), expected);
    }
}
