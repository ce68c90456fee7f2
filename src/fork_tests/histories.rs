//! Random families of databases: each goes its own way, whatever happens to the others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use annals_storage::backend::{MemoryStorage, Sequence, Storage};
use proptest::prelude::*;

use super::replay::{Replay, found, held, only};
use super::{LONG, SCHEMA, index, open, small};
use crate::AttrId;
use crate::connection::Connection;
use crate::database::Db;
use crate::store::{Store, connect_with};

/// What happens; databases and moments are told by numbers, modulo how many there are.
#[derive(Clone, Debug)]
enum Step {
    /// Transactions handed in together, so that several stand in one frame.
    Write {
        database: usize,
        changes: Vec<Vec<(u64, u8, u8)>>,
    },
    Fork {
        database: usize,
        at: Option<u64>,
    },
    Index(usize),
    Collect(usize),
    Drop(usize),
    Excise {
        database: usize,
        entity: u64,
    },
    Hold(usize),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let change = (0..8_u64, 0..6_u8, 0..4_u8);
    let changes = prop::collection::vec(prop::collection::vec(change, 1..5), 1..5);
    prop_oneof![
        12 => (0..9_usize, changes).prop_map(|(database, changes)| Step::Write { database, changes }),
        4 => (0..9_usize, prop::option::of(any::<u64>())).prop_map(|(database, at)| Step::Fork { database, at }),
        5 => (0..9_usize).prop_map(Step::Index),
        2 => (0..9_usize).prop_map(Step::Collect),
        2 => (0..9_usize).prop_map(Step::Drop),
        1 => (0..9_usize, 0..8_u64).prop_map(|(database, entity)| Step::Excise { database, entity }),
        2 => (0..9_usize).prop_map(Step::Hold),
        1 => Just(Step::Reopen),
    ]
}

/// A transaction that does not fail whatever is there: all entities are named by their keys.
fn text(changes: &[(u64, u8, u8)]) -> String {
    let mut facts = Vec::new();
    let keys: BTreeSet<u64> = changes.iter().flat_map(|(e, _, v)| [*e, u64::from(*v)]).collect();
    facts.extend(keys.iter().map(|key| format!("{{:db/id \"e{key}\" :a/key {key}}}")));
    let mut seen = BTreeSet::new();
    for (e, kind, v) in changes.iter().filter(|(e, kind, v)| {
        let one = if *kind == 2 || *kind == 3 { *v } else { 0 };
        seen.insert((*e, *kind, one)) && (*kind != 3 || !seen.contains(&(*e, 2, *v)))
    }) {
        facts.push(match kind {
            0 => format!("[:db/add \"e{e}\" :a/one {v}]"),
            1 => format!("[:db/add \"e{e}\" :a/brief {v}]"),
            2 => format!("[:db/add \"e{e}\" :a/many \"{v}\"]"),
            3 => format!("[:db/add \"e{e}\" :a/to \"e{v}\"]"),
            4 => format!("[:db/add \"e{e}\" :db/doc \"{}\"]", "long ".repeat(usize::from(*v) * 40)),
            _ => return format!("[[:db/add \"x\" :a/key {}] [:db/add \"x\" :a/one {v}]]", e + 100),
        });
    }
    format!("[{}]", facts.join(" "))
}

/// Databases and the lists they must agree with.
struct Family {
    store: Option<Store>,
    reopen: Box<dyn Fn() -> Store>,
    databases: BTreeMap<String, (Connection, Replay)>,
    held: Vec<(String, Db, Replay)>,
    names: usize,
}

impl Family {
    fn begin(reopen: Box<dyn Fn() -> Store>) -> Family {
        let store = reopen();
        let conn = store.database("main").expect("a good name");
        conn.transact(SCHEMA).expect("a sound schema");
        let replay = Replay::of(&conn);
        let databases = BTreeMap::from([("main".to_owned(), (conn, replay))]);
        Family { store: Some(store), reopen, databases, held: Vec::new(), names: 0 }
    }

    fn store(&self) -> &Store {
        self.store.as_ref().expect("it is open")
    }

    fn name(&self, number: usize) -> Option<String> {
        let count = self.databases.len().max(1);
        self.databases.keys().nth(number % count).cloned()
    }

