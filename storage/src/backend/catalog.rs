//! The databases of a storage: a sequence of slots, each a database created, forked or dropped.
//!
//! Whoever fills the next slot decides: of two who create one name at once, the second finds the slot taken, reads
//! what stands there, and uses that database. Entries are never changed; a name may be used again after a drop, the
//! id of a database never. A database that was dropped is deleted when no fork reads its past any more.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{DatabaseId, Filled, Lineage, Sequence, Storage, settle};
use crate::datom::T;
use crate::error::{Error, Result};
use crate::frame::{self, Expected, Kind};
use crate::wire::{Malformed, Reader, put_bytes, put_unsigned};

/// The newest version of the payload that is read here. Forks are written as such; all else as version 1, so that
/// only who forks leaves older builds behind.
const ENTRY_VERSION: u8 = 2;
/// The longest name of a database.
const MAX_NAME_BYTES: usize = 64;
/// How many entries are read at once.
const READ_AHEAD: usize = 64;

const CREATE: u8 = 1;
const DROP: u8 = 2;
const FORK: u8 = 3;

/// What creating a database found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Created {
    /// The database of that name.
    pub id: DatabaseId,
    /// False if it was there before.
    pub new: bool,
}

/// Where a fork parts from its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parting {
    /// The database whose past it shares.
    pub parent: DatabaseId,
    /// The batch of the parent that holds the last transaction they share: the first that the fork writes itself.
    pub batch: u64,
    /// That transaction.
    pub t: T,
}

/// How forking ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forked {
    /// The fork is there.
    Done,
    /// The name is taken.
    NameTaken,
    /// The parent was dropped.
    NoParent,
}

/// The databases of a storage. Every call reads what is new in it first.
#[derive(Debug)]
pub struct Catalog {
    storage: Arc<dyn Storage>,
    next: u64,
    names: BTreeMap<String, DatabaseId>,
    dropped: BTreeMap<DatabaseId, String>,
    /// Forks, dropped ones too.
    partings: BTreeMap<DatabaseId, Parting>,
}

#[derive(Debug, PartialEq, Eq)]
struct Entry {
    seq: u64,
    change: u8,
    id: DatabaseId,
    name: String,
    /// Of a fork.
    parting: Option<Parting>,
}

impl Catalog {
    /// Reads the catalog of a storage.
    pub fn open(storage: Arc<dyn Storage>) -> Result<Catalog> {
        let (names, dropped, partings) = Default::default();
        let mut catalog = Catalog { storage, next: 0, names, dropped, partings };
        catalog.catch_up()?;
        Ok(catalog)
    }

    /// All databases by name.
    pub fn list(&mut self) -> Result<Vec<(String, DatabaseId)>> {
        self.catch_up()?;
        Ok(self.names.iter().map(|(name, id)| (name.clone(), *id)).collect())
    }

    /// The database of a name.
    pub fn find(&mut self, name: &str) -> Result<Option<DatabaseId>> {
        check_name(name)?;
        self.catch_up()?;
        Ok(self.names.get(name).copied())
    }

    /// The database of a name, created under `id` if there is none. The id must be random and not zero.
    pub fn create(&mut self, name: &str, id: DatabaseId) -> Result<Created> {
        loop {
            if let Some(id) = self.find(name)? {
                return Ok(Created { id, new: false });
            }
            self.refuse_used(id)?;
            if self.add(CREATE, name, id, None)? {
                return Ok(Created { id, new: true });
            }
        }
    }

    /// Makes a database under `id` that shares the past of another. The entry is the fork: what it needs of its own
    /// is made by whoever opens it first.
    pub fn fork(&mut self, name: &str, id: DatabaseId, parting: Parting) -> Result<Forked> {
        loop {
            if self.find(name)?.is_some() {
                return Ok(Forked::NameTaken);
            }
            if !self.lives(parting.parent) {
                return Ok(Forked::NoParent);
            }
            self.refuse_used(id)?;
            if self.add(FORK, name, id, Some(parting))? {
                return Ok(Forked::Done);
            }
        }
    }

