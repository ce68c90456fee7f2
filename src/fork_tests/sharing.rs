//! What a fork costs, what is kept for it and for how long, and what it is refused for.

use std::sync::Arc;

use annals_storage::anomaly::Category;
use annals_storage::backend::{Catalog, DatabaseId, MemoryStorage, Sequence, Storage};

use super::replay::{Replay, held};
use super::{LONG, grown, index, numbers, open, small};
use crate::Order;
use crate::options::Options;
use crate::store::{Store, connect_with};

struct House {
    memory: MemoryStorage,
    store: Store,
}

impl House {
    fn new() -> House {
        let memory = MemoryStorage::new();
        let storage: Arc<dyn Storage> = Arc::new(memory.clone());
        House { store: open(&storage, small()), memory }
    }

    fn bytes(&self) -> u64 {
        self.memory.stored_bytes().expect("memory does not fail")
    }

    fn id(&self, name: &str) -> DatabaseId {
        let mut catalog = Catalog::open(Arc::new(self.memory.clone())).expect("a sound catalog");
        catalog.find(name).expect("a good name").expect("it is there")
    }

    fn segments(&self, id: DatabaseId) -> usize {
        self.memory.list_segments(id, None, 100_000).expect("memory does not fail").len()
    }
}

#[test]
fn segments_are_shared_and_so_is_what_was_read_of_them() {
    let house = House::new();
    let main = grown(&house.store, "main", 60, &[20, 40, 60]);
    let all = held(&main.db());
    let (before, segments) = (house.bytes(), house.segments(house.id("main")));
    let reads = |db: &crate::Db| db.basis().home.cache.stats().leaves_read;
    let fork = main.fork("trial", None).expect("a free name");
    let read = reads(&main.db());
    assert_eq!(held(&fork.db()), all);
    assert_eq!(reads(&fork.db()), read, "no leaf is read twice");
    let (own, grown) = (house.segments(house.id("trial")), house.bytes() - before);
    assert!(own * 20 < segments, "{own} segments beside {segments}");
    assert!(grown < 4_000 && grown * 10 < before, "{grown} bytes beside {before}");
}

#[test]
fn what_a_fork_reads_is_kept_and_goes_with_it() {
    let house = House::new();
    let main = grown(&house.store, "main", 20, &[20]);
    let at_fork = Replay::of(&main);
    let alone = |house: &House| {
        let report = house.store.verify("main", &mut |_| {}).expect("memory does not fail");
        (report.freed, report.orphans, report.problems.len())
    };
    let fork = main.fork("trial", None).expect("a free name");
    for n in 21..40 {
        main.transact(numbers(0..20, n)).expect("sound facts");
        index(&main);
    }
    assert!(alone(&house).0 > 0, "the fork reads what the parent freed");
    at_fork.check_all(&fork);
    drop(fork);
    assert!(house.store.drop_database("trial").expect("memory does not fail"));
    main.gc(None).expect("memory does not fail");
    assert_eq!(alone(&house), (0, 0, 0));
}

#[test]
fn a_dropped_parent_stays_as_far_as_it_is_read() {
    let house = House::new();
    let main = grown(&house.store, "main", 20, &[10, 20]);
    let at_fork = Replay::of(&main).up_to(20);
    let fork = main.fork("trial", Some(20)).expect("a free name");
    let grandchild = fork.fork("second", Some(15)).expect("a free name");
    main.transact(numbers(0..20, 77)).expect("sound facts");
    index(&main);
    let (id, before) = (house.id("main"), house.segments(house.id("main")));
    drop(main);
    assert!(house.store.drop_database("main").expect("memory does not fail"));
    assert!((1..before).contains(&house.segments(id)));
    at_fork.check_all(&fork);
    // The name is free; a new database of it has nothing of the old.
    assert_eq!(house.store.database("main").expect("free").db().basis_t(), 0);
    let fork_id = house.id("trial");
    drop(fork);
    house.store.drop_database("trial").expect("memory does not fail");
    at_fork.up_to(15).check_all(&grandchild);
    index(&grandchild);
    grandchild.gc(None).expect("memory does not fail");
    at_fork.up_to(15).check_all(&grandchild);
    drop(grandchild);
    house.store.drop_database("second").expect("memory does not fail");
    assert_eq!((house.segments(id), house.segments(fork_id)), (0, 0));
}