    fn of(&mut self, number: usize) -> Option<&mut (Connection, Replay)> {
        let name = self.name(number)?;
        self.databases.get_mut(&name)
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Write { database, changes } => {
                let Some((conn, replay)) = self.of(*database) else { return };
                if replay.basis() == 0 {
                    // Of a fork that parted before there was a schema.
                    let report = conn.transact(SCHEMA).expect("a sound schema");
                    replay.txs.push((report.t, report.instant, report.datoms));
                }
                let pending: Vec<_> =
                    changes.iter().map(|changes| conn.submit(text(changes)).expect("room")).collect();
                for pending in pending {
                    let report = pending.wait().expect("sound facts");
                    replay.txs.push((report.t, report.instant, report.datoms));
                }
            }
            Step::Fork { database, at } => self.fork(*database, *at),
            Step::Index(database) => {
                let Some((conn, _)) = self.of(*database) else { return };
                index(conn);
            }
            Step::Collect(database) => {
                let Some((conn, _)) = self.of(*database) else { return };
                conn.gc(None).expect("nothing fails");
            }
            Step::Drop(database) => {
                let Some(name) = self.name(*database) else { return };
                self.databases.remove(&name);
                // Values of what is dropped need not be readable any more.
                self.held.retain(|(of, ..)| *of != name);
                assert!(self.store().drop_database(&name).expect("nothing fails"));
            }
            Step::Excise { database, entity } => self.excise(*database, *entity),
            Step::Hold(database) => {
                let Some(name) = self.name(*database) else { return };
                let (conn, replay) = &self.databases[&name];
                self.held.push((name, conn.db(), replay.clone()));
            }
            Step::Reopen => {
                let names: Vec<(String, Replay)> = std::mem::take(&mut self.databases)
                    .into_iter()
                    .map(|(name, (_, replay))| (name, replay))
                    .collect();
                self.held.clear();
                self.store = None;
                self.store = Some((self.reopen)());
                for (name, replay) in names {
                    let conn = self.store().open_database(&name).expect("it is there");
                    self.databases.insert(name, (conn, replay));
                }
            }
        }
    }

    fn fork(&mut self, database: usize, at: Option<u64>) {
        let Some((conn, replay)) = self.of(database) else { return };
        let t = at.map(|at| at % (replay.basis() + 1));
        let (conn, replay) = (conn.clone(), replay.up_to(t.unwrap_or(replay.basis())));
        self.names += 1;
        let name = format!("fork{}", self.names);
        let fork = conn.fork(&name, t).expect("a free name and a moment that was");
        replay.check(&fork.db());
        self.databases.insert(name, (fork, replay));
    }

    fn excise(&mut self, database: usize, entity: u64) {
        let Some((conn, replay)) = self.of(database) else { return };
        let db = conn.db();
        if db.basis_t() == 0 {
            return;
        }
        let Some(target) = db.entid(format!("[:a/key {entity}]").as_str()).expect("a lookup ref") else {
            return;
        };
        let report = conn.transact(format!("[{{:db/excise {}}}]", target.0)).expect("a sound request");
        replay.txs.push((report.t, report.instant, report.datoms));
        conn.sync_excise(report.t, LONG).expect("the job succeeds");
        conn.gc(None).expect("nothing fails");
        let names = [":a/key", ":a/one", ":a/many", ":a/brief", ":a/to", ":db/doc", ":db/ident"];
        let named = names.iter().filter_map(|name| db.entid(*name).expect("a keyword"));
        replay.excise(target, report.t, &named.filter_map(AttrId::of_entity).collect());
    }

    fn check(&self) {
        for (_, db, replay) in &self.held {
            replay.check(db);
        }
        for (conn, replay) in self.databases.values() {
            replay.check_all(conn);
        }
        let mut all: Vec<Db> = self.databases.values().map(|(conn, _)| conn.db()).collect();
        all.extend(all.first().map(|db| db.as_of(db.basis_t() / 2)));
        for here in &all {
            for there in &all {
                let differs = here.difference(there).expect("they are related");
                let (held_here, held_there) = (held(here), held(there));
                assert_eq!(found(differs.here), only(&held_here, &held_there), "{here:?} and {there:?}");
                assert_eq!(found(differs.there), only(&held_there, &held_here), "{here:?} and {there:?}");
            }
        }
    }
}

fn run(steps: &[Step], reopen: Box<dyn Fn() -> Store>) -> Family {
    let mut family = Family::begin(reopen);
    for step in steps {
        family.take(step);
    }
    family.check();
    family.take(&Step::Reopen);
    family.check();
    family
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn each_database_is_the_replay_of_its_own_log(steps in prop::collection::vec(step(), 5..60)) {
        let memory = MemoryStorage::new();
        let storage: Arc<dyn Storage> = Arc::new(memory.clone());
        let mut family = run(&steps, Box::new(move || open(&storage, small())));
        let names: Vec<String> = family.databases.keys().cloned().collect();
        for name in names {
            family.databases.remove(&name);
            family.held.clear();
            prop_assert!(family.store().drop_database(&name).expect("nothing fails"));
        }
        let catalog = memory.read_slots(Sequence::Catalog, 0, 1_000).expect("memory does not fail");
        let entries: usize = catalog.iter().map(Vec::len).sum();
        prop_assert_eq!(memory.stored_bytes().expect("memory does not fail"), entries as u64, "nothing is left");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]

    #[test]
    fn so_it_is_in_a_file(steps in prop::collection::vec(step(), 5..40)) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("family.annals").to_string_lossy().into_owned();
        run(&steps, Box::new(move || connect_with(&path, small()).expect("a sound file")));
    }
}

/// Every moment of a log whose frames hold several transactions can be forked at, packed or not.
#[test]
fn any_moment_is_one_to_part_at() {
    for packed in [0, 1, 2] {
        let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
        let mut family = Family::begin(Box::new(move || open(&storage, small())));
        for n in 0..6 {
            let changes = (0..4).map(|k| vec![(n, 0, k), (n + 1, 2, k), (k.into(), 1, n as u8)]).collect();
            family.take(&Step::Write { database: 0, changes });
            if n == 2 * packed {
                family.take(&Step::Index(0));
            }
        }
        let main = family.databases["main"].0.clone();
        let basis = main.db().basis_t();
        for t in 0..=basis {
            family
                .fork(family.databases.keys().position(|name| name == "main").expect("it is there"), Some(t));
        }
        let count = family.databases.len();
        for number in 0..count {
            family.take(&Step::Write { database: number, changes: vec![vec![(1, 0, 3)], vec![(2, 4, 1)]] });
        }
        family.check();
    }
}