    fn refuse_used(&self, id: DatabaseId) -> Result<()> {
        if id.0 == 0 || self.is_used(id) {
            let what = format!("database id {id} was used before; ids are random");
            return Err(Error::OutOfOrder { place: Sequence::Catalog.slot(self.next), what });
        }
        Ok(())
    }

    fn is_used(&self, id: DatabaseId) -> bool {
        self.dropped.contains_key(&id) || self.lives(id)
    }

    fn lives(&self, id: DatabaseId) -> bool {
        self.names.values().any(|living| *living == id)
    }

    /// A database and those whose past it shares, as far as the catalog was read.
    pub fn lineage(&self, id: DatabaseId) -> Lineage {
        let (mut forks, mut oldest) = (Vec::new(), id);
        // A parent is older than its forks, so this comes to an end.
        while let Some(parting) = self.partings.get(&oldest) {
            forks.push((oldest, parting));
            oldest = parting.parent;
        }
        let lineage = Lineage::from(oldest);
        forks.into_iter().rev().fold(lineage, |parent, (id, at)| parent.forked(id, at.batch, at.t))
    }

    /// The databases, not dropped, that share the past of this one, as far as the catalog was read.
    pub fn forks_of(&self, id: DatabaseId) -> Vec<Lineage> {
        let lineages =
            self.names.values().filter(|living| **living != id).map(|living| self.lineage(*living));
        lineages.filter(|lineage| lineage.members().any(|(member, _)| member == id)).collect()
    }

    /// The ancestors of a database that were dropped, as far as the catalog was read: kept for their forks.
    pub fn dropped_ancestors(&self, id: DatabaseId) -> Vec<DatabaseId> {
        let ancestors = self.lineage(id);
        let ancestors = ancestors.members().map(|(member, _)| member);
        ancestors.filter(|member| *member != id && self.dropped.contains_key(member)).collect()
    }

    /// Drops the database of a name and deletes all it holds; `None` if there was none.
    ///
    /// Dropped is dropped once the entry stands. Should the deletion then fail, dropping the name again completes it.
    /// What forks read stays until the last of them is dropped.
    pub fn drop(&mut self, name: &str) -> Result<Option<DatabaseId>> {
        loop {
            let found = self.find(name)?;
            if let Some(id) = found
                && !self.add(DROP, name, id, None)?
            {
                continue;
            }
            let of_that_name = self.dropped.iter().filter(|(_, dropped)| *dropped == name);
            let of_that_name: Vec<DatabaseId> = of_that_name.map(|(id, _)| *id).collect();
            for id in of_that_name {
                for dropped in [id].into_iter().chain(self.dropped_ancestors(id)) {
                    if self.forks_of(dropped).is_empty() {
                        settle::repeat(|| self.storage.delete_database(dropped))?;
                    }
                }
            }
            return Ok(found);
        }
    }

    /// Adds an entry; false if another one took the slot first, which is read then.
    fn add(&mut self, change: u8, name: &str, id: DatabaseId, parting: Option<Parting>) -> Result<bool> {
        let entry = Entry { seq: self.next, change, id, name: name.to_owned(), parting };
        let bytes = frame::seal(Kind::Catalog, entry.version(), DatabaseId(0), &entry.encode())?;
        let filled = settle::fill(&*self.storage, Sequence::Catalog, self.next, &bytes)?;
        let ours = filled == Filled::Done;
        self.accept(match &filled {
            Filled::Done => &bytes,
            Filled::Taken(there) => there,
        })?;
        Ok(ours)
    }

    fn catch_up(&mut self) -> Result<()> {
        loop {
            let from = self.next;
            let slots = settle::repeat(|| self.storage.read_slots(Sequence::Catalog, from, READ_AHEAD))?;
            if slots.is_empty() {
                return Ok(());
            }
            slots.iter().try_for_each(|bytes| self.accept(bytes))?;
        }
    }

