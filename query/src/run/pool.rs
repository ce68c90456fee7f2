//! The values of a query that are more than a word, each held once and known by a number.
//!
//! Numbers are given in order of appearance and mean nothing outside the query. Two values have one number exactly if
//! they are the same EDN: a stored tuple and a vector of the same parts are one value, and a reference inside a tuple
//! is the number of its entity.

use std::hash::BuildHasher;
use std::sync::Arc;

use annals_storage::datom::{Tag, Value, ValueRef};
use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashTable};

use super::column::{Cell, Kind};
use crate::edn::Edn;

/// What a part of a value takes in its tree.
const EDN_PART_BYTES: usize = 32;

#[derive(Clone, Copy, Debug)]
struct Entry {
    kind: Kind,
    start: usize,
    length: usize,
}

/// The interned values of one query.
#[derive(Clone, Debug, Default)]
pub struct Pool {
    hasher: FixedState,
    codes: Vec<u8>,
    entries: Vec<Entry>,
    by_code: HashTable<u32>,
    /// Stored tuple codes as they come, before references in them are made numbers.
    tuples: HashMap<Box<[u8]>, Cell, FixedState>,
    edns: Vec<Edn>,
    by_edn: HashMap<Edn, u32, FixedState>,
    /// The bytes of `edns`, nearly.
    edn_bytes: usize,
    /// What `bytes` was when it was last noted.
    settled: usize,
}

impl Pool {
    /// The cell of a stored value.
    pub fn intern(&mut self, v: ValueRef<'_>) -> Cell {
        match v {
            ValueRef::Fixed(tag, word) => Cell { kind: Kind::of(tag), word },
            ValueRef::Variable(Tag::Tuple, bytes) => match self.tuples.get(bytes) {
                Some(cell) => *cell,
                None => {
                    let cell = self.intern_edn(&Edn::from(v.to_value()));
                    self.edn_bytes += bytes.len() + 2 * size_of::<Cell>();
                    self.tuples.insert(bytes.into(), cell);
                    cell
                }
            },
            ValueRef::Variable(tag, bytes) => self.intern_code(Kind::of(tag), bytes),
        }
    }

    /// The cell of a stored value, if the query has met it.
    pub fn find(&self, v: ValueRef<'_>) -> Option<Cell> {
        match v {
            ValueRef::Fixed(tag, word) => Some(Cell { kind: Kind::of(tag), word }),
            ValueRef::Variable(Tag::Tuple, bytes) => match self.tuples.get(bytes) {
                Some(cell) => Some(*cell),
                None => self.find_edn(&Edn::from(v.to_value())),
            },
            ValueRef::Variable(tag, bytes) => self.find_code(Kind::of(tag), bytes),
        }
    }

    /// The cell of any EDN value.
    pub fn intern_edn(&mut self, edn: &Edn) -> Cell {
        let Some(value) = storable(edn) else {
            let word = match self.by_edn.get(edn) {
                Some(number) => i64::from(*number),
                None => {
                    let number = number(self.edns.len());
                    self.edns.push(edn.clone());
                    self.edn_bytes += 2 * size_of::<Edn>() + EDN_PART_BYTES * parts(edn);
                    self.by_edn.insert(edn.clone(), number);
                    i64::from(number)
                }
            };
            return Cell { kind: Kind::EDN, word };
        };
        let mut scratch = Vec::new();
        value.with_ref(&mut scratch, |v| match v {
            ValueRef::Fixed(tag, word) => Cell { kind: Kind::of(tag), word },
            ValueRef::Variable(tag, bytes) => self.intern_code(Kind::of(tag), bytes),
        })
    }

    /// The EDN value of a cell.
    pub fn edn(&self, cell: Cell) -> Edn {
        match (cell.kind.tag(), cell.word) {
            (None, word) => self.edns[word as usize].clone(),
            (Some(Tag::Long), word) => Edn::Int(word),
            (Some(tag), word) if tag.is_fixed() => Edn::from(ValueRef::Fixed(tag, word).to_value()),
            (Some(tag), word) => Edn::from(ValueRef::Variable(tag, self.code(word)).to_value()),
        }
    }