#[test]
fn excision_stays_on_its_side() {
    let house = House::new();
    let main = grown(&house.store, "main", 12, &[6]);
    let fork = main.fork("trial", None).expect("a free name");
    let (before, key) = (Replay::of(&main), "[:a/key 9]");
    let target = main.db().entid(key).expect("a lookup ref").expect("it is there");
    let excise = |conn: &crate::Connection| {
        let t = conn.transact(format!("[{{:db/excise {}}}]", target.0)).expect("a sound request").t;
        conn.sync_excise(t, LONG).expect("the job succeeds");
        conn.gc(None).expect("memory does not fail");
    };
    excise(&main);
    assert_eq!(main.db().entid(key).expect("a lookup ref"), None);
    before.check_all(&fork);
    let differs = fork.db().difference(&main.db()).expect("they are related");
    assert!(differs.here.iter().any(|fact| fact.e == target), "though it is older than the parting");
    // A fork of what is left begins without it, trees or no trees.
    for t in [2, 12, main.db().basis_t()] {
        let name = format!("late{t}");
        let late = house.store.fork("main", &name, Some(t)).expect("a free name");
        assert_eq!(late.db().history().entid(key).expect("a lookup ref"), None, "{t}");
        index(&late);
        Replay::of(&late).check_all(&late);
    }
    // What the parent removed says nothing of what a fork says anew, by transactions of the same numbers.
    let anew = house.store.fork("main", "anew", Some(2)).expect("a free name");
    for n in 3..20 {
        anew.transact(format!("[[:db/add {} :a/one {n}]]", target.0)).expect("sound facts");
    }
    index(&anew);
    Replay::of(&anew).check_all(&anew);
    assert_eq!(Replay::of(&anew).txs.len(), 20);
    assert!(anew.db().datoms(Order::Eavt, &[target.into()], None).expect("sound").len() == 1);
    excise(&fork);
    assert_eq!(fork.db().history().entid(key).expect("a lookup ref"), None);
    let report = fork.verify(&mut |_| {}).expect("memory does not fail");
    assert_eq!((report.problems, report.orphans), (vec![], 0));
}

#[test]
fn a_fork_is_made_anew_from_its_log_and_that_of_its_parent() {
    let house = House::new();
    let main = grown(&house.store, "main", 20, &[10, 20]);
    let fork = main.fork("trial", Some(18)).expect("a free name");
    for n in 30..34 {
        fork.transact(numbers(0..9, n)).expect("sound facts");
        index(&fork);
    }
    let (expected, id) = (Replay::of(&fork), house.id("trial"));
    drop(fork);
    let roots = house.memory.read_slots(Sequence::Root(id), 0, 100).expect("memory does not fail").len();
    for number in 0..roots as u64 {
        house.memory.damage_slot(Sequence::Root(id), number, |bytes| bytes[40] ^= 1);
    }
    assert!(!house.store.verify("trial", &mut |_| {}).expect("memory does not fail").is_clean());
    house.store.repair("trial").expect("the log is whole");
    let fork = house.store.open_database("trial").expect("it is whole");
    expected.check_all(&fork);
    fork.gc(None).expect("memory does not fail");
    expected.check_all(&fork);
    Replay::of(&main).check_all(&main);
}