    fn accept(&mut self, bytes: &[u8]) -> Result<()> {
        let place = Sequence::Catalog.slot(self.next);
        let corrupt = |what: String| Error::corrupt(&place, what);
        let expected = Expected {
            kind: Kind::Catalog,
            kind_version: ENTRY_VERSION,
            database: DatabaseId(0),
            place: &place,
        };
        let opened = frame::open(bytes, &expected)?;
        let entry = Entry::decode(&opened.payload).map_err(|malformed| corrupt(malformed.to_string()))?;
        if entry.seq != self.next {
            return Err(corrupt(format!("entry number {}, expected {}", entry.seq, self.next)));
        }
        check_name(&entry.name).map_err(|error| corrupt(error.to_string()))?;
        match (entry.change, entry.parting, self.names.get(&entry.name)) {
            (CREATE, None, None) => {
                self.names.insert(entry.name, entry.id);
            }
            (FORK, Some(parting), None) if self.lives(parting.parent) && !self.is_used(entry.id) => {
                self.names.insert(entry.name, entry.id);
                self.partings.insert(entry.id, parting);
            }
            (DROP, None, Some(id)) if *id == entry.id => {
                self.names.remove(&entry.name);
                self.dropped.insert(entry.id, entry.name);
            }
            (change, _, found) => {
                return Err(corrupt(format!("change {change} of {:?}, which is {found:?}", entry.name)));
            }
        }
        self.next += 1;
        Ok(())
    }
}

impl Entry {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_unsigned(&mut out, self.seq);
        out.push(self.change);
        out.extend_from_slice(&self.id.0.to_be_bytes());
        put_bytes(&mut out, self.name.as_bytes());
        if let Some(Parting { parent, batch, t }) = self.parting {
            out.extend_from_slice(&parent.0.to_be_bytes());
            put_unsigned(&mut out, batch);
            put_unsigned(&mut out, t);
        }
        out
    }

    fn version(&self) -> u8 {
        if self.parting.is_some() { ENTRY_VERSION } else { 1 }
    }

    fn decode(payload: &[u8]) -> Result<Entry, Malformed> {
        let mut reader = Reader::new(payload);
        let seq = reader.unsigned("the entry's number")?;
        let change = reader.byte("create, drop or fork")?;
        let id = DatabaseId(u128::from_be_bytes(reader.array("a database's id")?));
        let no_text = reader.expected("a name in UTF-8");
        let name = String::from_utf8(reader.length_and_bytes("a name")?.to_vec()).map_err(|_| no_text)?;
        let parting = if change == FORK {
            Some(Parting {
                parent: DatabaseId(u128::from_be_bytes(reader.array("the id of a fork's parent")?)),
                batch: reader.unsigned("the batch at which a fork parts")?,
                t: reader.unsigned("the last transaction that a fork shares")?,
            })
        } else {
            None
        };
        reader.finish()?;
        Ok(Entry { seq, change, id, name, parting })
    }
}