    /// The cell as a value of an attribute of this type; none if no such attribute can hold it, or if its code there
    /// is not known (a tuple may hold references).
    pub fn as_stored(&self, cell: Cell, tag: Tag) -> Option<ValueRef<'_>> {
        match cell.kind.tag()? {
            Tag::Tuple => None,
            Tag::Long if tag == Tag::Ref => (cell.word >= 0).then_some(ValueRef::Fixed(Tag::Ref, cell.word)),
            own if own != tag => None,
            own if own.is_fixed() => Some(ValueRef::Fixed(own, cell.word)),
            own => Some(ValueRef::Variable(own, self.code(cell.word))),
        }
    }

    fn find_edn(&self, edn: &Edn) -> Option<Cell> {
        let Some(value) = storable(edn) else {
            return self.by_edn.get(edn).map(|number| Cell { kind: Kind::EDN, word: i64::from(*number) });
        };
        let mut scratch = Vec::new();
        value.with_ref(&mut scratch, |v| match v {
            ValueRef::Fixed(tag, word) => Some(Cell { kind: Kind::of(tag), word }),
            ValueRef::Variable(tag, bytes) => self.find_code(Kind::of(tag), bytes),
        })
    }

    /// The bytes of all that is interned, nearly.
    pub fn bytes(&self) -> usize {
        self.codes.len() + self.entries.len() * (size_of::<Entry>() + 2 * size_of::<u32>()) + self.edn_bytes
    }

    /// The bytes; from here on [`Pool::new_bytes`] counts anew.
    pub fn settle(&mut self) -> usize {
        self.settled = self.bytes();
        self.settled
    }

    /// The bytes that came since they were settled.
    pub fn new_bytes(&self) -> usize {
        self.bytes() - self.settled
    }

    fn code(&self, word: i64) -> &[u8] {
        let entry = self.entries[word as usize];
        &self.codes[entry.start..entry.start + entry.length]
    }

    fn find_code(&self, kind: Kind, bytes: &[u8]) -> Option<Cell> {
        let hash = self.hasher.hash_one((kind, bytes));
        let same = |number: &u32| self.is(*number, kind, bytes);
        self.by_code.find(hash, same).map(|number| Cell { kind, word: i64::from(*number) })
    }

    fn is(&self, number: u32, kind: Kind, bytes: &[u8]) -> bool {
        self.entries[number as usize].kind == kind && self.code(i64::from(number)) == bytes
    }

    fn intern_code(&mut self, kind: Kind, bytes: &[u8]) -> Cell {
        let hash = self.hasher.hash_one((kind, bytes));
        if let Some(number) = self.by_code.find(hash, |number| self.is(*number, kind, bytes)) {
            return Cell { kind, word: i64::from(*number) };
        }
        let number = number(self.entries.len());
        self.entries.push(Entry { kind, start: self.codes.len(), length: bytes.len() });
        self.codes.extend_from_slice(bytes);
        let Pool { hasher, codes, entries, by_code, .. } = self;
        by_code.insert_unique(hash, number, |number| {
            let entry = entries[*number as usize];
            hasher.hash_one((entry.kind, &codes[entry.start..entry.start + entry.length]))
        });
        Cell { kind, word: i64::from(number) }
    }
}

/// How many values stand in a value, itself included; of large ones only the outer.
fn parts(edn: &Edn) -> usize {
    match edn {
        Edn::List(parts) | Edn::Vector(parts) => 1 + parts.len(),
        Edn::Set(parts) => 1 + parts.len(),
        Edn::Map(pairs) => 1 + 2 * pairs.len(),
        _ => 1,
    }
}

fn number(length: usize) -> u32 {
    u32::try_from(length).expect("a query meets fewer than 2^32 distinct values")
}

/// The value that facts would hold for this EDN; a vector of such values is a tuple. None if there is none.
pub fn storable(edn: &Edn) -> Option<Value> {
    Some(match edn {
        Edn::Vector(parts) => {
            let slot = |part: &Edn| match part {
                Edn::Nil => Some(None),
                Edn::Vector(_) => None,
                part => storable(part).map(Some),
            };
            Value::Tuple(parts.iter().map(slot).collect::<Option<Vec<_>>>()?.into())
        }
        Edn::Bool(b) => Value::Boolean(*b),
        Edn::Int(n) => Value::Long(*n),
        Edn::BigInt(n) => Value::BigInt(n.clone()),
        Edn::Float(x) => Value::Float(x.0 as f32),
        Edn::Double(x) => Value::Double(x.0),
        // A code with more digits than this is not read back.
        Edn::BigDec(d) if d.digits_and_scale().0.bits() > 1 << 20 => return None,
        Edn::BigDec(d) => Value::BigDec(Arc::clone(d)),
        Edn::Inst(i) => Value::Instant(*i),
        Edn::Uuid(u) => Value::Uuid(*u),
        Edn::Keyword(k) => Value::Keyword(k.clone()),
        Edn::Symbol(s) => Value::Symbol(s.clone()),
        Edn::String(s) => Value::String(s.clone()),
        Edn::Uri(u) => Value::Uri(u.clone()),
        Edn::Bytes(b) => Value::Bytes(b.clone()),
        Edn::Nil | Edn::Char(_) | Edn::List(_) | Edn::Set(_) | Edn::Map(_) | Edn::Tagged(..) => return None,
    })
}

#[cfg(test)]
mod tests {
    use annals_storage::datom::EntityId;

    use super::*;

    fn cell(pool: &mut Pool, value: &Value) -> Cell {
        value.with_ref(&mut Vec::new(), |v| pool.intern(v))
    }

    #[test]
    fn a_reference_is_its_number_also_inside_a_tuple() {
        let mut pool = Pool::default();
        assert_eq!(cell(&mut pool, &Value::Ref(EntityId(7))), cell(&mut pool, &Value::Long(7)));
        let stored = Value::Tuple([Some(Value::Ref(EntityId(7))), None].into());
        let given = Edn::Vector(vec![Edn::Int(7), Edn::Nil]);
        assert_eq!(cell(&mut pool, &stored), pool.intern_edn(&given));
        assert_eq!(cell(&mut pool, &stored), pool.intern_edn(&given), "and again, from memory");
    }

    #[test]
    fn equal_bytes_of_different_types_are_different_values() {
        let mut pool = Pool::default();
        let text = cell(&mut pool, &Value::string("a"));
        assert_ne!(text, cell(&mut pool, &Value::Uri("a".into())));
        assert_eq!(text, pool.intern_edn(&Edn::string("a")));
        assert_eq!(pool.edn(text), Edn::string("a"));
    }

    #[test]
    fn what_no_fact_can_hold_still_has_one_number() {
        let mut pool = Pool::default();
        let nested = Edn::Vector(vec![Edn::Vector(vec![Edn::Int(1)])]);
        for edn in [Edn::Nil, Edn::Char('x'), nested, Edn::Map([(Edn::Nil, Edn::Int(1))].into())] {
            let cell = pool.intern_edn(&edn);
            assert_eq!(cell, pool.intern_edn(&edn));
            assert_eq!(pool.edn(cell), edn);
        }
    }
}