#[test]
fn trees_that_a_repair_left_behind_are_kept_for_a_fork() {
    let house = House::new();
    let main = grown(&house.store, "main", 20, &[10, 20]);
    let (expected, id) = (Replay::of(&main), house.id("main"));
    drop((main.fork("trial", None).expect("a free name"), main));
    house.store.repair("main").expect("the log is whole");
    let main = house.store.open_database("main").expect("it is whole");
    main.gc(None).expect("memory does not fail");
    let fork = house.store.open_database("trial").expect("it is there");
    expected.check_all(&fork);
    expected.check_all(&main);
    let kept = house.segments(id);
    drop(fork);
    house.store.drop_database("trial").expect("memory does not fail");
    main.gc(None).expect("memory does not fail");
    assert!(house.segments(id) < kept);
}

#[test]
fn what_cannot_be_forked_is_told() {
    let house = House::new();
    let main = grown(&house.store, "main", 3, &[]);
    let told = |from: &str, to: &str, at| {
        let error = house.store.fork(from, to, at).expect_err("it is refused");
        assert!(error.hint().is_some(), "{error}");
        (error.category(), error.keyword().to_owned())
    };
    let basis = main.db().basis_t();
    assert_eq!(told("mian", "b", None), (Category::NotFound, "db.error/db-not-found".to_owned()));
    assert_eq!(told("main", "main", None), (Category::Conflict, "db.error/db-exists".to_owned()));
    assert_eq!(
        told("main", "b", Some(basis + 1)),
        (Category::Incorrect, "db.error/fork-beyond-basis".to_owned())
    );
    assert_eq!(told("main", "b", Some(u64::MAX)).1, "db.error/fork-beyond-basis");
    assert_eq!(told("main", "a/b", None).1, "db.error/bad-database-name");
    assert_eq!(house.store.databases().expect("memory does not fail"), ["main"]);
    let other = grown(&house.store, "other", 1, &[]);
    let unrelated = main.db().difference(&other.db()).expect_err("they share nothing");
    assert_eq!(unrelated.keyword(), "db.error/unrelated-databases");
    for view in [main.db().history(), main.db().since(1)] {
        assert_eq!(view.difference(&main.db()).expect_err("no moment").keyword(), "db.error/bad-view");
    }
}

#[test]
fn speculative_transactions_and_filters_count_in_a_difference() {
    let house = House::new();
    let main = grown(&house.store, "main", 3, &[]);
    let before = main.db();
    let what_if = before.with("[{:a/key 500 :a/one 1}]").expect("sound facts").db_after;
    main.transact("[{:a/key 600 :a/one 2}]").expect("sound facts");
    let differs = what_if.difference(&main.db()).expect("one database");
    let keys = |facts: &[crate::Datom]| facts.iter().filter(|fact| fact.v == crate::Value::Long(500)).count();
    assert_eq!((keys(&differs.here), keys(&differs.there)), (1, 0));
    assert!(differs.there.iter().any(|fact| fact.v == crate::Value::Long(600)));
    let unseen = what_if.filter(|_, fact| fact.v != crate::Value::Long(500));
    assert_eq!(keys(&unseen.difference(&before).expect("one database").here), 0);
    let same = before.difference(&before.as_of(before.basis_t())).expect("one database");
    assert_eq!((same.here, same.there), (vec![], vec![]));
}

#[test]
fn a_fork_goes_on_with_the_ids_of_its_parent() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ids.annals").to_string_lossy().into_owned();
    let open = || connect_with(&path, Options { must_exist: false, ..small() }).expect("a sound file");
    let store = open();
    let main = grown(&store, "main", 5, &[3]);
    let fork = main.fork("trial", None).expect("a free name");
    let next = |conn: &crate::Connection| {
        let report = conn.transact("[{:db/id \"new\" :a/key 1000}]").expect("sound facts");
        (report.t, report.tempids["new"])
    };
    let ids = next(&main);
    assert_eq!(next(&fork), ids);
    let again = fork.fork("again", Some(ids.0 - 1)).expect("a free name");
    drop((main, fork, again, store));
    let store = open();
    assert_eq!(next(&store.open_database("again").expect("it is there")), ids);
    let all = store.open_database("trial").expect("it is there").db().datoms(Order::Eavt, &[], None);
    assert!(all.expect("sound").iter().any(|fact| fact.e == ids.1));
}