/// Refuses a name no database can have.
pub fn check_name(name: &str) -> Result<()> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.bytes().all(allowed) {
        return Err(Error::BadName { name: name.chars().take(MAX_NAME_BYTES + 1).collect() });
    }
    Ok(())
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use std::collections::BTreeSet;
    use std::thread;

    use super::super::MemoryStorage;
    use super::super::fault::{Fault, FaultyStorage};
    use super::*;

    fn catalog(storage: &MemoryStorage) -> Catalog {
        Catalog::open(Arc::new(storage.clone())).expect("a sound catalog")
    }

    #[test]
    fn databases_are_created_once_found_and_dropped() {
        let storage = MemoryStorage::new();
        let mut databases = catalog(&storage);
        assert_eq!(
            databases.create("main", DatabaseId(7)).unwrap(),
            Created { id: DatabaseId(7), new: true }
        );
        assert_eq!(
            databases.create("main", DatabaseId(8)).unwrap(),
            Created { id: DatabaseId(7), new: false }
        );
        databases.create("a.b_c-D9", DatabaseId(9)).unwrap();
        let listed = [("a.b_c-D9".to_owned(), DatabaseId(9)), ("main".to_owned(), DatabaseId(7))];
        assert_eq!(catalog(&storage).list().unwrap(), listed);

        storage.fill_slot(Sequence::Log(DatabaseId(7)), 0, b"log").unwrap();
        assert_eq!(databases.drop("main").unwrap(), Some(DatabaseId(7)));
        assert_eq!(databases.drop("main").unwrap(), None);
        assert_eq!(catalog(&storage).find("main").unwrap(), None);
        assert!(storage.read_slots(Sequence::Log(DatabaseId(7)), 0, 1).unwrap().is_empty());
        assert_eq!(
            databases.create("main", DatabaseId(10)).unwrap(),
            Created { id: DatabaseId(10), new: true }
        );
        assert_eq!(
            databases.create("other", DatabaseId(7)).unwrap_err().keyword(),
            "db.error/log-out-of-order"
        );
    }

    #[test]
    fn names_are_checked() {
        let mut databases = catalog(&MemoryStorage::new());
        for name in ["", "a/b", "ä", "a b", &"x".repeat(65)] {
            let error = databases.create(name, DatabaseId(1)).unwrap_err();
            assert_eq!(error.keyword(), "db.error/bad-database-name");
        }
        databases.create(&"x".repeat(64), DatabaseId(1)).unwrap();
    }

    #[test]
    fn racing_creators_end_with_one_database() {
        for round in 0..50 {
            let storage = MemoryStorage::new();
            let found: BTreeSet<_> = thread::scope(|scope| {
                let creators: Vec<_> = (1..=8)
                    .map(|n| {
                        let storage = storage.clone();
                        scope.spawn(move || {
                            catalog(&storage).create("main", DatabaseId(round * 10 + n)).unwrap()
                        })
                    })
                    .collect();
                creators.into_iter().map(|creator| creator.join().unwrap().id).collect()
            });
            assert_eq!(found.len(), 1);
            assert_eq!(catalog(&storage).list().unwrap().len(), 1);
        }
    }

    #[test]
    fn a_lost_reply_at_any_call_changes_nothing() {
        for fault in [Fault::LostReply, Fault::LostRequest, Fault::LateEffect { after: 2 }] {
            for call in 0..12 {
                let storage = Arc::new(FaultyStorage::new(Arc::new(MemoryStorage::new())).at(call, fault));
                let mut databases = Catalog::open(storage.clone()).unwrap();
                let created = databases.create("main", DatabaseId(7)).unwrap();
                assert_eq!(created, Created { id: DatabaseId(7), new: true }, "{fault:?} at call {call}");
                assert_eq!(databases.drop("main").unwrap(), Some(DatabaseId(7)));
                assert!(Catalog::open(storage).unwrap().list().unwrap().is_empty());
            }
        }
    }

    #[test]
    fn a_drop_that_was_cut_short_is_completed_by_the_next() {
        let memory = MemoryStorage::new();
        let log = Sequence::Log(DatabaseId(7));
        catalog(&memory).create("main", DatabaseId(7)).unwrap();
        memory.fill_slot(log, 0, b"log").unwrap();
        // Calls: two reads (open), a read (find), a fill, the deletion.
        let storage = FaultyStorage::new(Arc::new(memory.clone())).at(4, Fault::CrashBefore);
        assert!(Catalog::open(Arc::new(storage)).unwrap().drop("main").is_err());
        assert!(!memory.read_slots(log, 0, 1).unwrap().is_empty());
        assert_eq!(catalog(&memory).drop("main").unwrap(), None);
        assert!(memory.read_slots(log, 0, 1).unwrap().is_empty());
    }

    #[test]
    fn damage_is_found_and_named() {
        let storage = MemoryStorage::new();
        catalog(&storage).create("main", DatabaseId(7)).unwrap();
        let size = storage.read_slots(Sequence::Catalog, 0, 1).unwrap()[0].len();
        for at in 0..size {
            storage.damage_slot(Sequence::Catalog, 0, |bytes| bytes[at] ^= 0x10);
            let error = Catalog::open(Arc::new(storage.clone())).unwrap_err();
            assert!(error.to_string().contains("catalog slot 0"), "{error}");
            storage.damage_slot(Sequence::Catalog, 0, |bytes| bytes[at] ^= 0x10);
        }
    }
}
